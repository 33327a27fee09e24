//! What the tests of this workspace share. Nothing here is published, and no product crate depends on it.
//!
//! - [`sim`]: the simulated world. Servers, clients and peers of `turn-core` on a virtual clock and a network as bad as a test wants.
//! - [`harness`]: a blocking TURN client over real sockets, in control of every byte, with a codec of its own.
//! - [`conformance`]: the suite that plays against `stunnerd`, coturn or any server that is named.
//!
//! ```
//! use stunner_testkit::sim::{Setup, World};
//!
//! let mut world = World::new(Setup::default());
//! let (client, relayed) = world.allocated("192.0.2.1:4000");
//! assert!(relayed.port() >= 49152);
//! world.close(client);
//! world.assert_empty();
//! ```
#![forbid(unsafe_code)]

pub mod conformance;
pub mod harness;
pub mod sim;
