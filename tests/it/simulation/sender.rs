//! Somebody who sends lines, and the records that must come of them.

use std::collections::VecDeque;

use logcaster::message::Transport;
use logcaster::proto::frame::Framing;
use logcaster::segment::MemStore;
use logcaster::session::{LogSession, Sink};

use super::asker::WORDS;
use crate::support::Random;

/// The longest record, without the dots of one that was cut.
const LINE_BYTES_MAX: usize = 3_000;

pub struct Sender {
    session: LogSession,
    /// Many of its lines have at most so many bytes.
    line_bytes: u64,
    /// Written by the client, and not read by the server.
    wire: VecDeque<u8>,
    has_finished: bool,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
    /// The records to come of what is written.
    pub expected: VecDeque<Vec<u8>>,
}

impl Sender {
    pub fn new(line_bytes: u64) -> Self {
        Self {
            line_bytes,
            session: LogSession::new(LINE_BYTES_MAX, b"peer", Transport::Tcp, Framing::Auto),
            wire: VecDeque::new(),
            has_finished: false,
            begun: Vec::new(),
            expected: VecDeque::new(),
        }
    }

    /// Writes some lines, the last perhaps in part. No two lines are the same.
    pub fn write(&mut self, random: &mut Random, lines: &mut u64) {
        if self.has_finished {
            return;
        }
        for _ in 0..1 + random.below(12) {
            if self.begun.is_empty() {
                *lines += 1;
                let word = WORDS[random.below(WORDS.len() as u64) as usize];
                let fill = match random.below(12) {
                    0 => random.below(4_000),
                    1..6 => random.below(self.line_bytes),
                    _ => random.below(90),
                };
                self.begun = format!("line {lines} {word} ").into_bytes();
                self.begun.extend((0..fill).map(|at| b'a' + (at % 23) as u8));
                self.wire.extend(&self.begun);
                // One that is too long is stored before its end has come.
                if self.begun.len() > LINE_BYTES_MAX {
                    let cut = [&self.begun[..LINE_BYTES_MAX], b"..."].concat();
                    self.expected.push_back(cut);
                }
            }
            if random.below(8) == 0 {
                // Its end comes later, or with the end of the connection.
                return;
            }
            let ends: [&[u8]; 5] = [b"\n", b"\r\n", b"\0", b"\n\n", b"\n\r\n\0"];
            self.wire.extend(ends[random.below(5) as usize]);
            self.line_is_over();
        }
    }

    fn line_is_over(&mut self) {
        let record = std::mem::take(&mut self.begun);
        if record.len() <= LINE_BYTES_MAX {
            self.expected.push_back(record);
        }
    }

    /// Writes its last byte.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.has_finished, true) && !self.begun.is_empty() {
            self.line_is_over();
        }
    }

    /// One read of `bytes` at most, as the reactor does it. Whether the connection is over.
    pub fn read(&mut self, bytes: usize, sink: &mut Sink<'_, MemStore>) -> bool {
        let mut input = std::mem::take(&mut self.session.held);
        if !self.session.is_stalled {
            let count = bytes.min(self.wire.len());
            input.extend(self.wire.drain(..count));
        }
        let is_over = self.wire.is_empty() && self.has_finished;
        let taken = self.session.take(&input, is_over, sink);
        assert_eq!(taken.refused, None, "these are lines");
        self.session.is_stalled = taken.full.is_some() || taken.has_more;
        self.session.held = input.split_off(taken.used);
        is_over && !self.session.is_stalled
    }
}
