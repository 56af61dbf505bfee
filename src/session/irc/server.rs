//! Everybody on the IRC server: users, channels, and how a line reaches them.
//!
//! A line to several is written once, as a [`Post`]. What a user is to be sent waits in its `out`
//! until its connection takes it. Messages and log lines to somebody who cannot keep up are left
//! out, counted, and said; nobody is closed for that alone. Only what says who is where is never
//! left out, and there is a bound to that too.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::VecDeque;

use super::bot::Bot;
use super::channel::{Channel, ChannelId, Member};
use super::feeds::Feeds;
use super::monitor::Monitors;
use super::places::Places;
pub use super::post::{Post, time_tag};
pub use super::saying::thousands;
use super::settings::IrcSettings;
use super::user::{LOG_BOT, User, UserId};
use crate::clock::{Mono, Wall};
use crate::limits::IRC_WHOWAS_MAX;
use crate::proto::irc::caps::Cap;
use crate::proto::irc::names::fold;
use crate::proto::irc::numeric::Numeric;
use crate::proto::irc::outgoing::Outgoing;

pub use crate::proto::irc::names::LOG_BOT as LOG_BOT_NICK;

/// Somebody who was here. RFC 2812, section 3.6.3.
#[derive(Clone, Debug)]
pub struct Gone {
    /// The nick it had.
    pub nick: Vec<u8>,
    /// The user name.
    pub name: Vec<u8>,
    /// The address.
    pub host: Vec<u8>,
    /// The real name.
    pub real_name: Vec<u8>,
    /// When it left, or changed its nick.
    pub at: Wall,
}

/// The IRC server without its sockets.
#[derive(Debug)]
pub struct Irc {
    /// What it was told to be.
    pub settings: IrcSettings,
    /// When it came up.
    pub created: Wall,
    pub(super) users: Places<User>,
    /// Users by folded nick, registered or not.
    pub(super) nicks: HashMap<Vec<u8>, UserId>,
    pub(super) channels: Places<Channel>,
    /// Channels by folded name.
    pub(super) channel_names: HashMap<Vec<u8>, ChannelId>,
    /// The latest first, at most [`IRC_WHOWAS_MAX`].
    pub(super) whowas: VecDeque<Gone>,
    pub(super) feeds: Feeds,
    pub(super) monitors: Monitors,
    pub(super) bot: Bot,
    /// Who has something to take, each once.
    dirty: VecDeque<UserId>,
    /// Registered clients, now and at most.
    pub(super) clients: usize,
    pub(super) clients_most: usize,
    /// Bytes of memory that what waits for all users takes.
    waiting: usize,
    /// Messages that were given a number.
    messages: u64,
    /// Where the answer to the command under way ends in what waits for its user, if before the
    /// end of that.
    pub(super) response_end: Option<usize>,
    /// Messages left out for those who could not keep up.
    pub skipped: u64,
    /// The address of who has just been closed for a wrong password, until somebody notes it.
    pub wrong_password: Option<Vec<u8>>,
    /// Users that were closed since too much waited for them.
    pub overrun: u64,
}

impl Irc {
    /// A server with LogBot and the log channels that stand from the start.
    pub fn new(settings: IrcSettings, mono: Mono, wall: Wall) -> Self {
        let mut irc = Self {
            settings,
            created: wall,
            users: Places::default(),
            nicks: HashMap::new(),
            channels: Places::default(),
            channel_names: HashMap::new(),
            whowas: VecDeque::new(),
            feeds: Feeds::default(),
            monitors: Monitors::default(),
            bot: Bot::default(),
            dirty: VecDeque::new(),
            clients: 0,
            clients_most: 0,
            waiting: 0,
            messages: 0,
            response_end: None,
            skipped: 0,
            wrong_password: None,
            overrun: 0,
        };
        let name = irc.settings.name.clone();
        let mut bot = User::new(None, name.as_bytes(), mono, wall);
        bot.nick = LOG_BOT_NICK.to_vec();
        bot.name = b"logbot".to_vec();
        bot.real_name = b"says log lines; !help tells more".to_vec();
        bot.is_registered = true;
        bot.is_bot = true;
        let id = UserId(irc.users.insert(bot));
        assert_eq!(id, LOG_BOT, "nobody came before LogBot");
        irc.nicks.insert(fold(LOG_BOT_NICK), LOG_BOT);
        irc.open_standing_channels(wall);
        irc
    }

    /// Lets somebody in, who is not registered yet. `connection` is what whoever serves it calls
    /// it by.
    pub fn arrive(&mut self, connection: usize, host: &[u8], mono: Mono, wall: Wall) -> UserId {
        // A host that began with a colon would end the parameters of many a reply.
        let host = if host.starts_with(b":") { [b"0", host].concat() } else { host.to_vec() };
        UserId(self.users.insert(User::new(Some(connection), &host, mono, wall)))
    }

