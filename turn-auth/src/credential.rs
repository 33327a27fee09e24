//! A user's key with its HMAC schedule, and what it does to messages.

use crate::hmac::{HmacSha1, HmacSha256};
use crate::key::LongTermKey;
use crate::{AuthError, PasswordAlgorithmKind, UnixSeconds, UserId, userhash};
use std::fmt;
use std::sync::{Arc, OnceLock};
use stun_codec::{IntegrityCheck, Message, MessageWriter};

/// Which attribute protects a message. A reply uses that of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntegrityAlgorithm {
    /// MESSAGE-INTEGRITY, HMAC-SHA1.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256, HMAC-SHA256. Where both are there, this one counts.
    Sha256,
}

/// One user's long-term key in one realm: what an allocation keeps, and what a client signs with.
///
/// A clone is a pointer. The HMAC schedule is computed once, so that a refresh costs one HMAC over the message. The key is
/// wiped when the last clone is dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

struct Inner {
    user: UserId,
    realm: Arc<str>,
    expires: Option<UnixSeconds>,
    keys: Keys,
}

impl Credential {
    /// The credential of a user with a password, as a client has it.
    #[must_use]
    pub fn long_term(username: &str, realm: &str, password: &str, algorithm: PasswordAlgorithmKind) -> Self {
        let keys = Keys::new(LongTermKey::derive(algorithm, username, realm, password.as_bytes()));
        Self::new(UserId::new(username), realm.into(), None, keys)
    }

    pub(crate) fn new(user: UserId, realm: Arc<str>, expires: Option<UnixSeconds>, keys: Keys) -> Self {
        Self(Arc::new(Inner { user, realm, expires, keys }))
    }

    /// Whom the credential belongs to.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.0.user
    }

    /// The whole user name, stamp included.
    #[must_use]
    pub fn username(&self) -> &str {
        self.0.user.name()
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.0.realm
    }

    /// How the key was made of the password.
    #[must_use]
    pub fn password_algorithm(&self) -> PasswordAlgorithmKind {
        self.0.keys.key.algorithm
    }

    /// The last second in which an ephemeral user name is good; `None` for those that do not expire.
    #[must_use]
    pub fn expires(&self) -> Option<UnixSeconds> {
        self.0.expires
    }

    /// What USERHASH says instead of the user name. Computed anew on each call.
    #[must_use]
    pub fn userhash(&self) -> [u8; 32] {
        userhash(self.username(), self.realm())
    }

    /// Checks a message's integrity, in constant time, and says which attribute proved it.
    ///
    /// This looks at nothing else: a client checks replies with it; a server calls
    /// [`Authenticator::verify`](crate::Authenticator::verify).
    ///
    /// # Errors
    /// [`AuthError::NoIntegrity`], [`AuthError::Malformed`] or [`AuthError::BadIntegrity`].
    pub fn verify(&self, message: &Message<'_>) -> Result<IntegrityAlgorithm, AuthError> {
        let proof = Proof::of(message)?;
        if self.proves(&proof) { Ok(proof.algorithm) } else { Err(AuthError::BadIntegrity) }
    }

    /// Appends the integrity attribute to a message. Only FINGERPRINT may follow.
    pub fn sign(&self, writer: &mut MessageWriter<'_>, algorithm: IntegrityAlgorithm) {
        match algorithm {
            IntegrityAlgorithm::Sha1 => writer.integrity(|bytes| self.0.keys.sha1().mac(&[bytes])),
            IntegrityAlgorithm::Sha256 => writer.integrity_sha256(|bytes| self.0.keys.sha256().mac(&[bytes])),
        };
    }

    pub(crate) fn proves(&self, proof: &Proof<'_>) -> bool {
        self.0.keys.prove(proof)
    }

    pub(crate) fn has_key(&self, key: &LongTermKey) -> bool {
        self.0.keys.key == *key
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("username", &self.username())
            .field("user_id", self.user_id())
            .field("realm", &self.realm())
            .field("expires", &self.0.expires)
            .field("key", &self.0.keys.key)
            .finish()
    }
}

/// A key and its HMAC schedules, each computed when first wanted: a client uses one of them.
pub(crate) struct Keys {
    key: LongTermKey,
    sha1: OnceLock<HmacSha1>,
    sha256: OnceLock<HmacSha256>,
}

impl Keys {
    pub(crate) fn new(key: LongTermKey) -> Self {
        Self { key, sha1: OnceLock::new(), sha256: OnceLock::new() }
    }

    pub(crate) fn prove(&self, proof: &Proof<'_>) -> bool {
        let IntegrityCheck { header, body, mac } = &proof.check;
        let parts: [&[u8]; 2] = [header, body];
        match proof.algorithm {
            IntegrityAlgorithm::Sha1 => self.sha1().verify(&parts, mac),
            IntegrityAlgorithm::Sha256 => self.sha256().verify(&parts, mac),
        }
    }

    fn sha1(&self) -> &HmacSha1 {
        self.sha1.get_or_init(|| HmacSha1::new(self.key.as_bytes()))
    }

    fn sha256(&self) -> &HmacSha256 {
        self.sha256.get_or_init(|| HmacSha256::new(self.key.as_bytes()))
    }
}

/// The integrity attribute of a message that counts, and what it is about. The codec has checked its length.
pub(crate) struct Proof<'a> {
    pub(crate) algorithm: IntegrityAlgorithm,
    check: IntegrityCheck<'a>,
}

impl<'a> Proof<'a> {
    pub(crate) fn of(message: &Message<'a>) -> Result<Self, AuthError> {
        let (algorithm, check) = match message.integrity_sha256() {
            Ok(Some(check)) => (IntegrityAlgorithm::Sha256, check),
            Ok(None) => match message.integrity() {
                Ok(Some(check)) => (IntegrityAlgorithm::Sha1, check),
                Ok(None) => return Err(AuthError::NoIntegrity),
                Err(_) => return Err(AuthError::Malformed),
            },
            Err(_) => return Err(AuthError::Malformed),
        };
        Ok(Self { algorithm, check })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    #[test]
    fn rfc8489_b1_integrity_is_that_of_the_header_as_printed() {
        let text = include_str!("../tests/vectors/rfc8489-b.1.hex");
        let printed = hex(&text.lines().filter(|line| !line.starts_with('#')).collect::<String>());
        let (covered, attribute) = printed.split_at(printed.len() - 36);
        let (header, body) = covered.split_first_chunk().unwrap();
        let check = IntegrityCheck { header: *header, body, mac: &attribute[4..] };
        let username = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
        let credential = Credential::long_term(username, "example.org", "TheMatrIX", PasswordAlgorithmKind::Sha256);
        assert!(credential.proves(&Proof { algorithm: IntegrityAlgorithm::Sha256, check }));
        let front = IntegrityCheck { mac: &check.mac[..16], ..check };
        assert!(credential.proves(&Proof { algorithm: IntegrityAlgorithm::Sha256, check: front }));
    }

    #[test]
    fn a_credential_is_a_pointer_and_what_it_points_to_is_small() {
        assert_eq!(size_of::<Credential>(), size_of::<usize>());
        assert!(size_of::<Inner>() <= 320, "{} bytes per allocation", size_of::<Inner>());
    }
}
