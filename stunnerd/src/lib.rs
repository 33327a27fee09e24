//! The daemon as a library: everything that `main` strings together.
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
pub mod snapshot;
pub mod worker;
