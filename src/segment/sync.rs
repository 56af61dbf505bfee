//! What is on disk: superblocks, limits, tickets. The shell makes bytes reach the disk; this is
//! the account of it.
//!
//! A superblock is written before each sync, into the copy that is not the last one known to be
//! on disk. It names what the sync *before* it made durable, and promises limits that are granted
//! only when its own sync has completed: so whichever of the two copies is found after a power
//! cut, everything that it names is there, and nothing was given out beyond what it promises.

use super::Seq;
use super::format::{LIMIT_NONE, PAGE_BYTES, SECTOR_BYTES, SUPERBLOCK_AT, Superblock};
use super::ring::{BlockId, Durability, Segment};
use super::store::Store;
use crate::limits::{NUMBERS_AHEAD_MAX, NUMBERS_AHEAD_MIN};

/// Whether a sync is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncWish {
    /// All is on disk.
    Nothing,
    /// Something is not on disk; the next interval will do.
    Later,
    /// Half of an allowance is used up: appends will have to wait if no sync is made soon.
    Now,
}

/// A sync that was begun: what will be durable when it has completed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncTicket {
    head: Seq,
    end: Seq,
    block: u64,
    limit: u64,
    number_limit: u64,
    dirty: u64,
    clean: bool,
}

impl SyncTicket {
    /// Every record below this is durable when the sync has completed.
    pub fn head(&self) -> Seq {
        self.head
    }
}

/// The account of what is on disk.
#[derive(Debug)]
pub(super) struct SyncState {
    pub epoch: u64,
    pub generation: u64,
    /// The copy of the superblock that is written next.
    pub copy: usize,
    /// Every record below went through a successful sync.
    pub durable: Seq,
    /// Every block below is sealed, and that went through a successful sync.
    pub durable_block: u64,
    /// The number after the last slot when `durable` was taken.
    pub durable_end: Seq,
    /// No block at or after it is opened.
    pub limit: u64,
    /// No number at or above it is given out.
    pub number_limit: u64,
    /// What the newest superblock says, granted when it is on disk.
    pub limit_promised: u64,
    /// What the newest superblock says, granted when it is on disk.
    pub number_limit_promised: u64,
    /// Numbers below `number_limit` and at or above this are half of the allowance.
    pub number_half: u64,
    pub number_ahead: u64,
    /// The head when the last sync was begun.
    pub head_begun: Seq,
    pub cleared: Seq,
    pub first_block: BlockId,
    pub created_ns: u64,
    /// Bytes appended since the last completed sync was begun.
    pub dirty: u64,
    /// Whether the superblock was rewritten since the last sync was begun.
    pub superblock_dirty: bool,
    /// Whether a sync of this run has completed, so that its epoch is on disk.
    pub is_begun: bool,
    pub is_failed: bool,
    pub is_closed: bool,
    /// Pages dirtied since the last sync was begun, but for the text and slots of the open block.
    pub pages_dirtied: u64,
    /// The page of the directory that was dirtied last, so that it counts once.
    directory_page: u64,
}

impl SyncState {
    /// The account of a new segment.
    pub fn created(epoch: u64, head: Seq, now: u64) -> Self {
        Self {
            epoch,
            generation: 0,
            copy: 0,
            durable: head,
            durable_block: 0,
            durable_end: head,
            limit: 0,
            number_limit: head.0,
            limit_promised: 0,
            number_limit_promised: head.0,
            number_half: head.0,
            number_ahead: NUMBERS_AHEAD_MIN,
            head_begun: head,
            cleared: Seq(0),
            first_block: 0,
            created_ns: now,
            dirty: 0,
            superblock_dirty: true,
            is_begun: false,
            is_failed: false,
            is_closed: false,
            pages_dirtied: 0,
            directory_page: 0,
        }
    }

    /// The account of a segment that was found with `superblock` in copy `copy`.
    pub fn opened(epoch: u64, superblock: &Superblock, copy: usize, head: Seq) -> Self {
        Self {
            generation: superblock.generation,
            copy: 1 - copy,
            durable: Seq(superblock.durable),
            durable_block: superblock.durable_block,
            durable_end: Seq(superblock.durable_end),
            limit_promised: superblock.limit,
            cleared: Seq(superblock.cleared),
            first_block: superblock.first_block,
            ..Self::created(epoch, head, superblock.created_ns)
        }
    }

    /// Counts the directory page at file offset `at` once until the next sync.
    pub fn note_directory_page(&mut self, at: u64) {
        let page = at / PAGE_BYTES;
        if page != self.directory_page {
            self.directory_page = page;
            self.pages_dirtied += 1;
        }
    }
}

