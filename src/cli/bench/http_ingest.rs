//! Throughput of what shippers send over HTTP: requests of about 1 MiB, one after the other on one
//! connection that stays open, each sent when the one before is answered. They are written, and
//! compressed where they are, before the clock starts.

use super::error::{BenchError, Result};
use super::http::{HttpConnection, post};
use super::http_bodies::{self, Body};
use super::lines::{Lines, Shape};
use super::machine::{self, Noise, NoiseMeter};
use super::report::{Bar, Row};
use super::server::{Asker, Server};
use super::{Bench, SYSLOG_BYTES, flags, median};
use crate::clock::Clock;

/// What is sent before anything is measured: more than the default ring holds.
const FIRST_LAP_BYTES: u64 = 96 << 20;

/// How shippers say what the members of their objects are.
const JSON_LINES: &str =
    "/insert/jsonline?_stream_fields=service&_time_field=_time&_msg_field=_msg";

/// The same where nearly every line is of another stream than the one before it.
const JSON_STREAMS: &str = "/insert/jsonline?_stream_fields=status";

/// A request that was written before.
struct Request {
    bytes: Vec<u8>,
    lines: u64,
    text_bytes: u64,
}

/// One way to send lines.
struct Way {
    what: String,
    target: &'static str,
    /// Whole lines, each ended by CRLF.
    headers: &'static str,
    bodies: Vec<Body>,
    /// A question that finds a line only where the server has understood what was sent.
    proof: &'static str,
    bar: Bar,
}

/// JSON lines, plain and compressed, and with streams that take turns.
pub fn json_lines(bench: &mut Bench) -> Result<Vec<Row>> {
    let lines = Lines::shaped(Shape::Shipped, SYSLOG_BYTES);
    let bodies = http_bodies::of_lines(&lines);
    let proof = Shape::Shipped.proof().unwrap_or_default();
    let way = |what: &str, bodies, bar| Way {
        what: format!("{SYSLOG_BYTES} B JSON lines{what}"),
        target: JSON_LINES,
        headers: "Content-Type: application/stream+json\r\n",
        bodies,
        proof,
        bar,
    };
    let gzipped = http_bodies::gzipped(&bodies);
    let turns = Way {
        target: JSON_STREAMS,
        proof: "QUERY status=404 field.service=ledger limit=1",
        ..way(", streams take turns", bodies.clone(), Bar::Stated)
    };
    let ways = [
        way(", 1 MiB requests, 1 conn", bodies, Bar::AtLeast(1.5)),
        Way {
            headers: "Content-Type: application/stream+json\r\nContent-Encoding: gzip\r\n",
            ..way(", gzip", gzipped, Bar::Stated)
        },
        turns,
    ];
    measure(bench, "http-jsonline", &ways)
}

/// Loki's push, as protobuf in a block of snappy, four streams a push.
pub fn loki(bench: &mut Bench) -> Result<Vec<Row>> {
    let lines = Lines::new(SYSLOG_BYTES);
    let way = |what: &str, bodies, bar| Way {
        what: format!("{SYSLOG_BYTES} B lines, 4 streams{what}"),
        target: "/loki/api/v1/push",
        headers: "Content-Type: application/x-protobuf\r\n",
        bodies,
        proof: "QUERY app=stream-2 keyword=invoice limit=1",
        bar,
    };
    let ways = [
        way(", protobuf, 1 conn", http_bodies::loki(&lines, false), Bar::AtLeast(1.0)),
        way(", with metadata", http_bodies::loki(&lines, true), Bar::Stated),
    ];
    measure(bench, "http-loki", &ways)
}

/// Elasticsearch's bulk requests.
pub fn bulk(bench: &mut Bench) -> Result<Vec<Row>> {
    let lines = Lines::shaped(Shape::Document, SYSLOG_BYTES);
    let way = Way {
        what: format!("{SYSLOG_BYTES} B documents, an action each"),
        target: "/_bulk",
        headers: "Content-Type: application/x-ndjson\r\n",
        bodies: http_bodies::bulk(&lines),
        proof: Shape::Document.proof().unwrap_or_default(),
        bar: Bar::Stated,
    };
    measure(bench, "http-bulk", &[way])
}

