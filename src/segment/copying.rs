//! A copy of a segment with the same division, made while a writer may be at it.
//!
//! The blocks that were live when the copy began are read oldest first, so that the writer, who
//! recycles in the same order, finds them read; one that it has recycled before its turn came is
//! counted as overtaken. A writer that is faster than the reading takes every block so; then they
//! are read newest first, and it takes the oldest only. The copy is closed cleanly: a segment
//! that a server opens without looking for anything.
//!
//! ```text
//! sealed block:  a copy that had the same header before and after it was read
//! open block:    read twice. Text grows upwards and is written before its slot, so every slot of
//!                the first reading has its text in the second: those slots are the copy's
//! ```

use super::Seq;
use super::format::{LIMIT_NONE, SLOT_BYTES, SUMMARY_AT, SUPERBLOCK_AT, Summary, Superblock};
use super::offline::{Offline, OfflineBlock, ReadAt, VerifyReport, verify_block};
use super::ring::BlockId;

/// Bytes and where they go in the copy's file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The place in the file.
    pub at: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What a copy holds.
#[derive(Clone, Debug, Default)]
pub struct Copied {
    /// What its records are: as `verify` says it of the copy.
    pub report: VerifyReport,
    /// The first and the last number of a block that was copied.
    pub numbers: Option<(Seq, Seq)>,
    /// Earliest and latest receive time, wall nanoseconds.
    pub received_ns: Option<(u64, u64)>,
    /// Records that the writer had overwritten before their turn came, as far as it is known.
    pub overtaken: u64,
    /// Blocks of which that is so.
    pub overtaken_blocks: u64,
}

/// A copy that is being made.
#[derive(Debug)]
pub struct Copying<R> {
    source: Offline<R>,
    /// Blocks that are still to be copied.
    left: std::ops::Range<BlockId>,
    /// Sequence after the newest block.
    next: BlockId,
    /// Newest first.
    is_backwards: bool,
    /// The oldest block that was copied.
    oldest: Option<BlockId>,
    /// Records of each block by position, where the directory told when the copy began.
    expected: Vec<(BlockId, u32)>,
    copied: Copied,
}

impl<R: ReadAt> Copying<R> {
    /// Begins a copy of what `source` holds now, oldest block first or newest first.
    ///
    /// # Errors
    /// The reader's.
    pub fn new(mut source: Offline<R>, is_backwards: bool) -> Result<Self, R::Error> {
        let left = source.block_ids();
        let geometry = *source.geometry();
        let mut expected = Vec::new();
        for id in left.clone() {
            let entry = source.read_at(geometry.entry_range(geometry.position(id)))?;
            let summary = Summary::decode(&entry, &geometry).filter(|found| found.sequence == id);
            expected.push((id, summary.map_or(0, |found| found.records())));
        }
        let next = left.end;
        let copied = Copied::default();
        Ok(Self { source, left, next, is_backwards, oldest: None, expected, copied })
    }

    /// Whether the writer is faster than the reading: most blocks were gone.
    pub fn is_outrun(&self) -> bool {
        self.copied.overtaken_blocks > self.copied.report.blocks
    }

