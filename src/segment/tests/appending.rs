//! What was appended is there, in order, until the ring or a limit takes it.

use super::support::served_and_damaged;
use crate::level::Level;
use crate::limits::LABEL_NAMES_MAX;
use crate::segment::*;

const EPOCH: u64 = 0x5eed_0123_4567_89ab;
const NOW: u64 = 1_760_000_000_000_000_000;

fn small(options: Options) -> Segment<MemStore> {
    let geometry = Geometry::for_size(1 << 20).unwrap();
    Segment::create(MemStore::zeroed(1 << 20), geometry, options, EPOCH, NOW)
}

fn record(text: &[u8]) -> NewRecord<'_> {
    NewRecord { text, cut: false, level: Level::Info, received_ns: NOW, event_ns: 0 }
}

/// Every visible record: number, text and labels.
fn all(segment: &Segment<MemStore>) -> Vec<(u64, Vec<u8>, Vec<u8>)> {
    let (found, damaged) = served_and_damaged(segment);
    assert_eq!(damaged, 0);
    found.into_iter().map(|(seq, (text, labels))| (seq, text, labels)).collect()
}

#[test]
fn names_of_labels_are_remembered() {
    let mut segment = small(Options::default());
    let mut append = |labels: &str| {
        segment.append(&record(b"x"), labels.as_bytes(), &mut StreamRef::default()).unwrap();
        segment.has_label(b"dc")
    };
    assert!(!append("") && !append("host=a\0xdc=dc") && !append("host=dc") && !append("dc"));
    assert!(append("dc=fra\0host=a"));
    for index in 0..2 * LABEL_NAMES_MAX {
        assert!(append(&format!("n{index}=1\0n{}=2", index + 500)));
    }
    let known = (0..1000).filter(|n| segment.has_label(format!("n{n}").as_bytes())).count();
    // Two of the others are `host` and `xdc`.
    assert_eq!(known, LABEL_NAMES_MAX - 3);
}

#[test]
fn a_record_reads_back_as_it_was_appended() {
    let mut segment = small(Options::default());
    let mut stream = StreamRef::default();
    let new = NewRecord {
        text: b"hello\nworld",
        cut: true,
        level: Level::Error,
        received_ns: 17,
        event_ns: -3,
    };
    let seq = segment.append(&new, b"host=10.0.0.5", &mut stream).unwrap();
    assert_eq!(seq, Seq(NOW / 1000));
    let block = segment.block(segment.block_containing(seq).unwrap()).unwrap();
    let read = block.record(0).unwrap();
    let expected = Record {
        seq,
        text: b"hello\nworld...",
        level: Level::Error,
        received_ns: 17,
        event_ns: -3,
        labels: b"host=10.0.0.5",
        cut: true,
    };
    assert_eq!(read, expected);
    let offset = block.slot(0).text_offset;
    assert_eq!(block.index_at(offset), Some(0));
    assert_eq!(block.index_at(offset + 13), Some(0));
    assert_eq!(block.index_at(offset + 14), None, "the newline belongs to no record");
    assert_eq!(block.index_at(offset - 1), None, "the stream entry belongs to no record");
}

#[test]
fn the_oldest_block_goes_when_the_ring_is_full() {
    let mut segment = small(Options::default());
    let mut stream = StreamRef::default();
    let text = [b'x'; 999];
    for _ in 0..3000 {
        segment.append(&record(&text), b"host=a", &mut stream).unwrap();
    }
    let found = all(&segment);
    assert!(found.len() > 14 * 55 && found.len() < 15 * 64, "{}", found.len());
    assert_eq!(found.last().unwrap().0, segment.head().0 - 1);
    assert_eq!(segment.counters().evicted_records + segment.records(), 3000);
    assert!(found.iter().all(|(_, _, labels)| labels == b"host=a"));
}

#[test]
fn records_beyond_records_max_are_hidden() {
    let mut segment = small(Options { records_max: Some(100), ..Options::default() });
    let mut stream = StreamRef::default();
    for index in 0..5000 {
        let text = format!("line {index} {}", "y".repeat(index % 700));
        segment.append(&record(text.as_bytes()), b"", &mut stream).unwrap();
        assert_eq!(segment.records(), (index as u64 + 1).min(100));
    }
    assert_eq!(all(&segment).len(), 100);
}

#[test]
fn labels_beyond_the_limit_are_cut() {
    let mut segment = small(Options::default());
    let labels = vec![b'l'; crate::limits::STREAM_BYTES_MAX + 1];
    segment.append(&record(b"a"), &labels, &mut StreamRef::default()).unwrap();
    assert_eq!(all(&segment)[0].2, &labels[..labels.len() - 1]);
}

#[test]
fn a_thousand_streams_read_back_with_their_labels() {
    let mut segment = small(Options::default());
    let mut streams = vec![StreamRef::default(); 1000];
    for index in 0..20_000 {
        let stream = index % 1000;
        let labels = format!("host=10.0.{}.{}", stream / 250, stream % 250);
        segment.append(&record(b"some line"), labels.as_bytes(), &mut streams[stream]).unwrap();
    }
    let first = segment.head().0 - 20_000;
    for (seq, _, labels) in all(&segment) {
        let stream = (seq - first) as usize % 1000;
        assert_eq!(labels, format!("host=10.0.{}.{}", stream / 250, stream % 250).into_bytes());
    }
}

#[test]
fn a_synced_segment_appends_only_within_its_limits() {
    let options = Options {
        durability: Durability::Synced,
        dirty_bytes_max: 128 << 10,
        ..Options::default()
    };
    let mut segment = small(options);
    let mut stream = StreamRef::default();
    let append = |segment: &mut Segment<MemStore>, stream: &mut StreamRef| {
        segment.append(&record(&[b'z'; 1000]), b"host=a", stream)
    };
    assert_eq!(append(&mut segment, &mut stream), Err(Full::Limit));
    assert_eq!(segment.wants_sync(), SyncWish::Now);
    let ticket = segment.sync_begin();
    assert_eq!(append(&mut segment, &mut stream), Err(Full::Limit), "not yet on disk");
    segment.sync_done(ticket);
    for _ in 0..64 {
        append(&mut segment, &mut stream).unwrap();
    }
    assert_eq!(append(&mut segment, &mut stream), Err(Full::Limit));
    let ticket = segment.sync_begin();
    segment.sync_done(ticket);
    assert_eq!(segment.durable(), segment.head());
    let mut appended = 0;
    while append(&mut segment, &mut stream).is_ok() {
        appended += 1;
    }
    assert_eq!(append(&mut segment, &mut stream), Err(Full::Dirty));
    assert!((110..128).contains(&appended), "{appended}");
}
