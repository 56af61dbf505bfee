//! IRC against the tables of `tests/data/irc`, which say of each case the clause of the RFC, of
//! Modern or of IRCv3 it comes from: in memory, with every line cut everywhere, and on sockets.

mod kept;
mod player;
mod script;
mod simulation;
mod slow;
mod socket;

use logcaster::level::Level;
use logcaster::proto::irc::Secret;
use logcaster::session::irc::IrcSettings;
use logcaster::session::irc::room::{Room, assert_lines};

use player::{Net, Outcome, play};
use script::{Case, Heard, SERVER, parse};
use socket::Sockets;

/// Cuts of lines that are longer than this are tried at some places alone.
const SHORT: usize = 160;

/// The tables.
const TABLES: &[(&str, &str)] = &[
    ("registration.txt", include_str!("../data/irc/registration.txt")),
    ("cap.txt", include_str!("../data/irc/cap.txt")),
    ("join.txt", include_str!("../data/irc/join.txt")),
    ("leaving.txt", include_str!("../data/irc/leaving.txt")),
    ("channel.txt", include_str!("../data/irc/channel.txt")),
    ("mode.txt", include_str!("../data/irc/mode.txt")),
    ("who.txt", include_str!("../data/irc/who.txt")),
    ("message.txt", include_str!("../data/irc/message.txt")),
    ("server.txt", include_str!("../data/irc/server.txt")),
    ("logs.txt", include_str!("../data/irc/logs.txt")),
];

fn cases() -> Vec<Case> {
    TABLES.iter().flat_map(|(file, text)| parse(file, text)).collect()
}

/// How what a client says comes to the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pieces {
    Whole,
    Bytes,
    /// Cut once, behind so many bytes.
    At(usize),
}

/// A room, and how bytes come into it.
struct Memory {
    room: Room,
    pieces: Pieces,
    unread: Vec<Vec<u8>>,
    /// The longest that was said at once.
    longest: usize,
}

impl Memory {
    fn new(case: &Case, pieces: Pieces) -> Self {
        let mut settings = IrcSettings { name: SERVER.to_owned(), ..IrcSettings::default() };
        for (name, value) in case.settings() {
            match name {
                "password" => settings.password = Some(Secret::new(value)),
                "motd" => settings.motd.push(value.as_bytes().to_vec()),
                "auto-join" => {
                    settings.auto_join = value.split(',').map(|one| one.into()).collect();
                }
                _ => panic!("there is no setting {name}"),
            }
        }
        Self { room: Room::new(settings), pieces, unread: Vec::new(), longest: 0 }
    }
}

impl Net for Memory {
    fn connect(&mut self) -> usize {
        self.unread.push(Vec::new());
        self.room.connect()
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        self.longest = self.longest.max(bytes.len());
        match self.pieces {
            Pieces::Whole => self.room.send(client, bytes),
            Pieces::Bytes => bytes.chunks(1).for_each(|byte| self.room.send(client, byte)),
            Pieces::At(at) => {
                let (left, right) = bytes.split_at(at.min(bytes.len()));
                self.room.send(client, left);
                self.room.send(client, right);
            }
        }
    }

    fn close(&mut self, client: usize) {
        self.room.hang_up(client);
    }

    fn settle(&mut self) {
        self.room.assert_invariants();
    }

    fn take(&mut self, client: usize) -> Vec<Vec<u8>> {
        let said = self.room.take(client);
        assert_lines(&said);
        let lines = said.split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| line.strip_suffix(b"\r\n").unwrap_or(line).to_vec()).collect()
    }

    fn wait_for_more(&mut self, _client: usize) -> bool {
        false
    }

    fn is_closed(&mut self, client: usize) -> bool {
        self.room.is_closed(client)
    }

    fn log(&mut self, level: &str, text: &str) {
        let level = Level::from_name(level.as_bytes())
            .unwrap_or_else(|| panic!("there is no level {level}"));
        self.room.log(level, text.as_bytes());
    }

    fn wait(&mut self, seconds: u64) {
        self.room.pass(seconds * 1_000_000_000);
    }
}

/// Plays a case in memory: whole, byte by byte, cut everywhere.
fn everywhere(case: &Case) -> Result<Outcome, String> {
    let try_it = |pieces| {
        let mut memory = Memory::new(case, pieces);
        let outcome = play(case, &mut memory).map_err(|why| format!("{pieces:?}: {why}"));
        (outcome, memory.longest)
    };
    let (whole, longest) = try_it(Pieces::Whole);
    let whole = whole?;
    let is_tried = |at: &usize| *at < SHORT || *at % 509 < 6 || longest - at < 4;
    let cuts = (1..longest).filter(is_tried).map(Pieces::At);
    for pieces in [Pieces::Bytes].into_iter().chain(cuts) {
        let outcome = try_it(pieces).0?;
        assert_eq!(outcome, whole, "{}: {}: {pieces:?}", case.file, case.name);
    }
    Ok(whole)
}

