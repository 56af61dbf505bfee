//! A client that speaks HTTP: requests one after the other on one connection, each answered before
//! the next is read. RFC 9110 (what they mean), RFC 9112 (how they are written).
//!
//! ```text
//! Head -> Form   ---> Walk -> Head        a question: answered as the client takes it
//!      -> Upload ---> (disk) -> Head      log lines: stored as they come
//!      -> Host   ---> Head                what only the reactor knows
//!      -> Drop   ---> Head                an answer is given, its request still comes
//!      -> Over                            nothing follows: the connection ends
//! ```

mod answer;
mod asking;
mod body;
pub mod guard;
mod inserting;
mod page;
pub mod questions;
pub mod routes;
#[cfg(test)]
mod tests;
mod upload;
mod walking;

use crate::clock::{MS, Mono, Wall};
use crate::limits::{HTTP_BODY_DROP_BYTES_MAX, HTTP_HEAD_MS, HTTP_IDLE_MS};
use crate::metrics::Metrics;
use crate::proto::bulk::Items;
use crate::proto::http::answer::CONTINUE;
use crate::proto::http::{
    BodyFraming, BodyReader, BodyStep, HeadStep, HttpError, Method, Request, Status, read_head,
};
use crate::segment::{Full, Segment, Store};
use crate::session::Intake;
use crate::session::named::NamedStreams;
use crate::session::sources::SourceKey;
use crate::session::walk::{Running, Tools};

use answer::{Exchange, Manner};
pub use answer::{HostAnswer, JSON, TEXT};
use asking::FormBody;
use guard::Policy;
use inserting::MEMORY_SPENT;
use routes::{Found, HostAsk, Route};
use upload::{Failure, Upload};
use walking::Walking;

/// One who speaks HTTP.
#[derive(Debug)]
pub struct HttpSession {
    /// Received and not worked off.
    pub held: Vec<u8>,
    stage: Stage,
    /// The request being worked on.
    exchange: Exchange,
    /// What has to be read of its body, where the stage does not do that.
    rest: Option<BodyReader>,
    streams: NamedStreams,
    /// Who sends, for limits per sender.
    source: SourceKey,
    peer: Box<str>,
    /// It came in at the log port, where nothing is answered but whether lines were taken.
    is_log_port: bool,
    /// The client has sent its last byte.
    is_input_over: bool,
    /// When bytes came in last, of a head the first of them; or when the last answer was complete.
    heard: Mono,
    /// The time of the last step.
    now: Mono,
    /// Since when the segment has taken nothing of an upload, of which nothing is stored.
    full_since: Option<Mono>,
    /// Requests whose heads were read.
    pub requests: u64,
}

/// Where a session stands.
#[derive(Debug)]
enum Stage {
    /// Before a request, or within its head.
    Head,
    /// The parameters of a question come in a body.
    Form(Box<FormBody>),
    /// Log lines come in a body.
    Upload(Box<Upload>),
    /// The upload is over, and is answered when it is on disk.
    Disk(Box<Upload>),
    /// The rest of a body is of no interest.
    Drop(BodyReader),
    /// The reactor owes the answer.
    Host,
    /// What became of each document of a bulk is being written.
    Items(Box<Items>),
    /// Records are looked for.
    Walk(Box<Walking>),
    /// Nothing more is answered here.
    Over,
}

/// What a session needs for a step.
pub struct Context<'a, S: Store> {
    /// The records; `None` until the segment is open.
    pub segment: Option<&'a mut Segment<S>>,
    /// What stands before the segment.
    pub intake: &'a mut Intake,
    /// What walks need.
    pub tools: Tools<'a>,
    /// Who may ask.
    pub policy: &'a Policy,
    /// The turn's time.
    pub mono: Mono,
    /// The turn's time on the wall.
    pub wall: Wall,
    /// Bytes of answers at which it waits until the client has taken some.
    pub out_bytes_max: usize,
    /// Bytes of a record beyond which it is cut.
    pub line_bytes_max: usize,
    /// Bytes of memory that the session may hold beyond what it holds.
    pub memory_left: usize,
    /// Memory that all may hold together.
    pub memory_all: usize,
    /// Uploads are answered when they are on disk.
    pub waits_for_disk: bool,
    /// Tails that are open, of all clients.
    pub tails: usize,
    /// The client may be gone: it sends nothing more behind what has come.
    pub is_peer_done: bool,
    /// The server is about to stop: no connection is kept.
    pub is_ending: bool,
}

