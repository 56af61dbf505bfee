//! The parameters of QUERY and TAIL: `name=value`, one row of a table each.

use super::error::QueryError;
use super::regex::Regex;
use super::time::{Moment, TimeContext};
use super::{Format, Order, Query};
use crate::level::Level;
use crate::limits::KEYWORDS_MAX;
use crate::segment::Seq;

/// One parameter.
struct Parameter {
    name: &'static str,
    /// Parameters with the same one are names of the same thing, of which only one may be given.
    group: &'static str,
    place: Place,
    /// The comparisons it has.
    comparisons: &'static [Comparison],
    apply: Apply,
}

type Apply = fn(&mut Draft<'_>, Comparison, Vec<u8>) -> Result<(), QueryError>;

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
enum Place {
    Both,
    Query,
    Tail,
}

/// What stands between a parameter's name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    AtLeast,
}

const EQUAL: &[Comparison] = &[Comparison::Equal];
const LEVEL_COMPARISONS: &[Comparison] = &[Comparison::Equal, Comparison::AtLeast];

/// Every parameter, in the order in which errors list them.
const PARAMETERS: &[Parameter] = &[
    row("keyword", "keyword", Place::Both, EQUAL, keyword),
    row("keywords", "keywords", Place::Both, EQUAL, keywords),
    row("operator", "operator", Place::Both, EQUAL, operator),
    row("regex", "regex", Place::Both, EQUAL, regex),
    row("time_from", "since", Place::Both, EQUAL, since),
    row("time_to", "until", Place::Both, EQUAL, until),
    row("since", "since", Place::Both, EQUAL, since),
    row("until", "until", Place::Both, EQUAL, until),
    row("level", "level", Place::Both, LEVEL_COMPARISONS, level),
    row("source", "source", Place::Both, EQUAL, source),
    row("limit", "limit", Place::Both, EQUAL, limit),
    row("order", "order", Place::Query, EQUAL, order),
    row("format", "format", Place::Both, EQUAL, format),
    row("after", "after", Place::Both, EQUAL, after),
    row("n", "n", Place::Tail, EQUAL, backlog),
];

/// A query whose parameters are still being read.
struct Draft<'a> {
    context: &'a TimeContext<'a>,
    query: Query,
    keywords: Vec<Vec<u8>>,
    wants_any: Option<bool>,
    from: Option<(Moment, Vec<u8>)>,
    to: Option<(Moment, Vec<u8>)>,
}

/// Reads the parameters of a QUERY, or of a TAIL where `is_tail`.
///
/// # Errors
/// The first mistake found; see [`QueryError`].
pub fn parse_parameters(
    text: &[u8],
    is_tail: bool,
    context: &TimeContext<'_>,
) -> Result<Query, QueryError> {
    let mut draft = Draft {
        context,
        query: Query::default(),
        keywords: Vec::new(),
        wants_any: None,
        from: None,
        to: None,
    };
    let mut given: Vec<&'static str> = Vec::new();
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        let (parameter, comparison, after) = name(rest, is_tail)?;
        let (value, after) = word(after, rest)?;
        if given.contains(&parameter.group) {
            return Err(QueryError::Repeated(parameter.name));
        }
        given.push(parameter.group);
        (parameter.apply)(&mut draft, comparison, value)?;
        rest = after.trim_ascii_start();
    }
    if given.contains(&"after") && given.contains(&"n") {
        return Err(QueryError::Exclusive("after=", "n="));
    }
    draft.finish()
}

/// Reads the two times of a FILTER, of one or two words each; where there is only one, the range
/// has no end.
///
/// # Errors
/// A time that is missing or bad, or a beginning after the end.
pub(crate) fn parse_range(text: &[u8], context: &TimeContext<'_>) -> Result<Query, QueryError> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii();
    while !rest.is_empty() && words.len() <= RANGE_WORDS_MAX {
        let (value, after) = word(rest, rest)?;
        words.push(value);
        rest = after.trim_ascii_start();
    }
    if words.is_empty() {
        return Err(QueryError::Missing { name: "FILTER", allowed: "FILTER from to" });
    }
    let moment = |words: &[Vec<u8>]| {
        let joined = words.join(&b' ');
        let text = std::str::from_utf8(&joined).ok()?;
        Some((Moment::parse(text, context)?, joined.clone()))
    };
    let mut query = Query::default();
    if let Some((from, _)) = moment(&words) {
        query.filter.from(from.first);
        return Ok(query);
    }
    for split in 1..words.len() {
        let (head, tail) = words.split_at(split);
        if let (Some(from), Some(to)) = (moment(head), moment(tail)) {
            return range(query, Some(from), Some(to));
        }
    }
    // The first word that is no time, alone or with the one behind it, is the one to name.
    let is_time = |at: usize| {
        moment(&words[at..=at]).is_some() || (at > 0 && moment(&words[at - 1..=at]).is_some())
    };
    let bad = (0..words.len()).find(|at| !is_time(*at)).unwrap_or(words.len() - 1);
    Err(QueryError::Time(words.swap_remove(bad)))
}

