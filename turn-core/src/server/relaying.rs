//! The packet path: client to peer, peer to client, and what ICMP says of it. Nothing here allocates, save for ICMP.

use std::net::SocketAddr;

use rand_core::Rng;
use stun_codec::{
    AttributeType, ChannelData, ChannelNumber, Class, Icmp, Message, MessageWriter, Method, TransactionId,
    channel_data_header, data_indication_header, padding,
};

use super::{
    RelayOwner, Server,
    allocation::{Allocation, AllocationId, Transport, family_of},
    answer::unknown_required,
};
use crate::{
    action::{DropReason, Effect, Header, PeerAction, ToClient, ToPeer},
    policy::Policy,
    types::{ClientId, Instant, Now, RelayId, canonical},
};

impl Server {
    /// Takes one datagram from a peer: `len` bytes that arrived at a relayed address (RFC 8656 §11.3, §12.7).
    #[inline]
    pub fn handle_peer<P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        relay: RelayId,
        peer: SocketAddr,
        len: usize,
    ) -> PeerAction {
        match self.peer_to_client(policy, now.mono, relay, canonical(peer), len) {
            Ok(to_client) => PeerAction::ToClient(to_client),
            Err(reason) => PeerAction::Drop(reason),
        }
    }

    /// Tells what an ICMP error says of a datagram that left through a relayed address (RFC 8656 §11.5). The client hears of it if
    /// it has a permission for that peer.
    pub fn handle_icmp<P: Policy>(&mut self, policy: &P, now: Now, relay: RelayId, peer: SocketAddr, icmp: Icmp) {
        let peer = canonical(peer);
        let relevant = match peer {
            SocketAddr::V4(_) => matches!(icmp.typ, 3 | 11),
            SocketAddr::V6(_) => matches!(icmp.typ, 1..=3),
        };
        let transaction = self.transaction_id();
        let Ok(allocation) = self.relaying(relay) else { return };
        if !relevant || allocation.permitted(policy, now.mono, peer).is_err() {
            return;
        }
        let client = allocation.client;
        let mut bytes = [0; 64];
        let mut writer = MessageWriter::new(&mut bytes, Class::Indication, Method::Data, transaction);
        writer.xor_peer_address(peer).icmp(icmp);
        if let Ok(len) = writer.finish() {
            self.effects.push_back(Effect::Transmit { client, bytes: bytes[..len].into() });
        }
    }

    /// ChannelData from a client (RFC 8656 §12.6). The binding is what allows it: the policy was asked when it was bound and is asked
    /// again when it changes, while the permission, which lives for half as long, governs the way back.
    #[inline]
    pub(super) fn channel_data<'d, P: Policy>(
        &mut self,
        policy: &P,
        now: Instant,
        client: &ClientId,
        datagram: &'d [u8],
    ) -> Result<ToPeer<'d>, DropReason> {
        let channel = ChannelData::parse(datagram).map_err(|_| DropReason::MalformedChannelData)?;
        let allocation = self.allocation_of(client)?;
        let (relay, peer) = allocation.channel_to_peer(policy, now, channel.number.get())?;
        allocation.traffic.packets_to_peer += 1;
        allocation.traffic.bytes_to_peer += channel.data.len() as u64;
        Ok(ToPeer { relay, peer, dont_fragment: false, payload: channel.data })
    }

    /// A Send indication (RFC 8656 §11.2).
    pub(super) fn send_indication<'d, P: Policy>(
        &mut self,
        policy: &P,
        now: Instant,
        client: &ClientId,
        message: &Message<'d>,
    ) -> Result<ToPeer<'d>, DropReason> {
        let allocation = self.allocation_of(client)?;
        let (Ok(Some(peer)), Some(payload)) = (message.xor_peer_address(), message.attribute(AttributeType::DATA))
        else {
            return Err(DropReason::BadIndication);
        };
        if !unknown_required(message).is_empty() {
            return Err(DropReason::BadIndication);
        }
        if allocation.transport != Transport::Udp {
            return Err(DropReason::BadIndication);
        }
        let peer = allocation.permitted(policy, now, canonical(peer))?;
        let relay = allocation.live_relay(family_of(peer.addr().ip()), now)?;
        allocation.traffic.packets_to_peer += 1;
        allocation.traffic.bytes_to_peer += payload.len() as u64;
        Ok(ToPeer { relay, peer, dont_fragment: message.has(AttributeType::DONT_FRAGMENT), payload })
    }

    #[inline]
    fn peer_to_client<P: Policy>(
        &mut self,
        policy: &P,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        len: usize,
    ) -> Result<ToClient, DropReason> {
        // A Data indication has room for 65,535 bytes less its own attributes; no UDP datagram is longer than 65,507.
        let short = u16::try_from(len).map_err(|_| DropReason::TooLong)?;
        let allocation = self.relaying(relay)?;
        // A socket that takes both families must not let a peer in under an address that its client was never told.
        if allocation.live_relay(family_of(peer.ip()), now)? != relay {
            return Err(DropReason::WrongFamily);
        }
        let channel = allocation.peer_to_channel(policy, now, peer).transpose()?;
        if channel.is_none() {
            allocation.permitted(policy, now, peer)?;
        }
        let client = allocation.client;
        if let Some(number) = channel.and_then(ChannelNumber::new) {
            allocation.traffic.count_to_client(len);
            let pad = if client.is_stream() { padding(len) as u8 } else { 0 };
            return Ok(ToClient { client, header: Header::channel(channel_data_header(number, short)), pad });
        }
        let transaction = self.transaction_id();
        let header = Header::indication(|out| data_indication_header(transaction, peer, short, out))
            .ok_or(DropReason::TooLong)?;
        self.relaying(relay)?.traffic.count_to_client(len);
        Ok(ToClient { client, header, pad: padding(len) as u8 })
    }

    #[inline]
    fn allocation_of(&mut self, client: &ClientId) -> Result<&mut Allocation, DropReason> {
        let id = self.clients.get(client).ok_or(DropReason::NoAllocation)?;
        let allocation = self.allocations.get_mut(id.0, id.1);
        allocation.filter(|allocation| allocation.is_live()).ok_or(DropReason::NoAllocation)
    }

    #[inline]
    fn relaying(&mut self, relay: RelayId) -> Result<&mut Allocation, DropReason> {
        let id = self.owner_of(relay).ok_or(DropReason::NoRelay)?;
        let allocation = self.allocations.get_mut(id.0, id.1);
        allocation.filter(|allocation| allocation.is_live()).ok_or(DropReason::NoRelay)
    }

    /// The allocation that a relayed address belongs to.
    #[inline]
    pub(super) fn owner_of(&self, relay: RelayId) -> Option<AllocationId> {
        match self.relays.get(relay.index() as u32, relay.generation())? {
            RelayOwner::Allocation(id) => Some(*id),
            RelayOwner::Reservation => None,
        }
    }

    pub(super) fn transaction_id(&mut self) -> TransactionId {
        let mut id = [0; 12];
        self.rng.fill_bytes(&mut id);
        TransactionId(id)
    }
}
