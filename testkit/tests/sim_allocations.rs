//! Allocations in the simulated world: how they come about on bad networks, live, move and end.

use std::time::Duration;

use stun_codec::{AddressFamily, AttributeType, Method};
use stunner_testkit::sim::{Link, Setup, World, addr, alice, bob};
use turn_auth::PasswordAlgorithmKind;
use turn_core::client::{ClientConfig, Event, Failure, Families, HashPolicy, RelayRequest, Request};
use turn_core::{Admission, Limits, OpenError, Report};

const CLIENT: &str = "192.0.2.1:4000";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn refused(code: u16) -> Event {
    Event::Refused { what: Request::Allocate, failure: Failure::Code(code) }
}

/// Allocates and answers what came of it.
fn outcome(world: &mut World, config: ClientConfig) -> Event {
    let client = world.add_client(CLIENT, config);
    world.drive(client, |c, now| c.allocate(now)).unwrap();
    world.await_event(client, |event| Some(event.clone()))
}

#[test]
fn an_allocation_under_loss_succeeds_and_is_one() {
    let mut succeeded = 0;
    for seed in 0..200 {
        let mut world = World::new(Setup { seed, client_link: Link::losing(0.3), ..Setup::default() });
        succeeded += match outcome(&mut world, alice()) {
            Event::Allocated(_) => {
                assert_eq!((world.usage().allocations, world.sockets()), (1, 1), "seed {seed}");
                1
            }
            // Seven transmissions there and back are all lost once in a hundred: 0.51^7, twice for two transactions.
            event => {
                assert_eq!(event, Event::Refused { what: Request::Allocate, failure: Failure::Timeout });
                0
            }
        };
    }
    assert!(succeeded >= 190, "{succeeded} of 200");
}

#[test]
fn an_allocation_under_reordering_and_duplication_is_one() {
    for seed in 0..200 {
        let mut world = World::new(Setup { seed, client_link: Link::bad(), ..Setup::default() });
        world.opening.delay = Duration::from_millis(40);
        let (client, _) = world.allocated(CLIENT);
        world.run_for(secs(5));
        assert_eq!((world.usage().allocations, world.sockets()), (1, 1), "seed {seed}");
        assert_eq!(world.events(client), [], "seed {seed}");
    }
}

#[test]
fn a_repeated_allocate_gets_the_same_relayed_address() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    world.raw_allocate(raw, |_| ());
    world.raw_refresh(raw, 0);
    let request = world.raw(raw).request(Method::Allocate, |w| {
        w.requested_transport(17);
    });
    let first = world.ask_with(raw, &request).unwrap();
    let second = world.ask_with(raw, &request).unwrap();
    assert_eq!(first.code(), 200);
    assert_eq!(first, second, "byte for byte");
    assert_eq!(world.usage().allocations, 1);
}

#[test]
fn a_copy_of_an_allocate_that_still_waits_for_its_socket_opens_no_second_one() {
    let mut world = World::new(Setup::default());
    world.opening.delay = Duration::from_millis(500);
    let raw = world.add_raw(CLIENT, 0);
    let challenge = world.try_ask(raw, Method::Allocate, |_| ()).unwrap();
    world.raw(raw).auth.challenged(&challenge.message()).unwrap();
    let request = world.raw(raw).request(Method::Allocate, |w| {
        w.requested_transport(17);
    });
    for _ in 0..5 {
        world.raw_sends(raw, &request);
        world.run_for(Duration::from_millis(50));
    }
    assert_eq!(world.raw(raw).take_answer(&request), None, "it comes late");
    world.run_for(secs(1));
    assert_eq!(world.raw(raw).take_answer(&request).unwrap().code(), 200);
    assert_eq!((world.usage().allocations, world.sockets()), (1, 1));
}

#[test]
fn a_second_allocate_on_the_same_five_tuple_is_a_437() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    assert_eq!(world.raw_allocate(raw, |_| ()).code(), 200);
    assert_eq!(world.raw_allocate(raw, |_| ()).code(), 437);
}

#[test]
fn a_request_without_allocation_is_a_437() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    assert_eq!(world.raw_refresh(raw, 600).code(), 437);
    assert_eq!(world.raw_permit(raw, &[addr("198.51.100.9:1").ip()]).code(), 437);
    assert_eq!(world.raw_bind(raw, 0x4000, addr("198.51.100.9:1")).code(), 437);
}

