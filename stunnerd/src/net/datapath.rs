//! A worker's turn: receive batches, ask the handler about each datagram, send batches.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use stunner_sys::{ReceiveArena, SendQueue, SendStats};

use super::batch::{Batch, REPLIES};
use super::sockets::{RelayKey, Sockets};

/// Batches of up to 16 datagrams that one turn handles at most: some milliseconds, so that timers, mail and streams are not kept waiting.
const BATCHES_PER_TURN: usize = 64;
/// The longest header that goes in front of a payload: that of a Data indication with an IPv6 peer.
const HEADER: usize = 48;

/// What decides about datagrams: the worker's TURN server.
///
/// The calls of one turn come in this order: for every batch [`batch_started`](Self::batch_started), any number of `on_client`,
/// `on_peer` and `on_icmp`, then, with everything sent, [`batch_ended`](Self::batch_ended).
pub trait Handler {
    /// The time to read the clock: once for all datagrams of a batch.
    fn batch_started(&mut self);

    /// A datagram from a client. A reply is written to the front of `reply` (1,500 bytes), and its length returned.
    fn on_client<'d>(&mut self, from: &ClientSource, datagram: &'d [u8], reply: &mut [u8]) -> FromClient<'d>;

    /// A datagram that arrived at a relayed transport address.
    fn on_peer(&mut self, relay: RelayKey, peer: SocketAddr, payload: &[u8]) -> FromPeer;

    /// An ICMP error for something that was sent to `peer` through a relayed socket.
    fn on_icmp(&mut self, relay: RelayKey, peer: SocketAddr, error: IcmpError);

    /// The time to carry out rare effects: open and close sockets, send late replies.
    fn batch_ended(&mut self, sockets: &mut Sockets);
}

/// Where a client's datagram came from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientSource {
    /// The listener's number.
    pub listener: u16,
    /// The client's address. An IPv4 client of a dual-stack listener has its IPv4 address. The port is never 0.
    pub client: SocketAddr,
    /// The address that the client sent to, which it must be answered from; never unspecified.
    pub local: SocketAddr,
}

/// What to do about a client's datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum FromClient<'d> {
    /// Nothing (more).
    Done,
    /// Send the first so many bytes of the reply buffer back.
    Reply(usize),
    /// Send a part of the datagram to a peer.
    ToPeer(ToPeer<'d>),
}

/// A payload on its way to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToPeer<'d> {
    /// The relayed socket to send from.
    pub relay: RelayKey,
    /// Where to.
    pub peer: SocketAddr,
    /// Send it with "don't fragment" set (RFC 8656 §14). Costs two more system calls.
    pub dont_fragment: bool,
    /// A part of the datagram that was handed in.
    pub payload: &'d [u8],
}

/// What to do about a peer's datagram.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub enum FromPeer {
    /// Nothing (more): it is dropped, or the handler gave it to a stream itself.
    Done,
    /// Send header, payload and padding to a client.
    ToClient(ToClient),
}

/// Where a peer's payload goes, and what goes with it.
#[derive(Clone, Copy, Debug)]
pub struct ToClient {
    /// The listener's number.
    pub listener: u16,
    /// The client's address.
    pub client: SocketAddr,
    /// The address that the client knows the listener by ([`ClientSource::local`]).
    pub local: SocketAddr,
    /// What precedes the payload.
    pub header: Header,
    /// Zero bytes that follow the payload, 0 to 3.
    pub pad: u8,
}

/// At most 48 bytes, by value.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; HEADER],
    len: u8,
}

impl Header {
    /// Copies `bytes`; of more than 48 only the first 48.
    #[inline]
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let len = bytes.len().min(HEADER);
        let mut header = Self { bytes: [0; HEADER], len: len as u8 };
        header.bytes[..len].copy_from_slice(&bytes[..len]);
        header
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// What an ICMP message said. An error that this host found itself (a datagram longer than the path takes, with "don't fragment" set)
/// reads as the ICMP message that a router would have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// ICMP or, on an IPv6 relay, ICMPv6 type.
    pub icmp_type: u8,
    /// Code.
    pub icmp_code: u8,
    /// The MTU for "fragmentation needed" and "packet too big", else 0.
    pub data: u32,
}

