//! Who is out there: clients, scripted clients, and peers.

use std::net::SocketAddr;

use stun_codec::{ChannelNumber, Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::ClientAuth;
use turn_core::Instant;
use turn_core::client::{Client, Event, Input};

/// A client of [`turn_core::client`] on a host of its own.
#[derive(Debug)]
pub struct SimClient {
    /// The state machine. Whoever calls it directly lets [`World::drive`](super::World::drive) do it.
    pub(super) machine: Client,
    /// Where it sends from.
    pub addr: SocketAddr,
    /// Where it sends to; a test moves it after a redirection.
    pub server: SocketAddr,
    /// The connection, for a stream client.
    pub(super) stream: Option<usize>,
    /// What came up, oldest first; taken by [`World::events`](super::World::events).
    pub events: Vec<Event>,
    /// What peers sent, oldest first.
    pub received: Vec<Received>,
    /// ICMP errors: peer, type, code, data.
    pub icmp: Vec<(SocketAddr, u8, u8, u32)>,
}

impl SimClient {
    /// The state machine, to be looked at.
    pub fn machine(&self) -> &Client {
        &self.machine
    }

    pub(super) fn take_in(&mut self, now: Instant, message: &[u8]) {
        match self.machine.handle_input(now, message) {
            Input::Data { peer, payload, channel } => {
                self.received.push(Received { peer, payload: payload.to_vec(), channel });
            }
            Input::Icmp { peer, typ, code, data } => self.icmp.push((peer, typ, code, data)),
            Input::Nothing => {}
        }
    }
}

/// A payload that reached a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// From whom.
    pub peer: SocketAddr,
    /// What.
    pub payload: Vec<u8>,
    /// By ChannelData; none by Data indication.
    pub channel: Option<ChannelNumber>,
}

/// A client that sends exactly what a test tells it to.
#[derive(Debug)]
pub struct RawClient {
    /// Where it sends from.
    pub addr: SocketAddr,
    /// Where it sends to.
    pub server: SocketAddr,
    /// Signs its requests once it was challenged.
    pub auth: ClientAuth,
    /// What came, oldest first: datagrams, or frames of a stream.
    pub inbox: Vec<Vec<u8>>,
    pub(super) stream: Option<usize>,
    /// Set once the stream is paired with a peer's: what comes is no longer framed.
    pub(super) is_paired: bool,
    transactions: u64,
}

impl RawClient {
    pub(super) fn new(addr: SocketAddr, server: SocketAddr, user: &str, password: &str) -> Self {
        let auth = ClientAuth::new(user, password.into());
        Self { addr, server, auth, inbox: Vec::new(), stream: None, is_paired: false, transactions: 0 }
    }

    /// Writes a request, signed if there was a challenge.
    pub fn request(&mut self, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
        self.transactions += 1;
        let mut id = [0xA5; 12];
        id[..8].copy_from_slice(&self.transactions.to_be_bytes());
        let mut buf = [0; 2048];
        let mut writer = MessageWriter::new(&mut buf, Class::Request, method, TransactionId(id));
        fill(&mut writer);
        self.auth.complete(&mut writer);
        let len = writer.finish().expect("a test's request is short");
        buf[..len].to_vec()
    }

    /// Takes the answer to a request out of the inbox.
    pub fn take_answer(&mut self, request: &[u8]) -> Option<Reply> {
        let id = Message::parse(request).expect("a request").transaction_id();
        let is_answer = |bytes: &Vec<u8>| {
            Message::parse(bytes).is_ok_and(|m| m.class() != Class::Indication && m.transaction_id() == id)
        };
        let at = self.inbox.iter().position(is_answer)?;
        Some(Reply(self.inbox.remove(at)))
    }
}

/// An answer to a scripted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply(pub Vec<u8>);

impl Reply {
    /// The message.
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.0).expect("servers answer with messages")
    }

    /// 200 for a success, the error code otherwise.
    pub fn code(&self) -> u16 {
        match self.message().class() {
            Class::Error => self.message().error_code().expect("well-formed").expect("an error has a code").code,
            _ => 200,
        }
    }

    /// XOR-RELAYED-ADDRESS.
    pub fn relayed(&self) -> SocketAddr {
        self.message().xor_relayed_address().expect("well-formed").expect("a relayed address")
    }
}

/// What a peer does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Keeps it.
    Record,
    /// Keeps it and sends it back.
    Echo,
}

/// A host that clients reach through the relay.
#[derive(Debug)]
pub struct Peer {
    /// Its address.
    pub addr: SocketAddr,
    /// What it does.
    pub behaviour: Behaviour,
    /// What it got, oldest first.
    pub received: Vec<FromRelay>,
    /// What came over TCP, all connections together.
    pub stream_bytes: Vec<u8>,
}

/// A datagram that reached a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromRelay {
    /// The relayed transport address it came from.
    pub from: SocketAddr,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Whether it came with the don't-fragment bit.
    pub dont_fragment: bool,
}
