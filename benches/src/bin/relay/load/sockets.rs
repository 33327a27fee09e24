//! The load generator's sockets.

use super::packet::CLIENT_PORT;
use crate::batch::{Receiver, Sender};
use crate::netns::{self, Namespaces, PEER};
use crate::raw_forwarder::enlarge_buffers;
use anyhow::{Context as _, Result};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

/// Peer of channels.
pub(crate) const CHANNEL_PEER: SocketAddrV4 = SocketAddrV4::new(PEER, 5000);
/// Peer of indications: same address, hence the same permission, and no channel.
pub(crate) const PLAIN_PEER: SocketAddrV4 = SocketAddrV4::new(PEER, 5001);

/// All clients are one receiving socket and one raw one that sends with any source address; all peers of a kind are one socket.
/// So both ends move packets in batches although these belong to a thousand five-tuples, and cost less than the server.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) from_clients: Sender,
    pub(crate) to_clients: Receiver,
    pub(crate) channel_peer: (Sender, Receiver),
    pub(crate) plain_peer: (Sender, Receiver),
}

impl Sockets {
    pub(crate) fn open(namespaces: &Namespaces) -> Result<Self> {
        let (raw, clients) = netns::inside(&namespaces.client(), || {
            // IPPROTO_RAW: the IPv4 header comes with each packet.
            let raw =
                Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).context("opening a raw socket")?;
            let clients = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT))?;
            setsockopt(&clients, sockopt::Ipv4PacketInfo, &true)?;
            Ok((UdpSocket::from(raw), clients))
        })?;
        let peers = netns::inside(&namespaces.peer(), || {
            Ok([CHANNEL_PEER, PLAIN_PEER].map(|address| UdpSocket::bind(address).context("opening a peer's socket")))
        })?;
        let [channel, plain] = peers;
        let (channel, plain) = (channel?, plain?);
        for socket in [&raw, &clients, &channel, &plain] {
            enlarge_buffers(socket);
        }
        Ok(Self {
            from_clients: Sender::new(raw),
            to_clients: Receiver::new(clients, true),
            channel_peer: (Sender::new(channel.try_clone()?), Receiver::new(channel, false)),
            plain_peer: (Sender::new(plain.try_clone()?), Receiver::new(plain, false)),
        })
    }
}
