//! Power cuts, kills and clean ends in any order: exactly what is intact is served, what was
//! acknowledged as durable is among it, and no number is given twice.

use std::collections::{BTreeMap, BTreeSet};

use super::support::*;
use crate::level::Level;
use crate::segment::*;

const BYTES: u64 = 1 << 20;
const NOW: u64 = 1_760_000_000_000_000_000;

/// A segment on a disk, and all that is known of it from the outside.
struct World {
    random: Random,
    options: Options,
    /// Whether most records are of the largest size, so that the ring turns fast.
    is_big: bool,
    /// Every record that was ever appended, by number.
    truth: BTreeMap<u64, Known>,
    /// Those that were lost before they were durable, or with a recycled block.
    lost: BTreeSet<u64>,
    /// Those that were lost and neither cleared nor recycled.
    torn: BTreeSet<u64>,
    /// The largest number given so far.
    given: u64,
    /// Every record below this was acknowledged as durable.
    durable: u64,
    /// What was acknowledged as cleared for good, and what may have been.
    cleared_durable: u64,
    cleared: u64,
    /// The tail when the last life ended.
    tail: u64,
    lines: u64,
}

impl World {
    fn new(seed: u64, durability: Durability) -> (Self, Segment<Disk>) {
        let mut random = Random(seed);
        let geometry = Geometry::for_size(BYTES).unwrap();
        // What lay on the disk before is of no consequence.
        let mut disk = Disk::new(vec![0; BYTES as usize]);
        if random.chance(30) {
            disk.live.iter_mut().for_each(|byte| *byte = b'#');
            disk.durable.copy_from_slice(&disk.live);
        }
        // With and without the bound on unsynced bytes, which otherwise comes before the others.
        let dirty_bytes_max = if random.chance(50) { 256 << 10 } else { u64::MAX };
        let options = Options { durability, dirty_bytes_max, ..Options::default() };
        let is_big = random.chance(30);
        let world = Self {
            random,
            options,
            is_big,
            truth: BTreeMap::new(),
            lost: BTreeSet::new(),
            torn: BTreeSet::new(),
            given: 0,
            durable: 0,
            cleared_durable: 0,
            cleared: 0,
            tail: 0,
            lines: 0,
        };
        let mut segment = Segment::create(disk, geometry, world.options, seed, NOW);
        // The shell gives a new file its name only when all of it is on disk.
        let ticket = segment.sync_begin();
        segment.store.durable = segment.store.live.clone();
        segment.sync_done(ticket);
        (world, segment)
    }

    fn text(&mut self) -> Vec<u8> {
        let bytes = match self.random.below(10) {
            0..8 if self.is_big => 16 << 10,
            0..5 => self.random.below(200),
            5..9 => self.random.below(4000),
            _ => 16 << 10,
        };
        // Texts repeat often, so that a stale one has a chance to pass for a new one.
        let kind = self.random.below(4);
        let mut text = format!("kind {kind} ").into_bytes();
        text.resize(text.len().max(bytes as usize), b'a' + kind as u8);
        self.lines += 1;
        if self.random.chance(50) {
            let mut own = Random(self.lines);
            text.iter_mut().for_each(|byte| *byte = own.next() as u8);
        }
        text.truncate(16 << 10);
        text
    }

    fn append(&mut self, segment: &mut Segment<Disk>, streams: &mut [StreamRef; 3]) -> bool {
        let text = self.text();
        let stream = self.random.below(3) as usize;
        let labels = [&b""[..], b"host=10.0.0.1", b"host=10.0.0.2"][stream];
        let new = NewRecord {
            text: &text,
            cut: false,
            level: Level::Info,
            received_ns: NOW,
            event_ns: 0,
        };
        match segment.append(&new, labels, &mut streams[stream]) {
            Ok(seq) => {
                assert!(seq.0 > self.given, "number {} was given before", seq.0);
                self.given = seq.0;
                self.truth.insert(seq.0, (text, labels.to_vec()));
                true
            }
            Err(_) => false,
        }
    }

