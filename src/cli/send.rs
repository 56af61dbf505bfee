//! `logcaster send`: a file's lines, or standard input's, to a server.
//!
//! How do we know that the server took a line in? Not by the kernel's acknowledgement: that says
//! only that the bytes wait in the server's socket, and there they are lost with it. So we end our
//! side of the connection and wait until the server ends its own, which it does when it has taken
//! in everything up to our end. Three things must not be mistaken for that:
//!
//! - It closes early with bytes unread: its kernel then resets the connection; reading fails.
//! - It closes early having read what had arrived, while more was on its way: its end reaches us
//!   first, the reset later. So we wait until the kernel has seen our own end acknowledged.
//! - It is killed between reading and storing. It asks its kernel to reset the connections of a
//!   process that dies (SO_LINGER of zero, lifted before a proper close), so this resets as well.
//!   A Unix socket resets only where something was left unread: what the server had read and, its
//!   disk being slow, not stored yet when it was killed is not told from what it has stored.
//!
//! With `--retry` this is done for batches of lines, each on a connection of its own, and a batch
//! that was not taken in for certain is sent again: at least once, never less.

use crate::cli::args::SendArgs;
use crate::cli::client::{self, Failure, Role, Stream};
use crate::cli::output;
use crate::clock::Clock;
use crate::config::show_size;
use core::time::Duration;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::thread;

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

/// Most bytes of a batch, and of a line with `--retry`: what may have to be sent again.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// How long lines are gathered into a batch: a slow program's lines arrive this late at most.
const GATHER_MS_MAX: u64 = 200;

/// Pauses between attempts: doubled from the first to the last.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// See [`PAUSE_MIN`].
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// With `--retry`, how long a server may take nothing in before the batch is tried again. A server
/// that waits for its disk needs seconds at worst.
const STALL_MAX: Duration = Duration::from_secs(30);

/// How long the kernel may take to see our end acknowledged once the server has closed.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(5);

/// The most that is read of what a server has to say instead of taking lines in, in bytes.
const REFUSAL_BYTES_MAX: u64 = 4 << 10;

/// Sends the lines; exits with 0 when all were taken in, else with 1.
pub fn run(args: SendArgs) -> ExitCode {
    let addr = match client::address(args.addr.as_deref(), Role::Log) {
        Ok(addr) => addr,
        Err(error) => return super::refuse(&error),
    };
    let sent = open(args.file.as_deref()).and_then(|(name, input)| {
        let mut progress = Progress::new(&input);
        let result = if args.retry {
            send_batches(&addr, &name, input, &mut progress)
        } else {
            send_once(&addr, &name, input, &mut progress)
        };
        progress.finish();
        result
    });
    match sent {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            super::complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// The file, or standard input, and its name in messages.
fn open(path: Option<&str>) -> Result<(String, File), Failure> {
    match path.filter(|path| *path != "-") {
        Some(path) => {
            let file = File::open(path).map_err(|error| Failure::Read(path.to_owned(), error))?;
            Ok((path.to_owned(), file))
        }
        None => {
            let name = "standard input".to_owned();
            match io::stdin().as_fd().try_clone_to_owned() {
                Ok(input) => Ok((name, input.into())),
                Err(error) => Err(Failure::Read(name, error)),
            }
        }
    }
}

/// Sends everything on one connection.
fn send_once(
    addr: &str,
    name: &str,
    mut input: File,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut stream = client::connect(addr, client::CONNECT_TIMEOUT)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let bytes = read(&mut input, &mut buffer, name)?;
        if bytes == 0 {
            return confirm(stream, addr);
        }
        if let Err(error) = stream.write_all(&buffer[..bytes]) {
            return Err(refusal(&mut stream, addr, "write to", error));
        }
        progress.add(bytes);
    }
}

fn read(input: &mut File, buffer: &mut [u8], name: &str) -> Result<usize, Failure> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::Read(name.to_owned(), error)),
            Ok(bytes) => return Ok(bytes),
        }
    }
}

