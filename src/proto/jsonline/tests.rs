//! The parser against what real senders sent, and against a naive reading of each line.

mod captures;
mod lines;
mod model;
mod options;

use jiff::tz::TimeZone;

use super::*;
use crate::proto::testing::{every_split, feed_pieces, shown};

/// What a body is read as: all that [`shown`] says of it.
pub(super) fn read(options: &Options, pieces: &[&[u8]]) -> Vec<String> {
    let mut parser = JsonLines::new(options, Times::new(TimeZone::UTC));
    let mut all = Vec::new();
    feed_pieces(pieces, |body, is_whole| {
        let (used, step) = parser.step(body, is_whole);
        let fed = Fed::by(&step);
        assert_ne!(fed, Fed::Failed, "{step:?}");
        all.extend(shown(&step));
        (used, fed)
    });
    all
}

pub(super) fn options(query: &[(&str, &str)]) -> Options {
    Options::from_pairs(query.iter().map(|(name, value)| (*name, Some(*value)))).unwrap()
}

/// Checks what `body` is read as, wherever it is cut.
#[track_caller]
fn check_with(query: &[(&str, &str)], body: &str, expected: &[&str]) {
    let options = options(query);
    let shown = every_split(body.as_bytes(), |pieces| read(&options, pieces));
    assert_eq!(shown, expected, "{body}");
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    check_with(&[], body, expected);
}
