//! A segment of another size with the same records: block by block where the block size stays,
//! record by record where it changes. The new ring keeps the newest that fits.
//!
//! The old file is only read. The new one is complete and closed cleanly when the last step is
//! done; it then is synced and takes the name of the old one.

use super::append::StreamRef;
use super::block::Block;
use super::format::{CUT_MARK, LIMIT_NONE, Summary};
use super::geometry::Geometry;
use super::offline::{Offline, ReadAt};
use super::ring::{BlockId, Durability, Options, Segment, empty_summary};
use super::store::Store;
use super::sync::SyncState;
use super::{Full, NewRecord, Seq};

/// A resize under way.
#[derive(Debug)]
pub struct Resizing<R, S> {
    source: Offline<R>,
    target: Segment<S>,
    /// Blocks that are still to be copied.
    left: std::ops::Range<BlockId>,
    is_same_block_size: bool,
}

impl<R: ReadAt, S: Store> Resizing<R, S> {
    /// Begins to copy what `source` holds into `target`, a store of zeros as long as `geometry`
    /// says. `epoch` is a random number.
    ///
    /// # Panics
    /// Where `target` is not as long as `geometry` says.
    pub fn new(source: Offline<R>, target: S, geometry: Geometry, epoch: u64) -> Self {
        assert_eq!(target.bytes().len() as u64, geometry.file_bytes, "store and geometry differ");
        let is_same_block_size = source.geometry().block_bytes == geometry.block_bytes;
        let mut left = source.block_ids();
        if is_same_block_size {
            left.start = left.start.max(left.end.saturating_sub(u64::from(geometry.blocks)));
        }
        let mut sync = SyncState::created(epoch, Seq(0), source.created_ns());
        // Nobody waits for limits of a file that has no name yet, but sealing is done.
        sync.is_begun = true;
        sync.number_limit = u64::MAX;
        sync.cleared = source.cleared();
        sync.limit_promised = LIMIT_NONE;
        let options = Options { durability: Durability::Never, ..Options::default() };
        let mut target = Segment::empty(target, geometry, options, Seq(0), sync);
        target.refresh_stops();
        Self { source, target, left, is_same_block_size }
    }

    /// Copies one block; true when all are copied.
    ///
    /// # Errors
    /// The reader's.
    pub fn step(&mut self) -> Result<bool, R::Error> {
        let Some(id) = self.left.next() else { return Ok(true) };
        if let Some(block) = self.source.read_block(id)? {
            let block = self.source.mend(block);
            if self.is_same_block_size {
                self.target.place(&block.into_parts());
            } else {
                self.copy_records(&block.block());
            }
        }
        Ok(self.left.is_empty())
    }

    /// Completes the new segment and gives its store, which is to be synced.
    ///
    /// # Panics
    /// Where steps are left to take.
    pub fn finish(mut self) -> S {
        assert!(self.left.is_empty(), "the resize has steps left");
        let head = Seq(self.source.number_limit());
        let target = &mut self.target;
        if self.is_same_block_size {
            target.settle_placed(self.source.block_ids(), head);
        } else {
            target.seal();
            target.head = target.head.max(head);
        }
        target.close_copied();
        self.target.into_store()
    }

    fn copy_records(&mut self, block: &Block<'_>) {
        let mut stream = StreamRef::default();
        let mut labels: &[u8] = &[];
        for index in 0..block.count {
            // A damaged record cannot be taken along; its number stays unused.
            let Ok(record) = block.record(index) else { continue };
            if record.labels != labels {
                stream = StreamRef::default();
                labels = record.labels;
            }
            let text = match record.text.strip_suffix(CUT_MARK) {
                Some(text) if record.cut => text,
                _ => record.text,
            };
            let new = NewRecord {
                text,
                cut: record.cut,
                level: record.level,
                received_ns: record.received_ns,
                event_ns: record.event_ns,
            };
            self.target.skip_to(record.seq);
            let appended = self.target.append(&new, labels, &mut stream);
            assert!(!matches!(appended, Err(Full::Dirty | Full::NotReady)), "limits are off");
        }
    }
}

impl<S: Store> Segment<S> {
    /// Puts a whole block, with its summary, where it belongs.
    pub(super) fn place(&mut self, (image, summary): &(Vec<u8>, Summary)) {
        let position = self.geometry.position(summary.sequence);
        let range = self.geometry.block_range(position);
        self.store.bytes_mut()[range.start as usize..range.end as usize].copy_from_slice(image);
        self.summaries[position as usize] = *summary;
        self.write_summary(summary);
    }

    /// Makes the placed blocks with sequences in `ids` the live ones, with `head` as the next
    /// number, at least.
    pub(super) fn settle_placed(&mut self, ids: std::ops::Range<BlockId>, head: Seq) {
        self.next = ids.end;
        let end = super::recovery::settle(&mut self.summaries, &self.geometry, self.next);
        let live = self.summaries.iter().filter(|s| s.sequence != empty_summary().sequence);
        self.oldest = live.map(|s| s.sequence).min().unwrap_or(self.next);
        self.head = head.max(end);
        self.restore_tail();
        self.refresh_stops();
        self.assert_invariants();
    }

    /// Leaves the numbers from the head up to `seq` unused.
    fn skip_to(&mut self, seq: Seq) {
        if self.next == 0 {
            self.head = seq;
            self.tail = seq;
        }
        self.gap_pending += seq.0.saturating_sub(self.head.0);
        self.head = self.head.max(seq);
        self.refresh_stops();
    }

    /// Writes both superblocks of a finished copy: all of it is durable once it is synced.
    fn close_copied(&mut self) {
        self.sync.is_closed = true;
        self.sync.durable = self.head;
        self.sync.durable_end = self.head;
        self.sync.durable_block = self.next;
        self.sync.first_block = self.oldest.min(self.next);
        self.sync.limit_promised = self.next;
        self.sync.number_limit_promised = self.head.0;
        self.write_superblock(true);
        self.sync.copy = 1 - self.sync.copy;
        self.write_superblock(true);
    }
}
