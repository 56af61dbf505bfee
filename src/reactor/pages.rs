//! Which pages of the file are in memory before they are touched: those of the block to be opened
//! next, those a reader wants, and the slots that `--max-age` looks at.

use std::ops::Range;

use mio::Token;

use super::disk::Order;
use super::storage::{State, Storage};
use crate::clock::{MS, Mono, Wall};
use crate::config::SyncMode;
use crate::segment::BlockId;

/// Blocks that are opened quicker after each other than this are prepared ahead.
const FAST_BLOCK_NS: u64 = 100 * MS;
/// How many of them: what a turn may fill, and some more.
const BLOCKS_AHEAD: u64 = 4;

impl Storage {
    /// Hides what is too old, once the slots that tell are in memory.
    pub fn expire(&mut self, now: Wall) {
        if self.is_tail_in_memory()
            && let Some(segment) = self.segment_mut()
        {
            segment.expire(now);
        }
    }

    /// Whether the oldest block can be read without waiting for the disk; else it is asked for,
    /// once.
    fn is_tail_in_memory(&mut self) -> bool {
        let State::Open(segment) = &self.state else { return true };
        if self.disk.is_none() || segment.options().age_ns_max.is_none() {
            return true;
        }
        let Some(block) = segment.block_containing(segment.tail()) else { return true };
        if self.tail_block == Some((block, true)) {
            return true;
        }
        let range = segment.block_range(block);
        if segment.store().is_resident(range.start as usize..range.end as usize) {
            self.tail_block = Some((block, true));
            return true;
        }
        let is_asked = self.tail_block == Some((block, false));
        if !is_asked && self.order(Order::Fetch { from: range.start, to: range.end }) {
            self.tail_block = Some((block, false));
        }
        false
    }

    /// Whether `block` must come from the disk before it is read; then it is asked for, and `token`
    /// is told when it is there.
    pub fn must_fetch(&mut self, block: BlockId, token: Token) -> bool {
        if self.resident == Some(block) || self.disk.is_none() {
            return false;
        }
        let known = self.unreadable.iter().position(|one| *one == block);
        let Some(segment) = self.segment() else { return false };
        let range = segment.block_range(block);
        if known.is_some() || segment.store().is_resident(range.start as usize..range.end as usize)
        {
            known.map(|at| self.unreadable.swap_remove(at));
            self.resident = Some(block);
            return false;
        }
        let is_asked = self.fetch_waiters.iter().any(|(waited, _)| *waited == block);
        if !is_asked && !self.order(Order::Fetch { from: range.start, to: range.end }) {
            // The helper is busy; reading the page ourselves is slow but goes on.
            return false;
        }
        self.fetch_waiters.push((block, token));
        true
    }

    /// Bytes have come from the disk. Returns who waited for them.
    pub fn on_fetched(&mut self, from: u64) -> Vec<Token> {
        if let State::Opening { is_fetching, .. } = &mut self.state {
            *is_fetching = false;
        }
        let Some(segment) = self.segment() else { return Vec::new() };
        if let Some(block) = self.upcoming_fetch
            && segment.block_range(block).start == from
        {
            self.upcoming_fetch = None;
            self.block_is_ready(block);
        }
        if let State::Open(segment) = &self.state
            && let Some((block, is_there)) = &mut self.tail_block
            && segment.block_range(*block).start == from
        {
            // Whatever came of it: what cannot be read becomes a zero page.
            *is_there = true;
        }
        let all = std::mem::take(&mut self.fetch_waiters);
        let State::Open(segment) = &self.state else { return Vec::new() };
        let (woken, waiting): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(block, _)| segment.block_range(*block).start == from);
        self.fetch_waiters = waiting;
        for (block, _) in &woken {
            let range = segment.block_range(*block);
            let is_there = segment.store().is_resident(range.start as usize..range.end as usize);
            if !is_there && !self.unreadable.contains(block) {
                self.unreadable.push(*block);
            }
        }
        woken.into_iter().map(|(_, token)| token).collect()
    }

    /// Makes sure that the pages of the blocks to be opened next are in memory, for storing into
    /// one that is not waits for the disk. Where blocks fill faster than syncs come, sealed ones
    /// are sent to the disk ahead of the sync.
    pub fn prepare_upcoming(&mut self, now: Mono) {
        if self.disk.is_none() {
            return;
        }
        let State::Open(segment) = &self.state else { return };
        let upcoming = segment.upcoming_block();
        if upcoming != self.upcoming_seen {
            self.is_fast =
                now.saturating_sub(self.opened_at) < FAST_BLOCK_NS && self.mode != SyncMode::Never;
            self.opened_at = now;
            // The block before `upcoming` is open; those before it are sealed.
            let sealed = self.upcoming_seen.saturating_sub(1)..upcoming.saturating_sub(1);
            self.upcoming_seen = upcoming;
            if self.is_fast {
                self.flush(sealed);
            }
        }
        let ahead = if self.is_fast { BLOCKS_AHEAD } else { 1 };
        self.prepared = self.prepared.max(upcoming);
        while self.prepared < upcoming + ahead && self.upcoming_fetch.is_none() {
            self.prepare(self.prepared);
        }
    }

    /// Sends sealed blocks on their way to the disk. One that the helper has no room for goes with
    /// the next sync.
    fn flush(&mut self, sealed: Range<BlockId>) {
        for block in sealed {
            let State::Open(segment) = &self.state else { return };
            let range = segment.block_range(block);
            self.order(Order::Flush { from: range.start, to: range.end });
        }
    }

    /// Has the pages of a block brought into memory, or says that they are there.
    fn prepare(&mut self, block: BlockId) {
        let State::Open(segment) = &mut self.state else { return };
        let range = segment.block_range(block);
        let is_resident = segment.store().is_resident(range.start as usize..range.end as usize);
        if !is_resident && self.order(Order::Fetch { from: range.start, to: range.end }) {
            self.upcoming_fetch = Some(block);
            return;
        }
        self.block_is_ready(block);
    }

    fn block_is_ready(&mut self, block: BlockId) {
        self.prepared = block + 1;
        if let Some(segment) = self.segment_mut() {
            segment.set_resident(block);
        }
        self.unpause();
    }
}
