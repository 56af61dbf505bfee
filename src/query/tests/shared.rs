//! Tails that share what they find.

use proptest::prelude::*;

use super::*;
use crate::limits::{TAIL_MEMO_BYTES_MAX, TAIL_MEMO_PIECE_BYTES_MAX, TAIL_MEMO_PIECES_MAX};

/// A tail, what it was given so far, and how much its client takes at a time.
struct Client {
    cursor: Cursor,
    out: Vec<u8>,
    taken: Vec<u8>,
    out_bytes_max: usize,
}

impl Client {
    fn new(words: &str, format: Format, segment: &Memory, out_bytes_max: usize) -> Self {
        let zone = TimeZone::UTC;
        let context = TimeContext::new(NOW, &zone);
        let mut parameters = Parameters::new(true, &context);
        for pair in words.split(' ').filter(|pair| !pair.is_empty()) {
            parameters.pair(pair.as_bytes()).unwrap();
        }
        parameters.set_format(format);
        let cursor = Cursor::tail(parameters.finish().unwrap(), segment);
        Self { cursor, out: Vec::new(), taken: Vec::new(), out_bytes_max }
    }

    /// Goes on until it has seen all, or its client must take something first.
    fn serve(&mut self, segment: &Memory, memo: Option<&mut TailMemo>) {
        let mut time = LocalTime::new(TimeZone::UTC);
        let mut none = TailMemo::default();
        let has_memo = memo.is_some();
        let memo = memo.unwrap_or(&mut none);
        for _ in 0..1_000_000 {
            let (out, max) = (&mut self.out, self.out_bytes_max);
            let slice = match has_memo {
                true => self.cursor.slice_shared(memo, segment, out, max, &mut time),
                false => self.cursor.slice(segment, out, max, &mut time),
            };
            if slice != Slice::More {
                return;
            }
        }
        panic!("a tail comes to no end");
    }

    fn take(&mut self) {
        self.taken.append(&mut self.out);
    }

    /// Serves and takes until all is seen.
    fn drain(&mut self, segment: &Memory, mut memo: Option<&mut TailMemo>) {
        loop {
            let before = self.cursor.position();
            self.serve(segment, memo.as_deref_mut());
            if self.out.is_empty() && self.cursor.position() == before {
                return;
            }
            self.take();
        }
    }
}

const QUESTIONS: &[(&str, Format)] = &[
    ("keyword=hit level>=warning", Format::Sse),
    ("level>=warning keyword=hit", Format::Sse),
    ("level>=warning keyword=hit", Format::Csv),
    ("keyword=hit level>=warning since=-5m", Format::Sse),
    ("keyword=hit level>=warning since=+30s", Format::Sse),
    ("keyword=hit level>=warning until=+30s time=event", Format::Sse),
    ("regex=h.t$", Format::Sse),
    ("", Format::Sse),
    ("keyword=hit limit=40", Format::Sse),
    ("field.n>500", Format::Json),
];

fn add(segment: &mut Memory, count: usize, from: usize) {
    for index in from..from + count {
        let hit = if index % 7 == 0 { "hit" } else { "" };
        let line = format!("n={} {} {hit}", index % 1000, "x".repeat(index % 90));
        let level = Level::ALL[index % 10];
        let at = NOW + index as u64 * 50_000_000;
        append(segment, line.as_bytes(), level, at, b"app=a\0host=h");
    }
}

/// A number below `end`, from a seed.
fn next(seed: &mut u64, end: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % end
}

