//! Somebody who asks, reads as it likes, and holds every answer against the model.

use std::collections::VecDeque;

use logcaster::query::{LocalTime, TailMemo};
use logcaster::segment::{MemStore, Segment};
use logcaster::session::QuestionSession;
use logcaster::session::questions::{Context, Next, Request};
use logcaster::session::walk::Tools;

use super::Model;
use crate::support::Random;

/// Words of which each line holds one.
pub const WORDS: [&str; 4] = ["alpha", "Beta", "gamma", "delta"];

/// Questions that wait for their answers at most.
const ASKED_MAX: usize = 3;

/// What the server has for an asker's step.
pub struct Server<'a> {
    pub segment: &'a mut Segment<MemStore>,
    pub time: &'a mut LocalTime,
    pub tails: &'a mut TailMemo,
    pub metrics: &'a mut logcaster::metrics::Metrics,
    pub wall: u64,
    pub mono: u64,
    pub out_bytes_max: usize,
}

/// What the asker wants of who plays the reactor.
pub enum Wish {
    Nothing,
    Sync,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Count,
    /// The word that was asked for, of [`WORDS`]; none: everything.
    Query {
        word: Option<usize>,
        is_newest_first: bool,
        limit: u64,
    },
    Tail {
        word: Option<usize>,
        after: u64,
    },
    Sync,
    Clear,
    Wrong,
}

/// A question under way. Between `tail` and `head` it was begun.
#[derive(Debug)]
struct Asked {
    kind: Kind,
    begun: Option<(u64, u64)>,
    /// The tail when its last byte was written.
    tail_at_end: u64,
    /// Where in the bytes of the connection its answer ends.
    ends_at: Option<usize>,
}

/// An asker and its connection.
pub struct Asker {
    session: QuestionSession,
    wire: VecDeque<u8>,
    /// Answers that the server has and the client does not.
    out: Vec<u8>,
    /// Bytes that the server has written on this connection in all.
    written: usize,
    /// Read and not understood yet, and how many were read in all.
    got: Vec<u8>,
    read: usize,
    asked: VecDeque<Asked>,
    /// The question being served, by its place in `asked`.
    serving: usize,
    /// The last record that its tail has seen.
    last_seen: u64,
    /// Lines that the tail was told are lost since then.
    lost: u64,
    /// It waits until everything below is on disk.
    pub waits_for: Option<u64>,
    /// Answers that were read to their end.
    pub answers: u64,
}

impl Default for Asker {
    fn default() -> Self {
        Self {
            session: QuestionSession::new(true),
            wire: VecDeque::new(),
            out: Vec::new(),
            written: 0,
            got: Vec::new(),
            read: 0,
            asked: VecDeque::new(),
            serving: 0,
            last_seen: 0,
            lost: 0,
            waits_for: None,
            answers: 0,
        }
    }
}

impl Asker {
    /// The connection is gone, on either side's behalf.
    pub fn hang_up(&mut self) {
        let (last_seen, answers) = (self.last_seen, self.answers);
        *self = Self { last_seen, answers, ..Self::default() };
    }

    /// The client asks, reads, or hangs up.
    pub fn act(&mut self, random: &mut Random, model: &Model) {
        match random.below(30) {
            0 => self.hang_up(),
            1..15 => self.ask(random),
            _ => {
                let count = (random.below(20_000) as usize).min(self.out.len());
                self.got.extend(self.out.drain(..count));
                self.read += count;
                self.understand(model);
            }
        }
    }

