//! The table equals a naive scan over its endpoints.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;
use route_policy::{Endpoint, PortRange, Refusal, RouteId, Table, TableBuilder, special_range};

#[derive(Debug, Clone)]
struct World {
    endpoints: Vec<(RouteId, Endpoint, bool)>,
    own: Vec<SocketAddr>,
}

impl World {
    fn table(&self) -> Table {
        let mut builder = TableBuilder::new();
        for (route, endpoint, learned) in &self.endpoints {
            match learned {
                true => builder.learned(*route, endpoint.network()),
                false => builder.endpoint(*route, *endpoint),
            };
        }
        for own in &self.own {
            builder.own_socket(*own);
        }
        builder.build()
    }

    /// Routes in the order in which they were mentioned first.
    fn order(&self) -> Vec<RouteId> {
        let mut seen = Vec::new();
        self.endpoints.iter().for_each(|(route, ..)| {
            if !seen.contains(route) {
                seen.push(*route);
            }
        });
        seen
    }

    /// Endpoints that count for the address, ports aside.
    fn candidates(&self, route: RouteId, ip: IpAddr) -> impl Iterator<Item = PortRange> {
        let covering = self.endpoints.iter().filter(move |(r, endpoint, _)| *r == route && endpoint.contains_host(ip));
        covering.filter(move |(_, endpoint, learned)| inside(endpoint, *learned, ip)).map(|(_, endpoint, learned)| {
            match learned {
                true => PortRange::ALL,
                false => endpoint.ports(),
            }
        })
    }

    fn check(&self, peer: SocketAddr) -> Result<RouteId, Refusal> {
        let ip = peer.ip().to_canonical();
        if peer.port() == 0 {
            return Err(Refusal::PortZero);
        }
        let special = special_range(ip);
        if matches!(special, Some(Refusal::Unspecified | Refusal::Multicast | Refusal::Broadcast | Refusal::Embedded)) {
            return Err(special.unwrap());
        }
        if self.own.iter().any(|own| own.ip() == ip && own.port() == peer.port()) {
            return Err(Refusal::OwnSocket);
        }
        let order = self.order();
        if let Some(route) = order.iter().find(|r| self.candidates(**r, ip).any(|ports| ports.contains(peer.port()))) {
            return Ok(*route);
        }
        // A route to nothing but the gateway's own ports is none.
        let named = order.iter().any(|r| self.candidates(*r, ip).any(|ports| self.reachable(ip, ports)));
        Err(if named { Refusal::PortNotRouted } else { special.unwrap_or(Refusal::NoRoute) })
    }

    fn admits_host(&self, ip: IpAddr) -> Option<RouteId> {
        let ip = ip.to_canonical();
        if matches!(
            special_range(ip),
            Some(Refusal::Unspecified | Refusal::Multicast | Refusal::Broadcast | Refusal::Embedded)
        ) {
            return None;
        }
        let open = |route: &RouteId| self.candidates(*route, ip).any(|ports| self.reachable(ip, ports));
        self.order().into_iter().find(open)
    }

    /// Whether one of the ports at least is not the gateway's own.
    fn reachable(&self, ip: IpAddr, ports: PortRange) -> bool {
        let own: Vec<u16> = self.own.iter().filter(|own| own.ip() == ip).map(|own| own.port()).collect();
        (ports.first()..=ports.last()).any(|port| !own.contains(&port))
    }
}

/// An endpoint counts in a special range only from inside, by bounds and not by prefix arithmetic as in the table.
fn inside(endpoint: &Endpoint, learned: bool, ip: IpAddr) -> bool {
    let Some(special) = special_range(ip) else { return true };
    let (first, last) = match endpoint.network() {
        IpAddr::V4(first) => {
            let last = u64::from(first.to_bits()) + (1u64 << (32 - endpoint.prefix_len())) - 1;
            (IpAddr::V4(first), IpAddr::V4(Ipv4Addr::from_bits(last as u32)))
        }
        IpAddr::V6(first) => {
            let host =
                if endpoint.prefix_len() == 0 { u128::MAX } else { (1u128 << (128 - endpoint.prefix_len())) - 1 };
            (IpAddr::V6(first), IpAddr::V6((first.to_bits() | host).into()))
        }
    };
    let both = special_range(first) == Some(special) && special_range(last) == Some(special);
    !learned && both && (special != Refusal::Metadata || first == last)
}

