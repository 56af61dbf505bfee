//! IRC without sockets: the server and its clients in one room, with a clock of its own. What is
//! fuzzed, simulated, and held against the tables of `tests/data/irc`.

use jiff::tz::TimeZone;

use super::feeds::FeedStep;
use super::server::Irc;
use super::user::LOG_BOT;
use super::{Context, IrcSession, IrcSettings, Next, UserId};
use crate::clock::{MS, Mono, Wall};
use crate::level::Level;
use crate::limits::{IRC_LINE_BYTES_MAX, IRC_TAG_BYTES_MAX};
use crate::metrics::Metrics;
use crate::proto::irc::names::fold;
use crate::query::{LocalTime, TailMemo};
use crate::segment::{Geometry, MemStore, NewRecord, Options, Segment, StreamRef};
use crate::session::walk::Tools;

/// When a room opens: 2026-11-20 10:00:00 UTC.
const OPENS: Wall = 1_795_168_800_000_000_000;

/// The size of a room's ring.
const SEGMENT_BYTES: u64 = 1 << 20;

/// Steps without an end to them that are taken for a loop.
const STEPS_MAX: u32 = 1_000_000;

/// The address that everybody comes from.
const HOST: &[u8] = b"127.0.0.1";

/// A server and its clients.
#[derive(Debug)]
pub struct Room {
    irc: Irc,
    seats: Vec<Seat>,
    segment: Segment<MemStore>,
    time: LocalTime,
    tails: TailMemo,
    metrics: Metrics,
    mono: Mono,
    wall: Wall,
    /// Steps that sessions have taken.
    steps: u64,
}

/// A client, there or gone.
#[derive(Debug)]
struct Seat {
    session: IrcSession,
    /// Sent and not taken in by the session yet.
    unheard: Vec<u8>,
    /// What the server has said and nobody has taken yet.
    said: Vec<u8>,
    /// The server takes nothing more from it.
    is_closed: bool,
    /// It does not read: what it is sent waits on our side.
    looks_away: bool,
}

impl Room {
    /// An empty one.
    pub fn new(settings: IrcSettings) -> Self {
        let geometry = Geometry::for_size(SEGMENT_BYTES).expect("it is the smallest size");
        let store = MemStore::zeroed(SEGMENT_BYTES as usize);
        Self {
            irc: Irc::new(settings, 0, OPENS),
            seats: Vec::new(),
            segment: Segment::create(store, geometry, Options::default(), 7, OPENS),
            time: LocalTime::new(TimeZone::UTC),
            tails: TailMemo::default(),
            metrics: Metrics::default(),
            mono: 0,
            wall: OPENS,
            steps: 0,
        }
    }

    /// Somebody connects; what it is called by from now on.
    pub fn connect(&mut self) -> usize {
        let user = self.irc.arrive(self.seats.len(), HOST, self.mono, self.wall);
        let session = IrcSession::new(user, self.mono);
        self.seats.push(Seat {
            session,
            unheard: Vec::new(),
            said: Vec::new(),
            is_closed: false,
            looks_away: false,
        });
        self.seats.len() - 1
    }

    /// A client sends bytes. Everything that follows from them is done.
    pub fn send(&mut self, client: usize, bytes: &[u8]) {
        if let Some(seat) = self.seats.get_mut(client) {
            seat.unheard.extend_from_slice(bytes);
        }
        self.run();
    }

    /// A client closes its connection, and reads nothing more.
    pub fn hang_up(&mut self, client: usize) {
        let Some(seat) = self.seats.get_mut(client).filter(|seat| !seat.is_closed) else { return };
        seat.is_closed = true;
        let user = seat.session.user();
        self.irc.depart(user, b"Connection closed", self.wall);
        self.run();
    }

    /// A client says that it will say nothing more, and goes on reading.
    pub fn shut(&mut self, client: usize) {
        if let Some(seat) = self.seats.get_mut(client).filter(|seat| !seat.is_closed) {
            seat.session.input_is_over();
        }
        self.run();
    }

    /// A client reads nothing until somebody takes what was said to it.
    pub fn look_away(&mut self, client: usize) {
        if let Some(seat) = self.seats.get_mut(client) {
            seat.looks_away = true;
        }
    }

    /// What the server has said to a client since this was asked last.
    pub fn take(&mut self, client: usize) -> Vec<u8> {
        let Some(seat) = self.seats.get_mut(client) else { return Vec::new() };
        let said = std::mem::take(&mut seat.said);
        if std::mem::take(&mut seat.looks_away) && !seat.is_closed {
            if let Some(user) = self.irc.user_mut(seat.session.user()) {
                user.backlog = 0;
            }
            self.run();
        }
        said
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&self, client: usize) -> bool {
        self.seats.get(client).is_none_or(|seat| seat.is_closed)
    }

