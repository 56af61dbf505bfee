//! What is known of one user: WHOIS, WHOWAS.

use super::commands::{Call, NO_SUCH_NICK, Outcome, names_of};
use super::info;
use super::user::{LOG_BOT, UserId};
use crate::clock::SECOND;
use crate::proto::irc::Message;
use crate::proto::irc::caps::Cap;
use crate::proto::irc::names::same;
use crate::proto::irc::numeric::{
    ERR_NONICKNAMEGIVEN, ERR_NOSUCHSERVER, ERR_WASNOSUCHNICK, RPL_AWAY, RPL_ENDOFWHOIS,
    RPL_ENDOFWHOWAS, RPL_WHOISBOT, RPL_WHOISCHANNELS, RPL_WHOISIDLE, RPL_WHOISSERVER,
    RPL_WHOISUSER, RPL_WHOWASUSER,
};

/// `WHOIS [server] nick`. RFC 2812, section 3.6.2; Modern, "WHOIS message".
pub fn whois(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let list = match message.params() {
        [server, nick, ..] => {
            if !info::is_here(call, server) {
                call.refuse((ERR_NOSUCHSERVER, "No such server"), server);
                return Outcome::Done;
            }
            *nick
        }
        [nick] => *nick,
        [] => b"",
    };
    // One at a time: TARGMAX says so.
    let Some(nick) = names_of(list).next() else { return no_nick(call) };
    let shown = match call.irc.find(nick) {
        Some(id) => {
            tell(call, id);
            call.irc.user(id).map(|user| user.nick.clone())
        }
        None => {
            call.refuse(NO_SUCH_NICK, nick);
            None
        }
    };
    let shown = shown.as_deref().unwrap_or(nick);
    call.irc.reply(call.user, RPL_ENDOFWHOIS, &[shown], Some(b"End of WHOIS list"));
    Outcome::Done
}

fn no_nick(call: &mut Call<'_>) -> Outcome {
    call.irc.reply(call.user, ERR_NONICKNAMEGIVEN, &[], Some(b"No nickname given"));
    Outcome::Done
}

fn tell(call: &mut Call<'_>, id: UserId) {
    let name = call.irc.settings.name.clone();
    let channels = channels_of(call, id);
    let Some(user) = call.irc.user(id) else { return };
    let (nick, away, is_bot) = (user.nick.clone(), user.away.clone(), user.is_bot);
    let (user_name, host, real_name) =
        (user.name.clone(), user.host.clone(), user.real_name.clone());
    let idle = (call.mono.saturating_sub(user.spoke) / SECOND).to_string();
    let signed_on = (user.signed_on / SECOND).to_string();
    let to = call.user;
    let params = [&nick[..], &user_name, &host, b"*"];
    call.irc.reply(to, RPL_WHOISUSER, &params, Some(&real_name));
    call.irc.reply_words(to, RPL_WHOISCHANNELS, &[&nick], (&channels, b' '));
    call.irc.reply(to, RPL_WHOISSERVER, &[&nick, name.as_bytes()], Some(info::WHAT.as_bytes()));
    if let Some(away) = away {
        call.irc.reply(to, RPL_AWAY, &[&nick], Some(&away));
    }
    let params = [&nick[..], idle.as_bytes(), signed_on.as_bytes()];
    call.irc.reply(to, RPL_WHOISIDLE, &params, Some(b"seconds idle, signon time"));
    if is_bot {
        let text = [b"is a bot on ", super::isupport::NETWORK.as_bytes()].concat();
        call.irc.reply(to, RPL_WHOISBOT, &[&nick], Some(&text));
    }
}

/// Channels that `call.user` may see `id` in, with what it is there. Of somebody invisible, and of
/// LogBot, who is in all log channels, those that they share.
fn channels_of(call: &Call<'_>, id: UserId) -> Vec<Vec<u8>> {
    let Some(user) = call.irc.user(id) else { return Vec::new() };
    let is_hidden = (user.is_invisible || id == LOG_BOT) && id != call.user;
    let asker = call.irc.user(call.user);
    let has_all = asker.is_some_and(|user| user.caps.has(Cap::MultiPrefix));
    let places = user.channels.iter().filter_map(|one| call.irc.channel(*one));
    let seen = places.filter(|channel| {
        channel.has(call.user) || (!is_hidden && channel.is_visible_to(call.user))
    });
    let shown = seen.filter_map(|channel| {
        let member = channel.members.get(&id)?;
        Some([member.prefixes(has_all).as_bytes(), &channel.name].concat())
    });
    shown.collect()
}

/// `WHOWAS nick [count]`. RFC 2812, section 3.6.3; Modern, "WHOWAS message".
pub fn whowas(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let Some(nick) = names_of(message.param(0).unwrap_or_default()).next() else {
        return no_nick(call);
    };
    let count = message.param(1).and_then(|text| str::from_utf8(text).ok()?.parse::<usize>().ok());
    let count = count.filter(|count| *count > 0).unwrap_or(usize::MAX);
    let found = call.irc.whowas.iter().filter(|gone| same(&gone.nick, nick));
    let found: Vec<_> = found.take(count).cloned().collect();
    let name = call.irc.settings.name.clone();
    for gone in &found {
        let params = [&gone.nick[..], &gone.name, &gone.host, b"*"];
        call.irc.reply(call.user, RPL_WHOWASUSER, &params, Some(&gone.real_name));
        let params = [&gone.nick[..], name.as_bytes()];
        let at = info::date(gone.at);
        call.irc.reply(call.user, RPL_WHOISSERVER, &params, Some(at.as_bytes()));
    }
    if found.is_empty() {
        call.refuse((ERR_WASNOSUCHNICK, "There was no such nickname"), nick);
    }
    call.irc.reply(call.user, RPL_ENDOFWHOWAS, &[nick], Some(b"End of WHOWAS"));
    Outcome::Done
}
