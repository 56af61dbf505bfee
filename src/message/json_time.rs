//! The event time of a JSON line, found without parsing it.
//!
//! ```text
//! {"level":"info","time":"2026-11-20T18:23:44Z","msg":...
//!                     ^^^^ the ends of the keys are looked for in all bytes of a block at once
//! ```
//!
//! A key counts where it looks like one of the first level: behind `{` or `,`, and before it one
//! bracket more opens than closes; or near the line's end, and behind it one bracket more closes
//! than opens. Brackets in the text of a value are counted, too.

use super::stamp;
use super::syslog::{EventTime, Times};
use crate::limits::JSON_TIME_BYTES_MAX;

/// Keys that hold a line's time, whole.
pub(crate) const KEYS: [&[u8]; 10] = [
    b"time",
    b"ts",
    b"timestamp",
    b"@timestamp",
    b"_time",
    b"date",
    b"datetime",
    b"eventTime",
    b"@t",
    b"__REALTIME_TIMESTAMP",
];

/// Bytes that are looked through at once.
const BLOCK_BYTES: usize = 64;

/// A block and the bytes behind it that a key may reach into.
const WIDE_BYTES: usize = BLOCK_BYTES + 3;

/// When what `json` tells happened, by the first key within [`JSON_TIME_BYTES_MAX`], or else within
/// the last 64 bytes, that is one of `time`, `ts`, `timestamp`, `@timestamp`, `_time`, `date`,
/// `datetime`, `eventTime`, `@t` and `__REALTIME_TIMESTAMP`, and has a time: in RFC 3339, with a
/// blank for its `T`, without a zone, or seconds, milliseconds, microseconds or nanoseconds since
/// the epoch, whichever the size of the number tells.
///
/// `Bad` where the value has the shape of a time and is none; `Missing` where no key has one.
#[inline]
pub fn event_time(json: &[u8], times: &mut Times) -> EventTime {
    if let Some(time) = first(json, times) {
        return time;
    }
    let head = &json[..json.len().min(JSON_TIME_BYTES_MAX)];
    let mut at = 0;
    while let Some(block) = head.get(at..).and_then(|rest| rest.first_chunk()) {
        if may_end_key(block)
            && let Some(time) = look(json, at..at + WIDE_BYTES, times)
        {
            return time;
        }
        at += BLOCK_BYTES;
    }
    // What is left is looked at with some of what is known, so that it is a whole block, too.
    let found = match head.last_chunk() {
        Some(block) if !may_end_key(block) => None,
        _ => look(json, at..head.len(), times),
    };
    // Docker has it last.
    let at_end = || match json.last_chunk() {
        Some(block) if json.len() > head.len() && may_end_key(block) => {
            look(json, json.len() - WIDE_BYTES..json.len(), times)
        }
        _ => None,
    };
    found.or_else(at_end).unwrap_or(EventTime::Missing)
}

/// When `text`, the whole of it, says: as the value of a key would, in RFC 3339 or as a number.
pub fn of_text(text: &[u8], times: &mut Times) -> Option<EventTime> {
    let mut used = 0;
    let (used, time) = match stamp::iso_used(text, None, times, &mut used) {
        Some(time) => (used, time),
        None => stamp::number(text)?,
    };
    (used == text.len()).then_some(time)
}

/// The time of the first key of all, where most loggers that write one have it.
#[inline]
fn first(json: &[u8], times: &mut Times) -> Option<EventTime> {
    let rest = match json.strip_prefix(b"{\"")? {
        [b't', b'i', b'm', b'e', b'"', rest @ ..] => rest,
        [b't', b's', b'"', rest @ ..] => rest,
        [b'@', b't', b'"', rest @ ..] => rest,
        [b'@', b't', b'i', b'm', b'e', b's', b't', b'a', b'm', b'p', b'"', rest @ ..] => rest,
        _ => return None,
    };
    value(rest, times)
}

/// Whether a key that is looked for may end at one of the first bytes of `block`: `me"`, `ts"`,
/// `mp"`, `MP"`, `te"` or `@t"` and a colon or blank. Without an exit, so that it becomes vector
/// code; the masks let a few others pass, for fewer comparisons.
#[inline]
fn may_end_key(block: &[u8; WIDE_BYTES]) -> bool {
    let mut any = false;
    for k in 0..BLOCK_BYTES {
        let (a, b, c, d) = (block[k], block[k + 1], block[k + 2], block[k + 3]);
        let before = (a & 0xdf == b'M') | (a == b't') | (a == b'@');
        let last = (b == b'e') | (b & 0xd8 == b'P');
        any |= before & last & (c == b'"') & (d & 0xe5 == b' ');
    }
    any
}

