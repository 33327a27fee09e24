//! The dataplane configuration document of a STUNner gateway.
