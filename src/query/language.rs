//! The parameters of QUERY and TAIL: `name=value`, one row of a table each.

mod parameters;
mod search;
mod table;

pub use parameters::Parameters;
pub use search::quote;

use super::Query;
use super::condition::{Comparison, Subject};
use super::error::QueryError;
use super::time::{Moment, TimeContext};
use crate::message::fields::METADATA;
use table::Parameter;

/// The labels that streams have wherever they come from; the names of METADATA are as good.
const LABELS: [&str; 4] = ["host", "app", "facility", "transport"];

/// What a condition on a field of the line begins with.
const FIELD: &[u8] = b"field.";

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
    let mut parameters = Parameters::new(is_tail, context);
    parameters.line(text)?;
    parameters.finish()
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

    /// The name where it is not one of a field.
    fn bare(&self) -> Result<Option<&'a [u8]>, QueryError> {
        match &self.name {
            Spelled::Field(name) if name.is_empty() => Err(QueryError::Nameless),
            Spelled::Field(_) => Ok(None),
            Spelled::Bare(name) => Ok(Some(name)),
        }
    }

    /// The name of the field; empty where it is not one of a field.
    fn field(&self) -> &[u8] {
        if let Spelled::Field(name) = &self.name { name } else { b"" }
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

/// The names of parameters and of the labels that there always are, as errors list them.
fn names<'a>(parameters: impl Iterator<Item = &'a str>) -> String {
    parameters.chain(LABELS).collect::<Vec<_>>().join(", ")
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
