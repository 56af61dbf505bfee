//! The head of a request (RFC 9112, sections 2 to 5): found, judged, and kept.

mod accept;
mod target;
#[cfg(test)]
mod tests;

use super::HttpError;
use super::body::BodyFraming;
use crate::limits::{
    HTTP_BLANK_LINES_MAX, HTTP_BODY_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX,
};

/// A place in [`Request::bytes`].
type Place = std::ops::Range<u32>;

/// What a request wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Show it.
    Get,
    /// Show what stands above it.
    Head,
    /// Take it.
    Post,
    /// Put it there.
    Put,
    /// Say what is allowed.
    Options,
    /// Take it away.
    Delete,
    /// Any other token.
    Other,
}

impl Method {
    /// The token; empty for those that are not told apart. RFC 9110, section 9.3.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Options => "OPTIONS",
            Self::Delete => "DELETE",
            Self::Other => "",
        }
    }
}

/// The head of a request. It owns its bytes, so that the inbox can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path (decoded), query (raw), authority of an absolute target, names and values of headers.
    bytes: Vec<u8>,
    method: Method,
    is_http_1_0: bool,
    path: Place,
    query: Place,
    /// Of an absolute target, which then counts instead of `Host`.
    authority: Option<Place>,
    /// Names and values, in the order they came.
    headers: Vec<(Place, Place)>,
}

/// What a step over an inbox found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadStep {
    /// The head is not whole.
    NeedMore,
    /// A head; behind it stands the body.
    Head(Request),
}

/// Reads the head of a request from the beginning of `inbox`: how many bytes it used (none, where
/// it needs more), and what it found. Up to [`HTTP_BLANK_LINES_MAX`] empty lines in front are
/// skipped (RFC 9112, section 2.2). Lines end in CRLF; a lone LF is refused, as everywhere in a
/// request.
///
/// # Errors
/// Any but those of bodies; nothing more can be read from the connection.
pub fn read_head(inbox: &[u8]) -> Result<(usize, HeadStep), HttpError> {
    let mut skipped = 0;
    while skipped < HTTP_BLANK_LINES_MAX * 2 && inbox[skipped..].starts_with(b"\r\n") {
        skipped += 2;
    }
    let head = &inbox[skipped..];
    match head {
        [] | [b'\r'] => return Ok((0, HeadStep::NeedMore)),
        [b'\r', b'\n', ..] => return Err(HttpError::RequestLine),
        [b'\r' | b'\n', ..] => return Err(HttpError::LineEnd),
        [byte, ..] if !is_token(*byte) => return Err(HttpError::NotHttp(*byte)),
        _ => {}
    }
    match end(head)? {
        None => Ok((0, HeadStep::NeedMore)),
        Some(bytes) => {
            let request = Request::read(&head[..bytes])?;
            Ok((skipped + bytes, HeadStep::Head(request)))
        }
    }
}

/// Bytes up to and with the empty line that ends a head; the request line is judged on the way, so
/// that garbage need not be long to be refused.
fn end(head: &[u8]) -> Result<Option<usize>, HttpError> {
    let seen = &head[..head.len().min(HTTP_HEAD_BYTES_MAX)];
    let (mut start, mut lines) = (0, 0);
    for line_end in memchr::memchr_iter(b'\n', seen) {
        let line = &seen[start..line_end];
        if line.last() != Some(&b'\r') {
            return Err(HttpError::LineEnd);
        }
        if line.len() == 1 {
            return Ok(Some(line_end + 1));
        }
        if lines == 0 {
            parse(&seen[..=line_end], |_| ())?;
        } else if lines > HTTP_HEADERS_MAX {
            return Err(HttpError::TooManyHeaders);
        }
        lines += 1;
        start = line_end + 1;
    }
    match (seen.len() < HTTP_HEAD_BYTES_MAX, lines) {
        (true, _) => Ok(None),
        (false, 0) => Err(HttpError::TargetTooLong),
        (false, _) => Err(HttpError::HeadTooLarge),
    }
}

/// Shows what `httparse` makes of `head` to `then`.
fn parse<T>(
    head: &[u8],
    then: impl FnOnce(&httparse::Request<'_, '_>) -> T,
) -> Result<T, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(_) => Ok(then(&request)),
        Err(error) => Err(match error {
            httparse::Error::Version => HttpError::Version,
            httparse::Error::TooManyHeaders => HttpError::TooManyHeaders,
            httparse::Error::HeaderName | httparse::Error::HeaderValue => HttpError::Header,
            httparse::Error::NewLine => HttpError::LineEnd,
            httparse::Error::Token | httparse::Error::Status => HttpError::RequestLine,
        }),
    }
}

impl Request {
    /// Reads a whole head, with the empty line behind it.
    fn read(head: &[u8]) -> Result<Self, HttpError> {
        let request = parse(head, Self::kept)??;
        request.check_host()?;
        if !request.is_http_1_0 {
            request.check_expectation()?;
        }
        Ok(request)
    }

    /// What of `parsed` counts, owned.
    fn kept(parsed: &httparse::Request<'_, '_>) -> Result<Self, HttpError> {
        let (Some(method), Some(target), Some(version)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(HttpError::RequestLine);
        };
        let mut request = Self {
            bytes: Vec::with_capacity(target.len() + 32 * parsed.headers.len()),
            method: Method::from_token(method),
            is_http_1_0: version == 0,
            path: 0..0,
            query: 0..0,
            authority: None,
            headers: Vec::with_capacity(parsed.headers.len()),
        };
        if method == "CONNECT" {
            return Err(HttpError::Connect);
        }
        request.target(target.as_bytes())?;
        for header in parsed.headers.iter() {
            let name = request.keep(header.name.as_bytes());
            let value = request.keep(header.value.trim_ascii());
            request.headers.push((name, value));
        }
        Ok(request)
    }

