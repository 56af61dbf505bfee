//! `!logstream` and `!logfilter`: which records LogBot says where.
//!
//! In a log channel all its members may say what is said there. In any other its operators may,
//! of whom the first is who comes first; LogBot is a member for as long as it has something to say.

use jiff::tz::TimeZone;

use super::super::UserId;
use super::super::channel::{ChannelId, Member, Topic};
use super::super::commands::{Call, Outcome};
use super::super::feeds::{self, Listener, open_log_channel, question_of};
use super::super::saying::{Place, Reply};
use super::super::server::{Irc, LOG_BOT_NICK, Post};
use super::super::user::LOG_BOT;
use super::{first_word, say, usage};
use crate::clock::Wall;
use crate::limits::{IRC_ANSWER_LINES, IRC_CHANNELS_MAX, IRC_FILTERS_MAX, IRC_TOPIC_BYTES_MAX};
use crate::proto::irc::names::is_channel;
use crate::proto::irc::outgoing::cut_at_character;
use crate::query::{TimeContext, number, quote, unquote};

/// The words of `!logstream` that name levels, and what they ask for.
const LEVELS: [(&str, &str); 5] = [
    ("all", ""),
    ("error", "level>=error"),
    ("warning", "level>=warning"),
    ("info", "level>=info"),
    ("debug", "level>=debug"),
];

/// What a stream becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Level(&'static str),
    Full,
    Off,
}

impl Stream {
    fn read(word: &[u8]) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        match &word[..] {
            b"full" => Some(Self::Full),
            b"off" => Some(Self::Off),
            _ => LEVELS
                .iter()
                .find(|(name, _)| name.as_bytes() == word)
                .map(|(_, level)| Self::Level(level)),
        }
    }
}

/// `!logstream [#channel] all|error|warning|info|debug|off|full`
pub(super) fn logstream(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    let (first, rest) = first_word(words);
    let (channel, word) = match reply.place {
        _ if first.starts_with(b"#") => match call.irc.find_channel(first) {
            Some(id) => (Some(id), rest),
            None => return say(call, reply, "ERROR: there is no such channel"),
        },
        Place::Channel(id) => (Some(id), words),
        Place::Private => (None, words),
    };
    let Some(stream) = Stream::read(word) else { return usage(call, reply, "logstream") };
    match channel {
        None => stream_to_user(call, reply, stream),
        Some(id) => match call.irc.check_manager(call.user, id) {
            Ok(()) => stream_to_channel(call, reply, id, stream),
            Err(reason) => say(call, reply, reason),
        },
    }
}

const NOT_OPERATOR: &str = "ERROR: only operators of the channel may do that";

const NOT_INSIDE: &str = "ERROR: only who is in a log channel may do that: JOIN it first";

const TOO_MANY: &str = "ERROR: there are too many channels, filters and streams";

fn stream_to_user(call: &mut Call<'_>, reply: Reply, stream: Stream) -> Outcome {
    let listener = Listener::User(call.user);
    if stream == Stream::Off {
        call.irc.feeds.remove((listener, 0));
        return say(call, reply, "you are sent no lines any more");
    }
    if !call.irc.feeds.has(listener) && !call.irc.feeds.add((listener, 0), String::new()) {
        return say(call, reply, TOO_MANY);
    }
    let said = set_stream(call.irc, listener, stream);
    let text = format!("you are sent {said}; !logstream off ends it");
    say(call, reply, &text)
}

fn stream_to_channel(call: &mut Call<'_>, reply: Reply, id: ChannelId, stream: Stream) -> Outcome {
    let listener = Listener::Channel(id);
    let has_own = call.irc.feeds.of(listener).any(|(number, _)| number == 0);
    if !has_own && stream != Stream::Off && !call.irc.feeds.add((listener, 0), String::new()) {
        return say(call, reply, TOO_MANY);
    }
    let said = set_stream(call.irc, listener, stream);
    if stream != Stream::Off {
        enter(call.irc, id, call.wall);
    }
    announce(call, reply, id, &format!("here I say {said}"));
    let is_log = call.irc.channel(id).is_some_and(|channel| channel.is_log);
    if stream == Stream::Off && !is_log {
        call.irc.feeds.remove((listener, 0));
    }
    settle(call.irc, id, call.wall);
    Outcome::Done
}

