//! Addresses that a route does not open just by covering them, and IPv4 addresses hidden in IPv6 ones.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a peer is refused. The [`name`](Self::name) is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// No route covers the address.
    NoRoute,
    /// A route covers the address, but none of those covers the port too.
    PortNotRouted,
    /// Port 0 is no port.
    PortZero,
    /// `0.0.0.0/8` or `::`, which a kernel takes for the host itself.
    Unspecified,
    /// A multicast group.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// Loopback, and no endpoint inside that range names it.
    Loopback,
    /// Link-local, and no endpoint inside that range names it.
    LinkLocal,
    /// A cloud's metadata service, and no endpoint names precisely it.
    Metadata,
    /// A socket of the gateway itself: listener, health, metrics.
    OwnSocket,
    /// An IPv6 address with an IPv4 reading that is special or one of the gateway's own sockets.
    Embedded,
}

impl Refusal {
    /// Every reason there is, for a metric that wants all its labels from the start.
    pub const ALL: [Self; 11] = [
        Self::NoRoute,
        Self::PortNotRouted,
        Self::PortZero,
        Self::Unspecified,
        Self::Multicast,
        Self::Broadcast,
        Self::Loopback,
        Self::LinkLocal,
        Self::Metadata,
        Self::OwnSocket,
        Self::Embedded,
    ];

    /// A short constant name: lower case, words joined by `_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::PortNotRouted => "port_not_routed",
            Self::PortZero => "port_zero",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::OwnSocket => "own_socket",
            Self::Embedded => "embedded_ipv4",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRoute => "no route covers the address",
            Self::PortNotRouted => "a route covers the address, but not the port",
            Self::PortZero => "port 0",
            Self::Unspecified => "an unspecified address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Loopback => "a loopback address that no endpoint inside that range names",
            Self::LinkLocal => "a link-local address that no endpoint inside that range names",
            Self::Metadata => "a cloud metadata address that no endpoint names",
            Self::OwnSocket => "one of the gateway's own sockets",
            Self::Embedded => "an IPv6 address that embeds a special IPv4 address",
        })
    }
}

impl core::error::Error for Refusal {}

/// IPv4 addresses of cloud metadata services: the common one, Alibaba's, Azure's.
pub const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// IPv6 addresses of cloud metadata and credential services: AWS (instance, pod identity), Google, Oracle, Scaleway.
pub const METADATA_V6: [Ipv6Addr; 5] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// In which special range the address lies, if in any: `Unspecified`, `Multicast`, `Broadcast`, `Loopback`, `LinkLocal`,
/// `Metadata` or, for an IPv6 address with a special IPv4 reading, `Embedded`.
///
/// ```
/// use route_policy::{Refusal, special_range};
/// assert_eq!(special_range("::ffff:127.0.0.1".parse().unwrap()), Some(Refusal::Loopback));
/// assert_eq!(special_range("64:ff9b::7f00:1".parse().unwrap()), Some(Refusal::Embedded));
/// assert_eq!(special_range("10.0.0.1".parse().unwrap()), None);
/// ```
#[must_use]
pub fn special_range(address: IpAddr) -> Option<Refusal> {
    match address.to_canonical() {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => {
            let native = innermost(V6.iter(), v6.to_bits(), 128);
            native.or_else(|| embeds(v6, |v4| special_v4(v4).is_some()).then_some(Refusal::Embedded))
        }
    }
}

/// A special range. Endpoints that reach beyond it do not count inside; where `closed`, no endpoint does.
pub(crate) struct Range {
    pub(crate) start: u128,
    pub(crate) prefix_len: u8,
    pub(crate) refusal: Refusal,
    pub(crate) closed: bool,
}

/// The special ranges of IPv4; nested ones (metadata in link-local) each count for themselves.
pub(crate) static V4: [Range; 8] = [
    v4(Ipv4Addr::UNSPECIFIED, 8, Refusal::Unspecified, true),
    v4(Ipv4Addr::new(127, 0, 0, 0), 8, Refusal::Loopback, false),
    v4(Ipv4Addr::new(169, 254, 0, 0), 16, Refusal::LinkLocal, false),
    v4(Ipv4Addr::new(224, 0, 0, 0), 4, Refusal::Multicast, true),
    v4(Ipv4Addr::BROADCAST, 32, Refusal::Broadcast, true),
    v4(METADATA_V4[0], 32, Refusal::Metadata, false),
    v4(METADATA_V4[1], 32, Refusal::Metadata, false),
    v4(METADATA_V4[2], 32, Refusal::Metadata, false),
];

