//! What those feel who ask over HTTP: a collector of metrics while lines come in, and a browser
//! that opens the page.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};

use hdrhistogram::Histogram;

use super::error::{BenchError, Result};
use super::http::{HttpConnection, find, get, unexpected};
use super::ingest::SMALL_WRITE;
use super::latency::{HEAVY, Runs, WARM_NS};
use super::machine::{self, NoiseMeter};
use super::report::{Bar, Row};
use super::server::Server;
use super::spin::{Actor, Paced, Schedule, connect, histogram, read_some, spin, write_all};
use super::{Bench, flags, median};
use crate::clock::{Clock, Mono};

/// Time between scrapes, in ns: about a hundred a second, and no multiple of a load's interval.
const SCRAPE_NS: u64 = 9_970_000;

/// How long the last answers of a run are waited for, in ns.
const DRAIN_NS: u64 = 2_000_000_000;

/// How often metrics are asked for where CPU time alone is wanted.
const SCRAPES: usize = 500;

/// How often the page is fetched.
const FETCHES: usize = 100;

/// Asks the same again and again by a schedule and times the answers.
struct GetProbe {
    stream: TcpStream,
    request: Vec<u8>,
    schedule: Schedule,
    /// Intended moments of requests that are not answered yet, oldest first.
    pending: VecDeque<Mono>,
    received: Vec<u8>,
    /// Bytes of the last answer.
    answer_bytes: usize,
    /// From the intended moment of the request until the last byte of its answer was here.
    latency: Histogram<u64>,
}

impl GetProbe {
    fn connect(address: SocketAddr, target: &str, interval_ns: u64) -> Result<Self> {
        Ok(Self {
            stream: connect(address)?,
            request: get(target, ""),
            schedule: Schedule::every(interval_ns),
            pending: VecDeque::new(),
            received: Vec::new(),
            answer_bytes: 0,
            latency: histogram()?,
        })
    }

    fn receive(&mut self, clock: &Clock) -> Result<()> {
        let mut piece = [0; 65536];
        let Some(count) = read_some(&mut self.stream, &mut piece)? else { return Ok(()) };
        let now = clock.mono();
        self.received.extend_from_slice(&piece[..count]);
        while let Some(answer) = find(&self.received)? {
            if !answer.is_success() {
                return Err(unexpected(&self.request, &self.received));
            }
            self.answer_bytes = answer.body.end;
            self.received.drain(..answer.body.end);
            if let Some(intended) = self.pending.pop_front() {
                self.latency.saturating_record(now.saturating_sub(intended));
            }
        }
        Ok(())
    }

    /// Waits for the answers that are still out; what does not come counts with the time waited.
    fn finish(&mut self, clock: &Clock) -> Result<()> {
        let began = clock.mono();
        while !self.pending.is_empty() && clock.mono() - began < DRAIN_NS {
            self.receive(clock)?;
        }
        for intended in self.pending.drain(..) {
            self.latency.saturating_record(clock.mono() - intended);
        }
        Ok(())
    }
}

impl Actor for GetProbe {
    fn go(&mut self, clock: &Clock, now: Mono) -> Result<()> {
        if let Some(intended) = self.schedule.due(now) {
            self.pending.push_back(intended);
            write_all(&mut self.stream, &self.request)?;
        }
        self.receive(clock)
    }
}

