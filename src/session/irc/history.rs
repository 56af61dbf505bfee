//! CHATHISTORY: what was said in a log channel, out of the segment (IRCv3 chathistory).
//!
//! What a channel asks for is asked again, within the bounds that the client names, once for each
//! of its filters. What that finds is put together by the records' numbers, and said as it was said
//! then: with the same text, time and id. Nothing is kept of what people say.

use std::collections::{BTreeMap, VecDeque};

use super::asking::{self, Ask, Question, Step};
use super::channel::ChannelId;
use super::commands::{Call, Outcome};
use super::feeds::Listener;
use super::saying::{Place, Reply, Voice, record_id};
use super::server::{Irc, Post, time_tag, utf8};
use super::user::UserId;
use crate::clock::{MS, Wall};
use crate::limits::{IRC_HISTORY_MAX, IRC_HISTORY_PER_STEP};
use crate::proto::irc::Message;
use crate::proto::irc::caps::Cap;
use crate::query::{Cursor, Frame, Frames, Query};
use crate::segment::{Segment, Seq, Store};
use crate::session::walk::{Tools, Walk};

/// A place in what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// The millisecond that begins so.
    Time(Wall),
    /// The record of this number.
    Id(Seq),
}

/// Some of what one channel asks for: records between two bounds, of which the newest or the
/// oldest.
#[derive(Debug)]
struct Part {
    channel: Vec<u8>,
    /// What is asked for, each on its own.
    questions: VecDeque<String>,
    above: Option<Bound>,
    below: Option<Bound>,
    /// What lies at `below` is part of it.
    has_below: bool,
    is_newest: bool,
    limit: usize,
}

/// A record as it is to be said.
#[derive(Debug)]
struct Found {
    at: Wall,
    posts: Vec<Post>,
}

/// What a client wants to know, and what was found of it.
#[derive(Debug)]
pub struct History {
    /// What the batch is named for; empty where targets are listed.
    target: Vec<u8>,
    /// The name of the batch.
    batch: Vec<u8>,
    parts: VecDeque<Part>,
    /// Of the first part.
    found: BTreeMap<Seq, Found>,
    /// Of those before it.
    complete: BTreeMap<Seq, Found>,
    /// Of a list of targets: its bounds, how many, and what was found, the latest record of each.
    window: Option<(Wall, Wall, usize)>,
    targets: Vec<(Wall, Vec<u8>)>,
    is_begun: bool,
}

/// Why it is not answered: a code, what it is about, and words.
struct Failure<'m>(&'static str, Option<&'m [u8]>, &'static str);

const PARAMS: &str = "INVALID_PARAMS";

/// `CHATHISTORY LATEST|BEFORE|AFTER|AROUND target reference limit`,
/// `CHATHISTORY BETWEEN target reference reference limit`,
/// `CHATHISTORY TARGETS timestamp timestamp limit`.
pub fn chathistory(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let subcommand = message.param(0).unwrap_or_default().to_ascii_uppercase();
    match wanted(call, &subcommand, message.params().get(1..).unwrap_or_default()) {
        Ok(history) => {
            let reply = Reply { asker: call.user, place: Place::Private, is_notice: true };
            let words = message.params().join(&b' ');
            let words = [b"CHATHISTORY ", &words[..]].concat();
            let ask = Ask::History(Box::new(history));
            Outcome::Ask(Box::new(Question { reply, ask, words }))
        }
        Err(Failure(code, about, text)) => {
            let context: Vec<_> = [&subcommand[..]].into_iter().chain(about).collect();
            call.irc.fail(call.user, "CHATHISTORY", code, &context, text);
            Outcome::Done
        }
    }
}

