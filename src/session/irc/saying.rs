//! What LogBot says: records and words of its own, to those who hear a feed, and to who asked.
//!
//! A record is made into lines twice at most, with colours and without, however many hear it.

use super::channel::ChannelId;
use super::feeds::Listener;
use super::line::{Shape, each_piece, harmless, split};
use super::server::{Irc, LOG_BOT_NICK, Post};
use super::user::{LOG_BOT, UserId};
use crate::clock::Wall;
use crate::limits::{IRC_LINE_BYTES_MAX, IRC_PIECES_PER_RECORD_MAX};
use crate::query::FramedRecord;
use crate::session::walk::Tools;

/// Where something was said to LogBot, and is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a channel, in front of everybody.
    Channel(ChannelId),
    /// To LogBot alone.
    Private,
}

/// Who gets an answer, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who asked.
    pub asker: UserId,
    /// Where.
    pub place: Place,
    /// As NOTICE, which no program answers; else as PRIVMSG.
    pub is_notice: bool,
}

impl Reply {
    /// Who hears it.
    fn listener(self) -> Listener {
        match self.place {
            Place::Channel(id) => Listener::Channel(id),
            Place::Private => Listener::User(self.asker),
        }
    }

    /// The same answer to the asker alone.
    pub fn in_private(self) -> Self {
        Self { place: Place::Private, ..self }
    }

    fn command(self) -> &'static str {
        if self.is_notice { "NOTICE" } else { "PRIVMSG" }
    }

    /// A line of the answer. Who asked waits until there is room for it; others in a channel who
    /// cannot keep up do without.
    fn post(self, wall: Wall) -> Post {
        match self.place {
            Place::Channel(_) => Post::remark(wall),
            Place::Private => Post::event(wall),
        }
    }
}

/// How a record is said.
#[derive(Clone, Copy, Debug)]
pub struct Voice<'v> {
    /// The channel or the nick it is said to.
    pub target: &'v [u8],
    /// `PRIVMSG` or `NOTICE`.
    pub command: &'static str,
    /// With colours.
    pub has_colors: bool,
}

/// The id of the message that says piece `at` of a record: its number, and from the second piece
/// on which one.
pub fn record_id(record: &FramedRecord<'_>, at: usize) -> Vec<u8> {
    match at {
        0 => format!("{}", record.seq.0),
        more => format!("{}-{}", record.seq.0, more + 1),
    }
    .into_bytes()
}

impl Irc {
    /// Says one line as LogBot, which no record stands behind.
    pub fn say(&mut self, listener: Listener, text: &[u8], wall: Wall) {
        self.say_as("PRIVMSG", listener, text, wall);
    }

    /// Says one line as LogBot with this command.
    pub fn say_as(&mut self, command: &str, listener: Listener, text: &[u8], wall: Wall) {
        let id = self.next_message_id();
        let mut post = Post::message(wall, id, b"");
        let source = self.bot_prefix();
        let Some(target) = self.target_of(listener) else { return };
        post.line(&source, command).param(&target).trailing(text).end();
        self.send_to(listener, &post, |_| true);
    }

    /// Says a record as LogBot.
    pub(super) fn say_record(
        &mut self,
        listener: Listener,
        record: &FramedRecord<'_>,
        tools: &mut Tools<'_>,
    ) {
        let blank = |at| Post::message(record.received_ns, record_id(record, at), b"");
        self.say_shaped((listener, "PRIVMSG"), record, tools, blank);
    }

    /// Answers with a record.
    pub fn answer_record(
        &mut self,
        reply: Reply,
        record: &FramedRecord<'_>,
        tools: &mut Tools<'_>,
        wall: Wall,
    ) {
        let whom = (reply.listener(), reply.command());
        self.say_shaped(whom, record, tools, |_| reply.post(wall));
    }

