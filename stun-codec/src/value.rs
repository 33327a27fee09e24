//! Values of attributes: the types and how they are read. Every reader is total: wrong length or content is a fault.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::attribute::AttributeType;
use crate::cursor::{Cursor, padding};
use crate::header::{MAGIC_COOKIE, TransactionId};

/// What is wrong with an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeFault {
    /// Too short, too long, or not the one length that the type has.
    Length,
    /// The length is fine, the content is not: an unknown address family, a number out of range, no UTF-8.
    Value,
}

/// An attribute is there but malformed; a server answers 400 (for an address family, 440 or 443).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttributeError {
    /// Which attribute.
    pub typ: AttributeType,
    /// What is wrong with it.
    pub fault: AttributeFault,
}

impl AttributeError {
    /// A stable label for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.fault {
            AttributeFault::Length => "attribute_length",
            AttributeFault::Value => "attribute_value",
        }
    }
}

impl core::fmt::Display for AttributeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.fault {
            AttributeFault::Length => write!(f, "{} has a wrong length", self.typ),
            AttributeFault::Value => write!(f, "{} has a wrong value", self.typ),
        }
    }
}

impl core::error::Error for AttributeError {}

pub(crate) type Read<T> = Result<T, AttributeFault>;

/// Address family of an address attribute (RFC 8489 §14.1, RFC 8656 §18.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressFamily {
    /// IPv4, on the wire 1.
    V4,
    /// IPv6, on the wire 2.
    V6,
}

impl AddressFamily {
    /// The family of an address; an IPv4-mapped IPv6 address is IPv6 here.
    #[inline]
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }

    /// From the number on the wire.
    #[inline]
    #[must_use]
    pub const fn from_u8(family: u8) -> Option<Self> {
        match family {
            1 => Some(Self::V4),
            2 => Some(Self::V6),
            _ => None,
        }
    }
}

/// ERROR-CODE (RFC 8489 §14.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode<'a> {
    /// 300 to 699.
    pub code: u16,
    /// For humans; may be empty.
    pub reason: &'a str,
}

/// ADDRESS-ERROR-CODE (RFC 8656 §18.12): why the additional family got no relayed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressErrorCode<'a> {
    /// The family that failed.
    pub family: AddressFamily,
    /// 300 to 699.
    pub code: u16,
    /// For humans; may be empty.
    pub reason: &'a str,
}

/// ICMP (RFC 8656 §18.13): an ICMP error that a packet to a peer met.
///
/// The RFC draws seven bits for the type and nine for the code; every ICMP error type of both families is below 128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Icmp {
    /// ICMP type, 0 to 127; of ICMPv4 or ICMPv6, as the peer's address says.
    pub typ: u8,
    /// ICMP code.
    pub code: u8,
    /// Next-hop MTU of "packet too big" and "fragmentation needed", else 0.
    pub data: u32,
}

/// CHANGE-REQUEST (RFC 5780 §7.2): from where the server is asked to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChangeRequest {
    /// From its other address.
    pub ip: bool,
    /// From its other port.
    pub port: bool,
}

/// One entry of PASSWORD-ALGORITHMS, or PASSWORD-ALGORITHM (RFC 8489 §14.11, §14.12, §18.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordAlgorithm<'a> {
    /// Number in the registry.
    pub id: u16,
    /// Its parameters, without padding; empty for those registered so far.
    pub params: &'a [u8],
}

impl PasswordAlgorithm<'static> {
    /// `MD5(username ":" realm ":" password)`.
    pub const MD5: Self = Self { id: 0x0001, params: &[] };
    /// `SHA-256(username ":" realm ":" password)`.
    pub const SHA256: Self = Self { id: 0x0002, params: &[] };
}

/// PASSWORD-ALGORITHMS (RFC 8489 §14.11): an iterator over its entries, in the server's order of preference.
///
/// Only handed out once every entry has been checked to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordAlgorithms<'a>(&'a [u8]);

