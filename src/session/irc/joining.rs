//! Coming into a channel and leaving it: JOIN, PART, KICK, INVITE.

use std::collections::VecDeque;

use super::channel::{Channel, ChannelId, Member, Modes};
use super::commands::{
    Call, FOR_LOGBOT, NO_SUCH_CHANNEL, NO_SUCH_NICK, NOT_ON_CHANNEL, NOT_OPERATOR, Outcome,
    Refusal, TOO_MANY_TARGETS, names_of,
};
use super::feeds::{log_word, open_log_channel, question_of};
use super::line::presentable;
use super::listing;
use super::server::Post;
use super::unfinished::{self, Unfinished};
use super::user::{LOG_BOT, User, UserId};
use crate::limits::{
    IRC_CHANNELS_MAX, IRC_CHANNELS_PER_USER_MAX, IRC_INVITATIONS_MAX, IRC_KICK_BYTES_MAX,
    IRC_TARGETS_MAX,
};
use crate::proto::irc::Message;
use crate::proto::irc::caps::Cap;
use crate::proto::irc::names::is_channel;
use crate::proto::irc::numeric::{
    ERR_BADCHANNELKEY, ERR_BANNEDFROMCHAN, ERR_CHANNELISFULL, ERR_INVITEONLYCHAN,
    ERR_TOOMANYCHANNELS, ERR_UNAVAILRESOURCE, ERR_USERNOTINCHANNEL, ERR_USERONCHANNEL, RPL_AWAY,
    RPL_ENDOFINVITELIST, RPL_INVITELIST, RPL_INVITING,
};
use crate::proto::irc::outgoing::cut_at_character;

#[cfg(test)]
mod tests;

/// `JOIN channels [keys]`, `JOIN 0`. RFC 2812 section 3.2.1; Modern, "JOIN message".
pub fn join(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let list = message.param(0).unwrap_or_default();
    if list == b"0" {
        let places = call.irc.user(call.user).map(|user| user.channels.iter());
        let places = places.into_iter().flatten().filter_map(|id| call.irc.channel(*id));
        let names = places.map(|channel| channel.name.clone()).collect();
        unfinished::begin(call, Unfinished::Part(Parting { names, reason: Vec::new() }));
        return Outcome::Done;
    }
    let mut keys = message.param(1).unwrap_or_default().split(|&byte| byte == b',');
    // A key belongs to the name at its place, though that be empty.
    let with_key = |name: &[u8]| (name.to_vec(), keys.next().unwrap_or_default().to_vec());
    let wanted = list.split(|&byte| byte == b',').map(with_key);
    let wanted: VecDeque<_> = wanted.filter(|(name, _)| !name.is_empty()).collect();
    if wanted.is_empty() {
        return call.lacks_params("JOIN");
    }
    unfinished::begin(call, Unfinished::Join(wanted));
    Outcome::Done
}

/// Puts who has just registered into the channels that the settings name.
pub fn auto_join(call: &mut Call<'_>) {
    let names = call.irc.settings.auto_join.iter();
    let wanted = names.map(|name| (name.clone(), Vec::new())).collect();
    unfinished::begin(call, Unfinished::Join(wanted));
}

/// Comes into the first of several channels: whether there are more.
pub(super) fn join_next(call: &mut Call<'_>, wanted: &mut VecDeque<(Vec<u8>, Vec<u8>)>) -> bool {
    if let Some((name, key)) = wanted.pop_front() {
        match admit(call, &name, &key) {
            Ok(Some((channel, member))) => {
                call.irc.enter(call.user, channel, member);
                greet(call, channel);
            }
            // Who is in it already is told nothing.
            Ok(None) => {}
            Err(refusal) => call.refuse(refusal, &name),
        }
    }
    !wanted.is_empty()
}

