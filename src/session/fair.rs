//! So many lines a second from each sender: what is beyond is held back, counted, and told.
//!
//! Each sender has a token bucket for each of five pools of levels, so that a flood of debug lines
//! leaves its errors alone. A line is asked about first ([`Fair::check`]) and counted when it is
//! stored or dropped ([`Fair::commit`]): one that the segment had no room for comes again.
//!
//! What was held back of a flood is told a second after it began, then every 30 s, and when it is
//! over or its sender forgotten, as a record that [`Fair::due`] hands out.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use super::labels::cut_at;
use super::sources::{Place, SourceKey, Sources, Sweep};
use crate::clock::{MS, Mono, SECOND};
use crate::level::Level;
use crate::limits::{
    FLOOD_FIRST_MS, FLOOD_OVER_MS, FLOOD_REPORT_MS, FORGOTTEN_FLOODS_MAX, SOURCE_NAME_BYTES_MAX,
    SOURCES_MAX,
};
use crate::metrics::Metrics;

/// The pools by name, least severe first.
const POOLS: [&str; 5] = ["debug", "info", "notice", "warning", "error"];

/// The pool of each level. A line that does not say its level is an ordinary one.
const POOL_OF: [u8; Level::COUNT] = [1, 0, 0, 1, 2, 3, 4, 4, 4, 4];

/// The pool that requests of many lines are counted in.
const ORDINARY: usize = 1;

/// The longest that a sender waits after one request, however large that was.
const DEBT_NS_MAX: u64 = 60 * SECOND;

/// The name under which senders are told of that nobody remembers.
const OTHERS: &[u8] = b"other sources";

/// What a line costs; a bucket gains as many of these units a nanosecond as it allows lines a
/// second.
const LINE_UNITS: u64 = SECOND;

/// How much each bucket holds and gains.
#[derive(Clone, Copy, Debug)]
struct Limit {
    lines_per_second: u64,
    /// Units in a full bucket.
    full: u64,
    /// The most units that may be missing: a request of many lines takes them at once.
    debt_max: u64,
}

/// One sender's lines of one pool.
#[derive(Debug, Default)]
struct Pool {
    /// Units missing from the bucket at `at`.
    spent: u64,
    at: Mono,
    flood: Flood,
}

/// What was held back and is not told yet.
#[derive(Clone, Copy, Debug, Default)]
struct Flood {
    lines: u64,
    /// When counting them began.
    since: Mono,
    /// When the last of them came.
    last: Mono,
    /// This flood was told of before.
    is_told: bool,
}

#[derive(Debug, Default)]
struct Source {
    pools: [Pool; POOLS.len()],
    name: Name,
}

/// A sender's name, cut.
#[derive(Clone, Copy, Debug)]
struct Name {
    bytes: [u8; SOURCE_NAME_BYTES_MAX],
    count: u8,
}

/// A flood of a sender that was forgotten.
#[derive(Clone, Copy, Debug)]
struct Forgotten {
    name: Name,
    pool: u8,
    flood: Flood,
}

/// The limits, and everybody they have been applied to.
#[derive(Debug)]
pub struct Fair {
    /// `None` = everything passes.
    limit: Option<Limit>,
    sources: Sources<Source>,
    sweep: Sweep,
    forgotten: VecDeque<Forgotten>,
    /// What the list of the forgotten has no place for, by pool.
    others: [Flood; POOLS.len()],
}

/// What is to become of a line.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// It is stored.
    Pass(Ticket),
    /// It is dropped.
    Hold(Ticket),
}

/// A line that was asked about.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    source: SourceKey,
    pool: u8,
    is_held: bool,
    now: Mono,
}

/// What was held back, to be told in a record of logcaster's own.
#[derive(Clone, Copy, Debug)]
pub struct Suppressed {
    teller: Teller,
    name: Name,
    pool: u8,
    lines: u64,
    seconds: u64,
}

