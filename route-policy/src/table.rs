//! The compiled table.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::Range;

use crate::special::{Refusal, embeds};

/// Names a route. The caller chooses it and keeps it stable across reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// Which peers may be reached, and by which route. Immutable; [`TableBuilder`](crate::TableBuilder) makes it. The default one
/// refuses everybody.
///
/// Each address family is cut into disjoint intervals at the ends of all prefixes. A binary search finds the interval, which
/// points to the innermost prefix around it; from there parents are followed outwards, so that memory is linear in the number
/// of endpoints however they overlap. A special range has no parent: endpoints that reach beyond it are not found inside.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) v4: Intervals,
    pub(crate) v6: WideIntervals,
    pub(crate) nodes: Box<[Node]>,
    pub(crate) rules: Box<[Rule]>,
    /// By rank, of which 1 is the route that was added first.
    pub(crate) routes: Box<[RouteId]>,
}

impl Table {
    /// Which route admits the peer, if any does.
    #[inline]
    #[must_use]
    pub fn admits(&self, peer: SocketAddr) -> Option<RouteId> {
        self.check(peer).ok()
    }

    /// Which route admits the address on some port at least: the question of a TURN permission, which has no port.
    #[must_use]
    pub fn admits_host(&self, address: IpAddr) -> Option<RouteId> {
        self.check_host(address).ok()
    }

    /// Which route admits the peer, or why none does.
    ///
    /// # Errors
    /// The [`Refusal`], for a log line and a metric.
    #[inline]
    pub fn check(&self, peer: SocketAddr) -> Result<RouteId, Refusal> {
        if peer.port() == 0 {
            return Err(Refusal::PortZero);
        }
        let innermost = self.find(peer.ip(), Some(peer.port()))?;
        let rank = self.rank(innermost, peer.port());
        match rank.checked_sub(1).map(|at| self.routes.get(at as usize)) {
            Some(Some(route)) => Ok(*route),
            Some(None) => Err(self.why_not(innermost)),
            None => Err(Refusal::OwnSocket),
        }
    }

    /// Which route admits the address on some port, or why none does.
    ///
    /// # Errors
    /// The [`Refusal`], for a log line and a metric.
    pub fn check_host(&self, address: IpAddr) -> Result<RouteId, Refusal> {
        let innermost = self.find(address, None)?;
        let mut closed = None;
        let rules = self.chain(innermost).flat_map(|node| self.rules_of(node));
        let open = rules.filter(|rule| {
            let open = rule.rank != OWN && self.leaves_a_port(innermost, rule);
            // The gateway's own address with nothing else routed, but a plainer reason goes first.
            closed = closed.or((!open && innermost.barrier == Refusal::NoRoute).then_some(Refusal::OwnSocket));
            open
        });
        let best = open.min_by_key(|rule| rule.rank).and_then(|rule| self.routes.get(rule.rank as usize - 1));
        best.copied().ok_or(closed.unwrap_or(innermost.barrier))
    }

    /// The innermost prefix around the address, unless it hides a forbidden one.
    #[inline]
    fn find(&self, address: IpAddr, port: Option<u16>) -> Result<&Node, Refusal> {
        let v6 = match address {
            IpAddr::V4(v4) => return Ok(self.node(self.v4.find(v4.to_bits()))),
            IpAddr::V6(v6) => v6,
        };
        if let Some(v4) = v6.to_ipv4_mapped() {
            return Ok(self.node(self.v4.find(v4.to_bits())));
        }
        self.find_v6(v6, port)
    }

    fn find_v6(&self, address: Ipv6Addr, port: Option<u16>) -> Result<&Node, Refusal> {
        let innermost = self.node(self.v6.find(address.to_bits()));
        // An address that is special itself gets the plainer reason, but is refused all the same.
        match embeds(address, |v4| self.forbids(v4, port)) {
            true if innermost.barrier == Refusal::NoRoute => Err(Refusal::Embedded),
            true => Err(innermost.barrier),
            false => Ok(innermost),
        }
    }

    /// Whether an IPv4 reading of an IPv6 address makes it unreachable: routes into special ranges do not help here.
    fn forbids(&self, reading: Ipv4Addr, port: Option<u16>) -> bool {
        let innermost = self.node(self.v4.find(reading.to_bits()));
        innermost.barrier != Refusal::NoRoute || port.is_some_and(|port| self.rank(innermost, port) == OWN)
    }

