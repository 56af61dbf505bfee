//! The second pass of a query, and the life of a tail: the hits are written.

use std::io::Write as _;

use super::walk::Search;
use super::{Cursor, Phase, Slice};
use crate::limits::{QUERY_FIELDS_BYTES_PER_SLICE, QUERY_SORT_MAX};
use crate::query::render::{LocalTime, Note, note, render};
use crate::segment::{Block, Segment, Seq, Store};

impl Cursor {
    pub(super) fn announce(&mut self, out: &mut Vec<u8>) -> Slice {
        if !self.is_bare {
            // Writing into memory cannot fail.
            let _ = writeln!(out, "FOUND: {} matches", self.found() + self.notice);
        }
        self.notify(out);
        if self.sort_left_out() > 0 {
            let shown = QUERY_SORT_MAX as u64;
            let of = shown + self.sort_left_out();
            note(self.format, &Note::Sorted { shown, of }, out);
        }
        self.phase = if self.found == 0 { Phase::Done } else { Phase::Print };
        if self.phase == Phase::Done { Slice::Done } else { Slice::More }
    }

    /// The second pass of a query, or the life of a tail.
    pub(super) fn write<S: Store>(
        &mut self,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
        time: &mut LocalTime,
    ) -> Slice {
        if !self.is_counting() {
            self.put_head(out);
        }
        if self.has_told_all() {
            return self.end_write(out);
        }
        if self.is_sorted() {
            return self.write_sorted(segment, out, out_bytes_max, time);
        }
        if self.phase == Phase::Live {
            self.end = segment.head();
            if self.at < segment.tail() && !self.is_searched {
                self.scan.close(&mut self.filter);
                self.put_head(out);
                self.lose(segment.tail().0 - self.at.0, segment.tail(), out);
                self.at = segment.tail();
                return Slice::More;
            }
        }
        if !self.is_searched {
            match self.search(segment) {
                Search::Going => return Slice::More,
                Search::Over if self.phase == Phase::Live => return Slice::CaughtUp,
                Search::Over => return self.end_write(out),
                Search::Searched(block) => {
                    self.is_searched = true;
                    self.shown = 0;
                    if !self.scan.hits.is_empty() {
                        let missing =
                            self.counts.enter(block, self.order).saturating_sub(self.told);
                        self.lose_counted(missing, out);
                    }
                }
            }
        }
        self.write_hits(segment, out, out_bytes_max, time)
    }

    /// Whether as many lines are written or called lost as are to be at most: nothing more is
    /// searched then, and nothing more of a window is written.
    fn has_told_all(&self) -> bool {
        self.told >= if self.is_tail { self.limit } else { self.found }
    }

    /// Writes the hits of the window that was searched, or counts them.
    fn write_hits<S: Store>(
        &mut self,
        segment: &Segment<S>,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
        time: &mut LocalTime,
    ) -> Slice {
        let block = self.scan.block.and_then(|id| segment.block(id));
        let Some(block) = block else {
            // The ring took the block while the output was full; what is missing is told later.
            self.abandon_window();
            return Slice::More;
        };
        let mut fields_bytes = QUERY_FIELDS_BYTES_PER_SLICE;
        while let Some(index) = self.hit(self.shown) {
            let is_counted = self.is_counting();
            if out.len() >= out_bytes_max && !is_counted {
                return Slice::Blocked;
            }
            if self.has_told_all() {
                return self.end_write(out);
            }
            let seq = Seq(block.first.0 + u64::from(index));
            if seq < segment.tail() {
                if !self.backwards && self.phase == Phase::Live {
                    self.abandon_window();
                    return Slice::More;
                }
                self.shown += 1;
                continue;
            }
            if is_counted {
                self.passed += 1;
            } else {
                self.write_record(&block, index, &mut fields_bytes, time, out);
                if self.phase == Phase::Live && self.quota < u64::MAX {
                    self.quota -= 1;
                }
            }
            self.shown += 1;
            if !self.backwards {
                self.at = Seq(seq.0 + 1);
            }
            if fields_bytes == 0 {
                return Slice::More;
            }
        }
        self.leave_window();
        Slice::More
    }

    /// Writes the record in slot `index`, or that it is damaged, and counts it as told. Takes the
    /// text that fields were taken out of from `fields_bytes`.
    pub(super) fn write_record(
        &mut self,
        block: &Block<'_>,
        index: u32,
        fields_bytes: &mut usize,
        time: &mut LocalTime,
        out: &mut Vec<u8>,
    ) {
        match block.record(index) {
            Ok(record) => {
                self.scanned_bytes += record.text.len() as u64;
                render(self.format, self.stamp, &record, time, out);
                if self.format.shows_fields() {
                    *fields_bytes = fields_bytes.saturating_sub(record.text.len());
                }
            }
            Err(damaged) => {
                self.damaged_lines += 1;
                note(self.format, &Note::Damaged(damaged.seq), out);
            }
        }
        self.told += 1;
    }

    pub(super) fn end_write(&mut self, out: &mut Vec<u8>) -> Slice {
        self.phase = Phase::Done;
        if !self.is_tail {
            self.lose_counted(self.found.saturating_sub(self.told), out);
        }
        Slice::Done
    }

    /// Says that `lines` of those that were counted are lost.
    fn lose_counted(&mut self, lines: u64, out: &mut Vec<u8>) {
        if lines > 0 && !self.is_tail {
            self.told += lines;
            self.lose(lines, self.at, out);
        }
    }
}
