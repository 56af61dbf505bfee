//! The one table of settings: each row is a flag, an environment variable and a key of the config
//! file at once. Help, completion, the man page and `logcaster config` are rendered from it.

use super::inputs::{self, FRAMINGS, Zone};
use super::irc;
use super::senders;
use super::value::{self, Expected};
use super::web;
use super::{AllowRule, LogFormat, LogLevel, Settings, SyncMode};
use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use core::ops::RangeInclusive;

/// One row: a setting, wherever it is given.
pub struct Setting {
    /// The long flag without its dashes, and the key in the config file.
    pub name: &'static str,
    /// The one-letter flag.
    pub short: Option<char>,
    /// The environment variable.
    pub env: &'static str,
    /// A second name in the environment. One that does not begin with `LOGCASTER_` may belong to
    /// another program, so a bad value there is never fatal.
    pub env_also: Option<&'static str>,
    /// The value's name in help; `None` is a switch, which is on where the flag stands.
    pub value: Option<&'static str>,
    /// The default, as one would type it.
    pub default: &'static str,
    /// Words that make up the whole choice, for completion.
    pub choices: &'static [&'static str],
    /// Checks a value and stores it.
    pub set: fn(&mut Settings, &str) -> Result<(), Expected>,
    /// Writes the effective value; `set` reads it back to the same, unless there is `adopt`.
    pub show: fn(&Settings) -> String,
    /// Whether SIGHUP applies a new value; otherwise it needs a restart.
    pub reloadable: bool,
    /// Takes the value over from other settings, and says whether it is another; for values of
    /// which not all is shown.
    pub adopt: Option<fn(&mut Settings, &Settings) -> bool>,
    /// Whether the flag may stand several times, each adding to the list. Of any other flag the
    /// last one wins.
    pub repeatable: bool,
    /// Whether the value is a port, where the environment may hold what Kubernetes injects.
    pub is_port: bool,
    /// One line for `-h`: verb first, no full stop; the default is appended when it is rendered.
    pub help: &'static str,
    /// What `--help` and the man page say beyond that; empty where there is nothing to add.
    pub essay: &'static str,
}

/// What a row leaves out: a switch that is off, not reloadable, without a second name.
pub(super) const SWITCH: Setting = Setting {
    name: "",
    short: None,
    env: "",
    env_also: None,
    value: None,
    default: "false",
    choices: &[],
    set: |_, _| Ok(()),
    show: |_| String::new(),
    reloadable: false,
    adopt: None,
    repeatable: false,
    is_port: false,
    help: "",
    essay: "",
};

/// What the rows of ports have in common.
pub(super) const PORT: Setting = Setting { value: Some("PORT"), is_port: true, ..SWITCH };

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Sizes that a ring may have, in bytes: those that a segment takes.
const RING_BYTES: RangeInclusive<u64> = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
/// Values of `--max-line` before the ring's size is known, in bytes: a small ring allows less.
const LINE_BYTES: RangeInclusive<u64> = 16..=(crate::limits::LINE_BYTES_DEFAULT as u64);
/// Values of `--dirty-max` before the ring's size is known, in bytes.
const DIRTY_BYTES: RangeInclusive<u64> = (64 * KIB)..=SEGMENT_BYTES_MAX;
/// Values of `--memory`, in bytes.
const MEMORY_BYTES: RangeInclusive<u64> = MIB..=(1 << 40);
/// Longest duration of a setting that makes the server wait, in milliseconds: a day.
const WAIT_MS_MAX: u64 = 86_400_000;
/// Longest age that `--max-age` takes, in milliseconds: 100 years of 365 days.
const AGE_MS_MAX: u64 = 36_500 * 86_400_000;
/// Values of the interval of `--sync`, in milliseconds: a fast disk needs about one for a sync.
const SYNC_MS: RangeInclusive<u64> = 1..=3_600_000;
/// Log clients at once that `--max-clients` may allow.
pub(super) const CLIENTS: RangeInclusive<u64> = 1..=1_000_000;
/// Highest core number that the kernel's set of cores has a place for.
const CPU_MAX: u64 = 1023;
/// Where Linux says which cores this machine has, as `0-7`.
const CPUS_PRESENT: &str = "/sys/devices/system/cpu/present";

