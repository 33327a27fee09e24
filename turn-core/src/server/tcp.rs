//! TCP relaying (RFC 6062): connections to peers, from either side, and the client streams that they are paired with.

use core::time::Duration;
use std::{collections::VecDeque, net::SocketAddr};

use hashbrown::HashMap;
use rand_core::Rng;
use smallvec::SmallVec;
use stun_codec::{Class, MessageWriter, Method};
use turn_auth::{Credential, Verified};

use super::{
    Request, Server,
    allocation::{AllocationId, Transport, family_of},
    answer::{Asked, Done, Failure, reason_phrase},
};
use crate::{
    action::Effect,
    mail::{Letter, Mail},
    policy::{AdmittedPeer, Policy},
    types::{ClientId, Instant, ListenerId, Now, RelayId, StreamClient, StreamId, WorkerId, canonical},
};

/// RFC 6062 §5.2 and §5.4: so long may connecting take, and then binding.
const WINDOW: Duration = Duration::from_secs(30);

/// The TCP connections of all allocations of a server.
#[derive(Default)]
pub(super) struct Connections {
    /// By CONNECTION-ID. Only authenticated users and peers that they permitted make entries; ids are ours and random.
    by_id: HashMap<u32, Connection, foldhash::fast::RandomState>,
    /// When each window closes, oldest first: all are equally long.
    windows: VecDeque<(Instant, u32)>,
}

struct Connection {
    allocation: AllocationId,
    peer: SocketAddr,
    /// When the current window closes; [`Instant::NEVER`] once the connection is bound.
    closes: Instant,
    state: State,
}

enum State {
    /// The caller is connecting; this Connect request waits for it.
    Connecting(Asked),
    /// The peer's stream waits for the client's.
    Waiting(StreamId),
    Paired {
        client: StreamId,
        peer: StreamId,
    },
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn next_window(&self) -> Option<Instant> {
        self.windows.front().map(|(at, _)| *at)
    }

    fn of(&self, allocation: AllocationId) -> impl Iterator<Item = (&u32, &Connection)> {
        self.by_id.iter().filter(move |(_, connection)| connection.allocation == allocation)
    }

    fn open_window(&mut self, id: u32, now: Instant) -> Instant {
        let closes = now + WINDOW;
        self.windows.push_back((closes, id));
        closes
    }
}

