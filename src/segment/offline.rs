//! Reading a segment without mapping, locking or writing it, whether a server has it open or not.
//!
//! A block is read as a copy, its header once more after that: had the writer recycled it in
//! between, the copy is thrown away. Every checksum is checked in the copy.

use std::fmt;
use std::ops::Range;

use super::block::Block;
use super::format::{
    ENTRY_BYTES, Header, LIMIT_NONE, SECTOR_BYTES, SLOT_BYTES, SUMMARY_AT, SUPERBLOCK_AT, Summary,
};
use super::geometry::Geometry;
use super::ring::{BlockId, Options, Segment};
use super::store::MemStore;
use super::superblock::{Chosen, OpenError, choose};
use super::sync::SyncState;
use super::walk::{repair, walk};
use super::{Seq, recovery};

/// Something that reads parts of a segment file: it gives the bytes of the range, fewer where the
/// file ends before it does.
pub trait ReadAt {
    /// Why a read failed.
    type Error;
    /// The bytes of `range`.
    ///
    /// # Errors
    /// The reader's own.
    fn read_at(&mut self, range: Range<u64>) -> Result<Vec<u8>, Self::Error>;
}

impl<E, F: FnMut(Range<u64>) -> Result<Vec<u8>, E>> ReadAt for F {
    type Error = E;

    fn read_at(&mut self, range: Range<u64>) -> Result<Vec<u8>, E> {
        self(range)
    }
}

/// Why a segment cannot be read offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineError<E> {
    /// What is there is no segment that can be read.
    Open(OpenError),
    /// A read failed.
    Read(E),
}

impl<E: fmt::Display> fmt::Display for OfflineError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for OfflineError<E> {}

/// A segment file that is only read.
#[derive(Debug)]
pub struct Offline<R> {
    reader: R,
    chosen: Chosen,
    /// Sequence after the newest block.
    next: BlockId,
}

/// A copy of one block.
#[derive(Clone, Debug)]
pub struct OfflineBlock {
    pub(super) image: Vec<u8>,
    /// What is known of it. Where the block was not sealed, this comes from a walk.
    pub summary: Summary,
    /// Records at or above this may have been lost with an unclean end; a bad one below it is
    /// damage.
    pub durable: Seq,
    /// Whether the sealed summary is there and intact, or none can be expected.
    pub is_summary_intact: bool,
    /// Whether the block was walked: it may be the one that is appended to.
    pub(super) is_walked: bool,
}

impl OfflineBlock {
    /// The block, to be read.
    pub fn block(&self) -> Block<'_> {
        Block::new(&self.image, &self.summary)
    }
}

/// What stands where a block is looked for.
enum Found {
    Block(OfflineBlock),
    /// Another block, or none: recycled, or lost with an unclean end.
    Other,
    /// Bytes that no writer of ours left there.
    Damaged,
}

