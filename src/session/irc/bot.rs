//! LogBot: what it is told, and what it answers.
//!
//! In a channel a command begins with `!` or with `LogBot:`; other words, and commands that LogBot
//! does not know, are no business of its: people have other bots. To LogBot alone the sign may be
//! left out. What only the records know becomes a [`Question`].

pub mod alerts;
pub mod filters;
pub mod saved;
pub mod stats;
#[cfg(test)]
mod tests;

use super::asking::{Ask, Question, in_double_quotes};
use super::commands::{Call, Outcome};
use super::line::harmless;
pub use super::saying::{Place, Reply};
use super::server::{Irc, LOG_BOT_NICK};
use crate::limits::IRC_ANSWER_LINES;
use crate::proto::irc::Message;
use crate::proto::irc::names::same;
use crate::query::number;
use alerts::Alerts;
use stats::Pace;

/// What LogBot keeps.
#[derive(Debug, Default)]
pub struct Bot {
    pub(super) alerts: Alerts,
    /// How fast records come.
    pub(super) pace: Pace,
    /// The number that was given last, to a filter or an alert.
    pub(super) numbers: u32,
    /// What is kept over a restart has changed.
    pub(super) is_changed: bool,
    /// What was kept is still to be brought back: till then nothing is added, for its number might
    /// be one of those.
    pub(super) awaits_restore: bool,
}

/// A command.
struct Row {
    /// Its name, without `!`.
    name: &'static str,
    /// What stands behind it.
    usage: &'static str,
    /// What it does, for people.
    does: &'static str,
    handler: fn(&mut Call<'_>, Reply, &[u8]) -> Outcome,
}

const fn row(
    name: &'static str,
    usage: &'static str,
    does: &'static str,
    handler: fn(&mut Call<'_>, Reply, &[u8]) -> Outcome,
) -> Row {
    Row { name, usage, does, handler }
}

/// All of them, in the order in which `!help` names them.
const COMMANDS: &[Row] = &[
    row(
        "query",
        "WORDS NAME=VALUE …",
        "the newest matches, and how many there are; as !query timeout level>=error since=-10m \
         limit=5",
        query,
    ),
    row("count", "[WORDS NAME=VALUE …]", "how many records match, or there are", count),
    row("recent", "[N]", "the newest N records", recent),
    row("more", "", "the next ten of the last !query, to you alone", more),
    row("stats", "", "how the server is", show_stats),
    row("logstats", "", "records by level, and what is said here", show_logstats),
    row("help", "[COMMAND]", "these commands, or one of them", help),
    row(
        "logstream",
        "[#CHANNEL] all|error|warning|info|debug|off|full",
        "which lines I say here, or to you alone; full: all of them, however many there are",
        filters::logstream,
    ),
    row(
        "logfilter",
        "add #CHANNEL keyword|regex PATTERN | del ID | list | off|on [#CHANNEL]",
        "lines that match are said in a channel, which comes to be where it is not there",
        filters::logfilter,
    ),
    row(
        "alert",
        "add NAME 'FILTER' > N per 5m #CHANNEL | list | del NAME",
        "tells a channel when more than N lines match within a time",
        alerts::alert,
    ),
    row("colors", "on|off", "whether what you are sent is coloured", colors),
];

/// Hears what somebody says to LogBot, or in a channel with a `!` before it.
pub fn hear(call: &mut Call<'_>, place: Place, text: &[u8]) -> Outcome {
    // What is said from outside of a channel is not answered in front of those in it.
    let is_inside = |id| call.irc.channel(id).is_some_and(|one| one.has(call.user));
    let place = match place {
        Place::Channel(id) if is_inside(id) => place,
        _ => Place::Private,
    };
    let reply = Reply { asker: call.user, place, is_notice: false };
    let text = text.trim_ascii();
    let called = addressed(text);
    let is_for_bot = called.is_some() || place == Place::Private;
    let text = called.unwrap_or(text);
    let command = match text.strip_prefix(b"!") {
        Some(command) => command,
        // CTCP, and what programs ask each other.
        None if text.is_empty() || text.starts_with(b"\x01") => return Outcome::Done,
        None if is_for_bot => text,
        None => return Outcome::Done,
    };
    let (name, words) = first_word(command);
    match find(name) {
        Some(row) => (row.handler)(call, reply, words),
        None if is_for_bot => {
            let shown = shown(name);
            say(call, reply, &format!("ERROR: unknown command \"{shown}\": !help names them"))
        }
        None => Outcome::Done,
    }
}

/// Whether what is said in a channel may be for LogBot.
pub fn is_called(text: &[u8]) -> bool {
    text.starts_with(b"!") || addressed(text.trim_ascii()).is_some()
}

/// What is said to LogBot behind its name, as `LogBot: help`.
pub(super) fn addressed(text: &[u8]) -> Option<&[u8]> {
    let (name, rest) = text.split_at_checked(LOG_BOT_NICK.len())?;
    match rest {
        [b':' | b',', rest @ ..] if same(name, LOG_BOT_NICK) => Some(rest.trim_ascii_start()),
        _ => None,
    }
}

/// A word of somebody's, as it can be said back.
fn shown(word: &[u8]) -> String {
    let mut shown = Vec::new();
    harmless(word, 64, &mut shown);
    String::from_utf8_lossy(&shown).into_owned()
}

/// `LOGQUERY words`
pub fn logquery(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    raw(call, message, query)
}

/// `LOGFILTER add|del|list|off …`
pub fn logfilter(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    raw(call, message, filters::logfilter)
}

/// `LOGSTREAM [#channel] word`
pub fn logstream(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    raw(call, message, filters::logstream)
}

/// `LOGSTATS`
pub fn logstats(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    raw(call, message, show_logstats)
}

/// A command of LogBot's as one of IRC's: the answer is a NOTICE.
fn raw(
    call: &mut Call<'_>,
    message: &Message<'_>,
    handler: fn(&mut Call<'_>, Reply, &[u8]) -> Outcome,
) -> Outcome {
    let reply = Reply { asker: call.user, place: Place::Private, is_notice: true };
    let words = message.params().join(&b' ');
    handler(call, reply, words.trim_ascii())
}

fn find(name: &[u8]) -> Option<&'static Row> {
    COMMANDS.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name))
}

