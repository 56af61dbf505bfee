//! A segment of another size holds the newest of the same records, under the same numbers.

use std::collections::BTreeMap;

use super::support::*;
use crate::level::Level;
use crate::segment::*;

const NOW: u64 = 1_760_000_000_000_000_000;

fn options() -> Options {
    Options { durability: Durability::Synced, ..Options::default() }
}

/// A segment of `bytes` bytes that has seen `count` records, some clears and some kills.
fn source(random: &mut Random, bytes: u64, count: u64) -> Disk {
    let geometry = Geometry::for_size(bytes).unwrap();
    let disk = Disk::new(vec![0; bytes as usize]);
    let mut segment = Segment::create(disk, geometry, options(), random.next(), NOW);
    let mut streams = [StreamRef::default(); 2];
    let sync = |segment: &mut Segment<Disk>, random: &mut Random| {
        let ticket = segment.sync_begin();
        segment.store.sync_begin();
        segment.store.sync_done(random);
        segment.sync_done(ticket);
    };
    sync(&mut segment, random);
    for index in 0..count {
        let mut text = format!("record {index} ").into_bytes();
        text.resize(text.len() + random.below(5000) as usize, b'r');
        let stream = random.below(2) as usize;
        let cut = random.chance(10);
        let new = NewRecord { text: &text, cut, level: Level::Info, received_ns: NOW, event_ns: 5 };
        let labels = [&b"host=a"[..], b"host=b"][stream];
        while segment.append(&new, labels, &mut streams[stream]).is_err() {
            sync(&mut segment, random);
        }
        if random.below(count) == 0 {
            segment.clear();
        }
        if random.below(count) < 3 {
            let mut opening = Opening::new(segment.into_store(), options(), index).unwrap();
            while !opening.step() {}
            segment = opening.finish().0;
            streams = [StreamRef::default(); 2];
            sync(&mut segment, random);
        }
    }
    if random.chance(50) {
        sync(&mut segment, random);
        let _ = segment.close_begin().unwrap();
    }
    segment.into_store()
}

fn resize(image: &[u8], bytes: u64, steps_max: u64) -> Vec<u8> {
    let geometry = Geometry::for_size(bytes).unwrap();
    let mut target = MemStore::zeroed(bytes as usize);
    let mut resizing = Resizing::new(offline(image), &mut target, geometry, 99);
    for _ in 0..steps_max {
        if resizing.step().unwrap() {
            resizing.finish();
            return target.0;
        }
    }
    drop(resizing);
    target.0
}

fn open(image: Vec<u8>) -> (Segment<MemStore>, Recovery) {
    let mut opening = Opening::new(MemStore(image), options(), 5).unwrap();
    while !opening.step() {}
    opening.finish()
}

/// Resizes what a cut or a kill has left, and compares it with what was intact there.
fn check(seed: u64, from: u64, to: u64) {
    let mut random = Random(seed);
    let count = 100 + random.below(700);
    let mut disk = source(&mut random, from, count);
    if random.chance(50) {
        disk.cut(&mut random);
    }
    let intact = Oracle::of(&disk.live);
    let image = resize(&disk.live, to, u64::MAX);
    let report = offline(&image).verify().unwrap();
    assert_eq!((report.damaged, report.torn), (0, 0), "seed {seed}");
    let (mut segment, recovery) = open(image);
    assert!(recovery.clean);
    assert_eq!(recovery.lost_blocks, 0, "seed {seed}");
    let found = served(&segment);
    let newest: BTreeMap<_, _> =
        intact.records.iter().rev().take(found.len()).map(|(&s, k)| (s, k.clone())).collect();
    assert!(found == newest, "seed {seed}: not the newest {} records", found.len());
    if found.len() < intact.records.len() {
        let bytes: usize = found.values().map(|(text, _)| text.len() + 33).sum();
        assert!(bytes as u64 > to / 2, "seed {seed}: only {bytes} bytes kept");
    }
    assert!(offline(&disk.live).number_limit() <= segment.head().0, "seed {seed}");
    let ticket = segment.sync_begin();
    segment.sync_done(ticket);
    let new =
        NewRecord { text: b"next", cut: false, level: Level::Info, received_ns: NOW, event_ns: 0 };
    let seq = segment.append(&new, b"host=a", &mut StreamRef::default()).unwrap();
    assert!(found.keys().all(|&before| before < seq.0));
    assert!(intact.cleared <= seq.0);
}

#[test]
fn a_larger_ring_of_the_same_blocks_keeps_everything() {
    (0..15).for_each(|seed| check(seed, 1 << 20, 3 << 20));
}

