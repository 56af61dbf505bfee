//! A record as a line of comma-separated values: RFC 4180.

use super::{LocalTime, decimal, json, wall};
use crate::query::label;
use crate::segment::Record;

/// The first line: what the columns are. `msg` is the whole text of the record, `fields` a JSON
/// object.
pub(super) const HEAD: &[u8] =
    b"seq,time,event_time,level,host,app,facility,transport,msg,fields\r\n";

/// The columns that labels fill.
const LABELS: [&[u8]; 4] = [b"host", b"app", b"facility", b"transport"];

/// Appends the record as one line; the text of one that holds LF goes on over several.
pub(super) fn csv(record: &Record<'_>, time: &mut LocalTime, out: &mut Vec<u8>) {
    out.reserve(record.text.len() + 160);
    decimal(record.seq.0, out);
    out.push(b',');
    time.rfc3339(record.received_ns, out);
    out.push(b',');
    if record.event_ns != 0 {
        time.rfc3339(wall(record.event_ns), out);
    }
    out.push(b',');
    out.extend_from_slice(record.level.name().as_bytes());
    for name in LABELS {
        out.push(b',');
        field(label(record.labels, name).unwrap_or_default(), out);
    }
    out.push(b',');
    field(record.text, out);
    out.push(b',');
    let start = out.len();
    json::fields(record.text, out);
    if out.len() > start + b"{}".len() {
        let fields = out.split_off(start);
        field(&fields, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 4180, section 2: what holds a comma, a quote or a line break stands in quotes, and quotes in
/// it are doubled.
fn field(text: &[u8], out: &mut Vec<u8>) {
    if !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for piece in text.split_inclusive(|byte| *byte == b'"') {
        out.extend_from_slice(piece);
        if piece.ends_with(b"\"") {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

/// What the columns of a line hold; `None` where it is no line of CSV.
pub(super) fn columns(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = line.strip_suffix(b"\r\n")?;
    let mut columns = Vec::new();
    loop {
        let mut text = Vec::new();
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            rest = quoted;
            loop {
                let end = memchr::memchr(b'"', rest)?;
                text.extend_from_slice(&rest[..end]);
                rest = &rest[end + 1..];
                if !rest.starts_with(b"\"") {
                    break;
                }
                text.push(b'"');
                rest = &rest[1..];
            }
        } else {
            let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
            text.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
            if text.iter().any(|byte| b"\"\r\n".contains(byte)) {
                return None;
            }
        }
        columns.push(text);
        match rest {
            [] => return Some(columns),
            [b',', behind @ ..] => rest = behind,
            _ => return None,
        }
    }
}
