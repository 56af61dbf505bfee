//! Questions about what power cuts have left.

use super::*;
use crate::segment::{Durability, Full, Opening};

/// Syncs what there is.
fn sync(segment: &mut Memory) {
    let ticket = segment.sync_begin();
    segment.sync_done(ticket);
}

/// Appends lines, synced as they must be, until one has begun a new block; gives their texts.
fn fill_a_block(segment: &mut Memory, life: usize) -> Vec<String> {
    let (mut lines, before) = (Vec::new(), segment.newest_block());
    while lines.is_empty() || segment.newest_block() == before {
        let line = format!("life {life} line {}", lines.len());
        let new = NewRecord {
            text: line.as_bytes(),
            cut: false,
            level: Level::Info,
            received_ns: NOW,
            event_ns: 0,
        };
        match segment.append(&new, b"host=a", &mut StreamRef::default()) {
            Ok(_) => lines.push(line),
            Err(Full::Dirty | Full::Limit | Full::NotReady) => sync(segment),
        }
    }
    lines
}

/// Power goes when of the newest block nothing but its header is on disk.
fn cut_behind_the_header(segment: Memory, options: Options) -> Memory {
    let newest = segment.block_range(segment.newest_block().unwrap());
    let mut store = segment.into_store();
    store.0[newest.start as usize + 512..newest.end as usize].fill(0);
    let mut opening = Opening::new(store, options, 9).unwrap();
    while !opening.step() {}
    let (mut segment, _) = opening.finish();
    assert!(
        segment
            .append(
                &NewRecord {
                    text: b"x",
                    cut: false,
                    level: Level::Info,
                    received_ns: NOW,
                    event_ns: 0
                },
                b"",
                &mut StreamRef::default()
            )
            .is_err(),
        "nothing is appended before the first sync"
    );
    segment
}

/// Every question is answered with all of `lines`, forwards and backwards.
#[track_caller]
fn all_are_found(segment: &Memory, lines: &[String]) {
    let text = |lines: &[String]| lines.concat().len() + lines.len();
    assert_eq!(segment.records(), lines.len() as u64);
    let found = format!("FOUND: {} matches", lines.len());
    for words in ["format=raw", "format=raw keyword=life", "format=raw order=desc"] {
        let answer = answer(question(words), segment);
        assert_eq!(answer.lines().next(), Some(found.as_str()), "{words}");
        assert_eq!(answer.len(), found.len() + 1 + text(lines), "{words}");
    }
    let count = lines.len() as u64;
    assert_eq!(answer(recent(count), segment).lines().count(), lines.len() + 1, "RECENT");
    let tail = question_at(&format!("n={count} format=raw"), true);
    let shown = run(&mut Cursor::tail(tail, segment), segment, usize::MAX);
    assert_eq!(shown.len(), text(lines), "TAIL n={count}");
    let after = segment.tail().0 - 1;
    let tail = question_at(&format!("after={after} format=raw"), true);
    let shown = run(&mut Cursor::tail(tail, segment), segment, usize::MAX);
    assert_eq!(shown.len(), text(lines), "TAIL after={after}");
}

#[test]
fn a_block_without_a_slot_ends_no_walk() {
    let options = Options { durability: Durability::Synced, ..Options::default() };
    let geometry = Geometry::for_size(1 << 20).unwrap();
    let store = MemStore::zeroed(1 << 20);
    let mut segment = Segment::create(store, geometry, options, 7, NOW);
    let mut lines = Vec::new();
    for life in 0..5 {
        let mut more = fill_a_block(&mut segment, life);
        all_are_found(&segment, &[&lines[..], &more[..]].concat());
        // The line that began the block goes with the cut.
        more.pop();
        lines.extend(more);
        segment = cut_behind_the_header(segment, options);
        all_are_found(&segment, &lines);
        sync(&mut segment);
    }
}
