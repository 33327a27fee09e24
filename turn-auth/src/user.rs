//! User names: whose they are, and how long they are good for.

use crate::UnixSeconds;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Whom quotas, `441 (Wrong Credentials)` and mobility tickets are about.
///
/// With static credentials that is the user name. With ephemeral ones it is what follows the stamp in `stamp:user`, so that
/// a user who comes back with a fresh stamp is still the same one; any other form counts as a whole.
///
/// Compares, hashes and prints as [`as_str`](Self::as_str). Clients choose these: never let one be a format string or a metric label.
#[derive(Clone)]
pub struct UserId {
    /// The whole user name, which a [`Credential`](crate::Credential) needs as well: one allocation serves both.
    name: Arc<str>,
    /// Where in `name` the id starts, in bytes.
    start: usize,
}

impl UserId {
    /// The id of a user whose name has no stamp.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), start: 0 }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.name.get(self.start..).unwrap_or_default()
    }

    pub(crate) fn stamped(name: &str, stamp: &Stamp) -> Self {
        Self { name: name.into(), start: stamp.id_start }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl PartialEq for UserId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for UserId {}

impl Hash for UserId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for UserId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UserId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl std::borrow::Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What the name of an ephemeral ("TURN REST") user says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The last second in which the name is good: that of the stamp itself still is.
    pub(crate) expires: UnixSeconds,
    /// Where the user id starts, in bytes.
    id_start: usize,
}

impl Stamp {
    /// Reads `ts`, `ts:user`, `user:ts` and `user:ts:junk`: the first part that is an integer is the stamp.
    ///
    /// A name without one is nobody's: deployed REST services always stamp, and a name that never expires must not be had by
    /// leaving the stamp out.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let stamp = name.split(':').find_map(|part| part.parse::<i64>().ok())?;
        // A stamp before 1970 is as expired as one of 1970.
        let expires = UnixSeconds(u64::try_from(stamp).unwrap_or(0));
        let id_start = match name.split_once(':') {
            Some((first, rest)) if !rest.is_empty() && first.parse::<i64>().is_ok() => name.len() - rest.len(),
            _ => 0,
        };
        Some(Self { expires, id_start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str) -> Option<(u64, String)> {
        Stamp::parse(name).map(|stamp| (stamp.expires.0, UserId::stamped(name, &stamp).as_str().to_owned()))
    }

    #[test]
    fn every_username_form_has_its_stamp_and_user_id() {
        for (name, stamp, id) in [
            ("1700000000", 1_700_000_000, "1700000000"),
            ("1700000000:alice", 1_700_000_000, "alice"),
            ("1700000000:alice:phone", 1_700_000_000, "alice:phone"),
            ("1700000000:42", 1_700_000_000, "42"),
            ("1700000000:", 1_700_000_000, "1700000000:"),
            ("alice:1700000000", 1_700_000_000, "alice:1700000000"),
            ("alice:1700000000:junk", 1_700_000_000, "alice:1700000000:junk"),
            ("alice:1700000000:1800000000", 1_700_000_000, "alice:1700000000:1800000000"),
            (":1700000000", 1_700_000_000, ":1700000000"),
            ("-5:alice", 0, "alice"),
            ("+1700000000:alice", 1_700_000_000, "alice"),
            ("99999999999999999999:1700000000", 1_700_000_000, "99999999999999999999:1700000000"),
            ("マト:1700000000", 1_700_000_000, "マト:1700000000"),
            ("1700000000:マト", 1_700_000_000, "マト"),
        ] {
            assert_eq!(parsed(name), Some((stamp, id.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_name_without_stamp_is_nobodys() {
        for name in
            ["", "alice", "alice:bob", ":", "::", "1e9", "0x10:alice", " 1700000000", "17_00", "99999999999999999999"]
        {
            assert_eq!(parsed(name), None, "{name}");
        }
    }

    #[test]
    fn two_stamps_of_one_user_are_one_user_id() {
        let id = |name: &str| UserId::stamped(name, &Stamp::parse(name).unwrap());
        assert_eq!(id("100:alice"), id("200:alice"));
        assert_eq!(id("100:alice"), UserId::new("alice"));
        assert_ne!(id("alice:100"), id("alice:200"));
        let set: std::collections::HashSet<UserId> = [id("100:alice"), id("200:alice")].into();
        assert_eq!(set.len(), 1);
        assert!(set.contains("alice"));
        assert_eq!(format!("{:?}", UserId::new("a\n\"b")), r#""a\n\"b""#);
    }
}