/// The special ranges of IPv6.
pub(crate) static V6: [Range; 9] = [
    v6(Ipv6Addr::UNSPECIFIED, 128, Refusal::Unspecified, true),
    v6(Ipv6Addr::LOCALHOST, 128, Refusal::Loopback, false),
    v6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Refusal::LinkLocal, false),
    v6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Refusal::Multicast, true),
    v6(METADATA_V6[0], 128, Refusal::Metadata, false),
    v6(METADATA_V6[1], 128, Refusal::Metadata, false),
    v6(METADATA_V6[2], 128, Refusal::Metadata, false),
    v6(METADATA_V6[3], 128, Refusal::Metadata, false),
    v6(METADATA_V6[4], 128, Refusal::Metadata, false),
];

const fn v4(start: Ipv4Addr, prefix_len: u8, refusal: Refusal, closed: bool) -> Range {
    Range { start: start.to_bits() as u128, prefix_len, refusal, closed }
}

const fn v6(start: Ipv6Addr, prefix_len: u8, refusal: Refusal, closed: bool) -> Range {
    Range { start: start.to_bits(), prefix_len, refusal, closed }
}

fn special_v4(address: Ipv4Addr) -> Option<Refusal> {
    innermost(V4.iter(), address.to_bits().into(), 32)
}

fn innermost<'a>(ranges: impl Iterator<Item = &'a Range>, bits: u128, width: u8) -> Option<Refusal> {
    ranges
        .filter(|range| (bits ^ range.start).checked_shr(u32::from(width - range.prefix_len)).unwrap_or(0) == 0)
        .max_by_key(|range| range.prefix_len)
        .map(|range| range.refusal)
}

/// Whether an IPv4 reading of an address that is not IPv4-mapped is forbidden.
#[inline]
pub(crate) fn embeds(address: Ipv6Addr, forbidden: impl Fn(Ipv4Addr) -> bool) -> bool {
    let bits = address.to_bits();
    let top = (bits >> 96) as u32;
    // RFC 5214 §6.1: the interface identifier is 00-00-5e-fe and the address; the u and g bits may be set.
    let isatap = (bits >> 32) as u32 & 0xfcff_ffff == 0x0000_5efe;
    let known = top == 0 || top == 0x0064_ff9b || top == 0x2001_0000 || top >> 16 == 0x2002;
    (isatap || known) && embeds_slow(bits, isatap, &forbidden)
}

/// Out of line: nearly no peer gets here.
#[cold]
fn embeds_slow(bits: u128, isatap: bool, forbidden: &dyn Fn(Ipv4Addr) -> bool) -> bool {
    let at = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    if isatap && forbidden(at(0)) {
        return true;
    }
    match bits >> 80 {
        // RFC 4291 §2.5.5.1: IPv4-compatible. `::` and `::1` are addresses of their own.
        0 if bits >> 32 == 0 => bits > 1 && forbidden(at(0)),
        // RFC 2765 §2.1: IPv4-translated, `::ffff:0:a.b.c.d`.
        0 if bits >> 32 == 0xffff_0000 => forbidden(at(0)),
        // RFC 6052 §2.1: NAT64's well-known prefix.
        0x0064_ff9b_0000 if (bits >> 32) as u64 & 0xffff_ffff_ffff == 0 => forbidden(at(0)),
        0x0064_ff9b_0001 => embeds_local_nat64(bits, forbidden),
        // RFC 3056 §2: 6to4.
        prefix if prefix >> 32 == 0x2002 => forbidden(at(80)),
        // RFC 4380 §4: Teredo's server, and its client with every bit flipped.
        prefix if prefix >> 16 == 0x2001_0000 => forbidden(at(64)) || forbidden(Ipv4Addr::from_bits(!(bits as u32))),
        _ => false,
    }
}

/// RFC 8215's `64:ff9b:1::/48` holds translators of RFC 6052 §2.2's layouts /48, /56, /64 and /96; which, the address does not
/// tell. Bits 64 to 71 are skipped whatever they hold, since a translator may not look at them.
///
/// Where one layout has its address, another has padding, whose zeros read as `0.0.0.0/8`, which no translator forwards to: such a
/// reading counts only if no layout has a better one.
fn embeds_local_nat64(bits: u128, forbidden: &dyn Fn(Ipv4Addr) -> bool) -> bool {
    let [.., b6, b7, _, b9, b10, b11, b12, b13, b14, b15] = bits.to_be_bytes();
    let readings = [[b6, b7, b9, b10], [b7, b9, b10, b11], [b9, b10, b11, b12], [b12, b13, b14, b15]];
    let padding = |reading: &[u8; 4]| reading[0] == 0;
    readings.iter().all(padding) || readings.iter().any(|reading| !padding(reading) && forbidden((*reading).into()))
}