/// The channel of this name, opened where there was none, and what the user is to be in it; `None`
/// where it is in it already.
fn admit(
    call: &mut Call<'_>,
    name: &[u8],
    key: &[u8],
) -> Result<Option<(ChannelId, Member)>, Refusal> {
    if !is_channel(name) {
        return Err(NO_SUCH_CHANNEL);
    }
    let Some(user) = call.irc.user(call.user) else { return Ok(None) };
    let found = call.irc.find_channel(name);
    if found.is_some_and(|id| user.channels.contains(&id)) {
        return Ok(None);
    }
    if user.channels.len() >= IRC_CHANNELS_PER_USER_MAX {
        return Err((ERR_TOOMANYCHANNELS, "You have joined too many channels"));
    }
    let id = match found {
        Some(id) => id,
        None => open(call, name)?,
    };
    let Some(channel) = call.irc.channel(id) else { return Ok(None) };
    if !channel.has_people() {
        // Nobody is there who could open a door.
        let member = Member { is_operator: !channel.is_log, has_voice: false };
        return Ok(Some((id, member)));
    }
    check_doors(channel, call.user, &call.prefix(), key)?;
    Ok(Some((id, Member::default())))
}

/// Opens the channel of a name that no other has.
fn open(call: &mut Call<'_>, name: &[u8]) -> Result<ChannelId, Refusal> {
    let too_many = (ERR_UNAVAILRESOURCE, "There are too many channels");
    if call.irc.channels.len() >= IRC_CHANNELS_MAX {
        return Err(too_many);
    }
    if log_word(name).is_some() {
        question_of(name).ok_or(NO_SUCH_CHANNEL)?;
        return open_log_channel(call.irc, name, call.wall).ok_or(too_many);
    }
    let id = call.irc.open_channel(name, call.wall);
    if let Some(channel) = call.irc.channel_mut(id) {
        let closed = Modes { is_closed_outside: true, is_topic_locked: true, ..Modes::default() };
        channel.modes = closed;
    }
    Ok(id)
}

/// Whether the modes let somebody in. An invitation opens every door.
fn check_doors(channel: &Channel, user: UserId, prefix: &[u8], key: &[u8]) -> Result<(), Refusal> {
    let modes = &channel.modes;
    if channel.invited.contains(&user) {
        return Ok(());
    }
    if channel.bans(prefix) {
        return Err((ERR_BANNEDFROMCHAN, "Cannot join channel (+b)"));
    }
    if modes.is_invite_only {
        return Err((ERR_INVITEONLYCHAN, "Cannot join channel (+i)"));
    }
    if modes.key.as_ref().is_some_and(|wanted| wanted != key) {
        return Err((ERR_BADCHANNELKEY, "Cannot join channel (+k)"));
    }
    if modes.limit.is_some_and(|limit| channel.people() >= limit as usize) {
        return Err((ERR_CHANNELISFULL, "Cannot join channel (+l)"));
    }
    Ok(())
}

/// Tells everybody who came, and who came what is there.
fn greet(call: &mut Call<'_>, id: ChannelId) {
    let prefix = call.prefix();
    let Some(channel) = call.irc.channel(id) else { return };
    let name = channel.name.clone();
    let mut post = Post::event(call.wall);
    let user = call.user;
    let real_name = call.irc.user(user).map(|user| user.real_name.clone()).unwrap_or_default();
    // IRCv3 extended-join: the account, of which there is none, and the real name.
    for is_extended in [false, true] {
        let line = post.line(&prefix, "JOIN").param(&name);
        if is_extended {
            line.param(b"*").trailing(&real_name).end()
        } else {
            line.end()
        }
        let wants = |_, reader: &User| reader.caps.has(Cap::ExtendedJoin) == is_extended;
        call.irc.send_members(id, &post, wants);
    }
    // IRCv3 away-notify: those who are there learn that who came is away.
    if let Some(away) = call.irc.user(user).and_then(|user| user.away.clone()) {
        post.line(&prefix, "AWAY").trailing(&away).end();
        let wants = |one: UserId, reader: &User| one != user && reader.caps.has(Cap::AwayNotify);
        call.irc.send_members(id, &post, wants);
    }
    listing::send_topic(call, id);
    let caps = call.irc.user(user).map(|user| user.caps).unwrap_or_default();
    if !caps.has(Cap::NoImplicitNames) && !caps.has(Cap::DraftNoImplicitNames) {
        listing::send_names(call, id);
        listing::end_names(call, &name);
    }
}

