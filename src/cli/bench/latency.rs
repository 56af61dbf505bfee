//! Round trips and turns: what a client feels while the server works.

use std::path::Path;

use hdrhistogram::Histogram;

use super::curve::Curve;
use super::error::{BenchError, Result};
use super::flood::Flood;
use super::http::{self, EVENT_STREAM};
use super::ingest::SMALL_WRITE;
use super::machine::{self, Noise, NoiseMeter};
use super::report::{Bar, Row};
use super::server::Server;
use super::spin::{CountProbe, MARK, Paced, Repeat, TailProbe, spin};
use super::{Bench, LINE_BYTES, SECOND, flags, median, persist_flags};
use super::{relay, scan};

/// Bytes that a record of 100 bytes takes in a segment, by its text: 32 of them are the slot.
pub const SLOT_SHARE: f64 = 1.32;

/// Time between probes, in ns: about a thousand a second, and no multiple of a load's interval.
const PROBE_NS: u64 = 997_000;

/// How long the load runs before anything counts, in ns.
pub const WARM_NS: u64 = SECOND;

/// One part in so many of a run's time is the relay's own.
const RELAYED_PART: u64 = 4;

/// Lines a second of the heavy load.
pub const HEAVY: f64 = 1e6;

/// COUNT while a million lines a second come in and scans of a full 1 GiB ring run.
pub fn count_under_load(bench: &mut Bench) -> Result<Vec<Row>> {
    let clock = bench.clock;
    let server = bench.launcher.start(&flags(["-s", "1024"]))?;
    fill(bench, &server, scan::FILL_BYTES)?;
    let mut runs = Runs::default();
    let (mut achieved, mut scans) = (Vec::new(), 0);
    for _ in 0..bench.runs {
        let mut load = Paced::connect(server.logs, 1, HEAVY, SMALL_WRITE, &bench.lines)?;
        let mut scan = Repeat::connect(server.questions, &format!("REGEX {}", scan::NOWHERE))?;
        let mut probe = CountProbe::connect(server.questions, PROBE_NS)?;
        spin(&clock, WARM_NS, &mut [&mut load, &mut scan, &mut probe])?;
        probe.latency.reset();
        let meter = NoiseMeter::start(&clock, &[server.pid()]);
        let (began, before) = (clock.mono(), load.lines_sent());
        spin(&clock, bench.latency_ns, &mut [&mut load, &mut scan, &mut probe])?;
        let seconds = (clock.mono() - began) as f64 / 1e9;
        achieved.push((load.lines_sent() - before) as f64 / seconds / 1e6);
        scans += scan.latency.len();
        probe.finish(&clock)?;
        runs.add(probe.latency, meter.stop(&clock).timed());
    }
    server.stop()?;
    let curve = "COUNT at 1 M lines/s and full scans";
    let rows = runs.rows(bench, "count-rtt", curve, &[(99.0, 1_000.0), (99.9, 5_000.0)]);
    let tell =
        |row: Row| row.detail("m_lines_per_s", median(&achieved)).detail("scans", scans as f64);
    Ok(rows.into_iter().map(tell).collect())
}

/// Where a line is waited for.
#[derive(Clone, Copy, PartialEq)]
pub enum Outlet {
    /// A TAIL of the text protocol.
    Tail,
    /// Server-Sent Events over HTTP.
    Events,
}

impl Outlet {
    /// The bar of the 99th percentile in µs, idle and under load.
    fn bars_us(self) -> (f64, f64) {
        match self {
            Self::Tail => (200.0, 2_000.0),
            Self::Events => (5_000.0, 5_000.0),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tail => "TAIL",
            Self::Events => "SSE",
        }
    }

    fn probe(self, bench: &Bench, server: &Server) -> Result<TailProbe> {
        if self == Self::Tail {
            return TailProbe::connect(&bench.clock, server.logs, server.questions, PROBE_NS);
        }
        let question = http::get(&format!("/api/tail?keyword={MARK}"), EVENT_STREAM);
        TailProbe::connect_by(&bench.clock, server.logs, (server.http, &question), PROBE_NS)
    }
}