/// Reads what is wanted.
fn wanted<'m>(
    call: &mut Call<'_>,
    subcommand: &[u8],
    params: &[&'m [u8]],
) -> Result<History, Failure<'m>> {
    let few = Failure(PARAMS, None, "Not enough parameters");
    match (subcommand, params) {
        (b"TARGETS", [from, to, limit, ..]) => {
            let (Bound::Time(from), Bound::Time(to)) = (bound(from)?, bound(to)?) else {
                return Err(Failure(PARAMS, Some(from), "Targets are asked for by times"));
            };
            let window = (from.min(to), from.max(to), number(limit)?);
            return Ok(targets(call, window));
        }
        (b"LATEST" | b"BEFORE" | b"AFTER" | b"AROUND", [_, _, _, ..])
        | (b"BETWEEN", [_, _, _, _, ..]) => {}
        (b"TARGETS" | b"LATEST" | b"BEFORE" | b"AFTER" | b"AROUND" | b"BETWEEN", _) => {
            return Err(few);
        }
        _ => return Err(Failure(PARAMS, None, "Unknown subcommand")),
    }
    let target = params[0];
    let channel = target_of(call, target)?;
    let name = channel.and_then(|id| call.irc.channel(id)).map(|one| one.name.clone());
    let mut history = History::new(name.unwrap_or_else(|| target.to_vec()), call);
    let questions = channel.map(|id| questions_of(call.irc, id)).unwrap_or_default();
    let part = |limit: usize| Part {
        channel: history.target.clone(),
        questions: questions.clone(),
        above: None,
        below: None,
        has_below: false,
        is_newest: true,
        limit,
    };
    let parts = match subcommand {
        b"LATEST" => {
            let above = if params[1] == b"*" { None } else { Some(bound(params[1])?) };
            vec![Part { above, ..part(number(params[2])?) }]
        }
        b"BEFORE" => vec![Part { below: Some(bound(params[1])?), ..part(number(params[2])?) }],
        b"AFTER" => {
            let above = Some(bound(params[1])?);
            vec![Part { above, is_newest: false, ..part(number(params[2])?) }]
        }
        b"AROUND" => {
            let (at, limit) = (Some(bound(params[1])?), number(params[2])?);
            let before = limit / 2 + 1;
            vec![
                Part { below: at, has_below: true, ..part(before) },
                Part { above: at, is_newest: false, ..part(limit - before) },
            ]
        }
        _ => {
            let (one, other) = (bound(params[1])?, bound(params[2])?);
            let is_back = match (one, other) {
                (Bound::Time(one), Bound::Time(other)) => other < one,
                (Bound::Id(one), Bound::Id(other)) => other < one,
                _ => false,
            };
            let (above, below) = if is_back { (other, one) } else { (one, other) };
            let part = part(number(params[3])?);
            vec![Part { above: Some(above), below: Some(below), is_newest: is_back, ..part }]
        }
    };
    history.parts = parts.into_iter().filter(|part| part.limit > 0).collect();
    Ok(history)
}

/// The channel that is meant, where it is one; whether the client may know of it.
fn target_of<'m>(call: &Call<'_>, target: &'m [u8]) -> Result<Option<ChannelId>, Failure<'m>> {
    let failure = Failure("INVALID_TARGET", Some(target), "No such channel, or you are not on it");
    if !target.starts_with(b"#") {
        // Nothing is kept of what people say to each other.
        return if call.irc.find(target).is_some() { Ok(None) } else { Err(failure) };
    }
    let found = call.irc.find_channel(target);
    let is_on = |id: &ChannelId| call.irc.channel(*id).is_some_and(|one| one.has(call.user));
    found.filter(is_on).map(Some).ok_or(failure)
}

/// What a channel asks for.
fn questions_of(irc: &Irc, id: ChannelId) -> VecDeque<String> {
    irc.feeds.of(Listener::Channel(id)).map(|(_, feed)| feed.question()).collect()
}

fn targets(call: &mut Call<'_>, window: (Wall, Wall, usize)) -> History {
    let channels = call.irc.user(call.user).map(|user| user.channels.clone()).unwrap_or_default();
    let part = |id: ChannelId| {
        let questions = questions_of(call.irc, id);
        let channel = call.irc.channel(id).filter(|_| !questions.is_empty())?.name.clone();
        let (above, below) = (None, None);
        let is_newest = true;
        Some(Part { channel, questions, above, below, has_below: false, is_newest, limit: 1 })
    };
    let parts = channels.into_iter().filter_map(part).collect();
    History { parts, window: Some(window), ..History::new(Vec::new(), call) }
}

/// Reads `timestamp=…` or `msgid=…`.
fn bound(text: &[u8]) -> Result<Bound, Failure<'_>> {
    let word = std::str::from_utf8(text).unwrap_or_default();
    match word.split_once('=') {
        Some(("timestamp", time)) => {
            let time = time.parse::<jiff::Timestamp>().ok();
            let at = time.and_then(|time| Wall::try_from(time.as_nanosecond()).ok());
            let at = at.ok_or(Failure(PARAMS, Some(text), "No time"))?;
            Ok(Bound::Time(at - at % MS))
        }
        Some(("msgid", id)) => {
            let number = id.split('-').next().and_then(|number| number.parse().ok());
            number.map(|seq| Bound::Id(Seq(seq))).ok_or(Failure(
                PARAMS,
                Some(text),
                "No id of a log line",
            ))
        }
        _ => Err(Failure("INVALID_MSGREFTYPE", Some(text), "Neither timestamp= nor msgid=")),
    }
}

/// Reads how many are wanted: no more than [`IRC_HISTORY_MAX`].
fn number(text: &[u8]) -> Result<usize, Failure<'_>> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u32>().ok());
    match number {
        None | Some(0) => Err(Failure(PARAMS, Some(text), "No limit")),
        Some(number) => Ok((number as usize).min(IRC_HISTORY_MAX)),
    }
}

