//! A thousand clients of IRC in a hundred log channels while lines come in: what each gets, how
//! soon, what it costs memory, and what it costs those who send and those who ask.
//!
//! A line of every ten bears the word of a channel, so that each channel stays below the rate above
//! which it is summarised. Every line goes to a plain TAIL as well, which tells what IRC costs it.

use std::io::Write as _;

use hdrhistogram::Histogram;

use super::error::{BenchError, Result};
use super::machine::{self, Noise, NoiseMeter};
use super::marked::{MARK, Numbered, Readers, WriteLine, numbers};
use super::report::{Bar, Row};
use super::server::Server;
use super::spin::{connect, histogram, read_some, write_all};
use super::{Bench, SECOND, flags};
use crate::clock::{Clock, Mono};

/// Clients, and the channels they are in.
const CLIENTS: usize = 1000;
const CHANNELS: u64 = 100;

/// Every so many lines one is for a channel: 10 a second for each.
const EVERY: u64 = 10;

/// How long a measurement lasts at most, in ns.
const RUN_NS_MAX: u64 = 30 * SECOND;

/// How long the last lines, and the joins, are waited for, in ns.
const DRAIN_NS: u64 = 10 * SECOND;

/// The ring, in MiB: full after a few seconds, so that all of it is resident.
const RING_MIB: u64 = 4;

/// The line of that number: for its channel, or for none.
const LINE: WriteLine = |line, number| {
    let channel = number / EVERY % CHANNELS;
    let word = if number.is_multiple_of(EVERY) { "pick" } else { "pass" };
    writeln!(
        line,
        "INFO [http-4] c.e.Line - {word}{channel:02}x {MARK}{number:010} and words up to one \
         hundred bytes."
    )
};

/// Somebody who gets lines.
#[derive(Default)]
struct Reader {
    /// What came and is not a whole line yet.
    partial: Vec<u8>,
    /// How many lines came for it.
    received: u64,
    /// It has joined its channel.
    is_in: bool,
}

impl Reader {
    /// Takes in what came; notes when each line was to be sent and came.
    fn take(
        &mut self,
        piece: &[u8],
        now: Mono,
        sender: Option<&Numbered>,
        latency: &mut Histogram<u64>,
    ) {
        self.partial.extend_from_slice(piece);
        let Some(end) = memchr::memrchr(b'\n', &self.partial) else { return };
        self.is_in |= memchr::memmem::find(&self.partial[..end], b" 366 ").is_some();
        for number in numbers(&self.partial[..end], MARK) {
            self.received += 1;
            if let Some(sender) = sender {
                latency.saturating_record(now.saturating_sub(sender.due(number)));
            }
        }
        self.partial.drain(..=end);
    }
}

/// Everybody in a channel.
struct Clients {
    readers: Readers<Reader>,
    latency: Histogram<u64>,
}

impl Clients {
    /// Brings `count` clients in, each into its channel.
    fn join(clock: &Clock, server: &Server, count: usize) -> Result<Self> {
        let mut all = Self { readers: Readers::new()?, latency: histogram()? };
        for index in 0..count {
            let mut stream = connect(server.irc)?;
            let channel = index as u64 % CHANNELS;
            let hello = format!(
                "NICK bench{index}\r\nUSER bench 0 * :bench\r\nJOIN #logs-pick{channel:02}x\r\n"
            );
            write_all(&mut stream, hello.as_bytes())?;
            all.readers.add(stream, Reader::default())?;
            all.receive(clock, None, 0)?;
        }
        let began = clock.mono();
        while all.readers.all.iter().any(|reader| !reader.is_in) {
            all.receive(clock, None, 10)?;
            if clock.mono() - began > DRAIN_NS {
                return Err(BenchError::Server("not every client of IRC joined".to_owned()));
            }
        }
        Ok(all)
    }

    /// Reads what has come, or waits for it up to `wait_ms`.
    fn receive(&mut self, clock: &Clock, sender: Option<&Numbered>, wait_ms: u16) -> Result<()> {
        let latency = &mut self.latency;
        self.readers.receive(clock, wait_ms, |reader, piece, now| {
            reader.take(piece, now, sender, latency);
            Ok(())
        })
    }

    /// How many lines of `sent` are still to come.
    fn missing(&self, sent: u64) -> u64 {
        let due = |index: usize| {
            let first = index as u64 % CHANNELS * EVERY;
            sent.saturating_sub(first).div_ceil(EVERY * CHANNELS)
        };
        let readers = self.readers.all.iter().enumerate();
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
    let (mut tail, mut stream) = (Reader::default(), connect(server.questions)?);
    write_all(&mut stream, format!("TAIL keyword={MARK}\n").as_bytes())?;
    let (mut tail_latency, mut piece) = (histogram()?, vec![0; 65536]);
    let meter = NoiseMeter::start(&clock, &[server.pid()]);
    let (began, cpu) = (clock.mono(), machine::run_ns(server.pid()));
    let mut sender = Numbered::new(&server, began, LINE)?;
    let ns = bench.latency_ns.min(RUN_NS_MAX);
    while clock.mono() - began < ns {
        sender.go(clock.mono())?;
        clients.receive(&clock, Some(&sender), 0)?;
        if let Some(count) = read_some(&mut stream, &mut piece)? {
            tail.take(&piece[..count], clock.mono(), Some(&sender), &mut tail_latency);
        }
    }
    let run_ns = (clock.mono() - began) as f64;
    let cpu_percent = 100.0 * machine::run_ns(server.pid()).saturating_sub(cpu) as f64 / run_ns;
    let noise = meter.stop(&clock).timed();
    let ended = clock.mono();
    while clients.missing(sender.sent) > 0 && clock.mono() - ended < DRAIN_NS {
        clients.receive(&clock, Some(&sender), 10)?;
    }
    let rss_bytes = machine::rss_bytes(server.pid());
    let missing = clients.missing(sender.sent);
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
