//! What stands between all senders and the segment: made from the settings, and told when what was
//! held back is due.

use jiff::tz::TimeZone;
use mio::Token;

use super::Reactor;
use crate::clock::MS;
use crate::config::Settings;
use crate::limits::TELL_AGAIN_MS;
use crate::message::syslog::Times;
use crate::session::multiline::FirstLine;
use crate::session::{Intake, Session, Sink};

/// An intake of this machine as `settings` say; `zone` is that of times that name none, unless they
/// say so.
pub(super) fn new(settings: &Settings, host_name: &[u8], zone: &TimeZone) -> Intake {
    let zone = settings.syslog_timezone.as_ref().map_or(zone, |zone| &zone.zone);
    let mut intake = Intake::new(host_name, Times::new(zone.clone()));
    apply(settings, &mut intake);
    intake
}

/// Makes `intake` hold back, fold and join as `settings` say.
pub(super) fn apply(settings: &Settings, intake: &mut Intake) {
    let limit = settings.rate_limit;
    intake.limit_rate(limit.map(|limit| (limit.lines_per_second, limit.burst)));
    intake.fold(settings.dedupe);
    // The settings have compiled it before.
    intake.join(settings.multiline.as_deref().and_then(|pattern| FirstLine::new(pattern).ok()));
}

impl Reactor {
    /// Looks at the sessions that wanted to be looked at by now though nothing has come.
    pub(super) fn wake_sessions(&mut self) {
        while let Some(token) = self.session_timers.pop_due(self.now) {
            self.wake_session(token);
        }
    }

    fn wake_session(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Session::Logs(session) = &mut connection.session else { return };
        let held_before = session.held_bytes();
        if let Some(segment) = self.storage.segment_mut().filter(|_| !session.is_stalled) {
            let (intake, metrics) = (&mut self.intake, &mut self.metrics);
            let mut sink = Sink { segment, intake, metrics, received_ns: self.wall, now: self.now };
            // Where there is no room, it is looked at again.
            let _full = session.store_due(&mut sink);
        }
        self.held_bytes = self.held_bytes - held_before + session.held_bytes();
        let wish = session.next_deadline();
        connection.is_awaited = wish.is_some();
        if let Some(at) = wish {
            self.session_timers.arm(at.max(self.now + TELL_AGAIN_MS * MS), token);
        }
        self.wake_followers();
    }

    /// Stores what is to be told of lines that were held back.
    pub(super) fn tell_due(&mut self) {
        if self.intake.next_deadline().is_none_or(|at| at.max(self.tell_after) > self.now) {
            return;
        }
        let Some(segment) = self.storage.segment_mut() else { return };
        let (intake, metrics) = (&mut self.intake, &mut self.metrics);
        let mut sink = Sink { segment, intake, metrics, received_ns: self.wall, now: self.now };
        if sink.tell_due().is_err() {
            self.tell_after = self.now + TELL_AGAIN_MS * MS;
        }
        self.wake_followers();
    }

    /// Stores everything that is untold of lines that were held back: it is the end.
    pub(super) fn tell_all(&mut self) {
        let Some(segment) = self.storage.segment_mut() else { return };
        let (intake, metrics) = (&mut self.intake, &mut self.metrics);
        let mut sink = Sink { segment, intake, metrics, received_ns: self.wall, now: self.now };
        // Where there is no room, the counters have told.
        let _untold = sink.tell_all();
    }
}