impl<R: ReadAt> Offline<R> {
    /// Looks which blocks are live. `file_bytes` is the length of the file.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn open(mut reader: R, file_bytes: u64) -> Result<Self, OfflineError<R::Error>> {
        let mut read = |at: u64, bytes: usize| {
            reader.read_at(at..at + bytes as u64).map_err(OfflineError::Read)
        };
        let a = read(SUPERBLOCK_AT[0], SECTOR_BYTES)?;
        let b = read(SUPERBLOCK_AT[1], SECTOR_BYTES)?;
        let chosen = choose([&a, &b], file_bytes).map_err(OfflineError::Open)?;
        let (geometry, limit) = (chosen.geometry, chosen.superblock.limit);
        let mut next = chosen.superblock.durable_block;
        let (from, to) = recovery::head_candidates(&chosen);
        for id in from..to {
            let position = geometry.position(id);
            let sector = read(geometry.block_range(position).start, SECTOR_BYTES)?;
            let Some(header) = Header::decode(&sector) else { continue };
            // A live writer may have gone on past the limit that was read.
            let is_newer = limit == LIMIT_NONE || header.sequence >= id;
            if is_newer && geometry.position(header.sequence) == position {
                next = next.max(header.sequence + 1);
            }
        }
        Ok(Self { reader, chosen, next })
    }

    /// How the segment is divided.
    pub fn geometry(&self) -> &Geometry {
        &self.chosen.geometry
    }

    /// The sequences that live blocks can have, oldest first; some may not be there.
    pub fn block_ids(&self) -> Range<BlockId> {
        let lap = self.next.saturating_sub(u64::from(self.chosen.geometry.blocks));
        lap.max(self.chosen.superblock.first_block)..self.next
    }

    /// No record below this is visible: it was cleared.
    pub fn cleared(&self) -> Seq {
        Seq(self.chosen.superblock.cleared)
    }

    /// Whether the segment was closed cleanly; false while a server has it open.
    pub fn is_clean(&self) -> bool {
        self.chosen.superblock.clean
    }

    /// A copy of block `id`; `None` where it is not there, or was recycled while it was read.
    ///
    /// # Errors
    /// The reader's.
    pub fn read_block(&mut self, id: BlockId) -> Result<Option<OfflineBlock>, R::Error> {
        match self.find_block(id)? {
            Found::Block(block) => Ok(Some(block)),
            Found::Other | Found::Damaged => Ok(None),
        }
    }

    fn find_block(&mut self, id: BlockId) -> Result<Found, R::Error> {
        let geometry = self.chosen.geometry;
        let range = geometry.block_range(geometry.position(id));
        let mut image = self.reader.read_at(range.clone())?;
        image.resize(geometry.block_bytes as usize, 0);
        let after = self.reader.read_at(range.start..range.start + SECTOR_BYTES as u64)?;
        let Some(header) = Header::decode(&after) else {
            let is_empty = after.iter().all(|&byte| byte == 0);
            return Ok(if is_empty { Found::Other } else { Found::Damaged });
        };
        if header.sequence != id || Header::decode(&image) != Some(header) {
            return Ok(Found::Other);
        }
        let superblock = &self.chosen.superblock;
        let is_suspect = recovery::is_suspect(&self.chosen, id);
        let is_walked = id >= superblock.durable_block || is_suspect;
        let sealed = Summary::decode(&image[SUMMARY_AT..], &geometry).filter(|summary| {
            (summary.epoch, summary.sequence, summary.first.0)
                == (header.epoch, header.sequence, header.first)
        });
        let summary = match sealed {
            Some(summary) if !is_walked => summary,
            _ => walk(&image, &header, recovery::known_end(superblock, id), &geometry).summary,
        };
        let durable = match () {
            () if superblock.clean => Seq(u64::MAX),
            () if is_suspect => Seq(0),
            () if is_walked => Seq(superblock.durable_end),
            () => Seq(u64::MAX),
        };
        let is_summary_intact = is_walked || sealed.is_some();
        Ok(Found::Block(OfflineBlock { image, summary, durable, is_summary_intact, is_walked }))
    }

    /// What the first `count` slots of a block say.
    pub(super) fn walk_again(&self, block: &OfflineBlock, count: u32) -> Summary {
        let mut image = block.image.clone();
        let text_start = self.chosen.geometry.text_start() as usize;
        // A slot that is not looked at is one that says nothing: all slots behind are zeroed, and
        // with them text, which no slot in front names.
        let slots_at = image.len().saturating_sub(count as usize * SLOT_BYTES);
        let block_view = Block::new(&block.image, &Summary { count, ..block.summary });
        let text_end = (0..count.min(block_view.count))
            .map(|index| block_view.slot(index))
            .filter(|slot| !slot.is_gap())
            .map(|slot| (slot.text_offset as usize).saturating_add(slot.text_bytes as usize + 1))
            .filter(|end| *end <= slots_at)
            .max()
            .unwrap_or(text_start)
            .max(text_start);
        if let Some(rest) = image.get_mut(text_end..slots_at) {
            rest.fill(0);
        }
        let id = block.summary.sequence;
        let end = recovery::known_end(&self.chosen.superblock, id);
        walk(&image, &block.header(), end, &self.chosen.geometry).summary
    }

    /// The bytes of `range`.
    pub(super) fn read_at(&mut self, range: Range<u64>) -> Result<Vec<u8>, R::Error> {
        self.reader.read_at(range)
    }

    /// The same block with the slots that an unclean end tore turned into gaps, and sealed.
    pub(super) fn mend(&self, mut block: OfflineBlock) -> OfflineBlock {
        if block.durable < Seq(u64::MAX) {
            let header = block.header();
            let end = recovery::known_end(&self.chosen.superblock, header.sequence);
            let mut walked = walk(&block.image, &header, end, &self.chosen.geometry);
            repair(&mut block.image, &mut walked, block.durable.0);
            block.summary = walked.summary;
        }
        let entry = block.summary.encode();
        block.image[SUMMARY_AT..SUMMARY_AT + ENTRY_BYTES].copy_from_slice(&entry);
        block
    }

    pub(super) fn number_limit(&self) -> u64 {
        self.chosen.superblock.number_limit
    }

    pub(super) fn created_ns(&self) -> u64 {
        self.chosen.superblock.created_ns
    }

    /// Everything that is there, as a segment in memory that can be asked like a served one. It
    /// takes as many bytes as the file has.
    ///
    /// # Errors
    /// The reader's.
    pub fn load(&mut self, options: Options) -> Result<Segment<MemStore>, R::Error> {
        let geometry = self.chosen.geometry;
        let store = MemStore::zeroed(geometry.file_bytes as usize);
        let superblock = self.chosen.superblock;
        let head = Seq(superblock.number_limit);
        let sync = SyncState::opened(superblock.epoch, &superblock, self.chosen.copy, head);
        let mut segment = Segment::empty(store, geometry, options, head, sync);
        for id in self.block_ids() {
            if let Some(block) = self.read_block(id)? {
                segment.place(&self.mend(block).image_and_summary());
            }
        }
        segment.settle_placed(self.block_ids(), head);
        Ok(segment)
    }

    /// Checks everything that has a checksum.
    ///
    /// # Errors
    /// The reader's.
    pub fn verify(&mut self) -> Result<VerifyReport, R::Error> {
        let mut report = VerifyReport { clean: self.is_clean(), ..VerifyReport::default() };
        for id in self.block_ids() {
            match self.find_block(id)? {
                Found::Other => {}
                Found::Damaged => {
                    let bytes = u64::from(self.chosen.geometry.block_bytes);
                    report.skip(Skipped { block: id, seq: None, bytes, why: Why::Header });
                }
                Found::Block(block) => {
                    verify_block(&block, self.cleared(), &mut report);
                    if block.is_summary_intact && id < self.chosen.superblock.durable_block {
                        self.verify_entry(&block, &mut report)?;
                    }
                }
            }
        }
        Ok(report)
    }

    /// Compares the directory with the summary of a sealed block.
    fn verify_entry(
        &mut self,
        block: &OfflineBlock,
        report: &mut VerifyReport,
    ) -> Result<(), R::Error> {
        let (geometry, id) = (self.chosen.geometry, block.summary.sequence);
        let entry = self.reader.read_at(geometry.entry_range(geometry.position(id)))?;
        let is_intact = match Summary::decode(&entry, &geometry) {
            // A live writer may have recycled the block meanwhile.
            Some(summary) => summary.sequence != id || summary == block.summary,
            None => entry.iter().all(|&byte| byte == 0),
        };
        if !is_intact {
            let bytes = ENTRY_BYTES as u64;
            report.skip(Skipped { block: id, seq: None, bytes, why: Why::Directory });
        }
        Ok(())
    }
}

