//! Feeds: log channels, and whatever else LogBot says lines to. Each is a question, a cursor that
//! stands where it was told last, and a pace.
//!
//! ```text
//! records --cursor--> frames --line::each_piece--> posts --> the members of the channel
//!            |
//!            +-- above IRC_FEED_LINES_PER_SECOND: counted, and told once a second
//! ```
//!
//! A feed that nobody listens to has no cursor and costs nothing. One that somebody listens to
//! again begins with what comes then. A record that several feeds of one channel find is said once.

mod channels;

use std::collections::{BTreeMap, BTreeSet};

pub use channels::{is_standing, log_word, question_of, shown};

use super::channel::{Channel, ChannelId, Member, Topic};
use super::server::{Irc, LOG_BOT_NICK, thousands};
use super::user::{LOG_BOT, UserId};
use crate::clock::{Mono, SECOND, Wall};
use crate::limits::{
    IRC_FEED_BYTES_PER_STEP, IRC_FEED_LINES_PER_SECOND, IRC_FEED_SAID_MAX, IRC_FEEDS_MAX,
};
use crate::query::{
    Cursor, Format, Frame, Frames, Parameters, Query, QueryError, Slice, TimeContext,
};
use crate::segment::{BlockId, Segment, Seq, Store};
use crate::session::walk::Tools;

/// Who hears a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listener {
    /// Everybody in a channel.
    Channel(ChannelId),
    /// One user, in private.
    User(UserId),
    /// Nobody: the records are counted for the alert of this number.
    Alert(u32),
}

/// One question whose answer goes on.
#[derive(Debug)]
pub struct Feed {
    /// What is asked, in the language of QUERY; empty = every record.
    pub words: String,
    /// What is asked besides, for as long as somebody listens: a condition on levels, or nothing.
    pub level: &'static str,
    /// Every record is said, however many there are.
    pub is_full: bool,
    /// Nothing is said.
    pub is_off: bool,
    /// Where it stands; `None` while nobody listens.
    cursor: Option<Box<Cursor>>,
    /// When it may say as many lines again, where it has said some.
    refill_at: Option<Mono>,
    /// Lines left out since it was told last.
    skipped: u64,
    /// Lines said since somebody listens.
    pub said: u64,
    /// Lines left out since then.
    pub left_out: u64,
}

/// A feed's name: who hears it, and a number among the feeds of the same listener. 0 is the
/// listener's own: of a log channel what its name says.
pub type FeedKey = (Listener, u32);

/// All feeds.
#[derive(Debug, Default)]
pub struct Feeds {
    feeds: BTreeMap<FeedKey, Feed>,
    /// Of channels with several feeds the records that were said there lately, so that none is said
    /// twice; the latest of them.
    said_lately: BTreeMap<ChannelId, BTreeSet<Seq>>,
    /// The feed whose turn it is in this round; `None` where a round begins.
    turn: Option<FeedKey>,
    /// In this round some feed had more to say than one step's worth.
    is_behind: bool,
    /// Some feed has a listener and no cursor yet.
    is_waiting: bool,
    /// Some feed may owe a word about what it left out: the soonest of those times.
    owes_at: Option<Mono>,
    /// What a cursor has written, and a text being put together.
    frames: Vec<u8>,
    pub(super) text: Vec<u8>,
    /// Lines said, each once a feed, and lines left out.
    pub said: u64,
    /// Lines left out since there were too many, or since the ring took them.
    pub skipped: u64,
}

/// What a step over the feeds came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStep {
    /// There is more to do at once.
    More,
    /// Every feed has said what there is.
    CaughtUp,
}

/// Reads what a feed asks for.
///
/// # Errors
/// What is wrong with it; see [`QueryError`].
pub fn parse(words: &str, context: &TimeContext<'_>) -> Result<Query, QueryError> {
    let mut parameters = Parameters::new(true, context);
    parameters.search(words.as_bytes())?;
    parameters.set_format(Format::Frame);
    parameters.finish()
}

/// Opens the log channel of this name, where it is one's and there is none of it yet.
pub fn open_log_channel(irc: &mut Irc, name: &[u8], wall: Wall) -> Option<ChannelId> {
    let words = question_of(name)?;
    if irc.find_channel(name).is_some() || irc.feeds.feeds.len() >= IRC_FEEDS_MAX {
        return None;
    }
    let id = irc.open_channel(name, wall);
    let by = LOG_BOT_NICK.to_vec();
    let place = irc.channel_mut(id)?;
    place.is_log = true;
    place.modes.is_closed_outside = true;
    place.modes.is_topic_locked = true;
    let about = shown(name, &words);
    let said = if about.is_empty() { "every line" } else { &about };
    place.topic = Some(Topic { text: said.as_bytes().to_vec(), by, at: wall });
    irc.enter(LOG_BOT, id, Member { is_operator: true, has_voice: false });
    irc.feeds.add((Listener::Channel(id), 0), words);
    Some(id)
}

