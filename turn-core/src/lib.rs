//! The TURN server and client state machines (RFC 8656, RFC 6062), sans-IO. No sockets, no threads, no async, no clock, no random device.
//!
//! - [`Server`] is the server of one worker: datagrams and time in, decisions out.
//! - [`client`] is the client's side over one five-tuple.
//! - [`Policy`] is what the server asks: who may allocate, which peers may be reached, what the limits are. It is an argument of each
//!   call, so that a reload is another reference.
//!
//! # Driving a server
//!
//! What happens for every packet is returned: [`ClientAction`] for what a client sent, [`PeerAction`] for what arrived at a relayed
//! address. What is rare is queued: [`Effect`]s open and close sockets, send late replies, carry mail to another worker.
//!
//! **After any call with `&mut self`, drain [`Server::poll_effect`], then read [`Server::poll_timeout`].**
//!
//! ```
//! use std::{net::{IpAddr, SocketAddr}, sync::Arc, time::Duration};
//! use stun_codec::{AddressFamily, Class, Message, MessageWriter, Method, TransactionId};
//! use turn_auth::{AuthError, Authenticator, ClientAuth, Credential, Credentials, NonceKey, UserId, Verified};
//! use turn_core::*;
//!
//! /// One user; media servers are in 198.51.100.0/24.
//! struct Example { auth: Authenticator, limits: Limits, quotas: Arc<Quotas> }
//!
//! impl Policy for Example {
//!     fn version(&self) -> u64 { 1 }
//!     fn authenticate(&self, request: &Message<'_>, client: &ClientId, now: UnixSeconds, kept: Option<&Credential>)
//!         -> Result<Verified, AuthError> { self.auth.verify(request, client.address().ip(), now, kept) }
//!     fn challenge(&self, client: &ClientId, now: UnixSeconds, salt: [u8; 4], _: Option<&Credential>, w: &mut MessageWriter<'_>) {
//!         self.auth.challenge(client.address().ip(), now, salt).write(w);
//!     }
//!     fn admits(&self, listener: ListenerId, peer: SocketAddr) -> Option<RouteId> { self.admits_host(listener, peer.ip()) }
//!     fn admits_host(&self, _: ListenerId, host: IpAddr) -> Option<RouteId> {
//!         host.to_string().starts_with("198.51.100.").then_some(RouteId(0)) // see the crate `route-policy` for a real table
//!     }
//!     fn admits_stream(&self, _: ListenerId, _: SocketAddr) -> Option<RouteId> { None }
//!     fn reserve(&self, user: &UserId, source: IpAddr) -> Result<Permit, Limit> { self.quotas.reserve(&self.limits, user, source) }
//!     fn relays(&self, _: ListenerId, _: IpAddr, family: AddressFamily) -> bool { family == AddressFamily::V4 }
//!     fn relays_streams(&self, _: ListenerId) -> bool { false }
//!     fn admission(&self, _: &ClientId) -> Admission { Admission::Open }
//!     fn limits(&self) -> &Limits { &self.limits }
//! }
//!
//! let users = Credentials::Static(vec![("alice".into(), "secret".into())]);
//! let auth = Authenticator::builder("example.org", users, NonceKey::new([7; 32])).build()?;
//! let policy = Example { auth, limits: Limits::default(), quotas: Quotas::new() };
//! let mut server = Server::new(ServerConfig { worker: WorkerId(0), seed: [1; 32] }); // 32 bytes of the system's randomness
//! let client = ClientId::Udp(FiveTuple {
//!     listener: ListenerId(0), client: "192.0.2.1:4000".parse()?, local: "203.0.113.1:3478".parse()?,
//! });
//! let now = Now { mono: Instant::ZERO + Duration::from_secs(1), unix: UnixSeconds(1_800_000_000) };
//! let (mut alice, mut out, mut buf) = (ClientAuth::new("alice", "secret".into()), [0; 1500], [0; 512]);
//!
//! // The client's first Allocate is challenged; the second one asks for a socket.
//! for id in 1..=2 {
//!     let mut w = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TransactionId([id; 12]));
//!     w.requested_transport(17);
//!     if alice.is_challenged() { alice.complete(&mut w); }
//!     let len = w.finish()?;
//!     match server.handle_client(&policy, now, &client, &buf[..len], &mut out) {
//!         ClientAction::Reply(challenge) => alice.challenged(&Message::parse(challenge)?)?,
//!         ClientAction::Pending => assert_eq!(id, 2),
//!         other => panic!("{other:?}"),
//!     }
//! }
//! let Some(Effect::OpenRelay(open)) = server.poll_effect() else { panic!() };
//! // ... here the caller binds a UDP socket ...
//! server.relay_opened(now, open.relay, Ok(Opened { addr: "203.0.113.1:50000".parse()?, pair: None }));
//! let Some(Effect::Transmit { bytes, .. }) = server.poll_effect() else { panic!() };
//! assert_eq!(Message::parse(&bytes)?.xor_relayed_address()?, Some("203.0.113.1:50000".parse()?));
//!
//! // Nothing comes in from a peer that the client did not permit.
//! let action = server.handle_peer(&policy, now, open.relay, "198.51.100.9:9000".parse()?, 100);
//! assert!(matches!(action, PeerAction::Drop(DropReason::NoPermission)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What an allocation keeps
//!
//! | what | from | and when the policy changes |
//! |---|---|---|
//! | user id, realm, key ([`turn_auth::Credential`]) | the request that was verified last | stays: later requests are verified with it, and challenges name its realm |
//! | the route that admitted each channel and the last peer of each permission | [`Policy::admits`] | asked again before the next packet, and within the next timeouts |
//! | that a permission's host may be reached | [`Policy::admits_host`] | asked again within the next timeouts; each packet asks about its own peer |
//! | a place in the quotas ([`Permit`]) | [`Policy::reserve`] | stays until the allocation ends |
//! | its relayed addresses, lifetimes and traffic counts | | stay |
//!
//! [`Server::policy_changed`] starts the revisit; it goes on in slices from [`Server::handle_timeout`]. A key is never kept for a request
//! that failed.
//!
//! # What holds
//!
//! - No datagram that is not authenticated leaves a byte behind, save in the limiter of unauthenticated answers, a table of fixed size.
//! - A peer can be sent to only through an [`AdmittedPeer`], which only the policy's answer makes.
//! - The packet path neither allocates nor copies payload, and no path looks at all allocations, save the slices of a revisit.
//! - A refresh costs no heap operation: timers are looked at anew when they come up.
//! - An IPv4-mapped IPv6 address is its IPv4 address wherever it comes from.
//! - Every cap has a name and a default in [`Limits`].
#![forbid(unsafe_code)]

mod action;
pub mod client;
mod limits;
mod mail;
mod policy;
mod server;
mod types;

pub use action::{
    Binding, ClientAction, DropReason, Effect, EndReason, Header, OpenError, OpenRelay, Opened, PeerAction, Report,
    ToClient, ToPeer, Traffic,
};
pub use limits::{Limit, Limits, Permit, Quotas, SourcePrefix};
pub use mail::Mail;
pub use policy::{Admission, AdmittedPeer, Policy};
pub use server::{Server, ServerConfig, Usage};
pub use types::{
    ClientId, FiveTuple, Instant, ListenerId, Now, RelayId, RouteId, StreamClient, StreamId, UnixSeconds, WorkerId,
};
