//! One line to a client, built in place: nothing that is put into it can end it, begin another
//! parameter or make it too long.

use super::numeric::Numeric;
use crate::limits::{IRC_LINE_BYTES_MAX, IRC_TAG_BYTES_MAX};

/// A line that is being written: `[:source] command params`, at most [`IRC_LINE_BYTES_MAX`] bytes
/// with CR LF (RFC 2812 section 2.3). What does not fit is cut at a character's boundary, and
/// nothing follows a cut. Tags stand before it: see [`Tags`].
#[derive(Debug)]
#[must_use = "a line without `end` has no end"]
pub struct Outgoing<'o> {
    out: &'o mut Vec<u8>,
    /// Where the line begins.
    start: usize,
    /// Whether something was cut.
    is_full: bool,
}

impl<'o> Outgoing<'o> {
    /// Begins a line at the end of `out`. `source` is the server's name or `nick!user@host`; empty
    /// for none.
    pub fn begin(out: &'o mut Vec<u8>, source: &[u8], command: &str) -> Self {
        let start = out.len();
        let mut line = Self { out, start, is_full: false };
        if !source.is_empty() {
            line.put(b":", source);
        }
        line.put(if source.is_empty() { b"" } else { b" " }, command.as_bytes());
        line
    }

    /// Begins a numeric reply of `server` to `client`: its nick, or `*` (or nothing) while it has
    /// none (Modern, "Numeric Replies").
    pub fn numeric(out: &'o mut Vec<u8>, server: &[u8], numeric: Numeric, client: &[u8]) -> Self {
        Self::begin(out, server, numeric.code()).param(client)
    }

    /// Adds a parameter in the middle. One that cannot stand there (it is empty, begins with `:`,
    /// or holds a space, CR, LF or NUL) is shown as `*`.
    pub fn param(mut self, value: &[u8]) -> Self {
        let is_bad = |byte: &u8| matches!(byte, b' ' | b'\r' | b'\n' | 0);
        let fits = !matches!(value, [] | [b':', ..]) && !value.iter().any(is_bad);
        self.put(b" ", if fits { value } else { b"*" });
        self
    }

    /// Adds the last parameter, always with `:` before it; it may be empty and hold spaces. CR, LF
    /// and NUL become spaces.
    pub fn trailing(mut self, text: &[u8]) -> Self {
        self.put(b" :", text);
        self
    }

    /// Bytes that [`Self::trailing`] would take without a cut.
    pub fn room(&self) -> usize {
        if self.is_full { 0 } else { self.bytes_left().saturating_sub(2) }
    }

    /// Ends the line.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
        debug_assert!(self.out.len() - self.start <= IRC_LINE_BYTES_MAX, "a line too long");
    }

    fn bytes_left(&self) -> usize {
        (IRC_LINE_BYTES_MAX - 2).saturating_sub(self.out.len() - self.start)
    }

    /// Puts `sign` and what fits of `text`; or neither.
    fn put(&mut self, sign: &[u8], text: &[u8]) {
        let room = self.bytes_left().checked_sub(sign.len()).filter(|_| !self.is_full);
        let fitting = cut_at_character(text, room.unwrap_or(0));
        self.is_full |= room.is_none() || fitting.len() < text.len();
        if room.is_none() || fitting.is_empty() && self.is_full {
            return;
        }
        self.out.extend_from_slice(sign);
        let harmless = |&byte: &u8| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte };
        self.out.extend(fitting.iter().map(harmless));
    }
}

/// The longest beginning of `text` that has at most `bytes_max` bytes and does not end within a
/// character of UTF-8. Text that is no UTF-8 is cut at `bytes_max`.
pub fn cut_at_character(text: &[u8], bytes_max: usize) -> &[u8] {
    if text.len() <= bytes_max {
        return text;
    }
    // A character has at most three bytes behind its first, all of the form 10xxxxxx.
    let is_boundary = |at: &usize| text[*at] & 0b1100_0000 != 0b1000_0000;
    let end = (bytes_max.saturating_sub(3)..=bytes_max).rev().find(is_boundary);
    &text[..end.unwrap_or(bytes_max)]
}

/// The tags before a line (IRCv3 message-tags): begin them, add some, end them, and begin the line.
/// Without any nothing is written. They have at most [`IRC_TAG_BYTES_MAX`] bytes, with the `@` and
/// the space; a tag that does not fit is left out.
#[derive(Debug)]
#[must_use = "tags without `end` run into the line"]
pub struct Tags<'o> {
    out: &'o mut Vec<u8>,
    /// Where they begin.
    start: usize,
}

impl<'o> Tags<'o> {
    /// Begins tags at the end of `out`.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// Adds the tag `name`, with `value` escaped; without `=` where that is empty.
    pub fn tag(self, name: &str, value: &[u8]) -> Self {
        self.add(|out| {
            out.extend_from_slice(name.as_bytes());
            if !value.is_empty() {
                out.push(b'=');
                escape_tag_value(value, out);
            }
        })
    }

    /// Adds a piece `name[=value]` as it is: one of [`super::Message::client_tags`].
    pub fn raw(self, piece: &[u8]) -> Self {
        self.add(|out| out.extend_from_slice(piece))
    }

    /// Ends the tags; a line may follow.
    pub fn end(self) {
        if self.out.len() > self.start {
            self.out.push(b' ');
        }
    }

    fn add(self, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let before = self.out.len();
        self.out.push(if before == self.start { b'@' } else { b';' });
        write(self.out);
        // The space behind them counts too.
        if self.out.len() - self.start >= IRC_TAG_BYTES_MAX {
            self.out.truncate(before);
        }
        self
    }
}

/// Writes the value of a tag: `;` as `\:`, a space as `\s`, `\` as `\\`, CR as `\r`, LF as `\n`
/// (IRCv3 message-tags, "Escaping values"). NUL, for which there is no escape, is written as a
/// space.
pub fn escape_tag_value(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        match byte {
            b';' => out.extend_from_slice(b"\\:"),
            b' ' | 0 => out.extend_from_slice(b"\\s"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            byte => out.push(byte),
        }
    }
}
