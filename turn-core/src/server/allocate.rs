//! Allocate (RFC 8656 §7): from the request to open sockets to the answer.

use core::time::Duration;
use std::net::SocketAddr;

use stun_codec::{AddressFamily, AttributeType, Class, Message, MessageWriter};
use turn_auth::Verified;

use super::{
    RelayOwner, Request, Server,
    allocation::{Allocation, AllocationId, Relay, Start, Transport, family_index, family_of},
    answer::{Done, Failure, reason_phrase},
    recent::Outcome,
};
use crate::{
    action::{Effect, OpenError, OpenRelay, Opened, Report},
    limits::Permit,
    policy::{Admission, Policy},
    types::{ClientId, Instant, Now, RelayId},
};

/// RFC 8656 §3.2: the time-to-expiry of an allocation whose client asks for none, and the least that one gets.
pub(super) const DEFAULT_LIFETIME: u32 = 600;
/// The longest time-to-expiry: RFC 8656 §7.2 recommends no more than an hour.
pub(super) const MAX_LIFETIME: u32 = 3600;
/// How long the opener of sockets may take; it bounds what a lost mail between workers costs.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// REQUESTED-TRANSPORT holds a protocol number.
const UDP: u8 = 17;
const TCP: u8 = 6;

/// What a client asks its relayed addresses to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    One {
        family: AddressFamily,
        even: bool,
        reserve: bool,
    },
    /// ADDITIONAL-ADDRESS-FAMILY: one of each (RFC 8656 §7.1).
    Both {
        even: bool,
    },
    Reserved([u8; 8]),
}

