//! The last few final answers to authenticated requests that left no allocation behind, so that a retransmission gets the same one.

use std::collections::VecDeque;

use stun_codec::TransactionId;

use crate::types::ClientKey;

/// Retransmissions come within 8 seconds of a transaction's start (RFC 8489 §6.2.1 with libwebrtc's and the RFC's timers); at the
/// 35,000 transactions per second that a worker can serve, what is forgotten too early merely is worked out anew.
const KEPT: usize = 512;

/// What a request ended in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A Refresh with lifetime zero deleted the allocation.
    Deleted,
    /// An Allocate failed with this code.
    Failed(u16),
}

/// Ring of recent outcomes; only requests that passed authentication are written here.
#[derive(Default)]
pub(super) struct Recent {
    entries: VecDeque<(TransactionId, ClientKey, Outcome)>,
}

impl Recent {
    pub(super) fn put(&mut self, client: ClientKey, transaction: TransactionId, outcome: Outcome) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back((transaction, client, outcome));
    }

    pub(super) fn get(&self, client: &ClientKey, transaction: &TransactionId) -> Option<Outcome> {
        let mut newest_first = self.entries.iter().rev();
        newest_first.find(|(t, c, _)| t == transaction && c == client).map(|(_, _, outcome)| *outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_and_stays_bounded() {
        let mut recent = Recent::default();
        for n in 0..1_000u64 {
            recent.put([n; 5], TransactionId([0; 12]), Outcome::Failed(486));
        }
        assert_eq!(recent.entries.len(), KEPT);
        assert_eq!(recent.get(&[0; 5], &TransactionId([0; 12])), None);
        assert_eq!(recent.get(&[999; 5], &TransactionId([0; 12])), Some(Outcome::Failed(486)));
        assert_eq!(recent.get(&[999; 5], &TransactionId([1; 12])), None);
    }
}
