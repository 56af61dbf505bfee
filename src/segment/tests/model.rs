//! A segment against a queue of records, through clears, ages, reopenings and kills.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::support::each_visible;
use crate::level::Level;
use crate::segment::*;

const NOW: u64 = 1_760_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    seq: u64,
    text: Vec<u8>,
    labels: Vec<u8>,
    level: Level,
    received_ns: u64,
    event_ns: i64,
    cut: bool,
}

#[derive(Clone, Debug)]
enum Op {
    /// This many records of about this many bytes.
    Append {
        count: u8,
        bytes: usize,
        cut: bool,
        stream: usize,
    },
    Sync,
    Clear,
    /// So many seconds go by, and old records are hidden.
    Expire(u8),
    Close,
    Kill,
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = prop_oneof![0..300usize, 1000..9000usize, Just(16 << 10), Just(20_000)];
    prop_oneof![
        8 => (1..60u8, bytes, any::<bool>(), 0..3usize)
            .prop_map(|(count, bytes, cut, stream)| Op::Append { count, bytes, cut, stream }),
        4 => Just(Op::Sync),
        1 => Just(Op::Clear),
        2 => (0..20u8).prop_map(Op::Expire),
        1 => Just(Op::Close),
        1 => Just(Op::Kill),
    ]
}

struct Pair {
    segment: Segment<MemStore>,
    model: VecDeque<Kept>,
    options: Options,
    now: u64,
    evicted: bool,
}

impl Pair {
    fn new(options: Options) -> Self {
        let geometry = Geometry::for_size(1 << 20).unwrap();
        let store = MemStore::zeroed(1 << 20);
        let segment = Segment::create(store, geometry, options, 7, NOW);
        Self { segment, model: VecDeque::new(), options, now: NOW, evicted: false }
    }

    fn sync(&mut self) {
        let ticket = self.segment.sync_begin();
        self.segment.sync_done(ticket);
        assert_eq!(self.segment.durable(), self.segment.head());
        assert_eq!(self.segment.dirty_bytes(), 0);
    }

    fn append(&mut self, bytes: usize, cut: bool, stream: usize, cached: &mut StreamRef) {
        let labels = [&b""[..], b"host=10.0.0.1", b"app=x\0host=10.0.0.2"][stream];
        let mut text = format!("record {} ", self.now).into_bytes();
        text.resize(bytes, b'.');
        let level = Level::ALL[bytes % Level::COUNT];
        let event_ns = if bytes.is_multiple_of(3) { 0 } else { self.now as i64 - 5 };
        let new = NewRecord { text: &text, cut, level, received_ns: self.now, event_ns };
        let seq = loop {
            match self.segment.append(&new, labels, cached) {
                Ok(seq) => break seq,
                Err(_) => self.sync(),
            }
        };
        let max = self.segment.geometry().record_bytes_max();
        let cut = cut || text.len() > max;
        text.truncate(max);
        if cut {
            text.extend_from_slice(b"...");
        }
        let labels = labels.to_vec();
        let received_ns = self.now;
        let kept = Kept { seq: seq.0, text, labels, level, received_ns, event_ns, cut };
        assert!(self.model.back().is_none_or(|last| last.seq < kept.seq));
        self.model.push_back(kept);
        if self.options.records_max.is_some_and(|max| self.model.len() as u64 > max) {
            self.model.pop_front();
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Append { count, bytes, cut, stream } => {
                let mut cached = StreamRef::default();
                for _ in 0..count {
                    self.append(bytes, cut, stream, &mut cached);
                    self.now += SECOND / 20;
                }
            }
            Op::Sync => self.sync(),
            Op::Clear => {
                self.check();
                assert_eq!(self.segment.clear(), self.model.len() as u64);
                self.model.clear();
            }
            Op::Expire(seconds) => {
                self.now += u64::from(seconds) * SECOND;
                self.expire();
            }
            Op::Close => {
                self.sync();
                let ticket = self.segment.close_begin().unwrap();
                self.segment.sync_done(ticket);
                self.reopen(true);
            }
            Op::Kill => self.reopen(false),
        }
    }

