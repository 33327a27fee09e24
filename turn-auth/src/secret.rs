//! What must never be seen: passwords, shared secrets, the nonce key. None prints itself, all are wiped when dropped.

use crate::hmac::{HmacSha1, HmacSha256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// A user's password.
///
/// Taken as it is: see the crate documentation about OpaqueString.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// A secret shared with the service that hands out ephemeral ("TURN REST") credentials.
///
/// Only its HMAC schedule is kept, so that a password is two hash blocks away.
#[derive(Clone)]
pub struct Secret(HmacSha1);

/// Base64 of a SHA-1 MAC, in characters.
const PASSWORD_LEN: usize = 28;

impl Secret {
    /// Takes the bytes of the secret as they are.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(HmacSha1::new(secret))
    }

    /// The password of this user name, on the stack.
    pub(crate) fn password(&self, username: &str) -> Zeroizing<[u8; PASSWORD_LEN]> {
        let mac = Zeroizing::new(self.0.mac(&[username.as_bytes()]));
        let mut text = Zeroizing::new([0; PASSWORD_LEN]);
        let written = STANDARD.encode_slice(mac.as_slice(), text.as_mut_slice());
        debug_assert_eq!(written, Ok(PASSWORD_LEN));
        text
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret.as_bytes())
    }
}

impl From<String> for Secret {
    fn from(mut secret: String) -> Self {
        let this = Self::new(secret.as_bytes());
        secret.zeroize();
        this
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// The password that goes with an ephemeral user name: base64 of the HMAC-SHA1 of the whole name under the shared secret.
///
/// For clients, tools and tests; the server derives it itself. The usual name is `stamp:user`, the stamp being the Unix time
/// in seconds until which it is good.
///
/// ```
/// assert_eq!(turn_auth::ephemeral_password("north", "1433065916:alice"), "Mf4on1SFftbyvGsi4mM2Um1ZIUQ=");
/// ```
#[must_use]
pub fn ephemeral_password(secret: impl AsRef<[u8]>, username: &str) -> String {
    let text = Secret::new(secret.as_ref()).password(username);
    text.iter().copied().map(char::from).collect()
}

/// The key under which nonces are sealed: 32 bytes that nobody else can guess.
///
/// Servers with the same key accept each other's nonces, so that a client which a load balancer moves to a sibling is not
/// sent round again. One process should hand one key to all of its workers.
#[derive(Clone)]
pub struct NonceKey(Zeroizing<[u8; 32]>);

impl NonceKey {
    /// Takes 32 bytes from a cryptographic random number generator, or from a fleet's shared secret store.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Derives a key from a secret of any form that the fleet shares. It is no password hash: the secret itself must be unguessable.
    #[must_use]
    pub fn from_shared_secret(secret: &[u8]) -> Self {
        Self::new(HmacSha256::new(secret).mac(&[b"stunner nonce key v1"]))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl From<[u8; 32]> for NonceKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_contains_no_secret() {
        let printed = format!(
            "{:?} {:?} {:?} {:?}",
            Password::from("hunter2"),
            Secret::from("hunter2"),
            NonceKey::new(*b"hunter2_hunter2_hunter2_hunter2_"),
            NonceKey::from_shared_secret(b"hunter2"),
        );
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(!printed.contains("104, 117"), "{printed}");
    }

    #[test]
    fn passwords_compare_by_content() {
        assert_eq!(Password::from("a"), Password::from("a".to_owned()));
        assert_ne!(Password::from("a"), Password::from("ab"));
    }
}
