//! What a client tells its caller.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use stun_codec::{AddressFamily, ChannelNumber};

/// A message to send to the server, as it is.
#[must_use = "a request that is not sent is lost"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'c> {
    /// One whole STUN message.
    pub bytes: &'c [u8],
}

/// What a received message was.
#[must_use = "it may carry a payload"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'d> {
    /// A reply that was taken in, or something that is not for this client. Events may have come up.
    Nothing,
    /// Payload of a peer.
    Data {
        /// Who sent it.
        peer: SocketAddr,
        /// A slice of the received message.
        payload: &'d [u8],
        /// The channel it came on; none for a Data indication.
        channel: Option<ChannelNumber>,
    },
    /// An ICMP error that the server met when it relayed to `peer` (RFC 8656 §11.5).
    Icmp {
        /// To whom the failed datagram was sent.
        peer: SocketAddr,
        /// ICMP or ICMPv6 type.
        typ: u8,
        /// ICMP or ICMPv6 code.
        code: u8,
        /// Error data; the next hop's MTU where the error says so.
        data: u32,
    },
}

/// The relayed transport addresses of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Relayed {
    /// The IPv4 one.
    pub v4: Option<SocketAddr>,
    /// The IPv6 one.
    pub v6: Option<SocketAddr>,
}

impl Relayed {
    /// All of them, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> {
        self.v4.into_iter().chain(self.v6)
    }

    /// The one that can send to `peer`.
    #[must_use]
    pub fn facing(&self, peer: IpAddr) -> Option<SocketAddr> {
        match peer {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        }
    }
}

/// An allocation as the server granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// Where peers reach the client.
    pub relayed: Relayed,
    /// XOR-MAPPED-ADDRESS: the client as the server sees it.
    pub mapped: SocketAddr,
    /// Time to expiry; the client refreshes before that.
    pub lifetime: Duration,
    /// Names the port that was held back by [`EvenPortAndReserveNext`](super::RelayRequest::EvenPortAndReserveNext).
    pub reservation: Option<[u8; 8]>,
    /// ADDRESS-ERROR-CODE: the family of a dual allocation that the server could not give, and why.
    pub refused: Option<(AddressFamily, u16)>,
}

/// Something happened that the caller may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The allocation stands.
    Allocated(Allocated),
    /// A refresh that the caller asked for was granted with this lifetime.
    Refreshed(Duration),
    /// Datagrams from and to this host pass; the client keeps it so until told otherwise.
    PermissionGranted(IpAddr),
    /// Payload to and from `peer` goes in ChannelData from now on.
    ChannelBound {
        /// The number, chosen here.
        number: ChannelNumber,
        /// The peer it stands for.
        peer: SocketAddr,
    },
    /// One relayed transport address of a dual allocation was given back.
    FamilyReleased(AddressFamily),
    /// A request failed. What it was to keep alive (a permission, a channel) is gone as far as this client is concerned.
    Refused {
        /// Which request.
        what: Request,
        /// Why.
        failure: Failure,
    },
    /// 300: allocate at this server instead, over the same transport. The client is idle again and keeps the REALM and NONCE
    /// that came along: send to that server from now on and call [`allocate`](super::Client::allocate).
    Redirected(SocketAddr),
    /// The allocation expired or the server no longer knows it (437). The client is idle again.
    Lost,
    /// [`close`](super::Client::close) is through.
    Closed,
}

/// The request that an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Allocate.
    Allocate,
    /// Refresh.
    Refresh,
    /// Refresh with lifetime 0 for one family of a dual allocation.
    Release(AddressFamily),
    /// CreatePermission, told per peer also where one request named several.
    Permission(IpAddr),
    /// ChannelBind.
    Channel {
        /// The number that was asked for.
        number: ChannelNumber,
        /// The peer it was to stand for.
        peer: SocketAddr,
    },
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The server's ERROR-CODE.
    Code(u16),
    /// No answer to any transmission.
    Timeout,
    /// Answers came, none of them with a valid MESSAGE-INTEGRITY (RFC 8489 §9.2.5).
    IntegrityViolated,
    /// The nonce promises PASSWORD-ALGORITHMS and they are not there: somebody took them out (RFC 8489 §9.2.5).
    BidDown,
    /// None of the server's password algorithms is known here.
    NoCommonAlgorithm,
    /// The answer lacks what it must have, or has an attribute that must be understood and is not.
    Malformed,
    /// The request would be too long to write: user name, realm or nonce beyond all reason.
    TooLong,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the server answered {code}"),
            Self::Timeout => f.write_str("no answer"),
            Self::IntegrityViolated => f.write_str("answers without valid message integrity"),
            Self::BidDown => f.write_str("the server's password algorithms were removed on the way"),
            Self::NoCommonAlgorithm => f.write_str("no common password algorithm"),
            Self::Malformed => f.write_str("malformed answer"),
            Self::TooLong => f.write_str("request too long"),
        }
    }
}

/// Why a request was not even made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// It needs an allocation.
    NotAllocated,
    /// There is an allocation, or one is under way.
    NotIdle,
    /// [`MAX_OUTSTANDING`](super::MAX_OUTSTANDING) requests wait for their answers.
    TooManyOutstanding,
    /// All channel numbers are bound or cool down.
    NoChannelLeft,
    /// See [`Failure::TooLong`].
    TooLong,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllocated => "no allocation",
            Self::NotIdle => "there is an allocation already",
            Self::TooManyOutstanding => "too many requests outstanding",
            Self::NoChannelLeft => "no channel number left",
            Self::TooLong => "request too long",
        })
    }
}

impl core::error::Error for RequestError {}

/// Why a payload cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// No allocation.
    NotAllocated,
    /// No permission for the peer was asked for; the server would drop it.
    NoPermission,
    /// The payload does not fit a message.
    TooLong,
    /// The output buffer is too small.
    BufferTooSmall,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllocated => "no allocation",
            Self::NoPermission => "no permission for the peer",
            Self::TooLong => "payload too long",
            Self::BufferTooSmall => "buffer too small",
        })
    }
}

impl core::error::Error for SendError {}
