//! Lines: a record is what stands before `\n` or NUL, and at the peer's close the last piece too.
//!
//! ```text
//! content \n      a record        content \r \n   a record, without that one \r
//! content NUL     a record        \n  \r\n  NUL   an empty line, no record
//! longer than line_bytes_max: the first line_bytes_max bytes are a cut record, and the rest of
//! that line, up to its end, is dropped; the next line is whole again
//! ```

use memchr::memchr2;

/// Splits one connection's bytes into records.
///
/// The caller keeps what is unread and hands it back, longer, at the next call; the inbox never
/// has to hold more than `line_bytes_max + 2` bytes for a step to be possible.
#[derive(Clone, Copy, Debug)]
pub struct LineCodec {
    /// Content bytes kept of a line.
    line_bytes_max: u32,
    /// How many bytes at the front of the inbox were already searched without finding an end, so
    /// that a line that comes byte by byte is not searched again from its start each time.
    searched: u32,
    /// Whether the line now coming in was cut, so that all up to its end is to be dropped.
    is_cut: bool,
}

/// One step's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// No end of a line in sight; nothing was used.
    NeedMore,
    /// A record.
    Record(Line<'a>),
    /// The bytes used hold no record: empty lines, or the rest of a cut line.
    Skip {
        /// Bytes of content dropped behind a cut, not counting the line's end (but counting a `\r`
        /// before it). 0 for empty lines.
        dropped: usize,
    },
}

/// One record's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Never empty, and without its end. Holds no `\n` and no NUL; any other byte may stand in it.
    pub text: &'a [u8],
    /// Longer than the limit: `text` is its first `line_bytes_max` bytes.
    pub cut: bool,
}

impl LineCodec {
    /// A codec at the beginning of a line. `line_bytes_max` is at least 1.
    ///
    /// # Panics
    /// When `line_bytes_max` is 0 or does not fit a slot's length.
    pub fn new(line_bytes_max: usize) -> Self {
        assert!(line_bytes_max > 0, "a line limit of 0 would make every line a cut one");
        let line_bytes_max =
            u32::try_from(line_bytes_max).expect("the settings bound it by a quarter block");
        Self { line_bytes_max, searched: 0, is_cut: false }
    }

