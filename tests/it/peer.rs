//! One connection to the server, as a client has it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::{DEADLINE, Server};

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

    /// Reads more; whether there was any before the server closed.
    #[track_caller]
    fn more(&mut self) -> bool {
        let mut more = [0; 16 << 10];
        // A process that was stopped for a moment is told so by a socket with a timeout.
        let read = loop {
            match self.stream.read(&mut more) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let count = read.unwrap_or_else(|error| {
            let end = &self.unread[self.unread.len().saturating_sub(200)..];
            let (bytes, end) = (self.unread.len(), String::from_utf8_lossy(end));
            panic!("{error} after {bytes} bytes, the last: {end:?}")
        });
        self.unread.extend(&more[..count]);
        count > 0
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
        while self.more() {}
        std::mem::take(&mut self.unread)
    }

    /// Whether the server has closed, and everything is read.
    #[track_caller]
    pub fn is_at_end(&mut self) -> bool {
        self.unread.is_empty() && !self.more()
    }

    /// Whether the server closes now, and says nothing before.
    #[track_caller]
    pub fn is_closed(&mut self) -> bool {
        let rest = loop {
            let mut more = [0; 1024];
            match self.stream.read(&mut more) {
                Ok(0) => break &self.unread,
                Ok(count) => self.unread.extend(&more[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break &self.unread,
                Err(_) => return false,
            }
        };
        assert!(rest.is_empty(), "it says {:?}", String::from_utf8_lossy(rest));
        true
    }

    /// So many bytes.
    #[track_caller]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.more(), "closed {} bytes early", count - self.unread.len());
        }
        self.unread.drain(..count).collect()
    }

    /// The next line, without its newline; `None` where the server closed.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8(line[..end].to_vec()).expect("UTF-8"));
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// The lines up to one of which `is_last` holds, and that one.
    #[track_caller]
    pub fn lines_until(&mut self, is_last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().unwrap_or_else(|| panic!("closed behind {lines:?}"));
            let is_it = is_last(&line);
            lines.push(line);
            if is_it {
                return lines;
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

impl Server {
    /// A connection for log lines.
    #[track_caller]
    pub fn log_peer(&self) -> Peer {
        Peer::to(self.logs)
    }

    /// A connection for questions.
    #[track_caller]
    pub fn question_peer(&self) -> Peer {
        Peer::to(self.questions)
    }

    /// A connection for questions that stays open, and has a place.
    #[track_caller]
    pub fn session(&self) -> Peer {
        let mut session = self.question_peer();
        session.write("SESSION\nPING\n");
        session.lines_until(|line| line == "PONG");
        session
    }
}
