//! What the reactor tells about itself: STATS, CLIENTS, SLOWLOG, and whether it is ready.

use std::fmt::Write as _;

use super::Reactor;
use super::disk::SmallFile;
use crate::clock::{MS, SECOND};
use crate::level::Level;
use crate::log::Severity;
use crate::message::Transport;
use crate::metrics::Metrics;
use crate::session::Session;

impl Reactor {
    /// `STATS: Total=…, Dropped=…, Current=…, Clients=…` and everything else that is counted.
    pub(super) fn report_stats(&mut self) -> String {
        self.count_dropped_datagrams();
        let storage = self.storage.report();
        let now: [(&str, u64); 14] = [
            ("Total", storage.total),
            ("Dropped", storage.dropped),
            ("Current", storage.current),
            ("Clients", self.connections.count("logs") as u64),
            ("Questions", self.connections.count("questions") as u64),
            ("Http", self.connections.count("http") as u64),
            ("Tails", self.followers.tokens.len() as u64),
            ("HeldBytes", self.held_bytes as u64),
            ("OutboxBytes", self.outbox_bytes as u64),
            ("IrcOutboxBytes", self.irc_waiting_bytes() as u64),
            ("RssBytes", resident_bytes()),
            ("LogDropped", self.log.dropped),
            ("LogSuppressed", self.log.suppressed),
            ("UptimeS", self.now / SECOND),
        ];
        let counted = [counted(&self.metrics), counted_of_asking(&self.metrics)].concat();
        let by_kind = by_kind(&self.metrics);
        let rows = [&now[..], &storage.rows(), &counted, &by_kind].concat();
        let mut text = String::from("STATS: ");
        for (at, (name, value)) in rows.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let _infallible = write!(text, "{comma}{name}={value}");
        }
        text.push('\n');
        text
    }

    /// One line a connection: who, what, how long, how much.
    pub(super) fn report_clients(&mut self) -> String {
        let mut text = String::new();
        let mut count = 0;
        for connection in self.connections.iter() {
            let backlog = match &connection.session {
                Session::Logs(logs) => logs.held_bytes() as u64,
                Session::Questions(_) | Session::Http(_) | Session::Irc(_) => {
                    let running = connection.session.running().zip(self.storage.segment());
                    let lag = running.map_or(0, |(running, segment)| running.lag(segment));
                    connection.outbox.len() as u64 + lag
                }
                Session::Refused => continue,
            };
            count += 1;
            let _infallible = writeln!(
                text,
                "peer={} role={} age={}s in={} out={} backlog={backlog}",
                connection.peer,
                connection.session.role(),
                (self.now - connection.opened) / SECOND,
                connection.bytes_in,
                connection.bytes_out,
            );
        }
        format!("CLIENTS: {count} connected\n{text}")
    }

    /// The slowest commands of the last hour, slowest first.
    pub(super) fn report_slow(&mut self) -> String {
        let entries = self.slow.slowest_first();
        let mut text = format!("SLOWLOG: {} commands\n", entries.len());
        for entry in entries {
            let _infallible = writeln!(
                text,
                "[{}] took={}.{:03}ms scanned={} found={} peer={} command={}",
                String::from_utf8_lossy(self.time.text_of(entry.ended)),
                entry.took_ns / MS,
                entry.took_ns % MS / 1000,
                entry.scanned_bytes,
                entry.found,
                entry.peer,
                entry.command
            );
        }
        text
    }

    /// Whether questions are answered: the answer to `PING ready`.
    pub(super) fn report_ready(&mut self) -> String {
        match self.ready() {
            Ok(()) => String::from("PONG ready\n"),
            Err(reason) => format!("ERROR: not ready: {reason}\n"),
        }
    }

    /// Writes every metric to [`SmallFile::Metrics`], and STATS to our log.
    pub(super) fn dump_metrics(&mut self) {
        let stats = self.report_stats();
        let metrics = self.report_metrics();
        let file = match self.storage.write_file(SmallFile::Metrics, metrics.into_bytes()) {
            true => SmallFile::Metrics.name(),
            false if !self.settings.persist => "none: records are kept in memory only",
            false => "none: the disk is busy, or the segment not open yet",
        };
        let fields: [(&str, &dyn std::fmt::Display); 2] =
            [("text", &stats.trim()), ("file", &file)];
        self.log.event(self.wall, Severity::Info, "stats", &fields);
    }

    /// The disk helper has written the file, or has not.
    pub(super) fn on_file_written(&mut self, file: SmallFile, errno: i32) {
        let path = self.storage.dir.join(file.name());
        let path = path.display();
        let (written, not_written) = match file {
            SmallFile::Metrics => ("metrics_written", "metrics_not_written"),
            SmallFile::Irc => ("irc_filters_written", "irc_filters_not_written"),
        };
        if errno == 0 {
            self.log.event(self.wall, Severity::Info, written, &[("path", &path)]);
            return;
        }
        let error = std::io::Error::from_raw_os_error(errno);
        let fields: [(&str, &dyn std::fmt::Display); 2] = [("path", &path), ("error", &error)];
        self.log.event(self.wall, Severity::Error, not_written, &fields);
    }
}