    /// How many have connected so far.
    pub fn seats(&self) -> usize {
        self.seats.len()
    }

    /// A record comes in from a sender called `edge1`.
    pub fn log(&mut self, level: Level, text: &[u8]) {
        self.log_at_once(level, [text]);
        self.pass(100 * MS);
    }

    /// Records come in, all in one moment, before anybody looks.
    pub fn log_at_once<'t>(&mut self, level: Level, texts: impl IntoIterator<Item = &'t [u8]>) {
        for text in texts {
            let record = NewRecord { text, cut: false, level, received_ns: self.wall, event_ns: 0 };
            let appended = self.segment.append(&record, b"host=edge1", &mut StreamRef::default());
            assert!(appended.is_ok(), "a ring in memory is never full");
        }
    }

    /// The server.
    pub fn irc(&mut self) -> &mut Irc {
        &mut self.irc
    }

    /// Time passes, and deadlines come.
    pub fn pass(&mut self, ns: u64) {
        let end = self.mono + ns;
        loop {
            self.run();
            let seats = self.seats.iter().filter(|seat| !seat.is_closed);
            let at = seats.map(|seat| seat.session.deadline(&self.irc));
            let next = at.chain(self.irc.feed_deadline()).min().filter(|at| *at <= end);
            let Some(at) = next else { break };
            // A deadline that stays where it is must not hold time up.
            self.advance(at.max(self.mono + MS).min(end));
            for client in 0..self.seats.len() {
                self.ring(client);
            }
            if self.mono >= end {
                break;
            }
        }
        self.advance(end);
        self.run();
    }

    fn advance(&mut self, to: Mono) {
        self.wall += to.saturating_sub(self.mono);
        self.mono = self.mono.max(to);
    }

    /// Tells a client's session that its deadline has come, where it has.
    fn ring(&mut self, client: usize) {
        let mono = self.mono;
        let is_due = |seat: &Seat, irc: &Irc| !seat.is_closed && seat.session.deadline(irc) <= mono;
        if self.seats.get(client).is_some_and(|seat| is_due(seat, &self.irc)) {
            let (next, at) = self.with(client, |session, context| {
                let next = session.on_deadline(context);
                (next, session.deadline(context.irc))
            });
            assert!(matches!(next, Next::Close) || at > mono, "a deadline stays where it is");
            self.after(client, &next);
        }
    }

    /// Does all there is to do.
    fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            let mut is_over = true;
            for client in 0..self.seats.len() {
                is_over &= !self.serve(client);
            }
            if is_over && !self.feed() {
                return;
            }
        }
        panic!("it never comes to an end");
    }

    /// One client's turn; whether something came of it.
    fn serve(&mut self, client: usize) -> bool {
        let Some(seat) = self.seats.get_mut(client).filter(|seat| !seat.is_closed) else {
            return false;
        };
        let taken = seat.session.wants_bytes().min(seat.unheard.len());
        if taken > 0 {
            let bytes: Vec<u8> = seat.unheard.drain(..taken).collect();
            seat.session.hear(&bytes, self.mono);
        }
        self.steps += 1;
        let next = self.with(client, |session, context| session.step(context));
        self.after(client, &next) || taken > 0
    }

    /// Does what a step of a session came to; whether there is more to do.
    fn after(&mut self, client: usize, next: &Next) -> bool {
        self.deliver();
        let Some(seat) = self.seats.get_mut(client) else { return false };
        match next {
            Next::NeedInput | Next::Blocked | Next::NotOpen => false,
            Next::Again | Next::Finished(_) => true,
            Next::Slowed => {
                let at = seat.session.deadline(&self.irc);
                self.advance(at.max(self.mono + 1));
                true
            }
            Next::Close => {
                seat.is_closed = true;
                let user = seat.session.user();
                self.irc.depart(user, b"Connection closed", self.wall);
                self.deliver();
                true
            }
        }
    }

    /// The log channels' turn; whether there is more to do.
    fn feed(&mut self) -> bool {
        let mut tools =
            Tools { time: &mut self.time, tails: &mut self.tails, metrics: &mut self.metrics };
        let step = self.irc.feed(&self.segment, &mut tools, (self.mono, self.wall));
        self.deliver();
        step == FeedStep::More
    }

    fn with<R>(
        &mut self,
        client: usize,
        act: impl FnOnce(&mut IrcSession, &mut Context<'_, MemStore>) -> R,
    ) -> R {
        let tools =
            Tools { time: &mut self.time, tails: &mut self.tails, metrics: &mut self.metrics };
        let mut context = Context {
            irc: &mut self.irc,
            segment: Some(&self.segment),
            mono: self.mono,
            wall: self.wall,
            tools,
        };
        act(&mut self.seats[client].session, &mut context)
    }

    /// Hands everybody what they are to be sent.
    fn deliver(&mut self) {
        while let Some(id) = self.irc.next_dirty() {
            let Some(user) = self.irc.user_mut(id) else { continue };
            let out = std::mem::take(&mut user.out);
            if let Some(seat) = user.connection.and_then(|at| self.seats.get_mut(at)) {
                seat.said.extend_from_slice(&out);
                user.backlog = if seat.looks_away { seat.said.len() } else { 0 };
            }
        }
    }

    /// Users, nicks and channels say the same of who is who and who is where.
    ///
    /// # Panics
    /// When they do not.
    pub fn assert_invariants(&self) {
        for (at, user) in self.irc.users.iter() {
            let id = UserId(at);
            for channel in &user.channels {
                let place = self.irc.channel(*channel).expect("a user is in channels that are");
                assert!(place.has(id), "a member knows its channel, which does not know it");
            }
            let is_known = self.irc.nicks.get(&fold(&user.nick)) == Some(&id);
            assert!(is_known || user.is_gone || user.nick.is_empty(), "a nick is nobody's");
        }
        for (nick, id) in &self.irc.nicks {
            let user = self.irc.user(*id).expect("a nick is somebody's");
            assert_eq!(*nick, fold(&user.nick), "a nick is somebody else's");
        }
        for (name, id) in &self.irc.channel_names {
            let place = self.irc.channel(*id).expect("a name is a channel's");
            assert_eq!(*name, fold(&place.name), "a name is another channel's");
            let people = place.members.keys().filter(|member| **member != LOG_BOT).count();
            assert!(people > 0 || place.stays, "a channel outlives its members");
            for member in place.members.keys() {
                let user = self.irc.user(*member).expect("a member is somebody");
                assert!(user.channels.contains(id), "a channel knows a member that does not know");
                assert!(!user.is_gone, "somebody who is gone is a member");
            }
        }
        let watched = self.irc.users.iter().flat_map(|(_, user)| &user.watched);
        let mut watched: Vec<Vec<u8>> = watched.map(|nick| fold(nick)).collect();
        watched.sort_unstable();
        watched.dedup();
        assert_eq!(watched.len(), self.irc.monitors.len(), "a nick is watched by nobody");
        assert_eq!(self.irc.channel_names.len(), self.irc.channels.len(), "a channel has no name");
        let clients = self.irc.users.iter();
        let clients = clients.filter(|(_, user)| user.is_registered && !user.is_gone).count();
        assert_eq!(clients - 1, self.irc.clients, "clients are miscounted");
    }
}

