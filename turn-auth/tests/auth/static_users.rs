//! Static credentials, presence of attributes, password algorithms, USERHASH, and the size of a 401.

use crate::common::{BOTH, MD5, NOW, REALM, Request, SHA256, builder, client, nonce, static_server};
use std::time::Duration;
use stun_codec::{Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::{
    AuthError, Authenticator, Credential, Credentials, IntegrityAlgorithm, PasswordAlgorithmKind, RealmTooLong,
    SecurityFeatures, UnixSeconds, userhash,
};

const USERS: &[(&str, &str)] = &[("alice", "red"), ("bob", "green"), ("carol", "blue")];

#[test]
fn every_user_comes_in_with_the_own_password_only() {
    let server = static_server(USERS);
    for (name, _) in USERS {
        for (owner, password) in USERS {
            let expected = if name == owner { Ok((*name).to_owned()) } else { Err(AuthError::BadIntegrity) };
            assert_eq!(Request::new(&server, name, password).user(&server), expected);
            assert_eq!(Request::modern(&server, name, password).user(&server), expected);
        }
    }
    for unknown in ["", "alic", "alice ", "Alice", "alice\0", "zoe"] {
        assert_eq!(Request::new(&server, unknown, "red").user(&server), Err(AuthError::UnknownUser));
    }
}

#[test]
fn no_users_no_entry() {
    let server = static_server(&[]);
    assert_eq!(Request::new(&server, "", "").user(&server), Err(AuthError::UnknownUser));
}

#[test]
fn a_name_may_have_two_passwords_while_one_is_changed() {
    let server = static_server(&[("alice", "old"), ("bob", "x"), ("alice", "new")]);
    for (password, good) in [("old", true), ("new", true), ("x", false)] {
        assert_eq!(Request::new(&server, "alice", password).user(&server).is_ok(), good, "{password}");
        let mut hashed = Request::modern(&server, "alice", password);
        hashed.username = None;
        hashed.userhash = Some(userhash("alice", REALM));
        assert_eq!(hashed.user(&server).is_ok(), good, "{password}");
    }
}

#[test]
fn what_is_missing_decides_between_401_and_400() {
    let server = static_server(USERS);
    let good = Request::new(&server, "alice", "red");
    type Change = fn(&mut Request);
    let cases: [(Change, AuthError, u16); 8] = [
        (|r| r.signatures.clear(), AuthError::NoIntegrity, 401),
        (|r| r.username = None, AuthError::MissingUsername, 400),
        (|r| r.realm = None, AuthError::MissingRealm, 400),
        (|r| r.nonce = None, AuthError::MissingNonce, 400),
        (|r| r.nonce = Some("x".to_owned()), AuthError::ForeignNonce, 438),
        (|r| r.nonce = Some(String::new()), AuthError::ForeignNonce, 438),
        (|r| r.realm = Some("elsewhere".to_owned()), AuthError::WrongRealm, 401),
        (|r| r.username = Some("\u{FFFF}".repeat(300)), AuthError::Malformed, 400),
    ];
    assert!(good.ask(&server).is_ok());
    for (change, error, code) in cases {
        let mut request = good.clone();
        change(&mut request);
        assert_eq!(request.user(&server), Err(error));
        assert_eq!((error.code(), error.needs_challenge()), (code, code != 400));
    }
    assert_eq!(Request::unsigned(Method::Allocate).user(&server), Err(AuthError::NoIntegrity));
}

#[test]
fn sha256_integrity_wins_over_sha1_and_names_the_replys() {
    let server = static_server(USERS);
    let right = Credential::long_term("alice", REALM, "red", PasswordAlgorithmKind::Md5);
    let wrong = Credential::long_term("alice", REALM, "no", PasswordAlgorithmKind::Md5);
    let (sha1, sha256) = (IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256);
    for (signatures, expected) in [
        (vec![(sha1, &right)], Ok(sha1)),
        (vec![(sha256, &right)], Ok(sha256)),
        (vec![(sha1, &wrong), (sha256, &right)], Ok(sha256)),
        (vec![(sha1, &right), (sha256, &wrong)], Err(AuthError::BadIntegrity)),
        (vec![(sha1, &wrong)], Err(AuthError::BadIntegrity)),
    ] {
        let mut request = Request::new(&server, "alice", "red");
        request.signatures = signatures.into_iter().map(|(algorithm, key)| (algorithm, key.clone())).collect();
        assert_eq!(request.ask(&server).map(|verified| verified.integrity), expected);
    }
}

#[test]
fn every_changed_bit_of_a_request_is_noticed() {
    let server = static_server(USERS);
    for request in [Request::new(&server, "alice", "red"), Request::modern(&server, "alice", "red")] {
        let bytes = request.bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Ok(message) = Message::parse(&changed) {
                    assert!(server.verify(&message, client(), NOW, None).is_err(), "byte {at} bit {bit}");
                }
            }
        }
    }
}

