//! Frames: where a record ends on a stream that may speak anything.
//!
//! Each frame is recognised by its own first bytes, whatever came before it:
//!
//! ```text
//! <PRI> …  LF | CRLF | NUL    a syslog message (RFC 3164, RFC 5424)
//! N <PRI> …                   the same, N bytes of it (RFC 6587, section 3.4.1); an LF that ends
//!                             them goes, and one behind them is no record
//! N z 0x78 …                  a zlib stream of N - 1 bytes: rsyslog's compression.mode="single"
//! { … }  LF | CRLF | NUL      JSON; several objects on one line are several records
//! RS { … }  LF                JSON text sequences (RFC 7464): RS goes
//! anything else               a line, as mod line has it
//! ```
//!
//! **NUL.** Where a NUL ends a record and `<PRI>` follows it, the sender ends its syslog messages
//! with NUL: from then on they may hold LF, and one LF before the NUL goes (rsyslog writes both).
//! Other lines still end at either. Where no NUL comes within the limit, but an LF and `<PRI>` do,
//! the NUL was an accident: LF ends messages again.
//!
//! **Wrong counts.** An LF with another frame's `<PRI>` or `N <PRI>` behind it, inside a counted
//! frame, says that the count is wrong: the frame ends there. Text that follows a counted frame
//! with no LF between them is a record too; it ends as a line does, or before the next plausible
//! count.
//!
//! **Nothing between messages.** `<14>one<14>two`, which Python's SysLogHandler sends with
//! `append_nul = False`, or socat from a datagram socket, stays one record: a message may quote
//! another, and no rule could tell.
//!
//! A connection's first bytes may also say that all of it is something else: [`Step::Gzip`],
//! [`Step::Foreign`].

mod counted;
mod datagram;
mod fuzz;
mod json;
mod mark;
mod nul;
mod sniff;
#[cfg(test)]
mod tests;

pub use self::datagram::{Datagram, datagram};
pub use self::fuzz::fuzz_frame;
use self::mark::{Count, Found, MARK_BYTES_MAX};
pub use self::sniff::Foreign;
use self::sniff::Sniffed;
use super::line::{self, LineCodec};
use crate::limits::COMPRESSED_FRAME_BYTES_MAX;

/// How the frames of a stream are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Framing {
    /// Each frame is recognised by its own first bytes.
    #[default]
    Auto,
    /// Each ends with LF (or NUL), as [`LineCodec`] has it.
    Lf,
    /// Each begins with its length: RFC 6587, section 3.4.1. What has none is a line, and ends at
    /// the next count at the latest.
    Octet,
    /// Each ends with NUL; one LF before it goes.
    Nul,
}

/// Splits one connection's bytes into frames.
///
/// The caller keeps what is unread and hands it back, longer, at the next call. What has to be
/// kept is at most [`Self::held_bytes_max`].
#[derive(Clone, Copy, Debug)]
pub struct FrameCodec {
    /// What splits lines; at a line's beginning, except where it says that it is midway.
    line: LineCodec,
    /// Bytes still to come of what `state` is about. At a frame's beginning: bytes that a counted
    /// frame has beyond the inbox of the last step, 0 where none is waited for.
    left: u32,
    /// Bytes of the unfinished frame that were already looked through.
    searched: u32,
    state: State,
    framing: Framing,
    /// A `<PRI>` has been seen, so that a NUL would tell something.
    is_syslog: bool,
    /// `is_syslog`, and what ended the last record, or came behind it, was a NUL.
    nul_seen: bool,
    /// NUL alone ends a message that begins with `<PRI>`.
    nul_ends: bool,
    /// The last frame was a counted one, and no line has ended since.
    is_behind_count: bool,
}

/// Where a codec stands. Each has a row of [`CLASSES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At a connection's first byte.
    Start,
    /// At a frame's beginning; no NUL would tell anything.
    Between,
    /// At a frame's beginning; LF alone ends frames, all of them lines.
    Lf,
    /// At a frame's beginning, and more than its first byte must be looked at.
    Begin,
    /// Within a line of which it was decided that it is plain.
    Plain,
    /// At one of several objects on a line: `left` bytes of them.
    Objects,
    /// Within `left` bytes of a counted frame that are dropped.
    DropCounted,
    /// Within a frame of which all up to a NUL is dropped.
    DropToNul,
    /// Within stray text of which all up to its end is dropped.
    DropStray,
}

