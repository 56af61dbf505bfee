//! Records and notes for somebody inside this process, who shows them in a way of their own.
//!
//! Little-endian, one frame behind the other:
//!
//! ```text
//!  0  kind u8     1  level u8     2  bytes of labels u16     4  bytes of text u32
//!  8  number u64             16  time u64, which the question is about
//! 24  received u64           32  event i64, 0 = none
//! 40  labels, text
//!
//! kind     number    time              text
//! record   seq       of the record     its text
//! lost     lines     their newest, plus 1; 0 where that is not known
//! damaged  seq       -
//! sorted   shown     of how many
//! refused  -         -                 why
//! ```

use super::Note;
use crate::clock::Wall;
use crate::level::Level;
use crate::query::Stamp;
use crate::segment::{Record, Seq};

/// Bytes of a frame before its labels.
const HEAD_BYTES: usize = 40;

const RECORD: u8 = 0;
const LOST: u8 = 1;
const DAMAGED: u8 = 2;
const SORTED: u8 = 3;
const REFUSED: u8 = 4;

/// What an answer in `Format::Frame` consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A record.
    Record(FramedRecord<'a>),
    /// Records that the ring took before they were shown.
    Lost {
        /// How many.
        lines: u64,
        /// The newest of them, where that is known.
        through: Option<Seq>,
    },
    /// The record of this number is damaged.
    Damaged(Seq),
    /// Only the newest `shown` of all matches were put in order of time.
    Sorted {
        /// How many.
        shown: u64,
        /// How many matches there are.
        of: u64,
    },
    /// Why the question is not answered.
    Refused(&'a str),
}

/// A record as a frame has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramedRecord<'a> {
    /// Its number.
    pub seq: Seq,
    /// The time that the question is about: of the two that follow the one that its stamp says.
    pub time: Wall,
    /// When it was received, wall nanoseconds.
    pub received_ns: Wall,
    /// When it happened, wall nanoseconds; 0 where the record does not say.
    pub event_ns: i64,
    /// How severe it is.
    pub level: Level,
    /// Who sent it: `name=value`, sorted, with a zero byte between two; empty where unknown.
    pub labels: &'a [u8],
    /// The line, without its end.
    pub text: &'a [u8],
}

/// Reads frames one after the other. Bytes that are no frame end them.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// The frames that `bytes` consists of.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is behind the frames that were read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let (head, behind) = self.rest.split_first_chunk::<HEAD_BYTES>()?;
        let labels_bytes = u16::from_le_bytes([head[2], head[3]]).into();
        let text_bytes = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (labels, behind) = behind.split_at_checked(labels_bytes)?;
        let (text, behind) = behind.split_at_checked(text_bytes)?;
        let number = word(head, 8);
        let time = word(head, 16);
        let frame = match head[0] {
            RECORD => Frame::Record(FramedRecord {
                seq: Seq(number),
                time,
                received_ns: word(head, 24),
                event_ns: word(head, 32).cast_signed(),
                level: Level::from_byte(head[1])?,
                labels,
                text,
            }),
            LOST => Frame::Lost { lines: number, through: time.checked_sub(1).map(Seq) },
            DAMAGED => Frame::Damaged(Seq(number)),
            SORTED => Frame::Sorted { shown: number, of: time },
            REFUSED => Frame::Refused(std::str::from_utf8(text).ok()?),
            _ => return None,
        };
        self.rest = behind;
        Some(frame)
    }
}

