//! The limit: a forwarder with a socket per allocation and no TURN logic.
//!
//! It moves the same bytes as a TURN server that relays ChannelData (four header bytes come off or go in front) with the
//! system calls that such a server cannot do without: one `recvmmsg` per batch of clients' datagrams and a send for each; one
//! receive for each relayed socket that is ready and a send for each datagram. It decides nothing: a table says which socket
//! belongs to which client, and one peer belongs to each socket.
//!
//! Set-up, instead of TURN: a client sends `\0RAW`, its channel number, the peer's IPv4 address and port, and gets `\0RAW`, two
//! zero bytes and the relayed address and port. The same request again gets the same answer.

use crate::batch::{BATCH, DATAGRAM, Receiver};
use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, SockaddrIn, recv, sendto, setsockopt, sockopt};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd as _, RawFd};
use std::process::ExitCode;

/// Socket buffers that every server is measured with, where it lets itself be told.
pub(crate) const SOCKET_BUFFER: usize = 4 << 20;
const LISTENER: u64 = u64::MAX;
const MAGIC: [u8; 4] = *b"\0RAW";
/// Bytes of a set-up request and of its answer.
pub(crate) const SETUP: usize = 12;

/// The set-up request for `channel` and `peer`.
pub(crate) fn setup_request(channel: u16, peer: SocketAddrV4) -> [u8; SETUP] {
    let mut message = [0; SETUP];
    message[..4].copy_from_slice(&MAGIC);
    message[4..6].copy_from_slice(&channel.to_be_bytes());
    message[6..10].copy_from_slice(&peer.ip().octets());
    message[10..].copy_from_slice(&peer.port().to_be_bytes());
    message
}

/// Channel and address in a set-up request or answer.
pub(crate) fn parse_setup(message: &[u8]) -> Option<(u16, SocketAddrV4)> {
    let message = <[u8; SETUP]>::try_from(message).ok().filter(|message| message[..4] == MAGIC)?;
    let [_, _, _, _, c1, c2, a, b, c, d, p1, p2] = message;
    Some((u16::from_be_bytes([c1, c2]), SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p1, p2]))))
}

/// Relays for clients of `listen` until it is killed.
pub(crate) fn run(listen: SocketAddrV4) -> Result<ExitCode> {
    let listener = UdpSocket::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    enlarge_buffers(&listener);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut receiver = Receiver::new(listener, false);
    let mut relays = Relays {
        address: *listen.ip(),
        listener: receiver.as_raw_fd(),
        epoll,
        all: Vec::new(),
        by_client: HashMap::default(),
    };
    let mut events = [EpollEvent::empty(); 256];
    let mut buffer = [0; DATAGRAM];
    loop {
        let ready = match relays.epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        for event in &events[..ready] {
            if event.data() == LISTENER {
                while receiver.receive(|datagram| relays.relay_to_peer(datagram.source, datagram.bytes))? == BATCH {}
            } else {
                relays.relay_to_client(event.data(), &mut buffer);
            }
        }
    }
}

/// Socket buffers of [`SOCKET_BUFFER`] bytes, or as near to it as the system allows.
pub(crate) fn enlarge_buffers(socket: &UdpSocket) {
    // The first needs a capability, the second obeys net.core.rmem_max; neither is worth failing for.
    let _ = setsockopt(socket, sockopt::RcvBuf, &SOCKET_BUFFER);
    let _ = setsockopt(socket, sockopt::RcvBufForce, &SOCKET_BUFFER);
    let _ = setsockopt(socket, sockopt::SndBuf, &SOCKET_BUFFER);
    let _ = setsockopt(socket, sockopt::SndBufForce, &SOCKET_BUFFER);
}

struct Relay {
    socket: UdpSocket,
    relayed: SocketAddrV4,
    channel: [u8; 2],
    client: SockaddrIn,
    peer: SockaddrIn,
}

struct Relays {
    address: Ipv4Addr,
    listener: RawFd,
    epoll: Epoll,
    all: Vec<Relay>,
    /// Keyed by address and port in one integer; only the bench's own clients choose them, so that a fast hash will do.
    by_client: HashMap<u64, usize, foldhash::fast::FixedState>,
}

impl Relays {
    fn relay_to_peer(&mut self, client: SockaddrIn, datagram: &[u8]) {
        let known = self.by_client.get(&key(client)).copied();
        match (known, datagram) {
            (_, [0, ..]) => {
                // A request that is not understood or fails gets no answer, and the load generator gives up with a message.
                if let Ok(index) = known.map_or_else(|| self.open(client, datagram), Ok) {
                    send(self.listener, &setup_request(0, self.all[index].relayed), &client);
                }
            }
            (Some(known), [_, _, high, low, rest @ ..]) => {
                let relay = &self.all[known];
                if let Some(payload) = rest.get(..usize::from(u16::from_be_bytes([*high, *low]))) {
                    send(relay.socket.as_raw_fd(), payload, &relay.peer);
                }
            }
            _ => {}
        }
    }

    /// One `recv` for each readiness, level-triggered: what else waits keeps the socket ready. Edge-triggered with `recvmmsg` costs
    /// 0.3 us more per packet when each socket has one, as measured here.
    fn relay_to_client(&self, index: u64, buffer: &mut [u8; DATAGRAM]) {
        let Some(relay) = usize::try_from(index).ok().and_then(|index| self.all.get(index)) else {
            return;
        };
        let Ok(size) = recv(relay.socket.as_raw_fd(), &mut buffer[4..], MsgFlags::MSG_DONTWAIT) else {
            return;
        };
        buffer[..2].copy_from_slice(&relay.channel);
        buffer[2..4].copy_from_slice(&u16::try_from(size).expect("smaller than the buffer").to_be_bytes());
        send(self.listener, &buffer[..4 + size], &relay.client);
    }

    fn open(&mut self, client: SockaddrIn, request: &[u8]) -> Result<usize> {
        let (channel, peer) = parse_setup(request).context("not a set-up request")?;
        let socket = UdpSocket::bind((self.address, 0))?;
        enlarge_buffers(&socket);
        let index = self.all.len();
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        let relayed = SocketAddrV4::new(self.address, socket.local_addr()?.port());
        self.by_client.insert(key(client), index);
        self.all.push(Relay { socket, relayed, channel: channel.to_be_bytes(), client, peer: peer.into() });
        Ok(index)
    }
}

fn key(address: SockaddrIn) -> u64 {
    u64::from(u32::from(address.ip())) << 16 | u64::from(address.port())
}

/// A full socket buffer drops the datagram, as for any server of media.
fn send(socket: RawFd, bytes: &[u8], to: &SockaddrIn) {
    let _ = sendto(socket, bytes, to, MsgFlags::MSG_DONTWAIT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_message_says_channel_and_address() {
        let peer = "10.133.2.1:5000".parse().expect("an address");
        assert_eq!(parse_setup(&setup_request(0x4123, peer)), Some((0x4123, peer)));
        assert_eq!(parse_setup(&setup_request(0x4123, peer)[..11]), None);
        assert_eq!(parse_setup(&[0; SETUP]), None);
    }
}