/// The highest number of a core of this machine. Those that this process may run on just now may
/// be fewer, but `--cpu` can move it to another.
pub(super) fn cpu_max() -> u64 {
    let present = std::fs::read_to_string(CPUS_PRESENT).ok();
    let last = present.as_deref().and_then(last_cpu).unwrap_or(CPU_MAX);
    last.min(CPU_MAX)
}

/// The last number of a list as `0-3,8-11`.
fn last_cpu(list: &str) -> Option<u64> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

/// Writes an optional value, or the word for its absence.
pub(super) fn or_word<T>(value: Option<T>, show: impl Fn(T) -> String, absent: &str) -> String {
    value.map_or_else(|| absent.to_owned(), show)
}

/// Reads a count where 0 and `off` mean none.
fn count_or_off(text: &str) -> Result<Option<u64>, Expected> {
    if text == "off" {
        return Ok(None);
    }
    let count = value::count(text, 0..=u64::MAX)
        .map_err(|_| Expected::new("a whole number, or 0 for no limit"))?;
    Ok(Some(count).filter(|count| *count > 0))
}

/// Reads one of a list of words.
fn choice<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Expected> {
    let text = text.trim();
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Expected(format!("one of {}", words.join(", ")))
    })
}

/// Reads `never`, `always`, `interval` or `interval:MS`.
fn sync_mode(text: &str) -> Result<SyncMode, Expected> {
    let expected = || Expected::new("never, interval, interval:MILLISECONDS or always");
    match text.split_once(':') {
        None => match text {
            "never" => Ok(SyncMode::Never),
            "always" => Ok(SyncMode::Always),
            "interval" => Ok(SyncMode::Interval(1000)),
            _ => Err(expected()),
        },
        Some(("interval", millis)) => {
            let millis = millis.strip_suffix("ms").unwrap_or(millis);
            let millis = value::count(millis, SYNC_MS).map_err(|_| {
                let (low, high) = (SYNC_MS.start(), SYNC_MS.end());
                Expected(format!("interval:MILLISECONDS with {low} to {high}"))
            })?;
            Ok(SyncMode::Interval(millis))
        }
        Some(_) => Err(expected()),
    }
}

/// Reads a comma list of networks, each for all listeners or, as `query=10.0.0.0/8`, for one.
fn allow_rules(text: &str) -> Result<Vec<AllowRule>, Expected> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(AllowRule::parse).collect()
}

