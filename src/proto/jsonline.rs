//! JSON lines, as VictoriaLogs takes them: `POST /insert/jsonline`.
//!
//! ```text
//! {"_msg":"one"} LF {"_msg":"two"} CR LF LF {"_msg":"three"}   one object a line, or none
//! {"_msg":"one"}{"_msg":"two"}                                 as curl -d sends them, json_stream
//! [{"_msg":"one"},{"_msg":"two"}]                              an array of objects
//! { LF "_msg":"one" LF }                                       an object on several lines
//! ```
//!
//! An object counts if all of it is JSON and nothing else stands behind it in its line. Where one
//! is broken, it is passed over up to the brace that closes it, or to the end of its first line;
//! all others count.

pub(super) mod object;
mod options;
pub(super) mod plan;
mod rewrite;
mod skip;
mod time;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use options::{Options, OptionsError};

use self::object::{Broken, Walk, Walker};
use self::options::Read;
use self::plan::Found;
use self::rewrite::{Rewriter, join_lines};
use self::skip::{Skip, Until};
use super::entries::{
    BadEntry, BadReason, Entry, Fed, Pairs, Step, feed_evenly, object_on_one_line,
};
use crate::limits::{JSON_LINE_BYTES_MAX, LINES_BYTES_PER_STEP};
use crate::message::syslog::Times;

/// Bytes of a line that are shown where it is no object.
const SHOWN_BYTES: usize = 40;

/// Reads a body of JSON lines as it arrives.
#[derive(Debug)]
pub struct JsonLines {
    options: Read,
    times: Times,
    place: Place,
    /// What was found in the object that is walked.
    found: Found,
    at: Mark,
    /// As it was when the last step began.
    before: Mark,
    stream: Pairs,
    /// An object that is not kept as it came.
    rewritten: Vec<u8>,
}

/// Where a body is read.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The line, from 1.
    line: u64,
    in_array: bool,
    /// Whether that array had an object that was none.
    is_array_bad: bool,
    /// Bytes in which an object must end in its line: one over several lines was broken there, and
    /// to try again at each of them would take long.
    one_line_bytes: usize,
    /// Whether the body begins here, which may be with a byte order mark.
    is_first: bool,
}

/// What is being read.
#[derive(Debug)]
enum Place {
    /// What stands between objects.
    Between,
    /// An object, with which the body begins.
    Object(Walker),
    /// What follows the object with which the body begins: its end, how far that was looked at,
    /// and whether it has several lines.
    Behind { end: usize, at: usize, is_joined: bool },
    /// Something that is none.
    Skip(Skip),
}

/// What a step came to.
enum Next {
    NeedMore,
    Again,
    End,
    Bad(BadEntry),
    /// An object: where it stands, and whether it has several lines.
    Object(Range<usize>, bool),
}

impl JsonLines {
    /// At the beginning of a body. Times without a zone are of the zone of `times`.
    pub fn new(options: &Options, times: Times) -> Self {
        let at = Mark {
            line: 1,
            in_array: false,
            is_array_bad: false,
            one_line_bytes: 0,
            is_first: true,
        };
        let mut stream = Pairs::new();
        let options = options.read();
        for (name, value) in &options.extra {
            stream.push(name, value);
        }
        Self {
            options,
            times,
            place: Place::Between,
            found: Found::default(),
            at,
            before: at,
            stream,
            rewritten: Vec::new(),
        }
    }

