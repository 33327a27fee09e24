//! The TURN server of one worker.

mod allocate;
mod allocation;
mod answer;
mod arena;
mod limiter;
mod mailbox;
mod recent;
mod relaying;
mod requests;
mod tcp;
mod timers;

use std::collections::VecDeque;

use hashbrown::HashMap;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use smallvec::SmallVec;
use stun_codec::{AddressFamily, Class, Fingerprint, Message, Method, PacketKind};
use turn_auth::{AuthError, Verified};

use self::{
    allocation::{Allocation, AllocationId, FAMILIES, family_index},
    answer::{Asked, Done, Failure, reason_phrase, unknown_required},
    arena::Arena,
    limiter::AnswerLimiter,
    mailbox::Reservations,
    recent::Recent,
    tcp::Connections,
    timers::Timers,
};
use crate::{
    action::{Binding, ClientAction, DropReason, Effect, EndReason, Report},
    policy::Policy,
    types::{ClientId, ClientKey, Instant, Now, RelayId, WorkerId},
};

pub(crate) use self::tcp::BindByMail;

/// What a server is made with.
pub struct ServerConfig {
    /// Which worker it serves. Reservation tokens name it, so that any worker can redeem them.
    pub worker: WorkerId,
    /// Seed of the random numbers in nonces, tokens and transaction ids: 32 bytes from the operating system, another for each worker.
    pub seed: [u8; 32],
}

impl core::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The seed foretells every token.
        f.debug_struct("ServerConfig").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// The TURN server state machine (RFC 8656) of one worker: see the [crate documentation](crate) for how it is driven.
pub struct Server {
    worker: WorkerId,
    rng: ChaCha12Rng,
    allocations: Arena<Allocation>,
    /// Which allocation a client has. Looked up with keys that strangers choose, but written only after authentication; the hash is
    /// seeded all the same, so that a user cannot choose five-tuples that collide.
    by_client: HashMap<ClientKey, AllocationId, foldhash::fast::RandomState>,
    /// Whose each relayed address is.
    relays: Arena<RelayOwner>,
    reservations: Reservations,
    connections: Connections,
    timers: Timers,
    recent: Recent,
    limiter: AnswerLimiter,
    effects: VecDeque<Effect>,
    /// Where revisiting the allocations after a change of the policy stands.
    revisit: Option<u32>,
}

/// Whose a relayed address is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RelayOwner {
    Allocation(AllocationId),
    /// It is kept for whoever redeems its token.
    Reservation,
}

/// How many allocations one slice of revisiting covers: each costs well under a microsecond per permission or channel.
const REVISIT_SLICE: u32 = 256;

impl Server {
    /// A server without allocations.
    pub fn new(config: ServerConfig) -> Self {
        let ServerConfig { worker, seed } = config;
        Self {
            worker,
            rng: ChaCha12Rng::from_seed(seed),
            allocations: Arena::new(),
            by_client: HashMap::default(),
            relays: Arena::new(),
            reservations: Reservations::default(),
            connections: Connections::default(),
            timers: Timers::default(),
            recent: Recent::default(),
            limiter: AnswerLimiter::new(),
            effects: VecDeque::new(),
            revisit: None,
        }
    }

