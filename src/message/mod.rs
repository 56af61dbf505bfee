//! What a record says of itself: the header of a syslog message, and the fields inside a text.
//!
//! The header is read when a record is stored, for it names the stream; fields are taken out when
//! somebody asks for them.
//!
//! **Invariant:** any bytes are taken; what cannot be read is said to be absent, never guessed.

use crate::clock::Wall;
use syslog::{EventTime, Times};

pub(crate) mod calendar;
pub mod escape;
pub mod fields;
pub mod json_time;
pub mod kmsg;
mod stamp;
pub mod syslog;

/// The bytes before the closing quote of a text whose opening quote stands before `inner`; `None`
/// where there is none. A backslash takes the byte behind it along.
#[inline]
fn quoted_bytes(inner: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', inner.get(at..)?)?;
        if inner[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Whether the record `text`, received at `now`, says a time that cannot be read. Such a record is
/// stored without, as is one that says none.
pub fn has_bad_time(text: &[u8], now: Wall) -> bool {
    // What is bad is so in each zone.
    let times = || Times::new(jiff::tz::TimeZone::UTC);
    let time = match text.trim_ascii_start() {
        [b'<', ..] => syslog::read(text, now, &mut times()).map(|header| header.time),
        object @ [b'{', ..] => Some(json_time::event_time(object, &mut times())),
        _ => None,
    };
    time == Some(EventTime::Bad)
}

/// How records came to us: the label `transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A TCP connection.
    Tcp,
    /// Datagrams.
    Udp,
    /// A Unix socket, stream or datagram.
    Unix,
    /// The kernel's own log.
    Kmsg,
    /// Requests over HTTP.
    Http,
    /// Logcaster itself.
    Own,
}

impl Transport {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// Every one of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Tcp, Self::Udp, Self::Unix, Self::Kmsg, Self::Http, Self::Own];

    /// What the labels of a stream say; [`Self::Own`] where they do not.
    pub fn of_labels(labels: &[u8]) -> Self {
        let value = labels.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(b"transport="));
        let found = Self::ALL.into_iter().find(|one| Some(one.name().as_bytes()) == value);
        found.unwrap_or(Self::Own)
    }

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Kmsg => "kmsg",
            Self::Http => "http",
            Self::Own => "own",
        }
    }
}
