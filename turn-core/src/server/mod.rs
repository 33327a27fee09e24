//! The TURN server of one worker.

mod allocate;
mod allocation;
mod answer;
mod arena;
mod clients;
mod dispatch;
mod lifecycle;
mod limiter;
mod mailbox;
mod recent;
mod relaying;
mod requests;
mod tcp;
mod timers;

use std::collections::VecDeque;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use stun_codec::PacketKind;

use self::{
    allocation::{Allocation, AllocationId},
    arena::Arena,
    clients::Clients,
    dispatch::Request,
    limiter::AnswerLimiter,
    mailbox::Reservations,
    recent::Recent,
    tcp::Connections,
    timers::Timers,
};
use crate::{
    action::{ClientAction, DropReason, Effect},
    policy::Policy,
    types::{ClientId, Instant, Now, WorkerId},
};

pub(crate) use self::tcp::BindByMail;

/// What a server is made with.
pub struct ServerConfig {
    /// Which worker it serves. Reservation tokens name it, so that any worker can redeem them.
    pub worker: WorkerId,
    /// Seed of the random numbers in nonces, tokens and transaction ids: 32 bytes from the operating system, another for each worker.
    pub seed: [u8; 32],
}

impl core::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The seed foretells every token.
        f.debug_struct("ServerConfig").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// The TURN server state machine (RFC 8656) of one worker: see the [crate documentation](crate) for how it is driven.
pub struct Server {
    worker: WorkerId,
    rng: ChaCha12Rng,
    allocations: Arena<Allocation>,
    clients: Clients,
    /// Whose each relayed address is.
    relays: Arena<RelayOwner>,
    reservations: Reservations,
    connections: Connections,
    timers: Timers,
    recent: Recent,
    limiter: AnswerLimiter,
    effects: VecDeque<Effect>,
    /// Where revisiting the allocations after a change of the policy stands.
    revisit: Option<u32>,
}

/// Whose a relayed address is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RelayOwner {
    Allocation(AllocationId),
    /// It is kept for whoever redeems its token.
    Reservation,
}

impl Server {
    /// A server without allocations.
    pub fn new(config: ServerConfig) -> Self {
        let ServerConfig { worker, seed } = config;
        Self {
            worker,
            rng: ChaCha12Rng::from_seed(seed),
            allocations: Arena::new(),
            clients: Clients::default(),
            relays: Arena::new(),
            reservations: Reservations::default(),
            connections: Connections::default(),
            timers: Timers::default(),
            recent: Recent::default(),
            limiter: AnswerLimiter::new(),
            effects: VecDeque::new(),
            revisit: None,
        }
    }

    /// Takes one datagram (or, for a stream, one frame) from a client. `out` is where a reply is written; 1,500 bytes suffice.
    #[inline]
    pub fn handle_client<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        datagram: &'d [u8],
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        let Some(&first) = datagram.first() else {
            return ClientAction::Drop(DropReason::NotStun);
        };
        match stun_codec::classify(first) {
            PacketKind::ChannelData => match self.channel_data(policy, now.mono, client, datagram) {
                Ok(to_peer) => ClientAction::ToPeer(to_peer),
                Err(reason) => ClientAction::Drop(reason),
            },
            PacketKind::Stun => self.stun(policy, now, client, datagram, out),
            PacketKind::Unknown => ClientAction::Drop(DropReason::NotStun),
        }
    }

    /// The next thing to do, after any call that changes the server. Take them until there are none.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Server::handle_timeout`] wants to be called; read it after the effects are drained.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.revisit.is_some() {
            return Some(Instant::ZERO);
        }
        let next = [self.timers.next(), self.reservations.next_expiry(), self.connections.next_window()];
        next.into_iter().flatten().min()
    }

    /// How many allocations there are, those being opened included.
    pub const fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// What the server holds in all; every count returns to zero when the last allocation ends.
    pub fn usage(&self) -> Usage {
        let entries = self.allocations.iter().map(Allocation::entries);
        let (permissions, channels) = entries.fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
        Usage {
            allocations: self.allocations.len(),
            clients: self.clients.len(),
            relays: self.relays.len(),
            reservations: self.reservations.len(),
            connections: self.connections.len(),
            permissions,
            channels,
            timers: self.timers.len(),
        }
    }
}

/// What a server holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Allocations, those being opened included.
    pub allocations: usize,
    /// Entries of the index by client; equal to `allocations`.
    pub clients: usize,
    /// Relayed addresses, those being opened and those reserved included.
    pub relays: usize,
    /// Reservations that wait for their token.
    pub reservations: usize,
    /// TCP connections (RFC 6062), those being made included.
    pub connections: usize,
    /// Permissions, expired ones that nobody asked for since included.
    pub permissions: usize,
    /// Channels, those in their cool-down included.
    pub channels: usize,
    /// Entries of the timer heap, stale ones included.
    pub timers: usize,
}
