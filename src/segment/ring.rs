//! The ring of blocks: which are live, what is visible of them, and what leaves it.

use std::collections::HashMap;

use super::append::LabelNames;
use super::block::Block;
use super::format::{SLOT_BYTES, SUMMARY_AT, Summary};
use super::geometry::Geometry;
use super::store::Store;
use super::sync::SyncState;
use super::{Seq, append};

/// A block's number since the creation of the segment; it lies at position `id mod blocks`.
pub type BlockId = u64;

/// How much of the work for durability is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// The bytes are gone when the process is: no limits.
    #[default]
    Volatile,
    /// The kernel writes back when it likes: of the limits only that on numbers is kept, which asks
    /// for a sync at the beginning and very seldom later, and an unclean end walks it all.
    Never,
    /// Syncs are made; block and number limits and the bound on unsynced bytes are kept.
    Synced,
}

/// What can be chosen for a segment at each opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most records that are visible.
    pub records_max: Option<u64>,
    /// How old a visible record may be, by its receive time, in nanoseconds.
    pub age_ns_max: Option<u64>,
    /// The most bytes appended but not yet synced. Only kept by [`Durability::Synced`].
    pub dirty_bytes_max: u64,
    /// How much of the work for durability is done.
    pub durability: Durability,
    /// Blocks at positions below this are pre-written and may be opened.
    pub prewritten: u32,
    /// Whether a block is opened only after [`Segment::set_resident`] has named it.
    pub wait_resident: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            records_max: None,
            age_ns_max: None,
            dirty_bytes_max: u64::MAX,
            durability: Durability::Volatile,
            prewritten: u32::MAX,
            wait_resident: false,
        }
    }
}

/// What has happened to a segment since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records appended.
    pub records_appended: u64,
    /// Bytes of text of these, without newlines.
    pub bytes_appended: u64,
    /// Visible records that left with the oldest block.
    pub evicted_records: u64,
    /// Blocks that were recycled while they held visible records.
    pub evicted_blocks: u64,
    /// Records hidden by [`Options::records_max`] or [`Options::age_ns_max`].
    pub expired_records: u64,
    /// Records hidden by [`Segment::clear`].
    pub cleared_records: u64,
    /// Numbers given to no record, because a crash may have used them.
    pub gaps: u64,
    /// Bytes of pages that syncs had to write.
    pub disk_bytes: u64,
}

/// The block that is appended to. `slots_at == 0`: there is none, and nothing fits.
#[derive(Debug)]
pub(super) struct Open {
    /// Where the block begins in the store.
    pub base: usize,
    /// Where the next record's text goes, as an offset in the block.
    pub text_at: u32,
    /// Where the lowest slot begins, as an offset in the block.
    pub slots_at: u32,
    /// What the block's checksums start from.
    pub salt: u32,
    /// The block's sequence + 1; 0 where no block is open.
    pub key: u64,
    /// What is known of the block, kept with every append but for `text_end`.
    pub summary: Summary,
    /// The places of the block's stream entries, by a hash of the labels.
    pub streams: HashMap<u64, u16>,
    /// The text before this offset went into a sync.
    pub text_synced: u32,
    /// The slots from this offset on went into a sync.
    pub slots_synced: u32,
    /// Whether the block was opened since the last sync was begun.
    pub is_head_dirty: bool,
}

impl Open {
    fn none() -> Self {
        Self {
            base: 0,
            text_at: 0,
            slots_at: 0,
            salt: 0,
            key: 0,
            summary: empty_summary(),
            streams: HashMap::new(),
            text_synced: 0,
            slots_synced: 0,
            is_head_dirty: false,
        }
    }

    /// Whether a block is open.
    pub fn is_some(&self) -> bool {
        self.key != 0
    }
}

/// The summary that stands where no block is live.
pub(super) fn empty_summary() -> Summary {
    let header = super::format::Header { epoch: 0, sequence: u64::MAX, first: 0, opened_ns: 0 };
    Summary::opened(&header, 0)
}

