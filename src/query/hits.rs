//! How many records there were when: counts by time and level.
//!
//! ```text
//! range: the summaries of all blocks -> step -> count: a block whose records all count and lie in
//!        one bucket by its summary, others window by window -> write -> done
//! ```
//!
//! A bucket begins at a multiple of the step since the Unix epoch. Counted is what is between tail
//! and head at the beginning; what the ring takes meanwhile is no longer there to be counted.

use std::fmt;
use std::io::Write as _;

use super::cursor::{Run, Slice, slots_ahead};
use super::filter::Weight;
use super::matcher::Scan;
use super::{Filter, Query, Stamp};
use crate::clock::Wall;
use crate::level::Level;
use crate::limits::{HITS_BUCKETS_MAX, HITS_BUCKETS_PER_SLICE, QUERY_SKIPS_MAX};
use crate::segment::{BlockId, Segment, Seq, Store, Summary};

/// Nanoseconds in a millisecond.
const MS: u64 = 1_000_000;

/// How time is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// Into so many buckets at most, of a step that people like.
    Count(u64),
    /// Into buckets of so many milliseconds.
    Step(u64),
}

/// A step that would make more than [`HITS_BUCKETS_MAX`] buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepError {
    /// The step asked for, in milliseconds.
    pub asked_ms: u64,
    /// The smallest that is taken for the range, in milliseconds.
    pub least_ms: u64,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked_ms, least_ms } = self;
        write!(f, "bad step \"{asked_ms}ms\" (allowed: {least_ms}ms or more for this range)")
    }
}

impl std::error::Error for StepError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The next block whose times are to be taken in.
    Range(Option<BlockId>),
    Count,
    Head,
    /// The next bucket to be written.
    Write(usize),
    Done,
}

/// Counts records by time and level and writes the answer, a bounded step a call.
#[derive(Debug)]
pub struct Hits {
    filter: Filter,
    stamp: Stamp,
    phase: Phase,
    buckets: Buckets,
    /// The times that the answer spans, both included.
    from: Wall,
    to: Wall,
    /// Whether the question names them.
    is_from_given: bool,
    is_to_given: bool,
    now: Wall,
    /// The walk keeps to `start..end`, and comes to `at` next.
    start: Seq,
    end: Seq,
    at: Seq,
    scan: Scan,
    step_ms: u64,
    /// Records by level, for each bucket.
    counts: Vec<[u64; Level::COUNT]>,
    total: u64,
    has_written: bool,
    scanned_bytes: u64,
}

impl Hits {
    /// Counts of what is in `segment` now. A range without a beginning begins with the earliest
    /// record there is; one without an end ends with the latest, or, where it has a beginning, not
    /// before `now`. Of `query` only what it says of records counts: no order, limit or format.
    ///
    /// # Errors
    /// [`StepError`] where the range is known to be too long for the step. Where only some block
    /// inside the ring shows it to be longer, a multiple of the step is taken.
    pub fn new<S: Store>(
        query: Query,
        buckets: Buckets,
        now: Wall,
        segment: &Segment<S>,
    ) -> Result<Self, StepError> {
        let (from, to) = query.filter.times();
        let (is_from_given, is_to_given) = (from > 0, to < Wall::MAX);
        let after = query.after.map_or(Seq(0), |Seq(after)| Seq(after.saturating_add(1)));
        let start = segment.tail().max(after);
        let mut hits = Self {
            filter: query.filter,
            stamp: query.stamp,
            phase: Phase::Range(None),
            buckets,
            from: if is_from_given { from } else { Wall::MAX },
            to: match (is_from_given, is_to_given) {
                (_, true) => to,
                (true, false) => now,
                (false, false) => 0,
            },
            is_from_given,
            is_to_given,
            now,
            start,
            end: query.before.map_or(segment.head(), |before| before.min(segment.head())),
            at: start,
            scan: Scan::new(query.stamp),
            step_ms: 0,
            counts: Vec::new(),
            total: 0,
            has_written: false,
            scanned_bytes: 0,
        };
        let first = segment.block_containing(hits.start);
        if !(is_from_given && is_to_given) {
            // The oldest and the newest block nearly always have the earliest and the latest time.
            let last = Seq(hits.end.0.saturating_sub(1));
            let ends = [first, segment.block_containing(last)];
            ends.iter().flatten().for_each(|id| hits.take_span(segment.summary(*id)));
            hits.phase = Phase::Range(first);
        }
        if let Buckets::Step(asked_ms) = buckets {
            let (from, to) = hits.range();
            if count(from, to, asked_ms.max(1)) > HITS_BUCKETS_MAX {
                return Err(StepError { asked_ms, least_ms: pleasant(from, to, HITS_BUCKETS_MAX) });
            }
        }
        if is_from_given && is_to_given {
            hits.end_range();
        }
        Ok(hits)
    }

