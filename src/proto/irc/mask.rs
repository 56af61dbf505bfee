//! Masks: `nick!user@host` with `*` for any bytes, `?` for any one, and `\` before either of them
//! for itself (RFC 2812 section 2.5; Modern, "Wildcard Expressions").

use super::names::fold_byte;
use crate::limits::IRC_MASK_BYTES_MAX;

/// Whether `mask` covers all of `text`, in the letters of [`super::names::fold`].
///
/// Give the mask as it was set: folded, `\` would be `|`, and escape nothing. `\` before another
/// byte than `*` and `?` is itself, as in the nick `a\b`. Where a piece between two `*` was found
/// it stays, for later ones have less room anywhere else: at most mask × text bytes are compared.
pub fn matches(mask: &[u8], text: &[u8]) -> bool {
    let (mut mask_at, mut text_at) = (0, 0);
    // Behind the last `*`, and how far it reaches so far.
    let mut back = None;
    while text_at < text.len() {
        match token(mask, mask_at) {
            Some((Token::Any, next)) => {
                mask_at = next;
                back = Some((next, text_at));
                continue;
            }
            Some((token, next)) if token.covers(text[text_at]) => {
                mask_at = next;
                text_at += 1;
                continue;
            }
            _ => {}
        }
        let Some((behind_star, reach)) = back else { return false };
        back = Some((behind_star, reach + 1));
        (mask_at, text_at) = (behind_star, reach + 1);
    }
    mask[mask_at..].iter().all(|&byte| byte == b'*')
}

enum Token {
    Any,
    One,
    Byte(u8),
}

impl Token {
    fn covers(&self, byte: u8) -> bool {
        match *self {
            Self::Any => false,
            Self::One => true,
            Self::Byte(wanted) => fold_byte(wanted) == fold_byte(byte),
        }
    }
}

/// What stands in `mask` at `at`, and where the next stands.
fn token(mask: &[u8], at: usize) -> Option<(Token, usize)> {
    let &byte = mask.get(at)?;
    Some(match (byte, mask.get(at + 1)) {
        (b'*', _) => (Token::Any, at + 1),
        (b'?', _) => (Token::One, at + 1),
        (b'\\', Some(&sign @ (b'*' | b'?'))) => (Token::Byte(sign), at + 2),
        _ => (Token::Byte(byte), at + 1),
    })
}

/// A mask or a source in its parts; those that are not there are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// Before `!`, or before `@` where there is no `!`.
    pub nick: &'a [u8],
    /// Between `!` and `@`.
    pub user: &'a [u8],
    /// Behind `@`.
    pub host: &'a [u8],
}

/// Takes `nick[!user][@host]` apart (Modern, "Source"): at the first `!` and the last `@`.
pub(super) fn parts(source: &[u8]) -> Parts<'_> {
    let (name, host) = match memchr::memrchr(b'@', source) {
        Some(at) => (&source[..at], &source[at + 1..]),
        None => (source, b"".as_slice()),
    };
    match memchr::memchr(b'!', name) {
        Some(at) => Parts { nick: &name[..at], user: &name[at + 1..], host },
        None => Parts { nick: name, user: b"", host },
    }
}

/// A mask as it was typed, in the form `nick!user@host`: `nick` is `nick!*@*`, `user@host` is
/// `*!user@host`, `nick!user` is `nick!user@*`; a word with `.` or `:`, which no nick has, is
/// `*!*@word`. Empty parts are `*`, and several `*` in a row are one. Blanks and control characters
/// are left out, for no name has any.
///
/// The result may exceed [`IRC_MASK_BYTES_MAX`]: see [`is_mask`].
pub fn normalise(mask: &[u8]) -> Vec<u8> {
    let is_visible = |byte: &u8| !matches!(byte, 0..=b' ' | 0x7f);
    let typed: Vec<u8> = mask.iter().copied().filter(is_visible).collect();
    let mut parts = parts(&typed);
    let is_host = |word: &[u8]| memchr::memchr2(b'.', b':', word).is_some();
    if parts.user.is_empty() && memchr::memchr(b'!', &typed).is_none() {
        let has_host = typed.contains(&b'@');
        if has_host {
            (parts.nick, parts.user) = (b"", parts.nick);
        } else if is_host(parts.nick) {
            (parts.nick, parts.host) = (b"", parts.nick);
        }
    }
    let mut whole = Vec::with_capacity(typed.len() + 5);
    for (sign, part) in [(None, parts.nick), (Some(b'!'), parts.user), (Some(b'@'), parts.host)] {
        whole.extend(sign);
        push_part(if part.is_empty() { b"*" } else { part }, &mut whole);
    }
    whole
}

/// Adds a part with each run of `*` as one; an escaped `*` is none.
fn push_part(part: &[u8], whole: &mut Vec<u8>) {
    let (mut at, mut was_any) = (0, false);
    while let Some((token, next)) = token(part, at) {
        let is_any = matches!(token, Token::Any);
        if !(is_any && was_any) {
            whole.extend_from_slice(&part[at..next]);
        }
        (at, was_any) = (next, is_any);
    }
}

/// Whether a normalised mask can be kept: at most [`IRC_MASK_BYTES_MAX`] bytes, and no `:` first,
/// which would end the parameters before it.
pub fn is_mask(mask: &[u8]) -> bool {
    (1..=IRC_MASK_BYTES_MAX).contains(&mask.len()) && mask[0] != b':'
}
