//! Many tails over HTTP at once: each gets every line that it asked for, in order, and none other.

use std::io::Write as _;

use hdrhistogram::Histogram;

use super::error::{BenchError, Result};
use super::http::{EVENT_STREAM, get, unexpected};
use super::machine::{self, NoiseMeter};
use super::marked::{MARK, Numbered, Readers, WriteLine, numbers};
use super::report::{Bar, Row};
use super::server::Server;
use super::spin::{connect, histogram, write_all};
use super::{Bench, SECOND, flags};
use crate::clock::{Clock, Mono};

/// Tails that are open.
const TAILS: usize = 500;

/// Of so many lines a tail asks for one.
const KINDS: u64 = 100;

/// How long the case lasts at most, in ns.
const RUN_NS_MAX: u64 = 10 * SECOND;

/// How long the last lines are waited for, in ns.
const DRAIN_NS: u64 = 5 * SECOND;

/// The line of that number.
const LINE: WriteLine = |line, number| {
    let kind = number % KINDS;
    writeln!(
        line,
        "INFO [http-4] c.e.numbers.Line - pick-{kind:02}. {MARK}{number:010} and words up to one \
         hundred by"
    )
};

/// One tail.
struct Tail {
    /// What came and is not a whole line yet.
    partial: Vec<u8>,
    /// Whether the head of its answer has come.
    is_open: bool,
    /// The number of the line that is to come next.
    next: u64,
}

/// What became of the lines.
struct Outcome {
    latency: Histogram<u64>,
    received: u64,
    /// Lines that did not come.
    missing: u64,
    /// Lines that came twice, or to a tail that had not asked for them.
    odd: u64,
}

/// All tails, and what came of them.
struct Tails {
    readers: Readers<Tail>,
    outcome: Outcome,
}

impl Tails {
    /// Opens them: each for one of `kinds` kinds of lines, in turns.
    fn open(clock: &Clock, server: &Server, kinds: u64) -> Result<Self> {
        let outcome = Outcome { latency: histogram()?, received: 0, missing: 0, odd: 0 };
        let mut all = Self { readers: Readers::new()?, outcome };
        for index in 0..TAILS {
            let kind = index as u64 % kinds;
            let mut stream = connect(server.http)?;
            let question = get(&format!("/api/tail?keyword=pick-{kind:02}."), EVENT_STREAM);
            write_all(&mut stream, &question)?;
            let tail = Tail { partial: Vec::new(), is_open: false, next: kind };
            all.readers.add(stream, tail)?;
        }
        let began = clock.mono();
        while all.readers.all.iter().any(|tail| !tail.is_open) {
            all.receive(clock, None, 10)?;
            if clock.mono() - began > DRAIN_NS {
                return Err(BenchError::Server("not every tail is answered".to_owned()));
            }
        }
        Ok(all)
    }

    /// Reads what has come, or waits for it up to `wait_ms`.
    fn receive(&mut self, clock: &Clock, sender: Option<&Numbered>, wait_ms: u16) -> Result<()> {
        let outcome = &mut self.outcome;
        self.readers
            .receive(clock, wait_ms, |tail, piece, now| tail.take(piece, now, sender, outcome))
    }

    /// How many lines of `sent` are still to come.
    fn missing(&self, sent: u64) -> u64 {
        let tails = self.readers.all.iter();
        tails.map(|tail| sent.saturating_sub(tail.next).div_ceil(KINDS)).sum()
    }
}

impl Tail {
    /// Takes in what came.
    fn take(
        &mut self,
        piece: &[u8],
        now: Mono,
        sender: Option<&Numbered>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        self.partial.extend_from_slice(piece);
        if !self.is_open {
            let Some(end) = memchr::memmem::find(&self.partial, b"\r\n\r\n") else { return Ok(()) };
            if !self.partial.starts_with(b"HTTP/1.1 200 ") {
                return Err(unexpected(b"GET /api/tail", &self.partial));
            }
            self.is_open = true;
            self.partial.drain(..end + 4);
        }
        let Some(end) = memchr::memrchr(b'\n', &self.partial) else { return Ok(()) };
        for number in numbers(&self.partial[..end], MARK) {
            if number < self.next || number % KINDS != self.next % KINDS {
                outcome.odd += 1;
                continue;
            }
            outcome.missing += (number - self.next) / KINDS;
            outcome.received += 1;
            self.next = number + KINDS;
            if let Some(sender) = sender {
                outcome.latency.saturating_record(now.saturating_sub(sender.due(number)));
            }
        }
        self.partial.drain(..=end);
        Ok(())
    }
}

/// 500 tails that ask for the same lines, then 500 that ask for a hundred different things.
pub fn tails(bench: &mut Bench) -> Result<Vec<Row>> {
    if machine::raise_file_limit() < TAILS as u64 + 100 {
        let why = format!("more than {TAILS} open files are needed");
        return Err(BenchError::Unavailable(why));
    }
    let mut rows = measure(bench, "one filter", 1)?;
    rows.extend(measure(bench, "100 filters", KINDS)?);
    Ok(rows)
}

fn measure(bench: &Bench, name: &str, kinds: u64) -> Result<Vec<Row>> {
    let clock = bench.clock;
    let server = bench.launcher.start_http(&flags([]))?;
    let mut tails = Tails::open(&clock, &server, kinds)?;
    let meter = NoiseMeter::start(&clock, &[server.pid()]);
    let (began, cpu) = (clock.mono(), machine::run_ns(server.pid()));
    let mut sender = Numbered::new(&server, began, LINE)?;
    let ns = (bench.latency_ns * 2 / 5).min(RUN_NS_MAX);
    while clock.mono() - began < ns {
        sender.go(clock.mono())?;
        tails.receive(&clock, Some(&sender), 0)?;
    }
    let run_ns = (clock.mono() - began) as f64;
    let cpu_percent = 100.0 * machine::run_ns(server.pid()).saturating_sub(cpu) as f64 / run_ns;
    let noise = meter.stop(&clock).timed();
    let ended = clock.mono();
    while tails.missing(sender.sent) > 0 && clock.mono() - ended < DRAIN_NS {
        tails.receive(&clock, Some(&sender), 10)?;
    }
    let missing = tails.outcome.missing + tails.missing(sender.sent);
    let outcome = tails.outcome;
    server.stop()?;
    let at = |percentile| outcome.latency.value_at_percentile(percentile) as f64 / 1e3;
    let row = |what: &str, figure, unit, bar| {
        Row::new("http-tails", format!("{TAILS} SSE tails, {name}: {what}"), figure, unit, bar)
            .noise(noise)
    };
    Ok(vec![
        row("gaps", (missing + outcome.odd) as f64, "", Bar::Below(1.0))
            .detail("lines_per_s", sender.sent as f64 / (run_ns / 1e9))
            .detail("events", outcome.received as f64),
        row("CPU", cpu_percent, "%", Bar::Stated),
        row("p99", at(99.0), "us", Bar::Stated)
            .detail("p50_us", at(50.0))
            .detail("p99.9_us", at(99.9))
            .detail("max_us", outcome.latency.max() as f64 / 1e3),
    ])
}
