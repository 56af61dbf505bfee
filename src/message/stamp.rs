//! Times as they are written in headers and in JSON: read without an allocation, and without asking
//! the zone anew for each.
//!
//! What is nearly always the same from line to line is remembered: the last date and its day, the
//! last quarter of an hour and the zone's offset in it.

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::calendar::{YEARS, civil, day};
use crate::clock::{SECOND, Wall};

const SECOND_NS: i64 = SECOND as i64;
const DAY_SECONDS: i64 = 86_400;

/// The zones of the world change their offset at full quarters of an hour.
const OFFSET_SECONDS: i64 = 900;

/// A time without a year is this far ahead of its receipt at most: clocks may be wrong by days, but
/// what is kept and sent late may be months old.
const AHEAD_SECONDS: i64 = 7 * DAY_SECONDS;

/// A time without a year that lies no further back is of the latest year that it can be of.
const BEHIND_SECONDS: i64 = 350 * DAY_SECONDS;

/// The time in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// None is said.
    Missing,
    /// What stands there is no time.
    Bad,
    /// Nanoseconds since the Unix epoch.
    At(i64),
}

impl EventTime {
    /// A second since the Unix epoch and nanoseconds behind it; `Bad` where that is out of range.
    #[inline]
    fn at(second: i64, nanos: u32) -> Self {
        let ns = second.checked_mul(SECOND_NS).and_then(|ns| ns.checked_add(i64::from(nanos)));
        ns.map_or(Self::Bad, Self::At)
    }

    /// Whether it is a time no further than `distance_ns` from `now`.
    pub(super) fn is_near(self, now: Wall, distance_ns: u64) -> bool {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        matches!(self, Self::At(at) if at.abs_diff(now) <= distance_ns)
    }
}

/// Reads times of headers. Those without a zone are of the zone given; those without a year are of
/// the latest year that does not bring them more than seven days ahead of when they were received.
#[derive(Clone, Debug)]
pub struct Times {
    zone: TimeZone,
    /// `YYYY-MM-DD` as it was read last, and its day since the epoch.
    date: ([u8; 10], i64),
    /// `Mmm dd` as it was read last, and the day it was taken for.
    yearless: ([u8; 6], i64),
    /// The quarter of an hour, by the zone's clocks, that `offsets` hold for.
    quarter: i64,
    /// Seconds east of UTC before and after a change that makes clocks show these times twice;
    /// nearly always they are equal.
    offsets: (i64, i64),
}

