//! Starting the real server and talking to it: ports from its own log, waits with a deadline.

mod random;

pub use random::Random;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program::without_environment;

/// How long anything may take before a test gives up. Generous: the build is not optimised and the
/// machine may be busy; what is a promise about time is tested by its own bound.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// An address that no server has.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What a server listens for, as its own log calls it.
const ROLES: [&str; 4] = ["logs", "questions", "http", "irc"];

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_logcaster");

/// What the server did so far, told by the threads that watch it.
#[derive(Default)]
struct Watched {
    stderr: String,
    stderr_ended: bool,
    exit: Option<ExitStatus>,
}

/// [`Watched`] and the bell that rings at each change of it.
#[derive(Default)]
struct Watch {
    state: Mutex<Watched>,
    changed: Condvar,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.state.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Watched)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `ready` gives something, at most `patience`.
    fn wait<T>(
        &self,
        patience: Duration,
        mut ready: impl FnMut(&Watched) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if let Some(value) = ready(&state) {
                return Some(value);
            }
            let left = end.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

/// How a server is to be started. [`Setup::start`] waits until it listens.
pub struct Setup {
    args: Vec<String>,
    envs: Vec<(String, String)>,
    /// Shell words that run before the server takes the shell's place, such as `ulimit -n 40`.
    before: Option<String>,
    stderr: Option<Stdio>,
    lost_stderr: bool,
    /// Descriptors 3 and 4, as a service manager passes them.
    pub passed: [Option<OwnedFd>; 2],
    /// Whether it is to speak HTTP, and IRC, and where.
    http: Option<u16>,
    irc: Option<u16>,
}

/// A server with `args`, in memory unless they say otherwise.
pub fn setup(args: &[&str]) -> Setup {
    Setup {
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        envs: Vec::new(),
        before: None,
        stderr: None,
        lost_stderr: false,
        passed: [None, None],
        http: None,
        irc: None,
    }
}

/// Starts a server with `args` and waits until it listens.
pub fn start(args: &[&str]) -> Server {
    setup(args).start()
}

/// A server that holds `lines`.
#[track_caller]
pub fn holding(lines: &[&str]) -> Server {
    let server = start(&[]);
    server.send_until(lines.join("\n"), lines.len() as u64);
    server
}

/// Starts a server that keeps its segment of `mib` MiB in `dir`.
pub fn start_in(dir: &Path, mib: u32, args: &[&str]) -> Server {
    setup(args).dir(dir, mib).start()
}

impl Setup {
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Keeps the segment, of `mib` MiB, in `dir`.
    pub fn dir(mut self, dir: &Path, mib: u32) -> Self {
        let dir = dir.to_str().unwrap();
        self.args.extend(["-P", "-d", dir, "-s"].map(str::to_owned));
        self.args.push(mib.to_string());
        self
    }

    /// Runs `words` in a shell first: a limit set there holds for the server.
    pub fn before(mut self, words: &str) -> Self {
        self.before = Some(words.to_owned());
        self
    }

    /// Speaks HTTP as well.
    pub fn http(mut self) -> Self {
        self.http = Some(0);
        self
    }

    /// Speaks IRC as well.
    pub fn irc(mut self) -> Self {
        self.irc = Some(0);
        self
    }

    /// Gives the server's own log somewhere else to go than to the test.
    pub fn stderr(mut self, to: Stdio) -> Self {
        self.stderr = Some(to);
        self
    }

    /// Closes the pipe that the server's own log goes to once the server listens.
    pub fn lost_stderr(mut self) -> Self {
        self.lost_stderr = true;
        self
    }

    fn command(&self) -> Command {
        let mut command = match &self.before {
            None => Command::new(BINARY),
            Some(words) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{words}; exec \"$0\" \"$@\""), BINARY]);
                shell
            }
        };
        without_environment(&mut command);
        let http = self.http.unwrap_or(0).to_string();
        command.args(["serve", "-p", "0", "-q", "0", "--http-port", &http]).args(&self.args);
        if let Some(port) = self.irc {
            command.args(["--irc-port", &port.to_string()]);
        }
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts it and does not wait.
    #[track_caller]
    fn spawn(&mut self) -> Server {
        for port in self.http.iter_mut().chain(&mut self.irc) {
            // Port 0 turns them off. This one was free a moment ago.
            let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            *port = probe.local_addr().unwrap().port();
        }
        let mut command = self.command();
        command.stderr(self.stderr.take().unwrap_or_else(Stdio::piped));
        // Over these two they reach this child and no other that is started meanwhile.
        if let [Some(one), Some(other)] = &self.passed {
            command.stdin(one.try_clone().unwrap()).stdout(other.try_clone().unwrap());
        }
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let watch = Arc::new(Watch::default());
        match child.stderr.take() {
            Some(pipe) => {
                let (watch, lost) = (watch.clone(), self.lost_stderr);
                std::thread::spawn(move || read_stderr(BufReader::new(pipe), &watch, lost));
            }
            None => watch.change(|seen| seen.stderr_ended = true),
        }
        let waiter = watch.clone();
        std::thread::spawn(move || wait_for_exit(child, &waiter));
        Server { pid, watch, logs: NOWHERE, questions: NOWHERE, http: NOWHERE, irc: NOWHERE }
    }

    /// Starts it and waits until it says where it listens.
    #[track_caller]
    pub fn start(mut self) -> Server {
        for _ in 0..20 {
            let mut server = self.spawn();
            let asked = [true, true, self.http.is_some(), self.irc.is_some()];
            let at = |seen: &Watched| {
                let nowhere = |is_asked: bool| (!is_asked).then_some(NOWHERE);
                let place = |at: usize| nowhere(asked[at]).or(listener(&seen.stderr, ROLES[at]));
                Some((place(0)?, place(1)?, place(2)?, place(3)?))
            };
            let places = server.watch.wait(DEADLINE, |seen| {
                let is_over = seen.exit.is_some() && seen.stderr_ended;
                if is_over { Some(None) } else { at(seen).map(Some) }
            });
            match places {
                Some(Some(places)) => {
                    (server.logs, server.questions, server.http, server.irc) = places;
                    return server;
                }
                // Another took a port in between.
                Some(None) if asked[2..].contains(&true) && server.stderr().contains("in use") => {}
                _ => panic!("the server does not listen; it says:\n{}", server.stderr()),
            }
        }
        panic!("no port stays free");
    }

    /// Starts one whose own log nobody reads, on the addresses that its arguments name.
    #[track_caller]
    pub fn start_at(mut self, logs: SocketAddr, questions: SocketAddr) -> Server {
        let mut server = self.spawn();
        (server.logs, server.questions) = (logs, questions);
        wait_until(format!("a server on {questions}"), || {
            assert!(server.is_running(), "the server ended");
            TcpStream::connect(questions).ok().map(drop)
        });
        server
    }

    /// Runs it to its end, which must come by itself: what a start that is refused does.
    #[track_caller]
    pub fn refused(self) -> Refusal {
        let mut command = self.command();
        let output = finish(command.stderr(Stdio::piped()));
        Refusal { code: output.0.code(), stderr: output.1 }
    }
}

