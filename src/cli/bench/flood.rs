//! As much as the other side takes: the load of the throughput cases, and the bare receiving loop
//! that they are held against.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::error::{Doing, Result};
use super::lines::Lines;
use super::machine::{self, SERVER_CORE};
use crate::clock::Clock;

/// Bytes of the receiving buffer of the baseline: the same as the server's scratch buffer.
const BUFFER_BYTES: usize = 256 << 10;

/// Connections that send as fast as they can.
pub struct Flood<'a> {
    lines: &'a Lines,
    connections: Vec<Connection>,
    write_bytes: usize,
    epoll: Epoll,
}

/// One sending connection.
struct Connection {
    stream: TcpStream,
    /// Where in the ring it began, in bytes.
    start: u64,
    sent: u64,
    is_blocked: bool,
}

impl<'a> Flood<'a> {
    /// Opens `count` connections, which start at different lines of the ring.
    ///
    /// # Errors
    /// Where a connection cannot be made.
    pub fn connect(
        address: SocketAddr,
        count: usize,
        write_bytes: usize,
        lines: &'a Lines,
    ) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing("make an epoll")?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            let stream = TcpStream::connect(address).doing("connect for logs")?;
            stream.set_nodelay(true).doing("set TCP_NODELAY")?;
            if count > 1 {
                stream.set_nonblocking(true).doing("set non-blocking")?;
                let flags = EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
                epoll
                    .add(&stream, EpollEvent::new(flags, index as u64))
                    .doing("register a connection")?;
            }
            let start = lines.start(index, count);
            connections.push(Connection { stream, start, sent: 0, is_blocked: false });
        }
        Ok(Self { lines, connections, write_bytes, epoll })
    }

    /// Sends for `ns` nanoseconds, ends every connection's last line, and says how many lines
    /// were sent by this call.
    ///
    /// # Errors
    /// Where a connection breaks.
    pub fn send_for(&mut self, clock: &Clock, ns: u64) -> Result<u64> {
        let began = clock.mono();
        self.send_while(|_| clock.mono() - began < ns)
    }

    /// Sends at least `bytes` bytes over all connections and says how many lines these were.
    ///
    /// # Errors
    /// Where a connection breaks.
    pub fn send_bytes(&mut self, bytes: u64) -> Result<u64> {
        self.send_while(|sent| sent < bytes)
    }

    fn send_while(&mut self, mut goes_on: impl FnMut(u64) -> bool) -> Result<u64> {
        let before = self.sent();
        let mut sent = 0;
        if let [only] = &mut self.connections[..] {
            while goes_on(sent) {
                let piece = self.lines.after(only.start + only.sent, self.write_bytes);
                only.stream.write_all(piece).doing("send lines")?;
                only.sent += piece.len() as u64;
                sent += piece.len() as u64;
            }
        } else {
            while goes_on(sent) {
                sent += self.send_round()?;
            }
        }
        self.end_lines()?;
        Ok((self.sent() - before) / self.lines.line_bytes() as u64)
    }

    /// One write on every connection that takes one; waits where none does.
    fn send_round(&mut self) -> Result<u64> {
        let mut sent = 0;
        for connection in self.connections.iter_mut().filter(|c| !c.is_blocked) {
            let piece = self.lines.after(connection.start + connection.sent, self.write_bytes);
            match connection.stream.write(piece) {
                Ok(count) => {
                    connection.sent += count as u64;
                    sent += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => connection.is_blocked = true,
                Err(error) => return Err(error).doing("send lines"),
            }
        }
        let wait = if sent == 0 { 100u16 } else { 0 };
        let mut events = [EpollEvent::empty(); 256];
        let ready = self.epoll.wait(&mut events, EpollTimeout::from(wait)).doing("wait")?;
        for event in &events[..ready] {
            let index = usize::try_from(event.data()).unwrap_or(usize::MAX);
            if let Some(connection) = self.connections.get_mut(index) {
                connection.is_blocked = false;
            }
        }
        Ok(sent)
    }

    /// Sends what is missing of each connection's last line.
    fn end_lines(&mut self) -> Result<()> {
        let line_bytes = self.lines.line_bytes() as u64;
        for connection in &mut self.connections {
            let missing = (line_bytes - connection.sent % line_bytes) % line_bytes;
            let missing = usize::try_from(missing).unwrap_or(0);
            let mut piece = self.lines.after(connection.start + connection.sent, missing);
            while !piece.is_empty() {
                match connection.stream.write(piece) {
                    Ok(count) => {
                        connection.sent += count as u64;
                        piece = &piece[count..];
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        thread::sleep(Duration::from_micros(50));
                    }
                    Err(error) => return Err(error).doing("send lines"),
                }
            }
        }
        Ok(())
    }

    /// Bytes sent since the connections were made.
    fn sent(&self) -> u64 {
        self.connections.iter().map(|connection| connection.sent).sum()
    }
}

