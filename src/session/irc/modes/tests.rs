//! What MODE changes and tells: scripts by clause of the RFCs and of Modern.

use super::*;
use crate::session::irc::testing::{Party, play};

/// alice, who is operator of #chan, bob, who is on it, and carol, who is not.
fn party() -> Party {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.quietly("alice", &["JOIN #chan"]);
    party.quietly("bob", &["JOIN #chan"]);
    party
}

#[test]
fn the_modes_of_a_channel_are_told_with_its_age() {
    party().play(
        "
        -- Modern, MODE message: RPL_CHANNELMODEIS and RPL_CREATIONTIME
        alice> MODE #CHAN
        alice< 324 alice #chan +nt
        alice< 329 alice #chan 1795176000
        alice> MODE #chan -nt+kl key 5
        alice< :alice!alice@host MODE #chan -nt+kl key 5
        bob< :alice!alice@host MODE #chan -nt+kl key 5
        bob> MODE #chan
        bob< 324 bob #chan +kl key 5
        bob< 329 bob #chan *
        -- the key is for members
        carol> MODE #chan
        carol< 324 carol #chan +kl * 5
        carol< 329 carol #chan *
        alice> MODE #chan -kl key
        alice< :alice!alice@host MODE #chan -kl *
        bob< :alice!alice@host MODE #chan -kl *
        carol> MODE #chan
        carol< 324 carol #chan +
        carol< 329 carol #chan *
        carol> MODE #none
        carol< 403 carol #none :No such channel
        carol> MODE #none +i
        carol< 403 carol #none :No such channel
        carol> MODE
        carol< 461 carol MODE :Not enough parameters
        ",
    );
}

#[test]
fn what_changes_is_told_in_one_line_and_what_does_not_is_not() {
    party().play(
        "
        -- RFC 2812, section 3.2.3
        alice> MODE #chan +int
        alice< :alice!alice@host MODE #chan +i
        bob< :alice!alice@host MODE #chan +i
        alice> MODE #chan +i
        alice> MODE #chan ms-i
        alice< :alice!alice@host MODE #chan +ms-i
        bob< :alice!alice@host MODE #chan +ms-i
        alice> MODE #chan -imnst
        alice< :alice!alice@host MODE #chan -mnst
        bob< :alice!alice@host MODE #chan -mnst
        alice> MODE #chan +
        alice> MODE #chan +v-v+o BOB bob bob
        alice< :alice!alice@host MODE #chan +v-v+o bob bob bob
        bob< :alice!alice@host MODE #chan +v-v+o bob bob bob
        ",
    );
}

#[test]
fn only_operators_change_a_channel() {
    party().play(
        "
        -- RFC 2812, section 3.2.3: ERR_CHANOPRIVSNEEDED, once
        bob> MODE #chan +imo bob
        bob< 482 bob #chan :You're not channel operator
        bob> MODE #chan +b x!*@*
        bob< 482 bob #chan :You're not channel operator
        carol> MODE #chan +i
        carol< 442 carol #chan :You're not on that channel
        bob> MODE #chan b
        bob< 368 bob #chan :End of channel ban list
        alice> MODE #chan -o+i alice
        alice< :alice!alice@host MODE #chan -o+i alice
        bob< :alice!alice@host MODE #chan -o+i alice
        alice> MODE #chan +o alice
        alice< 482 alice #chan :You're not channel operator
        ",
    );
}

#[test]
fn standing_is_given_to_members_only() {
    party().play(
        "
        -- RFC 2812, section 3.2.3, numeric replies
        alice> MODE #chan +o nobody
        alice< 401 alice nobody :No such nick
        alice> MODE #chan +v carol
        alice< 441 alice carol #chan :They aren't on that channel
        alice> MODE #chan +o
        alice< 461 alice MODE :Not enough parameters
        alice> MODE #chan +o Bob
        alice< :alice!alice@host MODE #chan +o bob
        bob< :alice!alice@host MODE #chan +o bob
        bob> MODE #chan -o ALICE
        alice< :bob!bob@host MODE #chan -o alice
        bob< :bob!bob@host MODE #chan -o alice
        ",
    );
}

