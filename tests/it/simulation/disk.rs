//! What of a file is on the disk: that is what a power cut leaves of it.

use crate::support::Random;

const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// The disk's side of a file. The kernel's, which the segment is written to, is `live`.
pub struct Disk {
    durable: Vec<u8>,
    /// The file when the running sync was begun.
    begun: Vec<u8>,
}

impl Disk {
    /// Everything is on disk.
    pub fn holding(live: &[u8]) -> Self {
        Self { durable: live.to_vec(), begun: Vec::new() }
    }

    pub fn sync_begin(&mut self, live: &[u8]) {
        self.begun = live.to_vec();
    }

    /// What was there when the sync was begun is on disk, or what came to the same sector since.
    pub fn sync_done(&mut self, live: &[u8], random: &mut Random) {
        let begun = std::mem::take(&mut self.begun);
        for page in dirty_pages(&begun, &self.durable) {
            for at in (page..page + PAGE).step_by(SECTOR) {
                let sector = at..at + SECTOR;
                if begun[sector.clone()] != self.durable[sector.clone()] {
                    let newest = if random.below(2) == 0 { live } else { &begun };
                    self.durable[sector.clone()].copy_from_slice(&newest[sector]);
                }
            }
        }
    }

    /// A sync has failed: some of it may have arrived.
    pub fn sync_failed(&mut self, live: &[u8], random: &mut Random) {
        let percent = random.below(101);
        self.trickle(live, random, percent);
    }

    /// The kernel writes some of what is dirty by itself, each page or sector with `percent`.
    pub fn trickle(&mut self, live: &[u8], random: &mut Random, percent: u64) {
        let unit = if random.below(2) == 0 { PAGE } else { SECTOR };
        for page in dirty_pages(live, &self.durable) {
            for at in (page..page + PAGE).step_by(unit) {
                if random.below(100) < percent {
                    self.durable[at..at + unit].copy_from_slice(&live[at..at + unit]);
                }
            }
        }
    }

    /// Power goes: some of what was not synced has arrived, the rest never does.
    pub fn cut(&mut self, live: &mut [u8], random: &mut Random) {
        let percent = [0, 10, 50, 90, 100][random.below(5) as usize];
        self.trickle(live, random, percent);
        live.copy_from_slice(&self.durable);
    }
}

/// Where the pages begin in which the two differ.
fn dirty_pages(one: &[u8], other: &[u8]) -> Vec<usize> {
    let pages = (0..one.len()).step_by(PAGE);
    pages.filter(|&at| one[at..at + PAGE] != other[at..at + PAGE]).collect()
}
