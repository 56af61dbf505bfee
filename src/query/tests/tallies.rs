//! How many records there were when.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::limits::HITS_BUCKETS_MAX;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;

/// Runs the count to its end.
fn counted(hits: &mut Hits, segment: &Memory, out_bytes_max: usize) -> serde_json::Value {
    let (mut all, mut out) = (Vec::new(), Vec::new());
    for _ in 0..1_000_000 {
        let announced = hits.next_block(segment);
        let before = hits.scanned_bytes();
        let slice = hits.slice(segment, &mut out, out_bytes_max);
        assert!(
            announced.is_some() || hits.scanned_bytes() == before,
            "it announces what it reads"
        );
        match slice {
            Slice::More => {}
            Slice::Done => {
                all.append(&mut out);
                return serde_json::from_slice(&all).unwrap();
            }
            _ => all.append(&mut out),
        }
    }
    panic!("the count comes to no end: {hits:?}");
}

fn hits(words: &str, buckets: Buckets, segment: &Memory) -> String {
    let mut hits = Hits::new(question(words), buckets, NOW, segment).unwrap();
    counted(&mut hits, segment, 1).to_string()
}

/// An object as `serde_json` writes it: its keys in order.
fn ordered(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json).unwrap().to_string()
}

#[test]
fn counts_are_by_time_and_level() {
    let mut segment = ring();
    for (second, level, text) in [
        (0, Level::Info, "a"),
        (1, Level::Error, "b"),
        (59, Level::Error, "a"),
        (60, Level::Info, "a"),
        (250, Level::Warning, "ab"),
    ] {
        append(&mut segment, text.as_bytes(), level, NOW + second * SECOND, b"host=h");
    }
    let (now, step) = (NOW / MS, Buckets::Step(60_000));
    let last = now + 250_000;
    let head =
        |total: u64| format!("{{\"step_ms\":60000,\"from\":{now},\"to\":{last},\"total\":{total}");
    let (one, four) = (now + 60_000, now + 240_000);
    for (words, total, buckets) in [
        (
            "",
            5,
            format!(
                "{{\"t\":{now},\"total\":3,\"levels\":{{\"info\":1,\"error\":2}}}},\
                 {{\"t\":{one},\"total\":1,\"levels\":{{\"info\":1}}}},\
                 {{\"t\":{four},\"total\":1,\"levels\":{{\"warning\":1}}}}"
            ),
        ),
        ("level=warning", 1, format!("{{\"t\":{four},\"total\":1,\"levels\":{{\"warning\":1}}}}")),
        (
            "keyword=b limit=1 order=desc",
            2,
            format!(
                "{{\"t\":{now},\"total\":1,\"levels\":{{\"error\":1}}}},\
                 {{\"t\":{four},\"total\":1,\"levels\":{{\"warning\":1}}}}"
            ),
        ),
        ("host=g", 0, String::new()),
    ] {
        let expected = format!("{},\"buckets\":[{buckets}]}}", head(total));
        assert_eq!(hits(words, step, &segment), ordered(&expected), "{words}");
    }
    let words = format!("after={} before={}", segment.tail().0, segment.head().0 - 1);
    assert!(hits(&words, step, &segment).contains("\"total\":3"));
    // A range that is named is spanned as a whole.
    let spanned = hits("since=-10m until=-5m", Buckets::Count(5), &segment);
    let (from, to) = (now - 600_000, now - 300_000);
    let expected =
        format!("{{\"step_ms\":120000,\"from\":{from},\"to\":{to},\"total\":0,\"buckets\":[]}}");
    assert_eq!(spanned, ordered(&expected));
    let open = hits("since=-10m", Buckets::Count(60), &segment);
    assert!(open.contains(&format!("\"to\":{last}")), "{open}");
    let mut early = Hits::new(question("since=-10m"), step, NOW + 900 * SECOND, &segment).unwrap();
    assert_eq!(counted(&mut early, &segment, 1)["to"], now + 900_000);
    let empty = hits("", step, &ring());
    assert!(empty.contains(&format!("\"from\":{now}")) && empty.contains("\"total\":0"), "{empty}");
}