    /// The length of the copy's file, in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.source.geometry().file_bytes
    }

    /// The next pieces of the copy: none where a block was overtaken or is not there; `None` when
    /// all blocks are copied.
    ///
    /// # Errors
    /// The reader's.
    pub fn step(&mut self) -> Result<Option<Vec<Piece>>, R::Error> {
        let next = if self.is_backwards { self.left.next_back() } else { self.left.next() };
        let Some(id) = next else { return Ok(None) };
        let Some(block) = self.read(id)? else {
            self.overtake(id);
            return Ok(Some(self.hole(id)));
        };
        let block = self.source.mend(block);
        if !self.fits(&block.summary) {
            return Ok(Some(self.hole(id)));
        }
        verify_block(&block, self.source.cleared(), &mut self.copied.report);
        self.note(&block.summary);
        let geometry = *self.source.geometry();
        let position = geometry.position(id);
        let (image, summary) = block.into_parts();
        let entry = summary.encode().to_vec();
        Ok(Some(vec![
            Piece { at: geometry.block_range(position).start, bytes: image },
            Piece { at: geometry.entry_range(position).start, bytes: entry },
        ]))
    }

    /// Block `id` with the slots that were there at the first of two readings.
    fn read(&mut self, id: BlockId) -> Result<Option<OfflineBlock>, R::Error> {
        let Some(first) = self.source.read_block(id)? else { return Ok(None) };
        if !first.is_walked {
            return Ok(Some(first));
        }
        let count = first.summary.count;
        let Some(mut second) = self.source.read_block(id)? else { return Ok(None) };
        let slots_at = second.image.len() - count as usize * SLOT_BYTES;
        // Slots that came later may name text that is not there: none of them, and then no text
        // of theirs either.
        let whole = self.source.walk_again(&second, count);
        let text_end = whole.text_end as usize;
        if let Some(rest) = second.image.get_mut(text_end..slots_at) {
            rest.fill(0);
        }
        second.summary = whole;
        let entry = whole.encode();
        second.image[SUMMARY_AT..SUMMARY_AT + entry.len()].copy_from_slice(&entry);
        Ok(Some(second))
    }

    /// Counts a block that was not there any more. One that was not there when the copy began
    /// either, as an unclean end or a resize leaves it, is nothing that anybody has overtaken.
    fn overtake(&mut self, id: BlockId) {
        let found = self.expected.iter().find(|(known, _)| *known == id);
        if let Some((_, records)) = found.filter(|(_, records)| *records > 0) {
            self.copied.overtaken += u64::from(*records);
            self.copied.overtaken_blocks += 1;
        }
    }

    /// Numbers only grow from block to block: what says otherwise is no block of this ring.
    fn fits(&self, summary: &Summary) -> bool {
        self.copied.numbers.is_none_or(|(first, last)| match self.is_backwards {
            true => summary.end() <= first,
            false => summary.first > last,
        })
    }

    /// Zeros in the place of a block, so that the file has no hole where a server would write.
    fn hole(&self, id: BlockId) -> Vec<Piece> {
        let geometry = self.source.geometry();
        let position = geometry.position(id);
        [geometry.block_range(position), geometry.entry_range(position)]
            .map(|range| Piece {
                at: range.start,
                bytes: vec![0; (range.end - range.start) as usize],
            })
            .into()
    }

    fn note(&mut self, summary: &Summary) {
        let sequence = summary.sequence;
        self.oldest = Some(self.oldest.map_or(sequence, |oldest| oldest.min(sequence)));
        if summary.count > 0 {
            let (from, to) = self.copied.numbers.unwrap_or((Seq(u64::MAX), Seq(0)));
            let last = Seq(summary.end().0 - 1);
            self.copied.numbers = Some((from.min(summary.first), to.max(last)));
        }
        if summary.records() > 0 {
            let (from, to) = self.copied.received_ns.unwrap_or((u64::MAX, 0));
            let range = (from.min(summary.received_min_ns), to.max(summary.received_max_ns));
            self.copied.received_ns = Some(range);
        }
    }

    /// The last pieces, the superblocks, and what was copied. `epoch` is a random number; the
    /// copy's next record gets at least the number `head_min`.
    ///
    /// # Panics
    /// Where steps are left to take.
    pub fn finish(mut self, epoch: u64, head_min: u64) -> (Vec<Piece>, Copied) {
        assert!(self.left.is_empty(), "the copy has steps left");
        let geometry = *self.source.geometry();
        let end = self.copied.numbers.map_or(0, |(_, last)| last.0 + 1);
        let head = end.max(self.source.number_limit()).max(head_min);
        let mut superblock = Superblock {
            generation: 1,
            epoch,
            file_bytes: geometry.file_bytes,
            block_bytes: geometry.block_bytes,
            blocks: geometry.blocks,
            durable: head,
            durable_block: self.next,
            durable_end: head,
            limit: self.next,
            number_limit: head,
            cleared: self.source.cleared().0.min(head),
            first_block: self.oldest.unwrap_or(self.next),
            created_ns: self.source.created_ns(),
            clean: true,
        };
        debug_assert!(superblock.limit != LIMIT_NONE, "a clean segment keeps its limits");
        let mut pieces = Vec::new();
        for at in SUPERBLOCK_AT {
            pieces.push(Piece { at, bytes: superblock.encode().to_vec() });
            superblock.generation += 1;
        }
        self.copied.report.clean = true;
        (pieces, self.copied)
    }
}
