//! The endpoint grammar: `<IPv4|IPv6|CIDR>`, optionally followed by `:<MIN-MAX>`.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

/// A range of ports, both ends included; never port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Every port a peer can have: 1 to 65535.
    pub const ALL: Self = Self { first: 1, last: u16::MAX };

    /// The range from `first` to `last`, both included; `None` if `first` is 0 or above `last`.
    #[must_use]
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first == 0 || first > last { None } else { Some(Self { first, last }) }
    }

    /// The lowest port.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    #[must_use]
    pub const fn last(self) -> u16 {
        self.last
    }

    /// Whether `port` lies in the range.
    #[must_use]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// An address or prefix with a port range: what one line of a route names.
///
/// Host bits below the prefix length are cleared, and an IPv4-mapped IPv6 prefix becomes its IPv4 one, so that two endpoints are
/// equal exactly if they name the same peers. `Display` prints the canonical form, which parses back to an equal value.
///
/// ```
/// use route_policy::Endpoint;
/// let endpoint: Endpoint = "10.1.2.3/8:<80-443>".parse()?;
/// assert_eq!(endpoint.to_string(), "10.0.0.0/8:<80-443>");
/// assert!(endpoint.contains("[::ffff:10.9.9.9]:443".parse().unwrap()));
/// # Ok::<(), route_policy::EndpointError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    network: IpAddr,
    prefix_len: u8,
    ports: PortRange,
}

impl Endpoint {
    /// The endpoint that covers the prefix of `prefix_len` bits around `address`.
    ///
    /// # Errors
    /// [`EndpointError::PrefixLengthV4`] or [`EndpointError::PrefixLengthV6`] if the address has fewer bits than that.
    pub fn new(address: IpAddr, prefix_len: u8, ports: PortRange) -> Result<Self, EndpointError> {
        let (address, prefix_len) = match address {
            IpAddr::V6(v6) if prefix_len > 128 => return Err(length_error(v6.into())),
            // From /96 on the whole prefix is mapped. A shorter one only borders on the mapped range, and does not cover it.
            IpAddr::V6(v6) if prefix_len >= 96 => match v6.to_ipv4_mapped() {
                Some(v4) => (IpAddr::V4(v4), prefix_len - 96),
                None => (address, prefix_len),
            },
            IpAddr::V4(v4) if prefix_len > 32 => return Err(length_error(v4.into())),
            _ => (address, prefix_len),
        };
        let network = match address {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask_v4(prefix_len))),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask_v6(prefix_len))),
        };
        Ok(Self { network, prefix_len, ports })
    }

    /// The endpoint that covers the single address with these ports.
    #[must_use]
    pub fn host(address: IpAddr, ports: PortRange) -> Self {
        let network = address.to_canonical();
        Self { network, prefix_len: width(network), ports }
    }

    /// The lowest address covered.
    #[must_use]
    pub const fn network(&self) -> IpAddr {
        self.network
    }

    /// How many leading bits a peer shares with [`network`](Self::network): at most 32 or 128.
    #[must_use]
    pub const fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// The ports covered.
    #[must_use]
    pub const fn ports(&self) -> PortRange {
        self.ports
    }

    /// Whether this is one address, not a prefix of several.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.prefix_len == width(self.network)
    }

    /// Whether the address lies in the prefix. Plain arithmetic: the special ranges are [`Table`](crate::Table)'s business.
    #[must_use]
    pub fn contains_host(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(n), IpAddr::V4(a)) => a.to_bits() & mask_v4(self.prefix_len) == n.to_bits(),
            (IpAddr::V6(n), IpAddr::V6(a)) => a.to_bits() & mask_v6(self.prefix_len) == n.to_bits(),
            _ => false,
        }
    }

    /// Whether address and port are both covered.
    #[must_use]
    pub fn contains(&self, peer: SocketAddr) -> bool {
        self.ports.contains(peer.port()) && self.contains_host(peer.ip())
    }
}