impl<S: Store> Segment<S> {
    /// Whether and how soon a sync should be made.
    pub fn wants_sync(&self) -> SyncWish {
        let sync = &self.sync;
        if self.options.durability == Durability::Volatile || sync.is_failed || sync.is_closed {
            return SyncWish::Nothing;
        }
        if self.head.0 >= sync.number_half {
            return SyncWish::Now;
        }
        if self.options.durability == Durability::Never {
            return SyncWish::Nothing;
        }
        let half_limit = sync.limit.saturating_sub(self.next) <= self.blocks_ahead() / 2;
        if sync.dirty >= self.dirty_stop / 2 || half_limit {
            return SyncWish::Now;
        }
        if sync.dirty > 0 || sync.superblock_dirty { SyncWish::Later } else { SyncWish::Nothing }
    }

    /// Blocks that may be opened between two syncs.
    fn blocks_ahead(&self) -> u64 {
        let dirty = self.dirty_stop / u64::from(self.geometry.block_bytes);
        dirty.saturating_add(2).min(u64::from(self.geometry.blocks) / 2)
    }

    /// The limit to promise now. A recovery looks for one lap of blocks from the durable one on, so
    /// no block may be opened that is further ahead than that.
    fn blocks_limit(&self) -> u64 {
        let lap = self.sync.durable_block + u64::from(self.geometry.blocks);
        (self.next + self.blocks_ahead()).min(lap)
    }

    /// Begins a sync: writes the superblock that goes with it. All bytes of the store are then to
    /// be synced, and the ticket given to [`Self::sync_done`]. One sync runs at a time.
    pub fn sync_begin(&mut self) -> SyncTicket {
        self.grow_numbers();
        self.sync.number_limit_promised =
            self.sync.number_limit_promised.max(self.head.0 + self.sync.number_ahead);
        let is_synced = self.options.durability == Durability::Synced;
        self.sync.limit_promised = match self.sync.limit_promised {
            _ if !is_synced || self.sync.is_failed => LIMIT_NONE,
            // An opening has repaired what this names, and only this sync makes that durable.
            LIMIT_NONE if !self.sync.is_begun => LIMIT_NONE,
            LIMIT_NONE => self.blocks_limit(),
            promised => promised.max(self.blocks_limit()),
        };
        self.sync.limit = self.sync.limit.min(self.sync.limit_promised);
        self.begin(false)
    }

    /// Begins the last sync: writes a superblock that says "closed cleanly". `None` where not all
    /// is durable yet, or a sync has failed. Nothing can be appended from here on.
    pub fn close_begin(&mut self) -> Option<SyncTicket> {
        let is_durable = self.sync.durable == self.head && self.sync.dirty == 0;
        if self.sync.is_failed || !self.sync.is_begun || !is_durable {
            return None;
        }
        self.sync.is_closed = true;
        self.refresh_stops();
        self.sync.number_limit_promised = self.head.0;
        self.sync.limit_promised = self.next;
        Some(self.begin(true))
    }

    fn begin(&mut self, clean: bool) -> SyncTicket {
        self.note_written();
        self.write_superblock(clean);
        self.sync.superblock_dirty = false;
        self.counters.disk_bytes += (self.sync.pages_dirtied + 1) * PAGE_BYTES;
        self.sync.pages_dirtied = 0;
        self.sync.directory_page = 0;
        self.sync.head_begun = self.head;
        SyncTicket {
            head: self.head,
            end: Seq(self.head.0 - self.gap_pending),
            block: self.next.saturating_sub(u64::from(self.open.is_some())),
            limit: self.sync.limit_promised,
            number_limit: self.sync.number_limit_promised,
            dirty: self.sync.dirty,
            clean,
        }
    }

    /// Lets the number allowance follow what is used between two syncs: a burst makes it grow at
    /// once, and it shrinks slowly. A crash skips what is left of it, so it is not wasted either.
    fn grow_numbers(&mut self) {
        let used = self.head.0 - self.sync.head_begun.0;
        let wanted = used.saturating_mul(4).checked_next_power_of_two().unwrap_or(u64::MAX);
        let floor = (self.sync.number_ahead / 2).max(NUMBERS_AHEAD_MIN);
        self.sync.number_ahead = match used {
            0..NUMBERS_AHEAD_HALF => floor,
            _ => wanted.clamp(floor, NUMBERS_AHEAD_MAX),
        };
    }

