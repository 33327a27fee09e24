//! ChannelData (RFC 8656 §12) and telling packets apart by their first byte.

use crate::cursor::padding;

/// Bytes in front of the payload of a ChannelData message (RFC 8656 §12.4).
pub const CHANNEL_DATA_HEADER_LEN: usize = 4;

/// A channel number that is in range: 0x4000 to 0x7FFF.
///
/// RFC 8656 §12 ends the range at 0x4FFF, RFC 5766 §11 at 0x7FFF, and deployed clients use the latter;
/// [`is_rfc8656`](Self::is_rfc8656) tells which of the two holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// The lowest one.
    pub const MIN: Self = Self(0x4000);
    /// The highest one that RFC 8656 §12 allows.
    pub const MAX_RFC8656: Self = Self(0x4FFF);
    /// The highest one that RFC 5766 §11 allows.
    pub const MAX: Self = Self(0x7FFF);

    /// `None` outside 0x4000 to 0x7FFF.
    #[inline]
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number & 0xC000 == 0x4000 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether RFC 8656 §12 allows it too: at most 0x4FFF.
    #[inline]
    #[must_use]
    pub const fn is_rfc8656(self) -> bool {
        self.0 <= Self::MAX_RFC8656.0
    }
}

/// A ChannelData message out of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// Which channel.
    pub number: ChannelNumber,
    /// The payload, a sub-slice of the datagram, without padding.
    pub data: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Reads a datagram. Over UDP padding is optional (RFC 8656 §12.5), so bytes behind the payload are ignored.
    ///
    /// # Errors
    /// When the first two bits are not `01`, or the datagram ends before what its length field says.
    #[inline]
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ChannelDataError> {
        let Some((&[n0, n1, l0, l1], rest)) = datagram.split_first_chunk::<CHANNEL_DATA_HEADER_LEN>() else {
            return Err(ChannelDataError::Truncated);
        };
        let Some(number) = ChannelNumber::new(u16::from_be_bytes([n0, n1])) else {
            return Err(ChannelDataError::NotChannelData);
        };
        match rest.get(..usize::from(u16::from_be_bytes([l0, l1]))) {
            Some(data) => Ok(Self { number, data }),
            None => Err(ChannelDataError::LengthOverrun),
        }
    }
}

/// Why a datagram is no ChannelData message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelDataError {
    /// Shorter than the four bytes of the header.
    Truncated,
    /// The first two bits are not `01`.
    NotChannelData,
    /// The length field says more than the datagram has.
    LengthOverrun,
}

impl ChannelDataError {
    /// A stable label for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "channel_data_truncated",
            Self::NotChannelData => "not_channel_data",
            Self::LengthOverrun => "channel_data_length_overrun",
        }
    }
}

impl core::fmt::Display for ChannelDataError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "shorter than a ChannelData header",
            Self::NotChannelData => "not a ChannelData message",
            Self::LengthOverrun => "the ChannelData length exceeds the datagram",
        })
    }
}

impl core::error::Error for ChannelDataError {}

/// What goes in front of `data_len` bytes of payload. Over a stream [`padding`]`(data_len)` zero bytes follow them.
#[inline]
#[must_use]
pub const fn channel_data_header(number: ChannelNumber, data_len: u16) -> [u8; CHANNEL_DATA_HEADER_LEN] {
    let ([n0, n1], [l0, l1]) = (number.0.to_be_bytes(), data_len.to_be_bytes());
    [n0, n1, l0, l1]
}

/// Bytes of a ChannelData message on a stream, where padding is mandatory (RFC 8656 §12.5).
#[inline]
pub(crate) const fn padded_frame_len(data_len: u16) -> usize {
    let len = data_len as usize;
    CHANNEL_DATA_HEADER_LEN + len + padding(len)
}

/// What a packet claims to be by its first two bits (RFC 8656 §12, RFC 7983).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// `00`: a STUN message.
    Stun,
    /// `01`: a ChannelData message.
    ChannelData,
    /// Neither.
    Unknown,
}

/// Looks at the first two bits only.
#[inline]
#[must_use]
pub const fn classify(first_byte: u8) -> PacketKind {
    match first_byte >> 6 {
        0 => PacketKind::Stun,
        1 => PacketKind::ChannelData,
        _ => PacketKind::Unknown,
    }
}

/// Whether the packet's first two bits say ChannelData.
#[inline]
#[must_use]
pub const fn is_channel_data(packet: &[u8]) -> bool {
    matches!(packet.first(), Some(first) if *first >> 6 == 1)
}
