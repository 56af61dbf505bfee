//! Who sends most: records by stream, counted as they come in, of a bounded number of streams.
//!
//! Which streams are remembered follows Metwally, Agrawal, El Abbadi, "Efficient Computation of
//! Frequent and Top-k Elements in Data Streams" (2005), "Space-Saving": a stream that is not known
//! takes the place of the one that weighs least, and takes over its weight as what it may weigh too
//! much. Weights halve with time; counts do not, and begin anew where a stream comes back.

use std::cmp::Reverse;
use std::hash::{BuildHasher as _, RandomState};

use super::census::put_stream;
use crate::clock::{MS, Mono};
use crate::limits::{
    BUSIEST_HALF_MS, BUSIEST_SLOTS_PER_TURN, BUSIEST_STREAMS_KEPT, BUSIEST_STREAMS_SHOWN,
};
use crate::segment::{Block, BlockId, Segment, Seq, Slot, Store};

/// Places of stream entries whose stream is remembered, of one block.
const PLACES: usize = 64;
const _: () = assert!(BUSIEST_STREAMS_KEPT < u8::MAX as usize);

/// Counts records by stream, and knows the busiest of late.
#[derive(Debug)]
pub struct Busiest {
    /// Records below this were counted, or gone before they were; `None` before the first look.
    next: Option<Seq>,
    streams: Vec<Stream>,
    /// What all records weigh together.
    weight: u64,
    /// When weights were last halved.
    halved: Mono,
    hasher: RandomState,
    /// The block that `places` is of.
    block: BlockId,
    /// By a place modulo their number: the place, and which stream it is; 0 is no place.
    places: [(u16, u8); PLACES],
}

/// A stream that is remembered.
#[derive(Debug, Default)]
struct Stream {
    hash: u64,
    /// As they are stored.
    labels: Vec<u8>,
    /// Its records since it was remembered.
    count: u64,
    /// Its records, half as much a minute later.
    weight: u64,
    /// How much of the weight may be that of those whose place it took.
    doubt: u64,
}

impl Stream {
    /// What it weighs at least.
    fn certain(&self) -> u64 {
        self.weight.saturating_sub(self.doubt)
    }
}

impl Busiest {
    /// Nobody has sent anything.
    pub fn new() -> Self {
        Self {
            next: None,
            streams: Vec::new(),
            weight: 0,
            halved: 0,
            hasher: RandomState::new(),
            block: 0,
            places: [(0, 0); PLACES],
        }
    }

    /// Counts what has come since it was last asked to; what was there at the first call is not
    /// counted. Of more than [`BUSIEST_SLOTS_PER_TURN`] slots it looks at every second, third and
    /// so on, each of which stands for as many. Whoever calls it with every turn finds those slots
    /// still in memory.
    #[inline]
    pub fn count<S: Store>(&mut self, segment: &Segment<S>, now: Mono) {
        if self.next != Some(segment.head()) {
            self.count_new(segment, now);
        }
    }

    #[inline(never)]
    fn count_new<S: Store>(&mut self, segment: &Segment<S>, now: Mono) {
        self.halve(now);
        let mut next = self.next.unwrap_or(segment.head()).max(segment.tail());
        let stride = segment.head().0.saturating_sub(next.0) / BUSIEST_SLOTS_PER_TURN + 1;
        while next < segment.head() {
            let id = segment.block_containing(next);
            let Some((id, block)) = id.and_then(|id| Some((id, segment.block(id)?))) else { break };
            // A crash took the numbers before the block.
            next = next.max(block.first);
            let Some(from) = block.index_of(next) else { break };
            self.count_slots(&block, id, from, stride);
            // On from block to block at the same stride.
            let looked_at = u64::from(block.count - from).div_ceil(stride);
            next = Seq(next.0 + looked_at * stride);
        }
        self.next = Some(segment.head());
    }