/// The time of the first key that ends in `range`.
#[inline(never)]
fn look(json: &[u8], range: std::ops::Range<usize>, times: &mut Times) -> Option<EventTime> {
    let block = json.get(range.clone())?;
    for quote in memchr::memchr_iter(b'"', block).map(|quote| range.start + quote) {
        if matches!(
            json[..quote],
            [.., b'm' | b'M' | b't' | b'@', b'e' | b's' | b'p' | b'P' | b't']
        ) && matches!(json.get(quote + 1), Some(b':' | b' '))
            && is_key(json, quote)
            && let Some(time) = value(&json[quote + 1..], times)
        {
            return Some(time);
        }
    }
    None
}

/// Whether one of the keys ends before `end`, and looks like one of the first level.
fn is_key(json: &[u8], end: usize) -> bool {
    let (before, behind) = json.split_at(end);
    let Some(quote) = memchr::memrchr(b'"', before) else { return false };
    let outside = before[..quote].trim_ascii_end();
    if !KEYS.contains(&&before[quote + 1..]) || !matches!(outside.last(), Some(b'{' | b',')) {
        return false;
    }
    let is_near = |text: &[u8], bytes_max: usize| text.len() <= bytes_max;
    is_near(before, JSON_TIME_BYTES_MAX) && opened(outside) == 1
        || is_near(behind, WIDE_BYTES) && opened(behind) == -1
}

/// How many brackets more are opened than closed.
fn opened(text: &[u8]) -> i32 {
    text.iter().fold(0, |depth, byte| {
        let (opens, closes) = (matches!(byte, b'{' | b'['), matches!(byte, b'}' | b']'));
        depth + i32::from(opens) - i32::from(closes)
    })
}