/// Changes a listener's own feed, not its filters: what is said now, in words.
fn set_stream(irc: &mut Irc, listener: Listener, stream: Stream) -> String {
    let has_filters = irc.feeds.of(listener).any(|(number, feed)| number > 0 && !feed.is_off);
    let name = match listener {
        Listener::Channel(id) => irc.channel(id).map(|channel| channel.name.clone()),
        _ => None,
    };
    let name = name.unwrap_or_default();
    let mut question = String::new();
    if let Some((_, feed)) = irc.feeds.of_mut(listener).find(|(number, _)| *number == 0) {
        feed.is_off = stream == Stream::Off;
        feed.is_full = stream == Stream::Full;
        if let Stream::Level(level) = stream {
            feed.level = level;
            feed.restart();
        }
        question = feeds::shown(&name, &feed.question());
    }
    match stream {
        Stream::Off if has_filters => String::from("nothing but what the filters find"),
        Stream::Off => String::from("nothing"),
        Stream::Full if question.is_empty() => String::from("all of it, however much it is"),
        Stream::Full => format!("all of it, however much it is: {question}"),
        Stream::Level(_) if question.is_empty() => String::from("every line, within a rate"),
        Stream::Level("") => format!("what the channel is about: {question}"),
        Stream::Level(_) => format!("lines of {question}"),
    }
}

impl Irc {
    /// Whether `user` may say what LogBot says in a channel: in a log channel its members, in
    /// another its operators; anybody, where nobody but LogBot is in it.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn check_manager(&self, user: UserId, id: ChannelId) -> Result<(), &'static str> {
        let Some(channel) = self.channel(id) else { return Err(NOT_OPERATOR) };
        match channel.is_log {
            true if channel.has(user) => Ok(()),
            true => Err(NOT_INSIDE),
            false if channel.is_operator(user) || !channel.has_people() => Ok(()),
            false => Err(NOT_OPERATOR),
        }
    }
}

/// Says in a channel who has changed what; and to who did it, where that was elsewhere.
fn announce(call: &mut Call<'_>, reply: Reply, id: ChannelId, text: &str) {
    let nick = call.irc.nick(call.user);
    let said = [&nick[..], b": ", text.as_bytes()].concat();
    call.irc.say(Listener::Channel(id), &said, call.wall);
    if reply.place != Place::Channel(id) {
        let name = call.irc.channel_name(id);
        let text = format!("{}: {text}", String::from_utf8_lossy(&name));
        call.irc.answer(reply, &text, call.wall);
    }
}

/// LogBot comes into a channel, where it is not in it.
pub(super) fn enter(irc: &mut Irc, id: ChannelId, wall: Wall) {
    let prefix = irc.bot_prefix();
    let Some(channel) = irc.channel(id).filter(|channel| !channel.has(LOG_BOT)) else { return };
    let mut post = Post::event(wall);
    post.line(&prefix, "JOIN").param(&channel.name).end();
    irc.send_channel(id, None, &post);
    irc.enter(LOG_BOT, id, Member::default());
}

/// Lets a channel be as what is said there makes it: it stays while it has filters or alerts, its
/// topic names them, and LogBot leaves one where it has nothing to say.
pub(super) fn settle(irc: &mut Irc, id: ChannelId, wall: Wall) {
    let has_filters = irc.feeds.of(Listener::Channel(id)).any(|(number, _)| number > 0);
    let has_feeds = irc.feeds.has(Listener::Channel(id));
    let has_alerts = irc.bot.alerts.are_in(id);
    let Some(channel) = irc.channel_mut(id) else { return };
    channel.stays = has_filters || has_alerts || feeds::is_standing(&channel.name);
    let (stays, is_log) = (channel.stays, channel.is_log);
    // A topic that people have set stays.
    let is_bots = channel.topic.as_ref().is_none_or(|topic| topic.by == LOG_BOT_NICK);
    let names_filters = is_log || (is_bots && channel.is_operator(LOG_BOT));
    let (has_people, has_bot) = (channel.has_people(), channel.has(LOG_BOT));
    if names_filters {
        set_topic(irc, id, wall);
    }
    let is_idle = !is_log && has_bot && !has_feeds && !has_alerts;
    if is_idle && has_people {
        let mut post = Post::event(wall);
        let prefix = irc.bot_prefix();
        let name = irc.channel_name(id);
        post.line(&prefix, "PART").param(&name).end();
        irc.send_channel(id, None, &post);
    }
    if is_idle || !(stays || has_people) {
        irc.leave(LOG_BOT, id);
    }
}

