//! The time that the member of an object tells which is said to be its time.

use std::borrow::Cow;

use crate::message::escape::unescape;
use crate::message::json_time;
use crate::message::syslog::{EventTime, Times};

/// The time that `value`, a JSON value, tells: in RFC 3339, also with a blank for its `T` and
/// without a zone; or a number since the epoch, with or without quotes, of seconds, milliseconds,
/// microseconds or nanoseconds by its size, with a fraction. `0`, an empty text and `-` stand for
/// a time that is missing. `None` for what is no value of its own: `null` and objects.
pub fn of_member(value: &[u8], times: &mut Times) -> Option<EventTime> {
    if matches!(value, b"null" | [b'{', ..]) {
        return None;
    }
    let text = inside(value);
    if matches!(text, b"" | b"0" | b"-") {
        return Some(EventTime::Missing);
    }
    Some(of_text(text, times).unwrap_or(EventTime::Bad))
}

/// A string without its quotes; another value as it is.
pub fn inside(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

fn of_text(text: &[u8], times: &mut Times) -> Option<EventTime> {
    if let Some(time) = json_time::of_text(text, times) {
        return Some(time);
    }
    if let Some(time) = of_number(text) {
        return Some(time);
    }
    let text = if text.contains(&b'\\') { unescaped(text)? } else { Cow::Borrowed(text) };
    json_time::of_text(text.trim_ascii(), times)
}

fn unescaped(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut plain = Vec::new();
    unescape(&text[..text.len().min(256)], 64, &mut plain)?;
    Some(Cow::Owned(plain))
}

/// A number of any size: seconds up to the year 2286, milliseconds, microseconds, nanoseconds.
fn of_number(text: &[u8]) -> Option<EventTime> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(digits);
    let number =
        |number: u64, digit: &u8| number.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    if digits == 0 {
        return None;
    }
    let Some(number) = whole.iter().try_fold(0, number) else {
        return rest.is_empty().then_some(EventTime::Bad);
    };
    let fraction = match rest {
        [] => 0,
        [b'.', fraction @ ..] if fraction.iter().all(u8::is_ascii_digit) => {
            let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
            digits.fold(0, |nanos, digit| nanos * 10 + u64::from(digit - b'0'))
        }
        [b'.' | b'e' | b'E', ..] => return of_float(text),
        _ => return None,
    };
    let unit = unit(number);
    let ns =
        number.checked_mul(unit).and_then(|ns| ns.checked_add(fraction * unit / 1_000_000_000));
    let ns = ns.and_then(|ns| i64::try_from(ns).ok());
    Some(ns.map_or(EventTime::Bad, EventTime::At))
}

/// A number with an exponent; a double holds microseconds of seconds.
fn of_float(text: &[u8]) -> Option<EventTime> {
    let number: f64 =
        std::str::from_utf8(text).ok().filter(|text| text.len() < 64)?.parse().ok()?;
    if number < 1.0 || number >= i64::MAX as f64 {
        return None;
    }
    let unit = unit(number as u64);
    let micros = number * (unit as f64 / 1000.0);
    Some((micros.round() as i64).checked_mul(1000).map_or(EventTime::Bad, EventTime::At))
}

/// The nanoseconds of the unit in which a number of that size counts.
fn unit(number: u64) -> u64 {
    match number {
        0..10_000_000_000 => 1_000_000_000,
        10_000_000_000..10_000_000_000_000 => 1_000_000,
        10_000_000_000_000..10_000_000_000_000_000 => 1_000,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    const AT: i64 = 1_790_000_000_000_000_000;

    #[track_caller]
    fn check(value: &str, expected: Option<EventTime>) {
        let mut times = Times::new(TimeZone::UTC);
        assert_eq!(of_member(value.as_bytes(), &mut times), expected, "{value}");
    }

    #[test]
    fn a_time_is_read_in_every_spelling() {
        for (text, ns) in [
            ("2026-09-21T14:13:20Z", 0),
            ("2026-09-21T14:13:20", 0),
            ("2026-09-21 14:13:20.000000", 0),
            ("2026-09-21T16:13:20.000+02:00", 0),
            ("2026-09-21T14:13:20.123456789Z", 123_456_789),
            ("1790000000", 0),
            ("1790000000.0", 0),
            ("1790000000.123956", 123_956_000),
            ("1790000000250", 250_000_000),
            ("1790000000250.5", 250_500_000),
            ("1790000000000001", 1_000),
            ("1790000000000000001", 1),
            ("1.79e9", 0),
            ("1.79000000025e+12", 250_000_000),
        ] {
            check(&format!("\"{text}\""), Some(EventTime::At(AT + ns)));
            if !text.contains([':', 'T']) {
                check(text, Some(EventTime::At(AT + ns)));
            }
        }
        check("17", Some(EventTime::At(17_000_000_000)));
        check("\"2026-09-21T14:13:20\\u005a\"", Some(EventTime::At(AT)));
    }

    #[test]
    fn what_stands_for_no_time_is_missing_and_what_is_none_is_bad() {
        for missing in ["0", "\"0\"", "\"\"", "\"-\""] {
            check(missing, Some(EventTime::Missing));
        }
        for bad in [
            "\"soon\"",
            "true",
            "-17",
            "[1]",
            "99999999999999999999",
            "\"2026-13-21T14:13:20Z\"",
            "\"2026-09-21\"",
            "1e99",
            "\"1790000000 s\"",
            "\"1790000000.x\"",
        ] {
            check(bad, Some(EventTime::Bad));
        }
        check("null", None);
        check("{\"a\":1}", None);
    }
}
