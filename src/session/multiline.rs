//! Joins the lines after a first line to it, with LF: a stack trace becomes one record.
//!
//! ```text
//! 2026-11-20 10:00:00 ERROR x     first line: begins a record
//!   at a.b.c(D.java:17)           no first line: joined
//!   at e.f.g(H.java:4)
//! 2026-11-20 10:00:01 INFO y      the record before it is whole now
//! ```
//!
//! The record under way is handed out as a slice and dropped only when the caller says that it is
//! stored. A line that comes before any first line is a record by itself; one that is more than a
//! second late, or beyond a record's bounds, begins another.

use crate::clock::{MS, Mono};
use crate::limits::{MULTILINE_LINES_MAX, MULTILINE_LOOK_BYTES, MULTILINE_MS, MULTILINE_REGEX_NS};
use crate::metrics::Metrics;
use crate::query::{Budget, Regex, RegexError};

/// What a first line looks like. One for all connections, for a search adds to its memory.
#[derive(Debug)]
pub struct FirstLine(Regex);

impl FirstLine {
    /// Compiles `pattern`, in the language of `REGEX`. It is looked for in the first
    /// [`MULTILINE_LOOK_BYTES`] bytes of a line.
    ///
    /// # Errors
    /// A pattern that is too long, wrong or too big.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        Regex::new(pattern.as_bytes()).map(Self)
    }

    /// Whether `line` is a first one. One that takes too long to decide is: so it joins nothing.
    pub fn is_first(&mut self, line: &[u8]) -> bool {
        let start = &line[..line.len().min(MULTILINE_LOOK_BYTES)];
        if self.0.hint().find(start).is_none() {
            return false;
        }
        let mut budget = Budget::new(MULTILINE_REGEX_NS);
        let found = self.0.step(start, &mut budget);
        if found.is_none() {
            self.0.reset();
        }
        found.unwrap_or(true)
    }
}

/// Memory that is kept for the next record, in bytes.
const SPARE_BYTES: usize = 4096;

/// What is to become of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It is kept, and need not be shown again.
    Kept,
    /// It is a record by itself: the caller stores it.
    Alone,
    /// The caller stores what is pending, and then calls [`Multiline::replace`] with the line; or,
    /// where there is no room, shows the line again later. Nothing has changed.
    Full,
}

/// The record under way on one connection.
#[derive(Debug, Default)]
pub struct Multiline {
    /// Its lines so far.
    pending: Vec<u8>,
    /// How many; 0 = none.
    lines: u32,
    /// Its last line was cut: nothing can follow.
    cut: bool,
    /// When its last line came.
    last: Mono,
}

impl Multiline {
    /// Takes a line, without its end. A record has at most `bytes_max` bytes; `line` has no more.
    pub fn push(
        &mut self,
        line: &[u8],
        cut: bool,
        first: &mut FirstLine,
        bytes_max: usize,
        now: Mono,
        metrics: &mut Metrics,
    ) -> Push {
        let is_first = first.is_first(line);
        if self.lines == 0 {
            if !is_first {
                return Push::Alone;
            }
            self.begin(line, cut, now);
            return Push::Kept;
        }
        let bytes = self.pending.len() + 1 + line.len();
        let has_room = self.lines < MULTILINE_LINES_MAX && bytes <= bytes_max && !self.cut;
        if is_first || !has_room || self.is_due(now) {
            return Push::Full;
        }
        metrics.joined += 1;
        self.pending.push(b'\n');
        self.pending.extend_from_slice(line);
        self.lines += 1;
        self.cut = cut;
        self.last = now;
        Push::Kept
    }

    /// What was pending is stored, and `line`, for which it gave way, begins the next record: so
    /// the rest of one beyond its bounds is kept together too.
    pub fn replace(&mut self, line: &[u8], cut: bool, now: Mono) {
        self.begin(line, cut, now);
    }

    fn begin(&mut self, line: &[u8], cut: bool, now: Mono) {
        if self.pending.capacity() > SPARE_BYTES.max(2 * line.len()) {
            self.pending = Vec::with_capacity(line.len());
        }
        self.pending.clear();
        self.pending.extend_from_slice(line);
        (self.lines, self.cut, self.last) = (1, cut, now);
    }

    /// The record under way, and whether it was cut: to be stored when it is due, at the end of the
    /// connection, before what is no line, and where memory is short.
    pub fn pending(&self) -> Option<(&[u8], bool)> {
        (self.lines > 0).then_some((&self.pending[..], self.cut))
    }

    /// What was pending is stored. What follows without a first line stands for itself.
    pub fn stored(&mut self) {
        *self = Self::default();
    }

    /// Bytes held for the record under way, for the memory budget.
    pub fn held_bytes(&self) -> usize {
        self.pending.capacity()
    }

    /// When the record under way is to be stored.
    pub fn next_deadline(&self) -> Option<Mono> {
        (self.lines > 0).then(|| self.last.saturating_add(MULTILINE_MS * MS))
    }