/// A ring of equal blocks, recycled oldest first. Records are numbered by [`Seq`] since creation;
/// numbers never wrap, positions of blocks do.
///
/// ```text
/// blocks:   | 17 | 18 | 19 | 20 | 5.. | 6.. |          (a ring of 16 that is on its second lap)
///                            open ^     ^ oldest
/// numbers:  first of the oldest <= cleared, aged, beyond records_max <= tail <= visible < head
/// ```
///
/// Invariant: `tail <= head`; `visible` is the count of records, without gaps, in `tail..head`.
/// Invariant: live blocks have sequences in `oldest..next`, each at its position, with growing
/// record numbers; a sequence that a power cut took is a hole with a summary of no slots.
#[derive(Debug)]
pub struct Segment<S> {
    pub(super) store: S,
    pub(super) geometry: Geometry,
    pub(super) options: Options,
    pub(super) open: Open,
    /// Summaries by position; of the open block, only `sequence` and `first` are kept here.
    pub(super) summaries: Vec<Summary>,
    /// Sequence of the oldest live block, or of the next one where none is live.
    pub(super) oldest: u64,
    /// Sequence of the next block to be opened.
    pub(super) next: u64,
    pub(super) tail: Seq,
    pub(super) head: Seq,
    /// Records in `tail..head`.
    pub(super) visible: u64,
    /// Numbers before `head` that still need gap slots in the open block.
    pub(super) gap_pending: u64,
    /// Appends take the fast path while `head` is below this.
    pub(super) number_stop: u64,
    /// Appends take the fast path while `sync.dirty` stays within this.
    pub(super) dirty_stop: u64,
    /// Appends take the fast path while fewer records than this are visible.
    pub(super) visible_stop: u64,
    /// Numbers from `tail` up to this, if there are any, are all records.
    pub(super) plain_until: Seq,
    /// Blocks with a sequence below this are resident.
    pub(super) resident: u64,
    pub(super) sync: SyncState,
    pub(super) counters: Counters,
    pub(super) hasher: std::hash::RandomState,
    pub(super) label_names: LabelNames,
}

impl<S: Store> Segment<S> {
    /// A new, empty segment in `store`, whose bytes need not be zero. `epoch` is a random number;
    /// `now` in wall nanoseconds gives the first record its number, the Unix time in microseconds.
    ///
    /// Nothing is appended to a synced one until its first sync has completed.
    ///
    /// # Panics
    /// Where `store` is not as long as `geometry` says.
    pub fn create(store: S, geometry: Geometry, options: Options, epoch: u64, now: u64) -> Self {
        assert_eq!(store.bytes().len() as u64, geometry.file_bytes, "store and geometry differ");
        let head = Seq(now / 1000);
        let sync = SyncState::created(epoch, head, now);
        let mut segment = Self::empty(store, geometry, options, head, sync);
        segment.clear_directory();
        segment.write_superblock(false);
        segment.refresh_stops();
        segment.assert_invariants();
        segment
    }

    /// Whether a stream that was written since the segment was opened has a label called `name`, as
    /// far as `LABEL_NAMES_MAX` names are remembered.
    pub fn has_label(&self, name: &[u8]) -> bool {
        self.label_names.contains(name)
    }

    /// A segment without live blocks, before anything is written.
    pub(super) fn empty(
        store: S,
        geometry: Geometry,
        options: Options,
        head: Seq,
        sync: SyncState,
    ) -> Self {
        let resident = if options.wait_resident { 0 } else { u64::MAX };
        Self {
            store,
            geometry,
            options,
            open: Open::none(),
            summaries: vec![empty_summary(); geometry.blocks as usize],
            oldest: 0,
            next: 0,
            tail: head,
            head,
            visible: 0,
            gap_pending: 0,
            number_stop: 0,
            dirty_stop: 0,
            visible_stop: 0,
            plain_until: Seq(0),
            resident,
            sync,
            counters: Counters::default(),
            hasher: std::hash::RandomState::new(),
            label_names: LabelNames::default(),
        }
    }

    /// Zeroes the directory, so that nothing another segment left there is taken for ours.
    fn clear_directory(&mut self) {
        let range = self.geometry.entry_range(0).start as usize..self.geometry.blocks_at as usize;
        self.store.bytes_mut()[range].fill(0);
    }