#[test]
fn bid_down_cases() {
    let server = static_server(USERS);
    let md5 = Credential::long_term("alice", REALM, "red", PasswordAlgorithmKind::Md5);
    let sha256 = Credential::long_term("alice", REALM, "red", PasswordAlgorithmKind::Sha256);
    let backwards = [MD5, SHA256].concat();
    let with_unknown = [BOTH, &[0, 9, 0, 0]].concat();
    let with_parameters: &[u8] = &[0, 2, 0, 4, 1, 2, 3, 4];
    for (what, list, one, key, expected) in [
        ("neither means MD5", None, None, &md5, Ok(())),
        ("neither never means SHA-256", None, None, &sha256, Err(AuthError::BadIntegrity)),
        ("our list, SHA-256", Some(BOTH), Some(SHA256), &sha256, Ok(())),
        ("our list, MD5", Some(BOTH), Some(MD5), &md5, Ok(())),
        ("says MD5, uses SHA-256", Some(BOTH), Some(MD5), &sha256, Err(AuthError::BadIntegrity)),
        ("says SHA-256, uses MD5", Some(BOTH), Some(SHA256), &md5, Err(AuthError::BadIntegrity)),
        ("list alone", Some(BOTH), None, &md5, Err(AuthError::BidDown)),
        ("choice alone", None, Some(MD5), &md5, Err(AuthError::BidDown)),
        ("better choice alone", None, Some(SHA256), &sha256, Err(AuthError::BidDown)),
        ("SHA-256 taken out", Some(MD5), Some(MD5), &md5, Err(AuthError::BidDown)),
        ("MD5 taken out", Some(SHA256), Some(SHA256), &sha256, Err(AuthError::BidDown)),
        ("other order", Some(backwards.as_slice()), Some(MD5), &md5, Err(AuthError::BidDown)),
        ("more than we offered", Some(with_unknown.as_slice()), Some(MD5), &md5, Err(AuthError::BidDown)),
        ("empty list", Some(&[][..]), Some(MD5), &md5, Err(AuthError::BidDown)),
        ("unknown choice", Some(BOTH), Some(&[0, 9, 0, 0][..]), &md5, Err(AuthError::BidDown)),
        ("choice with parameters", Some(BOTH), Some(with_parameters), &sha256, Err(AuthError::BidDown)),
        ("choice cut off", Some(BOTH), Some(&[0, 2][..]), &sha256, Err(AuthError::Malformed)),
        ("list cut off", Some(&BOTH[..6]), Some(MD5), &md5, Err(AuthError::Malformed)),
    ] {
        for integrity in [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256] {
            let mut request = Request::new(&server, "alice", "red");
            request.algorithms = list.map(<[u8]>::to_vec);
            request.algorithm = one.map(<[u8]>::to_vec);
            request.signatures = vec![(integrity, key.clone())];
            assert_eq!(request.ask(&server).map(|_| ()), expected, "{what}");
        }
    }
    assert_eq!(AuthError::BidDown.code(), 400);
}

#[test]
fn a_nonce_stripped_of_its_features_is_not_ours() {
    let server = static_server(USERS);
    let mut request = Request::new(&server, "alice", "red");
    request.nonce = request.nonce.map(|nonce| nonce.replacen("wAAA", "AAAA", 1));
    assert_eq!(request.user(&server), Err(AuthError::ForeignNonce));
}

