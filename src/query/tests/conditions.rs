//! Conditions on labels and fields: how they are written, what they mean, and that no short cut
//! changes an answer.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::limits::{CONDITION_BYTES_MAX, CONDITION_PATTERNS_MAX, CONDITIONS_MAX, KEYWORDS_MAX};
use crate::query::filter::{Lead, Sender};

fn parsed(text: &str) -> Result<Query, String> {
    let zone = TimeZone::UTC;
    let context = TimeContext { has_label: &|name| name == b"dc", ..TimeContext::new(NOW, &zone) };
    parse_parameters(text.as_bytes(), false, &context).map_err(|error| error.to_string())
}

#[test]
fn conditions_that_are_taken() {
    for text in [
        "host=a app=b facility=c transport=tcp dc=fra",
        "HOST=a severity<=3 pri!=14 proc_id>100 msg_id=ID47",
        "field.status>=500 field.status<600 field.user=bob",
        "field.a.b.c~x field.a!~y field.a!=1 field.a>1 field.a<1 field.a<=1",
        "field.exampleSDID@32473.iut=3 FIELD.x=",
        r#"field."a key = b">="2" field.msg="say \"hi\"""#,
        "field.größe=1",
        "field.limit=1 field.host=a limit=3",
        "!keyword=debug keyword=x",
        "!KEYWORD=\"two words\"",
        "level!=debug",
        "level<error",
        "level<=error",
        "level>=info level<error",
        "!keyword=a !keyword=b",
        "level>info",
        "source=10.0.0.5 host=10.0.0.5",
    ] {
        assert_eq!(parsed(text).map(|_| ()), Ok(()), "{text}");
    }
}

#[test]
fn a_label_that_a_stream_has_is_a_name() {
    let mut segment = ring();
    let zone = TimeZone::UTC;
    let found = |segment: &Segment<MemStore>| {
        let has_label = |name: &[u8]| segment.has_label(name);
        let context = TimeContext { has_label: &has_label, ..TimeContext::new(NOW, &zone) };
        let query = parse_parameters(b"rack=7", false, &context).ok()?;
        Some(answer(query, segment).lines().count() - 1)
    };
    append(&mut segment, b"x", Level::Info, NOW, b"host=rack\0xrack=7");
    assert_eq!(found(&segment), None);
    append(&mut segment, b"x", Level::Info, NOW, b"host=a\0rack=7");
    append(&mut segment, b"x", Level::Info, NOW, b"host=a\0rack=8");
    assert_eq!(found(&segment), Some(1));
}

#[test]
fn conditions_that_are_refused_say_why() {
    let names = "keyword, !keyword, keywords, operator, regex, time_from, time_to, since, until, \
                 level, source, limit, order, time, format, after, before, host, app, \
                 facility, transport";
    let unknown = |name: &str| {
        format!(
            "unknown parameter \"{name}\" (allowed: {names}; a field of the line is asked for as \
             field.NAME=)"
        )
    };
    let long = "x".repeat(CONDITION_BYTES_MAX + 1);
    for (text, expected) in [
        ("user=bob".to_owned(), unknown("user")),
        ("DC=fra".to_owned(), unknown("DC")),
        ("!host=a".to_owned(), unknown("!host")),
        ("=a".to_owned(), unknown("")),
        (
            "keyword!=a".to_owned(),
            "keyword!= is not a comparison of keyword (allowed: =)".to_owned(),
        ),
        (
            "!keyword~a".to_owned(),
            "!keyword~ is not a comparison of !keyword (allowed: =)".to_owned(),
        ),
        ("!keyword=".to_owned(), "!keyword needs a value (allowed: any text)".to_owned()),
        (
            "level!~error".to_owned(),
            "level!~ is not a comparison of level (allowed: =, !=, >, >=, <, <=)".to_owned(),
        ),
        ("field.=1".to_owned(), "field. needs a name (allowed: field.NAME=VALUE)".to_owned()),
        (
            "field.a".to_owned(),
            "\"field.a\" is not name=value (put a value with spaces in quotes)".to_owned(),
        ),
        (
            "field.a!1".to_owned(),
            "\"field.a!1\" is not name=value (put a value with spaces in quotes)".to_owned(),
        ),
        (
            "field.\"a".to_owned(),
            "bad quotes in \"field.\\\"a\" (allowed: \"...\" with \\\" and \\\\ inside, then a \
             space)"
                .to_owned(),
        ),
        ("host=".to_owned(), "\"host\" needs a value (allowed: any text)".to_owned()),
        ("field.a~".to_owned(), "\"a\" needs a value (allowed: any text)".to_owned()),
        ("field.a~a(".to_owned(), "regex: unclosed group at character 2".to_owned()),
        (format!("field.a={long}"), "name or value of 1025 bytes exceeds 1024 bytes".to_owned()),
        (format!("field.{long}=a"), "name or value of 1025 bytes exceeds 1024 bytes".to_owned()),
    ] {
        assert_eq!(parsed(&text).map(|_| ()), Err(expected), "{text}");
    }
}

