//! `logcaster bench`: the load generator and the measuring harness.
//!
//! Every row of the table that the project holds itself to is a named case (`CASES`). A case
//! starts the server as a child process on free ports, pinned to one core; the generator runs on
//! another; a figure that is a ratio is taken against a baseline in the same run. `bench/README.md`
//! says how to run it and how to read what comes out.
//!
//! ```text
//! mod.rs      arguments, the table of cases, what a case is given
//! ingest.rs   throughput          flood.rs   as much as goes in, and the bare receiving loop
//! datagrams.rs  UDP at a steady rate
//! latency.rs  round trips, turns  spin.rs    the open loop: schedules, probes, histograms
//! scan.rs     searches            footprint.rs  memory, CPU, start, size
//! http.rs     a client            http_ingest.rs, http_bodies.rs  what shippers send
//! http_get.rs metrics, the page   http_tails.rs  many tails at once
//! irc.rs      clients in log channels
//! server.rs   the child process   machine.rs    pinning, /proc, noise
//! report.rs   table and JSON      curve.rs      SVG      lines.rs  what is sent
//! ```

mod curve;
mod datagrams;
mod error;
mod flood;
mod footprint;
mod http;
mod http_bodies;
mod http_get;
mod http_ingest;
mod http_tails;
mod ingest;
mod irc;
mod latency;
mod lines;
mod machine;
mod marked;
mod relay;
mod report;
mod scan;
mod server;
mod spin;

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use curve::Curve;
use error::{BenchError, Doing, Result};
use latency::Outlet;
use lines::{Lines, Shape};
use report::{Bar, Row};
use server::Launcher;
use spin::{Paced, spin};

use crate::clock::{Clock, SECOND};

/// Bytes of a line in every case, its newline counted.
const LINE_BYTES: usize = 100;

/// Bytes of a syslog message with all that frames it.
const SYSLOG_BYTES: usize = 150;

/// Measure a server: throughput, latency, memory, start
#[derive(argh::FromArgs, argh::ArgsInfo, Clone, Debug)]
#[argh(subcommand, name = "bench")]
pub struct BenchArgs {
    /// list, all, load, or names of cases
    #[argh(positional, arg_name = "CASE")]
    pub what: Vec<String>,

    /// one run of 5 s a case
    #[argh(switch)]
    pub quick: bool,

    /// seconds of each run of a latency case (default: 60), or of the load
    #[argh(option, arg_name = "N")]
    pub seconds: Option<u64>,

    /// runs of a case, of which the median counts (default: 3)
    #[argh(option, arg_name = "N")]
    pub runs: Option<usize>,

    /// write the results to this file, and the table beside it
    #[argh(option, arg_name = "FILE")]
    pub json: Option<PathBuf>,

    /// draw the latency curves to this file (default: beside the JSON)
    #[argh(option, arg_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// measure this binary instead of this one
    #[argh(option, arg_name = "FILE")]
    pub server: Option<PathBuf>,

    /// where segments are made (default: the directory for temporary files)
    #[argh(option, arg_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// a directory on a slow disk; see bench/slow-disk.sh
    #[argh(option, arg_name = "DIR")]
    pub slow_dir: Option<PathBuf>,

    /// where load sends, as 127.0.0.1:9999
    #[argh(option, arg_name = "HOST:PORT")]
    pub addr: Option<SocketAddr>,

    /// lines a second of load over all connections (default: 10000)
    #[argh(option, arg_name = "N")]
    pub rate: Option<f64>,

    /// connections of load (default: 1)
    #[argh(option, arg_name = "N")]
    pub connections: Option<usize>,

    /// bytes of a line of load, its newline counted (default: 100)
    #[argh(option, arg_name = "N")]
    pub line_bytes: Option<usize>,

    /// lines a write of load (default: 1)
    #[argh(option, arg_name = "N")]
    pub write_lines: Option<usize>,
}

/// A named measurement.
struct Case {
    name: &'static str,
    /// What it measures, for `bench list`.
    about: &'static str,
    run: fn(&mut Bench) -> Result<Vec<Row>>,
}

