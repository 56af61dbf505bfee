//! What a request's parameters make of its lines.

use super::*;

#[test]
fn the_time_is_read_from_the_field_that_is_named() {
    let time = [("_time_field", "ts,date")];
    check_with(
        &time,
        "{\"date\":1790000000.5,\"ts\":\"2026-09-21T14:13:20Z\"}",
        &["{\"date\":1790000000.5,\"ts\":\"2026-09-21T14:13:20Z\"} @1790000000000000000"],
    );
    check_with(
        &time,
        "{\"date\":1790000000.5}\n{\"ts\":\"-\",\"date\":17}\n{\"_time\":17}",
        &[
            "{\"date\":1790000000.5} @1790000000500000000",
            "{\"ts\":\"-\",\"date\":17}",
            "{\"_time\":17}",
        ],
    );
    check_with(
        &time,
        "{\"ts\":\"soon\"}\n{\"d\\u0061te\":17}\n{\"x\":{\"ts\":17}}",
        &["{\"ts\":\"soon\"} @bad", "{\"d\\u0061te\":17} @17000000000", "{\"x\":{\"ts\":17}}"],
    );
    check_with(
        &[("_time_field", "x.ts")],
        "{\"x\":{\"y\":{\"ts\":1},\"ts\":17}}\n{\"x.ts\":18}",
        &["{\"x\":{\"y\":{\"ts\":1},\"ts\":17}} @17000000000", "{\"x.ts\":18} @18000000000"],
    );
}

#[test]
fn without_a_name_the_time_is_where_loggers_write_it() {
    check(
        "{\"_time\":17,\"time\":1790000000}\n{\"ts\":1790000000,\"_time\":\"\"}",
        &["{\"_time\":17,\"time\":1790000000} @17000000000", "{\"ts\":1790000000,\"_time\":\"\"}"],
    );
    check(
        "{\"time\":0.2,\"@timestamp\":\"2026-09-21T14:13:20\"}\n{\"time\":\"soon\"}",
        &[
            "{\"time\":0.2,\"@timestamp\":\"2026-09-21T14:13:20\"} @1790000000000000000",
            "{\"time\":\"soon\"}",
        ],
    );
    check(
        "{\"_time\":\"soon\"}\n{\"_time\":null}\n{\"_time\":\"0\"}",
        &["{\"_time\":\"soon\"} @bad", "{\"_time\":null}", "{\"_time\":\"0\"}"],
    );
}

#[test]
fn the_level_is_the_one_that_a_member_says() {
    check(
        "{\"severity\":\"error\",\"level\":\"INFO\"}\n{\"level\":30}\n{\"a\":{\"level\":\"x\"}}",
        &[
            "{\"severity\":\"error\",\"level\":\"INFO\"} info",
            "{\"level\":30}",
            "{\"a\":{\"level\":\"x\"}}",
        ],
    );
}

#[test]
fn stream_fields_and_extra_fields_are_the_stream() {
    let query = [("_stream_fields", "app,k8s.pod, n,none,app"), ("extra_fields", "job=edge,n=1")];
    check_with(
        &query,
        "{\"app\":\"a\\u00e9\\n\",\"k8s\":{\"pod\":\"p\"},\"n\":2}",
        &["{\"app\":\"a\\u00e9\\n\",\"k8s\":{\"pod\":\"p\"},\"n\":2} job=edge n=1 app=aé\n \
             k8s.pod=p"],
    );
    let query = [("_stream_fields", "app")];
    check_with(
        &query,
        "{\"app\":1}\n{\"app\":1,\"app\":2}\n{\"app\":null}\n{}\n{\"app\":[1]}",
        &[
            "{\"app\":1} app=1",
            "{\"app\":1,\"app\":2} app=1",
            "{\"app\":null}",
            "{}",
            "{\"app\":[1]} app=[1]",
        ],
    );
}

