//! What holds over several lives of a segment: kills, failed syncs, limits, unusable files.

use super::support::{Random, offline, served};
use crate::level::Level;
use crate::limits::{GAP_SLOTS_MAX, NUMBERS_AHEAD_MAX, SKIPPED_MAX};
use crate::segment::format::FLAG_GAP;
use crate::segment::*;

const NOW: u64 = 1_760_000_000_000_000_000;

fn options() -> Options {
    Options { durability: Durability::Synced, ..Options::default() }
}

fn create(bytes: u64) -> Segment<MemStore> {
    let geometry = Geometry::for_size(bytes).unwrap();
    let mut segment =
        Segment::create(MemStore::zeroed(bytes as usize), geometry, options(), 1, NOW);
    sync(&mut segment);
    segment
}

fn sync(segment: &mut Segment<MemStore>) {
    let ticket = segment.sync_begin();
    segment.sync_done(ticket);
}

fn reopen(store: MemStore, epoch: u64) -> (Segment<MemStore>, Recovery) {
    let mut opening = Opening::new(store, options(), epoch).unwrap();
    while !opening.step() {}
    opening.finish()
}

fn append(segment: &mut Segment<MemStore>, text: &[u8]) -> Result<Seq, Full> {
    let new = NewRecord { text, cut: false, level: Level::Info, received_ns: NOW, event_ns: 0 };
    segment.append(&new, b"host=10.0.0.5", &mut StreamRef::default())
}

/// Appends `count` records of `bytes` bytes, with as many syncs as that takes.
fn fill(segment: &mut Segment<MemStore>, count: usize, bytes: usize) {
    let text = vec![b'f'; bytes];
    for _ in 0..count {
        while append(segment, &text).is_err() {
            sync(segment);
        }
    }
}

fn close(mut segment: Segment<MemStore>) -> MemStore {
    sync(&mut segment);
    let ticket = segment.close_begin().unwrap();
    segment.sync_done(ticket);
    segment.into_store()
}

#[test]
fn five_hundred_kills_in_a_row_evict_nothing() {
    let mut segment = create(4 << 20);
    for life in 0..500 {
        for line in 0..5 {
            append(&mut segment, format!("life {life} line {line}").as_bytes()).unwrap();
        }
        let (next, recovery) = reopen(segment.into_store(), life);
        assert!(!recovery.clean);
        assert_eq!(recovery.records, 5 * (life + 1));
        segment = next;
        sync(&mut segment);
    }
    let texts: Vec<_> = served(&segment).into_values().map(|(text, _)| text).collect();
    assert_eq!(texts.len(), 2500);
    assert_eq!(texts[0], b"life 0 line 0");
    assert_eq!(texts[2499], b"life 499 line 4");
}

#[test]
fn kills_without_a_line_cost_no_space() {
    let mut segment = create(1 << 20);
    append(&mut segment, b"first").unwrap();
    for life in 0..500 {
        segment = reopen(segment.into_store(), life).0;
        sync(&mut segment);
    }
    append(&mut segment, b"second").unwrap();
    assert_eq!(segment.records(), 2);
    assert!(segment.newest_block().unwrap() <= 1);
}

#[test]
fn many_skipped_numbers_begin_a_new_block() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 300, 10);
    sync(&mut segment);
    let last = append(&mut segment, b"last").unwrap();
    let (mut segment, recovery) = reopen(segment.into_store(), 2);
    assert!(recovery.skipped > GAP_SLOTS_MAX, "{}", recovery.skipped);
    sync(&mut segment);
    let next = append(&mut segment, b"next").unwrap();
    assert_eq!(next.0, last.0 + 1 + recovery.skipped);
    assert_eq!(segment.newest_block(), Some(1));
    assert_eq!(segment.block_containing(Seq(last.0 + 1)), Some(1), "the next that holds any");
    assert_eq!(segment.block(1).unwrap().first, next);
    assert_eq!(served(&segment).len(), 302);
}

