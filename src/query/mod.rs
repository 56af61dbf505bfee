//! Questions: the language they are asked in, the filter they become, and the cursor that answers.
//!
//! A [`Query`] is what was asked. A [`Cursor`] walks the segment with it, one bounded step a call,
//! and writes what it finds. Start at [`Cursor::slice`]. A [`Census`] counts what there is, and
//! [`Hits`] when there was how much of it.
//!
//! **Invariant:** nothing here knows sockets, files or clocks; the time arrives as an argument.
//!
//! **Invariant:** an answer does not depend on how its steps were cut.

mod busiest;
mod census;
mod condition;
mod cursor;
mod error;
mod filter;
mod hir;
mod hits;
mod language;
mod matcher;
mod needle;
mod regex;
mod render;
mod time;
mod which_time;

#[cfg(test)]
mod tests;

pub use busiest::Busiest;
pub use census::{Census, Listing};
use condition::{Comparison, Condition, Subject};
pub use cursor::{Cursor, Slice, TailMemo};
pub(crate) use error::Echo;
pub use error::QueryError;
pub use filter::Filter;
pub use hits::{Buckets, Hits, StepError};
pub use language::{Parameters, parameter_bytes, parse_parameters, quote, unquote};
pub(crate) use language::{known_label, number, parse_range};
pub use regex::{Budget, Regex, RegexError};
pub(crate) use render::json_string;
pub use render::{Frame, FramedRecord, Frames, LocalTime};
pub use render::{fuzz_render, head, keep_alive, render};
pub use time::TimeContext;
pub(crate) use time::parse_duration;
pub use which_time::Stamp;

use crate::message::fields;
use crate::segment::Seq;

/// A question about records.
#[derive(Debug, Default)]
pub struct Query {
    /// Which records.
    pub filter: Filter,
    /// Which end the answer begins at, and `limit` counts from.
    pub order: Order,
    /// At most so many records.
    pub limit: Option<u64>,
    /// Of a query with a limit: all matches are counted and said, though only the newest `limit`
    /// are written; of an answer that begins with the oldest, the oldest.
    pub counts_all: bool,
    /// The newest `limit` records, oldest first.
    pub is_recent: bool,
    /// Only records after this one.
    pub after: Option<Seq>,
    /// Only records before this one.
    pub before: Option<Seq>,
    /// Of a tail: where `after` names a record that there is not, what there was is lost, and the
    /// tail begins with what comes: the records may have begun anew since.
    pub is_resumed: bool,
    /// Of a tail: so many of the newest records first.
    pub backlog: u64,
    /// Which time the filter means, and the answer shows.
    pub stamp: Stamp,
    /// How a record is written.
    pub format: Format,
    /// Leaves out the line `FOUND: N matches`.
    pub is_bare: bool,
    /// Of a tail: what it asks of a record but for `since=` and `until=`, and how it shows one,
    /// spelled in one way only. Tails with the same may share what they find. Empty: with nobody.
    pub likeness: Vec<u8>,
}

/// Which end an answer begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    #[default]
    Oldest,
    /// Newest first.
    Newest,
    /// By time, oldest first; of the newest records only.
    Time,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `[YYYY-MM-DD HH:MM:SS] line`, in the server's zone.
    #[default]
    Text,
    /// A JSON object.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// Comma-separated values behind a line that names them.
    Csv,
    /// The record's bytes.
    Raw,
    /// A JSON object a line, as HTTP answers it; notes are objects too.
    Ndjson,
    /// The same objects as Server-Sent Events.
    Sse,
    /// Bytes for somebody inside this process, who reads them with [`Frames`]. No question asks for
    /// it by name.
    Frame,
}

impl Format {
    /// Whether it shows what is inside a record's text.
    fn shows_fields(self) -> bool {
        !matches!(self, Self::Text | Self::Raw | Self::Frame)
    }
}

/// The value of the label `name` in a stream's labels, `name=value` joined by NUL.
pub fn label<'a>(labels: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    crate::segment::labels(labels).find(|label| label.name == name).map(|label| label.value)
}

/// Reads any bytes as the parameters of a QUERY and of a TAIL, and matches them with themselves:
/// must never panic. Whatever fields the bytes have, conditions on them must let them through.
pub fn fuzz_query(data: &[u8]) {
    let zone = jiff::tz::TimeZone::UTC;
    let context = TimeContext::new(1_795_168_800_000_000_000, &zone);
    for is_tail in [false, true] {
        if let Ok(mut query) = parse_parameters(data, is_tail, &context) {
            query.filter.matches(data, crate::level::Level::Unknown, context.now, b"host=::1");
        }
    }
    fields::each(data, &mut |name, value| {
        let condition = Condition::compare(Subject::Field, name, Comparison::Equal, value.text());
        condition.assert_lets_through(data);
    });
    if let Ok(mut regex) = Regex::new(data) {
        let mut steps = 0;
        while regex.step(data, &mut Budget::new(10_000)).is_none() {
            steps += 1;
            assert!(steps <= data.len(), "each step goes at least one byte on");
        }
    }
}
