//! A sender of log lines: from received bytes to records in the segment.

use crate::clock::Wall;
use crate::level;
use crate::proto::line::{LineCodec, Step};
use crate::segment::{Full, NewRecord, Segment, Store, StreamRef};

/// One sender.
#[derive(Debug)]
pub struct LogSession {
    codec: LineCodec,
    /// The stream its lines belong to, as canonical label text.
    labels: Box<[u8]>,
    stream: StreamRef,
    /// Received bytes that are no whole line yet, or, while [`Self::is_stalled`], could not be
    /// stored yet.
    pub held: Vec<u8>,
    /// `held` may hold whole lines, for which the segment had no room.
    pub is_stalled: bool,
    /// Bytes that had arrived when the server was told to stop, and are still to be read.
    pub owed_bytes: usize,
}

/// What became of some input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes that need not be shown again.
    pub used: usize,
    /// Lines stored.
    pub lines: u64,
    /// Lines that were too long and cut.
    pub cut: u64,
    /// Bytes of them that were dropped.
    pub cut_bytes: u64,
    /// Why the rest must wait, where it must.
    pub full: Option<Full>,
}

impl LogSession {
    /// A sender whose lines are at most `line_bytes_max` long and belong to the stream `labels`.
    pub fn new(line_bytes_max: usize, labels: &[u8]) -> Self {
        Self {
            codec: LineCodec::new(line_bytes_max),
            labels: labels.into(),
            stream: StreamRef::default(),
            held: Vec::new(),
            is_stalled: false,
            owed_bytes: 0,
        }
    }

    /// Stores every whole line of `input`, and at the peer's close (`at_end`) a last piece too.
    pub fn take<S: Store>(
        &mut self,
        input: &[u8],
        at_end: bool,
        segment: &mut Segment<S>,
        received_ns: Wall,
    ) -> Taken {
        let mut taken = Taken::default();
        loop {
            let rest = &input[taken.used..];
            let before = self.codec;
            let (mut used, mut step) = self.codec.step(rest);
            // Nothing is moved where the step is a record: this is the path of every line.
            if step == Step::NeedMore {
                if !at_end || rest.is_empty() {
                    break;
                }
                (used, step) = self.codec.finish(rest);
            }
            match step {
                Step::NeedMore => break,
                Step::Skip { dropped } => taken.cut_bytes += dropped as u64,
                Step::Record(line) => {
                    let level = level::detect(line.text);
                    let (text, cut) = (line.text, line.cut);
                    let record = NewRecord { text, cut, level, received_ns, event_ns: 0 };
                    if let Err(full) = segment.append(&record, &self.labels, &mut self.stream) {
                        // The line is shown again once there is room.
                        self.codec = before;
                        taken.full = Some(full);
                        break;
                    }
                    taken.lines += 1;
                    taken.cut += u64::from(cut);
                }
            }
            taken.used += used;
        }
        taken
    }

    /// Gives up waiting for the rest of the line in `held`: there is no memory for more of it. What
    /// is there is stored as a cut line, and the codec drops the rest.
    pub fn cut_short<S: Store>(&mut self, segment: &mut Segment<S>, received_ns: Wall) -> Taken {
        let mut taken = Taken::default();
        let level = level::detect(&self.held);
        let record = NewRecord { text: &self.held, cut: true, level, received_ns, event_ns: 0 };
        match segment.append(&record, &self.labels, &mut self.stream) {
            Err(full) => taken.full = Some(full),
            Ok(_) => {
                self.codec.skip_rest();
                taken.lines = 1;
                taken.used = self.held.len();
                self.held = Vec::new();
            }
        }
        taken
    }
}
