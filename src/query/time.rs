//! Words that name a time: `now`, `-5m`, `2026-11-20 10:00`, RFC 3339, Unix seconds.
//!
//! A word names a span, as long as it is precise: `10:00` is a minute, a date is a day. As the
//! beginning of a range it means the span's first nanosecond, as the end its last, so that a range
//! that ends at `10:00:05` holds the lines that are shown with `10:00:05`.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::clock::{SECOND, Wall};

const MINUTE_NS: u64 = 60 * SECOND;

/// What may stand where a time is expected, for error texts.
pub const TIME_ALLOWED: &str = "now, -5m, -1h30m, 2026-11-20, \"2026-11-20 10:00:00\", \
     2026-11-20T10:00:00Z, Unix seconds";

/// What questions are read against: the time, and the labels that there are.
#[derive(Clone, Copy)]
pub struct TimeContext<'a> {
    /// The wall clock, in nanoseconds since the Unix epoch.
    pub now: Wall,
    /// The zone of times that name none.
    pub zone: &'a TimeZone,
    /// Whether streams have a label of this name; `host`, `app`, `facility` and `transport` always
    /// count as such.
    pub has_label: &'a dyn Fn(&[u8]) -> bool,
}

impl<'a> TimeContext<'a> {
    /// A context that knows of no label but those there always are.
    pub fn new(now: Wall, zone: &'a TimeZone) -> Self {
        Self { now, zone, has_label: &|_| false }
    }
}

impl std::fmt::Debug for TimeContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimeContext").field("now", &self.now).finish_non_exhaustive()
    }
}

/// The span of time that a word names, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Its first nanosecond.
    pub first: Wall,
    /// Its last nanosecond.
    pub last: Wall,
}

impl Moment {
    /// Reads a time; `None` where `word` names none. Times before 1970 or after 2554 become the
    /// nearest that a record can have.
    pub fn parse(word: &str, context: &TimeContext<'_>) -> Option<Self> {
        let word = word.trim();
        if word.eq_ignore_ascii_case("now") {
            return Some(Self::exact(context.now));
        }
        match word.as_bytes() {
            [b'-', ..] => {
                let back = parse_duration(&word[1..])?;
                Some(Self::exact(context.now.saturating_sub(back)))
            }
            [b'+', ..] => {
                let ahead = parse_duration(&word[1..])?;
                Some(Self::exact(context.now.saturating_add(ahead)))
            }
            _ if word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => unix(word),
            _ => calendar(word, context.zone),
        }
    }

    fn exact(at: Wall) -> Self {
        Self { first: at, last: at }
    }

    fn span(first: Wall, span_ns: u64) -> Self {
        Self { first, last: first.saturating_add(span_ns - 1) }
    }
}

/// Reads a duration as `1h30m`, `500ms`, `2d`, in nanoseconds; `None` where it is none or does not
/// fit 64 bits.
pub fn parse_duration(word: &str) -> Option<u64> {
    let mut rest = word.as_bytes();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = digits(rest)?;
        let unit_bytes = after.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (unit, after) = after.split_at(unit_bytes);
        let unit_ns = match unit {
            b"ns" => 1,
            b"us" => 1_000,
            b"ms" => 1_000_000,
            b"s" => SECOND,
            b"m" => MINUTE_NS,
            b"h" => 60 * MINUTE_NS,
            b"d" => 24 * 60 * MINUTE_NS,
            b"w" => 7 * 24 * 60 * MINUTE_NS,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit_ns)?)?;
        rest = after;
    }
    Some(total)
}

