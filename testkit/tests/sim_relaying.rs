//! Data in the simulated world: what passes, what does not, and for how long.

use std::net::SocketAddr;
use std::time::Duration;

use stun_codec::{AddressFamily, Method};
use stunner_testkit::sim::{Behaviour, Link, RawKey, Setup, World, addr, alice};
use turn_core::client::{ClientConfig, Event, Failure, Families, RelayRequest, Request, Transport};
use turn_core::{DropReason, Limits};

const CLIENT: &str = "192.0.2.1:4000";
const PEER: &str = "198.51.100.9:9000";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn moment(world: &mut World) {
    world.run_for(Duration::from_millis(200));
}

/// A world with a scripted client that has an allocation.
fn scripted() -> (World, RawKey, SocketAddr) {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    let relayed = world.raw_allocate(raw, |w| {
        w.lifetime(3600);
    });
    let relayed = relayed.relayed();
    (world, raw, relayed)
}

#[test]
fn data_needs_a_permission_in_both_directions() {
    let (mut world, raw, relayed) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    world.raw_send_indication(raw, addr(PEER), b"out");
    world.peer_sends(peer, relayed, b"in");
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
    assert!(world.raw_payloads(raw).is_empty());
    assert_eq!(world.drops, [DropReason::NoPermission; 2]);
    assert_eq!(world.raw_permit(raw, &[addr(PEER).ip()]).code(), 200);
    world.raw_send_indication(raw, addr(PEER), b"out");
    world.peer_sends(peer, relayed, b"in");
    moment(&mut world);
    assert_eq!(world.peer_received(peer)[0].payload, b"out");
    assert_eq!(world.raw_payloads(raw), [b"in"]);
}

#[test]
fn a_permission_is_for_the_host_whatever_its_port() {
    let (mut world, raw, relayed) = scripted();
    let other = world.add_peer("198.51.100.9:1", Behaviour::Echo);
    let stranger = world.add_peer("198.51.100.10:9000", Behaviour::Echo);
    world.raw_permit(raw, &[addr(PEER).ip()]);
    world.raw_send_indication(raw, addr("198.51.100.9:1"), b"x");
    world.raw_send_indication(raw, addr("198.51.100.10:9000"), b"y");
    world.peer_sends(stranger, relayed, b"z");
    moment(&mut world);
    assert_eq!(world.peer_received(other).len(), 1);
    assert_eq!(world.peer_received(stranger), []);
    assert_eq!(world.raw_payloads(raw), [b"x"]);
}

#[test]
fn a_permission_expires_after_five_minutes() {
    let (mut world, raw, relayed) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    world.raw_permit(raw, &[addr(PEER).ip()]);
    world.run_for(secs(299));
    world.raw_send_indication(raw, addr(PEER), b"still");
    moment(&mut world);
    assert_eq!(world.peer_received(peer).len(), 1);
    world.run_for(secs(1));
    world.raw_send_indication(raw, addr(PEER), b"late");
    world.peer_sends(peer, relayed, b"late");
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
    assert!(world.raw_payloads(raw).is_empty());
}

#[test]
fn a_permission_that_is_asked_for_again_goes_on() {
    let (mut world, raw, _) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    for _ in 0..5 {
        world.raw_permit(raw, &[addr(PEER).ip()]);
        world.run_for(secs(250));
        world.raw_send_indication(raw, addr(PEER), b"x");
        moment(&mut world);
    }
    assert_eq!(world.peer_received(peer).len(), 5);
}

#[test]
fn a_channel_relays_for_ten_minutes_and_the_way_back_needs_the_permission() {
    let (mut world, raw, relayed) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    assert_eq!(world.raw_bind(raw, 0x4000, addr(PEER)).code(), 200);
    world.raw_channel_data(raw, 0x4000, b"one");
    world.peer_sends(peer, relayed, b"two");
    moment(&mut world);
    assert_eq!(world.peer_received(peer)[0].payload, b"one");
    assert_eq!(world.raw_payloads(raw), [b"two"]);
    world.run_for(secs(300));
    world.raw_channel_data(raw, 0x4000, b"one");
    world.peer_sends(peer, relayed, b"two");
    moment(&mut world);
    assert_eq!(world.peer_received(peer).len(), 1, "RFC 8656 §12.6 asks for the binding only");
    assert!(world.raw_payloads(raw).is_empty(), "RFC 8656 §11.3 asks for the permission");
    world.run_for(secs(300));
    world.raw_channel_data(raw, 0x4000, b"late");
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
}

