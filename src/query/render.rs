//! Records as they are shown: one file a format.
//!
//! Nothing here allocates for a plain line.

mod csv;
mod json;
mod local_time;
mod logfmt;

pub use local_time::LocalTime;
pub(super) use logfmt::value as logfmt_value;

use super::which_time::wall;
use super::{Format, Stamp};
use crate::segment::Record;

/// The line that an answer in this format begins with; empty where there is none.
pub fn head(format: Format) -> &'static [u8] {
    if format == Format::Csv { csv::HEAD } else { b"" }
}

/// Appends `record` to `out` as one line, or in raw form as its bytes and LF. `stamp` is the time
/// that text shows; the others show both.
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
    }
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
/// what is one line stays one, JSON is JSON, and CSV gives the text back.
pub fn fuzz_render(data: &[u8]) {
    let (&count, rest) = data.split_first().unwrap_or((&0, b""));
    let (labels, text) = rest.split_at(rest.len().min(usize::from(count)));
    let record = Record {
        seq: crate::segment::Seq(17),
        text,
        level: crate::level::Level::Info,
        received_ns: 1_795_168_800_000_000_000,
        event_ns: i64::from(count) - 100,
        labels,
        cut: false,
    };
    let mut time = LocalTime::new(jiff::tz::TimeZone::UTC);
    for format in [Format::Text, Format::Json, Format::Logfmt, Format::Csv] {
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
        assert!(format != Format::Json || json::is_json(&out));
    }
}