/// Plain lines.
pub fn raw(bench: &mut Bench) -> Result<Vec<Row>> {
    let lines = Lines::new(SYSLOG_BYTES);
    let way = Way {
        what: format!("{SYSLOG_BYTES} B plain lines, 1 MiB requests"),
        target: "/insert/raw?app=bench",
        headers: "Content-Type: text/plain\r\n",
        bodies: http_bodies::of_lines(&lines),
        proof: "QUERY app=bench keyword=invoice limit=1",
        bar: Bar::Stated,
    };
    measure(bench, "http-raw", &[way])
}

/// A row for each of `ways`, each with a server of its own.
fn measure(bench: &Bench, case: &'static str, ways: &[Way]) -> Result<Vec<Row>> {
    ways.iter().map(|way| measure_one(bench, case, way)).collect()
}

fn measure_one(bench: &Bench, case: &'static str, way: &Way) -> Result<Row> {
    let server = bench.launcher.start_http(&flags([]))?;
    let mut uploads = Uploads::new(server, bench.clock, way)?;
    uploads.send_while(|sent_bytes| sent_bytes < FIRST_LAP_BYTES)?;
    let (mut rates, mut cpu, mut noise) = (Vec::new(), Vec::new(), Noise::default());
    for _ in 0..bench.runs.max(3) {
        let meter = NoiseMeter::start(&bench.clock, &[uploads.server.pid()]);
        let (began, before) = (bench.clock.mono(), machine::run_ns(uploads.server.pid()));
        let until = began + bench.throughput_ns / 2;
        let lines = uploads.send_while(|_| bench.clock.mono() < until)?.max(1) as f64;
        let seconds = (bench.clock.mono() - began) as f64 / 1e9;
        let cpu_ns = machine::run_ns(uploads.server.pid()).saturating_sub(before);
        rates.push(lines / seconds / 1e6);
        cpu.push(cpu_ns as f64 / lines);
        noise = noise.max(meter.stop(&bench.clock));
    }
    if uploads.asker.found(way.proof)? == 0 {
        return Err(BenchError::Answer {
            question: way.proof.to_owned(),
            answer: "none".to_owned(),
        });
    }
    let text_bytes: u64 = uploads.requests.iter().map(|request| request.text_bytes).sum();
    let wire_bytes: usize = uploads.requests.iter().map(|request| request.bytes.len()).sum();
    uploads.server.stop()?;
    let cpu_ns = median(&cpu);
    Ok(Row::new(case, way.what.clone(), median(&rates), "M/s", way.bar)
        .detail("cpu_ns_per_line", cpu_ns)
        .detail("m_lines_per_cpu_s", 1e3 / cpu_ns)
        .detail("wire_share", wire_bytes as f64 / text_bytes.max(1) as f64)
        .noise(noise))
}

/// A server and the connection that brings it lines.
struct Uploads {
    server: Server,
    asker: Asker,
    connection: HttpConnection,
    clock: Clock,
    requests: Vec<Request>,
    /// Requests sent so far.
    sent: usize,
}

impl Uploads {
    fn new(server: Server, clock: Clock, way: &Way) -> Result<Self> {
        let requests = way.bodies.iter().map(|body| Request {
            bytes: post(way.target, way.headers, &body.bytes),
            lines: body.lines,
            text_bytes: body.text_bytes,
        });
        Ok(Self {
            asker: server.ask()?,
            connection: HttpConnection::connect(server.http)?,
            requests: requests.collect(),
            sent: 0,
            server,
            clock,
        })
    }

    /// Sends requests as long as `goes_on` says so of the bytes of text sent, waits until all their
    /// lines are counted, and returns how many there were.
    fn send_while(&mut self, mut goes_on: impl FnMut(u64) -> bool) -> Result<u64> {
        let before = self.asker.stats()?.need("Total")?;
        let (mut lines, mut bytes) = (0, 0);
        while goes_on(bytes) {
            let request = &self.requests[self.sent % self.requests.len()];
            self.connection.ask(&request.bytes)?;
            self.sent += 1;
            lines += request.lines;
            bytes += request.text_bytes;
        }
        self.asker.await_total(&self.clock, before + lines)?;
        let stored = self.asker.stats()?.need("Total")? - before;
        if stored != lines {
            let what = format!("stored {stored} of {lines} lines");
            return Err(BenchError::Server(what));
        }
        Ok(lines)
    }
}
