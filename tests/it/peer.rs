//! One connection to the server, as a client has it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::DEADLINE;

/// A connection; every wait on it ends at the deadline.
pub struct Peer {
    stream: TcpStream,
    /// Read, but not asked for yet.
    unread: Vec<u8>,
}

/// A socket on which every wait ends at the deadline.
#[track_caller]
pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap_or_else(|error| panic!("{addr}: {error}"));
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

impl Peer {
    #[track_caller]
    pub fn to(addr: SocketAddr) -> Self {
        Self { stream: connect(addr), unread: Vec::new() }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Says that nothing more comes.
    pub fn shut(&self) {
        // The server may have closed already, which is what the caller then reads.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Says that nothing more comes and reads what is still to come.
    #[track_caller]
    pub fn finish(mut self) -> Vec<u8> {
        self.shut();
        self.rest()
    }

    /// Reads until the server closes.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.unread);
        match self.stream.read_to_end(&mut all) {
            Ok(_) => all,
            Err(error) => {
                let end = String::from_utf8_lossy(&all[all.len().saturating_sub(200)..]);
                panic!("{error} after {} bytes, the last: {end:?}", all.len())
            }
        }
    }

    /// The next line, without its newline; `None` where the server closed.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8(line[..end].to_vec()).expect("UTF-8"));
            }
            let mut more = [0; 4096];
            match self.stream.read(&mut more).unwrap() {
                0 => return None,
                count => self.unread.extend(&more[..count]),
            }
        }
    }

    /// Whether the server neither says nor closes anything for `patience`.
    #[track_caller]
    pub fn is_quiet_for(&mut self, patience: Duration) -> bool {
        assert!(self.unread.is_empty(), "{:?}", String::from_utf8_lossy(&self.unread));
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let mut byte = [0];
        let quiet = match self.stream.peek(&mut byte) {
            Ok(_) => false,
            Err(error) => {
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
            }
        };
        self.stream.set_read_timeout(Some(DEADLINE)).unwrap();
        quiet
    }
}
