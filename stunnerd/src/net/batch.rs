//! One fill of the receive arena: from the sockets that are ready, through the handler, to the send queues.

use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use stunner_sys::{BATCH, Datagram, ErrorOrigin, Filling, ReceiveArena, Sends, Target, receive_error};

use super::datapath::{ClientSource, Dscp, FromClient, FromPeer, Handler, IcmpError, IoStats, ToClient, ToPeer};
use super::sockets::{Ready, RelayKey, Sockets};

/// The longest reply to a client, in bytes.
const REPLY: usize = 1_500;
/// Room for the replies of a batch: a full one of challenges needs less than 4 KiB.
pub(super) const REPLIES: usize = 16 * REPLY;
/// A listener is not read with fewer free buffers than this: better a fresh batch than a small one.
const LISTENER_ROOM: usize = BATCH / 2;
/// The same for a relayed socket, which mostly has one datagram; what it can deliver at once before the next socket has its turn is
/// what fits the batch.
const RELAY_ROOM: usize = BATCH / 4;
/// Entries of an error queue that are read before other sockets have their turn.
const ERROR_SHARE: usize = 16;

/// A batch in the making. Payloads are borrowed from the arena for `'d`, which ends only after they were sent.
pub(super) struct Batch<'b, 'd> {
    sockets: &'b mut Sockets,
    filling: Filling<'d>,
    replies: &'d mut [u8],
    to_clients: Sends<'b, 'd>,
    to_peers: Sends<'b, 'd>,
    dscp: Dscp,
    stats: &'b mut IoStats,
}

impl<'b, 'd> Batch<'b, 'd> {
    pub(super) fn new(
        sockets: &'b mut Sockets,
        arena: &'d mut ReceiveArena,
        replies: &'d mut [u8],
        (to_clients, to_peers): (Sends<'b, 'd>, Sends<'b, 'd>),
        dscp: Dscp,
        stats: &'b mut IoStats,
    ) -> Self {
        Self { sockets, filling: arena.fill(), replies, to_clients, to_peers, dscp, stats }
    }

    /// Serves each socket that is ready at most once, as long as there are free buffers, and sends what comes of it.
    pub(super) fn run(&mut self, handler: &mut impl Handler) {
        for _ in 0..self.sockets.ready_len() {
            let Some(ready) = self.sockets.next_ready() else { break };
            let wanted = match ready {
                Ready::Listener(_) => LISTENER_ROOM,
                Ready::Relay(_) => RELAY_ROOM,
            };
            if self.filling.room() < wanted {
                self.sockets.not_drained(ready, true);
                break;
            }
            let drained = match ready {
                Ready::Listener(id) => self.serve_listener(id, handler),
                Ready::Relay(index) => self.serve_relay(index, handler),
            };
            if drained {
                self.sockets.drained(ready);
            } else {
                self.sockets.not_drained(ready, false);
            }
        }
        self.flush_peers();
        self.flush_clients();
    }

    /// True: nothing is left to read.
    fn serve_listener(&mut self, id: u16, handler: &mut impl Handler) -> bool {
        let Some(socket) = self.sockets.listener(id) else {
            return true;
        };
        let (bound, any) = (socket.local(), socket.is_any());
        let room = self.filling.room();
        let Ok(received) = self.filling.receive(socket.as_fd(), room) else {
            self.stats.receive_errors += 1;
            return false;
        };
        // A short batch: the kernel had no more, and the next datagram will be reported anew.
        let drained = received.len() < room;
        for datagram in received {
            let Some(client) = self.valid_source(&datagram) else {
                continue;
            };
            let local = match datagram.destination {
                Some(ip) if any => SocketAddr::new(ip, bound.port()),
                _ => bound,
            };
            let source = ClientSource { listener: id, client, local };
            let traffic_class = self.dscp.outgoing(datagram.traffic_class);
            for segment in datagram.segments() {
                self.stats.from_clients += 1;
                self.client_datagram(&source, segment.into_payload(), traffic_class, handler);
            }
        }
        self.flush_peers();
        drained
    }

