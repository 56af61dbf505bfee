//! What a service manager and the server tell each other: sockets that were opened before the
//! server was started (`LISTEN_FDS`), and messages about how it is (`NOTIFY_SOCKET`), as
//! `sd_listen_fds(3)` and `sd_notify(3)` describe them. Without a manager nothing here does
//! anything.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::path::PathBuf;

use mio::net::{TcpListener, UnixListener};
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike as _, SockaddrStorage, getsockname, getsockopt, sockopt,
};

use super::listeners::{Acceptor, Bound, Inlet, Listener, Place, Role, Wish};
use super::unix::SocketFile;
use super::{Reactor, sys};
use crate::clock::{MS, Mono};
use crate::config::{Input, InputPlace, Protocols};
use crate::limits::{NOTIFY_RETRY_MS, PASSED_SOCKETS_MAX};
use crate::log::Severity;
use crate::proto::frame::Framing;

/// The first descriptor that is passed.
const FIRST_FD: RawFd = 3;

/// The variables that are ours alone: nobody whom we start is to believe that they are about them.
const VARIABLES: &[&str] = &[
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

/// The names of sockets and what is spoken there. A name may also be that of a socket unit, as
/// `logcaster-query.socket` for `query`.
const NAMES: &[(&str, Role)] = &[
    ("log", Role::Logs),
    ("logs", Role::Logs),
    ("syslog", Role::Syslog),
    ("query", Role::Questions),
    ("questions", Role::Questions),
    ("http", Role::Http),
    ("irc", Role::Irc),
];

/// A variable of the environment as text.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Whether a variable that holds a process id means this process.
fn is_us(id: Option<&str>) -> bool {
    id.and_then(|id| id.parse().ok()) == Some(std::process::id())
}

/// What the manager has left for this process.
#[derive(Debug, Default)]
pub(super) struct Manager {
    /// The sockets that it opened.
    pub passed: Passed,
    /// Where messages to it go.
    pub notify: Option<Notify>,
    /// What was left but cannot be used: lines for our own log.
    pub warnings: Vec<String>,
}

impl Manager {
    /// Reads the environment and takes the variables out of it. To be called before this process
    /// opens anything: the descriptors that were passed are known by their numbers only.
    pub fn take() -> Self {
        let mut manager = Self::default();
        manager.take_sockets();
        let notify = Notify::open(std::env::var_os("NOTIFY_SOCKET"), watchdog_ns());
        manager.notify = notify.unwrap_or_else(|reason| {
            manager.warnings.push(reason);
            None
        });
        sys::forget_environment(VARIABLES);
        manager
    }

    fn take_sockets(&mut self) {
        let Some(count) = variable("LISTEN_FDS") else { return };
        // Sockets of whoever started us through a shell or a wrapper are not ours to close.
        if !is_us(variable("LISTEN_PID").as_deref()) {
            self.warnings.push(String::from("LISTEN_FDS: for another process, by LISTEN_PID"));
            return;
        }
        let count = match count.parse::<u16>() {
            Ok(count) if count <= PASSED_SOCKETS_MAX => count,
            _ => {
                let reason = format!("LISTEN_FDS {count:?}: expected 0 to {PASSED_SOCKETS_MAX}");
                self.warnings.push(reason);
                return;
            }
        };
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        for number in (FIRST_FD..).take(usize::from(count)) {
            let name = names.next().unwrap_or_default();
            match sys::take_passed(number).and_then(|fd| Socket::examine(fd, name)) {
                Ok(socket) => self.passed.sockets.push(socket),
                Err(error) => {
                    self.warnings.push(format!("passed descriptor {number} {name:?}: {error}"));
                }
            }
        }
    }
}

/// A socket that somebody else has opened and bound.
#[derive(Debug)]
struct Socket {
    fd: OwnedFd,
    name: String,
    /// Whether connections are accepted from it; else datagrams come in.
    is_stream: bool,
    place: Place,
}

impl Socket {
    /// Sees what `fd` is.
    ///
    /// # Errors
    /// It is no socket, or none that something can come in at.
    fn examine(fd: OwnedFd, name: &str) -> io::Result<Self> {
        let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::Unsupported, what));
        let is_stream = match getsockopt(&fd, sockopt::SockType)? {
            SockType::Stream if getsockopt(&fd, sockopt::AcceptConn)? => true,
            SockType::Stream => return refuse("a stream that does not listen"),
            SockType::Datagram => false,
            _ => return refuse("neither a stream nor datagrams"),
        };
        let address: SockaddrStorage = getsockname(std::os::fd::AsRawFd::as_raw_fd(&fd))?;
        let place = match address.family() {
            Some(AddressFamily::Inet) => address.as_sockaddr_in().map(|v4| Place::Ip((*v4).into())),
            Some(AddressFamily::Inet6) => {
                address.as_sockaddr_in6().map(|v6| Place::Ip((*v6).into()))
            }
            Some(AddressFamily::Unix) => address.as_unix_addr().map(|unix| {
                let name = unix.as_abstract().map(|name| [b"@", name].concat());
                let path = unix.path().map(|path| path.as_os_str().as_bytes().to_vec());
                let path = OsString::from_vec(path.or(name).unwrap_or_default());
                Place::Unix(SocketFile::lent(PathBuf::from(path)))
            }),
            _ => None,
        };
        let Some(place) = place else { return refuse("neither internet nor Unix") };
        Ok(Self { fd, name: name.to_owned(), is_stream, place })
    }

    /// Whether this is what `wish` would open, whatever the address.
    fn is_wished(&self, wish: &Wish) -> bool {
        match (&wish.input.place, &self.place) {
            (InputPlace::Port { port, protocols, .. }, Place::Ip(address)) => {
                let other = if self.is_stream { Protocols::Udp } else { Protocols::Tcp };
                address.port() == *port && *protocols != other
            }
            (InputPlace::Unix { path, is_stream }, Place::Unix(file)) => {
                file.path() == path && *is_stream == self.is_stream
            }
            _ => false,
        }
    }

    /// What is spoken here: as its name says, else as the settings say of such a port or path.
    /// Datagrams can only be syslog.
    fn role(&self, wishes: &[Wish]) -> Option<Role> {
        let name = self.name.strip_suffix(".socket").unwrap_or(&self.name);
        let name = name.strip_prefix("logcaster-").unwrap_or(name);
        let named = NAMES.iter().find(|(known, _)| *known == name).map(|(_, role)| *role);
        let wished = || wishes.iter().find(|wish| self.is_wished(wish)).map(|wish| wish.role);
        match named.or_else(wished) {
            role if self.is_stream => role,
            Some(Role::Questions | Role::Http | Role::Irc) => None,
            _ => Some(Role::Syslog),
        }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_stream { "stream" } else { "datagrams" };
        write!(f, "passed socket {:?} ({kind}, {})", self.name, self.place)
    }
}

