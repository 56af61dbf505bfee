//! Who comes in, and what is asked of them: scripts by clause of the RFCs, of Modern and of IRCv3.

use crate::limits::IRC_REAL_NAME_BYTES_MAX;
use crate::proto::irc::Secret;
use crate::proto::irc::caps::{Cap, CapSet};
use crate::session::irc::commands::Outcome;
use crate::session::irc::testing::{Party, play};
use crate::session::irc::{IrcSettings, info};

/// The numerics of what somebody got.
fn numerics(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split(' ').nth(1).unwrap_or_default()).collect()
}

/// Registers `new` with these lines; the last one has to do it.
#[track_caller]
fn registers(party: &mut Party, lines: &[&str]) {
    party.arrive("new");
    for (at, line) in lines.iter().enumerate() {
        party.send("new", line.as_bytes());
        let is_last = at + 1 == lines.len();
        let heard = party.take("new");
        let is_in = heard.iter().any(|line| line.contains(" 001 "));
        assert_eq!(is_in, is_last, "after {line:?}: {heard:?}");
    }
}

#[test]
fn a_welcome_comes_in_its_order() {
    // RFC 2812, section 5.1; Modern, "Connection Registration": 001 to 005, LUSERS, MOTD.
    let wanted =
        "001 002 003 004 005 005 251 252 253 254 255 265 266 422".split(' ').collect::<Vec<_>>();
    for lines in [["NICK new", "USER u s e :r"], ["USER u s e r", "NICK new"]] {
        let mut party = Party::new(&[]);
        party.arrive("new");
        lines.iter().for_each(|line| drop(party.send("new", line.as_bytes())));
        let heard = party.take("new");
        assert_eq!(numerics(&heard), wanted);
        assert_eq!(heard[0], ":irc.test 001 new :Welcome to the logcaster network, new!u@host");
        let my_info = format!(":irc.test 004 new irc.test {} Biw biklmnostv bklov", info::VERSION);
        assert_eq!(heard[3], my_info);
        assert_eq!(heard[6], ":irc.test 251 new :There are 1 users and 0 invisible on 1 servers");
    }
}

#[test]
fn there_is_a_message_of_the_day_where_one_was_given() {
    let motd = vec![b"hello".to_vec(), b"caf\xe9".to_vec()];
    let mut party = Party::with(IrcSettings { motd, ..IrcSettings::default() }, &["alice"]);
    party.play(
        "
        -- Modern, RPL_MOTDSTART, RPL_MOTD, RPL_ENDOFMOTD
        alice> MOTD
        alice< 375 alice :- irc.test Message of the day - 
        alice< 372 alice :- hello
        alice< 372 alice :- caf\u{fffd}
        alice< 376 alice :*
        -- RFC 2812, section 3.4.1: ERR_NOSUCHSERVER is Modern's
        alice> MOTD elsewhere
        alice< 402 alice elsewhere :No such server
        ",
    );
}

#[test]
fn capabilities_are_negotiated_before_and_after_registration() {
    let mut party = Party::new(&[]);
    party.arrive("new");
    party.play(
        "
        -- IRCv3 capability-negotiation: registration waits for CAP END
        new> CAP LIST
        new< :irc.test CAP * LIST :
        new> CAP LS 302
        new< :irc.test CAP * LS :*message-tags*
        new> JOIN :
        new< 451 * :You have not registered
        new> NICK new
        new> USER u s e r
        -- all or nothing, as it was asked
        new> CAP REQ :multi-prefix nonsense
        new< :irc.test CAP new NAK :multi-prefix nonsense
        new> CAP REQ :multi-prefix setname
        new< :irc.test CAP new ACK :multi-prefix setname
        new> CAP REQ -setname
        new< :irc.test CAP new ACK :-setname
        new> CAP LIST
        new< :irc.test CAP new LIST :multi-prefix
        -- nothing is asked for
        new> CAP REQ :
        new< :irc.test CAP new NAK :
        new> cap nonsense
        new< 410 new nonsense :Invalid CAP subcommand
        new> CAP
        new< 461 new CAP :Not enough parameters
        ",
    );
    party.send("new", b"CAP END");
    assert_eq!(numerics(&party.take("new"))[..2], ["001", "002"]);
    party.play(
        "
        new> CAP END
        new> CAP REQ :server-time
        new< :irc.test CAP new ACK :server-time
        ",
    );
    party.send("new", b"CAP LS");
    let heard = party.take("new");
    assert!(heard.len() == 1 && !heard[0].contains('='), "{heard:?}");
}

#[test]
fn what_would_be_cut_is_not_acknowledged() {
    let mut party = Party::new(&["alice"]);
    let room = 510 - ":irc.test CAP alice ACK :".len();
    for (bytes, verb) in [(room, "ACK"), (room + 1, "NAK")] {
        let list = format!("batch{:>1$}", "setname", bytes - "batch".len());
        party.user("alice").caps = CapSet::default();
        // As long as a line can be: what a client sends has no source before it.
        party.send("alice", format!("CAP REQ :{list}").as_bytes());
        assert!(party.take("alice")[0].starts_with(&format!(":irc.test CAP alice {verb} :batch")));
        assert_eq!(party.user("alice").caps.has(Cap::SetName), verb == "ACK");
    }
}

