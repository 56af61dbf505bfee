//! The slab of connections, and what is done with those who are answered: receiving and sending.

use std::io::{self, Read as _};

use mio::Token;
use slab::Slab;

use super::outbox::Outbox;
use super::stream::{Peer, Stream};
use super::timers::Timers;
use crate::clock::Mono;
use crate::metrics::Metrics;
use crate::session::Session;

/// One connection, whatever is spoken on it.
#[derive(Debug)]
pub struct Connection {
    /// The socket, registered with the poll.
    pub stream: Stream,
    /// Its own token: slab index and generation.
    pub token: Token,
    /// Who it is.
    pub peer: Peer,
    /// What is spoken on it, and how far that is.
    pub session: Session,
    /// What it has still to take.
    pub outbox: Outbox,
    /// mio reports edges: there may be more to read until a read says `WouldBlock`.
    pub is_readable: bool,
    /// The peer has sent its last byte, read or not.
    pub is_peer_done: bool,
    /// It stands in a ready list.
    pub is_queued: bool,
    /// It is an upload that waits until the segment takes lines.
    pub is_stalled: bool,
    /// It stands among the tails that have shown everything.
    pub is_following: bool,
    /// Bytes of the outbox that were counted against the memory budget.
    pub outbox_counted: usize,
    /// Bytes that its session holds, as they were counted; not of a sender of log lines.
    pub held_counted: usize,
    /// It ends once the outbox is empty.
    pub is_ending: bool,
    /// We have sent our last byte and only wait for the peer to close.
    pub is_draining: bool,
    /// When to look at it again, whatever happens.
    pub deadline: Option<Mono>,
    /// It stands among those whose sessions want to be looked at though nothing comes.
    pub is_awaited: bool,
    /// The soonest entry it has among the timers.
    armed: Option<Mono>,
    /// When it was accepted.
    pub opened: Mono,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes the socket took.
    pub bytes_out: u64,
    /// As many as that when its deadline came last.
    pub bytes_out_seen: u64,
}

/// What a socket had for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing now, or there is no room for it.
    Nothing,
    /// The peer has sent its last byte.
    Over,
    /// The connection is broken: the peer hears nothing any more either.
    Gone,
}

impl Connection {
    /// A connection accepted `now`, of which nothing is known yet.
    pub fn new(stream: Stream, token: Token, peer: Peer, session: Session, now: Mono) -> Self {
        Self {
            stream,
            token,
            peer,
            session,
            outbox: Outbox::default(),
            outbox_counted: 0,
            held_counted: 0,
            is_readable: false,
            is_peer_done: false,
            is_queued: false,
            is_stalled: false,
            is_following: false,
            is_ending: false,
            is_draining: false,
            deadline: None,
            is_awaited: false,
            armed: None,
            opened: now,
            bytes_in: 0,
            bytes_out: 0,
            bytes_out_seen: 0,
        }
    }

    /// Receives what its peer has sent, as much as `room` takes.
    pub fn receive(&mut self, room: &mut [u8], metrics: &mut Metrics) -> Received {
        if !self.is_readable || room.is_empty() {
            return Received::Nothing;
        }
        match self.stream.read(room) {
            Ok(0) => {
                self.is_readable = false;
                self.is_peer_done = true;
                Received::Over
            }
            Ok(read) => {
                self.bytes_in += read as u64;
                Received::Bytes(read)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_readable = false;
                Received::Nothing
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Received::Nothing,
            Err(error) => {
                metrics.peers_dead += u64::from(error.kind() == io::ErrorKind::TimedOut);
                self.is_readable = false;
                self.is_peer_done = true;
                Received::Gone
            }
        }
    }

    /// Sends of the outbox what the socket takes.
    ///
    /// # Errors
    /// The socket's own: the peer is gone.
    pub fn send(&mut self, metrics: &mut Metrics) -> io::Result<()> {
        let written = self.outbox.write_to(&mut self.stream)? as u64;
        self.bytes_out += written;
        if matches!(self.session, Session::Http(_)) {
            metrics.http.bytes_out += written;
        }
        Ok(())
    }

    /// Sets when to look at it again.
    pub fn set_deadline(&mut self, at: Mono, timers: &mut Timers) {
        self.deadline = Some(at);
        if self.armed.is_none_or(|armed| at < armed) {
            self.armed = Some(at);
            timers.arm(at, self.token);
        }
    }

    /// Says that its timer went off: whether it is due, else armed anew.
    pub fn is_due(&mut self, now: Mono, timers: &mut Timers) -> bool {
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
        }
        match self.deadline {
            Some(at) if at <= now => {
                self.deadline = None;
                true
            }
            Some(at) => {
                self.set_deadline(at, timers);
                false
            }
            None => false,
        }
    }
}