    fn sync(&mut self, segment: &mut Segment<Disk>, streams: &mut [StreamRef; 3]) -> bool {
        let mut was_cleared = false;
        let ticket = segment.sync_begin();
        segment.store.sync_begin();
        for _ in 0..self.random.below(4) {
            self.append(segment, streams);
        }
        if self.random.chance(15) {
            self.clear(segment);
            was_cleared = true;
        }
        if self.random.chance(10) {
            return false;
        }
        segment.store.sync_done(&mut self.random);
        segment.sync_done(ticket);
        self.durable = self.durable.max(ticket.head().0);
        // A CLEAR while the sync runs is on disk with the next one, and so is what that promised.
        if !was_cleared {
            self.cleared_durable = self.cleared;
        }
        true
    }

    fn clear(&mut self, segment: &mut Segment<Disk>) {
        segment.clear();
        self.cleared = segment.head().0;
    }

    /// A life of random work; false where it is to end in the middle of something.
    fn live(&mut self, segment: &mut Segment<Disk>) -> bool {
        let mut streams = [StreamRef::default(); 3];
        for _ in 0..self.random.below(24) {
            let goes_on = match self.random.below(20) {
                0..10 => {
                    let count = self.random.below(40);
                    (0..count).all(|_| self.append(segment, &mut streams));
                    true
                }
                10..16 => self.sync(segment, &mut streams),
                16 => {
                    self.clear(segment);
                    true
                }
                _ => {
                    segment.store.trickle(&mut self.random, 20);
                    true
                }
            };
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Closes cleanly, unless that is cut off as well; true where it was completed.
    fn close(&mut self, segment: &mut Segment<Disk>) -> bool {
        let mut streams = [StreamRef::default(); 3];
        let ticket = segment.sync_begin();
        segment.store.sync_begin();
        segment.store.sync_done(&mut self.random);
        segment.sync_done(ticket);
        self.durable = self.durable.max(ticket.head().0);
        self.cleared_durable = self.cleared;
        let Some(ticket) = segment.close_begin() else { return false };
        assert!(!self.append(segment, &mut streams), "closed");
        if self.random.chance(30) {
            return false;
        }
        segment.store.sync_begin();
        segment.store.sync_done(&mut self.random);
        segment.sync_done(ticket);
        true
    }

    /// Ends a life in one of three ways, and gives the disk.
    fn end(&mut self, mut segment: Segment<Disk>, mid: bool) -> Disk {
        self.tail = segment.tail().0;
        let everything = served(&segment);
        let is_closed = !mid && self.random.chance(20) && self.close(&mut segment);
        let mut disk = segment.into_store();
        if is_closed || self.random.chance(40) {
            disk.kill();
            let kept = Oracle::of(&disk.live);
            same(&kept.records, &everything, "a kill costs nothing");
        } else {
            disk.cut(&mut self.random);
        }
        disk
    }

    /// Opens what is on the disk, perhaps after another cut in the middle, and checks it.
    fn open(&mut self, mut disk: Disk) -> Segment<Disk> {
        let mut oracle = Oracle::of(&disk.live);
        while self.random.chance(25) {
            let was_cut = disk.live == disk.durable;
            let mut opening = Opening::new(disk, self.options, self.random.next()).unwrap();
            for _ in 0..self.random.below(20) {
                opening.step();
            }
            disk = match self.random.chance(50) {
                true => opening.into_store(),
                false => {
                    while !opening.step() {}
                    let (mut segment, _) = opening.finish();
                    let ticket = segment.sync_begin();
                    segment.store.sync_begin();
                    let _ = ticket;
                    segment.into_store()
                }
            };
            disk.cut(&mut self.random);
            let again = Oracle::of(&disk.live);
            if was_cut {
                same(&again.records, &oracle.records, "a cut in a recovery loses nothing");
            }
            oracle = again;
        }
        same(&read_offline(&disk.live), &oracle.records, "offline");
        let mut opening = Opening::new(disk, self.options, self.random.next()).unwrap();
        while !opening.step() {}
        let (segment, recovery) = opening.finish();
        assert_eq!(recovery.records, segment.records());
        self.check(&segment, &oracle);
        segment
    }

    fn check(&mut self, segment: &Segment<Disk>, oracle: &Oracle) {
        let (found, damaged) = served_and_damaged(segment);
        assert_eq!(damaged, 0, "what a cut took is lost, not damaged");
        same(&found, &oracle.records, "served is what is intact");
        for (seq, known) in &found {
            let is_true = self.truth.get(seq) == Some(known);
            assert!(is_true, "record {seq} is not what was appended under that number");
        }
        assert!(segment.head().0 > self.given, "numbers go on after those given");
        let cleared = oracle.cleared;
        assert!(
            (self.cleared_durable..=self.cleared).contains(&cleared),
            "cleared {cleared} not in {}..={}",
            self.cleared_durable,
            self.cleared
        );
        self.cleared = cleared;
        let must =
            self.truth.range(self.tail.max(cleared)..self.durable.max(self.tail).max(cleared));
        for (seq, _) in must {
            let is_kept = found.contains_key(seq) || self.lost.contains(seq);
            assert!(is_kept, "record {seq} was durable below {}", self.durable);
        }
        // Only a text like others can come back, where another block begins with the missing part.
        let is_torn =
            |seq: &u64| self.torn.contains(seq) && !self.truth[seq].0.starts_with(b"kind");
        assert!(!found.keys().any(is_torn), "what is lost stays lost");
        let tail = segment.tail().0;
        let is_gone = |seq: &&u64| !found.contains_key(seq) && **seq >= tail;
        self.torn.extend(self.truth.keys().filter(is_gone).copied());
        let is_lost = |seq: &&u64| !found.contains_key(seq) && **seq >= cleared;
        self.lost = self.truth.keys().filter(is_lost).copied().collect();
        assert!(segment.durable().0 <= self.durable.max(segment.head().0));
    }
}

#[track_caller]
fn same(found: &BTreeMap<u64, Known>, expected: &BTreeMap<u64, Known>, what: &str) {
    let without = |a: &BTreeMap<u64, Known>, b: &BTreeMap<u64, Known>| {
        a.keys().copied().filter(|seq| !b.contains_key(seq)).collect::<Vec<_>>()
    };
    let (more, less) = (without(found, expected), without(expected, found));
    assert!(found == expected, "{what}: more {more:?}, less {less:?}");
}

fn run(seed: u64, durability: Durability) {
    let (mut world, mut segment) = World::new(seed, durability);
    for _ in 0..2 + world.random.below(5) {
        let whole = world.live(&mut segment);
        let disk = world.end(segment, !whole);
        segment = world.open(disk);
        let mut streams = [StreamRef::default(); 3];
        assert!(!world.append(&mut segment, &mut streams), "the epoch is not on disk yet");
        let ticket = segment.sync_begin();
        if world.random.chance(90) {
            segment.store.sync_begin();
            segment.store.sync_done(&mut world.random);
            segment.sync_done(ticket);
            world.cleared_durable = world.cleared;
        }
    }
}

/// Runs `count` seeds, or the one in `LOGCASTER_SEED`; prints the seed that fails.
fn run_seeds(name: &str, count: u64, one: impl Fn(u64)) {
    struct Say<'a>(&'a str, u64);
    impl Drop for Say<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("{}: LOGCASTER_SEED={}", self.0, self.1);
            }
        }
    }
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("LOGCASTER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LOGCASTER_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        let _say = Say(name, seed);
        one(seed);
    }
}

#[test]
fn after_a_power_cut_exactly_the_intact_records_are_served() {
    run_seeds("power", 2000, |seed| run(seed, Durability::Synced));
}

#[test]
fn without_syncs_exactly_the_intact_records_are_served() {
    run_seeds("power_never", 300, |seed| run(seed, Durability::Never));
}