/// Runs `command` to its end and gives back how it ended and what it wrote to stderr.
#[track_caller]
pub fn finish(command: &mut Command) -> (ExitStatus, String) {
    let mut child = command.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let watch = Arc::new(Watch::default());
    let pipe = child.stderr.take().unwrap();
    let (reader, waiter) = (watch.clone(), watch.clone());
    std::thread::spawn(move || read_stderr(BufReader::new(pipe), &reader, false));
    std::thread::spawn(move || wait_for_exit(child, &waiter));
    let ended = watch.wait(DEADLINE, |seen| {
        if seen.stderr_ended { seen.exit.map(|exit| (exit, seen.stderr.clone())) } else { None }
    });
    ended.unwrap_or_else(|| {
        kill(pid, Signal::SIGKILL).unwrap();
        panic!("still running after {DEADLINE:?}: {command:?}\n{}", watch.lock().stderr)
    })
}

fn read_stderr(mut pipe: impl BufRead, watch: &Watch, until_listening: bool) {
    let mut line = Vec::new();
    while pipe.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(&line).into_owned();
        watch.change(|seen| seen.stderr.push_str(&text));
        line.clear();
        let listens = |role| listener(&watch.lock().stderr, role).is_some();
        if until_listening && listens("logs") && listens("questions") {
            break;
        }
    }
    watch.change(|seen| seen.stderr_ended = true);
}

fn wait_for_exit(mut child: Child, watch: &Watch) {
    let exit = child.wait().unwrap();
    watch.change(|seen| seen.exit = Some(exit));
}

/// The address that the own log names for `role`: the first one that is IPv4.
pub fn listener(stderr: &str, role: &str) -> Option<SocketAddr> {
    listeners(stderr, role).into_iter().find(SocketAddr::is_ipv4)
}

/// All addresses that the own log names for `role`, in either of its formats.
pub fn listeners(stderr: &str, role: &str) -> Vec<SocketAddr> {
    listeners_by(stderr, role, None)
}