/// The topic of a channel that LogBot opened says what is said there.
fn set_topic(irc: &mut Irc, id: ChannelId, wall: Wall) {
    let name = irc.channel_name(id);
    let parts = irc.feeds.of(Listener::Channel(id)).map(|(number, feed)| {
        let shown = feeds::shown(&name, &feed.words);
        let words = if shown.is_empty() { "every line" } else { &shown };
        let off = if feed.is_off { " (off)" } else { "" };
        // What the name says is on again once nobody is there any more.
        if number == 0 { words.to_owned() } else { format!("{number}: {words}{off}") }
    });
    let text = parts.collect::<Vec<_>>().join(" | ");
    let text = cut_at_character(text.as_bytes(), IRC_TOPIC_BYTES_MAX).to_vec();
    let (prefix, by) = (irc.bot_prefix(), LOG_BOT_NICK.to_vec());
    let Some(channel) = irc.channel_mut(id) else { return };
    if channel.topic.as_ref().map_or(&b""[..], |topic| &topic.text) == text {
        return;
    }
    let mut post = Post::event(wall);
    post.line(&prefix, "TOPIC").param(&channel.name).trailing(&text).end();
    channel.topic = (!text.is_empty()).then_some(Topic { text, by, at: wall });
    irc.send_channel(id, None, &post);
}

/// The channel of this name, opened where there is none.
///
/// # Errors
/// Why it cannot be had, in words: it is no name, there are too many, `user` may not say what is
/// said there.
pub(super) fn channel_for(
    irc: &mut Irc,
    user: UserId,
    name: &[u8],
    wall: Wall,
) -> Result<ChannelId, String> {
    match irc.find_channel(name) {
        Some(id) => irc.check_manager(user, id).map(|()| id).map_err(str::to_owned),
        None if question_of(name).is_some() => Err(NOT_INSIDE.to_owned()),
        None => open(irc, name, wall),
    }
}

/// Opens a channel that LogBot has something to say in.
///
/// # Errors
/// Why not, in words.
pub(super) fn open(irc: &mut Irc, name: &[u8], wall: Wall) -> Result<ChannelId, String> {
    if !is_channel(name) {
        return Err(String::from("ERROR: that is no channel's name (allowed: #name)"));
    }
    if irc.channels.len() >= IRC_CHANNELS_MAX {
        return Err(TOO_MANY.to_owned());
    }
    if question_of(name).is_some() {
        return open_log_channel(irc, name, wall).ok_or_else(|| TOO_MANY.to_owned());
    }
    let id = irc.open_channel(name, wall);
    if let Some(channel) = irc.channel_mut(id) {
        channel.modes.is_closed_outside = true;
        channel.modes.is_topic_locked = true;
    }
    irc.enter(LOG_BOT, id, Member { is_operator: true, has_voice: false });
    Ok(id)
}

/// `!logfilter add #channel keyword|regex PATTERN | del ID | list | off|on [#channel]`
pub(super) fn logfilter(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    let (first, rest) = first_word(words);
    match &first.to_ascii_lowercase()[..] {
        b"add" => add(call, reply, rest),
        b"del" => delete(call, reply, rest),
        b"list" => list(call, reply),
        b"off" => switch(call, reply, rest, true),
        b"on" => switch(call, reply, rest, false),
        _ => usage(call, reply, "logfilter"),
    }
}

