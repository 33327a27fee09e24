//! From endpoints to the compiled table.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::endpoint::{Endpoint, PortRange};
use crate::special::{self, Refusal};
use crate::table::{Intervals, NONE, Node, OWN, RouteId, Rule, Table, WideIntervals};

/// Collects routes and the gateway's own sockets, and compiles them into a [`Table`].
///
/// The order of calls matters only in that the route mentioned first wins where several admit a peer.
#[derive(Debug, Clone, Default)]
pub struct TableBuilder {
    routes: Vec<RouteId>,
    ranks: BTreeMap<RouteId, u32>,
    endpoints: Vec<Entry>,
    own: Vec<SocketAddr>,
    local: Vec<IpAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    endpoint: Endpoint,
    rank: u32,
    learned: bool,
}

impl TableBuilder {
    /// A builder whose table refuses everybody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an endpoint that the route's configuration names.
    pub fn endpoint(&mut self, route: RouteId, endpoint: Endpoint) -> &mut Self {
        let rank = self.rank(route);
        self.endpoints.push(Entry { endpoint, rank, learned: false });
        self
    }

    /// Adds an address that DNS gave for a name of the route, with all ports. In a special range it counts for nothing.
    pub fn learned(&mut self, route: RouteId, address: IpAddr) -> &mut Self {
        let rank = self.rank(route);
        self.endpoints.push(Entry { endpoint: address.into(), rank, learned: true });
        self
    }

    /// Routes `0.0.0.0/0` and `::/0`, special ranges excepted: a gateway that has no configuration but a TURN URI.
    pub fn anywhere(&mut self, route: RouteId) -> &mut Self {
        for address in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
            self.endpoint(route, prefix(address, 0));
        }
        self
    }

    /// Routes `127.0.0.0/8` and `::1`: only for a gateway whose own listener is bound to loopback.
    pub fn loopback(&mut self, route: RouteId) -> &mut Self {
        self.endpoint(route, prefix(Ipv4Addr::new(127, 0, 0, 0).into(), 8));
        self.endpoint(route, prefix(Ipv6Addr::LOCALHOST.into(), 128))
    }

    /// Closes a socket of the gateway itself (listener, health, metrics, admin) to every route.
    ///
    /// A wildcard socket is closed at all of `127.0.0.0/8` or `::1` and at each [`local_address`](Self::local_address); `[::]`
    /// stands for both families.
    pub fn own_socket(&mut self, socket: SocketAddr) -> &mut Self {
        self.own.push(SocketAddr::new(socket.ip().to_canonical(), socket.port()));
        self
    }

    /// Names an address by which the host itself is reached (of an interface, or one that a 1:1 NAT maps to it): at these,
    /// wildcard sockets are closed.
    pub fn local_address(&mut self, address: IpAddr) -> &mut Self {
        self.local.push(address.to_canonical());
        self
    }

    /// Compiles the table.
    #[must_use]
    pub fn build(&self) -> Table {
        let mut v4 = Prefixes::new(32, &special::V4);
        let mut v6 = Prefixes::new(128, &special::V6);
        for entry in &self.endpoints {
            let rule =
                Rule { first: entry.endpoint.ports().first(), last: entry.endpoint.ports().last(), rank: entry.rank };
            let length = entry.endpoint.prefix_len();
            match entry.endpoint.network() {
                IpAddr::V4(address) => v4.add(address.to_bits().into(), length, rule, entry.learned),
                IpAddr::V6(address) => v6.add(address.to_bits(), length, rule, entry.learned),
            }
        }
        for (closed, port) in self.own_prefixes() {
            let rule = Rule { first: port, last: port, rank: OWN };
            match closed.network() {
                IpAddr::V4(address) => v4.add(address.to_bits().into(), closed.prefix_len(), rule, false),
                IpAddr::V6(address) => v6.add(address.to_bits(), closed.prefix_len(), rule, false),
            }
        }
        let mut pool = Pool::default();
        let (starts4, nodes4) = v4.compile(&mut pool);
        let (starts6, nodes6) = v6.compile(&mut pool);
        Table {
            v4: Intervals::new(&starts4, nodes4.into()),
            v6: WideIntervals::new(&starts6, nodes6.into()),
            nodes: pool.nodes.into(),
            rules: pool.rules.into(),
            routes: self.routes.as_slice().into(),
        }
    }

    fn rank(&mut self, route: RouteId) -> u32 {
        *self.ranks.entry(route).or_insert_with(|| {
            self.routes.push(route);
            self.routes.len() as u32
        })
    }

    /// Where the gateway's own ports are closed.
    fn own_prefixes(&self) -> impl Iterator<Item = (Endpoint, u16)> {
        self.own.iter().flat_map(|socket| {
            let wildcard = socket.ip().is_unspecified();
            let both = socket.is_ipv6();
            let local = self.local.iter().filter(move |local| wildcard && (both || local.is_ipv4()));
            let loopback4 = wildcard.then(|| prefix(Ipv4Addr::LOCALHOST.into(), 8));
            let loopback6 = (wildcard && both).then(|| prefix(Ipv6Addr::LOCALHOST.into(), 128));
            let named = (!wildcard).then(|| socket.ip().into());
            let places = local.map(|address| (*address).into()).chain(loopback4).chain(loopback6).chain(named);
            places.map(|place| (place, socket.port()))
        })
    }
}

