//! Several clients of an IRC server in memory, and scripts of what they say and get.
//!
//! ```text
//! -- RFC 2812, section 3.2.1
//! alice> JOIN #a
//! alice< :alice!alice@host JOIN #a
//! alice< 353 alice = #a :@alice
//! ```
//!
//! `alice>` is what alice sends; `alice<` is what she gets next, where `*` stands for any text and
//! a line that begins with a number is the server's. Whatever somebody gets and the script does not
//! say is a failure, so each step names everything that comes of it. In a script, `\x01`, `\x02`,
//! `\x03` stand for those bytes. Registration is not part of it: clients are registered from the
//! start, unless they [`Party::arrive`].

use super::commands::{self, Call, Outcome};
use super::server::Irc;
use super::settings::IrcSettings;
use super::unfinished;
use super::user::{User, UserId};
use crate::clock::{MS, Mono, Wall};
use crate::proto::irc::Message;
use crate::proto::irc::caps::Cap;
use crate::proto::irc::names::fold;

/// The server's name in scripts.
pub const SERVER: &str = "irc.test";

/// A server and those who are connected to it.
pub struct Party {
    /// The server.
    pub irc: Irc,
    /// By the name that scripts call them by, which stays though their nick changes.
    clients: Vec<(String, UserId)>,
    /// What time it is.
    pub mono: Mono,
    /// What time it is on the wall: 2026-11-20 12:00:00 at first.
    pub wall: Wall,
}

impl Party {
    /// Registered clients, each with its nick as its user name.
    pub fn new(nicks: &[&str]) -> Self {
        Self::with(IrcSettings::default(), nicks)
    }

    /// The same with settings; the server's name is [`SERVER`] whatever they say.
    pub fn with(settings: IrcSettings, nicks: &[&str]) -> Self {
        let wall = 1_795_176_000_000_000_000;
        let settings = IrcSettings { name: SERVER.to_owned(), ..settings };
        let irc = Irc::new(settings, 0, wall);
        let mut party = Self { irc, clients: Vec::new(), mono: 0, wall };
        for nick in nicks {
            party.register(nick);
        }
        party
    }

    /// Lets somebody connect, who is not registered.
    pub fn arrive(&mut self, label: &str) -> UserId {
        let id = self.irc.arrive(self.clients.len(), b"host", self.mono, self.wall);
        // A name that is used again means who came last.
        self.clients.retain(|(known, _)| known != label);
        self.clients.push((label.to_owned(), id));
        id
    }

    /// Lets somebody connect who is registered at once.
    pub fn register(&mut self, nick: &str) -> UserId {
        let id = self.arrive(nick);
        self.irc.nicks.insert(fold(nick.as_bytes()), id);
        self.irc.clients += 1;
        self.irc.clients_most = self.irc.clients_most.max(self.irc.clients);
        let user = self.user(nick);
        user.nick = nick.as_bytes().to_vec();
        user.name = nick.as_bytes().to_vec();
        user.real_name = format!("{nick} of the tests").into_bytes();
        user.is_registered = true;
        id
    }

    /// Gives somebody a capability.
    pub fn grant(&mut self, label: &str, caps: &[Cap]) {
        for cap in caps {
            let user = self.user(label);
            user.caps = user.caps.with(*cap);
        }
    }

    /// Who is called so.
    #[track_caller]
    pub fn id(&self, label: &str) -> UserId {
        let found = self.clients.iter().rev().find(|(one, _)| one == label);
        found.unwrap_or_else(|| panic!("nobody is called {label}")).1
    }

    /// The same, to be changed.
    #[track_caller]
    pub fn user(&mut self, label: &str) -> &mut User {
        let id = self.id(label);
        self.irc.user_mut(id).expect("as long as it is in the list")
    }

    /// Lets time pass.
    pub fn pass(&mut self, seconds: u64) {
        self.mono += seconds * 1000 * MS;
        self.wall += seconds * 1000 * MS;
    }

    /// Lets somebody send a line, without its end.
    #[track_caller]
    pub fn send(&mut self, label: &str, line: &[u8]) -> Outcome {
        let user = self.id(label);
        let Ok(message) = Message::parse(line) else { return Outcome::Done };
        let mut call = Call { irc: &mut self.irc, user, mono: self.mono, wall: self.wall };
        commands::dispatch(&mut call, &message)
    }

