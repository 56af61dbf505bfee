//! Fuzzes the wire format of protocol buffers.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::protobuf::fuzz_protobuf(data));
