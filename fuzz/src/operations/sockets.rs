//! What the caller does: opens sockets, carries mail, makes connections.

use std::net::SocketAddr;

use stun_codec::{AddressFamily, Class, Message, Method};
use turn_core::{ClientId, OpenError, OpenRelay, Opened, RelayId};

use super::{
    model::{Connection, Relay, Reservation, Seconds, State, family},
    policy::{PEERS, peer},
    world::{CLIENTS, Open, Posted, Story, Stream, World},
};
use crate::input::Input;

impl World {
    fn new_address(&mut self, family: AddressFamily) -> SocketAddr {
        let port = 50_000 + self.new_serial() as u16;
        match family {
            AddressFamily::V4 => SocketAddr::from(([203, 0, 113, 1], port)),
            AddressFamily::V6 => SocketAddr::from(([0x2001, 0xDB8, 0xFFFF, 0, 0, 0, 0, 1], port)),
        }
    }

    pub(super) fn answer_open(&mut self, input: &mut Input<'_>) {
        if self.opens.is_empty() {
            return;
        }
        let at = input.below(self.opens.len());
        let open = self.opens.swap_remove(at);
        match input.below(8) {
            0 => self.open_failed(&open, OpenError::Family),
            1 => self.open_failed(&open, OpenError::Capacity),
            _ => self.open_succeeded(&open),
        }
    }

    /// Whether somebody still waits for the socket.
    fn is_awaited(&self, open: &Open) -> bool {
        let allocation = self.allocations.get(&open.client);
        allocation.is_some_and(|allocation| allocation.serial == open.serial && !allocation.is_live())
    }

    pub(super) fn open_succeeded(&mut self, open: &Open) {
        let OpenRelay { relay, pair, family: of, .. } = open.open;
        let addr = self.new_address(of);
        let pair = pair.map(|pair| (pair, self.new_address(of)));
        self.open_socket(open.worker, relay, addr);
        if let Some((pair, addr)) = pair {
            self.open_socket(open.worker, pair, addr);
        }
        let awaited = self.is_awaited(open);
        let now = self.clock();
        self.servers[open.worker].relay_opened(now, relay, Ok(Opened { addr, pair }));
        self.drain(open.worker);
        if !awaited {
            let left = self.sockets().find(|(worker, id, _)| {
                *worker == open.worker && (*id == relay || Some(*id) == pair.map(|pair| pair.0))
            });
            assert_eq!(left, None, "nobody waits for it");
            return;
        }
        let allocation = self.allocations.get_mut(&open.client).expect("it is awaited");
        allocation.relays[family(addr.ip())].as_mut().expect("it is awaited").addr = Some(addr);
        let user = allocation.user;
        if let Some((relay, addr)) = pair {
            let token = self.token_of(open.client);
            let expires = self.now + 30;
            self.reservations.push(Reservation { worker: open.worker, relay, addr, user, expires, token });
        }
        self.opened_so_far(open.client);
    }

    fn open_failed(&mut self, open: &Open, error: OpenError) {
        let awaited = self.is_awaited(open);
        let now = self.clock();
        self.servers[open.worker].relay_opened(now, open.open.relay, Err(error));
        self.drain(open.worker);
        if !awaited {
            return;
        }
        let allocation = self.allocations.get_mut(&open.client).expect("it is awaited");
        let code = if error == OpenError::Family { 440 } else { 508 };
        allocation.relays[if open.open.family == AddressFamily::V4 { 0 } else { 1 }] = None;
        allocation.failed = Some((open.open.family, code));
        self.opened_so_far(open.client);
    }

    /// The token in the late answer to this client.
    fn token_of(&self, client: usize) -> [u8; 8] {
        let client = self.client(client);
        let (_, bytes) = self.sent.iter().find(|(to, _)| *to == client).expect("a late answer");
        Message::parse(bytes).expect("a message").reservation_token().expect("well-formed").expect("a token")
    }

    /// With the last socket the allocation lives, or is no more.
    fn opened_so_far(&mut self, client: usize) {
        let id = self.client(client);
        let allocation = self.allocations.get_mut(&client).expect("it is awaited");
        let relays = allocation.relays;
        if relays.iter().flatten().any(|relay| relay.addr.is_none()) {
            return;
        }
        if relays == [None; 2] {
            let code = allocation.failed.map_or(508, |(_, code)| code);
            self.end(client, "never lived");
            self.expected.push((id, Method::Allocate, code));
            return;
        }
        allocation.opening = None;
        let expires = self.now + allocation.lifetime;
        allocation.relays = relays.map(|relay| relay.map(|relay| Relay { expires, ..relay }));
        self.check_allocated(client);
        self.expected.push((id, Method::Allocate, 200));
    }

