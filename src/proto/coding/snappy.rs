//! The raw block of snappy (`format_description.txt` of google/snappy): how long the text is, then
//! literals and copies of what came before.

use super::{Coding, CodingError, Decoded, damaged};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_WINDOW_BYTES_MAX};

/// Bytes of the longest tag: its byte and four of an offset or a length.
const TAG_BYTES_MAX: usize = 5;

/// Bytes of text that are made in one go where all that makes them is there.
const RUN_BYTES: usize = 4096;

/// Bytes that are copied at once; as many behind the text of a run may be written over.
const WORD_BYTES: usize = 16;

/// Decodes one block.
///
/// Copies within the output of one step are made in place; what earlier steps gave is kept in
/// `history`, for the caller may have used it up, unless it says that it has not.
#[derive(Debug, Default)]
pub(super) struct Snappy {
    stage: Stage,
    /// The caller leaves the text of all steps in its buffer.
    is_kept: bool,
    /// The length of the text, as it says.
    length: u64,
    /// Bytes of the text that were made.
    made: u64,
    /// A tag that has not come whole.
    part: [u8; TAG_BYTES_MAX],
    part_bytes: usize,
    /// The last bytes of the text before this step, up to [`HTTP_WINDOW_BYTES_MAX`] of them: a
    /// ring, once it is full.
    history: Vec<u8>,
    /// Where the next byte of a full ring goes.
    next: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The length: bits so far, of a varint.
    Length(u32),
    Tag,
    /// So many bytes of a literal.
    Literal(u64),
    /// So many bytes from so far back.
    Copy {
        offset: u64,
        left: u64,
    },
}

impl Default for Stage {
    fn default() -> Self {
        Self::Length(0)
    }
}

impl Snappy {
    /// One whose caller leaves in `out` all that was appended to it.
    pub(super) fn kept() -> Self {
        Self { is_kept: true, ..Self::default() }
    }

