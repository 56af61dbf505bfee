//! How the server ends and what signals do: SIGINT and SIGTERM end it in order, a second one at
//! once; SIGHUP reads the config file again.

use std::io;
use std::os::fd::AsRawFd as _;
use std::process::ExitCode;
use std::time::Duration;

use super::connections::Connection;
use super::disk::Order;
use super::kmsg::Kmsg;
use super::{Reactor, intake, sys};
use crate::clock::{MS, Mono};
use crate::limits::{STOP_QUIET_MS, STOP_READ_MS};
use crate::log::Severity;
use crate::session::Session;

/// How long a full standard error is waited for at the end.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Why a server ends with exit code 1 whose last sync may have succeeded.
const SYNC_HAD_FAILED: &str = "a sync had failed: not everything is on disk";

/// How far the end is.
#[derive(Debug, Default)]
pub(super) struct Life {
    phase: Phase,
    /// When the phase is over, whatever is left.
    until: Mono,
    /// When the whole end is over.
    end: Mono,
    /// Bytes received from senders when the end was last looked at, and when they had last grown.
    taken_in: (u64, Mono),
    /// Why it ends, where that is a failure.
    failure: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// It serves.
    #[default]
    Serving,
    /// What has arrived is taken in.
    TakingIn,
    /// Answers under way are finished.
    Answering,
    /// The last records go to the disk.
    Syncing,
    /// As much as the disk takes goes there, though a sync has failed before.
    Salvaging,
    /// The superblock that says so goes to the disk.
    Closing,
    /// It is over.
    Over,
}

impl Life {
    /// It ends now, with this reason and exit code 1.
    pub fn fail(&mut self, reason: String) {
        self.failure.get_or_insert(reason);
        self.phase = Phase::Over;
    }

    /// Whether the next turn may not wait.
    pub fn is_ending_now(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether the end has begun.
    pub fn is_ending(&self) -> bool {
        self.phase != Phase::Serving
    }

    /// When the phase is over.
    pub fn next_deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Serving => None,
            Phase::TakingIn => Some(self.until.min(self.taken_in.1 + STOP_QUIET_MS * MS)),
            _ => Some(self.until),
        }
    }
}

impl Reactor {
    /// Does what the signals that have come ask for.
    pub(super) fn take_signals(&mut self) {
        if !std::mem::take(&mut self.has_signals) {
            return;
        }
        let mut numbers = [0; 64];
        let Ok(count) = nix::unistd::read(&self.signals, &mut numbers) else { return };
        // More than one read takes at once: the pipe is looked at again.
        self.has_signals = count == numbers.len();
        for number in &numbers[..count] {
            match i32::from(*number) {
                libc::SIGHUP => self.reload(),
                // A bug on purpose, for tests/e2e/symbolize.sh.
                libc::SIGUSR1 if cfg!(feature = "canary-panic") => panic!("SIGUSR1 came"),
                libc::SIGUSR1 => self.dump_metrics(),
                _ => self.stop(),
            }
        }
    }

    /// Begins the end; a second time, ends at once.
    fn stop(&mut self) {
        if self.life.phase != Phase::Serving {
            self.log.event(self.wall, Severity::Warn, "stopped_at_once", &[]);
            self.life.phase = Phase::Over;
            return;
        }
        self.log.event(self.wall, Severity::Info, "stopping", &[]);
        self.tell_stopping("stopping");
        self.accept();
        for mut listener in self.listeners.drain(..) {
            listener.deregister(self.poll.registry());
        }
        self.note_all_datagrams();
        self.note_kmsg();
        let timeout = u64::try_from(self.settings.shutdown_timeout.as_nanos()).unwrap_or(u64::MAX);
        self.life.end = self.now.saturating_add(timeout);
        self.life.phase = Phase::TakingIn;
        self.life.until = self.life.end.min(self.now + STOP_READ_MS * MS);
        self.life.taken_in = (self.metrics.bytes_in, self.now);
        for connection in self.connections.iter_mut() {
            if let Session::Logs(session) = &mut connection.session {
                session.owed_bytes = sys::bytes_arrived(connection.stream.as_raw_fd());
                // A sender that looks sees the end here and closes, and what it has sent until then
                // is taken in. After a close of ours it would be lost to a reset.
                let _gone_already = connection.stream.shutdown_write();
            }
        }
    }

