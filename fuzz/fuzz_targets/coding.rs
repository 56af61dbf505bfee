//! Fuzzes the content codings.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::coding::fuzz_coding(data));
