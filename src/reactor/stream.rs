//! A connection's socket, TCP or Unix, and who is at its other end.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd, RawFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use super::sys;

/// A stream of bytes to somebody.
#[derive(Debug)]
pub enum Stream {
    /// Somebody on the network, or on this machine.
    Tcp(TcpStream),
    /// Somebody on this machine.
    Unix(UnixStream),
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address and port.
    Ip(SocketAddr),
    /// A process of this machine, as it was when it connected (SO_PEERCRED).
    Unix {
        /// Its process id; 0 where it is not ours to see.
        pid: i32,
        /// Its user.
        uid: u32,
    },
}

impl Peer {
    /// Its address, where it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Unix { .. } => None,
        }
    }
}

/// `10.0.0.5:40000`, or `unix:pid:4711,uid:1000`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix { pid, uid } => write!(f, "unix:pid:{pid},uid:{uid}"),
        }
    }
}

impl Stream {
    /// Prepares the socket for its part: see [`sys::watch_peer`].
    pub fn prepare(&self, answers: bool) {
        match self {
            Self::Tcp(stream) => sys::watch_peer(stream, answers),
            // The kernel sees at once when a process of this machine is gone.
            Self::Unix(stream) if answers => sys::bound_send_buffer(&stream.as_fd()),
            Self::Unix(_) => {}
        }
    }

    /// A peer that is there and takes nothing is not taken for dead, however long it does.
    pub fn bear_with_slow_peer(&self) {
        if let Self::Tcp(stream) = self {
            sys::bear_with_slow_peer(stream);
        }
    }

    /// Whether the kernel ends it with a reset: see [`sys::reset_at_close`]. A Unix socket that is
    /// closed with bytes unread does so by itself.
    pub fn reset_at_close(&self, is_on: bool) {
        if let Self::Tcp(stream) = self {
            sys::reset_at_close(stream, is_on);
        }
    }

    /// Says that we send nothing more.
    ///
    /// # Errors
    /// The system's own: the peer is gone already.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl Source for Stream {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interests),
            Self::Unix(stream) => stream.register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, interests),
            Self::Unix(stream) => stream.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.deregister(registry),
            Self::Unix(stream) => stream.deregister(registry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_one_word_without_an_equals_sign() {
        let address: SocketAddr = "10.0.0.5:40000".parse().unwrap();
        assert_eq!(Peer::Ip(address).to_string(), "10.0.0.5:40000");
        assert_eq!(Peer::Unix { pid: 4711, uid: 1000 }.to_string(), "unix:pid:4711,uid:1000");
    }
}
