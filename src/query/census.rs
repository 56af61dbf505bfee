//! What there is in the ring, counted: label names, values of a label, records by level or stream.
//!
//! ```text
//! slots: newest block first, a counter for each place that a slot names its stream by -> names:
//!        those streams are looked up, once a block -> ... -> sort -> write -> done
//! ```
//!
//! Levels are in the summaries of blocks: only a block that is not visible as a whole is read.
//! Counted is what is between tail and head at the beginning; what the ring takes meanwhile, before
//! the walk gets there, is no longer there to be counted.

mod tally;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write as _;

use super::cursor::Slice;
use super::render::{json_stream, json_string, logfmt_value};
use crate::level::Level;
use crate::limits::{CENSUS_NAMES_PER_SLICE, QUERY_SKIPS_MAX};
use crate::segment::{
    Block, BlockId, Label, SLOT_BYTES, STREAM_UNIT_BYTES, Segment, Seq, Slot, Store, labels,
};
use tally::{Left, Tally};

/// What is to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The names of labels, and how many values each has.
    Labels,
    /// The values of this label, and how many records have each.
    Values(Vec<u8>),
    /// Records by level.
    Levels,
    /// Records by stream.
    Streams,
    /// Records by the way they came.
    Transports,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The slots of the next block are counted.
    Slots,
    /// The streams of that block are looked up.
    Names,
    /// What was counted is put in order.
    Sort,
    /// The first line of the answer.
    Head,
    /// The others.
    Lines,
    Done,
}

/// Counts what is in the ring and writes the answer, a bounded step a call.
#[derive(Debug)]
pub struct Census {
    listing: Listing,
    /// Whether the answer is one JSON object.
    is_json: bool,
    phase: Phase,
    /// Records at or above this came after the question.
    end: Seq,
    /// The block that comes next; `None` behind the oldest.
    next: Option<BlockId>,
    /// The block whose streams are being looked up.
    block: BlockId,
    /// Records of that block, by the place of their stream in it.
    places: Vec<u32>,
    /// The places that are not 0, and still to be looked up.
    used: Vec<u16>,
    levels: [u64; Level::COUNT],
    tally: Tally,
    /// What is still to be written.
    lines: BinaryHeap<(u64, Reverse<Box<[u8]>>)>,
    listed: u64,
    left_out: u64,
    scanned_bytes: u64,
}

impl Census {
    /// A census of what is in `segment` now.
    pub fn new<S: Store>(listing: Listing, segment: &Segment<S>) -> Self {
        Self {
            tally: Tally::new(listing != Listing::Levels),
            listing,
            is_json: false,
            phase: Phase::Slots,
            end: segment.head(),
            next: segment.newest_block(),
            block: 0,
            places: Vec::new(),
            used: Vec::new(),
            levels: [0; Level::COUNT],
            lines: BinaryHeap::new(),
            listed: 0,
            left_out: 0,
            scanned_bytes: 0,
        }
    }

    /// The same census, answered as one JSON object:
    ///
    /// ```text
    /// {"labels":[{"name":"host","values":3}]}
    /// {"name":"host","values":[{"value":"a","count":12}],"more":5}
    /// {"by":"level","values":[{"value":"error","count":12}]}
    /// ```
    ///
    /// `more` is there where records are not listed. A stream is written as `{app="x"}`.
    pub fn json(self) -> Self {
        Self { is_json: true, ..self }
    }

    /// How many names, values, levels or streams are listed, once they are counted.
    pub fn found(&self) -> u64 {
        self.listed
    }

