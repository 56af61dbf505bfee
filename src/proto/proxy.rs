//! The header with which a proxy says who is behind it: PROXY protocol, versions 1 and 2 (HAProxy's
//! `doc/proxy-protocol.txt`, section 2).
//!
//! ```text
//! version 1   PROXY TCP4 source destination port port CRLF       at most 107 bytes
//! version 2    0  signature, 12 bytes
//!             12  version (4 bits), command (4)
//!             13  family (4), transport (4)
//!             14  length of the rest, big-endian
//!             16  source, destination (4, 16 or 108 bytes each), ports (2 each), extensions
//! ```

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;
use std::fmt;

use crate::limits::{PROXY_V1_BYTES_MAX, PROXY_V2_BYTES_MAX};

const V1_SIGNATURE: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a version 2 header before its addresses.
const V2_FIXED_BYTES: usize = 16;

/// The extension that holds a checksum of the header.
const CHECKSUM_TYPE: u8 = 0x03;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The beginning of a header, or nothing yet.
    NeedMore,
    /// A header.
    Header {
        /// Its bytes: what follows is the connection's own.
        used: usize,
        /// Who is behind the proxy; `None` where it speaks for itself, or does not know. An IPv4
        /// address is one, even where it came within an IPv6 one.
        source: Option<SocketAddr>,
    },
    /// No header begins here.
    NotProxy,
    /// What begins as a header is none. The connection must be given up.
    Bad(BadHeader),
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// A line of version 1 does not end with CRLF within the limit.
    Unended,
    /// A line of version 1 does not say what it must.
    Line,
    /// A version or command that does not exist.
    Command(u8),
    /// A family or transport that does not exist.
    Family(u8),
    /// Too short for its addresses, or longer than allowed.
    Length(u16),
    /// Its checksum does not fit.
    Checksum,
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unended => {
                write!(f, "proxy header without CRLF within {PROXY_V1_BYTES_MAX} bytes")
            }
            Self::Line => f.write_str(
                "proxy header is no \"PROXY TCP4|TCP6 source destination port port\" nor \
                 \"PROXY UNKNOWN\"",
            ),
            Self::Command(byte) => {
                write!(f, "proxy header: version and command {byte:#04x}, not 0x20 or 0x21")
            }
            Self::Family(byte) => write!(f, "proxy header: unknown family {byte:#04x}"),
            Self::Length(bytes) => write!(f, "proxy header: length {bytes} does not fit"),
            Self::Checksum => f.write_str("proxy header: wrong checksum"),
        }
    }
}

impl std::error::Error for BadHeader {}

/// What `inbox`, the first bytes of a connection, are. Whoever asks trusts the peer: anybody can
/// write such a header.
///
/// An answer other than `NeedMore` does not change with more bytes.
pub fn read(inbox: &[u8]) -> Step {
    let begins_as = |signature: &[u8]| {
        let common = inbox.len().min(signature.len());
        (inbox[..common] == signature[..common]).then_some(common == signature.len())
    };
    let result = match (begins_as(V1_SIGNATURE), begins_as(V2_SIGNATURE)) {
        (Some(true), _) => read_line(inbox),
        (_, Some(true)) => read_binary(inbox),
        (None, None) => return Step::NotProxy,
        _ => return Step::NeedMore,
    };
    match result {
        Ok(Some((used, source))) => {
            let source = source.map(|at| SocketAddr::new(at.ip().to_canonical(), at.port()));
            Step::Header { used, source }
        }
        Ok(None) => Step::NeedMore,
        Err(bad) => Step::Bad(bad),
    }
}

/// Bytes used, and the source; `None` where more bytes are needed.
type Read = Result<Option<(usize, Option<SocketAddr>)>, BadHeader>;

fn read_line(inbox: &[u8]) -> Read {
    let window = &inbox[..inbox.len().min(PROXY_V1_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        let may_end_yet = window.len() < PROXY_V1_BYTES_MAX;
        return if may_end_yet { Ok(None) } else { Err(BadHeader::Unended) };
    };
    let line = window[..end].strip_suffix(b"\r").ok_or(BadHeader::Unended)?;
    let line = line.strip_prefix(V1_SIGNATURE).ok_or(BadHeader::Line)?;
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Some((end + 1, None)));
    }
    let line = str::from_utf8(line).map_err(|_| BadHeader::Line)?;
    let source = source_of(line).ok_or(BadHeader::Line)?;
    Ok(Some((end + 1, Some(source))))
}

/// The source in `TCP4 source destination port port`.
fn source_of(line: &str) -> Option<SocketAddr> {
    let mut words = line.split(' ');
    let family = words.next()?;
    let address = |word: &str| match family {
        "TCP4" => Ipv4Addr::from_str(word).ok().map(IpAddr::V4),
        "TCP6" => Ipv6Addr::from_str(word).ok().map(IpAddr::V6),
        _ => None,
    };
    let (source, _destination) = (address(words.next()?)?, address(words.next()?)?);
    let (port, _to) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then_some(SocketAddr::new(source, port))
}

