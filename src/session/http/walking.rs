//! An answer that is written while records are looked for: in chunks, as the client takes them.

use super::answer::{Exchange, error_line};
use super::questions::{Answer, Question};
use super::upload::Failure;
use crate::clock::{MS, Mono, Wall};
use crate::limits::{HTTP_ANSWER_BYTES_MAX, HTTP_QUERY_MS_MAX, OUTBOX_BYTES_MIN};
use crate::proto::coding::Encoder;
use crate::proto::http::{AnswerBody, Status, begin_chunk, end_chunk, end_chunks};
use crate::query::Slice;
use crate::segment::{Segment, Store};
use crate::session::walk::{Running, Tools, Walk};

/// Bytes that are encoded in one step, about.
const PENDING_BYTES_MAX: usize = 16 << 10;

/// A question that is being answered.
#[derive(Debug)]
pub struct Walking {
    /// What walks; none where the answer was there as a whole, and once it is told.
    running: Option<Box<Running>>,
    /// What is written and not encoded, or stands before the head; or all of the answer.
    pending: Vec<u8>,
    encoder: Option<Encoder>,
    /// The answer is to be encoded.
    is_packed: bool,
    content_type: &'static str,
    /// The head is written.
    is_begun: bool,
    /// When it has taken too long.
    deadline: Option<Mono>,
    timeout_ms: u64,
    /// Bytes of the answer so far, before they are encoded.
    bytes: u64,
}

/// What a step needs.
pub struct Context<'a, 't, S: Store> {
    /// The records.
    pub segment: &'a Segment<S>,
    /// What walks need.
    pub tools: &'a mut Tools<'t>,
    /// The turn's time.
    pub mono: Mono,
    /// The turn's time on the wall.
    pub wall: Wall,
    /// Bytes of answers at which it waits.
    pub out_bytes_max: usize,
    /// The client has sent its last byte: it may be gone.
    pub is_input_over: bool,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// There is more to do at once.
    Again,
    /// The client has to take some first.
    Blocked,
    /// A tail has shown everything.
    Following,
    /// The answer is complete.
    Done,
}

impl Walking {
    /// Begins to answer.
    pub fn new(question: Question, exchange: &Exchange, now: Mono) -> Self {
        let Question { walk, words, content_type, is_tail, timeout_ns } = question;
        let timeout_ms = timeout_ns.map_or(HTTP_QUERY_MS_MAX, |ns| ns / MS);
        let (walk, pending) = match walk {
            Answer::Records(cursor) => (Some(Walk::Records(cursor)), Vec::new()),
            Answer::Census(census) => (Some(Walk::Census(census)), Vec::new()),
            Answer::Hits(hits) => (Some(Walk::Hits(hits)), Vec::new()),
            Answer::Whole(body) => (None, body),
        };
        let is_packed = exchange.takes_gzip && !is_tail && walk.is_some();
        Self {
            running: walk.map(|walk| Box::new(Running::new(walk, words, now, is_tail))),
            pending,
            encoder: None,
            is_packed,
            content_type,
            is_begun: false,
            deadline: (!is_tail).then(|| now.saturating_add(timeout_ms * MS)),
            timeout_ms,
            bytes: 0,
        }
    }

