//! The first pass of a query: how many records are hits, and in which blocks.

use super::walk::Search;
use super::{Cursor, Phase, Slice};
use crate::limits::QUERY_GROUPS_MAX;
use crate::query::Order;
use crate::segment::{BlockId, Segment, Seq, Store};

/// How many hits were counted, for each group of blocks in order.
#[derive(Debug, Default)]
pub(in crate::query) struct Counts {
    /// The first block of the first group.
    base: BlockId,
    group_blocks: u64,
    pub(in crate::query) groups: Vec<u32>,
    /// The group that is being printed.
    current: Option<usize>,
    /// Hits in the groups that the walk has left behind.
    due: u64,
}

impl Cursor {
    /// The first pass.
    pub(super) fn count<S: Store>(&mut self, segment: &Segment<S>) -> Slice {
        if self.found >= self.count_max && !self.counts_all {
            self.end_count();
            return Slice::More;
        }
        match self.search(segment) {
            Search::Over => self.end_count(),
            Search::Going => {}
            Search::Searched(block) => {
                self.count_hits(block, segment);
                self.leave_window();
            }
        }
        Slice::More
    }

    /// Takes the hits of a window into account, up to the number that is asked for; those beyond it
    /// are only added up.
    fn count_hits<S: Store>(&mut self, block: BlockId, segment: &Segment<S>) {
        let hits = self.scan.hits.len() as u64;
        let counted = hits.min(self.count_max - self.found);
        self.found += counted;
        if self.counts_all {
            self.beyond += hits - counted;
        }
        self.counts.add(block, counted);
        if self.is_sorted()
            && let Some(block) = segment.block(block)
        {
            self.keep_hits(&block, counted);
        }
        // The walk's last hit bounds what is written, where the count stops at it.
        let last = counted.checked_sub(1).and_then(|last| self.hit(last as usize));
        if let Some(index) = last {
            self.last_hit = Some(Seq(self.scan.first.0 + u64::from(index)));
        }
    }

    /// The slot of the window's hit `place`, counted in the direction of the walk.
    pub(super) fn hit(&self, place: usize) -> Option<u32> {
        let hits = &self.scan.hits;
        let place = if self.backwards { hits.len().checked_sub(place + 1)? } else { place };
        hits.get(place).copied()
    }

    /// Sets the bounds of the second pass.
    fn end_count(&mut self) {
        if self.is_sorted() {
            self.end_keeping();
            self.phase = Phase::Announce;
            return;
        }
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
}

impl Counts {
    pub(super) fn new<S: Store>(segment: &Segment<S>) -> Self {
        let base = segment.oldest_block().unwrap_or(0);
        Self::spanning(base, segment.newest_block().map_or(0, |newest| newest - base + 1))
    }

    /// Counts for so many blocks from `base` on.
    pub(in crate::query) fn spanning(base: BlockId, blocks: u64) -> Self {
        let group_blocks = blocks.div_ceil(QUERY_GROUPS_MAX).max(1);
        let groups = vec![0; blocks.div_ceil(group_blocks) as usize];
        Self { base, group_blocks, groups, current: None, due: 0 }
    }

    fn group(&self, block: BlockId) -> usize {
        (block.saturating_sub(self.base) / self.group_blocks) as usize
    }

    /// The hits in the group of `block`.
    pub(super) fn of(&self, block: BlockId) -> u32 {
        self.groups.get(self.group(block)).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, block: BlockId, hits: u64) {
        let group = self.group(block);
        if let Some(count) = self.groups.get_mut(group) {
            *count = count.saturating_add(u32::try_from(hits).unwrap_or(u32::MAX));
        }
    }

    /// Goes on to the group of `block`, and gives the hits in all groups before it on the walk.
    pub(super) fn enter(&mut self, block: BlockId, order: Order) -> u64 {
        let group = self.group(block).min(self.groups.len());
        let passed = match (order, self.current) {
            (Order::Oldest | Order::Time, before) => before.unwrap_or(0)..group,
            (Order::Newest, None) => group + 1..self.groups.len(),
            (Order::Newest, Some(before)) => group + 1..before + 1,
        };
        self.current = Some(group);
        let passed = self.groups.get(passed).unwrap_or(&[]);
        self.due += passed.iter().map(|count| u64::from(*count)).sum::<u64>();
        self.due
    }
}