/// Channels that are to be left, and why.
#[derive(Debug)]
pub struct Parting {
    names: VecDeque<Vec<u8>>,
    reason: Vec<u8>,
}

/// `PART channels [reason]`. RFC 2812 section 3.2.2.
pub fn part(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let list = message.param(0).unwrap_or_default();
    let reason = message.param(1).unwrap_or_default();
    let names: VecDeque<_> = names_of(list).map(<[u8]>::to_vec).collect();
    if names.is_empty() {
        return call.lacks_params("PART");
    }
    unfinished::begin(call, Unfinished::Part(Parting { names, reason: presentable(reason) }));
    Outcome::Done
}

/// Leaves the first of several channels: whether there are more.
pub(super) fn part_next(call: &mut Call<'_>, parting: &mut Parting) -> bool {
    if let Some(name) = parting.names.pop_front() {
        match call.irc.find_channel(&name) {
            None => call.refuse(NO_SUCH_CHANNEL, &name),
            Some(id) if !call.is_on(id) => call.refuse(NOT_ON_CHANNEL, &name),
            Some(id) => part_from(call, id, &parting.reason),
        }
    }
    !parting.names.is_empty()
}

/// Leaves a channel that it is on.
fn part_from(call: &mut Call<'_>, id: ChannelId, reason: &[u8]) {
    let prefix = call.prefix();
    let Some(channel) = call.irc.channel(id) else { return };
    let mut post = Post::event(call.wall);
    let line = post.line(&prefix, "PART").param(&channel.name);
    if reason.is_empty() {
        line.end()
    } else {
        line.trailing(reason).end()
    }
    call.irc.send_channel(id, None, &post);
    call.irc.leave(call.user, id);
}

/// `KICK channel users [reason]`, or as many channels as users. RFC 2812 section 3.2.8.
pub fn kick(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let channels: Vec<_> = names_of(message.param(0).unwrap_or_default()).collect();
    let users: Vec<_> = names_of(message.param(1).unwrap_or_default()).collect();
    let is_pair = channels.len() == 1 || channels.len() == users.len();
    if users.is_empty() || !is_pair {
        return call.lacks_params("KICK");
    }
    let reason = match message.param(2) {
        Some(reason) if !reason.is_empty() => presentable(reason),
        // RFC 2812: "the nickname of the user issuing the KICK".
        _ => call.irc.nick(call.user),
    };
    let reason = cut_at_character(&reason, IRC_KICK_BYTES_MAX);
    for (at, nick) in users.into_iter().enumerate() {
        if at == IRC_TARGETS_MAX {
            call.refuse(TOO_MANY_TARGETS, nick);
            break;
        }
        let name = channels.get(at).or(channels.first()).copied().unwrap_or_default();
        kick_one(call, name, nick, reason);
    }
    Outcome::Done
}

fn kick_one(call: &mut Call<'_>, name: &[u8], nick: &[u8], reason: &[u8]) {
    let id = match call.channel_to_change(name) {
        Ok(id) => id,
        Err(refusal) => return call.refuse(refusal, name),
    };
    let Some(target) = call.irc.find(nick) else {
        return call.refuse(NO_SUCH_NICK, nick);
    };
    let prefix = call.prefix();
    let (Some(channel), Some(user)) = (call.irc.channel(id), call.irc.user(target)) else { return };
    if !channel.has(target) {
        let (params, text) = ([nick, &channel.name.clone()], b"They aren't on that channel");
        return call.irc.reply(call.user, ERR_USERNOTINCHANNEL, &params, Some(text));
    }
    if target == LOG_BOT {
        return call.refuse(FOR_LOGBOT, name);
    }
    let mut post = Post::event(call.wall);
    let line = post.line(&prefix, "KICK").param(&channel.name).param(&user.nick);
    line.trailing(reason).end();
    call.irc.send_channel(id, None, &post);
    call.irc.leave(target, id);
}

