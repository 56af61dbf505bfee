//! A sender of log lines: from received bytes to records in the segment.
//!
//! ```text
//! bytes -> PROXY header -> gzip -> frames -> lines joined -> intake -> segment
//!          (first only)   (all)              (--multiline)
//! ```

#[cfg(test)]
mod tests;

use std::fmt;

use super::intake::Sink;
use super::labels::Labels;
use super::multiline::{Multiline, Push};
use crate::clock::{MS, Mono};
use crate::limits::{FRAME_UNDECIDED_MS, INFLATED_BYTES_PER_GO, INFLATED_BYTES_PER_STEP};
use crate::message::Transport;
use crate::proto::frame::{self, Datagram, Foreign, Frame, FrameCodec, Framing, Kind, Step};
use crate::proto::inflate::{Format, InflateError, Inflater, Status};
use crate::proto::proxy::{self, BadHeader};
use crate::segment::{Full, Store};

/// One sender.
#[derive(Debug)]
pub struct LogSession {
    codec: FrameCodec,
    line_bytes_max: usize,
    labels: Labels,
    /// Received bytes that are no whole frame yet, or, while [`Self::is_stalled`], could not be
    /// stored yet.
    pub held: Vec<u8>,
    /// `held` may hold whole frames, for which the segment had no room.
    pub is_stalled: bool,
    /// Bytes that had arrived when the server was told to stop, and are still to be read.
    pub owed_bytes: usize,
    /// Since when the connection's first bytes may become anything.
    undecided_since: Option<Mono>,
    /// The first bytes are a PROXY header.
    expects_proxy: bool,
    /// What most connections do not have.
    extras: Option<Box<Extras>>,
}

/// What a connection that is compressed, or whose lines are joined, has besides.
#[derive(Debug, Default)]
struct Extras {
    inflater: Option<Inflater>,
    /// More comes out of it, though nothing goes in.
    is_overfull: bool,
    /// What was inflated and is no whole frame yet, or could not be stored yet.
    inflated: Vec<u8>,
    /// Why the stream is refused once this is stored.
    refused: Option<Refused>,
    joined: Multiline,
    /// What its first line is.
    joined_kind: Kind,
}

/// What became of some input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes that need not be shown again.
    pub used: usize,
    /// Why the rest must wait, where it must.
    pub full: Option<Full>,
    /// There are whole frames in what was not used: enough was done for one go.
    pub has_more: bool,
    /// Why the connection is to be ended, where it is.
    pub refused: Option<Refused>,
}

/// Why a sender is refused; as it is told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// What it sends is no text.
    Foreign(Foreign),
    /// Its gzip stream is broken, or inflates too far.
    Inflate(InflateError),
    /// There is no memory to inflate it.
    Memory,
    /// It may only come with a PROXY header, and has none.
    NoProxy,
    /// Its PROXY header is wrong.
    Proxy(BadHeader),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(foreign) => write!(f, "this is {foreign} (allowed: log lines)"),
            Self::Inflate(error) => write!(f, "gzip: {error}"),
            Self::Memory => f.write_str("no memory to inflate another stream (--memory)"),
            Self::NoProxy => f.write_str("no PROXY header (--proxy-from asks for one)"),
            Self::Proxy(bad) => write!(f, "{bad}"),
        }
    }
}

impl LogSession {
    /// A sender at `host` whose records are told apart by `framing`, and are at most
    /// `line_bytes_max` long.
    pub fn new(line_bytes_max: usize, host: &[u8], transport: Transport, framing: Framing) -> Self {
        Self {
            codec: FrameCodec::new(framing, line_bytes_max),
            line_bytes_max,
            labels: Labels::of_connection(host, transport),
            held: Vec::new(),
            is_stalled: false,
            owed_bytes: 0,
            undecided_since: None,
            expects_proxy: false,
            extras: None,
        }
    }

    /// All who send datagrams to one listener, at `host` where it is the same for all; where that
    /// is empty, it comes with each datagram.
    pub fn of_listener(line_bytes_max: usize, host: &[u8], transport: Transport) -> Self {
        let mut labels = Labels::of_listener(transport);
        labels.set_peer(host);
        Self { labels, ..Self::new(line_bytes_max, b"", transport, Framing::Auto) }
    }

    /// The first bytes have to be a PROXY header, which says who really sends.
    pub fn expect_proxy(&mut self) {
        self.expects_proxy = true;
    }

    /// Who sends, as an address: the peer, or whom a proxy named.
    pub fn peer(&self) -> &[u8] {
        self.labels.peer()
    }

