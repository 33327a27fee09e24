//! Refresh, CreatePermission and ChannelBind (RFC 8656 §8, §10, §12).

use core::time::Duration;
use std::net::SocketAddr;

use stun_codec::{AddressFamily, AttributeType};

use super::{
    Request, Server,
    allocate::lifetime,
    allocation::{AllocationId, Bound, FAMILIES, Transport, family_index, family_of},
    answer::{Done, Failure, Hosts},
    lifecycle::binding,
    recent::Outcome,
};
use crate::{
    action::{Effect, EndReason, Report},
    policy::{AdmittedPeer, Policy},
    types::{Now, canonical},
};

/// RFC 8656 §12: the last channel number of the RFC's own range. RFC 5766's goes to 0x7FFF.
const LAST_STRICT_CHANNEL: u16 = 0x4FFF;

impl Server {
    pub(super) fn refresh(&mut self, now: Now, id: AllocationId, request: &Request<'_>) -> Result<Done, Failure> {
        let message = request.message;
        let asked = message.lifetime()?;
        let family = if message.has(AttributeType::REQUESTED_ADDRESS_FAMILY) {
            // An unknown family is none that this allocation has.
            Some(message.requested_address_family().ok().flatten().ok_or(Failure::Code(443))?)
        } else {
            None
        };
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return Err(Failure::Code(437));
        };
        if family.is_some_and(|family| !allocation.relays_family(family)) {
            return Err(Failure::Code(443));
        }
        let concerned = |f: AddressFamily| family.is_none_or(|family| family == f);
        if asked == Some(0) {
            self.delete(now, id, request, concerned);
            return Ok(Done::Lifetime(0));
        }
        let seconds = lifetime(asked);
        let expires = now.mono + Duration::from_secs(seconds.into());
        for f in FAMILIES.into_iter().filter(|f| concerned(*f)) {
            if let Some(relay) = &mut allocation.relays[family_index(f)] {
                relay.expires = expires;
            }
        }
        self.arm(id);
        Ok(Done::Lifetime(seconds))
    }

    /// Gives up the relayed addresses of these families; with the last one the allocation ends.
    fn delete(&mut self, now: Now, id: AllocationId, request: &Request<'_>, concerned: impl Fn(AddressFamily) -> bool) {
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return;
        };
        let kept = |f: AddressFamily| allocation.relays_family(f) && !concerned(f);
        if !kept(AddressFamily::V4) && !kept(AddressFamily::V6) {
            self.recent.put(request.key, request.asked.transaction, Outcome::Deleted);
            self.end(id, now.mono, EndReason::Deleted);
            return;
        }
        for family in FAMILIES.into_iter().filter(|f| concerned(*f)) {
            self.close_family(id, family);
        }
    }

    /// RFC 8656 §10.2: all peers or none.
    pub(super) fn create_permission<P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        id: AllocationId,
        request: &Request<'_>,
    ) -> Result<Done, Failure> {
        let mut hosts = Hosts::new();
        for peer in request.message.xor_peer_addresses() {
            let host = canonical(peer?).ip();
            if !hosts.contains(&host) {
                hosts.push(host);
            }
            // The cap is checked below as well; this keeps a long list of a 64 kB frame from being compared with itself.
            if hosts.len() > policy.limits().permissions {
                return Err(Failure::Code(508));
            }
        }
        if hosts.is_empty() {
            return Err(Failure::Code(400));
        }
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return Err(Failure::Code(437));
        };
        if hosts.iter().any(|host| !allocation.relays_family(family_of(*host))) {
            return Err(Failure::Code(443));
        }
        let listener = allocation.listener();
        if let Some(host) = hosts.iter().find(|host| policy.admits_host(listener, **host).is_none()) {
            let peer = SocketAddr::new(*host, 0);
            return Err(self.refused(id, request, peer));
        }
        if !allocation.has_room_for(now.mono, &hosts, policy.limits().permissions) {
            return Err(Failure::Code(508));
        }
        for host in &hosts {
            allocation.permit(now.mono, *host, policy.version());
        }
        Ok(Done::Empty)
    }

    pub(super) fn channel_bind<P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        id: AllocationId,
        request: &Request<'_>,
    ) -> Result<Done, Failure> {
        let message = request.message;
        let number = message.channel_number()?.ok_or(Failure::Code(400))?.get();
        let peer = canonical(message.xor_peer_address()?.ok_or(Failure::Code(400))?);
        if policy.limits().strict_channel_numbers && number > LAST_STRICT_CHANNEL {
            return Err(Failure::Code(400));
        }
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return Err(Failure::Code(437));
        };
        if !allocation.relays_family(family_of(peer.ip())) {
            return Err(Failure::Code(443));
        }
        if allocation.transport != Transport::Udp {
            return Err(Failure::Code(400));
        }
        let Some(admitted) = AdmittedPeer::check(policy, allocation.listener(), peer) else {
            return Err(self.refused(id, request, peer));
        };
        let limits = policy.limits();
        if !allocation.has_room_for(now.mono, &[peer.ip()], limits.permissions) {
            return Err(Failure::Code(508));
        }
        match allocation.bind(now.mono, number, admitted, policy.version(), limits.channels) {
            Bound::Conflict => return Err(Failure::Code(400)),
            Bound::Full => return Err(Failure::Code(508)),
            Bound::Refreshed => (),
            Bound::New => {
                let up = binding(allocation.client, &allocation.relays, number, peer);
                self.effects.extend(up.map(Effect::BindingUp));
            }
        }
        self.arm(id);
        Ok(Done::Empty)
    }

    pub(super) fn refused(&mut self, id: AllocationId, request: &Request<'_>, peer: SocketAddr) -> Failure {
        if let Some(allocation) = self.allocations.get(id.0, id.1) {
            let user = allocation.credential.user_id().clone();
            let (client, method) = (*request.client, request.asked.method);
            self.effects.push_back(Effect::Report(Report::PeerRefused { user, client, peer, method }));
        }
        Failure::Code(403)
    }
}