/// A line in, out at `outlet`, while `lines_per_s` others come in.
pub fn tail(
    bench: &mut Bench,
    case: &'static str,
    outlet: Outlet,
    lines_per_s: f64,
) -> Result<Vec<Row>> {
    let clock = bench.clock;
    let server = match outlet {
        Outlet::Tail => bench.launcher.start(&flags([]))?,
        Outlet::Events => bench.launcher.start_http(&flags([]))?,
    };
    let (mut runs, mut bare) = (Runs::default(), Runs::default());
    let (mut achieved, mut lost) = (Vec::new(), 0);
    for _ in 0..bench.runs {
        let mut probe = outlet.probe(bench, &server)?;
        let mut load = match lines_per_s {
            0.0 => None,
            rate => Some(Paced::connect(server.logs, 1, rate, SMALL_WRITE, &bench.lines)?),
        };
        let mut go = |ns, probe: &mut TailProbe| match &mut load {
            None => spin(&clock, ns, &mut [probe]).map(|()| 0),
            Some(load) => spin(&clock, ns, &mut [load, probe]).map(|()| load.lines_sent()),
        };
        let before = go(WARM_NS, &mut probe)?;
        probe.reset();
        let meter = NoiseMeter::start(&clock, &[server.pid()]);
        let began = clock.mono();
        let after = go(bench.latency_ns, &mut probe)?;
        achieved.push((after - before) as f64 / ((clock.mono() - began) as f64 / 1e9) / 1e6);
        probe.finish(&clock)?;
        lost += probe.lost;
        runs.add(probe.latency, meter.stop(&clock).timed());
        if lines_per_s == 0.0 {
            bare.add(relayed(bench)?, Noise::default());
        }
    }
    server.stop()?;
    let ((idle_us, loaded_us), name) = (outlet.bars_us(), outlet.name());
    let (curve, bar_us) = match lines_per_s {
        0.0 => (format!("line in to {name}, idle"), idle_us),
        _ => (format!("line in to {name} at 1 M lines/s"), loaded_us),
    };
    let rows = runs.rows(bench, case, &curve, &[(99.0, bar_us)]);
    let tell = |row: Row| {
        let row = row.detail("m_lines_per_s", median(&achieved)).detail("lost", lost as f64);
        if bare.histograms.is_empty() {
            return row;
        }
        row.detail("bare_p50_us", bare.at_us(50.0)).detail("bare_p99_us", bare.at_us(99.0))
    };
    Ok(rows.into_iter().map(tell).collect())
}

/// How long the same lines take through a thread that only hands them on.
fn relayed(bench: &Bench) -> Result<Histogram<u64>> {
    let (clock, address) = (bench.clock, relay::start()?);
    let mut probe = TailProbe::connect_by(&clock, address, (address, b""), PROBE_NS)?;
    spin(&clock, WARM_NS, &mut [&mut probe])?;
    probe.reset();
    spin(&clock, bench.latency_ns / RELAYED_PART, &mut [&mut probe])?;
    probe.finish(&clock)?;
    Ok(probe.latency)
}

/// The worst turn at 100 MB/s with `-P`, and what that wrote to disk.
pub fn worst_turn(bench: &mut Bench) -> Result<Vec<Row>> {
    let dir = bench.empty_dir(&bench.dir, "turn")?;
    let (turns, mut runs) = persisted_load(bench, &dir, HEAVY)?;
    let mut rows = vec![turns.row("turn", "worst turn, 100 MB/s, -P", 5.0).noise(runs.noise)];
    rows.push(turns.disk_row());
    rows.extend(runs.rows(bench, "turn", "COUNT at 100 MB/s with -P", &[]));
    Ok(rows)
}

/// 30 MB/s offered to a disk that takes 20 MB/s.
pub fn slow_disk(bench: &mut Bench) -> Result<Vec<Row>> {
    let Some(slow) = bench.slow_dir.clone() else {
        let how = "no slow disk (run it by bench/slow-disk.sh, which makes one)";
        return Err(BenchError::Unavailable(how.to_owned()));
    };
    let disk = disk_bytes_per_s(bench, &slow)?;
    let dir = bench.empty_dir(&slow, "logcaster-bench")?;
    let (turns, mut runs) = persisted_load(bench, &dir, 0.3 * HEAVY)?;
    let _ = std::fs::remove_dir_all(&dir);
    let mut rows = vec![turns.row("slow-disk", "worst turn, slow disk", 20.0).noise(runs.noise)];
    rows.extend(runs.rows(bench, "slow-disk", "COUNT, slow disk", &[(99.0, 5_000.0)]));
    let note = format!("the disk takes {:.1} MB/s, 30 MB/s are offered", disk / 1e6);
    Ok(rows.into_iter().map(|row| row.note(note.clone())).collect())
}

