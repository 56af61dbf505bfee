//! What people call RFC 3164: a time in many spellings or none, a host or none, a tag or none.
//!
//! ```text
//! <27>Nov 20 18:23:44 edge1 api[4242]: payment timeout
//!     time            host  tag        text
//! ```
//!
//! Behind the time stands the tag if it ends in a colon or holds a process in brackets; else it is
//! the host, and the tag may follow. A tag without colon and brackets cannot be told from the
//! text's first word, so there is none.

use super::{BOM, Syslog, facility_name, name, structured, token, vendor};
use crate::clock::Wall;
use crate::level::Level;
use crate::limits::SYSLOG_NAME_BYTES_MAX;
use crate::message::stamp::{self, Times};

/// Reads what follows `<PRI>`.
pub(super) fn read<'a>(found: &mut Syslog<'a>, rest: &'a [u8], now: Wall, times: &mut Times) {
    // Some of Cisco's have a colon before the time.
    let start = behind_colon(rest);
    if let Some((used, time)) = stamp::header(start, now, times) {
        found.time = time;
        behind_time(found, &start[used..], now, times);
        return;
    }
    found.text = rest.strip_prefix(BOM).unwrap_or(rest);
    if !vendor::cisco(found, start, now, times) {
        tagged(found, found.text, Tags::WithColon, now, times);
    }
}

/// Reads `1 1374543213.342705328 MX84 urls src=...` from behind its version, as Cisco Meraki sends
/// it; `false`, and nothing changed, where it is not of that shape.
pub(super) fn read_meraki<'a>(
    found: &mut Syslog<'a>,
    rest: &'a [u8],
    now: Wall,
    times: &mut Times,
) -> bool {
    let is_epoch = rest.get(10) == Some(&b'.');
    let Some((used, time)) = stamp::header(rest, now, times).filter(|_| is_epoch) else {
        return false;
    };
    let (host, rest) = token(blanks(&rest[used..]));
    let (app, text) = token(rest);
    (found.time, found.host, found.app, found.text) = (time, name(host), name(app), text);
    true
}

/// Reads from behind a time.
fn behind_time<'a>(found: &mut Syslog<'a>, rest: &'a [u8], now: Wall, times: &mut Times) {
    let start = behind_colon(rest);
    found.text = start.strip_prefix(BOM).unwrap_or(start);
    let is_notice = start.starts_with(b"last message repeated ");
    if is_notice || tagged(found, start, Tags::All, now, times) {
        return;
    }
    if let Some(rest) = start.strip_prefix(b"Message forwarded from ") {
        // AIX. The host ends in a colon.
        let (host, behind) = token(rest);
        if let Some(host) = host.strip_suffix(b":").filter(|host| is_host(host)) {
            found.host = host;
            body(found, behind, now, times);
        }
        return;
    }
    let (host, behind) = token(start);
    if !is_host(host) {
        return;
    }
    if is_priority(host) {
        body(found, start, now, times);
    } else {
        found.host = match host {
            [b'[', inner @ .., b']'] => inner,
            _ => name(host),
        };
        body(found, behind, now, times);
    }
}

/// Reads from behind the host: a tag and a text, or only a text.
pub(super) fn body<'a>(found: &mut Syslog<'a>, rest: &'a [u8], now: Wall, times: &mut Times) {
    found.text = rest.strip_prefix(BOM).unwrap_or(rest);
    let start = behind_colon(rest);
    if tagged(found, start, Tags::All, now, times) {
        return;
    }
    // Two kinds of word may stand before a tag: the level, and the number of an event.
    let (word, behind) = token(start);
    let Some(tag) = tag(behind).filter(|tag| tag.has_colon) else { return };
    if is_priority(word) {
        tag.put(found);
    } else if word.len() >= 4 && word.iter().all(u8::is_ascii_digit) {
        found.msg_id = word;
        tag.put(found);
    }
}

/// Which tags are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tags {
    All,
    /// Only those that end in a colon: nothing else says that this is a header.
    WithColon,
}

