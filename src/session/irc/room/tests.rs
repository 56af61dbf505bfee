//! What somebody costs at most, and when a connection ends.

use super::*;
use crate::clock::SECOND;
use crate::limits::{
    IRC_INBOX_BYTES_MAX, IRC_LINES_AT_ONCE, IRC_LINES_PER_SECOND, IRC_OUT_BYTES_MAX,
    IRC_OUT_BYTES_SOFT, IRC_PING_MS, IRC_PONG_MS, IRC_REGISTRATION_MS,
};

fn room() -> Room {
    let name = "irc.test".to_owned();
    Room::new(IrcSettings { name, ..IrcSettings::default() })
}

impl Room {
    /// Somebody who is registered and in `#a`, and has read all of that.
    fn enter(&mut self, nick: &str) -> usize {
        let client = self.connect();
        self.say(client, &format!("NICK {nick}\r\nUSER {nick} 0 * :{nick}\r\nJOIN #a"));
        self.take(client);
        client
    }

    fn say(&mut self, client: usize, line: &str) {
        self.send(client, format!("{line}\r\n").as_bytes());
    }

    /// What somebody has heard.
    fn heard(&mut self, client: usize) -> Vec<String> {
        let said = self.take(client);
        assert_lines(&said);
        let text = String::from_utf8(said).unwrap();
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }
}

#[test]
fn lines_are_told_from_what_is_none() {
    assert_lines(b":a 001 b :c\r\n@a=b PING x\r\n");
    for broken in [&b"PING x\n"[..], b"PI\rNG x\r\n", b"@a \r\n", b"@a\r\n", &[b'x'; 600]] {
        assert!(std::panic::catch_unwind(|| assert_lines(broken)).is_err());
    }
}

#[test]
fn a_line_without_an_end_neither_spins_nor_grows() {
    const SENT: u64 = 128;
    for begin in ["", "@", "@a ", "PRIVMSG #a :"] {
        let mut room = room();
        let ann = room.enter("ann");
        room.send(ann, begin.as_bytes());
        let before = room.steps;
        for at in 0..SENT {
            room.send(ann, &[b'x'; 4096]);
            let kept = IRC_INBOX_BYTES_MAX - room.seats[ann].session.wants_bytes();
            assert!(kept == 0 || at < 2, "{begin}: {kept} bytes are kept");
        }
        let steps = room.steps - before;
        assert!(steps <= 3 * SENT, "{begin}: {steps} steps for {SENT} pieces");
        let heard = room.heard(ann);
        assert!(heard.len() == 1 && heard[0].contains(" 417 "), "{begin}: {heard:?}");
        room.say(ann, "\r\nPING here");
        assert_eq!(room.heard(ann), [":irc.test PONG irc.test :here"], "{begin}");
    }
}

#[test]
fn a_flood_is_slowed_and_never_closed() {
    const LINES: u64 = 10_000;
    let mut room = room();
    let ann = room.enter("ann");
    let flood: String = (0..LINES).map(|at| format!("PING {at}\r\n")).collect();
    let start = room.mono;
    room.send(ann, flood.as_bytes());
    let pongs = (0..LINES).map(|at| format!(":irc.test PONG irc.test :{at}"));
    assert_eq!(room.heard(ann), pongs.collect::<Vec<_>>());
    let took = (room.mono - start) / SECOND;
    let owed = (LINES - IRC_LINES_AT_ONCE) / IRC_LINES_PER_SECOND;
    assert!(took.abs_diff(owed) <= 1, "{took} s and not {owed} s");
    assert!(!room.is_closed(ann));
    // After a pause as many go at once as at first.
    room.pass(20 * SECOND);
    let start = room.mono;
    (0..IRC_LINES_AT_ONCE).for_each(|_| room.say(ann, "PING again"));
    assert_eq!((room.mono, room.heard(ann).len() as u64), (start, IRC_LINES_AT_ONCE));
}

#[test]
fn who_has_said_all_that_it_may_and_ends_is_not_waited_for() {
    let mut room = room();
    let ann = room.connect();
    let flood = "PING x\r\n".repeat(IRC_LINES_AT_ONCE as usize);
    room.send(ann, flood.as_bytes());
    room.shut(ann);
    assert_eq!((room.mono, room.is_closed(ann)), (0, true));
}

#[test]
fn who_floods_and_reads_nothing_costs_nothing() {
    let mut room = room();
    let ann = room.enter("ann");
    room.look_away(ann);
    // More than may be said at once, and answers of more than may wait.
    let flood = format!("PING {}\r\n", "x".repeat(200)).repeat(1000);
    room.send(ann, flood.as_bytes());
    let before = room.steps;
    room.pass(10 * SECOND);
    let steps = room.steps - before;
    assert!(steps < 10, "{steps} steps while there was nothing to be done");
    let mut count = 0;
    while count < 1000 {
        let heard = room.heard(ann).len();
        assert!(heard > 0, "it was told {count} answers and no more");
        count += heard;
    }
    assert_eq!(count, 1000);
    assert!(!room.is_closed(ann));
}