#[test]
fn a_record_must_meet_each_of_what_is_given_twice() {
    let found = |text: &str| {
        let mut segment = ring();
        for (text, level) in
            [("a", Level::Debug), ("b", Level::Info), ("c", Level::Warning), ("d", Level::Error)]
        {
            append(&mut segment, text.as_bytes(), level, NOW, b"");
        }
        let mut query = question(&format!("{text} format=raw"));
        query.is_bare = true;
        answer(query, &segment).replace('\n', "")
    };
    assert_eq!(found("level>=info level<error"), "bc");
    assert_eq!(found("level!=info level!=error"), "ac");
    assert_eq!(found("!keyword=a !keyword=c"), "bd");
    assert_eq!(found("!keyword=a level>info !keyword=d"), "c");
}

#[test]
fn conditions_over_a_bound_are_refused() {
    let many = |count: usize, text: &str| vec![text; count].join(" ");
    assert!(parsed(&many(CONDITIONS_MAX, "field.a!=1")).is_ok());
    let expected = "more than 16 conditions on labels and fields (allowed: 16)";
    let refused = parsed(&many(CONDITIONS_MAX + 1, "host=1")).map(|_| ());
    assert_eq!(refused, Err(expected.to_owned()));
    assert!(parsed(&many(KEYWORDS_MAX, "!keyword=a")).is_ok());
    assert!(parsed(&many(KEYWORDS_MAX + 1, "!keyword=a")).is_err());
    assert!(parsed(&many(CONDITION_PATTERNS_MAX, "field.a~x")).is_ok());
    let expected = "more than 4 conditions with ~ or !~ (allowed: 4)";
    let refused = parsed(&many(CONDITION_PATTERNS_MAX + 1, "host!~x")).map(|_| ());
    assert_eq!(refused, Err(expected.to_owned()));
    let longest = "x".repeat(CONDITION_BYTES_MAX);
    assert!(parsed(&format!("field.{longest}={longest}")).is_ok());
}

/// Whether a record meets `question`, whole and in the smallest steps.
fn meets(question: &str, text: &[u8], labels: &[u8]) -> bool {
    let query = || parsed(question).unwrap_or_else(|error| panic!("{question}: {error}"));
    let whole = query().filter.matches(text, Level::Info, NOW, labels);
    let mut filter = query().filter;
    let mut until = |step: &mut dyn FnMut(&mut Filter, &mut Budget) -> Option<bool>| {
        (0..1_000_000).find_map(|_| step(&mut filter, &mut Budget::new(1))).unwrap()
    };
    let in_steps = until(&mut |filter, budget| filter.step_stream(labels, budget))
        && until(&mut |filter, budget| {
            let sender = Sender { named: filter.named(labels), labels: &|| labels };
            filter.step_text(text, Lead::Records, &sender, budget)
        });
    assert_eq!(in_steps, whole, "{question} in steps on {}", text.escape_ascii());
    whole
}

