//! The simulated world: servers, clients and peers of `turn-core` on a virtual clock and a network that is as bad as a test wants.
//! Nothing here opens a port, sleeps, or depends on anything but its seed.
//!
//! A [`World`] has one server per worker, with a mailbox between them; relayed sockets that open at once, late or never; links that
//! delay, lose, repeat and reorder; TCP streams; [`turn_core::client`]s, [scripted clients](RawClient) and [peers](Peer). After every
//! call of a server it carries out the effects and checks what must always hold: no socket is closed twice or used when closed, no
//! channel comes up that was up, both indexes are of one size.
//!
//! ```
//! use stunner_testkit::sim::{Behaviour, Setup, World, addr};
//!
//! let mut world = World::new(Setup::default());
//! let peer = world.add_peer("198.51.100.9:9000", Behaviour::Echo);
//! let (client, relayed) = world.allocated("192.0.2.1:4000");
//! world.permit(client, addr("198.51.100.9:9000").ip());
//! world.send_payload(client, addr("198.51.100.9:9000"), b"hello");
//! world.run_for(std::time::Duration::from_secs(1));
//! assert_eq!(world.peer_received(peer)[0].from, relayed);
//! assert_eq!(world.received(client)[0].payload, b"hello");
//! world.close(client);
//! world.assert_empty();
//! ```

mod drive;
mod effects;
mod hosts;
mod link;
mod policy;
mod rng;
mod sockets;
mod streams;
mod world;

pub use drive::{ClientKey, PeerKey, RawKey, addr, alice, bob};
pub use hosts::{Behaviour, FromRelay, Peer, RawClient, Received, Reply, SimClient};
pub use link::Link;
pub use policy::{REALM, SimPolicy, USERS};
pub use rng::Chance;
pub use sockets::{Opening, Ports};
pub use world::{LISTENER, SERVER_V4, SERVER_V6, Setup, World};