/// Reads the tag at the beginning of `rest`, or what stands in its place in the messages of some
/// vendors, and the text behind it; `false`, and nothing changed, where there is none.
fn tagged<'a>(
    found: &mut Syslog<'a>,
    rest: &'a [u8],
    tags: Tags,
    now: Wall,
    times: &mut Times,
) -> bool {
    let is_vendors = match rest.first() {
        Some(b'%') => vendor::mnemonic(rest).is_some_and(|it| it.put(found)),
        Some(b'0'..=b'9' | b'*' | b'.') => vendor::cisco(found, rest, now, times),
        Some(_) => false,
        None => return false,
    };
    if is_vendors {
        return true;
    }
    if let Some(tag) = tag(rest).filter(|tag| tag.has_colon || tags == Tags::All) {
        tag.put(found);
        return true;
    }
    let word = token(&rest[..rest.len().min(SYSLOG_NAME_BYTES_MAX)]).0;
    if memchr::memchr(b',', word).is_none() {
        return false;
    }
    if let Some(topics) = vendor::mikrotik(rest) {
        return topics.put(found);
    }
    let Some((host, behind)) = vendor::unifi(rest) else { return false };
    if found.host.is_empty() {
        found.host = host;
    }
    found.text = behind;
    if let Some(tag) = tag(blanks(behind)) {
        tag.put(found);
    }
    true
}

/// A tag and the text behind it.
struct Tag<'a> {
    name: &'a [u8],
    proc_id: &'a [u8],
    has_colon: bool,
    text: &'a [u8],
}

impl<'a> Tag<'a> {
    fn put(self, found: &mut Syslog<'a>) {
        let Tag { name, proc_id, text, .. } = self;
        (found.app, found.proc_id, found.text) = (name, proc_id, text);
        match text.first() {
            // What Cisco, Arista and Juniper put behind a host or a process.
            Some(b'%') => {
                let Some(mnemonic) = vendor::mnemonic(text) else { return };
                if found.host.is_empty() && proc_id.is_empty() && is_host(name) {
                    found.host = name;
                    mnemonic.put(found);
                } else {
                    (found.msg_id, found.text) = (mnemonic.name, mnemonic.text);
                }
            }
            // ESXi puts structured data before the text. The number of an enterprise tells it from
            // brackets of other kinds.
            Some(b'[') if has_enterprise(text) => {
                (found.data, found.text) = structured(text);
            }
            _ => {}
        }
    }
}

/// The tag at the beginning of `rest`: `name:`, `name[process]:` or `name[process]`, or a name that
/// a byte order mark parts from the text. A level is no name.
fn tag(rest: &[u8]) -> Option<Tag<'_>> {
    let ends = |byte: &u8| matches!(byte, 0..=b' ' | b'[' | b',');
    let end = match rest.iter().take(SYSLOG_NAME_BYTES_MAX).position(ends) {
        Some(end) => end,
        None if rest.len() < SYSLOG_NAME_BYTES_MAX => rest.len(),
        None => return None,
    };
    let (name, behind) = rest.split_at(end);
    let tag = match behind {
        [b'[', inner @ ..] => {
            let inner_max = inner.len().min(SYSLOG_NAME_BYTES_MAX);
            let (proc_id, behind) = inner.split_at(memchr::memchr(b']', &inner[..inner_max])?);
            let (has_colon, text) = match &behind[1..] {
                [b':', text @ ..] => (true, text),
                text @ ([] | [b' ', ..]) => (false, behind_level(text)),
                _ => return None,
            };
            let is_proc_id = !proc_id.iter().any(|byte| *byte <= b' ' || *byte == 0x7f);
            is_proc_id.then_some(Tag { name, proc_id, has_colon, text })?
        }
        _ => {
            let short = name.strip_suffix(b":");
            let is_marked = match short {
                Some(_) => behind.first().is_none_or(|byte| *byte <= b' '),
                None => behind.strip_prefix(b" ")?.starts_with(BOM),
            };
            let name = short.unwrap_or(name);
            let is_name = is_marked && Level::from_name(name).is_none();
            let has_colon = short.is_some();
            is_name.then_some(Tag { name, proc_id: b"", has_colon, text: behind })?
        }
    };
    let text = tag.text.strip_prefix(b" ").unwrap_or(tag.text);
    let text = text.strip_prefix(BOM).unwrap_or(text);
    is_tag(tag.name).then_some(Tag { text, ..tag })
}

