//! Building a message in the caller's buffer.

use crate::attribute::AttributeType;
use crate::crc::crc32;
use crate::cursor::{Put, padding};
use crate::header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId, join_type};
use crate::message::FINGERPRINT_XOR;

/// Writes one STUN message into a buffer of the caller.
///
/// Each call appends an attribute, zero padded. The first that does not fit makes the writer refuse all later ones, and
/// [`finish`](Self::finish) reports it once. Integrity and fingerprint go last, in the order
/// MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT: a receiver ignores whatever else stands behind them.
#[derive(Debug)]
pub struct MessageWriter<'b> {
    buf: &'b mut [u8],
    /// Bytes written, header included.
    len: usize,
    pub(crate) overflow: bool,
    pub(crate) transaction: TransactionId,
}

/// Most that the 16-bit length field can say, header included.
const MAX_LEN: usize = HEADER_LEN + u16::MAX as usize;

/// The buffer, or the 16-bit length field, is too small for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BufferTooSmall;

impl core::fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the message does not fit its buffer")
    }
}

impl core::error::Error for BufferTooSmall {}

/// Bytes of a truncated MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sha256Length {
    /// 16 bytes, the least.
    L16 = 16,
    /// 20 bytes.
    L20 = 20,
    /// 24 bytes.
    L24 = 24,
    /// 28 bytes.
    L28 = 28,
    /// 32 bytes: not truncated.
    L32 = 32,
}

impl<'b> MessageWriter<'b> {
    /// Starts a message at the start of `buf`.
    #[must_use]
    pub fn new(buf: &'b mut [u8], class: Class, method: Method, transaction: TransactionId) -> Self {
        let mut writer = Self { buf, len: HEADER_LEN, overflow: false, transaction };
        let mut put = Put::new(writer.buf);
        let header = put
            .array(join_type(class, method).to_be_bytes())
            .and_then(|()| put.array([0, 0]))
            .and_then(|()| put.array(MAGIC_COOKIE.to_be_bytes()))
            .and_then(|()| put.array(transaction.0));
        writer.overflow = header.is_none();
        writer
    }

    /// Appends any attribute.
    pub fn attribute(&mut self, typ: AttributeType, value: &[u8]) -> &mut Self {
        self.append(typ, &[value])
    }

    /// Number of bytes so far, header included; what [`finish`](Self::finish) would return.
    ///
    /// # Errors
    /// When something did not fit.
    pub fn finish(mut self) -> Result<usize, BufferTooSmall> {
        self.set_length(0);
        if self.overflow { Err(BufferTooSmall) } else { Ok(self.len) }
    }

    /// Appends MESSAGE-INTEGRITY (RFC 8489 §14.5). `mac` gets all bytes so far, the length field already as it has to be
    /// hashed, and returns their HMAC-SHA1.
    pub fn integrity(&mut self, mac: impl FnOnce(&[u8]) -> [u8; 20]) -> &mut Self {
        match self.hashed(20).map(mac) {
            Some(mac) => self.attribute(AttributeType::MESSAGE_INTEGRITY, &mac),
            None => self,
        }
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6), not truncated; `mac` as for [`integrity`](Self::integrity), with
    /// HMAC-SHA256.
    pub fn integrity_sha256(&mut self, mac: impl FnOnce(&[u8]) -> [u8; 32]) -> &mut Self {
        self.integrity_sha256_truncated(Sha256Length::L32, mac)
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 with only the first `length` bytes of the HMAC.
    pub fn integrity_sha256_truncated(
        &mut self,
        length: Sha256Length,
        mac: impl FnOnce(&[u8]) -> [u8; 32],
    ) -> &mut Self {
        match self.hashed(length as usize).map(mac) {
            Some(mac) => {
                let value = mac.get(..length as usize).unwrap_or(&mac);
                self.attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, value)
            }
            None => self,
        }
    }

    /// Appends FINGERPRINT (RFC 8489 §14.7).
    pub fn fingerprint(&mut self) -> &mut Self {
        match self.hashed(4).map(|bytes| crc32(&[bytes]) ^ FINGERPRINT_XOR) {
            Some(crc) => self.attribute(AttributeType::FINGERPRINT, &crc.to_be_bytes()),
            None => self,
        }
    }

    /// All bytes so far, with a length field that counts another attribute of `value_len` bytes.
    fn hashed(&mut self, value_len: usize) -> Option<&[u8]> {
        self.set_length(4 + value_len);
        if self.overflow { None } else { self.buf.get(..self.len) }
    }

    fn set_length(&mut self, more: usize) {
        let length = u16::try_from(self.len.saturating_sub(HEADER_LEN).saturating_add(more));
        match (length, self.buf.split_first_chunk_mut::<4>()) {
            (Ok(length), Some(([_, _, l0, l1], _))) => [*l0, *l1] = length.to_be_bytes(),
            _ => self.overflow = true,
        }
    }

    /// Appends an attribute whose value is `parts`, one behind the other.
    #[inline]
    pub(crate) fn append(&mut self, typ: AttributeType, parts: &[&[u8]]) -> &mut Self {
        if !self.overflow {
            match self.try_append(typ, parts) {
                Some(len) => self.len = len,
                None => self.overflow = true,
            }
        }
        self
    }

    #[inline]
    fn try_append(&mut self, typ: AttributeType, parts: &[&[u8]]) -> Option<usize> {
        let len = parts.iter().try_fold(0usize, |len, part| len.checked_add(part.len()))?;
        let end = self.len.checked_add(4)?.checked_add(len)?.checked_add(padding(len))?;
        if end > MAX_LEN {
            return None;
        }
        let mut put = Put::new(self.buf.get_mut(self.len..end)?);
        put.array(typ.0.to_be_bytes())?;
        put.array(u16::try_from(len).ok()?.to_be_bytes())?;
        for part in parts {
            put.slice(part)?;
        }
        put.slice(zeros(padding(len)))?;
        Some(end)
    }

    /// Appends an empty attribute, for [`extend`](Self::extend).
    pub(crate) fn open(&mut self, typ: AttributeType) -> OpenValue {
        let start = self.len;
        self.append(typ, &[]);
        OpenValue { start, len: 0 }
    }

    /// Adds bytes to the value of the last attribute.
    pub(crate) fn extend(&mut self, value: &mut OpenValue, bytes: &[u8]) {
        if !self.overflow {
            match self.try_extend(value, bytes) {
                Some(end) => self.len = end,
                None => self.overflow = true,
            }
        }
    }

    fn try_extend(&mut self, value: &mut OpenValue, bytes: &[u8]) -> Option<usize> {
        let len = value.len.checked_add(bytes.len())?;
        let end = value.start.checked_add(4)?.checked_add(len)?.checked_add(padding(len))?;
        if end > MAX_LEN {
            return None;
        }
        let attribute = self.buf.get_mut(value.start..end)?;
        Put::new(attribute.get_mut(2..)?).array(u16::try_from(len).ok()?.to_be_bytes())?;
        let mut put = Put::new(attribute.get_mut(4..)?.get_mut(value.len..)?);
        put.slice(bytes)?;
        put.slice(zeros(padding(len)))?;
        value.len = len;
        Some(end)
    }
}

/// The last attribute while its value grows.
pub(crate) struct OpenValue {
    /// Where the attribute starts in the buffer.
    start: usize,
    /// Bytes of value so far.
    len: usize,
}

/// At most three zero bytes.
pub(crate) fn zeros(count: usize) -> &'static [u8] {
    [0u8; 3].as_slice().get(..count).unwrap_or_default()
}
