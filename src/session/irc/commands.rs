//! Every command of IRC: its name, how many parameters it needs, who may say it, what does it.

use super::server::Irc;
use super::user::UserId;
use super::{
    asking::Question, bot, help, history, info, joining, labels, listing, modes, monitor,
    registration, talking, who, whois,
};
use crate::clock::{Mono, Wall};
use crate::proto::irc::Message;
use crate::proto::irc::numeric::{
    ERR_CHANOPRIVSNEEDED, ERR_NEEDMOREPARAMS, ERR_NOSUCHCHANNEL, ERR_NOSUCHNICK, ERR_NOTONCHANNEL,
    ERR_NOTREGISTERED, ERR_TOOMANYTARGETS, ERR_UNKNOWNCOMMAND, Numeric,
};

/// What a command is done with.
pub struct Call<'a> {
    /// Everybody.
    pub irc: &'a mut Irc,
    /// Who says it.
    pub user: UserId,
    /// The turn's time.
    pub mono: Mono,
    /// The turn's time on the wall.
    pub wall: Wall,
}

/// What a command came to.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done,
    /// The records have to be walked for its answer.
    Ask(Box<Question>),
    /// The connection ends once its last words are sent.
    Quit,
}

/// Why something was refused: the numeric and its words.
pub(super) type Refusal = (Numeric, &'static str);

pub(super) const NO_SUCH_CHANNEL: Refusal = (ERR_NOSUCHCHANNEL, "No such channel");
pub(super) const NO_SUCH_NICK: Refusal = (ERR_NOSUCHNICK, "No such nick");
pub(super) const NOT_ON_CHANNEL: Refusal = (ERR_NOTONCHANNEL, "You're not on that channel");
pub(super) const NOT_OPERATOR: Refusal = (ERR_CHANOPRIVSNEEDED, "You're not channel operator");
pub(super) const FOR_LOGBOT: Refusal = (ERR_CHANOPRIVSNEEDED, "Only LogBot may do that");
pub(super) const TOO_MANY_TARGETS: Refusal = (ERR_TOOMANYTARGETS, "Too many targets");

impl Call<'_> {
    /// Answers with a refusal that is about `param`.
    pub(super) fn refuse(&mut self, (numeric, text): Refusal, param: &[u8]) {
        self.irc.reply(self.user, numeric, &[param], Some(text.as_bytes()));
    }

    /// Answers that a command needs more parameters.
    pub(super) fn lacks_params(&mut self, command: &str) -> Outcome {
        self.refuse((ERR_NEEDMOREPARAMS, "Not enough parameters"), command.as_bytes());
        Outcome::Done
    }

    /// `nick!user@host` of who says it.
    pub(super) fn prefix(&self) -> Vec<u8> {
        self.irc.user(self.user).map(|user| user.prefix()).unwrap_or_default()
    }
}

/// The names of a comma list; empty ones are none.
pub(super) fn names_of(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').filter(|name| !name.is_empty())
}

/// Who may say a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Everybody.
    Always,
    /// Those who are registered.
    Registered,
}

/// A command.
pub struct Row {
    /// Its name, in capitals.
    pub name: &'static str,
    /// Fewer parameters are answered with `ERR_NEEDMOREPARAMS`.
    pub params_min: usize,
    /// Who may say it.
    pub when: When,
    /// What does it.
    pub handler: fn(&mut Call<'_>, &Message<'_>) -> Outcome,
}

const fn row(
    name: &'static str,
    params_min: usize,
    when: When,
    handler: fn(&mut Call<'_>, &Message<'_>) -> Outcome,
) -> Row {
    Row { name, params_min, when, handler }
}

use When::{Always, Registered};

