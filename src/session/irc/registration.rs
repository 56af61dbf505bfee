//! Who somebody is: PASS, NICK, USER, CAP; PING and QUIT.
//!
//! Registration is complete with a nick, a user name and, where capabilities were asked for, with
//! `CAP END`; only then is the password looked at, so it may come at any time before.

use super::commands::{Call, Outcome};
use super::line::presentable;
use super::server::{Post, utf8};
use super::{farewell, info, isupport, joining};
use crate::limits::IRC_REAL_NAME_BYTES_MAX;
use crate::proto::irc::caps::{CapSet, request, write_list};
use crate::proto::irc::names::{fold, is_nick, same, user_name};
use crate::proto::irc::numeric::{
    ERR_ALREADYREGISTERED, ERR_ERRONEUSNICKNAME, ERR_INVALIDCAPCMD, ERR_INVALIDUSERNAME,
    ERR_NICKNAMEINUSE, ERR_NONICKNAMEGIVEN, ERR_NOORIGIN, ERR_PASSWDMISMATCH, ERR_SASLABORTED,
    ERR_SASLFAIL, RPL_CREATED, RPL_WELCOME, RPL_YOURHOST,
};
use crate::proto::irc::outgoing::{Outgoing, cut_at_character};
use crate::proto::irc::{Message, Secret};

/// `AUTHENTICATE`. There are no accounts. IRCv3 sasl.
pub fn authenticate(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let (numeric, text) = match message.param(0) {
        Some(b"*") => (ERR_SASLABORTED, "SASL authentication aborted"),
        _ => (ERR_SASLFAIL, "SASL authentication failed: there are no accounts here"),
    };
    call.irc.reply(call.user, numeric, &[], Some(text.as_bytes()));
    Outcome::Done
}

/// `CAP`. IRCv3 capability-negotiation.
pub fn cap(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let name = call.irc.settings.name.clone();
    let list = message.param(1).unwrap_or_default();
    let word = message.param(0).unwrap_or_default();
    let Some(user) = call.irc.user_mut(call.user) else { return Outcome::Done };
    let (client, caps) = (user.target().to_vec(), user.caps);
    match &word.to_ascii_uppercase()[..] {
        b"LS" => {
            user.is_negotiating = !user.is_registered;
            let version = str::from_utf8(list).ok().and_then(|text| text.parse::<u32>().ok());
            user.is_cap_302 |= version.is_some_and(|version| version >= 302);
            let is_302 = user.is_cap_302;
            if let Some(out) = call.irc.out(call.user) {
                write_list(out, name.as_bytes(), &client, "LS", CapSet::ALL, is_302);
            }
        }
        b"LIST" => {
            let is_302 = user.is_cap_302;
            if let Some(out) = call.irc.out(call.user) {
                write_list(out, name.as_bytes(), &client, "LIST", caps, is_302);
            }
        }
        b"REQ" => {
            user.is_negotiating = !user.is_registered;
            let mut line = Vec::new();
            let line = Outgoing::begin(&mut line, name.as_bytes(), "CAP").param(&client);
            // What is acknowledged is all that was asked for, or it would seem to be less.
            let fits = utf8(list).len() <= line.param(b"ACK").room();
            let is_good = fits && !list.trim_ascii().is_empty();
            let wanted = request(list, caps).filter(|_| is_good);
            user.caps = wanted.unwrap_or(caps);
            let verb = if wanted.is_some() { &b"ACK"[..] } else { b"NAK" };
            if let Some(out) = call.irc.out(call.user) {
                let line = Outgoing::begin(out, name.as_bytes(), "CAP").param(&client);
                line.param(verb).trailing(&utf8(list)).end();
            }
        }
        b"END" => {
            user.is_negotiating = false;
            return complete(call);
        }
        _ => {
            let text = Some(&b"Invalid CAP subcommand"[..]);
            call.irc.reply(call.user, ERR_INVALIDCAPCMD, &[word], text);
        }
    }
    Outcome::Done
}

/// `NICK`. RFC 2812, section 3.1.2.
pub fn nick(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let wanted = message.param(0).unwrap_or_default();
    if wanted.is_empty() {
        call.irc.reply(call.user, ERR_NONICKNAMEGIVEN, &[], Some(b"No nickname given"));
        return Outcome::Done;
    }
    if !is_nick(wanted) {
        call.refuse((ERR_ERRONEUSNICKNAME, "Erroneous nickname"), wanted);
        return Outcome::Done;
    }
    let key = fold(wanted);
    if call.irc.nicks.get(&key).is_some_and(|holder| *holder != call.user) {
        call.refuse((ERR_NICKNAMEINUSE, "Nickname is already in use"), wanted);
        return Outcome::Done;
    }
    let Some(user) = call.irc.user(call.user) else { return Outcome::Done };
    let (old, prefix, is_registered) = (user.nick.clone(), user.prefix(), user.is_registered);
    if old == wanted {
        return Outcome::Done;
    }
    if is_registered && !same(&old, wanted) {
        call.irc.remember(call.user, call.wall);
    }
    call.irc.nicks.remove(&fold(&old));
    call.irc.nicks.insert(key, call.user);
    if let Some(user) = call.irc.user_mut(call.user) {
        user.nick = wanted.to_vec();
    }
    if !is_registered {
        return complete(call);
    }
    let mut post = Post::event(call.wall);
    post.line(&prefix, "NICK").param(wanted).end();
    call.irc.send(call.user, &post);
    call.irc.send_neighbours(call.user, &post, |_| true);
    if !same(&old, wanted) {
        call.irc.tell_gone(&old, call.wall);
        call.irc.tell_come(call.user, call.wall);
    }
    Outcome::Done
}

