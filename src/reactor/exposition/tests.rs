use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::clock::{Clock, MS};
use crate::config::Settings;
use crate::level::Level;
use crate::metrics::testing::Page;
use crate::reactor::irc::IrcPlace;
use crate::segment::{NewRecord, StreamRef};

/// A server that nobody knows of, with a few lines.
fn reactor() -> Reactor {
    let flags = [
        ("log-port", "0"),
        ("query-port", "0"),
        ("http-port", "0"),
        ("bind", "127.0.0.1"),
        ("size", "1"),
        ("log-level", "error"),
    ];
    let flags = flags.map(|(name, value)| (name, value.to_owned()));
    let flags: Vec<_> = flags.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut reactor = Reactor::start(Settings::from_flags(&flags).unwrap(), &[]).unwrap();
    let received_ns = reactor.wall - 5 * SECOND;
    let segment = reactor.storage.segment_mut().unwrap();
    for text in [&b"one"[..], b"two", b"three"] {
        let record = NewRecord { text, cut: false, level: Level::Info, received_ns, event_ns: 0 };
        segment.append(&record, b"host=a", &mut StreamRef::default()).unwrap();
    }
    reactor
}

fn text(reactor: &mut Reactor, exposition: Exposition) -> String {
    let mut out = Vec::new();
    reactor.expose(exposition, &mut out);
    String::from_utf8(out).unwrap()
}

fn page(reactor: &mut Reactor) -> Page {
    Page::read(&text(reactor, Exposition::Prometheus), Exposition::Prometheus)
}

#[test]
fn every_family_has_help_and_type_and_every_sample_its_family() {
    let mut reactor = reactor();
    reactor.metrics.query_finished(3 * MS);
    reactor.metrics.sync_ended(700 * MS, true, 5);
    reactor.metrics.lag_times.record(0, 20 * SECOND);
    let plain = page(&mut reactor);
    let open = text(&mut reactor, Exposition::OpenMetrics);
    let open = Page::read(&open, Exposition::OpenMetrics);
    assert!(plain.samples.keys().eq(open.samples.keys()));
    assert!(plain.samples.len() < 400, "{} samples", plain.samples.len());
    assert_eq!(plain.types.len(), open.types.len());
    for name in plain.types.keys() {
        let is_ours = name.starts_with("logcaster_") || name.starts_with("process_");
        assert!(is_ours, "{name}");
    }
}

#[test]
fn the_names_of_dashboards_that_exist_are_there() {
    let mut reactor = reactor();
    reactor.metrics.lines = 3;
    reactor.metrics.connections_total = 4;
    reactor.metrics.query_finished(3 * MS);
    reactor.metrics.sync_ended(700 * MS, true, 5);
    let page = page(&mut reactor);
    for (key, expected) in [
        ("logcaster_logs_total", 3.0),
        ("logcaster_connections_total", 4.0),
        ("logcaster_connections_active", 0.0),
        ("logcaster_queries_total", 1.0),
        ("logcaster_disk_writes_total", 1.0),
        ("logcaster_query_duration_seconds_bucket{le=0.0025}", 0.0),
        ("logcaster_query_duration_seconds_bucket{le=0.005}", 1.0),
        ("logcaster_query_duration_seconds_sum", 0.003),
        ("logcaster_records", 3.0),
        ("logcaster_blocks{state=used}", 1.0),
        ("logcaster_oldest_record_age_seconds", 5.0),
        ("logcaster_dropped_total{reason=evicted}", 0.0),
        ("logcaster_health_status{part=segment}", 0.0),
    ] {
        assert_eq!(page.value(key), expected, "{key}");
    }
    assert!(page.value("logcaster_buffer_size_bytes") > 100.0);
    assert!(page.value("process_resident_memory_bytes") > 100_000.0);
    assert!(page.value("process_start_time_seconds") > 1.6e9);
}

/// The public fields of a struct, by its source.
fn fields<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let (_, rest) = source.split_once(&format!("pub struct {name} {{")).unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let field = |line: &'a str| line.trim().strip_prefix("pub ")?.split_once(':');
    body.lines().filter_map(field).map(|(name, _)| name).collect()
}

