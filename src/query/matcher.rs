//! Searching one window: a run of records of one block, looked through as one piece of text.
//!
//! What leads the search is found in the whole window at memory speed; only then the slots say
//! which record was hit, and that record is checked by itself. A place that lies between records,
//! or a match that goes on into the next record, is no hit.

use super::filter::{Filter, Lead, Sender, Stream};
use super::needle::Needle;
use super::regex::{Budget, Hint};
use super::which_time::Stamp;
use crate::limits::{
    QUERY_SLICE_NS, QUERY_WINDOW_BYTES_MAX, QUERY_WINDOW_SLOTS_MAX, STREAMS_REMEMBERED,
};
use crate::segment::{Block, BlockId, SLOT_BYTES, Segment, Seq, Slot, Store};

/// The search of one window, which can stop in its middle.
#[derive(Debug)]
pub(super) struct Scan {
    /// Which time of a record the filter means.
    stamp: Stamp,
    /// The block; `None` where no window is open.
    pub block: Option<BlockId>,
    /// The number of the record in slot 0 of the block.
    pub first: Seq,
    /// The window's first slot and the one after its last.
    pub slots: (u32, u32),
    /// The slots of the hits so far, in order.
    pub hits: Vec<u32>,
    /// The next slot to look at.
    next: u32,
    /// Where the text of the window's last record ends, as an offset in the block.
    text_end: u32,
    lead: Lead,
    /// The record at `next` is half matched.
    is_paused: bool,
    /// Where each needle of the leading group is next, as offsets in the block; `None`: nowhere.
    places: Vec<Option<u32>>,
    /// Streams that were asked about, each at the place that its number has here.
    streams: [Option<Asked>; STREAMS_REMEMBERED],
}

/// A stream of a block, and what its labels say.
#[derive(Debug, Clone, Copy)]
struct Asked {
    block: BlockId,
    /// As in slots.
    place: u16,
    stream: Stream,
}

/// A record that may be a hit.
struct Candidate {
    index: u32,
    /// Whether what leads the search lies in it as a whole.
    fits: bool,
}