/// All of them, by name.
pub const COMMANDS: &[Row] = &[
    row("ADMIN", 0, Registered, info::admin),
    row("AUTHENTICATE", 1, Always, registration::authenticate),
    row("AWAY", 0, Registered, who::away),
    row("CAP", 1, Always, registration::cap),
    row("CHATHISTORY", 1, Registered, history::chathistory),
    row("ERROR", 0, Always, registration::pong),
    row("HELP", 0, Registered, help::help),
    row("HELPOP", 0, Registered, help::help),
    row("INFO", 0, Registered, info::info),
    row("INVITE", 0, Registered, joining::invite),
    row("ISON", 1, Registered, who::ison),
    row("JOIN", 1, Registered, joining::join),
    row("KICK", 2, Registered, joining::kick),
    row("KILL", 2, Registered, info::for_operators),
    row("LINKS", 0, Registered, info::links),
    row("LIST", 0, Registered, listing::list),
    row("LOGFILTER", 1, Registered, bot::logfilter),
    row("LOGQUERY", 1, Registered, bot::logquery),
    row("LOGSTATS", 0, Registered, bot::logstats),
    row("LOGSTREAM", 1, Registered, bot::logstream),
    row("LUSERS", 0, Registered, info::lusers),
    row("MODE", 1, Registered, modes::mode),
    row("MONITOR", 1, Registered, monitor::monitor),
    row("MOTD", 0, Registered, info::motd),
    row("NAMES", 0, Registered, listing::names),
    row("NICK", 0, Always, registration::nick),
    row("NOTICE", 0, Registered, talking::notice),
    row("OPER", 2, Registered, info::oper),
    row("PART", 1, Registered, joining::part),
    row("PASS", 1, Always, registration::pass),
    row("PING", 0, Always, registration::ping),
    row("PONG", 0, Always, registration::pong),
    row("PRIVMSG", 0, Registered, talking::privmsg),
    row("QUIT", 0, Always, registration::quit),
    row("SETNAME", 1, Registered, who::setname),
    row("STATS", 0, Registered, info::stats),
    row("TAGMSG", 1, Registered, talking::tagmsg),
    row("TIME", 0, Registered, info::time),
    row("TOPIC", 1, Registered, listing::topic),
    row("USER", 4, Always, registration::user),
    row("USERHOST", 1, Registered, who::userhost),
    row("VERSION", 0, Registered, info::version),
    row("WALLOPS", 1, Registered, info::for_operators),
    row("WHO", 0, Registered, who::who),
    row("WHOIS", 0, Registered, whois::whois),
    row("WHOWAS", 0, Registered, whois::whowas),
];

/// Commands whose text others read, which are refused where it is no UTF-8 (Modern, "UTF8ONLY").
/// What others hold that is none is made UTF-8 wherever it is shown.
const ONLY_UTF8: &[&str] = &["AWAY", "NOTICE", "PRIVMSG", "SETNAME", "TAGMSG"];

/// Does what a message says, and labels the answer.
pub fn dispatch(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    labels::labelled(call, message, |call| answer(call, message))
}

fn answer(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let command = message.command();
    let is_registered = call.irc.user(call.user).is_some_and(|user| user.is_registered);
    let row = COMMANDS.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(command));
    if !is_registered && row.is_none_or(|row| row.when == Registered) {
        // irssi sends an empty JOIN and waits for this where nobody answers its CAP.
        call.irc.reply(call.user, ERR_NOTREGISTERED, &[], Some(b"You have not registered"));
        return Outcome::Done;
    }
    let Some(row) = row else {
        call.refuse((ERR_UNKNOWNCOMMAND, "Unknown command"), command);
        return Outcome::Done;
    };
    let is_text = message.params().iter().all(|param| str::from_utf8(param).is_ok());
    if !is_text && ONLY_UTF8.contains(&row.name) {
        let text = "your message is no UTF-8, which is all that is allowed here";
        call.irc.fail(call.user, row.name, "INVALID_UTF8", &[], text);
        return Outcome::Done;
    }
    if message.params().len() < row.params_min {
        return call.lacks_params(row.name);
    }
    (row.handler)(call, message)
}