    /// Whether it is.
    pub fn is_due(&self, now: Mono) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline <= now)
    }
}

/// Joins the lines of `data` with a pattern, stores some at the first try and some later, and holds
/// what comes out against what went in: every byte, in order, within the bounds.
pub fn fuzz_multiline(data: &[u8]) {
    let mut first = FirstLine::new("^\\S|^$|x{3}").expect("it is a pattern");
    let (mut multiline, mut metrics) = (Multiline::default(), Metrics::default());
    let (mut out, mut now) = (Vec::new(), 0);
    let (bytes_max, data) = match data.split_first() {
        Some((byte, rest)) => (usize::from(*byte) + 1, rest),
        None => (1, data),
    };
    let store = |text: &[u8], out: &mut Vec<u8>| {
        assert!(text.len() <= bytes_max);
        out.extend_from_slice(text);
        out.push(b'\n');
    };
    for line in data.split(|byte| *byte == b'\n').flat_map(|line| pieces(line, bytes_max)) {
        now += line.len() as u64 % 7 * 200 * MS;
        if multiline.is_due(now) && line.len() % 2 == 0 {
            multiline.pending().into_iter().for_each(|(text, _)| store(text, &mut out));
            multiline.stored();
        }
        match multiline.push(line, false, &mut first, bytes_max, now, &mut metrics) {
            Push::Kept => {}
            Push::Alone => store(line, &mut out),
            Push::Full => {
                let again = multiline.push(line, false, &mut first, bytes_max, now, &mut metrics);
                assert_eq!(again, Push::Full, "nothing has changed");
                multiline.pending().into_iter().for_each(|(text, _)| store(text, &mut out));
                multiline.replace(line, false, now);
            }
        }
    }
    multiline.pending().into_iter().for_each(|(text, _)| store(text, &mut out));
    let lines = data.split(|byte| *byte == b'\n').flat_map(|line| pieces(line, bytes_max));
    let expected: Vec<u8> = lines.flat_map(|line| [line, b"\n"].concat()).collect();
    assert_eq!(out, expected);
}