/// Sockets that were passed, each with what is spoken there.
#[derive(Debug, Default)]
pub(super) struct Passed {
    sockets: Vec<Socket>,
}

impl Passed {
    /// Finds out what each is for, and takes out of `wishes` what need not be opened any more:
    /// everything of the same role, and of syslog what has the same port or path.
    ///
    /// What cannot be used is told in [`Bound::skipped`].
    pub fn claim(self, wishes: &mut Vec<Wish>) -> Bound {
        let mut bound = Bound::default();
        let all = wishes.clone();
        for socket in self.sockets {
            let Some(role) = socket.role(&all) else {
                let reason =
                    "expected a name (log, syslog, query, http, irc) or a port of the settings";
                bound.skipped.push(format!("{socket}: {reason}"));
                continue;
            };
            *wishes = wishes.drain(..).filter_map(|wish| without(wish, &socket, role)).collect();
            let framing = framing(&socket, role, &all);
            let told = socket.to_string();
            if let Err(error) = bound.take(socket, role, framing) {
                bound.skipped.push(format!("{told}: {error}"));
            }
        }
        bound
    }
}

/// How records are told apart: as the settings say of this place, else of this role.
fn framing(socket: &Socket, role: Role, wishes: &[Wish]) -> Framing {
    let same = |wish: &&Wish| wish.role == role && socket.is_wished(wish);
    let found = wishes
        .iter()
        .find(same)
        .or_else(|| wishes.iter().find(|wish| wish.role == role && role == Role::Logs));
    found.map_or(Framing::Auto, |wish| wish.input.framing)
}