/// Turns and COUNT round trips of a server that keeps 64 MiB in `dir`, at a steady load.
fn persisted_load(bench: &Bench, dir: &Path, lines_per_s: f64) -> Result<(Turns, Runs)> {
    let (clock, flags) = (bench.clock, persist_flags(dir, 64));
    // The ring owns its blocks as they are written for the first time, which takes as long as
    // the disk says; the measurement is of the ring at work. A server of its own does it, for the
    // worst turn that STATS tells is that of some minutes.
    let server = bench.launcher.start(&flags)?;
    fill(bench, &server, 96 << 20)?;
    server.stop()?;
    let (mut turns, mut runs) = (Turns::default(), Runs::default());
    for _ in 0..bench.runs {
        let server = bench.launcher.start(&flags)?;
        let mut load = Paced::connect(server.logs, 1, lines_per_s, SMALL_WRITE, &bench.lines)?;
        let mut probe = CountProbe::connect(server.questions, PROBE_NS)?;
        spin(&clock, WARM_NS, &mut [&mut load, &mut probe])?;
        probe.latency.reset();
        let meter = NoiseMeter::start(&clock, &[server.pid()]);
        let measured = turns.begin(bench, &server, &load)?;
        spin(&clock, bench.latency_ns, &mut [&mut load, &mut probe])?;
        turns.end(bench, &server, &load, measured)?;
        probe.finish(&clock)?;
        runs.add(probe.latency, meter.stop(&clock).timed());
        drop(load);
        server.stop()?;
    }
    Ok((turns, runs))
}

/// What the disk under `dir` takes.
fn disk_bytes_per_s(bench: &Bench, dir: &Path) -> Result<f64> {
    use super::error::Doing;
    let path = dir.join("disk-speed");
    let began = bench.clock.mono();
    let bytes = vec![b'x'; 32 << 20];
    std::fs::write(&path, &bytes).doing("write to the slow disk")?;
    let file = std::fs::File::open(&path).doing("open a file")?;
    file.sync_all().doing("sync the slow disk")?;
    let seconds = (bench.clock.mono() - began) as f64 / 1e9;
    std::fs::remove_file(&path).doing("remove a file")?;
    Ok(bytes.len() as f64 / seconds)
}

/// Sends `bytes` and waits until they are counted.
pub fn fill(bench: &Bench, server: &Server, bytes: u64) -> Result<()> {
    let mut asker = server.ask()?;
    let before = asker.stats()?.need("Total")?;
    let sent = Flood::connect(server.logs, 1, 64 << 10, &bench.lines)?.send_bytes(bytes)?;
    asker.await_total(&bench.clock, before + sent)
}

/// What the server says of its turns and of the disk, over all runs.
#[derive(Default)]
struct Turns {
    /// Worst turn of each run, in ms; empty where the server does not tell.
    worst_ms: Vec<f64>,
    /// Turns that left work for the next because their time was up.
    out_of_time: u64,
    lines_per_s: Vec<f64>,
    disk_bytes: u64,
    bytes_in: u64,
    written: u64,
    offered: u64,
}

/// Counters at the beginning of a run.
struct Before {
    at: u64,
    lines: u64,
    out_of_time: u64,
    disk_bytes: u64,
    bytes_in: u64,
    written: u64,
}

impl Turns {
    fn begin(&self, bench: &Bench, server: &Server, load: &Paced<'_>) -> Result<Before> {
        let stats = server.ask()?.stats()?;
        Ok(Before {
            at: bench.clock.mono(),
            lines: load.lines_sent(),
            out_of_time: stats.number("TurnsOutOfTime").unwrap_or(0),
            disk_bytes: stats.number("DiskBytes").unwrap_or(0),
            bytes_in: stats.number("BytesIn").unwrap_or(0),
            written: machine::written_bytes(server.pid()).unwrap_or(0),
        })
    }

