//! Ephemeral ("TURN REST") credentials: name forms, secrets, expiry.

use crate::common::{NOW, REALM, Request, client, ephemeral_server, nonce};
use stun_codec::{Message, Method};
use turn_auth::{
    AuthError, Expiry, PasswordAlgorithmKind, SecurityFeatures, UnixSeconds, ephemeral_password, userhash,
};

const SECRET: &str = "s3cret";
const LATER: u64 = NOW.0 + 600;

#[test]
fn every_username_form_comes_in_under_its_user_id() {
    let server = ephemeral_server(&[SECRET], Expiry::AllocateOnly);
    for (name, id) in [
        (format!("{LATER}"), format!("{LATER}")),
        (format!("{LATER}:alice"), "alice".to_owned()),
        (format!("alice:{LATER}"), format!("alice:{LATER}")),
        (format!("alice:{LATER}:junk"), format!("alice:{LATER}:junk")),
        (format!("{LATER}:alice:phone"), "alice:phone".to_owned()),
    ] {
        assert_eq!(Request::ephemeral(&server, &name, SECRET).user(&server), Ok(id), "{name}");
        let password = ephemeral_password(SECRET, &name);
        let verified = Request::modern(&server, &name, &password).ask(&server).unwrap();
        assert_eq!(verified.credential.username(), name);
        assert_eq!(verified.credential.expires(), Some(UnixSeconds(LATER)));
        assert_eq!(verified.credential.password_algorithm(), PasswordAlgorithmKind::Sha256);
    }
}

#[test]
fn a_name_without_stamp_is_unknown_even_with_the_right_password() {
    let server = ephemeral_server(&[SECRET], Expiry::AllocateOnly);
    for name in ["alice", "", "alice:bob", "18446744073709551616"] {
        for method in [Method::Allocate, Method::Refresh] {
            let request = Request::ephemeral(&server, name, SECRET).method(method);
            assert_eq!(request.user(&server), Err(AuthError::UnknownUser), "{name}");
        }
    }
}

#[test]
fn a_foreign_secret_is_refused_and_any_of_ours_is_good() {
    let name = format!("{LATER}:alice");
    let server = ephemeral_server(&["new", "old"], Expiry::AllocateOnly);
    for (secret, expected) in
        [("new", Ok(())), ("old", Ok(())), ("other", Err(AuthError::BadIntegrity)), ("", Err(AuthError::BadIntegrity))]
    {
        assert_eq!(Request::ephemeral(&server, &name, secret).user(&server).map(|_| ()), expected, "{secret}");
    }
    let plain_secret_as_password = Request::new(&server, &name, "new");
    assert_eq!(plain_secret_as_password.user(&server), Err(AuthError::BadIntegrity));
    assert_eq!(
        Request::ephemeral(&ephemeral_server(&[], Expiry::Strict), &name, "").user(&server),
        Err(AuthError::BadIntegrity)
    );
}

#[test]
fn the_password_is_of_the_whole_name_and_cannot_be_carried_over() {
    let server = ephemeral_server(&[SECRET], Expiry::AllocateOnly);
    let own = ephemeral_password(SECRET, &format!("{LATER}:alice"));
    for other in [format!("{LATER}:bob"), format!("{}:alice", LATER + 1), format!("{LATER}")] {
        assert_eq!(Request::new(&server, &other, &own).user(&server), Err(AuthError::BadIntegrity), "{other}");
    }
}

#[test]
fn the_second_of_the_stamp_is_the_last_good_one() {
    let server = ephemeral_server(&[SECRET], Expiry::AllocateOnly);
    for (stamp, expected) in [(NOW.0, Ok(())), (NOW.0 - 1, Err(AuthError::Expired)), (0, Err(AuthError::Expired))] {
        let request = Request::ephemeral(&server, &format!("{stamp}:alice"), SECRET);
        assert_eq!(request.user(&server).map(|_| ()), expected, "{stamp}");
    }
    let request = Request::ephemeral(&server, "-1:alice", SECRET);
    assert_eq!((request.user(&server), AuthError::Expired.code()), (Err(AuthError::Expired), 401));
}

