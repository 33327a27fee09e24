//! Caps, their defaults, and the counters behind those that span workers.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hashbrown::HashMap;
use turn_auth::UserId;

/// The caps of a server. Zero means "no cap" where the field says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Permissions of one allocation. Default 256: a mesh call has a few dozen peers, and each costs about 60 bytes.
    pub permissions: usize,
    /// Channels of one allocation, those in their cool-down included. Default 128; each costs about 80 bytes, and looking one up
    /// by its peer reads them in order.
    pub channels: usize,
    /// TCP connections of one allocation (RFC 6062), those being made included. Default 64; each holds a descriptor and buffers.
    pub connections: usize,
    /// Allocations of the whole process; 0 is no cap. Default 0: descriptors run out first, and then the answer is 508.
    pub allocations: u32,
    /// Allocations of one user id; 0 is no cap. Default 0, because all clients of a static configuration share one name.
    pub allocations_per_user: u32,
    /// Allocations from one source prefix (IPv4 /24, IPv6 /64); 0 is no cap. Default 28,000: the clients that one SNATing node can
    /// present at all, as Linux has that many ephemeral ports.
    pub allocations_per_source: u32,
    /// Unauthenticated answers per second and worker to one source prefix, with a burst of twice that. Default 2,000: what a node that
    /// hides 4,000 clients needs when they all come back at once, while a reflection attack gains about 200 kB/s.
    pub unauthenticated_answers_per_second: u32,
    /// Answer channel numbers of 0x5000 and above with 400, as RFC 8656 §12 has it. Default false: deployed clients use RFC 5766's range.
    pub strict_channel_numbers: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            permissions: 256,
            channels: 128,
            connections: 64,
            allocations: 0,
            allocations_per_user: 0,
            allocations_per_source: 28_000,
            unauthenticated_answers_per_second: 2_000,
            strict_channel_numbers: false,
        }
    }
}

/// The limit that refused an allocation; its name is the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::allocations`].
    Allocations,
    /// [`Limits::allocations_per_user`].
    AllocationsPerUser,
    /// [`Limits::allocations_per_source`].
    AllocationsPerSource,
}

impl Limit {
    /// The limit's name in configuration and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allocations => "allocations",
            Self::AllocationsPerUser => "allocations_per_user",
            Self::AllocationsPerSource => "allocations_per_source",
        }
    }
}

/// The network a client is counted under: IPv4 /24, IPv6 /64. The port never counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourcePrefix(u64);

impl SourcePrefix {
    /// The prefix of this address; an IPv4-mapped IPv6 address counts as its IPv4 address.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            // 2^63 is no /64 that is in use (8000::/64), so the families stay apart.
            IpAddr::V4(v4) => Self(1 << 63 | u64::from(u32::from(v4) >> 8)),
            IpAddr::V6(v6) => Self((u128::from(v6) >> 64) as u64),
        }
    }
}

impl fmt::Display for SourcePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >> 24 == 1 << 39 {
            write!(f, "{}/24", Ipv4Addr::from((self.0 as u32) << 8))
        } else {
            write!(f, "{}/64", Ipv6Addr::from(u128::from(self.0) << 64))
        }
    }
}

/// Allocation counters of the whole process, shared by its workers and by every policy snapshot.
///
/// They are touched when an allocation begins and ends, never by a packet, so a mutex is enough.
#[derive(Default)]
pub struct Quotas {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: u32,
    // Only authenticated users and their sources are counted, and a count that falls to zero is removed: no stranger can grow these
    // maps. hashbrown's default hasher is seeded.
    users: HashMap<UserId, u32, foldhash::fast::RandomState>,
    sources: HashMap<SourcePrefix, u32, foldhash::fast::RandomState>,
}

