//! The bytes of a segment file, version 1. All numbers are little-endian.
//!
//! ```text
//! file:   0 superblock A | 4096 superblock B | 8192 directory, 128 bytes a position |
//!         then, from the next multiple of 4096, the blocks; block k lies at position k mod blocks
//!
//! superblock, 512 bytes (the rest of its 4 KiB is unused)
//!   0  magic "LCST"            4  version u32             8  generation u64: the higher one counts
//!  16  epoch u64              24  file bytes u64         32  block bytes u32      36  blocks u32
//!  40  durable u64: every record below it went through a successful sync
//!  48  durable block u64: every block below it is sealed, and that went through a sync as well
//!  56  limit u64: no block at or after it is opened (u64::MAX: limits are not kept)
//!  64  number limit u64: no record number at or above it is given out
//!  72  cleared u64: no record below it is shown
//!  80  created, wall ns u64   88  flags u32, bit 0: closed cleanly
//!  92  zero u32
//!  96  durable end u64: the number after the last slot when `durable` was taken; numbers from
//!      there up to `durable` were skipped
//! 104  first block u64: no block below it was ever in this file (a resize begins above 0)
//! 112  zero                  508  crc32c u32 of the bytes 0..508
//!
//! block
//!    0  header, 512 bytes, written once, when the block is opened
//!         0 magic "LCSB" | 4 version u32 | 8 epoch u64 | 16 sequence u64 | 24 first number u64
//!        32 opened, wall ns u64 | 40 zero | 508 crc32c u32 of the bytes 0..508
//!  512  sealed summary, 512 bytes of which 128 are used, written once, when the block is sealed
//! 1024  trigram header, 512 bytes, not used yet
//! 1536  trigram map, block bytes / 32, not used yet
//!    .  text: records as they came, each followed by "\n", and stream entries ->
//!    .                                                                          <- slots
//!  slot i ends 32 * i bytes before the end of the block: record first + i, without exception
//!
//! summary, 128 bytes: in the block, and a copy in the directory
//!   0  crc32c u32 of the bytes 4..128, salted        4  count of slots u32
//!   8  sequence u64           16  epoch u64          24  first number u64
//!  32  gaps u32: slots that name no record           36  end of the text u32
//!  40  records per level, 10 x u32
//!  80  smallest, 88 largest receive time, wall ns u64 (0 where there is no record)
//!  96  smallest, 104 largest event time, wall ns i64 (0 where no record has one)
//! 112  opened, wall ns u64   120  records with an event time u32           124  zero u32
//!
//! slot, 32 bytes, never across a sector
//!   0  crc32c u32: salted, over the text and then over bytes 4..32
//!   4  text offset in the block u32    8  text bytes u32, without the "\n"
//!  12  stream u16: place of its entry in units of 8 bytes, 0 = none
//!  14  level u8               15  flags u8: bit 0 cut, bit 1 gap
//!  16  received, wall ns u64  24  event, wall ns i64, 0 = none
//!
//! stream entry, at a multiple of 8 in the text area
//!   0  crc32c u32 of what follows, salted, without the "\n"   4  bytes of labels u16
//!   6  labels: name=value, sorted, with a zero byte between two       then "\n"
//! ```
//!
//! The salt of a block is the CRC-32C of its epoch and sequence (16 bytes); a salted CRC starts
//! from it. So nothing that an earlier block left at a position, or an earlier life of the same
//! sequence that a power cut took back, can pass for a part of this one.

use crate::level::Level;
use crate::segment::Seq;
use crate::segment::geometry::Geometry;

/// The version of the format that is written, and the newest that can be read.
pub const VERSION: u32 = 1;
/// The first bytes of a segment file.
pub const MAGIC: [u8; 4] = *b"LCST";
/// The first bytes of a block.
pub const BLOCK_MAGIC: [u8; 4] = *b"LCSB";

