//! What the parsers of HTTP bodies share: the entries they find, the streams these belong to, and
//! what they say of the rest.
//!
//! A parser is asked step by step. It hands out one entry at a time, in the order of the body; the
//! caller stores it, or says `retry`, keeps the bytes, and
//! asks again later. Good entries are handed out wherever others are bad.

use std::fmt;

use crate::level::Level;
use crate::limits::{BAD_ENTRY_BYTES_MAX, PAIR_BYTES_MAX, PAIRS_BYTES_MAX};
use crate::message::syslog::EventTime;

/// What a step over a body found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'b> {
    /// The rest of the body is needed first.
    NeedMore,
    /// An entry to be stored.
    Entry(Entry<'b>),
    /// An entry that cannot be stored; others follow.
    Bad(BadEntry),
    /// This step has done its share of work. There is more to do with the same bytes.
    Again,
    /// Nothing behind this can be read. What was handed out before stays.
    Fail(BodyFailure),
    /// The body has ended.
    End,
}

/// A line to be stored, and what its protocol said of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'b> {
    /// What is stored, without a line end. It may be longer than a record, and may hold any bytes.
    pub text: &'b [u8],
    /// When it happened.
    pub time: EventTime,
    /// How severe it is, where the protocol says so beside the text; else the text may tell.
    pub level: Option<Level>,
    /// Whether [`Self::text`] is one JSON object.
    pub is_json: bool,
    /// Who sent it, as the request tells it. The same pairs have the same bytes.
    pub stream: &'b Pairs,
}

/// Why an entry cannot be stored: the label `reason` of `logcaster_dropped_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadReason {
    /// It should be JSON, and is not.
    Json,
    /// It is JSON, but no object.
    NotAnObject,
    /// It is longer than can be taken.
    TooLong,
    /// There is nothing in it.
    Empty,
    /// Its time cannot be read, where the protocol wants one.
    Time,
    /// The labels of its stream cannot be read.
    Labels,
    /// What is said beside its text cannot be read.
    Metadata,
    /// Its text is missing, or is none.
    Line,
    /// What is to be done with it cannot be read, or is nothing that is done here.
    Action,
    /// It should be protobuf, and is not.
    Protobuf,
}

impl BadReason {
    /// How many there are.
    pub const COUNT: usize = 10;

    /// Every one of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Json,
        Self::NotAnObject,
        Self::TooLong,
        Self::Empty,
        Self::Time,
        Self::Labels,
        Self::Metadata,
        Self::Line,
        Self::Action,
        Self::Protobuf,
    ];

    /// Its name in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::NotAnObject => "not_an_object",
            Self::TooLong => "too_long",
            Self::Empty => "empty",
            Self::Time => "time",
            Self::Labels => "labels",
            Self::Metadata => "metadata",
            Self::Line => "line",
            Self::Action => "action",
            Self::Protobuf => "protobuf",
        }
    }
}

/// An entry that cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEntry {
    /// Of what kind the mistake is.
    pub reason: BadReason,
    /// Where it is, what was seen, what is allowed: at most [`BAD_ENTRY_BYTES_MAX`] bytes on one
    /// line.
    pub what: String,
}

impl BadEntry {
    /// `what` is cut to its bound, and control characters in it become blanks.
    pub fn new(reason: BadReason, what: fmt::Arguments<'_>) -> Self {
        Self { reason, what: bounded(what) }
    }
}

impl fmt::Display for BadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Why a body cannot be read any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyFailure {
    /// Where it is, what was seen, what is allowed: at most [`BAD_ENTRY_BYTES_MAX`] bytes on one
    /// line.
    pub what: String,
}

impl BodyFailure {
    /// `what` is cut to its bound, and control characters in it become blanks.
    pub fn new(what: fmt::Arguments<'_>) -> Self {
        Self { what: bounded(what) }
    }
}

impl fmt::Display for BodyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// `what` on one line of at most [`BAD_ENTRY_BYTES_MAX`] bytes.
fn bounded(what: fmt::Arguments<'_>) -> String {
    struct Bounded(String);
    impl fmt::Write for Bounded {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for char in text.chars() {
                if self.0.len() + char.len_utf8() > BAD_ENTRY_BYTES_MAX {
                    return Err(fmt::Error);
                }
                self.0.push(if char.is_control() { ' ' } else { char });
            }
            Ok(())
        }
    }
    let mut text = Bounded(String::new());
    // The only error is that the bound is reached.
    let _ = fmt::Write::write_fmt(&mut text, what);
    text.0
}

/// Names and values of a stream, in the order said, as they were said.
///
/// ```text
/// name bytes: u16 | value bytes: u16 | name | value | ...
/// ```
///
/// The same names and values in the same order are the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    bytes: Vec<u8>,
}