    /// Takes one datagram (or, for a stream, one frame) from a client. `out` is where a reply is written; 1,500 bytes suffice.
    #[inline]
    pub fn handle_client<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        datagram: &'d [u8],
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        let Some(&first) = datagram.first() else {
            return ClientAction::Drop(DropReason::NotStun);
        };
        match stun_codec::classify(first) {
            PacketKind::ChannelData => match self.channel_data(policy, now.mono, client, datagram) {
                Ok(to_peer) => ClientAction::ToPeer(to_peer),
                Err(reason) => ClientAction::Drop(reason),
            },
            PacketKind::Stun => self.stun(policy, now, client, datagram, out),
            PacketKind::Unknown => ClientAction::Drop(DropReason::NotStun),
        }
    }

    /// The next thing to do, after any call that changes the server. Take them until there are none.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Server::handle_timeout`] wants to be called; read it after the effects are drained.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.revisit.is_some() {
            return Some(Instant::ZERO);
        }
        let next = [self.timers.next(), self.reservations.next_expiry(), self.connections.next_window()];
        next.into_iter().flatten().min()
    }

    /// Ends what is over by now, and goes on revisiting after a change of the policy, a slice at a time.
    pub fn handle_timeout<P: Policy>(&mut self, policy: &P, now: Now) {
        self.revisit_slice(policy);
        self.expire_reservations(now.mono);
        self.expire_connections(now.mono);
        while let Some((armed, id)) = self.timers.pop_due(now.mono) {
            if self.allocations.get(id.0, id.1).is_some_and(|allocation| allocation.armed == armed) {
                self.expire_allocation(id, now.mono);
            }
        }
    }

    /// Tells that the policy is another: everything admitted is asked again within the next timeouts, and before it relays.
    pub fn policy_changed(&mut self) {
        self.revisit = Some(0);
    }

    /// Ends an allocation, as an administrator would.
    pub fn end_allocation(&mut self, client: &ClientId, now: Now) -> bool {
        let found = self.by_client.get(&client.key()).copied();
        found.is_some_and(|id| self.end(id, now.mono, EndReason::Ended))
    }

    /// Tells that a client's stream is gone; its allocation ends.
    pub fn stream_closed(&mut self, client: &ClientId, now: Now) {
        if let Some(id) = self.by_client.get(&client.key()).copied() {
            self.end(id, now.mono, EndReason::StreamClosed);
        }
    }

    /// How many allocations there are, those being opened included.
    pub const fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// What the server holds in all; every count returns to zero when the last allocation ends.
    pub fn usage(&self) -> Usage {
        let entries = self.allocations.iter().map(Allocation::entries);
        let (permissions, channels) = entries.fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
        Usage {
            allocations: self.allocations.len(),
            clients: self.by_client.len(),
            relays: self.relays.len(),
            reservations: self.reservations.len(),
            connections: self.connections.len(),
            permissions,
            channels,
            timers: self.timers.len(),
        }
    }

    fn stun<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        datagram: &'d [u8],
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            Err(error) => return ClientAction::Drop(DropReason::Malformed(error)),
        };
        if message.fingerprint() == Fingerprint::Invalid {
            return ClientAction::Drop(DropReason::BadFingerprint);
        }
        match (message.class(), message.method()) {
            (Class::Request, Method::Binding) => self.binding(policy, now, client, &message, out),
            (Class::Request, method) if is_served(method) => self.request(policy, now, client, &message, out),
            (Class::Request, _) => ClientAction::Drop(DropReason::UnknownMethod),
            (Class::Indication, Method::Send) => match self.send_indication(policy, now.mono, client, &message) {
                Ok(to_peer) => ClientAction::ToPeer(to_peer),
                Err(reason) => ClientAction::Drop(reason),
            },
            _ => ClientAction::Drop(DropReason::UnexpectedClass),
        }
    }

    /// Binding (RFC 8489 §3): answered without authentication, so with nothing but what the RFC demands.
    fn binding<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        message: &Message<'_>,
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        if let Err(reason) = self.may_answer_stranger(policy, now, client) {
            return ClientAction::Drop(reason);
        }
        let asked = Asked::by(message, None);
        let unknown = unknown_required(message);
        let written = if unknown.is_empty() {
            asked.write(Class::Success, None, out, |w| {
                w.xor_mapped_address(client.address());
            })
        } else {
            asked.write(Class::Error, None, out, |w| {
                w.error_code(420, "").unknown_attributes(unknown.iter().copied());
            })
        };
        written.map_or(ClientAction::Drop(DropReason::ReplyBuffer), ClientAction::Reply)
    }

    /// A TURN request: authentication, then the attributes, then the method (RFC 8489 §6.3, §9.2.4; RFC 8656 §5).
    fn request<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        message: &Message<'_>,
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        let key = client.key();
        let id = self.by_client.get(&key).copied();
        let kept = id.and_then(|id| self.allocations.get(id.0, id.1)).map(|allocation| &allocation.credential);
        let verified = match policy.authenticate(message, client, now.unix, kept) {
            Ok(verified) => verified,
            Err(error) => return self.challenge(policy, now, client, message, error, out),
        };
        let asked = Asked::by(message, Some(verified.integrity));
        let request = Request { client, key, message, asked, id };
        let outcome = self.dispatch(policy, now, &request, &verified);
        if let (Method::Allocate, Err(Failure::Code(code))) = (asked.method, &outcome) {
            self.recent.put(key, asked.transaction, recent::Outcome::Failed(*code));
        }
        self.answer(&request, &verified, outcome, out)
    }

    fn dispatch<P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        request: &Request<'_>,
        verified: &Verified,
    ) -> Result<Done, Failure> {
        let unknown = unknown_required(request.message);
        if !unknown.is_empty() {
            return Err(Failure::Unknown(unknown));
        }
        if request.asked.method == Method::Allocate {
            return self.allocate(policy, now, request, verified);
        }
        if request.asked.method == Method::ConnectionBind {
            return self.connection_bind(request, verified);
        }
        let Some(id) = request.id else {
            let deleted = Some(recent::Outcome::Deleted);
            let again = request.asked.method == Method::Refresh
                && self.recent.get(&request.key, &request.asked.transaction) == deleted;
            return if again { Ok(Done::Lifetime(0)) } else { Err(Failure::Code(437)) };
        };
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return Err(Failure::Code(437));
        };
        if allocation.credential.user_id() != verified.credential.user_id() {
            return Err(Failure::Code(441));
        }
        // While it is being opened the client does not know of it, and it must not be deleted under its opener's feet.
        if !allocation.is_live() {
            return Err(Failure::Code(437));
        }
        // The same user with a newer stamp: the allocation goes on under the credential that was used last.
        allocation.credential = verified.credential.clone();
        match request.asked.method {
            Method::Refresh => self.refresh(now, id, request),
            Method::CreatePermission => self.create_permission(policy, now, id, request),
            Method::ChannelBind => self.channel_bind(policy, now, id, request),
            Method::Connect => self.connect(policy, now, id, request),
            _ => Err(Failure::Code(400)),
        }
    }

    /// Writes the answer to an authenticated request.
    fn answer<'d, 'b>(
        &self,
        request: &Request<'_>,
        verified: &Verified,
        outcome: Result<Done, Failure>,
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        let credential = Some(&verified.credential);
        let asked = &request.asked;
        let written = match outcome {
            Ok(Done::Pending) => return ClientAction::Pending,
            Err(Failure::Silent(reason)) => return ClientAction::Drop(reason),
            Ok(Done::Empty) => asked.write(Class::Success, credential, out, |_| ()),
            Ok(Done::Lifetime(seconds)) => asked.write(Class::Success, credential, out, |w| {
                w.lifetime(seconds);
            }),
            Ok(Done::Connection(connection)) => asked.write(Class::Success, credential, out, |w| {
                w.connection_id(connection);
            }),
            Ok(Done::Allocated(id)) => {
                let Some(allocation) = self.allocations.get(id.0, id.1) else {
                    return ClientAction::Drop(DropReason::NoAllocation);
                };
                asked.write(Class::Success, credential, out, |w| allocate::describe(allocation, w))
            }
            Err(Failure::Code(code)) => asked.write(Class::Error, credential, out, |w| {
                w.error_code(code, reason_phrase(code));
            }),
            Err(Failure::Unknown(unknown)) => asked.write(Class::Error, credential, out, |w| {
                w.error_code(420, reason_phrase(420)).unknown_attributes(unknown.iter().copied());
            }),
            Err(Failure::Alternate(server)) => asked.write(Class::Error, credential, out, |w| {
                w.error_code(300, reason_phrase(300)).alternate_server(server);
            }),
        };
        written.map_or(ClientAction::Drop(DropReason::ReplyBuffer), ClientAction::Reply)
    }

    /// Answers a request that failed its authentication: no integrity, no reason phrase, and rarely enough.
    fn challenge<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        message: &Message<'_>,
        error: AuthError,
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        if let Err(reason) = self.may_answer_stranger(policy, now, client) {
            return ClientAction::Drop(reason);
        }
        let salt = self.rng.next_u32().to_ne_bytes();
        let asked = Asked::by(message, None);
        let id = self.by_client.get(&client.key());
        let kept = id.and_then(|id| self.allocations.get(id.0, id.1)).map(|allocation| &allocation.credential);
        let written = asked.write(Class::Error, None, out, |w| {
            w.error_code(error.code(), "");
            if matches!(error.code(), 401 | 438) {
                policy.challenge(client, now.unix, salt, kept, w);
            }
        });
        written.map_or(ClientAction::Drop(DropReason::ReplyBuffer), ClientAction::Reply)
    }

    fn may_answer_stranger<P: Policy>(&mut self, policy: &P, now: Now, client: &ClientId) -> Result<(), DropReason> {
        // A stream's address is proven by its handshake.
        if client.is_stream() {
            return Ok(());
        }
        if matches!(client.address().port(), 0 | 7 | 19 | 53 | 123 | 1900) {
            return Err(DropReason::ReflectionPort);
        }
        let rate = policy.limits().unauthenticated_answers_per_second;
        if self.limiter.take(client.address().ip(), now.mono, rate) { Ok(()) } else { Err(DropReason::AnswerLimit) }
    }

    fn revisit_slice<P: Policy>(&mut self, policy: &P) {
        let Some(start) = self.revisit else { return };
        let end = start.saturating_add(REVISIT_SLICE);
        for index in start..end.min(self.allocations.positions() as u32) {
            let Some((_, allocation)) = self.allocations.at_mut(index) else {
                continue;
            };
            let (client, relays) = (allocation.client, allocation.relays);
            let effects = &mut self.effects;
            let revoked = allocation.revisit(policy, |channel, peer| {
                effects.extend(binding(client, &relays, channel, peer).map(Effect::BindingDown));
            });
            if revoked > 0 {
                let user = allocation.credential.user_id().clone();
                self.effects.push_back(Effect::Report(Report::Revoked { user, client, entries: revoked }));
            }
        }
        self.revisit = if (end as usize) < self.allocations.positions() { Some(end) } else { None };
    }

    /// Ends an allocation: its sockets, channels, timers and quota.
    fn end(&mut self, id: AllocationId, now: Instant, reason: EndReason) -> bool {
        self.close_connections(id);
        let Some(allocation) = self.allocations.remove(id.0, id.1) else {
            return false;
        };
        self.by_client.remove(&allocation.client.key());
        for (channel, peer) in allocation.channels_up() {
            let down = binding(allocation.client, &allocation.relays, channel, peer);
            self.effects.extend(down.map(Effect::BindingDown));
        }
        self.release_relays(id, &allocation);
        if self.timers.len() > 2 * self.allocations.len() + 64 {
            let allocations = &self.allocations;
            self.timers.compact(|at, id| allocations.get(id.0, id.1).is_some_and(|allocation| allocation.armed == at));
        }
        if allocation.is_live() {
            self.effects.push_back(Effect::Report(Report::AllocationEnded {
                user: allocation.credential.user_id().clone(),
                client: allocation.client,
                relayed: allocation.relayed(),
                duration: now.saturating_duration_since(allocation.created),
                traffic: allocation.traffic,
                reason,
            }));
        }
        true
    }

    /// Closes the sockets of an allocation that is over, and forgets those still being opened: when they open, `relay_opened` finds
    /// nobody waiting and closes them.
    fn release_relays(&mut self, id: AllocationId, allocation: &Allocation) {
        self.drop_awaited_pair(id);
        for relay in allocation.relays.iter().flatten() {
            match relay.addr {
                Some(_) => self.close_relay(relay.id),
                None => drop(self.relays.remove(relay.id.index() as u32, relay.id.generation())),
            }
        }
    }

    /// Closes the relayed address of this family, while the allocation lives on with the other; its channels go down.
    fn close_family(&mut self, id: AllocationId, family: AddressFamily) {
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else { return };
        let (client, relays) = (allocation.client, allocation.relays);
        let effects = &mut self.effects;
        allocation.forget_family(family, |channel, peer| {
            effects.extend(binding(client, &relays, channel, peer).map(Effect::BindingDown));
        });
        if let Some(relay) = relays[family_index(family)] {
            self.close_relay(relay.id);
        }
    }

    fn close_relay(&mut self, relay: RelayId) {
        if self.relays.remove(relay.index() as u32, relay.generation()).is_some() {
            self.effects.push_back(Effect::CloseRelay(relay));
        }
    }

    fn new_relay(&mut self, owner: RelayOwner) -> RelayId {
        let (index, generation) = self.relays.insert_with(|_, _| owner);
        RelayId::new(index, generation)
    }

    /// Makes sure that the timer heap knows the allocation's next deadline. A refresh only moves it later, which costs nothing here.
    fn arm(&mut self, id: AllocationId) {
        if let Some(allocation) = self.allocations.get_mut(id.0, id.1) {
            let deadline = allocation.next_deadline();
            if deadline < allocation.armed {
                allocation.armed = deadline;
                self.timers.push(deadline, id);
            }
        }
    }

    /// Ends what is over of this allocation, whose timer came up.
    fn expire_allocation(&mut self, id: AllocationId, now: Instant) {
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return;
        };
        let (client, relays) = (allocation.client, allocation.relays);
        let effects = &mut self.effects;
        allocation.expire(now, |channel, peer| {
            effects.extend(binding(client, &relays, channel, peer).map(Effect::BindingDown));
        });
        let over: SmallVec<[AddressFamily; 2]> = FAMILIES
            .into_iter()
            .filter(|f| relays[family_index(*f)].is_some_and(|relay| relay.expires <= now))
            .collect();
        if over.len() == relays.iter().flatten().count() {
            if allocation.is_live() {
                self.end(id, now, EndReason::Expired);
            } else {
                // Whoever had to open its sockets never answered.
                self.fail_opening(id, 508);
            }
            return;
        }
        allocation.armed = Instant::NEVER;
        for family in over {
            self.close_family(id, family);
        }
        self.arm(id);
    }
}

