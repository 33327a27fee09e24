//! Streams: clients over TCP, and TCP connections to peers (RFC 6062). They lose nothing and keep their order.

use std::net::SocketAddr;

use stun_codec::stream::{Framing, frame};
use stun_codec::{Class, Message, Method};
use turn_core::{ClientId, RelayId, StreamClient, StreamId};

use super::world::{Event, LISTENER, Node, World};

/// A connection between a host and the server.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) outer: Node,
    outer_addr: SocketAddr,
    /// The listener, or a relayed transport address.
    inner_addr: SocketAddr,
    worker: usize,
    id: StreamId,
    /// Received and not yet used, at either end.
    at_server: Vec<u8>,
    at_outer: Vec<u8>,
    pair: Option<Pair>,
    /// On its way to another worker.
    in_mail: bool,
    pub(super) is_open: bool,
    outer_is_gone: bool,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    other: usize,
    /// What the server calls it.
    id: u32,
}

impl World {
    /// A connection of this host to a worker's listener, or to a relayed address of its.
    pub(super) fn connect(&mut self, worker: usize, outer: Node, from: SocketAddr, to: SocketAddr) -> usize {
        let id = self.new_stream(worker);
        self.connections.push(Connection {
            outer,
            outer_addr: from,
            inner_addr: to,
            worker,
            id,
            at_server: Vec::new(),
            at_outer: Vec::new(),
            pair: None,
            in_mail: false,
            is_open: true,
            outer_is_gone: false,
        });
        self.connections.len() - 1
    }

    fn new_stream(&mut self, worker: usize) -> StreamId {
        let next = &mut self.workers[worker].next_stream;
        *next += 1;
        StreamId::new(*next, 0)
    }

    fn connection_of(&self, worker: usize, id: StreamId) -> Option<usize> {
        self.connections.iter().position(|one| one.worker == worker && one.id == id && one.is_open)
    }

    fn client_of(&self, connection: usize) -> ClientId {
        let Connection { id, outer_addr, inner_addr, .. } = &self.connections[connection];
        ClientId::Stream(StreamClient { listener: LISTENER, stream: *id, client: *outer_addr, local: *inner_addr })
    }

    pub(super) fn write_to_server(&mut self, connection: usize, bytes: &[u8]) {
        self.write(connection, true, bytes);
    }

    pub(super) fn write_stream(&mut self, worker: usize, id: StreamId, bytes: &[u8]) {
        if let Some(connection) = self.connection_of(worker, id) {
            self.write(connection, false, bytes);
        }
    }

    fn write(&mut self, connection: usize, to_server: bool, bytes: &[u8]) {
        let delay = match self.connections[connection].outer {
            Node::Peer(_) => self.peer_link.latency,
            Node::Client(_) | Node::Raw(_) => self.client_link.latency,
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let longest = rest.len().min(self.segment);
            let (piece, behind) = rest.split_at(1 + self.chance.below(longest));
            rest = behind;
            self.schedule(delay, Event::Segment { connection, to_server, bytes: piece.to_vec() });
        }
    }

    pub(super) fn segment_arrived(&mut self, connection: usize, to_server: bool, bytes: &[u8]) {
        // A close by the server comes behind what it wrote; what the host writes meanwhile is lost.
        let Connection { is_open, outer_is_gone, .. } = self.connections[connection];
        if to_server && is_open {
            self.connections[connection].at_server.extend_from_slice(bytes);
            self.read_at_server(connection);
        } else if !to_server && !outer_is_gone {
            self.connections[connection].at_outer.extend_from_slice(bytes);
            self.read_at_outer(connection);
        }
    }

    fn read_at_server(&mut self, connection: usize) {
        loop {
            let this = &mut self.connections[connection];
            if !this.is_open || this.in_mail {
                return;
            }
            if let Some(pair) = this.pair {
                let bytes = std::mem::take(&mut this.at_server);
                return self.write(pair.other, false, &bytes);
            }
            if matches!(this.outer, Node::Peer(_)) {
                return;
            }
            let (message, whole) = match frame(&this.at_server) {
                Ok(Framing::NeedMore(_)) => return,
                Ok(Framing::Stun(len)) => (len, len),
                Ok(Framing::ChannelData { len, padded }) => (len, padded),
                Err(_) => return self.hang_up_connection(connection),
            };
            let mut bytes: Vec<u8> = this.at_server.drain(..whole).collect();
            bytes.truncate(message);
            let worker = this.worker;
            let client = self.client_of(connection);
            self.client_sent(worker, &client, &bytes);
        }
    }

