//! The world: what is under way, and the loop that lets time pass.

use core::time::Duration;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

use stun_codec::Icmp;
use turn_core::{
    ClientAction, ClientId, DropReason, FiveTuple, Instant, Limits, ListenerId, Mail, Now, OpenError, OpenRelay,
    Opened, PeerAction, RelayId, Report, Server, ServerConfig, ToClient, UnixSeconds, Usage, WorkerId,
};

use super::hosts::{Behaviour, FromRelay, Peer, RawClient, SimClient};
use super::link::Link;
use super::policy::SimPolicy;
use super::rng::Chance;
use super::sockets::{Opening, Ports, Worker};
use super::streams::Connection;

/// The listener's IPv4 address, and that of relayed addresses.
pub const SERVER_V4: &str = "203.0.113.1:3478";
/// The listener's IPv6 address, and that of relayed addresses.
pub const SERVER_V6: &str = "[2001:db8:cafe::1]:3478";
/// The listener.
pub const LISTENER: ListenerId = ListenerId(0);
/// The wall clock at the beginning.
const EPOCH: u64 = 1_800_000_000;

/// What a world starts with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The same seed gives the same history.
    pub seed: u64,
    /// A client goes to the worker that its port names, modulo this.
    pub workers: u16,
    /// Between clients and server.
    pub client_link: Link,
    /// Between server and peers.
    pub peer_link: Link,
    /// The policy's caps.
    pub limits: Limits,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
    /// Ports for relayed addresses.
    pub ports: std::ops::RangeInclusive<u16>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            workers: 1,
            client_link: Link::good(),
            peer_link: Link::good(),
            limits: Limits::default(),
            nonce_lifetime: Duration::from_secs(3600),
            ports: 50_000..=50_099,
        }
    }
}

/// Who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Client(usize),
    Raw(usize),
    Peer(usize),
}

/// What is under way.
#[derive(Debug)]
pub(super) enum Event {
    Datagram { from: SocketAddr, to: SocketAddr, payload: Vec<u8>, dont_fragment: bool },
    Segment { connection: usize, to_server: bool, bytes: Vec<u8> },
    Opened { worker: usize, open: OpenRelay, result: Result<Opened, OpenError> },
    Mail { to: WorkerId, mail: Mail, sockets: [Option<SocketAddr>; 2], stream: Option<usize> },
    PeerConnected { worker: usize, relay: RelayId, connection: u32, peer: SocketAddr },
}

/// Servers, clients, peers and the network between them, on a clock of their own.
#[derive(Debug)]
pub struct World {
    /// Between clients and server.
    pub client_link: Link,
    /// Between server and peers.
    pub peer_link: Link,
    /// What all servers ask. After a change call [`World::policy_changed`].
    pub policy: SimPolicy,
    /// How sockets are opened.
    pub opening: Opening,
    /// How long mail between workers takes.
    pub mail_delay: Duration,
    /// The longest piece that a stream delivers at once; what is written may come in several.
    pub segment: usize,
    /// Addresses without anybody behind, whose host answers with an ICMP error.
    pub closed: HashSet<SocketAddr>,
    /// Why servers dropped packets, oldest first.
    pub drops: Vec<DropReason>,
    /// What servers reported.
    pub reports: Vec<Report>,
    pub(super) now: Now,
    pub(super) chance: Chance,
    queue: BTreeMap<(Instant, u64), Event>,
    sequence: u64,
    pub(super) workers: Vec<Worker>,
    pub(super) ports: Ports,
    pub(super) relays: HashMap<SocketAddr, (usize, RelayId)>,
    pub(super) nodes: HashMap<SocketAddr, Node>,
    pub(super) clients: Vec<SimClient>,
    pub(super) raws: Vec<RawClient>,
    pub(super) peers: Vec<Peer>,
    pub(super) connections: Vec<Connection>,
}

impl World {
    /// A world at its beginning, with servers and nobody else.
    pub fn new(setup: Setup) -> Self {
        let mut chance = Chance::new(setup.seed);
        let worker = |n: u16| Worker::new(Server::new(ServerConfig { worker: WorkerId(n), seed: chance.bytes() }));
        let workers = (0..setup.workers).map(worker).collect();
        Self {
            client_link: setup.client_link,
            peer_link: setup.peer_link,
            policy: SimPolicy::new(setup.limits, setup.nonce_lifetime),
            opening: Opening::default(),
            mail_delay: Duration::from_micros(50),
            segment: usize::MAX,
            closed: HashSet::new(),
            drops: Vec::new(),
            reports: Vec::new(),
            now: Now { mono: Instant::from_nanos(1_000_000_000), unix: UnixSeconds(EPOCH) },
            chance,
            queue: BTreeMap::new(),
            sequence: 0,
            workers,
            ports: Ports::new(setup.ports),
            relays: HashMap::new(),
            nodes: HashMap::new(),
            clients: Vec::new(),
            raws: Vec::new(),
            peers: Vec::new(),
            connections: Vec::new(),
        }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        self.now
    }