#[test]
fn steps_are_such_as_people_like() {
    for (seconds, buckets, expected) in [
        (0, 60, 1),
        (1, 60, 20),
        (59, 60, 1000),
        (3600, 60, 120_000),
        (3540, 60, 60_000),
        (86_400, 60, 1_800_000),
        (7 * 86_400, 60, 3 * 3_600_000),
        (365 * 86_400, 60, 7 * 86_400_000),
        (400 * 365 * 86_400, 60, (7 * 86_400_000) << 9),
        (3600, 1, 2 * 3_600_000),
    ] {
        // A range that begins where a step of weeks does.
        let start = 1_795_168_800 / (7 * 86_400) * 7 * 86_400 * SECOND;
        let segment = ring();
        let words = format!("since={} until={}", start / SECOND, start / SECOND + seconds);
        let mut query = question(&words);
        query.filter.to(start + seconds * SECOND);
        let mut hits = Hits::new(query, Buckets::Count(buckets), NOW, &segment).unwrap();
        let step = counted(&mut hits, &segment, 1)["step_ms"].as_u64().unwrap();
        assert_eq!(step, expected, "{seconds} s in {buckets}");
    }
}

#[test]
fn a_step_too_fine_is_refused_and_the_least_is_named() {
    let segment = filled(&["a", "b"]);
    let asked = |words: &str, step: u64| {
        let hits = Hits::new(question(words), Buckets::Step(step), NOW, &segment);
        hits.map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(asked("since=-1h until=now", 5000), Ok(()));
    let reason = "bad step \"1000ms\" (allowed: 5000ms or more for this range)";
    assert_eq!(asked("since=-1h until=now", 1000), Err(reason.to_owned()));
    assert_eq!(asked("since=-1h", 1000), Err(reason.to_owned()));
    assert_eq!(
        asked("", 1),
        Err("bad step \"1ms\" (allowed: 2ms or more for this range)".to_owned())
    );
    assert_eq!(asked("until=now", u64::MAX), Ok(()));
    assert_eq!(asked("since=1 until=2500-01-01", u64::MAX), Ok(()));
    assert!(asked("since=1 until=2500-01-01", 1).is_err());

    // A block in the middle whose times nobody could foresee makes the step a multiple of itself.
    let mut segment = ring();
    for (lines, at) in [(500, NOW), (500, NOW + 5000 * SECOND), (500, NOW + SECOND)] {
        for _ in 0..lines {
            append(&mut segment, &[b'x'; 500], Level::Info, at, b"host=a");
        }
    }
    let mut hits = Hits::new(question(""), Buckets::Step(1000), NOW, &segment).unwrap();
    let json = counted(&mut hits, &segment, usize::MAX);
    let step = json["step_ms"].as_u64().unwrap();
    assert_eq!((step % 1000, json["total"].as_u64()), (0, Some(segment.records())));
    assert!((5..=8).contains(&(step / 1000)), "{step}");
}

#[test]
fn whole_blocks_are_counted_by_their_summaries() {
    let mut segment = ring();
    for index in 0..6000 {
        append(&mut segment, &[b'x'; 80], Level::Info, NOW + index * 10 * MS, b"host=a");
    }
    let block_bytes = 64 << 10;
    // All lie in one bucket, but those of the blocks at its ends.
    for (words, step, bytes_max) in [
        ("", 24 * 60 * MINUTE / MS, 0),
        ("level>=info", 24 * 60 * MINUTE / MS, 0),
        ("level=error", 100, 0),
        // Slots alone are read: 32 bytes a record.
        ("level=info", 1000, 6000 * 32),
        ("since=+40s", 60_000, 2 * block_bytes),
    ] {
        let mut hits = Hits::new(question(words), Buckets::Step(step), NOW, &segment).unwrap();
        let total = counted(&mut hits, &segment, usize::MAX)["total"].as_u64().unwrap();
        assert!(hits.scanned_bytes() <= bytes_max, "{words}: {}", hits.scanned_bytes());
        assert_eq!(
            total,
            match words {
                "level=error" => 0,
                "since=+40s" => 2000,
                _ => 6000,
            }
        );
    }
}

#[test]
fn what_comes_and_goes_meanwhile_is_no_part_of_the_count() {
    let mut segment = ring();
    let add = |segment: &mut Memory, lines: u64| {
        for _ in 0..lines {
            append(segment, &[b'x'; 200], Level::Info, NOW, b"host=a");
        }
    };
    add(&mut segment, 3000);
    let head = segment.head();
    let mut hits = Hits::new(question("keyword=x"), Buckets::Step(1000), NOW, &segment).unwrap();
    for _ in 0..9 {
        assert_eq!(hits.slice(&segment, &mut Vec::new(), 1), Slice::More);
    }
    add(&mut segment, 4000);
    let before = hits.found();
    let left = head.0.saturating_sub(segment.tail().0);
    let total = counted(&mut hits, &segment, 1)["total"].as_u64().unwrap();
    assert!(before > 0 && total >= left && total <= before + left, "{before} {left} {total}");
}

const QUESTIONS: &[&str] = &[
    "",
    "level>=warning",
    "level!=info",
    "keyword=a",
    "regex=^[ab]",
    "host=h1",
    "since=+20s",
    "until=+70s",
    "since=+20s until=+70s level<error",
    "since=+20s until=+70s keyword=ab",
    "field.n>=3",
];

type Line = (Vec<u8>, u8, u64, Option<i64>, bool);

fn records() -> impl Strategy<Value = Vec<Line>> {
    let text = prop_oneof![
        4 => "[ab n=0-9]{1,9}".prop_map(String::into_bytes),
        1 => Just(vec![b'a'; 9000]),
    ];
    let event = proptest::option::of(-10..90i64);
    proptest::collection::vec((text, 0..10u8, 0..100_000u64, event, any::<bool>()), 0..150)
}

proptest! {
    #[test]
    fn hits_are_those_of_a_naive_count(
        mut records in records(),
        asked in 0..QUESTIONS.len(),
        is_sorted in any::<bool>(),
        stamp in prop_oneof![Just("event"), Just("received")],
        buckets in prop_oneof![
            (1..400u64).prop_map(Buckets::Count),
            (101..200_000u64).prop_map(Buckets::Step),
        ],
        hidden in 0..60usize,
        out_bytes_max in prop_oneof![Just(1usize), 2..300usize, Just(usize::MAX)],
    ) {
        if is_sorted {
            records.sort_by_key(|line| line.2);
        }
        let words = format!("{} time={stamp}", QUESTIONS[asked]);
        let mut query = question(&words);
        let mut segment = ring();
        let mut found = Vec::new();
        for (index, (text, level, ms, event, is_first)) in records.iter().enumerate() {
            if index == hidden {
                segment.clear();
                found.clear();
            }
            let labels: &[u8] = if *is_first { b"host=h1" } else { b"host=h2" };
            let level = Level::from_byte(*level).unwrap();
            let received = NOW + ms * MS;
            let event = event.map_or(0, |second| NOW as i64 + second * SECOND as i64);
            append_event(&mut segment, text, level, (received, event), labels);
            let at = query.stamp.of(received, event);
            if query.filter.matches(text, level, at, labels) {
                found.push((at / MS, level));
            }
        }
        let mut hits = Hits::new(question(&words), buckets, NOW, &segment).unwrap();
        let json = counted(&mut hits, &segment, out_bytes_max);
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        let step = number(&json["step_ms"]);
        let (from, to) = (number(&json["from"]), number(&json["to"]));
        prop_assert_eq!(number(&json["total"]), found.len() as u64, "{}", words);
        match buckets {
            Buckets::Step(asked) => prop_assert_eq!(step, asked),
            Buckets::Count(count) => prop_assert!(to / step - from / step < count),
        }
        prop_assert!(to / step - from / step < HITS_BUCKETS_MAX);
        let mut counts = BTreeMap::<u64, BTreeMap<&str, u64>>::new();
        for (at, level) in &found {
            prop_assert!((from..=to).contains(at));
            *counts.entry(at / step * step).or_default().entry(level.name()).or_default() += 1;
        }
        let expected: Vec<_> = counts.into_iter().map(|(at, levels)| {
            let total: u64 = levels.values().sum();
            serde_json::json!({ "t": at, "total": total, "levels": levels })
        }).collect();
        prop_assert_eq!(&json["buckets"], &serde_json::Value::Array(expected), "{}", words);
    }
}
