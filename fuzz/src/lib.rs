//! Fuzz targets: functions that take any bytes, and panic when a property of ours does not hold. No sockets, no clock, no threads.
//!
//! | target | property |
//! |---|---|
//! | [`message`] | what the parser accepts is what RFC 8489 says, read by a naive second implementation; no accessor panics |
//! | [`roundtrip`] | what is written is read back; what is read is written back |
//! | [`channel_data`] | ChannelData and the headers of indications, against naive ones |
//! | [`stream`] | a stream falls into the same frames however it is split |
//! | [`endpoint`] | an endpoint's text is canonical; the compiled table admits what a naive scan admits |
//! | [`config`] | a document that parses survives printing; an error names its field, and no secret |
//! | [`nonce`] | only a nonce that the server made, for this client and lately, lets anyone in |
//! | [`operations`] | a TURN server under any sequence of calls relays what a naive model relays, and forgets what is over |
//!
//! `fuzz_targets` makes a libFuzzer binary of each (feature `libfuzzer`, `cargo +nightly fuzz run --features libfuzzer TARGET`);
//! `tests/corpus.rs` replays `corpus/TARGET` and some pseudo-random inputs with plain `cargo test`.
//!
//! ```
//! // A target is called with whatever a fuzzer thinks of.
//! for (name, target) in stunner_fuzz::TARGETS {
//!     target(name.as_bytes());
//! }
//! ```

#![forbid(unsafe_code)]

mod channel_data;
mod config;
mod endpoint;
mod input;
mod message;
mod naive;
mod nonce;
mod operations;
mod roundtrip;
mod stream;

pub use channel_data::channel_data;
pub use config::config;
pub use endpoint::endpoint;
pub use message::message;
pub use nonce::nonce;
pub use operations::operations;
pub use roundtrip::roundtrip;
pub use stream::stream;

/// A property, tried on some bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its binary and of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("channel_data", channel_data),
    ("config", config),
    ("endpoint", endpoint),
    ("message", message),
    ("nonce", nonce),
    ("operations", operations),
    ("roundtrip", roundtrip),
    ("stream", stream),
];