    /// Lets somebody's last command come to its end, where it is done in steps.
    #[track_caller]
    pub fn settle(&mut self, label: &str) {
        let user = self.id(label);
        let (mono, wall) = (self.mono, self.wall);
        while unfinished::go_on(&mut Call { irc: &mut self.irc, user, mono, wall }) {}
    }

    /// What somebody got since it was asked last.
    #[track_caller]
    pub fn take(&mut self, label: &str) -> Vec<String> {
        let out = std::mem::take(&mut self.user(label).out);
        let text = String::from_utf8(out).expect("everything sent is UTF-8");
        assert!(text.is_empty() || text.ends_with("\r\n"), "a line without its end: {text:?}");
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    /// Forgets what everybody got so far.
    pub fn hush(&mut self) {
        for (label, _) in self.clients.clone() {
            self.take(&label);
        }
    }

    /// Lets somebody send lines, and drops what comes of them.
    #[track_caller]
    pub fn quietly(&mut self, label: &str, lines: &[&str]) {
        for line in lines {
            self.send(label, line.as_bytes());
            self.settle(label);
            self.hush();
        }
    }

    /// Plays a script: see the module's head.
    #[track_caller]
    pub fn play(&mut self, script: &str) {
        let mut said = String::from("(the beginning)");
        let mut expected: Vec<(String, String)> = Vec::new();
        for line in script.lines().map(str::trim_start) {
            if line.is_empty() || line.starts_with("-- ") {
                continue;
            }
            let at = line.find(['>', '<']).unwrap_or_else(|| panic!("who says {line:?}?"));
            let (label, text) = (&line[..at], &line[at + 1..]);
            let text = unescape(text.strip_prefix(' ').unwrap_or(text));
            if line.as_bytes()[at] == b'<' {
                expected.push((label.to_owned(), text));
                continue;
            }
            self.expect(&said, &std::mem::take(&mut expected));
            said = line.to_owned();
            self.send(label, text.as_bytes());
            self.settle(label);
        }
        self.expect(&said, &expected);
    }

    /// Everybody got exactly this.
    #[track_caller]
    fn expect(&mut self, said: &str, expected: &[(String, String)]) {
        for (label, id) in self.clients.clone() {
            let mine = expected.iter().filter(|(to, _)| *to == label);
            let mine: Vec<String> = mine.map(|(_, line)| of_server(line)).collect();
            let got = self.take(&label);
            let is_same = got.len() == mine.len()
                && got
                    .iter()
                    .zip(&mine)
                    .all(|(got, mine)| is_like(mine.as_bytes(), got.as_bytes()));
            assert!(
                is_same,
                "after {said:?} {label} got\n  {}\nnot\n  {}",
                got.join("\n  "),
                mine.join("\n  ")
            );
            if self.irc.user(id).is_some_and(|user| user.is_gone) {
                self.irc.depart(id, b"", self.wall);
                self.clients.retain(|(_, one)| *one != id);
            }
        }
        let is_known = |label: &String| {
            self.clients.iter().any(|(one, _)| one == label) || said.starts_with(label.as_str())
        };
        for (label, line) in expected {
            assert!(is_known(label), "nobody is called {label}, who should get {line:?}");
        }
    }
}

/// Plays a script among clients that are registered and in no channel.
#[track_caller]
pub fn play(nicks: &[&str], script: &str) {
    Party::new(nicks).play(script);
}

/// An expected line: one that begins with a number is the server's.
fn of_server(line: &str) -> String {
    match line.starts_with(|first: char| first.is_ascii_digit()) {
        true => format!(":{SERVER} {line}"),
        false => line.to_owned(),
    }
}

fn unescape(text: &str) -> String {
    text.replace("\\x01", "\x01").replace("\\x02", "\x02").replace("\\x03", "\x03")
}

/// Whether `text` is as `pattern` says, where `*` stands for any text.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| is_like(rest, &text[at..])),
        ([one, rest @ ..], [other, others @ ..]) => one == other && is_like(rest, others),
        _ => false,
    }
}

#[test]
fn a_star_in_a_script_stands_for_any_text() {
    for (pattern, text) in [("a*c", "abbc"), ("*", ""), ("a * :*", "a b :c"), ("a*", "a*")] {
        assert!(is_like(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
    }
    for (pattern, text) in [("a*c", "abbd"), ("a", "ab"), ("", "a")] {
        assert!(!is_like(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
    }
}
