//! Listeners: where clients come in.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use crate::Secret;
use crate::config::DEFAULT_PORT;

/// The address that the config discovery service replaces by that of the subscriber's node.
pub const NODE_ADDRESS_PLACEHOLDER: &str = "__node_address_placeholder";

/// A socket for clients, and what they may reach through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `listeners[].name`, required and unique. The operator writes `<namespace>/<gateway>/<listener>`.
    pub name: String,
    /// `listeners[].protocol`; default TURN-UDP. `UDP` and `TURN-UDP` and so on mean the same.
    pub protocol: Protocol,
    /// `listeners[].address`; default `0.0.0.0`.
    pub address: ListenerAddress,
    /// `listeners[].port`, 1..65535; default 3478.
    pub port: u16,
    /// `listeners[].public_address`: what clients are told instead of the address. Reported, never bound.
    pub public_address: Option<String>,
    /// `listeners[].public_port`: likewise; 0 in the document means none.
    pub public_port: Option<u16>,
    /// `listeners[].cert`: a PEM certificate chain, in the document as base64. TLS and DTLS need it.
    pub cert: Option<String>,
    /// `listeners[].key`: its PEM private key, likewise.
    pub key: Option<Secret>,
    /// `listeners[].routes`: names of clusters, sorted, without duplicates. Names of clusters that do not exist are fine and reach nobody.
    pub routes: Vec<String>,
    /// Our extension `listeners[].relay_addresses`: where relayed transport addresses come from, at most one per address family.
    /// Empty: derived from the address.
    pub relay_addresses: Vec<RelayAddress>,
}

impl Listener {
    /// A TURN-UDP listener on `0.0.0.0:3478` that reaches nobody.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            protocol: Protocol::default(),
            address: ListenerAddress::default(),
            port: DEFAULT_PORT,
            public_address: None,
            public_port: None,
            cert: None,
            key: None,
            routes: Vec::new(),
            relay_addresses: Vec::new(),
        }
    }

    /// The RFC 7065 URI that clients are told, made of the public address and port where there are such.
    ///
    /// ```
    /// let mut listener = stunner_config::Listener::new("udp");
    /// listener.public_address = Some("2001:db8::1".to_owned());
    /// assert_eq!(listener.ice_uri(), "turn:[2001:db8::1]:3478?transport=udp");
    /// ```
    #[must_use]
    pub fn ice_uri(&self) -> String {
        let host = match (&self.public_address, &self.address) {
            (Some(public), _) => public.clone(),
            (None, ListenerAddress::NodePlaceholder) => Ipv4Addr::UNSPECIFIED.to_string(),
            (None, address) => address.to_string(),
        };
        crate::ice_uri(&host, self.public_port.unwrap_or(self.port), self.protocol)
    }
}

/// What clients speak to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// TURN over UDP.
    #[default]
    TurnUdp,
    /// TURN over TCP.
    TurnTcp,
    /// TURN over TLS over TCP.
    TurnTls,
    /// TURN over DTLS over UDP.
    TurnDtls,
}

impl Protocol {
    pub(crate) const ALL: [Self; 4] = [Self::TurnUdp, Self::TurnTcp, Self::TurnTls, Self::TurnDtls];

    /// The upper-case name, as in `TURN-UDP`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TurnUdp => "TURN-UDP",
            Self::TurnTcp => "TURN-TCP",
            Self::TurnTls => "TURN-TLS",
            Self::TurnDtls => "TURN-DTLS",
        }
    }

    /// Whether it needs a certificate and a key.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::TurnTls | Self::TurnDtls)
    }

    /// Either spelling, in any case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let short = text.get(..5).filter(|prefix| prefix.eq_ignore_ascii_case("TURN-")).map_or(text, |_| &text[5..]);
        Self::ALL.into_iter().find(|protocol| protocol.name()[5..].eq_ignore_ascii_case(short))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a listener is bound, which is also the relay address that clients are told unless others are configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenerAddress {
    /// An IP address; the unspecified one is every address of the host.
    Ip(IpAddr),
    /// `localhost`, which is `127.0.0.1`.
    Localhost,
    /// [`NODE_ADDRESS_PLACEHOLDER`], which the config discovery service replaces.
    NodePlaceholder,
    /// Text with a `$VAR` in it, in a document that was made or read without an environment.
    Variable(String),
}