    /// Takes one step over `inbox`: how many bytes it used, and what they mean. Pull until
    /// [`Step::NeedMore`].
    ///
    /// `inbox` begins with all bytes that earlier steps left unread.
    // What it returns is too large for registers; inlined, it need not be built in memory.
    #[inline(always)]
    pub fn step<'a>(&mut self, inbox: &'a [u8]) -> (usize, Step<'a>) {
        if self.is_midway() {
            return self.step_midway(inbox);
        }
        self.step_searched(inbox, 0)
    }

    /// The line with which `inbox` begins, where all of it is there and it is neither empty nor too
    /// long: how many bytes it uses, and its text. To be asked between lines.
    #[inline(always)]
    pub(super) fn whole<'a>(&self, inbox: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let limit = self.line_bytes_max as usize;
        let window = &inbox[..inbox.len().min(limit + 2)];
        let end = memchr2(b'\n', 0, window)?;
        let content = match window[..end] {
            [.., b'\r'] if window[end] == b'\n' => end - 1,
            _ => end,
        };
        (1..=limit).contains(&content).then(|| (end + 1, &window[..content]))
    }

    /// Takes one step after the peer's close, when no byte will follow. Pull until
    /// [`Step::NeedMore`]: then all is used.
    pub fn finish<'a>(&mut self, inbox: &'a [u8]) -> (usize, Step<'a>) {
        match self.step(inbox) {
            (_, Step::NeedMore) if !inbox.is_empty() => {
                self.searched = 0;
                let limit = self.line_bytes_max as usize;
                // One byte over the limit is only held back where it is a `\r` that might have
                // been the line's end.
                let cut = inbox.len() > limit;
                self.is_cut = cut;
                let text = &inbox[..inbox.len().min(limit)];
                (text.len(), Step::Record(Line { text, cut }))
            }
            step => step,
        }
    }

    /// Content bytes kept of a line.
    pub(super) fn line_bytes_max(&self) -> usize {
        self.line_bytes_max as usize
    }

    /// Whether a line has begun whose end was not in the inbox.
    #[inline(always)]
    pub(super) fn is_midway(&self) -> bool {
        self.is_cut || self.searched != 0
    }

    /// Takes the inbox for the beginning of a line, whatever came before.
    pub(super) fn restart(&mut self) {
        *self = Self { searched: 0, is_cut: false, ..*self };
    }

    /// Drops what comes up to the end of the line, because the caller has stored what it had of it
    /// as a cut record.
    pub fn skip_rest(&mut self) {
        self.searched = 0;
        self.is_cut = true;
    }

    /// The step of a line that did not end in the inbox before.
    fn step_midway<'a>(&mut self, inbox: &'a [u8]) -> (usize, Step<'a>) {
        if !self.is_cut {
            let searched = (self.searched as usize).min(inbox.len());
            self.searched = 0;
            return self.step_searched(inbox, searched);
        }
        if inbox.is_empty() {
            return (0, Step::NeedMore);
        }
        match memchr2(b'\n', 0, inbox) {
            Some(end) => {
                self.is_cut = false;
                (end + 1, Step::Skip { dropped: end })
            }
            None => (inbox.len(), Step::Skip { dropped: inbox.len() }),
        }
    }

    /// The step at a line's beginning, its first `searched` bytes being known to hold no end.
    #[inline(always)]
    fn step_searched<'a>(&mut self, inbox: &'a [u8], searched: usize) -> (usize, Step<'a>) {
        let limit = self.line_bytes_max as usize;
        // The longest line that is not cut: all of its content, `\r`, `\n`.
        let window = &inbox[..inbox.len().min(limit + 2)];
        let Some(end) = memchr2(b'\n', 0, &window[searched..]) else {
            return self.step_unended(window);
        };
        let end = searched + end;
        let content = match window[..end] {
            [.., b'\r'] if window[end] == b'\n' => end - 1,
            _ => end,
        };
        if content == 0 {
            // A run of empty lines is one step, so that a flood of them costs little.
            let empty = window[end + 1..].iter().take_while(|&&b| b == b'\n' || b == 0).count();
            return (end + 1 + empty, Step::Skip { dropped: 0 });
        }
        if content > limit {
            return self.step_over_limit(window);
        }
        (end + 1, Step::Record(Line { text: &window[..content], cut: false }))
    }

    /// No end within the window: wait for more, or cut where the limit is already passed.
    #[cold]
    fn step_unended<'a>(&mut self, window: &'a [u8]) -> (usize, Step<'a>) {
        let limit = self.line_bytes_max as usize;
        let may_end_yet = match window.get(limit) {
            None => true,
            // This `\r` may belong to the end of a line that is exactly at the limit.
            Some(b'\r') => window.len() == limit + 1,
            Some(_) => false,
        };
        if !may_end_yet {
            return self.step_over_limit(window);
        }
        // It fits: the window is at most one byte longer than the limit, which came from a u32.
        self.searched = u32::try_from(window.len()).unwrap_or(0);
        (0, Step::NeedMore)
    }

    /// Hands out the part that is kept; the rest follows as [`Step::Skip`].
    #[cold]
    fn step_over_limit<'a>(&mut self, window: &'a [u8]) -> (usize, Step<'a>) {
        self.is_cut = true;
        let text = &window[..self.line_bytes_max as usize];
        (text.len(), Step::Record(Line { text, cut: true }))
    }
}

