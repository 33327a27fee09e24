//! A TURN client over one transport five-tuple (RFC 8656), without socket, clock or thread.
//!
//! The caller sends what [`Client::poll_transmit`] yields, hands what the server sent to [`Client::handle_input`], and calls
//! [`Client::handle_timeout`] when [`Client::poll_timeout`] says so. **After each call that takes `&mut self`, drain
//! [`Client::poll_transmit`] and [`Client::poll_event`], then read [`Client::poll_timeout`].** Over TCP or TLS the caller frames
//! (`stun_codec::stream`) and opens one connection per client.
//!
//! The client retransmits, authenticates (MD5 and SHA-256, RFC 8489 §9.2), follows nonces, and keeps its allocation, permissions and
//! channels alive until told otherwise. Payload goes through [`Client::send`], or through [`Client::header`] where the caller has
//! headroom or an iovec; neither allocates.
//!
//! ```
//! use stun_codec::{AttributeType, Class, Message, Method};
//! use turn_core::Instant;
//! use turn_core::client::{Client, ClientConfig, Credentials};
//!
//! let config = ClientConfig { credentials: Some(Credentials::new("alice", "secret")), ..ClientConfig::default() };
//! let mut client = Client::new(config, [7; 32]); // the seed is the caller's randomness
//! let now = Instant::ZERO;
//! client.allocate(now)?;
//! let request = client.poll_transmit().expect("the first Allocate").bytes;
//! let message = Message::parse(request)?;
//! assert_eq!((message.class(), message.method()), (Class::Request, Method::Allocate));
//! assert!(!message.has(AttributeType::MESSAGE_INTEGRITY)); // the server has to challenge first
//! assert!(client.poll_timeout() > Some(now)); // when to send it again
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod data;
mod event;
mod keepalive;
mod peers;
mod reply;
mod request;
mod session;
#[cfg(test)]
mod tests;
mod timers;
mod transactions;

use core::time::Duration;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use smallvec::SmallVec;
use stun_codec::{AddressFamily, ChannelNumber, TransactionId};

use crate::Instant;
use crate::types::canonical;

pub use config::{ClientConfig, Credentials, Families, HashPolicy, RelayRequest, Transport};
pub use data::DataHeader;
pub use event::{Allocated, Event, Failure, Input, Relayed, Request, RequestError, SendError, Transmit};
pub use transactions::{FINAL_WAIT, INITIAL_RTO, MAX_OUTSTANDING, MAX_TRANSMISSIONS, STREAM_TIMEOUT};

use keepalive::Allocation;
use peers::Peers;
use session::Session;
use timers::Timers;
use transactions::{KEEPALIVE_SLOTS, Operation, Transactions};

/// Peers that one CreatePermission names at most; more go into further requests. Keeps a request below 1,280 bytes with user names,
/// realms and nonces of usual length.
const PEERS_PER_REQUEST: usize = 16;

/// A TURN client.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    state: State,
    /// Set by [`Client::close`] until the allocation is gone.
    closing: bool,
    session: Option<Session>,
    transactions: Transactions,
    peers: Peers,
    timers: Timers,
    events: VecDeque<Event>,
    /// Servers that redirections led to, and when: a loop ends here (RFC 8489 §10).
    redirections: SmallVec<[(SocketAddr, Instant); 2]>,
    rng: Random,
}

#[derive(Debug)]
enum State {
    Idle,
    Allocating,
    Allocated(Allocation),
}

/// Transaction ids: nobody who does not see the requests may guess them (RFC 8489 §5).
struct Random(ChaCha12Rng);

impl Random {
    fn transaction_id(&mut self) -> TransactionId {
        let mut id = [0; 12];
        self.0.fill_bytes(&mut id);
        TransactionId(id)
    }
}

impl core::fmt::Debug for Random {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Random")
    }
}

impl Client {
    /// A client that has not sent anything yet. `seed` is to be fresh randomness.
    #[must_use]
    pub fn new(config: ClientConfig, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        Self {
            transactions: Transactions::new(config.transport, config.rto),
            config,
            state: State::Idle,
            closing: false,
            session: None,
            peers: Peers::new(rng.next_u64()),
            timers: Timers::default(),
            events: VecDeque::new(),
            redirections: SmallVec::new(),
            rng: Random(rng),
        }
    }

    /// Asks for an allocation; [`Event::Allocated`] or [`Event::Refused`] or [`Event::Redirected`] is the answer. After a refusal or an
    /// end it may be called again.
    ///
    /// # Errors
    /// When there is an allocation, or one is under way.
    pub fn allocate(&mut self, now: Instant) -> Result<(), RequestError> {
        if self.closing || !matches!(self.state, State::Idle) {
            return Err(RequestError::NotIdle);
        }
        self.begin(now, Operation::Allocate, 0)?;
        self.state = State::Allocating;
        self.settle();
        Ok(())
    }

