//! What channels there are, who is in them, what they are about: LIST, NAMES, TOPIC.

use std::collections::VecDeque;

use super::channel::{Channel, ChannelId, Topic};
use super::commands::{
    Call, FOR_LOGBOT, NO_SUCH_CHANNEL, NOT_ON_CHANNEL, NOT_OPERATOR, Outcome, Refusal,
    TOO_MANY_TARGETS, names_of,
};
use super::line::presentable;
use super::server::Post;
use super::unfinished::{self, Unfinished};
use crate::clock::{SECOND, Wall};
use crate::limits::{
    IRC_LIST_CONDITIONS_MAX, IRC_MASK_BYTES_MAX, IRC_TARGETS_MAX, IRC_TOPIC_BYTES_MAX,
};
use crate::proto::irc::Message;
use crate::proto::irc::caps::Cap;
use crate::proto::irc::mask::matches;
use crate::proto::irc::names::same;
use crate::proto::irc::numeric::{
    ERR_TOOMANYTARGETS, RPL_ENDOFNAMES, RPL_LIST, RPL_LISTEND, RPL_LISTSTART, RPL_NAMREPLY,
    RPL_NOTOPIC, RPL_TOPIC, RPL_TOPICWHOTIME,
};
use crate::proto::irc::outgoing::cut_at_character;

/// Nanoseconds of a minute.
const MINUTE: Wall = 60 * SECOND;

/// `TOPIC channel [text]`. RFC 2812 section 3.2.4; Modern, "TOPIC message".
pub fn topic(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let name = message.param(0).unwrap_or_default();
    let done = match message.param(1) {
        None => show_topic(call, name),
        Some(text) => set_topic(call, name, text),
    };
    if let Err(refusal) = done {
        call.refuse(refusal, name);
    }
    Outcome::Done
}

fn show_topic(call: &mut Call<'_>, name: &[u8]) -> Result<(), Refusal> {
    let id = call.irc.find_channel(name).ok_or(NO_SUCH_CHANNEL)?;
    let channel = call.irc.channel(id).ok_or(NO_SUCH_CHANNEL)?;
    if !channel.is_visible_to(call.user) {
        return Err(NOT_ON_CHANNEL);
    }
    if channel.topic.is_none() {
        let name = channel.name.clone();
        call.irc.reply(call.user, RPL_NOTOPIC, &[&name], Some(b"No topic is set"));
    }
    send_topic(call, id);
    Ok(())
}

fn set_topic(call: &mut Call<'_>, name: &[u8], text: &[u8]) -> Result<(), Refusal> {
    let (user, prefix, wall) = (call.user, call.prefix(), call.wall);
    let id = call.irc.find_channel(name).ok_or(NO_SUCH_CHANNEL)?;
    let by = call.irc.nick(user);
    let channel = call.irc.channel_mut(id).ok_or(NO_SUCH_CHANNEL)?;
    let member = channel.members.get(&user).ok_or(NOT_ON_CHANNEL)?;
    if channel.is_log {
        return Err(FOR_LOGBOT);
    }
    if channel.modes.is_topic_locked && !member.is_operator {
        return Err(NOT_OPERATOR);
    }
    let text = presentable(text);
    let text = cut_at_character(&text, IRC_TOPIC_BYTES_MAX);
    let mut post = Post::event(wall);
    post.line(&prefix, "TOPIC").param(&channel.name).trailing(text).end();
    let text = text.to_vec();
    channel.topic = (!text.is_empty()).then_some(Topic { text, by, at: wall });
    call.irc.send_channel(id, None, &post);
    Ok(())
}

/// Tells the topic, where there is one.
pub(super) fn send_topic(call: &mut Call<'_>, id: ChannelId) {
    let Some(channel) = call.irc.channel(id) else { return };
    let Some(Topic { text, by, at }) = channel.topic.clone() else { return };
    let name = channel.name.clone();
    let at = (at / SECOND).to_string();
    call.irc.reply(call.user, RPL_TOPIC, &[&name], Some(&text));
    call.irc.reply(call.user, RPL_TOPICWHOTIME, &[&name, &by, at.as_bytes()], None);
}

