//! Writing STUN messages byte by byte, the malformed ones included.

use super::crypto;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, SocketAddr};

/// The magic cookie of RFC 8489 §5.
pub const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// IPv4 in an address family attribute.
pub const V4: u8 = 1;
/// IPv6 in an address family attribute.
pub const V6: u8 = 2;

/// Method numbers.
pub mod method {
    #![allow(missing_docs)]
    pub const BINDING: u16 = 0x001;
    pub const ALLOCATE: u16 = 0x003;
    pub const REFRESH: u16 = 0x004;
    pub const SEND: u16 = 0x006;
    pub const DATA: u16 = 0x007;
    pub const CREATE_PERMISSION: u16 = 0x008;
    pub const CHANNEL_BIND: u16 = 0x009;
}

/// Attribute types.
pub mod attr {
    #![allow(missing_docs)]
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    pub const CHANNEL_NUMBER: u16 = 0x000C;
    pub const LIFETIME: u16 = 0x000D;
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub const DATA: u16 = 0x0013;
    pub const REALM: u16 = 0x0014;
    pub const NONCE: u16 = 0x0015;
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub const EVEN_PORT: u16 = 0x0018;
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub const DONT_FRAGMENT: u16 = 0x001A;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    pub const PASSWORD_ALGORITHM: u16 = 0x001D;
    pub const USERHASH: u16 = 0x001E;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const RESERVATION_TOKEN: u16 = 0x0022;
    pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
    pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
    pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
    pub const ICMP: u16 = 0x8004;
    pub const SOFTWARE: u16 = 0x8022;
    pub const FINGERPRINT: u16 = 0x8028;
}

/// The two class bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// A success response.
    Success,
    /// An error response.
    Error,
}

/// Twelve bytes nobody used before.
pub fn fresh_id() -> [u8; 12] {
    let mut id = [0; 12];
    for chunk in id.chunks_mut(4) {
        let random = RandomState::new().build_hasher().finish().to_be_bytes();
        chunk.copy_from_slice(&random[..4]);
    }
    id
}

/// A message being written. Every method keeps the header's length right, save those that say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    bytes: Vec<u8>,
}

impl Draft {
    /// An empty message with a fresh transaction id.
    pub fn new(class: Class, method: u16) -> Self {
        let (c1, c0) = ((class as u16) >> 1, (class as u16) & 1);
        let word = (method & 0xF) | c0 << 4 | (method & 0x70) << 1 | c1 << 8 | (method & 0xF80) << 2;
        let mut bytes = Vec::with_capacity(160);
        bytes.extend(word.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(COOKIE);
        bytes.extend(fresh_id());
        Self { bytes }
    }

    /// An empty request.
    pub fn request(method: u16) -> Self {
        Self::new(Class::Request, method)
    }

    /// The transaction id.
    pub fn id(&self) -> [u8; 12] {
        self.bytes[8..20].try_into().expect("a draft has a header")
    }

    /// The message as it stands.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The message as it stands.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends an attribute and its zero padding.
    #[must_use]
    pub fn attr(mut self, typ: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).expect("an attribute fits 64 KiB");
        self.bytes.extend(typ.to_be_bytes());
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let body = self.bytes.len() - 20;
        self.declare(body)
    }

    /// Appends what the function appends.
    #[must_use]
    pub fn with(self, add: impl FnOnce(Self) -> Self) -> Self {
        add(self)
    }

    /// Appends a 32-bit number.
    #[must_use]
    pub fn number(self, typ: u16, value: u32) -> Self {
        self.attr(typ, &value.to_be_bytes())
    }

    /// Appends an address family attribute: the family and three reserved bytes.
    #[must_use]
    pub fn family(self, typ: u16, family: u8) -> Self {
        self.attr(typ, &[family, 0, 0, 0])
    }