/// Every case, in the order in which `all` runs them.
const CASES: &[Case] = &[
    Case {
        name: "ingest-1",
        about: "lines/s against bare receiving: 1 connection, 6.4 KB writes",
        run: |bench| ingest::against_limit(bench, "ingest-1", 1, ingest::SMALL_WRITE),
    },
    Case {
        name: "ingest-50",
        about: "the same: 50 connections, 6.4 KB writes",
        run: |bench| ingest::against_limit(bench, "ingest-50", 50, ingest::SMALL_WRITE),
    },
    Case {
        name: "ingest-1-large",
        about: "the same: 1 connection, 256 KiB writes",
        run: |bench| ingest::against_limit(bench, "ingest-1-large", 1, lines::WRITE_BYTES_MAX),
    },
    Case {
        name: "ingest-50-large",
        about: "the same: 50 connections, 256 KiB writes",
        run: |bench| ingest::against_limit(bench, "ingest-50-large", 50, lines::WRITE_BYTES_MAX),
    },
    Case {
        name: "ingest-persist",
        about: "lines/s with -P against memory",
        run: ingest::persisted,
    },
    Case {
        name: "ingest-1000",
        about: "lines/s: 1,000 connections, 8 lines a write",
        run: ingest::thousand,
    },
    Case {
        name: "syslog-5424",
        about: "RFC 5424 over TCP against plain lines, LF after each",
        run: |bench| syslog(bench, "syslog-5424", Shape::Rfc5424, Bar::AtLeast(0.4)),
    },
    Case {
        name: "syslog-counted",
        about: "the same, octet-counted",
        run: |bench| syslog(bench, "syslog-counted", Shape::Counted5424, Bar::Stated),
    },
    Case {
        name: "syslog-3164",
        about: "the same, RFC 3164, LF after each",
        run: |bench| syslog(bench, "syslog-3164", Shape::Rfc3164, Bar::Stated),
    },
    Case {
        name: "json-lines",
        about: "JSON lines against plain lines",
        run: |bench| {
            let bar = Bar::AtLeast(0.8);
            ingest::against_plain(bench, "json-lines", Shape::Json, scan::JSON_BYTES, bar)
        },
    },
    Case {
        name: "udp",
        about: "500,000 datagrams/s: what is lost, and where",
        run: datagrams::offered,
    },
    Case {
        name: "json-query",
        about: "field.status>=500 over 1 GiB of JSON lines",
        run: scan::fields,
    },
    Case {
        name: "scan",
        about: "REGEX literal against memmem, SEARCH: 1 GiB ring",
        run: scan::nowhere,
    },
    Case {
        name: "count-rtt",
        about: "COUNT round trip at 1 M lines/s and full scans",
        run: latency::count_under_load,
    },
    Case {
        name: "tail-idle",
        about: "a line in to out at a TAIL, nothing else",
        run: |bench| latency::tail(bench, "tail-idle", Outlet::Tail, 0.0),
    },
    Case {
        name: "tail-load",
        about: "a line in to out at a TAIL, at 1 M lines/s",
        run: |bench| latency::tail(bench, "tail-load", Outlet::Tail, 1e6),
    },
    Case {
        name: "turn",
        about: "worst turn, and disk bytes, at 100 MB/s with -P",
        run: latency::worst_turn,
    },
    Case {
        name: "slow-disk",
        about: "worst turn and COUNT at 30 MB/s on a disk of 20 MB/s",
        run: latency::slow_disk,
    },
    Case {
        name: "http-jsonline",
        about: "lines/s of JSON to /insert/jsonline, also gzipped",
        run: http_ingest::json_lines,
    },
    Case {
        name: "http-loki",
        about: "lines/s of Loki's push, protobuf in snappy",
        run: http_ingest::loki,
    },
    Case {
        name: "http-bulk",
        about: "documents/s of Elasticsearch's bulk requests",
        run: http_ingest::bulk,
    },
    Case { name: "http-raw", about: "plain lines/s to /insert/raw", run: http_ingest::raw },
    Case {
        name: "http-metrics",
        about: "/metrics round trip at 1 M lines/s",
        run: http_get::metrics,
    },
    Case {
        name: "http-tail",
        about: "a line in to out as a Server-Sent Event, idle and loaded",
        run: |bench| {
            let mut rows = latency::tail(bench, "http-tail", Outlet::Events, 0.0)?;
            rows.extend(latency::tail(bench, "http-tail", Outlet::Events, 1e6)?);
            Ok(rows)
        },
    },
    Case {
        name: "http-tails",
        about: "500 tails, each for 1 % of 10,000 lines/s",
        run: http_tails::tails,
    },
    Case {
        name: "http-page",
        about: "the page and all its parts on one connection",
        run: http_get::page,
    },
    Case {
        name: "irc",
        about: "1,000 clients of IRC in 100 log channels at 10,000 lines/s",
        run: irc::channels,
    },
    Case {
        name: "idle-connections",
        about: "memory of 10,000 idle connections",
        run: footprint::idle_connections,
    },
    Case {
        name: "stored-lines",
        about: "memory in all with 10,000 lines stored, -s 4",
        run: footprint::stored_lines,
    },
    Case {
        name: "cpu-batched",
        about: "CPU at 50,000 lines/s, ten lines a write",
        run: |bench| footprint::cpu(bench, "cpu-batched", 10, 10.0),
    },
    Case {
        name: "cpu-single",
        about: "CPU at 50,000 lines/s, one line a write",
        run: |bench| footprint::cpu(bench, "cpu-single", 1, 25.0),
    },
    Case { name: "start", about: "start on a 1 GiB segment, warm and cold", run: footprint::start },
    Case { name: "binary", about: "size of the static binary", run: footprint::binary },
];

