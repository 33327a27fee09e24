//! `cargo +nightly fuzz run --features libfuzzer operations`: see [`stunner_fuzz::operations`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stunner_fuzz::operations(data));
