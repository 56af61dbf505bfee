//! What questions are answered.

use proptest::prelude::*;

use super::*;
use crate::limits::QUERY_SKIPS_MAX;

const LINES: &[&str] = &["ERROR one", "two", "error three", "four", "five ERROR"];

/// The lines of an answer without its times.
fn lines(answer: &str) -> Vec<&str> {
    answer.lines().map(|line| line.split_once("] ").map_or(line, |(_, text)| text)).collect()
}

#[test]
fn questions_are_answered_in_the_order_asked() {
    let segment = filled(LINES);
    for (text, expected) in [
        ("", &["FOUND: 5 matches", "ERROR one", "two", "error three", "four", "five ERROR"][..]),
        ("keyword=error", &["FOUND: 3 matches", "ERROR one", "error three", "five ERROR"]),
        (
            "keyword=error order=desc",
            &["FOUND: 3 matches", "five ERROR", "error three", "ERROR one"],
        ),
        ("keyword=error limit=2", &["FOUND: 2 matches", "ERROR one", "error three"]),
        ("keyword=error limit=2 order=desc", &["FOUND: 2 matches", "five ERROR", "error three"]),
        ("limit=2 order=desc", &["FOUND: 2 matches", "five ERROR", "four"]),
        ("limit=2", &["FOUND: 2 matches", "ERROR one", "two"]),
        ("keywords=error,three", &["FOUND: 1 matches", "error three"]),
        ("keywords=one,three operator=OR", &["FOUND: 2 matches", "ERROR one", "error three"]),
        ("keywords=e,r operator=and keyword=five", &["FOUND: 1 matches", "five ERROR"]),
        ("regex=^[a-z]+$", &["FOUND: 2 matches", "two", "four"]),
        ("regex=ERROR", &["FOUND: 2 matches", "ERROR one", "five ERROR"]),
        ("regex=ERROR$", &["FOUND: 1 matches", "five ERROR"]),
        ("regex=\"one\\ntwo\"", &["FOUND: 0 matches"]),
        ("regex=(?s)two.*t", &["FOUND: 0 matches"]),
        ("keyword=nowhere", &["FOUND: 0 matches"]),
        ("level=info limit=1", &["FOUND: 1 matches", "ERROR one"]),
        ("level=error", &["FOUND: 0 matches"]),
        ("level>=info limit=1 order=desc", &["FOUND: 1 matches", "five ERROR"]),
        ("source=10.0.0.5 limit=1", &["FOUND: 1 matches", "ERROR one"]),
        ("source=10.0.0.50", &["FOUND: 0 matches"]),
        ("since=\"2026-11-20 10:00:03\"", &["FOUND: 2 matches", "four", "five ERROR"]),
        ("until=\"2026-11-20 10:00:01\"", &["FOUND: 2 matches", "ERROR one", "two"]),
        ("since=+1s until=+2s", &["FOUND: 2 matches", "two", "error three"]),
        ("until=-1s", &["FOUND: 0 matches"]),
    ] {
        assert_eq!(lines(&answer(question(text), &segment)), expected, "{text}");
    }
    let texts = answer(recent(2), &segment);
    let expected =
        "FOUND: 2 matches\n[2026-11-20 10:00:03] four\n[2026-11-20 10:00:04] five ERROR\n";
    assert_eq!(texts, expected);
    assert_eq!(lines(&answer(recent(99), &segment)).len(), 6);
    assert_eq!(answer(recent(5), &ring()), "FOUND: 0 matches\n");
    let mut bare = question("keyword=two format=raw");
    bare.is_bare = true;
    assert_eq!(answer(bare, &segment), "two\n");
}

#[test]
fn a_match_that_spans_two_records_is_no_hit_and_hides_none() {
    let segment = filled(&["xa", "bx", "a", "b ab", "a\nb", "ab"]);
    for (text, expected) in [
        ("keyword=ab", &["FOUND: 2 matches", "b ab", "ab"][..]),
        ("regex=a\\nb", &["FOUND: 1 matches", "a\\nb"]),
        (r"regex=a\s+b", &["FOUND: 1 matches", "a\\nb"]),
        (r"regex=\Ab", &["FOUND: 2 matches", "bx", "b ab"]),
        ("regex=^b", &["FOUND: 3 matches", "bx", "b ab", "a\\nb"]),
    ] {
        assert_eq!(lines(&answer(question(text), &segment)), expected, "{text}");
    }
}