/// What a step came to.
#[derive(Debug)]
pub enum Next {
    /// More of the request is needed. What was answered is in `out`.
    NeedInput,
    /// There is more to do at once.
    Again,
    /// `out` is full; go on when the client has taken it.
    Blocked,
    /// A tail has shown everything there is.
    Following,
    /// The segment takes nothing for this reason; go on when it does.
    Full(Full),
    /// The reactor answers by [`HttpSession::answer`].
    Ask(HostAsk),
    /// Everything received so far is to be on disk; then [`HttpSession::on_disk`].
    Disk,
    /// A question has been answered; for the slow log.
    Finished(Box<Running>),
    /// The connection ends once `out` is sent.
    Close,
}

impl HttpSession {
    /// A session of `peer`, an address, that has heard nothing yet at `now`.
    pub fn new(peer: &str, is_log_port: bool, now: Mono) -> Self {
        Self {
            held: Vec::new(),
            stage: Stage::Head,
            exchange: Exchange::unread(),
            rest: None,
            streams: NamedStreams::new(peer.as_bytes()),
            source: SourceKey::of(peer.as_bytes(), b"", b""),
            peer: peer.into(),
            is_log_port,
            is_input_over: false,
            heard: now,
            now,
            full_since: None,
            requests: 0,
        }
    }

    /// Whether it wants to read: it does not while it answers.
    pub fn wants_input(&self) -> bool {
        match self.stage {
            Stage::Head | Stage::Form(_) | Stage::Upload(_) | Stage::Drop(_) => true,
            Stage::Disk(_) | Stage::Host | Stage::Items(_) | Stage::Walk(_) | Stage::Over => false,
        }
    }

