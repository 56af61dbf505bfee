//! What is answered, in the manner of whoever asked.

use std::cell::Cell;

use super::body::{IsJson, PROTOBUF};
use super::guard::Policy;
use super::page;
use super::routes::{Insert, Route};
use super::upload::Failure;
use crate::clock::Wall;
use crate::limits::HTTP_GZIP_BYTES_MIN;
use crate::metrics::http::Route as Class;
use crate::proto::bulk::{Items, handshake};
use crate::proto::coding::Encoder;
use crate::proto::http::{AnswerBody, AnswerHead, Method, Request, Status, write_head};
use crate::proto::otlp::write_failure;
use crate::query::json_string;

/// The media type of JSON.
pub const JSON: &str = "application/json";
/// The media type of words.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// What of a request matters for its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Another request may follow.
    pub keep_alive: bool,
    /// The answer has a head only.
    pub is_head: bool,
    /// The client knows no chunks.
    pub is_http_1_0: bool,
    /// It takes gzip.
    pub takes_gzip: bool,
    /// What a foreign page is told, if it may read.
    pub cors: Option<String>,
    /// How errors are said.
    pub manner: Manner,
    /// What the path takes, where the method was wrong.
    pub allowed: Option<&'static str>,
    /// What it is counted as.
    pub class: Class,
    /// The status of an answer that is not counted yet.
    pub answered: Cell<Option<Status>>,
    /// And whether it was sent compressed.
    pub is_packed: Cell<bool>,
}

/// How errors are said, and who says them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// `{"error":"…"}`
    #[default]
    Json,
    /// The words, and LF.
    Text,
    /// As Elasticsearch does; its clients want its name in each answer.
    Elastic,
    /// As OTLP does, in JSON or protobuf.
    Otlp(IsJson),
}

/// What is known of lines that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// They are in the ring.
    Memory,
    /// They are on disk.
    Disk,
    /// They are in the ring, and will not be on disk.
    Lost,
}

impl Ack {
    /// What the client is told.
    fn name(self) -> &'static str {
        match self {
            Self::Memory | Self::Lost => "memory",
            Self::Disk => "disk",
        }
    }
}

/// An answer that only the reactor knows.
#[derive(Debug)]
pub struct HostAnswer<'a> {
    /// How it is.
    pub status: Status,
    /// The media type of the body.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// What is answered to an upload.
#[derive(Debug)]
pub struct Reply {
    /// How it went.
    pub status: Status,
    /// The media type of the body, if there is one.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Vec<u8>,
    /// How many entries were refused, and what was wrong with the first.
    pub rejected: Option<String>,
}

impl Manner {
    /// Of those who use this route.
    pub fn of(route: &Route, request: &Request) -> Self {
        match route {
            Route::Insert(Insert::Otlp) => {
                let kind = request.header("content-type").unwrap_or(JSON.as_bytes());
                Self::Otlp(!kind.starts_with(PROTOBUF.as_bytes()))
            }
            Route::Insert(Insert::Bulk) | Route::Handshake(_) => Self::Elastic,
            Route::Insert(Insert::Loki | Insert::Raw | Insert::JsonLines) => Self::Text,
            _ => Self::Json,
        }
    }
}

impl Exchange {
    /// Of this request.
    pub fn of(request: &Request, policy: &Policy) -> Self {
        Self {
            keep_alive: request.keeps_alive(),
            is_head: request.method() == Method::Head,
            is_http_1_0: request.is_http_1_0(),
            takes_gzip: request.accepts_gzip(),
            cors: request
                .header("origin")
                .and_then(|origin| policy.allowed(origin))
                .map(str::to_owned),
            manner: Manner::Json,
            allowed: None,
            class: Class::Other,
            answered: Cell::new(None),
            is_packed: Cell::new(false),
        }
    }

    /// Of a request whose head cannot be read.
    pub fn unread() -> Self {
        Self {
            keep_alive: false,
            is_head: false,
            is_http_1_0: false,
            takes_gzip: false,
            cors: None,
            manner: Manner::Json,
            allowed: None,
            class: Class::Other,
            answered: Cell::new(None),
            is_packed: Cell::new(false),
        }
    }

    /// Appends an answer whose body is there as a whole.
    pub fn write(
        &self,
        (status, content_type): (Status, Option<&str>),
        headers: &[(&str, &str)],
        body: &[u8],
        wall: Wall,
        out: &mut Vec<u8>,
    ) {
        let mut packed = Vec::new();
        let is_packed = self.takes_gzip && body.len() >= HTTP_GZIP_BYTES_MIN;
        if is_packed {
            let mut encoder = Encoder::new();
            encoder.push(body, &mut packed);
            encoder.finish(&mut packed);
        }
        let shown = if is_packed { &packed[..] } else { body };
        let mut all = headers.to_vec();
        if is_packed {
            all.push(("Content-Encoding", "gzip"));
            self.is_packed.set(true);
        }
        if body.len() >= HTTP_GZIP_BYTES_MIN {
            all.push(("Vary", "Accept-Encoding"));
        }
        self.head(status, content_type, &all, AnswerBody::Length(shown.len() as u64), wall, out);
        if !self.is_head && !status.is_bodiless() {
            out.extend_from_slice(shown);
        }
    }

