//! How fast a ring of 1 GiB is searched: for what is not in it, and for fields of JSON lines.

use std::hint::black_box;
use std::thread;

use super::error::{BenchError, Result};
use super::flood::Flood;
use super::lines::{JSON_LINES_PER_FAILURE, Lines, Shape};
use super::machine::{self, NoiseMeter, SERVER_CORE};
use super::report::{Bar, Row};
use super::server::Asker;
use super::{Bench, LINE_BYTES, flags, median};
use crate::clock::Clock;

/// What no line holds; its letters are as common in the lines as those of a word would be.
pub const NOWHERE: &str = "payment-reversal";

/// Megabytes of the ring.
pub const RING_MB: u64 = 1024;

/// Bytes that surely fill the ring.
pub const FILL_BYTES: u64 = RING_MB << 20;

/// Bytes of a JSON line, its newline counted.
pub const JSON_BYTES: usize = 300;

/// REGEX of a literal against a plain memmem over as many of the same bytes, and SEARCH.
pub fn nowhere(bench: &mut Bench) -> Result<Vec<Row>> {
    let clock = bench.clock;
    let server = bench.launcher.start(&flags(["-s", "1024"]))?;
    let mut asker = server.ask()?;
    let mut flood = Flood::connect(server.logs, 1, 64 << 10, &bench.lines)?;
    let sent = flood.send_bytes(FILL_BYTES)?;
    asker.await_total(&clock, sent)?;
    let records = count(&mut asker)?;
    let bytes = records * LINE_BYTES as u64;
    let copy = copy_of(bench.lines.ring(), bytes);
    let meter = NoiseMeter::start(&clock, &[server.pid()]);
    let (mut plain, mut regex, mut search) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.runs.max(3) {
        plain.push(bytes as f64 / plain_ns(&copy, clock)?);
        regex.push(bytes as f64 / asked_ns(&mut asker, &clock, &format!("REGEX {NOWHERE}"))?);
        search.push(bytes as f64 / asked_ns(&mut asker, &clock, &format!("SEARCH {NOWHERE}"))?);
    }
    let noise = meter.stop(&clock);
    drop(flood);
    server.stop()?;
    let ratios: Vec<f64> = regex.iter().zip(&plain).map(|(regex, plain)| regex / plain).collect();
    let row = Row::new(
        "scan",
        "REGEX literal nowhere / plain memmem",
        median(&ratios),
        "",
        Bar::AtLeast(0.8),
    );
    let row = row.detail("gb_per_s", median(&regex)).detail("plain_gb_per_s", median(&plain));
    let search = Row::new("scan", "SEARCH nowhere", median(&search), "GB/s", Bar::AtLeast(2.0));
    Ok(vec![row.detail("text_bytes", bytes as f64).noise(noise), search.noise(noise)])
}

/// A condition on a field that one in a hundred of 300-byte JSON lines meets; all of the answer is
/// received.
pub fn fields(bench: &mut Bench) -> Result<Vec<Row>> {
    const QUESTION: &str = "QUERY field.status>=500";
    let clock = bench.clock;
    let lines = Lines::shaped(Shape::Json, JSON_BYTES);
    let server = bench.launcher.start(&flags(["-s", "1024"]))?;
    let mut asker = server.ask()?;
    let mut flood = Flood::connect(server.logs, 1, 64 << 10, &lines)?;
    let sent = flood.send_bytes(FILL_BYTES)?;
    asker.await_total(&clock, sent)?;
    let records = count(&mut asker)?;
    let bytes = records * JSON_BYTES as u64;
    let meter = NoiseMeter::start(&clock, &[server.pid()]);
    let mut rates = Vec::new();
    let mut found = 0;
    for _ in 0..bench.runs.max(3) {
        let began = clock.mono();
        found = asker.found(QUESTION)?;
        rates.push(bytes as f64 / (clock.mono() - began) as f64 * 1e3);
    }
    let noise = meter.stop(&clock);
    drop(flood);
    server.stop()?;
    // The ring may begin anywhere in the lines' round.
    let expected = records / JSON_LINES_PER_FAILURE as u64;
    if found.abs_diff(expected) > expected / 50 + 1 {
        let answer = format!("FOUND: {found} matches of {records}, not {expected}");
        return Err(BenchError::Answer { question: QUESTION.to_owned(), answer });
    }
    let what = "field.status>=500, 1 % of 300 B JSON lines";
    let row = Row::new("json-query", what, median(&rates), "MB/s", Bar::AtLeast(500.0));
    Ok(vec![row.detail("text_bytes", bytes as f64).detail("found", found as f64).noise(noise)])
}

/// How many records there are.
fn count(asker: &mut Asker) -> Result<u64> {
    let answer = asker.ask("COUNT")?;
    answer
        .strip_prefix("COUNT: ")
        .and_then(|number| number.trim().parse().ok())
        .ok_or(BenchError::Answer { question: "COUNT".to_owned(), answer })
}

/// Nanoseconds of a question that finds nothing.
fn asked_ns(asker: &mut Asker, clock: &Clock, question: &str) -> Result<f64> {
    let began = clock.mono();
    let found = asker.found(question)?;
    let ns = (clock.mono() - began) as f64;
    if found != 0 {
        let answer = format!("FOUND: {found} matches");
        return Err(BenchError::Answer { question: question.to_owned(), answer });
    }
    Ok(ns)
}

/// Nanoseconds of a memmem over all of `text`, on the server's core.
fn plain_ns(text: &[u8], clock: Clock) -> Result<f64> {
    let thread = || {
        machine::pin(SERVER_CORE);
        let began = clock.mono();
        let found = memchr::memmem::find(black_box(text), NOWHERE.as_bytes());
        (found, (clock.mono() - began) as f64)
    };
    let (found, ns) = thread::scope(|scope| scope.spawn(thread).join())
        .map_err(|_| BenchError::Unavailable("the plain search panicked".to_owned()))?;
    match found {
        None => Ok(ns),
        Some(place) => Err(BenchError::Unavailable(format!("{NOWHERE:?} stands at {place}"))),
    }
}

/// `bytes` bytes of the ring, over and over.
fn copy_of(ring: &[u8], bytes: u64) -> Vec<u8> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut copy = Vec::with_capacity(bytes);
    while copy.len() < bytes {
        copy.extend_from_slice(&ring[..ring.len().min(bytes - copy.len())]);
    }
    copy
}
