//! A channel: who is in it, what its modes say, and which records LogBot says there.

use std::collections::BTreeMap;

use super::user::{LOG_BOT, UserId};
use crate::clock::Wall;
use crate::proto::irc::mask::matches;

/// A channel's id. No other has it, neither while the channel is there nor later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub usize);

/// A member's standing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// `@`
    pub is_operator: bool,
    /// `+`
    pub has_voice: bool,
}

impl Member {
    /// What stands before its nick: the highest sign, or `all` of them (IRCv3 multi-prefix).
    pub fn prefixes(&self, all: bool) -> &'static str {
        match (self.is_operator, self.has_voice) {
            (true, true) if all => "@+",
            (true, _) => "@",
            (false, true) => "+",
            (false, false) => "",
        }
    }
}

/// The modes of a channel. Modern, "Channel Modes".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// `i`: only those who were invited come in.
    pub is_invite_only: bool,
    /// `m`: only those with a voice speak.
    pub is_moderated: bool,
    /// `n`: only members speak.
    pub is_closed_outside: bool,
    /// `s`: not listed to others.
    pub is_secret: bool,
    /// `t`: only operators set the topic.
    pub is_topic_locked: bool,
    /// `k`: what must be said to come in.
    pub key: Option<Vec<u8>>,
    /// `l`: how many members there may be.
    pub limit: Option<u32>,
}

/// A mask of those who may not come in or speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// `nick!user@host` with wildcards.
    pub mask: Vec<u8>,
    /// Who set it.
    pub by: Vec<u8>,
    /// When.
    pub at: Wall,
}

/// What a channel is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The words.
    pub text: Vec<u8>,
    /// Who set it.
    pub by: Vec<u8>,
    /// When.
    pub at: Wall,
}

/// One channel.
#[derive(Debug)]
pub struct Channel {
    /// As its first member wrote it.
    pub name: Vec<u8>,
    /// What it is about.
    pub topic: Option<Topic>,
    /// When it came to be.
    pub created: Wall,
    /// Its modes.
    pub modes: Modes,
    /// `b`
    pub bans: Vec<Ban>,
    /// Who is in it.
    pub members: BTreeMap<UserId, Member>,
    /// Who was invited and has not come yet.
    pub invited: Vec<UserId>,
    /// Whether it is a log channel: LogBot is its operator, and nobody else can be.
    pub is_log: bool,
    /// It is there though nobody is in it.
    pub stays: bool,
}

impl Channel {
    /// A channel without members.
    pub fn new(name: &[u8], wall: Wall) -> Self {
        Self {
            name: name.to_vec(),
            topic: None,
            created: wall,
            modes: Modes::default(),
            bans: Vec::new(),
            members: BTreeMap::new(),
            invited: Vec::new(),
            is_log: false,
            stays: false,
        }
    }

    /// Whether `user` is in it.
    pub fn has(&self, user: UserId) -> bool {
        self.members.contains_key(&user)
    }

    /// Whether `user` is one of its operators.
    pub fn is_operator(&self, user: UserId) -> bool {
        self.members.get(&user).is_some_and(|member| member.is_operator)
    }

    /// Whether somebody other than LogBot is in it.
    pub fn has_people(&self) -> bool {
        self.members.keys().any(|user| *user != LOG_BOT)
    }

    /// How many are in it but LogBot.
    pub fn people(&self) -> usize {
        self.members.len() - usize::from(self.has(LOG_BOT))
    }

    /// Whether `user` may know of it: it is not secret, or the user is in it.
    pub fn is_visible_to(&self, user: UserId) -> bool {
        !self.modes.is_secret || self.has(user)
    }

    /// Whether a ban covers `prefix`, a `nick!user@host`.
    pub fn bans(&self, prefix: &[u8]) -> bool {
        self.bans.iter().any(|ban| matches(&ban.mask, prefix))
    }

    /// Whether `user`, whose `nick!user@host` is `prefix`, may speak here: members unless modes or
    /// bans forbid it, and those outside where `n` is not set. Modern, "Channel Modes".
    pub fn may_speak(&self, user: UserId, prefix: &[u8]) -> bool {
        match self.members.get(&user) {
            Some(member) if member.is_operator || member.has_voice => true,
            None if self.modes.is_closed_outside => false,
            _ => !self.modes.is_moderated && !self.bans(prefix),
        }
    }
}
