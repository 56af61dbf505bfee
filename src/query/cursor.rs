//! A place in the segment that walks over it and writes what it finds.
//!
//! ```text
//! query:  notice -> count --------------> announce ---> print ---> done
//!                   windows, a number     FOUND: N      the same windows, but
//!                   for each block                      of the blocks with hits only
//! tail:   notice -> backlog, backwards -> live: windows up to the head, caught up, again
//! ```
//!
//! A query is fixed to the records between tail and head at its start. What the ring takes from it
//! after it was counted is lost, and said: the lines written and the lines lost add up to N. Where
//! `after=` names a number before the tail, what came between is lost as well, and part of N.
//!
//! An `after=` at or above the head names a record that there is not: the answer is one line that
//! says so.

use std::io::Write;

use super::filter::Weight;
use super::matcher::Scan;
use super::regex::Budget;
use super::render::{LocalTime, render};
use super::{Filter, Format, Order, Query};
use crate::limits::{QUERY_GROUPS_MAX, QUERY_SKIPS_MAX, QUERY_SLICE_NS};
use crate::segment::{BlockId, Segment, Seq, Store};

/// What a slice has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// There is more to do.
    More,
    /// The output is full: call again when some of it has gone.
    Blocked,
    /// A tail has seen all there is: call again when records were appended.
    CaughtUp,
    /// The answer is complete.
    Done,
}

/// Walks the segment for one question and writes the answer, a bounded step a call.
#[derive(Debug)]
pub struct Cursor {
    filter: Filter,
    format: Format,
    order: Order,
    is_bare: bool,
    is_tail: bool,
    phase: Phase,
    /// At most so many records are written, and so many are counted.
    limit: u64,
    count_max: u64,
    /// The walk keeps to `start..end`; of a live tail, `end` is the head.
    start: Seq,
    end: Seq,
    /// Forwards the next record to look at, backwards the one behind it.
    at: Seq,
    backwards: bool,
    pub(super) scan: Scan,
    /// The window is searched, and its hits are being written.
    is_searched: bool,
    /// How many of the window's hits are written.
    shown: usize,
    /// Lines between `after=` and the tail that are still to be called lost: by a tail before all
    /// else, by a query behind FOUND.
    notice: u64,
    counts: Counts,
    found: u64,
    /// The oldest hit that a backwards count came to, the newest of a forwards one.
    last_hit: Option<Seq>,
    /// Lines written, and lines that were called lost after they were counted.
    told: u64,
    lost_lines: u64,
    damaged_lines: u64,
    scanned_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Refuses this number, which no record has yet.
    Refuse(Seq),
    Count,
    Announce,
    Print,
    Live,
    Done,
}

/// How many hits were counted, for each group of blocks in order.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// The first block of the first group.
    base: BlockId,
    group_blocks: u64,
    pub(super) groups: Vec<u32>,
    /// The group that is being printed.
    current: Option<usize>,
    /// Hits in the groups that the walk has left behind.
    due: u64,
}

/// What there is to search next.
enum Run {
    /// Some slots of a block.
    Slots(BlockId, (u32, u32)),
    /// Many blocks were skipped; there is more.
    Skipped,
    /// The walk is over.
    Over,
}

impl Cursor {
    /// A cursor for a question about what is in `segment` now.
    pub fn query<S: Store>(query: Query, segment: &Segment<S>) -> Self {
        let backwards = query.is_recent || query.order == Order::Newest;
        Self::new(query, segment, false, backwards, Phase::Count)
    }

    /// A cursor for what comes into `segment` from now on, or after the record that `query` names.
    pub fn tail<S: Store>(query: Query, segment: &Segment<S>) -> Self {
        let has_backlog = query.backlog > 0 && query.after.is_none();
        let phase = if has_backlog { Phase::Count } else { Phase::Live };
        Self::new(query, segment, true, has_backlog, phase)
    }

