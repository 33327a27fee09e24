//! Two servers, what they asked their caller for, and what a naive model expects of them.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use stun_codec::{Class, Message, Method};
use turn_core::{
    Binding, ClientId, Effect, FiveTuple, Instant, ListenerId, Mail, Now, OpenRelay, RelayId, Report, Server,
    ServerConfig, StreamClient, StreamId, Traffic, UnixSeconds, Usage, WorkerId,
};

use super::{
    model::{Allocation, Connection, Reservation, Seconds, State},
    policy::BitPolicy,
    requests::KEYS,
};

pub(super) const CLIENTS: usize = 6;
/// The clock's start; far from zero, so that nothing underflows unseen.
const START: Seconds = 1_000;

/// A stream that the caller holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stream {
    /// A client's, besides those that have allocations.
    Data,
    /// A connection with a peer: the server must see to its end.
    Peer,
}

/// A socket that is to be opened.
pub(super) struct Open {
    pub(super) worker: usize,
    pub(super) open: OpenRelay,
    pub(super) client: usize,
    pub(super) serial: u32,
}

/// A mail on its way, with what travels along and what it is about.
pub(super) struct Posted {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) mail: Mail,
    pub(super) socket: Option<SocketAddr>,
    pub(super) stream: Option<StreamId>,
    pub(super) story: Story,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Story {
    None,
    Redeem { client: usize, serial: u32, user: usize, token: [u8; 8] },
    Redeemed { client: usize, serial: u32, user: usize },
    Bind { user: usize, connection: u32 },
}

