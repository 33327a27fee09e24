//! `cargo +nightly fuzz run --features libfuzzer message`: see [`stunner_fuzz::message`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stunner_fuzz::message(data));