/// Every setting of the server, in the order in which help shows them.
pub static TABLE: &[Setting] = &[
    Setting {
        name: "log-port",
        short: Some('p'),
        env: "LOGCASTER_LOG_PORT",
        env_also: Some("LOGCASTER_PORT"),
        default: "9999",
        set: |s, text| value::port(text, "any free one").map(|port| s.log_port = port),
        show: |s| s.log_port.to_string(),
        help: "Accept log lines on PORT",
        essay: "With 0 the system chooses a free port; the event `listening` of the server's own \
                log names it.",
        ..PORT
    },
    Setting {
        name: "framing",
        env: "LOGCASTER_FRAMING",
        value: Some("FRAMING"),
        default: "auto",
        choices: &["auto", "lf", "octet", "nul"],
        set: |s, text| choice(text, &FRAMINGS).map(|framing| s.framing = framing),
        show: |s| inputs::framing_name(s.framing).to_owned(),
        help: "Tell records on the log port apart so",
        essay: "`auto` looks at each record's first bytes: a line, `<PRI>` up to a newline or NUL, \
                a count before `<PRI>`, JSON. The others guess nothing: `lf`, `nul` end each \
                record, `octet` is a count and a space before each.",
        ..SWITCH
    },
    Setting {
        name: "syslog",
        env: "LOGCASTER_SYSLOG",
        value: Some("ADDR"),
        default: "",
        repeatable: true,
        set: |s, text| inputs::syslog_inputs(text).map(|inputs| s.syslog = inputs),
        show: |s| inputs::show_inputs(&s.syslog),
        help: "Take syslog at ADDR, UDP and TCP; repeatable",
        essay: "ADDR is IP:PORT, or a PORT at the addresses of --bind. udp:// or tcp:// before it \
                opens that one alone, `unix:PATH` a Unix socket as --unix does. Behind it \
                `,framing=octet` (or auto, lf, nul) says how the records of its streams are told \
                apart. With port 0 the system chooses. May stand several times, or hold a comma \
                list. --allow log=CIDR holds here too.",
        ..SWITCH
    },
    Setting {
        name: "syslog-timezone",
        env: "LOGCASTER_SYSLOG_TIMEZONE",
        value: Some("ZONE"),
        default: "",
        set: |s, text| {
            s.syslog_timezone = match text.trim() {
                "" => None,
                text => Some(Zone::parse(text)?),
            };
            Ok(())
        },
        show: |s| or_word(s.syslog_timezone.as_ref(), ToString::to_string, ""),
        help: "Read syslog times without a zone as of ZONE",
        essay: "A name, as Europe/Berlin, or an offset, as +01:00. Without it they are of the zone \
                that TZ names.",
        ..SWITCH
    },
    Setting {
        name: "unix",
        env: "LOGCASTER_UNIX",
        value: Some("PATH"),
        default: "",
        repeatable: true,
        set: |s, text| inputs::unix_inputs(text).map(|inputs| s.unix = inputs),
        show: |s| inputs::show_inputs(&s.unix),
        help: "Take logs at a Unix socket; repeatable",
        essay: "PATH is a socket for datagrams, as /dev/log is; `stream:PATH` one for connections. \
                Everybody on this machine may write to it. A socket that nobody listens at any \
                more is replaced, another kind of file never; at the end it is removed. May stand \
                several times, or hold a comma list.",
        ..SWITCH
    },
    Setting {
        name: "kmsg",
        env: "LOGCASTER_KMSG",
        set: |s, text| value::boolean(text).map(|on| s.kmsg = on),
        show: |s| s.kmsg.to_string(),
        help: "Take the kernel's messages, from the boot on",
        essay: "Read from /dev/kmsg. With --persist, messages older than the newest record are \
                taken for read by an earlier run of this boot, and passed over.",
        ..SWITCH
    },
    Setting {
        name: "query-port",
        short: Some('q'),
        env: "LOGCASTER_QUERY_PORT",
        default: "9998",
        set: |s, text| value::port(text, "any free one").map(|port| s.query_port = port),
        show: |s| s.query_port.to_string(),
        help: "Answer questions on PORT",
        ..PORT
    },
    Setting {
        name: "query-socket",
        env: "LOGCASTER_QUERY_SOCKET",
        value: Some("PATH"),
        default: "",
        set: |s, text| {
            s.query_socket = match text.trim() {
                "" => None,
                text => Some(inputs::socket_path(text.strip_prefix("unix:").unwrap_or(text))?),
            };
            Ok(())
        },
        show: |s| or_word(s.query_socket.as_ref(), |path| path.display().to_string(), ""),
        help: "Answer questions at a Unix socket too",
        essay: "Its owner and group may use it, and may CLEAR. Reach it with --addr unix:PATH.",
        ..SWITCH
    },
    web::HTTP_PORT,
    web::HTTP_PREFIX,
    web::CORS,
    irc::IRC,
    irc::IRC_PORT,
    irc::IRC_NAME,
    irc::IRC_AUTO_JOIN,
    irc::IRC_MOTD,
    irc::IRC_PASSWORD,
    irc::IRC_MAX_CLIENTS,
    irc::IRC_PER_ADDRESS,
    Setting {
        name: "bind",
        env: "LOGCASTER_BIND",
        value: Some("ADDRS"),
        default: "127.0.0.1,::1",
        set: |s, text| value::addresses(text).map(|list| s.bind = list),
        show: |s| s.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        help: "Listen on these addresses",
        essay: "A comma list of numeric addresses, IPv4 or IPv6; `all` stands for 0.0.0.0 and \
                [::]. Names are not looked up. A container that is to be reached from outside \
                needs `--bind all`.",
        ..SWITCH
    },
    Setting {
        name: "allow",
        env: "LOGCASTER_ALLOW",
        value: Some("CIDR"),
        default: "",
        set: |s, text| allow_rules(text).map(|rules| s.allow = rules),
        show: |s| s.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        reloadable: true,
        repeatable: true,
        help: "Let only this network in; repeatable",
        essay: "A network such as 10.0.0.0/8, fd00::/8, or one address. `query=10.0.0.0/8` is for \
                one listener alone: log, query, http or irc; `clear=10.0.0.5` lets that address \
                CLEAR, which else only this machine may. May stand several times, or hold a \
                comma list. A listener that no rule names lets everyone in; one that a rule names \
                lets in what its rules hold and nothing else: name 127.0.0.1 too where a health \
                check asks from there.",
        ..SWITCH
    },
    senders::PROXY_FROM,
    Setting {
        name: "persist",
        short: Some('P'),
        env: "LOGCASTER_PERSIST",
        set: |s, text| value::boolean(text).map(|on| s.persist = on),
        show: |s| s.persist.to_string(),
        help: "Keep the ring in a file that survives restarts",
        essay: "Without it the ring is kept in memory and gone when the server ends.",
        ..SWITCH
    },
    Setting {
        name: "dir",
        short: Some('d'),
        env: "LOGCASTER_DIR",
        env_also: Some("PERSISTENCE_PATH"),
        value: Some("DIR"),
        default: "./logs",
        set: |s, text| match text {
            "" => Err(Expected::new("a directory")),
            _ => {
                s.dir = text.into();
                Ok(())
            }
        },
        show: |s| s.dir.display().to_string(),
        help: "Keep that file in DIR",
        ..SWITCH
    },
    Setting {
        name: "size",
        short: Some('s'),
        env: "LOGCASTER_SIZE",
        value: Some("MB"),
        default: "64",
        set: |s, text| value::size(text, MIB, RING_BYTES).map(|bytes| s.size_bytes = bytes),
        show: |s| value::show_size(s.size_bytes),
        help: "Keep the newest MB megabytes, or a size, as 1G",
        essay: "Units are 1024-based: 64 and 64M are 67,108,864 bytes. The segment, in memory or \
                on disk, is exactly this large from the first second. Another size at the next \
                start copies what fits into a new file.",
        ..SWITCH
    },
    Setting {
        name: "max-logs",
        env: "LOGCASTER_MAX_LOGS",
        env_also: Some("MAX_BUFFER_SIZE"),
        value: Some("N"),
        default: "off",
        set: |s, text| count_or_off(text).map(|count| s.max_logs = count),
        show: |s| or_word(s.max_logs, |count| count.to_string(), "off"),
        reloadable: true,
        help: "Show at most the newest N records",
        ..SWITCH
    },
    Setting {
        name: "max-age",
        env: "LOGCASTER_MAX_AGE",
        value: Some("TIME"),
        default: "off",
        set: |s, text| {
            let age = value::duration(text, 0..=AGE_MS_MAX)?;
            s.max_age = Some(age).filter(|age| !age.is_zero());
            Ok(())
        },
        show: |s| or_word(s.max_age, value::show_duration, "off"),
        reloadable: true,
        help: "Show only records younger than TIME, as 30d",
        ..SWITCH
    },
    Setting {
        name: "max-clients",
        env: "LOGCASTER_MAX_CLIENTS",
        env_also: Some("MAX_CLIENTS"),
        value: Some("N"),
        default: "1000",
        set: |s, text| value::count(text, CLIENTS).map(|count| s.max_clients = count as usize),
        show: |s| s.max_clients.to_string(),
        reloadable: true,
        help: "Let in at most N log clients at once",
        essay: "32 places more are kept for questions and health checks. A further client gets \
                one line with the reason and is closed.",
        ..SWITCH
    },
    Setting {
        name: "max-line",
        env: "LOGCASTER_MAX_LINE",
        value: Some("SIZE"),
        default: "64K",
        set: |s, text| value::size(text, 1, LINE_BYTES).map(|bytes| s.max_line = bytes as usize),
        show: |s| value::show_size(s.max_line as u64),
        help: "Cut longer lines to SIZE, as 64K",
        essay: "A cut line ends in `...`, the rest of it is dropped and counted. At most a \
                quarter of a block: 64K, or 16K in rings below 4M, where that is the default too.",
        ..SWITCH
    },
    senders::RATE_LIMIT,
    senders::DEDUPE,
    senders::MULTILINE,
    Setting {
        name: "sync",
        env: "LOGCASTER_SYNC",
        value: Some("WHEN"),
        default: "interval:1000",
        choices: &["never", "interval", "always"],
        set: |s, text| sync_mode(text.trim()).map(|mode| s.sync = mode),
        show: |s| match s.sync {
            SyncMode::Never => "never".to_owned(),
            SyncMode::Interval(millis) => format!("interval:{millis}"),
            SyncMode::Always => "always".to_owned(),
        },
        help: "Sync to disk never, interval[:MS] or always",
        essay: "What a power cut can cost: with `interval:MS` the last MS milliseconds; with \
                `always` nothing that was acknowledged by a protocol that acknowledges; with \
                `never` what the kernel had not written yet. A crash of the server alone costs \
                nothing in any of them.",
        ..SWITCH
    },
    Setting {
        name: "dirty-max",
        env: "LOGCASTER_DIRTY_MAX",
        value: Some("SIZE"),
        default: "auto",
        set: |s, text| {
            s.dirty_max = match text.trim() {
                "auto" => None,
                text => Some(value::size(text, 1, DIRTY_BYTES)?),
            };
            Ok(())
        },
        show: |s| or_word(s.dirty_max, value::show_size, "auto"),
        help: "Wait for the disk at SIZE not yet written",
        essay: "Beyond it log clients wait until the disk has caught up; questions go on. `auto` \
                is the smallest of 16M, a quarter of the ring and an eighth of the memory limit.",
        ..SWITCH
    },
    Setting {
        name: "memory",
        env: "LOGCASTER_MEMORY",
        value: Some("SIZE"),
        default: "16M",
        set: |s, text| value::size(text, 1, MEMORY_BYTES).map(|bytes| s.memory = bytes as usize),
        show: |s| value::show_size(s.memory as u64),
        help: "Use at most SIZE beyond the ring",
        essay: "One budget for partial lines, unsent answers and compiled patterns. What does not \
                fit waits, or is refused with the reason.",
        ..SWITCH
    },
    Setting {
        name: "idle-timeout",
        env: "LOGCASTER_IDLE_TIMEOUT",
        value: Some("TIME"),
        default: "off",
        set: |s, text| {
            let idle = value::duration(text, 0..=WAIT_MS_MAX)?;
            s.idle_timeout = Some(idle).filter(|idle| !idle.is_zero());
            Ok(())
        },
        show: |s| or_word(s.idle_timeout, value::show_duration, "off"),
        reloadable: true,
        help: "Close log clients that are silent for TIME",
        essay: "Off, because most senders notice a closed connection only when the next line is \
                already lost. Peers that are gone are found by keepalive without it.",
        ..SWITCH
    },
    Setting {
        name: "lock-wait",
        env: "LOGCASTER_LOCK_WAIT",
        value: Some("TIME"),
        default: "off",
        set: |s, text| value::duration(text, 0..=WAIT_MS_MAX).map(|wait| s.lock_wait = wait),
        show: |s| value::show_duration(s.lock_wait),
        help: "Wait TIME for another server's lock, as 10s",
        essay: "For a rolling update: the new server waits until the old one has let go of the \
                segment. Off, a locked segment is an error at once.",
        ..SWITCH
    },
    Setting {
        name: "shutdown-timeout",
        env: "LOGCASTER_SHUTDOWN_TIMEOUT",
        value: Some("TIME"),
        default: "5s",
        set: |s, text| value::duration(text, 0..=WAIT_MS_MAX).map(|wait| s.shutdown_timeout = wait),
        show: |s| value::show_duration(s.shutdown_timeout),
        reloadable: true,
        help: "Finish answers within TIME at the end",
        ..SWITCH
    },
    Setting {
        name: "log-level",
        env: "LOGCASTER_LOG_LEVEL",
        env_also: Some("LOG_LEVEL"),
        value: Some("LEVEL"),
        default: "info",
        choices: &["error", "warn", "info", "debug"],
        set: |s, text| {
            let words = LogLevel::ALL.map(|level| (level.name(), level));
            // As other programs spell it in LOG_LEVEL.
            let is_long = text.trim().eq_ignore_ascii_case("warning");
            let text = if is_long { LogLevel::Warn.name() } else { text };
            choice(text, &words).map(|level| s.log_level = level)
        },
        show: |s| s.log_level.name().to_owned(),
        reloadable: true,
        help: "Log own events from LEVEL on, on stderr",
        essay: "One of error, warn (or warning), info and debug.",
        ..SWITCH
    },
    Setting {
        name: "log-format",
        env: "LOGCASTER_LOG_FORMAT",
        value: Some("FORMAT"),
        default: "text",
        choices: &["text", "json"],
        set: |s, text| {
            let words = [("text", LogFormat::Text), ("json", LogFormat::Json)];
            choice(text, &words).map(|format| s.log_format = format)
        },
        show: |s| match s.log_format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        },
        reloadable: true,
        help: "Log own events as text or json",
        ..SWITCH
    },
    Setting {
        name: "spin",
        env: "LOGCASTER_SPIN",
        set: |s, text| value::boolean(text).map(|on| s.spin = on),
        show: |s| s.spin.to_string(),
        help: "Poll without sleeping: a core for latency",
        ..SWITCH
    },
    Setting {
        name: "cpu",
        env: "LOGCASTER_CPU",
        value: Some("N"),
        default: "any",
        set: |s, text| {
            s.cpu = match text.trim() {
                "any" => None,
                text => {
                    let last = cpu_max();
                    let core = value::count(text, 0..=last)
                        .map_err(|_| Expected(format!("a core from 0 to {last}, or any")))?;
                    Some(core as usize)
                }
            };
            Ok(())
        },
        show: |s| or_word(s.cpu, |core| core.to_string(), "any"),
        help: "Run on core N only",
        ..SWITCH
    },
    Setting {
        name: "mlock",
        env: "LOGCASTER_MLOCK",
        set: |s, text| value::boolean(text).map(|on| s.mlock = on),
        show: |s| s.mlock.to_string(),
        help: "Lock the ring in memory",
        ..SWITCH
    },
    Setting {
        name: "test",
        short: Some('t'),
        env: "LOGCASTER_TEST",
        set: |s, text| value::boolean(text).map(|on| s.test_mode = on),
        show: |s| s.test_mode.to_string(),
        help: "Test mode: memory only, own log at debug",
        ..SWITCH
    },
    Setting {
        name: "config",
        env: "LOGCASTER_CONFIG",
        value: Some("FILE"),
        default: "",
        set: |s, text| {
            s.config_file = Some(text).filter(|text| !text.is_empty()).map(Into::into);
            Ok(())
        },
        show: |s| or_word(s.config_file.as_ref(), |file| file.display().to_string(), ""),
        help: "Read settings from FILE, in TOML",
        essay: "Each long flag's name is a key: `log-port = 9999`, `size = \"1G\"`, `persist = \
                true`, `allow = [\"10.0.0.0/8\"]`. SIGHUP reads it again.",
        ..SWITCH
    },
];

/// The row of the setting `name`.
///
/// # Panics
/// Where the table has no such row: a slip in our own code.
pub fn row(name: &str) -> &'static Setting {
    TABLE.iter().find(|row| row.name == name).expect("the name of a row of the table")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_core_of_a_list_is_found() {
        let cases = [("0-7\n", Some(7)), ("0", Some(0)), ("0-3,8-11", Some(11)), ("", None)];
        for (list, expected) in cases {
            assert_eq!(last_cpu(list), expected, "{list}");
        }
    }
}