#[test]
fn names_of_streams_are_not_searched() {
    let segment = filled(&["one", "two"]);
    assert_eq!(answer(question("keyword=host"), &segment), "FOUND: 0 matches\n");
    assert_eq!(answer(question("regex=10.0"), &segment), "FOUND: 0 matches\n");
}

#[test]
fn recent_reads_little_of_a_large_ring() {
    let mut segment = ring();
    for index in 0..9000 {
        let line = format!("{index:0>80}");
        append(&mut segment, line.as_bytes(), Level::Info, NOW, b"host=a");
    }
    for (count, blocks) in [(1, 1), (50, 1), (2000, 4)] {
        let mut cursor = Cursor::query(recent(count), &segment);
        let text = run(&mut cursor, &segment, usize::MAX);
        assert_eq!(text.lines().count() as u64, count + 1);
        let bound = (blocks + 2) * (64 << 10);
        assert!(cursor.scanned_bytes() <= bound, "{count}: {}", cursor.scanned_bytes());
    }
    // A question about the level alone is counted by the summaries of whole blocks.
    let mut cursor = Cursor::query(question("level=error"), &segment);
    assert_eq!(run(&mut cursor, &segment, usize::MAX), "FOUND: 0 matches\n");
    assert_eq!(cursor.scanned_bytes(), 0);
}

#[test]
fn blocks_that_their_summaries_rule_out_are_skipped_in_steps() {
    let bytes = 80 << 20;
    let geometry = Geometry::for_size(bytes).unwrap();
    let store = MemStore::zeroed(bytes as usize);
    let mut segment = Segment::create(store, geometry, Options::default(), 7, NOW);
    for _ in 0..4 * (QUERY_SKIPS_MAX + 20) {
        append(&mut segment, &[b'x'; 60_000], Level::Info, NOW, b"host=a");
    }
    append(&mut segment, b"last", Level::Error, NOW, b"host=a");
    for order in ["asc", "desc"] {
        let query = question(&format!("level=error keyword=LAST order={order} format=raw"));
        let mut cursor = Cursor::query(query, &segment);
        assert_eq!(run(&mut cursor, &segment, usize::MAX), "FOUND: 1 matches\nlast\n");
        assert!(cursor.scanned_bytes() < 1 << 20, "{}", cursor.scanned_bytes());
    }
    let mut cursor = Cursor::query(question("level=error keyword=last"), &segment);
    assert_eq!(cursor.next_block(&segment), None, "more blocks than one step skips");
    assert!(cursor.next_block(&segment).is_some(), "the block with the error");
}

#[test]
fn a_tail_shows_the_last_lines_then_what_comes() {
    let mut segment = filled(LINES);
    let mut cursor = Cursor::tail(question_at("n=2 keyword=error", true), &segment);
    append(&mut segment, b"late ERROR", Level::Info, NOW, b"host=b");
    let text = run(&mut cursor, &segment, usize::MAX);
    assert_eq!(lines(&text), ["error three", "five ERROR", "late ERROR"]);
    assert_eq!(run(&mut cursor, &segment, usize::MAX), "");
    append(&mut segment, b"no", Level::Info, NOW, b"host=b");
    append(&mut segment, b"later error", Level::Info, NOW, b"host=b");
    assert_eq!(lines(&run(&mut cursor, &segment, usize::MAX)), ["later error"]);

    let mut cursor = Cursor::tail(question_at("", true), &segment);
    assert_eq!(run(&mut cursor, &segment, usize::MAX), "");
    let mut two = Cursor::tail(question_at("limit=2", true), &segment);
    let mut none = Cursor::tail(question_at("n=9 keyword=nowhere", true), &segment);
    for line in ["x", "y", "z"] {
        append(&mut segment, line.as_bytes(), Level::Info, NOW, b"host=b");
    }
    assert_eq!(lines(&run(&mut cursor, &segment, usize::MAX)), ["x", "y", "z"]);
    assert_eq!(lines(&run(&mut two, &segment, usize::MAX)), ["x", "y"]);
    let mut time = LocalTime::new(TimeZone::UTC);
    assert_eq!(two.slice(&segment, &mut Vec::new(), 9, &mut time), Slice::Done);
    assert_eq!(run(&mut none, &segment, usize::MAX), "");
}