/// The first word, and what follows behind the space.
pub(super) fn first_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii())
}

/// Answers with one text.
fn say(call: &mut Call<'_>, reply: Reply, text: &str) -> Outcome {
    call.irc.answer(reply, text, call.wall);
    Outcome::Done
}

/// How a command is to be said.
fn usage(call: &mut Call<'_>, reply: Reply, name: &str) -> Outcome {
    let usage = find(name.as_bytes()).map_or("", |row| row.usage);
    say(call, reply, &format!("ERROR: usage: !{name} {usage}"))
}

fn ask(reply: Reply, ask: Ask, name: &str, words: &[u8]) -> Outcome {
    let words = [b"!", name.as_bytes(), b" ", words].concat().trim_ascii_end().to_vec();
    Outcome::Ask(Box::new(Question { reply, ask, words }))
}

fn query(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    match in_double_quotes(words) {
        Ok(read) => ask(reply, Ask::Query(read), "query", words),
        Err(reason) => say(call, reply, &format!("ERROR: {reason}")),
    }
}

fn count(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    match in_double_quotes(words) {
        Ok(read) => ask(reply, Ask::Count(read), "count", words),
        Err(reason) => say(call, reply, &format!("ERROR: {reason}")),
    }
}

fn recent(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    let count = match words {
        [] => Some(IRC_ANSWER_LINES),
        words => number(words, 1),
    };
    match count {
        Some(count) => ask(reply, Ask::Recent(count), "recent", words),
        None => usage(call, reply, "recent"),
    }
}

fn more(_: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    ask(reply, Ask::More, "more", words)
}

fn show_stats(_: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    ask(reply, Ask::Stats, "stats", words)
}

fn show_logstats(_: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    ask(reply, Ask::LogStats, "logstats", words)
}

fn colors(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    let is_plain = match &words.to_ascii_lowercase()[..] {
        b"on" => false,
        b"off" => true,
        _ => return usage(call, reply, "colors"),
    };
    if let Some(user) = call.irc.user_mut(call.user) {
        user.is_plain = is_plain;
    }
    let state = if is_plain { "off" } else { "on" };
    say(call, reply.in_private(), &format!("colours are {state} for you"))
}

fn help(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    let name = words.strip_prefix(b"!").unwrap_or(words);
    if let Some(row) = find(name) {
        let usage = format!("!{} {}", row.name, row.usage);
        return say(call, reply, &format!("{}: {}", usage.trim_end(), row.does));
    }
    if !name.is_empty() {
        let text = format!("there is no command {}; !help lists them", shown(name));
        return say(call, reply, &text);
    }
    if matches!(reply.place, Place::Channel(_)) {
        let names: Vec<_> = COMMANDS.iter().map(|row| format!("!{}", row.name)).collect();
        let text = format!(
            "{}; !help COMMAND tells more, /msg LogBot help all of it; log channels: #logs-all, \
             #logs-error, …, #logs-WORD, #logs-host-HOST, #logs-app-APP",
            names.join(" ")
        );
        return say(call, reply, &text);
    }
    for row in COMMANDS {
        let usage = format!("!{} {}", row.name, row.usage);
        say(call, reply, &format!("{}: {}", usage.trim_end(), row.does));
    }
    say(
        call,
        reply,
        "log channels: #logs-all #logs-error #logs-warning #logs-info #logs-debug, and any of \
         #logs-WORD, #logs-host-HOST, #logs-app-APP",
    )
}

impl Irc {
    /// The next number of a filter or an alert.
    fn next_number(&mut self) -> u32 {
        self.bot.numbers = self.bot.numbers.saturating_add(1);
        self.bot.numbers
    }
}