/// What a server holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Allocations, those being opened included.
    pub allocations: usize,
    /// Entries of the index by client; equal to `allocations`.
    pub clients: usize,
    /// Relayed addresses, those being opened and those reserved included.
    pub relays: usize,
    /// Reservations that wait for their token.
    pub reservations: usize,
    /// TCP connections (RFC 6062), those being made included.
    pub connections: usize,
    /// Permissions, expired ones that nobody asked for since included.
    pub permissions: usize,
    /// Channels, those in their cool-down included.
    pub channels: usize,
    /// Entries of the timer heap, stale ones included.
    pub timers: usize,
}

/// An authenticated request and what belongs to it.
struct Request<'r> {
    client: &'r ClientId,
    key: ClientKey,
    message: &'r Message<'r>,
    asked: Asked,
    /// The client's allocation.
    id: Option<AllocationId>,
}

const fn is_served(method: Method) -> bool {
    matches!(
        method,
        Method::Allocate
            | Method::Refresh
            | Method::CreatePermission
            | Method::ChannelBind
            | Method::Connect
            | Method::ConnectionBind
    )
}

fn binding(
    client: ClientId,
    relays: &[Option<allocation::Relay>; 2],
    channel: u16,
    peer: core::net::SocketAddr,
) -> Option<Binding> {
    let relay = relays[family_index(allocation::family_of(peer.ip()))]?;
    Some(Binding { client, channel, relay: relay.id, peer })
}
