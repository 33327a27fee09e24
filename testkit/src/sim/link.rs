//! What happens to a datagram on its way.

use core::time::Duration;

use super::rng::Chance;

/// A path between two hosts; both directions are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// One way.
    pub latency: Duration,
    /// Up to so much more, evenly distributed: enough of it and datagrams overtake each other.
    pub jitter: Duration,
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that a datagram arrives twice.
    pub duplication: f64,
    /// Probability that one byte of a datagram is another one when it arrives.
    pub corruption: f64,
}

impl Link {
    /// Ten milliseconds, and nothing goes wrong.
    pub const fn good() -> Self {
        Self {
            latency: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0.0,
            duplication: 0.0,
            corruption: 0.0,
        }
    }

    /// Loses this share of the datagrams.
    pub const fn losing(loss: f64) -> Self {
        Self { loss, ..Self::good() }
    }

    /// Loses, delays, reorders and repeats.
    pub const fn bad() -> Self {
        Self {
            latency: Duration::from_millis(10),
            jitter: Duration::from_millis(300),
            loss: 0.2,
            duplication: 0.3,
            corruption: 0.0,
        }
    }

    /// Does all of that, and changes bytes.
    pub const fn hostile() -> Self {
        Self { corruption: 0.2, ..Self::bad() }
    }

    /// Changes a byte, or not.
    pub(super) fn corrupt(&self, chance: &mut Chance, payload: &mut [u8]) {
        if !payload.is_empty() && chance.happens(self.corruption) {
            let at = chance.below(payload.len());
            payload[at] ^= 1 << chance.below(8);
        }
    }

    /// When the copies of a datagram arrive; none, one or two.
    pub(super) fn arrivals(&self, chance: &mut Chance) -> impl Iterator<Item = Duration> + use<> {
        let mut copy = |exists: bool| exists.then(|| self.latency + chance.up_to(self.jitter));
        let first = copy(true);
        let second = copy(true);
        let lost = chance.happens(self.loss);
        let twice = chance.happens(self.duplication);
        [first.filter(|_| !lost), second.filter(|_| !lost && twice)].into_iter().flatten()
    }
}