#[test]
fn who_never_registers_is_closed() {
    let almost = "CAP LS 302\r\nNICK ann\r\nUSER ann 0 * :ann\r\n";
    for begin in ["", "PING x\r\n", "NICK ann\r\n", almost] {
        let mut room = room();
        let ann = room.connect();
        room.send(ann, begin.as_bytes());
        room.pass((IRC_REGISTRATION_MS - 1000) * MS);
        // To be there is not enough.
        room.say(ann, "PING y");
        assert!(!room.is_closed(ann), "{begin:?}");
        room.pass(2 * SECOND);
        assert!(room.is_closed(ann), "{begin:?}");
        let last = room.heard(ann).pop().unwrap();
        assert_eq!(last, "ERROR :Closing Link: 127.0.0.1 (Registration timed out)");
        room.assert_invariants();
        // Its nick is free.
        room.enter("ann");
    }
}

#[test]
fn who_does_not_answer_a_ping_is_closed() {
    let mut room = room();
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|nick| room.enter(nick));
    for client in [ann, bob, eve] {
        room.heard(client);
    }
    room.pass((IRC_PING_MS - 1000) * MS);
    for client in [ann, bob, eve] {
        assert!(room.heard(client).is_empty());
    }
    room.pass(2 * SECOND);
    for client in [ann, bob, eve] {
        assert_eq!(room.heard(client), ["PING :irc.test"]);
    }
    room.say(bob, "PONG :irc.test");
    // Whatever it says, it is there.
    room.say(eve, "ISON ann");
    room.heard(eve);
    room.pass((IRC_PONG_MS - 2000) * MS);
    assert!(!room.is_closed(ann));
    room.pass(2 * SECOND);
    assert!(room.is_closed(ann) && !room.is_closed(bob) && !room.is_closed(eve));
    assert_eq!(room.heard(ann), ["ERROR :Closing Link: 127.0.0.1 (Ping timeout: 180 seconds)"]);
    for client in [bob, eve] {
        let heard = room.heard(client);
        assert_eq!(heard, [":ann!ann@127.0.0.1 QUIT :Ping timeout: 180 seconds"]);
    }
    room.assert_invariants();
}

#[test]
fn who_cannot_keep_up_is_told_how_much_it_missed() {
    const SAID: usize = 3000;
    let mut room = room();
    let [ann, bob] = ["ann", "bob"].map(|nick| room.enter(nick));
    room.heard(ann);
    room.look_away(ann);
    for at in 0..SAID {
        room.say(bob, &format!("PRIVMSG #a :{at} {}", "x".repeat(300)));
    }
    // Who comes and goes is never left out.
    room.enter("eve");
    let waiting = room.seats[ann].said.len();
    assert!(waiting < IRC_OUT_BYTES_SOFT + 1024, "{waiting} bytes");
    let heard = room.heard(ann);
    let is_said = |line: &&String| line.contains(" PRIVMSG #a :");
    let count = heard.iter().filter(is_said).count();
    assert!(count > 100 && heard.last().unwrap().ends_with(" JOIN #a"), "{:?}", heard.last());
    // It is told as soon as it has read the rest, whether or not somebody says more.
    let missed = super::super::server::thousands((SAID - count) as u64);
    let notice = format!(":irc.test NOTICE ann :… {missed} lines skipped: you were too slow");
    assert_eq!(room.heard(ann), [&notice[..]]);
    room.say(bob, "PRIVMSG #a :last");
    assert_eq!(room.heard(ann), [":bob!bob@127.0.0.1 PRIVMSG #a :last"]);
    assert_eq!(room.irc.skipped, (SAID - count) as u64);
    room.say(bob, "PRIVMSG #a :more");
    assert_eq!(room.heard(ann), [":bob!bob@127.0.0.1 PRIVMSG #a :more"]);
    assert!(!room.is_closed(ann) && !room.is_closed(bob));
}

#[test]
fn who_never_reads_is_closed_at_a_bound() {
    let mut room = room();
    let [bob, ann, eve] = ["bob", "ann", "eve"].map(|nick| room.enter(nick));
    for client in [bob, ann, eve] {
        room.heard(client);
    }
    room.look_away(ann);
    let (mut count, mut most) = (0, 0);
    while !room.is_closed(ann) {
        count += 1;
        assert!(count < 10_000, "{most} bytes wait");
        room.say(bob, &format!("TOPIC #a :{count} {}", "x".repeat(300)));
        most = most.max(room.seats[ann].said.len());
        let topic = room.heard(eve);
        assert!(topic[0].starts_with(":bob!bob@127.0.0.1 TOPIC #a :"), "{topic:?}");
        if room.is_closed(ann) {
            assert_eq!(topic.len(), 2);
            assert!(topic[1].starts_with(":ann!ann@127.0.0.1 QUIT :Too much"), "{topic:?}");
        }
        assert_eq!(room.heard(bob), topic);
    }
    assert!((IRC_OUT_BYTES_MAX..IRC_OUT_BYTES_MAX + 1024).contains(&most), "{most}");
    assert!(room.heard(ann).last().unwrap().starts_with("ERROR :Closing Link: "));
    assert_eq!(room.irc.overrun, 1);
    room.say(bob, "PRIVMSG eve :still here");
    assert_eq!(room.heard(eve), [":bob!bob@127.0.0.1 PRIVMSG eve :still here"]);
    room.assert_invariants();
}
