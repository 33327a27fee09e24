//! Long-term keys: from user, realm and password to the bytes that HMAC takes.

use md5::Md5;
use sha2::Sha256;
use sha2::digest::Digest;
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// How a long-term key is made of a password ([RFC 8489 §18.5](https://www.rfc-editor.org/rfc/rfc8489#section-18.5)).
///
/// That is another question than which HMAC the message carries: see [`IntegrityAlgorithm`](crate::IntegrityAlgorithm).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PasswordAlgorithmKind {
    /// `MD5(username ":" realm ":" password)`, 16 bytes: what every client of RFC 5389 does.
    Md5,
    /// `SHA-256(username ":" realm ":" password)`, 32 bytes.
    Sha256,
}

impl PasswordAlgorithmKind {
    /// The number in PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha256 => 2,
        }
    }

    /// The algorithm of a number, if it is one that this crate has.
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// A long-term key, wiped when dropped.
#[derive(Clone)]
pub(crate) struct LongTermKey {
    /// Zero behind the key's own length: that of the hash.
    bytes: Zeroizing<[u8; 32]>,
    pub(crate) algorithm: PasswordAlgorithmKind,
}

impl LongTermKey {
    pub(crate) fn derive(algorithm: PasswordAlgorithmKind, username: &str, realm: &str, password: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        match algorithm {
            PasswordAlgorithmKind::Md5 => hash_into::<Md5>(&mut bytes[..16], username, realm, password),
            PasswordAlgorithmKind::Sha256 => hash_into::<Sha256>(&mut bytes[..], username, realm, password),
        }
        Self { bytes, algorithm }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self.algorithm {
            PasswordAlgorithmKind::Md5 => &self.bytes[..16],
            PasswordAlgorithmKind::Sha256 => &self.bytes[..],
        }
    }
}

/// In constant time for keys of one algorithm.
impl PartialEq for LongTermKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && bool::from(self.bytes.as_slice().ct_eq(other.bytes.as_slice()))
    }
}

impl fmt::Debug for LongTermKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongTermKey({:?}, redacted)", self.algorithm)
    }
}

fn hash_into<H: Digest>(out: &mut [u8], username: &str, realm: &str, password: &[u8]) {
    let hash = H::new()
        .chain_update(username)
        .chain_update(b":")
        .chain_update(realm)
        .chain_update(b":")
        .chain_update(password);
    match out.try_into() {
        // In place: no copy of the key stays behind on the stack.
        Ok(out) => hash.finalize_into(out),
        Err(_) => unreachable!("the caller's slice is as long as the hash"),
    }
}

/// The value of USERHASH: `SHA-256(username ":" realm)`
/// ([RFC 8489 §14.4](https://www.rfc-editor.org/rfc/rfc8489#section-14.4)). It hides the name from who listens in, and is no secret.
#[must_use]
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    Sha256::new().chain_update(username).chain_update(b":").chain_update(realm).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;
    use PasswordAlgorithmKind::{Md5, Sha256};
    use zeroize::ZeroizeOnDrop;

    #[test]
    fn rfc8489_b1_userhash() {
        let hash = userhash("\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}", "example.org");
        assert_eq!(hash.to_vec(), hex("4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"));
    }

    #[test]
    fn rfc8489_9_2_2_md5_example() {
        let key = LongTermKey::derive(Md5, "user", "realm", b"pass");
        assert_eq!(key.as_bytes(), hex("8493fbc53ba582fb4c044c456bdc40eb"));
    }

    #[test]
    fn algorithms_give_keys_of_their_own_length_that_differ() {
        let (md5, sha) = (LongTermKey::derive(Md5, "u", "r", b"p"), LongTermKey::derive(Sha256, "u", "r", b"p"));
        assert_eq!((md5.as_bytes().len(), sha.as_bytes().len()), (16, 32));
        assert_ne!(md5, sha);
        assert_eq!(md5, LongTermKey::derive(Md5, "u", "r", b"p"));
        assert_ne!(md5, LongTermKey::derive(Md5, "u", "r", b"q"));
    }

    #[test]
    fn rfc8489_b1_key() {
        let username = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
        let key = LongTermKey::derive(Sha256, username, "example.org", b"TheMatrIX");
        assert_eq!(key.as_bytes(), &hex("dd295a613b9058c3c23d6dc7165bda072304d989c9d0af3a8c7e184b4f9bb4a1"));
    }

    /// Holds only with the hash crates' `zeroize` feature, which is easily lost when a dependency is bumped.
    #[test]
    fn hash_states_and_keys_are_wiped_when_dropped() {
        fn wiped<T: ZeroizeOnDrop>() {}
        wiped::<md5::Md5>();
        wiped::<sha1::Sha1>();
        wiped::<sha2::Sha256>();
        wiped::<Zeroizing<[u8; 32]>>();
    }

    #[test]
    fn numbers_round_trip() {
        for algorithm in [Md5, Sha256] {
            assert_eq!(PasswordAlgorithmKind::from_id(algorithm.id()), Some(algorithm));
        }
        assert_eq!(PasswordAlgorithmKind::from_id(0), None);
        assert_eq!(PasswordAlgorithmKind::from_id(3), None);
    }
}
