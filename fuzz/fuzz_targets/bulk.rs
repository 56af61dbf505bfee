//! Fuzzes Elasticsearch's bulk requests and the answers to them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::proto::bulk::fuzz_bulk(data));
