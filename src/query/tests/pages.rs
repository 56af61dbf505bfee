//! Answers in pages: `after=` and `before=`.

use proptest::prelude::*;

use super::*;

/// The numbers of the records of a page, and how many were called lost.
fn page(words: &str, segment: &Memory, out_bytes_max: usize) -> (Vec<u64>, u64) {
    let query = Query { format: Format::Ndjson, ..question(words) };
    let text = run(&mut Cursor::query(query, segment), segment, out_bytes_max);
    let (mut seqs, mut lost) = (Vec::new(), 0);
    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        match object.get("lost") {
            Some(lines) => lost += lines.as_u64().unwrap(),
            None => seqs.push(object["seq"].as_u64().unwrap()),
        }
    }
    (seqs, lost)
}

fn add(segment: &mut Memory, lines: usize, bytes: usize) {
    for _ in 0..lines {
        append(segment, &vec![b'x'; bytes], Level::Info, NOW, b"host=a");
    }
}

#[test]
fn a_range_of_numbers_has_neither_of_its_ends() {
    let segment = filled(&["a", "b", "c", "d", "e"]);
    let first = segment.tail().0;
    for (words, expected) in [
        (format!("before={}", first + 2), &[0, 1][..]),
        (format!("before={} order=desc", first + 2), &[1, 0]),
        (format!("before={} order=desc limit=1", first + 2), &[1]),
        (format!("before={} limit=1", first + 2), &[0]),
        (format!("after={first} before={}", first + 4), &[1, 2, 3]),
        (format!("after={first} before={} order=desc limit=2", first + 4), &[3, 2]),
        (format!("after={} before={}", first + 1, first + 2), &[]),
        (format!("after={} before={}", first + 3, first + 1), &[]),
        (format!("after={} before={} order=desc", first + 3, first + 1), &[]),
        (format!("before={} order=desc", first + 99), &[4, 3, 2, 1, 0]),
        (format!("before={} order=time limit=2", first + 4), &[2, 3]),
        (format!("before={first}"), &[]),
        (format!("before={first} order=desc"), &[]),
        ("before=0 order=desc".to_owned(), &[]),
        ("before=0".to_owned(), &[]),
    ] {
        let (seqs, lost) = page(&words, &segment, usize::MAX);
        let seqs: Vec<u64> = seqs.iter().map(|seq| seq - first).collect();
        assert_eq!((&seqs[..], lost), (expected, 0), "{words}");
    }
    assert!(answer(question(&format!("before={}", first + 2)), &segment).starts_with("FOUND: 2"));
    assert!(parse_parameters(b"before=1", true, &TimeContext::new(NOW, &TimeZone::UTC)).is_err());
}

#[test]
fn of_a_range_that_is_gone_only_its_own_records_are_lost() {
    let segment = filled(&["a", "b", "c"]);
    let first = segment.tail().0;
    for (after, before) in [
        (first - 10, first - 5),
        (first - 10, first),
        (first - 10, first + 1),
        (first - 10, first + 9),
        (first - 1, first + 1),
        (first - 3, first - 2),
        (first - 3, first - 4),
    ] {
        for order in ["asc", "desc"] {
            let words = format!("after={after} before={before} order={order}");
            let (seen, missed) = page(&words, &segment, 1);
            let lost = first.min(before).saturating_sub(after + 1);
            let count = before.min(first + 3).saturating_sub(first);
            assert_eq!((seen.len() as u64, missed), (count, lost), "{words}");
        }
    }
}

#[test]
fn a_question_behind_the_head_is_refused_before_its_first_byte() {
    let segment = filled(&["a"]);
    let head = segment.head().0;
    let cursor = |after: u64| Cursor::query(question(&format!("after={after}")), &segment);
    assert_eq!(cursor(head - 1).refusal(), None);
    let reason = format!("bad after \"{head}\" (allowed: up to {})", head - 1);
    assert_eq!(cursor(head).refusal(), Some(reason.clone()));
    assert_eq!(run(&mut cursor(head), &segment, 1), format!("ERROR: {reason}\n"));
    let query = question(&format!("after={head} before=3"));
    let json = Query { format: Format::Ndjson, ..query };
    let text = run(&mut Cursor::query(json, &segment), &segment, 1);
    assert_eq!(
        text,
        format!("{{\"error\":\"bad after \\\"{head}\\\" (allowed: up to {})\"}}\n", head - 1)
    );
}

#[test]
fn a_tail_that_comes_back_after_a_new_start_is_told_and_goes_on() {
    let mut segment = filled(&["a", "b"]);
    let head = segment.head().0;
    let query = question_at(&format!("after={}", head + 5), true);
    let query = Query { is_resumed: true, format: Format::Sse, ..query };
    let mut cursor = Cursor::tail(query, &segment);
    assert_eq!(cursor.refusal(), None);
    let text = run(&mut cursor, &segment, 1);
    assert_eq!(text, format!("event: lost\nid: {}\ndata: {{\"lost\":2}}\n\n", head - 1));
    append(&mut segment, b"c", Level::Info, NOW, b"host=a");
    assert!(
        run(&mut cursor, &segment, 1).starts_with(&format!("id: {head}\ndata: {{\"seq\":{head},"))
    );
}