#[test]
fn five_hundred_tails_give_the_same_with_and_without_a_memo() {
    let mut segment = ring();
    add(&mut segment, 10, 0);
    let mut seed = 42;
    let mut clients: Vec<_> = (0..500)
        .map(|index| {
            let (words, format) = QUESTIONS[index % QUESTIONS.len()];
            let out_bytes_max = if index % 9 == 0 { 300 } else { 64 << 10 };
            Client::new(words, format, &segment, out_bytes_max)
        })
        .collect();
    let mut alone: Vec<_> = QUESTIONS
        .iter()
        .map(|(words, format)| Client::new(words, *format, &segment, usize::MAX))
        .collect();
    let mut memo = TailMemo::default();
    let mut lines = 10;
    for round in 0..40 {
        let count = if round == 20 { 2000 } else { next(&mut seed, 60) };
        add(&mut segment, count, lines);
        lines += count;
        for place in (1..clients.len()).rev() {
            clients.swap(place, next(&mut seed, place + 1));
        }
        for client in &mut clients {
            client.serve(&segment, Some(&mut memo));
            // A slow client takes nothing for a while.
            if client.out_bytes_max > 300 || next(&mut seed, 8) == 0 {
                client.take();
            }
        }
        assert!(memo.held_bytes() <= TAIL_MEMO_BYTES_MAX);
    }
    assert!(memo.taken() > 10_000, "{} pieces were shared", memo.taken());
    let mut answers: Vec<Vec<u8>> = Vec::new();
    for client in &mut alone {
        client.drain(&segment, None);
        assert!(!client.taken.is_empty());
        answers.push(std::mem::take(&mut client.taken));
    }
    for client in &mut clients {
        client.drain(&segment, Some(&mut memo));
        let is_one = answers.contains(&client.taken);
        assert!(is_one, "{}", String::from_utf8_lossy(&client.taken));
    }
}

#[test]
fn only_tails_that_ask_and_show_alike_share() {
    for (one, other, is_shared) in [
        (("keyword=a level=info", Format::Sse), ("level=info keyword=a", Format::Sse), true),
        (("keyword=a", Format::Sse), ("keyword=a", Format::Ndjson), false),
        (("keyword=a", Format::Sse), ("keyword=A", Format::Sse), false),
        (("keyword=a", Format::Sse), ("!keyword=a", Format::Sse), false),
        (("keyword=a", Format::Sse), ("regex=a", Format::Sse), false),
        (("keyword=a", Format::Sse), ("keyword=a limit=9", Format::Sse), true),
        (("keyword=a", Format::Sse), ("keyword=a limit=1", Format::Sse), false),
        (("keyword=a", Format::Sse), ("keyword=a time=event", Format::Sse), false),
        (("keyword=a", Format::Sse), ("keyword=a since=-5m", Format::Sse), true),
        (("keyword=a since=-6m", Format::Sse), ("keyword=a until=+5m", Format::Sse), true),
        (("keyword=a since=+1m", Format::Sse), ("keyword=a", Format::Sse), false),
        (("keyword=a", Format::Sse), ("keyword=a until=-5m", Format::Sse), false),
        (("field.a=1", Format::Sse), ("field.a~1", Format::Sse), false),
        (("host=a", Format::Sse), ("field.host=a", Format::Sse), false),
        (("host=a", Format::Sse), ("source=a", Format::Sse), false),
    ] {
        let mut segment = ring();
        append(&mut segment, b"a", Level::Info, NOW, b"host=a");
        let mut clients =
            [one, other].map(|(words, format)| Client::new(words, format, &segment, 9000));
        let mut alone = Client::new(other.0, other.1, &segment, 9000);
        for text in ["a a=1", "b", "a"] {
            append(&mut segment, text.as_bytes(), Level::Info, NOW, b"host=a");
        }
        let mut memo = TailMemo::default();
        clients.iter_mut().for_each(|client| client.drain(&segment, Some(&mut memo)));
        alone.drain(&segment, None);
        assert_eq!(clients[1].taken, alone.taken, "{one:?} {other:?}");
        assert_eq!(memo.taken() > 0, is_shared, "{one:?} {other:?}");
    }
}

