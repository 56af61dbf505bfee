//! The reactor: one poll loop that owns every connection. It works in turns, and a turn is short:
//! events, signals, the disk's answers, accepts, questions, logs, the sync, timers.
//!
//! mio is edge-triggered: what was left before `WouldBlock` stands in a ready list, or it may sleep
//! forever. Ready connections are served in rounds and keep their place from turn to turn.

mod accept;
pub mod connections;
mod datagrams;
pub mod disk;
mod exposition;
mod health;
mod http;
mod intake;
mod irc;
mod kmsg;
mod life;
pub mod listeners;
mod logs;
mod opening;
pub mod outbox;
mod pages;
mod process;
mod questions;
mod report;
mod storage;
pub mod stream;
#[allow(unsafe_code)]
pub mod sys;
mod systemd;
mod timers;
pub mod unix;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use jiff::tz::TimeZone;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::clock::{Clock, MS, Mono, Wall};
use crate::config::Settings;
use crate::limits::SCRATCH_BYTES;
use crate::log::{Log, Severity};
use crate::metrics::Metrics;
use crate::query::{Busiest, LocalTime, TailMemo};
use crate::session::http::guard::Policy;
use crate::session::slowlog::SlowLog;
use crate::session::{Intake, Session};

use connections::Connections;
use datagrams::Datagrams;
use irc::IrcPlace;
use kmsg::Kmsg;
use life::Life;
use listeners::Listener;
use process::Process;
use storage::Storage;
use systemd::{Manager, Notify};
use timers::Timers;

/// The signal pipe.
const SIGNALS: Token = Token(0);
/// The disk helper's answers.
const DISK: Token = Token(1);
/// The thread that resizes the segment has ended.
const RESIZED: Token = Token(2);
/// The kernel's messages.
const KMSG: Token = Token(3);
/// The log channels of IRC, where they wait for a block.
const IRC_FEEDS: Token = Token(4);
/// The first listener; the others follow.
const LISTENERS: usize = 16;
/// The first socket of datagrams; the others follow.
const INLETS: usize = 1 << 20;
/// Connections' tokens begin here.
const CONNECTIONS: usize = 1 << 24;

/// Events taken from the kernel in one turn.
const EVENTS_PER_TURN: usize = 1024;

/// The zone that `TZ` names, else UTC.
pub(crate) fn time_zone() -> TimeZone {
    named_zone().unwrap_or(TimeZone::UTC)
}

/// Tells what is wrong with the configuration and with `TZ`; the zone that it names, else UTC.
fn begin_log(log: &mut Log, wall: Wall, warnings: &[String]) -> TimeZone {
    for warning in warnings {
        log.event(wall, Severity::Warn, "config", &[("message", warning)]);
    }
    named_zone().unwrap_or_else(|error| {
        log.event(wall, Severity::Warn, "time_zone", &[("error", &error)]);
        TimeZone::UTC
    })
}

/// The zone that `TZ` names.
///
/// # Errors
/// There is no such zone.
fn named_zone() -> Result<TimeZone, jiff::Error> {
    match std::env::var("TZ") {
        Ok(name) if !name.is_empty() => TimeZone::try_system(),
        _ => Ok(TimeZone::UTC),
    }
}

/// Tails that have shown everything.
#[derive(Default)]
struct Followers {
    tokens: Vec<Token>,
    /// There is something for them to look at.
    has_news: bool,
    /// Not before this are they told.
    wake_after: Mono,
}