/// The DSCP of relayed datagrams (RFC 8656 §14). ECN is always copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dscp {
    /// That of the received datagram.
    #[default]
    Copy,
    /// Always this one; only its lower six bits count.
    Fixed(u8),
}

impl Dscp {
    /// The traffic class octet for a datagram that was received with `octet`.
    #[inline]
    pub(super) fn outgoing(self, octet: u8) -> u8 {
        match self {
            Self::Copy => octet,
            Self::Fixed(dscp) => (dscp << 2) | (octet & 0b11),
        }
    }
}

/// What one worker's sockets did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Datagrams received from clients.
    pub from_clients: u64,
    /// Datagrams received at relayed transport addresses.
    pub from_peers: u64,
    /// Received but not handled: cut short, or from port 0.
    pub invalid: u64,
    /// Receive calls that failed; on relayed sockets ICMP errors are among them.
    pub receive_errors: u64,
    /// Could not be sent, for their socket was closed by then.
    pub no_socket: u64,
    /// What became of datagrams to clients.
    pub to_clients: SendStats,
    /// What became of datagrams to peers.
    pub to_peers: SendStats,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Turn {
    /// Datagrams received.
    pub datagrams: usize,
    /// There is or may be more to do: take another turn before waiting.
    pub more: bool,
}

/// One worker's UDP: its sockets and the buffers that all of them share.
pub struct Datapath {
    sockets: Sockets,
    arena: ReceiveArena,
    replies: Box<[u8]>,
    to_clients: SendQueue,
    to_peers: SendQueue,
    dscp: Dscp,
    stats: IoStats,
}

impl Datapath {
    /// Without sockets yet.
    ///
    /// # Errors
    /// The poll set could not be made: out of descriptors.
    pub fn new(dscp: Dscp) -> io::Result<Self> {
        Ok(Self {
            sockets: Sockets::new()?,
            arena: ReceiveArena::default(),
            replies: vec![0; REPLIES].into_boxed_slice(),
            to_clients: SendQueue::default(),
            to_peers: SendQueue::default(),
            dscp,
            stats: IoStats::default(),
        })
    }

    /// A descriptor that is readable whenever a socket is: for tokio's `AsyncFd`. Clear its readiness only after a turn without
    /// [`more`](Turn::more).
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn poll_fd(&self) -> io::Result<OwnedFd> {
        self.sockets.poll_fd()
    }

    /// The sockets, to open and close some outside of a turn.
    pub fn sockets(&mut self) -> &mut Sockets {
        &mut self.sockets
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> IoStats {
        let single = self.sockets.single_stats();
        let mut stats = self.stats;
        stats.to_clients = self.to_clients.stats();
        stats.to_clients += single;
        stats.to_peers = self.to_peers.stats();
        stats
    }

    /// Switches the use of `UDP_SEGMENT` on (the default) or off.
    pub fn set_segmentation(&mut self, on: bool) {
        self.to_clients.set_segmentation(on);
        self.to_peers.set_segmentation(on);
    }

    /// Handles what is there to receive, up to a bound, and never waits. Each socket gets its share before any gets a second one.
    ///
    /// # Errors
    /// The poll set failed, which only a bug can cause.
    pub fn turn(&mut self, handler: &mut impl Handler) -> io::Result<Turn> {
        let before = self.stats.from_clients + self.stats.from_peers;
        let mut more = self.sockets.poll()?;
        for _ in 0..BATCHES_PER_TURN {
            if self.sockets.ready_len() == 0 {
                break;
            }
            handler.batch_started();
            let mut batch = Batch::new(
                &mut self.sockets,
                &mut self.arena,
                &mut self.replies,
                (self.to_clients.start(), self.to_peers.start()),
                self.dscp,
                &mut self.stats,
            );
            batch.run(handler);
            handler.batch_ended(&mut self.sockets);
        }
        more |= self.sockets.ready_len() > 0;
        let datagrams = (self.stats.from_clients + self.stats.from_peers - before) as usize;
        Ok(Turn { datagrams, more })
    }
}
