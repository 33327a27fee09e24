use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use stunner_sys::{Family, SendQueue, Target};

use super::support::{World, address, has_ipv6, key, receive, socket};
use crate::net::*;

fn both_ways(listener: &str, ip: &str) {
    let mut world = World::new(listener);
    let (peer, client) = (socket(ip), socket(ip));
    let relay = world.relay(0, peer.local_addr().unwrap().ip().to_string().as_str(), peer.local_addr().unwrap());
    client.send_to(b"\0to the peer", world.listener).unwrap();
    world.run_until("the client's", |toy, _| !toy.seen.is_empty());
    assert_eq!(receive(&peer), (b"to the peer".to_vec(), relay));

    world.toy.client = world.toy.seen.first().copied();
    world.toy.header = b"head".to_vec();
    world.toy.pad = 3;
    peer.send_to(b"to the client", relay).unwrap();
    world.run_until("the peer's", |_, stats| stats.to_clients.sent == 1);
    assert_eq!(receive(&client), (b"headto the client\0\0\0".to_vec(), world.listener));
}

#[test]
fn payloads_go_both_ways() {
    both_ways("127.0.0.1:0", "127.0.0.1:0");
    if has_ipv6() {
        both_ways("[::1]:0", "[::1]:0");
    }
}

#[test]
fn the_largest_and_the_empty_payload_pass() {
    let mut world = World::new("127.0.0.1:0");
    let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let relay = world.relay(0, "127.0.0.1", peer.local_addr().unwrap());
    let largest: Vec<u8> = (0..65_507u32).map(|byte| if byte == 0 { 0 } else { byte as u8 }).collect();
    for datagram in [&largest[..], b"\0"] {
        client.send_to(datagram, world.listener).unwrap();
        let want = world.toy.seen.len() + 1;
        world.run_until("the client's", |toy, _| toy.seen.len() == want);
        assert_eq!(receive(&peer).0, datagram[1..]);
    }
    world.toy.client = world.toy.seen.first().copied();
    for (sent, datagram) in [&largest[..], b""].into_iter().enumerate() {
        peer.send_to(datagram, relay).unwrap();
        world.run_until("the peer's", |_, stats| stats.to_clients.sent == sent as u64 + 1);
        assert_eq!(receive(&client).0, datagram);
    }
}

/// Sends `count` datagrams of `size` bytes (the last one shorter) as one segmented message, each numbered in its second byte.
fn send_train(from: &UdpSocket, to: SocketAddr, first: u8, count: u8, size: usize) -> Vec<Vec<u8>> {
    let datagrams: Vec<Vec<u8>> = (0..count)
        .map(|number| {
            let mut datagram = vec![number.wrapping_mul(7); if number + 1 == count { size - 1 } else { size }];
            datagram[0] = first;
            datagram[1] = number;
            datagram
        })
        .collect();
    let mut queue = SendQueue::default();
    let mut sends = queue.start();
    let target = Target { socket: 0, family: Family::of(&to), destination: to, source: None, traffic_class: 0 };
    for datagram in &datagrams {
        sends.push(&target, &[], datagram, 0).unwrap();
    }
    sends.flush(false, |_| Some(from.as_fd()));
    assert_eq!((queue.stats().calls, queue.stats().sent), (1, u64::from(count)));
    datagrams
}

#[test]
fn a_train_from_a_client_reaches_the_peer_intact_with_one_call() {
    let mut world = World::new("127.0.0.1:0");
    let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    world.relay(0, "127.0.0.1", peer.local_addr().unwrap());
    let datagrams = send_train(&client, world.listener, 0, 50, 1200);
    world.run_until("the train", |toy, _| toy.seen.len() == 50);
    for datagram in &datagrams {
        assert_eq!(receive(&peer).0, datagram[1..]);
    }
    let stats = world.datapath.stats();
    assert_eq!((stats.to_peers.sent, stats.to_peers.calls, stats.to_peers.split_runs), (50, 1, 0));
    assert_eq!(world.toy.batches, (1, 1));
}

#[test]
fn a_train_from_a_peer_reaches_the_client_intact_with_one_call() {
    let headers: [(&[u8], u8); 3] = [(b"chan", 0), (&[0xab; 36], 1), (&[0xcd; 48], 3)];
    for (header, pad) in headers {
        let mut world = World::new("127.0.0.1:0");
        let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let relay = world.relay(0, "127.0.0.1", peer.local_addr().unwrap());
        let (client_address, local) = (client.local_addr().unwrap(), world.listener);
        world.toy.client = Some(ClientSource { listener: 3, client: client_address, local });
        world.toy.header = header.to_vec();
        world.toy.pad = pad;
        let datagrams = send_train(&peer, relay, 1, 40, 1000);
        world.run_until("the train", |_, stats| stats.to_clients.sent == 40);
        for datagram in &datagrams {
            let expected = [header, datagram, &[0, 0, 0][..usize::from(pad)]].concat();
            assert_eq!(receive(&client).0, expected);
        }
        assert_eq!(world.datapath.stats().to_clients.calls, 1);
    }
}

