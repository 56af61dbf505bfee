//! Appending: one bounds check, one copy, one checksum, one store of a slot. Everything else that
//! an append may need — a block, a stream entry, a limit — is out of line.

use std::hash::BuildHasher;
use std::sync::atomic::{Ordering, compiler_fence};

use super::format::{
    CUT_MARK, FLAG_CUT, Header, SECTOR_BYTES, SLOT_BYTES, STREAM_UNIT_BYTES, Summary, salt,
};
use super::geometry::Geometry;
use super::ring::{Durability, Open, Segment};
use super::slot::{Slot, stream_entry_bytes, stream_entry_decode, stream_entry_encode};
use super::store::Store;
use super::{Full, NewRecord, Seq, labels};
use crate::limits::{GAP_SLOTS_MAX, LABEL_NAMES_MAX, STREAM_BYTES_MAX};

/// Where a connection's stream entry is, so that its labels are looked up once a connection and
/// block. Held by the connection; belongs to one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamRef {
    /// The block's sequence + 1; 0 = no block yet.
    key: u64,
    /// Place of the entry in that block in units of 8 bytes; 0 = no labels.
    place: u16,
}

impl<S: Store> Segment<S> {
    /// Appends `record`, which came from the stream named `labels` (`name=value`, sorted, with a
    /// zero byte between two; what is beyond `STREAM_BYTES_MAX` bytes is left out), and gives it
    /// its number. `stream` caches where the labels stand; it must always come with the same ones.
    ///
    /// # Errors
    /// [`Full`]: nothing was appended, and the same record can be tried again later.
    #[inline(always)]
    pub fn append(
        &mut self,
        record: &NewRecord<'_>,
        labels: &[u8],
        stream: &mut StreamRef,
    ) -> Result<Seq, Full> {
        let record_bytes_max = self.geometry.record_bytes_max();
        let (text, cut) = match record.text.get(..record_bytes_max) {
            Some(part) if part.len() < record.text.len() => (part, true),
            _ => (record.text, record.cut),
        };
        let text_bytes = text.len() + if cut { CUT_MARK.len() } else { 0 };
        let need = text_bytes + 1 + SLOT_BYTES;
        if self.open.text_at as usize + need > self.open.slots_at as usize
            || stream.key != self.open.key
            || self.head.0 >= self.number_stop
            || self.sync.dirty + need as u64 > self.dirty_stop
        {
            self.make_room(need, record.received_ns, labels, stream)?;
        }
        let seq = self.put(record, text, cut, stream.place);
        if self.visible > self.visible_stop {
            self.trim();
        }
        Ok(seq)
    }

    /// Writes text and slot into the open block, which has room for both.
    #[inline(always)]
    fn put(&mut self, record: &NewRecord<'_>, text: &[u8], cut: bool, stream: u16) -> Seq {
        let open = &mut self.open;
        let at = open.text_at as usize;
        let mut slot = Slot {
            crc: 0,
            text_offset: open.text_at,
            text_bytes: (text.len() + if cut { CUT_MARK.len() } else { 0 }) as u32,
            stream,
            level: record.level as u8,
            flags: if cut { FLAG_CUT } else { 0 },
            received_ns: record.received_ns,
            event_ns: record.event_ns,
        };
        // Read from where the line came from: what was just written is not read back as fast.
        let mark: &[u8] = if cut { CUT_MARK } else { b"" };
        slot.crc = slot.checksum([text, mark], open.salt);
        let block_end = open.base + self.geometry.block_bytes as usize;
        let block = &mut self.store.bytes_mut()[open.base..block_end];
        let mut end = at + text.len();
        block[at..end].copy_from_slice(text);
        if cut {
            block[end..end + CUT_MARK.len()].copy_from_slice(CUT_MARK);
            end += CUT_MARK.len();
        }
        block[end] = b'\n';
        // A process that is killed between the two has at worst text that no slot names.
        compiler_fence(Ordering::Release);
        let slots_at = open.slots_at as usize - SLOT_BYTES;
        block[slots_at..slots_at + SLOT_BYTES].copy_from_slice(&slot.encode());
        open.text_at = end as u32 + 1;
        open.slots_at = slots_at as u32;
        open.summary.add(record.level, record.received_ns, record.event_ns);
        self.sync.dirty += (end + 1 - at + SLOT_BYTES) as u64;
        self.counters.bytes_appended += (end - at) as u64;
        self.counters.records_appended += 1;
        self.visible += 1;
        let seq = self.head;
        self.head = Seq(seq.0 + 1);
        seq
    }

