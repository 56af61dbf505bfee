//! Throughput: how many lines a second become countable.

use super::error::{BenchError, Result};
use super::flood::{Flood, Sink};
use super::lines::{Lines, Shape};
use super::machine::{self, Noise, NoiseMeter};
use super::report::{Bar, Row};
use super::server::{Asker, Server};
use super::{Bench, LINE_BYTES, flags, median, persist_flags};
use crate::clock::Clock;

/// Bytes of a small write: 6.4 KB, and never the end of a line twice in a row.
pub const SMALL_WRITE: usize = 6_397;

/// What is sent before anything is measured: more than the default ring of 64 MiB holds, so that
/// every block has been through the ring once.
const FIRST_LAP_BYTES: u64 = 96 << 20;

/// Seconds that each side of a round has, as a share of a throughput run.
const SIDES: u64 = 2;

/// A server and the connections that flood it.
struct Flooded<'a> {
    server: Server,
    asker: Asker,
    flood: Flood<'a>,
    clock: Clock,
}

impl<'a> Flooded<'a> {
    /// Connects and sends the ring's first lap.
    fn new(
        server: Server,
        clock: Clock,
        connections: usize,
        write_bytes: usize,
        lines: &'a Lines,
    ) -> Result<Self> {
        let mut asker = server.ask()?;
        let before = asker.stats()?.need("Total")?;
        let mut flood = Flood::connect(server.logs, connections, write_bytes, lines)?;
        let sent = flood.send_bytes(FIRST_LAP_BYTES)?;
        asker.await_total(&clock, before + sent)?;
        Ok(Self { server, asker, flood, clock })
    }

    /// Lines a second until countable, over about `ns` nanoseconds.
    fn round(&mut self, ns: u64) -> Result<Pace> {
        let before = self.asker.stats()?.need("Total")?;
        let (began, cpu) = (self.clock.mono(), machine::run_ns(self.server.pid()));
        let sent = self.flood.send_for(&self.clock, ns)?;
        self.asker.await_total(&self.clock, before + sent)?;
        let cpu_ns = machine::run_ns(self.server.pid()).saturating_sub(cpu);
        Ok(Pace::new(sent, self.clock.mono() - began, cpu_ns))
    }
}

/// What one side did in a round.
#[derive(Clone, Copy)]
struct Pace {
    lines_per_s: f64,
    /// CPU time of the receiving side a line, in ns. It tells more than the rate does where the
    /// other side, or another program, is what the round waited for.
    cpu_ns: f64,
}

impl Pace {
    fn new(lines: u64, ns: u64, cpu_ns: u64) -> Self {
        let lines = lines.max(1) as f64;
        Self { lines_per_s: lines / (ns.max(1) as f64 / 1e9), cpu_ns: cpu_ns as f64 / lines }
    }
}

/// The baseline with the connections that flood it.
struct Limit<'a> {
    // Declared before the sink: its connections end first, which ends the sink's thread.
    flood: Flood<'a>,
    sink: Sink,
    total: u64,
}

impl<'a> Limit<'a> {
    fn new(connections: usize, write_bytes: usize, lines: &'a Lines) -> Result<Self> {
        let sink = Sink::start(connections)?;
        let flood = Flood::connect(sink.address, connections, write_bytes, lines)?;
        Ok(Self { flood, sink, total: 0 })
    }

    fn round(&mut self, clock: &Clock, ns: u64) -> Result<Pace> {
        let (began, cpu) = (clock.mono(), self.sink.run_ns());
        let sent = self.flood.send_for(clock, ns)?;
        self.total += sent;
        self.sink.await_total(clock, self.total)?;
        let cpu_ns = self.sink.run_ns().saturating_sub(cpu);
        Ok(Pace::new(sent, clock.mono() - began, cpu_ns))
    }
}

