//! What a connection's first bytes say: whether they begin something that is no text at all.
//!
//! Only what is positively recognised is refused: text in any encoding, with any odd bytes in it,
//! is text.

use std::fmt;

/// What is no text, and is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A request of HTTP/1.x: a whole line `METHOD target HTTP/1.x`.
    Http,
    /// The preface of HTTP/2 (RFC 9113, section 3.4), which gRPC and OTLP send.
    Http2,
    /// A TLS handshake record.
    Tls,
    /// A length and a pickle, as Python's SocketHandler and Graphite senders write.
    Pickle,
    /// MessagePack.
    Msgpack,
    /// Fluentd's forward protocol.
    Fluentd,
    /// A zlib stream.
    Zlib,
    /// A chunk of a GELF message.
    GelfChunk,
    /// Something else that is binary.
    Binary,
}

impl Foreign {
    /// What a notice calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "an HTTP request",
            Self::Http2 => "HTTP/2",
            Self::Tls => "TLS",
            Self::Pickle => "a Python pickle",
            Self::Msgpack => "MessagePack",
            Self::Fluentd => "the Fluentd forward protocol",
            Self::Zlib => "a zlib stream",
            Self::GelfChunk => "a GELF chunk",
            Self::Binary => "binary data",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// Text.
    Text,
    /// A gzip stream (RFC 1952).
    Gzip,
    /// No text.
    Foreign(Foreign),
    /// Too few bytes to tell.
    Undecided,
}

use Sniffed::{Gzip, Text, Undecided};

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// The longest request line that is looked for.
const REQUEST_LINE_BYTES_MAX: usize = 8 << 10;

/// The longest method: what is registered has 17 characters at most.
const METHOD_BYTES_MAX: usize = 17;

/// The most bytes that are looked at.
pub(super) const BYTES_MAX: usize = METHOD_BYTES_MAX + 1 + REQUEST_LINE_BYTES_MAX;

/// How far binary data is looked for.
const BINARY_BYTES_MAX: usize = 16;

/// What `bytes`, the first of a connection or all of a datagram, are.
///
/// An answer other than `Undecided` does not change with more bytes.
pub(super) fn sniff(bytes: &[u8]) -> Sniffed {
    let Some(&first) = bytes.first() else { return Undecided };
    match first {
        b'A'..=b'Z' => request(bytes),
        // `x^` is text too: 0x5e, the least usual of the four, is left to it.
        b'x' => match bytes.get(1) {
            None => Undecided,
            Some(0x01 | 0x9c | 0xda) => Sniffed::Foreign(Foreign::Zlib),
            Some(_) => Text,
        },
        0x80..=0x9f | 0xdc..=0xdf => msgpack(bytes),
        0x1f => or_binary(prefixed(bytes, &[0x1f, 0x8b, 0x08], Gzip), bytes),
        // The record's version follows: 3.0 to 3.4.
        0x16 => or_binary(tls(bytes), bytes),
        0x00 => or_binary(pickle(bytes), bytes),
        0x01..=0x08 | 0x0e..=0x1a | 0x1c..=0x1d => binary(bytes),
        _ => Text,
    }
}

/// `found` where `bytes` begin with `wanted`.
fn prefixed(bytes: &[u8], wanted: &[u8], found: Sniffed) -> Sniffed {
    let common = bytes.len().min(wanted.len());
    match (bytes[..common] == wanted[..common], common == wanted.len()) {
        (false, _) => Text,
        (true, true) => found,
        (true, false) => Undecided,
    }
}

/// What was `sniffed`, and where that is text, whether it is binary.
fn or_binary(sniffed: Sniffed, bytes: &[u8]) -> Sniffed {
    if sniffed == Text { binary(bytes) } else { sniffed }
}

fn tls(bytes: &[u8]) -> Sniffed {
    match *bytes {
        [_, 0x03, 0..=4, ..] => Sniffed::Foreign(Foreign::Tls),
        [_] | [_, 0x03] => Undecided,
        _ => Text,
    }
}

