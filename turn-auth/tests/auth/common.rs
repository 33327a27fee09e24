//! A server, clients' messages and their parts, for the tests of this folder.

use std::net::IpAddr;
use stun_codec::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::{
    AuthError, Authenticator, AuthenticatorBuilder, Credential, Credentials, Expiry, IntegrityAlgorithm, NonceKey,
    PasswordAlgorithmKind, UnixSeconds, Verified, ephemeral_password,
};

pub(crate) const REALM: &str = "stunner.l7mp.io";
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
pub(crate) const BOTH: &[u8] = &[0, 2, 0, 0, 0, 1, 0, 0];
pub(crate) const MD5: &[u8] = &[0, 1, 0, 0];
pub(crate) const SHA256: &[u8] = &[0, 2, 0, 0];

pub(crate) fn client() -> IpAddr {
    "192.0.2.1".parse().unwrap()
}

pub(crate) fn builder(credentials: Credentials) -> AuthenticatorBuilder {
    Authenticator::builder(REALM, credentials, NonceKey::new([7; 32]))
}

pub(crate) fn static_server(users: &[(&str, &str)]) -> Authenticator {
    let users = users.iter().map(|(name, password)| ((*name).to_owned(), (*password).into())).collect();
    builder(Credentials::Static(users)).build().unwrap()
}

pub(crate) fn ephemeral_server(secrets: &[&str], expiry: Expiry) -> Authenticator {
    let secrets = secrets.iter().map(|secret| (*secret).into()).collect();
    builder(Credentials::Ephemeral { secrets, expiry }).build().unwrap()
}

pub(crate) fn nonce(server: &Authenticator) -> String {
    server.challenge(client(), NOW, [1, 2, 3, 4]).nonce().as_str().to_owned()
}

/// A message by its parts; what is `None` is left out.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) username: Option<String>,
    pub(crate) userhash: Option<[u8; 32]>,
    pub(crate) realm: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) algorithms: Option<Vec<u8>>,
    pub(crate) algorithm: Option<Vec<u8>>,
    pub(crate) signatures: Vec<(IntegrityAlgorithm, Credential)>,
}

impl Request {
    pub(crate) fn unsigned(method: Method) -> Self {
        Self {
            method,
            username: None,
            userhash: None,
            realm: None,
            nonce: None,
            algorithms: None,
            algorithm: None,
            signatures: Vec::new(),
        }
    }

    /// An Allocate as a client of RFC 5389 sends it after the challenge.
    pub(crate) fn new(server: &Authenticator, username: &str, password: &str) -> Self {
        let credential = Credential::long_term(username, REALM, password, PasswordAlgorithmKind::Md5);
        Self {
            username: Some(username.to_owned()),
            realm: Some(REALM.to_owned()),
            nonce: Some(nonce(server)),
            signatures: vec![(IntegrityAlgorithm::Sha1, credential)],
            ..Self::unsigned(Method::Allocate)
        }
    }

    /// The same for a user of a TURN REST service.
    pub(crate) fn ephemeral(server: &Authenticator, username: &str, secret: &str) -> Self {
        Self::new(server, username, &ephemeral_password(secret, username))
    }

    /// An Allocate as a client of RFC 8489 sends it after the challenge.
    pub(crate) fn modern(server: &Authenticator, username: &str, password: &str) -> Self {
        let credential = Credential::long_term(username, REALM, password, PasswordAlgorithmKind::Sha256);
        Self {
            algorithms: Some(BOTH.to_vec()),
            algorithm: Some(SHA256.to_vec()),
            signatures: vec![(IntegrityAlgorithm::Sha256, credential)],
            ..Self::new(server, username, password)
        }
    }

    pub(crate) fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut buf = [0; 2048];
        let mut writer = MessageWriter::new(&mut buf, Class::Request, self.method, TransactionId([9; 12]));
        let mut text = |typ, value: &Option<String>| {
            value.as_ref().map(|value| writer.attribute(typ, value.as_bytes()));
        };
        text(AttributeType::USERNAME, &self.username);
        text(AttributeType::REALM, &self.realm);
        text(AttributeType::NONCE, &self.nonce);
        if let Some(hash) = &self.userhash {
            writer.attribute(AttributeType::USERHASH, hash);
        }
        if let Some(list) = &self.algorithms {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, list);
        }
        if let Some(one) = &self.algorithm {
            writer.attribute(AttributeType::PASSWORD_ALGORITHM, one);
        }
        for (algorithm, credential) in &self.signatures {
            credential.sign(&mut writer, *algorithm);
        }
        let len = writer.finish().unwrap();
        buf[..len].to_vec()
    }

    pub(crate) fn ask(&self, server: &Authenticator) -> Result<Verified, AuthError> {
        self.ask_at(server, NOW, None)
    }

    pub(crate) fn ask_at(
        &self,
        server: &Authenticator,
        now: UnixSeconds,
        kept: Option<&Credential>,
    ) -> Result<Verified, AuthError> {
        server.verify(&Message::parse(&self.bytes()).unwrap(), client(), now, kept)
    }

    /// Who the server says it was.
    pub(crate) fn user(&self, server: &Authenticator) -> Result<String, AuthError> {
        self.ask(server).map(|verified| verified.credential.user_id().as_str().to_owned())
    }
}
