//! Serving those who speak HTTP: input to the session, bounded steps of it, its answers to the
//! socket; and what only the reactor can answer.

use mio::Token;

use super::Reactor;
use super::connections::{Connection, Received};
use super::health::READY;
use super::listeners::{self, Place, Role};
use super::questions::{Go, SyncAnswer};
use super::stream::Peer;
use super::sys;
use crate::clock::{MS, Mono, Wall};
use crate::config::{Listener, Settings, SyncMode};
use crate::limits::{HTTP_IDLE_MS, HTTP_KEEP_ALIVE_MS, READ_BYTES_PER_GO, SCAN_NS_PER_GO};
use crate::metrics::Metrics;
use crate::metrics::families::Exposition;
use crate::proto::http::{AnswerBody, AnswerHead, Status, write_head};
use crate::segment::map::MapStore;
use crate::session::Session;
use crate::session::http::guard::Policy;
use crate::session::http::routes::HostAsk;
use crate::session::http::{Context, HostAnswer, HttpSession, JSON, Next, TEXT};
use crate::session::walk::Tools;

/// A peer as records name it; empty where it has no address.
pub(super) fn peer_name(peer: &Peer) -> String {
    match *peer {
        Peer::Ip(address) => sys::peer_name(address),
        Peer::Unix { .. } => String::new(),
    }
}

/// Appends what a client is told for whom there is no place.
pub(super) fn refusal(reason: &str, wall: Wall, out: &mut Vec<u8>) {
    let body = format!("{reason}\n");
    let head = AnswerHead {
        status: Status::SERVICE_UNAVAILABLE,
        content_type: Some("text/plain; charset=utf-8"),
        headers: &[("Retry-After", "1")],
        body: AnswerBody::Length(body.len() as u64),
        keep_alive: false,
    };
    write_head(&head, wall, out);
    out.extend_from_slice(body.as_bytes());
}

/// What the settings say about who may ask. Of `listeners` those that were passed to us may be open
/// to others though `--bind` is not.
pub(super) fn policy(
    settings: &Settings,
    host_name: &[u8],
    listeners: &[listeners::Listener],
) -> Policy {
    let is_here = |listener: &listeners::Listener| match &listener.place {
        Place::Ip(address) => listener.role != Role::Http || sys::is_loopback(address.ip()),
        Place::Unix(_) => true,
    };
    Policy {
        prefix: settings.http_prefix.clone(),
        cors: settings.cors.clone(),
        is_loopback: settings.bind.iter().all(|address| address.is_loopback())
            && listeners.iter().all(is_here),
        host_name: String::from_utf8_lossy(host_name).into_owned(),
    }
}

impl Reactor {
    /// One connection's go.
    pub(super) fn serve_http(&mut self, token: Token) -> Go {
        let next = self.go(token, |reactor| match reactor.take_http(token) {
            Ok(next) => {
                reactor.count_held(token);
                let goes_on = matches!(next, Next::Again) && reactor.may_go_on(token);
                (next, goes_on)
            }
            Err(reason) => {
                reactor.close(token, reason);
                (Next::Close, false)
            }
        });
        next.map_or(Go::Wait, |next| self.after_http(token, next))
    }

    /// Bytes of the memory budget that are in use.
    pub(super) fn memory_used(&self) -> usize {
        self.held_bytes + self.outbox_bytes + self.tail_memo.held_bytes()
    }

    /// Whether a scan under way may take its next step in the same go.
    fn may_go_on(&self, token: Token) -> bool {
        let running = self.connections.get(token).and_then(|one| one.session.running());
        running.is_some_and(|running| running.is_tail || self.scanners.contains(&token))
    }

