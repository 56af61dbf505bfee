//! What a service manager passes and is told: sockets that were opened before the server was, and
//! messages about how it is. The manager is the test.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use crate::peer::{Peer, connect};
use crate::support::{DEADLINE, Server, Setup, listeners, setup, start_in, temp_dir, wait_until};

impl Setup {
    /// Passes `one` and `other` as descriptors 3 and 4, as `LISTEN_FDS` says, under `names`.
    pub fn pass(mut self, one: impl Into<OwnedFd>, other: impl Into<OwnedFd>, names: &str) -> Self {
        self.passed = [Some(one.into()), Some(other.into())];
        self.env("LISTEN_FDS", "2")
            .env("LISTEN_FDNAMES", names)
            .before("exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=\"${LISTEN_PID:-$$}\"")
    }
}

fn listening() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

fn copy(socket: &TcpListener) -> OwnedFd {
    socket.try_clone().unwrap().into()
}

#[test]
fn passed_sockets_are_used_and_nothing_is_bound_in_their_place() {
    let (log, log_addr) = listening();
    let (query, query_addr) = listening();
    let server = setup(&[]).pass(log, query, "log:logcaster-query.socket").start();
    assert_eq!(listeners(&server.stderr(), "logs"), [log_addr]);
    assert_eq!(listeners(&server.stderr(), "questions"), [query_addr]);
    server.send_until("through a passed socket\n", 1);
    for number in [3, 4] {
        let info = fs::read_to_string(format!("/proc/{}/fdinfo/{number}", server.pid)).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:\t")).unwrap();
        let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
        let wanted = (OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits();
        assert_eq!(flags & wanted, wanted, "close-on-exec and non-blocking: {info}");
    }
    server.stop();
}

#[test]
fn a_socket_without_a_name_is_known_by_its_port() {
    let ((log, log_addr), (query, query_addr)) = (listening(), listening());
    let ports = [log_addr.port().to_string(), query_addr.port().to_string()];
    let args = ["-p", ports[0].as_str(), "-q", ports[1].as_str()];
    // `unknown` is what a manager calls one that it has no name for.
    let server = setup(&args).pass(query, log, "unknown:").start();
    assert_eq!((server.logs, server.questions), (log_addr, query_addr));
    server.send_until("known by its port\n", 1);
    server.stop();
}

#[test]
fn who_connects_between_two_servers_waits_and_loses_nothing() {
    let dir = temp_dir();
    let ((log, log_addr), (query, query_addr)) = (listening(), listening());
    let again =
        || setup(&[]).dir(dir.path(), 1).pass(copy(&log), copy(&query), "log:query").start();
    let server = again();
    server.send_until("before\n", 1);
    server.stop();
    // Nobody is there, and nobody is refused.
    let mut between = Peer::to(log_addr);
    between.write("between\n");
    let mut asking = Peer::to(query_addr);
    asking.write("SEARCH before\n");
    let server = again();
    assert!(between.finish().is_empty());
    server.wait_count(2);
    assert_eq!(server.messages("RECENT 2"), ["before", "between"]);
    assert!(String::from_utf8(asking.finish()).unwrap().contains("before"));
    server.stop();
}

#[test]
fn datagrams_and_unix_sockets_are_passed_too() {
    let dir = temp_dir();
    let path = dir.path().join("log");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp_addr = udp.local_addr().unwrap();
    let unix = UnixDatagram::bind(&path).unwrap();
    let words = format!("udp://127.0.0.1:{}", udp_addr.port());
    let unix_words = path.to_str().unwrap();
    let server =
        setup(&["--syslog", &words, "--unix", unix_words]).pass(udp, unix, "syslog:").start();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"<13>over udp", udp_addr).unwrap();
    UnixDatagram::unbound().unwrap().send_to(b"<13>over unix", &path).unwrap();
    server.wait_count(2);
    assert_eq!(server.stderr().matches("transport=udp").count(), 1, "{}", server.stderr());
    server.stop();
    assert!(path.exists(), "the file of a passed socket is the manager's");
}

#[test]
fn a_passed_unix_stream_is_asked_by_its_path() {
    let dir = temp_dir();
    let path = dir.path().join("query");
    let (log, _) = listening();
    let query = UnixListener::bind(&path).unwrap();
    let words = path.to_str().unwrap();
    let server = setup(&["--query-socket", words]).pass(query, log, ":log").start();
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    std::io::Write::write_all(&mut stream, b"COUNT\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert_eq!(answer, "COUNT: 0\n");
    server.stop();
    assert!(path.exists());
}

#[test]
fn a_passed_socket_named_irc_is_all_that_irc_needs() {
    let ((log, _), (irc, irc_addr)) = (listening(), listening());
    let server = setup(&[]).pass(log, irc, "log:logcaster-irc.socket").start();
    assert_eq!(listeners(&server.stderr(), "irc"), [irc_addr]);
    let mut client = Peer::to(irc_addr);
    client.write("NICK who\r\nUSER who 0 * :who\r\nQUIT\r\n");
    let said = String::from_utf8(client.finish()).unwrap();
    assert!(said.contains(" 001 who "), "{said}");
    server.stop();
}

#[test]
fn sockets_that_cannot_be_used_are_told_of() {
    let dir = temp_dir();
    let file = fs::File::create(dir.path().join("file")).unwrap();
    let (nameless, addr) = listening();
    let server = setup(&[]).pass(file, nameless, "log:").start();
    let said = server.stderr();
    assert!(said.contains("not_passed") && said.contains("passed descriptor 3"), "{said}");
    assert!(said.contains("not_bound") && said.contains(&addr.to_string()), "{said}");
    assert_ne!(server.logs, addr);
    server.send_until("it works all the same\n", 1);
    server.stop();

    let ((one, one_addr), (other, _)) = (listening(), listening());
    let server = setup(&[]).env("LISTEN_PID", "1").pass(one, other, "log:query").start();
    assert!(server.stderr().contains("for another process"), "{}", server.stderr());
    assert_ne!(server.logs, one_addr);
    server.stop();

    let ((one, _), (other, _)) = (listening(), listening());
    let server = setup(&[]).pass(one, other, "log:query").env("LISTEN_FDS", "9999").start();
    assert!(server.stderr().contains("expected 0 to 256"), "{}", server.stderr());
    server.stop();
}

/// The manager's end of the way of messages.
struct Manager {
    socket: UnixDatagram,
    seen: Vec<String>,
}

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, seen: Vec::new() }
    }

    /// The next message.
    #[track_caller]
    fn next(&mut self) -> String {
        let mut room = [0; 4096];
        let bytes = self.socket.recv(&mut room).expect("a message");
        let message = String::from_utf8(room[..bytes].to_vec()).unwrap();
        self.seen.push(message.clone());
        message
    }

    /// The next message that has `line` among its lines.
    #[track_caller]
    fn until(&mut self, line: &str) -> String {
        for _ in 0..1000 {
            let message = self.next();
            if message.lines().any(|one| one == line) {
                return message;
            }
        }
        panic!("{line} never comes: {:?}", self.seen)
    }
}

