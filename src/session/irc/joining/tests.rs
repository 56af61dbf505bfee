//! Who comes, who goes, who is sent away: scripts by clause of the RFCs and of Modern.

use super::*;
use crate::session::irc::IrcSettings;
use crate::session::irc::testing::{Party, play};

#[test]
fn who_comes_is_seen_by_all_and_told_who_is_there() {
    play(
        &["alice", "bob"],
        "
        -- RFC 2812, section 3.2.1: JOIN, then the topic if there is one, then the names
        alice> JOIN #chan
        alice< :alice!alice@host JOIN #chan
        alice< 353 alice = #chan :@alice
        alice< 366 alice #chan :End of /NAMES list
        alice> TOPIC #chan :a topic
        alice< :alice!alice@host TOPIC #chan :a topic
        -- the first one's spelling stays; commands and names know no case
        bob> join #CHAN
        alice< :bob!bob@host JOIN #chan
        bob< :bob!bob@host JOIN #chan
        bob< 332 bob #chan :a topic
        bob< 333 bob #chan alice 1795176000
        bob< 353 bob = #chan :@alice bob
        bob< 366 bob #chan :End of /NAMES list
        -- who is in it is told nothing
        bob> JOIN #chan
        ",
    );
}

#[test]
fn names_are_folded_by_rfc1459() {
    play(
        &["alice", "bob"],
        "
        -- RFC 2812, section 2.2: {}|^ are the lower case of []\\~
        alice> JOIN #F]|oo{
        alice< :alice!alice@host JOIN #F]|oo{
        alice< 353 alice = #F]|oo{ :@alice
        alice< 366 alice #F]|oo{ :*
        bob> JOIN #f}\\oo[
        alice< :bob!bob@host JOIN #F]|oo{
        bob< :bob!bob@host JOIN #F]|oo{
        bob< 353 bob = #F]|oo{ :@alice bob
        bob< 366 bob #F]|oo{ :*
        ",
    );
}

#[test]
fn several_channels_come_each_with_its_key() {
    let mut party = Party::new(&["alice", "bob"]);
    party.quietly("alice", &["JOIN #a,#b,#c", "MODE #a +k one", "MODE #c +k three"]);
    party.play(
        "
        -- Modern, JOIN message: the first key is for the first channel
        bob> JOIN #a,#b,#c one,,wrong
        bob< :bob!bob@host JOIN #a
        bob< 353 bob = #a :@alice bob
        bob< 366 bob #a :*
        bob< :bob!bob@host JOIN #b
        bob< 353 bob = #b :@alice bob
        bob< 366 bob #b :*
        bob< 475 bob #c :Cannot join channel (+k)
        alice< :bob!bob@host JOIN #a
        alice< :bob!bob@host JOIN #b
        -- one that cannot be does not keep another from being joined
        bob> JOIN #valid,inv@lid
        bob< :bob!bob@host JOIN #valid
        bob< 353 bob = #valid :@bob
        bob< 366 bob #valid :*
        bob< 403 bob inv@lid :No such channel
        ",
    );
}

#[test]
fn names_that_are_none_are_refused() {
    let long = format!("#{}", "a".repeat(64));
    let script = format!(
        "
        -- RFC 2812, section 1.3; Modern, Channels
        alice> JOIN
        alice< 461 alice JOIN :Not enough parameters
        alice> JOIN :
        alice< 461 alice JOIN :Not enough parameters
        alice> JOIN :,,
        alice< 461 alice JOIN :Not enough parameters
        alice> JOIN chan
        alice< 403 alice chan :No such channel
        alice> JOIN :#a b
        alice< 403 alice * :No such channel
        alice> JOIN #a\x07b
        alice< 403 alice #a\x07b :No such channel
        alice> JOIN {long}
        alice< 403 alice {long} :No such channel
        alice> JOIN #logs-
        alice< 403 alice #logs- :No such channel
        "
    );
    play(&["alice"], &script);
}

#[test]
fn join_0_leaves_everything() {
    let mut party = Party::new(&["alice", "bob"]);
    party.quietly("alice", &["JOIN #a,#b"]);
    party.quietly("bob", &["JOIN #b"]);
    party.play(
        "
        -- RFC 2812, section 3.2.1: as a PART for each
        alice> JOIN 0
        alice< :alice!alice@host PART #a
        alice< :alice!alice@host PART #b
        bob< :alice!alice@host PART #b
        bob> MODE #a
        bob< 403 bob #a :No such channel
        ",
    );
}

