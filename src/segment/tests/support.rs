//! A disk that can lose power, an oracle that reads a raw image on its own, and a small PRNG.

use std::collections::BTreeMap;

use crate::segment::*;

/// SplitMix64: small, seeded, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// A file as the kernel has it, and as the disk has it.
#[derive(Clone, Debug)]
pub struct Disk {
    pub live: Vec<u8>,
    pub durable: Vec<u8>,
    /// The file when the running sync was begun.
    begun: Option<Vec<u8>>,
}

impl Store for Disk {
    fn bytes(&self) -> &[u8] {
        &self.live
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.live
    }
}

impl Disk {
    /// A file whose bytes, on disk too, are `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { durable: bytes.clone(), live: bytes, begun: None }
    }

    /// The kernel writes some dirty pages or sectors back, each with `percent` of 100.
    pub fn trickle(&mut self, random: &mut Random, percent: u64) {
        let unit = if random.chance(50) { PAGE } else { SECTOR };
        for page in (0..self.live.len()).step_by(PAGE) {
            let page = page..page + PAGE;
            if self.live[page.clone()] == self.durable[page.clone()] {
                continue;
            }
            for at in page.step_by(unit) {
                if random.chance(percent) {
                    self.durable[at..at + unit].copy_from_slice(&self.live[at..at + unit]);
                }
            }
        }
    }

    pub fn sync_begin(&mut self) {
        self.begun = Some(self.live.clone());
    }

    /// What was there when the sync was begun, or came later to the same sector, is on disk.
    pub fn sync_done(&mut self, random: &mut Random) {
        let begun = self.begun.take().unwrap();
        for page in (0..begun.len()).step_by(PAGE) {
            let page = page..page + PAGE;
            if begun[page.clone()] == self.durable[page.clone()] {
                continue;
            }
            for at in page.step_by(SECTOR) {
                let sector = at..at + SECTOR;
                if begun[sector.clone()] != self.durable[sector.clone()] {
                    let newest = if random.chance(50) { &self.live } else { &begun };
                    self.durable[sector.clone()].copy_from_slice(&newest[sector]);
                }
            }
        }
    }

    /// Power goes; some of what was not synced may have arrived.
    pub fn cut(&mut self, random: &mut Random) {
        let percent = [0, 10, 50, 90, 100][random.below(5) as usize];
        self.trickle(random, percent);
        self.tear_superblock(random);
        self.live.copy_from_slice(&self.durable);
        self.begun = None;
    }

    /// A superblock that is just being written may be torn, if the other one is on disk.
    fn tear_superblock(&mut self, random: &mut Random) {
        let is_dirty = |at: usize| self.live[at..at + SECTOR] != self.durable[at..at + SECTOR];
        let torn = match (is_dirty(0), is_dirty(PAGE)) {
            (true, false) => 0,
            (false, true) => PAGE,
            _ => return,
        };
        if random.chance(30) {
            self.durable[torn + 100..torn + SECTOR].fill(b'?');
        }
    }

    /// The process is killed: the kernel still has everything.
    pub fn kill(&mut self) {
        self.begun = None;
    }
}

/// A record as it should be, or is: text and labels.
pub type Known = (Vec<u8>, Vec<u8>);

/// Every record that `segment` serves.
pub fn served<S: Store>(segment: &Segment<S>) -> BTreeMap<u64, Known> {
    served_and_damaged(segment).0
}

/// Every record that `segment` serves, and how many it says are damaged.
pub fn served_and_damaged<S: Store>(segment: &Segment<S>) -> (BTreeMap<u64, Known>, u64) {
    let mut found = BTreeMap::new();
    let mut damaged = 0;
    each_visible(segment, |block, index, seq| match block.record(index) {
        Ok(record) => {
            assert_eq!(record.seq, seq);
            found.insert(seq.0, (record.text.to_vec(), record.labels.to_vec()));
        }
        Err(Damaged { seq: said }) => {
            assert_eq!(said, seq);
            damaged += 1;
        }
    });
    (found, damaged)
}

