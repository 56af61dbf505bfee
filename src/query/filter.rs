//! What a question asks of a record.

use std::borrow::Cow;

use super::condition::{Comparison, Condition, Subject};
use super::needle::Needle;
use super::regex::{Budget, Hint, Regex};
use crate::clock::Wall;
use crate::level::Level;

/// The conditions of a question, all of which a record must meet.
///
/// A filter holds the states that its regular expression has made, so it belongs to one cursor.
#[derive(Debug)]
pub struct Filter {
    /// Each of these must be met by one of its needles.
    groups: Vec<Vec<Needle>>,
    /// None of these may be in the text.
    unwanted: Vec<Needle>,
    regex: Option<Regex>,
    /// One bit a level.
    levels: u16,
    from: Wall,
    to: Wall,
    conditions: Vec<Condition>,
    /// So many of the conditions are met by the record or stream that was interrupted.
    met: usize,
}

/// What the labels of a stream say before any text is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stream {
    /// One bit for each condition whose name is a label of the stream.
    pub named: u32,
    /// Whether a record of it can be a hit; absent where that is not known yet.
    pub is_wanted: Option<bool>,
}

/// How the records that can be hits are found in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// The question says nothing about the text: each record is looked at by its slot.
    Slots,
    /// The needles of this group are looked for.
    Group(usize),
    /// What the regular expression must hold is looked for.
    Hint,
    /// What a text that meets this condition must hold is looked for.
    Field(usize),
    /// The text says nothing that could be looked for: each record is matched.
    Records,
}

/// Who sent a record.
pub(super) struct Sender<'a> {
    /// As [`Stream::named`].
    pub named: u32,
    /// The labels, looked up where they are asked for.
    pub labels: &'a dyn Fn() -> &'a [u8],
}

/// A bit for each level.
const ALL_LEVELS: u16 = (1 << Level::COUNT) - 1;

impl Default for Filter {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            unwanted: Vec::new(),
            regex: None,
            levels: ALL_LEVELS,
            from: 0,
            to: Wall::MAX,
            conditions: Vec::new(),
            met: 0,
        }
    }
}

impl Filter {
    /// Asks for records that hold `text`, in any ASCII case.
    pub fn keyword(&mut self, text: &[u8]) {
        self.groups.push(vec![Needle::fold(text)]);
    }

    /// Asks for records that hold at least one of `texts`.
    pub fn any_keyword(&mut self, texts: &[Vec<u8>]) {
        self.groups.push(texts.iter().map(|text| Needle::fold(text)).collect());
    }

    /// Asks for records that match `regex`.
    pub fn regex(&mut self, regex: Regex) {
        self.regex = Some(regex);
    }

    /// Asks for records of the levels that `wanted` says yes to.
    pub fn levels(&mut self, wanted: impl Fn(Level) -> bool) {
        let bits = Level::ALL.iter().filter(|level| wanted(**level)).map(|level| bit(*level));
        self.levels &= bits.fold(0, |all, bit| all | bit);
    }

    /// Whether records of this level are asked for.
    pub(super) fn wants_level(&self, level: Level) -> bool {
        self.levels & bit(level) != 0
    }

    /// Asks for records of the time `from` or later.
    pub fn from(&mut self, from: Wall) {
        self.from = from;
    }

    /// Asks for records of the time `to` or earlier.
    pub fn to(&mut self, to: Wall) {
        self.to = to;
    }

    /// The range of times asked for, both ends included.
    pub fn times(&self) -> (Wall, Wall) {
        (self.from, self.to)
    }

    /// Asks for records that do not hold `text`, in any ASCII case.
    pub fn without(&mut self, text: &[u8]) {
        self.unwanted.push(Needle::fold(text));
    }

    /// Asks for records whose sender is `host`.
    pub fn source(&mut self, host: &[u8]) {
        let host = Condition::compare(Subject::Label, b"host", Comparison::Equal, host);
        self.condition(host);
    }

    /// Asks for records that meet `condition`.
    pub(super) fn condition(&mut self, condition: Condition) {
        self.conditions.push(condition);
    }

    /// Whether a record with this text, level, time (the one that the query's `stamp` names) and
    /// labels meets every condition. Takes as long as it takes; [`super::Cursor`] does the same in
    /// bounded steps.
    pub fn matches(&mut self, text: &[u8], level: Level, time: Wall, labels: &[u8]) -> bool {
        let mut budget = Budget::unbounded();
        if !self.meets_slot(level, time) || self.step_stream(labels, &mut budget) != Some(true) {
            return false;
        }
        let sender = Sender { named: self.named(labels), labels: &|| labels };
        self.step_text(text, Lead::Records, &sender, &mut budget) == Some(true)
    }

