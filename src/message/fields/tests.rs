use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::limits::FIELDS_DEPTH_MAX;
use crate::message::syslog::EventTime;

/// `name=value` of every field, texts in quotes.
fn listed(record: &Record<'_>) -> Vec<String> {
    let mut fields = Vec::new();
    record.each(&mut |name, value| {
        let (shown, text) = (name.escape_ascii(), value.text().escape_ascii());
        fields.push(match value {
            Value::Text(_) => format!("{shown}=\"{text}\""),
            _ => format!("{shown}={text}"),
        });
        assert_eq!(record.field(name), Some(value), "{shown}");
    });
    fields
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(listed(&Record::new(text.as_bytes(), None)), expected, "{text}");
}

#[test]
fn members_of_an_object_are_fields() {
    check(r#"{"a":1,"b":"x","c":true,"d":null}"#, &["a=1", "b=\"x\"", "c=true", "d=null"]);
    check(
        r#" { "a" : { "b" : { "c" : -1.50e3 } , "d" : [1, {"e":2}] } } "#,
        &["a.b.c=-1.50e3", r#"a.d=[1, {\"e\":2}]"#],
    );
    check(r#"{"a":1,"a":2,"b":{"c":3},"b.c":4}"#, &["a=1", "b.c=3"]);
    check(r#"{"a":{},"b":[],"":1,"c":{"":2}}"#, &["a={}", "b=[]", "=1", "c.=2"]);
    check(
        r#"{"a":"q\" \\ \/ \u00e9 \ud83d\ude00 \n"}"#,
        &[r#"a="q\" \\ / \xc3\xa9 \xf0\x9f\x98\x80 \n""#],
    );
    check(r#"{"k\u0065y":1}"#, &["key=1"]);
    check("{}", &[]);
}

#[test]
fn what_can_be_read_of_an_object_counts() {
    check(r#"{"a":1,"b":"cut he..."#, &["a=1"]);
    check(r#"{"a":1,"b":{"c":2,"d":{"e":3,"f":"cu..."#, &["a=1", "b.c=2", "b.d.e=3"]);
    check(r#"{"a":1} and more b=2"#, &["a=1"]);
    check(r#"{"a":1,}"#, &["a=1"]);
    check(r#"{"a":1 "b":2}"#, &["a=1"]);
    check(r#"{"a":01}"#, &[]);
    check(r#"{"a"=1}"#, &[]);
    let latin =
        b"{\"a\":\"\xe9\",\"\xe8\":\"\\u00e8\xe8\",\"lone\":\"\\ud800\",\"b\":{\"c\":\"\xff\"}}";
    assert_eq!(listed(&Record::new(latin, None)).len(), 4);
    assert_eq!(field(latin, b"b.c"), Some(Value::Text(Cow::Borrowed(b"\xff"))));
    assert_eq!(field(latin, b"\xe8").map(Value::into_text).as_deref(), Some(&b"\xc3\xa8\xe8"[..]));
}

#[test]
fn an_object_is_a_field_by_its_own_name_too() {
    let text = br#"{"user":{"name":"bob"},"a":{"b":1},"a":2}"#;
    assert_eq!(field(text, b"user"), Some(Value::Raw(br#"{"name":"bob"}"#)));
    assert_eq!(field(text, b"user.name"), Some(Value::Text(Cow::Borrowed(b"bob"))));
    assert_eq!(field(text, b"a"), Some(Value::Number(b"2")));
    for name in [&b"user.nam"[..], b"user.name.x", b"use", b"user.", b".user", b"", b"name"] {
        assert_eq!(field(text, name), None);
    }
}

#[test]
fn what_is_nested_too_deep_is_one_field() {
    let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let name = |depth: usize| vec!["a"; depth].join(".");
    check(&deep(FIELDS_DEPTH_MAX), &[&format!("{}=1", name(FIELDS_DEPTH_MAX))]);
    let raw = format!("{}={{\\\"a\\\":1}}", name(FIELDS_DEPTH_MAX));
    check(&deep(FIELDS_DEPTH_MAX + 1), &[&raw]);
    assert_eq!(field(deep(17).as_bytes(), name(17).as_bytes()), None);
    let bottomless = "{\"a\":".repeat(30_000);
    check(&bottomless, &[]);
    assert_eq!(field(bottomless.as_bytes(), name(20).as_bytes()), None);
}

#[test]
fn fields_of_a_record_are_bounded() {
    let members: Vec<String> = (0..FIELDS_MAX + 9).map(|index| format!("\"k{index}\":1")).collect();
    let object = format!("{{{}}}", members.join(","));
    assert_eq!(listed(&Record::new(object.as_bytes(), None)).len(), FIELDS_MAX);
    let pairs = object.replace("\":", "=").replace(['{', '}', '"', ','], " ");
    assert_eq!(listed(&Record::new(pairs.as_bytes(), None)).len(), FIELDS_MAX);
    let last = format!("k{}", FIELDS_MAX + 8);
    assert!(field(object.as_bytes(), last.as_bytes()).is_some(), "asked for, it is found");
}

#[test]
fn names_that_stand_twice_are_told_apart_from_all_others() {
    let pairs: Vec<String> = (0..5000).map(|index| format!("k{}={index}", index % 300)).collect();
    let text = pairs.join(" ");
    let expected: Vec<_> = (0..FIELDS_MAX).map(|index| format!("k{index}=\"{index}\"")).collect();
    assert_eq!(listed(&Record::new(text.as_bytes(), None)), expected);
}

#[test]
fn pairs_in_a_text_are_fields() {
    check(
        r#"level=info msg="a \"b\" c" n=5 done"#,
        &["level=\"info\"", r#"msg="a \"b\" c""#, "n=\"5\"", "done=true"],
    );
    check(
        "first k=v, then (k2=v2) and [{k3=[x]}],; k4=a=b k5= k6=",
        &["k=\"v\"", "k2=\"v2\"", "k3=\"[x]\"", "k4=\"a=b\"", "k5=\"\"", "k6=\"\""],
    );
    check("GET /x?a=1&b=2 status=200", &["status=\"200\""]);
    check(r#"a=1 a=2 k="open"#, &["a=\"1\"", "k=\"\\\"open\""]);
    check(
        r#"k="a\nb\u00e9" path="C:\dir" z=1"#,
        &[r#"k="a\nb\xc3\xa9""#, r#"path="C:\\dir""#, "z=\"1\""],
    );
    check("just prose = nothing, == and =5 !=6", &[]);
    check(
        "gone: a=b. (c=d.) e=f: g=h! i=.. j=k... l=1.5",
        &["a=\"b\"", "c=\"d\"", "e=\"f\"", "g=\"h\"", "i=\"..\"", "j=\"k...\"", "l=\"1.5\""],
    );
    check("a=b. c=d!", &["a=\"b.\"", "c=\"d!\""]);
    check("", &[]);
    check("a.b-c/d@e_f$=1\n\tg=2", &["a.b-c/d@e_f$=\"1\"", "g=\"2\""]);
    check("=== a", &[]);
}

/// A record of syslog with this structured data and this MSG.
fn syslog_record<'a>(data: &'a [u8], text: &'a [u8]) -> Record<'a> {
    let header = Syslog {
        facility: 4,
        severity: 2,
        time: EventTime::Missing,
        host: b"edge1",
        app: b"api",
        proc_id: b"",
        msg_id: b"ID47",
        data,
        text,
    };
    Record::new(b"<34>1 - edge1 api - ID47", Some(header))
}

#[test]
fn the_header_and_the_structured_data_of_syslog_are_fields() {
    let facility = format!("facility=\"{}\"", syslog::facility_name(4));
    let header =
        ["pri=34", &facility, "severity=2", "host=\"edge1\"", "app=\"api\"", "msg_id=\"ID47\""];
    let data = br#"[req@1 id="7" q="a\"b\\c\]d\e"][empty][x y="" id="8"]"#;
    let record = syslog_record(data, br#"{"id":9,"host":"other","n":1}"#);
    let mut expected = header.to_vec();
    expected.extend([
        "req@1.id=\"7\"",
        r#"req@1.q="a\"b\\c]d\\e""#,
        "x.y=\"\"",
        "x.id=\"8\"",
        "id=9",
        "n=1",
    ]);
    assert_eq!(listed(&record), expected);
    assert_eq!(record.field(b"q").map(Value::into_text).as_deref(), Some(&br#"a"b\c]d\e"#[..]));
    assert_eq!(record.metadata(b"proc_id"), None);
    assert_eq!(record.metadata(b"id"), None);
    for data in
        ["[a b=\"", "[a b=\"x", "[a b", "[a", "[", "]", "[a b=x]", "[a b=\"\\", "[a b=\"]\""]
    {
        listed(&syslog_record(data.as_bytes(), b""));
    }
}

#[test]
fn an_object_in_a_syslog_message_has_fields() {
    for (text, expected) in [
        (&b"{\"a\":1}"[..], Some(Value::Number(b"1"))),
        (b" @cee: {\"a\":1}", Some(Value::Number(b"1"))),
        (b"@cee:{\"a\":1}", Some(Value::Number(b"1"))),
        (b"see a=1", Some(Value::Text(Cow::Borrowed(b"1")))),
        (b"see {\"a\":1}", None),
    ] {
        assert_eq!(syslog_record(b"", text).field(b"a"), expected, "{}", text.escape_ascii());
    }
    assert_eq!(field(b"@cee: {\"a\":1}", b"a"), None, "the cookie is syslog's");
}

#[test]
fn the_message_is_what_a_person_would_read() {
    for (text, expected) in [
        ("plain text", "plain text"),
        (r#"{"msg":"late","n":1}"#, "late"),
        (r#"{"message":"b","msg":"a"}"#, "a"),
        (r#"{"msg":7,"log":"a\tb"}"#, "a\tb"),
        (r#"{"n":1}"#, r#"{"n":1}"#),
        (r#"level=info msg="a \"b\"" n=1"#, "a \"b\""),
        ("level=info message=x", "x"),
        ("level=info n=1", "level=info n=1"),
        ("the msg=x of prose", "the msg=x of prose"),
        ("", ""),
    ] {
        assert_eq!(message(text.as_bytes()), expected.as_bytes(), "{text}");
        let inside = syslog_record(b"[a msg=\"no\"]", text.as_bytes());
        assert_eq!(inside.message(), expected.as_bytes(), "{text}");
    }
    assert_eq!(*syslog_record(b"", b"@cee: {\"n\":1}").message(), *b"@cee: {\"n\":1}");
}

/// All fields as a naive reader finds them.
fn flatten(prefix: &str, value: &Json, found: &mut Vec<(String, String)>) {
    match value {
        Json::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&name, value, found);
            }
        }
        Json::String(text) => found.push((prefix.to_owned(), text.clone())),
        other => found.push((prefix.to_owned(), other.to_string())),
    }
}

fn some_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        "[a\"\\\\/\u{e9}\u{1f600}\n =.]{0,6}".prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            proptest::collection::btree_map("[a-c\"\u{e9}]{1,2}", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn fields_are_those_that_a_whole_reader_finds(
        value in some_json(),
        is_pretty in any::<bool>(),
    ) {
        let whole = Json::Object([("k".to_owned(), value)].into_iter().collect());
        let text = if is_pretty { format!("{whole:#}") } else { whole.to_string() };
        let mut expected = Vec::new();
        flatten("", &whole, &mut expected);
        let mut found = Vec::new();
        each(text.as_bytes(), &mut |name, value| {
            let value = match value {
                // Spaces in an array are as they were written.
                Value::Raw(raw) => serde_json::from_slice::<Json>(raw).unwrap().to_string(),
                other => String::from_utf8(other.text().to_vec()).unwrap(),
            };
            found.push((String::from_utf8(name.to_vec()).unwrap(), value));
        });
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        data in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(&b"{}[]\"\\:,.= <>at1u-n"[..]),
                any::<u8>(),
            ],
            0..60,
        ),
        head in proptest::sample::select(
            &["", "{\"", "{\"a\":", "a=", "<34>1 - h a - - [x a=\""][..],
        ),
    ) {
        let mut text = head.as_bytes().to_vec();
        text.extend_from_slice(&data);
        fuzz_fields(&text);
    }
}