/// A message that an operation must send besides its answer. Code 200 is success, 0 an indication.
pub(super) type Sent = (ClientId, Method, u16);
/// An allocation's end: whose, why, and what it relayed.
pub(super) type Ended = (ClientId, &'static str, Traffic);

pub(super) struct World {
    pub(super) policy: BitPolicy,
    pub(super) servers: [Server; 2],
    pub(super) now: Seconds,
    /// By client.
    pub(super) allocations: BTreeMap<usize, Allocation>,
    pub(super) reservations: Vec<Reservation>,
    pub(super) connections: Vec<Connection>,
    /// Whether a server was told of a new policy, and did not look at it yet.
    pub(super) noticed: [bool; 2],
    pub(super) opens: Vec<Open>,
    pub(super) posted: Vec<Posted>,
    /// Which connections are to be made: worker and id.
    pub(super) connects: Vec<(usize, u32)>,
    sockets: BTreeMap<(usize, RelayId), SocketAddr>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// What a fast path would have: worker, client, channel.
    bindings: Vec<(usize, Binding)>,
    /// Uses of a client's stream.
    pub(super) generations: [u32; CLIENTS],
    pub(super) serials: u32,
    pub(super) story: Story,
    /// What came, and what was to come.
    pub(super) sent: Vec<(ClientId, Box<[u8]>)>,
    pub(super) expected: Vec<Sent>,
    ended: Vec<Ended>,
    pub(super) expected_ends: Vec<Ended>,
}

impl World {
    pub(super) fn new(tight: u8) -> Self {
        let server = |worker: u16| Server::new(ServerConfig { worker: WorkerId(worker), seed: [worker as u8 + 1; 32] });
        Self {
            policy: BitPolicy::new(tight),
            servers: [server(0), server(1)],
            now: START,
            allocations: BTreeMap::new(),
            reservations: Vec::new(),
            connections: Vec::new(),
            noticed: [false; 2],
            opens: Vec::new(),
            posted: Vec::new(),
            connects: Vec::new(),
            sockets: BTreeMap::new(),
            streams: BTreeMap::new(),
            bindings: Vec::new(),
            generations: [0; CLIENTS],
            serials: 0,
            story: Story::None,
            sent: Vec::new(),
            expected: Vec::new(),
            ended: Vec::new(),
            expected_ends: Vec::new(),
        }
    }

    pub(super) fn clock(&self) -> Now {
        Now { mono: Instant::ZERO + Duration::from_secs(self.now), unix: UnixSeconds(1_700_000_000 + self.now) }
    }

    /// Clients 0 to 3 come over UDP, the third over IPv6; 4 and 5 have streams.
    pub(super) fn client(&self, at: usize) -> ClientId {
        let v6 = at == 2;
        let client = if v6 { "[2001:db8::1]:4002".into() } else { format!("192.0.2.{}:{}", 1 + at % 3, 4000 + at) };
        let local = if v6 { "[2001:db8:ffff::1]:3478" } else { "203.0.113.1:3478" };
        let (client, local) = (client.parse().expect("an address"), local.parse().expect("an address"));
        let listener = ListenerId(0);
        match at {
            0..=3 => ClientId::Udp(FiveTuple { listener, client, local }),
            _ => {
                let stream = StreamId::new(at as u32, self.generations[at]);
                ClientId::Stream(StreamClient { listener, stream, client, local })
            }
        }
    }

    pub(super) fn new_serial(&mut self) -> u32 {
        self.serials += 1;
        self.serials
    }

    pub(super) fn new_stream(&mut self, kind: Stream) -> StreamId {
        let stream = StreamId::new(1_000 + self.new_serial(), 7);
        self.streams.insert(stream, kind);
        stream
    }

    pub(super) fn open_socket(&mut self, worker: usize, relay: RelayId, addr: SocketAddr) {
        let before = self.sockets.insert((worker, relay), addr);
        assert_eq!(before, None, "{relay:?} is given out twice");
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = (usize, RelayId, SocketAddr)> {
        self.sockets.iter().map(|((worker, relay), addr)| (*worker, *relay, *addr))
    }

    /// Takes everything that a server wants done.
    pub(super) fn drain(&mut self, worker: usize) {
        while let Some(effect) = self.servers[worker].poll_effect() {
            match effect {
                Effect::OpenRelay(open) | Effect::ListenTcp(open) => self.on_open(worker, open),
                Effect::CloseRelay(relay) => self.on_close(worker, relay),
                Effect::Transmit { client, bytes } => self.sent.push((client, bytes)),
                Effect::Post { to, mail, sockets, stream } => {
                    let [socket, none] = sockets;
                    assert_eq!(none, None);
                    let socket = socket.map(|relay| self.sockets.remove(&(worker, relay)).expect("a socket of ours"));
                    assert!(stream.is_none_or(|stream| self.streams.remove(&stream).is_some()));
                    self.posted.push(Posted { from: worker, to: to.0.into(), mail, socket, stream, story: self.story });
                }
                Effect::ConnectPeer { relay, connection, peer } => {
                    assert_eq!(self.policy.stream(peer.addr()), Some(peer.route()));
                    assert!(self.sockets.contains_key(&(worker, relay)));
                    self.connects.push((worker, connection));
                }
                Effect::PairStreams { connection, client, peer } => {
                    assert_eq!(self.streams.get(&client), Some(&Stream::Data));
                    assert_eq!(self.streams.get(&peer), Some(&Stream::Peer));
                    let known =
                        self.connections.iter_mut().find(|known| (known.worker, known.id) == (worker, connection));
                    known.expect("a connection").state = State::Paired { client, peer };
                }
                Effect::CloseStream(stream) => {
                    assert!(self.streams.remove(&stream).is_some(), "{stream:?} is not open");
                }
                Effect::BindingUp(binding) => self.on_binding_up(worker, binding),
                Effect::BindingDown(binding) => {
                    let at = self.bindings.iter().position(|up| *up == (worker, binding));
                    self.bindings.swap_remove(at.unwrap_or_else(|| panic!("{binding:?} is not up")));
                }
                Effect::Report(report) => self.on_report(report),
                other => panic!("the model has to learn {other:?}"),
            }
        }
    }

    /// Sockets are asked for by the newest allocation only: no call makes two.
    fn on_open(&mut self, worker: usize, open: OpenRelay) {
        let newest = self.allocations.iter().map(|(client, allocation)| (*client, allocation.serial));
        let (client, serial) = newest.max_by_key(|(_, serial)| *serial).expect("one that was asked for");
        self.opens.push(Open { worker, open, client, serial });
    }

    fn on_close(&mut self, worker: usize, relay: RelayId) {
        let left = self.bindings.iter().find(|(at, up)| (*at, up.relay) == (worker, relay));
        assert!(left.is_none(), "{left:?} is up on a socket that is to be closed");
        if self.sockets.remove(&(worker, relay)).is_none() {
            let opening = |o: &Open| o.worker == worker && (o.open.relay == relay || o.open.pair == Some(relay));
            assert!(self.opens.iter().any(opening), "{relay:?} is not open");
        }
    }

    fn on_binding_up(&mut self, worker: usize, binding: Binding) {
        let same =
            |up: &(usize, Binding)| up.0 == worker && up.1.client == binding.client && up.1.channel == binding.channel;
        assert!(!self.bindings.iter().any(same), "{binding:?} is up already");
        assert!(self.sockets.contains_key(&(worker, binding.relay)));
        assert!(self.policy.route(binding.peer).is_some());
        self.bindings.push((worker, binding));
    }

    fn on_report(&mut self, report: Report) {
        if let Report::AllocationEnded { client, traffic, reason, .. } = report {
            self.ended.push((client, reason.name(), traffic));
        }
    }

    /// Takes an allocation out of the model, with what depends on it.
    pub(super) fn end(&mut self, client: usize, reason: &'static str) {
        let ended = self.allocations.remove(&client).expect("an allocation");
        if ended.is_live() {
            self.expected_ends.push((self.client(client), reason, ended.traffic));
        }
        self.connections.retain(|connection| connection.client != client);
    }

    /// Compares what happened with what had to, after each operation.
    pub(super) fn settle(&mut self) {
        self.story = Story::None;
        for (client, bytes) in std::mem::take(&mut self.sent) {
            let sent = describe(client, &bytes);
            let at = self.expected.iter().position(|expected| *expected == sent);
            let at = at.unwrap_or_else(|| panic!("{sent:?} was sent, but {:?} expected", self.expected));
            self.expected.swap_remove(at);
        }
        assert_eq!(self.expected, [], "not sent");
        let key = |ended: &Ended| format!("{ended:?}");
        self.ended.sort_by_key(key);
        self.expected_ends.sort_by_key(key);
        assert_eq!(self.ended, self.expected_ends);
        self.ended.clear();
        self.expected_ends.clear();
        for worker in 0..2 {
            self.check_usage(worker);
        }
        assert_eq!(self.policy.quotas.total() as usize, self.counted(None));
    }

    /// Second sockets that are being opened, and for which user.
    fn awaited_pairs(&self) -> impl Iterator<Item = (&Open, usize)> {
        self.opens.iter().filter(|open| open.open.pair.is_some()).filter_map(|open| {
            let waiting = self.allocations.get(&open.client)?;
            (waiting.serial == open.serial && !waiting.is_live()).then_some((open, waiting.user))
        })
    }

    /// How many places in the quotas are taken, by a user or in all: by allocations, by reservations that are being opened, wait for
    /// their token, or are on their way to another worker.
    pub(super) fn counted(&self, user: Option<usize>) -> usize {
        let is = |of: usize| user.is_none_or(|user| user == of);
        let allocations =
            self.allocations.values().filter(|allocation| allocation.counted && is(allocation.user)).count();
        let kept = self.reservations.iter().filter(|kept| is(kept.user)).count();
        let awaited = self.awaited_pairs().filter(|(_, of)| is(*of)).count();
        let travelling = |posted: &&Posted| {
            posted.socket.is_some() && matches!(posted.story, Story::Redeemed { user: of, .. } if is(of))
        };
        allocations + kept + awaited + self.posted.iter().filter(travelling).count()
    }

    /// The server's own indexes agree with each other and with the model.
    fn check_usage(&self, worker: usize) {
        let usage = self.servers[worker].usage();
        let ours =
            || self.allocations.iter().filter(|(client, _)| *client % 2 == worker).map(|(_, allocation)| allocation);
        assert_eq!((usage.allocations, usage.clients), (ours().count(), ours().count()));
        let kept = self.reservations.iter().filter(|kept| kept.worker == worker).count();
        let reserved = kept + self.awaited_pairs().filter(|(open, _)| open.worker == worker).count();
        let relays = ours().flat_map(|allocation| allocation.relays).flatten().count();
        assert_eq!(usage.reservations, reserved, "reservations of worker {worker}");
        assert_eq!(usage.relays, relays + reserved, "relays of worker {worker}");
        assert_eq!(usage.connections, self.connections.iter().filter(|connection| connection.worker == worker).count());
        assert!(usage.permissions <= ours().count() * self.policy.limits.permissions);
        assert!(usage.channels <= ours().count() * self.policy.limits.channels);
        assert!(usage.allocations == 0 || self.servers[worker].poll_timeout().is_some());
    }

    /// Once timers have run: exactly the channels that relay are up.
    pub(super) fn check_bindings(&self) {
        let mut up: Vec<_> =
            self.bindings.iter().map(|(worker, up)| (*worker, up.client.address(), up.channel)).collect();
        let of = |(client, allocation): (&usize, &Allocation)| {
            let (client, numbers) = (*client, allocation.channels_up(self.now));
            numbers.into_iter().map(move |number| (client, number)).collect::<Vec<_>>()
        };
        let expected = self.allocations.iter().flat_map(of);
        let mut expected: Vec<_> =
            expected.map(|(client, number)| (client % 2, self.client(client).address(), number)).collect();
        up.sort_unstable();
        expected.sort_unstable();
        assert_eq!(up, expected);
    }

    /// Nothing is left.
    pub(super) fn check_empty(&self) {
        for server in &self.servers {
            assert_eq!(server.usage(), Usage::default());
            assert_eq!(server.poll_timeout(), None);
        }
        assert!(self.policy.quotas.is_empty());
        assert!(self.sockets.is_empty(), "{:?} are open", self.sockets);
        assert!(self.bindings.is_empty(), "{:?} are up", self.bindings);
        let peers = self.streams.values().filter(|kind| **kind == Stream::Peer);
        assert_eq!(peers.count(), 0, "connections with peers are open");
    }
}

/// What a message says to whom; what carries integrity must be right.
fn describe(client: ClientId, bytes: &[u8]) -> Sent {
    let message = Message::parse(bytes).expect("a message");
    let code = match message.class() {
        Class::Success => 200,
        Class::Error => message.error_code().expect("well-formed").expect("there").code,
        Class::Indication => 0,
        Class::Request => panic!("a server asks nobody"),
    };
    if code != 0 {
        assert!(KEYS.iter().flatten().any(|key| key.verify(&message).is_ok()), "a late answer is signed");
    }
    (client, message.method(), code)
}
