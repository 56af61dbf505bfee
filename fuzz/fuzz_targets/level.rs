//! Fuzzes the level in a line.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::level::fuzz_level(data));
