//! The endpoint grammar.

use std::net::IpAddr;

use proptest::prelude::*;
use route_policy::{Endpoint, EndpointError, PortRange};

#[test]
fn what_the_grammar_allows_and_how_it_prints() {
    for (text, canonical) in [
        ("10.0.0.5", "10.0.0.5"),
        ("10.0.0.5/32", "10.0.0.5"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("255.255.255.255/0", "0.0.0.0/0"),
        ("10.0.0.0/8:<10000-20000>", "10.0.0.0/8:<10000-20000>"),
        ("10.0.0.5:<80-80>", "10.0.0.5:<80-80>"),
        ("10.0.0.5:<1-65535>", "10.0.0.5"),
        ("10.0.0.5:<0080-0081>", "10.0.0.5:<80-81>"),
        ("2001:db8::/32:<1-2>", "2001:db8::/32:<1-2>"),
        ("2001:db8::1:<1-2>", "2001:db8::1:<1-2>"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("2001:db8:::<5-5>", "2001:db8:::<5-5>"),
        ("::/0", "::/0"),
        ("::1", "::1"),
        ("::1/127", "::/127"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("::ffff:10.1.0.5/104", "10.0.0.0/8"),
        ("::ffff:0:0/96:<7-7>", "0.0.0.0/0:<7-7>"),
        ("::ffff:0:0/95", "::fffe:0:0/95"),
    ] {
        let endpoint: Endpoint = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(endpoint.to_string(), canonical, "{text}");
        assert_eq!(canonical.parse(), Ok(endpoint), "{text}");
    }
}

#[test]
fn what_the_grammar_refuses_and_why() {
    use EndpointError as E;
    for (text, error) in [
        ("", E::Address),
        (" 10.0.0.5", E::Address),
        ("10.0.0.5 ", E::Address),
        ("10.0.0", E::Address),
        ("10.0.0.256", E::Address),
        ("010.0.0.1", E::Address),
        ("10.0.0.0/8/8", E::PrefixLengthV4),
        ("1:2:3", E::Address),
        ("fe80::1%eth0", E::Address),
        ("[2001:db8::1]", E::Address),
        (":<1-2>", E::Address),
        ("10.0.0.5:<1-2>:<3-4>", E::Address),
        ("10.0.0.5:80", E::BarePort),
        ("[2001:db8::1]:80", E::BarePort),
        ("sfu.media.svc", E::Name),
        ("0x7f.1", E::Name),
        ("10.0.0.0/33", E::PrefixLengthV4),
        ("10.0.0.0/", E::PrefixLengthV4),
        ("10.0.0.0/-1", E::PrefixLengthV4),
        ("10.0.0.0/+8", E::PrefixLengthV4),
        ("10.0.0.0/999999999999", E::PrefixLengthV4),
        ("10.0.0.0/255.0.0.0", E::PrefixLengthV4),
        ("::/129", E::PrefixLengthV6),
        ("::ffff:10.0.0.0/129", E::PrefixLengthV6),
        ("10.0.0.5:<80>", E::PortRange),
        ("10.0.0.5:<80-81", E::PortRange),
        ("10.0.0.5:<80-81> ", E::PortRange),
        ("10.0.0.5:<>", E::PortRange),
        ("10.0.0.5:<-80>", E::PortRange),
        ("10.0.0.5:<80- 81>", E::PortRange),
        ("10.0.0.5:<+80-81>", E::PortRange),
        ("10.0.0.5:<1-2-3>", E::PortRange),
        ("10.0.0.5:<0-80>", E::Port),
        ("10.0.0.5:<1-65536>", E::Port),
        ("10.0.0.5:<1-99999999999999>", E::Port),
        ("10.0.0.5:<81-80>", E::PortOrder),
    ] {
        assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
    }
}

#[test]
fn errors_say_what_was_expected() {
    let message = |text: &str| text.parse::<Endpoint>().unwrap_err().to_string();
    assert!(message("10.0.0.5:80").contains("`10.0.0.5:<80-80>`"));
    assert!(message("sfu.example").contains("STRICT_DNS"));
    assert!(message("::/200").contains("0 to 128"));
}

#[test]
fn port_ranges_exclude_zero_and_are_ordered() {
    assert_eq!(PortRange::new(0, 5), None);
    assert_eq!(PortRange::new(6, 5), None);
    let range = PortRange::new(5, 6).unwrap();
    assert!(!range.contains(4) && range.contains(5) && range.contains(6) && !range.contains(7));
    assert!(!PortRange::ALL.contains(0) && PortRange::ALL.contains(1) && PortRange::ALL.contains(65535));
}

#[test]
fn wrong_prefix_lengths_are_errors_also_without_text() {
    let new = |ip: &str, length| Endpoint::new(ip.parse().unwrap(), length, PortRange::ALL);
    assert_eq!(new("10.0.0.1", 33), Err(EndpointError::PrefixLengthV4));
    assert_eq!(new("::1", 129), Err(EndpointError::PrefixLengthV6));
    assert_eq!(new("::1", 255), Err(EndpointError::PrefixLengthV6));
}

proptest! {
    #[test]
    fn printing_parses_back(bits: u128, v4: bool, length in 0u8..=128, first in 1u16.., span: u16) {
        let ip = if v4 { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6(bits.into()) };
        let length = if v4 { length / 4 } else { length };
        let ports = PortRange::new(first, first.saturating_add(span)).unwrap();
        let endpoint = Endpoint::new(ip, length, ports).unwrap();
        prop_assert!(endpoint.contains_host(ip));
        prop_assert!(endpoint.contains_host(endpoint.network()));
        prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[0-9a-f.:/<>-]{0,40}|\\PC{0,40}") {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }
}