#[test]
fn doors_that_are_closed_stay_closed_without_an_invitation() {
    let mut party = Party::new(&["alice", "bob"]);
    for (modes, numeric) in
        [("+i", "473"), ("+k key", "475"), ("+l 1", "471"), ("+b bob!*@*", "474")]
    {
        party.quietly("alice", &["JOIN #chan", &format!("MODE #chan {modes}")]);
        party.play(&format!(
            "
            -- Modern, Channel Modes; RFC 2812, section 3.2.7
            bob> JOIN #chan
            bob< {numeric} bob #chan :*
            alice> INVITE bob #chan
            alice< 341 alice bob #chan
            bob< :alice!alice@host INVITE bob #chan
            bob> JOIN #chan
            alice< :bob!bob@host JOIN #chan
            bob< :bob!bob@host JOIN #chan
            bob< 353 bob = #chan :@alice bob
            bob< 366 bob #chan :*
            -- it is used up
            bob> PART #chan
            alice< :bob!bob@host PART #chan
            bob< :bob!bob@host PART #chan
            bob> JOIN #chan
            bob< {numeric} bob #chan :*
            "
        ));
        party.quietly("alice", &["PART #chan"]);
    }
}

#[test]
fn who_goes_is_seen_by_all_and_the_last_one_takes_the_channel_along() {
    let mut party = Party::new(&["alice", "bob"]);
    party.quietly("alice", &["JOIN #chan", "TOPIC #chan :x", "MODE #chan +s"]);
    party.quietly("bob", &["JOIN #chan"]);
    party.play(
        "
        -- RFC 2812, section 3.2.2
        alice> PART #chan :bye everyone
        alice< :alice!alice@host PART #chan :bye everyone
        bob< :alice!alice@host PART #chan :bye everyone
        alice> PART #chan,#none,
        alice< 442 alice #chan :You're not on that channel
        alice< 403 alice #none :No such channel
        alice> PART
        alice< 461 alice PART :Not enough parameters
        alice> PART :
        alice< 461 alice PART :Not enough parameters
        bob> PART #CHAN
        bob< :bob!bob@host PART #chan
        -- Modern, Channel Operators: who makes it anew is one; nothing is left of it
        bob> JOIN #Chan
        bob< :bob!bob@host JOIN #Chan
        bob< 353 bob = #Chan :@bob
        bob< 366 bob #Chan :*
        ",
    );
}

#[test]
fn a_kick_has_a_reason() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.quietly("alice", &["JOIN #chan"]);
    party.quietly("bob", &["JOIN #chan"]);
    party.play(
        "
        -- RFC 2812, section 3.2.8
        alice> KICK #chan BOB :away with you
        alice< :alice!alice@host KICK #chan bob :away with you
        bob< :alice!alice@host KICK #chan bob :away with you
        alice> KICK #chan bob :again
        alice< 441 alice bob #chan :They aren't on that channel
        -- without one it is the nick of who kicks
        alice> KICK #chan alice
        alice< :alice!alice@host KICK #chan alice :alice
        ",
    );
    party.quietly("alice", &["JOIN #chan"]);
    party.send("alice", format!("KICK #chan alice :{}", "x".repeat(400)).as_bytes());
    let long = "x".repeat(IRC_KICK_BYTES_MAX);
    assert_eq!(party.take("alice"), [format!(":alice!alice@host KICK #chan alice :{long}")]);
}

#[test]
fn only_operators_kick_and_only_who_is_there() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.quietly("alice", &["JOIN #chan"]);
    party.quietly("bob", &["JOIN #chan"]);
    party.play(
        "
        -- RFC 2812, section 3.2.8, numeric replies
        bob> KICK #chan alice :x
        bob< 482 bob #chan :You're not channel operator
        carol> KICK #chan alice :x
        carol< 442 carol #chan :You're not on that channel
        alice> KICK #none bob :x
        alice< 403 alice #none :No such channel
        alice> KICK #chan nobody :x
        alice< 401 alice nobody :No such nick
        alice> KICK #chan carol :x
        alice< 441 alice carol #chan :They aren't on that channel
        alice> KICK #chan
        alice< 461 alice KICK :Not enough parameters
        alice> KICK #a,#b bob
        alice< 461 alice KICK :Not enough parameters
        ",
    );
}