    /// What all servers hold together.
    pub fn usage(&self) -> Usage {
        self.workers.iter().map(|worker| worker.server.0.usage()).fold(Usage::default(), |sum, one| Usage {
            allocations: sum.allocations + one.allocations,
            clients: sum.clients + one.clients,
            relays: sum.relays + one.relays,
            reservations: sum.reservations + one.reservations,
            connections: sum.connections + one.connections,
            permissions: sum.permissions + one.permissions,
            channels: sum.channels + one.channels,
            timers: sum.timers + one.timers,
        })
    }

    /// Relayed sockets that are open.
    pub fn sockets(&self) -> usize {
        self.workers.iter().map(|worker| worker.sockets.len()).sum()
    }

    /// The worker that has this relayed address.
    pub fn worker_of(&self, relayed: SocketAddr) -> Option<usize> {
        self.relays.get(&relayed).map(|(worker, _)| *worker)
    }

    /// Asserts that nothing is left: no socket, port, channel, quota or count.
    pub fn assert_empty(&self) {
        assert_eq!(Usage { timers: 0, ..self.usage() }, Usage::default());
        assert_eq!((self.sockets(), self.ports.taken(), self.relays.len()), (0, 0, 0), "sockets are left");
        assert!(self.workers.iter().all(|worker| worker.bindings.is_empty()), "bindings are left");
        assert!(self.workers.iter().all(|worker| worker.opening.is_empty()), "sockets are being opened");
        assert!(self.policy.quotas.is_empty(), "quotas are left: {:?}", self.policy.quotas);
    }