#[test]
fn without_segmentation_a_train_leaves_one_by_one() {
    let mut world = World::new("127.0.0.1:0");
    world.datapath.set_segmentation(false);
    let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    world.relay(0, "127.0.0.1", peer.local_addr().unwrap());
    let datagrams = send_train(&client, world.listener, 0, 20, 500);
    world.run_until("the train", |toy, _| toy.seen.len() == 20);
    for datagram in &datagrams {
        assert_eq!(receive(&peer).0, datagram[1..]);
    }
}

#[test]
fn a_train_of_requests_is_answered_one_by_one() {
    let mut world = World::new("127.0.0.1:0");
    let client = socket("127.0.0.1:0");
    // More than the reply buffer of a batch holds, so that some replies leave at once.
    let datagrams = send_train(&client, world.listener, b'?', 60, 1000);
    world.run_until("the train", |_, stats| stats.to_clients.sent == 60);
    let mut got: Vec<_> = (0..60).map(|_| receive(&client).0).collect();
    got.sort_by_key(|datagram| datagram[0]);
    for (got, sent) in got.iter().zip(&datagrams) {
        assert_eq!(got[..], sent[1..]);
    }
}

#[test]
fn many_relays_share_one_send_to_their_clients() {
    let mut world = World::new("127.0.0.1:0");
    let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    world.toy.client = Some(ClientSource { listener: 3, client: client.local_addr().unwrap(), local: world.listener });
    let relays: Vec<_> = (0..100).map(|index| world.relay(index, "127.0.0.1", peer.local_addr().unwrap())).collect();
    for (number, relay) in relays.iter().enumerate() {
        // Different lengths, so that no two join a run.
        peer.send_to(&vec![number as u8; number + 1], relay).unwrap();
    }
    world.run_until("all", |_, stats| stats.to_clients.sent == 100);
    let got: BTreeSet<_> = (0..100).map(|_| receive(&client).0.len()).collect();
    assert_eq!(got, (1..=100).collect());
    assert!(world.datapath.stats().to_clients.calls < 20, "{:?}", world.datapath.stats());
}

#[test]
fn a_flooded_relay_does_not_keep_others_from_their_turn() {
    let mut world = World::new("127.0.0.1:0");
    let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    world.toy.client = Some(ClientSource { listener: 3, client: client.local_addr().unwrap(), local: world.listener });
    let flooded = world.relay(0, "127.0.0.1", peer.local_addr().unwrap());
    let quiet = world.relay(1, "127.0.0.1", peer.local_addr().unwrap());
    for number in 0..100u8 {
        peer.send_to(&vec![number; 1 + usize::from(number)], flooded).unwrap();
    }
    peer.send_to(&[0; 200], quiet).unwrap();
    let _ = world.datapath.turn(&mut world.toy).unwrap();
    let first: Vec<_> = (0..40).map(|_| receive(&client).0.len()).collect();
    assert!(first.contains(&200), "{first:?}");
    world.run_until("the rest", |_, stats| stats.to_clients.sent == 101);
}

#[test]
fn what_arrived_before_a_relay_was_added_is_not_lost() {
    let mut world = World::new("127.0.0.1:0");
    let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    world.toy.client = Some(ClientSource { listener: 3, client: client.local_addr().unwrap(), local: world.listener });
    let address = world.relay(0, "127.0.0.1", peer.local_addr().unwrap());
    let relay = world.datapath.sockets().remove_relay(key(0)).unwrap();
    peer.send_to(b"early", address).unwrap();
    let _ = world.datapath.turn(&mut world.toy).unwrap();
    assert_eq!(world.datapath.stats().from_peers, 0);
    world.datapath.sockets().add_relay(key(0), relay).unwrap();
    world.run_until("the early one", |_, stats| stats.to_clients.sent == 1);
    assert_eq!(receive(&client).0, b"early");
}

#[test]
fn ecn_and_dscp_are_copied_and_dscp_can_be_fixed() {
    for (dscp, expected) in [(Dscp::Copy, 0xba), (Dscp::Fixed(8), 0x22)] {
        let mut world = World::new("127.0.0.1:0");
        world.datapath = Datapath::new(dscp).unwrap();
        let mut group = ListenerGroup::open(address("127.0.0.1:0"), 1).unwrap();
        world.datapath.sockets().add_listener(3, group.sockets.remove(0)).unwrap();
        // A relayed socket as the peer: it reports the traffic class.
        let peer_pool = PortPool::new(20_000..=65_000);
        let ip = address("127.0.0.1:0").ip();
        let peer = RelaySocket::open(&peer_pool, ip, PortWish::Any, &mut super::support::rng()).unwrap().relay;
        world.relay(0, "127.0.0.1", peer.local());
        let client = socket("127.0.0.1:0");
        socket2::SockRef::from(&client).set_tos_v4(0xba).unwrap();
        client.send_to(b"\0marked", group.local).unwrap();
        world.run_until("the datagram", |toy, _| toy.seen.len() == 1);
        let mut arena = stunner_sys::ReceiveArena::default();
        let datagram = arena.fill().receive(peer.as_fd(), 1).unwrap().next().unwrap();
        assert_eq!((datagram.traffic_class, datagram.payload()), (expected, &b"marked"[..]));
    }
}
