//! Clusters: the peers that listeners route to.

use std::fmt;

use route_policy::Endpoint;

/// A named set of peers. Nothing is reachable that no cluster of the listener's routes contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// `clusters[].name`, required and unique. The operator writes `<namespace>/<route>`.
    pub name: String,
    /// `clusters[].type` and `clusters[].endpoints`: sorted, without duplicates.
    pub endpoints: Endpoints,
    /// `clusters[].protocol`: how relayed peers are spoken to; default UDP.
    pub protocol: ClusterProtocol,
}

/// What a cluster lists, by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// `STATIC`, the default: addresses and prefixes with port ranges.
    Static(Vec<Endpoint>),
    /// `STRICT_DNS`: domain names whose addresses are the peers, on every port.
    StrictDns(Vec<String>),
}

impl Endpoints {
    /// The type's name.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Static(_) => "STATIC",
            Self::StrictDns(_) => "STRICT_DNS",
        }
    }
}

/// How relayed peers are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClusterProtocol {
    /// UDP.
    #[default]
    Udp,
    /// TCP, with RFC 6062's allocations.
    Tcp,
}

impl ClusterProtocol {
    pub(crate) const ALL: [Self; 2] = [Self::Udp, Self::Tcp];

    /// The upper-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

/// Checks that the text is a domain name that can be looked up: not an address, and without port or port range.
///
/// # Errors
/// [`InvalidDomain`], which says what was expected.
pub fn check_domain(text: &str) -> Result<(), InvalidDomain> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let named = name.len() <= 253 && name.split('.').all(label);
    // A last label of digits alone is how every spelling of an IPv4 address ends.
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if text.parse::<Endpoint>().is_ok() || named && numeric {
        return Err(InvalidDomain::Address);
    }
    if named { Ok(()) } else { Err(InvalidDomain::Name) }
}

/// Not a domain name that can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidDomain {
    /// An address or prefix.
    Address,
    /// Something else.
    Name,
}

impl fmt::Display for InvalidDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "expected a domain name (an address needs a cluster of type STATIC)",
            Self::Name => "expected a domain name of letters, digits, `-`, `_` and dots, without a port range",
        })
    }
}

impl std::error::Error for InvalidDomain {}
