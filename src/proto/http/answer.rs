//! The head of an answer, and the chunks of one whose length is not known.

use std::cell::Cell;

use crate::clock::{SECOND, Wall};
use crate::message::calendar;

/// Digits of a chunk's size: written before the chunk, patched behind it.
const SIZE_DIGITS: usize = 8;

/// What a client that sent `Expect: 100-continue` waits for, before it sends the body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A status code (RFC 9110, section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

/// The constants and their reason phrases, in one table.
macro_rules! statuses {
    ($($code:literal $name:ident $reason:literal)*) => {
        impl Status {
            $(
                #[doc = concat!(stringify!($code), " ", $reason)]
                pub const $name: Self = Self($code);
            )*

            /// The phrase behind the code; empty for codes that are never answered.
            pub fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    101 SWITCHING_PROTOCOLS "Switching Protocols"
    200 OK "OK"
    204 NO_CONTENT "No Content"
    206 PARTIAL_CONTENT "Partial Content"
    301 MOVED_PERMANENTLY "Moved Permanently"
    302 FOUND "Found"
    304 NOT_MODIFIED "Not Modified"
    308 PERMANENT_REDIRECT "Permanent Redirect"
    400 BAD_REQUEST "Bad Request"
    401 UNAUTHORIZED "Unauthorized"
    403 FORBIDDEN "Forbidden"
    404 NOT_FOUND "Not Found"
    405 METHOD_NOT_ALLOWED "Method Not Allowed"
    406 NOT_ACCEPTABLE "Not Acceptable"
    408 REQUEST_TIMEOUT "Request Timeout"
    411 LENGTH_REQUIRED "Length Required"
    412 PRECONDITION_FAILED "Precondition Failed"
    413 CONTENT_TOO_LARGE "Content Too Large"
    414 URI_TOO_LONG "URI Too Long"
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type"
    417 EXPECTATION_FAILED "Expectation Failed"
    421 MISDIRECTED_REQUEST "Misdirected Request"
    422 UNPROCESSABLE_CONTENT "Unprocessable Content"
    426 UPGRADE_REQUIRED "Upgrade Required"
    429 TOO_MANY_REQUESTS "Too Many Requests"
    431 HEADER_FIELDS_TOO_LARGE "Request Header Fields Too Large"
    500 INTERNAL_SERVER_ERROR "Internal Server Error"
    501 NOT_IMPLEMENTED "Not Implemented"
    503 SERVICE_UNAVAILABLE "Service Unavailable"
    504 GATEWAY_TIMEOUT "Gateway Timeout"
    505 HTTP_VERSION_NOT_SUPPORTED "HTTP Version Not Supported"
    507 INSUFFICIENT_STORAGE "Insufficient Storage"
}

impl Status {
    /// Whether an answer with this status never has a body (RFC 9110, section 6.4.1).
    pub fn is_bodiless(self) -> bool {
        matches!(self.0, 100..=199 | 204 | 304)
    }
}

/// How the end of an answer's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerBody {
    /// So many bytes follow; to HEAD, so many would follow.
    Length(u64),
    /// Chunks follow ([`begin_chunk`]). Not to a client that speaks HTTP/1.0.
    Chunked,
    /// It ends where the connection does, which is then never kept: for HTTP/1.0.
    UntilClose,
    /// There is none.
    None,
}

/// What stands above an answer's body.
#[derive(Clone, Copy, Debug)]
pub struct AnswerHead<'a> {
    /// How it went.
    pub status: Status,
    /// The media type of the body, if there is one.
    pub content_type: Option<&'a str>,
    /// Further names and values. Control characters in a value become spaces.
    pub headers: &'a [(&'a str, &'a str)],
    /// How the body ends.
    pub body: AnswerBody,
    /// Whether another request may follow on this connection.
    pub keep_alive: bool,
}

