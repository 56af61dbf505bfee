//! A thousand clients of IRC in a hundred log channels while lines come in: what each gets, how
//! soon, what it costs memory, and what it costs those who send and those who ask.
//!
//! A line of every ten bears the word of a channel, so that each channel stays below the rate above
//! which it is summarised. Every line goes to a plain TAIL as well, which tells what IRC costs it.

use std::io::Write as _;
use std::net::TcpStream;

use hdrhistogram::Histogram;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::error::{BenchError, Doing, Result};
use super::machine::{self, Noise, NoiseMeter};
use super::report::{Bar, Row};
use super::server::Server;
use super::spin::{connect, histogram, read_some, write_all};
use super::{Bench, SECOND, flags};
use crate::clock::{Clock, Mono};

/// Clients, and the channels they are in.
const CLIENTS: usize = 1000;
const CHANNELS: u64 = 100;

/// Time from one line to the next, in ns: 10,000 lines a second.
const LINE_NS: u64 = 100_000;

/// Every so many lines one is for a channel: 10 a second for each.
const EVERY: u64 = 10;

/// How long a measurement lasts at most, in ns.
const RUN_NS_MAX: u64 = 30 * SECOND;

/// How long the last lines, and the joins, are waited for, in ns.
const DRAIN_NS: u64 = 10 * SECOND;

/// The ring, in MiB: full after a few seconds, so that all of it is resident.
const RING_MIB: u64 = 4;

/// What stands before a line's number, and how many digits that has.
const MARK: &[u8] = b"lc-line-";
const DIGITS: usize = 10;

/// Lines that are sent by the clock, whatever the server does.
struct Numbers {
    stream: TcpStream,
    began: Mono,
    sent: u64,
    line: Vec<u8>,
}

impl Numbers {
    fn new(server: &Server, began: Mono) -> Result<Self> {
        Ok(Self { stream: connect(server.logs)?, began, sent: 0, line: Vec::new() })
    }

    /// Sends the lines that are due.
    fn go(&mut self, now: Mono) -> Result<()> {
        while self.due(self.sent) <= now {
            self.line.clear();
            let number = self.sent;
            let channel = number / EVERY % CHANNELS;
            let word = if number.is_multiple_of(EVERY) { "pick" } else { "pass" };
            writeln!(
                self.line,
                "INFO [http-4] c.e.Line - {word}{channel:02}x lc-line-{number:010} and words up \
                 to one hundred bytes."
            )
            .doing("write a line")?;
            write_all(&mut self.stream, &self.line)?;
            self.sent += 1;
        }
        Ok(())
    }

    /// When the line of that number was to be sent.
    fn due(&self, number: u64) -> Mono {
        self.began + number * LINE_NS
    }
}

/// Somebody who gets lines.
struct Reader {
    stream: TcpStream,
    /// What came and is not a whole line yet.
    partial: Vec<u8>,
    /// How many lines came for it.
    received: u64,
    /// It has joined its channel.
    is_in: bool,
}

impl Reader {
    fn new(stream: TcpStream) -> Self {
        Self { stream, partial: Vec::new(), received: 0, is_in: false }
    }

    /// Reads what there is; notes when each line was to be sent and came.
    fn receive(
        &mut self,
        piece: &mut [u8],
        clock: &Clock,
        numbers: Option<&Numbers>,
        latency: &mut Histogram<u64>,
    ) -> Result<()> {
        let Some(count) = read_some(&mut self.stream, piece)? else { return Ok(()) };
        let now = clock.mono();
        self.partial.extend_from_slice(&piece[..count]);
        let Some(end) = memchr::memrchr(b'\n', &self.partial) else { return Ok(()) };
        self.is_in |= memchr::memmem::find(&self.partial[..end], b" 366 ").is_some();
        for place in memchr::memmem::find_iter(&self.partial[..end], MARK) {
            let digits = self.partial[place + MARK.len()..].iter().take(DIGITS);
            let number =
                digits.fold(0, |all, digit| all * 10 + u64::from(digit.wrapping_sub(b'0')));
            self.received += 1;
            if let Some(numbers) = numbers {
                latency.saturating_record(now.saturating_sub(numbers.due(number)));
            }
        }
        self.partial.drain(..=end);
        Ok(())
    }
}

/// Everybody in a channel.
struct Clients {
    epoll: Epoll,
    readers: Vec<Reader>,
    latency: Histogram<u64>,
}

impl Clients {
    /// Brings `count` clients in, each into its channel.
    fn join(clock: &Clock, server: &Server, count: usize) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing("make an epoll")?;
        let mut all = Self { epoll, readers: Vec::with_capacity(count), latency: histogram()? };
        for index in 0..count {
            let mut stream = connect(server.irc)?;
            let channel = index as u64 % CHANNELS;
            let hello = format!(
                "NICK bench{index}\r\nUSER bench 0 * :bench\r\nJOIN #logs-pick{channel:02}x\r\n"
            );
            write_all(&mut stream, hello.as_bytes())?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
            all.epoll.add(&stream, event).doing("register a client")?;
            all.readers.push(Reader::new(stream));
            all.receive(clock, None, 0)?;
        }
        let began = clock.mono();
        while all.readers.iter().any(|reader| !reader.is_in) {
            all.receive(clock, None, 10)?;
            if clock.mono() - began > DRAIN_NS {
                return Err(BenchError::Server("not every client of IRC joined".to_owned()));
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
            let Some(reader) = self.readers.get_mut(index) else { continue };
            reader.receive(&mut piece, clock, numbers, &mut self.latency)?;
        }
        Ok(())
    }

