//! The server's side: challenges, and the checks of RFC 8489 §9.2.4.

use crate::credential::Proof;
use crate::nonce::NonceSealer;
use crate::users::{Asked, Claim, Users};
use crate::{
    AuthError, Credential, Credentials, IntegrityAlgorithm, Nonce, NonceKey, PasswordAlgorithmKind, SecurityFeatures,
    UnixSeconds,
};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use stun_codec::{AttributeType, Message, MessageWriter, Method};

/// How long a nonce is good unless the configuration says otherwise: RFC 8656 §5 wants a new one at least every hour.
pub const DEFAULT_NONCE_LIFETIME: Duration = Duration::from_secs(3600);

/// The longest realm in bytes: a REALM of 127 characters fits (RFC 8489 §14.9).
pub const MAX_REALM_BYTES: usize = 509;

/// Says who may come in. Immutable: a reload makes another one.
///
/// Keeps nothing about clients, so one may be shared by all workers behind an `Arc`.
pub struct Authenticator {
    realm: Arc<str>,
    users: Users,
    nonces: NonceSealer,
    /// The value of PASSWORD-ALGORITHMS; empty when there is no such attribute.
    algorithms: Box<[u8]>,
    /// Whether a client that says no algorithm, and so means MD5, may come in.
    md5: bool,
}

impl Authenticator {
    /// Starts with the defaults: nonces good for an hour, SHA-256 and MD5 offered in this order.
    #[must_use]
    pub fn builder(realm: &str, credentials: Credentials, nonce_key: NonceKey) -> AuthenticatorBuilder {
        AuthenticatorBuilder {
            realm: realm.into(),
            credentials,
            nonce_key,
            nonce_lifetime: DEFAULT_NONCE_LIFETIME,
            algorithms: vec![PasswordAlgorithmKind::Sha256, PasswordAlgorithmKind::Md5],
        }
    }

    /// The realm of new allocations.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// What a 401 or 438 carries.
    ///
    /// `salt` must be unpredictable, and another one for each challenge: it is what keeps two nonces of one second apart.
    #[must_use]
    pub fn challenge(&self, client: IpAddr, now: UnixSeconds, salt: [u8; 4]) -> Challenge<'_> {
        Challenge { realm: &self.realm, nonce: self.nonces.seal(client, now, salt), algorithms: &self.algorithms }
    }

    /// Checks a request, and says whose it is.
    ///
    /// `kept` is the credential of the allocation that the request is about, if there is one. A request with the same user name,
    /// realm and password algorithm is checked with its key first: one HMAC, no allocation, and good even if the configuration
    /// no longer knows the user. Any other request stands on its own. Whether its
    /// [user](Credential::user_id) may touch the allocation (441) is the caller's question.
    ///
    /// The nonce is checked before the rest, so that only who can receive at its address can make us compute keys.
    ///
    /// # Errors
    /// Why not; [`AuthError::code`] is the answer's.
    pub fn verify(
        &self,
        request: &Message<'_>,
        client: IpAddr,
        now: UnixSeconds,
        kept: Option<&Credential>,
    ) -> Result<Verified, AuthError> {
        let proof = Proof::of(request)?;
        let (claim, realm, nonce) = read_claim(request)?;
        self.nonces.check(nonce.as_bytes(), client, now)?;
        let chosen = self.chosen_algorithm(request)?;
        let algorithm = chosen.unwrap_or(PasswordAlgorithmKind::Md5);

        let same = |kept: &&Credential| {
            kept.realm() == realm && kept.password_algorithm() == algorithm && claim.is(kept) && kept.proves(&proof)
        };
        if let Some(kept) = kept.filter(same) {
            // There is an allocation, so even an Allocate cannot make one: it repeats itself, or gets 437.
            if self.users.refuse_expired(false) && kept.expires().is_some_and(|expires| expires < now) {
                return Err(AuthError::Expired);
            }
            return Ok(Verified { credential: kept.clone(), integrity: proof.algorithm });
        }

        if realm != &*self.realm {
            return Err(AuthError::WrongRealm);
        }
        if chosen.is_none() && !self.md5 {
            return Err(AuthError::WeakAlgorithm);
        }
        let not_before = self.users.refuse_expired(request.method() == Method::Allocate).then_some(now);
        let asked = Asked { claim, realm: &self.realm, algorithm, proof: &proof, not_before };
        let credential = self.users.find(&asked)?;
        Ok(Verified { credential, integrity: proof.algorithm })
    }

    /// Whether the configuration would still give this credential its key; the realm may have changed, and so may the expiry.
    ///
    /// For what becomes of allocations whose user or secret was removed. Costs a key derivation per secret: ask once per
    /// reload and allocation.
    #[must_use]
    pub fn knows(&self, credential: &Credential) -> bool {
        self.users.know(credential)
    }

    /// The algorithm that the request says, `None` if it says none; refuses what a bid-down attack looks like.
    ///
    /// The nonce is known to be one that was given along with our list, so the list to compare with is ours.
    fn chosen_algorithm(&self, request: &Message<'_>) -> Result<Option<PasswordAlgorithmKind>, AuthError> {
        let one = request.password_algorithm().map_err(|_| AuthError::Malformed)?;
        let list = request.password_algorithms().map_err(|_| AuthError::Malformed)?;
        match (one, list) {
            (None, None) => Ok(None),
            (Some(one), Some(list))
                if *list.as_bytes() == *self.algorithms && list.into_iter().any(|offered| offered == one) =>
            {
                PasswordAlgorithmKind::from_id(one.id).map(Some).ok_or(AuthError::BidDown)
            }
            _ => Err(AuthError::BidDown),
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("realm", &self.realm)
            .field("users", &self.users)
            .field("nonces", &self.nonces)
            .finish_non_exhaustive()
    }
}

