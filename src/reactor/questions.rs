//! Serving those who ask: input to the session, a bounded step of it, its answers to the socket.

use std::io::{self, Read as _};

use mio::Token;

use super::Reactor;
use super::connections::Received;
use crate::clock::MS;
use crate::limits::{
    LINGER_MS, OUTBOX_BYTES_MAX, OUTBOX_BYTES_MIN, QUERIES_AT_ONCE, SCAN_NS_PER_GO,
    SLICE_NS_PER_TURN,
};
use crate::segment::Seq;
use crate::segment::map::MapStore;
use crate::session::Session;
use crate::session::questions::{Context, Next, Request};
use crate::session::slowlog::SlowCommand;
use crate::session::walk::{Running, Tools};

/// Somebody who is answered when records are on disk.
#[derive(Debug)]
pub(super) struct SyncWaiter {
    token: Token,
    /// Every record below must be.
    goal: Seq,
    /// And this superblock, where its state is what was asked for.
    pub(super) generation: u64,
    /// The answer; the sequence number is added to `SYNC`'s.
    answer: SyncAnswer,
}

#[derive(Debug)]
pub(super) enum SyncAnswer {
    Durable,
    Cleared(u64),
    /// Of an upload over HTTP.
    Upload,
}

/// Where a connection stands after its go.
pub(super) enum Go {
    /// More to do at once: back to the end of the list.
    Again,
    /// Nothing until an event, a timer or the disk.
    Wait,
}

impl Reactor {
    /// Serves ready askers in turn: each that stood in the list at the beginning once, and on in
    /// rounds until the turn's share is spent.
    pub(super) fn serve_questions(&mut self) {
        if self.ready_questions.is_empty() {
            return;
        }
        let began = self.clock.mono();
        while let Some(token) = self.ready_questions.pop_front() {
            if let Some(connection) = self.connections.get_mut(token) {
                connection.is_queued = false;
                let go = self.serve(token);
                self.count_outbox(token);
                if matches!(go, Go::Again) {
                    self.enqueue(token);
                }
            }
            if self.clock.mono() - began >= SLICE_NS_PER_TURN {
                self.metrics.turns_out_of_time += u64::from(!self.ready_questions.is_empty());
                break;
            }
        }
    }

    /// Counts what a connection's answers hold of the memory budget now.
    pub(super) fn count_outbox(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if matches!(connection.session, Session::Irc(_)) {
            // What waits there has a bound of its own.
            return;
        }
        let held = connection.outbox.capacity();
        let before = std::mem::replace(&mut connection.outbox_counted, held);
        self.outbox_bytes = self.outbox_bytes - before + held;
    }

    /// How many bytes of answers may wait for one client: few, where the memory budget is spent.
    pub(super) fn outbox_bytes_max(&self) -> usize {
        let spent = self.held_bytes + self.outbox_bytes + OUTBOX_BYTES_MAX;
        if spent > self.settings.memory { OUTBOX_BYTES_MIN } else { OUTBOX_BYTES_MAX }
    }

    /// One connection's go.
    fn serve(&mut self, token: Token) -> Go {
        let Some(connection) = self.connections.get_mut(token) else { return Go::Wait };
        if connection.is_draining
            || connection.is_ending
            || matches!(connection.session, Session::Refused)
        {
            return self.drain(token);
        }
        if matches!(connection.session, Session::Http(_)) {
            return self.serve_http(token);
        }
        if matches!(connection.session, Session::Irc(_)) {
            return self.serve_irc(token);
        }
        if let Err(reason) = self.hear(token) {
            self.close(token, reason);
            return Go::Wait;
        }
        let next = self.go(token, |reactor| {
            let next = reactor.step(token);
            let goes_on = matches!(next, Next::Again) && reactor.is_scanning(token);
            (next, goes_on)
        });
        next.map_or(Go::Wait, |next| self.after_step(token, next))
    }

    /// Takes steps for a connection, as long as a step says that it goes on and its share of time
    /// lasts, and sends what came of them: what the last step came to. `None` where it has to wait
    /// for a place or for the disk, or its peer is gone.
    pub(super) fn go<N>(
        &mut self,
        token: Token,
        mut step: impl FnMut(&mut Self) -> (N, bool),
    ) -> Option<N> {
        if !self.may_scan(token) {
            self.flush(token);
            return None;
        }
        let until = self.clock.mono() + SCAN_NS_PER_GO;
        loop {
            if self.must_fetch(token) {
                self.flush(token);
                return None;
            }
            let (next, goes_on) = step(self);
            // A window of a scan takes a few microseconds; several make a go.
            if !goes_on || self.clock.mono() >= until {
                return self.flush(token).then_some(next);
            }
        }
    }

    pub(super) fn is_scanning(&self, token: Token) -> bool {
        self.connections.get(token).is_some_and(|one| one.session.running().is_some())
    }