#[test]
fn after_resumes_with_no_gap_and_no_duplicate() {
    let segment = filled(LINES);
    let (first, head) = (segment.tail().0, segment.head().0);
    let refused =
        |after: u64| format!("ERROR: bad after \"{after}\" (allowed: up to {})", head - 1);
    for (after, expected) in [
        (first + 1, &["error three", "four", "five ERROR"][..]),
        (first - 1, LINES),
        (head - 1, &[]),
        (first - 4, &["# lost 3 lines", "ERROR one", "two", "error three", "four", "five ERROR"]),
        (head, &[&refused(head)]),
        (head + 5, &[&refused(head + 5)]),
        (u64::MAX, &[&refused(u64::MAX)]),
    ] {
        for out_bytes_max in [1, usize::MAX] {
            let mut cursor = Cursor::tail(question_at(&format!("after={after}"), true), &segment);
            assert_eq!(lines(&run(&mut cursor, &segment, out_bytes_max)), expected, "tail {after}");
            let mut cursor = Cursor::query(question(&format!("after={after}")), &segment);
            let text = run(&mut cursor, &segment, out_bytes_max);
            let mut seen = lines(&text);
            if after < head {
                assert!(seen.remove(0).starts_with("FOUND: "), "query {after}");
            }
            assert_eq!(seen, expected, "query {after}");
        }
    }
}

#[test]
fn what_was_lost_before_the_walk_is_found_and_no_part_of_the_limit() {
    let segment = filled(LINES);
    let after = segment.tail().0 - 4;
    for (words, expected) in [
        ("limit=2", &["FOUND: 5 matches", "# lost 3 lines", "ERROR one", "two"][..]),
        ("limit=1 order=desc", &["FOUND: 4 matches", "# lost 3 lines", "five ERROR"]),
        ("keyword=four", &["FOUND: 4 matches", "# lost 3 lines", "four"]),
        ("keyword=nowhere", &["FOUND: 3 matches", "# lost 3 lines"]),
    ] {
        let mut cursor = Cursor::query(question(&format!("after={after} {words}")), &segment);
        let text = run(&mut cursor, &segment, 1);
        assert_eq!(lines(&text), expected, "{words}");
        assert_eq!(cursor.lost_lines(), 3);
    }
    let text = answer(question(&format!("after={after} keyword=four format=json")), &segment);
    assert!(text.starts_with("FOUND: 4 matches\n# lost 3 lines\n{\""), "{text}");
}

/// Adds lines until the ring has taken `blocks` more blocks.
pub(super) fn overtake(segment: &mut Memory, blocks: u64) {
    let oldest = segment.oldest_block().unwrap();
    while segment.oldest_block().unwrap() < oldest + blocks {
        append(segment, &[b'z'; 500], Level::Debug, NOW, b"host=z");
    }
}

