//! Questions: the language they are asked in, the filter they become, and the cursor that answers.
//!
//! A [`Query`] is what was asked. A [`Cursor`] walks the segment with it, one bounded step a call,
//! and writes what it finds. Start at [`Cursor::slice`].
//!
//! **Invariant:** nothing here knows sockets, files or clocks; the time arrives as an argument.
//!
//! **Invariant:** an answer does not depend on how its steps were cut.

mod cursor;
mod error;
mod filter;
mod hir;
mod language;
mod matcher;
mod needle;
mod regex;
mod render;
mod time;

#[cfg(test)]
mod tests;

pub use cursor::{Cursor, Slice};
pub(crate) use error::Echo;
pub use error::QueryError;
pub use filter::Filter;
pub(crate) use language::{number, parse_range};
pub use language::{parse_parameters, unquote};
pub use regex::{Budget, Regex, RegexError};
pub use render::{LocalTime, render};
pub use time::{Moment, TIME_ALLOWED, TimeContext, parse_duration};

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
    /// The newest `limit` records, oldest first.
    pub is_recent: bool,
    /// Only records after this one.
    pub after: Option<Seq>,
    /// Of a tail: so many of the newest records first.
    pub backlog: u64,
    /// How a record is written.
    pub format: Format,
    /// Leaves out the line `FOUND: N matches`.
    pub is_bare: bool,
}

/// Which end an answer begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    #[default]
    Oldest,
    /// Newest first.
    Newest,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `[YYYY-MM-DD HH:MM:SS] line`, in the server's zone.
    #[default]
    Text,
    /// A JSON object.
    Json,
    /// The record's bytes.
    Raw,
}

/// The value of the label `name` in a stream's labels, `name=value` joined by NUL.
pub fn label<'a>(labels: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    labels
        .split(|byte| *byte == 0)
        .find_map(|pair| pair.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"=")))
}

/// Reads any bytes as the parameters of a QUERY and of a TAIL, and matches them with themselves:
/// must never panic.
pub fn fuzz_query(data: &[u8]) {
    let zone = jiff::tz::TimeZone::UTC;
    let context = TimeContext { now: 1_795_168_800_000_000_000, zone: &zone };
    for is_tail in [false, true] {
        if let Ok(mut query) = parse_parameters(data, is_tail, &context) {
            query.filter.matches(data, crate::level::Level::Unknown, context.now, b"host=::1");
        }
    }
    if let Ok(mut regex) = Regex::new(data) {
        let mut steps = 0;
        while regex.step(data, &mut Budget::new(10_000)).is_none() {
            steps += 1;
            assert!(steps <= data.len(), "each step goes at least one byte on");
        }
    }
}