/// `NAMES [channels]`. RFC 2812 section 3.2.5; Modern, "NAMES message".
pub fn names(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let list = message.param(0).unwrap_or_default();
    if names_of(list).next().is_none() {
        let mut all: Vec<_> = call.irc.channels.iter().collect();
        all.sort_by_key(|(at, channel)| (channel.created, *at));
        let shown = all.into_iter().filter(|(_, one)| one.is_visible_to(call.user));
        let shown = shown.filter(|(_, one)| one.has_people());
        let shown = shown.map(|(at, _)| ChannelId(at)).collect();
        unfinished::begin(call, Unfinished::Names(Naming::All(shown)));
        return Outcome::Done;
    }
    let mut asked: VecDeque<Vec<u8>> = VecDeque::new();
    let mut too_many = None;
    for name in names_of(list) {
        if asked.iter().any(|one| same(one, name)) {
            continue;
        }
        if asked.len() == IRC_TARGETS_MAX {
            too_many = Some(name.to_vec());
            break;
        }
        asked.push_back(name.to_vec());
    }
    unfinished::begin(call, Unfinished::Names(Naming::Asked { names: asked, too_many }));
    Outcome::Done
}

/// Channels whose members are to be named.
#[derive(Debug)]
pub enum Naming {
    /// All that can be seen, before the end that stands for them.
    All(VecDeque<ChannelId>),
    /// Those that were asked for, each with an end of its own.
    Asked {
        /// As they were asked for.
        names: VecDeque<Vec<u8>>,
        /// The first that was one too many.
        too_many: Option<Vec<u8>>,
    },
}

/// Names the members of the first of several channels: whether there are more.
pub(super) fn name_next(call: &mut Call<'_>, naming: &mut Naming) -> bool {
    match naming {
        Naming::All(channels) => {
            let next = channels.pop_front();
            match next {
                Some(id) => send_names(call, id),
                None => end_names(call, b"*"),
            }
            next.is_some()
        }
        Naming::Asked { names, too_many } => {
            match (names.pop_front(), too_many.take()) {
                (Some(name), kept) => {
                    *too_many = kept;
                    if let Some(id) = call.irc.find_channel(&name) {
                        send_names(call, id);
                    }
                    end_names(call, &name);
                }
                (None, Some(name)) => {
                    call.refuse(TOO_MANY_TARGETS, &name);
                }
                (None, None) => {}
            }
            !names.is_empty() || too_many.is_some()
        }
    }
}

/// Names the members of a channel, those that the reader may see, in as many lines as they need.
pub(super) fn send_names(call: &mut Call<'_>, id: ChannelId) {
    let irc = &mut *call.irc;
    let (Some(reader), Some(channel)) = (irc.user(call.user), irc.channel(id)) else { return };
    if !channel.is_visible_to(call.user) {
        return;
    }
    let is_member = channel.has(call.user);
    let has_all = reader.caps.has(Cap::MultiPrefix);
    let is_long = reader.caps.has(Cap::UserhostInNames);
    let sign: &[u8] = if channel.modes.is_secret { b"@" } else { b"=" };
    let name = channel.name.clone();
    let members = channel.members.iter().filter_map(|(id, member)| {
        let user = irc.user(*id).filter(|user| is_member || !user.is_invisible)?;
        let shown = if is_long { user.prefix() } else { user.nick.clone() };
        Some([member.prefixes(has_all).as_bytes(), &shown].concat())
    });
    let members: Vec<_> = members.collect();
    irc.reply_words(call.user, RPL_NAMREPLY, &[sign, &name], (&members, b' '));
}

