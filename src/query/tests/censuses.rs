//! What there is in the ring.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::limits::{CENSUS_BYTES_MAX, CENSUS_NAMES_MAX, STREAM_BYTES_MAX};

/// Runs a census to its end.
fn counted(census: &mut Census, segment: &Memory, out_bytes_max: usize) -> String {
    let (mut all, mut out) = (Vec::new(), Vec::new());
    for _ in 0..1_000_000 {
        census.next_block(segment);
        match census.slice(segment, &mut out, out_bytes_max) {
            Slice::More => {}
            Slice::Done => {
                all.append(&mut out);
                return String::from_utf8(all).unwrap();
            }
            _ => all.append(&mut out),
        }
    }
    panic!("the census comes to no end: {census:?}");
}

fn census(listing: Listing, segment: &Memory) -> String {
    counted(&mut Census::new(listing, segment), segment, usize::MAX)
}

fn values(label: &str) -> Listing {
    Listing::Values(label.as_bytes().to_vec())
}

#[test]
fn what_there_is_is_listed_the_most_first() {
    let mut segment = ring();
    for (level, labels) in [
        (Level::Error, &b"app=a b\0host=h1\0transport=udp"[..]),
        (Level::Info, b"app=x\0host=h2\0transport=tcp"),
        (Level::Info, b"app=x\0host=h2\0transport=tcp"),
        (Level::Debug, b"app=x\0host=h1\0transport=tcp"),
        (Level::Unknown, b"odd=\n=\""),
        (Level::Unknown, b""),
    ] {
        append(&mut segment, b"line", level, NOW, labels);
    }
    for (listing, expected) in [
        (
            Listing::Labels,
            "LABELS: 4 names\napp 2 values\nhost 2 values\ntransport 2 values\nodd 1 values\n",
        ),
        (values("host"), "VALUES host: 2 values\nh1 2\nh2 2\n"),
        (values("app"), "VALUES app: 2 values\nx 3\n\"a b\" 1\n"),
        (values("odd"), "VALUES odd: 1 values\n\"\\n=\\\"\" 1\n"),
        (values("ho"), "VALUES ho: 0 values\n"),
        (values("no such"), "VALUES \"no such\": 0 values\n"),
        (Listing::Levels, "STATS level: 4 levels\ninfo 2\nunknown 2\ndebug 1\nerror 1\n"),
        (
            Listing::Streams,
            "STATS stream: 5 streams\napp=x host=h2 transport=tcp 2\n- 1\n\
             app=\"a b\" host=h1 transport=udp 1\napp=x host=h1 transport=tcp 1\n\
             odd=\"\\n=\\\"\" 1\n",
        ),
        (Listing::Transports, "STATS transport: 3 transports\ntcp 3\nunknown 2\nudp 1\n"),
    ] {
        let seen = census(listing.clone(), &segment);
        assert_eq!(seen, expected, "{listing:?}");
    }
    assert_eq!(census(Listing::Labels, &ring()), "LABELS: 0 names\n");
    assert_eq!(census(Listing::Levels, &ring()), "STATS level: 0 levels\n");
}