/// Everything the server is made of. See the module's text for the way of a turn.
pub struct Reactor {
    poll: Poll,
    clock: Clock,
    /// The turn's time.
    now: Mono,
    /// The turn's time on the wall; what is received in this turn was received then.
    wall: Wall,
    settings: Settings,
    log: Log,
    metrics: Metrics,
    process: Process,
    /// What was due next when the poll began to wait, and the last such time that was met.
    due: Option<Mono>,
    due_met: Mono,
    signals: OwnedFd,
    has_signals: bool,
    has_disk_answers: bool,
    listeners: Vec<Listener>,
    connections: Connections,
    datagrams: Datagrams,
    kmsg: Option<Kmsg>,
    /// Where a service manager is told how we are.
    notify: Option<Notify>,
    /// What stands between all senders and the segment.
    intake: Intake,
    /// Not before this is told what was held back: the segment had no room.
    tell_after: Mono,
    /// What this machine calls itself: the host of what has no address.
    host_name: Vec<u8>,
    /// The open-file limit; 0 where it is unknown.
    open_files_max: usize,
    timers: Timers,
    /// When senders' sessions want to be looked at though nothing comes: one entry for each.
    session_timers: Timers,
    /// Askers with something to do, in order.
    ready_questions: VecDeque<Token>,
    /// Senders with something to read, connected or not, in order.
    ready_logs: VecDeque<Token>,
    /// Tails that have shown everything.
    followers: Followers,
    /// Uploads that wait until the segment takes lines.
    stalled_uploads: Vec<Token>,
    /// Tails over HTTP that are open.
    http_tails: usize,
    /// Who may ask over HTTP.
    policy: Policy,
    /// The IRC server; `None` where it is off.
    irc: Option<Box<IrcPlace>>,
    /// Who waits for the disk before they are answered.
    sync_waiters: Vec<questions::SyncWaiter>,
    /// Who waits for one of the places to scan, in order.
    scan_queue: VecDeque<Token>,
    /// Who scans.
    scanners: Vec<Token>,
    storage: Storage,
    time: LocalTime,
    /// What tails have in common.
    tail_memo: TailMemo,
    /// Who sends most.
    busiest: Busiest,
    slow: SlowLog,
    scratch: Box<[u8]>,
    /// Bytes held in partial lines, in all.
    held_bytes: usize,
    /// Bytes held in answers, in all.
    outbox_bytes: usize,
    life: Life,
}

