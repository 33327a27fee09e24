//! TCP relaying (RFC 6062) and what moves between workers, in the simulated world.

use std::time::Duration;

use stun_codec::{Class, Message, Method};
use stunner_testkit::sim::{Behaviour, PeerKey, RawKey, Reply, Setup, World, addr};
use turn_core::Limits;

const PEER: &str = "198.51.100.9:9000";
/// Control connections go to worker 0, data connections of odd ports to worker 1.
const CONTROL: &str = "192.0.2.1:4000";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn moment(world: &mut World) {
    world.run_for(Duration::from_millis(200));
}

/// A world with a peer and a client that has a TCP allocation.
fn scripted(setup: Setup) -> (World, RawKey, PeerKey, Reply) {
    let mut world = World::new(setup);
    let peer = world.add_peer(PEER, Behaviour::Record);
    let control = world.add_raw_stream(CONTROL, 0);
    let reply = world.ask(control, Method::Allocate, |w| {
        w.requested_transport(6);
    });
    assert_eq!(reply.code(), 200);
    (world, control, peer, reply)
}

fn two_workers() -> Setup {
    Setup { workers: 2, ..Setup::default() }
}

fn connect(world: &mut World, control: RawKey, peer: &str) -> Reply {
    world.ask(control, Method::Connect, |w| {
        w.xor_peer_address(addr(peer));
    })
}

fn connection_id(reply: &Reply) -> u32 {
    reply.message().connection_id().unwrap().expect("a connection id")
}

fn bind(world: &mut World, data: RawKey, id: u32) -> Reply {
    world.ask(data, Method::ConnectionBind, |w| {
        w.connection_id(id);
    })
}

fn bytes_of(world: &mut World, key: RawKey) -> Vec<u8> {
    std::mem::take(&mut world.raw(key).inbox).concat()
}

#[test]
fn bytes_flow_between_a_client_and_a_peer_it_connects_to() {
    for (data_at, worker) in [("192.0.2.1:4002", "the same"), ("192.0.2.1:4001", "another")] {
        let (mut world, control, peer, _) = scripted(two_workers());
        let connected = connect(&mut world, control, PEER);
        assert_eq!(connected.code(), 200);
        let data = world.add_raw_stream(data_at, 0);
        let bound = bind(&mut world, data, connection_id(&connected));
        assert_eq!(bound.code(), 200, "on {worker} worker");
        assert_eq!(connection_id(&bound), connection_id(&connected));
        world.raw_sends(data, b"GET / HTTP/1.0");
        moment(&mut world);
        assert_eq!(world.peer(peer).stream_bytes, b"GET / HTTP/1.0");
        assert_eq!(world.usage().connections, 1);
        assert_eq!(world.raw_refresh(control, 0).code(), 200);
        world.assert_empty();
    }
}

#[test]
fn what_the_peer_says_first_is_not_lost() {
    let (mut world, control, peer, reply) = scripted(two_workers());
    world.raw_permit(control, &[addr(PEER).ip()]);
    assert!(world.peer_connects_and_writes(peer, reply.relayed(), b"220 ready"));
    moment(&mut world);
    let attempt = world.raw(control).inbox.remove(0);
    let attempt = Message::parse(&attempt).unwrap();
    assert_eq!((attempt.class(), attempt.method()), (Class::Indication, Method::ConnectionAttempt));
    assert_eq!(attempt.xor_peer_address(), Ok(Some(addr(PEER))));
    let id = attempt.connection_id().unwrap().unwrap();
    let data = world.add_raw_stream("192.0.2.1:4001", 0);
    assert_eq!(bind(&mut world, data, id).code(), 200);
    moment(&mut world);
    assert_eq!(bytes_of(&mut world, data), b"220 ready");
}

#[test]
fn a_peer_without_permission_cannot_connect() {
    let (mut world, control, peer, reply) = scripted(two_workers());
    assert!(!world.peer_connects_and_writes(peer, reply.relayed(), b"hello"));
    world.raw_permit(control, &[addr(PEER).ip()]);
    world.policy.refused_peers.insert(addr(PEER));
    world.policy_changed();
    assert!(!world.peer_connects_and_writes(peer, reply.relayed(), b"hello"), "nor one that no route admits");
    moment(&mut world);
    assert!(world.raw(control).inbox.is_empty());
    assert_eq!(world.usage().connections, 0);
}

#[test]
fn a_refused_peer_is_a_403_nobody_there_a_447_and_a_second_time_a_446() {
    let (mut world, control, _, _) = scripted(two_workers());
    world.policy.refused_hosts.insert(addr("198.51.100.66:1").ip());
    world.policy_changed();
    assert_eq!(connect(&mut world, control, "198.51.100.66:1").code(), 403);
    assert_eq!(connect(&mut world, control, "198.51.100.9:1").code(), 447);
    assert_eq!(connect(&mut world, control, PEER).code(), 200);
    assert_eq!(connect(&mut world, control, PEER).code(), 446);
}

#[test]
fn a_connection_that_nobody_binds_is_closed_after_thirty_seconds() {
    let (mut world, control, _, _) = scripted(two_workers());
    let id = connection_id(&connect(&mut world, control, PEER));
    world.run_for(secs(31));
    assert_eq!(world.usage().connections, 0);
    let data = world.add_raw_stream("192.0.2.1:4001", 0);
    assert_eq!(bind(&mut world, data, id).code(), 400);
}

