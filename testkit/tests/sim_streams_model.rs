//! TCP relaying under random operations on two workers: whatever breaks in whatever order, nothing is left of it.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use stun_codec::{Message, Method};
use stunner_testkit::sim::{Behaviour, PeerKey, RawKey, Setup, World, addr};

const PEERS: [&str; 2] = ["198.51.100.1:1", "198.51.100.2:2"];

#[derive(Clone, Debug)]
enum Op {
    Allocate(usize),
    Permit(usize, usize),
    Connect(usize, usize),
    PeerConnects(usize, usize),
    /// A new data connection on this worker, by this user, for one of the ids told so far.
    Bind(usize, usize, usize),
    /// Allocate, connect and bind without hurry.
    Call(usize, usize, usize),
    Write(usize),
    Delete(usize),
    ControlBreaks(usize),
    DataBreaks(usize),
    PeerBreaks(usize),
    Revoke(usize, bool),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let (two, many) = (|| 0..2_usize, || 0..64_usize);
    prop_oneof![
        3 => two().prop_map(Op::Allocate),
        3 => (two(), two()).prop_map(|(c, peer)| Op::Permit(c, peer)),
        4 => (two(), two()).prop_map(|(c, peer)| Op::Connect(c, peer)),
        3 => (two(), two()).prop_map(|(peer, c)| Op::PeerConnects(peer, c)),
        5 => (two(), two(), many()).prop_map(|(user, worker, id)| Op::Bind(user, worker, id)),
        4 => (two(), two(), two()).prop_map(|(c, peer, worker)| Op::Call(c, peer, worker)),
        2 => many().prop_map(Op::Write),
        1 => two().prop_map(Op::Delete),
        1 => two().prop_map(Op::ControlBreaks),
        2 => many().prop_map(Op::DataBreaks),
        1 => two().prop_map(Op::PeerBreaks),
        1 => (two(), any::<bool>()).prop_map(|(peer, refuse)| Op::Revoke(peer, refuse)),
        4 => prop_oneof![Just(1_u64), Just(5), Just(15), Just(40), 1..40_000_u64].prop_map(Op::Wait),
    ]
}

struct Bench {
    world: World,
    controls: [RawKey; 2],
    peers: Vec<PeerKey>,
    data: Vec<RawKey>,
    ids: Vec<u32>,
    relayed: [Option<std::net::SocketAddr>; 2],
    /// For addresses that no earlier connection had.
    ports: u16,
}

impl Bench {
    fn new() -> Self {
        let mut world =
            World::new(Setup { workers: 2, nonce_lifetime: Duration::from_secs(1_000_000), ..Setup::default() });
        world.mail_delay = Duration::from_millis(20);
        world.opening.delay = Duration::from_millis(5);
        world.segment = 9;
        let peers = PEERS.iter().map(|at| world.add_peer(at, Behaviour::Record)).collect();
        let mut bench = Self {
            controls: [world.add_raw_stream("192.0.2.1:1000", 0), world.add_raw_stream("192.0.2.2:1001", 1)],
            world,
            peers,
            data: Vec::new(),
            ids: vec![0, 0x0100_0000],
            relayed: [None; 2],
            ports: 2_000,
        };
        bench.controls.into_iter().for_each(|control| bench.greet(control));
        bench
    }

    /// Gets the challenge, so that what follows can be signed.
    fn greet(&mut self, raw: RawKey) {
        assert_eq!(self.world.raw_refresh(raw, 1).code(), 437);
    }