    /// How its records come to us.
    pub fn transport(&self) -> Transport {
        self.labels.transport()
    }

    /// Bytes that it holds of records that are not stored yet.
    pub fn held_bytes(&self) -> usize {
        let extras = self.extras.as_ref();
        let more = extras.map_or(0, |all| {
            let inflater = all.inflater.as_ref().map_or(0, |_| Inflater::BYTES);
            inflater + all.inflated.capacity() + all.joined.held_bytes()
        });
        self.held.len() + more
    }

    /// When it wants to be looked at though nothing comes: see [`Self::store_due`].
    pub fn next_deadline(&self) -> Option<Mono> {
        let joined = self.extras.as_ref().and_then(|all| all.joined.next_deadline());
        let decided = self.undecided_since.map(|at| at.saturating_add(FRAME_UNDECIDED_MS * MS));
        [joined, decided].into_iter().flatten().min()
    }

    /// Stores every whole frame of `input`, and at the peer's close (`at_end`) a last piece too.
    /// Where the sender is `refused`, all that came before is stored.
    pub fn take<S: Store>(&mut self, input: &[u8], at_end: bool, sink: &mut Sink<'_, S>) -> Taken {
        let mut taken = Taken::default();
        if self.expects_proxy && !self.take_proxy(input, at_end, &mut taken) {
            return taken;
        }
        let since = self.undecided_since.take();
        if since.is_some_and(|at| is_decided(at, sink.now)) {
            self.codec.decide();
        }
        if self.is_inflating()
            || self.take_frames(input, at_end, sink, &mut taken) == Encoding::Gzip
        {
            self.take_inflated(input, at_end, sink, &mut taken);
        }
        let rest = &input[taken.used..];
        if !rest.is_empty() && taken.full.is_none() && self.codec.is_undecided(rest) {
            self.undecided_since = since.or(Some(sink.now));
        }
        let is_over = at_end || taken.refused.is_some();
        if is_over
            && taken.full.is_none()
            && !taken.has_more
            && let Err(full) = self.end(sink)
        {
            (taken.full, taken.refused) = (Some(full), None);
        }
        taken
    }

    /// Reads the PROXY header; whether it is there and the rest may be looked at.
    fn take_proxy(&mut self, input: &[u8], at_end: bool, taken: &mut Taken) -> bool {
        match proxy::read(input) {
            proxy::Step::Header { used, source } => {
                if let Some(source) = source {
                    let name = source.ip().to_canonical().to_string();
                    self.labels.set_peer(name.as_bytes());
                }
                self.expects_proxy = false;
                taken.used = used;
                return true;
            }
            proxy::Step::NeedMore if !at_end || input.is_empty() => {}
            proxy::Step::NeedMore | proxy::Step::NotProxy => {
                taken.refused = Some(Refused::NoProxy);
            }
            proxy::Step::Bad(bad) => taken.refused = Some(Refused::Proxy(bad)),
        }
        false
    }

    /// Stores the frames of `input` from `taken.used` on; of compressed ones some in each go.
    fn take_frames<S: Store>(
        &mut self,
        input: &[u8],
        at_end: bool,
        sink: &mut Sink<'_, S>,
        taken: &mut Taken,
    ) -> Encoding {
        let mut inflate_bytes = INFLATED_BYTES_PER_GO;
        loop {
            if sink.takes_all() && self.extras.is_none() {
                self.take_plain(input, sink, taken);
            }
            if taken.full.is_some() {
                return Encoding::Plain;
            }
            if let Some(encoding) = self.take_frame(input, at_end, &mut inflate_bytes, sink, taken)
            {
                return encoding;
            }
        }
    }

    /// Stores the plain lines and JSON objects that stand in `input` from `taken.used` on.
    #[inline]
    fn take_plain<S: Store>(&mut self, input: &[u8], sink: &mut Sink<'_, S>, taken: &mut Taken) {
        loop {
            let rest = &input[taken.used..];
            let (used, stored) = if let Some((used, line)) = self.codec.plain(rest) {
                (used, sink.put_plain(line, &mut self.labels))
            } else if let Some((used, object)) = self.codec.object(rest) {
                (used, sink.put_object(object, &mut self.labels))
            } else {
                return;
            };
            if let Err(full) = stored {
                taken.full = Some(full);
                return;
            }
            taken.used += used;
        }
    }

