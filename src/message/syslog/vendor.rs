//! What makers of network devices put in the place of RFC 3164's header.
//!
//! ```text
//! 29: sw1: *Nov 20 18:23:44.123 UTC: %SYS-5-CONFIG_I: text     Cisco IOS; NX-OS, ASA are similar
//! RP/0/RSP0/CPU0:Nov 20 18:23:44.1: config[65]: %MGBL-SYS-5-CONFIG_I : text          Cisco IOS XR
//! %%01SHELL/5/LOGIN(l)[12]:text                                                    Huawei and H3C
//! firewall,info forward: in:ether1                                                       MikroTik
//! U7PG2,788a2056b181,v4.0.66.10832: logread[5495]: text                                     UniFi
//! ```

use super::legacy::{behind_colon, blanks};
use super::{EventTime, Syslog, name, token};
use crate::clock::{SECOND, Wall};
use crate::limits::SYSLOG_NAME_BYTES_MAX;
use crate::message::stamp::{self, Times};

/// Items, each with a colon behind it, that stand before Cisco's mnemonic at most: a number, a
/// host, another number, a process, a time, a process.
const CISCO_ITEMS_MAX: usize = 6;

/// The time of a clock that its owner says is not set counts if it is no further from the time of
/// receipt than this, in nanoseconds: a day.
const UNSET_CLOCK_NS: u64 = 86_400 * SECOND;

/// What stands in the place of a tag, and the text behind it.
pub(super) struct Mnemonic<'a> {
    /// The part of the system that speaks.
    facility: &'a [u8],
    /// The kind of message; empty where there is none.
    pub name: &'a [u8],
    /// What is behind it.
    pub text: &'a [u8],
}

impl<'a> Mnemonic<'a> {
    /// Fills in what this says; `true`.
    pub(super) fn put(self, found: &mut Syslog<'a>) -> bool {
        (found.app, found.msg_id, found.text) = (self.facility, self.name, self.text);
        true
    }
}

/// Cisco's `%FACILITY-SEVERITY-MNEMONIC: text`, which other makers took over, or Huawei's
/// `%%01MODULE/SEVERITY/NAME: text`, at the beginning of `rest`.
pub(super) fn mnemonic(rest: &[u8]) -> Option<Mnemonic<'_>> {
    let inner = rest.strip_prefix(b"%")?;
    match inner {
        [b'%', a, b, inner @ ..] if a.is_ascii_digit() && b.is_ascii_digit() => huawei(inner),
        // NX-OS names the virtual device first: `%$VDC-1%$ %...`.
        [b'$', inner @ ..] => {
            let vdc = &inner[..inner.len().min(SYSLOG_NAME_BYTES_MAX)];
            let end = memchr::memmem::find(vdc, b"%$")?;
            dashed(blanks(&inner[end + 2..]).strip_prefix(b"%")?)
        }
        _ => dashed(inner),
    }
}

/// `FACILITY-SEVERITY-MNEMONIC` with a colon, a blank or nothing behind it. The facility may hold
/// dashes.
fn dashed(rest: &[u8]) -> Option<Mnemonic<'_>> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = rest.iter().take(SYSLOG_NAME_BYTES_MAX).take_while(|byte| is_part(byte)).count();
    let (word, behind) = rest.split_at(bytes);
    let is_severity = |window: &[u8]| matches!(window, [b'-', b'0'..=b'7', b'-']);
    let at = word.windows(3).position(is_severity)?;
    let (facility, name) = (&word[..at], &word[at + 3..]);
    let text = match behind {
        [b':', text @ ..] | [b' ', b':', text @ ..] => text,
        [] | [b' ', ..] => behind,
        _ => return None,
    };
    let text = text.strip_prefix(b" ").unwrap_or(text);
    (!facility.is_empty() && !name.is_empty()).then_some(Mnemonic { facility, name, text })
}

