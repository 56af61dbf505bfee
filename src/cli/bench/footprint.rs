//! What the server costs: memory, CPU, its start and its size.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::error::{BenchError, Doing, Result};
use super::latency::fill;
use super::machine::{self, Noise, NoiseMeter};
use super::report::{Bar, Row};
use super::server::{Server, files_of};
use super::spin::{Paced, spin};
use super::{Bench, LINE_BYTES, SECOND, flags, median, persist_flags};

/// Connections of the idle case.
const IDLE_CONNECTIONS: usize = 10_000;

/// Bytes in a MiB, for figures.
const MIB: f64 = 1_048_576.0;

/// Memory that 10,000 connections add that say nothing.
pub fn idle_connections(bench: &mut Bench) -> Result<Vec<Row>> {
    let limit = machine::raise_file_limit();
    if limit < IDLE_CONNECTIONS as u64 + 100 {
        let why = format!("{limit} open files are allowed, {IDLE_CONNECTIONS} are needed");
        return Err(BenchError::Unavailable(why));
    }
    let server = bench.launcher.start(&flags(["--max-clients", "10000"]))?;
    let mut asker = server.ask()?;
    let before = machine::rss_bytes(server.pid());
    let mut connections = Vec::with_capacity(IDLE_CONNECTIONS);
    for _ in 0..IDLE_CONNECTIONS {
        connections.push(TcpStream::connect(server.logs).doing("connect for logs")?);
    }
    let began = bench.clock.mono();
    let mut clients = 0;
    while clients < IDLE_CONNECTIONS as u64 && bench.clock.mono() - began < 5 * SECOND {
        clients = asker.stats()?.need("Clients")?;
        thread::sleep(Duration::from_millis(10));
    }
    if clients < IDLE_CONNECTIONS as u64 {
        return Err(BenchError::Server(format!("has {clients} clients of {IDLE_CONNECTIONS}")));
    }
    let after = machine::rss_bytes(server.pid());
    drop(connections);
    server.stop()?;
    let more = after.saturating_sub(before) as f64 / MIB;
    let what = "RSS of 10,000 idle connections";
    Ok(vec![
        Row::new("idle-connections", what, more, "MiB", Bar::Below(16.0))
            .detail("before_mib", before as f64 / MIB)
            .detail("after_mib", after as f64 / MIB),
    ])
}

/// All memory of a server that holds 10,000 lines.
pub fn stored_lines(bench: &mut Bench) -> Result<Vec<Row>> {
    let server = bench.launcher.start(&flags(["-s", "4"]))?;
    fill(bench, &server, 10_000 * LINE_BYTES as u64)?;
    let rss = machine::rss_bytes(server.pid()) as f64 / MIB;
    server.stop()?;
    let what = "RSS in all, 10,000 lines, -s 4";
    Ok(vec![Row::new("stored-lines", what, rss, "MiB", Bar::Below(10.0))])
}

/// CPU time at 50,000 lines a second, as a share of one core.
pub fn cpu(
    bench: &mut Bench,
    case: &'static str,
    lines_a_write: usize,
    bar_percent: f64,
) -> Result<Vec<Row>> {
    let clock = bench.clock;
    let server = bench.launcher.start(&flags([]))?;
    let write_bytes = lines_a_write * LINE_BYTES;
    let mut load = Paced::connect(server.logs, 1, 50_000.0, write_bytes, &bench.lines)?;
    spin(&clock, SECOND, &mut [&mut load])?;
    let mut noise = Noise::default();
    let (mut shares, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        let meter = NoiseMeter::start(&clock, &[server.pid()]);
        let (began, cpu) = (clock.mono(), machine::cpu_ns(server.pid()));
        let sent = load.lines_sent();
        // Ticks are 10 ms: over 5 s that is a fifth of a percent.
        spin(&clock, bench.throughput_ns.max(5 * SECOND), &mut [&mut load])?;
        let ns = (clock.mono() - began) as f64;
        shares.push(100.0 * (machine::cpu_ns(server.pid()) - cpu) as f64 / ns);
        rates.push((load.lines_sent() - sent) as f64 / (ns / 1e9));
        noise = noise.max(meter.stop(&clock).timed());
    }
    server.stop()?;
    let what = format!("CPU at 50,000 lines/s, {lines_a_write} a write");
    Ok(vec![
        Row::new(case, what, median(&shares), "%", Bar::Below(bar_percent))
            .detail("lines_per_s", median(&rates))
            .noise(noise),
    ])
}

/// How a start finds the segment.
#[derive(Clone, Copy, PartialEq)]
enum Cache {
    Warm,
    /// Its pages are dropped from the page cache before.
    Cold,
}

/// Start on a full segment of 1 GiB until RECENT is answered, and until it listens.
pub fn start(bench: &mut Bench) -> Result<Vec<Row>> {
    let dir = bench.empty_dir(&bench.dir, "start")?;
    let flags = persist_flags(&dir, 1024);
    let server = bench.launcher.start(&flags)?;
    fill(bench, &server, 1200 << 20)?;
    server.stop()?;
    let meter = NoiseMeter::start(&bench.clock, &[]);
    let warm = starts(bench, &flags, &dir, Cache::Warm)?;
    let cold = starts(bench, &flags, &dir, Cache::Cold)?;
    let killed = start_after_kill(bench, &flags)?;
    let noise = meter.stop(&bench.clock);
    std::fs::remove_dir_all(&dir).doing("remove a segment")?;
    let row = |what: &str, ms, bar| Row::new("start", what, ms, "ms", bar).noise(noise);
    let speed = match cold.read_bytes_per_s {
        Some(speed) => {
            format!("a cold read of the segment's first 256 MiB: {:.0} MB/s", speed / 1e6)
        }
        None => "the disk's speed was not measured".to_owned(),
    };
    Ok(vec![
        row("1 GiB, warm, until RECENT answers", warm.answered_ms, Bar::Below(50.0))
            .detail("after_kill_9_ms", killed),
        row("1 GiB, cold, until RECENT answers", cold.answered_ms, Bar::Stated).note(speed),
        row("1 GiB, warm, until it listens", warm.listening_ms, Bar::Below(20.0)),
        row("1 GiB, cold, until it listens", cold.listening_ms, Bar::Below(20.0)),
    ])
}

