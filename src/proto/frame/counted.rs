//! Counted frames, and the stray text between them that a wrong count leaves.

use super::mark::{self, Count, Found, Inside, MARK_BYTES_MAX, StrayEnd};
use super::{Frame, FrameCodec, Framing, Kind, State, Step, bounded, without_lf};
use crate::limits::COMPRESSED_FRAME_BYTES_MAX;

impl FrameCodec {
    /// At a frame's beginning, where all are counted.
    pub(super) fn step_octet<'a>(&mut self, inbox: &'a [u8], at_end: bool) -> (usize, Step<'a>) {
        let empty = inbox.iter().take_while(|byte| matches!(byte, b'\n' | 0)).count();
        if empty > 0 {
            return (empty, Step::Skip { dropped: 0, resync: false });
        }
        match mark::any_count(inbox) {
            Found::Yes(count) => self.step_counted(inbox, count, at_end),
            Found::More if !at_end => (0, Step::NeedMore),
            Found::No | Found::More => self.step_stray(inbox, at_end),
        }
    }

    /// At a count.
    pub(super) fn step_counted<'a>(
        &mut self,
        inbox: &'a [u8],
        count: Count,
        at_end: bool,
    ) -> (usize, Step<'a>) {
        if count.is_compressed {
            return self.step_compressed(inbox, count, at_end);
        }
        let Count { prefix, bytes, .. } = count;
        let limit = self.line.line_bytes_max();
        // One byte over the limit may be the LF that goes. Of a longer frame as much is wanted as
        // tells whether another frame's mark stands within what is kept.
        let is_long = bytes > limit + 1;
        let wanted = if is_long { bytes.min(limit + 1 + MARK_BYTES_MAX) } else { bytes };
        let content = &inbox[prefix..];
        let frame = &content[..content.len().min(wanted)];
        let (searched, is_whole) = (self.searched as usize, frame.len() == bytes);
        match mark::other_mark(frame, searched, limit, is_whole) {
            Inside::Wrong(at) => return self.wrong_count(inbox, prefix, at),
            Inside::Clean(searched) if frame.len() < wanted && !at_end => {
                self.searched = bounded(searched);
                self.left = bounded(prefix + bytes - inbox.len());
                return (0, Step::NeedMore);
            }
            Inside::Clean(_) => {}
        }
        self.counted_end();
        // Only a connection's end can leave it short.
        let resync = frame.len() < wanted;
        let text = if is_whole || resync { without_lf(frame) } else { frame };
        if text.len() > limit {
            self.state = State::DropCounted;
            self.left = bounded(if resync { content.len() } else { bytes } - limit);
            let text = &text[..limit];
            let frame = Frame { text, cut: true, kind: Kind::of(text), resync: false };
            return (prefix + limit, Step::Record(frame));
        }
        (prefix + frame.len(), record(text, resync))
    }

    /// At the count of a compressed frame.
    fn step_compressed<'a>(
        &mut self,
        inbox: &'a [u8],
        count: Count,
        at_end: bool,
    ) -> (usize, Step<'a>) {
        let Count { prefix, bytes, .. } = count;
        let content = &inbox[prefix..];
        if bytes > self.line.line_bytes_max().max(COMPRESSED_FRAME_BYTES_MAX) {
            self.counted_end();
            self.state = State::DropCounted;
            self.left = bounded(bytes);
            return (prefix, Step::Skip { dropped: 0, resync: false });
        }
        match content.get(1..bytes) {
            Some(body) => {
                self.counted_end();
                (prefix + bytes, Step::Compressed { body })
            }
            None if at_end => {
                self.counted_end();
                (inbox.len(), Step::Skip { dropped: content.len(), resync: true })
            }
            None => {
                self.left = bounded(bytes - content.len());
                (0, Step::NeedMore)
            }
        }
    }

    /// The frame ends at the LF at `at`, behind which another begins.
    fn wrong_count<'a>(&mut self, inbox: &'a [u8], prefix: usize, at: usize) -> (usize, Step<'a>) {
        self.counted_end();
        let used = prefix + at + 1;
        (used, record(without_lf(&inbox[prefix..used]), true))
    }

    /// At the beginning of what follows a counted frame.
    fn counted_end(&mut self) {
        self.left = 0;
        self.searched = 0;
        self.nul_seen = false;
        self.is_behind_count = true;
        self.state = self.home();
    }

    /// Within a counted frame that is dropped.
    pub(super) fn drop_counted<'a>(&mut self, inbox: &'a [u8], at_end: bool) -> (usize, Step<'a>) {
        let left = self.left as usize;
        let frame = &inbox[..inbox.len().min(left)];
        let is_whole = frame.len() == left;
        let dropped = match mark::other_mark(frame, 0, frame.len(), is_whole) {
            Inside::Wrong(at) => {
                self.counted_end();
                return (at + 1, Step::Skip { dropped: at, resync: true });
            }
            Inside::Clean(_) if is_whole || at_end => frame.len(),
            Inside::Clean(0) => return (0, Step::NeedMore),
            Inside::Clean(clean) => clean,
        };
        self.left = bounded(left - dropped);
        if self.left == 0 {
            self.counted_end();
        }
        (dropped, Step::Skip { dropped, resync: false })
    }

    /// At text that nothing announced: it ends as a line does, or before the next plausible count.
    pub(super) fn step_stray<'a>(&mut self, inbox: &'a [u8], at_end: bool) -> (usize, Step<'a>) {
        let limit = self.line.line_bytes_max();
        // A count that begins at the limit is whole within the window.
        let window = &inbox[..inbox.len().min(limit + 1 + MARK_BYTES_MAX)];
        // Where a count may begin whose end was not there yet.
        let from = (self.searched as usize).min(window.len()).saturating_sub(2 * MARK_BYTES_MAX);
        // No count at the very beginning: then the text would not be stray.
        let end = mark::stray_end(&window[from..], usize::from(from == 0));
        let is_full = window.len() == limit + 1 + MARK_BYTES_MAX;
        let (text, used) = match end {
            Some(StrayEnd::Terminator(at)) => {
                let end = from + at;
                let text =
                    if window[end] == 0 { &window[..end] } else { without_lf(&window[..=end]) };
                (text, end + 1)
            }
            Some(StrayEnd::Count(at)) => (&window[..from + at], from + at),
            None if !is_full && !at_end => {
                self.searched = bounded(window.len());
                return (0, Step::NeedMore);
            }
            None => (window, window.len()),
        };
        self.searched = 0;
        // A line may follow a counted frame; one that ends with a count was none.
        let resync = self.framing == Framing::Octet || matches!(end, Some(StrayEnd::Count(_)));
        if text.len() > limit {
            self.state = State::DropStray;
            let text = &text[..limit];
            let frame = Frame { text, cut: true, kind: Kind::of(text), resync };
            return (limit, Step::Record(frame));
        }
        self.is_syslog |= Kind::of(text) == Kind::Syslog;
        let is_line = matches!(end, Some(StrayEnd::Terminator(_)));
        self.stray_ended(is_line && inbox[used - 1] == 0, is_line);
        if text.is_empty() {
            return (used, Step::Skip { dropped: 0, resync: false });
        }
        (used, record(text, resync))
    }

    /// Within stray text that is dropped.
    pub(super) fn drop_stray<'a>(&mut self, inbox: &'a [u8], at_end: bool) -> (usize, Step<'a>) {
        let (used, dropped) = match mark::stray_end(inbox, 0) {
            Some(StrayEnd::Terminator(at)) => {
                self.stray_ended(inbox[at] == 0, true);
                (at + 1, at)
            }
            Some(StrayEnd::Count(0)) => {
                self.stray_ended(false, false);
                return self.advance(inbox, at_end);
            }
            Some(StrayEnd::Count(at)) => {
                self.stray_ended(false, false);
                (at, at)
            }
            None if at_end => (inbox.len(), inbox.len()),
            // A count may have begun.
            None => match inbox.len().saturating_sub(MARK_BYTES_MAX) {
                0 => return (0, Step::NeedMore),
                dropped => (dropped, dropped),
            },
        };
        (used, Step::Skip { dropped, resync: false })
    }

    /// At the beginning of what follows stray text: a line's end, or a count.
    fn stray_ended(&mut self, nul_seen: bool, is_line: bool) {
        self.nul_seen = self.is_syslog && nul_seen;
        self.is_behind_count = !is_line;
        self.state = self.home();
    }
}

/// A record, where there is any text.
fn record(text: &[u8], resync: bool) -> Step<'_> {
    if text.is_empty() {
        return Step::Skip { dropped: 0, resync };
    }
    Step::Record(Frame { text, cut: false, kind: Kind::of(text), resync })
}
