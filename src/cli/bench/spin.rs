//! The open-loop part: one thread that spins over a few actors, so that no scheduler stands
//! between an intended moment and the system call. Each actor sends when its schedule says so,
//! never when an answer allows it, and latency counts from the intended moment: a server that
//! stalls is charged for every request that would have been made meanwhile.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use hdrhistogram::Histogram;

use super::error::{BenchError, Doing, Result};
use super::lines::Lines;
use super::marked::numbers;
use super::server::Asker;
use crate::clock::{Clock, Mono};

/// The longest latency that a histogram tells apart, in ns; longer ones count as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// How long the last answers of a run are waited for, in ns.
const DRAIN_NS: u64 = 2_000_000_000;

/// Writes that a load makes in one go before the other actors have theirs.
const WRITES_PER_GO_MAX: u32 = 4;

/// What a line that is looked for at a TAIL is known by.
pub const MARK: &str = "lc-probe-";

/// Something that is done again and again by [`spin`].
pub trait Actor {
    /// Does what is due at `now`, without blocking.
    ///
    /// # Errors
    /// Where a connection breaks.
    fn go(&mut self, clock: &Clock, now: Mono) -> Result<()>;
}

/// Gives every actor its go, round and round, for `ns` nanoseconds.
///
/// # Errors
/// The first error of an actor.
pub fn spin(clock: &Clock, ns: u64, actors: &mut [&mut dyn Actor]) -> Result<()> {
    let began = clock.mono();
    loop {
        let now = clock.mono();
        if now - began >= ns {
            return Ok(());
        }
        for actor in actors.iter_mut() {
            actor.go(clock, now)?;
        }
    }
}

/// A histogram of nanoseconds, three significant digits.
///
/// # Errors
/// Never with these bounds; the histogram's constructor checks them.
pub fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)
        .map_err(|error| BenchError::Server(format!("histogram: {error:?}")))
}

/// Lines at a steady rate, spread over connections.
pub struct Paced<'a> {
    lines: &'a Lines,
    connections: Vec<PacedConnection>,
    write_bytes: usize,
    /// Time from one write to the next over all connections, in ns.
    interval_ns: f64,
    began: Option<Mono>,
    /// From the intended moment of a write until the socket had taken all of it.
    pub latency: Histogram<u64>,
}

/// One connection of a [`Paced`] load: it makes every n-th write.
struct PacedConnection {
    stream: TcpStream,
    start: u64,
    sent: u64,
    writes: u64,
}

impl<'a> Paced<'a> {
    /// Connects; `lines_per_s` over all `count` connections, in writes of `write_bytes`.
    ///
    /// # Errors
    /// Where a connection cannot be made.
    pub fn connect(
        address: SocketAddr,
        count: usize,
        lines_per_s: f64,
        write_bytes: usize,
        lines: &'a Lines,
    ) -> Result<Self> {
        let mut connections = Vec::with_capacity(count);
        for index in 0..count.max(1) {
            let stream = connect(address)?;
            let start = lines.start(index, count);
            connections.push(PacedConnection { stream, start, sent: 0, writes: 0 });
        }
        let bytes_per_ns = lines_per_s.max(1e-3) * lines.line_bytes() as f64 / 1e9;
        let interval_ns = write_bytes as f64 / bytes_per_ns;
        let latency = histogram()?;
        Ok(Self { lines, connections, write_bytes, interval_ns, began: None, latency })
    }

    /// Whole lines that were sent so far.
    pub fn lines_sent(&self) -> u64 {
        self.connections.iter().map(|c| c.sent / self.lines.line_bytes() as u64).sum()
    }
}

impl Actor for Paced<'_> {
    fn go(&mut self, clock: &Clock, now: Mono) -> Result<()> {
        let began = *self.began.get_or_insert(now);
        let count = self.connections.len() as u64;
        for (index, connection) in self.connections.iter_mut().enumerate() {
            for _ in 0..WRITES_PER_GO_MAX {
                let nth = index as u64 + connection.writes * count;
                let due = began + (nth as f64 * self.interval_ns) as u64;
                if now < due {
                    break;
                }
                let done = (connection.writes + 1) * self.write_bytes as u64;
                let missing = usize::try_from(done - connection.sent).unwrap_or(0);
                let piece = self.lines.after(connection.start + connection.sent, missing);
                let Some(taken) = write_some(&mut connection.stream, piece)? else { break };
                connection.sent += taken as u64;
                if connection.sent < done {
                    break;
                }
                connection.writes += 1;
                self.latency.saturating_record(clock.mono().saturating_sub(due));
            }
        }
        Ok(())
    }
}

