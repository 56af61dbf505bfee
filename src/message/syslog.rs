//! The header of a syslog message, in RFC 5424 and in what people call RFC 3164.
//!
//! ```text
//! <165>1 2026-11-20T18:23:44.003Z edge1 api 4242 ID47 [user id="42"] payment timeout   RFC 5424
//! <27>Nov 20 18:23:44 edge1 api[4242]: payment timeout          RFC 3164: legacy.rs, vendor.rs
//! ```
//!
//! Nothing is copied: a header's parts are slices of the record.
//!
//! **Invariant:** no host, application, process or message id holds a blank or a control character.
//! **Invariant:** the text is the record's end; at worst it is all behind `<PRI>`.

use crate::clock::Wall;

mod legacy;
mod vendor;

pub use super::stamp::{EventTime, Times};
use super::{quoted_bytes, stamp};

/// A byte order mark, as RFC 5424, section 6.4, has before text in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The header of a syslog message, and the message behind it. What is empty was not said, or was
/// said as `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syslog<'a> {
    /// 0 to 23: RFC 5424, section 6.2.1.
    pub facility: u8,
    /// 0 (emergency) to 7 (debug).
    pub severity: u8,
    /// When it happened.
    pub time: EventTime,
    /// HOSTNAME.
    pub host: &'a [u8],
    /// APP-NAME, or the TAG of RFC 3164 without its process number; of Cisco's `%FAC-3-MNEMONIC`
    /// what is before the severity; the first of MikroTik's topics.
    pub app: &'a [u8],
    /// PROCID, or what stands in brackets behind the TAG.
    pub proc_id: &'a [u8],
    /// MSGID, or Cisco's mnemonic.
    pub msg_id: &'a [u8],
    /// STRUCTURED-DATA as it stands, with its brackets.
    pub data: &'a [u8],
    /// MSG, without a byte order mark.
    pub text: &'a [u8],
}

/// Reads the header of `record`, received at `now`; `None` where it does not begin with `<PRI>`
/// (at most 191: RFC 5424, section 6.2.1).
#[inline]
pub fn read<'a>(record: &'a [u8], now: Wall, times: &mut Times) -> Option<Syslog<'a>> {
    let (priority, rest) = priority(record)?;
    let mut found = Syslog {
        facility: priority >> 3,
        severity: priority & 7,
        time: EventTime::Missing,
        host: b"",
        app: b"",
        proc_id: b"",
        msg_id: b"",
        data: b"",
        text: rest,
    };
    if !rfc5424(&mut found, rest, now, times) {
        legacy::read(&mut found, rest, now, times);
    }
    Some(found)
}

/// The number in `<PRI>`, and what is behind it.
#[inline]
fn priority(record: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    let (number, rest) = match *record {
        [b'<', a, b, c, b'>', ref rest @ ..] => {
            (digit(a)? * 100 + digit(b)? * 10 + digit(c)?, rest)
        }
        [b'<', a, b, b'>', ref rest @ ..] => (digit(a)? * 10 + digit(b)?, rest),
        [b'<', a, b'>', ref rest @ ..] => (digit(a)?, rest),
        _ => return None,
    };
    u8::try_from(number).ok().filter(|number| *number <= 191).map(|number| (number, rest))
}

/// Reads what follows `<PRI>` in RFC 5424, section 6; `false`, and nothing changed, where it is
/// not of that shape.
#[inline]
fn rfc5424<'a>(found: &mut Syslog<'a>, rest: &'a [u8], now: Wall, times: &mut Times) -> bool {
    // VERSION has up to three digits and is 1.
    let rest = match rest {
        [b'1', b' ', rest @ ..] => rest,
        [b'1'..=b'9', b' ', rest @ ..] if is_date(rest) => rest,
        [b'1'..=b'9', b'0'..=b'9', b' ', rest @ ..] if is_date(rest) => rest,
        _ => return false,
    };
    let now_second = stamp::second_of(now);
    let mut used = 0;
    let (time, rest) = match stamp::iso_used(rest, Some(now_second), times, &mut used) {
        Some(time) if matches!(rest.get(used), None | Some(b' ')) => {
            (time, rest.get(used + 1..).unwrap_or_default())
        }
        // Without a time only the fields behind it tell a header from a text that begins with 1.
        _ if is_header(rest) => {
            let (token, rest) = token(rest);
            (if token == b"-" { EventTime::Missing } else { EventTime::Bad }, rest)
        }
        _ => return legacy::read_meraki(found, rest, now, times),
    };
    found.time = time;
    let (host, rest) = token(rest);
    found.host = name(host);
    if let [.., b':'] = token(rest).0 {
        // A relay put a version and a time before an old header.
        found.text = rest;
        legacy::body(found, rest, now, times);
        return true;
    }
    let (app, rest) = token(rest);
    found.app = name(app);
    let (proc_id, rest) = token(rest);
    found.proc_id = name(proc_id);
    let (msg_id, rest) = token(rest);
    found.msg_id = name(msg_id);
    let rest = match rest {
        [b'-'] => b"",
        [b'-', b' ', rest @ ..] => rest,
        [b'[', ..] => {
            let (data, text) = structured(rest);
            found.data = data;
            text
        }
        _ => rest,
    };
    found.text = rest.strip_prefix(BOM).unwrap_or(rest);
    true
}

