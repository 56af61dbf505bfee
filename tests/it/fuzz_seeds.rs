//! The fuzz targets without cargo-fuzz: fixed seeds, sample inputs and their mutations, some
//! seconds in all. `make fuzz` goes further; what it finds becomes a unit test beside the code.

use std::panic::{AssertUnwindSafe, catch_unwind};

#[path = "../../fuzz/src/lib.rs"]
mod inputs;

const SEED: u64 = 0x6c6f_6763_6173_7465;

/// SplitMix64: small, seeded, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        // Half of all bytes are such as parsers look for.
        const SIGNS: &[u8] = b"\n\r\0\"'=,:;<>[](){}\\*+?-|.^$ 019azEW\xff\x80";
        match self.below(2) {
            0 => SIGNS[self.below(SIGNS.len())],
            _ => self.next() as u8,
        }
    }

    /// A place in `input` and one at or behind it.
    fn range(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(input.len());
        start..start + self.below(input.len() - start + 1)
    }

    /// `input` changed in one way: a byte, a piece taken out, doubled or brought from `other`.
    fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        match self.below(6) {
            0 if at < input.len() => input[at] = self.byte(),
            1 if at < input.len() => input[at] ^= 1 << self.below(8),
            2 => input.insert(at, self.byte()),
            3 => drop(input.drain(self.range(input))),
            4 => {
                let piece = input[self.range(input)].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let piece = other[self.range(other)].to_vec();
                input.splice(at..at, piece);
            }
        }
    }
}

/// Runs `target` over `samples` and `rounds` mutations of them; `Err` is the first input that
/// made it panic, and how to come to it again.
fn fuzz(target: impl Fn(&[u8]), samples: &[&[u8]], rounds: usize) -> Result<(), String> {
    let mut random = Random(SEED);
    for round in 0..samples.len() + rounds {
        let input = match samples.get(round) {
            Some(sample) => sample.to_vec(),
            None => {
                let mut input = samples[random.below(samples.len())].to_vec();
                for _ in 0..=random.below(8) {
                    let other = samples[random.below(samples.len())];
                    random.mutate(&mut input, other);
                }
                input.truncate(4096);
                input
            }
        };
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            return Err(format!(
                "seed={SEED:#x} round={round} input=b\"{}\"",
                input.escape_ascii()
            ));
        }
    }
    Ok(())
}

#[track_caller]
fn check(target: impl Fn(&[u8]), samples: &[&[u8]], rounds: usize) {
    if let Err(found) = fuzz(target, samples, rounds) {
        panic!("{found}");
    }
}

const LINES: &[&[u8]] = &[
    b"\x04\x03a line\nanother\r\nand one more\0\n\n\r\nlast",
    b"\x1f\x07[Mon Dec 05 10:16:52 2005] [error] mod_jk child workerEnv in error state 6\r\n",
    b"\x00\x00",
    b"03-17 16:13:38.811  1702  2395 D WindowManager: printFreezingDisplayLogs",
    b"- 1131058409 2005.11.03 R60-M1-NF-C:J12-U11 2005-11-03-14.53.29.339977 RAS KERNEL INFO iar",
    b"{\"ts\":\"2026-11-20T10:00:00.123Z\",\"level\":\"warn\",\"msg\":\"x\",\"n\":{\"level\":30}}",
    b"ts=2026-11-20T10:00:00Z severity=critical lvl=EMERGENCY msg=\"INFORMATION\" FATAL: error: ",
    b"<191>1 2026-11-20T10:00:00Z host app 17 - - x",
    b"E0102 12:00:00.1 17 a.cc:1] x\nE/Tag( 17): y\n\x1b[32mINFO\x1b[0m z",
];

const COMMANDS: &[&[u8]] = &[
    b"COUNT",
    b"recent 50",
    b"SEARCH a \"quoted\" text",
    b"REGEX (?i)error.*\\bpayment\\b[a-f\\d]{2,3}$",
    b"FILTER 2026-11-20 10:00:00 2026-11-20 11:00:00",
    b"FILTER -5m now",
    b"QUERY keywords=a,b operator=OR regex=\"x|y\" since=-5m until=2026-11-20T10:00:00+01:00",
    b"QUERY keyword=\"a b\" level=error source=10.0.0.1 limit=10 order=desc format=json after=17",
    b"TAIL n=20 time_from=1795168800 level=warn",
    b"GET / HTTP/1.1\r\nHost: localhost",
];

const QUERIES: &[&[u8]] = &[
    b"keywords=a,b operator=AND regex=(?i)x+y since=-5m until=now limit=10 order=desc",
    b"keyword='a b' time_from=\"2026-11-20 10:00:00\" time_to=1795168800.5 format=raw after=17",
    b"n=20 level=warning source=::1",
    b"(a?){100}a{100}",
    b"[^x]{0,900}q\\A\\z(?u)\\w\xc3\xa9",
    b"(?P<name>a|b)*?[[:alpha:]--[a-c]]\\x{1F600}",
];

/// Edits to the segment of [`inputs`]: none, one in each part, the file cut short.
const EDITS: &[&[u8]] = &[
    b"",
    b"\0\0\x08\x01\x01\0\x08\x02",
    b"\x02\0\x10\xff\x04\0\x08\x01\x05\x07\xf0\x20",
    b"\x06\x40\0x\x0d\0\x04\xff\x11\x07\xe0\x80\x80",
];

#[test]
fn lines_hold_what_they_promise() {
    check(logcaster::proto::line::fuzz_line, LINES, 60_000);
}

#[test]
fn levels_are_found_the_same_in_both_ways() {
    check(logcaster::level::fuzz_level, LINES, 60_000);
}

#[test]
fn commands_are_read_or_refused() {
    check(logcaster::proto::command::fuzz_command, COMMANDS, 20_000);
}

#[test]
fn queries_are_read_or_refused() {
    check(logcaster::query::fuzz_query, QUERIES, 4_000);
}

#[test]
fn segments_are_opened_or_refused() {
    check(|data| logcaster::segment::fuzz_open(&inputs::edited_segment(data)), EDITS, 200);
}

#[test]
fn blocks_are_read_or_refused() {
    check(|data| logcaster::segment::fuzz_block(&inputs::edited_block(data)), EDITS, 2_000);
}

#[test]
fn bytes_that_are_no_segment_are_refused() {
    check(logcaster::segment::fuzz_open, EDITS, 2_000);
}

/// A target with a fault that only a mutation reaches: the harness must find it and say how.
#[test]
fn the_canary_is_found() {
    let canary = |data: &[u8]| assert!(!data.contains(&b'#'), "the canary");
    let sample = b"a line without the byte".as_slice();
    assert!(catch_unwind(|| canary(sample)).is_ok(), "the sample alone is harmless");
    let found = fuzz(canary, &[sample], 60_000);
    assert!(found.is_err_and(|how| how.contains("round=") && how.contains('#')));
}
