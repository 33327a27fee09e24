//! Refreshes, expiries, permissions and channels over time.

use super::*;
use stun_codec::Method;

fn method(request: &[u8]) -> Method {
    Message::parse(request).unwrap().method()
}

#[test]
fn an_allocation_is_refreshed_a_minute_before_it_expires() {
    let mut rig = Rig::allocated(config());
    assert_eq!(rig.client.poll_timeout(), Some(at(540)));
    rig.go_to(at(540));
    let request = rig.sent();
    assert_eq!(method(&request), Method::Refresh);
    rig.receive(&answer(&request, Class::Success, |w| {
        w.lifetime(600);
        sign(w);
    }));
    assert_eq!(rig.event(), None, "nobody asked");
    assert_eq!(rig.client.poll_timeout(), Some(at(540 + 540)));
}

#[test]
fn a_short_lifetime_is_refreshed_at_half() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    rig.receive(&answer(&request, Class::Success, |w| {
        w.xor_relayed_address(addr(RELAYED)).xor_mapped_address(addr(MAPPED)).lifetime(30);
    }));
    assert_eq!(rig.client.poll_timeout(), Some(at(15)));
}

#[test]
fn a_refresh_that_nobody_answers_is_tried_again_and_then_the_allocation_is_lost() {
    let mut rig = Rig::allocated(config());
    let sent = rig.run_to(at(700));
    assert!(sent.len() > 7, "more than one round: {sent:?}");
    let failure = Failure::Timeout;
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Refresh, failure }));
    assert_eq!(rig.event(), Some(Event::Lost));
    assert_eq!(rig.client.allocation(), None);
    assert_eq!(rig.client.poll_timeout(), None);
    assert_eq!(sent.last().filter(|last| **last > at(600)), None);
    assert!(rig.client.allocate(rig.now).is_ok());
}

#[test]
fn a_437_means_that_the_allocation_is_lost() {
    let mut rig = Rig::allocated(config());
    rig.permit(ip("192.0.2.1"));
    rig.client.bind_channel(rig.now, addr("192.0.2.1:5")).unwrap();
    let request = rig.sent();
    rig.receive(&refusal(&request, 437));
    assert!(matches!(rig.event(), Some(Event::Refused { .. })));
    assert_eq!(rig.event(), Some(Event::Lost));
    assert_eq!(rig.client.header(addr("192.0.2.1:5"), 1), Err(SendError::NotAllocated));
}

#[test]
fn a_refresh_on_demand_is_told() {
    let mut rig = Rig::allocated(config());
    rig.client.refresh(rig.now, secs(3600)).unwrap();
    let request = rig.sent();
    assert_eq!(Message::parse(&request).unwrap().lifetime(), Ok(Some(3600)));
    rig.receive(&answer(&request, Class::Success, |w| {
        w.lifetime(1800);
        sign(w);
    }));
    assert_eq!(rig.event(), Some(Event::Refreshed(secs(1800))));
    assert_eq!(rig.client.poll_timeout(), Some(at(1740)));
}

#[test]
fn lifetimes_count_from_the_request_not_from_its_late_answer() {
    let mut rig = Rig::allocated(config());
    rig.client.refresh(rig.now, secs(600)).unwrap();
    let request = rig.sent();
    rig.now = at(10);
    rig.receive(&answer(&request, Class::Success, |w| {
        w.lifetime(600);
        sign(w);
    }));
    assert_eq!(rig.client.poll_timeout(), Some(at(540)));
}

#[test]
fn a_permission_is_asked_for_again_after_four_minutes() {
    let mut rig = Rig::allocated(config());
    rig.permit(ip("192.0.2.1"));
    assert_eq!(rig.client.poll_timeout(), Some(at(240)));
    rig.go_to(at(240));
    let request = rig.sent();
    assert_eq!(method(&request), Method::CreatePermission);
    rig.receive(&success(&request));
    assert_eq!(rig.event(), None);
    assert_eq!(rig.client.poll_timeout(), Some(at(480)));
}

#[test]
fn a_permission_that_is_refused_is_gone() {
    let mut rig = Rig::allocated(config());
    rig.permit(ip("192.0.2.1"));
    rig.go_to(at(240));
    let request = rig.sent();
    rig.receive(&refusal(&request, 403));
    let what = Request::Permission(ip("192.0.2.1"));
    assert_eq!(rig.event(), Some(Event::Refused { what, failure: Failure::Code(403) }));
    assert_eq!(rig.client.header(addr("192.0.2.1:9"), 1), Err(SendError::NoPermission));
}

#[test]
fn a_dropped_permission_runs_out() {
    let mut rig = Rig::allocated(config());
    rig.permit(ip("192.0.2.1"));
    rig.client.drop_permission(ip("192.0.2.1"));
    assert_eq!(rig.run_to(at(299)), []);
    assert!(rig.client.header(addr("192.0.2.1:9"), 1).is_ok());
    rig.run_to(at(300));
    assert_eq!(rig.client.header(addr("192.0.2.1:9"), 1), Err(SendError::NoPermission));
}

#[test]
fn channel_numbers_count_up_and_a_peer_keeps_its_own() {
    let mut rig = Rig::allocated(config());
    assert_eq!(rig.bind(addr("192.0.2.1:1")).get(), 0x4000);
    assert_eq!(rig.bind(addr("192.0.2.1:2")).get(), 0x4001);
    assert_eq!(rig.bind(addr("192.0.2.1:1")).get(), 0x4000);
}

