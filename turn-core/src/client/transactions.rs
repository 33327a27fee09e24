//! Requests that wait for their answers, and when to send them again.

use core::time::Duration;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;
use stun_codec::{AddressFamily, ChannelNumber, Method, TransactionId};

use super::config::Transport;
use super::session::Signer;
use crate::Instant;

/// Requests that may wait for answers at once; the caller's next one is refused. RFC 8489 §6.2 leaves ten at a time to one server as
/// the rule without congestion control; this leaves room for a group call that sets up its permissions and channels in one go.
pub const MAX_OUTSTANDING: usize = 64;

/// Slots that only the client's own requests (refreshes, close) use, so that a busy caller cannot starve the allocation.
pub(super) const KEEPALIVE_SLOTS: usize = 16;

/// RTO of RFC 8489 §6.2.1.
pub const INITIAL_RTO: Duration = Duration::from_millis(500);

/// Rc of RFC 8489 §6.2.1: how often a request is sent in all.
pub const MAX_TRANSMISSIONS: u8 = 7;

/// Rm of RFC 8489 §6.2.1: how many RTOs the last transmission waits for its answer.
pub const FINAL_WAIT: u32 = 16;

/// Ti of RFC 8489 §6.2.2.
pub const STREAM_TIMEOUT: Duration = Duration::from_millis(39_500);

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Allocate,
    Refresh { lifetime: Option<Duration>, announce: bool },
    Release(AddressFamily),
    Close,
    Permission { peers: SmallVec<[IpAddr; 1]>, announce: bool },
    Channel { number: ChannelNumber, peer: SocketAddr, announce: bool },
}

impl Operation {
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Allocate => Method::Allocate,
            Self::Refresh { .. } | Self::Release(_) | Self::Close => Method::Refresh,
            Self::Permission { .. } => Method::CreatePermission,
            Self::Channel { .. } => Method::ChannelBind,
        }
    }
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: TransactionId,
    pub(super) operation: Operation,
    pub(super) bytes: Box<[u8]>,
    /// What the request was signed with and the answer must be; none for a request without credentials.
    pub(super) signer: Option<Signer>,
    /// How often the server asked for other credentials or another nonce.
    pub(super) challenges: u8,
    /// An answer was thrown away because its integrity was wrong.
    pub(super) spoiled: bool,
    /// When the first transmission was made: lifetimes count from here, which errs on the safe side.
    pub(super) begun: Instant,
    pub(super) due: Instant,
    sent: u8,
    queued: bool,
}

/// What the timer of a transaction means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tick {
    SentAgain(Instant),
    TimedOut,
}

#[derive(Debug)]
pub(super) struct Transactions {
    /// Grows to [`MAX_OUTSTANDING`] at most; the few ids in it are found by reading them all.
    slots: Vec<Option<Transaction>>,
    outbox: VecDeque<u8>,
    transport: Transport,
    rto: Duration,
}

impl Transactions {
    pub(super) fn new(transport: Transport, rto: Duration) -> Self {
        Self { slots: Vec::new(), outbox: VecDeque::new(), transport, rto }
    }

    /// A slot for one more request, if `keep_free` others would be left.
    pub(super) fn vacant(&self, keep_free: usize) -> Option<u8> {
        let used = self.len();
        if used + keep_free >= MAX_OUTSTANDING {
            return None;
        }
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        u8::try_from(free).ok()
    }

    /// Takes the request in and queues its first transmission. Answers when its timer is due.
    pub(super) fn begin(&mut self, now: Instant, slot: u8, new: NewTransaction) -> Instant {
        let due = match self.transport {
            Transport::Datagram => now + self.rto,
            Transport::Stream => now + STREAM_TIMEOUT,
        };
        let NewTransaction { id, operation, bytes, signer, challenges } = new;
        let transaction = Transaction {
            id,
            operation,
            bytes,
            signer,
            challenges,
            spoiled: false,
            begun: now,
            due,
            sent: 1,
            queued: true,
        };
        match self.slots.get_mut(usize::from(slot)) {
            Some(free) => *free = Some(transaction),
            None => self.slots.push(Some(transaction)),
        }
        self.outbox.push_back(slot);
        due
    }

    /// The next message to send. A request that ended meanwhile is skipped.
    pub(super) fn poll_transmit(&mut self) -> Option<&[u8]> {
        let slot = loop {
            let slot = self.outbox.pop_front()?;
            if self.get_mut(slot).is_some_and(|transaction| core::mem::take(&mut transaction.queued)) {
                break slot;
            }
        };
        self.get(slot).map(|transaction| &*transaction.bytes)
    }

    pub(super) fn get(&self, slot: u8) -> Option<&Transaction> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u8) -> Option<&mut Transaction> {
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    pub(super) fn find(&self, id: TransactionId) -> Option<u8> {
        (0..).zip(&self.slots).find(|(_, slot)| slot.as_ref().is_some_and(|t| t.id == id)).map(|(index, _)| index)
    }

    pub(super) fn end(&mut self, slot: u8) -> Option<Transaction> {
        self.slots.get_mut(usize::from(slot))?.take()
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.outbox.clear();
    }

    /// The timer of a transaction fired: RFC 8489 §6.2.1 has the schedule 0, 1, 3, 7, 15, 31 and 63 RTO, and gives up 16 RTO later.
    pub(super) fn tick(&mut self, now: Instant, slot: u8) -> Option<Tick> {
        let (rto, transport) = (self.rto, self.transport);
        let transaction = self.get_mut(slot)?;
        if transport == Transport::Stream || transaction.sent >= MAX_TRANSMISSIONS {
            return Some(Tick::TimedOut);
        }
        let wait = match transaction.sent {
            sent if sent + 1 == MAX_TRANSMISSIONS => rto * FINAL_WAIT,
            sent => rto * (1 << sent),
        };
        transaction.sent += 1;
        transaction.due = now + wait;
        let due = transaction.due;
        if !core::mem::replace(&mut transaction.queued, true) {
            self.outbox.push_back(slot);
        }
        Some(Tick::SentAgain(due))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}

/// A request that was just written.
#[derive(Debug)]
pub(super) struct NewTransaction {
    pub(super) id: TransactionId,
    pub(super) operation: Operation,
    pub(super) bytes: Box<[u8]>,
    pub(super) signer: Option<Signer>,
    pub(super) challenges: u8,
}
