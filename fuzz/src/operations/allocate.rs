//! Allocate: what may be asked for, what must come of it, and asking again.

use stun_codec::{AddressFamily, AttributeType, Message, MessageWriter, Method};
use turn_core::{Admission, ClientAction, ClientId, Policy as _};

use super::{
    model::{Allocation, Relay, Seconds},
    requests::{Expected, Who},
    world::{CLIENTS, Story, World},
};
use crate::input::Input;

/// An Allocate that can be sent again.
pub(super) struct Sent {
    client: ClientId,
    pub(super) bytes: Vec<u8>,
    pub(super) at: Seconds,
    pub(super) serial: Option<u32>,
    pub(super) code: u16,
}

impl World {
    pub(super) fn allocate(&mut self, input: &mut Input<'_>, last: &mut [Option<Sent>; CLIENTS]) {
        let who = Who::read(input);
        let asked = Asked::read(input, self);
        let client = self.client(who.client);
        let bytes = self.write(who, &client, Method::Allocate, |w| asked.write(w));
        if who.code() != 200 {
            self.ask(who, &client, who.client % 2, &bytes, Expected::Code(who.code()));
            return;
        }
        let code = asked.code(self, who);
        let mut sent = Sent { client, bytes: bytes.clone(), at: self.now, serial: None, code };
        if code == 200 {
            let serial = self.new_serial();
            sent.serial = Some(serial);
            let lifetime = asked.lifetime.map_or(600, |seconds| seconds.clamp(600, 3_600));
            let mut allocation =
                Allocation::new(serial, who.user, asked.transport == Some(6), lifetime.into(), self.now);
            for family in asked.families(self) {
                allocation.relays[family] = Some(Relay { id: None, addr: None, expires: self.now + 10 });
            }
            self.allocations.insert(who.client, allocation);
            if let Some(token) = asked.token {
                self.allocations.get_mut(&who.client).expect("just made").counted = false;
                self.redeem(who, serial, token);
            }
            let opens = self.opens.len();
            self.ask(who, &client, who.client % 2, &bytes, Expected::Pending);
            self.note_opens(&asked, opens);
        } else {
            self.ask(who, &client, who.client % 2, &bytes, Expected::Code(code));
        }
        last[who.client] = Some(sent);
    }

    /// What a token must come to; from another worker that takes a mail.
    fn redeem(&mut self, who: Who, serial: u32, token: [u8; 8]) {
        let worker = who.client % 2;
        if usize::from(token[1]) != worker {
            let story = Story::Redeem { client: who.client, serial, user: who.user, token };
            self.story = story;
            return;
        }
        let code = match self.take_reservation(worker, who.user, token) {
            Some(kept) => {
                self.goes_live(who.client, kept.relay, kept.addr);
                200
            }
            None => {
                self.end(who.client, "never lived");
                508
            }
        };
        self.expected.push((self.client(who.client), Method::Allocate, code));
    }

    /// Ties the sockets that were asked for to the allocation that wants them.
    fn note_opens(&mut self, asked: &Asked, from: usize) {
        let count = if asked.token.is_some() { 0 } else { asked.families(self).len() };
        assert_eq!(self.opens.len() - from, count);
        for open in &self.opens[from..] {
            let family = if open.open.family == AddressFamily::V4 { 0 } else { 1 };
            let allocation = self.allocations.get_mut(&open.client).expect("just made");
            let relay = allocation.relays[family].as_mut().expect("a family that was asked for");
            relay.id = Some(open.open.relay);
            assert_eq!(open.open.even, asked.even.is_some());
            assert_eq!(open.open.pair.is_some(), asked.even == Some(true));
            assert_eq!(allocation.serial, open.serial);
        }
    }

    /// Sends a client's last Allocate once more: the same answer, or none.
    pub(super) fn retransmit(&mut self, input: &mut Input<'_>, last: &mut [Option<Sent>; CLIENTS]) {
        let client = input.below(CLIENTS);
        let Some(sent) = &mut last[client] else { return };
        // 300 is worked out anew each time, and so is what has lived and died. The nonce must be good still.
        let current = self.allocations.get(&client).map(|allocation| allocation.serial);
        let gone = sent.serial.is_some() && current != sent.serial;
        let id = self.client(client);
        if sent.client != id || sent.code == 300 || current.is_none() && gone || self.now > sent.at + 3_600 {
            return;
        }
        let mut out = [0xAA; 1500];
        let now = self.clock();
        let action = self.servers[client % 2].handle_client(&self.policy, now, &id, &sent.bytes, &mut out);
        let code = match action {
            ClientAction::Reply(reply) => {
                let message = Message::parse(reply).expect("a message");
                Some(message.error_code().expect("well-formed").map_or(200, |error| error.code))
            }
            _ => None,
        };
        let expected = match current {
            Some(serial) if Some(serial) == sent.serial => {
                if self.allocations[&client].is_live() {
                    Some(200)
                } else {
                    None
                }
            }
            Some(_) => {
                sent.code = 437;
                Some(437)
            }
            None => Some(sent.code),
        };
        assert_eq!(code, expected);
        self.drain(client % 2);
    }
}

