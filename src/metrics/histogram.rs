//! Durations by the buckets that dashboards know: those of the Prometheus client libraries, and
//! shorter ones below, for most questions take less than a millisecond.

use crate::clock::MS;

/// The upper bounds of the buckets, in nanoseconds; what is longer counts as well.
const BOUNDS_NS: [u64; 16] = [
    MS / 10,
    MS / 4,
    MS / 2,
    MS,
    5 * MS / 2,
    5 * MS,
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    1000 * MS,
    2500 * MS,
    5000 * MS,
    10_000 * MS,
];

/// A histogram of durations.
#[derive(Debug, Default, Clone)]
pub struct Histogram {
    /// How many fell into each bucket and into none before it; the last is behind every bound.
    counts: [u64; BOUNDS_NS.len() + 1],
    sum_ns: u64,
}

impl Histogram {
    /// Adds one duration, in nanoseconds.
    pub fn record(&mut self, ns: u64) {
        self.counts[BOUNDS_NS.partition_point(|bound| *bound < ns)] += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// Every bound in nanoseconds, and how many were at most so long.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + Clone {
        let below = |seen: &mut u64, (bound, count): (u64, u64)| {
            *seen += count;
            Some((bound, *seen))
        };
        BOUNDS_NS.into_iter().zip(self.counts).scan(0, below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_at_a_bound_is_within_it() {
        let mut times = Histogram::default();
        for ns in [0, MS / 10, MS / 10 + 1, 5 * MS, 10_000 * MS, 10_000 * MS + 1, u64::MAX] {
            times.record(ns);
        }
        let found: Vec<u64> = times.buckets().map(|(_, count)| count).collect();
        assert_eq!(found, [2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5]);
        assert_eq!((times.count(), times.sum_ns()), (7, u64::MAX));
    }

    #[test]
    fn the_buckets_that_dashboards_know_are_among_them() {
        let bounds: Vec<u64> = Histogram::default().buckets().map(|(bound, _)| bound).collect();
        let known = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
        assert!(known.iter().all(|ms| bounds.contains(&(ms * MS))));
        assert!(bounds.is_sorted());
    }
}
