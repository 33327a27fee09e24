//! A policy that a fuzzer changes: a bit per peer.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, LazyLock},
};

use stun_codec::{AddressFamily, Message, MessageWriter};
use turn_auth::{AuthError, Authenticator, Credential, Credentials, NonceKey, UserId, Verified};
use turn_core::{Admission, ClientId, Limit, Limits, ListenerId, Permit, Policy, Quotas, RouteId, UnixSeconds};

use crate::input::Input;

/// Everybody that a test knows: six hosts with two ports each.
pub(super) const PEERS: usize = 12;
pub(super) const REALM: &str = "stunner.l7mp.io";
pub(super) const USERS: [(&str, &str); 2] = [("alice", "secret"), ("bob", "hidden")];
pub(super) const ALTERNATE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2)), 3478);

pub(super) static AUTH: LazyLock<Authenticator> = LazyLock::new(|| {
    let users = Credentials::Static(USERS.map(|(name, password)| (name.into(), password.into())).to_vec());
    Authenticator::builder(REALM, users, NonceKey::new([7; 32])).build().expect("a short realm")
});

/// Peers 0 to 7 are IPv4, 8 to 11 are IPv6; two neighbours share a host.
pub(super) const fn peer(at: usize) -> SocketAddr {
    let host = (at / 2) as u8;
    let ip = if host < 4 {
        IpAddr::V4(Ipv4Addr::new(198, 51, 100, host + 1))
    } else {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 2, 0, 0, 0, 0, host as u16))
    };
    SocketAddr::new(ip, 9000 + (at % 2) as u16)
}

/// What a reload may change.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) version: u64,
    /// Bit `n`: [`peer`] `n` may be reached.
    peers: u16,
    /// Bit `n`: by TCP, too.
    streams: u16,
    families: u8,
    pub(super) streams_offered: bool,
    admission: u8,
    /// Which route admits peer 0; the others follow.
    route: u32,
}

impl Rules {
    /// All is open.
    pub(super) fn first() -> Self {
        let peers = (1 << PEERS) - 1;
        Self { version: 1, peers, streams: peers, families: 3, streams_offered: true, admission: 0, route: 100 }
    }

    /// Anything, though mostly something that is open for business.
    pub(super) fn next(&self, input: &mut Input<'_>) -> Self {
        let (peers, kind) = (input.u16(), input.u8());
        Self {
            version: self.version + 1,
            peers,
            streams: peers & input.u16(),
            families: if kind & 0x0C == 0 { kind & 3 } else { 3 },
            streams_offered: kind & 0x70 != 0,
            admission: if kind & 0x80 == 0 { 0 } else { input.u8() % 3 },
            route: if kind & 1 == 0 { self.route } else { self.route + 16 },
        }
    }
}

pub(super) struct BitPolicy {
    pub(super) rules: Rules,
    pub(super) limits: Limits,
    pub(super) quotas: Arc<Quotas>,
}

fn index(host: IpAddr) -> Option<usize> {
    (0..PEERS).find(|at| peer(*at).ip() == host)
}

impl BitPolicy {
    /// Limits that a short sequence reaches.
    pub(super) fn new(tight: u8) -> Self {
        let limits = Limits {
            permissions: 2 + usize::from(tight & 1),
            channels: 2 + usize::from(tight >> 1 & 1),
            connections: 1 + usize::from(tight >> 2 & 1),
            allocations: if tight & 8 == 0 { 0 } else { 3 },
            allocations_per_user: if tight & 16 == 0 { 0 } else { 2 },
            strict_channel_numbers: tight & 32 != 0,
            ..Limits::default()
        };
        Self { rules: Rules::first(), limits, quotas: Quotas::new() }
    }

    pub(super) fn route(&self, peer: SocketAddr) -> Option<RouteId> {
        let host = index(peer.ip())?;
        let at = host + usize::from(peer.port().checked_sub(9000)?);
        let known = at < host + 2 && self.rules.peers >> at & 1 == 1;
        known.then_some(RouteId(self.rules.route + at as u32))
    }

    pub(super) fn host(&self, host: IpAddr) -> Option<RouteId> {
        let at = index(host)?;
        [peer(at), peer(at + 1)].iter().find_map(|peer| self.route(*peer))
    }

    pub(super) fn stream(&self, to: SocketAddr) -> Option<RouteId> {
        let at = (0..PEERS).find(|at| peer(*at) == to)?;
        if self.rules.streams >> at & 1 == 1 { self.route(to) } else { None }
    }

    pub(super) fn offers(&self, family: AddressFamily) -> bool {
        self.rules.families & family.to_u8() != 0
    }
}

impl Policy for BitPolicy {
    fn version(&self) -> u64 {
        self.rules.version
    }

    fn authenticate(
        &self,
        request: &Message<'_>,
        client: &ClientId,
        now: UnixSeconds,
        kept: Option<&Credential>,
    ) -> Result<Verified, AuthError> {
        AUTH.verify(request, client.address().ip(), now, kept)
    }

    fn challenge(
        &self,
        client: &ClientId,
        now: UnixSeconds,
        salt: [u8; 4],
        _: Option<&Credential>,
        writer: &mut MessageWriter<'_>,
    ) {
        AUTH.challenge(client.address().ip(), now, salt).write(writer);
    }

    fn admits(&self, _: ListenerId, peer: SocketAddr) -> Option<RouteId> {
        self.route(peer)
    }

    fn admits_host(&self, _: ListenerId, host: IpAddr) -> Option<RouteId> {
        self.host(host)
    }

    fn admits_stream(&self, _: ListenerId, peer: SocketAddr) -> Option<RouteId> {
        self.stream(peer)
    }

    fn reserve(&self, user: &UserId, source: IpAddr) -> Result<Permit, Limit> {
        self.quotas.reserve(&self.limits, user, source)
    }

    fn relays(&self, _: ListenerId, _: IpAddr, family: AddressFamily) -> bool {
        self.offers(family)
    }

    fn relays_streams(&self, _: ListenerId) -> bool {
        self.rules.streams_offered
    }

    fn admission(&self, _: &ClientId) -> Admission {
        match self.rules.admission {
            0 => Admission::Open,
            1 => Admission::Refused,
            _ => Admission::Redirected(ALTERNATE),
        }
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }
}
