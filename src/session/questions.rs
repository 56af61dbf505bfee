//! Somebody who asks: one command a line, each answered in order. Whole lines wait in the inbox
//! while an answer is under way, so a client may send many at once, or one in pieces.

use memchr::memchr;

use super::walk::{Running, Tools, Walk};
use crate::clock::{Mono, Wall};
use crate::limits::{COMMAND_BYTES_MAX, SLOW_COMMAND_BYTES};
use crate::metrics::Metrics;
use crate::proto::command::{self, Command};
use crate::query::{Census, Cursor, Slice, TimeContext};
use crate::segment::{Segment, Store};

/// One who asks.
#[derive(Debug)]
pub struct QuestionSession {
    /// Received and not worked off.
    inbox: Vec<u8>,
    /// The rest of a line that was too long is being dropped.
    is_skipping: bool,
    /// The client has sent its last byte: what is left in the inbox is a line too.
    is_input_over: bool,
    /// `SESSION` was said: the client decides when it is over.
    pub keeps_open: bool,
    /// It may do what destroys.
    is_trusted: bool,
    /// Commands answered, or being answered.
    pub commands: u64,
    task: Task,
}

/// What is being answered.
#[derive(Debug)]
enum Task {
    /// Nothing: the next line may be worked on.
    None,
    /// A query, a tail or a census.
    Walk(Box<Running>),
    /// The reactor owes the answer.
    Host,
}

/// What a session needs for a step.
pub struct Context<'a, S: Store> {
    /// The records; `None` until the segment is open.
    pub segment: Option<&'a Segment<S>>,
    /// The turn's time.
    pub mono: Mono,
    /// The turn's time on the wall.
    pub wall: Wall,
    /// Bytes of answers at which it waits until the client has taken some.
    pub out_bytes_max: usize,
    /// What walks need.
    pub tools: Tools<'a>,
}

/// What the reactor is asked to answer, for it alone knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `STATS`
    Stats,
    /// `STATS json`
    Metrics,
    /// `CLIENTS`
    Clients,
    /// `SLOWLOG`
    SlowLog,
    /// `SYNC`
    Sync,
    /// `CLEAR`
    Clear,
    /// `PING ready`
    Ready,
}

/// What a step came to.
#[derive(Debug)]
pub enum Next {
    /// No whole line is left. What was answered is in `out`.
    NeedInput,
    /// There is more to do at once.
    Again,
    /// `out` is full; go on when the client has taken it.
    Blocked,
    /// A tail has shown everything there is.
    Following,
    /// The segment is not open yet; the line waits.
    NotOpen,
    /// The reactor answers, then calls [`QuestionSession::answered`].
    Ask(Request),
    /// A query has ended; for the slow log.
    Finished(Box<Running>),
    /// The connection ends once `out` is sent.
    Close,
}

impl QuestionSession {
    /// A session that has heard nothing yet. `is_trusted`: it may `CLEAR`.
    pub fn new(is_trusted: bool) -> Self {
        Self {
            inbox: Vec::new(),
            is_skipping: false,
            is_input_over: false,
            keeps_open: false,
            is_trusted,
            commands: 0,
            task: Task::None,
        }
    }

    /// Bytes of input it would take now; 0 while it answers.
    pub fn wants_bytes(&self) -> usize {
        match self.task {
            Task::None => (COMMAND_BYTES_MAX + 2).saturating_sub(self.inbox.len()),
            _ => 0,
        }
    }