    /// The sync of `ticket` has completed: what it covers is durable, and what it promised is
    /// granted, unless a CLEAR came in between, which takes one more sync.
    pub fn sync_done(&mut self, ticket: SyncTicket) {
        if self.sync.is_failed {
            return;
        }
        let sync = &mut self.sync;
        sync.durable = ticket.head;
        sync.durable_block = ticket.block;
        sync.durable_end = ticket.end;
        sync.dirty -= ticket.dirty;
        // A superblock that was rewritten meanwhile may be on its way to the disk again and be torn
        // there: then the other copy still is the last one that is known to be on disk.
        if !sync.superblock_dirty {
            sync.is_begun = true;
            sync.limit = ticket.limit;
            sync.number_limit = ticket.number_limit;
            sync.number_half = ticket.number_limit - (ticket.number_limit - ticket.head.0) / 2;
            sync.copy = 1 - sync.copy;
        }
        self.refresh_stops();
    }

    /// A sync has failed. Nothing of this run is called durable from here on, and limits are no
    /// longer kept: collecting goes on, and the next opening walks the whole ring.
    pub fn sync_failed(&mut self) {
        self.sync.is_failed = true;
        self.sync.limit_promised = LIMIT_NONE;
        self.renew_numbers();
    }

    /// Moves the number limit on where no sync succeeds any more; the kernel may yet write it back.
    pub(super) fn renew_numbers(&mut self) {
        let ahead = self.sync.number_ahead.max(NUMBERS_RENEWED);
        self.sync.number_limit_promised = self.head.0.saturating_add(ahead);
        self.rewrite_superblock();
        self.refresh_stops();
    }

    /// Every record below this went through a successful sync.
    pub fn durable(&self) -> Seq {
        self.sync.durable
    }

    /// Bytes appended that have not gone through a completed sync.
    pub fn dirty_bytes(&self) -> u64 {
        self.sync.dirty
    }

    /// The blocks at positions below `blocks` are pre-written and may be opened.
    pub fn prewritten(&mut self, blocks: u32) {
        self.options.prewritten = self.options.prewritten.max(blocks);
    }

    /// The next block that will be opened.
    pub fn upcoming_block(&self) -> u64 {
        self.next
    }

    /// Block `id` and all before it are resident and may be opened.
    pub fn set_resident(&mut self, id: u64) {
        self.resident = self.resident.max(id.saturating_add(1));
    }

    /// Writes the superblock into the copy that is not the last one known to be on disk.
    pub(super) fn write_superblock(&mut self, clean: bool) {
        self.sync.generation += 1;
        let sync = &self.sync;
        let superblock = Superblock {
            generation: sync.generation,
            epoch: sync.epoch,
            file_bytes: self.geometry.file_bytes,
            block_bytes: self.geometry.block_bytes,
            blocks: self.geometry.blocks,
            durable: sync.durable.0,
            durable_block: sync.durable_block,
            durable_end: sync.durable_end.0,
            limit: sync.limit_promised,
            number_limit: sync.number_limit_promised,
            cleared: sync.cleared.0,
            first_block: sync.first_block,
            created_ns: sync.created_ns,
            clean,
        };
        let at = SUPERBLOCK_AT[sync.copy] as usize;
        self.store.bytes_mut()[at..at + SECTOR_BYTES].copy_from_slice(&superblock.encode());
    }

    /// Writes the superblock again with the limits it already promises.
    pub(super) fn rewrite_superblock(&mut self) {
        let clean = self.sync.is_closed;
        self.write_superblock(clean);
        self.sync.superblock_dirty = true;
    }

    /// Counts the pages of text and slots that the open block has filled since it was last asked.
    pub(super) fn note_written(&mut self) {
        let open = &mut self.open;
        open.is_head_dirty = false;
        let pages = |from: u32, to: u32| {
            let (from, to) = (u64::from(from), u64::from(to));
            if from < to { to.div_ceil(PAGE_BYTES) - from / PAGE_BYTES } else { 0 }
        };
        self.sync.pages_dirtied += pages(open.text_synced, open.text_at);
        self.sync.pages_dirtied += pages(open.slots_at, open.slots_synced);
        let (text, slots) = (open.text_at.saturating_sub(1), open.slots_at);
        let is_shared = u64::from(text) / PAGE_BYTES == u64::from(slots) / PAGE_BYTES
            && open.text_synced < open.text_at
            && open.slots_at < open.slots_synced;
        self.sync.pages_dirtied -= u64::from(is_shared);
        open.text_synced = open.text_at;
        open.slots_synced = open.slots_at;
    }
}

/// Numbers that a segment whose disk has failed runs ahead of the superblock in its store.
const NUMBERS_RENEWED: u64 = 1 << 20;

/// Fewer numbers than this between two syncs leave the allowance alone.
const NUMBERS_AHEAD_HALF: u64 = NUMBERS_AHEAD_MIN / 2;