    /// Takes one step over `body`: how many bytes it used, and what it found. The next step's body
    /// begins behind them; until [`Step::NeedMore`] it may be the same. `is_whole` says that no
    /// byte follows. No step looks at much more than [`LINES_BYTES_PER_STEP`] bytes, and none needs
    /// more than [`JSON_LINE_BYTES_MAX`] to use some.
    #[inline]
    pub fn step<'b>(&'b mut self, body: &'b [u8], is_whole: bool) -> (usize, Step<'b>) {
        self.before = self.at;
        let (used, next) = self.next(body, is_whole);
        self.at.one_line_bytes = self.at.one_line_bytes.saturating_sub(used);
        let step = match next {
            Next::NeedMore => Step::NeedMore,
            Next::Again => Step::Again,
            Next::End => Step::End,
            Next::Bad(bad) => Step::Bad(bad),
            Next::Object(place, is_joined) => Step::Entry(self.entry(&body[place], is_joined)),
        };
        (used, step)
    }

    /// The entry that was given last could not be stored: the next step gives it again, if its body
    /// begins where that of the last one did, as if nothing had been used.
    pub fn retry(&mut self) {
        self.at = self.before;
        self.place = Place::Between;
    }

    /// The bytes of memory that it holds beside itself.
    pub fn held_bytes(&self) -> usize {
        self.stream.held_bytes() + self.rewritten.capacity()
    }

    /// The entry that a whole object is.
    #[inline]
    fn entry<'b>(&'b mut self, object: &'b [u8], is_joined: bool) -> Entry<'b> {
        if !self.options.labels.is_empty() {
            self.fill_stream(object);
        }
        let message = self.found.message.as_ref();
        let message =
            message.filter(|message| message.known.is_none() || message.known != self.found.known);
        let is_kept = message.is_none() && self.options.edits.is_empty() && !is_joined;
        let text = if is_kept {
            object
        } else {
            let message = message.map(|message| message.value.clone());
            rewrite(&self.options, object, message, is_joined, &mut self.rewritten)
        };
        Entry {
            text,
            time: self.found.time(),
            level: self.found.level(),
            is_json: true,
            stream: &self.stream,
        }
    }

    fn fill_stream(&mut self, object: &[u8]) {
        self.stream.clear();
        for (name, value) in &self.options.extra {
            self.stream.push(name, value);
        }
        for (label, name) in self.options.labels.iter().enumerate() {
            self.found.push_label(label, object, name, &mut self.stream);
        }
    }

    #[inline]
    fn next(&mut self, body: &[u8], is_whole: bool) -> (usize, Next) {
        let mut start = 0;
        if matches!(self.place, Place::Between) {
            if let Some(next) = self.between(body, is_whole, &mut start) {
                return (start, next);
            }
            self.found.clear(self.options.labels.len());
            let is_one_line = start < self.at.one_line_bytes;
            self.place = Place::Object(Walker::new(is_one_line));
        }
        if matches!(self.place, Place::Object(_))
            && let Some(next) = self.walk(body, start, is_whole)
        {
            return (start, next);
        }
        match self.place {
            Place::Skip(_) => self.skip(body, is_whole),
            _ => self.behind(body, start, is_whole),
        }
    }

    /// Goes to the next object: `None` if it begins at `at`.
    #[inline]
    fn between(&mut self, body: &[u8], is_whole: bool, at: &mut usize) -> Option<Next> {
        if self.at.is_first {
            match body {
                [0xef, 0xbb, 0xbf, ..] => *at = 3,
                [0xef] | [0xef, 0xbb] if !is_whole => return Some(Next::NeedMore),
                [] if !is_whole => return Some(Next::NeedMore),
                _ => {}
            }
            self.at.is_first = false;
        }
        loop {
            match body.get(*at) {
                Some(b'{') => return None,
                Some(b'\n') => self.at.line += 1,
                Some(b' ' | b'\t' | b'\r') => {}
                Some(b',') if self.at.in_array => {}
                Some(b'[') if !self.at.in_array => {
                    (self.at.in_array, self.at.is_array_bad) = (true, false);
                }
                Some(b']') if self.at.in_array => self.at.in_array = false,
                Some(_) => return Some(self.no_object(&body[*at..], is_whole)),
                None if !is_whole => return Some(Next::NeedMore),
                None if self.at.in_array && !self.at.is_array_bad => {
                    self.at.in_array = false;
                    let line = self.at.line;
                    return Some(bad(
                        BadReason::Json,
                        format_args!("line {line}: array not closed"),
                    ));
                }
                None => return Some(Next::End),
            }
            *at += 1;
            if *at >= LINES_BYTES_PER_STEP {
                return Some(Next::Again);
            }
        }
    }

    /// What begins here is no object.
    fn no_object(&mut self, rest: &[u8], is_whole: bool) -> Next {
        let shown = &rest[..rest.len().min(SHOWN_BYTES)];
        let end = shown.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        if end.is_none() && shown.len() < SHOWN_BYTES && !is_whole {
            return Next::NeedMore;
        }
        let shown = shown[..end.unwrap_or(shown.len())].escape_ascii();
        self.begin_skip(if self.at.in_array { Until::Element } else { Until::LineEnd });
        let line = self.at.line;
        let what = format_args!("line {line}: expected a JSON object, found `{shown}`");
        bad(BadReason::NotAnObject, what)
    }

    /// Walks the object at `start`: `None` where it has ended.
    #[inline]
    fn walk(&mut self, body: &[u8], start: usize, is_whole: bool) -> Option<Next> {
        let Place::Object(walker) = &mut self.place else { return None };
        let object = &body[start..];
        let object = &object[..object.len().min(JSON_LINE_BYTES_MAX)];
        // Nearly always there is less than a step's share.
        let step_end = walker.at() + LINES_BYTES_PER_STEP;
        let seen = if object.len() <= step_end { object } else { &object[..step_end] };
        loop {
            match walker.walk(seen) {
                Walk::Member(member) => {
                    self.options.plan.take(object, &member, &mut self.found, &mut self.times);
                }
                Walk::Done(end) => {
                    let is_joined = walker.newline().is_some();
                    self.place = Place::Behind { end, at: end, is_joined };
                    return None;
                }
                Walk::NeedMore if seen.len() < object.len() => return Some(Next::Again),
                Walk::NeedMore if object.len() == JSON_LINE_BYTES_MAX => {
                    let at = walker.at();
                    return Some(self.broken(object, start, at, Wrong::TooLong));
                }
                Walk::NeedMore if !is_whole => return Some(Next::NeedMore),
                Walk::NeedMore => {
                    let at = object.len();
                    return Some(self.broken(object, start, at, Wrong::CutOff));
                }
                Walk::Broken(Broken { at, expected }) => {
                    return Some(self.broken(object, start, at, Wrong::Byte(expected)));
                }
            }
        }
    }

    /// The object at `start` is none, from byte `at` of it on.
    #[cold]
    fn broken(&mut self, object: &[u8], start: usize, at: usize, wrong: Wrong) -> Next {
        let newline = match &self.place {
            Place::Object(walker) => walker.newline(),
            _ => None,
        };
        if newline.is_some() {
            self.at.one_line_bytes = start + at;
        }
        self.at.is_array_bad = true;
        self.begin_skip(Until::Brace);
        let line = self.at.line;
        let found = object.get(at..at + 1).unwrap_or_default().escape_ascii();
        match (wrong, newline) {
            (Wrong::TooLong, _) => {
                let bytes = JSON_LINE_BYTES_MAX;
                bad(BadReason::TooLong, format_args!("line {line}: object exceeds {bytes} bytes"))
            }
            (Wrong::CutOff, None) => {
                bad(BadReason::Json, format_args!("line {line}: object cut off after {at} bytes"))
            }
            (Wrong::Byte(expected), None) => bad(
                BadReason::Json,
                format_args!("line {line}: expected {expected} at byte {at}, found `{found}`"),
            ),
            (_, Some(end)) => bad(
                BadReason::Json,
                format_args!("line {line}: object not closed in {end} bytes, its line"),
            ),
        }
    }

    /// What follows tells whether the object at `start` stands alone in its line.
    #[inline]
    fn behind(&mut self, body: &[u8], start: usize, is_whole: bool) -> (usize, Next) {
        let Place::Behind { end, at, is_joined } = &mut self.place else {
            return (start, Next::Again);
        };
        let (end, is_joined) = (*end, *is_joined);
        let bytes_max = (*at + LINES_BYTES_PER_STEP).min(JSON_LINE_BYTES_MAX);
        let used = loop {
            match body.get(start + *at) {
                Some(b' ' | b'\t' | b'\r') if *at < bytes_max => *at += 1,
                Some(b' ' | b'\t' | b'\r') if *at < JSON_LINE_BYTES_MAX => {
                    return (start, Next::Again);
                }
                Some(b'\n') => break start + *at + 1,
                None if !is_whole => return (start, Next::NeedMore),
                Some(b' ' | b'\t' | b'\r' | b'{') | None => break start + *at,
                Some(b',' | b']') if self.at.in_array => break start + *at,
                Some(byte) => {
                    let (line, found) = (self.at.line, [*byte]);
                    self.begin_skip(Until::LineEnd);
                    let found = found.escape_ascii();
                    let what = format_args!("line {line}: found `{found}` behind the object");
                    return (start, bad(BadReason::Json, what));
                }
            }
        };
        self.place = Place::Between;
        if is_joined {
            self.at.line += memchr::memchr_iter(b'\n', &body[start..used]).count() as u64;
        } else if body[used - 1] == b'\n' {
            self.at.line += 1;
        }
        (used, Next::Object(start..start + end, is_joined))
    }

    fn begin_skip(&mut self, until: Until) {
        self.place = Place::Skip(Skip::new(until));
    }

    /// Passes over something that is no object.
    fn skip(&mut self, body: &[u8], is_whole: bool) -> (usize, Next) {
        let Place::Skip(skip) = &mut self.place else { return (0, Next::Again) };
        let seen = &body[..body.len().min(LINES_BYTES_PER_STEP)];
        let end = match skip.until {
            Until::LineEnd => memchr::memchr(b'\n', seen),
            _ => seen.iter().position(|byte| skip.ends_with(*byte)),
        };
        let Some(end) = end else {
            let is_all = seen.len() == body.len();
            if is_all && !is_whole {
                return (seen.len(), Next::NeedMore);
            }
            if is_all {
                self.place = Place::Between;
            }
            return (seen.len(), Next::Again);
        };
        if skip.until == Until::Brace && seen[end] == b'}' {
            let is_array = self.at.in_array;
            self.begin_skip(if is_array { Until::Element } else { Until::Object });
            return (end + 1, Next::Again);
        }
        self.place = Place::Between;
        (end, Next::Again)
    }
}

