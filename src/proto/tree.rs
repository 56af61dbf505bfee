//! What the bodies of Loki and of OTLP have in common: entries in a few levels of lists, where each
//! level says something of all that is below it.
//!
//! ```text
//! Loki  streams       [ stream = {app="api"}   entries [ leaf, leaf, ... ], ... ]
//! OTLP  resourceLogs  [ resource, scopeLogs [ scope, logRecords [ leaf, leaf, ... ], ... ], ... ]
//!       ^^^^ items      ^^^^ context
//! ```
//!
//! A tree is walked in place, in protobuf (here) or in JSON ([`super::json_tree`]). The context of
//! a level may stand behind its items: then the items are passed over first, and come to again.
//!
//! **Invariant:** a step looks at [`TREE_BYTES_PER_STEP`] bytes and one entry at most; where more
//! is to be looked through, it says [`Found::Again`] and goes on from there.

mod leaves;

use std::ops::Range;

use super::entries::{BadEntry, BadReason, BodyFailure, Step};
use super::json_tree::JsonTree;
use super::protobuf::{Field, Fields, Value};
use crate::level::Level as Severity;
use crate::limits::{
    ENTRY_BYTES_MAX, ENTRY_TEXT_BYTES_MAX, FIELDS_MAX, OTLP_JSON_NESTED_BYTES_MAX,
    TREE_BYTES_PER_STEP, TREE_CONTEXT_BYTES_MAX,
};
use crate::message::escape::escape;
use crate::message::syslog::EventTime;

pub use leaves::{Bad, Leaves, Read};

/// How many levels of lists a tree has at most.
pub const LEVELS_MAX: usize = 3;

/// One level of a tree, by the names of its members in JSON and their numbers in protobuf.
#[derive(Debug)]
pub struct Level {
    /// What it says of all below it; empty where it says nothing.
    pub context: &'static [&'static [u8]],
    /// The same in protobuf; 0 where it says nothing.
    pub context_number: u32,
    /// The list of what is below it.
    pub items: &'static [&'static [u8]],
    /// The same in protobuf.
    pub items_number: u32,
}

/// What a level says of all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// Nothing.
    None,
    /// The value of its first context: in JSON any value as it is written, in protobuf a message.
    At(Range<usize>),
    /// More than [`TREE_CONTEXT_BYTES_MAX`] bytes.
    TooLong,
}

/// What was come to in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The context of a level, before the first of its items, once for each of its objects.
    Context(usize, Context),
    /// An entry, at most [`ENTRY_BYTES_MAX`] bytes.
    Leaf(Range<usize>),
    /// What stands where an entry or a list of them should be.
    Bad(BadReason, Odd),
    /// The share of work of this step is done.
    Again,
    /// Nothing more can be read.
    Fail(BodyFailure),
    /// The tree has ended.
    End,
}

/// Why something in a tree is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// An entry of so many bytes.
    LongEntry(usize),
    /// An item that is no object.
    NoObject,
    /// Items that are no array.
    NoArray,
}

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LongEntry(bytes) => {
                write!(f, "an entry of {bytes} bytes (allowed: {ENTRY_BYTES_MAX})")
            }
            Self::NoObject => f.write_str("an item that is no object"),
            Self::NoArray => f.write_str("items that are no array"),
        }
    }
}

/// What may still be looked at in a step, in bytes.
#[derive(Debug)]
pub struct Budget(usize);

impl Budget {
    /// That of a whole step.
    pub fn step() -> Self {
        Self(TREE_BYTES_PER_STEP)
    }

    /// Bytes that are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.0
    }

    /// Counts `bytes` as looked at.
    #[inline]
    pub fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

/// A tree in one of the two encodings.
#[derive(Debug)]
pub enum Tree {
    /// In JSON.
    Json(JsonTree),
    /// In protobuf.
    Wire(WireTree),
}

