//! Questions asked of small segments, against a walk over all records.

mod answers;
mod censuses;
mod conditions;
mod counting;
mod crashes;
mod pages;
mod patterns;
mod shared;
mod shown;
mod tallies;
mod times;

use jiff::tz::TimeZone;

use super::*;
use crate::level::Level;
use crate::segment::{Geometry, MemStore, NewRecord, Options, Record, Segment, Store, StreamRef};

/// 2026-11-20 10:00:00 UTC.
const NOW: u64 = 1_795_168_800_000_000_000;

type Memory = Segment<MemStore>;

/// A ring of 1 MiB with blocks of 64 KiB.
fn ring() -> Memory {
    let geometry = Geometry::for_size(1 << 20).unwrap();
    Segment::create(MemStore::zeroed(1 << 20), geometry, Options::default(), 7, NOW)
}

fn append(segment: &mut Memory, text: &[u8], level: Level, at: u64, labels: &[u8]) -> Seq {
    append_event(segment, text, level, (at, 0), labels)
}

/// As [`append`], with the times when it was received and when it happened.
fn append_event(
    segment: &mut Memory,
    text: &[u8],
    level: Level,
    (received_ns, event_ns): (u64, i64),
    labels: &[u8],
) -> Seq {
    let record = NewRecord { text, cut: false, level, received_ns, event_ns };
    segment.append(&record, labels, &mut StreamRef::default()).unwrap()
}

/// A ring that holds `lines`, each received a second after the one before it.
fn filled(lines: &[&str]) -> Memory {
    let mut segment = ring();
    for (index, line) in lines.iter().enumerate() {
        let at = NOW + index as u64 * 1_000_000_000;
        append(&mut segment, line.as_bytes(), Level::Info, at, b"host=10.0.0.5");
    }
    segment
}

/// Shows every visible record, oldest first.
fn each_record(segment: &Memory, mut show: impl FnMut(&Record<'_>)) {
    let mut next = segment.block_containing(segment.tail());
    while let Some(block) = next.and_then(|id| segment.block(id)) {
        for index in 0..block.count {
            let record = block.record(index).unwrap();
            if record.seq >= segment.tail() {
                show(&record);
            }
        }
        next = segment.next_block(block.sequence);
    }
}

fn question(text: &str) -> Query {
    question_at(text, false)
}

fn question_at(text: &str, is_tail: bool) -> Query {
    let zone = TimeZone::UTC;
    let context = TimeContext { has_label: &|name| name == b"dc", ..TimeContext::new(NOW, &zone) };
    parse_parameters(text.as_bytes(), is_tail, &context).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn recent(count: u64) -> Query {
    Query { limit: Some(count), is_recent: true, ..Query::default() }
}

/// Runs `cursor` until it is done or caught up.
fn run<S: Store>(cursor: &mut Cursor, segment: &Segment<S>, out_bytes_max: usize) -> String {
    let mut time = LocalTime::new(TimeZone::UTC);
    let (mut all, mut out) = (Vec::new(), Vec::new());
    for _ in 0..1_000_000 {
        let announced = cursor.next_block(segment);
        let slice = cursor.slice(segment, &mut out, out_bytes_max, &mut time);
        if cursor.scan.block.is_some() {
            assert_eq!(cursor.scan.block, announced, "a slice touches the block it announced");
        }
        match slice {
            Slice::More => {}
            Slice::Blocked => all.append(&mut out),
            Slice::CaughtUp | Slice::Done => {
                all.append(&mut out);
                return String::from_utf8_lossy(&all).into_owned();
            }
        }
    }
    panic!("the cursor comes to no end: {cursor:?}");
}

fn answer<S: Store>(query: Query, segment: &Segment<S>) -> String {
    run(&mut Cursor::query(query, segment), segment, usize::MAX)
}
