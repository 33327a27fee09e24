//! Nonces that no table remembers: each carries its own proof.
//!
//! A nonce is 40 characters: the nonce cookie of RFC 8489 §9.2 (`obMatJos2` and four base64 characters of security features), then
//! base64 of time (4 bytes), salt (4) and MAC (12). The MAC covers the features, time, salt, the client's address and the list of
//! password algorithms that the challenge carries. So a client that changes its address needs a new one, an attacker in the path
//! can strip neither feature nor algorithm, and a server that changes its list answers 438 with the new list.

use crate::hmac::HmacSha256;
use crate::secret::NonceKey;
use crate::{AuthError, UnixSeconds};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// The length of a nonce in characters, all of them ASCII.
const NONCE_LEN: usize = 40;
const COOKIE: &[u8; 9] = b"obMatJos2";
/// Where the sealed part starts: behind the cookie and the features.
const SEALED_AT: usize = COOKIE.len() + 4;
const MAC_LEN: usize = 12;

/// How far the clocks of two servers of a fleet may be apart before one takes the other's fresh nonces for stale.
const CLOCK_SKEW_SECONDS: u32 = 30;

/// The security features that a nonce announces ([RFC 8489 §9.2.1](https://www.rfc-editor.org/rfc/rfc8489#section-9.2.1)).
///
/// Bit 0 of RFC 8489 §18.1 is the most significant of 24. The example of its appendix B.1 has them the other way round; the
/// text is what counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecurityFeatures {
    /// Bit 0: PASSWORD-ALGORITHMS comes along, and a challenge without was tampered with.
    pub password_algorithms: bool,
    /// Bit 1: the client should say USERHASH instead of USERNAME.
    pub username_anonymity: bool,
}

impl SecurityFeatures {
    /// What the nonce of a challenge announces; nothing if it has no cookie. For clients.
    #[must_use]
    pub fn of_nonce(nonce: &[u8]) -> Self {
        let Some(bits) = nonce.strip_prefix(COOKIE).and_then(|rest| rest.first_chunk::<4>()) else {
            return Self::default();
        };
        let mut bytes = [0; 3];
        match STANDARD_NO_PAD.decode_slice(bits, &mut bytes) {
            Ok(_) => Self { password_algorithms: bytes[0] & 0x80 != 0, username_anonymity: bytes[0] & 0x40 != 0 },
            Err(_) => Self::default(),
        }
    }

    fn to_bytes(self) -> [u8; 3] {
        [u8::from(self.password_algorithms) << 7 | u8::from(self.username_anonymity) << 6, 0, 0]
    }
}

/// A nonce of ours: 40 ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; NONCE_LEN]);

impl Nonce {
    /// The nonce as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every byte came out of the cookie or a base64 encoder.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({})", self.as_str())
    }
}

/// Makes nonces, and knows its own (and its fleet's) again.
pub(crate) struct NonceSealer {
    key: HmacSha256,
    features: SecurityFeatures,
    /// The value of the PASSWORD-ALGORITHMS attribute that goes with these nonces.
    algorithms: Box<[u8]>,
    lifetime_seconds: u32,
}

