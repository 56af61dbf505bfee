//! Inputs for the targets that want a whole segment: arbitrary bytes alone would nearly always be
//! refused at the first check, so they are read as edits to a good one.

use std::sync::LazyLock;

use logcaster::level::Level;
use logcaster::segment::{
    Durability, Geometry, MemStore, NewRecord, Options, Segment, Store, StreamRef,
};

/// The smallest size that a segment can have.
const SEGMENT_BYTES: u64 = 1 << 20;

/// The parts of the file where an edit does most, as `(from, bytes)`: both superblocks, the
/// directory. The others are the sectors at the front of blocks and the slots at their back.
const HEADS: [(usize, usize); 3] = [(0, 256), (4096, 256), (8192, 2048)];

/// A segment that was not closed: synced after half of its records, the ring lapped once.
static SEGMENT: LazyLock<(Geometry, Vec<u8>)> = LazyLock::new(|| {
    let geometry = Geometry::for_size(SEGMENT_BYTES).expect("it is the smallest size");
    let options = Options { durability: Durability::Synced, ..Options::default() };
    let store = MemStore::zeroed(SEGMENT_BYTES as usize);
    let mut segment = Segment::create(store, geometry, options, 7, 1 << 60);
    sync(&mut segment);
    let mut streams = [StreamRef::default(); 3];
    for number in 0..2_400_u64 {
        let text = format!("record {number} {}", "x".repeat(number as usize % 997));
        let record = NewRecord {
            text: text.as_bytes(),
            cut: number % 7 == 0,
            level: Level::ALL[number as usize % Level::COUNT],
            received_ns: (1 << 60) + number,
            event_ns: 0,
        };
        let stream = number as usize % 3;
        let labels = format!("host=10.0.0.{stream}");
        while segment.append(&record, labels.as_bytes(), &mut streams[stream]).is_err() {
            sync(&mut segment);
        }
    }
    (geometry, segment.store().bytes().to_vec())
});

fn sync(segment: &mut Segment<MemStore>) {
    let ticket = segment.sync_begin();
    segment.sync_done(ticket);
}

/// The good segment with `edits` made to it: four bytes each, of which the first says where (the
/// superblocks, the directory, block fronts, block backs, anywhere), two how far into that, and
/// the last is stored. One byte over at the end cuts the file short.
pub fn edited_segment(edits: &[u8]) -> Vec<u8> {
    let (geometry, image) = &*SEGMENT;
    let mut image = image.clone();
    let block_bytes = geometry.block_bytes as usize;
    let (edits, rest) = edits.as_chunks::<4>();
    for &[part, high, low, value] in edits {
        let offset = usize::from(high) << 8 | usize::from(low);
        let (start, bytes) = match usize::from(part) {
            part @ 0..3 => HEADS[part],
            part => {
                let block = geometry.block_range((part as u32 >> 2) % geometry.blocks);
                let start = block.start as usize;
                match part & 3 {
                    0 => (start, 1024),
                    1 => (start + block_bytes - 2048, 2048),
                    _ => (start, block_bytes),
                }
            }
        };
        image[start + offset % bytes] = value;
    }
    if let [cut] = rest {
        image.truncate(image.len() * usize::from(*cut) / 255);
    }
    image
}

/// The block of the good segment that was open at the end, with `edits` made to it.
pub fn edited_block(edits: &[u8]) -> Vec<u8> {
    let (geometry, image) = &*SEGMENT;
    let (open, edits) = edits.split_first().unwrap_or((&0, &[]));
    let range = geometry.block_range(u32::from(*open) % geometry.blocks);
    let mut block = image[range.start as usize..range.end as usize].to_vec();
    let (edits, _) = edits.as_chunks::<4>();
    for &[part, high, low, value] in edits {
        let offset = usize::from(high) << 8 | usize::from(low);
        let (start, bytes) = match part & 3 {
            0 => (0, 1024),
            1 => (block.len() - 2048, 2048),
            _ => (0, block.len()),
        };
        block[start + offset % bytes] = value;
    }
    block
}
