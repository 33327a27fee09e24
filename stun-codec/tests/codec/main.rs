//! Tests of the codec through its public interface.

mod attributes;
mod channel_data;
mod common;
mod framing;
mod indications;
mod properties;
mod receiver_rules;
mod vectors;
mod writer;