    /// The answer says what the sockets are.
    fn check_allocated(&self, client: usize) {
        let (id, allocation) = (self.client(client), &self.allocations[&client]);
        let (_, bytes) = self.sent.iter().find(|(to, _)| *to == id).expect("a late answer");
        let message = Message::parse(bytes).expect("a message");
        let relayed: Vec<_> = allocation.relays.iter().flatten().filter_map(|relay| relay.addr).collect();
        let said: Vec<_> = message.xor_relayed_addresses().map(|addr| addr.expect("well-formed")).collect();
        assert_eq!(said, relayed);
        assert_eq!(message.xor_mapped_address(), Ok(Some(id.address())));
        assert_eq!(message.lifetime().map(|seconds| seconds.map(Seconds::from)), Ok(Some(allocation.lifetime)));
        let failed = message.address_error_code().expect("well-formed").map(|error| (error.family, error.code));
        assert_eq!(failed, allocation.failed);
    }

    /// An allocation has got the socket of a reservation.
    pub(super) fn goes_live(&mut self, client: usize, relay: RelayId, addr: SocketAddr) {
        let allocation = self.allocations.get_mut(&client).expect("it waits");
        let expires = self.now + allocation.lifetime;
        allocation.counted = true;
        allocation.relays = [None; 2];
        allocation.relays[family(addr.ip())] = Some(Relay { id: Some(relay), addr: Some(addr), expires });
        allocation.opening = None;
    }

    pub(super) fn take_reservation(&mut self, worker: usize, user: usize, token: [u8; 8]) -> Option<Reservation> {
        let same = |kept: &Reservation| (kept.worker, kept.user, kept.token) == (worker, user, token);
        let at = self.reservations.iter().position(same)?;
        Some(self.reservations.swap_remove(at))
    }

    /// Delivers a mail, in any order, or loses it, or gives it back.
    pub(super) fn deliver(&mut self, input: &mut Input<'_>) {
        if self.posted.is_empty() {
            return;
        }
        let at = input.below(self.posted.len());
        let posted = self.posted.swap_remove(at);
        match input.u8() {
            0..=223 => self.deliver_one(posted),
            224..=239 => self.give_back(posted),
            _ => (),
        }
    }

    /// A mail that cannot be delivered is answered in place of who should have got it.
    fn give_back(&mut self, posted: Posted) {
        let Some(mail) = posted.mail.returned() else { return };
        let Story::Redeem { client, serial, user, .. } = posted.story else {
            panic!("only a token waits for an answer")
        };
        let story = Story::Redeemed { client, serial, user };
        self.deliver_one(Posted { from: posted.to, to: posted.from, mail, socket: None, stream: None, story });
    }

    pub(super) fn deliver_one(&mut self, posted: Posted) {
        if posted.to >= self.servers.len() {
            // A made-up token named a worker that there is not.
            return self.give_back(posted);
        }
        let (now, worker) = (self.clock(), posted.to);
        let stream = posted.stream.map(|_| self.new_stream(Stream::Data));
        let mut moved = None;
        let mut awaited = None;
        match posted.story {
            Story::Redeem { client, serial, user, token } => {
                moved = self.take_reservation(worker, user, token);
                self.story = Story::Redeemed { client, serial, user };
            }
            Story::Redeemed { client, serial, .. } => {
                let waits = self.allocations.get(&client).filter(|waiting| waiting.serial == serial);
                awaited = waits.filter(|waiting| !waiting.is_live()).map(|_| client);
            }
            Story::Bind { user, connection } => {
                let ClientId::Stream(like) = self.client(4) else { return };
                let client = turn_core::StreamClient { stream: stream.expect("it travels along"), ..like };
                let code = self.bind_code(user, connection);
                self.expected.push((ClientId::Stream(client), Method::ConnectionBind, code));
            }
            Story::None => panic!("a mail about nothing"),
        }
        let registered = self.servers[worker].handle_mail(now, posted.mail, stream);
        if let ([Some(relay), _], Some(addr)) = (registered, posted.socket) {
            self.open_socket(worker, relay, addr);
        }
        if let Some(client) = awaited {
            let code = match (registered[0], posted.socket) {
                (Some(relay), Some(addr)) => {
                    self.goes_live(client, relay, addr);
                    200
                }
                _ => {
                    self.end(client, "never lived");
                    508
                }
            };
            self.expected.push((self.client(client), Method::Allocate, code));
        } else {
            assert_eq!(registered, [None; 2]);
        }
        let before = self.posted.len();
        self.drain(worker);
        if let Story::Redeem { .. } = posted.story {
            assert_eq!(self.posted[before..].len(), 1);
            assert_eq!(self.posted[before].socket, moved.map(|kept| kept.addr));
        }
    }

