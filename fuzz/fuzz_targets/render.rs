//! Fuzzes how records are shown.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::query::fuzz_render(data));
