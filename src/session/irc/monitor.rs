//! MONITOR: nicks whose coming and going somebody wants to know. IRCv3 monitor.
//!
//! ```text
//! MONITOR + bob,eve   730 bob!bob@host   bob is here
//!                     731 eve            eve is not
//! ```
//!
//! Who watches keeps the nicks as they were written; [`Monitors`] knows for each folded nick who
//! watches it, so that coming and going costs no more than there are who want to know.

use std::collections::HashMap;

use super::commands::{Call, Outcome, names_of};
use super::server::{Irc, Post, utf8};
use super::user::UserId;
use crate::clock::Wall;
use crate::limits::IRC_MONITOR_MAX;
use crate::proto::irc::Message;
use crate::proto::irc::names::{fold, is_nick, same};
use crate::proto::irc::numeric::{
    ERR_MONLISTFULL, Numeric, RPL_ENDOFMONLIST, RPL_MONLIST, RPL_MONOFFLINE, RPL_MONONLINE,
};

/// Who watches which nick.
#[derive(Debug, Default)]
pub struct Monitors {
    /// By folded nick; nobody twice, and no nick that nobody watches.
    watchers: HashMap<Vec<u8>, Vec<UserId>>,
}

impl Monitors {
    /// Who watches a nick.
    pub fn of(&self, nick: &[u8]) -> &[UserId] {
        self.watchers.get(&fold(nick)).map_or(&[], Vec::as_slice)
    }

    /// Nicks that are watched.
    pub fn len(&self) -> usize {
        self.watchers.len()
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.watchers.is_empty()
    }

    fn add(&mut self, nick: &[u8], watcher: UserId) {
        self.watchers.entry(fold(nick)).or_default().push(watcher);
    }

    fn remove(&mut self, nick: &[u8], watcher: UserId) {
        let key = fold(nick);
        if let Some(watchers) = self.watchers.get_mut(&key) {
            watchers.retain(|one| *one != watcher);
            if watchers.is_empty() {
                self.watchers.remove(&key);
            }
        }
    }
}

impl Irc {
    /// Tells who wants to know that somebody has come, or has this nick now.
    pub fn tell_come(&mut self, id: UserId, wall: Wall) {
        let Some(user) = self.user(id) else { return };
        let (nick, prefix) = (user.nick.clone(), user.prefix());
        self.tell_watchers(&nick, RPL_MONONLINE, &prefix, wall);
    }

    /// Tells who wants to know that nobody has this nick any more.
    pub fn tell_gone(&mut self, nick: &[u8], wall: Wall) {
        self.tell_watchers(nick, RPL_MONOFFLINE, nick, wall);
    }

    fn tell_watchers(&mut self, nick: &[u8], numeric: Numeric, shown: &[u8], wall: Wall) {
        let watchers = self.monitors.of(nick).to_vec();
        let server = self.settings.name.clone();
        let mut post = Post::event(wall);
        for id in watchers {
            let Some(watcher) = self.user(id) else { continue };
            let line = post.line(server.as_bytes(), numeric.code()).param(watcher.target());
            line.trailing(shown).end();
            self.send(id, &post);
        }
    }

    /// Somebody watches nobody any more.
    pub fn stop_watching(&mut self, id: UserId) {
        let watched = self.user_mut(id).map(|user| std::mem::take(&mut user.watched));
        for nick in watched.unwrap_or_default() {
            self.monitors.remove(&nick, id);
        }
    }
}

/// `MONITOR +|- nicks`, `MONITOR C|L|S`.
pub fn monitor(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let list = message.param(1).unwrap_or_default();
    match message.param(0).unwrap_or_default() {
        b"+" | b"-" if names_of(list).next().is_none() => {
            return call.lacks_params("MONITOR");
        }
        b"+" => watch(call, list),
        b"-" => {
            for nick in names_of(list) {
                unwatch(call, nick);
            }
        }
        b"C" | b"c" => call.irc.stop_watching(call.user),
        b"L" | b"l" => {
            let watched = watched(call);
            call.irc.reply_words(call.user, RPL_MONLIST, &[], (&watched, b','));
            let text = Some(&b"End of MONITOR list"[..]);
            call.irc.reply(call.user, RPL_ENDOFMONLIST, &[], text);
        }
        b"S" | b"s" => {
            let watched = watched(call);
            tell_of(call, &watched);
        }
        word => {
            let text = "+, -, C, L and S are known";
            call.irc.fail(call.user, "MONITOR", "INVALID_PARAMS", &[word], text);
        }
    }
    Outcome::Done
}

/// What the caller watches, as it was written.
fn watched(call: &Call<'_>) -> Vec<Vec<u8>> {
    call.irc.user(call.user).map(|user| user.watched.clone()).unwrap_or_default()
}

/// Watches nicks from now on, and tells of each whether it is here. What can be nobody's nick, such
/// as a mask, is said not to be, and is not kept.
fn watch(call: &mut Call<'_>, list: &[u8]) {
    let (mut seen, mut left_out) = (Vec::new(), Vec::new());
    for nick in names_of(list) {
        let Some(user) = call.irc.user_mut(call.user) else { return };
        let is_watched = user.watched.iter().any(|one| same(one, nick));
        if is_nick(nick) && !is_watched {
            if user.watched.len() >= IRC_MONITOR_MAX {
                left_out.push(nick);
                continue;
            }
            user.watched.push(nick.to_vec());
            call.irc.monitors.add(nick, call.user);
        }
        seen.push(nick.to_vec());
    }
    tell_of(call, &seen);
    if !left_out.is_empty() {
        let (limit, text) = (IRC_MONITOR_MAX.to_string(), b"Monitor list is full");
        let params = [limit.as_bytes(), &left_out.join(&b","[..])];
        call.irc.reply(call.user, ERR_MONLISTFULL, &params, Some(text));
    }
}

fn unwatch(call: &mut Call<'_>, nick: &[u8]) {
    if let Some(user) = call.irc.user_mut(call.user) {
        user.watched.retain(|one| !same(one, nick));
        call.irc.monitors.remove(nick, call.user);
    }
}

/// Tells which of the nicks are here, then which are not.
fn tell_of(call: &mut Call<'_>, nicks: &[Vec<u8>]) {
    let (mut here, mut away) = (Vec::new(), Vec::new());
    for nick in nicks {
        match call.irc.find(nick).and_then(|id| call.irc.user(id)) {
            Some(user) => here.push(user.prefix()),
            None => away.push(utf8(nick).into_owned()),
        }
    }
    call.irc.reply_words(call.user, RPL_MONONLINE, &[], (&here, b','));
    call.irc.reply_words(call.user, RPL_MONOFFLINE, &[], (&away, b','));
}

#[cfg(test)]
mod tests;