#[test]
fn places_that_a_resize_leaves_empty_are_no_lost_blocks() {
    for to in [3 << 20, 5 << 20] {
        let mut disk = source(&mut Random(3), 1 << 20, 1500);
        disk.kill();
        let intact = Oracle::of(&disk.live).records;
        let mut image = resize(&disk.live, to, u64::MAX);
        for life in 0..2 {
            let report = offline(&image).verify().unwrap();
            assert_eq!((report.damaged, report.records), (0, intact.len() as u64), "life {life}");
            let mut opening = Opening::new(MemStore(image), options(), 5 + life).unwrap();
            let mut bytes = 0;
            while !opening.step() {
                let needs = opening.needs();
                bytes += needs.end - needs.start;
            }
            assert!(bytes < 1 << 20, "{bytes} bytes are read for the empty places too");
            let (mut segment, recovery) = opening.finish();
            assert_eq!(recovery.lost_blocks, 0, "life {life}");
            assert!(served(&segment) == intact, "life {life}");
            let ticket = segment.sync_begin();
            segment.sync_done(ticket);
            if life == 1 {
                // From here on the new places are used, up to a lap and more.
                continue_over(&mut segment);
            }
            image = segment.into_store().0;
        }
        assert_eq!(open(image).1.lost_blocks, 0);
    }
}

#[test]
fn the_place_of_a_block_that_never_reached_the_disk_is_no_lost_block() {
    let geometry = Geometry::for_size(2 << 20).unwrap();
    let store = MemStore::zeroed(2 << 20);
    let options = Options { durability: Durability::Never, ..Options::default() };
    let mut segment = Segment::create(store, geometry, options, 1, NOW);
    let ticket = segment.sync_begin();
    segment.sync_done(ticket);
    let text = [b'n'; 9000];
    let new =
        NewRecord { text: &text, cut: false, level: Level::Info, received_ns: NOW, event_ns: 5 };
    while segment.upcoming_block() < 5 {
        segment.append(&new, b"host=a", &mut StreamRef::default()).unwrap();
    }
    let mut image = segment.into_store().0;
    for range in [geometry.block_range(2), geometry.entry_range(2)] {
        image[range.start as usize..range.end as usize].fill(0);
    }
    let (_, recovery) = open(image.clone());
    assert_eq!((recovery.blocks, recovery.lost_blocks), (4, 0));
    let (_, recovery) = open(resize(&image, 3 << 20, u64::MAX));
    assert_eq!((recovery.blocks, recovery.lost_blocks), (4, 0));
    // What was durable and is overwritten is lost.
    let mut image = resize(&image, 3 << 20, u64::MAX);
    let geometry = Geometry::for_size(3 << 20).unwrap();
    image[geometry.block_range(1).start as usize] ^= 1;
    image[geometry.entry_range(1).start as usize] ^= 1;
    assert_eq!(offline(&image).verify().unwrap().damaged, 1);
    assert_eq!(open(image).1.lost_blocks, 1);
}

/// Appends and syncs until the ring has come around.
fn continue_over(segment: &mut Segment<MemStore>) {
    let end = segment.upcoming_block() + u64::from(segment.geometry().blocks) + 3;
    let new = NewRecord {
        text: &[b'n'; 9000],
        cut: false,
        level: Level::Info,
        received_ns: NOW,
        event_ns: 0,
    };
    while segment.upcoming_block() < end {
        if segment.append(&new, b"host=a", &mut StreamRef::default()).is_err() {
            let ticket = segment.sync_begin();
            segment.sync_done(ticket);
        }
    }
}

#[test]
fn a_smaller_ring_of_the_same_blocks_keeps_the_newest() {
    (0..15).for_each(|seed| check(seed, 3 << 20, 1 << 20));
}

#[test]
fn a_ring_of_larger_blocks_keeps_the_records() {
    (0..10).for_each(|seed| check(seed, 1 << 20, 5 << 20));
}

#[test]
fn a_ring_of_smaller_blocks_keeps_the_newest_records() {
    (0..10).for_each(|seed| check(seed, 5 << 20, 1 << 20));
}

#[test]
fn a_cut_in_a_resize_leaves_the_old_file_and_no_usable_new_one() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut disk = source(&mut random, 1 << 20, 200);
        disk.kill();
        let before = Oracle::of(&disk.live);
        let to = if random.chance(50) { 2 << 20 } else { 5 << 20 };
        let mut target = Disk::new(vec![0; to as usize]);
        let steps = random.below(14);
        target.live = resize(&disk.live, to, steps);
        target.trickle(&mut random, 50);
        // The new file has no name yet; whoever opens it all the same gets an answer.
        fuzz_open(&target.durable);
        assert_eq!(read_offline(&disk.live).len(), before.records.len());
        let again = resize(&disk.live, to, u64::MAX);
        assert_eq!(served(&open(again).0).len(), before.records.len());
    }
}

#[test]
fn a_loaded_segment_serves_what_is_intact() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut disk = source(&mut random, 1 << 20, 600);
        if random.chance(70) {
            disk.cut(&mut random);
        }
        let loaded = offline(&disk.live).load(Options::default()).unwrap();
        assert!(served(&loaded) == Oracle::of(&disk.live).records, "seed {seed}");
    }
}
