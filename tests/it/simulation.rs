//! The whole server but for its sockets, played from one seed on a clock of its own: senders whose
//! bytes come in pieces of any size and who go in the middle of a line, askers who read slowly or
//! not at all, syncs that take their time or fail, kills and power cuts at any point. A model keeps
//! what was accepted and what was promised, and every answer is held against it.
//!
//! `LOGCASTER_SEED=7 cargo test --test it simulation` replays one seed, `LOGCASTER_SEEDS=1000`
//! plays so many. What fails prints the seed and what was drawn with it.

mod asker;
mod disk;
mod sender;

use std::collections::BTreeMap;
use std::fmt;

use jiff::tz::TimeZone;
use logcaster::message::syslog::Times;
use logcaster::metrics::Metrics;
use logcaster::query::{LocalTime, TailMemo};
use logcaster::segment::{
    Durability, Geometry, MemStore, Opening, Options, Segment, Seq, Store, SyncTicket, SyncWish,
};
use logcaster::session::{Intake, Sink};

use crate::support::Random;
use asker::{Asker, Wish};
use disk::Disk;
use sender::Sender;

/// Rounds, each with a seed of its own, and steps in one.
const ROUNDS: u64 = 60;
const STEPS: u64 = 3_000;

/// A ring of the smallest size: it turns within a round.
const RING_BYTES: u64 = 1 << 20;

/// The wall's time at the beginning: 2026-11-20 10:00:00 UTC.
const BEGIN: u64 = 1_795_168_800_000_000_000;

/// What a seed draws before it begins: printed where it fails.
#[derive(Debug)]
struct Plan {
    seed: u64,
    senders: u64,
    askers: u64,
    /// Bytes that a read gives at most, and that many lines have at most.
    read_bytes_max: u64,
    line_bytes: u64,
    /// Of 1,000 syncs so many fail.
    failing_syncs: u64,
    /// Of 10,000 steps so many end the server's life.
    ends: u64,
    dirty_bytes_max: u64,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, senders, askers, read_bytes_max, line_bytes, .. } = self;
        let Self { failing_syncs, ends, dirty_bytes_max, .. } = self;
        write!(
            f,
            "sim: seed={seed} senders={senders} askers={askers} read_bytes_max={read_bytes_max} \
             line_bytes={line_bytes} failing_syncs={failing_syncs} ends={ends} \
             dirty_bytes_max={dirty_bytes_max}"
        )
    }
}

/// What is known from the outside.
#[derive(Default)]
struct Model {
    /// Every record that got a number and was not lost, and the number of each text.
    truth: BTreeMap<u64, Vec<u8>>,
    numbers: BTreeMap<Vec<u8>, u64>,
    /// The largest number given.
    given: u64,
    /// Every record below was promised to be on disk.
    durable: u64,
    /// Every record below was cleared, so far as anybody was told.
    cleared: u64,
    /// Lines that were ever written.
    lines: u64,
}

impl Model {
    fn accept(&mut self, seq: u64, text: &[u8]) {
        assert!(seq > self.given, "number {seq} was given before");
        self.given = seq;
        self.truth.insert(seq, text.to_vec());
        self.numbers.insert(text.to_vec(), seq);
    }

    /// How many records in `from..to` hold `word`.
    fn count(&self, from: u64, to: u64, word: &[u8]) -> u64 {
        let holds = |text: &&Vec<u8>| text.windows(word.len().max(1)).any(|one| one == word);
        let range = self.truth.range(from..to.max(from));
        range.filter(|(_, text)| word.is_empty() || holds(text)).count() as u64
    }
}

/// A sync under way: what it covers, and the step at which it ends.
struct Syncing {
    ticket: SyncTicket,
    until: u64,
}

