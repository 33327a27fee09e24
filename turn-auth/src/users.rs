//! Who the users are: a fixed list, whoever a shared secret vouches for, or nobody.

use crate::credential::{Keys, Proof};
use crate::key::LongTermKey;
use crate::user::Stamp;
use crate::{AuthError, Credential, Password, PasswordAlgorithmKind, Secret, UnixSeconds, UserId};
use std::fmt;
use std::sync::Arc;

/// Which users there are.
///
/// [`User names, passwords and realms are compared as they are`](crate#what-is-compared).
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A fixed list of user names and passwords. A name may come twice: either password is good, which makes changing one painless.
    Static(Vec<(String, Password)>),
    /// Ephemeral ("TURN REST") credentials: the user name carries its own expiry (`ts`, `ts:user`, `user:ts`, `user:ts:junk`), and
    /// [its password](crate::ephemeral_password) follows from a shared secret.
    Ephemeral {
        /// All good at once, the one in use first: to roll over, put the new one in front, and drop the old one when what it
        /// vouched for has expired.
        secrets: Vec<Secret>,
        /// Which requests an expired user name may still make.
        expiry: Expiry,
    },
    /// Nobody. A request without integrity gets the usual 401, and one with integrity 400 ([`AuthError::Disabled`]), as upstream
    /// STUNner answers: there is no user that a second try could be.
    None,
}

/// Which requests an expired ephemeral user name may still make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// All but an Allocate: a call lives on for as long as it refreshes. This is what REST services that stamp short expect.
    #[default]
    AllocateOnly,
    /// None: a call ends at its first refresh after the stamp.
    Strict,
}

/// Who a request says it is from.
#[derive(Clone, Copy)]
pub(crate) enum Claim<'a> {
    Name(&'a str),
    Hash([u8; 32]),
}

impl Claim<'_> {
    pub(crate) fn is(&self, credential: &Credential) -> bool {
        match self {
            Self::Name(name) => *name == credential.username(),
            Self::Hash(hash) => *hash == credential.userhash(),
        }
    }
}

/// What a request says, and what it has to stand up to.
pub(crate) struct Asked<'a> {
    pub(crate) claim: Claim<'a>,
    /// Ours.
    pub(crate) realm: &'a Arc<str>,
    pub(crate) algorithm: PasswordAlgorithmKind,
    pub(crate) proof: &'a Proof<'a>,
    /// Refuse user names that expired before this; `None` lets them pass.
    pub(crate) not_before: Option<UnixSeconds>,
}

/// [`Credentials`], ready to be asked.
pub(crate) enum Users {
    Static(StaticUsers),
    Ephemeral { secrets: Vec<Secret>, expiry: Expiry },
    None,
}

impl Users {
    pub(crate) fn new(credentials: Credentials, realm: &Arc<str>) -> Self {
        match credentials {
            Credentials::Static(users) => Self::Static(StaticUsers::new(users, realm)),
            Credentials::Ephemeral { secrets, expiry } => Self::Ephemeral { secrets, expiry },
            Credentials::None => Self::None,
        }
    }

    /// Whether a request with an expired user name is refused: one that makes an allocation always is.
    pub(crate) fn refuse_expired(&self, allocates: bool) -> bool {
        match self {
            Self::Ephemeral { expiry, .. } => allocates || *expiry == Expiry::Strict,
            Self::Static(_) | Self::None => false,
        }
    }

    /// The credential that proves the message.
    pub(crate) fn find(&self, asked: &Asked<'_>) -> Result<Credential, AuthError> {
        match (self, asked.claim) {
            (Self::Static(users), _) => users.find(asked),
            (Self::Ephemeral { secrets, .. }, Claim::Name(name)) => find_ephemeral(secrets, name, asked),
            // A hash of a name that is in no list cannot be undone; the nonce does not offer it either.
            (Self::Ephemeral { .. }, Claim::Hash(_)) => Err(AuthError::UnknownUser),
            (Self::None, _) => Err(AuthError::Disabled),
        }
    }

    /// Whether these users, asked today, would give the credential its key, in the credential's own realm.
    pub(crate) fn know(&self, credential: &Credential) -> bool {
        let (name, realm, algorithm) = (credential.username(), credential.realm(), credential.password_algorithm());
        match self {
            Self::Static(users) => users.named(name).any(|user| {
                credential.has_key(&LongTermKey::derive(algorithm, name, realm, user.password.as_str().as_bytes()))
            }),
            Self::Ephemeral { secrets, .. } => {
                Stamp::parse(name).is_some()
                    && secrets.iter().any(|secret| credential.has_key(&ephemeral_key(secret, name, realm, algorithm)))
            }
            Self::None => false,
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(users) => write!(f, "Static({} users)", users.by_name.len()),
            Self::Ephemeral { secrets, expiry } => write!(f, "Ephemeral({} secrets, {expiry:?})", secrets.len()),
            Self::None => f.write_str("None"),
        }
    }
}