impl OfflineBlock {
    /// The header that belongs to its summary.
    fn header(&self) -> Header {
        Header {
            epoch: self.summary.epoch,
            sequence: self.summary.sequence,
            first: self.summary.first.0,
            opened_ns: self.summary.opened_ns,
        }
    }

    fn image_and_summary(self) -> (Vec<u8>, Summary) {
        (self.image, self.summary)
    }

    pub(super) fn into_parts(self) -> (Vec<u8>, Summary) {
        self.image_and_summary()
    }
}

/// Counts the records of `block`, and those that are not whole.
pub(super) fn verify_block(offline: &OfflineBlock, cleared: Seq, report: &mut VerifyReport) {
    let block = offline.block();
    let id = block.sequence;
    report.blocks += 1;
    if !offline.is_summary_intact {
        let bytes = ENTRY_BYTES as u64;
        report.skip(Skipped { block: id, seq: None, bytes, why: Why::Summary });
    }
    for index in 0..block.count {
        let slot = block.slot(index);
        let is_checked = block.checked_slot(index).is_some();
        if is_checked && slot.is_gap() {
            report.gaps += 1;
            continue;
        }
        let seq = Seq(block.first.0 + u64::from(index));
        if block.record(index).is_ok() {
            report.records += 1;
            report.cleared += u64::from(seq < cleared);
            continue;
        }
        let text = block.slot_text(&slot).map_or(0, <[u8]>::len);
        let why = match () {
            () if seq >= offline.durable => Why::Torn,
            () if is_checked => Why::Stream,
            () => Why::Record,
        };
        report.skip(Skipped { block: id, seq: Some(seq), bytes: (text + SLOT_BYTES) as u64, why });
    }
}