    /// Reads what the session wants to hear.
    fn hear(&mut self, token: Token) -> Result<(), &'static str> {
        let idle_ns = self.question_idle_ns();
        let Some(connection) = self.connections.get_mut(token) else { return Ok(()) };
        let Session::Questions(session) = &connection.session else { return Ok(()) };
        let wanted = session.wants_bytes();
        let received = connection.receive(&mut self.scratch[..wanted], &mut self.metrics);
        let Session::Questions(session) = &mut connection.session else { return Ok(()) };
        match received {
            Received::Bytes(read) => {
                session.hear(&self.scratch[..read]);
                connection.set_deadline(self.now.saturating_add(idle_ns), &mut self.timers);
            }
            Received::Nothing => {}
            Received::Over => session.input_is_over(),
            Received::Gone => return Err("peer gone"),
        }
        Ok(())
    }

    /// Lets the session take its step.
    fn step(&mut self, token: Token) -> Next {
        let out_bytes_max = self.outbox_bytes_max();
        let Some(connection) = self.connections.get_mut(token) else { return Next::Close };
        let Session::Questions(session) = &mut connection.session else { return Next::Close };
        if connection.outbox.len() >= out_bytes_max {
            return Next::Blocked;
        }
        let mut context = Context::<MapStore> {
            segment: self.storage.segment(),
            mono: self.now,
            wall: self.wall,
            out_bytes_max,
            tools: Tools {
                time: &mut self.time,
                tails: &mut self.tail_memo,
                metrics: &mut self.metrics,
            },
        };
        session.step(&mut context, connection.outbox.bytes())
    }

    /// Sends what the socket takes. False where the peer is gone, and the connection with it.
    pub(super) fn flush(&mut self, token: Token) -> bool {
        let Some(connection) = self.connections.get_mut(token) else { return false };
        if connection.outbox.is_empty() {
            return true;
        }
        if connection.send(&mut self.metrics).is_err() {
            self.close(token, "peer gone");
            return false;
        }
        true
    }

    /// Decides how a connection goes on.
    fn after_step(&mut self, token: Token, next: Next) -> Go {
        match next {
            Next::Again => Go::Again,
            Next::Blocked => self.on_blocked(token),
            Next::Following => {
                self.release_scan(token);
                let is_over = self.connections.get(token).is_some_and(|connection| {
                    let Session::Questions(session) = &connection.session else { return false };
                    session.keeps_open && connection.is_peer_done
                });
                if is_over {
                    // In a session the client says when it is over.
                    self.close(token, "peer closed");
                    return Go::Wait;
                }
                self.follow(token);
                Go::Wait
            }
            Next::NotOpen => {
                self.storage.wait_for_open(token);
                Go::Wait
            }
            Next::Ask(request) => self.answer(token, request),
            Next::Finished(running) => {
                self.release_scan(token);
                self.note_finished(token, &running);
                Go::Again
            }
            Next::Close => {
                self.finish_answers(token);
                Go::Wait
            }
            Next::NeedInput => self.on_input_used_up(token),
        }
    }

    /// The answer goes on once the client has taken some of it.
    pub(super) fn on_blocked(&mut self, token: Token) -> Go {
        let is_clear = self.connections.get(token).is_some_and(|one| one.outbox.is_empty());
        if is_clear {
            return Go::Again;
        }
        self.metrics.outbox_full += 1;
        self.release_scan(token);
        Go::Wait
    }

    /// A tail has shown everything: it is looked at again when there is more.
    pub(super) fn follow(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if !std::mem::replace(&mut connection.is_following, true) {
            self.followers.tokens.push(token);
        }
    }

    /// All that was sent is answered: a session waits, others end soon.
    fn on_input_used_up(&mut self, token: Token) -> Go {
        let idle_ns = self.question_idle_ns();
        let Some(connection) = self.connections.get_mut(token) else { return Go::Wait };
        let Session::Questions(session) = &connection.session else { return Go::Wait };
        if session.is_waiting() {
            return Go::Wait;
        }
        if connection.is_readable {
            return Go::Again;
        }
        if connection.is_peer_done || self.life.is_ending() {
            self.finish_answers(token);
        } else if session.keeps_open {
            connection.deadline = None;
        } else if session.commands > 0 && !session.has_input() {
            connection.set_deadline(self.now + LINGER_MS * MS, &mut self.timers);
        } else if connection.deadline.is_none() {
            connection.set_deadline(self.now.saturating_add(idle_ns), &mut self.timers);
        }
        Go::Wait
    }

    /// Answers what only the reactor knows.
    fn answer(&mut self, token: Token, request: Request) -> Go {
        let text = match request {
            Request::Stats => self.report_stats(),
            Request::Metrics => self.report_metrics(),
            Request::Clients => self.report_clients(),
            Request::SlowLog => self.report_slow(),
            Request::Ready => self.report_ready(),
            Request::Sync if !self.storage.is_on_disk() => {
                String::from("ERROR: nothing is durable in memory (start with -P)\n")
            }
            Request::Sync => {
                let goal = self.storage.head();
                return self.wait_for_disk(token, goal, SyncAnswer::Durable);
            }
            Request::Clear => {
                let cleared = self.storage.clear();
                self.wake_followers();
                let goal = Seq(0);
                return self.wait_for_disk(token, goal, SyncAnswer::Cleared(cleared));
            }
        };
        self.give_answer(token, &text);
        Go::Again
    }

    fn give_answer(&mut self, token: Token, text: &str) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.outbox.bytes().extend_from_slice(text.as_bytes());
        if let Session::Questions(session) = &mut connection.session {
            session.answered();
        }
    }

    /// Answers when the disk has it; at once where there is no disk.
    pub(super) fn wait_for_disk(&mut self, token: Token, goal: Seq, answer: SyncAnswer) -> Go {
        let generation = self.storage.want_sync();
        self.sync_waiters.push(SyncWaiter { token, goal, generation, answer });
        self.answer_sync_waiters();
        Go::Wait
    }

    /// Answers everybody whose records are on disk by now, or never will be.
    pub(super) fn answer_sync_waiters(&mut self) {
        let (durable, synced) = (self.storage.durable(), self.storage.synced_generation());
        let is_failed = self.storage.has_failed();
        let mut at = 0;
        while at < self.sync_waiters.len() {
            let waiter = &self.sync_waiters[at];
            let is_done = durable >= waiter.goal && synced >= waiter.generation;
            if !is_done && !is_failed {
                at += 1;
                continue;
            }
            let waiter = self.sync_waiters.swap_remove(at);
            let text = match waiter.answer {
                SyncAnswer::Upload => {
                    self.upload_is_on_disk(waiter.token, is_done);
                    continue;
                }
                SyncAnswer::Cleared(count) if is_done => format!("OK: cleared {count} logs\n"),
                SyncAnswer::Cleared(count) => format!(
                    "ERROR: cleared {count} logs, but not on disk: a sync failed, see the log\n"
                ),
                SyncAnswer::Durable if is_done => {
                    let last = waiter.goal.0.saturating_sub(1);
                    format!("OK: durable through {last}\n")
                }
                SyncAnswer::Durable => {
                    String::from("ERROR: not durable: a sync failed, see the log\n")
                }
            };
            self.give_answer(waiter.token, &text);
            self.enqueue(waiter.token);
        }
    }

    /// Whether a scanner has one of the places, or gets one now. Others stand in a queue.
    fn may_scan(&mut self, token: Token) -> bool {
        let Some(connection) = self.connections.get(token) else { return false };
        let Some(running) = connection.session.running() else { return true };
        if running.is_tail || self.scanners.contains(&token) {
            return true;
        }
        if self.scanners.len() < QUERIES_AT_ONCE {
            self.scanners.push(token);
            return true;
        }
        if !self.scan_queue.contains(&token) {
            self.metrics.queries_queued += 1;
            self.scan_queue.push_back(token);
        }
        false
    }

    /// A connection is gone: nobody waits for it, and it waits for nothing.
    pub(super) fn forget(&mut self, token: Token) {
        self.followers.tokens.retain(|one| *one != token);
        self.scan_queue.retain(|one| *one != token);
        self.sync_waiters.retain(|waiter| waiter.token != token);
        self.stalled_uploads.retain(|one| *one != token);
        self.storage.forget(token);
        self.release_scan(token);
    }

    /// Gives a scanner's place to the next in the queue.
    pub(super) fn release_scan(&mut self, token: Token) {
        let Some(at) = self.scanners.iter().position(|one| *one == token) else { return };
        self.scanners.swap_remove(at);
        while let Some(next) = self.scan_queue.pop_front() {
            if self.connections.get(next).is_some() {
                self.scanners.push(next);
                self.enqueue(next);
                return;
            }
        }
    }

    /// Whether the block a step would touch has to come from the disk first; it is asked for.
    fn must_fetch(&mut self, token: Token) -> bool {
        if !self.storage.is_on_disk() {
            return false;
        }
        let Some(connection) = self.connections.get_mut(token) else { return false };
        let Some(running) = connection.session.running_mut() else { return false };
        let Some(segment) = self.storage.segment() else { return false };
        let Some(block) = running.next_block(segment) else { return false };
        let must = self.storage.must_fetch(block, token);
        self.metrics.waits_fetch += u64::from(must);
        must
    }

    pub(super) fn note_finished(&mut self, token: Token, running: &Running) {
        let took_ns = self.clock.mono().saturating_sub(running.began);
        if !running.is_tail {
            self.metrics.query_finished(took_ns);
        }
        let Some(connection) = self.connections.get(token) else { return };
        self.slow.add(SlowCommand {
            ended: self.wall,
            took_ns,
            scanned_bytes: running.scanned_bytes(),
            found: running.found(),
            peer: connection.peer.to_string(),
            command: running.words.clone(),
        });
    }

    /// Sends the last of the answers, then reads on until the peer closes.
    fn drain(&mut self, token: Token) -> Go {
        let Some(connection) = self.connections.get_mut(token) else { return Go::Wait };
        if !connection.is_draining {
            self.finish_answers(token);
            return Go::Wait;
        }
        if !connection.is_readable {
            return Go::Wait;
        }
        match connection.stream.read(&mut self.scratch) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.is_readable = false;
                Go::Wait
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Go::Again,
            Ok(read) if read > 0 => Go::Again,
            _ => {
                self.close(token, "done");
                Go::Wait
            }
        }
    }
}
