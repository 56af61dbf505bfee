//! One entry of a push: its time, its line, and what is said beside that.

use super::super::entries::BadReason;
use super::super::json_tree::parts::{Elements, Members, Text};
use super::super::protobuf::{Field, Fields, Value, WireError};
use super::super::tree::{Bad, Names, Read, level};
use crate::limits::ENTRY_TEXT_BYTES_MAX;
use crate::message::json_time;
use crate::message::syslog::{EventTime, Times};

/// Reads entries; what has to be written anew is written into the same memory each time.
#[derive(Debug)]
pub(super) struct Reader {
    text: Vec<u8>,
    /// A part of it, unescaped.
    part: Vec<u8>,
    names: Names,
    times: Times,
}

impl Default for Reader {
    fn default() -> Self {
        let times = Times::new(jiff::tz::TimeZone::UTC);
        Self { text: Vec::new(), part: Vec::new(), names: Names::default(), times }
    }
}

impl Reader {
    /// The bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.text.capacity() + self.part.capacity() + self.names.held_bytes()
    }

    /// Reads an `EntryAdapter`.
    #[inline]
    pub fn wire<'a>(&'a mut self, raw: &'a [u8]) -> Result<Read<'a>, Bad> {
        let (mut time, mut line, mut has_metadata) = (EventTime::Missing, &b""[..], false);
        for field in Fields::new(raw) {
            let Field { number, value: Value::Bytes(value) } = field.map_err(no_wire)? else {
                continue;
            };
            match number {
                1 => time = timestamp(value).map_err(no_wire)?,
                2 => line = value,
                3 => has_metadata = true,
                _ => {}
            }
        }
        if !has_metadata {
            return Ok(Read { text: line, time, level: None });
        }
        self.begin(line);
        let mut said = None;
        for field in Fields::new(raw).flatten() {
            let Field { number: 3, value: Value::Bytes(pair) } = field else { continue };
            let (mut name, mut value) = (&b""[..], &b""[..]);
            for field in Fields::new(pair) {
                let Field { number, value: Value::Bytes(part) } = field.map_err(no_wire)? else {
                    continue;
                };
                match number {
                    1 => name = part,
                    2 => value = part,
                    _ => {}
                }
            }
            said = said.or_else(|| level(name, value));
            self.names.member(name, value, &mut self.text);
        }
        self.text.push(b'}');
        Ok(Read { text: &self.text, time, level: said })
    }

    /// Reads `["ns","line",{"name":"value"}]`, or `{"ts":"time","line":"line"}`.
    pub fn json<'a>(&'a mut self, raw: &'a [u8]) -> Result<Read<'a>, Bad> {
        if raw.starts_with(b"{") {
            return self.old_json(raw);
        }
        let not_one = |_| (BadReason::Json, "no array and no object");
        let no_json = |what| (BadReason::Json, what);
        let mut elements = Elements::new(raw).map_err(not_one)?;
        let mut next = || elements.next().transpose().map_err(no_json);
        let time = next()?.and_then(Text::of);
        let time = time.and_then(nanoseconds).ok_or((
            BadReason::Time,
            "the time of an entry (it should be a text of nanoseconds)",
        ))?;
        let line = next()?.and_then(Text::of).ok_or(NO_LINE)?;
        let metadata = next()?;
        while next()?.is_some() {}
        let metadata = match metadata.filter(|metadata| *metadata != b"null") {
            Some(object) => Some(Members::new(object).map_err(|_| METADATA)?),
            None => None,
        };
        self.line(line, time, metadata)
    }

    #[cold]
    fn old_json<'a>(&'a mut self, raw: &'a [u8]) -> Result<Read<'a>, Bad> {
        let (mut time, mut line) = (EventTime::Missing, None);
        for member in Members::new(raw).map_err(|what| (BadReason::Json, what))? {
            let (name, value) = member.map_err(|what| (BadReason::Json, what))?;
            if name.is(b"line") {
                line = Some(Text::of(value).ok_or(NO_LINE)?);
            } else if name.is(b"ts") || name.is(b"timestamp") {
                let said = Text::of(value).and_then(Text::plain);
                time = match said {
                    Some(b"" | b"0") => EventTime::Missing,
                    Some(text) => json_time::of_text(text, &mut self.times).ok_or(OLD_TIME)?,
                    None => return Err(OLD_TIME),
                };
            }
        }
        self.line(line.ok_or(NO_LINE)?, time, None)
    }

    #[inline]
    fn line<'a>(
        &'a mut self,
        line: Text<'a>,
        time: EventTime,
        metadata: Option<Members<'a>>,
    ) -> Result<Read<'a>, Bad> {
        let no_text = |what| (BadReason::Line, what);
        let mut metadata = metadata.map(Iterator::peekable);
        let is_alone = metadata.as_mut().is_none_or(|members| members.peek().is_none());
        if is_alone {
            let text = line.read(&mut self.part).map_err(no_text)?;
            return Ok(Read { text, time, level: None });
        }
        self.part.clear();
        line.append(ENTRY_TEXT_BYTES_MAX, &mut self.part).map_err(no_text)?;
        let line = std::mem::take(&mut self.part);
        self.begin(&line);
        self.part = line;
        let (mut said, mut name_text) = (None, Vec::new());
        for pair in metadata.into_iter().flatten() {
            let (name, value) = pair.map_err(|what| (BadReason::Json, what))?;
            let value = Text::of(value).ok_or(METADATA)?;
            let name = name.read(&mut name_text).map_err(|_| METADATA)?;
            let value = value.read(&mut self.part).map_err(|_| METADATA)?;
            said = said.or_else(|| level(name, value));
            self.names.member(name, value, &mut self.text);
        }
        self.text.push(b'}');
        Ok(Read { text: &self.text, time, level: said })
    }

    /// Begins the text of an entry that says more than its line.
    fn begin(&mut self, line: &[u8]) {
        self.text.clear();
        self.text.push(b'{');
        self.names.clear();
        self.names.member(b"_msg", line, &mut self.text);
    }
}

