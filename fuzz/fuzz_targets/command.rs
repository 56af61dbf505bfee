//! Fuzzes a line of the text protocol.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::command::fuzz_command(data));
