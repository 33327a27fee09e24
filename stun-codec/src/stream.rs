//! Where a message ends in a TCP or TLS stream (RFC 8656 §12.5, RFC 8489 §6.2.2).
//!
//! [`frame`] looks at the bytes received so far and never keeps any. "Not enough yet" is [`Framing::NeedMore`]; an
//! error means that the stream cannot be trusted any more and must be closed, since nothing tells where the next
//! message starts.

use crate::channel::{PacketKind, classify, padded_frame_len};
use crate::cursor::Cursor;
use crate::header::{HEADER_LEN, MAGIC_COOKIE};

/// What the received bytes start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nothing whole yet: ask again when at least this many bytes are there, counted from the same start.
    NeedMore(usize),
    /// A STUN message of that many bytes, header included.
    Stun(usize),
    /// A ChannelData message.
    ChannelData {
        /// Bytes that [`ChannelData::parse`](crate::ChannelData::parse) should see: header and payload.
        len: usize,
        /// Bytes until the next message: `len` plus padding.
        padded: usize,
    },
}

/// Why the received bytes cannot be the start of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameError {
    /// The first two bits are neither `00` nor `01`.
    UnknownKind,
    /// Bytes 4 to 7 are not the magic cookie.
    NoMagicCookie,
    /// A STUN length that is not a multiple of four.
    LengthNotMultipleOfFour,
}

impl FrameError {
    /// A stable label for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownKind => "frame_unknown_kind",
            Self::NoMagicCookie => "frame_no_magic_cookie",
            Self::LengthNotMultipleOfFour => "frame_length_not_multiple_of_four",
        }
    }
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::UnknownKind => "neither STUN nor ChannelData",
            Self::NoMagicCookie => "no STUN magic cookie",
            Self::LengthNotMultipleOfFour => "the STUN length is not a multiple of four",
        })
    }
}

impl core::error::Error for FrameError {}

/// Finds the first message's end in `received`. Wrong bytes are an error as early as they can be told.
///
/// The largest frame is 65,556 bytes; a caller with a smaller buffer closes the stream when `NeedMore` exceeds it.
///
/// # Errors
/// When no more bytes could make it a message.
pub fn frame(received: &[u8]) -> Result<Framing, FrameError> {
    let Some(first) = received.first() else {
        return Ok(Framing::NeedMore(4));
    };
    let kind = classify(*first);
    if kind == PacketKind::Unknown {
        return Err(FrameError::UnknownKind);
    }
    let mut cursor = Cursor::new(received);
    let (Some(_), Some(length)) = (cursor.u16(), cursor.u16()) else {
        return Ok(Framing::NeedMore(4));
    };
    if kind == PacketKind::ChannelData {
        let padded = padded_frame_len(length);
        return Ok(if received.len() < padded {
            Framing::NeedMore(padded)
        } else {
            Framing::ChannelData { len: 4 + usize::from(length), padded }
        });
    }
    if length & 3 != 0 {
        return Err(FrameError::LengthNotMultipleOfFour);
    }
    if cursor.u32().is_some_and(|cookie| cookie != MAGIC_COOKIE) {
        return Err(FrameError::NoMagicCookie);
    }
    let total = HEADER_LEN + usize::from(length);
    // Until the cookie has been seen, the length is a stranger's word: ask for no more than a header.
    Ok(match received.len() {
        0..HEADER_LEN => Framing::NeedMore(HEADER_LEN),
        len if len < total => Framing::NeedMore(total),
        _ => Framing::Stun(total),
    })
}
