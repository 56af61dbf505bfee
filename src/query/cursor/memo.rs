//! Work that tails share: what one has found and written between two records, the others that ask
//! and show alike take as it is.
//!
//! ```text
//! records:   ... 40 41 42 43 44 45 | head
//! leader:            [---------)       searched and written once: 41..45 -> bytes
//! followers at 41:   take the bytes, and stand at 45
//! ```
//!
//! Who comes first to a place leads there. A tail that stands somewhere else, in the middle of a
//! window or without room for all of the bytes goes its own way, until it stands again where
//! another was. `since=` and `until=` may differ as long as they let through every record of the
//! blocks in question.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use super::{Cursor, Phase, Slice};
use crate::clock::Wall;
use crate::limits::{TAIL_MEMO_BYTES_MAX, TAIL_MEMO_PIECE_BYTES_MAX, TAIL_MEMO_PIECES_MAX};
use crate::query::Stamp;
use crate::query::render::LocalTime;
use crate::segment::{Segment, Seq, Store};

/// What a tail asks and how it shows it; empty where it shares with nobody.
#[derive(Debug)]
pub(super) struct Likeness {
    spelled: Arc<[u8]>,
    /// Of `spelled`.
    hash: u64,
}

impl Likeness {
    pub fn new(spelled: Vec<u8>) -> Self {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&spelled);
        Self { spelled: spelled.into(), hash }
    }
}

/// The output of a tail from one record to another.
#[derive(Debug)]
struct Piece {
    likeness: Arc<[u8]>,
    /// The next record.
    end: Seq,
    bytes: Box<[u8]>,
    /// Records in `bytes`, and how many of these are damaged.
    told: u64,
    damaged: u64,
    /// Bounds of the times of all records of the blocks in which it lies.
    span: (Wall, Wall),
}

impl Piece {
    fn held_bytes(&self) -> usize {
        self.bytes.len() + self.likeness.len() + size_of::<Self>()
    }
}

/// What tails have written lately, by what they ask and where they stood. Bounded: the oldest
/// piece goes first.
#[derive(Debug, Default)]
pub struct TailMemo {
    pieces: HashMap<(u64, Seq), Piece>,
    /// The keys of `pieces`, oldest first.
    order: VecDeque<(u64, Seq)>,
    held_bytes: usize,
    taken: u64,
}

impl TailMemo {
    /// Bytes that it holds, at most [`TAIL_MEMO_BYTES_MAX`].
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// How many pieces it holds, at most [`TAIL_MEMO_PIECES_MAX`].
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many times a tail took what another had written.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    fn put(&mut self, key: (u64, Seq), piece: Piece) {
        if piece.bytes.len() > TAIL_MEMO_PIECE_BYTES_MAX
            || self.pieces.get(&key).is_some_and(|known| known.end >= piece.end)
        {
            return;
        }
        self.held_bytes += piece.held_bytes();
        match self.pieces.insert(key, piece) {
            Some(known) => self.held_bytes -= known.held_bytes(),
            None => self.order.push_back(key),
        }
        while self.held_bytes > TAIL_MEMO_BYTES_MAX || self.order.len() > TAIL_MEMO_PIECES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(piece) = self.pieces.remove(&oldest) {
                self.held_bytes -= piece.held_bytes();
            }
        }
    }
}

impl Cursor {
    /// As [`Self::slice`], and with the same outcome, but for work that another tail has done: that
    /// is taken from `memo`, and what is done here is left in it.
    pub fn slice_shared<S: Store>(
        &mut self,
        memo: &mut TailMemo,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
        time: &mut LocalTime,
    ) -> Slice {
        // A piece says how many records it has, not where in it each stands.
        let is_sharing = self.phase == Phase::Live
            && self.quota == u64::MAX
            && !self.likeness.spelled.is_empty()
            && !self.has_notice_first()
            && self.at >= segment.tail()
            && out.len() < out_bytes_max;
        if !is_sharing {
            return self.slice(segment, out, out_bytes_max, time);
        }
        self.put_head(out);
        if self.scan.block.is_none() && self.take(memo, out, out_bytes_max) {
            return Slice::More;
        }
        let from = self.at;
        let (written, told, damaged) = (out.len(), self.told, self.damaged_lines);
        let lost = self.lost_lines;
        let slice = self.slice(segment, out, out_bytes_max, time);
        if self.at > from && self.lost_lines == lost && self.phase == Phase::Live {
            let span = span(segment, self.stamp, from, self.at);
            if self.lets_through(span) {
                let piece = Piece {
                    likeness: self.likeness.spelled.clone(),
                    end: self.at,
                    bytes: out[written..].into(),
                    told: self.told - told,
                    damaged: self.damaged_lines - damaged,
                    span,
                };
                memo.put((self.likeness.hash, from), piece);
            }
        }
        slice
    }

    /// Takes what another has written from here on; whether there was something, and room for it.
    fn take(&mut self, memo: &mut TailMemo, out: &mut Vec<u8>, out_bytes_max: usize) -> bool {
        let Some(piece) = memo.pieces.get(&(self.likeness.hash, self.at)) else { return false };
        let is_mine = piece.likeness == self.likeness.spelled
            && self.lets_through(piece.span)
            && piece.told <= self.limit.saturating_sub(self.told)
            && piece.bytes.len() <= out_bytes_max.saturating_sub(out.len());
        if is_mine {
            out.extend_from_slice(&piece.bytes);
            self.at = piece.end;
            self.told += piece.told;
            self.damaged_lines += piece.damaged;
            memo.taken += 1;
        }
        is_mine
    }

    /// Whether all records between these times are of the time asked for.
    fn lets_through(&self, (min, max): (Wall, Wall)) -> bool {
        let (from, to) = self.filter.times();
        from <= min && max <= to
    }
}

/// Bounds of the times of all records of the blocks between two records.
fn span<S: Store>(segment: &Segment<S>, stamp: Stamp, from: Seq, to: Seq) -> (Wall, Wall) {
    let mut span = (Wall::MAX, 0);
    let mut next = segment.block_containing(from);
    while let Some(summary) = next.and_then(|id| segment.summary(id)).filter(|s| s.first < to) {
        let (min, max) = stamp.span(summary);
        span = (span.0.min(min), span.1.max(max));
        next = segment.next_block(summary.sequence);
    }
    span
}
