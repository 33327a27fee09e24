//! Special ranges, the gateway's own sockets, and every spelling of an IPv4 address in IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;
use route_policy::{METADATA_V4, METADATA_V6, Refusal, RouteId, Table, TableBuilder, special_range};

const ROUTE: RouteId = RouteId(1);

fn table(endpoints: &[&str]) -> Table {
    let mut builder = TableBuilder::new();
    for endpoint in endpoints {
        builder.endpoint(ROUTE, endpoint.parse().unwrap());
    }
    builder.build()
}

fn open() -> TableBuilder {
    let mut builder = TableBuilder::new();
    builder.anywhere(ROUTE);
    builder
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Each IPv6 spelling of an IPv4 address; `filler` is what surrounds it where the form leaves room.
fn spellings(address: Ipv4Addr, filler: u128) -> Vec<(&'static str, Ipv6Addr)> {
    let (v4, low) = (u128::from(address.to_bits()), filler & 0xffff_ffff);
    let prefix = |text: &str| text.parse::<Ipv6Addr>().unwrap().to_bits();
    let nat64 = prefix("64:ff9b:1::");
    let [a, b, c, d] = address.octets().map(u128::from);
    let mut all = vec![
        ("mapped", prefix("::ffff:0:0") | v4),
        ("compatible", v4),
        ("translated", prefix("::ffff:0:0:0") | v4),
        ("nat64", prefix("64:ff9b::") | v4),
        ("6to4", prefix("2002::") | v4 << 80 | (filler & ((1 << 80) - 1))),
        ("teredo server", prefix("2001::") | v4 << 64 | (filler & u128::from(u64::MAX))),
        ("teredo client", prefix("2001::") | (low << 64) | (filler & 0xffff_ffff_0000_0000) | (!v4 & 0xffff_ffff)),
        ("isatap", (filler & !u128::from(u64::MAX)) | 0x0000_5efe << 32 | v4),
        ("isatap, u bit", (filler & !u128::from(u64::MAX)) | 0x0200_5efe << 32 | v4),
        ("isatap, link-local", prefix("fe80::5efe:0:0") | v4),
    ];
    // RFC 6052 §2.2: what is left of the /48 counts as subnet or suffix, and bits 64 to 71 are skipped.
    let octets = |at: [u32; 4]| {
        a << (120 - 8 * at[0]) | b << (120 - 8 * at[1]) | c << (120 - 8 * at[2]) | d << (120 - 8 * at[3])
    };
    for (name, at) in [
        ("nat64 /48", [6, 7, 9, 10]),
        ("nat64 /56", [7, 9, 10, 11]),
        ("nat64 /64", [9, 10, 11, 12]),
        ("nat64 /96", [12, 13, 14, 15]),
    ] {
        let mask = at.iter().fold(u128::MAX >> 48, |mask, at| mask & !(0xff << (120 - 8 * at)));
        all.push((name, nat64 | octets(at) | (filler & mask)));
        all.push((name, nat64 | octets(at)));
    }
    all.into_iter().map(|(name, bits)| (name, Ipv6Addr::from_bits(bits))).collect()
}

/// What a route to everything does not open, by reason.
const CLOSED: &[(&str, Refusal)] = &[
    ("0.0.0.0", Refusal::Unspecified),
    ("0.0.0.1", Refusal::Unspecified),
    ("0.255.255.255", Refusal::Unspecified),
    ("::", Refusal::Unspecified),
    ("127.0.0.0", Refusal::Loopback),
    ("127.0.0.1", Refusal::Loopback),
    ("127.255.255.255", Refusal::Loopback),
    ("::1", Refusal::Loopback),
    ("169.254.0.0", Refusal::LinkLocal),
    ("169.254.255.255", Refusal::LinkLocal),
    ("169.254.169.253", Refusal::LinkLocal),
    ("fe80::", Refusal::LinkLocal),
    ("fe80::1", Refusal::LinkLocal),
    ("febf:ffff::1", Refusal::LinkLocal),
    ("169.254.169.254", Refusal::Metadata),
    ("100.100.100.200", Refusal::Metadata),
    ("168.63.129.16", Refusal::Metadata),
    ("fd00:ec2::254", Refusal::Metadata),
    ("224.0.0.0", Refusal::Multicast),
    ("239.255.255.255", Refusal::Multicast),
    ("ff00::", Refusal::Multicast),
    ("ff02::1", Refusal::Multicast),
    ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Refusal::Multicast),
    ("255.255.255.255", Refusal::Broadcast),
];

