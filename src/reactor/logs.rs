//! Reading log lines: the hot path. A socket is received from into the scratch buffer, behind what
//! its connection had left over; whole lines go into the segment; what is left over waits with its
//! connection.

use std::io::{self, Read as _};

use mio::Token;

use super::Reactor;
use crate::limits::{LOG_READ_NS_PER_TURN, READ_BYTES_PER_GO, SCRATCH_BYTES};
use crate::segment::map::MapStore;
use crate::segment::{Full, Segment};
use crate::session::Session;
use crate::session::logs::{LogSession, Taken};

// A stalled connection holds what it had left over and one read; it is worked off before it reads
// again. Beside it, one read and a longest line must fit.
const _: () = assert!(SCRATCH_BYTES >= 3 * READ_BYTES_PER_GO + 2);

/// Memory a sender keeps beyond what it holds, in bytes.
const HELD_BYTES_SPARE: usize = 4096;

/// What became of a connection's go.
enum Go {
    /// It stays in the list: there is more.
    More,
    /// Nothing more for now.
    Dry,
    /// The segment takes no more; it stays in the list, and so does everybody else.
    Stalled,
    /// It is over, for this reason.
    Ended(&'static str),
}

impl Reactor {
    /// Reads from ready senders in turn, until all are dry or the turn's share is spent.
    pub(super) fn read_logs(&mut self) {
        if self.ready_logs.is_empty() || !self.storage.takes_logs() {
            return;
        }
        let began = self.clock.mono();
        let head_before = self.storage.head();
        while let Some(token) = self.ready_logs.pop_front() {
            match self.read_log(token) {
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

    /// Tails have something to look at.
    pub(super) fn wake_followers(&mut self) {
        for token in std::mem::take(&mut self.followers) {
            self.enqueue(token);
        }
    }

    /// One connection's go.
    fn read_log(&mut self, token: Token) -> Go {
        let idle_ns = self.idle_ns();
        let Some(segment) = self.storage.segment_mut() else { return Go::Stalled };
        let Some(connection) = self.connections.get_mut(token) else { return Go::Dry };
        let Session::Logs(session) = &mut connection.session else { return Go::Dry };
        let held = session.held.len();
        self.scratch[..held].copy_from_slice(&session.held);
        let mut filled = held;
        let mut is_over = false;
        let mut is_dry = !connection.is_readable;
        if connection.is_readable && !session.is_stalled {
            let room = &mut self.scratch[held..held + READ_BYTES_PER_GO];
            match connection.stream.read(room) {
                Ok(0) => is_over = true,
                Ok(read) => {
                    filled += read;
                    connection.bytes_in += read as u64;
                    self.metrics.bytes_in += read as u64;
                    session.owed_bytes = session.owed_bytes.saturating_sub(read);
                    // A short read has emptied the socket, and what comes later is a new edge. Only
                    // an end that was already announced would not be told again.
                    let is_short = read < READ_BYTES_PER_GO;
                    connection.is_readable = !is_short || connection.is_peer_done;
                    is_dry = !connection.is_readable;
                    self.metrics.reads_cut_short += u64::from(!is_short);
                    if let Some(idle_ns) = idle_ns {
                        connection.deadline = Some(self.now.saturating_add(idle_ns));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.is_readable = false;
                    is_dry = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.metrics.peers_dead += u64::from(error.kind() == io::ErrorKind::TimedOut);
                    is_over = true;
                }
            }
        }
        let input = &self.scratch[..filled];
        let taken = session.take(input, is_over, segment, self.wall);
        let left = &input[taken.used..];
        let room = self.settings.memory.saturating_sub(self.held_bytes - held + self.outbox_bytes);
        let full = keep(session, left, room, segment, self.wall, taken, &mut self.metrics);
        self.held_bytes = self.held_bytes - held + session.held.len();
        session.is_stalled = full.is_some();
        match full {
            Some(full) => {
                self.storage.pause(full);
                let waits = match full {
                    Full::Dirty => &mut self.metrics.waits_dirty,
                    Full::Limit | Full::NotReady => &mut self.metrics.waits_limit,
                };
                *waits += 1;
                // The end was read; it is not announced again.
                connection.is_readable |= is_over;
                Go::Stalled
            }
            None if is_over => Go::Ended("peer closed"),
            None if is_dry => Go::Dry,
            None => Go::More,
        }
    }

    /// Ends a sender for our own reasons: its last piece is a record.
    pub(super) fn end_logs(&mut self, token: Token, reason: &str) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let mut is_whole = true;
        if let (Session::Logs(session), Some(segment)) =
            (&mut connection.session, self.storage.segment_mut())
        {
            let held = std::mem::take(&mut session.held);
            self.held_bytes = self.held_bytes.saturating_sub(held.len());
            let taken = session.take(&held, true, segment, self.wall);
            count(&taken, &mut self.metrics);
            is_whole = taken.full.is_none();
        }
        if is_whole {
            self.close(token, reason);
        } else {
            // A reset tells the sender that not all of it was taken.
            self.drop_connection(token, reason);
        }
    }
}

/// Keeps what is left over with its connection. Where the memory budget has no `room` for it, the
/// piece is stored as a cut line.
fn keep(
    session: &mut LogSession,
    left: &[u8],
    room: usize,
    segment: &mut Segment<MapStore>,
    wall: u64,
    taken: Taken,
    metrics: &mut crate::metrics::Metrics,
) -> Option<Full> {
    count(&taken, metrics);
    if left.is_empty() {
        session.held = Vec::new();
        return taken.full;
    }
    if session.held.capacity() > HELD_BYTES_SPARE.max(2 * left.len()) {
        session.held = Vec::with_capacity(left.len());
    }
    session.held.clear();
    session.held.extend_from_slice(left);
    if left.len() <= room || taken.full.is_some() {
        return taken.full;
    }
    let cut = session.cut_short(segment, wall);
    metrics.cut_for_memory += cut.lines;
    count(&cut, metrics);
    cut.full
}

fn count(taken: &Taken, metrics: &mut crate::metrics::Metrics) {
    metrics.lines += taken.lines;
    metrics.cut += taken.cut;
    metrics.cut_bytes += taken.cut_bytes;
}
