//! HMAC with its key schedule computed once.

use ::hmac::Hmac;
use ::hmac::block_api::HmacCore;
use ::hmac::digest::block_api::CoreProxy as _;
use ::hmac::{KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

macro_rules! hmac_key {
    ($(#[$doc:meta])* $name:ident, $hash:ty, $len:literal) => {
        $(#[$doc])*
        ///
        /// Only the two hash states, without the block buffer that a whole `Hmac` carries about, since every allocation keeps one.
        /// Wiped when dropped (the hash crates' `zeroize` feature).
        #[derive(Clone)]
        pub(crate) struct $name(HmacCore<$hash>);

        impl $name {
            pub(crate) fn new(key: &[u8]) -> Self {
                match Hmac::<$hash>::new_from_slice(key) {
                    Ok(mac) => Self(mac.decompose().0),
                    Err(_) => unreachable!("HMAC takes keys of any length"),
                }
            }

            /// The MAC of the concatenated parts.
            pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; $len] {
                self.run(parts).finalize().into_bytes().into()
            }

            /// Whether `tag` is the MAC of the concatenated parts or the front of it, in constant time. Never true for an empty one.
            pub(crate) fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
                self.run(parts).verify_truncated_left(tag).is_ok()
            }

            fn run(&self, parts: &[&[u8]]) -> Hmac<$hash> {
                let mut mac = Hmac::<$hash>::compose(self.0.clone(), Default::default());
                for part in parts {
                    mac.update(part);
                }
                mac
            }
        }
    };
}

hmac_key!(
    /// A key of HMAC-SHA1.
    HmacSha1,
    Sha1,
    20
);
hmac_key!(
    /// A key of HMAC-SHA256.
    HmacSha256,
    Sha256,
    32
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    // RFC 2202 §3 and RFC 4231 §4.3, case 2 of both.
    #[test]
    fn macs_are_those_of_the_rfcs() {
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        let sha1 = hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let sha256 = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(HmacSha1::new(b"Jefe").mac(&parts), *sha1);
        assert_eq!(HmacSha256::new(b"Jefe").mac(&parts), *sha256);
        assert!(HmacSha1::new(b"Jefe").verify(&parts, &sha1));
        assert!(HmacSha256::new(b"Jefe").verify(&parts, &sha256[..16]));
        assert!(!HmacSha256::new(b"Jefe").verify(&parts, &sha256[1..]));
        assert!(!HmacSha256::new(b"Jefe").verify(&parts, &[]));
    }
}