    /// Does what the fast path cannot: checks the limits one by one, opens a block, writes the
    /// gaps that a crash left, and finds or writes the entry of the stream.
    #[cold]
    #[inline(never)]
    fn make_room(
        &mut self,
        need: usize,
        now: u64,
        labels: &[u8],
        stream: &mut StreamRef,
    ) -> Result<(), Full> {
        let labels = &labels[..labels.len().min(STREAM_BYTES_MAX)];
        let entry_bytes = STREAM_UNIT_BYTES + stream_entry_bytes(labels.len());
        self.check_limits(need + entry_bytes)?;
        self.fill_gap(need + entry_bytes);
        if self.gap_pending > 0 || !self.has_room(need) {
            self.open_next(now)?;
        }
        if stream.key != self.open.key {
            if !self.has_room(need + entry_bytes) && !labels.is_empty() {
                // The entry may be there already, and then the record alone does fit.
                match self.find_stream(labels) {
                    Some(place) => *stream = StreamRef { key: self.open.key, place },
                    None => self.open_next(now)?,
                }
            }
            if stream.key != self.open.key {
                let place = self.intern(labels);
                *stream = StreamRef { key: self.open.key, place };
            }
        }
        self.assert_invariants();
        Ok(())
    }

    /// Whether `need` more bytes fit between the text and the slots of the open block.
    fn has_room(&self, need: usize) -> bool {
        self.open.text_at as usize + need <= self.open.slots_at as usize
    }

    fn check_limits(&mut self, need: usize) -> Result<(), Full> {
        if self.sync.is_closed {
            return Err(Full::Limit);
        }
        if self.options.durability == Durability::Volatile {
            return Ok(());
        }
        if self.sync.is_failed {
            if self.head.0 >= self.sync.number_limit_promised {
                self.renew_numbers();
            }
            return Ok(());
        }
        if self.head.0 >= self.sync.number_limit {
            return Err(Full::Limit);
        }
        if self.keeps_limits() && self.sync.dirty + need as u64 > self.dirty_stop {
            return Err(Full::Dirty);
        }
        Ok(())
    }

    /// Gives the numbers that a crash may have used gap slots, where they are few and leave room
    /// for the next record; else they stay pending, and the next block begins after them.
    fn fill_gap(&mut self, need: usize) {
        if self.gap_pending == 0 || !self.open.is_some() || self.gap_pending > GAP_SLOTS_MAX {
            return;
        }
        let gaps = self.gap_pending as usize;
        if !self.has_room(gaps * SLOT_BYTES + need) {
            return;
        }
        let open = &mut self.open;
        let bytes = self.store.bytes_mut();
        for _ in 0..gaps {
            open.slots_at -= SLOT_BYTES as u32;
            let at = open.base + open.slots_at as usize;
            let gap = Slot::gap(open.text_at, open.salt);
            bytes[at..at + SLOT_BYTES].copy_from_slice(&gap);
            open.summary.add_gap();
        }
        self.sync.dirty += (gaps * SLOT_BYTES) as u64;
        self.counters.gaps += gaps as u64;
        self.gap_pending = 0;
        self.refresh_stops();
    }

