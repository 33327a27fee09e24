//! Target `endpoint`: the grammar of endpoints, and the table that they are compiled into.

mod oracle;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use route_policy::{Endpoint, EndpointError, METADATA_V4, METADATA_V6, PortRange, RouteId, TableBuilder};

use self::oracle::Oracle;
use crate::input::Input;

/// Reads `data` as an endpoint's text, and as a table with questions to it.
///
/// # Panics
/// When an endpoint does not survive printing, or when the compiled table and the naive scan do not agree.
pub fn endpoint(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        grammar(text);
    }
    table(&mut Input::new(data));
}

fn grammar(text: &str) {
    let parsed: Result<Endpoint, EndpointError> = text.parse();
    let expected = read_slowly(text);
    assert_eq!(parsed.ok().map(|endpoint| parts(&endpoint)), expected, "{text:?}");
    let Ok(endpoint) = parsed else {
        assert!(parsed.is_err_and(|error| !error.to_string().is_empty()));
        return;
    };
    let printed = endpoint.to_string();
    assert_eq!(printed.parse(), Ok(endpoint), "{printed:?}");
    assert!(printed.len() <= "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128:<65535-65535>".len());

    let peer = SocketAddr::new(endpoint.network(), endpoint.ports().first());
    assert!(endpoint.contains(peer) && endpoint.contains_host(peer.ip()));
    assert_eq!(Endpoint::new(endpoint.network(), endpoint.prefix_len(), endpoint.ports()), Ok(endpoint));
    assert_eq!(endpoint.is_host(), endpoint.prefix_len() == if peer.is_ipv4() { 32 } else { 128 });
}

type Parts = (IpAddr, u8, u16, u16);

fn parts(endpoint: &Endpoint) -> Parts {
    (endpoint.network(), endpoint.prefix_len(), endpoint.ports().first(), endpoint.ports().last())
}

/// `<IPv4|IPv6|CIDR>[:<MIN-MAX>]`, once more and with less thought of errors.
fn read_slowly(text: &str) -> Option<Parts> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse::<u16>().ok() } else { None }
    };
    let (prefix, first, last) = match text.find(":<") {
        None => (text, 1, u16::MAX),
        Some(at) => {
            let (min, max) = text[at + 2..].strip_suffix('>')?.split_once('-')?;
            (&text[..at], number(min)?, number(max)?)
        }
    };
    let (address, length) = match prefix.split_once('/') {
        None => (prefix.parse::<IpAddr>().ok()?, None),
        Some((address, length)) => (address.parse::<IpAddr>().ok()?, Some(number(length)?)),
    };
    let (mut bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let mut length = length.unwrap_or(width);
    if length > width || first == 0 || first > last {
        return None;
    }
    let mut v4 = width == 32;
    if !v4 && length >= 96 && bits >> 32 == 0xFFFF {
        (v4, length, bits) = (true, length - 96, bits & 0xFFFF_FFFF);
    }
    let host_bits = if v4 { 32 } else { 128 } - u32::from(length);
    let network = if host_bits == 128 { 0 } else { bits >> host_bits << host_bits };
    let network = if v4 { Ipv4Addr::from_bits(network as u32).into() } else { Ipv6Addr::from_bits(network).into() };
    Some((network, length as u8, first, last))
}

/// A few ports, so that ranges overlap and questions hit.
const PORTS: &[u16] = &[0, 1, 80, 443, 3478, 9000, 10_000, 10_001, 20_000, 65_534, 65_535];

fn table(input: &mut Input<'_>) {
    let mut oracle = Oracle::default();
    let mut builder = TableBuilder::new();
    let mut known = Vec::new();
    for _ in 0..input.below(24) {
        let route = RouteId(u32::from(input.u8() & 7));
        let ip = address(input, &known);
        match input.below(8) {
            0 => {
                let port = input.pick(PORTS);
                builder.own_socket(SocketAddr::new(ip, port));
                oracle.own(ip, port);
            }
            1 => {
                builder.local_address(ip);
                oracle.local(ip);
            }
            2 => {
                builder.learned(route, ip);
                oracle.endpoint(route, ip.into(), true);
            }
            _ => {
                let endpoint = prefix(input, ip);
                builder.endpoint(route, endpoint);
                oracle.endpoint(route, endpoint, false);
            }
        }
        known.push(ip);
    }
    let table = builder.build();
    for _ in 0..32 {
        let peer = SocketAddr::new(address(input, &known), input.pick(PORTS));
        assert_eq!(table.admits(peer), oracle.admits(peer), "{peer} of {oracle:?}");
        assert_eq!(table.check(peer).ok(), table.admits(peer));
        assert_eq!(table.admits_host(peer.ip()), oracle.admits_host(peer.ip()), "{} of {oracle:?}", peer.ip());
        assert_eq!(table.check_host(peer.ip()).ok(), table.admits_host(peer.ip()));
        // Every spelling of an IPv4 peer that is its IPv4 address; and what is refused hides in no other.
        if let IpAddr::V4(v4) = peer.ip() {
            let mapped = SocketAddr::new(v4.to_ipv6_mapped().into(), peer.port());
            assert_eq!(table.admits(mapped), table.admits(peer));
        }
    }
}

fn prefix(input: &mut Input<'_>, ip: IpAddr) -> Endpoint {
    let width = if ip.is_ipv4() { 33 } else { 129 };
    let length = [0, 8, 10, 16, 24, 31, 32, 48, 96, 104, 128];
    let length = if input.flag() { input.pick(&length) } else { input.u8() } % width;
    let (a, b) = (input.pick(PORTS).max(1), input.pick(PORTS).max(1));
    let ports = if input.flag() { PortRange::new(a.min(b), a.max(b)).expect("in order") } else { PortRange::ALL };
    Endpoint::new(ip, length, ports).expect("a length that fits")
}

/// An address that something is likely to be known about: special, or one of those before, or its neighbour, or hidden in IPv6.
fn address(input: &mut Input<'_>, known: &[IpAddr]) -> IpAddr {
    let v4 = |input: &mut Input<'_>, known: &[IpAddr]| match known.get(input.below(256)) {
        Some(IpAddr::V4(v4)) => *v4,
        _ => special_v4(input),
    };
    match input.below(12) {
        0 => input.array::<4>().into(),
        1 => input.array::<16>().into(),
        2 | 3 => v4(input, known).into(),
        4 => v4(input, known).to_ipv6_mapped().into(),
        5 => v4(input, known).to_ipv6_compatible().into(),
        6 => oracle::hide(v4(input, known), input.u8(), input.array()).into(),
        7 => METADATA_V6[input.below(METADATA_V6.len())].into(),
        8 => {
            input.pick(&[Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED, Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 1)]).into()
        }
        _ => match known.get(input.below(known.len().max(1))) {
            Some(IpAddr::V4(v4)) => Ipv4Addr::from_bits(v4.to_bits() ^ 1 << (input.u8() & 31)).into(),
            Some(IpAddr::V6(v6)) => Ipv6Addr::from_bits(v6.to_bits() ^ 1 << (input.u8() & 127)).into(),
            None => Ipv4Addr::new(10, 0, 0, 1).into(),
        },
    }
}

fn special_v4(input: &mut Input<'_>) -> Ipv4Addr {
    let special = [
        METADATA_V4[0],
        METADATA_V4[1],
        METADATA_V4[2],
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 0, 0, 251),
        Ipv4Addr::new(169, 254, 1, 1),
        Ipv4Addr::new(10, 0, 0, 1),
        Ipv4Addr::new(192, 0, 2, 1),
    ];
    input.pick(&special)
}
