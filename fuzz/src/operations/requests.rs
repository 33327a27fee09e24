//! Requests, and the code that each must get.

use std::{net::IpAddr, sync::LazyLock};

use stun_codec::{AttributeType, ChannelNumber, Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::{Credential, IntegrityAlgorithm, PasswordAlgorithmKind, UnixSeconds};
use turn_core::{ClientAction, ClientId};

use super::{
    model::{Allocation, Connection, Seconds, State},
    policy::{AUTH, PEERS, REALM, USERS, peer},
    world::{CLIENTS, Story, Stream, World},
};
use crate::input::Input;

/// Each user's key, by password algorithm.
pub(super) static KEYS: LazyLock<[[Credential; 2]; 2]> = LazyLock::new(|| {
    USERS.map(|(name, password)| {
        [PasswordAlgorithmKind::Md5, PasswordAlgorithmKind::Sha256]
            .map(|kind| Credential::long_term(name, REALM, password, kind))
    })
});

/// Keys that are nobody's: a wrong password, and a stranger's name.
static WRONG: LazyLock<[Credential; 2]> = LazyLock::new(|| {
    [("alice", "guess"), ("mallory", "secret")]
        .map(|(name, password)| Credential::long_term(name, REALM, password, PasswordAlgorithmKind::Md5))
});

/// How a request proves whose it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Proof {
    Md5,
    Sha256,
    None,
    WrongPassword,
    Stranger,
    StaleNonce,
    Flipped,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    pub(super) client: usize,
    pub(super) user: usize,
    proof: Proof,
    fingerprint: bool,
}

impl Who {
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        let choice = input.u8();
        // Mostly good, mostly alice: what fails at the door tests little else.
        let proof = match choice >> 4 {
            0..=6 => Proof::Md5,
            7..=10 => Proof::Sha256,
            11 => Proof::None,
            12 => Proof::WrongPassword,
            13 => Proof::Stranger,
            14 => Proof::StaleNonce,
            _ => Proof::Flipped,
        };
        let user = usize::from(choice & 3 == 3);
        Self { client: input.below(CLIENTS), user, proof, fingerprint: choice & 4 != 0 }
    }

    /// What the door says; 200 lets the request in.
    pub(super) fn code(self) -> u16 {
        match self.proof {
            Proof::Md5 | Proof::Sha256 => 200,
            Proof::None | Proof::WrongPassword | Proof::Stranger | Proof::Flipped => 401,
            Proof::StaleNonce => 438,
        }
    }
}

/// What a request must come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expected {
    /// An answer at once; 200 is success.
    Code(u16),
    Pending,
}

