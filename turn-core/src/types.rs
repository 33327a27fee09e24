//! Names for the things the core talks about: clocks, clients, relays, listeners, routes.

use core::{fmt, ops::Add, time::Duration};
use std::net::{IpAddr, SocketAddr};

pub use turn_auth::UnixSeconds;

/// A point on the monotonic clock: nanoseconds since an epoch that the caller chose once per process.
///
/// Lifetimes are measured with it. It never comes from the wall clock; [`UnixSeconds`] is for that, and the two do not mix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The caller's epoch.
    pub const ZERO: Self = Self(0);
    /// A time that is never reached.
    pub const NEVER: Self = Self(u64::MAX);

    /// A time `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not later.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

/// Both clocks, read once per batch of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For lifetimes.
    pub mono: Instant,
    /// For credentials and nonces.
    pub unix: UnixSeconds,
}

/// A listener of this process: what the policy's answers depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);

/// One of the process's workers, each with a server of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

/// A route of the policy. It means the same route for as long as the process lives, whatever is reloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

macro_rules! generational_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            index: u32,
            generation: u32,
        }

        impl $name {
            /// An id from its parts; the inverse of [`Self::index`] and [`Self::generation`].
            pub const fn new(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }

            /// Position in a table. Positions are used again, with another generation.
            pub const fn index(self) -> usize {
                self.index as usize
            }

            /// Tells this use of the position from earlier and later ones.
            pub const fn generation(self) -> u32 {
                self.generation
            }

            /// Both parts in one word, as a poll token holds them.
            pub const fn to_bits(self) -> u64 {
                (self.generation as u64) << 32 | self.index as u64
            }

            /// The inverse of [`Self::to_bits`].
            pub const fn from_bits(bits: u64) -> Self {
                Self { index: bits as u32, generation: (bits >> 32) as u32 }
            }
        }
    };
}

generational_id! {
    /// A relayed transport address (or one that is reserved or being opened) of one server.
    RelayId
}
generational_id! {
    /// A stream that the caller holds: a client's TCP or TLS connection, a DTLS association, or a TCP connection to a peer.
    StreamId
}

/// The client's side of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientId {
    /// A client over UDP is its five-tuple.
    Udp(FiveTuple),
    /// A client over a stream (or DTLS) is its connection.
    Stream(StreamClient),
}

/// A UDP client: who sent the datagram, and where it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FiveTuple {
    /// The listener that received it.
    pub listener: ListenerId,
    /// The client's transport address as the server sees it (its server-reflexive address).
    pub client: SocketAddr,
    /// The server's transport address that the client sent to.
    pub local: SocketAddr,
}

/// A client behind a connection of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamClient {
    /// The listener that accepted it.
    pub listener: ListenerId,
    /// The connection.
    pub stream: StreamId,
    /// The client's transport address.
    pub client: SocketAddr,
    /// The server's transport address.
    pub local: SocketAddr,
}

impl ClientId {
    /// The client's transport address.
    pub const fn address(&self) -> SocketAddr {
        match self {
            Self::Udp(c) => c.client,
            Self::Stream(c) => c.client,
        }
    }

    /// The server's transport address the client uses.
    pub const fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(c) => c.local,
            Self::Stream(c) => c.local,
        }
    }

    /// The listener the client uses.
    pub const fn listener(&self) -> ListenerId {
        match self {
            Self::Udp(c) => c.listener,
            Self::Stream(c) => c.listener,
        }
    }

    /// Whether messages to this client need the framing of a stream (RFC 8656 §12.5: ChannelData padded to four bytes).
    pub const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

/// The five words that tell one client from another, ready for hashing.
pub(crate) type ClientKey = [u64; 5];

impl ClientId {
    #[inline]
    pub(crate) fn key(&self) -> ClientKey {
        match self {
            Self::Udp(c) => {
                let (a, b) = ip_words(c.client.ip());
                let (d, e) = ip_words(c.local.ip());
                let ports =
                    u64::from(c.client.port()) << 32 | u64::from(c.local.port()) << 16 | u64::from(c.listener.0);
                [a, b, ports, d, e]
            }
            // No UDP client has this third word: its client port would have to exceed 16 bits.
            Self::Stream(c) => [c.stream.to_bits(), 0, u64::MAX, 0, 0],
        }
    }
}

#[inline]
fn ip_words(ip: IpAddr) -> (u64, u64) {
    match ip {
        // The tag keeps 1.2.3.4 apart from the (never canonical) address ::1.2.3.4.
        IpAddr::V4(v4) => (u64::from(u32::from(v4)) | 1 << 40, 0),
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            ((bits >> 64) as u64, bits as u64)
        }
    }
}

/// An IPv4-mapped IPv6 address is its IPv4 address; anything else is itself. Dual-stack sockets deliver the former.
#[inline]
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            None => addr,
        },
        SocketAddr::V4(_) => addr,
    }
}
