//! Fuzzes the fields inside a record's text.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::message::fields::fuzz_fields(data));