/// `PASS`. RFC 2812, section 3.1.1.
pub fn pass(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    if let Some(user) = call.irc.user_mut(call.user)
        && !user.is_registered
    {
        user.password = message.param(0).map(Secret::new);
        return Outcome::Done;
    }
    already_registered(call)
}

fn already_registered(call: &mut Call<'_>) -> Outcome {
    let text = Some(&b"You may not reregister"[..]);
    call.irc.reply(call.user, ERR_ALREADYREGISTERED, &[], text);
    Outcome::Done
}

/// `USER`. Modern, "USER message": an empty user name or real name is as good as none.
pub fn user(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let Some(user) = call.irc.user_mut(call.user) else { return Outcome::Done };
    if user.is_registered {
        return already_registered(call);
    }
    let sent = message.param(0).unwrap_or_default();
    let real_name = presentable(message.param(3).unwrap_or_default());
    if sent.is_empty() || real_name.is_empty() {
        return call.lacks_params("USER");
    }
    let name = user_name(sent);
    if name.is_empty() {
        let text = Some(&b"Your username is invalid: it has no letter and no digit"[..]);
        call.irc.reply(call.user, ERR_INVALIDUSERNAME, &[], text);
        return Outcome::Done;
    }
    user.name = name;
    user.real_name = cut_at_character(&real_name, IRC_REAL_NAME_BYTES_MAX).to_vec();
    complete(call)
}

/// Registers somebody of whom everything is known.
fn complete(call: &mut Call<'_>) -> Outcome {
    let Some(user) = call.irc.user_mut(call.user) else { return Outcome::Done };
    let is_known = !user.nick.is_empty() && !user.name.is_empty() && !user.is_negotiating;
    if user.is_registered || !is_known {
        return Outcome::Done;
    }
    let said = user.password.take();
    if call.irc.settings.password.is_some() && said != call.irc.settings.password {
        call.irc.wrong_password = call.irc.user(call.user).map(|user| user.host.clone());
        let text = Some(&b"Password incorrect"[..]);
        call.irc.reply(call.user, ERR_PASSWDMISMATCH, &[], text);
        farewell(call.irc, call.user, b"Password incorrect", call.wall);
        return Outcome::Quit;
    }
    call.irc.clients += 1;
    call.irc.clients_most = call.irc.clients_most.max(call.irc.clients);
    if let Some(user) = call.irc.user_mut(call.user) {
        user.is_registered = true;
        (user.signed_on, user.spoke) = (call.wall, call.mono);
    }
    welcome(call);
    call.irc.tell_come(call.user, call.wall);
    joining::auto_join(call);
    Outcome::Done
}

/// What a client waits for. RFC 2812, section 5.1; Modern, "Connection Registration".
fn welcome(call: &mut Call<'_>) {
    let name = call.irc.settings.name.clone();
    let network = isupport::NETWORK;
    let hello = [format!("Welcome to the {network} network, ").as_bytes(), &call.prefix()].concat();
    let host = format!("Your host is {name}, running version {}", info::VERSION);
    let created = format!("This server was created {}", info::date(call.irc.created));
    call.irc.reply(call.user, RPL_WELCOME, &[], Some(&hello));
    call.irc.reply(call.user, RPL_YOURHOST, &[], Some(host.as_bytes()));
    call.irc.reply(call.user, RPL_CREATED, &[], Some(created.as_bytes()));
    isupport::send_my_info(call);
    isupport::send(call);
    info::send_lusers(call);
    info::send_motd(call);
}

/// `PING`, which is answered with what was said. RFC 2812, section 3.7.2.
pub fn ping(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let token = message.param(0).unwrap_or_default();
    if token.is_empty() {
        call.irc.reply(call.user, ERR_NOORIGIN, &[], Some(b"No origin specified"));
        return Outcome::Done;
    }
    let name = call.irc.settings.name.clone();
    if let Some(out) = call.irc.out(call.user) {
        let line = Outgoing::begin(out, name.as_bytes(), "PONG").param(name.as_bytes());
        line.trailing(&utf8(token)).end();
    }
    Outcome::Done
}

/// `PONG`, and `ERROR`, which nobody answers: that something came is enough. RFC 2812, section
/// 3.7.3.
pub fn pong(_call: &mut Call<'_>, _message: &Message<'_>) -> Outcome {
    Outcome::Done
}

/// `QUIT`. RFC 2812, section 3.1.7. Before what was said stands that it was: so nobody looks as if
/// the server had closed the connection.
pub fn quit(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let reason = match message.param(0) {
        Some(reason) if !reason.is_empty() => [b"Quit: ", &presentable(reason)[..]].concat(),
        _ => b"Client quit".to_vec(),
    };
    farewell(call.irc, call.user, &reason, call.wall);
    Outcome::Quit
}

#[cfg(test)]
mod tests;