    /// Appends an XORed address.
    #[must_use]
    pub fn xor_address(self, typ: u16, address: SocketAddr) -> Self {
        let value = xor_address_value(address, &self.id());
        self.attr(typ, &value)
    }

    /// Appends MESSAGE-INTEGRITY.
    #[must_use]
    pub fn integrity(self, key: &[u8]) -> Self {
        let mac = crypto::hmac_sha1(key, &self.hashed_as(24));
        self.attr(attr::MESSAGE_INTEGRITY, &mac)
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 cut to `length` bytes.
    #[must_use]
    pub fn integrity_sha256(self, key: &[u8], length: usize) -> Self {
        let mac = crypto::hmac_sha256(key, &self.hashed_as(4 + length.next_multiple_of(4)));
        self.attr(attr::MESSAGE_INTEGRITY_SHA256, &mac[..length])
    }

    /// Appends FINGERPRINT.
    #[must_use]
    pub fn fingerprint(self) -> Self {
        let crc = crypto::crc32(&self.hashed_as(8)) ^ 0x5354_554E;
        self.number(attr::FINGERPRINT, crc)
    }

    /// Sets the header's length field, right or wrong.
    #[must_use]
    pub fn declare(mut self, body: usize) -> Self {
        let length = u16::try_from(body).expect("a message fits 64 KiB");
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
        self
    }

    /// Changes bytes at will; the length field is not corrected.
    #[must_use]
    pub fn tamper(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.bytes);
        self
    }

    fn hashed_as(&self, more: usize) -> Vec<u8> {
        let body = self.bytes.len() - 20 + more;
        self.clone().declare(body).bytes
    }
}

/// The value of an XOR-...-ADDRESS attribute.
pub fn xor_address_value(address: SocketAddr, id: &[u8; 12]) -> Vec<u8> {
    let mask: Vec<u8> = COOKIE.iter().chain(id).copied().collect();
    let (family, ip) = match address.ip() {
        IpAddr::V4(ip) => (V4, ip.octets().to_vec()),
        IpAddr::V6(ip) => (V6, ip.octets().to_vec()),
    };
    let mut value = vec![0, family];
    value.extend((address.port() ^ 0x2112).to_be_bytes());
    value.extend(ip.iter().zip(&mask).map(|(byte, mask)| byte ^ mask));
    value
}

#[cfg(test)]
mod tests {
    use super::super::Reply;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let peers: [SocketAddr; 2] = ["192.0.2.1:32853".parse().unwrap(), "[2001:db8::7]:9".parse().unwrap()];
        let draft = Draft::new(Class::Error, 0xABC)
            .attr(attr::SOFTWARE, b"abc")
            .xor_address(attr::XOR_PEER_ADDRESS, peers[0])
            .xor_address(attr::XOR_PEER_ADDRESS, peers[1])
            .integrity(b"key")
            .integrity_sha256(b"key", 32)
            .fingerprint();
        let reply = Reply::parse(draft.as_bytes()).unwrap();
        assert_eq!((reply.class(), reply.method(), reply.id()), (Class::Error, 0xABC, draft.id()));
        assert_eq!(reply.xor_addresses(attr::XOR_PEER_ADDRESS), peers);
        assert_eq!((reply.integrity(b"key", false), reply.integrity(b"key", true)), (Some(true), Some(true)));
        assert_eq!((reply.integrity(b"kex", false), reply.fingerprint()), (Some(false), Some(true)));
        assert!(reply.padding_is_zero());
    }

    /// The sample request of RFC 5769 §2.1 carries a MAC and a CRC that others computed.
    #[test]
    fn fingerprint_and_integrity_of_a_known_message() {
        let hex = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008\
                   932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let reply = Reply::parse(&bytes).unwrap();
        assert_eq!(reply.integrity(b"VOkJxbRl1RmTxUk/WvJxBt", false), Some(true));
        assert_eq!(reply.fingerprint(), Some(true));
        assert!(!reply.padding_is_zero(), "the sample pads with spaces");
    }
}