    fn client_datagram(
        &mut self,
        source: &ClientSource,
        datagram: &'d [u8],
        traffic_class: u8,
        handler: &mut impl Handler,
    ) {
        if self.replies.len() < REPLY {
            return self.client_datagram_late(source, datagram, traffic_class, handler);
        }
        match handler.on_client(source, datagram, &mut self.replies[..REPLY]) {
            FromClient::Done => {}
            FromClient::Reply(len) => {
                let (reply, rest) = mem::take(&mut self.replies).split_at_mut(len.min(REPLY));
                self.replies = rest;
                self.queue_to_client(source.listener, source.client, source.local, 0, (&[], reply, 0));
            }
            FromClient::ToPeer(send) => self.queue_to_peer(&send, traffic_class, handler),
        }
    }

    /// The room for this batch's replies is used up (trains of requests): a reply leaves at once.
    #[cold]
    fn client_datagram_late(
        &mut self,
        source: &ClientSource,
        datagram: &'d [u8],
        traffic_class: u8,
        handler: &mut impl Handler,
    ) {
        let mut reply = [0; REPLY];
        match handler.on_client(source, datagram, &mut reply) {
            FromClient::Done => {}
            FromClient::Reply(len) => {
                let reply = &reply[..len.min(REPLY)];
                self.sockets.send_to_client(source.listener, source.local, source.client, reply);
            }
            FromClient::ToPeer(send) => self.queue_to_peer(&send, traffic_class, handler),
        }
    }

    /// Each relayed socket is sent from when the next one's turn comes, or at the end.
    fn queue_to_peer(&mut self, send: &ToPeer<'d>, traffic_class: u8, handler: &mut impl Handler) {
        let Some(relay) = self.sockets.relay(send.relay) else {
            self.stats.no_socket += 1;
            return;
        };
        let target = Target {
            socket: send.relay.index,
            family: relay.socket.family(),
            destination: send.peer,
            source: None,
            traffic_class,
        };
        if send.dont_fragment {
            return self.send_whole(send, &target, handler);
        }
        if self.to_peers.last_socket().is_some_and(|last| last != target.socket) {
            self.flush_peers();
        }
        if self.to_peers.push(&target, &[], send.payload, 0).is_err() {
            self.flush_peers();
            let _ = self.to_peers.push(&target, &[], send.payload, 0);
        }
    }

    /// Sends with "don't fragment", which is an option of the socket: set it for this one datagram alone.
    #[cold]
    fn send_whole(&mut self, send: &ToPeer<'d>, target: &Target, handler: &mut impl Handler) {
        self.flush_peers();
        let set = |sockets: &Sockets, on| {
            sockets.relay(send.relay).is_some_and(|relay| relay.socket.dont_fragment(on).is_ok())
        };
        if !set(self.sockets, true) {
            self.stats.no_socket += 1;
            return;
        }
        let _ = self.to_peers.push(target, &[], send.payload, 0);
        self.flush_peers();
        set(self.sockets, false);
        // An error that the host found itself does not name the port, so that it must be read while it is known.
        self.read_errors(send.relay.index, send.relay, Some(send.peer), handler);
    }

