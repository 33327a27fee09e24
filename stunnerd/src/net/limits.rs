//! How many descriptors the process may have, and so how many allocations it can carry.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not relayed sockets: standard streams, runtime, listeners, files, and some to spare.
const RESERVED: u64 = 128;

/// The limit on open descriptors after [`raise_descriptor_limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// `RLIMIT_NOFILE`; `None` is unlimited.
    pub descriptors: Option<u64>,
}

impl DescriptorLimit {
    /// How many relayed sockets fit beside `others` descriptors, such as listener sockets (listeners times workers).
    #[must_use]
    pub fn relays(self, others: usize) -> Option<u64> {
        self.descriptors.map(|limit| limit.saturating_sub(RESERVED + others as u64))
    }
}

/// Raises the soft limit on descriptors to the hard one, and says what it is. A failure leaves what was.
pub fn raise_descriptor_limit() -> DescriptorLimit {
    let limit = getrlimit(Resource::Nofile);
    // A hard limit of "unlimited" is refused by the kernel (`fs.nr_open` bounds it); then the soft one stays.
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => DescriptorLimit { descriptors: limit.maximum },
        Err(_) => DescriptorLimit { descriptors: limit.current },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limit_becomes_the_hard_one() {
        let got = raise_descriptor_limit();
        assert_eq!(got.descriptors, getrlimit(Resource::Nofile).current);
        assert_eq!(got.descriptors, getrlimit(Resource::Nofile).maximum);
        assert!(got.relays(8).unwrap_or(u64::MAX) < got.descriptors.unwrap_or(u64::MAX));
    }
}