/// `MODULE/SEVERITY/NAME`, then brackets of two kinds, a colon and the text.
fn huawei(rest: &[u8]) -> Option<Mnemonic<'_>> {
    let (head, _) = rest.split_at(rest.len().min(SYSLOG_NAME_BYTES_MAX));
    let colon = memchr::memchr(b':', head)?;
    let mut parts = head[..colon].splitn(3, |byte| *byte == b'/');
    let (facility, severity, name) = (parts.next()?, parts.next()?, parts.next()?);
    let end = name.iter().position(|byte| matches!(byte, b'(' | b'[')).unwrap_or(name.len());
    let name = &name[..end];
    let is_word = |word: &[u8]| {
        !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let is_said = matches!(severity, [b'0'..=b'7']) && is_word(facility) && is_word(name);
    let text = &rest[colon + 1..];
    let text = text.strip_prefix(b" ").unwrap_or(text);
    is_said.then_some(Mnemonic { facility, name, text })
}

/// Reads a header of Cisco's from its beginning or from behind a host: numbers, names, times and
/// processes, each with a colon behind it, up to a mnemonic; or a number and a time, as debugging
/// has them. `false`, and nothing changed, where it is none. What is known already stays.
pub(super) fn cisco<'a>(
    found: &mut Syslog<'a>,
    rest: &'a [u8],
    now: Wall,
    times: &mut Times,
) -> bool {
    // Most that comes here is none of it, and that is seen at once.
    let head = &rest[..rest.len().min(SYSLOG_NAME_BYTES_MAX)];
    let is_marked = |at: usize| head[..at].ends_with(b": ");
    if !matches!(rest, [b'%' | b'*' | b'.' | b'0'..=b'9', ..])
        && !memchr::memchr_iter(b'%', head).any(is_marked)
    {
        return false;
    }
    let mut rest = rest;
    let (mut host, mut proc_id, mut time): (&[u8], &[u8], _) = (b"", b"", None);
    let mut is_numbered = false;
    for _ in 0..=CISCO_ITEMS_MAX {
        let said = mnemonic(rest);
        let is_debugging = is_numbered && time.is_some();
        let next = if said.is_none() { item(rest) } else { None };
        let is_end = next.is_none_or(|(item, _)| time.is_some() && !is_process(item));
        if said.is_some() || is_debugging && is_end {
            found.text = rest;
            said.map(|said| said.put(found));
            found.proc_id = name(proc_id);
            found.host = if found.host.is_empty() { name(host) } else { found.host };
            if found.time == EventTime::Missing {
                found.time = time.unwrap_or(EventTime::Missing);
            }
            return true;
        }
        let (before, timed) = behind_place(rest);
        if time.is_none()
            && let Some((used, mut at)) = stamp::header(timed, now, times)
        {
            let is_unset = rest.first() == Some(&b'*');
            if is_unset && !at.is_near(now, UNSET_CLOCK_NS) {
                at = EventTime::Bad;
            }
            if !before.is_empty() && host.is_empty() {
                host = before;
            }
            time = Some(at);
            rest = behind_zone(&timed[used..]);
            continue;
        }
        let Some((item, behind)) = next else { return false };
        rest = behind;
        if item.iter().all(u8::is_ascii_digit) {
            is_numbered = true;
        } else if is_process(item) {
            proc_id = item.strip_prefix(b"*").unwrap_or(item);
        } else if !is_uptime(item) {
            if !host.is_empty() || item.iter().any(|byte| matches!(byte, b' ' | b'"' | b'{')) {
                return false;
            }
            host = item;
        }
    }
    false
}

/// What stands before the next colon that a blank follows, and what is behind them.
fn item(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = &rest[..rest.len().min(SYSLOG_NAME_BYTES_MAX)];
    let mut colons = memchr::memchr_iter(b':', head);
    let end = colons.find(|at| head.get(at + 1) == Some(&b' ')).filter(|end| *end > 0)?;
    let item = &rest[..end];
    let is_item = !item.iter().any(u8::is_ascii_control);
    is_item.then(|| (item.trim_ascii_end(), blanks(&rest[end + 1..])))
}