#[test]
fn number_and_peer_of_an_expired_channel_cool_down_for_five_minutes() {
    let (mut world, raw, _) = scripted();
    let (other, third) = (addr("198.51.100.9:9001"), addr("198.51.100.9:9002"));
    let begin = world.now().mono;
    assert_eq!(world.raw_bind(raw, 0x4000, addr(PEER)).code(), 200);
    for at in [10, 599, 601, 899] {
        world.run_until(begin + secs(at));
        assert_eq!(world.raw_bind(raw, 0x4000, other).code(), 400, "the number at {at} s");
        assert_eq!(world.raw_bind(raw, 0x4001, addr(PEER)).code(), 400, "the peer at {at} s");
    }
    world.run_until(begin + secs(901));
    assert_eq!(world.raw_bind(raw, 0x4000, other).code(), 200);
    assert_eq!(world.raw_bind(raw, 0x4001, addr(PEER)).code(), 200);
    assert_eq!(world.raw_bind(raw, 0x4002, third).code(), 200);
}

#[test]
fn the_same_pair_can_be_bound_again_at_any_time() {
    let (mut world, raw, _) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    for wait in [0, 1, 300, 599, 700, 850] {
        world.run_for(secs(wait));
        assert_eq!(world.raw_refresh(raw, 3600).code(), 200);
        assert_eq!(world.raw_bind(raw, 0x4000, addr(PEER)).code(), 200, "after {wait} s");
        world.raw_channel_data(raw, 0x4000, b"x");
        moment(&mut world);
        assert_eq!(world.peer_received(peer).len(), 1, "after {wait} s");
    }
}

#[test]
fn channel_data_on_a_number_that_is_not_bound_is_dropped() {
    let (mut world, raw, _) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    world.raw_bind(raw, 0x4000, addr(PEER));
    world.raw_channel_data(raw, 0x4001, b"x");
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
    assert_eq!(world.drops, [DropReason::NoChannel]);
}

#[test]
fn permissions_of_one_request_are_all_granted_or_none() {
    let (mut world, raw, _) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    let (good, bad) = (addr(PEER).ip(), addr("198.51.100.66:1").ip());
    world.policy.refused_hosts.insert(bad);
    world.policy_changed();
    assert_eq!(world.raw_permit(raw, &[good, bad]).code(), 403);
    world.raw_send_indication(raw, addr(PEER), b"x");
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
    assert_eq!(world.raw_permit(raw, &[good]).code(), 200);
}

#[test]
fn a_peer_of_a_family_that_is_not_relayed_is_a_443() {
    let (mut world, raw, _) = scripted();
    assert_eq!(world.raw_permit(raw, &[addr("[2001:db8::9]:1").ip()]).code(), 443);
    assert_eq!(world.raw_bind(raw, 0x4000, addr("[2001:db8::9]:1")).code(), 443);
}

#[test]
fn caps_on_permissions_and_channels_are_a_508() {
    let limits = Limits { permissions: 3, channels: 2, ..Limits::default() };
    let mut world = World::new(Setup { limits, ..Setup::default() });
    let raw = world.add_raw(CLIENT, 0);
    world.raw_allocate(raw, |_| ());
    assert_eq!(world.raw_bind(raw, 0x4000, addr("198.51.100.1:1")).code(), 200);
    assert_eq!(world.raw_bind(raw, 0x4001, addr("198.51.100.2:1")).code(), 200);
    assert_eq!(world.raw_bind(raw, 0x4002, addr("198.51.100.2:2")).code(), 508);
    assert_eq!(world.raw_permit(raw, &[addr("198.51.100.3:1").ip()]).code(), 200);
    assert_eq!(world.raw_permit(raw, &[addr("198.51.100.4:1").ip()]).code(), 508);
    assert_eq!(world.raw_permit(raw, &[addr("198.51.100.1:1").ip()]).code(), 200, "known ones are not new");
    world.run_for(secs(301));
    assert_eq!(world.raw_permit(raw, &[addr("198.51.100.4:1").ip()]).code(), 200, "expired ones make room");
}