/// Where a report comes from.
#[derive(Clone, Copy, Debug)]
enum Teller {
    Source(Place, Mono),
    Forgotten,
    Others,
}

impl Suppressed {
    /// The level that the record has.
    pub const LEVEL: Level = Level::Warning;

    /// Appends the record's text.
    pub fn text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("suppressed {} lines from ", self.lines).as_bytes());
        out.extend_from_slice(&self.name.bytes[..usize::from(self.name.count)]);
        let (pool, seconds) = (POOLS[usize::from(self.pool)], self.seconds);
        out.extend_from_slice(format!(" ({pool}) in {seconds}s").as_bytes());
    }
}

impl Limit {
    fn new(lines_per_second: u32, burst: u32) -> Self {
        let rate = u64::from(lines_per_second.max(1));
        let full = u64::from(burst.max(1)) * LINE_UNITS;
        let debt_max = full.saturating_add(rate.saturating_mul(DEBT_NS_MAX));
        Self { lines_per_second: rate, full, debt_max }
    }

    /// Units missing from a bucket of `pool` at `now`.
    #[inline]
    fn spent(&self, pool: &Pool, now: Mono) -> u64 {
        let gained = now.saturating_sub(pool.at).saturating_mul(self.lines_per_second);
        pool.spent.saturating_sub(gained)
    }
}

impl Name {
    fn of(text: &[u8]) -> Self {
        let text = cut_at(text, SOURCE_NAME_BYTES_MAX);
        let mut bytes = [0; SOURCE_NAME_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Self { bytes, count: text.len() as u8 }
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::of(b"")
    }
}

impl Flood {
    /// One more line was held back. Says when this is to be told, where that is new.
    fn add(&mut self, now: Mono) -> Option<Mono> {
        if self.lines == 0 {
            if self.is_told && now.saturating_sub(self.last) >= FLOOD_OVER_MS * MS {
                self.is_told = false;
            }
            if !self.is_told {
                self.since = now;
            }
        }
        self.lines += 1;
        self.last = now;
        (self.lines == 1).then(|| self.deadline())
    }

    /// When it is told next: soon after it began, then now and then, and once it is over.
    fn deadline(&self) -> Mono {
        match (self.lines, self.is_told) {
            (0, _) => Mono::MAX,
            (_, false) => self.since.saturating_add(FLOOD_FIRST_MS * MS),
            (_, true) => {
                let next = self.since.saturating_add(FLOOD_REPORT_MS * MS);
                next.min(self.last.saturating_add(FLOOD_OVER_MS * MS))
            }
        }
    }

    /// What is told of it at `now`.
    fn report(&self, teller: Teller, name: Name, pool: u8, now: Mono) -> Suppressed {
        // Once it is over, its silence does not count.
        let is_over = now.saturating_sub(self.last) >= FLOOD_OVER_MS * MS;
        let until = if is_over { self.last } else { now };
        let seconds = (until.saturating_sub(self.since) + SECOND / 2) / SECOND;
        Suppressed { teller, name, pool, lines: self.lines, seconds: seconds.max(1) }
    }

    /// `lines` of them were told at `now`.
    fn told(&mut self, lines: u64, now: Mono) {
        self.lines = self.lines.saturating_sub(lines);
        self.since = now;
        self.is_told = true;
    }

    /// Takes in what is left of another.
    fn merge(&mut self, other: &Self) {
        if self.lines == 0 {
            *self = *other;
            return;
        }
        self.lines += other.lines;
        self.since = self.since.min(other.since);
        self.last = self.last.max(other.last);
    }
}

impl Fair {
    /// No limit: everything passes.
    pub fn new() -> Self {
        Self {
            limit: None,
            sources: Sources::new(SOURCES_MAX),
            sweep: Sweep::default(),
            forgotten: VecDeque::new(),
            others: Default::default(),
        }
    }