impl Feed {
    fn new(words: String) -> Self {
        Self {
            words,
            level: "",
            is_full: false,
            is_off: false,
            cursor: None,
            refill_at: None,
            skipped: 0,
            said: 0,
            left_out: 0,
        }
    }

    /// What is asked now, in the language of QUERY.
    pub fn question(&self) -> String {
        match (self.level, self.words.starts_with("level")) {
            ("", _) => self.words.clone(),
            // One level takes the place of another.
            (level, true) => level.to_owned(),
            (level, false) => format!("{} {level}", self.words).trim_start().to_owned(),
        }
    }

    /// Begins anew, with what comes next.
    pub fn restart(&mut self) {
        self.cursor = None;
        self.refill_at = None;
    }

    /// How many lines it may say at once.
    fn quota(&self, listener: Listener) -> u64 {
        match listener {
            Listener::Alert(_) => 0,
            _ if self.is_full => u64::MAX,
            _ => IRC_FEED_LINES_PER_SECOND,
        }
    }
}

impl Feeds {
    /// Adds a feed, or gives one another question; whether there was room.
    pub fn add(&mut self, key: FeedKey, words: String) -> bool {
        if self.feeds.len() >= IRC_FEEDS_MAX && !self.feeds.contains_key(&key) {
            return false;
        }
        self.feeds.insert(key, Feed::new(words));
        self.is_waiting = true;
        true
    }

    /// Takes a feed away; whether there was one.
    pub fn remove(&mut self, key: FeedKey) -> bool {
        self.feeds.remove(&key).is_some()
    }

    /// The feed of this name, to be changed.
    pub fn get_mut(&mut self, key: FeedKey) -> Option<&mut Feed> {
        // Whatever is changed, its cursor may be wanted or not from now on.
        self.is_waiting = true;
        self.feeds.get_mut(&key)
    }

    /// Whether a listener has any feed.
    pub fn has(&self, listener: Listener) -> bool {
        self.of(listener).next().is_some()
    }

    /// The feeds of a listener, with their numbers.
    pub fn of(&self, listener: Listener) -> impl Iterator<Item = (u32, &Feed)> {
        let range = (listener, 0)..=(listener, u32::MAX);
        self.feeds.range(range).map(|((_, number), feed)| (*number, feed))
    }

    /// The feeds of a listener, with their numbers, to be changed.
    pub fn of_mut(&mut self, listener: Listener) -> impl Iterator<Item = (u32, &mut Feed)> {
        // Whatever is changed, its cursor may be wanted or not from now on.
        self.is_waiting = true;
        let range = (listener, 0)..=(listener, u32::MAX);
        self.feeds.range_mut(range).map(|((_, number), feed)| (*number, feed))
    }

    /// The filters of all channels, with the feed's number.
    pub fn filters(&self) -> impl Iterator<Item = (ChannelId, u32, &Feed)> {
        self.feeds.iter().filter_map(|((listener, number), feed)| match listener {
            Listener::Channel(id) if *number > 0 => Some((*id, *number, feed)),
            _ => None,
        })
    }

    fn count_said(&mut self, key: FeedKey) {
        self.said += 1;
        if let Some(feed) = self.feeds.get_mut(&key) {
            feed.said += 1;
        }
    }

    /// How many feeds there are.
    pub fn len(&self) -> usize {
        self.feeds.len()
    }

    /// Whether there is no feed.
    pub fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    /// Whether the record has not been said to this listener by another of its feeds. To be asked
    /// once for each record that is about to be said.
    fn is_new(&mut self, listener: Listener, seq: Seq) -> bool {
        let Listener::Channel(id) = listener else { return true };
        if self.of(listener).take(2).count() < 2 {
            return true;
        }
        let said = self.said_lately.entry(id).or_default();
        let is_new = said.insert(seq);
        if said.len() > IRC_FEED_SAID_MAX {
            said.pop_first();
        }
        is_new
    }

    /// How many feeds have somebody to listen to them.
    pub fn live(&self) -> usize {
        self.feeds.values().filter(|feed| feed.cursor.is_some()).count()
    }