fn find_ephemeral(secrets: &[Secret], name: &str, asked: &Asked<'_>) -> Result<Credential, AuthError> {
    let stamp = Stamp::parse(name).ok_or(AuthError::UnknownUser)?;
    if asked.not_before.is_some_and(|now| stamp.expires < now) {
        return Err(AuthError::Expired);
    }
    secrets
        .iter()
        .map(|secret| Keys::new(ephemeral_key(secret, name, asked.realm, asked.algorithm)))
        .find(|keys| keys.prove(asked.proof))
        .map(|keys| Credential::new(UserId::stamped(name, &stamp), Arc::clone(asked.realm), Some(stamp.expires), keys))
        .ok_or(AuthError::BadIntegrity)
}

fn ephemeral_key(secret: &Secret, name: &str, realm: &str, algorithm: PasswordAlgorithmKind) -> LongTermKey {
    LongTermKey::derive(algorithm, name, realm, secret.password(name).as_slice())
}

/// The fixed list. Keys are derived when the list is made: a request costs no MD5 and no allocation.
pub(crate) struct StaticUsers {
    by_name: Vec<StaticUser>,
    /// USERHASH and index into `by_name`, sorted.
    by_hash: Vec<([u8; 32], usize)>,
    /// Proves nothing, and takes as long as a user's key to do so.
    decoy: StaticUser,
}

struct StaticUser {
    password: Password,
    md5: Credential,
    sha256: Credential,
}

impl StaticUser {
    fn new(name: &str, password: Password, realm: &Arc<str>) -> Self {
        let user = UserId::new(name);
        let credential = |algorithm| {
            let key = LongTermKey::derive(algorithm, name, realm, password.as_str().as_bytes());
            Credential::new(user.clone(), Arc::clone(realm), None, Keys::new(key))
        };
        Self {
            md5: credential(PasswordAlgorithmKind::Md5),
            sha256: credential(PasswordAlgorithmKind::Sha256),
            password,
        }
    }

    fn name(&self) -> &str {
        self.md5.username()
    }

    fn credential(&self, algorithm: PasswordAlgorithmKind) -> &Credential {
        match algorithm {
            PasswordAlgorithmKind::Md5 => &self.md5,
            PasswordAlgorithmKind::Sha256 => &self.sha256,
        }
    }
}

impl StaticUsers {
    fn new(users: Vec<(String, Password)>, realm: &Arc<str>) -> Self {
        let mut by_name: Vec<StaticUser> =
            users.into_iter().map(|(name, password)| StaticUser::new(&name, password, realm)).collect();
        by_name.sort_by(|a, b| a.name().cmp(b.name()));
        let mut by_hash: Vec<([u8; 32], usize)> =
            by_name.iter().enumerate().map(|(index, user)| (user.md5.userhash(), index)).collect();
        by_hash.sort_unstable();
        Self { by_name, by_hash, decoy: StaticUser::new("", Password::from(""), realm) }
    }

    fn find(&self, asked: &Asked<'_>) -> Result<Credential, AuthError> {
        let mut known = false;
        let mut proves = |user: &&StaticUser| {
            known = true;
            user.credential(asked.algorithm).proves(asked.proof)
        };
        let found = match asked.claim {
            Claim::Name(name) => self.named(name).find(&mut proves),
            Claim::Hash(hash) => self.hashed(hash).find(&mut proves),
        };
        match found {
            Some(user) => Ok(user.credential(asked.algorithm).clone()),
            None if known => Err(AuthError::BadIntegrity),
            None => {
                // The answer's delay must not say which names there are.
                std::hint::black_box(self.decoy.credential(asked.algorithm).proves(asked.proof));
                Err(AuthError::UnknownUser)
            }
        }
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &StaticUser> {
        let from = self.by_name.partition_point(|user| user.name() < name);
        self.by_name.iter().skip(from).take_while(move |user| user.name() == name)
    }

    fn hashed(&self, hash: [u8; 32]) -> impl Iterator<Item = &StaticUser> {
        let from = self.by_hash.partition_point(|(known, _)| *known < hash);
        let same = self.by_hash.iter().skip(from).take_while(move |(known, _)| *known == hash);
        same.filter_map(|(_, index)| self.by_name.get(*index))
    }
}