/// A port in decimal, without zeros before it.
fn port(word: &str) -> Option<u16> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let has_zeros = word.len() > 1 && word.starts_with('0');
    if is_plain && !has_zeros { word.parse().ok() } else { None }
}

fn read_binary(inbox: &[u8]) -> Read {
    let Some(&[command, family, high, low]) = inbox.get(12..V2_FIXED_BYTES) else {
        return Ok(None);
    };
    if !matches!(command, 0x20 | 0x21) {
        return Err(BadHeader::Command(command));
    }
    let bytes = u16::from_be_bytes([high, low]);
    let used = V2_FIXED_BYTES + usize::from(bytes);
    if used > PROXY_V2_BYTES_MAX {
        return Err(BadHeader::Length(bytes));
    }
    let Some(header) = inbox.get(..used) else { return Ok(None) };
    // The proxy's own connection: the family says nothing then.
    if command == 0x20 {
        return Ok(Some((used, None)));
    }
    let rest = &header[V2_FIXED_BYTES..];
    let (address_bytes, source) = match (family >> 4, family & 0xf) {
        (_, 3..) => return Err(BadHeader::Family(family)),
        (0, _) => (0, None),
        (1, _) => (12, v4(rest)),
        (2, _) => (36, v6(rest)),
        (3, _) => (216, None),
        _ => return Err(BadHeader::Family(family)),
    };
    if rest.len() < address_bytes {
        return Err(BadHeader::Length(bytes));
    }
    if !is_checksum_right(header, V2_FIXED_BYTES + address_bytes) {
        return Err(BadHeader::Checksum);
    }
    // Without a transport the addresses are not to be relied on.
    let source = if family & 0xf == 0 { None } else { source };
    Ok(Some((used, source)))
}

fn v4(rest: &[u8]) -> Option<SocketAddr> {
    let &[a, b, c, d, _, _, _, _, high, low, ..] = rest else { return None };
    let address = Ipv4Addr::new(a, b, c, d);
    Some(SocketAddr::new(IpAddr::V4(address), u16::from_be_bytes([high, low])))
}

fn v6(rest: &[u8]) -> Option<SocketAddr> {
    let address = Ipv6Addr::from(*rest.first_chunk::<16>()?);
    let port = rest.get(32..34)?;
    Some(SocketAddr::new(IpAddr::V6(address), u16::from_be_bytes([port[0], port[1]])))
}

/// Whether the extensions from `at` on hold no checksum, or a right one. What is no extension ends
/// them.
fn is_checksum_right(header: &[u8], mut at: usize) -> bool {
    while let Some(&[kind, high, low]) = header.get(at..at + 3) {
        let start = at + 3;
        let end = start + usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = header.get(start..end) else { return true };
        if kind == CHECKSUM_TYPE {
            let Ok(expected) = value.try_into().map(u32::from_be_bytes) else { return false };
            let sum = crc32c::crc32c(&header[..start]);
            let sum = crc32c::crc32c_append(crc32c::crc32c_append(sum, &[0; 4]), &header[end..]);
            return sum == expected;
        }
        at = end;
    }
    true
}