    /// Takes the step at `taken.used`, whatever it is; how the connection's bytes are to be read,
    /// where it is the last for now. `inflate_bytes` are left for compressed frames.
    fn take_frame<S: Store>(
        &mut self,
        input: &[u8],
        at_end: bool,
        inflate_bytes: &mut usize,
        sink: &mut Sink<'_, S>,
        taken: &mut Taken,
    ) -> Option<Encoding> {
        let rest = &input[taken.used..];
        let before = self.codec;
        let (mut used, mut step) = self.codec.step(rest);
        if at_end && step == Step::NeedMore {
            (used, step) = self.codec.finish(rest);
        }
        let stored = match step {
            Step::NeedMore => return Some(Encoding::Plain),
            Step::Record(frame) => {
                let stored = self.store(&frame, sink);
                sink.metrics.resyncs += u64::from(frame.resync && stored.is_ok());
                stored
            }
            Step::Skip { dropped, resync } => {
                sink.metrics.cut_bytes += dropped as u64;
                sink.metrics.resyncs += u64::from(resync);
                Ok(())
            }
            Step::Compressed { .. } if *inflate_bytes == 0 => {
                self.codec = before;
                taken.has_more = true;
                return Some(Encoding::Plain);
            }
            Step::Compressed { body } => {
                let stored = self.store_compressed(body, Format::Zlib, b"", sink);
                *inflate_bytes = inflate_bytes.saturating_sub(sink.intake.inflated.len());
                stored
            }
            Step::Gzip => {
                self.codec = FrameCodec::of_text(self.line_bytes_max);
                self.extras.get_or_insert_default().inflater = Some(Inflater::new());
                return Some(Encoding::Gzip);
            }
            Step::Foreign(foreign) => {
                taken.refused = Some(Refused::Foreign(foreign));
                return Some(Encoding::Plain);
            }
        };
        if let Err(full) = stored {
            // The frame is shown again once there is room.
            self.codec = before;
            taken.full = Some(full);
            return Some(Encoding::Plain);
        }
        taken.used += used;
        None
    }

    /// Inflates `input` from `taken.used` on, and stores the frames that come out.
    fn take_inflated<S: Store>(
        &mut self,
        input: &[u8],
        at_end: bool,
        sink: &mut Sink<'_, S>,
        taken: &mut Taken,
    ) {
        let mut inflated_bytes = 0;
        loop {
            let Some(extras) = &mut self.extras else { return };
            let mut text = std::mem::take(&mut extras.inflated);
            let is_refused = extras.refused.is_some();
            let is_dry = is_refused || taken.used == input.len() && !extras.is_overfull;
            // What came out before is stored before more comes out.
            let mut inner = Taken::default();
            self.take_frames(&text, is_dry && (at_end || is_refused), sink, &mut inner);
            text.drain(..inner.used);
            let Some(Extras { inflater: Some(inflater), inflated, is_overfull, refused, .. }) =
                self.extras.as_deref_mut()
            else {
                return;
            };
            *inflated = text;
            (taken.full, taken.has_more) = (inner.full, inner.has_more);
            if taken.full.is_some() || taken.has_more {
                return;
            }
            if is_dry {
                inflated.shrink_to_fit();
                taken.refused = *refused;
                return;
            }
            if inflated_bytes >= INFLATED_BYTES_PER_GO {
                taken.has_more = true;
                return;
            }
            let before = inflated.len();
            match inflater.push(&input[taken.used..], inflated, INFLATED_BYTES_PER_STEP) {
                Ok((used, status)) => {
                    taken.used += used;
                    *is_overfull = status == Status::Full;
                }
                Err(error) => {
                    taken.used = input.len();
                    *refused = Some(Refused::Inflate(error));
                }
            }
            inflated_bytes += inflated.len() - before;
            sink.metrics.inflated_bytes += (inflated.len() - before) as u64;
        }
    }

    /// Stores a frame, or keeps it with the lines that it may belong to.
    fn store<S: Store>(&mut self, frame: &Frame<'_>, sink: &mut Sink<'_, S>) -> Result<(), Full> {
        // What has a header of its own begins a record, or is one: it goes on with none.
        let may_join = match &mut sink.intake.first_line {
            None => false,
            Some(first) => frame.kind == Kind::Plain || first.is_first(frame.text),
        };
        let Some(first_line) = sink.intake.first_line.as_mut().filter(|_| may_join) else {
            self.store_pending(sink)?;
            return sink.put(frame, &mut self.labels, b"");
        };
        let extras = self.extras.get_or_insert_default();
        let (line, cut) = (frame.text, frame.cut);
        let (bytes_max, now) = (self.line_bytes_max, sink.now);
        if extras.joined.pending().is_none() {
            extras.joined_kind = frame.kind;
        }
        match extras.joined.push(line, cut, first_line, bytes_max, now, sink.metrics) {
            Push::Kept => Ok(()),
            Push::Alone => sink.put(frame, &mut self.labels, b""),
            Push::Full => {
                self.store_pending(sink)?;
                let extras = self.extras.get_or_insert_default();
                extras.joined.replace(line, cut, now);
                extras.joined_kind = frame.kind;
                Ok(())
            }
        }
    }

