//! Packets, and whether each may pass.

use std::net::SocketAddr;

use stun_codec::{Class, Icmp, Message, MessageWriter, Method, TransactionId, channel_data_header, padding};
use turn_core::{ClientAction, PeerAction, RelayId, RouteId, ToPeer};

use super::{
    model::{Seconds, family},
    policy::{PEERS, peer},
    requests::channel_number,
    world::{CLIENTS, World},
};
use crate::{input::Input, naive};

/// A datagram that leaves through a relayed socket.
type Relayed = (RelayId, SocketAddr, RouteId);

impl World {
    fn payload(input: &mut Input<'_>) -> Vec<u8> {
        let bytes = input.bytes();
        bytes[..bytes.len().min(40)].to_vec()
    }

    pub(super) fn channel_data(&mut self, input: &mut Input<'_>) {
        let (client, number) = (input.below(CLIENTS), channel_number(input));
        let payload = Self::payload(input);
        let mut datagram = channel_data_header(number, payload.len() as u16).to_vec();
        datagram.extend_from_slice(&payload);
        datagram.resize(datagram.len() + padding(payload.len()), 0);
        let expected = self.allocations.get(&client).and_then(|allocation| {
            let to = allocation.channel(number.get(), self.now)?;
            Some((allocation.relay_toward(to.ip(), self.now)?, to, self.policy.route(to)?))
        });
        self.client_sends(client, &datagram, Some(expected), &payload);
    }

    pub(super) fn send_indication(&mut self, input: &mut Input<'_>) {
        let (client, to, dont_fragment) = (input.below(CLIENTS), peer(input.below(PEERS)), input.flag());
        let payload = Self::payload(input);
        let mut buf = [0; 256];
        let mut writer = MessageWriter::new(&mut buf, Class::Indication, Method::Send, TransactionId([4; 12]));
        writer.xor_peer_address(to).data(&payload);
        if dont_fragment {
            writer.dont_fragment();
        }
        let len = writer.finish().expect("room");
        let expected = self.send_expected(client, to);
        self.client_sends(client, &buf[..len], Some(expected), &payload);
    }

    fn send_expected(&self, client: usize, to: SocketAddr) -> Option<Relayed> {
        let allocation = self.allocations.get(&client).filter(|allocation| !allocation.tcp)?;
        let relay = allocation.relay_toward(to.ip(), self.now)?;
        let permitted = allocation.is_permitted(to.ip(), self.now);
        Some((relay, to, self.policy.route(to).filter(|_| permitted)?))
    }

    /// Any bytes: nobody without a key changes anything, or reaches anyone but whom the client may reach.
    pub(super) fn garbage(&mut self, input: &mut Input<'_>) {
        let client = input.below(CLIENTS);
        let bytes = input.bytes();
        let datagram = match input.below(3) {
            0 => bytes.to_vec(),
            1 => naive::framed([0, 0x16], [4; 12], bytes),
            _ => naive::framed(input.array(), [4; 12], bytes),
        };
        let expected = Message::parse(&datagram)
            .ok()
            .and_then(|message| self.send_expected(client, message.xor_peer_address().ok().flatten()?));
        let payload = Message::parse(&datagram).ok().and_then(|message| message.data().ok().flatten());
        let allowed = datagram.first().is_some_and(|first| *first < 0x40).then_some(expected).filter(Option::is_none);
        self.client_sends(client, &datagram, allowed, payload.unwrap_or_default());
    }

    /// `expected` of `None` is "may pass or not", where the payload is known to be right if it does.
    fn client_sends(&mut self, client: usize, datagram: &[u8], expected: Option<Option<Relayed>>, payload: &[u8]) {
        let id = self.client(client);
        let mut out = [0xAA; 1500];
        let now = self.clock();
        let action = self.servers[client % 2].handle_client(&self.policy, now, &id, datagram, &mut out);
        let relayed = match action {
            ClientAction::ToPeer(ToPeer { relay, peer, payload: found, .. }) => {
                // Channel data that happens to be garbage is judged by its target alone.
                assert!(found == payload || expected.is_none());
                Some((relay, peer.addr(), peer.route(), found.len()))
            }
            ClientAction::Reply(reply) => {
                assert!(expected.is_none() || expected == Some(None));
                let message = Message::parse(reply).expect("a message");
                assert!(matches!(message.class(), Class::Success | Class::Error));
                None
            }
            ClientAction::Pending => panic!("a packet is waited for"),
            ClientAction::Drop(reason) => {
                assert!(!reason.name().is_empty());
                None
            }
        };
        if let Some(expected) = expected {
            assert_eq!(relayed.map(|(relay, to, route, _)| (relay, to, route)), expected);
        }
        if let Some((relay, to, route, len)) = relayed {
            let allocation = self.allocations.get_mut(&client).expect("who relays has an allocation");
            assert_eq!(allocation.relay_toward(to.ip(), self.now), Some(relay));
            let reachable = allocation.channel_of(to, self.now).is_some() || allocation.is_permitted(to.ip(), self.now);
            assert!(reachable, "nothing relays without permission or channel");
            assert_eq!(self.policy.route(to), Some(route));
            allocation.traffic.packets_to_peer += 1;
            allocation.traffic.bytes_to_peer += len as u64;
            let socket = self.sockets().find(|(worker, id, _)| (*worker, *id) == (client % 2, relay));
            assert!(socket.is_some_and(|(_, _, addr)| addr.is_ipv4() == to.is_ipv4()));
        }
        self.drain(client % 2);
    }