    /// Whether some sender's bytes are still to be taken in: those that had arrived at the signal,
    /// and those of senders that have not seen the end yet, which go on or close.
    fn owes_bytes(&mut self) -> bool {
        if self.metrics.bytes_in != self.life.taken_in.0 {
            self.life.taken_in = (self.metrics.bytes_in, self.now);
        }
        let is_quiet = self.now >= self.life.taken_in.1 + STOP_QUIET_MS * MS;
        let is_owed = |connection: &Connection| match &connection.session {
            Session::Logs(session) => !is_quiet || session.owed_bytes > 0 || session.is_stalled,
            _ => false,
        };
        self.storage.segment().is_some()
            && (self.datagrams.is_owed()
                || self.kmsg.as_ref().is_some_and(Kmsg::is_owed)
                || self.connections.iter().any(is_owed))
    }

    /// Goes on with the end. Some code is the process's.
    pub(super) fn advance_life(&mut self) -> Option<ExitCode> {
        // A phase with nothing to wait for gives way to the next at once.
        loop {
            let phase = self.life.phase;
            self.advance_phase();
            if self.life.phase == phase {
                break;
            }
        }
        let code = match &self.life.failure {
            None => ExitCode::SUCCESS,
            Some(_) => ExitCode::FAILURE,
        };
        (self.life.phase == Phase::Over).then_some(code)
    }

    fn advance_phase(&mut self) {
        let is_late = self.now >= self.life.until;
        let owes = self.life.phase == Phase::TakingIn && self.owes_bytes();
        match self.life.phase {
            Phase::Serving => {}
            Phase::TakingIn if is_late || !owes => self.end_senders(),
            Phase::Answering if is_late || self.connections.is_empty() => {
                self.drop_all();
                self.sync_last();
            }
            Phase::Syncing if !self.storage.is_syncing() => self.close_segment(),
            Phase::Closing if self.storage.has_failed() => {
                self.life.fail(String::from("the last sync failed: not everything is on disk"));
            }
            Phase::Closing if !self.storage.is_syncing() => self.life.phase = Phase::Over,
            Phase::Salvaging if is_late => self.life.fail(String::from(SYNC_HAD_FAILED)),
            Phase::Syncing | Phase::Closing if is_late => {
                self.life.fail(String::from("the last sync did not end in time"));
            }
            _ => {}
        }
    }

    /// Every sender's last piece is a record; then answers are finished.
    fn end_senders(&mut self) {
        let tokens: Vec<_> =
            self.connections.iter().map(|one| (one.token, one.session.role())).collect();
        for (token, role) in tokens {
            match role {
                "logs" => self.end_logs(token, "stopping"),
                _ => self.end_asker(token),
            }
        }
        self.end_datagrams();
        self.end_kmsg();
        self.tell_all();
        self.life.phase = Phase::Answering;
        self.life.until = self.life.end;
    }

    /// Nobody is waited for any longer.
    fn drop_all(&mut self) {
        let tokens: Vec<_> = self.connections.iter().map(|one| one.token).collect();
        for token in tokens {
            self.drop_connection(token, "stopping");
        }
    }

    /// Tails end; what is being answered goes on, what is silent is closed.
    fn end_asker(&mut self, token: mio::Token) {
        let Some(connection) = self.connections.get(token) else { return };
        let is_silent = connection.outbox.is_empty() && !connection.is_readable;
        let is_busy = match &connection.session {
            Session::Questions(session) => {
                session.running().is_some_and(|running| !running.is_tail) || session.is_waiting()
            }
            Session::Http(session) => session.is_answering(),
            Session::Irc(_) => return self.end_irc(token),
            Session::Logs(_) | Session::Refused => false,
        };
        if is_silent && !is_busy {
            self.close(token, "stopping");
        } else if !is_busy {
            self.finish_answers(token);
        }
    }

    /// Sends the last records to the disk.
    fn sync_last(&mut self) {
        if !self.storage.is_on_disk() || self.storage.segment().is_none() {
            self.life.phase = Phase::Over;
            return;
        }
        // The disk gets at least a moment, however long the answers took.
        self.life.until = self.life.end.max(self.now + 1000 * MS);
        if self.storage.has_failed() {
            // It may be well again. And what fails now the kernel tells to us; else it would tell
            // the next server, who could not know that the failure is none of its own.
            match self.storage.order(Order::Sync) {
                true => self.life.phase = Phase::Salvaging,
                false => self.life.fail(String::from(SYNC_HAD_FAILED)),
            }
            return;
        }
        self.storage.want_sync();
        self.manage_sync();
        self.life.phase = Phase::Syncing;
    }

