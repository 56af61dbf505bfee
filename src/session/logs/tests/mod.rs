//! A sender of anything, as the reactor has it: what comes out does not depend on how its bytes are
//! cut, nor on when the segment is full.

mod beginnings;
mod compressed;
mod datagrams;
mod full;
mod short;
mod splits;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::*;
use crate::metrics::Metrics;
use crate::session::testing::Rig;

/// The limit of lines in these tests, in bytes.
const LINE_BYTES_MAX: usize = 100;

/// One connection from 10.0.0.5, served as the reactor serves it.
struct Sender {
    rig: Rig,
    session: LogSession,
    refused: Option<Refused>,
    /// Room that the segment has after each time it was full, in bytes; then it has enough.
    rooms: Vec<u64>,
    /// How often it was full.
    waits: usize,
    /// Goes that left more to do.
    unfinished: usize,
    /// The most bytes that one go has stored.
    most_bytes: u64,
}

impl Sender {
    fn new() -> Self {
        Self::at(Rig::new(), Framing::Auto)
    }

    fn at(rig: Rig, framing: Framing) -> Self {
        Self {
            session: LogSession::new(LINE_BYTES_MAX, b"10.0.0.5", Transport::Tcp, framing),
            rig,
            refused: None,
            rooms: Vec::new(),
            waits: 0,
            unfinished: 0,
            most_bytes: 0,
        }
    }

    /// Its records begin with what `pattern` finds.
    fn joining(pattern: &str) -> Self {
        let mut sender = Self::new();
        sender.join(pattern);
        sender
    }

    fn join(&mut self, pattern: &str) {
        self.rig.intake.join(Some(super::super::multiline::FirstLine::new(pattern).unwrap()));
    }

    /// `bytes` come.
    fn read(&mut self, bytes: &[u8]) {
        self.read_and(bytes, false);
    }

    /// The peer closes.
    fn close(&mut self) {
        self.read_and(b"", true);
    }

    fn read_and(&mut self, bytes: &[u8], is_over: bool) {
        if self.refused.is_some() {
            return;
        }
        let mut inbox = std::mem::take(&mut self.session.held);
        inbox.extend_from_slice(bytes);
        loop {
            let before = self.rig.segment.counters().bytes_appended;
            // What is worked off was read before: the end is read only then.
            let at_end = is_over && !self.session.is_stalled;
            let taken = self.session.take(&inbox, at_end, &mut self.rig.sink());
            let stored = self.rig.segment.counters().bytes_appended - before;
            self.most_bytes = self.most_bytes.max(stored);
            inbox.drain(..taken.used);
            self.refused = taken.refused;
            let was_stalled = self.session.is_stalled;
            self.session.is_stalled = taken.full.is_some() || taken.has_more;
            if self.refused.is_some() {
                assert_eq!(taken.full, None, "what is refused has nothing to store");
                break;
            }
            if taken.full.is_some() {
                self.waits += 1;
                self.rig.make_room(self.rooms.pop().unwrap_or(u64::MAX));
            }
            self.unfinished += usize::from(taken.has_more);
            if !(self.session.is_stalled || was_stalled && is_over) {
                break;
            }
        }
        self.session.held = inbox;
    }

    /// All that came, in `pieces`, and the close.
    fn reads(&mut self, pieces: &[&[u8]]) {
        pieces.iter().for_each(|piece| self.read(piece));
        self.close();
        self.session.held.clear();
    }

    /// What is to be told later is told.
    fn tell_all(&mut self) {
        while self.rig.sink().tell_all().is_err() {
            self.waits += 1;
            self.rig.make_room(self.rooms.pop().unwrap_or(u64::MAX));
        }
    }

    fn metrics(&self) -> &Metrics {
        &self.rig.metrics
    }

    /// The texts of its records.
    fn texts(&self) -> Vec<String> {
        let text = |record: &String| record.split_once(": ").unwrap().1.to_owned();
        self.rig.records().iter().map(text).collect()
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// `text` with its length before it.
fn counted(text: &[u8]) -> Vec<u8> {
    [format!("{} ", text.len()).as_bytes(), text].concat()
}

/// `text` as rsyslog compresses a message.
fn compressed(text: &[u8]) -> Vec<u8> {
    counted(&[b"z", &zlib(text)[..]].concat())
}