impl NonceSealer {
    pub(crate) fn new(key: &NonceKey, features: SecurityFeatures, algorithms: &[u8], lifetime: Duration) -> Self {
        Self {
            key: HmacSha256::new(key.as_bytes()),
            features,
            algorithms: algorithms.into(),
            lifetime_seconds: u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX / 2).min(u32::MAX / 2),
        }
    }

    pub(crate) fn seal(&self, client: IpAddr, now: UnixSeconds, salt: [u8; 4]) -> Nonce {
        self.nonce(client, time_field(now).to_be_bytes(), salt)
    }

    /// Whether the nonce is ours, for this client and our present features and algorithms, and young enough.
    pub(crate) fn check(&self, nonce: &[u8], client: IpAddr, now: UnixSeconds) -> Result<(), AuthError> {
        let nonce: &[u8; NONCE_LEN] = nonce.try_into().map_err(|_| AuthError::ForeignNonce)?;
        // Twelve characters are time, salt and the first byte of the MAC.
        let mut head = [0; 9];
        STANDARD_NO_PAD
            .decode_slice(&nonce[SEALED_AT..SEALED_AT + 12], &mut head)
            .map_err(|_| AuthError::ForeignNonce)?;
        let [t0, t1, t2, t3, s0, s1, s2, s3, _] = head;
        let time = [t0, t1, t2, t3];
        // Comparing the text, not what it decodes to, leaves no second spelling of a nonce.
        let expected = self.nonce(client, time, [s0, s1, s2, s3]);
        if !bool::from(expected.0.ct_eq(nonce)) {
            return Err(AuthError::ForeignNonce);
        }
        let age = time_field(now).wrapping_add(CLOCK_SKEW_SECONDS).wrapping_sub(u32::from_be_bytes(time));
        if age > self.lifetime_seconds + CLOCK_SKEW_SECONDS {
            return Err(AuthError::StaleNonce);
        }
        Ok(())
    }

    fn nonce(&self, client: IpAddr, time: [u8; 4], salt: [u8; 4]) -> Nonce {
        let features = self.features.to_bytes();
        let mac = self.key.mac(&[b"N1", &features, &time, &salt, &client_prefix(client), &self.algorithms]);
        let mut sealed = [0; 8 + MAC_LEN];
        sealed[..4].copy_from_slice(&time);
        sealed[4..8].copy_from_slice(&salt);
        sealed[8..].copy_from_slice(&mac[..MAC_LEN]);

        let mut text = [0; NONCE_LEN];
        text[..COOKIE.len()].copy_from_slice(COOKIE);
        let features_written = STANDARD_NO_PAD.encode_slice(features, &mut text[COOKIE.len()..SEALED_AT]);
        let sealed_written = STANDARD_NO_PAD.encode_slice(sealed, &mut text[SEALED_AT..]);
        debug_assert_eq!((features_written, sealed_written), (Ok(4), Ok(27)));
        Nonce(text)
    }
}

impl fmt::Debug for NonceSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonceSealer")
            .field("features", &self.features)
            .field("lifetime_seconds", &self.lifetime_seconds)
            .finish_non_exhaustive()
    }
}

/// Four bytes of time wrap in 2106, and comparing them wraps along.
#[expect(clippy::cast_possible_truncation, reason = "the field wraps, and so does its comparison")]
fn time_field(now: UnixSeconds) -> u32 {
    now.0 as u32
}

