//! The parameters of QUERY and TAIL: `name=value`, one row of a table each.

use super::condition::{Comparison, Condition, Subject};
use super::error::QueryError;
use super::regex::Regex;
use super::time::{Moment, TimeContext};
use super::{Format, Order, Query, Stamp};
use crate::level::Level;
use crate::limits::{CONDITION_BYTES_MAX, CONDITION_PATTERNS_MAX, CONDITIONS_MAX, KEYWORDS_MAX};
use crate::message::fields::METADATA;
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

const EQUAL: &[Comparison] = &[Comparison::Equal];
const ORDER: &[Comparison] = &[
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Above,
    Comparison::AtLeast,
    Comparison::Below,
    Comparison::AtMost,
];

/// The labels that streams have wherever they come from; the names of METADATA are as good.
const LABELS: [&str; 4] = ["host", "app", "facility", "transport"];

/// What a condition on a field of the line begins with.
const FIELD: &[u8] = b"field.";

/// Every parameter, in the order in which errors list them.
const PARAMETERS: &[Parameter] = &[
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
    row("n", "n", Place::Tail, EQUAL, backlog),
];

/// Parameters that may be given several times: a record must meet each.
const REPEATABLE: [&str; 2] = ["!keyword", "level"];

/// A query whose parameters are still being read.
struct Draft<'a> {
    context: &'a TimeContext<'a>,
    query: Query,
    keywords: Vec<Vec<u8>>,
    wants_any: Option<bool>,
    from: Option<(Moment, Vec<u8>)>,
    to: Option<(Moment, Vec<u8>)>,
    conditions: usize,
    patterns: usize,
    /// How many times `!keyword=` was given.
    unwanted: usize,
}

/// What a word asks for.
enum Name {
    Parameter(&'static Parameter),
    Condition(Subject, Vec<u8>),
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
        conditions: 0,
        patterns: 0,
        unwanted: 0,
    };
    let mut given: Vec<&'static str> = Vec::new();
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        let (name, comparison, after) = name(rest, is_tail, context)?;
        let (value, after) = word(after, rest)?;
        match name {
            Name::Parameter(parameter)
                if given.contains(&parameter.group) && !REPEATABLE.contains(&parameter.group) =>
            {
                return Err(QueryError::Repeated(parameter.name));
            }
            Name::Parameter(parameter) => {
                given.push(parameter.group);
                (parameter.apply)(&mut draft, comparison, value)?;
            }
            Name::Condition(subject, name) => {
                draft.condition(subject, &name, comparison, &value)?
            }
        }
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

/// A name and a comparison as they are written.
struct Spelling<'a> {
    name: Spelled<'a>,
    comparison: Comparison,
    /// How the comparison is written.
    shown: &'static str,
    /// What stands behind it.
    rest: &'a [u8],
}

enum Spelled<'a> {
    /// `field.` and a name, which is this.
    Field(Vec<u8>),
    /// The name of a parameter or a label, or what looks like one.
    Bare(&'a [u8]),
}

impl<'a> Spelling<'a> {
    /// Reads `name=`, `!name=` or `field."a name">=`.
    fn read(text: &'a [u8]) -> Result<Self, QueryError> {
        let word_bytes = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let no_parameter = || QueryError::NotAParameter(text[..word_bytes].to_vec());
        let (name, rest) = if text.get(..FIELD.len()).is_some_and(is_field) {
            let (name, rest) = field_name(&text[FIELD.len()..], text)?;
            (Spelled::Field(name), rest)
        } else {
            let is_name =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
            let negation_bytes = usize::from(text.first() == Some(&b'!'));
            let name_bytes = text[negation_bytes..].iter().take_while(|byte| is_name(byte)).count();
            let (name, rest) = text.split_at(negation_bytes + name_bytes);
            (Spelled::Bare(name), rest)
        };
        let (comparison, shown, rest) = comparison(rest).ok_or_else(no_parameter)?;
        Ok(Self { name, comparison, shown, rest })
    }
}

fn is_field(start: &[u8]) -> bool {
    start.eq_ignore_ascii_case(FIELD)
}

/// The bytes of the name and the comparison that `word` begins with, whether there is a parameter
/// of that name or not; `None` where it has none, and is a word to look for.
pub fn parameter_bytes(word: &[u8]) -> Option<usize> {
    let spelling = Spelling::read(word).ok()?;
    let is_named = match spelling.name {
        Spelled::Field(_) => true,
        Spelled::Bare(name) => !matches!(name, b"" | b"!"),
    };
    is_named.then_some(word.len() - spelling.rest.len())
}

