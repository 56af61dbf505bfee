//! Elasticsearch's bulk requests: `POST /_bulk`, `PUT /{index}/_bulk`.
//!
//! ```text
//! {"create":{"_index":"logs-x"}}                             the action, a line
//! {"@timestamp":"2026-09-21T14:13:20Z","message":"text"}     its document, the next line
//! {"update":{"_id":"1"}}
//! {"doc":{"message":"text"},"doc_as_upsert":true}            of an update `doc` is stored
//! {"delete":{"_id":"2"}}                                     has no document, and deletes nothing
//! ```
//!
//! A line that is no document is bad, and the next line is an action. After a line that is no
//! action nothing can be told from it any more: that ends the body, as in Elasticsearch.

pub mod handshake;
mod items;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use handshake::{bulk_index, handshake};
pub use items::Items;

use super::entries::{
    BadEntry, BadReason, BodyFailure, Entry, Fed, Pairs, Step, feed_evenly, object_on_one_line,
};
use super::jsonline::object::{Broken, Walk, Walker};
use super::jsonline::plan::{Found, Plan, Role, push_key};
use crate::limits::{JSON_LINE_BYTES_MAX, LINES_BYTES_PER_STEP, PAIR_BYTES_MAX};
use crate::message::escape::unescape;
use crate::message::syslog::Times;

/// What is to be done with a document. All but [`Verb::Delete`] store it as a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `create`.
    Create,
    /// `index`.
    Index,
    /// `update`.
    Update,
    /// `delete`.
    Delete,
}

impl Verb {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Create, Self::Index, Self::Update, Self::Delete];

    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Index => "index",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Where a document's labels stand, by rank.
const LABELS: [(&[u8], &[&[u8]]); 2] = [
    (b"host", &[b"host.name", b"host", b"hostname", b"agent.hostname", b"fromhost"]),
    (
        b"app",
        &[b"service.name", b"app", b"container.name", b"kubernetes.container.name", b"program"],
    ),
];

/// Reads the body of a bulk request as it arrives.
#[derive(Debug)]
pub struct Bulk {
    plan: Plan,
    times: Times,
    found: Found,
    /// The index in the path, where an action names none.
    path_index: Vec<u8>,
    /// The index of the last action.
    index: Vec<u8>,
    stream: Pairs,
    at: Mark,
    /// As it was when the last step began.
    before: Mark,
    /// What is to be done with the document that was told of last.
    verb: Verb,
    /// Bytes of the line with which the body begins that were searched for its end.
    searched: usize,
}

/// Where a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// The line, from 1.
    line: u64,
    place: Place,
}

/// What the next line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Action,
    /// The document for it.
    Document(Verb),
    /// The rest of a line that is too long.
    Rest,
    /// Nothing: a line was no action.
    Failed,
}

/// What a step came to.
enum Next {
    NeedMore,
    Again,
    End,
    Bad(BadEntry),
    Fail(BodyFailure),
    Document(Range<usize>),
}

impl Bulk {
    /// At the beginning of a body for the index of that name in the path; empty where the path has
    /// none. Times without a zone are of the zone of `times`.
    pub fn new(path_index: &str, times: Times) -> Self {
        let mut plan = Plan::default();
        plan.add(b"@timestamp", Role::Time(0));
        for (label, (_, names)) in LABELS.iter().enumerate() {
            for (name, rank) in names.iter().zip(0..) {
                plan.add(name, Role::Label(label, rank));
            }
        }
        plan.add(b"log.level", Role::Level(0));
        // Those of rsyslog's own template.
        plan.add(b"timereported", Role::MaybeTime);
        plan.add(b"priority", Role::Level(3));
        plan.add_known(false, true);
        let at = Mark { line: 1, place: Place::Action };
        let path_index = path_index.as_bytes();
        let path_index = &path_index[..path_index.len().min(PAIR_BYTES_MAX)];
        Self {
            plan,
            times,
            found: Found::default(),
            path_index: without_date(path_index).to_vec(),
            index: Vec::new(),
            stream: Pairs::new(),
            at,
            before: at,
            verb: Verb::Index,
            searched: 0,
        }
    }

