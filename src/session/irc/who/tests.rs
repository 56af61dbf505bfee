//! What is told of whom: scripts by clause of the RFCs, of Modern and of IRCv3.

use crate::limits::{
    IRC_AWAY_BYTES_MAX, IRC_MASK_BYTES_MAX, IRC_OUT_BYTES_SOFT, IRC_REAL_NAME_BYTES_MAX,
};
use crate::proto::irc::caps::Cap;
use crate::session::irc::commands::Call;
use crate::session::irc::testing::{Party, play};
use crate::session::irc::unfinished;

#[test]
fn who_lists_members_and_those_whom_a_mask_covers() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.quietly("alice", &["JOIN #A"]);
    party.quietly("bob", &["JOIN #a", "AWAY :gone"]);
    party.quietly("alice", &["MODE #a +v alice"]);
    party.user("carol").is_invisible = true;
    party.play(
        "
        -- RFC 2812, section 3.6.1; Modern, RPL_WHOREPLY: the channel in its own spelling
        carol> WHO #a
        carol< 352 carol #A alice host irc.test alice H@ :0 alice of the tests
        carol< 352 carol #A bob host irc.test bob G :0 bob of the tests
        carol< 315 carol #a :End of WHO list
        -- masks: no channel, so no sign; LogBot is in the way of nobody
        carol> WHO
        carol< 352 carol * alice host irc.test alice H :0 alice of the tests
        carol< 352 carol * bob host irc.test bob G :0 bob of the tests
        carol< 352 carol * carol host irc.test carol H :0 carol of the tests
        carol< 315 carol * :End of WHO list
        carol> WHO AL*
        carol< 352 carol * alice host irc.test alice H :0 alice of the tests
        carol< 315 carol AL* :End of WHO list
        -- user mode i: by its nick, not by a mask
        alice> WHO ca*
        alice< 315 alice ca* :End of WHO list
        alice> WHO CAROL
        alice< 352 alice * carol host irc.test carol H :0 carol of the tests
        alice< 315 alice CAROL :End of WHO list
        alice> WHO nobody
        alice< 315 alice nobody :End of WHO list
        -- o: operators of the server
        alice> WHO * o
        alice< 315 alice * :End of WHO list
        alice> WHO LogBot
        alice< 352 alice * logbot irc.test irc.test LogBot HB :0 *
        alice< 315 alice LogBot :End of WHO list
        -- a secret channel is its members'
        alice> MODE #a +s
        alice< :alice!alice@host MODE #A +s
        bob< :alice!alice@host MODE #A +s
        carol> WHO #a
        carol< 315 carol #a :End of WHO list
        ",
    );
    party.grant("alice", &[Cap::MultiPrefix]);
    party.play(
        "
        -- IRCv3 multi-prefix
        alice> WHO #a
        alice< 352 alice #A alice host irc.test alice H@+ :0 *
        alice< 352 alice #A bob host irc.test bob G :0 *
        alice< 315 alice #a :*
        ",
    );
}

#[test]
fn whox_tells_the_fields_that_are_asked_for() {
    let mut party = Party::new(&["alice", "bob"]);
    party.pass(7);
    party.play(
        "
        -- WHOX: t c u i h s n f d l a o r, in this order whatever was asked
        alice> WHO bob %rtcuihsnfdlao,42
        alice< 354 alice 42 * bob host host irc.test bob H 0 7 0 n/a :bob of the tests
        alice< 315 alice bob :*
        alice> WHO bob %nat,1
        alice< 354 alice 1 bob 0
        alice< 315 alice bob :*
        alice> WHO bob %nt,toolong
        alice< 354 alice 0 bob
        alice< 315 alice bob :*
        ",
    );
}

