//! Who is there: WHO, ISON, USERHOST; and what users say of themselves: AWAY, SETNAME.

use std::ops::Bound;

use super::channel::{ChannelId, Member};
use super::commands::{Call, Outcome};
use super::line::presentable;
use super::server::Post;
use super::unfinished::{self, Unfinished};
use super::user::{LOG_BOT, User, UserId};
use crate::clock::SECOND;
use crate::limits::{
    IRC_AWAY_BYTES_MAX, IRC_MASK_BYTES_MAX, IRC_REAL_NAME_BYTES_MAX, IRC_USERHOSTS_MAX,
    IRC_WHO_ROWS_PER_STEP,
};
use crate::proto::irc::Message;
use crate::proto::irc::caps::Cap;
use crate::proto::irc::mask::matches;
use crate::proto::irc::numeric::{
    Numeric, RPL_ENDOFWHO, RPL_ISON, RPL_NOWAWAY, RPL_UNAWAY, RPL_USERHOST, RPL_WHOREPLY,
    RPL_WHOSPCRPL,
};
use crate::proto::irc::outgoing::cut_at_character;

/// A WHO under way.
#[derive(Debug)]
pub struct Asking {
    /// As it was asked.
    mask: Vec<u8>,
    whom: Whom,
    /// WHOX: which fields, as bits of [`FIELDS`], and what marks the answer.
    fields: Option<(u16, Vec<u8>)>,
    /// Who was looked at last.
    last: Option<UserId>,
}

/// Whom a WHO is about.
#[derive(Clone, Copy, Debug)]
enum Whom {
    Nobody,
    Members(ChannelId),
    One(UserId),
    /// Those whom the mask covers.
    Masked,
}

/// WHOX's fields, in the order in which they are told.
const FIELDS: &[u8] = b"tcuihsnfdlaor";

/// Bytes of what a client marks its WHOX with.
const TOKEN_BYTES_MAX: usize = 3;

/// `WHO [mask [o][%fields[,token]]]`. RFC 2812, section 3.6.1; Modern, "WHO message"; WHOX.
pub fn who(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let mask = match message.param(0).unwrap_or_default() {
        b"" | b"0" => b"*",
        mask => mask,
    };
    let options = message.param(1).unwrap_or_default();
    let (flags, fields) = match memchr::memchr(b'%', options) {
        Some(at) => (&options[..at], Some(fields_of(&options[at + 1..]))),
        None => (options, None),
    };
    let whom = match () {
        // Those who run the server: nobody is one of them here.
        () if flags.contains(&b'o') => Whom::Nobody,
        () if mask.len() > IRC_MASK_BYTES_MAX => Whom::Nobody,
        () if mask.starts_with(b"#") => match call.irc.find_channel(mask) {
            Some(id) if is_open(call, id) => Whom::Members(id),
            _ => Whom::Nobody,
        },
        () => call.irc.find(mask).map_or(Whom::Masked, Whom::One),
    };
    let asking = Asking { mask: mask.to_vec(), whom, fields, last: None };
    unfinished::begin(call, Unfinished::Who(Box::new(asking)));
    Outcome::Done
}

fn is_open(call: &Call<'_>, id: ChannelId) -> bool {
    call.irc.channel(id).is_some_and(|channel| channel.is_visible_to(call.user))
}