/// Ends the names of a channel, as it was asked for.
pub(super) fn end_names(call: &mut Call<'_>, name: &[u8]) {
    call.irc.reply(call.user, RPL_ENDOFNAMES, &[name], Some(b"End of /NAMES list"));
}

/// Channels that may be listed, and what is wanted of them.
#[derive(Debug)]
pub struct Listing {
    /// Still to be looked at.
    channels: VecDeque<ChannelId>,
    wanted: Wanted,
}

/// What LIST wants of a channel. Modern, "ELIST Parameter": M, N, T and U.
#[derive(Debug, Default)]
struct Wanted {
    /// One of these has to cover its name; names are masks without wildcards.
    masks: Vec<Vec<u8>>,
    /// None of these may.
    not_masks: Vec<Vec<u8>>,
    /// It has more members, or fewer.
    more_than: Option<u64>,
    less_than: Option<u64>,
    /// Its topic was set more minutes ago, or fewer.
    topic_before: Option<u64>,
    topic_after: Option<u64>,
}

impl Wanted {
    fn add(&mut self, condition: &[u8]) {
        let number = |digits: &[u8]| str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
        match condition {
            [b'!', mask @ ..] => self.not_masks.push(mask.to_vec()),
            [b'>', digits @ ..] => self.more_than = number(digits),
            [b'<', digits @ ..] => self.less_than = number(digits),
            [b'T' | b't', b'>', digits @ ..] => self.topic_before = number(digits),
            [b'T' | b't', b'<', digits @ ..] => self.topic_after = number(digits),
            mask => self.masks.push(mask.to_vec()),
        }
    }

    fn takes(&self, channel: &Channel, wall: Wall) -> bool {
        let count = channel.members.len() as u64;
        let minutes = channel.topic.as_ref().map(|topic| wall.saturating_sub(topic.at) / MINUTE);
        let covers =
            |mask: &Vec<u8>| mask.len() <= IRC_MASK_BYTES_MAX && matches(mask, &channel.name);
        // Where nobody is, there is a channel only for those who ask for it.
        let is_named = match self.masks.is_empty() {
            true => channel.has_people(),
            false => self.masks.iter().any(covers),
        };
        is_named
            && !self.not_masks.iter().any(covers)
            && self.more_than.is_none_or(|bound| count > bound)
            && self.less_than.is_none_or(|bound| count < bound)
            && self.topic_before.is_none_or(|bound| minutes.is_some_and(|ago| ago >= bound))
            && self.topic_after.is_none_or(|bound| minutes.is_some_and(|ago| ago < bound))
    }
}

/// `LIST [conditions]`, names and masks among them. RFC 2812 section 3.2.6; Modern, "LIST message".
pub fn list(call: &mut Call<'_>, message: &Message<'_>) -> Outcome {
    let mut wanted = Wanted::default();
    for (at, condition) in names_of(message.param(0).unwrap_or_default()).enumerate() {
        if at == IRC_LIST_CONDITIONS_MAX {
            call.refuse((ERR_TOOMANYTARGETS, "Too many conditions"), condition);
            return Outcome::Done;
        }
        wanted.add(condition);
    }
    let channels = call.irc.channels.iter().map(|(at, _)| ChannelId(at)).collect();
    call.irc.reply(call.user, RPL_LISTSTART, &[b"Channel"], Some(b"Users  Name"));
    unfinished::begin(call, Unfinished::List(Box::new(Listing { channels, wanted })));
    Outcome::Done
}

