//! A peer: a UDP socket on the far side of the relay.

use super::{Check, Fault};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long a datagram that must come may take.
pub const PATIENCE: Duration = Duration::from_millis(2500);

/// How long one that must not come is waited for.
pub const SILENCE: Duration = Duration::from_millis(150);

/// A bound UDP socket that tests drive by hand.
#[derive(Debug)]
pub struct Peer {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Peer {
    /// Binds a port of its own at this address.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if this host has no such address.
    pub fn at(ip: IpAddr) -> Check<Self> {
        let socket =
            UdpSocket::bind((ip, 0)).map_err(|error| Fault::Unavailable(format!("no peer at {ip}: {error}")))?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send(&self, to: SocketAddr, payload: &[u8]) -> Check {
        self.socket.send_to(payload, to)?;
        Ok(())
    }

    /// The next datagram and where it came from, if one comes in time.
    ///
    /// # Errors
    /// What the socket says.
    pub fn receive(&self, wait: Duration) -> Check<Option<(Vec<u8>, SocketAddr)>> {
        receive(&self.socket, wait)
    }

    /// The next datagram, which must be this one.
    ///
    /// # Errors
    /// If it is another or none.
    pub fn expect(&self, payload: &[u8]) -> Check<SocketAddr> {
        let received = self.receive(PATIENCE)?;
        let (bytes, from) = received.ok_or_else(|| Fault::Silent("the peer, which got nothing".into()))?;
        crate::ensure!(
            bytes == payload,
            "the peer got {} bytes that are not the {} that were sent",
            bytes.len(),
            payload.len()
        );
        Ok(from)
    }

    /// Nothing must come.
    ///
    /// # Errors
    /// If something does.
    pub fn expect_nothing(&self) -> Check {
        let received = self.receive(SILENCE)?;
        crate::ensure!(received.is_none(), "the peer got a datagram that should not have been relayed");
        Ok(())
    }

    /// Sends back the next datagram, which must be this one.
    ///
    /// # Errors
    /// If it is another or none.
    pub fn echo(&self, payload: &[u8]) -> Check<SocketAddr> {
        let from = self.expect(payload)?;
        self.send(from, payload)?;
        Ok(from)
    }
}

/// Receives one datagram in time. An ICMP error that the kernel reports for an earlier send is passed over.
pub(super) fn receive(socket: &UdpSocket, wait: Duration) -> Check<Option<(Vec<u8>, SocketAddr)>> {
    let mut buffer = vec![0; 65_536];
    let until = std::time::Instant::now() + wait;
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                buffer.truncate(length);
                return Ok(Some((buffer, from)));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(None);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
