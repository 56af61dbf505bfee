//! Durations by powers of two: cheap enough for every turn, and of any length.

use crate::clock::{Mono, SECOND};

/// How many buckets [`Durations`] has: up to 2^39 ns, nine minutes.
const BUCKETS: usize = 40;
/// The shortest and the longest of the bounds that are shown, as powers of two.
const SHOWN_FIRST: usize = 13;
const SHOWN_LAST: usize = 33;

/// A histogram of durations by powers of two, with the worst of the last one to two minutes.
#[derive(Debug, Clone)]
pub struct Durations {
    /// Bucket *b* holds those of more than 2^(b-1) ns and at most 2^b.
    counts: [u64; BUCKETS],
    sum_ns: u64,
    /// The worst of this minute and of the one before.
    worst: [u64; 2],
    /// When this minute began.
    minute_start: Mono,
}

impl Default for Durations {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], sum_ns: 0, worst: [0; 2], minute_start: 0 }
    }
}

impl Durations {
    /// Adds one duration.
    pub fn record(&mut self, now: Mono, ns: u64) {
        let bucket = 64 - ns.saturating_sub(1).leading_zeros() as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
        let since = now.saturating_sub(self.minute_start);
        if since >= 60 * SECOND {
            self.worst = if since < 120 * SECOND { [0, self.worst[0]] } else { [0; 2] };
            self.minute_start = now;
        }
        self.worst[0] = self.worst[0].max(ns);
    }

    /// The longest of the last one to two minutes, in nanoseconds.
    pub fn worst(&self) -> u64 {
        self.worst[0].max(self.worst[1])
    }

    /// An upper bound, in nanoseconds, of the given share (in thousandths) of all durations; 0
    /// before the first.
    pub fn quantile(&self, thousandths: u64) -> u64 {
        let total: u64 = self.counts.iter().sum();
        let wanted = total.saturating_mul(thousandths).div_ceil(1000);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return 1 << bucket;
            }
        }
        0
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// Bounds in nanoseconds, and how many were at most so long: 8 µs to 8.6 s, each four times the
    /// one before. What is longer is in [`Self::count`] only.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + Clone {
        let counts = self.counts;
        (SHOWN_FIRST..=SHOWN_LAST).step_by(2).map(move |bucket| {
            let below: u64 = counts[..=bucket].iter().sum();
            (1 << bucket, below)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_bounds_its_share_from_above() {
        let mut times = Durations::default();
        assert_eq!(times.quantile(990), 0);
        for _ in 0..99 {
            times.record(0, 1000);
        }
        times.record(0, 1_000_000);
        assert_eq!(times.quantile(500), 1024);
        assert_eq!(times.quantile(990), 1024);
        assert_eq!(times.quantile(1000), 1 << 20);
    }

    #[test]
    fn each_duration_is_below_its_bound_and_above_the_one_before() {
        for (ns, bound) in [(0, 8192), (8192, 8192), (8193, 32768), (1 << 33, 1 << 33)] {
            let mut times = Durations::default();
            times.record(0, ns);
            let first = times.buckets().find(|(_, count)| *count == 1).map(|(bound, _)| bound);
            assert_eq!((first, times.sum_ns()), (Some(bound), ns));
        }
        let mut times = Durations::default();
        times.record(0, u64::MAX);
        times.record(0, u64::MAX);
        assert!(times.buckets().all(|(_, count)| count == 0));
        assert_eq!((times.count(), times.sum_ns()), (2, u64::MAX));
    }

    #[test]
    fn the_worst_is_forgotten_after_two_minutes() {
        let mut times = Durations::default();
        times.record(0, 5000);
        times.record(61 * SECOND, 10);
        assert_eq!(times.worst(), 5000);
        times.record(122 * SECOND, 20);
        assert_eq!(times.worst(), 20);
    }
}
