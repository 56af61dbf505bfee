//! Names: which are the same, and which are none.

use crate::limits::{
    IRC_CHANNEL_BYTES_MAX, IRC_KEY_BYTES_MAX, IRC_NICK_BYTES_MAX, IRC_SERVER_NAME_BYTES_MAX,
    IRC_USER_BYTES_MAX,
};

/// A byte in the lower case of `CASEMAPPING=rfc1459`: ASCII, where `{}|^` are the lower case of
/// `[]\~` (RFC 2812 section 2.2; Modern, "CASEMAPPING Parameter").
pub const fn fold_byte(byte: u8) -> u8 {
    match byte {
        b'[' => b'{',
        b']' => b'}',
        b'\\' => b'|',
        b'~' => b'^',
        byte => byte.to_ascii_lowercase(),
    }
}

/// `name` in lower case: the key by which a nick or a channel is known. Bytes beyond ASCII stay.
pub fn fold(name: &[u8]) -> Vec<u8> {
    name.iter().map(|&byte| fold_byte(byte)).collect()
}

/// Whether two names are one.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    let pairs = one.iter().zip(other);
    one.len() == other.len() && pairs.into_iter().all(|(&a, &b)| fold_byte(a) == fold_byte(b))
}

/// Whether `name` is a nick of at most [`IRC_NICK_BYTES_MAX`] bytes: letters, digits, `-` and
/// ``[]\`_^{|}``, no digit and no `-` first (RFC 2812 section 2.3.1, `nickname`).
pub fn is_nick(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"[]\\`_^{|}-".contains(byte);
    let begins_well = name.first().is_some_and(|byte| !byte.is_ascii_digit() && *byte != b'-');
    begins_well && name.len() <= IRC_NICK_BYTES_MAX && name.iter().all(is_part)
}

/// Whether `name` is a channel of at most [`IRC_CHANNEL_BYTES_MAX`] bytes: `#`, then UTF-8 without
/// blanks, control characters, `,` and `:` (RFC 2812 section 2.3.1, `channel`; Modern, "Channels").
pub fn is_channel(name: &[u8]) -> bool {
    let is_part = |char: char| {
        !char.is_control() && !char.is_whitespace() && !matches!(char, ',' | ':' | '\u{feff}')
    };
    name.first() == Some(&b'#')
        && name.len() <= IRC_CHANNEL_BYTES_MAX
        && str::from_utf8(name).is_ok_and(|name| name.chars().all(is_part))
}

/// Whether `key` can be a channel's: visible ASCII, at most [`IRC_KEY_BYTES_MAX`] bytes, without
/// `,` (which separates keys in JOIN) and without `:` first (RFC 2812 section 2.3.1, `key`).
pub fn is_key(key: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_graphic() && *byte != b',';
    let bounds = 1..=IRC_KEY_BYTES_MAX;
    bounds.contains(&key.len()) && key[0] != b':' && key.iter().all(is_part)
}

fn is_part_of_user(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._[]\\`^{|}".contains(byte)
}

/// What of the name that a client sent with USER can be shown: its letters, digits and
/// ``-._[]\`^{|}``, cut at [`IRC_USER_BYTES_MAX`] (Modern, "USER message"); empty where nothing is
/// left. Narrower than RFC 2812 section 2.3.1, `user`, which leaves out only `@`, blanks and line
/// ends: `!`, `*`, `?` and control characters would make masks and terminals show what is not.
pub fn user_name(sent: &[u8]) -> Vec<u8> {
    sent.iter().copied().filter(is_part_of_user).take(IRC_USER_BYTES_MAX).collect()
}

/// LogBot's nick, which nobody else can have, a server neither.
pub const LOG_BOT: &[u8] = b"LogBot";

/// Whether `name` can be a server's, at most [`IRC_SERVER_NAME_BYTES_MAX`] bytes: a host's name
/// (RFC 2812 section 2.3.1, `servername`; RFC 952), not LogBot's. It needs no dot, for not every
/// host has one.
pub fn is_server_name(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let is_label =
        |label: &[u8]| !matches!(label, [] | [b'-', ..] | [.., b'-']) && label.iter().all(is_part);
    name.len() <= IRC_SERVER_NAME_BYTES_MAX
        && !same(name, LOG_BOT)
        && name.split(|&byte| byte == b'.').all(is_label)
}
