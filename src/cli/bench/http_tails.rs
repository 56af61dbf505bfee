//! Many tails over HTTP at once: each gets every line that it asked for, in order, and none other.

use std::io::Write as _;
use std::net::TcpStream;

use hdrhistogram::Histogram;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::error::{BenchError, Doing, Result};
use super::http::{EVENT_STREAM, get, unexpected};
use super::machine::{self, NoiseMeter};
use super::report::{Bar, Row};
use super::server::Server;
use super::spin::{connect, histogram, read_some, write_all};
use super::{Bench, SECOND, flags};
use crate::clock::{Clock, Mono};

/// Tails that are open.
const TAILS: usize = 500;

/// Time from one line to the next, in ns: 10,000 lines a second.
const LINE_NS: u64 = 100_000;

/// Of so many lines a tail asks for one.
const KINDS: u64 = 100;

/// How long the case lasts at most, in ns.
const RUN_NS_MAX: u64 = 10 * SECOND;

/// How long the last lines are waited for, in ns.
const DRAIN_NS: u64 = 5 * SECOND;

/// What stands before a line's number.
const MARK: &[u8] = b"lc-line-";

/// Digits of a line's number.
const DIGITS: usize = 10;

/// Line numbers that are sent, by the clock, whatever the server does.
struct Numbers {
    stream: TcpStream,
    began: Option<Mono>,
    sent: u64,
    line: Vec<u8>,
}

impl Numbers {
    /// Sends the lines that are due.
    fn go(&mut self, now: Mono) -> Result<()> {
        let began = *self.began.get_or_insert(now);
        while began + self.sent * LINE_NS <= now {
            self.line.clear();
            let (kind, number) = (self.sent % KINDS, self.sent);
            writeln!(
                self.line,
                "INFO [http-4] c.e.numbers.Line - pick-{kind:02}. lc-line-{number:010} and words \
                 up to one hundred by"
            )
            .doing("write a line")?;
            write_all(&mut self.stream, &self.line)?;
            self.sent += 1;
        }
        Ok(())
    }

    /// When the line of that number was to be sent.
    fn due(&self, number: u64) -> Mono {
        self.began.unwrap_or(0) + number * LINE_NS
    }
}

/// One tail.
struct Tail {
    stream: TcpStream,
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
    epoll: Epoll,
    tails: Vec<Tail>,
    outcome: Outcome,
}

impl Tails {
    /// Opens them: each for one of `kinds` kinds of lines, in turns.
    fn open(clock: &Clock, server: &Server, kinds: u64) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing("make an epoll")?;
        let outcome = Outcome { latency: histogram()?, received: 0, missing: 0, odd: 0 };
        let mut all = Self { epoll, tails: Vec::with_capacity(TAILS), outcome };
        for index in 0..TAILS {
            let kind = index as u64 % kinds;
            let mut stream = connect(server.http)?;
            let question = get(&format!("/api/tail?keyword=pick-{kind:02}."), EVENT_STREAM);
            write_all(&mut stream, &question)?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
            all.epoll.add(&stream, event).doing("register a tail")?;
            all.tails.push(Tail { stream, partial: Vec::new(), is_open: false, next: kind });
        }
        let began = clock.mono();
        while all.tails.iter().any(|tail| !tail.is_open) {
            all.receive(clock, None, 10)?;
            if clock.mono() - began > DRAIN_NS {
                return Err(BenchError::Server("not every tail is answered".to_owned()));
            }
        }
        Ok(all)
    }

    /// Reads what has come, or waits for it up to `wait_ms`.
    fn receive(&mut self, clock: &Clock, numbers: Option<&Numbers>, wait_ms: u16) -> Result<()> {
        let mut events = [EpollEvent::empty(); 256];
        let ready = self.epoll.wait(&mut events, EpollTimeout::from(wait_ms)).doing("wait")?;
        let mut piece = [0; 16384];
        for event in &events[..ready] {
            let index = usize::try_from(event.data()).unwrap_or(usize::MAX);
            let Some(tail) = self.tails.get_mut(index) else { continue };
            let Some(count) = read_some(&mut tail.stream, &mut piece)? else { continue };
            tail.take(&piece[..count], clock.mono(), numbers, &mut self.outcome)?;
        }
        Ok(())
    }

    /// How many lines of `sent` are still to come.
    fn missing(&self, sent: u64) -> u64 {
        self.tails.iter().map(|tail| sent.saturating_sub(tail.next).div_ceil(KINDS)).sum()
    }
}

impl Tail {
    /// Takes in what came.
    fn take(
        &mut self,
        piece: &[u8],
        now: Mono,
        numbers: Option<&Numbers>,
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
        for place in memchr::memmem::find_iter(&self.partial[..end], MARK) {
            let digits = self.partial[place + MARK.len()..].iter().take(DIGITS);
            let number =
                digits.fold(0, |all, digit| all * 10 + u64::from(digit.wrapping_sub(b'0')));
            if number < self.next || number % KINDS != self.next % KINDS {
                outcome.odd += 1;
                continue;
            }
            outcome.missing += (number - self.next) / KINDS;
            outcome.received += 1;
            self.next = number + KINDS;
            if let Some(numbers) = numbers {
                outcome.latency.saturating_record(now.saturating_sub(numbers.due(number)));
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
    let stream = connect(server.logs)?;
    let mut numbers = Numbers { stream, began: None, sent: 0, line: Vec::new() };
    let meter = NoiseMeter::start(&clock, &[server.pid()]);
    let (began, cpu) = (clock.mono(), machine::run_ns(server.pid()));
    let ns = (bench.latency_ns * 2 / 5).min(RUN_NS_MAX);
    while clock.mono() - began < ns {
        numbers.go(clock.mono())?;
        tails.receive(&clock, Some(&numbers), 0)?;
    }
    let run_ns = (clock.mono() - began) as f64;
    let cpu_percent = 100.0 * machine::run_ns(server.pid()).saturating_sub(cpu) as f64 / run_ns;
    let noise = meter.stop(&clock).timed();
    let ended = clock.mono();
    while tails.missing(numbers.sent) > 0 && clock.mono() - ended < DRAIN_NS {
        tails.receive(&clock, Some(&numbers), 10)?;
    }
    let missing = tails.outcome.missing + tails.missing(numbers.sent);
    let outcome = tails.outcome;
    server.stop()?;
    let at = |percentile| outcome.latency.value_at_percentile(percentile) as f64 / 1e3;
    let row = |what: &str, figure, unit, bar| {
        Row::new("http-tails", format!("{TAILS} SSE tails, {name}: {what}"), figure, unit, bar)
            .noise(noise)
    };
    Ok(vec![
        row("gaps", (missing + outcome.odd) as f64, "", Bar::Below(1.0))
            .detail("lines_per_s", numbers.sent as f64 / (run_ns / 1e9))
            .detail("events", outcome.received as f64),
        row("CPU", cpu_percent, "%", Bar::Stated),
        row("p99", at(99.0), "us", Bar::Stated)
            .detail("p50_us", at(50.0))
            .detail("p99.9_us", at(99.9))
            .detail("max_us", outcome.latency.max() as f64 / 1e3),
    ])
}
