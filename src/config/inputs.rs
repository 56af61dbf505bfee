//! Where logs come in beside the log port: what `--syslog` and `--unix` take, and the zone of times
//! that name none.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use jiff::tz::{Offset, TimeZone};

use super::value::Expected;
use crate::proto::frame::Framing;

/// The longest path of a Unix socket, in bytes: the kernel's `sun_path` less its NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The words for framings.
pub(super) const FRAMINGS: [(&str, Framing); 4] = [
    ("auto", Framing::Auto),
    ("lf", Framing::Lf),
    ("octet", Framing::Octet),
    ("nul", Framing::Nul),
];

/// The word for a framing.
pub(super) fn framing_name(framing: Framing) -> &'static str {
    FRAMINGS.iter().find(|(_, one)| *one == framing).map_or("auto", |(name, _)| name)
}

/// One place where logs come in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// Where.
    pub place: InputPlace,
    /// How records are told apart on its streams. A datagram is a frame by itself.
    pub framing: Framing,
}

/// Where logs come in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InputPlace {
    /// A port.
    Port {
        /// The address; `None` = those of `--bind`.
        address: Option<IpAddr>,
        /// The port, the same for both protocols; 0 = a free one.
        port: u16,
        /// Which protocols are opened there.
        protocols: Protocols,
    },
    /// A Unix socket.
    Unix {
        /// The socket's file.
        path: PathBuf,
        /// Whether it takes connections; else datagrams.
        is_stream: bool,
    },
}

/// Which protocols a port is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocols {
    /// UDP and TCP.
    Both,
    /// UDP alone.
    Udp,
    /// TCP alone.
    Tcp,
}

impl Protocols {
    /// What stands before an address that opens these only.
    const fn prefix(self) -> &'static str {
        match self {
            Protocols::Both => "",
            Protocols::Udp => "udp://",
            Protocols::Tcp => "tcp://",
        }
    }
}

impl InputPlace {
    /// Whether nothing but whole datagrams comes in there.
    fn is_datagrams(&self) -> bool {
        match self {
            InputPlace::Port { protocols, .. } => *protocols == Protocols::Udp,
            InputPlace::Unix { is_stream, .. } => !is_stream,
        }
    }
}

/// An input as `--syslog` names it.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            InputPlace::Port { address, port, protocols } => {
                f.write_str(protocols.prefix())?;
                match address {
                    Some(address) => write!(f, "{}", SocketAddr::new(*address, *port))?,
                    None => write!(f, "{port}")?,
                }
            }
            InputPlace::Unix { path, is_stream } => {
                write!(f, "unix:{}", socket_name(path, *is_stream))?;
            }
        }
        match self.framing {
            Framing::Auto => Ok(()),
            other => write!(f, ",framing={}", framing_name(other)),
        }
    }
}

/// A Unix socket as [`unix_inputs`] reads it.
fn socket_name(path: &Path, is_stream: bool) -> String {
    let kind = if is_stream { "stream:" } else { "" };
    format!("{kind}{}", path.display())
}

/// Inputs as one would type them, with commas between them.
pub(super) fn show_inputs(inputs: &[Input]) -> String {
    inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Reads a comma list of what `--syslog` takes: `IP:PORT` or `PORT`, maybe behind `udp://` or
/// `tcp://`, or `unix:PATH`, `unix:stream:PATH`; `framing=WORD` behind one is about that one.
///
/// # Errors
/// Where a part is none of these, or a framing is given for datagrams.
pub(super) fn syslog_inputs(text: &str) -> Result<Vec<Input>, Expected> {
    inputs(text, |part| {
        let expected = || {
            Expected::new(
                "a place, as 5514, 10.0.0.1:5514, udp://[::1]:5514, tcp://5514 or unix:/dev/log, \
                 and maybe ,framing=lf behind it",
            )
        };
        if let Some(path) = part.strip_prefix("unix:") {
            return unix_place(path);
        }
        let schemes = [Protocols::Udp, Protocols::Tcp];
        let given = schemes.into_iter().find_map(|protocols| {
            part.strip_prefix(protocols.prefix()).map(|rest| (rest, protocols))
        });
        let (part, protocols) = given.unwrap_or((part, Protocols::Both));
        if let Ok(port) = part.parse() {
            return Ok(InputPlace::Port { address: None, port, protocols });
        }
        let place: SocketAddr = part.parse().map_err(|_| expected())?;
        Ok(InputPlace::Port { address: Some(place.ip()), port: place.port(), protocols })
    })
}

/// Reads a comma list of what `--unix` takes: `PATH` or `stream:PATH`, with or without `unix:`
/// before it; `framing=WORD` behind a stream is about that one.
///
/// # Errors
/// Where a path is too long for a socket, or a framing is given for datagrams.
pub(super) fn unix_inputs(text: &str) -> Result<Vec<Input>, Expected> {
    inputs(text, |part| unix_place(part.strip_prefix("unix:").unwrap_or(part)))
}

fn inputs(
    text: &str,
    place: impl Fn(&str) -> Result<InputPlace, Expected>,
) -> Result<Vec<Input>, Expected> {
    let mut inputs: Vec<Input> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some(word) = part.strip_prefix("framing=") else {
            inputs.push(Input { place: place(part)?, framing: Framing::Auto });
            continue;
        };
        let Some(input) = inputs.last_mut() else {
            return Err(Expected::new("a place before framing="));
        };
        let found = FRAMINGS.iter().find(|(name, _)| *name == word);
        let (_, framing) = found
            .ok_or_else(|| Expected::new("framing=auto, framing=lf, framing=octet, framing=nul"))?;
        if input.place.is_datagrams() {
            return Err(Expected::new("no framing= for datagrams: each is a frame by itself"));
        }
        input.framing = *framing;
    }
    Ok(inputs)
}