/// What a disk writes as one, in bytes.
pub const SECTOR_BYTES: usize = 512;
/// What the kernel writes back as one, in bytes.
pub const PAGE_BYTES: u64 = 4096;
/// Where the two copies of the superblock lie in the file.
pub const SUPERBLOCK_AT: [u64; 2] = [0, PAGE_BYTES];
/// Where the directory begins in the file.
pub const DIRECTORY_AT: u64 = 2 * PAGE_BYTES;
/// Bytes of a summary, in a block and in the directory.
pub const ENTRY_BYTES: usize = 128;
/// Bytes of a slot.
pub const SLOT_BYTES: usize = 32;
/// Bytes of a block before its trigram map: header, sealed summary and trigram header.
pub const BLOCK_HEAD_BYTES: u32 = 3 * SECTOR_BYTES as u32;
/// Where the sealed summary lies in a block.
pub const SUMMARY_AT: usize = SECTOR_BYTES;
/// The block size of rings below 4 MiB, in bytes.
pub const BLOCK_BYTES_SMALL: u32 = 64 << 10;
/// The block size of all other rings, in bytes.
pub const BLOCK_BYTES_LARGE: u32 = 256 << 10;
/// What is appended to the text of a cut record.
pub const CUT_MARK: &[u8; 3] = b"...";
/// Bytes of a stream entry before its labels.
pub const STREAM_HEAD_BYTES: usize = 6;
/// Places of stream entries count in units of this many bytes.
pub const STREAM_UNIT_BYTES: usize = 8;
/// The slot of a record whose text was longer than allowed.
pub const FLAG_CUT: u8 = 1;
/// The slot of a number that names no record.
pub const FLAG_GAP: u8 = 2;
/// Numbers of records and blocks are below this; a larger one on disk is damage.
pub const NUMBER_MAX: u64 = 1 << 62;
/// The `limit` that says that limits are not kept.
pub const LIMIT_NONE: u64 = u64::MAX;

const CHECKED_BYTES: usize = SECTOR_BYTES - 4;

/// Where a block's stream entry or record may lie must be expressible in its slot.
const _: () = assert!(BLOCK_BYTES_LARGE as usize / STREAM_UNIT_BYTES <= u16::MAX as usize);

/// The largest record, cut mark and all, fits an empty block together with its stream entry.
const fn largest_record_fits(block_bytes: usize) -> bool {
    let head = BLOCK_HEAD_BYTES as usize + block_bytes / 32;
    let stream = STREAM_UNIT_BYTES + STREAM_HEAD_BYTES + crate::limits::STREAM_BYTES_MAX + 1;
    let record = block_bytes / 4 + CUT_MARK.len() + 1 + SLOT_BYTES;
    head + stream + 2 * record <= block_bytes
}
const _: () = assert!(largest_record_fits(BLOCK_BYTES_SMALL as usize));
const _: () = assert!(largest_record_fits(BLOCK_BYTES_LARGE as usize));

/// Reads `N` bytes at `at`; zeros where `bytes` is too short, which no checksum lets pass.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(super) fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(array(bytes, at))
}

/// Writes the bytes of `value` at `at`; `bytes` is one of our own arrays and large enough.
pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// What the checksums of block `sequence`, opened in the life `epoch`, start from.
pub fn salt(epoch: u64, sequence: u64) -> u32 {
    if cfg!(feature = "canary-no-salt") {
        return 0;
    }
    crc32c::crc32c_append(crc32c::crc32c(&epoch.to_le_bytes()), &sequence.to_le_bytes())
}

/// What one copy of the superblock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The copy with the higher one counts.
    pub generation: u64,
    /// The life of the segment that wrote it, a random number.
    pub epoch: u64,
    /// Length of the file.
    pub file_bytes: u64,
    /// Length of each block.
    pub block_bytes: u32,
    /// Count of blocks.
    pub blocks: u32,
    /// Every record below went through a successful sync.
    pub durable: u64,
    /// Every block below is sealed and went through a successful sync.
    pub durable_block: u64,
    /// The number after the last slot when `durable` was taken.
    pub durable_end: u64,
    /// No block at or after it is opened; [`LIMIT_NONE`] where limits are not kept.
    pub limit: u64,
    /// No number at or above it is given out.
    pub number_limit: u64,
    /// No record below it is shown.
    pub cleared: u64,
    /// No block below it was ever in this file.
    pub first_block: u64,
    /// When the segment was created, wall nanoseconds.
    pub created_ns: u64,
    /// Whether the segment was closed cleanly and not opened for writing since.
    pub clean: bool,
}