fn prefix(address: IpAddr, length: u8) -> Endpoint {
    Endpoint::new(address, length, PortRange::ALL).unwrap_or(address.into())
}

/// A prefix: sorting puts each behind those that contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix {
    start: u128,
    length: u8,
}

/// The prefixes of one address family.
struct Prefixes {
    width: u8,
    ranges: &'static [special::Range],
    rules: BTreeMap<Prefix, Vec<Rule>>,
}

impl Prefixes {
    fn new(width: u8, ranges: &'static [special::Range]) -> Self {
        let whole = Prefix { start: 0, length: 0 };
        let special = ranges.iter().map(|range| Prefix { start: range.start, length: range.prefix_len });
        Self { width, ranges, rules: special.chain([whole]).map(|prefix| (prefix, Vec::new())).collect() }
    }

    fn add(&mut self, start: u128, length: u8, rule: Rule, learned: bool) {
        let prefix = Prefix { start, length };
        let outer = |range: &&special::Range| {
            length >= range.prefix_len && start <= self.last(range.start, range.prefix_len) && start >= range.start
        };
        // Inside a closed range nothing is reachable, own socket or not; a learned address opens no special range.
        if self.ranges.iter().filter(outer).any(|range| range.closed || learned) {
            return;
        }
        self.rules.entry(prefix).or_default().push(rule);
    }

    /// The highest address of a prefix.
    fn last(&self, start: u128, length: u8) -> u128 {
        let span = 1u128.checked_shl(u32::from(self.width - length)).unwrap_or(0);
        start.wrapping_add(span).wrapping_sub(1)
    }

    fn barrier(&self, prefix: Prefix) -> Option<Refusal> {
        let range = self.ranges.iter().find(|range| range.start == prefix.start && range.prefix_len == prefix.length);
        range.map(|range| range.refusal)
    }

    /// Starts of the intervals, and the innermost node of each. Prefixes nest or are disjoint, so one pass with a stack of the
    /// prefixes that are open does it.
    fn compile(mut self, pool: &mut Pool) -> (Vec<u128>, Vec<u32>) {
        let mut intervals = Steps::default();
        let mut open: Vec<(u128, u32)> = Vec::new();
        let limit = self.last(0, 0);
        for (prefix, rules) in core::mem::take(&mut self.rules) {
            while let Some((last, _)) = open.last().copied()
                && last < prefix.start
            {
                open.pop();
                intervals.close(last, &open, limit);
            }
            let parent = open.last().map_or(NONE, |(_, node)| *node);
            let node = pool.node(parent, self.barrier(prefix), flatten(&rules));
            open.push((self.last(prefix.start, prefix.length), node));
            intervals.step(prefix.start, node);
        }
        while let Some((last, _)) = open.pop() {
            intervals.close(last, &open, limit);
        }
        (intervals.starts, intervals.nodes)
    }
}