    /// From now on each sender may send `lines_per_second` lines of each pool, and `burst` at once
    /// where it was silent before; `None` = no limit. What was counted stays.
    pub fn set_limit(&mut self, limit: Option<(u32, u32)>) {
        self.limit = limit.map(|(lines_per_second, burst)| Limit::new(lines_per_second, burst));
        let Some(limit) = &self.limit else { return };
        let mut number = 0;
        while let Some(place) = self.sources.nth(number) {
            for pool in &mut self.sources.get_mut(place).pools {
                pool.spent = pool.spent.min(limit.full);
            }
            number += 1;
        }
    }

    /// How many senders had lines held back less than [`FLOOD_OVER_MS`] ago, of those that are
    /// remembered.
    pub fn held_back(&self, now: Mono) -> usize {
        if self.limit.is_none() {
            return 0;
        }
        let is_flooding = |pool: &Pool| {
            let is_any = pool.flood.lines > 0 || pool.flood.is_told;
            is_any && now.saturating_sub(pool.flood.last) < FLOOD_OVER_MS * MS
        };
        let places = (0..).map_while(|number| self.sources.nth(number));
        places.filter(|place| self.sources.get(*place).pools.iter().any(is_flooding)).count()
    }

    /// Whether there is a limit. Without one nothing else needs to be asked.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.limit.is_some()
    }

    /// What is to become of a line of `level` from `source`. Changes nothing.
    #[inline]
    pub fn check(&self, source: SourceKey, level: Level, now: Mono) -> Verdict {
        let pool = POOL_OF[level as usize];
        let ticket = Ticket { source, pool, is_held: false, now };
        let Some(limit) = &self.limit else { return Verdict::Pass(ticket) };
        let Some(place) = self.sources.find(source) else { return Verdict::Pass(ticket) };
        let spent = limit.spent(&self.sources.get(place).pools[usize::from(pool)], now);
        if spent + LINE_UNITS <= limit.full {
            Verdict::Pass(ticket)
        } else {
            Verdict::Hold(Ticket { is_held: true, ..ticket })
        }
    }

    /// Counts a line that was asked about, now that it is stored or dropped. `name` is what reports
    /// call its sender; its first bytes are kept.
    #[inline]
    pub fn commit(&mut self, ticket: Ticket, name: &[u8], metrics: &mut Metrics) {
        let Some(limit) = self.limit else { return };
        let place = match self.sources.find(ticket.source) {
            Some(place) => place,
            None => self.admit(ticket.source, name, metrics),
        };
        self.sources.touch(place);
        let pool = &mut self.sources.get_mut(place).pools[usize::from(ticket.pool)];
        if !ticket.is_held {
            pool.spent = (limit.spent(pool, ticket.now) + LINE_UNITS).min(limit.full);
            pool.at = ticket.now;
            return;
        }
        metrics.suppressed += 1;
        if let Some(deadline) = pool.flood.add(ticket.now) {
            self.sweep.expect(deadline);
        }
    }

    /// Whether `source` may send a request of any number of ordinary lines, which
    /// [`Self::charge`] then counts. Changes nothing.
    ///
    /// # Errors
    /// After how many nanoseconds it may.
    pub fn admits(&self, source: SourceKey, now: Mono) -> Result<(), u64> {
        let (Some(limit), Some(place)) = (&self.limit, self.sources.find(source)) else {
            return Ok(());
        };
        let spent = limit.spent(&self.sources.get(place).pools[ORDINARY], now);
        match (spent + LINE_UNITS).checked_sub(limit.full) {
            None | Some(0) => Ok(()),
            Some(missing) => Err(missing.div_ceil(limit.lines_per_second)),
        }
    }

    /// Counts `lines` that were stored of a request of a sender, `name`: what they take beyond the
    /// bucket is a debt that has to be paid back first, of a minute at most.
    pub fn charge(
        &mut self,
        source: SourceKey,
        lines: u64,
        (name, now): (&[u8], Mono),
        metrics: &mut Metrics,
    ) {
        let Some(limit) = self.limit else { return };
        let place = match self.sources.find(source) {
            Some(place) => place,
            None => self.admit(source, name, metrics),
        };
        self.sources.touch(place);
        let pool = &mut self.sources.get_mut(place).pools[ORDINARY];
        let spent = limit.spent(pool, now).saturating_add(lines.saturating_mul(LINE_UNITS));
        pool.spent = spent.min(limit.debt_max);
        pool.at = now;
    }

