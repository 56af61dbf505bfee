//! The server under test: a child process of our own binary, and questions to it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::{BenchError, Doing, Result};
use super::machine::{self, SERVER_CORE};
use crate::clock::{Clock, Mono};

/// How long a server may take until it listens, and a question until it is answered. A scan of a
/// large ring under load is the slowest of what is asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a server may take to end after SIGTERM; its default shutdown limit is 5 s.
const STOP_NS_MAX: u64 = 15_000_000_000;

/// Lines of the server's own log that are kept, for when it fails.
const LOG_LINES_KEPT: usize = 20;

/// A running server. It is killed when dropped.
pub struct Server {
    child: Child,
    clock: Clock,
    /// Where log lines go.
    pub logs: SocketAddr,
    /// Where questions go.
    pub questions: SocketAddr,
    /// Where syslog goes, datagrams and connections alike; port 0 where no flag asks for it.
    pub syslog: SocketAddr,
    /// Where HTTP is spoken; port 0 where it is not.
    pub http: SocketAddr,
    /// Where IRC is spoken; port 0 where it is not.
    pub irc: SocketAddr,
    /// From just before the process was made until the last listener was announced.
    pub listening_ns: u64,
    /// When the process was about to be made.
    pub began: Mono,
    log: Arc<Mutex<VecDeque<String>>>,
}

/// How to start servers.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The binary to measure.
    pub binary: PathBuf,
    /// The clock that all times are read from.
    pub clock: Clock,
}

impl Launcher {
    /// Starts `serve` with `flags` on free ports of the loopback, pinned to the server's core.
    ///
    /// # Errors
    /// Where it cannot be started, or ends or stays silent before both listeners are announced.
    pub fn start(&self, flags: &[OsString]) -> Result<Server> {
        self.launch(flags, 0, None)
    }

    /// The same, with HTTP.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_http(&self, flags: &[OsString]) -> Result<Server> {
        self.launch(flags, free_port()?, None)
    }

    /// As [`Self::start`], with IRC.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_irc(&self, flags: &[OsString]) -> Result<Server> {
        self.launch(flags, 0, Some(free_port()?))
    }

    fn launch(&self, flags: &[OsString], http_port: u16, irc_port: Option<u16>) -> Result<Server> {
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--bind", "127.0.0.1", "--log-port", "0", "--query-port", "0"]);
        command.args(["--http-port", &http_port.to_string(), "--log-level", "info"]);
        if let Some(port) = irc_port {
            command.args(["--irc-port", &port.to_string()]);
        }
        if machine::cores() > SERVER_CORE + 1 {
            command.args(["--cpu", &SERVER_CORE.to_string()]);
        }
        command.args(flags).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A child inherits the affinity of the thread that makes it.
        machine::unpin();
        let began = self.clock.mono();
        let mut child = command.spawn().doing("start the server")?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, receiver) = channel();
        if let Some(stderr) = child.stderr.take() {
            let (clock, log) = (self.clock, Arc::clone(&log));
            thread::spawn(move || read_log(stderr, clock, &sender, &log));
        }
        let none = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server {
            child,
            clock: self.clock,
            logs: none,
            questions: none,
            syslog: none,
            http: none,
            irc: none,
            listening_ns: 0,
            began,
            log,
        };
        let has_syslog = flags.iter().any(|flag| flag == "--syslog");
        server.await_listeners(&receiver, has_syslog, http_port != 0, irc_port.is_some())?;
        Ok(server)
    }
}

impl Server {
    /// Waits until every port is known.
    fn await_listeners(
        &mut self,
        announced: &Receiver<Announced>,
        has_syslog: bool,
        has_http: bool,
        has_irc: bool,
    ) -> Result<()> {
        while self.logs.port() == 0
            || self.questions.port() == 0
            || (has_syslog && self.syslog.port() == 0)
            || (has_http && self.http.port() == 0)
            || (has_irc && self.irc.port() == 0)
        {
            let Ok(listener) = announced.recv_timeout(PATIENCE) else {
                let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
                let said: Vec<&str> = log.iter().map(String::as_str).collect();
                return Err(BenchError::Server(format!("did not listen; said {said:?}")));
            };
            match listener.role.as_str() {
                "logs" => self.logs = listener.address,
                "questions" => self.questions = listener.address,
                "syslog" => self.syslog = listener.address,
                "http" => self.http = listener.address,
                "irc" => self.irc = listener.address,
                _ => continue,
            }
            self.listening_ns = listener.at.saturating_sub(self.began);
        }
        Ok(())
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection for questions that stays open.
    ///
    /// # Errors
    /// Where it cannot be made or does not answer.
    pub fn ask(&self) -> Result<Asker> {
        Asker::connect(self.questions)
    }

    /// Ends the server as a service manager would and waits for it.
    ///
    /// # Errors
    /// Where it does not end in time or ends with an error.
    pub fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.pid()).unwrap_or(i32::MAX);
        kill(Pid::from_raw(pid), Signal::SIGTERM).doing("end the server")?;
        let began = self.clock.mono();
        loop {
            if let Some(status) = self.child.try_wait().doing("wait for the server")? {
                if status.success() {
                    return Ok(());
                }
                return Err(BenchError::Server(format!("ended with {status}")));
            }
            if self.clock.mono() - began > STOP_NS_MAX {
                return Err(BenchError::Server("did not end on SIGTERM".to_owned()));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has. The flags take no "any free port"; one that is free now is still free in
/// a moment.
fn free_port() -> Result<u16> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("find a free port")?;
    Ok(free.local_addr().doing("find a free port")?.port())
}

/// A listener as the server's log announces it.
struct Announced {
    role: String,
    address: SocketAddr,
    at: Mono,
}

/// Reads the server's log to its end, so that it never waits for us.
fn read_log(
    stderr: ChildStderr,
    clock: Clock,
    listeners: &Sender<Announced>,
    log: &Mutex<VecDeque<String>>,
) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        if let Some((role, address)) = announced(&line) {
            let _ = listeners.send(Announced { role, address, at: clock.mono() });
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == LOG_LINES_KEPT {
            log.pop_front();
        }
        log.push_back(line);
    }
}

/// The role and address in `… listening role=logs addr=127.0.0.1:43211`.
fn announced(line: &str) -> Option<(String, SocketAddr)> {
    line.split_whitespace().find(|word| *word == "listening")?;
    let value = |key: &str| {
        line.split_whitespace().find_map(|word| {
            let (name, value) = word.split_once('=')?;
            (name == key).then(|| value.trim_matches('"'))
        })
    };
    Some((value("role")?.to_owned(), value("addr")?.parse().ok()?))
}

/// A connection for questions, kept open by `SESSION`.
pub struct Asker {
    reader: BufReader<TcpStream>,
}

impl Asker {
    /// Connects and opens a session.
    ///
    /// # Errors
    /// Where the address does not answer.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).doing("connect for questions")?;
        stream.set_nodelay(true).doing("set TCP_NODELAY")?;
        stream.set_read_timeout(Some(PATIENCE)).doing("set a read timeout")?;
        let mut asker = Self { reader: BufReader::new(stream) };
        asker.send("SESSION\nPING")?;
        // Whatever SESSION itself is answered with comes before PONG.
        while asker.line("SESSION")? != "PONG" {}
        Ok(asker)
    }