#[test]
fn another_users_request_on_an_allocation_is_a_441() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    assert_eq!(world.raw_allocate(raw, |_| ()).code(), 200);
    world.raw(raw).auth = turn_auth::ClientAuth::new("bob", "builder".into());
    assert_eq!(world.raw_refresh(raw, 600).code(), 441);
    assert_eq!(world.raw_permit(raw, &[addr("198.51.100.9:1").ip()]).code(), 441);
    assert_eq!(world.raw_bind(raw, 0x4000, addr("198.51.100.9:1")).code(), 441);
    assert_eq!(world.raw_refresh(raw, 0).code(), 441);
    assert_eq!(world.usage().allocations, 1);
}

#[test]
fn refreshes_keep_an_allocation_for_hours() {
    let mut world = World::new(Setup { client_link: Link::losing(0.2), ..Setup::default() });
    let (client, relayed) = world.allocated(CLIENT);
    world.run_for(secs(4 * 3600));
    assert_eq!(world.events(client), []);
    assert_eq!(world.client(client).machine().allocation().unwrap().relayed.v4, Some(relayed));
    assert_eq!((world.usage().allocations, world.sockets()), (1, 1));
}

#[test]
fn an_allocation_that_nobody_refreshes_expires_and_everything_is_freed() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    world.raw_allocate(raw, |_| ());
    world.raw_permit(raw, &[addr("198.51.100.9:1").ip()]);
    world.raw_bind(raw, 0x4000, addr("198.51.100.9:1"));
    let begin = world.now().mono;
    world.run_until(begin + secs(598));
    assert_eq!(world.sockets(), 1);
    world.run_until(begin + secs(602));
    world.assert_empty();
    assert!(world.reports.iter().any(|report| matches!(report, Report::AllocationEnded { .. })));
}

#[test]
fn the_lifetime_is_what_was_asked_for_but_neither_less_than_the_default_nor_more_than_an_hour() {
    for (asked, granted) in [(0, 600), (1, 600), (599, 600), (777, 777), (3600, 3600), (u32::MAX, 3600)] {
        let mut world = World::new(Setup::default());
        let raw = world.add_raw(CLIENT, 0);
        let reply = world.raw_allocate(raw, |w| {
            w.lifetime(asked);
        });
        assert_eq!(reply.message().lifetime(), Ok(Some(granted)), "asked {asked}");
    }
}

#[test]
fn closing_frees_everything_at_once() {
    let mut world = World::new(Setup::default());
    let (client, _) = world.allocated(CLIENT);
    world.bind(client, addr("198.51.100.9:1"));
    world.close(client);
    world.assert_empty();
}

#[test]
fn a_repeated_delete_gets_the_same_answer() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    world.raw_allocate(raw, |_| ());
    let request = world.raw(raw).request(Method::Refresh, |w| {
        w.lifetime(0);
    });
    assert_eq!(world.ask_with(raw, &request).unwrap().code(), 200);
    assert_eq!(world.ask_with(raw, &request).unwrap().code(), 200, "its answer may have been lost");
    world.assert_empty();
}

#[test]
fn closing_under_loss_leaves_nothing() {
    for seed in 0..100 {
        let mut world = World::new(Setup { seed, client_link: Link::bad(), ..Setup::default() });
        let (client, _) = world.allocated(CLIENT);
        world.close(client);
        world.run_for(secs(3700));
        world.assert_empty();
    }
}

#[test]
fn a_socket_that_cannot_be_opened_is_a_508_and_leaves_nothing() {
    let mut world = World::new(Setup::default());
    world.opening.failures.push_back(OpenError::Capacity);
    assert_eq!(outcome(&mut world, alice()), refused(508));
    world.assert_empty();
}

#[test]
fn a_repeated_allocate_that_failed_fails_again_in_the_same_way() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    let challenge = world.try_ask(raw, Method::Allocate, |_| ()).unwrap();
    world.raw(raw).auth.challenged(&challenge.message()).unwrap();
    world.opening.failures.push_back(OpenError::Capacity);
    let request = world.raw(raw).request(Method::Allocate, |w| {
        w.requested_transport(17);
    });
    assert_eq!(world.ask_with(raw, &request).unwrap().code(), 508);
    assert_eq!(world.ask_with(raw, &request).unwrap().code(), 508, "though by now there would be a socket");
    world.assert_empty();
}

