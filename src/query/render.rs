//! Records as they are shown: one file a format.
//!
//! Nothing here allocates for a plain line.

mod csv;
mod frame;
mod json;
mod local_time;
mod logfmt;
mod ndjson;
mod sse;

pub use frame::{Frame, FramedRecord, Frames};
pub(crate) use json::string as json_string;
pub use local_time::LocalTime;
pub(super) use logfmt::value as logfmt_value;
pub(super) use ndjson::stream as json_stream;
pub use sse::keep_alive;

use std::io::Write as _;

use super::which_time::wall;
use super::{Format, Stamp};
use crate::segment::{Record, Seq};

/// The line that an answer in this format begins with; empty where there is none.
pub fn head(format: Format) -> &'static [u8] {
    if format == Format::Csv { csv::HEAD } else { b"" }
}

/// Appends `record` to `out` as one line, in raw form as its bytes and LF, or as a frame. `stamp`
/// is the time that text shows; the others show both.
pub fn render(
    format: Format,
    stamp: Stamp,
    record: &Record<'_>,
    time: &mut LocalTime,
    out: &mut Vec<u8>,
) {
    match format {
        Format::Text => text(stamp, record, time, out),
        Format::Json => json::json(record, time, out),
        Format::Logfmt => logfmt::logfmt(record, time, out),
        Format::Csv => csv::csv(record, time, out),
        Format::Raw => {
            out.extend_from_slice(record.text);
            out.push(b'\n');
        }
        Format::Ndjson => {
            ndjson::object(record, time, out);
            out.push(b'\n');
        }
        Format::Sse => sse::event(record, time, out),
        Format::Frame => frame::record(stamp, record, out),
    }
}

/// What an answer says beside records.
#[derive(Debug)]
pub(super) enum Note<'a> {
    /// Records that the ring took before they were shown; where that is known, their newest.
    Lost { lines: u64, through: Option<Seq> },
    /// The record of this number is damaged.
    Damaged(Seq),
    /// Only the newest so many of all matches were put in order.
    Sorted { shown: u64, of: u64 },
    /// Why the question is not answered.
    Refused(&'a str),
}

/// Appends a note in the way of the format.
pub(super) fn note(format: Format, note: &Note<'_>, out: &mut Vec<u8>) {
    match (format, note) {
        (Format::Sse, _) => return sse::note(note, out),
        (Format::Frame, _) => return frame::note(note, out),
        (Format::Ndjson, _) => ndjson::note(note, out),
        (_, Note::Lost { lines, .. }) => words(format_args!("# lost {lines} lines"), out),
        (_, Note::Damaged(seq)) => words(format_args!("# damaged seq={}", seq.0), out),
        (_, Note::Sorted { shown, of }) => {
            words(format_args!("# sorted the newest {shown} of {of}"), out);
        }
        (_, Note::Refused(reason)) => words(format_args!("ERROR: {reason}"), out),
    }
    out.push(b'\n');
}

fn words(words: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    // Writing into memory cannot fail.
    let _ = out.write_fmt(words);
}

fn text(stamp: Stamp, record: &Record<'_>, time: &mut LocalTime, out: &mut Vec<u8>) {
    out.reserve(record.text.len() + 23);
    out.push(b'[');
    out.extend_from_slice(time.text_of(stamp.of(record.received_ns, record.event_ns)));
    out.extend_from_slice(b"] ");
    let mut rest = record.text;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"\\n");
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'\n');
}

fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Shows any bytes, of which the first says how many of the others are labels, in every format:
/// what is one line stays one, JSON is JSON, and CSV and frames give the text back.
pub fn fuzz_render(data: &[u8]) {
    frame::fuzz(data);
    let (&count, rest) = data.split_first().unwrap_or((&0, b""));
    let (labels, text) = rest.split_at(rest.len().min(usize::from(count)));
    let record = Record {
        seq: Seq(17),
        text,
        level: crate::level::Level::Info,
        received_ns: 1_795_168_800_000_000_000,
        event_ns: i64::from(count) - 100,
        labels,
        cut: false,
    };
    let mut time = LocalTime::new(jiff::tz::TimeZone::UTC);
    let mut framed = Vec::new();
    render(Format::Frame, Stamp::Event, &record, &mut time, &mut framed);
    let Some(Frame::Record(read)) = Frames::new(&framed).next() else { panic!("a frame") };
    assert_eq!((read.labels, read.text, read.event_ns), (labels, text, record.event_ns));
    for format in [Format::Text, Format::Json, Format::Logfmt, Format::Csv, Format::Ndjson] {
        let mut out = Vec::new();
        render(format, Stamp::Event, &record, &mut time, &mut out);
        assert!(out.ends_with(b"\n"));
        if format == Format::Csv {
            let columns = csv::columns(&out).expect("a line of CSV");
            assert_eq!((columns.len(), &columns[8][..]), (10, text));
            assert!(json::is_json(&columns[9]));
            continue;
        }
        assert_eq!(memchr::memchr(b'\n', &out), Some(out.len() - 1), "{format:?}");
        assert!(format == Format::Text || std::str::from_utf8(&out).is_ok(), "{format:?}");
        let is_json = matches!(format, Format::Json | Format::Ndjson);
        assert!(!is_json || json::is_json(&out));
        if format == Format::Ndjson {
            let mut event = Vec::new();
            render(Format::Sse, Stamp::Event, &record, &mut time, &mut event);
            let expected = [b"id: 17\ndata: ", &out[..], b"\n"].concat();
            assert_eq!(event, expected);
            assert!(!event.contains(&b'\r'), "CR ends a line too");
        }
    }
}
