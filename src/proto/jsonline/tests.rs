//! The parser against what real senders sent, and against a naive reading of each line.

mod captures;
mod lines;
mod model;
mod options;

use jiff::tz::TimeZone;

use super::*;
use crate::message::syslog::EventTime;
use crate::proto::testing::every_split;

/// What a body is read as: an entry as its text, its time and its stream, what is bad as `!` and
/// what is said of it.
pub(super) fn read(options: &Options, pieces: &[&[u8]]) -> Vec<String> {
    let mut parser = JsonLines::new(options, Times::new(TimeZone::UTC));
    let (mut shown, mut inbox, mut at) = (Vec::new(), Vec::new(), 0);
    let pieces = if pieces.is_empty() { &[&b""[..]] } else { pieces };
    for (number, piece) in pieces.iter().enumerate() {
        inbox.extend_from_slice(piece);
        let is_whole = number + 1 == pieces.len();
        loop {
            let (used, step) = parser.step(&inbox[at..], is_whole);
            match step {
                Step::NeedMore => {
                    assert!(!is_whole, "more is wanted of a whole body");
                    at += used;
                    break;
                }
                Step::Entry(entry) => shown.push(show(&entry)),
                Step::Bad(bad) => shown.push(format!("!{}: {bad}", bad.reason.name())),
                Step::Again => {}
                Step::Fail(failure) => panic!("{failure}"),
                Step::End => {
                    assert!(is_whole && at + used == inbox.len(), "bytes left over");
                    return shown;
                }
            }
            at += used;
        }
    }
    panic!("no end");
}

fn show(entry: &Entry<'_>) -> String {
    assert!(entry.is_json);
    let mut shown = String::from_utf8_lossy(entry.text).into_owned();
    match entry.time {
        EventTime::Missing => {}
        EventTime::Bad => shown += " @bad",
        EventTime::At(at) => shown += &format!(" @{at}"),
    }
    if let Some(level) = entry.level {
        shown += &format!(" {}", level.name());
    }
    for (name, value) in entry.stream.iter() {
        let text = String::from_utf8_lossy;
        shown += &format!(" {}={}", text(name), text(value));
    }
    if entry.is_new_stream {
        shown += " new";
    }
    shown
}

pub(super) fn options(query: &[(&str, &str)]) -> Options {
    Options::from_pairs(query.iter().map(|(name, value)| (*name, Some(*value)))).unwrap()
}

/// Checks what `body` is read as, wherever it is cut, without the word `new` of the first entry.
#[track_caller]
fn check_with(query: &[(&str, &str)], body: &str, expected: &[&str]) {
    let options = options(query);
    let mut shown = every_split(body.as_bytes(), |pieces| read(&options, pieces));
    if let Some(first) = shown.iter_mut().find(|shown| !shown.starts_with('!')) {
        *first = first.strip_suffix(" new").expect("the first entry's stream is new").to_owned();
    }
    assert_eq!(shown, expected, "{body}");
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    check_with(&[], body, expected);
}