impl Times {
    /// Times without a zone are of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        let (date, yearless) = ((*b"1970-01-01", 0), (*b"      ", i64::MIN));
        Self { zone, date, yearless, quarter: i64::MIN, offsets: (0, 0) }
    }

    /// The second since the epoch at which clocks of the zone show `local`, itself counted as if
    /// they showed UTC. Of two such seconds the one nearer to `near` is meant, else the earlier.
    #[inline]
    fn utc_of(&mut self, local: i64, near: Option<i64>) -> i64 {
        if local.div_euclid(OFFSET_SECONDS) != self.quarter {
            self.turn_to(local.div_euclid(OFFSET_SECONDS));
        }
        let (first, second) = (local - self.offsets.0, local - self.offsets.1);
        match near {
            Some(near) if near.abs_diff(second) < near.abs_diff(first) => second,
            _ => first,
        }
    }

    #[inline(never)]
    fn turn_to(&mut self, quarter: i64) {
        self.quarter = quarter;
        let shown = quarter.checked_mul(OFFSET_SECONDS);
        let shown = shown.and_then(|second| Timestamp::from_second(second).ok());
        let Some(shown) = shown.map(|shown| Offset::UTC.to_datetime(shown)) else {
            self.offsets = (0, 0);
            return;
        };
        let (before, after) = match self.zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => (offset, offset),
            // No clock shows these; a clock that was not put forward does.
            AmbiguousOffset::Gap { before, .. } => (before, before),
            AmbiguousOffset::Fold { before, after } => (before, after),
        };
        self.offsets = (i64::from(before.seconds()), i64::from(after.seconds()));
    }

    /// The day of `YYYY-MM-DD`; `None` where there is none such.
    #[inline]
    fn day_of_date(&mut self, text: &[u8; 10]) -> Option<i64> {
        if *text == self.date.0 {
            return Some(self.date.1);
        }
        let (century, year) = (pair(text[0], text[1]), pair(text[2], text[3]));
        if century > 99 || year > 99 {
            return None;
        }
        let year = i64::from(century * 100 + year);
        let day = day(year, pair(text[5], text[6]), pair(text[8], text[9]))?;
        self.date = (*text, day);
        Some(day)
    }

    /// When a clock that shows no year showed `second` of the month's `day`: the latest time that
    /// is not more than [`AHEAD_SECONDS`] after `now`. `key` is how the day is written, where that
    /// is worth to be remembered.
    fn yearless(
        &mut self,
        (month, month_day): (u32, u32),
        key: Option<&[u8; 6]>,
        second: i64,
        now: i64,
        zone: Option<i64>,
    ) -> Option<i64> {
        let at = |times: &mut Self, day: i64| {
            let local = day * DAY_SECONDS + second;
            zone.map_or_else(|| times.utc_of(local, Some(now)), |offset| local - offset)
        };
        if key.is_some_and(|key| *key == self.yearless.0) {
            let at = at(self, self.yearless.1);
            if (-BEHIND_SECONDS..=AHEAD_SECONDS).contains(&(at - now)) {
                return Some(at);
            }
        }
        let next_year = civil(now.div_euclid(DAY_SECONDS)).0 + 1;
        // Eight years hold a leap day, wherever they begin; and the next one may be too late.
        let (at, day) = (0..=9).find_map(|distance| {
            let day = day(next_year - distance, month, month_day)?;
            let at = at(self, day);
            (at - now <= AHEAD_SECONDS).then_some((at, day))
        })?;
        if let Some(key) = key {
            self.yearless = (*key, day);
        }
        Some(at)
    }
}

/// The number that two digits make; 100 or more where they are none.
#[inline]
fn pair(tens: u8, ones: u8) -> u32 {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 { 100 } else { u32::from(tens) * 10 + u32::from(ones) }
}

/// Seconds of the day in `hh:mm:ss`: `None` where that is no time's shape, `Some(None)` where it
/// is no time. A leap second is the first of the next minute.
#[inline]
fn clock(text: &[u8; 8]) -> Option<Option<i64>> {
    const SHAPE: u64 = u64::from_le_bytes(*b"00:00:00");
    const COLONS: u64 = u64::from_le_bytes([0, 0, 0xff, 0, 0, 0xff, 0, 0]);
    // All eight at once: what is left of digits is their value, of colons nothing.
    let digits = u64::from_le_bytes(*text) ^ SHAPE;
    if others(digits) | digits & COLONS != 0 {
        return odd_clock(text);
    }
    let pairs = digits * 10 + (digits >> 8);
    let (hour, minute, second) = (pairs & 0xff, pairs >> 24 & 0xff, pairs >> 48 & 0xff);
    let is_time = hour < 24 && minute < 60 && second <= 60;
    Some(is_time.then_some((hour * 3600 + minute * 60 + second) as i64))
}

/// The high halves of those of eight bytes that are more than 9, and maybe of some behind them.
#[inline]
fn others(digits: u64) -> u64 {
    const SIXES: u64 = u64::from_le_bytes([6; 8]);
    const HIGH: u64 = u64::from_le_bytes([0xf0; 8]);
    (digits | digits.wrapping_add(SIXES)) & HIGH
}

