//! The rows of what senders may do: who speaks for others, how much each may send, and which of
//! their lines become one record.

use super::table::{SWITCH, Setting, or_word};
use super::value::{self, Cidr, Expected};
use crate::query::Regex;
use core::ops::RangeInclusive;

/// Values of both numbers of `--rate-limit`.
const LINES: RangeInclusive<u64> = 1..=1_000_000_000;

/// How many lines each sender may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// Lines a second, of each pool of levels.
    pub lines_per_second: u32,
    /// Lines at once, where the sender was silent before.
    pub burst: u32,
}

impl RateLimit {
    /// Reads `1000` or `1000:5000`; `off` and 0 are none.
    fn parse(text: &str) -> Result<Option<Self>, Expected> {
        let text = text.trim();
        if text == "off" || text == "0" {
            return Ok(None);
        }
        let number = |text| {
            let number = value::count(text, LINES).ok();
            number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
                let most = LINES.end();
                Expected(format!("LINES[:BURST] with 1 to {most} lines a second, or off"))
            })
        };
        let (rate, burst) = text.split_once(':').unwrap_or((text, text));
        Ok(Some(Self { lines_per_second: number(rate)?, burst: number(burst)? }))
    }
}

impl core::fmt::Display for RateLimit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.lines_per_second)?;
        if self.burst != self.lines_per_second {
            write!(f, ":{}", self.burst)?;
        }
        Ok(())
    }
}

/// Reads the pattern of a first line; nothing is none.
fn pattern(text: &str) -> Result<Option<String>, Expected> {
    if text.is_empty() {
        return Ok(None);
    }
    match Regex::new(text.as_bytes()) {
        Ok(_) => Ok(Some(text.to_owned())),
        Err(error) => Err(Expected(format!("a pattern as REGEX takes it ({error})"))),
    }
}

/// Reads a comma list of networks.
fn networks(text: &str) -> Result<Vec<Cidr>, Expected> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(Cidr::parse).collect()
}

pub(super) const PROXY_FROM: Setting = Setting {
    name: "proxy-from",
    env: "LOGCASTER_PROXY_FROM",
    value: Some("CIDR"),
    default: "",
    set: |s, text| networks(text).map(|networks| s.proxy_from = networks),
    show: |s| s.proxy_from.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    reloadable: true,
    repeatable: true,
    help: "Read PROXY headers from this network; repeatable",
    essay: "For a load balancer that speaks the PROXY protocol, version 1 or 2: connections from \
            there must begin with its header, and the address in it is the sender's. From \
            anywhere else the header is not believed.",
    ..SWITCH
};

pub(super) const RATE_LIMIT: Setting = Setting {
    name: "rate-limit",
    env: "LOGCASTER_RATE_LIMIT",
    value: Some("LINES[:BURST]"),
    default: "off",
    set: |s, text| RateLimit::parse(text).map(|limit| s.rate_limit = limit),
    show: |s| or_word(s.rate_limit, |limit| limit.to_string(), "off"),
    reloadable: true,
    help: "Hold back what a sender sends beyond",
    essay: "LINES a second for each sender, which is its address, host and application as far as \
            they are known, and each of five pools of levels: debug and below, info and lines \
            that do not say, notice, warning, error and above. BURST lines may come at once after \
            a silence; without it as many as LINES. What is held back is told in a record: \
            `suppressed 123456 lines from 10.0.0.5 (debug) in 30s`.",
    ..SWITCH
};

pub(super) const DEDUPE: Setting = Setting {
    name: "dedupe",
    env: "LOGCASTER_DEDUPE",
    set: |s, text| value::boolean(text).map(|on| s.dedupe = on),
    show: |s| s.dedupe.to_string(),
    reloadable: true,
    help: "Fold equal lines that follow each other",
    essay: "Of each sender. The first is stored, and how often it came again follows as `last \
            line repeated N times`: before the next line that differs, or after 10 seconds. Of \
            syslog messages the text is compared, not the header with its time. Lines beyond \
            1,024 bytes are never folded.",
    ..SWITCH
};

pub(super) const MULTILINE: Setting = Setting {
    name: "multiline",
    env: "LOGCASTER_MULTILINE",
    value: Some("REGEX"),
    default: "",
    set: |s, text| pattern(text).map(|pattern| s.multiline = pattern),
    show: |s| s.multiline.clone().unwrap_or_default(),
    reloadable: true,
    help: "Join lines to the last first line, as REGEX finds",
    essay: "REGEX says what the first line of a record looks like, as `^\\d{4}-` or `^\\S`; the \
            lines after it on the same connection are joined to it, so that a stack trace is one \
            record. Such a record has at most 500 lines and --max-line bytes, and is whole a \
            second after its last line. REGEX is looked for in a line's first 1,024 bytes.",
    ..SWITCH
};