impl Superblock {
    /// The sector that says this.
    pub fn encode(&self) -> [u8; SECTOR_BYTES] {
        let mut sector = [0; SECTOR_BYTES];
        put(&mut sector, 0, &MAGIC);
        put(&mut sector, 4, &VERSION.to_le_bytes());
        put(&mut sector, 8, &self.generation.to_le_bytes());
        put(&mut sector, 16, &self.epoch.to_le_bytes());
        put(&mut sector, 24, &self.file_bytes.to_le_bytes());
        put(&mut sector, 32, &self.block_bytes.to_le_bytes());
        put(&mut sector, 36, &self.blocks.to_le_bytes());
        put(&mut sector, 40, &self.durable.to_le_bytes());
        put(&mut sector, 48, &self.durable_block.to_le_bytes());
        put(&mut sector, 56, &self.limit.to_le_bytes());
        put(&mut sector, 64, &self.number_limit.to_le_bytes());
        put(&mut sector, 72, &self.cleared.to_le_bytes());
        put(&mut sector, 80, &self.created_ns.to_le_bytes());
        put(&mut sector, 88, &u32::from(self.clean).to_le_bytes());
        put(&mut sector, 96, &self.durable_end.to_le_bytes());
        put(&mut sector, 104, &self.first_block.to_le_bytes());
        let crc = crc32c::crc32c(&sector[..CHECKED_BYTES]);
        put(&mut sector, CHECKED_BYTES, &crc.to_le_bytes());
        sector
    }

    /// What `sector` says; `None` where magic, version, checksum or a number is wrong.
    pub fn decode(sector: &[u8]) -> Option<Self> {
        let (checked, crc) = sector.get(..SECTOR_BYTES)?.split_at(CHECKED_BYTES);
        if checked[..4] != MAGIC || u32_at(checked, 4) != VERSION {
            return None;
        }
        if crc32c::crc32c(checked) != u32_at(crc, 0) {
            return None;
        }
        let superblock = Self {
            generation: u64_at(checked, 8),
            epoch: u64_at(checked, 16),
            file_bytes: u64_at(checked, 24),
            block_bytes: u32_at(checked, 32),
            blocks: u32_at(checked, 36),
            durable: u64_at(checked, 40),
            durable_block: u64_at(checked, 48),
            limit: u64_at(checked, 56),
            number_limit: u64_at(checked, 64),
            cleared: u64_at(checked, 72),
            created_ns: u64_at(checked, 80),
            clean: u32_at(checked, 88) & 1 != 0,
            durable_end: u64_at(checked, 96),
            first_block: u64_at(checked, 104),
        };
        superblock.is_sane().then_some(superblock)
    }

    /// Whether the numbers can be calculated with.
    fn is_sane(&self) -> bool {
        self.generation < NUMBER_MAX
            && self.durable < NUMBER_MAX
            && self.durable_block < NUMBER_MAX
            && self.durable_end <= self.durable
            && self.first_block <= self.durable_block
            && (self.limit < NUMBER_MAX || self.limit == LIMIT_NONE)
            && self.number_limit < NUMBER_MAX
            && self.cleared < NUMBER_MAX
    }
}

/// What the first sector of a block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The life of the segment that opened the block.
    pub epoch: u64,
    /// The block's number since creation.
    pub sequence: u64,
    /// The number of the record in slot 0.
    pub first: u64,
    /// When it was opened, wall nanoseconds.
    pub opened_ns: u64,
}

impl Header {
    /// The sector that says this.
    pub fn encode(&self) -> [u8; SECTOR_BYTES] {
        let mut sector = [0; SECTOR_BYTES];
        put(&mut sector, 0, &BLOCK_MAGIC);
        put(&mut sector, 4, &VERSION.to_le_bytes());
        put(&mut sector, 8, &self.epoch.to_le_bytes());
        put(&mut sector, 16, &self.sequence.to_le_bytes());
        put(&mut sector, 24, &self.first.to_le_bytes());
        put(&mut sector, 32, &self.opened_ns.to_le_bytes());
        let crc = crc32c::crc32c(&sector[..CHECKED_BYTES]);
        put(&mut sector, CHECKED_BYTES, &crc.to_le_bytes());
        sector
    }