/// Plays all cases of a file; says all that went wrong.
#[track_caller]
fn check(file: &str, play_it: impl Fn(&Case) -> Result<Outcome, String>) {
    let (mut wrong, mut count) = (Vec::new(), 0);
    let wanted = std::env::var("IRC_CASE").unwrap_or_default();
    for case in cases().iter().filter(|case| case.file == file && case.name.contains(&wanted)) {
        count += 1;
        match play_it(case) {
            Ok(Outcome::Passed) => {}
            // Time that passes is for the tables in memory.
            Ok(Outcome::NotOffered(what)) if what == "time" => {}
            Ok(Outcome::NotOffered(what)) => wrong.push(format!("no {what}: {}", case.name)),
            Err(why) => wrong.push(why),
        }
    }
    assert!(count > 0 || !wanted.is_empty(), "{file} has no case");
    assert!(wrong.is_empty(), "{} of {count} are wrong\n\n{}", wrong.len(), wrong.join("\n\n"));
}

macro_rules! tables {
    ($($file:ident)*) => {
        /// In memory, whatever the pieces in which lines come.
        mod in_memory {
            $(#[test] fn $file() {
                super::check(concat!(stringify!($file), ".txt"), super::everywhere);
            })*
        }

        /// The server itself, on sockets.
        mod on_sockets {
            $(#[test] fn $file() {
                super::check(concat!(stringify!($file), ".txt"), super::Sockets::play);
            })*
        }

        #[test]
        fn every_table_is_played() {
            let played = [$(concat!(stringify!($file), ".txt")),*];
            assert!(TABLES.iter().map(|(file, _)| *file).eq(played));
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/irc");
            assert_eq!(std::fs::read_dir(folder).unwrap().count(), played.len());
        }
    };
}

tables!(registration cap join leaving channel mode who message server logs);

/// What irssi sent to other servers and to ours that was silent, and whether its negotiation ends.
const CAPTURES: &[(&str, bool)] = &[
    ("cap-421", false),
    ("cap-mute", false),
    ("cap-silent", false),
    ("earlier", true),
    ("register-join-ergo", true),
    ("register-join-ngircd", true),
    ("register-password", true),
];

/// Commands and numerics of what a room says to a client that sends `pieces`.
fn answers(pieces: &[&[u8]]) -> (Vec<String>, bool) {
    let password = Some(Secret::new("s3cret"));
    let mut room = Room::new(IrcSettings {
        name: SERVER.to_owned(),
        password: password.filter(|_| pieces.concat().windows(5).any(|word| word == b"PASS ")),
        ..IrcSettings::default()
    });
    let client = room.connect();
    pieces.iter().for_each(|piece| room.send(client, piece));
    let said = room.take(client);
    assert_lines(&said);
    let lines = said.split_inclusive(|byte| *byte == b'\n');
    let commands = lines.map(|line| Heard::parse(line.trim_ascii_end()).command);
    let commands = commands.map(|command| String::from_utf8(command).unwrap());
    (commands.collect(), room.is_closed(client))
}

#[test]
fn irssi_gets_what_it_waits_for() {
    for (name, registers) in CAPTURES {
        let path = format!("{}/tests/data/captures/irc/{name}.req", env!("CARGO_MANIFEST_DIR"));
        let sent = std::fs::read(&path).unwrap();
        let (whole, is_closed) = answers(&[&sent]);
        // The empty JOIN is answered as its CAP LS is: either lets it go on.
        assert_eq!(whole[..2], ["CAP", "451"], "{name}");
        assert_eq!(is_closed, sent.windows(4).any(|word| word == b"QUIT"), "{name}: {whole:?}");
        let wanted = ["001", "005", "422", "MODE", "JOIN", "366", "311", "318", "ERROR"];
        for numeric in wanted.iter().filter(|_| *registers) {
            assert!(whole.iter().any(|one| one == numeric), "{name}: no {numeric}: {whole:?}");
        }
        assert_eq!(answers(&sent.chunks(1).collect::<Vec<_>>()).0, whole, "{name}: byte by byte");
        for cut in 1..sent.len() {
            let (left, right) = sent.split_at(cut);
            assert_eq!(answers(&[left, right]).0, whole, "{name}: cut at {cut}");
        }
    }
}

#[test]
fn there_are_more_cases_than_one_can_keep_in_mind() {
    let cases = cases();
    assert!(cases.len() > 200, "{}", cases.len());
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "two cases claim the same");
}
