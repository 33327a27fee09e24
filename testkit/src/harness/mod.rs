//! A blocking TURN client over real UDP sockets, for tests that need control over every byte.
//!
//! It writes and reads STUN with code of its own ([`wire`], [`reply`], [`crypto`]) rather than with the crates under test: a server and a
//! harness that share a codec share its mistakes. Every answer is read by `stun-codec` as well, and the two must agree.
//!
//! It is not a client to build on: `turn_core::client` is. Here nothing is retried in silence save a lost datagram, a
//! malformed request is as easy to send as a good one, and a wait always ends.

pub mod client;
pub mod crypto;
pub mod drafts;
pub mod incoming;
pub mod peer;
pub mod process;
pub mod reply;
pub mod signer;
pub mod wire;

pub use client::{Allocation, Client};
pub use incoming::Incoming;
pub use peer::Peer;
pub use reply::Reply;
pub use signer::{Account, Scheme, Signer};
pub use wire::{Class, Draft};

use std::fmt;

/// Why a scenario did not come out as its specification has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The server did something else than what was expected.
    Wrong(String),
    /// The server owed an answer and gave none.
    Silent(String),
    /// The scenario cannot be played against this server as it is set up.
    Unavailable(String),
}

/// What a scenario or a step of one gives.
pub type Check<T = ()> = Result<T, Fault>;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(why) => f.write_str(why),
            Self::Silent(what) => write!(f, "no answer to {what}"),
            Self::Unavailable(why) => write!(f, "not applicable: {why}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Wrong(format!("socket error: {error}"))
    }
}

/// Returns a [`Fault::Wrong`] with the formatted text unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::harness::Fault::Wrong(format!($($text)+)));
        }
    };
}