impl From<IpAddr> for Endpoint {
    fn from(address: IpAddr) -> Self {
        Self::host(address, PortRange::ALL)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network)?;
        if !self.is_host() {
            write!(f, "/{}", self.prefix_len)?;
        }
        if self.ports != PortRange::ALL {
            write!(f, ":<{}>", self.ports)?;
        }
        Ok(())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (prefix, ports) = match text.rsplit_once(":<") {
            Some((prefix, rest)) => (prefix, parse_ports(rest)?),
            None => (text, PortRange::ALL),
        };
        let Some((address, length)) = prefix.split_once('/') else {
            let address: IpAddr = prefix.parse().map_err(|_| address_error(prefix))?;
            return Ok(Self::host(address, ports));
        };
        let address: IpAddr = address.parse().map_err(|_| address_error(address))?;
        // An all-digit length too large for a byte is still a wrong length, not a wrong address.
        let length = decimal(length).ok_or(length_error(address))?;
        Self::new(address, u8::try_from(length).map_err(|_| length_error(address))?, ports)
    }
}

/// What is wrong with the text of an endpoint. `Display` says what was expected; it does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not an IPv4 or IPv6 address, nor a prefix.
    Address,
    /// `address:port`, where a range in angle brackets is needed.
    BarePort,
    /// A domain name, perhaps: only `STRICT_DNS` clusters take those.
    Name,
    /// An IPv4 prefix length that is not 0 to 32.
    PrefixLengthV4,
    /// An IPv6 prefix length that is not 0 to 128.
    PrefixLengthV6,
    /// What follows `:<` is not `MIN-MAX>` with two decimal numbers.
    PortRange,
    /// A port of the range is not 1 to 65535.
    Port,
    /// The range's lower end is above its upper one.
    PortOrder,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "expected an IPv4 or IPv6 address or prefix, optionally followed by `:<MIN-MAX>`",
            Self::BarePort => "a port is written as a range in angle brackets, as in `10.0.0.5:<80-80>`",
            Self::Name => {
                "expected an IPv4 or IPv6 address or prefix (a domain name needs a cluster of type STRICT_DNS)"
            }
            Self::PrefixLengthV4 => "expected an IPv4 prefix length of 0 to 32",
            Self::PrefixLengthV6 => "expected an IPv6 prefix length of 0 to 128",
            Self::PortRange => "expected the port range as `:<MIN-MAX>`, angle brackets included",
            Self::Port => "expected ports of 1 to 65535",
            Self::PortOrder => "expected a port range whose MIN is not above its MAX",
        })
    }
}

impl core::error::Error for EndpointError {}

/// What follows `:<`.
fn parse_ports(text: &str) -> Result<PortRange, EndpointError> {
    let (min, max) = text.strip_suffix('>').and_then(|range| range.split_once('-')).ok_or(EndpointError::PortRange)?;
    let port = |digits: &str| match decimal(digits) {
        None => Err(EndpointError::PortRange),
        Some(value) => u16::try_from(value).ok().filter(|port| *port != 0).ok_or(EndpointError::Port),
    };
    PortRange::new(port(min)?, port(max)?).ok_or(EndpointError::PortOrder)
}

/// Digits only (no sign, no blank); saturates, since whatever does not fit is out of every range here.
fn decimal(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}

/// Guesses what the author of a text that is no address meant.
fn address_error(text: &str) -> EndpointError {
    if text.parse::<SocketAddr>().is_ok() {
        EndpointError::BarePort
    } else if text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains(':') {
        EndpointError::Name
    } else {
        EndpointError::Address
    }
}

fn length_error(address: IpAddr) -> EndpointError {
    if address.is_ipv4() { EndpointError::PrefixLengthV4 } else { EndpointError::PrefixLengthV6 }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn mask_v4(prefix_len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0)
}

fn mask_v6(prefix_len: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix_len)).unwrap_or(0)
}
