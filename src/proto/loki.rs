//! Bodies of `POST /loki/api/v1/push` and of its older name `/api/prom/push`: in protobuf (already
//! decompressed), in JSON, and in the JSON of the older one.
//!
//! ```text
//! {"streams":[{"stream":{"app":"api"},"values":[["1726000000000000000","line",{"trace":"x"}]]}]}
//! {"streams":[{"labels":"{app=\"api\"}","entries":[{"ts":"2026-09-21T14:13:20Z","line":"line"}]}]}
//! PushRequest { streams = 1: { labels = 1 (as a text), entries = 2: {
//!     timestamp = 1: { seconds = 1, nanos = 2 }, line = 2,
//!     structuredMetadata = 3: { name = 1, value = 2 } } } }
//! ```
//!
//! A line with structured metadata becomes the text `{"_msg":"line","trace":"x"}`; without, it
//! stays as it is. Of metadata that is called as other is, or `_msg`, the first of that name
//! stands. Nothing is allocated for an entry, but for the first whose text has to be written.
//!
//! Other than Loki, this takes the good entries of a body that has bad ones, entries of any time,
//! and streams without labels.

mod entry;
mod labels;

use std::ops::Range;

use super::entries::{BadEntry, BadReason, BodyFailure, Pairs, Step};
use super::tree::{Budget, Context, Found, Leaves, Read, Tree, level};
use crate::level::Level;
use entry::Reader;

/// The tree of a push.
const LEVELS: &[super::tree::Level] = &[
    super::tree::Level { context: &[], context_number: 0, items: &[b"streams"], items_number: 1 },
    super::tree::Level {
        context: &[b"stream", b"labels"],
        context_number: 1,
        items: &[b"values", b"entries"],
        items_number: 2,
    },
];

/// Reads one push.
#[derive(Debug)]
pub struct Loki {
    leaves: Leaves,
    /// The level that the labels of the stream say.
    level: Option<Level>,
    /// Why the labels of the stream cannot be read.
    bad_labels: Option<&'static str>,
    reader: Reader,
    is_without_streams: bool,
}

impl Loki {
    /// Of a body in JSON, of either shape.
    pub fn json() -> Self {
        Self::new(Tree::json(LEVELS))
    }

    /// Of a body in protobuf.
    pub fn protobuf() -> Self {
        Self::new(Tree::wire(LEVELS))
    }

    fn new(tree: Tree) -> Self {
        Self {
            leaves: Leaves::of(tree),
            level: None,
            bad_labels: None,
            reader: Reader::default(),
            is_without_streams: false,
        }
    }

    /// Takes one step over `body`, of which nothing is ever used up: it must be the same each time,
    /// and is not looked at before it is whole.
    ///
    /// A body that is none, or has no streams ([`Self::is_without_streams`]), is [`Step::Fail`]. An
    /// entry without a text has an empty one.
    #[inline]
    pub fn step<'b>(&'b mut self, body: &'b [u8], is_whole: bool) -> (usize, Step<'b>) {
        if !is_whole {
            return (0, Step::NeedMore);
        }
        match self.find(body) {
            Ok(at) => (0, self.read(body.get(at).unwrap_or_default())),
            Err(step) => (0, step),
        }
    }

    /// The entry given last could not be stored: the next step gives it again.
    pub fn retry(&mut self) {
        self.leaves.retry();
    }

    /// Whether the body failed because it has no streams, which Loki answers with status 422; all
    /// else with 400.
    pub fn is_without_streams(&self) -> bool {
        self.is_without_streams
    }

    /// The bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.leaves.stream.held_bytes() + self.reader.held_bytes()
    }

    /// Goes to the next entry.
    #[inline]
    fn find(&mut self, body: &[u8]) -> Result<Range<usize>, Step<'static>> {
        if let Some(last) = self.leaves.again() {
            return Ok(last);
        }
        let mut budget = Budget::step();
        loop {
            match self.leaves.tree.next(body, &mut budget) {
                Found::Leaf(_) if self.bad_labels.is_some() => {
                    let what = self.bad_labels.unwrap_or_default();
                    return Err(Step::Bad(BadEntry::new(
                        BadReason::Labels,
                        format_args!("the labels of the stream: {what}"),
                    )));
                }
                Found::Leaf(at) => {
                    self.leaves.note(&at);
                    return Ok(at);
                }
                Found::Context(_, context) => self.take_labels(context, body),
                Found::End if self.leaves.tree.objects() == 0 => {
                    self.is_without_streams = true;
                    let what = format_args!("no streams (at least one is required)");
                    return Err(Step::Fail(BodyFailure::new(what)));
                }
                found => return Err(found.into_step()),
            }
        }
    }

    #[cold]
    fn take_labels(&mut self, context: Context, body: &[u8]) {
        let pairs = &mut self.leaves.stream;
        pairs.clear();
        let read = match context {
            Context::None => Ok(()),
            Context::TooLong => Err("longer than can be taken"),
            Context::At(at) => {
                let value = body.get(at).unwrap_or_default();
                match self.leaves.tree.is_json() {
                    true => labels::read_json(value, pairs),
                    false => labels::parse(value, pairs),
                }
            }
        };
        self.bad_labels = read.err();
        let mut levels = pairs.iter().filter_map(|(name, value)| level(name, value));
        self.level = levels.next();
    }

    #[inline]
    fn read<'b>(&'b mut self, raw: &'b [u8]) -> Step<'b> {
        let read = match self.leaves.tree.is_json() {
            true => self.reader.json(raw),
            false => self.reader.wire(raw),
        };
        let level = self.level;
        let read = read.map(|read| Read { level: read.level.or(level), ..read });
        self.leaves.step(read)
    }
}

/// For fuzzing: reads `data`, but for its first byte, as a push, in protobuf or in JSON; each entry
/// is asked for again.
///
/// # Panics
/// When an entry comes otherwise again, or there is no end.
pub fn fuzz_loki(data: &[u8]) {
    let (how, body) = data.split_first().unwrap_or((&0, b""));
    let mut parser = if how & 1 == 0 { Loki::json() } else { Loki::protobuf() };
    let mut pairs = Pairs::new();
    let _ = labels::parse(body, &mut pairs);
    super::tree::fuzz_steps(body, |body, is_again| {
        if is_again {
            parser.retry();
        }
        let (used, step) = parser.step(body, true);
        assert_eq!(used, 0);
        super::tree::Said::of(&step)
    });
}

#[cfg(test)]
mod tests;