    /// How the segment is divided.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What was chosen at the opening.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The store, to be read.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Gives the store back, as it is.
    pub fn into_store(self) -> S {
        self.store
    }

    /// What has happened since the opening.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The first number that the segment could give: numbers begin at the Unix time of its
    /// creation, in microseconds.
    pub fn first_ever(&self) -> Seq {
        Seq((self.sync.created_ns / 1000).min(self.tail.0))
    }

    /// The oldest visible record, or [`Self::head`] where none is visible.
    #[inline]
    pub fn tail(&self) -> Seq {
        self.tail
    }

    /// The number that the next record gets, at least.
    #[inline]
    pub fn head(&self) -> Seq {
        self.head
    }

    /// How many records are visible.
    #[inline]
    pub fn records(&self) -> u64 {
        self.visible
    }

    /// Whether block `id` is live.
    fn is_live(&self, id: BlockId) -> bool {
        let position = self.geometry.position(id) as usize;
        (self.oldest..self.next).contains(&id) && self.summaries[position].sequence == id
    }

    /// The block that holds record `seq`; where a crash took that number, the first block with
    /// slots after it. `None` where `seq` is outside `tail..head`, or no such block comes after it.
    pub fn block_containing(&self, seq: Seq) -> Option<BlockId> {
        if seq < self.tail || seq >= self.head {
            return None;
        }
        let (mut low, mut high) = (self.oldest, self.next);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.end_of(middle) <= seq { low = middle + 1 } else { high = middle }
        }
        self.first_from(low)
    }

    /// The number after the last slot of block `id`, or of the last block before it where `id` is
    /// a hole.
    fn end_of(&self, id: BlockId) -> Seq {
        if self.open.key == id + 1 {
            return self.open.summary.end();
        }
        self.summaries[self.geometry.position(id) as usize].end()
    }

    /// Whether block `id` is live and has slots. Of one that was just opened a power cut may leave
    /// nothing but the header: no number leads into it, and a walk that stood there would take it
    /// for the end.
    fn has_slots(&self, id: BlockId) -> bool {
        self.summary(id).is_some_and(|summary| summary.count > 0)
    }

    fn first_from(&self, id: BlockId) -> Option<BlockId> {
        (id..self.next).find(|&id| self.has_slots(id))
    }

    /// The block with slots after `id` in the ring; where `id` was recycled, the oldest.
    pub fn next_block(&self, id: BlockId) -> Option<BlockId> {
        self.first_from(id.saturating_add(1).max(self.oldest))
    }

    /// The block with slots before `id` in the ring.
    pub fn previous_block(&self, id: BlockId) -> Option<BlockId> {
        (self.oldest..id.min(self.next)).rev().find(|&id| self.has_slots(id))
    }

    /// The oldest live block with slots; it may hold only records that are no longer visible.
    pub fn oldest_block(&self) -> Option<BlockId> {
        self.first_from(self.oldest)
    }

    /// The newest live block with slots.
    pub fn newest_block(&self) -> Option<BlockId> {
        self.previous_block(self.next)
    }

    /// Block `id`, to be read; `None` once the ring has recycled it.
    #[inline]
    pub fn block(&self, id: BlockId) -> Option<Block<'_>> {
        let mut summary = *self.summary(id)?;
        if self.open.key == id + 1 {
            summary.text_end = self.open.text_at;
        }
        let range = self.geometry.block_range(self.geometry.position(id));
        let image = &self.store.bytes()[range.start as usize..range.end as usize];
        Some(Block::new(image, &summary))
    }

    /// The bytes of the store that block `id` takes, live or not.
    pub fn block_range(&self, id: BlockId) -> std::ops::Range<u64> {
        self.geometry.block_range(self.geometry.position(id))
    }

    /// What is known of block `id` without touching it; `None` once the ring has recycled it. Of
    /// the block that is appended to, all is up to date but `text_end`.
    #[inline]
    pub fn summary(&self, id: BlockId) -> Option<&Summary> {
        if self.open.key == id.wrapping_add(1) && self.open.is_some() {
            return Some(&self.open.summary);
        }
        self.is_live(id).then(|| &self.summaries[self.geometry.position(id) as usize])
    }

    /// Hides the records that are older than [`Options::age_ns_max`] at `now`, wall nanoseconds.
    /// Only the oldest end is looked at: a record behind a younger one stays, whatever its time.
    pub fn expire(&mut self, now: u64) {
        let Some(age_ns_max) = self.options.age_ns_max else { return };
        let before = now.saturating_sub(age_ns_max);
        let visible = self.visible;
        while let Some(id) = self.block_containing(self.tail) {
            let Some(summary) = self.summary(id) else { break };
            let end = summary.end();
            if summary.received_max_ns < before {
                self.move_tail(end.min(self.head));
                continue;
            }
            let Some(block) = self.block(id) else { break };
            let start = self.tail.max(block.first);
            let is_old = |index: &u32| {
                let slot = block.slot(*index);
                slot.is_gap() || slot.received_ns < before
            };
            let from = (start.0 - block.first.0) as u32;
            let first_kept = (from..block.count).find(|index| !is_old(index));
            let kept = first_kept.map_or(end, |index| Seq(block.first.0 + u64::from(index)));
            self.move_tail(kept);
            if kept < end {
                break;
            }
        }
        self.counters.expired_records += visible - self.visible;
        self.assert_invariants();
    }

    /// Changes how many records are visible, and for how long. What was hidden stays so.
    pub fn set_visible(&mut self, records_max: Option<u64>, age_ns_max: Option<u64>) {
        self.options.records_max = records_max;
        self.options.age_ns_max = age_ns_max;
        self.refresh_stops();
        self.trim();
    }

    /// Hides the oldest records beyond [`Options::records_max`].
    #[cold]
    #[inline(never)]
    pub(super) fn trim(&mut self) {
        while self.visible > self.visible_stop {
            let excess = self.visible - self.visible_stop;
            if self.tail.0 + excess <= self.plain_until.0 {
                self.tail.0 += excess;
                self.visible -= excess;
                self.counters.expired_records += excess;
                return;
            }
            let visible = self.visible;
            let Some(id) = self.block_containing(self.tail) else { break };
            let Some(summary) = self.summary(id) else { break };
            let (from, end) = (self.tail.max(summary.first), summary.end());
            let has_gaps = summary.gaps > 0;
            self.move_tail(Seq(from.0 + excess).min(end));
            self.plain_until = if has_gaps { Seq(0) } else { end };
            self.counters.expired_records += visible - self.visible;
        }
    }

    /// Hides every record and gives their count. The bytes stay until they are overwritten; the
    /// superblock is rewritten at once, and on disk with the next sync.
    pub fn clear(&mut self) -> u64 {
        let cleared = self.visible;
        self.tail = self.head;
        self.visible = 0;
        self.counters.cleared_records += cleared;
        self.sync.cleared = self.head;
        self.rewrite_superblock();
        self.assert_invariants();
        cleared
    }

    /// Sets the tail and the count of visible records after an opening.
    pub(super) fn restore_tail(&mut self) {
        let oldest = self.first_from(self.oldest).and_then(|id| self.summary(id));
        let first = oldest.map_or(self.head, |summary| summary.first);
        self.tail = first.max(self.sync.cleared).min(self.head);
        self.visible = self.records_between(self.tail, self.head);
        if self.visible == 0 {
            self.tail = self.head;
        }
        self.visible_stop = self.options.records_max.unwrap_or(u64::MAX);
        if self.visible > self.visible_stop {
            self.trim();
        }
    }

    /// Moves the tail on to `to` and counts what is still visible.
    pub(super) fn move_tail(&mut self, to: Seq) {
        if to <= self.tail {
            return;
        }
        self.visible -= self.records_between(self.tail, to);
        self.tail = to;
    }

    /// Records, without gaps, with numbers in `from..to`.
    pub(super) fn records_between(&self, from: Seq, to: Seq) -> u64 {
        let mut records = 0;
        let mut next = self.first_from(self.block_at_or_after(from));
        while let Some(id) = next {
            let Some(summary) = self.summary(id) else { break };
            if summary.first >= to {
                break;
            }
            let (start, end) = (from.max(summary.first), to.min(summary.end()));
            records += if start == summary.first && end == summary.end() {
                u64::from(summary.records())
            } else if summary.gaps == 0 {
                end.0.saturating_sub(start.0)
            } else {
                self.records_in_part(id, start, end)
            };
            next = self.next_block(id);
        }
        records
    }

    /// The first sequence whose slots, if it has any, reach beyond `seq`.
    fn block_at_or_after(&self, seq: Seq) -> BlockId {
        let (mut low, mut high) = (self.oldest, self.next);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.end_of(middle) <= seq { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn records_in_part(&self, id: BlockId, start: Seq, end: Seq) -> u64 {
        let Some(block) = self.block(id) else { return 0 };
        let index = |seq: Seq| seq.0.saturating_sub(block.first.0) as u32;
        (index(start)..index(end)).filter(|&index| !block.is_gap(index)).count() as u64
    }

    /// Writes the summary of the open block where it belongs; the block is not appended to again.
    #[cold]
    #[inline(never)]
    pub(super) fn seal(&mut self) {
        if !self.open.is_some() {
            return;
        }
        let is_head_dirty = self.open.is_head_dirty;
        self.note_written();
        self.open.summary.text_end = self.open.text_at;
        let summary = self.open.summary;
        let position = self.geometry.position(summary.sequence);
        self.summaries[position as usize] = summary;
        self.open = Open { streams: std::mem::take(&mut self.open.streams), ..Open::none() };
        if self.options.durability != Durability::Volatile {
            self.write_summary(&summary);
            // Header and summary are in one page.
            self.sync.pages_dirtied -= u64::from(is_head_dirty);
        }
    }

    /// Writes `summary` into its block's second sector and into the directory.
    pub(super) fn write_summary(&mut self, summary: &Summary) {
        let position = self.geometry.position(summary.sequence);
        let entry = summary.encode();
        let at = self.geometry.block_range(position).start as usize + SUMMARY_AT;
        let in_directory = self.geometry.entry_range(position);
        let bytes = self.store.bytes_mut();
        bytes[at..at + entry.len()].copy_from_slice(&entry);
        bytes[in_directory.start as usize..in_directory.end as usize].copy_from_slice(&entry);
        self.sync.pages_dirtied += 1;
        self.sync.note_directory_page(in_directory.start);
    }

    /// Lets go of the block that lies where block `sequence` is to be opened.
    pub(super) fn recycle_for(&mut self, sequence: u64) {
        let Some(old) = sequence.checked_sub(u64::from(self.geometry.blocks)) else { return };
        if old < self.oldest {
            return;
        }
        let visible = self.visible;
        let first_kept = self.first_from(old + 1);
        let tail = first_kept.and_then(|id| self.summary(id)).map_or(self.head, |s| s.first);
        self.move_tail(tail.max(self.tail));
        self.oldest = old + 1;
        if visible > self.visible {
            self.counters.evicted_records += visible - self.visible;
            self.counters.evicted_blocks += 1;
        }
    }

    /// Recomputes the bounds that the fast path of an append compares with.
    pub(super) fn refresh_stops(&mut self) {
        let keeps = self.keeps_limits();
        self.number_stop = match () {
            () if self.sync.is_closed || self.gap_pending > 0 => 0,
            () if self.options.durability == Durability::Volatile => u64::MAX,
            () if self.sync.is_failed => self.sync.number_limit_promised,
            () => self.sync.number_limit,
        };
        let dirty_floor = u64::from(self.geometry.block_bytes) / 2 + SLOT_BYTES as u64;
        self.dirty_stop =
            if keeps { self.options.dirty_bytes_max.max(dirty_floor) } else { u64::MAX };
        self.visible_stop = self.options.records_max.unwrap_or(u64::MAX);
    }

    pub(super) fn assert_invariants(&self) {
        assert!(self.tail <= self.head);
        assert!(self.visible <= self.head.0 - self.tail.0);
        assert!(self.oldest <= self.next);
        assert!(self.next - self.oldest <= u64::from(self.geometry.blocks));
        assert!(!self.open.is_some() || self.open.key == self.next);
        append::assert_open(&self.open, &self.geometry);
    }
}
