//! Fuzzes the inflater.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::inflate::fuzz_inflate(data));