struct Simulation {
    plan: Plan,
    random: Random,
    step: u64,
    /// `None` while it is looked through.
    segment: Option<Segment<MemStore>>,
    disk: Disk,
    options: Options,
    intake: Intake,
    metrics: Metrics,
    time: LocalTime,
    tails: TailMemo,
    senders: Vec<Sender>,
    askers: Vec<Asker>,
    syncing: Option<Syncing>,
    has_failed: bool,
    model: Model,
}

fn new_intake() -> Intake {
    Intake::new(b"box", Times::new(TimeZone::UTC))
}

impl Simulation {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds are to begin apart, and none with nothing.
        let mut random = Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let plan = Plan {
            seed,
            senders: 1 + random.below(4),
            askers: 1 + random.below(5),
            read_bytes_max: [7, 100, 4_000, 65_536, 65_536][random.below(5) as usize],
            line_bytes: [100, 1_000, 3_100, 3_100][random.below(4) as usize],
            failing_syncs: [0, 0, 30][random.below(3) as usize],
            ends: random.below(60),
            dirty_bytes_max: [128 << 10, 256 << 10, u64::MAX][random.below(3) as usize],
        };
        let durability = Durability::Synced;
        let options =
            Options { durability, dirty_bytes_max: plan.dirty_bytes_max, ..Options::default() };
        let geometry = Geometry::for_size(RING_BYTES).unwrap();
        let store = MemStore::zeroed(RING_BYTES as usize);
        let mut segment = Segment::create(store, geometry, options, seed, BEGIN);
        let model = Model { given: segment.head().0 - 1, ..Model::default() };
        // A new file is given its name when all of it is on disk.
        let ticket = segment.sync_begin();
        segment.sync_done(ticket);
        let store = segment.into_store();
        let mut simulation = Self {
            random,
            step: 0,
            segment: None,
            disk: Disk::holding(store.bytes()),
            options,
            intake: new_intake(),
            metrics: Metrics::default(),
            time: LocalTime::new(TimeZone::UTC),
            tails: TailMemo::default(),
            senders: Vec::new(),
            askers: (0..plan.askers).map(|_| Asker::default()).collect(),
            syncing: None,
            has_failed: false,
            model,
            plan,
        };
        simulation.open(store);
        simulation
    }

    fn wall(&self) -> u64 {
        BEGIN + self.step * 1_000_000
    }

    fn segment(&mut self) -> &mut Segment<MemStore> {
        self.segment.as_mut().unwrap()
    }

    fn play(&mut self) {
        while self.step < STEPS {
            self.step += 1;
            self.sync();
            match self.random.below(12) {
                0..3 => self.write_lines(),
                3..7 => self.read_lines(),
                7..10 => self.answer(),
                10 => {
                    let at = self.random.below(self.plan.askers) as usize;
                    self.askers[at].act(&mut self.random, &self.model);
                }
                _ => {
                    let live = self.segment.as_ref().unwrap().store().bytes();
                    self.disk.trickle(live, &mut self.random, 10);
                }
            }
            if self.random.below(10_000) < self.plan.ends {
                self.end();
            }
        }
    }

    /// A client of the log port comes, writes, or goes in one of two ways.
    fn write_lines(&mut self) {
        if (self.senders.len() as u64) < self.plan.senders && self.random.below(4) == 0 {
            self.senders.push(Sender::new(self.plan.line_bytes));
        }
        if self.senders.is_empty() {
            return;
        }
        let at = self.random.below(self.senders.len() as u64) as usize;
        match self.random.below(40) {
            0 => self.senders[at].finish(),
            // A reset: what it wrote and nobody read is gone.
            1 => drop(self.senders.swap_remove(at)),
            _ => self.senders[at].write(&mut self.random, &mut self.model.lines),
        }
    }

    /// One read of one sender.
    fn read_lines(&mut self) {
        if self.senders.is_empty() {
            return;
        }
        let at = self.random.below(self.senders.len() as u64) as usize;
        let bytes = 1 + self.random.below(self.plan.read_bytes_max) as usize;
        let (received_ns, now) = (self.wall(), self.step * 1_000_000);
        let segment = self.segment.as_mut().unwrap();
        let before = segment.head().0;
        let (intake, metrics) = (&mut self.intake, &mut self.metrics);
        let mut sink = Sink { segment, intake, metrics, received_ns, now };
        let is_over = self.senders[at].read(bytes, &mut sink);
        let segment = self.segment.as_ref().unwrap();
        for seq in before..segment.head().0 {
            let record = record_of(segment, seq);
            let expected = self.senders[at].expected.pop_front();
            assert!(
                Some(&record) == expected.as_ref(),
                "record {seq} is {}, expected {:?}",
                record.escape_ascii(),
                expected.map(|line| line.escape_ascii().to_string())
            );
            self.model.accept(seq, &record);
        }
        if is_over {
            let gone = self.senders.swap_remove(at);
            assert!(gone.expected.is_empty(), "{} lines were not stored", gone.expected.len());
        }
    }

    /// One step of one asker.
    fn answer(&mut self) {
        let at = self.random.below(self.plan.askers) as usize;
        let (wall, mono) = (self.wall(), self.step * 1_000_000);
        let out_bytes_max = 1 + self.random.below(8_000) as usize;
        let mut context = asker::Server {
            segment: self.segment.as_mut().unwrap(),
            time: &mut self.time,
            tails: &mut self.tails,
            metrics: &mut self.metrics,
            wall,
            mono,
            out_bytes_max,
        };
        match self.askers[at].serve(&mut context, &mut self.random, &mut self.model) {
            Wish::Nothing => {}
            Wish::Sync => {
                let head = self.segment().head().0;
                self.askers[at].waits_for = Some(head);
            }
        }
    }

    /// Begins a sync where one is wanted, and ends one whose time has come.
    fn sync(&mut self) {
        if let Some(Syncing { until, .. }) = self.syncing {
            if until > self.step {
                return;
            }
            let Some(Syncing { ticket, .. }) = self.syncing.take() else { return };
            return self.end_sync(ticket);
        }
        let is_asked = self.askers.iter().any(|asker| asker.waits_for.is_some());
        if self.has_failed {
            self.askers.iter_mut().for_each(|asker| asker.not_durable());
            return;
        }
        let is_due = match self.segment().wants_sync() {
            SyncWish::Now => true,
            SyncWish::Later => self.random.below(20) == 0,
            SyncWish::Nothing => false,
        };
        if is_due || is_asked {
            let ticket = self.segment().sync_begin();
            self.disk.sync_begin(self.segment.as_ref().unwrap().store().bytes());
            let until = self.step + self.random.below(12);
            self.syncing = Some(Syncing { ticket, until });
        }
    }

    fn end_sync(&mut self, ticket: SyncTicket) {
        let segment = self.segment.as_mut().unwrap();
        let live = segment.store().bytes();
        if self.random.below(1_000) < self.plan.failing_syncs {
            self.disk.sync_failed(live, &mut self.random);
            segment.sync_failed();
            self.has_failed = true;
            return;
        }
        let head = ticket.head().0;
        self.disk.sync_done(live, &mut self.random);
        segment.sync_done(ticket);
        assert_eq!(segment.durable().0, head);
        for asker in &mut self.askers {
            if asker.waits_for.is_some_and(|asked| asked <= head) {
                asker.durable(head);
                self.model.durable = self.model.durable.max(head);
            }
        }
    }

    /// The server's life ends: it is killed, or power goes. Everybody loses the connection.
    fn end(&mut self) {
        let segment = self.segment.take().unwrap();
        let (tail, head) = (segment.tail().0, segment.head().0);
        let mut store = segment.into_store();
        let is_cut = self.random.below(2) == 0;
        if is_cut {
            self.disk.cut(store.bytes_mut(), &mut self.random);
        }
        self.senders.clear();
        self.askers.iter_mut().for_each(Asker::hang_up);
        self.syncing = None;
        let had_failed = std::mem::take(&mut self.has_failed);
        self.tails = TailMemo::default();
        self.intake = new_intake();
        self.open(store);
        self.check_kept(tail, head, is_cut);
        if is_cut && had_failed {
            // What nobody could put on disk is gone, and which numbers were given is part of that:
            // they may come again. The round is over.
            self.step = STEPS;
        } else {
            let head = self.segment().head().0;
            assert!(head > self.model.given, "numbers go on after those given");
        }
    }

    fn open(&mut self, store: MemStore) {
        let epoch = self.random.next();
        let mut opening = Opening::new(store, self.options, epoch).unwrap();
        while !opening.step() {}
        let (segment, recovery) = opening.finish();
        assert_eq!(recovery.records, segment.records());
        assert_eq!(recovery.damaged, 0, "what a cut took is lost, not damaged");
        self.segment = Some(segment);
    }

    /// After an end, between `tail` and `head` as they were: what is served is what was accepted,
    /// and what was promised is among it.
    fn check_kept(&mut self, tail: u64, head: u64, is_cut: bool) {
        let segment = self.segment.as_ref().unwrap();
        let kept: BTreeMap<u64, Vec<u8>> = served(segment);
        for (seq, text) in &kept {
            assert_eq!(self.model.truth.get(seq), Some(text), "record {seq}");
        }
        let promised = if is_cut { self.model.durable } else { head };
        let must = tail.max(self.model.cleared)..promised.max(tail).max(self.model.cleared);
        for seq in self.model.truth.range(must).map(|(seq, _)| *seq) {
            assert!(kept.contains_key(&seq), "record {seq} was promised below {promised}");
        }
        assert_eq!(segment.records(), kept.len() as u64);
        // What is gone is gone for good; what was cleared and not durably so may be back.
        let now = segment.tail().0;
        self.model.truth.retain(|seq, _| *seq < now || kept.contains_key(seq));
        self.model.cleared = self.model.cleared.min(now);
    }
}