/// The fields that WHOX asks for, and its token.
fn fields_of(text: &[u8]) -> (u16, Vec<u8>) {
    let (letters, token) = match memchr::memchr(b',', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    let bit = |letter: &u8| FIELDS.iter().position(|one| one == letter).map(|at| 1 << at);
    let bits = letters.iter().filter_map(bit).fold(0, |bits: u16, bit: u16| bits | bit);
    let is_token = token.len() <= TOKEN_BYTES_MAX && token.iter().all(u8::is_ascii_digit);
    (bits, if is_token && !token.is_empty() { token.to_vec() } else { b"0".to_vec() })
}

/// Tells of the next users: whether there are more to look at. The last tells the end.
pub(super) fn who_next(call: &mut Call<'_>, asking: &mut Asking) -> bool {
    let mut looked_at = 0;
    while looked_at < IRC_WHO_ROWS_PER_STEP {
        let Some((id, member)) = next_of(call, asking) else {
            let text = Some(&b"End of WHO list"[..]);
            call.irc.reply(call.user, RPL_ENDOFWHO, &[&asking.mask], text);
            return false;
        };
        asking.last = Some(id);
        looked_at += 1;
        if is_wanted(call, asking, id) {
            row(call, asking, id, member);
        }
    }
    true
}

/// The user after the last, in the order of their places, so that nobody is told twice.
fn next_of(call: &Call<'_>, asking: &Asking) -> Option<(UserId, Option<Member>)> {
    let after = asking.last.map_or(Bound::Unbounded, Bound::Excluded);
    match asking.whom {
        Whom::Nobody => None,
        Whom::One(id) => asking.last.is_none().then_some((id, None)),
        Whom::Members(channel) => {
            let members = &call.irc.channel(channel)?.members;
            members.range((after, Bound::Unbounded)).next().map(|(id, one)| (*id, Some(*one)))
        }
        Whom::Masked => {
            let next = call.irc.users.next_id(asking.last.map(|last| last.0));
            next.map(|id| (UserId(id), None))
        }
    }
}

/// Whether `call.user` is in a channel with `user`, or is that user.
fn shares_channel(call: &Call<'_>, id: UserId, user: &User) -> bool {
    let mut places = user.channels.iter().filter_map(|one| call.irc.channel(*one));
    id == call.user || places.any(|channel| channel.has(call.user))
}

fn is_wanted(call: &Call<'_>, asking: &Asking, id: UserId) -> bool {
    let Some(user) = call.irc.user(id).filter(|user| user.is_registered && !user.is_gone) else {
        return false;
    };
    match asking.whom {
        Whom::Nobody => false,
        Whom::One(_) => true,
        Whom::Members(_) => !user.is_invisible || shares_channel(call, id, user),
        Whom::Masked => {
            let server = call.irc.settings.name.as_bytes();
            let words = [&user.nick[..], &user.name, &user.host, server, &user.real_name];
            id != LOG_BOT
                && words.into_iter().any(|word| matches(&asking.mask, word))
                && (!user.is_invisible || shares_channel(call, id, user))
        }
    }
}

/// One row of the answer.
fn row(call: &mut Call<'_>, asking: &Asking, id: UserId, member: Option<Member>) {
    let asker = call.irc.user(call.user);
    let has_all = asker.is_some_and(|user| user.caps.has(Cap::MultiPrefix));
    let Some(user) = call.irc.user(id) else { return };
    let channel = match asking.whom {
        Whom::Members(id) => call.irc.channel(id).map(|channel| channel.name.clone()),
        _ => None,
    };
    let channel = channel.unwrap_or_else(|| b"*".to_vec());
    let here = if user.away.is_some() { "G" } else { "H" };
    let signs = member.map_or("", |member| member.prefixes(has_all));
    let flags = [here, signs, if user.is_bot { "B" } else { "" }].concat().into_bytes();
    let (name, nick) = (call.irc.settings.name.clone().into_bytes(), user.nick.clone());
    let (user_name, host) = (user.name.clone(), user.host.clone());
    let Some((fields, token)) = &asking.fields else {
        let real_name = [b"0 ", &user.real_name[..]].concat();
        let params = [&channel[..], &user_name, &host, &name, &nick, &flags];
        return call.irc.reply(call.user, RPL_WHOREPLY, &params, Some(&real_name));
    };
    let idle = (call.mono.saturating_sub(user.spoke) / SECOND).to_string();
    let real_name = user.real_name.clone();
    let value = |letter: u8| match letter {
        b't' => &token[..],
        b'c' => &channel,
        b'u' => &user_name,
        b'i' | b'h' => &host,
        b's' => &name,
        b'n' => &nick,
        b'f' => &flags,
        b'l' => idle.as_bytes(),
        b'o' => b"n/a",
        // `d`, hops; `a`, the account: there is none.
        _ => b"0",
    };
    let asked = FIELDS.iter().enumerate().filter(|(at, _)| fields & (1 << at) != 0);
    let letters: Vec<u8> = asked.map(|(_, letter)| *letter).collect();
    let has_real_name = letters.last() == Some(&b'r');
    let words = letters.iter().filter(|letter| **letter != b'r');
    let params: Vec<&[u8]> = words.map(|letter| value(*letter)).collect();
    let last = has_real_name.then_some(&real_name[..]);
    call.irc.reply(call.user, RPL_WHOSPCRPL, &params, last);
}

/// `ISON nicks`. RFC 2812, section 4.9.
pub fn ison(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let asked = message.params().iter().flat_map(|param| param.split(|&byte| byte == b' '));
    let found = asked.filter(|nick| !nick.is_empty()).filter_map(|nick| call.irc.find(nick));
    let here: Vec<_> = found.filter_map(|id| Some(call.irc.user(id)?.nick.clone())).collect();
    reply_words_or_none(call, RPL_ISON, &here);
    Outcome::Done
}

/// `USERHOST nicks`, at most five. RFC 2812, section 4.8.
pub fn userhost(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let asked = message.params().iter().flat_map(|param| param.split(|&byte| byte == b' '));
    let asked = asked.filter(|nick| !nick.is_empty()).take(IRC_USERHOSTS_MAX);
    let found = asked.filter_map(|nick| call.irc.user(call.irc.find(nick)?));
    let word = |user: &User| {
        let sign: &[u8] = if user.away.is_some() { b"=-" } else { b"=+" };
        [&user.nick, sign, &user.name, b"@", &user.host].concat()
    };
    let words: Vec<_> = found.map(word).collect();
    reply_words_or_none(call, RPL_USERHOST, &words);
    Outcome::Done
}

/// Answers with words, and with an empty text where there are none.
fn reply_words_or_none(call: &mut Call<'_>, numeric: Numeric, words: &[Vec<u8>]) {
    if words.is_empty() {
        call.irc.reply(call.user, numeric, &[], Some(b""));
    }
    call.irc.reply_words(call.user, numeric, &[], (words, b' '));
}

/// `AWAY [text]`. RFC 2812, section 4.1; IRCv3 away-notify.
pub fn away(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let text = message.param(0).unwrap_or_default();
    let text = presentable(text);
    let text = cut_at_character(&text, IRC_AWAY_BYTES_MAX);
    let away = (!text.is_empty()).then(|| text.to_vec());
    let Some(user) = call.irc.user_mut(call.user) else { return Outcome::Done };
    let has_changed = user.away != away;
    user.away.clone_from(&away);
    let prefix = user.prefix();
    if has_changed {
        let mut post = Post::event(call.wall);
        let line = post.line(&prefix, "AWAY");
        match &away {
            Some(text) => line.trailing(text).end(),
            None => line.end(),
        }
        call.irc.send_neighbours(call.user, &post, |user| user.caps.has(Cap::AwayNotify));
    }
    let (numeric, text) = match away {
        Some(_) => (RPL_NOWAWAY, "You have been marked as being away"),
        None => (RPL_UNAWAY, "You are no longer marked as being away"),
    };
    call.irc.reply(call.user, numeric, &[], Some(text.as_bytes()));
    Outcome::Done
}

/// `SETNAME name`. IRCv3 setname.
pub fn setname(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let name = message.param(0).unwrap_or_default();
    if name.is_empty() || name.len() > IRC_REAL_NAME_BYTES_MAX {
        let text = format!("a real name has 1 to {IRC_REAL_NAME_BYTES_MAX} bytes");
        call.irc.fail(call.user, "SETNAME", "INVALID_REALNAME", &[], &text);
        return Outcome::Done;
    }
    let Some(user) = call.irc.user_mut(call.user) else { return Outcome::Done };
    let name = presentable(name);
    user.real_name.clone_from(&name);
    let (prefix, has_cap) = (user.prefix(), user.caps.has(Cap::SetName));
    let mut post = Post::event(call.wall);
    post.line(&prefix, "SETNAME").trailing(&name).end();
    if has_cap {
        call.irc.send(call.user, &post);
    }
    call.irc.send_neighbours(call.user, &post, |user| user.caps.has(Cap::SetName));
    Outcome::Done
}

#[cfg(test)]
mod tests;
