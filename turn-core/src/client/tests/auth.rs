//! Challenges, nonces, integrity, algorithms.

use super::*;
use stun_codec::Method;

#[test]
fn the_first_allocate_carries_no_credentials() {
    let (_, request) = Rig::allocating(config());
    let message = Message::parse(&request).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::Allocate));
    assert_eq!(message.requested_transport(), Ok(Some(17)));
    assert_eq!(message.attributes().count(), 1);
}

#[test]
fn a_401_is_answered_with_credentials_and_a_new_transaction() {
    let (mut rig, first) = Rig::allocating(config());
    rig.receive(&challenge(&first, 401, "nonce-1"));
    let second = rig.sent();
    let (first, second) = (Message::parse(&first).unwrap(), Message::parse(&second).unwrap());
    assert_ne!(first.transaction_id(), second.transaction_id());
    assert_eq!(second.username(), Ok(Some("alice")));
    assert_eq!(second.realm(), Ok(Some(REALM)));
    assert_eq!(second.nonce(), Ok(Some("nonce-1")));
    assert_eq!(credential(PasswordAlgorithmKind::Md5).verify(&second), Ok(IntegrityAlgorithm::Sha1));
    assert!(!second.has(AttributeType::PASSWORD_ALGORITHM));
}

#[test]
fn a_second_401_to_the_same_credentials_is_final() {
    let (mut rig, request) = Rig::allocating(config());
    rig.receive(&challenge(&request, 401, "nonce-1"));
    let request = rig.sent();
    rig.receive(&challenge(&request, 401, "nonce-2"));
    let failure = Failure::Code(401);
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure }));
    assert!(rig.is_silent());
    assert_eq!(rig.client.poll_timeout(), None);
    assert_eq!(rig.client.allocate(rig.now), Ok(()), "it may be tried again");
}

#[test]
fn a_401_without_credentials_to_give_is_final() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    rig.receive(&challenge(&request, 401, "nonce-1"));
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure: Failure::Code(401) }));
}

#[test]
fn another_realm_is_tried_with_the_key_of_that_realm() {
    let (mut rig, request) = Rig::allocating(config());
    rig.receive(&challenge(&request, 401, "nonce-1"));
    let request = rig.sent();
    rig.receive(&answer(&request, Class::Error, |w| {
        w.error_code(401, "").realm("other").nonce("nonce-2");
    }));
    let request = rig.sent();
    let other = Credential::long_term("alice", "other", "secret", PasswordAlgorithmKind::Md5);
    assert!(other.verify(&Message::parse(&request).unwrap()).is_ok());
}

#[test]
fn a_server_that_asks_for_no_credentials_is_taken_at_its_word() {
    let (mut rig, request) = Rig::allocating(ClientConfig::default());
    rig.receive(&answer(&request, Class::Success, allocated));
    assert!(matches!(rig.event(), Some(Event::Allocated(_))));
}

#[test]
fn a_stale_nonce_is_transparent() {
    let mut rig = Rig::allocated(config());
    rig.client.create_permission(rig.now, &[ip("192.0.2.1")]).unwrap();
    let request = rig.sent();
    rig.receive(&challenge(&request, 438, "nonce-2"));
    let request = rig.sent();
    assert_eq!(Message::parse(&request).unwrap().nonce(), Ok(Some("nonce-2")));
    rig.receive(&success(&request));
    assert_eq!(rig.event(), Some(Event::PermissionGranted(ip("192.0.2.1"))));
    rig.client.bind_channel(rig.now, addr("192.0.2.1:5")).unwrap();
    assert_eq!(Message::parse(&rig.sent()).unwrap().nonce(), Ok(Some("nonce-2")), "and is kept");
}

#[test]
fn a_438_without_realm_keeps_the_realm() {
    let mut rig = Rig::allocated(config());
    rig.client.create_permission(rig.now, &[ip("192.0.2.1")]).unwrap();
    let request = rig.sent();
    rig.receive(&answer(&request, Class::Error, |w| {
        w.error_code(438, "").nonce("nonce-2");
    }));
    assert_eq!(Message::parse(&rig.sent()).unwrap().realm(), Ok(Some(REALM)));
}

