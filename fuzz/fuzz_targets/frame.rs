//! Fuzzes the frame codec, and what a datagram is taken for.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::frame::fuzz_frame(data));
