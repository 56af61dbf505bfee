//! The page of metrics: what is counted and how things stand, as families that a collector reads.
//!
//! Every name is here, and every counter of `src/metrics.rs`; the test below holds it to that. The
//! labels' values are words of the source, so that the page has a bound; but for the names of the
//! busiest streams, of which it has ten.

use super::Reactor;
use super::process::Facts;
use crate::clock::SECOND;
use crate::level::Level;
use crate::message::Transport;
use crate::metrics::families::{Exposition, Families, Kind, Value};
use crate::metrics::http::{Route, STATUS_CLASSES};
use crate::metrics::{HttpMetrics, Metrics};
use crate::segment::map::{self, MapStore};
use crate::segment::{Counters, Segment};

use Kind::{Counter, Gauge};
use Value::Nanoseconds;

/// A family of one sample without labels: its name, its value, its help.
pub(super) type Row = (&'static str, Value, &'static str);

/// What the cursors of one kind add up to.
#[derive(Clone, Copy, Default)]
struct Cursors {
    count: u64,
    /// How far the one farthest behind is, in records.
    lag: u64,
    regexes: u64,
    regex_bytes: u64,
}

impl Reactor {
    /// Appends every metric to `out`. It takes some tens of microseconds and waits for nothing.
    pub(super) fn expose(&mut self, exposition: Exposition, out: &mut Vec<u8>) {
        self.count_dropped_datagrams();
        let facts = self.process.facts(self.connections.len() as u64);
        let health = self.health();
        let mut families = Families::new(exposition, out);
        self.expose_server(&mut families);
        let help = "How each part is: 0 for OK, 1 for DEGRADED, 2 for DOWN";
        families.begin(Gauge, "logcaster_health_status", &["part"], help);
        for (part, status) in health.parts() {
            families.sample(&[part], status as u64);
        }
        expose_lines(&self.metrics, &mut families);
        self.expose_senders(&mut families);
        let counters = self.storage.segment().map(|segment| *segment.counters());
        expose_dropped(&self.metrics, &counters.unwrap_or_default(), &mut families);
        self.expose_questions(&mut families);
        if let Some(segment) = self.storage.segment() {
            self.expose_segment(segment, &mut families);
        }
        expose_disk(&self.metrics, &counters.unwrap_or_default(), &mut families);
        self.expose_memory(&mut families);
        expose_loop(&self.metrics, &mut families);
        expose_http(&self.metrics.http, &mut families);
        self.expose_irc(&mut families);
        expose_process(&facts, self.process.started, &mut families);
        families.finish();
    }

    /// The answer to `STATS json`, and what SIGUSR1 writes: every metric as one JSON object and a
    /// newline.
    pub(super) fn report_metrics(&mut self) -> String {
        let mut out = Vec::new();
        self.expose(Exposition::Json, &mut out);
        String::from_utf8(out).expect("what is written are strings and numbers")
    }

    fn expose_server(&self, families: &mut Families<'_>) {
        let metrics = &self.metrics;
        families.begin(Kind::Info, "logcaster_build", &["version", "arch"], "What runs here");
        families.sample(&[env!("CARGO_PKG_VERSION"), std::env::consts::ARCH], 1_u64);
        let rows: [Row; 3] = [
            (
                "logcaster_persistence_enabled",
                u64::from(self.settings.persist).into(),
                "1 where records are kept on disk, 0 where in memory only",
            ),
            ("logcaster_uptime_seconds", Nanoseconds(self.now), "Time since the start"),
            (
                "logcaster_connections_active",
                self.connections.len().into(),
                "Connections that are open",
            ),
        ];
        push_rows(Gauge, &rows, families);
        let help = "Connections that are open, by what is spoken on them";
        families.begin(Gauge, "logcaster_connections_by_role", &["role"], help);
        for (role, count) in self.connections.roles() {
            families.sample(&[role], *count);
        }
        let help = "Connections that are let in, by what is spoken on them";
        families.begin(Gauge, "logcaster_connections_max", &["role"], help);
        families.sample(&["logs"], self.settings.max_clients);
        families.sample(&["http"], self.settings.max_clients);
        if self.irc.is_some() {
            families.sample(&["irc"], self.settings.irc_max_clients);
        }
        let rows: [Row; 2] = [
            ("logcaster_connections", metrics.connections_total.into(), "Connections accepted"),
            (
                "logcaster_connections_refused",
                metrics.connections_refused.into(),
                "Connections turned away: too many, or from where none may come",
            ),
        ];
        push_rows(Counter, &rows, families);
        let help = "Connections that did not end by themselves, by reason";
        families.begin(Counter, "logcaster_connections_ended", &["reason"], help);
        families.sample(&["idle"], metrics.idle_closed);
        families.sample(&["peer_dead"], metrics.peers_dead);
        families.sample(&["not_closed"], metrics.drains_cut_short);
    }

