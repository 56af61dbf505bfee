//! The server's settings: one table, four layers.
//!
//! Each row of [`TABLE`] can be given as a flag, in the environment and in the config file; the
//! first of these that has it wins, and the default comes last:
//!
//! ```text
//! flag  >  environment  >  config file  >  default
//! ```
//!
//! [`load`] resolves them. Whatever it cannot take is one line that names the setting, the value
//! and what is allowed. [`Settings::reload`] resolves them again with a new file.

mod inputs;
mod irc;
mod layers;
mod senders;
mod table;
mod value;
mod web;

#[cfg(test)]
mod tests;

pub use inputs::{Input, InputPlace, Protocols, Zone, socket_path};
pub use irc::{Motd, Password};
pub use layers::{ConfigError, Flags, Source, load, load_from};
pub use senders::RateLimit;
pub use table::{Setting, TABLE, row};
pub use value::{Cidr, Expected, count, duration, nearest, show_duration, show_size, size};

use crate::proto::frame::Framing;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use layers::{Layers, parse_file, read, resolve};
use std::path::PathBuf;

/// The effective settings of the server, checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Addresses that every listener is bound to.
    pub bind: Vec<IpAddr>,
    /// Port of the log listener; 0 = a free one.
    pub log_port: u16,
    /// How records are told apart on the log port.
    pub framing: Framing,
    /// Where syslog comes in, beside the log port.
    pub syslog: Vec<Input>,
    /// Unix sockets where logs come in.
    pub unix: Vec<Input>,
    /// Whether the kernel's messages are read.
    pub kmsg: bool,
    /// The zone of times in syslog headers that name none; `None` = that of `TZ`.
    pub syslog_timezone: Option<Zone>,
    /// Port of the question listener; 0 = a free one.
    pub query_port: u16,
    /// The Unix socket for questions.
    pub query_socket: Option<PathBuf>,
    /// Port of the HTTP listener; 0 = off.
    pub http_port: u16,
    /// What every path of HTTP begins with: empty, or `/a/b`.
    pub http_prefix: String,
    /// Origins whose pages may read answers; `*` = all.
    pub cors: Vec<String>,
    /// Port of the IRC listener; `None` = off.
    pub irc_port: Option<u16>,
    /// Whether IRC is on.
    irc: bool,
    /// The port that IRC has where it is on.
    irc_port_number: u16,
    /// What the IRC server calls itself; empty = `irc.` and the machine's name.
    pub irc_name: String,
    /// Channels that everybody on IRC is put into.
    pub irc_auto_join: Vec<String>,
    /// IRC's message of the day.
    pub irc_motd: Option<Motd>,
    /// What IRC's `PASS` must say.
    pub irc_password: Option<Password>,
    /// Most clients of IRC at once.
    pub irc_max_clients: usize,
    /// Most clients of IRC from one address.
    pub irc_per_address: usize,
    /// Whether the ring is kept in a file in `dir`; else in memory.
    pub persist: bool,
    /// The directory of the segment.
    pub dir: PathBuf,
    /// Size of the segment in bytes.
    pub size_bytes: u64,
    /// Most records that are visible.
    pub max_logs: Option<u64>,
    /// Age at which records stop being visible.
    pub max_age: Option<Duration>,
    /// Most log clients at once.
    pub max_clients: usize,
    /// Bytes of a record beyond which it is cut; at most a quarter block.
    pub max_line: usize,
    /// How many lines each sender may send; `None` = any.
    pub rate_limit: Option<RateLimit>,
    /// Whether equal lines that follow each other are folded.
    pub dedupe: bool,
    /// What the first line of a record looks like, a pattern that compiles; `None` = each line is
    /// a record.
    pub multiline: Option<String>,
    /// When data is synced to disk.
    pub sync: SyncMode,
    /// Bytes appended but not yet on disk at which log sockets wait; `None` = by ring and memory.
    pub dirty_max: Option<u64>,
    /// Memory beyond the ring, in bytes.
    pub memory: usize,
    /// Silence after which a log client is closed.
    pub idle_timeout: Option<Duration>,
    /// Who may connect; ask [`Settings::allows`].
    pub allow: Vec<AllowRule>,
    /// Networks whose connections begin with a PROXY header.
    pub proxy_from: Vec<Cidr>,
    /// From which level on the server's own events are logged.
    pub log_level: LogLevel,
    /// How the server's own events are written.
    pub log_format: LogFormat,
    /// Whether the reactor polls without sleeping.
    pub spin: bool,
    /// The core that the reactor is pinned to.
    pub cpu: Option<usize>,
    /// Whether the ring is locked in memory.
    pub mlock: bool,
    /// Test mode: memory only, own log at debug. `persist` and `log_level` have it applied.
    pub test_mode: bool,
    /// How long to wait for a locked segment; zero = not at all.
    pub lock_wait: Duration,
    /// How long answers may take to finish at shutdown.
    pub shutdown_timeout: Duration,
    /// The config file that was read, and is read again at SIGHUP.
    pub config_file: Option<PathBuf>,
    /// What flags and environment said: they stay above the file when it is read again.
    layers: Layers,
    /// Where each row of the table got its value from, in the table's order.
    sources: Vec<Source>,
}