    /// Tells all servers that the policy is another one.
    pub fn policy_changed(&mut self) {
        self.policy.version += 1;
        for worker in 0..self.workers.len() {
            self.workers[worker].server.0.policy_changed();
            self.drain(worker);
        }
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now.mono + duration);
    }

    /// Lets time pass up to here.
    pub fn run_until(&mut self, end: Instant) {
        while self.step(end) {}
        self.set_clock(end);
    }

    /// Does the next thing that is due at or before `end`; false if there is none.
    pub fn step(&mut self, end: Instant) -> bool {
        let event = self.queue.first_key_value().map(|((at, _), _)| *at);
        let servers = self.workers.iter().filter_map(|worker| worker.server.0.poll_timeout());
        let clients = self.clients.iter().filter_map(|client| client.machine.poll_timeout());
        let Some(due) = event.into_iter().chain(servers).chain(clients).min().filter(|due| *due <= end) else {
            return false;
        };
        self.set_clock(due);
        for worker in 0..self.workers.len() {
            let server = &mut self.workers[worker].server.0;
            if server.poll_timeout().is_some_and(|due| due <= self.now.mono) {
                server.handle_timeout(&self.policy, self.now);
                self.drain(worker);
            }
        }
        for client in 0..self.clients.len() {
            let machine = &mut self.clients[client].machine;
            if machine.poll_timeout().is_some_and(|due| due <= self.now.mono) {
                machine.handle_timeout(self.now.mono);
                self.pump(client);
            }
        }
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > self.now.mono {
                break;
            }
            let event = entry.remove();
            self.happen(event);
        }
        true
    }

    fn set_clock(&mut self, to: Instant) {
        let to = to.max(self.now.mono);
        self.now.mono = to;
        self.now.unix = UnixSeconds(EPOCH + to.as_nanos() / 1_000_000_000);
    }

    pub(super) fn schedule(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now.mono + delay, self.sequence), event);
    }

    /// Puts a datagram on its way.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8], dont_fragment: bool) {
        let link = if is_server(from) || is_server(to) { &self.client_link } else { &self.peer_link };
        let mut copies = Vec::new();
        for delay in link.arrivals(&mut self.chance) {
            let mut payload = payload.to_vec();
            link.corrupt(&mut self.chance, &mut payload);
            copies.push((delay, payload));
        }
        for (delay, payload) in copies {
            self.schedule(delay, Event::Datagram { from, to, payload, dont_fragment });
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Datagram { from, to, payload, dont_fragment } => self.arrive(from, to, &payload, dont_fragment),
            Event::Segment { connection, to_server, bytes } => self.segment_arrived(connection, to_server, &bytes),
            Event::Opened { worker, open, result } => {
                self.opened(worker, &open, result);
                self.drain(worker);
            }
            Event::Mail { to, mail, sockets, stream } => self.mail_arrived(to, mail, sockets, stream),
            Event::PeerConnected { worker, relay, connection, peer } => {
                self.peer_connected(worker, relay, connection, peer);
            }
        }
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8], dont_fragment: bool) {
        if is_server(to) {
            let worker = usize::from(from.port()) % self.workers.len();
            let client = ClientId::Udp(FiveTuple { listener: LISTENER, client: from, local: to });
            self.client_sent(worker, &client, payload);
        } else if let Some((worker, relay)) = self.relays.get(&to).copied() {
            self.peer_sent(worker, relay, from, payload);
        } else if self.closed.contains(&to) {
            self.refuse(from, to);
        } else {
            match self.nodes.get(&to) {
                Some(Node::Client(client)) => self.client_got(*client, payload),
                Some(Node::Raw(raw)) => self.raws[*raw].inbox.push(payload.to_vec()),
                Some(Node::Peer(peer)) => self.peer_got(*peer, from, payload, dont_fragment),
                None => {}
            }
        }
    }

    pub(super) fn client_sent(&mut self, worker: usize, client: &ClientId, message: &[u8]) {
        let mut out = [0; 1500];
        match self.workers[worker].server.0.handle_client(&self.policy, self.now, client, message, &mut out) {
            ClientAction::Drop(reason) => self.drops.push(reason),
            ClientAction::Reply(bytes) => self.reach_client(worker, client, bytes),
            ClientAction::Pending => {}
            ClientAction::ToPeer(to_peer) => {
                let socket = self.workers[worker].sockets.get(&to_peer.relay).copied();
                let socket = socket.unwrap_or_else(|| panic!("{to_peer:?} has no socket"));
                self.send(socket, to_peer.peer.addr(), to_peer.payload, to_peer.dont_fragment);
            }
        }
        self.drain(worker);
    }

    fn peer_sent(&mut self, worker: usize, relay: RelayId, peer: SocketAddr, payload: &[u8]) {
        let server = &mut self.workers[worker].server.0;
        match server.handle_peer(&self.policy, self.now, relay, peer, payload.len()) {
            PeerAction::Drop(reason) => self.drops.push(reason),
            PeerAction::ToClient(ToClient { client, header, pad }) => {
                let bytes = [header.as_slice(), payload, &[0; 3][..usize::from(pad)]].concat();
                self.reach_client(worker, &client, &bytes);
            }
        }
        self.drain(worker);
    }

    pub(super) fn reach_client(&mut self, worker: usize, client: &ClientId, bytes: &[u8]) {
        match client {
            ClientId::Udp(five_tuple) => self.send(five_tuple.local, five_tuple.client, bytes, false),
            ClientId::Stream(stream) => self.write_stream(worker, stream.stream, bytes),
        }
    }

    /// A host without anybody at that port says so.
    fn refuse(&mut self, from: SocketAddr, to: SocketAddr) {
        if let Some((worker, relay)) = self.relays.get(&from).copied() {
            let (typ, code) = if to.is_ipv4() { (3, 3) } else { (1, 4) };
            let icmp = Icmp { typ, code, data: 0 };
            self.workers[worker].server.0.handle_icmp(&self.policy, self.now, relay, to, icmp);
            self.drain(worker);
        }
    }

    pub(super) fn client_got(&mut self, client: usize, message: &[u8]) {
        self.clients[client].take_in(self.now.mono, message);
        self.pump(client);
    }

    fn peer_got(&mut self, peer: usize, from: SocketAddr, payload: &[u8], dont_fragment: bool) {
        let Peer { addr, behaviour, received, .. } = &mut self.peers[peer];
        let addr = *addr;
        received.push(FromRelay { from, payload: payload.to_vec(), dont_fragment });
        if *behaviour == Behaviour::Echo {
            self.send(addr, from, payload, false);
        }
    }

    /// Sends what a client wants sent, and keeps what it tells.
    pub(super) fn pump(&mut self, client: usize) {
        let (from, to) = (self.clients[client].addr, self.clients[client].server);
        while let Some(bytes) = self.clients[client].machine.poll_transmit().map(|t| t.bytes.to_vec()) {
            match self.clients[client].stream {
                Some(connection) => self.write_to_server(connection, &bytes),
                None => self.send(from, to, &bytes, false),
            }
        }
        while let Some(event) = self.clients[client].machine.poll_event() {
            self.clients[client].events.push(event);
        }
    }
}

pub(super) fn is_server(addr: SocketAddr) -> bool {
    addr.port() == 3478 && [SERVER_V4, SERVER_V6].iter().any(|server| server.parse() == Ok(addr))
}