#[test]
fn the_number_allowance_grows_with_use_and_has_a_bound() {
    let mut segment = create(1 << 20);
    let mut before = 0;
    for _ in 0..3 {
        let head = segment.head();
        while append(&mut segment, b"x").is_ok() {}
        let used = segment.head().0 - head.0;
        assert!(used > before, "{used} after {before}");
        before = used;
        sync(&mut segment);
    }
    segment.sync.head_begun = Seq(0);
    sync(&mut segment);
    assert_eq!(segment.sync.number_limit, segment.head().0 + NUMBERS_AHEAD_MAX);
}

#[test]
fn a_clean_end_skips_no_number_and_walks_one_block() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 5000, 300);
    let head = segment.head();
    let before = served(&segment);
    let (mut segment, recovery) = reopen(close(segment), 2);
    assert!(recovery.clean);
    assert_eq!((recovery.walked, recovery.skipped, recovery.lost_blocks), (1, 0, 0));
    assert_eq!(served(&segment), before);
    assert_eq!(append(&mut segment, b"early"), Err(Full::Limit), "its epoch is not on disk");
    sync(&mut segment);
    assert_eq!(append(&mut segment, b"next"), Ok(head));
}

#[test]
fn clear_survives_a_clean_end_and_a_kill() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 100, 300);
    assert_eq!(segment.clear(), 100);
    assert_eq!(segment.clear(), 0);
    fill(&mut segment, 7, 300);
    let (mut segment, recovery) = reopen(segment.into_store(), 2);
    assert_eq!(recovery.records, 7);
    sync(&mut segment);
    segment.clear();
    let (segment, recovery) = reopen(close(segment), 3);
    assert_eq!((recovery.records, segment.records()), (0, 0));
    assert_eq!(segment.tail(), segment.head());
}

#[test]
fn after_a_failed_sync_nothing_more_is_durable_and_collecting_goes_on() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 10, 300);
    sync(&mut segment);
    let durable = segment.durable();
    fill(&mut segment, 10, 300);
    let ticket = segment.sync_begin();
    segment.sync_failed();
    segment.sync_done(ticket);
    assert_eq!(segment.durable(), durable);
    assert_eq!(segment.wants_sync(), SyncWish::Nothing);
    assert_eq!(segment.close_begin(), None);
    for _ in 0..20_000 {
        append(&mut segment, &[b'l'; 100]).unwrap();
    }
    assert_eq!(segment.durable(), durable);
    let before = served(&segment);
    let given = segment.head();
    let (segment, _) = reopen(segment.into_store(), 2);
    assert_eq!(served(&segment), before, "the kernel still has all of it");
    assert!(segment.head() >= given);
}

#[test]
fn what_is_written_to_disk_is_at_most_1_4_times_what_came() {
    let mut segment = create(16 << 20);
    let text = [b'd'; 99];
    let mut stream = StreamRef::default();
    let new =
        NewRecord { text: &text, cut: false, level: Level::Info, received_ns: NOW, event_ns: 0 };
    let before = segment.counters().disk_bytes;
    for _ in 0..300_000 {
        while segment.append(&new, b"host=10.0.0.5", &mut stream).is_err() {
            sync(&mut segment);
        }
        if segment.dirty_bytes() > 2 << 20 {
            sync(&mut segment);
        }
    }
    sync(&mut segment);
    let disk = segment.counters().disk_bytes - before;
    let ratio = disk as f64 / (300_000.0 * 100.0);
    assert!((1.3..1.4).contains(&ratio), "{ratio}");
}

