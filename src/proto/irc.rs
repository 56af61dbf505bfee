//! IRC as a server reads and writes it (RFC 1459, RFC 2812, Modern IRC, IRCv3 message-tags): lines
//! out of bytes, messages out of lines, and lines out of meaning.
//!
//! ```text
//! inbox -> Splitter -> Message -> whoever answers -> Tags, Outgoing -> outbox
//! ```
//!
//! A message, where the angle brackets stand for words without spaces (Modern, "Message Format"):
//!
//! ```text
//! ["@" <tags> SPACE] [":" <source> SPACE] <command> *(SPACE <parameter>) [SPACE ":" trailing]
//! ```

pub mod caps;
mod fuzz;
pub mod mask;
pub mod modes;
pub mod names;
pub mod numeric;
pub mod outgoing;
mod secret;
mod tags;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

pub use fuzz::fuzz_irc_message;
pub use outgoing::{Outgoing, Tags};
pub use secret::Secret;

use crate::limits::{IRC_CLIENT_TAG_BYTES_MAX, IRC_LINE_BYTES_MAX, IRC_PARAMS_MAX};

/// Bytes of a line without the CR LF that ends it, and without its tags.
const BARE_BYTES_MAX: usize = IRC_LINE_BYTES_MAX - 2;

const _: () = assert!(IRC_CLIENT_TAG_BYTES_MAX + IRC_LINE_BYTES_MAX <= u16::MAX as usize);

/// What is next in a connection's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStep<'a> {
    /// No line has ended yet. What was used is empty lines, or the rest of a line too long.
    NeedMore,
    /// A line, without its end; never empty.
    Line(&'a [u8]),
    /// A line exceeds its bound. It is reported once, as soon as that is known; what there is of it
    /// and what comes of it is skipped.
    TooLong,
}

/// Splits a connection's bytes into lines (Modern, "Message Format": empty ones are none). A line
/// ends at CR, LF or both; it has [`IRC_LINE_BYTES_MAX`] bytes with CR LF, whatever ends it, and
/// its tags, with the `@` before and the space behind them, [`IRC_CLIENT_TAG_BYTES_MAX`] of their
/// own (IRCv3 message-tags, "Size limit").
///
/// No byte is looked at twice, however the reads fall.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    /// Bytes at the front of the inbox in which no line ends.
    searched: u16,
    /// Where what follows the tags begins; 0 without tags, or while they have not ended.
    body: u16,
    /// Whether a line too long has not ended yet.
    is_skipping: bool,
}

impl Splitter {
    /// A splitter for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one step over `inbox`, the bytes that have not been used: how many are used now, and
    /// what they are. After `NeedMore`, come back with what is left and more behind it: at most
    /// [`IRC_CLIENT_TAG_BYTES_MAX`] and [`IRC_LINE_BYTES_MAX`] bytes are ever left.
    pub fn step<'a>(&mut self, inbox: &'a [u8]) -> (usize, LineStep<'a>) {
        let mut start = 0;
        if self.is_skipping {
            match memchr::memchr2(b'\r', b'\n', inbox) {
                None => return (inbox.len(), LineStep::NeedMore),
                Some(end) => start = end + 1,
            }
            self.is_skipping = false;
        }
        start += inbox[start..].iter().take_while(|&&byte| matches!(byte, b'\r' | b'\n')).count();
        let rest = &inbox[start..];
        match self.find_end(rest) {
            Ok(None) => (start, LineStep::NeedMore),
            Ok(Some(end)) => {
                *self = Self::default();
                (start + end + 1, LineStep::Line(&rest[..end]))
            }
            Err(TooLong) => {
                *self = Self { is_skipping: true, ..Self::default() };
                (start + rest.len().min(BARE_BYTES_MAX), LineStep::TooLong)
            }
        }
    }

    /// Where the line at the front of `rest` ends; `None` where that is still to come.
    fn find_end(&mut self, rest: &[u8]) -> Result<Option<usize>, TooLong> {
        let mut from = usize::from(self.searched).min(rest.len());
        if self.body == 0 && rest.first() == Some(&b'@') {
            let window = &rest[..rest.len().min(IRC_CLIENT_TAG_BYTES_MAX)];
            let unseen = window.get(from..).unwrap_or_default();
            match memchr::memchr3(b' ', b'\r', b'\n', unseen).map(|at| from + at) {
                None if window.len() < IRC_CLIENT_TAG_BYTES_MAX => {
                    self.searched = window.len() as u16;
                    return Ok(None);
                }
                None => return Err(TooLong),
                Some(at) if window[at] != b' ' => return Ok(Some(at)),
                Some(at) => {
                    from = at + 1;
                    self.body = from as u16;
                }
            }
        }
        let window_bytes_max = usize::from(self.body) + BARE_BYTES_MAX + 1;
        let window = &rest[..rest.len().min(window_bytes_max)];
        let unseen = window.get(from..).unwrap_or_default();
        match memchr::memchr2(b'\r', b'\n', unseen) {
            Some(at) => Ok(Some(from + at)),
            None if window.len() == window_bytes_max => Err(TooLong),
            None => {
                self.searched = window.len() as u16;
                Ok(None)
            }
        }
    }
}