    /// As [`super::Decoder::push`].
    pub(super) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<(usize, Decoded), CodingError> {
        let before = out.len();
        let start = match self.is_kept {
            true => before.saturating_sub(clamp(self.made)),
            false => before,
        };
        let mut used = 0;
        let stopped = self.elements(input, &mut used, out, start, before + room);
        if !self.is_kept {
            self.remember(&out[before..]);
        }
        stopped.map(|decoded| (used, decoded))
    }

    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.history.capacity()
    }

    /// Goes through the elements until `out` has `end` bytes; the text that copies may reach
    /// begins in it at `start`.
    fn elements(
        &mut self,
        input: &[u8],
        used: &mut usize,
        out: &mut Vec<u8>,
        start: usize,
        end: usize,
    ) -> Result<Decoded, CodingError> {
        loop {
            if self.stage == Stage::Tag && self.part_bytes == 0 {
                *used += self.run(&input[*used..], out, start, end);
            }
            let rest = &input[*used..];
            let left = end - out.len();
            match self.stage {
                Stage::Length(bits) => {
                    let [byte, ..] = rest else { return Ok(Decoded::NeedMore) };
                    *used += 1;
                    self.length(*byte, bits)?;
                }
                Stage::Tag if self.made == self.length => {
                    return match rest.is_empty() && self.part_bytes == 0 {
                        true => Ok(Decoded::Ended),
                        false => Err(bad("bytes behind its end")),
                    };
                }
                Stage::Tag => match self.tag(rest, used)? {
                    Some(stage) => self.stage = self.fits(stage)?,
                    None => return Ok(Decoded::NeedMore),
                },
                Stage::Literal(0) | Stage::Copy { left: 0, .. } => self.stage = Stage::Tag,
                Stage::Literal(_) if rest.is_empty() => return Ok(Decoded::NeedMore),
                Stage::Literal(_) | Stage::Copy { .. } if left == 0 => return Ok(Decoded::Full),
                Stage::Literal(bytes) => {
                    let taken = rest.len().min(left).min(clamp(bytes));
                    out.extend_from_slice(&rest[..taken]);
                    *used += taken;
                    self.made += taken as u64;
                    self.stage = Stage::Literal(bytes - taken as u64);
                }
                Stage::Copy { offset, left: bytes } => {
                    let copied = left.min(clamp(bytes));
                    self.copy(offset, copied, out, start)?;
                    self.made += copied as u64;
                    self.stage = Stage::Copy { offset, left: bytes - copied as u64 };
                }
            }
        }
    }

    /// Takes elements that are there whole, as long as nothing is odd about them: how many bytes
    /// they were. What is left, [`Self::elements`] takes one by one, and says what is wrong.
    #[inline]
    fn run(&mut self, input: &[u8], out: &mut Vec<u8>, start: usize, end: usize) -> usize {
        let begun = out.len();
        let bytes = (end - begun).min(RUN_BYTES).min(clamp(self.length - self.made));
        if input.len() < WORD_BYTES || bytes < WORD_BYTES {
            return 0;
        }
        out.resize(begun + bytes + WORD_BYTES, 0);
        let (end, mut at, mut rest) = (begun + bytes, begun, input);
        // Below four bytes a tag may not be whole.
        while let Some(&[tag, first, second, _]) = rest.first_chunk() {
            let upper = usize::from(tag >> 2);
            let (first, both) =
                (usize::from(first), usize::from(u16::from_le_bytes([first, second])));
            let (head, made, offset) = match tag & 3 {
                0 if upper < 60 => (1, upper + 1, 0),
                0 if upper == 60 => (2, first + 1, 0),
                0 if upper == 61 => (3, both + 1, 0),
                1 => (2, (upper & 7) + 4, upper >> 3 << 8 | first),
                2 => (3, upper + 1, both),
                _ => break,
            };
            if made > end - at {
                break;
            }
            if tag & 3 == 0 {
                let Some(behind) = literal(&rest[head..], made, at, out) else { break };
                rest = behind;
            } else {
                if offset == 0 || offset > at - start {
                    break;
                }
                copy_near(offset, made, at, out);
                rest = &rest[head..];
            }
            at += made;
        }
        out.truncate(at);
        self.made += (at - begun) as u64;
        input.len() - rest.len()
    }

    /// The next byte of the length, which holds 7 bits of it behind `bits` others.
    fn length(&mut self, byte: u8, bits: u32) -> Result<(), CodingError> {
        self.length |= u64::from(byte & 0x7f) << bits;
        if self.length > u64::from(u32::MAX) || bits > 28 {
            return Err(bad("length over 32 bits"));
        }
        self.stage = Stage::Length(bits + 7);
        if byte & 0x80 == 0 {
            if self.length > HTTP_BODY_BYTES_MAX {
                return Err(CodingError::TooLarge);
            }
            self.stage = Stage::Tag;
        }
        Ok(())
    }

    /// Reads a tag; `None` where it has not come whole.
    fn tag(&mut self, rest: &[u8], used: &mut usize) -> Result<Option<Stage>, CodingError> {
        let Some(&first) = self.part[..self.part_bytes].first().or(rest.first()) else {
            return Ok(None);
        };
        let bytes = 1 + match first & 3 {
            0 => usize::from(first >> 2).saturating_sub(59),
            1 => 1,
            2 => 2,
            _ => 4,
        };
        let taken = rest.len().min(bytes - self.part_bytes);
        self.part[self.part_bytes..self.part_bytes + taken].copy_from_slice(&rest[..taken]);
        self.part_bytes += taken;
        *used += taken;
        if self.part_bytes < bytes {
            return Ok(None);
        }
        self.part_bytes = 0;
        let mut word = [0; 4];
        word[..bytes - 1].copy_from_slice(&self.part[1..bytes]);
        let (word, upper) = (u64::from(u32::from_le_bytes(word)), u64::from(first >> 2));
        Ok(Some(match first & 3 {
            0 if upper < 60 => Stage::Literal(upper + 1),
            0 => Stage::Literal(word + 1),
            1 => Stage::Copy { offset: upper >> 3 << 8 | word, left: (upper & 7) + 4 },
            _ => Stage::Copy { offset: word, left: upper + 1 },
        }))
    }

    /// Holds an element to what the block said of its length, and a copy to what there is.
    fn fits(&self, stage: Stage) -> Result<Stage, CodingError> {
        let bytes = match stage {
            Stage::Literal(bytes) => bytes,
            Stage::Copy { offset, left } => {
                if offset == 0 || offset > self.made {
                    return Err(bad("a copy from before its beginning"));
                }
                if offset > HTTP_WINDOW_BYTES_MAX as u64 {
                    return Err(CodingError::Window);
                }
                left
            }
            Stage::Length(_) | Stage::Tag => 0,
        };
        match bytes > self.length - self.made {
            true => Err(bad("more text than it says")),
            false => Ok(stage),
        }
    }

    /// Appends `bytes` bytes from `offset` back, some of which may be made by this very copy.
    fn copy(
        &self,
        offset: u64,
        bytes: usize,
        out: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), CodingError> {
        let mut bytes = bytes;
        let offset = clamp(offset);
        while bytes > 0 {
            let here = out.len() - start;
            let copied = match offset.checked_sub(here) {
                // In this step's output: as much of it as there is, again and again.
                None | Some(0) => {
                    let from = out.len() - offset;
                    let copied = bytes.min(offset);
                    out.extend_from_within(from..from + copied);
                    copied
                }
                Some(back) => {
                    let found = self.back(back).ok_or_else(|| bad("a copy from nowhere"))?;
                    let copied = bytes.min(found.len());
                    out.extend_from_slice(&found[..copied]);
                    copied
                }
            };
            bytes -= copied;
        }
        Ok(())
    }

    /// What stands `back` bytes before the end of the history, up to where it ends or wraps.
    fn back(&self, back: usize) -> Option<&[u8]> {
        let history = self.history.as_slice();
        if back <= self.next {
            return history.get(self.next - back..self.next);
        }
        let back = back - self.next;
        history.len().checked_sub(back).and_then(|at| history.get(at..))
    }

    /// Keeps the end of `text` for later copies, unless the block is whole.
    fn remember(&mut self, text: &[u8]) {
        if self.made == self.length {
            return;
        }
        let mut text = &text[text.len().saturating_sub(HTTP_WINDOW_BYTES_MAX)..];
        while !text.is_empty() {
            if self.history.len() < HTTP_WINDOW_BYTES_MAX {
                let taken = text.len().min(HTTP_WINDOW_BYTES_MAX - self.history.len());
                self.history.extend_from_slice(&text[..taken]);
                text = &text[taken..];
                self.next = self.history.len();
            } else {
                let at = self.next % HTTP_WINDOW_BYTES_MAX;
                let taken = text.len().min(HTTP_WINDOW_BYTES_MAX - at);
                self.history[at..at + taken].copy_from_slice(&text[..taken]);
                text = &text[taken..];
                self.next = at + taken;
            }
        }
    }
}