    /// A datagram of a peer arrives at a socket that is open, or was once.
    pub(super) fn peer_sends(&mut self, input: &mut Input<'_>) {
        let (at, from) = (input.u8(), peer(input.below(PEERS)));
        let lengths = [0, 1, 2, 3, 172, 1_200, 65_507, 70_000];
        let (len, mapped) = (input.pick(&lengths), input.flag());
        let known = self.sockets().filter(|(_, _, addr)| addr.is_ipv4() == from.is_ipv4()).nth(at.into());
        let (worker, relay) = match known {
            Some((worker, relay, _)) => (worker, relay),
            None => (usize::from(at & 1), RelayId::new(u32::from(at >> 1 & 7), u32::from(at >> 4))),
        };
        let owner = self.owner(worker, relay).filter(|client| !self.allocations[client].tcp);
        if owner.is_none() && self.owner(worker, relay).is_some() {
            return;
        }
        let source = match from.ip() {
            std::net::IpAddr::V4(v4) if mapped => (v4.to_ipv6_mapped(), from.port()).into(),
            _ => from,
        };
        let now = self.clock();
        let action = self.servers[worker].handle_peer(&self.policy, now, relay, source, len);
        let expected = owner.filter(|client| self.may_hear(*client, relay, from) && len <= self.longest(*client, from));
        match action {
            PeerAction::Drop(reason) => assert_eq!(expected, None, "a packet from {from} is lost: {reason:?}"),
            PeerAction::ToClient(to) => {
                let client = expected.expect("nothing relays without permission or channel");
                assert_eq!(to.client, self.client(client));
                self.check_header(client, from, len, to.header.as_slice(), to.pad);
                let allocation = self.allocations.get_mut(&client).expect("it has heard");
                allocation.traffic.packets_to_client += 1;
                allocation.traffic.bytes_to_client += len as u64;
            }
        }
        self.drain(worker);
    }

    /// Whose relayed socket this is.
    fn owner(&self, worker: usize, relay: RelayId) -> Option<usize> {
        let owns = |client: &&usize| {
            let relays = &self.allocations[client].relays;
            *client % 2 == worker && relays.iter().flatten().any(|known| known.id == Some(relay))
        };
        self.allocations.keys().find(owns).copied()
    }

    fn may_hear(&self, client: usize, relay: RelayId, from: SocketAddr) -> bool {
        let allocation = &self.allocations[&client];
        allocation.relay_toward(from.ip(), self.now) == Some(relay)
            && allocation.is_permitted(from.ip(), self.now)
            && self.policy.route(from).is_some()
    }

    /// The longest payload that fits behind the header it gets.
    fn longest(&self, client: usize, from: SocketAddr) -> usize {
        match self.allocations[&client].channel_of(from, self.now) {
            Some(_) => 65_535,
            None if from.is_ipv4() => 65_516,
            None => 65_504,
        }
    }

    fn check_header(&self, client: usize, from: SocketAddr, len: usize, header: &[u8], pad: u8) {
        let mut bytes = header.to_vec();
        bytes.resize(header.len() + len + usize::from(pad), 0);
        if let Some(number) = self.allocations[&client].channel_of(from, self.now) {
            assert_eq!(header, [number.to_be_bytes(), (len as u16).to_be_bytes()].concat());
            let stream = client >= 4;
            assert_eq!(usize::from(pad), if stream { padding(len) } else { 0 });
        } else {
            let message = Message::parse(&bytes).expect("header, payload and padding are a message");
            assert_eq!((message.class(), message.method()), (Class::Indication, Method::Data));
            assert_eq!(message.xor_peer_address(), Ok(Some(from)));
            assert_eq!(message.data().map(|data| data.map(<[u8]>::len)), Ok(Some(len)));
        }
    }

    pub(super) fn icmp(&mut self, input: &mut Input<'_>) {
        let (client, from) = (input.below(CLIENTS), peer(input.below(PEERS)));
        let icmp = Icmp { typ: input.below(13) as u8, code: input.u8(), data: input.u32() };
        let Some(allocation) = self.allocations.get(&client) else { return };
        let Some(relay) = allocation.relays[family(from.ip())].and_then(|relay| relay.id) else { return };
        let errors: &[u8] = if from.is_ipv4() { &[3, 11] } else { &[1, 2, 3] };
        let heard = allocation.is_live() && errors.contains(&icmp.typ) && self.hears_of(client, from, self.now);
        let now = self.clock();
        self.servers[client % 2].handle_icmp(&self.policy, now, relay, from, icmp);
        self.drain(client % 2);
        if heard {
            self.expected.push((self.client(client), Method::Data, 0));
            let (_, bytes) = self.sent.last().expect("the client hears of it");
            let message = Message::parse(bytes).expect("a message");
            assert_eq!((message.xor_peer_address(), message.icmp()), (Ok(Some(from)), Ok(Some(icmp))));
        }
    }

    fn hears_of(&self, client: usize, from: SocketAddr, now: Seconds) -> bool {
        self.allocations[&client].is_permitted(from.ip(), now) && self.policy.route(from).is_some()
    }
}