    /// Seals the open block and opens the next one, recycling what lies there.
    #[cold]
    #[inline(never)]
    fn open_next(&mut self, now: u64) -> Result<(), Full> {
        let sequence = self.next;
        if self.keeps_limits() && sequence >= self.sync.limit {
            return Err(Full::Limit);
        }
        let position = self.geometry.position(sequence);
        if position >= self.options.prewritten || sequence >= self.resident {
            return Err(Full::NotReady);
        }
        self.seal();
        self.recycle_for(sequence);
        self.counters.gaps += std::mem::take(&mut self.gap_pending);
        let epoch = self.sync.epoch;
        let header = Header { epoch, sequence, first: self.head.0, opened_ns: now };
        let base = self.geometry.block_range(position).start as usize;
        self.store.bytes_mut()[base..base + SECTOR_BYTES].copy_from_slice(&header.encode());
        let text_start = self.geometry.text_start();
        let summary = Summary::opened(&header, text_start);
        self.summaries[position as usize] = summary;
        self.adopt(summary);
        self.open.streams.clear();
        self.open.is_head_dirty = true;
        self.next = sequence + 1;
        self.sync.dirty += SECTOR_BYTES as u64;
        self.sync.pages_dirtied += 1;
        self.refresh_stops();
        Ok(())
    }

    /// Makes the block that `summary` tells of the one that is appended to.
    pub(super) fn adopt(&mut self, summary: Summary) {
        let position = self.geometry.position(summary.sequence);
        let slots_at = self.geometry.block_bytes - summary.count * SLOT_BYTES as u32;
        self.open = Open {
            base: self.geometry.block_range(position).start as usize,
            text_at: summary.text_end,
            slots_at,
            salt: salt(summary.epoch, summary.sequence),
            key: summary.sequence + 1,
            summary,
            streams: std::mem::take(&mut self.open.streams),
            text_synced: summary.text_end,
            slots_synced: slots_at,
            is_head_dirty: false,
        };
    }

    /// The place of the entry for `labels` in the open block, if there is one.
    fn find_stream(&self, labels: &[u8]) -> Option<u16> {
        let place = *self.open.streams.get(&self.hasher.hash_one(labels))?;
        let at = self.open.base + usize::from(place) * STREAM_UNIT_BYTES;
        let entry = self.store.bytes().get(at..)?;
        (stream_entry_decode(entry, self.open.salt) == Some(labels)).then_some(place)
    }

    /// Finds or writes the entry for `labels` in the open block, which has room for it.
    #[cold]
    #[inline(never)]
    fn intern(&mut self, labels: &[u8]) -> u16 {
        if labels.is_empty() {
            return 0;
        }
        if let Some(place) = self.find_stream(labels) {
            return place;
        }
        let hash = self.hasher.hash_one(labels);
        let open = &mut self.open;
        let start = open.text_at as usize;
        let at = start.next_multiple_of(STREAM_UNIT_BYTES);
        let end = at + stream_entry_bytes(labels.len());
        let bytes = &mut self.store.bytes_mut()[open.base..][..open.slots_at as usize];
        // What an earlier block left between two records must not turn up in a search.
        bytes[start..at].fill(0);
        stream_entry_encode(&mut bytes[at..end], labels, open.salt);
        open.text_at = end as u32;
        self.sync.dirty += (end - start) as u64;
        let place = (at / STREAM_UNIT_BYTES) as u16;
        open.streams.insert(hash, place);
        self.label_names.add(labels);
        place
    }

    /// Whether block and dirty limits hold for this segment now. The number limit holds for each
    /// that has a disk: a number given twice would mislead every reader that resumes by number.
    pub(super) fn keeps_limits(&self) -> bool {
        self.options.durability == Durability::Synced && !self.sync.is_failed
    }
}

/// Names of labels that streams were written with, the first [`LABEL_NAMES_MAX`] of them.
#[derive(Debug, Default)]
pub(super) struct LabelNames(Vec<Box<[u8]>>);

impl LabelNames {
    fn add(&mut self, stream: &[u8]) {
        for label in labels(stream) {
            if self.0.len() < LABEL_NAMES_MAX && !self.contains(label.name) {
                self.0.push(label.name.into());
            }
        }
    }

    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.0.iter().any(|known| **known == *name)
    }
}

/// Text and slots of an open block lie within it and do not overlap.
pub(super) fn assert_open(open: &Open, geometry: &Geometry) {
    if open.is_some() {
        assert!(geometry.text_start() <= open.text_at);
        assert!(open.text_at <= open.slots_at);
        let slots_bytes = open.summary.count * SLOT_BYTES as u32;
        assert_eq!(open.slots_at + slots_bytes, geometry.block_bytes);
    }
}