/// Whether `name` can be a program's: letters among it, and nothing that quotes or pairs are made
/// of, nor a colon at its end.
fn is_tag(name: &[u8]) -> bool {
    let is_foreign = |byte: &u8| {
        matches!(byte, b'"' | b'\'' | b'`' | b'{' | b'}' | b'=' | b'<' | b'>' | b'|' | b';' | 0x7f)
    };
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
    name.iter().any(is_letter) && !name.iter().any(is_foreign) && name.last() != Some(&b':')
}

/// Whether `data` begins as structured data does with the number of an enterprise: `[name@6876 `.
fn has_enterprise(data: &[u8]) -> bool {
    let head = &data[..data.len().min(SYSLOG_NAME_BYTES_MAX)];
    let ends = |byte: &u8| matches!(byte, b' ' | b']');
    let id = head.iter().position(ends).and_then(|end| head[..end].strip_prefix(b"["));
    let Some(id) = id else { return false };
    let Some(at) = memchr::memchr(b'@', id) else { return false };
    let number = &id[at + 1..];
    at > 0 && !number.is_empty() && number.iter().all(u8::is_ascii_digit)
}

/// Whether `word` can be a host, an address among them, which may stand in brackets; or `-`, which
/// stands for none. A level can, a number cannot.
fn is_host(word: &[u8]) -> bool {
    let is_part = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'@' | b'%' | b'+' | b'~' | b'#')
            || !byte.is_ascii()
    };
    if word == b"-" {
        return true;
    }
    let inner = match word {
        [b'[', inner @ .., b']'] if is_address(inner) => inner,
        [b'[', ..] => return false,
        _ => word,
    };
    let is_named = inner.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    let is_bounded = inner.len() < SYSLOG_NAME_BYTES_MAX && inner.last() != Some(&b':');
    let is_number = inner.iter().all(u8::is_ascii_digit);
    is_named && is_bounded && !is_number && inner.iter().all(is_part)
}

/// Whether `inner` looks like an IP address, perhaps with the zone of one: `fe80::1%eth0`.
fn is_address(inner: &[u8]) -> bool {
    let end = memchr::memchr(b'%', inner).unwrap_or(inner.len());
    let (address, zone) = inner.split_at(end);
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let has_marks = memchr::memchr2(b'.', b':', address).is_some();
    has_marks && address.iter().all(is_part) && zone != b"%"
}

/// Whether `word` is a level, or a facility and a level: `notice`, `daemon.info`.
fn is_priority(word: &[u8]) -> bool {
    let is_facility = |word: &[u8]| (0..24).any(|it| facility_name(it).as_bytes() == word);
    match memchr::memchr(b'.', word) {
        None => Level::from_name(word).is_some(),
        Some(at) => Level::from_name(&word[at + 1..]).is_some() && is_facility(&word[..at]),
    }
}

/// What is behind ` <Notice>:`, as macOS has it behind the process; `rest` where that is not there.
fn behind_level(rest: &[u8]) -> &[u8] {
    let Some(inner) = rest.strip_prefix(b" <") else { return rest };
    let letters = inner.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    match &inner[letters..] {
        [b'>', b':', behind @ ..] if letters > 0 => behind,
        _ => rest,
    }
}

/// `rest` without the blanks at its beginning.
pub(super) fn blanks(rest: &[u8]) -> &[u8] {
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    &rest[blanks..]
}

/// `rest` without blanks, one colon and blanks at its beginning.
pub(super) fn behind_colon(rest: &[u8]) -> &[u8] {
    let rest = blanks(rest);
    rest.strip_prefix(b":").map_or(rest, blanks)
}
