//! Which peers a media gateway may reach. No DNS, no I/O, no clock, no operating system: `no_std` with `alloc`.
//!
//! Routes are lists of [`Endpoint`]s: an address or prefix, optionally with a port range (`10.0.0.0/8:<10000-20000>`, the
//! angle brackets are literal). A [`TableBuilder`] collects them and compiles an immutable [`Table`]; asking it costs tens of
//! nanoseconds with thousands of prefixes and allocates nothing. All routes are tried for a match of address *and* port; of
//! those that match, the one added first is named.
//!
//! ```
//! use route_policy::{Endpoint, Refusal, RouteId, TableBuilder};
//!
//! let (media, lab) = (RouteId(7), RouteId(3));
//! let mut builder = TableBuilder::new();
//! builder.endpoint(media, "10.0.0.0/8:<10000-20000>".parse()?);
//! builder.endpoint(lab, "10.1.2.3".parse()?);
//! builder.endpoint(lab, "0.0.0.0/0:<9000-9000>".parse()?);
//! builder.own_socket("10.1.2.3:3478".parse().unwrap()); // the gateway listens here
//! let table = builder.build();
//!
//! let check = |peer: &str| table.check(peer.parse().unwrap());
//! assert_eq!(check("10.1.2.3:10000"), Ok(media));
//! assert_eq!(check("10.1.2.3:53"), Ok(lab));
//! assert_eq!(check("[::ffff:10.1.2.3]:53"), Ok(lab)); // a mapped address is its IPv4 address
//! assert_eq!(check("10.9.9.9:80"), Err(Refusal::PortNotRouted));
//! assert_eq!(check("10.1.2.3:3478"), Err(Refusal::OwnSocket));
//! assert_eq!(check("127.0.0.1:9000"), Err(Refusal::Loopback)); // only an endpoint inside 127.0.0.0/8 reaches it
//! assert_eq!(table.admits_host("10.9.9.9".parse().unwrap()), Some(media)); // any port: for permissions
//! # Ok::<(), route_policy::EndpointError>(())
//! ```
//!
//! # What no route opens
//!
//! Port 0, `0.0.0.0/8`, `::`, multicast, `255.255.255.255`, and the gateway's own sockets in every spelling.
//!
//! # What only an endpoint wholly inside opens
//!
//! Loopback (`127.0.0.0/8`, `::1`), link-local (`169.254.0.0/16`, `fe80::/10`) and each cloud metadata address
//! ([`METADATA_V4`], [`METADATA_V6`]), of which each is a range of its own: `169.254.0.0/16` does not open
//! `169.254.169.254`. An address learned from DNS ([`TableBuilder::learned`]) never counts as such an endpoint, or whoever
//! controls a name could point the gateway at itself.
//!
//! # IPv4 inside IPv6
//!
//! An IPv4-mapped address (`::ffff:0:0/96`) *is* its IPv4 address, in endpoints and in peers; `::/0` does not cover it.
//! Every other embedding only refuses: if any IPv4 reading of the address is special (above) or one of the gateway's own
//! sockets, the address is refused whatever a route says, else it is an IPv6 address like any other. Read are IPv4-compatible
//! (`::/96`), IPv4-translated (`::ffff:0:0:0/96`), 6to4, NAT64's `64:ff9b::/96`, each RFC 6052 layout that fits into
//! `64:ff9b:1::/48`, Teredo (server and client) and ISATAP under any prefix.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod builder;
mod endpoint;
mod special;
mod table;

pub use builder::TableBuilder;
pub use endpoint::{Endpoint, EndpointError, PortRange};
pub use special::{METADATA_V4, METADATA_V6, Refusal, special_range};
pub use table::{RouteId, Table};
