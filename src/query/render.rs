//! Records as they are shown: text, JSON or raw.
//!
//! Nothing here allocates per record, and the zone is asked once in a quarter of an hour of the
//! records' time: a line's time costs a few divisions where its second is another than the last.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Format, label};
use crate::segment::Record;

const SECOND_NS: u64 = 1_000_000_000;

/// The zones of the world change their offset at full quarters of an hour of UTC.
const OFFSET_SECONDS: u64 = 900;

/// Writes times in a zone, remembering what it wrote last.
#[derive(Debug, Clone)]
pub struct LocalTime {
    zone: TimeZone,
    /// The quarter of an hour that `offset` holds for.
    quarter: u64,
    /// Seconds east of UTC.
    offset: i32,
    /// The second that `text` shows.
    second: u64,
    /// `YYYY-MM-DD HH:MM:SS`.
    text: [u8; 19],
}

impl LocalTime {
    /// Times in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        let text = *b"1970-01-01 00:00:00";
        let mut time = Self { zone, quarter: u64::MAX, offset: 0, second: u64::MAX, text };
        time.text_of(0);
        time
    }

    /// The zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// `YYYY-MM-DD HH:MM:SS` of a time in nanoseconds since the Unix epoch.
    #[inline]
    pub fn text_of(&mut self, ns: u64) -> &[u8; 19] {
        let second = ns / SECOND_NS;
        if second != self.second {
            self.turn_to(second);
        }
        &self.text
    }

    #[inline(never)]
    fn turn_to(&mut self, second: u64) {
        if second / OFFSET_SECONDS != self.quarter {
            self.quarter = second / OFFSET_SECONDS;
            let timestamp = i64::try_from(second).ok().and_then(|s| Timestamp::from_second(s).ok());
            self.offset = timestamp.map_or(0, |at| self.zone.to_offset(at).seconds());
        }
        self.second = second;
        let local = second.saturating_add_signed(i64::from(self.offset));
        let (year, month, day) = civil(local / 86_400);
        let clock = local % 86_400;
        let year = u32::try_from(year).unwrap_or(9999);
        put(&mut self.text[0..2], year / 100);
        put(&mut self.text[2..4], year % 100);
        put(&mut self.text[5..7], month);
        put(&mut self.text[8..10], day);
        put(&mut self.text[11..13], (clock / 3600) as u32);
        put(&mut self.text[14..16], (clock / 60 % 60) as u32);
        put(&mut self.text[17..19], (clock % 60) as u32);
    }

    /// Appends a time as RFC 3339 with nanoseconds and the zone's offset, or `Z` where that is 0.
    pub fn rfc3339(&mut self, ns: u64, out: &mut Vec<u8>) {
        let mut text = *self.text_of(ns);
        text[10] = b'T';
        out.extend_from_slice(&text);
        let mut fraction = *b".000000000";
        let mut rest = ns % SECOND_NS;
        for digit in fraction[1..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&fraction);
        if self.offset == 0 {
            out.push(b'Z');
            return;
        }
        let minutes = self.offset.unsigned_abs() / 60;
        let mut zone = *b"+00:00";
        zone[0] = if self.offset < 0 { b'-' } else { b'+' };
        put(&mut zone[1..3], minutes / 60);
        put(&mut zone[4..6], minutes % 60);
        out.extend_from_slice(&zone);
    }
}

/// Two digits.
fn put(place: &mut [u8], number: u32) {
    place[0] = b'0' + (number / 10 % 10) as u8;
    place[1] = b'0' + (number % 10) as u8;
}

/// Year, month and day of a day since 1970-01-01, by Howard Hinnant's `civil_from_days`: years are
/// counted from March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u32, u32) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * march_month + 2) / 5 + 1) as u32;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 } as u32;
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Appends `record` to `out` as one line, or in raw form as its bytes and LF.
pub fn render(format: Format, record: &Record<'_>, time: &mut LocalTime, out: &mut Vec<u8>) {
    match format {
        Format::Text => text(record, time, out),
        Format::Json => json(record, time, out),
        Format::Raw => {
            out.extend_from_slice(record.text);
            out.push(b'\n');
        }
    }
}

fn text(record: &Record<'_>, time: &mut LocalTime, out: &mut Vec<u8>) {
    out.reserve(record.text.len() + 23);
    out.push(b'[');
    out.extend_from_slice(time.text_of(record.received_ns));
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

fn json(record: &Record<'_>, time: &mut LocalTime, out: &mut Vec<u8>) {
    out.reserve(record.text.len() + 160);
    out.extend_from_slice(b"{\"seq\":");
    decimal(record.seq.0, out);
    out.extend_from_slice(b",\"time\":\"");
    time.rfc3339(record.received_ns, out);
    out.extend_from_slice(b"\",\"level\":\"");
    out.extend_from_slice(record.level.name().as_bytes());
    out.extend_from_slice(b"\",\"source\":\"");
    escape(label(record.labels, b"host").unwrap_or_default(), out);
    out.extend_from_slice(b"\",\"msg\":\"");
    escape(record.text, out);
    out.extend_from_slice(b"\"}\n");
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

/// Appends the inside of a JSON string: RFC 8259, section 7. What is not UTF-8 becomes U+FFFD.
pub fn escape(text: &[u8], out: &mut Vec<u8>) {
    // Nearly all lines are whole UTF-8, which this tells several times faster than chunk by chunk.
    if std::str::from_utf8(text).is_ok() {
        return escape_valid(text, out);
    }
    for chunk in text.utf8_chunks() {
        escape_valid(chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn escape_valid(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.chunks(32).position(needs_escape) {
        let (clean, piece) = rest.split_at(at * 32);
        out.extend_from_slice(clean);
        let (piece, after) = piece.split_at(piece.len().min(32));
        piece.iter().for_each(|byte| escape_byte(*byte, out));
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Whether one of `piece` must be escaped; without an exit, so that it becomes vector code.
fn needs_escape(piece: &[u8]) -> bool {
    piece.iter().fold(false, |any, &byte| any | (byte < b' ') | (byte == b'"') | (byte == b'\\'))
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..b' ' => {
            let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte)]);
        }
        _ => out.push(byte),
    }
}
