//! Fuzzes the time of a JSON line.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::message::json_time::fuzz_json_time(data));
