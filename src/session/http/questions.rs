//! Questions over HTTP: the parameters of an address or a form become what walks the ring.
//!
//! ```text
//! /api/query?level%3E=warning&app=api&q=refused+-healthz&limit=100
//!   = QUERY level>=warning app=api keyword=refused !keyword=healthz limit=100, as lines of JSON
//! ```
//!
//! A pair means what it means in the language of QUERY and TAIL, but that its value is all that
//! stands behind the comparison: nothing needs quotes. `q=` is a line as people type it, in which
//! bare words are keywords. What is not known is refused: a typo must not answer with everything.

use std::borrow::Cow;
use std::fmt;

use super::answer::error_line;
use crate::clock::Wall;
use crate::limits::{
    HITS_BUCKETS_DEFAULT, HITS_BUCKETS_MAX, HTTP_LIMIT_DEFAULT, HTTP_LIMIT_MAX,
    HTTP_QUESTION_BYTES_MAX, HTTP_TIMEOUT_MS_MAX,
};
use crate::query::{
    Buckets, Census, Cursor, Echo, Format, Hits, Listing, Parameters, QueryError, StepError,
    TimeContext, known_label, number, parse_duration, quote,
};
use crate::segment::{Segment, Seq, Store};
use crate::session::questions::shorten;

/// Nanoseconds in a millisecond.
const MS: u64 = 1_000_000;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Which question it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Records that are there.
    Query,
    /// Records from now on, as Server-Sent Events.
    Tail,
    /// How many there were when.
    Hits,
    /// The names of labels.
    Labels,
    /// The values of this label.
    Values(Vec<u8>),
    /// What there is; with `by=`, how many records of each.
    Stats,
}

/// What answers a question.
#[derive(Debug)]
pub enum Answer {
    /// A query or a tail.
    Records(Cursor),
    /// Labels, values, or records by something.
    Census(Census),
    /// Counts by time.
    Hits(Hits),
    /// The body, whole.
    Whole(Vec<u8>),
}

/// A question that can be answered.
#[derive(Debug)]
pub struct Question {
    /// What answers it.
    pub walk: Answer,
    /// What was asked, for the slow log, as a person would type it; shortened.
    pub words: String,
    /// The `Content-Type` of the answer.
    pub content_type: &'static str,
    /// Whether the answer goes on for as long as the client is there.
    pub is_tail: bool,
    /// How long it may take, in nanoseconds, where it says so; at most [`HTTP_TIMEOUT_MS_MAX`].
    pub timeout_ns: Option<u64>,
}

/// Why a question is not answered: what was seen, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// The parameters are together longer than [`HTTP_QUESTION_BYTES_MAX`].
    Long,
    /// A parameter that this question does not have.
    Unknown {
        /// As it was sent.
        seen: Vec<u8>,
        /// Those it has.
        allowed: &'static str,
    },
    /// A parameter or its value is wrong.
    Query(QueryError),
    /// The step is too fine.
    Step(StepError),
    /// `after=` names a record that there is not.
    After(String),
}

impl AskError {
    /// The status of the answer: 400, or 413 where the question is too long.
    pub fn status(&self) -> u16 {
        if matches!(self, Self::Long) { 413 } else { 400 }
    }

    /// The body of the answer: `{"error":"…"}`.
    pub fn json(&self) -> Vec<u8> {
        error_line(&self.to_string())
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long => write!(f, "parameters exceed {HTTP_QUESTION_BYTES_MAX} bytes"),
            Self::Unknown { seen, allowed } => {
                write!(f, "unknown parameter {} (allowed: {allowed})", Echo(seen))
            }
            Self::Query(error) => write!(f, "{error}"),
            Self::Step(error) => write!(f, "{error}"),
            Self::After(reason) => write!(f, "{reason}"),
        }
    }
}

impl std::error::Error for AskError {}

impl From<QueryError> for AskError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// A name and a value of an address or a form, decoded; no value where there is no `=`.
pub type Pair<'p> = (Cow<'p, [u8]>, Option<Cow<'p, [u8]>>);