    fn end(&mut self, bench: &Bench, server: &Server, load: &Paced, from: Before) -> Result<()> {
        let stats = server.ask()?.stats()?;
        if let Some(us) = stats.number("TurnMaxUs") {
            self.worst_ms.push(us as f64 / 1e3);
        }
        let lines = load.lines_sent() - from.lines;
        let seconds = (bench.clock.mono() - from.at) as f64 / 1e9;
        self.lines_per_s.push(lines as f64 / seconds);
        self.offered += lines * LINE_BYTES as u64;
        let since = |key, before| stats.number(key).unwrap_or(0).saturating_sub(before);
        self.out_of_time += since("TurnsOutOfTime", from.out_of_time);
        self.disk_bytes += since("DiskBytes", from.disk_bytes);
        self.bytes_in += since("BytesIn", from.bytes_in);
        let written = machine::written_bytes(server.pid()).unwrap_or(0);
        self.written += written.saturating_sub(from.written);
        Ok(())
    }

    fn row(&self, case: &'static str, what: &str, bar_ms: f64) -> Row {
        if self.worst_ms.is_empty() {
            return Row::missing(case, what, "STATS has no TurnMaxUs");
        }
        let row = Row::new(case, what, median(&self.worst_ms), "ms", Bar::Below(bar_ms));
        row.detail("worst_of_all_ms", self.worst_ms.iter().copied().fold(0.0, f64::max))
            .detail("out_of_time", self.out_of_time as f64)
            .detail("mb_per_s", median(&self.lines_per_s) * LINE_BYTES as f64 / 1e6)
    }

    fn disk_row(&self) -> Row {
        let what = "disk bytes per accepted byte";
        if self.disk_bytes == 0 || self.bytes_in == 0 {
            return Row::missing("turn", what, "STATS has no DiskBytes or BytesIn");
        }
        let share = self.disk_bytes as f64 / self.bytes_in as f64;
        // The bar is "at most", the verdict's "below" leaves no room for exactly that.
        Row::new("turn", what, share, "", Bar::Below(1.4 + 1e-9))
            .detail("by_proc_io", self.written as f64 / self.offered.max(1) as f64)
    }
}

/// Histograms of all runs of a case.
#[derive(Default)]
pub struct Runs {
    histograms: Vec<Histogram<u64>>,
    noise: Noise,
}

impl Runs {
    /// Adds one run.
    pub fn add(&mut self, histogram: Histogram<u64>, noise: Noise) {
        self.histograms.push(histogram);
        self.noise = self.noise.max(noise);
    }

    /// The median of the runs' latencies at a percentile, in µs.
    fn at_us(&self, percentile: f64) -> f64 {
        let of = |h: &Histogram<u64>| h.value_at_percentile(percentile) as f64 / 1e3;
        median(&self.histograms.iter().map(of).collect::<Vec<_>>())
    }

    /// A row for each percentile that has a bar (in µs), or one that is stated; each figure is
    /// the median of the runs. The run with the median p99 is drawn.
    pub fn rows(
        &mut self,
        bench: &mut Bench,
        case: &'static str,
        name: &str,
        bars: &[(f64, f64)],
    ) -> Vec<Row> {
        let at = |percentile| self.at_us(percentile);
        let max: Vec<f64> = self.histograms.iter().map(|h| h.max() as f64 / 1e3).collect();
        let all = |row: Row| {
            row.noise(self.noise)
                .detail("p50_us", at(50.0))
                .detail("p99_us", at(99.0))
                .detail("p99.9_us", at(99.9))
                .detail("p99.99_us", at(99.99))
                .detail("max_us", median(&max))
                .detail("values", self.histograms.iter().map(|h| h.len() as f64).sum())
        };
        let mut rows = Vec::new();
        for (percentile, bar_us) in bars {
            let what = format!("{name}, p{percentile}");
            let row = Row::new(case, what, at(*percentile), "us", Bar::Below(*bar_us));
            rows.push(if rows.is_empty() { all(row) } else { row.noise(self.noise) });
        }
        if bars.is_empty() {
            rows.push(all(Row::new(case, format!("{name}, p99"), at(99.0), "us", Bar::Stated)));
        }
        self.histograms.sort_by_key(|h| h.value_at_percentile(99.0));
        if let Some(middle) = self.histograms.get(self.histograms.len() / 2) {
            bench.curves.push(Curve::new(name, middle));
        }
        rows
    }
}