/// Bytes that a caller may have to keep beyond the longest frame: what stands before and behind it.
pub const MARKS_BYTES_MAX: usize = 2 * MARK_BYTES_MAX;

/// The first byte of a line in whose text nothing needs to be looked at.
const PLAIN: u8 = 0;
/// The first byte of a line that might have a mark.
const MARKED: u8 = 1;
/// A digit, with which a line begins, or the count of a frame.
const DIGIT: u8 = 2;
/// Another look is needed.
const OTHER: u8 = 3;

/// What the first byte of the inbox says, for each [`State`].
static CLASSES: [[u8; 256]; 9] = classes();

const fn classes() -> [[u8; 256]; 9] {
    let mut classes = [[OTHER; 256]; 9];
    let mut byte = 0;
    while byte < 256 {
        let class = match byte as u8 {
            b'<' | b'{' => MARKED,
            _ => PLAIN,
        };
        classes[State::Lf as usize][byte] = class;
        classes[State::Between as usize][byte] = match byte as u8 {
            b'1'..=b'9' => DIGIT,
            0x1e => MARKED,
            _ => class,
        };
        byte += 1;
    }
    classes
}

/// One step's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// No end of a frame in sight; nothing was used.
    NeedMore,
    /// A record.
    Record(Frame<'a>),
    /// The bytes used hold no record: empty lines, or the rest of a cut frame.
    Skip {
        /// Bytes of content lost, without what ended the frame. 0 for empty lines.
        dropped: usize,
        /// A wrong count was met.
        resync: bool,
    },
    /// A frame that is compressed: a zlib stream (RFC 1950), one record once inflated.
    Compressed {
        /// The stream. Whether it is a whole one is not known.
        body: &'a [u8],
    },
    /// The connection is one gzip stream: all of it, from here on, is to be inflated, and what
    /// comes out belongs to a codec of its own. Nothing was used.
    Gzip,
    /// The connection is no text. Nothing was used, and no other answer will come.
    Foreign(Foreign),
}

/// One record's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Never empty, and without its count and its end. Of a counted frame, or one that ends with
    /// NUL, it may hold LF.
    pub text: &'a [u8],
    /// Longer than the limit: `text` is its first `line_bytes_max` bytes (with a separator before
    /// it counted in), and what is dropped of it follows as [`Step::Skip`].
    pub cut: bool,
    /// What its first bytes say.
    pub kind: Kind,
    /// A wrong count was met: the frame is not what had been announced.
    pub resync: bool,
}

/// What a record's first bytes say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Kind {
    /// A line.
    #[default]
    Plain,
    /// It begins with `<PRI>`.
    Syslog,
    /// It begins with `{`.
    Json,
}

impl Kind {
    /// What `text` is.
    pub fn of(text: &[u8]) -> Self {
        match text.first() {
            Some(b'<') if matches!(mark::pri(text), Found::Yes(_)) => Self::Syslog,
            Some(b'{') => Self::Json,
            _ => Self::Plain,
        }
    }
}

impl FrameCodec {
    /// A codec at the beginning of a connection. `line_bytes_max` is at least 1.
    ///
    /// # Panics
    /// When `line_bytes_max` is 0 or does not fit a slot's length.
    pub fn new(framing: Framing, line_bytes_max: usize) -> Self {
        let mut codec = Self {
            line: LineCodec::new(line_bytes_max),
            left: 0,
            searched: 0,
            state: State::Start,
            framing,
            is_syslog: false,
            nul_seen: false,
            nul_ends: false,
            is_behind_count: false,
        };
        if framing != Framing::Auto {
            codec.state = codec.home();
        }
        codec
    }

    /// A codec for the text of a datagram, or for what came out of a gzip stream: as
    /// [`Framing::Auto`], but the first bytes say nothing about the rest.
    pub fn of_text(line_bytes_max: usize) -> Self {
        let mut codec = Self::new(Framing::Auto, line_bytes_max);
        codec.state = codec.home();
        codec
    }