/// What is left of `wish` when `socket` is there, on which `role` is spoken.
fn without(mut wish: Wish, socket: &Socket, role: Role) -> Option<Wish> {
    if wish.role != role {
        return Some(wish);
    }
    let is_same_kind = match (&wish.input.place, &socket.place) {
        (InputPlace::Port { .. }, Place::Ip(_)) => role != Role::Syslog && socket.is_stream,
        _ => false,
    };
    if is_same_kind {
        return None;
    }
    if !socket.is_wished(&wish) {
        return Some(wish);
    }
    let Input { place: InputPlace::Port { protocols, .. }, .. } = &mut wish.input else {
        return None;
    };
    if *protocols != Protocols::Both {
        return None;
    }
    *protocols = if socket.is_stream { Protocols::Udp } else { Protocols::Tcp };
    Some(wish)
}

impl Bound {
    /// Takes over a socket.
    fn take(&mut self, socket: Socket, role: Role, framing: Framing) -> io::Result<()> {
        let Socket { fd, place, is_stream, .. } = socket;
        if !is_stream {
            let buffer_bytes = match place {
                Place::Ip(_) => sys::expect_datagrams(&fd)?,
                Place::Unix(_) => 0,
            };
            let socket = UnixDatagram::from(fd);
            socket.set_nonblocking(true)?;
            self.inlets.push(Inlet { socket: socket.into(), place, buffer_bytes });
            return Ok(());
        }
        let socket = match place {
            Place::Ip(_) => {
                let socket = std::net::TcpListener::from(fd);
                socket.set_nonblocking(true)?;
                Acceptor::Tcp(TcpListener::from_std(socket))
            }
            Place::Unix(_) => {
                let socket = std::os::unix::net::UnixListener::from(fd);
                socket.set_nonblocking(true)?;
                Acceptor::Unix(UnixListener::from_std(socket))
            }
        };
        self.listeners.push(Listener::new(socket, role, framing, place));
        Ok(())
    }
}

/// How long the manager waits for a sign of life, where it does, in nanoseconds.
fn watchdog_ns() -> Option<u64> {
    let is_ours = variable("WATCHDOG_PID").is_none_or(|id| is_us(Some(&id)));
    let micros: u64 = variable("WATCHDOG_USEC").filter(|_| is_ours)?.parse().ok()?;
    (micros > 0).then(|| micros.saturating_mul(1000))
}

/// Where a message about us goes, and what was told.
#[derive(Debug)]
pub(super) struct Notify {
    socket: UnixDatagram,
    to: UnixAddr,
    /// Twice as often as the manager wants a sign of life.
    every: Option<Mono>,
    /// When the next one is due.
    beat_at: Mono,
    /// It was told that we are ready.
    is_ready: bool,
    /// What it did not take.
    unsent: Vec<u8>,
    retry_at: Mono,
    /// What the last status line said.
    status: String,
}

impl Notify {
    /// Opens the way to `address`: a path, or a name behind `@`.
    fn open(address: Option<OsString>, watchdog_ns: Option<u64>) -> Result<Option<Self>, String> {
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Ok(None) };
        let refuse = |reason: &dyn fmt::Display| format!("NOTIFY_SOCKET {address:?}: {reason}");
        let to = match address.as_bytes() {
            [b'@', name @ ..] => UnixAddr::from_abstract_name(name),
            [b'/', ..] => UnixAddr::from_pathname(&address),
            _ => return Err(refuse(&"expected a path that begins with / or a name behind @")),
        };
        let to = to.map_err(|error| refuse(&error))?;
        let open = || {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let socket = open().map_err(|error: io::Error| refuse(&error))?;
        Ok(Some(Self {
            socket,
            to,
            every: watchdog_ns.map(|limit| (limit / 2).max(MS)),
            beat_at: 0,
            is_ready: false,
            unsent: Vec::new(),
            retry_at: 0,
            status: String::new(),
        }))
    }