    /// Appends the head of an answer.
    pub fn head(
        &self,
        status: Status,
        content_type: Option<&str>,
        headers: &[(&str, &str)],
        body: AnswerBody,
        wall: Wall,
        out: &mut Vec<u8>,
    ) {
        self.answered.set(Some(status));
        let mut all = vec![("X-Content-Type-Options", "nosniff")];
        if let Some(origin) = &self.cors {
            all.push(("Access-Control-Allow-Origin", origin));
            all.push(("Vary", "Origin"));
        }
        if self.manner == Manner::Elastic {
            all.push(("X-Elastic-Product", "Elasticsearch"));
        }
        all.extend_from_slice(headers);
        let keep_alive = self.keep_alive;
        write_head(
            &AnswerHead { status, content_type, headers: &all, body, keep_alive },
            wall,
            out,
        );
    }
}

/// Appends the refusal of a request.
pub fn failure(failure: &Failure, exchange: &Exchange, wall: Wall, out: &mut Vec<u8>) {
    let status = failure.status;
    let (content_type, body) = match exchange.manner {
        Manner::Text => (TEXT, format!("{}\n", failure.what).into_bytes()),
        Manner::Json => (JSON, error_line(&failure.what)),
        Manner::Otlp(is_json) => {
            let mut body = Vec::new();
            write_failure(is_json, &failure.what, &mut body);
            (if is_json { JSON } else { PROTOBUF }, body)
        }
        Manner::Elastic => {
            let kind = match status {
                Status::TOO_MANY_REQUESTS => "es_rejected_execution_exception",
                Status::CONTENT_TOO_LARGE => "content_too_long_exception",
                Status::SERVICE_UNAVAILABLE => "cluster_block_exception",
                _ => "illegal_argument_exception",
            };
            let mut body = format!("{{\"error\":{{\"type\":\"{kind}\",\"reason\":").into_bytes();
            json_string(failure.what.as_bytes(), &mut body);
            body.extend_from_slice(format!("}},\"status\":{}}}", status.0).as_bytes());
            (JSON, body)
        }
    };
    let seconds = failure.retry_after_s.map(|seconds| seconds.to_string());
    let mut headers = Vec::new();
    headers.extend(seconds.as_deref().map(|seconds| ("Retry-After", seconds)));
    headers.extend(exchange.allowed.map(|allowed| ("Allow", allowed)));
    exchange.write((status, Some(content_type)), &headers, &body, wall, out);
}

/// An error as JSON says it: `{"error":"…"}` and LF.
pub fn error_line(words: &str) -> Vec<u8> {
    let mut line = b"{\"error\":".to_vec();
    json_string(words.as_bytes(), &mut line);
    line.extend_from_slice(b"}\n");
    line
}

/// Appends what became of an upload.
pub fn reply(reply: &Reply, ack: Ack, exchange: &Exchange, wall: Wall, out: &mut Vec<u8>) {
    let head = (reply.status, reply.content_type);
    let mut headers = vec![("X-Logcaster-Ack", ack.name())];
    headers.extend(reply.rejected.as_deref().map(|what| ("X-Logcaster-Rejected", what)));
    exchange.write(head, &headers, &reply.body, wall, out);
}

/// Appends the head of the answer to a bulk, whose items follow.
pub fn items(items: &Items, ack: Ack, exchange: &Exchange, wall: Wall, out: &mut Vec<u8>) {
    let length = AnswerBody::Length(items.answer_bytes());
    exchange.head(Status::OK, Some(JSON), &[("X-Logcaster-Ack", ack.name())], length, wall, out);
}

/// Appends an answer that the reactor gave.
pub fn host(answer: &HostAnswer<'_>, exchange: &Exchange, wall: Wall, out: &mut Vec<u8>) {
    let head = (answer.status, Some(answer.content_type));
    exchange.write(head, &[("Cache-Control", "no-store")], answer.body, wall, out);
}

/// Appends an answer that is always the same; without a route, what is allowed here.
pub fn fixed(
    route: Option<Route>,
    request: &Request,
    exchange: &Exchange,
    wall: Wall,
    out: &mut Vec<u8>,
) {
    match route {
        Some(Route::Root) if page::is_wanted(request) => {
            page::write("index.html", request, exchange, wall, out);
        }
        Some(Route::Root) => {
            let elastic = Exchange { manner: Manner::Elastic, ..exchange.clone() };
            let body = handshake("GET", "/").unwrap_or_default();
            elastic.write(
                (Status::OK, Some(JSON)),
                &[("Vary", "Accept")],
                body.as_bytes(),
                wall,
                out,
            );
        }
        Some(Route::Below) => {
            let to = format!("{}/", request.path());
            exchange.write((Status::MOVED_PERMANENTLY, None), &[("Location", &to)], b"", wall, out);
        }
        Some(Route::Asset(name)) => page::write(name, request, exchange, wall, out),
        Some(Route::Handshake(body) | Route::Fixed(body)) => {
            exchange.write((Status::OK, Some(JSON)), &[], body.as_bytes(), wall, out);
        }
        Some(Route::Insert(_) | Route::Ask(_) | Route::Host(_)) | None => {
            preflight(request, exchange, wall, out);
        }
    }
}

/// Appends the answer to OPTIONS: to a page of an origin that is allowed, what it may send (Fetch
/// standard, CORS-preflight).
fn preflight(request: &Request, exchange: &Exchange, wall: Wall, out: &mut Vec<u8>) {
    let allowed = "GET, HEAD, POST, PUT, OPTIONS";
    let asked = request.header("access-control-request-headers").unwrap_or(b"content-type");
    let asked = String::from_utf8_lossy(asked);
    let mut headers = vec![("Allow", allowed)];
    if exchange.cors.is_some() {
        headers.push(("Access-Control-Allow-Methods", allowed));
        headers.push(("Access-Control-Allow-Headers", &asked));
        headers.push(("Access-Control-Max-Age", "600"));
    }
    exchange.write((Status::NO_CONTENT, None), &headers, b"", wall, out);
}