    /// Takes one step over `body`: how many bytes it used, and what it found. The next step's body
    /// begins behind them; until [`Step::NeedMore`] it may be the same. `is_whole` says that no
    /// byte follows. A step reads an action and its document, or looks at
    /// [`LINES_BYTES_PER_STEP`] bytes for a line's end; none needs more than
    /// [`JSON_LINE_BYTES_MAX`] and a line end to use some.
    ///
    /// Each [`Step::Entry`] and each [`Step::Bad`] is one item of the answer, of [`Self::verb`].
    #[inline]
    pub fn step<'b>(&'b mut self, body: &'b [u8], is_whole: bool) -> (usize, Step<'b>) {
        self.before = self.at;
        let (used, next) = self.next(body, is_whole);
        let step = match next {
            Next::NeedMore => Step::NeedMore,
            Next::Again => Step::Again,
            Next::End => Step::End,
            Next::Bad(bad) => Step::Bad(bad),
            Next::Fail(failure) => Step::Fail(failure),
            Next::Document(place) => Step::Entry(self.entry(&body[place])),
        };
        (used, step)
    }

    /// What was to be done with the document of the last entry or bad entry.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// The entry that was given last could not be stored: the next step gives it again, if its body
    /// begins where that of the last one did, as if nothing had been used.
    pub fn retry(&mut self) {
        self.at = self.before;
        self.searched = 0;
    }

    /// The bytes of memory that it holds beside itself.
    pub fn held_bytes(&self) -> usize {
        self.stream.held_bytes() + self.path_index.capacity() + self.index.capacity()
    }

    fn entry<'b>(&'b mut self, document: &'b [u8]) -> Entry<'b> {
        self.stream.clear();
        for (label, (name, _)) in LABELS.iter().enumerate() {
            self.found.push_label(label, document, name, &mut self.stream);
        }
        if !self.index.is_empty() {
            self.stream.push(b"index", &self.index);
        }
        Entry {
            text: document,
            time: self.found.time(),
            level: self.found.level(),
            is_json: true,
            stream: &self.stream,
        }
    }

    #[inline]
    fn next(&mut self, body: &[u8], is_whole: bool) -> (usize, Next) {
        let mut at = 0;
        loop {
            if at >= LINES_BYTES_PER_STEP {
                return (at, Next::Again);
            }
            let rest = &body[at..];
            let looked = &rest[..rest.len().min(self.searched + LINES_BYTES_PER_STEP)];
            let looked = &looked[..looked.len().min(JSON_LINE_BYTES_MAX + 1)];
            let newline = memchr::memchr(b'\n', looked.get(self.searched..).unwrap_or_default());
            let (end, used) = match newline {
                Some(newline) => (self.searched + newline, self.searched + newline + 1),
                None if looked.len() > JSON_LINE_BYTES_MAX || self.at.place == Place::Rest => {
                    return self.too_long(at, looked, looked.len() == rest.len() && is_whole);
                }
                None if looked.len() < rest.len() => {
                    self.searched = looked.len();
                    return (at, Next::Again);
                }
                None if !is_whole => {
                    self.searched = looked.len();
                    return (at, Next::NeedMore);
                }
                None if rest.is_empty() => return (at, self.end()),
                None => (rest.len(), rest.len()),
            };
            self.searched = 0;
            let line = rest[..end].trim_ascii();
            let line_at = at + rest[..end].len() - rest[..end].trim_ascii_start().len();
            at += used;
            if let Some(next) = self.take(line, line_at) {
                self.at.line += 1;
                return (at, next);
            }
            self.at.line += 1;
        }
    }

    /// The body has ended.
    fn end(&mut self) -> Next {
        let Place::Document(verb) = self.at.place else { return Next::End };
        self.verb = verb;
        self.at.place = Place::Action;
        let line = self.at.line;
        bad(BadReason::Empty, format_args!("line {line}: no document behind the action"))
    }

    /// Takes a whole line, which stands at `line_at`; `None` where it says nothing by itself.
    #[inline]
    fn take(&mut self, line: &[u8], line_at: usize) -> Option<Next> {
        match self.at.place {
            Place::Action if line.is_empty() => None,
            Place::Action => match self.action(line) {
                Ok(Verb::Delete) => {
                    self.verb = Verb::Delete;
                    let line = self.at.line;
                    let what = format_args!("line {line}: nothing is deleted here");
                    Some(bad(BadReason::Action, what))
                }
                Ok(verb) => {
                    self.at.place = Place::Document(verb);
                    None
                }
                Err(failure) => {
                    self.at.place = Place::Failed;
                    Some(Next::Fail(failure))
                }
            },
            Place::Document(verb) => {
                self.verb = verb;
                self.at.place = Place::Action;
                Some(match self.document(line, verb) {
                    Ok(place) => Next::Document(line_at + place.start..line_at + place.end),
                    Err(bad) => Next::Bad(bad),
                })
            }
            Place::Rest => {
                self.at.place = Place::Action;
                None
            }
            Place::Failed => None,
        }
    }

    /// No line end is in sight: the line goes on longer than is taken.
    fn too_long(&mut self, at: usize, looked: &[u8], is_end: bool) -> (usize, Next) {
        let (line, used, bytes) = (self.at.line, at + looked.len(), JSON_LINE_BYTES_MAX);
        self.searched = 0;
        let what = format_args!("line {line}: document exceeds {bytes} bytes");
        match self.at.place {
            Place::Document(verb) => {
                (self.verb, self.at.place) = (verb, Place::Rest);
                (used, bad(BadReason::TooLong, what))
            }
            Place::Action => {
                self.at.place = Place::Failed;
                let what = format_args!("malformed action line {line}: longer than {bytes} bytes");
                (used, Next::Fail(BodyFailure::new(what)))
            }
            Place::Rest | Place::Failed if is_end => {
                self.at.place = Place::Action;
                (used, Next::Again)
            }
            Place::Rest | Place::Failed if looked.len() < LINES_BYTES_PER_STEP => {
                (used, Next::NeedMore)
            }
            Place::Rest | Place::Failed => (used, Next::Again),
        }
    }

    /// Reads an action, and puts the index that it names to `index`.
    fn action(&mut self, line: &[u8]) -> Result<Verb, BodyFailure> {
        let number = self.at.line;
        let malformed = |what: std::fmt::Arguments<'_>| {
            BodyFailure::new(format_args!("malformed action line {number}: {what}"))
        };
        let mut verb = None;
        let mut walker = Walker::new(true);
        let end = loop {
            match walker.walk(line) {
                Walk::Member(member) if verb.is_none() => {
                    let key = &line[member.key.clone()];
                    let known = Verb::ALL.into_iter().find(|verb| verb.name().as_bytes() == key);
                    let Some(known) = known else {
                        let key = key[..key.len().min(40)].escape_ascii();
                        return Err(malformed(format_args!(
                            "found `{key}` (expected create, index, update or delete)"
                        )));
                    };
                    let meta = &line[member.value.clone()];
                    if meta.first() != Some(&b'{') {
                        return Err(malformed(format_args!(
                            "expected an object for `{}`",
                            known.name()
                        )));
                    }
                    self.take_index(meta);
                    verb = Some(known);
                }
                Walk::Member(_) => return Err(malformed(format_args!("found a second action"))),
                Walk::Done(end) => break end,
                Walk::NeedMore => {
                    return Err(malformed(format_args!("cut off after {} bytes", line.len())));
                }
                Walk::Broken(broken) => {
                    return Err(malformed(format_args!("{}", seen(line, &broken))));
                }
            }
        };
        if let Some(byte) = line.get(end) {
            let byte = [*byte];
            return Err(malformed(format_args!("found `{}` behind it", byte.escape_ascii())));
        }
        verb.ok_or_else(|| {
            malformed(format_args!("no action (expected create, index, update or delete)"))
        })
    }

    /// Puts the `_index` of an action's metadata, or else the path's, to `index`, without its date.
    fn take_index(&mut self, meta: &[u8]) {
        self.index.clear();
        let mut walker = Walker::default();
        while let Walk::Member(member) = walker.walk(meta) {
            if let [b'"', text @ .., b'"'] = &meta[member.value.clone()]
                && &meta[member.key] == b"_index"
            {
                self.index.clear();
                // Nothing but escapes that are known gets here.
                let _ = unescape(text, PAIR_BYTES_MAX, &mut self.index);
            }
        }
        self.index.truncate(PAIR_BYTES_MAX);
        let bytes = without_date(&self.index).len();
        self.index.truncate(bytes);
        if self.index.is_empty() {
            self.index.extend_from_slice(&self.path_index);
        }
    }

    /// Where in `line` the document stands that is to be stored; what it says goes to `found`.
    #[inline]
    fn document(&mut self, line: &[u8], verb: Verb) -> Result<Range<usize>, BadEntry> {
        let place = match verb {
            Verb::Update => self.updated(line)?,
            _ => 0..line.len(),
        };
        self.found.clear(LABELS.len());
        let document = &line[place.clone()];
        self.walk(document, |bulk, member| {
            bulk.plan.take(document, &member, &mut bulk.found, &mut bulk.times);
        })?;
        Ok(place)
    }

    /// Where the document of an update stands: `doc`, or else `upsert`.
    fn updated(&mut self, line: &[u8]) -> Result<Range<usize>, BadEntry> {
        let (mut doc, mut upsert) = (None, None);
        let mut key = Vec::new();
        self.walk(line, |_, member| {
            key.clear();
            push_key(&line[member.key.clone()], &member, &mut key);
            let is_object = line.get(member.value.start) == Some(&b'{');
            match &key[..] {
                b"doc" if is_object => doc = Some(member.value),
                b"upsert" if is_object => upsert = Some(member.value),
                _ => {}
            }
        })?;
        let number = self.at.line;
        doc.or(upsert).ok_or_else(|| {
            let what = format_args!("line {number}: an update without a `doc` that is an object");
            BadEntry::new(BadReason::Line, what)
        })
    }

    /// Walks `line`, all of which must be one object, and gives its members to `take`.
    #[inline]
    fn walk(
        &mut self,
        line: &[u8],
        mut take: impl FnMut(&mut Self, super::jsonline::object::Member),
    ) -> Result<(), BadEntry> {
        let number = self.at.line;
        let bad = |reason, what: std::fmt::Arguments<'_>| {
            Err(BadEntry::new(reason, format_args!("line {number}: {what}")))
        };
        match line.first() {
            Some(b'{') => {}
            None => return bad(BadReason::Empty, format_args!("no document behind the action")),
            Some(_) => {
                let shown = line[..line.len().min(40)].escape_ascii();
                let what = format_args!("expected a JSON object, found `{shown}`");
                return bad(BadReason::NotAnObject, what);
            }
        }
        let mut walker = Walker::new(true);
        loop {
            match walker.walk(line) {
                Walk::Member(member) => take(self, member),
                Walk::Done(end) => match line.get(end) {
                    None => return Ok(()),
                    Some(byte) => {
                        let byte = byte.escape_ascii();
                        return bad(
                            BadReason::Json,
                            format_args!("found `{byte}` behind the object"),
                        );
                    }
                },
                Walk::NeedMore => {
                    let bytes = line.len();
                    return bad(
                        BadReason::Json,
                        format_args!("object cut off after {bytes} bytes"),
                    );
                }
                Walk::Broken(broken) => {
                    return bad(BadReason::Json, format_args!("{}", seen(line, &broken)));
                }
            }
        }
    }
}

