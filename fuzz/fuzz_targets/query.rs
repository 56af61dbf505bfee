//! Fuzzes the parameters of QUERY and TAIL, and a regex.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::query::fuzz_query(data));
