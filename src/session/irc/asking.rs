//! Questions over IRC: what was asked becomes a walk, and what that finds becomes lines of LogBot.
//!
//! ```text
//! !query level>=error timeout
//!   -> 12,345 matches, the newest 10:
//!   -> the lines, oldest first
//!   -> !more sends you the 10 before these
//! ```
//!
//! The words are those of the search box: the language of QUERY, in which a bare word is one to
//! look for. Who asked is not sent more than it takes; who leaves gets no more.

use super::bot::alerts::{self, Draft};
use super::bot::stats;
use super::history::History;
use super::labels;
use super::line::harmless;
use super::saying::{Place, Reply};
use super::server::{Irc, thousands};
use crate::clock::{Mono, Wall};
use crate::limits::{IRC_ANSWER_LINES, IRC_ANSWER_LINES_PRIVATE, IRC_FEED_BYTES_PER_STEP};
use crate::query::{
    Census, Cursor, Format, Frame, Frames, Listing, Order, Parameters, Query, QueryError, Slice,
    TimeContext,
};
use crate::segment::{Segment, Seq, Store};
use crate::session::questions::shorten;
use crate::session::walk::{Running, Tools, Walk};

/// What is asked, and who gets the answer.
#[derive(Debug)]
pub struct Question {
    /// Who asks, and where.
    pub reply: Reply,
    /// What.
    pub ask: Ask,
    /// The same as it was said, for the slow log.
    pub words: Vec<u8>,
}

/// What can be asked of the records.
#[derive(Debug)]
pub enum Ask {
    /// Records that these words ask for, and how many there are.
    Query(Vec<u8>),
    /// So many of the newest.
    Recent(u64),
    /// How many these words ask for.
    Count(Vec<u8>),
    /// What would come next of the query before.
    More,
    /// How the server is.
    Stats,
    /// Records by level, and what a channel is told.
    LogStats,
    /// To be told when there are too many of some records.
    Alert(Draft),
    /// What was said in a channel.
    History(Box<History>),
}

/// Where an answer went to, so that `!more` can go on behind it.
#[derive(Clone, Debug)]
pub struct More {
    /// What was asked.
    words: Vec<u8>,
    /// When: what a time in it is counted from.
    asked: Wall,
    /// What has not been shown yet is on this side.
    edge: Edge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Before(Seq),
    After(Seq),
}

/// Which of too many matches are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Newest,
    Oldest,
    /// The newest, in order of time; there is no going on behind them.
    ByTime,
}

/// An answer under way.
#[derive(Debug)]
pub struct Answer {
    reply: Reply,
    running: Running,
    kind: Kind,
    frames: Vec<u8>,
}

#[derive(Debug)]
enum Kind {
    Records(Shown),
    Count,
    Levels,
    History(Box<History>),
}

/// What was shown of an answer.
#[derive(Debug)]
struct Shown {
    words: Vec<u8>,
    asked: Wall,
    end: End,
    limit: u64,
    /// It goes on behind another.
    is_more: bool,
    is_header_due: bool,
    /// Records that were said, or why they could not be.
    told: u64,
    edge: Option<Edge>,
}

/// What a step of an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do at once.
    More,
    /// Its reader has to take some of it first.
    Blocked,
    /// It is complete.
    Done,
}

/// Why there is no walk.
enum Refusal {
    Wrong(QueryError),
    Said(String),
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Self::Wrong(error)
    }
}

impl Question {
    /// Begins the walk; `None` where the answer is given already.
    pub fn begin<S: Store>(
        self,
        irc: &mut Irc,
        segment: &Segment<S>,
        tools: &mut Tools<'_>,
        times: (Mono, Wall),
    ) -> Option<Box<Answer>> {
        let user = self.reply.asker;
        let start = labels::waiting(irc, user);
        let answer = self.begin_walk(irc, segment, tools, times);
        labels::answered(irc, user, start, answer.is_none());
        answer
    }