    /// Who sends. The streams are named by those who send, so their number and share is bounded.
    fn expose_senders(&self, families: &mut Families<'_>) {
        let help = "Lines of the ten streams that sent most in the last minutes, each since it was \
                    last taken note of";
        families.begin(Counter, "logcaster_stream_logs", &["stream"], help);
        for (stream, count) in self.busiest.listed() {
            families.sample(&[&stream], count);
        }
        let help = "Senders of which the rate limit held lines back in the last ten seconds";
        let held_back = self.intake.held_back(self.now);
        families.one(Gauge, "logcaster_suppressed_sources", held_back, help);
    }

    fn expose_questions(&self, families: &mut Families<'_>) {
        let metrics = &self.metrics;
        let (queries, tails) = self.cursors();
        let times = &metrics.query_times;
        let rows: [Row; 10] = [
            ("logcaster_queries", times.count().into(), "Questions about records answered"),
            ("logcaster_commands", metrics.commands.into(), "Commands of the text protocol"),
            (
                "logcaster_command_errors",
                metrics.command_errors.into(),
                "Commands answered with an error",
            ),
            (
                "logcaster_commands_too_long",
                metrics.commands_too_long.into(),
                "Commands longer than allowed",
            ),
            (
                "logcaster_queries_queued",
                metrics.queries_queued.into(),
                "Questions that waited for another to end",
            ),
            (
                "logcaster_outbox_full",
                metrics.outbox_full.into(),
                "Times an answer waited for its client to take some of it",
            ),
            (
                "logcaster_scanned_bytes",
                metrics.scanned_bytes.into(),
                "Bytes of records that questions looked at",
            ),
            (
                "logcaster_reader_lost_records",
                metrics.lost.into(),
                "Records that readers were told they had missed",
            ),
            (
                "logcaster_sort_left_out",
                metrics.sort_left_out.into(),
                "Matches left out of answers in order of time",
            ),
            (
                "logcaster_census_left_out",
                metrics.census_left_out.into(),
                "Records left out of listings with too many names",
            ),
        ];
        push_rows(Counter, &rows, families);
        let help = "Time from a question about records to the end of its answer";
        let all = (times.count(), times.sum_ns());
        families.histogram("logcaster_query_duration_seconds", all, times.buckets(), help);
        push_cursors(&queries, &tails, families);
        let waiting = self.scan_queue.len();
        let help = "Questions that wait for another to end";
        families.one(Gauge, "logcaster_queries_waiting", waiting, help);
    }

    /// What is under way for those who ask: questions that end, and those that follow.
    fn cursors(&self) -> (Cursors, Cursors) {
        let (mut queries, mut tails) = (Cursors::default(), Cursors::default());
        let Some(segment) = self.storage.segment() else { return (queries, tails) };
        // Those who only send have none.
        let senders = self.connections.count("logs");
        let mut left = self.connections.len().saturating_sub(senders);
        for connection in self.connections.iter() {
            if left == 0 {
                break;
            }
            left -= usize::from(connection.session.role() != "logs");
            let Some(running) = connection.session.running() else { continue };
            let cursors = if running.is_tail { &mut tails } else { &mut queries };
            let regex_bytes = running.regex_bytes() as u64;
            cursors.count += 1;
            cursors.lag = cursors.lag.max(running.lag(segment));
            cursors.regexes += u64::from(regex_bytes > 0);
            cursors.regex_bytes += regex_bytes;
        }
        (queries, tails)
    }

    fn expose_segment(&self, segment: &Segment<MapStore>, families: &mut Families<'_>) {
        let usage = segment.usage();
        let geometry = segment.geometry();
        let store = segment.store();
        let oldest = segment.oldest_received_ns(|slot| store.is_resident(slot));
        let age = oldest.map_or(0, |received| self.wall.saturating_sub(received));
        let rows: [Row; 9] = [
            ("logcaster_records", segment.records().into(), "Records that can be asked for"),
            (
                "logcaster_buffer_size_bytes",
                usage.bytes.into(),
                "Bytes of the ring that records take",
            ),
            (
                "logcaster_buffer_capacity_bytes",
                geometry.ring_bytes().into(),
                "Bytes that the ring has for records",
            ),
            ("logcaster_segment_bytes", geometry.file_bytes.into(), "Bytes of the whole segment"),
            (
                "logcaster_oldest_record_age_seconds",
                Nanoseconds(age),
                "Time since the oldest record came in; 0 without records",
            ),
            (
                "logcaster_head_sequence",
                segment.head().0.into(),
                "Number that the next record gets, at least",
            ),
            ("logcaster_tail_sequence", segment.tail().0.into(), "Number of the oldest record"),
            (
                "logcaster_durable_sequence",
                segment.durable().0.into(),
                "Every record below this number is on disk",
            ),
            (
                "logcaster_dirty_bytes",
                segment.dirty_bytes().into(),
                "Bytes stored since the last sync that has ended was begun",
            ),
        ];
        push_rows(Gauge, &rows, families);
        families.begin(Gauge, "logcaster_blocks", &["state"], "Blocks of the ring");
        families.sample(&["used"], usage.blocks);
        families.sample(&["free"], u64::from(geometry.blocks).saturating_sub(usage.blocks));
    }

