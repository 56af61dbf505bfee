//! Times as answers show them. The zone is asked once in a quarter of an hour of the records'
//! time: a line's time costs a few divisions where its second is another than the last.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::SECOND;
use crate::message::calendar::civil;

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
    /// The second that `utc_text` shows.
    utc_second: u64,
    /// `YYYY-MM-DDTHH:MM:SS`.
    utc_text: [u8; 19],
}

impl LocalTime {
    /// Times in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        let text = *b"1970-01-01 00:00:00";
        let mut time = Self {
            zone,
            quarter: u64::MAX,
            offset: 0,
            second: u64::MAX,
            text,
            utc_second: u64::MAX,
            utc_text: text,
        };
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
        let second = ns / SECOND;
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
        spell(local, &mut self.text);
    }

    /// Appends a time as RFC 3339 with nanoseconds and the zone's offset, or `Z` where that is 0.
    pub fn rfc3339(&mut self, ns: u64, out: &mut Vec<u8>) {
        let mut text = *self.text_of(ns);
        text[10] = b'T';
        out.extend_from_slice(&text);
        put_fraction(ns, out);
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

    /// Appends a time as RFC 3339 with nanoseconds, in UTC whatever the zone is.
    pub fn utc(&mut self, ns: u64, out: &mut Vec<u8>) {
        if ns / SECOND != self.utc_second {
            self.utc_second = ns / SECOND;
            spell(self.utc_second, &mut self.utc_text);
            self.utc_text[10] = b'T';
        }
        out.extend_from_slice(&self.utc_text);
        put_fraction(ns, out);
        out.push(b'Z');
    }
}

/// Writes seconds since the Unix epoch, of a clock, as `YYYY-MM-DD HH:MM:SS`.
fn spell(local: u64, text: &mut [u8; 19]) {
    // Fewer days than fit into 63 bits: a day has more than two seconds.
    let (year, month, day) = civil((local / 86_400) as i64);
    let clock = local % 86_400;
    let year = u32::try_from(year).unwrap_or(9999);
    put(&mut text[0..2], year / 100);
    put(&mut text[2..4], year % 100);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], (clock / 3600) as u32);
    put(&mut text[14..16], (clock / 60 % 60) as u32);
    put(&mut text[17..19], (clock % 60) as u32);
}

/// Appends the nanoseconds of a second.
fn put_fraction(ns: u64, out: &mut Vec<u8>) {
    let mut fraction = *b".000000000";
    let mut rest = ns % SECOND;
    for digit in fraction[1..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&fraction);
}

/// Two digits.
fn put(place: &mut [u8], number: u32) {
    place[0] = b'0' + (number / 10 % 10) as u8;
    place[1] = b'0' + (number % 10) as u8;
}
