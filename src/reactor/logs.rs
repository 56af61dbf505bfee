//! Reading log lines: the hot path. A socket is received from into the scratch buffer, behind what
//! its connection had left over; whole lines go into the segment; what is left over waits with its
//! connection.

use std::io::{self, Read as _};

use mio::Token;

use super::connections::Connection;
use super::{CONNECTIONS, KMSG, Reactor};
use crate::limits::{
    LOG_READ_NS_PER_TURN, READ_BYTES_PER_GO, REFUSALS_AT_ONCE, SCRATCH_BYTES, TAIL_WAKE_NS,
    TAILS_WOKEN_AT_ONCE,
};
use crate::log::Severity;
use crate::metrics::Metrics;
use crate::proto::frame::{Foreign, MARKS_BYTES_MAX};
use crate::segment::Full;
use crate::segment::map::MapStore;
use crate::session::logs::{LogSession, Refused, Taken};
use crate::session::{Session, Sink};

// A stalled connection holds what it had left over and one read; it is worked off before it reads
// again. Beside it, one read and a longest frame must fit.
const _: () = assert!(SCRATCH_BYTES >= 3 * READ_BYTES_PER_GO + MARKS_BYTES_MAX);

/// Memory a sender keeps beyond what it holds, in bytes.
const HELD_BYTES_SPARE: usize = 4096;

/// What became of the go of a connection, or of another source of logs.
pub(super) enum Go {
    /// It stays in the list: there is more.
    More,
    /// Nothing more for now.
    Dry,
    /// The segment takes no more; it stays in the list, and so does everybody else.
    Stalled,
    /// It is over, for this reason.
    Ended(&'static str),
    /// It is no sender any more.
    Gone,
}

impl Reactor {
    /// Reads from ready senders in turn, until all are dry or the turn's share is spent.
    pub(super) fn read_logs(&mut self) {
        if self.ready_logs.is_empty() || !self.storage.takes_logs() {
            return;
        }
        self.begin_kmsg();
        let began = self.clock.mono();
        let head_before = self.storage.head();
        while let Some(token) = self.ready_logs.pop_front() {
            let go = match token {
                Token(at) if at >= CONNECTIONS => self.read_log(token),
                KMSG => self.read_kmsg(),
                _ => self.read_datagrams(token),
            };
            match go {
                Go::More => self.ready_logs.push_back(token),
                Go::Dry => {
                    if let Some(connection) = self.connections.get_mut(token) {
                        connection.is_queued = false;
                    }
                }
                Go::Stalled => {
                    self.ready_logs.push_front(token);
                    break;
                }
                Go::Ended(reason) => self.close(token, reason),
                Go::Gone => {}
            }
            if self.clock.mono() - began >= LOG_READ_NS_PER_TURN {
                self.metrics.turns_out_of_time += u64::from(!self.ready_logs.is_empty());
                break;
            }
        }
        if self.storage.head() != head_before {
            self.wake_followers();
        }
    }

    /// Tails have something to look at. Where there are many, they look at what a few milliseconds
    /// brought, not at each line.
    pub(super) fn wake_followers(&mut self) {
        self.followers.has_news = !self.followers.tokens.is_empty();
        if !self.followers.has_news || self.now < self.followers.wake_after {
            return;
        }
        self.followers.has_news = false;
        let many = self.followers.tokens.len().saturating_sub(TAILS_WOKEN_AT_ONCE) as u64;
        self.followers.wake_after = self.now.saturating_add(many * TAIL_WAKE_NS);
        let mut followers = std::mem::take(&mut self.followers.tokens);
        for token in followers.drain(..) {
            if let Some(connection) = self.connections.get_mut(token) {
                connection.is_following = false;
            }
            self.enqueue(token);
        }
        self.followers.tokens = followers;
    }

    /// One connection's go.
    fn read_log(&mut self, token: Token) -> Go {
        let idle_ns = self.idle_ns();
        let Some(segment) = self.storage.segment_mut() else { return Go::Stalled };
        let Some(connection) = self.connections.get_mut(token) else { return Go::Dry };
        let Session::Logs(session) = &connection.session else { return Go::Dry };
        let held = session.held.len();
        let held_before = session.held_bytes();
        self.scratch[..held].copy_from_slice(&session.held);
        let (mut filled, mut is_over, mut is_dry) = (held, false, !connection.is_readable);
        if connection.is_readable && !session.is_stalled {
            match receive(connection, &mut self.scratch[held..], &mut self.metrics) {
                Some(0) => is_over = true,
                Some(read) => filled += read,
                None => {}
            }
            is_dry = !connection.is_readable;
            if let (true, Some(idle_ns)) = (filled > held, idle_ns) {
                connection.deadline = Some(self.now.saturating_add(idle_ns));
            }
        }
        let Session::Logs(session) = &mut connection.session else { return Go::Dry };
        let (intake, metrics) = (&mut self.intake, &mut self.metrics);
        let mut sink = Sink { segment, intake, metrics, received_ns: self.wall, now: self.now };
        let input = &self.scratch[..filled];
        let mut taken = session.take(input, is_over, &mut sink);
        let left = &input[taken.used..];
        let is_http = taken.refused == Some(Refused::Foreign(Foreign::Http));
        let said = is_http.then(|| left.to_vec());
        let others = self.held_bytes - held_before + self.outbox_bytes;
        if !is_http {
            keep(session, left, self.settings.memory.saturating_sub(others), &mut taken, &mut sink);
        }
        self.held_bytes = self.held_bytes - held_before + session.held_bytes();
        session.is_stalled = taken.full.is_some() || taken.has_more;
        let (is_stalled, wish) = (session.is_stalled, session.next_deadline());
        if let Some(at) = wish.filter(|_| !connection.is_awaited) {
            connection.is_awaited = true;
            self.session_timers.arm(at, token);
        }
        if let Some(refused) = taken.refused {
            match said {
                Some(said) if self.may_speak_http(token) => self.become_http(token, &said),
                _ => self.refuse_sender(token, &refused),
            }
            return Go::Gone;
        }
        // The end was read; it is not announced again.
        connection.is_readable |= is_over && is_stalled;
        match taken.full {
            Some(full) => {
                self.stall(full);
                Go::Stalled
            }
            None if taken.has_more => Go::More,
            None if is_over => Go::Ended("peer closed"),
            None if is_dry => Go::Dry,
            None => Go::More,
        }
    }