/// The eight bytes of a head from `at` on as a number.
fn word(head: &[u8; HEAD_BYTES], at: usize) -> u64 {
    let bytes = head.get(at..).and_then(|bytes| bytes.first_chunk::<8>());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Appends the record as a frame.
pub(super) fn record(stamp: Stamp, record: &Record<'_>, out: &mut Vec<u8>) {
    let head = Head {
        kind: RECORD,
        level: record.level,
        number: record.seq.0,
        time: stamp.of(record.received_ns, record.event_ns),
        received_ns: record.received_ns,
        event_ns: record.event_ns,
    };
    head.put(record.labels, record.text, out);
}

/// Appends a note as a frame.
pub(super) fn note(note: &Note<'_>, out: &mut Vec<u8>) {
    let (kind, number, time, text) = match *note {
        Note::Lost { lines, through } => {
            (LOST, lines, through.map_or(0, |seq| seq.0.saturating_add(1)), "")
        }
        Note::Damaged(seq) => (DAMAGED, seq.0, 0, ""),
        Note::Sorted { shown, of } => (SORTED, shown, of, ""),
        Note::Refused(reason) => (REFUSED, 0, 0, reason),
    };
    let head = Head { kind, level: Level::Unknown, number, time, received_ns: 0, event_ns: 0 };
    head.put(b"", text.as_bytes(), out);
}

struct Head {
    kind: u8,
    level: Level,
    number: u64,
    time: u64,
    received_ns: u64,
    event_ns: i64,
}

impl Head {
    /// Appends the frame. Labels and texts are far shorter than the head can say; the rest of one
    /// that is not would be left out.
    fn put(&self, labels: &[u8], text: &[u8], out: &mut Vec<u8>) {
        let labels = &labels[..labels.len().min(u16::MAX.into())];
        let text = &text[..text.len().min(u32::MAX as usize)];
        let mut head = [0; HEAD_BYTES];
        head[0] = self.kind;
        head[1] = self.level as u8;
        head[2..4].copy_from_slice(&(labels.len() as u16).to_le_bytes());
        head[4..8].copy_from_slice(&(text.len() as u32).to_le_bytes());
        head[8..16].copy_from_slice(&self.number.to_le_bytes());
        head[16..24].copy_from_slice(&self.time.to_le_bytes());
        head[24..32].copy_from_slice(&self.received_ns.to_le_bytes());
        head[32..40].copy_from_slice(&self.event_ns.to_le_bytes());
        out.reserve(HEAD_BYTES + labels.len() + text.len());
        out.extend_from_slice(&head);
        out.extend_from_slice(labels);
        out.extend_from_slice(text);
    }
}

/// Reads any bytes as frames: must never panic, and comes to an end.
pub(super) fn fuzz(data: &[u8]) {
    let mut frames = Frames::new(data);
    let count = frames.by_ref().count();
    assert!(count * HEAD_BYTES + frames.rest().len() <= data.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: [Record<'_>; 3] = [
        Record {
            seq: Seq(17),
            text: b"a\n\xff",
            level: Level::Error,
            received_ns: 5,
            event_ns: -3,
            labels: b"app=a\0host=h",
            cut: false,
        },
        Record {
            seq: Seq(u64::MAX),
            text: b"",
            level: Level::Emergency,
            received_ns: 9,
            event_ns: 7,
            labels: b"",
            cut: true,
        },
        Record {
            seq: Seq(0),
            text: b"x",
            level: Level::Unknown,
            received_ns: u64::MAX,
            event_ns: 0,
            labels: b"host=h",
            cut: false,
        },
    ];

    fn framed<'a>(stamp: Stamp, record: &Record<'a>) -> Frame<'a> {
        Frame::Record(FramedRecord {
            seq: record.seq,
            time: stamp.of(record.received_ns, record.event_ns),
            received_ns: record.received_ns,
            event_ns: record.event_ns,
            level: record.level,
            labels: record.labels,
            text: record.text,
        })
    }

    #[test]
    fn records_and_notes_are_read_as_they_were_written() {
        for stamp in [Stamp::Received, Stamp::Event] {
            let mut out = Vec::new();
            let mut expected = Vec::new();
            for one in &RECORDS {
                record(stamp, one, &mut out);
                expected.push(framed(stamp, one));
            }
            for (written, read) in [
                (
                    Note::Lost { lines: 3, through: Some(Seq(0)) },
                    Frame::Lost { lines: 3, through: Some(Seq(0)) },
                ),
                (
                    Note::Lost { lines: u64::MAX, through: None },
                    Frame::Lost { lines: u64::MAX, through: None },
                ),
                (Note::Damaged(Seq(4)), Frame::Damaged(Seq(4))),
                (Note::Sorted { shown: 1, of: 2 }, Frame::Sorted { shown: 1, of: 2 }),
                (Note::Refused("bad after \"é\""), Frame::Refused("bad after \"é\"")),
            ] {
                note(&written, &mut out);
                expected.push(read);
            }
            let mut frames = Frames::new(&out);
            assert_eq!(frames.by_ref().collect::<Vec<_>>(), expected);
            assert!(frames.rest().is_empty());
        }
    }

    #[test]
    fn frames_that_are_cut_end_and_leave_the_rest() {
        let mut out = Vec::new();
        record(Stamp::Event, &RECORDS[0], &mut out);
        let first = out.len();
        record(Stamp::Event, &RECORDS[2], &mut out);
        for cut in 0..=out.len() {
            let mut frames = Frames::new(&out[..cut]);
            let whole = usize::from(cut >= first) + usize::from(cut == out.len());
            assert_eq!(frames.by_ref().count(), whole, "{cut}");
            let used = [0, first, out.len()][whole];
            assert_eq!(frames.rest(), &out[used..cut], "{cut}");
        }
        for (at, byte) in [(0, 5), (0, 255), (1, 10), (7, 255)] {
            let mut broken = out.clone();
            broken[at] = byte;
            assert_eq!(Frames::new(&broken).count(), 0, "{at} {byte}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes: Vec<u8>, kind in 0..5u8) {
            fuzz(&bytes);
            let mut bytes = bytes;
            if let [first, .., ] = &mut bytes[..] {
                *first = kind;
            }
            fuzz(&bytes);
        }
    }
}