    fn ask(&mut self, random: &mut Random) {
        let is_tailing = self.asked.iter().any(|one| matches!(one.kind, Kind::Tail { .. }));
        if self.asked.len() >= ASKED_MAX || is_tailing {
            return;
        }
        let word = Some(random.below(5) as usize).filter(|&word| word < WORDS.len());
        let keyword = word.map_or(String::new(), |word| format!(" keyword={}", WORDS[word]));
        let (kind, line) = match random.below(16) {
            0..3 => (Kind::Count, "COUNT\n".to_owned()),
            3..10 => {
                let is_newest_first = random.below(3) == 0;
                let limit = [u64::MAX, 1 + random.below(50)][random.below(2) as usize];
                let mut line = format!("QUERY format=raw{keyword}");
                if is_newest_first {
                    line += " order=desc";
                }
                if limit < u64::MAX {
                    line += &format!(" limit={limit}");
                }
                (Kind::Query { word, is_newest_first, limit }, line + "\r\n")
            }
            10..12 => {
                let after = self.last_seen;
                let kind = Kind::Tail { word, after };
                (kind, format!("TAIL format=raw after={after}{keyword}\n"))
            }
            12..14 => (Kind::Sync, "SYNC\n".to_owned()),
            14 if self.session.commands == 0 && self.asked.is_empty() && random.below(6) == 0 => {
                (Kind::Clear, "CLEAR\n".to_owned())
            }
            _ => (Kind::Wrong, "QUERY limit=many\n".to_owned()),
        };
        if let Kind::Tail { .. } = kind {
            self.lost = 0;
        }
        self.wire.extend(line.as_bytes());
        self.asked.push_back(Asked { kind, begun: None, tail_at_end: 0, ends_at: None });
    }

    /// One step of the server for it.
    pub fn serve(
        &mut self,
        server: &mut Server<'_>,
        random: &mut Random,
        model: &mut Model,
    ) -> Wish {
        let room = self.session.wants_bytes().min(self.wire.len());
        if room > 0 {
            let count = 1 + random.below(room as u64) as usize;
            let piece: Vec<u8> = self.wire.drain(..count).collect();
            self.session.hear(&piece);
        }
        let (commands, before) = (self.session.commands, self.out.len());
        let (tail, head) = (server.segment.tail().0, server.segment.head().0);
        let tools = Tools { time: server.time, tails: server.tails, metrics: server.metrics };
        let mut context = Context {
            segment: Some(&*server.segment),
            mono: server.mono,
            wall: server.wall,
            out_bytes_max: server.out_bytes_max,
            tools,
        };
        let next = self.session.step(&mut context, &mut self.out);
        if self.session.commands > commands {
            self.asked[self.serving].begun = Some((tail, head));
        }
        let mut wish = Wish::Nothing;
        match next {
            Next::Ask(Request::Sync) => wish = Wish::Sync,
            Next::Ask(Request::Clear) => {
                let count = server.segment.clear();
                assert_eq!(count, model.count(tail, head, b""), "cleared");
                model.cleared = head;
                self.out.extend_from_slice(format!("OK: cleared {count} logs\n").as_bytes());
                self.session.answered();
            }
            Next::Ask(other) => panic!("nobody asked for {other:?}"),
            Next::NotOpen | Next::Close => panic!("{next:?}"),
            _ => {}
        }
        self.written += self.out.len() - before;
        let asked = self.asked.get_mut(self.serving).filter(|asked| asked.begun.is_some());
        if let Some(asked) = asked
            && !self.session.is_answering()
        {
            asked.ends_at = Some(self.written);
            asked.tail_at_end = server.segment.tail().0;
            self.serving += 1;
            if asked.kind == Kind::Count {
                let count = model.count(tail, head, b"");
                let said = &self.out[before..];
                assert_eq!(said, format!("COUNT: {count}\n").as_bytes());
            }
        }
        wish
    }

    /// What it waited for is on disk.
    pub fn durable(&mut self, below: u64) {
        self.say(&format!("OK: durable through {}\n", below - 1));
    }

    /// A sync has failed, and what it waits for will not come.
    pub fn not_durable(&mut self) {
        if self.waits_for.is_some() {
            self.say("ERROR: not durable\n");
        }
    }

    fn say(&mut self, words: &str) {
        self.waits_for = None;
        self.out.extend_from_slice(words.as_bytes());
        self.written += words.len();
        self.session.answered();
        self.asked[self.serving].ends_at = Some(self.written);
        self.serving += 1;
    }