    fn new<S: Store>(
        query: Query,
        segment: &Segment<S>,
        is_tail: bool,
        backwards: bool,
        mut phase: Phase,
    ) -> Self {
        let (tail, head) = (segment.tail(), segment.head());
        let (mut start, mut notice) = (tail, 0);
        match query.after {
            Some(after) if after >= head => phase = Phase::Refuse(after),
            Some(Seq(after)) => {
                start = tail.max(Seq(after + 1));
                notice = start.0 - (after + 1);
            }
            None if phase == Phase::Live => start = head,
            None => {}
        }
        let limit = query.limit.unwrap_or(u64::MAX);
        Self {
            filter: query.filter,
            format: query.format,
            order: query.order,
            is_bare: query.is_bare,
            is_tail,
            phase,
            limit,
            count_max: if is_tail { query.backlog } else { limit },
            start,
            end: head,
            at: if backwards { head } else { start },
            backwards,
            scan: Scan::new(),
            is_searched: false,
            shown: 0,
            notice,
            counts: Counts::new(segment),
            found: 0,
            last_hit: None,
            told: 0,
            lost_lines: 0,
            damaged_lines: 0,
            scanned_bytes: 0,
        }
    }

    /// How many records were found: of a query all of them, once they are counted. Lines between
    /// `after=` and the tail, of which nobody knows whether they would match, are not among them.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// The next record to look at, or, backwards, the one behind it.
    pub fn position(&self) -> Seq {
        self.at
    }