    /// The best rank of the rules that cover the port: `OWN`, a route's, or `NONE`.
    #[inline]
    fn rank(&self, innermost: &Node, port: u16) -> u32 {
        let covering = self.chain(innermost).filter_map(|node| {
            let rules = self.rules_of(node);
            rules.get(rules.partition_point(|rule| rule.last < port)).filter(|rule| rule.first <= port)
        });
        covering.map(|rule| rule.rank).min().unwrap_or(NONE)
    }

    /// Whether some port of the rule is not one of the gateway's own there.
    fn leaves_a_port(&self, innermost: &Node, rule: &Rule) -> bool {
        let mut port = rule.first;
        loop {
            let own = self.chain(innermost).flat_map(|node| self.rules_of(node)).filter(|rule| rule.rank == OWN);
            match own.filter(|own| own.first <= port && port <= own.last).map(|own| own.last).max() {
                None => return true,
                Some(last) if last >= rule.last => return false,
                Some(last) => port = last + 1,
            }
        }
    }

    #[cold]
    fn why_not(&self, innermost: &Node) -> Refusal {
        let mut rules = self.chain(innermost).flat_map(|node| self.rules_of(node));
        let named = rules.any(|rule| rule.rank != OWN && self.leaves_a_port(innermost, rule));
        if named { Refusal::PortNotRouted } else { innermost.barrier }
    }

    /// The prefixes around an address, innermost first, out to the family's whole space or to a special range.
    #[inline]
    fn chain<'a>(&'a self, innermost: &'a Node) -> impl Iterator<Item = &'a Node> {
        core::iter::successors(Some(innermost), |node| self.nodes.get(node.parent as usize))
    }

    #[inline]
    fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    #[inline]
    fn rules_of(&self, node: &Node) -> &[Rule] {
        &self.rules[node.rules.start as usize..node.rules.end as usize]
    }
}

impl Default for Table {
    fn default() -> Self {
        crate::TableBuilder::new().build()
    }
}

/// A rank that beats every route's: the gateway's own sockets.
pub(crate) const OWN: u32 = 0;
/// A rank that no route has, and the parent of a node that has none.
pub(crate) const NONE: u32 = u32::MAX;

/// Disjoint intervals that cover all of IPv4: each reaches from its start to the next one's.
#[derive(Debug, Clone)]
pub(crate) struct Intervals {
    starts: Box<[u32]>,
    nodes: Box<[u32]>,
}

impl Intervals {
    pub(crate) fn new(starts: &[u128], nodes: Box<[u32]>) -> Self {
        Self { starts: starts.iter().map(|start| *start as u32).collect(), nodes }
    }

    #[inline]
    fn find(&self, address: u32) -> u32 {
        // The first interval starts at the family's lowest address, so there is one before the partition point.
        self.nodes[self.starts.partition_point(|start| *start <= address) - 1]
    }
}

/// The same for IPv6, whose starts are kept in halves: a search among the high ones, then one among the low ones that share it,
/// costs less than comparing 128 bits in each step.
#[derive(Debug, Clone)]
pub(crate) struct WideIntervals {
    /// The distinct high halves, each with the index of its first interval.
    runs: Box<[(u64, u32)]>,
    /// The low halves of all starts.
    lows: Box<[u64]>,
    nodes: Box<[u32]>,
}

impl WideIntervals {
    pub(crate) fn new(starts: &[u128], nodes: Box<[u32]>) -> Self {
        let high = |start: &u128| (start >> 64) as u64;
        let mut runs: Vec<(u64, u32)> = starts.iter().zip(0..).map(|(start, at)| (high(start), at)).collect();
        runs.dedup_by_key(|(high, _)| *high);
        Self { runs: runs.into(), lows: starts.iter().map(|start| *start as u64).collect(), nodes }
    }

    #[inline]
    fn find(&self, address: u128) -> u32 {
        let (high, low) = ((address >> 64) as u64, address as u64);
        // As above, there is a run before the partition point, and an interval before the end of any.
        let behind = self.runs.partition_point(|(start, _)| *start <= high);
        let (start, from) = self.runs[behind - 1];
        let from = from as usize;
        let to = self.runs.get(behind).map_or(self.lows.len(), |(_, next)| *next as usize);
        let at = if start == high { from + self.lows[from..to].partition_point(|start| *start <= low) } else { to };
        self.nodes[at - 1]
    }
}

/// A prefix with what its endpoints admit; equal neighbours are one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) parent: u32,
    /// Which part of the table's rules: disjoint port ranges in ascending order.
    pub(crate) rules: Range32,
    /// The special range around it, or `NoRoute`.
    pub(crate) barrier: Refusal,
}

/// `Range<u32>` has no order, and its iterator state has no business here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range32 {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl From<Range<usize>> for Range32 {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }
}

/// A port range, both ends included, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) rank: u32,
}