    /// Looks at every answer that has come to its end, and at what a tail has shown.
    fn understand(&mut self, model: &Model) {
        while let Some(asked) = self.asked.front() {
            if let Kind::Tail { word, after } = asked.kind {
                return self.follow(word, after, model);
            }
            let start = self.read - self.got.len();
            let Some(end) = asked.ends_at.filter(|&end| end <= self.read) else { return };
            let rest = self.got.split_off(end - start);
            let answer = std::mem::replace(&mut self.got, rest);
            let asked = self.asked.pop_front().unwrap();
            self.serving -= 1;
            self.answers += 1;
            check(&asked, &answer, model);
        }
    }

    /// Looks at the whole lines of a tail: none is missing unless it was said, none comes twice.
    fn follow(&mut self, word: Option<usize>, after: u64, model: &Model) {
        let word = word.map_or(&b""[..], |word| WORDS[word].as_bytes());
        while let Some(end) = self.got.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.got.drain(..=end).collect();
            let line = &line[..end];
            if let Some(count) = lost(line) {
                self.lost += count;
                continue;
            }
            let seq = *model.numbers.get(line).unwrap_or_else(|| unknown(line));
            assert!(seq > self.last_seen.max(after), "{seq} again after {}", self.last_seen);
            let missed = model.count(self.last_seen + 1, seq, word);
            // Who begins without a number begins with the oldest there is.
            if self.last_seen > 0 {
                assert!(missed <= self.lost, "{missed} before {seq}, {} told", self.lost);
            }
            (self.last_seen, self.lost) = (seq, 0);
            self.answers += 1;
        }
    }
}

/// How many lines a line says are lost.
fn lost(line: &[u8]) -> Option<u64> {
    let count = line.strip_prefix(b"# lost ")?.strip_suffix(b" lines")?;
    std::str::from_utf8(count).ok()?.parse().ok()
}

fn unknown(line: &[u8]) -> ! {
    panic!("no such record: {}", line.escape_ascii())
}

#[track_caller]
fn check(asked: &Asked, answer: &[u8], model: &Model) {
    let text = String::from_utf8_lossy(answer);
    match asked.kind {
        // It was checked when it was written.
        Kind::Count | Kind::Clear | Kind::Tail { .. } => {}
        Kind::Wrong => assert!(text.starts_with("ERROR: bad limit \"many\""), "{text}"),
        Kind::Sync => {
            let (_, head) = asked.begun.unwrap();
            let through = text.strip_prefix("OK: durable through ");
            match through.and_then(|rest| rest.trim_end().parse::<u64>().ok()) {
                Some(through) => assert!(through + 1 >= head, "{text} when {head} was next"),
                None => assert!(text.starts_with("ERROR: "), "{text}"),
            }
        }
        Kind::Query { word, is_newest_first, limit } => {
            let (first, rest) = text.split_once('\n').expect("a first line");
            let found =
                first.strip_prefix("FOUND: ").and_then(|rest| rest.strip_suffix(" matches"));
            let found: u64 = found.and_then(|count| count.parse().ok()).expect(first);
            check_lines(asked, rest, found, (word, is_newest_first, limit), model);
        }
    }
}

#[track_caller]
fn check_lines(
    asked: &Asked,
    lines: &str,
    found: u64,
    (word, is_newest_first, limit): (Option<usize>, bool, u64),
    model: &Model,
) {
    let word = word.map_or(&b""[..], |word| WORDS[word].as_bytes());
    let (tail, head) = asked.begun.unwrap();
    let (mut seqs, mut lost_lines) = (Vec::new(), 0);
    for line in lines.lines() {
        match lost(line.as_bytes()) {
            Some(count) => lost_lines += count,
            None => seqs.push(
                *model.numbers.get(line.as_bytes()).unwrap_or_else(|| unknown(line.as_bytes())),
            ),
        }
    }
    assert_eq!(seqs.len() as u64 + lost_lines, found, "printed and lost are what was found");
    if is_newest_first {
        seqs.reverse();
    }
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    let in_range = |seq: &u64| (tail..head).contains(seq);
    assert!(seqs.iter().all(in_range), "{seqs:?} within {tail}..{head}");
    // What was cleared or evicted while it was counted may be missing from the number.
    let most = model.count(tail, head, word).min(limit);
    let least = model.count(asked.tail_at_end.max(tail), head, word).min(limit);
    assert!((least..=most).contains(&found), "{found} found, of {least} to {most}: {asked:?}");
}