    fn count_slots(&mut self, block: &Block<'_>, id: BlockId, from: u32, stride: u64) {
        if self.block != id {
            self.block = id;
            self.places = [(0, 0); PLACES];
        }
        // Most records follow one of the same stream.
        let (mut place, mut run) = (0, 0);
        let step = usize::try_from(stride).unwrap_or(usize::MAX);
        for slot in (from..block.count).step_by(step).map(|index| block.slot(index)) {
            if slot.is_gap() {
                continue;
            }
            if slot.stream != place {
                self.add_run(block, place, run);
                (place, run) = (slot.stream, 0);
            }
            run += stride;
        }
        self.add_run(block, place, run);
    }

    /// So many records in a row have the stream at `place` of `block`.
    fn add_run(&mut self, block: &Block<'_>, place: u16, run: u64) {
        if run == 0 {
            return;
        }
        let known = self.places[usize::from(place) % PLACES];
        let at = if known.0 == place && place != 0 {
            usize::from(known.1)
        } else {
            // Damage has no labels to count by.
            let Some(labels) = block.labels(&Slot { stream: place, ..Slot::default() }) else {
                return;
            };
            let at = self.find(labels);
            self.places[usize::from(place) % PLACES] = (place, at as u8);
            at
        };
        let stream = &mut self.streams[at];
        stream.count += run;
        stream.weight += run;
        self.weight += run;
    }

    /// Where the stream with these labels is, from now on if it was not.
    fn find(&mut self, labels: &[u8]) -> usize {
        let hash = self.hasher.hash_one(labels);
        let is_it = |stream: &Stream| stream.hash == hash && stream.labels == labels;
        if let Some(at) = self.streams.iter().position(is_it) {
            return at;
        }
        if self.streams.len() < BUSIEST_STREAMS_KEPT {
            let labels = labels.to_vec();
            self.streams.push(Stream { hash, labels, ..Stream::default() });
            return self.streams.len() - 1;
        }
        let lightest = self.streams.iter().enumerate().min_by_key(|(_, stream)| stream.weight);
        let at = lightest.map_or(0, |(at, _)| at);
        let stream = &mut self.streams[at];
        (stream.hash, stream.count, stream.doubt) = (hash, 0, stream.weight);
        stream.labels.clear();
        stream.labels.extend_from_slice(labels);
        // Places that led to the one before it.
        for known in self.places.iter_mut().filter(|known| usize::from(known.1) == at) {
            *known = (0, 0);
        }
        at
    }

    fn halve(&mut self, now: Mono) {
        let halves = now.saturating_sub(self.halved) / (BUSIEST_HALF_MS * MS);
        if halves == 0 {
            return;
        }
        self.halved += halves * BUSIEST_HALF_MS * MS;
        let halves = halves.min(63);
        self.weight >>= halves;
        for stream in &mut self.streams {
            stream.weight >>= halves;
            stream.doubt >>= halves;
        }
    }

    /// The busiest streams of the last minutes, busiest first, [`BUSIEST_STREAMS_SHOWN`] at most:
    /// labels as `name=value` pairs (`-` for none), and records since the stream was remembered.
    /// Each has sent at least a hundredth of all, for certain, so that a sender who makes up names
    /// is not among them. No two have the same text.
    pub fn listed(&self) -> Vec<(String, u64)> {
        let is_shown = |stream: &&Stream| {
            let certain = stream.certain();
            certain > 0 && certain.saturating_mul(100) >= self.weight
        };
        let mut streams: Vec<&Stream> = self.streams.iter().filter(is_shown).collect();
        streams.sort_by_key(|stream| Reverse(stream.certain()));
        streams.truncate(BUSIEST_STREAMS_SHOWN);
        let mut listed: Vec<(String, u64)> = Vec::with_capacity(streams.len());
        for stream in streams {
            let mut text = Vec::new();
            put_stream(&stream.labels, &mut text);
            let text = String::from_utf8_lossy(&text);
            // Bytes that are no text may have made two the same.
            match listed.iter_mut().find(|(other, _)| *other == text) {
                Some((_, count)) => *count += stream.count,
                None => listed.push((text.into_owned(), stream.count)),
            }
        }
        listed
    }
}

impl Default for Busiest {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