    fn expose_memory(&self, families: &mut Families<'_>) {
        let rows: [Row; 3] = [
            (
                "logcaster_memory_budget_bytes",
                self.settings.memory.into(),
                "Bytes that lines in pieces and answers may take together",
            ),
            (
                "logcaster_held_bytes",
                self.held_bytes.into(),
                "Bytes of lines that are not whole yet",
            ),
            (
                "logcaster_outbox_bytes",
                self.outbox_bytes.into(),
                "Bytes of answers that their clients have not taken",
            ),
        ];
        push_rows(Gauge, &rows, families);
        let help = "Events of the own log that were not written, by reason";
        families.begin(Counter, "logcaster_own_log_dropped", &["reason"], help);
        families.sample(&["stderr_full"], self.metrics.log_dropped.max(self.log.dropped));
        families.sample(&["repeated"], self.metrics.log_suppressed.max(self.log.suppressed));
    }
}

pub(super) fn push_rows(kind: Kind, rows: &[Row], families: &mut Families<'_>) {
    for (name, value, help) in rows {
        families.one(kind, name, *value, help);
    }
}

fn push_cursors(queries: &Cursors, tails: &Cursors, families: &mut Families<'_>) {
    let mut push = |name, help, of: fn(&Cursors) -> u64| {
        families.begin(Gauge, name, &["kind"], help);
        families.sample(&["query"], of(queries));
        families.sample(&["tail"], of(tails));
    };
    push("logcaster_cursors", "Questions under way, and tails", |all| all.count);
    let help = "Records between the slowest cursor and the newest record";
    push("logcaster_cursor_lag_records", help, |all| all.lag);
    push("logcaster_regex_cache_patterns", "Patterns that are compiled now", |all| all.regexes);
    let help = "Bytes that compiled patterns and the states they have met take";
    push("logcaster_regex_cache_bytes", help, |all| all.regex_bytes);
}

fn expose_lines(metrics: &Metrics, families: &mut Families<'_>) {
    let rows: [Row; 13] = [
        ("logcaster_logs", metrics.lines.into(), "Lines stored"),
        ("logcaster_received_bytes", metrics.bytes_in.into(), "Bytes received from log clients"),
        (
            "logcaster_inflated_bytes",
            metrics.inflated_bytes.into(),
            "Bytes that compressed frames and streams became",
        ),
        ("logcaster_datagrams", metrics.datagrams.into(), "Datagrams received"),
        (
            "logcaster_datagrams_cut",
            metrics.datagrams_cut.into(),
            "Datagrams longer than the room for one",
        ),
        (
            "logcaster_cut_for_memory",
            metrics.cut_for_memory.into(),
            "Lines cut because the memory budget had no room for their rest",
        ),
        ("logcaster_cut_bytes", metrics.cut_bytes.into(), "Bytes of cut lines that were dropped"),
        ("logcaster_folded", metrics.folded.into(), "Lines folded into an equal one before them"),
        (
            "logcaster_joined",
            metrics.joined.into(),
            "Lines joined to the first line of their record",
        ),
        (
            "logcaster_sources_evicted",
            metrics.sources_evicted.into(),
            "Senders that the limits of rate and repeats forgot for others",
        ),
        ("logcaster_frame_resyncs", metrics.resyncs.into(), "Counted frames whose count was wrong"),
        (
            "logcaster_event_times_bad",
            metrics.times_bad.into(),
            "Records whose own time could not be read",
        ),
        (
            "logcaster_prewritten_bytes",
            metrics.prewrite_bytes.into(),
            "Bytes of the segment that were written ahead",
        ),
    ];
    push_rows(Counter, &rows, families);
    families.begin(Counter, "logcaster_logs_by_level", &["level"], "Lines stored, by level");
    for (level, count) in Level::ALL.iter().zip(metrics.lines_by_level) {
        families.sample(&[level.name()], count);
    }
    let help = "Lines stored, by the way they came";
    families.begin(Counter, "logcaster_logs_by_transport", &["transport"], help);
    for (transport, count) in Transport::ALL.iter().zip(metrics.lines_by_transport) {
        families.sample(&[transport.name()], count);
    }
}

