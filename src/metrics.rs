//! What is counted. A counter only grows, and belongs to one thread.
//!
//! `STATS` shows it as `Key=Value`, `src/reactor/exposition.rs` as metric families.

mod durations;
pub mod families;
mod histogram;
pub mod http;
#[cfg(test)]
pub(crate) mod testing;

pub use durations::Durations;
pub use histogram::Histogram;
pub use http::HttpMetrics;

use crate::clock::{Mono, Wall};
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
    /// Lines that clients of IRC sent.
    pub irc_lines: u64,
    /// Times a client of IRC had sent so much that the rest waited.
    pub irc_slowed: u64,
    /// Clients of IRC closed since they did not register or did not answer a `PING`.
    pub irc_timeouts: u64,
    /// Clients of IRC closed since their `PASS` was wrong or missing.
    pub irc_password_wrong: u64,
    /// Messages and log lines left out for clients of IRC that could not keep up.
    pub irc_skipped: u64,
    /// Clients of IRC closed since too much waited for them.
    pub irc_overrun: u64,
    /// Log lines that LogBot said in channels, each once a channel.
    pub irc_feed_lines: u64,
    /// Log lines that LogBot left out in channels above their rate, or that the ring took.
    pub irc_feed_skipped: u64,
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
    /// Records that were found damaged when the segment was opened.
    pub opened_damaged: u64,
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
    /// When the last successful sync ended; 0 before the first.
    pub sync_last_ended: Wall,
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
    /// How long after its time the loop came to what was due: at most a millisecond of it is the
    /// poll's own.
    pub lag_times: Durations,
    /// How long syncs take, those that failed among them.
    pub sync_times: Histogram,
    /// How long questions about records took, from the question to the last of its answer, waiting
    /// included. Those that follow what comes in never end, and are not in it.
    pub query_times: Histogram,
    /// What came over HTTP.
    pub http: HttpMetrics,
}

impl Metrics {
    /// A turn that began at `began` has ended.
    pub fn turn_ended(&mut self, began: Mono, ended: Mono) {
        self.turn_times.record(ended, ended.saturating_sub(began));
    }

    /// A question about records was answered to its end, `ns` nanoseconds after it was asked.
    pub fn query_finished(&mut self, ns: u64) {
        self.query_times.record(ns);
    }

    /// A sync that took `ns` nanoseconds has ended, well or not.
    pub fn sync_ended(&mut self, ns: u64, is_good: bool, now: Wall) {
        self.sync_times.record(ns);
        self.sync_last_ns = ns;
        self.sync_max_ns = self.sync_max_ns.max(ns);
        if is_good {
            self.syncs += 1;
            self.sync_last_ended = now;
        } else {
            self.sync_failures += 1;
        }
    }
}