/// How a token's number is split: the lower half is the place in the slab.
const INDEX_BITS: u32 = 24;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;

/// All connections. A token holds its place and a generation, so that an event for a connection
/// that is gone never reaches its successor.
#[derive(Debug, Default)]
pub struct Connections {
    slab: Slab<Connection>,
    generation: usize,
    /// How many there are of each role.
    roles: Vec<(&'static str, usize)>,
}

impl Connections {
    /// Puts a connection in, which `make` builds once its token is known.
    pub fn insert(&mut self, make: impl FnOnce(Token) -> Connection) -> Token {
        // Generations begin at 1, so that a token is never one of the small ones that listeners
        // and pipes have.
        self.generation = (self.generation + 1) & (usize::MAX >> INDEX_BITS);
        let generation = self.generation.max(1);
        let entry = self.slab.vacant_entry();
        let token = Token(generation << INDEX_BITS | entry.key());
        let role = entry.insert(make(token)).session.role();
        self.recount(role, 1);
        token
    }

    /// The connection of a token; `None` once it is gone.
    pub fn get_mut(&mut self, token: Token) -> Option<&mut Connection> {
        self.slab.get_mut(token.0 & INDEX_MASK).filter(|connection| connection.token == token)
    }

    /// The connection of a token; `None` once it is gone.
    pub fn get(&self, token: Token) -> Option<&Connection> {
        self.slab.get(token.0 & INDEX_MASK).filter(|connection| connection.token == token)
    }

    /// Goes on as something else.
    pub fn set_session(&mut self, token: Token, session: Session) {
        let Some(connection) = self.get_mut(token) else { return };
        let (before, after) = (connection.session.role(), session.role());
        connection.session = session;
        self.recount(before, -1);
        self.recount(after, 1);
    }

    /// Takes a connection out. Its place is not given away within the turn's batch of events
    /// without a new generation, so stale events miss it.
    pub fn remove(&mut self, token: Token) -> Option<Connection> {
        let role = self.get(token)?.session.role();
        self.recount(role, -1);
        self.slab.try_remove(token.0 & INDEX_MASK)
    }

    /// So many more have this role.
    fn recount(&mut self, role: &'static str, by: isize) {
        match self.roles.iter_mut().find(|(name, _)| *name == role) {
            Some((_, count)) => *count = count.saturating_add_signed(by),
            None => self.roles.push((role, usize::from(by > 0))),
        }
    }

    /// How many have this role (see [`Session::role`]).
    pub fn count(&self, role: &str) -> usize {
        // Counted as they come and go, for a thousand arrive at once after a restart.
        self.roles.iter().find(|(name, _)| *name == role).map_or(0, |(_, count)| *count)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Every role that somebody had, and how many have it now.
    pub fn roles(&self) -> &[(&'static str, usize)] {
        &self.roles
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Every connection.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slab.iter().map(|(_, connection)| connection)
    }

    /// Every connection, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.slab.iter_mut().map(|(_, connection)| connection)
    }
}
