//! Pairs of lines, as they are and as they should not be.

mod captures;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::proto::testing::{every_split, feed_pieces, shown};

/// What a body is read as: a document as its verb and what [`shown`] says of it, what is bad as its
/// verb and that.
pub(super) fn read(path_index: &str, pieces: &[&[u8]]) -> Vec<String> {
    let mut bulk = Bulk::new(path_index, Times::new(TimeZone::UTC));
    let mut all = Vec::new();
    feed_pieces(pieces, |body, is_whole| {
        let (used, step) = bulk.step(body, is_whole);
        let (fed, what) = (Fed::by(&step), shown(&step));
        all.extend(what.map(|what| match fed {
            Fed::Failed => what,
            _ => format!("{} {what}", bulk.verb().name()),
        }));
        (used, fed)
    });
    all
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    let shown = every_split(body.as_bytes(), |pieces| read("in-path", pieces));
    assert_eq!(shown, expected, "{body}");
}

#[test]
fn an_action_and_its_document_are_two_lines() {
    check(
        "{\"create\":{\"_index\":\"logs-2026.09.21\",\"_type\":\"events\",\"_id\":\"\"}}\n\
         {\"@timestamp\":1790000000250,\"log\":\"x\",\"level\":\"warn\"}\n\
         \r\n\
         { \"index\" : {} }\r\n\
         {\"@timestamp\":\"soon\",\"host\":{\"name\":\"edge1\"}}\r\n\
         {\"update\":{\"_id\":\"1\"}}\n\
         {\"doc_as_upsert\":true,\"doc\":{\"a\":{\"doc\":1},\"program\":\"cron\"}}",
        &[
            "create {\"@timestamp\":1790000000250,\"log\":\"x\",\"level\":\"warn\"} \
             @1790000000250000000 warning index=logs",
            "index {\"@timestamp\":\"soon\",\"host\":{\"name\":\"edge1\"}} @bad host=edge1 \
             index=in-path",
            "update {\"a\":{\"doc\":1},\"program\":\"cron\"} app=cron index=in-path",
        ],
    );
    check("", &[]);
    check("\n\n", &[]);
}

#[test]
fn who_sent_a_document_is_found_by_rank() {
    let first = r#"{"hostname":"b","host":"a","app":"c","service.name":"d"}"#;
    let second = r#"{"agent":{"hostname":"a"},"kubernetes":{"container":{"name":"d"}}}"#;
    let third =
        r#"{"host":{"ip":"x"},"service":{"name":"d"},"hostname":"a","log":{"level":"err"}}"#;
    let documents =
        [first, second, third].map(|document| format!("{{\"index\":{{}}}}\n{document}\n"));
    check(
        &documents.concat(),
        &[
            &format!("index {first} host=a app=d index=in-path"),
            &format!("index {second} host=a app=d index=in-path"),
            &format!("index {third} error host=a app=d index=in-path"),
        ],
    );
}

#[test]
fn a_document_that_cannot_be_read_is_an_item_and_the_next_is_taken() {
    check(
        "{\"index\":{}}\nnot json\n{\"create\":{}}\n{\"a\":1\n{\"index\":{}}\n\n{\"update\":{}}\n\
         {\"script\":{}}\n{\"delete\":{\"_id\":\"2\"}}\n{\"index\":{}}\n{\"a\":1} x\n\
         {\"index\":{}}\n\
         {\"a\":01}\n{\"index\":{}}\n{\"a\":1}\n{\"create\":{}}",
        &[
            "index !not_an_object: line 2: expected a JSON object, found `not json`",
            "create !json: line 4: object cut off after 6 bytes",
            "index !empty: line 6: no document behind the action",
            "update !line: line 8: an update without a `doc` that is an object",
            "delete !action: line 9: nothing is deleted here",
            "index !json: line 11: found ` ` behind the object",
            "index !json: line 13: expected `,` or `}` at byte 6, found `1`",
            "index {\"a\":1} index=in-path",
            "create !empty: line 17: no document behind the action",
        ],
    );
}

#[test]
fn a_line_that_is_no_action_ends_the_body() {
    let begin = "{\"index\":{}}\n{\"a\":1}\n";
    for (action, what) in [
        ("not json", "expected an object at byte 0, found `n`"),
        ("[]", "expected an object at byte 0, found `[`"),
        ("{}", "no action (expected create, index, update or delete)"),
        ("{\"index\":1}", "expected an object for `index`"),
        ("{\"insert\":{}}", "found `insert` (expected create, index, update or delete)"),
        ("{\"index\":{},\"create\":{}}", "found a second action"),
        ("{\"index\":{}", "cut off after 11 bytes"),
        ("{\"index\":{}}}", "found `}` behind it"),
    ] {
        check(
            &format!("{begin}{action}\n{{\"b\":1}}\n"),
            &["index {\"a\":1} index=in-path", &format!("!!malformed action line 3: {what}")],
        );
    }
}

