//! The client's side against the server's, and against servers that are not ours.

use crate::common::{BOTH, MD5, NOW, REALM, builder, client, ephemeral_server, static_server};
use stun_codec::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::{
    AuthError, Authenticator, ChallengeError, ClientAuth, Credential, Credentials, Expiry, IntegrityAlgorithm,
    PasswordAlgorithmKind, Verified, ephemeral_password,
};

fn message(class: Class, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut buf = [0; 1024];
    let mut writer = MessageWriter::new(&mut buf, class, Method::Allocate, TransactionId([3; 12]));
    fill(&mut writer);
    let len = writer.finish().unwrap();
    buf[..len].to_vec()
}

fn challenge(realm: &str, nonce: &str, algorithms: Option<&[u8]>) -> Vec<u8> {
    message(Class::Error, |writer| {
        writer.error_code(401, "").realm(realm).nonce(nonce);
        if let Some(algorithms) = algorithms {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, algorithms);
        }
    })
}

fn log_in(server: &Authenticator, auth: &mut ClientAuth) -> Result<Verified, AuthError> {
    let refusal = message(Class::Error, |writer| {
        writer.error_code(401, "");
        server.challenge(client(), NOW, [5; 4]).write(writer);
    });
    auth.challenged(&Message::parse(&refusal).unwrap()).unwrap();
    let request = message(Class::Request, |writer| auth.complete(writer));
    server.verify(&Message::parse(&request).unwrap(), client(), NOW, None)
}

#[test]
fn a_client_comes_in_under_every_configuration_and_knows_the_reply() {
    let name = format!("{}:alice", NOW.0 + 600);
    let users = || Credentials::Static(vec![("alice".into(), "red".into())]);
    let (md5, sha256) = (PasswordAlgorithmKind::Md5, PasswordAlgorithmKind::Sha256);
    let ephemeral = (name.as_str(), ephemeral_password("s", &name));
    let fixed = ("alice", "red".to_owned());
    for (server, (username, password), algorithm, integrity) in [
        (static_server(&[("alice", "red")]), &fixed, sha256, IntegrityAlgorithm::Sha256),
        (builder(users()).algorithms(&[md5, sha256]).build().unwrap(), &fixed, md5, IntegrityAlgorithm::Sha256),
        (builder(users()).algorithms(&[]).build().unwrap(), &fixed, md5, IntegrityAlgorithm::Sha1),
        (ephemeral_server(&["s"], Expiry::Strict), &ephemeral, sha256, IntegrityAlgorithm::Sha256),
    ] {
        let mut auth = ClientAuth::new(username, password.as_str().into());
        assert!(!auth.is_challenged());
        let verified = log_in(&server, &mut auth).unwrap();
        assert!(auth.is_challenged());
        assert_eq!((verified.credential.password_algorithm(), verified.integrity), (algorithm, integrity));

        let reply = message(Class::Success, |writer| {
            verified.credential.sign(writer, verified.integrity);
        });
        assert_eq!(auth.check(&Message::parse(&reply).unwrap()), Ok(()));
        let mut forged = reply.clone();
        forged[30] ^= 1;
        assert_eq!(auth.check(&Message::parse(&forged).unwrap()), Err(AuthError::BadIntegrity));
        let unsigned = message(Class::Success, |_| ());
        assert_eq!(auth.check(&Message::parse(&unsigned).unwrap()), Err(AuthError::NoIntegrity));
    }
}

#[test]
fn a_wrong_password_is_a_401_again() {
    let mut auth = ClientAuth::new("alice", "blue".into());
    assert_eq!(log_in(&static_server(&[("alice", "red")]), &mut auth).unwrap_err(), AuthError::BadIntegrity);
}

#[test]
fn before_the_first_challenge_a_request_stays_bare_and_no_reply_is_proven() {
    let auth = ClientAuth::new("alice", "red".into());
    let request = message(Class::Request, |writer| auth.complete(writer));
    assert_eq!(request.len(), 20);
    assert_eq!(auth.check(&Message::parse(&request).unwrap()), Err(AuthError::NoIntegrity));
}

#[test]
fn a_reply_with_the_weaker_integrity_is_not_believed() {
    let mut auth = ClientAuth::new("alice", "red".into());
    let verified = log_in(&static_server(&[("alice", "red")]), &mut auth).unwrap();
    let weak = message(Class::Success, |writer| {
        verified.credential.sign(writer, IntegrityAlgorithm::Sha1);
    });
    assert_eq!(auth.check(&Message::parse(&weak).unwrap()), Err(AuthError::NoIntegrity));
}

#[test]
fn challenges_that_must_not_be_answered_leave_the_last_answer_alone() {
    let mut auth = ClientAuth::new("alice", "red".into());
    auth.challenged(&Message::parse(&challenge(REALM, "plain", None)).unwrap()).unwrap();
    let no_realm = message(Class::Error, |writer| {
        writer.nonce("x");
    });
    for (bytes, error) in [
        (challenge(REALM, "obMatJos2gAAAxyz", None), ChallengeError::BidDown),
        (challenge(REALM, "x", Some(&[0, 9, 0, 0])), ChallengeError::NoCommonAlgorithm),
        (challenge(REALM, "x", Some(&[0, 2, 0, 4, 0, 0, 0, 0])), ChallengeError::NoCommonAlgorithm),
        (challenge(REALM, "x", Some(&[0, 2, 0])), ChallengeError::Malformed),
        (no_realm, ChallengeError::Malformed),
    ] {
        assert_eq!(auth.challenged(&Message::parse(&bytes).unwrap()), Err(error));
        let request = message(Class::Request, |writer| auth.complete(writer));
        assert_eq!(Message::parse(&request).unwrap().nonce().unwrap(), Some("plain"));
    }
}

#[test]
fn the_first_algorithm_known_here_is_chosen_and_the_list_given_back() {
    let mut auth = ClientAuth::new("alice", "red".into());
    let list = [&[0, 9, 0, 2, 1, 1, 0, 0][..], MD5, BOTH].concat();
    auth.challenged(&Message::parse(&challenge(REALM, "obMatJos2gAAAxyz", Some(&list))).unwrap()).unwrap();
    let bytes = message(Class::Request, |writer| auth.complete(writer));
    let request = Message::parse(&bytes).unwrap();
    assert_eq!(request.attribute(AttributeType::PASSWORD_ALGORITHMS), Some(&list[..]));
    assert_eq!(request.attribute(AttributeType::PASSWORD_ALGORITHM), Some(MD5));
    assert_eq!((request.username().unwrap(), request.userhash().unwrap()), (Some("alice"), None));
}

#[test]
fn a_nonce_that_wants_anonymity_gets_the_hash_instead_of_the_name() {
    let mut auth = ClientAuth::new("alice", "red".into());
    auth.challenged(&Message::parse(&challenge(REALM, "obMatJos2QAAAxyz", None)).unwrap()).unwrap();
    let bytes = message(Class::Request, |writer| auth.complete(writer));
    let request = Message::parse(&bytes).unwrap();
    let own = Credential::long_term("alice", REALM, "red", PasswordAlgorithmKind::Md5);
    assert_eq!((request.username().unwrap(), request.userhash().unwrap()), (None, Some(own.userhash())));
    assert_eq!(own.verify(&request), Ok(IntegrityAlgorithm::Sha1));
}