/// What is wrong with a line.
fn seen(line: &[u8], broken: &Broken) -> String {
    let found = line.get(broken.at..broken.at + 1).unwrap_or_default().escape_ascii();
    format!("expected {} at byte {}, found `{found}`", broken.expected, broken.at)
}

fn bad(reason: BadReason, what: std::fmt::Arguments<'_>) -> Next {
    Next::Bad(BadEntry::new(reason, what))
}

/// The name of an index without the date behind it: `logs-2026.09.21`, `logs-2026.09`,
/// `logs-2026-09-21`, `logs_20260921`, each maybe with a number of six digits: `-000001`.
fn without_date(index: &[u8]) -> &[u8] {
    const DATES: [&[u8]; 5] = [b"0000.00.00", b"0000-00-00", b"0000.00", b"0000-00", b"00000000"];
    let numbered = without_end(index, b"000000").filter(|name| index[name.len()] == b'-');
    let dated = numbered.unwrap_or(index);
    DATES.iter().find_map(|date| without_end(dated, date)).unwrap_or(index)
}

/// The name before an end like `like`, where each `0` stands for a digit, and a separator.
fn without_end<'a>(text: &'a [u8], like: &[u8]) -> Option<&'a [u8]> {
    let (name, end) = text.split_at(text.len().checked_sub(like.len() + 1)?);
    let is_like = |(byte, like): (&u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        _ => byte == like,
    };
    let (separator, end) = end.split_first()?;
    let is_end = matches!(separator, b'-' | b'_' | b'.') && end.iter().zip(like).all(is_like);
    (is_end && !name.is_empty()).then_some(name)
}

