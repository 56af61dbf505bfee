//! The bodies that log lines come in: which parser reads them, and what their senders want to hear.

use jiff::tz::TimeZone;

use super::answer::{JSON, Reply};
use super::asking::FORM;
use super::routes::Insert;
use super::upload::Failure;
use crate::level::Level;
use crate::limits::{HTTP_ENTRIES_PER_STEP, LABEL_NAMES_MAX};
use crate::message::syslog::{Times, facility_name};
use crate::proto::bulk::{Bulk, Items, Verb, bulk_index};
use crate::proto::coding::Coding;
use crate::proto::entries::{BadEntry, Pairs, Step};
use crate::proto::frame::{self, FrameCodec, Framing};
use crate::proto::http::{Request, Status, pairs};
use crate::proto::jsonline::{JsonLines, Options, OptionsError};
use crate::proto::loki::Loki;
use crate::proto::otlp::{Otlp, write_answer};
use crate::segment::{Full, Store};
use crate::session::Sink;
use crate::session::named::NamedStreams;

/// Reads a body.
#[derive(Debug)]
pub enum Parser {
    /// Plain lines.
    Raw(Box<Raw>),
    /// One JSON object a line; with `debug=1` nothing of it is stored.
    JsonLines(Box<JsonLines>, IsDry),
    /// Elasticsearch's bulk, and what became of each of its documents.
    Bulk(Box<Bulk>, Box<Items>),
    /// Loki's push.
    Loki(Box<Loki>, IsJson),
    /// OTLP logs.
    Otlp(Box<Otlp>, IsJson),
}

/// Whether lines are only read.
pub type IsDry = bool;

/// Whether a body of a format that has two spellings is the one in JSON.
pub type IsJson = bool;

/// The media type of protobuf.
pub const PROTOBUF: &str = "application/x-protobuf";

impl Parser {
    /// The parser of a request's body.
    ///
    /// # Errors
    /// The body is of a type that is not taken here, or a parameter makes no sense.
    pub fn new(
        insert: Insert,
        request: &Request,
        line_bytes_max: usize,
        (path, zone): (&str, &TimeZone),
    ) -> Result<Self, Failure> {
        let kind = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let is_json = kind.starts_with(JSON.as_bytes());
        if kind.starts_with(b"multipart/") {
            return Err(unsupported(&kind, "the lines themselves, as the body"));
        }
        Ok(match insert {
            Insert::Raw => Self::Raw(Box::new(Raw::new(request, line_bytes_max))),
            Insert::Bulk => {
                let bulk = Bulk::new(bulk_index(path).unwrap_or(""), Times::new(zone.clone()));
                Self::Bulk(Box::new(bulk), Box::default())
            }
            Insert::JsonLines => {
                let options = json_options(request)?;
                let lines = JsonLines::new(&options, Times::new(zone.clone()));
                Self::JsonLines(Box::new(lines), options.debug)
            }
            // What curl calls every body is never protobuf.
            Insert::Loki if is_json || kind.starts_with(FORM.as_bytes()) => {
                Self::Loki(Box::new(Loki::json()), true)
            }
            Insert::Loki => Self::Loki(Box::new(Loki::protobuf()), false),
            Insert::Otlp if is_json => Self::Otlp(Box::new(Otlp::json()), true),
            Insert::Otlp if kind.starts_with(PROTOBUF.as_bytes()) => {
                Self::Otlp(Box::new(Otlp::protobuf()), false)
            }
            Insert::Otlp => {
                return Err(unsupported(&kind, "application/x-protobuf, application/json"));
            }
        })
    }

    /// Whether it takes a body line by line; else as a whole.
    pub fn is_by_line(&self) -> bool {
        match self {
            Self::Raw(_) | Self::JsonLines(..) | Self::Bulk(..) => true,
            Self::Loki(..) | Self::Otlp(..) => false,
        }
    }

    /// How the body is coded where the request does not say.
    pub fn usual_coding(&self) -> Coding {
        match self {
            Self::Loki(_, false) => Coding::Snappy,
            _ => Coding::Identity,
        }
    }