/// What of a client's address a nonce is bound to: an IPv4 address, or the /64 that an IPv6 host picks its addresses from.
fn client_prefix(client: IpAddr) -> [u8; 9] {
    let mut prefix = [0; 9];
    match client.to_canonical() {
        IpAddr::V4(address) => {
            prefix[0] = 4;
            prefix[1..5].copy_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            prefix[0] = 6;
            prefix[1..].copy_from_slice(&address.octets()[..8]);
        }
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
    const LIST: &[u8] = &[0, 2, 0, 0, 0, 1, 0, 0];
    const ALL: SecurityFeatures = SecurityFeatures { password_algorithms: true, username_anonymity: true };

    fn sealer() -> NonceSealer {
        NonceSealer::new(&NonceKey::new([7; 32]), ALL, LIST, Duration::from_secs(3600))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_nonce_is_forty_characters_with_the_cookie_and_features_of_rfc8489() {
        let nonce = sealer().seal(ip("192.0.2.1"), NOW, [0xFF; 4]);
        assert_eq!(nonce.as_str().len(), 40);
        assert!(nonce.as_str().starts_with("obMatJos2wAAA"), "{nonce:?}");
        assert!(nonce.as_str().is_ascii());
        assert_eq!(SecurityFeatures::of_nonce(nonce.as_str().as_bytes()), ALL);
        for (nonce, algorithms, anonymity) in [
            ("obMatJos2gAAA", true, false),
            ("obMatJos2QAAA", false, true),
            ("obMatJos2AAAA", false, false),
            ("obMatJos2wAA", false, false),
            ("obMatJos2w!AA", false, false),
            ("OBMATJOS2wAAA", false, false),
            ("", false, false),
        ] {
            let features = SecurityFeatures::of_nonce(nonce.as_bytes());
            assert_eq!((features.password_algorithms, features.username_anonymity), (algorithms, anonymity), "{nonce}");
        }
    }

    #[test]
    fn no_two_nonces_are_equal() {
        let sealer = sealer();
        let mut seen = HashSet::new();
        for salt in 0..500_u32 {
            for second in 0..4 {
                for client in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
                    assert!(seen.insert(sealer.seal(ip(client), UnixSeconds(NOW.0 + second), salt.to_be_bytes())));
                }
            }
        }
    }

    #[test]
    fn a_nonce_is_good_for_its_client_and_no_other() {
        let sealer = sealer();
        for (given, used, good) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::192.0.2.1", false),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("c000:201::", "192.0.2.1", false),
        ] {
            let nonce = sealer.seal(ip(given), NOW, [1; 4]);
            let result = sealer.check(nonce.as_str().as_bytes(), ip(used), NOW);
            assert_eq!(result, if good { Ok(()) } else { Err(AuthError::ForeignNonce) }, "{given} {used}");
        }
    }

    #[test]
    fn a_nonce_lives_for_its_lifetime_and_tolerates_a_siblings_clock() {
        let sealer = sealer();
        let client = ip("192.0.2.1");
        let nonce = sealer.seal(client, NOW, [1; 4]);
        let at = |seconds| sealer.check(nonce.as_str().as_bytes(), client, UnixSeconds(seconds));
        assert_eq!(at(NOW.0), Ok(()));
        assert_eq!(at(NOW.0 + 3600), Ok(()));
        assert_eq!(at(NOW.0 + 3601), Err(AuthError::StaleNonce));
        assert_eq!(at(NOW.0 - 30), Ok(()));
        assert_eq!(at(NOW.0 - 31), Err(AuthError::StaleNonce));
        assert_eq!(at(0), Err(AuthError::StaleNonce));
    }

    #[test]
    fn time_may_wrap() {
        let sealer = sealer();
        let client = ip("192.0.2.1");
        let nonce = sealer.seal(client, UnixSeconds(u64::from(u32::MAX)), [1; 4]);
        let at = |seconds| sealer.check(nonce.as_str().as_bytes(), client, UnixSeconds(seconds));
        assert_eq!(at((1 << 32) + 3599), Ok(()));
        assert_eq!(at((1 << 32) + 3600), Err(AuthError::StaleNonce));
    }

    #[test]
    fn an_endless_lifetime_is_clamped_not_overflowed() {
        let client = ip("192.0.2.1");
        let sealer = NonceSealer::new(&NonceKey::new([7; 32]), ALL, LIST, Duration::MAX);
        let nonce = sealer.seal(client, NOW, [1; 4]);
        assert_eq!(sealer.check(nonce.as_str().as_bytes(), client, UnixSeconds(NOW.0 + 1_000_000_000)), Ok(()));
    }

    #[test]
    fn every_tampered_bit_and_every_other_length_is_refused() {
        let sealer = sealer();
        let client = ip("192.0.2.1");
        let nonce = sealer.seal(client, NOW, [1; 4]);
        for at in 0..40 {
            for bit in 0..8 {
                let mut bytes = nonce.0;
                bytes[at] ^= 1 << bit;
                assert_eq!(sealer.check(&bytes, client, NOW), Err(AuthError::ForeignNonce), "byte {at} bit {bit}");
            }
            assert_eq!(sealer.check(&nonce.0[..at], client, NOW), Err(AuthError::ForeignNonce));
        }
        let longer = [nonce.as_str(), "A"].concat();
        assert_eq!(sealer.check(longer.as_bytes(), client, NOW), Err(AuthError::ForeignNonce));
    }

    #[test]
    fn another_key_list_or_feature_makes_it_foreign() {
        let client = ip("192.0.2.1");
        let nonce = sealer().seal(client, NOW, [1; 4]);
        let hour = Duration::from_secs(3600);
        let plain = SecurityFeatures { username_anonymity: false, ..ALL };
        for other in [
            NonceSealer::new(&NonceKey::new([8; 32]), ALL, LIST, hour),
            NonceSealer::new(&NonceKey::new([7; 32]), ALL, &LIST[..4], hour),
            NonceSealer::new(&NonceKey::new([7; 32]), plain, LIST, hour),
        ] {
            assert_eq!(other.check(nonce.as_str().as_bytes(), client, NOW), Err(AuthError::ForeignNonce));
        }
        let sibling = NonceSealer::new(&NonceKey::new([7; 32]), ALL, LIST, Duration::from_secs(60));
        assert_eq!(sibling.check(nonce.as_str().as_bytes(), client, NOW), Ok(()));
    }
}