/// What has been counted of lines, records and the disk since the start.
fn counted(metrics: &Metrics) -> Vec<(&'static str, u64)> {
    vec![
        ("Connections", metrics.connections_total),
        ("Refused", metrics.connections_refused),
        ("Lines", metrics.lines),
        ("BytesIn", metrics.bytes_in),
        ("Datagrams", metrics.datagrams),
        ("DatagramsDropped", metrics.datagrams_dropped),
        ("DatagramsRefused", metrics.datagrams_refused),
        ("DatagramsCut", metrics.datagrams_cut),
        ("KmsgLost", metrics.kmsg_lost),
        ("InflatedBytes", metrics.inflated_bytes),
        ("TimesBad", metrics.times_bad),
        ("Cut", metrics.cut),
        ("CutForMemory", metrics.cut_for_memory),
        ("CutBytes", metrics.cut_bytes),
        ("Suppressed", metrics.suppressed),
        ("Folded", metrics.folded),
        ("Joined", metrics.joined),
        ("SourcesEvicted", metrics.sources_evicted),
        ("Resyncs", metrics.resyncs),
        ("Foreign", metrics.foreign),
        ("InflateErrors", metrics.inflate_errors),
        ("ProxyErrors", metrics.proxy_errors),
        ("Lost", metrics.lost),
        ("Damaged", metrics.damaged),
        ("OpenedDamaged", metrics.opened_damaged),
        ("SortLeftOut", metrics.sort_left_out),
        ("CensusLeftOut", metrics.census_left_out),
        ("PrewriteBytes", metrics.prewrite_bytes),
        ("Syncs", metrics.syncs),
        ("SyncFailures", metrics.sync_failures),
        ("SyncLastUs", metrics.sync_last_ns / 1000),
        ("SyncMaxUs", metrics.sync_max_ns / 1000),
        ("WaitsDirty", metrics.waits_dirty),
        ("WaitsLimit", metrics.waits_limit),
        ("WaitsFetch", metrics.waits_fetch),
        ("DiskOrdersRefused", metrics.disk_orders_refused),
    ]
}

/// What has been counted of those who ask and read, and of turns, since the start.
fn counted_of_asking(metrics: &Metrics) -> Vec<(&'static str, u64)> {
    let times = &metrics.turn_times;
    vec![
        ("Queries", metrics.query_times.count()),
        ("Commands", metrics.commands),
        ("CommandErrors", metrics.command_errors),
        ("CommandsTooLong", metrics.commands_too_long),
        ("QueriesQueued", metrics.queries_queued),
        ("OutboxFull", metrics.outbox_full),
        ("ScannedBytes", metrics.scanned_bytes),
        ("Turns", metrics.turns),
        ("TurnP99Us", times.quantile(990) / 1000),
        ("TurnMaxUs", times.worst() / 1000),
        ("LagP99Us", metrics.lag_times.quantile(990) / 1000),
        ("LagMaxUs", metrics.lag_times.worst() / 1000),
        ("TurnsOutOfTime", metrics.turns_out_of_time),
        ("ReadsCutShort", metrics.reads_cut_short),
        ("AcceptsPutOff", metrics.accepts_put_off),
        ("AcceptsWithoutDescriptor", metrics.accepts_without_descriptor),
        ("IdleClosed", metrics.idle_closed),
        ("PeersDead", metrics.peers_dead),
        ("DrainsCutShort", metrics.drains_cut_short),
        ("HttpRequests", metrics.http.requests_total()),
        ("HttpEntries", metrics.http.entries),
        ("HttpEntriesBad", metrics.http.entries_bad.total()),
        ("HttpBodiesRefused", metrics.http.bodies_refused.total()),
        ("HttpThrottled", metrics.http.throttled),
        ("HttpTails", metrics.http.tails),
        ("IrcLines", metrics.irc_lines),
        ("IrcSlowed", metrics.irc_slowed),
        ("IrcTimeouts", metrics.irc_timeouts),
        ("IrcPasswordWrong", metrics.irc_password_wrong),
        ("IrcSkipped", metrics.irc_skipped),
        ("IrcOverrun", metrics.irc_overrun),
        ("IrcFeedLines", metrics.irc_feed_lines),
        ("IrcFeedSkipped", metrics.irc_feed_skipped),
    ]
}

/// How many lines there were of each level, and of each way to come.
fn by_kind(metrics: &Metrics) -> Vec<(&'static str, u64)> {
    let levels = LEVEL_KEYS.iter().zip(metrics.lines_by_level);
    let transports = TRANSPORT_KEYS.iter().zip(metrics.lines_by_transport);
    levels.chain(transports).map(|(name, count)| (*name, count)).collect()
}

/// What STATS calls the levels, by their numbers.
const LEVEL_KEYS: [&str; Level::COUNT] = [
    "Level.unknown",
    "Level.trace",
    "Level.debug",
    "Level.info",
    "Level.notice",
    "Level.warning",
    "Level.error",
    "Level.critical",
    "Level.alert",
    "Level.emergency",
];

/// What STATS calls the ways to come, in the order of [`Transport::ALL`].
const TRANSPORT_KEYS: [&str; Transport::COUNT] = [
    "Transport.tcp",
    "Transport.udp",
    "Transport.unix",
    "Transport.kmsg",
    "Transport.http",
    "Transport.own",
];

/// Memory this process holds, in bytes; 0 where `/proc` is not there to say.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
    pages.unwrap_or(0).saturating_mul(crate::segment::map::PAGE_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_transports_are_counted_under_their_names() {
        let levels = Level::ALL.map(|level| format!("Level.{}", level.name()));
        assert_eq!(LEVEL_KEYS.map(str::to_owned), levels);
        let transports = Transport::ALL.map(|one| format!("Transport.{}", one.name()));
        assert_eq!(TRANSPORT_KEYS.map(str::to_owned), transports);
    }
}
