//! Fuzzes the header of a syslog message.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::message::syslog::fuzz_syslog(data));
