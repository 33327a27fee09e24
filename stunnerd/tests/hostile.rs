//! What hostile traffic costs: nothing that stays. And what many honest clients cost.
//!
//! `STUNNER_FLOOD=10000000` floods with that many datagrams; without it 500,000 keep the test short.

mod daemon_support;

use std::{
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use daemon_support::{Daemon, account};
use stun_codec::{AttributeType, Class, MessageWriter, Method, TransactionId};
use stunner_testkit::harness::{Client, Peer};

/// A small generator of numbers: the flood must be cheap to make, and the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Garbage, truncations, and Allocates without and with made-up credentials.
fn hostile_datagrams(numbers: &mut Numbers) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    for kind in 0..256u64 {
        let id = TransactionId(std::array::from_fn(|_| numbers.next() as u8));
        let mut bytes = [0; 512];
        let mut writer = MessageWriter::new(&mut bytes, Class::Request, Method::Allocate, id);
        writer.requested_transport(17);
        if kind % 2 == 0 {
            writer.username("user").realm("stunner.l7mp.io").nonce("obMatJos2gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
            writer.attribute(AttributeType::MESSAGE_INTEGRITY, &[kind as u8; 20]);
        }
        let len = writer.finish().expect("room");
        let mut datagram = bytes[..len].to_vec();
        match kind % 4 {
            0 | 1 => (),
            2 => datagram.truncate(numbers.next() as usize % len),
            _ => datagram.iter_mut().for_each(|byte| *byte = numbers.next() as u8),
        }
        datagrams.push(datagram);
    }
    datagrams
}

#[test]
fn a_flood_leaves_memory_and_descriptors_flat_and_clients_are_still_served() {
    let total: u64 = env::var("STUNNER_FLOOD").ok().and_then(|count| count.parse().ok()).unwrap_or(500_000);
    let mut daemon = Daemon::start(&["turn://user:pass@127.0.0.1:PORT"]);
    let server = daemon.address();
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let datagrams = hostile_datagrams(&mut numbers);
    // 64 prefixes, as a spoofer would have many; all of 127.0.0.0/8 is this host.
    let source = |n: u8| UdpSocket::bind((IpAddr::V4(Ipv4Addr::new(127, 1, n, 9)), 0)).expect("a loopback address");
    let sources: Vec<_> = (0..64).map(source).collect();
    sources.iter().for_each(|socket| socket.connect(server).expect("connected"));
    let flood = |count: u64, numbers: &mut Numbers| {
        for n in 0..count {
            let datagram = &datagrams[numbers.next() as usize % datagrams.len()];
            // Answers of a kind that nobody reads fill the sources' buffers; that is the flood's own loss.
            let _ = sources[n as usize % sources.len()].send(datagram);
        }
    };
    // What is touched for the first time is touched now.
    flood(total / 10, &mut numbers);
    let (memory, descriptors) = (daemon.resident_kib(), daemon.descriptors());
    flood(total - total / 10, &mut numbers);
    let grown = daemon.resident_kib().saturating_sub(memory);
    println!("{total} hostile datagrams: {memory} KiB resident, then {grown} KiB more");
    assert!(grown <= 512, "{grown} KiB more than before the flood");
    assert_eq!(daemon.descriptors(), descriptors);
    let mut client = Client::new(Ipv4Addr::LOCALHOST.into(), server, account()).expect("a client");
    client.allocate().expect("served after the flood");
    drop(client);
    daemon.end();
}

#[test]
fn with_sixteen_threads_asked_for_fifty_calls_fit_into_20_mib() {
    let mut daemon = Daemon::start(&["--udp-thread-num=16", "turn://user:pass@127.0.0.1:PORT"]);
    let server = daemon.address();
    let local = Ipv4Addr::LOCALHOST.into();
    let mut calls = Vec::new();
    for _ in 0..50 {
        let mut client = Client::new(local, server, account()).expect("a client");
        client.allocate().expect("an allocation");
        let peer = Peer::at(local).expect("a peer");
        client.bind(0x4000, peer.address()).expect("a channel");
        calls.push((client, peer));
    }
    // Both ways, in bursts, so that every worker's buffers are in use.
    let payload = [7; 1200];
    for _ in 0..4 {
        for (client, peer) in &mut calls {
            client.send(&stunner_testkit::harness::drafts::channel_data(0x4000, &payload)).expect("sent");
            peer.echo(&payload).expect("relayed");
            client.expect_channel(0x4000, &payload).expect("relayed back");
        }
    }
    let resident = daemon.resident_kib();
    println!("50 calls: {resident} KiB resident");
    assert!(resident <= 20 * 1024, "{resident} KiB resident; upstream's default limit is 20 MiB");
    let cpus = std::thread::available_parallelism().expect("known").get().min(16);
    assert_eq!(daemon.threads_named("worker-"), cpus);
    drop(calls);
    daemon.end();
}

#[test]
fn special_addresses_and_the_gateways_own_socket_are_refused_on_every_verb_in_every_spelling() {
    // A document's wildcard route, as the most open one that an operator can write; the listener is on loopback only to be reached.
    let config = "version: v1\nauth: {type: static, credentials: {username: user, password: pass}}\n\
        listeners: [{name: udp, protocol: TURN-UDP, address: 127.0.0.1, port: PORT, routes: [all]}]\n\
        clusters: [{name: all, endpoints: [0.0.0.0/0, '::/0']}]\n";
    let mut daemon = Daemon::with_config(config);
    let server = daemon.address();
    let own = server.port();
    let ipv4 = [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "169.254.169.254",
        "169.254.1.1",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
    ];
    let mut client = Client::new(Ipv4Addr::LOCALHOST.into(), server, account()).expect("a client");
    client.allocate().expect("an allocation");
    for ip in ipv4 {
        let ip: Ipv4Addr = ip.parse().expect("an address");
        for peer in [SocketAddr::new(ip.into(), own), SocketAddr::new(ip.to_ipv6_mapped().into(), own)] {
            use stunner_testkit::harness::drafts;
            client.refused(&drafts::create_permission(&[peer]), &[403]).unwrap_or_else(|why| panic!("{peer}: {why}"));
            client.refused(&drafts::channel_bind(0x4001, peer), &[403]).unwrap_or_else(|why| panic!("{peer}: {why}"));
            client.send_to(peer, b"no").expect("sent");
        }
    }
    client.expect_nothing().expect("nothing came of the Send indications");
    drop(client);
    daemon.end();
}

#[test]
fn behind_1_to_1_nat_the_gateways_own_socket_is_closed_at_every_address_it_has() {
    let config = "version: v1\nauth: {type: static, credentials: {username: user, password: pass}}\n\
        listeners: [{name: udp, protocol: TURN-UDP, address: 203.0.113.9, port: PORT, public_address: 198.51.100.7, routes: [all]}]\n\
        clusters: [{name: all, endpoints: [127.0.0.0/8, 0.0.0.0/0]}]\n";
    let mut daemon = Daemon::with_config(config);
    // The host does not have the address, so that the wildcard is bound.
    assert!(daemon.address().ip().is_unspecified());
    let port = daemon.address().port();
    let server = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let mut client = Client::new(Ipv4Addr::LOCALHOST.into(), server, account()).expect("a client");
    let relayed = client.allocate().expect("an allocation").address();
    assert_eq!(relayed.ip(), Ipv4Addr::new(203, 0, 113, 9));
    for own in ["127.0.0.1", "127.3.4.5", "203.0.113.9", "198.51.100.7"] {
        let peer = SocketAddr::new(own.parse().expect("an address"), port);
        let bind = stunner_testkit::harness::drafts::channel_bind(0x4001, peer);
        client.refused(&bind, &[403]).unwrap_or_else(|why| panic!("{peer}: {why}"));
    }
    client.bind(0x4000, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port ^ 1)).expect("another port is routed");
    drop(client);
    daemon.end();
}

#[test]
fn a_daemon_ends_within_seconds_of_a_signal() {
    let mut daemon = Daemon::start(&["turn://user:pass@127.0.0.1:PORT"]);
    let started = Instant::now();
    daemon.end();
    assert!(started.elapsed() < Duration::from_secs(5));
}