    pub(super) fn answer_connect(&mut self, input: &mut Input<'_>) {
        if self.connects.is_empty() {
            return;
        }
        let at = input.below(self.connects.len());
        let (worker, id) = self.connects.swap_remove(at);
        self.answer_one_connect(worker, id, input.below(4) > 0);
    }

    pub(super) fn answer_one_connect(&mut self, worker: usize, id: u32, success: bool) {
        let result = if success { Ok(self.new_stream(Stream::Peer)) } else { Err(()) };
        let same = |known: &Connection| {
            (known.worker, known.id) == (worker, id) && matches!(known.state, State::Connecting(_))
        };
        if let Some(at) = self.connections.iter().position(same) {
            let client = self.client(self.connections[at].client);
            if success {
                self.connections[at].state = State::Waiting(self.now + 30);
            } else {
                self.connections.swap_remove(at);
            }
            self.expected.push((client, Method::Connect, if success { 200 } else { 447 }));
        }
        let now = self.clock();
        self.servers[worker].peer_connected(now, id, result);
        self.drain(worker);
    }

    /// A peer connects to a relayed address.
    pub(super) fn accept(&mut self, input: &mut Input<'_>) {
        let (client, from) = (input.below(CLIENTS), peer(input.below(PEERS)));
        let worker = client % 2;
        let Some(allocation) = self.allocations.get(&client).filter(|allocation| allocation.tcp) else { return };
        let relay = allocation.relays[family(from.ip())].filter(|relay| relay.addr.is_some());
        let Some(relay) = relay.and_then(|relay| relay.id) else { return };
        let count = self.connections.iter().filter(|connection| connection.client == client).count();
        let admitted = allocation.is_permitted(from.ip(), self.now) && self.policy.stream(from).is_some();
        let stream = self.new_stream(Stream::Peer);
        let now = self.clock();
        self.servers[worker].peer_accepted(&self.policy, now, relay, from, stream);
        self.drain(worker);
        if !admitted || count >= self.policy.limits.connections {
            assert!(!self.streams.contains_key(&stream), "a connection that nobody asked for is kept");
            return;
        }
        let (_, bytes) = self.sent.last().expect("the client hears of it");
        let message = Message::parse(bytes).expect("a message");
        assert_eq!((message.class(), message.xor_peer_address()), (Class::Indication, Ok(Some(from))));
        let id = message.connection_id().expect("well-formed").expect("there");
        self.connections.push(Connection { worker, id, client, peer: from, state: State::Waiting(self.now + 30) });
        self.expected.push((self.client(client), Method::ConnectionAttempt, 0));
    }

    /// A pair of streams is over.
    pub(super) fn connection_ended(&mut self, input: &mut Input<'_>) {
        let at = usize::from(input.u8());
        let Some(Connection { worker, id, state: State::Paired { client, peer }, .. }) =
            self.connections.get(at).cloned()
        else {
            return;
        };
        self.connections.swap_remove(at);
        self.streams.remove(&client);
        self.streams.remove(&peer);
        self.servers[worker].connection_ended(id);
        self.drain(worker);
    }

    /// A client's stream closes, or an administrator ends an allocation.
    pub(super) fn cut(&mut self, input: &mut Input<'_>) {
        let client = input.below(CLIENTS);
        let (id, worker, now) = (self.client(client), client % 2, self.clock());
        let known = self.allocations.contains_key(&client);
        if client >= 4 && input.flag() {
            if known {
                self.end(client, "stream_closed");
            }
            self.servers[worker].stream_closed(&id, now);
            self.generations[client] += 1;
        } else {
            if known {
                self.end(client, "ended");
            }
            assert_eq!(self.servers[worker].end_allocation(&id, now), known);
        }
        self.drain(worker);
    }
}