impl Quotas {
    /// Counters at zero.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts one more allocation, unless a limit is reached.
    ///
    /// # Errors
    /// The first limit that is reached; nothing is counted then.
    pub fn reserve(self: &Arc<Self>, limits: &Limits, user: &UserId, source: IpAddr) -> Result<Permit, Limit> {
        let prefix = SourcePrefix::of(source);
        let mut counts = self.lock();
        let reached = |count: u32, cap: u32| cap != 0 && count >= cap;
        if reached(counts.total, limits.allocations) {
            return Err(Limit::Allocations);
        }
        if reached(counts.users.get(user).copied().unwrap_or(0), limits.allocations_per_user) {
            return Err(Limit::AllocationsPerUser);
        }
        if reached(counts.sources.get(&prefix).copied().unwrap_or(0), limits.allocations_per_source) {
            return Err(Limit::AllocationsPerSource);
        }
        counts.total += 1;
        *counts.users.entry(user.clone()).or_insert(0) += 1;
        *counts.sources.entry(prefix).or_insert(0) += 1;
        Ok(Permit { quotas: Arc::clone(self), user: user.clone(), prefix })
    }

    /// Allocations now counted, all workers together.
    pub fn total(&self) -> u32 {
        self.lock().total
    }

    /// Whether nothing is counted anywhere.
    pub fn is_empty(&self) -> bool {
        let counts = self.lock();
        counts.total == 0 && counts.users.is_empty() && counts.sources.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing below can panic between two related writes, so a poisoned lock still holds consistent counts.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas").field("total", &self.total()).finish_non_exhaustive()
    }
}

/// One allocation's place in the [`Quotas`]; dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    quotas: Arc<Quotas>,
    user: UserId,
    prefix: SourcePrefix,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.quotas.lock();
        counts.total = counts.total.saturating_sub(1);
        if let Some(count) = counts.users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.users.remove(&self.user);
            }
        }
        if let Some(count) = counts.sources.get_mut(&self.prefix) {
            *count -= 1;
            if *count == 0 {
                counts.sources.remove(&self.prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_permit_counts_until_it_is_dropped() {
        let quotas = Quotas::new();
        let limits = Limits { allocations_per_user: 1, ..Limits::default() };
        let alice = UserId::new("alice");
        let permit = quotas.reserve(&limits, &alice, ip("192.0.2.1")).expect("free");
        assert_eq!(quotas.reserve(&limits, &alice, ip("192.0.2.1")).unwrap_err(), Limit::AllocationsPerUser);
        assert_eq!(quotas.total(), 1);
        drop(permit);
        assert!(quotas.is_empty());
        assert!(quotas.reserve(&limits, &alice, ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn sources_are_counted_by_prefix_and_mapped_addresses_as_ipv4() {
        let quotas = Quotas::new();
        let limits = Limits { allocations_per_source: 1, ..Limits::default() };
        let _a = quotas.reserve(&limits, &UserId::new("a"), ip("192.0.2.1")).expect("free");
        let same = quotas.reserve(&limits, &UserId::new("b"), ip("::ffff:192.0.2.200"));
        assert_eq!(same.unwrap_err(), Limit::AllocationsPerSource);
        assert!(quotas.reserve(&limits, &UserId::new("b"), ip("192.0.3.1")).is_ok());
        let _c = quotas.reserve(&limits, &UserId::new("c"), ip("2001:db8::1")).expect("free");
        assert!(quotas.reserve(&limits, &UserId::new("d"), ip("2001:db8::ffff")).is_err());
        assert!(quotas.reserve(&limits, &UserId::new("d"), ip("2001:db8:0:1::")).is_ok());
    }

    #[test]
    fn the_total_is_capped_first() {
        let quotas = Quotas::new();
        let limits = Limits { allocations: 1, ..Limits::default() };
        let _a = quotas.reserve(&limits, &UserId::new("a"), ip("192.0.2.1")).expect("free");
        assert_eq!(quotas.reserve(&limits, &UserId::new("b"), ip("198.51.100.1")).unwrap_err(), Limit::Allocations);
    }

    #[test]
    fn a_prefix_prints_as_a_network() {
        assert_eq!(SourcePrefix::of(ip("192.0.2.77")).to_string(), "192.0.2.0/24");
        assert_eq!(SourcePrefix::of(ip("2001:db8:1:2:3::")).to_string(), "2001:db8:1:2::/64");
    }
}
