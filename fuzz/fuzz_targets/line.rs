//! Fuzzes the line codec.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::line::fuzz_line(data));