impl World {
    pub(super) fn write(
        &mut self,
        who: Who,
        client: &ClientId,
        method: Method,
        body: impl FnOnce(&mut MessageWriter<'_>),
    ) -> Vec<u8> {
        let mut transaction = [0x5A; 12];
        transaction[..4].copy_from_slice(&self.new_serial().to_be_bytes());
        let mut buf = [0; 1024];
        let mut writer = MessageWriter::new(&mut buf, Class::Request, method, TransactionId(transaction));
        body(&mut writer);
        let key = match who.proof {
            Proof::Sha256 => &KEYS[who.user][1],
            Proof::WrongPassword => &WRONG[0],
            Proof::Stranger => &WRONG[1],
            _ => &KEYS[who.user][0],
        };
        if who.proof != Proof::None {
            let UnixSeconds(now) = self.clock().unix;
            let given = if who.proof == Proof::StaleNonce { now - 4_000 } else { now };
            let challenge = AUTH.challenge(client.address().ip(), UnixSeconds(given), [1, 2, 3, 4]);
            writer.username(key.username()).realm(REALM).nonce(challenge.nonce().as_str());
            let algorithm = if who.proof == Proof::Sha256 {
                writer.attribute(AttributeType::PASSWORD_ALGORITHMS, &[0, 2, 0, 0, 0, 1, 0, 0]);
                writer.attribute(AttributeType::PASSWORD_ALGORITHM, &[0, 2, 0, 0]);
                IntegrityAlgorithm::Sha256
            } else {
                IntegrityAlgorithm::Sha1
            };
            key.sign(&mut writer, algorithm);
        }
        // Past the integrity, so that a wrong MAC and a right FINGERPRINT can meet.
        if who.proof == Proof::Flipped {
            let len = writer.finish().expect("room");
            buf[len - 1] ^= 1;
            return buf[..len].to_vec();
        }
        if who.fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish().expect("room");
        buf[..len].to_vec()
    }

    /// Sends a request and checks its answer, which is returned.
    pub(super) fn ask(
        &mut self,
        who: Who,
        client: &ClientId,
        worker: usize,
        bytes: &[u8],
        expected: Expected,
    ) -> Option<Vec<u8>> {
        let mut out = [0xAA; 1500];
        let now = self.clock();
        let action = self.servers[worker].handle_client(&self.policy, now, client, bytes, &mut out);
        let reply = match action {
            ClientAction::Reply(reply) => Some(reply.to_vec()),
            ClientAction::Pending => None,
            other => panic!("{other:?} where {expected:?} was expected"),
        };
        self.drain(worker);
        let Some(reply) = reply else {
            assert_eq!(expected, Expected::Pending);
            return None;
        };
        let request = Message::parse(bytes).expect("what was written");
        let message = Message::parse(&reply).expect("a message");
        assert_eq!((message.method(), message.transaction_id()), (request.method(), request.transaction_id()));
        let code = match message.class() {
            Class::Success => 200,
            _ => message.error_code().expect("well-formed").expect("there").code,
        };
        assert_eq!(Expected::Code(code), expected, "{who:?} asks {request:?}");
        if who.code() == 200 {
            let kind = usize::from(who.proof == Proof::Sha256);
            KEYS[who.user][kind].verify(&message).expect("a signed answer");
        } else {
            assert!(message.integrity() == Ok(None) && reply.len() <= 104 + 8, "{message:?}");
        }
        Some(reply)
    }

    fn request(
        &mut self,
        who: Who,
        method: Method,
        body: impl FnOnce(&mut MessageWriter<'_>),
        predict: impl FnOnce(&mut Self) -> Expected,
    ) -> Option<Vec<u8>> {
        let client = self.client(who.client);
        let bytes = self.write(who, &client, method, body);
        let expected = match who.code() {
            200 => predict(self),
            refused => Expected::Code(refused),
        };
        self.ask(who, &client, who.client % 2, &bytes, expected)
    }

    /// The allocation that a request is about, or the code for why there is none.
    fn theirs(&mut self, who: Who) -> Result<&mut Allocation, Expected> {
        let found = self.allocations.get_mut(&who.client).ok_or(Expected::Code(437))?;
        if found.user != who.user {
            return Err(Expected::Code(441));
        }
        if found.is_live() { Ok(found) } else { Err(Expected::Code(437)) }
    }

    pub(super) fn binding(&mut self, input: &mut Input<'_>) {
        let client = self.client(input.below(CLIENTS));
        let mut buf = [0; 64];
        let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Binding, TransactionId([8; 12]));
        if input.flag() {
            writer.software("fuzz");
        }
        let len = writer.finish().expect("room");
        let mut out = [0xAA; 1500];
        let now = self.clock();
        let action = self.servers[0].handle_client(&self.policy, now, &client, &buf[..len], &mut out);
        let ClientAction::Reply(reply) = action else { panic!("{action:?}") };
        assert_eq!(reply.len(), if client.address().is_ipv4() { 32 } else { 44 });
        let message = Message::parse(reply).expect("a message");
        assert_eq!(message.xor_mapped_address(), Ok(Some(client.address())));
        self.drain(0);
    }

    pub(super) fn refresh(&mut self, input: &mut Input<'_>) {
        let who = Who::read(input);
        let lifetime =
            input.pick(&[None, Some(0), Some(0), Some(1), Some(600), Some(1_800), Some(3_600), Some(u32::MAX)]);
        let family = input.pick(&[None, None, None, Some(1), Some(2), Some(3)]);
        let body = |w: &mut MessageWriter<'_>| {
            lifetime.map(|seconds| w.lifetime(seconds));
            family.map(|family| w.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0]));
        };
        self.request(who, Method::Refresh, body, |world| {
            let now = world.now;
            let allocation = match world.theirs(who) {
                Ok(allocation) => allocation,
                Err(refused) => return refused,
            };
            let concerned: Vec<usize> = match family {
                None => vec![0, 1],
                Some(number @ 1..=2) if allocation.relays[usize::from(number) - 1].is_some() => {
                    vec![usize::from(number) - 1]
                }
                Some(_) => return Expected::Code(443),
            };
            let seconds = lifetime.map_or(600, |seconds| seconds.clamp(600, 3_600));
            for family in concerned {
                if lifetime == Some(0) {
                    allocation.give_up(family);
                } else if let Some(relay) = &mut allocation.relays[family] {
                    relay.expires = now + Seconds::from(seconds);
                }
            }
            if allocation.relays == [None; 2] {
                world.end(who.client, "deleted");
            }
            Expected::Code(200)
        });
    }

    pub(super) fn create_permission(&mut self, input: &mut Input<'_>) {
        let who = Who::read(input);
        let peers: Vec<_> = (0..input.below(4)).map(|_| (input.below(PEERS), input.flag())).collect();
        let body = |w: &mut MessageWriter<'_>| {
            for (at, mapped) in &peers {
                w.xor_peer_address(spelled(*at, *mapped));
            }
        };
        self.request(who, Method::CreatePermission, body, |world| {
            let (now, cap) = (world.now, world.policy.limits.permissions);
            let mut hosts: Vec<IpAddr> = peers.iter().map(|(at, _)| peer(*at).ip()).collect();
            hosts.sort_unstable();
            hosts.dedup();
            let admitted = hosts.iter().all(|host| world.policy.host(*host).is_some());
            let allocation = match world.theirs(who) {
                Ok(allocation) => allocation,
                Err(refused) => return refused,
            };
            let code = match () {
                () if hosts.len() > cap => 508,
                () if hosts.is_empty() => 400,
                () if hosts.iter().any(|host| !allocation.has(*host)) => 443,
                () if !admitted => 403,
                () if !allocation.has_room(&hosts, cap, now) => 508,
                () => 200,
            };
            if code == 200 {
                hosts.iter().for_each(|host| allocation.permit(*host, now));
            }
            Expected::Code(code)
        });
    }

    pub(super) fn channel_bind(&mut self, input: &mut Input<'_>) {
        let who = Who::read(input);
        let number = channel_number(input);
        let (at, mapped) = (input.below(PEERS), input.flag());
        let to = peer(at);
        let body = |w: &mut MessageWriter<'_>| {
            w.channel_number(number).xor_peer_address(spelled(at, mapped));
        };
        self.request(who, Method::ChannelBind, body, |world| {
            let (now, limits) = (world.now, world.policy.limits.clone());
            let admitted = world.policy.route(to).is_some();
            let allocation = match world.theirs(who) {
                Ok(allocation) => allocation,
                Err(refused) => return refused,
            };
            Expected::Code(match () {
                () if limits.strict_channel_numbers && number.get() > 0x4FFF => 400,
                () if !allocation.has(to.ip()) => 443,
                () if allocation.tcp => 400,
                () if !admitted => 403,
                () if !allocation.has_room(&[to.ip()], limits.permissions, now) => 508,
                () => allocation.bind(number.get(), to, limits.channels, now),
            })
        });
    }

    pub(super) fn connect(&mut self, input: &mut Input<'_>) {
        let who = Who::read(input);
        let to = peer(input.below(PEERS));
        let known = self.connects.len();
        let body = |w: &mut MessageWriter<'_>| _ = w.xor_peer_address(to);
        let answer = self.request(who, Method::Connect, body, |world| {
            let now = world.now;
            let admitted = world.policy.stream(to).is_some();
            let theirs = || world.connections.iter().filter(|connection| connection.client == who.client);
            let (connected, count) = (theirs().any(|connection| connection.peer == to), theirs().count());
            let cap = world.policy.limits.connections;
            let allocation = match world.theirs(who) {
                Ok(allocation) => allocation,
                Err(refused) => return refused,
            };
            match () {
                () if !allocation.tcp => Expected::Code(400),
                () if allocation.relay_toward(to.ip(), now).is_none() => Expected::Code(443),
                () if connected => Expected::Code(446),
                () if !admitted => Expected::Code(403),
                () if count >= cap => Expected::Code(508),
                () => Expected::Pending,
            }
        });
        if answer.is_none() {
            let (worker, id) = self.connects[known];
            let state = State::Connecting(self.now + 30);
            self.connections.push(Connection { worker, id, client: who.client, peer: to, state });
        }
    }

    /// A new stream asks to be the client's side of a connection.
    pub(super) fn connection_bind(&mut self, input: &mut Input<'_>) {
        let who = Who::read(input);
        let at = input.u8();
        let known = self.connections.get(usize::from(at));
        let id = known.map_or(u32::from(at) << 20, |connection| connection.id);
        let (worker, owner) = (who.client % 2, (id >> 24) as usize);
        if owner > 1 {
            return;
        }
        let stream = self.new_stream(Stream::Data);
        let ClientId::Stream(like) = self.client(4) else { return };
        let client = ClientId::Stream(turn_core::StreamClient { stream, ..like });
        let bytes = self.write(who, &client, Method::ConnectionBind, |w| _ = w.connection_id(id));
        let expected = match who.code() {
            200 if owner != worker => Expected::Pending,
            200 => Expected::Code(self.bind_code(who.user, id)),
            refused => Expected::Code(refused),
        };
        self.story = Story::Bind { user: who.user, connection: id };
        self.ask(who, &client, worker, &bytes, expected);
        if expected != Expected::Pending && expected != Expected::Code(200) {
            // The client gives up.
            self.streams.remove(&stream);
        }
    }

    pub(super) fn bind_code(&self, user: usize, id: u32) -> u16 {
        let owned = |connection: &&Connection| {
            let user_of = self.allocations.get(&connection.client).map(|allocation| allocation.user);
            connection.id == id && matches!(connection.state, State::Waiting(_)) && user_of == Some(user)
        };
        if self.connections.iter().any(|connection| owned(&connection)) { 200 } else { 400 }
    }
}

fn spelled(at: usize, mapped: bool) -> std::net::SocketAddr {
    let to = peer(at);
    match to.ip() {
        IpAddr::V4(v4) if mapped => (v4.to_ipv6_mapped(), to.port()).into(),
        _ => to,
    }
}

pub(super) fn channel_number(input: &mut Input<'_>) -> ChannelNumber {
    let number = input.pick(&[0x4000, 0x4001, 0x4002, 0x4FFF, 0x5000, 0x7FFF]);
    ChannelNumber::new(number).expect("in range")
}