impl Server {
    /// Connect (RFC 6062 §5.2).
    pub(super) fn connect<P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        id: AllocationId,
        request: &Request<'_>,
    ) -> Result<Done, Failure> {
        let peer = canonical(request.message.xor_peer_address()?.ok_or(Failure::Code(400))?);
        let Some(allocation) = self.allocations.get(id.0, id.1) else { return Err(Failure::Code(437)) };
        if allocation.transport != Transport::Tcp {
            return Err(Failure::Code(400));
        }
        let relay = allocation.live_relay(family_of(peer.ip()), now.mono).map_err(|_| Failure::Code(443))?;
        if self.connections.of(id).any(|(_, connection)| connection.peer == peer) {
            return Err(Failure::Code(446));
        }
        let Some(admitted) = AdmittedPeer::check_stream(policy, allocation.listener(), peer) else {
            return Err(self.refused(id, request, peer));
        };
        if self.connections.of(id).count() >= policy.limits().connections {
            return Err(Failure::Code(508));
        }
        let connection = self.new_connection(id, peer, now.mono, State::Connecting(request.asked));
        self.effects.push_back(Effect::ConnectPeer { relay, connection, peer: admitted });
        Ok(Done::Pending)
    }

    /// Tells how connecting to a peer ended that an [`Effect::ConnectPeer`] asked for.
    pub fn peer_connected(&mut self, now: Now, connection: u32, result: Result<StreamId, ()>) {
        let waiting = self.connections.by_id.get_mut(&connection);
        let Some((entry, State::Connecting(asked))) = waiting.map(|entry| {
            let state = core::mem::replace(&mut entry.state, State::Waiting(StreamId::from_bits(u64::MAX)));
            (entry, state)
        }) else {
            // Nobody waits for it any more.
            self.effects.extend(result.ok().map(Effect::CloseStream));
            return;
        };
        let allocation = entry.allocation;
        match result {
            Ok(stream) => {
                entry.state = State::Waiting(stream);
                let closes = now.mono + WINDOW;
                entry.closes = closes;
                self.connections.windows.push_back((closes, connection));
                self.late_answer(allocation, &asked, Class::Success, |w| {
                    w.connection_id(connection);
                });
            }
            Err(()) => self.connect_failed(connection, allocation, &asked),
        }
    }

    /// Takes a connection that a peer made to a relayed address (RFC 6062 §5.3). Without a permission it is closed.
    pub fn peer_accepted<P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        relay: RelayId,
        peer: SocketAddr,
        stream: StreamId,
    ) {
        let peer = canonical(peer);
        let admitted = self.admit_accepted(policy, now, relay, peer);
        let Some((id, client)) = admitted else {
            self.effects.push_back(Effect::CloseStream(stream));
            return;
        };
        let connection = self.new_connection(id, peer, now.mono, State::Waiting(stream));
        let transaction = self.transaction_id();
        let mut bytes = [0; 64];
        let mut writer = MessageWriter::new(&mut bytes, Class::Indication, Method::ConnectionAttempt, transaction);
        writer.xor_peer_address(peer).connection_id(connection);
        if let Ok(len) = writer.finish() {
            self.effects.push_back(Effect::Transmit { client, bytes: bytes[..len].into() });
        }
    }

    /// Tells that a paired connection is over on either side; the caller closes both streams.
    pub fn connection_ended(&mut self, connection: u32) {
        self.connections.by_id.remove(&connection);
    }

    /// ConnectionBind (RFC 6062 §5.4), here or at the worker that the id names.
    pub(super) fn connection_bind(&mut self, request: &Request<'_>, verified: &Verified) -> Result<Done, Failure> {
        let connection = request.message.connection_id()?.ok_or(Failure::Code(400))?;
        let (ClientId::Stream(client), None) = (request.client, request.id) else { return Err(Failure::Code(400)) };
        let owner = WorkerId((connection >> 24) as u16);
        if owner != self.worker {
            let credential = verified.credential.clone();
            let bind = BindByMail { connection, client: *client, credential, asked: request.asked };
            let mail = Mail(Letter::Bind(Box::new(bind)));
            self.effects.push_back(Effect::Post { to: owner, mail, sockets: [None; 2], stream: Some(client.stream) });
            return Ok(Done::Pending);
        }
        self.pair(connection, client.stream, &verified.credential)?;
        Ok(Done::Connection(connection))
    }

    /// A client's stream has come here from another worker, to be paired.
    pub(super) fn bind_by_mail(&mut self, bind: &BindByMail, stream: Option<StreamId>) {
        let Some(stream) = stream else { return };
        let client = ClientId::Stream(StreamClient { stream, ..bind.client });
        // Pairing queues its effect behind the answer, so that the answer is the last STUN message on the stream.
        let before = self.effects.len();
        let paired = self.pair(bind.connection, stream, &bind.credential);
        let mut out = [0; 256];
        let class = if paired.is_ok() { Class::Success } else { Class::Error };
        let written = bind.asked.write(class, Some(&bind.credential), &mut out, |w| match paired {
            Ok(()) => {
                w.connection_id(bind.connection);
            }
            Err(_) => {
                w.error_code(400, reason_phrase(400));
            }
        });
        if let Ok(bytes) = written {
            self.effects.insert(before, Effect::Transmit { client, bytes: bytes.into() });
        }
        if paired.is_err() {
            self.effects.push_back(Effect::CloseStream(stream));
        }
    }

    /// Closes windows that are over: a connection that was not made, or made and not bound.
    pub(super) fn expire_connections(&mut self, now: Instant) {
        while self.connections.next_window().is_some_and(|at| at <= now) {
            let Some((at, id)) = self.connections.windows.pop_front() else { return };
            let Some(connection) = self.connections.by_id.get(&id).filter(|connection| connection.closes == at) else {
                continue;
            };
            let allocation = connection.allocation;
            match connection.state {
                State::Connecting(asked) => self.connect_failed(id, allocation, &asked),
                State::Waiting(stream) => {
                    self.connections.by_id.remove(&id);
                    self.effects.push_back(Effect::CloseStream(stream));
                }
                State::Paired { .. } => (),
            }
        }
    }

    /// Closes what an allocation leaves behind.
    pub(super) fn close_connections(&mut self, allocation: AllocationId) {
        let ids = self.connections.of(allocation).map(|(id, _)| *id).collect();
        self.close(&ids);
    }

    /// Closes the connections of an allocation whose peers the policy does not admit any more; returns how many.
    pub(super) fn revoke_connections<P: Policy>(
        &mut self,
        policy: &P,
        allocation: AllocationId,
        listener: ListenerId,
    ) -> usize {
        let of_allocation = self.connections.of(allocation);
        let refused = of_allocation.filter(|(_, connection)| policy.admits_stream(listener, connection.peer).is_none());
        let ids = refused.map(|(id, _)| *id).collect();
        self.close(&ids);
        ids.len()
    }

    fn close(&mut self, ids: &SmallVec<[u32; 8]>) {
        for connection in ids.iter().filter_map(|id| self.connections.by_id.remove(id)) {
            let streams = match connection.state {
                State::Connecting(_) => [None, None],
                State::Waiting(peer) => [Some(peer), None],
                State::Paired { client, peer } => [Some(peer), Some(client)],
            };
            self.effects.extend(streams.into_iter().flatten().map(Effect::CloseStream));
        }
    }

    fn pair(&mut self, id: u32, client: StreamId, credential: &Credential) -> Result<(), Failure> {
        let connection = self.connections.by_id.get_mut(&id).ok_or(Failure::Code(400))?;
        let owner = self.allocations.get(connection.allocation.0, connection.allocation.1);
        if owner.is_none_or(|owner| owner.credential.user_id() != credential.user_id()) {
            return Err(Failure::Code(400));
        }
        let State::Waiting(peer) = connection.state else { return Err(Failure::Code(400)) };
        connection.state = State::Paired { client, peer };
        connection.closes = Instant::NEVER;
        self.effects.push_back(Effect::PairStreams { connection: id, client, peer });
        Ok(())
    }

    fn admit_accepted<P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        relay: RelayId,
        peer: SocketAddr,
    ) -> Option<(AllocationId, ClientId)> {
        let id = self.owner_of(relay)?;
        let allocation = self.allocations.get_mut(id.0, id.1)?;
        if !allocation.has_permission(now.mono, peer.ip()) {
            return None;
        }
        AdmittedPeer::check_stream(policy, allocation.listener(), peer)?;
        let client = allocation.client;
        let room = self.connections.of(id).count() < policy.limits().connections;
        room.then_some((id, client))
    }

    fn new_connection(&mut self, allocation: AllocationId, peer: SocketAddr, now: Instant, state: State) -> u32 {
        // One byte names the worker, so that a ConnectionBind finds it from any other; the rest is random, and only the
        // allocation's own user can use it.
        let id = loop {
            let id = u32::from(self.worker.0) << 24 | self.rng.next_u32() >> 8;
            if !self.connections.by_id.contains_key(&id) {
                break id;
            }
        };
        let closes = self.connections.open_window(id, now);
        self.connections.by_id.insert(id, Connection { allocation, peer, closes, state });
        id
    }

    fn connect_failed(&mut self, id: u32, allocation: AllocationId, asked: &Asked) {
        self.connections.by_id.remove(&id);
        self.late_answer(allocation, asked, Class::Error, |w| {
            w.error_code(447, reason_phrase(447));
        });
    }

    fn late_answer(
        &mut self,
        id: AllocationId,
        asked: &Asked,
        class: Class,
        body: impl FnOnce(&mut MessageWriter<'_>),
    ) {
        let Some(allocation) = self.allocations.get(id.0, id.1) else { return };
        let mut out = [0; 256];
        if let Ok(bytes) = asked.write(class, Some(&allocation.credential), &mut out, body) {
            self.effects.push_back(Effect::Transmit { client: allocation.client, bytes: bytes.into() });
        }
    }
}

/// A ConnectionBind request that came by mail.
pub(crate) struct BindByMail {
    pub(super) connection: u32,
    pub(super) client: StreamClient,
    pub(super) credential: Credential,
    pub(super) asked: Asked,
}
