//! Who hears what is said: scripts by clause of the RFCs, of Modern and of IRCv3.

use crate::limits::IRC_TARGETS_MAX;
use crate::proto::irc::caps::Cap;
use crate::session::irc::testing::{Party, play};

/// alice is operator, bob and carol are members of `#a`; dave is outside.
fn room() -> Party {
    let mut party = Party::new(&["alice", "bob", "carol", "dave"]);
    for nick in ["alice", "bob", "carol"] {
        party.quietly(nick, &["JOIN #a"]);
    }
    party
}

#[test]
fn what_is_said_reaches_those_it_is_meant_for() {
    room().play(
        "
        -- RFC 2812, section 3.3.1: everybody in the channel but who says it
        alice> PRIVMSG #A :hello all
        bob< :alice!alice@host PRIVMSG #a :hello all
        carol< :alice!alice@host PRIVMSG #a :hello all
        dave> PRIVMSG BOB,carol,bob :\\x01ACTION waves\\x01
        bob< :dave!dave@host PRIVMSG bob :\\x01ACTION waves\\x01
        carol< :dave!dave@host PRIVMSG carol :\\x01ACTION waves\\x01
        -- to oneself it comes once
        dave> NOTICE dave :note
        dave< :dave!dave@host NOTICE dave :note
        -- Modern, STATUSMSG
        bob> PRIVMSG @#a :to operators
        alice< :bob!bob@host PRIVMSG @#a :to operators
        alice> MODE #a +v carol
        alice< :alice!alice@host MODE #a +v carol
        bob< :alice!alice@host MODE #a +v carol
        carol< :alice!alice@host MODE #a +v carol
        bob> NOTICE +#a :to voices
        alice< :bob!bob@host NOTICE +#a :to voices
        carol< :bob!bob@host NOTICE +#a :to voices
        ",
    );
}

#[test]
fn what_cannot_be_said_is_refused() {
    room().play(
        "
        -- RFC 2812, section 3.3.1: 411, 412, 401; Modern: 403, 404
        dave> PRIVMSG
        dave< 411 dave :No recipient given (PRIVMSG)
        dave> PRIVMSG bob
        dave< 412 dave :No text to send
        dave> PRIVMSG bob :
        dave< 412 dave :No text to send
        dave> PRIVMSG nobody :hi
        dave< 401 dave nobody :No such nick
        dave> PRIVMSG #none,bob :hi
        dave< 403 dave #none :No such channel
        bob< :dave!dave@host PRIVMSG bob :hi
        dave> PRIVMSG #a :hi
        dave< 404 dave #a :Cannot send to channel
        alice> MODE #a -n+mb carol!*@*
        alice< :alice!alice@host MODE #a -n+mb carol!*@*
        bob< :alice!alice@host MODE #a -n+mb carol!*@*
        carol< :alice!alice@host MODE #a -n+mb carol!*@*
        bob> PRIVMSG #a :moderated
        bob< 404 bob #a :Cannot send to channel
        alice> MODE #a -m
        alice< :alice!alice@host MODE #a -m
        bob< :alice!alice@host MODE #a -m
        carol< :alice!alice@host MODE #a -m
        carol> PRIVMSG #a :banned
        carol< 404 carol #a :Cannot send to channel
        dave> PRIVMSG #a :from outside
        alice< :dave!dave@host PRIVMSG #a :from outside
        bob< :dave!dave@host PRIVMSG #a :from outside
        carol< :dave!dave@host PRIVMSG #a :from outside
        ",
    );
}

#[test]
fn a_notice_is_never_answered() {
    play(
        &["alice", "bob"],
        "
        -- RFC 2812, section 3.3.2: automatic replies MUST NEVER be sent
        bob> AWAY :gone
        bob< 306 bob :*
        alice> NOTICE
        alice> NOTICE bob
        alice> NOTICE nobody,#none :hi
        alice> NOTICE bob :hi
        bob< :alice!alice@host NOTICE bob :hi
        alice> PRIVMSG bob :hi
        bob< :alice!alice@host PRIVMSG bob :hi
        alice< 301 alice bob :gone
        ",
    );
}

#[test]
fn targets_of_a_message_are_bounded() {
    let mut party = Party::new(&["alice"]);
    let targets: Vec<String> = (0..=IRC_TARGETS_MAX).map(|at| format!("#none{at}")).collect();
    party.send("alice", format!("PRIVMSG {} :hi", targets.join(",")).as_bytes());
    let heard = party.take("alice");
    let is_refused = |line: &&String| line.contains(" 403 ");
    assert_eq!(heard.iter().filter(is_refused).count(), IRC_TARGETS_MAX);
    // RFC 2812, section 5.2: ERR_TOOMANYTARGETS.
    let last = format!(":irc.test 407 alice #none{IRC_TARGETS_MAX} :Too many targets");
    assert!(heard.contains(&last), "{heard:?}");
}