#[test]
fn a_server_that_finds_every_nonce_stale_is_given_up() {
    let (mut rig, mut request) = Rig::allocating(config());
    rig.receive(&challenge(&request, 401, "nonce"));
    let mut asked = 0;
    while let Some(next) = rig.client.poll_transmit() {
        request = next.bytes.to_vec();
        rig.receive(&challenge(&request, 438, "nonce"));
        asked += 1;
    }
    assert_eq!(asked, 5);
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure: Failure::Code(438) }));
}

#[test]
fn an_answer_with_wrong_integrity_is_as_if_it_had_never_come() {
    let (mut rig, request) = Rig::allocating(config());
    rig.receive(&challenge(&request, 401, "nonce-1"));
    let request = rig.sent();
    let mallory = Credential::long_term("alice", REALM, "guess", PasswordAlgorithmKind::Md5);
    rig.receive(&answer(&request, Class::Success, |w| {
        allocated(w);
        mallory.sign(w, IntegrityAlgorithm::Sha1);
    }));
    rig.receive(&answer(&request, Class::Success, allocated));
    rig.receive(&answer(&request, Class::Error, |w| {
        w.error_code(400, "");
    }));
    assert_eq!(rig.event(), None);
    rig.receive(&answer(&request, Class::Success, |w| {
        allocated(w);
        sign(w);
    }));
    assert!(matches!(rig.event(), Some(Event::Allocated(_))));
}

#[test]
fn a_request_whose_answers_were_all_forged_says_so_in_the_end() {
    let (mut rig, request) = Rig::allocating(config());
    rig.receive(&challenge(&request, 401, "nonce-1"));
    let request = rig.sent();
    rig.receive(&answer(&request, Class::Success, allocated));
    rig.run_to(at(60));
    let failure = Failure::IntegrityViolated;
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure }));
}

#[test]
fn on_a_stream_a_forged_answer_ends_the_request_at_once() {
    let (mut rig, request) = Rig::allocating(ClientConfig { transport: Transport::Stream, ..config() });
    rig.receive(&challenge(&request, 401, "nonce-1"));
    let request = rig.sent();
    rig.receive(&answer(&request, Class::Success, allocated));
    let failure = Failure::IntegrityViolated;
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure }));
}

fn offered(config: ClientConfig, algorithms: &[PasswordAlgorithm<'_>]) -> (Rig, Vec<u8>) {
    let (mut rig, request) = Rig::allocating(config);
    rig.receive(&answer(&request, Class::Error, |w| offers(w, algorithms)));
    let request = rig.client.poll_transmit().map(|t| t.bytes.to_vec()).unwrap_or_default();
    (rig, request)
}

#[test]
fn the_first_known_algorithm_of_the_servers_list_is_taken() {
    let unknown = PasswordAlgorithm { id: 77, params: &[] };
    for (list, expected) in [
        ([unknown, PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5], PasswordAlgorithmKind::Sha256),
        ([PasswordAlgorithm::MD5, PasswordAlgorithm::SHA256, unknown], PasswordAlgorithmKind::Md5),
    ] {
        let (_, request) = offered(config(), &list);
        let message = Message::parse(&request).unwrap();
        assert_eq!(message.password_algorithm().unwrap().unwrap().id, expected.id());
        assert_eq!(message.password_algorithms().unwrap().unwrap().count(), 3, "the list is repeated as it came");
        // RFC 8489 §9.2.5: SHA-256 only, whatever the password algorithm.
        assert_eq!(credential(expected).verify(&message), Ok(IntegrityAlgorithm::Sha256));
        assert!(!message.has(AttributeType::MESSAGE_INTEGRITY));
    }
}

#[test]
fn sha_256_can_be_preferred() {
    let prefer = ClientConfig { hash: HashPolicy::PreferSha256, ..config() };
    let (_, request) = offered(prefer, &[PasswordAlgorithm::MD5, PasswordAlgorithm::SHA256]);
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.password_algorithm().unwrap().unwrap().id, PasswordAlgorithmKind::Sha256.id());
    assert!(credential(PasswordAlgorithmKind::Sha256).verify(&message).is_ok());
}