#[test]
fn lines_too_long_are_refused() {
    let document = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    let (most, more) = (document(JSON_LINE_BYTES_MAX), document(4 * JSON_LINE_BYTES_MAX));
    let action = "{\"index\":{}}\n";
    let body = format!("{action}{most}\n{action}{more}\n{action}{{}}\n{action}{more}");
    let whole = read("", &[body.as_bytes()]);
    let too_long = |line| format!("index !too_long: line {line}: document exceeds 262144 bytes");
    let expected = [&format!("index {most}"), &too_long(4), "index {}", &too_long(8)];
    assert_eq!(whole, expected);
    for bytes in [1000, 65_536, 100_000] {
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(bytes).collect();
        assert_eq!(read("", &pieces), whole);
    }
    let failed = ["!!malformed action line 1: longer than 262144 bytes"];
    assert_eq!(read("", &[more.as_bytes()]), failed);
    assert_eq!(read("", &[more.as_bytes(), b"\n"]), failed);
}

#[test]
fn a_document_that_is_not_stored_comes_again() {
    let body = b"{\"index\":{\"_index\":\"a\"}}\n{\"a\":1}\n{\"create\":{}}\n{\"a\":2}\n";
    for cut in [body.len(), 30] {
        let mut bulk = Bulk::new("", Times::new(TimeZone::UTC));
        let (mut at, mut end, mut seen) = (0, cut, Vec::new());
        loop {
            let (used, step) = bulk.step(&body[at..end], end == body.len());
            match step {
                Step::Entry(_) => {
                    seen.extend(shown(&step));
                    if seen.len() % 3 != 0 {
                        bulk.retry();
                        continue;
                    }
                }
                Step::NeedMore => end = body.len(),
                Step::End => break,
                _ => {}
            }
            at += used;
        }
        let (first, second) = ("{\"a\":1} index=a", "{\"a\":2}");
        assert_eq!(seen, [first, first, first, second, second, second]);
    }
}

#[test]
fn the_date_behind_an_index_is_cut_off() {
    for (index, name) in [
        ("logs", "logs"),
        ("logs-2026.09.21", "logs"),
        ("logs-2026-09-21", "logs"),
        ("logs-2026.09", "logs"),
        ("logs_20260921", "logs"),
        ("filebeat-8.9.0-2026.09.21-000001", "filebeat-8.9.0"),
        ("filebeat-8.9.0", "filebeat-8.9.0"),
        ("logs-000001", "logs-000001"),
        ("2026.09.21", "2026.09.21"),
        ("-2026.09.21", "-2026.09.21"),
        ("", ""),
    ] {
        assert_eq!(without_date(index.as_bytes()), name.as_bytes(), "{index}");
    }
}

proptest! {
    #[test]
    fn each_document_is_told_once_and_in_order(
        pairs in prop::collection::vec(
            ("create|index|update", "\\{\"doc\":\\{\"[a-z]{1,3}\":[0-9]{1,2}\\}\\}|[a-z{}]{1,8}"),
            0..8,
        ),
        cut in 0..1000_usize,
    ) {
        let body: String =
            pairs.iter().map(|(verb, line)| format!("{{\"{verb}\":{{}}}}\n{line}\n")).collect();
        let expected: Vec<(String, bool)> = pairs
            .iter()
            .map(|(verb, line)| {
                let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
                let is_object = |value: &serde_json::Value| match verb.as_str() {
                    "update" => value["doc"].is_object(),
                    _ => value.is_object(),
                };
                (verb.clone(), value.as_ref().is_some_and(is_object))
            })
            .collect();
        let (left, right) = body.as_bytes().split_at(cut % (body.len() + 1));
        let shown = read("", &[left, right]);
        prop_assert_eq!(&shown, &read("", &[body.as_bytes()]));
        let seen: Vec<(String, bool)> = shown
            .iter()
            .map(|item| {
                let (verb, what) = item.split_once(' ').unwrap();
                (verb.to_owned(), !what.starts_with('!'))
            })
            .collect();
        prop_assert_eq!(seen, expected);
    }
}
