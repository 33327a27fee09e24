//! Random operation sequences against a naive model of RFC 8656: every answer, every datagram that passes or does not, and every count
//! is predicted. When all has expired nothing is left.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use stun_codec::{AddressFamily, Method};
use stunner_testkit::sim::{Behaviour, Link, PeerKey, RawKey, Reply, Setup, World, addr, alice, bob};
use turn_core::client::{ClientConfig, Families, RelayRequest};
use turn_core::{Instant, OpenError, Report};

const V4: usize = 0;
const V6: usize = 1;

/// Two workers: the first and the third client are neighbours.
const CLIENTS: [(&str, usize); 4] =
    [("192.0.2.1:4000", 0), ("192.0.2.2:4001", 0), ("192.0.2.3:4002", 1), ("[2001:db8:1::4]:4003", 1)];
const PEERS: [&str; 4] = ["198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1", "[2001:db8::1]:1"];
const NUMBERS: [u16; 3] = [0x4000, 0x4001, 0x7FFF];
const WAITS: [u64; 9] = [1, 29, 30, 31, 150, 299, 300, 301, 600];

/// `PROPTEST_CASES` asks for more; what failed once is kept and tried first.
fn config() -> ProptestConfig {
    let kept = FileFailurePersistence::Direct("tests/sim_model.regressions");
    ProptestConfig { failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

#[derive(Clone, Debug)]
enum Op {
    Allocate(usize, Kind),
    Redeem(usize, usize),
    Refresh(usize, u32),
    RefreshFamily(usize, usize, u32),
    Permit(usize, Vec<usize>),
    Bind(usize, usize, usize),
    Intrude(usize, u8),
    Send(usize, usize),
    ChannelData(usize, usize),
    PeerSends(usize, usize),
    Wait(usize),
    RefuseHost(usize, bool),
    RefusePeer(usize, bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Plain,
    Dual,
    V6,
    Reserving,
    /// No socket can be opened.
    Failing,
    /// Of a dual allocation the IPv4 socket cannot be opened.
    HalfFailing,
}

fn op() -> impl Strategy<Value = Op> {
    let client = || 0..CLIENTS.len();
    let peer = || 0..PEERS.len();
    let lifetime = || prop_oneof![Just(0_u32), Just(600), Just(1000)];
    let kind = prop_oneof![
        4 => Just(Kind::Plain), 3 => Just(Kind::Dual), 1 => Just(Kind::V6), 3 => Just(Kind::Reserving),
        1 => Just(Kind::Failing), 1 => Just(Kind::HalfFailing)
    ];
    prop_oneof![
        3 => (client(), kind).prop_map(|(c, kind)| Op::Allocate(c, kind)),
        1 => (client(), 0..4_usize).prop_map(|(c, token)| Op::Redeem(c, token)),
        1 => (client(), lifetime()).prop_map(|(c, lifetime)| Op::Refresh(c, lifetime)),
        1 => (client(), 0..2_usize, lifetime()).prop_map(|(c, family, lifetime)| Op::RefreshFamily(c, family, lifetime)),
        3 => (client(), proptest::collection::vec(peer(), 1..4)).prop_map(|(c, peers)| Op::Permit(c, peers)),
        4 => (client(), 0..NUMBERS.len(), peer()).prop_map(|(c, number, peer)| Op::Bind(c, number, peer)),
        1 => (client(), 0..4_u8).prop_map(|(c, method)| Op::Intrude(c, method)),
        4 => (client(), peer()).prop_map(|(c, peer)| Op::Send(c, peer)),
        4 => (client(), 0..NUMBERS.len()).prop_map(|(c, number)| Op::ChannelData(c, number)),
        4 => (client(), peer()).prop_map(|(c, peer)| Op::PeerSends(c, peer)),
        3 => (0..WAITS.len()).prop_map(Op::Wait),
        2 => (peer(), any::<bool>()).prop_map(|(peer, refuse)| Op::RefuseHost(peer, refuse)),
        2 => (peer(), any::<bool>()).prop_map(|(peer, refuse)| Op::RefusePeer(peer, refuse)),
    ]
}

/// What an allocation is, in the words of the RFC.
#[derive(Debug, Default)]
struct Allocation {
    /// By family: the relayed address and when it expires.
    relays: [Option<(SocketAddr, Instant)>; 2],
    permissions: HashMap<IpAddr, Instant>,
    /// Number, peer, end of the binding; the cool-down comes behind it.
    channels: Vec<(u16, SocketAddr, Instant)>,
    to_peer: u64,
    to_client: u64,
}

impl Allocation {
    fn relays_family(&self, peer: IpAddr) -> bool {
        self.relays[usize::from(peer.is_ipv6())].is_some()
    }

    fn is_permitted(&self, now: Instant, host: IpAddr) -> bool {
        self.permissions.get(&host).is_some_and(|expires| now < *expires)
    }

    fn channel(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        self.channels.iter().find(|(n, _, ends)| *n == number && now < *ends).map(|(_, peer, _)| *peer)
    }

    fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        self.channels.iter().find(|(_, p, ends)| *p == peer && now < *ends).map(|(n, _, _)| *n)
    }
}

struct Reservation {
    user: usize,
    token: [u8; 8],
    expires: Instant,
    addr: SocketAddr,
}

/// The world and what it should be like.
struct Bench {
    world: World,
    clients: Vec<RawKey>,
    peers: Vec<PeerKey>,
    allocations: Vec<Option<Allocation>>,
    reservations: Vec<Reservation>,
    tokens: Vec<[u8; 8]>,
    refused_hosts: HashSet<IpAddr>,
    refused_peers: HashSet<SocketAddr>,
    opened: usize,
    ended: Vec<(u64, u64)>,
    payloads: u32,
}

impl Bench {
    fn new() -> Self {
        // No time passes on the way, so that the model knows to the nanosecond what is alive.
        let instant = Link { latency: Duration::ZERO, ..Link::good() };
        let setup = Setup {
            workers: 2,
            client_link: instant.clone(),
            peer_link: instant,
            nonce_lifetime: Duration::from_secs(1_000_000),
            ..Setup::default()
        };
        let mut world = World::new(setup);
        world.mail_delay = Duration::ZERO;
        let clients: Vec<_> = CLIENTS.iter().map(|(at, user)| world.add_raw(at, *user)).collect();
        let peers = PEERS.iter().map(|at| world.add_peer(at, Behaviour::Record)).collect();
        for client in &clients {
            // Takes the challenge, so that everything below is signed.
            assert_eq!(world.raw_refresh(*client, 1).code(), 437);
        }
        Self {
            world,
            clients,
            peers,
            allocations: CLIENTS.iter().map(|_| None).collect(),
            reservations: Vec::new(),
            tokens: vec![[0; 8], [0, 1, 2, 3, 4, 5, 6, 7]],
            refused_hosts: HashSet::new(),
            refused_peers: HashSet::new(),
            opened: 0,
            ended: Vec::new(),
            payloads: 0,
        }
    }

    fn now(&self) -> Instant {
        self.world.now().mono
    }

    fn admits_host(&self, host: IpAddr) -> bool {
        !self.refused_hosts.contains(&host)
    }

    fn admits(&self, peer: SocketAddr) -> bool {
        self.admits_host(peer.ip()) && !self.refused_peers.contains(&peer)
    }

    fn payload(&mut self) -> Vec<u8> {
        self.payloads += 1;
        self.payloads.to_be_bytes()[..1 + self.payloads as usize % 4].to_vec()
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Allocate(c, kind) => self.allocate(*c, *kind),
            Op::Redeem(c, token) => self.redeem(*c, self.tokens[token % self.tokens.len()]),
            Op::Refresh(c, lifetime) => self.refresh(*c, None, *lifetime),
            Op::RefreshFamily(c, family, lifetime) => self.refresh(*c, Some(*family), *lifetime),
            Op::Permit(c, peers) => self.permit(*c, peers),
            Op::Bind(c, number, peer) => self.bind(*c, NUMBERS[*number], addr(PEERS[*peer])),
            Op::Intrude(c, method) => self.intrude(*c, *method),
            Op::Send(c, peer) => self.send(*c, addr(PEERS[*peer])),
            Op::ChannelData(c, number) => self.channel_data(*c, NUMBERS[*number]),
            Op::PeerSends(c, peer) => self.peer_sends(*c, *peer),
            Op::Wait(wait) => self.wait(WAITS[*wait]),
            Op::RefuseHost(peer, refuse) => {
                let host = addr(PEERS[*peer]).ip();
                if *refuse {
                    self.refused_hosts.insert(host)
                } else {
                    self.refused_hosts.remove(&host)
                };
                self.change_policy();
            }
            Op::RefusePeer(peer, refuse) => {
                let peer = addr(PEERS[*peer]);
                if *refuse {
                    self.refused_peers.insert(peer)
                } else {
                    self.refused_peers.remove(&peer)
                };
                self.change_policy();
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let usage = self.world.usage();
        let live = self.allocations.iter().flatten();
        assert_eq!(usage.allocations, live.clone().count(), "allocations");
        let sockets = live.clone().map(|one| one.relays.iter().flatten().count()).sum::<usize>();
        assert_eq!(self.world.sockets(), sockets + self.reservations.len(), "sockets");
        assert_eq!(usage.relays, self.world.sockets(), "relays");
        assert_eq!(usage.reservations, self.reservations.len(), "reservations");
        let now = self.now();
        let permissions: usize =
            live.clone().map(|one| one.permissions.values().filter(|expires| now < **expires).count()).sum();
        assert!(usage.permissions >= permissions, "permissions");
        let opened = self.world.reports.iter().filter(|one| matches!(one, Report::AllocationOpened { .. })).count();
        assert_eq!(opened, self.opened, "reports of opened allocations");
        let traffic = |one: &Report| match one {
            Report::AllocationEnded { traffic, .. } => Some((traffic.packets_to_peer, traffic.packets_to_client)),
            _ => None,
        };
        let ended: Vec<_> = self.world.reports.iter().filter_map(traffic).collect();
        let mut sorted = [ended, self.ended.clone()];
        sorted.iter_mut().for_each(|one| one.sort_unstable());
        assert_eq!(sorted[0], sorted[1], "traffic of ended allocations");
    }

    fn allocate(&mut self, c: usize, kind: Kind) {
        let exists = self.allocations[c].is_some();
        if !exists {
            match kind {
                Kind::Failing => self.world.opening.failures.push_back(OpenError::Capacity),
                Kind::HalfFailing => self.world.opening.failures.push_back(OpenError::Family),
                _ => {}
            }
        }
        let reply = self.world.raw_allocate(self.clients[c], |w| {
            match kind {
                Kind::Plain | Kind::Failing => {}
                Kind::Dual | Kind::HalfFailing => {
                    w.additional_address_family(AddressFamily::V6);
                }
                Kind::V6 => {
                    w.requested_address_family(AddressFamily::V6);
                }
                Kind::Reserving => {
                    w.even_port(true);
                }
            };
        });
        let expected = match kind {
            _ if exists => 437,
            Kind::Failing => 508,
            _ => 200,
        };
        assert_eq!(reply.code(), expected);
        if expected != 200 {
            return;
        }
        let families = match kind {
            Kind::Plain | Kind::Reserving => [true, false],
            Kind::Dual => [true, true],
            Kind::V6 | Kind::HalfFailing | Kind::Failing => [false, true],
        };
        let refused = reply.message().address_error_code().unwrap().map(|error| (error.family, error.code));
        assert_eq!(refused, (kind == Kind::HalfFailing).then_some((AddressFamily::V4, 440)));
        if let Some(token) = reply.message().reservation_token().unwrap() {
            assert_eq!(kind, Kind::Reserving);
            let relayed = reply.relayed();
            let addr = SocketAddr::new(relayed.ip(), relayed.port() + 1);
            let expires = self.now() + Duration::from_secs(30);
            self.reservations.push(Reservation { user: CLIENTS[c].1, token, expires, addr });
            self.tokens.push(token);
        }
        self.open(c, &reply, families);
    }

    fn redeem(&mut self, c: usize, token: [u8; 8]) {
        let exists = self.allocations[c].is_some();
        let reply = self.world.raw_allocate(self.clients[c], |w| {
            w.reservation_token(&token);
        });
        if exists {
            assert_eq!(reply.code(), 437);
            return;
        }
        let found = self.reservations.iter().position(|one| one.token == token && one.user == CLIENTS[c].1);
        assert_eq!(reply.code(), if found.is_some() { 200 } else { 508 });
        if let Some(found) = found {
            let reservation = self.reservations.remove(found);
            assert_eq!(reply.relayed(), reservation.addr);
            self.open(c, &reply, [true, false]);
        }
    }

    fn open(&mut self, c: usize, reply: &Reply, families: [bool; 2]) {
        let expires = self.now() + Duration::from_secs(600);
        let mut allocation = Allocation::default();
        for relayed in reply.message().xor_relayed_addresses() {
            let relayed = relayed.unwrap();
            allocation.relays[usize::from(relayed.is_ipv6())] = Some((relayed, expires));
        }
        assert_eq!(allocation.relays.map(|relay| relay.is_some()), families);
        self.allocations[c] = Some(allocation);
        self.opened += 1;
    }

    fn refresh(&mut self, c: usize, family: Option<usize>, lifetime: u32) {
        let reply = self.world.ask(self.clients[c], Method::Refresh, |w| {
            w.lifetime(lifetime);
            if let Some(family) = family {
                w.requested_address_family([AddressFamily::V4, AddressFamily::V6][family]);
            }
        });
        let expires = self.now() + Duration::from_secs(u64::from(lifetime.clamp(600, 3600)));
        let Some(allocation) = &mut self.allocations[c] else {
            assert_eq!(reply.code(), 437);
            return;
        };
        if family.is_some_and(|family| allocation.relays[family].is_none()) {
            assert_eq!(reply.code(), 443);
            return;
        }
        assert_eq!(reply.code(), 200);
        for one in [V4, V6] {
            if family.is_none_or(|family| family == one)
                && let Some((relayed, _)) = allocation.relays[one]
            {
                allocation.relays[one] = (lifetime > 0).then_some((relayed, expires));
            }
        }
        self.end_what_has_no_relay();
    }

    fn end_what_has_no_relay(&mut self) {
        for one in self.allocations.iter_mut().flatten() {
            let relays = one.relays;
            one.permissions.retain(|host, _| relays[usize::from(host.is_ipv6())].is_some());
            one.channels.retain(|(_, peer, _)| relays[usize::from(peer.is_ipv6())].is_some());
        }
        for slot in &mut self.allocations {
            if let Some(over) = slot.take_if(|one| one.relays == [None, None]) {
                self.ended.push((over.to_peer, over.to_client));
            }
        }
    }

    fn permit(&mut self, c: usize, peers: &[usize]) {
        let hosts: Vec<IpAddr> = peers.iter().map(|peer| addr(PEERS[*peer]).ip()).collect();
        let reply = self.world.raw_permit(self.clients[c], &hosts);
        let admitted = hosts.iter().all(|host| self.admits_host(*host));
        let now = self.now();
        let expected = match &mut self.allocations[c] {
            None => 437,
            Some(one) if !hosts.iter().all(|host| one.relays_family(*host)) => 443,
            Some(_) if !admitted => 403,
            Some(one) => {
                one.permissions.extend(hosts.iter().map(|host| (*host, now + Duration::from_secs(300))));
                200
            }
        };
        assert_eq!(reply.code(), expected);
    }

    fn bind(&mut self, c: usize, number: u16, peer: SocketAddr) {
        let reply = self.world.raw_bind(self.clients[c], number, peer);
        let (now, admitted) = (self.now(), self.admits(peer));
        let expected = match &mut self.allocations[c] {
            None => 437,
            Some(one) if !one.relays_family(peer.ip()) => 443,
            Some(_) if !admitted => 403,
            Some(one) => {
                one.channels.retain(|(_, _, ends)| now < *ends + Duration::from_secs(300));
                if one.channels.iter().any(|(n, p, _)| (*n == number) != (*p == peer)) {
                    400
                } else {
                    one.channels.retain(|(n, _, _)| *n != number);
                    one.channels.push((number, peer, now + Duration::from_secs(600)));
                    one.permissions.insert(peer.ip(), now + Duration::from_secs(300));
                    200
                }
            }
        };
        assert_eq!(reply.code(), expected);
    }

    /// The other user, from the same address and port.
    fn intrude(&mut self, c: usize, method: u8) {
        let user = ["alice", "bob"][1 - CLIENTS[c].1];
        let password = ["wonderland", "builder"][1 - CLIENTS[c].1];
        let intruder = turn_auth::ClientAuth::new(user, password.into());
        let own = std::mem::replace(&mut self.world.raw(self.clients[c]).auth, intruder);
        let reply = match method {
            0 => self.world.raw_refresh(self.clients[c], 0),
            1 => self.world.raw_permit(self.clients[c], &[addr(PEERS[0]).ip()]),
            2 => self.world.raw_bind(self.clients[c], NUMBERS[0], addr(PEERS[0])),
            _ => self.world.raw_refresh(self.clients[c], 600),
        };
        assert_eq!(reply.code(), if self.allocations[c].is_some() { 441 } else { 437 });
        self.world.raw(self.clients[c]).auth = own;
    }

    fn send(&mut self, c: usize, peer: SocketAddr) {
        let payload = self.payload();
        self.world.raw_send_indication(self.clients[c], peer, &payload);
        let (now, admitted) = (self.now(), self.admits(peer));
        let from = self.allocations[c].as_mut().and_then(|one| {
            let relayed = one.relays[usize::from(peer.is_ipv6())]?.0;
            let passes = admitted && one.is_permitted(now, peer.ip());
            one.to_peer += u64::from(passes);
            passes.then_some(relayed)
        });
        self.expect_at_peer(peer, from, &payload);
    }

    fn channel_data(&mut self, c: usize, number: u16) {
        let payload = self.payload();
        self.world.raw_channel_data(self.clients[c], number, &payload);
        let now = self.now();
        let peer = self.allocations[c].as_ref().and_then(|one| one.channel(now, number));
        let admitted = peer.is_some_and(|peer| self.admits(peer));
        let from = self.allocations[c].as_mut().zip(peer).and_then(|(one, peer)| {
            let relayed = one.relays[usize::from(peer.is_ipv6())]?.0;
            one.to_peer += u64::from(admitted);
            admitted.then_some(relayed)
        });
        self.expect_at_peer(peer.unwrap_or(addr(PEERS[0])), from, &payload);
    }

    /// Exactly one datagram at this peer, or none anywhere.
    fn expect_at_peer(&mut self, peer: SocketAddr, from: Option<SocketAddr>, payload: &[u8]) {
        self.world.run_for(Duration::ZERO);
        for (key, at) in self.peers.clone().into_iter().zip(PEERS) {
            let got: Vec<_> = self.world.peer_received(key).into_iter().map(|one| (one.from, one.payload)).collect();
            let expected: Vec<_> =
                from.filter(|_| addr(at) == peer).map(|from| (from, payload.to_vec())).into_iter().collect();
            assert_eq!(got, expected, "at {at}");
        }
    }

    fn peer_sends(&mut self, c: usize, peer: usize) {
        let payload = self.payload();
        let (key, peer) = (self.peers[peer], addr(PEERS[peer]));
        let (now, admitted) = (self.now(), self.admits(peer));
        let Some(one) = &mut self.allocations[c] else { return };
        let Some((relayed, _)) = one.relays[usize::from(peer.is_ipv6())] else { return };
        let passes = admitted && one.is_permitted(now, peer.ip());
        one.to_client += u64::from(passes);
        let channel = one.channel_of(now, peer);
        self.world.peer_sends(key, relayed, &payload);
        self.world.run_for(Duration::ZERO);
        let client = self.clients[c];
        let first = self.world.raw(client).inbox.first().map(|bytes| bytes[..2].to_vec());
        assert_eq!(self.world.raw_payloads(client), if passes { vec![payload] } else { vec![] });
        // 0x0017 is a Data indication.
        let expected = passes.then(|| channel.unwrap_or(0x0017).to_be_bytes().to_vec());
        assert_eq!(first, expected);
    }

    fn wait(&mut self, seconds: u64) {
        self.world.run_for(Duration::from_secs(seconds));
        let now = self.now();
        for one in self.allocations.iter_mut().flatten() {
            for relay in &mut one.relays {
                relay.take_if(|(_, expires)| *expires <= now);
            }
        }
        self.end_what_has_no_relay();
        self.reservations.retain(|one| now < one.expires);
    }

    fn change_policy(&mut self) {
        self.world.policy.refused_hosts = self.refused_hosts.clone();
        self.world.policy.refused_peers = self.refused_peers.clone();
        self.world.policy_changed();
        self.world.run_for(Duration::ZERO);
        let (hosts, peers) = (&self.refused_hosts, &self.refused_peers);
        for one in self.allocations.iter_mut().flatten() {
            one.permissions.retain(|host, _| !hosts.contains(host));
            one.channels.retain(|(_, peer, _)| !hosts.contains(&peer.ip()) && !peers.contains(peer));
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_server_does_what_the_naive_model_does(ops in proptest::collection::vec(op(), 1..120)) {
        let mut bench = Bench::new();
        for op in &ops {
            bench.run(op);
        }
        bench.wait(1_001);
        bench.check();
        bench.world.assert_empty();
        prop_assert_eq!(bench.world.usage().timers, 0);
    }
}

/// What a client does next in a world where everything may get lost.
#[derive(Clone, Debug)]
enum Act {
    Allocate(usize),
    Permit(usize, usize),
    Bind(usize, usize),
    DropPeer(usize, usize),
    Refresh(usize, u64),
    Close(usize),
    Send(usize, usize),
    PeerSends(usize, usize),
    Wait(u64),
    FailNextOpen,
}

fn act() -> impl Strategy<Value = Act> {
    let client = || 0..3_usize;
    let peer = || 0..PEERS.len();
    prop_oneof![
        3 => client().prop_map(Act::Allocate),
        3 => (client(), peer()).prop_map(|(c, peer)| Act::Permit(c, peer)),
        3 => (client(), peer()).prop_map(|(c, peer)| Act::Bind(c, peer)),
        1 => (client(), peer()).prop_map(|(c, peer)| Act::DropPeer(c, peer)),
        1 => (client(), 1..4000_u64).prop_map(|(c, lifetime)| Act::Refresh(c, lifetime)),
        1 => client().prop_map(Act::Close),
        4 => (client(), peer()).prop_map(|(c, peer)| Act::Send(c, peer)),
        4 => (client(), peer()).prop_map(|(c, peer)| Act::PeerSends(c, peer)),
        4 => prop_oneof![1..5_u64, 1..900_u64].prop_map(Act::Wait),
        1 => Just(Act::FailNextOpen),
    ]
}

fn chaos(seed: u64, link: Link, acts: &[Act]) {
    let setup = Setup { seed, workers: 2, client_link: link.clone(), peer_link: link, ..Setup::default() };
    let mut world = World::new(setup);
    world.opening.delay = Duration::from_millis(20);
    world.mail_delay = Duration::from_millis(30);
    let relays =
        [RelayRequest::default(), RelayRequest::AnyPort(Families::Both), RelayRequest::EvenPortAndReserveNext(None)];
    let clients: Vec<_> = relays
        .into_iter()
        .zip(["192.0.2.1:4000", "192.0.2.2:4001", "192.0.2.3:4003"])
        .zip([alice(), bob(), alice()])
        .map(|((relay, at), config)| world.add_client(at, ClientConfig { relay, ..config }))
        .collect();
    let peers: Vec<_> = PEERS.iter().map(|at| world.add_peer(at, Behaviour::Echo)).collect();
    let mut asked_for = HashSet::new();
    for act in acts {
        match *act {
            Act::Allocate(c) => {
                let _ = world.drive(clients[c], |client, now| client.allocate(now));
            }
            Act::Permit(c, peer) => {
                let host = addr(PEERS[peer]).ip();
                let asked = world.drive(clients[c], |client, now| client.create_permission(now, &[host]));
                asked_for.extend(asked.is_ok().then_some(host));
            }
            Act::Bind(c, peer) => {
                let asked = world.drive(clients[c], |client, now| client.bind_channel(now, addr(PEERS[peer])));
                asked_for.extend(asked.is_ok().then_some(addr(PEERS[peer]).ip()));
            }
            Act::DropPeer(c, peer) => world.drive(clients[c], |client, _| {
                client.drop_channel(addr(PEERS[peer]));
                client.drop_permission(addr(PEERS[peer]).ip());
            }),
            Act::Refresh(c, lifetime) => {
                let _ = world.drive(clients[c], |client, now| client.refresh(now, Duration::from_secs(lifetime)));
            }
            Act::Close(c) => world.drive(clients[c], |client, now| client.close(now)),
            Act::Send(c, peer) => {
                let peer = addr(PEERS[peer]);
                if world.drive(clients[c], |client, _| client.header(peer, 3)).is_ok() {
                    world.send_payload(clients[c], peer, b"abc");
                }
            }
            Act::PeerSends(c, peer) => {
                let relayed = world.client(clients[c]).machine().allocation().map(|allocation| allocation.relayed);
                if let Some(relayed) = relayed.and_then(|relayed| relayed.facing(addr(PEERS[peer]).ip())) {
                    world.peer_sends(peers[peer], relayed, b"def");
                }
            }
            Act::Wait(seconds) => world.run_for(Duration::from_secs(seconds)),
            Act::FailNextOpen => world.opening.failures.push_back(OpenError::Capacity),
        }
    }
    world.run_for(Duration::from_secs(60));
    // What reached anybody had been asked for by somebody.
    for (peer, at) in peers.iter().zip(PEERS) {
        assert!(world.peer_received(*peer).is_empty() || asked_for.contains(&addr(at).ip()), "{at} was reached");
    }
    for client in &clients {
        assert!(world.received(*client).iter().all(|data| asked_for.contains(&data.peer.ip())));
        world.drive(*client, |client, now| client.close(now));
    }
    world.run_for(Duration::from_secs(3_700));
    for client in &clients {
        assert_eq!(world.client(*client).machine().poll_timeout(), None, "a closed client has nothing to do");
        assert_eq!(world.client(*client).machine().outstanding(), 0);
    }
    world.assert_empty();
    assert_eq!(world.usage().timers, 0);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_clients_do_on_a_bad_network_nothing_is_left_of_it(seed: u64, acts in proptest::collection::vec(act(), 1..60)) {
        chaos(seed, Link::bad(), &acts);
    }

    #[test]
    fn nor_is_anybody_reached_who_was_not_asked_for_when_bytes_change_on_the_way(
        seed: u64, acts in proptest::collection::vec(act(), 1..60)
    ) {
        chaos(seed, Link::hostile(), &acts);
    }
}