/// The text of the record `seq`.
#[track_caller]
fn record_of(segment: &Segment<MemStore>, seq: u64) -> Vec<u8> {
    let id = segment.block_containing(Seq(seq)).expect("a block for what was just stored");
    let block = segment.block(id).expect("a live block");
    let index = block.index_of(Seq(seq)).expect("its slot");
    block.record(index).expect("a whole record").text.to_vec()
}

/// Every visible record.
fn served(segment: &Segment<MemStore>) -> BTreeMap<u64, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut next = segment.block_containing(segment.tail());
    while let Some(id) = next {
        let block = segment.block(id).unwrap();
        for index in 0..block.count {
            let seq = block.first.0 + u64::from(index);
            if seq >= segment.tail().0 && !block.is_gap(index) {
                found.insert(seq, block.record(index).unwrap().text.to_vec());
            }
        }
        next = segment.next_block(id);
    }
    found
}

#[test]
fn whatever_happens_answers_are_true_and_promises_are_kept() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("LOGCASTER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LOGCASTER_SEEDS").unwrap_or(ROUNDS),
    };
    /// Says what was drawn, where the round fails.
    struct Say(String);
    impl Drop for Say {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("{}", self.0);
            }
        }
    }
    let (mut answers, mut evicted, mut accepted) = (0, 0, 0);
    for seed in seeds.clone() {
        let mut simulation = Simulation::new(seed);
        let _say = Say(simulation.plan.to_string());
        simulation.play();
        answers += simulation.askers.iter().map(|asker| asker.answers).sum::<u64>();
        accepted += simulation.model.numbers.len();
        let tail = simulation.segment().tail().0;
        evicted += simulation.model.truth.range(simulation.model.cleared..tail).count();
    }
    if seeds.end - seeds.start > 20 {
        let seen = format!("{answers} answers, {accepted} lines, {evicted} of them evicted");
        assert!(answers > 1_000 && accepted > 10_000 && evicted > 1_000, "too little: {seen}");
    }
}