#[test]
fn a_slow_tail_that_the_ring_overtakes_is_told_by_itself() {
    let mut segment = ring();
    let mut memo = TailMemo::default();
    let mut slow = Client::new("", Format::Sse, &segment, 500);
    let mut fast = Client::new("", Format::Sse, &segment, 64 << 10);
    for round in 0..60 {
        add(&mut segment, 400, round * 400);
        fast.drain(&segment, Some(&mut memo));
        slow.serve(&segment, Some(&mut memo));
    }
    slow.drain(&segment, Some(&mut memo));
    let text = String::from_utf8(slow.taken).unwrap();
    let lost: u64 = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("data: {\"lost\":")?.strip_suffix('}')?.parse::<u64>().ok()
        })
        .sum();
    let shown = text.lines().filter(|line| line.starts_with("data: {\"seq\":")).count();
    assert!(lost > 0);
    assert_eq!(shown as u64 + lost, 60 * 400);
    let shown = String::from_utf8(fast.taken).unwrap();
    assert_eq!(shown.lines().filter(|line| line.starts_with("data: {\"seq\":")).count(), 60 * 400);
}

#[test]
fn a_memo_of_many_pieces_stays_within_its_bounds() {
    let mut segment = ring();
    let mut memo = TailMemo::default();
    let words: Vec<String> = (0..100).map(|index| format!("!keyword=none{index}")).collect();
    let mut clients: Vec<_> =
        words.iter().map(|words| Client::new(words, Format::Sse, &segment, 1 << 20)).collect();
    let mut most = 0;
    for round in 0..30 {
        add(&mut segment, if round < 20 { 3 } else { 200 }, round * 400);
        for client in &mut clients {
            client.drain(&segment, Some(&mut memo));
            assert!(memo.held_bytes() <= TAIL_MEMO_BYTES_MAX);
            most = most.max(memo.held_bytes());
        }
    }
    assert!(most > TAIL_MEMO_BYTES_MAX / 2, "{most}");
    assert!(memo.len() <= TAIL_MEMO_PIECES_MAX);
    // A piece that is too long is everybody's own.
    let mut pair = [0, 1].map(|_| Client::new("keyword=long", Format::Sse, &segment, 1 << 20));
    let line = [b"long ", &[b'x'; TAIL_MEMO_PIECE_BYTES_MAX / 4][..]].concat();
    let taken = memo.taken();
    for _ in 0..8 {
        append(&mut segment, &line[..16_000.min(line.len())], Level::Info, NOW, b"host=a");
    }
    pair.iter_mut().for_each(|client| client.drain(&segment, Some(&mut memo)));
    assert_eq!(pair[0].taken, pair[1].taken);
    assert!(memo.taken() - taken <= 8);
}

proptest! {
    #[test]
    fn the_order_in_which_tails_are_served_changes_nothing(
        served in proptest::collection::vec((0..8usize, 0..40usize, any::<bool>()), 1..80),
        asked in proptest::collection::vec(0..QUESTIONS.len(), 8..=8),
        limits in proptest::collection::vec(prop_oneof![1..400usize, Just(64 << 10)], 8..=8),
    ) {
        let mut segment = ring();
        add(&mut segment, 5, 0);
        let client = |at: usize, segment: &Memory| {
            let (words, format) = QUESTIONS[asked[at]];
            Client::new(words, format, segment, limits[at])
        };
        let mut shared: Vec<_> = (0..8).map(|at| client(at, &segment)).collect();
        let mut alone: Vec<_> = (0..8).map(|at| client(at, &segment)).collect();
        let mut memo = TailMemo::default();
        let mut lines = 5;
        for (at, count, takes) in served {
            add(&mut segment, count, lines);
            lines += count;
            shared[at].serve(&segment, Some(&mut memo));
            if takes {
                shared[at].take();
            }
        }
        for (shared, alone) in shared.iter_mut().zip(&mut alone) {
            shared.drain(&segment, Some(&mut memo));
            alone.drain(&segment, None);
            prop_assert_eq!(
                String::from_utf8_lossy(&shared.taken), String::from_utf8_lossy(&alone.taken)
            );
        }
    }
}
