//! Datagrams in batches: `recvmmsg` and `sendmmsg` over buffers that are made once.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::in_pktinfo;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use std::fmt;
use std::io::{IoSlice, IoSliceMut};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

/// Datagrams per system call.
pub(crate) const BATCH: usize = 64;
/// Room per datagram: more than any MTU here.
pub(crate) const DATAGRAM: usize = 2048;

/// Receives from one socket.
pub(crate) struct Receiver {
    socket: OwnedFd,
    buffers: Box<[[u8; DATAGRAM]; BATCH]>,
    headers: MultiHeaders<SockaddrIn>,
}

/// A received datagram.
pub(crate) struct Received<'a> {
    pub(crate) source: SockaddrIn,
    /// Where it was sent to, if the socket has `IP_PKTINFO` on.
    pub(crate) destination: Option<Ipv4Addr>,
    pub(crate) bytes: &'a [u8],
}

impl Receiver {
    pub(crate) fn new(socket: impl Into<OwnedFd>, pktinfo: bool) -> Self {
        let control = pktinfo.then(|| cmsg_space!(in_pktinfo));
        Self {
            socket: socket.into(),
            buffers: Box::new([[0; DATAGRAM]; BATCH]),
            headers: MultiHeaders::preallocate(BATCH, control),
        }
    }

    /// Hands the datagrams that wait, at most [`BATCH`], to `f`; returns their number, 0 where nothing waits.
    pub(crate) fn receive(&mut self, mut f: impl FnMut(Received<'_>)) -> Result<usize, Errno> {
        let mut slices = self.buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = match recvmmsg(self.socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None) {
            Ok(messages) => messages,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut count = 0;
        for message in messages {
            count += 1;
            let destination = message.cmsgs().ok().and_then(|mut all| {
                all.find_map(|one| match one {
                    ControlMessageOwned::Ipv4PacketInfo(info) => Some(u32::from_be(info.ipi_addr.s_addr).into()),
                    _ => None,
                })
            });
            let (Some(source), Some(bytes)) = (message.address, message.iovs().next()) else {
                continue;
            };
            f(Received { source, destination, bytes });
        }
        Ok(count)
    }
}

impl AsRawFd for Receiver {
    fn as_raw_fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

/// Sends through one socket.
pub(crate) struct Sender {
    socket: OwnedFd,
    headers: MultiHeaders<SockaddrIn>,
}

/// A datagram to send, in two parts.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) destination: SockaddrIn,
    pub(crate) head: &'a [u8],
    pub(crate) tail: &'a [u8],
}

impl Sender {
    pub(crate) fn new(socket: impl Into<OwnedFd>) -> Self {
        Self { socket: socket.into(), headers: MultiHeaders::preallocate(BATCH, None) }
    }

    /// Sends `count` datagrams, at most [`BATCH`], of which `datagram` gives the `i`th; returns how many the kernel took.
    pub(crate) fn send<'a>(
        &mut self,
        count: usize,
        mut datagram: impl FnMut(usize) -> Outgoing<'a>,
    ) -> Result<usize, Errno> {
        let count = count.min(BATCH);
        let mut addresses = [None; BATCH];
        let slices: [[IoSlice<'_>; 2]; BATCH] = std::array::from_fn(|i| {
            if i >= count {
                return [IoSlice::new(&[]); 2];
            }
            let Outgoing { destination, head, tail } = datagram(i);
            addresses[i] = Some(destination);
            [IoSlice::new(head), IoSlice::new(tail)]
        });
        let addresses = &addresses[..count];
        let flags = MsgFlags::MSG_DONTWAIT;
        match sendmmsg(self.socket.as_raw_fd(), &mut self.headers, &slices, addresses, [], flags) {
            Ok(sent) => Ok(sent.count()),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("socket", &self.socket).finish_non_exhaustive()
    }
}