impl Pairs {
    /// No pairs, and no memory.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Forgets all pairs. The memory is kept for others.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds a pair. Each part is cut to [`PAIR_BYTES_MAX`] bytes, more than a label keeps; what
    /// would make all of them longer than [`PAIRS_BYTES_MAX`] is left out.
    #[inline]
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let name = &name[..name.len().min(PAIR_BYTES_MAX)];
        let value = &value[..value.len().min(PAIR_BYTES_MAX)];
        if self.bytes.len() + 4 + name.len() + value.len() > PAIRS_BYTES_MAX {
            return;
        }
        let bytes = |part: &[u8]| (part.len() as u16).to_le_bytes();
        self.bytes.extend_from_slice(&bytes(name));
        self.bytes.extend_from_slice(&bytes(value));
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
    }

    /// The pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (head, behind) = rest.split_first_chunk::<4>()?;
            let [a, b, c, d] = *head;
            let (name, behind) = behind.split_at_checked(u16::from_le_bytes([a, b]).into())?;
            let (value, behind) = behind.split_at_checked(u16::from_le_bytes([c, d]).into())?;
            rest = behind;
            Some((name, value))
        })
    }

    /// All pairs, to be compared with others.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

const _: () = assert!(PAIR_BYTES_MAX <= u16::MAX as usize);

/// What [`feed`] has to know of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    NeedMore,
    Going,
    Failed,
    End,
}

impl Fed {
    /// Of this one.
    pub(super) fn by(step: &Step<'_>) -> Self {
        match step {
            Step::NeedMore => Self::NeedMore,
            Step::Entry(_) | Step::Bad(_) | Step::Again => Self::Going,
            Step::Fail(_) => Self::Failed,
            Step::End => Self::End,
        }
    }
}

/// For fuzzing and tests: takes the steps over a body of which ever more is there, up to each of
/// `ends`; the last of these is its whole length. `step` gets what is there and not used, and
/// whether that is the rest of the body; it says how much it used.
///
/// # Panics
/// Where a step uses what is not there or wants more of a whole body, where the steps come to no
/// end, or to one before that of the body.
pub(super) fn feed(
    body: &[u8],
    ends: impl IntoIterator<Item = usize>,
    mut step: impl FnMut(&[u8], bool) -> (usize, Fed),
) {
    let mut ends = ends.into_iter().peekable();
    let (mut at, mut end) = (0, ends.next().unwrap_or(body.len()));
    for _ in 0..8 * body.len() + 8 {
        let is_whole = ends.peek().is_none();
        let (used, fed) = step(&body[at..end], is_whole);
        at += used;
        assert!(at <= end, "uses what is not there");
        match fed {
            Fed::NeedMore => end = ends.next().expect("a whole body needs no more"),
            Fed::Going => {}
            Fed::Failed => return,
            Fed::End => {
                assert!(is_whole && at == body.len(), "bytes left over");
                return;
            }
        }
    }
    panic!("no end in {} bytes", body.len());
}

/// The same in pieces of so many bytes, the first of none.
///
/// # Panics
/// As [`feed`] does.
pub(super) fn feed_evenly(
    body: &[u8],
    piece_bytes: usize,
    step: impl FnMut(&[u8], bool) -> (usize, Fed),
) {
    let ends = (0..body.len()).step_by(piece_bytes).chain([body.len()]);
    feed(body, ends, step);
}

/// For fuzzing: the text of an entry that is one JSON object on one line.
///
/// # Panics
/// Where it is none.
pub(super) fn object_on_one_line(entry: &Entry<'_>) -> Vec<u8> {
    assert!(entry.is_json && entry.text.starts_with(b"{"), "no object");
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(entry.text).is_ok(), "no JSON");
    assert!(!entry.text.contains(&b'\n'), "several lines");
    entry.text.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_in_order_and_compare_as_bytes() {
        let mut pairs = Pairs::new();
        pairs.push(b"app", b"api");
        pairs.push(b"", b"");
        pairs.push(b"host", b"edge1\0\xff");
        let all: Vec<_> = pairs.iter().collect();
        let expected: [(&[u8], &[u8]); 3] =
            [(b"app", b"api"), (b"", b""), (b"host", b"edge1\0\xff")];
        assert_eq!(all, expected);
        let (mut one, mut other) = (Pairs::new(), Pairs::new());
        one.push(b"a", b"bc");
        other.push(b"ab", b"c");
        assert_ne!(one.as_bytes(), other.as_bytes());
        pairs.clear();
        assert_eq!(pairs.iter().count(), 0);
    }

    #[test]
    fn pairs_are_cut_and_bounded() {
        let mut pairs = Pairs::new();
        let long = vec![b'x'; PAIRS_BYTES_MAX];
        for _ in 0..100 {
            pairs.push(&long, &long);
        }
        assert!(pairs.as_bytes().len() <= PAIRS_BYTES_MAX);
        let cut = &long[..PAIR_BYTES_MAX];
        assert_eq!(pairs.iter().next(), Some((cut, cut)));
        assert!(pairs.iter().all(|pair| pair == (cut, cut)));
    }

    #[test]
    fn what_is_wrong_is_told_on_one_bounded_line() {
        let bad = BadEntry::new(BadReason::Json, format_args!("a\nb\u{1b}{}", "ü".repeat(1000)));
        assert!(bad.what.starts_with("a b ü"));
        assert!(bad.what.len() <= BAD_ENTRY_BYTES_MAX);
        assert!(bad.what.len() > BAD_ENTRY_BYTES_MAX - 2);
        assert_eq!(BodyFailure::new(format_args!("line {}", 7)).to_string(), "line 7");
    }

    #[test]
    fn reasons_have_names_of_their_own() {
        let mut names: Vec<_> = BadReason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), BadReason::COUNT);
    }
}