#[test]
fn tags_reach_those_who_asked_for_them() {
    let mut party = room();
    party.grant("alice", &[Cap::MessageTags, Cap::EchoMessage]);
    party.grant("bob", &[Cap::MessageTags, Cap::ServerTime]);
    party.grant("carol", &[Cap::ServerTime]);
    party.play(
        "
        -- IRCv3 message-tags: client-only ones as they came, others not; echo-message
        alice> @+x=a\\sb;nonsense=1;+draft/y PRIVMSG #a :hi
        alice< @msgid=m*;+x=a\\sb;+draft/y :alice!alice@host PRIVMSG #a :hi
        bob< @time=2026-11-20T12:*;msgid=m*;+x=a\\sb;+draft/y :alice!alice@host PRIVMSG #a :hi
        carol< @time=2026-11-20T12:00:00.000Z :alice!alice@host PRIVMSG #a :hi
        -- TAGMSG is nothing without them
        alice> @+x TAGMSG #a
        alice< @msgid=m*;+x :alice!alice@host TAGMSG #a
        bob< @time=*;msgid=m*;+x :alice!alice@host TAGMSG #a
        alice> TAGMSG
        alice< 461 alice TAGMSG :Not enough parameters
        -- what a client that has not asked for tags says has none
        carol> @+x PRIVMSG bob :hi
        bob< @time=*;msgid=m* :carol!carol@host PRIVMSG bob :hi
        -- to oneself: the echo, and the message
        alice> PRIVMSG alice :me
        alice< @msgid=m* :alice!alice@host PRIVMSG alice :me
        alice< @msgid=m* :alice!alice@host PRIVMSG alice :me
        -- IRCv3 bot-mode
        bob> MODE bob +B
        bob< @time=* :bob!bob@host MODE bob +B
        bob> PRIVMSG alice :beep
        alice< @msgid=m*;bot :bob!bob@host PRIVMSG alice :beep
        ",
    );
}

#[test]
fn an_echo_has_the_id_that_others_see() {
    let mut party = room();
    party.grant("alice", &[Cap::MessageTags, Cap::EchoMessage]);
    party.grant("bob", &[Cap::MessageTags]);
    party.send("alice", b"PRIVMSG #a :one");
    let (mine, other) = (party.take("alice"), party.take("bob"));
    assert_eq!(mine, other);
    party.send("alice", b"PRIVMSG #a :two");
    assert_ne!(party.take("bob")[0].split(' ').next(), other[0].split(' ').next());
}

#[test]
fn what_is_no_utf8_is_not_passed_on() {
    let mut party = room();
    // Modern, "UTF8ONLY"; IRCv3 standard-replies.
    for (line, command) in [(&b"PRIVMSG #a :\xe9"[..], "PRIVMSG"), (b"NOTICE bob :\xff", "NOTICE")]
    {
        party.send("alice", line);
        let wanted = format!(":irc.test FAIL {command} INVALID_UTF8 :");
        let heard = party.take("alice");
        assert!(heard.len() == 1 && heard[0].starts_with(&wanted), "{heard:?}");
        assert!(party.take("bob").is_empty());
    }
    party.send("alice", b"PRIVMSG \xe9 :x");
    party.send("alice", b"WHOIS \xe9");
    party.send("alice", b"NICK \xe9");
    party.send("alice", b"\xe9");
    party.send("alice", b"PING \xe9");
    // Whatever is shown of them is UTF-8, or this fails.
    assert_eq!(party.take("alice").len(), 6);
}

#[test]
fn who_speaks_is_not_idle() {
    let mut party = Party::new(&["alice", "bob"]);
    party.pass(60);
    party.play(
        "
        -- RFC 2812, section 3.6.2: RPL_WHOISIDLE
        alice> WHOIS bob
        alice< 311 *
        alice< 312 *
        alice< 317 alice bob 60 1795176000 :*
        alice< 318 *
        bob> PRIVMSG alice :hi
        alice< :bob!bob@host PRIVMSG alice :hi
        alice> WHOIS bob
        alice< 311 *
        alice< 312 *
        alice< 317 alice bob 0 1795176000 :*
        alice< 318 *
        ",
    );
}

#[test]
fn what_was_left_out_is_told_with_its_time() {
    let mut party = room();
    party.grant("bob", &[Cap::ServerTime]);
    party.user("bob").backlog = crate::limits::IRC_OUT_BYTES_SOFT;
    party.quietly("alice", &["PRIVMSG #a :one", "PRIVMSG bob :two"]);
    party.user("bob").backlog = 0;
    party.pass(5);
    let bob = party.irc.find(b"bob").unwrap();
    party.irc.own_up(bob, party.wall);
    party.send("alice", b"PRIVMSG bob :three");
    let time = "@time=2026-11-20T12:00:05.000Z";
    let note = format!("{time} :irc.test NOTICE bob :… 2 lines skipped: you were too slow");
    let said = format!("{time} :alice!alice@host PRIVMSG bob :three");
    assert_eq!(party.take("bob"), [note, said]);
}

#[test]
fn what_people_say_of_themselves_moves_no_cursor() {
    let mut party = room();
    party.grant("bob", &[Cap::SetName, Cap::AwayNotify]);
    let bad = "a\x1b[2Jb\x02c\x0304d\x0f\x07\u{9b}e\x7f";
    let good = "a [2Jb\x02c\x0304d\x0f  e ";
    for line in ["TOPIC #a", "AWAY", "SETNAME", "KICK #a carol", "PART #a"] {
        party.send("alice", format!("{line} :{bad}").as_bytes());
        assert_eq!(party.take("bob"), [format!(":alice!alice@host {line} :{good}")]);
    }
    party.quietly("alice", &["JOIN #a"]);
    party.send("alice", format!("QUIT :{bad}").as_bytes());
    assert_eq!(party.take("bob"), [format!(":alice!alice@host QUIT :Quit: {good}")]);
}
