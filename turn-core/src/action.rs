//! What the core tells its caller to do.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use stun_codec::{AddressFamily, Method, ParseError};
use turn_auth::UserId;

use crate::{
    limits::Limit,
    mail::Mail,
    policy::AdmittedPeer,
    types::{ClientId, ListenerId, RelayId, StreamId, WorkerId},
};

/// What to do about a datagram or message from a client.
#[derive(Debug)]
#[must_use = "a reply or a relayed payload is lost unless the caller sends it"]
pub enum ClientAction<'d, 'b> {
    /// Nothing, for this reason.
    Drop(DropReason),
    /// Send these bytes back to the client.
    Reply(&'b [u8]),
    /// Nothing yet; the answer comes as [`Effect::Transmit`].
    Pending,
    /// Send the payload to the peer.
    ToPeer(ToPeer<'d>),
}

/// A payload on its way to a peer.
#[derive(Clone, Copy, Debug)]
pub struct ToPeer<'d> {
    /// The relayed socket it leaves through.
    pub relay: RelayId,
    /// Where it goes.
    pub peer: AdmittedPeer,
    /// Whether it must leave with the don't-fragment bit set (RFC 8656 §14).
    pub dont_fragment: bool,
    /// A part of the datagram that was handed in.
    pub payload: &'d [u8],
}

/// What to do about a datagram that arrived at a relayed transport address.
#[derive(Debug)]
#[must_use = "the payload is lost unless the caller sends it"]
pub enum PeerAction {
    /// Nothing, for this reason.
    Drop(DropReason),
    /// Send header, payload and padding to the client.
    ToClient(ToClient),
}

/// A payload on its way to a client.
#[derive(Clone, Copy, Debug)]
pub struct ToClient {
    /// Where it goes.
    pub client: ClientId,
    /// What precedes the payload.
    pub header: Header,
    /// How many zero bytes follow the payload, 0 to 3.
    pub pad: u8,
}

/// A header by value: 4 bytes for ChannelData, 36 or 48 for a Data indication.
#[derive(Clone, Copy)]
pub struct Header {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Header {
    /// The longest header: a Data indication with an IPv6 peer.
    pub const MAX: usize = 48;

    #[inline]
    pub(crate) fn channel(bytes: [u8; 4]) -> Self {
        let mut header = Self { bytes: [0; Self::MAX], len: 4 };
        header.bytes[..4].copy_from_slice(&bytes);
        header
    }

    #[inline]
    pub(crate) fn indication(fill: impl FnOnce(&mut [u8; Self::MAX]) -> Option<usize>) -> Option<Self> {
        let mut bytes = [0; Self::MAX];
        let len = fill(&mut bytes)?.min(Self::MAX) as u8;
        Some(Self { bytes, len })
    }

    /// The header's bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl core::fmt::Debug for Header {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Header").field(&self.as_slice()).finish()
    }
}

/// Why a packet was dropped. Hostile or late packets end here; [`DropReason::name`] is the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Neither STUN nor ChannelData by its first byte.
    NotStun,
    /// Not one well-formed STUN message.
    Malformed(ParseError),
    /// A ChannelData header that does not fit its datagram, or a number outside of 0x4000 to 0x7FFF.
    MalformedChannelData,
    /// FINGERPRINT is there and wrong.
    BadFingerprint,
    /// A response or an indication that no server takes.
    UnexpectedClass,
    /// A request of a method this server does not know.
    UnknownMethod,
    /// A Send indication without a well-formed XOR-PEER-ADDRESS and DATA, or with an unknown comprehension-required attribute.
    BadIndication,
    /// Data from a client that has no allocation.
    NoAllocation,
    /// ChannelData on a number that is not bound (any more).
    NoChannel,
    /// No permission for this peer (any more).
    NoPermission,
    /// The policy does not admit this peer (any more).
    PeerRefused,
    /// The peer's address is of a family that the allocation does not relay.
    WrongFamily,
    /// The relayed address is gone.
    NoRelay,
    /// A payload too long for the header that would carry it.
    TooLong,
    /// Unauthenticated answers to this source's prefix are used up for now.
    AnswerLimit,
    /// The source port is one that only reflected traffic comes from (0, 7, 19, 53, 123, 1900).
    ReflectionPort,
    /// A copy of a request that is still being worked on.
    Retransmission,
    /// The caller's reply buffer is too small; 1,500 bytes always suffice.
    ReplyBuffer,
}

impl DropReason {
    /// A stable name in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotStun => "not_stun",
            Self::Malformed(_) => "malformed",
            Self::MalformedChannelData => "malformed_channel_data",
            Self::BadFingerprint => "bad_fingerprint",
            Self::UnexpectedClass => "unexpected_class",
            Self::UnknownMethod => "unknown_method",
            Self::BadIndication => "bad_indication",
            Self::NoAllocation => "no_allocation",
            Self::NoChannel => "no_channel",
            Self::NoPermission => "no_permission",
            Self::PeerRefused => "peer_refused",
            Self::WrongFamily => "wrong_family",
            Self::NoRelay => "no_relay",
            Self::TooLong => "too_long",
            Self::AnswerLimit => "answer_limit",
            Self::ReflectionPort => "reflection_port",
            Self::Retransmission => "retransmission",
            Self::ReplyBuffer => "reply_buffer",
        }
    }
}