/// Reads a question: its parameters, decoded, and the header `Last-Event-ID`, which for a tail goes
/// before `after=` and `n=`.
///
/// # Errors
/// The first mistake found; see [`AskError`]. Nothing of an answer is written then.
pub fn question<'p, S: Store>(
    ask: Ask,
    pairs: &mut dyn Iterator<Item = Pair<'p>>,
    last_event_id: Option<&[u8]>,
    times: &TimeContext<'_>,
    segment: &Segment<S>,
) -> Result<Question, AskError> {
    let mut draft = Draft {
        parameters: Parameters::new(ask == Ask::Tail, times),
        words: Vec::new(),
        buckets: None,
        timeout_ns: None,
        by: None,
        has_search: false,
        bytes: 0,
    };
    for (name, value) in pairs {
        draft.take(&ask, &name, value.as_deref())?;
    }
    let is_tail = ask == Ask::Tail;
    let (command, (walk, content_type)) = match ask {
        Ask::Query => ("QUERY", query(draft.parameters, segment)?),
        Ask::Tail => {
            let resumed = last_id(last_event_id)?;
            if let Some(seq) = resumed {
                draft.words.extend_from_slice(format!(" after={seq}").as_bytes());
            }
            ("TAIL", tail(draft.parameters, resumed, segment)?)
        }
        Ask::Hits => ("HITS", hits(draft.parameters, draft.buckets, times.now, segment)?),
        Ask::Labels => ("LABELS", (census(Listing::Labels, segment), JSON)),
        Ask::Values(name) if name.is_empty() => {
            let allowed = "the name of a label";
            return Err(QueryError::Missing { name: "label", allowed }.into());
        }
        Ask::Values(name) => {
            let name = known_label(&name).map_or(name, <[u8]>::to_vec);
            draft.words.push(b' ');
            quote(&name, &mut draft.words);
            ("VALUES", (census(Listing::Values(name), segment), JSON))
        }
        Ask::Stats => match draft.by {
            Some(listing) => ("STATS", (census(listing, segment), JSON)),
            None => ("STATS", (Answer::Whole(stats(segment)), JSON)),
        },
    };
    let words = shorten(&[command.as_bytes(), &draft.words].concat());
    Ok(Question { walk, words, content_type, is_tail, timeout_ns: draft.timeout_ns })
}

/// A question whose parameters are still being read.
struct Draft<'a> {
    parameters: Parameters<'a>,
    /// What was asked, each parameter behind a blank.
    words: Vec<u8>,
    buckets: Option<Buckets>,
    timeout_ns: Option<u64>,
    by: Option<Listing>,
    has_search: bool,
    bytes: usize,
}

impl Draft<'_> {
    /// Takes in one pair.
    fn take(&mut self, ask: &Ask, name: &[u8], value: Option<&[u8]>) -> Result<(), AskError> {
        self.bytes += name.len() + value.map_or(0, <[u8]>::len) + 2;
        if self.bytes > HTTP_QUESTION_BYTES_MAX {
            return Err(AskError::Long);
        }
        // What keeps an answer out of caches, and what stands between two `&`, is nothing.
        if name == b"_" || (name.is_empty() && value.is_none()) {
            return Ok(());
        }
        let text = value.unwrap_or_default();
        match &name.to_ascii_lowercase()[..] {
            b"timeout" => {
                once(&self.timeout_ns, "timeout")?;
                self.timeout_ns = Some(timeout(text)?);
                return Ok(());
            }
            b"by" if *ask == Ask::Stats => {
                once(&self.by, "by")?;
                self.by = Some(by(text)?);
                self.words = [b" ", &text.to_ascii_lowercase()[..]].concat();
                return Ok(());
            }
            _ => {}
        }
        if matches!(ask, Ask::Labels | Ask::Values(_) | Ask::Stats) {
            let allowed = if *ask == Ask::Stats { "by, timeout" } else { "timeout" };
            return Err(AskError::Unknown { seen: name.to_vec(), allowed });
        }
        self.note(name, value);
        match &name.to_ascii_lowercase()[..] {
            b"q" => {
                if std::mem::replace(&mut self.has_search, true) {
                    return Err(QueryError::Repeated("q").into());
                }
                Ok(self.parameters.search(text)?)
            }
            b"step" | b"step_ms" | b"buckets" if *ask == Ask::Hits => {
                once(&self.buckets, "step")?;
                self.buckets = Some(buckets(name, text)?);
                Ok(())
            }
            _ => {
                let joined = value.map(|value| [name, b"=", value].concat());
                Ok(self.parameters.pair(joined.as_deref().unwrap_or(name))?)
            }
        }
    }

    /// Adds a pair to the words.
    fn note(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.words.push(b' ');
        let Some(value) = value else { return quote(name, &mut self.words) };
        self.words.extend_from_slice(name);
        self.words.push(b'=');
        quote(value, &mut self.words);
    }
}

