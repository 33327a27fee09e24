//! A policy for tests: two users, and every peer admitted save those that a test refuses.

use core::time::Duration;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use stun_codec::{AddressFamily, Message, MessageWriter};
use turn_auth::{AuthError, Authenticator, Credential, Credentials, NonceKey, PasswordAlgorithmKind, UserId, Verified};
use turn_core::{Admission, ClientId, Limit, Limits, ListenerId, Permit, Policy, Quotas, RouteId, UnixSeconds};

/// The realm.
pub const REALM: &str = "sim.example";
/// The users there are, and their passwords.
pub const USERS: [(&str, &str); 2] = [("alice", "wonderland"), ("bob", "builder")];

/// What servers of the simulated world ask.
#[derive(Debug)]
pub struct SimPolicy {
    /// Counted up by each change, unless a test wants to see what happens without.
    pub version: u64,
    /// Caps.
    pub limits: Limits,
    /// Shared by all workers.
    pub quotas: Arc<Quotas>,
    /// Whether allocations are taken.
    pub admission: Admission,
    /// Families that relayed addresses are offered of.
    pub families: Vec<AddressFamily>,
    /// Whether TCP connections are relayed (RFC 6062).
    pub streams: bool,
    /// Hosts that no route admits.
    pub refused_hosts: HashSet<IpAddr>,
    /// Single ports that no route admits on hosts that are admitted.
    pub refused_peers: HashSet<SocketAddr>,
    authenticator: Authenticator,
    nonce_lifetime: Duration,
}

impl SimPolicy {
    /// Everybody may reach everything.
    pub fn new(limits: Limits, nonce_lifetime: Duration) -> Self {
        Self {
            version: 1,
            limits,
            quotas: Quotas::new(),
            admission: Admission::Open,
            families: vec![AddressFamily::V4, AddressFamily::V6],
            streams: true,
            refused_hosts: HashSet::new(),
            refused_peers: HashSet::new(),
            authenticator: authenticator(
                REALM,
                &USERS,
                nonce_lifetime,
                &[PasswordAlgorithmKind::Sha256, PasswordAlgorithmKind::Md5],
            ),
            nonce_lifetime,
        }
    }

    /// Another realm, other users, other algorithms: a reload.
    pub fn authenticate_with(&mut self, realm: &str, users: &[(&str, &str)], algorithms: &[PasswordAlgorithmKind]) {
        self.authenticator = authenticator(realm, users, self.nonce_lifetime, algorithms);
    }
}

fn authenticator(
    realm: &str,
    users: &[(&str, &str)],
    nonce_lifetime: Duration,
    algorithms: &[PasswordAlgorithmKind],
) -> Authenticator {
    let users = users.iter().map(|(name, password)| ((*name).to_owned(), (*password).into())).collect();
    Authenticator::builder(realm, Credentials::Static(users), NonceKey::new([9; 32]))
        .nonce_lifetime(nonce_lifetime)
        .algorithms(algorithms)
        .build()
        .expect("the realm is short")
}

impl Policy for SimPolicy {
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

    fn admits(&self, listener: ListenerId, peer: SocketAddr) -> Option<RouteId> {
        self.admits_host(listener, peer.ip()).filter(|_| !self.refused_peers.contains(&peer))
    }

    fn admits_host(&self, _: ListenerId, host: IpAddr) -> Option<RouteId> {
        (!self.refused_hosts.contains(&host)).then_some(RouteId(1))
    }

    fn admits_stream(&self, listener: ListenerId, peer: SocketAddr) -> Option<RouteId> {
        self.admits(listener, peer)
    }

    fn reserve(&self, user: &UserId, source: IpAddr) -> Result<Permit, Limit> {
        self.quotas.reserve(&self.limits, user, source)
    }

    fn relays(&self, _: ListenerId, _: IpAddr, family: AddressFamily) -> bool {
        self.families.contains(&family)
    }

    fn relays_streams(&self, _: ListenerId) -> bool {
        self.streams
    }

    fn admission(&self, _: &ClientId) -> Admission {
        self.admission
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }
}