/// What is wrong with an object.
enum Wrong {
    TooLong,
    CutOff,
    /// A byte that cannot stand there, instead of this.
    Byte(&'static str),
}

fn bad(reason: BadReason, what: std::fmt::Arguments<'_>) -> Next {
    Next::Bad(BadEntry::new(reason, what))
}

/// The object as it is stored, in `out`, where that is not as it came.
fn rewrite<'b>(
    options: &Read,
    object: &'b [u8],
    message: Option<Range<usize>>,
    is_joined: bool,
    out: &'b mut Vec<u8>,
) -> &'b [u8] {
    out.clear();
    let (edits, path) = (&options.edits, Vec::new());
    let rewriter = Rewriter { edits, object, message, path, is_changed: false };
    if !rewriter.write(out) {
        if !is_joined {
            return object;
        }
        out.clear();
        out.extend_from_slice(object);
    }
    if is_joined {
        join_lines(out);
    }
    out
}

/// For fuzzing: reads `data` as a body, whole and in pieces, which must come to the same; each
/// entry must be an object on one line, and kept as it came where nothing is asked of it. The first
/// byte says how it is cut, and its lowest bit whether something is asked.
///
/// # Panics
/// Where one of this does not hold.
pub fn fuzz_jsonline(data: &[u8]) {
    let Some((how, body)) = data.split_first() else { return };
    let asked = [
        ("_msg_field", "log,a.b"),
        ("_stream_fields", "a,b.c"),
        ("ignore_fields", "x,y*"),
        ("decolorize_fields", "*"),
        ("_time_field", "t,date"),
    ];
    let asked = asked.into_iter().take(usize::from(how & 1) * 5);
    let options = Options::from_pairs(asked.map(|(name, value)| (name, Some(value))));
    let options = options.expect("they are few and of the right form");
    let read = |piece_bytes: usize| {
        let mut parser = JsonLines::new(&options, Times::new(jiff::tz::TimeZone::UTC));
        let mut seen = Vec::new();
        feed_evenly(body, piece_bytes, |piece, is_whole| {
            let (used, step) = parser.step(piece, is_whole);
            let fed = Fed::by(&step);
            match step {
                Step::Entry(entry) => {
                    let text = object_on_one_line(&entry);
                    let is_as_it_came = memchr::memmem::find(body, entry.text).is_some();
                    let has_lines = memchr::memchr2(b'\n', b'\r', body).is_some();
                    assert!(is_as_it_came || has_lines || how & 1 == 1, "rewritten");
                    let pairs = entry.stream.as_bytes().to_vec();
                    seen.push((text, Some((entry.time, entry.level, pairs))));
                }
                Step::Bad(bad) => seen.push((bad.what.into_bytes(), None)),
                Step::Fail(failure) => panic!("{failure}"),
                Step::NeedMore | Step::Again | Step::End => {}
            }
            (used, fed)
        });
        seen
    };
    let whole = read(body.len().max(1));
    assert_eq!(whole, read(1 + usize::from(how >> 1)), "in pieces it is something else");
}
