//! One question to a server, and its answer as it arrives.

use crate::cli::client::{self, Failure, Stream};
use crate::cli::output::Output;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// A first line longer than this is no head, in bytes: heads and errors are shorter.
const HEAD_BYTES_MAX: usize = 4 << 10;

/// A line longer than this is no [`Note`], in bytes: one has two numbers of 20 digits at most.
const NOTE_BYTES_MAX: usize = 72;

/// How an answer is to be printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// The bytes of records as they are: nothing is escaped, a record may be several lines.
    pub is_raw: bool,
    /// Lines only, for a pipe: the head is left off, notes go to standard error.
    pub is_bare: bool,
    /// The first line names the columns, and is no record.
    pub has_head: bool,
    /// The answer ends when it is interrupted, not before.
    pub is_follow: bool,
    /// The question has a limit, so that even an answer that is followed has an end.
    pub is_limited: bool,
    /// The newest line comes first and is to be printed last.
    pub is_reversed: bool,
}

/// What the answer held so far.
#[derive(Debug, Default)]
struct Tally {
    /// What the head said, where there was one.
    found: Option<u64>,
    /// Complete lines after the head, notes left out.
    lines: u64,
    /// Records of those found that the server said it lost or found damaged.
    missing: u64,
    /// Whether anything at all came.
    is_answered: bool,
}

impl Tally {
    /// As grep exits: 0 where something was found, 1 where nothing was.
    fn exit_code(&self) -> ExitCode {
        let is_found = match self.found {
            Some(found) => found > 0,
            None => self.is_answered,
        };
        ExitCode::from(u8::from(!is_found))
    }
}

/// Asks `question`, prints the answer, and returns the exit code that grep would.
pub fn run(addr: &str, question: &str, shape: Shape) -> ExitCode {
    let mut answer = Answer::new(shape);
    match answer.ask(addr, question) {
        Ok(()) | Err(Failure::OutputClosed) => answer.tally.exit_code(),
        Err(failure) => super::refuse(&failure),
    }
}

/// An answer that is being read.
struct Answer {
    shape: Shape,
    tally: Tally,
    out: Output,
    /// The answer to `SESSION` comes first.
    is_awaiting_session: bool,
    /// The first line, until it is complete; `None` = it has been dealt with.
    head: Option<Vec<u8>>,
    /// The beginning of the last line, while that is incomplete. It waits here unprinted where it
    /// [may be a note](may_be_note).
    line: Vec<u8>,
    /// In CSV: whether a quote is open, so that a record goes on, and whether one was where the
    /// last line began. A line inside a record is no note.
    is_quoted: bool,
    is_inside: bool,
    /// Everything, where it is to be printed the other way round.
    kept: Vec<u8>,
    /// Notes that are for standard error, until they are written there.
    notes: Vec<u8>,
}

/// What ended the waiting.
enum Woken {
    /// The server sent something, or is done.
    Server,
    /// Nobody reads standard output any more.
    OutputClosed,
    /// The person at the keyboard has seen enough.
    Interrupted,
}

impl Answer {
    fn new(shape: Shape) -> Self {
        Answer {
            shape,
            tally: Tally::default(),
            out: Output::new(shape.is_raw, !shape.is_bare),
            is_awaiting_session: shape.is_follow && !shape.is_limited,
            head: Some(Vec::new()),
            line: Vec::new(),
            is_quoted: false,
            is_inside: false,
            kept: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn ask(&mut self, addr: &str, question: &str) -> Result<(), Failure> {
        let signals = if self.shape.is_follow { Some(hold_signals()?) } else { None };
        let mut stream = client::connect(addr, client::CONNECT_TIMEOUT)?;
        let broken = |action| move |error| Failure::Broken(addr.to_owned(), action, error);
        let written = if self.is_awaiting_session {
            // What has no end by itself ends with us, even where nothing more is found: in a
            // session the end of our side is the end.
            stream.write_all(format!("SESSION\n{question}\n").as_bytes())
        } else {
            // Our end of the connection says that this was all: the server need not wait for more.
            let asked = stream.write_all(format!("{question}\n").as_bytes());
            asked.and_then(|()| stream.shutdown_write())
        };
        written.map_err(broken("write to"))?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match wait(&stream, signals.as_ref())? {
                Woken::Server => {}
                Woken::OutputClosed => return Err(Failure::OutputClosed),
                Woken::Interrupted => return self.print_rest(),
            }
            match stream.read(&mut buffer) {
                Ok(0) => return self.finish(addr),
                Ok(bytes) => {
                    self.take(&buffer[..bytes])?;
                    self.say_notes();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken("read from")(error)),
            }
        }
    }

    /// Takes in bytes of the answer.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(mut head) = self.head.take() else { return self.take_lines(bytes) };
        head.extend_from_slice(bytes);
        loop {
            let end = head.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            if end == 0 && head.len() < HEAD_BYTES_MAX {
                self.head = Some(head);
                return Ok(());
            }
            if note(&head[..end]).is_none() {
                return self.take_head(&head, end);
            }
            // What was lost ahead of the head is none of the lines that it counts.
            let line: Vec<u8> = head.drain(..end).collect();
            self.tally.is_answered = true;
            let mut page = Vec::new();
            self.put_note(&line, &mut page);
            self.print(&page)?;
        }
    }

