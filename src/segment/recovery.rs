//! Opening a segment that exists, in steps of at most one block, so that nobody waits for it.
//!
//! ```text
//! choose a superblock
//! heads:      read the headers of durable block..limit; the highest sequence is the newest block
//! directory:  take the summary of each block that is sealed and durable from the directory
//! blocks:     walk durable block..=newest, and the blocks that unopened ones up to limit may
//!             have begun to overwrite; read the summaries that the directory does not have
//! finish:     oldest, tail, head, counts
//! ```
//!
//! Every write of a recovery can be cut off and made again: nothing is called durable before the
//! first sync that comes after it, so the next recovery walks the same blocks.

use std::ops::Range;

use super::Seq;
use super::format::{
    ENTRY_BYTES, Header, LIMIT_NONE, PAGE_BYTES, SECTOR_BYTES, SLOT_BYTES, SUMMARY_AT, Summary,
    Superblock,
};
use super::geometry::Geometry;
use super::ring::{BlockId, Durability, Options, Segment, empty_summary};
use super::store::Store;
use super::superblock::{Chosen, OpenError, choose, copies};
use super::sync::SyncState;
use super::walk::{repair, walk};

/// Directory entries read in one step.
const ENTRIES_PER_STEP: u32 = 256;

/// A segment that is being opened.
#[derive(Debug)]
pub struct Opening<S> {
    store: S,
    options: Options,
    epoch: u64,
    chosen: Chosen,
    phase: Phase,
    /// Sequence after the newest block that was found.
    next: u64,
    /// Summaries by position; [`empty_summary`] where no block is live.
    summaries: Vec<Summary>,
    /// Positions that the directory says too little of.
    to_read: Vec<u32>,
    recovery: Recovery,
}

#[derive(Debug)]
enum Phase {
    /// Reads the header at the place of each block from `from` on, up to `to`.
    Heads {
        from: u64,
        to: u64,
    },
    /// Reads directory entries from this position on.
    Directory {
        from: u32,
    },
    /// Reads the blocks named in `to_read`, last first.
    Blocks,
    Done,
}

/// What an opening has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whether the segment had been closed cleanly.
    pub clean: bool,
    /// Records that are visible.
    pub records: u64,
    /// Live blocks.
    pub blocks: u32,
    /// Blocks that were walked slot by slot.
    pub walked: u32,
    /// Blocks that should be there and are not. A position where nothing was ever written counts
    /// for none: a resize leaves the place of a block empty that an unclean end took.
    pub lost_blocks: u32,
    /// Slots that were not whole, and are gaps now.
    pub torn: u64,
    /// Slots that went through a sync once and do not fit their checksums.
    pub damaged: u64,
    /// Numbers that are skipped because a crash may have used them.
    pub skipped: u64,
}

impl<S: Store> Opening<S> {
    /// Begins to open what is in `store`, for writing. `epoch` is a random number.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was written.
    pub fn new(store: S, options: Options, epoch: u64) -> Result<Self, OpenError> {
        let chosen = choose(copies(store.bytes()), store.bytes().len() as u64)?;
        let (superblock, blocks) = (&chosen.superblock, chosen.geometry.blocks);
        let (from, to) = head_candidates(&chosen);
        Ok(Self {
            options,
            epoch,
            next: superblock.durable_block,
            summaries: vec![empty_summary(); blocks as usize],
            to_read: Vec::new(),
            recovery: Recovery { clean: superblock.clean, ..Recovery::default() },
            store,
            chosen,
            phase: Phase::Heads { from, to },
        })
    }

    /// How the segment is divided.
    pub fn geometry(&self) -> &Geometry {
        &self.chosen.geometry
    }

    /// Gives the store back; what was repaired so far stays repaired.
    #[cfg(test)]
    pub(super) fn into_store(self) -> S {
        self.store
    }

    /// The store that is being opened.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The bytes of the store that the next step touches.
    pub fn needs(&self) -> Range<u64> {
        let geometry = &self.chosen.geometry;
        match self.phase {
            Phase::Heads { from, to } if from < to => {
                let block = geometry.block_range(geometry.position(from));
                block.start..block.start + SECTOR_BYTES as u64
            }
            Phase::Directory { from } if from < geometry.blocks => {
                let to = geometry.blocks.min(from + ENTRIES_PER_STEP);
                geometry.entry_range(from).start..geometry.entry_range(to - 1).end
            }
            Phase::Blocks => {
                self.to_read.last().map_or(0..0, |&position| geometry.block_range(position))
            }
            _ => 0..0,
        }
    }