/// The server in memory against the bare receiving loop, in turns.
pub fn against_limit(
    bench: &mut Bench,
    case: &'static str,
    connections: usize,
    write_bytes: usize,
) -> Result<Vec<Row>> {
    let server = bench.launcher.start(&flags([]))?;
    let rounds = rounds_against_limit(bench, server, connections, write_bytes)?;
    let (bar, aim) = if write_bytes > SMALL_WRITE { (0.35, 0.50) } else { (0.60, 0.75) };
    let what = format!("{connections} conn, {write_bytes} B writes / bare recv");
    Ok(vec![rounds.row(case, what, Bar::AtLeast(bar)).detail("aim", aim)])
}

/// Floods `server` and the bare receiving loop in turns, then stops the server.
fn rounds_against_limit(
    bench: &Bench,
    server: Server,
    connections: usize,
    write_bytes: usize,
) -> Result<Rounds> {
    let ns = bench.throughput_ns / SIDES;
    let mut flooded = Flooded::new(server, bench.clock, connections, write_bytes, &bench.lines)?;
    let mut limit = Limit::new(connections, write_bytes, &bench.lines)?;
    let mut rounds = Rounds::default();
    for _ in 0..bench.runs.max(3) {
        let meter = NoiseMeter::start(&bench.clock, &[flooded.server.pid()]);
        let bare = limit.round(&bench.clock, ns)?;
        rounds.add(flooded.round(ns)?, bare, meter.stop(&bench.clock));
    }
    flooded.server.stop()?;
    Ok(rounds)
}

/// The server with `-P` against the server in memory, in turns.
pub fn persisted(bench: &mut Bench) -> Result<Vec<Row>> {
    let ns = bench.throughput_ns / SIDES;
    let dir = bench.empty_dir(&bench.dir, "ingest")?;
    let disk = disk_bytes_per_s(bench, &dir)?;
    let lines = &bench.lines;
    let memory = bench.launcher.start(&flags([]))?;
    let mut memory = Flooded::new(memory, bench.clock, 1, SMALL_WRITE, lines)?;
    let kept = bench.launcher.start(&persist_flags(&dir, 64))?;
    let mut kept = Flooded::new(kept, bench.clock, 1, SMALL_WRITE, lines)?;
    let mut rounds = Rounds::default();
    for _ in 0..bench.runs.max(3) {
        let meter = NoiseMeter::start(&bench.clock, &[kept.server.pid(), memory.server.pid()]);
        let in_memory = memory.round(ns)?;
        rounds.add(kept.round(ns)?, in_memory, meter.stop(&bench.clock));
    }
    memory.server.stop()?;
    kept.server.stop()?;
    let row = rounds.row("ingest-persist", "-P / memory, 1 conn".to_owned(), Bar::AtLeast(0.75));
    let needed = 0.75 * median(&rounds.bare) * LINE_BYTES as f64 * super::latency::SLOT_SHARE;
    let note = format!(
        "the disk itself takes {:.0} MB/s (16 MiB writes, each synced); the bar needs {:.0} MB/s",
        disk / 1e6,
        needed / 1e6
    );
    Ok(vec![row.detail("disk_mb_per_s", disk / 1e6).note(note)])
}

/// The server in memory with lines of `shape` against the same with plain lines of the same
/// length, in turns.
pub fn against_plain(
    bench: &mut Bench,
    case: &'static str,
    shape: Shape,
    line_bytes: usize,
    bar: Bar,
) -> Result<Vec<Row>> {
    let ns = bench.throughput_ns / SIDES;
    let (shaped, plain) = (Lines::shaped(shape, line_bytes), Lines::new(line_bytes));
    let server = bench.launcher.start(&flags([]))?;
    let mut shaped = Flooded::new(server, bench.clock, 1, SMALL_WRITE, &shaped)?;
    let server = bench.launcher.start(&flags([]))?;
    let mut plain = Flooded::new(server, bench.clock, 1, SMALL_WRITE, &plain)?;
    let mut rounds = Rounds::default();
    for _ in 0..bench.runs.max(3) {
        let pids = [shaped.server.pid(), plain.server.pid()];
        let meter = NoiseMeter::start(&bench.clock, &pids);
        let against = plain.round(ns)?;
        rounds.add(shaped.round(ns)?, against, meter.stop(&bench.clock));
    }
    // A server that takes the lines for plain ones would be fast, and wrong.
    if let Some(proof) = shape.proof()
        && shaped.asker.found(proof)? == 0
    {
        return Err(BenchError::Answer { question: proof.to_owned(), answer: "none".to_owned() });
    }
    shaped.server.stop()?;
    plain.server.stop()?;
    Ok(vec![rounds.row(case, format!("{line_bytes} B lines / plain, 1 conn"), bar)])
}