impl Reactor {
    /// A reactor that listens as `settings` say and begins to open the segment. Warnings of the
    /// configuration are the first events of its log.
    ///
    /// # Errors
    /// One line's worth: an address that cannot be bound, a directory that cannot be used.
    pub fn start(settings: Settings, warnings: &[String]) -> io::Result<Self> {
        // First of all: what was passed is known by the numbers of its descriptors.
        let manager = Manager::take();
        let clock = Clock::new();
        let mut log = Log::new(settings.log_level, settings.log_format);
        let zone = begin_log(&mut log, clock.wall(), warnings);
        let poll = Poll::new()?;
        let signals = sys::signals_by_pipe()?;
        let fd = signals.as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), SIGNALS, Interest::READABLE)?;
        let (now, wall, host_name) = (clock.mono(), clock.wall(), sys::host_name());
        let mut reactor = Self {
            poll,
            now,
            wall,
            clock,
            log,
            metrics: Metrics::default(),
            process: Process::new(wall),
            due: None,
            due_met: 0,
            signals,
            has_signals: false,
            has_disk_answers: false,
            listeners: Vec::new(),
            connections: Connections::default(),
            datagrams: Datagrams::default(),
            kmsg: None,
            notify: manager.notify,
            intake: intake::new(&settings, &host_name, &zone),
            tell_after: 0,
            timers: Timers::default(),
            session_timers: Timers::default(),
            ready_questions: VecDeque::new(),
            ready_logs: VecDeque::new(),
            followers: Followers::default(),
            stalled_uploads: Vec::new(),
            http_tails: 0,
            policy: http::policy(&settings, &host_name, &[]),
            irc: None,
            sync_waiters: Vec::new(),
            scan_queue: VecDeque::new(),
            scanners: Vec::new(),
            storage: Storage::new(settings.sync),
            time: LocalTime::new(zone),
            tail_memo: TailMemo::default(),
            busiest: Busiest::default(),
            slow: SlowLog::default(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            held_bytes: 0,
            outbox_bytes: 0,
            life: Life::default(),
            host_name,
            open_files_max: sys::raise_open_files(),
            settings,
        };
        reactor.bind_all(manager.passed, &manager.warnings)?;
        reactor.open_kmsg()?;
        // Before there are other threads: they run where this one does. On another processor they
        // would interrupt this one for every page that they send to the disk.
        reactor.apply_process_settings()?;
        reactor.storage = Storage::start(&reactor.settings, reactor.poll.registry(), now, wall)?;
        // In memory and in a new file it is open already.
        reactor.open_feeds();
        reactor.announce();
        if let Some(reason) = reactor.storage.not_ready() {
            reactor.log.event(wall, Severity::Info, "opening", &[("waits_for", &reason)]);
        }
        Ok(reactor)
    }

    /// Runs until a signal or a failure ends it; the exit code is the process's.
    pub fn run(mut self) -> ExitCode {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            self.due = self.next_due();
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.fail("poll", &error);
                    return self.last_words(ExitCode::FAILURE);
                }
            }
            if let Some(code) = self.turn(&events) {
                return self.last_words(code);
            }
        }
    }

    /// One turn over the events of one poll. Some code ends the process.
    fn turn(&mut self, events: &Events) -> Option<ExitCode> {
        self.now = self.clock.mono();
        self.wall = self.clock.wall();
        self.metrics.turns += 1;
        let began = self.now;
        self.note_lag();
        for event in events {
            self.note(event);
        }
        self.take_signals();
        self.take_disk_answers();
        self.work_on_storage();
        self.count_streams();
        self.accept();
        self.storage.expire(self.wall);
        self.wake_uploads();
        if self.followers.has_news {
            self.wake_followers();
        }
        let head = self.storage.head();
        self.serve_feeds();
        self.serve_questions();
        self.read_logs();
        self.tell_due();
        self.manage_sync();
        self.fire_timers();
        self.wake_sessions();
        self.deliver_irc();
        self.keep_irc();
        if self.storage.head() != head {
            self.wake_followers();
            self.wake_irc();
        }
        let end = self.advance_life();
        self.tell_manager();
        self.write_log();
        self.metrics.turn_ended(began, self.clock.mono());
        end
    }

    /// How long the poll may wait: not at all while something is left to do.
    fn timeout(&self) -> Option<Duration> {
        let takes_logs = self.storage.takes_logs();
        let has_work = self.settings.spin
            || self.has_signals
            || !self.ready_questions.is_empty()
            || (takes_logs && !(self.ready_logs.is_empty() && self.stalled_uploads.is_empty()))
            || self.storage.has_work()
            || self.owes_irc()
            || self.life.is_ending_now()
            || self.listeners.iter().any(|one| one.is_ready && one.starved_until.is_none());
        if has_work {
            return Some(Duration::ZERO);
        }
        // Rounded up, for a poll that wakes early would turn in vain.
        let wait = self.due?.saturating_sub(self.clock.mono()).div_ceil(MS);
        Some(Duration::from_millis(wait))
    }

    /// When something is due though nothing comes.
    fn next_due(&self) -> Option<Mono> {
        let starved = self.listeners.iter().filter_map(|one| one.starved_until).min();
        // A log line that standard error did not take is offered again a little later.
        let unwritten = (!self.log.is_empty()).then(|| self.now + 100 * MS);
        let next = [
            self.timers.next(),
            self.session_timers.next(),
            self.storage.next_deadline(),
            self.intake.next_deadline().map(|at| at.max(self.tell_after)),
            self.life.next_deadline(),
            self.notify.as_ref().and_then(Notify::next_deadline),
            self.followers.has_news.then_some(self.followers.wake_after),
            self.irc_deadline(),
            starved,
            unwritten,
        ];
        next.into_iter().flatten().min()
    }

    /// Counts what the turn before has stored, by stream.
    fn count_streams(&mut self) {
        if let Some(segment) = self.storage.segment() {
            self.busiest.count(segment, self.now);
        }
    }

    /// Counts how late the turn is for what was due, once for each time that something was.
    fn note_lag(&mut self) {
        let Some(due) = self.due.filter(|due| *due <= self.now && *due > self.due_met) else {
            return;
        };
        self.due_met = due;
        self.metrics.lag_times.record(self.now, self.now - due);
    }

    /// Remembers what an event says, and puts its connection into a ready list.
    fn note(&mut self, event: &Event) {
        let token = event.token();
        match token {
            SIGNALS => self.has_signals = true,
            DISK => self.has_disk_answers = true,
            Token(at) if at >= CONNECTIONS => self.note_connection(event),
            KMSG => self.note_kmsg(),
            Token(at) if at >= INLETS => self.note_datagrams(token),
            Token(at) if at >= LISTENERS => {
                if let Some(listener) = self.listeners.get_mut(at - LISTENERS) {
                    listener.is_ready = true;
                }
            }
            // The resize that has ended is looked at in every turn until the segment is open.
            _ => {}
        }
    }

    fn note_connection(&mut self, event: &Event) {
        let token = event.token();
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.is_readable |= event.is_readable() || event.is_read_closed();
        connection.is_peer_done |= event.is_read_closed();
        if event.is_error() {
            // Only a read tells which error it is, and clears it.
            connection.is_readable = true;
            connection.is_peer_done = true;
        }
        // Both directions are down: what we would answer has nobody to read it.
        let is_gone = event.is_write_closed() && event.is_read_closed();
        let reads_on = matches!(connection.session, Session::Logs(_) | Session::Irc(_));
        if is_gone && !connection.is_draining && !reads_on {
            self.close(token, "peer closed");
            return;
        }
        self.enqueue(token);
    }

    /// Puts a connection at the end of its ready list, where it is not in it yet.
    fn enqueue(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if std::mem::replace(&mut connection.is_queued, true) {
            return;
        }
        match connection.session {
            Session::Logs(_) => self.ready_logs.push_back(token),
            Session::Questions(_) | Session::Http(_) | Session::Irc(_) | Session::Refused => {
                self.ready_questions.push_back(token);
            }
        }
    }

    /// Ends a connection in order: a sender reads from it that all of its lines were taken.
    fn close(&mut self, token: Token, reason: &str) {
        if let Some(connection) = self.connections.get(token)
            && matches!(connection.session, Session::Logs(_))
        {
            connection.stream.reset_at_close(false);
        }
        self.drop_connection(token, reason);
    }

    /// Ends a connection and gives back what it held. A sender is reset.
    fn drop_connection(&mut self, token: Token, reason: &str) {
        let Some(mut connection) = self.connections.remove(token) else { return };
        let _gone_anyway = self.poll.registry().deregister(&mut connection.stream);
        self.outbox_bytes -= connection.outbox_counted;
        if let Session::Logs(logs) = &connection.session {
            self.held_bytes = self.held_bytes.saturating_sub(logs.held_bytes());
        } else {
            self.forget(token);
        }
        if let Session::Http(session) = &connection.session {
            self.held_bytes = self.held_bytes.saturating_sub(connection.held_counted);
            self.http_tails -= usize::from(session.is_tail());
        }
        if let Session::Irc(session) = &connection.session {
            self.forget_irc(session.user());
        }
        for listener in &mut self.listeners {
            // A descriptor has become free.
            listener.starved_until = None;
        }
        if self.log.keeps(Severity::Debug) {
            let role = connection.session.role();
            self.log.event(
                self.wall,
                Severity::Debug,
                "connection_closed",
                &[("role", &role), ("peer", &connection.peer), ("reason", &reason)],
            );
        }
    }

    /// Reports a failure of the system.
    fn fail(&mut self, what: &'static str, error: &io::Error) {
        self.log.event(self.wall, Severity::Error, what, &[("error", error)]);
    }

    /// Looks at every connection whose deadline has come.
    fn fire_timers(&mut self) {
        while let Some(token) = self.timers.pop_due(self.now) {
            let Some(connection) = self.connections.get_mut(token) else { continue };
            if connection.is_due(self.now, &mut self.timers) {
                self.on_deadline(token);
            }
        }
    }

    /// What a connection's deadline means depends on what it was doing.
    fn on_deadline(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.is_draining {
            self.metrics.drains_cut_short += 1;
            return self.close(token, "did not close");
        }
        // What it sent waits for us: the silence is ours.
        let is_ours = connection.is_queued || self.storage.segment().is_none();
        match &connection.session {
            // What is being answered has no deadline; the next is set when it is.
            Session::Questions(session) if session.is_answering() => {}
            Session::Questions(session)
                if connection.is_queued || (is_ours && session.has_input()) => {}
            Session::Questions(session) if session.commands > 0 && !session.has_input() => {
                self.finish_answers(token);
            }
            Session::Questions(_) => {
                self.metrics.idle_closed += 1;
                connection.outbox.bytes().extend_from_slice(b"ERROR: no command in time\n");
                self.finish_answers(token);
            }
            Session::Http(_) => self.on_http_deadline(token),
            Session::Irc(_) => self.on_irc_deadline(token),
            Session::Logs(_) if is_ours || !self.storage.takes_logs() => {
                if let Some(idle_ns) = self.idle_ns()
                    && let Some(connection) = self.connections.get_mut(token)
                {
                    connection.set_deadline(self.now.saturating_add(idle_ns), &mut self.timers);
                }
            }
            // It is not limited any more.
            Session::Logs(_) if self.settings.idle_timeout.is_none() => {}
            Session::Logs(_) => {
                self.metrics.idle_closed += 1;
                self.end_logs(token, "idle");
            }
            Session::Refused => self.close(token, "refused"),
        }
    }
}