    fn keep(&mut self, part: &[u8]) -> Place {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(part);
        start..self.bytes.len() as u32
    }

    /// The bytes of a place.
    fn part(&self, place: &Place) -> &[u8] {
        self.bytes.get(place.start as usize..place.end as usize).unwrap_or_default()
    }

    /// What is to be done.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The path, percent-decoded once, without control characters; `.` and `..` are resolved, and
    /// none leads above the root. Begins with `/`; for `OPTIONS *` it is `/`.
    pub fn path(&self) -> &str {
        std::str::from_utf8(self.part(&self.path)).expect("checked when it was read")
    }

    /// What stands behind the `?`, as it came; for [`super::pairs`].
    pub fn query(&self) -> &[u8] {
        self.part(&self.query)
    }

    /// Whether the client speaks HTTP/1.0: no chunks in the answer.
    pub fn is_http_1_0(&self) -> bool {
        self.is_http_1_0
    }

    /// Whom the request is for: the authority of an absolute target, else `Host`; empty where
    /// neither is there, which only HTTP/1.0 may do (RFC 9112, section 3.2.2). With the port, if
    /// one is said.
    pub fn host(&self) -> &[u8] {
        match &self.authority {
            Some(place) => self.part(place),
            None => self.header("host").unwrap_or_default(),
        }
    }

    /// The value of the first header `name`, in any case, without blanks around it.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let is_it =
            |(known, _): &&(Place, Place)| self.part(known).eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().find(is_it).map(|(_, value)| self.part(value))
    }

    /// The values of all headers `name`, in any case, without blanks around them.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(known, _)| self.part(known).eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| self.part(value))
    }

    /// The elements of all headers `name`, split at commas, without blanks and empty ones.
    fn elements<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// Whether another request may follow on this connection (RFC 9112, section 9.3).
    pub fn keeps_alive(&self) -> bool {
        let says = |word: &[u8]| {
            self.elements("connection").any(|element| element.eq_ignore_ascii_case(word))
        };
        !says(b"close") && (!self.is_http_1_0 || says(b"keep-alive"))
    }

    /// Whether the client waits for [`super::answer::CONTINUE`] before it sends the body.
    pub fn expects_continue(&self) -> bool {
        !self.is_http_1_0 && self.header("expect").is_some()
    }

    /// How the end of the body is found. Where that is not certain, nothing is guessed.
    ///
    /// # Errors
    /// [`HttpError::Length`], [`HttpError::Transfer`], [`HttpError::TransferUnknown`],
    /// [`HttpError::BodyTooLarge`]: nothing more can be read from the connection.
    pub fn framing(&self) -> Result<BodyFraming, HttpError> {
        let length = self.length()?;
        let mut codings = self.headers("transfer-encoding");
        let Some(coding) = codings.next() else {
            return match length {
                None | Some(0) => Ok(BodyFraming::None),
                Some(bytes) if bytes > HTTP_BODY_BYTES_MAX => Err(HttpError::BodyTooLarge),
                Some(bytes) => Ok(BodyFraming::Length(bytes)),
            };
        };
        if self.is_http_1_0 {
            return Err(HttpError::Transfer("sent with HTTP/1.0"));
        }
        if length.is_some() {
            return Err(HttpError::Transfer("sent beside Content-Length"));
        }
        if codings.next().is_some() {
            return Err(HttpError::Transfer("sent twice"));
        }
        match coding.eq_ignore_ascii_case(b"chunked") {
            true => Ok(BodyFraming::Chunked),
            false => Err(HttpError::TransferUnknown),
        }
    }

    /// The one length that all `Content-Length` headers say, in plain digits.
    fn length(&self) -> Result<Option<u64>, HttpError> {
        let mut length = None;
        for value in self.headers("content-length") {
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return Err(HttpError::Length("not a number"));
            }
            let digit = |number: u64, &byte: &u8| {
                number.saturating_mul(10).saturating_add(u64::from(byte - b'0'))
            };
            let bytes = value.iter().fold(0, digit);
            if length.is_some_and(|length| length != bytes) {
                return Err(HttpError::Length("two that differ"));
            }
            length = Some(bytes);
        }
        Ok(length)
    }

    /// RFC 9112, section 3.2: exactly one `Host`, for HTTP/1.0 at most one.
    fn check_host(&self) -> Result<(), HttpError> {
        let mut hosts = self.headers("host");
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(HttpError::Host("sent twice"));
        }
        match host {
            None if self.is_http_1_0 => Ok(()),
            None => Err(HttpError::Host("missing")),
            Some(host) if target::is_authority(host) => Ok(()),
            Some(_) => Err(HttpError::Host("not a name and a port")),
        }
    }

    /// RFC 9110, section 10.1.1.
    fn check_expectation(&self) -> Result<(), HttpError> {
        match self.headers("expect").all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
            true => Ok(()),
            false => Err(HttpError::Expectation),
        }
    }
}

impl Method {
    fn from_token(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "OPTIONS" => Self::Options,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// Whether `byte` may stand in a method or a header's name (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
