//! Answers: whether to believe them, and what follows from them.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use stun_codec::{AddressFamily, AttributeError, ChannelNumber, Class, Message};

use super::event::{Allocated, Event, Failure, Relayed, Request};
use super::keepalive::{Allocation, RETRY};
use super::session::{self, Session};
use super::timers::Timer;
use super::transactions::{Operation, Transaction};
use super::{Client, State, Transport};
use crate::Instant;

/// 401, 438: the server wants other credentials or another nonce. So many in a row, and the request has failed.
const MAX_CHALLENGES: u8 = 5;

/// A redirection to a server that a redirection led to within this time is a loop (RFC 8489 §10).
const REDIRECTION_MEMORY: Duration = Duration::from_secs(300);

/// Redirections that are followed within [`REDIRECTION_MEMORY`].
const MAX_REDIRECTIONS: usize = 8;

const TRY_ALTERNATE: u16 = 300;
const UNAUTHENTICATED: u16 = 401;
const ALLOCATION_MISMATCH: u16 = 437;
const STALE_NONCE: u16 = 438;

enum Belief {
    Yes,
    /// As if it had never come.
    No,
    /// Its integrity is wrong or missing (RFC 8489 §9.2.5).
    Forged,
}

impl Client {
    pub(super) fn reply(&mut self, now: Instant, message: &Message<'_>) {
        let Some(slot) = self.transactions.find(message.transaction_id()) else { return };
        let Some(transaction) = self.transactions.get(slot) else { return };
        if transaction.operation.method() != message.method() {
            return;
        }
        let code = match message.class() {
            Class::Error => match message.error_code() {
                Ok(Some(error)) => Some(error.code),
                _ => return,
            },
            _ => None,
        };
        let challenge = matches!(code, Some(UNAUTHENTICATED | STALE_NONCE));
        match self.belief(transaction, message, challenge) {
            Belief::Yes if challenge => self.challenged(now, slot, message),
            Belief::Yes => {
                if let Some(transaction) = self.transactions.end(slot) {
                    self.answered(now, transaction, message, code);
                }
            }
            Belief::No => {}
            Belief::Forged => self.forged(now, slot),
        }
    }

    /// RFC 8489 §9.2.5. A challenge cannot be signed: the server does not know with what.
    fn belief(&self, transaction: &Transaction, message: &Message<'_>, challenge: bool) -> Belief {
        if challenge {
            return Belief::Yes;
        }
        if session::is_bid_down(self.config.hash, message) {
            return Belief::No;
        }
        match &transaction.signer {
            Some(signer) if !signer.verifies(message) => Belief::Forged,
            _ => Belief::Yes,
        }
    }

    fn forged(&mut self, now: Instant, slot: u8) {
        match self.config.transport {
            // The right answer may still come.
            Transport::Datagram => {
                if let Some(transaction) = self.transactions.get_mut(slot) {
                    transaction.spoiled = true;
                }
            }
            Transport::Stream => {
                if let Some(transaction) = self.transactions.end(slot) {
                    self.failed(now, transaction.operation, Failure::IntegrityViolated);
                }
            }
        }
    }

    /// 401 or 438: asks again in the same slot.
    fn challenged(&mut self, now: Instant, slot: u8, message: &Message<'_>) {
        let Some(transaction) = self.transactions.end(slot) else { return };
        let code = message.error_code().ok().flatten().map_or(UNAUTHENTICATED, |error| error.code);
        let refused = |client: &mut Self, operation, failure| client.failed(now, operation, failure);
        let Some(credentials) = &self.config.credentials else {
            return refused(self, transaction.operation, Failure::Code(code));
        };
        let next = match Session::challenged(credentials, self.config.hash, message, self.session.as_ref()) {
            Ok(next) => next,
            Err(failure) => return refused(self, transaction.operation, failure),
        };
        // RFC 8489 §9.2.5: a 401 to the very credentials that would be used again is final.
        let same = transaction.signer.as_ref().is_some_and(|signer| next.would_repeat(signer));
        if transaction.challenges >= MAX_CHALLENGES || code == UNAUTHENTICATED && same {
            return refused(self, transaction.operation, Failure::Code(code));
        }
        self.session = Some(next);
        let operation = transaction.operation.clone();
        if self.begin_at(now, slot, operation, transaction.challenges + 1).is_err() {
            self.failed(now, transaction.operation, Failure::TooLong);
        }
    }