/// Ends our side and waits until the server has taken in everything.
fn confirm(mut stream: Stream, addr: &str) -> Result<(), Failure> {
    let broken = |error| Failure::Broken(addr.to_owned(), "wait for", error);
    match stream.shutdown_write() {
        Ok(()) => {}
        Err(error) => return Err(refusal(&mut stream, addr, "end connection to", error)),
    }
    let mut words = Vec::new();
    (&mut stream).take(REFUSAL_BYTES_MAX).read_to_end(&mut words).map_err(broken)?;
    if let Some(refused) = refused(&words) {
        return Err(refused);
    }
    let clock = Clock::new();
    // The peer's address is gone once the connection is closed on both sides: not before our own
    // end was acknowledged, or the connection was reset.
    while stream.is_end_on_its_way() {
        if Duration::from_nanos(clock.mono()) > CLOSE_WAIT_MAX {
            return Err(Failure::Ended(
                addr.to_owned(),
                "closed before all was taken in".to_owned(),
            ));
        }
        thread::sleep(Duration::from_millis(1));
    }
    match stream.take_error().map_err(broken)? {
        Some(error) => Err(broken(error)),
        None => Ok(()),
    }
}

/// What the server says in place of taking lines in: why it lets nobody in, or, where this is the
/// port of questions, the answer to the first line.
fn refused(words: &[u8]) -> Option<Failure> {
    let line = words.split(|byte| *byte == b'\n').next().filter(|line| !line.is_empty())?;
    let reason = line.strip_prefix(b"ERROR: ");
    let mut shown = Vec::new();
    output::escape(reason.unwrap_or(line).trim_ascii_end(), &mut shown);
    let mut shown = String::from_utf8_lossy(&shown).into_owned();
    let is_answer = reason.is_none_or(|reason| reason.starts_with(b"unknown command "));
    if is_answer {
        shown.push_str("; this port takes questions, lines go to the log port (default: 9999)");
    }
    Some(Failure::Refused(shown))
}

/// Why a connection broke: the server's own words where it left any.
fn refusal(stream: &mut Stream, addr: &str, action: &'static str, error: io::Error) -> Failure {
    let mut words = Vec::new();
    // They are in our socket by now, or will never be.
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.take(REFUSAL_BYTES_MAX).read_to_end(&mut words);
    }
    refused(&words).unwrap_or_else(|| Failure::Broken(addr.to_owned(), action, error))
}

/// Sends batch after batch, each until it was taken in.
fn send_batches(
    addr: &str,
    name: &str,
    input: File,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut batches = Batches::new(input, name);
    while let Some(batch) = batches.next_batch()? {
        let mut pause = PAUSE_MIN;
        while let Err(failure) = send_batch(addr, &batch) {
            if pause == PAUSE_MIN {
                progress.clear();
                super::complain(&format_args!("{failure}; trying again"));
            }
            thread::sleep(pause);
            pause = PAUSE_MAX.min(pause * 2);
        }
        progress.add(batch.len());
    }
    Ok(())
}

/// Sends one batch on a connection of its own.
fn send_batch(addr: &str, batch: &[u8]) -> Result<(), Failure> {
    let mut stream = client::connect(addr, client::CONNECT_TIMEOUT)?;
    stream.set_timeouts(STALL_MAX).map_err(|error| Failure::Connect(addr.to_owned(), error))?;
    if let Err(error) = stream.write_all(batch) {
        return Err(refusal(&mut stream, addr, "write to", error));
    }
    confirm(stream, addr)
}

/// Whole lines of a file or pipe, in batches.
struct Batches {
    input: File,
    name: String,
    /// What was read and not yet handed out.
    pending: Vec<u8>,
    /// Bytes of `pending` up to the end of its last whole line.
    whole_bytes: usize,
    is_ended: bool,
    /// The rest of a line that was too long is being passed over.
    is_skipping: bool,
    buffer: Vec<u8>,
}