/// Lists the first of several channels, if it is wanted: whether there are more.
pub(super) fn list_next(call: &mut Call<'_>, listing: &mut Listing) -> bool {
    let user = call.user;
    let Some(id) = listing.channels.pop_front() else {
        call.irc.reply(user, RPL_LISTEND, &[], Some(b"End of /LIST"));
        return false;
    };
    let (wanted, wall) = (&listing.wanted, call.wall);
    let channel = call.irc.channel(id).filter(|one| one.is_visible_to(user));
    if let Some(channel) = channel.filter(|one| wanted.takes(one, wall)) {
        let (name, count) = (channel.name.clone(), channel.members.len().to_string());
        let topic = channel.topic.as_ref().map(|topic| topic.text.clone()).unwrap_or_default();
        call.irc.reply(user, RPL_LIST, &[&name, count.as_bytes()], Some(&topic));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Party, play};
    use super::*;

    #[test]
    fn a_topic_is_asked_for_set_and_cleared() {
        let mut party = Party::new(&["alice", "bob", "carol"]);
        party.quietly("alice", &["JOIN #chan"]);
        party.quietly("bob", &["JOIN #chan"]);
        party.play(
            "
            -- RFC 2812, section 3.2.4; Modern, TOPIC message
            alice> TOPIC #chan
            alice< 331 alice #chan :No topic is set
            alice> TOPIC #CHAN :a new: topic
            alice< :alice!alice@host TOPIC #chan :a new: topic
            bob< :alice!alice@host TOPIC #chan :a new: topic
            bob> TOPIC #chan
            bob< 332 bob #chan :a new: topic
            bob< 333 bob #chan alice 1795176000
            alice> TOPIC #chan :
            alice< :alice!alice@host TOPIC #chan :
            bob< :alice!alice@host TOPIC #chan :
            carol> JOIN #chan
            alice< :carol!carol@host JOIN #chan
            bob< :carol!carol@host JOIN #chan
            carol< :carol!carol@host JOIN #chan
            carol< 353 carol = #chan :@alice bob carol
            carol< 366 carol #chan :*
            ",
        );
    }

    #[test]
    fn a_locked_topic_is_the_operators() {
        let mut party = Party::new(&["alice", "bob", "carol"]);
        party.quietly("alice", &["JOIN #chan"]);
        party.quietly("bob", &["JOIN #chan"]);
        party.quietly("alice", &["MODE #chan +v bob"]);
        party.play(
            "
            -- Modern, Protected Topic Mode; RFC 2812, section 3.2.4, numeric replies
            bob> TOPIC #chan :mine
            bob< 482 bob #chan :You're not channel operator
            carol> TOPIC #chan :mine
            carol< 442 carol #chan :You're not on that channel
            carol> TOPIC #none
            carol< 403 carol #none :No such channel
            carol> TOPIC #none :mine
            carol< 403 carol #none :No such channel
            carol> TOPIC #chan
            carol< 331 carol #chan :*
            carol> TOPIC
            carol< 461 carol TOPIC :Not enough parameters
            alice> MODE #chan -t+s
            alice< :alice!alice@host MODE #chan -t+s
            bob< :alice!alice@host MODE #chan -t+s
            bob> TOPIC #chan :mine
            alice< :bob!bob@host TOPIC #chan :mine
            bob< :bob!bob@host TOPIC #chan :mine
            carol> TOPIC #chan
            carol< 442 carol #chan :You're not on that channel
            ",
        );
    }

    #[test]
    fn a_topic_is_cut_at_its_bound() {
        let mut party = Party::new(&["alice"]);
        party.quietly("alice", &["JOIN #a"]);
        // The bound falls within a character.
        let long = format!("x{}", "é".repeat(220));
        party.send("alice", format!("TOPIC #a :{long}").as_bytes());
        let kept = cut_at_character(long.as_bytes(), IRC_TOPIC_BYTES_MAX);
        assert_eq!(kept.len(), IRC_TOPIC_BYTES_MAX - 1);
        let kept = String::from_utf8(kept.to_vec()).unwrap();
        assert_eq!(party.take("alice"), [format!(":alice!alice@host TOPIC #a :{kept}")]);
    }

    #[test]
    fn names_show_what_the_client_can_read() {
        let mut party = Party::new(&["alice", "bob", "carol"]);
        party.quietly("alice", &["JOIN #chan", "MODE #chan +v alice"]);
        party.quietly("bob", &["JOIN #chan"]);
        party.play(
            "
            -- RFC 2812, section 3.2.5: the highest prefix; the name as it was asked for
            alice> NAMES #CHAN
            alice< 353 alice = #chan :@alice bob
            alice< 366 alice #CHAN :End of /NAMES list
            carol> NAMES #none,#chan
            carol< 366 carol #none :End of /NAMES list
            carol< 353 carol = #chan :@alice bob
            carol< 366 carol #chan :End of /NAMES list
            ",
        );
        party.grant("alice", &[Cap::MultiPrefix]);
        party.grant("carol", &[Cap::MultiPrefix, Cap::UserhostInNames]);
        party.play(
            "
            -- IRCv3 multi-prefix, userhost-in-names
            alice> NAMES #chan
            alice< 353 alice = #chan :@+alice bob
            alice< 366 alice #chan :*
            carol> NAMES #chan
            carol< 353 carol = #chan :@+alice!alice@host bob!bob@host
            carol< 366 carol #chan :*
            ",
        );
    }

    #[test]
    fn names_without_a_name_are_those_of_all_that_can_be_seen() {
        let mut party = Party::new(&["alice", "bob", "carol"]);
        party.quietly("alice", &["JOIN #b", "JOIN #a", "JOIN #secret", "MODE #secret +s"]);
        party.quietly("bob", &["JOIN #a"]);
        party.user("bob").is_invisible = true;
        party.play(
            "
            -- RFC 2812, section 3.2.5: secret channels and invisible users only to their like
            carol> NAMES
            carol< 353 carol = #b :@alice
            carol< 353 carol = #a :@alice
            carol< 366 carol * :End of /NAMES list
            carol> NAMES #secret
            carol< 366 carol #secret :End of /NAMES list
            alice> NAMES
            alice< 353 alice = #b :@alice
            alice< 353 alice = #a :@alice bob
            alice< 353 alice @ #secret :@alice
            alice< 366 alice * :End of /NAMES list
            ",
        );
        play(
            &["alice"],
            "
            -- log channels that nobody is in are not named by themselves
            alice> NAMES
            alice< 366 alice * :End of /NAMES list
            alice> NAMES #logs-error
            alice< 353 alice = #logs-error :@LogBot
            alice< 366 alice #logs-error :End of /NAMES list
            ",
        );
    }

    /// RFC 2812, section 2.3: at most 512 bytes a line. What is named is all, once each.
    #[test]
    fn names_go_on_in_another_line() {
        let nicks: Vec<_> = (0..200).map(|at| format!("nick{}{at}", "x".repeat(at % 20))).collect();
        let mut party = Party::new(&[]);
        for nick in &nicks {
            party.register(nick);
            party.quietly(nick, &["JOIN #chan"]);
        }
        for caps in [&[][..], &[Cap::UserhostInNames]] {
            party.grant(&nicks[0], caps);
            party.send(&nicks[0], b"NAMES #chan");
            let got = party.take(&nicks[0]);
            let (end, lines) = got.split_last().unwrap();
            assert!(end.starts_with(":irc.test 366 "), "{end}");
            let begin = format!(":irc.test 353 {} = #chan :", nicks[0]);
            let mut named = Vec::new();
            for line in lines {
                assert!(line.len() <= 510, "{} bytes", line.len());
                let names = line.strip_prefix(&begin).unwrap();
                assert!(!names.ends_with(' ') && !names.starts_with(' '));
                let bare = |name: &str| name.trim_start_matches('@').to_owned();
                named.extend(names.split(' ').map(bare));
            }
            let whole = |nick: &String| match caps {
                [] => nick.clone(),
                _ => format!("{nick}!{nick}@host"),
            };
            assert_eq!(named, nicks.iter().map(whole).collect::<Vec<_>>());
            assert!(lines.len() < 40, "lines are filled: {}", lines.len());
        }
    }

    #[test]
    fn a_list_has_what_is_asked_for() {
        let mut party = Party::new(&["alice", "bob", "carol"]);
        party.quietly("alice", &["JOIN #one", "TOPIC #one :a topic", "JOIN #two"]);
        party.pass(600);
        party.quietly("alice", &["TOPIC #two :another"]);
        party.quietly("bob", &["JOIN #two"]);
        let one = "322 carol #one 1 :a topic";
        let two = "322 carol #two 2 :another";
        // RFC 2812, section 3.2.6; Modern, "ELIST Parameter".
        let table: [(&str, &[&str]); 17] = [
            ("LIST", &[one, two]),
            ("LIST #ONE", &[one]),
            ("LIST #one,#two", &[one, two]),
            ("LIST #none", &[]),
            ("LIST *on*", &[one]),
            ("LIST #t?o", &[two]),
            ("LIST !*on*", &[two]),
            ("LIST *wo*,#one,!#on*", &[two]),
            ("LIST >0", &[one, two]),
            ("LIST >1", &[two]),
            ("LIST <2", &[one]),
            ("LIST >1,<2", &[]),
            ("LIST #o*,#t*,<2", &[one]),
            ("LIST T>5", &[one]),
            ("LIST t<5", &[two]),
            ("LIST T<5,#one", &[]),
            ("LIST >x", &[one, two]),
        ];
        for (asked, listed) in table {
            let lines: String = listed.iter().map(|line| format!("carol< {line}\n")).collect();
            party.play(&format!(
                "
                carol> {asked}
                carol< 321 carol Channel :Users  Name
                {lines}
                carol< 323 carol :End of /LIST
                "
            ));
        }
    }

    #[test]
    fn a_list_hides_what_is_secret() {
        let mut party = Party::new(&["alice", "bob"]);
        party.quietly("alice", &["JOIN #open", "JOIN #shut", "MODE #shut +s"]);
        party.play(
            "
            -- RFC 2812, section 3.2.6; Modern, Secret Channel Mode
            bob> LIST
            bob< 321 bob Channel :Users  Name
            bob< 322 bob #open 1 :
            bob< 323 bob :End of /LIST
            bob> LIST #shut
            bob< 321 bob Channel :Users  Name
            bob< 323 bob :End of /LIST
            alice> LIST
            alice< 321 alice Channel :Users  Name
            alice< 322 alice #open 1 :
            alice< 322 alice #shut 1 :
            alice< 323 alice :End of /LIST
            ",
        );
    }

    #[test]
    fn log_channels_are_listed_where_somebody_is_or_asks() {
        let mut party = Party::new(&["alice"]);
        party.play(
            "
            -- RFC 2812, section 1.3: a channel is there while somebody is in it
            alice> LIST
            alice< 321 alice Channel :Users  Name
            alice< 323 alice :End of /LIST
            alice> LIST #logs-*
            alice< 321 alice Channel :Users  Name
            alice< 322 alice #logs-all 1 :*
            alice< 322 alice #logs-error 1 :*
            alice< 322 alice #logs-warning 1 :*
            alice< 322 alice #logs-info 1 :*
            alice< 322 alice #logs-debug 1 :*
            alice< 323 alice :End of /LIST
            ",
        );
        party.quietly("alice", &["JOIN #logs-error"]);
        party.play(
            "
            -- LogBot is a member as any
            alice> LIST
            alice< 321 alice Channel :Users  Name
            alice< 322 alice #logs-error 2 :*
            alice< 323 alice :End of /LIST
            ",
        );
    }

    #[test]
    fn conditions_of_a_list_are_bounded() {
        let mut party = Party::new(&["alice"]);
        let many = vec!["*x*"; IRC_LIST_CONDITIONS_MAX + 1].join(",");
        party.play(&format!(
            "
            -- Modern, TARGMAX Parameter
            alice> LIST {many}
            alice< 407 alice *x* :Too many conditions
            "
        ));
    }
}