/// Reads arbitrary bytes as a header.
///
/// # Panics
/// When an answer goes beyond the bytes or the limits, or depends on how reads split them.
pub fn fuzz_proxy(data: &[u8]) {
    let whole = read(data);
    match whole {
        Step::Header { used, .. } => {
            assert!(used <= data.len() && used <= PROXY_V2_BYTES_MAX, "{used} used");
        }
        Step::NeedMore => assert!(data.len() < PROXY_V2_BYTES_MAX, "{} held", data.len()),
        Step::NotProxy | Step::Bad(_) => {}
    }
    let first = (0..=data.len()).map(|end| read(&data[..end])).find(|step| *step != Step::NeedMore);
    assert_eq!(first.unwrap_or(Step::NeedMore), whole, "the reads matter");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that `header` is read whole, that each shorter piece needs more, and that what
    /// follows changes nothing.
    #[track_caller]
    fn check(header: &[u8], source: Option<&str>) {
        let source = source.map(|source| source.parse().unwrap());
        for end in 0..header.len() {
            assert_eq!(read(&header[..end]), Step::NeedMore, "{end} bytes");
        }
        let expected = Step::Header { used: header.len(), source };
        assert_eq!(read(header), expected);
        assert_eq!(read(&[header, b"<14>a\n"].concat()), expected);
        fuzz_proxy(header);
    }

    #[track_caller]
    fn check_bad(header: &[u8], bad: BadHeader) {
        assert_eq!(read(header), Step::Bad(bad), "{}", header.escape_ascii());
        fuzz_proxy(header);
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let bytes = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[command, family], &bytes, rest].concat()
    }

    const V4: &[u8] = &[10, 0, 0, 5, 10, 0, 0, 1, 0xdc, 0x04, 0x02, 0x02];

    #[test]
    fn version_1_names_the_source() {
        let line = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
        check(line, Some("192.168.0.1:56324"));
        check(b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", Some("[2001:db8::1]:1"));
        check(b"PROXY TCP6 ::ffff:10.0.0.5 ::1 7 7\r\n", Some("10.0.0.5:7"));
        check(b"PROXY UNKNOWN\r\n", None);
        let address = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let longest = format!("PROXY UNKNOWN {address} {address} 65535 65535\r\n");
        assert_eq!(longest.len(), PROXY_V1_BYTES_MAX);
        check(longest.as_bytes(), None);
    }

    #[test]
    fn a_line_that_says_something_else_is_refused() {
        let lines = [
            "",
            "TCP4",
            "TCP4 10.0.0.1 10.0.0.2 1",
            "TCP4 10.0.0.1 10.0.0.2 1 2 3",
            "TCP4 10.0.0.01 10.0.0.2 1 2",
            "TCP4 ::1 ::1 1 2",
            "TCP6 10.0.0.1 10.0.0.2 1 2",
            "TCP4 10.0.0.1 10.0.0.2 01 2",
            "TCP4 10.0.0.1 10.0.0.2 +1 2",
            "TCP4 10.0.0.1 10.0.0.2 65536 2",
            "TCP4  10.0.0.1 10.0.0.2 1 2",
            "UNKNOWNS",
            "UDP4 10.0.0.1 10.0.0.2 1 2",
            "TCP4 10.0.0.1 10.0.0.2 1 ",
        ];
        for line in lines {
            check_bad(format!("PROXY {line}\r\n").as_bytes(), BadHeader::Line);
        }
        check_bad(b"PROXY TCP4 \xff\r\n", BadHeader::Line);
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        check_bad(b"PROXY UNKNOWN\n", BadHeader::Unended);
        let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; PROXY_V1_BYTES_MAX - 14]].concat();
        assert_eq!(read(&long[..long.len() - 1]), Step::NeedMore);
        check_bad(&long, BadHeader::Unended);
    }

    #[test]
    fn version_2_names_the_source() {
        check(&binary(0x21, 0x11, V4), Some("10.0.0.5:56324"));
        check(&binary(0x21, 0x12, V4), Some("10.0.0.5:56324"));
        let mut v6 = [0; 36];
        v6[15] = 1;
        v6[33] = 7;
        check(&binary(0x21, 0x21, &v6), Some("[::1]:7"));
        check(&binary(0x21, 0x31, &[0; 216]), None);
        check(&binary(0x21, 0x00, b""), None);
        check(&binary(0x21, 0x10, V4), None);
        // Extensions, also one that is none.
        let extended = [V4, &[0x04, 0, 2, 1, 2, 0xe0, 0xff, 0xff]].concat();
        check(&binary(0x21, 0x11, &extended), Some("10.0.0.5:56324"));
        // The proxy's own health check.
        check(&binary(0x20, 0xff, V4), None);
        check(&binary(0x20, 0x00, b""), None);
    }

    #[test]
    fn a_binary_header_that_makes_no_sense_is_refused() {
        check_bad(&binary(0x11, 0x11, V4), BadHeader::Command(0x11));
        check_bad(&binary(0x22, 0x11, V4), BadHeader::Command(0x22));
        check_bad(&binary(0x21, 0x41, V4), BadHeader::Family(0x41));
        check_bad(&binary(0x21, 0x13, V4), BadHeader::Family(0x13));
        check_bad(&binary(0x21, 0x11, &V4[..11]), BadHeader::Length(11));
        check_bad(&binary(0x21, 0x21, V4), BadHeader::Length(12));
    }

    #[test]
    fn a_header_beyond_the_limit_is_refused() {
        let rest = [V4, &[0; PROXY_V2_BYTES_MAX - V2_FIXED_BYTES - 12]].concat();
        check(&binary(0x21, 0x11, &rest), Some("10.0.0.5:56324"));
        check_bad(&binary(0x21, 0x11, &[&rest[..], &[0]].concat()), BadHeader::Length(521));
    }

    #[test]
    fn a_checksum_is_looked_at_where_there_is_one() {
        let extended = |sum: u32| {
            let rest = [V4, &[0x03, 0, 4], &sum.to_be_bytes(), &[0x04, 0, 1, 9]].concat();
            binary(0x21, 0x11, &rest)
        };
        let sum = crc32c::crc32c(&extended(0));
        check(&extended(sum), Some("10.0.0.5:56324"));
        check_bad(&extended(sum ^ 1), BadHeader::Checksum);
        check_bad(&binary(0x21, 0x11, &[V4, &[0x03, 0, 1, 9]].concat()), BadHeader::Checksum);
    }

    #[test]
    fn other_first_bytes_are_no_header() {
        for bytes in ["<14>a\n", "PROXY\t", "PRO x", "proxy TCP4", "\r\n\r\n\r\n", "\n", "x"] {
            assert_eq!(read(bytes.as_bytes()), Step::NotProxy, "{bytes}");
        }
        assert_eq!(read(b""), Step::NeedMore);
    }
}
