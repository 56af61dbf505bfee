use proptest::prelude::*;
use prost::Message;

use super::super::tree::testing::{Outcome, captured, run};
use super::*;
use crate::limits::{
    ENTRY_BYTES_MAX, ENTRY_TEXT_BYTES_MAX, TREE_BYTES_PER_STEP, TREE_CONTEXT_BYTES_MAX,
};
use crate::message::syslog::EventTime::{At, Bad, Missing};

/// A push as the schema has it: `push.proto` of Loki.
#[derive(Clone, PartialEq, Message)]
struct Push {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
    #[prost(string, tag = "2")]
    format: String,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Adapter>,
    #[prost(uint64, tag = "3")]
    hash: u64,
}

/// A stream before whose labels its entries stand.
#[derive(Clone, PartialEq, Message)]
struct LateStream {
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Adapter>,
    #[prost(bytes = "vec", tag = "2047")]
    unknown: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Adapter {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Pair>,
    #[prost(message, repeated, tag = "4")]
    parsed: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

fn pushed(mut parser: Loki, body: &[u8]) -> Outcome {
    run(&mut parser, body, Loki::retry, |parser, body| parser.step(body, true))
}

fn json(body: &str) -> Outcome {
    pushed(Loki::json(), body.as_bytes())
}

/// The entries of one stream, each as it stands in `values`.
fn values(entries: &str) -> Outcome {
    json(&format!(r#"{{"streams":[{{"stream":{{"app":"x"}},"values":[{entries}]}}]}}"#))
}

fn texts(outcome: &Outcome) -> Vec<&str> {
    outcome.entries.iter().map(|entry| entry.text.as_str()).collect()
}

#[test]
fn a_push_in_json_is_read() {
    let outcome = json(
        r#" {"x":[{"y":1}],"streams":[{"stream":{"app":"api","level":"WARN"},"values":[
        ["1726000000000000000","one"],["1726000000000000001","two\nlines \"\u00e9\"",{}]
        ]},{"stream":{"app":"api","level":"WARN"},"values":[["0","three"]]},
        {"values":[["","four",{"trace_id":"a\"b","detected_level":"fatal"}]],"stream":{}}]} "#,
    );
    assert_eq!((outcome.failure.clone(), outcome.bad.len()), (None, 0));
    let expected = [
        "one",
        "two\nlines \"é\"",
        "three",
        r#"{"_msg":"four","trace_id":"a\"b","detected_level":"fatal"}"#,
    ];
    assert_eq!(texts(&outcome), expected);
    let times: Vec<_> = outcome.entries.iter().map(|entry| entry.time).collect();
    let first = 1_726_000_000_000_000_000;
    assert_eq!(times, [At(first), At(first + 1), Missing, Missing]);
    let levels: Vec<_> = outcome.entries.iter().map(|entry| entry.level).collect();
    let warning = Some(Level::Warning);
    assert_eq!(levels, [warning, warning, warning, Some(Level::Critical)]);
    assert_eq!(outcome.entries[0].stream, ["app=api", "level=WARN"]);
    assert_eq!(outcome.entries[2].stream, outcome.entries[0].stream);
    assert!(outcome.entries[3].stream.is_empty());
}