/// A line in pieces of at most `bytes_max` bytes; an empty one is a piece.
fn pieces(line: &[u8], bytes_max: usize) -> impl Iterator<Item = &[u8]> {
    let (start, rest) = line.split_at(line.len().min(bytes_max));
    std::iter::once(start).chain(rest.chunks(bytes_max))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: usize = 64 << 10;

    /// Lines in, records out.
    struct Joiner {
        multiline: Multiline,
        first: FirstLine,
        bytes_max: usize,
        metrics: Metrics,
        records: Vec<String>,
    }

    impl Joiner {
        fn new(pattern: &str, bytes_max: usize) -> Self {
            let (multiline, metrics) = (Multiline::default(), Metrics::default());
            let first = FirstLine::new(pattern).unwrap();
            Self { multiline, first, bytes_max, metrics, records: Vec::new() }
        }

        fn flush(&mut self) {
            if let Some((text, _)) = self.multiline.pending() {
                self.records.push(String::from_utf8(text.to_vec()).unwrap());
            }
        }

        fn push(&mut self, line: &str, cut: bool, now: Mono) {
            let Self { multiline, first, bytes_max, metrics, .. } = self;
            match multiline.push(line.as_bytes(), cut, first, *bytes_max, now, metrics) {
                Push::Kept => {}
                Push::Alone => self.records.push(line.to_owned()),
                Push::Full => {
                    self.flush();
                    self.multiline.replace(line.as_bytes(), cut, now);
                }
            }
        }

        fn end(&mut self) {
            self.flush();
            self.multiline.stored();
        }
    }

    #[track_caller]
    fn check(pattern: &str, lines: &[&str], expected: &[&str]) {
        let mut joiner = Joiner::new(pattern, BYTES_MAX);
        lines.iter().for_each(|line| joiner.push(line, false, 0));
        joiner.end();
        assert_eq!(joiner.records, expected);
    }

    #[test]
    fn lines_after_a_first_line_are_joined_to_it() {
        check("^\\S", &["a", " b", " c", "d", "e", " f"], &["a\n b\n c", "d", "e\n f"]);
        check("^\\d{4}-", &["2026-a", "", "x"], &["2026-a\n\nx"]);
        check("ERROR", &["ERROR", "at", "an ERROR"], &["ERROR\nat", "an ERROR"]);
    }

    #[test]
    fn lines_before_any_first_line_stand_for_themselves() {
        check("^\\S", &[" x", " y", "a", " b"], &[" x", " y", "a\n b"]);
        check("^never", &["a", "b"], &["a", "b"]);
    }

    #[test]
    fn a_record_has_so_many_lines_and_bytes() {
        let mut joiner = Joiner::new("^\\S", 20);
        for line in ["first", " 23456789", " bcd", " 2345678901234567890", " x"] {
            joiner.push(line, false, 0);
        }
        joiner.end();
        let expected = ["first\n 23456789\n bcd", " 2345678901234567890", " x"];
        assert_eq!(joiner.records, expected);
        assert_eq!(joiner.metrics.joined, 2);
        let mut joiner = Joiner::new("^\\S", BYTES_MAX);
        joiner.push("a", false, 0);
        (0..2 * MULTILINE_LINES_MAX).for_each(|_| joiner.push(" b", false, 0));
        joiner.end();
        let counts: Vec<usize> = joiner.records.iter().map(|r| r.lines().count()).collect();
        let most = MULTILINE_LINES_MAX as usize;
        assert_eq!(counts, [most, most, 1]);
    }

    #[test]
    fn a_record_is_whole_a_second_after_its_last_line() {
        let mut joiner = Joiner::new("^\\S", BYTES_MAX);
        assert_eq!(joiner.multiline.next_deadline(), None);
        joiner.push("a", false, 0);
        joiner.push(" b", false, 900 * MS);
        assert_eq!(joiner.multiline.next_deadline(), Some(1900 * MS));
        assert!(!joiner.multiline.is_due(1899 * MS) && joiner.multiline.is_due(1900 * MS));
        // Nobody asked in time: what comes now is late all the same.
        joiner.push(" late", false, 1900 * MS);
        assert_eq!(joiner.records, ["a\n b"]);
        joiner.end();
        joiner.push(" later", false, 9000 * MS);
        assert_eq!(joiner.records[1..], [" late", " later"]);
    }

    #[test]
    fn nothing_follows_a_cut_line() {
        let mut joiner = Joiner::new("^\\S", BYTES_MAX);
        joiner.push("a", false, 0);
        joiner.push(" b", true, 0);
        assert_eq!(joiner.multiline.pending(), Some((&b"a\n b"[..], true)));
        joiner.push(" c", false, 0);
        assert_eq!(joiner.multiline.pending(), Some((&b" c"[..], false)));
    }

    #[test]
    fn a_record_without_room_is_handed_out_again() {
        let mut joiner = Joiner::new("^\\S", BYTES_MAX);
        joiner.push("a", false, 0);
        let Joiner { multiline, first, metrics, .. } = &mut joiner;
        for _ in 0..3 {
            assert_eq!(multiline.push(b"b", false, first, BYTES_MAX, 0, metrics), Push::Full);
            assert_eq!(multiline.pending(), Some((&b"a"[..], false)));
        }
        multiline.replace(b"b", false, 0);
        assert_eq!(multiline.pending(), Some((&b"b"[..], false)));
    }

    #[test]
    fn a_first_line_shows_it_early() {
        let late = format!("{}ERROR", " ".repeat(MULTILINE_LOOK_BYTES));
        let early = format!("{}ERROR", " ".repeat(MULTILINE_LOOK_BYTES - 5));
        check("ERROR", &["ERROR", &late, &early], &[&format!("ERROR\n{late}"), &early]);
    }

    #[test]
    fn a_pattern_that_takes_too_long_joins_nothing() {
        let mut first = FirstLine::new("[ab]*a[ab]{200}c").unwrap();
        let mut random = 1_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if random >> 63 == 0 { b'a' } else { b'b' }
        };
        let line: Vec<u8> = (0..MULTILINE_LOOK_BYTES).map(|_| next()).collect();
        assert!(first.is_first(&line), "undecided");
        assert!(!first.is_first(b"x"), "the search that was given up is forgotten");
    }

    #[test]
    fn memory_of_a_large_record_is_given_back() {
        let mut joiner = Joiner::new("^\\S", BYTES_MAX);
        joiner.push("a", false, 0);
        (0..400).for_each(|_| joiner.push(&format!(" {}", "x".repeat(99)), false, 0));
        assert!(joiner.multiline.held_bytes() >= 40_000);
        joiner.push("b", false, 0);
        assert!(joiner.multiline.held_bytes() <= SPARE_BYTES);
        joiner.end();
        assert_eq!(joiner.multiline.held_bytes(), 0);
    }

    fn lines_of_a() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ a]{0,3}", 0..40)
    }

    proptest! {
        #[test]
        fn records_are_the_lines_that_went_in(data in prop::collection::vec(
            prop_oneof![Just(b'\n'), Just(b' '), Just(b'x'), any::<u8>()], 0..400)) {
            fuzz_multiline(&data);
        }

        /// Against the plain rule: a record is a first line and what follows it.
        #[test]
        fn records_are_those_of_the_naive_model(lines in lines_of_a()) {
            let mut joiner = Joiner::new("^a", BYTES_MAX);
            let mut expected: Vec<String> = Vec::new();
            let mut has_begun = false;
            for line in &lines {
                joiner.push(line, false, 0);
                has_begun |= line.starts_with('a');
                match expected.last_mut() {
                    Some(last) if has_begun && !line.starts_with('a') => {
                        last.push('\n');
                        last.push_str(line);
                    }
                    _ => expected.push(line.clone()),
                }
            }
            joiner.end();
            prop_assert_eq!(joiner.records, expected);
        }
    }
}