impl Scan {
    pub fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            block: None,
            first: Seq(0),
            slots: (0, 0),
            hits: Vec::new(),
            next: 0,
            text_end: 0,
            lead: Lead::Slots,
            is_paused: false,
            places: Vec::new(),
            streams: [None; STREAMS_REMEMBERED],
        }
    }

    /// Opens the window at one end of `slots`: its first where forwards, else its last. Gives the
    /// bytes that searching it reads.
    pub fn open(
        &mut self,
        filter: &Filter,
        block: &Block<'_>,
        slots: (u32, u32),
        backwards: bool,
    ) -> u64 {
        let lead = filter.lead(0);
        let bounds = if backwards {
            (window_start(block, slots, lead), slots.1)
        } else {
            (slots.0, window_end(block, slots, lead))
        };
        self.block = Some(block.sequence);
        self.first = block.first;
        self.slots = bounds;
        self.next = bounds.0;
        self.hits.clear();
        self.places.clear();
        self.is_paused = false;
        self.lead = match lead {
            Lead::Field(_) => filter.lead(self.named(filter, block)),
            lead => lead,
        };
        if lead == Lead::Slots {
            return u64::from(bounds.1 - bounds.0) * SLOT_BYTES as u64;
        }
        let start = block.slot(bounds.0).text_offset;
        self.text_end = text_end(&block.slot(bounds.1 - 1)).min(block.image().len() as u32);
        if self.text_end < start {
            self.lead = Lead::Records;
        }
        u64::from(self.text_end.saturating_sub(start))
    }

    /// Forgets the window.
    pub fn close(&mut self, filter: &mut Filter) {
        self.block = None;
        self.hits.clear();
        if self.is_paused {
            self.is_paused = false;
            filter.reset();
        }
    }

    /// Goes on with the open window, for so long as a slice may take: its block once the window is
    /// searched to its end. Where the ring has taken the block, the window is closed.
    pub fn search<'s, S: Store>(
        &mut self,
        filter: &mut Filter,
        segment: &'s Segment<S>,
    ) -> Option<Block<'s>> {
        let Some(block) = self.block.and_then(|id| segment.block(id)) else {
            self.close(filter);
            return None;
        };
        let mut budget = Budget::new(QUERY_SLICE_NS);
        self.run(filter, &block, &mut budget).then_some(block)
    }

    /// Searches until the window ends, or `budget` is spent; whether it has ended.
    fn run(&mut self, filter: &mut Filter, block: &Block<'_>, budget: &mut Budget) -> bool {
        while self.next < self.slots.1 {
            let candidate = if self.is_paused || self.lead_is_blind() {
                Some(Candidate { index: self.next, fits: false })
            } else {
                self.candidate(filter, block)
            };
            let Some(Candidate { index, fits }) = candidate else {
                self.next = self.slots.1;
                break;
            };
            self.next = index;
            let Some(is_hit) = self.check(filter, block, index, fits, budget) else {
                self.is_paused = true;
                return false;
            };
            self.is_paused = false;
            if is_hit {
                self.hits.push(index);
            }
            self.next = index + 1;
            if budget.is_spent() && self.next < self.slots.1 {
                return false;
            }
        }
        true
    }

    fn lead_is_blind(&self) -> bool {
        matches!(self.lead, Lead::Slots | Lead::Records)
    }

    /// Whether the record in slot `index` is a hit; `None` where the budget was spent first.
    fn check(
        &mut self,
        filter: &mut Filter,
        block: &Block<'_>,
        index: u32,
        fits: bool,
        budget: &mut Budget,
    ) -> Option<bool> {
        let slot = block.slot(index);
        let level = crate::level::Level::from_byte(slot.level).unwrap_or_default();
        let time = self.stamp.of(slot.received_ns, slot.event_ns);
        if slot.is_gap() || !filter.meets_slot(level, time) {
            return Some(false);
        }
        let mut named = 0;
        if filter.has_conditions() {
            let stream = self.step_stream(filter, block, &slot, budget)?;
            if stream.is_wanted != Some(true) {
                return Some(false);
            }
            named = stream.named;
        }
        if !filter.needs_text(named) {
            return Some(true);
        }
        let Some(text) = block.slot_text(&slot) else { return Some(false) };
        let found_by = if fits { self.lead } else { Lead::Records };
        let sender = Sender { named, labels: &|| block.labels(&slot).unwrap_or_default() };
        filter.step_text(text, found_by, &sender, budget)
    }

    /// What the labels of the record's stream say; `None` where the budget was spent first.
    fn step_stream(
        &mut self,
        filter: &mut Filter,
        block: &Block<'_>,
        slot: &Slot,
        budget: &mut Budget,
    ) -> Option<Stream> {
        let stream = self.stream(filter, block, slot);
        if stream.is_wanted.is_none() {
            // The entry was read before, and nothing has changed it since.
            let labels = block.labels(slot).unwrap_or_default();
            stream.is_wanted = Some(filter.step_stream(labels, budget)?);
        }
        Some(*stream)
    }

    /// What is remembered of the stream of `slot`. One whose entry is damaged is not wanted.
    #[inline]
    fn stream(&mut self, filter: &Filter, block: &Block<'_>, slot: &Slot) -> &mut Stream {
        let hash = u32::from(slot.stream).wrapping_mul(0x9e37_79b1);
        let place = &mut self.streams[(hash >> (32 - STREAMS_REMEMBERED.ilog2())) as usize];
        let is_it = |asked: &Asked| (asked.block, asked.place) == (block.sequence, slot.stream);
        let asked = match place.take().filter(is_it) {
            Some(asked) => asked,
            None => {
                let stream = match block.labels(slot) {
                    Some(labels) => Stream { named: filter.named(labels), is_wanted: None },
                    None => Stream { named: 0, is_wanted: Some(false) },
                };
                Asked { block: block.sequence, place: slot.stream, stream }
            }
        };
        &mut place.insert(asked).stream
    }

    /// The bits of the conditions whose names are labels of a stream in the window.
    fn named(&mut self, filter: &Filter, block: &Block<'_>) -> u32 {
        let (mut named, mut before) = (0, None);
        for index in self.slots.0..self.slots.1 {
            let slot = block.slot(index);
            if before != Some(slot.stream) {
                before = Some(slot.stream);
                named |= self.stream(filter, block, &slot).named;
            }
        }
        named
    }

    /// The next record that what leads the search lies in, or begins in.
    fn candidate(&mut self, filter: &Filter, block: &Block<'_>) -> Option<Candidate> {
        while self.next < self.slots.1 {
            let from = block.slot(self.next).text_offset;
            let Some(text) = block.image().get(from as usize..self.text_end as usize) else {
                return self.go_blind();
            };
            let (place, bytes) = self.find(filter, text, from)?;
            let Some(index) = self.index_at(block, place) else { return self.go_blind() };
            let end = text_end(&block.slot(index));
            if place < end {
                return Some(Candidate { index, fits: bytes > 0 && place + bytes <= end });
            }
            self.next = index + 1;
        }
        None
    }

    /// A damaged slot has led the search astray: looks at each of the records left by itself.
    fn go_blind(&mut self) -> Option<Candidate> {
        self.lead = Lead::Records;
        Some(Candidate { index: self.next, fits: false })
    }

    /// The last record from `next` on that begins at or before `place`; `None` where the slots are
    /// not in order.
    fn index_at(&self, block: &Block<'_>, place: u32) -> Option<u32> {
        let mut index = self.next;
        let mut before = block.slot(index).text_offset;
        while index + 1 < self.slots.1 {
            let offset = block.slot(index + 1).text_offset;
            if offset < before || offset > self.text_end {
                return None;
            }
            if offset > place {
                break;
            }
            (index, before) = (index + 1, offset);
        }
        Some(index)
    }

    /// Where what leads the search is next in `text`, which begins at block offset `from`, and how
    /// long it is; 0 where that says nothing.
    fn find(&mut self, filter: &Filter, text: &[u8], from: u32) -> Option<(u32, u32)> {
        let at = |place: usize| from + place as u32;
        match self.lead {
            Lead::Group(group) => match filter.group(group) {
                [needle] => Some((at(needle.find(text)?), needle.len() as u32)),
                needles => self.find_any(needles, text, from),
            },
            Lead::Field(index) => self.find_any(filter.field_leads(index), text, from),
            Lead::Hint => match filter.hint()? {
                Hint::Literal(needle) => Some((at(needle.find(text)?), needle.len() as u32)),
                hint => Some((at(hint.find(text)?), 0)),
            },
            Lead::Slots | Lead::Records => Some((from, 0)),
        }
    }

    /// The first of several needles. Where each is next is kept, so that a frequent one does not
    /// make the others be looked for again.
    fn find_any(&mut self, needles: &[Needle], text: &[u8], from: u32) -> Option<(u32, u32)> {
        if self.places.len() != needles.len() {
            self.places.clear();
            self.places.resize(needles.len(), Some(0));
        }
        for (needle, place) in needles.iter().zip(&mut self.places) {
            if place.is_some_and(|at| at < from) {
                *place = needle.find(text).map(|at| from + at as u32);
            }
        }
        let found = self.places.iter().zip(needles);
        let found = found.filter_map(|(place, needle)| Some(((*place)?, needle.len() as u32)));
        found.min()
    }
}

