//! The daemon as a library: what `main` strings together. No TURN rules (those are `turn-core`'s), no parsing of documents
//! (`stunner-config`'s), no table of routes (`route-policy`'s).
//!
//! A document becomes a [`plan::Plan`] ([`compile::compile`]), the plan a [`snapshot::Snapshot`], which is the policy that every worker
//! shares; [`daemon::run`] opens the listeners, starts a [`worker`] per CPU over the batched UDP of [`net`], and watches over them.
//!
//! ```
//! use stunner_config::{Config, TurnUri};
//! use stunnerd::compile::compile;
//!
//! let uri: TurnUri = "turn://user:pass@127.0.0.1:3478".parse()?;
//! let compiled = compile(&Config::from_uri(&uri)?, [7; 32]); // 32 random bytes: the key of nonces
//! assert!(compiled.left_closed.is_empty());
//! assert_eq!(compiled.plan.listeners[0].address, "127.0.0.1:3478".parse()?);
//! // stunnerd::daemon::run(&compiled.plan, stunnerd::daemon::worker_count(0)) serves it until SIGTERM or SIGINT.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod banner;
pub mod cli;
pub mod clock;
pub mod compile;
pub mod daemon;
pub mod logging;
pub mod net;
pub mod plan;
pub mod relay_address;
pub mod report;
pub mod snapshot;
pub mod worker;
