//! A received STUN message: framing checked once, then a `Copy` view whose accessors cannot fail or panic.

use core::fmt;

use crate::attribute::AttributeType;
use crate::crc::crc32;
use crate::header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId, split_type};
use crate::layout::{Attributes, Layout, Run, bit, split_attribute};
use crate::value::{AttributeError, AttributeFault};

/// XORed into the CRC-32, so that it differs from other protocols' (RFC 8489 §14.7).
pub(crate) const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// A view of one whole STUN message.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: &'a [u8; HEADER_LEN],
    body: &'a [u8],
    layout: Layout,
}

impl<'a> Message<'a> {
    /// Reads one message that fills `bytes` exactly, as a datagram or a [`frame`](crate::stream::frame) of a stream.
    ///
    /// # Errors
    /// When the header or the attributes' framing is wrong. Attribute values are read later, by their accessors.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if bytes.first().is_some_and(|first| first & 0xC0 != 0) {
            return Err(ParseError::NotStun);
        }
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::Truncated);
        };
        let &[_, _, l0, l1, c0, c1, c2, c3, ..] = header;
        if u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE {
            return Err(ParseError::NotStun);
        }
        let length = u16::from_be_bytes([l0, l1]);
        if length & 3 != 0 {
            return Err(ParseError::LengthNotMultipleOfFour);
        }
        match body.len().cmp(&usize::from(length)) {
            core::cmp::Ordering::Less => Err(ParseError::Truncated),
            core::cmp::Ordering::Greater => Err(ParseError::LengthMismatch),
            core::cmp::Ordering::Equal => {
                let layout = Layout::scan(body, length).ok_or(ParseError::AttributeOverrun)?;
                Ok(Self { bytes, header, body, layout })
            }
        }
    }

    /// Class of the message.
    #[inline]
    #[must_use]
    pub fn class(&self) -> Class {
        self.class_and_method().0
    }

    /// Method of the message.
    #[inline]
    #[must_use]
    pub fn method(&self) -> Method {
        self.class_and_method().1
    }

    #[inline]
    fn class_and_method(&self) -> (Class, Method) {
        let &[t0, t1, ..] = self.header;
        split_type(u16::from_be_bytes([t0, t1]))
    }

    /// What a response repeats.
    #[inline]
    #[must_use]
    pub fn transaction_id(&self) -> TransactionId {
        let &[_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, i, j, k, l] = self.header;
        TransactionId([a, b, c, d, e, f, g, h, i, j, k, l])
    }

    /// The whole message.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes that count, in order. Left out: all behind MESSAGE-INTEGRITY save MESSAGE-INTEGRITY-SHA256 and
    /// FINGERPRINT, all behind MESSAGE-INTEGRITY-SHA256 save FINGERPRINT (RFC 8489 §14.5, §14.6), and a FINGERPRINT
    /// that is not the last attribute (§14.7).
    #[inline]
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.body, self.layout)
    }

    /// Value of the first attribute of that type, among those that count.
    #[must_use]
    pub fn attribute(&self, typ: AttributeType) -> Option<&'a [u8]> {
        if self.layout.present & bit(typ.0) == 0 {
            return None;
        }
        let at = match typ {
            AttributeType::MESSAGE_INTEGRITY => self.layout.sha1,
            AttributeType::MESSAGE_INTEGRITY_SHA256 => self.layout.sha256,
            AttributeType::FINGERPRINT => self.layout.fingerprint,
            _ => return self.plain().find(|(found, _)| *found == typ).map(|(_, value)| value),
        };
        self.split_at(at?).map(|(_, value)| value)
    }

    /// Whether an attribute of that type is there, among those that count.
    #[must_use]
    pub fn has(&self, typ: AttributeType) -> bool {
        self.attribute(typ).is_some()
    }

    /// Comprehension-required types that this codec does not know, in order; a request that has any is answered with
    /// 420, an indication or response is discarded (RFC 8489 §6.3). A type that occurs twice is listed twice.
    pub fn unknown_required(&self) -> impl Iterator<Item = AttributeType> + use<'a> {
        // Those behind `plain`, that count, are all known.
        self.plain().map(|(typ, _)| typ).filter(|typ| typ.is_comprehension_required() && !typ.is_known())
    }

    /// What MESSAGE-INTEGRITY (HMAC-SHA1, RFC 8489 §14.5) is to be checked with.
    ///
    /// # Errors
    /// When its value is not 20 bytes.
    pub fn integrity(&self) -> Result<Option<IntegrityCheck<'a>>, AttributeError> {
        self.integrity_check(AttributeType::MESSAGE_INTEGRITY, self.layout.sha1, |len| len == 20)
    }

    /// What MESSAGE-INTEGRITY-SHA256 (HMAC-SHA256, RFC 8489 §14.6) is to be checked with; it may be truncated.
    ///
    /// # Errors
    /// When its value is not 16, 20, 24, 28 or 32 bytes.
    pub fn integrity_sha256(&self) -> Result<Option<IntegrityCheck<'a>>, AttributeError> {
        let fits = |len| (16..=32).contains(&len) && len & 3 == 0;
        self.integrity_check(AttributeType::MESSAGE_INTEGRITY_SHA256, self.layout.sha256, fits)
    }

    fn integrity_check(
        &self,
        typ: AttributeType,
        at: Option<u16>,
        fits: impl FnOnce(usize) -> bool,
    ) -> Result<Option<IntegrityCheck<'a>>, AttributeError> {
        let Some((at, (body, mac))) = at.and_then(|at| Some((at, self.split_at(at)?))) else {
            return Ok(None);
        };
        if !fits(mac.len()) {
            return Err(AttributeError { typ, fault: AttributeFault::Length });
        }
        // The sender hashed a header whose length ends with this attribute (RFC 8489 §14.5). The value has at most 32
        // bytes, and stands inside the body: the sum fits.
        let [l0, l1] = at.wrapping_add(4).wrapping_add(mac.len() as u16).to_be_bytes();
        let mut header = *self.header;
        let [_, _, h2, h3, ..] = &mut header;
        (*h2, *h3) = (l0, l1);
        Ok(Some(IntegrityCheck { header, body, mac }))
    }

    /// Whether the message carries a FINGERPRINT as its last attribute, and a right one (RFC 8489 §14.7).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let Some((body, value)) = self.layout.fingerprint.and_then(|at| self.split_at(at)) else {
            return Fingerprint::Absent;
        };
        let crc = crc32(&[self.header, body]) ^ FINGERPRINT_XOR;
        if value == crc.to_be_bytes() { Fingerprint::Valid } else { Fingerprint::Invalid }
    }

    #[inline]
    pub(crate) fn plain(&self) -> Run<'a> {
        Run(self.body.get(..usize::from(self.layout.plain_end)).unwrap_or(self.body))
    }

    /// The body in front of the attribute at that offset, and the attribute's value.
    fn split_at(&self, at: u16) -> Option<(&'a [u8], &'a [u8])> {
        let (before, from) = self.body.split_at_checked(usize::from(at))?;
        let (_, value, _) = split_attribute(from)?;
        Some((before, value))
    }
}

