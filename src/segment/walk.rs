//! Walking a block slot by slot, each record standing for itself: what a block holds where
//! nothing but its header can be believed.

use super::block::Block;
use super::format::{CUT_MARK, Header, SLOT_BYTES, Summary, salt};
use super::geometry::Geometry;
use super::slot::Slot;

/// What a walk has found.
#[derive(Debug)]
pub(super) struct Walked {
    /// What is intact. Bad slots between intact ones count as slots; they are gaps already, or
    /// records that [`Self::bad`] names.
    pub summary: Summary,
    /// Slots below the last intact one that are not intact, with the offset that a gap in their
    /// place has.
    pub bad: Vec<(u32, u32)>,
}

/// Walks the block with the bytes `image`, opened by `header`.
///
/// Intact is a record whose slot, text and stream entry fit their checksums, or a gap. The block
/// is known to have slots for all numbers below `known_end`, intact or not.
pub(super) fn walk(image: &[u8], header: &Header, known_end: u64, geometry: &Geometry) -> Walked {
    let text_start = geometry.text_start();
    let opened = Summary::opened(header, text_start);
    // No count is known: every place where a slot may lie is looked at.
    let block = Block::new(image, &Summary { count: geometry.slots_max(), ..opened });
    let mut walked = Walked { summary: opened, bad: Vec::new() };
    // Bad slots since the last intact one, which matter only if another one follows.
    let mut bad_since = Vec::new();
    for index in 0..geometry.slots_max() {
        let slot_at = geometry.block_bytes - (index + 1) * SLOT_BYTES as u32;
        if slot_at < walked.summary.text_end {
            break;
        }
        let text_end = walked.summary.text_end;
        let Some(slot) = intact(&block, index, slot_at, text_end, geometry) else {
            bad_since.push((index, text_end));
            continue;
        };
        walked.summary.count += bad_since.len() as u32;
        walked.bad.append(&mut bad_since);
        if slot.is_gap() {
            walked.summary.add_gap();
        } else {
            let level = crate::level::Level::from_byte(slot.level).unwrap_or_default();
            walked.summary.add(level, slot.received_ns, slot.event_ns);
            walked.summary.text_end = slot.text_offset + slot.text_bytes + 1;
        }
    }
    let known = known_end.saturating_sub(header.first + u64::from(walked.summary.count));
    bad_since.truncate(usize::try_from(known).unwrap_or(usize::MAX));
    walked.summary.count += bad_since.len() as u32;
    walked.bad.append(&mut bad_since);
    walked
}

/// Slot `index`, which lies at `slot_at`, if it is intact and its text comes after `text_end`.
fn intact(
    block: &Block<'_>,
    index: u32,
    slot_at: u32,
    text_end: u32,
    geometry: &Geometry,
) -> Option<Slot> {
    let slot = block.slot(index);
    let end = slot.text_offset.checked_add(slot.text_bytes)?;
    let text_bytes_max = geometry.record_bytes_max() + CUT_MARK.len();
    // Cheap checks first: most places that are looked at hold text, not slots.
    if slot.text_offset < text_end || slot.text_bytes as usize > text_bytes_max {
        return None;
    }
    if slot.is_gap() && slot.text_bytes > 0 || !slot.is_gap() && end >= slot_at || end > slot_at {
        return None;
    }
    let slot = block.checked_slot(index)?;
    block.labels(&slot)?;
    Some(slot)
}

/// Turns those slots of `walked` whose numbers are at or above `repair_from` into gaps, and gives
/// their count. The others stay as they are, and are said to be damaged when they are read.
pub(super) fn repair(image: &mut [u8], walked: &mut Walked, repair_from: u64) -> u32 {
    let summary = &mut walked.summary;
    let salt = salt(summary.epoch, summary.sequence);
    let mut repaired = 0;
    for &(index, text_offset) in &walked.bad {
        if summary.first.0 + u64::from(index) >= repair_from {
            let at = image.len() - (index as usize + 1) * SLOT_BYTES;
            image[at..at + SLOT_BYTES].copy_from_slice(&Slot::gap(text_offset, salt));
            repaired += 1;
        }
    }
    summary.gaps += repaired;
    repaired
}