    fn begin_walk<S: Store>(
        self,
        irc: &mut Irc,
        segment: &Segment<S>,
        tools: &mut Tools<'_>,
        (mono, wall): (Mono, Wall),
    ) -> Option<Box<Answer>> {
        tools.metrics.commands += 1;
        let Self { reply, ask, words } = self;
        let (reply, began) = match ask {
            Ask::More => (reply.in_private(), more(irc, reply, segment, tools)),
            Ask::Query(words) => (reply, query(reply, words, None, segment, (tools, wall))),
            Ask::Recent(count) => {
                (reply, query(reply, Vec::new(), Some(count), segment, (tools, wall)))
            }
            Ask::Count(words) => (reply, count(&words, segment, tools, wall)),
            Ask::Stats => {
                for line in stats::lines(irc, segment, tools, (mono, wall)) {
                    irc.answer(reply, &line, wall);
                }
                return None;
            }
            Ask::LogStats => {
                let walk = Walk::Census(Census::new(Listing::Levels, segment));
                (reply, Ok((Kind::Levels, walk)))
            }
            Ask::Alert(draft) => {
                alerts::add(irc, reply, draft, segment, tools, wall);
                return None;
            }
            Ask::History(mut history) => {
                let walk = history.next_walk(segment, tools, wall).unwrap_or_else(nothing(segment));
                (reply, Ok((Kind::History(history), walk)))
            }
        };
        let refusal = match began {
            Ok((kind, walk)) => {
                return Some(Box::new(Answer {
                    reply,
                    running: Running::new(walk, shorten(&words), mono, false),
                    kind,
                    frames: Vec::new(),
                }));
            }
            Err(Refusal::Said(text)) => text,
            Err(Refusal::Wrong(error)) => {
                tools.metrics.command_errors += 1;
                format!("ERROR: {error}")
            }
        };
        irc.answer(reply, &refusal, wall);
        None
    }
}

/// A walk that finds nothing.
fn nothing<S: Store>(segment: &Segment<S>) -> impl FnOnce() -> Walk {
    let query = Query { before: Some(Seq(0)), format: Format::Frame, ..Query::default() };
    let cursor = Cursor::query(query, segment);
    || Walk::Records(cursor)
}

/// Words as people type them to LogBot, where single quotes mean what double quotes do: the same in
/// the language of QUERY. A single quote within a word is one of its letters.
///
/// # Errors
/// In words, where a quote that a word or a value begins with does not end.
pub(super) fn in_double_quotes(words: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(words.len());
    let mut rest = words.trim_ascii();
    while !rest.is_empty() {
        let (name, value) = rest.split_at(value_begin(rest));
        out.extend_from_slice(name);
        let end = match value.strip_prefix(b"'") {
            Some(inside) => {
                let end = quote_end(inside, b'\'').ok_or_else(|| unclosed(value))?;
                put_quoted(&inside[..end], &mut out);
                end + 2
            }
            None => {
                let end = item_end(value);
                out.extend_from_slice(&value[..end]);
                end
            }
        };
        rest = value[end..].trim_ascii_start();
        if !rest.is_empty() {
            out.push(b' ');
        }
    }
    Ok(out)
}

fn unclosed(text: &[u8]) -> String {
    let mut shown = Vec::new();
    harmless(text, 64, &mut shown);
    format!("no closing quote (allowed: 'a text'): {}", String::from_utf8_lossy(&shown))
}

/// Where the value of the first word begins: behind a sign, and behind a name and a comparison.
fn value_begin(text: &[u8]) -> usize {
    let sign = usize::from(text.starts_with(b"-") || text.starts_with(b"!"));
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"'\"/=<>~".contains(byte);
    let name = sign + text[sign..].iter().position(is_end).unwrap_or(text.len() - sign);
    let is_sign = |byte: &&u8| b"=<>~".contains(*byte);
    let comparison = text[name..].iter().take(2).take_while(is_sign).count();
    if comparison == 0 { sign } else { name + comparison }
}

/// Where the quote ends a text that stands in quotes: what follows is a blank, or nothing.
fn quote_end(inside: &[u8], quote: u8) -> Option<usize> {
    let mut is_escaped = false;
    inside.iter().enumerate().position(|(at, byte)| {
        let is_quote = *byte == quote && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_quote && inside.get(at + 1).is_none_or(u8::is_ascii_whitespace)
    })
}

/// Where a word ends, or a text in double quotes, or a pattern between slashes.
fn item_end(text: &[u8]) -> usize {
    let blank = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let Some((quote @ (b'"' | b'/'), inside)) = text.split_first() else { return blank };
    // Two paths are no pattern.
    let is_one = |end: &usize| *quote == b'"' || !inside[..*end].contains(&b'/');
    quote_end(inside, *quote).filter(is_one).map_or(blank, |end| end + 2)
}

/// Puts what stood in single quotes into double ones.
fn put_quoted(inside: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = inside;
    while let Some((byte, after)) = rest.split_first() {
        match (byte, after.first()) {
            (b'\\', Some(next @ (b'"' | b'\\'))) => out.extend([b'\\', *next]),
            (b'\\', Some(b'\'')) => out.push(b'\''),
            (b'"', _) => {
                out.extend_from_slice(b"\\\"");
                rest = after;
                continue;
            }
            _ => {
                out.push(*byte);
                rest = after;
                continue;
            }
        }
        rest = &after[1..];
    }
    out.push(b'"');
}

