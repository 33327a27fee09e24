//! Socket addresses as the kernel reads and writes them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;
const V4_LEN: u32 = size_of::<libc::sockaddr_in>() as u32;
const V6_LEN: u32 = size_of::<libc::sockaddr_in6>() as u32;

/// Which kind of address a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`; an IPv4 destination is written as its IPv4-mapped form, which a dual-stack socket accepts.
    V6,
}

impl Family {
    /// The family of a socket bound to `address`.
    #[must_use]
    pub fn of(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }
}

/// Room for one `sockaddr_in` or `sockaddr_in6`, as plain bytes: filling and reading it needs no pointer cast.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct RawAddress([u8; RawAddress::SIZE]);

impl RawAddress {
    pub(crate) const SIZE: usize = 32;
    pub(crate) const EMPTY: Self = Self([0; Self::SIZE]);

    /// Writes `address` as a socket of `family` takes it and returns the length in bytes.
    #[inline]
    pub(crate) fn encode(&mut self, address: &SocketAddr, family: Family) -> u32 {
        match (address, family) {
            (SocketAddr::V4(v4), Family::V4) => self.encode_v4(v4),
            (SocketAddr::V4(v4), Family::V6) => self.encode_v6(v4.ip().to_ipv6_mapped().octets(), v4.port(), 0, 0),
            (SocketAddr::V6(v6), _) => self.encode_v6(v6.ip().octets(), v6.port(), v6.flowinfo(), v6.scope_id()),
        }
    }

    fn encode_v4(&mut self, address: &SocketAddrV4) -> u32 {
        self.0[..2].copy_from_slice(&AF_INET.to_ne_bytes());
        self.0[2..4].copy_from_slice(&address.port().to_be_bytes());
        self.0[4..8].copy_from_slice(&address.ip().octets());
        self.0[8..16].fill(0);
        V4_LEN
    }

    fn encode_v6(&mut self, ip: [u8; 16], port: u16, flow: u32, scope: u32) -> u32 {
        self.0[..2].copy_from_slice(&AF_INET6.to_ne_bytes());
        self.0[2..4].copy_from_slice(&port.to_be_bytes());
        self.0[4..8].copy_from_slice(&flow.to_ne_bytes());
        self.0[8..24].copy_from_slice(&ip);
        self.0[24..28].copy_from_slice(&scope.to_ne_bytes());
        V6_LEN
    }

    /// Reads what the kernel wrote. An IPv4-mapped address is returned as the IPv4 address that it is.
    #[inline]
    pub(crate) fn decode(&self) -> Option<SocketAddr> {
        decode(&self.0)
    }
}

/// Reads a socket address from the front of `bytes` (see [`RawAddress::decode`]); `None` for another family.
#[inline]
pub(crate) fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(take(bytes, 2)?);
    match u16::from_ne_bytes(take(bytes, 0)?) {
        AF_INET => Some(SocketAddrV4::new(Ipv4Addr::from(take::<4>(bytes, 4)?), port).into()),
        AF_INET6 => {
            let ip = Ipv6Addr::from(take::<16>(bytes, 8)?);
            Some(match ip.to_ipv4_mapped() {
                Some(v4) => SocketAddrV4::new(v4, port).into(),
                // The flow label of a received datagram is not part of who sent it.
                None => SocketAddrV6::new(ip, port, 0, u32::from_ne_bytes(take(bytes, 24)?)).into(),
            })
        }
        _ => None,
    }
}

#[inline]
pub(crate) fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(address: &str, family: Family) -> (u32, SocketAddr) {
        let mut raw = RawAddress::EMPTY;
        let len = raw.encode(&address.parse().unwrap(), family);
        (len, raw.decode().unwrap())
    }

    #[test]
    fn both_families_survive_a_round_trip() {
        assert_eq!(round_trip("192.0.2.1:3478", Family::V4), (16, "192.0.2.1:3478".parse().unwrap()));
        assert_eq!(round_trip("[2001:db8::1]:65535", Family::V6), (28, "[2001:db8::1]:65535".parse().unwrap()));
    }

    #[test]
    fn scope_of_a_link_local_address_survives() {
        assert_eq!(round_trip("[fe80::1%7]:9", Family::V6).1, "[fe80::1%7]:9".parse().unwrap());
    }

    #[test]
    fn ipv4_on_a_dual_stack_socket_is_mapped_and_read_back_as_ipv4() {
        assert_eq!(round_trip("192.0.2.1:3478", Family::V6), (28, "192.0.2.1:3478".parse().unwrap()));
    }

    #[test]
    fn another_family_is_no_address() {
        assert!(RawAddress::EMPTY.decode().is_none());
        assert!(decode(&[2, 0, 1]).is_none());
    }
}