#[test]
fn a_client_that_stays_keeps_its_peers_for_hours() {
    let mut world = World::new(Setup { client_link: Link::losing(0.1), ..Setup::default() });
    let peer = world.add_peer(PEER, Behaviour::Echo);
    let plain = world.add_peer("198.51.100.10:1", Behaviour::Echo);
    let (client, relayed) = world.allocated(CLIENT);
    world.bind(client, addr(PEER));
    world.permit(client, addr("198.51.100.10:1").ip());
    for _ in 0..60 {
        world.run_for(secs(61));
        world.client_link = Link::good();
        world.send_payload(client, addr(PEER), b"channel");
        world.send_payload(client, addr("198.51.100.10:1"), b"indication");
        moment(&mut world);
        world.client_link = Link::losing(0.1);
        assert_eq!(world.peer_received(peer)[0].from, relayed);
        assert_eq!(world.peer_received(plain).len(), 1);
        let received = world.received(client);
        assert_eq!(received.len(), 2, "both come back");
        assert!(received.iter().any(|data| data.channel.is_some() && data.payload == b"channel"));
        assert!(received.iter().any(|data| data.channel.is_none() && data.payload == b"indication"));
    }
    assert_eq!(world.events(client), []);
}

#[test]
fn payloads_of_any_length_arrive_whole() {
    let mut world = World::new(Setup::default());
    let peer = world.add_peer(PEER, Behaviour::Echo);
    let (client, _) = world.allocated(CLIENT);
    world.permit(client, addr(PEER).ip());
    for round in 0..2 {
        for len in [0, 1, 2, 3, 4, 5, 100, 1199, 1400] {
            let payload: Vec<u8> = (0..len).map(|n| n as u8).collect();
            world.send_payload(client, addr(PEER), &payload);
            moment(&mut world);
            assert_eq!(world.peer_received(peer)[0].payload, payload);
            assert_eq!(world.received(client)[0].payload, payload);
        }
        if round == 0 {
            world.bind(client, addr(PEER));
        }
    }
}

#[test]
fn ipv6_clients_and_peers_are_relayed() {
    let mut world = World::new(Setup::default());
    let peer = world.add_peer("[2001:db8::9]:9000", Behaviour::Echo);
    let relay = RelayRequest::AnyPort(Families::One(AddressFamily::V6));
    let client = world.add_client("[2001:db8:1::1]:4000", ClientConfig { relay, ..alice() });
    let relayed = world.allocate(client).relayed.v6.unwrap();
    world.permit(client, addr("[2001:db8::9]:9000").ip());
    world.send_payload(client, addr("[2001:db8::9]:9000"), b"hello");
    moment(&mut world);
    assert_eq!(world.peer_received(peer)[0].from, relayed);
    assert_eq!(world.received(client)[0].payload, b"hello");
}

#[test]
fn a_dual_allocation_reaches_peers_of_both_families() {
    let mut world = World::new(Setup::default());
    let v4 = world.add_peer(PEER, Behaviour::Echo);
    let v6 = world.add_peer("[2001:db8::9]:9000", Behaviour::Echo);
    let both = ClientConfig { relay: RelayRequest::AnyPort(Families::Both), ..alice() };
    let client = world.add_client(CLIENT, both);
    let relayed = world.allocate(client).relayed;
    world.bind(client, addr(PEER));
    world.bind(client, addr("[2001:db8::9]:9000"));
    world.send_payload(client, addr(PEER), b"four");
    world.send_payload(client, addr("[2001:db8::9]:9000"), b"six");
    moment(&mut world);
    assert_eq!(world.peer_received(v4)[0].from, relayed.v4.unwrap());
    assert_eq!(world.peer_received(v6)[0].from, relayed.v6.unwrap());
    assert_eq!(world.received(client).len(), 2);
}

