//! What servers of different workers say to each other.

use core::fmt;
use std::net::SocketAddr;

use turn_auth::UserId;

use crate::{
    limits::Permit,
    server::BindByMail,
    types::{RelayId, WorkerId},
};

/// A message from one worker's server to another's: opaque to the caller, which only carries it.
pub struct Mail(pub(crate) Letter);

pub(crate) enum Letter {
    /// "A client of mine redeems this token of yours."
    Redeem { from: WorkerId, request: RelayId, token: [u8; 8], user: UserId },
    /// The answer: where there is an address, its socket and its place in the quotas travel along.
    Redeemed { request: RelayId, grant: Option<(SocketAddr, Permit)> },
    /// "A stream here wants to be paired with a peer's connection of yours"; the stream travels with it.
    Bind(Box<BindByMail>),
}

impl Mail {
    /// What the sender gets in place of an answer when the mail cannot be delivered: there is no such worker, which a client's
    /// made-up token may name, or its mailbox is full. For the sender's own [`Server::handle_mail`](crate::Server::handle_mail);
    /// `None` if the sender waits for nothing.
    #[must_use]
    pub fn returned(self) -> Option<Self> {
        match self.0 {
            Letter::Redeem { request, .. } => Some(Self(Letter::Redeemed { request, grant: None })),
            Letter::Redeemed { .. } | Letter::Bind(_) => None,
        }
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens are secrets while they live.
        f.write_str(match self.0 {
            Letter::Redeem { .. } => "Mail(Redeem)",
            Letter::Redeemed { .. } => "Mail(Redeemed)",
            Letter::Bind(_) => "Mail(Bind)",
        })
    }
}