/// Throughput of syslog messages against plain lines of the same length.
fn syslog(bench: &mut Bench, case: &'static str, shape: Shape, bar: Bar) -> Result<Vec<Row>> {
    ingest::against_plain(bench, case, shape, SYSLOG_BYTES, bar)
}

/// What a case is given.
struct Bench {
    clock: Clock,
    launcher: Launcher,
    lines: Lines,
    /// How often a case is run; the median counts.
    runs: usize,
    /// Length of each run of a latency case, in ns.
    latency_ns: u64,
    /// Length of each run of a throughput case, in ns.
    throughput_ns: u64,
    /// A directory of our own for segments.
    dir: PathBuf,
    /// A directory on a slow disk, if there is one.
    slow_dir: Option<PathBuf>,
    /// Curves drawn so far.
    curves: Vec<Curve>,
}

impl Bench {
    fn new(args: &BenchArgs) -> Result<Self> {
        let clock = Clock::new();
        let binary = match &args.server {
            Some(path) => path.clone(),
            None => std::env::current_exe().doing("find our own binary")?,
        };
        let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
        let dir = parent.join(format!("logcaster-bench-{}", std::process::id()));
        fs::create_dir_all(&dir).doing("make a directory for segments")?;
        let seconds = args.seconds.unwrap_or(if args.quick { 5 } else { 60 }).max(1);
        Ok(Self {
            clock,
            launcher: Launcher { binary, clock },
            lines: Lines::new(LINE_BYTES),
            runs: args.runs.unwrap_or(if args.quick { 1 } else { 3 }).max(1),
            latency_ns: seconds * SECOND,
            throughput_ns: seconds.min(5) * SECOND,
            dir,
            slow_dir: args.slow_dir.clone().or_else(|| {
                std::env::var_os("BENCH_SLOW_DIR").filter(|dir| !dir.is_empty()).map(Into::into)
            }),
            curves: Vec::new(),
        })
    }

    /// An empty directory of that name for a segment.
    fn empty_dir(&self, parent: &Path, name: &str) -> Result<PathBuf> {
        let dir = parent.join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).doing("empty a directory")?;
        }
        fs::create_dir_all(&dir).doing("make a directory")?;
        Ok(dir)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Flags for a server.
fn flags<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.into_iter().map(OsString::from).collect()
}

/// Flags for a server that keeps `megabytes` in `dir`.
fn persist_flags(dir: &Path, megabytes: u64) -> Vec<OsString> {
    let mut flags = flags(["-P", "--sync", "interval", "-s"]);
    flags.push(megabytes.to_string().into());
    flags.push("-d".into());
    flags.push(dir.into());
    flags
}

