//! The client's side: answering a challenge (RFC 8489 §9.2.5).

use crate::{AuthError, Credential, IntegrityAlgorithm, Password, PasswordAlgorithmKind, SecurityFeatures};
use std::fmt;
use stun_codec::{AttributeType, Message, MessageWriter};

/// What a client knows about itself and about the server's last challenge.
///
/// Feed it each 401 and 438; it then completes each request and checks each reply.
#[derive(Debug)]
pub struct ClientAuth {
    username: String,
    password: Password,
    answer: Option<Answer>,
}

#[derive(Debug)]
struct Answer {
    credential: Credential,
    nonce: String,
    /// PASSWORD-ALGORITHMS as it came; `None` if it did not.
    algorithms: Option<Vec<u8>>,
    anonymous: bool,
}

impl ClientAuth {
    /// Knows nothing of a server yet.
    #[must_use]
    pub fn new(username: &str, password: Password) -> Self {
        Self { username: username.to_owned(), password, answer: None }
    }

    /// Takes in a 401 or 438. The key is derived anew only if realm or algorithm changed.
    ///
    /// # Errors
    /// When the challenge cannot or must not be answered; the last one stays.
    pub fn challenged(&mut self, reply: &Message<'_>) -> Result<(), ChallengeError> {
        let realm = reply.realm().map_err(|_| ChallengeError::Malformed)?.ok_or(ChallengeError::Malformed)?;
        let nonce = reply.nonce().map_err(|_| ChallengeError::Malformed)?.ok_or(ChallengeError::Malformed)?;
        let features = SecurityFeatures::of_nonce(nonce.as_bytes());
        let offered = reply.password_algorithms().map_err(|_| ChallengeError::Malformed)?;
        let algorithm = match offered {
            Some(mut offered) => offered
                .find_map(|one| PasswordAlgorithmKind::from_id(one.id).filter(|_| one.params.is_empty()))
                .ok_or(ChallengeError::NoCommonAlgorithm)?,
            None if features.password_algorithms => return Err(ChallengeError::BidDown),
            None => PasswordAlgorithmKind::Md5,
        };
        let same = |known: &Credential| known.realm() == realm && known.password_algorithm() == algorithm;
        let credential = match self.answer.take() {
            Some(answer) if same(&answer.credential) => answer.credential,
            _ => Credential::long_term(&self.username, realm, self.password.as_str(), algorithm),
        };
        self.answer = Some(Answer {
            credential,
            nonce: nonce.to_owned(),
            algorithms: offered.map(|offered| offered.as_bytes().to_vec()),
            anonymous: features.username_anonymity,
        });
        Ok(())
    }

    /// Whether there was a challenge: if so, requests are signed, and unsigned replies are suspect.
    #[must_use]
    pub fn is_challenged(&self) -> bool {
        self.answer.is_some()
    }

    /// Completes a request: who, realm, nonce, algorithms, integrity. Only FINGERPRINT may follow. Does nothing before the first
    /// challenge.
    pub fn complete(&self, writer: &mut MessageWriter<'_>) {
        let Some(answer) = &self.answer else { return };
        if answer.anonymous {
            writer.userhash(&answer.credential.userhash());
        } else {
            writer.username(&self.username);
        }
        writer.realm(answer.credential.realm()).nonce(&answer.nonce);
        if let Some(algorithms) = &answer.algorithms {
            let chosen = answer.credential.password_algorithm().id().to_be_bytes();
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, algorithms);
            writer.attribute(AttributeType::PASSWORD_ALGORITHM, &[chosen[0], chosen[1], 0, 0]);
        }
        answer.credential.sign(writer, answer.integrity());
    }

    /// Checks a reply to a signed request.
    ///
    /// 401 and 438 come unsigned by their nature, and so may any error before the server knew us: a reply that fails here
    /// proves nothing, and one that succeeds is the server's.
    ///
    /// # Errors
    /// [`AuthError::NoIntegrity`] also when the reply carries a weaker attribute than the request.
    pub fn check(&self, reply: &Message<'_>) -> Result<(), AuthError> {
        let answer = self.answer.as_ref().ok_or(AuthError::NoIntegrity)?;
        let found = answer.credential.verify(reply)?;
        if found == answer.integrity() { Ok(()) } else { Err(AuthError::NoIntegrity) }
    }
}

impl Answer {
    /// A server that lists password algorithms knows RFC 8489, and so the better MAC.
    fn integrity(&self) -> IntegrityAlgorithm {
        match self.algorithms {
            Some(_) => IntegrityAlgorithm::Sha256,
            None => IntegrityAlgorithm::Sha1,
        }
    }
}

/// Why a challenge cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChallengeError {
    /// REALM or NONCE is missing, or an attribute is malformed.
    Malformed,
    /// The nonce announces PASSWORD-ALGORITHMS, which is not there: somebody took it out.
    BidDown,
    /// The server offers only password algorithms that this crate does not have.
    NoCommonAlgorithm,
}

impl fmt::Display for ChallengeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the challenge has no REALM or NONCE, or is malformed",
            Self::BidDown => "somebody took PASSWORD-ALGORITHMS out of the challenge",
            Self::NoCommonAlgorithm => "the server offers no password algorithm that is known here",
        })
    }
}

impl std::error::Error for ChallengeError {}
