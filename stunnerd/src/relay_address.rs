//! Which address a relayed socket binds, and which one clients are told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use stun_codec::AddressFamily;

/// An address to bind and the address that stands for it outside; they differ behind 1:1 NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    /// What the socket binds. Unspecified only in a listener's configuration, and never where a socket is opened.
    pub bind: IpAddr,
    /// What clients are told; never unspecified.
    pub advertised: IpAddr,
}

/// How a listener's relayed addresses are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayAddresses {
    /// Configured ones, one per family; they go before everything else.
    pub configured: Vec<RelayAddress>,
    /// The listener's own address; unspecified for a wildcard listener.
    pub listener: IpAddr,
    /// Whether the host has the listener's address. Behind 1:1 NAT it does not.
    pub listener_is_local: bool,
    /// The source addresses of the host's default routes, if it has any.
    pub default_sources: [Option<IpAddr>; 2],
}

impl RelayAddresses {
    /// The relayed address of this family for a client whose request arrived on `local`; None is answered with 440.
    pub fn choose(&self, local: IpAddr, family: AddressFamily) -> Option<RelayAddress> {
        let fits = |ip: &IpAddr| AddressFamily::of(*ip) == family && !ip.is_unspecified();
        let same = |ip: IpAddr| RelayAddress { bind: ip, advertised: ip };
        if let Some(configured) = self.configured.iter().find(|address| AddressFamily::of(address.bind) == family) {
            // An unspecified one says: bind what would be bound anyway, and advertise this.
            let bind = match configured.bind.is_unspecified() {
                false => Some(configured.bind),
                true => Some(local).filter(fits).or_else(|| self.default_sources.iter().flatten().copied().find(fits)),
            };
            return bind.map(|bind| RelayAddress { bind, advertised: configured.advertised });
        }
        if fits(&self.listener) {
            let bind = if self.listener_is_local { self.listener } else { local };
            return fits(&bind).then_some(RelayAddress { bind, advertised: self.listener });
        }
        if fits(&local) {
            return Some(same(local));
        }
        // A gateway that was reached on loopback stays on this machine in the other family as well.
        if local.is_loopback() {
            return Some(same(match family {
                AddressFamily::V4 => Ipv4Addr::LOCALHOST.into(),
                AddressFamily::V6 => Ipv6Addr::LOCALHOST.into(),
            }))
            .filter(|address| is_local(address.bind));
        }
        self.default_sources.iter().flatten().copied().find(fits).map(same)
    }
}

/// Whether the host has this address: a socket can be bound to it.
pub fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

/// The source addresses that the host's default routes choose, IPv4 and IPv6. Nothing is sent: connecting a UDP socket only looks the
/// route up. The destinations are documentation addresses, which only a default route leads to.
pub fn default_sources() -> [Option<IpAddr>; 2] {
    let probe = |from: SocketAddr, to: SocketAddr| -> Option<IpAddr> {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        let ip = socket.local_addr().ok()?.ip();
        (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
    };
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    [
        probe((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into()),
        probe((Ipv6Addr::UNSPECIFIED, 0).into(), (v6, 9).into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn rules(listener: &str, listener_is_local: bool) -> RelayAddresses {
        let default_sources = [Some(ip("10.0.0.2")), Some(ip("2001:db8::2"))];
        RelayAddresses { configured: vec![], listener: ip(listener), listener_is_local, default_sources }
    }

    fn chosen(rules: &RelayAddresses, local: &str, family: AddressFamily) -> Option<(String, String)> {
        let address = rules.choose(ip(local), family)?;
        Some((address.bind.to_string(), address.advertised.to_string()))
    }

    fn both(bind: &str, advertised: &str) -> Option<(String, String)> {
        Some((bind.to_owned(), advertised.to_owned()))
    }

    use AddressFamily::{V4, V6};

    #[test]
    fn the_listeners_address_is_bound_and_advertised_if_the_host_has_it() {
        assert_eq!(chosen(&rules("192.0.2.1", true), "192.0.2.1", V4), both("192.0.2.1", "192.0.2.1"));
    }

    #[test]
    fn behind_1_to_1_nat_the_arrival_address_is_bound_and_the_listeners_advertised() {
        assert_eq!(chosen(&rules("203.0.113.9", false), "10.0.0.7", V4), both("10.0.0.7", "203.0.113.9"));
    }

    #[test]
    fn a_wildcard_listener_relays_from_where_the_request_arrived() {
        assert_eq!(chosen(&rules("0.0.0.0", true), "10.0.0.7", V4), both("10.0.0.7", "10.0.0.7"));
        assert_eq!(chosen(&rules("::", true), "2001:db8::7", V6), both("2001:db8::7", "2001:db8::7"));
    }

    #[test]
    fn the_other_family_comes_from_the_default_route_but_never_from_loopback_outward() {
        assert_eq!(chosen(&rules("192.0.2.1", true), "192.0.2.1", V6), both("2001:db8::2", "2001:db8::2"));
        assert_eq!(chosen(&rules("::1", true), "::1", V4), both("127.0.0.1", "127.0.0.1"));
        let none = RelayAddresses { default_sources: [None; 2], ..rules("192.0.2.1", true) };
        assert_eq!(chosen(&none, "192.0.2.1", V6), None);
    }

    #[test]
    fn configured_addresses_go_first() {
        let configured = vec![RelayAddress { bind: ip("10.0.0.3"), advertised: ip("198.51.100.3") }];
        let rules = RelayAddresses { configured, ..rules("192.0.2.1", true) };
        assert_eq!(chosen(&rules, "192.0.2.1", V4), both("10.0.0.3", "198.51.100.3"));
        assert_eq!(chosen(&rules, "192.0.2.1", V6), both("2001:db8::2", "2001:db8::2"));
    }

    #[test]
    fn an_unspecified_configured_address_advertises_for_whatever_is_bound() {
        let configured = vec![RelayAddress { bind: ip("0.0.0.0"), advertised: ip("198.51.100.3") }];
        let rules = RelayAddresses { configured, ..rules("0.0.0.0", true) };
        assert_eq!(chosen(&rules, "10.0.0.7", V4), both("10.0.0.7", "198.51.100.3"));
        assert_eq!(chosen(&rules, "2001:db8::7", V4), both("10.0.0.2", "198.51.100.3"));
    }

    #[test]
    fn an_unspecified_address_is_never_chosen() {
        let none = RelayAddresses { default_sources: [None; 2], ..rules("0.0.0.0", true) };
        assert_eq!(chosen(&none, "::", V6), None);
    }
}
