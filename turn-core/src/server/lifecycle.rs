//! How allocations end, expire and are revisited when the policy changes.

use smallvec::SmallVec;
use stun_codec::AddressFamily;

use super::{
    RelayOwner, Server,
    allocation::{self, Allocation, AllocationId, FAMILIES, Transport, family_index},
};
use crate::{
    action::{Binding, Effect, EndReason, Report},
    policy::Policy,
    types::{ClientId, Instant, Now, RelayId},
};

/// How many allocations one slice of revisiting covers: each costs well under a microsecond per permission or channel.
const REVISIT_SLICE: u32 = 256;

impl Server {
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
        let found = self.clients.get(client);
        found.is_some_and(|id| self.end(id, now.mono, EndReason::Ended))
    }

    /// Tells that a client's stream is gone; its allocation ends.
    pub fn stream_closed(&mut self, client: &ClientId, now: Now) {
        if let Some(id) = self.clients.get(client) {
            self.end(id, now.mono, EndReason::StreamClosed);
        }
    }

    fn revisit_slice<P: Policy>(&mut self, policy: &P) {
        let Some(start) = self.revisit else { return };
        let end = start.saturating_add(REVISIT_SLICE);
        for index in start..end.min(self.allocations.positions() as u32) {
            let Some((generation, allocation)) = self.allocations.at_mut(index) else {
                continue;
            };
            let (client, relays) = (allocation.client, allocation.relays);
            let effects = &mut self.effects;
            let mut revoked = allocation.revisit(policy, |channel, peer| {
                effects.extend(binding(client, &relays, channel, peer).map(Effect::BindingDown));
            });
            let user = allocation.credential.user_id().clone();
            if allocation.transport == Transport::Tcp {
                revoked += self.revoke_connections(policy, (index, generation), client.listener());
            }
            if revoked > 0 {
                self.effects.push_back(Effect::Report(Report::Revoked { user, client, entries: revoked }));
            }
        }
        self.revisit = if (end as usize) < self.allocations.positions() { Some(end) } else { None };
    }

    /// Ends an allocation: its sockets, channels, timers and quota.
    pub(super) fn end(&mut self, id: AllocationId, now: Instant, reason: EndReason) -> bool {
        self.close_connections(id);
        let Some(allocation) = self.allocations.remove(id.0, id.1) else {
            return false;
        };
        self.clients.remove(&allocation.client);
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
    pub(super) fn release_relays(&mut self, id: AllocationId, allocation: &Allocation) {
        self.drop_awaited_pair(id);
        for relay in allocation.relays.iter().flatten() {
            match relay.addr {
                Some(_) => self.close_relay(relay.id),
                None => drop(self.relays.remove(relay.id.index() as u32, relay.id.generation())),
            }
        }
    }

    /// Closes the relayed address of this family, while the allocation lives on with the other; its channels go down.
    pub(super) fn close_family(&mut self, id: AllocationId, family: AddressFamily) {
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

    pub(super) fn close_relay(&mut self, relay: RelayId) {
        if self.relays.remove(relay.index() as u32, relay.generation()).is_some() {
            self.effects.push_back(Effect::CloseRelay(relay));
        }
    }

    pub(super) fn new_relay(&mut self, owner: RelayOwner) -> RelayId {
        let (index, generation) = self.relays.insert_with(|_, _| owner);
        RelayId::new(index, generation)
    }

    /// Makes sure that the timer heap knows the allocation's next deadline. A refresh only moves it later, which costs nothing here.
    pub(super) fn arm(&mut self, id: AllocationId) {
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

pub(super) fn binding(
    client: ClientId,
    relays: &[Option<allocation::Relay>; 2],
    channel: u16,
    peer: core::net::SocketAddr,
) -> Option<Binding> {
    let relay = relays[family_index(allocation::family_of(peer.ip()))]?;
    Some(Binding { client, channel, relay: relay.id, peer })
}