    /// How many records were counted so far.
    pub fn found(&self) -> u64 {
        self.total
    }

    /// Bytes of text and slots that were read so far.
    pub fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes
    }

    /// The block that the next slice will touch, so that its pages can be made resident first;
    /// `None` where the next slice touches none.
    pub fn next_block<S: Store>(&mut self, segment: &Segment<S>) -> Option<BlockId> {
        if self.scan.block.is_some() {
            return self.scan.block;
        }
        match self.phase {
            Phase::Count => match self.next_run(segment) {
                Run::Slots(block, _) => Some(block),
                Run::Skipped | Run::Over => None,
            },
            _ => None,
        }
    }

    /// Takes one step: some summaries, at most one window, or some buckets of the answer. Stops
    /// writing when `out` holds `out_bytes_max` bytes; one bucket may go beyond.
    pub fn slice<S: Store>(
        &mut self,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
    ) -> Slice {
        match self.phase {
            Phase::Range(next) => self.look_at_times(next, segment),
            Phase::Count => self.count(segment),
            Phase::Head | Phase::Write(_) if out.len() >= out_bytes_max => return Slice::Blocked,
            Phase::Head => self.put_head(out),
            Phase::Write(next) => return self.put_buckets(next, out, out_bytes_max),
            Phase::Done => return Slice::Done,
        }
        Slice::More
    }

    /// The range as far as it is known.
    fn range(&self) -> (Wall, Wall) {
        let from = match self.from {
            // There is no record.
            Wall::MAX if self.is_to_given => self.to,
            Wall::MAX => self.now,
            from => from,
        };
        (from, self.to.max(from))
    }

    /// Takes in the times of a block.
    fn take_span(&mut self, summary: Option<&Summary>) {
        let Some(summary) = summary.filter(|summary| summary.records() > 0) else { return };
        let (min, max) = self.stamp.span(summary);
        if !self.is_from_given {
            self.from = self.from.min(min);
        }
        if !self.is_to_given {
            self.to = self.to.max(max);
        }
    }

    /// Takes in the times of some blocks.
    fn look_at_times<S: Store>(&mut self, mut next: Option<BlockId>, segment: &Segment<S>) {
        for _ in 0..QUERY_SKIPS_MAX {
            let summary = next.and_then(|id| segment.summary(id));
            let Some(summary) = summary.filter(|summary| summary.first < self.end) else {
                return self.end_range();
            };
            self.take_span(Some(summary));
            next = segment.next_block(summary.sequence);
        }
        self.phase = Phase::Range(next);
    }

    /// The range is known: so is the step.
    fn end_range(&mut self) {
        (self.from, self.to) = self.range();
        let (from, to) = (self.from, self.to);
        self.step_ms = match self.buckets {
            Buckets::Count(buckets) => pleasant(from, to, buckets.clamp(1, HITS_BUCKETS_MAX)),
            Buckets::Step(step) => {
                let step = step.max(1);
                let mut times = count(from, to, step).div_ceil(HITS_BUCKETS_MAX);
                while count(from, to, step.saturating_mul(times)) > HITS_BUCKETS_MAX {
                    times += 1;
                }
                step.saturating_mul(times)
            }
        };
        let buckets = count(from, to, self.step_ms);
        self.counts = vec![[0; Level::COUNT]; buckets as usize];
        self.phase = Phase::Count;
    }

    /// The bucket of a time; `None` where the answer does not span it.
    fn bucket(&self, at: Wall) -> Option<usize> {
        let index = (at / MS / self.step_ms).checked_sub(self.from / MS / self.step_ms)?;
        usize::try_from(index).ok().filter(|index| *index < self.counts.len())
    }

    fn add(&mut self, bucket: usize, level: Level, records: u64) {
        self.counts[bucket][level as usize] += records;
        self.total += records;
    }

    /// Searches the open window, or opens the next and searches it.
    fn count<S: Store>(&mut self, segment: &Segment<S>) {
        if self.scan.block.is_none() {
            let (id, slots) = match self.next_run(segment) {
                Run::Slots(id, slots) => (id, slots),
                Run::Skipped => return,
                Run::Over => {
                    self.phase = Phase::Head;
                    return;
                }
            };
            let Some(block) = segment.block(id) else { return };
            self.scanned_bytes += self.scan.open(&self.filter, &block, slots, false);
        }
        let Some(block) = self.scan.search(&mut self.filter, segment) else { return };
        for index in std::mem::take(&mut self.scan.hits) {
            let slot = block.slot(index);
            let is_there = block.first.0 + u64::from(index) >= segment.tail().0;
            let time = self.stamp.of(slot.received_ns, slot.event_ns);
            if let Some(bucket) = self.bucket(time).filter(|_| is_there) {
                self.add(bucket, Level::from_byte(slot.level).unwrap_or_default(), 1);
            }
        }
        self.at = Seq(self.scan.first.0 + u64::from(self.scan.slots.1));
        self.scan.close(&mut self.filter);
    }

    /// Finds the slots that are next, past blocks of which the summary says all.
    fn next_run<S: Store>(&mut self, segment: &Segment<S>) -> Run {
        for _ in 0..QUERY_SKIPS_MAX {
            let bounds = (self.start.max(segment.tail()), self.end);
            let found = slots_ahead(segment, &mut self.at, bounds);
            let Some((id, low, high)) = found else { return Run::Over };
            let Some(summary) = segment.summary(id) else { return Run::Over };
            let is_whole = low == 0 && high == summary.count;
            let (min, max) = self.stamp.span(summary);
            match self.filter.weigh(&summary.levels, min, max) {
                Weight::None => {}
                Weight::Exactly(_) if is_whole && self.bucket(min) == self.bucket(max) => {
                    let Some(bucket) = self.bucket(min) else { return Run::Slots(id, (low, high)) };
                    for (level, records) in Level::ALL.into_iter().zip(summary.levels) {
                        if self.filter.wants_level(level) {
                            self.add(bucket, level, u64::from(records));
                        }
                    }
                }
                _ => return Run::Slots(id, (low, high)),
            }
            self.at = Seq(summary.first.0 + u64::from(high));
        }
        Run::Skipped
    }

    fn put_head(&mut self, out: &mut Vec<u8>) {
        let (step_ms, from, to, total) = (self.step_ms, self.from / MS, self.to / MS, self.total);
        put(out, format_args!("{{\"step_ms\":{step_ms},\"from\":{from},\"to\":{to},"));
        put(out, format_args!("\"total\":{total},\"buckets\":["));
        self.phase = Phase::Write(0);
    }

    /// Writes some buckets that are not empty.
    fn put_buckets(&mut self, first: usize, out: &mut Vec<u8>, out_bytes_max: usize) -> Slice {
        let base = self.from / MS / self.step_ms;
        for index in first..first.saturating_add(HITS_BUCKETS_PER_SLICE) {
            let Some(counts) = self.counts.get(index) else {
                out.extend_from_slice(b"]}\n");
                self.phase = Phase::Done;
                return Slice::Done;
            };
            let total: u64 = counts.iter().sum();
            if total == 0 {
                continue;
            }
            if out.len() >= out_bytes_max {
                self.phase = Phase::Write(index);
                return Slice::Blocked;
            }
            if std::mem::replace(&mut self.has_written, true) {
                out.push(b',');
            }
            let at = (base + index as u64).saturating_mul(self.step_ms);
            put(out, format_args!("{{\"t\":{at},\"total\":{total},\"levels\":{{"));
            let counted = Level::ALL.iter().zip(counts).filter(|(_, records)| **records > 0);
            for (place, (level, records)) in counted.enumerate() {
                let comma = if place > 0 { "," } else { "" };
                put(out, format_args!("{comma}\"{}\":{records}", level.name()));
            }
            out.extend_from_slice(b"}}");
        }
        self.phase = Phase::Write(first + HITS_BUCKETS_PER_SLICE);
        Slice::More
    }
}