/// A line exceeds its bound.
struct TooLong;

/// Why a line is no message. The connection stays usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Nothing stands where the command should: the line is empty, or all tags and source.
    NoCommand,
    /// A byte that no message may hold: NUL, CR or LF (RFC 2812 section 2.3.1, `nospcrlfcl`).
    BadByte(u8),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => f.write_str("message without a command"),
            Self::BadByte(byte) => {
                write!(f, "message holds byte {byte:#04x} (not allowed: NUL, CR, LF)")
            }
        }
    }
}

impl std::error::Error for ParseError {}

/// One message as it came; all of it lies in the line. Bytes are not looked at beyond what
/// separates the parts: they need not be UTF-8, and the command may be none that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    tags: &'a [u8],
    source: Option<&'a [u8]>,
    command: &'a [u8],
    params: [&'a [u8]; IRC_PARAMS_MAX],
    params_count: u8,
}

impl<'a> Message<'a> {
    /// Reads a line without its end. Parts are separated by any number of spaces, and some may
    /// stand before the source or the command (RFC 1459 section 2.3; Modern, "Message Format").
    /// The parameter after fourteen others takes all that follows, with `:` before it or not
    /// (RFC 2812 section 2.3.1, `params`).
    ///
    /// # Errors
    /// See [`ParseError`]; the next line may be a message again.
    pub fn parse(line: &'a [u8]) -> Result<Self, ParseError> {
        if let Some(at) = memchr::memchr3(0, b'\r', b'\n', line) {
            return Err(ParseError::BadByte(line[at]));
        }
        let mut rest = line;
        let tags = match rest.strip_prefix(b"@") {
            Some(behind) => {
                rest = behind;
                take_word(&mut rest)
            }
            None => b"",
        };
        skip_spaces(&mut rest);
        let source = rest.strip_prefix(b":").map(|behind| {
            rest = behind;
            take_word(&mut rest)
        });
        skip_spaces(&mut rest);
        let command = take_word(&mut rest);
        if command.is_empty() {
            return Err(ParseError::NoCommand);
        }
        let (params, params_count) = params_of(rest);
        Ok(Self { tags, source, command, params, params_count })
    }

    /// The tags as they came, escaped, without the `@`; empty where there are none.
    pub fn tags(&self) -> &'a [u8] {
        self.tags
    }

    /// The value of the tag `name` (with its `+` and vendor), unescaped: empty where it has none.
    /// Of several of that name the last counts (IRCv3 message-tags, "Rules for naming").
    pub fn tag(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        tags::find(self.tags, name.as_bytes())
    }

    /// The client-only tags, which a server passes on: pieces `+name` or `+name=value`, escaped as
    /// they came. Left out are names that are none and values that are not UTF-8 (IRCv3
    /// message-tags, "Format", "Client-only tags").
    pub fn client_tags(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        tags::client_only(self.tags)
    }

    /// Who the message says it is from, without the `:`. A client should say nothing, and what it
    /// says means nothing (Modern, "Source").
    pub fn source(&self) -> Option<&'a [u8]> {
        self.source
    }

    /// The command as it came; never empty. Case does not matter in ASCII letters.
    pub fn command(&self) -> &'a [u8] {
        self.command
    }

    /// The parameters, at most [`IRC_PARAMS_MAX`]. Only the last may be empty, hold spaces, or
    /// begin with `:`; it means the same with and without a `:` before it (Modern, "Parameters").
    pub fn params(&self) -> &[&'a [u8]] {
        &self.params[..usize::from(self.params_count)]
    }

    /// The parameter with index `at`, if there is one; it may be empty.
    pub fn param(&self, at: usize) -> Option<&'a [u8]> {
        self.params().get(at).copied()
    }
}

fn params_of(mut rest: &[u8]) -> ([&[u8]; IRC_PARAMS_MAX], u8) {
    let (mut params, mut count) = ([b"".as_slice(); IRC_PARAMS_MAX], 0);
    for (at, param) in params.iter_mut().enumerate() {
        skip_spaces(&mut rest);
        if rest.is_empty() {
            break;
        }
        count += 1;
        if let Some(trailing) = rest.strip_prefix(b":") {
            *param = trailing;
            break;
        }
        *param = if at + 1 < IRC_PARAMS_MAX { take_word(&mut rest) } else { rest };
    }
    (params, count)
}

fn skip_spaces(rest: &mut &[u8]) {
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    *rest = &rest[spaces..];
}

/// Takes what stands before the next space, and leaves that space.
fn take_word<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (word, behind) = rest.split_at(memchr::memchr(b' ', rest).unwrap_or(rest.len()));
    *rest = behind;
    word
}
