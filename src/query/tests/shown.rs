//! How records are shown.

use super::*;
use crate::segment::Record;

fn record(text: &[u8]) -> Record<'_> {
    Record {
        seq: Seq(1_795_168_800_000_042),
        text,
        level: Level::Warning,
        received_ns: NOW + 123_456_789,
        event_ns: 0,
        labels: b"app=x\0host=10.0.0.5",
        cut: false,
    }
}

fn shown(format: Format, zone: &str, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let zone = TimeZone::get(zone).unwrap();
    render(format, Stamp::Received, &record(text), &mut LocalTime::new(zone), &mut out);
    out
}

#[test]
fn lines_are_shown_as_text_json_and_raw() {
    for (format, zone, text, expected) in [
        (Format::Text, "UTC", &b"hello"[..], &b"[2026-11-20 10:00:00] hello\n"[..]),
        (Format::Text, "Europe/Berlin", b"a\nb\r\xff\n", b"[2026-11-20 11:00:00] a\\nb\r\xff\\n\n"),
        (Format::Raw, "UTC", b"a\nb\xff", b"a\nb\xff\n"),
        (
            Format::Json,
            "UTC",
            b"say \"hi\" \\ \t\x01\x7f\n \xff\xfe\xc3",
            "{\"seq\":1795168800000042,\"time\":\"2026-11-20T10:00:00.123456789Z\",\
             \"level\":\"warning\",\"source\":\"10.0.0.5\",\
             \"msg\":\"say \\\"hi\\\" \\\\ \\t\\u0001\u{7f}\\n \u{fffd}\u{fffd}\u{fffd}\",\
             \"_msg\":\"say \\\"hi\\\" \\\\ \\t\\u0001\u{7f}\\n \u{fffd}\u{fffd}\u{fffd}\",\
             \"labels\":{\"app\":\"x\",\"host\":\"10.0.0.5\"},\"fields\":{}}\n"
                .as_bytes(),
        ),
        (
            Format::Json,
            "Asia/Kolkata",
            "\u{fc}".as_bytes(),
            "{\"seq\":1795168800000042,\"time\":\"2026-11-20T15:30:00.123456789+05:30\",\
             \"level\":\"warning\",\"source\":\"10.0.0.5\",\"msg\":\"\u{fc}\",\"_msg\":\"\u{fc}\",\
             \"labels\":{\"app\":\"x\",\"host\":\"10.0.0.5\"},\"fields\":{}}\n"
                .as_bytes(),
        ),
    ] {
        let seen = shown(format, zone, text);
        assert_eq!(seen, expected, "{}", String::from_utf8_lossy(&seen));
    }
}

#[test]
fn times_are_shown_as_the_zone_has_them() {
    for zone in ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata"]
    {
        let zone = TimeZone::get(zone).unwrap();
        let mut time = LocalTime::new(zone.clone());
        // Each step passes many changes of the clock, leap years and the turn of a century.
        for step in 1..20_000 {
            let second = step * 216_013;
            let timestamp = jiff::Timestamp::from_second(second).unwrap();
            let expected = zone.to_datetime(timestamp).strftime("%Y-%m-%d %H:%M:%S").to_string();
            let seen = time.text_of(second as u64 * 1_000_000_000 + 5);
            assert_eq!(std::str::from_utf8(seen).unwrap(), expected);
        }
    }
}