    fn answered(&mut self, now: Instant, transaction: Transaction, message: &Message<'_>, code: Option<u16>) {
        match code {
            Some(TRY_ALTERNATE) if transaction.operation == Operation::Allocate => self.redirected(now, message),
            Some(code) => self.failed(now, transaction.operation, Failure::Code(code)),
            // RFC 8489 §6.3.3: what must be understood and is not fails the transaction.
            None if message.unknown_required().next().is_some() => {
                self.failed(now, transaction.operation, Failure::Malformed);
            }
            None => self.succeeded(now, transaction, message),
        }
    }

    fn succeeded(&mut self, now: Instant, transaction: Transaction, message: &Message<'_>) {
        let begun = transaction.begun;
        match transaction.operation {
            Operation::Allocate => match read_allocated(message) {
                Ok(Some(granted)) => self.allocated(now, granted, begun),
                _ => self.failed(now, Operation::Allocate, Failure::Malformed),
            },
            Operation::Refresh { announce, .. } => self.refreshed(begun, message, announce),
            Operation::Release(family) => self.released(family),
            Operation::Close => self.closed(),
            Operation::Permission { peers, announce } => {
                for host in peers {
                    let due = self.peers.permission_granted(host, begun);
                    self.timers.arm(due, Timer::Permission(host));
                    if announce {
                        self.events.push_back(Event::PermissionGranted(host));
                    }
                }
            }
            Operation::Channel { number, peer, announce } => {
                if let Some(due) = self.peers.channel_bound(peer, begun) {
                    self.timers.arm(due, Timer::Channel(peer));
                }
                // RFC 8656 §12: a ChannelBind also installs or refreshes the permission.
                let due = self.peers.permission_granted(peer.ip(), begun);
                self.timers.arm(due, Timer::Permission(peer.ip()));
                if announce {
                    self.events.push_back(Event::ChannelBound { number, peer });
                }
            }
        }
    }

    fn allocated(&mut self, now: Instant, granted: Allocated, begun: Instant) {
        let allocation = Allocation::new(granted, begun);
        let due = allocation.due();
        self.state = State::Allocated(allocation);
        if self.closing {
            return self.begin_close(now);
        }
        self.timers.arm(due, Timer::Allocation);
        self.events.push_back(Event::Allocated(granted));
    }

    fn refreshed(&mut self, begun: Instant, message: &Message<'_>, announce: bool) {
        let State::Allocated(allocation) = &mut self.state else { return };
        // Without LIFETIME the allocation is what it was.
        let lifetime = match message.lifetime() {
            Ok(Some(seconds)) => Duration::from_secs(seconds.into()),
            _ => allocation.granted.lifetime,
        };
        if lifetime.is_zero() {
            return self.lost();
        }
        let due = allocation.extend(lifetime, begun);
        self.timers.arm(due, Timer::Allocation);
        if announce {
            self.events.push_back(Event::Refreshed(lifetime));
        }
    }

    fn released(&mut self, family: AddressFamily) {
        let State::Allocated(allocation) = &mut self.state else { return };
        let relayed = &mut allocation.granted.relayed;
        match family {
            AddressFamily::V4 => relayed.v4 = None,
            AddressFamily::V6 => relayed.v6 = None,
        }
        self.events.push_back(Event::FamilyReleased(family));
        if relayed.iter().next().is_none() {
            self.lost();
        }
    }