    /// True: nothing is left to read.
    fn serve_relay(&mut self, index: u32, handler: &mut impl Handler) -> bool {
        let Some(relay) = self.sockets.relay_at(index) else {
            return true;
        };
        let key = relay.key;
        let errors_left = relay.errors && self.read_errors(index, key, None, handler);
        let Some(relay) = self.sockets.relay_at(index) else {
            return true;
        };
        let (fd, room) = (relay.socket.as_fd(), self.filling.room());
        // A pending ICMP error is returned by the first call in place of data.
        let received = self.filling.receive(fd, room).or_else(|_| {
            self.stats.receive_errors += 1;
            self.filling.receive(fd, room)
        });
        let Ok(received) = received else {
            self.stats.receive_errors += 1;
            return false;
        };
        let drained = received.len() < room && !errors_left;
        for datagram in received {
            let Some(peer) = self.valid_source(&datagram) else {
                continue;
            };
            let traffic_class = self.dscp.outgoing(datagram.traffic_class);
            for segment in datagram.segments() {
                self.stats.from_peers += 1;
                let FromPeer::ToClient(to) = handler.on_peer(key, peer, segment.payload()) else {
                    continue;
                };
                let ToClient { listener, client, local, ref header, pad } = to;
                let parts = match segment.prepend(header.as_slice()) {
                    Ok(whole) => (&[][..], whole, pad),
                    Err(payload) => (header.as_slice(), payload, pad),
                };
                self.queue_to_client(listener, client, local, traffic_class, parts);
            }
        }
        drained
    }

    /// Reads a relayed socket's error queue, after a datagram to `whole` with "don't fragment" or at leisure. True: there is more.
    #[cold]
    fn read_errors(
        &mut self,
        index: u32,
        key: RelayKey,
        mut whole: Option<SocketAddr>,
        handler: &mut impl Handler,
    ) -> bool {
        for _ in 0..ERROR_SHARE {
            let Some(relay) = self.sockets.relay_at_mut(index) else {
                return false;
            };
            let Ok(Some(error)) = receive_error(relay.socket.as_fd()) else {
                relay.errors = false;
                return false;
            };
            // The retry of a refused send leaves a second entry: one report is enough.
            let whole = whole.take_if(|_| error.origin == ErrorOrigin::Local);
            let (peer, icmp_type, icmp_code) = match (error.origin, whole) {
                (ErrorOrigin::Icmp | ErrorOrigin::Icmp6, _) => (error.peer, error.icmp_type, error.icmp_code),
                // "Fragmentation needed", and "packet too big".
                (ErrorOrigin::Local, Some(peer)) if peer.is_ipv4() => (peer, 3, 4),
                (ErrorOrigin::Local, Some(peer)) => (peer, 2, 0),
                (ErrorOrigin::Local, None) => continue,
            };
            handler.on_icmp(key, peer, IcmpError { icmp_type, icmp_code, data: error.info });
        }
        true
    }

    fn queue_to_client(
        &mut self,
        listener: u16,
        client: SocketAddr,
        local: SocketAddr,
        traffic_class: u8,
        (header, payload, pad): (&[u8], &'d [u8], u8),
    ) {
        let Some(socket) = self.sockets.listener(listener) else {
            self.stats.no_socket += 1;
            return;
        };
        let target = Target {
            socket: u32::from(listener),
            family: socket.family(),
            destination: client,
            source: socket.is_any().then(|| local.ip()),
            traffic_class,
        };
        if self.to_clients.push(&target, header, payload, pad).is_err() {
            self.flush_clients();
            let _ = self.to_clients.push(&target, header, payload, pad);
        }
    }

    fn valid_source(&mut self, datagram: &Datagram<'_>) -> Option<SocketAddr> {
        // Nothing can be sent to port 0, so that who claims it wants no answer.
        let source = datagram.source.filter(|source| source.port() != 0 && !datagram.truncated);
        if source.is_none() {
            self.stats.invalid += 1;
        }
        source
    }

    fn flush_peers(&mut self) {
        if !self.to_peers.is_empty() {
            let sockets = &*self.sockets;
            self.to_peers.flush(true, |index| sockets.relay_at(index).map(|relay| relay.socket.as_fd()));
        }
    }

    fn flush_clients(&mut self) {
        if !self.to_clients.is_empty() {
            let sockets = &*self.sockets;
            self.to_clients
                .flush(false, |id| u16::try_from(id).ok().and_then(|id| sockets.listener(id)).map(AsFd::as_fd));
        }
    }
}