    /// Reads what has come, and lets the session work on it.
    fn take_http(&mut self, token: Token) -> Result<Next, &'static str> {
        let out_bytes_max = self.outbox_bytes_max();
        let held_in_all = self.memory_used();
        let tails = self.http_tails;
        let waits_for_disk = self.settings.sync == SyncMode::Always && self.storage.is_on_disk();
        let takes_logs = self.storage.takes_logs();
        let Some(connection) = self.connections.get_mut(token) else { return Ok(Next::Close) };
        let Session::Http(session) = &mut connection.session else { return Ok(Next::Close) };
        if session.is_upload() && !takes_logs {
            session.wait_full(self.now);
            return Ok(Next::Full(crate::segment::Full::Dirty));
        }
        let was_tail = session.is_tail();
        let held = std::mem::take(&mut session.held);
        self.scratch[..held.len()].copy_from_slice(&held);
        let mut filled = held.len();
        // What is left over is worked off first, and answers are taken.
        if held.len() < READ_BYTES_PER_GO && connection.outbox.len() < out_bytes_max {
            let room = &mut self.scratch[filled..];
            filled += receive(connection, held.is_empty(), room, self.now, &mut self.metrics)?;
        }
        let Session::Http(session) = &mut connection.session else { return Ok(Next::Close) };
        let mut context = Context::<MapStore> {
            segment: self.storage.segment_mut(),
            intake: &mut self.intake,
            tools: Tools {
                time: &mut self.time,
                tails: &mut self.tail_memo,
                metrics: &mut self.metrics,
            },
            policy: &self.policy,
            mono: self.now,
            wall: self.wall,
            out_bytes_max,
            line_bytes_max: self.settings.max_line,
            memory_left: self.settings.memory.saturating_sub(held_in_all),
            memory_all: self.settings.memory,
            waits_for_disk,
            tails,
            is_peer_done: connection.is_peer_done,
            is_ending: self.life.is_ending(),
        };
        let (mut used, until) = (0, self.clock.mono() + SCAN_NS_PER_GO);
        let next = loop {
            if connection.outbox.len() >= out_bytes_max {
                break Next::Blocked;
            }
            let out = connection.outbox.bytes();
            let (bytes, next) = session.step(&self.scratch[used..filled], &mut context, out);
            used += bytes;
            let is_scanning = session.running().is_some();
            if !matches!(next, Next::Again) || is_scanning || self.clock.mono() >= until {
                break next;
            }
        };
        session.held = held;
        session.keep(&self.scratch[used..filled]);
        if !session.wants_input() && !session.is_tail() {
            // The silence is ours now.
            connection.deadline = None;
        }
        self.http_tails = self.http_tails - usize::from(was_tail) + usize::from(session.is_tail());
        Ok(next)
    }

    /// Decides how a connection goes on.
    fn after_http(&mut self, token: Token, next: Next) -> Go {
        match next {
            Next::Again => Go::Again,
            Next::Blocked => {
                if let Some(connection) = self.connections.get_mut(token) {
                    let at = self.now + HTTP_IDLE_MS * MS;
                    connection.set_deadline(at, &mut self.timers);
                }
                self.on_blocked(token)
            }
            Next::Following => {
                let Some(connection) = self.connections.get_mut(token) else { return Go::Wait };
                if connection.is_peer_done {
                    self.finish_answers(token);
                    return Go::Wait;
                }
                // Lines that it does not show wake it, and must not put that off.
                let at = self.now + HTTP_KEEP_ALIVE_MS * MS;
                if connection.deadline.is_none_or(|deadline| deadline > at) {
                    connection.set_deadline(at, &mut self.timers);
                }
                self.follow(token);
                Go::Wait
            }
            Next::NeedInput => self.on_request_used_up(token),
            Next::Full(full) => {
                if self.storage.takes_logs() {
                    self.stall(full);
                }
                let Some(connection) = self.connections.get_mut(token) else { return Go::Wait };
                if !std::mem::replace(&mut connection.is_stalled, true) {
                    self.stalled_uploads.push(token);
                }
                connection.deadline = None;
                if let Session::Http(session) = &connection.session
                    && let Some(at) = session.full_until()
                {
                    connection.set_deadline(at, &mut self.timers);
                }
                Go::Wait
            }
            Next::Ask(ask) => {
                self.answer_http(token, ask);
                Go::Again
            }
            Next::Disk => {
                let goal = self.storage.head();
                self.wait_for_disk(token, goal, SyncAnswer::Upload)
            }
            Next::Finished(running) => {
                self.release_scan(token);
                self.note_finished(token, &running);
                Go::Again
            }
            Next::Close => {
                self.finish_answers(token);
                Go::Wait
            }
        }
    }

    /// All that was received is worked off: the rest of the request, or the next one, may take its
    /// time.
    fn on_request_used_up(&mut self, token: Token) -> Go {
        let is_ending = self.life.is_ending();
        let Some(connection) = self.connections.get_mut(token) else { return Go::Wait };
        let Session::Http(session) = &connection.session else { return Go::Wait };
        if session.is_waiting() {
            connection.deadline = None;
            return Go::Wait;
        }
        if connection.is_readable {
            return Go::Again;
        }
        if session.is_idle() && (is_ending || connection.is_peer_done) {
            self.finish_answers(token);
        } else if let Some(at) = session.deadline() {
            connection.set_deadline(at, &mut self.timers);
        }
        Go::Wait
    }

    /// Uploads that waited for the segment go on.
    pub(super) fn wake_uploads(&mut self) {
        if self.stalled_uploads.is_empty() || !self.storage.takes_logs() {
            return;
        }
        for token in std::mem::take(&mut self.stalled_uploads) {
            if let Some(connection) = self.connections.get_mut(token) {
                connection.is_stalled = false;
            }
            self.enqueue(token);
        }
    }

    /// Counts what a session holds of the memory budget now.
    fn count_held(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Session::Http(session) = &connection.session else { return };
        let held = session.held_bytes();
        let before = std::mem::replace(&mut connection.held_counted, held);
        self.held_bytes = self.held_bytes.saturating_sub(before) + held;
    }

    /// What a deadline of a connection that speaks HTTP means.
    pub(super) fn on_http_deadline(&mut self, token: Token) {
        let (now, wall) = (self.now, self.wall);
        let Some(connection) = self.connections.get_mut(token) else { return };
        let has_stuck = !connection.outbox.is_empty()
            && std::mem::replace(&mut connection.bytes_out_seen, connection.bytes_out)
                == connection.bytes_out;
        if has_stuck && !connection.is_queued {
            self.close(token, "takes nothing");
            return;
        }
        let Session::Http(session) = &mut connection.session else { return };
        if connection.is_ending {
            connection.set_deadline(now + HTTP_IDLE_MS * MS, &mut self.timers);
        } else if session.is_tail() {
            if connection.is_following && connection.outbox.is_empty() {
                session.keep_alive(connection.outbox.bytes());
            }
            connection.set_deadline(now + HTTP_KEEP_ALIVE_MS * MS, &mut self.timers);
            self.flush(token);
        } else if connection.is_stalled {
            if session.give_up_waiting(wall, connection.outbox.bytes()) {
                session.count_answer(&mut self.metrics);
                self.finish_answers(token);
            }
        } else if connection.is_queued {
            // What it sent waits for us: the silence is ours.
            connection.set_deadline(now + HTTP_IDLE_MS * MS, &mut self.timers);
        } else if session.wants_input() {
            self.metrics.idle_closed += 1;
            session.time_out(wall, connection.outbox.bytes());
            session.count_answer(&mut self.metrics);
            self.finish_answers(token);
        } else if !connection.outbox.is_empty() {
            connection.set_deadline(now + HTTP_IDLE_MS * MS, &mut self.timers);
        }
        self.count_held(token);
    }

    /// Answers what only the reactor knows.
    fn answer_http(&mut self, token: Token, ask: HostAsk) {
        let wall = self.wall;
        let (status, content_type, body) = self.host_answer(ask);
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Session::Http(session) = &mut connection.session else { return };
        let answer = HostAnswer { status, content_type, body: &body };
        session.answer(&answer, wall, connection.outbox.bytes());
        session.count_answer(&mut self.metrics);
    }

    /// The answer to `ask`: its status, its media type and its body.
    fn host_answer(&mut self, ask: HostAsk) -> (Status, &'static str, Vec<u8>) {
        let mut body = Vec::new();
        match ask {
            HostAsk::Live => (Status::OK, TEXT, self.live().as_bytes().to_vec()),
            HostAsk::Ready => match self.ready() {
                Ok(()) => (Status::OK, TEXT, READY.as_bytes().to_vec()),
                Err(reason) => {
                    (Status::SERVICE_UNAVAILABLE, TEXT, format!("{reason}\n").into_bytes())
                }
            },
            HostAsk::Health { is_text } => {
                let health = self.health();
                if is_text {
                    health.write_text(&mut body);
                } else {
                    health.write_json(&mut body);
                }
                (Status(health.code()), if is_text { TEXT } else { JSON }, body)
            }
            HostAsk::Metrics { is_open } => {
                let exposition =
                    if is_open { Exposition::OpenMetrics } else { Exposition::Prometheus };
                self.expose(exposition, &mut body);
                (Status::OK, exposition.content_type(), body)
            }
        }
    }

    /// What an upload brought is on disk, or never will be.
    pub(super) fn upload_is_on_disk(&mut self, token: Token, is_done: bool) {
        let wall = self.wall;
        let Some(connection) = self.connections.get_mut(token) else { return };
        if let Session::Http(session) = &mut connection.session {
            session.on_disk(is_done, (self.now, wall), connection.outbox.bytes());
            session.count_answer(&mut self.metrics);
        }
        self.count_held(token);
        self.enqueue(token);
    }

    /// Whether a sender at the log port may speak HTTP: whoever may at the HTTP port, as long as
    /// there is a place.
    pub(super) fn may_speak_http(&self, token: Token) -> bool {
        let peer = self.connections.get(token).and_then(|connection| connection.peer.ip());
        self.settings.http_port != 0
            && peer.is_none_or(|ip| self.settings.allows(Listener::Http, ip))
            && self.no_place(Role::Http).is_none()
    }

    /// A sender of log lines turns out to speak HTTP: `said` is what has come of it.
    pub(super) fn become_http(&mut self, token: Token, said: &[u8]) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Session::Logs(logs) = &mut connection.session else { return };
        self.held_bytes = self.held_bytes.saturating_sub(logs.held_bytes());
        let peer = String::from_utf8_lossy(logs.peer()).into_owned();
        connection.stream.reset_at_close(false);
        connection.is_queued = false;
        let mut session = HttpSession::new(&peer, true, self.now);
        session.keep(said);
        self.connections.set_session(token, Session::Http(Box::new(session)));
        self.count_held(token);
        self.enqueue(token);
    }
}

/// Receives what a client has sent, as much as one go allows: how many bytes. `is_first` where
/// nothing is left over from before.
///
/// # Errors
/// The peer is gone.
fn receive(
    connection: &mut Connection,
    is_first: bool,
    room: &mut [u8],
    now: Mono,
    metrics: &mut Metrics,
) -> Result<usize, &'static str> {
    let Session::Http(session) = &connection.session else { return Ok(0) };
    let wanted = if session.wants_input() { READ_BYTES_PER_GO } else { 0 };
    let Some(room) = room.get_mut(..wanted) else { return Ok(0) };
    let received = connection.receive(room, metrics);
    let Session::Http(session) = &mut connection.session else { return Ok(0) };
    match received {
        Received::Bytes(read) => {
            metrics.http.bytes_in += read as u64;
            if session.is_upload() {
                metrics.bytes_in += read as u64;
            }
            session.heard(now, is_first);
            Ok(read)
        }
        Received::Nothing => Ok(0),
        Received::Over => {
            session.input_is_over();
            Ok(0)
        }
        Received::Gone => Err("peer gone"),
    }
}
