//! Where a cursor goes: from window to window, past blocks that hold no hit.

use super::{Cursor, Phase};
use crate::limits::QUERY_SKIPS_MAX;
use crate::query::filter::Weight;
use crate::segment::{BlockId, Segment, Seq, Store};

/// What there is to search next.
pub(in crate::query) enum Run {
    /// Some slots of a block.
    Slots(BlockId, (u32, u32)),
    /// Many blocks were skipped; there is more.
    Skipped,
    /// The walk is over.
    Over,
}

/// What a search has come to.
pub(super) enum Search {
    /// The window of this block is searched to its end.
    Searched(BlockId),
    /// There is more to search.
    Going,
    /// The walk is over.
    Over,
}

impl Cursor {
    /// Searches the open window, or opens the next and searches it.
    pub(super) fn search<S: Store>(&mut self, segment: &Segment<S>) -> Search {
        if self.scan.block.is_none() {
            let (id, slots) = match self.next_run(segment) {
                Run::Slots(id, slots) => (id, slots),
                Run::Skipped => return Search::Going,
                Run::Over => return Search::Over,
            };
            let Some(block) = segment.block(id) else { return Search::Going };
            let opened = self.scan.open(&self.filter, &block, slots, self.backwards);
            self.scanned_bytes += opened;
        }
        match self.scan.search(&mut self.filter, segment) {
            Some(block) => Search::Searched(block.sequence),
            None => Search::Going,
        }
    }

    /// Goes on behind the window.
    pub(super) fn leave_window(&mut self) {
        let (low, high) = self.scan.slots;
        let next = if self.backwards { low } else { high };
        self.at = Seq(self.scan.first.0 + u64::from(next));
        self.abandon_window();
    }

    pub(super) fn abandon_window(&mut self) {
        self.scan.close(&mut self.filter);
        self.is_searched = false;
    }

    /// Finds the slots that are next on the walk, skipping blocks by what their summaries say.
    pub(super) fn next_run<S: Store>(&mut self, segment: &Segment<S>) -> Run {
        for _ in 0..QUERY_SKIPS_MAX {
            let Some((id, low, high)) = self.next_slots(segment) else { return Run::Over };
            let Some(summary) = segment.summary(id) else { return Run::Over };
            let is_whole = low == 0 && high == summary.count;
            let (min, max) = self.stamp.span(summary);
            let weight = self.filter.weigh(&summary.levels, min, max);
            let is_skipped = match (self.phase, weight) {
                (_, Weight::None) => true,
                (Phase::Print, _) => self.counts.of(id) == 0,
                (Phase::Count, Weight::Exactly(hits))
                    if self.counts_all && self.found >= self.count_max =>
                {
                    if is_whole {
                        self.beyond += hits;
                    }
                    is_whole
                }
                (Phase::Count, Weight::Exactly(hits)) => {
                    let is_kept = self.is_sorted() && self.sorted.wants_more();
                    let fits = is_whole && !is_kept && self.found + hits <= self.count_max;
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
        slots_ahead(segment, &mut self.at, bounds)
    }
}

/// The block that a walk forwards within `bounds` comes to next, and the part of its slots to be
/// walked; moves `at` to where that begins. `None` where the walk is over.
pub(in crate::query) fn slots_ahead<S: Store>(
    segment: &Segment<S>,
    at: &mut Seq,
    bounds: (Seq, Seq),
) -> Option<(BlockId, u32, u32)> {
    *at = (*at).max(bounds.0);
    if *at >= bounds.1 {
        return None;
    }
    let id = segment.block_containing(*at)?;
    let summary = segment.summary(id)?;
    let low = at.0.saturating_sub(summary.first.0) as u32;
    let high = bounds.1.min(summary.end()).0.checked_sub(summary.first.0)? as u32;
    (low < high).then_some((id, low, high))
}
