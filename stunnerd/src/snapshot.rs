//! The configuration in force, compiled: what the workers' policy is. A snapshot cannot be wrong; a reload makes another one.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use route_policy::Table;
use stun_codec::{AddressFamily, Message, MessageWriter};
use turn_auth::{AuthError, Authenticator, Credential, UserId, Verified};
use turn_core::{Admission, ClientId, Limit, Limits, ListenerId, Permit, Policy, Quotas, RouteId, UnixSeconds};

use crate::relay_address::{RelayAddress, RelayAddresses};

/// A compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Another for each configuration that was ever in force.
    pub version: u64,
    /// Who may allocate.
    pub authenticator: Authenticator,
    /// By [`ListenerId`].
    pub listeners: Vec<ListenerSnapshot>,
    /// Caps.
    pub limits: Limits,
    /// The counters behind the caps; every snapshot shares them.
    pub quotas: Arc<Quotas>,
}

/// What a listener's clients may reach, and from where.
#[derive(Debug)]
pub struct ListenerSnapshot {
    /// The listener's name.
    pub name: String,
    /// Its routes, compiled.
    pub table: Table,
    /// Where its relayed addresses are.
    pub relay: RelayAddresses,
}

impl Snapshot {
    /// The relayed address of this family for a client that reached the listener at `local`.
    pub fn relay_address(&self, listener: ListenerId, local: IpAddr, family: AddressFamily) -> Option<RelayAddress> {
        self.listener(listener)?.relay.choose(local, family)
    }

    fn listener(&self, id: ListenerId) -> Option<&ListenerSnapshot> {
        self.listeners.get(usize::from(id.0))
    }
}

impl Policy for Snapshot {
    #[inline]
    fn version(&self) -> u64 {
        self.version
    }

    fn authenticate(
        &self,
        request: &Message<'_>,
        client: &ClientId,
        now: UnixSeconds,
        kept: Option<&Credential>,
    ) -> Result<Verified, AuthError> {
        self.authenticator.verify(request, client.address().ip(), now, kept)
    }

    fn challenge(
        &self,
        client: &ClientId,
        now: UnixSeconds,
        salt: [u8; 4],
        kept: Option<&Credential>,
        writer: &mut MessageWriter<'_>,
    ) {
        let challenge = self.authenticator.challenge(client.address().ip(), now, salt);
        kept.map_or(challenge, |kept| challenge.with_realm(kept.realm())).write(writer);
    }

    #[inline]
    fn admits(&self, listener: ListenerId, peer: SocketAddr) -> Option<RouteId> {
        self.listener(listener)?.table.admits(peer).map(|route| RouteId(route.0))
    }

    fn admits_host(&self, listener: ListenerId, host: IpAddr) -> Option<RouteId> {
        self.listener(listener)?.table.admits_host(host).map(|route| RouteId(route.0))
    }

    fn admits_stream(&self, _: ListenerId, _: SocketAddr) -> Option<RouteId> {
        // Clusters of protocol TCP stay closed in this version, which `compile` warns about.
        None
    }

    fn reserve(&self, user: &UserId, source: IpAddr) -> Result<Permit, Limit> {
        self.quotas.reserve(&self.limits, user, source)
    }

    fn relays(&self, listener: ListenerId, local: IpAddr, family: AddressFamily) -> bool {
        self.relay_address(listener, local, family).is_some()
    }

    fn relays_streams(&self, _: ListenerId) -> bool {
        false
    }

    fn admission(&self, _: &ClientId) -> Admission {
        Admission::Open
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }
}
