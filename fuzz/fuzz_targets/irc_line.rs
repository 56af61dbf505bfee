//! Fuzzes how LogBot says records.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::session::irc::line::fuzz_irc_line(data));
