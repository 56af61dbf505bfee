//! What the tests of all codecs share: the split-everywhere check.

use std::fmt::Debug;

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
