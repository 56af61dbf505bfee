//! The answer to a bulk request: one item for each document, in order.
//!
//! ```text
//! {"took":3,"errors":true,"items":[{"create":{"status":201}},
//!   {"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"line 4: ..."}}}]}
//! ```
//!
//! Compact and with `errors` before `items`, for there are clients that search the text for it.

use super::Verb;
use crate::limits::{BAD_ENTRY_BYTES_MAX, BULK_REASONS_MAX};
use crate::message::escape::escape;
use crate::proto::entries::BadEntry;

/// The statuses that an item can have; the last but one stands for all others.
const STATUSES: [u16; 9] = [200, 201, 400, 404, 409, 413, 429, 500, 503];

/// Whether a reason of its own belongs to an item; the bits below are its status and its verb.
const HAS_REASON: u8 = 0x80;

/// Gathers what became of each document, a byte for each, and writes that as an answer.
#[derive(Clone, Debug, Default)]
pub struct Items {
    codes: Vec<u8>,
    /// What is said of the first of those that were not stored, escaped.
    reasons: Vec<Box<[u8]>>,
    has_errors: bool,
    took_ms: u64,
    /// Bytes of all items.
    bytes: u64,
    /// How many items are written; `None`: nothing is.
    written: Option<usize>,
    reasons_written: usize,
}

impl Items {
    /// No documents.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what became of the next document: a status of HTTP, 201 where it was stored, and why it
    /// was not, if so. An unknown status counts as 500. Only [`BULK_REASONS_MAX`] reasons are kept;
    /// the others are told by their status.
    #[inline]
    pub fn push(&mut self, verb: Verb, status: u16, reason: &str) {
        let place = STATUSES.iter().position(|other| *other == status);
        let mut code = (place.unwrap_or(STATUSES.len() - 2) as u8) << 2 | verb as u8;
        if is_error(code) {
            self.has_errors = true;
            if !reason.is_empty() && self.reasons.len() < BULK_REASONS_MAX {
                code |= HAS_REASON;
                let mut escaped = Vec::new();
                escape(&reason.as_bytes()[..reason.len().min(BAD_ENTRY_BYTES_MAX)], &mut escaped);
                self.reasons.push(escaped.into());
            }
        }
        self.codes.push(code);
        self.bytes += item_bytes(code, self.reasons.last().map_or(0, |reason| reason.len()));
    }

    /// Adds a document that cannot be stored: 404 for one that is to be deleted, and so is not
    /// there, as in Elasticsearch; else 400.
    pub fn push_bad(&mut self, verb: Verb, bad: &BadEntry) {
        self.push(verb, if verb == Verb::Delete { 404 } else { 400 }, &bad.what);
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// How long it took, in milliseconds: to be said before anything is written.
    pub fn set_took_ms(&mut self, took_ms: u64) {
        self.took_ms = took_ms;
    }

    /// The bytes of the whole answer.
    pub fn answer_bytes(&self) -> u64 {
        let mut head = Vec::new();
        self.write_head(&mut head);
        self.bytes + (head.len() + b"]}".len() + self.codes.len().saturating_sub(1)) as u64
    }

    /// Appends a portion of the answer to `out`, about `room` bytes and up to an item more: whether
    /// that was the last one. `room` is at least 1.
    pub fn write(&mut self, out: &mut Vec<u8>, room: usize) -> bool {
        let end = out.len().saturating_add(room);
        if self.written.is_none() {
            self.write_head(out);
        }
        let mut at = self.written.unwrap_or(0);
        while out.len() < end
            && let Some(&code) = self.codes.get(at)
        {
            if at > 0 {
                out.push(b',');
            }
            let mut reason = None;
            if code & HAS_REASON != 0 {
                reason = self.reasons.get(self.reasons_written);
                self.reasons_written += 1;
            }
            write_item(code, reason.map(|reason| &reason[..]), out);
            at += 1;
        }
        self.written = Some(at);
        if at < self.codes.len() || out.len() >= end {
            return false;
        }
        out.extend_from_slice(b"]}");
        true
    }

    /// The bytes of memory that it holds beside itself.
    pub fn held_bytes(&self) -> usize {
        let reason_bytes: usize = self.reasons.iter().map(|reason| reason.len() + 16).sum();
        self.codes.capacity() + reason_bytes
    }

    fn write_head(&self, out: &mut Vec<u8>) {
        let (took, errors) = (self.took_ms, self.has_errors);
        let head = format!("{{\"took\":{took},\"errors\":{errors},\"items\":[");
        out.extend_from_slice(head.as_bytes());
    }
}

/// The verb and the status of an item.
fn parts(code: u8) -> (Verb, u16) {
    let status = STATUSES.get(usize::from((code & !HAS_REASON) >> 2)).copied().unwrap_or(500);
    (Verb::ALL[usize::from(code & 3)], status)
}

/// Whether an item tells of an error. What is to be deleted and not there is none.
fn is_error(code: u8) -> bool {
    let (verb, status) = parts(code);
    status >= 400 && (verb, status) != (Verb::Delete, 404)
}

/// The error that goes with a status, and a reason where none of its own is kept.
fn error(status: u16) -> (&'static str, &'static str) {
    match status {
        404 => ("document_missing_exception", "not found"),
        409 => ("version_conflict_engine_exception", "already there"),
        413 => ("illegal_argument_exception", "too long"),
        429 => ("es_rejected_execution_exception", "too many requests, try again later"),
        503 => ("unavailable_shards_exception", "not ready, try again later"),
        400 => ("mapper_parsing_exception", "cannot be read"),
        _ => ("exception", "not stored"),
    }
}

fn write_item(code: u8, reason: Option<&[u8]>, out: &mut Vec<u8>) {
    let (verb, status) = parts(code);
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(verb.name().as_bytes());
    out.extend_from_slice(b"\":{\"status\":");
    let digit = |number: u16| b'0' + (number % 10) as u8;
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status)]);
    if is_error(code) {
        let (kind, usual) = error(status);
        out.extend_from_slice(b",\"error\":{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"reason\":\"");
        out.extend_from_slice(reason.unwrap_or(usual.as_bytes()));
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(b"}}");
}