#[test]
fn offered_algorithms_follow_the_configuration() {
    let users = || Credentials::Static(vec![("alice".into(), "red".into())]);
    let build = |algorithms: &[PasswordAlgorithmKind]| builder(users()).algorithms(algorithms).build().unwrap();

    // None offered: RFC 5389, and who speaks of algorithms all the same heard of them from somebody else.
    let plain = build(&[]);
    assert!(!SecurityFeatures::of_nonce(nonce(&plain).as_bytes()).password_algorithms);
    assert!(Request::new(&plain, "alice", "red").ask(&plain).is_ok());
    assert_eq!(Request::modern(&plain, "alice", "red").user(&plain), Err(AuthError::BidDown));

    // SHA-256 alone: silence would mean MD5.
    let strong = build(&[PasswordAlgorithmKind::Sha256, PasswordAlgorithmKind::Sha256]);
    assert_eq!(Request::new(&strong, "alice", "red").user(&strong), Err(AuthError::WeakAlgorithm));
    assert_eq!(Request::modern(&strong, "alice", "red").user(&strong), Err(AuthError::BidDown));
    let mut request = Request::modern(&strong, "alice", "red");
    request.algorithms = Some(SHA256.to_vec());
    assert!(request.ask(&strong).is_ok());

    // A list of yesterday is answered with today's, not with a 400 that ends the call.
    assert_eq!(Request::modern(&plain, "alice", "red").user(&strong), Err(AuthError::ForeignNonce));
}

#[test]
fn userhash_finds_the_user_and_is_offered() {
    let server = static_server(USERS);
    assert!(SecurityFeatures::of_nonce(nonce(&server).as_bytes()).username_anonymity);
    for (name, password) in USERS {
        for base in [Request::new(&server, name, password), Request::modern(&server, name, password)] {
            let request = Request { username: None, userhash: Some(userhash(name, REALM)), ..base.clone() };
            assert_eq!(request.user(&server).as_deref(), Ok(*name));
            let other_realm = Request { username: None, userhash: Some(userhash(name, "elsewhere")), ..base };
            assert_eq!(other_realm.user(&server), Err(AuthError::UnknownUser));
        }
    }
    let mut kept_by_hash = Request::modern(&server, "alice", "red");
    let kept = kept_by_hash.ask(&server).unwrap().credential;
    kept_by_hash.username = None;
    kept_by_hash.userhash = Some(userhash("alice", REALM));
    assert_eq!(kept_by_hash.ask_at(&static_server(&[]), NOW, Some(&kept)).map(|_| ()), Ok(()));
}

#[test]
fn a_401_is_104_bytes_with_the_default_realm() {
    let server = static_server(USERS);
    let mut buf = [0; 512];
    let mut writer = MessageWriter::new(&mut buf, Class::Error, Method::Allocate, TransactionId([9; 12]));
    writer.error_code(401, "");
    server.challenge(client(), NOW, [1; 4]).write(&mut writer);
    let len = writer.finish().unwrap();
    assert_eq!(len, 104);

    let reply = Message::parse(&buf[..len]).unwrap();
    assert_eq!(reply.realm().unwrap(), Some(REALM));
    assert_eq!(reply.nonce().unwrap().map(str::len), Some(40));
    assert_eq!(reply.password_algorithms().unwrap().unwrap().as_bytes(), BOTH);
    assert_eq!(reply.attributes().count(), 4);
}

#[test]
fn the_nonce_is_bound_to_address_and_age_but_not_to_the_port() {
    let server = builder(Credentials::Static(vec![("alice".into(), "red".into())]))
        .nonce_lifetime(Duration::from_secs(60))
        .build()
        .unwrap();
    let request = Request::new(&server, "alice", "red");
    let bytes = request.bytes();
    let message = Message::parse(&bytes).unwrap();
    assert!(server.verify(&message, "::ffff:192.0.2.1".parse().unwrap(), NOW, None).is_ok());
    let moved = server.verify(&message, "192.0.2.2".parse().unwrap(), NOW, None);
    assert_eq!(moved.unwrap_err(), AuthError::ForeignNonce);
    let late = UnixSeconds(NOW.0 + 61);
    assert_eq!(request.ask_at(&server, late, None).unwrap_err(), AuthError::StaleNonce);
    // With the credential that an allocation keeps as well.
    let kept = request.ask(&server).unwrap().credential;
    assert_eq!(request.ask_at(&server, late, Some(&kept)).unwrap_err(), AuthError::StaleNonce);
}