/// The limit: a thread on the server's core that receives and counts newlines, nothing else.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    counted: Arc<AtomicU64>,
    /// Number of the thread, 0 before it runs.
    number: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts one that expects `connections` connections.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub fn start(connections: usize) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("listen for the baseline")?;
        let address = listener.local_addr().doing("read the baseline's address")?;
        let (counted, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let number = Arc::new(AtomicU64::new(0));
        let (count, end, own) = (Arc::clone(&counted), Arc::clone(&ends), Arc::clone(&number));
        let thread = thread::spawn(move || {
            machine::pin(SERVER_CORE);
            own.store(machine::thread_number(), Ordering::Relaxed);
            // A failed receive ends the count, which the case reports as a baseline that stopped.
            let _ = receive(&listener, connections, &count, &end);
        });
        Ok(Self { address, counted, number, ends, thread: Some(thread) })
    }

    /// CPU time of the receiving thread so far, in ns.
    pub fn run_ns(&self) -> u64 {
        machine::thread_run_ns(self.number.load(Ordering::Relaxed))
    }

    /// Waits until `total` lines were counted since the start.
    ///
    /// # Errors
    /// Where the count stands still for 10 s.
    pub fn await_total(&self, clock: &Clock, total: u64) -> Result<()> {
        let (mut seen, mut grew) = (0, clock.mono());
        loop {
            let now = self.counted.load(Ordering::Relaxed);
            if now >= total {
                return Ok(());
            }
            if now != seen {
                (seen, grew) = (now, clock.mono());
            } else if clock.mono() - grew > 10_000_000_000 {
                return Err(std::io::Error::from(ErrorKind::TimedOut)).doing("count the baseline");
            }
            thread::sleep(Duration::from_micros(500));
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Accepts, then receives until every connection has ended or `ends` is set.
fn receive(
    listener: &TcpListener,
    connections: usize,
    counted: &AtomicU64,
    ends: &AtomicBool,
) -> Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing("make an epoll")?;
    let mut streams = Vec::with_capacity(connections);
    for index in 0..connections {
        let (stream, _) = listener.accept().doing("accept for the baseline")?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
        epoll.add(&stream, event).doing("register a connection")?;
        streams.push(Some(stream));
    }
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut total = 0;
    if let [Some(only)] = &mut streams[..] {
        loop {
            let count = only.read(&mut buffer).doing("receive")?;
            if count == 0 {
                return Ok(());
            }
            total += memchr::memchr_iter(b'\n', &buffer[..count]).count() as u64;
            counted.store(total, Ordering::Relaxed);
        }
    }
    let mut events = [EpollEvent::empty(); 256];
    while !ends.load(Ordering::Relaxed) {
        let ready = epoll.wait(&mut events, EpollTimeout::from(100u16)).doing("wait")?;
        for event in &events[..ready] {
            let index = usize::try_from(event.data()).unwrap_or(usize::MAX);
            let Some(place) = streams.get_mut(index) else { continue };
            let Some(stream) = place else { continue };
            let count = stream.read(&mut buffer).doing("receive")?;
            if count == 0 {
                // Closing it takes it out of the epoll too.
                *place = None;
            }
            total += memchr::memchr_iter(b'\n', &buffer[..count]).count() as u64;
        }
        counted.store(total, Ordering::Relaxed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_was_sent_is_counted() {
        let (lines, clock) = (Lines::new(100), Clock::new());
        for (connections, write_bytes) in [(1, 6_397), (7, 997)] {
            let sink = Sink::start(connections).unwrap();
            let mut flood = Flood::connect(sink.address, connections, write_bytes, &lines).unwrap();
            let first = flood.send_bytes(1_000_000).unwrap();
            sink.await_total(&clock, first).unwrap();
            let second = flood.send_for(&clock, 1_000_000).unwrap();
            sink.await_total(&clock, first + second).unwrap();
            assert!(first >= 10_000);
            drop(flood);
        }
    }
}