#[test]
fn what_is_not_done_is_not_offered() {
    let mut party = Party::new(&["alice"]);
    party.send("alice", b"CAP LS 302");
    assert!(!party.take("alice").concat().contains("sasl"), "there are no accounts");
    party.play(
        "
        -- IRCv3 sasl: ERR_SASLFAIL, ERR_SASLABORTED
        alice> AUTHENTICATE PLAIN
        alice< 904 alice :*
        alice> AUTHENTICATE *
        alice< 906 alice :*
        ",
    );
}

#[test]
fn a_password_is_looked_at_when_all_else_is_known() {
    let with = || {
        let password = Some(Secret::new("s3cret"));
        Party::with(IrcSettings { password, ..IrcSettings::default() }, &[])
    };
    // RFC 2812, section 3.1.1: before NICK and USER. irssi: behind CAP END.
    registers(&mut with(), &["PASS s3cret", "NICK new", "USER u s e r"]);
    registers(&mut with(), &["NICK new", "PASS wrong", "PASS s3cret", "USER u s e r"]);
    let late = ["CAP LS 302", "NICK new", "USER u s e r", "PASS s3cret", "CAP END"];
    registers(&mut with(), &late);
    for before in [&["NICK new"][..], &["PASS wrong", "NICK new"], &["PASS s3cre", "NICK new"]] {
        let mut party = with();
        party.arrive("new");
        before.iter().for_each(|line| drop(party.send("new", line.as_bytes())));
        let outcome = party.send("new", b"USER u s e r");
        assert!(matches!(outcome, Outcome::Quit));
        let heard = party.take("new");
        let last = "ERROR :Closing Link: host (Password incorrect)";
        assert_eq!(heard, [":irc.test 464 new :Password incorrect", last]);
        assert!(party.irc.nicks.len() == 1, "the nick is free again");
        assert_eq!(party.irc.wrong_password.as_deref(), Some(&b"host"[..]));
    }
}

#[test]
fn a_command_before_registration_is_refused_by_what_it_is() {
    let mut party = Party::new(&[]);
    party.arrive("new");
    party.play(
        "
        -- Modern, ERR_NOTREGISTERED
        new> JOIN #a
        new< 451 * :You have not registered
        new> NOTICE bob :hi
        new< 451 * :You have not registered
        new> NONSENSE
        new< 451 * :You have not registered
        -- RFC 2812, section 3.1.3; Modern: what is empty is as good as none
        new> USER a b
        new< 461 * USER :Not enough parameters
        new> USER a b c :
        new< 461 * USER :Not enough parameters
        new> USER !!! b c d
        new< 468 * :*
        -- RFC 2812, section 3.1.2
        new> NICK
        new< 431 * :No nickname given
        new> NICK :
        new< 431 * :No nickname given
        new> NICK 1a
        new< 432 * 1a :Erroneous nickname
        new> NICK LOGBOT
        new< 433 * LOGBOT :Nickname is already in use
        -- Modern, PING: its token comes back before registration too
        new> PING a
        new< :irc.test PONG irc.test :a
        new> PING
        new< 409 * :No origin specified
        new> PONG a
        ",
    );
}

#[test]
fn a_real_name_is_cut_and_made_utf8() {
    let mut party = Party::new(&[]);
    party.arrive("new");
    party.send("new", b"NICK new");
    let name = [b"USER u s e :\xff".to_vec(), vec![b'x'; 400]].concat();
    party.send("new", &name);
    let kept = party.user("new").real_name.clone();
    assert!(kept.len() == IRC_REAL_NAME_BYTES_MAX && kept.starts_with("\u{fffd}x".as_bytes()));
}

