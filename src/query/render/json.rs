//! A record as a JSON object: RFC 8259, one line, whatever bytes the record has.
//!
//! ```text
//! {"seq":17,"time":"…","event_time":"…","level":"error","source":"10.0.0.5","msg":"<11>api: a=1",
//!  "_msg":"a=1","labels":{"app":"api","host":"10.0.0.5"},"fields":{"a":1}}
//! ```
//!
//! `event_time` is `null` where a record says a time that cannot be read.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::{LocalTime, decimal, wall};
pub use crate::message::escape::escape;
use crate::message::fields::{self, Value};
use crate::message::has_bad_time;
use crate::query::label;
use crate::segment::{Label, Record, labels};

/// Appends the record as an object and LF.
pub(super) fn json(record: &Record<'_>, time: &mut LocalTime, out: &mut Vec<u8>) {
    out.reserve(2 * record.text.len() + 256);
    out.extend_from_slice(b"{\"seq\":");
    decimal(record.seq.0, out);
    out.extend_from_slice(b",\"time\":\"");
    time.rfc3339(record.received_ns, out);
    out.push(b'"');
    if record.event_ns != 0 {
        out.extend_from_slice(b",\"event_time\":\"");
        time.rfc3339(wall(record.event_ns), out);
        out.push(b'"');
    } else if has_bad_time(record.text, record.received_ns) {
        out.extend_from_slice(b",\"event_time\":null");
    }
    out.extend_from_slice(b",\"level\":\"");
    out.extend_from_slice(record.level.name().as_bytes());
    out.extend_from_slice(b"\",\"source\":\"");
    escape(label(record.labels, b"host").unwrap_or_default(), out);
    out.extend_from_slice(b"\",\"msg\":\"");
    let start = out.len();
    escape(record.text, out);
    let end = out.len();
    out.extend_from_slice(b"\",\"_msg\":\"");
    match fields::message(record.text) {
        // Most records are their message: what is escaped once need not be again.
        Cow::Borrowed(message) if message.len() == record.text.len() => {
            out.extend_from_within(start..end);
        }
        message => escape(&message, out),
    }
    out.extend_from_slice(b"\",\"labels\":{");
    let mut members = Members::default();
    for Label { name, value, .. } in labels(record.labels) {
        members.name(name, out);
        string(value, out);
    }
    out.extend_from_slice(b"},\"fields\":");
    fields(record.text, out);
    out.extend_from_slice(b"}\n");
}

/// Appends the fields of the record `text` as an object.
pub(super) fn fields(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    let mut members = Members::default();
    fields::each(text, &mut |name, field| {
        members.name(name, out);
        value(&field, out);
    });
    out.push(b'}');
}

/// Writes the names of an object's members, each behind a comma but the first.
#[derive(Default)]
struct Members {
    has_one: bool,
}

impl Members {
    fn name(&mut self, name: &[u8], out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_one, true) {
            out.push(b',');
        }
        string(name, out);
        out.push(b':');
    }
}

fn value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Number(text) | Value::Raw(text) if is_json(text) => verbatim(text, out),
        Value::Bool(_) | Value::Null => out.extend_from_slice(value.text()),
        Value::Text(_) | Value::Number(_) | Value::Raw(_) => string(value.text(), out),
    }
}

/// Whether `text` is one JSON value: what a record holds may be cut, or never have been any.
pub(super) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Appends JSON as it stands, on one line: a control character can only be space between tokens.
fn verbatim(json: &[u8], out: &mut Vec<u8>) {
    for chunk in json.utf8_chunks() {
        let start = out.len();
        out.extend_from_slice(chunk.valid().as_bytes());
        out[start..].iter_mut().filter(|byte| **byte < b' ').for_each(|byte| *byte = b' ');
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Appends a JSON string.
pub(crate) fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}
