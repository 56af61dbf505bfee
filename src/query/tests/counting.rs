//! Records that are counted and not written: by tails above their quota, by questions beyond their
//! limit.

use proptest::prelude::*;

use super::answers::{QUESTIONS, naive, overtake, records};
use super::*;

/// A tail whose frames are read, and what a naive reader would say of it.
struct Reader {
    cursor: Cursor,
    filter: Filter,
    out: Vec<u8>,
    shown: Vec<u64>,
    /// First and last number of each run that is lost.
    lost: Vec<(u64, u64)>,
    passed: u64,
    /// The first record that comes after the tail was begun.
    start: u64,
}

impl Reader {
    fn new(words: &str, segment: &Memory) -> Self {
        let query = Query { format: Format::Frame, ..question_at(words, true) };
        Self {
            cursor: Cursor::tail(query, segment),
            filter: question_at(words, true).filter,
            out: Vec::new(),
            shown: Vec::new(),
            lost: Vec::new(),
            passed: 0,
            start: segment.head().0,
        }
    }

    /// One slice, with or without what others have found.
    fn slice(&mut self, segment: &Memory, memo: Option<&mut TailMemo>, max: usize) -> Slice {
        let mut time = LocalTime::new(TimeZone::UTC);
        let (quota, before) = (self.cursor.quota(), self.out.len());
        let slice = match memo {
            Some(memo) => self.cursor.slice_shared(memo, segment, &mut self.out, max, &mut time),
            None => self.cursor.slice(segment, &mut self.out, max, &mut time),
        };
        let written = Frames::new(&self.out[before..])
            .filter(|frame| matches!(frame, Frame::Record(_) | Frame::Damaged(_)))
            .count() as u64;
        let left = if quota == u64::MAX { quota } else { quota - written };
        assert_eq!(self.cursor.quota(), left);
        slice
    }