/// Asks `COUNT` by a schedule and times the answers.
pub struct CountProbe {
    stream: TcpStream,
    schedule: Schedule,
    /// Intended moments of questions that are not answered yet, oldest first.
    pending: VecDeque<Mono>,
    /// From the intended moment of the question until its answer was here.
    pub latency: Histogram<u64>,
}

impl CountProbe {
    /// Asks every `interval_ns`.
    ///
    /// # Errors
    /// Where no session can be opened.
    pub fn connect(address: SocketAddr, interval_ns: u64) -> Result<Self> {
        let stream = Asker::connect(address)?.into_stream();
        stream.set_nonblocking(true).doing("set non-blocking")?;
        let schedule = Schedule::every(interval_ns);
        Ok(Self { stream, schedule, pending: VecDeque::new(), latency: histogram()? })
    }

    /// Waits for the answers that are still out; what does not come counts with the time waited.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub fn finish(&mut self, clock: &Clock) -> Result<()> {
        let began = clock.mono();
        while !self.pending.is_empty() && clock.mono() - began < DRAIN_NS {
            self.receive(clock)?;
        }
        for intended in self.pending.drain(..) {
            self.latency.saturating_record(clock.mono() - intended);
        }
        Ok(())
    }

    fn receive(&mut self, clock: &Clock) -> Result<()> {
        let mut scratch = [0; 4096];
        let Some(count) = read_some(&mut self.stream, &mut scratch)? else { return Ok(()) };
        let now = clock.mono();
        for _ in memchr::memchr_iter(b'\n', &scratch[..count]) {
            if let Some(intended) = self.pending.pop_front() {
                self.latency.saturating_record(now.saturating_sub(intended));
            }
        }
        Ok(())
    }
}

impl Actor for CountProbe {
    fn go(&mut self, clock: &Clock, now: Mono) -> Result<()> {
        if let Some(intended) = self.schedule.due(now) {
            self.pending.push_back(intended);
            write_all(&mut self.stream, b"COUNT\n")?;
        }
        self.receive(clock)
    }
}

/// Sends a marked line by a schedule and times its coming out at a TAIL.
pub struct TailProbe {
    logs: TcpStream,
    tail: TcpStream,
    schedule: Schedule,
    /// Numbers and intended moments of lines that have not come out yet, oldest first.
    pending: VecDeque<(u64, Mono)>,
    sent: u64,
    /// What came out and is not a whole line yet.
    partial: Vec<u8>,
    /// From the intended moment of the line until it was here.
    pub latency: Histogram<u64>,
    /// Lines that never came out.
    pub lost: u64,
}

impl TailProbe {
    /// Opens the TAIL and sees one line come out of it.
    ///
    /// # Errors
    /// Where no line comes out within some seconds.
    pub fn connect(
        clock: &Clock,
        logs: SocketAddr,
        questions: SocketAddr,
        interval_ns: u64,
    ) -> Result<Self> {
        let question = format!("TAIL keyword={MARK} format=raw\n");
        Self::connect_by(clock, logs, (questions, question.as_bytes()), interval_ns)
    }

    /// The same with a tail that is opened by other words at another place; each line that has the
    /// [`MARK`] must come out on one line of its answer.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_by(
        clock: &Clock,
        logs: SocketAddr,
        (address, question): (SocketAddr, &[u8]),
        interval_ns: u64,
    ) -> Result<Self> {
        let mut tail = connect(address)?;
        write_all(&mut tail, question)?;
        let mut probe = Self {
            logs: connect(logs)?,
            tail,
            schedule: Schedule::every(50_000_000),
            pending: VecDeque::new(),
            sent: 0,
            partial: Vec::new(),
            latency: histogram()?,
            lost: 0,
        };
        let began = clock.mono();
        while probe.latency.is_empty() {
            probe.go(clock, clock.mono())?;
            if clock.mono() - began > 5_000_000_000 {
                return Err(BenchError::Server("no line comes out of a TAIL".to_owned()));
            }
        }
        probe.finish(clock)?;
        probe.reset();
        probe.schedule = Schedule::every(interval_ns);
        Ok(probe)
    }

    /// Forgets what was measured so far.
    pub fn reset(&mut self) {
        self.latency.reset();
        self.lost = 0;
    }

    /// Waits for the lines that are still out; what does not come counts with the time waited.
    ///
    /// # Errors
    /// Where a connection breaks.
    pub fn finish(&mut self, clock: &Clock) -> Result<()> {
        let began = clock.mono();
        while !self.pending.is_empty() && clock.mono() - began < DRAIN_NS {
            self.receive(clock)?;
        }
        for (_, intended) in self.pending.drain(..) {
            self.lost += 1;
            self.latency.saturating_record(clock.mono() - intended);
        }
        Ok(())
    }

    fn receive(&mut self, clock: &Clock) -> Result<()> {
        let mut scratch = [0; 16384];
        let Some(count) = read_some(&mut self.tail, &mut scratch)? else { return Ok(()) };
        let now = clock.mono();
        self.partial.extend_from_slice(&scratch[..count]);
        let Some(end) = memchr::memrchr(b'\n', &self.partial) else { return Ok(()) };
        for number in numbers(&self.partial[..end], MARK) {
            while let Some((sent, intended)) = self.pending.front().copied() {
                if sent > number {
                    break;
                }
                self.pending.pop_front();
                self.lost += u64::from(sent < number);
                self.latency.saturating_record(now.saturating_sub(intended));
            }
        }
        self.partial.drain(..=end);
        Ok(())
    }
}

