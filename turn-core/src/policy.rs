//! What the core asks of its policy: who may allocate, and which peers may be reached.

use std::net::{IpAddr, SocketAddr};

use stun_codec::{AddressFamily, Message, MessageWriter};
use turn_auth::{AuthError, Credential, UnixSeconds, UserId, Verified};

use crate::{
    limits::{Limit, Limits, Permit},
    types::{ClientId, ListenerId, RouteId},
};

/// The decisions that are not the protocol's: passed by reference to each call, so that a reload is just another reference.
///
/// Every method is pure as far as the core is concerned, and cheap: [`Policy::admits`] may be called for each packet.
pub trait Policy {
    /// Changes whenever any answer of this policy may have changed. What was admitted under another version is asked again
    /// before it relays.
    fn version(&self) -> u64;

    /// Verifies a request (RFC 8489 §9.2.4). `kept` is the credential of the client's allocation, if it has one.
    ///
    /// # Errors
    /// Why the request is refused; its code tells which answer it gets.
    fn authenticate(
        &self,
        request: &Message<'_>,
        client: &ClientId,
        now: UnixSeconds,
        kept: Option<&Credential>,
    ) -> Result<Verified, AuthError>;

    /// Writes REALM, NONCE and what else a 401 or 438 carries. `salt` is fresh randomness. A client that has an allocation must read
    /// the realm of its `kept` credential there, even if the configuration has another one by now.
    fn challenge(
        &self,
        client: &ClientId,
        now: UnixSeconds,
        salt: [u8; 4],
        kept: Option<&Credential>,
        writer: &mut MessageWriter<'_>,
    );

    /// The route that admits traffic with this peer, if any does.
    fn admits(&self, listener: ListenerId, peer: SocketAddr) -> Option<RouteId>;

    /// The route that admits some port of this host, if any does: what a permission needs, which has no port.
    fn admits_host(&self, listener: ListenerId, host: IpAddr) -> Option<RouteId>;

    /// The route that admits a TCP connection with this peer, in either direction, if any does (RFC 6062).
    fn admits_stream(&self, listener: ListenerId, peer: SocketAddr) -> Option<RouteId>;

    /// Counts one more allocation of this user from this source, until the permit is dropped.
    ///
    /// # Errors
    /// The limit that is reached.
    fn reserve(&self, user: &UserId, source: IpAddr) -> Result<Permit, Limit>;

    /// Whether this listener has a relayed address of this family to offer to a client that reached it at `local`.
    fn relays(&self, listener: ListenerId, local: IpAddr, family: AddressFamily) -> bool;

    /// Whether this listener relays TCP connections at all; without it, asking for them gets 442.
    fn relays_streams(&self, listener: ListenerId) -> bool;

    /// Whether new allocations are taken.
    fn admission(&self, client: &ClientId) -> Admission;

    /// The caps that hold for each allocation and for unauthenticated answers.
    fn limits(&self) -> &Limits;
}

/// What a new allocation meets, apart from quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is considered.
    Open,
    /// It gets 508 (Insufficient Capacity): the server is draining or full.
    Refused,
    /// It gets 300 (Try Alternate) with this server.
    Redirected(SocketAddr),
}

/// A peer that the policy admitted: the only kind of address that a send can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmittedPeer {
    addr: SocketAddr,
    route: RouteId,
}

impl AdmittedPeer {
    /// Asks the policy.
    pub(crate) fn check<P: Policy>(policy: &P, listener: ListenerId, addr: SocketAddr) -> Option<Self> {
        policy.admits(listener, addr).map(|route| Self { addr, route })
    }

    /// Asks the policy about a TCP connection.
    pub(crate) fn check_stream<P: Policy>(policy: &P, listener: ListenerId, addr: SocketAddr) -> Option<Self> {
        policy.admits_stream(listener, addr).map(|route| Self { addr, route })
    }

    /// The peer's transport address.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The route that admitted it.
    pub const fn route(&self) -> RouteId {
        self.route
    }
}