/// Whether an item names a process: `*spamApTask1`, `config[65710]`.
fn is_process(item: &[u8]) -> bool {
    matches!(item, [b'*', ..] | [_, .., b']']) && !item.contains(&b' ')
}

/// Whether an item is the time since a start: `00:01:01`, `3d02h`, `1y2w`, `101 21`.
fn is_uptime(item: &[u8]) -> bool {
    let is_part =
        |byte: &u8| matches!(byte, b'0'..=b'9' | b':' | b'.' | b' ' | b'y' | b'w' | b'd' | b'h');
    let is_address = item.iter().filter(|byte| **byte == b'.').count() == 3;
    item.first().is_some_and(u8::is_ascii_digit) && item.iter().all(is_part) && !is_address
}

/// What may stand before a time with nothing between, and the time: IOS XR's place of the processor
/// (`RP/0/RSP0/CPU0:`), and a host a blank before that; or a star or a point, which say that the
/// clock is not set, or not by NTP.
fn behind_place(rest: &[u8]) -> (&[u8], &[u8]) {
    if let [b'*' | b'.', behind @ ..] = rest {
        return (b"", behind);
    }
    let (word, behind) = token(&rest[..rest.len().min(SYSLOG_NAME_BYTES_MAX)]);
    let place = |word: &[u8]| {
        let colon = memchr::memchr(b':', word)?;
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'/';
        (word[..colon].iter().all(is_part) && word[..colon].contains(&b'/')).then_some(colon + 1)
    };
    if let Some(bytes) = place(word) {
        return (b"", &rest[bytes..]);
    }
    match place(token(behind).0) {
        Some(bytes) if !word.contains(&b':') => (word, &rest[word.len() + 1 + bytes..]),
        _ => (b"", rest),
    }
}

/// `rest` from behind a time, without the colon, and without the name of a zone before it.
fn behind_zone(rest: &[u8]) -> &[u8] {
    let word = blanks(rest);
    let letters = word.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    match &word[letters..] {
        [b':', behind @ ..] if (1..=5).contains(&letters) => blanks(behind),
        _ => behind_colon(rest),
    }
}

/// MikroTik's topics at the beginning of `rest`, of which one is a level: `firewall,info text`.
pub(super) fn mikrotik(rest: &[u8]) -> Option<Mnemonic<'_>> {
    const LEVELS: [&[u8]; 7] =
        [b"critical", b"error", b"warning", b"info", b"debug", b"packet", b"raw"];
    let (topics, text) = token(rest);
    let topics = topics.strip_suffix(b":").unwrap_or(topics);
    let is_part = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'!');
    let mut is_leveled = false;
    for topic in topics.split(|byte| *byte == b',') {
        if topic.is_empty() || !topic.iter().all(is_part) {
            return None;
        }
        is_leveled |= LEVELS.contains(&topic);
    }
    let facility = topics.split(|byte| *byte == b',').next()?;
    is_leveled.then_some(Mnemonic { facility, name: b"", text })
}

/// The host in what UniFi's access points and switches call themselves: `name,mac,version`, `mac`
/// and `model-version`, each also with a colon behind it or as `("...")`; and what is behind that.
/// The name stands first, else the hardware address.
pub(super) fn unifi(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (word, behind) = token(rest);
    let word = word.strip_suffix(b":").unwrap_or(word);
    let word = word.strip_prefix(b"(\"").and_then(|word| word.strip_suffix(b"\")")).unwrap_or(word);
    let is_mac = |part: &[u8]| part.len() == 12 && part.iter().all(u8::is_ascii_hexdigit);
    let mut parts = word.split(|byte| *byte == b',');
    let (first, second) = (parts.next()?, parts.next()?);
    let is_unifi = is_mac(first) || is_mac(second) && parts.next().is_some();
    let is_quoted = |byte: &u8| matches!(byte, b'"' | b'(' | b'{') || byte.is_ascii_control();
    (is_unifi && !first.is_empty() && !first.iter().any(is_quoted)).then_some((first, behind))
}