/// Writes the first `bytes` bytes of `rest` to `text[at..]`, behind which there is room for
/// [`WORD_BYTES`] more, and returns what follows them; `None` where there are not so many.
#[inline]
fn literal<'a>(rest: &'a [u8], bytes: usize, at: usize, text: &mut [u8]) -> Option<&'a [u8]> {
    if bytes <= WORD_BYTES
        && let Some(word) = rest.first_chunk::<WORD_BYTES>()
    {
        text[at..at + WORD_BYTES].copy_from_slice(word);
        return Some(&rest[bytes..]);
    }
    let (literal, behind) = rest.split_at_checked(bytes)?;
    text[at..at + bytes].copy_from_slice(literal);
    Some(behind)
}

/// Copies `bytes` bytes from `offset` back to `text[at..]`, behind which there is room for
/// [`WORD_BYTES`] more.
#[inline]
fn copy_near(offset: usize, bytes: usize, at: usize, text: &mut [u8]) {
    if offset >= WORD_BYTES {
        for done in (0..bytes).step_by(WORD_BYTES) {
            let from = at - offset + done;
            let mut word = [0; WORD_BYTES];
            word.copy_from_slice(&text[from..from + WORD_BYTES]);
            text[at + done..at + done + WORD_BYTES].copy_from_slice(&word);
        }
    } else {
        for to in at..at + bytes {
            text[to] = text[to - offset];
        }
    }
}

fn clamp(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn bad(what: &str) -> CodingError {
    damaged(Coding::Snappy, what)
}
