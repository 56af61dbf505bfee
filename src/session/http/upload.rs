//! Log lines in the body of a request, on their way into the segment: decoded, parsed and stored as
//! they arrive.
//!
//! ```text
//! input -> BodyReader -> Decoder? -> parser -> Sink
//!                               |-> buffer: the beginning of a line, or, for formats that are
//!                                   read as a whole, all of the body
//! ```

use super::body::{Parser, RawLines};
use super::inserting::MEMORY_SPENT;
use crate::clock::Mono;
use crate::limits::{
    HTTP_ENTRIES_PER_STEP, HTTP_ENTRY_BYTES_PER_STEP, HTTP_LINE_BYTES_MAX, HTTP_STEP_BYTES,
};
use crate::metrics::Metrics;
use crate::proto::coding::{Coding, CodingError, Decoded, Decoder};
use crate::proto::entries::{BadEntry, Step};
use crate::proto::http::{BodyReader, BodyStep, HttpError, Status};
use crate::segment::{Full, Store};
use crate::session::Sink;
use crate::session::named::NamedStreams;

/// What a gzip member begins with (RFC 1952), and no text does: a control character.
const GZIP_BEGINS: u8 = 0x1f;

/// Bytes of a line's beginning that are worth a look.
const TRY_BYTES_MIN: usize = 4096;

/// One request's body and what became of its lines.
#[derive(Debug)]
pub struct Upload {
    reader: BodyReader,
    decoder: Option<Decoder>,
    /// The decoder has more to give before it takes more.
    is_decoder_full: bool,
    parser: Parser,
    /// Decoded and not parsed.
    buffer: Vec<u8>,
    /// So many bytes of the buffer were the beginning of a line when they were last looked at.
    tried_bytes: usize,
    /// Parsing stopped before it had come to the end of the buffer.
    is_behind: bool,
    /// Bytes that the body has, as far as that is known.
    expected_bytes: usize,
    /// The whole body is in the buffer, or parsed.
    is_whole: bool,
    /// Nothing of the body has come.
    is_first: bool,
    /// When its head had come.
    pub began: Mono,
    /// Entries that were stored.
    stored: u64,
    /// Entries that were refused, each for itself.
    refused: u64,
    /// What was wrong with the first of those.
    first_refused: Option<BadEntry>,
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// All input is used.
    NeedInput,
    /// There is more to do with what is there.
    Again,
    /// The segment takes nothing now; what is not stored is kept.
    Full(Full),
    /// Everything is stored that can be.
    Done,
    /// The rest cannot be read. What was stored stays.
    Failed(Failure),
}

/// Why a body, or the rest of it, is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the client is told in a number.
    pub status: Status,
    /// And in words.
    pub what: String,
    /// After how many seconds it is worth while to try again.
    pub retry_after_s: Option<u64>,
}

impl Failure {
    /// The word that it is counted under.
    pub fn reason(&self) -> &'static str {
        match self.status {
            Status::CONTENT_TOO_LARGE => "too_large",
            Status::UNSUPPORTED_MEDIA_TYPE => "unsupported",
            Status::TOO_MANY_REQUESTS => "throttled",
            Status::SERVICE_UNAVAILABLE => "not_ready",
            _ => "malformed",
        }
    }

    /// It may be taken later: in so many seconds, the client is told.
    pub fn too_many(what: &str, seconds: u64) -> Self {
        let status = Status::TOO_MANY_REQUESTS;
        Self { status, what: what.to_owned(), retry_after_s: Some(seconds.max(1)) }
    }

    /// We are not able to now.
    pub fn busy(what: &str, seconds: u64) -> Self {
        Self { status: Status::SERVICE_UNAVAILABLE, ..Self::too_many(what, seconds) }
    }

    /// It will not be taken as it is.
    pub fn new(status: Status, what: String) -> Self {
        Self { status, what, retry_after_s: None }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl From<CodingError> for Failure {
    fn from(error: CodingError) -> Self {
        Self::new(error.status(), format!("content coding: {error}"))
    }
}

/// How far an upload may go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of a record beyond which it is cut.
    pub line_bytes_max: usize,
    /// Bytes that the upload may hold now.
    pub held_bytes_max: usize,
    /// Bytes that it could hold if nobody else held any.
    pub held_bytes_ever: usize,
}

impl Upload {
    /// An upload whose body is read by `reader`, decoded by `decoder` and parsed by `parser`.
    pub fn new(reader: BodyReader, decoder: Option<Decoder>, parser: Parser, began: Mono) -> Self {
        Self {
            reader,
            decoder,
            is_decoder_full: false,
            parser,
            buffer: Vec::new(),
            tried_bytes: 0,
            is_behind: false,
            expected_bytes: 0,
            is_whole: false,
            is_first: true,
            began,
            stored: 0,
            refused: 0,
            first_refused: None,
        }
    }

    /// The body has so many bytes, as it comes.
    pub fn expect(&mut self, bytes: usize) {
        self.expected_bytes = bytes;
    }

