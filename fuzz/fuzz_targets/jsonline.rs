//! Fuzzes JSON lines: whole, in pieces, and what is stored of them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::jsonline::fuzz_jsonline(data));