/// As [`listeners`], where `transport` says how they are reached.
fn listeners_by(stderr: &str, role: &str, transport: Option<&str>) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for line in stderr.split_inclusive('\n') {
        let plain = line.replace(['"', '{', '}', ','], " ").replace(" : ", ":").replace("=", ":");
        let mut words = plain.split_whitespace();
        if line.ends_with('\n')
            && line.contains("listening")
            && words.clone().any(|word| word.strip_prefix("role:") == Some(role))
            && transport.is_none_or(|transport| {
                words.clone().any(|word| word.strip_prefix("transport:") == Some(transport))
            })
        {
            let addr =
                words.find_map(|word| word.strip_prefix("addr:")?.parse::<SocketAddr>().ok());
            found.extend(addr);
        }
    }
    found
}

/// A start that was refused.
#[derive(Debug)]
pub struct Refusal {
    pub code: Option<i32>,
    pub stderr: String,
}

impl Refusal {
    /// Exit 1 after one line that holds all of `words`.
    #[track_caller]
    pub fn is_one_line_with(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "exit code; stderr: {}", self.stderr);
        // The server listens before it has seen its segment, and says so in its own log.
        let is_why = |line: &&str| !line.starts_with("info ");
        let lines: Vec<&str> = self.stderr.lines().filter(is_why).collect();
        assert_eq!(lines.len(), 1, "one line: {:?}", self.stderr);
        assert!(lines[0].starts_with("logcaster: "), "{:?}", self.stderr);
        for word in words {
            assert!(lines[0].contains(word), "{word:?} is not in {:?}", lines[0]);
        }
    }
}

/// A running server; killed when dropped.
pub struct Server {
    pub pid: Pid,
    watch: Arc<Watch>,
    pub logs: SocketAddr,
    pub questions: SocketAddr,
    /// Where it speaks HTTP, if it was started so.
    pub http: SocketAddr,
    pub irc: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let running = self.is_running();
        if running && kill(self.pid, Signal::SIGKILL).is_ok() {
            // What it held, a lock or a port, is free when this returns.
            self.exit_within(DEADLINE);
        }
    }
}

impl Server {
    /// Its own log so far.
    pub fn stderr(&self) -> String {
        self.watch.lock().stderr.clone()
    }

    /// Waits until its own log says `words`.
    #[track_caller]
    pub fn wait_stderr(&self, words: &str) {
        let said = self.watch.wait(DEADLINE, |seen| seen.stderr.contains(words).then_some(()));
        assert!(said.is_some(), "the own log never says {words:?}:\n{}", self.stderr());
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    /// Waits for its end, at most `patience`; `None` while it runs.
    pub fn exit_within(&self, patience: Duration) -> Option<ExitStatus> {
        self.watch.wait(patience, |seen| seen.exit)
    }

    pub fn is_running(&self) -> bool {
        self.watch.lock().exit.is_none()
    }

    /// Kills it as `kill -9` does and waits until it is gone.
    #[track_caller]
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
        let exit = self.exit_within(DEADLINE).expect("SIGKILL ends a process");
        assert_eq!(exit.signal(), Some(9), "died by itself: {exit}\n{}", self.stderr());
    }

    /// Asks it to stop, which must end with 0.
    #[track_caller]
    pub fn stop(self) {
        self.signal(Signal::SIGTERM);
        let exit = self.exit_within(DEADLINE).expect("SIGTERM ends the server");
        assert_eq!(exit.code(), Some(0), "{exit}\n{}", self.stderr());
    }

    /// Where it takes syslog by `transport`, `udp` or `tcp`: the first address of `--syslog`.
    #[track_caller]
    pub fn syslog(&self, transport: &str) -> SocketAddr {
        let found = listeners_by(&self.stderr(), "syslog", Some(transport));
        *found.first().unwrap_or_else(|| panic!("no syslog over {transport}:\n{}", self.stderr()))
    }