    /// Deals with the first line, the first `bytes` of `seen`, and what stands behind it.
    fn take_head(&mut self, seen: &[u8], bytes: usize) -> Result<(), Failure> {
        let (head, rest) = seen.split_at(bytes);
        let line = String::from_utf8_lossy(head);
        let line = line.trim_end();
        if let Some(reason) = line.strip_prefix("ERROR: ") {
            return Err(Failure::Refused(reason.to_owned()));
        }
        if std::mem::take(&mut self.is_awaiting_session) {
            self.head = Some(Vec::new());
            return self.take(rest);
        }
        let found = line.strip_prefix("FOUND: ").and_then(|line| line.split(' ').next());
        self.tally.found = found.and_then(|found| found.parse().ok());
        if self.tally.found.is_none() {
            return self.take_lines(seen);
        }
        self.tally.is_answered = true;
        if !self.shape.is_bare {
            self.out.write(head)?;
        }
        self.take_lines(rest)
    }

    /// Prints and counts what stands behind the head.
    fn take_lines(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.tally.is_answered = true;
        let mut page = Vec::with_capacity(bytes.len());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.is_empty() {
                self.is_inside = self.is_quoted;
            }
            let quotes = memchr::memchr_iter(b'"', piece);
            self.is_quoted ^= self.shape.has_head && quotes.count() % 2 == 1;
            let held_bytes = if self.is_held() { self.line.len() } else { 0 };
            let room = (NOTE_BYTES_MAX + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let is_whole = piece.ends_with(b"\n");
            match note(&self.line).filter(|_| is_whole && !self.is_inside) {
                Some(note) => {
                    self.tally.missing += note.records();
                    let line = core::mem::take(&mut self.line);
                    self.put_note(&line, &mut page);
                }
                None if !is_whole && self.is_held() => {}
                None => {
                    page.extend_from_slice(&self.line[..held_bytes]);
                    page.extend_from_slice(piece);
                    self.tally.lines += u64::from(is_whole);
                }
            }
            if is_whole {
                self.line.clear();
            }
        }
        self.print(&page)
    }

    /// Whether what is there of the last line waits for the rest of it.
    fn is_held(&self) -> bool {
        !self.is_inside && may_be_note(&self.line)
    }

    /// Puts a line that is about the answer where it belongs: a pipe that is read by a program
    /// gets none.
    fn put_note(&mut self, line: &[u8], page: &mut Vec<u8>) {
        if self.shape.is_bare {
            self.notes.extend_from_slice(line);
        } else {
            page.extend_from_slice(line);
        }
    }

    fn say_notes(&mut self) {
        // A standard error that is closed is no reason to fail.
        let _ = io::stderr().write_all(&self.notes);
        self.notes.clear();
    }

    fn print(&mut self, page: &[u8]) -> Result<(), Failure> {
        if self.shape.is_reversed {
            self.kept.extend_from_slice(page);
            return Ok(());
        }
        self.out.write(page)
    }