/// More words than two times can have.
const RANGE_WORDS_MAX: usize = 4;

fn range(
    mut query: Query,
    from: Option<(Moment, Vec<u8>)>,
    to: Option<(Moment, Vec<u8>)>,
) -> Result<Query, QueryError> {
    if let (Some((from, from_seen)), Some((to, to_seen))) = (&from, &to)
        && from.first > to.last
    {
        return Err(QueryError::FromAfterTo { from: from_seen.clone(), to: to_seen.clone() });
    }
    if let Some((from, _)) = from {
        query.filter.from(from.first);
    }
    if let Some((to, _)) = to {
        query.filter.to(to.last);
    }
    Ok(query)
}

/// Reads a parameter's name and comparison.
fn name(text: &[u8], is_tail: bool) -> Result<(&'static Parameter, Comparison, &[u8]), QueryError> {
    let word_bytes = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let name_bytes = text
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')))
        .unwrap_or(text.len());
    let (seen, rest) = text.split_at(name_bytes);
    let (comparison, shown, rest) = match rest {
        [b'=', rest @ ..] => (Some(Comparison::Equal), "=", rest),
        [b'>', b'=', rest @ ..] => (Some(Comparison::AtLeast), ">=", rest),
        [b'<', b'=', rest @ ..] => (None, "<=", rest),
        [b'!', b'=', rest @ ..] => (None, "!=", rest),
        [b'!', b'~', rest @ ..] => (None, "!~", rest),
        [b'>', rest @ ..] => (None, ">", rest),
        [b'<', rest @ ..] => (None, "<", rest),
        [b'~', rest @ ..] => (None, "~", rest),
        _ => return Err(QueryError::NotAParameter(text[..word_bytes].to_vec())),
    };
    let place = if is_tail { Place::Tail } else { Place::Query };
    let mut allowed =
        PARAMETERS.iter().filter(|row| row.place == Place::Both || row.place == place);
    let Some(row) = allowed.clone().find(|row| row.name.as_bytes().eq_ignore_ascii_case(seen))
    else {
        let names: Vec<_> = allowed.by_ref().map(|row| row.name).collect();
        let allowed = names.join(", ");
        return Err(QueryError::UnknownParameter { seen: seen.to_vec(), allowed });
    };
    match comparison.filter(|comparison| row.comparisons.contains(comparison)) {
        Some(comparison) => Ok((row, comparison, rest)),
        None => Err(QueryError::Comparison {
            name: row.name,
            seen: shown,
            allowed: if row.comparisons.len() > 1 { "=, >=" } else { "=" },
        }),
    }
}

/// Reads a word, which a space ends, or a quoted text; `whole` is what an error shows.
fn word<'a>(text: &'a [u8], whole: &[u8]) -> Result<(Vec<u8>, &'a [u8]), QueryError> {
    if text.first() != Some(&b'"') {
        let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return Ok((word.to_vec(), rest));
    }
    let (value, rest) = quoted(text).ok_or_else(|| QueryError::Quote(whole.to_vec()))?;
    if rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
        return Err(QueryError::Quote(whole.to_vec()));
    }
    Ok((value, rest))
}

/// Reads a text in quotes, in which `\"` is a quote and `\\` a backslash; any other backslash
/// stands for itself, so that patterns need no second one. `None` where the end is missing.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut value = Vec::new();
    loop {
        match rest {
            [] => return None,
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', byte @ (b'"' | b'\\'), after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
        }
    }
}

/// The text inside, where all of `text` is one quoted text; otherwise `text` as it is.
pub fn unquote(text: &[u8]) -> Vec<u8> {
    match quoted(text) {
        Some((value, rest)) if rest.trim_ascii().is_empty() => value,
        _ => text.to_vec(),
    }
}