    /// Somebody entered or left `channel`, which may be gone.
    pub fn members_changed(&mut self, id: ChannelId, channel: Option<&Channel>) {
        let listener = Listener::Channel(id);
        let Some(channel) = channel else {
            self.forget(listener);
            return;
        };
        self.is_waiting = true;
        if channel.has_people() {
            return;
        }
        if !channel.is_log {
            // Who asked for the stream is gone; filters stay.
            self.feeds.remove(&(listener, 0));
        }
        for (number, feed) in self.of_mut(listener) {
            let is_off = feed.is_off && number > 0;
            *feed = Feed { is_off, ..Feed::new(std::mem::take(&mut feed.words)) };
        }
        self.said_lately.remove(&id);
    }

    /// `user` is gone.
    pub fn user_gone(&mut self, user: UserId) {
        self.forget(Listener::User(user));
    }

    /// Takes all feeds of a listener away.
    fn forget(&mut self, listener: Listener) {
        self.feeds.retain(|(one, _), _| *one != listener);
        if let Listener::Channel(id) = listener {
            self.said_lately.remove(&id);
        }
    }

    /// When the feeds want to be looked at though no record comes.
    pub fn deadline(&self) -> Option<Mono> {
        self.owes_at
    }

    /// The next feed behind `turn` that has a cursor.
    fn next_live(&self) -> Option<FeedKey> {
        let behind = match self.turn {
            Some(turn) => self.feeds.range(turn..),
            None => self.feeds.range(..),
        };
        behind.into_iter().find(|(_, feed)| feed.cursor.is_some()).map(|(key, _)| *key)
    }

    /// Goes on with the feed behind `key`.
    fn pass(&mut self, key: FeedKey) {
        self.turn = Some((key.0, key.1.saturating_add(1)));
    }
}

impl Irc {
    /// Opens the log channels that are there from the start.
    pub(super) fn open_standing_channels(&mut self, wall: Wall) {
        for (name, _) in channels::STANDING {
            let opened = open_log_channel(self, name.as_bytes(), wall);
            if let Some(channel) = opened.and_then(|id| self.channel_mut(id)) {
                channel.stays = true;
            }
        }
    }

    /// When the feeds want to be looked at though no record comes.
    pub fn feed_deadline(&self) -> Option<Mono> {
        [self.feeds.deadline(), self.bot.alerts.deadline()].into_iter().flatten().min()
    }

    /// Whether somebody listens to any feed.
    pub fn has_live_feeds(&self) -> bool {
        self.feeds.feeds.values().any(|feed| feed.cursor.is_some())
    }

    /// Whether anybody listens to `listener`.
    fn is_heard(&self, listener: Listener) -> bool {
        match listener {
            Listener::Channel(id) => self.channel(id).is_some_and(Channel::has_people),
            Listener::User(id) => self.user(id).is_some_and(|user| !user.is_gone),
            Listener::Alert(_) => true,
        }
    }

    /// Gives a cursor to every feed that has got somebody to listen to it: it begins with what
    /// comes from now on. To be called before more records come in.
    pub fn begin_feeds<S: Store>(&mut self, segment: &Segment<S>, tools: &Tools<'_>, wall: Wall) {
        if !std::mem::take(&mut self.feeds.is_waiting) {
            return;
        }
        let has_label = |name: &[u8]| segment.has_label(name);
        let times =
            TimeContext { has_label: &has_label, ..TimeContext::new(wall, tools.time.zone()) };
        let wanted = |feed: &Feed| !feed.is_off && feed.cursor.is_none();
        let feeds = self.feeds.feeds.iter().filter(|(_, feed)| wanted(feed));
        let keys: Vec<_> = feeds.map(|(key, _)| *key).filter(|key| self.is_heard(key.0)).collect();
        for key in keys {
            let Some(feed) = self.feeds.feeds.get_mut(&key) else { continue };
            // Who added it has read it before; only a label may have come to be known since.
            let Ok(query) = parse(&feed.question(), &times) else { continue };
            let mut cursor = Cursor::tail(query, segment);
            cursor.set_quota(feed.quota(key.0));
            feed.cursor = Some(Box::new(cursor));
        }
        for feed in self.feeds.feeds.values_mut().filter(|feed| feed.is_off) {
            feed.cursor = None;
        }
    }

    /// The block that the next step will touch, so that it can be brought into memory first.
    pub fn next_feed_block<S: Store>(&mut self, segment: &Segment<S>) -> Option<BlockId> {
        let key = self.feeds.next_live()?;
        self.feeds.feeds.get_mut(&key)?.cursor.as_mut()?.next_block(segment)
    }

