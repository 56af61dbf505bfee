//! Fuzzes IRC as some clients speak it: of each line the first byte says who does what.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::session::irc::room::fuzz_irc(data));
