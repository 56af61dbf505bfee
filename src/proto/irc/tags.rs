//! The tags of a message: `name[=value]`, separated by `;`, values escaped (IRCv3 message-tags,
//! "Format" and "Escaping values").

use std::borrow::Cow;

/// The value of the last tag `name`, unescaped; empty where it has none.
pub(super) fn find<'a>(tags: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let mut values = pieces(tags).filter_map(|piece| {
        let (its_name, value) = split(piece);
        (its_name == name).then_some(value)
    });
    values.next_back().map(|value| unescape(value.unwrap_or_default()))
}

/// The pieces that are client-only tags of a good name, with a value in UTF-8 if any.
pub(super) fn client_only(tags: &[u8]) -> impl Iterator<Item = &[u8]> {
    pieces(tags).filter(|piece| {
        let (name, value) = split(piece);
        let is_named = name.strip_prefix(b"+").is_some_and(is_name);
        is_named && str::from_utf8(value.unwrap_or_default()).is_ok()
    })
}

fn pieces(tags: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    tags.split(|&byte| byte == b';').filter(|piece| !piece.is_empty())
}

fn split(piece: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', piece) {
        Some(at) => (&piece[..at], Some(&piece[at + 1..])),
        None => (piece, None),
    }
}

/// Whether `name` is `[vendor/]key`: letters, digits and `-`; the vendor is a host's name.
fn is_name(name: &[u8]) -> bool {
    let (vendor, key) = match memchr::memchr(b'/', name) {
        Some(at) => (Some(&name[..at]), &name[at + 1..]),
        None => (None, name),
    };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let is_vendor = |vendor: &[u8]| {
        !vendor.is_empty() && vendor.iter().all(|byte| is_plain(byte) || *byte == b'.')
    };
    !key.is_empty() && key.iter().all(is_plain) && vendor.is_none_or(is_vendor)
}

/// `\:` is `;`, `\s` a space, `\\` itself, `\r` CR, `\n` LF; another `\` is left out.
fn unescape(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', value).is_none() {
        return Cow::Borrowed(value);
    }
    let (mut plain, mut bytes) = (Vec::with_capacity(value.len()), value.iter());
    while let Some(&byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b':') => plain.push(b';'),
            Some(b's') => plain.push(b' '),
            Some(b'r') => plain.push(b'\r'),
            Some(b'n') => plain.push(b'\n'),
            Some(&other) => plain.push(other),
            None => {}
        }
    }
    Cow::Owned(plain)
}
