//! Fuzzes the reader of bodies.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::http::fuzz_http_body(data));