impl Call<'_> {
    /// Whether who says it is on the channel.
    pub(super) fn is_on(&self, id: ChannelId) -> bool {
        self.irc.channel(id).is_some_and(|channel| channel.has(self.user))
    }

    /// The channel of this name, where who says it may change it.
    pub(super) fn channel_to_change(&self, name: &[u8]) -> Result<ChannelId, Refusal> {
        let id = self.irc.find_channel(name).ok_or(NO_SUCH_CHANNEL)?;
        let channel = self.irc.channel(id).ok_or(NO_SUCH_CHANNEL)?;
        match channel.members.get(&self.user) {
            None => Err(NOT_ON_CHANNEL),
            Some(_) if channel.is_log => Err(FOR_LOGBOT),
            Some(member) if !member.is_operator => Err(NOT_OPERATOR),
            Some(_) => Ok(id),
        }
    }
}

/// `INVITE nick channel`, or `INVITE` for what one was invited to. RFC 2812 section 3.2.7; Modern,
/// "INVITE message".
pub fn invite(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let (nick, name) = match message.params() {
        [] => return list_invitations(call),
        [_] => return call.lacks_params("INVITE"),
        [nick, name, ..] => (*nick, *name),
    };
    let Some(target) = call.irc.find(nick) else {
        call.refuse(NO_SUCH_NICK, nick);
        return Outcome::Done;
    };
    let found = call.irc.find_channel(name).ok_or(NO_SUCH_CHANNEL);
    match found.and_then(|id| may_invite(call, id)) {
        Ok(id) => invite_one(call, target, id),
        Err(refusal) => call.refuse(refusal, name),
    }
    Outcome::Done
}

fn list_invitations(call: &mut Call<'_>) -> Outcome {
    let user = call.user;
    let all = call.irc.channels.iter().map(|(_, channel)| channel);
    let mine = all.filter(|channel| channel.invited.contains(&user));
    let names: Vec<_> = mine.map(|channel| channel.name.clone()).collect();
    for name in names {
        call.irc.reply(user, RPL_INVITELIST, &[&name], None);
    }
    call.irc.reply(user, RPL_ENDOFINVITELIST, &[], Some(b"End of /INVITE list"));
    Outcome::Done
}

fn may_invite(call: &Call<'_>, id: ChannelId) -> Result<ChannelId, Refusal> {
    let channel = call.irc.channel(id).ok_or(NO_SUCH_CHANNEL)?;
    match channel.members.get(&call.user) {
        None => Err(NOT_ON_CHANNEL),
        Some(member) if channel.modes.is_invite_only && !member.is_operator => Err(NOT_OPERATOR),
        Some(_) => Ok(id),
    }
}

fn invite_one(call: &mut Call<'_>, target: UserId, id: ChannelId) {
    let (user, prefix) = (call.user, call.prefix());
    let (Some(guest), Some(channel)) = (call.irc.user(target), call.irc.channel(id)) else {
        return;
    };
    let (nick, name, away) = (guest.nick.clone(), channel.name.clone(), guest.away.clone());
    if channel.has(target) {
        let text = b"is already on channel";
        return call.irc.reply(user, ERR_USERONCHANNEL, &[&nick, &name], Some(text));
    }
    call.irc.reply(user, RPL_INVITING, &[&nick, &name], None);
    if let Some(away) = away {
        call.irc.reply(user, RPL_AWAY, &[&nick], Some(&away));
    }
    let mut post = Post::event(call.wall);
    post.line(&prefix, "INVITE").param(&nick).param(&name).end();
    call.irc.send(target, &post);
    // IRCv3 invite-notify: to those who may invite there themselves.
    if let Some(channel) = call.irc.channel(id) {
        let may_invite = |one: &UserId| !channel.modes.is_invite_only || channel.is_operator(*one);
        let others = channel.members.keys().filter(|one| **one != user && may_invite(one));
        for other in others.copied().collect::<Vec<_>>() {
            if call.irc.user(other).is_some_and(|one| one.caps.has(Cap::InviteNotify)) {
                call.irc.send(other, &post);
            }
        }
    }
    // What others say opens no door: an operator closed it.
    if let Some(channel) = call.irc.channel_mut(id)
        && channel.is_operator(user)
        && !channel.invited.contains(&target)
        && target != LOG_BOT
    {
        if channel.invited.len() >= IRC_INVITATIONS_MAX {
            channel.invited.remove(0);
        }
        channel.invited.push(target);
    }
}