    /// What `sector` says; `None` where magic, version, checksum or a number is wrong.
    pub fn decode(sector: &[u8]) -> Option<Self> {
        let (checked, crc) = sector.get(..SECTOR_BYTES)?.split_at(CHECKED_BYTES);
        if checked[..4] != BLOCK_MAGIC || u32_at(checked, 4) != VERSION {
            return None;
        }
        if crc32c::crc32c(checked) != u32_at(crc, 0) {
            return None;
        }
        let header = Self {
            epoch: u64_at(checked, 8),
            sequence: u64_at(checked, 16),
            first: u64_at(checked, 24),
            opened_ns: u64_at(checked, 32),
        };
        (header.sequence < NUMBER_MAX && header.first < NUMBER_MAX).then_some(header)
    }
}

/// What is known of a block without reading its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The block's number since creation.
    pub sequence: u64,
    /// The life of the segment that opened the block.
    pub epoch: u64,
    /// The number of the record in slot 0.
    pub first: Seq,
    /// Slots, gaps among them.
    pub count: u32,
    /// Slots that name no record.
    pub gaps: u32,
    /// Where the text ends, as an offset in the block.
    pub text_end: u32,
    /// Records per level, by [`Level`] as a number.
    pub levels: [u32; Level::COUNT],
    /// Earliest receive time, wall nanoseconds; `u64::MAX` in a block without records.
    pub received_min_ns: u64,
    /// Latest receive time, wall nanoseconds; 0 in a block without records.
    pub received_max_ns: u64,
    /// Earliest event time, wall nanoseconds; `i64::MAX` where no record has one.
    pub event_min_ns: i64,
    /// Latest event time, wall nanoseconds; `i64::MIN` where no record has one.
    pub event_max_ns: i64,
    /// Records that have an event time.
    pub events: u32,
    /// When the block was opened, wall nanoseconds.
    pub opened_ns: u64,
}

impl Summary {
    /// The summary of a block that was just opened.
    pub fn opened(header: &Header, text_start: u32) -> Self {
        Self {
            sequence: header.sequence,
            epoch: header.epoch,
            first: Seq(header.first),
            count: 0,
            gaps: 0,
            text_end: text_start,
            levels: [0; Level::COUNT],
            received_min_ns: u64::MAX,
            received_max_ns: 0,
            event_min_ns: i64::MAX,
            event_max_ns: i64::MIN,
            events: 0,
            opened_ns: header.opened_ns,
        }
    }

    /// Records, without the gaps.
    pub fn records(&self) -> u32 {
        self.count.saturating_sub(self.gaps)
    }

    /// The number after the last slot.
    pub fn end(&self) -> Seq {
        Seq(self.first.0 + u64::from(self.count))
    }

    /// Takes a record into account.
    #[inline]
    pub fn add(&mut self, level: Level, received_ns: u64, event_ns: i64) {
        self.count += 1;
        self.levels[level as usize] += 1;
        self.received_min_ns = self.received_min_ns.min(received_ns);
        self.received_max_ns = self.received_max_ns.max(received_ns);
        if event_ns != 0 {
            self.events += 1;
            self.event_min_ns = self.event_min_ns.min(event_ns);
            self.event_max_ns = self.event_max_ns.max(event_ns);
        }
    }

    /// Takes a number that names no record into account.
    pub fn add_gap(&mut self) {
        self.count += 1;
        self.gaps += 1;
    }