#[test]
fn a_connection_is_bound_once_by_its_own_user_over_a_stream() {
    let (mut world, control, _, _) = scripted(two_workers());
    let id = connection_id(&connect(&mut world, control, PEER));
    for (at, worker) in [("192.0.2.1:5000", "same"), ("192.0.2.1:5001", "other")] {
        let bob = world.add_raw_stream(at, 1);
        assert_eq!(bind(&mut world, bob, id).code(), 400, "{worker} worker");
    }
    let datagrams = world.add_raw("192.0.2.1:6000", 0);
    assert_eq!(bind(&mut world, datagrams, id).code(), 400);
    let data = world.add_raw_stream("192.0.2.1:4001", 0);
    assert_eq!(bind(&mut world, data, id ^ 1).code(), 400);
    let data = world.add_raw_stream("192.0.2.1:4003", 0);
    assert_eq!(bind(&mut world, data, id).code(), 200);
    let late = world.add_raw_stream("192.0.2.1:4005", 0);
    assert_eq!(bind(&mut world, late, id).code(), 400);
}

#[test]
fn a_tcp_allocation_relays_no_datagrams_and_a_udp_allocation_no_connections() {
    let (mut world, control, peer, _) = scripted(two_workers());
    world.raw_permit(control, &[addr(PEER).ip()]);
    world.raw_send_indication(control, addr(PEER), b"x");
    assert_eq!(world.raw_bind(control, 0x4000, addr(PEER)).code(), 400);
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
    let udp = world.add_raw_stream("192.0.2.2:4000", 0);
    assert_eq!(world.raw_allocate(udp, |_| ()).code(), 200);
    assert_eq!(connect(&mut world, udp, PEER).code(), 400);
}

#[test]
fn tcp_allocations_are_for_stream_clients_where_they_are_relayed_at_all() {
    let mut world = World::new(Setup::default());
    let datagrams = world.add_raw("192.0.2.1:4000", 0);
    let tcp = |w: &mut stun_codec::MessageWriter<'_>| {
        w.requested_transport(6);
    };
    assert_eq!(world.ask(datagrams, Method::Allocate, tcp).code(), 400);
    world.policy.streams = false;
    let stream = world.add_raw_stream("192.0.2.1:4001", 0);
    assert_eq!(world.ask(stream, Method::Allocate, tcp).code(), 442);
}

#[test]
fn the_cap_on_connections_is_a_508() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let (mut world, control, _, _) = scripted(Setup { limits, ..Setup::default() });
    world.add_peer("198.51.100.10:1", Behaviour::Record);
    assert_eq!(connect(&mut world, control, PEER).code(), 200);
    assert_eq!(connect(&mut world, control, "198.51.100.10:1").code(), 508);
}

#[test]
fn a_control_connection_that_breaks_takes_the_data_connections_along() {
    let (mut world, control, _, _) = scripted(two_workers());
    let id = connection_id(&connect(&mut world, control, PEER));
    let data = world.add_raw_stream("192.0.2.1:4001", 0);
    assert_eq!(bind(&mut world, data, id).code(), 200);
    world.raw_hangs_up(control);
    assert!(!world.raw_is_connected(data));
    world.assert_empty();
}

#[test]
fn a_data_connection_that_breaks_ends_alone() {
    let (mut world, control, _, _) = scripted(two_workers());
    let id = connection_id(&connect(&mut world, control, PEER));
    let data = world.add_raw_stream("192.0.2.1:4001", 0);
    bind(&mut world, data, id);
    world.raw_hangs_up(data);
    assert_eq!((world.usage().connections, world.usage().allocations), (0, 1));
    assert_eq!(connect(&mut world, control, PEER).code(), 200, "and the peer can be connected to again");
}

#[test]
fn an_expired_allocation_takes_its_connections_along() {
    let (mut world, control, _, _) = scripted(two_workers());
    let id = connection_id(&connect(&mut world, control, PEER));
    let data = world.add_raw_stream("192.0.2.1:4001", 0);
    bind(&mut world, data, id);
    world.run_for(secs(601));
    assert!(!world.raw_is_connected(data));
    world.assert_empty();
}

#[test]
fn a_stream_whose_owner_is_gone_when_it_comes_by_mail_is_answered_and_closed() {
    let (mut world, control, _, _) = scripted(two_workers());
    let id = connection_id(&connect(&mut world, control, PEER));
    world.mail_delay = secs(1);
    let data = world.add_raw_stream("192.0.2.1:4001", 0);
    let challenge = world.try_ask(data, Method::ConnectionBind, |_| ()).unwrap();
    world.raw(data).auth.challenged(&challenge.message()).unwrap();
    let request = world.raw(data).request(Method::ConnectionBind, |w| {
        w.connection_id(id);
    });
    world.raw_sends(data, &request);
    moment(&mut world);
    world.raw_hangs_up(control);
    world.run_for(secs(2));
    assert_eq!(world.raw(data).take_answer(&request).unwrap().code(), 400);
    assert!(!world.raw_is_connected(data));
    world.assert_empty();
}

#[test]
fn a_stream_of_nonsense_is_closed() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw_stream("192.0.2.1:4000", 0);
    world.raw_sends(raw, b"\x80 is neither STUN nor ChannelData");
    moment(&mut world);
    assert!(!world.raw_is_connected(raw));
}