    /// Whether it is between two requests, and nothing has come of the next.
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Head) && self.held.is_empty()
    }

    /// Whether the reactor, or the disk, owes it an answer.
    pub fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Host | Stage::Disk(_))
    }

    /// Whether a request is being answered that has an end.
    pub fn is_answering(&self) -> bool {
        self.is_waiting()
            || matches!(self.stage, Stage::Items(_) | Stage::Upload(_))
            || (matches!(self.stage, Stage::Walk(_)) && !self.is_tail())
    }

    /// Whether log lines come in.
    pub fn is_upload(&self) -> bool {
        matches!(self.stage, Stage::Upload(_))
    }

    /// The walk under way.
    pub fn running(&self) -> Option<&Running> {
        if let Stage::Walk(walking) = &self.stage { walking.running() } else { None }
    }

    /// The same, to look ahead.
    pub fn running_mut(&mut self) -> Option<&mut Running> {
        if let Stage::Walk(walking) = &mut self.stage { walking.running_mut() } else { None }
    }

    /// Bytes of memory it holds.
    pub fn held_bytes(&self) -> usize {
        let stage = match &self.stage {
            Stage::Upload(upload) | Stage::Disk(upload) => upload.held_bytes(),
            Stage::Form(form) => form.pairs.capacity(),
            Stage::Walk(walking) => walking.held_bytes(),
            Stage::Items(items) => items.held_bytes(),
            Stage::Head | Stage::Drop(_) | Stage::Host | Stage::Over => 0,
        };
        self.held.capacity() + stage + self.streams.held_bytes()
    }

    /// Bytes came in at `now`; `is_first` where nothing was left over from before.
    pub fn heard(&mut self, now: Mono, is_first: bool) {
        if is_first || !matches!(self.stage, Stage::Head) {
            self.heard = now;
        }
    }

    /// Keeps what is left over of what came in.
    pub fn keep(&mut self, left: &[u8]) {
        if left.is_empty() {
            self.held = Vec::new();
        } else {
            self.held.clear();
            self.held.extend_from_slice(left);
        }
    }

    /// When it has been silent for too long where it stands; `None` while the silence is ours. A
    /// head has to come as a whole by then.
    pub fn deadline(&self) -> Option<Mono> {
        let patience_ms = match self.stage {
            Stage::Head if !self.held.is_empty() => HTTP_HEAD_MS,
            _ if self.wants_input() => HTTP_IDLE_MS,
            _ => return None,
        };
        Some(self.heard.saturating_add(patience_ms * MS))
    }

    /// The client has sent its last byte.
    pub fn input_is_over(&mut self) {
        self.is_input_over = true;
    }

    /// Takes one bounded step over `input`: how many bytes of it are used up, and what it came to.
    /// Answers go to `out`.
    pub fn step<S: Store>(
        &mut self,
        input: &[u8],
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> (usize, Next) {
        self.now = context.mono;
        let stepped = match &mut self.stage {
            Stage::Head => self.head(input, context, out),
            Stage::Form(_) => self.form(input, context, out),
            Stage::Upload(_) => self.upload(input, context, out),
            Stage::Drop(_) => self.drop_body(input),
            Stage::Host | Stage::Disk(_) => (0, Next::NeedInput),
            Stage::Items(_) => (0, self.items(context.out_bytes_max, out)),
            Stage::Walk(_) => (0, self.walk(context, out)),
            Stage::Over => (0, Next::Close),
        };
        self.count_answer(context.tools.metrics);
        stepped
    }

    /// Counts the answer that was given, if one was.
    pub fn count_answer(&mut self, metrics: &mut Metrics) {
        if let Some(status) = self.exchange.answered.take() {
            metrics.http.answered(self.exchange.class, status.0);
            metrics.http.answers_compressed += u64::from(self.exchange.is_packed.take());
        }
    }

    /// Reads the head of the next request.
    fn head<S: Store>(
        &mut self,
        input: &[u8],
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> (usize, Next) {
        match read_head(input) {
            Ok((used, HeadStep::Head(request))) => {
                self.requests += 1;
                (used, self.begin(&request, context, out))
            }
            Ok((used, HeadStep::NeedMore)) if self.is_input_over => (used, Next::Close),
            Ok((_, HeadStep::NeedMore)) if context.memory_left == 0 && !input.is_empty() => {
                self.exchange = Exchange::unread();
                (input.len(), self.refuse(&Failure::busy(MEMORY_SPENT, 1), context, out))
            }
            Ok((used, HeadStep::NeedMore)) => (used, Next::NeedInput),
            Err(error) => {
                self.exchange = Exchange::unread();
                self.refuse(&Failure::from(error), context, out);
                (input.len(), Next::Close)
            }
        }
    }

    /// Finds out what a request wants and begins to do it.
    fn begin<S: Store>(
        &mut self,
        request: &Request,
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> Next {
        self.exchange = Exchange::of(request, context.policy);
        self.exchange.keep_alive &= !context.is_ending;
        let framing = match request.framing() {
            Ok(framing) => framing,
            Err(error) => {
                self.exchange.keep_alive = false;
                return self.refuse(&Failure::from(error), context, out);
            }
        };
        // A body that nobody wants is read only where it is short, and sure to come.
        let is_long = match framing {
            BodyFraming::None => false,
            BodyFraming::Length(bytes) => {
                bytes > HTTP_BODY_DROP_BYTES_MAX || request.expects_continue()
            }
            BodyFraming::Chunked => true,
        };
        self.rest = Some(BodyReader::new(framing));
        let route = match self.route(request, context) {
            Ok(route) => route,
            Err(failure) => {
                self.exchange.keep_alive &= !is_long;
                return self.refuse(&failure, context, out);
            }
        };
        match route {
            Some(Route::Insert(insert)) => {
                let begun = self.begin_upload(insert, request, framing, context);
                if begun.is_ok() && request.expects_continue() {
                    out.extend_from_slice(CONTINUE);
                }
                match begun {
                    Ok(()) => Next::Again,
                    Err(failure) => {
                        self.exchange.keep_alive &= !is_long;
                        context.tools.metrics.http.bodies_refused.add(failure.reason());
                        self.refuse(&failure, context, out)
                    }
                }
            }
            Some(Route::Ask(ask)) => self.begin_question(ask, request, context, out),
            Some(Route::Host(ask)) => {
                self.exchange.keep_alive &= !is_long;
                self.stage = Stage::Host;
                Next::Ask(ask)
            }
            other => {
                self.exchange.keep_alive &= !is_long;
                answer::fixed(other, request, &self.exchange, context.wall, out);
                self.end_answer()
            }
        }
    }

    /// What a request asks for, if it may; `None` is the question what is allowed.
    fn route<S: Store>(
        &mut self,
        request: &Request,
        context: &Context<'_, S>,
    ) -> Result<Option<Route>, Failure> {
        let path = context.policy.path(request.path());
        if path == Some("") {
            // What the page asks for lies below it.
            return Ok(Some(Route::Below));
        }
        let found = path.map_or(Found::Nothing, |path| routes::find(request.method(), path));
        if request.method() == Method::Options {
            return Ok(None);
        }
        let route = match found {
            Found::Route(route) => route.shown_to(request),
            Found::WrongMethod(allowed) => {
                self.exchange.allowed = Some(allowed);
                let what = format!("this path does not take that method (allowed: {allowed})");
                return Err(Failure::new(Status::METHOD_NOT_ALLOWED, what));
            }
            Found::Nothing => {
                let what = format!("there is nothing at {:?}", request.path());
                return Err(Failure::new(Status::NOT_FOUND, what));
            }
        };
        self.exchange.manner = Manner::of(&route, request);
        self.exchange.class = route.class();
        let is_change = matches!(route, Route::Insert(_));
        if let Err(refusal) = context.policy.check(request, is_change) {
            return Err(Failure::new(Status::FORBIDDEN, refusal.to_string()));
        }
        if self.is_log_port && !matches!(route, Route::Insert(_) | Route::Host(HostAsk::Live)) {
            let what = String::from("this is the log port (allowed: requests that send lines)");
            return Err(Failure::new(Status::FORBIDDEN, what));
        }
        Ok(Some(route))
    }

    /// Writes what became of some more documents of a bulk.
    fn items(&mut self, out_bytes_max: usize, out: &mut Vec<u8>) -> Next {
        let Stage::Items(items) = &mut self.stage else { return Next::Again };
        let room = out_bytes_max.saturating_sub(out.len());
        if room == 0 {
            return Next::Blocked;
        }
        if items.write(out, room) { self.end_answer() } else { Next::Again }
    }

    /// Drops the rest of a body.
    fn drop_body(&mut self, input: &[u8]) -> (usize, Next) {
        let Stage::Drop(reader) = &mut self.stage else { return (0, Next::Again) };
        match reader.step(input) {
            Ok((used, BodyStep::Data(_))) => (used, Next::Again),
            Ok((used, BodyStep::End)) => {
                self.stage = Stage::Head;
                (used, Next::Again)
            }
            Ok((used, BodyStep::NeedMore)) if !self.is_input_over => (used, Next::NeedInput),
            _ => (input.len(), Next::Close),
        }
    }

    /// Gives the answer that [`Next::Ask`] asked for.
    pub fn answer(&mut self, answer: &HostAnswer<'_>, wall: Wall, out: &mut Vec<u8>) {
        answer::host(answer, &self.exchange, wall, out);
        let _closes = self.end_answer();
    }

    /// Nothing came for too long: says so where a request is under way that has no answer yet.
    pub fn time_out(&mut self, wall: Wall, out: &mut Vec<u8>) {
        let mut failure = Failure::from(HttpError::Timeout);
        match &self.stage {
            Stage::Head if !self.held.is_empty() => self.exchange = Exchange::unread(),
            Stage::Upload(upload) => failure = upload.told(failure),
            Stage::Form(_) => {}
            _ => {
                self.stage = Stage::Over;
                return;
            }
        }
        self.exchange.keep_alive = false;
        answer::failure(&failure, &self.exchange, wall, out);
        self.stage = Stage::Over;
    }

    /// Refuses the request, in the manner of its protocol.
    fn refuse<S: Store>(
        &mut self,
        failure: &Failure,
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> Next {
        answer::failure(failure, &self.exchange, context.wall, out);
        self.end_answer()
    }

    /// An answer is complete: what comes next on this connection.
    fn end_answer(&mut self) -> Next {
        self.heard = self.heard.max(self.now);
        self.full_since = None;
        self.stage = match self.rest.take() {
            _ if !self.exchange.keep_alive => Stage::Over,
            Some(reader) if !reader.is_whole() => Stage::Drop(reader),
            _ => Stage::Head,
        };
        Next::Again
    }
}