impl Actor for TailProbe {
    fn go(&mut self, clock: &Clock, now: Mono) -> Result<()> {
        if let Some(intended) = self.schedule.due(now) {
            self.sent += 1;
            self.pending.push_back((self.sent, intended));
            let line = format!(
                "INFO [probe] c.e.probe.Latency - {MARK}{:010} a line of the usual length, sent \
                 once a moment\n",
                self.sent
            );
            write_all(&mut self.logs, line.as_bytes())?;
        }
        self.receive(clock)
    }
}

/// Asks one question again as soon as it is answered.
pub struct Repeat {
    stream: TcpStream,
    question: String,
    asked: Option<Mono>,
    /// From asking until the answer was here.
    pub latency: Histogram<u64>,
}

impl Repeat {
    /// `question` is one whose answer is one line.
    ///
    /// # Errors
    /// Where no session can be opened.
    pub fn connect(address: SocketAddr, question: &str) -> Result<Self> {
        let stream = Asker::connect(address)?.into_stream();
        stream.set_nonblocking(true).doing("set non-blocking")?;
        let question = format!("{question}\n");
        Ok(Self { stream, question, asked: None, latency: histogram()? })
    }
}

impl Actor for Repeat {
    fn go(&mut self, clock: &Clock, now: Mono) -> Result<()> {
        let Some(asked) = self.asked else {
            self.asked = Some(now);
            return write_all(&mut self.stream, self.question.as_bytes());
        };
        let mut scratch = [0; 4096];
        let Some(count) = read_some(&mut self.stream, &mut scratch)? else { return Ok(()) };
        if memchr::memchr(b'\n', &scratch[..count]).is_some() {
            self.latency.saturating_record(clock.mono().saturating_sub(asked));
            self.asked = None;
        }
        Ok(())
    }
}

/// Moments at equal distances.
pub struct Schedule {
    interval_ns: u64,
    next: Option<Mono>,
}

impl Schedule {
    /// One moment every `interval_ns`, from the first on that is asked for.
    pub fn every(interval_ns: u64) -> Self {
        Self { interval_ns, next: None }
    }

    /// The intended moment that has come, if one has. Called again for the next: moments that
    /// were missed are made up for, each with its own intended time.
    pub fn due(&mut self, now: Mono) -> Option<Mono> {
        let next = *self.next.get_or_insert(now);
        if now < next {
            return None;
        }
        self.next = Some(next + self.interval_ns);
        Some(next)
    }
}

/// A connection that neither waits for more to send nor blocks.
///
/// # Errors
/// Where nobody listens.
pub fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).doing("connect")?;
    stream.set_nodelay(true).doing("set TCP_NODELAY")?;
    stream.set_nonblocking(true).doing("set non-blocking")?;
    Ok(stream)
}

/// What a write took; `None` where the socket is full.
fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> Result<Option<usize>> {
    match stream.write(bytes) {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).doing("send"),
    }
}

/// Writes a few bytes. A socket that is full of questions holds the loop up, which is charged to
/// the latency of those that come after.
///
/// # Errors
/// Where the connection breaks.
pub fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        if let Some(count) = write_some(stream, bytes)? {
            bytes = &bytes[count..];
        }
    }
    Ok(())
}

/// What a read gave; `None` where there is nothing yet.
///
/// # Errors
/// Where the connection breaks, or ends.
pub fn read_some(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<Option<usize>> {
    match stream.read(buffer) {
        Ok(0) => Err(BenchError::Server("the server closed a connection".to_owned())),
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).doing("receive"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_moments_are_made_up_for() {
        let mut schedule = Schedule::every(10);
        assert_eq!(schedule.due(100), Some(100));
        assert_eq!(schedule.due(105), None);
        assert_eq!(schedule.due(131), Some(110));
        assert_eq!(schedule.due(131), Some(120));
        assert_eq!(schedule.due(131), Some(130));
        assert_eq!(schedule.due(131), None);
    }
}
