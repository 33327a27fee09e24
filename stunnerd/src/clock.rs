//! The two clocks, read together.

use std::time::{Instant as StdInstant, SystemTime, UNIX_EPOCH};

use turn_core::{Instant, Now, UnixSeconds};

/// The process's clocks. Copies share one epoch, so that times may cross workers.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: StdInstant,
}

impl Clock {
    /// Starts at zero.
    pub fn start() -> Self {
        Self { epoch: StdInstant::now() }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // A wall clock before 1970 expires nothing; no credential is that old.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { mono: Instant::from_nanos(mono), unix: UnixSeconds(unix) }
    }

    /// What the standard library calls this time.
    pub fn to_std(self, at: Instant) -> StdInstant {
        // A lifetime is an hour at most; far more than a century from now means never.
        let century = std::time::Duration::from_secs(100 * 365 * 86_400);
        self.epoch + at.saturating_duration_since(Instant::ZERO).min(century)
    }
}