#[test]
fn when_all_ports_are_taken_the_next_allocation_is_a_508_until_one_is_free() {
    let mut world = World::new(Setup { ports: 50_000..=50_002, ..Setup::default() });
    let clients: Vec<_> = (1..=3).map(|n| world.allocated(&format!("192.0.2.{n}:4000")).0).collect();
    let late = world.add_client("192.0.2.9:4000", alice());
    world.drive(late, |c, now| c.allocate(now)).unwrap();
    assert_eq!(world.await_event(late, |event| Some(event.clone())), refused(508));
    world.close(clients[1]);
    world.allocate(late);
}

#[test]
fn an_opener_that_never_answers_costs_ten_seconds() {
    let mut world = World::new(Setup::default());
    world.opening.delay = secs(60);
    assert_eq!(outcome(&mut world, alice()), refused(508));
    assert_eq!(world.usage().allocations, 0);
    world.run_for(secs(120));
    world.assert_empty();
}

#[test]
fn a_late_socket_is_answered_late() {
    let mut world = World::new(Setup::default());
    world.opening.delay = secs(3);
    let begin = world.now().mono;
    world.allocated(CLIENT);
    assert!(world.now().mono.saturating_duration_since(begin) >= secs(3));
    assert_eq!((world.usage().allocations, world.sockets()), (1, 1));
}

#[test]
fn a_family_that_is_not_relayed_is_a_440() {
    let v6 = ClientConfig { relay: RelayRequest::AnyPort(Families::One(AddressFamily::V6)), ..alice() };
    let mut world = World::new(Setup::default());
    world.policy.families = vec![AddressFamily::V4];
    assert_eq!(outcome(&mut world, v6), refused(440));
    world.assert_empty();
}

#[test]
fn a_dual_allocation_has_an_address_of_each_family() {
    let mut world = World::new(Setup::default());
    let both = ClientConfig { relay: RelayRequest::AnyPort(Families::Both), ..alice() };
    let client = world.add_client(CLIENT, both);
    let allocated = world.allocate(client);
    assert!(allocated.relayed.v4.is_some() && allocated.relayed.v6.is_some());
    assert_eq!((world.usage().allocations, world.sockets()), (1, 2));
    world.close(client);
    world.assert_empty();
}

#[test]
fn a_dual_allocation_that_can_have_one_family_has_that_and_says_why() {
    let mut world = World::new(Setup::default());
    world.opening.missing = vec![AddressFamily::V6];
    let both = ClientConfig { relay: RelayRequest::AnyPort(Families::Both), ..alice() };
    let client = world.add_client(CLIENT, both);
    let allocated = world.allocate(client);
    assert!(allocated.relayed.v4.is_some() && allocated.relayed.v6.is_none());
    assert_eq!(allocated.refused, Some((AddressFamily::V6, 440)));
    world.opening.missing = vec![AddressFamily::V4, AddressFamily::V6];
    let client =
        world.add_client("192.0.2.2:4000", ClientConfig { relay: RelayRequest::AnyPort(Families::Both), ..alice() });
    world.drive(client, |c, now| c.allocate(now)).unwrap();
    assert_eq!(world.await_event(client, |event| Some(event.clone())), refused(440));
}

#[test]
fn one_family_of_a_dual_allocation_can_be_given_back() {
    let mut world = World::new(Setup::default());
    let both = ClientConfig { relay: RelayRequest::AnyPort(Families::Both), ..alice() };
    let client = world.add_client(CLIENT, both);
    let v6 = world.allocate(client).relayed.v6.unwrap();
    world.drive(client, |c, now| c.release(now, AddressFamily::V4)).unwrap();
    world.await_event(client, |event| matches!(event, Event::FamilyReleased(AddressFamily::V4)).then_some(()));
    assert_eq!(world.sockets(), 1);
    assert!(world.worker_of(v6).is_some());
    world.drive(client, |c, now| c.release(now, AddressFamily::V6)).unwrap();
    world.await_event(client, |event| (*event == Event::Lost).then_some(()));
    world.assert_empty();
}

#[test]
fn even_port_is_even() {
    for seed in 0..20 {
        let mut world = World::new(Setup { seed, ..Setup::default() });
        let client = world.add_client(CLIENT, ClientConfig { relay: RelayRequest::EvenPort(None), ..alice() });
        assert_eq!(world.allocate(client).relayed.v4.unwrap().port() % 2, 0);
        assert_eq!(world.sockets(), 1, "no sibling is kept");
    }
}

