//! How a request is authenticated (RFC 8489 §9.2).

use super::crypto;
use super::reply::Reply;
use super::wire::{Draft, attr};

/// A user name and its password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// USERNAME.
    pub username: String,
    /// What its key is made of.
    pub password: String,
}

/// How a request proves who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// MD5 key, MESSAGE-INTEGRITY, no algorithm named: what every deployed client does.
    Classic,
    /// PASSWORD-ALGORITHM = MD5 and MESSAGE-INTEGRITY-SHA256.
    Md5,
    /// PASSWORD-ALGORITHM = SHA-256 and MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

impl Scheme {
    /// The value of PASSWORD-ALGORITHM.
    pub fn algorithm(self) -> Option<[u8; 4]> {
        match self {
            Self::Classic => None,
            Self::Md5 => Some([0, 1, 0, 0]),
            Self::Sha256 => Some([0, 2, 0, 0]),
        }
    }
}

/// What goes into an authenticated request. Change or remove any part to make it a bad one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// USERNAME or, if `userhash` is set, what its hash is made of; none is left out.
    pub username: Option<String>,
    /// Send USERHASH in USERNAME's place.
    pub userhash: bool,
    /// REALM.
    pub realm: Option<String>,
    /// NONCE.
    pub nonce: Option<Vec<u8>>,
    /// PASSWORD-ALGORITHMS, echoed unless the scheme is classic.
    pub offered: Option<Vec<u8>>,
    /// PASSWORD-ALGORITHM.
    pub chosen: Option<Vec<u8>>,
    /// The long-term key.
    pub key: Vec<u8>,
    /// Which integrity attribute.
    pub scheme: Scheme,
}

impl Signer {
    /// Appends the credentials, without an integrity attribute.
    pub fn identify(&self, mut draft: Draft) -> Draft {
        if let Some(username) = &self.username {
            draft = if self.userhash {
                draft.attr(attr::USERHASH, &crypto::userhash(username, self.realm.as_deref().unwrap_or_default()))
            } else {
                draft.attr(attr::USERNAME, username.as_bytes())
            };
        }
        let optional = [
            (attr::REALM, self.realm.as_ref().map(String::as_bytes)),
            (attr::NONCE, self.nonce.as_deref()),
            (attr::PASSWORD_ALGORITHMS, self.offered.as_deref()),
            (attr::PASSWORD_ALGORITHM, self.chosen.as_deref()),
        ];
        for (typ, value) in optional {
            if let Some(value) = value {
                draft = draft.attr(typ, value);
            }
        }
        draft
    }

    /// Appends credentials and integrity.
    pub fn sign(&self, draft: Draft) -> Draft {
        let draft = self.identify(draft);
        match self.scheme {
            Scheme::Classic => draft.integrity(&self.key),
            Scheme::Md5 | Scheme::Sha256 => draft.integrity_sha256(&self.key, 32),
        }
    }

    /// Whether an answer carries the integrity attribute that it owes, and it is right.
    pub fn vouches(&self, reply: &Reply) -> Option<bool> {
        reply.integrity(&self.key, self.scheme != Scheme::Classic)
    }
}
