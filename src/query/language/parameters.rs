//! The parameters of one question, taken in one after the other, and the query they become.

use super::table::{ASIDE, PARAMETERS, Parameter, Place, REPEATABLE};
use super::{Name, Spelling, names, range, word};
use crate::limits::{CONDITION_BYTES_MAX, CONDITION_PATTERNS_MAX, CONDITIONS_MAX};
use crate::query::condition::{Comparison, Condition, Subject};
use crate::query::error::QueryError;
use crate::query::regex::Regex;
use crate::query::time::{Moment, TimeContext};
use crate::query::{Format, Query, Stamp};

/// A question whose parameters are still being read.
pub struct Parameters<'a> {
    context: &'a TimeContext<'a>,
    is_tail: bool,
    pub(super) query: Query,
    pub(super) keywords: Vec<Vec<u8>>,
    pub(super) wants_any: Option<bool>,
    pub(super) from: Option<(Moment, Vec<u8>)>,
    pub(super) to: Option<(Moment, Vec<u8>)>,
    conditions: usize,
    patterns: usize,
    /// How many times `!keyword=` was given.
    pub(super) unwanted: usize,
    /// How many bare words were given.
    pub(super) bare_words: usize,
    /// The groups of the parameters so far.
    given: Vec<&'static str>,
    /// What a record must meet, each condition spelled in one way only.
    spelled: Vec<Vec<u8>>,
}

impl<'a> Parameters<'a> {
    /// The parameters of a QUERY, or of a TAIL where `is_tail`; none so far.
    pub fn new(is_tail: bool, context: &'a TimeContext<'a>) -> Self {
        Self {
            context,
            is_tail,
            query: Query::default(),
            keywords: Vec::new(),
            wants_any: None,
            from: None,
            to: None,
            conditions: 0,
            patterns: 0,
            unwanted: 0,
            bare_words: 0,
            given: Vec::new(),
            spelled: Vec::new(),
        }
    }

    /// Takes in one that stands alone: a name, a comparison and behind it the value, which is all
    /// of the rest, whatever bytes it has.
    ///
    /// # Errors
    /// What is wrong with it; see [`QueryError`].
    pub fn pair(&mut self, spelled: &[u8]) -> Result<(), QueryError> {
        let spelling = Spelling::read(spelled)?;
        self.put(&spelling, spelling.rest.to_vec())
    }

    /// Whether one of this group was given: `since` of `since=` and `time_from=`.
    pub fn has(&self, group: &str) -> bool {
        self.given.contains(&group)
    }

    /// Answers in this format, whichever was given.
    pub fn set_format(&mut self, format: Format) {
        self.query.format = format;
    }

    /// The query, once all are taken in.
    ///
    /// # Errors
    /// Parameters that do not go together; see [`QueryError`].
    pub fn finish(mut self) -> Result<Query, QueryError> {
        if self.has("after") && self.has("n") {
            return Err(QueryError::Exclusive("after=", "n="));
        }
        match (self.keywords.is_empty(), self.wants_any) {
            (true, Some(_)) => return Err(QueryError::OperatorAlone),
            (false, Some(true)) => self.query.filter.any_keyword(&self.keywords),
            _ => self.keywords.iter().for_each(|text| self.query.filter.keyword(text)),
        }
        if self.is_tail {
            self.query.likeness = self.likeness();
        }
        range(self.query, self.from, self.to)
    }

    /// Reads the words of a line.
    pub(super) fn line(&mut self, text: &[u8]) -> Result<(), QueryError> {
        let mut rest = text.trim_ascii();
        while !rest.is_empty() {
            let spelling = Spelling::read(rest)?;
            // A name that there is not is said before a value that cannot be read.
            self.name(&spelling)?;
            let (value, after) = word(spelling.rest, rest)?;
            self.put(&spelling, value)?;
            rest = after.trim_ascii_start();
        }
        Ok(())
    }

    /// Whether there is something of this name that has the comparison.
    pub(super) fn knows(&self, spelling: &Spelling<'_>) -> bool {
        self.name(spelling).is_ok()
    }

    fn name(&self, spelling: &Spelling<'_>) -> Result<Name, QueryError> {
        let place = if self.is_tail { Place::Tail } else { Place::Query };
        let allowed =
            || PARAMETERS.iter().filter(move |row| row.place == Place::Both || row.place == place);
        let Some(seen) = spelling.bare()? else {
            return Ok(Name::Condition(Subject::Field, spelling.field().to_vec()));
        };
        let is_it = |row: &&Parameter| row.name.as_bytes().eq_ignore_ascii_case(seen);
        let Some(row) = allowed().find(is_it) else {
            if let Some(label) = super::label_name(seen, self.context) {
                return Ok(Name::Condition(Subject::Label, label));
            }
            let allowed = names(allowed().map(|row| row.name));
            return Err(QueryError::UnknownParameter { seen: seen.to_vec(), allowed });
        };
        if row.comparisons.contains(&spelling.comparison) {
            return Ok(Name::Parameter(row));
        }
        let allowed = if row.comparisons.len() > 1 { "=, !=, >, >=, <, <=" } else { "=" };
        Err(QueryError::Comparison { name: row.name, seen: spelling.shown, allowed })
    }

    /// Takes in a parameter or a condition with its value.
    pub(super) fn put(
        &mut self,
        spelling: &Spelling<'_>,
        value: Vec<u8>,
    ) -> Result<(), QueryError> {
        let (shown, comparison) = (spelling.shown, spelling.comparison);
        match self.name(spelling)? {
            Name::Parameter(row)
                if self.given.contains(&row.group) && !REPEATABLE.contains(&row.group) =>
            {
                Err(QueryError::Repeated(row.name))
            }
            Name::Parameter(row) => {
                self.given.push(row.group);
                if !ASIDE.contains(&row.group) {
                    self.spell([b"p", row.group.as_bytes(), shown.as_bytes(), &value]);
                }
                (row.apply)(self, comparison, value)
            }
            Name::Condition(subject, name) => {
                let kind: &[u8] = if subject == Subject::Field { b"f" } else { b"l" };
                self.spell([kind, &name, shown.as_bytes(), &value]);
                self.condition(subject, &name, comparison, &value)
            }
        }
    }

    /// Asks for `text`, which was given without a name.
    pub(super) fn bare_word(&mut self, text: &[u8]) {
        self.spell([b"p", b"keyword", b"=", text]);
        self.query.filter.keyword(text);
    }

    /// Notes a condition, each part behind its length, so that no two are spelled alike.
    fn spell(&mut self, parts: [&[u8]; 4]) {
        if self.is_tail {
            let length = |part: &[u8]| (part.len() as u64).to_le_bytes();
            let part = |part: &&[u8]| [&length(part)[..], part].concat();
            self.spelled.push(parts.iter().flat_map(part).collect());
        }
    }

    /// See [`Query::likeness`].
    fn likeness(&mut self) -> Vec<u8> {
        self.spelled.sort_unstable();
        self.spelled.dedup();
        let is_event = self.query.stamp == Stamp::Event;
        let mut likeness = vec![self.query.format as u8, u8::from(is_event)];
        likeness.extend(self.spelled.iter().flatten());
        likeness
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

    pub(super) fn moment(&self, value: Vec<u8>) -> Result<Option<(Moment, Vec<u8>)>, QueryError> {
        let text = std::str::from_utf8(&value).unwrap_or("");
        match Moment::parse(text, self.context) {
            Some(moment) => Ok(Some((moment, value))),
            None => Err(QueryError::Time(value)),
        }
    }
}
