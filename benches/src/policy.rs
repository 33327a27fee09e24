//! A policy made of the real parts: an authenticator and a route table.

use route_policy::{Endpoint, PortRange, RouteId, Table, TableBuilder};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use stun_codec::{AddressFamily, Message, MessageWriter};
use turn_auth::{AuthError, Authenticator, Credential, Credentials, NonceKey, UnixSeconds, UserId, Verified};
use turn_core::{Admission, ClientId, Limit, Limits, ListenerId, Permit, Policy, Quotas};

/// The one user.
pub const USER: &str = "user";
/// The user's password.
pub const PASSWORD: &str = "pass";
/// The default realm.
pub const REALM: &str = "stunner.l7mp.io";

/// An authenticator with one static user, as `turn://user:pass@...` makes it.
#[must_use]
pub fn authenticator() -> Authenticator {
    let users = Credentials::Static(vec![(USER.into(), PASSWORD.into())]);
    Authenticator::builder(REALM, users, NonceKey::new([7; 32])).build().expect("a short realm")
}

/// `count` prefixes of many lengths all over the address space, half of them IPv6; the same ones each time.
#[must_use]
pub fn scattered_prefixes(count: u32) -> Vec<Endpoint> {
    let prefix = |index: u32| {
        // Knuth's multiplicative hash: spread, and no two alike.
        let bits = index.wrapping_mul(2_654_435_761);
        let ports = PortRange::new(10_000, 20_000).expect("in order");
        if index.is_multiple_of(2) {
            // 16.0.0.0 to 95.255.255.255: nothing special in there.
            let [high, rest @ ..] = bits.to_be_bytes();
            let ip = Ipv4Addr::new(16 + high % 80, rest[0], rest[1], rest[2]);
            Endpoint::new(IpAddr::V4(ip), 16 + (index % 17) as u8, ports)
        } else {
            let ip = Ipv6Addr::from(0x2A << 120 | u128::from(bits) << 80 | u128::from(index) << 40);
            Endpoint::new(IpAddr::V6(ip), 40 + (index % 40) as u8, ports)
        }
    };
    (0..count).map(|index| prefix(index).expect("a length of the family")).collect()
}

/// A compiled table of these endpoints, each a route of its own.
#[must_use]
pub fn table(endpoints: &[Endpoint]) -> Table {
    let mut builder = TableBuilder::new();
    for (route, &endpoint) in (0..).map(RouteId).zip(endpoints) {
        builder.endpoint(route, endpoint);
    }
    builder.build()
}

/// What the server asks in the benches.
#[derive(Debug)]
pub struct BenchPolicy {
    auth: Authenticator,
    table: Table,
    limits: Limits,
    quotas: Arc<Quotas>,
}

impl BenchPolicy {
    /// One user, `prefixes` routed prefixes besides the peers', no caps that a bench could reach.
    #[must_use]
    pub fn new(prefixes: u32) -> Self {
        let mut endpoints = vec!["198.51.100.0/24".parse().expect("an endpoint")];
        endpoints.extend(scattered_prefixes(prefixes));
        let limits =
            Limits { allocations_per_source: 0, unauthenticated_answers_per_second: u32::MAX / 4, ..Limits::default() };
        Self { auth: authenticator(), table: table(&endpoints), limits, quotas: Quotas::new() }
    }
}

impl Policy for BenchPolicy {
    fn version(&self) -> u64 {
        1
    }

    fn authenticate(
        &self,
        request: &Message<'_>,
        client: &ClientId,
        now: UnixSeconds,
        kept: Option<&Credential>,
    ) -> Result<Verified, AuthError> {
        self.auth.verify(request, client.address().ip(), now, kept)
    }

    fn challenge(
        &self,
        client: &ClientId,
        now: UnixSeconds,
        salt: [u8; 4],
        _kept: Option<&Credential>,
        writer: &mut MessageWriter<'_>,
    ) {
        // The realm never changes here, so that it is always that of the kept credential.
        self.auth.challenge(client.address().ip(), now, salt).write(writer);
    }

    fn admits(&self, _: ListenerId, peer: SocketAddr) -> Option<turn_core::RouteId> {
        self.table.admits(peer).map(|route| turn_core::RouteId(route.0))
    }

    fn admits_host(&self, _: ListenerId, host: IpAddr) -> Option<turn_core::RouteId> {
        self.table.admits_host(host).map(|route| turn_core::RouteId(route.0))
    }

    fn admits_stream(&self, _: ListenerId, _: SocketAddr) -> Option<turn_core::RouteId> {
        None
    }

    fn relays_streams(&self, _: ListenerId) -> bool {
        false
    }

    fn reserve(&self, user: &UserId, source: IpAddr) -> Result<Permit, Limit> {
        self.quotas.reserve(&self.limits, user, source)
    }

    fn relays(&self, _: ListenerId, _: IpAddr, _: AddressFamily) -> bool {
        true
    }

    fn admission(&self, _: &ClientId) -> Admission {
        Admission::Open
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }
}