    fn redirected(&mut self, now: Instant, message: &Message<'_>) {
        let alternate = message.alternate_server().ok().flatten().filter(|server| self.is_new_server(now, *server));
        let (Some(server), false) = (alternate, self.closing) else {
            return self.failed(now, Operation::Allocate, Failure::Code(TRY_ALTERNATE));
        };
        self.redirections.push((server, now));
        if let Some(credentials) = &self.config.credentials
            && let Ok(next) = Session::challenged(credentials, self.config.hash, message, self.session.as_ref())
        {
            self.session = Some(next);
        }
        self.state = State::Idle;
        self.events.push_back(Event::Redirected(server));
    }

    fn is_new_server(&mut self, now: Instant, server: SocketAddr) -> bool {
        self.redirections.retain(|(_, at)| now.saturating_duration_since(*at) < REDIRECTION_MEMORY);
        self.redirections.len() < MAX_REDIRECTIONS && self.redirections.iter().all(|(earlier, _)| *earlier != server)
    }

    /// A request has failed for good.
    pub(super) fn failed(&mut self, now: Instant, operation: Operation, failure: Failure) {
        let mut refused = |what| self.events.push_back(Event::Refused { what, failure });
        let needs_allocation = operation != Operation::Allocate;
        match operation {
            Operation::Allocate if self.closing => return self.closed(),
            Operation::Allocate => {
                refused(Request::Allocate);
                self.state = State::Idle;
            }
            // Whatever the reason: it is not wanted any more, and the server will let it expire.
            Operation::Close => return self.closed(),
            Operation::Refresh { .. } => {
                refused(Request::Refresh);
                if let State::Allocated(allocation) = &mut self.state {
                    let due = allocation.retry(now);
                    self.timers.arm(due, Timer::Allocation);
                }
            }
            Operation::Release(family) => refused(Request::Release(family)),
            Operation::Permission { peers, .. } => {
                for host in peers {
                    self.permission_failed(now, host, failure);
                }
            }
            Operation::Channel { number, peer, .. } => self.channel_failed(now, number, peer, failure),
        }
        // 437: the server knows no allocation of this five-tuple.
        if needs_allocation && failure == Failure::Code(ALLOCATION_MISMATCH) {
            self.lost();
        }
    }
}

/// Permissions and channels: refused ones are gone, unanswered ones are asked for again while they live.
impl Client {
    fn permission_failed(&mut self, now: Instant, host: IpAddr, failure: Failure) {
        if let Failure::Code(_) = failure {
            self.peers.permission_refused(host);
        } else if let Some(due) = self.peers.permission_unanswered(host, now, now + RETRY) {
            self.timers.arm(due, Timer::Permission(host));
            return;
        }
        self.events.push_back(Event::Refused { what: Request::Permission(host), failure });
    }

    fn channel_failed(&mut self, now: Instant, number: ChannelNumber, peer: SocketAddr, failure: Failure) {
        let (is_alive, due) = match failure {
            Failure::Code(_) => (false, self.peers.channel_refused(peer)),
            _ => match self.peers.channel_unanswered(peer, now, now + RETRY) {
                Some((is_alive, due)) => (is_alive, Some(due)),
                None => (false, None),
            },
        };
        if let Some(due) = due {
            self.timers.arm(due, Timer::Channel(peer));
        }
        if !is_alive {
            self.events.push_back(Event::Refused { what: Request::Channel { number, peer }, failure });
        }
    }
}

/// RFC 8656 §7.3. None when something is missing that must be there.
fn read_allocated(message: &Message<'_>) -> Result<Option<Allocated>, AttributeError> {
    let mut relayed = Relayed::default();
    for address in message.xor_relayed_addresses() {
        let address = address?;
        let slot = if address.is_ipv4() { &mut relayed.v4 } else { &mut relayed.v6 };
        slot.get_or_insert(address);
    }
    let (Some(mapped), Some(seconds)) = (message.xor_mapped_address()?, message.lifetime()?) else {
        return Ok(None);
    };
    if relayed.iter().next().is_none() || seconds == 0 {
        return Ok(None);
    }
    Ok(Some(Allocated {
        relayed,
        mapped,
        lifetime: Duration::from_secs(seconds.into()),
        reservation: message.reservation_token()?,
        refused: message.address_error_code()?.map(|error| (error.family, error.code)),
    }))
}