/// Unix seconds, with a fraction or without.
fn unix(word: &str) -> Option<Moment> {
    let (seconds, rest) = digits(word.as_bytes())?;
    let (fraction_ns, span_ns, rest) = fraction(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let first = seconds.checked_mul(SECOND)?.checked_add(fraction_ns)?;
    Some(Moment::span(first, span_ns))
}

/// A date, or a date and a time of day, with a zone or without.
fn calendar(word: &str, zone: &TimeZone) -> Option<Moment> {
    let (year, rest) = fixed(word.as_bytes(), 4)?;
    let (month, rest) = fixed(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = fixed(rest.strip_prefix(b"-")?, 2)?;
    let date = |hour, minute, second| {
        let [hour, minute, second] = [hour, minute, second].map(|part: u16| part as i8);
        DateTime::new(year as i16, month as i8, day as i8, hour, minute, second, 0).ok()
    };
    if rest.is_empty() {
        let start = date(0, 0, 0)?;
        let end = start.checked_add(jiff::Span::new().days(1)).ok()?;
        return Some(Moment { first: wall(start, None, zone)?, last: wall(end, None, zone)? - 1 });
    }
    let rest = match rest {
        [b'T' | b't', rest @ ..] => rest,
        [b' ', rest @ ..] => rest.trim_ascii_start(),
        _ => return None,
    };
    let (hour, rest) = fixed(rest, 2)?;
    let (minute, mut rest) = fixed(rest.strip_prefix(b":")?, 2)?;
    let (mut second, mut fraction_ns, mut span_ns) = (0, 0, MINUTE_NS);
    if let Some(after) = rest.strip_prefix(b":") {
        (second, rest) = fixed(after, 2)?;
        (fraction_ns, span_ns, rest) = fraction(rest)?;
    }
    let first = wall(date(hour, minute, second)?, offset(rest)?, zone)?;
    Some(Moment::span(first.saturating_add(fraction_ns), span_ns))
}

/// The zone behind a time: `Z`, `+01:00`, `+0100`, or nothing, which is `Some(None)`.
fn offset(rest: &[u8]) -> Option<Option<Offset>> {
    let (sign, rest) = match rest {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(Offset::UTC)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = fixed(rest, 2)?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let (minutes, rest) = if rest.is_empty() { (0, rest) } else { fixed(rest, 2)? };
    if !rest.is_empty() || hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60);
    Some(Some(Offset::from_seconds(seconds).ok()?))
}

/// Where a date and time of day lie on the wall clock. A time that a change of the clock skips or
/// repeats is read as most programs do: the later one after a gap, the earlier one in a fold.
fn wall(at: DateTime, offset: Option<Offset>, zone: &TimeZone) -> Option<Wall> {
    let timestamp = match offset {
        Some(offset) => offset.to_timestamp(at).ok()?,
        None => zone.to_ambiguous_timestamp(at).compatible().ok()?,
    };
    let ns = timestamp.as_nanosecond().clamp(1, i128::from(u64::MAX));
    u64::try_from(ns).ok()
}

/// A fraction of a second and the span it is precise to; a whole second where there is none.
fn fraction(text: &[u8]) -> Option<(u64, u64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, SECOND, text)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let (number, rest) = digits(rest)?;
    let span_ns = 10_u64.pow(9 - count as u32);
    Some((number * span_ns, span_ns, rest))
}

/// Exactly `count` digits.
fn fixed(text: &[u8], count: usize) -> Option<(u16, &[u8])> {
    let (head, rest) = text.split_at_checked(count)?;
    let (number, left) = digits(head)?;
    Some((u16::try_from(number).ok().filter(|_| left.is_empty())?, rest))
}

/// One digit or more, and what stands behind them.
fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (head, rest) = text.split_at(count);
    let number = std::str::from_utf8(head).ok()?.parse().ok()?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 10:00:00 UTC.
    const NOW: Wall = 1_795_168_800 * SECOND;

    #[track_caller]
    fn check(zone: &str, word: &str, expected: Option<(u64, u64)>) {
        let zone = TimeZone::get(zone).unwrap();
        let moment = Moment::parse(word, &TimeContext::new(NOW, &zone));
        let expected = expected.map(|(first, span)| Moment { first, last: first + span - 1 });
        assert_eq!(moment, expected, "{word}");
    }

    #[test]
    fn times_in_every_shape() {
        let s = SECOND;
        for (word, expected) in [
            ("now", Some((NOW, 1))),
            ("NOW", Some((NOW, 1))),
            ("-5m", Some((NOW - 300 * s, 1))),
            ("-1h30m", Some((NOW - 5400 * s, 1))),
            ("+1d", Some((NOW + 86_400 * s, 1))),
            ("-999999w", None),
            ("1795168800", Some((NOW, s))),
            ("1795168800.25", Some((NOW + 250_000_000, 10_000_000))),
            ("1795168800.123456789", Some((NOW + 123_456_789, 1))),
            ("2026-11-20", Some((NOW - 36_000 * s, 86_400 * s))),
            ("2026-11-20 10:00", Some((NOW, 60 * s))),
            ("2026-11-20 10:00:00", Some((NOW, s))),
            ("2026-11-20T10:00:00", Some((NOW, s))),
            ("2026-11-20T10:00:00Z", Some((NOW, s))),
            ("2026-11-20T11:00:00.5+01:00", Some((NOW + 500_000_000, 100_000_000))),
            ("2026-11-20T11:00:00+0100", Some((NOW, s))),
            ("2026-11-20T05:30:00-04:30", Some((NOW, s))),
            ("2026-02-30", None),
            ("2026-11-20 25:00:00", None),
            ("2026-11-20 10:00:00 ", Some((NOW, s))),
            ("2026-11-20 10:00:00x", None),
            ("2026-11-20T10:00:00+25:00", None),
            ("yesterday", None),
            ("", None),
            ("-", None),
            ("-5", None),
            ("-5mm", None),
            ("1.", None),
            ("99999999999999999999", None),
            ("9999999999999", None),
            ("-\u{e9}", None),
        ] {
            check("UTC", word, expected);
        }
    }

    #[test]
    fn times_without_a_zone_are_in_the_servers() {
        check("Europe/Berlin", "2026-11-20 11:00:00", Some((NOW, SECOND)));
        check("Europe/Berlin", "2026-11-20T10:00:00Z", Some((NOW, SECOND)));
        // The day on which the clock goes back has 25 hours.
        let start = 1_792_879_200 * SECOND;
        check("Europe/Berlin", "2026-10-25", Some((start, 25 * 3600 * SECOND)));
    }

    #[test]
    fn durations_in_every_unit() {
        for (word, expected) in [
            ("1ns", Some(1)),
            ("2us", Some(2_000)),
            ("500ms", Some(500_000_000)),
            ("1s", Some(SECOND)),
            ("1m30s", Some(90 * SECOND)),
            ("1w2d", Some(9 * 86_400 * SECOND)),
            ("", None),
            ("5", None),
            ("m", None),
            ("5x", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_duration(word), expected, "{word}");
        }
    }
}
