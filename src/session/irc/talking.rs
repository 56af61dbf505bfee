//! What people say: PRIVMSG, NOTICE, TAGMSG.

use super::bot::{self, Place};
use super::channel::ChannelId;
use super::commands::{
    Call, NO_SUCH_CHANNEL, NO_SUCH_NICK, Outcome, Refusal, TOO_MANY_TARGETS, names_of,
};
use super::server::Post;
use super::user::{LOG_BOT, User, UserId};
use crate::limits::IRC_TARGETS_MAX;
use crate::proto::irc::Message;
use crate::proto::irc::caps::Cap;
use crate::proto::irc::names::same;
use crate::proto::irc::numeric::{
    ERR_CANNOTSENDTOCHAN, ERR_NORECIPIENT, ERR_NOTEXTTOSEND, Numeric, RPL_AWAY,
};

const CANNOT_SEND: Refusal = (ERR_CANNOTSENDTOCHAN, "Cannot send to channel");

/// One message on its way.
struct Speech<'a> {
    command: &'static str,
    /// `None` of TAGMSG.
    text: Option<&'a [u8]>,
    /// `nick!user@host` of whom it is from.
    prefix: Vec<u8>,
    client_tags: Vec<u8>,
    is_from_bot: bool,
    /// What comes to its own sender as to anybody else.
    to_self: Vec<Post>,
}

/// Who of a channel is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    Everybody,
    /// `+#channel`: those with a voice, and operators.
    Voiced,
    /// `@#channel`
    Operators,
}

/// `PRIVMSG targets text`. RFC 2812, section 3.3.1; Modern, "PRIVMSG message".
pub fn privmsg(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    speak(call, message, "PRIVMSG")
}

/// `NOTICE targets text`, which is never answered. RFC 2812, section 3.3.2.
pub fn notice(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    speak(call, message, "NOTICE")
}

/// `TAGMSG targets`: nothing but tags. IRCv3 message-tags.
pub fn tagmsg(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    speak(call, message, "TAGMSG")
}

impl Speech<'_> {
    /// Its mistakes are told.
    fn is_answered(&self) -> bool {
        self.command != "NOTICE"
    }

    fn refuse(&self, call: &mut Call<'_>, refusal: Refusal, target: &[u8]) {
        if self.is_answered() {
            call.refuse(refusal, target);
        }
    }

    /// The line to a target.
    fn post(&self, call: &mut Call<'_>, target: &[u8]) -> Post {
        let id = call.irc.next_message_id();
        let mut post = Post::message(call.wall, id, &self.client_tags).from_bot(self.is_from_bot);
        let line = post.line(&self.prefix, self.command).param(target);
        match self.text {
            Some(text) => line.trailing(text).end(),
            None => line.end(),
        }
        if self.text.is_none() { post.only_tags() } else { post }
    }
}

fn speak(call: &mut Call<'_>, message: &Message<'_>, command: &'static str) -> Outcome {
    let Some(user) = call.irc.user(call.user) else { return Outcome::Done };
    let mut client_tags = Vec::new();
    if user.caps.has(Cap::MessageTags) {
        for piece in message.client_tags() {
            if !client_tags.is_empty() {
                client_tags.push(b';');
            }
            client_tags.extend_from_slice(piece);
        }
    }
    let mut speech = Speech {
        command,
        text: (command != "TAGMSG").then(|| message.param(1).unwrap_or_default()),
        prefix: user.prefix(),
        client_tags,
        is_from_bot: user.is_bot,
        to_self: Vec::new(),
    };
    let list = message.param(0).unwrap_or_default();
    if let Some((numeric, text)) = lacking(&speech, list) {
        call.irc.reply(call.user, numeric, &[], Some(text.as_bytes()));
        return Outcome::Done;
    }
    let outcome = to_all(call, &mut speech, list);
    // The answer to a command ends where its sender hears itself as anybody else would.
    let end = call.irc.user(call.user).map(|user| user.out.len());
    if !speech.to_self.is_empty() {
        call.irc.response_end = end;
    }
    for post in std::mem::take(&mut speech.to_self) {
        call.irc.send(call.user, &post);
    }
    outcome
}

/// What has to be there and is not. Modern, `ERR_NORECIPIENT`, `ERR_NOTEXTTOSEND`.
fn lacking(speech: &Speech<'_>, list: &[u8]) -> Option<(Numeric, String)> {
    if !speech.is_answered() {
        return None;
    }
    if names_of(list).next().is_none() {
        return Some((ERR_NORECIPIENT, format!("No recipient given ({})", speech.command)));
    }
    let has_text = speech.text.is_none_or(|text| !text.is_empty());
    (!has_text).then(|| (ERR_NOTEXTTOSEND, "No text to send".to_owned()))
}

