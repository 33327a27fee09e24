//! The TURN server and client state machines, sans-IO.
