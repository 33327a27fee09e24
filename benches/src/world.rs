//! A server with allocations, and a client's messages for each.

use crate::policy::{BenchPolicy, PASSWORD, USER};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;
use stun_codec::{
    ChannelNumber, Class, INDICATION_HEADER_LEN, Message, MessageWriter, Method, TransactionId, channel_data_header,
    send_indication_header,
};
use turn_auth::ClientAuth;
use turn_core::{
    ClientAction, ClientId, Effect, FiveTuple, Header, Instant, ListenerId, Now, Opened, PeerAction, RelayId, Server,
    ServerConfig, UnixSeconds, WorkerId,
};

/// Peer of every client's channel.
pub const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 9), 9000));
/// Another port of that peer, permitted and without a channel.
pub const PLAIN_PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 9), 9001));
/// Every client's channel number.
pub const CHANNEL: u16 = 0x4000;

const LISTENER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 3478));
/// Enough for every reply (RFC 8656 servers answer within an MTU).
const REPLY: usize = 1500;

/// A server, its policy, and the clients that have allocations.
pub struct World {
    server: Server,
    policy: BenchPolicy,
    now: Now,
    clients: Vec<Client>,
    transactions: u64,
    reply: Vec<u8>,
}

/// One client's allocation.
#[derive(Debug)]
pub struct Client {
    id: ClientId,
    auth: ClientAuth,
    relay: Option<RelayId>,
}

impl World {
    /// A server without allocations whose route table has `prefixes` entries besides the peers'.
    #[must_use]
    pub fn new(prefixes: u32) -> Self {
        Self {
            server: Server::new(ServerConfig { worker: WorkerId(0), seed: [1; 32] }),
            policy: BenchPolicy::new(prefixes),
            now: Now { mono: Instant::ZERO + Duration::from_secs(1), unix: UnixSeconds(1_800_000_000) },
            clients: Vec::new(),
            transactions: 0,
            reply: Vec::with_capacity(REPLY),
        }
    }

    /// Adds `count` clients, each with an allocation, a permission and a channel to [`PEER`].
    pub fn allocate(&mut self, count: u32) {
        for _ in 0..count {
            let mut client = self.newcomer();
            self.open(&mut client);
            self.bind(&client);
            self.clients.push(client);
        }
    }

    /// A client that the server has challenged, at an address that none of the [allocated](World::allocate) ones has.
    pub fn newcomer(&mut self) -> Client {
        self.newcomer_at(u32::try_from(self.clients.len()).expect("fewer clients than addresses"))
    }

    /// A client that the server has challenged, at the `number`th of all addresses.
    pub fn newcomer_at(&mut self, number: u32) -> Client {
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 0)) + number / 4);
        let port = 40_000 + (number % 4) as u16;
        let five_tuple = FiveTuple { listener: ListenerId(0), client: (ip, port).into(), local: LISTENER };
        let id = ClientId::Udp(five_tuple);
        let mut client = Client { id, auth: ClientAuth::new(USER, PASSWORD.into()), relay: None };
        assert!(self.request(&client, Method::Allocate, udp), "a 401 comes at once");
        client.auth.challenged(&Message::parse(&self.reply).expect("a reply")).expect("a challenge");
        client
    }

    /// Gives a challenged client its allocation.
    pub fn open(&mut self, client: &mut Client) {
        assert!(!self.request(client, Method::Allocate, udp), "the reply waits for the socket");
        let Some(Effect::OpenRelay(open)) = self.server.poll_effect() else { panic!("no socket is asked for") };
        let addr = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), 50_000));
        self.server.relay_opened(self.now, open.relay, Ok(Opened { addr, pair: None }));
        client.relay = Some(open.relay);
        self.drain();
    }

    /// Binds [`CHANNEL`] to [`PEER`], which also makes a permission.
    pub fn bind(&mut self, client: &Client) {
        self.request(client, Method::ChannelBind, |writer| {
            writer.channel_number(channel()).xor_peer_address(PEER);
        });
    }

    /// Deletes a client's allocation.
    pub fn close(&mut self, client: &Client) {
        self.refresh(client, 0);
    }

    /// Refreshes a client's allocation.
    pub fn refresh(&mut self, client: &Client, seconds: u32) {
        self.request(client, Method::Refresh, |writer| {
            writer.lifetime(seconds);
        });
    }

    /// The `index`th of the clients that [`World::allocate`] added.
    #[must_use]
    pub fn client(&self, index: usize) -> &Client {
        &self.clients[index]
    }

    /// How many allocations the server has.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.server.allocations()
    }

    /// A ChannelData message on [`CHANNEL`].
    #[must_use]
    pub fn channel_data(&self, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).expect("a datagram");
        [&channel_data_header(channel(), length)[..], payload].concat()
    }

    /// A Send indication to [`PLAIN_PEER`]. The payload's length is to be a multiple of four.
    #[must_use]
    pub fn send_indication(&self, payload: &[u8]) -> Vec<u8> {
        let mut header = [0; INDICATION_HEADER_LEN];
        let length = u16::try_from(payload.len()).expect("a datagram");
        let length = send_indication_header(TransactionId([3; 12]), PLAIN_PEER, length, &mut header).expect("it fits");
        [&header[..length], payload].concat()
    }

    /// Hands in a datagram of the `index`th client; the length of what goes to the peer, if anything does.
    #[inline]
    pub fn to_peer(&mut self, index: usize, datagram: &[u8]) -> Option<usize> {
        let mut out = [0; 0];
        match self.server.handle_client(&self.policy, self.now, &self.clients[index].id, datagram, &mut out) {
            ClientAction::ToPeer(to_peer) => Some(to_peer.payload.len()),
            _ => None,
        }
    }

    /// Tells of a datagram from [`PEER`] at the `index`th client's relayed address; what precedes it on its way to the client.
    #[inline]
    pub fn to_client(&mut self, index: usize, length: usize) -> Option<Header> {
        self.to_client_from(index, PEER, length)
    }

    /// The same from another peer.
    #[inline]
    pub fn to_client_from(&mut self, index: usize, peer: SocketAddr, length: usize) -> Option<Header> {
        let relay = self.clients[index].relay?;
        match self.server.handle_peer(&self.policy, self.now, relay, peer, length) {
            PeerAction::ToClient(to_client) => Some(to_client.header),
            PeerAction::Drop(_) => None,
        }
    }

    /// Sends a request and keeps the reply. Whether one came at once.
    fn request(&mut self, client: &Client, method: Method, body: impl FnOnce(&mut MessageWriter<'_>)) -> bool {
        self.transactions += 1;
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.transactions.to_be_bytes());
        let mut request = [0; REPLY];
        let mut writer = MessageWriter::new(&mut request, Class::Request, method, TransactionId(id));
        body(&mut writer);
        client.auth.complete(&mut writer);
        let length = writer.finish().expect("room");
        let mut out = [0; REPLY];
        let at_once = match self.server.handle_client(&self.policy, self.now, &client.id, &request[..length], &mut out)
        {
            ClientAction::Reply(reply) => {
                self.reply.clear();
                self.reply.extend_from_slice(reply);
                true
            }
            ClientAction::Pending => return false,
            other => panic!("{method:?}: {other:?}"),
        };
        self.drain();
        at_once
    }

    fn drain(&mut self) {
        while self.server.poll_effect().is_some() {}
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}

fn channel() -> ChannelNumber {
    ChannelNumber::new(CHANNEL).expect("a number from the channel range")
}

fn udp(writer: &mut MessageWriter<'_>) {
    writer.requested_transport(17);
}
