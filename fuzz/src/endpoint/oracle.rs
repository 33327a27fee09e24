//! What a table admits, found by looking at everything for each question.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use route_policy::{Endpoint, METADATA_V4, METADATA_V6, RouteId};

#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// In the order in which routes were first mentioned.
    routes: Vec<RouteId>,
    endpoints: Vec<(RouteId, Endpoint, bool)>,
    own: Vec<SocketAddr>,
    local: Vec<IpAddr>,
}

/// Prefixes that an endpoint must lie in to count in, and whether none does.
fn special_ranges() -> Vec<(Endpoint, bool)> {
    let range = |text: &str, closed| (text.parse::<Endpoint>().expect("a prefix"), closed);
    let mut ranges = vec![
        range("0.0.0.0/8", true),
        range("127.0.0.0/8", false),
        range("169.254.0.0/16", false),
        range("224.0.0.0/4", true),
        range("255.255.255.255", true),
        range("::", true),
        range("::1", false),
        range("fe80::/10", false),
        range("ff00::/8", true),
    ];
    ranges.extend(METADATA_V4.map(|ip| (Endpoint::from(IpAddr::V4(ip)), false)));
    ranges.extend(METADATA_V6.map(|ip| (Endpoint::from(IpAddr::V6(ip)), false)));
    ranges
}

/// The innermost special range around an address.
fn special(ip: IpAddr) -> Option<(Endpoint, bool)> {
    let around = special_ranges().into_iter().filter(|(range, _)| range.contains_host(ip));
    around.max_by_key(|(range, _)| range.prefix_len())
}

impl Oracle {
    pub(super) fn endpoint(&mut self, route: RouteId, endpoint: Endpoint, learned: bool) {
        if !self.routes.contains(&route) {
            self.routes.push(route);
        }
        self.endpoints.push((route, endpoint, learned));
    }

    pub(super) fn own(&mut self, ip: IpAddr, port: u16) {
        self.own.push(SocketAddr::new(ip.to_canonical(), port));
    }

    pub(super) fn local(&mut self, ip: IpAddr) {
        self.local.push(ip.to_canonical());
    }

    pub(super) fn admits(&self, peer: SocketAddr) -> Option<RouteId> {
        let ip = peer.ip().to_canonical();
        let forbidden = |v4: &Ipv4Addr| special((*v4).into()).is_some() || self.is_own((*v4).into(), peer.port());
        if peer.port() == 0 || self.is_own(ip, peer.port()) || readings(ip).iter().any(forbidden) {
            return None;
        }
        self.first(|endpoint, learned| endpoint.contains(peer) && counts(endpoint, learned, ip))
    }

    pub(super) fn admits_host(&self, ip: IpAddr) -> Option<RouteId> {
        let ip = ip.to_canonical();
        if readings(ip).iter().any(|v4| special((*v4).into()).is_some()) {
            return None;
        }
        self.first(|endpoint, learned| {
            let mut own: Vec<u16> = self.own.iter().map(SocketAddr::port).collect();
            own.sort_unstable();
            own.dedup();
            let taken = own.iter().filter(|port| endpoint.ports().contains(**port) && self.is_own(ip, **port));
            let ports = usize::from(endpoint.ports().last() - endpoint.ports().first()) + 1;
            endpoint.contains_host(ip) && counts(endpoint, learned, ip) && taken.count() < ports
        })
    }

    fn first(&self, matches: impl Fn(&Endpoint, bool) -> bool) -> Option<RouteId> {
        let admits = |route: &&RouteId| {
            self.endpoints.iter().any(|(of, endpoint, learned)| of == *route && matches(endpoint, *learned))
        };
        self.routes.iter().find(admits).copied()
    }

    /// Whether the gateway itself listens there.
    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        self.own.iter().filter(|own| own.port() == port).any(|own| match own.ip() {
            IpAddr::V4(any) if any.is_unspecified() => ip.is_ipv4() && (ip.is_loopback() || self.local.contains(&ip)),
            IpAddr::V6(any) if any.is_unspecified() => ip.is_loopback() || self.local.contains(&ip),
            named => named == ip,
        })
    }
}

/// Whether the endpoint speaks for this address: not if it reaches into a special range from outside.
fn counts(endpoint: &Endpoint, learned: bool, ip: IpAddr) -> bool {
    match special(ip) {
        None => true,
        Some((_, true)) => false,
        Some((range, false)) => {
            !learned && endpoint.prefix_len() >= range.prefix_len() && range.contains_host(endpoint.network())
        }
    }
}

/// Every IPv4 address that some network between here and there may make of this one.
fn readings(ip: IpAddr) -> Vec<Ipv4Addr> {
    let IpAddr::V6(v6) = ip else { return Vec::new() };
    let (s, o) = (v6.segments(), v6.octets());
    let v4 = |at: [usize; 4]| Ipv4Addr::from(at.map(|at| o[at]));
    let mut found = Vec::new();
    if s[..6] == [0; 6] && v6.to_bits() > 1 || s[..6] == [0, 0, 0, 0, 0xFFFF, 0] || s[..6] == [0x64, 0xFF9B, 0, 0, 0, 0]
    {
        found.push(v4([12, 13, 14, 15]));
    }
    if s[..3] == [0x64, 0xFF9B, 1] {
        let layouts = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]].map(v4);
        let nonzero = layouts.into_iter().filter(|v4| v4.octets()[0] != 0);
        // Nothing but padding reads as the address that is all zero.
        found.extend(if layouts.iter().all(|v4| v4.octets()[0] == 0) { vec![layouts[3]] } else { nonzero.collect() });
    }
    if s[0] == 0x2002 {
        found.push(v4([2, 3, 4, 5]));
    }
    if s[..2] == [0x2001, 0] {
        found.push(v4([4, 5, 6, 7]));
        found.push(Ipv4Addr::from_bits(!v4([12, 13, 14, 15]).to_bits()));
    }
    if s[4] & 0xFCFF == 0 && s[5] == 0x5EFE {
        found.push(v4([12, 13, 14, 15]));
    }
    found
}

/// Hides an IPv4 address in an IPv6 one, in one of the ways that [`readings`] knows; `noise` fills what is free.
pub(super) fn hide(v4: Ipv4Addr, way: u8, noise: [u8; 2]) -> Ipv6Addr {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let noise = u16::from_be_bytes(noise);
    match way % 9 {
        0 => Ipv6Addr::new(0, 0, 0, 0, 0xFFFF, 0, high, low),
        1 => Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, high, low),
        2 => Ipv6Addr::new(0x64, 0xFF9B, 1, 0, 0, 0, high, low),
        3 => Ipv6Addr::new(0x64, 0xFF9B, 1, high, low >> 8, low << 8, 0, noise),
        4 => Ipv6Addr::new(
            0x64,
            0xFF9B,
            1,
            noise & 0xFF00,
            u16::from(a),
            u16::from_be_bytes([b, c]),
            u16::from(d) << 8,
            0,
        ),
        5 => Ipv6Addr::new(0x2002, high, low, noise, 0, 0, 0, 1),
        6 => Ipv6Addr::new(0x2001, 0, high, low, 0, noise, !noise, noise),
        7 => Ipv6Addr::new(0x2001, 0, 0x0A01, 0x0203, 0, noise, !high, !low),
        _ => Ipv6Addr::new(0x2001, 0xDB8, noise, 0, noise & 0x0300, 0x5EFE, high, low),
    }
}