    /// Tells a sender in one line why nothing of it is taken any more, and ends it.
    fn refuse_sender(&mut self, token: Token, refused: &Refused) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match refused {
            Refused::Foreign(_) => self.metrics.foreign += 1,
            Refused::Inflate(_) => self.metrics.inflate_errors += 1,
            Refused::Memory => self.metrics.connections_refused += 1,
            Refused::NoProxy | Refused::Proxy(_) => self.metrics.proxy_errors += 1,
        }
        let fields: [(&str, &dyn std::fmt::Display); 2] =
            [("peer", &connection.peer), ("reason", refused)];
        self.log.event(self.wall, Severity::Warn, "sender_refused", &fields);
        if self.connections.count("refused") >= REFUSALS_AT_ONCE {
            return self.close(token, "refused");
        }
        let Some(connection) = self.connections.get_mut(token) else { return };
        if let Session::Logs(session) = &connection.session {
            self.held_bytes = self.held_bytes.saturating_sub(session.held_bytes());
        }
        connection.stream.reset_at_close(false);
        connection.is_queued = false;
        let out = connection.outbox.bytes();
        if *refused == Refused::Foreign(Foreign::Http) {
            // Its client shows nothing else.
            out.extend_from_slice(b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n");
        }
        out.extend_from_slice(format!("ERROR: {refused}\n").as_bytes());
        self.connections.set_session(token, Session::Refused);
        self.finish_answers(token);
    }

    /// The segment takes no more, for this reason: everybody waits.
    pub(super) fn stall(&mut self, full: Full) {
        self.storage.pause(full);
        let waits = match full {
            Full::Dirty => &mut self.metrics.waits_dirty,
            Full::Limit | Full::NotReady => &mut self.metrics.waits_limit,
        };
        *waits += 1;
    }

    /// Ends a sender for our own reasons: its last piece is a record.
    pub(super) fn end_logs(&mut self, token: Token, reason: &str) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let mut is_whole = true;
        if let (Session::Logs(session), Some(segment)) =
            (&mut connection.session, self.storage.segment_mut())
        {
            self.held_bytes = self.held_bytes.saturating_sub(session.held_bytes());
            let held = std::mem::take(&mut session.held);
            let (intake, metrics) = (&mut self.intake, &mut self.metrics);
            let mut sink = Sink { segment, intake, metrics, received_ns: self.wall, now: self.now };
            let mut taken = session.take(&held, true, &mut sink);
            let mut used = taken.used;
            while taken.has_more {
                taken = session.take(&held[used..], true, &mut sink);
                used += taken.used;
            }
            is_whole = taken.full.is_none() && taken.refused.is_none();
            self.held_bytes += session.held_bytes();
        }
        if is_whole {
            self.close(token, reason);
        } else {
            // A reset tells the sender that not all of it was taken.
            self.drop_connection(token, reason);
        }
    }
}

/// Receives what a sender has sent, as much as one go allows: how many bytes, 0 at its end; `None`
/// where nothing is there now.
fn receive(connection: &mut Connection, room: &mut [u8], metrics: &mut Metrics) -> Option<usize> {
    match connection.stream.read(&mut room[..READ_BYTES_PER_GO]) {
        Ok(0) => Some(0),
        Ok(read) => {
            connection.bytes_in += read as u64;
            metrics.bytes_in += read as u64;
            if let Session::Logs(session) = &mut connection.session {
                session.owed_bytes = session.owed_bytes.saturating_sub(read);
            }
            // A short read has emptied the socket, and what comes later is a new edge. Only an end
            // that was already announced would not be told again.
            let is_short = read < READ_BYTES_PER_GO;
            connection.is_readable = !is_short || connection.is_peer_done;
            metrics.reads_cut_short += u64::from(!is_short);
            Some(read)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            connection.is_readable = false;
            None
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
        Err(error) => {
            metrics.peers_dead += u64::from(error.kind() == io::ErrorKind::TimedOut);
            Some(0)
        }
    }
}

/// Keeps what is left over with its connection. Where the memory budget has no `room` for what it
/// holds, the piece is stored as a cut record.
fn keep(
    session: &mut LogSession,
    left: &[u8],
    room: usize,
    taken: &mut Taken,
    sink: &mut Sink<'_, MapStore>,
) {
    if left.is_empty() {
        session.held = Vec::new();
    } else {
        if session.held.capacity() > HELD_BYTES_SPARE.max(2 * left.len()) {
            session.held = Vec::with_capacity(left.len());
        }
        session.held.clear();
        session.held.extend_from_slice(left);
    }
    // What is left of a gzip stream may become a hundred times as much: it does not wait its turn.
    let is_waiting = taken.full.is_none() && (!taken.has_more || session.is_inflating());
    if is_waiting && session.held_bytes() > room {
        session.cut_short(taken, sink);
    }
}