    /// Asks for another lifetime now, instead of waiting for the refresh that comes by itself. Zero is [`close`](Self::close).
    ///
    /// # Errors
    /// Without allocation, or with too many requests outstanding.
    pub fn refresh(&mut self, now: Instant, lifetime: Duration) -> Result<(), RequestError> {
        self.require_allocation()?;
        if lifetime < Duration::from_secs(1) {
            self.close(now);
            return Ok(());
        }
        self.begin(now, Operation::Refresh { lifetime: Some(lifetime), announce: true }, KEEPALIVE_SLOTS)?;
        self.settle();
        Ok(())
    }

    /// Gives back one relayed transport address of a dual allocation (RFC 8656 §8.1).
    ///
    /// # Errors
    /// Without allocation, or with too many requests outstanding.
    pub fn release(&mut self, now: Instant, family: AddressFamily) -> Result<(), RequestError> {
        self.require_allocation()?;
        self.begin(now, Operation::Release(family), KEEPALIVE_SLOTS)?;
        self.settle();
        Ok(())
    }

    /// Ends the allocation. [`Event::Closed`] follows, in the worst case when the last retransmission went unanswered; nothing is
    /// sent or accepted from now on.
    pub fn close(&mut self, now: Instant) {
        if self.closing {
            return;
        }
        match self.state {
            State::Idle => self.events.push_back(Event::Closed),
            // The server may be about to make it: the answer is waited for.
            State::Allocating => self.closing = true,
            State::Allocated(_) => self.begin_close(now),
        }
        self.settle();
    }

    /// Asks that datagrams from and to these hosts pass, and keeps it so. The server grants those of one call all or none, in groups
    /// of sixteen.
    ///
    /// # Errors
    /// Without allocation, or with too many requests outstanding; groups before the failing one are under way then.
    pub fn create_permission(&mut self, now: Instant, hosts: &[IpAddr]) -> Result<(), RequestError> {
        self.require_allocation()?;
        let result = hosts.chunks(PEERS_PER_REQUEST).try_for_each(|group| {
            let peers: SmallVec<[IpAddr; 1]> = group.iter().map(IpAddr::to_canonical).collect();
            self.begin(now, Operation::Permission { peers, announce: true }, KEEPALIVE_SLOTS)?;
            for host in group {
                self.peers.permission_requested(host.to_canonical());
            }
            Ok(())
        });
        self.settle();
        result
    }

    /// No longer keeps the permission alive; it ends within five minutes.
    pub fn drop_permission(&mut self, host: IpAddr) {
        let host = host.to_canonical();
        if let Some(due) = self.peers.drop_permission(host) {
            self.timers.arm(due, timers::Timer::Permission(host));
        }
        self.settle();
    }

    /// Asks for a channel to this peer and keeps it alive, and the permission with it. Answers the number it will have: counted up
    /// from 0x4000, or what the peer had before.
    ///
    /// # Errors
    /// Without allocation, with too many requests outstanding, or when all 4,096 numbers are taken.
    pub fn bind_channel(&mut self, now: Instant, peer: SocketAddr) -> Result<ChannelNumber, RequestError> {
        self.require_allocation()?;
        let peer = canonical(peer);
        if self.transactions.vacant(KEEPALIVE_SLOTS).is_none() {
            return Err(RequestError::TooManyOutstanding);
        }
        let number = self.peers.channel_requested(peer).ok_or(RequestError::NoChannelLeft)?;
        self.peers.permission_requested(peer.ip());
        let begun = self.begin(now, Operation::Channel { number, peer, announce: true }, KEEPALIVE_SLOTS);
        self.settle();
        begun.map(|()| number)
    }

    /// No longer keeps the channel alive; it ends within ten minutes.
    pub fn drop_channel(&mut self, peer: SocketAddr) {
        let peer = canonical(peer);
        if let Some(due) = self.peers.drop_channel(peer) {
            self.timers.arm(due, timers::Timer::Channel(peer));
        }
        self.settle();
    }

    /// The next message to send to the server.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.transactions.poll_transmit().map(|bytes| Transmit { bytes })
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest; none as long as nothing is under way.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The allocation as it was granted, while it lasts.
    #[must_use]
    pub fn allocation(&self) -> Option<&Allocated> {
        match &self.state {
            State::Allocated(allocation) => Some(&allocation.granted),
            State::Idle | State::Allocating => None,
        }
    }

    /// The channel that payload to this peer goes through, if one is bound.
    #[must_use]
    pub fn channel(&self, peer: SocketAddr) -> Option<ChannelNumber> {
        self.peers.bound(canonical(peer))
    }

    /// Requests that wait for their answers.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.transactions.len()
    }

    fn require_allocation(&self) -> Result<(), RequestError> {
        match self.state {
            State::Allocated(_) if !self.closing => Ok(()),
            _ => Err(RequestError::NotAllocated),
        }
    }
}