    fn take(&mut self) {
        let mut frames = Frames::new(&self.out);
        for frame in frames.by_ref() {
            match frame {
                Frame::Record(record) => self.shown.push(record.seq.0),
                Frame::Lost { lines, through } => {
                    let last = through.expect("a tail knows what it lost").0;
                    self.lost.push((last + 1 - lines, last));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(frames.rest().is_empty());
        self.out.clear();
        self.passed += self.cursor.take_passed();
        assert_eq!(self.cursor.take_passed(), 0, "counted once");
    }

    /// Each match before the cursor's place is shown, counted or lost, and that once.
    fn check(&mut self, all: &[(Vec<u8>, Level)]) {
        self.take();
        assert!(self.shown.is_sorted_by(|a, b| a < b));
        let mut matches = Vec::new();
        for (index, (text, level)) in all.iter().enumerate() {
            let seq = self.start + index as u64;
            let is_lost = self.lost.iter().any(|(first, last)| (*first..=*last).contains(&seq));
            let is_before = seq < self.cursor.position().0;
            if is_before && !is_lost && self.filter.matches(text, *level, NOW, b"host=a") {
                matches.push(seq);
            }
        }
        assert!(self.shown.iter().all(|seq| matches.contains(seq)));
        assert_eq!(self.shown.len() as u64 + self.passed, matches.len() as u64);
    }
}

/// What happens to a tail.
#[derive(Debug, Clone)]
enum Event {
    /// So many lines come, of so many bytes.
    Append(usize, usize),
    Quota(u64),
    /// So many slices.
    Slices(usize),
    Take,
}

fn event() -> impl Strategy<Value = Event> {
    let append = |(lines, bytes)| Event::Append(lines, bytes);
    prop_oneof![
        3 => (1..80usize, 1..90usize).prop_map(append),
        1 => (300..900usize, 1000..2000usize).prop_map(append),
        2 => prop_oneof![Just(0), Just(u64::MAX), 1..40u64].prop_map(Event::Quota),
        6 => (1..6usize).prop_map(Event::Slices),
        2 => Just(Event::Take),
    ]
}

fn line(index: usize, bytes: usize) -> (Vec<u8>, Level) {
    let word = if index.is_multiple_of(3) { "hit" } else { "" };
    let text = format!("{index} {word} {}", "x".repeat(bytes % 2000));
    (text.into_bytes(), Level::ALL[index % 10])
}

proptest! {
    #[test]
    fn each_match_of_a_tail_is_shown_counted_or_lost_once(
        events in proptest::collection::vec(event(), 1..60),
        words in prop_oneof![
            Just(""), Just("keyword=hit"), Just("level>=error"), Just("regex=h.t"),
        ],
        max in prop_oneof![Just(1usize), 100..5000usize, Just(usize::MAX)],
        is_shared: bool,
    ) {
        let mut segment = filled(&["hit before"]);
        let mut memo = TailMemo::default();
        let mut reader = Reader::new(words, &segment);
        let mut other = Reader::new(words, &segment);
        let mut all = Vec::new();
        for event in events {
            match event {
                Event::Append(lines, bytes) => {
                    for _ in 0..lines {
                        let (text, level) = line(all.len(), bytes);
                        append(&mut segment, &text, level, NOW, b"host=a");
                        all.push((text, level));
                    }
                }
                Event::Quota(records) => reader.cursor.set_quota(records),
                Event::Slices(count) => {
                    for _ in 0..count {
                        let shared = is_shared.then_some(&mut memo);
                        reader.slice(&segment, shared, max);
                        if is_shared {
                            other.slice(&segment, Some(&mut memo), usize::MAX);
                        }
                    }
                }
                Event::Take => reader.check(&all),
            }
        }
        reader.cursor.set_quota(0);
        // What is lost is written, for which there must be room.
        reader.take();
        while reader.slice(&segment, None, usize::MAX) != Slice::CaughtUp {}
        reader.check(&all);
        prop_assert_eq!(reader.cursor.position(), segment.head());
        while is_shared && other.slice(&segment, Some(&mut memo), usize::MAX) != Slice::CaughtUp {}
        other.check(&all);
        prop_assert_eq!(other.passed, 0);
    }

    #[test]
    fn a_question_that_counts_all_writes_as_many_as_its_limit(
        records in records(),
        asked in 0..QUESTIONS.len(),
        order in prop_oneof![
            Just(Order::Oldest), Just(Order::Newest), Just(Order::Time),
        ],
        is_recent: bool,
        limit in prop_oneof![0..5usize, 0..150usize],
        out_bytes_max in prop_oneof![Just(1usize), 2..300usize, Just(usize::MAX)],
    ) {
        let mut segment = ring();
        // In the order of their times, so that order=time is that of their numbers.
        for (index, (text, level, _, is_first)) in records.iter().enumerate() {
            let labels: &[u8] = if *is_first { b"host=h1" } else { b"host=h2" };
            let level = Level::from_byte(*level).unwrap();
            append(&mut segment, text, level, NOW + index as u64 * 1_000_000_000, labels);
        }
        let asked = QUESTIONS[asked];
        let mut expected = naive(asked, &segment);
        let total = expected.len();
        match order {
            Order::Oldest if !is_recent => expected.truncate(limit),
            _ => drop(expected.drain(..total.saturating_sub(limit))),
        }
        if order == Order::Newest {
            expected.reverse();
        }
        let text = [format!("FOUND: {total} matches\n").into_bytes(), expected.concat()].concat();
        let limit = Some(limit as u64);
        let query = Query { limit, order, is_recent, counts_all: true, ..question(asked) };
        let mut cursor = Cursor::query(query, &segment);
        let seen = run(&mut cursor, &segment, out_bytes_max);
        prop_assert_eq!(seen, String::from_utf8_lossy(&text), "{}", asked);
        prop_assert_eq!(cursor.found(), total as u64);
    }
}

#[test]
fn a_tail_that_counts_needs_no_room() {
    let mut segment = filled(&[]);
    let mut tail = Reader::new("keyword=hit", &segment);
    let mut time = LocalTime::new(TimeZone::UTC);
    for index in 0..1000 {
        append(&mut segment, &line(index, 20).0, Level::Info, NOW, b"host=a");
    }
    let mut full = vec![0; 10];
    assert_eq!(tail.cursor.slice(&segment, &mut full, 10, &mut time), Slice::Blocked);
    tail.cursor.set_quota(0);
    while tail.cursor.slice(&segment, &mut full, 10, &mut time) != Slice::CaughtUp {}
    assert_eq!((full.len(), tail.cursor.take_passed()), (10, 334));
    // But what is lost is said.
    overtake(&mut segment, 3);
    assert_eq!(tail.cursor.slice(&segment, &mut full, 10, &mut time), Slice::Blocked);
    tail.cursor.set_quota(2);
    for index in 0..12 {
        append(&mut segment, &line(index, 20).0, Level::Info, NOW, b"host=a");
    }
    while tail.slice(&segment, None, 1 << 20) != Slice::CaughtUp {}
    tail.take();
    assert_eq!((tail.shown.len(), tail.passed, tail.lost.len()), (2, 2, 1));
}

#[test]
fn a_limit_is_of_records_that_are_written() {
    let mut segment = filled(&[]);
    let mut tail = Reader::new("limit=3", &segment);
    tail.cursor.set_quota(2);
    for index in 0..20 {
        append(&mut segment, &line(index, 20).0, Level::Info, NOW, b"host=a");
    }
    while tail.slice(&segment, None, 1 << 20) != Slice::CaughtUp {}
    tail.cursor.set_quota(u64::MAX);
    append(&mut segment, b"third", Level::Info, NOW, b"host=a");
    append(&mut segment, b"fourth", Level::Info, NOW, b"host=a");
    while tail.slice(&segment, None, 1 << 20) != Slice::Done {}
    tail.take();
    assert_eq!((tail.shown.len(), tail.passed), (3, 18));
}

#[test]
fn what_the_ring_takes_from_a_question_that_counts_all_is_lost() {
    for (order, is_recent) in [
        (Order::Oldest, false),
        (Order::Oldest, true),
        (Order::Newest, false),
        (Order::Time, false),
    ] {
        for words in ["keyword=hit", "level>=info"] {
            for (limit, blocks) in [(10, 40), (9000, 1), (3500, 2), (3500, 40), (0, 3)] {
                let mut segment = ring();
                for index in 0..10_000 {
                    let text = format!("{index:0>60} {}", if index % 2 == 0 { "hit" } else { "" });
                    let at = NOW + index;
                    append(&mut segment, text.as_bytes(), Level::Info, at, b"host=a");
                }
                let total = naive(words, &segment).len() as u64;
                let format = Format::Frame;
                let limit_of = Some(limit);
                let query = Query {
                    limit: limit_of,
                    order,
                    is_recent,
                    counts_all: true,
                    format,
                    ..question(words)
                };
                let mut cursor = Cursor::query(query, &segment);
                let mut time = LocalTime::new(TimeZone::UTC);
                let mut out = Vec::new();
                loop {
                    match cursor.slice(&segment, &mut out, 300, &mut time) {
                        Slice::More => {}
                        Slice::Blocked | Slice::Done => break,
                        Slice::CaughtUp => panic!("a query"),
                    }
                }
                overtake(&mut segment, blocks);
                while cursor.slice(&segment, &mut out, usize::MAX, &mut time) != Slice::Done {}
                let (mut written, mut lost) = (0, 0);
                for frame in Frames::new(&out) {
                    match frame {
                        Frame::Record(_) => written += 1,
                        Frame::Lost { lines, .. } => lost += lines,
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!(cursor.found(), total, "{words} {order:?} {limit} {blocks}");
                let due = limit.min(total);
                assert_eq!(written + lost, due, "{words} {order:?} {limit} {blocks}");
                assert!(blocks < 40 || due <= 10 || lost > 0, "{words} {order:?} {limit}");
            }
        }
    }
}

#[test]
fn a_count_beyond_the_limit_reads_summaries_of_whole_blocks() {
    let mut segment = ring();
    for index in 0..9000 {
        let line = format!("{index:0>80}");
        append(&mut segment, line.as_bytes(), Level::Info, NOW, b"host=a");
    }
    let total = segment.records();
    let query = Query { limit: Some(10), is_recent: true, counts_all: true, ..Query::default() };
    let mut cursor = Cursor::query(query, &segment);
    let text = run(&mut cursor, &segment, usize::MAX);
    assert!(text.starts_with(&format!("FOUND: {total} matches\n")), "{text}");
    assert_eq!(text.lines().count(), 11);
    assert!(cursor.scanned_bytes() < 3 * (64 << 10), "{}", cursor.scanned_bytes());
    // None but counted: nothing is read.
    let query = Query { limit: Some(0), counts_all: true, ..question("level>=info") };
    let mut cursor = Cursor::query(query, &segment);
    assert_eq!(run(&mut cursor, &segment, 1), format!("FOUND: {total} matches\n"));
    assert_eq!(cursor.scanned_bytes(), 0);
}