impl Server {
    pub(super) fn allocate<P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        request: &Request<'_>,
        verified: &Verified,
    ) -> Result<Done, Failure> {
        if let Some(existing) = self.existing(request) {
            return existing;
        }
        if let Some(Outcome::Failed(code)) = self.recent.get(&request.key, &request.asked.transaction) {
            return Err(Failure::Code(code));
        }
        let message = request.message;
        let transport = match message.requested_transport()? {
            Some(UDP) => Transport::Udp,
            Some(TCP) if policy.relays_streams(request.client.listener()) => Transport::Tcp,
            Some(_) => return Err(Failure::Code(442)),
            None => return Err(Failure::Code(400)),
        };
        if transport == Transport::Tcp && !may_relay_streams(request.client, message) {
            return Err(Failure::Code(400));
        }
        let wanted =
            wanted(message, |family| policy.relays(request.client.listener(), request.client.local().ip(), family))?;
        let lifetime = lifetime(message.lifetime()?);
        match policy.admission(request.client) {
            Admission::Open => (),
            Admission::Refused => return Err(Failure::Code(508)),
            Admission::Redirected(server) => return Err(Failure::Alternate(server)),
        }
        // A reservation was counted when it was made, and its place comes with it.
        let permit = match wanted {
            Wanted::Reserved(_) => None,
            _ => Some(self.reserve(policy, request, verified)?),
        };
        let pair_permit = match wanted {
            Wanted::One { reserve: true, .. } => Some(self.reserve(policy, request, verified)?),
            _ => None,
        };
        let start = Start {
            client: *request.client,
            transport,
            credential: verified.credential.clone(),
            relays: [None; 2],
            asked: request.asked,
            lifetime,
            opening: 0,
            now: now.mono,
            permit,
        };
        let id = self.allocations.insert_with(|_, _| Allocation::new(start));
        self.clients.insert(request.client, id);
        match wanted {
            Wanted::One { family, even, .. } => self.open(id, now.mono, family, even, pair_permit),
            Wanted::Both { even } => {
                self.open(id, now.mono, AddressFamily::V4, even, None);
                self.open(id, now.mono, AddressFamily::V6, even, None);
            }
            Wanted::Reserved(token) => return self.redeem(id, now.mono, token),
        }
        self.arm(id);
        Ok(Done::Pending)
    }

    /// Tells how opening a socket ended that an [`Effect::OpenRelay`] asked for. The late reply to the client is an effect.
    pub fn relay_opened(&mut self, now: Now, relay: RelayId, result: Result<Opened, OpenError>) {
        let owner = self.relays.get(relay.index() as u32, relay.generation()).copied();
        let Some(RelayOwner::Allocation(id)) = owner else {
            // Nobody waits for it any more.
            if let Ok(opened) = result {
                let pair = opened.pair.map(|(pair, _)| pair);
                self.effects.extend([Some(relay), pair].into_iter().flatten().map(Effect::CloseRelay));
            }
            return;
        };
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return;
        };
        let slot = allocation.relays.iter_mut().find(|slot| slot.is_some_and(|slot| slot.id == relay));
        let Some(slot) = slot else { return };
        match result {
            Ok(opened) => {
                if let Some(slot) = slot {
                    slot.addr = Some(opened.addr);
                }
                allocation.opening = allocation.opening.saturating_sub(1);
                if let Some((_, addr)) = opened.pair {
                    self.keep_reservation(id, now.mono, addr);
                }
            }
            Err(error) => {
                let family = if allocation.relays[0].is_some_and(|slot| slot.id == relay) {
                    AddressFamily::V4
                } else {
                    AddressFamily::V6
                };
                let code = if error == OpenError::Family { 440 } else { 508 };
                self.opening_failed(id, relay, family, code);
            }
        }
        self.finish_opening(id, now.mono);
    }

    /// Counts one more allocation of the user.
    fn reserve<P: Policy>(
        &mut self,
        policy: &P,
        request: &Request<'_>,
        verified: &Verified,
    ) -> Result<Permit, Failure> {
        let user = verified.credential.user_id();
        policy.reserve(user, request.client.address().ip()).map_err(|limit| {
            let report = Report::LimitReached { user: user.clone(), client: *request.client, limit };
            self.effects.push_back(Effect::Report(report));
            Failure::Code(486)
        })
    }

    /// An allocation that is there already: the same transaction gets the same answer, another one 437.
    fn existing(&self, request: &Request<'_>) -> Option<Result<Done, Failure>> {
        let id = request.id?;
        let allocation = self.allocations.get(id.0, id.1)?;
        Some(if allocation.asked.transaction != request.asked.transaction {
            Err(Failure::Code(437))
        } else if allocation.is_live() {
            Ok(Done::Allocated(id))
        } else {
            Err(Failure::Silent(crate::DropReason::Retransmission))
        })
    }

    fn open(&mut self, id: AllocationId, now: Instant, family: AddressFamily, even: bool, pair_permit: Option<Permit>) {
        let relay = self.new_relay(RelayOwner::Allocation(id));
        let pair = pair_permit.map(|permit| {
            let pair = self.new_relay(RelayOwner::Reservation);
            self.reservations.await_pair(id, pair, permit);
            pair
        });
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return;
        };
        allocation.relays[family_index(family)] = Some(Relay { id: relay, addr: None, expires: now + OPEN_TIMEOUT });
        allocation.opening += 1;
        let (listener, local) = (allocation.client.listener(), allocation.client.local().ip());
        let open = OpenRelay { relay, listener, local, family, even, pair };
        self.effects.push_back(match allocation.transport {
            Transport::Udp => Effect::OpenRelay(open),
            Transport::Tcp => Effect::ListenTcp(open),
        });
    }

    fn opening_failed(&mut self, id: AllocationId, relay: RelayId, family: AddressFamily, code: u16) {
        self.relays.remove(relay.index() as u32, relay.generation());
        self.drop_awaited_pair(id);
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return;
        };
        allocation.relays[family_index(family)] = None;
        allocation.opening = allocation.opening.saturating_sub(1);
        // RFC 8656 §7.2: with two families one may fail, and the answer says which and why.
        allocation.family_error = Some((family, code));
    }

    /// Once nothing is awaited any more: the allocation lives, or fails with what its last family failed with.
    pub(super) fn finish_opening(&mut self, id: AllocationId, now: Instant) {
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return;
        };
        if allocation.opening > 0 {
            return;
        }
        if allocation.relays.iter().flatten().next().is_none() {
            let code = allocation.family_error.map_or(508, |(_, code)| code);
            self.fail_opening(id, code);
            return;
        }
        let expires = now + Duration::from_secs(allocation.lifetime.into());
        for relay in allocation.relays.iter_mut().flatten() {
            relay.expires = expires;
        }
        let (user, client, relayed) =
            (allocation.credential.user_id().clone(), allocation.client, allocation.relayed());
        self.transmit(id, Class::Success, describe);
        self.effects.push_back(Effect::Report(Report::AllocationOpened { user, client, relayed }));
        self.arm(id);
    }

    /// Answers the Allocate that nothing came of, and forgets it.
    pub(super) fn fail_opening(&mut self, id: AllocationId, code: u16) {
        self.transmit(id, Class::Error, |_, w| {
            w.error_code(code, reason_phrase(code));
        });
        let Some(allocation) = self.allocations.remove(id.0, id.1) else {
            return;
        };
        let key = allocation.client.key();
        self.clients.remove(&allocation.client);
        self.recent.put(key, allocation.asked.transaction, Outcome::Failed(code));
        self.release_relays(id, &allocation);
    }

    /// Sends the late answer to an allocation's Allocate request.
    fn transmit(&mut self, id: AllocationId, class: Class, body: impl FnOnce(&Allocation, &mut MessageWriter<'_>)) {
        let Some(allocation) = self.allocations.get(id.0, id.1) else {
            return;
        };
        let mut out = [0; 512];
        let written = allocation.asked.write(class, Some(&allocation.credential), &mut out, |w| body(allocation, w));
        if let Ok(bytes) = written {
            self.effects.push_back(Effect::Transmit { client: allocation.client, bytes: bytes.into() });
        }
    }

    /// Lets an allocation wait for a socket that comes by mail and whose family is not known yet.
    pub(super) fn await_mail(&mut self, id: AllocationId, now: Instant, request: RelayId) {
        if let Some(allocation) = self.allocations.get_mut(id.0, id.1) {
            allocation.opening = 1;
            allocation.relays[0] = Some(Relay { id: request, addr: None, expires: now + OPEN_TIMEOUT });
        }
        self.arm(id);
    }

    /// Gives an open socket to an allocation that waited for it.
    pub(super) fn own(&mut self, id: AllocationId, now: Instant, relay: RelayId, (addr, permit): (SocketAddr, Permit)) {
        if let Some(owner) = self.relays.get_mut(relay.index() as u32, relay.generation()) {
            *owner = RelayOwner::Allocation(id);
        }
        if let Some(allocation) = self.allocations.get_mut(id.0, id.1) {
            allocation.opening = 0;
            allocation.permit = Some(permit);
            allocation.relays = [None; 2];
            allocation.relays[family_index(family_of(addr.ip()))] =
                Some(Relay { id: relay, addr: Some(addr), expires: now });
        }
        self.finish_opening(id, now);
    }
}

