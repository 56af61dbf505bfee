//! Fields inside a record's text, taken out when they are asked for: JSON, logfmt, the header and
//! the structured data of syslog.
//!
//! ```text
//! <34>1 2026-11-20T10:00:00Z edge1 api 17 - [req@1 id="7"] {"msg":"late","user":{"name":"bob"}}
//! pri=34 facility severity host app proc_id ; req@1.id     ; msg  user.name
//! ```
//!
//! A text that begins as a JSON object has the object's members, any other the `key=value` pairs in
//! it; so has the message of a syslog record. Where a name stands twice the first counts: the
//! header, then the structured data, then the message.

mod json;
mod logfmt;
mod structured_data;

use std::borrow::Cow;

pub(crate) use logfmt::without_punctuation;

use super::syslog::{self, Syslog, Times};
use crate::limits::FIELDS_MAX;

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text, unescaped.
    Text(Cow<'a, [u8]>),
    /// A JSON number as it is written.
    Number(&'a [u8]),
    /// `true` or `false`.
    Bool(bool),
    /// The JSON `null`.
    Null,
    /// An array or an object, as JSON text.
    Raw(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The value as a text: a number as it is written, `true`, `false`, `null`, JSON.
    pub fn text(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            other => other.written(),
        }
    }

    /// The same, borrowed where the record's text holds it as it is.
    pub fn into_text(self) -> Cow<'a, [u8]> {
        match self {
            Self::Text(text) => text,
            other => Cow::Borrowed(other.written()),
        }
    }

    /// What is no text, as it is written.
    fn written(&self) -> &'a [u8] {
        match *self {
            Self::Text(_) => b"",
            Self::Number(text) | Self::Raw(text) => text,
            Self::Bool(true) => b"true",
            Self::Bool(false) => b"false",
            Self::Null => b"null",
        }
    }
}

/// The names under which a JSON object keeps its message.
pub(crate) const MESSAGE_NAMES: [&[u8]; 8] =
    [b"_msg", b"msg", b"message", b"MESSAGE", b"log", b"short_message", b"text", b"event"];

/// The names under which logfmt keeps it.
const LOGFMT_MESSAGE_NAMES: [&[u8]; 2] = [b"msg", b"message"];

/// The message inside the record `text`: of a JSON object the first of `_msg`, `msg`, `message`,
/// `MESSAGE`, `log`, `short_message`, `text`, `event` that is a text; of a text that begins as
/// logfmt its `msg` or `message`; otherwise all of the text. What stands before the MSG of a syslog
/// record is left out first.
pub fn message(text: &[u8]) -> Cow<'_, [u8]> {
    Record::read(text).message()
}

/// Calls `found` with each field of the record `text` and its name, in order, a name only once, and
/// at most [`FIELDS_MAX`] of them. Members of objects in objects are named `a.b.c`.
pub fn each(text: &[u8], found: &mut dyn FnMut(&[u8], Value<'_>)) {
    Record::read(text).each(found);
}

/// The field `name` of the record `text`: the first of that name that [`each`] would give, or else
/// a whole object, or a parameter of structured data by its name alone.
pub fn field<'a>(text: &'a [u8], name: &[u8]) -> Option<Value<'a>> {
    Record::read(text).field(name)
}

/// The names of what the header of a syslog record says, in the order in which [`each`] gives them.
pub const METADATA: [&[u8]; 7] =
    [b"pri", b"facility", b"severity", b"host", b"app", b"proc_id", b"msg_id"];

/// What the header of the syslog record `text` says under one of the names of [`METADATA`].
pub fn metadata<'a>(text: &'a [u8], name: &[u8]) -> Option<Value<'a>> {
    Record::read(text).metadata(name)
}

/// A record's text in its parts.
struct Record<'a> {
    whole: &'a [u8],
    header: Option<Syslog<'a>>,
    /// What stands behind the header.
    text: &'a [u8],
    /// The JSON object at the beginning of `text`, if it holds one; then it has no `key=value`.
    object: Option<&'a [u8]>,
}

/// What stands before a JSON object in a syslog message: <https://cee.mitre.org>, CEE Log
/// Transport.
const COOKIE: &[u8] = b"@cee:";

impl<'a> Record<'a> {
    fn read(text: &'a [u8]) -> Self {
        let header = match text {
            [b'<', b'0'..=b'9', ..] => {
                // Times are not asked for, so that neither the clock nor the zone matters.
                let mut times = Times::new(jiff::tz::TimeZone::UTC);
                syslog::read(text, 0, &mut times)
            }
            _ => None,
        };
        Self::new(text, header)
    }

    fn new(whole: &'a [u8], header: Option<Syslog<'a>>) -> Self {
        let text = header.as_ref().map_or(whole, |header| header.text);
        let mut object = text.trim_ascii_start();
        if let (Some(_), Some(rest)) = (&header, object.strip_prefix(COOKIE)) {
            object = rest.trim_ascii_start();
        }
        Self { whole, header, text, object: Some(object).filter(|object| json::begins(object)) }
    }

