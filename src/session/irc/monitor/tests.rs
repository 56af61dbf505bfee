//! Who is watched, by whom, and what is told of it: IRCv3 monitor.

use super::*;
use crate::session::irc::testing::{Party, play};

#[test]
fn who_is_watched_is_told_of_at_once_and_when_it_comes_and_goes() {
    let mut party = Party::new(&["alice", "bob"]);
    party.play(
        "
        -- RPL_MONONLINE, RPL_MONOFFLINE; nicks are compared folded
        alice> MONITOR + BOB,Eve,LogBot
        alice< 730 alice :bob!bob@host,LogBot!logbot@irc.test
        alice< 731 alice :Eve
        -- as they were written
        alice> MONITOR L
        alice< 732 alice :BOB,Eve,LogBot
        alice< 733 alice :End of MONITOR list
        alice> MONITOR S
        alice< 730 alice :bob!bob@host,LogBot!logbot@irc.test
        alice< 731 alice :Eve
        bob> NICK eve
        bob< :bob!bob@host NICK eve
        alice< 731 alice :bob
        alice< 730 alice :eve!bob@host
        -- only another way to write it
        bob> NICK EVE
        bob< :eve!bob@host NICK EVE
        alice> MONITOR - eve
        bob> NICK bob
        bob< :EVE!bob@host NICK bob
        alice< 730 alice :bob!bob@host
        bob> QUIT
        bob< ERROR *
        alice< 731 alice :bob
        alice> MONITOR C
        alice> MONITOR L
        alice< 733 alice :*
        alice> MONITOR S
        ",
    );
    assert!(party.irc.monitors.is_empty());
}

#[test]
fn who_registers_is_told_of_and_who_does_not_is_not() {
    let mut party = Party::new(&["alice"]);
    party.quietly("alice", &["MONITOR + new"]);
    party.arrive("new");
    party.send("new", b"NICK new");
    assert!(party.take("alice").is_empty(), "it is not here before it is registered");
    party.send("new", b"USER u s e :r");
    assert_eq!(party.take("alice"), [":irc.test 730 alice :new!u@host"]);
    let id = party.arrive("other");
    party.send("other", b"NICK nobody");
    party.quietly("alice", &["MONITOR + nobody"]);
    party.irc.depart(id, b"", party.wall);
    let new = party.id("new");
    party.irc.depart(new, b"", party.wall);
    assert_eq!(party.take("alice"), [":irc.test 731 alice :new"]);
}

#[test]
fn what_can_be_nobody_is_not_watched() {
    play(
        &["alice", "bob"],
        "
        alice> MONITOR + *!bob@*,b?b,#a
        alice< 731 alice :*!bob@*,b?b,#a
        alice> MONITOR L
        alice< 733 alice :*
        bob> NICK robert
        bob< :bob!bob@host NICK robert
        alice> MONITOR
        alice< 461 alice MONITOR :Not enough parameters
        alice> MONITOR +
        alice< 461 alice MONITOR :Not enough parameters
        alice> MONITOR x
        alice< :irc.test FAIL MONITOR INVALID_PARAMS x :*
        -- who is watched already is told of again, and watched once
        alice> MONITOR + robert,ROBERT
        alice< 730 alice :robert!bob@host,robert!bob@host
        alice> MONITOR L
        alice< 732 alice :robert
        alice< 733 alice :*
        alice> MONITOR - robert,nobody
        alice> MONITOR L
        alice< 733 alice :*
        ",
    );
}

#[test]
fn a_user_watches_so_many_nicks() {
    let mut party = Party::new(&["alice"]);
    for at in 0..IRC_MONITOR_MAX {
        party.send("alice", format!("MONITOR + {}{at}", "x".repeat(27)).as_bytes());
    }
    party.hush();
    party.play(
        "
        -- ERR_MONLISTFULL; what is watched already has its place
        alice> MONITOR + one,two
        alice< 734 alice 100 one,two :Monitor list is full
        ",
    );
    party.send("alice", b"MONITOR L");
    let lines = party.take("alice");
    let words = lines.iter().filter(|line| line.contains(" 732 "));
    assert_eq!(words.clone().map(|line| line.split(',').count()).sum::<usize>(), IRC_MONITOR_MAX);
    assert!(words.clone().count() > 1 && words.into_iter().all(|line| line.len() <= 510));
    let id = party.id("alice");
    party.irc.depart(id, b"", party.wall);
    assert!(party.irc.monitors.is_empty(), "who is gone watches nobody");
}