/// What a successful Allocate answer says (RFC 8656 §7.2).
pub(super) fn describe(allocation: &Allocation, w: &mut MessageWriter<'_>) {
    for addr in allocation.relayed().into_iter().flatten() {
        w.xor_relayed_address(addr);
    }
    w.lifetime(allocation.lifetime);
    if let Some(token) = allocation.token {
        w.reservation_token(&token);
    }
    w.xor_mapped_address(allocation.client.address());
    if let Some((family, code)) = allocation.family_error {
        w.address_error_code(family, code);
    }
}

/// RFC 8656 §7.2: what the client wants, but no more than an hour and no less than the default.
pub(super) fn lifetime(asked: Option<u32>) -> u32 {
    asked.map_or(DEFAULT_LIFETIME, |seconds| seconds.clamp(DEFAULT_LIFETIME, MAX_LIFETIME))
}

/// RFC 6062 §5.1: connections are relayed only for a client that is connected itself, and none of these go with them.
fn may_relay_streams(client: &ClientId, message: &Message<'_>) -> bool {
    let barred = [AttributeType::DONT_FRAGMENT, AttributeType::EVEN_PORT, AttributeType::RESERVATION_TOKEN];
    client.is_stream() && !barred.iter().any(|barred| message.has(*barred))
}

/// ADDITIONAL-ADDRESS-FAMILY had this number in the drafts of RFC 8656, and has it in the clients of coturn 4.6, as Debian ships them.
/// They count on being heard: one that then gives a family back that it does not have would end its call.
const DRAFT_ADDITIONAL_ADDRESS_FAMILY: AttributeType = AttributeType(0x8032);

/// ADDITIONAL-ADDRESS-FAMILY, if it is there; an error if it names no family.
fn additional_family(message: &Message<'_>) -> Option<Result<AddressFamily, ()>> {
    let numbers = [AttributeType::ADDITIONAL_ADDRESS_FAMILY, DRAFT_ADDITIONAL_ADDRESS_FAMILY];
    let value = numbers.into_iter().find_map(|number| message.attribute(number))?;
    Some(match value {
        [family, _, _, _] => AddressFamily::from_u8(*family).ok_or(()),
        _ => Err(()),
    })
}

/// Reads which relayed addresses are wanted (RFC 8656 §7.2, steps 4 to 8).
fn wanted(message: &Message<'_>, relays: impl Fn(AddressFamily) -> bool) -> Result<Wanted, Failure> {
    let even = message.even_port()?;
    let requested = message.has(AttributeType::REQUESTED_ADDRESS_FAMILY);
    let additional = additional_family(message);
    if let Some(token) = message.reservation_token()? {
        let alone = even.is_none() && !requested && additional.is_none();
        return if alone { Ok(Wanted::Reserved(token)) } else { Err(Failure::Code(400)) };
    }
    if let Some(family) = additional {
        // Only IPv6 can be additional, and a reservation cannot be of two families.
        let possible = family == Ok(AddressFamily::V6) && !requested && even != Some(true);
        return if possible { Ok(Wanted::Both { even: even.is_some() }) } else { Err(Failure::Code(400)) };
    }
    let family = if requested {
        // An unknown family is not malformed but unsupported.
        message.requested_address_family().ok().flatten().ok_or(Failure::Code(440))?
    } else if relays(AddressFamily::V4) {
        AddressFamily::V4
    } else {
        // RFC 8656 would have 440 here; browsers cannot ask for a family, so a gateway without IPv4 serves them what it has.
        AddressFamily::V6
    };
    if !relays(family) {
        return Err(Failure::Code(440));
    }
    Ok(Wanted::One { family, even: even.is_some(), reserve: even == Some(true) })
}