#[test]
fn no_name_stands_twice_in_a_text() {
    let outcome = values(r#"["1","x",{"_msg":"y","a":"1","\u0061":"2","b":"3"}]"#);
    assert_eq!(texts(&outcome), [r#"{"_msg":"x","a":"1","b":"3"}"#]);
    let mut push = push_of(&[("1", "x")]);
    push.streams[0].entries[0].metadata = [("_msg", "y"), ("a", "1"), ("a", "2"), ("b", "3")]
        .map(|(name, value)| Pair { name: name.to_owned(), value: value.to_owned() })
        .to_vec();
    let outcome = pushed(Loki::protobuf(), &push.encode_to_vec());
    assert_eq!(texts(&outcome), [r#"{"_msg":"x","a":"1","b":"3"}"#]);
}

#[test]
fn bad_entries_are_told_and_the_others_kept() {
    for (entry, reason) in [
        (r#"[1726000000000000000,"x"]"#, "time"),
        (r#"["yesterday","x"]"#, "time"),
        (r#"["1726000000.5","x"]"#, "time"),
        (r#"["-","x"]"#, "time"),
        (r#"[null,"x"]"#, "time"),
        (r#"["1"]"#, "line"),
        (r#"["1",7]"#, "line"),
        (r#"["1","\q"]"#, "line"),
        (r#"["1","x",{"n":7}]"#, "metadata"),
        (r#"["1","x",{"n":{"a":"b"}}]"#, "metadata"),
        (r#"["1","x","y"]"#, "metadata"),
        (r#"["1","x",[]]"#, "metadata"),
        (r#"["1" "x"]"#, "json"),
        (r#"["1","x",{"a" "b"}]"#, "json"),
        (r#"7"#, "json"),
        (r#""text""#, "json"),
        (r#"{"ts":"soon","line":"x"}"#, "time"),
        (r#"{"ts":7,"line":"x"}"#, "time"),
        (r#"{"ts":"2026-09-21T14:13:20Z"}"#, "line"),
    ] {
        let outcome = values(&format!(r#"["1","before"],{entry},["2","behind"]"#));
        assert_eq!(texts(&outcome), ["before", "behind"], "{entry}");
        assert_eq!((outcome.bad, outcome.failure), (vec![reason], None), "{entry}");
    }
}

#[test]
fn no_time_is_an_error() {
    for (text, time) in [
        ("1", At(1)),
        ("-5", At(-5)),
        ("4000000000000000000", At(4_000_000_000_000_000_000)),
        ("9223372036854775808", Bad),
        ("99999999999999999999999999", Bad),
        ("0", Missing),
        ("", Missing),
    ] {
        let outcome = values(&format!(r#"["{text}","x"]"#));
        assert_eq!(outcome.entries[0].time, time, "{text}");
    }
}

#[test]
fn the_older_body_is_read() {
    let outcome = json(
        r#"{"streams":[{"entries":[{"line":"a","ts":"2026-09-21T14:13:20.000001+00:00"},
        {"ts":"","line":"b"}],"labels":"{app=\"ref\", level=\"err\"}"}]}"#,
    );
    assert_eq!(texts(&outcome), ["a", "b"]);
    assert_eq!(outcome.entries[0].time, At(1_790_000_000_000_001_000));
    assert_eq!(outcome.entries[1].time, Missing);
    assert_eq!(outcome.entries[0].stream, ["app=ref", "level=err"]);
    assert_eq!(outcome.entries[1].level, Some(Level::Error));
}

#[test]
fn each_entry_of_a_stream_with_bad_labels_is_bad() {
    for labels in [r#""labels":"{app=x}""#, r#""stream":{"a":7}"#, r#""stream":[]"#] {
        let body = format!(
            r#"{{"streams":[{{"values":[["1","a"],["2","b"]],{labels}}},
            {{"stream":{{}},"values":[["3","c"]]}}]}}"#
        );
        let outcome = json(&body);
        assert_eq!(outcome.bad, ["labels", "labels"], "{labels}");
        assert_eq!(texts(&outcome), ["c"], "{labels}");
    }
}

#[test]
fn labels_beyond_measure_are_refused() {
    let long = "x".repeat(TREE_CONTEXT_BYTES_MAX);
    let body = format!(r#"{{"streams":[{{"stream":{{"a":"{long}"}},"values":[["1","a"]]}}]}}"#);
    assert_eq!(json(&body).bad, ["labels"]);
    let mut push = push_of(&[("1", "a")]);
    push.streams[0].labels = format!(r#"{{a="{long}"}}"#);
    assert_eq!(pushed(Loki::protobuf(), &push.encode_to_vec()).bad, ["labels"]);
}

#[test]
fn a_body_without_streams_is_refused_in_lokis_way() {
    for body in ["{}", r#"{"streams":[]}"#, r#"{"streams":null}"#, r#"{"a":{"streams":[1]}}"#] {
        let mut parser = Loki::json();
        let (_, step) = parser.step(body.as_bytes(), true);
        assert!(matches!(step, Step::Fail(_)), "{body}");
        assert!(parser.is_without_streams(), "{body}");
    }
    let mut parser = Loki::protobuf();
    assert!(matches!(parser.step(b"", true).1, Step::Fail(_)));
    assert!(parser.is_without_streams());
}

#[test]
fn a_body_that_is_none_fails_and_keeps_what_was_before() {
    for body in ["", "hello", "[]", "null", r#"{"streams":["#, r#"{"streams":[{"stream":"#] {
        let mut parser = Loki::json();
        assert!(matches!(parser.step(body.as_bytes(), true).1, Step::Fail(_)), "{body}");
        assert!(!parser.is_without_streams(), "{body}");
    }
    let outcome = json(r#"{"streams":[{"stream":{},"values":[["1","a"]],"#);
    assert!(outcome.failure.is_some(), "the labels are looked for first");
    let outcome = json(r#"{"streams":[{"stream":{},"values":[["1","a"],["2"#);
    assert_eq!((texts(&outcome), outcome.failure.is_some()), (vec!["a"], true));
    for body in [&b"hello"[..], b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0a\x02\x0b"] {
        let outcome = pushed(Loki::protobuf(), body);
        assert!(outcome.failure.is_some(), "{}", body.escape_ascii());
    }
}

#[test]
fn streams_and_values_of_another_kind_are_told() {
    let outcome = json(r#"{"streams":[7,{"values":"x"},{"values":[["1","a"]]},null]}"#);
    assert_eq!(outcome.bad, ["not_an_object"; 3]);
    assert_eq!((texts(&outcome), &outcome.failure), (vec!["a"], &None));
    let outcome = json(r#"{"streams":{}}"#);
    assert_eq!(outcome.bad, ["not_an_object"]);
}

#[test]
fn an_entry_that_is_no_protobuf_is_bad_and_the_others_are_kept() {
    let mut body = Vec::new();
    let good = Adapter { line: "good".to_owned(), ..Adapter::default() }.encode_to_vec();
    for entry in [&good[..], b"\x0b", b"\x12\x05x", b"\x0a\x02\x08\xff", b"\x1a\x02\x0a\x05", &good]
    {
        crate::proto::protobuf::write_bytes(2, entry, &mut body);
    }
    let mut push = Vec::new();
    crate::proto::protobuf::write_bytes(1, &body, &mut push);
    let outcome = pushed(Loki::protobuf(), &push);
    assert_eq!(outcome.bad, ["protobuf"; 4]);
    assert_eq!(texts(&outcome), ["good", "good"]);
}

fn push_of(entries: &[(&str, &str)]) -> Push {
    let adapter = |(ns, line): &(&str, &str)| {
        let ns: i64 = ns.parse().unwrap();
        let (seconds, nanos) = (ns / 1_000_000_000, (ns % 1_000_000_000) as i32);
        let timestamp = Some(Timestamp { seconds, nanos });
        Adapter { timestamp, line: (*line).to_owned(), ..Adapter::default() }
    };
    let entries = entries.iter().map(adapter).collect();
    let stream = Stream { labels: r#"{app="api"}"#.to_owned(), entries, hash: 7 };
    Push { streams: vec![stream], format: "x".to_owned() }
}

#[test]
fn labels_behind_the_entries_count_for_them() {
    let mut stream = push_of(&[("1", "a"), ("2", "b")]).streams.remove(0);
    let labels = std::mem::take(&mut stream.labels);
    let entries = stream.entries.clone();
    let late = LateStream { entries, unknown: b"\xff".to_vec() };
    let mut body = late.encode_to_vec();
    crate::proto::protobuf::write_bytes(1, labels.as_bytes(), &mut body);
    let mut push = Vec::new();
    crate::proto::protobuf::write_bytes(1, &body, &mut push);
    let outcome = pushed(Loki::protobuf(), &push);
    assert_eq!(texts(&outcome), ["a", "b"]);
    assert!(outcome.entries.iter().all(|entry| entry.stream == ["app=api"]));
}

#[test]
fn a_line_longer_than_a_record_is_not_read_to_its_end() {
    for sign in ["\\n", "é", "\\\"x"] {
        let line = sign.repeat(100 + ENTRY_TEXT_BYTES_MAX);
        for metadata in ["", r#",{"a":"b"}"#] {
            let outcome = values(&format!(r#"["1","{line}"{metadata}],["2","behind"]"#));
            assert_eq!(outcome.entries[1].text, "behind");
            let text = &outcome.entries[0].text;
            assert!(text.len() > ENTRY_TEXT_BYTES_MAX, "so that it is cut, and counted");
            assert!(!text.contains('\u{fffd}'), "a character is whole");
            let is_borrowed = sign == "é" && metadata.is_empty();
            assert!(is_borrowed || text.len() < 3 * ENTRY_TEXT_BYTES_MAX);
        }
    }
}

#[test]
fn an_entry_too_long_is_bad_and_the_next_is_found() {
    let line = "x".repeat(ENTRY_BYTES_MAX);
    let outcome = values(&format!(r#"["1","{line}"],["2","behind"]"#));
    assert_eq!((texts(&outcome), &outcome.bad), (vec!["behind"], &vec!["too_long"]));
    let push = push_of(&[("1", &line), ("2", "behind")]);
    let outcome = pushed(Loki::protobuf(), &push.encode_to_vec());
    assert_eq!((texts(&outcome), &outcome.bad), (vec!["behind"], &vec!["too_long"]));
}

/// A body whose one stream is larger than many steps, its labels behind: work comes in pieces.
#[test]
fn a_step_looks_at_so_much_and_no_more() {
    let entries = vec![r#"["1","a line of some length, so that there are many"]"#; 20_000];
    let values = entries.join(",");
    let body = format!(r#"{{"streams":[{{"values":[{values}],"stream":{{"a":"b"}}}}]}}"#);
    let outcome = json(&body);
    assert_eq!(outcome.entries.len(), 20_000);
    assert!(outcome.entries.iter().all(|entry| entry.stream == ["a=b"]));
    // Each second entry comes twice, and there is a step for the end.
    let again = outcome.steps - 20_000 - 10_000 - 1;
    let passed = body.len() / TREE_BYTES_PER_STEP;
    assert!((passed..=passed + 4).contains(&again), "{again} steps over {} bytes", body.len());
    // Blanks, names that nobody asked for, and unknown values are work, too.
    let blanks = format!(r#"{{{}"x":"{}"}}"#, " ".repeat(1 << 20), "\\\\".repeat(1 << 19));
    let outcome = json(&blanks);
    assert!(outcome.steps >= (2 << 20) / TREE_BYTES_PER_STEP, "{}", outcome.steps);
    let fields = b"\x18\x00".repeat(1 << 18);
    assert!(pushed(Loki::protobuf(), &fields).steps > (1 << 18) * 16 / TREE_BYTES_PER_STEP);
}

#[test]
fn nothing_is_allocated_for_entries_without_metadata() {
    let lines: Vec<_> = (0..1000).map(|index| (format!("{}", index + 1), "line")).collect();
    let lines: Vec<_> = lines.iter().map(|(ns, line)| (ns.as_str(), *line)).collect();
    let body = push_of(&lines).encode_to_vec();
    let mut parser = Loki::protobuf();
    let mut held = None;
    while let Step::Entry(entry) = parser.step(&body, true).1 {
        let range = body.as_ptr_range();
        assert!(range.contains(&entry.text.as_ptr()), "the text stands in the body");
        assert_eq!(*held.get_or_insert(parser.held_bytes()), parser.held_bytes());
    }
}

#[test]
fn captured_pushes_come_to_what_was_sent() {
    let lines = [
        "request 1 served in 7 ms",
        "payment timeout user=42",
        "stack trace:\n\tat main.go:12",
        "grüße ✓ \"quoted\" \\ back",
    ];
    for name in ["python-logging-loki/push-v0", "python-logging-loki/push-v1"] {
        let bodies = captured(name);
        assert_eq!(bodies.len(), lines.len(), "{name}");
        for (body, line) in bodies.iter().zip(lines) {
            let outcome = pushed(Loki::json(), body);
            assert_eq!((texts(&outcome), &outcome.failure), (vec![line], &None), "{name}");
            let entry = &outcome.entries[0];
            assert!(matches!(entry.time, At(1_795_198_000_000_000_000..)), "{name}");
            assert_eq!(entry.stream[..2], ["app=api", "host=edge1"]);
            assert!(entry.level.is_some());
        }
    }
    for (name, count) in
        [("json", 4), ("structured-metadata", 4), ("key-value", 4), ("plain-raw", 5)]
    {
        let outcome = pushed(Loki::json(), &captured(&format!("fluent-bit/loki-{name}"))[0]);
        assert_eq!((outcome.entries.len(), outcome.bad.len(), outcome.failure), (count, 0, None));
    }
    let body = &captured("fluent-bit/loki-structured-metadata")[0];
    let outcome = pushed(Loki::json(), body);
    let second = &outcome.entries[1];
    assert_eq!(second.time, At(1_790_000_001_250_000_000));
    assert_eq!(second.level, Some(Level::Error));
    let object: serde_json::Value = serde_json::from_str(&second.text).unwrap();
    assert_eq!(object["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert!(object["_msg"].as_str().unwrap().starts_with(r#"{"log":"payment timeout"#));
}

#[test]
fn captured_mistakes_are_told_as_the_rules_say() {
    for (case, texts_wanted, bad, fails) in [
        ("bad-json", &[][..], &[][..], true),
        ("bad-protobuf", &[], &[], true),
        ("bad-timestamp", &[], &["time"], false),
        ("number-timestamp", &[], &["time"], false),
        ("zero-timestamp", &["one"], &[], false),
        ("future", &["one"], &[], false),
        ("empty", &[], &[], true),
        ("text", &[], &[], true),
        ("no-labels", &["one"], &[], false),
        ("bad-label-name", &["one"], &[], false),
        ("legacy", &["old form"], &[], false),
        ("metadata-not-text", &["good"], &["metadata"], false),
        ("ok", &["one", r#"{"_msg":"two at the same time","k":"v"}"#], &[], false),
    ] {
        let body = &captured(&format!("loki-reference/push-{case}"))[0];
        let is_json = !matches!(case, "bad-protobuf" | "text");
        let outcome = pushed(if is_json { Loki::json() } else { Loki::protobuf() }, body);
        assert_eq!(texts(&outcome), texts_wanted, "{case}");
        assert_eq!((&outcome.bad[..], outcome.failure.is_some()), (bad, fails), "{case}");
    }
}

/// What the model of an entry comes to.
fn expected(line: &str, metadata: &[(String, String)]) -> String {
    if metadata.is_empty() {
        return line.to_owned();
    }
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let mut text = format!("{{\"_msg\":{}", quoted(line));
    for (index, (name, value)) in metadata.iter().enumerate() {
        if metadata[..index].iter().all(|(other, _)| other != name) && name != "_msg" {
            text += &format!(",{}:{}", quoted(name), quoted(value));
        }
    }
    text + "}"
}

/// Time, line, metadata.
type ModelEntry = (i64, String, Vec<(String, String)>);

/// Labels, entries.
type ModelStream = (Vec<(String, String)>, Vec<ModelEntry>);

fn streams() -> impl Strategy<Value = Vec<ModelStream>> {
    let pairs = || prop::collection::vec(("[a-z_]{1,8}", any::<String>()), 0..3);
    let entry = (1_i64..i64::MAX, any::<String>(), pairs());
    prop::collection::vec((pairs(), prop::collection::vec(entry, 0..4)), 1..4)
}

proptest! {
    #[test]
    fn what_prost_writes_comes_out(streams in streams()) {
        let pair = |(name, value): &(String, String)| {
            Pair { name: name.clone(), value: value.clone() }
        };
        let adapter = |(ns, line, metadata): &ModelEntry| Adapter {
            timestamp: Some(Timestamp {
                seconds: ns / 1_000_000_000,
                nanos: (ns % 1_000_000_000) as i32,
            }),
            line: line.clone(),
            metadata: metadata.iter().map(pair).collect(),
            parsed: metadata.iter().map(pair).collect(),
        };
        let stream = |(labels, entries): &ModelStream| {
            let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let label = |(name, value): &(String, String)| {
                format!("{name}=\"{}\"", escaped(value))
            };
            let labels: Vec<_> = labels.iter().map(label).collect();
            let labels = format!("{{{}}}", labels.join(", "));
            Stream { labels, entries: entries.iter().map(adapter).collect(), hash: 1 }
        };
        let push = Push { streams: streams.iter().map(stream).collect(), format: String::new() };
        check_model(&streams, &pushed(Loki::protobuf(), &push.encode_to_vec()))?;
    }

    #[test]
    fn what_serde_json_writes_comes_out(streams in streams(), is_late: bool, is_pretty: bool) {
        let object = |pairs: &[(String, String)]| -> String {
            let quoted = |text: &str| serde_json::to_string(text).unwrap();
            let member = |(name, value): &(String, String)| quoted(name) + ": " + &quoted(value);
            format!("{{{}}}", pairs.iter().map(member).collect::<Vec<_>>().join(", "))
        };
        let space = if is_pretty { "\n\t " } else { "" };
        let mut written = Vec::new();
        for (labels, entries) in &streams {
            let entry = |(ns, line, metadata): &ModelEntry| {
                let line = serde_json::to_string(line).unwrap();
                format!("[\"{ns}\"{space},{line},{space}{}]", object(metadata))
            };
            let values: Vec<_> = entries.iter().map(entry).collect();
            let values = format!("\"values\":[{space}{}]", values.join(","));
            let labels = format!("\"stream\"{space}:{}", object(labels));
            let (first, second) = if is_late { (values, labels) } else { (labels, values) };
            written.push(format!("{{{first}{space},\"x\":[{{}},null],{second}}}"));
        }
        let body = format!("{{\"streams\":[{}]{space}}}", written.join(","));
        check_model(&streams, &json(&body))?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(data: Vec<u8>) {
        fuzz_loki(&data);
    }
}

fn check_model(streams: &[ModelStream], outcome: &Outcome) -> Result<(), TestCaseError> {
    prop_assert_eq!((&outcome.bad, &outcome.failure), (&vec![], &None));
    let mut wanted = Vec::new();
    for (labels, entries) in streams {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for (ns, line, metadata) in entries {
            wanted.push((expected(line, metadata), At(*ns), labels.clone()));
        }
    }
    let found: Vec<_> = outcome
        .entries
        .iter()
        .map(|entry| (entry.text.clone(), entry.time, entry.stream.clone()))
        .collect();
    prop_assert_eq!(found, wanted);
    Ok(())
}