/// How many buckets of `step_ms` the range touches.
fn count(from: Wall, to: Wall, step_ms: u64) -> u64 {
    (to / MS / step_ms).saturating_sub(from / MS / step_ms) + 1
}

/// The smallest step that people like with which the range touches at most so many buckets.
fn pleasant(from: Wall, to: Wall, buckets_max: u64) -> u64 {
    const SECOND: u64 = 1000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let parts = [1, 2, 5, 10, 20, 50, 100, 200, 500];
    let clock = [1, 2, 5, 10, 15, 30];
    let steps = parts
        .into_iter()
        .chain(clock.map(|seconds| seconds * SECOND))
        .chain(clock.map(|minutes| minutes * MINUTE))
        .chain([1, 2, 3, 6, 12].map(|hours| hours * HOUR))
        .chain([1, 2].map(|days| days * DAY))
        // Whole weeks, twice as many each time: at last one bucket holds all times there are.
        .chain((0..32).map(|doublings| (7 * DAY) << doublings));
    let mut fitting = steps.filter(|step| count(from, to, *step) <= buckets_max);
    fitting.next().unwrap_or(u64::MAX)
}

fn put(out: &mut Vec<u8>, words: fmt::Arguments<'_>) {
    // Writing into memory cannot fail.
    let _ = out.write_fmt(words);
}