/// When the segment is synced to disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncMode {
    /// When the kernel likes.
    Never,
    /// Every so many milliseconds where there is something new.
    Interval(u64),
    /// At once; acknowledging protocols answer when the data is on disk.
    Always,
}

/// Levels of the server's own log, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    /// Something is lost or broken.
    Error,
    /// Something is wrong, and handled.
    Warn,
    /// What an operator wants to know anyway.
    Info,
    /// What explains the rest.
    Debug,
}

impl LogLevel {
    /// Every level, the most urgent first.
    pub const ALL: [LogLevel; 4] =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug];

    /// The word for the level, in settings and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
        }
    }
}

/// How the server's own log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// `warn connection_closed token=17 reason="…"`.
    Text,
    /// One JSON object a line.
    Json,
}

/// The listeners that `--allow` tells apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    /// Log lines.
    Log,
    /// Questions.
    Query,
    /// HTTP.
    Http,
    /// IRC.
    Irc,
    /// Not a listener but a right: to `CLEAR` from elsewhere than this machine.
    Clear,
}

impl Listener {
    /// Every listener and its word in `--allow`.
    const WORDS: [(&'static str, Listener); 5] = [
        ("log", Listener::Log),
        ("query", Listener::Query),
        ("http", Listener::Http),
        ("irc", Listener::Irc),
        ("clear", Listener::Clear),
    ];
}

/// One network that may connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllowRule {
    /// The listener it is for; `None` = all of them.
    pub listener: Option<Listener>,
    /// The network.
    pub network: Cidr,
}

impl AllowRule {
    /// Reads `10.0.0.0/8` or `query=10.0.0.0/8`.
    fn parse(text: &str) -> Result<Self, Expected> {
        let (listener, network) = match text.split_once('=') {
            None => (None, text),
            Some((word, network)) => {
                let found = Listener::WORDS.iter().find(|(name, _)| *name == word);
                let (_, listener) = found.ok_or_else(|| {
                    Expected::new("a listener before the =: log, query, http, irc or clear")
                })?;
                (Some(*listener), network)
            }
        };
        Ok(AllowRule { listener, network: Cidr::parse(network)? })
    }
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Listener::WORDS.iter().find(|(_, listener)| Some(*listener) == self.listener);
        if let Some((word, _)) = word {
            write!(f, "{word}=")?;
        }
        self.network.fmt(f)
    }
}

/// What [`Settings::reload`] found.
#[derive(Clone, Debug)]
pub struct Reload {
    /// The settings to go on with.
    pub settings: Settings,
    /// Names of the settings that have a new value.
    pub changed: Vec<&'static str>,
    /// Names of the settings whose new value waits for a restart.
    pub needs_restart: Vec<&'static str>,
}

/// The largest record, in bytes, that a ring of `size_bytes` takes: a quarter of its block, which
/// is 256 KiB, or 64 KiB in rings below 4 MiB.
pub const fn line_bytes_max(size_bytes: u64) -> usize {
    if size_bytes < 4 << 20 { (64 << 10) / 4 } else { (256 << 10) / 4 }
}

