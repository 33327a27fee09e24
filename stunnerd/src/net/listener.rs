//! A UDP listener: one socket per worker, opened and closed as a whole.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use stunner_sys::{self as sys, BufferSizes, Family};

/// What is asked of the kernel for each listener socket: a second of 30 Mbit/s, so that a worker may pause.
pub const LISTENER_BUFFER_BYTES: usize = 4 << 20;
/// Datagrams thrown away at most per socket when a group is opened; a buffer of 4 MiB holds fewer.
const DISCARD_MAX: usize = 16_384;

/// Why a listener could not be opened.
#[derive(Debug)]
pub enum ListenError {
    /// Another socket has the address and port, whatever options it set.
    InUse(SocketAddr),
    /// Anything else.
    Io(SocketAddr, io::Error),
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(address) => write!(f, "UDP {address}: address in use"),
            Self::Io(address, error) => write!(f, "UDP {address}: {error}"),
        }
    }
}

impl std::error::Error for ListenError {}

/// What a listener was bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The address that was asked for.
    Exact,
    /// The wildcard, because that was asked for.
    Wildcard,
    /// The wildcard, because the host does not have the address that was asked for (1:1 NAT). Worth a line in the log.
    NotLocal,
}

/// The sockets of a listener, one for each worker.
#[derive(Debug)]
pub struct ListenerGroup {
    /// One per worker, to be handed to each.
    pub sockets: Vec<ListenerSocket>,
    /// What they are bound to, with the real port where port 0 was asked for.
    pub local: SocketAddr,
    /// How that came about.
    pub binding: Binding,
    /// The buffer sizes that each got, as the kernel counts them: twice of what is granted.
    pub buffers: BufferSizes,
}

impl ListenerGroup {
    /// Opens `workers` sockets for `address`. Port 0 lets the kernel choose. `[::]` takes IPv4 as well.
    ///
    /// # Errors
    /// [`ListenError::InUse`] if any other socket has the address, even one of the same user with `SO_REUSEPORT`, to which the kernel
    /// would otherwise silently give a share of the clients.
    pub fn open(address: SocketAddr, workers: usize) -> Result<Self, ListenError> {
        let fail = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse(address),
            _ => ListenError::Io(address, error),
        };
        let (first, binding) = open_first(address).map_err(fail)?;
        let local = first.local_addr().map_err(fail)?.as_socket().unwrap_or(address);
        let mut sockets = vec![first];
        if workers > 1 {
            // The first was bound without the option, which fails if anyone else is there; to set it now is what lets ours in.
            sys::set_reuse_port(sockets[0].as_fd()).map_err(fail)?;
        }
        for _ in 1..workers {
            let socket = unbound(local, address).map_err(fail)?;
            sys::set_reuse_port(socket.as_fd()).map_err(fail)?;
            socket.bind(&local.into()).map_err(fail)?;
            sockets.push(socket);
        }
        let mut buffers = None;
        for socket in &sockets {
            buffers = Some(configure(socket, local).map_err(fail)?);
            if workers > 1 {
                discard_queued(socket);
            }
        }
        let any = local.ip().is_unspecified();
        let sockets = sockets.into_iter().map(|socket| ListenerSocket { socket, local, any }).collect();
        Ok(Self { sockets, local, binding, buffers: buffers.unwrap_or(BufferSizes { receive: 0, send: 0 }) })
    }
}

fn open_first(address: SocketAddr) -> io::Result<(Socket, Binding)> {
    let socket = unbound(address, address)?;
    match socket.bind(&address.into()) {
        Ok(()) if address.ip().is_unspecified() => Ok((socket, Binding::Wildcard)),
        Ok(()) => Ok((socket, Binding::Exact)),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::ADDRNOTAVAIL) => {
            let any = match address {
                SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())),
                SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port())),
            };
            socket.bind(&any.into())?;
            Ok((socket, Binding::NotLocal))
        }
        Err(error) => Err(error),
    }
}

/// A socket for `local`. It is dual-stack only if the wildcard itself was `asked` for.
fn unbound(local: SocketAddr, asked: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    if local.is_ipv6() {
        socket.set_only_v6(!asked.ip().is_unspecified())?;
    }
    Ok(socket)
}

fn configure(socket: &Socket, local: SocketAddr) -> io::Result<BufferSizes> {
    let (fd, family) = (socket.as_fd(), Family::of(&local));
    socket.set_nonblocking(true)?;
    if local.ip().is_unspecified() {
        sys::set_receive_destination(fd, family)?;
    }
    sys::set_receive_traffic_class(fd, family)?;
    sys::set_dont_fragment(fd, Family::V4, false)?;
    if family == Family::V6 {
        sys::set_dont_fragment(fd, family, false)?;
    }
    // Before Linux 5.0 there is none; then every datagram comes alone.
    let _ = sys::set_gro(fd);
    sys::set_buffers(fd, LISTENER_BUFFER_BYTES)
}

/// Throws away what arrived while the group was not whole: its senders' later datagrams will reach another socket.
fn discard_queued(socket: &Socket) {
    let mut byte = [MaybeUninit::uninit()];
    for _ in 0..DISCARD_MAX {
        if socket.recv(&mut byte).is_err() {
            return;
        }
    }
}

/// One worker's socket of a listener.
#[derive(Debug)]
pub struct ListenerSocket {
    socket: Socket,
    local: SocketAddr,
    any: bool,
}

impl ListenerSocket {
    /// The address it is bound to, which may be the wildcard.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// It is bound to the wildcard: each datagram tells which address it was sent to, and each answer must say which it comes from.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.any
    }

    /// Whether it takes IPv4 or (perhaps also) IPv6 addresses.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(&self.local)
    }
}

impl AsFd for ListenerSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