#[test]
fn dont_fragment_is_set_where_a_send_asks_for_it_and_nowhere_else() {
    let mut world = World::new(Setup::default());
    let peer = world.add_peer(PEER, Behaviour::Record);
    for (at, dont_fragment) in [("192.0.2.1:4000", true), ("192.0.2.2:4000", false)] {
        let client = world.add_client(at, ClientConfig { dont_fragment, ..alice() });
        world.allocate(client);
        world.permit(client, addr(PEER).ip());
        world.send_payload(client, addr(PEER), b"x");
        moment(&mut world);
        assert_eq!(world.peer_received(peer)[0].dont_fragment, dont_fragment);
        world.bind(client, addr(PEER));
        world.send_payload(client, addr(PEER), b"x");
        moment(&mut world);
        assert!(!world.peer_received(peer)[0].dont_fragment, "ChannelData cannot ask for it");
    }
}

#[test]
fn an_icmp_error_reaches_the_client_that_has_a_permission() {
    for (peer, expected) in [("198.51.100.9:9", (3, 3)), ("[2001:db8::9]:9", (1, 4))] {
        let mut world = World::new(Setup::default());
        world.closed.insert(addr(peer));
        let both = ClientConfig { relay: RelayRequest::AnyPort(Families::Both), ..alice() };
        let client = world.add_client(CLIENT, both);
        world.allocate(client);
        world.permit(client, addr(peer).ip());
        world.send_payload(client, addr(peer), b"anybody?");
        moment(&mut world);
        assert_eq!(world.client(client).icmp, [(addr(peer), expected.0, expected.1, 0)]);
    }
}

#[test]
fn two_clients_of_one_server_reach_each_other_with_permissions_on_both_sides() {
    let mut world = World::new(Setup { workers: 2, ..Setup::default() });
    let (one, relayed_one) = world.allocated("192.0.2.1:4000");
    let (two, relayed_two) = world.allocated("192.0.2.2:4001");
    world.permit(one, relayed_two.ip());
    world.send_payload(one, relayed_two, b"early");
    moment(&mut world);
    assert_eq!(world.received(two), []);
    world.bind(two, relayed_one);
    world.send_payload(one, relayed_two, b"hello");
    world.send_payload(two, relayed_one, b"hello yourself");
    moment(&mut world);
    assert_eq!(world.received(two)[0].peer, relayed_one);
    assert_eq!(world.received(one)[0].payload, b"hello yourself");
}