impl Tree {
    /// In JSON, of that shape.
    pub fn json(levels: &'static [Level]) -> Self {
        Self::Json(JsonTree::new(levels))
    }

    /// In protobuf, of that shape.
    pub fn wire(levels: &'static [Level]) -> Self {
        Self::Wire(WireTree::new(levels))
    }

    /// Goes on in `body`, which is whole and the same each time, until something is found.
    #[inline]
    pub fn next(&mut self, body: &[u8], budget: &mut Budget) -> Found {
        match self {
            Self::Json(tree) => tree.next(body, budget),
            Self::Wire(tree) => tree.next(body, budget),
        }
    }

    /// How many items of the first level there were until now.
    pub fn objects(&self) -> u64 {
        match self {
            Self::Json(tree) => tree.objects(),
            Self::Wire(tree) => tree.objects(),
        }
    }

    /// Whether it is in JSON.
    pub fn is_json(&self) -> bool {
        matches!(self, Self::Json(_))
    }
}

impl Found {
    /// The step that this is for the caller of a parser, where it is neither context nor entry.
    pub fn into_step(self) -> Step<'static> {
        match self {
            Self::Bad(reason, odd) => Step::Bad(BadEntry::new(reason, format_args!("{odd}"))),
            Self::Fail(failure) => Step::Fail(failure),
            Self::End => Step::End,
            Self::Context(..) | Self::Leaf(_) | Self::Again => Step::Again,
        }
    }
}

/// What one step over a field costs, in bytes of the budget: as much time as some bytes of text.
const FIELD_COST: usize = 16;

/// The entry or the context at `at`, or why it is too long.
pub(super) fn leaf(at: Range<usize>) -> Found {
    match at.len() {
        0..=ENTRY_BYTES_MAX => Found::Leaf(at),
        bytes => Found::Bad(BadReason::TooLong, Odd::LongEntry(bytes)),
    }
}

/// See [`leaf`].
pub(super) fn context(level: usize, at: Range<usize>) -> Found {
    let is_short = at.len() <= TREE_CONTEXT_BYTES_MAX;
    Found::Context(level, if is_short { Context::At(at) } else { Context::TooLong })
}

/// A message that is being walked.
#[derive(Clone, Copy, Debug, Default)]
struct Message {
    start: usize,
    end: usize,
    /// Whether its context was found, or is known to be missing: its items are come to now.
    has_context: bool,
}

/// Walks a tree in protobuf.
#[derive(Debug)]
pub struct WireTree {
    levels: &'static [Level],
    messages: [Message; LEVELS_MAX],
    /// How many of `messages` are open; 0 before the first step.
    depth: usize,
    /// Where the next field begins.
    at: usize,
    has_ended: bool,
    /// Items of the first level that were come to.
    objects: u64,
}

impl WireTree {
    /// Of that shape, with at most [`LEVELS_MAX`] levels.
    pub fn new(levels: &'static [Level]) -> Self {
        let messages = [Message::default(); LEVELS_MAX];
        Self { levels, messages, depth: 0, at: 0, has_ended: false, objects: 0 }
    }

    /// How many items of the first level there were until now.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// Goes on in `body`, which is whole and the same each time, until something is found.
    #[inline]
    pub fn next(&mut self, body: &[u8], budget: &mut Budget) -> Found {
        if self.depth == 0 && !self.has_ended {
            self.open(0, body.len());
        }
        loop {
            let Some(level) = self.depth.checked_sub(1) else { return Found::End };
            if budget.is_spent() {
                return Found::Again;
            }
            budget.spend(FIELD_COST);
            let message = &mut self.messages[level];
            if self.at >= message.end {
                if message.has_context {
                    self.at = message.end;
                    self.depth = level;
                    self.has_ended = level == 0;
                    continue;
                }
                message.has_context = true;
                self.at = message.start;
                return Found::Context(level, Context::None);
            }
            match self.field(body, level) {
                Ok(None) => {}
                Ok(Some(found)) => return found,
                Err(failure) => return Found::Fail(failure),
            }
        }
    }