#[test]
fn several_are_kicked_each_with_a_line_of_its_own() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.quietly("alice", &["JOIN #a,#b"]);
    party.quietly("bob", &["JOIN #a"]);
    party.quietly("carol", &["JOIN #a,#b"]);
    party.play(
        "
        -- RFC 2812, section 3.2.8: one channel and many users, or as many of both
        alice> KICK #a,#b bob,carol :out
        alice< :alice!alice@host KICK #a bob :out
        alice< :alice!alice@host KICK #b carol :out
        bob< :alice!alice@host KICK #a bob :out
        carol< :alice!alice@host KICK #a bob :out
        carol< :alice!alice@host KICK #b carol :out
        alice> KICK #a carol,alice :out
        alice< :alice!alice@host KICK #a carol :out
        alice< :alice!alice@host KICK #a alice :out
        carol< :alice!alice@host KICK #a carol :out
        ",
    );
}

#[test]
fn targets_of_a_command_are_bounded() {
    let mut party = Party::new(&["alice"]);
    party.quietly("alice", &["JOIN #a"]);
    let nobody = vec!["nobody"; IRC_TARGETS_MAX + 5].join(",");
    party.send("alice", format!("KICK #a {nobody}").as_bytes());
    let got = party.take("alice");
    assert_eq!(got.len(), IRC_TARGETS_MAX + 1);
    assert_eq!(got[IRC_TARGETS_MAX], ":irc.test 407 alice nobody :Too many targets");
    let names: Vec<_> = (0..IRC_TARGETS_MAX + 5).map(|at| format!("#{at}")).collect();
    party.send("alice", format!("NAMES {}", names.join(",")).as_bytes());
    party.settle("alice");
    let got = party.take("alice");
    assert_eq!(got.len(), IRC_TARGETS_MAX + 1);
    assert_eq!(
        got[IRC_TARGETS_MAX],
        format!(":irc.test 407 alice #{IRC_TARGETS_MAX} :Too many targets")
    );
}

#[test]
fn an_invitation_is_refused_where_it_makes_no_sense() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.quietly("alice", &["JOIN #chan"]);
    party.quietly("bob", &["JOIN #chan"]);
    party.play(
        "
        -- RFC 2812, section 3.2.7, numeric replies; Modern, INVITE message
        alice> INVITE nobody #chan
        alice< 401 alice nobody :No such nick
        alice> INVITE bob #chan
        alice< 443 alice bob #chan :is already on channel
        carol> INVITE alice #chan
        carol< 442 carol #chan :You're not on that channel
        alice> INVITE carol #none
        alice< 403 alice #none :No such channel
        alice> INVITE carol
        alice< 461 alice INVITE :Not enough parameters
        -- any member may, unless only operators let in
        bob> INVITE carol #CHAN
        bob< 341 bob carol #chan
        carol< :bob!bob@host INVITE carol #chan
        alice> MODE #chan +i
        alice< :alice!alice@host MODE #chan +i
        bob< :alice!alice@host MODE #chan +i
        bob> INVITE carol #chan
        bob< 482 bob #chan :You're not channel operator
        -- what was said before opens no door that an operator closed
        carol> JOIN #chan
        carol< 473 carol #chan :*
        ",
    );
    party.user("carol").away = Some(b"at lunch".to_vec());
    party.play(
        "
        -- RFC 2812, section 3.2.7: RPL_AWAY; section 4 of Modern: the list of one's own
        alice> INVITE carol #chan
        alice< 341 alice carol #chan
        alice< 301 alice carol :at lunch
        carol< :alice!alice@host INVITE carol #chan
        carol> INVITE
        carol< 336 carol #chan
        carol< 337 carol :End of /INVITE list
        ",
    );
}

#[test]
fn those_there_learn_that_who_came_is_away() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.grant("alice", &[Cap::AwayNotify]);
    party.quietly("alice", &["JOIN #chan"]);
    party.quietly("bob", &["JOIN #chan"]);
    party.user("carol").away = Some(b"at lunch".to_vec());
    party.play(
        "
        -- IRCv3 away-notify
        carol> JOIN #chan
        alice< :carol!carol@host JOIN #chan
        alice< :carol!carol@host AWAY :at lunch
        bob< :carol!carol@host JOIN #chan
        carol< :carol!carol@host JOIN #chan
        carol< 353 carol = #chan :@alice bob carol
        carol< 366 carol #chan :*
        ",
    );
}

