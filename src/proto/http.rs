//! HTTP/1.1 as a server speaks it (RFC 9110, RFC 9112): the head of a request, its body, forms,
//! and the head of an answer.
//!
//! ```text
//! inbox -> read_head -> Request -> BodyReader -> coding::Decoder -> whoever parses the body
//! ```
//!
//! Strict where two readers of the same bytes could see different requests: lines end in CRLF and
//! nothing else, a length is plain digits, a transfer coding is exactly one `chunked`. Whatever is
//! refused here leaves the place of the next request unknown: answer and close.

pub mod answer;
pub mod body;
pub mod form;
mod fuzz;
pub mod head;
#[cfg(test)]
mod tests;

use std::fmt;

pub use answer::{AnswerBody, AnswerHead, Status, begin_chunk, end_chunk, end_chunks, write_head};
pub use body::{BodyFraming, BodyReader, BodyStep};
pub use form::{Form, pairs};
pub use fuzz::{fuzz_http_body, fuzz_http_head};
pub use head::{HeadStep, Method, Request, read_head};

use crate::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_CHUNK_EXTENSION_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX,
    HTTP_TRAILER_BYTES_MAX,
};

/// Why a request is refused. None of them leaves the connection usable: the answer closes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// What comes is no HTTP: its first byte begins no method.
    NotHttp(u8),
    /// A line of the head ends in a lone LF, or holds a lone CR.
    LineEnd,
    /// The request line is not `METHOD TARGET HTTP/1.1`.
    RequestLine,
    /// Another version than 1.0 and 1.1.
    Version,
    /// The method asks for a tunnel.
    Connect,
    /// The target of the request line: what is wrong with it.
    Target(&'static str),
    /// The request line is longer than a whole head may be.
    TargetTooLong,
    /// A header is no `name: value`: empty or odd name, a blank before the colon, a folded line, a
    /// control character.
    Header,
    /// The head exceeds [`HTTP_HEAD_BYTES_MAX`].
    HeadTooLarge,
    /// More than [`HTTP_HEADERS_MAX`] headers.
    TooManyHeaders,
    /// `Host`: what is wrong with it.
    Host(&'static str),
    /// `Content-Length`: what is wrong with it.
    Length(&'static str),
    /// `Transfer-Encoding`: what is wrong with it.
    Transfer(&'static str),
    /// A transfer coding other than `chunked`.
    TransferUnknown,
    /// An expectation other than `100-continue`.
    Expectation,
    /// The framing of a chunk: what is wrong with it.
    Chunk(&'static str),
    /// The body exceeds [`HTTP_BODY_BYTES_MAX`].
    BodyTooLarge,
    /// The request, or the rest of it, did not come in time.
    Timeout,
}

impl HttpError {
    /// The status that says so.
    pub fn status(&self) -> Status {
        match self {
            Self::Version => Status::HTTP_VERSION_NOT_SUPPORTED,
            Self::Connect | Self::TransferUnknown => Status::NOT_IMPLEMENTED,
            Self::TargetTooLong => Status::URI_TOO_LONG,
            Self::HeadTooLarge | Self::TooManyHeaders => Status::HEADER_FIELDS_TOO_LARGE,
            Self::Expectation => Status::EXPECTATION_FAILED,
            Self::BodyTooLarge => Status::CONTENT_TOO_LARGE,
            Self::Timeout => Status::REQUEST_TIMEOUT,
            _ => Status::BAD_REQUEST,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttp(byte) => write!(f, "no HTTP request begins with byte {byte:#04x}"),
            Self::LineEnd => f.write_str("lone LF or CR in the head (lines end in CR LF)"),
            Self::RequestLine => f.write_str("bad request line (allowed: METHOD TARGET HTTP/1.1)"),
            Self::Version => f.write_str("unknown HTTP version (allowed: 1.0, 1.1)"),
            Self::Connect => f.write_str("method CONNECT (no tunnels here)"),
            Self::Target(what) => write!(f, "bad target: {what}"),
            Self::TargetTooLong => {
                write!(f, "request line exceeds {HTTP_HEAD_BYTES_MAX} bytes")
            }
            Self::Header => f.write_str("bad header (allowed: name: value, on one line)"),
            Self::HeadTooLarge => write!(f, "head exceeds {HTTP_HEAD_BYTES_MAX} bytes"),
            Self::TooManyHeaders => write!(f, "more than {HTTP_HEADERS_MAX} headers"),
            Self::Host(what) => write!(f, "bad Host: {what}"),
            Self::Length(what) => write!(f, "bad Content-Length: {what}"),
            Self::Transfer(what) => write!(f, "bad Transfer-Encoding: {what}"),
            Self::TransferUnknown => f.write_str("unknown Transfer-Encoding (allowed: chunked)"),
            Self::Expectation => f.write_str("unknown expectation (allowed: 100-continue)"),
            Self::Chunk(what) => write!(
                f,
                "bad chunk: {what} (allowed: {HTTP_CHUNK_EXTENSION_BYTES_MAX} bytes of \
                 extensions, {HTTP_TRAILER_BYTES_MAX} of trailers)"
            ),
            Self::BodyTooLarge => write!(f, "body exceeds {HTTP_BODY_BYTES_MAX} bytes"),
            Self::Timeout => f.write_str("request did not come in time"),
        }
    }
}

impl std::error::Error for HttpError {}
