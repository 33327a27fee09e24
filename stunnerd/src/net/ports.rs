//! Which ports of the relay range are taken: one pool for the process, off the packet path.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::CryptoRng;

const WORD: usize = u64::BITS as usize;
const WORDS: usize = (1 << 16) / WORD;
/// The even ports of a word.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// What kind of port a relayed transport address needs (RFC 8656 §18.7, EVEN-PORT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortWish {
    /// Any port.
    Any,
    /// An even port.
    Even,
    /// An even port, and the one after it as well.
    EvenAndNext,
}

impl PortWish {
    /// The free ports of a word that satisfy the wish. Words begin at even ports, so that no pair spans two.
    fn candidates(self, free: u64) -> u64 {
        match self {
            Self::Any => free,
            Self::Even => free & EVEN,
            Self::EvenAndNext => free & (free >> 1) & EVEN,
        }
    }
}

/// The ports of one range on every local address, shared by all workers.
#[derive(Debug)]
pub struct PortPool {
    range: RangeInclusive<u16>,
    /// Keyed by the few addresses that the operator configured, not by anything that a stranger chooses.
    free: Mutex<HashMap<IpAddr, Box<[u64; WORDS]>>>,
}

impl PortPool {
    /// A pool of the ports in `range`, all free.
    #[must_use]
    pub fn new(range: RangeInclusive<u16>) -> Arc<Self> {
        Arc::new(Self { range, free: Mutex::default() })
    }

    /// Takes a port of `ip`, each that fits with equal probability, and with [`PortWish::EvenAndNext`] the next one too.
    /// `None`: there is none left.
    pub fn lease(
        self: &Arc<Self>,
        ip: IpAddr,
        wish: PortWish,
        rng: &mut impl CryptoRng,
    ) -> Option<(PortLease, Option<PortLease>)> {
        let mut addresses = self.lock();
        let free = addresses.entry(ip).or_insert_with(|| all_of(&self.range));
        let count: u64 = free.iter().map(|&word| u64::from(wish.candidates(word).count_ones())).sum();
        if count == 0 {
            return None;
        }
        // The bias of the remainder is below 2^-47.
        let port = nth(free, wish, rng.next_u64() % count)?;
        let lease = |port: u16| PortLease { pool: Arc::clone(self), ip, port };
        mark(free, port, false);
        let next = (wish == PortWish::EvenAndNext).then(|| {
            mark(free, port + 1, false);
            lease(port + 1)
        });
        Some((lease(port), next))
    }

    /// How many ports of `ip` are free.
    #[must_use]
    pub fn free(&self, ip: IpAddr) -> usize {
        match self.lock().get(&ip) {
            Some(free) => free.iter().map(|word| word.count_ones() as usize).sum(),
            None => self.range.len(),
        }
    }

    fn give_back(&self, ip: IpAddr, port: u16) {
        if let Some(free) = self.lock().get_mut(&ip) {
            mark(free, port, true);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Box<[u64; WORDS]>>> {
        // No step in between leaves the bitmap wrong, so that a panic elsewhere is no reason to refuse service.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn all_of(range: &RangeInclusive<u16>) -> Box<[u64; WORDS]> {
    let mut free = Box::new([0; WORDS]);
    for port in range.clone() {
        mark(&mut free, port, true);
    }
    free
}

fn mark(free: &mut [u64; WORDS], port: u16, is_free: bool) {
    let bit = 1 << (usize::from(port) % WORD);
    let word = &mut free[usize::from(port) / WORD];
    if is_free {
        *word |= bit;
    } else {
        *word &= !bit;
    }
}

/// The `n`-th free port that satisfies the wish.
fn nth(free: &[u64; WORDS], wish: PortWish, mut n: u64) -> Option<u16> {
    for (index, &word) in free.iter().enumerate() {
        let mut candidates = wish.candidates(word);
        let count = u64::from(candidates.count_ones());
        if n >= count {
            n -= count;
            continue;
        }
        for _ in 0..n {
            candidates &= candidates - 1;
        }
        return u16::try_from(index * WORD + candidates.trailing_zeros() as usize).ok();
    }
    None
}

/// A port that is ours until this is dropped.
#[derive(Debug)]
pub struct PortLease {
    pool: Arc<PortPool>,
    ip: IpAddr,
    port: u16,
}

impl PortLease {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        self.pool.give_back(self.ip, self.port);
    }
}