    /// Bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Raw(raw) => raw.labels.held_bytes() + raw.said.held_bytes(),
            Self::JsonLines(lines, _) => lines.held_bytes(),
            Self::Bulk(bulk, items) => bulk.held_bytes() + items.held_bytes(),
            Self::Loki(loki, _) => loki.held_bytes(),
            Self::Otlp(otlp, _) => otlp.held_bytes(),
        }
    }

    /// Takes a bounded step over what is there of the body: how many of its bytes are done with.
    /// Not for [`Self::Raw`].
    #[inline]
    pub fn step<'b>(&'b mut self, body: &'b [u8], is_whole: bool) -> (usize, Step<'b>) {
        match self {
            Self::Raw(_) => (0, Step::End),
            Self::JsonLines(lines, _) => lines.step(body, is_whole),
            Self::Bulk(bulk, _) => bulk.step(body, is_whole),
            Self::Loki(loki, _) => loki.step(body, is_whole),
            Self::Otlp(otlp, _) => otlp.step(body, is_whole),
        }
    }

    /// The entry given last could not be stored: it is to be given again.
    pub fn retry(&mut self) {
        match self {
            Self::Raw(_) => {}
            Self::JsonLines(lines, _) => lines.retry(),
            Self::Bulk(bulk, _) => bulk.retry(),
            Self::Loki(loki, _) => loki.retry(),
            Self::Otlp(otlp, _) => otlp.retry(),
        }
    }

    /// The entry given last is stored.
    #[inline]
    pub fn stored(&mut self) {
        if let Self::Bulk(bulk, items) = self {
            let verb = bulk.verb();
            items.push(verb, if verb == Verb::Update { 200 } else { 201 }, "");
        }
    }

    /// The entry told of last is refused.
    pub fn refused(&mut self, bad: &BadEntry) {
        if let Self::Bulk(bulk, items) = self {
            items.push_bad(bulk.verb(), bad);
        }
    }

    /// Of a bulk, what became of each document.
    pub fn take_items(&mut self) -> Option<Box<Items>> {
        if let Self::Bulk(_, items) = self { Some(std::mem::take(items)) } else { None }
    }

    /// Whether its entries are only read.
    pub fn is_dry(&self) -> bool {
        matches!(self, Self::JsonLines(_, true))
    }

    /// What a body that cannot be read is answered with.
    pub fn failure_status(&self) -> Status {
        match self {
            Self::Loki(loki, _) if loki.is_without_streams() => Status::UNPROCESSABLE_CONTENT,
            _ => Status::BAD_REQUEST,
        }
    }

    /// What is answered when all of the body is read: so many entries were `stored`, so many
    /// `refused`, the first of them for this reason.
    ///
    /// # Errors
    /// The answer is that nothing of it was any good.
    pub fn reply(
        &mut self,
        stored: u64,
        refused: u64,
        first: Option<&str>,
    ) -> Result<Reply, Failure> {
        let said = match first {
            Some(first) if refused == 1 => first.to_owned(),
            Some(first) => format!("{refused} entries refused, the first: {first}"),
            None => String::new(),
        };
        match self {
            Self::Otlp(_, is_json) => {
                let mut body = Vec::new();
                write_answer(*is_json, refused, &said, &mut body);
                let content_type = Some(if *is_json { JSON } else { PROTOBUF });
                Ok(Reply { status: Status::OK, content_type, body, rejected: None })
            }
            // As Loki does: its clients show the words, and do not send the body again.
            Self::Loki(..) if refused > 0 => {
                Err(Failure::new(Status::BAD_REQUEST, format!("{said} ({stored} stored)")))
            }
            // As VictoriaLogs does: only a body without one good line is an error.
            Self::JsonLines(..) if refused > 0 && stored == 0 => {
                Err(Failure::new(Status::BAD_REQUEST, said))
            }
            Self::JsonLines(..) => {
                let rejected = (refused > 0).then_some(said);
                Ok(Reply { status: Status::OK, content_type: None, body: Vec::new(), rejected })
            }
            Self::Loki(..) | Self::Raw(_) | Self::Bulk(..) => {
                let status = Status::NO_CONTENT;
                Ok(Reply { status, content_type: None, body: Vec::new(), rejected: None })
            }
        }
    }
}