/// The time that a value behind a key tells: `rest` begins at the colon or at blanks before it.
#[inline]
fn value(rest: &[u8], times: &mut Times) -> Option<EventTime> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    if let Some(text) = rest.strip_prefix(b"\"") {
        let mut used = 0;
        let time = match stamp::iso_used(text, None, times, &mut used) {
            Some(time) => time,
            None => {
                let (number_bytes, time) = stamp::number(text)?;
                used = number_bytes;
                time
            }
        };
        let is_whole = text.get(used) == Some(&b'"');
        return is_whole.then_some(time);
    }
    let (used, time) = match stamp::number(rest) {
        Some(read) => read,
        None => return stamp::scientific(rest),
    };
    let is_whole =
        matches!(rest.get(used), None | Some(b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
    is_whole.then_some(time)
}

/// For fuzzing: looks for the time in `data`, which must not depend on what was read before.
///
/// # Panics
/// Where it does.
pub fn fuzz_json_time(data: &[u8]) {
    let mut times = Times::new(jiff::tz::TimeZone::UTC);
    for line in std::iter::once(data).chain(data.split(|byte| *byte == b'\n')) {
        let time = event_time(line, &mut times);
        assert_eq!(time, event_time(line, &mut Times::new(jiff::tz::TimeZone::UTC)));
        if time != EventTime::Missing {
            assert!(KEYS.iter().any(|key| memchr::memmem::find(line, key).is_some()), "no key");
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::{self, TimeZone};

    use super::*;

    const NS: i64 = 1_000_000_000;

    /// 2026-11-20T18:23:44Z.
    const AT: i64 = 1_795_199_024 * NS;

    #[track_caller]
    fn check(json: &str, expected: EventTime) {
        let mut times = Times::new(TimeZone::UTC);
        assert_eq!(event_time(json.as_bytes(), &mut times), expected, "{json}");
        // Wherever the blocks begin, a key is found.
        for shift in 1..=BLOCK_BYTES {
            let shifted = format!("{}{json}", " ".repeat(shift));
            assert_eq!(event_time(shifted.as_bytes(), &mut times), expected, "{shifted}");
        }
    }

    #[test]
    fn every_key_is_found() {
        for key in KEYS {
            let key = std::str::from_utf8(key).unwrap();
            check(&format!(r#"{{"{key}":"2026-11-20T18:23:44Z"}}"#), EventTime::At(AT));
            check(&format!(r#"{{"{key}":1795199024,"msg":"x"}}"#), EventTime::At(AT));
            let other = format!(r#"{{ "name" : "some text", "{key}" : 1795199024 , "x": 1 }}"#);
            check(&other, EventTime::At(AT));
        }
    }

    #[test]
    fn every_spelling_of_a_time_is_read() {
        let with = |value: &str| format!(r#"{{"level":30,"time":{value},"pid":1}}"#);
        for (value, ns) in [
            (r#""2026-11-20T18:23:44.123456789Z""#, AT + 123_456_789),
            (r#""2026-11-20T19:23:44+01:00""#, AT),
            (r#""2026-11-20T13:23:44-0500""#, AT),
            (r#""2026-11-20 18:23:44""#, AT),
            (r#""2026-11-20 18:23:44,250""#, AT + 250_000_000),
            ("1795199024", AT),
            ("1795199024.5", AT + NS / 2),
            ("1795199024250", AT + 250_000_000),
            ("1795199024250.5", AT + 250_500_000),
            ("1795199024250001", AT + 250_001_000),
            ("1795199024250001002", AT + 250_001_002),
            ("9223372036854775807", i64::MAX),
            (r#""1795199024.25""#, AT + 250_000_000),
            ("1.795199024e9", AT),
            ("1.79519902425E+09", AT + 250_000_000),
        ] {
            check(&with(value), EventTime::At(ns));
        }
    }

    #[test]
    fn a_time_without_a_zone_is_of_the_zone_given() {
        let mut times = Times::new(TimeZone::fixed(tz::offset(2)));
        let json = br#"{"time":"2026-11-20 20:23:44"}"#;
        assert_eq!(event_time(json, &mut times), EventTime::At(AT));
    }

    #[test]
    fn what_is_no_time_is_missing_and_what_should_be_one_is_bad() {
        check(r#"{"time":"2026-13-20T18:23:44Z"}"#, EventTime::Bad);
        check(r#"{"time":"2026-11-20T18:23:61Z"}"#, EventTime::Bad);
        check(r#"{"time":9223372036854775808}"#, EventTime::Bad);
        check(r#"{"time":9999999999}"#, EventTime::Bad);
        for json in [
            "",
            "{}",
            "{",
            r#"{"time""#,
            r#"{"time":"#,
            r#"{"time":""#,
            r#"{"time":0.023,"x":1}"#,
            r#"{"time":"soon"}"#,
            r#"{"time":"2026-11-20T18:23:44Z and more"}"#,
            r#"{"time":null}"#,
            r#"{"date":"2026-11-20"}"#,
            r#"{"msg":"the time is 1795199024"}"#,
            r#"{"mytime":1795199024,"times":1795199024}"#,
            r#"{"msg":"{\"time\":1795199024}"}"#,
        ] {
            check(json, EventTime::Missing);
        }
    }

    #[test]
    fn a_key_that_tells_no_time_does_not_hide_one_that_does() {
        check(r#"{"time":0.2,"ts":1795199024}"#, EventTime::At(AT));
        check(r#"{"date":"2026-11-20","timestamp":"2026-11-20T18:23:44Z"}"#, EventTime::At(AT));
    }

    #[test]
    fn nested_keys_are_not_the_lines() {
        check(r#"{"span":{"time":1},"x":[{"ts":1795199024}]}"#, EventTime::Missing);
        check(r#"{"span":{"time":1700000000},"ts":1795199024}"#, EventTime::At(AT));
    }

    #[test]
    fn a_time_too_far_behind_is_not_found() {
        let json = |fill: usize| format!(r#"{{"msg":"{}","time":1795199024}}"#, "x".repeat(fill));
        let mut times = Times::new(TimeZone::UTC);
        let near = json(JSON_TIME_BYTES_MAX - 20);
        assert_eq!(event_time(near.as_bytes(), &mut times), EventTime::At(AT));
        let last = json(JSON_TIME_BYTES_MAX);
        assert_eq!(event_time(last.as_bytes(), &mut times), EventTime::At(AT));
        let far = last.replace('}', &format!(r#","x":"{}"}}"#, "x".repeat(BLOCK_BYTES)));
        assert_eq!(event_time(far.as_bytes(), &mut times), EventTime::Missing);
    }

    #[test]
    fn a_time_at_the_end_is_found_whatever_the_text_holds() {
        let mut times = Times::new(TimeZone::UTC);
        for fill in [0, 10, 60, 130, 190, 200, 250, 300, 5000] {
            for text in ["", "{", "}}", "[", "a ] b"] {
                let time = r#","time":"2026-11-20T18:23:44.000000000Z"}"#;
                let log = format!("{text}{}", "x".repeat(fill));
                let docker = format!(r#"{{"log":"{log}\n","stream":"stdout"{time}"#);
                let time = event_time(docker.as_bytes(), &mut times);
                assert_eq!(time, EventTime::At(AT), "{docker}");
                let nested = docker.replace("\"time", "\"x\":{\"time") + "}";
                let time = event_time(nested.as_bytes(), &mut times);
                assert!(!text.is_empty() || time == EventTime::Missing, "{nested}");
            }
        }
    }

    #[test]
    fn journald_tells_microseconds_in_a_text() {
        check(
            r#"{"PRIORITY":"6","__REALTIME_TIMESTAMP":"1795199024000001"}"#,
            EventTime::At(AT + 1000),
        );
    }
}
