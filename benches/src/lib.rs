//! Benchmarks of the workspace; nothing here is part of a server.
//!
//! - `src/bin/relay`: the end-to-end bench. It runs servers side by side in network namespaces and prints what a relayed packet
//!   costs each of them in CPU time.
//! - `benches/`: criterion benches of the single crates.
//! - `tests/`: what must hold on every machine, such as "no heap allocation per relayed packet".