    /// Takes in a new sender. What is untold of the one that it displaces is told at once.
    fn admit(&mut self, source: SourceKey, name: &[u8], metrics: &mut Metrics) -> Place {
        let (forgotten, others) = (&mut self.forgotten, &mut self.others);
        let place = self.sources.claim(source, |old| {
            metrics.sources_evicted += 1;
            for (number, pool) in old.pools.iter().enumerate().filter(|(_, p)| p.flood.lines > 0) {
                if forgotten.len() < FORGOTTEN_FLOODS_MAX {
                    let flood = pool.flood;
                    forgotten.push_back(Forgotten { name: old.name, pool: number as u8, flood });
                } else {
                    others[number].merge(&pool.flood);
                }
            }
            *old = Source::default();
        });
        self.sources.get_mut(place).name = Name::of(name);
        place
    }

    /// The next report that is due, until [`Self::reported`] is told that it was stored. No line
    /// may be committed between the two.
    pub fn due(&mut self, now: Mono) -> Option<Suppressed> {
        if let Some(report) = self.of_forgotten(now) {
            return Some(report);
        }
        let sources = &self.sources;
        self.sweep.walk(sources, now, |place| {
            let source = sources.get(place);
            let mut next = Mono::MAX;
            for (number, Pool { flood, .. }) in source.pools.iter().enumerate() {
                if flood.lines > 0 && flood.deadline() <= now {
                    let (teller, pool) = (Teller::Source(place, now), number as u8);
                    return Ok(flood.report(teller, source.name, pool, now));
                }
                next = next.min(flood.deadline());
            }
            Err(next)
        })
    }

    /// The next report of what is left untold, due or not: for the end.
    pub fn left(&mut self, now: Mono) -> Option<Suppressed> {
        let of_forgotten = self.of_forgotten(now);
        let sources = &self.sources;
        of_forgotten.or_else(|| {
            self.sweep.walk_all(sources, now, |place| {
                let source = sources.get(place);
                let is_untold = |pool: &Pool| pool.flood.lines > 0;
                let pool = source.pools.iter().position(is_untold).ok_or(Mono::MAX)?;
                let flood = &source.pools[pool].flood;
                Ok(flood.report(Teller::Source(place, now), source.name, pool as u8, now))
            })
        })
    }

    /// Reports of senders that are forgotten.
    fn of_forgotten(&self, now: Mono) -> Option<Suppressed> {
        if let Some(Forgotten { name, pool, flood }) = self.forgotten.front() {
            return Some(flood.report(Teller::Forgotten, *name, *pool, now));
        }
        let pool = self.others.iter().position(|flood| flood.lines > 0)?;
        let (flood, name) = (&self.others[pool], Name::of(OTHERS));
        Some(flood.report(Teller::Others, name, pool as u8, now))
    }

    /// A report was stored.
    pub fn reported(&mut self, report: &Suppressed) {
        let pool = usize::from(report.pool);
        match report.teller {
            Teller::Forgotten => drop(self.forgotten.pop_front()),
            Teller::Others => self.others[pool] = Flood::default(),
            Teller::Source(place, now) => {
                self.sources.get_mut(place).pools[pool].flood.told(report.lines, now);
            }
        }
    }

    /// When [`Self::due`] has something to tell next, at the earliest.
    pub fn next_deadline(&self) -> Option<Mono> {
        let has_others = self.others.iter().any(|flood| flood.lines > 0);
        if has_others || !self.forgotten.is_empty() { Some(0) } else { self.sweep.deadline() }
    }
}

impl Default for Fair {
    fn default() -> Self {
        Self::new()
    }
}
