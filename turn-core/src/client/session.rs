//! What the server's challenges left behind: realm, nonce, algorithms and the key that goes with them.

use stun_codec::{AttributeError, AttributeType, Message, MessageWriter, PasswordAlgorithm};
use turn_auth::{Credential, IntegrityAlgorithm, PasswordAlgorithmKind, SecurityFeatures, userhash};

use super::config::{Credentials, HashPolicy};
use super::event::Failure;

/// What one request was signed with. Its answer is checked with the same (RFC 8489 §9.2.5).
#[derive(Clone, Debug)]
pub(super) struct Signer {
    credential: Credential,
    integrity: IntegrityAlgorithm,
}

impl Signer {
    pub(super) fn realm(&self) -> &str {
        self.credential.realm()
    }

    /// Whether the message was made by somebody who has the key. A request under SHA-256 has no answer under SHA-1.
    pub(super) fn verifies(&self, message: &Message<'_>) -> bool {
        match (self.integrity, self.credential.verify(message)) {
            (IntegrityAlgorithm::Sha256, Ok(found)) => found == IntegrityAlgorithm::Sha256,
            (IntegrityAlgorithm::Sha1, Ok(_)) => true,
            (_, Err(_)) => false,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    nonce: Box<str>,
    signer: Signer,
    /// The server's PASSWORD-ALGORITHMS as it came, which each request repeats, and the one that was taken from it.
    offer: Option<(Box<[u8]>, PasswordAlgorithmKind)>,
    /// In place of USERNAME where the nonce says so (RFC 8489 §9.2.5).
    userhash: Option<[u8; 32]>,
}

impl Session {
    /// Takes in the REALM, NONCE and PASSWORD-ALGORITHMS of a 401, 438 or 300.
    pub(super) fn challenged(
        credentials: &Credentials,
        policy: HashPolicy,
        message: &Message<'_>,
        earlier: Option<&Self>,
    ) -> Result<Self, Failure> {
        let malformed = |_: AttributeError| Failure::Malformed;
        let nonce = message.nonce().map_err(malformed)?.ok_or(Failure::Malformed)?;
        // A 438 without REALM is against the RFC, but leaves no doubt.
        let realm = message.realm().map_err(malformed)?.or(earlier.map(|session| session.signer.realm()));
        let realm = realm.ok_or(Failure::Malformed)?;
        let features = match policy {
            HashPolicy::Rfc5389 => SecurityFeatures::default(),
            HashPolicy::ServerOrder | HashPolicy::PreferSha256 => SecurityFeatures::of_nonce(nonce.as_bytes()),
        };
        let offer = choose(policy, features, message)?;
        let algorithm = offer.as_ref().map_or(PasswordAlgorithmKind::Md5, |(_, chosen)| *chosen);
        let signer = match earlier {
            Some(session) if session.signer.realm() == realm && session.algorithm() == algorithm => {
                session.signer.credential.clone()
            }
            _ => Credential::long_term(credentials.username(), realm, credentials.password(), algorithm),
        };
        // RFC 8489 §9.2.5: where PASSWORD-ALGORITHMS is offered, everything from here on is signed with SHA-256 only.
        let integrity = if offer.is_some() { IntegrityAlgorithm::Sha256 } else { IntegrityAlgorithm::Sha1 };
        Ok(Self {
            nonce: nonce.into(),
            signer: Signer { credential: signer, integrity },
            offer,
            userhash: features.username_anonymity.then(|| userhash(credentials.username(), realm)),
        })
    }

    /// Whether requests under this session would be signed as one was that `signer` signed.
    pub(super) fn would_repeat(&self, signer: &Signer) -> bool {
        self.signer.realm() == signer.realm()
            && self.signer.integrity == signer.integrity
            && self.algorithm() == signer.credential.password_algorithm()
    }

    fn algorithm(&self) -> PasswordAlgorithmKind {
        self.signer.credential.password_algorithm()
    }

    /// Ends a request: who asks, and the message integrity.
    pub(super) fn sign(&self, username: &str, writer: &mut MessageWriter<'_>) -> Signer {
        match &self.userhash {
            Some(hash) => writer.userhash(hash),
            None => writer.username(username),
        };
        writer.realm(self.signer.realm()).nonce(&self.nonce);
        if let Some((raw, chosen)) = &self.offer {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, raw);
            writer.password_algorithm(PasswordAlgorithm { id: chosen.id(), params: &[] });
        }
        self.signer.credential.sign(writer, self.signer.integrity);
        self.signer.clone()
    }
}

/// Whether a nonce in this message promises PASSWORD-ALGORITHMS that are not there.
pub(super) fn is_bid_down(policy: HashPolicy, message: &Message<'_>) -> bool {
    policy != HashPolicy::Rfc5389
        && !message.has(AttributeType::PASSWORD_ALGORITHMS)
        && message
            .attribute(AttributeType::NONCE)
            .is_some_and(|nonce| SecurityFeatures::of_nonce(nonce).password_algorithms)
}

type Offer = Option<(Box<[u8]>, PasswordAlgorithmKind)>;

/// RFC 8489 §9.2.5: the first algorithm of the list that is known here, unless the caller prefers SHA-256.
fn choose(policy: HashPolicy, features: SecurityFeatures, message: &Message<'_>) -> Result<Offer, Failure> {
    if policy == HashPolicy::Rfc5389 {
        return Ok(None);
    }
    let Some(list) = message.password_algorithms().map_err(|_| Failure::Malformed)? else {
        return if features.password_algorithms { Err(Failure::BidDown) } else { Ok(None) };
    };
    let raw = list.as_bytes();
    let known: Vec<_> = list
        .filter(|entry| entry.params.is_empty())
        .filter_map(|entry| PasswordAlgorithmKind::from_id(entry.id))
        .collect();
    let sha256 = Some(PasswordAlgorithmKind::Sha256)
        .filter(|sha256| policy == HashPolicy::PreferSha256 && known.contains(sha256));
    let chosen = sha256.or(known.first().copied()).ok_or(Failure::NoCommonAlgorithm)?;
    Ok(Some((raw.into(), chosen)))
}