fn to_all(call: &mut Call<'_>, speech: &mut Speech<'_>, list: &[u8]) -> Outcome {
    let mut outcome = Outcome::Done;
    if speech.text.is_some_and(<[u8]>::is_empty) {
        return outcome;
    }
    let mut targets: Vec<&[u8]> = Vec::new();
    for target in names_of(list) {
        if targets.iter().any(|one| same(one, target)) {
            continue;
        }
        if targets.len() == IRC_TARGETS_MAX {
            speech.refuse(call, TOO_MANY_TARGETS, target);
            break;
        }
        targets.push(target);
    }
    for target in targets {
        let heard = to_one(call, speech, target);
        // One command asks one question.
        if let (Some(place), Outcome::Done, Some(text)) = (heard, &outcome, speech.text) {
            outcome = bot::hear(call, place, text);
        }
    }
    outcome
}

/// Says it to one target: where LogBot is to hear it as a command.
fn to_one(call: &mut Call<'_>, speech: &mut Speech<'_>, target: &[u8]) -> Option<Place> {
    let (whom, name) = match target {
        [b'@', name @ ..] => (Whom::Operators, name),
        [b'+', name @ ..] => (Whom::Voiced, name),
        name => (Whom::Everybody, name),
    };
    if name.starts_with(b"#") {
        match call.irc.find_channel(name) {
            Some(id) => return to_channel(call, speech, id, whom),
            None => speech.refuse(call, NO_SUCH_CHANNEL, name),
        }
        return None;
    }
    match call.irc.find(target) {
        Some(id) => to_user(call, speech, id),
        None => {
            speech.refuse(call, NO_SUCH_NICK, target);
            None
        }
    }
}

fn to_channel(
    call: &mut Call<'_>,
    speech: &Speech<'_>,
    id: ChannelId,
    whom: Whom,
) -> Option<Place> {
    let user = call.user;
    let channel = call.irc.channel(id)?;
    let name = channel.name.clone();
    if !channel.may_speak(user, &speech.prefix) {
        speech.refuse(call, CANNOT_SEND, &name);
        return None;
    }
    let sign: &[u8] = match whom {
        Whom::Everybody => b"",
        Whom::Voiced => b"+",
        Whom::Operators => b"@",
    };
    let members = channel.members.iter();
    let meant = members.filter(|(_, member)| match whom {
        Whom::Everybody => true,
        Whom::Voiced => member.has_voice || member.is_operator,
        Whom::Operators => member.is_operator,
    });
    let readers: Option<Vec<UserId>> =
        (whom != Whom::Everybody).then(|| meant.map(|(id, _)| *id).collect());
    let post = speech.post(call, &[sign, &name].concat());
    let wants = |id: UserId, _: &User| {
        let is_meant = readers.as_ref().is_none_or(|readers| readers.binary_search(&id).is_ok());
        id != user && is_meant
    };
    call.irc.send_members(id, &post, wants);
    echo(call, &post);
    has_spoken(call);
    let is_command = speech.text.is_some_and(bot::is_called);
    let is_heard = speech.command == "PRIVMSG" && whom == Whom::Everybody && is_command;
    is_heard.then_some(Place::Channel(id))
}

fn to_user(call: &mut Call<'_>, speech: &mut Speech<'_>, id: UserId) -> Option<Place> {
    let target = call.irc.user(id)?;
    let (nick, away) = (target.nick.clone(), target.away.clone());
    let post = speech.post(call, &nick);
    echo(call, &post);
    has_spoken(call);
    if id == call.user {
        speech.to_self.push(post);
    } else {
        call.irc.send(id, &post);
    }
    if speech.command != "PRIVMSG" {
        return None;
    }
    if let Some(away) = away {
        call.irc.reply(call.user, RPL_AWAY, &[&nick], Some(&away));
    }
    (id == LOG_BOT).then_some(Place::Private)
}

/// IRCv3 echo-message.
fn echo(call: &mut Call<'_>, post: &Post) {
    if call.irc.user(call.user).is_some_and(|user| user.caps.has(Cap::EchoMessage)) {
        call.irc.send(call.user, post);
    }
}

/// It is not idle any more.
fn has_spoken(call: &mut Call<'_>) {
    let mono = call.mono;
    if let Some(user) = call.irc.user_mut(call.user) {
        user.spoke = mono;
    }
}

#[cfg(test)]
mod tests;