#[test]
fn every_counter_is_on_the_page() {
    let page = concat!(include_str!("../exposition.rs"), include_str!("../irc.rs"));
    let metrics = include_str!("../../metrics.rs");
    let http = include_str!("../../metrics/http.rs");
    let counters = include_str!("../../segment/ring.rs");
    let all = [(metrics, "Metrics"), (http, "HttpMetrics"), (counters, "Counters")];
    // What is appended in this run is counted as stored already.
    let elsewhere = ["records_appended", "bytes_appended"];
    for (source, name) in all {
        let fields = fields(source, name);
        assert!(fields.len() > 5, "{name}: {fields:?}");
        let is_part = |char: char| char.is_alphanumeric() || char == '_';
        for field in fields.into_iter().filter(|field| !elsewhere.contains(field)) {
            let is_shown = page
                .match_indices(&format!(".{field}"))
                .any(|(at, found)| !page[at + found.len()..].starts_with(is_part));
            assert!(is_shown, "{name}.{field} is not on the page of metrics");
        }
    }
}

#[test]
fn the_busiest_streams_and_the_bounds_of_connections_are_there() {
    let mut reactor = reactor();
    reactor.count_streams();
    assert!(!text(&mut reactor, Exposition::Prometheus).contains("logcaster_stream_logs_total{"));
    let segment = reactor.storage.segment_mut().unwrap();
    let record =
        NewRecord { text: b"four", cut: false, level: Level::Info, received_ns: 1, event_ns: 0 };
    for labels in [&b"app=x"[..], b"app=\"y\\\n\xff", b"app=x"] {
        segment.append(&record, labels, &mut StreamRef::default()).unwrap();
    }
    reactor.count_streams();
    let page = page(&mut reactor);
    assert_eq!(page.value("logcaster_stream_logs_total{stream=app=x}"), 2.0);
    let streams = page.samples.keys().filter(|key| key.starts_with("logcaster_stream_logs_total"));
    assert_eq!(streams.count(), 2);
    for role in ["logs", "http"] {
        assert_eq!(page.value(&format!("logcaster_connections_max{{role={role}}}")), 1000.0);
    }
    assert_eq!(page.value("logcaster_suppressed_sources"), 0.0);
    let irc = "logcaster_connections_max{role=irc}";
    assert!(!page.samples.contains_key(irc), "nobody is let in where IRC is off");
    let (now, wall) = (reactor.now, reactor.wall);
    reactor.irc = Some(IrcPlace::new(&reactor.settings, b"host", now, wall));
    assert_eq!(self::page(&mut reactor).value(irc), 1000.0);
}

#[test]
fn a_reason_that_two_sides_know_is_one_sample() {
    let mut reactor = reactor();
    reactor.metrics.cut = 2;
    for reason in ["json", "cut", "json"] {
        reactor.metrics.http.entries_bad.add(reason);
    }
    let page = page(&mut reactor);
    assert_eq!(page.value("logcaster_dropped_total{reason=cut}"), 3.0);
    assert_eq!(page.value("logcaster_dropped_total{reason=json}"), 2.0);
}

#[test]
fn the_json_has_the_same_samples() {
    let mut reactor = reactor();
    reactor.metrics.query_finished(3 * MS);
    let json: serde_json::Value = serde_json::from_str(&reactor.report_metrics()).unwrap();
    assert_eq!(json["logcaster_records"], 3);
    assert_eq!(json["logcaster_logs_by_level_total"]["error"], 0);
    assert_eq!(json["logcaster_http_requests_total"]["bulk,2xx"], 0);
    assert_eq!(json["logcaster_query_duration_seconds"]["count"], 1);
    assert_eq!(json["logcaster_query_duration_seconds"]["p99"], 0.005);
    let plain = page(&mut reactor);
    assert_eq!(json.as_object().unwrap().len(), plain.types.len());
    assert!(plain.types.keys().all(|name| json.get(name).is_some()));
}

#[test]
fn a_page_takes_a_fraction_of_a_millisecond() {
    let mut reactor = reactor();
    let (clock, mut out) = (Clock::new(), Vec::new());
    let mut once = || {
        let began = clock.mono();
        out.clear();
        reactor.expose(Exposition::OpenMetrics, &mut out);
        clock.mono() - began
    };
    // The fastest of many, for the machine may be busy.
    let fastest = (0..200).map(|_| once()).min().unwrap();
    assert!(fastest < MS / 2, "{fastest} ns for {} bytes", out.len());
}

#[test]
fn promtool_has_nothing_to_say() {
    let mut reactor = reactor();
    reactor.metrics.http.entries_bad.add("json");
    reactor.metrics.http.bodies_refused.add("too_large");
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A machine without it has the naive reader above.
    let Ok(mut promtool) = command.spawn() else { return };
    let page = text(&mut reactor, Exposition::Prometheus);
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