    /// Takes a step; true when all are taken.
    pub fn step(&mut self) -> bool {
        match self.phase {
            Phase::Heads { from, to } if from < to => {
                let position = self.chosen.geometry.position(from);
                if let Some(header) = self.header(position) {
                    let is_expected = self.chosen.superblock.limit == LIMIT_NONE
                        || header.sequence == from && from < self.chosen.superblock.limit;
                    if is_expected && self.chosen.geometry.position(header.sequence) == position {
                        self.next = self.next.max(header.sequence + 1);
                    }
                }
                self.phase = Phase::Heads { from: from + 1, to };
            }
            Phase::Heads { .. } => self.phase = Phase::Directory { from: 0 },
            Phase::Directory { from } if from < self.chosen.geometry.blocks => {
                let to = self.chosen.geometry.blocks.min(from + ENTRIES_PER_STEP);
                (from..to).for_each(|position| self.read_entry(position));
                self.phase = Phase::Directory { from: to };
            }
            Phase::Directory { .. } => self.phase = Phase::Blocks,
            Phase::Blocks => match self.to_read.pop() {
                Some(position) => self.read_block(position),
                None => self.phase = Phase::Done,
            },
            Phase::Done => {}
        }
        matches!(self.phase, Phase::Done)
    }

    /// The header of the block at `position`, if it is intact.
    fn header(&self, position: u32) -> Option<Header> {
        let start = self.chosen.geometry.block_range(position).start as usize;
        Header::decode(self.store.bytes().get(start..)?)
    }

    /// The sequence of the block that is live at `position`, if it is there.
    fn expected(&self, position: u32) -> Option<BlockId> {
        let id = expected(&self.chosen.geometry, self.next, position)?;
        (id >= self.chosen.superblock.first_block).then_some(id)
    }

    /// Whether block `id` may have been open, or begun to be overwritten, when all ended.
    fn is_walked(&self, id: BlockId) -> bool {
        id >= self.chosen.superblock.durable_block || self.is_suspect(id)
    }

    fn is_suspect(&self, id: BlockId) -> bool {
        is_suspect(&self.chosen, id)
    }

    fn read_entry(&mut self, position: u32) {
        let Some(id) = self.expected(position) else { return };
        if self.is_walked(id) {
            self.to_read.push(position);
            return;
        }
        let range = self.chosen.geometry.entry_range(position);
        let entry = &self.store.bytes()[range.start as usize..range.end as usize];
        match Summary::decode(entry, &self.chosen.geometry) {
            Some(summary) if summary.sequence == id => self.summaries[position as usize] = summary,
            _ => self.to_read.push(position),
        }
    }

    /// Reads the block at `position`, walking it where its sealed summary is not to be believed.
    fn read_block(&mut self, position: u32) {
        let Some(id) = self.expected(position) else { return };
        let header = self.header(position).filter(|header| header.sequence == id);
        let Some(header) = header else {
            let is_lost = id < self.chosen.superblock.durable_block && !self.is_untouched(position);
            self.recovery.lost_blocks += u32::from(is_lost);
            self.forget_entry(position, id);
            return;
        };
        match self.sealed(position, &header) {
            Some(summary) if !self.is_walked(id) => self.summaries[position as usize] = summary,
            _ => self.walk_block(position, &header),
        }
    }

    /// The sealed summary in the block at `position`, if it is intact and belongs to `header`.
    fn sealed(&self, position: u32, header: &Header) -> Option<Summary> {
        let geometry = &self.chosen.geometry;
        let at = geometry.block_range(position).start as usize + SUMMARY_AT;
        let summary = Summary::decode(self.store.bytes().get(at..)?, geometry)?;
        let belongs = (summary.epoch, summary.sequence, summary.first.0)
            == (header.epoch, header.sequence, header.first);
        belongs.then_some(summary)
    }