#[test]
fn a_message_of_another_name_becomes_the_one_that_is_known() {
    let query = [("_msg_field", "text.body, line")];
    check_with(
        &query,
        "{\"a\":1,\"line\":\"x\\\"\",\"msg\":\"y\"}\n{\"text\":{\"body\":7,\"b\":2}}\n",
        &["{\"_msg\":\"x\\\"\",\"a\":1,\"msg\":\"y\"}", "{\"_msg\":\"7\",\"text\":{\"b\":2}}"],
    );
    check_with(
        &query,
        "{ \"line\" : \"\" , \"b\": 1 }\n{\n\"line\":true}\n{\"line\":{}}",
        &["{ \"line\" : \"\" , \"b\": 1 }", "{\"_msg\":\"true\"}", "{\"line\":{}}"],
    );
}

#[test]
fn a_message_of_a_known_name_stays_unless_another_would_be_taken() {
    let query = [("_msg_field", "log")];
    check_with(
        &query,
        "{\"log\":\"x\",\"a\": 1}\n{\"log\":\"x\",\"msg\":\"y\"}\n{\"log\":1}",
        &["{\"log\":\"x\",\"a\": 1}", "{\"_msg\":\"x\",\"msg\":\"y\"}", "{\"_msg\":\"1\"}"],
    );
    check_with(
        &query,
        "{\"_msg\":\"y\",\"log\":\"x\"}\n{\"log\":\"x\",\"\\u005fmsg\":\"y\",\"b\":{\"_msg\":1}}",
        &["{\"_msg\":\"x\"}", "{\"_msg\":\"x\",\"b\":{\"_msg\":1}}"],
    );
}

#[test]
fn the_message_that_is_named_is_what_is_shown() {
    use crate::message::fields::message;
    let options = options(&[("_msg_field", "a,log,b.c")]);
    for (body, expected) in [
        ("{\"message\":\"no\",\"log\":\"yes\"}", "yes"),
        ("{\"_msg\":\"no\",\"log\":\"yes\"}", "yes"),
        ("{\"log\":\"yes\",\"event\":\"no\"}", "yes"),
        ("{\"log\":\"no\",\"a\":\"yes\"}", "yes"),
        ("{\"b\":{\"c\":\"yes\"},\"msg\":\"no\"}", "yes"),
        ("{\"a\":12}", "12"),
        ("{\"msg\":\"yes\"}", "yes"),
    ] {
        let mut parser = JsonLines::new(&options, Times::new(TimeZone::UTC));
        let (_, Step::Entry(entry)) = parser.step(body.as_bytes(), true) else { panic!("{body}") };
        assert_eq!(message(entry.text), expected.as_bytes(), "{body}");
    }
}

#[test]
fn ignored_fields_are_left_out() {
    let query = [("ignore_fields", "a,b.c,d.*")];
    check_with(
        &query,
        "{\"a\":1,\"b\":{\"c\":[1],\"x\":\"}\"},\"d\":{\"e\":1},\"f\":{}}\n{ }\n{\"a\":1}",
        &["{\"b\":{\"x\":\"}\"},\"d\":{},\"f\":{}}", "{ }", "{}"],
    );
}

#[test]
fn colors_are_taken_out_of_the_fields_that_are_named() {
    let query = [("decolorize_fields", "log,a*")];
    let colored = r#"\u001b[1;31mred\u001B[0m \\u001b[1m \u001b[\""#;
    let body =
        format!("{{\"log\":\"{colored}\",\"a\":{{\"b\":\"\\u001b[2K\"}},\"c\":\"\\u001b[0m\"}}");
    check_with(
        &query,
        &body,
        &[r#"{"log":"red \\u001b[1m \u001b[\"","a":{"b":""},"c":"\u001b[0m"}"#],
    );
    check_with(&query, "{ \"log\":\"plain\\n\" }", &["{ \"log\":\"plain\\n\" }"]);
}
