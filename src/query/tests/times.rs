//! Questions about when it happened, and answers in order of time.

use proptest::prelude::*;

use super::*;
use crate::limits::QUERY_SORT_MAX;

const SECOND: i64 = 1_000_000_000;

/// A ring with a record for each of `events`: the second of [`NOW`] at which it happened; `None`
/// does not say. They were received a second apart.
fn happened(events: &[Option<i64>]) -> Memory {
    let mut segment = ring();
    for (index, event) in events.iter().enumerate() {
        let times = (
            NOW + index as u64 * SECOND as u64,
            event.map_or(0, |second| NOW as i64 + second * SECOND),
        );
        let text = format!("line {index}");
        append_event(&mut segment, text.as_bytes(), Level::Info, times, b"host=a");
    }
    segment
}

/// The numbers of the lines in an answer, `#` for notes.
fn numbers(query: &str, segment: &Memory) -> Vec<String> {
    let answer = answer(question(query), segment);
    let shown = |line: &str| line.split_once("line ").map_or(line, |(_, number)| number).to_owned();
    answer.lines().skip(1).map(shown).collect()
}

#[test]
fn words_about_time_mean_the_time_asked_for() {
    let segment = happened(&[Some(50), Some(-10), None, Some(7), None]);
    for (query, expected) in [
        ("since=now until=+2s", &["0", "1", "2"][..]),
        ("since=now until=+2s time=received", &["0", "1", "2"]),
        ("since=now until=+2s time=event", &["2"]),
        ("since=+7s time=event", &["0", "3"]),
        ("until=-1s time=event", &["1"]),
        ("until=-1s", &[]),
        ("time=event order=desc limit=2", &["4", "3"]),
        ("time=event order=time", &["1", "2", "4", "3", "0"]),
        ("order=time", &["0", "1", "2", "3", "4"]),
        ("time=event order=time limit=3", &["4", "3", "0"]),
        ("time=event order=time keyword=line regex=[034]$", &["4", "3", "0"]),
        ("time=event order=time keyword=nowhere", &[]),
    ] {
        assert_eq!(numbers(query, &segment), expected, "{query}");
    }
    let shown = answer(question("time=event limit=2"), &segment);
    let expected = "FOUND: 2 matches\n[2026-11-20 10:00:50] line 0\n[2026-11-20 09:59:50] line 1\n";
    assert_eq!(shown, expected);
}

#[test]
fn a_tail_filters_and_shows_by_the_time_asked_for() {
    let segment = happened(&[Some(50), Some(-10), None]);
    let query = question_at("n=9 time=event since=now", true);
    let text = run(&mut Cursor::tail(query, &segment), &segment, usize::MAX);
    assert_eq!(text, "[2026-11-20 10:00:50] line 0\n[2026-11-20 10:00:02] line 2\n");
}

#[test]
fn blocks_are_skipped_by_the_times_asked_for() {
    let mut segment = ring();
    for index in 0..9000 {
        let line = format!("{index:0>80}");
        // Received at once, but happened in the order of their numbers.
        let times = (NOW, NOW as i64 + index * SECOND);
        append_event(&mut segment, line.as_bytes(), Level::Info, times, b"host=a");
    }
    let mut cursor = Cursor::query(question("time=event since=+8999s keyword=8"), &segment);
    assert_eq!(run(&mut cursor, &segment, usize::MAX).lines().count(), 2);
    assert!(cursor.scanned_bytes() < 3 << 16, "{}", cursor.scanned_bytes());
    let mut cursor = Cursor::query(question("since=+1s keyword=8"), &segment);
    assert_eq!(run(&mut cursor, &segment, usize::MAX), "FOUND: 0 matches\n");
    assert_eq!(cursor.scanned_bytes(), 0);
}

/// A ring with so many records that happened backwards.
fn backwards(count: usize) -> Memory {
    let mut segment = ring();
    for index in 0..count {
        let times = (NOW, NOW as i64 - index as i64 * SECOND);
        append_event(&mut segment, format!("{index}").as_bytes(), Level::Info, times, b"host=a");
    }
    segment
}

#[test]
fn more_matches_than_can_be_sorted_are_counted_and_said() {
    let all = QUERY_SORT_MAX + 2500;
    let segment = backwards(all);
    for (query, found) in [
        ("", QUERY_SORT_MAX),
        (" regex=^", QUERY_SORT_MAX),
        (" limit=11000", QUERY_SORT_MAX),
        (" level=info limit=10000", QUERY_SORT_MAX),
        (" limit=7", 7),
        (" limit=1", 1),
    ] {
        let asked = format!("order=time time=event format=raw{query}");
        let mut cursor = Cursor::query(question(&asked), &segment);
        let text = run(&mut cursor, &segment, 5000);
        assert_eq!((cursor.sort_left_out(), cursor.found()), (2500, found as u64), "{query}");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(&format!("FOUND: {found} matches")[..]));
        assert_eq!(lines.next(), Some("# sorted the newest 10000 of 12500"));
        // The latest are those with the least numbers.
        let first = all - QUERY_SORT_MAX;
        let expected = (first..first + found).rev().map(|index| index.to_string());
        assert!(lines.eq(expected), "{query}");
    }
}

