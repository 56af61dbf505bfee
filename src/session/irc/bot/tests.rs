//! What LogBot is told and answers, by clients of a server with a ring behind it.

mod alerts;
mod answers;
mod feeds;
mod filters;
mod history;

use crate::clock::{MS, SECOND};
use crate::level::Level;
use crate::session::irc::room::{Room, assert_lines};
use crate::session::irc::{IrcSettings, UserId};

/// A room in which everybody has registered and is called by a name.
struct Table {
    room: Room,
    names: Vec<String>,
}

impl Table {
    fn new(names: &[&str]) -> Self {
        let name = String::from("irc.test");
        let room = Room::new(IrcSettings { name, ..IrcSettings::default() });
        let mut table = Self { room, names: Vec::new() };
        for name in names {
            table.seat(name);
        }
        table
    }

    /// Lets somebody in.
    fn seat(&mut self, name: &str) {
        let client = self.room.connect();
        assert_eq!(client, self.names.len());
        self.names.push(name.to_owned());
        self.say(name, &[&format!("NICK {name}"), &format!("USER {name} 0 * :{name}")]);
        self.hush();
    }

    #[track_caller]
    fn client(&self, name: &str) -> usize {
        self.names.iter().position(|one| one == name).unwrap()
    }

    fn user(&mut self, name: &str) -> UserId {
        self.room.irc().find(name.as_bytes()).unwrap()
    }

    /// Lets somebody send lines.
    #[track_caller]
    fn say(&mut self, name: &str, lines: &[&str]) {
        let client = self.client(name);
        for line in lines {
            self.room.send(client, format!("{line}\r\n").as_bytes());
        }
        self.room.assert_invariants();
    }

    /// What somebody got since it was asked last; LogBot's source is shortened.
    #[track_caller]
    fn got(&mut self, name: &str) -> Vec<String> {
        let said = self.room.take(self.client(name));
        assert_lines(&said);
        let text = String::from_utf8(said).unwrap();
        let lines = text.split_terminator("\r\n");
        lines.map(|line| line.replace(":LogBot!logbot@irc.test ", ":LogBot ")).collect()
    }

    /// Forgets what everybody got so far.
    fn hush(&mut self) {
        for client in 0..self.names.len() {
            self.room.take(client);
        }
    }

    /// Lets somebody say something, and checks what it gets.
    #[track_caller]
    fn check(&mut self, name: &str, line: &str, expected: &[&str]) {
        self.say(name, &[line]);
        let got = self.got(name);
        assert_eq!(got, expected, "after {line:?}");
    }

    /// Lets somebody say something to LogBot alone: the answer, without what each line of it begins
    /// with. What came before is forgotten.
    #[track_caller]
    fn ask(&mut self, name: &str, command: &str) -> Vec<String> {
        self.got(name);
        self.say(name, &[&format!("PRIVMSG LogBot :{command}")]);
        let head = format!(":LogBot PRIVMSG {name} :");
        let strip = |line: &String| {
            let text = line.strip_prefix(&head);
            text.unwrap_or_else(|| panic!("after {command:?}: {line}")).to_owned()
        };
        self.got(name).iter().map(strip).collect()
    }

    #[track_caller]
    fn check_ask(&mut self, name: &str, command: &str, expected: &[&str]) {
        assert_eq!(self.ask(name, command), expected, "after {command:?}");
    }

    fn log(&mut self, level: Level, text: &str) {
        self.room.log(level, text.as_bytes());
    }

    /// So many records that differ by a number, in one moment.
    fn log_many(&mut self, level: Level, word: &str, count: usize) {
        let texts: Vec<_> = (0..count).map(|at| format!("{word} {at}")).collect();
        self.room.log_at_once(level, texts.iter().map(String::as_bytes));
    }

    /// Time passes, in which everybody answers whether they are there.
    fn pass(&mut self, ms: u64) {
        let mut left = ms;
        while left > 60_000 {
            left -= 60_000;
            self.room.pass(60_000 * MS);
            (0..self.names.len()).for_each(|client| self.room.send(client, b"PONG x\r\n"));
        }
        self.room.pass(left * MS);
    }
}

/// A record as it is said at second `at` of the tests, plain.
fn line(at: u64, level: &str, text: &str) -> String {
    format!("[2026-11-20 10:00:{at:02}] {level} edge1: {text}")
}

/// The seconds that go into a duration of the room.
const _: () = assert!(SECOND == 1000 * MS);
