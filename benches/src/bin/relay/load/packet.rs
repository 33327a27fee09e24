//! Packets that the load generator sends, ready-made per allocation.

use std::net::{Ipv4Addr, SocketAddrV4};
use stun_codec::{ChannelData, INDICATION_HEADER_LEN, Message, Method, TransactionId, send_indication_header};

/// Bytes of IPv4 and UDP headers.
pub(crate) const HEADERS: usize = 28;
/// Bytes at the start of each payload: a mark that no earlier measurement used, and the allocation's number.
pub(crate) const TAG: usize = 8;

/// IPv4 and UDP headers for a raw socket. The kernel fills in the IPv4 checksum and identification; a UDP checksum of zero means
/// "none" on IPv4, and veth packets of local sockets are not summed either.
pub(crate) fn headers(from: SocketAddrV4, to: SocketAddrV4, payload: usize) -> [u8; HEADERS] {
    let total = u16::try_from(HEADERS + payload).expect("smaller than an MTU");
    let mut bytes = [0; HEADERS];
    bytes[0] = 0x45;
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    // Don't fragment: spares the kernel the identification.
    bytes[6] = 0x40;
    bytes[8] = 64;
    bytes[9] = 17;
    bytes[12..16].copy_from_slice(&from.ip().octets());
    bytes[16..20].copy_from_slice(&to.ip().octets());
    bytes[20..22].copy_from_slice(&from.port().to_be_bytes());
    bytes[22..24].copy_from_slice(&to.port().to_be_bytes());
    bytes[24..26].copy_from_slice(&(total - 20).to_be_bytes());
    bytes
}

/// First bytes of a payload.
pub(crate) fn tag(mark: u32, allocation: u16) -> [u8; TAG] {
    let mut tag = [0; TAG];
    tag[..4].copy_from_slice(&mark.to_be_bytes());
    tag[6..].copy_from_slice(&allocation.to_be_bytes());
    tag
}

/// What precedes `size` bytes of payload in a Send indication to `peer`.
pub(crate) fn send_header(allocation: u16, peer: SocketAddrV4, size: u16) -> Vec<u8> {
    let mut id = TransactionId([0; 12]);
    id.0[..2].copy_from_slice(&allocation.to_be_bytes());
    let mut header = [0; INDICATION_HEADER_LEN];
    let length = send_indication_header(id, peer.into(), size, &mut header).expect("smaller than an MTU");
    header[..length].to_vec()
}

/// The payload of a ChannelData message.
pub(crate) fn channel_payload(message: &[u8]) -> Option<&[u8]> {
    ChannelData::parse(message).ok().map(|message| message.data)
}

/// The payload of a Data indication.
pub(crate) fn data_payload(message: &[u8]) -> Option<&[u8]> {
    let message = Message::parse(message).ok().filter(|message| message.method() == Method::Data)?;
    message.data().ok().flatten()
}

/// The port that every client uses; clients differ by address.
pub(crate) const CLIENT_PORT: u16 = 40_000;

/// Five-tuple end of the client with `address`.
pub(crate) fn client(address: Ipv4Addr) -> SocketAddrV4 {
    SocketAddrV4::new(address, CLIENT_PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_count_themselves_and_the_payload() {
        let (from, to) =
            ("10.134.0.1:40000".parse().expect("an address"), "10.133.0.1:3478".parse().expect("an address"));
        let bytes = headers(from, to, 176);
        assert_eq!(u16::from_be_bytes([bytes[2], bytes[3]]), 204);
        assert_eq!(u16::from_be_bytes([bytes[24], bytes[25]]), 184);
        assert_eq!((&bytes[12..20], &bytes[22..24]), (&[10, 134, 0, 1, 10, 133, 0, 1][..], &[0x0D, 0x96][..]));
    }

    #[test]
    fn a_send_indication_carries_the_payload_that_follows() {
        let header = send_header(7, "10.133.2.1:5001".parse().expect("an address"), 4);
        let message = [&header[..], b"abcd"].concat();
        let message = Message::parse(&message).expect("a message");
        assert_eq!((message.method(), message.data()), (Method::Send, Ok(Some(&b"abcd"[..]))));
        assert_eq!(data_payload(message.as_bytes()), None, "only Data indications come from a server");
    }
}
