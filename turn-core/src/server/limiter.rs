//! Token buckets for unauthenticated answers: a table of fixed size, the only thing a stranger's packet can write to.

use core::{hash::BuildHasher, net::IpAddr};

use crate::{limits::SourcePrefix, types::Instant};

const BUCKETS: usize = 4096;

/// What one answer costs, in thousandths, so that refilling by the elapsed time loses little to rounding.
const ANSWER: u64 = 1_000;

/// Limits answers per source prefix. Prefixes that fall into one bucket share its budget: a collision never resets anybody's.
pub(super) struct AnswerLimiter {
    buckets: Box<[Bucket]>,
    // Keyed: a stranger chooses the prefix, and must not be able to choose whose bucket it shares.
    hasher: foldhash::quality::RandomState,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: u64,
    at: Instant,
}

impl AnswerLimiter {
    pub(super) fn new() -> Self {
        // "Full" whatever the rate: the first use caps the tokens to the burst.
        let full = Bucket { tokens: u64::MAX, at: Instant::ZERO };
        Self { buckets: vec![full; BUCKETS].into(), hasher: foldhash::quality::RandomState::default() }
    }

    /// Takes one answer from the source's budget: `rate` per second with a burst of twice that. A rate of zero allows nothing.
    pub(super) fn take(&mut self, source: IpAddr, now: Instant, rate: u32) -> bool {
        let hash = self.hasher.hash_one(SourcePrefix::of(source));
        let Some(bucket) = self.buckets.get_mut(hash as usize % BUCKETS) else {
            return false;
        };
        let rate = u64::from(rate);
        let burst = 2 * rate * ANSWER;
        let elapsed_us = now.saturating_duration_since(bucket.at).as_micros().min(u128::from(u32::MAX)) as u64;
        // rate per second = rate * ANSWER thousandths per 10^6 microseconds.
        let gained = elapsed_us * rate / 1_000;
        if gained > 0 || bucket.tokens > burst {
            bucket.tokens = bucket.tokens.saturating_add(gained).min(burst);
            bucket.at = now;
        }
        if bucket.tokens < ANSWER {
            return false;
        }
        bucket.tokens -= ANSWER;
        true
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const ALICE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
    const BOB: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(198, 51, 100, 1));

    fn taken(limiter: &mut AnswerLimiter, source: IpAddr, now: Instant, tries: usize) -> usize {
        (0..tries).filter(|_| limiter.take(source, now, 100)).count()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let mut limiter = AnswerLimiter::new();
        let start = Instant::ZERO + Duration::from_secs(1);
        assert_eq!(taken(&mut limiter, ALICE, start, 1_000), 200);
        assert_eq!(taken(&mut limiter, ALICE, start + Duration::from_millis(100), 1_000), 10);
        assert_eq!(taken(&mut limiter, ALICE, start + Duration::from_secs(100), 1_000), 200);
    }

    #[test]
    fn the_rate_holds_however_often_it_is_asked() {
        let mut limiter = AnswerLimiter::new();
        let start = Instant::ZERO + Duration::from_secs(1);
        assert_eq!(taken(&mut limiter, ALICE, start, 1_000), 200);
        let within_a_second =
            (1..=100_000u64).filter(|us| limiter.take(ALICE, start + Duration::from_micros(us * 10), 100)).count();
        assert!((99..=100).contains(&within_a_second), "{within_a_second}");
    }

    #[test]
    fn other_prefixes_have_a_budget_of_their_own_unless_they_collide() {
        let mut limiter = AnswerLimiter::new();
        let start = Instant::ZERO + Duration::from_secs(1);
        taken(&mut limiter, ALICE, start, 1_000);
        let same_bucket = limiter.hasher.hash_one(SourcePrefix::of(ALICE)) as usize % BUCKETS
            == limiter.hasher.hash_one(SourcePrefix::of(BOB)) as usize % BUCKETS;
        assert_eq!(taken(&mut limiter, BOB, start, 1_000), if same_bucket { 0 } else { 200 });
    }

    #[test]
    fn a_rate_of_zero_allows_nothing() {
        let mut limiter = AnswerLimiter::new();
        assert!(!limiter.take(ALICE, Instant::ZERO + Duration::from_secs(9), 0));
    }
}