    /// How many lines of `sent` are still to come.
    fn missing(&self, sent: u64) -> u64 {
        let due = |index: usize| {
            let first = index as u64 % CHANNELS * EVERY;
            sent.saturating_sub(first).div_ceil(EVERY * CHANNELS)
        };
        let readers = self.readers.iter().enumerate();
        readers.map(|(index, reader)| due(index).saturating_sub(reader.received)).sum()
    }
}

/// What one run came to.
struct Outcome {
    /// Of the lines of channels, and of all lines at the TAIL.
    channels: Histogram<u64>,
    tail: Histogram<u64>,
    missing: u64,
    cpu_percent: f64,
    rss_bytes: u64,
    noise: Noise,
}

/// The same load without clients of IRC and with them.
pub fn channels(bench: &mut Bench) -> Result<Vec<Row>> {
    if machine::raise_file_limit() < CLIENTS as u64 + 100 {
        let why = format!("more than {CLIENTS} open files are needed");
        return Err(BenchError::Unavailable(why));
    }
    let alone = measure(bench, 0)?;
    let with = measure(bench, CLIENTS)?;
    let at = |times: &Histogram<u64>, percent| times.value_at_percentile(percent) as f64 / 1e3;
    let row = |what: &str, figure, unit, bar, noise| {
        let what = format!("{CLIENTS} clients, {CHANNELS} channels, 10,000 lines/s: {what}");
        Row::new("irc", what, figure, unit, bar).noise(noise)
    };
    let ratio = at(&with.tail, 99.0) / at(&alone.tail, 99.0);
    let noise = alone.noise.max(with.noise);
    let over = with.rss_bytes.saturating_sub(RING_MIB << 20) as f64 / f64::from(1 << 20);
    Ok(vec![
        row("line in to client out, p99", at(&with.channels, 99.0), "us", Bar::Below(20e3), noise)
            .detail("p50_us", at(&with.channels, 50.0))
            .detail("p99.9_us", at(&with.channels, 99.9))
            .detail("max_us", with.channels.max() as f64 / 1e3)
            .detail("lines", with.channels.len() as f64),
        row("lines missing", with.missing as f64, "", Bar::Below(1.0), noise),
        row("p99 of a TAIL against none of them", ratio, "x", Bar::Below(1.1), noise)
            .detail("alone_us", at(&alone.tail, 99.0))
            .detail("with_us", at(&with.tail, 99.0))
            .detail("alone_p50_us", at(&alone.tail, 50.0))
            .detail("with_p50_us", at(&with.tail, 50.0)),
        row("memory over the ring", over, "MiB", Bar::Below(30.0), noise),
        row("CPU", with.cpu_percent, "%", Bar::Stated, noise)
            .detail("alone_percent", alone.cpu_percent),
    ])
}

fn measure(bench: &Bench, clients: usize) -> Result<Outcome> {
    let clock = bench.clock;
    let server = bench.launcher.start_irc(&flags(["--size", &RING_MIB.to_string()]))?;
    let mut clients = Clients::join(&clock, &server, clients)?;
    let mut tail = Reader::new(connect(server.questions)?);
    write_all(&mut tail.stream, b"TAIL keyword=lc-line-\n")?;
    let (mut tail_latency, mut piece) = (histogram()?, vec![0; 65536]);
    let meter = NoiseMeter::start(&clock, &[server.pid()]);
    let (began, cpu) = (clock.mono(), machine::run_ns(server.pid()));
    let mut numbers = Numbers::new(&server, began)?;
    let ns = bench.latency_ns.min(RUN_NS_MAX);
    while clock.mono() - began < ns {
        numbers.go(clock.mono())?;
        clients.receive(&clock, Some(&numbers), 0)?;
        tail.receive(&mut piece, &clock, Some(&numbers), &mut tail_latency)?;
    }
    let run_ns = (clock.mono() - began) as f64;
    let cpu_percent = 100.0 * machine::run_ns(server.pid()).saturating_sub(cpu) as f64 / run_ns;
    let noise = meter.stop(&clock).timed();
    let ended = clock.mono();
    while clients.missing(numbers.sent) > 0 && clock.mono() - ended < DRAIN_NS {
        clients.receive(&clock, Some(&numbers), 10)?;
    }
    let rss_bytes = machine::rss_bytes(server.pid());
    let missing = clients.missing(numbers.sent);
    server.stop()?;
    Ok(Outcome {
        channels: clients.latency,
        tail: tail_latency,
        missing,
        cpu_percent,
        rss_bytes,
        noise,
    })
}
