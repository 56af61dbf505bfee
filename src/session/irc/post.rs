//! A line on its way to its readers: written once, with each reader's tags before it.

use super::user::User;
use crate::clock::Wall;
use crate::proto::irc::caps::Cap;
use crate::proto::irc::{Outgoing, Tags};

/// One line on its way to its readers, without tags.
#[derive(Debug)]
pub struct Post {
    line: Vec<u8>,
    /// When it was said, as `server-time` spells it.
    time: String,
    /// The message's id, where it has one.
    id: Option<Vec<u8>>,
    /// Client-only tags as they came, `+a=b;+c`.
    client_tags: Vec<u8>,
    /// Whether it may be left out for somebody who cannot keep up.
    pub(super) is_message: bool,
    /// It is from a bot (IRCv3 bot-mode).
    is_from_bot: bool,
    /// It makes no sense without its tags.
    pub(super) needs_tags: bool,
    /// The batch it belongs to.
    batch: Option<Vec<u8>>,
}

impl Post {
    /// A line that says who is where, or what the server has to say: never left out.
    pub fn event(wall: Wall) -> Self {
        Self {
            line: Vec::new(),
            time: time_tag(wall),
            id: None,
            client_tags: Vec::new(),
            is_message: false,
            is_from_bot: false,
            needs_tags: false,
            batch: None,
        }
    }

    /// A message, which has an id and is left out for somebody who cannot keep up.
    pub fn message(wall: Wall, id: Vec<u8>, client_tags: &[u8]) -> Self {
        Self {
            id: Some(id),
            client_tags: client_tags.to_vec(),
            is_message: true,
            ..Self::event(wall)
        }
    }

    /// A line that is left out for somebody who cannot keep up, and has no id.
    pub fn remark(wall: Wall) -> Self {
        Self { is_message: true, ..Self::event(wall) }
    }

    /// Says whether it is from a bot.
    pub fn from_bot(mut self, is_from_bot: bool) -> Self {
        self.is_from_bot = is_from_bot;
        self
    }

    /// Goes only to those who get its tags (`TAGMSG`).
    pub fn only_tags(mut self) -> Self {
        self.needs_tags = true;
        self
    }

    /// Belongs to the batch of this name; is never left out of it.
    pub fn in_batch(mut self, batch: &[u8]) -> Self {
        self.batch = Some(batch.to_vec());
        self.is_message = false;
        self
    }

    /// Begins the line, in place of one that was there before.
    pub fn line(&mut self, source: &[u8], command: &str) -> Outgoing<'_> {
        self.line.clear();
        Outgoing::begin(&mut self.line, source, command)
    }

    /// Takes a line that is written already, with its end, in place of one that was there before.
    pub fn whole_line(&mut self, line: &[u8]) {
        self.line.clear();
        self.line.extend_from_slice(line);
    }

    /// Appends it as `user` gets it.
    pub(super) fn write(&self, user: &User, out: &mut Vec<u8>) {
        let mut tags = Tags::begin(out);
        if let Some(batch) = self.batch.as_ref().filter(|_| user.caps.has(Cap::Batch)) {
            tags = tags.tag("batch", batch);
        }
        if user.caps.has(Cap::ServerTime) {
            tags = tags.tag("time", self.time.as_bytes());
        }
        if user.caps.has(Cap::MessageTags) {
            if let Some(id) = &self.id {
                tags = tags.tag("msgid", id);
            }
            if self.is_from_bot {
                tags = tags.tag("bot", b"");
            }
            let pieces = self.client_tags.split(|&byte| byte == b';');
            tags = pieces.filter(|piece| !piece.is_empty()).fold(tags, Tags::raw);
        }
        tags.end();
        out.extend_from_slice(&self.line);
    }
}

/// A time as IRCv3's server-time spells it: UTC, in milliseconds.
pub fn time_tag(wall: Wall) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(wall)).unwrap_or_default();
    format!("{time:.3}")
}