/// Reads words as the search box does.
pub(super) fn read<S: Store>(
    words: &[u8],
    segment: &Segment<S>,
    tools: &Tools<'_>,
    now: Wall,
) -> Result<Query, QueryError> {
    read_ended(words, segment, tools, now).map(|(query, _)| query)
}

/// The same, and from which end it is to be answered.
fn read_ended<S: Store>(
    words: &[u8],
    segment: &Segment<S>,
    tools: &Tools<'_>,
    now: Wall,
) -> Result<(Query, End), QueryError> {
    let has_label = |name: &[u8]| segment.has_label(name);
    let times = TimeContext { has_label: &has_label, ..TimeContext::new(now, tools.time.zone()) };
    let mut parameters = Parameters::new(false, &times);
    parameters.search(words)?;
    let goes_on = parameters.has("order") || parameters.has("after");
    parameters.set_format(Format::Frame);
    let query = parameters.finish()?;
    let end = match query.order {
        Order::Oldest if goes_on => End::Oldest,
        Order::Oldest | Order::Newest => End::Newest,
        Order::Time => End::ByTime,
    };
    Ok((query, end))
}

type Begun = Result<(Kind, Walk), Refusal>;

fn query<S: Store>(
    reply: Reply,
    words: Vec<u8>,
    limit: Option<u64>,
    segment: &Segment<S>,
    (tools, asked): (&Tools<'_>, Wall),
) -> Begun {
    let (query, end) = read_ended(&words, segment, tools, asked)?;
    let lines_max = match reply.place {
        Place::Channel(_) => IRC_ANSWER_LINES,
        Place::Private => IRC_ANSWER_LINES_PRIVATE,
    };
    let limit = limit.or(query.limit).unwrap_or(IRC_ANSWER_LINES).min(lines_max);
    Ok(walk_shown(query, Shown::new(words, asked, end, limit), segment))
}

fn more<S: Store>(irc: &mut Irc, reply: Reply, segment: &Segment<S>, tools: &Tools<'_>) -> Begun {
    let kept = irc.user_mut(reply.asker).and_then(|user| user.more.take());
    let Some(kept) = kept else {
        return Err(Refusal::Said(String::from("there is no more: ask with !query first")));
    };
    let More { words, asked, edge } = *kept;
    let (mut query, end) = read_ended(&words, segment, tools, asked)?;
    match edge {
        Edge::Before(seq) => query.before = Some(seq),
        Edge::After(seq) => query.after = Some(seq),
    }
    let shown = Shown { is_more: true, ..Shown::new(words, asked, end, IRC_ANSWER_LINES) };
    Ok(walk_shown(query, shown, segment))
}

/// The walk that finds what is to be shown, and counts the rest.
fn walk_shown<S: Store>(mut query: Query, shown: Shown, segment: &Segment<S>) -> (Kind, Walk) {
    query.is_recent = shown.end == End::Newest && query.order == Order::Oldest;
    query.limit = Some(shown.limit);
    query.counts_all = true;
    (Kind::Records(shown), Walk::Records(Cursor::query(query, segment)))
}

fn count<S: Store>(words: &[u8], segment: &Segment<S>, tools: &Tools<'_>, now: Wall) -> Begun {
    if words.trim_ascii().is_empty() {
        return Err(Refusal::Said(format!("COUNT: {}", thousands(segment.records()))));
    }
    let query = read(words, segment, tools, now)?;
    let query = Query { limit: Some(0), counts_all: true, ..query };
    Ok((Kind::Count, Walk::Records(Cursor::query(query, segment))))
}

impl Answer {
    /// The walk.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The walk, to be stepped.
    pub fn running_mut(&mut self) -> &mut Running {
        &mut self.running
    }

    /// The walk, once it is over.
    pub fn into_running(self: Box<Self>) -> Box<Running> {
        Box::new(self.running)
    }

    /// Takes one bounded step of the walk and writes what it found to its readers.
    pub fn step<S: Store>(
        &mut self,
        irc: &mut Irc,
        segment: &Segment<S>,
        tools: &mut Tools<'_>,
        wall: Wall,
    ) -> Step {
        let asker = self.reply.asker;
        let start = labels::waiting(irc, asker);
        let step = self.walk_on(irc, segment, tools, wall);
        labels::answered(irc, asker, start, step == Step::Done);
        step
    }

    fn walk_on<S: Store>(
        &mut self,
        irc: &mut Irc,
        segment: &Segment<S>,
        tools: &mut Tools<'_>,
        wall: Wall,
    ) -> Step {
        if !irc.hears(self.reply) {
            return Step::Done;
        }
        if !irc.user(self.reply.asker).is_some_and(|user| user.keeps_up()) {
            return Step::Blocked;
        }
        if let Kind::History(history) = &mut self.kind
            && history.is_found()
        {
            return history.tell(irc, self.reply.asker, wall);
        }
        if !matches!(self.kind, Kind::Levels) {
            // That is some hundred bytes, said once it is whole.
            self.frames.clear();
        }
        let room = (&mut self.frames, IRC_FEED_BYTES_PER_STEP);
        let slice = self.running.slice(segment, tools, room);
        let is_over = slice == Slice::Done;
        let found = self.running.found();
        match &mut self.kind {
            Kind::Records(shown) => {
                shown.tell(self.reply, &self.frames, (found, is_over), irc, tools, wall);
            }
            Kind::Count if is_over => {
                irc.answer(self.reply, &format!("COUNT: {}", thousands(found)), wall);
            }
            Kind::Levels if is_over => stats::levels(irc, self.reply, &self.frames, wall),
            Kind::Count | Kind::Levels => {}
            Kind::History(history) => {
                history.take(&self.frames, irc, self.reply.asker, tools);
                if is_over && let Some(walk) = history.next_walk(segment, tools, wall) {
                    let (words, began) = (self.running.words.clone(), self.running.began);
                    self.running = Running::new(walk, words, began, false);
                }
                return Step::More;
            }
        }
        if is_over { Step::Done } else { Step::More }
    }
}

impl Shown {
    fn new(words: Vec<u8>, asked: Wall, end: End, limit: u64) -> Self {
        Self { words, asked, end, limit, is_more: false, is_header_due: true, told: 0, edge: None }
    }

    /// Says what a step has found; `found`: how many matches there are.
    fn tell(
        &mut self,
        reply: Reply,
        frames: &[u8],
        (found, is_over): (u64, bool),
        irc: &mut Irc,
        tools: &mut Tools<'_>,
        wall: Wall,
    ) {
        for frame in Frames::new(frames) {
            if let Frame::Refused(reason) = frame {
                self.is_header_due = false;
                irc.answer(reply, &format!("ERROR: {reason}"), wall);
                continue;
            }
            self.put_header(reply, found, irc, wall);
            let note = match frame {
                Frame::Record(record) => {
                    self.told += 1;
                    self.edge = Some(self.further(record.seq));
                    irc.answer_record(reply, &record, tools, wall);
                    continue;
                }
                Frame::Lost { lines, .. } => {
                    self.told += lines;
                    format!("# lost {} lines", thousands(lines))
                }
                Frame::Damaged(seq) => {
                    self.told += 1;
                    self.edge = Some(self.further(seq));
                    format!("# damaged seq={}", seq.0)
                }
                Frame::Sorted { shown, of } => {
                    format!("# sorted the newest {} of {}", thousands(shown), thousands(of))
                }
                Frame::Refused(_) => continue,
            };
            irc.answer(reply, &note, wall);
        }
        if is_over {
            self.put_header(reply, found, irc, wall);
            let edge = self.edge.filter(|_| found > self.told && self.end != End::ByTime);
            let (words, asked) = (std::mem::take(&mut self.words), self.asked);
            let more = edge.map(|edge| Box::new(More { words, asked, edge }));
            if more.is_some() {
                let next = (found - self.told).min(IRC_ANSWER_LINES);
                let text = match self.end {
                    End::Oldest => format!("!more sends you the next {next}"),
                    End::Newest | End::ByTime => format!("!more sends you the {next} before these"),
                };
                irc.answer(reply, &text, wall);
            }
            if let Some(user) = irc.user_mut(reply.asker) {
                user.more = more;
            }
        }
    }

    /// Where the answer ends once `seq` is shown.
    fn further(&self, seq: Seq) -> Edge {
        match (self.end, self.edge) {
            (End::Oldest, Some(Edge::After(last))) => Edge::After(last.max(seq)),
            (End::Oldest, _) => Edge::After(seq),
            (_, Some(Edge::Before(first))) => Edge::Before(first.min(seq)),
            _ => Edge::Before(seq),
        }
    }

    /// Says first how many there are.
    fn put_header(&mut self, reply: Reply, found: u64, irc: &mut Irc, wall: Wall) {
        if !std::mem::take(&mut self.is_header_due) {
            return;
        }
        let noun = match (self.words.is_empty(), found) {
            (true, 1) => "record",
            (true, _) => "records",
            (false, 1) => "match",
            (false, _) => "matches",
        };
        let more = if self.is_more { " more" } else { "" };
        let count = format!("{}{more} {noun}", thousands(found));
        let which = match self.end {
            End::Oldest if self.is_more => "next",
            End::Newest | End::ByTime => "newest",
            End::Oldest => "oldest",
        };
        let text = match found {
            0 => count,
            _ if found <= self.limit => format!("{count}:"),
            _ => format!("{count}, the {which} {}:", self.limit),
        };
        irc.answer(reply, &text, wall);
    }
}