/// The bytes of an item, whose reason, if it has one, has so many.
fn item_bytes(code: u8, reason_bytes: usize) -> u64 {
    let (verb, status) = parts(code);
    let bytes = "{\"\":{\"status\":200}}".len() + verb.name().len();
    if !is_error(code) {
        return bytes as u64;
    }
    let (kind, usual) = error(status);
    let reason_bytes = if code & HAS_REASON != 0 { reason_bytes } else { usual.len() };
    let frame_bytes = ",\"error\":{\"type\":\"\",\"reason\":\"\"}".len();
    (bytes + frame_bytes + kind.len() + reason_bytes) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(items: &Items, room: usize) -> String {
        let (mut items, mut all, mut portions) = (items.clone(), Vec::new(), 0);
        loop {
            let mut out = b"before".to_vec();
            let is_done = items.write(&mut out, room);
            assert!(out.len() <= 6 + room + 2 * BAD_ENTRY_BYTES_MAX + 120, "{}", out.len());
            all.extend_from_slice(&out[6..]);
            portions += 1;
            assert!(portions < 10_000);
            if is_done {
                assert_eq!(all.len() as u64, items.answer_bytes());
                return String::from_utf8(all).unwrap();
            }
        }
    }

    #[track_caller]
    fn check(items: &Items, expected: &str) {
        for room in [1, 2, 7, 26, 100, 1 << 20] {
            assert_eq!(written(items, room), expected);
        }
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(expected).is_ok());
    }

    #[test]
    fn each_document_is_an_item_under_its_verb_in_order() {
        let mut items = Items::new();
        check(&items, "{\"took\":0,\"errors\":false,\"items\":[]}");
        items.push(Verb::Create, 201, "");
        check(&items, "{\"took\":0,\"errors\":false,\"items\":[{\"create\":{\"status\":201}}]}");
        items.push(Verb::Index, 200, "");
        items.set_took_ms(3);
        let head = "{\"took\":3,\"errors\":false,\"items\":[{\"create\":{\"status\":201}}";
        check(&items, &format!("{head},{{\"index\":{{\"status\":200}}}}]}}"));
        assert_eq!((items.len(), items.is_empty()), (2, false));
    }

    #[test]
    fn what_is_not_stored_has_a_type_and_a_reason() {
        let mut items = Items::new();
        items.push(Verb::Update, 400, "line 2: \"x\"\n");
        items.push(Verb::Index, 429, "");
        items.push(Verb::Create, 418, "tea");
        check(
            &items,
            "{\"took\":0,\"errors\":true,\"items\":[{\"update\":{\"status\":400,\"error\":{\
             \"type\":\"mapper_parsing_exception\",\"reason\":\"line 2: \\\"x\\\"\\n\"}}},\
             {\"index\":{\"status\":429,\"error\":{\"type\":\"es_rejected_execution_exception\",\
             \"reason\":\"too many requests, try again later\"}}},\
             {\"create\":{\"status\":500,\"error\":{\"type\":\"exception\",\"reason\":\"tea\"}}}]}",
        );
    }

    #[test]
    fn what_is_not_there_to_be_deleted_is_no_error() {
        let mut items = Items::new();
        let bad = BadEntry { reason: crate::proto::entries::BadReason::Action, what: "x".into() };
        items.push_bad(Verb::Delete, &bad);
        check(&items, "{\"took\":0,\"errors\":false,\"items\":[{\"delete\":{\"status\":404}}]}");
    }

    #[test]
    fn only_so_many_reasons_are_kept() {
        let mut items = Items::new();
        let long = "\"".repeat(1000);
        for _ in 0..BULK_REASONS_MAX + 2 {
            items.push(Verb::Index, 400, &long);
        }
        for _ in 0..100_000 {
            items.push(Verb::Index, 201, "");
        }
        let answer = written(&items, 4096);
        assert_eq!(answer.matches("\"reason\":\"\\\"").count(), BULK_REASONS_MAX);
        assert_eq!(answer.matches("\"reason\":\"cannot be read\"").count(), 2);
        assert!(items.held_bytes() < 300_000);
    }
}
