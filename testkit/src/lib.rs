//! Simulated world, TURN harness and conformance suite.
#![forbid(unsafe_code)]

pub mod sim;
