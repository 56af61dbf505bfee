//! The entries of a tree as a parser gives them: whose each is, and the last once more where it
//! could not be stored.

use std::ops::Range;

use super::Tree;
use crate::level::Level;
use crate::message::syslog::EventTime;
use crate::proto::entries::{BadEntry, BadReason, Entry, Pairs, Step};

/// What an entry says.
#[derive(Debug)]
pub struct Read<'a> {
    /// Its line, or an object where more is said.
    pub text: &'a [u8],
    /// When it happened.
    pub time: EventTime,
    /// The level that it names.
    pub level: Option<Level>,
}

/// Why an entry is bad.
pub type Bad = (BadReason, &'static str);

/// A tree whose entries are given one by one.
#[derive(Debug)]
pub struct Leaves {
    /// What is walked.
    pub tree: Tree,
    /// Whose the entries that follow are.
    pub stream: Pairs,
    /// The entry given last, and whether it is to be given again.
    last: Option<Range<usize>>,
    is_again: bool,
}

impl Leaves {
    /// Before the first entry of `tree`.
    pub fn of(tree: Tree) -> Self {
        Self { tree, stream: Pairs::new(), last: None, is_again: false }
    }

    /// The entry given last could not be stored: it is to be given again.
    pub fn retry(&mut self) {
        self.is_again = self.last.is_some();
    }

    /// The entry given last, where it is to be given again.
    #[inline]
    pub fn again(&mut self) -> Option<Range<usize>> {
        if std::mem::take(&mut self.is_again) { self.last.clone() } else { None }
    }

    /// The entry at `at` is given now.
    #[inline]
    pub fn note(&mut self, at: &Range<usize>) {
        self.last = Some(at.clone());
    }

    /// The step that an entry is, as it was read.
    #[inline]
    pub fn step<'b>(&'b self, read: Result<Read<'b>, Bad>) -> Step<'b> {
        match read {
            Ok(Read { text, time, level }) => Step::Entry(Entry {
                text,
                time,
                level,
                is_json: matches!(text, [b'{', .., b'}']),
                stream: &self.stream,
            }),
            Err((reason, what)) => Step::Bad(BadEntry::new(reason, format_args!("{what}"))),
        }
    }
}