    /// The user, as long as it is there.
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(id.0)
    }

    /// The user, to be changed.
    pub fn user_mut(&mut self, id: UserId) -> Option<&mut User> {
        self.users.get_mut(id.0)
    }

    /// The nick of a user; empty where it has none, or is not there.
    pub(super) fn nick(&self, id: UserId) -> Vec<u8> {
        self.user(id).map(|user| user.nick.clone()).unwrap_or_default()
    }

    /// Who has this nick and is registered.
    pub fn find(&self, nick: &[u8]) -> Option<UserId> {
        let id = *self.nicks.get(&fold(nick))?;
        self.users.get(id.0).is_some_and(|user| user.is_registered).then_some(id)
    }

    /// The channel of this name.
    pub fn find_channel(&self, name: &[u8]) -> Option<ChannelId> {
        self.channel_names.get(&fold(name)).copied()
    }

    /// The channel.
    pub fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(id.0)
    }

    /// The channel, to be changed.
    pub fn channel_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.get_mut(id.0)
    }

    /// The name of a channel; empty where it is not there.
    pub(super) fn channel_name(&self, id: ChannelId) -> Vec<u8> {
        self.channel(id).map(|channel| channel.name.clone()).unwrap_or_default()
    }

    /// Opens a channel of a name that no other has.
    pub fn open_channel(&mut self, name: &[u8], wall: Wall) -> ChannelId {
        let id = ChannelId(self.channels.insert(Channel::new(name, wall)));
        self.channel_names.insert(fold(name), id);
        id
    }

    /// Puts a user into a channel, without telling anybody.
    pub fn enter(&mut self, id: UserId, channel: ChannelId, member: Member) {
        let (Some(place), Some(user)) =
            (self.channels.get_mut(channel.0), self.users.get_mut(id.0))
        else {
            return;
        };
        place.invited.retain(|one| *one != id);
        if place.members.insert(id, member).is_none() {
            user.channels.push(channel);
        }
        self.feeds.members_changed(channel, self.channels.get(channel.0));
    }

    /// Takes `user` out of a channel, without telling anybody. A channel that nobody is left in
    /// ends, unless it stays by itself.
    pub fn leave(&mut self, user: UserId, channel: ChannelId) {
        let Some(place) = self.channels.get_mut(channel.0) else { return };
        place.members.remove(&user);
        if let Some(user) = self.users.get_mut(user.0) {
            user.channels.retain(|one| *one != channel);
        }
        if !place.has_people() && !place.stays {
            if place.has(LOG_BOT)
                && let Some(bot) = self.users.get_mut(LOG_BOT.0)
            {
                bot.channels.retain(|one| *one != channel);
            }
            self.channel_names.remove(&fold(&place.name));
            self.channels.remove(channel.0);
        }
        self.feeds.members_changed(channel, self.channels.get(channel.0));
    }

    /// A connection is over, whatever the reason: tells those who shared a channel, and forgets it.
    /// The first reason counts, where it was said goodbye to before.
    pub fn depart(&mut self, id: UserId, reason: &[u8], wall: Wall) {
        self.say_goodbye(id, reason, wall);
        self.count_backlog(id, 0);
        if id != LOG_BOT {
            self.users.remove(id.0);
        }
    }

    /// Takes a user out of everything; its connection may still have to send its last words.
    pub fn say_goodbye(&mut self, id: UserId, reason: &[u8], wall: Wall) {
        let Some(user) = self.users.get(id.0).filter(|user| !user.is_gone && id != LOG_BOT) else {
            return;
        };
        if user.is_registered {
            let (mut post, nick) = (Post::event(wall), user.nick.clone());
            post.line(&user.prefix(), "QUIT").trailing(reason).end();
            self.send_neighbours(id, &post, |_| true);
            self.tell_gone(&nick, wall);
            self.remember(id, wall);
            self.clients -= 1;
        }
        self.stop_watching(id);
        let Some(user) = self.users.get_mut(id.0) else { return };
        user.is_gone = true;
        let nick = fold(&user.nick);
        for channel in std::mem::take(&mut user.channels) {
            self.leave(id, channel);
        }
        for channel in self.channels.values_mut() {
            channel.invited.retain(|one| *one != id);
        }
        self.feeds.user_gone(id);
        if self.nicks.get(&nick) == Some(&id) {
            self.nicks.remove(&nick);
        }
    }

    /// Keeps what `WHOWAS` tells of a user as it is now.
    pub fn remember(&mut self, id: UserId, wall: Wall) {
        let Some(user) = self.users.get(id.0) else { return };
        let gone = Gone {
            nick: user.nick.clone(),
            name: user.name.clone(),
            host: user.host.clone(),
            real_name: user.real_name.clone(),
            at: wall,
        };
        self.whowas.push_front(gone);
        self.whowas.truncate(IRC_WHOWAS_MAX);
    }

    /// An id for a message of somebody's. Those of records are their numbers.
    pub fn next_message_id(&mut self) -> Vec<u8> {
        self.messages += 1;
        // The time tells the messages of one life of the server from those of another.
        format!("m{:x}-{:x}", self.created / 1_000_000, self.messages).into_bytes()
    }

    /// A name for a batch that no other has.
    pub(super) fn next_batch(&mut self) -> Vec<u8> {
        self.messages += 1;
        format!("r{:x}", self.messages).into_bytes()
    }

    /// Sends one line to `to`.
    pub fn send(&mut self, to: UserId, post: &Post) {
        let Some(user) = self.users.get_mut(to.0) else { return };
        if user.connection.is_none() || user.is_gone {
            return;
        }
        if post.needs_tags && !user.caps.has(Cap::MessageTags) {
            return;
        }
        if post.is_message && (user.skipped > 0 || !user.keeps_up()) {
            user.skipped += 1;
            self.skipped += 1;
            return;
        }
        let mut out = std::mem::take(&mut user.out);
        post.write(user, &mut out);
        user.out = out;
        self.mark(to);
    }

    /// Tells a user how many messages were left out for it, once it takes some again.
    pub fn own_up(&mut self, to: UserId, wall: Wall) {
        let Some(user) = self.users.get_mut(to.0) else { return };
        if user.skipped == 0 || !user.has_caught_up() {
            return;
        }
        let skipped = std::mem::take(&mut user.skipped);
        let text = format!("… {} lines skipped: you were too slow", thousands(skipped));
        let mut post = Post::event(wall);
        let line = post.line(self.settings.name.as_bytes(), "NOTICE").param(&user.nick);
        line.trailing(text.as_bytes()).end();
        self.send(to, &post);
    }

    /// Takes down how much memory what waits for a user takes.
    pub fn count_backlog(&mut self, id: UserId, held: usize) {
        let clients = self.clients;
        if let Some(user) = self.users.get_mut(id.0) {
            self.waiting = user.count_backlog(held, self.waiting, clients);
        }
    }

    /// Bytes of memory that what waits for all users takes.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting
    }

    /// Sends one line to everybody in a channel but `except`.
    pub fn send_channel(&mut self, channel: ChannelId, except: Option<UserId>, post: &Post) {
        self.send_members(channel, post, |id, _| Some(id) != except);
    }

    /// Sends one line to everybody in a channel of whom `wants` says so.
    pub fn send_members(
        &mut self,
        channel: ChannelId,
        post: &Post,
        wants: impl Fn(UserId, &User) -> bool,
    ) {
        let Some(place) = self.channels.get_mut(channel.0) else { return };
        let members = std::mem::take(&mut place.members);
        for id in members.keys() {
            if self.users.get(id.0).is_some_and(|user| wants(*id, user)) {
                self.send(*id, post);
            }
        }
        if let Some(place) = self.channels.get_mut(channel.0) {
            place.members = members;
        }
    }

    /// Sends one line to everybody who shares a channel with `id`, once each, of whom `wants` says
    /// so. Not to `id` itself.
    pub fn send_neighbours(&mut self, id: UserId, post: &Post, wants: impl Fn(&User) -> bool) {
        let Some(user) = self.users.get(id.0) else { return };
        let places = user.channels.iter().filter_map(|one| self.channels.get(one.0));
        let mut readers: Vec<UserId> = places
            .flat_map(|place| place.members.keys().copied())
            .filter(|one| *one != id)
            .collect();
        readers.sort_unstable();
        readers.dedup();
        for reader in readers {
            if self.users.get(reader.0).is_some_and(&wants) {
                self.send(reader, post);
            }
        }
    }

    /// Where an answer of the server to `to` is appended.
    pub fn out(&mut self, to: UserId) -> Option<&mut Vec<u8>> {
        self.mark(to);
        self.users.get_mut(to.0).map(|user| &mut user.out)
    }

    fn mark(&mut self, id: UserId) {
        if let Some(user) = self.users.get_mut(id.0)
            && user.connection.is_some()
            && !std::mem::replace(&mut user.is_dirty, true)
        {
            self.dirty.push_back(id);
        }
    }

    /// Registered clients, channels that one of them is in, and feeds that one hears.
    pub fn counts(&self) -> (usize, usize, usize) {
        let channels = self.channels.iter().filter(|(_, channel)| channel.has_people()).count();
        (self.clients, channels, self.feeds.live())
    }

    /// Log lines said by feeds, each once a feed, and those they left out.
    pub fn feed_counts(&self) -> (u64, u64) {
        (self.feeds.said, self.feeds.skipped)
    }

    /// Whether anybody has something to take.
    pub fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The server ends: a last word to everybody, and nobody is told of anybody's leaving.
    pub fn stop(&mut self, reason: &[u8]) {
        let ids: Vec<_> = self.users.iter().map(|(at, _)| UserId(at)).collect();
        for id in ids {
            if id == LOG_BOT || self.user(id).is_none_or(|user| user.is_gone) {
                continue;
            }
            self.close_link(id, reason);
            if let Some(user) = self.user_mut(id) {
                user.is_gone = true;
                user.channels.clear();
            }
        }
        self.channels = Places::default();
        self.channel_names.clear();
        self.nicks.clear();
    }

    /// The last word to a user: why its connection ends. Modern, "ERROR message".
    pub(super) fn close_link(&mut self, id: UserId, reason: &[u8]) {
        let Some(user) = self.user(id) else { return };
        let text = [b"Closing Link: ", &user.host[..], b" (", reason, b")"].concat();
        if let Some(out) = self.out(id) {
            Outgoing::begin(out, b"", "ERROR").trailing(&text).end();
        }
    }

    /// Somebody who has something to take, once each time.
    pub fn next_dirty(&mut self) -> Option<UserId> {
        let id = self.dirty.pop_front()?;
        if let Some(user) = self.users.get_mut(id.0) {
            user.is_dirty = false;
        }
        Some(id)
    }

    /// Answers `to` with a numeric: its nick, `params`, and `text` behind them where there is some.
    pub fn reply(&mut self, to: UserId, numeric: Numeric, params: &[&[u8]], text: Option<&[u8]>) {
        let name = self.settings.name.clone();
        let Some(user) = self.users.get(to.0) else { return };
        let target = user.target().to_vec();
        let Some(out) = self.out(to) else { return };
        let line = Outgoing::numeric(out, name.as_bytes(), numeric, &target);
        let line = params.iter().fold(line, |line, param| line.param(&utf8(param)));
        match text {
            Some(text) => line.trailing(text).end(),
            None => line.end(),
        }
    }

    /// Answers `to` with words as the last parameter, a `separator` between them, in as many lines
    /// as they need: none where there are no words.
    pub fn reply_words(
        &mut self,
        to: UserId,
        numeric: Numeric,
        params: &[&[u8]],
        (words, separator): (&[Vec<u8>], u8),
    ) {
        let name = self.settings.name.clone();
        let Some(user) = self.users.get(to.0) else { return };
        let target = user.target().to_vec();
        let Some(out) = self.out(to) else { return };
        let mut rest = words;
        while !rest.is_empty() {
            let line = Outgoing::numeric(out, name.as_bytes(), numeric, &target);
            let line = params.iter().fold(line, |line, param| line.param(param));
            let (mut text, room) = (Vec::new(), line.room());
            while let [word, others @ ..] = rest
                && (text.is_empty() || text.len() + 1 + word.len() <= room)
            {
                if !text.is_empty() {
                    text.push(separator);
                }
                text.extend_from_slice(word);
                rest = others;
            }
            line.trailing(&text).end();
        }
    }

    /// Answers `to` that a command failed, and how. IRCv3 standard-replies.
    pub fn fail(&mut self, to: UserId, command: &str, code: &str, context: &[&[u8]], text: &str) {
        let name = self.settings.name.clone();
        let Some(out) = self.out(to) else { return };
        let line = Outgoing::begin(out, name.as_bytes(), "FAIL");
        let line = line.param(command.as_bytes()).param(code.as_bytes());
        let line = context.iter().fold(line, |line, param| line.param(&utf8(param)));
        line.trailing(text.as_bytes()).end();
    }

    /// Says something to `to` as the server.
    pub fn notice(&mut self, to: UserId, text: &str) {
        let name = self.settings.name.clone();
        let Some(user) = self.users.get(to.0) else { return };
        let target = user.target().to_vec();
        if let Some(out) = self.out(to) {
            Outgoing::begin(out, name.as_bytes(), "NOTICE")
                .param(&target)
                .trailing(text.as_bytes())
                .end();
        }
    }
}

/// Text as everybody can read it: what is no UTF-8 in it becomes U+FFFD.
pub fn utf8(text: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}