/// Few distinct bits, so that prefixes overlap, nest and touch often; some near the special ranges.
fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = (
        proptest::sample::select(vec![0x0a00_0000u32, 0x7f00_0000, 0xa9fe_a900, 0x0000_0000, 0xffff_ff00, 0xdfff_ff00]),
        0u32..64,
        0u32..4,
    )
        .prop_map(|(base, low, shift)| IpAddr::V4(Ipv4Addr::from_bits(base.wrapping_add(low << (shift * 8)))));
    let bases = ["2001:db8::", "fd00:ec2::200", "fe80::", "::", "febf:ffff::", "64:ff9b::7f00:0", "::ffff:10.0.0.0"];
    let bases: Vec<u128> = bases.iter().map(|base| base.parse::<Ipv6Addr>().unwrap().to_bits()).collect();
    let v6 = (proptest::sample::select(bases), 0u128..128, 0u32..16)
        .prop_map(|(base, low, shift)| IpAddr::V6(base.wrapping_add(low << (shift * 8)).into()));
    prop_oneof![v4, v6]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (address(), 0u8..=128, 1u16..20, 0u16..10, 0u8..3).prop_map(|(ip, length, first, span, kind)| {
        let length = match (ip, kind) {
            (IpAddr::V4(_), 0) => 32,
            (IpAddr::V6(_), 0) => 128,
            (IpAddr::V4(_), 1) => 24 + length % 9,
            (IpAddr::V6(_), 1) => 120 + length % 9,
            (IpAddr::V4(_), _) => length % 33,
            (IpAddr::V6(_), _) => length,
        };
        let ports = if span == 9 { PortRange::ALL } else { PortRange::new(first, first + span).unwrap() };
        Endpoint::new(ip, length, ports).unwrap()
    })
}

fn world() -> impl Strategy<Value = World> {
    let entry = (0u32..6, endpoint(), proptest::bool::weighted(0.2));
    let own = (address(), 1u16..20).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port));
    let own = own.prop_filter("a wildcard has its own tests", |own| !own.ip().is_unspecified());
    (prop::collection::vec(entry, 0..40), prop::collection::vec(own, 0..4)).prop_map(|(entries, own)| World {
        endpoints: entries
            .into_iter()
            .map(|(route, endpoint, learned)| match learned {
                true => (RouteId(route * 10), Endpoint::from(endpoint.network()), true),
                false => (RouteId(route * 10), endpoint, false),
            })
            .collect(),
        own,
    })
}