#[test]
fn a_channel_is_bound_again_after_nine_minutes_and_keeps_the_permission() {
    let mut rig = Rig::allocated(config());
    rig.bind(addr("192.0.2.1:1"));
    rig.go_to(at(240));
    let request = rig.sent();
    assert_eq!(method(&request), Method::CreatePermission);
    rig.receive(&success(&request));
    rig.go_to(at(480));
    let request = rig.sent();
    rig.receive(&success(&request));
    rig.go_to(at(540));
    let methods: Vec<_> = core::iter::from_fn(|| rig.client.poll_transmit().map(|t| method(t.bytes))).collect();
    assert!(methods.contains(&Method::ChannelBind), "{methods:?}");
}

#[test]
fn a_dropped_channel_runs_out_and_its_pair_cools_down() {
    let mut rig = Rig::allocated(ClientConfig { lifetime: Some(secs(3600)), ..config() });
    rig.client.refresh(rig.now, secs(3600)).unwrap();
    let request = rig.sent();
    rig.receive(&answer(&request, Class::Success, |w| {
        w.lifetime(3600);
        sign(w);
    }));
    rig.event();
    let peer = addr("192.0.2.1:1");
    assert_eq!(rig.bind(peer).get(), 0x4000);
    rig.client.drop_channel(peer);
    rig.client.drop_permission(peer.ip());
    rig.run_to(at(599));
    assert!(rig.client.channel(peer).is_some());
    rig.run_to(at(600));
    assert_eq!(rig.client.channel(peer), None);
    // Within five minutes the server would refuse another number for this peer.
    assert_eq!(rig.client.bind_channel(rig.now, peer).unwrap().get(), 0x4000);
    let request = rig.sent();
    rig.receive(&success(&request));
    rig.event();
    rig.client.drop_channel(peer);
    rig.client.drop_permission(peer.ip());
    rig.run_to(at(600 + 900));
    assert_eq!(rig.client.bind_channel(rig.now, peer).unwrap().get(), 0x4001, "afterwards it is like new");
}

#[test]
fn a_refused_channel_is_forgotten_an_unanswered_one_keeps_its_number() {
    let mut rig = Rig::allocated(config());
    let peer = addr("192.0.2.1:1");
    let number = rig.client.bind_channel(rig.now, peer).unwrap();
    let request = rig.sent();
    rig.receive(&refusal(&request, 403));
    let what = Request::Channel { number, peer };
    assert_eq!(rig.event(), Some(Event::Refused { what, failure: Failure::Code(403) }));
    assert_eq!(rig.client.bind_channel(rig.now, peer).unwrap().get(), 0x4001);
    rig.run_to(at(60));
    assert_eq!(rig.client.channel(peer), None);
    assert_eq!(rig.client.bind_channel(rig.now, peer).unwrap().get(), 0x4001);
}

#[test]
fn when_all_channel_numbers_are_taken_the_next_one_is_refused() {
    let mut rig = Rig::allocated(config());
    for n in 0..4096_u16 {
        let number = rig.bind(SocketAddr::new(ip("192.0.2.1"), n + 1));
        assert_eq!(number.get(), 0x4000 + n);
    }
    let next = rig.client.bind_channel(rig.now, addr("192.0.2.2:1"));
    assert_eq!(next, Err(RequestError::NoChannelLeft));
}

#[test]
fn keeping_alive_waits_for_room_when_too_much_is_outstanding() {
    let mut rig = Rig::allocated(config());
    for n in 1..=60 {
        rig.permit(IpAddr::from([192, 0, 2, n]));
        rig.permit(IpAddr::from([198, 51, 100, n]));
    }
    rig.now = at(240);
    rig.client.handle_timeout(rig.now);
    let mut renewed = 0;
    while rig.now < at(300) {
        while let Some(request) = rig.client.poll_transmit().map(|t| t.bytes.to_vec()) {
            rig.receive(&success(&request));
            renewed += 1;
        }
        let due = rig.client.poll_timeout().unwrap();
        rig.now = due;
        rig.client.handle_timeout(due);
    }
    assert_eq!(renewed, 120);
    assert_eq!(rig.event(), None);
}

#[test]
fn a_permission_whose_renewal_nobody_answers_is_asked_for_as_long_as_it_lives() {
    let mut rig = Rig::allocated(config());
    rig.permit(ip("192.0.2.1"));
    let sent = rig.run_to(at(299));
    assert!(sent.len() > 7, "more than one round: {sent:?}");
    assert_eq!(rig.event(), None);
    rig.run_to(at(330));
    let what = Request::Permission(ip("192.0.2.1"));
    assert_eq!(rig.event(), Some(Event::Refused { what, failure: Failure::Timeout }));
    assert_eq!(rig.client.header(addr("192.0.2.1:9"), 1), Err(SendError::NoPermission));
}

#[test]
fn a_channel_whose_renewal_nobody_answers_is_asked_for_as_long_as_it_lives() {
    let mut rig = Rig::allocated(ClientConfig { lifetime: Some(secs(3600)), ..config() });
    rig.client.refresh(rig.now, secs(3600)).unwrap();
    let request = rig.sent();
    rig.receive(&answer(&request, Class::Success, |w| {
        w.lifetime(3600);
        sign(w);
    }));
    rig.event();
    let peer = addr("192.0.2.1:1");
    let number = rig.bind(peer);
    rig.client.drop_permission(peer.ip());
    rig.run_to(at(599));
    assert_eq!(rig.event(), None);
    assert_eq!(rig.client.channel(peer), Some(number));
    rig.run_to(at(650));
    assert_eq!(rig.client.channel(peer), None);
    let what = Request::Channel { number, peer };
    assert_eq!(rig.event(), Some(Event::Refused { what, failure: Failure::Timeout }));
}
