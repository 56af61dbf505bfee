//! Fuzzes a kernel message.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::message::kmsg::fuzz_kmsg(data));
