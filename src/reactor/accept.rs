//! New connections: who may come in, and what those are told who may not.

use std::io;
use std::time::Duration;

use mio::{Interest, Token};

use super::connections::Connection;
use super::irc::IrcPlace;
use super::listeners::{self, Bound, Listener, Place, Role, Wish, is_starved};
use super::stream::{Peer, Stream};
use super::systemd::Passed;
use super::{LISTENERS, Reactor, http, sys};
use crate::clock::{MS, Mono};
use crate::limits::{
    ACCEPT_RETRY_MS, ACCEPTS_PER_TURN, DESCRIPTORS_OWN, DRAIN_MS, HTTP_IDLE_MS, IRC_LAST_WORDS_MS,
    QUESTION_IDLE_MS, QUESTION_PLACES, REFUSALS_AT_ONCE,
};
use crate::log::Severity;
use crate::message::Transport;
use crate::proto::frame::Framing;
use crate::session::{HttpSession, LogSession, QuestionSession, Session};

/// How long to wait before an address that is taken is tried again.
const BIND_RETRY: Duration = Duration::from_millis(20);

impl Reactor {
    /// Binds everything that the settings ask for and that was not passed to us.
    ///
    /// # Errors
    /// `bind ADDRESS: reason`.
    pub(super) fn bind_all(&mut self, passed: Passed, warnings: &[String]) -> io::Result<()> {
        self.warn_of_manager(warnings);
        let wait = self.settings.lock_wait;
        let deadline = self.clock.mono().saturating_add(wait.as_nanos() as u64);
        let mut wishes = Wish::all(&self.settings);
        let mut passed = passed.claim(&mut wishes);
        let is_question = |one: &mut Listener| one.role == Role::Questions;
        let questions = passed.listeners.extract_if(.., is_question).collect();
        self.take_in(passed)?;
        for wish in wishes {
            let bound = self.bind_patiently(&wish, deadline)?;
            self.take_in(bound)?;
        }
        // They come last in the list.
        self.take_in(Bound { listeners: questions, ..Bound::default() })?;
        // By a port of the settings, or by a socket of that name: there is somebody to serve.
        if self.listeners.iter().any(|one| one.role == Role::Irc) {
            self.irc = Some(IrcPlace::new(&self.settings, &self.host_name, self.now, self.wall));
        }
        self.policy = http::policy(&self.settings, &self.host_name, &self.listeners);
        Ok(())
    }

    /// Registers what was opened.
    fn take_in(&mut self, bound: Bound) -> io::Result<()> {
        for reason in bound.skipped {
            self.log.event(self.wall, Severity::Warn, "not_bound", &[("reason", &reason)]);
        }
        for mut listener in bound.listeners {
            let token = Token(LISTENERS + self.listeners.len());
            listener.register(self.poll.registry(), token)?;
            self.listeners.push(listener);
        }
        for inlet in bound.inlets {
            let max_line = self.settings.max_line;
            let session = match inlet.place {
                Place::Ip(_) => LogSession::of_listener(max_line, b"", Transport::Udp),
                Place::Unix(_) => {
                    LogSession::of_listener(max_line, &self.host_name, Transport::Unix)
                }
            };
            self.datagrams.add(inlet, session, self.poll.registry())?;
        }
        Ok(())
    }

    /// Binds one; the server before us may still be on its way out.
    fn bind_patiently(&mut self, wish: &Wish, deadline: Mono) -> io::Result<Bound> {
        loop {
            match listeners::bind(wish, &self.settings.bind) {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && !self.has_signals
                        && self.clock.mono() < deadline =>
                {
                    let mut events = mio::Events::with_capacity(16);
                    let woken = self.poll.poll(&mut events, Some(BIND_RETRY));
                    // Somebody may have come to what is bound already.
                    events.iter().for_each(|event| self.note(event));
                    self.has_signals |= woken.is_err();
                }
                other => return other,
            }
        }
    }

    /// Says where it listens, questions last, and tells a manager how far it is.
    pub(super) fn announce(&mut self) {
        self.announce_datagrams();
        for listener in &self.listeners {
            let (role, place) = (listener.role.name(), &listener.place);
            let transport = match place {
                Place::Ip(_) => Transport::Tcp.name(),
                Place::Unix(_) => Transport::Unix.name(),
            };
            let fields: [(&str, &dyn std::fmt::Display); 3] =
                [("role", &role), ("addr", place), ("transport", &transport)];
            self.log.event_of_many(self.wall, Severity::Info, "listening", &fields);
        }
        self.tell_manager();
        self.write_log();
    }