/// What answers, and the `Content-Type` of the answer.
type Begun = (Answer, &'static str);

fn query<S: Store>(parameters: Parameters<'_>, segment: &Segment<S>) -> Result<Begun, AskError> {
    let has_format = parameters.has("format");
    let mut query = parameters.finish()?;
    query.is_bare = true;
    if !has_format {
        query.format = Format::Ndjson;
    }
    let limit = *query.limit.get_or_insert(HTTP_LIMIT_DEFAULT);
    if limit > HTTP_LIMIT_MAX {
        let allowed = const {
            assert!(HTTP_LIMIT_MAX == 1_000_000);
            "1 to 1000000"
        };
        let seen = limit.to_string().into_bytes();
        return Err(QueryError::Value { name: "limit", seen, allowed }.into());
    }
    let content_type = match query.format {
        Format::Ndjson | Format::Json => NDJSON,
        Format::Csv => "text/csv; charset=utf-8",
        Format::Raw => "application/octet-stream",
        Format::Sse | Format::Text | Format::Logfmt | Format::Frame => PLAIN,
    };
    let cursor = Cursor::query(query, segment);
    match cursor.refusal() {
        Some(reason) => Err(AskError::After(reason)),
        None => Ok((Answer::Records(cursor), content_type)),
    }
}

/// A tail, behind the record of the number `resumed` where the client comes back.
fn tail<S: Store>(
    mut parameters: Parameters<'_>,
    resumed: Option<u64>,
    segment: &Segment<S>,
) -> Result<Begun, AskError> {
    refuse_format(&parameters)?;
    parameters.set_format(Format::Sse);
    let mut query = parameters.finish()?;
    query.is_resumed = true;
    if let Some(seq) = resumed {
        (query.after, query.backlog) = (Some(Seq(seq)), 0);
    }
    Ok((Answer::Records(Cursor::tail(query, segment)), "text/event-stream"))
}

fn hits<S: Store>(
    parameters: Parameters<'_>,
    buckets: Option<Buckets>,
    now: Wall,
    segment: &Segment<S>,
) -> Result<Begun, AskError> {
    refuse_format(&parameters)?;
    let buckets = buckets.unwrap_or(Buckets::Count(HITS_BUCKETS_DEFAULT));
    let hits = Hits::new(parameters.finish()?, buckets, now, segment).map_err(AskError::Step)?;
    Ok((Answer::Hits(hits), JSON))
}

/// Neither events nor counts have a format.
fn refuse_format(parameters: &Parameters<'_>) -> Result<(), AskError> {
    if parameters.has("format") {
        let allowed = "format= of /api/query only";
        return Err(AskError::Unknown { seen: b"format".to_vec(), allowed });
    }
    Ok(())
}

/// The number in a `Last-Event-ID`; an empty one is none.
fn last_id(header: Option<&[u8]>) -> Result<Option<u64>, QueryError> {
    let Some(id) = header.map(<[u8]>::trim_ascii).filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let allowed = "the number of a record";
    let error = || QueryError::Value { name: "Last-Event-ID", seen: id.to_vec(), allowed };
    number(id, 0).map(Some).ok_or_else(error)
}

fn census<S: Store>(listing: Listing, segment: &Segment<S>) -> Answer {
    Answer::Census(Census::new(listing, segment).json())
}

/// Refuses what was given before.
fn once<T>(before: &Option<T>, name: &'static str) -> Result<(), AskError> {
    if before.is_some() { Err(QueryError::Repeated(name).into()) } else { Ok(()) }
}

fn duration(text: &[u8]) -> Option<u64> {
    parse_duration(std::str::from_utf8(text).ok()?)
}

/// Milliseconds, or a duration.
fn timeout(text: &[u8]) -> Result<u64, QueryError> {
    let ns = number(text, 0).map(|ms| ms.saturating_mul(MS)).or_else(|| duration(text));
    ns.filter(|ns| (MS..=HTTP_TIMEOUT_MS_MAX * MS).contains(ns)).ok_or_else(|| {
        let allowed = const {
            assert!(HTTP_TIMEOUT_MS_MAX == 600_000);
            "1 to 600000 ms, as 5000, 5s or 2m"
        };
        QueryError::Value { name: "timeout", seen: text.to_vec(), allowed }
    })
}

fn by(text: &[u8]) -> Result<Listing, QueryError> {
    match &text.to_ascii_lowercase()[..] {
        b"level" => Ok(Listing::Levels),
        b"stream" => Ok(Listing::Streams),
        b"transport" => Ok(Listing::Transports),
        _ => {
            let allowed = "level, stream, transport";
            Err(QueryError::Value { name: "by", seen: text.to_vec(), allowed })
        }
    }
}

fn buckets(name: &[u8], text: &[u8]) -> Result<Buckets, QueryError> {
    let seen = || text.to_vec();
    if name.eq_ignore_ascii_case(b"buckets") {
        let allowed = const {
            assert!(HITS_BUCKETS_MAX == 1000);
            "1 to 1000"
        };
        let count = number(text, 1).filter(|count| *count <= HITS_BUCKETS_MAX);
        let error = || QueryError::Value { name: "buckets", seen: seen(), allowed };
        return count.map(Buckets::Count).ok_or_else(error);
    }
    let (name, step_ms, allowed) = if name.eq_ignore_ascii_case(b"step_ms") {
        ("step_ms", number(text, 1), "1 or more milliseconds")
    } else {
        let step = duration(text).filter(|ns| ns % MS == 0 && *ns > 0).map(|ns| ns / MS);
        ("step", step, "a duration of 1ms or more, as 60s, 5m or 1h")
    };
    step_ms.map(Buckets::Step).ok_or_else(|| QueryError::Value { name, seen: seen(), allowed })
}

/// What the segment knows of itself. The times are bounds: a record that was hidden by its age or
/// by CLEAR may be as old as `oldest_ms` says.
fn stats<S: Store>(segment: &Segment<S>) -> Vec<u8> {
    let (tail, head, records) = (segment.tail(), segment.head(), segment.records());
    let counters = segment.counters();
    let geometry = segment.geometry();
    let last = Seq(head.0.saturating_sub(1));
    let summary = |seq| segment.block_containing(seq).and_then(|id| segment.summary(id));
    let ms = |at: Option<Wall>| match at.filter(|_| records > 0) {
        Some(at) => (at / MS).to_string(),
        None => "null".to_owned(),
    };
    let oldest = ms(summary(tail).map(|summary| summary.received_min_ns));
    let newest = ms(summary(last).map(|summary| summary.received_max_ns));
    format!(
        "{{\"records\":{records},\"oldest_ms\":{oldest},\"newest_ms\":{newest},\
         \"head\":{},\"tail\":{},\"segment_bytes\":{},\"blocks\":{},\"block_bytes\":{},\
         \"appended_records\":{},\"appended_bytes\":{},\"evicted_records\":{},\
         \"expired_records\":{},\"cleared_records\":{}}}\n",
        head.0,
        tail.0,
        geometry.file_bytes,
        geometry.blocks,
        geometry.block_bytes,
        counters.records_appended,
        counters.bytes_appended,
        counters.evicted_records,
        counters.expired_records,
        counters.cleared_records,
    )
    .into_bytes()
}

/// Reads any bytes as a question over HTTP, of which the first says which, and answers it in small
/// steps: must never panic, and what is JSON must be JSON.
pub fn fuzz_question(data: &[u8]) {
    fuzz::run(data);
}

mod fuzz;

#[cfg(test)]
mod tests;