/// For fuzzing: reads `data` as a body, whole and in pieces, which must come to the same; each
/// document must be an object on one line, and the answer one of as many items. Its first byte says
/// how it is cut.
///
/// # Panics
/// Where one of this does not hold.
pub fn fuzz_bulk(data: &[u8]) {
    let Some((how, body)) = data.split_first() else { return };
    let read = |piece_bytes: usize| {
        let mut bulk = Bulk::new("a-2026.09.21", Times::new(jiff::tz::TimeZone::UTC));
        let (mut seen, mut items) = (Vec::new(), Items::new());
        feed_evenly(body, piece_bytes, |piece, is_whole| {
            let (used, step) = bulk.step(piece, is_whole);
            let fed = Fed::by(&step);
            match step {
                Step::Entry(entry) => {
                    let text = object_on_one_line(&entry);
                    let pairs = entry.stream.as_bytes().to_vec();
                    seen.push((bulk.verb(), text, pairs));
                    items.push(bulk.verb(), 201, "");
                }
                Step::Bad(bad) => {
                    items.push_bad(bulk.verb(), &bad);
                    seen.push((bulk.verb(), bad.what.into_bytes(), Vec::new()));
                }
                Step::Fail(failure) => {
                    seen.push((Verb::Delete, failure.what.into_bytes(), Vec::new()));
                }
                Step::NeedMore | Step::Again | Step::End => {}
            }
            (used, fed)
        });
        let (mut answer, count) = (Vec::new(), items.len());
        let answer_bytes = items.answer_bytes();
        while !items.write(&mut answer, piece_bytes) {}
        assert_eq!(answer.len() as u64, answer_bytes, "the answer's length");
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("it is JSON");
        assert_eq!(answer["items"].as_array().map(Vec::len), Some(count));
        seen
    };
    assert_eq!(read(body.len().max(1)), read(1 + usize::from(*how)), "in pieces");
}