/// Name or its hash, realm and nonce of a request that has integrity (RFC 8489 §9.2.4, second check).
fn read_claim<'a>(request: &Message<'a>) -> Result<(Claim<'a>, &'a str, &'a str), AuthError> {
    let claim = match request.username().map_err(|_| AuthError::Malformed)? {
        Some(name) => Claim::Name(name),
        None => match request.userhash().map_err(|_| AuthError::Malformed)? {
            Some(hash) => Claim::Hash(hash),
            None => return Err(AuthError::MissingUsername),
        },
    };
    let realm = request.realm().map_err(|_| AuthError::Malformed)?.ok_or(AuthError::MissingRealm)?;
    let nonce = request.nonce().map_err(|_| AuthError::Malformed)?.ok_or(AuthError::MissingNonce)?;
    Ok((claim, realm, nonce))
}

/// Whose a request is.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What the allocation keeps from now on; a clone of `kept` if that was it.
    pub credential: Credential,
    /// What the reply is to be signed with.
    pub integrity: IntegrityAlgorithm,
}

/// What goes behind the ERROR-CODE of a 401 or 438: REALM, NONCE and PASSWORD-ALGORITHMS.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    realm: &'a str,
    nonce: Nonce,
    algorithms: &'a [u8],
}

impl<'a> Challenge<'a> {
    /// The same for a client that has an allocation: its realm is that of the allocation for life (RFC 8656 §5), even if new
    /// ones get another.
    #[must_use]
    pub fn with_realm(self, realm: &'a str) -> Self {
        Self { realm, ..self }
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &'a str {
        self.realm
    }

    /// The nonce.
    #[must_use]
    pub fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// Appends the attributes. With the default realm they make a 401 with an empty reason 104 bytes long.
    pub fn write(&self, writer: &mut MessageWriter<'_>) {
        writer.realm(self.realm).nonce(self.nonce.as_str());
        if !self.algorithms.is_empty() {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, self.algorithms);
        }
    }
}

/// What makes an [`Authenticator`].
#[derive(Debug)]
pub struct AuthenticatorBuilder {
    realm: Arc<str>,
    credentials: Credentials,
    nonce_key: NonceKey,
    nonce_lifetime: Duration,
    algorithms: Vec<PasswordAlgorithmKind>,
}

impl AuthenticatorBuilder {
    /// How long a nonce is good, in whole seconds; a client learns of a stale one by a 438 that carries the next.
    #[must_use]
    pub fn nonce_lifetime(mut self, lifetime: Duration) -> Self {
        self.nonce_lifetime = lifetime;
        self
    }

    /// The password algorithms offered, the best first.
    ///
    /// None at all: MD5 is used and PASSWORD-ALGORITHMS is not sent, as RFC 5389 has it. A list without MD5 shuts out clients of
    /// RFC 5389, browsers among them, with 401.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[PasswordAlgorithmKind]) -> Self {
        self.algorithms.clear();
        for algorithm in algorithms {
            if !self.algorithms.contains(algorithm) {
                self.algorithms.push(*algorithm);
            }
        }
        self
    }

    /// Derives the keys and is done.
    ///
    /// # Errors
    /// [`RealmTooLong`].
    pub fn build(self) -> Result<Authenticator, RealmTooLong> {
        if self.realm.len() > MAX_REALM_BYTES || self.realm.chars().count() > 127 {
            return Err(RealmTooLong);
        }
        let features = SecurityFeatures {
            password_algorithms: !self.algorithms.is_empty(),
            username_anonymity: matches!(self.credentials, Credentials::Static(_)),
        };
        let md5 = self.algorithms.is_empty() || self.algorithms.contains(&PasswordAlgorithmKind::Md5);
        // Number, and a length of zero: none of ours has parameters.
        let algorithms: Box<[u8]> = self
            .algorithms
            .iter()
            .flat_map(|algorithm| {
                let [high, low] = algorithm.id().to_be_bytes();
                [high, low, 0, 0]
            })
            .collect();
        Ok(Authenticator {
            nonces: NonceSealer::new(&self.nonce_key, features, &algorithms, self.nonce_lifetime),
            users: Users::new(self.credentials, &self.realm),
            realm: self.realm,
            algorithms,
            md5,
        })
    }
}

/// A realm must have fewer than 128 characters, in at most [`MAX_REALM_BYTES`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealmTooLong;

impl fmt::Display for RealmTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a realm has fewer than 128 characters, in at most {MAX_REALM_BYTES} bytes")
    }
}

impl std::error::Error for RealmTooLong {}
