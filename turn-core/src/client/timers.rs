//! When to look at what again: a heap whose stale entries are dropped when they come up.

use core::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};

use crate::Instant;

/// What a timer is for. The thing itself knows when it is due; an entry that says otherwise is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Allocation,
    Transaction(u8),
    Permission(IpAddr),
    Channel(SocketAddr),
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    pub(super) fn arm(&mut self, at: Instant, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    /// The earliest entry, which [`Timers::prune`] has made sure is not stale.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Drops stale entries from the front, so that [`Timers::next`] costs nothing.
    pub(super) fn prune(&mut self, is_live: impl Fn(Instant, Timer) -> bool) {
        while let Some(Reverse((at, timer))) = self.heap.peek() {
            if is_live(*at, *timer) {
                return;
            }
            self.heap.pop();
        }
    }

    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }
}