/// Medians of some starts.
struct Starts {
    answered_ms: f64,
    listening_ms: f64,
    read_bytes_per_s: Option<f64>,
}

fn starts(bench: &Bench, flags: &[std::ffi::OsString], dir: &Path, cache: Cache) -> Result<Starts> {
    let (mut answered, mut listening) = (Vec::new(), Vec::new());
    let mut read_bytes_per_s = None;
    for _ in 0..bench.runs.max(3) {
        if cache == Cache::Cold {
            drop_cached(dir)?;
            read_bytes_per_s = cold_read(bench, dir)?;
            drop_cached(dir)?;
        }
        let server = bench.launcher.start(flags)?;
        answered.push(first_answer_ms(bench, &server)?);
        listening.push(server.listening_ns as f64 / 1e6);
        server.stop()?;
    }
    Ok(Starts {
        answered_ms: median(&answered),
        listening_ms: median(&listening),
        read_bytes_per_s,
    })
}

/// The same after a SIGKILL, when the end of the ring has to be walked.
fn start_after_kill(bench: &Bench, flags: &[std::ffi::OsString]) -> Result<f64> {
    let server = bench.launcher.start(flags)?;
    fill(bench, &server, 8 << 20)?;
    drop(server);
    let server = bench.launcher.start(flags)?;
    let ms = first_answer_ms(bench, &server)?;
    server.stop()?;
    Ok(ms)
}

/// Milliseconds from the start of the process until `RECENT 1` has its line.
fn first_answer_ms(bench: &Bench, server: &Server) -> Result<f64> {
    let mut asker = server.ask()?;
    let found = asker.found("RECENT 1")?;
    let ms = (bench.clock.mono() - server.began) as f64 / 1e6;
    if found != 1 {
        return Err(BenchError::Server(format!("RECENT 1 found {found} lines after a start")));
    }
    Ok(ms)
}

/// Takes the files of a directory out of the page cache; they are on disk already.
fn drop_cached(dir: &Path) -> Result<()> {
    for path in files_of(dir) {
        let file = File::open(path).doing("open a segment")?;
        file.sync_all().doing("sync a segment")?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
            .doing("drop a segment from the page cache")?;
    }
    Ok(())
}

/// How fast the disk gives a segment that is not cached.
fn cold_read(bench: &Bench, dir: &Path) -> Result<Option<f64>> {
    use std::io::Read;
    let mut buffer = vec![0; 1 << 20];
    let began = bench.clock.mono();
    let mut bytes = 0u64;
    for path in files_of(dir) {
        let mut file = File::open(path).doing("open a segment")?;
        while bytes < 256 << 20 {
            let count = file.read(&mut buffer).doing("read a segment")?;
            if count == 0 {
                break;
            }
            bytes += count as u64;
        }
    }
    let seconds = (bench.clock.mono() - began) as f64 / 1e9;
    Ok((bytes > 0).then(|| bytes as f64 / seconds))
}

/// Size of the static binary: the one that is measured, else the one that `make static` left
/// beside it.
pub fn binary(bench: &mut Bench) -> Result<Vec<Row>> {
    let own = bench.launcher.binary.clone();
    let target = own.parent().and_then(Path::parent);
    let host = concat!("-unknown-linux-gnu", "/release/logcaster");
    let beside = target.map(|dir| dir.join(format!("{}{host}", std::env::consts::ARCH)));
    let mut dynamic_mib = 0.0;
    for path in [Some(own), beside].into_iter().flatten().filter(|path| path.exists()) {
        let bytes = std::fs::read(path).doing("read the binary")?;
        let mib = bytes.len() as f64 / MIB;
        if is_static(&bytes) {
            let bar = Bar::Below(3.5 + 1e-9);
            return Ok(vec![Row::new("binary", "static stripped binary", mib, "MiB", bar)]);
        }
        dynamic_mib = mib;
    }
    let row = Row::new("binary", "binary (not static)", dynamic_mib, "MiB", Bar::Stated);
    Ok(vec![row.note("the bar (3.5 MiB) is for a static one: run `make static` before")])
}

/// Whether a 64-bit little-endian ELF file asks for no interpreter.
fn is_static(elf: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let u16_at =
        |at: usize| elf.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes);
    let u32_at =
        |at: usize| elf.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let u64_at =
        |at: usize| elf.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let (Some(table), Some(bytes), Some(count)) = (u64_at(32), u16_at(54), u16_at(56)) else {
        return false;
    };
    let Ok(table) = usize::try_from(table) else { return false };
    elf.starts_with(b"\x7fELF\x02\x01")
        && (0..usize::from(count)).all(|index| {
            let at = table.saturating_add(index * usize::from(bytes)).min(elf.len());
            u32_at(at) != Some(PT_INTERP)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_elf_is_not_static() {
        assert!(!is_static(b""));
        assert!(!is_static(&[0; 100]));
        assert!(!is_static(b"\x7fELF\x02\x01"));
    }
}
