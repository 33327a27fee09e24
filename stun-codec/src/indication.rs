//! What precedes the payload in a Data or Send indication, so that the payload itself need not move.

use core::net::{IpAddr, SocketAddr};

use crate::attribute::AttributeType;
use crate::cursor::{Put, padding};
use crate::header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId, join_type};
use crate::value::xor;

/// Most bytes that precede the payload: header, XOR-PEER-ADDRESS of an IPv6 peer, head of DATA.
pub const INDICATION_HEADER_LEN: usize = 48;

/// Writes what precedes `data_len` bytes of payload in a Data indication (RFC 8656 §11.3), and returns its length: 36 for
/// an IPv4 peer, 48 for IPv6. [`padding`]`(data_len)` zero bytes follow the payload.
///
/// `None` when the payload is too long for the 16-bit length: more than 65,516 bytes, or 65,504 for IPv6.
#[inline]
#[must_use]
pub fn data_indication_header(
    transaction: TransactionId,
    peer: SocketAddr,
    data_len: u16,
    out: &mut [u8; INDICATION_HEADER_LEN],
) -> Option<usize> {
    indication_header(Method::Data, transaction, peer, data_len, out)
}

/// The same for a Send indication (RFC 8656 §11.1), without DONT-FRAGMENT.
#[inline]
#[must_use]
pub fn send_indication_header(
    transaction: TransactionId,
    peer: SocketAddr,
    data_len: u16,
    out: &mut [u8; INDICATION_HEADER_LEN],
) -> Option<usize> {
    indication_header(Method::Send, transaction, peer, data_len, out)
}

#[inline]
fn indication_header(
    method: Method,
    transaction: TransactionId,
    peer: SocketAddr,
    data_len: u16,
    out: &mut [u8; INDICATION_HEADER_LEN],
) -> Option<usize> {
    let address_len: u16 = if peer.is_ipv4() { 8 } else { 20 };
    let attributes = usize::from(address_len) + 8 + usize::from(data_len) + padding(usize::from(data_len));
    let length = u16::try_from(attributes).ok()?;
    let mut put = Put::new(out);
    put.array(join_type(Class::Indication, method).to_be_bytes())?;
    put.array(length.to_be_bytes())?;
    put.array(MAGIC_COOKIE.to_be_bytes())?;
    put.array(transaction.0)?;
    put.array(AttributeType::XOR_PEER_ADDRESS.0.to_be_bytes())?;
    put.array(address_len.to_be_bytes())?;
    let address = xor(peer, transaction);
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => {
            put.array([0, 1])?;
            put.array(port)?;
            put.array(ip.octets())?;
        }
        IpAddr::V6(ip) => {
            put.array([0, 2])?;
            put.array(port)?;
            put.array(ip.octets())?;
        }
    }
    put.array(AttributeType::DATA.0.to_be_bytes())?;
    put.array(data_len.to_be_bytes())?;
    Some(HEADER_LEN + 8 + usize::from(address_len))
}