/// What an Allocate asks for, sense or nonsense.
struct Asked {
    transport: Option<u8>,
    lifetime: Option<u32>,
    even: Option<bool>,
    requested: Option<u8>,
    additional: Option<u8>,
    token: Option<[u8; 8]>,
    dont_fragment: bool,
}

impl Asked {
    fn read(input: &mut Input<'_>, world: &World) -> Self {
        let token = match input.u8() {
            0..=0xDF => None,
            choice => {
                let known = world.reservations.get(usize::from(choice & 3)).map(|kept| kept.token);
                Some(known.unwrap_or([0, choice & 3, 0, 0, 0, 0, 0, choice]))
            }
        };
        Self {
            transport: input.pick(&[Some(17), Some(17), Some(17), Some(17), Some(6), Some(6), Some(1), None]),
            lifetime: input.pick(&[None, None, None, Some(0), Some(700), Some(u32::MAX)]),
            even: input.pick(&[None, None, None, Some(false), Some(true)]),
            requested: input.pick(&[None, None, None, Some(1), Some(2), Some(9)]),
            additional: input.pick(&[None, None, None, Some(2), Some(2), Some(1)]),
            token,
            dont_fragment: input.u8() > 200,
        }
    }

    fn write(&self, w: &mut MessageWriter<'_>) {
        self.transport.map(|transport| w.requested_transport(transport));
        self.lifetime.map(|seconds| w.lifetime(seconds));
        self.even.map(|reserve| w.even_port(reserve));
        self.requested.map(|family| w.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0]));
        self.additional.map(|family| w.attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[family, 0, 0, 0]));
        self.token.map(|token| w.reservation_token(&token));
        if self.dont_fragment {
            w.dont_fragment();
        }
    }

    /// Indexes of the families to open, once [`Self::code`] is 200; a token's is not known before the answer.
    fn families(&self, world: &World) -> Vec<usize> {
        match (self.additional, self.requested) {
            _ if self.token.is_some() => vec![0],
            (Some(_), _) => vec![0, 1],
            (None, Some(family)) => vec![usize::from(family) - 1],
            (None, None) => vec![usize::from(!world.policy.offers(AddressFamily::V4))],
        }
    }

    /// RFC 8656 §7.2, step by step; 200 goes on to open sockets.
    fn code(&self, world: &World, who: Who) -> u16 {
        let streams = who.client >= 4;
        let barred = self.dont_fragment || self.even.is_some() || self.token.is_some();
        let offered = |family: u8| AddressFamily::from_u8(family).is_some_and(|family| world.policy.offers(family));
        match self.transport {
            _ if world.allocations.contains_key(&who.client) => return 437,
            None => return 400,
            Some(17) => (),
            Some(6) if world.policy.rules.streams_offered => {
                if !streams || barred {
                    return 400;
                }
            }
            Some(_) => return 442,
        }
        if self.token.is_some() {
            if self.even.is_some() || self.requested.is_some() || self.additional.is_some() {
                return 400;
            }
        } else if let Some(additional) = self.additional {
            if additional != 2 || self.requested.is_some() || self.even == Some(true) {
                return 400;
            }
        } else if let Some(family) = self.requested {
            if !offered(family) {
                return 440;
            }
        } else if !offered(1) && !offered(2) {
            return 440;
        }
        self.admission(world, who)
    }

    fn admission(&self, world: &World, who: Who) -> u16 {
        let limits = &world.policy.limits;
        // A reservation has its place already; one that is to be made takes a second one.
        let places = if self.token.is_some() { 0 } else { 1 + usize::from(self.even == Some(true)) };
        let reached = |count: usize, cap: u32| cap != 0 && places != 0 && count + places > cap as usize;
        match world.policy.admission(&world.client(who.client)) {
            Admission::Refused => 508,
            Admission::Redirected(_) => 300,
            Admission::Open if reached(world.counted(None), limits.allocations) => 486,
            Admission::Open if reached(world.counted(Some(who.user)), limits.allocations_per_user) => 486,
            Admission::Open => 200,
        }
    }
}