    /// Asks and returns the first line of the answer.
    ///
    /// # Errors
    /// Where the connection ends or the answer is an error.
    pub fn ask(&mut self, question: &str) -> Result<String> {
        self.send(question)?;
        let answer = self.line(question)?;
        if answer.starts_with("ERROR") {
            return Err(BenchError::Answer { question: question.to_owned(), answer });
        }
        Ok(answer)
    }

    /// Asks for lines; returns how many were found and reads past them.
    ///
    /// # Errors
    /// Where the answer is not of lines.
    pub fn found(&mut self, question: &str) -> Result<u64> {
        let answer = self.ask(question)?;
        let found = answer
            .strip_prefix("FOUND: ")
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .ok_or(BenchError::Answer { question: question.to_owned(), answer })?;
        for _ in 0..found {
            self.line(question)?;
        }
        Ok(found)
    }

    /// The server's counters.
    ///
    /// # Errors
    /// Where they are not answered.
    pub fn stats(&mut self) -> Result<Stats> {
        self.ask("STATS").map(Stats)
    }

    /// Waits until the server has taken `total` lines in all, as `STATS` tells it.
    ///
    /// # Errors
    /// Where that does not happen while the count goes on growing, or never grows.
    pub fn await_total(&mut self, clock: &Clock, total: u64) -> Result<()> {
        let mut grew = clock.mono();
        let mut seen = 0;
        loop {
            let now = self.stats()?.need("Total")?;
            if now >= total {
                return Ok(());
            }
            if now != seen {
                (seen, grew) = (now, clock.mono());
            } else if clock.mono() - grew > 10_000_000_000 {
                return Err(BenchError::Server(format!("counts {now} of {total} lines")));
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    /// The connection itself, for a loop that does not block; nothing may be waiting in it.
    pub fn into_stream(self) -> TcpStream {
        self.reader.into_inner()
    }

    fn send(&mut self, question: &str) -> Result<()> {
        self.reader.get_mut().write_all(format!("{question}\n").as_bytes()).doing("ask")
    }

    fn line(&mut self, question: &str) -> Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).doing("read an answer")?;
        if line.pop() != Some(b'\n') {
            let answer = "the end of the connection".to_owned();
            return Err(BenchError::Answer { question: question.to_owned(), answer });
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// The answer to `STATS`: `STATS: Key=Value, …`.
pub struct Stats(String);

impl Stats {
    /// A number by its key.
    pub fn number(&self, key: &str) -> Option<u64> {
        let rest = self.0.strip_prefix("STATS:").unwrap_or(&self.0);
        rest.split([',', ' ']).find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            if name == key { value.parse().ok() } else { None }
        })
    }

    /// A number that must be there.
    ///
    /// # Errors
    /// Where it is not.
    pub fn need(&self, key: &str) -> Result<u64> {
        self.number(key).ok_or_else(|| BenchError::Answer {
            question: format!("STATS ({key})"),
            answer: self.0.clone(),
        })
    }
}

/// The files that stand in a directory.
pub fn files_of(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok().map(|e| e.path())).filter(|p| p.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_from_the_log() {
        let (role, address) = announced("info listening role=logs addr=127.0.0.1:43211").unwrap();
        assert_eq!((role.as_str(), address.port()), ("logs", 43211));
        let dated = "2026-01-01T00:00:00Z info listening role=questions addr=\"[::1]:9\"";
        assert_eq!(announced(dated).unwrap().1.port(), 9);
        assert!(announced("info opened role=logs addr=127.0.0.1:1").is_none());
    }

    #[test]
    fn stats_are_pairs() {
        let stats = Stats("STATS: Total=10, Dropped=2, Current=8 TurnMaxUs=300".to_owned());
        assert_eq!(stats.number("Total"), Some(10));
        assert_eq!(stats.number("TurnMaxUs"), Some(300));
        assert_eq!(stats.number("Nothing"), None);
        assert!(stats.need("Nothing").is_err());
    }
}