/// Reads a name and a comparison.
fn name<'a>(
    text: &'a [u8],
    is_tail: bool,
    context: &TimeContext<'_>,
) -> Result<(Name, Comparison, &'a [u8]), QueryError> {
    let Spelling { name, comparison, shown, rest } = Spelling::read(text)?;
    let seen = match name {
        Spelled::Field(name) if name.is_empty() => return Err(QueryError::Nameless),
        Spelled::Field(name) => {
            return Ok((Name::Condition(Subject::Field, name), comparison, rest));
        }
        Spelled::Bare(name) => name,
    };
    let place = if is_tail { Place::Tail } else { Place::Query };
    let mut allowed =
        PARAMETERS.iter().filter(|row| row.place == Place::Both || row.place == place);
    let Some(row) = allowed.clone().find(|row| row.name.as_bytes().eq_ignore_ascii_case(seen))
    else {
        if let Some(label) = label_name(seen, context) {
            return Ok((Name::Condition(Subject::Label, label), comparison, rest));
        }
        let names: Vec<_> = allowed.by_ref().map(|row| row.name).chain(LABELS).collect();
        let allowed = names.join(", ");
        return Err(QueryError::UnknownParameter { seen: seen.to_vec(), allowed });
    };
    if row.comparisons.contains(&comparison) {
        return Ok((Name::Parameter(row), comparison, rest));
    }
    let allowed = if row.comparisons.len() > 1 { "=, !=, >, >=, <, <=" } else { "=" };
    Err(QueryError::Comparison { name: row.name, seen: shown, allowed })
}

/// The label that a bare name means, if any: those there always are and metadata in any case.
fn label_name(seen: &[u8], context: &TimeContext<'_>) -> Option<Vec<u8>> {
    if let Some(name) = known_label(seen) {
        return Some(name.to_vec());
    }
    (!seen.is_empty() && (context.has_label)(seen)).then(|| seen.to_vec())
}

/// The label, or what a header says, of which `seen` is the name in any case: of those that there
/// always are.
pub(crate) fn known_label(seen: &[u8]) -> Option<&'static [u8]> {
    let mut names = LABELS.iter().map(|name| name.as_bytes()).chain(METADATA);
    names.find(|name| name.eq_ignore_ascii_case(seen))
}

/// Reads the name of a field, which a comparison ends, or one in quotes.
fn field_name<'a>(text: &'a [u8], whole: &[u8]) -> Result<(Vec<u8>, &'a [u8]), QueryError> {
    if text.first() == Some(&b'"') {
        return quoted(text).ok_or_else(|| QueryError::Quote(whole.to_vec()));
    }
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"=!<>~".contains(byte);
    let (name, rest) = text.split_at(text.iter().position(is_end).unwrap_or(text.len()));
    Ok((name.to_vec(), rest))
}

/// Reads a comparison: what it is, how it is written, and what follows.
fn comparison(text: &[u8]) -> Option<(Comparison, &'static str, &[u8])> {
    Some(match text {
        [b'=', rest @ ..] => (Comparison::Equal, "=", rest),
        [b'>', b'=', rest @ ..] => (Comparison::AtLeast, ">=", rest),
        [b'<', b'=', rest @ ..] => (Comparison::AtMost, "<=", rest),
        [b'!', b'=', rest @ ..] => (Comparison::NotEqual, "!=", rest),
        [b'!', b'~', rest @ ..] => (Comparison::MatchesNot, "!~", rest),
        [b'>', rest @ ..] => (Comparison::Above, ">", rest),
        [b'<', rest @ ..] => (Comparison::Below, "<", rest),
        [b'~', rest @ ..] => (Comparison::Matches, "~", rest),
        _ => return None,
    })
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

    fn condition(
        &mut self,
        subject: Subject,
        name: &[u8],
        comparison: Comparison,
        value: &[u8],
    ) -> Result<(), QueryError> {
        self.conditions += 1;
        if self.conditions > CONDITIONS_MAX {
            return Err(QueryError::Conditions);
        }
        if let Some(long) = [name, value].iter().find(|text| text.len() > CONDITION_BYTES_MAX) {
            return Err(QueryError::LongCondition { bytes: long.len() });
        }
        let is_pattern = matches!(comparison, Comparison::Matches | Comparison::MatchesNot);
        // No stream has an empty label, and an empty pattern asks nothing.
        if value.is_empty() && (is_pattern || subject == Subject::Label) {
            return Err(QueryError::Valueless { name: name.to_vec() });
        }
        self.query.filter.condition(if is_pattern {
            self.patterns += 1;
            if self.patterns > CONDITION_PATTERNS_MAX {
                return Err(QueryError::Patterns);
            }
            let is_negative = comparison == Comparison::MatchesNot;
            Condition::matches(subject, name, Regex::new(value)?, is_negative)
        } else {
            Condition::compare(subject, name, comparison, value)
        });
        Ok(())
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

fn without(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
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
    draft.query.filter.levels(|level| comparison.accepts(level.cmp(&wanted)));
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
        b"time" => Order::Time,
        _ => {
            let allowed = "asc, desc, time";
            return Err(QueryError::Value { name: "order", seen: value, allowed });
        }
    };
    Ok(())
}

fn stamp(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
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

fn format(draft: &mut Draft<'_>, _: Comparison, value: Vec<u8>) -> Applied {
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
