//! `cargo +nightly fuzz run --features libfuzzer roundtrip`: see [`stunner_fuzz::roundtrip`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stunner_fuzz::roundtrip(data));
