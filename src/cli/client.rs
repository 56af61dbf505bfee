//! What the client subcommands share: where the server is, how to reach it, what a failure says.

use crate::cli::names;
use crate::cli::normalise::UsageError;
use crate::config::socket_path;
use core::fmt;
use core::time::Duration;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect as connect_to, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// How long a connection may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The listener that a subcommand talks to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Log lines.
    Log,
    /// Questions.
    Query,
}

impl Role {
    /// The listener's port where nobody says otherwise.
    const fn port(self) -> u16 {
        match self {
            Role::Log => 9999,
            Role::Query => 9998,
        }
    }

    /// The variable that holds the listener's port, in the server's environment and so in that of
    /// a health check in the same container.
    const fn port_variable(self) -> &'static str {
        match self {
            Role::Log => "LOGCASTER_LOG_PORT",
            Role::Query => "LOGCASTER_QUERY_PORT",
        }
    }
}

/// Why a client subcommand failed, for one line on standard error.
#[derive(Debug)]
pub enum Failure {
    /// The connection was not made.
    Connect(String, io::Error),
    /// The connection broke while this was done.
    Broken(String, &'static str, io::Error),
    /// The server ended the connection too early, or said nothing.
    Ended(String, String),
    /// The server said this instead of an answer.
    Refused(String),
    /// A file could not be read.
    Read(String, io::Error),
    /// A file could not be opened.
    Open(String, io::Error),
    /// A file is no segment that can be read.
    Segment(String, String),
    /// What was tried on which file, and why it failed.
    File(io::Error),
    /// Only a server can answer this question.
    NotOffline(String),
    /// Standard output did not take it.
    Write(io::Error),
    /// The machine refused something else.
    System(&'static str, io::Error),
    /// Standard output was closed by whoever reads it: no failure, but the end.
    OutputClosed,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connect(addr, error) => write!(f, "connect to {addr}: {error}"),
            Failure::Broken(addr, action, error) => write!(f, "{action} {addr}: {error}"),
            Failure::Ended(addr, why) => write!(f, "{addr}: {why}"),
            Failure::Refused(reason) => f.write_str(reason),
            Failure::Read(path, error) => write!(f, "read {path}: {error}"),
            Failure::Open(path, error) => write!(f, "open {path}: {error}"),
            Failure::Segment(path, reason) => write!(f, "open {path}: {reason}"),
            Failure::File(error) => error.fmt(f),
            Failure::NotOffline(word) => {
                write!(f, "{word} asks a server, not a file (allowed with --dir: COUNT RECENT ")?;
                f.write_str(
                    "SEARCH REGEX FILTER QUERY LABELS VALUES HELP, STATS level|stream|transport)",
                )
            }
            Failure::Write(error) => write!(f, "write to standard output: {error}"),
            Failure::System(action, error) => write!(f, "{action}: {error}"),
            Failure::OutputClosed => f.write_str("standard output was closed"),
        }
    }
}

impl core::error::Error for Failure {}

impl Failure {
    /// The failure of a write to standard output.
    pub fn write(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Write(error),
        }
    }
}

/// Where the server is: `--addr`, else the environment, else this machine.
///
/// # Errors
/// Where `--addr` or the variable is no `HOST:PORT`.
pub fn address(flag: Option<&str>, role: Role) -> Result<String, UsageError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    address_from(flag, role, variable)
}

