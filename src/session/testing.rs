//! What the tests of sessions share: a small ring, and what stands before it.

use jiff::tz::TimeZone;

use super::{Intake, Sink};
use crate::clock::{Mono, Wall};
use crate::message::syslog::Times;
use crate::metrics::Metrics;
use crate::segment::{
    Durability, Geometry, MemStore, NewRecord, Options, Record, Segment, Seq, StreamRef,
};

/// When everything in these tests happens: 2026-11-20 10:00:00 UTC.
pub const NOW: Wall = 1_795_168_800_000_000_000;

/// The labels of records that only fill.
const FILLER: &[u8] = b"filler";

/// A ring of 1 MiB, its intake and its counters.
pub struct Rig {
    pub segment: Segment<MemStore>,
    pub intake: Intake,
    pub metrics: Metrics,
    pub now: Mono,
    /// Records as they are shown, from before the ring was filled.
    kept: Vec<String>,
    /// The first record that is not among them.
    kept_end: u64,
}

impl Rig {
    pub fn new() -> Self {
        Self::of(1, Options::default())
    }

    /// One of so many MiB.
    pub fn of_mib(mib: u64) -> Self {
        Self::of(mib, Options::default())
    }

    /// One of 4 MiB that is full until [`Self::make_room`], and again soon.
    pub fn synced() -> Self {
        let dirty_bytes_max = u64::from(Geometry::for_size(4 << 20).unwrap().block_bytes);
        let durability = Durability::Synced;
        Self::of(4, Options { durability, dirty_bytes_max, ..Options::default() })
    }

    fn of(mib: u64, options: Options) -> Self {
        let bytes = mib << 20;
        let geometry = Geometry::for_size(bytes).unwrap();
        let store = MemStore::zeroed(bytes as usize);
        Self {
            segment: Segment::create(store, geometry, options, 7, NOW),
            intake: Intake::new(b"box", Times::new(TimeZone::UTC)),
            metrics: Metrics::default(),
            now: 0,
            kept: Vec::new(),
            kept_end: 0,
        }
    }

    pub fn sink(&mut self) -> Sink<'_, MemStore> {
        Sink {
            segment: &mut self.segment,
            intake: &mut self.intake,
            metrics: &mut self.metrics,
            received_ns: NOW,
            now: self.now,
        }
    }

    /// Syncs, and then leaves room for about so many bytes: the rest is filled.
    pub fn make_room(&mut self, bytes: u64) {
        let filler = NewRecord {
            text: &[b'f'; 300],
            cut: false,
            level: crate::level::Level::Unknown,
            received_ns: NOW,
            event_ns: 0,
        };
        let mut stream = StreamRef::default();
        self.kept = self.records();
        self.kept_end = self.segment.head().0;
        self.sync();
        let wanted = self.segment.options().dirty_bytes_max.saturating_sub(bytes);
        while self.segment.dirty_bytes() < wanted {
            let left = (wanted - self.segment.dirty_bytes()) as usize;
            // A record has a slot and an end besides.
            let text = &filler.text[..left.saturating_sub(33).clamp(1, 300)];
            let filler = NewRecord { text, ..filler };
            match self.segment.append(&filler, FILLER, &mut stream) {
                Ok(_) => {}
                Err(crate::segment::Full::Dirty) => break,
                Err(_) => self.sync(),
            }
        }
    }

    fn sync(&mut self) {
        let ticket = self.segment.sync_begin();
        self.segment.sync_done(ticket);
    }

    fn each(&self, from: u64, mut seen: impl FnMut(&Record<'_>)) {
        for seq in self.segment.tail().0.max(from)..self.segment.head().0 {
            let id = self.segment.block_containing(Seq(seq)).unwrap();
            let block = self.segment.block(id).unwrap();
            seen(&block.record((seq - block.first.0) as u32).unwrap());
        }
    }

    /// Every record as `level labels: text`, escaped.
    pub fn records(&self) -> Vec<String> {
        let mut shown = self.kept.clone();
        self.each(self.kept_end, |record| {
            if record.labels == FILLER {
                return;
            }
            let labels = String::from_utf8_lossy(record.labels).replace('\0', " ");
            let text = record.text.escape_ascii();
            shown.push(format!("{} {labels}: {text}", record.level.name()));
        });
        shown
    }

    /// Every record's own time, 0 where it has none.
    pub fn event_times(&self) -> Vec<i64> {
        let mut times = Vec::new();
        self.each(0, |record| times.push(record.event_ns));
        times
    }
}