    /// Bytes of memory it holds beyond what every connection has.
    pub fn held_bytes(&self) -> usize {
        let decoder = self.decoder.as_ref().map_or(0, Decoder::held_bytes);
        self.buffer.capacity() + decoder + self.parser.held_bytes()
    }

    /// How many of its entries were stored.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// `failure`, with what the client has to know beside it.
    pub fn told(&self, failure: Failure) -> Failure {
        match self.stored {
            0 => failure,
            stored => {
                Failure { what: format!("{} (stored before: {stored})", failure.what), ..failure }
            }
        }
    }

    /// How many of its entries were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// What was wrong with the first that was refused.
    pub fn first_refused(&self) -> Option<&BadEntry> {
        self.first_refused.as_ref()
    }

    /// What its protocol says of its entries.
    pub fn parser(&mut self) -> &mut Parser {
        &mut self.parser
    }

    /// Takes a bounded step over `input`: how many bytes of it are used up, and what came of it.
    pub fn step<S: Store>(
        &mut self,
        input: &[u8],
        sink: &mut Sink<'_, S>,
        streams: &mut NamedStreams,
        bounds: &Bounds,
    ) -> (usize, Progress) {
        if self.may_parse() {
            let buffer = std::mem::take(&mut self.buffer);
            let (used, parsed) = self.parse(&buffer, sink, streams, bounds);
            self.put_back(buffer, used);
            self.tried_bytes = self.buffer.len();
            self.is_behind = parsed.is_some();
            if let Some(progress) = parsed {
                return (0, progress);
            }
            if self.buffer.len() > HTTP_LINE_BYTES_MAX {
                return (0, self.too_large(self.buffer.len(), bounds));
            }
        }
        if self.is_decoder_full {
            return (0, self.decode(b"", bounds, sink.metrics).1);
        }
        let (used, step) = match self.reader.step(input) {
            Ok(step) => step,
            Err(error) => return (0, Progress::Failed(error.into())),
        };
        match step {
            BodyStep::NeedMore => (used, Progress::NeedInput),
            BodyStep::End => (used, self.end()),
            BodyStep::Data(data) => {
                let (taken, progress) = self.take(data, sink, streams, bounds);
                let back = data.len() - taken;
                self.reader.give_back(back);
                (used - back, progress)
            }
        }
    }

    /// Whether it is worth while to parse the buffer now. The beginning of a long line that comes
    /// in small pieces is not looked at again for each of them.
    fn may_parse(&self) -> bool {
        let is_more = self.buffer.len() >= (2 * self.tried_bytes).max(TRY_BYTES_MIN);
        self.is_whole
            || self.is_behind
            || (self.parser.is_by_line() && (is_more || self.buffer.last() == Some(&b'\n')))
    }

    /// The last byte of the body is there.
    fn end(&mut self) -> Progress {
        if let Some(Err(error)) = self.decoder.as_mut().map(Decoder::finish) {
            return Progress::Failed(error.into());
        }
        self.is_whole = true;
        Progress::Again
    }

    /// Takes bytes of the body in: how many of them.
    fn take<S: Store>(
        &mut self,
        data: &[u8],
        sink: &mut Sink<'_, S>,
        streams: &mut NamedStreams,
        bounds: &Bounds,
    ) -> (usize, Progress) {
        if std::mem::take(&mut self.is_first) && data.first() == Some(&GZIP_BEGINS) {
            // Who forgets to say so has a file that ends in .gz.
            self.decoder.get_or_insert_with(|| Decoder::new(Coding::Gzip));
        }
        if self.decoder.is_some() {
            return self.decode(data, bounds, sink.metrics);
        }
        if self.parser.is_by_line() && self.buffer.is_empty() {
            let (used, parsed) = self.parse(data, sink, streams, bounds);
            sink.metrics.http.body_bytes += used as u64;
            if let Some(progress) = parsed {
                return (used, progress);
            }
            let rest = &data[used..];
            if !self.make_room(rest.len(), bounds) {
                return (data.len(), self.too_large(self.held_bytes() + rest.len(), bounds));
            }
            sink.metrics.http.body_bytes += rest.len() as u64;
            self.buffer.extend_from_slice(rest);
            return (data.len(), Progress::Again);
        }
        // A line that began before: only its end is copied, and what is behind it is parsed where
        // it is.
        let part = match memchr::memchr(b'\n', data) {
            Some(at) if self.parser.is_by_line() => &data[..=at],
            _ => data,
        };
        if !self.make_room(part.len(), bounds) {
            return (data.len(), self.too_large(self.held_bytes() + part.len(), bounds));
        }
        sink.metrics.http.body_bytes += part.len() as u64;
        self.buffer.extend_from_slice(part);
        (part.len(), Progress::Again)
    }

    /// Makes room in the buffer for so many bytes more, and for some to come. Whether there is.
    fn make_room(&mut self, more: usize, bounds: &Bounds) -> bool {
        let (bytes, capacity) = (self.buffer.len() + more, self.buffer.capacity());
        if bytes <= capacity {
            return true;
        }
        let others = self.held_bytes() - capacity;
        let most = bounds.held_bytes_max.saturating_sub(others);
        if bytes > most {
            return false;
        }
        // What the body is known to have, or half as much again: never all that others may need.
        let wanted =
            if self.expected_bytes >= bytes { self.expected_bytes } else { bytes + bytes / 2 };
        self.buffer.reserve_exact(wanted.min(most) - self.buffer.len());
        true
    }

