//! Somebody on the IRC server: a client, registered or not yet, or LogBot.

use super::asking::More;
use super::channel::ChannelId;
use super::unfinished::Unfinished;
use crate::clock::{Mono, Wall};
use crate::limits::{
    IRC_OUT_BYTES_ALL, IRC_OUT_BYTES_MAX, IRC_OUT_BYTES_SHARE_MIN, IRC_OUT_BYTES_SOFT,
};
use crate::proto::irc::Secret;
use crate::proto::irc::caps::CapSet;

/// A user's id. Nobody else has it, neither while its user is there nor later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub usize);

/// LogBot's, who is there from the start and never goes.
pub const LOG_BOT: UserId = UserId(0);

/// One user.
#[derive(Debug)]
pub struct User {
    /// Whose connection it is, in the words of whoever serves it; `None` of LogBot.
    pub connection: Option<usize>,
    /// As chosen; empty until it is.
    pub nick: Vec<u8>,
    /// The user name that `USER` said; empty until it does.
    pub name: Vec<u8>,
    /// The real name.
    pub real_name: Vec<u8>,
    /// The address it comes from, as others see it.
    pub host: Vec<u8>,
    /// Registration is complete: others see it.
    pub is_registered: bool,
    /// Registration waits for `CAP END`.
    pub is_negotiating: bool,
    /// What came as the password, until registration looks at it.
    pub password: Option<Secret>,
    /// Capabilities it has asked for.
    pub caps: CapSet,
    /// `CAP LS 302` or later was said.
    pub is_cap_302: bool,
    /// User mode `i`: not shown to those who share no channel.
    pub is_invisible: bool,
    /// User mode `B`: a bot.
    pub is_bot: bool,
    /// User mode `w`: would be told of WALLOPS, which nobody can send.
    pub wants_wallops: bool,
    /// Why it is away; `None` = here.
    pub away: Option<Vec<u8>>,
    /// Where it is a member.
    pub channels: Vec<ChannelId>,
    /// When it came.
    pub signed_on: Wall,
    /// When it last spoke to somebody, for its idle time.
    pub spoke: Mono,
    /// Colours are left out of log lines that it is sent.
    pub is_plain: bool,
    /// Nicks whose coming and going it is told of, as it wrote them.
    pub watched: Vec<Vec<u8>>,
    /// Messages left out since it could not keep up.
    pub skipped: u64,
    /// What its last command has still to do, before the next is done.
    pub unfinished: Option<Unfinished>,
    /// What `!more` would go on with.
    pub more: Option<Box<More>>,
    /// The label of the question that the records are to answer, until there is something to put it
    /// on.
    pub(super) label: Option<Vec<u8>>,
    /// The batch that says what comes of that command, where the command had a label.
    pub(super) label_batch: Option<Vec<u8>>,
    /// It has been said goodbye to: it takes part in nothing any more.
    pub is_gone: bool,
    /// What it is to be sent, until the connection takes it.
    pub out: Vec<u8>,
    /// Bytes that its connection has still to send.
    pub backlog: usize,
    /// Memory that its backlog was counted with.
    held: usize,
    /// How much may wait before messages are left out.
    out_bytes_max: usize,
    /// More waits for it than its share of what may wait for all.
    has_too_much: bool,
    /// It stands in the list of those who have something to take.
    pub(super) is_dirty: bool,
}

impl User {
    /// A user of whom nothing is known but the address.
    pub fn new(connection: Option<usize>, host: &[u8], mono: Mono, wall: Wall) -> Self {
        Self {
            connection,
            nick: Vec::new(),
            name: Vec::new(),
            real_name: Vec::new(),
            host: host.to_vec(),
            is_registered: false,
            is_negotiating: false,
            password: None,
            caps: CapSet::default(),
            is_cap_302: false,
            is_invisible: false,
            is_bot: false,
            wants_wallops: false,
            away: None,
            channels: Vec::new(),
            signed_on: wall,
            spoke: mono,
            is_plain: false,
            watched: Vec::new(),
            skipped: 0,
            unfinished: None,
            more: None,
            label: None,
            label_batch: None,
            is_gone: false,
            out: Vec::new(),
            backlog: 0,
            held: 0,
            out_bytes_max: IRC_OUT_BYTES_SOFT,
            has_too_much: false,
            is_dirty: false,
        }
    }

    /// `nick!user@host`, as the source of what it does.
    pub fn prefix(&self) -> Vec<u8> {
        [&self.nick[..], b"!", &self.name, b"@", &self.host].concat()
    }

    /// The nick as replies name it: `*` until there is one.
    pub fn target(&self) -> &[u8] {
        if self.nick.is_empty() { b"*" } else { &self.nick }
    }

    /// Says how much waits for it, in memory of `held` bytes, and what waits for all `clients`
    /// together without it; returns what waits for all with it. The more waits for all, the less
    /// may wait for each.
    pub fn count_backlog(&mut self, held: usize, all: usize, clients: usize) -> usize {
        let all = all - self.held + held;
        self.held = held;
        let share = (IRC_OUT_BYTES_ALL / clients.max(1)).max(IRC_OUT_BYTES_SHARE_MIN);
        let is_tight = all > IRC_OUT_BYTES_ALL / 2;
        self.out_bytes_max =
            if is_tight { IRC_OUT_BYTES_SOFT.min(share / 2) } else { IRC_OUT_BYTES_SOFT };
        self.has_too_much = all > IRC_OUT_BYTES_ALL && self.backlog > share;
        all
    }

    /// Whether messages go through to it; else they are left out and counted.
    pub fn keeps_up(&self) -> bool {
        self.out.len() + self.backlog < self.out_bytes_max
    }

    /// Whether it has taken so much that it may be told what it missed, and be sent messages again.
    pub fn has_caught_up(&self) -> bool {
        self.out.len() + self.backlog < self.out_bytes_max / 4
    }

    /// Whether more waits for it than anybody may have waiting.
    pub fn is_overrun(&self) -> bool {
        self.has_too_much || self.out.len() + self.backlog > IRC_OUT_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_who_never_read_share_one_bound() {
        let clients = IRC_OUT_BYTES_ALL / IRC_OUT_BYTES_MAX * 4;
        let share = IRC_OUT_BYTES_ALL / clients;
        assert!((IRC_OUT_BYTES_SHARE_MIN..IRC_OUT_BYTES_MAX).contains(&share));
        let mut all = 0;
        let (mut tight, mut closed) = (0, 0);
        for _ in 0..clients {
            let mut user = User::new(Some(1), b"host", 0, 0);
            user.backlog = share + 1;
            all = user.count_backlog(share * 2, all, clients);
            assert_eq!(user.is_overrun(), all > IRC_OUT_BYTES_ALL);
            tight += usize::from(!user.keeps_up());
            closed += usize::from(user.is_overrun());
            // Who is closed gives back what it held.
            let held = if user.is_overrun() { 0 } else { share * 2 };
            all = user.count_backlog(held, all, clients);
        }
        assert!(all <= IRC_OUT_BYTES_ALL);
        assert!(closed > 0 && tight > closed, "{tight} left out, {closed} closed");
        let mut reader = User::new(Some(1), b"host", 0, 0);
        assert_eq!(reader.count_backlog(0, all, clients), all);
        assert!(reader.keeps_up() && !reader.is_overrun());
    }
}
