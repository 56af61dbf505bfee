//! Which of the two superblocks counts, and why a file cannot be opened.

use std::fmt;

use super::format::{MAGIC, SECTOR_BYTES, SUPERBLOCK_AT, Superblock, VERSION};
use super::geometry::Geometry;

/// Why bytes cannot be opened as a segment. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// These are not the bytes of a segment.
    NotOurs {
        /// The first bytes.
        found: [u8; 4],
    },
    /// A newer program wrote this.
    Newer {
        /// The version of its format.
        version: u32,
    },
    /// Neither superblock is intact.
    Damaged,
    /// The file was cut short.
    Short {
        /// The bytes that are there.
        found: u64,
        /// The bytes that the superblock says.
        expected: u64,
    },
    /// The superblock divides the file in a way that no segment is divided.
    Geometry {
        /// Length of the file, as it says.
        file_bytes: u64,
        /// Length of a block, as it says.
        block_bytes: u32,
        /// Count of blocks, as it says.
        blocks: u32,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs { found } => {
                let found = String::from_utf8_lossy(found);
                write!(f, "bad magic (expected \"LCST\", found \"{}\")", found.escape_debug())
            }
            Self::Newer { version } => {
                write!(f, "format version {version} is newer than {VERSION}, the newest known")
            }
            Self::Damaged => write!(f, "neither of the two superblocks is intact"),
            Self::Short { found, expected } => {
                write!(f, "file is cut short ({found} bytes of {expected})")
            }
            Self::Geometry { file_bytes, block_bytes, blocks } => write!(
                f,
                "impossible geometry ({blocks} blocks of {block_bytes} bytes in a file of \
                 {file_bytes} bytes)"
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// The superblock that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    pub superblock: Superblock,
    pub geometry: Geometry,
    /// Which of the two copies it is.
    pub copy: usize,
}

/// Chooses between the superblocks in `copies`, which may be shorter than a sector or empty, of a
/// file of `file_bytes` bytes.
///
/// # Errors
/// [`OpenError`], all kinds.
pub(super) fn choose(copies: [&[u8]; 2], file_bytes: u64) -> Result<Chosen, OpenError> {
    let is_ours = |copy: &&[u8]| copy.get(..4) == Some(&MAGIC[..]);
    let Some(ours) = copies.iter().find(|copy| is_ours(copy)) else {
        let mut found = [0; 4];
        for (to, from) in found.iter_mut().zip(copies[0]) {
            *to = *from;
        }
        return Err(OpenError::NotOurs { found });
    };
    let decoded = copies.map(Superblock::decode);
    let newest = match decoded {
        [Some(a), Some(b)] if b.generation > a.generation => Some((b, 1)),
        [Some(a), _] => Some((a, 0)),
        [None, Some(b)] => Some((b, 1)),
        [None, None] => None,
    };
    let Some((superblock, copy)) = newest else {
        let version = ours.get(4..8).and_then(|bytes| bytes.first_chunk().copied());
        let version = version.map_or(0, u32::from_le_bytes);
        return Err(match version {
            version if version > VERSION => OpenError::Newer { version },
            _ if file_bytes < SUPERBLOCK_AT[1] + SECTOR_BYTES as u64 => {
                OpenError::Short { found: file_bytes, expected: crate::limits::SEGMENT_BYTES_MIN }
            }
            _ => OpenError::Damaged,
        });
    };
    let (expected, block_bytes, blocks) =
        (superblock.file_bytes, superblock.block_bytes, superblock.blocks);
    match Geometry::for_size(expected) {
        Ok(geometry) if (geometry.block_bytes, geometry.blocks) == (block_bytes, blocks) => {
            if file_bytes < expected {
                return Err(OpenError::Short { found: file_bytes, expected });
            }
            Ok(Chosen { superblock, geometry, copy })
        }
        _ => Err(OpenError::Geometry { file_bytes: expected, block_bytes, blocks }),
    }
}

/// The bytes of the two superblocks in a store of any length.
pub(super) fn copies(bytes: &[u8]) -> [&[u8]; 2] {
    SUPERBLOCK_AT.map(|at| {
        let rest = bytes.get(at as usize..).unwrap_or(&[]);
        &rest[..rest.len().min(SECTOR_BYTES)]
    })
}