    /// A request whose answer nobody waits for.
    fn ask(&mut self, raw: RawKey, method: Method, fill: impl FnOnce(&mut stun_codec::MessageWriter<'_>)) {
        let request = self.world.raw(raw).request(method, fill);
        self.world.raw_sends(raw, &request);
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Allocate(c) => {
                if !self.world.raw_is_connected(self.controls[c]) {
                    self.ports += 2;
                    let at = format!("192.0.2.1:{}", self.ports + u16::from(c == 1));
                    self.controls[c] = self.world.add_raw_stream(&at, c);
                    self.greet(self.controls[c]);
                }
                self.ask(self.controls[c], Method::Allocate, |w| {
                    w.requested_transport(6);
                });
            }
            Op::Permit(c, peer) => self.ask(self.controls[c], Method::CreatePermission, |w| {
                w.xor_peer_address(addr(PEERS[peer]));
            }),
            Op::Connect(c, peer) => self.ask(self.controls[c], Method::Connect, |w| {
                w.xor_peer_address(addr(PEERS[peer]));
            }),
            Op::PeerConnects(peer, c) => {
                if let Some(relayed) = self.relayed[c] {
                    self.world.peer_connects_and_writes(self.peers[peer], relayed, b"hello from the peer");
                }
            }
            Op::Bind(user, worker, id) => {
                self.ports += 2;
                let at = format!("192.0.2.9:{}", self.ports + u16::from(worker == 1));
                let data = self.world.add_raw_stream(&at, user);
                self.greet(data);
                let id = self.ids[self.ids.len() - 1 - id % self.ids.len()];
                self.ask(data, Method::ConnectionBind, |w| {
                    w.connection_id(id);
                });
                self.data.push(data);
            }
            Op::Call(c, peer, worker) => {
                let pause = Op::Wait(100);
                for op in [&Op::Allocate(c), &pause, &Op::Connect(c, peer), &pause, &Op::Bind(c, worker, 0)] {
                    self.run(op);
                }
            }
            Op::Write(which) => {
                if let Some(data) = self.nth(which) {
                    self.world.raw_sends(data, b"\x00\x01\x00\x00 neither here nor there");
                }
            }
            Op::Delete(c) => self.ask(self.controls[c], Method::Refresh, |w| {
                w.lifetime(0);
            }),
            Op::ControlBreaks(c) => self.world.raw_hangs_up(self.controls[c]),
            Op::DataBreaks(which) => {
                if let Some(data) = self.nth(which) {
                    self.world.raw_hangs_up(data);
                }
            }
            Op::PeerBreaks(peer) => self.world.peer_hangs_up(self.peers[peer]),
            Op::Revoke(peer, refuse) => {
                let host = addr(PEERS[peer]).ip();
                let hosts = &mut self.world.policy.refused_hosts;
                if refuse {
                    hosts.insert(host)
                } else {
                    hosts.remove(&host)
                };
                self.world.policy_changed();
            }
            Op::Wait(milliseconds) => self.world.run_for(Duration::from_millis(milliseconds)),
        }
        self.read();
    }

    fn nth(&self, which: usize) -> Option<RawKey> {
        self.data.get(which % self.data.len().max(1)).copied()
    }

    /// What the control connections learn: relayed addresses and connection ids.
    fn read(&mut self) {
        for (c, control) in self.controls.into_iter().enumerate() {
            for bytes in std::mem::take(&mut self.world.raw(control).inbox) {
                let message = Message::parse(&bytes).expect("control connections carry messages");
                self.ids.extend(message.connection_id().unwrap());
                if let Some(relayed) = message.xor_relayed_address().unwrap() {
                    self.relayed[c] = Some(relayed);
                }
            }
        }
    }
}

fn config() -> ProptestConfig {
    let kept = FileFailurePersistence::Direct("tests/sim_streams_model.regressions");
    ProptestConfig { failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_breaks_nothing_is_left_of_it(ops in proptest::collection::vec(op(), 1..80)) {
        let mut bench = Bench::new();
        for op in &ops {
            bench.run(op);
        }
        for control in bench.controls {
            bench.world.raw_hangs_up(control);
        }
        bench.world.run_for(Duration::from_secs(700));
        bench.world.assert_empty();
        prop_assert_eq!(bench.world.usage().timers, 0);
    }
}