/// The intervals so far, ascending.
#[derive(Default)]
struct Steps {
    starts: Vec<u128>,
    nodes: Vec<u32>,
}

impl Steps {
    /// From `start` on, `node` holds.
    fn step(&mut self, start: u128, node: u32) {
        // A prefix that begins where another begins or ends takes its place.
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.nodes.pop();
        }
        if self.nodes.last() != Some(&node) {
            self.starts.push(start);
            self.nodes.push(node);
        }
    }

    /// After `last`, the prefix around the one that ends there holds.
    fn close(&mut self, last: u128, open: &[(u128, u32)], limit: u128) {
        if let Some((_, outer)) = open.last()
            && last < limit
        {
            self.step(last + 1, *outer);
        }
    }
}

/// Nodes and rules of both families, each kept once.
#[derive(Default)]
struct Pool {
    nodes: Vec<Node>,
    rules: Vec<Rule>,
    known_nodes: BTreeMap<Node, u32>,
    known_rules: BTreeMap<Vec<Rule>, core::ops::Range<usize>>,
}

impl Pool {
    fn node(&mut self, parent: u32, barrier: Option<Refusal>, rules: Vec<Rule>) -> u32 {
        let outer = self.nodes.get(parent as usize);
        let inherited = outer.map_or(Refusal::NoRoute, |outer| outer.barrier);
        if rules.is_empty() && barrier.is_none() && outer.is_some() {
            return parent;
        }
        let all = &mut self.rules;
        let range = self.known_rules.entry(rules).or_insert_with_key(|rules| {
            all.extend_from_slice(rules);
            all.len() - rules.len()..all.len()
        });
        let parent = if barrier.is_some() { NONE } else { parent };
        let node = Node { parent, rules: range.clone().into(), barrier: barrier.unwrap_or(inherited) };
        let nodes = &mut self.nodes;
        *self.known_nodes.entry(node).or_insert_with_key(|node| {
            nodes.push(node.clone());
            nodes.len() as u32 - 1
        })
    }
}

/// Disjoint ascending port ranges, each with the best rank that covers it.
fn flatten(rules: &[Rule]) -> Vec<Rule> {
    let mut flat: Vec<Rule> = Vec::new();
    let mut edges: Vec<u32> = rules.iter().flat_map(|rule| [u32::from(rule.first), u32::from(rule.last) + 1]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut sorted = rules.to_vec();
    sorted.sort_unstable();
    let mut waiting = sorted.iter().peekable();
    // Those that have begun, best rank first; what has ended is thrown out when it comes to the front.
    let mut begun = alloc::collections::BinaryHeap::new();
    for pair in edges.windows(2) {
        let [first, end] = [pair[0], pair[1]];
        while let Some(rule) = waiting.next_if(|rule| u32::from(rule.first) <= first) {
            begun.push(core::cmp::Reverse((rule.rank, rule.last)));
        }
        while begun.peek().is_some_and(|core::cmp::Reverse((_, last))| u32::from(*last) < first) {
            begun.pop();
        }
        let Some(core::cmp::Reverse((rank, _))) = begun.peek().copied() else {
            continue;
        };
        let (first, last) = (first as u16, (end - 1) as u16);
        match flat.last_mut() {
            Some(before) if before.rank == rank && before.last + 1 == first => before.last = last,
            _ => flat.push(Rule { first, last, rank }),
        }
    }
    flat
}