    fn reopen(&mut self, clean: bool) {
        self.check();
        let geometry = *self.segment.geometry();
        let store = std::mem::take(&mut self.segment.store);
        let mut opening = Opening::new(store, self.options, self.now).unwrap();
        while !opening.step() {}
        let (segment, recovery) = opening.finish();
        assert_eq!((recovery.torn, recovery.damaged), (0, 0));
        assert!(recovery.clean || !clean);
        assert_eq!(segment.geometry(), &geometry);
        self.segment = segment;
        // A shorter visible part is decided anew at each opening.
        self.expire();
        self.check_levels();
    }

    fn expire(&mut self) {
        self.segment.expire(self.now);
        let Some(age) = self.options.age_ns_max else { return };
        while self.model.front().is_some_and(|kept| kept.received_ns < self.now - age) {
            self.model.pop_front();
        }
    }

    /// The segment holds the newest part of the model, all of it unless the ring was full.
    fn check(&mut self) {
        self.evicted |= self.segment.counters().evicted_records > 0;
        let found = self.read();
        let missing = self.model.len() - found.len();
        assert!(self.model.iter().skip(missing).eq(found.iter()), "not the newest part");
        if missing > 0 {
            assert!(self.evicted);
            let bytes: usize = found.iter().map(|kept| kept.text.len() + 33).sum();
            assert!(bytes > 14 * 40_000, "only {bytes} bytes kept in a full ring");
            self.model.drain(..missing);
        }
    }

    fn read(&self) -> Vec<Kept> {
        let mut found = Vec::new();
        each_visible(&self.segment, |block, index, seq| {
            let record = block.record(index).unwrap();
            if let Some(last) = record.text.len().checked_sub(1) {
                let offset = block.slot(index).text_offset;
                assert_eq!(block.index_at(offset), Some(index));
                assert_eq!(block.index_at(offset + last as u32), Some(index));
                assert_eq!(block.index_at(offset + last as u32 + 1), None);
            }
            assert_eq!(block.index_of(seq), Some(index));
            found.push(Kept {
                seq: seq.0,
                text: record.text.to_vec(),
                labels: record.labels.to_vec(),
                level: record.level,
                received_ns: record.received_ns,
                event_ns: record.event_ns,
                cut: record.cut,
            });
        });
        found
    }

    /// Summaries say what a reader of all records would count.
    fn check_levels(&self) {
        let mut next = self.segment.newest_block();
        while let Some(id) = next {
            let (block, summary) =
                (self.segment.block(id).unwrap(), self.segment.summary(id).unwrap());
            let records = (0..block.count).filter_map(|index| block.record(index).ok());
            let records: Vec<_> = records.collect();
            assert_eq!(summary.records() as usize, records.len());
            for level in Level::ALL {
                let count = records.iter().filter(|record| record.level == level).count();
                assert_eq!(summary.levels[level as usize] as usize, count);
            }
            let received = records.iter().map(|record| record.received_ns);
            assert_eq!(summary.received_max_ns, received.clone().max().unwrap_or(0));
            assert_eq!(summary.received_min_ns, received.min().unwrap_or(u64::MAX));
            let events = records.iter().map(|record| record.event_ns).filter(|&event| event != 0);
            assert_eq!(summary.events as usize, events.clone().count());
            assert_eq!(summary.event_max_ns, events.clone().max().unwrap_or(i64::MIN));
            assert_eq!(summary.event_min_ns, events.min().unwrap_or(i64::MAX));
            next = self.segment.previous_block(id);
        }
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_segment_holds_what_a_queue_holds(
        ops in proptest::collection::vec(op(), 1..60),
        records_max in proptest::option::of(1..500u64),
        age in proptest::option::of(5..100u64),
    ) {
        let options = Options {
            records_max,
            age_ns_max: age.map(|seconds| seconds * SECOND),
            dirty_bytes_max: 256 << 10,
            durability: Durability::Synced,
            ..Options::default()
        };
        let mut pair = Pair::new(options);
        for op in &ops {
            pair.apply(op);
        }
        pair.check();
        pair.check_levels();
    }
}
