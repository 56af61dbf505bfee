//! What is asked over HTTP.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::level::Level;
use crate::query::{LocalTime, Slice, parse_parameters};
use crate::segment::{Geometry, MemStore, NewRecord, Options, StreamRef};

/// 2026-11-20 10:00:00 UTC.
const NOW: u64 = 1_795_168_800_000_000_000;

type Memory = Segment<MemStore>;

const LINES: [(&str, Level, &[u8]); 6] = [
    ("connection refused by upstream", Level::Error, b"app=api\0host=h1"),
    ("GET /healthz 200", Level::Info, b"app=web\0dc=eu\0host=h2"),
    ("{\"msg\":\"Refused\",\"status\":503,\"a b\":\"x y\"}", Level::Warning, b"app=api\0host=h2"),
    ("say \"a \\ b\" & c=d +e", Level::Debug, b"app=a b\0host=h1"),
    ("/var/log/syslog rotated", Level::Info, b"app=web\0host=h1"),
    ("connection reset", Level::Critical, b"app=api\0host=h1"),
];

fn ring() -> Memory {
    let geometry = Geometry::for_size(1 << 20).unwrap();
    let store = MemStore::zeroed(1 << 20);
    let mut segment = Segment::create(store, geometry, Options::default(), 7, NOW);
    for (index, (text, level, labels)) in LINES.into_iter().enumerate() {
        append(&mut segment, text.as_bytes(), level, NOW + index as u64 * 1_000_000_000, labels);
    }
    segment
}

fn append(segment: &mut Memory, text: &[u8], level: Level, received_ns: u64, labels: &[u8]) {
    let record = NewRecord { text, cut: false, level, received_ns, event_ns: 0 };
    segment.append(&record, labels, &mut StreamRef::default()).unwrap();
}

/// The pairs of a query string, decoded as a form is.
fn pairs(query: &str) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    fn decoded(text: &str) -> Vec<u8> {
        let mut bytes = text.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            out.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                byte => byte,
            });
        }
        out
    }
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) => (decoded(name), Some(decoded(value))),
        None => (decoded(pair), None),
    };
    query.split('&').map(pair).collect()
}

fn ask_with(
    ask: Ask,
    query: &str,
    id: Option<&str>,
    segment: &Memory,
) -> Result<Question, AskError> {
    let pairs = pairs(query);
    let mut pairs = pairs
        .iter()
        .map(|(name, value)| (Cow::Borrowed(&name[..]), value.as_deref().map(Cow::Borrowed)));
    let zone = TimeZone::UTC;
    let has_label = |name: &[u8]| segment.has_label(name);
    let times = TimeContext { has_label: &has_label, ..TimeContext::new(NOW, &zone) };
    question(ask, &mut pairs, id.map(str::as_bytes), &times, segment)
}

fn ask(kind: Ask, query: &str, segment: &Memory) -> Result<Question, AskError> {
    ask_with(kind, query, None, segment)
}

/// The whole answer, or all that a tail has to say by now.
fn answer(question: &mut Question, segment: &Memory) -> String {
    let mut time = LocalTime::new(TimeZone::UTC);
    let mut out = Vec::new();
    loop {
        let slice = match &mut question.walk {
            Answer::Records(cursor) => cursor.slice(segment, &mut out, usize::MAX, &mut time),
            Answer::Census(census) => census.slice(segment, &mut out, usize::MAX),
            Answer::Hits(hits) => hits.slice(segment, &mut out, usize::MAX),
            Answer::Whole(body) => {
                out.append(body);
                Slice::Done
            }
        };
        if slice != Slice::More {
            return String::from_utf8(out).unwrap();
        }
    }
}

/// Which of [`LINES`] an answer in JSON shows.
fn shown(answer: &str, segment: &Memory) -> Vec<u64> {
    let seq = |line: &str| {
        let line = line.strip_prefix("data: ").unwrap_or(line);
        let object: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(object["seq"].as_u64()? - segment.tail().0)
    };
    answer.lines().filter_map(seq).collect()
}

#[track_caller]
fn finds(query: &str, expected: &[u64]) {
    let segment = ring();
    let mut question = ask(Ask::Query, query, &segment).unwrap_or_else(|e| panic!("{query}: {e}"));
    let answer = answer(&mut question, &segment);
    assert_eq!(shown(&answer, &segment), expected, "{query}");
}

