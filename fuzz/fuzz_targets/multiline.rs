//! Fuzzes the joining of lines.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::session::multiline::fuzz_multiline(data));
