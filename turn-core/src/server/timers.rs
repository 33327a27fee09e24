//! When allocations want to be looked at: a min-heap that is cleaned lazily.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use super::allocation::AllocationId;
use crate::types::Instant;

/// An allocation has one entry that counts (its `armed` time) and rarely a stale one; a refresh leaves its entry where it is, and
/// when that comes up the allocation is entered anew.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, AllocationId)>>,
}

impl Timers {
    pub(super) fn push(&mut self, at: Instant, id: AllocationId) {
        self.heap.push(Reverse((at, id)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The earliest entry, if its time has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, AllocationId)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Forgets the entries that do not count any more; called when they are the majority, so that each costs a constant amount.
    pub(super) fn compact(&mut self, counts: impl Fn(Instant, AllocationId) -> bool) {
        self.heap.retain(|Reverse((at, id))| counts(*at, *id));
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}
