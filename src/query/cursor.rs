//! A place in the segment that walks over it and writes what it finds.
//!
//! ```text
//! query:  notice -> count --------------> announce ---> print ---> done
//!                   windows, a number     FOUND: N      the same windows, but
//!                   for each block                      of the blocks with hits only
//! tail:   notice -> backlog, backwards -> live: windows up to the head, caught up, again
//! ```
//!
//! A query is fixed to the records between tail and head at its start. What the ring takes from it
//! after it was counted is lost, and said: the lines written and the lines lost add up to N. Where
//! `after=` names a number before the tail, what came between is lost as well, and part of N.
//!
//! A tail may be told to count what it comes to instead of writing it, for a reader who has enough:
//! [`Cursor::set_quota`].
//!
//! An `after=` at or above the head names a record that there is not: the answer is one line that
//! says so, but for a tail that is resumed.

mod count;
mod memo;
mod print;
mod sorted;
mod walk;

pub(super) use count::Counts;
pub use memo::TailMemo;

use memo::Likeness;
use sorted::Sorted;
pub(super) use walk::{Run, slots_ahead};

use super::matcher::Scan;
use super::render::{LocalTime, Note, head, note};
use super::{Filter, Format, Order, Query, Stamp};
use crate::segment::{BlockId, Segment, Seq, Store};

/// Numbers this far below the first of a segment were never its own.
const OTHER_SEGMENT_NUMBERS: u64 = 1000;

/// What a slice has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// There is more to do.
    More,
    /// The output is full: call again when some of it has gone.
    Blocked,
    /// A tail has seen all there is: call again when records were appended.
    CaughtUp,
    /// The answer is complete.
    Done,
}

/// Walks the segment for one question and writes the answer, a bounded step a call.
#[derive(Debug)]
pub struct Cursor {
    filter: Filter,
    format: Format,
    order: Order,
    stamp: Stamp,
    is_bare: bool,
    likeness: Likeness,
    is_tail: bool,
    phase: Phase,
    /// The format begins with a line of its own, which is still to be written.
    is_head_due: bool,
    /// At most so many records are written, and so many are counted.
    limit: u64,
    count_max: u64,
    /// The walk keeps to `start..end`; of a live tail, `end` is the head.
    start: Seq,
    end: Seq,
    /// Forwards the next record to look at, backwards the one behind it.
    at: Seq,
    backwards: bool,
    pub(super) scan: Scan,
    /// The window is searched, and its hits are being written.
    is_searched: bool,
    /// How many of the window's hits are written.
    shown: usize,
    /// Lines between `after=` and the tail that are still to be called lost: by a tail before all
    /// else, by a query behind FOUND.
    notice: u64,
    counts: Counts,
    /// Matches that are written or called lost.
    found: u64,
    /// Matches that are counted only.
    beyond: u64,
    counts_all: bool,
    /// The oldest hit that a backwards count came to, the newest of a forwards one.
    last_hit: Option<Seq>,
    /// What was found, where the answer is in order of time.
    sorted: Sorted,
    /// Lines written, and lines that were called lost after they were counted.
    told: u64,
    /// Of a live tail: so many records are written before the others are counted; `u64::MAX`: all.
    quota: u64,
    /// Records that were counted instead of written, and not asked for since.
    passed: u64,
    lost_lines: u64,
    damaged_lines: u64,
    scanned_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Refuses this number, which no record has yet.
    Refuse {
        after: Seq,
        newest: Seq,
    },
    Count,
    Announce,
    Print,
    Live,
    Done,
}

impl Cursor {
    /// A cursor for a question about what is in `segment` now.
    pub fn query<S: Store>(query: Query, segment: &Segment<S>) -> Self {
        let backwards = query.is_recent || query.order != Order::Oldest;
        Self::new(query, segment, false, backwards, Phase::Count)
    }

    /// A cursor for what comes into `segment` from now on, or after the record that `query` names.
    pub fn tail<S: Store>(query: Query, segment: &Segment<S>) -> Self {
        let has_backlog = query.backlog > 0 && query.after.is_none();
        let phase = if has_backlog { Phase::Count } else { Phase::Live };
        Self::new(query, segment, true, has_backlog, phase)
    }

