//! The segment: a circular log of records in one run of bytes, in memory or in a mapped file.
//!
//! Start at [`Segment`] in `ring.rs`; `format.rs` draws every byte.
//!
//! **Invariant:** nothing here knows sockets, files or clocks. Bytes come from a [`Store`], times
//! are arguments, and what must reach the disk is said by [`Segment::wants_sync`].
//!
//! **Invariant:** nothing that is read from a store is trusted: each checksum is checked again
//! whenever a record is served, and no bytes whatever make a reader panic.

mod append;
mod block;
mod copying;
mod crc;
pub mod file;
mod format;
mod fuzz;
mod geometry;
#[allow(unsafe_code)]
pub mod map;
mod offline;
mod recovery;
mod resize;
mod ring;
mod slot;
mod store;
mod superblock;
mod sync;
mod usage;
mod walk;

#[cfg(test)]
mod tests;

pub use append::StreamRef;
pub use block::Block;
pub use copying::{Copied, Copying, Piece};
pub use format::{SLOT_BYTES, STREAM_UNIT_BYTES, Summary, VERSION};
pub use fuzz::{fuzz_block, fuzz_open};
pub use geometry::{Geometry, SizeError};
pub use offline::{Offline, OfflineBlock, OfflineError, ReadAt, Skipped, VerifyReport, Why};
pub use recovery::{Opening, Recovery};
pub use resize::Resizing;
pub use ring::{BlockId, Counters, Durability, Options, Segment};
pub use slot::Slot;
pub use store::{MemStore, Store};
pub use superblock::OpenError;
pub use sync::{SyncTicket, SyncWish};
pub use usage::Usage;

use crate::level::Level;

/// A record's number: unique over the life of a segment, growing, never wrapping.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Seq(pub u64);

/// A record that is to be appended.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// The line, without its end. Longer than [`Geometry::record_bytes_max`], it is cut there.
    pub text: &'a [u8],
    /// Whether the line went on: `...` is appended to the text.
    pub cut: bool,
    /// How severe the line says it is.
    pub level: Level,
    /// When it was received, wall nanoseconds.
    pub received_ns: u64,
    /// When it happened, wall nanoseconds; 0 where the line does not say.
    pub event_ns: i64,
}

/// A record as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub seq: Seq,
    /// The line, without its end, with `...` where it was cut.
    pub text: &'a [u8],
    /// How severe the line says it is.
    pub level: Level,
    /// When it was received, wall nanoseconds.
    pub received_ns: u64,
    /// When it happened, wall nanoseconds; 0 where the line does not say.
    pub event_ns: i64,
    /// Who sent it: `name=value`, sorted, with a zero byte between two; empty where unknown.
    pub labels: &'a [u8],
    /// Whether the line was longer than allowed.
    pub cut: bool,
}

/// A label of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// Name and value as they stand, with the `=` between them.
    pub pair: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

/// The labels of a stream, in order; what is no `name=value` is left out.
pub fn labels(stream: &[u8]) -> impl Iterator<Item = Label<'_>> {
    stream.split(|byte| *byte == 0).filter_map(|pair| {
        let (name, value) = pair.split_at(memchr::memchr(b'=', pair)?);
        Some(Label { pair, name, value: &value[1..] })
    })
}

/// A record whose slot, text or stream entry does not fit its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The number that the record had.
    pub seq: Seq,
}

/// Why a record cannot be appended now. It is tried again when a sync has completed or, for
/// [`Full::NotReady`], when the next block is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// As many bytes as allowed wait to be synced.
    Dirty,
    /// The next block or number is not covered by a superblock that is known to be on disk.
    Limit,
    /// The next block is not pre-written, or not resident.
    NotReady,
}