/// Why bytes are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The header of a block is not what it was.
    Header,
    /// The sealed summary of a block is not what it was.
    Summary,
    /// A directory entry is not what it was.
    Directory,
    /// Slot or text of a record are not what they were.
    Record,
    /// The stream entry that a record names is not what it was.
    Stream,
    /// Slot or text of a record had not reached the disk at an unclean end, or was begun to be
    /// overwritten. That is not damage.
    Torn,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "block header fails its checksum",
            Self::Summary => "sealed summary fails its checksum",
            Self::Directory => "directory entry fails its checksum",
            Self::Record => "record fails its checksum",
            Self::Stream => "stream entry fails its checksum",
            Self::Torn => "record was not synced before an unclean end",
        })
    }
}

/// Bytes that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The block they lie in.
    pub block: BlockId,
    /// The record they belong to.
    pub seq: Option<Seq>,
    /// How many; for a record the text that its slot names, and the slot.
    pub bytes: u64,
    /// Why.
    pub why: Why,
}

/// What a check of a whole segment has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Whether the segment was closed cleanly.
    pub clean: bool,
    /// Live blocks.
    pub blocks: u64,
    /// Records that are whole, those that CLEAR has hidden among them.
    pub records: u64,
    /// Of these, records that CLEAR has hidden.
    pub cleared: u64,
    /// Numbers that name no record.
    pub gaps: u64,
    /// Bytes that cannot be used, damaged and torn ones.
    pub bytes_skipped: u64,
    /// Places that are damaged.
    pub damaged: u64,
    /// Records that were lost with an unclean end.
    pub torn: u64,
    /// The first places that cannot be used, at most `SKIPPED_MAX`.
    pub skipped: Vec<Skipped>,
}

impl VerifyReport {
    /// Whether anything is damaged. What an unclean end tore is not.
    pub fn is_damaged(&self) -> bool {
        self.damaged > 0
    }

    fn skip(&mut self, skipped: Skipped) {
        self.bytes_skipped += skipped.bytes;
        if skipped.why == Why::Torn {
            self.torn += 1;
        } else {
            self.damaged += 1;
        }
        if self.skipped.len() < crate::limits::SKIPPED_MAX {
            self.skipped.push(skipped);
        }
    }
}