    fn new<S: Store>(
        query: Query,
        segment: &Segment<S>,
        is_tail: bool,
        backwards: bool,
        mut phase: Phase,
    ) -> Self {
        let (tail, head) = (segment.tail(), segment.head());
        let end = query.before.map_or(head, |before| before.min(head));
        let (mut start, mut notice) = (tail, 0);
        match query.after {
            Some(after) if after >= head && query.is_resumed => {
                // How many it missed nobody knows, but that all there are came since.
                (start, notice) = (head, segment.records().max(1));
            }
            Some(after) if after >= head => {
                phase = Phase::Refuse { after, newest: Seq(head.0.saturating_sub(1)) };
            }
            Some(Seq(after)) => {
                start = tail.max(Seq(after + 1));
                notice = missed(after, start.min(end), segment.first_ever());
            }
            None if phase == Phase::Live => start = head,
            None => {}
        }
        let limit = query.limit.unwrap_or(u64::MAX);
        Self {
            filter: query.filter,
            format: query.format,
            order: query.order,
            stamp: query.stamp,
            // No other line fits among objects or frames.
            is_bare: query.is_bare
                || matches!(query.format, Format::Ndjson | Format::Sse | Format::Frame),
            likeness: Likeness::new(query.likeness),
            is_tail,
            phase,
            is_head_due: true,
            limit,
            count_max: match query.order {
                _ if is_tail => query.backlog,
                // Which are the latest is known once all are.
                Order::Time => u64::MAX,
                Order::Oldest | Order::Newest => limit,
            },
            start,
            end,
            at: if backwards { end } else { start },
            backwards,
            scan: Scan::new(query.stamp),
            is_searched: false,
            shown: 0,
            notice,
            counts: Counts::new(segment),
            found: 0,
            beyond: 0,
            counts_all: query.counts_all && !is_tail,
            last_hit: None,
            sorted: Sorted::default(),
            told: 0,
            quota: u64::MAX,
            passed: 0,
            lost_lines: 0,
            damaged_lines: 0,
            scanned_bytes: 0,
        }
    }

    /// How many records were found: of a query all of them up to its limit, or beyond it where it
    /// counts all, once they are counted. Lines between `after=` and the tail, of which nobody
    /// knows whether they would match, are not among them.
    pub fn found(&self) -> u64 {
        self.found + self.beyond
    }

    /// Lets a tail write so many more records, from the next slice on; those behind them it counts,
    /// which costs neither output nor room for it, until it is given more. `u64::MAX`, as at first:
    /// all are written; 0: none. Each match is written or counted, once, whenever this is called;
    /// one that is counted is not looked at, so that it may be a damaged one, and is not part of
    /// the limit. What is lost is said either way. A tail that may come to count shares with no
    /// other.
    pub fn set_quota(&mut self, records: u64) {
        self.quota = records;
    }

    /// How many records may still be written before the tail counts; `u64::MAX`: any number.
    pub fn quota(&self) -> u64 {
        self.quota
    }

    /// How many records were counted instead of written, since this was last taken.
    pub fn take_passed(&mut self) -> u64 {
        std::mem::take(&mut self.passed)
    }

    /// Whether the next match is counted instead of written.
    fn is_counting(&self) -> bool {
        self.phase == Phase::Live && self.quota == 0
    }

    /// The next record to look at, or, backwards, the one behind it.
    pub fn position(&self) -> Seq {
        self.at
    }

