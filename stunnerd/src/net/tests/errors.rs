use super::support::{World, address, has_ipv6, key, receive, socket};
use crate::net::*;

/// A port of `ip` that nobody listens on.
fn closed(ip: &str) -> std::net::SocketAddr {
    socket(&format!("{ip}:0")).local_addr().unwrap()
}

fn unreachable(ip: &str, listener: &str, expected: (u8, u8)) {
    let mut world = World::new(listener);
    let nobody = closed(ip);
    world.relay(0, ip.trim_matches(['[', ']']), nobody);
    let client = socket(&format!("{ip}:0"));
    client.send_to(b"\0hello", world.listener).unwrap();
    world.run_until("the ICMP error", |toy, _| !toy.icmp.is_empty());
    let error = IcmpError { icmp_type: expected.0, icmp_code: expected.1, data: 0 };
    assert_eq!(world.toy.icmp, [(key(0), nobody, error)]);
}

#[test]
fn port_unreachable_names_the_peer() {
    unreachable("127.0.0.1", "127.0.0.1:0", (3, 3));
    if has_ipv6() {
        unreachable("[::1]", "[::1]:0", (1, 4));
    }
}

#[test]
fn an_error_of_one_peer_costs_no_datagram_of_another() {
    let mut world = World::new("127.0.0.1:0");
    let (peer, client, nobody) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"), closed("127.0.0.1"));
    let relay = world.relay(0, "127.0.0.1", nobody);
    for round in 0..50u8 {
        world.toy.peers.insert(0, nobody);
        client.send_to(b"\0lost", world.listener).unwrap();
        let want = world.toy.seen.len() + 1;
        world.run_until("the first", |toy, _| toy.seen.len() == want);
        // The error is pending on the socket now: the next send would return it.
        world.toy.peers.insert(0, peer.local_addr().unwrap());
        client.send_to(&[0, round], world.listener).unwrap();
        assert_eq!(world_receive(&mut world, &peer), (vec![round], relay));
    }
    assert_eq!(world.datapath.stats().to_peers.refused, 0);
    world.run_until("the errors", |toy, _| toy.icmp.len() == 50);
}

fn world_receive(world: &mut World, peer: &std::net::UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let want = world.toy.seen.len() + 1;
    world.run_until("the datagram", |toy, _| toy.seen.len() == want);
    receive(peer)
}

#[test]
fn an_error_does_not_hide_what_a_peer_sent() {
    let mut world = World::new("127.0.0.1:0");
    let (peer, client, nobody) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"), closed("127.0.0.1"));
    let relay = world.relay(0, "127.0.0.1", nobody);
    client.send_to(b"\0lost", world.listener).unwrap();
    world.run_until("the request", |toy, _| !toy.seen.is_empty());
    world.toy.client = world.toy.seen.first().copied();
    peer.send_to(b"still here", relay).unwrap();
    assert_eq!(
        {
            world.run_until("both", |toy, stats| !toy.icmp.is_empty() && stats.to_clients.sent == 1);
            receive(&client).0
        },
        b"still here"
    );
}

#[test]
fn an_unknown_or_stale_relay_is_counted_not_sent_from() {
    let mut world = World::new("127.0.0.1:0");
    let (peer, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    world.relay(0, "127.0.0.1", peer.local_addr().unwrap());
    assert!(world.datapath.sockets().remove_relay(RelayKey { index: 0, generation: 2 }).is_none());
    let socket = world.datapath.sockets().remove_relay(key(0)).unwrap();
    world.datapath.sockets().add_relay(RelayKey { index: 0, generation: 2 }, socket).unwrap();
    client.send_to(b"\0stale", world.listener).unwrap();
    world.run_until("the request", |_, stats| stats.no_socket == 1);
    assert_eq!(world.datapath.sockets().relay_address(key(0)), None);
    world.toy.peers.insert(9, address("127.0.0.1:9"));
    client.send_to(b"\x09never", world.listener).unwrap();
    world.run_until("the request", |_, stats| stats.no_socket == 2);
}