impl<'a> PasswordAlgorithms<'a> {
    /// The entries not yet iterated, as they came: what a server compares with its own list against bid-down attacks.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for PasswordAlgorithms<'a> {
    type Item = PasswordAlgorithm<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = split_algorithm(self.0)?;
        self.0 = rest;
        Some(first)
    }
}

/// Padding may lack behind the last entry: the attribute's own padding stands in for it.
fn split_algorithm(bytes: &[u8]) -> Option<(PasswordAlgorithm<'_>, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    let id = cursor.u16()?;
    let len = usize::from(cursor.u16()?);
    let params = cursor.take(len)?;
    let rest = cursor.rest();
    Some((PasswordAlgorithm { id, params }, rest.get(padding(len)..).unwrap_or_default()))
}

/// UNKNOWN-ATTRIBUTES (RFC 8489 §14.13): an iterator over the types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownAttributes<'a>(&'a [u8]);

impl Iterator for UnknownAttributes<'_> {
    type Item = AttributeType;

    fn next(&mut self) -> Option<AttributeType> {
        let ([high, low], rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(AttributeType(u16::from_be_bytes([*high, *low])))
    }
}

/// Longest USERNAME taken: RFC 5389 §15.3 allowed 512 bytes, RFC 8489 §14.3 allows 508.
pub(crate) const MAX_USERNAME: usize = 512;
/// Longest REALM, NONCE, SOFTWARE and reason phrase: 127 characters of up to six bytes (RFC 8489 §14.8 to §14.14).
pub(crate) const MAX_TEXT: usize = 763;

#[inline]
pub(crate) fn array<const N: usize>(value: &[u8]) -> Read<[u8; N]> {
    value.try_into().map_err(|_| AttributeFault::Length)
}

pub(crate) fn u32(value: &[u8]) -> Read<u32> {
    array(value).map(u32::from_be_bytes)
}

/// A number in the first byte of four, the others reserved.
pub(crate) fn first_of_four(value: &[u8]) -> Read<u8> {
    let [first, ..] = array::<4>(value)?;
    Ok(first)
}

pub(crate) fn family(value: &[u8]) -> Read<AddressFamily> {
    AddressFamily::from_u8(first_of_four(value)?).ok_or(AttributeFault::Value)
}

pub(crate) fn text(value: &[u8], max: usize) -> Read<&str> {
    if value.len() > max {
        return Err(AttributeFault::Length);
    }
    core::str::from_utf8(value).map_err(|_| AttributeFault::Value)
}

pub(crate) fn username(value: &[u8]) -> Read<&str> {
    text(value, MAX_USERNAME)
}

pub(crate) fn phrase(value: &[u8]) -> Read<&str> {
    text(value, MAX_TEXT)
}

pub(crate) fn bytes(value: &[u8]) -> Read<&[u8]> {
    Ok(value)
}

/// The R bit (RFC 8656 §18.7).
pub(crate) fn even_port(value: &[u8]) -> Read<bool> {
    let [flags] = array::<1>(value)?;
    Ok(flags & 0x80 != 0)
}

pub(crate) fn change_request(value: &[u8]) -> Read<ChangeRequest> {
    let flags = u32(value)?;
    Ok(ChangeRequest { ip: flags & 4 != 0, port: flags & 2 != 0 })
}

/// Two bytes; RFC 5780 §7.5 is read both ways, so the two of padding may be inside the length.
pub(crate) fn response_port(value: &[u8]) -> Read<u16> {
    match *value {
        [high, low] | [high, low, _, _] => Ok(u16::from_be_bytes([high, low])),
        _ => Err(AttributeFault::Length),
    }
}

