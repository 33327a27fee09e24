//! Paths with a small MTU: a network namespace with a loopback of 1,000 bytes, where the process may make one (root).

use std::process::Command;

use super::support::{World, key, receive, socket};
use crate::net::*;

const MTU: usize = 1_000;

/// Runs `test` on a thread that has the namespace to itself.
fn with_small_mtu(test: fn()) {
    let thread = std::thread::spawn(move || {
        if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err() {
            return eprintln!("left out: it takes root to make a network namespace");
        }
        // Forked from this thread, so that it acts on this thread's namespace.
        match Command::new("ip").args(["link", "set", "lo", "up", "mtu", &MTU.to_string()]).status() {
            Ok(status) if status.success() => test(),
            _ => eprintln!("left out: it takes `ip` (iproute2) to set an MTU"),
        }
    });
    thread.join().unwrap();
}

#[test]
fn a_run_of_datagrams_longer_than_the_mtu_arrives_all_the_same() {
    with_small_mtu(|| {
        let mut world = World::new("127.0.0.1:0");
        let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let relay = world.relay(0, "127.0.0.1", peer.local_addr().unwrap());
        for number in 0..10 {
            client.send_to(&[[0, number].as_slice(), &[number; 1_200]].concat(), world.listener).unwrap();
        }
        world.run_until("the client's", |toy, _| toy.seen.len() == 10);
        for number in 0..10 {
            assert_eq!(receive(&peer).0, [number; 1_201]);
        }
        let stats = world.datapath.stats().to_peers;
        assert_eq!((stats.sent, stats.split_runs, stats.refused), (10, 1, 0));

        // With a header in front and padding behind, of which each datagram keeps its own.
        world.toy.client = world.toy.seen.first().copied();
        world.toy.header = vec![0xab; 36];
        world.toy.pad = 2;
        for number in 0..10 {
            peer.send_to(&[number; 1_202], relay).unwrap();
        }
        world.run_until("the peer's", |_, stats| stats.to_clients.sent == 10);
        for number in 0..10 {
            assert_eq!(receive(&client).0, [&[0xab; 36][..], &[number; 1_202], &[0, 0]].concat());
        }
        assert_eq!(world.datapath.stats().to_clients.split_runs, 1);
    });
}

#[test]
fn dont_fragment_reports_what_is_too_long_and_holds_for_one_datagram() {
    with_small_mtu(|| {
        let mut world = World::new("127.0.0.1:0");
        let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let peer_address = peer.local_addr().unwrap();
        world.relay(0, "127.0.0.1", peer_address);
        for (dont_fragment, payload) in [(true, 900), (true, 1_200), (false, 1_300), (true, 901)] {
            world.toy.dont_fragment = dont_fragment;
            client.send_to(&vec![0; payload + 1], world.listener).unwrap();
            let seen = world.toy.seen.len();
            world.run_until("the client's", |toy, _| toy.seen.len() == seen + 1);
        }
        assert_eq!([receive(&peer).0.len(), receive(&peer).0.len(), receive(&peer).0.len()], [900, 1_300, 901]);
        let error = IcmpError { icmp_type: 3, icmp_code: 4, data: MTU as u32 };
        assert_eq!(world.toy.icmp, [(key(0), peer_address, error)]);
        assert_eq!(world.datapath.stats().to_peers.refused, 1);
    });
}