/// What was taken away: parts of lines, records, whole deliveries.
fn expose_dropped(metrics: &Metrics, counters: &Counters, families: &mut Families<'_>) {
    let help = "What is not there any more, or never was whole, by reason: records that left the \
                ring (evicted by newer ones, expired by age or number, cleared), lines that were \
                cut or suppressed by the rate limit, datagrams that the kernel dropped or that \
                were rejected, deliveries and entries that could not be read, requests that were \
                throttled";
    families.begin(Counter, "logcaster_dropped", &["reason"], help);
    let rows = [
        ("evicted", counters.evicted_records),
        ("expired", counters.expired_records),
        ("cleared", counters.cleared_records),
        ("cut", metrics.cut),
        ("suppressed", metrics.suppressed),
        ("dropped", metrics.datagrams_dropped),
        ("overwritten", metrics.kmsg_lost),
        ("rejected", metrics.datagrams_refused),
        ("not_text", metrics.foreign),
        ("inflate", metrics.inflate_errors),
        ("proxy", metrics.proxy_errors),
        ("throttled", metrics.http.throttled),
    ];
    let bad = &metrics.http.entries_bad;
    for (reason, count) in rows {
        // A sample twice would spoil the whole page.
        let same = bad.iter().filter(|(other, _)| *other == reason).map(|(_, count)| count);
        families.sample(&[reason], count + same.sum::<u64>());
    }
    let is_new = |other: &str| rows.iter().all(|(reason, _)| *reason != other);
    for (reason, count) in bad.iter().filter(|(reason, _)| is_new(reason)) {
        families.sample(&[reason], count);
    }
}

fn expose_disk(metrics: &Metrics, counters: &Counters, families: &mut Families<'_>) {
    let rows: [Row; 9] = [
        (
            "logcaster_disk_writes",
            metrics.syncs.into(),
            "Times that all stored so far was brought to the disk",
        ),
        ("logcaster_disk_written_bytes", counters.disk_bytes.into(), "Bytes of pages synced"),
        ("logcaster_sync_failures", metrics.sync_failures.into(), "Syncs that failed"),
        (
            "logcaster_disk_orders_refused",
            metrics.disk_orders_refused.into(),
            "Orders that the disk helper could not take at once",
        ),
        (
            "logcaster_bus_errors",
            map::bus_errors().into(),
            "Pages of the segment that could not be read and were replaced by zeros",
        ),
        (
            "logcaster_damaged_records",
            metrics.damaged.into(),
            "Records that failed their checksum when they were asked for",
        ),
        (
            "logcaster_opened_damaged_records",
            metrics.opened_damaged.into(),
            "Records found damaged when the segment was opened",
        ),
        (
            "logcaster_evicted_blocks",
            counters.evicted_blocks.into(),
            "Blocks recycled for newer records",
        ),
        (
            "logcaster_sequence_gaps",
            counters.gaps.into(),
            "Numbers given to no record after a crash",
        ),
    ];
    push_rows(Counter, &rows, families);
    let help = "Times that the disk was waited for, by what: log clients for a sync (dirty) or a \
                block (block), readers for pages (fetch)";
    families.begin(Counter, "logcaster_disk_waits", &["for"], help);
    families.sample(&["dirty"], metrics.waits_dirty);
    families.sample(&["block"], metrics.waits_limit);
    families.sample(&["fetch"], metrics.waits_fetch);
    let times = &metrics.sync_times;
    let all = (times.count(), times.sum_ns());
    let help = "Time that syncs take";
    families.histogram("logcaster_sync_duration_seconds", all, times.buckets(), help);
    let rows: [Row; 3] = [
        (
            "logcaster_sync_last_duration_seconds",
            Nanoseconds(metrics.sync_last_ns),
            "Time that the last sync took",
        ),
        (
            "logcaster_sync_longest_duration_seconds",
            Nanoseconds(metrics.sync_max_ns),
            "Time that the longest sync took",
        ),
        (
            "logcaster_sync_last_success_timestamp_seconds",
            Nanoseconds(metrics.sync_last_ended),
            "When the last good sync ended, as Unix time; 0 before the first",
        ),
    ];
    push_rows(Gauge, &rows, families);
}