impl ListenerAddress {
    /// The address, unless somebody else has yet to fill it in.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Localhost => Some(Ipv4Addr::LOCALHOST.into()),
            Self::NodePlaceholder | Self::Variable(_) => None,
        }
    }
}

impl Default for ListenerAddress {
    fn default() -> Self {
        Self::Ip(Ipv4Addr::UNSPECIFIED.into())
    }
}

impl fmt::Display for ListenerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Localhost => f.write_str("localhost"),
            Self::NodePlaceholder => f.write_str(NODE_ADDRESS_PLACEHOLDER),
            Self::Variable(text) => f.write_str(text),
        }
    }
}

/// Where relayed sockets are bound and what address clients are told: `bind`, or `bind=advertised` behind a 1:1 NAT.
///
/// ```
/// use stunner_config::RelayAddress;
/// let relay: RelayAddress = "10.0.0.5=203.0.113.9".parse()?;
/// assert_eq!(relay.advertised().to_string(), "203.0.113.9");
/// assert_eq!(relay.to_string(), "10.0.0.5=203.0.113.9");
/// assert!("0.0.0.0".parse::<RelayAddress>().is_err()); // nobody can be told to send there
/// # Ok::<(), stunner_config::RelayAddressError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelayAddress {
    bind: IpAddr,
    advertised: IpAddr,
}

impl RelayAddress {
    /// Both addresses are of one family, and the advertised one names a single host.
    ///
    /// # Errors
    /// [`RelayAddressError`] otherwise.
    pub fn new(bind: IpAddr, advertised: IpAddr) -> Result<Self, RelayAddressError> {
        let (bind, advertised) = (bind.to_canonical(), advertised.to_canonical());
        if bind.is_ipv4() != advertised.is_ipv4() {
            return Err(RelayAddressError::Family);
        }
        let nobody = |ip: IpAddr| ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        if nobody(bind) || nobody(advertised) || advertised.is_unspecified() {
            return Err(RelayAddressError::NoHost);
        }
        Ok(Self { bind, advertised })
    }

    /// Where the relayed sockets are bound; may be unspecified.
    #[must_use]
    pub const fn bind(&self) -> IpAddr {
        self.bind
    }

    /// What clients are told.
    #[must_use]
    pub const fn advertised(&self) -> IpAddr {
        self.advertised
    }
}

impl FromStr for RelayAddress {
    type Err = RelayAddressError;

    fn from_str(text: &str) -> Result<Self, RelayAddressError> {
        let (bind, advertised) = text.split_once('=').unwrap_or((text, text));
        let ip = |text: &str| text.parse::<IpAddr>().map_err(|_| RelayAddressError::Address);
        Self::new(ip(bind)?, ip(advertised)?)
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bind)?;
        if self.advertised != self.bind { write!(f, "={}", self.advertised) } else { Ok(()) }
    }
}

/// What is wrong with a relay address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayAddressError {
    /// Not one or two IP addresses.
    Address,
    /// One is IPv4, the other IPv6.
    Family,
    /// Unspecified, multicast or broadcast.
    NoHost,
}

impl fmt::Display for RelayAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "expected an IP address, or two as in `10.0.0.5=203.0.113.9`: bound, then advertised",
            Self::Family => "expected two addresses of the same family",
            Self::NoHost => {
                "expected an address of a single host (the bound one may be unspecified if another is advertised)"
            }
        })
    }
}

impl std::error::Error for RelayAddressError {}