/// Reads a number of at least `min`; digits only.
pub(crate) fn number(text: &[u8], min: u64) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|number| *number >= min)
}

impl Draft<'_> {
    fn finish(mut self) -> Result<Query, QueryError> {
        match (self.keywords.is_empty(), self.wants_any) {
            (true, Some(_)) => {
                return Err(QueryError::Missing { name: "keywords", allowed: "with operator=" });
            }
            (false, Some(true)) => self.query.filter.any_keyword(&self.keywords),
            _ => self.keywords.iter().for_each(|text| self.query.filter.keyword(text)),
        }
        range(self.query, self.from, self.to)
    }

    fn moment(&self, value: Vec<u8>) -> Result<Option<(Moment, Vec<u8>)>, QueryError> {
        let text = std::str::from_utf8(&value).unwrap_or("");
        match Moment::parse(text, self.context) {
            Some(moment) => Ok(Some((moment, value))),
            None => Err(QueryError::Time(value)),
        }
    }
}

type Applied = Result<(), QueryError>;

fn keyword(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    if value.is_empty() {
        return Err(QueryError::Missing { name: "keyword", allowed: "any text" });
    }
    draft.query.filter.keyword(&value);
    Ok(())
}

fn keywords(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.keywords = value.split(|byte| *byte == b',').map(<[u8]>::to_vec).collect();
    if draft.keywords.iter().any(Vec::is_empty) || draft.keywords.len() > KEYWORDS_MAX {
        let allowed = const { "1 to 16 texts, as a,b" };
        return Err(QueryError::Value { name: "keywords", seen: value, allowed });
    }
    Ok(())
}

fn operator(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.wants_any = match &value.to_ascii_lowercase()[..] {
        b"and" => Some(false),
        b"or" => Some(true),
        _ => {
            return Err(QueryError::Value { name: "operator", seen: value, allowed: "AND, OR" });
        }
    };
    Ok(())
}

fn regex(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    if value.is_empty() {
        return Err(QueryError::Missing { name: "regex", allowed: "a regular expression" });
    }
    draft.query.filter.regex(Regex::new(&value)?);
    Ok(())
}

fn since(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.from = draft.moment(value)?;
    Ok(())
}

fn until(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.to = draft.moment(value)?;
    Ok(())
}

fn level(draft: &mut Draft<'_>, comparison: Comparison, value: Vec<u8>) -> Applied {
    let Some(wanted) = Level::from_name(&value) else {
        let allowed = "unknown, trace, debug, info, notice, warning, error, critical, alert, \
             emergency";
        return Err(QueryError::Value { name: "level", seen: value, allowed });
    };
    draft.query.filter.levels(|level| match comparison {
        Comparison::Equal => level == wanted,
        Comparison::AtLeast => level >= wanted,
    });
    Ok(())
}

fn source(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    if value.is_empty() {
        return Err(QueryError::Missing { name: "source", allowed: "a sender's address" });
    }
    draft.query.filter.source(&value);
    Ok(())
}

fn limit(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    let Some(limit) = number(&value, 1) else {
        return Err(QueryError::Value { name: "limit", seen: value, allowed: "1 or more" });
    };
    draft.query.limit = Some(limit);
    Ok(())
}

fn order(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.query.order = match &value.to_ascii_lowercase()[..] {
        b"asc" => Order::Oldest,
        b"desc" => Order::Newest,
        _ => return Err(QueryError::Value { name: "order", seen: value, allowed: "asc, desc" }),
    };
    Ok(())
}

fn format(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    draft.query.format = match &value.to_ascii_lowercase()[..] {
        b"text" => Format::Text,
        b"json" => Format::Json,
        b"raw" => Format::Raw,
        _ => {
            let allowed = "text, json, raw";
            return Err(QueryError::Value { name: "format", seen: value, allowed });
        }
    };
    Ok(())
}

fn after(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    let Some(seq) = number(&value, 0) else {
        let allowed = "the number of a record";
        return Err(QueryError::Value { name: "after", seen: value, allowed });
    };
    draft.query.after = Some(Seq(seq));
    Ok(())
}

fn backlog(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
    let Some(backlog) = number(&value, 0) else {
        return Err(QueryError::Value { name: "n", seen: value, allowed: "0 or more" });
    };
    draft.query.backlog = backlog;
    Ok(())
}
