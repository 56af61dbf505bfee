//! The rows of IRC: where it is served, what it calls itself, who may come in.

use std::io::Read as _;

use super::table::{CLIENTS, PORT, SWITCH, Setting};
use super::value::{self, Expected};
use crate::limits::IRC_MOTD_BYTES_MAX;
use crate::proto::irc::{Secret, names};

pub(super) const IRC: Setting = Setting {
    name: "irc",
    short: Some('i'),
    env: "LOGCASTER_IRC",
    set: |s, text| value::boolean(text).map(|on| s.irc = on),
    show: |s| s.irc.to_string(),
    help: "Serve IRC on its port",
    ..SWITCH
};

pub(super) const IRC_PORT: Setting = Setting {
    name: "irc-port",
    short: Some('I'),
    env: "LOGCASTER_IRC_PORT",
    default: "6667",
    set: |s, text| value::port(text, "off").map(|port| s.irc_port_number = port),
    show: |s| s.irc_port_number.to_string(),
    help: "Serve IRC on PORT; turns IRC on",
    ..PORT
};

pub(super) const IRC_NAME: Setting = Setting {
    name: "irc-name",
    env: "LOGCASTER_IRC_NAME",
    value: Some("NAME"),
    default: "",
    set: |s, text| server_name(text).map(|name| s.irc_name = name),
    show: |s| s.irc_name.clone(),
    help: "Call the IRC server NAME, as irc.example",
    essay: "A host name, of at most 63 characters. Without it, it is irc. and the name of the \
            machine.",
    ..SWITCH
};

pub(super) const IRC_AUTO_JOIN: Setting = Setting {
    name: "irc-auto-join",
    env: "LOGCASTER_IRC_AUTO_JOIN",
    value: Some("CHANNELS"),
    default: "",
    set: |s, text| channels(text).map(|list| s.irc_auto_join = list),
    show: |s| s.irc_auto_join.join(","),
    reloadable: true,
    help: "Put everybody on IRC into #a,#b",
    ..SWITCH
};

pub(super) const IRC_MOTD: Setting = Setting {
    name: "irc-motd",
    env: "LOGCASTER_IRC_MOTD",
    value: Some("FILE"),
    default: "",
    set: |s, text| greeting(text).map(|greeting| s.irc_motd = greeting),
    show: |s| s.irc_motd.as_ref().map_or_else(String::new, |motd| motd.source.clone()),
    reloadable: true,
    adopt: Some(|s, fresh| adopt(&mut s.irc_motd, &fresh.irc_motd)),
    help: "Greet everybody on IRC with FILE",
    ..SWITCH
};

pub(super) const IRC_PASSWORD: Setting = Setting {
    name: "irc-password",
    env: "LOGCASTER_IRC_PASSWORD",
    value: Some("WORD"),
    default: "",
    set: |s, text| password(text).map(|word| s.irc_password = word),
    show: |s| s.irc_password.as_ref().map_or_else(String::new, |word| word.source.clone()),
    reloadable: true,
    adopt: Some(|s, fresh| adopt(&mut s.irc_password, &fresh.irc_password)),
    help: "Let in whom IRC's PASS says so; @FILE reads it",
    essay: "What is given as a flag can be seen in lists of processes: a file (@FILE, its first \
            line) or the environment keeps it.",
    ..SWITCH
};

pub(super) const IRC_MAX_CLIENTS: Setting = Setting {
    name: "irc-max-clients",
    env: "LOGCASTER_IRC_MAX_CLIENTS",
    value: Some("N"),
    default: "1000",
    set: |s, text| value::count(text, CLIENTS).map(|count| s.irc_max_clients = count as usize),
    show: |s| s.irc_max_clients.to_string(),
    reloadable: true,
    help: "Serve at most N clients of IRC",
    ..SWITCH
};

pub(super) const IRC_PER_ADDRESS: Setting = Setting {
    name: "irc-per-address",
    env: "LOGCASTER_IRC_PER_ADDRESS",
    value: Some("N"),
    default: "16",
    set: |s, text| value::count(text, CLIENTS).map(|count| s.irc_per_address = count as usize),
    show: |s| s.irc_per_address.to_string(),
    reloadable: true,
    help: "Serve at most N of them from one address",
    essay: "This machine itself is not limited by it.",
    ..SWITCH
};

