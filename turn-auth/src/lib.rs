//! Who may use a TURN server: long-term credentials, message integrity and nonces, without sockets, clock, random numbers or memory of clients.
//!
//! - [`Authenticator`] is the server's side. It makes [`Challenge`]s and [verifies](Authenticator::verify) requests
//!   by RFC 8489 §9.2.4. It is immutable and has no state: a reload makes another one.
//! - [`Credential`] is one user's key with its HMAC schedule. An allocation keeps it, so that a refresh costs one HMAC.
//! - [`ClientAuth`] is the client's side; [`ephemeral_password`] makes what a TURN REST service hands out.
//!
//! Time is [`UnixSeconds`], an argument; so is the randomness of a nonce.
//!
//! ```
//! use stun_codec::{Class, Message, MessageWriter, Method, TransactionId};
//! use turn_auth::{Authenticator, AuthError, ClientAuth, Credentials, NonceKey, UnixSeconds};
//!
//! let users = Credentials::Static(vec![("alice".into(), "correct horse".into())]);
//! let server = Authenticator::builder("example.org", users, NonceKey::new([7; 32])).build()?;
//! let (client_ip, now) = ("192.0.2.1".parse()?, UnixSeconds(1_800_000_000));
//!
//! // A client's first request has no integrity: 401 with a challenge.
//! let mut alice = ClientAuth::new("alice", "correct horse".into());
//! let mut buf = [0; 512];
//! let len = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TransactionId([1; 12])).finish()?;
//! let refused = server.verify(&Message::parse(&buf[..len])?, client_ip, now, None).unwrap_err();
//! assert_eq!((refused, refused.code()), (AuthError::NoIntegrity, 401));
//!
//! let mut writer = MessageWriter::new(&mut buf, Class::Error, Method::Allocate, TransactionId([1; 12]));
//! writer.error_code(refused.code(), "");
//! server.challenge(client_ip, now, [1, 2, 3, 4]).write(&mut writer);
//! let len = writer.finish()?;
//! alice.challenged(&Message::parse(&buf[..len])?)?;
//!
//! // The second one has.
//! let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TransactionId([2; 12]));
//! alice.complete(&mut writer);
//! let len = writer.finish()?;
//! let verified = server.verify(&Message::parse(&buf[..len])?, client_ip, now, None)?;
//! assert_eq!(verified.credential.user_id().as_str(), "alice");
//!
//! // The reply is signed the same way.
//! let mut writer = MessageWriter::new(&mut buf, Class::Success, Method::Allocate, TransactionId([2; 12]));
//! verified.credential.sign(&mut writer, verified.integrity);
//! let len = writer.finish()?;
//! alice.check(&Message::parse(&buf[..len])?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What an answer carries
//!
//! | [`AuthError`] | code | with a [`Challenge`] |
//! |---|---|---|
//! | no integrity; unknown user, wrong realm, wrong key, expired, MD5 where it is not offered | 401 | yes |
//! | nonce stale, or not ours | 438 | yes |
//! | malformed or missing attribute, bid-down, no authentication configured | 400 | no |
//!
//! Two departures from the order of RFC 8489 §9.2.4, both in favour of an honest client: the nonce is checked before the
//! password algorithms, because a client that still has yesterday's list needs a new challenge and not a 400; and before the key,
//! so that nobody who cannot receive at the address he sends from makes us compute one.
//!
//! # What is compared
//!
//! User names, realms and passwords are compared and hashed byte by byte. RFC 8489 has both sides apply the OpaqueString profile
//! (RFC 8265: non-ASCII spaces become ASCII ones, NFC normalisation) beforehand. Deployed clients and the services that hand out
//! credentials do not, and for ASCII without control characters the profile changes nothing. Whoever configures other text
//! should write it in NFC, the form that keyboards produce.
//!
//! Whatever a client sends is data: no name, realm or nonce is a pattern, a path or a format string here.

#![forbid(unsafe_code)]

mod authenticator;
mod client;
mod credential;
mod error;
mod hmac;
mod key;
mod nonce;
mod secret;
#[cfg(test)]
mod testing;
mod user;
mod users;

pub use authenticator::{
    Authenticator, AuthenticatorBuilder, Challenge, DEFAULT_NONCE_LIFETIME, MAX_REALM_BYTES, RealmTooLong, Verified,
};
pub use client::{ChallengeError, ClientAuth};
pub use credential::{Credential, IntegrityAlgorithm};
pub use error::AuthError;
pub use key::{PasswordAlgorithmKind, userhash};
pub use nonce::{Nonce, SecurityFeatures};
pub use secret::{NonceKey, Password, Secret, ephemeral_password};
pub use user::UserId;
pub use users::{Credentials, Expiry};

/// Seconds since 1970 by the wall clock: what credentials expire by. Lifetimes of anything else are monotonic time's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);
