//! Pairs of `key=value` in a text: logfmt, and prose that says `user=bob`.

use std::borrow::Cow;

use memchr::memchr;

use super::{Value, json};
use crate::message::quoted_bytes;

/// Whether `text` begins with a pair, so that it is logfmt from its beginning.
pub(super) fn begins(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let key_bytes = text.iter().position(|byte| !is_key(*byte)).unwrap_or(text.len());
    key_bytes > 0 && text.get(key_bytes) == Some(&b'=')
}

/// The first value of `name`.
pub(super) fn find<'a>(text: &'a [u8], name: &[u8]) -> Option<Value<'a>> {
    Pairs::new(text).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The pairs of a text in order, and where it begins as logfmt its bare words too, which are
/// `true`.
pub(super) struct Pairs<'a> {
    text: &'a [u8],
    /// What is still to be looked at.
    at: usize,
    /// Bare words end here, where the next pair is known to begin.
    words_end: usize,
    has_words: bool,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, words_end: 0, has_words: begins(text) }
    }

    /// The place of the next key's first byte and of its `=`.
    fn next_key(&self) -> Option<(usize, usize)> {
        let mut from = self.at;
        loop {
            let equals = from + memchr(b'=', self.text.get(from..)?)?;
            let before = &self.text[from..equals];
            let key_bytes = before.iter().rev().take_while(|byte| is_key(**byte)).count();
            let key = equals - key_bytes;
            let opens = key.checked_sub(1).is_none_or(|before| is_opening(self.text[before]));
            if key_bytes > 0 && opens {
                return Some((key, equals));
            }
            from = equals + 1;
        }
    }

    /// The next bare word before `words_end`.
    fn next_word(&mut self) -> Option<&'a [u8]> {
        while self.at < self.words_end {
            let rest = &self.text[self.at..self.words_end];
            let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
            let rest = &rest[start..];
            let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            self.at += start + end;
            if rest[..end].iter().all(|byte| is_key(*byte)) {
                return Some(&rest[..end]);
            }
        }
        None
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_words {
            if self.words_end <= self.at {
                self.words_end = self.next_key().map_or(self.text.len(), |(key, _)| key);
            }
            if let Some(word) = self.next_word() {
                return Some((word, Value::Bool(true)));
            }
            self.at = self.words_end;
        }
        let (key, equals) = self.next_key()?;
        let (value, end) = value(self.text, equals + 1, !self.has_words);
        self.at = end;
        Some((&self.text[key..equals], Value::Text(value)))
    }
}

/// The value that begins at `start`, and where it ends. In prose the end of a sentence is none of
/// it.
fn value(text: &[u8], start: usize, is_prose: bool) -> (Cow<'_, [u8]>, usize) {
    let rest = &text[start..];
    if let [b'"', inner @ ..] = rest
        && let Some(bytes) = quoted_bytes(inner)
    {
        let value = json::unquote(&rest[..bytes + 2])
            .unwrap_or_else(|| Cow::Owned(unescape(&inner[..bytes], b"\"\\")));
        return (value, start + bytes + 2);
    }
    let bytes = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    (Cow::Borrowed(without_punctuation(&rest[..bytes], is_prose)), start + bytes)
}

/// `word` without the punctuation of the sentence around it: commas at its end, and brackets that
/// were opened before it; where it stands in prose also one point, colon or exclamation mark, but
/// none of several.
pub(crate) fn without_punctuation(word: &[u8], is_prose: bool) -> &[u8] {
    let mut word = word;
    let mut may_end = is_prose;
    // How many more brackets of a kind are closed than opened; absent until it is asked for.
    let mut excess = [None; 3];
    while let [inner @ .., last] = word {
        let kind = match last {
            b',' | b';' => None,
            b')' => Some((0, b'(')),
            b']' => Some((1, b'[')),
            b'}' => Some((2, b'{')),
            b'.' | b':' | b'!' if may_end && inner.last().is_some_and(|before| before != last) => {
                may_end = false;
                None
            }
            _ => break,
        };
        if let Some((kind, opening)) = kind {
            let count = |bracket: u8| word.iter().filter(|byte| **byte == bracket).count();
            let excess =
                excess[kind].get_or_insert_with(|| count(*last).saturating_sub(count(opening)));
            if *excess == 0 {
                break;
            }
            *excess -= 1;
        }
        word = inner;
    }
    word
}

/// `text` without the backslashes before the bytes of `escaped`.
pub(super) fn unescape(text: &[u8], escaped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        match rest {
            [] => return plain,
            [b'\\', byte, after @ ..] if escaped.contains(byte) => {
                plain.push(*byte);
                rest = after;
            }
            [byte, after @ ..] => {
                plain.push(*byte);
                rest = after;
            }
        }
    }
}

/// Whether a key may hold `byte`.
fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'.' | b'-' | b'@' | b'/' | b'$')
        || byte >= 0x80
}

/// Whether a key may stand right behind `byte`.
fn is_opening(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'(' | b'[' | b'{' | b'<' | b',' | b';' | b'|')
}