#[test]
fn nobody_rules_a_log_channel() {
    let mut party = Party::new(&["alice", "bob"]);
    party.quietly("bob", &["JOIN #logs-database"]);
    party.play(
        "
        -- a log channel is LogBot's
        alice> JOIN #Logs-database
        bob< :alice!alice@host JOIN #logs-database
        alice< :alice!alice@host JOIN #logs-database
        alice< 332 alice #logs-database :*database*
        alice< 333 alice #logs-database LogBot 1795176000
        alice< 353 alice = #logs-database :@LogBot alice bob
        alice< 366 alice #logs-database :*
        alice> MODE #logs-database +o alice
        alice< 482 alice #logs-database :Only LogBot may do that
        alice> MODE #logs-database -t+b *!*@*
        alice< 482 alice #logs-database :Only LogBot may do that
        alice> KICK #logs-database bob
        alice< 482 alice #logs-database :Only LogBot may do that
        alice> KICK #logs-database LogBot
        alice< 482 alice #logs-database :Only LogBot may do that
        alice> TOPIC #logs-database :mine
        alice< 482 alice #logs-database :Only LogBot may do that
        alice> MODE #logs-database b
        alice< 368 alice #logs-database :*
        alice> PART #logs-database
        alice< :alice!alice@host PART #logs-database
        bob< :alice!alice@host PART #logs-database
        bob> PART #logs-database
        bob< :bob!bob@host PART #logs-database
        bob> TOPIC #logs-database
        bob< 403 bob #logs-database :*
        -- those that stand from the start stay
        bob> JOIN #LOGS-ERROR
        bob< :bob!bob@host JOIN #logs-error
        bob< 332 bob #logs-error :*
        bob< 333 bob #logs-error LogBot *
        bob< 353 bob = #logs-error :@LogBot bob
        bob< 366 bob #logs-error :*
        bob> PART #logs-error
        bob< :bob!bob@host PART #logs-error
        bob> MODE #logs-error
        bob< 324 bob #logs-error +nt
        bob< 329 bob #logs-error *
        ",
    );
}

#[test]
fn logbot_is_kicked_and_deopped_from_nowhere() {
    let mut party = Party::new(&["alice"]);
    party.quietly("alice", &["JOIN #ops"]);
    let ops = party.irc.find_channel(b"#ops").unwrap();
    party.irc.enter(LOG_BOT, ops, Member { is_operator: true, has_voice: false });
    party.play(
        "
        -- whatever LogBot says there would be gone
        alice> KICK #ops LogBot
        alice< 482 alice #ops :Only LogBot may do that
        alice> MODE #ops -o LogBot
        alice< 482 alice #ops :Only LogBot may do that
        alice> MODE #ops +v LogBot
        alice< :alice!alice@host MODE #ops +v LogBot
        ",
    );
}

#[test]
fn channels_of_a_user_are_bounded() {
    let mut party = Party::new(&["alice"]);
    for at in 0..IRC_CHANNELS_PER_USER_MAX {
        party.quietly("alice", &[&format!("JOIN #{at}")]);
    }
    party.play(
        "
        -- RFC 2812, section 3.2.1: ERR_TOOMANYCHANNELS
        alice> JOIN #more
        alice< 405 alice #more :You have joined too many channels
        alice> JOIN #0
        ",
    );
}

#[test]
fn channels_in_all_are_bounded() {
    let mut party = Party::new(&["alice"]);
    while party.irc.channels.len() < IRC_CHANNELS_MAX {
        let name = format!("#{}", party.irc.channels.len());
        party.irc.open_channel(name.as_bytes(), 0);
    }
    party.play(
        "
        -- RFC 2812, section 5.2: ERR_UNAVAILRESOURCE
        alice> JOIN #more
        alice< 437 alice #more :There are too many channels
        alice> JOIN #logs-more
        alice< 437 alice #logs-more :There are too many channels
        ",
    );
}

#[test]
fn invitations_to_a_channel_are_bounded() {
    let nicks: Vec<_> = (0..=IRC_INVITATIONS_MAX).map(|at| format!("n{at}")).collect();
    let mut party = Party::new(&["alice"]);
    party.quietly("alice", &["JOIN #a", "MODE #a +i"]);
    for nick in &nicks {
        party.register(nick);
        party.quietly("alice", &[&format!("INVITE {nick} #a")]);
    }
    let channel = party.irc.find_channel(b"#a").unwrap();
    let invited = party.irc.channel(channel).unwrap().invited.clone();
    assert_eq!(invited.len(), IRC_INVITATIONS_MAX);
    assert!(!invited.contains(&party.id("n0")) && invited.contains(&party.id("n1")));
}

