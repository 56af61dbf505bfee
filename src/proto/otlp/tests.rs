use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::super::tree::testing::{Outcome, Shown, captured, run};
use super::*;
use crate::level::Level;
use crate::limits::{OTLP_DEPTH_MAX, OTLP_SHARED_BYTES_MAX};
use crate::message::syslog::EventTime::{At, Bad, Missing};

/// An export as the schema has it: `logs.proto`, `resource.proto` and `common.proto`.
#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "2")]
    dropped: u32,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(int32, tag = "2")]
    number: i32,
    #[prost(string, tag = "3")]
    severity: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(fixed32, tag = "8")]
    flags: u32,
    #[prost(bytes = "vec", tag = "9")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    observed: u64,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4, 5, 6, 7")]
    any: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(Array),
    #[prost(message, tag = "6")]
    Map(Map),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct Array {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct Map {
    #[prost(message, repeated, tag = "1")]
    values: Vec<KeyValue>,
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { any: Some(Any::Text(text.to_owned())) })
}

fn exported(mut parser: Otlp, body: &[u8]) -> Outcome {
    run(&mut parser, body, Otlp::retry, |parser, body| parser.step(body, true))
}

/// The outcome of one record in JSON, without resource and scope.
fn record(record: Value) -> Outcome {
    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]});
    exported(Otlp::json(), body.to_string().as_bytes())
}

#[track_caller]
fn only(outcome: Outcome) -> Shown {
    assert_eq!((&outcome.bad, &outcome.failure), (&vec![], &None));
    assert_eq!(outcome.entries.len(), 1);
    outcome.entries[0].clone()
}

#[test]
fn captured_exports_come_to_the_same_in_both_encodings() {
    let json = exported(Otlp::json(), &captured("otel-python/logs-json")[0]);
    let wire = exported(Otlp::protobuf(), &captured("otel-python/logs-protobuf")[0]);
    assert_eq!((json.entries.len(), &json.bad, &json.failure), (4, &vec![], &None));
    assert_eq!(json.entries, wire.entries);
    let scope = r#","scope_name":"edge.api","scope_version":"1.2.3"}"#;
    let texts = [
        r#"{"_msg":"request 1 served in 7 ms","http.status_code":200,"ratio":1.5,"ok":true"#,
        r#"{"_msg":"payment timeout user=42","user.id":"42","tags":["a","b"]"#,
        r#"{"_msg":"stack trace:\n\tat main.go:12""#,
        r#"{"msg":"a map as body","n":7,"user":{"name":"bob"},"k":"grüße ✓""#,
    ];
    let levels = [Level::Info, Level::Error, Level::Warning, Level::Debug];
    let nanos = [1, 250_000_000, 250_000_000, 999_999_999];
    for (index, entry) in json.entries.iter().enumerate() {
        assert_eq!(entry.text, texts[index].to_owned() + scope);
        assert_eq!(entry.level, Some(levels[index]));
        assert_eq!(entry.time, At(1_790_000_000_000_000_000 + nanos[index]));
        assert_eq!(entry.stream, ["app=api", "host=edge1"]);
    }
}

#[test]
fn what_fluent_bit_exports_is_read() {
    let outcome = exported(Otlp::protobuf(), &captured("fluent-bit/otlp-logs")[0]);
    assert_eq!((outcome.entries.len(), &outcome.bad, &outcome.failure), (4, &vec![], &None));
    let levels: Vec<_> = outcome.entries.iter().map(|entry| entry.level).collect();
    let [info, error, warning] = [Level::Info, Level::Error, Level::Warning].map(Some);
    assert_eq!(levels, [info, error, warning, info]);
    let object: Value = serde_json::from_str(&outcome.entries[1].text).unwrap();
    let expected = json!({
        "_msg": "payment timeout user=42", "level": "error", "status": 504,
        "user": {"id": 42, "name": "bob"}, "trace_id": "0af7651916cd43dd8448eb211c80319c",
    });
    assert_eq!(object, expected);
    let object: Value = serde_json::from_str(&outcome.entries[2].text).unwrap();
    assert_eq!(object["none"], Value::Null);
    assert_eq!(object["tags"], json!(["a", "b"]));
}

