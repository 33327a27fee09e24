//! Socket options of UDP sockets that have no safe binding in `std`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::Family;

/// Sizes of a socket's buffers in bytes, as the kernel accounts them (it doubles what was asked for).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferSizes {
    /// `SO_RCVBUF`.
    pub receive: usize,
    /// `SO_SNDBUF`.
    pub send: usize,
}

/// Lets other sockets of the same user bind the same address, and the kernel spread datagrams over them by five-tuple. May be set on a bound socket.
pub fn set_reuse_port(fd: BorrowedFd<'_>) -> io::Result<()> {
    set(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)
}

/// An IPv6 socket takes IPv4 as well (`false`) or not (`true`).
pub fn set_only_v6(fd: BorrowedFd<'_>, only: bool) -> io::Result<()> {
    set(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, i32::from(only))
}

/// Received datagrams tell the address they were sent to (`IP_PKTINFO`, `IPV6_RECVPKTINFO`).
pub fn set_receive_destination(fd: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        Family::V6 => set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Received datagrams tell their DSCP and ECN. A dual-stack socket needs both options.
pub fn set_receive_traffic_class(fd: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    set(fd, libc::IPPROTO_IP, libc::IP_RECVTOS, 1)?;
    match family {
        Family::V4 => Ok(()),
        Family::V6 => set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1),
    }
}

/// ICMP errors are kept in the socket's error queue (see [`receive_error`](crate::receive_error)) and returned once by the next call.
pub fn set_receive_errors(fd: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => set(fd, libc::IPPROTO_IP, libc::IP_RECVERR, 1),
        Family::V6 => set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1),
    }
}

/// The kernel may deliver a train of equally long datagrams of one sender as one (`UDP_GRO`).
pub fn set_gro(fd: BorrowedFd<'_>) -> io::Result<()> {
    set(fd, libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// Sets or clears "don't fragment" on everything sent from now on. There is no ancillary data for it on IPv4.
pub fn set_dont_fragment(fd: BorrowedFd<'_>, family: Family, on: bool) -> io::Result<()> {
    match family {
        Family::V4 => {
            let mode = if on { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT };
            set(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, mode)
        }
        Family::V6 => {
            let mode = if on { libc::IPV6_PMTUDISC_DO } else { libc::IPV6_PMTUDISC_DONT };
            set(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, mode)
        }
    }
}

/// Asks for buffers of `bytes` each: past the sysctl limits where the process may (`SO_RCVBUFFORCE`), else up to them. Returns what was got.
pub fn set_buffers(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<BufferSizes> {
    let asked = i32::try_from(bytes).unwrap_or(i32::MAX);
    if set(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, asked).is_err() {
        set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, asked)?;
    }
    if set(fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, asked).is_err() {
        set(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, asked)?;
    }
    buffers(fd)
}

/// The sizes that a socket's buffers have.
pub fn buffers(fd: BorrowedFd<'_>) -> io::Result<BufferSizes> {
    let size = |name| get(fd, libc::SOL_SOCKET, name).map(|value| usize::try_from(value).unwrap_or(0));
    Ok(BufferSizes { receive: size(libc::SO_RCVBUF)?, send: size(libc::SO_SNDBUF)? })
}

fn set(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which outlives the call; the kernel only reads it.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn get(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let mut value = 0i32;
    let mut len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the pointers describe `value` and its length; the kernel writes at most `len` bytes to it.
    let result = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut len) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}
