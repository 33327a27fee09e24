//! Relayed sockets: which ports are taken, and which worker has which.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use stun_codec::AddressFamily;
use turn_core::{Binding, OpenError, OpenRelay, Opened, RelayId, Server};

use super::rng::Chance;

/// The port range of the whole process, per address.
#[derive(Debug)]
pub struct Ports {
    range: RangeInclusive<u16>,
    taken: BTreeSet<SocketAddr>,
}

impl Ports {
    pub(super) fn new(range: RangeInclusive<u16>) -> Self {
        Self { range, taken: BTreeSet::new() }
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    /// A free port, and the one above it where a pair is wanted.
    pub(super) fn take(&mut self, chance: &mut Chance, ip: IpAddr, even: bool, pair: bool) -> Option<SocketAddr> {
        let is_free = |port: u16| self.range.contains(&port) && !self.taken.contains(&SocketAddr::new(ip, port));
        let fits = |port: &u16| {
            (!even || port.is_multiple_of(2)) && is_free(*port) && (!pair || port.checked_add(1).is_some_and(is_free))
        };
        let free: Vec<u16> = self.range.clone().filter(fits).collect();
        let port = *free.get(chance.below(free.len().max(1)))?;
        self.taken.insert(SocketAddr::new(ip, port));
        if pair {
            self.taken.insert(SocketAddr::new(ip, port + 1));
        }
        Some(SocketAddr::new(ip, port))
    }

    pub(super) fn give_back(&mut self, addr: SocketAddr) {
        assert!(self.taken.remove(&addr), "{addr} was closed twice");
    }
}

/// A worker: its server, and the sockets and streams that it knows by the server's ids.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) server: ServerBox,
    pub(super) sockets: HashMap<RelayId, SocketAddr>,
    /// Sockets that are being opened.
    pub(super) opening: HashSet<RelayId>,
    /// What a fast path in the kernel would hold.
    pub(super) bindings: Vec<Binding>,
    pub(super) next_stream: u32,
}

/// A server that `Debug` passes over.
pub(super) struct ServerBox(pub(super) Server);

impl core::fmt::Debug for ServerBox {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Server({:?})", self.0.usage())
    }
}

impl Worker {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server: ServerBox(server),
            sockets: HashMap::new(),
            opening: HashSet::new(),
            bindings: Vec::new(),
            next_stream: 0,
        }
    }

    /// What must hold whenever the effects are drained: the server's view of sockets and channels is the caller's.
    pub(super) fn check(&self) {
        let usage = self.server.0.usage();
        assert_eq!(usage.allocations, usage.clients, "the index by client has another size");
        let known = self.sockets.len();
        assert!(usage.relays >= known, "{known} sockets are open, the server knows {}", usage.relays);
        // What is more is being opened, or awaited by mail; an opening that nobody waits for any more is no relay.
        assert!(usage.channels >= self.bindings.len(), "bindings that the server has no channel for");
    }

    pub(super) fn bind(&mut self, binding: Binding) {
        assert!(!self.bindings.contains(&binding), "{binding:?} is up already");
        assert!(self.sockets.contains_key(&binding.relay), "{binding:?} has no socket");
        self.bindings.push(binding);
    }

    pub(super) fn unbind(&mut self, binding: Binding) {
        let at = self.bindings.iter().position(|up| *up == binding);
        self.bindings.swap_remove(at.unwrap_or_else(|| panic!("{binding:?} was not up")));
    }
}

/// How sockets are opened: at once, late, or not at all.
#[derive(Debug, Default)]
pub struct Opening {
    /// Failures of the next opens, in order.
    pub failures: std::collections::VecDeque<OpenError>,
    /// Families that cannot be opened.
    pub missing: Vec<AddressFamily>,
    /// How long an open takes.
    pub delay: core::time::Duration,
}

impl Opening {
    pub(super) fn open(
        &mut self,
        ports: &mut Ports,
        chance: &mut Chance,
        open: &OpenRelay,
        ip: IpAddr,
    ) -> Result<Opened, OpenError> {
        if let Some(failure) = self.failures.pop_front() {
            return Err(failure);
        }
        if self.missing.contains(&open.family) {
            return Err(OpenError::Family);
        }
        let addr = ports.take(chance, ip, open.even, open.pair.is_some()).ok_or(OpenError::Capacity)?;
        let pair = open.pair.map(|id| (id, SocketAddr::new(addr.ip(), addr.port() + 1)));
        Ok(Opened { addr, pair })
    }
}