#[test]
fn an_unknown_letter_does_not_keep_others_from_being_done() {
    party().play(
        "
        -- Modern, ERR_UNKNOWNMODE
        alice> MODE #chan +spp
        alice< 472 alice p :is unknown mode char to me
        alice< :alice!alice@host MODE #chan +s
        bob< :alice!alice@host MODE #chan +s
        ",
    );
    // A letter is a byte: of a longer character each is one that nobody knows.
    let mut party = party();
    party.send("alice", "MODE #chan \u{e9}".as_bytes());
    let line = ":irc.test 472 alice \u{fffd} :is unknown mode char to me";
    assert_eq!(party.take("alice"), [line, line]);
}

#[test]
fn a_key_is_what_can_be_said_in_a_join() {
    let mut party = party();
    let long = "k".repeat(400);
    party.play(&format!(
        "
        -- Modern, Key Channel Mode; RFC 2812, section 2.3.1, key
        alice> MODE #chan +k :a b
        alice< 696 alice #chan k * :Key is not well-formed
        alice> MODE #chan +k {long}
        alice< 696 alice #chan k * :Key is not well-formed
        alice> MODE #chan +k :
        alice< 696 alice #chan k * :Key is not well-formed
        alice> MODE #chan +k a,b
        alice< 696 alice #chan k * :Key is not well-formed
        alice> MODE #chan +k
        alice< 461 alice MODE :Not enough parameters
        alice> MODE #chan +k one
        alice< :alice!alice@host MODE #chan +k one
        bob< :alice!alice@host MODE #chan +k one
        alice> MODE #chan +k two
        alice< :alice!alice@host MODE #chan +k two
        bob< :alice!alice@host MODE #chan +k two
        carol> JOIN #chan one
        carol< 475 carol #chan :Cannot join channel (+k)
        alice> MODE #chan -k
        alice< :alice!alice@host MODE #chan -k *
        bob< :alice!alice@host MODE #chan -k *
        alice> MODE #chan -k
        carol> JOIN #chan
        alice< :carol!carol@host JOIN #chan
        bob< :carol!carol@host JOIN #chan
        carol< :carol!carol@host JOIN #chan
        carol< 353 carol = #chan :@alice bob carol
        carol< 366 carol #chan :*
        "
    ));
}

#[test]
fn a_limit_is_a_number_above_nothing() {
    let mut party = party();
    for (sent, shown) in
        [("0", "0"), ("-1", "-1"), ("abc", "abc"), (":", "*"), ("99999999999", "99999999999")]
    {
        party.play(&format!(
            "
            -- Modern, Client Limit Channel Mode; ERR_INVALIDMODEPARAM
            alice> MODE #chan +l {sent}
            alice< 696 alice #chan l {shown} :*
            "
        ));
    }
    party.play(
        "
        alice> MODE #chan +l
        alice< 461 alice MODE :Not enough parameters
        alice> MODE #chan +l 02
        alice< :alice!alice@host MODE #chan +l 2
        bob< :alice!alice@host MODE #chan +l 2
        alice> MODE #chan +l 2
        carol> JOIN #chan
        carol< 471 carol #chan :Cannot join channel (+l)
        alice> MODE #chan -l
        alice< :alice!alice@host MODE #chan -l
        bob< :alice!alice@host MODE #chan -l
        ",
    );
}