/// How a record with these labels, text and event time is shown, in UTC.
#[track_caller]
fn check(asked: (Format, Stamp), labels: &[u8], event_ns: i64, text: &str, expected: &str) {
    let record = Record { labels, event_ns, ..record(text.as_bytes()) };
    let mut out = Vec::new();
    render(asked.0, asked.1, &record, &mut LocalTime::new(TimeZone::UTC), &mut out);
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

/// Half a second before [`NOW`].
const EVENT: i64 = NOW as i64 - 500_000_000;

#[test]
fn json_has_labels_fields_and_the_message_inside() {
    let head = r#"{"seq":1795168800000042,"time":"2026-11-20T10:00:00.123456789Z""#;
    let json = (Format::Json, Stamp::Event);
    let text =
        r#"{"msg":"late","user":{"name":"b\"b"},"n":-1.50,"ok":true,"no":null,"a":[1, "x"]}"#;
    let expected = [
        head,
        r#","event_time":"2026-11-20T09:59:59.500000000Z","level":"warning","source":"","msg":""#,
        &text.replace('\\', r"\\").replace('"', r#"\""#),
        r#"","_msg":"late","labels":{},"fields":{"msg":"late","user.name":"b\"b","n":-1.50,"#,
        r#""ok":true,"no":null,"a":[1, "x"]}}"#,
        "\n",
    ];
    check(json, b"", EVENT, text, &expected.concat());
    let expected = [
        head,
        r#","level":"warning","source":"a","msg":"user=bob 1","_msg":"user=bob 1","#,
        r#""labels":{"host":"a","odd":"\"=\\"},"fields":{"user":"bob","1":true}}"#,
        "\n",
    ];
    check(json, b"host=a\0odd=\"=\\", 0, "user=bob 1", &expected.concat());
}

#[test]
fn json_stays_one_valid_line_whatever_the_record_holds() {
    for text in [
        &b"{\"a\":[1,\n\t2],\"b\":{}}"[..],
        b"{\"a\":[\"\xff\"],\"\xfe\":1}",
        b"{\"a\":{x}",
        b"{\"a\":{\"b\":[1,}",
        b"{\"a\":01,\"b\":1e5,\"c\":-}",
        b"<34>1 - \xff \xfe - - [x@1 a=\"\xff\n\"] x",
        b"a=\x01 b=\"\\q\n\" \xc3=1",
    ] {
        let seen = shown(Format::Json, "UTC", text);
        let line = std::str::from_utf8(&seen).unwrap();
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn logfmt_quotes_what_needs_it_and_names_nothing_twice() {
    let head = "seq=1795168800000042 time=2026-11-20T10:00:00.123456789Z level=warning";
    let logfmt = (Format::Logfmt, Stamp::Received);
    for (labels, text, expected) in [
        (&b""[..], "plain", "msg=plain"),
        (b"app=x\0host=10.0.0.5", "two words", "app=x host=10.0.0.5 msg=\"two words\""),
        (b"host=a b\0level=1", "", "host=\"a b\" label.level=1 msg=\"\""),
        (
            b"host=h",
            r#"{"host":"a","level":"x","d e":"é","t":"=\u0007"}"#,
            concat!(
                r#"host=h msg="{\"host\":\"a\",\"level\":\"x\",\"d e\":\"é\",\"t\":\"=\\u0007\"}""#,
                r#" field.host=a field.level=x d_e=é t="=\u0007""#,
            ),
        ),
    ] {
        check(logfmt, labels, 0, text, &format!("{head} {expected}\n"));
    }
    let seen = shown(Format::Logfmt, "UTC", b"a\nb \xff");
    assert!(seen.ends_with("msg=\"a\\nb \u{fffd}\"\n".as_bytes()));
}

#[test]
fn times_have_the_same_names_whichever_is_asked_for() {
    for stamp in [Stamp::Received, Stamp::Event] {
        let logfmt = "seq=1795168800000042 time=2026-11-20T10:00:00.123456789Z \
            event_time=2026-11-20T09:59:59.500000000Z level=warning msg=x\n";
        check((Format::Logfmt, stamp), b"", EVENT, "x", logfmt);
        let csv = "1795168800000042,2026-11-20T10:00:00.123456789Z,\
            2026-11-20T09:59:59.500000000Z,warning,,,,,x,{}\r\n";
        check((Format::Csv, stamp), b"", EVENT, "x", csv);
    }
}

#[test]
fn a_time_that_cannot_be_read_says_so() {
    for (text, is_bad) in [
        ("<34>1 2026-13-45T99:00:00Z edge1 api - - - x", true),
        ("<34>Nov 31 18:23:44 edge1 api: x", true),
        (r#"{"time":"2026-13-20T18:23:44Z"}"#, true),
        (r#" {"time":"2026-13-20T18:23:44Z"}"#, true),
        ("<34>1 - edge1 api - - - x", false),
        ("<34>1 2026-11-20T10:00:00Z edge1 api - - - x", false),
        (r#"{"time":"soon"}"#, false),
        ("2026-13-45T99:00:00Z x", false),
        ("<x", false),
    ] {
        let json = String::from_utf8(shown(Format::Json, "UTC", text.as_bytes())).unwrap();
        assert_eq!(json.contains(r#"Z","event_time":null,"level""#), is_bad, "{json}");
        assert_eq!(json.contains("event_time"), is_bad, "{json}");
        let logfmt = String::from_utf8(shown(Format::Logfmt, "UTC", text.as_bytes())).unwrap();
        assert_eq!(logfmt.contains("Z event_time=unreadable level="), is_bad, "{logfmt}");
        assert_eq!(logfmt.contains("event_time"), is_bad, "{logfmt}");
    }
}

#[test]
fn csv_is_that_of_rfc_4180() {
    let (csv, labels) = ((Format::Csv, Stamp::Received), b"app=a,b\0facility=kern\0host=h");
    let head = "1795168800000042,2026-11-20T10:00:00.123456789Z,";
    let lines = [
        (0, "x", ",warning,h,\"a,b\",kern,,x,{}\r\n"),
        (0, "n=1 b", ",warning,h,\"a,b\",kern,,n=1 b,\"{\"\"n\"\":\"\"1\"\",\"\"b\"\":true}\"\r\n"),
        (
            EVENT,
            "a \"b\"\nc",
            "2026-11-20T09:59:59.500000000Z,warning,h,\"a,b\",kern,,\"a \"\"b\"\"\nc\",{}\r\n",
        ),
    ];
    for (event_ns, text, expected) in lines {
        check(csv, labels, event_ns, text, &format!("{head}{expected}"));
    }
    assert!(shown(Format::Csv, "UTC", b"\xff\r").ends_with(b",\"\xff\r\",{}\r\n"));
    let columns = head_of(Format::Csv).split(',').count();
    assert_eq!(columns, 10);
}

fn head_of(format: Format) -> &'static str {
    std::str::from_utf8(head(format)).unwrap()
}

#[test]
fn frames_have_all_of_a_record_and_are_asked_for_by_no_name() {
    for stamp in [Stamp::Received, Stamp::Event] {
        let record = Record { event_ns: EVENT, ..record(b"a\n\xff") };
        let (mut out, mut time) = (Vec::new(), LocalTime::new(TimeZone::UTC));
        render(Format::Frame, stamp, &record, &mut time, &mut out);
        let expected = Frame::Record(FramedRecord {
            seq: record.seq,
            time: stamp.of(record.received_ns, EVENT),
            received_ns: record.received_ns,
            event_ns: EVENT,
            level: Level::Warning,
            labels: record.labels,
            text: record.text,
        });
        assert_eq!(Frames::new(&out).collect::<Vec<_>>(), [expected]);
    }
    let zone = TimeZone::UTC;
    let context = TimeContext::new(NOW, &zone);
    for is_tail in [false, true] {
        assert!(parse_parameters(b"format=frame", is_tail, &context).is_err());
    }
    let after = filled(&["a"]).head().0 + 5;
    let query = Query { format: Format::Frame, ..question(&format!("after={after}")) };
    let segment = filled(&["a"]);
    let mut cursor = Cursor::query(query, &segment);
    let reason = cursor.refusal().unwrap();
    let mut out = Vec::new();
    let mut time = LocalTime::new(TimeZone::UTC);
    assert_eq!(cursor.slice(&segment, &mut out, 1, &mut time), Slice::Done);
    assert_eq!(Frames::new(&out).collect::<Vec<_>>(), [Frame::Refused(&reason)]);
}

#[test]
fn text_shows_the_time_asked_for() {
    check((Format::Text, Stamp::Event), b"", EVENT, "x", "[2026-11-20 09:59:59] x\n");
    check((Format::Text, Stamp::Event), b"", 0, "x", "[2026-11-20 10:00:00] x\n");
    check((Format::Text, Stamp::Received), b"", EVENT, "x", "[2026-11-20 10:00:00] x\n");
}

#[test]
fn an_object_of_http_has_the_labels_beside_the_message() {
    let time = r#"{"seq":1795168800000042,"_time":"2026-11-20T10:00:00.123456789Z""#;
    let labels = concat!(
        r#""_stream":"{app=\"x\",host=\"10.0.0.5\"}","#,
        r#""level":"warning","app":"x","host":"10.0.0.5""#
    );
    for (text, expected) in [
        (&b"hello"[..], format!(r#"{time},"_msg":"hello",{labels}}}"#)),
        (b"", format!(r#"{time},"_msg":"",{labels}}}"#)),
        (
            b"{\"msg\":\"a \\\"b\\\"\",\"status\":503,\"u\":{\"n\":\"bob\"}}",
            format!(
                "{time},{}",
                [
                    r#""_msg":"a \"b\"","#,
                    labels,
                    r#","fields":{"msg":"a \"b\"","status":503,"u.n":"bob"},"#,
                    r#""raw":"{\"msg\":\"a \\\"b\\\"\",\"status\":503,\"u\":{\"n\":\"bob\"}}"}"#
                ]
                .concat()
            ),
        ),
        (
            b"a\r\n\xff\x1b[31m</script>",
            format!("{time},\"_msg\":\"a\\r\\n\u{fffd}\\u001b[31m</script>\",{labels}}}"),
        ),
        (
            b"<34>1 2026-13-45T99:00:00Z edge1 - - - - x",
            format!(
                "{time},\"event_time\":null,{}",
                [
                    r#""_msg":"x","#,
                    labels,
                    r#","fields":{"pri":34,"facility":"auth","severity":2,"host":"edge1"},"#,
                    r#""raw":"<34>1 2026-13-45T99:00:00Z edge1 - - - - x"}"#
                ]
                .concat()
            ),
        ),
    ] {
        // The page wants UTC, whatever the server's zone is.
        for zone in ["UTC", "Asia/Kolkata"] {
            let line = shown(Format::Ndjson, zone, text);
            assert_eq!(String::from_utf8(line.clone()).unwrap(), format!("{expected}\n"));
            let event = shown(Format::Sse, zone, text);
            let id = "id: 1795168800000042";
            assert_eq!(String::from_utf8(event).unwrap(), format!("{id}\ndata: {expected}\n\n"));
        }
    }
}

#[test]
fn a_label_never_takes_the_place_of_what_each_object_has() {
    let labels =
        b"_msg=1\0a\"b=c\\d\"e\0error=2\0fields=3\0level=4\0lost=5\0raw=6\0seq=7\0x=\xff\n";
    let record = Record { labels, event_ns: 1_500_000_000, ..record(b"text") };
    let (mut out, mut time) = (Vec::new(), LocalTime::new(TimeZone::UTC));
    render(Format::Ndjson, Stamp::Received, &record, &mut time, &mut out);
    let text = String::from_utf8(out).unwrap();
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["_msg"], "text");
    assert_eq!(object["level"], "warning");
    assert_eq!(object["seq"], 1_795_168_800_000_042_u64);
    assert_eq!(object["event_time"], "1970-01-01T00:00:01.500000000Z");
    assert_eq!(object["a\"b"], "c\\d\"e");
    assert_eq!(object["x"], "\u{fffd}\n");
    assert_eq!(object.as_object().unwrap().len(), 8);
    let stream = concat!(
        r#"{_msg="1",a"b="c\\d\"e",error="2",fields="3",level="4",lost="5",raw="6",seq="7","#,
        "x=\"\u{fffd}\\n\"}"
    );
    assert_eq!(object["_stream"], stream);
}

#[test]
fn what_keeps_a_connection_open_says_where_to_go_on() {
    let mut out = Vec::new();
    keep_alive(Seq(18), &mut out);
    keep_alive(Seq(0), &mut out);
    assert_eq!(out, b": keep-alive\nid: 17\n\n: keep-alive\nid: 0\n\n");
}
