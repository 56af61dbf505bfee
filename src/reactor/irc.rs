//! Serving IRC: input to the sessions, what they say to everybody's sockets, the turns of the log
//! channels.
//!
//! What one client says may concern many. So a session writes nothing itself: each user has what it
//! is to be sent in [`Irc`], and after each step those who have something get it.

use core::net::IpAddr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use mio::Token;

use super::connections::Received;
use super::disk::SmallFile;
use super::exposition::{Row, push_rows};
use super::listeners::Role;
use super::questions::Go;
use super::stream::{Peer, Stream};
use super::{IRC_FEEDS, Reactor, sys};
use crate::clock::{Mono, Wall};
use crate::config::Settings;
use crate::limits::{
    IRC_DELIVERY_NS_PER_TURN, IRC_FEED_NS_PER_TURN, IRC_FEED_WAKE_NS, IRC_SAVED_BYTES_MAX,
};
use crate::log::Severity;
use crate::metrics::families::{Families, Kind};
use crate::segment::map::MapStore;
use crate::session::Session;
use crate::session::irc::feeds::FeedStep;
use crate::session::irc::{Context, Irc, IrcSession, IrcSettings, Next, UserId};
use crate::session::walk::Tools;

/// The IRC server and its turns.
pub(super) struct IrcPlace {
    pub irc: Irc,
    /// There is something for the log channels to look at.
    pub has_news: bool,
    /// Not before this do they look.
    pub wake_after: Mono,
    /// Everybody has been told that the server ends.
    is_stopped: bool,
    /// The log channels wait for a block from the disk.
    pub is_fetching: bool,
    /// Filters and alerts as they were kept.
    kept: Kept,
}

/// How filters and alerts stand that are kept over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// They are read once the segment's directory is ours.
    Unread,
    /// What changes is written.
    Read,
    /// Nothing is: records are kept in memory only, or there is a file that cannot be read and
    /// must not be lost.
    Not,
}

impl IrcPlace {
    /// The server as the settings want it.
    pub fn new(settings: &Settings, host_name: &[u8], mono: Mono, wall: Wall) -> Box<Self> {
        let mut irc = Irc::new(irc_settings(settings, host_name), mono, wall);
        let kept = if settings.persist { Kept::Unread } else { Kept::Not };
        if settings.persist {
            irc.await_restore();
        }
        Box::new(Self {
            irc,
            has_news: false,
            wake_after: 0,
            is_fetching: false,
            is_stopped: false,
            kept,
        })
    }

    /// When it wants a turn though nothing comes.
    pub fn deadline(&self) -> Option<Mono> {
        if self.is_fetching {
            return None;
        }
        let news = self.has_news.then_some(self.wake_after);
        [news, self.irc.feed_deadline()].into_iter().flatten().min()
    }
}

/// The message of the day where none is set.
const GREETING: [&str; 3] = [
    "Log channels: #logs-all #logs-error #logs-warning #logs-info #logs-debug",
    "#logs-WORD, #logs-host-HOST and #logs-app-APP open when they are joined.",
    "Ask LogBot there or in private: !query timeout since=-10m, !help",
];

/// What the settings say.
pub(super) fn irc_settings(settings: &Settings, host_name: &[u8]) -> IrcSettings {
    let name = match settings.irc_name.as_str() {
        "" => format!("irc.{}", String::from_utf8_lossy(host_name)),
        name => name.to_owned(),
    };
    IrcSettings {
        name,
        password: settings.irc_password.as_ref().map(|password| password.word.clone()),
        auto_join: settings.irc_auto_join.iter().map(|name| name.clone().into_bytes()).collect(),
        motd: match &settings.irc_motd {
            Some(motd) => motd.lines.clone(),
            None => GREETING.iter().map(|line| line.as_bytes().to_vec()).collect(),
        },
    }
}

/// Where an address is from: of IPv6 the network, which one host has to itself.
fn site(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or_else(
            || (u128::from(address) >> 64) as u64,
            |address| u64::from(u32::from(address)),
        ),
    }
}

