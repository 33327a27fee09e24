//! Why a request was not let in.

use std::fmt;

/// Why a request was refused. `Copy` and without heap; [`name`](Self::name) is the metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthError {
    /// Neither MESSAGE-INTEGRITY nor MESSAGE-INTEGRITY-SHA256: what every client's first request gets.
    NoIntegrity,
    /// An attribute that authentication needs is malformed.
    Malformed,
    /// Integrity, but neither USERNAME nor USERHASH.
    MissingUsername,
    /// Integrity without REALM.
    MissingRealm,
    /// Integrity without NONCE.
    MissingNonce,
    /// PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS do not fit each other and the list that was offered: somebody may have
    /// taken the better algorithms out of the challenge.
    BidDown,
    /// There is no authentication (`auth.type: none`), so nobody to be.
    Disabled,
    /// The nonce is not ours, or was given to another address, or under another configuration.
    ForeignNonce,
    /// The nonce was ours once.
    StaleNonce,
    /// REALM is neither ours nor that of the allocation.
    WrongRealm,
    /// No such user; with ephemeral credentials, a user name without a stamp, or a USERHASH.
    UnknownUser,
    /// The user name's stamp is in the past.
    Expired,
    /// The client says no algorithm and so means MD5, which is not offered.
    WeakAlgorithm,
    /// The key is not the one that made the message's integrity.
    BadIntegrity,
}

impl AuthError {
    /// All of them, so that a metric can have its labels from the start.
    pub const ALL: &'static [Self] = &[
        Self::NoIntegrity,
        Self::Malformed,
        Self::MissingUsername,
        Self::MissingRealm,
        Self::MissingNonce,
        Self::BidDown,
        Self::Disabled,
        Self::ForeignNonce,
        Self::StaleNonce,
        Self::WrongRealm,
        Self::UnknownUser,
        Self::Expired,
        Self::WeakAlgorithm,
        Self::BadIntegrity,
    ];

    /// The STUN error code of the answer ([RFC 8489 §9.2.4](https://www.rfc-editor.org/rfc/rfc8489#section-9.2.4)).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Malformed
            | Self::MissingUsername
            | Self::MissingRealm
            | Self::MissingNonce
            | Self::BidDown
            | Self::Disabled => 400,
            Self::ForeignNonce | Self::StaleNonce => 438,
            Self::NoIntegrity
            | Self::WrongRealm
            | Self::UnknownUser
            | Self::Expired
            | Self::WeakAlgorithm
            | Self::BadIntegrity => 401,
        }
    }

    /// Whether the answer carries a [`Challenge`](crate::Challenge): 401 and 438 do, 400 does not.
    #[must_use]
    pub const fn needs_challenge(self) -> bool {
        self.code() != 400
    }

    /// A short name in snake case, for a metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoIntegrity => "no_integrity",
            Self::Malformed => "malformed",
            Self::MissingUsername => "missing_username",
            Self::MissingRealm => "missing_realm",
            Self::MissingNonce => "missing_nonce",
            Self::BidDown => "bid_down",
            Self::Disabled => "disabled",
            Self::ForeignNonce => "foreign_nonce",
            Self::StaleNonce => "stale_nonce",
            Self::WrongRealm => "wrong_realm",
            Self::UnknownUser => "unknown_user",
            Self::Expired => "expired",
            Self::WeakAlgorithm => "weak_algorithm",
            Self::BadIntegrity => "bad_integrity",
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

impl std::error::Error for AuthError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_codes_are_those_of_the_rfc() {
        let names: std::collections::HashSet<_> = AuthError::ALL.iter().map(|error| error.name()).collect();
        assert_eq!(names.len(), AuthError::ALL.len());
        for error in AuthError::ALL {
            assert!(matches!(error.code(), 400 | 401 | 438), "{error}");
            assert_eq!(error.needs_challenge(), error.code() != 400);
        }
    }
}
