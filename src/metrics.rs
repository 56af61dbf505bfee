//! What is counted. A counter only grows, and belongs to one thread.

use crate::clock::{Mono, SECOND};
use crate::level::Level;
use crate::message::Transport;

/// Every counter, by the name that `STATS` and, in snake case, the metrics page give it.
#[derive(Debug, Default, Clone)]
pub struct Metrics {
    /// Connections accepted, of every kind.
    pub connections_total: u64,
    /// Connections turned away: too many, or from where none may come.
    pub connections_refused: u64,
    /// Lines that got their slot.
    pub lines: u64,
    /// These by level, by its number.
    pub lines_by_level: [u64; Level::COUNT],
    /// And by the way they came, in the order of [`Transport::ALL`].
    pub lines_by_transport: [u64; Transport::COUNT],
    /// Bytes received from log clients.
    pub bytes_in: u64,
    /// Datagrams received, of every kind of socket.
    pub datagrams: u64,
    /// Datagrams that the kernel dropped because we did not read them in time, or that were still
    /// unstored when the server had to end.
    pub datagrams_dropped: u64,
    /// Datagrams from where none may come.
    pub datagrams_refused: u64,
    /// Datagrams longer than our room for one.
    pub datagrams_cut: u64,
    /// Kernel messages that were overwritten before we read them.
    pub kmsg_lost: u64,
    /// Bytes that compressed frames and streams became.
    pub inflated_bytes: u64,
    /// Records whose own time could not be read.
    pub times_bad: u64,
    /// Lines longer than `--max-line`.
    pub cut: u64,
    /// Lines cut because the memory budget had no room for their rest.
    pub cut_for_memory: u64,
    /// Bytes of cut lines that were dropped.
    pub cut_bytes: u64,
    /// Lines held back by `--rate-limit`.
    pub suppressed: u64,
    /// Lines folded by `--dedupe` into the one before them.
    pub folded: u64,
    /// Lines joined by `--multiline` to the first line of their record.
    pub joined: u64,
    /// Senders that `--rate-limit` and `--dedupe` forgot for others.
    pub sources_evicted: u64,
    /// Counted frames whose count was wrong.
    pub resyncs: u64,
    /// Connections and datagrams refused because they were no text.
    pub foreign: u64,
    /// Compressed frames and streams that could not be inflated, or became too much.
    pub inflate_errors: u64,
    /// Connections refused for a wrong header of the PROXY protocol, or for none.
    pub proxy_errors: u64,
    /// Commands answered.
    pub commands: u64,
    /// Commands answered with an error.
    pub command_errors: u64,
    /// Commands longer than allowed.
    pub commands_too_long: u64,
    /// Queries that had to wait for another to end.
    pub queries_queued: u64,
    /// Times a query waited for its client to take what was found.
    pub outbox_full: u64,
    /// Lines that readers were told they had missed.
    pub lost: u64,
    /// Matches left out of answers in order of time, for there were too many.
    pub sort_left_out: u64,
    /// Records left out of LABELS, VALUES and STATS, for there were too many names.
    pub census_left_out: u64,
    /// Records that failed their checksum when they were to be served.
    pub damaged: u64,
    /// Bytes of text that queries and tails looked at.
    pub scanned_bytes: u64,
    /// Turns of the reactor.
    pub turns: u64,
    /// Turns that left work for the next because their time was up.
    pub turns_out_of_time: u64,
    /// Reads that stopped at their bound with more to come.
    pub reads_cut_short: u64,
    /// Turns that left connections unaccepted.
    pub accepts_put_off: u64,
    /// Times there was no descriptor for a connection.
    pub accepts_without_descriptor: u64,
    /// Times log sockets waited because too much was not on disk yet.
    pub waits_dirty: u64,
    /// Times log sockets waited for a superblock, or for a block to be ready.
    pub waits_limit: u64,
    /// Connections closed for their silence.
    pub idle_closed: u64,
    /// Connections whose peer was found dead by the kernel.
    pub peers_dead: u64,
    /// Clients that kept a finished conversation open until it was cut.
    pub drains_cut_short: u64,
    /// Successful syncs.
    pub syncs: u64,
    /// Failed syncs.
    pub sync_failures: u64,
    /// Nanoseconds the last sync took.
    pub sync_last_ns: u64,
    /// Nanoseconds the longest sync took.
    pub sync_max_ns: u64,
    /// Orders the disk helper could not take at once.
    pub disk_orders_refused: u64,
    /// Bytes pre-written.
    pub prewrite_bytes: u64,
    /// Times a reader waited for pages from the disk.
    pub waits_fetch: u64,
    /// Events of our own log dropped because standard error did not take them.
    pub log_dropped: u64,
    /// Events of our own log left out because their kind repeated.
    pub log_suppressed: u64,
    /// How long turns take.
    pub turn_times: Durations,
}

/// How many buckets [`Durations`] has: up to 2^39 ns, nine minutes.
const BUCKETS: usize = 40;

/// A histogram of durations by powers of two, with the worst of the last one to two minutes.
#[derive(Debug, Clone)]
pub struct Durations {
    counts: [u64; BUCKETS],
    /// The worst of this minute and of the one before.
    worst: [u64; 2],
    /// When this minute began.
    minute_start: Mono,
}

impl Default for Durations {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], worst: [0; 2], minute_start: 0 }
    }
}

impl Durations {
    /// Adds one duration.
    pub fn record(&mut self, now: Mono, ns: u64) {
        let bucket = (64 - ns.leading_zeros() as usize).min(BUCKETS - 1);
        self.counts[bucket] += 1;
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
    fn the_worst_is_forgotten_after_two_minutes() {
        let mut times = Durations::default();
        times.record(0, 5000);
        times.record(61 * SECOND, 10);
        assert_eq!(times.worst(), 5000);
        times.record(122 * SECOND, 20);
        assert_eq!(times.worst(), 20);
    }
}
