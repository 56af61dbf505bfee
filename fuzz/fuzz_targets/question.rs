//! Fuzzes questions over HTTP: the first byte says which, then pairs stand between `&`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logcaster::session::http::questions::fuzz_question(data)
});
