//! Reserved relayed addresses, and the mail by which another worker's client comes to one (RFC 8656 §7.2, RESERVATION-TOKEN).

use core::time::Duration;
use std::{collections::VecDeque, net::SocketAddr};

use rand_core::Rng;
use turn_auth::UserId;

use super::{
    RelayOwner, Server,
    allocation::AllocationId,
    answer::{Done, Failure},
};
use crate::{
    action::Effect,
    limits::Permit,
    mail::{Letter, Mail},
    types::{Instant, Now, RelayId, StreamId, WorkerId},
};

/// RFC 8656 §7.2: a reservation lasts this long.
const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// Reserved addresses, oldest first: all live equally long.
#[derive(Default)]
pub(super) struct Reservations {
    kept: VecDeque<Reservation>,
    /// Sockets that are being opened together with an allocation's own.
    awaited: Vec<(AllocationId, RelayId, Permit)>,
}

struct Reservation {
    token: [u8; 8],
    /// Only who reserved it may redeem it: a stolen token is worth nothing to another user.
    user: UserId,
    relay: RelayId,
    addr: SocketAddr,
    expires: Instant,
    /// A reservation counts as an allocation, and whoever redeems it takes its place over.
    permit: Permit,
}

impl Reservations {
    pub(super) fn await_pair(&mut self, id: AllocationId, pair: RelayId, permit: Permit) {
        self.awaited.push((id, pair, permit));
    }

    fn take_awaited(&mut self, id: AllocationId) -> Option<(RelayId, Permit)> {
        let at = self.awaited.iter().position(|(awaited, ..)| *awaited == id)?;
        let (_, pair, permit) = self.awaited.swap_remove(at);
        Some((pair, permit))
    }

    fn take(&mut self, token: &[u8; 8], user: &UserId) -> Option<Reservation> {
        let at = self.kept.iter().position(|kept| kept.token == *token && kept.user == *user)?;
        self.kept.remove(at)
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.kept.front().map(|kept| kept.expires)
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.awaited.len()
    }
}

impl Server {
    /// Takes a mail that another worker's server posted; `stream` is this worker's name for the stream that came along. What is
    /// returned are the ids under which the caller registers the sockets that came along, in their order; one without an id is to be
    /// closed.
    pub fn handle_mail(&mut self, now: Now, mail: Mail, stream: Option<StreamId>) -> [Option<RelayId>; 2] {
        match mail.0 {
            Letter::Redeem { from, request, token, user } => {
                let found = self.reservations.take(&token, &user);
                let (grant, socket) =
                    found.map_or((None, None), |kept| (Some((kept.addr, kept.permit)), Some(kept.relay)));
                if let Some(relay) = socket {
                    // No CloseRelay: the socket moves out.
                    self.relays.remove(relay.index() as u32, relay.generation());
                }
                let mail = Mail(Letter::Redeemed { request, grant });
                self.effects.push_back(Effect::Post { to: from, mail, sockets: [socket, None], stream: None });
                [None; 2]
            }
            Letter::Bind(bind) => {
                self.bind_by_mail(&bind, stream);
                [None; 2]
            }
            Letter::Redeemed { request, grant } => [self.redeemed(now.mono, request, grant), None],
        }
    }

    /// Makes the socket beside an allocation's own a reservation with a token.
    pub(super) fn keep_reservation(&mut self, id: AllocationId, now: Instant, addr: SocketAddr) {
        let Some((relay, permit)) = self.reservations.take_awaited(id) else {
            return;
        };
        let mut token = [0; 8];
        self.rng.fill_bytes(&mut token);
        // The first two bytes name the worker; the other 48 bits are a secret that only one user can use, and only for 30 seconds.
        token[..2].copy_from_slice(&self.worker.0.to_be_bytes());
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return;
        };
        allocation.token = Some(token);
        let user = allocation.credential.user_id().clone();
        let expires = now + RESERVATION_LIFETIME;
        self.reservations.kept.push_back(Reservation { token, user, relay, addr, expires, permit });
    }

    /// Forgets the second socket of an allocation that could not be opened.
    pub(super) fn drop_awaited_pair(&mut self, id: AllocationId) {
        if let Some((pair, _)) = self.reservations.take_awaited(id) {
            self.relays.remove(pair.index() as u32, pair.generation());
        }
    }

    pub(super) fn expire_reservations(&mut self, now: Instant) {
        while self.reservations.next_expiry().is_some_and(|expiry| expiry <= now) {
            if let Some(kept) = self.reservations.kept.pop_front() {
                self.close_relay(kept.relay);
            }
        }
    }

    /// Gives a new allocation the address that its token stands for: here and now, or by mail.
    pub(super) fn redeem(&mut self, id: AllocationId, now: Instant, token: [u8; 8]) -> Result<Done, Failure> {
        let Some(allocation) = self.allocations.get(id.0, id.1) else {
            return Err(Failure::Code(508));
        };
        let user = allocation.credential.user_id().clone();
        let owner = WorkerId(u16::from_be_bytes([token[0], token[1]]));
        if owner != self.worker {
            // The position waits for the socket; the timer bounds how long.
            let request = self.new_relay(RelayOwner::Allocation(id));
            self.await_mail(id, now, request);
            let mail = Mail(Letter::Redeem { from: self.worker, request, token, user });
            self.effects.push_back(Effect::Post { to: owner, mail, sockets: [None; 2], stream: None });
            return Ok(Done::Pending);
        }
        match self.reservations.take(&token, &user) {
            Some(kept) => self.own(id, now, kept.relay, (kept.addr, kept.permit)),
            None => self.fail_opening(id, 508),
        }
        Ok(Done::Pending)
    }

    fn redeemed(&mut self, now: Instant, request: RelayId, grant: Option<(SocketAddr, Permit)>) -> Option<RelayId> {
        let owner = self.relays.get(request.index() as u32, request.generation()).copied();
        let Some(RelayOwner::Allocation(id)) = owner else {
            return None;
        };
        let Some(grant) = grant else {
            self.fail_opening(id, 508);
            return None;
        };
        self.own(id, now, request, grant);
        Some(request)
    }
}
