//! Simulated world, TURN harness and conformance suite.
