//! Fuzzes opening a segment, from edits to a good one.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::segment::fuzz_open(
    &logcaster_fuzz::edited_segment(data)
));