#[test]
fn pairs_mean_what_they_mean_in_the_language() {
    for (query, expected) in [
        ("", &[0, 1, 2, 3, 4, 5][..]),
        ("&&_=1795168800&_", &[0, 1, 2, 3, 4, 5]),
        ("keyword=refused", &[0, 2]),
        ("KEYWORD=refused", &[0, 2]),
        ("keyword=connection+refused", &[0]),
        ("keyword=%22a+%5C+b%22", &[3]),
        ("keyword=%26+c%3Dd+%2Be", &[3]),
        ("keyword=c=d", &[3]),
        ("level%3E=warning", &[0, 2, 5]),
        ("level>=warning", &[0, 2, 5]),
        ("level%3E%3Dwarning", &[0, 2, 5]),
        ("level>warning", &[0, 5]),
        ("level!=info&level!=debug", &[0, 2, 5]),
        ("level=error", &[0]),
        ("app=a+b", &[3]),
        ("app!=api", &[1, 3, 4]),
        ("app~^a", &[0, 2, 3, 5]),
        ("app%7E=^a", &[]),
        ("app!~^a", &[1, 4]),
        ("dc=eu", &[1]),
        ("field.status>=500", &[2]),
        ("field.status%3E500&host=h2", &[2]),
        ("field.%22a+b%22=x+y", &[2]),
        ("field.msg~^R", &[2]),
        ("!keyword=connection&!keyword=log", &[1, 2, 3]),
        ("%21keyword=connection&regex=[0-9]{3}$", &[1]),
        ("keywords=reset,healthz&operator=or", &[1, 5]),
        ("since=2026-11-20+10:00:04", &[4, 5]),
        ("until=2026-11-20T10:00:01Z&order=desc", &[1, 0]),
        ("limit=2&order=desc", &[5, 4]),
        ("order=time&limit=2&time=received", &[4, 5]),
        ("source=h2", &[1, 2]),
    ] {
        finds(query, expected);
    }
}