    /// Records that were left out because too many different ones had been met.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Bytes of slots that were read so far.
    pub fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes
    }

    /// The block that the next slice will touch, so that its pages can be made resident first;
    /// `None` where the next slice touches none.
    pub fn next_block<S: Store>(&self, segment: &Segment<S>) -> Option<BlockId> {
        match self.phase {
            Phase::Names => Some(self.block),
            Phase::Slots => {
                let id = self.next?;
                let (low, high) = self.slots(id, segment)?;
                (low < high && !self.is_summed(id, (low, high), segment)).then_some(id)
            }
            Phase::Sort | Phase::Head | Phase::Lines | Phase::Done => None,
        }
    }

    /// Takes one step: one block, some of its streams, or some lines of the answer. Stops writing
    /// when `out` holds `out_bytes_max` bytes; one line may go beyond by its own length.
    pub fn slice<S: Store>(
        &mut self,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
    ) -> Slice {
        match self.phase {
            Phase::Slots => self.count(segment),
            Phase::Names => self.name(segment),
            Phase::Sort => self.sort(),
            Phase::Head if out.len() >= out_bytes_max => return Slice::Blocked,
            Phase::Head => self.put_head(out),
            Phase::Lines => return self.put_lines(out, out_bytes_max),
            Phase::Done => return Slice::Done,
        }
        Slice::More
    }

    /// The slots of block `id` that count; `None` where the ring has taken it.
    fn slots<S: Store>(&self, id: BlockId, segment: &Segment<S>) -> Option<(u32, u32)> {
        let summary = segment.summary(id)?;
        let within = |seq: Seq| seq.0.clamp(summary.first.0, summary.end().0) - summary.first.0;
        Some((within(segment.tail()) as u32, within(self.end) as u32))
    }

    /// Whether the summary of block `id` says all that is asked for.
    fn is_summed<S: Store>(&self, id: BlockId, slots: (u32, u32), segment: &Segment<S>) -> bool {
        let count = segment.summary(id).map(|summary| summary.count);
        self.listing == Listing::Levels && count.is_some_and(|count| slots == (0, count))
    }

    /// Counts the slots of one block, or the summaries of several.
    fn count<S: Store>(&mut self, segment: &Segment<S>) {
        for skipped in 0..QUERY_SKIPS_MAX {
            let slots = self.next.and_then(|id| Some((id, self.slots(id, segment)?)));
            let Some((id, slots)) = slots else {
                self.phase = Phase::Sort;
                return;
            };
            if slots.0 < slots.1 && !self.is_summed(id, slots, segment) {
                if skipped > 0 {
                    // It was not announced.
                    return;
                }
                self.next = segment.previous_block(id);
                if let Some(block) = segment.block(id) {
                    self.count_slots(&block, slots);
                }
                return;
            }
            self.next = segment.previous_block(id);
            if let Some(summary) = segment.summary(id).filter(|_| slots.0 < slots.1) {
                for (all, count) in self.levels.iter_mut().zip(&summary.levels) {
                    *all += u64::from(*count);
                }
            }
        }
    }

    fn count_slots(&mut self, block: &Block<'_>, (low, high): (u32, u32)) {
        self.scanned_bytes += u64::from(high - low) * SLOT_BYTES as u64;
        if self.listing == Listing::Levels {
            for slot in (low..high).map(|index| block.slot(index)).filter(|slot| !slot.is_gap()) {
                self.levels[Level::from_byte(slot.level).unwrap_or_default() as usize] += 1;
            }
            return;
        }
        self.places.resize(block.image().len() / STREAM_UNIT_BYTES, 0);
        // Most records follow one of the same stream, so that the counter stays in a register.
        let (mut place, mut run) = (0, 0);
        for slot in (low..high).map(|index| block.slot(index)) {
            if slot.is_gap() {
                continue;
            }
            if slot.stream != place {
                self.add_run(place, run);
                (place, run) = (slot.stream, 0);
            }
            run += 1;
        }
        self.add_run(place, run);
        self.block = block.sequence;
        self.phase = Phase::Names;
    }

    /// So many records in a row have the stream at `place`; a place that no block has is damage.
    #[inline]
    fn add_run(&mut self, place: u16, run: u32) {
        let Some(count) = self.places.get_mut(usize::from(place)).filter(|_| run > 0) else {
            return;
        };
        if *count == 0 {
            self.used.push(place);
        }
        *count += run;
    }

    /// Looks up some of the block's streams.
    fn name<S: Store>(&mut self, segment: &Segment<S>) {
        let block = segment.block(self.block);
        for _ in 0..CENSUS_NAMES_PER_SLICE {
            let Some(place) = self.used.pop() else {
                self.phase = Phase::Slots;
                return;
            };
            let records = std::mem::take(&mut self.places[usize::from(place)]);
            let slot = Slot { stream: place, ..Slot::default() };
            // A stream whose entry is damaged, or was taken by the ring, has no labels to count by.
            if let Some(labels) = block.and_then(|block| block.labels(&slot)) {
                self.add(labels, u64::from(records));
            }
        }
    }

    /// Counts `records` of the stream with these labels.
    fn add(&mut self, stream: &[u8], records: u64) {
        let left = match &self.listing {
            Listing::Levels => Left::None,
            Listing::Streams => self.tally.add(stream, records),
            Listing::Labels => self.tally.add_pairs(stream),
            Listing::Values(name) => match super::label(stream, name) {
                Some(value) => self.tally.add(value, records),
                None => Left::None,
            },
            Listing::Transports => {
                let transport = super::label(stream, b"transport");
                self.tally.add(transport.unwrap_or(b"unknown"), records)
            }
        };
        if left == Left::Out {
            self.left_out += records;
        }
    }

    /// Puts some of what was counted in order.
    fn sort(&mut self) {
        if self.listing == Listing::Levels {
            let counted = Level::ALL.iter().zip(self.levels).filter(|(_, count)| *count > 0);
            let line = |(level, count): (&Level, u64)| {
                (count, Reverse(Box::from(level.name().as_bytes())))
            };
            self.lines = counted.map(line).collect();
            self.phase = Phase::Head;
        } else if self.tally.drain(CENSUS_NAMES_PER_SLICE, &mut self.lines) {
            self.phase = Phase::Head;
        }
        self.listed = self.lines.len() as u64;
    }

    fn put_head(&mut self, out: &mut Vec<u8>) {
        let listed = self.listed;
        self.phase = Phase::Lines;
        if self.is_json {
            return self.put_json_head(out);
        }
        match &self.listing {
            Listing::Labels => put(out, format_args!("LABELS: {listed} names\n")),
            Listing::Values(name) => {
                out.extend_from_slice(b"VALUES ");
                logfmt_value(name, out);
                put(out, format_args!(": {listed} values\n"));
            }
            Listing::Levels => put(out, format_args!("STATS level: {listed} levels\n")),
            Listing::Streams => put(out, format_args!("STATS stream: {listed} streams\n")),
            Listing::Transports => put(out, format_args!("STATS transport: {listed} transports\n")),
        }
    }

    fn put_json_head(&self, out: &mut Vec<u8>) {
        let by = match &self.listing {
            Listing::Labels => return out.extend_from_slice(b"{\"labels\":["),
            Listing::Values(name) => {
                out.extend_from_slice(b"{\"name\":");
                json_string(name, out);
                return out.extend_from_slice(b",\"values\":[");
            }
            Listing::Levels => "level",
            Listing::Streams => "stream",
            Listing::Transports => "transport",
        };
        put(out, format_args!("{{\"by\":\"{by}\",\"values\":["));
    }

    fn put_json_line(&self, name: &[u8], count: u64, out: &mut Vec<u8>) {
        let (key, number) = match self.listing {
            Listing::Labels => ("name", "values"),
            _ => ("value", "count"),
        };
        put(out, format_args!("{{\"{key}\":"));
        match self.listing {
            Listing::Streams => {
                out.push(b'"');
                json_stream(name, out);
                out.push(b'"');
            }
            _ => json_string(name, out),
        }
        let comma = if self.lines.is_empty() { "" } else { "," };
        put(out, format_args!(",\"{number}\":{count}}}{comma}"));
    }

    fn put_end(&self, out: &mut Vec<u8>) {
        match (self.is_json, self.left_out) {
            (true, 0) => out.extend_from_slice(b"]}\n"),
            (true, records) => put(out, format_args!("],\"more\":{records}}}\n")),
            (false, 0) => {}
            (false, records) => {
                put(out, format_args!("# more: {records} records that are not listed\n"));
            }
        }
    }

    /// Writes some lines, the largest count first.
    fn put_lines(&mut self, out: &mut Vec<u8>, out_bytes_max: usize) -> Slice {
        for _ in 0..CENSUS_NAMES_PER_SLICE {
            if out.len() >= out_bytes_max {
                return Slice::Blocked;
            }
            let Some((count, Reverse(name))) = self.lines.pop() else {
                self.put_end(out);
                self.phase = Phase::Done;
                return Slice::Done;
            };
            if self.is_json {
                self.put_json_line(&name, count, out);
                continue;
            }
            match self.listing {
                Listing::Streams => put_stream(&name, out),
                _ => logfmt_value(&name, out),
            }
            let unit = if self.listing == Listing::Labels { " values" } else { "" };
            put(out, format_args!(" {count}{unit}\n"));
        }
        Slice::More
    }
}

/// Writes the labels of a stream as `name=value` pairs; `-` where it has none.
pub(super) fn put_stream(stream: &[u8], out: &mut Vec<u8>) {
    if stream.is_empty() {
        out.push(b'-');
    }
    for (at, Label { name, value, .. }) in labels(stream).enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        logfmt_value(name, out);
        out.push(b'=');
        logfmt_value(value, out);
    }
}

fn put(out: &mut Vec<u8>, words: std::fmt::Arguments<'_>) {
    // Writing into memory cannot fail.
    let _ = out.write_fmt(words);
}
