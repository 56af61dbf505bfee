//! Log lines over HTTP: whether a request may send them, and what it is told when it has.

use super::answer::{self, Ack};
use super::body::Parser;
use super::routes::Insert;
use super::upload::{Bounds, Failure, Progress, Upload};
use super::{Context, HttpSession, Next, Stage};
use crate::clock::{MS, Mono, SECOND, Wall};
use crate::limits::{DECODER_BYTES_MIN, HTTP_FULL_WAIT_MS};
use crate::metrics::Metrics;
use crate::proto::coding::{Coding, Decoder};
use crate::proto::http::{BodyFraming, BodyReader, Request, Status};
use crate::segment::{Segment, Store};
use crate::session::{Intake, Sink};

/// What is said where nothing more can be held.
pub(super) const MEMORY_SPENT: &str = "the memory budget (--memory) is spent";

impl HttpSession {
    /// Begins to take in log lines.
    ///
    /// # Errors
    /// Why nothing of them is taken now, or ever.
    pub(super) fn begin_upload<S: Store>(
        &mut self,
        insert: Insert,
        request: &Request,
        framing: BodyFraming,
        context: &mut Context<'_, S>,
    ) -> Result<(), Failure> {
        let Some(segment) = context.segment.as_deref_mut() else {
            return Err(Failure::busy("not ready: the segment is being opened", 1));
        };
        let sink = sink(segment, context.intake, context.tools.metrics, context.wall, context.mono);
        if let Err(wait_ns) = sink.admits(self.source) {
            let seconds = wait_ns.div_ceil(SECOND);
            return Err(Failure::too_many("more lines than --rate-limit allows", seconds));
        }
        let path = context.policy.path(request.path()).unwrap_or_default();
        let place = (path, context.tools.time.zone());
        let parser = Parser::new(insert, request, context.line_bytes_max, place)?;
        let coding = coding(request, &parser)?;
        if let (BodyFraming::Length(bytes), false) = (framing, parser.is_by_line()) {
            if bytes > context.memory_all as u64 {
                let allowed = context.memory_all;
                let what = format!("a body of {bytes} bytes (allowed: {allowed}, by --memory)");
                return Err(Failure::new(Status::CONTENT_TOO_LARGE, what));
            }
            if bytes > context.memory_left as u64 {
                return Err(Failure::too_many(MEMORY_SPENT, 1));
            }
        }
        if coding != Coding::Identity && context.memory_left < DECODER_BYTES_MIN {
            return Err(Failure::too_many(MEMORY_SPENT, 1));
        }
        let decoder = (coding != Coding::Identity).then(|| match parser.is_by_line() {
            true => Decoder::new(coding),
            false => Decoder::keeping(coding),
        });
        let reader = self.rest.take().unwrap_or_else(|| BodyReader::new(framing));
        let upload = Upload::new(reader, decoder, parser, context.mono);
        let mut upload = Box::new(upload);
        if let (BodyFraming::Length(bytes), Coding::Identity, false) =
            (framing, coding, upload.parser().is_by_line())
        {
            upload.expect(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        self.stage = Stage::Upload(upload);
        Ok(())
    }

    /// Takes in some of a body of log lines.
    pub(super) fn upload<S: Store>(
        &mut self,
        input: &[u8],
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> (usize, Next) {
        let Stage::Upload(upload) = &mut self.stage else { return (0, Next::Again) };
        let Some(segment) = context.segment.as_deref_mut() else { return (0, Next::NeedInput) };
        let bounds = Bounds {
            line_bytes_max: context.line_bytes_max,
            held_bytes_max: upload.held_bytes() + context.memory_left,
            held_bytes_ever: context.memory_all,
        };
        let mut sink =
            sink(segment, context.intake, context.tools.metrics, context.wall, context.mono);
        let stored_before = upload.stored();
        let (used, progress) = upload.step(input, &mut sink, &mut self.streams, &bounds);
        let stored = upload.stored() - stored_before;
        if stored > 0 {
            sink.metrics.http.entries += stored;
            sink.charge(self.source, stored, self.peer.as_bytes());
            self.full_since = None;
        }
        let next = match progress {
            Progress::NeedInput if !self.is_input_over => Next::NeedInput,
            Progress::NeedInput => {
                let what = String::from("the body ends early");
                let failure = upload.told(Failure::new(Status::BAD_REQUEST, what));
                self.fail_upload(&failure, context, out)
            }
            Progress::Again => Next::Again,
            Progress::Full(full) => {
                if upload.stored() == 0 {
                    self.full_since.get_or_insert(context.mono);
                }
                Next::Full(full)
            }
            Progress::Done if context.waits_for_disk && upload.stored() > 0 => {
                let Stage::Upload(upload) = std::mem::replace(&mut self.stage, Stage::Head) else {
                    return (used, Next::Again);
                };
                self.stage = Stage::Disk(upload);
                context.tools.metrics.http.waits_sync += 1;
                Next::Disk
            }
            Progress::Done => {
                self.answer_upload(Ack::Memory, context.wall, out);
                Next::Again
            }
            Progress::Failed(failure) => {
                let failure = upload.told(failure);
                self.fail_upload(&failure, context, out)
            }
        };
        (used, next)
    }

    /// The rest of a body is not taken.
    fn fail_upload<S: Store>(
        &mut self,
        failure: &Failure,
        context: &mut Context<'_, S>,
        out: &mut Vec<u8>,
    ) -> Next {
        self.exchange.keep_alive = false;
        context.tools.metrics.http.bodies_refused.add(failure.reason());
        self.refuse(failure, context, out)
    }

    /// What was received is on disk by now, or never will be.
    pub fn on_disk(&mut self, is_done: bool, (now, wall): (Mono, Wall), out: &mut Vec<u8>) {
        self.now = now;
        if matches!(self.stage, Stage::Disk(_)) {
            self.answer_upload(if is_done { Ack::Disk } else { Ack::Lost }, wall, out);
        }
    }

    /// The segment takes nothing at `now`, as the reactor knows without a try.
    pub fn wait_full(&mut self, now: Mono) {
        if matches!(&self.stage, Stage::Upload(upload) if upload.stored() == 0) {
            self.full_since.get_or_insert(now);
        }
    }

    /// When an upload, of which nothing is stored, has waited too long for the segment.
    pub fn full_until(&self) -> Option<Mono> {
        self.full_since.map(|since| since.saturating_add(HTTP_FULL_WAIT_MS * MS))
    }

    /// The segment has taken nothing for too long. Where nothing of the request is stored, it is
    /// refused as a whole, to come again; else it waits on. Returns whether it was refused.
    pub fn give_up_waiting(&mut self, wall: Wall, out: &mut Vec<u8>) -> bool {
        let Stage::Upload(upload) = &self.stage else { return false };
        if upload.stored() > 0 {
            return false;
        }
        self.exchange.keep_alive = false;
        let failure = Failure::too_many("the disk does not keep up", 1);
        answer::failure(&failure, &self.exchange, wall, out);
        self.stage = Stage::Over;
        true
    }

    /// Says what became of an upload.
    fn answer_upload(&mut self, ack: Ack, wall: Wall, out: &mut Vec<u8>) {
        let (Stage::Upload(mut upload) | Stage::Disk(mut upload)) =
            std::mem::replace(&mut self.stage, Stage::Head)
        else {
            return;
        };
        if ack == Ack::Lost {
            let failure = Failure::busy("stored, but not on disk: a sync failed", 1);
            answer::failure(&failure, &self.exchange, wall, out);
            self.end_answer();
            return;
        }
        if let Some(mut items) = upload.parser().take_items() {
            items.set_took_ms(self.now.saturating_sub(upload.began) / MS);
            answer::items(&items, ack, &self.exchange, wall, out);
            self.stage = Stage::Items(items);
            return;
        }
        let (stored, refused) = (upload.stored(), upload.refused());
        let first = upload.first_refused().map(ToString::to_string);
        match upload.parser().reply(stored, refused, first.as_deref()) {
            Ok(reply) => answer::reply(&reply, ack, &self.exchange, wall, out),
            Err(failure) => answer::failure(&failure, &self.exchange, wall, out),
        }
        self.end_answer();
    }
}

/// How the body of a request is coded.
///
/// # Errors
/// In a way that is not taken.
fn coding(request: &Request, parser: &Parser) -> Result<Coding, Failure> {
    let mut said = request.headers("content-encoding");
    let Some(name) = said.next() else { return Ok(parser.usual_coding()) };
    match Coding::from_name(name) {
        Some(coding) if said.next().is_none() => Ok(coding),
        _ => {
            let what = format!(
                "content coding \"{}\" (allowed: one of gzip, deflate, zstd, snappy, identity)",
                name.escape_ascii()
            );
            Err(Failure::new(Status::UNSUPPORTED_MEDIA_TYPE, what))
        }
    }
}

fn sink<'a, S: Store>(
    segment: &'a mut Segment<S>,
    intake: &'a mut Intake,
    metrics: &'a mut Metrics,
    received_ns: Wall,
    now: Mono,
) -> Sink<'a, S> {
    Sink { segment, intake, metrics, received_ns, now }
}
