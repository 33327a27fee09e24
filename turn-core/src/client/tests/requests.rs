//! What requests carry, how often they are sent, and what their answers mean.

use super::*;
use stun_codec::Method;

#[test]
fn requests_are_sent_again_as_rfc_8489_6_2_1_says() {
    let (mut rig, _) = Rig::allocating(config());
    let sent = rig.run_to(at(100));
    let expected = [500, 1_500, 3_500, 7_500, 15_500, 31_500];
    assert_eq!(sent, expected.map(|ms| Instant::ZERO + Duration::from_millis(ms)));
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure: Failure::Timeout }));
}

#[test]
fn the_last_transmission_waits_sixteen_rtos() {
    let (mut rig, _) = Rig::allocating(config());
    rig.run_to(Instant::ZERO + Duration::from_millis(39_499));
    assert_eq!(rig.event(), None);
    rig.run_to(Instant::ZERO + Duration::from_millis(39_500));
    assert!(rig.event().is_some());
    assert_eq!(rig.client.poll_timeout(), None);
}

#[test]
fn on_a_stream_a_request_is_written_once() {
    let (mut rig, _) = Rig::allocating(ClientConfig { transport: Transport::Stream, ..config() });
    assert_eq!(rig.client.poll_timeout(), Some(Instant::ZERO + STREAM_TIMEOUT));
    assert_eq!(rig.run_to(at(39)), []);
    assert_eq!(rig.event(), None);
    assert_eq!(rig.run_to(at(40)), []);
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure: Failure::Timeout }));
}

#[test]
fn a_retransmission_is_the_same_bytes() {
    let (mut rig, first) = Rig::allocating(config());
    rig.go_to(Instant::ZERO + INITIAL_RTO);
    assert_eq!(rig.sent(), first);
}

#[test]
fn a_late_timer_does_not_send_a_burst() {
    let (mut rig, _) = Rig::allocating(config());
    rig.now = at(20);
    rig.client.handle_timeout(rig.now);
    rig.sent();
    assert!(rig.client.poll_timeout() > Some(rig.now));
}

#[test]
fn each_kind_of_relay_request_has_its_attributes() {
    use AttributeType as T;
    let v6 = Some(AddressFamily::V6);
    let cases: [(RelayRequest, &[T]); 6] = [
        (RelayRequest::default(), &[]),
        (RelayRequest::AnyPort(Families::One(AddressFamily::V6)), &[T::REQUESTED_ADDRESS_FAMILY]),
        (RelayRequest::AnyPort(Families::Both), &[T::ADDITIONAL_ADDRESS_FAMILY]),
        (RelayRequest::EvenPort(None), &[T::EVEN_PORT]),
        (RelayRequest::EvenPortAndReserveNext(v6), &[T::EVEN_PORT, T::REQUESTED_ADDRESS_FAMILY]),
        (RelayRequest::Reserved([7; 8]), &[T::RESERVATION_TOKEN]),
    ];
    for (relay, expected) in cases {
        let (_, request) = Rig::allocating(ClientConfig { relay, ..config() });
        let message = Message::parse(&request).unwrap();
        let found: Vec<_> = message.attributes().map(|a| a.typ).skip(1).collect();
        assert_eq!(found, expected, "{relay:?}");
    }
    let even = RelayRequest::EvenPortAndReserveNext(None);
    let (_, request) = Rig::allocating(ClientConfig { relay: even, ..config() });
    assert_eq!(Message::parse(&request).unwrap().even_port(), Ok(Some(true)));
}

#[test]
fn lifetime_dont_fragment_and_fingerprint_are_asked_for_when_configured() {
    let options = ClientConfig { lifetime: Some(secs(1800)), dont_fragment: true, fingerprint: true, ..config() };
    let (_, request) = Rig::allocating(options);
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.lifetime(), Ok(Some(1800)));
    assert!(message.dont_fragment());
    assert_eq!(message.fingerprint(), stun_codec::Fingerprint::Valid);
}

#[test]
fn the_allocation_is_told_as_granted() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    rig.receive(&answer(&request, Class::Success, |w| {
        w.xor_relayed_address(addr("[2001:db8::1]:4001")).xor_relayed_address(addr(RELAYED));
        w.xor_mapped_address(addr(MAPPED)).lifetime(777).reservation_token(&[9; 8]);
    }));
    let granted = Allocated {
        relayed: Relayed { v4: Some(addr(RELAYED)), v6: Some(addr("[2001:db8::1]:4001")) },
        mapped: addr(MAPPED),
        lifetime: secs(777),
        reservation: Some([9; 8]),
        refused: None,
    };
    assert_eq!(rig.event(), Some(Event::Allocated(granted)));
    assert_eq!(rig.client.allocation(), Some(&granted));
}