/// Reads `PATH` or `stream:PATH`.
fn unix_place(text: &str) -> Result<InputPlace, Expected> {
    let (path, is_stream) = match text.strip_prefix("stream:") {
        Some(path) => (path, true),
        None => (text, false),
    };
    Ok(InputPlace::Unix { path: socket_path(path)?, is_stream })
}

/// Reads the path of a Unix socket's file.
///
/// # Errors
/// Where it is empty, ends in a slash, or is longer than a socket's name can be.
pub fn socket_path(text: &str) -> Result<PathBuf, Expected> {
    let is_name = !text.is_empty() && !text.ends_with('/') && !text.contains([',', '\0']);
    if !is_name || text.len() > SOCKET_PATH_BYTES_MAX {
        return Err(Expected(format!(
            "the path of a socket, without commas, of at most {SOCKET_PATH_BYTES_MAX} bytes"
        )));
    }
    Ok(text.into())
}

/// The zone of times that name none.
#[derive(Clone, PartialEq, Debug)]
pub struct Zone {
    /// As it was typed.
    name: String,
    /// What it means.
    pub zone: TimeZone,
}

impl Zone {
    /// Reads the name of a zone, as `Europe/Berlin`, or an offset, as `+01:00`.
    ///
    /// # Errors
    /// Where there is no such zone.
    pub(super) fn parse(text: &str) -> Result<Self, Expected> {
        let text = text.trim();
        let zone = match text.starts_with(['+', '-']) {
            true => offset(text).map(TimeZone::fixed),
            false => TimeZone::get(text).ok(),
        };
        let expected =
            || Expected::new("a time zone, as Europe/Berlin or UTC, or an offset, as +01:00");
        Ok(Zone { name: text.to_owned(), zone: zone.ok_or_else(expected)? })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Reads `+hh:mm`, less than a day.
fn offset(text: &str) -> Option<Offset> {
    let (hours, minutes) = text[1..].split_once(':')?;
    let part = |part: &str, below: i32| {
        let is_plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i32>().ok().filter(|number| is_plain && *number < below)
    };
    let seconds = part(hours, 24)? * 3600 + part(minutes, 60)? * 60;
    Offset::from_seconds(if text.starts_with('-') { -seconds } else { seconds }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_read_and_written_the_same() {
        let cases = [
            ("", ""),
            ("5514", "5514"),
            ("10.0.0.1:514, 5514", "10.0.0.1:514,5514"),
            ("udp://[::1]:514,tcp://514", "udp://[::1]:514,tcp://514"),
            ("5514,framing=lf,tcp://0,framing=octet", "5514,framing=lf,tcp://0,framing=octet"),
            ("5514,framing=auto", "5514"),
            (
                "unix:/dev/log,unix:stream:/x/y,framing=nul",
                "unix:/dev/log,unix:stream:/x/y,framing=nul",
            ),
        ];
        for (text, shown) in cases {
            let found = syslog_inputs(text).expect(text);
            assert_eq!(show_inputs(&found), shown);
            assert_eq!(syslog_inputs(shown), Ok(found));
        }
        let sockets = unix_inputs("/dev/log,stream:/x,framing=lf,unix:stream:/y").expect("sockets");
        let shown = "unix:/dev/log,unix:stream:/x,framing=lf,unix:stream:/y";
        assert_eq!(show_inputs(&sockets), shown);
        assert_eq!(unix_inputs(shown), Ok(sockets));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["localhost:514", "::1", "10.0.0.1", "70000", "http://1", "udp://unix:/x", "-1"]
        {
            let refused = syslog_inputs(text).expect_err(text);
            assert!(refused.0.starts_with("a place, as 5514"), "{text}: {refused:?}");
        }
        for (text, expected) in [
            ("framing=lf", "a place before framing="),
            ("514,framing=crlf", "framing=auto, framing=lf, framing=octet, framing=nul"),
            ("udp://514,framing=lf", "no framing= for datagrams: each is a frame by itself"),
            ("unix:/x,framing=lf", "no framing= for datagrams: each is a frame by itself"),
        ] {
            assert_eq!(syslog_inputs(text), Err(Expected::new(expected)), "{text}");
        }
        let long = "x".repeat(SOCKET_PATH_BYTES_MAX + 1);
        for path in ["", "stream:", "/dev/", &long] {
            let refused = unix_place(path).expect_err(path);
            assert!(refused.0.contains("at most 107 bytes"), "{path}");
        }
        assert!(socket_path(&long[1..]).is_ok());
    }

    #[test]
    fn a_zone_is_a_name_or_an_offset() {
        let seconds = |text| {
            let zone = Zone::parse(text).expect(text).zone;
            zone.to_fixed_offset().map(Offset::seconds).ok()
        };
        assert_eq!(seconds("UTC"), Some(0));
        assert_eq!(seconds("+01:00"), Some(3600));
        assert_eq!(seconds("-09:30"), Some(-34_200));
        assert_eq!(seconds("Europe/Berlin"), None);
        for text in ["", "Mars/Base", "+1:00", "+24:00", "+01:60", "+0100", "+é1:00", "+"] {
            assert!(Zone::parse(text).is_err(), "{text}");
        }
    }
}
