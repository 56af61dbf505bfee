//! The real server, with clients on sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::player::{Net, Outcome, play};
use super::script::{Case, Heard, SERVER};
use crate::peer::connect;
use crate::support::{DEADLINE, Server, setup};

/// A server and its clients.
pub struct Sockets {
    server: Server,
    clients: Vec<Client>,
    /// Whether lines come without being asked for.
    is_patient: bool,
    /// Tokens of `PING` that were used up.
    pings: usize,
    /// Kept until the server has ended.
    _motd: tempfile::TempDir,
}

struct Client {
    stream: TcpStream,
    /// Read, and no whole line yet.
    part: Vec<u8>,
    lines: Vec<Vec<u8>>,
    /// It has spoken since everybody was asked whether all has arrived.
    has_spoken: bool,
    is_closed: bool,
}

impl Client {
    /// Reads once; whether something came.
    fn read(&mut self, patience: Duration) -> bool {
        if self.is_closed {
            return false;
        }
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.is_closed = true,
            Ok(read) => self.part.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(_) => self.is_closed = true,
        }
        while let Some(end) = self.part.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.part.drain(..=end).collect();
            let line = line.strip_suffix(b"\r\n").expect("every line ends in CR LF");
            self.lines.push(line.to_vec());
        }
        true
    }

    /// Reads until the answer to a `PING` of this token, which nobody gets to see.
    fn settle(&mut self, token: &str) {
        if self.is_closed {
            return;
        }
        // A connection that was closed in between still has its last words to be read.
        let _ = self.stream.write_all(format!("PING {token}\r\n").as_bytes());
        let mut seen = 0;
        loop {
            while let Some(line) = self.lines.get(seen) {
                let heard = Heard::parse(line);
                if heard.command == b"PONG"
                    && heard.params.last().is_some_and(|one| one == token.as_bytes())
                {
                    self.lines.remove(seen);
                    return;
                }
                seen += 1;
            }
            if self.is_closed {
                return;
            }
            assert!(self.read(DEADLINE), "no PONG within {DEADLINE:?}");
        }
    }
}

impl Sockets {
    /// Plays a case, where it needs no more time than there is.
    pub fn play(case: &Case) -> Result<Outcome, String> {
        if case.waits() {
            return Ok(Outcome::NotOffered("time".to_owned()));
        }
        let folder = tempfile::tempdir().unwrap();
        let mut args = vec!["--irc-name".to_owned(), SERVER.to_owned()];
        let mut motd = Vec::new();
        for (name, value) in case.settings() {
            if name == "motd" {
                motd.extend_from_slice(format!("{value}\n").as_bytes());
            } else {
                args.extend([format!("--irc-{name}"), value.to_owned()]);
            }
        }
        if !motd.is_empty() {
            let path: PathBuf = folder.path().join("motd");
            std::fs::write(&path, motd).unwrap();
            args.extend(["--irc-motd".to_owned(), path.to_str().unwrap().to_owned()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut sockets = Self {
            server: setup(&args).irc().start(),
            clients: Vec::new(),
            is_patient: case.logs(),
            pings: 0,
            _motd: folder,
        };
        play(case, &mut sockets)
    }
}

impl Net for Sockets {
    fn connect(&mut self) -> usize {
        let stream = connect(self.server.irc);
        let (part, lines) = (Vec::new(), Vec::new());
        self.clients.push(Client { stream, part, lines, has_spoken: false, is_closed: false });
        self.clients.len() - 1
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        let client = &mut self.clients[client];
        client.has_spoken = true;
        if client.stream.write_all(bytes).is_err() {
            client.is_closed = true;
        }
    }

    fn close(&mut self, client: usize) {
        let client = &mut self.clients[client];
        let _ = client.stream.shutdown(Shutdown::Both);
        client.is_closed = true;
        // When the server sees that is up to it.
        self.is_patient = true;
    }

    fn settle(&mut self) {
        self.pings += 1;
        let token = format!("settle-{}", self.pings);
        // What was said must have been worked off before others are asked what they have heard.
        for client in self.clients.iter_mut().filter(|client| client.has_spoken) {
            client.settle(&token);
            client.has_spoken = false;
        }
        for client in &mut self.clients {
            client.settle(&format!("{token}b"));
        }
    }

    fn take(&mut self, client: usize) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.clients[client].lines)
    }

    fn wait_for_more(&mut self, client: usize) -> bool {
        self.is_patient && self.clients[client].read(DEADLINE)
    }

    fn is_closed(&mut self, client: usize) -> bool {
        let client = &mut self.clients[client];
        while !client.is_closed && client.read(DEADLINE) {}
        client.is_closed
    }

    fn log(&mut self, level: &str, text: &str) {
        let line = format!("{} {text}\n", level.to_uppercase());
        // Closed once it is taken in: what is asked next knows of it.
        self.server.send(line);
    }

    fn wait(&mut self, _seconds: u64) {
        panic!("time passes by itself here");
    }
}
