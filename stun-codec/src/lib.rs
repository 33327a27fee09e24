//! STUN and TURN on the wire, and nothing else: no state, no keys, no hash functions, no clock, no sockets, no allocation.
//!
//! - [`Message`] is a `Copy` view of a received message. [`Message::parse`] checks the framing in one pass; accessors then
//!   cannot panic, and a malformed attribute is an [`AttributeError`] of the accessor that reads it.
//! - [`MessageWriter`] builds a message in the caller's buffer; padding is zero; what does not fit is reported once, at the end.
//! - MESSAGE-INTEGRITY is checked and written with a MAC that the caller injects; FINGERPRINT is done here.
//! - [`ChannelData`], [`channel_data_header`] and [`data_indication_header`] are what a relay needs for each packet: the
//!   header is written in front of the payload (or sent as an iovec of its own), and the payload never moves.
//! - [`stream::frame`] finds the end of a message in a TCP stream.
//!
//! Covered are the messages and attributes of RFC 8489 (STUN), 8656 (TURN), 6062 (TCP relaying), 8016 (mobility),
//! 5780 (NAT behaviour) and 7635 (third-party authorization). Unknown methods, attributes and algorithms survive.
//!
//! Rules that RFC 8489 §14 has for receivers are kept here, so that no caller can forget them: of several attributes of a type
//! the first one counts; behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT count; FINGERPRINT counts only
//! as the last one.
//!
//! ```
//! use stun_codec::{AttributeType, Class, Fingerprint, Message, MessageWriter, Method, TransactionId};
//!
//! # fn hmac_sha1(_: &[u8]) -> [u8; 20] { [7; 20] }
//! // A client asks.
//! let mut buf = [0; 256];
//! let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TransactionId([1; 12]));
//! writer.requested_transport(17).lifetime(600).username("alice").integrity(hmac_sha1).fingerprint();
//! let len = writer.finish()?;
//!
//! // The server reads.
//! let request = Message::parse(&buf[..len])?;
//! assert_eq!((request.class(), request.method()), (Class::Request, Method::Allocate));
//! assert_eq!(request.fingerprint(), Fingerprint::Valid);
//! assert_eq!(request.requested_transport()?, Some(17));
//! assert_eq!(request.username()?, Some("alice"));
//! assert_eq!(request.unknown_required().count(), 0);
//! let check = request.integrity()?.expect("signed");
//! assert_eq!(check.mac, hmac_sha1(&[&check.header, check.body].concat()));
//!
//! // And answers into a buffer of its own.
//! let mut out = [0; 256];
//! let mut writer = MessageWriter::new(&mut out, Class::Success, request.method(), request.transaction_id());
//! writer.xor_relayed_address("192.0.2.15:50000".parse()?).lifetime(600);
//! let len = writer.finish()?;
//! assert_eq!(Message::parse(&out[..len])?.attribute(AttributeType::LIFETIME), Some(&[0, 0, 2, 88][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A relayed packet, from a channel of one client to a peer and back:
//!
//! ```
//! use stun_codec::{ChannelData, PacketKind, channel_data_header, classify};
//!
//! let datagram = [0x40, 0x01, 0, 2, b'h', b'i'];
//! assert_eq!(classify(datagram[0]), PacketKind::ChannelData);
//! let ChannelData { number, data } = ChannelData::parse(&datagram)?;
//! assert_eq!(data, b"hi"); // a sub-slice: it goes to the peer as it stands
//! assert_eq!(channel_data_header(number, 2), [0x40, 0x01, 0, 2]);
//! # Ok::<(), stun_codec::ChannelDataError>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
// A packet must not be able to stop the process: nothing here may panic.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)
)]

mod accessors;
mod attribute;
mod channel;
mod crc;
mod cursor;
mod header;
mod indication;
mod layout;
mod message;
pub mod stream;
mod typed_writers;
mod value;
mod writer;

pub use accessors::XorAddresses;
pub use attribute::{Attribute, AttributeType};
pub use channel::{
    CHANNEL_DATA_HEADER_LEN, ChannelData, ChannelDataError, ChannelNumber, PacketKind, channel_data_header, classify,
    is_channel_data,
};
pub use cursor::padding;
pub use header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId};
pub use indication::{INDICATION_HEADER_LEN, data_indication_header, send_indication_header};
pub use layout::Attributes;
pub use message::{Fingerprint, IntegrityCheck, Message, ParseError};
pub use value::{
    AddressErrorCode, AddressFamily, AttributeError, AttributeFault, ChangeRequest, ErrorCode, Icmp, PasswordAlgorithm,
    PasswordAlgorithms, UnknownAttributes,
};
pub use writer::{BufferTooSmall, MessageWriter, Sha256Length};