    /// Prints what was incomplete.
    fn print_rest(&mut self) -> Result<(), Failure> {
        if let Some(head) = self.head.take() {
            self.take_head(&head, head.len())?;
        }
        if self.is_held() {
            let line = core::mem::take(&mut self.line);
            self.print(&line)?;
        }
        if self.shape.is_reversed {
            let (head, lines) = split_head(&self.kept, self.shape.has_head);
            self.out.write(head)?;
            for line in records(lines, self.shape.has_head).into_iter().rev() {
                self.out.write(line)?;
            }
        }
        self.out.finish()
    }

    /// Prints what was incomplete, and sees whether the answer that the server ended was whole.
    fn finish(&mut self, addr: &str) -> Result<(), Failure> {
        self.print_rest()?;
        let ended = |why: String| Err(Failure::Ended(addr.to_owned(), why));
        if self.shape.is_follow {
            return match self.shape.is_limited {
                true => Ok(()),
                false => ended("closed the connection".to_owned()),
            };
        }
        if !self.tally.is_answered {
            return ended("closed without an answer".to_owned());
        }
        let Tally { found, lines, missing, .. } = self.tally;
        let seen = lines.saturating_sub(u64::from(self.shape.has_head)) + missing;
        match found {
            // A record as it came may be several lines, but none is less than one.
            Some(found) if seen < found => ended(format!("closed after {seen} of {found} lines")),
            _ => Ok(()),
        }
    }
}

/// The first line of `page`, where that names columns, and the others.
fn split_head(page: &[u8], has_head: bool) -> (&[u8], &[u8]) {
    let end = page.iter().position(|byte| *byte == b'\n').filter(|_| has_head);
    page.split_at(end.map_or(0, |end| end + 1))
}

/// The records of `page`, a line each; in CSV one goes on while a quote is open.
fn records(page: &[u8], is_csv: bool) -> Vec<&[u8]> {
    let mut is_quoted = false;
    let ends = |byte: &u8| {
        is_quoted ^= is_csv && *byte == b'"';
        *byte == b'\n' && !is_quoted
    };
    page.split_inclusive(ends).collect()
}

/// A line that is no record, but says something about the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Note {
    /// So many records are gone.
    Lost(u64),
    /// One record is there, but not what it was.
    Damaged,
    /// Of what was found only a part is shown; which is not counted.
    Sorted,
}

impl Note {
    /// The records that it stands for.
    fn records(self) -> u64 {
        match self {
            Note::Lost(records) => records,
            Note::Damaged => 1,
            Note::Sorted => 0,
        }
    }
}

/// What the server says in `line`, which is complete, where it is no record.
fn note(line: &[u8]) -> Option<Note> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("# ")?.strip_suffix('\n')?;
    let number = |digits: &str| {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| is_number)
    };
    if let Some(digits) = text.strip_prefix("lost ").and_then(|rest| rest.strip_suffix(" lines")) {
        return number(digits).map(Note::Lost);
    }
    if let Some(rest) = text.strip_prefix("sorted the newest ") {
        let (kept, all) = rest.split_once(" of ")?;
        return number(kept).and(number(all)).map(|_| Note::Sorted);
    }
    text.strip_prefix("damaged seq=").and_then(number).map(|_| Note::Damaged)
}

/// Whether a line that begins with `start`, all there is of it so far, may become a note.
fn may_be_note(start: &[u8]) -> bool {
    !start.is_empty()
        && start.len() <= NOTE_BYTES_MAX
        && b"# ".starts_with(&start[..start.len().min(2)])
}

/// Makes SIGINT and SIGTERM something to wait for, so that what has been printed is whole.
fn hold_signals() -> Result<SignalFd, Failure> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals
        .thread_block()
        .and_then(|()| SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC))
        .map_err(|error| Failure::System("wait for signals", error.into()))
}