#[test]
fn a_reserved_port_is_the_next_higher_one_and_can_be_had_with_the_token() {
    let mut world = World::new(Setup::default());
    let pair = ClientConfig { relay: RelayRequest::EvenPortAndReserveNext(None), ..alice() };
    let rtp = world.add_client(CLIENT, pair);
    let allocated = world.allocate(rtp);
    assert_eq!((world.usage().reservations, world.sockets()), (1, 2));
    let token = allocated.reservation.unwrap();
    let rtcp = world.add_client("192.0.2.1:4001", ClientConfig { relay: RelayRequest::Reserved(token), ..alice() });
    let second = world.allocate(rtcp).relayed.v4.unwrap();
    assert_eq!(second.port(), allocated.relayed.v4.unwrap().port() + 1);
    assert_eq!((world.usage().reservations, world.sockets()), (0, 2));
    world.close(rtp);
    world.close(rtcp);
    world.assert_empty();
}

#[test]
fn a_reservation_is_redeemed_on_another_worker() {
    let mut world = World::new(Setup { workers: 2, ..Setup::default() });
    let pair = ClientConfig { relay: RelayRequest::EvenPortAndReserveNext(None), ..alice() };
    let rtp = world.add_client("192.0.2.1:4000", pair);
    let allocated = world.allocate(rtp);
    let first = allocated.relayed.v4.unwrap();
    assert_eq!(world.worker_of(first), Some(0));
    let token = RelayRequest::Reserved(allocated.reservation.unwrap());
    let rtcp = world.add_client("192.0.2.1:4001", ClientConfig { relay: token, ..alice() });
    let second = world.allocate(rtcp).relayed.v4.unwrap();
    assert_eq!(second.port(), first.port() + 1);
    assert_eq!(world.worker_of(second), Some(1), "the socket moved");
    world.close(rtp);
    world.close(rtcp);
    world.assert_empty();
}

#[test]
fn a_reservation_runs_out_after_thirty_seconds() {
    let mut world = World::new(Setup { workers: 2, ..Setup::default() });
    let pair = ClientConfig { relay: RelayRequest::EvenPortAndReserveNext(None), ..alice() };
    let rtp = world.add_client(CLIENT, pair);
    let token = world.allocate(rtp).reservation.unwrap();
    world.run_for(secs(31));
    assert_eq!((world.usage().reservations, world.sockets()), (0, 1));
    for (n, at) in ["192.0.2.1:4001", "192.0.2.1:4002"].into_iter().enumerate() {
        let rtcp = world.add_client(at, ClientConfig { relay: RelayRequest::Reserved(token), ..alice() });
        world.drive(rtcp, |c, now| c.allocate(now)).unwrap();
        assert_eq!(world.await_event(rtcp, |event| Some(event.clone())), refused(508), "{n}");
    }
    world.close(rtp);
    world.assert_empty();
}

#[test]
fn a_token_is_worth_nothing_to_another_user_nor_is_an_invented_one() {
    for (at, worker) in [("192.0.2.1:4002", "same"), ("192.0.2.1:4001", "other")] {
        let mut world = World::new(Setup { workers: 2, ..Setup::default() });
        let pair = ClientConfig { relay: RelayRequest::EvenPortAndReserveNext(None), ..alice() };
        let rtp = world.add_client("192.0.2.1:4000", pair);
        let token = world.allocate(rtp).reservation.unwrap();
        let thief = world.add_client(at, ClientConfig { relay: RelayRequest::Reserved(token), ..bob() });
        world.drive(thief, |c, now| c.allocate(now)).unwrap();
        assert_eq!(world.await_event(thief, |event| Some(event.clone())), refused(508), "{worker} worker");
        assert_eq!(world.usage().reservations, 1, "it is still there for its owner");
    }
    let mut world = World::new(Setup { workers: 2, ..Setup::default() });
    for (n, token) in [[0; 8], [0, 1, 7, 7, 7, 7, 7, 7], [0xFF; 8]].into_iter().enumerate() {
        let at = format!("192.0.2.1:400{n}");
        let client = world.add_client(&at, ClientConfig { relay: RelayRequest::Reserved(token), ..alice() });
        world.drive(client, |c, now| c.allocate(now)).unwrap();
        assert_eq!(world.await_event(client, |event| Some(event.clone())), refused(508), "{token:?}");
    }
    world.run_for(secs(60));
    world.assert_empty();
}