    /// Bytes that its patterns and their states hold.
    pub(super) fn regex_bytes(&self) -> usize {
        let own = self.regex.as_ref().map_or(0, Regex::memory_bytes);
        own + self.conditions.iter().map(Condition::regex_bytes).sum::<usize>()
    }

    /// Whether the text matters, whoever sent it.
    pub(super) fn has_text(&self) -> bool {
        !self.groups.is_empty()
            || !self.unwanted.is_empty()
            || self.regex.is_some()
            || self.conditions.iter().any(Condition::is_about_field)
    }

    /// Whether who sent it matters.
    pub(super) fn has_conditions(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Whether the text of a record matters whose stream has the labels of the bits in `named`.
    pub(super) fn needs_text(&self, named: u32) -> bool {
        self.has_text() || (0..self.conditions.len()).any(|index| self.asks_header(index, named))
    }

    /// Whether the header of a record says whether it meets condition `index`.
    fn asks_header(&self, index: usize, named: u32) -> bool {
        let condition = &self.conditions[index];
        named & 1 << index == 0 && !condition.is_about_field() && condition.is_about_metadata()
    }

    pub(super) fn meets_slot(&self, level: Level, time: Wall) -> bool {
        self.levels & bit(level) != 0 && self.from <= time && time <= self.to
    }

    /// The bits of the conditions whose names are among `labels`.
    pub(super) fn named(&self, labels: &[u8]) -> u32 {
        let names = self.conditions.iter().map(Condition::name);
        let is_label = |name: &[u8]| super::label(labels, name).is_some();
        names.enumerate().fold(0, |bits, (at, name)| bits | u32::from(is_label(name)) << at)
    }

    /// Whether records of a stream with `labels` can be hits; `None` when the budget was spent
    /// first, and then the same stream must be asked about next.
    pub(super) fn step_stream(&mut self, labels: &[u8], budget: &mut Budget) -> Option<bool> {
        while let Some(condition) = self.conditions.get_mut(self.met) {
            let value = super::label(labels, condition.name());
            let is_of_text =
                condition.is_about_field() || (value.is_none() && condition.is_about_metadata());
            if !is_of_text {
                let meets = match condition.is_paused() {
                    true => condition.step_on(budget),
                    false => condition.step(value.map(Cow::Borrowed), budget),
                };
                if !meets? {
                    self.met = 0;
                    return Some(false);
                }
            }
            self.met += 1;
        }
        self.met = 0;
        Some(true)
    }

    /// Whether `text` meets the conditions on the text; `None` when the budget was spent first, and
    /// then the same record must be asked about next. What has `found` the record is known to lie
    /// in it, and is not looked for again.
    pub(super) fn step_text(
        &mut self,
        text: &[u8],
        found: Lead,
        sender: &Sender<'_>,
        budget: &mut Budget,
    ) -> Option<bool> {
        for (index, group) in self.groups.iter().enumerate() {
            if found != Lead::Group(index) && !group.iter().any(|n| n.find(text).is_some()) {
                return Some(false);
            }
        }
        if self.unwanted.iter().any(|needle| needle.find(text).is_some()) {
            return Some(false);
        }
        if !self.conditions.is_empty() && !self.step_conditions(text, sender, budget)? {
            self.met = 0;
            return Some(false);
        }
        let meets = match &mut self.regex {
            Some(regex) if found == Lead::Hint && regex.is_literal() => Some(true),
            Some(regex) => regex.step(text, budget),
            None => Some(true),
        };
        self.met = if meets.is_none() { self.conditions.len() } else { 0 };
        meets
    }

    /// The conditions that a text decides on.
    fn step_conditions(
        &mut self,
        text: &[u8],
        sender: &Sender<'_>,
        budget: &mut Budget,
    ) -> Option<bool> {
        let is_new = self.met == 0 && !self.conditions.iter().any(Condition::is_paused);
        if is_new && !self.is_likely(text, sender, budget) {
            return Some(false);
        }
        while self.met < self.conditions.len() {
            let asks_header = self.asks_header(self.met, sender.named);
            let condition = &mut self.conditions[self.met];
            let is_label = sender.named & 1 << self.met != 0;
            let meets = if condition.is_paused() {
                condition.step_on(budget)
            } else if asks_header {
                let value = condition.metadata(text, budget);
                condition.step(value, budget)
            } else if condition.is_about_field() {
                let value = if !is_label && condition.has_no_key(text, budget) {
                    None
                } else {
                    condition.field(text, budget)
                };
                let label = || super::label((sender.labels)(), condition.name()).map(Cow::Borrowed);
                let value = value.or_else(|| if is_label { label() } else { None });
                condition.step(value, budget)
            } else {
                Some(true)
            };
            if !meets? {
                return Some(false);
            }
            self.met += 1;
            if budget.is_spent() && self.met < self.conditions.len() {
                return None;
            }
        }
        Some(true)
    }

    /// Whether no condition rules the record out at a glance.
    fn is_likely(&self, text: &[u8], sender: &Sender<'_>, budget: &mut Budget) -> bool {
        let mut conditions = self.conditions.iter().enumerate();
        conditions.all(|(index, condition)| {
            condition.is_negative()
                || sender.named & 1 << index != 0
                || !condition.rules_out(text, budget)
        })
    }

    /// Forgets a record that was interrupted.
    pub(super) fn reset(&mut self) {
        if let Some(regex) = &mut self.regex {
            regex.reset();
        }
        self.conditions.iter_mut().for_each(Condition::reset);
        self.met = 0;
    }

    /// The rarest thing to look for in a window whose streams have the labels of the bits in
    /// `named`: such a label stands for the field in a text that does not have it.
    pub(super) fn lead(&self, named: u32) -> Lead {
        let groups = self.groups.iter().enumerate();
        let groups = groups.map(|(index, group)| (frequency(group), Lead::Group(index)));
        let hint = self.regex.as_ref().and_then(|regex| match regex.hint() {
            Hint::Literal(needle) => Some((needle.frequency(), Lead::Hint)),
            Hint::Set(_) => Some((SET_FREQUENCY, Lead::Hint)),
            Hint::None => None,
        });
        let fields = self.conditions.iter().enumerate().filter_map(|(index, condition)| {
            let leads = condition.leads();
            let penalty = if condition.leads_by_key() { KEY_FREQUENCY } else { 0 };
            let is_usable = !leads.is_empty() && named & 1 << index == 0;
            is_usable.then(|| (frequency(&leads[..1]) + penalty, Lead::Field(index)))
        });
        let rarest = groups.chain(hint).chain(fields).min_by_key(|(frequency, _)| *frequency);
        match rarest {
            Some((_, lead)) => lead,
            None if self.has_text() => Lead::Records,
            None => Lead::Slots,
        }
    }

    /// What is looked for where condition `index` leads.
    pub(super) fn field_leads(&self, index: usize) -> &[Needle] {
        self.conditions.get(index).map_or(&[], Condition::leads)
    }

    pub(super) fn group(&self, index: usize) -> &[Needle] {
        self.groups.get(index).map_or(&[], Vec::as_slice)
    }

    pub(super) fn hint(&self) -> Option<&Hint> {
        self.regex.as_ref().map(Regex::hint)
    }

    /// What the numbers of a whole block say: `levels` counts its records by level, the times are
    /// its least and greatest.
    pub(super) fn weigh(&self, levels: &[u32; Level::COUNT], min: Wall, max: Wall) -> Weight {
        let count = |keep: bool| -> u64 {
            let of = |level: &Level| (self.levels & bit(*level) != 0) == keep;
            let counts = Level::ALL.iter().zip(levels).filter(|(level, _)| of(level));
            counts.map(|(_, count)| u64::from(*count)).sum()
        };
        let wanted = count(true);
        if wanted == 0 || max < self.from || self.to < min {
            return Weight::None;
        }
        let is_inside = self.from <= min && max <= self.to;
        if is_inside && !self.has_text() && !self.has_conditions() {
            return Weight::Exactly(wanted);
        }
        Weight::Unknown
    }
}

/// How many records of a block are hits, as far as its summary tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    None,
    Exactly(u64),
    Unknown,
}

/// Where a set of literals stands among needles: behind any needle with a rare byte.
const SET_FREQUENCY: u32 = 400;

/// How much more frequent a key is than its bytes say: many a sender has it in every line.
const KEY_FREQUENCY: u32 = 300;

/// The most frequent of `needles`.
fn frequency(needles: &[Needle]) -> u32 {
    needles.iter().map(Needle::frequency).max().unwrap_or(0)
}

fn bit(level: Level) -> u16 {
    1 << level as u8
}