#[test]
fn a_block_is_opened_only_where_it_is_ready() {
    let geometry = Geometry::for_size(1 << 20).unwrap();
    let options = Options { prewritten: 1, wait_resident: true, ..Options::default() };
    let store = MemStore::zeroed(1 << 20);
    let mut segment = Segment::create(store, geometry, options, 1, NOW);
    assert_eq!(append(&mut segment, b"a"), Err(Full::NotReady));
    assert_eq!(segment.upcoming_block(), 0);
    segment.set_resident(segment.upcoming_block() + 1);
    let text = [b'x'; 1000];
    while append(&mut segment, &text).is_ok() {}
    assert_eq!(segment.newest_block(), Some(0), "the second is not pre-written");
    segment.prewritten(2);
    append(&mut segment, &text).unwrap();
    assert_eq!(segment.newest_block(), Some(1));
}

/// Flips bits of `image` at `at` and gives what a check says.
fn verify_with(image: &[u8], at: usize) -> VerifyReport {
    let mut image = image.to_vec();
    image[at] ^= 0xff;
    offline(&image).verify().unwrap()
}

#[test]
fn a_check_says_what_is_damaged_and_why() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 100, 1000);
    assert_eq!(segment.newest_block(), Some(1));
    let (slot, range) = (segment.block(0).unwrap().slot(3), segment.block_range(0));
    let records = segment.block(0).unwrap().count;
    let entry = segment.geometry().entry_range(0).start as usize;
    let image = close(segment).0;
    let report = offline(&image).verify().unwrap();
    assert_eq!((report.records, report.damaged, report.blocks), (100, 0, 2));
    assert!(report.clean && !report.is_damaged());
    let start = range.start as usize;
    let one = |at: usize, why: Why| {
        let report = verify_with(&image, at);
        assert!(report.is_damaged());
        assert_eq!(report.skipped[0].why, why);
        (report.records, report.damaged)
    };
    assert_eq!(one(start + slot.text_offset as usize, Why::Record), (99, 1));
    assert_eq!(one(range.end as usize - 1, Why::Record), (99, 1));
    let stream = start + 8 * usize::from(slot.stream);
    assert_eq!(one(stream + 8, Why::Stream), (100 - u64::from(records), u64::from(records)));
    assert_eq!(one(start + 9, Why::Header), (100 - u64::from(records), 1));
    assert_eq!(one(start + 513, Why::Summary), (100, 1));
    assert_eq!(one(entry + 1, Why::Directory), (100, 1));
}

#[test]
fn a_report_names_a_bounded_number_of_places() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 1300, 1);
    let stream = usize::from(segment.block(0).unwrap().slot(0).stream);
    let start = segment.block_range(0).start as usize;
    let image = close(segment).0;
    let report = verify_with(&image, start + 8 * stream + 7);
    assert!(report.damaged > SKIPPED_MAX as u64, "{}", report.damaged);
    assert_eq!(report.skipped.len(), SKIPPED_MAX);
}

#[test]
fn a_damaged_record_is_said_and_its_neighbours_are_served() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 50, 200);
    let slot = segment.block(0).unwrap().slot(20);
    let start = segment.block_range(0).start as usize;
    let mut store = close(segment);
    store.0[start + slot.text_offset as usize] ^= 1;
    let (segment, recovery) = reopen(store, 2);
    assert_eq!((recovery.damaged, recovery.torn), (1, 0));
    let block = segment.block(0).unwrap();
    assert_eq!(block.record(20), Err(Damaged { seq: Seq(NOW / 1000 + 20) }));
    assert_eq!(served(&segment).len(), 49);
}

#[test]
fn a_damaged_slot_hides_no_other_record_from_a_search() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 63, 200);
    let mut store = close(segment);
    let geometry = Geometry::for_size(1 << 20).unwrap();
    let end = geometry.block_range(0).end as usize;
    // The slot in the middle claims that its text is at the end of the block.
    store.0[end - 32 * 32 + 4..end - 32 * 32 + 8].copy_from_slice(&60_000u32.to_le_bytes());
    let (segment, _) = reopen(store, 2);
    let block = segment.block(0).unwrap();
    for index in (0..63).filter(|&index| index != 31) {
        assert_eq!(block.index_at(block.slot(index).text_offset), Some(index), "{index}");
    }
}