#[test]
fn a_who_of_many_waits_for_its_client() {
    let mut party = Party::new(&["alice"]);
    for at in 0..700 {
        party.register(&format!("user{at}"));
    }
    party.send("alice", b"WHO *");
    let mut rows = party.take("alice");
    assert!(rows.len() < 700, "all at once");
    let user = party.id("alice");
    loop {
        let (mono, wall) = (party.mono, party.wall);
        let most = party.user("alice").out.len();
        assert!(most < IRC_OUT_BYTES_SOFT * 2, "{most}");
        if !unfinished::go_on(&mut Call { irc: &mut party.irc, user, mono, wall }) {
            break;
        }
        rows.extend(party.take("alice"));
    }
    assert_eq!(rows.len(), 702);
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), 702, "somebody was told twice");
}

#[test]
fn whois_tells_what_may_be_known() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    party.quietly("alice", &["JOIN #a,#b,#s", "MODE #s +s", "AWAY :gone"]);
    party.quietly("bob", &["JOIN #b"]);
    party.play(
        "
        -- RFC 2812, section 3.6.2; Modern, WHOIS: 311 first, 318 last
        bob> WHOIS ALICE
        bob< 311 bob alice alice host * :alice of the tests
        bob< 319 bob alice :@#a @#b
        bob< 312 bob alice irc.test :*
        bob< 301 bob alice :gone
        bob< 317 bob alice 0 1795176000 :*
        bob< 318 bob alice :End of WHOIS list
        bob> WHOIS irc.test carol
        bob< 311 bob carol carol host * :carol of the tests
        bob< 312 bob carol irc.test :*
        bob< 317 bob carol 0 1795176000 :*
        bob< 318 bob carol :*
        bob> WHOIS carol carol
        bob< 311 bob carol carol host * :*
        bob< 312 *
        bob< 317 *
        bob< 318 bob carol :*
        bob> WHOIS nobody
        bob< 401 bob nobody :No such nick
        bob< 318 bob nobody :*
        bob> WHOIS other.test carol
        bob< 402 bob other.test :No such server
        bob> WHOIS
        bob< 431 bob :No nickname given
        -- IRCv3 bot-mode: RPL_WHOISBOT; log channels are shown to those who are there
        bob> WHOIS logbot
        bob< 311 bob LogBot logbot irc.test * :*
        bob< 312 *
        bob< 317 *
        bob< 335 bob LogBot :is a bot on logcaster
        bob< 318 bob LogBot :*
        ",
    );
    // Of who is invisible, the channels that are shared.
    party.user("alice").is_invisible = true;
    party.send("bob", b"WHOIS alice");
    assert_eq!(party.take("bob")[1], ":irc.test 319 bob alice :@#b");
    party.send("alice", b"WHOIS alice");
    assert_eq!(party.take("alice")[1], ":irc.test 319 alice alice :@#a @#b @#s");
}

#[test]
fn whowas_remembers_so_many() {
    let mut party = Party::new(&["alice"]);
    party.play(
        "
        -- RFC 2812, section 3.6.3
        alice> WHOWAS
        alice< 431 alice :No nickname given
        alice> WHOWAS nobody
        alice< 406 alice nobody :There was no such nickname
        alice< 369 alice nobody :*
        ",
    );
    for at in 0..crate::limits::IRC_WHOWAS_MAX + 1 {
        let nick = if at < 3 { "first".to_owned() } else { format!("u{at}") };
        let id = party.register(&nick);
        party.pass(1);
        party.irc.depart(id, b"", party.wall);
    }
    assert_eq!(party.irc.whowas.len(), crate::limits::IRC_WHOWAS_MAX);
    let mut count = |line: &[u8]| {
        party.send("alice", line);
        party.take("alice").iter().filter(|line| line.contains(" 314 ")).count()
    };
    // The oldest is forgotten; a count that is not above 0 means all.
    assert_eq!(count(b"WHOWAS first"), 2);
    assert_eq!(count(b"WHOWAS FIRST 1"), 1);
    assert_eq!(count(b"WHOWAS first 0"), 2);
    assert_eq!(count(b"WHOWAS first -1"), 2);
}