const NO_LINE: Bad = (BadReason::Line, "an entry whose line is missing, or no text");
const METADATA: Bad =
    (BadReason::Metadata, "structured metadata of an entry (it should be an object of texts)");
const OLD_TIME: Bad = (BadReason::Time, "the time of an entry (it should be RFC 3339)");

#[cold]
fn no_wire(_: WireError) -> Bad {
    (BadReason::Protobuf, "an entry that is no protobuf")
}

/// Nanoseconds since the epoch as a text; nothing and 0 are no time. `None` where it is no number.
#[inline]
fn nanoseconds(text: Text<'_>) -> Option<EventTime> {
    let text = text.plain()?;
    if matches!(text, b"" | b"0") {
        return Some(EventTime::Missing);
    }
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        digits => (1, digits),
    };
    let mut number = Some(0_i64);
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        let add = |number: i64| number.checked_mul(10)?.checked_add(sign * i64::from(byte - b'0'));
        number = number.and_then(add);
    }
    // A time beyond all that can be told is none, but its line is a line.
    (!digits.is_empty()).then(|| number.map_or(EventTime::Bad, EventTime::At))
}

/// The time that a `Timestamp` tells; 0 is none.
#[inline]
fn timestamp(message: &[u8]) -> Result<EventTime, WireError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in Fields::new(message) {
        match field? {
            Field { number: 1, value: Value::Varint(number) } => seconds = number as i64,
            Field { number: 2, value: Value::Varint(number) } => nanos = i64::from(number as i32),
            _ => {}
        }
    }
    if (seconds, nanos) == (0, 0) {
        return Ok(EventTime::Missing);
    }
    let ns = seconds.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(nanos));
    Ok(ns.map_or(EventTime::Bad, EventTime::At))
}