#[test]
fn a_nick_is_one_persons() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.arrive("new");
    party.play(
        "
        -- RFC 2812, section 3.1.2: told to all who share a channel, once
        alice> JOIN #a,#b
        alice< :alice!alice@host JOIN #a
        alice< 353 alice = #a :@alice
        alice< 366 alice #a :*
        alice< :alice!alice@host JOIN #b
        alice< 353 alice = #b :@alice
        alice< 366 alice #b :*
        bob> JOIN #b
        alice< :bob!bob@host JOIN #b
        bob< :bob!bob@host JOIN #b
        bob< 353 bob = #b :@alice bob
        bob< 366 bob #b :*
        bob> NICK bert
        alice< :bob!bob@host NICK bert
        bob< :bob!bob@host NICK bert
        -- nothing else changes where it is refused; case alone may change
        alice> NICK BERT
        alice< 433 alice BERT :Nickname is already in use
        alice> NICK Alice
        alice< :alice!alice@host NICK Alice
        bob< :alice!alice@host NICK Alice
        alice> NICK Alice
        -- before registration it is kept as well
        new> NICK dora
        carol> NICK dora
        carol< 433 carol dora :Nickname is already in use
        new> QUIT
        new< ERROR :Closing Link: host (Client quit)
        carol> NICK DORA
        carol< :carol!carol@host NICK DORA
        -- RFC 2812, section 3.6.3: WHOWAS knows nicks that were changed
        carol> WHOWAS carol
        carol< 314 DORA carol carol host * :carol of the tests
        carol< 312 DORA carol irc.test :*
        carol< 369 DORA carol :End of WHOWAS
        -- Modern, ERR_ALREADYREGISTERED
        carol> USER a b c d
        carol< 462 DORA :You may not reregister
        carol> PASS x
        carol< 462 DORA :You may not reregister
        ",
    );
}

#[test]
fn who_quits_says_that_it_did() {
    play(
        &["alice", "bob"],
        "
        -- RFC 2812, sections 3.1.7 and 3.7.4; Modern, QUIT: the reason has \"Quit: \" before it
        alice> JOIN #a
        alice< :alice!alice@host JOIN #a
        alice< 353 alice = #a :@alice
        alice< 366 alice #a :*
        bob> JOIN #a
        alice< :bob!bob@host JOIN #a
        bob< :bob!bob@host JOIN #a
        bob< 353 bob = #a :@alice bob
        bob< 366 bob #a :*
        bob> QUIT :irc.test other.test
        bob< ERROR :Closing Link: host (Quit: irc.test other.test)
        alice< :bob!bob@host QUIT :Quit: irc.test other.test
        alice> WHOWAS bob
        alice< 314 alice bob bob host * :bob of the tests
        alice< 312 alice bob irc.test :*
        alice< 369 alice bob :End of WHOWAS
        ",
    );
}

#[test]
fn everybody_is_put_where_the_settings_say() {
    let auto_join = vec![b"#ops".to_vec(), b"#logs-error".to_vec()];
    let mut party = Party::with(IrcSettings { auto_join, ..IrcSettings::default() }, &[]);
    party.arrive("new");
    party.send("new", b"NICK new");
    party.send("new", b"USER u s e r");
    let heard = party.take("new");
    let last = heard.iter().position(|line| line.contains(" 422 ")).unwrap();
    assert_eq!(numerics(&heard[last..])[..4], ["422", "JOIN", "353", "366"]);
    assert!(heard.iter().any(|line| line == ":new!u@host JOIN #logs-error"), "{heard:?}");
}

#[test]
fn the_server_counts_and_describes_itself() {
    let mut party = Party::new(&["alice", "bob"]);
    party.arrive("new");
    party.user("bob").is_invisible = true;
    party.play(
        "
        -- RFC 2812, section 3.4.2: LogBot and channels without people are none
        alice> LUSERS
        alice< 251 alice :There are 1 users and 1 invisible on 1 servers
        alice< 252 alice 0 :*
        alice< 253 alice 1 :*
        alice< 254 alice 0 :*
        alice< 255 alice :I have 2 clients and 0 servers
        alice< 265 alice 2 2 :Current local users 2, max 2
        alice< 266 alice 2 2 :Current global users 2, max 2
        -- sections 3.4.3, 3.4.6, 3.4.4, 3.4.5, 3.4.9
        alice> VERSION
        alice< 351 alice logcaster-* irc.test :*
        alice< 005 alice *
        alice< 005 alice *
        alice> TIME *.test
        alice< 391 alice irc.test :Fri, 20 Nov 2026 12:00:00 UTC
        alice> STATS u
        alice< 242 alice :Server Up 0 days 0:00:00
        alice< 219 alice u :End of STATS report
        alice> STATS
        alice< 461 alice STATS :Not enough parameters
        alice> LINKS
        alice< 365 alice * :End of LINKS list
        alice> ADMIN
        alice< 256 alice irc.test :*
        alice< 257 alice :*
        alice< 258 alice :*
        alice< 259 alice :*
        alice> TIME nowhere.test
        alice< 402 alice nowhere.test :No such server
        -- section 3.1.4: nobody can be an operator
        alice> OPER a
        alice< 461 alice OPER :Not enough parameters
        alice> OPER a b
        alice< 491 alice :*
        alice> KILL bob :x
        alice< 481 alice :*
        alice> WALLOPS :x
        alice< 481 alice :*
        -- Modern, HELP
        alice> HELP privmsg
        alice< 704 alice PRIVMSG :PRIVMSG targets text
        alice< 705 alice PRIVMSG :*
        alice< 706 alice PRIVMSG :End of HELP
        alice> HELP nonsense
        alice< 524 alice nonsense :*
        alice> NONSENSE a
        alice< 421 alice NONSENSE :Unknown command
        ",
    );
}