/// Appends `head` to `out`, with the date of `wall`. `Connection` is always said, for clients of
/// HTTP/1.0 need it and others do not mind; but for 101, where it is among the `headers`.
pub fn write_head(head: &AnswerHead<'_>, wall: Wall, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(u64::from(head.status.0), out);
    out.push(b' ');
    out.extend_from_slice(head.status.reason().as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(&date(wall));
    out.extend_from_slice(b"\r\n");
    if let Some(content_type) = head.content_type {
        push_header("Content-Type", content_type, out);
    }
    for (name, value) in head.headers {
        push_header(name, value, out);
    }
    let mut keep_alive = head.keep_alive;
    match head.body {
        AnswerBody::Length(bytes) if !head.status.is_bodiless() => push_length(bytes, out),
        AnswerBody::None if !head.status.is_bodiless() => push_length(0, out),
        AnswerBody::Length(_) | AnswerBody::None => {}
        AnswerBody::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        AnswerBody::UntilClose => keep_alive = false,
    }
    if head.status != Status::SWITCHING_PROTOCOLS {
        let connection: &[u8] =
            if keep_alive { b"Connection: keep-alive\r\n" } else { b"Connection: close\r\n" };
        out.extend_from_slice(connection);
    }
    out.extend_from_slice(b"\r\n");
}

/// Begins a chunk of a chunked body: append its bytes to `out`, then call [`end_chunk`] with what
/// this returns.
pub fn begin_chunk(out: &mut Vec<u8>) -> usize {
    let begun = out.len();
    out.extend_from_slice(b"00000000\r\n");
    begun
}

/// Ends the chunk that [`begin_chunk`] began. An empty one is taken back, for it would end the
/// body.
///
/// # Panics
/// When `begun` is not what [`begin_chunk`] returned for this `out`.
pub fn end_chunk(out: &mut Vec<u8>, begun: usize) {
    let start = begun + SIZE_DIGITS + 2;
    assert!(start <= out.len(), "the chunk was begun in this outbox");
    let mut bytes = out.len() - start;
    if bytes == 0 {
        out.truncate(begun);
        return;
    }
    for digit in out[begun..begun + SIZE_DIGITS].iter_mut().rev() {
        *digit = b"0123456789abcdef"[bytes & 15];
        bytes >>= 4;
    }
    assert_eq!(bytes, 0, "a chunk's size has {SIZE_DIGITS} digits");
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunked body.
pub fn end_chunks(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

fn push_length(bytes: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    push_decimal(bytes, out);
    out.extend_from_slice(b"\r\n");
}

fn push_header(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let visible = |byte: u8| if byte < b' ' || byte == 0x7f { b' ' } else { byte };
    out.extend(value.bytes().map(visible));
    out.extend_from_slice(b"\r\n");
}

fn push_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// `wall` as RFC 9110, section 5.6.7, wants it: `Sun, 06 Nov 1994 08:49:37 GMT`. Spelled once a
/// second.
fn date(wall: Wall) -> [u8; 29] {
    thread_local! {
        static LAST: Cell<(u64, [u8; 29])> = const { Cell::new((u64::MAX, [0; 29])) };
    }
    let second = wall / SECOND;
    let (last, text) = LAST.get();
    if last == second {
        return text;
    }
    let text = spell(second);
    LAST.set((second, text));
    text
}

fn spell(second: u64) -> [u8; 29] {
    const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let (days, of_day) = (second / 86_400, second % 86_400);
    let (year, month, day) = calendar::civil(days as i64);
    let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    let week_day = (days % 7) as usize * 3;
    text[..3].copy_from_slice(&DAYS[week_day..week_day + 3]);
    let month = (month as usize - 1) * 3;
    text[8..11].copy_from_slice(&MONTHS[month..month + 3]);
    let mut two = |at: usize, number: u64| {
        text[at] = b'0' + (number / 10 % 10) as u8;
        text[at + 1] = b'0' + (number % 10) as u8;
    };
    two(5, u64::from(day));
    two(12, year as u64 / 100);
    two(14, year as u64 % 100);
    two(17, of_day / 3600);
    two(20, of_day / 60 % 60);
    two(23, of_day % 60);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 10:00:00 UTC.
    const NOW: Wall = 1_795_255_200 * SECOND;

    #[track_caller]
    fn check(head: &AnswerHead<'_>, expected: &str) {
        let mut out = b"before".to_vec();
        write_head(head, NOW, &mut out);
        let expected = expected.replace('\n', "\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}\r\n"));
    }

    const PLAIN: AnswerHead<'static> = AnswerHead {
        status: Status::OK,
        content_type: None,
        headers: &[],
        body: AnswerBody::None,
        keep_alive: true,
    };

    #[test]
    fn an_answer_says_how_its_body_ends() {
        let start = "HTTP/1.1 200 OK\nDate: Sat, 21 Nov 2026 10:00:00 GMT\n";
        let with = |body| AnswerHead { body, ..PLAIN };
        let end = "Connection: keep-alive\n";
        check(&with(AnswerBody::None), &format!("{start}Content-Length: 0\n{end}"));
        let length = with(AnswerBody::Length(u64::MAX));
        check(&length, &format!("{start}Content-Length: 18446744073709551615\n{end}"));
        check(&with(AnswerBody::Chunked), &format!("{start}Transfer-Encoding: chunked\n{end}"));
        check(&with(AnswerBody::UntilClose), &format!("{start}Connection: close\n"));
        let typed = AnswerHead {
            content_type: Some("text/plain"),
            headers: &[("ETag", "\"a\""), ("X-Bad", "a\r\nb\0")],
            keep_alive: false,
            ..PLAIN
        };
        let headers = "Content-Type: text/plain\nETag: \"a\"\nX-Bad: a  b \nContent-Length: 0\n";
        check(&typed, &format!("{start}{headers}Connection: close\n"));
    }

    #[test]
    fn an_answer_that_has_no_body_says_no_length() {
        let date = "Date: Sat, 21 Nov 2026 10:00:00 GMT\n";
        for (status, line) in [
            (Status::NO_CONTENT, "HTTP/1.1 204 No Content\n"),
            (Status::NOT_MODIFIED, "HTTP/1.1 304 Not Modified\n"),
        ] {
            for body in [AnswerBody::None, AnswerBody::Length(5)] {
                let head = AnswerHead { status, body, ..PLAIN };
                check(&head, &format!("{line}{date}Connection: keep-alive\n"));
            }
        }
        let headers = &[("Connection", "Upgrade"), ("Upgrade", "websocket")];
        let head = AnswerHead { status: Status::SWITCHING_PROTOCOLS, headers, ..PLAIN };
        let said = "Connection: Upgrade\nUpgrade: websocket\n";
        check(&head, &format!("HTTP/1.1 101 Switching Protocols\n{date}{said}"));
        assert_eq!(Status(599).reason(), "");
    }

    #[test]
    fn dates_are_spelled_as_the_rfc_wants() {
        let spelled = |second| String::from_utf8(spell(second).to_vec()).unwrap();
        assert_eq!(spelled(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(spelled(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(spelled(951_827_696), "Tue, 29 Feb 2000 12:34:56 GMT");
        assert_eq!(spelled(u64::MAX / SECOND), "Sun, 21 Jul 2554 23:34:33 GMT");
        assert_eq!(date(5 * SECOND - 1), spell(4));
        assert_eq!(date(5 * SECOND), spell(5));
        assert_eq!(date(SECOND), spell(1));
    }

    #[test]
    fn chunks_are_what_the_reader_of_bodies_reads() {
        let mut out = Vec::new();
        for piece in [b"one".as_slice(), b"", &[b'x'; 70_000]] {
            let begun = begin_chunk(&mut out);
            out.extend_from_slice(piece);
            end_chunk(&mut out, begun);
        }
        end_chunks(&mut out);
        assert!(
            out.starts_with(b"00000003\r\none\r\n00011170\r\nx") && out.ends_with(b"\r\n0\r\n\r\n")
        );
        let chunked = crate::proto::http::BodyFraming::Chunked;
        let body = crate::proto::http::fuzz::body_of(chunked, &[&out], 0).unwrap();
        assert_eq!(body, ([b"one".as_slice(), &[b'x'; 70_000]].concat(), Some(out.len())));
    }
}
