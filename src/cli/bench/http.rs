//! A client of HTTP, no more of one than the cases need: requests that were written before, one
//! after the other on one connection, and answers whose length is said.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use super::error::{BenchError, Doing, Result};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of an answer that an error shows.
const SHOWN_BYTES: usize = 300;

/// What a client says that takes Server-Sent Events.
pub const EVENT_STREAM: &str = "Accept: text/event-stream\r\n";

/// A request without a body. `headers` are whole lines, each ended by CRLF, or empty.
pub fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
}

/// A request that brings `body`. `headers` are whole lines, each ended by CRLF, or empty.
pub fn post(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut request = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// A connection that stays open from one request to the next.
pub struct HttpConnection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl HttpConnection {
    /// Connects.
    ///
    /// # Errors
    /// Where nobody listens.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).doing("connect by HTTP")?;
        stream.set_nodelay(true).doing("set TCP_NODELAY")?;
        stream.set_read_timeout(Some(PATIENCE)).doing("set a read timeout")?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends `request` and returns the body of its answer.
    ///
    /// # Errors
    /// Where the connection breaks, or the answer's status is none of success.
    pub fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        let sent = self.stream.write_all(request);
        // Who is refused in the middle of a request is told why before the connection ends.
        if let Err(error) = sent
            && !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
        {
            return Err(error).doing("send a request");
        }
        self.received.clear();
        let mut piece = [0; 16384];
        loop {
            match self.stream.read(&mut piece).doing("receive an answer")? {
                0 => return Err(unexpected(request, b"the end of the connection")),
                count => self.received.extend_from_slice(&piece[..count]),
            }
            if let Some(answer) = find(&self.received)? {
                if !answer.is_success() {
                    return Err(unexpected(request, &self.received));
                }
                return Ok(&self.received[answer.body]);
            }
        }
    }
}

/// An answer that is there as a whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    /// Where its body stands, which is its end too.
    pub body: Range<usize>,
}

impl Answer {
    /// Whether what was asked for was done.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The answer that `bytes` begin with, once it is whole.
///
/// # Errors
/// Where they begin with none, or with one whose length is not said.
pub fn find(bytes: &[u8]) -> Result<Option<Answer>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let (status, length) = match (status, length) {
        (Some(204), _) => (204, 0),
        (Some(status), Some(length)) => (status, length),
        _ => return Err(unexpected(b"a request", bytes)),
    };
    let body = end + 4..(end + 4).saturating_add(length);
    Ok((body.end <= bytes.len()).then_some(Answer { status, body }))
}

/// What was answered is not what was to be.
pub fn unexpected(request: &[u8], answer: &[u8]) -> BenchError {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let answer = &answer[..answer.len().min(SHOWN_BYTES)];
    BenchError::Answer {
        question: String::from_utf8_lossy(line).into_owned(),
        answer: String::from_utf8_lossy(answer).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_it_says() {
        let two = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 204 No Content\r\n\r\n";
        for cut in 0..40 {
            assert_eq!(find(&two[..cut]).unwrap(), None, "{cut}");
        }
        let first = find(two).unwrap().unwrap();
        assert_eq!((first.status, &two[first.body.clone()]), (200, &b"ab"[..]));
        let second = find(&two[first.body.end..]).unwrap().unwrap();
        assert!(second.is_success() && second.body.is_empty());
        assert!(find(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(find(b"SSH-2.0\r\n\r\n").is_err());
    }
}