    /// Decodes bytes of the body into the buffer: how many of them.
    fn decode(&mut self, data: &[u8], bounds: &Bounds, metrics: &mut Metrics) -> (usize, Progress) {
        let before = self.buffer.len();
        if self.buffer.capacity() == before && !self.make_room(HTTP_STEP_BYTES, bounds) {
            return (data.len(), self.too_large(self.held_bytes() + HTTP_STEP_BYTES, bounds));
        }
        let room = self.buffer.capacity() - before;
        let Some(decoder) = &mut self.decoder else { return (data.len(), Progress::Again) };
        let pushed = decoder.push(data, &mut self.buffer, room);
        if self.held_bytes() > bounds.held_bytes_max {
            return (data.len(), self.too_large(self.held_bytes(), bounds));
        }
        match pushed {
            Ok((taken, decoded)) => {
                metrics.http.body_bytes += (self.buffer.len() - before) as u64;
                self.is_decoder_full = decoded == Decoded::Full && taken == data.len();
                (taken, Progress::Again)
            }
            Err(error) => (data.len(), Progress::Failed(error.into())),
        }
    }

    /// So many bytes would have to be held: too many for ever, or for now.
    fn too_large(&self, needed: usize, bounds: &Bounds) -> Progress {
        let what = if self.parser.is_by_line() && self.buffer.len() > HTTP_LINE_BYTES_MAX {
            format!("a line longer than {HTTP_LINE_BYTES_MAX} bytes")
        } else if needed > bounds.held_bytes_ever {
            let allowed = bounds.held_bytes_ever;
            format!("a body that takes {needed} bytes (allowed: {allowed}, by --memory)")
        } else {
            return Progress::Failed(Failure::too_many(MEMORY_SPENT, 1));
        };
        Progress::Failed(Failure::new(Status::CONTENT_TOO_LARGE, what))
    }

    /// Parses `body` and stores what it finds: how many bytes are done with, and what there is to
    /// say beyond that more is needed.
    fn parse<S: Store>(
        &mut self,
        body: &[u8],
        sink: &mut Sink<'_, S>,
        streams: &mut NamedStreams,
        bounds: &Bounds,
    ) -> (usize, Option<Progress>) {
        let (mut at, mut bytes, is_dry) = (0, 0, self.parser.is_dry());
        for _ in 0..HTTP_ENTRIES_PER_STEP {
            let (used, step) = match &mut self.parser {
                Parser::Raw(raw) => match raw.store(&body[at..], self.is_whole, sink, streams) {
                    Ok(RawLines { used, stored, has_more }) => {
                        self.stored += stored;
                        let next = match (has_more, self.is_whole) {
                            (true, _) => Some(Progress::Again),
                            (false, true) => Some(Progress::Done),
                            (false, false) => None,
                        };
                        return (at + used, next);
                    }
                    Err((RawLines { used, stored, .. }, full)) => {
                        self.stored += stored;
                        return (at + used, Some(Progress::Full(full)));
                    }
                },
                parser => parser.step(&body[at..], self.is_whole),
            };
            match step {
                // Where nothing was said, that is no mistake.
                Step::Entry(entry) if is_dry || entry.text.is_empty() => at += used,
                Step::Entry(entry) => {
                    bytes += entry.text.len();
                    let stream = streams.find(entry.stream);
                    if let Err(full) = sink.put_named(&entry, stream, bounds.line_bytes_max) {
                        self.parser.retry();
                        return (at, Some(Progress::Full(full)));
                    }
                    self.stored += 1;
                    at += used;
                    self.parser.stored();
                    if bytes >= HTTP_ENTRY_BYTES_PER_STEP {
                        break;
                    }
                }
                Step::Bad(bad) => {
                    at += used;
                    self.refuse(bad, sink.metrics);
                }
                Step::Again => return (at + used, Some(Progress::Again)),
                Step::NeedMore if !self.is_whole => return (at + used, None),
                Step::NeedMore | Step::End => return (at + used, Some(Progress::Done)),
                Step::Fail(failure) => {
                    let status = self.parser.failure_status();
                    let failure = Failure::new(status, failure.what);
                    return (body.len(), Some(Progress::Failed(failure)));
                }
            }
        }
        (at, Some(Progress::Again))
    }

    fn refuse(&mut self, bad: BadEntry, metrics: &mut Metrics) {
        self.refused += 1;
        metrics.http.entries_bad.add(bad.reason.name());
        self.parser.refused(&bad);
        self.first_refused.get_or_insert(bad);
    }

    /// Keeps what is not parsed of `buffer`, whose first `used` bytes are.
    fn put_back(&mut self, mut buffer: Vec<u8>, used: usize) {
        if used == buffer.len() {
            buffer.clear();
        } else {
            buffer.drain(..used);
        }
        self.buffer = buffer;
    }
}
