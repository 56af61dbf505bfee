//! Fuzzes exports of OTLP, in JSON and in protobuf.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::otlp::fuzz_otlp(data));
