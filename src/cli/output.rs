//! What the reading subcommands print: as it came into a pipe, made harmless on a terminal.

use crate::cli::client::Failure;
use crate::level::{self, Level};
use std::io::{self, IsTerminal, StdoutLock, Write};

/// A line longer than this, in bytes, is shown on a terminal in pieces: records are shorter, so
/// only a peer that is no logcaster sends such.
const LINE_BYTES_MAX: usize = 1 << 20;

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Byte for byte.
    Raw,
    /// Control characters as `\xNN`.
    Escaped,
    /// That, and colours by level.
    Coloured,
}

/// Standard output, in the style that fits what it is connected to.
pub struct Output {
    out: StdoutLock<'static>,
    style: Style,
    /// The line that is still incomplete. Always empty in [`Style::Raw`].
    line: Vec<u8>,
    /// What is to be written next, kept for its capacity.
    page: Vec<u8>,
}

impl Output {
    /// For an answer whose lines are text, or `is_raw` bytes that somebody asked for as they are.
    pub fn new(is_raw: bool, is_text: bool) -> Self {
        let out = io::stdout().lock();
        let style = match out.is_terminal() {
            _ if is_raw => Style::Raw,
            false => Style::Raw,
            true if is_text && wants_colour() => Style::Coloured,
            true => Style::Escaped,
        };
        Output { out, style, line: Vec::new(), page: Vec::new() }
    }

    /// Writes what arrived, and flushes: whoever watches sees it now.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] where nobody reads any more, or what the system says.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.style == Style::Raw {
            self.out.write_all(bytes).map_err(Failure::write)?;
            return self.out.flush().map_err(Failure::write);
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() >= LINE_BYTES_MAX {
                show_line(&self.line, self.style, &mut self.page);
                self.line.clear();
            }
        }
        self.flush()
    }

    /// Writes a last line that had no end.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn finish(&mut self) -> Result<(), Failure> {
        if !self.line.is_empty() {
            show_line(&self.line, self.style, &mut self.page);
            self.line.clear();
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let written = self.out.write_all(&self.page).and_then(|()| self.out.flush());
        self.page.clear();
        written.map_err(Failure::write)
    }
}

/// Whether colours are welcome: `NO_COLOR` is unset or empty, and the terminal is no dumb one.
fn wants_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Appends a line to `page`, its colour around it, every byte that a terminal would obey escaped.
fn show_line(line: &[u8], style: Style, page: &mut Vec<u8>) {
    let (text, end) = match line.strip_suffix(b"\n") {
        Some(text) => (text, &b"\n"[..]),
        None => (line, &b""[..]),
    };
    let colour = if style == Style::Coloured { colour(text) } else { "" };
    page.extend_from_slice(colour.as_bytes());
    escape(text, page);
    if !colour.is_empty() {
        page.extend_from_slice(b"\x1b[0m");
    }
    page.extend_from_slice(end);
}

/// The escape sequence for a line: red and yellow for what is wrong, dim for what is noise.
fn colour(text: &[u8]) -> &'static str {
    if text.starts_with(b"# ") {
        return "\x1b[35m";
    }
    // Behind the time that the server puts before a line.
    let is_timed = text.first() == Some(&b'[') && text.get(20) == Some(&b']');
    let line = if is_timed { text.get(22..).unwrap_or_default() } else { text };
    match level::detect(line) {
        Level::Emergency | Level::Alert | Level::Critical | Level::Error => "\x1b[31m",
        Level::Warning => "\x1b[33m",
        Level::Debug | Level::Trace => "\x1b[2m",
        Level::Notice | Level::Info | Level::Unknown => "",
    }
}

/// Appends `text` to `page` with control characters, and bytes that are not UTF-8, as `\xNN`.
pub fn escape(text: &[u8], page: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let mut bytes = [0; 4];
            let encoded = letter.encode_utf8(&mut bytes).as_bytes();
            match letter {
                '\t' => page.push(b'\t'),
                letter if letter.is_control() => push_hex(encoded, page),
                _ => page.extend_from_slice(encoded),
            }
        }
        push_hex(chunk.invalid(), page);
    }
}

fn push_hex(bytes: &[u8], page: &mut Vec<u8>) {
    for byte in bytes {
        page.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &[u8], style: Style) -> Vec<u8> {
        let mut page = Vec::new();
        show_line(line, style, &mut page);
        page
    }

    #[test]
    fn a_terminal_is_shown_no_control_characters() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"plain\tline\n", b"plain\tline\n"),
            (b"\x1b[2Jgone\n", b"\\x1b[2Jgone\n"),
            (b"bell\x07 del\x7f nul\x00\n", b"bell\\x07 del\\x7f nul\\x00\n"),
            (b"\xc2\x9b31m C1\n", b"\\xc2\\x9b31m C1\n"),
            (b"\x9b31m \xff\n", b"\\x9b31m \\xff\n"),
            ("grüße 日本\n".as_bytes(), "grüße 日本\n".as_bytes()),
            (b"\r no end", b"\\x0d no end"),
        ];
        for (line, expected) in cases {
            assert_eq!(shown(line, Style::Escaped), expected);
        }
    }

    #[test]
    fn colours_follow_the_level() {
        let red = shown(b"[2026-11-20 10:00:00] ERROR no\n", Style::Coloured);
        assert_eq!(red, b"\x1b[31m[2026-11-20 10:00:00] ERROR no\x1b[0m\n");
        assert_eq!(shown(b"# lost 5 lines\n", Style::Coloured), b"\x1b[35m# lost 5 lines\x1b[0m\n");
        assert_eq!(shown(b"hello\n", Style::Coloured), b"hello\n");
    }
}