impl Batches {
    fn new(input: File, name: &str) -> Self {
        Batches {
            input,
            name: name.to_owned(),
            pending: Vec::new(),
            whole_bytes: 0,
            is_ended: false,
            is_skipping: false,
            buffer: vec![0; READ_BYTES],
        }
    }

    /// The next lines: as many as there are, and wait for none longer than a moment.
    fn next_batch(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let clock = Clock::new();
        loop {
            if self.pending.len() >= BATCH_BYTES_MAX {
                return Ok(Some(self.cut()));
            }
            if self.is_ended {
                let rest = core::mem::take(&mut self.pending);
                self.whole_bytes = 0;
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
            let left = GATHER_MS_MAX.saturating_sub(clock.mono() / 1_000_000);
            let wait = match (self.whole_bytes, u16::try_from(left)) {
                (0, _) | (_, Err(_)) => PollTimeout::NONE,
                (_, Ok(left)) => PollTimeout::from(left),
            };
            if !self.is_readable(wait)? {
                return Ok(Some(self.cut()));
            }
            self.fill()?;
        }
    }

    fn is_readable(&self, wait: PollTimeout) -> Result<bool, Failure> {
        let mut places = [PollFd::new(self.input.as_fd(), PollFlags::POLLIN)];
        match poll(&mut places, wait) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => Ok(true),
            Err(error) => Err(Failure::Read(self.name.clone(), error.into())),
        }
    }

    /// Reads once.
    fn fill(&mut self) -> Result<(), Failure> {
        let bytes = read(&mut self.input, &mut self.buffer, &self.name)?;
        self.is_ended = bytes == 0;
        let mut fresh = &self.buffer[..bytes];
        if self.is_skipping {
            match fresh.iter().position(is_end) {
                Some(end) => {
                    fresh = &fresh[end + 1..];
                    self.is_skipping = false;
                }
                None => return Ok(()),
            }
        }
        if let Some(end) = fresh.iter().rposition(is_end) {
            self.whole_bytes = self.pending.len() + end + 1;
        }
        self.pending.extend_from_slice(fresh);
        Ok(())
    }

    /// Takes the whole lines there are, within the bound. A line beyond it is cut: the server
    /// keeps less of it than that in any case.
    fn cut(&mut self) -> Vec<u8> {
        let room = BATCH_BYTES_MAX.min(self.pending.len());
        let end = if self.whole_bytes <= room {
            self.whole_bytes
        } else {
            let end = self.pending[..room].iter().rposition(is_end);
            end.map_or(0, |end| end + 1)
        };
        if end == 0 {
            return self.cut_long_line(room);
        }
        let rest = self.pending.split_off(end);
        let batch = core::mem::replace(&mut self.pending, rest);
        self.count_whole();
        batch
    }

    /// Takes the first `room` bytes of a line that is longer, and passes over the rest of it.
    fn cut_long_line(&mut self, room: usize) -> Vec<u8> {
        let rest = self.pending.split_off(room);
        let mut batch = core::mem::replace(&mut self.pending, rest);
        batch.push(b'\n');
        match self.pending.iter().position(is_end) {
            Some(end) => drop(self.pending.drain(..=end)),
            None => {
                self.pending.clear();
                self.is_skipping = true;
            }
        }
        self.count_whole();
        batch
    }

    fn count_whole(&mut self) {
        let end = self.pending.iter().rposition(is_end);
        self.whole_bytes = end.map_or(0, |end| end + 1);
    }
}

/// Whether a record ends with this byte: what the server takes for an end.
fn is_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\0')
}

/// The line on a terminal that says how far we are.
struct Progress {
    clock: Clock,
    /// Bytes there are, where they are known.
    total: Option<u64>,
    sent: u64,
    /// When the line was drawn last, in nanoseconds.
    drawn_ns: u64,
    is_shown: bool,
    is_drawn: bool,
}

impl Progress {
    /// Time between two drawings, in nanoseconds.
    const EVERY_NS: u64 = 100_000_000;

