//! Listening sockets: bound at start, accepted from a bounded number of times a turn.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};

use super::stream::{Peer, Stream};
use super::sys;
use super::unix::{self, MODE_EVERYBODY, MODE_GROUP, SocketFile};
use crate::clock::Mono;
use crate::config::{self, Input, InputPlace, Protocols, Settings};
use crate::proto::frame::Framing;

/// What is spoken on the connections of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Log lines, at the log port.
    Logs,
    /// Log lines, where `--syslog` and `--unix` say.
    Syslog,
    /// Commands and answers.
    Questions,
    /// HTTP.
    Http,
    /// IRC.
    Irc,
}

impl Role {
    /// Its name in our log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Syslog => "syslog",
            Self::Questions => "questions",
            Self::Http => "http",
            Self::Irc => "irc",
        }
    }

    /// The listener that `--allow` speaks of.
    pub fn listener(self) -> config::Listener {
        match self {
            Self::Logs | Self::Syslog => config::Listener::Log,
            Self::Questions => config::Listener::Query,
            Self::Http => config::Listener::Http,
            Self::Irc => config::Listener::Irc,
        }
    }
}

/// Something to be opened at the start.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is spoken there.
    pub role: Role,
    /// Where, and how records are told apart.
    pub input: Input,
}

impl Wish {
    /// Everything that the settings ask for; questions come last.
    pub fn all(settings: &Settings) -> Vec<Self> {
        let port = |role, port, framing| {
            let place = InputPlace::Port { address: None, port, protocols: Protocols::Tcp };
            Self { role, input: Input { place, framing } }
        };
        let mut wishes = vec![port(Role::Logs, settings.log_port, settings.framing)];
        let inputs = settings.syslog.iter().chain(&settings.unix).cloned();
        wishes.extend(inputs.map(|input| Self { role: Role::Syslog, input }));
        if settings.http_port != 0 {
            wishes.push(port(Role::Http, settings.http_port, Framing::Auto));
        }
        wishes.extend(settings.irc_port.map(|at| port(Role::Irc, at, Framing::Auto)));
        wishes.push(port(Role::Questions, settings.query_port, Framing::Auto));
        wishes.extend(settings.query_socket.clone().map(|path| {
            let place = InputPlace::Unix { path, is_stream: true };
            Self { role: Role::Questions, input: Input { place, framing: Framing::Auto } }
        }));
        wishes
    }
}

/// Where something listens, as others would say it.
#[derive(Debug)]
pub enum Place {
    /// An address and port.
    Ip(SocketAddr),
    /// A file, which goes with the listener.
    Unix(SocketFile),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(file) => file.fmt(f),
        }
    }
}

/// A socket that connections are accepted from.
#[derive(Debug)]
pub enum Acceptor {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

impl Acceptor {
    /// Accepts one connection.
    ///
    /// # Errors
    /// The system's own; `WouldBlock` where nobody waits.
    pub fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((Stream::Tcp(stream), Peer::Ip(peer)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                let (pid, uid) = sys::peer_of(&stream.as_fd());
                Ok((Stream::Unix(stream), Peer::Unix { pid, uid }))
            }
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener) => listener,
        }
    }
}

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    /// Where it listens. A socket's file goes before the socket does, while nobody else can take
    /// its name.
    pub place: Place,
    /// The socket, registered with the poll.
    pub socket: Acceptor,
    /// What its connections speak.
    pub role: Role,
    /// How records are told apart on its connections.
    pub framing: Framing,
    /// mio reports edges: connections may wait until an accept says `WouldBlock`.
    pub is_ready: bool,
    /// There was no descriptor; it tries again then, or when a connection closes.
    pub starved_until: Option<Mono>,
}

impl Listener {
    /// A listener that is not registered yet.
    pub fn new(socket: Acceptor, role: Role, framing: Framing, place: Place) -> Self {
        Self { socket, role, framing, place, is_ready: false, starved_until: None }
    }

    /// Registers the socket with the poll.
    ///
    /// # Errors
    /// The system's own.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.source().register(registry, token, Interest::READABLE)
    }

    /// Takes the socket out of the poll.
    pub fn deregister(&mut self, registry: &Registry) {
        let _closed_anyway = self.socket.source().deregister(registry);
    }
}

/// A socket that datagrams come in at.
#[derive(Debug)]
pub struct Inlet {
    /// Where it is.
    pub place: Place,
    /// The socket, which does not block.
    pub socket: OwnedFd,
    /// What the kernel keeps for us, in bytes by its own count; 0 where its senders wait instead.
    pub buffer_bytes: usize,
}

/// What one [`Wish`] became.
#[derive(Debug, Default)]
pub struct Bound {
    /// Sockets to accept from.
    pub listeners: Vec<Listener>,
    /// Sockets of datagrams.
    pub inlets: Vec<Inlet>,
    /// Addresses that were left out, each with its reason.
    pub skipped: Vec<String>,
}

/// Binds what is wished for. A port of 0 takes a free one, the same for every address and protocol
/// where that is possible. Of the addresses of `--bind`, those of a family that this machine does
/// not have are skipped, as long as one is left.
///
/// # Errors
/// `bind ADDRESS: reason`, where an address cannot be bound, or none could.
pub fn bind(wish: &Wish, addresses: &[IpAddr]) -> io::Result<Bound> {
    match &wish.input.place {
        InputPlace::Unix { path, is_stream } => bind_file(wish, path, *is_stream),
        InputPlace::Port { address: Some(address), port, protocols } => {
            bind_port(wish, &[*address], *port, *protocols)
        }
        InputPlace::Port { address: None, port, protocols } => {
            bind_port(wish, addresses, *port, *protocols)
        }
    }
}

