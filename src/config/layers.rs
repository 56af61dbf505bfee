//! The layers that settings come from: flags, environment, config file, defaults.

use super::table::{Setting, TABLE, row};
use super::value::{Expected, nearest};
use super::{LogFormat, LogLevel, Settings, SyncMode};
use crate::proto::frame::Framing;
use core::fmt;
use core::time::Duration;
use std::path::{Path, PathBuf};

/// Where a setting got its value from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The flag of this name, without dashes.
    Flag(&'static str),
    /// This environment variable.
    Environment(&'static str),
    /// The config file at this path.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) => write!(f, "flag --{name}"),
            Source::Environment(name) => write!(f, "environment {name}"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Default => f.write_str("default"),
        }
    }
}

/// Flags as they were given: the row's name and the value, `true` for a switch. Of a repeatable
/// row every value counts, of any other the last.
pub type Flags = Vec<(&'static str, String)>;

/// What was given above the config file.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Layers {
    /// From the command line.
    flags: Flags,
    /// Variables by name. Only names that the table knows.
    env: Vec<(&'static str, String)>,
}

/// Why settings could not be taken. Each is one line and ends the program with exit code 2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// A value that its setting does not allow.
    Value {
        /// Where it stands.
        source: Source,
        /// The setting's name.
        name: &'static str,
        /// The value, as given.
        value: String,
        /// What is allowed.
        expected: Expected,
    },
    /// A key that the config file must not hold.
    UnknownKey {
        /// The config file.
        file: PathBuf,
        /// The key.
        key: String,
        /// A known key that it resembles.
        nearest: Option<&'static str>,
    },
    /// The config file is not TOML.
    Syntax {
        /// The config file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The parser's reason, one line.
        reason: String,
    },
    /// The config file could not be read.
    Read {
        /// The config file.
        file: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// Two listeners were given one port.
    SamePort {
        /// The one's name.
        name: &'static str,
        /// The other's name.
        other: &'static str,
        /// The port.
        port: u16,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Value { source, name, value, expected } => {
                match source {
                    Source::Flag(flag) => write!(f, "--{flag}")?,
                    Source::Environment(variable) => f.write_str(variable)?,
                    Source::File(path) => write!(f, "{}: {name}", path.display())?,
                    Source::Default => write!(f, "default of {name}")?,
                }
                write!(f, " {value:?}: expected {}", expected.0)
            }
            ConfigError::UnknownKey { file, key, nearest } => {
                write!(f, "{}: unknown key {key:?}", file.display())?;
                match nearest {
                    Some(nearest) => write!(f, " (did you mean {nearest:?}?)"),
                    None => f.write_str(" (see logcaster serve --help for the names)"),
                }
            }
            ConfigError::Syntax { file, line, reason } => {
                write!(f, "{}: line {line}: {reason}", file.display())
            }
            ConfigError::Read { file, reason } => write!(f, "read {}: {reason}", file.display()),
            ConfigError::SamePort { name, other, port } => {
                write!(f, "--{name} {port}: expected a port other than that of --{other}")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

/// Resolves flags, this process's environment, the config file and the defaults. The second value
/// is warnings for the operator, a line each: what was ignored, and why.
///
/// # Errors
/// [`ConfigError`] for the first bad value, or a config file that cannot be used.
pub fn load(flags: Flags) -> Result<(Settings, Vec<String>), ConfigError> {
    let env = std::env::vars_os().map(|(name, value)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    });
    load_from(flags, env)
}

/// [`load`] with another environment.
///
/// # Errors
/// As [`load`].
pub fn load_from(
    flags: Flags,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<(Settings, Vec<String>), ConfigError> {
    let mut warnings = Vec::new();
    let layers = Layers { flags, env: known_variables(env, &mut warnings) };
    let path = layers.values(row("config")).pop().map(|(_, path)| PathBuf::from(path));
    let file = match path.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => {
            let text = read(&path)?;
            parse_file(&path, &text)?
        }
        None => Vec::new(),
    };
    let settings = resolve(&layers, &file, &mut warnings)?;
    Ok((settings, warnings))
}

/// Reads the config file.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Read { file: path.to_owned(), reason: error.to_string() })
}

/// Variables of the client subcommands: known, but none of the server's.
const CLIENT_VARIABLES: [&str; 2] = ["LOGCASTER_ADDR", "LOGCASTER_LOG_ADDR"];

/// Picks the variables that the table knows, and warns of `LOGCASTER_*` that nobody knows. An
/// empty variable counts as unset: compose files pass on variables that way.
fn known_variables(
    env: impl IntoIterator<Item = (String, String)>,
    warnings: &mut Vec<String>,
) -> Vec<(&'static str, String)> {
    let names = || TABLE.iter().flat_map(|row| [Some(row.env), row.env_also]).flatten();
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for (name, value) in env {
        if let Some(name) = names().find(|known| **known == *name) {
            if !value.is_empty() {
                known.push((name, value));
            }
        } else if name.starts_with("LOGCASTER_") && !CLIENT_VARIABLES.contains(&&*name) {
            unknown.push(name);
        }
    }
    unknown.sort();
    for name in unknown {
        let hint = match nearest(&name, names()) {
            Some(known) => format!(" (did you mean {known}?)"),
            None => String::new(),
        };
        warnings.push(format!("{name} ignored: unknown variable{hint}"));
    }
    known
}

/// A value of the config file, as text that its row's check reads.
pub(super) struct FileValue {
    path: PathBuf,
    row: &'static Setting,
    text: String,
}

/// Reads the config file's text. Values are checked later, where they are not overridden.
pub(super) fn parse_file(path: &Path, text: &str) -> Result<Vec<FileValue>, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.as_bytes().get(..start).unwrap_or_default();
        ConfigError::Syntax {
            file: path.to_owned(),
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            reason: error.message().replace('\n', ", "),
        }
    })?;
    let keys = || TABLE.iter().map(|row| row.name).filter(|name| *name != "config");
    let mut values = Vec::new();
    for (key, value) in table {
        let row = TABLE.iter().find(|row| row.name == key && row.name != "config");
        let Some(row) = row else {
            let nearest = nearest(&key.replace('_', "-"), keys());
            return Err(ConfigError::UnknownKey { file: path.to_owned(), key, nearest });
        };
        let Some(text) = file_text(&value) else {
            return Err(ConfigError::Value {
                source: Source::File(path.to_owned()),
                name: row.name,
                value: refused_text(&value),
                expected: Expected::new("text, a whole number, true or false, or a list of text"),
            });
        };
        values.push(FileValue { path: path.to_owned(), row, text });
    }
    Ok(values)
}