    fn new(input: &File) -> Self {
        let size = input.metadata().ok().filter(|about| about.is_file()).map(|about| about.len());
        Progress {
            clock: Clock::new(),
            total: size,
            sent: 0,
            drawn_ns: 0,
            is_shown: io::stderr().is_terminal(),
            is_drawn: false,
        }
    }

    fn add(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        let now = self.clock.mono();
        if self.is_shown && now.saturating_sub(self.drawn_ns) >= Self::EVERY_NS {
            self.drawn_ns = now;
            self.draw();
        }
    }

    fn draw(&mut self) {
        let line = bar(self.sent, self.total, self.clock.mono());
        // A terminal that goes away is no reason to stop sending.
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
        self.is_drawn = true;
    }

    /// Removes the line, so that a message has a line of its own.
    fn clear(&mut self) {
        if self.is_drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
            self.is_drawn = false;
        }
    }

    /// Leaves the last state standing.
    fn finish(&mut self) {
        if self.is_drawn {
            self.draw();
            let _ = writeln!(io::stderr());
        }
    }
}

/// The progress line: a bar and a share where the total is known, bytes and rate in any case.
fn bar(sent: u64, total: Option<u64>, elapsed_ns: u64) -> String {
    const CELLS: u64 = 30;
    let rate = u128::from(sent) * 1_000_000_000 / u128::from(elapsed_ns.max(1));
    let rate = rounded(u64::try_from(rate).unwrap_or(u64::MAX));
    match total.filter(|total| *total > 0) {
        None => format!("{} sent, {rate}/s", rounded(sent)),
        Some(total) => {
            let share = (u128::from(sent.min(total)) * 100 / u128::from(total)) as u64;
            let full = (share * CELLS / 100) as usize;
            let empty = CELLS as usize - full;
            let (full, empty) = ("#".repeat(full), ".".repeat(empty));
            format!("[{full}{empty}] {share:3} % of {}, {rate}/s", rounded(total))
        }
    }
}

