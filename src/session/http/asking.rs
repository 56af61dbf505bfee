//! Questions over HTTP: their parameters, in the path or in a body, and their answers.

use super::inserting::MEMORY_SPENT;
use super::questions::{Ask, question};
use super::upload::Failure;
use super::walking::{self, Walked, Walking};
use super::{Context, HttpSession, Next, Stage};
use crate::limits::{HTTP_FORM_BYTES_MAX, HTTP_TAILS_MAX};
use crate::proto::http::answer::CONTINUE;
use crate::proto::http::{BodyFraming, BodyReader, BodyStep, Request, Status, pairs};
use crate::query::TimeContext;
use crate::segment::Store;

/// What the parameters of a question come as.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// A question and the body that has come of it.
#[derive(Debug)]
pub(super) struct FormBody {
    pub(super) ask: Ask,
    /// The pairs of the query string, then those of the body.
    pub(super) pairs: Vec<u8>,
    pub(super) reader: BodyReader,
    pub(super) last_event_id: Option<Vec<u8>>,
}

impl HttpSession {
    /// Begins to answer a question, or to read the rest of it.
    pub(super) fn begin_question<S: Store>(
        &mut self,
        ask: Ask,
        request: &Request,
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> Next {
        let mut form = FormBody {
            ask,
            pairs: request.query().to_vec(),
            reader: self.rest.take().unwrap_or_else(|| BodyReader::new(BodyFraming::None)),
            last_event_id: request.header("last-event-id").map(<[u8]>::to_vec),
        };
        if form.reader.is_whole() {
            return self.ask(&form, context, out);
        }
        let kind = request.header("content-type").unwrap_or(FORM.as_bytes());
        if !kind.to_ascii_lowercase().starts_with(FORM.as_bytes()) {
            self.exchange.keep_alive = false;
            let what = format!("content type \"{}\" (allowed: {FORM})", kind.escape_ascii());
            let failure = Failure::new(Status::UNSUPPORTED_MEDIA_TYPE, what);
            return self.refuse(&failure, context, out);
        }
        if request.expects_continue() {
            out.extend_from_slice(CONTINUE);
        }
        form.pairs.push(b'&');
        self.stage = Stage::Form(Box::new(form));
        Next::Again
    }

    /// Reads the parameters of a question.
    pub(super) fn form<S: Store>(
        &mut self,
        input: &[u8],
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> (usize, Next) {
        let Stage::Form(form) = &mut self.stage else { return (0, Next::Again) };
        match form.reader.step(input) {
            Ok((used, BodyStep::Data(data))) => {
                if data.len() > context.memory_left {
                    self.exchange.keep_alive = false;
                    return (used, self.refuse(&Failure::busy(MEMORY_SPENT, 1), context, out));
                }
                if form.pairs.len() + data.len() <= HTTP_FORM_BYTES_MAX {
                    form.pairs.extend_from_slice(data);
                    return (used, Next::Again);
                }
                let what = format!("parameters longer than {HTTP_FORM_BYTES_MAX} bytes");
                let failure = Failure::new(Status::CONTENT_TOO_LARGE, what);
                self.exchange.keep_alive = false;
                (used, self.refuse(&failure, context, out))
            }
            Ok((used, BodyStep::NeedMore)) if self.is_input_over => {
                self.exchange.keep_alive = false;
                let what = String::from("the body ends early");
                (used, self.refuse(&Failure::new(Status::BAD_REQUEST, what), context, out))
            }
            Ok((used, BodyStep::NeedMore)) => (used, Next::NeedInput),
            Ok((used, BodyStep::End)) => {
                let Stage::Form(form) = std::mem::replace(&mut self.stage, Stage::Head) else {
                    return (used, Next::Again);
                };
                (used, self.ask(&form, context, out))
            }
            Err(error) => {
                self.exchange.keep_alive = false;
                (input.len(), self.refuse(&Failure::from(error), context, out))
            }
        }
    }

    /// Begins to answer a question that has come whole.
    pub(super) fn ask<S: Store>(
        &mut self,
        form: &FormBody,
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> Next {
        let Some(segment) = context.segment.as_deref() else {
            let failure = Failure::busy("not ready: the segment is being opened", 1);
            return self.refuse(&failure, context, out);
        };
        let is_tail = form.ask == Ask::Tail;
        if is_tail && context.tails >= HTTP_TAILS_MAX {
            let failure = Failure::busy(&format!("{HTTP_TAILS_MAX} tails are open"), 10);
            return self.refuse(&failure, context, out);
        }
        let has_label = |name: &[u8]| segment.has_label(name);
        let times = TimeContext {
            has_label: &has_label,
            ..TimeContext::new(context.wall, context.tools.time.zone())
        };
        let mut pairs = pairs(&form.pairs);
        let event_id = form.last_event_id.as_deref();
        let asked = question(form.ask.clone(), &mut pairs, event_id, &times, segment);
        match asked {
            Ok(asked) => {
                context.tools.metrics.http.tails += u64::from(is_tail);
                self.stage =
                    Stage::Walk(Box::new(Walking::new(asked, &self.exchange, context.mono)));
                Next::Again
            }
            Err(error) => {
                let failure = Failure::new(Status(error.status()), error.to_string());
                self.refuse(&failure, context, out)
            }
        }
    }

    /// Takes a step of an answer.
    pub(super) fn walk<S: Store>(
        &mut self,
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> Next {
        let Stage::Walk(walking) = &mut self.stage else { return Next::Again };
        let Some(segment) = context.segment.as_deref() else { return Next::NeedInput };
        let mut walk = walking::Context {
            segment,
            tools: &mut context.tools,
            mono: context.mono,
            wall: context.wall,
            out_bytes_max: context.out_bytes_max,
            is_input_over: self.is_input_over || context.is_peer_done,
        };
        match walking.step(&mut self.exchange, &mut walk, out) {
            Walked::Again => Next::Again,
            Walked::Blocked => Next::Blocked,
            Walked::Following => Next::Following,
            Walked::Done => {
                let finished = walking.take_running();
                let next = self.end_answer();
                finished.map_or(next, Next::Finished)
            }
        }
    }

    /// Says to a tail that we are still here.
    pub fn keep_alive(&self, out: &mut Vec<u8>) {
        if let Stage::Walk(walking) = &self.stage {
            walking.keep_alive(&self.exchange, out);
        }
    }

    /// Whether it shows a tail.
    pub fn is_tail(&self) -> bool {
        self.running().is_some_and(|running| running.is_tail)
    }
}