    fn open(&mut self, start: usize, end: usize) {
        let has_context = self.levels[self.depth].context_number == 0;
        self.messages[self.depth] = Message { start, end, has_context };
        self.depth += 1;
        self.at = start;
    }

    /// Reads the field at `at` of the message of `level`.
    #[inline]
    fn field(&mut self, body: &[u8], level: usize) -> Result<Option<Found>, BodyFailure> {
        let message = &mut self.messages[level];
        let mut fields = Fields::new(body.get(self.at..message.end).unwrap_or_default());
        let at = self.at;
        let failure = |what| BodyFailure::new(format_args!("byte {at}: {what}"));
        let Some(field) = fields.next().transpose().map_err(failure)? else {
            // The body has become shorter, which a caller must not let happen.
            self.at = message.end;
            return Ok(None);
        };
        self.at = message.end - fields.left();
        let Field { number, value: Value::Bytes(value) } = field else { return Ok(None) };
        let range = self.at - value.len()..self.at;
        let shape = &self.levels[level];
        if !message.has_context {
            if number == shape.context_number {
                message.has_context = true;
                self.at = message.start;
                return Ok(Some(context(level, range)));
            }
        } else if number == shape.items_number {
            self.objects += u64::from(level == 0);
            if level + 1 == self.levels.len() {
                return Ok(Some(leaf(range)));
            }
            self.open(range.start, range.end);
        }
        Ok(None)
    }
}

/// Writes the members of a JSON object, none of them under a name that another has: the first
/// stands. Only the first [`FIELDS_MAX`] names of a text are compared, with those of the objects in
/// it, for no more of them are shown; what is said twice behind them is written twice.
#[derive(Debug, Default)]
pub struct Names {
    hashes: Vec<u32>,
    /// Where each of them stands in the text, as it is written.
    places: Vec<Range<usize>>,
    /// How many of them are of the objects around the one that is being written.
    outer: usize,
    /// How many names were compared.
    compared: usize,
    /// Bytes of JSON in the objects and arrays that were written.
    nested_bytes: usize,
}

impl Names {
    /// The bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<u32>()
            + self.places.capacity() * size_of::<Range<usize>>()
    }

    /// Another text is begun.
    pub fn clear(&mut self) {
        self.hashes.clear();
        self.places.clear();
        (self.outer, self.compared, self.nested_bytes) = (0, 0, 0);
    }

    /// Counts an object or array of so many bytes of JSON, which are looked through once more;
    /// `false` where that is too much.
    pub fn nest(&mut self, bytes: usize) -> bool {
        self.nested_bytes = self.nested_bytes.saturating_add(bytes);
        self.nested_bytes <= OTLP_JSON_NESTED_BYTES_MAX
    }

    /// Whether no more names are compared.
    pub fn is_full(&self) -> bool {
        self.compared >= FIELDS_MAX
    }

    /// Where the names stand.
    pub fn places(&self) -> &[Range<usize>] {
        &self.places
    }

    /// Forgets all names but the first so many.
    pub fn truncate(&mut self, count: usize) {
        self.hashes.truncate(count);
        self.places.truncate(count);
    }

    /// An object in the other is begun, whose names are its own; what [`Self::close`] asks for.
    pub fn open(&mut self) -> usize {
        std::mem::replace(&mut self.outer, self.hashes.len())
    }

    /// The object that was begun last has ended.
    pub fn close(&mut self, outer: usize) {
        self.truncate(self.outer);
        self.outer = outer;
    }

    /// Takes the name that was just written at `place` of `text`; `false` where there is one like
    /// it, so that it has to go.
    pub fn add(&mut self, place: Range<usize>, text: &[u8]) -> bool {
        if self.is_full() {
            return true;
        }
        self.compared += 1;
        let name = &text[place.clone()];
        // FNV-1a.
        let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let hash = name.iter().fold(0x811c_9dc5, mix);
        let (hashes, places) = (&self.hashes[self.outer..], &self.places[self.outer..]);
        let is_same = |(other, place): (&u32, &Range<usize>)| {
            *other == hash && text.get(place.clone()) == Some(name)
        };
        if hashes.contains(&hash) && hashes.iter().zip(places).any(is_same) {
            return false;
        }
        self.hashes.push(hash);
        self.places.push(place);
        true
    }

    /// Appends `"name":"value"` to the object, behind a comma where it is not the first; nothing
    /// where the text is longer already than a record. Of a value that is longer, that much and
    /// some is taken.
    pub fn member(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        if self.begin_member(name, out) {
            out.push(b'"');
            escape(within(value), out);
            out.push(b'"');
        }
    }

    /// Appends `"name":`, as [`Self::member`] does; `false` where no value may follow.
    pub fn begin_member(&mut self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let end = out.len();
        if end > ENTRY_TEXT_BYTES_MAX {
            return false;
        }
        if !matches!(out.last(), Some(b'{')) {
            out.push(b',');
        }
        out.push(b'"');
        let start = out.len();
        escape(within(name), out);
        let place = start..out.len();
        out.extend_from_slice(b"\":");
        let is_new = self.add(place, out);
        if !is_new {
            out.truncate(end);
        }
        is_new
    }
}