/// A size in its largest unit, rounded down.
fn rounded(bytes: u64) -> String {
    let shift = [30, 20, 10].into_iter().find(|shift| bytes >> shift > 0).unwrap_or(0);
    show_size(bytes >> shift << shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    /// The batches of a file that holds `text`.
    fn batches(text: &[u8]) -> Vec<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let mut batches = Batches::new(file, "test");
        std::iter::from_fn(|| batches.next_batch().unwrap()).collect()
    }

    #[test]
    fn batches_hold_whole_lines_and_lose_nothing() {
        assert_eq!(batches(b""), Vec::<Vec<u8>>::new());
        assert_eq!(batches(b"a\nb"), [b"a\nb"]);
        let text: Vec<u8> =
            (0..400_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        let found = batches(&text);
        assert_eq!(found.len(), text.len() / BATCH_BYTES_MAX + 1);
        for batch in &found {
            assert!(batch.len() <= BATCH_BYTES_MAX && batch.ends_with(b"\n"));
        }
        assert_eq!(found.concat(), text);
    }

    #[test]
    fn a_line_beyond_a_batch_is_cut_and_the_next_is_whole() {
        for long in [BATCH_BYTES_MAX, BATCH_BYTES_MAX + 1, 5 * BATCH_BYTES_MAX] {
            let mut text = b"first\n".to_vec();
            text.extend(vec![b'x'; long]);
            text.extend(b"\nnext\nlast");
            let found = batches(&text).concat();
            let lines: Vec<&[u8]> = found.split(|byte| *byte == b'\n').collect();
            assert_eq!(lines.len(), 4, "{long}");
            assert_eq!((lines[0], lines[2], lines[3]), (&b"first"[..], &b"next"[..], &b"last"[..]));
            assert_eq!(lines[1].len(), BATCH_BYTES_MAX, "{long}");
        }
    }

    #[test]
    fn a_record_that_ends_in_nul_is_whole() {
        let text: Vec<u8> =
            (0..400_000).flat_map(|number| format!("line {number}\0").into_bytes()).collect();
        let found = batches(&text);
        assert_eq!(found.concat(), text);
        assert!(found.iter().all(|batch| batch.ends_with(b"\0")));
        let mut text = vec![b'x'; 2 * BATCH_BYTES_MAX];
        text.extend(b"\0next\0last");
        let found = batches(&text).concat();
        let mut expected = vec![b'x'; BATCH_BYTES_MAX];
        expected.extend(b"\nnext\0last");
        assert!(found == expected, "{} bytes", found.len());
    }

    #[test]
    fn a_slow_program_is_not_waited_for() {
        let (read, mut write) = io::pipe().unwrap();
        let input = std::os::fd::OwnedFd::from(read);
        let mut batches = Batches::new(input.into(), "test");
        write.write_all(b"one\ntwo\nthr").unwrap();
        assert_eq!(batches.next_batch().unwrap().unwrap(), b"one\ntwo\n");
        write.write_all(b"ee\n").unwrap();
        assert_eq!(batches.next_batch().unwrap().unwrap(), b"three\n");
        drop(write);
        assert_eq!(batches.next_batch().unwrap(), None);
    }

    /// Sends a batch to a server that does `serve` with the connection.
    fn sent_to(serve: fn(TcpStream)) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || serve(listener.accept().unwrap().0));
        let result = send_batch(&addr, &b"line\n".repeat(100_000));
        server.join().unwrap();
        result.map_err(|failure| failure.to_string().replace(&addr, "ADDR"))
    }

    #[test]
    fn what_was_read_to_its_end_was_taken_in() {
        let result = sent_to(|mut stream| {
            assert_eq!(io::copy(&mut stream, &mut io::sink()).unwrap(), 500_000);
        });
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn what_was_not_read_was_not_taken_in() {
        let result = sent_to(|mut stream| stream.read_exact(&mut [0; 1000]).unwrap());
        assert!(result.is_err());
        let result = sent_to(drop);
        assert!(result.is_err());
    }

    #[test]
    fn an_end_that_comes_before_ours_is_no_confirmation() {
        // The server closes with nothing unread, then more arrives: its end comes first.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let mut stream = client::connect(&addr, PAUSE_MAX).unwrap();
        stream.write_all(b"taken in\n").unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.read_exact(&mut [0; 9]).unwrap();
        drop(peer);
        stream.write_all(b"on its way\n").unwrap();
        assert!(confirm(stream, &addr).is_err());
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let result = sent_to(|mut stream| {
            stream.write_all(b"ERROR: 1000 clients are connected\n").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            io::copy(&mut stream, &mut io::sink()).unwrap();
        });
        assert_eq!(result, Err("1000 clients are connected".to_owned()));
    }

    #[test]
    fn an_answer_is_shown_as_it_came_with_a_hint() {
        let hint = "; this port takes questions, lines go to the log port (default: 9999)";
        let cases: [(&[u8], &str, &str); 4] = [
            (
                b"ERROR: unknown command \"\\x1b[31m\" (a)\n",
                r#"unknown command "\x1b[31m" (a)"#,
                hint,
            ),
            (b"PONG\r\nmore\n", "PONG", hint),
            (b"ERROR: \x1b[31m\n", "\\x1b[31m", ""),
            (b"ERROR: 1000 clients are connected", "1000 clients are connected", ""),
        ];
        for (words, expected, hint) in cases {
            let failure = refused(words).unwrap().to_string();
            assert_eq!(failure, format!("{expected}{hint}"));
        }
        assert!(refused(b"").is_none());
    }

    #[test]
    fn progress_says_how_far_and_how_fast() {
        let second = 1_000_000_000;
        assert_eq!(bar(3 << 20, None, second), "3M sent, 3M/s");
        let full = bar(50 << 20, Some(100 << 20), 2 * second);
        assert_eq!(full, "[###############...............]  50 % of 100M, 25M/s");
        assert_eq!(bar(0, Some(0), 0), "0B sent, 0B/s");
    }
}
