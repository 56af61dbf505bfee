//! What the server supports, told with 005: each limit from where it is kept. Modern,
//! "RPL_ISUPPORT Parameters".

use super::commands::Call;
use super::info::VERSION;
use crate::limits::{
    IRC_AWAY_BYTES_MAX, IRC_BANS_MAX, IRC_CHANNEL_BYTES_MAX, IRC_CHANNELS_PER_USER_MAX,
    IRC_HISTORY_MAX, IRC_KEY_BYTES_MAX, IRC_KICK_BYTES_MAX, IRC_MODE_CHANGES_MAX, IRC_MONITOR_MAX,
    IRC_NICK_BYTES_MAX, IRC_REAL_NAME_BYTES_MAX, IRC_TARGETS_MAX, IRC_TOPIC_BYTES_MAX,
    IRC_USER_BYTES_MAX, IRC_USERHOSTS_MAX,
};
use crate::proto::irc::numeric::{RPL_ISUPPORT, RPL_MYINFO};

/// What the network is called, which has one server.
pub const NETWORK: &str = "logcaster";

/// Modes of a user; modes of a channel; those of them that take an argument.
const MODES: [&str; 3] = ["Biw", "biklmnostv", "bklov"];

/// Tokens of one line, at most: with the nick and the text they are fifteen parameters.
const TOKENS_PER_LINE: usize = 13;

/// What stands behind a token's `=`.
enum Value {
    /// Nothing: it is there.
    Flag,
    /// A word.
    Word(&'static str),
    /// A limit.
    Number(usize),
    /// A limit of what stands before it.
    Of(&'static str, usize),
    /// For each command how many targets it may have; without a number as many as fit.
    Targets(&'static [(&'static str, Option<usize>)]),
}

use Value::{Flag, Number, Of, Targets, Word};

const TOKENS: &[(&str, Value)] = &[
    ("AWAYLEN", Number(IRC_AWAY_BYTES_MAX)),
    ("BOT", Word("B")),
    ("CASEMAPPING", Word("rfc1459")),
    ("CHANLIMIT", Of("#", IRC_CHANNELS_PER_USER_MAX)),
    ("CHANMODES", Word("b,k,l,imnst")),
    ("CHANNELLEN", Number(IRC_CHANNEL_BYTES_MAX)),
    ("CHANTYPES", Word("#")),
    ("CHATHISTORY", Number(IRC_HISTORY_MAX)),
    ("ELIST", Word("MNTU")),
    ("KEYLEN", Number(IRC_KEY_BYTES_MAX)),
    ("KICKLEN", Number(IRC_KICK_BYTES_MAX)),
    ("MAXLIST", Of("b", IRC_BANS_MAX)),
    ("MODES", Number(IRC_MODE_CHANGES_MAX)),
    ("MONITOR", Number(IRC_MONITOR_MAX)),
    ("MSGREFTYPES", Word("timestamp,msgid")),
    ("NAMELEN", Number(IRC_REAL_NAME_BYTES_MAX)),
    ("NETWORK", Word(NETWORK)),
    ("NICKLEN", Number(IRC_NICK_BYTES_MAX)),
    ("PREFIX", Word("(ov)@+")),
    ("SAFELIST", Flag),
    ("STATUSMSG", Word("@+")),
    ("TARGMAX", Targets(TARGETS)),
    ("TOPICLEN", Number(IRC_TOPIC_BYTES_MAX)),
    ("USERLEN", Number(IRC_USER_BYTES_MAX)),
    ("UTF8ONLY", Flag),
    ("WHOX", Flag),
];

const TARGETS: &[(&str, Option<usize>)] = &[
    ("JOIN", None),
    ("PART", None),
    ("KICK", Some(IRC_TARGETS_MAX)),
    ("NAMES", Some(1)),
    ("LIST", Some(1)),
    ("WHOIS", Some(1)),
    ("WHOWAS", Some(1)),
    ("USERHOST", Some(IRC_USERHOSTS_MAX)),
    ("PRIVMSG", Some(IRC_TARGETS_MAX)),
    ("NOTICE", Some(IRC_TARGETS_MAX)),
    ("TAGMSG", Some(IRC_TARGETS_MAX)),
];

/// A token as it is told.
fn shown((name, value): &(&str, Value)) -> Vec<u8> {
    let text = match value {
        Flag => name.to_string(),
        Word(word) => format!("{name}={word}"),
        Number(number) => format!("{name}={number}"),
        Of(what, number) => format!("{name}={what}:{number}"),
        Targets(targets) => {
            let one = |(command, most): &(&str, Option<usize>)| match most {
                Some(most) => format!("{command}:{most}"),
                None => format!("{command}:"),
            };
            let all: Vec<String> = targets.iter().map(one).collect();
            format!("{name}={}", all.join(","))
        }
    };
    text.into_bytes()
}

/// `RPL_MYINFO`. RFC 2812, section 5.1.
pub(super) fn send_my_info(call: &mut Call<'_>) {
    let name = call.irc.settings.name.clone();
    let [user, channel, with_argument] = MODES.map(str::as_bytes);
    let params = [name.as_bytes(), VERSION.as_bytes(), user, channel, with_argument];
    call.irc.reply(call.user, RPL_MYINFO, &params, None);
}

/// All tokens, in as few lines as they need.
pub(super) fn send(call: &mut Call<'_>) {
    let tokens: Vec<Vec<u8>> = TOKENS.iter().map(shown).collect();
    for line in tokens.chunks(TOKENS_PER_LINE) {
        let line: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
        let text = Some(&b"are supported by this server"[..]);
        call.irc.reply(call.user, RPL_ISUPPORT, &line, text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Party;
    use super::super::user::UserId;
    use super::*;

    #[test]
    fn tokens_stand_once_each_in_order_and_fit_into_their_lines() {
        assert!(TOKENS.is_sorted_by(|(one, _), (next, _)| one < next));
        let mut party = Party::new(&["alice"]);
        let user: UserId = party.id("alice");
        let (irc, mono, wall) = (&mut party.irc, party.mono, party.wall);
        send(&mut Call { irc, user, mono, wall });
        let lines = party.take("alice");
        assert_eq!(lines.len(), TOKENS.len().div_ceil(TOKENS_PER_LINE));
        for line in &lines {
            assert!(line.ends_with(" :are supported by this server"), "cut: {line}");
            assert!(line.split(' ').all(|word| word.matches('=').count() <= 1), "{line}");
        }
        let all = lines.join(" ");
        for token in ["NICKLEN=30", "CHANNELLEN=64", "CHANLIMIT=#:50", "MAXLIST=b:50"] {
            assert!(all.contains(token), "{token}");
        }
    }
}