#[test]
fn a_number_of_another_segment_is_told_as_lost() {
    let segment = filled(&["a", "b"]);
    let other = segment.tail().0 - 3_600_000_000;
    for (after, lost) in [(other, "# lost 1 lines\n"), (1, "# lost 1 lines\n"), (0, "")] {
        let query = question_at(&format!("after={after} format=raw"), true);
        let text = run(&mut Cursor::tail(query, &segment), &segment, 1);
        assert_eq!(text, format!("{lost}a\nb\n"), "a tail after {after}");
        let found = 2 + lost.lines().count();
        let text = answer(question(&format!("after={after} format=raw")), &segment);
        assert_eq!(text, format!("FOUND: {found} matches\n{lost}a\nb\n"), "a query after {after}");
    }
}

#[test]
fn notes_are_objects_where_records_are() {
    let mut segment = filled(&["a"]);
    let after = segment.tail().0 - 3;
    let query = question(&format!("after={after}"));
    let text = answer(Query { format: Format::Ndjson, ..query }, &segment);
    assert!(text.starts_with("{\"lost\":2}\n{\"seq\":"), "{text}");
    let query = Query { format: Format::Sse, ..question_at(&format!("after={after}"), true) };
    let text = run(&mut Cursor::tail(query, &segment), &segment, 1);
    let start = format!("event: lost\nid: {}\ndata: {{\"lost\":2}}\n\nid: ", after + 2);
    assert!(text.starts_with(&start), "{text}");
    for index in 0..crate::limits::QUERY_SORT_MAX {
        append(&mut segment, b"x", Level::Info, NOW + index as u64, b"host=a");
    }
    let query = Query { format: Format::Ndjson, ..question("order=time limit=1") };
    let text = answer(query, &segment);
    assert!(text.starts_with("{\"sorted\":10000,\"of\":10001}\n{\"seq\":"), "{text}");
    assert_eq!(text.lines().count(), 2);
    let segment = answers::damaged(1, false, 0, b'X');
    let seq = segment.tail().0 + 1;
    let query = Query { format: Format::Ndjson, ..question("keyword=x limit=2") };
    let text = answer(query, &segment);
    assert_eq!(text.lines().nth(1), Some(&format!("{{\"damaged\":{seq}}}")[..]));
    let query = Query { format: Format::Sse, ..question_at("n=10 keyword=x", true) };
    let text = run(&mut Cursor::tail(query, &segment), &segment, 1);
    let event = format!("\n\nevent: damaged\nid: {seq}\ndata: {{\"damaged\":{seq}}}\n\nid: ");
    assert!(text.contains(&event), "{text}");
}

proptest! {
    #[test]
    fn pages_in_either_direction_give_each_record_once_while_records_come_and_go(
        before_lines in 1..2500usize,
        is_forwards in any::<bool>(),
        has_after in any::<bool>(),
        steps in proptest::collection::vec((1..400u64, 0..600usize, 1..1500usize), 1..25),
        out_bytes_max in prop_oneof![Just(1usize), Just(5000usize), Just(usize::MAX)],
    ) {
        let mut segment = ring();
        add(&mut segment, before_lines, 700);
        let (first, end) = (segment.tail().0, segment.head().0);
        let mut edge = if is_forwards { first - 1 } else { end };
        let (mut seen, mut lost) = (Vec::new(), 0);
        for (limit, lines, bytes) in steps {
            let words = match (is_forwards, has_after) {
                (true, _) => format!("after={edge} limit={limit}"),
                (false, true) => {
                    format!("after={} before={edge} limit={limit} order=desc", first - 1)
                }
                (false, false) => format!("before={edge} limit={limit} order=desc"),
            };
            let tail = segment.tail().0;
            let (seqs, missed) = page(&words, &segment, out_bytes_max);
            prop_assert!(seqs.len() as u64 <= limit);
            if is_forwards {
                prop_assert_eq!(missed, tail.saturating_sub(edge + 1));
                let expected = (edge + 1).max(tail)..;
                prop_assert!(seqs.iter().zip(expected).all(|(seq, next)| *seq == next));
                lost += missed;
            } else {
                // What is below the page's beginning and gone can no longer be on any page.
                let gone = if has_after { tail.min(edge) - first } else { 0 };
                prop_assert_eq!(missed, gone);
                prop_assert!(seqs.iter().zip((0..edge).rev()).all(|(seq, next)| *seq == next));
                lost = missed;
                let is_over = (seqs.len() as u64) < limit;
                prop_assert!(!is_over || seqs.last().copied().unwrap_or(edge) <= tail);
            }
            edge = seqs.last().copied().unwrap_or(edge);
            seen.extend(seqs);
            add(&mut segment, lines, bytes);
        }
        if is_forwards {
            let rest = page(&format!("after={edge}"), &segment, out_bytes_max);
            let all = seen.len() + rest.0.len();
            prop_assert_eq!(all as u64 + lost + rest.1, segment.head().0 - first);
        } else if has_after {
            let words = format!("after={} before={edge} order=desc", first - 1);
            let (rest, missed) = page(&words, &segment, out_bytes_max);
            seen.extend(rest);
            prop_assert_eq!(seen.len() as u64 + missed.max(lost), end - first);
        }
    }
}