#[test]
fn a_family_that_a_dual_allocation_lacks_is_told() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    rig.receive(&answer(&request, Class::Success, |w| {
        allocated(w);
        w.address_error_code(AddressFamily::V6, 440);
    }));
    assert_eq!(rig.client.allocation().unwrap().refused, Some((AddressFamily::V6, 440)));
}

#[test]
fn an_allocate_success_without_what_it_must_have_is_a_failure() {
    let lacking: [fn(&mut MessageWriter<'_>); 4] = [
        |w| {
            w.xor_mapped_address(addr(MAPPED)).lifetime(600);
        },
        |w| {
            w.xor_relayed_address(addr(RELAYED)).lifetime(600);
        },
        |w| {
            w.xor_relayed_address(addr(RELAYED)).xor_mapped_address(addr(MAPPED));
        },
        |w| {
            allocated(w);
            w.attribute(AttributeType(0x7FFF), &[]);
        },
    ];
    for fill in lacking {
        let (mut rig, request) = Rig::allocating(ClientConfig::default());
        rig.receive(&answer(&request, Class::Success, fill));
        assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure: Failure::Malformed }));
    }
}

#[test]
fn a_refusal_names_the_code_and_leaves_the_client_idle() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    rig.receive(&answer(&request, Class::Error, |w| {
        w.error_code(508, "");
    }));
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure: Failure::Code(508) }));
    assert_eq!(rig.client.poll_timeout(), None);
    assert_eq!(rig.client.outstanding(), 0);
    assert!(rig.client.allocate(rig.now).is_ok());
}

#[test]
fn only_one_allocation_at_a_time() {
    let (mut rig, _) = Rig::allocating(config());
    assert_eq!(rig.client.allocate(rig.now), Err(RequestError::NotIdle));
    let mut rig = Rig::allocated(config());
    assert_eq!(rig.client.allocate(rig.now), Err(RequestError::NotIdle));
}

#[test]
fn what_needs_an_allocation_says_so() {
    let mut rig = Rig::new(config());
    let none = RequestError::NotAllocated;
    assert_eq!(rig.client.refresh(rig.now, secs(600)), Err(none));
    assert_eq!(rig.client.create_permission(rig.now, &[ip("192.0.2.1")]), Err(none));
    assert_eq!(rig.client.bind_channel(rig.now, addr("192.0.2.1:1")), Err(none));
    assert_eq!(rig.client.header(addr("192.0.2.1:1"), 1), Err(SendError::NotAllocated));
}

#[test]
fn outstanding_requests_are_bounded_and_leave_room_for_the_refresh() {
    let mut rig = Rig::allocated(config());
    let mut made = 0;
    while rig.client.create_permission(rig.now, &[ip("192.0.2.1")]).is_ok() {
        made += 1;
    }
    assert!(made < MAX_OUTSTANDING, "{made}");
    let refused = rig.client.bind_channel(rig.now, addr("192.0.2.1:1"));
    assert_eq!(refused, Err(RequestError::TooManyOutstanding));
    assert_eq!(rig.client.outstanding(), made);
    rig.client.close(rig.now);
    let close = rig.sent();
    assert_eq!(Message::parse(&close).unwrap().lifetime(), Ok(Some(0)), "closing drops what is outstanding");
}

#[test]
fn several_requests_may_be_outstanding_and_answered_in_any_order() {
    let mut rig = Rig::allocated(config());
    rig.client.create_permission(rig.now, &[ip("192.0.2.1")]).unwrap();
    let first = rig.sent();
    rig.client.create_permission(rig.now, &[ip("192.0.2.2")]).unwrap();
    let second = rig.sent();
    rig.receive(&success(&second));
    rig.receive(&refusal(&first, 403));
    assert_eq!(rig.event(), Some(Event::PermissionGranted(ip("192.0.2.2"))));
    let what = Request::Permission(ip("192.0.2.1"));
    assert_eq!(rig.event(), Some(Event::Refused { what, failure: Failure::Code(403) }));
}

#[test]
fn many_peers_go_in_requests_of_sixteen() {
    let mut rig = Rig::allocated(config());
    let hosts: Vec<IpAddr> = (1..=20).map(|n| IpAddr::from([192, 0, 2, n])).collect();
    rig.client.create_permission(rig.now, &hosts).unwrap();
    let counts: Vec<_> = core::iter::from_fn(|| {
        rig.client.poll_transmit().map(|t| Message::parse(t.bytes).unwrap().xor_peer_addresses().count())
    })
    .collect();
    assert_eq!(counts, [16, 4]);
}

