//! Whether an entry's stream is that of the one before.

use crate::proto::entries::Pairs;

/// The stream of the entry that was given last.
#[derive(Debug, Default)]
pub(in crate::proto) struct Stream {
    pub pairs: Pairs,
    /// That of the next one.
    pub next: Pairs,
    /// Whether it is still to be said that it is new.
    pub is_unsaid: bool,
    /// What the last step said.
    pub is_new: bool,
}

impl Stream {
    /// A stream that nobody has heard of.
    pub fn new() -> Self {
        Self { is_unsaid: true, ..Self::default() }
    }

    /// `next` is the stream of the entry that is given now.
    #[inline]
    pub fn turn(&mut self) {
        let is_other = self.next != self.pairs;
        if is_other {
            std::mem::swap(&mut self.next, &mut self.pairs);
        }
        self.stay(is_other);
    }

    /// The entry that is given now has the stream of the one before, or another.
    #[inline]
    pub fn stay(&mut self, is_other: bool) {
        self.is_new = is_other || self.is_unsaid;
        self.is_unsaid = false;
    }

    /// The entry that was given last comes again.
    pub fn retry(&mut self) {
        self.is_unsaid |= self.is_new;
    }
}