/// Whether a date of RFC 3339 may begin here.
fn is_date(rest: &[u8]) -> bool {
    matches!(rest, [b'0'..=b'9', _, _, _, b'-', _, _, b'-', ..])
}

/// Whether STRUCTURED-DATA stands where it should: behind TIMESTAMP, HOSTNAME, APP-NAME, PROCID and
/// MSGID. Prose has dashes and brackets, too, so the first must look like a time, or the data hold
/// a parameter.
fn is_header(rest: &[u8]) -> bool {
    let (time, mut rest) = token(rest);
    let is_like_time = time == b"-"
        || time.iter().any(u8::is_ascii_digit) && memchr::memchr2(b'-', b':', time).is_some();
    if time.is_empty() {
        return false;
    }
    for _ in 0..4 {
        let (token, behind) = token(rest);
        if token.is_empty() {
            return false;
        }
        rest = behind;
    }
    match rest {
        b"-" | [b'-', b' ', ..] => is_like_time,
        [b'[', ..] => is_like_time || memchr::memchr(b'=', structured(rest).0).is_some(),
        _ => false,
    }
}

/// What is before the next blank, and what is behind it.
#[inline]
fn token(rest: &[u8]) -> (&[u8], &[u8]) {
    match rest.iter().position(|byte| *byte == b' ') {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, b""),
    }
}

/// A name in a header: empty where it was said as `-`, or holds a control character.
#[inline]
fn name(token: &[u8]) -> &[u8] {
    if token == b"-" || token.iter().any(|byte| byte.is_ascii_control()) { b"" } else { token }
}

/// STRUCTURED-DATA (RFC 5424, section 6.3) at the beginning of `rest`, and the text behind it. What
/// is malformed belongs to the text; a blank between the two goes.
#[inline]
fn structured(rest: &[u8]) -> (&[u8], &[u8]) {
    let mut used = 0;
    while let Some(bytes) = element(&rest[used..]) {
        used += bytes;
    }
    let (data, text) = rest.split_at(used);
    if data.is_empty() {
        return (data, text);
    }
    (data, text.strip_prefix(b" ").unwrap_or(text))
}

/// The bytes of one `[id name="value" ...]`. Values may hold what RFC 5424 wants to be escaped,
/// except for quotes.
#[inline]
fn element(rest: &[u8]) -> Option<usize> {
    let mut at = 1 + sd_name(rest.strip_prefix(b"[")?)?;
    loop {
        let blanks = rest[at..].iter().take_while(|byte| **byte == b' ').count();
        at += blanks;
        if rest.get(at) == Some(&b']') {
            return Some(at + 1);
        }
        if blanks == 0 {
            return None;
        }
        at += sd_name(&rest[at..])?;
        at += 2 + quoted_bytes(rest[at..].strip_prefix(b"=\"")?)? + 1;
    }
}

/// The bytes of an SD-NAME: printable, without `=`, `]` and `"`.
#[inline]
fn sd_name(rest: &[u8]) -> Option<usize> {
    let ends = |byte: &u8| matches!(byte, b'=' | b']' | b'"' | 0..=b' ' | 0x7f);
    rest.iter().position(ends).filter(|bytes| *bytes > 0)
}

/// The name of a facility in labels: `kern`, `user`, ..., `local7`, as syslog.conf has them;
/// `unknown` for a number that has none.
pub fn facility_name(facility: u8) -> &'static str {
    const NAMES: [&str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
        "authpriv", "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2",
        "local3", "local4", "local5", "local6", "local7",
    ];
    NAMES.get(usize::from(facility)).copied().unwrap_or("unknown")
}

/// For fuzzing: reads `data` as a record, and checks what is promised of every header.
///
/// # Panics
/// Where a promise is broken.
pub fn fuzz_syslog(data: &[u8]) {
    use jiff::tz::TimeZone;

    const NOW: Wall = 1_790_000_000_000_000_000;
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a rule of POSIX");
    let mut times = Times::new(zone.clone());
    // The lines of one record, too: what was remembered of one must not show in the next.
    for record in std::iter::once(data).chain(data.split(|byte| *byte == b'\n')) {
        let found = read(record, NOW, &mut times);
        assert_eq!(found, read(record, NOW, &mut Times::new(zone.clone())), "times remember");
        let Some(found) = found else { continue };
        assert!(found.facility < 24 && found.severity < 8);
        let bounds = record.as_ptr_range();
        let names = [found.host, found.app, found.proc_id, found.msg_id];
        for part in names.iter().chain([&found.data, &found.text]).filter(|part| !part.is_empty()) {
            let part = part.as_ptr_range();
            assert!(bounds.start < part.start && part.end <= bounds.end, "a part from elsewhere");
        }
        for name in names {
            assert!(!name.iter().any(|byte| *byte == b' ' || byte.is_ascii_control()), "a name");
        }
        assert!(record.ends_with(found.text), "text is the end");
        assert!(
            found.data.is_empty() || found.data.starts_with(b"[") && found.data.ends_with(b"]")
        );
    }
}

#[cfg(test)]
mod tests;