impl Part {
    /// The next question, as a query.
    fn next_query<S: Store>(
        &mut self,
        segment: &Segment<S>,
        tools: &Tools<'_>,
        now: Wall,
    ) -> Option<Query> {
        let words = self.questions.pop_front()?;
        let mut query = asking::read(words.as_bytes(), segment, tools, now).ok()?;
        match self.above {
            Some(Bound::Id(seq)) => query.after = Some(seq),
            Some(Bound::Time(at)) => query.filter.from(at.saturating_add(MS)),
            None => {}
        }
        match self.below {
            Some(Bound::Id(seq)) => {
                query.before = Some(Seq(seq.0.saturating_add(u64::from(self.has_below))));
            }
            Some(Bound::Time(at)) if self.has_below => query.filter.to(at.saturating_add(MS - 1)),
            Some(Bound::Time(at)) => query.filter.to(at.saturating_sub(1)),
            None => {}
        }
        query.is_recent = self.is_newest;
        query.limit = Some(self.limit as u64);
        Some(query)
    }
}

impl History {
    fn new(target: Vec<u8>, call: &mut Call<'_>) -> Self {
        Self {
            target,
            batch: call.irc.next_message_id(),
            parts: VecDeque::new(),
            found: BTreeMap::new(),
            complete: BTreeMap::new(),
            window: None,
            targets: Vec::new(),
            is_begun: false,
        }
    }

    /// What finds the rest; `None` where all is found.
    pub(super) fn next_walk<S: Store>(
        &mut self,
        segment: &Segment<S>,
        tools: &Tools<'_>,
        now: Wall,
    ) -> Option<Walk> {
        loop {
            let part = self.parts.front_mut()?;
            if let Some(query) = part.next_query(segment, tools, now) {
                return Some(Walk::Records(Cursor::query(query, segment)));
            }
            if !part.questions.is_empty() {
                // A question that cannot be read any more finds nothing.
                continue;
            }
            let found = std::mem::take(&mut self.found);
            if let Some(part) = self.parts.pop_front()
                && self.window.is_some()
            {
                let latest = found.last_key_value().map(|(_, found)| found.at);
                self.targets.extend(latest.map(|at| (at, part.channel)));
            } else {
                self.complete.extend(found);
            }
        }
    }

    /// Whether all is found, and only to be told.
    pub(super) fn is_found(&self) -> bool {
        self.parts.is_empty()
    }

    /// Takes in what a step has found.
    pub(super) fn take(
        &mut self,
        frames: &[u8],
        irc: &mut Irc,
        asker: UserId,
        tools: &mut Tools<'_>,
    ) {
        let Some(part) = self.parts.front() else { return };
        let has_colors = irc.user(asker).is_some_and(|user| !user.is_plain);
        let voice = Voice { target: &part.channel, command: "PRIVMSG", has_colors };
        for frame in Frames::new(frames) {
            let Frame::Record(record) = frame else { continue };
            if self.found.contains_key(&record.seq) || self.complete.contains_key(&record.seq) {
                continue;
            }
            let blank = |at| {
                let id = record_id(&record, at);
                Post::message(record.received_ns, id, b"").in_batch(&self.batch)
            };
            let posts = match self.window {
                Some(_) => Vec::new(),
                None => irc.record_posts(voice, &record, tools, blank),
            };
            self.found.insert(record.seq, Found { at: record.received_ns, posts });
            if self.found.len() > part.limit {
                if part.is_newest {
                    self.found.pop_first()
                } else {
                    self.found.pop_last()
                };
            }
        }
    }

    /// Tells some of what was found.
    pub(super) fn tell(&mut self, irc: &mut Irc, asker: UserId, wall: Wall) -> Step {
        let source = irc.settings.name.clone().into_bytes();
        let has_batch = irc.user(asker).is_some_and(|user| user.caps.has(Cap::Batch));
        if !std::mem::replace(&mut self.is_begun, true) {
            self.list_targets(&source, wall);
            if has_batch {
                let name = [b"+", &self.batch[..]].concat();
                let mut post = Post::event(wall);
                let line = post.line(&source, "BATCH").param(&name);
                match self.window {
                    Some(_) => line.param(b"draft/chathistory-targets").end(),
                    None => line.param(b"chathistory").param(&utf8(&self.target)).end(),
                }
                irc.send(asker, &post);
            }
        }
        for _ in 0..IRC_HISTORY_PER_STEP {
            let Some((_, found)) = self.complete.pop_first() else {
                if has_batch {
                    let name = [b"-", &self.batch[..]].concat();
                    let mut post = Post::event(wall);
                    post.line(&source, "BATCH").param(&name).end();
                    irc.send(asker, &post);
                }
                return Step::Done;
            };
            found.posts.iter().for_each(|post| irc.send(asker, post));
        }
        Step::More
    }

    /// Makes lines of the targets that were found within the window.
    fn list_targets(&mut self, source: &[u8], wall: Wall) {
        let Some((from, to, limit)) = self.window else { return };
        let mut targets = std::mem::take(&mut self.targets);
        targets.retain(|(at, _)| from < *at && *at < to);
        targets.sort();
        for (place, (at, channel)) in targets.into_iter().take(limit).enumerate() {
            let mut post = Post::event(wall).in_batch(&self.batch);
            let time = time_tag(at);
            let line = post.line(source, "CHATHISTORY").param(b"TARGETS").param(&channel);
            line.param(time.as_bytes()).end();
            self.complete.insert(Seq(place as u64), Found { at, posts: vec![post] });
        }
    }
}