fn text_end(slot: &Slot) -> u32 {
    slot.text_offset.saturating_add(slot.text_bytes)
}

/// The end of a window that begins at slot `low`: one record at least, and as much text as a window
/// may have, or not much less.
fn window_end(block: &Block<'_>, (low, high): (u32, u32), lead: Lead) -> u32 {
    let high = high.min(low + QUERY_WINDOW_SLOTS_MAX);
    if lead == Lead::Slots {
        return high;
    }
    let start = block.slot(low).text_offset;
    let stop = start.saturating_add(QUERY_WINDOW_BYTES_MAX);
    let reaches = |count: u32| text_end(&block.slot(low + count - 1)).saturating_sub(start);
    if let Some(count) = guess(block, high - low, reaches) {
        return low + count;
    }
    let (mut least, mut most) = (low + 1, high);
    while least < most {
        let middle = least + (most - least) / 2;
        if text_end(&block.slot(middle)) <= stop { least = middle + 1 } else { most = middle }
    }
    least.min(high).max(low + 1)
}

/// The beginning of a window that ends before slot `high`, as [`window_end`].
fn window_start(block: &Block<'_>, (low, high): (u32, u32), lead: Lead) -> u32 {
    let low = low.max(high.saturating_sub(QUERY_WINDOW_SLOTS_MAX));
    if lead == Lead::Slots {
        return low;
    }
    let end = text_end(&block.slot(high - 1));
    let start = end.saturating_sub(QUERY_WINDOW_BYTES_MAX);
    let reaches = |count: u32| end.saturating_sub(block.slot(high - count).text_offset);
    if let Some(count) = guess(block, high - low, reaches) {
        return high - count;
    }
    let (mut least, mut most) = (low, high - 1);
    while least < most {
        let middle = least + (most - least) / 2;
        if block.slot(middle).text_offset < start { least = middle + 1 } else { most = middle }
    }
    least
}

/// How many records fill most of a window, guessed by their mean length: a bisection would wait
/// for memory at each of its steps, which takes as long as a fifth of the search of the window.
/// `reaches` gives the text bytes of the first so many; `None` where the guesses miss.
fn guess(block: &Block<'_>, count_max: u32, reaches: impl Fn(u32) -> u32) -> Option<u32> {
    let records = u64::from(block.count.max(1));
    let mean = (block.text().len() as u64 / records).max(1);
    let mut count = (u64::from(QUERY_WINDOW_BYTES_MAX) / mean) as u32;
    for _ in 0..3 {
        count = count.clamp(1, count_max);
        let bytes = reaches(count);
        let is_most = bytes > QUERY_WINDOW_BYTES_MAX / 8 * 7 || count == count_max;
        if bytes <= QUERY_WINDOW_BYTES_MAX && is_most {
            return Some(count);
        }
        let aim = u64::from(QUERY_WINDOW_BYTES_MAX / 16 * 15);
        count = (u64::from(count) * aim / u64::from(bytes.max(1))) as u32;
    }
    None
}