#[test]
fn expiry_is_for_allocates_only_or_for_all_requests() {
    let name = format!("{}:alice", NOW.0 + 10);
    let at = UnixSeconds(NOW.0 + 11);
    for (expiry, method, with_kept, expected) in [
        (Expiry::AllocateOnly, Method::Allocate, false, Err(AuthError::Expired)),
        (Expiry::AllocateOnly, Method::Refresh, false, Ok(())),
        (Expiry::AllocateOnly, Method::CreatePermission, true, Ok(())),
        (Expiry::AllocateOnly, Method::Refresh, true, Ok(())),
        // It is the same Allocate come again, or gets 437.
        (Expiry::AllocateOnly, Method::Allocate, true, Ok(())),
        (Expiry::Strict, Method::Allocate, false, Err(AuthError::Expired)),
        (Expiry::Strict, Method::Refresh, false, Err(AuthError::Expired)),
        (Expiry::Strict, Method::Refresh, true, Err(AuthError::Expired)),
        (Expiry::Strict, Method::ChannelBind, true, Err(AuthError::Expired)),
        (Expiry::Strict, Method::Allocate, true, Err(AuthError::Expired)),
    ] {
        let server = ephemeral_server(&[SECRET], expiry);
        let request = Request::ephemeral(&server, &name, SECRET).method(method);
        let kept = request.ask(&server).unwrap().credential;
        let result = request.ask_at(&server, at, with_kept.then_some(&kept));
        assert_eq!(result.map(|_| ()), expected, "{expiry:?} {method:?} {with_kept}");
    }
}

#[test]
fn a_new_stamp_of_the_same_user_is_checked_with_its_own_key_and_then_kept() {
    let server = ephemeral_server(&[SECRET], Expiry::Strict);
    let (old, new) = (format!("{}:alice", NOW.0 + 1), format!("{LATER}:alice"));
    let kept = Request::ephemeral(&server, &old, SECRET).ask(&server).unwrap().credential;
    let refresh = Request::ephemeral(&server, &new, SECRET).method(Method::Refresh);
    let verified = refresh.ask_at(&server, UnixSeconds(NOW.0 + 2), Some(&kept)).unwrap();
    assert_eq!(verified.credential.user_id(), kept.user_id());
    assert_eq!(verified.credential.username(), new);
    // The old key does not sign for the new name.
    let forged = Request::new(&server, &new, &ephemeral_password(SECRET, &old)).method(Method::Refresh);
    assert_eq!(forged.ask_at(&server, NOW, Some(&kept)).unwrap_err(), AuthError::BadIntegrity);
}

#[test]
fn a_kept_credential_outlives_its_secret() {
    let before = ephemeral_server(&["old"], Expiry::AllocateOnly);
    let rolling = ephemeral_server(&["new", "old"], Expiry::AllocateOnly);
    let after = ephemeral_server(&["new"], Expiry::AllocateOnly);
    let refresh = Request::ephemeral(&before, &format!("{LATER}:alice"), "old").method(Method::Refresh);
    let kept = refresh.ask(&before).unwrap().credential;
    assert_eq!((before.knows(&kept), rolling.knows(&kept), after.knows(&kept)), (true, true, false));
    assert!(refresh.ask_at(&after, NOW, Some(&kept)).is_ok());
    assert_eq!(refresh.ask_at(&after, NOW, None).unwrap_err(), AuthError::BadIntegrity);
}

#[test]
fn userhash_is_neither_offered_nor_taken_but_a_kept_one_is_known() {
    let server = ephemeral_server(&[SECRET], Expiry::AllocateOnly);
    let features = SecurityFeatures::of_nonce(nonce(&server).as_bytes());
    assert!(features.password_algorithms && !features.username_anonymity);
    let name = format!("{LATER}:alice");
    let named = Request::ephemeral(&server, &name, SECRET);
    let kept = named.ask(&server).unwrap().credential;
    let hashed = Request { username: None, userhash: Some(userhash(&name, REALM)), ..named };
    assert_eq!(hashed.user(&server), Err(AuthError::UnknownUser));
    assert!(hashed.ask_at(&server, NOW, Some(&kept)).is_ok());
}

#[test]
fn replies_are_signed_with_the_verified_credential() {
    let server = ephemeral_server(&[SECRET], Expiry::AllocateOnly);
    let name = format!("{LATER}:alice");
    let bytes = Request::ephemeral(&server, &name, SECRET).bytes();
    let verified = server.verify(&Message::parse(&bytes).unwrap(), client(), NOW, None).unwrap();
    let own =
        turn_auth::Credential::long_term(&name, REALM, &ephemeral_password(SECRET, &name), PasswordAlgorithmKind::Md5);
    assert_eq!(own.verify(&Message::parse(&bytes).unwrap()), Ok(verified.integrity));
    assert_eq!(verified.credential.verify(&Message::parse(&bytes).unwrap()), Ok(verified.integrity));
}