#[test]
fn lines_that_the_ring_takes_are_called_lost() {
    for order in ["asc", "desc"] {
        for blocks in [1, 3, 40] {
            let mut segment = ring();
            for index in 0..12_000 {
                let line = format!("{index:0>60} {}", if index % 3 == 0 { "hit" } else { "" });
                append(&mut segment, line.as_bytes(), Level::Info, NOW, b"host=a");
            }
            let mut cursor =
                Cursor::query(question(&format!("keyword=hit order={order}")), &segment);
            let mut time = LocalTime::new(TimeZone::UTC);
            let mut out = Vec::new();
            while cursor.slice(&segment, &mut out, 2000, &mut time) != Slice::Blocked {}
            overtake(&mut segment, blocks);
            out.extend(run(&mut cursor, &segment, 500).into_bytes());
            let text = String::from_utf8(out).unwrap();
            let found: u64 = text[7..].split(' ').next().unwrap().parse().unwrap();
            let lost: u64 = text
                .lines()
                .filter_map(|line| {
                    line.strip_prefix("# lost ")?.split(' ').next()?.parse::<u64>().ok()
                })
                .sum();
            let printed = text.lines().filter(|line| line.starts_with('[')).count() as u64;
            assert_eq!(printed + lost, found, "{order} {blocks}");
            assert!(lost > 0, "{order} {blocks}");
            assert_eq!(lost, cursor.lost_lines());
            let numbers: Vec<&str> = text.lines().filter(|l| l.starts_with('[')).collect();
            let is_sorted = numbers.is_sorted_by(|a, b| if order == "asc" { a < b } else { a > b });
            assert!(is_sorted, "{order} {blocks}");
        }
    }
}

#[test]
fn a_tail_that_is_overtaken_says_how_much_it_missed() {
    let mut segment = filled(LINES);
    let mut cursor = Cursor::tail(question_at("format=raw", true), &segment);
    let from = segment.head();
    overtake(&mut segment, 2);
    let text = run(&mut cursor, &segment, 1000);
    let missed = segment.tail().0 - from.0;
    assert!(text.starts_with(&format!("# lost {missed} lines\n")), "{}", &text[..40]);
    assert_eq!(text.lines().count() as u64, segment.records() + 1);
}

/// A store whose bytes can be swapped for damaged ones while a segment owns it.
pub(super) struct Fragile {
    bytes: Vec<u8>,
    damaged: std::cell::OnceCell<Vec<u8>>,
}

