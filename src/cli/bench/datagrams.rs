//! Datagrams at a steady rate: how many the kernel drops because the server does not come to read
//! them, and that none is lost between the socket and the ring.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};

use super::error::{BenchError, Doing, Result};
use super::lines::{Lines, Shape};
use super::machine::{Noise, NoiseMeter};
use super::report::{Bar, Row};
use super::server::Asker;
use super::{Bench, SYSLOG_BYTES, flags, median};
use crate::clock::Clock;

/// Datagrams a second that are offered.
const PER_SECOND: f64 = 500_000.0;

/// Share of them that must have gone out for a run to count: the schedule is the generator's, which
/// must not be what a run waits for.
const OFFERED_SHARE: f64 = 0.99;

/// Datagrams handed over with one system call, at most.
const PER_CALL: usize = 64;

/// How long the server may take until it has counted what was sent, in rounds of 20 ms in each of
/// which one datagram more goes out: the kernel tells of drops with the next one that it delivers.
const SETTLE_ROUNDS_MAX: u32 = 250;

/// Sends lines of a ring, one a datagram.
struct Spray<'a> {
    socket: UdpSocket,
    lines: &'a Lines,
    headers: MultiHeaders<SockaddrStorage>,
    sent: u64,
}

impl<'a> Spray<'a> {
    fn connect(address: SocketAddr, lines: &'a Lines) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).doing("bind for datagrams")?;
        socket.connect(address).doing("connect for datagrams")?;
        Ok(Self { socket, lines, headers: MultiHeaders::preallocate(PER_CALL, None), sent: 0 })
    }

    /// Sends what is due by the schedule for `ns` nanoseconds, whatever the server does. What the
    /// generator itself is late with, it sends as fast as it can.
    fn send_for(&mut self, clock: &Clock, ns: u64) -> Result<()> {
        let (began, before) = (clock.mono(), self.sent);
        loop {
            let passed = clock.mono() - began;
            if passed >= ns {
                return Ok(());
            }
            let due = (passed as f64 * PER_SECOND / 1e9) as u64;
            let late = due.saturating_sub(self.sent - before);
            if late > 0 {
                self.send(usize::try_from(late).unwrap_or(PER_CALL).min(PER_CALL))?;
            }
        }
    }

    /// Sends `count` datagrams, at most [`PER_CALL`], with one call.
    fn send(&mut self, count: usize) -> Result<()> {
        let line_bytes = self.lines.line_bytes();
        // Without the newline: a datagram needs no end.
        let slices: [[IoSlice<'_>; 1]; PER_CALL] = std::array::from_fn(|at| {
            let start = (self.sent + at as u64) * line_bytes as u64;
            [IoSlice::new(&self.lines.after(start, line_bytes)[..line_bytes - 1])]
        });
        let (flags, nowhere) = (MsgFlags::empty(), [None; PER_CALL]);
        let (fd, slices) = (self.socket.as_raw_fd(), &slices[..count]);
        let results = sendmmsg(fd, &mut self.headers, slices, nowhere, [], flags);
        self.sent += results.doing("send datagrams")?.count() as u64;
        Ok(())
    }

    /// Waits until the server has counted all that was sent, as received or as dropped, or does not
    /// get there.
    fn settle(&mut self, asker: &mut Asker, before: Counts) -> Result<Counts> {
        let mut now = Counts::of(asker)?;
        for _ in 0..SETTLE_ROUNDS_MAX {
            if now.received + now.dropped >= before.received + before.dropped + self.sent {
                break;
            }
            self.send(1)?;
            thread::sleep(Duration::from_millis(20));
            now = Counts::of(asker)?;
        }
        Ok(now)
    }
}

/// What the server has counted.
#[derive(Clone, Copy)]
struct Counts {
    /// Datagrams taken from the socket.
    received: u64,
    /// Datagrams that the kernel dropped.
    dropped: u64,
    /// Lines in the ring since the start.
    stored: u64,
}

impl Counts {
    fn of(asker: &mut Asker) -> Result<Self> {
        let stats = asker.stats()?;
        Ok(Self {
            received: stats.need("Datagrams")?,
            dropped: stats.need("DatagramsDropped")?,
            stored: stats.need("Total")?,
        })
    }
}

/// Half a million RFC 5424 messages a second over UDP.
pub fn offered(bench: &mut Bench) -> Result<Vec<Row>> {
    let lines = Lines::shaped(Shape::Rfc5424, SYSLOG_BYTES);
    let server = bench.launcher.start(&flags(["--syslog", "127.0.0.1:0"]))?;
    let mut asker = server.ask()?;
    let (mut rates, mut drops, mut lost, mut unaccounted) = (Vec::new(), Vec::new(), 0, 0);
    let mut noise = Noise::default();
    for _ in 0..bench.runs {
        let mut spray = Spray::connect(server.syslog, &lines)?;
        let before = Counts::of(&mut asker)?;
        let meter = NoiseMeter::start(&bench.clock, &[server.pid()]);
        let began = bench.clock.mono();
        spray.send_for(&bench.clock, bench.latency_ns)?;
        let seconds = (bench.clock.mono() - began) as f64 / 1e9;
        noise = noise.max(meter.stop(&bench.clock).timed());
        rates.push(spray.sent as f64 / seconds / 1e3);
        let after = spray.settle(&mut asker, before)?;
        let (received, dropped) =
            (after.received - before.received, after.dropped - before.dropped);
        drops.push(100.0 * dropped as f64 / spray.sent.max(1) as f64);
        lost += received.abs_diff(after.stored - before.stored);
        unaccounted += spray.sent.abs_diff(received + dropped);
    }
    if let Some(proof) = Shape::Rfc5424.proof()
        && asker.found(proof)? == 0
    {
        return Err(BenchError::Answer { question: proof.to_owned(), answer: "none".to_owned() });
    }
    server.stop()?;
    let wanted = OFFERED_SHARE * PER_SECOND / 1e3;
    let rows = [
        Row::new("udp", "datagrams/s offered", median(&rates), "k/s", Bar::AtLeast(wanted)),
        Row::new("udp", "lost between socket and ring", lost as f64, "", Bar::Below(1.0))
            .detail("neither_received_nor_counted_as_dropped", unaccounted as f64),
        Row::new("udp", "dropped by the kernel", median(&drops), "%", Bar::Stated),
    ];
    Ok(rows.into_iter().map(|row| row.noise(noise)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_datagram_is_one_line() {
        let lines = Lines::shaped(Shape::Rfc5424, SYSLOG_BYTES);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut spray = Spray::connect(socket.local_addr().unwrap(), &lines).unwrap();
        spray.send(3).unwrap();
        spray.send(1).unwrap();
        assert_eq!(spray.sent, 4);
        let mut buffer = [0; 1000];
        for line in lines.ring().chunks(SYSLOG_BYTES).take(4) {
            let count = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], &line[..SYSLOG_BYTES - 1]);
        }
    }
}
