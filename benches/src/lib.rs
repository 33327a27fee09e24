//! Benchmarks of the workspace; nothing here is part of a server.
//!
//! - `src/bin/relay`: the end-to-end bench. It runs servers side by side in network namespaces and prints what a relayed packet
//!   costs each of them in CPU time. As root: `cargo build --release -p stunnerd -p stunner-benches && target/release/relay`.
//! - `benches/`: criterion benches of the single crates, in CPU time of the thread, and `memory`, which prints what an idle
//!   allocation holds. `cargo bench -p stunner-benches`, or one of them with `--bench core`.
//! - `tests/`: what must hold on every machine, such as "no heap allocation per relayed packet".
//!
//! This library is the [`World`] they share: a server with a policy and any number of allocations, no sockets.
//!
//! ```
//! let mut world = stunner_benches::World::new(1);
//! world.allocate(2);
//! assert_eq!(world.to_peer(1, &world.channel_data(b"hello")), Some(5));
//! assert_eq!(world.to_client(1, 5).map(|header| header.as_slice().len()), Some(4));
//! ```

#![forbid(unsafe_code)]

mod policy;
mod world;

pub use policy::{BenchPolicy, PASSWORD, REALM, USER, authenticator, scattered_prefixes, table};
pub use world::{CHANNEL, Client, PEER, PLAIN_PEER, World};
