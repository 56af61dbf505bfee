//! Clients that do not read, on sockets: what they cost, and that nobody else is harmed.

use std::sync::Barrier;
use std::thread;

use super::script::SERVER;
use crate::peer::Peer;
use crate::support::{Server, setup, wait_until};

/// Clients that talk.
const TALKERS: usize = 16;

/// Lines that a client is heard with without a pause.
const LINES: usize = 190;

/// Bytes by which the server may grow: what waits for all of them, and their connections.
const GROWTH_BYTES_MAX: u64 = 32 << 20;

struct Place {
    server: Server,
    _folder: tempfile::TempDir,
}

/// A server with a long message of the day.
fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("motd");
    std::fs::write(&path, "short line\n".repeat(1400)).unwrap();
    let args = ["--irc-name", SERVER, "--irc-motd", path.to_str().unwrap()];
    Place { server: setup(&args).irc().start(), _folder: folder }
}

impl Place {
    /// Somebody who is registered and in `#a`.
    fn enter(&self, mut peer: Peer, nick: &str) -> Peer {
        peer.write(format!("NICK {nick}\r\nUSER {nick} 0 * :{nick}\r\nJOIN #a\r\n"));
        until(&mut peer, " 366 ");
        peer
    }

    /// Somebody for whom as much waits as the system holds, and so much more that it is said
    /// nothing further.
    fn enter_blocked(&self) -> Peer {
        let mut ann = self.enter(Peer::to(self.server.irc), "ann");
        ann.write("MOTD\r\n".repeat(LINES));
        let is_full = || (self.server.stat("OutboxFull") > 0).then_some(());
        wait_until("the outbox is full", is_full);
        ann
    }

    /// Lets clients say `line` so many times each, with something of its own behind it, all at
    /// once, and reads what each hears until all that all of them have said has come to it.
    fn talk(&self, line: &str, times: usize) {
        let begin = line.split(" :").next().unwrap();
        let heard = format!(" {begin} :");
        let all_are_there = Barrier::new(TALKERS);
        thread::scope(|scope| {
            for talker in 0..TALKERS {
                let (all_are_there, heard) = (&all_are_there, &heard);
                scope.spawn(move || {
                    let nick = format!("talker{talker}");
                    let mut peer = self.enter(Peer::to(self.server.irc), &nick);
                    all_are_there.wait();
                    let lines = (0..times).map(|at| format!("{line}{talker}-{at}\r\n"));
                    peer.write(lines.collect::<String>());
                    // Nobody hears its own messages, and everybody hears all events.
                    let is_event = line.starts_with("TOPIC");
                    let mut missing = times * if is_event { TALKERS } else { TALKERS - 1 };
                    while missing > 0 {
                        missing -= usize::from(next(&mut peer).contains(heard));
                    }
                    all_are_there.wait();
                });
            }
        });
    }
}

/// The next line.
#[track_caller]
fn next(peer: &mut Peer) -> String {
    peer.line().expect("nobody closes it")
}

/// Reads up to a line that says `words`, which it gives.
#[track_caller]
fn until(peer: &mut Peer, words: &str) -> String {
    peer.lines_until(|line| line.contains(words)).pop().expect("the last is it")
}

#[test]
fn who_never_reads_harms_nobody_and_is_ended() {
    let place = place();
    let mut bob = place.enter(Peer::to(place.server.irc), "bob");
    bob.write("MODE #a -t\r\n");
    until(&mut bob, " MODE #a -t");
    let mut ann = place.enter_blocked();
    let waiting = || place.server.stat("IrcOutboxBytes");
    assert!(waiting() > 0);
    let before = place.server.stat("RssBytes");
    thread::scope(|scope| {
        scope.spawn(|| {
            let line = until(&mut bob, ":ann!");
            assert!(line.contains("JOIN"), "{line}");
            let line = until(&mut bob, ":ann!");
            assert!(line.contains(" QUIT :Too much waits"), "{line}");
        });
        place.talk(&format!("TOPIC #a :{}", "x".repeat(380)), LINES);
    });
    assert_eq!(place.server.stat("IrcOverrun"), 1);
    let grown = place.server.stat("RssBytes").saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more");
    // It is told why, where it reads in the end.
    let said = ann.rest();
    let said = String::from_utf8_lossy(&said[said.len().saturating_sub(200)..]);
    assert!(said.contains("ERROR :Closing Link: 127.0.0.1 (Too much waits"), "{said}");
    drop(ann);
    wait_until("what waited is given back", || (waiting() == 0).then_some(()));
    place.server.stop();
}

#[test]
fn who_reads_late_is_told_how_much_it_missed() {
    const SAID: usize = 60;
    let place = place();
    let mut bob = place.enter(Peer::to(place.server.irc), "bob");
    let mut ann = place.enter_blocked();
    place.talk(&format!("PRIVMSG #a :{}", "x".repeat(380)), SAID);
    let skipped = place.server.stat("IrcSkipped");
    assert!(skipped > 0);
    ann.write("PING caught-up\r\n");
    let (mut count, mut told) = (0, 0);
    loop {
        let line = next(&mut ann);
        count += u64::from(line.contains(" PRIVMSG #a :"));
        if line.contains("caught-up") {
            break;
        }
        if line.contains("lines skipped") {
            let digits: String = line.chars().filter(char::is_ascii_digit).collect();
            told += digits.parse::<u64>().unwrap();
        }
    }
    assert_eq!(told, skipped);
    assert_eq!(count + skipped, (SAID * TALKERS) as u64);
    bob.write("PRIVMSG #a :last\r\n");
    assert!(next(&mut ann).ends_with(" PRIVMSG #a :last\r"));
    place.server.stop();
}