/// Shows every slot of a visible record, oldest first: its block, its place there, its number. The
/// numbers grow, and there are as many as the segment says.
pub fn each_visible<S: Store>(segment: &Segment<S>, mut show: impl FnMut(&Block<'_>, u32, Seq)) {
    let mut next = segment.block_containing(segment.tail());
    let (mut count, mut before) = (0, None);
    while let Some(id) = next {
        let block = segment.block(id).unwrap();
        for index in 0..block.count {
            let seq = Seq(block.first.0 + u64::from(index));
            if seq < segment.tail() || block.is_gap(index) {
                continue;
            }
            assert!(before < Some(seq), "number {} after {before:?}", seq.0);
            (count, before) = (count + 1, Some(seq));
            show(&block, index, seq);
        }
        next = segment.next_block(id);
    }
    assert_eq!(count, segment.records(), "count of visible records");
}

/// Every record that is read offline from `image`, and not cleared.
pub fn read_offline(image: &[u8]) -> BTreeMap<u64, Known> {
    let mut offline = offline(image);
    let mut found = BTreeMap::new();
    for id in offline.block_ids() {
        let Some(copy) = offline.read_block(id).unwrap() else { continue };
        let block = copy.block();
        for index in 0..block.count {
            match block.record(index) {
                Ok(record) if record.seq >= offline.cleared() => {
                    found.insert(record.seq.0, (record.text.to_vec(), record.labels.to_vec()));
                }
                _ => {}
            }
        }
    }
    found
}

/// Opens `image` offline.
pub fn offline(
    image: &[u8],
) -> Offline<impl FnMut(std::ops::Range<u64>) -> Result<Vec<u8>, std::convert::Infallible>> {
    let read = move |range: std::ops::Range<u64>| {
        let (start, end) = (range.start as usize, range.end as usize);
        Ok(image[start.min(image.len())..end.min(image.len())].to_vec())
    };
    Offline::open(read, image.len() as u64).unwrap()
}

/// What is intact in an image, found without any of the code under test.
#[derive(Debug, Default)]
pub struct Oracle {
    /// Records of live blocks that are intact and not cleared.
    pub records: BTreeMap<u64, Known>,
    pub cleared: u64,
}

fn u32_in(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_in(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn is_sector_intact(sector: &[u8], magic: &[u8]) -> bool {
    &sector[..4] == magic && crc32c::crc32c(&sector[..508]) == u32_in(sector, 508)
}

impl Oracle {
    pub fn of(image: &[u8]) -> Self {
        let copies = [&image[..512], &image[4096..4608]];
        let intact = copies.into_iter().filter(|sector| is_sector_intact(sector, b"LCST"));
        let superblock = intact.max_by_key(|sector| u64_in(sector, 8)).expect("a superblock");
        let (block_bytes, blocks) = (u32_in(superblock, 32) as usize, u32_in(superblock, 36));
        let (durable_block, limit) = (u64_in(superblock, 48), u64_in(superblock, 56));
        let blocks_at = (8192 + blocks as usize * 128).next_multiple_of(4096);
        let mut headers = BTreeMap::new();
        for position in 0..u64::from(blocks) {
            let start = blocks_at + position as usize * block_bytes;
            let block = &image[start..start + block_bytes];
            let sequence = u64_in(block, 16);
            if is_sector_intact(&block[..512], b"LCSB")
                && sequence % u64::from(blocks) == position
                && sequence < limit
            {
                headers.insert(sequence, block);
            }
        }
        let is_new = |sequence: &u64| *sequence >= durable_block || limit == u64::MAX;
        let newest = headers.keys().copied().filter(is_new).max();
        let next = newest.map_or(durable_block, |newest| newest + 1);
        let mut oracle = Self { cleared: u64_in(superblock, 72), ..Self::default() };
        for (sequence, block) in headers {
            if (next.saturating_sub(u64::from(blocks))..next).contains(&sequence) {
                oracle.read(block);
            }
        }
        oracle
    }

    fn read(&mut self, block: &[u8]) {
        let salt = match cfg!(feature = "canary-no-salt") {
            true => 0,
            false => crc32c::crc32c(&block[8..24]),
        };
        let first = u64_in(block, 24);
        for index in 0..block.len() / 32 {
            let at = block.len() - 32 * (index + 1);
            let slot = &block[at..at + 32];
            let (offset, bytes) = (u32_in(slot, 4) as usize, u32_in(slot, 8) as usize);
            let end = offset + bytes;
            if offset < 1536 + block.len() / 32 || end > at || slot[15] & 2 != 0 {
                continue;
            }
            let text = &block[offset..end];
            let crc = crc32c::crc32c_append(crc32c::crc32c_append(salt, text), &slot[4..]);
            if crc != u32_in(slot, 0) {
                continue;
            }
            let place = 8 * usize::from(u16::from_le_bytes([slot[12], slot[13]]));
            let mut labels = &[][..];
            if place != 0 {
                let labels_bytes =
                    usize::from(u16::from_le_bytes([block[place + 4], block[place + 5]]));
                let Some(checked) = block.get(place + 4..place + 6 + labels_bytes) else {
                    continue;
                };
                if crc32c::crc32c_append(salt, checked) != u32_in(block, place) {
                    continue;
                }
                labels = &checked[2..];
            }
            let seq = first + index as u64;
            if seq >= self.cleared {
                self.records.insert(seq, (text.to_vec(), labels.to_vec()));
            }
        }
    }
}