#[test]
fn a_ban_keeps_out_and_can_be_listed() {
    party().play(
        "
        -- Modern, Ban Channel Mode; RFC 2812, section 3.2.3: RPL_BANLIST
        alice> MODE #chan +b CAROL
        alice< :alice!alice@host MODE #chan +b CAROL!*@*
        bob< :alice!alice@host MODE #chan +b CAROL!*@*
        alice> MODE #chan +b carol!*@*
        alice> MODE #chan +bb a@b x!y@z
        alice< :alice!alice@host MODE #chan +bb *!a@b x!y@z
        bob< :alice!alice@host MODE #chan +bb *!a@b x!y@z
        carol> MODE #chan +b
        carol< 367 carol #chan CAROL!*@* alice 1795176000
        carol< 367 carol #chan *!a@b alice 1795176000
        carol< 367 carol #chan x!y@z alice 1795176000
        carol< 368 carol #chan :End of channel ban list
        carol> JOIN #chan
        carol< 474 carol #chan :Cannot join channel (+b)
        alice> MODE #chan -bb carol nothing
        alice< :alice!alice@host MODE #chan -b CAROL!*@*
        bob< :alice!alice@host MODE #chan -b CAROL!*@*
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
fn bans_of_a_channel_are_bounded() {
    let mut party = party();
    for at in 0..IRC_BANS_MAX {
        party.quietly("alice", &[&format!("MODE #chan +b n{at}")]);
    }
    let long = "x".repeat(300);
    party.play(&format!(
        "
        -- RFC 2812, section 5.2: ERR_BANLISTFULL
        alice> MODE #chan +b more
        alice< 478 alice #chan b :Channel ban list is full
        alice> MODE #chan +b {long}
        alice< 696 alice #chan b * :Mask is not well-formed
        alice> MODE #chan -b+b n0 more
        alice< :alice!alice@host MODE #chan -b+b n0!*@* more!*@*
        bob< :alice!alice@host MODE #chan -b+b n0!*@* more!*@*
        "
    ));
}

/// RFC 2812, section 2.3: as many lines as they need, each with its tags.
#[test]
fn changes_that_fit_no_line_go_on_in_another() {
    let mut party = party();
    party.grant("bob", &[crate::proto::irc::caps::Cap::ServerTime]);
    let masks: Vec<_> = (0..3).map(|at| format!("{}{at}", "m".repeat(140))).collect();
    party.send("alice", format!("MODE #chan +bbb {}", masks.join(" ")).as_bytes());
    let got = party.take("alice");
    assert!(got.len() == 1, "they come as one line, which is as long: {got:?}");
    let got = party.take("bob");
    assert!(got.iter().all(|line| line.starts_with("@time=")), "{got:?}");
    let mut made = Made::new();
    for _ in 0..5 {
        made.push(true, b'b', Some(&[b'm'; 160]));
    }
    let lines = posts(&made, b"alice!alice@host", b"#chan", 0);
    assert_eq!(lines.len(), 3);
    let id = party.irc.find_channel(b"#chan").unwrap();
    for post in &lines {
        party.irc.send_channel(id, None, post);
    }
    let got = party.take("bob");
    assert!(got.len() == 3 && got.iter().all(|line| line.starts_with("@time=")), "{got:?}");
}

#[test]
fn who_may_speak_is_what_the_modes_say() {
    let mut party = party();
    let may_speak = |party: &mut Party, who: &str| {
        let id = party.irc.find_channel(b"#chan").unwrap();
        let (user, prefix) = (party.id(who), party.user(who).prefix());
        party.irc.channel(id).unwrap().may_speak(user, &prefix)
    };
    let all = ["alice", "bob", "carol"];
    // Modern, "Channel Modes": n, m, b; an operator and a voice are heard whatever they say.
    for (modes, heard) in [
        ("+n", [true, true, false]),
        ("-n", [true, true, true]),
        ("+m", [true, false, false]),
        ("+v bob", [true, true, false]),
        ("-m-v bob", [true, true, true]),
        ("+b *!*@host", [true, false, false]),
        ("+v bob", [true, true, false]),
    ] {
        party.quietly("alice", &[&format!("MODE #chan {modes}")]);
        assert_eq!(all.map(|who| may_speak(&mut party, who)), heard, "{modes}");
    }
}

#[test]
fn a_users_modes_are_its_own() {
    play(
        &["alice", "bob"],
        "
        -- RFC 2812, section 3.1.5
        alice> MODE alice
        alice< 221 alice +
        alice> MODE ALICE +iwB
        alice< :alice!alice@host MODE alice +iwB
        alice> MODE alice +i
        alice> MODE alice
        alice< 221 alice +Biw
        alice> MODE alice -wB
        alice< :alice!alice@host MODE alice -wB
        alice> MODE alice -ixx
        alice< :alice!alice@host MODE alice -i
        alice< 501 alice :Unknown MODE flag
        -- nobody becomes an operator by saying so
        alice> MODE alice +o
        alice> MODE alice -o
        alice> MODE bob
        alice< 502 alice :Cannot change mode for other users
        alice> MODE bob +i
        alice< 502 alice :Cannot change mode for other users
        alice> MODE nobody +i
        alice< 401 alice nobody :No such nick
        ",
    );
}