fn expose_loop(metrics: &Metrics, families: &mut Families<'_>) {
    let rows: [Row; 5] = [
        ("logcaster_turns", metrics.turns.into(), "Turns of the loop"),
        (
            "logcaster_turns_out_of_time",
            metrics.turns_out_of_time.into(),
            "Turns that left work for the next because their time was up",
        ),
        (
            "logcaster_reads_cut_short",
            metrics.reads_cut_short.into(),
            "Reads that stopped at their bound with more to come",
        ),
        (
            "logcaster_accepts_put_off",
            metrics.accepts_put_off.into(),
            "Turns that left connections unaccepted",
        ),
        (
            "logcaster_accepts_without_descriptor",
            metrics.accepts_without_descriptor.into(),
            "Times that there was no descriptor for a connection",
        ),
    ];
    push_rows(Counter, &rows, families);
    let times = &metrics.turn_times;
    let all = (times.count(), times.sum_ns());
    let help = "Time that a turn of the loop takes";
    families.histogram("logcaster_turn_duration_seconds", all, times.buckets(), help);
    let lags = &metrics.lag_times;
    let all = (lags.count(), lags.sum_ns());
    let help = "Time by which the loop came late to what was due, up to 1 ms of it the poll's own";
    families.histogram("logcaster_loop_lag_seconds", all, lags.buckets(), help);
    let rows: [Row; 2] = [
        (
            "logcaster_turn_worst_duration_seconds",
            Nanoseconds(times.worst()),
            "The longest turn of the last one to two minutes",
        ),
        (
            "logcaster_loop_worst_lag_seconds",
            Nanoseconds(lags.worst()),
            "The longest lag of the last one to two minutes",
        ),
    ];
    push_rows(Gauge, &rows, families);
}

fn expose_http(http: &HttpMetrics, families: &mut Families<'_>) {
    let help = "Requests over HTTP, by what they asked for and how they were answered";
    families.begin(Counter, "logcaster_http_requests", &["route", "code"], help);
    for (route, counts) in Route::ALL.iter().zip(&http.requests) {
        for (class, count) in STATUS_CLASSES.iter().zip(counts) {
            families.sample(&[route.name(), class], *count);
        }
    }
    let rows: [Row; 7] = [
        ("logcaster_http_received_bytes", http.bytes_in.into(), "Bytes received over HTTP"),
        ("logcaster_http_sent_bytes", http.bytes_out.into(), "Bytes sent over HTTP"),
        ("logcaster_http_body_bytes", http.body_bytes.into(), "Bytes of bodies, decoded"),
        ("logcaster_http_entries", http.entries.into(), "Entries of bodies that were stored"),
        ("logcaster_http_tails", http.tails.into(), "Tails begun over HTTP"),
        (
            "logcaster_http_waits_for_sync",
            http.waits_sync.into(),
            "Answers that waited until all was on disk",
        ),
        (
            "logcaster_http_compressed_answers",
            http.answers_compressed.into(),
            "Answers that were sent compressed",
        ),
    ];
    push_rows(Counter, &rows, families);
    let help = "Bodies of which nothing more was taken, by reason";
    families.begin(Counter, "logcaster_http_bodies_refused", &["reason"], help);
    for (reason, count) in http.bodies_refused.iter() {
        families.sample(&[reason], count);
    }
}

/// <https://prometheus.io/docs/instrumenting/writing_clientlibs/>, "Process metrics".
fn expose_process(facts: &Facts, started: u64, families: &mut Families<'_>) {
    let help = "Total user and system CPU time spent in seconds";
    families.one(Counter, "process_cpu_seconds", Nanoseconds(facts.cpu_ns), help);
    // To the millisecond, as the clock of the system's own count of it.
    let started = Nanoseconds(started / (SECOND / 1000) * (SECOND / 1000));
    let help = "Start time of the process since unix epoch in seconds";
    families.one(Gauge, "process_start_time_seconds", started, help);
    let rows = [
        ("process_open_fds", facts.open_files, "Number of open file descriptors"),
        ("process_max_fds", facts.open_files_max, "Maximum number of open file descriptors"),
        ("process_resident_memory_bytes", facts.resident_bytes, "Resident memory size in bytes"),
        ("process_virtual_memory_bytes", facts.virtual_bytes, "Virtual memory size in bytes"),
        (
            "process_virtual_memory_max_bytes",
            facts.virtual_bytes_max,
            "Maximum amount of virtual memory available in bytes",
        ),
        ("process_threads", facts.threads, "Number of OS threads in the process"),
    ];
    for (name, value, help) in rows {
        if let Some(value) = value {
            families.one(Gauge, name, value, help);
        }
    }
}

#[cfg(test)]
mod tests;
