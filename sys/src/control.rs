//! Control messages (`cmsghdr`): written and walked as bytes, without a pointer cast.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::take;

const ALIGN: usize = size_of::<usize>();
/// `cmsg_len`, `cmsg_level`, `cmsg_type`.
const HEADER: usize = ALIGN + 8;

const fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// A control buffer of `N` bytes, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control<const N: usize> {
    bytes: [u8; N],
}

impl<const N: usize> Control<N> {
    pub(crate) const EMPTY: Self = Self { bytes: [0; N] };

    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.bytes.as_mut_ptr().cast()
    }

    /// Walks the messages in the first `len` bytes.
    pub(crate) fn iter(&self, len: usize) -> Messages<'_> {
        Messages { rest: self.bytes.get(..len).unwrap_or(&[]) }
    }

    pub(crate) fn writer(&mut self) -> Writer<'_> {
        Writer { bytes: &mut self.bytes, len: 0 }
    }
}

/// One received control message.
pub(crate) struct Message<'a> {
    pub(crate) level: i32,
    pub(crate) kind: i32,
    pub(crate) data: &'a [u8],
}

impl Message<'_> {
    /// A TOS or traffic class octet: the kernel writes it as one byte for IPv4, as an `int` for IPv6.
    pub(crate) fn octet(&self) -> Option<u8> {
        match *self.data {
            [byte] => Some(byte),
            _ => self.int().map(|value| value as u8),
        }
    }

    pub(crate) fn int(&self) -> Option<i32> {
        take(self.data, 0).map(i32::from_ne_bytes)
    }

    /// Where the datagram was sent to: `IP_PKTINFO` (`ipi_addr`, the header's destination) or `IPV6_PKTINFO`.
    pub(crate) fn destination(&self) -> Option<IpAddr> {
        match (self.level, self.kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => take::<4>(self.data, 8).map(|ip| Ipv4Addr::from(ip).into()),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                take::<16>(self.data, 0).map(|ip| IpAddr::from(Ipv6Addr::from(ip)).to_canonical())
            }
            _ => None,
        }
    }
}

pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    #[inline]
    fn next(&mut self) -> Option<Message<'a>> {
        let len = usize::from_ne_bytes(take(self.rest, 0)?);
        let level = i32::from_ne_bytes(take(self.rest, ALIGN)?);
        let kind = i32::from_ne_bytes(take(self.rest, ALIGN + 4)?);
        let data = self.rest.get(HEADER..len)?;
        self.rest = self.rest.get(padded(len)..).unwrap_or(&[]);
        Some(Message { level, kind, data })
    }
}

/// Appends control messages for a send. What does not fit is left out; [`SEND_CONTROL`] holds all three.
pub(crate) struct Writer<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

/// Bytes for a source address, a traffic class and a segment size, each in its largest form.
pub(crate) const SEND_CONTROL: usize = padded(HEADER + 20) + padded(HEADER + 4) + padded(HEADER + 2);

impl Writer<'_> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let end = self.len + padded(HEADER + data.len());
        let Some(out) = self.bytes.get_mut(self.len..end) else {
            return;
        };
        out[..ALIGN].copy_from_slice(&(HEADER + data.len()).to_ne_bytes());
        out[ALIGN..ALIGN + 4].copy_from_slice(&level.to_ne_bytes());
        out[ALIGN + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        out[HEADER..HEADER + data.len()].copy_from_slice(data);
        self.len = end;
    }

    /// The address to send from, on a socket bound to the wildcard. `mapped`: the socket is an IPv6 one.
    pub(crate) fn source(&mut self, source: IpAddr, mapped: bool) {
        match (source, mapped) {
            (IpAddr::V4(ip), false) => {
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&ip.octets());
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            (IpAddr::V4(ip), true) => self.source_v6(ip.to_ipv6_mapped()),
            (IpAddr::V6(ip), _) => self.source_v6(ip),
        }
    }

    fn source_v6(&mut self, ip: Ipv6Addr) {
        let mut info = [0; 20];
        info[..16].copy_from_slice(&ip.octets());
        self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
    }

    /// The octet of DSCP and ECN; `v4` tells in which header it travels, whatever the socket is.
    pub(crate) fn traffic_class(&mut self, octet: u8, v4: bool) {
        let value = i32::from(octet).to_ne_bytes();
        if v4 {
            self.push(libc::IPPROTO_IP, libc::IP_TOS, &value);
        } else {
            self.push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &value);
        }
    }

    /// `UDP_SEGMENT`: the kernel (or the device) cuts the message into datagrams of this many bytes.
    pub(crate) fn segment_size(&mut self, size: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, &size.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_that_of_the_c_headers() {
        assert_eq!(HEADER, size_of::<libc::cmsghdr>());
        assert_eq!(size_of::<libc::in_pktinfo>(), 12);
        assert_eq!(size_of::<libc::in6_pktinfo>(), 20);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut control = Control::<SEND_CONTROL>::EMPTY;
        let mut writer = control.writer();
        writer.source("2001:db8::7".parse().unwrap(), true);
        writer.traffic_class(0xb9, false);
        writer.segment_size(1200);
        assert_eq!(writer.len(), SEND_CONTROL);
        let messages: Vec<_> = control.iter(SEND_CONTROL).collect();
        assert_eq!(messages.len(), 3);
        assert_eq!(messages[0].destination(), Some("2001:db8::7".parse().unwrap()));
        assert_eq!(messages[1].octet(), Some(0xb9));
        assert_eq!((messages[2].level, messages[2].data), (libc::SOL_UDP, &1200u16.to_ne_bytes()[..]));
    }

    #[test]
    fn mapped_source_is_read_as_ipv4() {
        let mut control = Control::<SEND_CONTROL>::EMPTY;
        let mut writer = control.writer();
        writer.source("192.0.2.9".parse().unwrap(), true);
        let len = writer.len();
        assert_eq!(control.iter(len).next().unwrap().destination(), Some("192.0.2.9".parse().unwrap()));
    }

    #[test]
    fn truncated_or_absurd_lengths_end_the_walk() {
        let mut control = Control::<64>::EMPTY;
        control.writer().segment_size(7);
        for len in 0..HEADER + 2 {
            assert_eq!(control.iter(len).count(), 0, "{len}");
        }
        control.bytes[..ALIGN].copy_from_slice(&usize::MAX.to_ne_bytes());
        assert_eq!(control.iter(64).count(), 0);
        control.bytes[..ALIGN].copy_from_slice(&1usize.to_ne_bytes());
        assert_eq!(control.iter(64).count(), 0);
    }
}