    /// Stores the lines that were joined so far.
    fn store_pending<S: Store>(&mut self, sink: &mut Sink<'_, S>) -> Result<(), Full> {
        let Some(extras) = &mut self.extras else { return Ok(()) };
        let Some((text, cut)) = extras.joined.pending() else { return Ok(()) };
        let frame = Frame { text, cut, kind: extras.joined_kind, resync: false };
        sink.put(&frame, &mut self.labels, b"")?;
        extras.joined.stored();
        Ok(())
    }

    /// Stores lines that were joined and are due, and takes a beginning that is undecided for too
    /// long for a plain line. Not to be called while it is stalled.
    ///
    /// # Errors
    /// [`Full`]: it stays due.
    pub fn store_due<S: Store>(&mut self, sink: &mut Sink<'_, S>) -> Result<(), Full> {
        if self.undecided_since.is_some_and(|at| is_decided(at, sink.now)) {
            let held = std::mem::take(&mut self.held);
            let taken = self.take(&held, false, sink);
            self.held = held[taken.used..].to_vec();
            self.is_stalled = taken.full.is_some();
        }
        match self.extras.as_ref().and_then(|all| all.joined.next_deadline()) {
            Some(deadline) if deadline <= sink.now => self.store_pending(sink),
            _ => Ok(()),
        }
    }

    /// Stores what is left of a sender that has ended.
    fn end<S: Store>(&mut self, sink: &mut Sink<'_, S>) -> Result<(), Full> {
        self.store_pending(sink)?;
        sink.tell_of(&self.labels)
    }

    /// Stores the records of one whole datagram from `peer` (empty where that is this machine); of
    /// one that `is_cut` the end did not fit our room. Where the segment has no room (`full`), the
    /// caller shows the datagram again before any other, and that so much of it was `used`: 0 at
    /// first.
    pub fn take_datagram<S: Store>(
        &mut self,
        datagram: &[u8],
        used: usize,
        is_cut: bool,
        peer: &[u8],
        sink: &mut Sink<'_, S>,
    ) -> Taken {
        let mut taken = Taken { used: used.min(datagram.len()), ..Taken::default() };
        // Of others nothing is used before they are stored.
        let kind = if used > 0 { Datagram::Frames } else { frame::datagram(datagram) };
        let stored = match kind {
            Datagram::Syslog(text) => self.store_message(text, is_cut, peer, sink),
            Datagram::Compressed(body) => self.store_compressed(body, Format::Zlib, peer, sink),
            Datagram::Gzip(body) => self.store_compressed(body, Format::Gzip, peer, sink),
            Datagram::Foreign(foreign) => {
                taken.refused = Some(Refused::Foreign(foreign));
                Ok(())
            }
            Datagram::Frames => {
                if used == 0 {
                    self.codec = FrameCodec::of_text(self.line_bytes_max);
                }
                self.take_lines(datagram, is_cut, peer, sink, &mut taken)
            }
        };
        match stored {
            Ok(()) => taken.used = datagram.len(),
            Err(full) => taken.full = Some(full),
        }
        taken
    }

    /// Stores the lines of a datagram from `taken.used` on.
    fn take_lines<S: Store>(
        &mut self,
        datagram: &[u8],
        is_cut: bool,
        peer: &[u8],
        sink: &mut Sink<'_, S>,
        taken: &mut Taken,
    ) -> Result<(), Full> {
        loop {
            let rest = &datagram[taken.used..];
            let before = self.codec;
            let (used, step) = self.codec.finish(rest);
            let stored = match step {
                Step::Record(frame) => {
                    let cut = frame.cut || is_cut && used == rest.len();
                    let stored = sink.put(&Frame { cut, ..frame }, &mut self.labels, peer);
                    sink.metrics.resyncs += u64::from(frame.resync && stored.is_ok());
                    stored
                }
                Step::Skip { dropped, resync } => {
                    sink.metrics.cut_bytes += dropped as u64;
                    sink.metrics.resyncs += u64::from(resync);
                    Ok(())
                }
                Step::Compressed { body } => self.store_compressed(body, Format::Zlib, peer, sink),
                Step::NeedMore | Step::Gzip | Step::Foreign(_) => return Ok(()),
            };
            if stored.is_err() {
                self.codec = before;
                return stored;
            }
            taken.used += used;
        }
    }

