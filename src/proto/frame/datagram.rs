//! Datagrams: what each says of itself. None of them depends on another.

use super::mark::{self, Found};
use super::sniff::{Foreign, Sniffed, sniff};

/// What one whole datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// Lines or JSON, as on a stream: for [`super::FrameCodec::of_text`], up to its `finish`.
    Frames,
    /// One syslog message, LF in it included, without its count and its end. It may be longer than
    /// any limit.
    Syslog(&'a [u8]),
    /// A zlib stream (RFC 1950): one record once inflated, as rsyslog sends.
    Compressed(&'a [u8]),
    /// A gzip member (RFC 1952): one record once inflated, as GELF senders write.
    Gzip(&'a [u8]),
    /// No text.
    Foreign(Foreign),
}

/// What `bytes`, a whole datagram, are.
pub fn datagram(bytes: &[u8]) -> Datagram<'_> {
    match bytes {
        [b'<', ..] if is_syslog(bytes) => return Datagram::Syslog(trimmed(bytes)),
        [b'z', body @ ..] if mark::compressed(bytes) == Found::Yes(()) => {
            return Datagram::Compressed(body);
        }
        [b'1'..=b'9', ..] => {
            if let Found::Yes(count) = mark::count(bytes) {
                let rest = &bytes[count.prefix..];
                let fits = [rest.len(), trimmed(rest).len()].contains(&count.bytes);
                if fits && count.is_compressed {
                    return Datagram::Compressed(&rest[1..]);
                }
                if fits {
                    return Datagram::Syslog(trimmed(rest));
                }
            }
        }
        [0x1e, 0x0f, ..] => return Datagram::Foreign(Foreign::GelfChunk),
        _ => {}
    }
    match sniff(bytes) {
        Sniffed::Gzip => Datagram::Gzip(bytes),
        // A whole request line is what SSDP announces itself with: text.
        Sniffed::Foreign(Foreign::Http) | Sniffed::Text | Sniffed::Undecided => Datagram::Frames,
        Sniffed::Foreign(foreign) => Datagram::Foreign(foreign),
    }
}

fn is_syslog(bytes: &[u8]) -> bool {
    matches!(mark::pri(bytes), Found::Yes(_))
}

/// `bytes` without the LF, CRLF and NUL at their end.
fn trimmed(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n' | 0] => rest,
            _ => return bytes,
        };
    }
}
