//! What a TURN server must know, kept in the plainest way: lists that are searched, times that are compared.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use stun_codec::AddressFamily;
use turn_core::{RelayId, StreamId, Traffic};

use super::policy::BitPolicy;

/// Seconds since the world began.
pub(super) type Seconds = u64;

const PERMISSION: Seconds = 300;
const CHANNEL: Seconds = 600;
const COOL_DOWN: Seconds = 300;

pub(super) fn family(ip: IpAddr) -> usize {
    usize::from(ip.is_ipv6())
}

/// A client's allocation.
#[derive(Debug)]
pub(super) struct Allocation {
    /// Tells it from others that the client had.
    pub(super) serial: u32,
    pub(super) user: usize,
    pub(super) tcp: bool,
    /// Whether it has a place in the quotas; one that waits for a reservation gets it along with that.
    pub(super) counted: bool,
    pub(super) lifetime: Seconds,
    /// By family. Those that are still being opened have no address.
    pub(super) relays: [Option<Relay>; 2],
    /// Until when something is still to be opened.
    pub(super) opening: Option<Seconds>,
    /// The family that could not be opened, and the code for it.
    pub(super) failed: Option<(AddressFamily, u16)>,
    permissions: BTreeMap<IpAddr, Seconds>,
    channels: BTreeMap<u16, (SocketAddr, Seconds)>,
    pub(super) traffic: Traffic,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Relay {
    /// `None`: it is to come by mail.
    pub(super) id: Option<RelayId>,
    pub(super) addr: Option<SocketAddr>,
    pub(super) expires: Seconds,
}

/// A relayed address that waits for its token.
#[derive(Debug, Clone)]
pub(super) struct Reservation {
    pub(super) worker: usize,
    pub(super) relay: RelayId,
    pub(super) addr: SocketAddr,
    pub(super) user: usize,
    pub(super) expires: Seconds,
    pub(super) token: [u8; 8],
}

/// A TCP connection with a peer (RFC 6062).
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) worker: usize,
    pub(super) id: u32,
    pub(super) client: usize,
    pub(super) peer: SocketAddr,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    Connecting(Seconds),
    Waiting(Seconds),
    Paired { client: StreamId, peer: StreamId },
}

impl Allocation {
    pub(super) fn new(serial: u32, user: usize, tcp: bool, lifetime: Seconds, now: Seconds) -> Self {
        Self {
            serial,
            user,
            tcp,
            counted: true,
            lifetime,
            relays: [None; 2],
            opening: Some(now + 10),
            failed: None,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
            traffic: Traffic::default(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.opening.is_none()
    }

    pub(super) fn has(&self, ip: IpAddr) -> bool {
        self.relays[family(ip)].is_some()
    }

    /// The relayed socket toward such a peer, if it is there and its time is not over.
    pub(super) fn relay_toward(&self, ip: IpAddr, now: Seconds) -> Option<RelayId> {
        let relay = self.relays[family(ip)].filter(|relay| self.is_live() && now < relay.expires)?;
        relay.id
    }

    pub(super) fn is_permitted(&self, host: IpAddr, now: Seconds) -> bool {
        self.permissions.get(&host).is_some_and(|expires| now < *expires)
    }

    pub(super) fn channel(&self, number: u16, now: Seconds) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|(_, expires)| now < *expires).map(|(peer, _)| *peer)
    }

    pub(super) fn channel_of(&self, peer: SocketAddr, now: Seconds) -> Option<u16> {
        self.channels.iter().find(|(_, (of, expires))| *of == peer && now < *expires).map(|(number, _)| *number)
    }

    /// Those that relay: a fast path mirrors them.
    pub(super) fn channels_up(&self, now: Seconds) -> Vec<u16> {
        let up = |peer: &SocketAddr, expires: &Seconds| now < *expires && self.has(peer.ip());
        self.channels.iter().filter(|(_, (peer, expires))| up(peer, expires)).map(|(number, _)| *number).collect()
    }

    /// Whether so many permissions are allowed at a time.
    pub(super) fn has_room(&self, hosts: &[IpAddr], cap: usize, now: Seconds) -> bool {
        let alive = self.permissions.iter().filter(|(_, expires)| now < **expires).map(|(host, _)| host);
        let mut all: Vec<&IpAddr> = alive.chain(hosts).collect();
        all.sort_unstable();
        all.dedup();
        all.len() <= cap
    }

    pub(super) fn permit(&mut self, host: IpAddr, now: Seconds) {
        self.permissions.insert(host, now + PERMISSION);
    }

    /// The code that ChannelBind gets once everything else is in order; 200 binds it.
    pub(super) fn bind(&mut self, number: u16, peer: SocketAddr, cap: usize, now: Seconds) -> u16 {
        self.channels.retain(|_, (_, expires)| now < *expires + COOL_DOWN);
        let known = self.channels.get(&number).map(|(peer, _)| *peer);
        let bound_otherwise = self.channels.iter().any(|(other, (of, _))| *of == peer && *other != number);
        if bound_otherwise || known.is_some_and(|known| known != peer) {
            return 400;
        }
        if known.is_none() && self.channels.len() >= cap {
            return 508;
        }
        self.channels.insert(number, (peer, now + CHANNEL));
        self.permit(peer.ip(), now);
        200
    }

    /// Asks a new policy about all that an old one admitted.
    pub(super) fn revisit(&mut self, policy: &BitPolicy) {
        self.permissions.retain(|host, _| policy.host(*host).is_some());
        self.channels.retain(|_, (peer, _)| policy.route(*peer).is_some());
    }

    /// Gives up a family, with all that is about peers of it.
    pub(super) fn give_up(&mut self, of: usize) {
        self.relays[of] = None;
        self.permissions.retain(|host, _| family(*host) != of);
        self.channels.retain(|_, (peer, _)| family(peer.ip()) != of);
    }
}