/// Runs the codec over arbitrary bytes: the first says the limit, the second where reads end.
///
/// # Panics
/// When bytes get lost or appear: bytes in = bytes kept + line ends + bytes dropped; or when a
/// record breaks what [`Line`] promises.
pub fn fuzz_line(data: &[u8]) {
    let [limit, read_bytes, input @ ..] = data else { return };
    let limit = 1 + usize::from(*limit % 32);
    let read_bytes = 1 + usize::from(*read_bytes % 64);
    let mut codec = LineCodec::new(limit);
    let (mut kept, mut dropped, mut ends, mut records_cut) = (0, 0, 0, 0);
    let (mut start, mut filled) = (0, 0);
    loop {
        let is_closed = filled == input.len();
        let inbox = &input[start..filled];
        let (used, step) = if is_closed { codec.finish(inbox) } else { codec.step(inbox) };
        match step {
            Step::NeedMore if is_closed => break,
            Step::NeedMore => {
                assert_eq!(used, 0, "used bytes without a meaning");
                assert!(inbox.len() <= limit + 1, "wants {} bytes at {limit}", inbox.len());
                filled = input.len().min(filled + read_bytes);
                continue;
            }
            Step::Record(Line { text, cut }) => {
                assert!(!text.is_empty() && text.len() <= limit, "record of {}", text.len());
                assert!(memchr2(b'\n', 0, text).is_none(), "a record holds an end");
                assert!(!cut || text.len() == limit, "cut at {} of {limit}", text.len());
                kept += text.len();
                ends += used - text.len();
                records_cut += usize::from(cut);
            }
            Step::Skip { dropped: bytes } => {
                dropped += bytes;
                ends += used - bytes;
            }
        }
        assert!(used > 0, "a step without progress");
        start += used;
    }
    assert_eq!(start, input.len(), "bytes left unread");
    assert_eq!(kept + dropped + ends, input.len(), "bytes lost or invented");
    assert!(records_cut <= dropped, "a cut that dropped nothing");
    let terminators = input.iter().filter(|&&b| b == b'\n' || b == 0).count();
    let returns = input.iter().filter(|&&b| b == b'\r').count();
    assert!((terminators..=terminators + returns).contains(&ends), "{ends} bytes of line ends");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::LINE_BYTES_DEFAULT;
    use crate::proto::testing::{every_split, pull};

    /// What came out: the records with their `cut`, and how many bytes were dropped.
    type Outcome = (Vec<(Vec<u8>, bool)>, usize);

    fn split(line_bytes_max: usize, pieces: &[&[u8]]) -> Outcome {
        let mut codec = LineCodec::new(line_bytes_max);
        let (mut records, mut dropped) = (Vec::new(), 0);
        pull(pieces, |inbox, is_closed| {
            let (used, step) = if is_closed { codec.finish(inbox) } else { codec.step(inbox) };
            match step {
                Step::NeedMore => return None,
                Step::Record(line) => records.push((line.text.to_vec(), line.cut)),
                Step::Skip { dropped: bytes } => dropped += bytes,
            }
            Some(used)
        });
        (records, dropped)
    }

    /// `expected`: the records, a cut one written with `...` behind it.
    #[track_caller]
    fn check(line_bytes_max: usize, input: &[u8], expected: &[&str]) {
        let (records, _) = every_split(input, |pieces| split(line_bytes_max, pieces));
        let shown: Vec<String> = records
            .iter()
            .map(|(text, cut)| format!("{}{}", text.escape_ascii(), if *cut { "..." } else { "" }))
            .collect();
        assert_eq!(shown, expected, "{}", input.escape_ascii());
    }

    /// The plainest splitter: ends first, then the `\r`, then the limit.
    fn split_naive(line_bytes_max: usize, input: &[u8]) -> Outcome {
        let (mut records, mut dropped) = (Vec::new(), 0);
        let mut start = 0;
        for end in 0..=input.len() {
            let terminator = input.get(end);
            if !matches!(terminator, None | Some(b'\n' | 0)) {
                continue;
            }
            let raw = &input[start..end];
            let bare = match terminator {
                Some(b'\n') => raw.strip_suffix(b"\r").unwrap_or(raw),
                _ => raw,
            };
            if bare.len() > line_bytes_max {
                records.push((raw[..line_bytes_max].to_vec(), true));
                dropped += raw.len() - line_bytes_max;
            } else if !bare.is_empty() {
                records.push((bare.to_vec(), false));
            }
            start = end + 1;
        }
        (records, dropped)
    }

    #[test]
    fn lf_crlf_and_nul_end_a_record() {
        check(9, b"a\nb\r\nc\0d\n", &["a", "b", "c", "d"]);
    }

    #[test]
    fn only_one_cr_goes_and_only_before_lf() {
        check(9, b"a\r\r\nb\r\0c\rd\n\re\n", &["a\\r", "b\\r", "c\\rd", "\\re"]);
    }

    #[test]
    fn empty_lines_are_no_records() {
        check(9, b"\n\r\n\0\n\n\r\na\n\n\n\0\0b\n\n", &["a", "b"]);
    }

    #[test]
    fn a_last_piece_without_an_end_is_a_record() {
        check(9, b"a\nlast", &["a", "last"]);
        check(9, b"a\nlast\r", &["a", "last\\r"]);
        check(9, b"\r", &["\\r"]);
        check(9, b"", &[]);
    }

    #[test]
    fn any_other_byte_is_kept() {
        let input: Vec<u8> = (1..=255).filter(|&b| b != b'\n').collect();
        let (records, _) = every_split(&input, |pieces| split(300, pieces));
        assert_eq!(records, [(input, false)]);
    }

    #[test]
    fn a_line_over_the_limit_is_cut_and_the_next_is_whole() {
        check(4, b"123456789\nnext\nabcde\r\nmore\n", &["1234...", "next", "abcd...", "more"]);
        let mut input = vec![b'x'; LINE_BYTES_DEFAULT + 1];
        input.extend_from_slice(b"\nnext\n");
        let (records, dropped) = split(LINE_BYTES_DEFAULT, &[&input]);
        assert_eq!(records[0], (vec![b'x'; LINE_BYTES_DEFAULT], true));
        assert_eq!(records[1], (b"next".to_vec(), false));
        assert_eq!(dropped, 1);
    }

    #[test]
    fn a_line_at_the_limit_is_whole_whatever_ends_it() {
        check(4, b"1234\n1234\r\n1234\x001234", &["1234", "1234", "1234", "1234"]);
    }

    #[test]
    fn a_cr_over_the_limit_counts_where_no_lf_follows() {
        check(4, b"1234\r\r\nab\n", &["1234...", "ab"]);
        check(4, b"1234\r\0ab\n", &["1234...", "ab"]);
        check(4, b"1234\rx\nab\n", &["1234...", "ab"]);
        check(4, b"1234\r", &["1234..."]);
    }

    #[test]
    fn a_cut_is_handed_out_one_byte_after_the_limit() {
        let mut codec = LineCodec::new(4);
        assert_eq!(codec.step(b"1234"), (0, Step::NeedMore));
        let cut = Step::Record(Line { text: b"1234", cut: true });
        assert_eq!(codec.step(b"12345"), (4, cut));
        assert_eq!(codec.step(b"56"), (2, Step::Skip { dropped: 2 }));
        assert_eq!(codec.step(b""), (0, Step::NeedMore));
        assert_eq!(codec.step(b"78\nnext"), (3, Step::Skip { dropped: 2 }));
    }

    #[test]
    fn what_was_searched_is_not_searched_again() {
        let mut codec = LineCodec::new(100);
        assert_eq!(codec.step(b"0123456789"), (0, Step::NeedMore));
        assert_eq!(codec.searched, 10);
        // A caller that came back with other bytes would be told at most a wrong split.
        assert_eq!(codec.step(b"01"), (0, Step::NeedMore));
        let line = Line { text: b"01a", cut: false };
        assert_eq!(codec.step(b"01a\n"), (4, Step::Record(line)));
        assert_eq!(codec.searched, 0);
    }

    #[test]
    fn a_connection_pays_12_bytes() {
        assert_eq!(size_of::<LineCodec>(), 12);
    }

    proptest! {
        #[test]
        fn it_splits_as_the_plainest_splitter_does(
            input in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(0), Just(b'a'), any::<u8>()],
                0..60,
            ),
            line_bytes_max in 1_usize..12,
        ) {
            let outcome = every_split(&input, |pieces| split(line_bytes_max, pieces));
            prop_assert_eq!(outcome, split_naive(line_bytes_max, &input));
        }

        #[test]
        fn no_byte_is_lost_or_invented(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz_line(&data);
        }
    }
}
