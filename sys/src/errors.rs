//! The error queue of a socket: ICMP errors that concern datagrams it sent.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::address::{RawAddress, take};
use crate::control::Control;

/// Who found the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorOrigin {
    /// This host: the datagram never left (it was longer than the path allows, with "don't fragment" set).
    Local,
    /// An ICMPv4 message.
    Icmp,
    /// An ICMPv6 message.
    Icmp6,
}

/// One entry of an error queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedError {
    /// Where the offending datagram was sent to. In a local error the port may be 0, for the kernel does not keep it.
    pub peer: SocketAddr,
    /// Who found the error.
    pub origin: ErrorOrigin,
    /// ICMP type; 0 for a local error.
    pub icmp_type: u8,
    /// ICMP code; 0 for a local error.
    pub icmp_code: u8,
    /// What comes with the error: the MTU in bytes for "too long", else 0.
    pub info: u32,
    /// The error number (`errno`) that the kernel made of it.
    pub errno: i32,
}

/// Takes one error from the queue of a socket that has [`set_receive_errors`](crate::set_receive_errors); `None` if there is none.
///
/// # Errors
/// What `recvmsg` returned.
pub fn receive_error(socket: BorrowedFd<'_>) -> io::Result<Option<QueuedError>> {
    let mut name = RawAddress::EMPTY;
    // Holds the error with the address of who reported it (16 + 28 bytes), and what else the socket asked for.
    let mut control = Control::<256>::EMPTY;
    loop {
        // SAFETY: `msghdr` is plain data (integers and pointers), for which all zeroes is a valid value.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_name = (&raw mut name).cast();
        header.msg_namelen = RawAddress::SIZE as libc::socklen_t;
        header.msg_control = control.as_mut_ptr();
        header.msg_controllen = 256;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: name and control describe live, mutably borrowed buffers of the stated sizes; there is no I/O vector.
        let result = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
        if result < 0 {
            match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                error if error.kind() == io::ErrorKind::Interrupted => continue,
                error => return Err(error),
            }
        }
        let Some(peer) = name.decode() else { continue };
        let found = control.iter(header.msg_controllen as usize).find_map(|message| {
            let kind = (message.level, message.kind);
            let is_error =
                kind == (libc::IPPROTO_IP, libc::IP_RECVERR) || kind == (libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
            if is_error { parse(peer, message.data) } else { None }
        });
        // An entry of another origin (a timestamp, say) is no error: look at the next.
        if found.is_some() {
            return Ok(found);
        }
    }
}

/// Reads a `struct sock_extended_err`.
fn parse(peer: SocketAddr, data: &[u8]) -> Option<QueuedError> {
    let [origin, icmp_type, icmp_code, _] = take(data, 4)?;
    let origin = match origin {
        libc::SO_EE_ORIGIN_LOCAL => ErrorOrigin::Local,
        libc::SO_EE_ORIGIN_ICMP => ErrorOrigin::Icmp,
        libc::SO_EE_ORIGIN_ICMP6 => ErrorOrigin::Icmp6,
        _ => return None,
    };
    Some(QueuedError {
        peer,
        origin,
        icmp_type,
        icmp_code,
        info: u32::from_ne_bytes(take(data, 8)?),
        errno: i32::from_ne_bytes(take(data, 0)?),
    })
}
