//! The parameters themselves: one row of [`PARAMETERS`] each, with what it does to a query.

use super::number;
use super::parameters::Parameters;
use crate::level::Level;
use crate::limits::KEYWORDS_MAX;
use crate::query::condition::Comparison;
use crate::query::error::QueryError;
use crate::query::regex::Regex;
use crate::query::{Format, Order, Stamp};
use crate::segment::Seq;

/// One parameter.
pub(super) struct Parameter {
    pub name: &'static str,
    /// Parameters with the same one are names of the same thing, of which only one may be given.
    pub group: &'static str,
    pub place: Place,
    /// The comparisons it has.
    pub comparisons: &'static [Comparison],
    pub apply: Apply,
}

type Apply = fn(&mut Parameters<'_>, Comparison, Vec<u8>) -> Result<(), QueryError>;

const fn row(
    name: &'static str,
    group: &'static str,
    place: Place,
    comparisons: &'static [Comparison],
    apply: Apply,
) -> Parameter {
    Parameter { name, group, place, comparisons, apply }
}

/// Where a parameter may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Both,
    Query,
    Tail,
}

const EQUAL: &[Comparison] = &[Comparison::Equal];
const ORDER: &[Comparison] = &[
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Above,
    Comparison::AtLeast,
    Comparison::Below,
    Comparison::AtMost,
];

/// Every parameter, in the order in which errors list them.
pub(super) const PARAMETERS: &[Parameter] = &[
    row("keyword", "keyword", Place::Both, EQUAL, keyword),
    row("!keyword", "!keyword", Place::Both, EQUAL, without),
    row("keywords", "keywords", Place::Both, EQUAL, keywords),
    row("operator", "operator", Place::Both, EQUAL, operator),
    row("regex", "regex", Place::Both, EQUAL, regex),
    row("time_from", "since", Place::Both, EQUAL, since),
    row("time_to", "until", Place::Both, EQUAL, until),
    row("since", "since", Place::Both, EQUAL, since),
    row("until", "until", Place::Both, EQUAL, until),
    row("level", "level", Place::Both, ORDER, level),
    row("source", "source", Place::Both, EQUAL, source),
    row("limit", "limit", Place::Both, EQUAL, limit),
    row("order", "order", Place::Query, EQUAL, order),
    row("time", "time", Place::Both, EQUAL, stamp),
    row("format", "format", Place::Both, EQUAL, format),
    row("after", "after", Place::Both, EQUAL, after),
    row("before", "before", Place::Query, EQUAL, before),
    row("n", "n", Place::Tail, EQUAL, backlog),
];

/// Parameters that may be given several times: a record must meet each.
pub(super) const REPEATABLE: [&str; 2] = ["!keyword", "level"];

/// Those that say nothing of whether a record is meant by what it is.
pub(super) const ASIDE: [&str; 9] =
    ["since", "until", "limit", "order", "time", "format", "after", "before", "n"];

type Applied = Result<(), QueryError>;

fn keyword(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    if value.is_empty() {
        return Err(QueryError::Missing { name: "keyword", allowed: "any text" });
    }
    draft.query.filter.keyword(&value);
    Ok(())
}

fn without(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    if value.is_empty() {
        return Err(QueryError::Missing { name: "!keyword", allowed: "any text" });
    }
    draft.unwanted += 1;
    if draft.unwanted > KEYWORDS_MAX {
        let allowed = const { "16 of them at most" };
        return Err(QueryError::Value { name: "!keyword", seen: value, allowed });
    }
    draft.query.filter.without(&value);
    Ok(())
}

fn keywords(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.keywords = value.split(|byte| *byte == b',').map(<[u8]>::to_vec).collect();
    if draft.keywords.iter().any(Vec::is_empty) || draft.keywords.len() > KEYWORDS_MAX {
        let allowed = const { "1 to 16 texts, as a,b" };
        return Err(QueryError::Value { name: "keywords", seen: value, allowed });
    }
    Ok(())
}

fn operator(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.wants_any = match &value.to_ascii_lowercase()[..] {
        b"and" => Some(false),
        b"or" => Some(true),
        _ => {
            return Err(QueryError::Value { name: "operator", seen: value, allowed: "AND, OR" });
        }
    };
    Ok(())
}

fn regex(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    if value.is_empty() {
        return Err(QueryError::Missing { name: "regex", allowed: "a regular expression" });
    }
    draft.query.filter.regex(Regex::new(&value)?);
    Ok(())
}

fn since(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.from = draft.moment(value)?;
    Ok(())
}

fn until(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.to = draft.moment(value)?;
    Ok(())
}

fn level(draft: &mut Parameters<'_>, comparison: Comparison, value: Vec<u8>) -> Applied {
    let Some(wanted) = Level::from_name(&value) else {
        let allowed = "unknown, trace, debug, info, notice, warning, error, critical, alert, \
             emergency";
        return Err(QueryError::Value { name: "level", seen: value, allowed });
    };
    draft.query.filter.levels(|level| comparison.accepts(level.cmp(&wanted)));
    Ok(())
}

fn source(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    if value.is_empty() {
        return Err(QueryError::Missing { name: "source", allowed: "a sender's address" });
    }
    draft.query.filter.source(&value);
    Ok(())
}

fn limit(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    let Some(limit) = number(&value, 1) else {
        return Err(QueryError::Value { name: "limit", seen: value, allowed: "1 or more" });
    };
    draft.query.limit = Some(limit);
    Ok(())
}

fn order(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.query.order = match &value.to_ascii_lowercase()[..] {
        b"asc" => Order::Oldest,
        b"desc" => Order::Newest,
        b"time" => Order::Time,
        _ => {
            let allowed = "asc, desc, time";
            return Err(QueryError::Value { name: "order", seen: value, allowed });
        }
    };
    Ok(())
}

fn stamp(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.query.stamp = match &value.to_ascii_lowercase()[..] {
        b"received" => Stamp::Received,
        b"event" => Stamp::Event,
        _ => {
            return Err(QueryError::Value {
                name: "time",
                seen: value,
                allowed: "received, event",
            });
        }
    };
    Ok(())
}

fn format(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.query.format = match &value.to_ascii_lowercase()[..] {
        b"text" => Format::Text,
        b"json" => Format::Json,
        b"logfmt" => Format::Logfmt,
        b"csv" => Format::Csv,
        b"raw" => Format::Raw,
        _ => {
            let allowed = "text, json, logfmt, csv, raw";
            return Err(QueryError::Value { name: "format", seen: value, allowed });
        }
    };
    Ok(())
}

fn after(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.query.after = Some(seq("after", value)?);
    Ok(())
}

fn before(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.query.before = Some(seq("before", value)?);
    Ok(())
}

fn seq(name: &'static str, value: Vec<u8>) -> Result<Seq, QueryError> {
    let allowed = "the number of a record";
    number(&value, 0).map(Seq).ok_or(QueryError::Value { name, seen: value, allowed })
}

fn backlog(draft: &mut Parameters<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    let Some(backlog) = number(&value, 0) else {
        return Err(QueryError::Value { name: "n", seen: value, allowed: "0 or more" });
    };
    draft.query.backlog = backlog;
    Ok(())
}
