//! How full a segment is, and how old its oldest record.

use std::ops::Range;

use super::format::SLOT_BYTES;
use super::ring::Segment;
use super::store::Store;

/// What of a segment is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blocks with visible records.
    pub blocks: u64,
    /// Bytes of these: all of a block that is full, of the newest what is written.
    pub bytes: u64,
}

impl<S: Store> Segment<S> {
    /// What is in use now.
    pub fn usage(&self) -> Usage {
        let Some(first) = self.block_containing(self.tail) else { return Usage::default() };
        let block_bytes = u64::from(self.geometry.block_bytes);
        let blocks = self.next.saturating_sub(first);
        let unwritten = match self.open.is_some() {
            true => u64::from(self.open.slots_at.saturating_sub(self.open.text_at)),
            false => 0,
        };
        Usage { blocks, bytes: (blocks * block_bytes).saturating_sub(unwritten) }
    }

    /// When the oldest visible record was received, wall nanoseconds; `None` where there is none.
    /// Where `may_touch` says no to the bytes of its slot, the time of the oldest record of its
    /// block, visible or not.
    pub fn oldest_received_ns(&self, may_touch: impl Fn(Range<usize>) -> bool) -> Option<u64> {
        let id = self.block_containing(self.tail)?;
        let summary = self.summary(id)?;
        let of_block = Some(summary.received_min_ns).filter(|ns| *ns != u64::MAX);
        let index = self.tail.0.checked_sub(summary.first.0)?;
        let end = usize::try_from(self.block_range(id).end).ok()?;
        let behind = usize::try_from(index).ok()?.checked_mul(SLOT_BYTES)?;
        let slot_end = end.checked_sub(behind)?;
        if index == 0 || !may_touch(slot_end.checked_sub(SLOT_BYTES)?..slot_end) {
            return of_block;
        }
        let slot = self.block(id)?.slot(u32::try_from(index).ok()?);
        // What is damaged or no record says nothing.
        let is_likely = (summary.received_min_ns..=summary.received_max_ns)
            .contains(&slot.received_ns)
            && !slot.is_gap();
        if is_likely { Some(slot.received_ns) } else { of_block }
    }
}

#[cfg(test)]
mod tests {
    use crate::level::Level;
    use crate::segment::{Geometry, MemStore, NewRecord, Options, Segment, StreamRef, Usage};

    fn segment(records: u64, options: Options) -> Segment<MemStore> {
        let geometry = Geometry::for_size(1 << 20).unwrap();
        let store = MemStore::zeroed(geometry.file_bytes as usize);
        let mut segment = Segment::create(store, geometry, options, 7, 1_000_000);
        for at in 0..records {
            let record = NewRecord {
                text: b"some text of a line",
                level: Level::Info,
                received_ns: 1000 + at,
                event_ns: 0,
                cut: false,
            };
            segment.append(&record, b"", &mut StreamRef::default()).unwrap();
        }
        segment
    }

    #[test]
    fn what_is_used_grows_with_the_records_and_never_beyond_the_ring() {
        let empty = segment(0, Options::default());
        assert_eq!(empty.usage(), Usage::default());
        assert_eq!(empty.oldest_received_ns(|_| true), None);
        let few = segment(10, Options::default());
        let usage = few.usage();
        assert_eq!(usage.blocks, 1);
        assert!((10 * 20..64 << 10).contains(&usage.bytes), "{usage:?}");
        let full = segment(100_000, Options::default());
        let usage = full.usage();
        assert!(usage.bytes <= full.geometry().ring_bytes(), "{usage:?}");
        assert!(usage.bytes > full.geometry().ring_bytes() / 2, "{usage:?}");
        let mut cleared = segment(10, Options::default());
        cleared.clear();
        assert_eq!(cleared.usage(), Usage::default());
        assert_eq!(cleared.oldest_received_ns(|_| true), None);
    }

    #[test]
    fn the_oldest_visible_record_says_its_time_where_it_may_be_touched() {
        let all = segment(10, Options::default());
        assert_eq!(all.oldest_received_ns(|_| false), Some(1000));
        let last_three = Options { records_max: Some(3), ..Options::default() };
        let some = segment(10, last_three);
        assert_eq!(some.oldest_received_ns(|_| true), Some(1007));
        assert_eq!(some.oldest_received_ns(|_| false), Some(1000));
    }
}