#[test]
fn a_kept_credential_outlives_its_user_and_realm() {
    let old = static_server(USERS);
    let refresh = Request::new(&old, "alice", "red").method(Method::Refresh);
    let kept = refresh.ask(&old).unwrap().credential;
    assert!(old.knows(&kept));

    let without_alice = static_server(&[("bob", "green")]);
    assert_eq!(refresh.ask(&without_alice).unwrap_err(), AuthError::UnknownUser);
    assert!(refresh.ask_at(&without_alice, NOW, Some(&kept)).is_ok());
    assert!(!without_alice.knows(&kept));

    let other_password = static_server(&[("alice", "changed")]);
    assert!(refresh.ask_at(&other_password, NOW, Some(&kept)).is_ok());
    assert!(!other_password.knows(&kept));
    // She comes back on the same address with her new password: no 401, but whatever the caller says to an allocation that is there.
    assert!(Request::new(&other_password, "alice", "changed").ask_at(&other_password, NOW, Some(&kept)).is_ok());

    let users = Credentials::Static(vec![("alice".into(), "red".into())]);
    let other_realm = Authenticator::builder("new.example", users, turn_auth::NonceKey::new([7; 32])).build().unwrap();
    assert!(refresh.ask_at(&other_realm, NOW, Some(&kept)).is_ok());
    assert_eq!(refresh.ask(&other_realm).unwrap_err(), AuthError::WrongRealm);
    assert!(other_realm.knows(&kept));
    let challenge = other_realm.challenge(client(), NOW, [1; 4]);
    assert_eq!((challenge.realm(), challenge.with_realm(kept.realm()).realm()), ("new.example", REALM));

    let nobody = builder(Credentials::None).build().unwrap();
    assert!(!nobody.knows(&kept));
}

#[test]
fn a_kept_credential_is_no_ones_else() {
    let server = static_server(USERS);
    let kept = Request::new(&server, "alice", "red").ask(&server).unwrap().credential;
    let verified = Request::new(&server, "bob", "green").ask_at(&server, NOW, Some(&kept)).unwrap();
    assert_eq!(verified.credential.user_id().as_str(), "bob");
    let forged = Request::new(&server, "alice", "green").ask_at(&server, NOW, Some(&kept));
    assert_eq!(forged.unwrap_err(), AuthError::BadIntegrity);
    // Another algorithm is another key.
    let modern = Request::modern(&server, "alice", "red").ask_at(&server, NOW, Some(&kept)).unwrap();
    assert_eq!(modern.credential.password_algorithm(), PasswordAlgorithmKind::Sha256);
}

#[test]
fn without_authentication_the_challenge_stays_and_a_credential_gets_400() {
    let server = builder(Credentials::None).build().unwrap();
    assert_eq!(Request::unsigned(Method::Allocate).user(&server), Err(AuthError::NoIntegrity));
    let refused = Request::new(&server, "alice", "red").ask(&server).unwrap_err();
    assert_eq!((refused, refused.code()), (AuthError::Disabled, 400));
    let kept = Credential::long_term("alice", REALM, "red", PasswordAlgorithmKind::Md5);
    assert!(Request::new(&server, "alice", "red").ask_at(&server, NOW, Some(&kept)).is_ok());
}

#[test]
fn a_realm_that_no_attribute_can_hold_is_refused_when_configured() {
    let build = |realm: &str| Authenticator::builder(realm, Credentials::None, [7; 32].into()).build().map(|_| ());
    assert_eq!(build(&"x".repeat(127)), Ok(()));
    assert_eq!(build(&"x".repeat(128)), Err(RealmTooLong));
    assert_eq!(build(&"\u{1F600}".repeat(127)), Ok(()));
    assert_eq!(build(""), Ok(()));
}

#[test]
fn debug_output_contains_no_secret() {
    let users = || Credentials::Static(vec![("alice".into(), "hunter2".into())]);
    let server = builder(users()).build().unwrap();
    let verified = Request::modern(&server, "alice", "hunter2").ask(&server).unwrap();
    let ephemeral = Credentials::Ephemeral { secrets: vec!["hunter2".into()], expiry: turn_auth::Expiry::Strict };
    let client_side = turn_auth::ClientAuth::new("alice", "hunter2".into());
    let printed = format!(
        "{server:?} {verified:?} {ephemeral:?} {:?} {:?} {client_side:?} {:?}",
        users(),
        builder(users()),
        builder(ephemeral.clone()).build().unwrap(),
    );
    assert!(printed.contains("alice"));
    for secret in ["hunter2", "[7, 7", "104, 117", "07070707"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