/// Four bytes of length below 16 MiB, then what a pickle begins with: protocol 2 to 5, or the dict
/// of protocol 1.
fn pickle(bytes: &[u8]) -> Sniffed {
    match *bytes {
        [_, _, _, _, 0x80, 2..=5, ..] | [_, _, _, _, b'}', b'q', ..] => {
            Sniffed::Foreign(Foreign::Pickle)
        }
        [] | [_] | [_, _] | [_, _, _] | [_, _, _, _] => Undecided,
        [_, _, _, _, 0x80 | b'}'] => Undecided,
        _ => Text,
    }
}

/// A request's first line, or HTTP/2's. A log line may begin as one: only all of it counts.
fn request(bytes: &[u8]) -> Sniffed {
    if bytes.starts_with(b"PRI * ") {
        return prefixed(bytes, HTTP2_PREFACE, Sniffed::Foreign(Foreign::Http2));
    }
    let is_method = |byte: &&u8| byte.is_ascii_uppercase() || **byte == b'-';
    let method = bytes.iter().take(METHOD_BYTES_MAX + 1).take_while(is_method).count();
    if method > METHOD_BYTES_MAX {
        return Text;
    }
    let rest = match &bytes[method..] {
        [] => return Undecided,
        [b' ', rest @ ..] => rest,
        _ => return Text,
    };
    let rest = &rest[..rest.len().min(REQUEST_LINE_BYTES_MAX)];
    let target = rest.iter().take_while(|byte| byte.is_ascii_graphic()).count();
    let rest = match &rest[target..] {
        [] if target < REQUEST_LINE_BYTES_MAX => return Undecided,
        [b' ', rest @ ..] if target > 0 => rest,
        _ => return Text,
    };
    match *rest {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9', ref end @ ..] => match *end {
            [b'\n', ..] | [b'\r', b'\n', ..] => Sniffed::Foreign(Foreign::Http),
            [] | [b'\r'] => Undecided,
            _ => Text,
        },
        _ if rest.len() < 8 && b"HTTP/1.".starts_with(rest) => Undecided,
        _ => Text,
    }
}

/// Control characters that no text begins with, and more of them, NUL among them. Text in which a
/// sender frames with STX and ETX, or that begins with a hole of NULs, is text.
fn binary(bytes: &[u8]) -> Sniffed {
    let (mut nuls, mut others) = (0, 0);
    for &byte in bytes.iter().take(BINARY_BYTES_MAX) {
        match byte {
            0 => nuls += 1,
            b'\n' if nuls == 0 => return Text,
            0x01..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f..=0xff => others += 1,
            _ => {}
        }
        if nuls > 0 && others > 1 && nuls + others > 3 {
            return Sniffed::Foreign(Foreign::Binary);
        }
    }
    if bytes.len() < BINARY_BYTES_MAX { Undecided } else { Text }
}

/// Whether a MessagePack array or map begins here whose elements are such as senders of logs write.
/// Text may begin with the same byte (in other encodings than UTF-8, a quotation mark or an
/// umlaut), so what follows must fit as well.
fn msgpack(bytes: &[u8]) -> Sniffed {
    let mut reader = Reader { bytes, at: 0 };
    let sniffed = match reader.head() {
        None => Some(Undecided),
        Some(Head::Map) => reader.map(),
        Some(Head::Array) => reader.array(0),
        Some(_) => Some(Text),
    };
    sniffed.unwrap_or(Undecided)
}

/// What a value's first byte says, as far as it matters here.
enum Head {
    Map,
    Array,
    /// Text of so many bytes.
    Str(usize),
    /// A time: the type that Fluentd has for it, or a number of 32 or 64 bits.
    Time,
    /// Anything else that is not in ASCII.
    Other,
    /// A small number, or text.
    Ascii,
}