/// What a request says of the JSON objects in it.
fn json_options(request: &Request) -> Result<Options, Failure> {
    let bad = |error: OptionsError| Failure::new(Status::BAD_REQUEST, error.to_string());
    let mut options = Options::from_pairs(pairs(request.query())).map_err(bad)?;
    for name in Options::HEADERS {
        if let Some(value) = request.header(name) {
            options.header(name, value).map_err(bad)?;
        }
    }
    Ok(options)
}

fn unsupported(kind: &[u8], allowed: &str) -> Failure {
    let what = format!("content type \"{}\" (allowed: {allowed})", kind.escape_ascii());
    Failure::new(Status::UNSUPPORTED_MEDIA_TYPE, what)
}

/// Plain lines, whose labels are the parameters of the request.
#[derive(Debug)]
pub struct Raw {
    codec: FrameCodec,
    labels: Pairs,
    /// The labels, and what a header said beside them.
    said: Pairs,
    /// The level that the labels say, for lines without a header.
    level: Option<Level>,
}

/// How far lines were stored.
pub struct RawLines {
    /// Bytes that are done with.
    pub used: usize,
    /// Lines that were stored.
    pub stored: u64,
    /// The share of one step is used up, and there may be more.
    pub has_more: bool,
}

impl Raw {
    fn new(request: &Request, line_bytes_max: usize) -> Self {
        let mut labels = Pairs::new();
        for (name, value) in pairs(request.query()).take(LABEL_NAMES_MAX) {
            labels.push(&name, &value.unwrap_or_default());
        }
        let codec = FrameCodec::new(Framing::Lf, line_bytes_max);
        let level = labels.iter().find(|(name, _)| *name == b"level");
        let level = level.and_then(|(_, value)| Level::from_name(value));
        Self { codec, labels, said: Pairs::new(), level }
    }

    /// Stores the whole lines of `body`.
    ///
    /// # Errors
    /// The segment takes no more; how far it went stands beside it.
    pub fn store<S: Store>(
        &mut self,
        body: &[u8],
        is_whole: bool,
        sink: &mut Sink<'_, S>,
        streams: &mut NamedStreams,
    ) -> Result<RawLines, (RawLines, Full)> {
        let mut done = RawLines { used: 0, stored: 0, has_more: false };
        for _ in 0..HTTP_ENTRIES_PER_STEP {
            let before = self.codec;
            let rest = &body[done.used..];
            let (used, step) =
                if is_whole { self.codec.finish(rest) } else { self.codec.step(rest) };
            let frame = match step {
                frame::Step::Record(frame) => frame,
                frame::Step::NeedMore => return Ok(done),
                frame::Step::Skip { .. } if used == 0 => return Ok(done),
                frame::Step::Skip { dropped, .. } => {
                    done.used += used;
                    sink.metrics.cut_bytes += dropped as u64;
                    continue;
                }
                frame::Step::Compressed { .. } | frame::Step::Gzip | frame::Step::Foreign(_) => {
                    return Ok(RawLines { used: body.len(), ..done });
                }
            };
            let mut header = sink.read_header(&frame);
            if let (Some(level), None) = (self.level, header.facility) {
                header.level = level;
            }
            let facility = header.facility.map_or("", facility_name).as_bytes();
            let is_named = header.host.is_empty() && header.app.is_empty() && facility.is_empty();
            let stream = if is_named {
                streams.find(&self.labels)
            } else {
                self.said.clear();
                self.labels.iter().for_each(|(name, value)| self.said.push(name, value));
                for (name, value) in
                    [(&b"host"[..], header.host), (b"app", header.app), (b"facility", facility)]
                {
                    if !value.is_empty() {
                        self.said.push(name, value);
                    }
                }
                streams.find(&self.said)
            };
            if let Err(full) = sink.put_line(&frame, &header, stream) {
                self.codec = before;
                return Err((done, full));
            }
            done.used += used;
            done.stored += 1;
        }
        Ok(RawLines { has_more: true, ..done })
    }
}