    fn message(&self) -> Cow<'a, [u8]> {
        let text = |value| if let Some(Value::Text(text)) = value { Some(text) } else { None };
        let found = match self.object {
            Some(object) => json::first_text(object, &MESSAGE_NAMES),
            None if logfmt::begins(self.text) => LOGFMT_MESSAGE_NAMES
                .into_iter()
                .find_map(|name| text(logfmt::find(self.text, name))),
            None => None,
        };
        found.unwrap_or(Cow::Borrowed(self.text))
    }

    fn each(&self, found: &mut dyn FnMut(&[u8], Value<'_>)) {
        let mut seen = Seen::default();
        let mut take = |name: &[u8], value: Value<'_>| {
            if seen.is_first(name) {
                found(name, value);
            }
            seen.ends.len() < FIELDS_MAX
        };
        for name in METADATA {
            if let Some(value) = self.metadata(name) {
                take(name, value);
            }
        }
        let mut name = Vec::new();
        for (id, param, value) in structured_data::Params::new(self.data()) {
            name.clear();
            name.extend_from_slice(id);
            name.push(b'.');
            name.extend_from_slice(param);
            if !take(&name, Value::Text(value)) {
                return;
            }
        }
        match self.object {
            Some(object) => json::each(object, &mut take),
            None => {
                logfmt::Pairs::new(self.text).all(|(name, value)| take(name, value));
            }
        }
    }

    fn field(&self, name: &[u8]) -> Option<Value<'a>> {
        let in_message = || match self.object {
            Some(object) => json::find(object, name),
            None => logfmt::find(self.text, name),
        };
        self.metadata(name)
            .or_else(|| structured_data::find(self.data(), name).map(Value::Text))
            .or_else(in_message)
            .or_else(|| structured_data::find_param(self.data(), name).map(Value::Text))
    }

    fn data(&self) -> &'a [u8] {
        self.header.as_ref().map_or(b"", |header| header.data)
    }

    fn metadata(&self, name: &[u8]) -> Option<Value<'a>> {
        let header = self.header.as_ref()?;
        let said = |text: &'a [u8]| (!text.is_empty()).then_some(Value::Text(Cow::Borrowed(text)));
        match name {
            b"pri" => {
                let rest = self.whole.get(1..)?;
                let end = memchr::memchr(b'>', rest)?;
                Some(Value::Number(rest[..end].trim_ascii()))
            }
            b"facility" => said(syslog::facility_name(header.facility).as_bytes()),
            b"severity" => {
                let at = usize::from(header.severity & 7);
                Some(Value::Number(&b"01234567"[at..=at]))
            }
            b"host" => said(header.host),
            b"app" => said(header.app),
            b"proc_id" => said(header.proc_id),
            b"msg_id" => said(header.msg_id),
            _ => None,
        }
    }
}

/// The names that were given before: a text can repeat thousands of times the last of many.
struct Seen {
    names: Vec<u8>,
    /// Where in `names` each ends.
    ends: Vec<usize>,
    /// Where in `ends` a name stands, plus 1, at the place that its hash tells or a later one; 0 =
    /// free. At least half are.
    places: [u16; PLACES],
}

const PLACES: usize = (2 * FIELDS_MAX).next_power_of_two();
const _: () = assert!(PLACES <= u16::MAX as usize);

impl Default for Seen {
    fn default() -> Self {
        Self { names: Vec::new(), ends: Vec::new(), places: [0; PLACES] }
    }
}

impl Seen {
    /// Remembers `name`; `false` where it was known, or there are as many as may be.
    fn is_first(&mut self, name: &[u8]) -> bool {
        if self.ends.len() >= FIELDS_MAX {
            return false;
        }
        // FNV-1a.
        let hash = name.iter().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        });
        let mut place = hash as usize % PLACES;
        while let Some(at) = usize::from(self.places[place]).checked_sub(1) {
            let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
            if self.names[start..self.ends[at]] == *name {
                return false;
            }
            place = (place + 1) % PLACES;
        }
        self.names.extend_from_slice(name);
        self.ends.push(self.names.len());
        self.places[place] = self.ends.len() as u16;
        true
    }
}

/// Takes the fields out of any bytes: must never panic, and each field must be found by its name.
pub fn fuzz_fields(data: &[u8]) {
    let mut count = 0;
    each(data, &mut |name, value| {
        count += 1;
        assert_eq!(field(data, name).as_ref(), Some(&value), "{}", name.escape_ascii());
    });
    assert!(count <= FIELDS_MAX);
    assert!(message(data).len() <= data.len());
    let record = Record::read(data);
    if let Some(object) = record.object {
        let text = |name| match json::find(object, name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        };
        let first = MESSAGE_NAMES.into_iter().find_map(text);
        assert_eq!(record.message(), first.unwrap_or(Cow::Borrowed(record.text)));
    }
    for name in [&b"a"[..], b"a.b", b"id.x", b"x", b"", b".", b"host", b"pri"] {
        field(data, name);
    }
}

#[cfg(test)]
mod tests;
