//! `cargo +nightly fuzz run --features libfuzzer endpoint`: see [`stunner_fuzz::endpoint`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stunner_fuzz::endpoint(data));
