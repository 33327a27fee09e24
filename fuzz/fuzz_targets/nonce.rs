//! `cargo +nightly fuzz run --features libfuzzer nonce`: see [`stunner_fuzz::nonce`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stunner_fuzz::nonce(data));