#[test]
fn a_text_with_nothing_beside_it_stays_as_it_is() {
    let entry = only(record(json!({"body": {"stringValue": "a \"line\"\nof two"},
        "severityText": "Error", "timeUnixNano": "5"})));
    assert_eq!(entry.text, "a \"line\"\nof two");
    assert_eq!((entry.level, entry.time), (Some(Level::Error), At(5)));
    assert!(entry.stream.is_empty());
}

#[test]
fn every_kind_of_value_is_written() {
    for (value, written) in [
        (json!({"stringValue": "é\"\n"}), json!("é\"\n")),
        (json!({"boolValue": false}), json!(false)),
        (json!({"intValue": "-9223372036854775808"}), json!(i64::MIN)),
        (json!({"intValue": 200}), json!(200)),
        (json!({"doubleValue": 1.5}), json!(1.5)),
        (json!({"doubleValue": "NaN"}), json!("NaN")),
        (json!({"doubleValue": "2.5"}), json!(2.5)),
        (json!({"bytesValue": "aGk="}), json!("aGk=")),
        (json!({"arrayValue": {}}), json!([])),
        (json!({"arrayValue": {"values": [{"intValue": 1}, {}]}}), json!([1, null])),
        (
            json!({"kvlistValue": {"values": [{"value": {"intValue": 1}, "key": "a"}]}}),
            json!({"a": 1}),
        ),
        (json!({}), json!(null)),
    ] {
        let attribute = json!({"value": value.clone(), "key": "k"});
        let entry = only(record(json!({"attributes": [attribute]})));
        let object: Value = serde_json::from_str(&entry.text).unwrap();
        assert_eq!(object, json!({"k": written}), "{value}");
    }
}

