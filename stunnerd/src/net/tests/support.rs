//! A toy relay: `[index, bytes...]` from a client goes to the peer of relay `index`, what a peer sends goes to the client with a header.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::net::*;

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn rng() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(7)
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Containers often have no IPv6 at all; what needs it is left out there.
pub(super) fn has_ipv6() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

/// A plain socket whose reads give up after [`PATIENCE`].
pub(super) fn socket(bind: &str) -> UdpSocket {
    let socket = UdpSocket::bind(bind).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(super) fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (len, from) = socket.recv_from(&mut buffer).expect("a datagram within the time limit");
    buffer.truncate(len);
    (buffer, from)
}

#[derive(Default)]
pub(super) struct Toy {
    pub(super) peers: HashMap<u32, SocketAddr>,
    pub(super) client: Option<ClientSource>,
    pub(super) header: Vec<u8>,
    pub(super) pad: u8,
    pub(super) dont_fragment: bool,
    pub(super) seen: Vec<ClientSource>,
    pub(super) datagrams: Vec<Vec<u8>>,
    pub(super) icmp: Vec<(RelayKey, SocketAddr, IcmpError)>,
    pub(super) batches: (usize, usize),
}

pub(super) fn key(index: u32) -> RelayKey {
    RelayKey { index, generation: 1 }
}

impl Handler for Toy {
    fn batch_started(&mut self) {
        self.batches.0 += 1;
    }

    fn on_client<'d>(&mut self, from: &ClientSource, datagram: &'d [u8], reply: &mut [u8]) -> FromClient<'d> {
        self.seen.push(*from);
        self.datagrams.push(datagram.to_vec());
        match datagram {
            [b'?', rest @ ..] => {
                reply[..rest.len()].copy_from_slice(rest);
                FromClient::Reply(rest.len())
            }
            [index, payload @ ..] if self.peers.contains_key(&u32::from(*index)) => FromClient::ToPeer(ToPeer {
                relay: key(u32::from(*index)),
                peer: self.peers[&u32::from(*index)],
                dont_fragment: self.dont_fragment,
                payload,
            }),
            _ => FromClient::Done,
        }
    }

    fn on_peer(&mut self, _relay: RelayKey, _peer: SocketAddr, _payload: &[u8]) -> FromPeer {
        match self.client {
            None => FromPeer::Done,
            Some(ClientSource { listener, client, local }) => FromPeer::ToClient(ToClient {
                listener,
                client,
                local,
                header: Header::new(&self.header),
                pad: self.pad,
            }),
        }
    }

    fn on_icmp(&mut self, relay: RelayKey, peer: SocketAddr, error: IcmpError) {
        self.icmp.push((relay, peer, error));
    }

    fn batch_ended(&mut self, _sockets: &mut Sockets) {
        self.batches.1 += 1;
    }
}

pub(super) struct World {
    pub(super) datapath: Datapath,
    pub(super) toy: Toy,
    pub(super) listener: SocketAddr,
    pub(super) pool: Arc<PortPool>,
}

impl World {
    /// A datapath with one listener, number 3.
    pub(super) fn new(listener: &str) -> Self {
        let mut group = ListenerGroup::open(address(listener), 1).unwrap();
        let mut datapath = Datapath::new(Dscp::Copy).unwrap();
        datapath.sockets().add_listener(3, group.sockets.remove(0)).unwrap();
        Self { datapath, toy: Toy::default(), listener: group.local, pool: PortPool::new(20_000..=65_000) }
    }

    /// Opens relay `index` on `ip`, aimed at `peer`, and returns its address.
    pub(super) fn relay(&mut self, index: u32, ip: &str, peer: SocketAddr) -> SocketAddr {
        let ip: IpAddr = ip.parse().unwrap();
        let opened =
            RelaySocket::open(&self.pool, ip, PortWish::Any, &mut rand_chacha::ChaCha12Rng::seed_from_u64(seed()))
                .unwrap();
        self.datapath.sockets().add_relay(key(index), opened.relay).unwrap();
        self.toy.peers.insert(index, peer);
        self.datapath.sockets().relay_address(key(index)).unwrap()
    }

    /// Takes turns until `done`.
    pub(super) fn run_until(&mut self, what: &str, mut done: impl FnMut(&Toy, IoStats) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let poll_fd = self.datapath.poll_fd().unwrap();
        loop {
            let turn = self.datapath.turn(&mut self.toy).unwrap();
            if done(&self.toy, self.datapath.stats()) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}; {:?}", self.datapath.stats());
            if !turn.more {
                let second = Timespec { tv_sec: 1, tv_nsec: 0 };
                let _ = poll(&mut [PollFd::from_borrowed_fd(poll_fd.as_fd(), PollFlags::IN)], Some(&second));
            }
        }
    }
}

/// Tests run side by side; let each look for ports elsewhere.
fn seed() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) | u64::from(std::process::id()) << 32
}