#[test]
fn userhost_tells_of_five() {
    play(
        &["alice", "bob"],
        "
        -- RFC 2812, section 4.8
        alice> AWAY :gone
        alice< 306 alice :*
        bob> USERHOST alice nobody BOB
        bob< 302 bob :alice=-alice@host bob=+bob@host
        bob> USERHOST a b c d e bob
        bob< 302 bob :
        bob> USERHOST
        bob< 461 bob USERHOST :Not enough parameters
        -- RFC 2812, section 4.9
        bob> ISON nobody ALICE :bob nobody
        bob< 303 bob :alice bob
        bob> ISON nobody
        bob< 303 bob :
        bob> ISON
        bob< 461 bob ISON :Not enough parameters
        ",
    );
}

#[test]
fn who_is_away_is_known_to_those_who_want_it() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    for nick in ["alice", "bob", "carol"] {
        party.quietly(nick, &["JOIN #a"]);
    }
    party.grant("bob", &[Cap::AwayNotify]);
    party.play(
        "
        -- RFC 2812, section 4.1; IRCv3 away-notify
        alice> AWAY :at lunch
        alice< 306 alice :You have been marked as being away
        bob< :alice!alice@host AWAY :at lunch
        alice> AWAY :at lunch
        alice< 306 alice :*
        alice> AWAY :
        alice< 305 alice :You are no longer marked as being away
        bob< :alice!alice@host AWAY
        ",
    );
}

#[test]
fn an_away_text_is_cut_at_its_bound() {
    let mut party = Party::new(&["alice"]);
    let text = format!("AWAY :{}", "é".repeat(240));
    party.send("alice", text.as_bytes());
    let kept = party.user("alice").away.clone().unwrap();
    assert!(kept.len() == IRC_AWAY_BYTES_MAX && str::from_utf8(&kept).is_ok());
}

#[test]
fn a_real_name_changes_for_those_who_want_to_know() {
    let mut party = Party::new(&["alice", "bob", "carol"]);
    for nick in ["alice", "bob", "carol"] {
        party.quietly(nick, &["JOIN #a"]);
    }
    party.grant("alice", &[Cap::SetName]);
    party.grant("bob", &[Cap::SetName]);
    party.play(
        "
        -- IRCv3 setname
        alice> SETNAME :Alice A.
        alice< :alice!alice@host SETNAME :Alice A.
        bob< :alice!alice@host SETNAME :Alice A.
        alice> SETNAME
        alice< 461 alice SETNAME :Not enough parameters
        alice> SETNAME :
        alice< :irc.test FAIL SETNAME INVALID_REALNAME :*
        bob> WHO alice
        bob< 352 bob * alice host irc.test alice H :0 Alice A.
        bob< 315 *
        ",
    );
    let long = format!("SETNAME :{}", "x".repeat(IRC_REAL_NAME_BYTES_MAX + 1));
    party.send("alice", long.as_bytes());
    assert!(party.take("alice")[0].contains("FAIL SETNAME INVALID_REALNAME"));
}

#[test]
fn a_mask_too_long_covers_nobody() {
    let mut party = Party::new(&["alice", "bob"]);
    party.quietly("alice", &["JOIN #a"]);
    for (stars, rows) in [(IRC_MASK_BYTES_MAX, 1), (IRC_MASK_BYTES_MAX + 1, 0)] {
        let mask = "*".repeat(stars);
        party.send("bob", format!("LIST {mask}").as_bytes());
        party.settle("bob");
        let listed = party.take("bob").iter().filter(|line| line.contains(" 322 bob #a ")).count();
        assert_eq!(listed, rows);
        party.send("bob", format!("WHO {mask}").as_bytes());
        party.settle("bob");
        assert_eq!(party.take("bob").len(), 2 * rows + 1);
    }
}