#[test]
fn a_redeemer_that_gave_up_while_the_socket_was_in_the_mail_loses_nothing() {
    let mut world = World::new(Setup { workers: 2, ..Setup::default() });
    let pair = ClientConfig { relay: RelayRequest::EvenPortAndReserveNext(None), ..alice() };
    let rtp = world.add_client("192.0.2.1:4000", pair);
    let token = world.allocate(rtp).reservation.unwrap();
    world.mail_delay = secs(8);
    let rtcp = world.add_client("192.0.2.1:4001", ClientConfig { relay: RelayRequest::Reserved(token), ..alice() });
    world.drive(rtcp, |c, now| c.allocate(now)).unwrap();
    assert_eq!(world.await_event(rtcp, |event| Some(event.clone())), refused(508));
    world.run_for(secs(30));
    assert_eq!(world.sockets(), 1);
    world.close(rtp);
    world.assert_empty();
}

#[test]
fn a_quota_refuses_with_486_and_comes_back() {
    let limits = Limits { allocations_per_user: 2, ..Limits::default() };
    let mut world = World::new(Setup { limits, workers: 2, ..Setup::default() });
    let (first, _) = world.allocated("192.0.2.1:4000");
    let (_, _) = world.allocated("192.0.2.1:4001");
    let third = world.add_client("192.0.2.1:4002", alice());
    world.drive(third, |c, now| c.allocate(now)).unwrap();
    assert_eq!(world.await_event(third, |event| Some(event.clone())), refused(486));
    let other = world.add_client("192.0.2.1:4003", bob());
    world.allocate(other);
    world.close(first);
    world.allocate(third);
    assert!(world.reports.iter().any(|report| matches!(report, Report::LimitReached { .. })));
}

#[test]
fn quotas_come_back_however_an_allocation_ends() {
    let limits = Limits { allocations_per_user: 1, ..Limits::default() };
    let mut world = World::new(Setup { limits, ..Setup::default() });
    world.opening.failures.push_back(OpenError::Capacity);
    assert_eq!(outcome(&mut world, alice()), refused(508));
    assert!(world.policy.quotas.is_empty());
    let raw = world.add_raw("192.0.2.5:4000", 0);
    assert_eq!(world.raw_allocate(raw, |_| ()).code(), 200);
    world.run_for(secs(601));
    assert!(world.policy.quotas.is_empty());
}

#[test]
fn a_draining_server_refuses_new_allocations_and_keeps_old_ones() {
    let mut world = World::new(Setup::default());
    let (old, _) = world.allocated(CLIENT);
    world.policy.admission = Admission::Refused;
    world.policy_changed();
    let new = world.add_client("192.0.2.2:4000", alice());
    world.drive(new, |c, now| c.allocate(now)).unwrap();
    assert_eq!(world.await_event(new, |event| Some(event.clone())), refused(508));
    world.run_for(secs(3600));
    assert_eq!(world.events(old), []);
    assert_eq!(world.usage().allocations, 1);
}

#[test]
fn a_redirected_client_is_told_where_to_go() {
    let mut world = World::new(Setup::default());
    let elsewhere = addr("203.0.113.77:3478");
    world.policy.admission = Admission::Redirected(elsewhere);
    assert_eq!(outcome(&mut world, alice()), Event::Redirected(elsewhere));
    world.assert_empty();
}

#[test]
fn a_nonce_that_expires_during_a_call_is_not_noticed() {
    let mut world = World::new(Setup { nonce_lifetime: secs(60), ..Setup::default() });
    let (client, _) = world.allocated(CLIENT);
    world.bind(client, addr("198.51.100.9:1"));
    world.run_for(secs(3 * 3600));
    assert_eq!(world.events(client), []);
    assert_eq!(world.usage().allocations, 1);
}

#[test]
fn all_combinations_of_what_client_and_server_know_of_algorithms_work() {
    use PasswordAlgorithmKind::{Md5, Sha256};
    for offered in [&[][..], &[Md5], &[Sha256, Md5], &[Md5, Sha256]] {
        for hash in [HashPolicy::ServerOrder, HashPolicy::PreferSha256, HashPolicy::Rfc5389] {
            let mut world = World::new(Setup::default());
            world.policy.authenticate_with("r", &[("alice", "wonderland")], offered);
            let client = world.add_client(CLIENT, ClientConfig { hash, ..alice() });
            world.allocate(client);
            world.bind(client, addr("198.51.100.9:1"));
            world.close(client);
            world.assert_empty();
        }
    }
}

