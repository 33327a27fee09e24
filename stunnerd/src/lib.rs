//! A STUN and TURN media gateway for Kubernetes.