    /// Bytes of text and slots that were read so far.
    pub fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes
    }

    /// Lines that were written as `# lost`, since the cursor was made.
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines
    }

    /// Records that were written as `# damaged`.
    pub fn damaged_lines(&self) -> u64 {
        self.damaged_lines
    }

    /// The block that the next slice will touch, so that its pages can be made resident first;
    /// `None` where the next slice touches none.
    pub fn next_block<S: Store>(&mut self, segment: &Segment<S>) -> Option<BlockId> {
        if self.scan.block.is_some() {
            return self.scan.block;
        }
        if matches!(self.phase, Phase::Refuse(_) | Phase::Announce | Phase::Done)
            || self.has_notice_first()
        {
            return None;
        }
        if self.phase == Phase::Live {
            if self.at < segment.tail() {
                // The next slice says first how many lines are lost.
                return None;
            }
            self.end = segment.head();
        }
        match self.next_run(segment) {
            Run::Slots(block, _) => Some(block),
            Run::Skipped | Run::Over => None,
        }
    }

    /// Takes one step: searches at most one window, or writes the hits of one. Stops writing when
    /// `out` holds `out_bytes_max` bytes; one record may go beyond by its own length.
    pub fn slice<S: Store>(
        &mut self,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
        time: &mut LocalTime,
    ) -> Slice {
        let is_writing = !matches!(self.phase, Phase::Count | Phase::Done);
        if out.len() >= out_bytes_max && (is_writing || self.has_notice_first()) {
            return Slice::Blocked;
        }
        if self.has_notice_first() {
            // No block was announced for this slice, so none is touched.
            self.notify(out);
            return Slice::More;
        }
        match self.phase {
            Phase::Refuse(after) => self.refuse(after, out),
            Phase::Done => Slice::Done,
            Phase::Announce => self.announce(out),
            Phase::Count => self.count(segment),
            Phase::Print | Phase::Live => self.write(segment, out, out_bytes_max, time),
        }
    }

    /// Whether the next slice begins with what was lost before the walk.
    fn has_notice_first(&self) -> bool {
        self.is_tail && self.notice > 0
    }

    /// Says what was lost before the walk, if anything was.
    fn notify(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.notice) {
            0 => {}
            lines => self.lose(lines, out),
        }
    }

    /// The whole answer to a question that goes on behind a record that there is not.
    fn refuse(&mut self, after: Seq, out: &mut Vec<u8>) -> Slice {
        let newest = self.end.0.saturating_sub(1);
        put_line(out, format_args!("ERROR: bad after \"{}\" (allowed: up to {newest})", after.0));
        self.phase = Phase::Done;
        Slice::Done
    }

    /// The first pass.
    fn count<S: Store>(&mut self, segment: &Segment<S>) -> Slice {
        if self.found >= self.count_max {
            self.end_count();
            return Slice::More;
        }
        match self.search(segment) {
            Search::Over => self.end_count(),
            Search::Going => {}
            Search::Searched(block) => {
                self.count_hits(block);
                self.leave_window();
            }
        }
        Slice::More
    }

    /// Takes the hits of a window into account, up to the number that is asked for.
    fn count_hits(&mut self, block: BlockId) {
        let hits = self.scan.hits.len() as u64;
        let counted = hits.min(self.count_max - self.found);
        self.found += counted;
        self.counts.add(block, counted);
        // The walk's last hit bounds what is written, where the count stops at it.
        let last = counted.checked_sub(1).and_then(|last| self.hit(last as usize));
        if let Some(index) = last {
            self.last_hit = Some(Seq(self.scan.first.0 + u64::from(index)));
        }
    }

    /// The slot of the window's hit `place`, counted in the direction of the walk.
    fn hit(&self, place: usize) -> Option<u32> {
        let hits = &self.scan.hits;
        let place = if self.backwards { hits.len().checked_sub(place + 1)? } else { place };
        hits.get(place).copied()
    }

    /// Sets the bounds of the second pass.
    fn end_count(&mut self) {
        let is_full = self.found >= self.count_max;
        match (self.backwards, self.last_hit) {
            (true, Some(seq)) if is_full || self.is_tail => self.start = seq,
            (false, Some(seq)) if is_full => self.end = Seq(seq.0 + 1),
            (_, None) if self.is_tail => self.start = self.end,
            _ => {}
        }
        self.backwards = !self.is_tail && self.order == Order::Newest;
        self.at = if self.backwards { self.end } else { self.start };
        self.phase = if self.is_tail { Phase::Live } else { Phase::Announce };
    }

    fn announce(&mut self, out: &mut Vec<u8>) -> Slice {
        if !self.is_bare {
            put_line(out, format_args!("FOUND: {} matches", self.found + self.notice));
        }
        self.notify(out);
        self.phase = if self.found == 0 { Phase::Done } else { Phase::Print };
        if self.phase == Phase::Done { Slice::Done } else { Slice::More }
    }

    /// The second pass of a query, or the life of a tail.
    fn write<S: Store>(
        &mut self,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
        time: &mut LocalTime,
    ) -> Slice {
        if self.told >= self.write_max() {
            return self.end_write(out);
        }
        if self.phase == Phase::Live {
            self.end = segment.head();
            if self.at < segment.tail() && !self.is_searched {
                self.scan.close(&mut self.filter);
                self.lose(segment.tail().0 - self.at.0, out);
                self.at = segment.tail();
                return Slice::More;
            }
        }
        if !self.is_searched {
            match self.search(segment) {
                Search::Going => return Slice::More,
                Search::Over if self.phase == Phase::Live => return Slice::CaughtUp,
                Search::Over => return self.end_write(out),
                Search::Searched(block) => {
                    self.is_searched = true;
                    self.shown = 0;
                    if !self.scan.hits.is_empty() {
                        let missing =
                            self.counts.enter(block, self.order).saturating_sub(self.told);
                        self.lose_counted(missing, out);
                    }
                }
            }
        }
        self.write_hits(segment, out, out_bytes_max, time)
    }

    /// How many lines are written or called lost at most.
    fn write_max(&self) -> u64 {
        if self.is_tail { self.limit } else { self.found }
    }

    /// Writes the hits of the window that was searched.
    fn write_hits<S: Store>(
        &mut self,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
        time: &mut LocalTime,
    ) -> Slice {
        let block = self.scan.block.and_then(|id| segment.block(id));
        let Some(block) = block else {
            // The ring took the block while the output was full; what is missing is told later.
            self.abandon_window();
            return Slice::More;
        };
        while let Some(index) = self.hit(self.shown) {
            if out.len() >= out_bytes_max {
                return Slice::Blocked;
            }
            if self.told >= self.write_max() {
                return self.end_write(out);
            }
            let seq = Seq(block.first.0 + u64::from(index));
            if seq < segment.tail() {
                if !self.backwards && self.phase == Phase::Live {
                    self.abandon_window();
                    return Slice::More;
                }
                self.shown += 1;
                continue;
            }
            match block.record(index) {
                Ok(record) => {
                    self.scanned_bytes += record.text.len() as u64;
                    render(self.format, &record, time, out);
                }
                Err(_) => {
                    self.damaged_lines += 1;
                    put_line(out, format_args!("# damaged seq={}", seq.0));
                }
            }
            self.told += 1;
            self.shown += 1;
            if !self.backwards {
                self.at = Seq(seq.0 + 1);
            }
        }
        self.leave_window();
        Slice::More
    }

    fn end_write(&mut self, out: &mut Vec<u8>) -> Slice {
        self.phase = Phase::Done;
        if !self.is_tail {
            self.lose_counted(self.found.saturating_sub(self.told), out);
        }
        Slice::Done
    }

    /// Says that `lines` of those that were counted are lost.
    fn lose_counted(&mut self, lines: u64, out: &mut Vec<u8>) {
        if lines > 0 && !self.is_tail {
            self.told += lines;
            self.lose(lines, out);
        }
    }

    fn lose(&mut self, lines: u64, out: &mut Vec<u8>) {
        self.lost_lines += lines;
        put_line(out, format_args!("# lost {lines} lines"));
    }

    /// Searches the open window, or opens the next and searches it.
    fn search<S: Store>(&mut self, segment: &Segment<S>) -> Search {
        if self.scan.block.is_none() {
            let (id, slots) = match self.next_run(segment) {
                Run::Slots(id, slots) => (id, slots),
                Run::Skipped => return Search::Going,
                Run::Over => return Search::Over,
            };
            let Some(block) = segment.block(id) else { return Search::Going };
            let lead = self.filter.lead();
            self.scanned_bytes += self.scan.open(&block, slots, self.backwards, lead);
        }
        let Some(block) = self.scan.block.and_then(|id| segment.block(id)) else {
            self.abandon_window();
            return Search::Going;
        };
        let mut budget = Budget::new(QUERY_SLICE_NS);
        if self.scan.run(&mut self.filter, &block, &mut budget) {
            Search::Searched(block.sequence)
        } else {
            Search::Going
        }
    }

    /// Goes on behind the window.
    fn leave_window(&mut self) {
        let (low, high) = self.scan.slots;
        let next = if self.backwards { low } else { high };
        self.at = Seq(self.scan.first.0 + u64::from(next));
        self.abandon_window();
    }

    fn abandon_window(&mut self) {
        self.scan.close(&mut self.filter);
        self.is_searched = false;
    }

    /// Finds the slots that are next on the walk, skipping blocks by what their summaries say.
    fn next_run<S: Store>(&mut self, segment: &Segment<S>) -> Run {
        for _ in 0..QUERY_SKIPS_MAX {
            let Some((id, low, high)) = self.next_slots(segment) else { return Run::Over };
            let Some(summary) = segment.summary(id) else { return Run::Over };
            let is_whole = low == 0 && high == summary.count;
            let (min, max) = (summary.received_min_ns, summary.received_max_ns);
            let weight = self.filter.weigh(&summary.levels, min, max);
            let is_skipped = match (self.phase, weight) {
                (_, Weight::None) => true,
                (Phase::Print, _) => self.counts.of(id) == 0,
                (Phase::Count, Weight::Exactly(hits)) => {
                    let fits = is_whole && self.found + hits <= self.count_max;
                    if fits {
                        self.found += hits;
                        self.counts.add(id, hits);
                        // Bounds that hold all of its hits and none of the next block's.
                        let last = Seq(summary.end().0 - 1);
                        self.last_hit = Some(if self.backwards { summary.first } else { last });
                    }
                    fits
                }
                _ => false,
            };
            if !is_skipped {
                return Run::Slots(id, (low, high));
            }
            let next = if self.backwards { low } else { high };
            self.at = Seq(summary.first.0 + u64::from(next));
        }
        Run::Skipped
    }

    /// The block that the walk comes to next, and the part of its slots to be walked.
    fn next_slots<S: Store>(&mut self, segment: &Segment<S>) -> Option<(BlockId, u32, u32)> {
        let bounds = (self.start.max(segment.tail()), self.end.min(segment.head()));
        if self.backwards {
            let behind = Seq(self.at.0.checked_sub(1).filter(|_| self.at > bounds.0)?);
            let mut id = segment.block_containing(behind).or_else(|| segment.newest_block())?;
            if segment.summary(id)?.first > behind {
                id = segment.previous_block(id)?;
            }
            let summary = segment.summary(id)?;
            let high = self.at.min(summary.end()).0.checked_sub(summary.first.0)? as u32;
            let low = bounds.0.0.saturating_sub(summary.first.0) as u32;
            return (low < high).then_some((id, low, high));
        }
        self.at = self.at.max(bounds.0);
        if self.at >= bounds.1 {
            return None;
        }
        let id = segment.block_containing(self.at)?;
        let summary = segment.summary(id)?;
        let low = self.at.0.saturating_sub(summary.first.0) as u32;
        let high = bounds.1.min(summary.end()).0.checked_sub(summary.first.0)? as u32;
        (low < high).then_some((id, low, high))
    }
}

