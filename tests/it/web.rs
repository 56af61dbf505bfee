//! One connection over HTTP, as a strict client has it: what is no good HTTP/1.1 fails the test.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::Value;

use crate::peer::Peer;
use crate::support::{Server, setup};

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// Without chunks, decoded.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, which stands there once at most.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(one, _)| one.eq_ignore_ascii_case(name));
        let first = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none() || name == "vary", "{name} twice: {:?}", self.headers);
        first
    }

    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the answer is UTF-8")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }

    /// One object a line.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let object = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        self.text().lines().map(object).collect()
    }

    /// The messages of an answer to `/api/query`.
    #[track_caller]
    pub fn messages(&self) -> Vec<String> {
        let message = |line: &Value| line["_msg"].as_str().expect("a message").to_owned();
        self.lines().iter().map(message).collect()
    }

    /// The same, with this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

/// The head of an answer, whose body may still come.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

impl Head {
    fn value(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(one, _)| one.eq_ignore_ascii_case(name));
        all.next().map(|(_, value)| value.as_str())
    }
}

/// A connection; what it can do as any [`Peer`] it can do here.
pub struct Web {
    peer: Peer,
}

impl Deref for Web {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl DerefMut for Web {
    fn deref_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }
}

impl Web {
    #[track_caller]
    pub fn to(addr: SocketAddr) -> Self {
        Self { peer: Peer::to(addr) }
    }

    /// The next line of a head or between chunks, which must end in CRLF.
    #[track_caller]
    fn head_line(&mut self) -> String {
        let line = self.line().expect("closed in a head, or between chunks");
        line.strip_suffix('\r').expect("CRLF").to_owned()
    }

    /// The head of the next answer.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        let first = self.head_line();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| digits.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.head_line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").expect("a header");
            headers.push((name.to_owned(), value.to_owned()));
        }
        Head { status, headers }
    }

    /// The next chunk of a body; empty where it was the last.
    #[track_caller]
    pub fn chunk(&mut self) -> Vec<u8> {
        let size = self.head_line();
        let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("{size:?}"));
        let data = self.bytes(size);
        assert_eq!(self.bytes(2), b"\r\n");
        data
    }

    /// The next answer; one to HEAD has no body.
    #[track_caller]
    pub fn answer_to(&mut self, method: &str) -> Answer {
        let head = self.head();
        let (length, chunked) = (head.value("content-length"), head.value("transfer-encoding"));
        let is_bodiless =
            method == "HEAD" || head.status < 200 || [204, 304].contains(&head.status);
        let body = match (length, chunked) {
            _ if is_bodiless => Vec::new(),
            // It does not end by itself.
            _ if head.value("content-type") == Some("text/event-stream") => self.rest(),
            (Some(length), None) => {
                let length = length.parse().unwrap();
                self.bytes(length)
            }
            (None, Some("chunked")) => {
                let mut body = Vec::new();
                loop {
                    match &self.chunk()[..] {
                        [] => break body,
                        chunk => body.extend_from_slice(chunk),
                    }
                }
            }
            (None, None) => {
                assert_eq!(head.value("connection"), Some("close"), "{head:?}");
                self.rest()
            }
            _ => panic!("two lengths: {head:?}"),
        };
        let body = match head.value("content-encoding") {
            Some("gzip") if !body.is_empty() => {
                let mut plain = Vec::new();
                GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
                plain
            }
            None | Some("gzip") => body,
            Some(other) => panic!("nobody asked for {other}"),
        };
        Answer { status: head.status, headers: head.headers, body }
    }

    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// Sends a request and reads its answer. `head` is all that stands above the empty line but
    /// `Host` and the body's length.
    #[track_caller]
    pub fn ask(&mut self, head: &str, body: &[u8]) -> Answer {
        self.write(request(head, body));
        self.answer_to(head.split(' ').next().unwrap_or_default())
    }

    #[track_caller]
    pub fn get(&mut self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1"), b"")
    }

    #[track_caller]
    pub fn post(&mut self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask(&format!("POST {target} HTTP/1.1"), body.as_ref())
    }
}

/// The bytes of a request; only POST and PUT have a body.
pub fn request(head: &str, body: &[u8]) -> Vec<u8> {
    let body = if head.starts_with('P') { body } else { b"" };
    let mut bytes = head.trim_end().replace('\n', "\r\n");
    if !head.to_ascii_lowercase().contains("\nhost:") {
        bytes.push_str("\r\nHost: localhost");
    }
    if head.starts_with('P') {
        bytes.push_str(&format!("\r\nContent-Length: {}", body.len()));
    }
    bytes.push_str("\r\n\r\n");
    [bytes.as_bytes(), body].concat()
}

/// The same, whose body comes in chunks of so many bytes.
pub fn chunked(head: &str, body: &[u8], bytes: usize) -> Vec<u8> {
    let mut all = request(&format!("{head}\nTransfer-Encoding: chunked"), b"");
    let length = b"Content-Length: 0\r\n";
    if let Some(at) = all.windows(length.len()).position(|part| part == length) {
        all.drain(at..at + length.len());
    }
    for part in body.chunks(bytes) {
        all.extend(format!("{:x}\r\n", part.len()).as_bytes());
        all.extend(part);
        all.extend(b"\r\n");
    }
    all.extend(b"0\r\n\r\n");
    all
}

/// Starts a server that speaks HTTP.
pub fn start_web() -> Server {
    setup(&[]).http().start()
}

impl Server {
    /// Each number of `/metrics`, by its name with its labels.
    #[track_caller]
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = self.get("/metrics").is(200);
        let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        };
        lines.map(pair).collect()
    }

    /// A connection over HTTP.
    #[track_caller]
    pub fn web(&self) -> Web {
        Web::to(self.http)
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.web().get(target)
    }

    #[track_caller]
    pub fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.web().post(target, body)
    }
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Snappy's block format.
pub fn snappy(text: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(text).unwrap()
}

/// Zstandard: a frame of one segment and its size in 4 bytes, whose blocks are stored as they are
/// (RFC 8878, section 3.1.1).
pub fn zstd(text: &[u8]) -> Vec<u8> {
    let size = u32::try_from(text.len()).unwrap();
    let mut frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000][..], &size.to_le_bytes()].concat();
    let mut blocks = text.chunks(100 << 10).peekable();
    if blocks.peek().is_none() {
        frame.extend([1, 0, 0]);
    }
    while let Some(block) = blocks.next() {
        let header = u32::try_from(block.len()).unwrap() << 3 | u32::from(blocks.peek().is_none());
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}