    /// When it wants to be looked at though nothing comes.
    pub fn next_deadline(&self) -> Option<Mono> {
        let retry = (!self.unsent.is_empty()).then_some(self.retry_at);
        let beat = self.every.filter(|_| self.is_ready).map(|_| self.beat_at);
        [retry, beat].into_iter().flatten().min()
    }

    /// Sends `message`, lines of `NAME=value`, behind what waits.
    fn send(&mut self, message: &str, now: Mono) {
        if !self.unsent.is_empty() {
            self.unsent.push(b'\n');
        }
        self.unsent.extend_from_slice(message.as_bytes());
        self.offer(now);
    }

    /// Offers what waits. A manager that takes nothing now gets it a little later; one that is
    /// gone, never.
    fn offer(&mut self, now: Mono) {
        match self.socket.send_to_addr(&self.unsent, &self.to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.retry_at = now + NOTIFY_RETRY_MS * MS;
            }
            _ => self.unsent.clear(),
        }
    }

    /// Sends the line about how we are, where it says something new, behind `what`.
    fn tell(&mut self, what: &str, status: String, now: Mono) {
        let mut message = what.to_owned();
        if status != self.status {
            message = format!("{what}{}STATUS={status}", if what.is_empty() { "" } else { "\n" });
            self.status = status;
        }
        if !message.is_empty() {
            self.send(&message, now);
        }
    }
}

impl Reactor {
    /// Tells the manager what is to be told in this turn.
    pub(super) fn tell_manager(&mut self) {
        let now = self.now;
        let Some(notify) = &mut self.notify else { return };
        let is_opening = !notify.is_ready && !self.life.is_ending();
        if !notify.unsent.is_empty() && notify.retry_at <= now {
            notify.offer(now);
        }
        match self.storage.not_ready() {
            Some(reason) if is_opening => notify.tell("", reason.to_owned(), now),
            None if is_opening => {
                notify.is_ready = true;
                notify.beat_at = now;
                self.beat("READY=1");
            }
            _ if notify.is_ready && notify.every.is_some() && notify.beat_at <= now => {
                self.beat("");
            }
            _ => {}
        }
    }

    /// Sends `what` and, where the manager waits for one, a sign of life: it comes from the loop
    /// itself, so that one that is stuck gives none.
    fn beat(&mut self, what: &str) {
        let now = self.now;
        let status = if self.life.is_ending() { String::from("stopping") } else { self.summary() };
        let Some(notify) = &mut self.notify else { return };
        let mut message = what.to_owned();
        if let Some(every) = notify.every {
            message.push_str(if what.is_empty() { "WATCHDOG=1" } else { "\nWATCHDOG=1" });
            notify.beat_at = now.saturating_add(every);
        }
        notify.tell(&message, status, now);
    }

    /// How it is, in one line.
    fn summary(&mut self) -> String {
        let records = self.storage.segment().map_or(0, |segment| segment.records());
        let connections = self.connections.iter().count();
        let mut text = format!("{}: ", self.health().status().name());
        text.push_str(&format!("{records} records, {connections} connections"));
        text
    }

    /// Says that the config file is being read; [`Self::tell_reloaded`] says that it was.
    pub(super) fn tell_reloading(&mut self) {
        let micros = sys::since_boot() / 1000;
        if let Some(notify) = self.notify.as_mut().filter(|notify| notify.is_ready) {
            notify.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"), self.now);
        }
    }

    /// Says that the config file was read, or refused and everything stays.
    pub(super) fn tell_reloaded(&mut self) {
        if self.notify.as_ref().is_some_and(|notify| notify.is_ready) {
            self.beat("READY=1");
        }
    }

    /// Says that the end has begun, or `reason` for an end that was none in order.
    pub(super) fn tell_stopping(&mut self, reason: &str) {
        let now = self.now;
        if let Some(notify) = &mut self.notify {
            notify.tell("STOPPING=1", reason.to_owned(), now);
        }
    }

    /// Writes what of the manager's words could not be used into our log.
    pub(super) fn warn_of_manager(&mut self, warnings: &[String]) {
        for warning in warnings {
            self.log.event(self.wall, Severity::Warn, "not_passed", &[("reason", warning)]);
        }
    }
}