#[test]
fn conditions_mean_what_they_say() {
    let object = br#"{"status":503,"ratio":0.50,"user":{"name":"bob"},"ok":true,"no":null,
        "id":9007199254740993,"at":"2026-11-20T10:00:00Z","host":"inner","tags":["a","b"],
        "long":1234567890123456789,"huge":-1234567890123456789012345678901234567890}"#;
    let labels = b"app=api\0dc=fra\0host=10.0.0.5";
    for (question, expected) in [
        ("field.status=503", true),
        ("field.status=503.0", true),
        ("field.status=5.03e2", true),
        ("field.status!=503.0", false),
        ("field.status=50", false),
        ("field.status>=500 field.status<600", true),
        ("field.status>503", false),
        ("field.status<=503", true),
        ("field.status>\"5\"", true),
        ("field.status>abc", false),
        ("field.ratio=.5", true),
        ("field.ratio=0.5", true),
        ("field.ratio<1", true),
        ("field.ratio>-1", true),
        ("field.id=9007199254740993", true),
        ("field.id=9007199254740992", false),
        ("field.long=1234567890123456789", true),
        ("field.long=1234567890123456788", false),
        ("field.long<1234567890123456790", true),
        ("field.long>1234567890123456788 field.long>-1234567890123456790", true),
        ("field.long=01234567890123456789", true),
        ("field.long>1.2e18 field.long<1.3e18", true),
        ("field.huge=-1234567890123456789012345678901234567890", true),
        ("field.huge=-1234567890123456789012345678901234567891", false),
        ("field.huge>-1234567890123456789012345678901234567891", true),
        ("field.huge<-123456789012345678901234567890123456789", true),
        ("field.huge<1 field.huge<-1.2e39 field.huge>-1.3e39", true),
        ("field.user.name=bob", true),
        ("field.user.name=Bob", false),
        ("field.user.name~^b.b$", true),
        ("field.user.name~o", true),
        ("field.user.name!~o", false),
        ("field.user.name>=500", false),
        ("field.user.name>alice", true),
        ("field.user~bob", true),
        ("field.name=bob", false),
        ("field.ok=true field.no=null", true),
        ("field.at>=2026-11-20T09:00:00Z field.at<2026-11-20T11:00:00Z", true),
        ("field.tags~b", true),
        ("field.nowhere=x", false),
        ("field.nowhere!=x", true),
        ("field.nowhere!~x", true),
        ("field.nowhere=", false),
        ("field.nowhere<5", false),
        ("host=10.0.0.5", true),
        ("host=inner", false),
        ("field.host=inner", true),
        ("field.host=10.0.0.5", false),
        ("field.app=api field.dc!=ams", true),
        ("app=api dc~^f", true),
        ("dc!=fra", false),
        ("dc>ams dc<ham", true),
        ("transport=tcp", false),
        ("transport!=tcp", true),
        ("msg_id!=x", true),
        ("!keyword=BOB", false),
        ("!keyword=alice", true),
        ("keyword=bob !keyword=alice field.status=503", true),
    ] {
        assert_eq!(meets(question, object, labels), expected, "{question}");
    }
}