/// `text`, or as much of it as is more than any record keeps, in whole characters.
pub fn within(text: &[u8]) -> &[u8] {
    if text.len() <= ENTRY_TEXT_BYTES_MAX {
        return text;
    }
    let is_inside = |at: &usize| text[*at] & 0xc0 == 0x80;
    let end = ENTRY_TEXT_BYTES_MAX + 4;
    let ends = (end - 3..=end).rev().filter(|at| *at < text.len());
    let end = ends.into_iter().find(|at| !is_inside(at));
    &text[..end.unwrap_or(ENTRY_TEXT_BYTES_MAX + 1)]
}

/// The level that the label or metadata of that name says.
pub(super) fn level(name: &[u8], value: &[u8]) -> Option<Severity> {
    let names: [&[u8]; 3] = [b"level", b"severity", b"detected_level"];
    let is_level =
        matches!(name.len(), 5 | 8 | 14) && names.iter().any(|one| name.eq_ignore_ascii_case(one));
    if !is_level {
        return None;
    }
    // Who says that he does not know leaves it to the line.
    Severity::from_name(value).filter(|level| *level != Severity::Unknown)
}

/// What a step said, without what it borrows: to be compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Entry(Vec<u8>, EventTime, Option<Severity>, Vec<u8>),
    Bad(BadReason),
    Again,
    Fail,
    End,
}

impl Said {
    /// # Panics
    /// Where the step asks for more of a whole body.
    pub(super) fn of(step: &Step<'_>) -> Self {
        match step {
            Step::Entry(entry) => Self::Entry(
                entry.text.to_vec(),
                entry.time,
                entry.level,
                entry.stream.as_bytes().to_vec(),
            ),
            Step::Bad(bad) => Self::Bad(bad.reason),
            Step::Again => Self::Again,
            Step::Fail(_) => Self::Fail,
            Step::End => Self::End,
            Step::NeedMore => panic!("more is needed of a whole body"),
        }
    }
}

/// For fuzzing: takes steps to the end; each entry is asked for again.
///
/// # Panics
/// When an entry comes otherwise again, or there is no end.
pub(super) fn fuzz_steps(body: &[u8], mut step: impl FnMut(&[u8], bool) -> Said) {
    for _ in 0..16 + 4 * body.len() {
        match step(body, false) {
            entry @ Said::Entry(..) => assert_eq!(step(body, true), entry, "when asked again"),
            Said::Bad(_) | Said::Again => {}
            Said::Fail | Said::End => return,
        }
    }
    panic!("no end in {} bytes", body.len());
}

#[cfg(test)]
pub(super) mod testing;