    /// Bytes of text and slots that were read so far.
    pub fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes
    }

    /// Bytes that its patterns and their states hold.
    pub fn regex_bytes(&self) -> usize {
        self.filter.regex_bytes()
    }

    /// Lines that were written as `# lost`, since the cursor was made.
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines
    }

    /// Records that were written as `# damaged`.
    pub fn damaged_lines(&self) -> u64 {
        self.damaged_lines
    }

    /// The block that the next slice will touch, so that its pages can be made resident first;
    /// `None` where the next slice touches none.
    pub fn next_block<S: Store>(&mut self, segment: &Segment<S>) -> Option<BlockId> {
        if self.scan.block.is_some() {
            return self.scan.block;
        }
        if matches!(self.phase, Phase::Refuse { .. } | Phase::Announce | Phase::Done)
            || self.has_notice_first()
        {
            return None;
        }
        if self.phase == Phase::Print && self.is_sorted() {
            return self.sorted_block(segment);
        }
        if self.phase == Phase::Live {
            if self.at < segment.tail() {
                // The next slice says first how many lines are lost.
                return None;
            }
            self.end = segment.head();
        }
        match self.next_run(segment) {
            Run::Slots(block, _) => Some(block),
            Run::Skipped | Run::Over => None,
        }
    }

    /// Takes one step: searches at most one window, or writes the hits of one. Stops writing when
    /// `out` holds `out_bytes_max` bytes; one record may go beyond by its own length.
    pub fn slice<S: Store>(
        &mut self,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
        time: &mut LocalTime,
    ) -> Slice {
        let is_writing = match self.phase {
            Phase::Count | Phase::Done => false,
            // One that counts only says what is lost.
            Phase::Live => self.quota > 0 || self.at < segment.tail(),
            Phase::Refuse { .. } | Phase::Announce | Phase::Print => true,
        };
        if out.len() >= out_bytes_max && (is_writing || self.has_notice_first()) {
            return Slice::Blocked;
        }
        if self.has_notice_first() {
            // No block was announced for this slice, so none is touched.
            self.notify(out);
            return Slice::More;
        }
        match self.phase {
            Phase::Refuse { .. } => self.refuse(out),
            Phase::Done => Slice::Done,
            Phase::Announce => self.announce(out),
            Phase::Count => self.count(segment),
            Phase::Print | Phase::Live => self.write(segment, out, out_bytes_max, time),
        }
    }

    /// Whether the next slice begins with what was lost before the walk.
    fn has_notice_first(&self) -> bool {
        self.is_tail && self.notice > 0
    }

    /// Writes the line that the format begins with, once.
    fn put_head(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_head_due) {
            out.extend_from_slice(head(self.format));
        }
    }

    /// Why the question is not answered, where it goes on behind a record that there is not; known
    /// before the first slice.
    pub fn refusal(&self) -> Option<String> {
        let Phase::Refuse { after, newest } = self.phase else { return None };
        Some(format!("bad after \"{}\" (allowed: up to {})", after.0, newest.0))
    }

    /// Says what was lost before the walk, if anything was.
    fn notify(&mut self, out: &mut Vec<u8>) {
        self.put_head(out);
        match std::mem::take(&mut self.notice) {
            0 => {}
            lines => self.lose(lines, self.start, out),
        }
    }

    /// The whole answer to a question that is refused.
    fn refuse(&mut self, out: &mut Vec<u8>) -> Slice {
        if let Some(reason) = self.refusal() {
            note(self.format, &Note::Refused(&reason), out);
        }
        self.phase = Phase::Done;
        Slice::Done
    }

    /// Says that `lines` are lost, of which all stood before `next`.
    fn lose(&mut self, lines: u64, next: Seq, out: &mut Vec<u8>) {
        self.lost_lines += lines;
        let through = Some(Seq(next.0.saturating_sub(1)));
        note(self.format, &Note::Lost { lines, through }, out);
    }
}

/// How many records stood between the number `after` and `start`, where the segment began with
/// number `first`. Number 0 is nobody's: who names it wants all there are, and has missed none.
fn missed(after: u64, start: Seq, first: Seq) -> u64 {
    if after.saturating_add(OTHER_SEGMENT_NUMBERS) < first.0 {
        // It was the number of a record of another segment, of which nobody knows how many there
        // were after it: at least this one is gone, and that is never passed over in silence.
        return start.0.saturating_sub(first.0).max(u64::from(after > 0));
    }
    start.0.saturating_sub(after + 1)
}
