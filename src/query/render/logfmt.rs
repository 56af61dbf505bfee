//! A record as logfmt: `key=value` pairs on one line, values in quotes where they need them.
//!
//! `event_time` is there where a record says it, and `unreadable` where what it says is no time. A
//! label or field with the name of something that stands before it is written as `label.NAME` or
//! `field.NAME`, so that no name stands twice.

use super::json::escape;
use super::{LocalTime, decimal, wall};
use crate::message::{fields, has_bad_time};
use crate::query::label;
use crate::segment::{Label, Record, labels};

/// The pairs that each record has, or can have.
const OWN_NAMES: [&[u8]; 5] = [b"seq", b"time", b"event_time", b"level", b"msg"];

/// Appends the record as pairs and LF.
pub(super) fn logfmt(record: &Record<'_>, time: &mut LocalTime, out: &mut Vec<u8>) {
    out.reserve(2 * record.text.len() + 160);
    out.extend_from_slice(b"seq=");
    decimal(record.seq.0, out);
    out.extend_from_slice(b" time=");
    time.rfc3339(record.received_ns, out);
    if record.event_ns != 0 {
        out.extend_from_slice(b" event_time=");
        time.rfc3339(wall(record.event_ns), out);
    } else if has_bad_time(record.text, record.received_ns) {
        out.extend_from_slice(b" event_time=unreadable");
    }
    out.extend_from_slice(b" level=");
    out.extend_from_slice(record.level.name().as_bytes());
    for Label { name, value, .. } in labels(record.labels) {
        pair(if OWN_NAMES.contains(&name) { b" label." } else { b" " }, name, value, out);
    }
    pair(b" ", b"msg", record.text, out);
    fields::each(record.text, &mut |name, field| {
        let is_taken = OWN_NAMES.contains(&name) || label(record.labels, name).is_some();
        pair(if is_taken { b" field." } else { b" " }, name, field.text(), out);
    });
    out.push(b'\n');
}

fn pair(before: &[u8], name: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    key(name, out);
    out.push(b'=');
    value(text, out);
}

/// Appends a key, in which `_` stands for what no key can hold.
fn key(name: &[u8], out: &mut Vec<u8>) {
    if name.is_empty() {
        out.push(b'_');
    }
    for chunk in name.utf8_chunks() {
        let start = out.len();
        out.extend_from_slice(chunk.valid().as_bytes());
        out[start..].iter_mut().filter(|byte| splits(**byte)).for_each(|byte| *byte = b'_');
        if !chunk.invalid().is_empty() {
            out.push(b'_');
        }
    }
}

/// Appends a value, in quotes with the escapes of JSON where it could not stand bare.
pub(in crate::query) fn value(text: &[u8], out: &mut Vec<u8>) {
    let is_split = text.is_empty() || text.iter().any(|byte| splits(*byte));
    if !is_split && std::str::from_utf8(text).is_ok() {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// Whether a byte would end a bare key or value, or be obeyed by a terminal.
fn splits(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'=' | b'"' | 0x7f)
}