/// The middle one of some figures; of an even number the upper.
fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs what was asked for. Exits 0, or 1 where a figure missed its bar or a case failed, or 2
/// for a case that there is not.
pub fn run(args: BenchArgs) -> ExitCode {
    let outcome = match args.what.first().map(String::as_str) {
        None | Some("list") => {
            for case in CASES {
                println!("{:<18} {}", case.name, case.about);
            }
            return ExitCode::SUCCESS;
        }
        Some("load") => load(&args),
        Some("all") => measure(&args, &CASES.iter().collect::<Vec<_>>()),
        Some(_) => {
            let mut cases = Vec::new();
            for name in &args.what {
                let Some(case) = CASES.iter().find(|case| case.name == name) else {
                    eprintln!("logcaster: no case \"{name}\" (see logcaster bench list)");
                    return ExitCode::from(2);
                };
                cases.push(case);
            }
            measure(&args, &cases)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("logcaster: bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs cases, prints each row as it comes, and writes the files. False where one is not well.
fn measure(args: &BenchArgs, cases: &[&Case]) -> Result<bool> {
    let mut bench = Bench::new(args)?;
    machine::raise_file_limit();
    let machine = machine::describe(&bench.clock);
    for (name, value) in &machine {
        println!("{name}: {value}");
    }
    println!("\n{}", report::heading());
    let mut rows = Vec::new();
    for case in cases {
        machine::pin(machine::GENERATOR_CORE);
        let outcome = (case.run)(&mut bench);
        machine::unpin();
        let new = outcome
            .unwrap_or_else(|error| vec![Row::missing(case.name, case.about, error.to_string())]);
        for row in &new {
            println!("{}", report::line(row));
        }
        rows.extend(new);
        // After every case, so that a run that is broken off leaves what it has.
        write_files(args, &machine, &rows, &bench.curves)?;
    }
    let is_well = |row: &Row| matches!(row.verdict(), "pass" | "stated");
    let misses = rows.iter().filter(|row| !is_well(row)).count();
    println!("\n{} figures, {misses} missed or not measured", rows.len());
    Ok(misses == 0)
}

/// How we were called, without the path of the binary.
fn command() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("logcaster {}", words.join(" "))
}

/// Writes the JSON file, the table beside it and the drawing where they are wanted.
fn write_files(
    args: &BenchArgs,
    machine: &[(&'static str, String)],
    rows: &[Row],
    curves: &[Curve],
) -> Result<()> {
    if let Some(path) = &args.json {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).doing("make the directory of the results")?;
        }
        fs::write(path, report::json(machine, rows)).doing("write the results")?;
        let table = report::markdown(machine, rows, &command());
        fs::write(path.with_extension("md"), table).doing("write the table")?;
    }
    let drawing = args.svg.clone().or_else(|| args.json.as_ref().map(|p| p.with_extension("svg")));
    if let Some(path) = drawing
        && !curves.is_empty()
    {
        let value = |name| machine.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v.as_str());
        let title = format!("logcaster latency, {} on {}", value("commit"), value("cpu"));
        fs::write(path, curve::svg(&title, curves)).doing("write the drawing")?;
    }
    Ok(())
}

/// `bench load`: lines at a steady rate to a server that runs already.
fn load(args: &BenchArgs) -> Result<bool> {
    let Some(address) = args.addr else {
        return Err(BenchError::Unavailable("load needs --addr HOST:PORT of the logs".to_owned()));
    };
    machine::raise_file_limit();
    let clock = Clock::new();
    let lines = Lines::new(args.line_bytes.unwrap_or(LINE_BYTES));
    let write_bytes = lines.line_bytes().saturating_mul(args.write_lines.unwrap_or(1).max(1));
    if write_bytes > lines::WRITE_BYTES_MAX {
        let most = lines::WRITE_BYTES_MAX;
        return Err(BenchError::Unavailable(format!("a write of {write_bytes} bytes (<= {most})")));
    }
    let rate = args.rate.unwrap_or(10_000.0);
    let connections = args.connections.unwrap_or(1).max(1);
    let mut paced = Paced::connect(address, connections, rate, write_bytes, &lines)?;
    let began = clock.mono();
    spin(&clock, args.seconds.unwrap_or(10).max(1) * SECOND, &mut [&mut paced])?;
    let seconds = (clock.mono() - began) as f64 / 1e9;
    let sent = paced.lines_sent();
    println!("sent {sent} lines over {connections} connections in {seconds:.1} s");
    println!("rate {:.0} lines/s of {rate:.0} intended", sent as f64 / seconds);
    let us = |percentile| paced.latency.value_at_percentile(percentile) as f64 / 1e3;
    println!(
        "writes us p50={:.1} p99={:.1} p99.9={:.1} max={:.1}",
        us(50.0),
        us(99.0),
        us(99.9),
        paced.latency.max() as f64 / 1e3
    );
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        for (index, case) in CASES.iter().enumerate() {
            assert!(CASES[..index].iter().all(|other| other.name != case.name), "{}", case.name);
            assert!(case.name.len() <= 18 && case.about.len() <= 60, "{}", case.name);
            assert!(!["list", "all", "load"].contains(&case.name));
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[1.0]), 1.0);
        assert!(median(&[]).is_nan());
    }
}