    /// Takes one bounded step over the feeds.
    pub fn feed<S: Store>(
        &mut self,
        segment: &Segment<S>,
        tools: &mut Tools<'_>,
        (mono, wall): (Mono, Wall),
    ) -> FeedStep {
        self.begin_feeds(segment, tools, wall);
        let Some(key) = self.feeds.next_live() else {
            self.feeds.turn = None;
            self.tell_skipped(mono, wall);
            self.check_alerts(mono, wall);
            self.bot.pace.note(mono, segment.head());
            let is_behind = std::mem::take(&mut self.feeds.is_behind);
            return if is_behind { FeedStep::More } else { FeedStep::CaughtUp };
        };
        let mut frames = std::mem::take(&mut self.feeds.frames);
        frames.clear();
        let slice = self.slice_feed(key, segment, tools, (mono, wall), &mut frames);
        for frame in Frames::new(&frames) {
            match frame {
                Frame::Record(record) if self.feeds.is_new(key.0, record.seq) => {
                    self.feeds.count_said(key);
                    self.say_record(key.0, &record, tools);
                }
                Frame::Record(_) => {}
                Frame::Lost { lines, .. } => self.leave_out(key, lines, mono),
                Frame::Damaged(_) | Frame::Sorted { .. } | Frame::Refused(_) => {}
            }
        }
        frames.shrink_to(IRC_FEED_BYTES_PER_STEP);
        self.feeds.frames = frames;
        // One that cannot keep up must not keep the others from their turn.
        self.feeds.is_behind |= matches!(slice, Slice::More | Slice::Blocked);
        self.feeds.pass(key);
        FeedStep::More
    }

    /// Takes one step of a feed's cursor, within its pace.
    fn slice_feed<S: Store>(
        &mut self,
        key: FeedKey,
        segment: &Segment<S>,
        tools: &mut Tools<'_>,
        (mono, wall): (Mono, Wall),
        frames: &mut Vec<u8>,
    ) -> Slice {
        let Some(feed) = self.feeds.feeds.get_mut(&key) else { return Slice::CaughtUp };
        let quota = feed.quota(key.0);
        let Some(cursor) = &mut feed.cursor else { return Slice::CaughtUp };
        if quota == u64::MAX {
            cursor.set_quota(quota);
        } else if feed.refill_at.is_some_and(|at| at <= mono) && feed.skipped == 0 {
            cursor.set_quota(quota);
            feed.refill_at = None;
        }
        let room = IRC_FEED_BYTES_PER_STEP;
        let scanned = cursor.scanned_bytes();
        let slice = cursor.slice(segment, frames, room, tools.time);
        tools.metrics.scanned_bytes += cursor.scanned_bytes() - scanned;
        if cursor.quota() < quota && feed.refill_at.is_none() {
            feed.refill_at = Some(mono + SECOND);
        }
        match (cursor.take_passed(), key.0) {
            (0, _) => {}
            (passed, Listener::Alert(number)) => self.count_alert(number, passed, (mono, wall)),
            (passed, _) => self.leave_out(key, passed, mono),
        }
        slice
    }

    /// Counts lines that a feed does not say.
    fn leave_out(&mut self, key: FeedKey, lines: u64, mono: Mono) {
        if matches!(key.0, Listener::Alert(_)) {
            // Nobody knows how many of them it would have counted.
            return;
        }
        let Some(feed) = self.feeds.feeds.get_mut(&key) else { return };
        feed.skipped += lines;
        feed.left_out += lines;
        self.feeds.skipped += lines;
        let at = *feed.refill_at.get_or_insert(mono + SECOND);
        self.feeds.owes_at = Some(self.feeds.owes_at.map_or(at, |soonest| soonest.min(at)));
    }

    /// Says how many lines were left out, wherever a second is over in which some were.
    fn tell_skipped(&mut self, mono: Mono, wall: Wall) {
        if self.feeds.owes_at.is_none_or(|at| at > mono) {
            return;
        }
        self.feeds.owes_at = None;
        let owing = self.feeds.feeds.iter().filter(|(_, feed)| feed.skipped > 0);
        let owing: Vec<_> = owing.map(|(key, _)| *key).collect();
        for key in owing {
            let Some(feed) = self.feeds.feeds.get_mut(&key) else { continue };
            match feed.refill_at {
                Some(at) if at > mono => {
                    let soonest = self.feeds.owes_at.map_or(at, |soonest| soonest.min(at));
                    self.feeds.owes_at = Some(soonest);
                    continue;
                }
                _ => {}
            }
            let skipped = std::mem::take(&mut feed.skipped);
            feed.refill_at = None;
            let quota = feed.quota(key.0);
            if let Some(cursor) = &mut feed.cursor {
                cursor.set_quota(quota);
            }
            let text = format!("… {} lines skipped", thousands(skipped));
            self.say(key.0, text.as_bytes(), wall);
        }
    }
}

#[cfg(test)]
mod tests;