    /// What walks.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_deref()
    }

    /// The same, to look ahead.
    pub fn running_mut(&mut self) -> Option<&mut Running> {
        self.running.as_deref_mut()
    }

    /// What has walked, once the answer is complete.
    pub fn take_running(&mut self) -> Option<Box<Running>> {
        self.running.take()
    }

    /// Bytes of memory it holds.
    pub fn held_bytes(&self) -> usize {
        self.pending.capacity() + self.encoder.as_ref().map_or(0, |_| Encoder::BYTES)
    }

    /// Takes a bounded step.
    pub fn step<S: Store>(
        &mut self,
        exchange: &mut Exchange,
        context: &mut Context<'_, '_, S>,
        out: &mut Vec<u8>,
    ) -> Walked {
        let Some(running) = &mut self.running else {
            let head = (Status::OK, Some(self.content_type));
            exchange.write(
                head,
                &[("Cache-Control", "no-store")],
                &self.pending,
                context.wall,
                out,
            );
            return Walked::Done;
        };
        // Whoever is gone answers a head with a reset, and the walk ends.
        if running.is_tail || exchange.is_head || context.is_input_over {
            self.begin(exchange, context, out);
        }
        if exchange.is_head {
            return Walked::Done;
        }
        if let Some(words) = self.over_limit(context.mono) {
            return self.give_up(&words, exchange, context.wall, out);
        }
        if out.len() >= context.out_bytes_max {
            return Walked::Blocked;
        }
        let Some(running) = &mut self.running else { return Walked::Done };
        let is_direct = self.is_begun && self.encoder.is_none();
        let slice = if is_direct {
            let begun = begin(exchange, out);
            let before = out.len();
            let room = (&mut *out, context.out_bytes_max);
            let slice = running.slice(context.segment, context.tools, room);
            self.bytes += (out.len() - before) as u64;
            end(exchange, begun, out);
            slice
        } else {
            let room = (&mut self.pending, context.out_bytes_max.min(PENDING_BYTES_MAX));
            running.slice(context.segment, context.tools, room)
        };
        let is_done = slice == Slice::Done;
        if is_done || !self.pending.is_empty() {
            self.begin(exchange, context, out);
            self.hand_over(is_done, exchange, out);
        }
        if is_done {
            end_all(exchange, out);
        }
        match slice {
            Slice::More => Walked::Again,
            Slice::Blocked => Walked::Blocked,
            Slice::CaughtUp => Walked::Following,
            Slice::Done => Walked::Done,
        }
    }

    /// Writes the head, once.
    fn begin<S: Store>(
        &mut self,
        exchange: &mut Exchange,
        context: &Context<'_, '_, S>,
        out: &mut Vec<u8>,
    ) {
        if std::mem::replace(&mut self.is_begun, true) {
            return;
        }
        // Where memory is short, the client gets more bytes instead.
        if self.is_packed && context.out_bytes_max > OUTBOX_BYTES_MIN {
            self.encoder = Some(Encoder::new());
            exchange.is_packed.set(true);
        }
        let mut headers = vec![("Cache-Control", "no-store")];
        if self.encoder.is_some() {
            headers.push(("Content-Encoding", "gzip"));
        }
        headers.push(("Vary", "Accept-Encoding"));
        // Proxies that gather what they pass on would hold a tail back.
        headers.push(("X-Accel-Buffering", "no"));
        let body = if exchange.is_http_1_0 {
            exchange.keep_alive = false;
            AnswerBody::UntilClose
        } else {
            AnswerBody::Chunked
        };
        exchange.head(Status::OK, Some(self.content_type), &headers, body, context.wall, out);
    }

    /// Writes what is pending as a chunk, encoded if it is to be.
    fn hand_over(&mut self, is_done: bool, exchange: &Exchange, out: &mut Vec<u8>) {
        self.bytes += self.pending.len() as u64;
        let begun = begin(exchange, out);
        match &mut self.encoder {
            Some(encoder) => encoder.push(&self.pending, out),
            None => out.extend_from_slice(&self.pending),
        }
        if let Some(encoder) = self.encoder.take_if(|_| is_done) {
            encoder.finish(out);
        }
        end(exchange, begun, out);
        self.pending.clear();
        if self.encoder.is_none() {
            self.pending = Vec::new();
        }
    }

    /// What limit it has come to, in words.
    fn over_limit(&self, now: Mono) -> Option<String> {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Some(format!("the answer took longer than {} ms", self.timeout_ms));
        }
        let is_tail = self.running.as_ref().is_some_and(|running| running.is_tail);
        (self.bytes > HTTP_ANSWER_BYTES_MAX && !is_tail)
            .then(|| format!("the answer is longer than {HTTP_ANSWER_BYTES_MAX} bytes"))
    }

    /// Ends an answer that is not complete, so that the client can tell.
    fn give_up(
        &mut self,
        words: &str,
        exchange: &mut Exchange,
        wall: Wall,
        out: &mut Vec<u8>,
    ) -> Walked {
        if self.is_begun {
            self.pending.extend_from_slice(&error_line(words));
            // Without the last chunk it is plain that something is missing.
            self.hand_over(true, exchange, out);
            exchange.keep_alive = false;
        } else {
            let failure = Failure::new(Status::GATEWAY_TIMEOUT, words.to_owned());
            super::answer::failure(&failure, exchange, wall, out);
        }
        Walked::Done
    }

    /// Says to a tail that we are still here, once it has its head.
    pub fn keep_alive(&self, exchange: &Exchange, out: &mut Vec<u8>) {
        if !self.is_begun {
            return;
        }
        let begun = begin(exchange, out);
        if let Some(running) = &self.running {
            running.keep_alive(out);
        }
        end(exchange, begun, out);
    }
}

/// Begins a chunk, where the client knows chunks.
fn begin(exchange: &Exchange, out: &mut Vec<u8>) -> Option<usize> {
    (!exchange.is_http_1_0).then(|| begin_chunk(out))
}

fn end(exchange: &Exchange, begun: Option<usize>, out: &mut Vec<u8>) {
    debug_assert_eq!(begun.is_none(), exchange.is_http_1_0);
    if let Some(begun) = begun {
        end_chunk(out, begun);
    }
}

/// Ends the body.
fn end_all(exchange: &Exchange, out: &mut Vec<u8>) {
    if !exchange.is_http_1_0 {
        end_chunks(out);
    }
}
