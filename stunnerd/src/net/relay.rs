//! Relayed transport addresses: one UDP socket each, never with `SO_REUSEPORT`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rand_core::CryptoRng;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use stunner_sys::{self as sys, Family};

use super::ports::{PortLease, PortPool, PortWish};

/// Ports of the pool that somebody else's socket may hold before the search is given up.
const ATTEMPTS: usize = 64;

/// Why no relayed transport address could be opened. All but [`NoAddress`](Self::NoAddress) are a lack of capacity (508).
#[derive(Debug)]
pub enum RelayError {
    /// No fitting port is free in the range.
    NoPort,
    /// The process or the system is out of descriptors or memory.
    NoResources(io::Error),
    /// The host does not have the address.
    NoAddress(io::Error),
    /// Anything else.
    Other(io::Error),
}

impl std::fmt::Display for RelayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoPort => f.write_str("no free port in the relay range"),
            Self::NoResources(error) => write!(f, "out of resources: {error}"),
            Self::NoAddress(error) => write!(f, "not an address of this host: {error}"),
            Self::Other(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for RelayError {}

impl From<io::Error> for RelayError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::NoResources(error),
            Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT) => Self::NoAddress(error),
            _ => Self::Other(error),
        }
    }
}

/// A relayed transport address: the socket and its port. Dropping it closes the one and gives back the other.
#[derive(Debug)]
pub struct RelaySocket {
    // Fields drop in this order: the port is free only once the socket is closed.
    socket: Socket,
    local: SocketAddr,
    _lease: PortLease,
}

/// Relayed sockets that were opened together.
#[derive(Debug)]
pub struct OpenedRelay {
    /// The one asked for.
    pub relay: RelaySocket,
    /// With [`PortWish::EvenAndNext`] the one on the next port.
    pub next: Option<RelaySocket>,
}

impl RelaySocket {
    /// Opens a socket on `ip` and an unpredictable port of the pool. A port that a foreign socket holds is passed over.
    ///
    /// # Errors
    /// See [`RelayError`]; nothing stays taken then.
    pub fn open(
        pool: &Arc<PortPool>,
        ip: IpAddr,
        wish: PortWish,
        rng: &mut impl CryptoRng,
    ) -> Result<OpenedRelay, RelayError> {
        // Ports found foreign stay leased during the search, so that none is tried twice.
        let mut foreign = Vec::new();
        while foreign.len() < ATTEMPTS {
            let (lease, next) = pool.lease(ip, wish, rng).ok_or(RelayError::NoPort)?;
            let opened = bind(ip, lease.port()).and_then(|first| {
                let second = next.as_ref().map(|next| bind(ip, next.port())).transpose()?;
                Ok((first, second))
            });
            match opened {
                Ok((socket, second)) => {
                    let relay = Self::new(socket, ip, lease);
                    let next = second.zip(next).map(|(socket, lease)| Self::new(socket, ip, lease));
                    return Ok(OpenedRelay { relay, next });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => foreign.push((lease, next)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(RelayError::NoPort)
    }

    fn new(socket: Socket, ip: IpAddr, lease: PortLease) -> Self {
        Self { socket, local: SocketAddr::new(ip, lease.port()), _lease: lease }
    }

    /// The address it is bound to.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The family of its address: the only one it relays.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(&self.local)
    }

    /// Sets "don't fragment" for what is sent from now on, or clears it.
    pub(super) fn dont_fragment(&self, on: bool) -> io::Result<()> {
        sys::set_dont_fragment(self.as_fd(), self.family(), on)
    }
}

impl AsFd for RelaySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn bind(ip: IpAddr, port: u16) -> io::Result<Socket> {
    let address = SocketAddr::new(ip, port);
    let family = Family::of(&address);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if family == Family::V6 {
        socket.set_only_v6(true)?;
    }
    // First what can fail for good reasons, so that a port in use costs no more calls than it must.
    socket.bind(&address.into())?;
    sys::set_receive_errors(socket.as_fd(), family)?;
    sys::set_receive_traffic_class(socket.as_fd(), family)?;
    sys::set_dont_fragment(socket.as_fd(), family, false)?;
    // Before Linux 5.0 there is none; then every datagram comes alone.
    let _ = sys::set_gro(socket.as_fd());
    Ok(socket)
}