impl fmt::Debug for Message<'_> {
    /// Types only: values may be secrets, and are a stranger's bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Types<'a>(Attributes<'a>);
        impl fmt::Debug for Types<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.0.map(|a| a.typ)).finish()
            }
        }
        f.debug_struct("Message")
            .field("class", &self.class())
            .field("method", &self.method())
            .field("transaction_id", &self.transaction_id())
            .field("attributes", &Types(self.attributes()))
            .finish()
    }
}

/// What a caller with the key needs to check a message's integrity: the MAC over `header`, then `body`, must equal
/// `mac` (compare in constant time), or begin with it where MESSAGE-INTEGRITY-SHA256 is truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegrityCheck<'a> {
    /// The header with the length field as the sender hashed it.
    pub header: [u8; HEADER_LEN],
    /// The attributes in front of the integrity attribute.
    pub body: &'a [u8],
    /// The value received: 20 bytes, or 16 to 32 for SHA-256.
    pub mac: &'a [u8],
}

/// State of the FINGERPRINT of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fingerprint {
    /// None, or one that is not the last attribute and therefore does not count.
    Absent,
    /// The last attribute, and right.
    Valid,
    /// The last attribute, and wrong.
    Invalid,
}

/// Why some bytes are no STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParseError {
    /// Shorter than a header, or than the length field says.
    Truncated,
    /// The first two bits are not zero, or there is no magic cookie.
    NotStun,
    /// The length field is not a multiple of four.
    LengthNotMultipleOfFour,
    /// Longer than the length field says.
    LengthMismatch,
    /// An attribute's length points behind the message's end.
    AttributeOverrun,
}

impl ParseError {
    /// A stable label for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "stun_truncated",
            Self::NotStun => "not_stun",
            Self::LengthNotMultipleOfFour => "stun_length_not_multiple_of_four",
            Self::LengthMismatch => "stun_length_mismatch",
            Self::AttributeOverrun => "stun_attribute_overrun",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "shorter than its header or length field says",
            Self::NotStun => "not a STUN message",
            Self::LengthNotMultipleOfFour => "the length is not a multiple of four",
            Self::LengthMismatch => "longer than its length field says",
            Self::AttributeOverrun => "an attribute ends behind the message",
        })
    }
}

impl core::error::Error for ParseError {}