    /// The bytes that say this, as in the block and in the directory.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut entry = [0; ENTRY_BYTES];
        put(&mut entry, 4, &self.count.to_le_bytes());
        put(&mut entry, 8, &self.sequence.to_le_bytes());
        put(&mut entry, 16, &self.epoch.to_le_bytes());
        put(&mut entry, 24, &self.first.0.to_le_bytes());
        put(&mut entry, 32, &self.gaps.to_le_bytes());
        put(&mut entry, 36, &self.text_end.to_le_bytes());
        for (index, records) in self.levels.iter().enumerate() {
            put(&mut entry, 40 + 4 * index, &records.to_le_bytes());
        }
        put(&mut entry, 80, &self.received_min_ns.to_le_bytes());
        put(&mut entry, 88, &self.received_max_ns.to_le_bytes());
        put(&mut entry, 96, &self.event_min_ns.to_le_bytes());
        put(&mut entry, 104, &self.event_max_ns.to_le_bytes());
        put(&mut entry, 112, &self.opened_ns.to_le_bytes());
        put(&mut entry, 120, &self.events.to_le_bytes());
        let crc = crc32c::crc32c_append(salt(self.epoch, self.sequence), &entry[4..]);
        put(&mut entry, 0, &crc.to_le_bytes());
        entry
    }

    /// What `entry` says; `None` where the checksum or a number is wrong for `geometry`.
    pub fn decode(entry: &[u8], geometry: &Geometry) -> Option<Self> {
        let entry = entry.get(..ENTRY_BYTES)?;
        let (epoch, sequence) = (u64_at(entry, 16), u64_at(entry, 8));
        if crc32c::crc32c_append(salt(epoch, sequence), &entry[4..]) != u32_at(entry, 0) {
            return None;
        }
        let mut levels = [0; Level::COUNT];
        for (index, records) in levels.iter_mut().enumerate() {
            *records = u32_at(entry, 40 + 4 * index);
        }
        let summary = Self {
            sequence,
            epoch,
            first: Seq(u64_at(entry, 24)),
            count: u32_at(entry, 4),
            gaps: u32_at(entry, 32),
            text_end: u32_at(entry, 36),
            levels,
            received_min_ns: u64_at(entry, 80),
            received_max_ns: u64_at(entry, 88),
            event_min_ns: i64_at(entry, 96),
            event_max_ns: i64_at(entry, 104),
            opened_ns: u64_at(entry, 112),
            events: u32_at(entry, 120),
        };
        summary.is_sane(geometry).then_some(summary)
    }

    /// Whether the numbers are possible in a block of `geometry`.
    fn is_sane(&self, geometry: &Geometry) -> bool {
        let slots_at =
            u64::from(geometry.block_bytes).checked_sub(u64::from(self.count) * SLOT_BYTES as u64);
        self.sequence < NUMBER_MAX
            && self.first.0 < NUMBER_MAX
            && self.gaps <= self.count
            && self.text_end >= geometry.text_start()
            && slots_at.is_some_and(|at| u64::from(self.text_end) <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_superblock_reads_back_and_no_flipped_bit_passes() {
        let superblock = Superblock {
            generation: 7,
            epoch: 0x1234_5678_9abc_def0,
            file_bytes: 1 << 20,
            block_bytes: BLOCK_BYTES_SMALL,
            blocks: 15,
            durable: 11,
            durable_block: 3,
            durable_end: 10,
            limit: 9,
            number_limit: 99,
            cleared: 5,
            first_block: 3,
            created_ns: 6,
            clean: true,
        };
        let sector = superblock.encode();
        assert_eq!(Superblock::decode(&sector), Some(superblock));
        for bit in 0..8 * SECTOR_BYTES {
            let mut torn = sector;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Superblock::decode(&torn), None, "bit {bit}");
        }
    }

    #[test]
    fn a_summary_reads_back_and_no_flipped_bit_passes() {
        let geometry = Geometry::for_size(1 << 20).unwrap();
        let header = Header { epoch: 1, sequence: 2, first: 3, opened_ns: 4 };
        assert_eq!(Header::decode(&header.encode()), Some(header));
        let mut summary = Summary::opened(&header, geometry.text_start());
        summary.add(Level::Error, 17, 0);
        summary.add(Level::Error, 15, -4);
        summary.add_gap();
        let entry = summary.encode();
        assert_eq!(Summary::decode(&entry, &geometry), Some(summary));
        assert_eq!(summary.records(), 2);
        for bit in 0..8 * ENTRY_BYTES {
            let mut torn = entry;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Summary::decode(&torn, &geometry), None, "bit {bit}");
        }
    }
}