#[test]
fn a_slot_damaged_into_a_gap_hides_no_other_record_from_a_search() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 63, 200);
    let mut store = close(segment);
    let geometry = Geometry::for_size(1 << 20).unwrap();
    let end = geometry.block_range(0).end as usize;
    // The slot in the middle claims to name no record, and to stand where the block begins.
    store.0[end - 32 * 32 + 4..end - 32 * 32 + 8].copy_from_slice(&0u32.to_le_bytes());
    store.0[end - 32 * 32 + 15] |= FLAG_GAP;
    let (segment, _) = reopen(store, 2);
    let block = segment.block(0).unwrap();
    for index in (0..63).filter(|&index| index != 31) {
        assert_eq!(block.index_at(block.slot(index).text_offset), Some(index), "{index}");
    }
}

#[track_caller]
fn check_refused(bytes: Vec<u8>, expected: &str) {
    let error = Opening::new(MemStore(bytes), options(), 1).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_is_not_ours_or_unusable_is_refused_with_its_reason() {
    let image = close(create(1 << 20)).0;
    check_refused(vec![], r#"bad magic (expected "LCST", found "\0\0\0\0")"#);
    check_refused(vec![b'@'; 9000], r#"bad magic (expected "LCST", found "@@@@")"#);
    let cut = image[..100_000].to_vec();
    check_refused(cut, "file is cut short (100000 bytes of 1048576)");
    let cut = image[..100].to_vec();
    check_refused(cut, "file is cut short (100 bytes of 1048576)");
    let mut newer = image.clone();
    newer[4] = 9;
    newer[4096 + 4] = 9;
    check_refused(newer, "format version 9 is newer than 1, the newest known");
    let mut torn = image.clone();
    torn[100] ^= 1;
    assert!(Opening::new(MemStore(torn.clone()), options(), 1).is_ok(), "the other copy serves");
    torn[4096 + 100] ^= 1;
    check_refused(torn, "neither of the two superblocks is intact");
    let mut odd = image.clone();
    for at in [0, 4096] {
        odd[at + 36] ^= 1;
        let crc = crc32c::crc32c(&odd[at..at + 508]);
        odd[at + 508..at + 512].copy_from_slice(&crc.to_le_bytes());
    }
    check_refused(odd, "impossible geometry (14 blocks of 65536 bytes in a file of 1048576 bytes)");
}

#[test]
fn no_bytes_make_an_opening_panic() {
    let mut segment = create(1 << 20);
    fill(&mut segment, 700, 2000);
    fill(&mut segment, 500, 20);
    let image = segment.into_store().0;
    let geometry = Geometry::for_size(1 << 20).unwrap();
    fuzz_open(&image);
    fuzz_open(&[]);
    let mut random = Random(42);
    for _ in 0..60 {
        let mut bytes = image.clone();
        for _ in 0..1 + random.below(30) {
            let at = match random.below(4) {
                0 => random.below(512) + 4096 * random.below(2),
                1 => 8192 + random.below(15 * 128),
                2 => geometry.block_range(random.below(15) as u32).start + random.below(1024),
                _ => geometry.block_range(random.below(15) as u32).end - 1 - random.below(9000),
            };
            bytes[at as usize] = random.next() as u8;
        }
        // With the checksum put right, nonsense gets further.
        for at in [0, 4096] {
            let crc = crc32c::crc32c(&bytes[at..at + 508]);
            bytes[at + 508..at + 512].copy_from_slice(&crc.to_le_bytes());
        }
        bytes.truncate(bytes.len() - random.below(2) as usize * random.below(1 << 20) as usize);
        fuzz_open(&bytes);
        fuzz_block(&bytes[bytes.len().saturating_sub(64 << 10)..]);
    }
}