#[test]
fn what_the_ring_takes_from_sorted_lines_is_told_at_the_end() {
    for blocks in [1, 40] {
        let mut segment = backwards(9000);
        let query = question("order=time time=event format=raw");
        let mut cursor = Cursor::query(query, &segment);
        let mut time = LocalTime::new(TimeZone::UTC);
        let mut out = Vec::new();
        while cursor.slice(&segment, &mut out, 2000, &mut time) != Slice::Blocked {}
        let oldest = segment.oldest_block().unwrap();
        while segment.oldest_block().unwrap() < oldest + blocks {
            append(&mut segment, &[b'z'; 500], Level::Debug, NOW, b"host=z");
        }
        out.extend(run(&mut cursor, &segment, 500).into_bytes());
        let text = String::from_utf8(out).unwrap();
        let (lines, note) = text.trim_end().rsplit_once('\n').unwrap();
        let lost = note.strip_prefix("# lost ").unwrap().strip_suffix(" lines").unwrap();
        let lost: usize = lost.parse().unwrap();
        assert_eq!(lines.lines().count() - 1 + lost, 9000, "{blocks}");
        assert_eq!(cursor.lost_lines(), lost as u64);
    }
}

#[test]
fn columns_stand_behind_found_and_before_all_else() {
    let segment = happened(&[None, None]);
    let after = segment.tail().0 - 3;
    let columns = "seq,time,event_time,level,host,app,facility,transport,msg,fields\r\n";
    for (query, head) in [
        ("format=csv", format!("FOUND: 2 matches\n{columns}")),
        ("format=csv keyword=nowhere", format!("FOUND: 0 matches\n{columns}")),
        (
            &format!("format=csv after={after}"),
            format!("FOUND: 4 matches\n{columns}# lost 2 lines\n"),
        ),
        ("format=csv after=99999999999999999", "ERROR: bad after".to_owned()),
    ] {
        for out_bytes_max in [1, usize::MAX] {
            let mut cursor = Cursor::query(question(query), &segment);
            let text = run(&mut cursor, &segment, out_bytes_max);
            assert!(text.starts_with(&head), "{query}: {text}");
            let tail = head.replace("FOUND: 2 matches\n", "");
            if !tail.starts_with("FOUND") {
                let query = question_at(query, true);
                let text = run(&mut Cursor::tail(query, &segment), &segment, out_bytes_max);
                assert!(text.starts_with(&tail), "{text}");
            }
        }
    }
    let query = question_at(&format!("format=csv after={after}"), true);
    let text = run(&mut Cursor::tail(query, &segment), &segment, 1);
    assert!(text.starts_with(&format!("{columns}# lost 2 lines\n")), "{text}");
}

const QUESTIONS: &[&str] = &[
    "",
    "since=now",
    "until=+50s",
    "since=+20s until=+70s",
    "since=+20s until=+70s keyword=a",
    "regex=^a level>=warning",
];

const FORMATS: &[&str] = &["text", "json", "logfmt", "csv", "raw"];

type Times = (u64, Option<i64>);

fn records() -> impl Strategy<Value = Vec<(Vec<u8>, u8, Times)>> {
    let text = prop_oneof![
        "[ab =\"\n,]{1,9}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 1..9),
        Just(vec![b'a'; 9000]),
    ];
    let event = proptest::option::of(-10..90i64);
    proptest::collection::vec((text, 0..10u8, (0..100u64, event)), 0..150)
}

proptest! {
    #[test]
    fn an_answer_by_time_does_not_depend_on_how_its_steps_are_cut(
        records in records(),
        (asked, format) in (0..QUESTIONS.len(), 0..FORMATS.len()),
        stamp in prop_oneof![Just("event"), Just("received")],
        order in prop_oneof![Just("asc"), Just("desc"), Just("time")],
        limit in prop_oneof![Just(None), (1..40usize).prop_map(Some)],
        out_bytes_max in prop_oneof![Just(1usize), 2..300usize, Just(usize::MAX)],
    ) {
        let mut segment = ring();
        for (text, level, (second, event)) in &records {
            let at = NOW + second * SECOND as u64;
            let event = event.map_or(0, |second| NOW as i64 + second * SECOND);
            let level = Level::from_byte(*level).unwrap();
            append_event(&mut segment, text, level, (at, event), b"host=a");
        }
        let limited = limit.map_or(String::new(), |limit| format!(" limit={limit}"));
        let format = FORMATS[format];
        let words = format!("{} time={stamp} format={format}", QUESTIONS[asked]);
        let mut query = question(&words);
        let mut found = Vec::new();
        each_record(&segment, |record| {
            let at = query.stamp.of(record.received_ns, record.event_ns);
            if query.filter.matches(record.text, record.level, at, record.labels) {
                let mut line = Vec::new();
                let mut time = LocalTime::new(TimeZone::UTC);
                render(query.format, query.stamp, record, &mut time, &mut line);
                found.push((at, record.seq, line));
            }
        });
        let limit = limit.unwrap_or(usize::MAX);
        match order {
            "time" => {
                found.sort();
                found.drain(..found.len().saturating_sub(limit));
            }
            "desc" => found.reverse(),
            _ => {}
        }
        found.truncate(limit);
        let mut expected = format!("FOUND: {} matches\n", found.len()).into_bytes();
        expected.extend_from_slice(head(query.format));
        found.iter().for_each(|(_, _, line)| expected.extend_from_slice(line));
        let query = question(&format!("{words} order={order}{limited}"));
        let seen = run(&mut Cursor::query(query, &segment), &segment, out_bytes_max);
        prop_assert_eq!(seen, String::from_utf8_lossy(&expected), "{} {}", words, order);
    }
}