#[test]
fn a_client_of_rfc_5389_overlooks_what_it_does_not_know() {
    let old = ClientConfig { hash: HashPolicy::Rfc5389, ..config() };
    let (_, request) = offered(old, &[PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5]);
    let message = Message::parse(&request).unwrap();
    assert!(!message.has(AttributeType::PASSWORD_ALGORITHM));
    assert_eq!(credential(PasswordAlgorithmKind::Md5).verify(&message), Ok(IntegrityAlgorithm::Sha1));
}

#[test]
fn without_a_common_algorithm_the_request_fails() {
    let (mut rig, request) = offered(config(), &[PasswordAlgorithm { id: 77, params: &[] }]);
    assert!(request.is_empty());
    let failure = Failure::NoCommonAlgorithm;
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure }));
}

#[test]
fn a_challenge_whose_algorithms_were_removed_is_not_answered() {
    let (mut rig, request) = Rig::allocating(config());
    rig.receive(&challenge(&request, 401, COOKIE));
    assert!(rig.is_silent());
    assert_eq!(rig.event(), Some(Event::Refused { what: Request::Allocate, failure: Failure::BidDown }));
}

#[test]
fn an_answer_by_sha_1_to_a_request_by_sha_256_is_ignored() {
    let (mut rig, request) = offered(config(), &[PasswordAlgorithm::MD5]);
    rig.receive(&answer(&request, Class::Success, |w| {
        allocated(w);
        sign(w);
    }));
    assert_eq!(rig.event(), None);
    rig.receive(&answer(&request, Class::Success, |w| {
        allocated(w);
        credential(PasswordAlgorithmKind::Md5).sign(w, IntegrityAlgorithm::Sha256);
    }));
    assert!(matches!(rig.event(), Some(Event::Allocated(_))));
}

#[test]
fn a_server_that_wants_anonymity_gets_the_hash_of_the_name() {
    let (mut rig, request) = Rig::allocating(config());
    // Bit 1 of the security features.
    rig.receive(&challenge(&request, 401, "obMatJos2QAAArest"));
    let request = rig.sent();
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.userhash(), Ok(Some(turn_auth::userhash("alice", REALM))));
    assert!(!message.has(AttributeType::USERNAME));
}

#[test]
fn a_redirection_keeps_realm_and_nonce() {
    let (mut rig, request) = Rig::allocating(config());
    rig.receive(&answer(&request, Class::Error, |w| {
        w.error_code(300, "").alternate_server(addr("192.0.2.99:3478")).realm(REALM).nonce("nonce-1");
    }));
    assert_eq!(rig.event(), Some(Event::Redirected(addr("192.0.2.99:3478"))));
    rig.client.allocate(rig.now).expect("idle again");
    let request = rig.sent();
    assert!(credential(PasswordAlgorithmKind::Md5).verify(&Message::parse(&request).unwrap()).is_ok());
}

#[test]
fn a_redirection_to_where_one_led_before_is_a_refusal() {
    let redirect = |rig: &mut Rig| {
        rig.client.allocate(rig.now).expect("idle");
        let request = rig.sent();
        rig.receive(&answer(&request, Class::Error, |w| {
            w.error_code(300, "").alternate_server(addr("192.0.2.99:3478"));
        }));
        rig.event()
    };
    let mut rig = Rig::new(config());
    let to = Some(Event::Redirected(addr("192.0.2.99:3478")));
    assert_eq!(redirect(&mut rig), to);
    assert_eq!(redirect(&mut rig), Some(Event::Refused { what: Request::Allocate, failure: Failure::Code(300) }));
    rig.now = at(300);
    assert_eq!(redirect(&mut rig), to, "five minutes later it may be right");
}

#[test]
fn an_unsigned_redirection_of_a_signed_request_is_ignored() {
    let (mut rig, request) = Rig::allocating(config());
    rig.receive(&challenge(&request, 401, "nonce-1"));
    let request = rig.sent();
    rig.receive(&answer(&request, Class::Error, |w| {
        w.error_code(300, "").alternate_server(addr("192.0.2.99:3478"));
    }));
    assert_eq!(rig.event(), None);
}

#[test]
fn debug_shows_no_password() {
    let rig = Rig::allocated(config());
    assert!(!format!("{:?} {:?}", rig.client, config()).contains("secret"));
}