/// What a search has come to.
enum Search {
    /// The window of this block is searched to its end.
    Searched(BlockId),
    /// There is more to search.
    Going,
    /// The walk is over.
    Over,
}

impl Counts {
    fn new<S: Store>(segment: &Segment<S>) -> Self {
        let base = segment.oldest_block().unwrap_or(0);
        Self::spanning(base, segment.newest_block().map_or(0, |newest| newest - base + 1))
    }

    /// Counts for so many blocks from `base` on.
    pub(super) fn spanning(base: BlockId, blocks: u64) -> Self {
        let group_blocks = blocks.div_ceil(QUERY_GROUPS_MAX).max(1);
        let groups = vec![0; blocks.div_ceil(group_blocks) as usize];
        Self { base, group_blocks, groups, current: None, due: 0 }
    }

    fn group(&self, block: BlockId) -> usize {
        (block.saturating_sub(self.base) / self.group_blocks) as usize
    }

    /// The hits in the group of `block`.
    fn of(&self, block: BlockId) -> u32 {
        self.groups.get(self.group(block)).copied().unwrap_or(0)
    }

    fn add(&mut self, block: BlockId, hits: u64) {
        let group = self.group(block);
        if let Some(count) = self.groups.get_mut(group) {
            *count = count.saturating_add(u32::try_from(hits).unwrap_or(u32::MAX));
        }
    }

    /// Goes on to the group of `block`, and gives the hits in all groups before it on the walk.
    fn enter(&mut self, block: BlockId, order: Order) -> u64 {
        let group = self.group(block).min(self.groups.len());
        let passed = match (order, self.current) {
            (Order::Oldest, before) => before.unwrap_or(0)..group,
            (Order::Newest, None) => group + 1..self.groups.len(),
            (Order::Newest, Some(before)) => group + 1..before + 1,
        };
        self.current = Some(group);
        let passed = self.groups.get(passed).unwrap_or(&[]);
        self.due += passed.iter().map(|count| u64::from(*count)).sum::<u64>();
        self.due
    }
}

fn put_line(out: &mut Vec<u8>, line: std::fmt::Arguments<'_>) {
    // Writing into memory cannot fail.
    let _ = out.write_fmt(line);
    out.push(b'\n');
}