#[test]
fn a_server_without_md5_refuses_old_clients() {
    let mut world = World::new(Setup::default());
    world.policy.authenticate_with("r", &[("alice", "wonderland")], &[PasswordAlgorithmKind::Sha256]);
    let old = ClientConfig { hash: HashPolicy::Rfc5389, ..alice() };
    assert_eq!(outcome(&mut world, old), refused(401));
}

#[test]
fn a_wrong_password_is_a_401_and_leaves_nothing() {
    let mut world = World::new(Setup::default());
    world.policy.authenticate_with("r", &[("alice", "another")], &[PasswordAlgorithmKind::Md5]);
    assert_eq!(outcome(&mut world, alice()), refused(401));
    world.assert_empty();
}

#[test]
fn an_allocation_outlives_a_change_of_realm_and_users() {
    let mut world = World::new(Setup { nonce_lifetime: secs(300), ..Setup::default() });
    let (client, _) = world.allocated(CLIENT);
    let algorithms = [PasswordAlgorithmKind::Sha256, PasswordAlgorithmKind::Md5];
    world.policy.authenticate_with("another.realm", &[("carol", "x")], &algorithms);
    world.policy_changed();
    world.run_for(secs(3600));
    assert_eq!(world.events(client), []);
    world.bind(client, addr("198.51.100.9:1"));
    let new = world.add_client("192.0.2.2:4000", alice());
    world.drive(new, |c, now| c.allocate(now)).unwrap();
    assert_eq!(world.await_event(new, |event| Some(event.clone())), refused(401));
    world.close(client);
    world.assert_empty();
}

#[test]
fn strangers_leave_nothing_behind() {
    let mut world = World::new(Setup { limits: Limits::default(), ..Setup::default() });
    for n in 0..2_000_u16 {
        let from = std::net::SocketAddr::new(addr("192.0.2.1:1").ip(), 2000 + n);
        let mut request = [0; 28];
        request[..8].copy_from_slice(&[0, 3, 0, 8, 0x21, 0x12, 0xA4, 0x42]);
        request[8..10].copy_from_slice(&n.to_be_bytes());
        request[20..].copy_from_slice(&[0, 0x19, 0, 4, 17, 0, 0, 0]);
        world.send(from, addr("203.0.113.1:3478"), &request, false);
    }
    world.run_for(secs(1));
    world.assert_empty();
    assert_eq!(world.usage().timers, 0);
}

#[test]
fn unknown_required_attributes_are_named_in_a_420() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    let reply = world.raw_allocate(raw, |w| {
        w.attribute(AttributeType(0x7ABC), &[1, 2, 3]);
    });
    assert_eq!(reply.code(), 420);
    let named: Vec<_> = reply.message().unknown_attributes().unwrap().unwrap().collect();
    assert_eq!(named, [AttributeType(0x7ABC)]);
    world.assert_empty();
}

#[test]
fn combinations_that_the_rfc_forbids_are_a_400() {
    let forbidden: [fn(&mut stun_codec::MessageWriter<'_>); 5] = [
        |w| {
            w.reservation_token(&[1; 8]).even_port(false);
        },
        |w| {
            w.reservation_token(&[1; 8]).requested_address_family(AddressFamily::V4);
        },
        |w| {
            w.requested_address_family(AddressFamily::V4).additional_address_family(AddressFamily::V6);
        },
        |w| {
            w.additional_address_family(AddressFamily::V4);
        },
        |w| {
            w.even_port(true).additional_address_family(AddressFamily::V6);
        },
    ];
    for (n, fill) in forbidden.into_iter().enumerate() {
        let mut world = World::new(Setup::default());
        let raw = world.add_raw(CLIENT, 0);
        assert_eq!(world.raw_allocate(raw, fill).code(), 400, "case {n}");
        world.assert_empty();
    }
}

#[test]
fn a_transport_that_is_not_relayed_is_a_442_and_none_is_a_400() {
    let mut world = World::new(Setup::default());
    let raw = world.add_raw(CLIENT, 0);
    assert_eq!(world.ask(raw, Method::Allocate, |_| ()).code(), 400);
    let other = world.ask(raw, Method::Allocate, |w| {
        w.requested_transport(33);
    });
    assert_eq!(other.code(), 442);
}
