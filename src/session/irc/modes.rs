//! MODE, of channels and users.

use super::channel::{Ban, ChannelId};
use super::commands::{
    Call, FOR_LOGBOT, NO_SUCH_CHANNEL, NO_SUCH_NICK, NOT_ON_CHANNEL, Outcome, Refusal,
};
use super::server::Post;
use super::user::{LOG_BOT, User};
use crate::clock::{SECOND, Wall};
use crate::limits::IRC_BANS_MAX;
use crate::proto::irc::Message;
use crate::proto::irc::mask::{is_mask, normalise};
use crate::proto::irc::modes::{Change, Changes, Kind, Letters, Made};
use crate::proto::irc::names::{is_key, same};
use crate::proto::irc::numeric::{
    ERR_BANLISTFULL, ERR_INVALIDMODEPARAM, ERR_UMODEUNKNOWNFLAG, ERR_UNKNOWNMODE,
    ERR_USERNOTINCHANNEL, ERR_USERSDONTMATCH, RPL_BANLIST, RPL_CHANNELMODEIS, RPL_CREATIONTIME,
    RPL_ENDOFBANLIST, RPL_UMODEIS,
};

#[cfg(test)]
mod tests;

/// `MODE target [letters [arguments]]`. RFC 2812 sections 3.1.5 and 3.2.3; Modern, "MODE message".
pub fn mode(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let [target, changes @ ..] = message.params() else { return Outcome::Done };
    if target.first() == Some(&b'#') {
        of_channel(call, target, changes);
    } else {
        of_user(call, target, changes);
    }
    Outcome::Done
}

fn of_channel(call: &mut Call<'_>, name: &[u8], changes: &[&[u8]]) {
    let Some(id) = call.irc.find_channel(name) else {
        return call.refuse(NO_SUCH_CHANNEL, name);
    };
    if !call.irc.channel(id).is_some_and(|channel| channel.is_visible_to(call.user)) {
        return call.refuse(NOT_ON_CHANNEL, name);
    }
    if changes.is_empty() {
        return show(call, id);
    }
    let mut round = Round {
        refusal: call.channel_to_change(name).err(),
        name: call.irc.channel_name(id),
        id,
        has_refused: false,
        unknown: Vec::new(),
        made: Made::new(),
    };
    for change in Changes::new(Letters::CHANNEL, changes) {
        round.apply(call, &change);
    }
    let prefix = call.prefix();
    for post in posts(&round.made, &prefix, &round.name, call.wall) {
        call.irc.send_channel(id, None, &post);
    }
}

/// Changes that were made as lines, each to be sent by itself.
fn posts(made: &Made, prefix: &[u8], target: &[u8], wall: Wall) -> Vec<Post> {
    let mut lines = Vec::new();
    made.write(&mut lines, prefix, target);
    let whole = |line: &[u8]| {
        let mut post = Post::event(wall);
        post.whole_line(line);
        post
    };
    lines.split_inclusive(|&byte| byte == b'\n').map(whole).collect()
}

/// Tells the modes of a channel. The key is for its members.
fn show(call: &mut Call<'_>, id: ChannelId) {
    let Some(channel) = call.irc.channel(id) else { return };
    let modes = &channel.modes;
    let flags = [
        (b'i', modes.is_invite_only),
        (b'm', modes.is_moderated),
        (b'n', modes.is_closed_outside),
        (b's', modes.is_secret),
        (b't', modes.is_topic_locked),
        (b'k', modes.key.is_some()),
        (b'l', modes.limit.is_some()),
    ];
    let set = flags.iter().filter(|(_, is_set)| *is_set).map(|(letter, _)| *letter);
    let letters: Vec<u8> = [b'+'].into_iter().chain(set).collect();
    let key = modes.key.clone().map(|key| if channel.has(call.user) { key } else { b"*".to_vec() });
    let limit = modes.limit.map(|limit| limit.to_string().into_bytes());
    let (name, created) = (channel.name.clone(), (channel.created / SECOND).to_string());
    let mut params = vec![&name[..], &letters];
    params.extend([&key, &limit].into_iter().filter_map(|value| value.as_deref()));
    call.irc.reply(call.user, RPL_CHANNELMODEIS, &params, None);
    call.irc.reply(call.user, RPL_CREATIONTIME, &[&name, created.as_bytes()], None);
}

/// One MODE of a channel, as far as it is done.
struct Round {
    id: ChannelId,
    /// As the channel spells it.
    name: Vec<u8>,
    /// Why nothing may be changed, which is said once.
    refusal: Option<Refusal>,
    has_refused: bool,
    /// Unknown letters that were answered.
    unknown: Vec<u8>,
    made: Made,
}