    /// Whether part of a command has come.
    pub fn has_input(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// The query, tail or census under way.
    pub fn running(&self) -> Option<&Running> {
        if let Task::Walk(running) = &self.task { Some(running) } else { None }
    }

    /// The same, to take its next step.
    pub fn running_mut(&mut self) -> Option<&mut Running> {
        if let Task::Walk(running) = &mut self.task { Some(running) } else { None }
    }

    /// Whether the reactor owes it an answer.
    pub fn is_waiting(&self) -> bool {
        matches!(self.task, Task::Host)
    }

    /// Whether anything is being answered.
    pub fn is_answering(&self) -> bool {
        !matches!(self.task, Task::None)
    }

    /// Takes input in, at most [`Self::wants_bytes`].
    pub fn hear(&mut self, input: &[u8]) {
        self.inbox.extend_from_slice(input);
    }

    /// The client has sent its last byte.
    pub fn input_is_over(&mut self) {
        self.is_input_over = true;
    }

    /// The reactor has answered what [`Next::Ask`] asked.
    pub fn answered(&mut self) {
        self.task = Task::None;
    }

    /// Takes one bounded step. Answers go to `out`.
    pub fn step<S: Store>(&mut self, context: &mut Context<'_, S>, out: &mut Vec<u8>) -> Next {
        match &mut self.task {
            Task::Host => Next::NeedInput,
            Task::Walk(_) => self.slice(context, out),
            Task::None => self.next_command(context, out),
        }
    }

    fn slice<S: Store>(&mut self, context: &mut Context<'_, S>, out: &mut Vec<u8>) -> Next {
        let Task::Walk(running) = &mut self.task else { return Next::Again };
        let Some(segment) = context.segment else { return Next::NotOpen };
        let room = (out, context.out_bytes_max);
        let slice = running.slice(segment, &mut context.tools, room);
        match slice {
            Slice::More => Next::Again,
            Slice::Blocked => Next::Blocked,
            Slice::CaughtUp => Next::Following,
            Slice::Done => match std::mem::replace(&mut self.task, Task::None) {
                Task::Walk(running) => Next::Finished(running),
                other => {
                    self.task = other;
                    Next::Again
                }
            },
        }
    }

    /// Finds the next whole line and begins to answer it.
    fn next_command<S: Store>(&mut self, context: &mut Context<'_, S>, out: &mut Vec<u8>) -> Next {
        let (line_bytes, used) = match memchr(b'\n', &self.inbox) {
            Some(at) => (at, at + 1),
            None if self.inbox.len() > COMMAND_BYTES_MAX => {
                return self.refuse_long(context.tools.metrics, out);
            }
            None if self.is_input_over && !self.inbox.is_empty() => {
                (self.inbox.len(), self.inbox.len())
            }
            None => return Next::NeedInput,
        };
        if std::mem::take(&mut self.is_skipping) {
            self.inbox.drain(..used);
            return Next::Again;
        }
        let line = self.inbox[..line_bytes].trim_ascii();
        if line.is_empty() {
            self.inbox.drain(..used);
            return Next::Again;
        }
        let is_first = self.commands == 0;
        let has_label =
            |name: &[u8]| context.segment.is_some_and(|segment| segment.has_label(name));
        let times = TimeContext {
            has_label: &has_label,
            ..TimeContext::new(context.wall, context.tools.time.zone())
        };
        let parsed = command::parse(line, &times);
        if context.segment.is_none() && !matches!(parsed, Ok(Command::Ping | Command::Ready)) {
            return Next::NotOpen;
        }
        let words = shorten(line);
        self.inbox.drain(..used);
        if self.inbox.is_empty() {
            self.inbox = Vec::new();
        }
        self.commands += 1;
        context.tools.metrics.commands += 1;
        match parsed {
            Ok(command) => self.begin(command, words, is_first, context, out),
            Err(error) => {
                context.tools.metrics.command_errors += 1;
                error.to_wire(out);
                if error.closes() { Next::Close } else { Next::Again }
            }
        }
    }

    fn begin<S: Store>(
        &mut self,
        command: Command,
        words: String,
        is_first: bool,
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> Next {
        let Some(segment) = context.segment else {
            return self.begin_unopened(&command, out);
        };
        match command {
            Command::Ping => out.extend_from_slice(b"PONG\n"),
            Command::Help => command::help(out),
            Command::Session => {
                self.keeps_open = true;
                out.extend_from_slice(b"OK: open until you close\n");
            }
            Command::Count => {
                // The number is at hand: it takes less than the shortest time that is told apart.
                context.tools.metrics.query_finished(0);
                out.extend_from_slice(format!("COUNT: {}\n", segment.records()).as_bytes());
            }
            Command::Query(query) => {
                let walk = Walk::Records(Cursor::query(*query, segment));
                self.run(walk, words, context.mono, false);
            }
            Command::Tail(query) => {
                let walk = Walk::Records(Cursor::tail(*query, segment));
                self.run(walk, words, context.mono, true);
            }
            Command::Census(listing) => {
                let walk = Walk::Census(Census::new(listing, segment));
                self.run(walk, words, context.mono, false);
            }
            Command::Clear if !is_first => {
                out.extend_from_slice(b"ERROR: CLEAR must be the first line of its connection\n");
            }
            Command::Clear if !self.is_trusted => {
                let reason = "ERROR: CLEAR is allowed from this machine only, or from where \
                              --allow clear=CIDR says\n";
                out.extend_from_slice(reason.as_bytes());
            }
            Command::Clear => return self.ask(Request::Clear),
            Command::Stats => return self.ask(Request::Stats),
            Command::Metrics => return self.ask(Request::Metrics),
            Command::Clients => return self.ask(Request::Clients),
            Command::SlowLog => return self.ask(Request::SlowLog),
            Command::Sync => return self.ask(Request::Sync),
            Command::Ready => return self.ask(Request::Ready),
        }
        Next::Again
    }

    /// Before the segment is open only what says so is answered.
    fn begin_unopened(&mut self, command: &Command, out: &mut Vec<u8>) -> Next {
        if matches!(command, Command::Ready) {
            return self.ask(Request::Ready);
        }
        out.extend_from_slice(b"PONG\n");
        Next::Again
    }

    fn run(&mut self, walk: Walk, words: String, began: Mono, is_tail: bool) {
        self.task = Task::Walk(Box::new(Running::new(walk, words, began, is_tail)));
    }

    fn ask(&mut self, request: Request) -> Next {
        self.task = Task::Host;
        Next::Ask(request)
    }

    /// A line without an end in sight: says so once, and drops it to its end.
    fn refuse_long(&mut self, metrics: &mut Metrics, out: &mut Vec<u8>) -> Next {
        self.inbox.clear();
        if !std::mem::replace(&mut self.is_skipping, true) {
            self.commands += 1;
            metrics.commands_too_long += 1;
            let reason = format!("ERROR: command longer than {COMMAND_BYTES_MAX} bytes\n");
            out.extend_from_slice(reason.as_bytes());
        }
        Next::NeedInput
    }
}

/// A command as SLOWLOG shows it.
pub(super) fn shorten(line: &[u8]) -> String {
    let part = &line[..line.len().min(SLOW_COMMAND_BYTES)];
    let mut words = part.escape_ascii().to_string();
    if part.len() < line.len() {
        words.push('…');
    }
    words
}