/// First and last address of each endpoint and what lies just outside.
fn edges(world: &World) -> Vec<IpAddr> {
    let around = |endpoint: &Endpoint| match endpoint.network() {
        IpAddr::V4(first) => {
            let last = (u64::from(first.to_bits()) + (1u64 << (32 - endpoint.prefix_len())) - 1) as u32;
            [first.to_bits(), first.to_bits().wrapping_sub(1), last, last.wrapping_add(1)]
                .map(|bits| IpAddr::V4(bits.into()))
        }
        IpAddr::V6(first) => {
            let host =
                if endpoint.prefix_len() == 0 { u128::MAX } else { (1u128 << (128 - endpoint.prefix_len())) - 1 };
            let last = first.to_bits() | host;
            [first.to_bits(), first.to_bits().wrapping_sub(1), last, last.wrapping_add(1)]
                .map(|bits| IpAddr::V6(bits.into()))
        }
    };
    world.endpoints.iter().flat_map(|(_, endpoint, _)| around(endpoint)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_table_equals_a_naive_scan(world in world(), extra in prop::collection::vec(address(), 20)) {
        let table = world.table();
        for ip in edges(&world).into_iter().chain(extra).chain(world.own.iter().map(|own| own.ip())) {
            for port in [0, 1, 5, 10, 19, 28, 29, 65535].into_iter().chain(world.own.iter().map(|own| own.port())) {
                let peer = SocketAddr::new(ip, port);
                // An own socket inside IPv6 is a matter of its own (tests/special.rs).
                if table.check(peer) != Err(Refusal::Embedded) {
                    prop_assert_eq!(table.check(peer), world.check(peer), "{}", peer);
                }
                prop_assert_eq!(table.admits(peer), table.check(peer).ok());
            }
            prop_assert_eq!(table.admits_host(ip), world.admits_host(ip), "{}", ip);
        }
    }

    #[test]
    fn endpoints_of_one_route_may_come_in_any_order(world in world(), seed: u64) {
        let mut one = world.clone();
        one.endpoints.iter_mut().for_each(|entry| entry.0 = RouteId(1));
        let mut other = one.clone();
        other.endpoints.sort_by_key(|(_, endpoint, _)| endpoint.to_string().bytes().fold(seed, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)));
        let (one, other, places) = (one.table(), other.table(), edges(&one));
        for peer in places.into_iter().flat_map(|ip| [1, 7, 15, 65535].map(|port| SocketAddr::new(ip, port))) {
            prop_assert_eq!(one.check(peer), other.check(peer));
        }
    }
}

#[test]
fn an_empty_table_refuses_everybody() {
    for table in [Table::default(), TableBuilder::new().build()] {
        assert_eq!(table.check("10.0.0.1:1".parse().unwrap()), Err(Refusal::NoRoute));
        assert_eq!(table.check("[2001:db8::1]:1".parse().unwrap()), Err(Refusal::NoRoute));
        assert_eq!(table.admits_host("255.0.0.1".parse().unwrap()), None);
    }
}

#[test]
fn all_routes_are_tried_for_address_and_port() {
    let mut builder = TableBuilder::new();
    for (route, endpoint) in
        [(5, "10.0.0.1:<1-10>"), (3, "10.0.0.1:<5-20>"), (9, "10.0.0.0/24:<20-30>"), (1, "0.0.0.0/0:<30-40>")]
    {
        builder.endpoint(RouteId(route), endpoint.parse().unwrap());
    }
    let table = builder.build();
    let admits = |port| table.admits(SocketAddr::new("10.0.0.1".parse().unwrap(), port)).map(|route| route.0);
    for (port, route) in [
        (1, Some(5)),
        (10, Some(5)),
        (11, Some(3)),
        (20, Some(3)),
        (21, Some(9)),
        (30, Some(9)),
        (31, Some(1)),
        (41, None),
    ] {
        assert_eq!(admits(port), route, "{port}");
    }
    assert_eq!(table.admits_host("10.0.0.1".parse().unwrap()), Some(RouteId(5)));
    assert_eq!(table.admits_host("10.0.0.2".parse().unwrap()), Some(RouteId(9)));
    assert_eq!(table.admits_host("11.0.0.1".parse().unwrap()), Some(RouteId(1)));
    assert_eq!(table.check("10.0.0.1:41".parse().unwrap()), Err(Refusal::PortNotRouted));
}

#[test]
fn twenty_thousand_overlapping_endpoints_compile_and_answer() {
    let mut builder = TableBuilder::new();
    for i in 0..10_000u32 {
        let port = (i + 1) as u16;
        builder.endpoint(RouteId(i), format!("10.0.0.0/8:<{port}-{port}>").parse().unwrap());
        builder.endpoint(RouteId(i), IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + i * 3)).into());
    }
    let table = builder.build();
    assert_eq!(table.admits("10.0.0.3:20000".parse().unwrap()), Some(RouteId(1)));
    assert_eq!(table.admits("10.0.0.4:20000".parse().unwrap()), None);
    assert_eq!(table.admits("10.0.0.4:10000".parse().unwrap()), Some(RouteId(9999)));
    assert_eq!(table.admits("10.0.0.9:1".parse().unwrap()), Some(RouteId(0)));
}