/// 1,000 connections, eight lines a write.
pub fn thousand(bench: &mut Bench) -> Result<Vec<Row>> {
    let connections = 1_000;
    let write_bytes = 8 * LINE_BYTES;
    let server = bench.launcher.start(&flags(["--max-clients", "1000"]))?;
    let rounds = rounds_against_limit(bench, server, connections, write_bytes)?;
    let million = median(&rounds.server) / 1e6;
    let row =
        Row::new("ingest-1000", "1,000 conn, 8 lines a write", million, "M/s", Bar::AtLeast(1.5));
    let row = row.detail("bare_m_lines_per_s", median(&rounds.bare) / 1e6);
    Ok(vec![rounds.cpu(row).detail("ratio", median(&rounds.ratios)).noise(rounds.noise)])
}

/// What the disk under `dir` takes when it is written as a segment is: 16 MiB, then a sync, over
/// the same 64 MiB.
fn disk_bytes_per_s(bench: &Bench, dir: &std::path::Path) -> Result<f64> {
    use std::io::{Seek, SeekFrom, Write};

    use super::error::Doing;
    let path = dir.join("disk-speed");
    let mut file = std::fs::File::create(&path).doing("make a file")?;
    let piece = vec![b'x'; 16 << 20];
    let mut best: f64 = 0.0;
    for _ in 0..4 {
        file.seek(SeekFrom::Start(0)).doing("seek")?;
        let began = bench.clock.mono();
        for _ in 0..4 {
            file.write_all(&piece).doing("write to the disk")?;
            file.sync_data().doing("sync the disk")?;
        }
        let seconds = (bench.clock.mono() - began) as f64 / 1e9;
        best = best.max(4.0 * piece.len() as f64 / seconds);
    }
    std::fs::remove_file(&path).doing("remove a file")?;
    Ok(best)
}

/// Figures of rounds in which both sides had their turn.
#[derive(Default)]
struct Rounds {
    server: Vec<f64>,
    bare: Vec<f64>,
    ratios: Vec<f64>,
    server_cpu_ns: Vec<f64>,
    bare_cpu_ns: Vec<f64>,
    noise: Noise,
}

impl Rounds {
    fn add(&mut self, server: Pace, bare: Pace, noise: Noise) {
        self.server.push(server.lines_per_s);
        self.bare.push(bare.lines_per_s);
        self.ratios.push(server.lines_per_s / bare.lines_per_s);
        self.server_cpu_ns.push(server.cpu_ns);
        self.bare_cpu_ns.push(bare.cpu_ns);
        self.noise = self.noise.max(noise);
    }

    /// The median ratio, with what it is made of.
    fn row(&self, case: &'static str, what: String, bar: Bar) -> Row {
        let row = Row::new(case, what, median(&self.ratios), "", bar)
            .detail("m_lines_per_s", median(&self.server) / 1e6)
            .detail("against_m_lines_per_s", median(&self.bare) / 1e6)
            .detail("least", self.ratios.iter().copied().fold(f64::INFINITY, f64::min))
            .detail("most", self.ratios.iter().copied().fold(0.0, f64::max));
        self.cpu(row).noise(self.noise)
    }

    /// The row with the CPU time a line of both sides.
    fn cpu(&self, row: Row) -> Row {
        row.detail("cpu_ns_per_line", median(&self.server_cpu_ns))
            .detail("against_cpu_ns_per_line", median(&self.bare_cpu_ns))
    }
}