fn add(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    let (name, rest) = first_word(words);
    let (kind, pattern) = first_word(rest);
    let parameter = match &kind.to_ascii_lowercase()[..] {
        b"keyword" => "keyword=",
        b"regex" => "regex=",
        _ => return usage(call, reply, "logfilter"),
    };
    let pattern = match pattern {
        [b'\'', inside @ .., b'\''] => inside.to_vec(),
        _ => unquote(pattern),
    };
    let mut words = parameter.as_bytes().to_vec();
    quote(&pattern, &mut words);
    let Ok(words) = String::from_utf8(words) else {
        return say(call, reply, "ERROR: the pattern is not UTF-8");
    };
    if let Err(error) = feeds::parse(&words, &TimeContext::new(call.wall, &TimeZone::UTC)) {
        return say(call, reply, &format!("ERROR: {error}"));
    }
    if call.irc.bot.awaits_restore {
        return say(call, reply, "ERROR: the segment is not open yet (try again in a moment)");
    }
    if call.irc.feeds.filters().count() >= IRC_FILTERS_MAX {
        let text = format!("ERROR: there are {IRC_FILTERS_MAX} filters already, none may be added");
        return say(call, reply, &text);
    }
    let id = match channel_for(call.irc, call.user, name, call.wall) {
        Ok(id) => id,
        Err(reason) => return say(call, reply, &reason),
    };
    let number = call.irc.next_number();
    if !call.irc.feeds.add((Listener::Channel(id), number), words.clone()) {
        settle(call.irc, id, call.wall);
        return say(call, reply, TOO_MANY);
    }
    enter(call.irc, id, call.wall);
    settle(call.irc, id, call.wall);
    call.irc.bot.is_changed = true;
    announce(call, reply, id, &format!("filter {number} says {words} here"));
    Outcome::Done
}

fn delete(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    let wanted = number(words.strip_prefix(b"#").unwrap_or(words), 1);
    let found = call.irc.feeds.filters().find(|(_, number, _)| Some(u64::from(*number)) == wanted);
    let Some((id, number)) = found.map(|(id, number, _)| (id, number)) else {
        return say(call, reply, "ERROR: there is no filter of that number: !logfilter list");
    };
    if let Err(reason) = call.irc.check_manager(call.user, id) {
        return say(call, reply, reason);
    }
    announce(call, reply, id, &format!("filter {number} is gone"));
    call.irc.feeds.remove((Listener::Channel(id), number));
    call.irc.bot.is_changed = true;
    settle(call.irc, id, call.wall);
    Outcome::Done
}

fn list(call: &mut Call<'_>, reply: Reply) -> Outcome {
    let about = |(id, number, feed): (ChannelId, u32, &feeds::Feed)| {
        let channel = call.irc.channel(id)?;
        let off = if feed.is_off { " (off)" } else { "" };
        let name = String::from_utf8_lossy(&channel.name);
        Some(format!("{number} {name} {}{off}", feed.words))
    };
    let mut lines: Vec<_> = call.irc.feeds.filters().filter_map(about).collect();
    let most = IRC_ANSWER_LINES as usize;
    if matches!(reply.place, Place::Channel(_)) && lines.len() > most {
        let more = lines.len() - most;
        lines.truncate(most);
        lines.push(format!("… and {more} more: /msg LogBot logfilter list"));
    }
    if lines.is_empty() {
        return say(call, reply, "there are no filters");
    }
    for line in lines {
        say(call, reply, &line);
    }
    Outcome::Done
}

/// Silences the filters of a channel, or lets them speak again.
fn switch(call: &mut Call<'_>, reply: Reply, name: &[u8], is_off: bool) -> Outcome {
    let id = match (reply.place, name) {
        (Place::Channel(id), []) => Some(id),
        _ => call.irc.find_channel(name),
    };
    let Some(id) = id else { return say(call, reply, "ERROR: there is no such channel") };
    if let Err(reason) = call.irc.check_manager(call.user, id) {
        return say(call, reply, reason);
    }
    let mut count = 0;
    for (_, feed) in call.irc.feeds.of_mut(Listener::Channel(id)).filter(|(one, _)| *one > 0) {
        feed.is_off = is_off;
        count += 1;
    }
    if count == 0 {
        return say(call, reply, "there are no filters in this channel");
    }
    call.irc.bot.is_changed = true;
    settle(call.irc, id, call.wall);
    let state = if is_off { "off" } else { "on" };
    let filters = if count == 1 { "filter is" } else { "filters are" };
    announce(call, reply, id, &format!("{count} {filters} {state}"));
    Outcome::Done
}