/// Waits until something can be read, nobody reads our output, or a signal has come.
fn wait(stream: &Stream, signals: Option<&SignalFd>) -> Result<Woken, Failure> {
    let stdout = io::stdout();
    loop {
        let mut places = vec![
            PollFd::new(stream.as_fd(), PollFlags::POLLIN),
            // Nothing is asked of it, so it reports only that its other end is gone.
            PollFd::new(stdout.as_fd(), PollFlags::empty()),
        ];
        places.extend(signals.map(|signals| PollFd::new(signals.as_fd(), PollFlags::POLLIN)));
        match poll(&mut places, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(Failure::System("poll", error.into())),
        }
        let is_woken = |index: usize| places.get(index).and_then(PollFd::any).unwrap_or(false);
        if is_woken(2) {
            return Ok(Woken::Interrupted);
        }
        if is_woken(1) {
            return Ok(Woken::OutputClosed);
        }
        if is_woken(0) {
            return Ok(Woken::Server);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_told_from_records() {
        let cases: [(&[u8], Option<Note>); 10] = [
            (b"# lost 12 lines\n", Some(Note::Lost(12))),
            (b"# lost 0 lines\n", Some(Note::Lost(0))),
            (b"# damaged seq=5\n", Some(Note::Damaged)),
            (b"# sorted the newest 10000 of 12345\n", Some(Note::Sorted)),
            (b"# sorted the newest first\n", None),
            (b"# lost x lines\n", None),
            (b"# lost +1 lines\n", None),
            (b"# a comment in a log\n", None),
            (b"# damaged seq=5", None),
            (b"", None),
        ];
        for (line, expected) in cases {
            assert_eq!(note(line), expected);
        }
        let longest = format!("# sorted the newest {} of {0}\n", u64::MAX);
        assert!(longest.len() <= NOTE_BYTES_MAX && note(longest.as_bytes()).is_some());
    }

    /// What is printed of `answer`, and its tally, whole and in pieces of each length.
    #[track_caller]
    fn check(is_bare: bool, answer: &str, printed: &str, counted: (Option<u64>, u64, u64)) {
        let shape = Shape { is_bare, is_reversed: true, ..Shape::default() };
        for bytes in 1..=answer.len() {
            let mut found = Answer::new(shape);
            for piece in answer.as_bytes().chunks(bytes) {
                found.take(piece).unwrap();
            }
            let Tally { found: head, lines, missing, .. } = found.tally;
            assert_eq!((head, lines, missing), counted, "{bytes}");
            assert_eq!(String::from_utf8_lossy(&found.kept), printed, "{bytes}");
        }
    }

    #[test]
    fn notes_are_no_lines_and_stay_out_of_pipes() {
        let answer = "# lost 3 lines\nFOUND: 4 matches\n{}\n# damaged seq=9\n# lost 1 lines\n# x\n";
        check(true, answer, "{}\n# x\n", (Some(4), 2, 2));
        let followed = "# lost 3 lines\n#\n# lost\n[] a\n# lost 2 lines\n";
        check(true, followed, "#\n# lost\n[] a\n", (None, 3, 2));
        check(false, "[] a\n# damaged seq=7\n", "[] a\n# damaged seq=7\n", (None, 1, 1));
    }

    #[test]
    fn a_line_inside_a_csv_record_is_no_note() {
        let answer = "a,b\n1,\"x\n# lost 5 lines\n\"\"\n# lost 6 lines\n\"\n# lost 7 lines\n2,z\n";
        let printed = answer.replace("# lost 7 lines\n", "");
        let shape = Shape { is_bare: true, is_reversed: true, has_head: true, ..Shape::default() };
        for bytes in 1..=answer.len() {
            let mut found = Answer::new(shape);
            for piece in answer.as_bytes().chunks(bytes) {
                found.take(piece).unwrap();
            }
            assert_eq!(found.tally.missing, 7, "{bytes}");
            assert_eq!(String::from_utf8_lossy(&found.kept), printed, "{bytes}");
        }
    }

    #[test]
    fn columns_stay_in_front_of_records_the_other_way_round() {
        let page = b"a,b\r\n1,\"x\n\"\"y\n\"\r\n2,z\r\n";
        let (head, lines) = split_head(page, true);
        assert_eq!(head, b"a,b\r\n");
        assert_eq!(records(lines, true), [&b"1,\"x\n\"\"y\n\"\r\n"[..], b"2,z\r\n"]);
        assert_eq!(split_head(page, false).0, b"");
        assert_eq!(records(b"a \"b\nc\nd", false), [&b"a \"b\n"[..], b"c\n", b"d"]);
    }

    #[test]
    fn exit_codes_are_those_of_grep() {
        let code = |found, is_answered| {
            format!("{:?}", Tally { found, is_answered, ..Tally::default() }.exit_code())
        };
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(Some(3), true), expected(0));
        assert_eq!(code(Some(0), true), expected(1));
        assert_eq!(code(None, true), expected(0));
        assert_eq!(code(None, false), expected(1));
    }
}