#[test]
fn a_search_line_is_read_as_people_type_it() {
    for (line, expected) in [
        ("", &[0, 1, 2, 3, 4, 5][..]),
        ("  refused  ", &[0, 2]),
        ("refused upstream", &[0]),
        ("\"connection re\"", &[0, 5]),
        ("connection -refused", &[5]),
        ("connection !refused", &[5]),
        ("connection -\"by upstream\"", &[5]),
        ("refused level>=error", &[0]),
        ("-app=api -app=\"a b\"", &[1, 4]),
        ("!app!=api", &[0, 2, 5]),
        ("-app~^a", &[1, 4]),
        ("-level=info app=web", &[]),
        ("-x>1 -host>=a", &[0, 1, 2, 3, 4, 5]),
        ("app=\"a b\" say", &[3]),
        ("/re(fused|set)/", &[0, 5]),
        ("/connection re/ -reset", &[0]),
        ("/var/log", &[4]),
        ("/var/log /healthz", &[]),
        ("/var\\/log/", &[4]),
        ("/healthz 200", &[1]),
        ("field.status=503", &[2]),
        ("\"status\\\":503\"", &[2]),
        ("\"a \\\\ b\"", &[3]),
        ("c+d", &[]),
        ("&", &[3]),
        ("-- - !", &[]),
        ("!keyword=connection !keyword=log -keyword=say", &[1, 2]),
        ("\"c=d\"", &[3]),
        ("limit=1 order=desc", &[5]),
        ("connection since=-1h until=now", &[0]),
    ] {
        let encode = |byte: u8| format!("%{byte:02x}");
        let encoded: String = line.bytes().map(encode).collect();
        finds(&format!("q={encoded}"), expected);
    }
    finds("q=refused&level=error", &[0]);
    finds("q=connection+re&keyword=set", &[5]);
    finds("q", &[0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_is_not_understood_is_refused_with_what_is_allowed() {
    let segment = ring();
    let head = segment.head().0;
    for (kind, query, expected) in [
        (Ask::Query, "levle=error", "unknown parameter \"levle\" (allowed: keyword, "),
        (Ask::Query, "q=levle%3Derror", "unknown parameter \"levle\" (allowed: "),
        (Ask::Query, "q=%22a", "bad quotes in \"\\\"a\" (allowed: "),
        (Ask::Query, "q=%22%22", "\"\" needs a value (allowed: a text in the quotes)"),
        (Ask::Query, "q=a&q=b", "q= is given more than once (allowed: once"),
        (Ask::Query, "q=/a/+/b/", "regex= is given more than once"),
        (Ask::Query, "q=-/a/", "bad q \"-/a/\" (allowed: -word, -\"a phrase\", -name=value)"),
        (Ask::Query, "q=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q", "bad q \"q\" (allowed: 16 words"),
        (Ask::Query, "keyword", "\"keyword\" is not name=value"),
        (Ask::Query, "keyword=", "keyword needs a value"),
        (Ask::Query, "=x", "unknown parameter \"\" (allowed: "),
        (Ask::Query, "limit=x", "bad limit \"x\" (allowed: 1 or more)"),
        (Ask::Query, "limit=1000001", "bad limit \"1000001\" (allowed: 1 to 1000000)"),
        (Ask::Query, "format=xml", "bad format \"xml\" (allowed: text, json, logfmt, csv, raw)"),
        (Ask::Query, "n=3", "unknown parameter \"n\""),
        (Ask::Query, "step=60s", "unknown parameter \"step\""),
        (Ask::Query, "by=level", "unknown parameter \"by\""),
        (Ask::Query, "since=soon", "bad time \"soon\""),
        (Ask::Query, "regex=(", "regex: unclosed group"),
        (Ask::Query, "level=error&timeout=soon", "bad timeout \"soon\" (allowed: 1 to 600000 ms"),
        (Ask::Query, "after=17446744073709551615", "bad after \"17446744073709551615\" (allowed"),
        (Ask::Tail, "order=desc", "unknown parameter \"order\""),
        (Ask::Tail, "format=json", "unknown parameter \"format\" (allowed: format= of /api/query"),
        (Ask::Tail, "after=1&n=2", "after= and n= exclude each other"),
        (Ask::Tail, "before=1", "unknown parameter \"before\""),
        (Ask::Hits, "format=csv", "unknown parameter \"format\""),
        (Ask::Hits, "step=60", "bad step \"60\" (allowed: a duration of 1ms or more, as 60s"),
        (Ask::Hits, "step=1us", "bad step \"1us\""),
        (Ask::Hits, "step_ms=0", "bad step_ms \"0\" (allowed: 1 or more milliseconds)"),
        (Ask::Hits, "step_ms=1", "bad step \"1ms\" (allowed: 10ms or more for this range)"),
        (Ask::Hits, "buckets=0", "bad buckets \"0\" (allowed: 1 to 1000)"),
        (Ask::Hits, "buckets=1001", "bad buckets \"1001\" (allowed: 1 to 1000)"),
        (Ask::Hits, "buckets=9&step=1m", "step= is given more than once"),
        (Ask::Labels, "level=error", "unknown parameter \"level\" (allowed: timeout)"),
        (Ask::Values(b"host".to_vec()), "q=x", "unknown parameter \"q\" (allowed: timeout)"),
        (Ask::Values(Vec::new()), "", "label needs a value (allowed: the name of a label)"),
        (Ask::Stats, "by=colour", "bad by \"colour\" (allowed: level, stream, transport)"),
        (Ask::Stats, "level=error", "unknown parameter \"level\" (allowed: by, timeout)"),
    ] {
        let error = ask(kind, query, &segment).map(|question| question.words).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{query}: {error}");
        assert_eq!(error.status(), 400, "{query}");
        let object: serde_json::Value = serde_json::from_slice(&error.json()).unwrap();
        assert_eq!(object, serde_json::json!({ "error": error.to_string() }));
    }
    let error = ask(Ask::Query, &format!("after={head}"), &segment).unwrap_err();
    assert_eq!(
        error,
        AskError::After(format!("bad after \"{head}\" (allowed: up to {})", head - 1))
    );
}

#[test]
fn a_question_that_is_too_long_is_refused() {
    let segment = ring();
    let long = |bytes: usize| format!("keyword={}", "x".repeat(bytes - "keyword".len() - 2));
    assert!(ask(Ask::Query, &long(HTTP_QUESTION_BYTES_MAX), &segment).is_ok());
    let error = ask(Ask::Query, &long(HTTP_QUESTION_BYTES_MAX + 1), &segment).unwrap_err();
    assert_eq!(
        (error.status(), error.to_string()),
        (413, "parameters exceed 8192 bytes".to_owned())
    );
    let many = "_&".repeat(HTTP_QUESTION_BYTES_MAX);
    assert_eq!(ask(Ask::Labels, &many, &segment).unwrap_err(), AskError::Long);
}

#[test]
fn a_question_has_a_limit() {
    let mut segment = ring();
    for _ in 0..2000 {
        append(&mut segment, b"x", Level::Info, NOW, b"host=a");
    }
    for (query, lines) in [("", 1000), ("limit=1500", 1500), ("limit=1000000", 2006)] {
        let answer = answer(&mut ask(Ask::Query, query, &segment).unwrap(), &segment);
        assert_eq!(answer.lines().count(), lines, "{query}");
    }
}

#[test]
fn a_timeout_is_bounded() {
    let segment = ring();
    for (text, expected) in [
        ("5000", Some(5_000_000_000)),
        ("1", Some(1_000_000)),
        ("600000", Some(600_000_000_000)),
        ("2m", Some(120_000_000_000)),
        ("10m", Some(600_000_000_000)),
        ("601s", None),
        ("600001", None),
        ("0", None),
        ("1us", None),
        ("99999999999999999999", None),
        ("18446744073709551615", None),
    ] {
        for kind in [Ask::Query, Ask::Hits, Ask::Labels, Ask::Stats] {
            let question = ask(kind, &format!("timeout={text}"), &segment);
            assert_eq!(question.ok().and_then(|question| question.timeout_ns), expected, "{text}");
        }
    }
    assert!(ask(Ask::Query, "timeout=5&timeout=6", &segment).is_err());
}

#[test]
fn an_answer_says_what_it_is() {
    let segment = ring();
    for (kind, query, content_type, is_tail, words) in [
        (Ask::Query, "", "application/x-ndjson", false, "QUERY"),
        (
            Ask::Query,
            "q=a+-b&level%3E=warning&limit=5&_=7",
            "application/x-ndjson",
            false,
            "QUERY q=\\\"a -b\\\" level>=warning limit=5",
        ),
        (Ask::Query, "format=json", "application/x-ndjson", false, "QUERY format=json"),
        (Ask::Query, "format=csv", "text/csv; charset=utf-8", false, "QUERY format=csv"),
        (Ask::Query, "format=TEXT", "text/plain; charset=utf-8", false, "QUERY format=TEXT"),
        (Ask::Query, "format=logfmt", "text/plain; charset=utf-8", false, "QUERY format=logfmt"),
        (Ask::Query, "q=format%3Draw", "application/octet-stream", false, "QUERY q=format=raw"),
        (Ask::Tail, "n=2", "text/event-stream", true, "TAIL n=2"),
        (Ask::Hits, "buckets=9", "application/json", false, "HITS buckets=9"),
        (Ask::Labels, "_", "application/json", false, "LABELS"),
        (Ask::Values(b"HOST".to_vec()), "", "application/json", false, "VALUES host"),
        (Ask::Stats, "", "application/json", false, "STATS"),
        (Ask::Stats, "by=Level", "application/json", false, "STATS level"),
    ] {
        let question = ask(kind, query, &segment).unwrap();
        assert_eq!(question.content_type, content_type, "{query}");
        assert_eq!((question.is_tail, &question.words[..]), (is_tail, words), "{query}");
    }
    let long = format!("keyword={}", "x".repeat(500));
    assert_eq!(ask(Ask::Query, &long, &segment).unwrap().words.chars().count(), 201);
    let hostile = ask(Ask::Query, "keyword=%00%0a%1b[2J%ff", &segment).unwrap();
    assert_eq!(hostile.words, "QUERY keyword=\\\"\\x00\\n\\x1b[2J\\xff\\\"");
}

#[test]
fn every_format_of_a_download_is_bare() {
    let segment = ring();
    for (format, start, lines) in [
        ("text", "[2026-11-20 10:00:00] connection refused by upstream\n", 6),
        ("json", "{\"seq\":1795168800000000,\"time\":", 6),
        ("logfmt", "seq=1795168800000000 time=", 6),
        ("csv", "seq,time,event_time,", 7),
        ("raw", "connection refused by upstream\nGET ", 6),
    ] {
        let mut question = ask(Ask::Query, &format!("format={format}"), &segment).unwrap();
        let text = answer(&mut question, &segment);
        assert!(text.starts_with(start), "{text}");
        assert_eq!(text.lines().count(), lines);
    }
}

#[test]
fn a_tail_resumes_behind_the_last_event() {
    let segment = ring();
    let (tail, head) = (segment.tail().0, segment.head().0);
    let resumed = |query: &str, id: &str| {
        let mut question = ask_with(Ask::Tail, query, Some(id), &segment).unwrap();
        (answer(&mut question, &segment), question.words)
    };
    let seen = |query: &str, id: u64| shown(&resumed(query, &id.to_string()).0, &segment);
    assert_eq!(seen("", tail + 3), [4, 5]);
    assert_eq!(seen("n=3", tail + 4), [5]);
    assert_eq!(seen(&format!("after={tail}&keyword=re"), tail + 1), [2, 5]);
    assert_eq!(seen("n=2", head - 1), [0; 0]);
    assert_eq!(shown(&resumed("n=2", "").0, &segment), [4, 5]);
    let (text, words) = resumed("", &(head + 7).to_string());
    assert_eq!(text, format!("event: lost\nid: {}\ndata: {{\"lost\":6}}\n\n", head - 1));
    assert_eq!(words, format!("TAIL after={}", head + 7));
    let (text, _) = resumed("", "3");
    assert!(
        text.starts_with(&format!("event: lost\nid: {}\ndata: {{\"lost\":", tail - 1)),
        "{text}"
    );
    let error = ask_with(Ask::Tail, "", Some("x\n"), &segment).unwrap_err();
    assert_eq!(error.to_string(), "bad Last-Event-ID \"x\" (allowed: the number of a record)");
    assert!(ask_with(Ask::Query, "", Some("x"), &segment).is_ok(), "it is none of a query's");
}

#[test]
fn what_there_is_is_answered_as_json() {
    let segment = ring();
    let whole = |kind: Ask, query: &str| {
        let text = answer(&mut ask(kind, query, &segment).unwrap(), &segment);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let stats = whole(Ask::Stats, "");
    assert_eq!(stats["records"], 6);
    assert_eq!(stats["oldest_ms"], NOW / MS);
    assert_eq!(stats["newest_ms"], NOW / MS + 5000);
    assert_eq!(stats["head"].as_u64().unwrap() - stats["tail"].as_u64().unwrap(), 6);
    assert_eq!(stats["appended_records"], 6);
    assert_eq!(whole(Ask::Stats, "by=level")["values"][0]["count"], 2);
    assert_eq!(whole(Ask::Labels, "")["labels"].as_array().unwrap().len(), 3);
    assert_eq!(whole(Ask::Values(b"DC".to_vec()), "")["values"].as_array().unwrap().len(), 0);
    let dc = serde_json::json!({ "name": "dc", "values": [{ "value": "eu", "count": 1 }] });
    assert_eq!(whole(Ask::Values(b"dc".to_vec()), ""), dc);
    let hits = whole(Ask::Hits, "level>=warning&step_ms=1000&limit=1&order=desc");
    assert_eq!((&hits["total"], &hits["step_ms"]), (&3.into(), &1000.into()));
    let empty = Segment::create(
        MemStore::zeroed(1 << 20),
        Geometry::for_size(1 << 20).unwrap(),
        Options::default(),
        7,
        NOW,
    );
    let stats = answer(&mut ask(Ask::Stats, "", &empty).unwrap(), &empty);
    assert!(stats.starts_with("{\"records\":0,\"oldest_ms\":null,\"newest_ms\":null,"), "{stats}");
}

/// A value that the text protocol can spell: on one line.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z \"\\\\&=~!<>+%/-]{1,12}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>().prop_filter("one line", |b| *b != b'\n'), 1..12),
    ]
}

const NAMES: [&str; 9] =
    ["keyword", "!keyword", "app", "app!", "field.a", "field.a!", "level>", "limit", "host"];

proptest! {
    #[test]
    fn a_pair_is_the_same_as_its_words_in_the_text_protocol(
        given in proptest::collection::vec((0..NAMES.len(), value()), 0..4),
    ) {
        let segment = ring();
        let mut line = Vec::new();
        let mut pairs = Vec::new();
        for (name, value) in &given {
            line.extend_from_slice(NAMES[*name].as_bytes());
            line.push(b'=');
            quote(value, &mut line);
            line.push(b' ');
            pairs.push((Cow::Borrowed(NAMES[*name].as_bytes()), Some(Cow::Borrowed(&value[..]))));
        }
        let zone = TimeZone::UTC;
        let times = TimeContext::new(NOW, &zone);
        let expected = parse_parameters(&line, false, &times);
        let seen = question(Ask::Query, &mut pairs.into_iter(), None, &times, &segment);
        let is_over = expected.as_ref().is_ok_and(|query| query.limit > Some(HTTP_LIMIT_MAX));
        match (expected, seen) {
            (Ok(mut query), Ok(mut seen)) => {
                query.format = Format::Ndjson;
                let walk = Answer::Records(Cursor::query(query, &segment));
                let mut expected = Question { walk, ..ask(Ask::Query, "", &segment).unwrap() };
                prop_assert_eq!(answer(&mut seen, &segment), answer(&mut expected, &segment));
            }
            (Err(expected), Err(AskError::Query(seen))) => prop_assert_eq!(expected, seen),
            (_, Err(_)) if is_over => {}
            (expected, seen) => prop_assert!(false, "{expected:?} {seen:?}"),
        }
    }

    #[test]
    fn any_bytes_are_answered_or_refused(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_question(&data);
    }
}
