//! The 20-byte STUN header (RFC 8489 §5): class, method, transaction id.

use core::fmt;

/// Bytes before the first attribute (RFC 8489 §5).
pub const HEADER_LEN: usize = 20;

/// The fixed value of header bytes 4 to 7 (RFC 8489 §5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// Class of a message (RFC 8489 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Gets no response.
    Indication,
    /// Success response.
    Success,
    /// Error response.
    Error,
}

/// Method of a message; total, so that unknown ones survive a round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 8489 §18.2.
    Binding,
    /// RFC 8656 §17.
    Allocate,
    /// RFC 8656 §17.
    Refresh,
    /// RFC 8656 §17; indications only.
    Send,
    /// RFC 8656 §17; indications only.
    Data,
    /// RFC 8656 §17.
    CreatePermission,
    /// RFC 8656 §17.
    ChannelBind,
    /// RFC 6062 §6.1.
    Connect,
    /// RFC 6062 §6.1.
    ConnectionBind,
    /// RFC 6062 §6.1; indications only.
    ConnectionAttempt,
    /// Any other; only the low 12 bits travel.
    Unknown(u16),
}

impl Method {
    /// From the 12-bit method number.
    #[inline]
    #[must_use]
    pub const fn from_u16(method: u16) -> Self {
        match method {
            0x001 => Self::Binding,
            0x003 => Self::Allocate,
            0x004 => Self::Refresh,
            0x006 => Self::Send,
            0x007 => Self::Data,
            0x008 => Self::CreatePermission,
            0x009 => Self::ChannelBind,
            0x00A => Self::Connect,
            0x00B => Self::ConnectionBind,
            0x00C => Self::ConnectionAttempt,
            other => Self::Unknown(other),
        }
    }

    /// The 12-bit method number.
    #[inline]
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        match self {
            Self::Binding => 0x001,
            Self::Allocate => 0x003,
            Self::Refresh => 0x004,
            Self::Send => 0x006,
            Self::Data => 0x007,
            Self::CreatePermission => 0x008,
            Self::ChannelBind => 0x009,
            Self::Connect => 0x00A,
            Self::ConnectionBind => 0x00B,
            Self::ConnectionAttempt => 0x00C,
            Self::Unknown(other) => other & 0x0FFF,
        }
    }
}

/// Message type field: the method's bits with the class's two between them (RFC 8489 §5, figure 3).
#[inline]
pub(crate) const fn join_type(class: Class, method: Method) -> u16 {
    let m = method.to_u16();
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    (m & 0x000F) | (m & 0x0070) << 1 | (m & 0x0F80) << 2 | class
}

/// The inverse of [`join_type`]; the two top bits are not looked at.
#[inline]
pub(crate) const fn split_type(typ: u16) -> (Class, Method) {
    let class = match (typ & 0x0100 != 0, typ & 0x0010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::Success,
        (true, true) => Class::Error,
    };
    let m = (typ & 0x000F) | (typ >> 1 & 0x0070) | (typ >> 2 & 0x0F80);
    (class, Method::from_u16(m))
}

/// 96 bits that tie a response to its request (RFC 8489 §5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 12]);

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<[u8; 12]> for TransactionId {
    fn from(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }
}