    /// The most bytes that a caller has to keep for a step to be possible.
    pub fn held_bytes_max(&self) -> usize {
        let compressed = if self.framing == Framing::Lf { 0 } else { COMPRESSED_FRAME_BYTES_MAX };
        let sniffed = if self.framing == Framing::Auto { sniff::BYTES_MAX } else { 0 };
        self.line.line_bytes_max().max(compressed).max(sniffed) + MARKS_BYTES_MAX
    }

    /// The plain line with which `inbox` begins, where it is a whole one and no longer than
    /// allowed: how many bytes it uses, and its text. `None` where that takes [`Self::step`] to
    /// say. Using a line up needs no telling: it changes nothing.
    // The path of nearly every record: one look into a table more than a line takes by itself.
    #[inline(always)]
    pub fn plain<'a>(&self, inbox: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let class = CLASSES[self.state as usize][usize::from(*inbox.first()?)];
        let is_plain = class == PLAIN || class == DIGIT && is_no_count(inbox);
        if !is_plain || self.line.is_midway() {
            return None;
        }
        self.line.whole(inbox)
    }

    /// The JSON object with which `inbox` begins, where it is a whole line, as [`Self::plain`].
    #[inline]
    pub fn object<'a>(&self, inbox: &'a [u8]) -> Option<(usize, &'a [u8])> {
        if self.state != State::Between || inbox.first() != Some(&b'{') || self.line.is_midway() {
            return None;
        }
        self.line.whole(inbox).filter(|(_, line)| !json::may_hold_several(line))
    }

    /// Takes one step over `inbox`: how many bytes it used, and what they mean. Pull until
    /// [`Step::NeedMore`].
    ///
    /// `inbox` begins with all bytes that earlier steps left unread.
    pub fn step<'a>(&mut self, inbox: &'a [u8]) -> (usize, Step<'a>) {
        self.advance(inbox, false)
    }

    /// Takes one step after the peer's close, when no byte will follow. Pull until
    /// [`Step::NeedMore`]: then all is used.
    pub fn finish<'a>(&mut self, inbox: &'a [u8]) -> (usize, Step<'a>) {
        self.advance(inbox, true)
    }

    /// Whether `inbox`, with which the last step needed more, is the beginning of a connection that
    /// could still become something else than a line.
    pub fn is_undecided(&self, inbox: &[u8]) -> bool {
        self.state == State::Start
            && (sniff::sniff(inbox) == Sniffed::Undecided || may_get_a_mark(inbox))
            && !inbox.is_empty()
    }

    /// Ends the waiting for what an undecided beginning becomes: it is a plain line.
    pub fn decide(&mut self) {
        if self.state == State::Start {
            self.state = State::Plain;
        }
    }

    /// Whether the rest of a record that was cut is being dropped: a few bytes are left in the
    /// inbox only where they might begin another frame.
    pub fn is_dropping(&self) -> bool {
        matches!(self.state, State::DropCounted | State::DropToNul | State::DropStray)
    }

    /// What there is of an unfinished frame in `inbox`, as a cut record; `None` where nothing of it
    /// is to be stored: it is compressed, or the rest of a record that was cut before. For a caller
    /// that has no room to wait for the rest: it stores this, uses up all of `inbox`, and calls
    /// [`Self::skip_rest`].
    pub fn unfinished<'a>(&self, inbox: &'a [u8]) -> Option<Frame<'a>> {
        if self.is_dropping() {
            return None;
        }
        let counted = if self.left == 0 { Found::No } else { self.count(inbox) };
        let text = match counted {
            Found::Yes(count) if count.is_compressed => return None,
            Found::Yes(count) => &inbox[count.prefix..],
            _ => inbox,
        };
        let text = &text[..text.len().min(self.line.line_bytes_max())];
        (!text.is_empty()).then(|| Frame { text, cut: true, kind: Kind::of(text), resync: false })
    }

    /// Drops what comes up to the end of the frame, because the caller has used up all of the inbox
    /// of the last step and stored what it had of the frame as a cut record.
    pub fn skip_rest(&mut self) {
        let was_searched = self.searched > 0;
        self.searched = 0;
        match self.state {
            State::DropCounted | State::DropToNul | State::DropStray => {}
            State::Between | State::Begin if self.left > 0 => self.state = State::DropCounted,
            State::Between | State::Begin if self.framing == Framing::Nul => {
                self.state = State::DropToNul;
            }
            State::Begin if self.is_behind_count || self.framing == Framing::Octet => {
                self.state = State::DropStray;
            }
            State::Begin if was_searched => self.state = State::DropToNul,
            _ => {
                self.left = 0;
                self.state = self.home();
                self.line.skip_rest();
            }
        }
    }

    /// The state at a frame's beginning.
    fn home(&self) -> State {
        match self.framing {
            Framing::Lf => State::Lf,
            Framing::Auto if !self.is_syslog && !self.is_behind_count => State::Between,
            _ => State::Begin,
        }
    }

    /// The count with which `inbox` begins.
    fn count(&self, inbox: &[u8]) -> Found<Count> {
        match self.framing {
            Framing::Auto => mark::count(inbox),
            Framing::Octet => mark::any_count(inbox),
            Framing::Lf | Framing::Nul => Found::No,
        }
    }

    /// The step for all that is no plain line from its beginning to its end.
    // Out of the way of those that are.
    #[inline(never)]
    fn advance<'a>(&mut self, inbox: &'a [u8], at_end: bool) -> (usize, Step<'a>) {
        if self.line.is_midway() {
            return self.step_line(inbox, at_end);
        }
        if inbox.is_empty() {
            return (0, Step::NeedMore);
        }
        match self.state {
            State::Start => self.step_start(inbox, at_end),
            State::Between | State::Begin => match self.framing {
                Framing::Octet => self.step_octet(inbox, at_end),
                Framing::Nul => self.step_nul(inbox, at_end),
                Framing::Auto | Framing::Lf => self.step_auto(inbox, at_end),
            },
            State::Lf | State::Plain => self.step_line(inbox, at_end),
            State::Objects => self.step_objects(inbox),
            State::DropCounted => self.drop_counted(inbox, at_end),
            State::DropToNul => self.drop_to_nul(inbox),
            State::DropStray => self.drop_stray(inbox, at_end),
        }
    }

    /// At the first byte of a connection.
    #[cold]
    fn step_start<'a>(&mut self, inbox: &'a [u8], at_end: bool) -> (usize, Step<'a>) {
        match sniff::sniff(inbox) {
            Sniffed::Gzip => return (0, Step::Gzip),
            Sniffed::Foreign(foreign) => return (0, Step::Foreign(foreign)),
            Sniffed::Undecided if !at_end => return (0, Step::NeedMore),
            Sniffed::Text if !at_end && may_get_a_mark(inbox) => return (0, Step::NeedMore),
            Sniffed::Undecided | Sniffed::Text => {}
        }
        self.state = self.home();
        self.advance(inbox, at_end)
    }

    /// At a frame's beginning, where it says itself what it is.
    fn step_auto<'a>(&mut self, inbox: &'a [u8], at_end: bool) -> (usize, Step<'a>) {
        let may_wait = !at_end;
        match inbox[0] {
            b'1'..=b'9' => match mark::count(inbox) {
                Found::Yes(count) => return self.step_counted(inbox, count, at_end),
                Found::More if may_wait => return (0, Step::NeedMore),
                Found::No | Found::More => {}
            },
            b'<' if self.nul_ends || self.nul_seen => match mark::pri(inbox) {
                Found::Yes(_) => {
                    self.nul_ends = true;
                    self.is_behind_count = false;
                    return self.step_nul(inbox, at_end);
                }
                Found::More if may_wait => return (0, Step::NeedMore),
                Found::No | Found::More => {}
            },
            b'{' | b'\n' | 0 => self.is_behind_count = false,
            0x1e => match inbox.get(1) {
                Some(b'{') => self.is_behind_count = false,
                None if may_wait => return (0, Step::NeedMore),
                _ => {}
            },
            _ => {}
        }
        if self.is_behind_count {
            return self.step_stray(inbox, at_end);
        }
        self.step_line(inbox, at_end)
    }

    /// A line, whatever its text.
    fn step_line<'a>(&mut self, inbox: &'a [u8], at_end: bool) -> (usize, Step<'a>) {
        let (used, step) = if at_end { self.line.finish(inbox) } else { self.line.step(inbox) };
        match step {
            line::Step::NeedMore => (0, Step::NeedMore),
            line::Step::Skip { dropped } => {
                let is_nul = inbox[used - 1] == 0 || dropped == 0 && inbox[..used].contains(&0);
                self.nul_seen = self.is_syslog && is_nul || dropped == 0 && self.nul_seen;
                self.state = self.home();
                (used, Step::Skip { dropped, resync: false })
            }
            line::Step::Record(line) => self.line_record(inbox, used, line),
        }
    }

    /// A line with an end: looks at how it begins.
    fn line_record<'a>(
        &mut self,
        inbox: &'a [u8],
        used: usize,
        line: line::Line<'a>,
    ) -> (usize, Step<'a>) {
        let line::Line { text, cut } = line;
        let is_decided = self.state == State::Plain;
        let has_mark = self.framing == Framing::Auto && !is_decided;
        let marks = usize::from(has_mark && matches!(text, [0x1e, b'{', ..]));
        let mut kind = if is_decided { Kind::Plain } else { Kind::of(&text[marks..]) };
        if kind == Kind::Json && has_mark {
            match json::several(&text[marks..], cut) {
                Some(0) => {}
                Some(bytes) => {
                    self.line.restart();
                    self.state = State::Objects;
                    self.left = bounded(marks + bytes);
                    return self.step_objects(inbox);
                }
                None => kind = Kind::Plain,
            }
        }
        self.is_syslog |= kind == Kind::Syslog;
        self.nul_seen = self.is_syslog && !cut && inbox[used - 1] == 0;
        self.state = self.home();
        let text = if kind == Kind::Json { &text[marks..] } else { text };
        (used, Step::Record(Frame { text, cut, kind, resync: false }))
    }

    /// At one of several objects on a line, of which `left` bytes were looked through.
    fn step_objects<'a>(&mut self, inbox: &'a [u8]) -> (usize, Step<'a>) {
        let left = self.left as usize;
        let line = &inbox[..inbox.len().min(left)];
        let start = usize::from(line.first() == Some(&0x1e));
        let Some(bytes) = json::object_end(&line[start..]) else {
            // Only where the caller shows other bytes than before: they begin a frame.
            self.left = 0;
            self.state = self.home();
            return (0, Step::NeedMore);
        };
        let end = start + bytes;
        let used = end + json::blanks(&line[end..]);
        self.left = bounded(left - used);
        self.nul_seen = false;
        if self.left == 0 {
            self.state = self.home();
        }
        let text = &inbox[start..end];
        (used, Step::Record(Frame { text, cut: false, kind: Kind::Json, resync: false }))
    }
}

