//! Fuzzes the labels of streams.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::session::labels::fuzz_labels(data));