/// A TOML value as one would type it on the command line; lists become comma lists.
fn file_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(on) => Some(on.to_string()),
        toml::Value::Array(list) => {
            let list: Option<Vec<String>> =
                list.iter().filter(|value| !value.is_array()).map(file_text).collect();
            list.map(|list| list.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// A value that [`file_text`] does not take, as it is named in the error: of a list the part that
/// is at fault, of a table the word.
fn refused_text(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => format!("{number:?}"),
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::Array(list) => {
            let fault = list.iter().find(|value| file_text(value).is_none());
            fault.map_or_else(|| value.type_str().to_owned(), refused_text)
        }
        _ => value.type_str().to_owned(),
    }
}

impl Layers {
    /// What flags and environment say of `row`, the strongest last.
    fn values(&self, row: &Setting) -> Vec<(Source, String)> {
        let mut values = Vec::new();
        for name in [row.env_also, Some(row.env)].into_iter().flatten() {
            let found = self.env.iter().filter(|(known, _)| *known == name);
            values.extend(found.map(|(name, text)| (Source::Environment(name), text.clone())));
        }
        let given: Vec<&str> = self
            .flags
            .iter()
            .filter(|(name, _)| *name == row.name)
            .map(|(_, text)| text.as_str())
            .collect();
        if let Some((name, last)) = self.flags.iter().rfind(|(name, _)| *name == row.name) {
            let text = if row.repeatable { given.join(",") } else { last.clone() };
            values.push((Source::Flag(name), text));
        }
        values
    }
}

/// Settings before anything is said: the table's defaults overwrite every field.
fn blank(layers: &Layers) -> Settings {
    Settings {
        bind: Vec::new(),
        log_port: 0,
        framing: Framing::Auto,
        syslog: Vec::new(),
        unix: Vec::new(),
        kmsg: false,
        syslog_timezone: None,
        query_port: 0,
        query_socket: None,
        http_port: 0,
        http_prefix: String::new(),
        cors: Vec::new(),
        irc_port: None,
        irc: false,
        irc_port_number: 0,
        irc_name: String::new(),
        irc_auto_join: Vec::new(),
        irc_motd: None,
        irc_password: None,
        irc_max_clients: 0,
        irc_per_address: 0,
        persist: false,
        dir: PathBuf::new(),
        size_bytes: 0,
        max_logs: None,
        max_age: None,
        max_clients: 0,
        max_line: 0,
        rate_limit: None,
        dedupe: false,
        multiline: None,
        sync: SyncMode::Never,
        dirty_max: None,
        memory: 0,
        idle_timeout: None,
        allow: Vec::new(),
        proxy_from: Vec::new(),
        log_level: LogLevel::Info,
        log_format: LogFormat::Text,
        spin: false,
        cpu: None,
        mlock: false,
        test_mode: false,
        lock_wait: Duration::ZERO,
        shutdown_timeout: Duration::ZERO,
        config_file: None,
        layers: layers.clone(),
        sources: vec![Source::Default; TABLE.len()],
    }
}

/// Resolves the layers, row by row, then checks what concerns several rows.
pub(super) fn resolve(
    layers: &Layers,
    file: &[FileValue],
    warnings: &mut Vec<String>,
) -> Result<Settings, ConfigError> {
    let mut settings = blank(layers);
    for (index, row) in TABLE.iter().enumerate() {
        let mut candidates = vec![(Source::Default, row.default.to_owned())];
        let in_file = file.iter().filter(|value| value.row.name == row.name);
        candidates
            .extend(in_file.map(|value| (Source::File(value.path.clone()), value.text.clone())));
        candidates.extend(layers.values(row));
        while let Some((source, text)) = candidates.pop() {
            match (row.set)(&mut settings, &text) {
                Ok(()) => {
                    settings.sources[index] = source;
                    break;
                }
                Err(expected) => match ignorable(row, &source, &text, &expected) {
                    Some(warning) => warnings.push(warning),
                    None => {
                        let name = row.name;
                        return Err(ConfigError::Value { source, name, value: text, expected });
                    }
                },
            }
        }
    }
    settings.settle(warnings)?;
    Ok(settings)
}

/// The warning for a bad value that may be meant for another program, and is passed over.
fn ignorable(row: &Setting, source: &Source, text: &str, expected: &Expected) -> Option<String> {
    let Source::Environment(name) = source else { return None };
    if row.is_port && text.contains("://") {
        return Some(format!(
            "{name} {text:?} ignored: not a port, as Kubernetes sets it for a service \
             (enableServiceLinks: false stops that)"
        ));
    }
    let is_ours = name.starts_with("LOGCASTER_");
    (!is_ours).then(|| format!("{name} {text:?} ignored: expected {}", expected.0))
}