    /// Inflates one frame and stores it. One that is broken is counted and dropped.
    fn store_compressed<S: Store>(
        &mut self,
        body: &[u8],
        format: Format,
        peer: &[u8],
        sink: &mut Sink<'_, S>,
    ) -> Result<(), Full> {
        self.store_pending(sink)?;
        let mut text = std::mem::take(&mut sink.intake.inflated);
        text.clear();
        let inflater = sink.intake.inflater.get_or_insert_with(|| Box::new(Inflater::new()));
        let stored = match inflater.whole(body, format, &mut text, self.line_bytes_max) {
            Err(_) => {
                sink.metrics.inflate_errors += 1;
                Ok(())
            }
            Ok(is_whole) => {
                let record = frame::without_lf(&text);
                let frame =
                    Frame { text: record, cut: !is_whole, kind: Kind::of(record), resync: false };
                if record.is_empty() { Ok(()) } else { sink.put(&frame, &mut self.labels, peer) }
            }
        };
        if stored.is_ok() {
            sink.metrics.inflated_bytes += text.len() as u64;
        }
        sink.intake.inflated = text;
        stored
    }

    /// Stores a whole syslog message: what is longer than allowed is cut.
    fn store_message<S: Store>(
        &mut self,
        message: &[u8],
        is_cut: bool,
        peer: &[u8],
        sink: &mut Sink<'_, S>,
    ) -> Result<(), Full> {
        let (text, rest) = message.split_at(message.len().min(self.line_bytes_max));
        let cut = is_cut || !rest.is_empty();
        let frame = Frame { text, cut, kind: Kind::Syslog, resync: false };
        sink.put(&frame, &mut self.labels, peer)?;
        sink.metrics.cut_bytes += rest.len() as u64;
        Ok(())
    }

    /// Gives up waiting for the rest of an unfinished frame: there is no memory for more of it.
    /// What is there is stored as a cut record, and the codec drops the rest. Of a gzip stream
    /// nothing can be dropped: it is refused, as is who has not told its name yet.
    pub fn cut_short<S: Store>(&mut self, taken: &mut Taken, sink: &mut Sink<'_, S>) {
        if self.expects_proxy {
            taken.refused = Some(Refused::Memory);
            return;
        }
        if let Some(extras) = self.extras.as_mut().filter(|all| all.inflater.is_some()) {
            extras.refused.get_or_insert(Refused::Memory);
            let Taken { full, has_more, refused, .. } = self.take(b"", false, sink);
            (taken.full, taken.has_more, taken.refused) = (full, has_more, refused);
            return;
        }
        if let Err(full) = self.store_pending(sink).and_then(|()| self.store_unfinished(sink)) {
            taken.full = Some(full);
        }
    }

    /// Stores what is held of an unfinished frame as a cut record, and drops the rest of it.
    fn store_unfinished<S: Store>(&mut self, sink: &mut Sink<'_, S>) -> Result<(), Full> {
        // What the codec leaves of something that it drops is a few bytes, and might be a mark.
        if self.held.is_empty() || self.codec.is_dropping() {
            return Ok(());
        }
        let mut dropped = self.held.len();
        if let Some(frame) = self.codec.unfinished(&self.held) {
            sink.put(&frame, &mut self.labels, b"")?;
            sink.metrics.cut_for_memory += 1;
            dropped = self.held.as_ptr_range().end.addr() - frame.text.as_ptr_range().end.addr();
        }
        sink.metrics.cut_bytes += dropped as u64;
        self.held = Vec::new();
        self.codec.skip_rest();
        Ok(())
    }

    /// Whether all that comes is one gzip stream.
    pub fn is_inflating(&self) -> bool {
        self.extras.as_ref().is_some_and(|all| all.inflater.is_some())
    }
}

/// Whether a beginning that is undecided since then is a plain line `now`.
fn is_decided(since: Mono, now: Mono) -> bool {
    now.saturating_sub(since) >= FRAME_UNDECIDED_MS * MS
}

/// How a connection's bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
}