/// `/metrics` while a million lines a second come in.
pub fn metrics(bench: &mut Bench) -> Result<Vec<Row>> {
    let clock = bench.clock;
    let server = bench.launcher.start_http(&flags([]))?;
    let cpu_us = scrape_cpu_us(&server)?;
    let (mut runs, mut achieved, mut bytes) = (Runs::default(), Vec::new(), 0);
    for _ in 0..bench.runs {
        let mut load = Paced::connect(server.logs, 1, HEAVY, SMALL_WRITE, &bench.lines)?;
        let mut probe = GetProbe::connect(server.http, "/metrics", SCRAPE_NS)?;
        spin(&clock, WARM_NS, &mut [&mut load, &mut probe])?;
        probe.latency.reset();
        let meter = NoiseMeter::start(&clock, &[server.pid()]);
        let (began, before) = (clock.mono(), load.lines_sent());
        spin(&clock, bench.latency_ns, &mut [&mut load, &mut probe])?;
        let seconds = (clock.mono() - began) as f64 / 1e9;
        achieved.push((load.lines_sent() - before) as f64 / seconds / 1e6);
        probe.finish(&clock)?;
        bytes = probe.answer_bytes;
        runs.add(probe.latency, meter.stop(&clock).timed());
    }
    server.stop()?;
    let rows = runs.rows(bench, "http-metrics", "/metrics at 1 M lines/s", &[(99.0, 1_000.0)]);
    let tell = |row: Row| {
        row.detail("m_lines_per_s", median(&achieved))
            .detail("answer_bytes", bytes as f64)
            .detail("idle_cpu_us", cpu_us)
    };
    Ok(rows.into_iter().map(tell).collect())
}

/// CPU time of a scrape of a server that has nothing else to do, in µs.
fn scrape_cpu_us(server: &Server) -> Result<f64> {
    let mut connection = HttpConnection::connect(server.http)?;
    let request = get("/metrics", "");
    connection.ask(&request)?;
    let before = machine::run_ns(server.pid());
    for _ in 0..SCRAPES {
        connection.ask(&request)?;
    }
    let ns = machine::run_ns(server.pid()).saturating_sub(before);
    Ok(ns as f64 / SCRAPES as f64 / 1e3)
}

/// All that the page is made of, one after the other on one connection.
pub fn page(bench: &mut Bench) -> Result<Vec<Row>> {
    let server = bench.launcher.start_http(&flags([]))?;
    let mut connection = HttpConnection::connect(server.http)?;
    let index = connection.ask(&get("/", "Accept: text/html\r\n"))?;
    let index = String::from_utf8_lossy(index).into_owned();
    let mut requests = vec![get("/", "Accept: text/html\r\nAccept-Encoding: gzip\r\n")];
    let parts = parts(&index);
    if parts.is_empty() {
        return Err(BenchError::Server("the page has no parts".to_owned()));
    }
    requests.extend(parts.iter().map(|part| get(&format!("/{part}"), "Accept-Encoding: gzip\r\n")));
    let (mut times, mut bytes) = (Vec::new(), 0);
    let meter = NoiseMeter::start(&bench.clock, &[server.pid()]);
    for _ in 0..FETCHES {
        let began = bench.clock.mono();
        bytes = 0;
        for request in &requests {
            bytes += connection.ask(request)?.len();
        }
        times.push((bench.clock.mono() - began) as f64 / 1e6);
    }
    let noise = meter.stop(&bench.clock);
    server.stop()?;
    let what = "the page and its parts, 1 conn";
    Ok(vec![
        Row::new("http-page", what, median(&times), "ms", Bar::Stated)
            .detail("requests", requests.len() as f64)
            .detail("gzip_kib", bytes as f64 / 1024.0)
            .detail("slowest_ms", times.iter().copied().fold(0.0, f64::max))
            .noise(noise),
    ])
}

/// What a page asks its own server for.
fn parts(index: &str) -> Vec<&str> {
    let values = |name| index.split(name).skip(1).filter_map(|rest| rest.split('"').next());
    let all = values(" href=\"").chain(values(" src=\""));
    all.filter(|part| !part.is_empty() && !part.contains(['#', ':'])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_page_are_what_it_links_to_here() {
        let index = "<link rel=\"icon\" href=\"a.svg\"><a href=\"#main\"><script src=\"b.js\">";
        assert_eq!(parts(index), ["a.svg", "b.js"]);
        let page = parts(include_str!("../../page/index.html"));
        assert!(page.len() >= 5 && page.contains(&"app.js") && page.contains(&"style.css"));
    }
}
