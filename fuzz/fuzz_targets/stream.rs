//! `cargo +nightly fuzz run --features libfuzzer stream`: see [`stunner_fuzz::stream`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stunner_fuzz::stream(data));