impl Reactor {
    /// Why somebody from this address has no place, where too many others are from there.
    pub(super) fn no_irc_place(&self, role: Role, peer: &Peer) -> Option<String> {
        let ip = peer.ip().filter(|ip| role == Role::Irc && !sys::is_loopback(*ip))?;
        let is_same = |one: &&super::connections::Connection| {
            matches!(one.session, Session::Irc(_)) && one.peer.ip().map(site) == Some(site(ip))
        };
        let count = self.connections.iter().filter(is_same).count();
        let allowed = self.settings.irc_per_address;
        (count >= allowed)
            .then(|| format!("too many clients from {ip}: {count} connected, {allowed} allowed"))
    }

    /// Takes in somebody who speaks IRC.
    pub(super) fn admit_irc(&mut self, stream: Stream, peer: Peer) {
        stream.bear_with_slow_peer();
        let host = super::http::peer_name(&peer);
        let Some(token) = self.insert(stream, peer, Session::Refused) else { return };
        let Some(place) = &mut self.irc else { return };
        let user = place.irc.arrive(token.0, host.as_bytes(), self.now, self.wall);
        let session = IrcSession::new(user, self.now);
        let at = session.deadline(&place.irc);
        self.connections.set_session(token, Session::Irc(Box::new(session)));
        if let Some(connection) = self.connections.get_mut(token) {
            connection.set_deadline(at, &mut self.timers);
        }
    }

    /// One connection's go.
    pub(super) fn serve_irc(&mut self, token: Token) -> Go {
        self.hear_irc(token);
        let next = self.go(token, |reactor| {
            let next = reactor.step_irc(token);
            let goes_on = matches!(next, Next::Again) && reactor.is_scanning(token);
            (next, goes_on)
        });
        if let Some(user) = self.irc_user(token) {
            // The others are handed theirs at the end of the turn.
            self.hand_over(user);
        }
        next.map_or(Go::Wait, |next| self.after_irc(token, next))
    }

    /// Reads what the session wants to hear.
    fn hear_irc(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Session::Irc(session) = &connection.session else { return };
        let wanted = session.wants_bytes();
        let received = connection.receive(&mut self.scratch[..wanted], &mut self.metrics);
        let Session::Irc(session) = &mut connection.session else { return };
        match received {
            Received::Bytes(read) => session.hear(&self.scratch[..read], self.now),
            Received::Nothing => {}
            // What was said before the break is heard: a script may say its line and be gone.
            Received::Over | Received::Gone => session.input_is_over(),
        }
    }

    /// Lets the session take its step.
    fn step_irc(&mut self, token: Token) -> Next {
        self.with_irc(token, |session, context| session.step(context)).unwrap_or(Next::Close)
    }

