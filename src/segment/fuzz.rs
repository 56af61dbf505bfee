//! Entry points for fuzzing: arbitrary bytes as a segment, and as a block.

use super::block::Block;
use super::format::{BLOCK_BYTES_SMALL, Header, SUMMARY_AT, Summary};
use super::geometry::Geometry;
use super::offline::Offline;
use super::recovery::Opening;
use super::ring::{Options, Segment};
use super::store::MemStore;
use super::walk::walk;
use super::{NewRecord, StreamRef};
use crate::level::Level;

/// Opens `data` as a segment, reads every record of it, and appends one. Never panics.
pub fn fuzz_open(data: &[u8]) {
    let read = |range: std::ops::Range<u64>| {
        let start = data.len().min(range.start as usize);
        let end = data.len().min(range.end as usize);
        Ok::<_, std::convert::Infallible>(data[start..end].to_vec())
    };
    if let Ok(mut offline) = Offline::open(read, data.len() as u64) {
        let _ = offline.verify();
    }
    let Ok(mut opening) = Opening::new(MemStore(data.to_vec()), Options::default(), 1) else {
        return;
    };
    while !opening.step() {
        let _ = opening.needs();
    }
    let (mut segment, _) = opening.finish();
    read_all(&segment);
    let record = NewRecord {
        text: b"after",
        cut: false,
        level: Level::Unknown,
        received_ns: 1,
        event_ns: 0,
    };
    let _ = segment.append(&record, b"host=a", &mut StreamRef::default());
    segment.expire(u64::MAX);
    read_all(&segment);
}

/// Reads every record of every live block, and looks every text offset up.
fn read_all(segment: &Segment<MemStore>) {
    let mut next = segment.oldest_block();
    while let Some(id) = next {
        if let Some(block) = segment.block(id) {
            read_block(&block);
        }
        next = segment.next_block(id);
    }
}

fn read_block(block: &Block<'_>) {
    for index in 0..=block.count {
        let record = block.record(index);
        let _ = block.is_gap(index);
        if let Ok(record) = record {
            let offset = block.slot(index).text_offset;
            if !record.text.is_empty() && block.text_range().contains(&offset) {
                assert!(block.index_at(offset).is_some());
            }
        }
    }
    for offset in block.text_range().step_by(97) {
        let _ = block.index_at(offset);
    }
}

/// Reads `data` as a block that claims as many slots as its summary says, and walks it.
/// Never panics.
pub fn fuzz_block(data: &[u8]) {
    let Ok(geometry) = Geometry::for_size(crate::limits::SEGMENT_BYTES_MIN) else { return };
    let mut image = data.to_vec();
    image.resize(BLOCK_BYTES_SMALL as usize, 0);
    let header = Header::decode(&image);
    let header = header.unwrap_or(Header { epoch: 0, sequence: 0, first: 0, opened_ns: 0 });
    let walked = walk(&image, &header, u64::MAX, &geometry);
    read_block(&Block::new(&image, &walked.summary));
    let opened = Summary::opened(&header, geometry.text_start());
    let claimed = Summary { count: u32::MAX, text_end: u32::MAX, ..opened };
    for index in 0..geometry.slots_max() {
        let _ = Block::new(&image, &claimed).record(index);
    }
    if let Some(summary) = Summary::decode(&image[SUMMARY_AT..], &geometry) {
        read_block(&Block::new(&image, &summary));
    }
}
