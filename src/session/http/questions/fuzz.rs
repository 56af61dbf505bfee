//! Any bytes as a question, asked of a small ring and answered to the end.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use serde::de::IgnoredAny;

use super::{Answer, Ask, Question, question};
use crate::level::Level;
use crate::query::{LocalTime, Slice, TimeContext};
use crate::segment::{Geometry, MemStore, NewRecord, Options, Segment, StreamRef};

/// 2026-11-20 10:00:00 UTC.
const NOW: u64 = 1_795_168_800_000_000_000;

/// Records of every kind, a second apart.
static RING: LazyLock<Segment<MemStore>> = LazyLock::new(|| {
    let geometry = Geometry::for_size(1 << 20).expect("the smallest size there is");
    let store = MemStore::zeroed(1 << 20);
    let mut segment = Segment::create(store, geometry, Options::default(), 7, NOW);
    let texts: [&[u8]; 5] = [
        b"connection refused",
        b"{\"msg\":\"a \\\"b\\\"\",\"status\":503,\"user\":{\"name\":\"bob\"}}",
        b"level=info msg=x n=17\r\ndata: not an event\n\nid: 4",
        b"<11>1 2026-11-20T09:59:59Z edge1 api 17 - - \xff\xfe\0",
        b"",
    ];
    for (index, level) in Level::ALL.into_iter().cycle().take(60).enumerate() {
        let received_ns = NOW - 60_000_000_000 + index as u64 * 1_000_000_000;
        let event_ns = if index % 3 == 0 { received_ns as i64 - 500_000_000 } else { 0 };
        let text = texts[index % texts.len()];
        let record = NewRecord { text, cut: false, level, received_ns, event_ns };
        let labels: &[u8] = if index % 2 == 0 { b"app=\"a\\\n\0host=h" } else { b"host=i" };
        segment.append(&record, labels, &mut StreamRef::default()).expect("there is room");
    }
    segment
});

pub(super) fn run(data: &[u8]) {
    let (&kind, rest) = data.split_first().unwrap_or((&0, b""));
    let ask = match kind % 6 {
        0 => Ask::Query,
        1 => Ask::Tail,
        2 => Ask::Hits,
        3 => Ask::Labels,
        4 => Ask::Values(rest.iter().copied().take(4).collect()),
        _ => Ask::Stats,
    };
    let pair = |pair: &'_ [u8]| match memchr::memchr(b'=', pair) {
        Some(at) => (Cow::Owned(pair[..at].to_vec()), Some(Cow::Owned(pair[at + 1..].to_vec()))),
        None => (Cow::Owned(pair.to_vec()), None),
    };
    let mut pairs = rest.split(|byte| *byte == b'&').map(pair);
    let last_event_id = (kind & 0x80 != 0).then(|| rest.get(..3).unwrap_or(rest));
    let zone = TimeZone::UTC;
    let has_label = |name: &[u8]| RING.has_label(name);
    let times = TimeContext { has_label: &has_label, ..TimeContext::new(NOW, &zone) };
    match question(ask, &mut pairs, last_event_id, &times, &RING) {
        Ok(question) => check(question),
        Err(error) => assert!(is_json(&error.json()), "{error}"),
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Answers in small steps, and looks at the answer.
fn check(question: Question) {
    let mut time = LocalTime::new(TimeZone::UTC);
    let mut all = Vec::new();
    let mut walk = question.walk;
    for step in 0.. {
        assert!(step < 1_000_000, "the answer comes to no end");
        let mut out = Vec::new();
        let slice = match &mut walk {
            Answer::Records(cursor) => cursor.slice(&RING, &mut out, 100, &mut time),
            Answer::Census(census) => census.slice(&RING, &mut out, 100),
            Answer::Hits(hits) => hits.slice(&RING, &mut out, 100),
            Answer::Whole(body) => {
                out.append(body);
                Slice::Done
            }
        };
        all.append(&mut out);
        if matches!(slice, Slice::Done | Slice::CaughtUp) {
            break;
        }
    }
    match question.content_type {
        "application/x-ndjson" => all.split(|byte| *byte == b'\n').for_each(|line| {
            assert!(line.is_empty() || is_json(line), "{}", line.escape_ascii());
        }),
        "application/json" => assert!(is_json(&all), "{}", all.escape_ascii()),
        "text/event-stream" => {
            let text = std::str::from_utf8(&all).expect("events are UTF-8");
            for line in text.lines() {
                let (name, value) = line.split_once(": ").unwrap_or((line, ""));
                match name {
                    "" | "event" | "id" => {}
                    "data" => assert!(is_json(value.as_bytes()), "{line}"),
                    _ => panic!("{line}"),
                }
            }
        }
        _ => {}
    }
}
