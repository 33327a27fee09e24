//! Timers: retransmission, refresh, expiry.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use smallvec::smallvec;

use super::event::{Allocated, Event, Failure};
use super::peers::Due;
use super::timers::Timer;
use super::transactions::{Operation, Tick};
use super::{Client, State};
use crate::Instant;

/// An allocation is refreshed this long before it expires, so that a whole round of retransmissions fits in between.
const REFRESH_MARGIN: Duration = Duration::from_secs(60);

/// When to try again what could not be asked for because too many requests were outstanding, or what failed for no lasting reason.
pub(super) const RETRY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) granted: Allocated,
    expires: Instant,
    due: Instant,
}

impl Allocation {
    pub(super) fn new(granted: Allocated, begun: Instant) -> Self {
        let mut allocation = Self { granted, expires: begun, due: begun };
        allocation.extend(granted.lifetime, begun);
        allocation
    }

    /// The server granted this lifetime to a request that began at `begun`. Answers when to look again.
    pub(super) fn extend(&mut self, lifetime: Duration, begun: Instant) -> Instant {
        self.granted.lifetime = lifetime;
        self.expires = begun + lifetime;
        let wait = if lifetime >= 2 * REFRESH_MARGIN { lifetime - REFRESH_MARGIN } else { lifetime / 2 };
        self.due = begun + wait;
        self.due
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// A refresh failed and may be tried again. Answers when to look again.
    pub(super) fn retry(&mut self, now: Instant) -> Instant {
        self.due = (now + RETRY).min(self.expires);
        self.due
    }
}

impl Client {
    /// Does what is due. Calling it too early or too often does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, timer)) = self.timers.pop_due(now) {
            if self.due(timer) != Some(at) {
                continue;
            }
            match timer {
                Timer::Transaction(slot) => self.transaction_timer(now, slot),
                Timer::Allocation => self.allocation_timer(now),
                Timer::Permission(host) => self.permission_timer(now, host),
                Timer::Channel(peer) => self.channel_timer(now, peer),
            }
        }
        self.settle();
    }

    /// Makes [`Client::poll_timeout`] right again; to be called at the end of whatever moves a timer.
    pub(super) fn settle(&mut self) {
        let mut timers = core::mem::take(&mut self.timers);
        timers.prune(|at, timer| self.due(timer) == Some(at));
        self.timers = timers;
    }

    fn due(&self, timer: Timer) -> Option<Instant> {
        match timer {
            Timer::Transaction(slot) => self.transactions.get(slot).map(|transaction| transaction.due),
            Timer::Allocation => match &self.state {
                State::Allocated(allocation) => Some(allocation.due()),
                State::Idle | State::Allocating => None,
            },
            Timer::Permission(host) => self.peers.permission_due(host),
            Timer::Channel(peer) => self.peers.channel_due(peer),
        }
    }

    fn transaction_timer(&mut self, now: Instant, slot: u8) {
        match self.transactions.tick(now, slot) {
            Some(Tick::SentAgain(due)) => self.timers.arm(due, Timer::Transaction(slot)),
            Some(Tick::TimedOut) => {
                if let Some(transaction) = self.transactions.end(slot) {
                    let failure = if transaction.spoiled { Failure::IntegrityViolated } else { Failure::Timeout };
                    self.failed(now, transaction.operation, failure);
                }
            }
            None => {}
        }
    }

    fn allocation_timer(&mut self, now: Instant) {
        let State::Allocated(allocation) = &mut self.state else { return };
        if allocation.expires <= now {
            self.lost();
            return;
        }
        // Until the answer is there, the next thing to happen is the expiry.
        allocation.due = allocation.expires;
        if !self.closing && self.begin(now, Operation::Refresh { lifetime: None, announce: false }, 0).is_err() {
            let State::Allocated(allocation) = &mut self.state else { return };
            allocation.retry(now);
        }
        if let State::Allocated(allocation) = &self.state {
            self.timers.arm(allocation.due(), Timer::Allocation);
        }
    }

    fn permission_timer(&mut self, now: Instant, host: IpAddr) {
        if let Due::Renew(host) = self.peers.permission_timer(host, now) {
            let request = Operation::Permission { peers: smallvec![host], announce: false };
            if self.closing || self.begin(now, request, 0).is_err() {
                self.peers.permission_postponed(host, now + RETRY);
            }
        }
        if let Some(due) = self.peers.permission_due(host) {
            self.timers.arm(due, Timer::Permission(host));
        }
    }

    fn channel_timer(&mut self, now: Instant, peer: SocketAddr) {
        if self.peers.channel_expired(peer, now).is_none()
            && let Due::Renew((number, peer)) = self.peers.channel_timer(peer, now)
        {
            let request = Operation::Channel { number, peer, announce: false };
            if self.closing || self.begin(now, request, 0).is_err() {
                self.peers.channel_postponed(peer, now + RETRY);
            }
        }
        if let Some(due) = self.peers.channel_due(peer) {
            self.timers.arm(due, Timer::Channel(peer));
        }
    }

    /// The allocation is to end: nothing else matters any more.
    pub(super) fn begin_close(&mut self, now: Instant) {
        self.closing = true;
        self.transactions.clear();
        if self.begin(now, Operation::Close, 0).is_err() {
            // A Refresh is shorter than the Allocate that was sent; it cannot be too long, and the slots are all free.
            self.closed();
        }
    }

    /// The allocation is gone, and the caller asked for that.
    pub(super) fn closed(&mut self) {
        self.forget();
        self.events.push_back(Event::Closed);
    }

    /// The allocation is gone.
    pub(super) fn lost(&mut self) {
        let event = if self.closing { Event::Closed } else { Event::Lost };
        self.forget();
        self.events.push_back(event);
    }

    fn forget(&mut self) {
        self.state = State::Idle;
        self.closing = false;
        self.transactions.clear();
        self.peers.clear();
        self.timers.clear();
    }
}
