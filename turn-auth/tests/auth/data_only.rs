//! Whatever strangers choose is data: names, realms and nonces with every nasty character, and bytes that are no request at all.

use crate::common::{NOW, builder, client, static_server};
use proptest::prelude::*;
use stun_codec::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::{
    AuthError, Authenticator, ClientAuth, Credential, Credentials, Expiry, NonceKey, PasswordAlgorithmKind,
    ephemeral_password,
};

/// Text out of what has broken other servers, mixed with ordinary and multi-byte characters.
fn nasty(most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'"),
        Just("\""),
        Just(";"),
        Just("%"),
        Just("%n"),
        Just("%s"),
        Just("\n"),
        Just("\r"),
        Just("\0"),
        Just("\\"),
        Just(":"),
        Just("$"),
        Just("--"),
        Just("' OR 1=1 --"),
        Just("../"),
        Just("\u{1b}["),
        Just("\u{202e}"),
        Just("\u{feff}"),
        Just("é"),
        Just("e\u{301}"),
        Just("マ"),
        Just("\u{1F600}"),
        Just("\u{ad}"),
        Just("a"),
        Just("1700000000"),
        Just(" "),
    ];
    proptest::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

fn log_in(server: &Authenticator, username: &str, password: &str) -> Result<Credential, AuthError> {
    let mut buf = [0; 2048];
    let mut writer = MessageWriter::new(&mut buf, Class::Error, Method::Allocate, TransactionId([3; 12]));
    server.challenge(client(), NOW, [5; 4]).write(&mut writer);
    let len = writer.finish().unwrap();
    let mut auth = ClientAuth::new(username, password.into());
    auth.challenged(&Message::parse(&buf[..len]).unwrap()).unwrap();
    let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TransactionId([4; 12]));
    auth.complete(&mut writer);
    let len = writer.finish().unwrap();
    let request = Message::parse(&buf[..len]).unwrap();
    server.verify(&request, client(), NOW, None).map(|verified| verified.credential)
}

proptest! {
    #[test]
    fn names_realms_and_passwords_are_only_data(
        name in nasty(12), other in nasty(12), realm in nasty(8), password in nasty(12), wrong in nasty(12),
    ) {
        let users = Credentials::Static(vec![(name.clone(), password.as_str().into())]);
        let server = Authenticator::builder(&realm, users, NonceKey::new([7; 32])).build().unwrap();
        let credential = log_in(&server, &name, &password).unwrap();
        prop_assert_eq!(credential.user_id().as_str(), &name);
        prop_assert_eq!(credential.realm(), &realm);
        let printed = format!("{credential:?}");
        prop_assert!(!printed.contains(['\n', '\0', '\u{1b}']), "{}", printed);
        if name != other {
            prop_assert_eq!(log_in(&server, &other, &password).unwrap_err(), AuthError::UnknownUser);
        }
        if wrong != password {
            prop_assert_eq!(log_in(&server, &name, &wrong).unwrap_err(), AuthError::BadIntegrity);
        }
    }

    #[test]
    fn stamped_names_are_only_data(tail in nasty(12), secret in nasty(12)) {
        let name = format!("1900000000:{tail}");
        let credentials = Credentials::Ephemeral { secrets: vec![secret.as_str().into()], expiry: Expiry::Strict };
        let server = builder(credentials).build().unwrap();
        let credential = log_in(&server, &name, &ephemeral_password(&secret, &name)).unwrap();
        let id = if tail.is_empty() { name.as_str() } else { tail.as_str() };
        prop_assert_eq!(credential.user_id().as_str(), id);
    }

    #[test]
    fn a_stranger_never_comes_in_whatever_the_attributes_hold(
        attributes in proptest::collection::vec((prop_oneof![
            Just(AttributeType::USERNAME), Just(AttributeType::USERHASH), Just(AttributeType::REALM), Just(AttributeType::NONCE),
            Just(AttributeType::PASSWORD_ALGORITHM), Just(AttributeType::PASSWORD_ALGORITHMS),
            Just(AttributeType::MESSAGE_INTEGRITY), Just(AttributeType::MESSAGE_INTEGRITY_SHA256),
        ], prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..48), Just(vec![0; 20]), Just(vec![0; 32]), Just(b"alice".to_vec()),
            Just(b"stunner.l7mp.io".to_vec()), Just(vec![0, 2, 0, 0]), Just(vec![0, 2, 0, 0, 0, 1, 0, 0]),
            Just(b"own nonce".to_vec()),
        ]), 0..8),
    ) {
        let server = static_server(&[("alice", "red")]);
        let kept = Credential::long_term("alice", "stunner.l7mp.io", "red", PasswordAlgorithmKind::Md5);
        let nonce = crate::common::nonce(&server);
        let mut buf = [0; 2048];
        let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Refresh, TransactionId([3; 12]));
        for (typ, value) in &attributes {
            writer.attribute(*typ, if value == b"own nonce" { nonce.as_bytes() } else { value });
        }
        let len = writer.finish().unwrap();
        let request = Message::parse(&buf[..len]).unwrap();
        prop_assert!(server.verify(&request, client(), NOW, None).is_err());
        prop_assert!(server.verify(&request, client(), NOW, Some(&kept)).is_err());
    }
}