    /// Does something with a session and everything that it needs.
    fn with_irc<R>(
        &mut self,
        token: Token,
        act: impl FnOnce(&mut IrcSession, &mut Context<'_, MapStore>) -> R,
    ) -> Option<R> {
        let connection = self.connections.get_mut(token)?;
        let Session::Irc(session) = &mut connection.session else { return None };
        let place = self.irc.as_mut()?;
        if let Some(user) = place.irc.user_mut(session.user()) {
            user.backlog = connection.outbox.len();
        }
        let mut context = Context::<MapStore> {
            irc: &mut place.irc,
            segment: self.storage.segment(),
            mono: self.now,
            wall: self.wall,
            tools: Tools {
                time: &mut self.time,
                tails: &mut self.tail_memo,
                metrics: &mut self.metrics,
            },
        };
        let result = act(session, &mut context);
        // Never a time that has come already: it would come again in the same turn.
        let at = session.deadline(&place.irc).max(self.now + 1);
        connection.set_deadline(at, &mut self.timers);
        Some(result)
    }

    /// Decides how a connection goes on.
    fn after_irc(&mut self, token: Token, next: Next) -> Go {
        match next {
            Next::Again => Go::Again,
            Next::Slowed => {
                self.metrics.irc_slowed += 1;
                Go::Wait
            }
            Next::Blocked => self.on_blocked(token),
            Next::NotOpen => {
                self.storage.wait_for_open(token);
                Go::Wait
            }
            Next::Finished(running) => {
                self.release_scan(token);
                self.note_finished(token, &running);
                Go::Again
            }
            Next::Close => {
                self.finish_irc(token);
                Go::Wait
            }
            Next::NeedInput => {
                let more = self.connections.get(token).is_some_and(|one| {
                    one.is_readable || (one.is_peer_done && !one.is_draining && !one.is_ending)
                });
                if more { Go::Again } else { Go::Wait }
            }
        }
    }

    /// A deadline of somebody who speaks IRC has come.
    pub(super) fn on_irc_deadline(&mut self, token: Token) {
        if self.connections.get(token).is_some_and(|connection| connection.is_ending) {
            self.metrics.drains_cut_short += 1;
            return self.close(token, "did not read");
        }
        match self.with_irc(token, |session, context| session.on_deadline(context)) {
            Some(Next::Close) => {
                self.metrics.irc_timeouts += 1;
                self.finish_irc(token);
            }
            _ => self.enqueue(token),
        }
    }

    /// A connection of IRC is gone: tells those who shared a channel with its user.
    pub(super) fn forget_irc(&mut self, user: UserId) {
        let Some(place) = &mut self.irc else { return };
        place.irc.depart(user, b"Connection closed", self.wall);
    }

    /// When the log channels want a turn though nothing comes.
    pub(super) fn irc_deadline(&self) -> Option<Mono> {
        self.storage.segment()?;
        self.irc.as_ref()?.deadline()
    }

    /// Whether somebody has still to be handed what they are to be sent.
    pub(super) fn owes_irc(&self) -> bool {
        self.irc.as_ref().is_some_and(|place| place.irc.has_dirty())
    }

    /// Logs that somebody had not the password.
    fn note_wrong_password(&mut self) {
        let Some(host) = self.irc.as_mut().and_then(|place| place.irc.wrong_password.take()) else {
            return;
        };
        self.metrics.irc_password_wrong += 1;
        let peer = String::from_utf8_lossy(&host);
        self.log.event(self.wall, Severity::Warn, "irc_password_wrong", &[("peer", &peer)]);
    }

    /// Hands everybody what they are to be sent, as far as this turn's share of time goes: a line
    /// may concern a thousand.
    pub(super) fn deliver_irc(&mut self) {
        self.note_wrong_password();
        self.count_irc();
        let until = self.clock.mono() + IRC_DELIVERY_NS_PER_TURN;
        while self.clock.mono() < until {
            let Some(place) = &mut self.irc else { return };
            let Some(id) = place.irc.next_dirty() else { return };
            self.hand_over(id);
        }
    }

    /// Takes over what the server counts by itself.
    fn count_irc(&mut self) {
        let Some(place) = &self.irc else { return };
        self.metrics.irc_skipped = place.irc.skipped;
        self.metrics.irc_overrun = place.irc.overrun;
        (self.metrics.irc_feed_lines, self.metrics.irc_feed_skipped) = place.irc.feed_counts();
    }

    /// Hands one user what it is to be sent.
    fn hand_over(&mut self, id: UserId) {
        let Some(place) = &mut self.irc else { return };
        let Some(user) = place.irc.user_mut(id) else { return };
        let Some(token) = user.connection.map(Token) else { return };
        let Some(connection) = self.connections.get_mut(token) else { return };
        let outbox = connection.outbox.bytes();
        if outbox.is_empty() {
            std::mem::swap(outbox, &mut user.out);
        } else {
            outbox.append(&mut user.out);
        }
        let is_over = connection.send(&mut self.metrics).is_err();
        connection.is_peer_done |= is_over;
        user.backlog = connection.outbox.len();
        let held = connection.outbox.capacity();
        place.irc.count_backlog(id, held);
        if is_over || place.irc.user(id).is_some_and(|user| user.is_overrun()) {
            // Its next go finds out, and ends it.
            connection.is_readable = true;
            self.enqueue(token);
        }
    }

    /// Sends a connection's last words, and waits for the peer to close.
    fn finish_irc(&mut self, token: Token) {
        if let Some(user) = self.irc_user(token) {
            self.hand_over(user);
        }
        self.finish_answers(token);
    }

    /// Whose connection it is.
    fn irc_user(&self, token: Token) -> Option<UserId> {
        match &self.connections.get(token)?.session {
            Session::Irc(session) => Some(session.user()),
            _ => None,
        }
    }

    /// The segment has opened: filters and alerts are as they were kept, and who listens hears what
    /// comes from now on.
    pub(super) fn open_feeds(&mut self) {
        self.restore_irc();
        let (Some(place), Some(segment)) = (&mut self.irc, self.storage.segment()) else { return };
        let tools =
            Tools { time: &mut self.time, tails: &mut self.tail_memo, metrics: &mut self.metrics };
        place.irc.begin_feeds(segment, &tools, self.wall);
    }

    /// Reads the filters and alerts that were kept, once. A file that cannot be read is put aside.
    fn restore_irc(&mut self) {
        let Some(place) = self.irc.as_mut().filter(|place| place.kept == Kept::Unread) else {
            return;
        };
        if self.storage.segment().is_none() {
            return;
        }
        let path = self.storage.dir.join(SmallFile::Irc.name());
        place.kept = Kept::Read;
        place.irc.end_restore();
        let Err(reason) = restore(&mut place.irc, &path, self.wall) else { return };
        let aside = path.with_extension("json.bad");
        // One that was put aside before must not be lost either.
        let is_aside = !aside.exists() && std::fs::rename(&path, &aside).is_ok();
        let becomes = if is_aside { "put aside" } else { "left alone, no change is kept" };
        place.kept = if is_aside { Kept::Read } else { Kept::Not };
        let path = path.display();
        let fields: [(&str, &dyn std::fmt::Display); 3] =
            [("path", &path), ("error", &reason), ("file", &becomes)];
        self.log.event(self.wall, Severity::Warn, "irc_filters_bad", &fields);
    }

    /// Records have come in: log channels look at them, soon.
    pub(super) fn wake_irc(&mut self) {
        if let Some(place) = &mut self.irc {
            place.has_news |= place.irc.has_live_feeds();
        }
    }

    /// A block that somebody waited for has come.
    pub(super) fn on_fetched(&mut self, token: Token) {
        match &mut self.irc {
            Some(place) if token == IRC_FEEDS => place.is_fetching = false,
            _ => self.enqueue(token),
        }
    }

    /// The turn of the log channels.
    pub(super) fn serve_feeds(&mut self) {
        let Some(place) = &mut self.irc else { return };
        let is_due = place.irc.feed_deadline().is_some_and(|at| at <= self.now);
        let has_news = place.has_news && place.wake_after <= self.now;
        if place.is_fetching || !(is_due || has_news) {
            return;
        }
        let until = self.clock.mono() + IRC_FEED_NS_PER_TURN;
        let goes_on = loop {
            let (Some(place), Some(segment)) = (&mut self.irc, self.storage.segment()) else {
                break false;
            };
            if self.storage.is_on_disk()
                && let Some(block) = place.irc.next_feed_block(segment)
                && self.storage.must_fetch(block, IRC_FEEDS)
            {
                self.metrics.waits_fetch += 1;
                place.is_fetching = true;
                break true;
            }
            let Some(segment) = self.storage.segment() else { break false };
            let mut tools = Tools {
                time: &mut self.time,
                tails: &mut self.tail_memo,
                metrics: &mut self.metrics,
            };
            match place.irc.feed(segment, &mut tools, (self.now, self.wall)) {
                FeedStep::CaughtUp => break false,
                FeedStep::More if self.clock.mono() >= until => {
                    self.metrics.turns_out_of_time += 1;
                    break true;
                }
                FeedStep::More => {}
            }
        };
        if let Some(place) = &mut self.irc {
            place.has_news = goes_on;
            place.wake_after = if goes_on { self.now } else { self.now + IRC_FEED_WAKE_NS };
        }
        self.deliver_irc();
    }

    /// Has filters and alerts written, where they have changed.
    pub(super) fn keep_irc(&mut self) {
        let Some(place) = &mut self.irc else { return };
        if place.kept == Kept::Read
            && let Some(bytes) = place.irc.take_changed()
            && !self.storage.write_file(SmallFile::Irc, bytes)
        {
            // The disk is busy: in the next turn.
            place.irc.keep_changed();
        }
    }

    /// Everybody is told that the server ends.
    pub(super) fn end_irc(&mut self, token: Token) {
        if let Some(place) = self.irc.as_mut().filter(|place| !place.is_stopped) {
            place.is_stopped = true;
            place.irc.stop(b"Server is stopping");
        }
        self.finish_irc(token);
    }

    /// Bytes of memory that hold what clients of IRC have not taken.
    pub(super) fn irc_waiting_bytes(&self) -> usize {
        self.irc.as_ref().map_or(0, |place| place.irc.waiting_bytes())
    }

    /// The families of IRC; without it they are all 0.
    pub(super) fn expose_irc(&self, families: &mut Families<'_>) {
        let metrics = &self.metrics;
        let (users, channels, feeds) =
            self.irc.as_ref().map_or((0, 0, 0), |place| place.irc.counts());
        let rows: [Row; 4] = [
            ("logcaster_irc_users", users.into(), "Clients of IRC that are registered"),
            ("logcaster_irc_channels", channels.into(), "Channels that somebody is in"),
            ("logcaster_irc_feeds", feeds.into(), "Feeds of log lines with somebody to hear them"),
            (
                "logcaster_irc_outbox_bytes",
                self.irc_waiting_bytes().into(),
                "Bytes of memory that hold what clients of IRC have not taken",
            ),
        ];
        push_rows(Kind::Gauge, &rows, families);
        let rows: [Row; 4] = [
            ("logcaster_irc_lines", metrics.irc_lines.into(), "Lines that clients of IRC sent"),
            (
                "logcaster_irc_slowed",
                metrics.irc_slowed.into(),
                "Times a client of IRC sent so much at once that the rest waited",
            ),
            (
                "logcaster_irc_skipped",
                metrics.irc_skipped.into(),
                "Messages left out for clients of IRC that could not keep up",
            ),
            ("logcaster_irc_feed_lines", metrics.irc_feed_lines.into(), "Log lines said by feeds"),
        ];
        push_rows(Kind::Counter, &rows, families);
        let help = "Log lines that feeds left out: too many, or taken by the ring first";
        families.one(Kind::Counter, "logcaster_irc_feed_skipped", metrics.irc_feed_skipped, help);
        let help = "Clients of IRC that were closed, by reason";
        families.begin(Kind::Counter, "logcaster_irc_closed", &["reason"], help);
        families.sample(&["timeout"], metrics.irc_timeouts);
        families.sample(&["overrun"], metrics.irc_overrun);
        families.sample(&["password"], metrics.irc_password_wrong);
    }

    /// The settings have changed.
    pub(super) fn reload_irc(&mut self) {
        if let Some(place) = &mut self.irc {
            place.irc.settings = irc_settings(&self.settings, &self.host_name);
        }
    }
}

/// Brings back what the file says; nothing where there is none.
fn restore(irc: &mut Irc, path: &Path, wall: Wall) -> Result<(), String> {
    let mut bytes = Vec::new();
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| error.to_string())?,
    };
    let read = file.take(IRC_SAVED_BYTES_MAX + 1).read_to_end(&mut bytes);
    if read.map_err(|error| error.to_string())? as u64 > IRC_SAVED_BYTES_MAX {
        return Err(format!("longer than {IRC_SAVED_BYTES_MAX} bytes"));
    }
    irc.restore(&bytes, wall).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn irc() -> Irc {
        Irc::new(IrcSettings::default(), 0, 1)
    }

    #[test]
    fn a_bad_file_of_filters_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SmallFile::Irc.name());
        assert_eq!(restore(&mut irc(), &path, 1), Ok(()));
        std::fs::write(&path, b"{\"version\":1,\"filters\":[],\"alerts\":[]}").unwrap();
        assert_eq!(restore(&mut irc(), &path, 1), Ok(()));
        for bad in [&b""[..], b"{}", b"{\"version\":2}", &[b' '; IRC_SAVED_BYTES_MAX as usize + 1]]
        {
            std::fs::write(&path, bad).unwrap();
            assert!(restore(&mut irc(), &path, 1).is_err());
            assert_eq!(std::fs::read(&path).unwrap(), bad);
        }
    }
}
