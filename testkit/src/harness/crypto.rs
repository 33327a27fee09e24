//! The few digests of STUN, put together without `turn-auth` so that a slip there cannot hide.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// `MD5(username ":" realm ":" password)`, the long-term key of old (RFC 8489 §9.2.2).
pub fn md5_key(username: &str, realm: &str, password: &str) -> Vec<u8> {
    Md5::digest(format!("{username}:{realm}:{password}")).to_vec()
}

/// `SHA-256(username ":" realm ":" password)` (RFC 8489 §18.5.1.2).
pub fn sha256_key(username: &str, realm: &str, password: &str) -> Vec<u8> {
    Sha256::digest(format!("{username}:{realm}:{password}")).to_vec()
}

/// `SHA-256(username ":" realm)`, the value of USERHASH (RFC 8489 §14.4).
pub fn userhash(username: &str, realm: &str) -> Vec<u8> {
    Sha256::digest(format!("{username}:{realm}")).to_vec()
}

/// HMAC-SHA1, 20 bytes.
pub fn hmac_sha1(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// HMAC-SHA256, 32 bytes.
pub fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// The password that a TURN REST secret gives a user name: `base64(HMAC-SHA1(secret, username))`.
pub fn rest_password(secret: &str, username: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(hmac_sha1(secret.as_bytes(), username.as_bytes()))
}

/// CRC-32 as ITU V.42 has it, bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn rfc5769_long_term_key() {
        let key = md5_key("\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}", "example.org", "TheMatrIX");
        assert_eq!(key.len(), 16);
        // RFC 8489 B.1 prints the same user's USERHASH.
        let hash = userhash("\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}", "example.org");
        assert_eq!(hash[..4], [0x4a, 0x3c, 0xf3, 0x8f]);
    }
}
