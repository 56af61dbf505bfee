//! Fuzzes the reader and the writer of IRC's lines.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::irc::fuzz_irc_message(data));
