//! What tests do with a world.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use stun_codec::{ChannelNumber, Class, Message, MessageWriter, Method, TransactionId, channel_data_header};
use turn_core::Instant;
use turn_core::client::{Allocated, Client, ClientConfig, Credentials, Event, Transport};

use super::hosts::{Behaviour, FromRelay, Peer, RawClient, Received, Reply, SimClient};
use super::policy::USERS;
use super::world::{Node, SERVER_V4, SERVER_V6, World};

/// How long a step of a conversation may take: one whole round of retransmissions, and a second one.
const PATIENCE: Duration = Duration::from_secs(80);

/// A client of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKey(usize);

/// A scripted client of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawKey(usize);

/// A peer of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerKey(usize);

/// An address out of a literal.
pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

/// Configuration of a client that is alice.
pub fn alice() -> ClientConfig {
    let (name, password) = USERS[0];
    ClientConfig { credentials: Some(Credentials::new(name, password)), ..ClientConfig::default() }
}

/// Configuration of a client that is bob.
pub fn bob() -> ClientConfig {
    let (name, password) = USERS[1];
    ClientConfig { credentials: Some(Credentials::new(name, password)), ..ClientConfig::default() }
}

/// The server's address of the same family.
fn server_for(client: SocketAddr) -> SocketAddr {
    addr(if client.is_ipv4() { SERVER_V4 } else { SERVER_V6 })
}

/// Hosts.
impl World {
    /// A client at this address. A stream client is connected at once, to the worker that its port names.
    pub fn add_client(&mut self, at: &str, config: ClientConfig) -> ClientKey {
        let (at, seed) = (addr(at), self.chance.bytes());
        let transport = config.transport;
        let node = Node::Client(self.clients.len());
        let server = server_for(at);
        let stream = (transport == Transport::Stream)
            .then(|| self.connect(usize::from(at.port()) % self.workers.len(), node, at, server));
        self.clients.push(SimClient {
            machine: Client::new(config, seed),
            addr: at,
            server,
            stream,
            events: Vec::new(),
            received: Vec::new(),
            icmp: Vec::new(),
        });
        self.add_node(at, node);
        ClientKey(self.clients.len() - 1)
    }

    /// A scripted client that is this user, by its number in [`USERS`].
    pub fn add_raw(&mut self, at: &str, user: usize) -> RawKey {
        let at = addr(at);
        let (name, password) = USERS[user];
        self.raws.push(RawClient::new(at, server_for(at), name, password));
        self.add_node(at, Node::Raw(self.raws.len() - 1));
        RawKey(self.raws.len() - 1)
    }

    /// The same over a stream, connected at once to the worker that its port names.
    pub fn add_raw_stream(&mut self, at: &str, user: usize) -> RawKey {
        let key = self.add_raw(at, user);
        let RawClient { addr, server, .. } = self.raws[key.0];
        let worker = usize::from(addr.port()) % self.workers.len();
        self.raws[key.0].stream = Some(self.connect(worker, Node::Raw(key.0), addr, server));
        key
    }

    /// A peer at this address.
    pub fn add_peer(&mut self, at: &str, behaviour: Behaviour) -> PeerKey {
        let at = addr(at);
        self.peers.push(Peer { addr: at, behaviour, received: Vec::new(), stream_bytes: Vec::new() });
        self.add_node(at, Node::Peer(self.peers.len() - 1));
        PeerKey(self.peers.len() - 1)
    }

    fn add_node(&mut self, at: SocketAddr, node: Node) {
        assert_eq!(self.nodes.insert(at, node), None, "{at} is taken");
    }

    /// A client, to be looked at.
    pub fn client(&self, key: ClientKey) -> &SimClient {
        &self.clients[key.0]
    }

    /// A client, to be changed; what it is to send it gets by [`World::drive`].
    pub fn client_mut(&mut self, key: ClientKey) -> &mut SimClient {
        &mut self.clients[key.0]
    }

    /// A scripted client.
    pub fn raw(&mut self, key: RawKey) -> &mut RawClient {
        &mut self.raws[key.0]
    }

    /// A peer.
    pub fn peer(&mut self, key: PeerKey) -> &mut Peer {
        &mut self.peers[key.0]
    }
}

/// Clients.
impl World {
    /// Calls a client's state machine, and sends what comes of it.
    pub fn drive<R>(&mut self, key: ClientKey, call: impl FnOnce(&mut Client, Instant) -> R) -> R {
        let result = call(&mut self.clients[key.0].machine, self.now.mono);
        self.pump(key.0);
        result
    }

