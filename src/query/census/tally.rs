//! Counts by name, of a bounded number of names.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, hash_map};

use crate::limits::{CENSUS_BYTES_MAX, CENSUS_NAMES_MAX};
use crate::segment::{Label, labels};

type Names = HashMap<Box<[u8]>, u64>;

/// What has become of something that was to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// It is counted.
    None,
    /// There was no room for its name.
    Out,
}

/// A count for each name.
#[derive(Debug)]
pub(super) struct Tally {
    counts: Names,
    /// Of pairs, how many values each name has.
    values: Names,
    /// Bytes of all names in `counts`.
    bytes: usize,
    /// What is still to be handed out.
    rest: Option<hash_map::IntoIter<Box<[u8]>, u64>>,
}

impl Tally {
    /// An empty one, with room for all names where it `is_used`: a table that grew in the middle
    /// of the work would stall it.
    pub(super) fn new(is_used: bool) -> Self {
        let room = if is_used { CENSUS_NAMES_MAX } else { 0 };
        let counts = HashMap::with_capacity(room);
        Self { counts, values: HashMap::new(), bytes: 0, rest: None }
    }

    /// Adds `count` to the count of `name`.
    pub(super) fn add(&mut self, name: &[u8], count: u64) -> Left {
        if let Some(all) = self.counts.get_mut(name) {
            *all += count;
            return Left::None;
        }
        let bytes = self.bytes + name.len();
        if self.counts.len() >= CENSUS_NAMES_MAX || bytes > CENSUS_BYTES_MAX {
            return Left::Out;
        }
        self.bytes = bytes;
        self.counts.insert(name.into(), count);
        Left::None
    }

    /// Takes in the `name=value` pairs of a stream: counted are the values of each name.
    pub(super) fn add_pairs(&mut self, stream: &[u8]) -> Left {
        let mut left = Left::None;
        for Label { pair, name, .. } in labels(stream) {
            let before = self.counts.len();
            if self.add(pair, 1) == Left::Out {
                left = Left::Out;
            }
            if self.counts.len() > before {
                match self.values.get_mut(name) {
                    Some(values) => *values += 1,
                    None => drop(self.values.insert(name.into(), 1)),
                }
            }
        }
        left
    }

    /// Moves at most `names_max` counts to `to`; whether these were the last.
    pub(super) fn drain(
        &mut self,
        names_max: usize,
        to: &mut BinaryHeap<(u64, Reverse<Box<[u8]>>)>,
    ) -> bool {
        let rest = self.rest.get_or_insert_with(|| {
            let pairs = std::mem::take(&mut self.values);
            let counts = std::mem::take(&mut self.counts);
            let counts = if pairs.is_empty() { counts } else { pairs };
            to.reserve(counts.len());
            counts.into_iter()
        });
        to.extend(rest.by_ref().take(names_max).map(|(name, count)| (count, Reverse(name))));
        rest.len() == 0
    }
}
