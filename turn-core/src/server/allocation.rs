//! One allocation: its relayed addresses, permissions and channels (RFC 8656 §5), and what each packet asks of them.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;
use stun_codec::AddressFamily;
use turn_auth::Credential;

use super::answer::Asked;
use crate::{
    action::{DropReason, Traffic},
    limits::Permit,
    policy::{AdmittedPeer, Policy},
    types::{ClientId, Instant, ListenerId, RelayId},
};

/// RFC 8656 §9: a permission lives this long after it was installed or refreshed.
pub(super) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// RFC 8656 §12: a channel lives this long after it was bound or refreshed.
pub(super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// RFC 8656 §12: for this long after a binding expired, neither its number nor its peer may be bound otherwise.
pub(super) const CHANNEL_COOL_DOWN: Duration = Duration::from_secs(300);

/// Position and generation of an allocation in its arena.
pub(super) type AllocationId = (u32, u32);

/// What an allocation relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// The fields stand in the order of their use by a packet, so that relaying one reads few cache lines.
#[repr(C)]
pub(super) struct Allocation {
    /// In no order. One is kept inline: most browsers bind one.
    channels: SmallVec<[Channel; 1]>,
    /// How many answers to [`crate::Effect::OpenRelay`] (or to a redeemed token) are still to come. It relays when there are none.
    pub(super) opening: u8,
    pub(super) transport: Transport,
    pub(super) traffic: Traffic,
    /// By [`family_index`]; at least one is there.
    pub(super) relays: [Option<Relay>; 2],
    pub(super) client: ClientId,
    /// Sorted by host.
    permissions: Vec<Permission>,
    pub(super) credential: Credential,
    /// The time of this allocation's entry in the timer heap that counts; others are stale.
    pub(super) armed: Instant,
    pub(super) created: Instant,
    /// What the Allocate request asked, so that a retransmission gets the same answer.
    pub(super) asked: Asked,
    /// Seconds, as the Allocate answer says.
    pub(super) lifetime: u32,
    /// The token of the Allocate answer.
    pub(super) token: Option<[u8; 8]>,
    /// ADDRESS-ERROR-CODE of the Allocate answer (RFC 8656 §7.2).
    pub(super) family_error: Option<(AddressFamily, u16)>,
    /// Its place in the quotas. None while it waits for the reservation that brings one.
    pub(super) permit: Option<Permit>,
}

/// A relayed transport address; RFC 8656 §5 gives each its own time-to-expiry.
#[derive(Clone, Copy)]
pub(super) struct Relay {
    pub(super) id: RelayId,
    pub(super) expires: Instant,
    /// None while it is being opened.
    pub(super) addr: Option<SocketAddr>,
}

struct Permission {
    host: IpAddr,
    expires: Instant,
    /// Which policy version admitted the host, and `last`.
    version: u64,
    /// The last transport address of this host that the policy admitted: most hosts are reached at one port.
    last: Option<AdmittedPeer>,
}

struct Channel {
    number: u16,
    /// The binding is up; a fast path mirrors it.
    up: bool,
    expires: Instant,
    /// When the permission of the peer's host expires; kept equal by [`Allocation::permit`].
    permitted_until: Instant,
    version: u64,
    peer: AdmittedPeer,
}

/// Both of them.
pub(super) const FAMILIES: [AddressFamily; 2] = [AddressFamily::V4, AddressFamily::V6];

/// Where the relayed address of this family stands in an allocation.
pub(super) const fn family_index(family: AddressFamily) -> usize {
    match family {
        AddressFamily::V4 => 0,
        AddressFamily::V6 => 1,
    }
}

pub(super) const fn family_of(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::V4,
        IpAddr::V6(_) => AddressFamily::V6,
    }
}

/// What a new allocation starts from.
pub(super) struct Start {
    pub(super) client: ClientId,
    pub(super) transport: Transport,
    pub(super) credential: Credential,
    pub(super) relays: [Option<Relay>; 2],
    pub(super) asked: Asked,
    pub(super) lifetime: u32,
    pub(super) opening: u8,
    pub(super) now: Instant,
    pub(super) permit: Option<Permit>,
}

/// The outcome of binding a channel (RFC 8656 §12).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bound {
    New,
    Refreshed,
    /// The number or the peer is bound otherwise, or was until less than five minutes ago.
    Conflict,
    Full,
}