/// A rare thing for the caller to do, taken with [`crate::Server::poll_effect`].
#[derive(Debug)]
#[must_use = "an effect that is not carried out leaves the server waiting"]
#[non_exhaustive]
pub enum Effect {
    /// Open a UDP socket for this id and tell [`crate::Server::relay_opened`].
    OpenRelay(OpenRelay),
    /// Close the socket of this id. Its id is used again only with another generation.
    CloseRelay(RelayId),
    /// Send these bytes to the client: a late reply, or an indication that no peer's datagram caused.
    Transmit {
        /// Where to.
        client: ClientId,
        /// The whole message.
        bytes: Box<[u8]>,
    },
    /// Carry the mail to another worker's server, with the sockets of these ids, which are no longer this server's.
    Post {
        /// Which worker.
        to: WorkerId,
        /// What to hand to its [`crate::Server::handle_mail`].
        mail: Mail,
        /// Sockets to take out of this worker's table and send along.
        sockets: [Option<RelayId>; 2],
        /// A client's stream to send along, with its TLS state.
        stream: Option<StreamId>,
    },
    /// Listen for TCP connections on a relayed address (RFC 6062 §5.1) and tell [`crate::Server::relay_opened`].
    ListenTcp(OpenRelay),
    /// Connect from the relayed address to this peer and tell [`crate::Server::peer_connected`] (RFC 6062 §5.2).
    ConnectPeer {
        /// The relayed address to connect from.
        relay: RelayId,
        /// What names this attempt.
        connection: u32,
        /// Where to.
        peer: AdmittedPeer,
    },
    /// From here on copy bytes between these two streams (RFC 6062 §5.4). `client` is done with STUN.
    PairStreams {
        /// What to tell [`crate::Server::connection_ended`] once either side is over.
        connection: u32,
        /// The client's data connection.
        client: StreamId,
        /// The connection to the peer.
        peer: StreamId,
    },
    /// Close this stream.
    CloseStream(StreamId),
    /// A channel relays now: what a kernel fast path mirrors.
    BindingUp(Binding),
    /// A channel relays no longer.
    BindingDown(Binding),
    /// Something worth a log line.
    Report(Report),
}

/// A relayed transport address to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRelay {
    /// The id that the socket is known by.
    pub relay: RelayId,
    /// The client's listener.
    pub listener: ListenerId,
    /// The address that the client's request arrived on.
    pub local: IpAddr,
    /// The family to open.
    pub family: AddressFamily,
    /// Whether the port must be even (RFC 8656 §18.7).
    pub even: bool,
    /// Also open the next higher port, known by this id, as a reservation.
    pub pair: Option<RelayId>,
}

/// A relayed transport address that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The address to tell the client.
    pub addr: SocketAddr,
    /// Where a pair was asked for: its id and the address of the next higher port.
    pub pair: Option<(RelayId, SocketAddr)>,
}

/// Why a relayed transport address could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// No address of this family: 440.
    Family,
    /// No port or descriptor left: 508.
    Capacity,
}

/// A channel of an allocation, as a fast path in the kernel needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The client's side.
    pub client: ClientId,
    /// The channel number.
    pub channel: u16,
    /// The relayed socket.
    pub relay: RelayId,
    /// The peer's side.
    pub peer: SocketAddr,
}

/// Something worth a log line. Reports are made only for authenticated requests and for ends of allocations, never per packet.
#[derive(Debug)]
#[non_exhaustive]
pub enum Report {
    /// An allocation relays now.
    AllocationOpened {
        /// Whose it is.
        user: UserId,
        /// The client's side.
        client: ClientId,
        /// Its relayed addresses.
        relayed: [Option<SocketAddr>; 2],
    },
    /// An allocation is over.
    AllocationEnded {
        /// Whose it was.
        user: UserId,
        /// The client's side.
        client: ClientId,
        /// Its relayed addresses at the end.
        relayed: [Option<SocketAddr>; 2],
        /// How long it lived.
        duration: Duration,
        /// What it relayed.
        traffic: Traffic,
        /// Why it ended.
        reason: EndReason,
    },
    /// An authenticated client asked for a peer that no route admits.
    PeerRefused {
        /// Who asked.
        user: UserId,
        /// The client's side.
        client: ClientId,
        /// The peer; port 0 where a permission was asked for.
        peer: SocketAddr,
        /// The request.
        method: Method,
    },
    /// An allocation was refused by a limit.
    LimitReached {
        /// Who asked.
        user: UserId,
        /// The client's side.
        client: ClientId,
        /// Which limit.
        limit: Limit,
    },
    /// Permissions or channels of an allocation were revoked by a change of the policy.
    Revoked {
        /// Whose allocation.
        user: UserId,
        /// The client's side.
        client: ClientId,
        /// How many permissions and channels.
        entries: usize,
    },
}

/// What an allocation relayed, payload bytes only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams handed out toward peers.
    pub packets_to_peer: u64,
    /// Their bytes.
    pub bytes_to_peer: u64,
    /// Datagrams handed out toward the client.
    pub packets_to_client: u64,
    /// Their bytes.
    pub bytes_to_client: u64,
}

impl Traffic {
    #[inline]
    pub(crate) const fn count_to_client(&mut self, len: usize) {
        self.packets_to_client += 1;
        self.bytes_to_client += len as u64;
    }
}

/// Why an allocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The client refreshed it with a lifetime of zero.
    Deleted,
    /// Its lifetime ran out.
    Expired,
    /// Its stream was closed.
    StreamClosed,
    /// The server was told to end it.
    Ended,
    /// It lives on at another worker.
    HandedOver,
}

impl EndReason {
    /// A stable name in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::StreamClosed => "stream_closed",
            Self::Ended => "ended",
            Self::HandedOver => "handed_over",
        }
    }
}