/// Neighbours of the special ranges, and addresses that merely look odd.
const OPEN: &[&str] = &[
    "1.0.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "100.100.100.199",
    "100.100.100.201",
    "168.63.129.15",
    "168.63.129.17",
    "223.255.255.255",
    "240.0.0.0",
    "255.255.255.254",
    "10.0.0.1",
    "192.168.0.1",
    "8.8.8.8",
    "fe7f:ffff::1",
    "fec0::1",
    "feff::1",
    "fd00:ec2::253",
    "fd00:ec2::255",
    "2001:db8::1",
    "2600::1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "2002:a00:1::1",
    "::10.0.0.1",
    "2001:0:a00:1::1",
    "2001:1::1",
    "fd00::5efe:10.0.0.1",
    "64:ff9b:1:a00:1::",
    "64:ff9b:2::7f00:1",
    "64:ff9b:0:1::7f00:1",
    "2003::7f00:1",
    "2001:db8::7f00:1",
];

#[test]
fn a_route_to_everything_does_not_open_special_ranges() {
    let everything =
        [open().build(), table(&["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "fc00::/6", "168.0.0.0/7"])];
    for (text, refusal) in CLOSED {
        for table in &everything {
            assert_eq!(table.check(SocketAddr::new(ip(text), 3478)), Err(*refusal), "{text}");
            assert_eq!(table.check_host(ip(text)), Err(*refusal), "{text}");
            assert_eq!(table.admits(SocketAddr::new(ip(text), 3478)), None, "{text}");
            assert_eq!(table.admits_host(ip(text)), None, "{text}");
        }
        assert_eq!(special_range(ip(text)), Some(*refusal), "{text}");
    }
    for text in OPEN {
        for table in &everything {
            assert_eq!(table.check(SocketAddr::new(ip(text), 3478)), Ok(ROUTE), "{text}");
            assert_eq!(table.check_host(ip(text)), Ok(ROUTE), "{text}");
        }
        assert_eq!(special_range(ip(text)), None, "{text}");
    }
}

#[test]
fn all_metadata_addresses_are_closed() {
    let table = open().build();
    let all = METADATA_V4.map(IpAddr::from).into_iter().chain(METADATA_V6.map(IpAddr::from));
    for address in all {
        assert_eq!(table.check_host(address), Err(Refusal::Metadata), "{address}");
    }
}

#[test]
fn guarded_ranges_open_only_from_inside() {
    for (endpoint, peer, verdict) in [
        ("127.0.0.0/8", "127.0.0.1", Ok(ROUTE)),
        ("127.0.0.1", "127.0.0.1", Ok(ROUTE)),
        ("::ffff:127.0.0.1", "127.0.0.1", Ok(ROUTE)),
        ("127.0.0.1", "::ffff:127.0.0.1", Ok(ROUTE)),
        ("127.0.0.1", "127.0.0.2", Err(Refusal::Loopback)),
        ("126.0.0.0/7", "127.0.0.1", Err(Refusal::Loopback)),
        ("::1", "::1", Ok(ROUTE)),
        ("::1", "127.0.0.1", Err(Refusal::Loopback)),
        ("127.0.0.0/8", "::1", Err(Refusal::Loopback)),
        ("::/127", "::1", Err(Refusal::Loopback)),
        ("169.254.0.0/16", "169.254.1.1", Ok(ROUTE)),
        ("169.254.0.0/16", "169.254.169.254", Err(Refusal::Metadata)),
        ("169.254.169.254/31", "169.254.169.254", Err(Refusal::Metadata)),
        ("169.254.169.254", "169.254.169.254", Ok(ROUTE)),
        ("168.0.0.0/6", "169.254.1.1", Err(Refusal::LinkLocal)),
        ("100.100.100.200", "100.100.100.200", Ok(ROUTE)),
        ("100.64.0.0/10", "100.100.100.200", Err(Refusal::Metadata)),
        ("168.63.129.16", "168.63.129.16", Ok(ROUTE)),
        ("fd00:ec2::254", "fd00:ec2::254", Ok(ROUTE)),
        ("fd00:ec2::/32", "fd00:ec2::254", Err(Refusal::Metadata)),
        ("fe80::/10", "fe80::1", Ok(ROUTE)),
        ("fe80::/9", "fe80::1", Err(Refusal::LinkLocal)),
    ] {
        let table = table(&[endpoint]);
        assert_eq!(table.check(SocketAddr::new(ip(peer), 9)), verdict, "{endpoint} {peer}");
        assert_eq!(table.check_host(ip(peer)), verdict, "{endpoint} {peer}");
    }
}

#[test]
fn no_endpoint_opens_what_is_never_reachable() {
    let never = |r: &Refusal| matches!(r, Refusal::Unspecified | Refusal::Multicast | Refusal::Broadcast);
    for (text, refusal) in CLOSED.iter().filter(|(_, refusal)| never(refusal)) {
        let table = table(&[text]);
        assert_eq!(table.check(SocketAddr::new(ip(text), 9)), Err(*refusal), "{text}");
        assert_eq!(table.check_host(ip(text)), Err(*refusal), "{text}");
    }
}

#[test]
fn port_zero_is_refused() {
    assert_eq!(open().build().check("10.0.0.1:0".parse().unwrap()), Err(Refusal::PortZero));
}

#[test]
fn an_address_from_dns_opens_no_special_range() {
    for (text, refusal) in CLOSED {
        let mut builder = TableBuilder::new();
        builder.learned(ROUTE, ip(text)).learned(ROUTE, ip("10.0.0.1")).learned(ROUTE, ip("::ffff:10.0.0.2"));
        let table = builder.build();
        assert_eq!(table.check(SocketAddr::new(ip(text), 9)), Err(*refusal), "{text}");
        assert_eq!(table.check_host(ip(text)), Err(*refusal), "{text}");
        assert_eq!(table.check_host(ip("10.0.0.1")), Ok(ROUTE));
        assert_eq!(table.check("10.0.0.2:65535".parse().unwrap()), Ok(ROUTE));
    }
    // The same address from the configuration does open it.
    let mut both = TableBuilder::new();
    both.learned(RouteId(1), ip("127.0.0.1")).endpoint(RouteId(2), "127.0.0.1".parse().unwrap());
    assert_eq!(both.build().check_host(ip("127.0.0.1")), Ok(RouteId(2)));
}

#[test]
fn uri_mode_reaches_loopback_only_when_asked() {
    let mut builder = open();
    assert_eq!(builder.build().check_host(ip("::1")), Err(Refusal::Loopback));
    builder.loopback(ROUTE).own_socket("127.0.0.1:3478".parse().unwrap());
    let table = builder.build();
    for (peer, verdict) in [
        ("127.0.0.1:3478", Err(Refusal::OwnSocket)),
        ("[::ffff:127.0.0.1]:3478", Err(Refusal::OwnSocket)),
        ("127.0.0.1:3479", Ok(ROUTE)),
        ("127.0.0.2:3478", Ok(ROUTE)),
        ("[::1]:3478", Ok(ROUTE)),
        ("[64:ff9b::127.0.0.1]:9", Err(Refusal::Embedded)),
        ("169.254.1.1:9", Err(Refusal::LinkLocal)),
    ] {
        assert_eq!(table.check(peer.parse().unwrap()), verdict, "{peer}");
    }
}

#[test]
fn own_sockets_are_closed_whatever_a_route_says() {
    for (own, closed, open) in [
        ("10.0.0.9:3478", &["10.0.0.9:3478", "[::ffff:10.0.0.9]:3478"][..], &["10.0.0.9:3479", "10.0.0.8:3478"][..]),
        ("[::ffff:10.0.0.9]:3478", &["10.0.0.9:3478"], &["10.0.0.9:3479"]),
        (
            "0.0.0.0:8086",
            &["10.0.0.9:8086", "127.0.0.1:8086", "127.9.9.9:8086"],
            &["[2001:db8::9]:8086", "[::1]:8086", "10.0.0.8:8086"],
        ),
        (
            "[::]:8086",
            &["10.0.0.9:8086", "127.0.0.1:8086", "[::1]:8086", "[2001:db8::9]:8086", "[::ffff:127.0.0.1]:8086"],
            &["10.0.0.8:8086"],
        ),
        ("[::ffff:0.0.0.0]:8086", &["10.0.0.9:8086"], &["[2001:db8::9]:8086"]),
        ("[2001:db8::9]:1", &["[2001:db8::9]:1"], &["10.0.0.9:1"]),
    ] {
        let mut builder = TableBuilder::new();
        for endpoint in [
            "10.0.0.9",
            "10.0.0.9:<1-9000>",
            "10.0.0.0/8",
            "127.0.0.0/8",
            "127.0.0.1",
            "::1",
            "2001:db8::/32",
            "2001:db8::9",
        ] {
            builder.endpoint(ROUTE, endpoint.parse().unwrap());
        }
        builder.own_socket(own.parse().unwrap()).local_address(ip("10.0.0.9")).local_address(ip("2001:db8::9"));
        let table = builder.build();
        for peer in closed {
            assert_eq!(table.check(peer.parse().unwrap()), Err(Refusal::OwnSocket), "{own} {peer}");
            assert_eq!(table.check_host(peer.parse::<SocketAddr>().unwrap().ip()), Ok(ROUTE), "{own} {peer}");
        }
        for peer in open {
            assert_eq!(table.check(peer.parse().unwrap()), Ok(ROUTE), "{own} {peer}");
        }
    }
}

#[test]
fn a_host_of_which_only_own_ports_are_routed_is_not_reachable() {
    let mut builder = TableBuilder::new();
    builder.endpoint(ROUTE, "10.0.0.9:<3478-3479>".parse().unwrap());
    builder.own_socket("10.0.0.9:3478".parse().unwrap());
    assert_eq!(builder.build().check_host(ip("10.0.0.9")), Ok(ROUTE));
    builder.own_socket("0.0.0.0:3479".parse().unwrap());
    assert_eq!(builder.build().check_host(ip("10.0.0.9")), Ok(ROUTE), "10.0.0.9 is not known to be local");
    builder.local_address(ip("10.0.0.9"));
    assert_eq!(builder.build().check_host(ip("10.0.0.9")), Err(Refusal::OwnSocket));
    assert_eq!(builder.build().check("10.0.0.9:1".parse().unwrap()), Err(Refusal::NoRoute));
    builder.endpoint(RouteId(2), "10.0.0.0/8".parse().unwrap());
    assert_eq!(builder.build().check_host(ip("10.0.0.9")), Ok(RouteId(2)));
}

#[test]
fn an_own_socket_is_closed_in_every_spelling() {
    let own = Ipv4Addr::new(10, 0, 0, 9);
    let mut builder = open();
    builder.own_socket(SocketAddr::new(own.into(), 3478));
    for (name, address) in spellings(own, 0x2001_0db8_1234_5678_9abc_def0_1357_9bdf) {
        builder.endpoint(ROUTE, IpAddr::V6(address).into());
        let refusal = builder.build().check(SocketAddr::new(address.into(), 3478)).unwrap_err();
        assert!(
            matches!(refusal, Refusal::OwnSocket | Refusal::Embedded | Refusal::LinkLocal),
            "{name} {address}: {refusal}"
        );
    }
}

#[test]
fn other_spellings_than_mapped_need_a_route_that_names_them_as_ipv6() {
    let table4 = table(&["10.0.0.0/8"]);
    for (name, address) in spellings(Ipv4Addr::new(10, 0, 0, 1), 0x2001_0db8_1234_5678_9abc_def0_8357_9bdf) {
        let verdict = table4.check_host(address.into());
        match name {
            "mapped" => assert_eq!(verdict, Ok(ROUTE)),
            "isatap, link-local" => assert_eq!(verdict, Err(Refusal::LinkLocal)),
            _ => assert_eq!(verdict, Err(Refusal::NoRoute), "{name} {address}"),
        }
    }
    // A translator's usual prefixes can be routed.
    let nat64 = table(&["64:ff9b::/96", "64:ff9b:1::/48"]);
    for text in ["64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1", "64:ff9b:1:2::8.8.8.8", "64:ff9b:1:a00:0:100::"] {
        assert_eq!(nat64.check_host(ip(text)), Ok(ROUTE), "{text}");
    }
}

#[test]
fn refusals_have_distinct_label_names() {
    let names: std::collections::HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.name()).collect();
    assert_eq!(names.len(), Refusal::ALL.len());
    assert!(
        names.iter().all(|name| { name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') })
    );
}

fn special_v4() -> impl Strategy<Value = Ipv4Addr> {
    let within = |base: u32, bits: u32| (0..1u64 << bits).prop_map(move |low| Ipv4Addr::from_bits(base | low as u32));
    prop_oneof![
        within(0x7f00_0000, 24),
        within(0xa9fe_0000, 16),
        within(0xe000_0000, 28),
        Just(Ipv4Addr::BROADCAST),
        proptest::sample::select(METADATA_V4.to_vec()),
    ]
}

proptest! {
    #[test]
    fn what_is_refused_is_refused_in_every_reencoding(address in special_v4(), filler: u128, port in 1u16..) {
        let mut builder = open();
        for (_, spelling) in spellings(address, filler).into_iter().filter(|(name, _)| *name != "mapped") {
            builder.endpoint(ROUTE, IpAddr::V6(spelling).into());
        }
        // Not even a route that names the IPv4 address helps its other spellings.
        let strict = builder.build();
        let lenient = builder.endpoint(ROUTE, IpAddr::V4(address).into()).build();
        for (name, spelling) in spellings(address, filler) {
            let peer = SocketAddr::new(spelling.into(), port);
            prop_assert!(strict.check(peer).is_err(), "{} {}", name, spelling);
            prop_assert!(strict.check_host(spelling.into()).is_err(), "{} {}", name, spelling);
            prop_assert!(special_range(spelling.into()).is_some(), "{} {}", name, spelling);
            prop_assert!(name == "mapped" || lenient.check(peer).is_err(), "{} {}", name, spelling);
        }
    }

    /// `0.0.0.0/8` is what padding looks like in the local-use NAT64 layouts, so there it counts only where nothing else is read.
    #[test]
    fn this_network_is_refused_in_every_spelling_but_padding(low in 0u32..1 << 24, filler: u128) {
        let table = open().build();
        for (name, spelling) in spellings(Ipv4Addr::from_bits(low), filler) {
            if !name.starts_with("nat64 /") && spelling != Ipv6Addr::LOCALHOST {
                prop_assert!(table.check_host(spelling.into()).is_err(), "{} {}", name, spelling);
            }
        }
        prop_assert!(table.check_host(ip("64:ff9b:1::")).is_err());
        prop_assert!(table.check_host(Ipv6Addr::from_bits(ip6("64:ff9b:1::") | u128::from(low)).into()).is_err());
    }

    #[test]
    fn a_peer_admitted_is_admitted_as_a_host(bits: u128, port in 1u16.., own in 1u16..) {
        let table = {
            let mut builder = open();
            builder.own_socket(SocketAddr::new(Ipv6Addr::from_bits(bits).into(), own));
            builder.build()
        };
        for address in [IpAddr::V6(bits.into()), IpAddr::V4((bits as u32).into())] {
            if table.admits(SocketAddr::new(address, port)).is_some() {
                prop_assert!(table.admits_host(address).is_some());
            }
        }
    }
}

fn ip6(text: &str) -> u128 {
    text.parse::<Ipv6Addr>().unwrap().to_bits()
}