impl Allocation {
    pub(super) fn new(start: Start) -> Self {
        Self {
            client: start.client,
            transport: start.transport,
            credential: start.credential,
            relays: start.relays,
            permissions: Vec::new(),
            channels: SmallVec::new(),
            armed: Instant::NEVER,
            created: start.now,
            traffic: Traffic::default(),
            asked: start.asked,
            lifetime: start.lifetime,
            token: None,
            family_error: None,
            opening: start.opening,
            permit: start.permit,
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        self.opening == 0
    }

    pub(super) const fn listener(&self) -> ListenerId {
        self.client.listener()
    }

    pub(super) fn relayed(&self) -> [Option<SocketAddr>; 2] {
        self.relays.map(|relay| relay.and_then(|relay| relay.addr))
    }

    /// Whether any relayed address is of this family, so that a peer of it may be named (else 443).
    pub(super) fn relays_family(&self, family: AddressFamily) -> bool {
        self.relays[family_index(family)].is_some()
    }

    /// The next time something of this allocation ends that must not wait for the next packet.
    pub(super) fn next_deadline(&self) -> Instant {
        let relays = self.relays.iter().flatten().map(|relay| relay.expires);
        let channels = self.channels.iter().filter(|channel| channel.up).map(|channel| channel.expires);
        relays.chain(channels).min().unwrap_or(Instant::ZERO)
    }

    /// The peer that a channel number stands for, and the relayed socket toward it.
    #[inline]
    pub(super) fn channel_to_peer<P: Policy>(
        &mut self,
        policy: &P,
        now: Instant,
        number: u16,
    ) -> Result<(RelayId, AdmittedPeer), DropReason> {
        let listener = self.listener();
        let channel = self.channels.iter_mut().find(|channel| channel.number == number);
        let Some(channel) = channel.filter(|channel| now < channel.expires) else {
            return Err(DropReason::NoChannel);
        };
        channel.recheck(policy, listener)?;
        let peer = channel.peer;
        Ok((self.live_relay(family_of(peer.addr().ip()), now)?, peer))
    }

    /// The channel that this peer's datagrams travel on, if it has one.
    #[inline]
    pub(super) fn peer_to_channel<P: Policy>(
        &mut self,
        policy: &P,
        now: Instant,
        peer: SocketAddr,
    ) -> Option<Result<u16, DropReason>> {
        let listener = self.listener();
        let channel = self.channels.iter_mut().find(|channel| channel.peer.addr() == peer && now < channel.expires)?;
        if now >= channel.permitted_until {
            return Some(Err(DropReason::NoPermission));
        }
        let number = channel.number;
        Some(channel.recheck(policy, listener).map(|()| number))
    }

    /// Whether the permission for this peer's host is alive and the policy still admits exactly this peer.
    #[inline]
    pub(super) fn permitted<P: Policy>(
        &mut self,
        policy: &P,
        now: Instant,
        peer: SocketAddr,
    ) -> Result<AdmittedPeer, DropReason> {
        let listener = self.listener();
        let at = self.permissions.binary_search_by_key(&peer.ip(), |permission| permission.host);
        let permission = at.ok().and_then(|at| self.permissions.get_mut(at));
        let Some(permission) = permission.filter(|permission| now < permission.expires) else {
            return Err(DropReason::NoPermission);
        };
        let version = policy.version();
        if let Some(last) = permission.last
            && last.addr() == peer
            && permission.version == version
        {
            return Ok(last);
        }
        let admitted = AdmittedPeer::check(policy, listener, peer).ok_or(DropReason::PeerRefused)?;
        permission.last = Some(admitted);
        permission.version = version;
        Ok(admitted)
    }

    /// Whether a permission for this host is alive.
    pub(super) fn has_permission(&self, now: Instant, host: IpAddr) -> bool {
        let at = self.permissions.binary_search_by_key(&host, |permission| permission.host);
        at.ok().and_then(|at| self.permissions.get(at)).is_some_and(|permission| now < permission.expires)
    }

    /// The relayed socket of this family, unless its time is over.
    #[inline]
    pub(super) fn live_relay(&self, family: AddressFamily, now: Instant) -> Result<RelayId, DropReason> {
        match self.relays[family_index(family)] {
            Some(relay) if now < relay.expires => Ok(relay.id),
            Some(_) => Err(DropReason::NoRelay),
            None => Err(DropReason::WrongFamily),
        }
    }

    /// Whether so many more hosts fit under the cap, after what expired is forgotten.
    pub(super) fn has_room_for(&mut self, now: Instant, hosts: &[IpAddr], cap: usize) -> bool {
        let known = |host: &&IpAddr| self.permissions.binary_search_by_key(*host, |p| p.host).is_ok();
        let unknown = hosts.len() - hosts.iter().filter(known).count();
        if self.permissions.len() + unknown > cap {
            self.permissions.retain(|permission| now < permission.expires);
        }
        let known = |host: &&IpAddr| self.permissions.binary_search_by_key(*host, |p| p.host).is_ok();
        let unknown = hosts.len() - hosts.iter().filter(known).count();
        self.permissions.len() + unknown <= cap
    }

    /// Installs or refreshes a permission (RFC 8656 §9.2). The caller asked the policy and [`Self::has_room_for`].
    pub(super) fn permit(&mut self, now: Instant, host: IpAddr, version: u64) {
        let expires = now + PERMISSION_LIFETIME;
        match self.permissions.binary_search_by_key(&host, |permission| permission.host) {
            Ok(at) => self.permissions[at].expires = expires,
            Err(at) => self.permissions.insert(at, Permission { host, expires, version, last: None }),
        }
        for channel in self.channels.iter_mut().filter(|channel| channel.peer.addr().ip() == host) {
            channel.permitted_until = expires;
        }
    }

    /// Binds a channel, or refreshes it, with its permission (RFC 8656 §12.2). The caller asked [`Self::has_room_for`].
    pub(super) fn bind(&mut self, now: Instant, number: u16, peer: AdmittedPeer, version: u64, cap: usize) -> Bound {
        self.channels.retain(|channel| now < channel.expires + CHANNEL_COOL_DOWN);
        let conflicts = |channel: &Channel| (channel.number == number) != (channel.peer.addr() == peer.addr());
        if self.channels.iter().any(conflicts) {
            return Bound::Conflict;
        }
        let expires = now + CHANNEL_LIFETIME;
        let full = self.channels.len() >= cap;
        let outcome = match self.channels.iter_mut().find(|channel| channel.number == number) {
            Some(channel) => {
                let was_up = core::mem::replace(&mut channel.up, true);
                (channel.expires, channel.version, channel.peer) = (expires, version, peer);
                if was_up { Bound::Refreshed } else { Bound::New }
            }
            None if full => return Bound::Full,
            None => {
                let channel = Channel { number, up: true, expires, permitted_until: Instant::ZERO, version, peer };
                self.channels.push(channel);
                Bound::New
            }
        };
        self.permit(now, peer.addr().ip(), version);
        outcome
    }

    /// Forgets what expired; calls `down` for each channel that relays no longer.
    pub(super) fn expire(&mut self, now: Instant, mut down: impl FnMut(u16, SocketAddr)) {
        self.permissions.retain(|permission| now < permission.expires);
        for channel in self.channels.iter_mut().filter(|channel| channel.up && channel.expires <= now) {
            channel.up = false;
            down(channel.number, channel.peer.addr());
        }
        self.channels.retain(|channel| now < channel.expires + CHANNEL_COOL_DOWN);
    }

    /// Forgets the relayed address of this family and what belongs to it; calls `down` for each channel that relays no longer.
    pub(super) fn forget_family(&mut self, family: AddressFamily, mut down: impl FnMut(u16, SocketAddr)) {
        self.relays[family_index(family)] = None;
        self.permissions.retain(|permission| family_of(permission.host) != family);
        self.channels.retain(|channel| {
            let stays = family_of(channel.peer.addr().ip()) != family;
            if !stays && channel.up {
                down(channel.number, channel.peer.addr());
            }
            stays
        });
    }

    /// Asks the policy again about everything; calls `down` for each channel that is revoked. Returns how many entries were.
    pub(super) fn revisit<P: Policy>(&mut self, policy: &P, mut down: impl FnMut(u16, SocketAddr)) -> usize {
        let (listener, version) = (self.client.listener(), policy.version());
        let before = self.permissions.len() + self.channels.len();
        self.channels.retain(|channel| {
            let kept = channel.recheck(policy, listener).is_ok();
            if !kept && channel.up {
                down(channel.number, channel.peer.addr());
            }
            kept
        });
        self.permissions.retain_mut(|permission| {
            permission.version = version;
            permission.last = None;
            policy.admits_host(listener, permission.host).is_some()
        });
        before - self.permissions.len() - self.channels.len()
    }

    /// Channels that are up, for when they all go down.
    pub(super) fn channels_up(&self) -> impl Iterator<Item = (u16, SocketAddr)> {
        self.channels.iter().filter(|channel| channel.up).map(|channel| (channel.number, channel.peer.addr()))
    }

    /// How many permissions and channels there are, expired ones and cool-downs included.
    pub(super) fn entries(&self) -> (usize, usize) {
        (self.permissions.len(), self.channels.len())
    }
}

impl Channel {
    /// Asks the policy again if it is not the one that admitted this peer.
    #[inline]
    fn recheck<P: Policy>(&mut self, policy: &P, listener: ListenerId) -> Result<(), DropReason> {
        let version = policy.version();
        if self.version != version {
            self.peer = AdmittedPeer::check(policy, listener, self.peer.addr()).ok_or(DropReason::PeerRefused)?;
            self.version = version;
        }
        Ok(())
    }
}
