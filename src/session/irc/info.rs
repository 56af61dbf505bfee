//! What the server says of itself.

use super::commands::{Call, Outcome};
use super::isupport;
use super::user::LOG_BOT;
use crate::clock::{SECOND, Wall};
use crate::proto::irc::Message;
use crate::proto::irc::mask::matches;
use crate::proto::irc::numeric::{
    ERR_NOMOTD, ERR_NOOPERHOST, ERR_NOPRIVILEGES, ERR_NOSUCHSERVER, RPL_ADMINEMAIL, RPL_ADMINLOC1,
    RPL_ADMINLOC2, RPL_ADMINME, RPL_ENDOFINFO, RPL_ENDOFLINKS, RPL_ENDOFMOTD, RPL_ENDOFSTATS,
    RPL_GLOBALUSERS, RPL_INFO, RPL_LOCALUSERS, RPL_LUSERCHANNELS, RPL_LUSERCLIENT, RPL_LUSERME,
    RPL_LUSEROP, RPL_LUSERUNKNOWN, RPL_MOTD, RPL_MOTDSTART, RPL_STATSUPTIME, RPL_TIME, RPL_VERSION,
};

use super::server::utf8;

/// Name and version, as one word.
pub(super) const VERSION: &str = concat!("logcaster-", env!("CARGO_PKG_VERSION"));

/// What this server is, in a few words.
pub(super) const WHAT: &str = "logcaster: log lines, and those who read them";

/// Longer texts, line by line.
const ABOUT: &[&str] = &[
    "logcaster collects log lines, keeps the newest, and answers questions about them.",
    "Log channels: #logs-all, #logs-error, #logs-warning, #logs-info, #logs-debug stand from the",
    "start; #logs-WORD has the lines with that word, #logs-host-NAME and #logs-app-NAME those of",
    "one sender. LIST #logs-* shows which there are.",
    "Questions: !help in any channel, or /msg LogBot !help.",
];

/// A time for people: UTC, to the second.
pub(super) fn date(wall: Wall) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(wall)).unwrap_or_default();
    time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

/// Whether a server or nick that a command names is on this server: there is no other.
pub(super) fn is_here(call: &Call<'_>, target: &[u8]) -> bool {
    matches(target, call.irc.settings.name.as_bytes()) || call.irc.find(target).is_some()
}

/// Whether the parameter `at`, which may name a server, means this one; else it is said.
fn is_for_us(call: &mut Call<'_>, message: &Message<'_>, at: usize) -> bool {
    match message.param(at) {
        Some(target) if !is_here(call, target) => {
            call.refuse((ERR_NOSUCHSERVER, "No such server"), target);
            false
        }
        _ => true,
    }
}

/// `ADMIN [server]`. RFC 2812, section 3.4.9.
pub fn admin(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    if !is_for_us(call, message, 0) {
        return Outcome::Done;
    }
    let name = call.irc.settings.name.clone();
    let text = Some(&b"Administrative info"[..]);
    call.irc.reply(call.user, RPL_ADMINME, &[name.as_bytes()], text);
    let lines = [
        (RPL_ADMINLOC1, WHAT),
        (RPL_ADMINLOC2, "It is looked after by whoever set it up"),
        (RPL_ADMINEMAIL, "Ask in a channel: no address was given"),
    ];
    for (numeric, text) in lines {
        call.irc.reply(call.user, numeric, &[], Some(text.as_bytes()));
    }
    Outcome::Done
}

/// `INFO [server]`. RFC 2812, section 3.4.10.
pub fn info(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    if !is_for_us(call, message, 0) {
        return Outcome::Done;
    }
    let since = format!("{VERSION}, up since {}", date(call.irc.created));
    for line in ABOUT.iter().copied().chain([&since[..]]) {
        call.irc.reply(call.user, RPL_INFO, &[], Some(line.as_bytes()));
    }
    call.irc.reply(call.user, RPL_ENDOFINFO, &[], Some(b"End of INFO list"));
    Outcome::Done
}

/// `LINKS`: there is one server, so there is no link. RFC 2812, section 3.4.5.
pub fn links(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let mask = message.params().last().copied().unwrap_or(b"*");
    call.irc.reply(call.user, RPL_ENDOFLINKS, &[mask], Some(b"End of LINKS list"));
    Outcome::Done
}

/// `LUSERS`. RFC 2812, section 3.4.2.
pub fn lusers(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    if is_for_us(call, message, 1) {
        send_lusers(call);
    }
    Outcome::Done
}

