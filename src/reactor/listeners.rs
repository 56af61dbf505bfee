//! Listening sockets: bound at start, accepted from a bounded number of times a turn.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};

use super::sys;
use crate::clock::Mono;
use crate::config;

/// What is spoken on the connections of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Log lines.
    Logs,
    /// Commands and answers.
    Questions,
}

impl Role {
    /// Its name in our log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Questions => "questions",
        }
    }

    /// The listener that `--allow` speaks of.
    pub fn listener(self) -> config::Listener {
        match self {
            Self::Logs => config::Listener::Log,
            Self::Questions => config::Listener::Query,
        }
    }
}

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    /// The socket, registered with the poll.
    pub socket: TcpListener,
    /// What its connections speak.
    pub role: Role,
    /// Where it listens.
    pub address: SocketAddr,
    /// mio reports edges: connections may wait until an accept says `WouldBlock`.
    pub is_ready: bool,
    /// There was no descriptor; it tries again then, or when a connection closes.
    pub starved_until: Option<Mono>,
}

/// Binds `role` at `port` of each of `addresses`. A port of 0 takes a free one, the same for every
/// address where that is possible. Addresses of a family that this machine does not have are
/// skipped and returned with the reason, as long as one is left.
///
/// # Errors
/// `bind ADDRESS: reason`, where an address cannot be bound, or none could.
pub fn bind(
    role: Role,
    addresses: &[IpAddr],
    port: u16,
) -> io::Result<(Vec<Listener>, Vec<String>)> {
    let (mut listeners, mut skipped) = (Vec::new(), Vec::new());
    let mut chosen = port;
    for &address in addresses {
        let wanted = SocketAddr::new(address, chosen);
        let bound = sys::listen_on(wanted).or_else(|error| {
            let may_differ = port == 0 && chosen != 0;
            let is_taken = error.kind() == io::ErrorKind::AddrInUse;
            if may_differ && is_taken {
                return sys::listen_on(SocketAddr::new(address, 0));
            }
            Err(error)
        });
        match bound {
            Ok(socket) => {
                let address = socket.local_addr()?;
                chosen = address.port();
                let socket = TcpListener::from_std(socket);
                listeners.push(Listener {
                    socket,
                    role,
                    address,
                    is_ready: false,
                    starved_until: None,
                });
            }
            Err(error) if is_missing_family(&error) && addresses.len() > 1 => {
                skipped.push(format!("bind {wanted}: {error}"));
            }
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("bind {wanted}: {error}")));
            }
        }
    }
    match skipped.first() {
        Some(reason) if listeners.is_empty() => Err(io::Error::other(reason.clone())),
        _ => Ok((listeners, skipped)),
    }
}

/// Whether a machine without this family of addresses answers so.
fn is_missing_family(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// Whether accepting failed for want of a descriptor or memory, which time may bring.
pub fn is_starved(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

impl Listener {
    /// Registers the socket with the poll.
    ///
    /// # Errors
    /// The system's own.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn both_families_get_one_port() {
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let (listeners, skipped) = bind(Role::Logs, &addresses, 0).unwrap();
        assert_eq!(listeners.len() + skipped.len(), 2);
        assert!(listeners.iter().all(|listener| listener.address.port() != 0));
    }

    #[test]
    fn a_port_that_is_taken_names_the_address() {
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let (first, _) = bind(Role::Logs, &addresses, 0).unwrap();
        let error = bind(Role::Questions, &addresses, first[0].address.port()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("bind {}: ", first[0].address)));
    }
}
