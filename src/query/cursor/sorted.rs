//! The newest hits in order of their times: the first pass keeps a time and a number of each, the
//! second takes the earliest out, one after the other, and finds the record by its number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Cursor, Slice};
use crate::clock::Wall;
use crate::limits::{QUERY_FIELDS_BYTES_PER_SLICE, QUERY_SORT_MAX, QUERY_WINDOW_SLOTS_MAX};
use crate::query::Order;
use crate::query::render::LocalTime;
use crate::segment::{Block, BlockId, Segment, Seq, Store};

/// Hits, 16 bytes each. A heap, so that no slice has to put all of them in order.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    earliest: BinaryHeap<Reverse<(Wall, Seq)>>,
    /// Hits that were met after there were enough.
    left_out: u64,
}

impl Sorted {
    /// Whether more hits are kept, and not only counted.
    pub(super) fn wants_more(&self) -> bool {
        self.earliest.len() < QUERY_SORT_MAX
    }

    /// Takes in a hit, where there is room.
    fn add(&mut self, time: Wall, seq: Seq) {
        if self.wants_more() {
            self.earliest.push(Reverse((time, seq)));
        }
    }

    /// Keeps the `count` latest of what was kept.
    fn keep_latest(&mut self, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count < self.earliest.len() {
            let mut hits = std::mem::take(&mut self.earliest).into_vec();
            // The latest are the least of them.
            hits.select_nth_unstable(count);
            hits.truncate(count);
            self.earliest = hits.into();
        }
    }

    /// The number of the earliest.
    fn first(&self) -> Option<Seq> {
        self.earliest.peek().map(|Reverse((_, seq))| *seq)
    }
}

impl Cursor {
    /// Whether the answer is in order of time.
    pub(super) fn is_sorted(&self) -> bool {
        self.order == Order::Time && !self.is_tail
    }

    /// Matches that an answer in order of time leaves out, once they are counted.
    pub fn sort_left_out(&self) -> u64 {
        self.sorted.left_out
    }

    /// Keeps the first `count` hits of the window, newest first.
    pub(super) fn keep_hits(&mut self, block: &Block<'_>, count: u64) {
        for place in 0..count as usize {
            let Some(index) = self.hit(place) else { return };
            let slot = block.slot(index);
            let time = self.stamp.of(slot.received_ns, slot.event_ns);
            self.sorted.add(time, Seq(block.first.0 + u64::from(index)));
        }
    }

    /// From here on only the hits that are kept count as found, and of those the latest `limit`.
    pub(super) fn end_keeping(&mut self) {
        let kept = self.sorted.earliest.len() as u64;
        self.sorted.left_out = self.found - kept;
        self.sorted.keep_latest(self.limit);
        let found = std::mem::replace(&mut self.found, self.sorted.earliest.len() as u64);
        if self.counts_all {
            self.beyond = found - self.found;
        }
    }

    /// The block of the next record in order of time; `None` where the ring has taken that.
    pub(super) fn sorted_block<S: Store>(&self, segment: &Segment<S>) -> Option<BlockId> {
        let seq = self.sorted.first()?;
        segment.block_containing(seq)
    }

    /// The second pass in order of time: writes the next records as far as they lie in one block.
    pub(super) fn write_sorted<S: Store>(
        &mut self,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
        time: &mut LocalTime,
    ) -> Slice {
        let block = self.sorted_block(segment).and_then(|id| segment.block(id));
        let mut fields_bytes = QUERY_FIELDS_BYTES_PER_SLICE;
        for step in 0..QUERY_WINDOW_SLOTS_MAX {
            let Some(seq) = self.sorted.first() else { return self.end_write(out) };
            let is_taken = seq < segment.tail();
            let index = block.as_ref().and_then(|block| block.index_of(seq));
            match (&block, index) {
                _ if is_taken => {}
                // A number that no block holds any more would be looked for for ever.
                (_, None) if step == 0 => {}
                (Some(block), Some(index)) => {
                    if out.len() >= out_bytes_max {
                        return Slice::Blocked;
                    }
                    self.write_record(block, index, &mut fields_bytes, time, out);
                }
                _ => break,
            }
            self.sorted.earliest.pop();
            if fields_bytes == 0 {
                break;
            }
        }
        Slice::More
    }
}