    /// Whether neither the block at `position` nor its directory entry was ever written.
    fn is_untouched(&self, position: u32) -> bool {
        let geometry = &self.chosen.geometry;
        let start = geometry.block_range(position).start as usize;
        let entry = geometry.entry_range(position);
        let bytes = self.store.bytes();
        let mut parts = [
            bytes.get(start..start + SECTOR_BYTES).unwrap_or(&[]),
            &bytes[entry.start as usize..entry.end as usize],
        ]
        .into_iter();
        parts.all(|part| part.iter().all(|&byte| byte == 0))
    }

    /// Takes away what the directory says of block `id`, which is not there.
    fn forget_entry(&mut self, position: u32, id: BlockId) {
        let range = self.chosen.geometry.entry_range(position);
        let entry = &mut self.store.bytes_mut()[range.start as usize..range.end as usize];
        let says = Summary::decode(entry, &self.chosen.geometry);
        if says.is_some_and(|summary| summary.sequence == id) {
            entry.fill(0);
        }
    }

    fn walk_block(&mut self, position: u32, header: &Header) {
        let (geometry, id) = (self.chosen.geometry, header.sequence);
        let range = geometry.block_range(position);
        let image = &mut self.store.bytes_mut()[range.start as usize..range.end as usize];
        let superblock = &self.chosen.superblock;
        let mut walked = walk(image, header, known_end(superblock, id), &geometry);
        // What was durable and is bad now is damage, which is to be said whenever it is read. But
        // where a later block may have begun to overwrite this one, it is only gone.
        let repair_from = match () {
            () if superblock.clean => u64::MAX,
            () if is_suspect(&self.chosen, id) => 0,
            // Numbers from there up to `durable` got their gap slots later.
            () if id >= superblock.durable_block => superblock.durable_end,
            () => u64::MAX,
        };
        let torn = repair(image, &mut walked, repair_from);
        let summary = walked.summary;
        let is_open = id + 1 == self.next && id >= superblock.durable_block;
        if is_open && !superblock.clean {
            // Leftovers of slots and texts that a power cut tore must not come back to life when
            // later records are written next to them.
            let slots_at = geometry.block_bytes - summary.count * SLOT_BYTES as u32;
            zero(&mut image[summary.text_end as usize..slots_at as usize]);
        }
        self.recovery.walked += 1;
        self.recovery.torn += u64::from(torn);
        self.recovery.damaged += walked.bad.len() as u64 - u64::from(torn);
        self.summaries[position as usize] = summary;
        if !is_open && self.is_walked(id) {
            self.write_summary(position, &summary);
        }
        // Without syncs nothing is promised, and this would write the whole ring, as it does where
        // the ring turned once after a failed sync.
        let superblock = &self.chosen.superblock;
        let is_promising = self.options.durability == Durability::Synced;
        if is_promising && !superblock.clean && id >= superblock.durable_block {
            self.renew(position, &summary);
        }
    }

    /// Stores the pages of a walked block once more, as they are, so that the first sync writes
    /// them. Of a page that it failed to write the kernel believes that it is written, and the sync
    /// of whoever opens the file next would call durable what is in the page cache alone.
    fn renew(&mut self, position: u32, summary: &Summary) {
        let geometry = &self.chosen.geometry;
        let (block, entry) = (geometry.block_range(position), geometry.entry_range(position));
        let text_end = block.start + u64::from(summary.text_end);
        let slots_at = block.end - u64::from(summary.count) * SLOT_BYTES as u64;
        let bytes = self.store.bytes_mut();
        for range in [block.start..text_end, slots_at..block.end, entry] {
            let page = range.start / PAGE_BYTES * PAGE_BYTES;
            for at in (page..range.end).step_by(PAGE_BYTES as usize) {
                let byte = &mut bytes[at as usize];
                *byte = std::hint::black_box(*byte);
            }
        }
    }

    /// Writes the summary of a walked block, unless it stands there already.
    fn write_summary(&mut self, position: u32, summary: &Summary) {
        let geometry = &self.chosen.geometry;
        let in_block = geometry.block_range(position).start as usize + SUMMARY_AT;
        let in_directory = geometry.entry_range(position).start as usize;
        let entry = summary.encode();
        for at in [in_block, in_directory] {
            let there = &mut self.store.bytes_mut()[at..at + ENTRY_BYTES];
            if *there != entry {
                there.copy_from_slice(&entry);
            }
        }
    }