/// Takes a value over: whether it is another.
fn adopt<T: Clone + PartialEq>(mine: &mut T, fresh: &T) -> bool {
    let is_new = mine != fresh;
    mine.clone_from(fresh);
    is_new
}

/// A password, and where it came from, which may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// What must be said.
    pub word: Secret,
    /// The file that it was read from, or stars.
    source: String,
}

impl Password {
    /// Whether it stood where it was given, not in a file.
    pub fn is_bare(&self) -> bool {
        self.source == "***"
    }
}

/// A message of the day, and the file that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Motd {
    /// Its lines.
    pub lines: Vec<Vec<u8>>,
    source: String,
}

/// Reads a file's first [`IRC_MOTD_BYTES_MAX`] bytes.
fn greeting(path: &str) -> Result<Option<Motd>, Expected> {
    if path.is_empty() {
        return Ok(None);
    }
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(IRC_MOTD_BYTES_MAX).read_to_end(&mut text))
        .map_err(|error| Expected::new(format!("a file that can be read ({error})")))?;
    let text = text.trim_ascii_end();
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end().to_vec());
    Ok(Some(Motd { lines: lines.collect(), source: path.to_owned() }))
}

/// Reads a password, or `@` and the file whose first line it is.
fn password(text: &str) -> Result<Option<Password>, Expected> {
    let (word, source) = match text.strip_prefix('@') {
        None => (text.to_owned(), "***".to_owned()),
        Some(path) => {
            let file = std::fs::read_to_string(path)
                .map_err(|error| Expected::new(format!("a file that can be read ({error})")))?;
            (file.lines().next().unwrap_or_default().to_owned(), text.to_owned())
        }
    };
    let is_asked = !(word.is_empty() && source == "***");
    if word.is_empty() && is_asked {
        return Err(Expected::new("a file whose first line is the password"));
    }
    Ok(is_asked.then(|| Password { word: Secret::new(word), source }))
}

/// Reads a host name: the source of what the server says. RFC 2812, section 2.3.1.
fn server_name(text: &str) -> Result<String, Expected> {
    let is_name = text.is_empty() || names::is_server_name(text.as_bytes());
    is_name.then(|| text.to_owned()).ok_or_else(|| {
        Expected::new("a host name of letters, digits, - and ., of at most 63 characters")
    })
}

/// Reads a comma list of channels.
fn channels(text: &str) -> Result<Vec<String>, Expected> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| match names::is_channel(name.as_bytes()) {
            true => Ok(name.to_owned()),
            false => Err(Expected::new("a list of channels such as #logs-error,#ops")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let read = password("s3cret").unwrap().unwrap();
        assert_eq!((&read.word, &read.source[..]), (&Secret::new("s3cret"), "***"));
        assert!(!format!("{read:?}").contains("s3cret"));
        assert_eq!(password("").unwrap(), None);
        let error = password("@/nowhere/to/be/found").unwrap_err();
        assert!(error.0.contains("a file that can be read"));
    }

    #[test]
    fn the_message_of_the_day_is_read_as_far_as_there_is_room() {
        let path = std::env::temp_dir().join(format!("logcaster-motd-{}", std::process::id()));
        let line = format!("{}\r\n", "x".repeat(62));
        std::fs::write(&path, line.repeat(1000)).unwrap();
        let motd = greeting(path.to_str().unwrap()).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(motd.lines.len() as u64, IRC_MOTD_BYTES_MAX / 64);
        assert!(motd.lines.iter().all(|one| one.len() == 62));
        assert_eq!(greeting(""), Ok(None));
    }

    #[test]
    fn names_are_those_of_hosts_and_channels() {
        for text in ["irc.edge-1", "edge1", ""] {
            assert_eq!(server_name(text).unwrap(), text);
        }
        for text in ["a b", "-x", ".x", "x.", ":x", "irc\u{e9}", "logbot"] {
            assert!(server_name(text).is_err(), "{text}");
        }
        assert_eq!(channels("#a, #logs-error,").unwrap(), ["#a", "#logs-error"]);
        assert!(channels("a").is_err() && channels("#a b").is_err());
    }
}
