//! Fuzzes the reader of PROXY headers.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::proxy::fuzz_proxy(data));