#[test]
fn a_duplicate_answer_changes_nothing() {
    let mut rig = Rig::allocated(config());
    rig.client.create_permission(rig.now, &[ip("192.0.2.1")]).unwrap();
    let request = rig.sent();
    rig.receive(&success(&request));
    rig.receive(&refusal(&request, 403));
    assert_eq!(rig.event(), Some(Event::PermissionGranted(ip("192.0.2.1"))));
    assert_eq!(rig.event(), None);
}

#[test]
fn an_answer_of_another_method_is_none() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    let id = Message::parse(&request).unwrap().transaction_id();
    let mut buf = [0; 100];
    let mut writer = MessageWriter::new(&mut buf, Class::Success, Method::Refresh, id);
    allocated(&mut writer);
    let len = writer.finish().unwrap();
    rig.receive(&buf[..len]);
    assert_eq!(rig.event(), None);
}

#[test]
fn no_prefix_of_an_answer_does_anything() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    let whole = answer(&request, Class::Success, allocated);
    for len in 0..whole.len() {
        rig.receive(&whole[..len]);
    }
    assert_eq!(rig.event(), None);
    rig.receive(&whole);
    assert!(rig.event().is_some());
}

#[test]
fn closing_refreshes_with_zero_and_is_told_when_through() {
    let mut rig = Rig::allocated(config());
    rig.permit(ip("192.0.2.1"));
    rig.client.close(rig.now);
    rig.client.close(rig.now);
    let request = rig.sent();
    let message = Message::parse(&request).unwrap();
    assert_eq!((message.method(), message.lifetime()), (Method::Refresh, Ok(Some(0))));
    assert_eq!(rig.client.header(addr("192.0.2.1:1"), 1), Err(SendError::NotAllocated));
    assert_eq!(rig.client.allocate(rig.now), Err(RequestError::NotIdle));
    rig.receive(&success(&request));
    assert_eq!(rig.event(), Some(Event::Closed));
    assert_eq!(rig.client.poll_timeout(), None);
    assert!(rig.client.allocate(rig.now).is_ok());
}

#[test]
fn closing_is_through_even_when_nobody_answers_or_knows() {
    let mut rig = Rig::allocated(config());
    rig.client.close(rig.now);
    rig.run_to(at(60));
    assert_eq!(rig.event(), Some(Event::Closed));
    let mut rig = Rig::allocated(config());
    rig.client.close(rig.now);
    let request = rig.sent();
    rig.receive(&refusal(&request, 437));
    assert_eq!(rig.event(), Some(Event::Closed));
    assert_eq!(rig.event(), None);
}

#[test]
fn a_close_during_the_allocate_waits_for_its_answer() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    rig.client.close(rig.now);
    assert_eq!(rig.event(), None);
    rig.receive(&answer(&request, Class::Success, allocated));
    let request = rig.sent();
    assert_eq!(Message::parse(&request).unwrap().lifetime(), Ok(Some(0)));
    rig.receive(&answer(&request, Class::Success, |_| {}));
    assert_eq!(rig.event(), Some(Event::Closed));
    let (mut rig, _) = Rig::allocating(config());
    rig.client.close(rig.now);
    rig.run_to(at(60));
    assert_eq!(rig.event(), Some(Event::Closed));
}

#[test]
fn a_closed_client_that_never_allocated_is_closed_at_once() {
    let mut rig = Rig::new(config());
    rig.client.close(rig.now);
    assert_eq!(rig.event(), Some(Event::Closed));
}

#[test]
fn one_family_of_a_dual_allocation_can_be_given_back() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    rig.receive(&answer(&request, Class::Success, |w| {
        allocated(w);
        w.xor_relayed_address(addr("[2001:db8::1]:4001"));
    }));
    rig.event();
    rig.client.release(rig.now, AddressFamily::V4).unwrap();
    let request = rig.sent();
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.requested_address_family(), Ok(Some(AddressFamily::V4)));
    assert_eq!(message.lifetime(), Ok(Some(0)));
    rig.receive(&answer(&request, Class::Success, |_| {}));
    assert_eq!(rig.event(), Some(Event::FamilyReleased(AddressFamily::V4)));
    assert_eq!(rig.client.allocation().unwrap().relayed.v4, None);
}