/// [`address`] with another environment.
fn address_from(
    flag: Option<&str>,
    role: Role,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, UsageError> {
    // A port meant for another service may hold what Kubernetes injects; then it is passed over.
    let port = variable(role.port_variable()).and_then(|port| port.parse().ok());
    let port = port.filter(|port| *port != 0).unwrap_or(role.port());
    let refuse = |name, value: &str| UsageError::Value {
        name,
        value: value.to_owned(),
        expected: format!("HOST:PORT, as 127.0.0.1:{port} or [::1]:{port}, or unix:PATH"),
    };
    if let Some(text) = flag {
        return with_port(text, port).ok_or_else(|| refuse("--addr", text));
    }
    if let Some(text) = variable("LOGCASTER_LOG_ADDR").filter(|_| role == Role::Log) {
        return with_port(&text, port).ok_or_else(|| refuse("LOGCASTER_LOG_ADDR", &text));
    }
    let Some(text) = variable("LOGCASTER_ADDR") else { return Ok(format!("127.0.0.1:{port}")) };
    let addr = with_port(&text, port).ok_or_else(|| refuse("LOGCASTER_ADDR", &text))?;
    match (role, addr.rsplit_once(':')) {
        // Its socket is that of questions.
        (Role::Log, _) if addr.starts_with(UNIX) => Ok(format!("127.0.0.1:{port}")),
        // Its port is that of questions.
        (Role::Log, Some((host, _))) => Ok(format!("{host}:{port}")),
        _ => Ok(addr),
    }
}

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// Reads `HOST:PORT`, `HOST`, `:PORT`, `[::1]:PORT`, `[::1]` or `::1`, and fills in what is
/// missing; or `unix:PATH`, where `stream:` before the path says what is so anyway.
fn with_port(text: &str, default: u16) -> Option<String> {
    let text = text.trim();
    if let Some(path) = text.strip_prefix(UNIX) {
        let path = path.strip_prefix("stream:").unwrap_or(path);
        return socket_path(path).ok().map(|_| format!("{UNIX}{path}"));
    }
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
    if text.is_empty() || text.contains([' ', '/']) {
        return None;
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some(format!("[{text}]:{default}"));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match port.strip_prefix(':') {
            None if port.is_empty() => Some(format!("[{host}]:{default}")),
            Some(port) if is_port(port) => Some(format!("[{host}]:{port}")),
            _ => None,
        };
    }
    match text.split_once(':') {
        None => Some(format!("{text}:{default}")),
        Some((host, port)) if is_port(port) => {
            let host = if host.is_empty() { "127.0.0.1" } else { host };
            Some(format!("{host}:{port}"))
        }
        Some(_) => None,
    }
}

/// A connection to a server.
#[derive(Debug)]
pub enum Stream {
    /// Over the network, or to this machine.
    Tcp(TcpStream),
    /// To a process of this machine.
    Unix(UnixStream),
}

impl Stream {
    /// Says that we send nothing more.
    ///
    /// # Errors
    /// The system's own: the peer is gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Bounds how long a read or a write may take.
    ///
    /// # Errors
    /// The system's own.
    pub fn set_timeouts(&self, limit: Duration) -> io::Result<()> {
        let limit = Some(limit);
        match self {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(limit).and_then(|()| stream.set_write_timeout(limit))
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(limit).and_then(|()| stream.set_write_timeout(limit))
            }
        }
    }

    /// Whether reads and writes return at once.
    ///
    /// # Errors
    /// The system's own.
    pub fn set_nonblocking(&self, is_on: bool) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_nonblocking(is_on),
            Stream::Unix(stream) => stream.set_nonblocking(is_on),
        }
    }

    /// Whether the peer's kernel may still not have acknowledged our end. On one machine there is
    /// nothing on its way: what was not read when the peer closed is told by a reset.
    pub fn is_end_on_its_way(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().is_ok(),
            Stream::Unix(_) => false,
        }
    }

    /// What went wrong without anybody having been told yet.
    ///
    /// # Errors
    /// The system's own.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Stream::Tcp(stream) => stream.take_error(),
            Stream::Unix(stream) => stream.take_error(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(room),
            Stream::Unix(stream) => stream.read(room),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

/// Connects to `addr`, trying each address that its name has.
///
/// # Errors
/// [`Failure::Connect`] with the last address's reason.
pub fn connect(addr: &str, timeout: Duration) -> Result<Stream, Failure> {
    let fail = |error| Failure::Connect(addr.to_owned(), error);
    if let Some(path) = addr.strip_prefix(UNIX) {
        return connect_unix(path, timeout).map(Stream::Unix).map_err(fail);
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for place in names::look_up(addr).map_err(fail)? {
        match TcpStream::connect_timeout(&place, timeout) {
            Ok(stream) => {
                // A question is one short write; waiting for more to send would only delay it.
                stream.set_nodelay(true).map_err(fail)?;
                return Ok(Stream::Tcp(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(fail(last))
}

/// Connects to the Unix socket at `path`. Where too many wait already, so do we.
fn connect_unix(path: &str, timeout: Duration) -> io::Result<UnixStream> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let millis = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::milliseconds(millis))?;
    match connect_to(fd.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) => {}
        Err(nix::Error::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
        Err(nix::Error::EPROTOTYPE) => {
            return Err(io::Error::other("a socket for datagrams; this needs one for connections"));
        }
        Err(error) => return Err(error.into()),
    }
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::milliseconds(0))?;
    Ok(fd.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_filled_in() {
        let cases = [
            ("loghost:99", Some("loghost:99")),
            ("loghost", Some("loghost:9998")),
            (":99", Some("127.0.0.1:99")),
            ("10.0.0.1", Some("10.0.0.1:9998")),
            ("::1", Some("[::1]:9998")),
            ("[::1]", Some("[::1]:9998")),
            ("[::1]:99", Some("[::1]:99")),
            ("", None),
            ("loghost:", None),
            ("loghost:0", None),
            ("loghost:99999", None),
            ("http://loghost:99", None),
            ("[::1]99", None),
            ("[loghost]:99", None),
            ("a b", None),
            ("unix:/run/q.sock", Some("unix:/run/q.sock")),
            ("unix:stream:logs/s", Some("unix:logs/s")),
            ("unix:", None),
        ];
        for (text, expected) in cases {
            assert_eq!(with_port(text, 9998).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn flag_over_environment_over_this_machine() {
        let check = |flag, role, env: &[(&str, &str)], expected: &str| {
            let variable = |name: &str| {
                env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let found = address_from(flag, role, variable).map_err(|error| error.to_string());
            assert_eq!(found.unwrap_or_else(|error| error), expected);
        };
        let both = [("LOGCASTER_ADDR", "a:1"), ("LOGCASTER_LOG_ADDR", "b:2")];
        check(None, Role::Query, &[], "127.0.0.1:9998");
        check(None, Role::Log, &[], "127.0.0.1:9999");
        check(Some("x:1"), Role::Query, &both, "x:1");
        check(None, Role::Query, &both, "a:1");
        check(None, Role::Log, &both, "b:2");
        check(None, Role::Log, &both[..1], "a:9999");
        check(None, Role::Query, &[("LOGCASTER_QUERY_PORT", "5")], "127.0.0.1:5");
        check(None, Role::Log, &[("LOGCASTER_LOG_PORT", "tcp://10.0.0.1:1")], "127.0.0.1:9999");
        let socket = [("LOGCASTER_ADDR", "unix:/run/q")];
        check(None, Role::Query, &socket, "unix:/run/q");
        check(None, Role::Log, &socket, "127.0.0.1:9999");
        let expected = "--addr \"x:y\": expected HOST:PORT, as 127.0.0.1:9998 or [::1]:9998, \
                        or unix:PATH";
        check(Some("x:y"), Role::Query, &[], expected);
    }
}