#[test]
fn a_word_that_is_no_json_is_never_written_bare() {
    let attribute = |value: &str| {
        let record = format!(r#"{{"attributes":[{{"key":"k","value":{value}}}]}}"#);
        let body = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
        exported(Otlp::json(), body.as_bytes())
    };
    for (number, written) in [
        ("NaN", "\"NaN\""),
        ("-Infinity", "\"-Infinity\""),
        ("\"Infinity\"", "\"Infinity\""),
        ("\"5\"", "5"),
        ("-2.5e7", "-2.5e7"),
    ] {
        let entry = only(attribute(&format!(r#"{{"doubleValue":{number}}}"#)));
        assert_eq!(entry.text, format!(r#"{{"k":{written}}}"#));
    }
    for value in [
        r#"{"doubleValue":nan}"#,
        r#"{"doubleValue":"+1"}"#,
        r#"{"doubleValue":tru}"#,
        r#"{"doubleValue":true}"#,
        r#"{"intValue":NaN}"#,
        r#"{"intValue":"-"}"#,
        r#"{"intValue":"01"}"#,
        "{\"intValue\":\"5\n\"}",
        r#"{"intValue":"5 "}"#,
        r#"{"boolValue":True}"#,
        r#"{"boolValue":"true"}"#,
        r#"{"boolValue":1}"#,
    ] {
        assert_eq!(attribute(value).bad, ["metadata"], "{value}");
    }
}

#[test]
fn no_name_stands_twice_in_a_text() {
    let pair = |key: &str, number: i32| json!({"key": key, "value": {"intValue": number}});
    let map = json!({"kvlistValue": {"values": [pair("m", 1), pair("m", 2), pair("a", 3)]}});
    let attributes = json!([
        pair("_msg", 1), pair("trace_id", 1), pair("span_id", 1), pair("event_name", 1),
        pair("severity_text", 1), pair("a", 1), pair("a", 2), {"key": "map", "value": map},
        pair("m", 4), pair("scope_version", 5),
    ]);
    let record = json!({"body": {"stringValue": "x"}, "attributes": attributes,
        "traceId": "0A", "spanId": "0b", "eventName": "e", "severityText": "odd"});
    let shared = |from: &str| {
        json!({"name": "lib", "version": "1", "attributes": [
            pair("a", 6), pair(from, 7), pair(from, 8), pair("scope_name", 9), pair("both", 10)]})
    };
    let body = json!({"resourceLogs": [{"resource": shared("r"), "scopeLogs": [
        {"scope": shared("s"), "logRecords": [record, {"body": map}]}]}]});
    let outcome = exported(Otlp::json(), body.to_string().as_bytes());
    let texts: Vec<_> = outcome.entries.iter().map(|entry| entry.text.as_str()).collect();
    // What `json!` writes is in the order of the names: the attributes of a scope come first.
    let shared = r#""s":7,"scope_name":9,"both":10"#;
    let first =
        r#"{"_msg":"x","trace_id":"0a","span_id":"0b","event_name":"e","severity_text":"odd","#;
    let first = first.to_owned() + r#""a":1,"map":{"m":1,"a":3},"m":4,"scope_version":5,"#;
    let second = r#"{"m":1,"a":3,"#;
    assert_eq!(texts[0], format!(r#"{first}{shared},"r":7}}"#));
    assert_eq!(texts[1], format!(r#"{second}{shared},"scope_version":"1","r":7}}"#));
}

/// Beyond the names that are compared the texts are still JSON.
#[test]
fn a_thousand_names_are_written() {
    let pairs: Vec<_> = (0..1000)
        .map(|key| json!({"key": format!("k{key}"), "value": {"intValue": key}}))
        .collect();
    let resource = json!({"attributes": pairs[..600]});
    let body = json!({"resourceLogs": [{"resource": resource, "scopeLogs": [
        {"logRecords": [{"attributes": pairs[300..]}, {"attributes": []}]}]}]});
    let outcome = exported(Otlp::json(), body.to_string().as_bytes());
    let object: Value = serde_json::from_str(&outcome.entries[0].text).unwrap();
    assert_eq!((&object["k0"], &object["k999"]), (&json!(0), &json!(999)));
    let object: Value = serde_json::from_str(&outcome.entries[1].text).unwrap();
    assert_eq!(object.as_object().unwrap().len(), crate::limits::FIELDS_MAX);
}

#[test]
fn a_record_too_long_to_be_read_in_json_is_bad() {
    let record = |bytes: usize| record(json!({"body": {"stringValue": "x".repeat(bytes)}}));
    assert_eq!(record(OTLP_JSON_ENTRY_BYTES_MAX).bad, ["too_long"]);
    assert_eq!(record(OTLP_JSON_ENTRY_BYTES_MAX - 100).entries.len(), 1);
}

#[test]
fn a_body_of_any_kind_becomes_a_text() {
    for (body, alone, beside) in [
        (json!({"stringValue": "x"}), "x", json!({"_msg": "x"})),
        (json!({"intValue": "7"}), "7", json!({"_msg": "7"})),
        (json!({"arrayValue": {"values": [{"intValue": 1}]}}), "[1]", json!({"_msg": "[1]"})),
        (json!({"bytesValue": "aGk="}), "aGk=", json!({"_msg": "aGk="})),
        (json!({}), "", json!({})),
    ] {
        assert_eq!(only(record(json!({"body": body.clone()}))).text, alone);
        let mut beside = beside;
        beside["trace_id"] = json!("0af7");
        let entry = only(record(json!({"body": body, "traceId": "0AF7"})));
        assert_eq!(serde_json::from_str::<Value>(&entry.text).unwrap(), beside);
    }
    assert_eq!(only(record(json!({}))).text, "");
    let map = json!({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}});
    assert_eq!(only(record(json!({"body": map}))).text, r#"{"a":1}"#);
}

#[test]
fn a_level_is_said_by_number_then_text_then_attribute() {
    let attribute = json!([{"key": "Level", "value": {"stringValue": "crit"}}]);
    for (severity, level) in [
        (json!({"severityNumber": 1}), Some(Level::Trace)),
        (json!({"severityNumber": 8}), Some(Level::Debug)),
        (json!({"severityNumber": "9"}), Some(Level::Info)),
        (json!({"severityNumber": 16, "severityText": "error"}), Some(Level::Warning)),
        (json!({"severityNumber": 20}), Some(Level::Error)),
        (json!({"severityNumber": 24}), Some(Level::Critical)),
        (json!({"severityNumber": "SEVERITY_NUMBER_WARN2"}), Some(Level::Warning)),
        (json!({"severityNumber": 0, "severityText": "wArN"}), Some(Level::Warning)),
        (json!({"severityNumber": 25, "severityText": "Fatal"}), Some(Level::Critical)),
        (json!({"severityText": "odd"}), None),
        (json!({"severityNumber": 0, "attributes": attribute}), Some(Level::Critical)),
        (json!({"severityNumber": 5, "attributes": attribute}), Some(Level::Debug)),
        (json!({}), None),
    ] {
        assert_eq!(only(record(severity.clone())).level, level, "{severity}");
    }
    let entry = only(record(json!({"severityText": "odd", "body": {"stringValue": "x"}})));
    assert_eq!(entry.text, r#"{"_msg":"x","severity_text":"odd"}"#, "what is no level is kept");
}

#[test]
fn the_observed_time_counts_where_there_is_no_other() {
    for (times, time) in [
        (json!({"timeUnixNano": "7", "observedTimeUnixNano": "9"}), At(7)),
        (json!({"timeUnixNano": "0", "observedTimeUnixNano": "9"}), At(9)),
        (json!({"timeUnixNano": 0, "observedTimeUnixNano": 9}), At(9)),
        (json!({"timeUnixNano": "", "observed_time_unix_nano": 9}), At(9)),
        (json!({"timeUnixNano": "18446744073709551615"}), Bad),
        (json!({}), Missing),
    ] {
        assert_eq!(only(record(times.clone())).time, time, "{times}");
    }
}

#[test]
fn bad_records_are_told_and_the_others_kept() {
    for (bad, reason) in [
        (json!({"timeUnixNano": "soon"}), "time"),
        (json!({"body": {"stringValue": 7}}), "line"),
        (json!({"body": "text"}), "line"),
        (json!({"attributes": [{"key": "a", "value": {"intValue": "x"}}]}), "metadata"),
        (json!({"attributes": [7]}), "metadata"),
        (json!({"traceId": "a\"b"}), "metadata"),
        (json!({"attributes": {}}), "json"),
        (json!(7), "json"),
    ] {
        let good = json!({"body": {"stringValue": "good"}});
        let body = json!({"resourceLogs": [
            {"scopeLogs": [{"logRecords": [good.clone(), bad.clone(), good]}]}]});
        let outcome = exported(Otlp::json(), body.to_string().as_bytes());
        assert_eq!(outcome.bad, [reason], "{bad}");
        assert_eq!((outcome.entries.len(), outcome.failure), (2, None), "{bad}");
    }
}

#[test]
fn values_nested_too_deep_make_a_bad_entry() {
    let nested = |depth: usize| {
        let value = (0..depth)
            .fold(json!({"intValue": 1}), |value, _| json!({"arrayValue": {"values": [value]}}));
        record(json!({"attributes": [{"key": "a", "value": value}]}))
    };
    assert_eq!(nested(OTLP_DEPTH_MAX - 1).bad, <[&str; 0]>::default());
    assert_eq!(nested(OTLP_DEPTH_MAX).bad, ["metadata"]);
    let mut value = AnyValue { any: Some(Any::Int(1)) };
    for _ in 0..1000 {
        value = AnyValue { any: Some(Any::Array(Array { values: vec![value] })) };
    }
    let record = LogRecord { body: Some(value), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { scope: None, log_records: vec![record] }];
    let logs = ResourceLogs { scope_logs, ..ResourceLogs::default() };
    let export = Export { resource_logs: vec![logs] };
    assert_eq!(exported(Otlp::protobuf(), &export.encode_to_vec()).bad, ["line"]);
}

#[test]
fn long_values_nested_deep_make_a_bad_entry() {
    let nested = |depth: usize, bytes: usize| {
        let text = json!({"stringValue": "x".repeat(bytes)});
        let wrap = |value, _| json!({"arrayValue": {"values": [value]}});
        record(json!({"attributes": [{"key": "a", "value": (0..depth).fold(text, wrap)}]}))
    };
    let long = OTLP_JSON_ENTRY_BYTES_MAX - 1000;
    assert_eq!((nested(2, long).entries.len(), nested(3, long).bad), (1, vec!["metadata"]));
    assert_eq!(nested(OTLP_DEPTH_MAX - 1, long / 8).entries.len(), 1);
}

#[test]
fn what_stands_behind_its_records_counts_for_them() {
    let body = r#"{"resource_logs":[{"scope_logs":[{"log_records":[{"body":{"stringValue":"x"}}],
        "scope":{"name":"lib","attributes":[{"key":"s","value":{"intValue":1}}]}}],
        "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api"}},
        {"key":"k8s.pod.name","value":{"stringValue":"p-1"}},
        {"key":"process.pid","value":{"intValue":"17"}}]}}]}"#;
    let entry = only(exported(Otlp::json(), body.as_bytes()));
    assert_eq!(entry.stream, ["app=api", "k8s.pod.name=p-1"]);
    assert_eq!(entry.text, r#"{"_msg":"x","scope_name":"lib","s":1,"process.pid":17}"#);
}

#[test]
fn what_a_resource_adds_to_each_record_is_bounded() {
    let long = "x".repeat(OTLP_SHARED_BYTES_MAX);
    let attributes = json!([
        {"key": "a", "value": {"intValue": 1}},
        {"key": "long", "value": {"stringValue": long}},
        {"key": "b", "value": {"intValue": 2}},
    ]);
    let context = json!({"attributes": attributes, "name": "lib"});
    let body = json!({"resourceLogs": [{"resource": context, "scopeLogs": [
        {"scope": context, "logRecords": [{"body": {"stringValue": "x"}}]}]}]});
    let entry = only(exported(Otlp::json(), body.to_string().as_bytes()));
    let object: Value = serde_json::from_str(&entry.text).unwrap();
    assert_eq!(object, json!({"_msg": "x", "a": 1, "b": 2, "scope_name": "lib"}));
}

#[test]
fn each_record_of_a_bad_resource_is_bad_and_of_the_next_is_not() {
    let good = json!({"logRecords": [{"body": {"stringValue": "x"}}]});
    let body = json!({"resourceLogs": [
        {"resource": {"attributes": [{"key": 7}]}, "scopeLogs": [good, good]},
        {"resource": {}, "scopeLogs": [
            {"scope": 7, "logRecords": good["logRecords"]}, good]}]});
    let outcome = exported(Otlp::json(), body.to_string().as_bytes());
    assert_eq!(outcome.bad, ["labels", "labels", "metadata"]);
    assert_eq!((outcome.entries.len(), outcome.failure), (1, None));
}

#[test]
fn a_body_that_is_none_fails_and_one_without_records_ends() {
    for body in ["", "x", "[]", r#"{"resourceLogs":["#] {
        assert!(exported(Otlp::json(), body.as_bytes()).failure.is_some(), "{body}");
    }
    for body in ["{}", r#"{"resourceLogs":[]}"#, r#"{"resourceLogs":[{"scopeLogs":[{}]}]}"#] {
        assert_eq!(exported(Otlp::json(), body.as_bytes()).failure, None, "{body}");
    }
    assert_eq!(exported(Otlp::protobuf(), b"").failure, None);
    assert!(exported(Otlp::protobuf(), b"hello").failure.is_some());
}

/// What a value is in JSON.
fn shown(value: &AnyValue) -> Value {
    match &value.any {
        None => Value::Null,
        Some(Any::Text(text)) => json!(text),
        Some(Any::Bool(bool)) => json!(bool),
        Some(Any::Int(int)) => json!(int),
        Some(Any::Double(double)) => json!(double),
        Some(Any::Array(array)) => array.values.iter().map(shown).collect(),
        Some(Any::Map(map)) => object(&map.values),
        Some(Any::Bytes(bytes)) => json!(base64(bytes)),
    }
}

fn object(pairs: &[KeyValue]) -> Value {
    let null = AnyValue { any: None };
    let pair = |pair: &KeyValue| (pair.key.clone(), shown(pair.value.as_ref().unwrap_or(&null)));
    Value::Object(pairs.iter().map(pair).collect())
}

/// Bit by bit, as RFC 4648 tells it.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    let signs = (bytes.len() * 8).div_ceil(6);
    let sign = |at: usize| (0..6).fold(0, |sum, k| sum * 2 + usize::from(bit(at * 6 + k)));
    let mut out: String = (0..signs).map(|at| char::from(SIGNS[sign(at)])).collect();
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(None),
        any::<String>().prop_map(|text| Some(Any::Text(text))),
        any::<bool>().prop_map(|bool| Some(Any::Bool(bool))),
        any::<i64>().prop_map(|int| Some(Any::Int(int))),
        // Eighths, which serde_json reads to the last bit.
        any::<i32>().prop_map(|eighths| Some(Any::Double(f64::from(eighths) / 8.0))),
        any::<Vec<u8>>().prop_map(|bytes| Some(Any::Bytes(bytes))),
    ];
    let leaf = leaf.prop_map(|any| AnyValue { any });
    leaf.prop_recursive(3, 16, 4, |inner| {
        let values = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            values.prop_map(|values| AnyValue { any: Some(Any::Array(Array { values })) }),
            pairs(inner).prop_map(|values| AnyValue { any: Some(Any::Map(Map { values })) }),
        ]
    })
}

