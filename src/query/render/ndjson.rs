//! A record as HTTP answers it: a JSON object, one a line, whatever bytes the record has.
//!
//! ```text
//! {"seq":17,"_time":"2026-11-20T10:00:00.123456789Z","_msg":"a=1","_stream":"{app=\"api\"}",
//!  "level":"error","app":"api","fields":{"a":1},"raw":"<11>api: a=1"}
//! ```
//!
//! `_time` is when it was received; `event_time` stands behind it where the record says when it
//! happened, and is `null` where what it says is no time. `fields` is left out where there are
//! none, `raw` where `_msg` is all of the record. A label with the name of one of these, or of a
//! note, is found in `_stream` only. Times are in UTC.

use super::json::{self, escape, string};
use super::{LocalTime, Note, decimal, wall};
use crate::message::fields;
use crate::message::has_bad_time;
use crate::segment::{Label, Record, labels};

/// The names that no label takes: those of each object, and those of notes.
const OWN_NAMES: [&[u8]; 13] = [
    b"seq",
    b"_time",
    b"event_time",
    b"_msg",
    b"_stream",
    b"level",
    b"fields",
    b"raw",
    b"lost",
    b"damaged",
    b"sorted",
    b"of",
    b"error",
];

/// Appends the record as an object, without an end of line.
pub(super) fn object(record: &Record<'_>, time: &mut LocalTime, out: &mut Vec<u8>) {
    out.reserve(2 * record.text.len() + 256);
    out.extend_from_slice(b"{\"seq\":");
    decimal(record.seq.0, out);
    out.extend_from_slice(b",\"_time\":\"");
    time.utc(record.received_ns, out);
    if record.event_ns != 0 {
        out.extend_from_slice(b"\",\"event_time\":\"");
        time.utc(wall(record.event_ns), out);
        out.push(b'"');
    } else if has_bad_time(record.text, record.received_ns) {
        out.extend_from_slice(b"\",\"event_time\":null");
    } else {
        out.push(b'"');
    }
    let message = fields::message(record.text);
    out.extend_from_slice(b",\"_msg\":");
    string(&message, out);
    out.extend_from_slice(b",\"_stream\":\"");
    stream(record.labels, out);
    out.extend_from_slice(b"\",\"level\":\"");
    out.extend_from_slice(record.level.name().as_bytes());
    out.push(b'"');
    for Label { name, value, .. } in labels(record.labels) {
        if !OWN_NAMES.contains(&name) {
            out.push(b',');
            string(name, out);
            out.push(b':');
            string(value, out);
        }
    }
    let start = out.len();
    out.extend_from_slice(b",\"fields\":");
    let fields_at = out.len();
    json::fields(record.text, out);
    if out.len() == fields_at + b"{}".len() {
        out.truncate(start);
    }
    if *message != *record.text {
        out.extend_from_slice(b",\"raw\":");
        string(record.text, out);
    }
    out.push(b'}');
}

/// Appends the labels as `{name="value",…}`, as the inside of a JSON string.
pub(in crate::query) fn stream(stream: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, Label { name, value, .. }) in labels(stream).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        escape(name, out);
        out.extend_from_slice(b"=\\\"");
        let start = out.len();
        escape(value, out);
        if memchr::memchr2(b'"', b'\\', &out[start..]).is_some() {
            // What stands in quotes is escaped for them, and then for the string around it.
            let once = out.split_off(start);
            escape(&once, out);
        }
        out.extend_from_slice(b"\\\"");
    }
    out.push(b'}');
}

/// Appends a note as an object, without an end of line.
pub(super) fn note(note: &Note<'_>, out: &mut Vec<u8>) {
    let (name, number) = match note {
        Note::Lost { lines, .. } => ("lost", *lines),
        Note::Damaged(seq) => ("damaged", seq.0),
        Note::Sorted { of, .. } => ("of", *of),
        Note::Refused(reason) => {
            out.extend_from_slice(b"{\"error\":");
            string(reason.as_bytes(), out);
            out.push(b'}');
            return;
        }
    };
    out.push(b'{');
    if let Note::Sorted { shown, .. } = note {
        out.extend_from_slice(b"\"sorted\":");
        decimal(*shown, out);
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    decimal(number, out);
    out.push(b'}');
}