/// Class and number, then the reason phrase: the tail that ERROR-CODE and ADDRESS-ERROR-CODE share.
fn code_and_reason(mut cursor: Cursor<'_>) -> Read<(u16, &str)> {
    let (Some(class), Some(number)) = (cursor.u8(), cursor.u8()) else {
        return Err(AttributeFault::Length);
    };
    let class = u16::from(class & 7);
    if !(3..=6).contains(&class) || number > 99 {
        return Err(AttributeFault::Value);
    }
    Ok((class * 100 + u16::from(number), phrase(cursor.rest())?))
}

pub(crate) fn error_code(value: &[u8]) -> Read<ErrorCode<'_>> {
    let mut cursor = Cursor::new(value);
    cursor.take(2).ok_or(AttributeFault::Length)?;
    code_and_reason(cursor).map(|(code, reason)| ErrorCode { code, reason })
}

pub(crate) fn address_error_code(value: &[u8]) -> Read<AddressErrorCode<'_>> {
    let mut cursor = Cursor::new(value);
    let [family, _] = cursor.take_array().ok_or(AttributeFault::Length)?;
    let (code, reason) = code_and_reason(cursor)?;
    let family = AddressFamily::from_u8(family).ok_or(AttributeFault::Value)?;
    Ok(AddressErrorCode { family, code, reason })
}

pub(crate) fn icmp(value: &[u8]) -> Read<Icmp> {
    let [_, _, t, c, d0, d1, d2, d3] = array(value)?;
    let code = u8::try_from(u16::from_be_bytes([t, c]) & 0x01FF).map_err(|_| AttributeFault::Value)?;
    Ok(Icmp { typ: t >> 1, code, data: u32::from_be_bytes([d0, d1, d2, d3]) })
}

pub(crate) fn unknown_attributes(value: &[u8]) -> Read<UnknownAttributes<'_>> {
    if value.len() & 1 == 0 { Ok(UnknownAttributes(value)) } else { Err(AttributeFault::Length) }
}

pub(crate) fn password_algorithm(value: &[u8]) -> Read<PasswordAlgorithm<'_>> {
    match split_algorithm(value) {
        Some((algorithm, [])) => Ok(algorithm),
        _ => Err(AttributeFault::Length),
    }
}

pub(crate) fn password_algorithms(value: &[u8]) -> Read<PasswordAlgorithms<'_>> {
    let mut rest = value;
    while !rest.is_empty() {
        rest = split_algorithm(rest).ok_or(AttributeFault::Length)?.1;
    }
    Ok(PasswordAlgorithms(value))
}

/// MAPPED-ADDRESS and those like it (RFC 8489 §14.1).
pub(crate) fn address(value: &[u8]) -> Read<SocketAddr> {
    let (&[_, family, p0, p1], ip) = value.split_first_chunk::<4>().ok_or(AttributeFault::Length)?;
    let port = u16::from_be_bytes([p0, p1]);
    let ip = match family {
        1 => IpAddr::V4(Ipv4Addr::from_octets(array(ip)?)),
        2 => IpAddr::V6(Ipv6Addr::from_octets(array(ip)?)),
        _ => return Err(AttributeFault::Value),
    };
    Ok(SocketAddr::new(ip, port))
}

/// XOR-MAPPED-ADDRESS and those like it (RFC 8489 §14.2).
#[inline]
pub(crate) fn xor_address(value: &[u8], transaction: TransactionId) -> Read<SocketAddr> {
    Ok(xor(address(value)?, transaction))
}

/// Its own inverse: hides an address from middleboxes that rewrite what looks like theirs (RFC 8489 §14.2).
#[inline]
pub(crate) fn xor(address: SocketAddr, transaction: TransactionId) -> SocketAddr {
    let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() ^ MAGIC_COOKIE)),
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h, i, j, k, l] = transaction.0;
            let mask = u128::from_be_bytes([0, 0, 0, 0, a, b, c, d, e, f, g, h, i, j, k, l]);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() ^ mask ^ (MAGIC_COOKIE as u128) << 96))
        }
    };
    SocketAddr::new(ip, port)
}