impl Store for Fragile {
    fn bytes(&self) -> &[u8] {
        self.damaged.get().unwrap_or(&self.bytes)
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// Ten records `word0 x` to `word9 x`, of which byte `at` of record `index`'s text, or of its slot
/// where `is_slot`, is overwritten with `byte`.
pub(super) fn damaged(index: u32, is_slot: bool, at: usize, byte: u8) -> Segment<Fragile> {
    let store = Fragile { bytes: vec![0; 1 << 20], damaged: std::cell::OnceCell::new() };
    let geometry = Geometry::for_size(1 << 20).unwrap();
    let mut segment = Segment::create(store, geometry, Options::default(), 7, NOW);
    for number in 0..10 {
        let text = format!("word{number} x");
        let record = NewRecord {
            text: text.as_bytes(),
            cut: false,
            level: Level::Info,
            received_ns: NOW,
            event_ns: 0,
        };
        segment.append(&record, b"host=a", &mut StreamRef::default()).unwrap();
    }
    let id = segment.block_containing(segment.tail()).unwrap();
    let range = segment.block_range(id);
    let at = if is_slot {
        range.end as usize - 32 * (index as usize + 1) + at
    } else {
        range.start as usize + segment.block(id).unwrap().slot(index).text_offset as usize + at
    };
    let mut bytes = segment.store().bytes.clone();
    bytes[at] = byte;
    segment.store().damaged.set(bytes).unwrap();
    segment
}

#[test]
fn a_damaged_record_is_named_and_the_others_are_found() {
    let segment = damaged(1, false, 0, b'X');
    let second = segment.tail().0 + 1;
    let text = answer(question("keyword=x format=raw limit=3"), &segment);
    assert_eq!(text, format!("FOUND: 3 matches\nword0 x\n# damaged seq={second}\nword2 x\n"));
    assert_eq!(answer(question("keyword=d5 format=raw"), &segment), "FOUND: 1 matches\nword5 x\n");
}

#[test]
fn a_damaged_slot_hides_no_other_record() {
    for at in 0..32 {
        for byte in [0, 1, 0x20, 0x7f, 0x80, 0xff] {
            let segment = damaged(4, true, at, byte);
            for text in ["", "keyword=word", "regex=^word", "regex=[a-z]+\\d", "keywords=d,x"] {
                for order in ["asc", "desc"] {
                    let asked = format!("{text} order={order} format=raw");
                    let text = answer(question(&asked), &segment);
                    let whole = text.lines().filter(|line| line.starts_with("word")).count();
                    assert!(whole >= 9, "byte {at} = {byte}, {asked}: {text}");
                }
            }
        }
    }
}

#[test]
fn groups_of_a_large_ring_are_bounded() {
    use crate::limits::QUERY_GROUPS_MAX;
    for (blocks, groups) in
        [(1, 1), (QUERY_GROUPS_MAX, QUERY_GROUPS_MAX), (QUERY_GROUPS_MAX * 5 / 2, 3414)]
    {
        let counts = cursor::Counts::spanning(9, blocks);
        assert_eq!(counts.groups.len() as u64, groups, "{blocks}");
    }
}

/// A segment of random records and how they were made.
pub(super) fn records() -> impl Strategy<Value = Vec<(Vec<u8>, u8, u64, bool)>> {
    let text = prop_oneof![
        8 => "[abAB \\n]{1,12}".prop_map(String::into_bytes),
        1 => "[ab]{1,3}".prop_map(|piece| piece.repeat(1500).into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 1..20),
    ];
    proptest::collection::vec((text, 0..10u8, 0..100u64, any::<bool>()), 0..120)
}

pub(super) const QUESTIONS: &[&str] = &[
    "",
    "keyword=ab",
    "keyword=\"b a\"",
    "keywords=aa,bb",
    "keywords=aab,bba operator=OR",
    "keywords=ab,ba operator=OR keyword=bb",
    "regex=ab+a",
    "regex=(?i)abb",
    "regex=^a.*b$",
    r"regex=\Ab",
    "regex=a\\nb",
    "regex=(?:aab|bba|abb)",
    "regex=[ab]{3}",
    "regex=b{2,7}a$ keyword=ab",
    "regex=(?s)a.{5}b",
    "level>=warning",
    "level=error keyword=a",
    "source=h1",
    "source=h2 keyword=ab",
    "since=\"2026-11-20 10:00:20\" until=\"2026-11-20 10:01:00\"",
    "since=\"2026-11-20 10:00:50\" regex=ab",
];

/// What a walk over all records says.
pub(super) fn naive(query: &str, segment: &Memory) -> Vec<Vec<u8>> {
    let mut filter = question(query).filter;
    let mut found = Vec::new();
    each_record(segment, |record| {
        if filter.matches(record.text, record.level, record.received_ns, record.labels) {
            let mut line = Vec::new();
            let mut time = LocalTime::new(TimeZone::UTC);
            render(Format::Text, Stamp::Received, record, &mut time, &mut line);
            found.push(line);
        }
    });
    found
}

proptest! {
    #[test]
    fn an_answer_does_not_depend_on_how_its_steps_are_cut(
        records in records(),
        question_index in 0..QUESTIONS.len(),
        order in prop_oneof![Just("asc"), Just("desc")],
        limit in prop_oneof![Just(None), (1..40usize).prop_map(Some)],
        out_bytes_max in prop_oneof![Just(1usize), 2..300usize, Just(usize::MAX)],
    ) {
        let mut segment = ring();
        for (text, level, second, is_first) in &records {
            let labels: &[u8] = if *is_first { b"host=h1" } else { b"host=h2" };
            let level = Level::from_byte(*level).unwrap();
            append(&mut segment, text, level, NOW + second * 1_000_000_000, labels);
        }
        let asked = QUESTIONS[question_index];
        let mut expected = naive(asked, &segment);
        if order == "desc" {
            expected.reverse();
        }
        expected.truncate(limit.unwrap_or(usize::MAX));
        let mut text = format!("FOUND: {} matches\n", expected.len()).into_bytes();
        text.extend(expected.concat());
        let limit = limit.map_or(String::new(), |limit| format!(" limit={limit}"));
        let query = question(&format!("{asked} order={order}{limit}"));
        let seen = run(&mut Cursor::query(query, &segment), &segment, out_bytes_max);
        prop_assert_eq!(seen, String::from_utf8_lossy(&text), "{}", asked);
    }
}
