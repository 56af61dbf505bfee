//! Fuzzes one block, from edits to a good one.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logcaster::segment::fuzz_block(
    &logcaster_fuzz::edited_block(data)
));