    /// Says a record to those who want colours and those who do not.
    fn say_shaped(
        &mut self,
        (listener, command): (Listener, &'static str),
        record: &FramedRecord<'_>,
        tools: &mut Tools<'_>,
        blank: impl Fn(usize) -> Post,
    ) {
        let Some(target) = self.target_of(listener) else { return };
        for has_colors in [true, false] {
            if !self.has_reader(listener, has_colors) {
                continue;
            }
            let voice = Voice { target: &target, command, has_colors };
            for post in self.record_posts(voice, record, tools, &blank) {
                self.send_to(listener, &post, |is_plain| is_plain != has_colors);
            }
        }
    }

    /// A record as lines of LogBot; `blank` gives the message for each of them.
    pub fn record_posts(
        &mut self,
        voice: Voice<'_>,
        record: &FramedRecord<'_>,
        tools: &mut Tools<'_>,
        blank: impl Fn(usize) -> Post,
    ) -> Vec<Post> {
        let (source, mut posts) = (self.bot_prefix(), Vec::new());
        let bytes_max = room(&source, voice.command, voice.target);
        let shape = Shape { bytes_max, has_colors: voice.has_colors };
        let mut text = std::mem::take(&mut self.feeds.text);
        each_piece(record, shape, tools.time, &mut text, |piece| {
            let mut post = blank(posts.len());
            post.line(&source, voice.command).param(voice.target).trailing(piece).end();
            posts.push(post);
        });
        self.feeds.text = text;
        posts
    }

    /// Answers with words, in a few lines where they are long.
    pub fn answer(&mut self, reply: Reply, text: &str, wall: Wall) {
        let listener = reply.listener();
        let Some(target) = self.target_of(listener) else { return };
        let source = self.bot_prefix();
        let bytes_max = room(&source, reply.command(), &target);
        let mut shown = Vec::new();
        harmless(text.as_bytes(), bytes_max * IRC_PIECES_PER_RECORD_MAX, &mut shown);
        let mut posts = Vec::new();
        split(&mut shown, bytes_max, |piece| {
            let mut post = reply.post(wall);
            post.line(&source, reply.command()).param(&target).trailing(piece).end();
            posts.push(post);
        });
        for post in posts {
            self.send_to(listener, &post, |_| true);
        }
    }

    /// LogBot as the source of what it says.
    pub fn bot_prefix(&self) -> Vec<u8> {
        self.user(LOG_BOT).map_or_else(|| LOG_BOT_NICK.to_vec(), |bot| bot.prefix())
    }

    /// Whether the asker of `reply` is there to get an answer, and where it asked.
    pub fn hears(&self, reply: Reply) -> bool {
        let is_there = self.user(reply.asker).is_some_and(|user| !user.is_gone);
        is_there
            && match reply.place {
                Place::Channel(id) => self.channel(id).is_some_and(|one| one.has(reply.asker)),
                Place::Private => true,
            }
    }

    /// Where what is said to a listener goes.
    fn target_of(&self, listener: Listener) -> Option<Vec<u8>> {
        match listener {
            Listener::Channel(id) => self.channel(id).map(|channel| channel.name.clone()),
            Listener::User(id) => self.user(id).map(|user| user.nick.clone()),
            Listener::Alert(_) => None,
        }
    }

    /// Whether somebody who hears it wants colours, or none.
    fn has_reader(&self, listener: Listener, has_colors: bool) -> bool {
        let is_one = |id: &UserId| {
            self.user(*id)
                .is_some_and(|user| user.connection.is_some() && user.is_plain != has_colors)
        };
        match listener {
            Listener::Channel(id) => {
                self.channel(id).is_some_and(|channel| channel.members.keys().any(is_one))
            }
            Listener::User(id) => is_one(&id),
            Listener::Alert(_) => false,
        }
    }

    /// Sends to those who hear `listener` and of whom `wants` says so, asked whether they want no
    /// colours.
    fn send_to(&mut self, listener: Listener, post: &Post, wants: impl Fn(bool) -> bool) {
        match listener {
            Listener::Channel(id) => {
                self.send_members(id, post, |_, user| wants(user.is_plain));
            }
            Listener::User(id) => {
                if self.user(id).is_some_and(|user| wants(user.is_plain)) {
                    self.send(id, post);
                }
            }
            Listener::Alert(_) => {}
        }
    }
}

/// Bytes that are left for the text of a line: `:source COMMAND target :text` and CR LF.
fn room(source: &[u8], command: &str, target: &[u8]) -> usize {
    let around = source.len() + command.len() + target.len() + b":   :\r\n".len();
    IRC_LINE_BYTES_MAX.saturating_sub(around)
}

/// A number with commas, as people read it.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