#[test]
fn a_join_of_many_channels_waits_for_its_client() {
    let mut party = Party::new(&["alice"]);
    let names: Vec<_> = (0..40).map(|at| format!("#{at}")).collect();
    party.send("alice", format!("JOIN {}", names.join(",")).as_bytes());
    let joined = |party: &mut Party| party.user("alice").channels.len();
    assert_eq!(joined(&mut party), crate::limits::IRC_CHANNELS_PER_STEP);
    party.user("alice").backlog = crate::limits::IRC_OUT_BYTES_SOFT;
    let user = party.id("alice");
    let mut call = Call { irc: &mut party.irc, user, mono: 0, wall: 0 };
    assert!(unfinished::go_on(&mut call));
    assert_eq!(joined(&mut party), crate::limits::IRC_CHANNELS_PER_STEP + 1, "one by one");
    party.settle("alice");
    assert_eq!(joined(&mut party), 40);
    assert_eq!(party.take("alice").len(), 3 * 40, "nothing is left out");
}

#[test]
fn many_channels_are_left_step_by_step() {
    let names: Vec<_> = (0..40).map(|at| format!("#{at}")).collect();
    let names = names.join(",");
    for line in ["JOIN 0".to_owned(), format!("PART {names}")] {
        let mut party = Party::new(&["alice"]);
        party.quietly("alice", &[&format!("JOIN {names}")]);
        party.send("alice", line.as_bytes());
        let left = 40 - party.user("alice").channels.len();
        assert_eq!(left, crate::limits::IRC_CHANNELS_PER_STEP, "{line}");
        party.settle("alice");
        assert_eq!(party.user("alice").channels.len(), 0, "{line}");
        assert_eq!(party.take("alice").len(), 40, "{line}");
    }
}

#[test]
fn names_are_asked_for_once_each() {
    let mut party = Party::new(&["alice"]);
    party.quietly("alice", &["JOIN #a{"]);
    party.play(
        "
        alice> NAMES #a{,#b,#A[,#b
        alice< 353 alice = #a{ :@alice
        alice< 366 alice #a{ :*
        alice< 366 alice #b :*
        ",
    );
    // As many at once as channels at a step, and the rest when there is room for it.
    party.user("alice").backlog = crate::limits::IRC_OUT_BYTES_SOFT;
    party.send("alice", b"NAMES #a{,#b,#c");
    assert_eq!(party.take("alice").len(), 2);
    party.settle("alice");
    assert_eq!(party.take("alice").len(), 2);
}

#[test]
fn the_limit_counts_people() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.quietly("alice", &["JOIN #a", "MODE #a +l 2"]);
    let id = party.irc.find_channel(b"#a").unwrap();
    party.irc.enter(LOG_BOT, id, Member { is_operator: true, has_voice: false });
    party.quietly("bob", &["JOIN #a"]);
    assert_eq!(party.user("bob").channels, [id]);
    party.quietly("carol", &["JOIN #a"]);
    assert!(party.user("carol").channels.is_empty());
}

#[test]
fn who_registers_is_put_where_the_settings_say() {
    let auto_join = vec![b"#logs-error".to_vec(), b"#ops".to_vec()];
    let settings = IrcSettings { auto_join, ..IrcSettings::default() };
    let mut party = Party::with(settings, &["alice"]);
    let user = party.id("alice");
    auto_join_of(&mut party, user);
    let got = party.take("alice");
    assert_eq!(got[0], ":alice!alice@host JOIN #logs-error");
    assert!(got.contains(&":alice!alice@host JOIN #ops".to_owned()), "{got:?}");
}

fn auto_join_of(party: &mut Party, user: UserId) {
    let (mono, wall) = (party.mono, party.wall);
    auto_join(&mut Call { irc: &mut party.irc, user, mono, wall });
}

#[test]
fn a_join_says_the_real_name_to_those_who_asked_for_it() {
    let mut party = Party::new(&["alice", "bob"]);
    party.grant("bob", &[Cap::ExtendedJoin]);
    party.play(
        "
        -- IRCv3 extended-join
        bob> JOIN #a
        bob< :bob!bob@host JOIN #a * :bob of the tests
        bob< 353 *
        bob< 366 *
        alice> JOIN #a
        alice< :alice!alice@host JOIN #a
        alice< 353 *
        alice< 366 *
        bob< :alice!alice@host JOIN #a * :alice of the tests
        ",
    );
}