#[test]
fn a_stream_client_relays_with_padded_channel_data_however_the_stream_is_cut() {
    for segment in [1, 7, usize::MAX] {
        let mut world = World::new(Setup::default());
        world.segment = segment;
        let peer = world.add_peer(PEER, Behaviour::Echo);
        let client = world.add_client(CLIENT, ClientConfig { transport: Transport::Stream, ..alice() });
        world.allocate(client);
        world.permit(client, addr(PEER).ip());
        world.send_payload(client, addr(PEER), b"indication");
        world.bind(client, addr(PEER));
        for len in 0..9 {
            world.send_payload(client, addr(PEER), &[7; 9][..len]);
        }
        moment(&mut world);
        let lengths: Vec<_> = world.peer_received(peer).iter().map(|data| data.payload.len()).collect();
        assert_eq!(lengths, [10, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let received = world.received(client);
        assert_eq!(received.iter().map(|data| data.payload.len()).collect::<Vec<_>>(), lengths);
        assert!(received[1..].iter().all(|data| data.channel.is_some()));
        world.close(client);
        world.assert_empty();
    }
}

#[test]
fn a_stream_that_breaks_takes_its_allocation_along() {
    let mut world = World::new(Setup::default());
    let client = world.add_client(CLIENT, ClientConfig { transport: Transport::Stream, ..alice() });
    world.allocate(client);
    world.bind(client, addr(PEER));
    world.hang_up(client);
    world.assert_empty();
}

#[test]
fn a_stream_that_breaks_while_its_sockets_are_being_opened_leaves_nothing() {
    let relays =
        [RelayRequest::default(), RelayRequest::AnyPort(Families::Both), RelayRequest::EvenPortAndReserveNext(None)];
    for relay in relays {
        let mut world = World::new(Setup::default());
        world.opening.delay = secs(1);
        let client = world.add_client(CLIENT, ClientConfig { transport: Transport::Stream, relay, ..alice() });
        world.drive(client, |c, now| c.allocate(now)).unwrap();
        moment(&mut world);
        assert_eq!(world.usage().allocations, 1);
        world.hang_up(client);
        assert_eq!(world.usage().allocations, 0);
        world.run_for(secs(20));
        world.assert_empty();
    }
}

#[test]
fn a_revoked_route_cuts_at_once() {
    let mut world = World::new(Setup::default());
    let peer = world.add_peer(PEER, Behaviour::Record);
    let (client, relayed) = world.allocated(CLIENT);
    world.bind(client, addr(PEER));
    world.policy.refused_hosts.insert(addr(PEER).ip());
    world.policy_changed();
    world.send_payload(client, addr(PEER), b"out");
    world.peer_sends(peer, relayed, b"in");
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
    assert_eq!(world.received(client), []);
    assert_eq!((world.usage().permissions, world.usage().channels), (0, 0));
}

#[test]
fn what_was_not_yet_revisited_is_checked_against_the_new_policy_before_it_relays() {
    let (mut world, raw, relayed) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    world.raw_bind(raw, 0x4000, addr(PEER));
    world.policy.refused_hosts.insert(addr(PEER).ip());
    world.policy.version += 1;
    world.raw_channel_data(raw, 0x4000, b"channel");
    world.raw_send_indication(raw, addr(PEER), b"indication");
    world.peer_sends(peer, relayed, b"in");
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
    assert!(world.raw_payloads(raw).is_empty());
    assert_eq!(world.drops, [DropReason::PeerRefused; 3]);
}

#[test]
fn a_route_that_comes_back_needs_a_new_permission() {
    let (mut world, raw, _) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    world.raw_permit(raw, &[addr(PEER).ip()]);
    world.policy.refused_hosts.insert(addr(PEER).ip());
    world.policy_changed();
    moment(&mut world);
    world.policy.refused_hosts.clear();
    world.policy_changed();
    world.raw_send_indication(raw, addr(PEER), b"x");
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
    assert_eq!(world.raw_permit(raw, &[addr(PEER).ip()]).code(), 200);
    world.raw_send_indication(raw, addr(PEER), b"x");
    moment(&mut world);
    assert_eq!(world.peer_received(peer).len(), 1);
}

#[test]
fn a_route_may_admit_a_host_and_refuse_one_of_its_ports() {
    let (mut world, raw, relayed) = scripted();
    let open = world.add_peer(PEER, Behaviour::Record);
    let shut = world.add_peer("198.51.100.9:22", Behaviour::Record);
    world.policy.refused_peers.insert(addr("198.51.100.9:22"));
    world.policy_changed();
    assert_eq!(world.raw_permit(raw, &[addr(PEER).ip()]).code(), 200);
    assert_eq!(world.raw_bind(raw, 0x4000, addr("198.51.100.9:22")).code(), 403);
    world.raw_send_indication(raw, addr("198.51.100.9:22"), b"x");
    world.raw_send_indication(raw, addr(PEER), b"x");
    world.peer_sends(shut, relayed, b"y");
    world.peer_sends(open, relayed, b"z");
    moment(&mut world);
    assert_eq!(world.peer_received(shut), []);
    assert_eq!(world.peer_received(open).len(), 1);
    assert_eq!(world.raw_payloads(raw), [b"z"]);
}

#[test]
fn a_revoked_port_is_cut_though_its_host_stays_admitted() {
    let (mut world, raw, relayed) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    world.raw_permit(raw, &[addr(PEER).ip()]);
    world.raw_send_indication(raw, addr(PEER), b"before");
    moment(&mut world);
    assert_eq!(world.peer_received(peer).len(), 1);
    world.policy.refused_peers.insert(addr(PEER));
    world.policy_changed();
    moment(&mut world);
    world.raw_send_indication(raw, addr(PEER), b"after");
    world.peer_sends(peer, relayed, b"after");
    moment(&mut world);
    assert_eq!(world.peer_received(peer), []);
    assert!(world.raw_payloads(raw).is_empty());
}

#[test]
fn channels_of_a_family_that_is_given_up_or_expires_go_down() {
    for expire in [false, true] {
        let mut world = World::new(Setup::default());
        let raw = world.add_raw(CLIENT, 0);
        world.raw_allocate(raw, |w| {
            w.additional_address_family(AddressFamily::V6);
        });
        world.run_for(secs(10));
        assert_eq!(world.raw_bind(raw, 0x4000, addr(PEER)).code(), 200);
        let (family, lifetime) = if expire { (AddressFamily::V6, 3600) } else { (AddressFamily::V4, 0) };
        let reply = world.ask(raw, Method::Refresh, |w| {
            w.requested_address_family(family).lifetime(lifetime);
        });
        assert_eq!(reply.code(), 200);
        world.run_for(secs(591));
        // The world would have panicked at a channel of a closed socket.
        assert_eq!((world.sockets(), world.usage().channels), (usize::from(expire), 0));
        world.run_for(secs(3600));
        world.assert_empty();
    }
}

#[test]
fn a_refused_peer_is_a_403_on_permission_and_channel() {
    let mut world = World::new(Setup::default());
    world.policy.refused_hosts.insert(addr(PEER).ip());
    let (client, _) = world.allocated(CLIENT);
    let failure = Failure::Code(403);
    world.drive(client, |c, now| c.create_permission(now, &[addr(PEER).ip()])).unwrap();
    let what = Request::Permission(addr(PEER).ip());
    world.await_event(client, |event| (*event == Event::Refused { what, failure }).then_some(()));
    let number = world.drive(client, |c, now| c.bind_channel(now, addr(PEER))).unwrap();
    let what = Request::Channel { number, peer: addr(PEER) };
    world.await_event(client, |event| (*event == Event::Refused { what, failure }).then_some(()));
}

#[test]
fn a_spelling_of_an_ipv4_peer_as_mapped_ipv6_is_the_ipv4_peer() {
    let (mut world, raw, _) = scripted();
    let peer = world.add_peer(PEER, Behaviour::Record);
    let mapped = addr("[::ffff:198.51.100.9]:9000");
    world.policy.refused_hosts.insert(addr(PEER).ip());
    world.policy_changed();
    assert_eq!(world.raw_permit(raw, &[mapped.ip()]).code(), 403);
    assert_eq!(world.raw_bind(raw, 0x4000, mapped).code(), 403);
    world.policy.refused_hosts.clear();
    world.policy_changed();
    assert_eq!(world.raw_permit(raw, &[mapped.ip()]).code(), 200);
    world.raw_send_indication(raw, mapped, b"x");
    moment(&mut world);
    assert_eq!(world.peer_received(peer).len(), 1);
}

#[test]
fn calls_survive_a_bad_network() {
    for seed in 0..30 {
        let setup = Setup { seed, client_link: Link::bad(), peer_link: Link::bad(), ..Setup::default() };
        let mut world = World::new(setup);
        world.add_peer(PEER, Behaviour::Echo);
        let (client, _) = world.allocated(CLIENT);
        world.bind(client, addr(PEER));
        world.run_for(secs(1800));
        for _ in 0..200 {
            world.send_payload(client, addr(PEER), b"x");
            moment(&mut world);
        }
        let received = world.received(client).len();
        // Four links with a loss of 0.2 and a duplication of 0.3 pass 1.04^4 = 1.17 of what is sent.
        assert!((150..350).contains(&received), "seed {seed}: {received}");
        assert_eq!(world.events(client), [], "seed {seed}");
        world.close(client);
        world.run_for(secs(4000));
        world.assert_empty();
    }
}
