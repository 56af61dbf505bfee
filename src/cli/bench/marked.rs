//! Lines that bear a mark and a number, sent by the clock whatever the server does, and the many
//! that get them: so that each line is known where it comes out, and how late that is.

use std::io;
use std::net::TcpStream;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::error::{Doing, Result};
use super::server::Server;
use super::spin::{connect, read_some, write_all};
use crate::clock::{Clock, Mono};

/// What stands before the number of a line of [`Numbered`].
pub const MARK: &str = "lc-line-";

/// Digits of a line's number.
const DIGITS: usize = 10;

/// Time from one line to the next, in ns: 10,000 lines a second.
const LINE_NS: u64 = 100_000;

/// The numbers that stand behind each `mark` in `lines`, in order.
pub fn numbers(lines: &[u8], mark: &str) -> impl Iterator<Item = u64> {
    memchr::memmem::find_iter(lines, mark.as_bytes()).filter_map(move |place| {
        let digits = lines[place + mark.len()..].get(..DIGITS)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

/// Writes the line of a number, which stands in it in ten digits behind [`MARK`].
pub type WriteLine = fn(&mut Vec<u8>, u64) -> io::Result<()>;

/// Lines that are sent by the clock, whatever the server does.
pub struct Numbered {
    stream: TcpStream,
    began: Mono,
    /// How many there were.
    pub sent: u64,
    line: Vec<u8>,
    write: WriteLine,
}

impl Numbered {
    /// The first is due at `began`.
    ///
    /// # Errors
    /// Where no connection can be made.
    pub fn new(server: &Server, began: Mono, write: WriteLine) -> Result<Self> {
        Ok(Self { stream: connect(server.logs)?, began, sent: 0, line: Vec::new(), write })
    }

    /// Sends the lines that are due.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub fn go(&mut self, now: Mono) -> Result<()> {
        while self.due(self.sent) <= now {
            self.line.clear();
            (self.write)(&mut self.line, self.sent).doing("write a line")?;
            write_all(&mut self.stream, &self.line)?;
            self.sent += 1;
        }
        Ok(())
    }

    /// When the line of that number was to be sent.
    pub fn due(&self, number: u64) -> Mono {
        self.began + number * LINE_NS
    }
}

/// Many connections, of which those are read that have something.
pub struct Readers<R> {
    epoll: Epoll,
    streams: Vec<TcpStream>,
    /// What each connection is, in the order in which they were added.
    pub all: Vec<R>,
}

impl<R> Readers<R> {
    /// None.
    ///
    /// # Errors
    /// Where the system has no room for an epoll.
    pub fn new() -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing("make an epoll")?;
        Ok(Self { epoll, streams: Vec::new(), all: Vec::new() })
    }

    /// One more.
    ///
    /// # Errors
    /// Where the system has no room for it.
    pub fn add(&mut self, stream: TcpStream, reader: R) -> Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, self.streams.len() as u64);
        self.epoll.add(&stream, event).doing("register a connection")?;
        self.streams.push(stream);
        self.all.push(reader);
        Ok(())
    }

    /// Reads what has come, or waits for it up to `wait_ms`: `take` gets each piece, and the time
    /// at which it was there.
    ///
    /// # Errors
    /// Where a connection breaks, and those of `take`.
    pub fn receive(
        &mut self,
        clock: &Clock,
        wait_ms: u16,
        mut take: impl FnMut(&mut R, &[u8], Mono) -> Result<()>,
    ) -> Result<()> {
        let mut events = [EpollEvent::empty(); 256];
        let ready = self.epoll.wait(&mut events, EpollTimeout::from(wait_ms)).doing("wait")?;
        let mut piece = [0; 16384];
        for event in &events[..ready] {
            let index = usize::try_from(event.data()).unwrap_or(usize::MAX);
            let Some(stream) = self.streams.get_mut(index) else { continue };
            let Some(count) = read_some(stream, &mut piece)? else { continue };
            take(&mut self.all[index], &piece[..count], clock.mono())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_known_by_the_number_behind_their_mark() {
        let found = |text: &[u8]| numbers(text, "lc-x-").collect::<Vec<_>>();
        assert_eq!(found(b"a lc-x-0000000042 b\nlc-x-0000000043\n"), [42, 43]);
        for other in ["FOUND: 0 matches", "lc-x-", "lc-x-000000004", "lc-x-00000 0004"] {
            assert_eq!(found(other.as_bytes()).len(), 0, "{other}");
        }
    }
}