/// [`clock`] where not all of it are digits and colons.
#[cold]
fn odd_clock(text: &[u8; 8]) -> Option<Option<i64>> {
    let [h, i, a, m, n, b, s, t] = *text;
    let (hour, minute, second) = (pair(h, i), pair(m, n), pair(s, t));
    if a != b':' || b != b':' || hour > 99 || minute > 99 || second > 99 {
        return None;
    }
    let is_time = hour < 24 && minute < 60 && second <= 60;
    Some(is_time.then_some(i64::from(hour * 3600 + minute * 60 + second)))
}

/// A fraction of a second, `.` or `,` and digits: its bytes and nanoseconds. More than nine digits
/// are taken and not counted; no digit is no fraction.
#[inline]
fn fraction(text: &[u8]) -> (usize, u32) {
    /// What one digit of a number of so many digits is worth, in nanoseconds.
    const WORTH: [u32; 8] = [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100];
    if !matches!(text, [b'.' | b',', b'0'..=b'9', ..]) {
        return (0, 0);
    }
    let Some(eight) = text[1..].first_chunk::<8>() else { return long_fraction(text) };
    let digits = u64::from_le_bytes(*eight) ^ u64::from_le_bytes([b'0'; 8]);
    let count = others(digits).trailing_zeros() as usize / 8;
    let Some(worth) = WORTH.get(count).filter(|worth| **worth > 0) else {
        return long_fraction(text);
    };
    // The number's digits last, zeros before them; then pairs, fours and eights of them.
    let pairs = digits << (64 - 8 * count);
    let pairs = pairs * 10 + (pairs >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let high = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    let number = (low.wrapping_add(high) >> 32) as u32;
    (1 + count, number * worth)
}

/// [`fraction`] where it has eight digits or more, or little stands behind it.
fn long_fraction(text: &[u8]) -> (usize, u32) {
    let (mut used, mut nanos, mut unit) = (1, 0, 100_000_000);
    while let Some(digit @ b'0'..=b'9') = text.get(used) {
        nanos += u32::from(digit - b'0') * unit;
        unit /= 10;
        used += 1;
    }
    (used, nanos)
}

/// A zone behind a time: `Z`, `+hh:mm`, `+hhmm`, `+hh`; its bytes and seconds east of UTC.
#[inline]
fn offset(text: &[u8]) -> Option<(usize, i64)> {
    let (sign, rest) = match text {
        [b'Z' | b'z', ..] => return Some((1, 0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (used, hour, minute) = match *rest {
        [h, i, b':', m, n, ..] => (6, pair(h, i), pair(m, n)),
        [h, i, m, n, ..] if m.is_ascii_digit() => (5, pair(h, i), pair(m, n)),
        [h, i, ..] => (3, pair(h, i), 0),
        _ => return None,
    };
    let is_offset = hour < 24 && minute < 60;
    is_offset.then_some((used, sign * i64::from(hour * 3600 + minute * 60)))
}

/// A zone a blank behind a time: ` UTC`, ` GMT`, ` +hhmm`. Other names stand for several zones and
/// for whatever a device was told, so they say nothing.
fn offset_apart(text: &[u8]) -> Option<(usize, i64)> {
    let rest = text.strip_prefix(b" ")?;
    match rest {
        [b'U', b'T', b'C', rest @ ..] | [b'G', b'M', b'T', rest @ ..] if ends(rest) => Some((4, 0)),
        [b'+' | b'-', _, _, _, _, ..] => {
            let (used, offset) = offset(rest)?;
            (used >= 5 && ends(&rest[used..])).then_some((1 + used, offset))
        }
        _ => None,
    }
}

/// Whether a time may end before `rest`.
#[inline]
pub(super) fn ends(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b' ' | b':' | b'\t' | b'"' | b'\n' | b'\r'))
}

/// `YYYY-MM-DDThh:mm:ss` with any fraction and zone, as RFC 3339 has it, also with a blank for the
/// `T` and without a zone: the bytes that were read and the time. `None` where `text` has another
/// shape; what stands behind the time is not looked at.
#[inline]
pub(super) fn iso(text: &[u8], now: Option<i64>, times: &mut Times) -> Option<(usize, EventTime)> {
    let mut used = 0;
    let time = iso_used(text, now, times, &mut used)?;
    Some((used, time))
}

/// [`iso`], which puts the bytes that were read into `used`.
// What it returns fits registers: of a pair of both, the parts are written to memory one by one and
// read back as one, which the processor has to wait for.
#[inline]
pub(super) fn iso_used(
    text: &[u8],
    now: Option<i64>,
    times: &mut Times,
    used: &mut usize,
) -> Option<EventTime> {
    let head = text.first_chunk::<19>()?;
    let (date, rest) = head.split_first_chunk::<10>()?;
    let (&separator, hours) = rest.split_first()?;
    if date[4] != b'-' || date[7] != b'-' || !matches!(separator, b'T' | b' ' | b't') {
        return None;
    }
    let second = clock(hours.first_chunk::<8>()?)?;
    let (fraction_bytes, nanos) = fraction(&text[19..]);
    *used = 19 + fraction_bytes;
    let (mut east, mut has_zone) = (0, true);
    if matches!(text.get(*used), Some(b'Z' | b'z')) {
        *used += 1;
    } else {
        let rest = &text[*used..];
        match offset(rest).or_else(|| offset_apart(rest)) {
            Some((zone_bytes, offset)) => (*used, east) = (*used + zone_bytes, offset),
            None => has_zone = false,
        }
    }
    let (Some(day), Some(second)) = (times.day_of_date(date), second) else {
        // `20xx-11-20` is meant to be a date.
        let digits = date.iter().filter(|byte| byte.is_ascii_digit()).count();
        let is_shaped = date[0].is_ascii_digit() && digits >= 6;
        return is_shaped.then_some(EventTime::Bad);
    };
    let local = day * DAY_SECONDS + second;
    let second = if has_zone { local - east } else { times.utc_of(local, now) };
    Some(EventTime::at(second, nanos))
}

/// The second since the epoch at a time.
#[inline]
pub(super) fn second_of(now: Wall) -> i64 {
    i64::try_from(now).unwrap_or(i64::MAX) / SECOND_NS
}

/// A time that begins a header of RFC 3164, in any of the ways in which people write one, up to a
/// blank or a colon: the bytes that were read, its zone among them, and the time. `None` where
/// `text` has the shape of none of them.
#[inline]
pub(super) fn header(text: &[u8], now: Wall, times: &mut Times) -> Option<(usize, EventTime)> {
    let now = second_of(now);
    let (used, time) = match *text {
        [b'0'..=b'9', _, _, _, b'-', ..] => iso(text, Some(now), times)?,
        [b'0'..=b'9', _, _, _, b' ', ..] => {
            let year = year(text)?;
            let (used, time) = worded(&text[5..], Some(year), now, times)?;
            (5 + used, time)
        }
        [b'1'..=b'9', ..] => epoch(text)?,
        [b'A'..=b'Z' | b'a'..=b'z', ..] => match bsd(text, now, times) {
            Some(read) => read,
            None => worded(text, None, now, times)?,
        },
        _ => return None,
    };
    ends(&text[used..]).then_some((used, time))
}

/// `Mmm dd hh:mm:ss` and a blank with no year, zone or fraction behind it: what nearly all send.
#[inline]
fn bsd(text: &[u8], now: i64, times: &mut Times) -> Option<(usize, EventTime)> {
    let (date, rest) = text.split_first_chunk::<6>()?;
    let (hours, rest) = rest.strip_prefix(b" ")?.split_first_chunk::<8>()?;
    let is_plain = match *rest {
        [] | [b':', ..] => true,
        // A zone, `AM` or a year may follow, which is for `worded`.
        [b' ', b'+' | b'-', ..] | [b' ', b'A'..=b'Z', b'A'..=b'Z', ..] => false,
        [b' ', b'0'..=b'9', ..] => year(&rest[1..]).is_none(),
        [b' ', ..] => true,
        _ => false,
    };
    if !is_plain || date[3] != b' ' {
        return None;
    }
    let tens = if date[4] == b' ' { b'0' } else { date[4] };
    let day = Some(pair(tens, date[5])).filter(|day| *day < 100)?;
    let Some(second) = clock(hours)? else { return Some((15, EventTime::Bad)) };
    let month = month(&date[..3])?;
    let at = times.yearless((month, day), Some(date), second, now, None);
    Some((15, at.map_or(EventTime::Bad, |at| EventTime::at(at, 0))))
}

/// Four digits, and behind them a blank or nothing: a year.
fn year(text: &[u8]) -> Option<i64> {
    let [a, b, c, d, ref behind @ ..] = *text else { return None };
    let (century, year) = (pair(a, b), pair(c, d));
    let is_whole = matches!(behind, [] | [b' ', ..] | [b':', b' ', ..]);
    (century < 100 && year < 100 && is_whole).then(|| i64::from(century * 100 + year))
}

/// The number of a month of which `name` has the first letters, in capitals or not.
fn month(name: &[u8]) -> Option<u32> {
    const MONTHS: &[u8; 36] = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let (months, _) = MONTHS.as_chunks::<3>();
    let name = name.first_chunk::<3>()?.map(|byte| byte | 0x20);
    months.iter().zip(1..).find(|(month, _)| **month == name).map(|(_, number)| number)
}

/// Where a reader of words stands in a text.
struct Place<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Place<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes as many bytes as are of one kind, `max` of them at most.
    fn take(&mut self, max: usize, is_kind: impl Fn(&u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let bytes = rest.iter().take(max).take_while(|byte| is_kind(byte)).count();
        self.at += bytes;
        &rest[..bytes]
    }

    /// Takes `mark`, if it stands here.
    fn skip(&mut self, mark: &[u8]) -> bool {
        let is_here = self.rest().starts_with(mark);
        self.at += if is_here { mark.len() } else { 0 };
        is_here
    }

    /// Takes one or two digits.
    fn number(&mut self) -> Option<u32> {
        match *self.take(2, u8::is_ascii_digit) {
            [one] => Some(pair(b'0', one)),
            [ten, one] => Some(pair(ten, one)),
            _ => None,
        }
    }
}

/// A time with the name of a month: `Mmm dd hh:mm:ss`, with a weekday before it, a year before the
/// hours or behind them, a fraction, `AM` or `PM`, and a zone.
#[inline(never)]
fn worded(
    text: &[u8],
    mut year_said: Option<i64>,
    now: i64,
    times: &mut Times,
) -> Option<(usize, EventTime)> {
    let mut place = Place { text, at: 0 };
    let mut name = place.take(9, u8::is_ascii_alphabetic);
    if place.rest().get(1).is_some_and(u8::is_ascii_alphabetic) && place.skip(b" ") {
        // The first word was the weekday.
        name = place.take(9, u8::is_ascii_alphabetic);
    }
    place.take(2, |byte| *byte == b' ');
    let day_of_month = place.number().filter(|_| name.len() >= 3)?;
    if !place.skip(b" ") {
        return None;
    }
    if year_said.is_none() && matches!(place.rest(), [_, _, _, _, b' ', ..]) {
        year_said = Some(year(place.rest())?);
        place.at += 5;
    }
    let mut second = clock(place.rest().first_chunk::<8>()?)?;
    place.at += 8;
    let half = half_of_day(&mut place);
    let (used, nanos) = fraction(place.rest());
    place.at += used;
    if let Some(half) = half.or_else(|| half_of_day(&mut place)) {
        second = second.filter(|second| (3600..13 * 3600).contains(second));
        second = second.map(|second| second % (12 * 3600) + half);
    }
    if let [b' ', rest @ ..] = place.rest()
        && year_said.is_none()
        && let Some(year) = year(rest).filter(|year| YEARS.contains(year))
    {
        year_said = Some(year);
        place.at += 5;
    }
    let zone = offset(place.rest()).or_else(|| offset_apart(place.rest()));
    match zone {
        Some((used, _)) => place.at += used,
        None => place.at += zone_name(place.rest()),
    }
    let zone = zone.map(|(_, offset)| offset);
    let at = match (second, month(name)) {
        (Some(second), Some(month)) => match year_said {
            None => times.yearless((month, day_of_month), None, second, now, zone),
            Some(year) => day(year, month, day_of_month).map(|day| {
                let local = day * DAY_SECONDS + second;
                zone.map_or_else(|| times.utc_of(local, Some(now)), |offset| local - offset)
            }),
        },
        _ => None,
    };
    Some((place.at, at.map_or(EventTime::Bad, |at| EventTime::at(at, nanos))))
}

/// ` AM` or ` PM`: seconds to be added to a time of twelve hours.
fn half_of_day(place: &mut Place<'_>) -> Option<i64> {
    let half = match place.rest() {
        [b' ', half @ (b'A' | b'P'), b'M', rest @ ..] if ends(rest) || rest[0] == b'.' => half,
        _ => return None,
    };
    place.at += 3;
    Some(if *half == b'P' { 12 * 3600 } else { 0 })
}

/// The bytes of the name of a zone that is not known here, as Cisco has it before `: %`.
fn zone_name(text: &[u8]) -> usize {
    let Some(rest) = text.strip_prefix(b" ") else { return 0 };
    let letters = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let is_name = (1..=5).contains(&letters) && rest[letters..].starts_with(b": %");
    if is_name { 1 + letters } else { 0 }
}

/// Ten digits and a fraction, seconds since the epoch: the years 2001 to 2286.
fn epoch(text: &[u8]) -> Option<(usize, EventTime)> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (used, nanos) = fraction(text.get(digits..)?);
    if digits != 10 || used == 0 || text.get(digits + used).is_some_and(|byte| *byte != b' ') {
        return None;
    }
    let number = |number, digit: &u8| number * 10 + i64::from(digit - b'0');
    let second = text[..digits].iter().fold(0, number);
    Some((digits + used, EventTime::at(second, nanos)))
}

/// A number that tells a time by its size: seconds, milliseconds, microseconds or nanoseconds since
/// the epoch, with a fraction. `None` where it is none, or so small that it tells none: a duration.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<(usize, EventTime)> {
    let (mut digits, mut whole) = (0, 0_i64);
    while let Some(digit @ b'0'..=b'9') = text.get(digits).filter(|_| digits < 20) {
        whole = whole.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        digits += 1;
    }
    // From 2001 to 2286 each unit has a number of digits of its own; others tell durations.
    let unit = match digits {
        10 => SECOND_NS,
        13 => 1_000_000,
        16 => 1_000,
        // 64 bits are not enough for the last of them.
        19 if whole >= 0 => 1,
        19 => return Some((digits, EventTime::Bad)),
        _ => return None,
    };
    let (used, nanos) = match text.get(digits) {
        Some(b'.') => fraction(&text[digits..]),
        _ => (0, 0),
    };
    let used = digits + used;
    if matches!(text.get(used), Some(b'e' | b'E' | b'.')) {
        return None;
    }
    let ns = i64::from(nanos) * unit / SECOND_NS;
    let ns = whole.checked_mul(unit).and_then(|whole| whole.checked_add(ns));
    Some((used, ns.map_or(EventTime::Bad, EventTime::At)))
}

/// A number with an exponent, `1.79e9`, which tells seconds; a double holds microseconds of them.
pub(super) fn scientific(text: &[u8]) -> Option<EventTime> {
    let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    let bytes = text.iter().take(32).take_while(is_part).count();
    let seconds: f64 = std::str::from_utf8(&text[..bytes]).ok()?.parse().ok()?;
    let is_time = (1e9..1e10).contains(&seconds);
    let micros = (seconds * 1e6).round() as i64;
    is_time.then(|| micros.checked_mul(1000).map_or(EventTime::Bad, EventTime::At))
}

#[cfg(test)]
mod tests;