    fn close_segment(&mut self) {
        if self.storage.has_failed() {
            self.life.fail(String::from("the last sync failed: not everything is on disk"));
        } else if self.storage.begin_close() {
            self.life.phase = Phase::Closing;
        } else {
            // Lines came in while it synced, or a sync was under way already: once more.
            self.sync_last();
        }
    }

    /// Takes the disk helper's answers.
    pub(super) fn take_disk_answers(&mut self) {
        if !std::mem::take(&mut self.has_disk_answers) {
            return;
        }
        while let Some(answer) = self.storage.next_answer() {
            let done = match answer {
                Ok(done) => done,
                Err(error) => {
                    self.life.fail(format!("the disk helper is gone: {error}"));
                    return;
                }
            };
            match done.order {
                Order::Sync if self.life.phase == Phase::Salvaging => {
                    self.life.fail(String::from(SYNC_HAD_FAILED));
                }
                Order::Sync => {
                    let failed = self.storage.on_synced(&done);
                    self.metrics.sync_ended(done.took_ns, failed.is_none(), self.wall);
                    if let Some(error) = failed {
                        self.fail("sync_failed", &error);
                    }
                    self.answer_sync_waiters();
                }
                Order::Prewrite { from, to } => {
                    if done.errno == 0 {
                        self.metrics.prewrite_bytes += to.saturating_sub(from);
                        self.storage.on_prewritten(to);
                    } else {
                        self.storage.on_prewrite_failed(from, self.now);
                        let error = io::Error::from_raw_os_error(done.errno);
                        self.fail("prewrite_failed", &error);
                    }
                }
                // It has no answer.
                Order::Flush { .. } => {}
                Order::WriteFile(file) => self.on_file_written(file, done.errno),
                Order::Fetch { from, .. } => {
                    for token in self.storage.on_fetched(from) {
                        self.on_fetched(token);
                    }
                }
            }
        }
    }

    /// Begins a sync where one is due.
    pub(super) fn manage_sync(&mut self) {
        self.storage.manage(self.now);
        self.metrics.disk_orders_refused = self.storage.orders_refused();
    }

    /// Reads the config file again. A bad file changes nothing and says so.
    fn reload(&mut self) {
        self.tell_reloading();
        match self.settings.reload_file() {
            Err(error) => {
                self.log.event(self.wall, Severity::Error, "reload_failed", &[("error", &error)]);
            }
            Ok(reload) => {
                let (changed, waits) = (reload.changed.join(","), reload.needs_restart.join(","));
                self.settings = reload.settings;
                self.log.set_level(self.settings.log_level);
                self.datagrams.forget_hosts();
                self.reload_irc();
                self.policy = super::http::policy(&self.settings, &self.host_name, &self.listeners);
                intake::apply(&self.settings, &mut self.intake);
                let age = self.settings.max_age.map(|age| age.as_nanos() as u64);
                self.storage.set_visible(self.settings.max_logs, age);
                self.log.event(
                    self.wall,
                    Severity::Info,
                    "reloaded",
                    &[("changed", &changed), ("needs_restart", &waits)],
                );
            }
        }
        self.tell_reloaded();
    }

    /// Pins, where the settings say so, and warns where the ring takes most of the memory.
    ///
    /// # Errors
    /// What could not be done, and the system's reason.
    pub(super) fn apply_process_settings(&mut self) -> io::Result<()> {
        self.warn_of_memory();
        if let Some(cpu) = self.settings.cpu {
            sys::pin_to_cpu(cpu)
                .map_err(|error| io::Error::new(error.kind(), format!("--cpu {cpu}: {error}")))?;
        }
        Ok(())
    }

    /// Hands standard error what it takes of our log.
    pub(super) fn write_log(&mut self) {
        self.metrics.log_dropped = self.log.dropped;
        self.metrics.log_suppressed = self.log.suppressed;
        while !self.log.is_empty() {
            match sys::write_stderr(self.log.pending()) {
                0 => return,
                written => self.log.written(written),
            }
        }
    }

    /// The end of the process: what is left of our log, within reason, and the reason it failed.
    pub(super) fn last_words(mut self, code: ExitCode) -> ExitCode {
        let failure = self.life.failure.take();
        if failure.is_none() {
            self.log.event(self.wall, Severity::Info, "stopped", &[]);
        }
        self.write_log();
        if !self.log.is_empty() || failure.is_some() {
            sys::wait_stderr(LAST_WORDS);
            self.write_log();
        }
        let Some(reason) = failure else { return code };
        self.tell_stopping(&reason);
        sys::write_stderr(format!("logcaster: {reason}\n").as_bytes());
        ExitCode::FAILURE
    }
}