/// Checks that what the server said to somebody is lines of IRC.
///
/// # Panics
/// When it is not.
pub fn assert_lines(said: &[u8]) {
    for line in said.split_inclusive(|byte| *byte == b'\n') {
        let shown = line.escape_ascii();
        let line = line.strip_suffix(b"\r\n").expect("every line ends in CR LF");
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | 0)), "CR or NUL in {shown}");
        let rest = match line.strip_prefix(b"@") {
            Some(tagged) => {
                let end = tagged.iter().position(|byte| *byte == b' ').expect("tags have an end");
                assert!(end + 2 <= IRC_TAG_BYTES_MAX, "tags of {end} bytes");
                &tagged[end + 1..]
            }
            None => line,
        };
        assert!(rest.len() + 2 <= IRC_LINE_BYTES_MAX, "{} bytes: {shown}", rest.len() + 2);
        assert!(!rest.is_empty() && !rest.starts_with(b" "), "no command: {shown}");
    }
}

/// Reads any bytes as what some clients do: of each line the first byte says who does what, the
/// rest is what is said. Must never panic or spin; what comes out must be lines, and all must know
/// the same of each other.
pub fn fuzz_irc(data: &[u8]) {
    const SEATS: usize = 5;
    let name = "irc.test".to_owned();
    let mut room = Room::new(IrcSettings { name, ..IrcSettings::default() });
    for nick in ["ann", "bob", "eve", "dave", "fay"] {
        let client = room.connect();
        room.send(client, format!("NICK {nick}\r\nUSER {nick} 0 * :{nick}\r\n").as_bytes());
    }
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let Some((first, text)) = line.split_first() else { continue };
        let client = room.seats() - 1 - usize::from(first % 8) % SEATS;
        match first / 8 {
            0 if line.len() % 2 == 0 => room.shut(client),
            0 => room.hang_up(client),
            1 => drop(room.connect()),
            2 => room.log(Level::ALL[usize::from(*first) % Level::COUNT], text.trim_ascii_end()),
            3 => room.pass(u64::from(*first) * 1000 * MS),
            // In pieces.
            4 => text.chunks(3).for_each(|piece| room.send(client, piece)),
            _ => room.send(client, text),
        }
        for client in 0..room.seats() {
            assert_lines(&room.take(client));
        }
        room.assert_invariants();
    }
}

#[cfg(test)]
mod tests;
