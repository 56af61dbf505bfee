//! Bodies of `POST /v1/logs`: OTLP/HTTP, in protobuf and in JSON, and the answers to them.
//! <https://opentelemetry.io/docs/specs/otlp/>
//!
//! ```text
//! resourceLogs [ resource { attributes }                    service.name -> app, host.name -> host
//!                scopeLogs [ scope { name version attributes }
//!                            logRecords [ { timeUnixNano severityNumber body attributes } ] ] ]
//! ```
//!
//! The attributes of a resource that Loki makes labels are labels (`LABELS` in `record.rs`). What
//! else is said, of the record (its ids, its event and severity, its attributes), its scope or its
//! resource, becomes members of the text, in this order. The body comes first: as `_msg`, or where
//! it is a map, as its own members. Of what is said under one name, the first stands. A body that
//! is a text with nothing beside it stays as it is.

mod answer;
mod record;
mod value;

use std::ops::Range;

use super::entries::{BadEntry, BadReason, Step};
use super::tree::{Budget, Context, Found, Leaves, Tree};
pub use answer::{write_answer, write_failure};
use record::Reader;
use value::Node;

use crate::limits::OTLP_JSON_ENTRY_BYTES_MAX;

/// The tree of an export.
const LEVELS: &[super::tree::Level] = &[
    super::tree::Level {
        context: &[],
        context_number: 0,
        items: &[b"resourceLogs", b"resource_logs"],
        items_number: 1,
    },
    super::tree::Level {
        context: &[b"resource"],
        context_number: 1,
        items: &[b"scopeLogs", b"scope_logs"],
        items_number: 2,
    },
    super::tree::Level {
        context: &[b"scope"],
        context_number: 1,
        items: &[b"logRecords", b"log_records"],
        items_number: 2,
    },
];

/// Reads one export.
#[derive(Debug)]
pub struct Otlp {
    leaves: Leaves,
    reader: Reader,
    /// Why the resource cannot be read, and why the scope.
    bad_contexts: [Option<&'static str>; 2],
}

impl Otlp {
    /// Of a body in JSON.
    pub fn json() -> Self {
        Self::new(Tree::json(LEVELS))
    }

    /// Of a body in protobuf.
    pub fn protobuf() -> Self {
        Self::new(Tree::wire(LEVELS))
    }

    fn new(tree: Tree) -> Self {
        Self { leaves: Leaves::of(tree), reader: Reader::default(), bad_contexts: [None; 2] }
    }

    /// Takes one step over `body`, of which nothing is ever used up: it must be the same each time,
    /// and is not looked at before it is whole.
    ///
    /// A body that is none is [`Step::Fail`]. A record that says nothing has an empty text.
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

    /// The bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.leaves.stream.held_bytes() + self.reader.held_bytes()
    }

    fn node<'a>(&self, raw: &'a [u8]) -> Node<'a> {
        if self.leaves.tree.is_json() { Node::Json(raw) } else { Node::Wire(raw) }
    }

    /// Goes to the next entry.
    fn find(&mut self, body: &[u8]) -> Result<Range<usize>, Step<'static>> {
        if let Some(last) = self.leaves.again() {
            return Ok(last);
        }
        let mut budget = Budget::step();
        loop {
            match self.leaves.tree.next(body, &mut budget) {
                Found::Leaf(at) => {
                    let reasons = [BadReason::Labels, BadReason::Metadata];
                    let names = ["resource", "scope"];
                    for (index, bad) in self.bad_contexts.iter().enumerate() {
                        if let Some(what) = bad {
                            let what = format_args!("the {}: {what}", names[index]);
                            return Err(Step::Bad(BadEntry::new(reasons[index], what)));
                        }
                    }
                    self.leaves.note(&at);
                    return Ok(at);
                }
                Found::Context(level, context) => self.take_context(level, context, body),
                found => return Err(found.into_step()),
            }
        }
    }

    fn take_context(&mut self, level: usize, context: Context, body: &[u8]) {
        let node = match context {
            Context::At(at) => Ok(Some(self.node(body.get(at).unwrap_or_default()))),
            Context::None => Ok(None),
            Context::TooLong => Err("longer than can be taken"),
        };
        let read = match level {
            1 => {
                let labels = &mut self.leaves.stream;
                labels.clear();
                self.reader.clear_resource();
                node.and_then(|node| match node {
                    Some(node) => self.reader.resource(node, labels),
                    None => Ok(()),
                })
            }
            _ => {
                self.reader.clear_scope();
                node.and_then(|node| node.map_or(Ok(()), |node| self.reader.scope(node)))
            }
        };
        if let Some(bad) = self.bad_contexts.get_mut(level - 1) {
            *bad = read.err();
        }
    }

    fn read<'b>(&'b mut self, raw: &'b [u8]) -> Step<'b> {
        if self.leaves.tree.is_json() && raw.len() > OTLP_JSON_ENTRY_BYTES_MAX {
            let bytes = raw.len();
            let what =
                format_args!("an entry of {bytes} bytes (allowed: {OTLP_JSON_ENTRY_BYTES_MAX})");
            return Step::Bad(BadEntry::new(BadReason::TooLong, what));
        }
        let node = self.node(raw);
        self.leaves.step(self.reader.record(node))
    }
}

/// For fuzzing: reads `data`, but for its first byte, as an export, in protobuf or in JSON; each
/// entry is asked for again.
///
/// # Panics
/// When an entry comes otherwise again, what is written for it is no JSON, or there is no end.
pub fn fuzz_otlp(data: &[u8]) {
    let (how, body) = data.split_first().unwrap_or((&0, b""));
    let mut parser = if how & 1 == 0 { Otlp::json() } else { Otlp::protobuf() };
    super::tree::fuzz_steps(body, |body, is_again| {
        if is_again {
            parser.retry();
        }
        let (used, step) = parser.step(body, true);
        assert_eq!(used, 0);
        let said = super::tree::Said::of(&step);
        if let Step::Entry(entry) = step
            && let text = entry.text.as_ptr_range()
            && let super::tree::Said::Entry(written, ..) = &said
            && parser.reader.is_object(text)
        {
            assert!(serde_json::from_slice::<serde::de::IgnoredAny>(written).is_ok());
        }
        said
    });
}

#[cfg(test)]
mod tests;