fn bind_file(wish: &Wish, path: &Path, is_stream: bool) -> io::Result<Bound> {
    let fail = |error| bind_error(&format_args!("unix:{}", path.display()), &error);
    let mode = if wish.role == Role::Questions { MODE_GROUP } else { MODE_EVERYBODY };
    let mut bound = Bound::default();
    if is_stream {
        let (socket, file) = unix::listen_at(path, mode).map_err(fail)?;
        let socket = Acceptor::Unix(UnixListener::from_std(socket));
        let framing = wish.input.framing;
        bound.listeners.push(Listener::new(socket, wish.role, framing, Place::Unix(file)));
    } else {
        let (socket, file) = unix::datagrams_at(path, mode).map_err(fail)?;
        let place = Place::Unix(file);
        bound.inlets.push(Inlet { socket: socket.into(), place, buffer_bytes: 0 });
    }
    Ok(bound)
}

fn bind_port(
    wish: &Wish,
    addresses: &[IpAddr],
    port: u16,
    protocols: Protocols,
) -> io::Result<Bound> {
    let mut bound = Bound::default();
    let mut chosen = port;
    let is_wanted = [protocols != Protocols::Udp, protocols != Protocols::Tcp];
    for &address in addresses {
        for (is_udp, _) in [false, true].into_iter().zip(is_wanted).filter(|(_, wanted)| *wanted) {
            let wanted = SocketAddr::new(address, chosen);
            let opened = bound.open(wish, wanted, is_udp).or_else(|error| {
                let may_differ = port == 0 && chosen != 0;
                if may_differ && error.kind() == io::ErrorKind::AddrInUse {
                    return bound.open(wish, SocketAddr::new(address, 0), is_udp);
                }
                Err(error)
            });
            match opened {
                Ok(given) => chosen = given,
                Err(error) if is_missing_family(&error) && addresses.len() > 1 => {
                    bound.skipped.push(bind_error(&wanted, &error).to_string());
                }
                Err(error) => return Err(bind_error(&wanted, &error)),
            }
        }
    }
    match bound.skipped.first() {
        Some(reason) if bound.listeners.is_empty() && bound.inlets.is_empty() => {
            Err(io::Error::other(reason.clone()))
        }
        _ => Ok(bound),
    }
}

impl Bound {
    /// Opens one socket; returns its port.
    fn open(&mut self, wish: &Wish, wanted: SocketAddr, is_udp: bool) -> io::Result<u16> {
        if is_udp {
            let (socket, buffer_bytes) = sys::datagrams_on(wanted)?;
            let address = socket.local_addr()?;
            let place = Place::Ip(address);
            self.inlets.push(Inlet { socket: socket.into(), place, buffer_bytes });
            return Ok(address.port());
        }
        let socket = sys::listen_on(wanted)?;
        let address = socket.local_addr()?;
        let socket = Acceptor::Tcp(TcpListener::from_std(socket));
        let framing = wish.input.framing;
        self.listeners.push(Listener::new(socket, wish.role, framing, Place::Ip(address)));
        Ok(address.port())
    }
}

/// `bind PLACE: reason`, of the same kind.
fn bind_error(place: &impl fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("bind {place}: {error}"))
}

/// Whether a machine without this family of addresses answers so.
fn is_missing_family(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// Whether accepting failed for want of a descriptor or memory, which time may bring.
pub fn is_starved(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn port(port: u16, protocols: Protocols) -> Wish {
        let place = InputPlace::Port { address: None, port, protocols };
        Wish { role: Role::Syslog, input: Input { place, framing: Framing::Lf } }
    }

    fn ports(bound: &Bound) -> Vec<u16> {
        let listeners = bound.listeners.iter().map(|one| &one.place);
        let places = listeners.chain(bound.inlets.iter().map(|one| &one.place));
        places
            .map(|place| match place {
                Place::Ip(address) => address.port(),
                Place::Unix(_) => 0,
            })
            .collect()
    }

    #[test]
    fn both_families_and_protocols_get_one_port() {
        let bound =
            bind(&port(0, Protocols::Both), &[V4, IpAddr::V6(Ipv6Addr::LOCALHOST)]).unwrap();
        assert_eq!(bound.listeners.len() + bound.inlets.len() + bound.skipped.len(), 4);
        let ports = ports(&bound);
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
        assert!(bound.listeners.iter().all(|one| one.framing == Framing::Lf));
        assert!(bound.inlets.iter().all(|inlet| inlet.buffer_bytes > 0));
        let udp = bind(&port(0, Protocols::Udp), &[V4]).unwrap();
        assert_eq!((udp.listeners.len(), udp.inlets.len()), (0, 1));
        let tcp = bind(&port(0, Protocols::Tcp), &[V4]).unwrap();
        assert_eq!((tcp.listeners.len(), tcp.inlets.len()), (1, 0));
    }

    #[test]
    fn a_port_that_is_taken_names_the_address() {
        for protocols in [Protocols::Tcp, Protocols::Udp] {
            let first = bind(&port(0, protocols), &[V4]).unwrap();
            let taken = ports(&first)[0];
            let error = bind(&port(taken, protocols), &[V4]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            assert!(error.to_string().starts_with(&format!("bind 127.0.0.1:{taken}: ")));
        }
    }
}