#[test]
fn a_census_may_be_one_json_object() {
    let mut segment = ring();
    for (level, labels) in [
        (Level::Error, &b"app=a \\\"b\"\0host=h1\0transport=udp"[..]),
        (Level::Info, b"app=x\0host=h2\0transport=tcp"),
        (Level::Info, b"app=x\0host=h2\0transport=tcp"),
        (Level::Unknown, b"odd\n=\xff"),
        (Level::Unknown, b""),
    ] {
        append(&mut segment, b"line", level, NOW, labels);
    }
    for (listing, expected) in [
        (
            Listing::Labels,
            concat!(
                r#"{"labels":[{"name":"app","values":2},{"name":"host","values":2},"#,
                r#"{"name":"transport","values":2},{"name":"odd\n","values":1}]}"#
            ),
        ),
        (
            values("host"),
            r#"{"name":"host","values":[{"value":"h2","count":2},{"value":"h1","count":1}]}"#,
        ),
        (
            values("app"),
            r#"{"name":"app","values":[{"value":"x","count":2},{"value":"a \\\"b\"","count":1}]}"#,
        ),
        (
            values("odd\n"),
            "{\"name\":\"odd\\n\",\"values\":[{\"value\":\"\u{fffd}\",\"count\":1}]}",
        ),
        (values("\"\n"), r#"{"name":"\"\n","values":[]}"#),
        (
            Listing::Levels,
            concat!(
                r#"{"by":"level","values":[{"value":"info","count":2},"#,
                r#"{"value":"unknown","count":2},{"value":"error","count":1}]}"#
            ),
        ),
        (
            Listing::Streams,
            concat!(
                r#"{"by":"stream","values":["#,
                r#"{"value":"{app=\"x\",host=\"h2\",transport=\"tcp\"}","count":2},"#,
                r#"{"value":"{}","count":1},"#,
                r#"{"value":"{app=\"a \\\\\\\"b\\\"\",host=\"h1\",transport=\"udp\"}","count":1},"#,
                "{\"value\":\"{odd\\n=\\\"\u{fffd}\\\"}\",\"count\":1}]}"
            ),
        ),
        (
            Listing::Transports,
            concat!(
                r#"{"by":"transport","values":[{"value":"tcp","count":2},"#,
                r#"{"value":"unknown","count":2},{"value":"udp","count":1}]}"#
            ),
        ),
    ] {
        for out_bytes_max in [1, usize::MAX] {
            let mut census = Census::new(listing.clone(), &segment).json();
            let seen = counted(&mut census, &segment, out_bytes_max);
            assert_eq!(seen, format!("{expected}\n"), "{listing:?}");
            assert!(serde_json::from_str::<serde_json::Value>(&seen).is_ok());
        }
    }
}

#[test]
fn what_is_not_listed_is_more() {
    let mut segment = ring();
    for index in 0..CENSUS_NAMES_MAX + 33 {
        append(&mut segment, b"", Level::Info, NOW, format!("host={index}").as_bytes());
    }
    let seen = counted(&mut Census::new(values("host"), &segment).json(), &segment, 100);
    let object: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(object["values"].as_array().unwrap().len(), CENSUS_NAMES_MAX);
    assert_eq!(object["more"], 33);
    assert_eq!(
        counted(&mut Census::new(Listing::Labels, &ring()).json(), &ring(), 1),
        "{\"labels\":[]}\n"
    );
}

#[test]
fn what_is_cleared_or_came_later_is_not_counted() {
    let mut segment = filled(&["a", "b"]);
    segment.clear();
    append(&mut segment, b"c", Level::Error, NOW, b"host=new");
    let listings = [Listing::Levels, values("host")];
    let mut begun = listings.map(|listing| Census::new(listing, &segment));
    append(&mut segment, b"d", Level::Debug, NOW, b"host=later");
    let seen = begun.each_mut().map(|census| counted(census, &segment, usize::MAX));
    assert_eq!(seen, ["STATS level: 1 levels\nerror 1\n", "VALUES host: 1 values\nnew 1\n"]);
}

#[test]
fn levels_of_whole_blocks_are_known_without_reading_them() {
    let mut segment = ring();
    for _ in 0..5000 {
        append(&mut segment, &[b'x'; 80], Level::Info, NOW, b"host=a");
    }
    let mut all = Census::new(Listing::Levels, &segment);
    assert_eq!(all.next_block(&segment), None);
    assert_eq!(counted(&mut all, &segment, 9), "STATS level: 1 levels\ninfo 5000\n");
    assert_eq!(all.scanned_bytes(), 0);
    // Where the newest block was still growing at the question, its slots are counted.
    let mut census = Census::new(Listing::Levels, &segment);
    append(&mut segment, b"later", Level::Info, NOW, b"host=a");
    assert_eq!(census.next_block(&segment), segment.newest_block());
    assert_eq!(counted(&mut census, &segment, 9), "STATS level: 1 levels\ninfo 5000\n");
    assert!((1..1 << 16).contains(&census.scanned_bytes()));
}

#[test]
fn more_names_than_are_told_apart_are_counted_together() {
    let mut segment = ring();
    // The walk begins with the newest, so that the oldest are left out.
    for index in 0..CENSUS_NAMES_MAX + 30 {
        append(&mut segment, b"", Level::Info, NOW, format!("host={index}").as_bytes());
    }
    let listed = format!("VALUES host: {CENSUS_NAMES_MAX} values\n");
    let mut all = Census::new(values("host"), &segment);
    let text = counted(&mut all, &segment, 100);
    assert!(
        text.starts_with(&listed) && text.ends_with("\n# more: 30 records that are not listed\n")
    );
    assert_eq!((all.left_out(), all.found()), (30, CENSUS_NAMES_MAX as u64));
    let mut labels = Census::new(Listing::Labels, &segment);
    let text = counted(&mut labels, &segment, 100);
    assert_eq!(
        text,
        format!(
            "LABELS: 1 names\nhost {CENSUS_NAMES_MAX} values\n{}",
            "# more: 30 records that are not listed\n"
        )
    );

    let bytes = 8 << 20;
    let geometry = Geometry::for_size(bytes).unwrap();
    let store = MemStore::zeroed(bytes as usize);
    let mut segment = Segment::create(store, geometry, Options::default(), 7, NOW);
    let long = STREAM_BYTES_MAX - "app=".len();
    let listed = CENSUS_BYTES_MAX / STREAM_BYTES_MAX;
    for index in 0..listed + 5 {
        let labels = format!("app={index:0>long$}");
        append(&mut segment, b"", Level::Info, NOW, labels.as_bytes());
    }
    let text = census(Listing::Streams, &segment);
    assert!(text.starts_with(&format!("STATS stream: {listed} streams\n")));
    assert!(text.ends_with("\n# more: 5 records that are not listed\n"));
}

type Line = (Vec<u8>, u8, Vec<(u8, u8)>);

/// Records of random streams.
fn records() -> impl Strategy<Value = Vec<Line>> {
    let labels = proptest::collection::vec((0..4u8, 0..6u8), 0..4);
    proptest::collection::vec(("[ab]{0,900}".prop_map(String::into_bytes), 0..10u8, labels), 0..200)
}

/// The labels of a stream: names sorted, each once.
fn stream(pairs: &[(u8, u8)]) -> BTreeMap<String, String> {
    let name = |name: &u8| ["app", "host", "transport", "zone"][usize::from(*name)].to_owned();
    pairs.iter().map(|(key, value)| (name(key), format!("v{value}"))).collect()
}

/// An answer with these counts.
fn listing(head: &str, unit: &str, counts: &BTreeMap<String, u64>) -> String {
    let mut lines: Vec<_> = counts.iter().collect();
    lines.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let lines = lines.into_iter().map(|(name, count)| format!("{name} {count}{unit}\n"));
    format!("{}\n{}", head.replace('#', &counts.len().to_string()), lines.collect::<String>())
}

proptest! {
    #[test]
    fn a_census_does_not_depend_on_how_its_steps_are_cut(
        records in records(),
        hidden in 0..50usize,
        out_bytes_max in prop_oneof![Just(1usize), 2..90usize, Just(usize::MAX)],
    ) {
        let mut segment = ring();
        let mut levels = BTreeMap::<String, u64>::new();
        let mut hosts = BTreeMap::<String, u64>::new();
        let mut transports = BTreeMap::<String, u64>::new();
        let mut streams = BTreeMap::<String, u64>::new();
        let mut pairs = BTreeMap::<String, BTreeSet<String>>::new();
        for (index, (text, level, labels)) in records.iter().enumerate() {
            if index == hidden {
                segment.clear();
                for counts in [&mut levels, &mut hosts, &mut transports, &mut streams] {
                    counts.clear();
                }
                pairs.clear();
            }
            let level = Level::from_byte(*level).unwrap();
            let labels = stream(labels);
            let pair = |(name, value): (&String, &String)| format!("{name}={value}");
            let joined: Vec<String> = labels.iter().map(pair).collect();
            append(&mut segment, text, level, NOW, joined.join("\0").as_bytes());
            *levels.entry(level.name().to_owned()).or_default() += 1;
            if let Some(host) = labels.get("host") {
                *hosts.entry(host.clone()).or_default() += 1;
            }
            let transport = labels.get("transport").cloned().unwrap_or("unknown".to_owned());
            *transports.entry(transport).or_default() += 1;
            let shown = if joined.is_empty() { "-".to_owned() } else { joined.join(" ") };
            *streams.entry(shown).or_default() += 1;
            for (name, value) in labels {
                pairs.entry(name).or_default().insert(value);
            }
        }
        let names = pairs.into_iter().map(|(name, values)| (name, values.len() as u64)).collect();
        for (listing, expected) in [
            (Listing::Levels, listing("STATS level: # levels", "", &levels)),
            (values("host"), listing("VALUES host: # values", "", &hosts)),
            (Listing::Transports, listing("STATS transport: # transports", "", &transports)),
            (Listing::Streams, listing("STATS stream: # streams", "", &streams)),
            (Listing::Labels, listing("LABELS: # names", " values", &names)),
        ] {
            let mut census = Census::new(listing, &segment);
            prop_assert_eq!(counted(&mut census, &segment, out_bytes_max), expected);
        }
    }
}