/// Pairs without a name twice, and without one that means something by itself.
fn pairs(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = Vec<KeyValue>> {
    prop::collection::btree_map("[a-d é\"]{0,3}", prop::option::of(value), 0..4)
        .prop_map(|map| map.into_iter().map(|(key, value)| KeyValue { key, value }).collect())
}

proptest! {
    #[test]
    fn what_prost_writes_comes_out(
        attributes in pairs(any_value()), body: String, time: u32, trace: [u8; 16], app: String,
    ) {
        let record = LogRecord {
            time: u64::from(time), body: text(&body), attributes: attributes.clone(), flags: 1,
            trace: trace.to_vec(), observed: 7, number: 17, ..LogRecord::default()
        };
        let scope_logs = vec![ScopeLogs { scope: None, log_records: vec![record] }];
        let key = "service.name".to_owned();
        let attribute = KeyValue { key, value: text(&app) };
        let resource = Some(Resource { attributes: vec![attribute], dropped: 1 });
        let logs = ResourceLogs { resource, scope_logs, schema_url: "x".to_owned() };
        let export = Export { resource_logs: vec![logs] };
        let entry = only(exported(Otlp::protobuf(), &export.encode_to_vec()));
        let mut wanted = object(&attributes);
        wanted["_msg"] = json!(body);
        let hex: String = trace.iter().map(|byte| format!("{byte:02x}")).collect();
        wanted["trace_id"] = json!(hex);
        prop_assert_eq!(serde_json::from_str::<Value>(&entry.text).unwrap(), wanted);
        prop_assert_eq!(entry.time, At(if time == 0 { 7 } else { i64::from(time) }));
        prop_assert_eq!(entry.level, Some(Level::Error));
        let label = "app=".to_owned() + &app;
        prop_assert!(app.len() > 1000 || entry.stream == [label]);
    }

    #[test]
    fn any_bytes_are_read_or_refused(data: Vec<u8>) {
        fuzz_otlp(&data);
    }
}