    /// The segment, and what was found. It appends nothing before its first sync has completed.
    ///
    /// # Panics
    /// Where steps are left to take.
    pub fn finish(mut self) -> (Segment<S>, Recovery) {
        assert!(matches!(self.phase, Phase::Done), "the opening has steps left");
        let superblock = self.chosen.superblock;
        let last_end = settle(&mut self.summaries, &self.chosen.geometry, self.next);
        let is_open = self.next > superblock.durable_block
            && self.summary_of(self.next - 1).is_some_and(|s| s.sequence == self.next - 1);
        let head = Seq(superblock.number_limit.max(last_end.0));
        let sync = SyncState::opened(self.epoch, &superblock, self.chosen.copy, head);
        let mut segment =
            Segment::empty(self.store, self.chosen.geometry, self.options, head, sync);
        segment.next = self.next;
        let live = |s: &&Summary| s.sequence != u64::MAX;
        let oldest = self.summaries.iter().filter(live).map(|s| s.sequence).min();
        segment.oldest = oldest.unwrap_or(self.next);
        self.recovery.blocks = self.summaries.iter().filter(live).count() as u32;
        segment.summaries = self.summaries;
        if is_open {
            let position = segment.geometry.position(self.next - 1) as usize;
            segment.adopt(segment.summaries[position]);
            segment.gap_pending = head.0 - last_end.0;
        }
        segment.restore_tail();
        segment.refresh_stops();
        segment.assert_invariants();
        self.recovery.records = segment.records();
        self.recovery.skipped = if last_end.0 > 0 { head.0 - last_end.0 } else { 0 };
        (segment, self.recovery)
    }

    fn summary_of(&self, id: BlockId) -> Option<&Summary> {
        self.summaries.get(self.chosen.geometry.position(id) as usize)
    }
}

/// The sequences whose places hold the headers among which the newest block is looked for.
pub(super) fn head_candidates(chosen: &Chosen) -> (u64, u64) {
    let from = chosen.superblock.durable_block;
    let to = from + u64::from(chosen.geometry.blocks);
    (from, to.min(chosen.superblock.limit))
}

/// The sequence of the block that is live at `position` when block `next` is the next to open.
pub(super) fn expected(geometry: &Geometry, next: u64, position: u32) -> Option<BlockId> {
    let newest = next.checked_sub(1)?;
    let blocks = u64::from(geometry.blocks);
    let back = (newest % blocks + blocks - u64::from(position)) % blocks;
    newest.checked_sub(back)
}

/// The number below which block `id`, if it is walked, has slots for all numbers.
pub(super) fn known_end(superblock: &Superblock, id: BlockId) -> u64 {
    if id >= superblock.durable_block { superblock.durable_end } else { 0 }
}

/// Whether a block that was never found may have begun to overwrite block `id`.
pub(super) fn is_suspect(chosen: &Chosen, id: BlockId) -> bool {
    !chosen.superblock.clean
        && id.saturating_add(u64::from(chosen.geometry.blocks)) < chosen.superblock.limit
}

/// Makes `summaries` fit each other: numbers grow from block to block, and each hole tells where
/// the block before it ends. Gives the number after the last slot, 0 where there is none.
pub(super) fn settle(summaries: &mut [Summary], geometry: &Geometry, next: u64) -> Seq {
    let mut end = Seq(0);
    for id in next.saturating_sub(u64::from(geometry.blocks))..next {
        let summary = &mut summaries[geometry.position(id) as usize];
        if summary.sequence == id && summary.first >= end {
            end = summary.end();
        } else {
            *summary = Summary { first: end, ..empty_summary() };
        }
    }
    end
}

/// Zeroes `bytes`, page by page, leaving those alone that are zero: a page that is not written
/// need not go to the disk.
fn zero(bytes: &mut [u8]) {
    for part in bytes.chunks_mut(SECTOR_BYTES) {
        if part.iter().any(|&byte| byte != 0) {
            part.fill(0);
        }
    }
}
