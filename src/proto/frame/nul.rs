//! Frames that end with NUL, and may hold LF.

use memchr::memchr;

use super::{Frame, FrameCodec, Framing, Kind, State, Step, bounded, mark, without_lf};

impl FrameCodec {
    /// At the beginning of a frame that ends with NUL.
    pub(super) fn step_nul<'a>(&mut self, inbox: &'a [u8], at_end: bool) -> (usize, Step<'a>) {
        let empty = inbox.iter().take_while(|byte| matches!(byte, b'\n' | 0)).count();
        if empty > 0 {
            return (empty, Step::Skip { dropped: 0, resync: false });
        }
        let limit = self.line.line_bytes_max();
        // The longest frame that is not cut: all of its content, CR, LF, NUL.
        let window = &inbox[..inbox.len().min(limit + 3)];
        let is_full = window.len() == limit + 3;
        let searched = (self.searched as usize).min(window.len());
        let end = memchr(0, &window[searched..]).map(|ahead| searched + ahead);
        let text = match end {
            Some(end) => without_lf(&window[..end]),
            None if !is_full && !at_end => {
                self.searched = bounded(window.len());
                return (0, Step::NeedMore);
            }
            None => {
                if let Some(at) = self.accident(&window[..window.len().min(limit)], is_full) {
                    return self.nul_was_an_accident(inbox, at);
                }
                if is_full { window } else { without_lf(window) }
            }
        };
        self.searched = 0;
        if text.len() > limit {
            self.state = State::DropToNul;
            let text = &text[..limit];
            let frame = Frame { text, cut: true, kind: Kind::of(text), resync: false };
            return (limit, Step::Record(frame));
        }
        self.nul_seen = end.is_some();
        self.state = self.home();
        let used = end.map_or(window.len(), |end| end + 1);
        if text.is_empty() {
            return (used, Step::Skip { dropped: 0, resync: false });
        }
        let frame = Frame { text, cut: false, kind: Kind::of(text), resync: false };
        (used, Step::Record(frame))
    }

    /// Where the message really ends, given that no NUL came: before another one, or, where it
    /// would have to be cut, at its first LF.
    fn accident(&self, text: &[u8], is_full: bool) -> Option<usize> {
        if self.framing != Framing::Auto {
            return None;
        }
        mark::lf_pri(text).or_else(|| if is_full { memchr(b'\n', text) } else { None })
    }

    /// LF ends messages again; this one at `at`.
    fn nul_was_an_accident<'a>(&mut self, inbox: &'a [u8], at: usize) -> (usize, Step<'a>) {
        self.searched = 0;
        self.nul_ends = false;
        self.nul_seen = false;
        self.state = self.home();
        let text = without_lf(&inbox[..=at]);
        let frame = Frame { text, cut: false, kind: Kind::of(text), resync: true };
        (at + 1, Step::Record(frame))
    }

    /// Within a frame of which all up to a NUL is dropped.
    pub(super) fn drop_to_nul<'a>(&mut self, inbox: &'a [u8]) -> (usize, Step<'a>) {
        let (used, dropped) = match memchr(0, inbox) {
            Some(end) => {
                self.nul_seen = true;
                self.state = self.home();
                (end + 1, end)
            }
            None => (inbox.len(), inbox.len()),
        };
        (used, Step::Skip { dropped, resync: false })
    }
}