/// How many there are. LogBot is nobody, and a channel in which nobody is is none.
pub(super) fn send_lusers(call: &mut Call<'_>) {
    let there = call.irc.users.iter().map(|(_, user)| user).skip(LOG_BOT.0 + 1);
    let (mut invisible, mut unknown) = (0, 0);
    for user in there.filter(|user| !user.is_gone) {
        unknown += usize::from(!user.is_registered);
        invisible += usize::from(user.is_registered && user.is_invisible);
    }
    let (clients, channels, _) = call.irc.counts();
    let most = call.irc.clients_most;
    let visible = clients.saturating_sub(invisible);
    let users = format!("There are {visible} users and {invisible} invisible on 1 servers");
    let mine = format!("I have {clients} clients and 0 servers");
    let to = call.user;
    call.irc.reply(to, RPL_LUSERCLIENT, &[], Some(users.as_bytes()));
    call.irc.reply(to, RPL_LUSEROP, &[b"0"], Some(b"operator(s) online"));
    let unknown = unknown.to_string();
    call.irc.reply(to, RPL_LUSERUNKNOWN, &[unknown.as_bytes()], Some(b"unknown connection(s)"));
    let channels = channels.to_string();
    call.irc.reply(to, RPL_LUSERCHANNELS, &[channels.as_bytes()], Some(b"channels formed"));
    call.irc.reply(to, RPL_LUSERME, &[], Some(mine.as_bytes()));
    let (now, top) = (clients.to_string(), most.to_string());
    for (numeric, whose) in [(RPL_LOCALUSERS, "local"), (RPL_GLOBALUSERS, "global")] {
        let text = format!("Current {whose} users {clients}, max {most}");
        let params = [now.as_bytes(), top.as_bytes()];
        call.irc.reply(to, numeric, &params, Some(text.as_bytes()));
    }
}

/// `MOTD [server]`. RFC 2812, section 3.4.1.
pub fn motd(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    if is_for_us(call, message, 0) {
        send_motd(call);
    }
    Outcome::Done
}

/// The message of the day; where there is none, where to look instead.
pub(super) fn send_motd(call: &mut Call<'_>) {
    let to = call.user;
    let lines = call.irc.settings.motd.clone();
    if lines.is_empty() {
        let text = "No message of the day. LIST #logs-* shows the log channels, !help what to ask";
        return call.irc.reply(to, ERR_NOMOTD, &[], Some(text.as_bytes()));
    }
    let title = format!("- {} Message of the day - ", call.irc.settings.name);
    call.irc.reply(to, RPL_MOTDSTART, &[], Some(title.as_bytes()));
    for line in &lines {
        call.irc.reply(to, RPL_MOTD, &[], Some(&[b"- ", &utf8(line)[..]].concat()));
    }
    call.irc.reply(to, RPL_ENDOFMOTD, &[], Some(b"End of MOTD command"));
}

/// `OPER`: nobody can be one. RFC 2812, section 3.1.4.
pub fn oper(call: &mut Call<'_>, _message: &Message<'_>) -> Outcome {
    let text = Some(&b"No operators here: the server is looked after from outside"[..]);
    call.irc.reply(call.user, ERR_NOOPERHOST, &[], text);
    Outcome::Done
}

/// What only operators may do: nobody may. RFC 2812, section 3.7.1.
pub fn for_operators(call: &mut Call<'_>, _message: &Message<'_>) -> Outcome {
    let text = Some(&b"Permission denied: you're not an IRC operator"[..]);
    call.irc.reply(call.user, ERR_NOPRIVILEGES, &[], text);
    Outcome::Done
}

/// `STATS [letter [server]]`: `u` tells how long the server is up. RFC 2812, section 3.4.4.
pub fn stats(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let Some(letter) = message.param(0).filter(|letter| !letter.is_empty()) else {
        return call.lacks_params("STATS");
    };
    if !is_for_us(call, message, 1) {
        return Outcome::Done;
    }
    if letter == b"u" {
        let up = call.wall.saturating_sub(call.irc.created) / SECOND;
        let (days, hours, minutes) = (up / 86_400, up / 3600 % 24, up / 60 % 60);
        let text = format!("Server Up {days} days {hours}:{minutes:02}:{:02}", up % 60);
        call.irc.reply(call.user, RPL_STATSUPTIME, &[], Some(text.as_bytes()));
    }
    call.irc.reply(call.user, RPL_ENDOFSTATS, &[letter], Some(b"End of STATS report"));
    Outcome::Done
}

/// `TIME [server]`. RFC 2812, section 3.4.6.
pub fn time(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    if is_for_us(call, message, 0) {
        let (name, now) = (call.irc.settings.name.clone(), date(call.wall));
        call.irc.reply(call.user, RPL_TIME, &[name.as_bytes()], Some(now.as_bytes()));
    }
    Outcome::Done
}

/// `VERSION [server]`. RFC 2812, section 3.4.3; Modern has 005 follow.
pub fn version(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    if is_for_us(call, message, 0) {
        let name = call.irc.settings.name.clone();
        let params = [VERSION.as_bytes(), name.as_bytes()];
        call.irc.reply(call.user, RPL_VERSION, &params, Some(WHAT.as_bytes()));
        isupport::send(call);
    }
    Outcome::Done
}
