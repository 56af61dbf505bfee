use super::*;
use crate::level::Level;
use crate::segment::{Geometry, MemStore, NewRecord, Options, StreamRef};

fn segment() -> Segment<MemStore> {
    let geometry = Geometry::for_size(1 << 20).unwrap();
    let store = MemStore::zeroed(geometry.file_bytes as usize);
    Segment::create(store, geometry, Options::default(), 7, 1_000_000)
}

/// Appends `count` records of the stream with these labels.
fn append(segment: &mut Segment<MemStore>, labels: &str, count: u64) {
    let text = &b"some text"[..];
    let record = NewRecord { text, cut: false, level: Level::Info, received_ns: 1, event_ns: 0 };
    let mut stream = StreamRef::default();
    for _ in 0..count {
        segment.append(&record, labels.as_bytes(), &mut stream).unwrap();
    }
}

/// Counts until nothing is left.
fn settle(busiest: &mut Busiest, segment: &Segment<MemStore>, now: Mono) {
    while busiest.next != Some(segment.head()) {
        busiest.count(segment, now);
    }
}

fn pairs(listed: &[(String, u64)]) -> Vec<(&str, u64)> {
    listed.iter().map(|(stream, count)| (stream.as_str(), *count)).collect()
}

#[test]
fn each_record_is_counted_once_to_its_stream() {
    let (mut segment, mut busiest) = (segment(), Busiest::new());
    append(&mut segment, "host=before", 9);
    busiest.count(&segment, 0);
    for round in 0..500 {
        append(&mut segment, "app=a\0host=x", 3);
        append(&mut segment, "", 1);
        append(&mut segment, "host=x y", 2);
        if round % 7 == 0 {
            busiest.count(&segment, 0);
        }
    }
    settle(&mut busiest, &segment, 0);
    let listed = busiest.listed();
    let expected = [("app=a host=x", 1500), ("host=\"x y\"", 1000), ("-", 500)];
    assert_eq!(pairs(&listed), expected);
}

#[test]
fn ten_streams_are_listed_the_busiest_first() {
    let (mut segment, mut busiest) = (segment(), Busiest::new());
    busiest.count(&segment, 0);
    for number in 1..=20 {
        append(&mut segment, &format!("host={number}"), 10 * number);
    }
    settle(&mut busiest, &segment, 0);
    let listed = busiest.listed();
    assert_eq!(listed.len(), BUSIEST_STREAMS_SHOWN);
    assert_eq!(pairs(&listed)[..2], [("host=20", 200), ("host=19", 190)]);
}

#[test]
fn streams_made_up_by_the_line_are_never_listed() {
    let (mut segment, mut busiest) = (segment(), Busiest::new());
    busiest.count(&segment, 0);
    for number in 0..5000 {
        append(&mut segment, &format!("host=made-up-{number}"), 1);
        append(&mut segment, "host=real", u64::from(number % 10 == 0));
        busiest.count(&segment, 0);
    }
    assert_eq!(busiest.streams.len(), BUSIEST_STREAMS_KEPT);
    assert_eq!(pairs(&busiest.listed()), [("host=real", 500)]);
}

#[test]
fn who_was_busy_long_ago_gives_way() {
    let (mut segment, mut busiest) = (segment(), Busiest::new());
    busiest.count(&segment, 0);
    append(&mut segment, "host=loud", 10_000);
    settle(&mut busiest, &segment, 0);
    append(&mut segment, "host=quiet", 5);
    settle(&mut busiest, &segment, MS);
    assert_eq!(pairs(&busiest.listed()), [("host=loud", 10_000)]);
    append(&mut segment, "host=quiet", 5);
    settle(&mut busiest, &segment, 20 * BUSIEST_HALF_MS * MS);
    assert_eq!(pairs(&busiest.listed()), [("host=quiet", 10)]);
}

#[test]
fn a_turn_looks_at_so_many_slots() {
    let (mut segment, mut busiest) = (segment(), Busiest::new());
    busiest.count(&segment, 0);
    for host in ["host=a", "host=b"] {
        append(&mut segment, host, BUSIEST_SLOTS_PER_TURN * 4);
    }
    busiest.count(&segment, 0);
    let listed = busiest.listed();
    // Each that is looked at stands for so many; a run may begin or end between two of them.
    assert_eq!(listed.len(), 2);
    for (_, count) in listed {
        assert!(count.abs_diff(BUSIEST_SLOTS_PER_TURN * 4) <= 2 * 9, "{count}");
    }
}

#[test]
fn what_the_ring_took_or_was_cleared_is_passed_over() {
    let (mut segment, mut busiest) = (segment(), Busiest::new());
    busiest.count(&segment, 0);
    append(&mut segment, "host=a", 100_000);
    assert!(segment.records() < 100_000);
    let held = segment.records();
    settle(&mut busiest, &segment, 0);
    let counted = busiest.listed();
    // One in so many was looked at.
    assert!(counted[0].1.abs_diff(held) <= held / BUSIEST_SLOTS_PER_TURN + 1, "{counted:?}");
    append(&mut segment, "host=a", 10);
    segment.clear();
    busiest.count(&segment, 0);
    assert_eq!(busiest.listed(), counted);
}

#[test]
fn streams_that_only_differ_in_what_is_no_text_are_one() {
    let mut busiest = Busiest::new();
    for labels in [&b"host=\xff"[..], b"host=\xfe"] {
        let at = busiest.find(labels);
        busiest.streams[at].count = 2;
        busiest.streams[at].weight = 2;
    }
    let listed = busiest.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].1, 4);
}