    /// Lets time pass until something is found among the client's events, and takes it out.
    pub fn await_event<R>(&mut self, key: ClientKey, mut find: impl FnMut(&Event) -> Option<R>) -> R {
        let end = self.now.mono + PATIENCE;
        loop {
            let events = &mut self.clients[key.0].events;
            if let Some((at, found)) = events.iter().enumerate().find_map(|(at, event)| Some((at, find(event)?))) {
                events.remove(at);
                return found;
            }
            assert!(self.step(end), "nothing of that sort came up: {:?}", self.clients[key.0].events);
        }
    }

    /// The events so far, taken out.
    pub fn events(&mut self, key: ClientKey) -> Vec<Event> {
        std::mem::take(&mut self.clients[key.0].events)
    }

    /// Allocates, and waits for it.
    pub fn allocate(&mut self, key: ClientKey) -> Allocated {
        self.drive(key, |client, now| client.allocate(now)).expect("idle");
        self.await_event(key, |event| match event {
            Event::Allocated(allocated) => Some(*allocated),
            _ => None,
        })
    }

    /// A client that has an allocation, and its relayed address.
    pub fn allocated(&mut self, at: &str) -> (ClientKey, SocketAddr) {
        let key = self.add_client(at, alice());
        let allocated = self.allocate(key);
        (key, allocated.relayed.iter().next().expect("a relayed address"))
    }

    /// Installs a permission, and waits for it.
    pub fn permit(&mut self, key: ClientKey, host: IpAddr) {
        self.drive(key, |client, now| client.create_permission(now, &[host])).expect("allocated");
        self.await_event(key, |event| (*event == Event::PermissionGranted(host)).then_some(()));
    }

    /// Binds a channel, and waits for it.
    pub fn bind(&mut self, key: ClientKey, to: SocketAddr) -> ChannelNumber {
        self.drive(key, |client, now| client.bind_channel(now, to)).expect("allocated");
        self.await_event(key, |event| match event {
            Event::ChannelBound { number, peer } if *peer == to => Some(*number),
            _ => None,
        })
    }

    /// Sends a payload through the relay.
    pub fn send_payload(&mut self, key: ClientKey, to: SocketAddr, payload: &[u8]) {
        let mut out = [0; 2000];
        let len = self.drive(key, |client, _| client.send(to, payload, &mut out)).expect("permitted");
        let SimClient { addr, server, stream, .. } = self.clients[key.0];
        match stream {
            Some(connection) => self.write_to_server(connection, &out[..len]),
            None => self.send(addr, server, &out[..len], false),
        }
    }

    /// Closes, and waits for it.
    pub fn close(&mut self, key: ClientKey) {
        self.drive(key, Client::close);
        self.await_event(key, |event| (*event == Event::Closed).then_some(()));
    }

    /// What reached the client so far, taken out.
    pub fn received(&mut self, key: ClientKey) -> Vec<Received> {
        std::mem::take(&mut self.clients[key.0].received)
    }

    /// The client's connection breaks.
    pub fn hang_up(&mut self, key: ClientKey) {
        let connection = self.clients[key.0].stream.expect("a stream client");
        self.hang_up_connection(connection);
    }
}

/// Peers.
impl World {
    /// A peer sends a datagram.
    pub fn peer_sends(&mut self, key: PeerKey, to: SocketAddr, payload: &[u8]) {
        let from = self.peers[key.0].addr;
        self.send(from, to, payload, false);
    }

    /// What reached the peer so far, taken out.
    pub fn peer_received(&mut self, key: PeerKey) -> Vec<FromRelay> {
        std::mem::take(&mut self.peers[key.0].received)
    }

    /// A peer's connections break, all of them.
    pub fn peer_hangs_up(&mut self, key: PeerKey) {
        for connection in 0..self.connections.len() {
            if self.connections[connection].outer == Node::Peer(key.0) {
                self.hang_up_connection(connection);
            }
        }
    }

    /// A peer connects to a relayed address and writes; false if nobody listens there.
    pub fn peer_connects_and_writes(&mut self, key: PeerKey, relayed: SocketAddr, bytes: &[u8]) -> bool {
        let connection = self.peer_connects(key.0, relayed);
        if let Some(connection) = connection {
            self.write_to_server(connection, bytes);
        }
        connection.is_some_and(|connection| self.connections[connection].is_open)
    }
}