    /// Sends `bytes` to the log port as `nc -N` does. What the server took is in the ring when
    /// this returns: the server closes its side only after the last byte. Gives back its words.
    #[track_caller]
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let mut peer = self.log_peer();
        peer.write(bytes);
        peer.finish()
    }

    /// Sends `bytes` and waits until `count` records are visible.
    #[track_caller]
    pub fn send_until(&self, bytes: impl AsRef<[u8]>, count: u64) {
        self.send(bytes);
        self.wait_count(count);
    }

    /// Asks one question as `echo QUESTION | nc -N` does and reads the whole answer.
    #[track_caller]
    pub fn ask(&self, question: &str) -> String {
        String::from_utf8(self.ask_bytes(question)).expect("the answer is UTF-8")
    }

    /// As [`Server::ask`], for answers that are bytes.
    #[track_caller]
    pub fn ask_bytes(&self, question: &str) -> Vec<u8> {
        let mut peer = self.question_peer();
        peer.write(format!("{question}\n"));
        peer.finish()
    }

    /// The lines of an answer that begins with FOUND, which must tell their number.
    #[track_caller]
    pub fn found(&self, question: &str) -> Vec<String> {
        let answer = self.ask(question);
        let mut lines = answer.lines();
        let first = lines.next().unwrap_or_default();
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        assert_eq!(first, format!("FOUND: {} matches", lines.len()), "to {question:?}: {answer}");
        lines
    }

    /// The messages of an answer: its lines less the time in front, which must be there.
    #[track_caller]
    pub fn messages(&self, question: &str) -> Vec<String> {
        let lines = self.found(question);
        lines.iter().map(|line| message(line).to_owned()).collect()
    }

    /// Every visible record as it came, each with a newline behind it.
    #[track_caller]
    pub fn raw(&self) -> Vec<u8> {
        let answer = self.ask_bytes("QUERY format=raw");
        let end = answer.iter().position(|&byte| byte == b'\n').expect("a first line");
        assert!(answer.starts_with(b"FOUND: "), "{:?}", String::from_utf8_lossy(&answer[..end]));
        answer[end + 1..].to_vec()
    }

    /// How many records are visible.
    #[track_caller]
    pub fn count(&self) -> u64 {
        let answer = self.ask("COUNT");
        let number = answer.strip_prefix("COUNT: ").and_then(|rest| rest.strip_suffix('\n'));
        number.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("COUNT: {answer:?}"))
    }

    /// Waits until `count` records are visible; more than that fails at once.
    #[track_caller]
    pub fn wait_count(&self, count: u64) {
        wait_until(format!("{count} records"), || {
            let now = self.count();
            assert!(now <= count, "{now} records are visible, expected {count}");
            (now == count).then_some(())
        });
    }

    /// The pairs of a STATS line.
    #[track_caller]
    pub fn stats(&self) -> BTreeMap<String, String> {
        let answer = self.ask("STATS");
        let pairs = answer.strip_prefix("STATS: ").and_then(|rest| rest.strip_suffix('\n'));
        let pairs = pairs.unwrap_or_else(|| panic!("STATS: {answer:?}")).split(", ");
        let pair = |pair: &str| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        pairs.map(|text| pair(text).unwrap_or_else(|| panic!("no pair: {text:?}"))).collect()
    }

    /// One number of the STATS line.
    #[track_caller]
    pub fn stat(&self, key: &str) -> u64 {
        let stats = self.stats();
        let value = stats.get(key).unwrap_or_else(|| panic!("STATS has no {key}: {stats:?}"));
        value.parse().unwrap_or_else(|_| panic!("STATS {key} is no number: {value:?}"))
    }

    /// The numbers of all visible records, oldest first.
    #[track_caller]
    pub fn seqs(&self) -> Vec<u64> {
        self.found("QUERY format=json").iter().map(|line| seq(line)).collect()
    }
}

/// The record's number in a JSON line.
#[track_caller]
pub fn seq(line: &str) -> u64 {
    let object = crate::json::object(line);
    object["seq"].parse().unwrap_or_else(|_| panic!("seq in {line}"))
}

/// What stands behind the time of a line in an answer. The time has the form it must have.
#[track_caller]
pub fn message(line: &str) -> &str {
    let shape = b"[dddd-dd-dd dd:dd:dd] ";
    let fits = line.len() >= shape.len()
        && line.bytes().zip(shape).all(|(seen, &want)| match want {
            b'd' => seen.is_ascii_digit(),
            _ => seen == want,
        });
    assert!(fits, "no time in front: {line:?}");
    &line[shape.len()..]
}

/// Tries until `ready` gives something. The tries are questions to a server, which take their time.
#[track_caller]
pub fn wait_until<T>(what: impl Display, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
        std::thread::yield_now();
    }
}

/// A directory of its own for one test; removed when dropped.
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("logcaster-it-").tempdir().unwrap()
}

/// Every file below `dir` with its bytes: what must be the same before and after a refusal.
pub fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.append(&mut contents(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

/// The one file in `dir` that is the segment: the largest.
pub fn segment_file(dir: &Path) -> PathBuf {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.max_by_key(|path| path.metadata().unwrap().len()).expect("a segment in the directory")
}
