//! HELP: how each command is said and what it does. Modern, "HELP message".

use super::commands::{Call, Outcome};
use crate::proto::irc::Message;
use crate::proto::irc::numeric::{ERR_HELPNOTFOUND, RPL_ENDOFHELP, RPL_HELPSTART, RPL_HELPTXT};

/// A command, what it takes, what it does.
type Entry = (&'static str, &'static str, &'static str);

const ENTRIES: &[Entry] = &[
    ("ADMIN", "[server]", "Tells who looks after the server."),
    ("AUTHENTICATE", "mechanism", "Logs in with SASL; there are no accounts here."),
    ("AWAY", "[text]", "Marks you as away; without a text as here again."),
    ("CAP", "LS|LIST|REQ|END [list]", "Negotiates capabilities."),
    ("CHATHISTORY", "subcommand target ...", "Shows what was said in a log channel before."),
    ("ERROR", "text", "Is for servers; nothing comes of it."),
    ("HELP", "[subject]", "Explains a command; without a subject it names them all."),
    ("HELPOP", "[subject]", "Is HELP."),
    ("INFO", "[server]", "Tells what this server is."),
    ("INVITE", "[nick channel]", "Invites somebody; without parameters it lists invitations."),
    ("ISON", "nicks", "Tells which of them are here."),
    ("JOIN", "channels [keys]", "Comes into channels; JOIN 0 leaves them all."),
    ("KICK", "channel nicks [reason]", "Takes somebody out of a channel; for its operators."),
    ("KILL", "nick reason", "Is for operators of the server, of whom there are none."),
    ("LINKS", "[mask]", "Lists servers that this one is linked to: none."),
    ("LIST", "[masks and conditions]", "Lists channels; LIST #logs-* the log channels."),
    ("LOGFILTER", "add|del|list|off ...", "Adds a filter to a channel, as !logfilter does."),
    ("LOGQUERY", "words", "Asks for records, as !query does."),
    ("LOGSTATS", "", "Tells how many records there are, as !logstats does."),
    ("LOGSTREAM", "level|off|full", "Sends you log lines, as !logstream does."),
    ("LUSERS", "", "Counts users and channels."),
    ("MODE", "target [changes]", "Shows or changes the modes of a channel or of yourself."),
    ("MONITOR", "+|-|C|L|S [nicks]", "Tells you when somebody comes and goes."),
    ("MOTD", "[server]", "Shows the message of the day."),
    ("NAMES", "[channels]", "Names who is in a channel."),
    ("NICK", "nick", "Chooses your nick."),
    ("NOTICE", "targets text", "Says something that nothing answers."),
    ("OPER", "name password", "Is for operators of the server, of whom there are none."),
    ("PART", "channels [reason]", "Leaves channels."),
    ("PASS", "password", "Says the server's password, before you are registered."),
    ("PING", "token", "Is answered with PONG and the token."),
    ("PONG", "token", "Answers the server's PING."),
    ("PRIVMSG", "targets text", "Says something to channels or people."),
    ("QUIT", "[reason]", "Ends the connection."),
    ("SETNAME", "name", "Changes your real name."),
    ("STATS", "letter", "Tells how the server is; u since when it is up."),
    ("TAGMSG", "targets", "Sends tags without a text."),
    ("TIME", "[server]", "Tells the server's time."),
    ("TOPIC", "channel [text]", "Shows or sets what a channel is about."),
    ("USER", "name 0 * realname", "Says who you are, before you are registered."),
    ("USERHOST", "nicks", "Tells where up to five of them come from."),
    ("VERSION", "[server]", "Tells the server's version and what it supports."),
    ("WALLOPS", "text", "Is for operators of the server, of whom there are none."),
    ("WHO", "[mask [%fields,token]]", "Lists who is in a channel or has such a name."),
    ("WHOIS", "[server] nick", "Tells what is known of somebody."),
    ("WHOWAS", "nick [count]", "Tells what is known of somebody who has left."),
];

/// `HELP [subject]`.
pub fn help(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let subject = match message.param(0).unwrap_or_default() {
        b"" => return index(call),
        subject => subject,
    };
    let found = ENTRIES.iter().find(|(name, _, _)| name.as_bytes().eq_ignore_ascii_case(subject));
    let Some((name, params, text)) = found else {
        call.refuse((ERR_HELPNOTFOUND, "No help available on this subject"), subject);
        return Outcome::Done;
    };
    let usage = format!("{name} {params}");
    tell(call, name.as_bytes(), &[usage.trim_end().to_owned(), (*text).to_owned()]);
    Outcome::Done
}

/// All subjects.
fn index(call: &mut Call<'_>) -> Outcome {
    let names: Vec<&str> = ENTRIES.iter().map(|(name, _, _)| *name).collect();
    let mut lines = vec!["Commands; HELP and one of them tells more:".to_owned()];
    lines.extend(names.chunks(12).map(|names| names.join(" ")));
    lines.push("LogBot's own commands: !help in any channel, or /msg LogBot !help".to_owned());
    tell(call, b"index", &lines);
    Outcome::Done
}

/// Lines about a subject, the first and the last as such.
fn tell(call: &mut Call<'_>, subject: &[u8], lines: &[String]) {
    for (at, line) in lines.iter().enumerate() {
        let numeric = if at == 0 { RPL_HELPSTART } else { RPL_HELPTXT };
        call.irc.reply(call.user, numeric, &[subject], Some(line.as_bytes()));
    }
    call.irc.reply(call.user, RPL_ENDOFHELP, &[subject], Some(b"End of HELP"));
}

#[cfg(test)]
mod tests {
    use super::super::commands::COMMANDS;
    use super::*;

    #[test]
    fn every_command_is_explained_and_nothing_else() {
        let commands: Vec<&str> = COMMANDS.iter().map(|row| row.name).collect();
        let entries: Vec<&str> = ENTRIES.iter().map(|(name, _, _)| *name).collect();
        assert_eq!(entries, commands);
    }
}
