//! The one pass over a message's attributes: which of them count, and where the last three stand.

use core::fmt;

use crate::attribute::{Attribute, AttributeType};
use crate::cursor::padding;

/// Where in the body things stand, found in the one pass over the attributes. Offsets fit, since the length field has
/// 16 bits too.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    /// Behind the last attribute that is read; from there on only the three below count.
    pub(crate) plain_end: u16,
    pub(crate) sha1: Option<u16>,
    pub(crate) sha256: Option<u16>,
    pub(crate) fingerprint: Option<u16>,
    /// Bit `b` clear: no type with that [`bit`] is in the message. Most lookups are for what is not there.
    pub(crate) present: u64,
}

impl Layout {
    #[inline]
    pub(crate) fn scan(body: &[u8], length: u16) -> Option<Self> {
        let mut layout = Self { plain_end: length, sha1: None, sha256: None, fingerprint: None, present: 0 };
        let mut rest = body;
        while !rest.is_empty() {
            let (typ, _, next) = split_attribute(rest)?;
            layout.present |= bit(typ.0);
            if matches!(
                typ,
                AttributeType::MESSAGE_INTEGRITY | AttributeType::MESSAGE_INTEGRITY_SHA256 | AttributeType::FINGERPRINT
            ) {
                layout.note(typ, body.len().wrapping_sub(rest.len()) as u16, next.is_empty());
            }
            rest = next;
        }
        Some(layout)
    }

    fn note(&mut self, typ: AttributeType, at: u16, last: bool) {
        match typ {
            AttributeType::MESSAGE_INTEGRITY if self.sha1.is_none() && self.sha256.is_none() => self.sha1 = Some(at),
            AttributeType::MESSAGE_INTEGRITY_SHA256 if self.sha256.is_none() => self.sha256 = Some(at),
            AttributeType::FINGERPRINT if last => self.fingerprint = Some(at),
            _ => return,
        }
        self.plain_end = self.plain_end.min(at);
    }

    fn counts(&self, typ: AttributeType, at: u16) -> bool {
        match typ {
            AttributeType::MESSAGE_INTEGRITY => self.sha1 == Some(at),
            AttributeType::MESSAGE_INTEGRITY_SHA256 => self.sha256 == Some(at),
            AttributeType::FINGERPRINT => self.fingerprint == Some(at),
            _ => at < self.plain_end,
        }
    }
}

/// Folds a type into one of 64 bits such that the registered ones of TURN requests fall apart.
#[inline]
pub(crate) fn bit(typ: u16) -> u64 {
    1 << ((typ ^ (typ >> 10)) & 63)
}

/// Type, value and what follows the padding; `None` when the length field says more than there is.
#[inline]
pub(crate) fn split_attribute(bytes: &[u8]) -> Option<(AttributeType, &[u8], &[u8])> {
    let (&[t0, t1, l0, l1], rest) = bytes.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let (value, rest) = rest.split_at_checked(len)?;
    let rest = rest.get(padding(len)..)?;
    Some((AttributeType(u16::from_be_bytes([t0, t1])), value, rest))
}

/// Attributes one behind the other, whether they count or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Run<'a> {
    type Item = (AttributeType, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (typ, value, rest) = split_attribute(self.0)?;
        self.0 = rest;
        Some((typ, value))
    }
}

/// Iterator over the attributes of a message that count; see [`Message::attributes`](crate::Message::attributes).
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    total: usize,
    layout: Layout,
}

impl<'a> Attributes<'a> {
    #[inline]
    pub(crate) fn new(body: &'a [u8], layout: Layout) -> Self {
        Self { rest: body, total: body.len(), layout }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        loop {
            let at = self.total.wrapping_sub(self.rest.len()) as u16;
            let (typ, value, rest) = split_attribute(self.rest)?;
            self.rest = rest;
            if self.layout.counts(typ, at) {
                return Some(Attribute { typ, value });
            }
        }
    }
}

impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.map(|a| a.typ)).finish()
    }
}