/// Whether what `inbox` begins with, a digit, is surely no count: behind a count's digits stands a
/// blank, behind those of a date or an address something else.
#[inline(always)]
fn is_no_count(inbox: &[u8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let Some(head) = inbox.first_chunk::<8>() else { return false };
    let head = u64::from_le_bytes(*head);
    // The high bit of each byte that is no digit; bytes above 0x7f are none.
    let below = (head & !HIGH) + ONES * (0x80 - b':' as u64);
    let least = (head & !HIGH) + ONES * (0x80 - b'0' as u64);
    let others = (below | !least | head) & HIGH;
    let first = others.trailing_zeros() & !7;
    // Eight digits are more than a count has.
    others == 0 || (head >> first) as u8 != b' '
}

/// Whether `inbox`, the beginning of a connection, could become a frame with a mark.
fn may_get_a_mark(inbox: &[u8]) -> bool {
    match inbox {
        [b'1'..=b'9', ..] => mark::count(inbox) == Found::More,
        [b'<', ..] => mark::pri(inbox) == Found::More,
        [0x1e] => true,
        _ => false,
    }
}

/// `text` without the LF that ends it, nor the CR before that.
pub(crate) fn without_lf(text: &[u8]) -> &[u8] {
    match text {
        [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text,
        _ => text,
    }
}

/// A length that the limits keep within 32 bits.
fn bounded(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