    fn read_at_outer(&mut self, connection: usize) {
        loop {
            let this = &mut self.connections[connection];
            let (outer, received) = (this.outer, &mut this.at_outer);
            match outer {
                Node::Peer(peer) => {
                    let bytes = std::mem::take(received);
                    return self.peers[peer].stream_bytes.extend(bytes);
                }
                Node::Raw(raw) if self.raws[raw].is_paired => {
                    let bytes = std::mem::take(received);
                    if !bytes.is_empty() {
                        self.raws[raw].inbox.push(bytes);
                    }
                    return;
                }
                Node::Client(_) | Node::Raw(_) => {}
            }
            let (message, whole) = match frame(received).expect("servers write frames") {
                Framing::NeedMore(_) => return,
                Framing::Stun(len) => (len, len),
                Framing::ChannelData { len, padded } => (len, padded),
            };
            let mut bytes: Vec<u8> = received.drain(..whole).collect();
            bytes.truncate(message);
            match outer {
                Node::Client(client) => self.client_got(client, &bytes),
                Node::Raw(raw) => {
                    let bound = |m: Message<'_>| (m.class(), m.method()) == (Class::Success, Method::ConnectionBind);
                    self.raws[raw].is_paired = Message::parse(&bytes).is_ok_and(bound);
                    self.raws[raw].inbox.push(bytes);
                }
                Node::Peer(_) => {}
            }
        }
    }

    pub(super) fn take_stream(&mut self, worker: usize, id: StreamId) -> usize {
        let connection = self.connection_of(worker, id).unwrap_or_else(|| panic!("{id:?} is no open stream"));
        self.connections[connection].in_mail = true;
        connection
    }

    pub(super) fn put_stream(&mut self, worker: usize, connection: usize) -> StreamId {
        let id = self.new_stream(worker);
        let this = &mut self.connections[connection];
        (this.worker, this.id, this.in_mail) = (worker, id, false);
        id
    }

    pub(super) fn pair(&mut self, worker: usize, id: u32, client: StreamId, peer: StreamId) {
        let both = [client, peer].map(|stream| self.connection_of(worker, stream));
        let [Some(client), Some(peer)] = both else {
            // One side broke while it was in the mail, or while the server decided.
            both.into_iter().flatten().for_each(|connection| self.connections[connection].is_open = false);
            return self.workers[worker].server.0.connection_ended(id);
        };
        self.connections[client].pair = Some(Pair { other: peer, id });
        self.connections[peer].pair = Some(Pair { other: client, id });
        [client, peer].into_iter().for_each(|connection| self.read_at_server(connection));
    }

    pub(super) fn close_stream(&mut self, worker: usize, id: StreamId) {
        if let Some(connection) = self.connection_of(worker, id) {
            self.connections[connection].is_open = false;
        }
    }

    /// The outer end closes, or the bytes make no sense: the server is told.
    pub(super) fn hang_up_connection(&mut self, connection: usize) {
        self.connections[connection].outer_is_gone = true;
        if !std::mem::take(&mut self.connections[connection].is_open) {
            return;
        }
        let worker = self.connections[connection].worker;
        let client = self.client_of(connection);
        if self.connections[connection].in_mail {
            return;
        }
        let server = &mut self.workers[worker].server.0;
        match self.connections[connection].pair {
            Some(pair) => {
                server.connection_ended(pair.id);
                self.connections[pair.other].is_open = false;
            }
            None => server.stream_closed(&client, self.now),
        }
        self.drain(worker);
    }

    pub(super) fn peer_connected(&mut self, worker: usize, relay: RelayId, connection: u32, peer: SocketAddr) {
        let from = self.workers[worker].sockets.get(&relay).copied();
        let result = match (self.nodes.get(&peer).copied(), from) {
            (Some(node @ Node::Peer(_)), Some(from)) => {
                let stream = self.connect(worker, node, peer, from);
                Ok(self.connections[stream].id)
            }
            _ => Err(()),
        };
        self.workers[worker].server.0.peer_connected(self.now, connection, result);
        self.drain(worker);
    }

    /// A peer connects to a relayed address. Answers its connection.
    pub(super) fn peer_connects(&mut self, peer: usize, relayed: SocketAddr) -> Option<usize> {
        let (worker, relay) = self.relays.get(&relayed).copied()?;
        let from = self.peers[peer].addr;
        let connection = self.connect(worker, Node::Peer(peer), from, relayed);
        let stream = self.connections[connection].id;
        self.workers[worker].server.0.peer_accepted(&self.policy, self.now, relay, from, stream);
        self.drain(worker);
        Some(connection)
    }
}
