//! What a question asks of a record.

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
    regex: Option<Regex>,
    /// One bit a level.
    levels: u16,
    from: Wall,
    to: Wall,
    source: Option<Vec<u8>>,
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
    /// The text says nothing that could be looked for: each record is matched.
    Records,
}

/// A bit for each level.
const ALL_LEVELS: u16 = (1 << Level::COUNT) - 1;

impl Default for Filter {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            regex: None,
            levels: ALL_LEVELS,
            from: 0,
            to: Wall::MAX,
            source: None,
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

    /// Asks for records received at `from` or later.
    pub fn from(&mut self, from: Wall) {
        self.from = from;
    }

    /// Asks for records received at `to` or earlier.
    pub fn to(&mut self, to: Wall) {
        self.to = to;
    }

    /// The range of receive times asked for, both ends included.
    pub fn times(&self) -> (Wall, Wall) {
        (self.from, self.to)
    }

    /// Asks for records whose sender is `host`.
    pub fn source(&mut self, host: &[u8]) {
        self.source = Some(host.to_vec());
    }

    /// Whether a record with this text, level, receive time and labels meets every condition.
    /// Takes as long as it takes; [`super::Cursor`] does the same in bounded steps.
    pub fn matches(&mut self, text: &[u8], level: Level, received_ns: Wall, labels: &[u8]) -> bool {
        self.meets_slot(level, received_ns)
            && self.meets_source(labels)
            && self.step_text(text, Lead::Records, &mut Budget::unbounded()) == Some(true)
    }

    /// Whether the text matters.
    pub(super) fn has_text(&self) -> bool {
        !self.groups.is_empty() || self.regex.is_some()
    }

    /// Whether who sent it matters.
    pub(super) fn has_source(&self) -> bool {
        self.source.is_some()
    }

    pub(super) fn meets_slot(&self, level: Level, received_ns: Wall) -> bool {
        self.levels & bit(level) != 0 && self.from <= received_ns && received_ns <= self.to
    }

    pub(super) fn meets_source(&self, labels: &[u8]) -> bool {
        let Some(source) = &self.source else { return true };
        super::label(labels, b"host") == Some(source)
    }

    /// Whether `text` meets the conditions on the text; `None` when the budget was spent first, and
    /// then the same record must be asked about next. What has `found` the record is known to lie
    /// in it, and is not looked for again.
    pub(super) fn step_text(
        &mut self,
        text: &[u8],
        found: Lead,
        budget: &mut Budget,
    ) -> Option<bool> {
        for (index, group) in self.groups.iter().enumerate() {
            if found != Lead::Group(index) && !group.iter().any(|n| n.find(text).is_some()) {
                return Some(false);
            }
        }
        match &mut self.regex {
            Some(regex) if found == Lead::Hint && regex.is_literal() => Some(true),
            Some(regex) => regex.step(text, budget),
            None => Some(true),
        }
    }

    /// Forgets a record that was interrupted.
    pub(super) fn reset(&mut self) {
        if let Some(regex) = &mut self.regex {
            regex.reset();
        }
    }

    /// The rarest thing to look for.
    pub(super) fn lead(&self) -> Lead {
        let group = (0..self.groups.len())
            .map(|index| {
                let frequencies = self.groups[index].iter().map(Needle::frequency);
                (frequencies.max().unwrap_or(0), Lead::Group(index))
            })
            .min_by_key(|(frequency, _)| *frequency);
        let hint = self.regex.as_ref().map(|regex| match regex.hint() {
            Hint::Literal(needle) => (needle.frequency(), Lead::Hint),
            Hint::Set(_) => (SET_FREQUENCY, Lead::Hint),
            Hint::None => (u32::MAX, Lead::Records),
        });
        match (group, hint) {
            (None, None) => Lead::Slots,
            (Some((frequency, lead)), Some((other, hint))) => {
                if other < frequency {
                    hint
                } else {
                    lead
                }
            }
            (Some((_, lead)), None) | (None, Some((_, lead))) => lead,
        }
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
        if is_inside && !self.has_text() && !self.has_source() {
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

fn bit(level: Level) -> u16 {
    1 << level as u8
}