#[test]
fn every_spelling_of_a_field_is_found() {
    for text in [
        r#"{"status":503}"#,
        r#"{"status" : 503 }"#,
        "{\"status\"\t:\n503}",
        r#"{"status":"503"}"#,
        r#"{"status":503.0,"x":1}"#,
        r#"{"status":5.03E+2}"#,
        r#"{"st\u0061tus":503}"#,
        r#"{"\u0073\u0074\u0061\u0074\u0075\u0073":503}"#,
        r#"{"status":"\u0035\u00303"}"#,
        r#"{"x":"status","y":{"status":200},"status":503}"#,
        r#"{"x":"\"status\":200","status":503}"#,
        "status=503",
        "status=503 x=1",
        "x=1 status=\"503\"",
        "done (status=503).. (status=503), and more",
        "took 5 ms, status=503;",
        "[status=503]",
        "it was status=503.",
        "(it was status=503.) or so",
        "it was (status=503).",
        "status: it was status=503!, or so",
        "with status=503: gone",
        "http_status=200 .status=200 status=503",
    ] {
        let text = text.as_bytes();
        let expected = !text.starts_with(b"done");
        assert_eq!(meets("field.status=503", text, b""), expected, "{}", text.escape_ascii());
        assert_eq!(meets("field.status!=503", text, b""), !expected, "{}", text.escape_ascii());
    }
    for (question, text) in [
        ("field.done=true", "level=info done"),
        ("field.done=true", "level=info done x=1"),
        ("field.a.b=1", r#"{"a.b":1}"#),
        ("field.a.b=1", r#"{"a":{"b":1}}"#),
        ("field.a.b=1", "a.b=1"),
        ("field.a.b=1", r#"{"a\u002eb":1}"#),
        ("field.\"a key\"=1", r#"{"a key":1}"#),
        ("field.a/b=1", r#"{"a\/b":1}"#),
        ("field.\"a\\\"b\"=1", r#"{"a\"b":1}"#),
        ("field.größe=größe", r#"{"gr\u00f6\u00dfe":"gr\u00f6ße"}"#),
        ("field.user=größe", r#"{"user":"gr\u00F6\u00DFe"}"#),
        ("field.path=/a/b", r#"{"path":"\/a\/b"}"#),
        ("field.user=bob", r#"{"user":"\u0062ob"}"#),
        ("field.x=", r#"{"x":""}"#),
        ("field.x=", "x= y=1"),
        ("field.x={}", r#"{"x":{}}"#),
    ] {
        assert!(meets(question, text.as_bytes(), b""), "{question} on {text}");
    }
}

#[test]
fn the_header_of_a_syslog_record_says_what_no_label_says() {
    let record = b"<34>1 2026-11-20T10:00:00Z edge1 api 17 ID47 [req@1 id=\"7\"] \
        {\"status\":503,\"user\":\"bob\"}";
    let labels = b"app=other\0host=10.0.0.5";
    for (question, of_header, of_labels) in [
        ("host=edge1", true, false),
        ("host=10.0.0.5", false, true),
        ("source=edge1", true, false),
        ("app~^api$", true, false),
        ("facility=auth", true, true),
        ("severity=2 pri=34", true, true),
        ("severity<=3 severity!=4", true, true),
        ("proc_id>=17 msg_id=ID47", true, true),
        ("proc_id!=17", false, false),
        ("transport!=udp", true, true),
        ("field.host=edge1 field.app=api", true, true),
        ("field.req@1.id=7 field.id=7", true, true),
        ("field.id>7", false, false),
        ("field.status>=500 field.user=bob", true, true),
    ] {
        assert_eq!(meets(question, record, b""), of_header, "{question} of the header");
        assert_eq!(meets(question, record, labels), of_labels, "{question} of the labels");
    }
    let mut segment = ring();
    append(&mut segment, record, Level::Critical, NOW, b"transport=tcp");
    append(&mut segment, b"<34>1 - edge2 - - - - x", Level::Critical, NOW, b"transport=tcp");
    append(&mut segment, b"host=edge1", Level::Critical, NOW, b"transport=tcp");
    assert_eq!(answer(question("host~edge limit=9"), &segment).lines().count(), 3);
    assert_eq!(answer(question("host=edge1 transport=tcp"), &segment).lines().count(), 2);
    assert_eq!(answer(question("severity!=2"), &segment).lines().count(), 2);
}

#[test]
fn a_name_that_stands_everywhere_is_still_found() {
    for filler in ["a", "a=", "a=b ", "\"a\":1,", "\"a\":{"] {
        let text = format!("{} a=1 a=2", filler.repeat(100));
        let naive = fields::field(text.as_bytes(), b"a").map(|v| v.text().to_vec());
        let expected = naive.as_deref() == Some(b"1");
        assert_eq!(meets("field.a=1", text.as_bytes(), b""), expected, "{filler}");
    }
}

#[test]
fn more_streams_than_are_remembered_are_told_apart() {
    let mut segment = ring();
    for index in 0..3000 {
        let labels = format!("dc=d{}\0host=h{}", index % 7, index % 90);
        let text = format!("{{\"n\":{index}}}");
        append(&mut segment, text.as_bytes(), Level::Info, NOW, labels.as_bytes());
    }
    for (text, expected) in [
        ("host=h17", (0..3000).filter(|n| n % 90 == 17).count()),
        ("host=h17 dc=d3", (0..3000).filter(|n| n % 90 == 17 && n % 7 == 3).count()),
        (
            "host!=h17 dc~[12]",
            (0..3000).filter(|n| n % 90 != 17 && [1, 2].contains(&(n % 7))).count(),
        ),
        ("host=h17 field.n>=1500", (1500..3000).filter(|n| n % 90 == 17).count()),
        ("field.dc=d3 field.n<100", (0..100).filter(|n| n % 7 == 3).count()),
        ("field.host=h89", 33),
        ("host=h90", 0),
    ] {
        let found = answer(question(text), &segment);
        assert_eq!(found.lines().next().unwrap(), format!("FOUND: {expected} matches"), "{text}");
    }
    let mut cursor = Cursor::query(question("host=h17 field.n>=1500"), &segment);
    run(&mut cursor, &segment, usize::MAX);
    // Texts and stream entries are looked through once; only what is shown is read again.
    assert!(cursor.scanned_bytes() < 1 << 17, "{}", cursor.scanned_bytes());
}

/// A record's fields in order, and how they are written.
#[derive(Debug, Clone)]
struct Written {
    fields: Vec<(String, String)>,
    shape: u8,
    /// Every character of keys as an escape.
    is_escaped: bool,
    dc: Option<bool>,
}

impl Written {
    fn text(&self) -> String {
        let quoted = |text: &str, is_escaped: bool| {
            if is_escaped {
                let units: String =
                    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                return format!("\"{units}\"");
            }
            Json::from(text).to_string()
        };
        let is_number = |value: &str| serde_json::from_str::<f64>(value).is_ok();
        let member = |(key, value): &(String, String)| {
            let value = if is_number(value) && self.shape.is_multiple_of(2) {
                value.clone()
            } else {
                quoted(value, self.is_escaped)
            };
            format!(
                "{}{}{value}",
                quoted(key, self.is_escaped),
                [":", " : "][usize::from(self.shape & 1)]
            )
        };
        let members: Vec<String> = self.fields.iter().map(member).collect();
        let pair = |(key, value): &(String, String)| format!("{key}={}", Json::from(&value[..]));
        let pairs: Vec<String> = self.fields.iter().map(pair).collect();
        match self.shape {
            0..4 => format!("{{{}}}", members.join(",")),
            4..6 => pairs.join(" "),
            8 => {
                let members: Vec<String> =
                    self.fields[self.in_data()..].iter().map(member).collect();
                let params = self.fields[..self.in_data()].iter().map(pair).collect::<Vec<_>>();
                format!("<14>1 - - - - - [x@1 {}] {{{}}}", params.join(" "), members.join(","))
            }
            9 => {
                let (params, pairs) = pairs.split_at(self.in_data());
                format!(
                    "<14>1 - - - - - [x@1 {}] it said {}",
                    params.join(" "),
                    pairs.join(" and ")
                )
            }
            6 => format!("it said {} (a=b), status", pairs.join(" and ")),
            _ => format!("nothing {} status a.b", members.join(", ").replace('=', "")),
        }
    }

    /// How many of the fields stand in the structured data of a syslog record.
    fn in_data(&self) -> usize {
        self.fields.len().div_ceil(2)
    }

    /// The field as a naive reader finds it.
    fn field(&self, name: &str) -> Option<String> {
        let mut found = match self.shape {
            0..4 => {
                // The whole text as a tree, then the names of its leaves; a name is there once.
                let Json::Object(members) = serde_json::from_str(&self.text()).unwrap() else {
                    panic!("no object");
                };
                members.get(name).map(|value| match value {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                })
            }
            4..=6 | 8.. => {
                self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
            }
            _ => None,
        };
        if self.shape == 6 && name == "a" {
            found = found.or(Some("b".to_owned()));
        }
        if name == "dc" {
            found = found.or(self.dc().map(str::to_owned));
        }
        found
    }

    fn dc(&self) -> Option<&'static str> {
        self.dc.map(|is_fra| if is_fra { "fra" } else { "ams" })
    }

    fn labels(&self) -> Vec<u8> {
        self.dc().map(|dc| format!("dc={dc}\0host=h").into_bytes()).unwrap_or_default()
    }
}

const NAMES: &[&str] = &["status", "a", "a.b", "user", "dc", "b"];
const VALUES: &[&str] = &[
    "500",
    "503.0",
    "7",
    "-1.5",
    "bob",
    "fra",
    "status",
    "\u{e9}a",
    "",
    "true",
    "1234567890123456789",
    "1234567890123456788",
    "-1234567890123456789",
];
const COMPARISONS: &[&str] = &["=", "!=", ">", ">=", "<", "<=", "~", "!~"];

fn some_record() -> impl Strategy<Value = Written> {
    let pick =
        |from: &'static [&'static str]| proptest::sample::select(from).prop_map(str::to_owned);
    let fields = proptest::collection::btree_map(pick(NAMES), pick(VALUES), 0..4);
    let fields = fields.prop_map(|fields| fields.into_iter().collect());
    (fields, 0..10u8, any::<bool>(), any::<Option<bool>>())
        .prop_map(|(fields, shape, is_escaped, dc)| Written { fields, shape, is_escaped, dc })
}

/// What a condition asks, read as naively as can be.
fn holds(value: Option<&str>, comparison: &str, wanted: &str) -> bool {
    let Some(value) = value else { return comparison.starts_with('!') };
    let numbers = value.parse::<f64>().ok().zip(wanted.parse::<f64>().ok());
    let whole = value.parse::<i64>().ok().zip(wanted.parse::<i64>().ok());
    let order = match (whole, numbers, wanted.parse::<f64>()) {
        (Some((one, other)), _, _) => Some(one.cmp(&other)),
        (None, Some((one, other)), _) => one.partial_cmp(&other),
        (None, None, Ok(_)) => None,
        (None, None, Err(_)) => Some(value.cmp(wanted)),
    };
    let is_equal = value == wanted || order.is_some_and(std::cmp::Ordering::is_eq);
    match comparison {
        "=" => is_equal,
        "!=" => !is_equal,
        ">" => order.is_some_and(|order| order.is_gt()),
        ">=" => order.is_some_and(|order| order.is_ge()),
        "<" => order.is_some_and(|order| order.is_lt()),
        "<=" => order.is_some_and(|order| order.is_le()),
        "~" => value.contains(wanted),
        _ => !value.contains(wanted),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn short_cuts_do_not_change_an_answer(
        records in proptest::collection::vec(some_record(), 1..30),
        conditions in proptest::collection::vec(
            (
                proptest::sample::select(NAMES),
                proptest::sample::select(COMPARISONS),
                proptest::sample::select(VALUES),
            ),
            1..4,
        ),
        also in proptest::sample::select(&["", " keyword=s", " !keyword=bob", " regex=b|s"][..]),
    ) {
        let mut asked = String::new();
        let mut kept = Vec::new();
        for (name, comparison, value) in conditions {
            let is_pattern = comparison.ends_with('~');
            if is_pattern && value.is_empty() {
                continue;
            }
            // A dot in a pattern would be any byte.
            let written = if is_pattern { value.replace('.', "\\.") } else { value.to_owned() };
            asked.push_str(&format!("field.{name}{comparison}{written} "));
            kept.push((name, comparison, value));
        }
        let mut segment = ring();
        let mut expected = Vec::new();
        for record in &records {
            let (text, labels) = (record.text(), record.labels());
            append(&mut segment, text.as_bytes(), Level::Info, NOW, &labels);
            let is_hit = kept.iter().all(|(name, comparison, value)| {
                holds(record.field(name).as_deref(), comparison, value)
            });
            let meets_also = match also {
                " keyword=s" => text.to_ascii_lowercase().contains('s'),
                " !keyword=bob" => !text.to_ascii_lowercase().contains("bob"),
                " regex=b|s" => text.contains(['b', 's']),
                _ => true,
            };
            let question = format!("{asked}{also}");
            let is_met = meets(&question, text.as_bytes(), &labels);
            prop_assert_eq!(is_met, is_hit && meets_also, "{} on {}", question, text);
            if is_met {
                expected.push(text);
            }
        }
        let mut query = question(&format!("{asked}{also} format=raw"));
        query.is_bare = true;
        let found = answer(query, &segment);
        prop_assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{}{}", asked, also);
    }
}
