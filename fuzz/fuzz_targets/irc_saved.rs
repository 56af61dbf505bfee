//! Fuzzes the file in which filters and alerts of IRC are kept.

#![no_main]

use logcaster::session::irc::bot::saved::fuzz_irc_saved;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_irc_saved(data));