impl Round {
    fn apply(&mut self, call: &mut Call<'_>, change: &Change<'_>) {
        match (change.kind, change.argument) {
            (Kind::Unknown, _) => self.tell_unknown(call, change.letter),
            (Kind::List, None) => self.tell_bans(call),
            _ if self.refusal.is_some() => self.refuse(call),
            (Kind::Never, _) => self.set_flag(call, change),
            (Kind::WhenSet, None) if !change.is_plus => {
                let limit = call.irc.channel_mut(self.id).and_then(|one| one.modes.limit.take());
                if limit.is_some() {
                    self.made.push(false, b'l', None);
                }
            }
            (Kind::Always, None) if change.letter == b'k' && !change.is_plus => {
                self.drop_key(call);
            }
            (Kind::Always | Kind::WhenSet, None) => {
                call.lacks_params("MODE");
            }
            (_, Some(argument)) => self.set_argument(call, change, argument),
        }
    }

    fn refuse(&mut self, call: &mut Call<'_>) {
        if let Some(refusal) = self.refusal.filter(|_| !self.has_refused) {
            self.has_refused = true;
            call.refuse(refusal, &self.name);
        }
    }

    fn tell_unknown(&mut self, call: &mut Call<'_>, letter: u8) {
        if self.unknown.contains(&letter) {
            return;
        }
        self.unknown.push(letter);
        call.refuse((ERR_UNKNOWNMODE, "is unknown mode char to me"), &[letter]);
    }

    fn tell_bans(&mut self, call: &mut Call<'_>) {
        let Some(channel) = call.irc.channel(self.id) else { return };
        for Ban { mask, by, at } in channel.bans.clone() {
            let at = (at / SECOND).to_string();
            call.irc.reply(call.user, RPL_BANLIST, &[&self.name, &mask, &by, at.as_bytes()], None);
        }
        let text = b"End of channel ban list";
        call.irc.reply(call.user, RPL_ENDOFBANLIST, &[&self.name], Some(text));
    }

    fn set_flag(&mut self, call: &mut Call<'_>, change: &Change<'_>) {
        let Some(channel) = call.irc.channel_mut(self.id) else { return };
        let modes = &mut channel.modes;
        let flag = match change.letter {
            b'i' => &mut modes.is_invite_only,
            b'm' => &mut modes.is_moderated,
            b'n' => &mut modes.is_closed_outside,
            b's' => &mut modes.is_secret,
            b't' => &mut modes.is_topic_locked,
            _ => return,
        };
        if std::mem::replace(flag, change.is_plus) != change.is_plus {
            self.made.push(change.is_plus, change.letter, None);
        }
    }

    fn set_argument(&mut self, call: &mut Call<'_>, change: &Change<'_>, argument: &[u8]) {
        match (change.letter, change.is_plus) {
            (b'k', true) => self.set_key(call, argument),
            (b'k', false) => self.drop_key(call),
            (b'l', _) => self.set_limit(call, argument),
            (b'b', true) => self.ban(call, argument),
            (b'b', false) => self.forgive(call, argument),
            _ => self.set_standing(call, change, argument),
        }
    }

    /// Answers that an argument cannot be one of this letter's. Modern, `ERR_INVALIDMODEPARAM`.
    fn tell_invalid(&self, call: &mut Call<'_>, letter: u8, shown: &[u8], text: &str) {
        let params = [&self.name[..], &[letter], shown];
        call.irc.reply(call.user, ERR_INVALIDMODEPARAM, &params, Some(text.as_bytes()));
    }

    fn set_key(&mut self, call: &mut Call<'_>, key: &[u8]) {
        if !is_key(key) {
            return self.tell_invalid(call, b'k', b"*", "Key is not well-formed");
        }
        let Some(channel) = call.irc.channel_mut(self.id) else { return };
        if channel.modes.key.as_deref() != Some(key) {
            channel.modes.key = Some(key.to_vec());
            self.made.push(true, b'k', Some(key));
        }
    }

    fn drop_key(&mut self, call: &mut Call<'_>) {
        let key = call.irc.channel_mut(self.id).and_then(|channel| channel.modes.key.take());
        if key.is_some() {
            self.made.push(false, b'k', Some(b"*"));
        }
    }

