//! How a file of a given size is divided: superblocks, directory, blocks.

use std::fmt;
use std::ops::Range;

use super::format::{
    BLOCK_BYTES_LARGE, BLOCK_BYTES_SMALL, BLOCK_HEAD_BYTES, CUT_MARK, DIRECTORY_AT, ENTRY_BYTES,
    PAGE_BYTES, SLOT_BYTES, STREAM_UNIT_BYTES,
};
use super::slot::stream_entry_bytes;
use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// Rings below this many bytes have small blocks, so that a full ring loses little at a time.
const LARGE_FROM_BYTES: u64 = 4 << 20;

/// The division of one segment file. Everything follows from its size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Length of the file.
    pub file_bytes: u64,
    /// Length of each block: 64 KiB or 256 KiB.
    pub block_bytes: u32,
    /// How many blocks the ring has, at least 8.
    pub blocks: u32,
    /// Where the block at position 0 begins, a multiple of 4 KiB.
    pub blocks_at: u64,
}

impl Geometry {
    /// The division of a file of `bytes` bytes.
    ///
    /// # Errors
    /// [`SizeError`] where `bytes` is outside `SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX`.
    pub fn for_size(bytes: u64) -> Result<Self, SizeError> {
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) {
            return Err(SizeError { bytes });
        }
        let block_bytes =
            if bytes < LARGE_FROM_BYTES { BLOCK_BYTES_SMALL } else { BLOCK_BYTES_LARGE };
        let each = u64::from(block_bytes);
        let mut blocks = (bytes - DIRECTORY_AT) / (each + ENTRY_BYTES as u64);
        // The directory is rounded up to a page, which may cost the last block.
        while blocks_at(blocks) + blocks * each > bytes {
            blocks -= 1;
        }
        let blocks_at = blocks_at(blocks);
        Ok(Self { file_bytes: bytes, block_bytes, blocks: blocks as u32, blocks_at })
    }

    /// The longest text of a record, in bytes, without the mark of a cut one: a quarter of a block.
    pub fn record_bytes_max(&self) -> usize {
        self.block_bytes as usize / 4
    }

    /// Where the text of a block begins, as an offset in the block.
    pub fn text_start(&self) -> u32 {
        BLOCK_HEAD_BYTES + self.block_bytes / 32
    }

    /// The most slots that a block could have if no record had any text.
    pub fn slots_max(&self) -> u32 {
        (self.block_bytes - self.text_start()) / SLOT_BYTES as u32
    }

    /// Where block `sequence` lies in the ring.
    pub fn position(&self, sequence: u64) -> u32 {
        (sequence % u64::from(self.blocks)) as u32
    }

    /// The bytes of the file that the block at `position` takes.
    pub fn block_range(&self, position: u32) -> Range<u64> {
        let start = self.blocks_at + u64::from(position) * u64::from(self.block_bytes);
        start..start + u64::from(self.block_bytes)
    }

    /// The bytes of the file that the directory entry of `position` takes.
    pub fn entry_range(&self, position: u32) -> Range<u64> {
        let start = DIRECTORY_AT + u64::from(position) * ENTRY_BYTES as u64;
        start..start + ENTRY_BYTES as u64
    }

    /// Records of `line_bytes` bytes each that a full block holds, with `streams` senders whose
    /// labels take `labels_bytes` each.
    pub fn block_records(&self, line_bytes: u64, streams: u64, labels_bytes: usize) -> u64 {
        let longest = self.record_bytes_max() as u64 + CUT_MARK.len() as u64;
        let record = line_bytes.min(longest) + 1 + SLOT_BYTES as u64;
        let stream = stream_entry_bytes(labels_bytes).next_multiple_of(STREAM_UNIT_BYTES) as u64;
        let room = u64::from(self.block_bytes - self.text_start());
        // A sender that has no line in a block has no entry there.
        let each_its_own = room / (record + stream);
        match room.checked_sub(streams.saturating_mul(stream)) {
            Some(left) if streams <= each_its_own => left / record,
            _ => each_its_own,
        }
    }

    /// The bytes of text and slots that the ring holds when it is full.
    pub fn ring_bytes(&self) -> u64 {
        u64::from(self.blocks) * u64::from(self.block_bytes)
    }
}

/// Where the blocks begin when the directory has `blocks` entries.
fn blocks_at(blocks: u64) -> u64 {
    (DIRECTORY_AT + blocks * ENTRY_BYTES as u64).next_multiple_of(PAGE_BYTES)
}

/// A size that no segment can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeError {
    /// The size that was asked for.
    pub bytes: u64,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "segment size of {} bytes is not within {SEGMENT_BYTES_MIN} and {SEGMENT_BYTES_MAX}",
            self.bytes
        )
    }
}

impl std::error::Error for SizeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_geometry_that_fits() {
        for bytes in (SEGMENT_BYTES_MIN..8 << 20).step_by(4093).chain([64 << 20, 1 << 30]) {
            let geometry = Geometry::for_size(bytes).unwrap();
            assert!(geometry.block_range(geometry.blocks - 1).end <= bytes);
            assert!(geometry.entry_range(geometry.blocks - 1).end <= geometry.blocks_at);
            assert!(geometry.blocks >= 8);
            // No room for another block is left over.
            assert!(bytes - geometry.block_range(geometry.blocks - 1).end < 2 << 18);
        }
    }

    #[test]
    fn a_segment_smaller_or_larger_than_allowed_is_refused() {
        let error = Geometry::for_size(SEGMENT_BYTES_MIN - 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "segment size of 1048575 bytes is not within 1048576 and 1099511627776"
        );
        assert!(Geometry::for_size(SEGMENT_BYTES_MAX + 1).is_err());
        assert!(Geometry::for_size(SEGMENT_BYTES_MAX).is_ok());
    }
}
