//! Fuzzes pushes of Loki, in JSON and in protobuf.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::loki::fuzz_loki(data));
