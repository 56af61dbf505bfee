//! Reading one block: which records it has, where they lie, and whether they are whole.

use std::ops::Range;

use super::format::{FLAG_CUT, SLOT_BYTES, STREAM_UNIT_BYTES, Summary, salt};
use super::slot::{Slot, stream_entry_decode};
use super::{Damaged, Record, Seq};
use crate::level::Level;

/// One block and what is known of it. Nothing in the image is trusted: whatever its bytes are,
/// reading answers or says [`Damaged`].
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The number of the record in slot 0.
    pub first: Seq,
    /// Slots, gaps among them.
    pub count: u32,
    /// The block's number since creation.
    pub sequence: u64,
    /// The bytes of the block, all of them.
    image: &'a [u8],
    text_start: u32,
    text_end: u32,
    salt: u32,
}

impl<'a> Block<'a> {
    /// The block with these bytes, read as `summary` says.
    pub fn new(image: &'a [u8], summary: &Summary) -> Self {
        let text_start = text_start(image.len());
        let slots_max = (image.len() as u32).saturating_sub(text_start) / SLOT_BYTES as u32;
        let count = summary.count.min(slots_max);
        let slots_at = image.len() as u32 - count * SLOT_BYTES as u32;
        Self {
            first: summary.first,
            count,
            sequence: summary.sequence,
            image,
            text_start,
            text_end: summary.text_end.clamp(text_start, slots_at.max(text_start)),
            salt: salt(summary.epoch, summary.sequence),
        }
    }

    /// The bytes of the block; text offsets in slots are offsets in it.
    #[inline]
    pub fn image(&self) -> &'a [u8] {
        self.image
    }

    /// The part of the image that holds text: records, each followed by a newline, with stream
    /// entries and up to seven zero bytes before such an entry in between.
    #[inline]
    pub fn text_range(&self) -> Range<u32> {
        self.text_start..self.text_end
    }

    /// The bytes in [`Self::text_range`].
    #[inline]
    pub fn text(&self) -> &'a [u8] {
        self.image.get(self.text_start as usize..self.text_end as usize).unwrap_or(&[])
    }

    /// The index of the slot of record `seq`; `None` where the block does not hold it.
    pub fn index_of(&self, seq: Seq) -> Option<u32> {
        let index = seq.0.checked_sub(self.first.0)?;
        (index < u64::from(self.count)).then_some(index as u32)
    }

    /// Slot `index` as it stands there, unchecked; an all-zero one past the end of the block.
    #[inline]
    pub fn slot(&self, index: u32) -> Slot {
        self.slot_bytes(index).map(Slot::decode).unwrap_or_default()
    }

    #[inline]
    fn slot_bytes(&self, index: u32) -> Option<&'a [u8; SLOT_BYTES]> {
        let back = (index as usize + 1).checked_mul(SLOT_BYTES)?;
        let at = self.image.len().checked_sub(back)?;
        self.image.get(at..)?.first_chunk()
    }

    /// Whether slot `index` says that its number names no record. A reader steps over it silently.
    #[inline]
    pub fn is_gap(&self, index: u32) -> bool {
        self.slot(index).is_gap()
    }

    /// The record in slot `index`, checked: slot, text and stream entry.
    ///
    /// # Errors
    /// [`Damaged`] where one of the checksums does not fit, where `index` is not below
    /// [`Self::count`], and for a gap, which callers tell apart by [`Self::is_gap`] first.
    #[inline]
    pub fn record(&self, index: u32) -> Result<Record<'a>, Damaged> {
        let damaged = Damaged { seq: Seq(self.first.0.saturating_add(u64::from(index))) };
        if index >= self.count {
            return Err(damaged);
        }
        let slot = self.checked_slot(index).ok_or(damaged)?;
        if slot.is_gap() {
            return Err(damaged);
        }
        let text = self.slot_text(&slot).ok_or(damaged)?;
        let labels = self.labels(&slot).ok_or(damaged)?;
        Ok(Record {
            seq: damaged.seq,
            text,
            level: Level::from_byte(slot.level).unwrap_or_default(),
            received_ns: slot.received_ns,
            event_ns: slot.event_ns,
            labels,
            cut: slot.flags & FLAG_CUT != 0,
        })
    }

    /// Slot `index` if its checksum fits it and its text, whatever `count` is.
    #[inline]
    pub(super) fn checked_slot(&self, index: u32) -> Option<Slot> {
        let bytes = self.slot_bytes(index)?;
        let slot = Slot::decode(bytes);
        let text = self.slot_text(&slot)?;
        (slot.checksum([text, b""], self.salt) == slot.crc).then_some(slot)
    }

    /// The text that `slot` names, unchecked; `None` where it would lie outside the block.
    #[inline]
    pub fn slot_text(&self, slot: &Slot) -> Option<&'a [u8]> {
        let start = slot.text_offset as usize;
        let end = start.checked_add(slot.text_bytes as usize)?;
        if start < self.text_start as usize {
            return None;
        }
        self.image.get(start..end)
    }

    /// The labels of the stream that `slot` names, empty where it names none; `None` where the
    /// entry is damaged.
    #[inline]
    pub fn labels(&self, slot: &Slot) -> Option<&'a [u8]> {
        if slot.stream == 0 {
            return Some(&[]);
        }
        let at = usize::from(slot.stream) * STREAM_UNIT_BYTES;
        stream_entry_decode(self.image.get(at..)?, self.salt)
    }

    /// The index of the record whose text holds block offset `offset`; `None` where it lies
    /// between records: a newline, a stream entry. The record itself is not checked.
    pub fn index_at(&self, offset: u32) -> Option<u32> {
        if offset < self.text_start || offset >= self.text_end {
            return None;
        }
        // Invariant: slots before `low` begin at or before `offset`, slots from `high` on after it.
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.slot(middle).text_offset <= offset { low = middle + 1 } else { high = middle }
        }
        // Gaps take no text, and stand at the end of the record before them.
        let before = (0..low).rev().find(|&index| !self.is_gap(index));
        if let Some(index) = before.filter(|&index| self.holds(index, offset)) {
            return Some(index);
        }
        let is_whole = |index| self.checked_slot(index).is_some();
        // The gaps in between too: a slot may only have been damaged into one.
        if (before.unwrap_or(0)..self.count.min(low + 1)).all(is_whole) {
            return None;
        }
        // A damaged slot may have led the bisection astray.
        (0..self.count).find(|&index| self.holds(index, offset) && is_whole(index))
    }

    /// Whether slot `index` says that its text holds block offset `offset`.
    fn holds(&self, index: u32, offset: u32) -> bool {
        let slot = self.slot(index);
        slot.text_offset <= offset
            && u64::from(offset) < u64::from(slot.text_offset) + u64::from(slot.text_bytes)
    }
}

/// Where the text begins in a block of `block_bytes` bytes.
fn text_start(block_bytes: usize) -> u32 {
    super::format::BLOCK_HEAD_BYTES + block_bytes as u32 / 32
}