    fn set_limit(&mut self, call: &mut Call<'_>, text: &[u8]) {
        let digits = Some(text).filter(|text| text.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|text| str::from_utf8(text).ok()?.parse::<u32>().ok());
        let Some(limit) = number.filter(|number| *number > 0) else {
            return self.tell_invalid(call, b'l', text, "Limit is not a number above 0");
        };
        let Some(channel) = call.irc.channel_mut(self.id) else { return };
        if channel.modes.limit.replace(limit) != Some(limit) {
            self.made.push(true, b'l', Some(limit.to_string().as_bytes()));
        }
    }

    fn ban(&mut self, call: &mut Call<'_>, text: &[u8]) {
        let mask = normalise(text);
        if !is_mask(&mask) {
            return self.tell_invalid(call, b'b', b"*", "Mask is not well-formed");
        }
        let by = call.irc.nick(call.user);
        let (at, id) = (call.wall, self.id);
        let Some(channel) = call.irc.channel_mut(id) else { return };
        if channel.bans.iter().any(|ban| same(&ban.mask, &mask)) {
            return;
        }
        if channel.bans.len() >= IRC_BANS_MAX {
            let (params, text) = ([&self.name[..], b"b"], b"Channel ban list is full");
            return call.irc.reply(call.user, ERR_BANLISTFULL, &params, Some(text));
        }
        self.made.push(true, b'b', Some(&mask));
        channel.bans.push(Ban { mask, by, at });
    }

    fn forgive(&mut self, call: &mut Call<'_>, text: &[u8]) {
        let mask = normalise(text);
        let Some(channel) = call.irc.channel_mut(self.id) else { return };
        if let Some(at) = channel.bans.iter().position(|ban| same(&ban.mask, &mask)) {
            self.made.push(false, b'b', Some(&channel.bans.remove(at).mask));
        }
    }

    fn set_standing(&mut self, call: &mut Call<'_>, change: &Change<'_>, nick: &[u8]) {
        let Some(target) = call.irc.find(nick) else {
            return call.refuse(NO_SUCH_NICK, nick);
        };
        let spelled = call.irc.nick(target);
        let Some(channel) = call.irc.channel_mut(self.id) else { return };
        let Some(member) = channel.members.get_mut(&target) else {
            let (params, text) = ([nick, &self.name], b"They aren't on that channel");
            return call.irc.reply(call.user, ERR_USERNOTINCHANNEL, &params, Some(text));
        };
        if target == LOG_BOT && change.letter == b'o' && !change.is_plus {
            return call.refuse(FOR_LOGBOT, &self.name);
        }
        let flag = match change.letter {
            b'o' => &mut member.is_operator,
            b'v' => &mut member.has_voice,
            _ => return,
        };
        if std::mem::replace(flag, change.is_plus) != change.is_plus {
            self.made.push(change.is_plus, change.letter, Some(&spelled));
        }
    }
}

/// A user's modes, as `+iw`.
pub fn user_modes(user: &User) -> Vec<u8> {
    let flags = [(b'B', user.is_bot), (b'i', user.is_invisible), (b'w', user.wants_wallops)];
    let set = flags.iter().filter(|(_, is_set)| *is_set).map(|(letter, _)| *letter);
    [b'+'].into_iter().chain(set).collect()
}

fn of_user(call: &mut Call<'_>, nick: &[u8], changes: &[&[u8]]) {
    match call.irc.find(nick) {
        None => return call.refuse(NO_SUCH_NICK, nick),
        Some(target) if target != call.user => {
            let text = &b"Cannot change mode for other users"[..];
            return call.irc.reply(call.user, ERR_USERSDONTMATCH, &[], Some(text));
        }
        Some(_) => {}
    }
    let Some(user) = call.irc.user_mut(call.user) else { return };
    if changes.is_empty() {
        let modes = user_modes(user);
        return call.irc.reply(call.user, RPL_UMODEIS, &[&modes], None);
    }
    let (mut made, mut has_unknown) = (Made::new(), false);
    for change in Changes::new(Letters::USER, changes) {
        let flag = match change.letter {
            b'B' => &mut user.is_bot,
            b'i' => &mut user.is_invisible,
            b'w' => &mut user.wants_wallops,
            // Nobody becomes an operator by saying so, and nobody is one.
            b'o' => continue,
            _ => {
                has_unknown = true;
                continue;
            }
        };
        if std::mem::replace(flag, change.is_plus) != change.is_plus {
            made.push(change.is_plus, change.letter, None);
        }
    }
    let (prefix, nick) = (user.prefix(), user.nick.clone());
    for post in posts(&made, &prefix, &nick, call.wall) {
        call.irc.send(call.user, &post);
    }
    if has_unknown {
        call.irc.reply(call.user, ERR_UMODEUNKNOWNFLAG, &[], Some(b"Unknown MODE flag"));
    }
}