    /// Accepts what waits, a bounded number over all listeners.
    pub(super) fn accept(&mut self) {
        let mut left = ACCEPTS_PER_TURN;
        // Questions come last in the list, and first here.
        for at in (0..self.listeners.len()).rev() {
            if self.listeners[at].starved_until.is_some_and(|until| until <= self.now) {
                self.listeners[at].starved_until = None;
            }
            while self.listeners[at].is_ready && self.listeners[at].starved_until.is_none() {
                if left == 0 {
                    self.metrics.accepts_put_off += 1;
                    return;
                }
                left -= 1;
                self.accept_one(at);
            }
        }
    }

    fn accept_one(&mut self, at: usize) {
        if !self.has_descriptor_for(self.listeners[at].role) {
            return self.starve(at, &"the rest of the open-file limit is for questions");
        }
        let listener = &mut self.listeners[at];
        match listener.socket.accept() {
            Ok((stream, peer)) => {
                let (role, framing) = (listener.role, listener.framing);
                self.admit(stream, peer, role, framing);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.is_ready = false,
            Err(error) if is_starved(&error) => self.starve(at, &error),
            // The connection was gone before we came to it (ECONNABORTED and the like).
            Err(_) => {}
        }
    }

    /// Lets a listener wait until a descriptor may be free.
    fn starve(&mut self, at: usize, why: &dyn std::fmt::Display) {
        let listener = &mut self.listeners[at];
        listener.starved_until = Some(self.now + ACCEPT_RETRY_MS * MS);
        self.metrics.accepts_without_descriptor += 1;
        let role = listener.role.name();
        let fields: [(&str, &dyn std::fmt::Display); 2] = [("role", &role), ("error", why)];
        self.log.event(self.wall, Severity::Warn, "accept_waits", &fields);
    }

    /// Whether one more of `role` leaves descriptors to those who ask and to checks of health.
    fn has_descriptor_for(&self, role: Role) -> bool {
        let spare = QUESTION_PLACES.min(self.open_files_max / 4);
        let left = match role {
            Role::Questions => 0,
            Role::Http => spare / 2,
            Role::Logs | Role::Syslog | Role::Irc => spare,
        };
        let taken = DESCRIPTORS_OWN + self.listeners.len() + self.connections.len();
        left == 0 || taken + left < self.open_files_max
    }

    /// Takes a connection in, or tells it why not.
    fn admit(&mut self, stream: Stream, peer: Peer, role: Role, framing: Framing) {
        self.metrics.connections_total += 1;
        // Who may use a Unix socket is said by the rights of its file.
        if peer.ip().is_some_and(|ip| !self.settings.allows(role.listener(), ip)) {
            self.metrics.connections_refused += 1;
            self.log.event(
                self.wall,
                Severity::Warn,
                "connection_refused",
                &[("peer", &peer), ("reason", &"not in --allow")],
            );
            return;
        }
        let reason = self.no_place(role).or_else(|| self.no_irc_place(role, &peer));
        if let Some(reason) = reason {
            return self.refuse(stream, peer, role, &reason);
        }
        stream.prepare(!matches!(role, Role::Logs | Role::Syslog));
        let session = match role {
            Role::Logs | Role::Syslog => {
                stream.reset_at_close(true);
                Session::Logs(self.log_session(peer, framing))
            }
            Role::Questions => {
                let may_clear = |ip| sys::is_loopback(ip) || self.settings.allows_clear(ip);
                let is_trusted = peer.ip().is_none_or(may_clear);
                Session::Questions(Box::new(QuestionSession::new(is_trusted)))
            }
            Role::Http => {
                Session::Http(Box::new(HttpSession::new(&http::peer_name(&peer), false, self.now)))
            }
            Role::Irc => return self.admit_irc(stream, peer),
        };
        let Some(token) = self.insert(stream, peer, session) else { return };
        let idle_ns = match role {
            Role::Logs | Role::Syslog => self.idle_ns(),
            Role::Questions => Some(self.question_idle_ns()),
            Role::Http => Some(HTTP_IDLE_MS * MS),
            Role::Irc => None,
        };
        if let (Some(idle_ns), Some(connection)) = (idle_ns, self.connections.get_mut(token)) {
            connection.set_deadline(self.now.saturating_add(idle_ns), &mut self.timers);
        }
    }

    /// Why there is no place for one more of `role`, where there is none.
    pub(super) fn no_place(&self, role: Role) -> Option<String> {
        let senders = self.count_role("logs");
        let others = self.count_role("questions");
        let http = self.count_role("http");
        let clients_max = self.settings.max_clients;
        let all_max = clients_max + QUESTION_PLACES;
        match role {
            Role::Logs | Role::Syslog => (senders >= clients_max)
                .then(|| format!("too many clients: {senders} connected, {clients_max} allowed")),
            Role::Http => (http >= clients_max)
                .then(|| format!("too many clients: {http} connected, {clients_max} allowed")),
            Role::Irc => {
                let (irc, irc_max) = (self.count_role("irc"), self.settings.irc_max_clients);
                (irc >= irc_max)
                    .then(|| format!("too many clients: {irc} connected, {irc_max} allowed"))
            }
            Role::Questions => (senders + others >= all_max).then(|| {
                format!(
                    "too many connections: {others} ask and {senders} send, {all_max} allowed in \
                     all"
                )
            }),
        }
    }

    /// The session of a sender.
    fn log_session(&self, peer: Peer, framing: Framing) -> LogSession {
        let max_line = self.settings.max_line;
        let Peer::Ip(address) = peer else {
            return LogSession::new(max_line, &self.host_name, Transport::Unix, framing);
        };
        let host = sys::peer_name(address);
        let mut session = LogSession::new(max_line, host.as_bytes(), Transport::Tcp, framing);
        if self.settings.is_proxy(address.ip()) {
            session.expect_proxy();
        }
        session
    }

    /// How long a sender may keep silent, where that is limited.
    pub(super) fn idle_ns(&self) -> Option<u64> {
        let idle = self.settings.idle_timeout?;
        Some(u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long an asker may keep silent before a command, or within one.
    pub(super) fn question_idle_ns(&self) -> u64 {
        self.idle_ns().unwrap_or(QUESTION_IDLE_MS * MS)
    }

    /// How many connections have a role.
    pub(super) fn count_role(&self, role: &str) -> usize {
        self.connections.count(role)
    }

    /// Tells a client in one line why it has no place, as long as few are being told.
    fn refuse(&mut self, stream: Stream, peer: Peer, role: Role, reason: &str) {
        self.metrics.connections_refused += 1;
        self.log.event(
            self.wall,
            Severity::Warn,
            "connection_refused",
            &[("peer", &peer), ("reason", &reason)],
        );
        if self.count_role("refused") >= REFUSALS_AT_ONCE {
            return;
        }
        let Some(token) = self.insert(stream, peer, Session::Refused) else { return };
        let Some(connection) = self.connections.get_mut(token) else { return };
        let out = connection.outbox.bytes();
        match role {
            Role::Http => http::refusal(reason, self.wall, out),
            Role::Irc => out.extend_from_slice(format!("ERROR :{reason}\r\n").as_bytes()),
            _ => out.extend_from_slice(format!("ERROR: {reason}\n").as_bytes()),
        }
        self.finish_answers(token);
    }

    /// Registers a connection. None where the poll does not take it.
    pub(super) fn insert(&mut self, stream: Stream, peer: Peer, session: Session) -> Option<Token> {
        let now = self.now;
        let token =
            self.connections.insert(|token| Connection::new(stream, token, peer, session, now));
        let connection = self.connections.get_mut(token)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut connection.stream, token, interest) {
            self.connections.remove(token);
            self.fail("register", &error);
            return None;
        }
        Some(token)
    }

    /// Sends what is left, shuts down our side, and waits a moment for the peer to close.
    pub(super) fn finish_answers(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let before = connection.outbox.len();
        if connection.send(&mut self.metrics).is_err() {
            return self.close(token, "peer gone");
        }
        if !connection.outbox.is_empty() {
            let was_ending = std::mem::replace(&mut connection.is_ending, true);
            // To say something is not to read: only that puts the end off.
            let goes_on = !was_ending || connection.outbox.len() < before;
            let patience_ms = match connection.session {
                Session::Http(_) => Some(HTTP_IDLE_MS),
                Session::Irc(_) => Some(IRC_LAST_WORDS_MS),
                _ => None,
            };
            if let Some(patience_ms) = patience_ms.filter(|_| goes_on) {
                connection.set_deadline(self.now + patience_ms * MS, &mut self.timers);
            }
            return;
        }
        if std::mem::replace(&mut connection.is_draining, true) {
            return;
        }
        let _gone_already = connection.stream.shutdown_write();
        connection.set_deadline(self.now + DRAIN_MS * MS, &mut self.timers);
        connection.is_readable = true;
        self.enqueue(token);
    }
}
