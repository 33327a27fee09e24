//! Reading what a server sent.

use super::crypto;
use super::wire::{COOKIE, Class, V4, V6, attr};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A received message.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    bytes: Vec<u8>,
    attributes: Vec<(u16, usize, usize)>,
}

impl Reply {
    /// Reads a whole datagram as one message. The attributes keep their order, duplicates included.
    ///
    /// # Errors
    /// Says what is wrong with the framing.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < 20 || bytes[0] & 0xC0 != 0 || bytes[4..8] != COOKIE {
            return Err("not a STUN message".into());
        }
        let declared = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        if declared + 20 != bytes.len() || declared % 4 != 0 {
            return Err(format!("declares {declared} bytes, has {}", bytes.len() - 20));
        }
        let (mut attributes, mut at) = (Vec::new(), 20);
        while at < bytes.len() {
            let (typ, length) = (word(bytes, at), usize::from(word(bytes, at + 2)));
            if at + 4 + length > bytes.len() {
                return Err(format!("attribute {typ:#06x} overruns the message"));
            }
            attributes.push((typ, at + 4, length));
            at += 4 + length.next_multiple_of(4);
        }
        Ok(Self { bytes: bytes.to_vec(), attributes })
    }

    /// The whole message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its class.
    pub fn class(&self) -> Class {
        match (self.bytes[0] & 1, self.bytes[1] & 0x10) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            _ => Class::Error,
        }
    }

    /// Its method number.
    pub fn method(&self) -> u16 {
        let word = word(&self.bytes, 0);
        (word & 0xF) | (word & 0xE0) >> 1 | (word & 0x3E00) >> 2
    }

    /// Its transaction id.
    pub fn id(&self) -> [u8; 12] {
        self.bytes[8..20].try_into().expect("a reply has a header")
    }

    /// Attribute types, in order.
    pub fn types(&self) -> Vec<u16> {
        self.attributes.iter().map(|(typ, ..)| *typ).collect()
    }

    /// Whether there is such an attribute.
    pub fn has(&self, typ: u16) -> bool {
        self.get(typ).is_some()
    }

    /// The first attribute of that type.
    pub fn get(&self, typ: u16) -> Option<&[u8]> {
        self.all(typ).next()
    }

    /// All attributes of that type.
    pub fn all(&self, typ: u16) -> impl Iterator<Item = &[u8]> {
        let of_type = self.attributes.iter().filter(move |(found, ..)| *found == typ);
        of_type.map(|&(_, at, length)| &self.bytes[at..at + length])
    }

    /// A 32-bit number.
    pub fn number(&self, typ: u16) -> Option<u32> {
        self.get(typ)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// An attribute that is text.
    pub fn text(&self, typ: u16) -> Option<&str> {
        std::str::from_utf8(self.get(typ)?).ok()
    }

    /// Code and reason phrase of an error response.
    pub fn error(&self) -> Option<(u16, &str)> {
        let value = self.get(attr::ERROR_CODE)?;
        let code = u16::from(*value.get(2)? & 7) * 100 + u16::from(*value.get(3)?);
        Some((code, std::str::from_utf8(&value[4..]).ok()?))
    }

    /// The code of an error response, 0 if this is none.
    pub fn code(&self) -> u16 {
        if self.class() == Class::Error { self.error().map_or(0, |(code, _)| code) } else { 0 }
    }

    /// The first XORed address of that type.
    pub fn xor_address(&self, typ: u16) -> Option<SocketAddr> {
        self.xor_addresses(typ).first().copied()
    }

    /// All XORed addresses of that type; malformed ones are left out.
    pub fn xor_addresses(&self, typ: u16) -> Vec<SocketAddr> {
        self.all(typ).filter_map(|value| read_xor_address(value, &self.id())).collect()
    }

    /// Whether MESSAGE-INTEGRITY, or its SHA-256 kind if `sha256`, is there and right. `None`: absent.
    pub fn integrity(&self, key: &[u8], sha256: bool) -> Option<bool> {
        let typ = if sha256 { attr::MESSAGE_INTEGRITY_SHA256 } else { attr::MESSAGE_INTEGRITY };
        let &(_, at, length) = self.attributes.iter().find(|(found, ..)| *found == typ)?;
        let mut hashed = self.bytes[..at - 4].to_vec();
        let body = u16::try_from(at + length - 20).expect("it was in a datagram");
        hashed[2..4].copy_from_slice(&body.to_be_bytes());
        let mac = if sha256 { crypto::hmac_sha256(key, &hashed) } else { crypto::hmac_sha1(key, &hashed) };
        Some(mac == self.bytes[at..at + length])
    }

    /// Whether FINGERPRINT is there, last, and right. `None`: absent.
    pub fn fingerprint(&self) -> Option<bool> {
        let crc = self.number(attr::FINGERPRINT)?;
        let body = &self.bytes[..self.bytes.len() - 8];
        let last = self.types().last() == Some(&attr::FINGERPRINT);
        Some(last && crypto::crc32(body) ^ 0x5354_554E == crc)
    }

    /// Whether all padding is zero (RFC 8489 §14).
    pub fn padding_is_zero(&self) -> bool {
        self.attributes.iter().all(|&(_, at, length)| {
            let end = at + length.next_multiple_of(4);
            self.bytes[at + length..end.min(self.bytes.len())].iter().all(|byte| *byte == 0)
        })
    }
}

/// What it is, short enough for a verdict: the same answer gives the same text.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class() {
            Class::Error => write!(f, "error {}", self.code()),
            Class::Success => f.write_str("success"),
            Class::Request => write!(f, "a request of method {:#05x}", self.method()),
            Class::Indication => write!(f, "an indication of method {:#05x}", self.method()),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {:04x?} ({} bytes)", self.types(), self.bytes.len())
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn read_xor_address(value: &[u8], id: &[u8; 12]) -> Option<SocketAddr> {
    let mask: Vec<u8> = COOKIE.iter().chain(id).copied().collect();
    let port = word(value.get(..4)?, 2) ^ 0x2112;
    let ip: Vec<u8> = value[4..].iter().zip(&mask).map(|(byte, mask)| byte ^ mask).collect();
    let ip = match (value[1], ip.len(), value.len()) {
        (V4, 4, 8) => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
        (V6, 16, 20) => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}
