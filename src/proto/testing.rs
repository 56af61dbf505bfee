//! What the tests of all codecs share: the split-everywhere check.

use std::fmt::Debug;

use super::coding::{Coding, Decoded, Decoder};
use super::entries::{Entry, Fed, Step, feed};
use super::http::{BodyReader, BodyStep, HeadStep, Request, read_head};
use crate::message::syslog::EventTime;

/// Feeds `input` whole, byte by byte, and cut at every point: `feed` gets the pieces in order and
/// returns all that the codec made of them. The outcome must be the same each time; it is returned.
///
/// Use [`pull`] in `feed` to keep what the codec leaves unread between the pieces.
#[track_caller]
pub fn every_split<T: PartialEq + Debug>(input: &[u8], feed: impl Fn(&[&[u8]]) -> T) -> T {
    let whole = feed(&[input]);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(whole, feed(&bytes), "byte by byte differs from whole: {}", input.escape_ascii());
    for cut in 0..=input.len() {
        let (left, right) = input.split_at(cut);
        let halves = feed(&[left, right]);
        assert_eq!(whole, halves, "cut at {cut} differs from whole: {}", input.escape_ascii());
    }
    whole
}

/// Plays the reactor for one connection: keeps the unread bytes, and calls `step` with them and
/// whether the peer has closed, until it returns `None` (more bytes needed). `Some(n)` uses up `n`.
///
/// # Panics
/// When `step` uses more than it was given, or leaves bytes unread after the close.
pub fn pull(pieces: &[&[u8]], mut step: impl FnMut(&[u8], bool) -> Option<usize>) {
    let mut inbox = Vec::new();
    for piece in pieces {
        inbox.extend_from_slice(piece);
        while let Some(used) = step(&inbox, false) {
            inbox.drain(..used);
        }
    }
    while let Some(used) = step(&inbox, true) {
        inbox.drain(..used);
    }
    assert_eq!(inbox.len(), 0, "unread after the close: {}", inbox.escape_ascii());
}

/// Feeds the body that `pieces` are to a parser as they come; the last of them is known to be that.
/// See [`feed`].
pub(super) fn feed_pieces(pieces: &[&[u8]], step: impl FnMut(&[u8], bool) -> (usize, Fed)) {
    let ends = pieces.iter().scan(0, |end, piece| {
        *end += piece.len();
        Some(*end)
    });
    feed(&pieces.concat(), ends, step);
}

/// What a step found, to be read by people: an entry of JSON as its text, time, level and stream;
/// what is bad as `!`, its reason and what is said of it; a failure as `!!`.
pub fn shown(step: &Step<'_>) -> Option<String> {
    match step {
        Step::Entry(entry) => Some(shown_entry(entry)),
        Step::Bad(bad) => Some(format!("!{}: {bad}", bad.reason.name())),
        Step::Fail(failure) => Some(format!("!!{failure}")),
        Step::NeedMore | Step::Again | Step::End => None,
    }
}

fn shown_entry(entry: &Entry<'_>) -> String {
    assert!(entry.is_json);
    let text = String::from_utf8_lossy;
    let mut shown = text(entry.text).into_owned();
    match entry.time {
        EventTime::Missing => {}
        EventTime::Bad => shown += " @bad",
        EventTime::At(at) => shown += &format!(" @{at}"),
    }
    if let Some(level) = entry.level {
        shown += &format!(" {}", level.name());
    }
    for (name, value) in entry.stream.iter() {
        shown += &format!(" {}={}", text(name), text(value));
    }
    shown
}

/// The requests in a capture of `tests/data/captures/http` that carry their bodies, and what these
/// hold.
///
/// # Panics
/// When the file is none such.
pub fn captured(name: &str) -> Vec<(Request, Vec<u8>)> {
    let path = format!("{}/tests/data/captures/http/{name}.req", env!("CARGO_MANIFEST_DIR"));
    let input = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (mut rest, mut found) = (&input[..], Vec::new());
    while !rest.is_empty() {
        let Ok((used, HeadStep::Head(request))) = read_head(rest) else { panic!("{name}: a head") };
        rest = &rest[used..];
        if rest.starts_with(b"POST") {
            // The body was asked for, and refused.
            continue;
        }
        let (mut reader, mut body) = (BodyReader::new(request.framing().unwrap()), Vec::new());
        loop {
            let (used, step) = reader.step(rest).unwrap();
            rest = &rest[used..];
            match step {
                BodyStep::Data(data) => body.extend_from_slice(data),
                BodyStep::End => break,
                BodyStep::NeedMore => panic!("{name}: cut"),
            }
        }
        let coding = Coding::from_name(request.header("content-encoding").unwrap_or_default());
        let mut decoder = Decoder::new(coding.unwrap());
        let (mut decoded, mut coded) = (Vec::new(), &body[..]);
        while let (used, Decoded::Full) = decoder.push(coded, &mut decoded, 1 << 16).unwrap() {
            coded = &coded[used..];
        }
        found.push((request, decoded));
    }
    found
}
