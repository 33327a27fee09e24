//! A STUN and TURN media gateway for Kubernetes.

pub mod net;
