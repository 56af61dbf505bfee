//! The entries of a tree as a parser gives them: whose each is, and the last once more where it
//! could not be stored.

use std::ops::Range;

use super::Tree;
use crate::level::Level;
use crate::message::syslog::EventTime;
use crate::proto::entries::{BadEntry, BadReason, Entry, Pairs, Step};

/// An entry that was found: where it is, and whether its stream is a new one.
pub type Leaf = (Range<usize>, bool);

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
    /// Who sent what is come to.
    pub senders: Senders,
    /// The entry given last, and whether it is to be given again.
    last: Option<Leaf>,
    is_again: bool,
}

impl Leaves {
    /// Before the first entry of `tree`.
    pub fn of(tree: Tree) -> Self {
        Self { tree, senders: Senders::default(), last: None, is_again: false }
    }

    /// The entry given last could not be stored: it is to be given again.
    pub fn retry(&mut self) {
        self.is_again = self.last.is_some();
    }

    /// The entry given last, where it is to be given again.
    #[inline]
    pub fn again(&mut self) -> Option<Leaf> {
        if std::mem::take(&mut self.is_again) { self.last.clone() } else { None }
    }

    /// Gives the entry at `at`, to which the tree has come.
    #[inline]
    pub fn give(&mut self, at: Range<usize>) -> Leaf {
        let leaf = (at, self.senders.is_new());
        self.last = Some(leaf.clone());
        leaf
    }

    /// The step that an entry is, as it was read.
    #[inline]
    pub fn step<'b>(&'b self, read: Result<Read<'b>, Bad>, is_new_stream: bool) -> Step<'b> {
        match read {
            Ok(Read { text, time, level }) => Step::Entry(Entry {
                text,
                time,
                level,
                is_json: matches!(text, [b'{', .., b'}']),
                is_new_stream,
                stream: &self.senders.now,
            }),
            Err((reason, what)) => Step::Bad(BadEntry::new(reason, format_args!("{what}"))),
        }
    }
}

/// Who sent the entries, and whether that has changed since the one before.
#[derive(Debug, Default)]
pub struct Senders {
    /// Of the entries that follow.
    pub now: Pairs,
    before: Pairs,
    has_before: bool,
    /// Whether `now` was filled anew since the last entry.
    is_filled: bool,
}

impl Senders {
    /// Empties what is said of the entries that follow, to be filled anew.
    pub fn refill(&mut self) -> &mut Pairs {
        self.is_filled = true;
        self.now.clear();
        &mut self.now
    }

    /// Whether the stream of the entry now given differs from that of the one before.
    #[inline]
    pub fn is_new(&mut self) -> bool {
        if !std::mem::take(&mut self.is_filled) && self.has_before {
            return false;
        }
        let is_new = !self.has_before || self.before.as_bytes() != self.now.as_bytes();
        if is_new {
            self.before.clone_from(&self.now);
            self.has_before = true;
        }
        is_new
    }

    /// The bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.now.held_bytes() + self.before.held_bytes()
    }
}