fn notified(path: &Path, args: &[&str], watchdog: Option<&str>) -> Server {
    let setup = setup(args).env("NOTIFY_SOCKET", path.to_str().unwrap());
    match watchdog {
        Some(micros) => setup.env("WATCHDOG_USEC", micros).start(),
        None => setup.start(),
    }
}

#[test]
fn the_manager_is_told_of_each_step_of_a_life() {
    let dir = temp_dir();
    let path = dir.path().join("notify");
    let mut manager = Manager::at(&path);
    let server = notified(&path, &[], None);
    assert_eq!(manager.next(), "READY=1\nSTATUS=OK: 0 records, 0 connections");
    server.send_until("one\n", 1);
    server.signal(Signal::SIGHUP);
    let reloading = manager.next();
    let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let told = micros.parse::<u64>().unwrap() as f64 / 1e6;
    assert!((uptime - told).abs() < 60.0, "{told} s, seen {uptime} s");
    assert!(manager.next().starts_with("READY=1\nSTATUS=OK: 1 records"), "{:?}", manager.seen);
    server.stop();
    assert_eq!(manager.next(), "STOPPING=1\nSTATUS=stopping");
}

#[test]
fn a_name_without_a_file_reaches_the_manager_too() {
    let name = format!("logcaster-it-{}", std::process::id());
    let addr = UnixAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&addr).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let server = setup(&[]).env("NOTIFY_SOCKET", &format!("@{name}")).start();
    let mut room = [0; 100];
    let bytes = socket.recv(&mut room).unwrap();
    assert!(room[..bytes].starts_with(b"READY=1\n"));
    server.stop();
    let server = setup(&[]).env("NOTIFY_SOCKET", "vsock:2:1").start();
    assert!(server.stderr().contains("expected a path"), "{}", server.stderr());
    server.stop();
}

#[test]
fn it_is_ready_when_the_segment_is_open_and_not_before() {
    let dir = temp_dir();
    let path = dir.path().join("notify");
    let first = start_in(dir.path(), 1, &[]);
    let mut manager = Manager::at(&path);
    let args = ["-P", "-d", dir.path().to_str().unwrap(), "-s", "1", "--lock-wait", "60s"];
    let second = notified(&path, &args, Some("60000000"));
    assert_eq!(manager.next(), "STATUS=another process holds the segment");
    first.stop();
    let ready = manager.until("READY=1");
    assert!(ready.contains("WATCHDOG=1\n"), "{ready}");
    second.stop();
}

#[test]
fn the_watchdog_is_fed_by_the_loop_and_only_while_it_turns() {
    let dir = temp_dir();
    let path = dir.path().join("notify");
    let mut manager = Manager::at(&path);
    let server = notified(&path, &[], Some("200000"));
    for _ in 0..5 {
        manager.until("WATCHDOG=1");
    }
    server.signal(Signal::SIGSTOP);
    // What was on its way when it stopped is taken away first.
    manager.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut room = [0; 4096];
    let quiet = wait_until("a loop that stands still says nothing", || {
        manager.socket.recv(&mut room).err()
    });
    assert_eq!(quiet.kind(), ErrorKind::WouldBlock);
    server.signal(Signal::SIGCONT);
    manager.socket.set_read_timeout(Some(DEADLINE)).unwrap();
    manager.until("WATCHDOG=1");
    server.stop();
    manager.until("STOPPING=1");
}

#[test]
fn a_watchdog_of_another_process_is_not_fed_and_idle_stays_idle() {
    let dir = temp_dir();
    let path = dir.path().join("notify");
    let mut manager = Manager::at(&path);
    let server = setup(&[])
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .env("WATCHDOG_USEC", "1000")
        .env("WATCHDOG_PID", "1")
        .start();
    assert!(manager.next().starts_with("READY=1\nSTATUS"));
    manager.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(manager.socket.recv(&mut [0; 100]).is_err(), "nothing more is said");
    server.stop();
}

#[test]
fn a_manager_that_takes_nothing_is_told_later() {
    let dir = temp_dir();
    let path = dir.path().join("notify");
    let mut manager = Manager::at(&path);
    let full = UnixDatagram::unbound().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.send_to(b"X", &path).is_ok() {}
    let server = notified(&path, &[], None);
    server.send_until("it goes on\n", 1);
    assert!(connect(server.questions).peer_addr().is_ok());
    manager.until("READY=1");
    server.stop();
    manager.until("STOPPING=1");
}
