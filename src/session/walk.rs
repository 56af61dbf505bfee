//! A walk over the ring for somebody who asked, whatever protocol the question came in.

use crate::clock::Mono;
use crate::metrics::Metrics;
use crate::query::{Census, Cursor, Hits, LocalTime, Slice, TailMemo, keep_alive};
use crate::segment::{BlockId, Segment, Store};

/// What walks the ring.
#[derive(Debug)]
pub enum Walk {
    /// A query or a tail.
    Records(Cursor),
    /// LABELS and the like.
    Census(Census),
    /// Counts by time.
    Hits(Hits),
}

/// What every walk needs beside the records.
pub struct Tools<'a> {
    /// The server's zone.
    pub time: &'a mut LocalTime,
    /// What tails have in common.
    pub tails: &'a mut TailMemo,
    /// Where it is counted.
    pub metrics: &'a mut Metrics,
}

/// A walk under way.
#[derive(Debug)]
pub struct Running {
    walk: Walk,
    /// What asked for it, shortened.
    pub words: String,
    /// When it began.
    pub began: Mono,
    /// Whether it goes on when it has shown all there is.
    pub is_tail: bool,
}

impl Running {
    /// A walk that begins now.
    pub fn new(walk: Walk, words: String, began: Mono, is_tail: bool) -> Self {
        Self { walk, words, began, is_tail }
    }

    /// Bytes of text it looked at.
    pub fn scanned_bytes(&self) -> u64 {
        match &self.walk {
            Walk::Records(cursor) => cursor.scanned_bytes(),
            Walk::Census(census) => census.scanned_bytes(),
            Walk::Hits(hits) => hits.scanned_bytes(),
        }
    }

    /// Records it found, or what else its answer lists.
    pub fn found(&self) -> u64 {
        match &self.walk {
            Walk::Records(cursor) => cursor.found(),
            Walk::Census(census) => census.found(),
            Walk::Hits(hits) => hits.found(),
        }
    }

    /// How many records its cursor is behind; 0 without one.
    pub fn lag<S: Store>(&self, segment: &Segment<S>) -> u64 {
        match &self.walk {
            Walk::Records(cursor) => segment.head().0.saturating_sub(cursor.position().0),
            Walk::Census(_) | Walk::Hits(_) => 0,
        }
    }

    /// Bytes that its patterns and their states hold.
    pub fn regex_bytes(&self) -> usize {
        match &self.walk {
            Walk::Records(cursor) => cursor.regex_bytes(),
            Walk::Census(_) | Walk::Hits(_) => 0,
        }
    }

    /// The block its next slice will touch, so that it can be brought into memory first.
    pub fn next_block<S: Store>(&mut self, segment: &Segment<S>) -> Option<BlockId> {
        match &mut self.walk {
            Walk::Records(cursor) => cursor.next_block(segment),
            Walk::Census(census) => census.next_block(segment),
            Walk::Hits(hits) => hits.next_block(segment),
        }
    }

    /// Appends what a client of a tail hears while there is nothing to show: where it stands.
    pub fn keep_alive(&self, out: &mut Vec<u8>) {
        if let Walk::Records(cursor) = &self.walk {
            keep_alive(cursor.position(), out);
        }
    }

    /// Takes one bounded step, and counts what it cost. Answers go to `out`, until it holds
    /// `out_bytes_max` bytes.
    pub fn slice<S: Store>(
        &mut self,
        segment: &Segment<S>,
        tools: &mut Tools<'_>,
        (out, out_bytes_max): (&mut Vec<u8>, usize),
    ) -> Slice {
        let before = Losses::of(&self.walk);
        let slice = match &mut self.walk {
            Walk::Records(cursor) if self.is_tail => {
                cursor.slice_shared(tools.tails, segment, out, out_bytes_max, tools.time)
            }
            Walk::Records(cursor) => cursor.slice(segment, out, out_bytes_max, tools.time),
            Walk::Census(census) => census.slice(segment, out, out_bytes_max),
            Walk::Hits(hits) => hits.slice(segment, out, out_bytes_max),
        };
        before.count(&self.walk, tools.metrics);
        slice
    }
}

/// What a walk has counted so far.
#[derive(Default)]
struct Losses {
    lost: u64,
    damaged: u64,
    scanned: u64,
    sort_left_out: u64,
    census_left_out: u64,
}

impl Losses {
    fn of(walk: &Walk) -> Self {
        match walk {
            Walk::Records(cursor) => Self {
                lost: cursor.lost_lines(),
                damaged: cursor.damaged_lines(),
                scanned: cursor.scanned_bytes(),
                sort_left_out: cursor.sort_left_out(),
                ..Self::default()
            },
            Walk::Census(census) => Self {
                scanned: census.scanned_bytes(),
                census_left_out: census.left_out(),
                ..Self::default()
            },
            Walk::Hits(hits) => Self { scanned: hits.scanned_bytes(), ..Self::default() },
        }
    }

    /// Counts what a slice has added to this.
    fn count(&self, walk: &Walk, metrics: &mut Metrics) {
        let after = Self::of(walk);
        metrics.lost += after.lost - self.lost;
        metrics.damaged += after.damaged - self.damaged;
        metrics.scanned_bytes += after.scanned - self.scanned;
        metrics.sort_left_out += after.sort_left_out - self.sort_left_out;
        metrics.census_left_out += after.census_left_out - self.census_left_out;
    }
}