/// Scripted clients.
impl World {
    /// Sends bytes as they are.
    pub fn raw_sends(&mut self, key: RawKey, bytes: &[u8]) {
        let RawClient { addr, server, stream, .. } = self.raws[key.0];
        match stream {
            Some(connection) => self.write_to_server(connection, bytes),
            None => self.send(addr, server, bytes, false),
        }
    }

    /// The client's connection breaks.
    pub fn raw_hangs_up(&mut self, key: RawKey) {
        let connection = self.raws[key.0].stream.expect("a stream client");
        self.hang_up_connection(connection);
    }

    /// Whether the client's connection is open.
    pub fn raw_is_connected(&self, key: RawKey) -> bool {
        self.raws[key.0].stream.is_some_and(|connection| self.connections[connection].is_open)
    }

    /// One request and its answer, without credentials as long as there was no challenge. None after two seconds.
    pub fn try_ask(&mut self, key: RawKey, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Option<Reply> {
        let request = self.raws[key.0].request(method, fill);
        self.ask_with(key, &request)
    }

    /// Sends a request as it is, and waits for its answer for two seconds.
    pub fn ask_with(&mut self, key: RawKey, request: &[u8]) -> Option<Reply> {
        self.raw_sends(key, request);
        let end = self.now.mono + Duration::from_secs(2);
        loop {
            if let Some(reply) = self.raws[key.0].take_answer(request) {
                return Some(reply);
            }
            if !self.step(end) {
                return None;
            }
        }
    }

    /// One request and its answer; the first challenge is answered.
    pub fn ask(&mut self, key: RawKey, method: Method, fill: impl Fn(&mut MessageWriter<'_>)) -> Reply {
        let reply = self.try_ask(key, method, &fill).expect("an answer");
        if self.raws[key.0].auth.is_challenged() || reply.code() != 401 {
            return reply;
        }
        self.raws[key.0].auth.challenged(&reply.message()).expect("a challenge that can be answered");
        self.try_ask(key, method, &fill).expect("an answer")
    }

    /// Allocates; more attributes than REQUESTED-TRANSPORT are the caller's.
    pub fn raw_allocate(&mut self, key: RawKey, fill: impl Fn(&mut MessageWriter<'_>)) -> Reply {
        self.ask(key, Method::Allocate, |w| {
            w.requested_transport(17);
            fill(w);
        })
    }

    /// CreatePermission.
    pub fn raw_permit(&mut self, key: RawKey, hosts: &[IpAddr]) -> Reply {
        self.ask(key, Method::CreatePermission, |w| {
            for host in hosts {
                w.xor_peer_address((*host, 0).into());
            }
        })
    }

    /// ChannelBind.
    pub fn raw_bind(&mut self, key: RawKey, number: u16, peer: SocketAddr) -> Reply {
        self.ask(key, Method::ChannelBind, |w| {
            w.channel_number(ChannelNumber::new(number).expect("in range")).xor_peer_address(peer);
        })
    }

    /// Refresh.
    pub fn raw_refresh(&mut self, key: RawKey, lifetime: u32) -> Reply {
        self.ask(key, Method::Refresh, |w| {
            w.lifetime(lifetime);
        })
    }

    /// A Send indication, whether or not it will pass.
    pub fn raw_send_indication(&mut self, key: RawKey, peer: SocketAddr, payload: &[u8]) {
        let mut buf = [0; 2048];
        let id = TransactionId(self.chance.bytes());
        let mut writer = MessageWriter::new(&mut buf, Class::Indication, Method::Send, id);
        writer.xor_peer_address(peer).data(payload);
        let len = writer.finish().expect("short");
        self.raw_sends(key, &buf[..len]);
    }

    /// ChannelData, whether or not it will pass; padded.
    pub fn raw_channel_data(&mut self, key: RawKey, number: u16, payload: &[u8]) {
        let number = ChannelNumber::new(number).expect("in range");
        let header = channel_data_header(number, u16::try_from(payload.len()).expect("short"));
        let pad = &[0; 3][..stun_codec::padding(payload.len())];
        self.raw_sends(key, &[&header, payload, pad].concat());
    }

    /// Payloads of the Data indications and ChannelData that came, taken out, with their peer or number.
    pub fn raw_payloads(&mut self, key: RawKey) -> Vec<Vec<u8>> {
        let inbox = std::mem::take(&mut self.raws[key.0].inbox);
        inbox
            .iter()
            .filter_map(|bytes| match Message::parse(bytes) {
                Ok(message) => message.data().ok().flatten().map(<[u8]>::to_vec),
                Err(_) => stun_codec::ChannelData::parse(bytes).ok().map(|channel| channel.data.to_vec()),
            })
            .collect()
    }
}