/// Reads MessagePack, as far as the bytes reach: `None` means that more are needed.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    /// Reads a value's head; of a time all.
    fn head(&mut self) -> Option<Head> {
        Some(match self.byte()? {
            0x81..=0x8f => Head::Map,
            0x91..=0x9f => Head::Array,
            0xdc | 0xde => self.sized(2)?,
            0xdd | 0xdf => self.sized(4)?,
            short @ 0xa1..=0xbf => Head::Str(usize::from(short - 0xa0)),
            0xd9 => Head::Str(usize::from(self.byte()?)),
            0xd7 => match self.byte()? {
                0 => self.skip(8, Head::Time),
                _ => Head::Other,
            },
            0xce | 0xd2 | 0xca => self.skip(4, Head::Time),
            0xcf | 0xd3 | 0xcb => self.skip(8, Head::Time),
            0x80 | 0x90 | 0xa0 | 0xc0..=0xdb => Head::Other,
            _ => Head::Ascii,
        })
    }

    /// An array or a map with its count in `bytes` bytes, which is not that large in earnest.
    fn sized(&mut self, bytes: usize) -> Option<Head> {
        let is_array = matches!(self.bytes.get(self.at - 1), Some(0xdc | 0xdd));
        let high = self.byte()?;
        self.at += bytes - 1;
        Some(match (high, is_array) {
            (0x20.., _) => Head::Ascii,
            (_, true) => Head::Array,
            (_, false) => Head::Map,
        })
    }

    fn skip(&mut self, bytes: usize, head: Head) -> Head {
        self.at += bytes;
        head
    }

    /// Whether the next bytes are a name: printable ASCII of the given length.
    fn is_name(&mut self, bytes: usize) -> Option<bool> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let name = &rest[..rest.len().min(bytes)];
        if name.is_empty() && bytes > 0 {
            return None;
        }
        if bytes == 0 || !name.iter().all(|&byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Some(false);
        }
        self.at += bytes;
        (name.len() == bytes).then_some(true)
    }

    /// Behind a map's head: a name, and a value that is none of ASCII.
    fn map(&mut self) -> Option<Sniffed> {
        let Head::Str(bytes) = self.head()? else { return Some(Text) };
        if !self.is_name(bytes)? {
            return Some(Text);
        }
        Some(match self.head()? {
            Head::Ascii => Text,
            _ => Sniffed::Foreign(Foreign::Msgpack),
        })
    }

    /// Behind an array's head: a tag and what a forwarder has for it, a time and a map, or more of
    /// the kind.
    fn array(&mut self, depth: u8) -> Option<Sniffed> {
        match self.head()? {
            Head::Map => self.map(),
            Head::Array if depth < 2 => self.array(depth + 1),
            Head::Time => Some(match self.head()? {
                Head::Map | Head::Other => Sniffed::Foreign(Foreign::Msgpack),
                _ => Text,
            }),
            Head::Str(bytes) => {
                if !self.is_name(bytes)? {
                    return Some(Text);
                }
                Some(match self.head()? {
                    Head::Ascii => Text,
                    _ => Sniffed::Foreign(Foreign::Fluentd),
                })
            }
            _ => Some(Text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that `bytes` are `expected`, that this is known after `at` bytes and not before, and
    /// that more bytes change nothing.
    #[track_caller]
    fn check(bytes: &[u8], at: usize, expected: Sniffed) {
        for end in 0..=bytes.len() {
            let sniffed = sniff(&bytes[..end]);
            let shown = bytes[..end].escape_ascii();
            assert_eq!(sniffed, if end < at { Undecided } else { expected }, "{shown}");
        }
    }

    #[track_caller]
    fn check_text(bytes: &[u8]) {
        let undecided = (0..=bytes.len()).filter(|&end| sniff(&bytes[..end]) == Undecided).count();
        check(bytes, undecided, Text);
        assert!(undecided <= bytes.len(), "undecided: {}", bytes.escape_ascii());
    }

    #[test]
    fn compressed_streams_are_known_by_their_first_bytes() {
        check(b"\x1f\x8b\x08\0\0", 3, Gzip);
        check(b"x\x9c\x0c\xc2", 2, Sniffed::Foreign(Foreign::Zlib));
        check(b"x\xda\x0c", 2, Sniffed::Foreign(Foreign::Zlib));
        check(b"x\x01\x0c", 2, Sniffed::Foreign(Foreign::Zlib));
        check(b"x^2 + y^2", 2, Text);
        check(b"\x1f\x8b\x09 is no gzip and text", BINARY_BYTES_MAX, Text);
    }

    #[test]
    fn only_a_whole_request_line_is_http() {
        check(b"GET /health HTTP/1.1\r\nHost", 22, Sniffed::Foreign(Foreign::Http));
        check(b"OPTIONS * HTTP/1.0\n", 19, Sniffed::Foreign(Foreign::Http));
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n", 18, Sniffed::Foreign(Foreign::Http2));
        let lines: [&[u8]; 11] = [
            b"GET /x 200 5 ms\n",
            b"GET /x HTTP/1.1 200 5 ms\n",
            b"GET  /x HTTP/1.1\r\n",
            b"get /x HTTP/1.1\r\n",
            b"GET /x HTTP/2.0\r\n",
            b"GET /x\r\n",
            b"ERROR one\n",
            b"PRI * HTTP/1.1\r\n",
            b"A\n",
            b"GET /\xc3\xbc HTTP/1.1\n",
            b"GET /x HTTP/1.1\rx\n",
        ];
        lines.into_iter().for_each(check_text);
        let long = [b"GET /".as_slice(), &[b'x'; REQUEST_LINE_BYTES_MAX]].concat();
        assert_eq!(sniff(&long), Text);
        assert_eq!(sniff(&long[..long.len() - 2]), Undecided);
        assert_eq!(sniff(&[b'A'; 20]), Text);
    }

    #[test]
    fn binary_protocols_are_refused() {
        let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        check(tls, 3, Sniffed::Foreign(Foreign::Tls));
        check(b"\0\0\x01\xd1}q\0(X", 6, Sniffed::Foreign(Foreign::Pickle));
        check(b"\0\0\x01\xd1\x80\x04\x95", 6, Sniffed::Foreign(Foreign::Pickle));
        // What PostgreSQL's and RDP's clients, Kafka's and MQTT's begin with.
        let others: [&[u8]; 4] = [
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0",
            b"\0\0\0\x2f\0\x12\0\x03\0\0\0\0",
            b"\x10\x0c\0\x04MQTT\x04\x02\0<",
        ];
        for other in others {
            assert_eq!(sniff(other), Sniffed::Foreign(Foreign::Binary), "{}", other.escape_ascii());
        }
    }

    #[test]
    fn messagepack_is_told_from_text() {
        check(b"\x94\xabdocker.app1\xd2k\0\x8cj\x84\xa6", 14, Sniffed::Foreign(Foreign::Fluentd));
        check(b"\x93\xaadummy.edge\x93\x92", 13, Sniffed::Foreign(Foreign::Fluentd));
        check(b"\x93\xa8app.edge\xc5\x01B", 11, Sniffed::Foreign(Foreign::Fluentd));
        let record = b"\x92\x92\xd7\0j\xb1;\x80\x07`w\xd5\x80\x83\xa5level";
        check(record, 13, Sniffed::Foreign(Foreign::Msgpack));
        check(b"\x83\xa5level\xa4info\xa7", 8, Sniffed::Foreign(Foreign::Msgpack));
        check(b"\x92\xcej\xb1;\x80\x83\xa5level", 7, Sniffed::Foreign(Foreign::Msgpack));
        check(b"\xdc\0\x02\x83\xa5level\xa4info", 11, Sniffed::Foreign(Foreign::Msgpack));
    }

    #[test]
    fn text_in_any_encoding_is_text() {
        let texts: [&[u8]; 15] = [
            "grüße\n".as_bytes(),
            "ߊ and ܐ\n".as_bytes(),
            "\u{feff}with a mark\n".as_bytes(),
            // Windows-1252: quotation marks, an umlaut. CP850: umlauts.
            b"\x93quoted\x94 text\n",
            b"\x93\xc4nderung\x94\n",
            b"\x93\xdcbertragung\x94\n",
            b"\x84\xbfQu\xe9?\x93 dijo\n",
            b"\xdcbertragung\n",
            b"\x94ffnen\n",
            b"\x9abertragung\n",
            b"\x80 12.50\n",
            // From a machine: STX and ETX, escapes, a hole of NULs before the text.
            b"\x02A17;ok\x03\r\n\x02A18;ok\x03\r\n",
            b"\x1b[32mINFO\x1b[0m x\n",
            b"\0\0\0\0\0\0\0\0INFO one\nERROR two\n",
            b"\x1e{\"a\":1}\n",
        ];
        texts.into_iter().for_each(check_text);
    }
}