impl Settings {
    /// The defaults with `flags` on top: what tests and tools start from.
    ///
    /// # Errors
    /// As [`load`].
    pub fn from_flags(flags: &[(&'static str, &str)]) -> Result<Self, ConfigError> {
        let flags = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        load_from(flags, []).map(|(settings, _)| settings)
    }

    /// Where the setting `name` got its value from.
    pub fn source(&self, name: &str) -> &Source {
        let index = TABLE.iter().position(|row| row.name == name);
        index.and_then(|index| self.sources.get(index)).unwrap_or(&Source::Default)
    }

    /// Whether `peer` may connect to `listener`. A listener that no rule names lets everyone in.
    pub fn allows(&self, listener: Listener, peer: IpAddr) -> bool {
        let concerns =
            |rule: &&AllowRule| rule.listener.is_none() || rule.listener == Some(listener);
        let mut rules = self.allow.iter().filter(concerns).peekable();
        rules.peek().is_none() || rules.any(|rule| rule.network.contains(peer))
    }

    /// Whether connections from `peer` begin with a PROXY header.
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxy_from.iter().any(|network| network.contains(peer))
    }

    /// Whether `peer` may clear the ring: only where a rule for `clear` says so. That this machine
    /// itself may is not the settings' to say.
    pub fn allows_clear(&self, peer: IpAddr) -> bool {
        self.allow
            .iter()
            .any(|rule| rule.listener == Some(Listener::Clear) && rule.network.contains(peer))
    }

    /// Reads the config file again, and the files that settings name; see [`Settings::reload`].
    ///
    /// # Errors
    /// As [`load`]; these settings stay in force.
    pub fn reload_file(&self) -> Result<Reload, ConfigError> {
        let text = self.config_file.as_deref().map(read).transpose()?;
        self.reload(&text.unwrap_or_default())
    }

    /// Resolves again with `text` as the config file. Flags and environment stay above it. What
    /// can be changed in a running server is; the rest is named.
    ///
    /// # Errors
    /// As [`load`]; these settings stay in force.
    pub fn reload(&self, text: &str) -> Result<Reload, ConfigError> {
        let path = self.config_file.clone().unwrap_or_default();
        // The environment was warned of at the start; once is enough.
        let fresh = resolve(&self.layers, &parse_file(&path, text)?, &mut Vec::new())?;
        let mut settings = self.clone();
        let (mut changed, mut needs_restart) = (Vec::new(), Vec::new());
        for (index, row) in TABLE.iter().enumerate() {
            let shown = (row.show)(&fresh);
            let is_new = match row.adopt {
                Some(adopt) => adopt(&mut settings, &fresh),
                None => shown != (row.show)(self),
            };
            if !is_new {
                continue;
            }
            if row.reloadable {
                if row.adopt.is_none() {
                    (row.set)(&mut settings, &shown).expect("a shown value is read back");
                }
                settings.sources[index] = fresh.sources[index].clone();
                changed.push(row.name);
            } else {
                needs_restart.push(row.name);
            }
        }
        Ok(Reload { settings, changed, needs_restart })
    }

    /// Settles what concerns several settings at once.
    fn settle(&mut self, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
        self.settle_listeners()?;
        self.settle_line()?;
        self.settle_dirty()?;
        self.settle_test_mode(warnings);
        let is_shown = matches!(self.source("irc-password"), Source::Flag(_))
            && self.irc_password.as_ref().is_some_and(Password::is_bare);
        if is_shown {
            let advice = "--irc-password can be seen in lists of processes: @FILE or \
                          LOGCASTER_IRC_PASSWORD keep it";
            warnings.push(advice.to_owned());
        }
        if !self.persist && matches!(self.source("dir"), Source::Flag(_)) && !self.test_mode {
            warnings.push("--dir has no effect without --persist".to_owned());
        }
        Ok(())
    }

    /// A given IRC port turns IRC on, unless `irc` says no; no two listeners share a port.
    fn settle_listeners(&mut self) -> Result<(), ConfigError> {
        let port_given = *self.source("irc-port") != Source::Default;
        if port_given && *self.source("irc") == Source::Default {
            self.irc = self.irc_port_number != 0;
        }
        self.irc_port = Some(self.irc_port_number).filter(|port| self.irc && *port != 0);
        let irc_port = self.irc_port.unwrap_or(0);
        let ports = [
            ("query-port", self.query_port),
            ("http-port", self.http_port),
            ("irc-port", irc_port),
        ];
        let mut seen = vec![("log-port", self.log_port)];
        for (name, port) in ports {
            let taken = seen.iter().find(|(_, other)| *other == port && port != 0);
            // A default must not stand in the way of a port that was asked for.
            let is_http_default =
                name == "http-port" && *self.source("http-port") == Source::Default;
            match taken {
                Some(_) if is_http_default => self.http_port = 0,
                Some((other, _)) => return Err(ConfigError::SamePort { name, other, port }),
                None => seen.push((name, port)),
            }
        }
        Ok(())
    }

    /// `--max-line` is at most a quarter block; its default gives way in small rings.
    fn settle_line(&mut self) -> Result<(), ConfigError> {
        let allowed = line_bytes_max(self.size_bytes);
        if self.max_line <= allowed {
            return Ok(());
        }
        if *self.source("max-line") == Source::Default {
            self.max_line = allowed;
            return Ok(());
        }
        let (most, ring) = (show_size(allowed as u64), show_size(self.size_bytes));
        Err(ConfigError::Value {
            source: self.source("max-line").clone(),
            name: "max-line",
            value: show_size(self.max_line as u64),
            expected: Expected(format!("at most {most}, a quarter block of a ring of {ring}")),
        })
    }

    /// `--dirty-max` beyond the ring would promise what the ring cannot hold.
    fn settle_dirty(&self) -> Result<(), ConfigError> {
        match self.dirty_max {
            Some(bytes) if bytes > self.size_bytes => Err(ConfigError::Value {
                source: self.source("dirty-max").clone(),
                name: "dirty-max",
                value: show_size(bytes),
                expected: Expected(format!(
                    "a size up to that of the ring, {}",
                    show_size(self.size_bytes)
                )),
            }),
            _ => Ok(()),
        }
    }

    /// Test mode: memory only, own log at debug unless a flag names its level.
    fn settle_test_mode(&mut self, warnings: &mut Vec<String>) {
        if !self.test_mode {
            return;
        }
        let source = self.source("test").clone();
        if self.persist {
            warnings.push("--persist ignored: --test keeps the ring in memory".to_owned());
            self.persist = false;
            self.set_source("persist", source.clone());
        }
        if !matches!(self.source("log-level"), Source::Flag(_)) {
            self.log_level = LogLevel::Debug;
            self.set_source("log-level", source);
        }
    }

    /// Notes that the setting `name` follows from what stands at `source`.
    fn set_source(&mut self, name: &str, source: Source) {
        if let Some(index) = TABLE.iter().position(|row| row.name == name) {
            self.sources[index] = source;
        }
    }
}
