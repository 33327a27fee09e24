//! Simulated world, TURN harness and conformance suite.
#![forbid(unsafe_code)]

pub mod conformance;
pub mod harness;
pub mod sim;
