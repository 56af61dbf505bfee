//! Zstandard frames (RFC 8878): cut into blocks here, decoded by `ruzstd`.

use std::fmt;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io::Read;

use super::xxh64::Hash;
use super::{Coding, CodingError, Decoded, damaged};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_WINDOW_BYTES_MAX};

/// Bytes of a block at most, as it comes and decoded (section 3.1.1.2.3).
const BLOCK_BYTES_MAX: usize = 128 << 10;
/// Bytes of a block's header.
const BLOCK_HEADER_BYTES: usize = 3;
/// Bytes of the checksum behind a frame.
const CHECKSUM_BYTES: usize = 4;
/// Bytes of a magic number and what must follow it: a descriptor.
const FRAME_BYTES_MIN: usize = 5;
/// Bytes of a magic number and the length of a frame to skip.
const SKIP_BYTES: usize = 8;
/// What a frame begins with.
const MAGIC: u32 = 0xfd2f_b528;
/// What a frame to skip begins with, but for the last four bits.
const MAGIC_SKIP: u32 = 0x184d_2a50;
/// Bytes that a decoder's tables and buffers of a block take, about.
const TABLE_BYTES: usize = 512 << 10;

/// Decodes one body: frames, one behind the other.
#[derive(Default)]
pub(super) struct Zstd {
    stage: Stage,
    /// A part (frame header, block, checksum) that has not come whole.
    part: Vec<u8>,
    /// Of the frame at hand.
    decoder: FrameDecoder,
    frame: Frame,
}

/// What the header of the frame at hand says, and what was made of it.
#[derive(Debug, Default)]
struct Frame {
    window_bytes: usize,
    /// Bytes of its text, where it says so.
    text_bytes: Option<u64>,
    has_checksum: bool,
    /// Blocks that were decoded.
    blocks: usize,
    /// Bytes that were given.
    given: u64,
    /// Of what was given, where there is a checksum to compare it with.
    hash: Hash,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// A frame's header, or nothing.
    #[default]
    Header,
    /// So many bytes of a frame that is skipped.
    Skip(u32),
    Block,
    /// What the blocks so far left inside; whether the last was the last.
    Drain {
        is_last: bool,
    },
}

impl Zstd {
    /// As [`super::Decoder::push`].
    pub(super) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<(usize, Decoded), CodingError> {
        let mut used = 0;
        let start = out.len();
        loop {
            let rest = &input[used..];
            match self.stage {
                Stage::Header if rest.is_empty() && self.part.is_empty() => {
                    return Ok((used, Decoded::Ended));
                }
                Stage::Header => match self.gather(rest, &mut used, header_bytes)? {
                    true => self.header()?,
                    false => return Ok((used, Decoded::NeedMore)),
                },
                Stage::Skip(0) => self.stage = Stage::Header,
                Stage::Skip(_) if rest.is_empty() => return Ok((used, Decoded::NeedMore)),
                Stage::Skip(bytes) => {
                    let taken = rest.len().min(bytes as usize);
                    used += taken;
                    self.stage = Stage::Skip(bytes - taken as u32);
                }
                Stage::Block => {
                    let has_checksum = self.frame.has_checksum;
                    match self.gather(rest, &mut used, |part| block_bytes(part, has_checksum))? {
                        true => self.block()?,
                        false => return Ok((used, Decoded::NeedMore)),
                    }
                }
                Stage::Drain { is_last } => {
                    self.drain(out, room - (out.len() - start))?;
                    if self.decoder.can_collect() > 0 {
                        return Ok((used, Decoded::Full));
                    }
                    self.drained(is_last)?;
                    // One block a step.
                    return Ok((used, Decoded::Full));
                }
            }
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let window = self.frame.window_bytes.min(self.frame.blocks * BLOCK_BYTES_MAX);
        let tables = if self.frame.blocks > 0 { TABLE_BYTES } else { 0 };
        // A ring grows by doubling.
        size_of::<Self>() + self.part.capacity() + 2 * (window + BLOCK_BYTES_MAX) + tables
    }

    /// Gathers a part whose length `bytes_of` knows from its beginning; whether it is whole.
    fn gather(
        &mut self,
        rest: &[u8],
        used: &mut usize,
        bytes_of: impl Fn(&[u8]) -> Result<usize, CodingError>,
    ) -> Result<bool, CodingError> {
        let mut rest = rest;
        loop {
            let bytes = bytes_of(&self.part)?;
            let missing = bytes.saturating_sub(self.part.len());
            if missing == 0 {
                return Ok(true);
            }
            if rest.is_empty() {
                return Ok(false);
            }
            let (taken, behind) = rest.split_at(missing.min(rest.len()));
            self.part.extend_from_slice(taken);
            *used += taken.len();
            rest = behind;
        }
    }

    /// A frame's header has come.
    fn header(&mut self) -> Result<(), CodingError> {
        if is_skipped(&self.part) {
            self.stage = Stage::Skip(word(self.part.get(4..).unwrap_or_default()));
            self.part.clear();
            return Ok(());
        }
        self.frame = Frame::read(&self.part)?;
        self.decoder = FrameDecoder::new();
        self.decoder.set_max_window_size(HTTP_WINDOW_BYTES_MAX as u64);
        let header = self.part.as_slice();
        self.decoder.reset(header).map_err(|error| bad(error.to_string()))?;
        self.part.clear();
        self.stage = Stage::Block;
        Ok(())
    }

    /// A block has come.
    fn block(&mut self) -> Result<(), CodingError> {
        let is_last = self.part.first().is_some_and(|byte| byte & 1 == 1);
        let decoded =
            self.decoder.decode_blocks(self.part.as_slice(), BlockDecodingStrategy::UptoBlocks(1));
        decoded.map_err(|error| bad(error.to_string()))?;
        self.part.clear();
        self.frame.blocks = self.frame.blocks.saturating_add(1);
        self.stage = Stage::Drain { is_last };
        Ok(())
    }

    /// Appends up to `room` bytes of what can be given.
    fn drain(&mut self, out: &mut Vec<u8>, room: usize) -> Result<(), CodingError> {
        let bytes = self.decoder.can_collect().min(room);
        let start = out.len();
        out.resize(start + bytes, 0);
        let read = self.decoder.read(&mut out[start..]).map_err(|error| bad(error.to_string()))?;
        out.truncate(start + read);
        if self.frame.has_checksum {
            self.frame.hash.update(&out[start..]);
        }
        self.frame.given += read as u64;
        Ok(())
    }

    /// All that the blocks so far made was given.
    fn drained(&mut self, is_last: bool) -> Result<(), CodingError> {
        if !is_last {
            self.stage = Stage::Block;
            return Ok(());
        }
        if self.frame.text_bytes.is_some_and(|bytes| bytes != self.frame.given) {
            return Err(bad("a text of another length than its header says"));
        }
        let expected = self.decoder.get_checksum_from_data();
        let found = self.frame.hash.sum();
        if expected.is_some_and(|expected| expected != found) {
            return Err(bad("a checksum of another text"));
        }
        self.stage = Stage::Header;
        // Its buffers are not needed until another frame comes, which hardly ever does.
        self.decoder = FrameDecoder::new();
        self.frame = Frame::default();
        Ok(())
    }
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Frame {
    /// Reads a whole header (section 3.1.1.1).
    fn read(header: &[u8]) -> Result<Self, CodingError> {
        let [_, _, _, _, descriptor, rest @ ..] = header else { return Err(bad("no header")) };
        let is_single = descriptor & 0x20 != 0;
        let (window, rest) = rest.split_at_checked(usize::from(!is_single)).unwrap_or_default();
        let (dictionary, text) = rest
            .split_at_checked(DICTIONARY_BYTES[usize::from(descriptor & 3)])
            .unwrap_or_default();
        if descriptor & 0x08 != 0 {
            return Err(bad("a reserved bit in its header"));
        }
        if dictionary.iter().any(|&byte| byte != 0) {
            return Err(bad("a dictionary, which is not known here"));
        }
        let mut wide = [0; 8];
        wide[..text.len()].copy_from_slice(text);
        let said = u64::from_le_bytes(wide);
        let text_bytes = match text.len() {
            0 => None,
            2 => Some(said + 256),
            _ => Some(said),
        };
        if text_bytes.is_some_and(|bytes| bytes > HTTP_BODY_BYTES_MAX) {
            return Err(CodingError::TooLarge);
        }
        let window_bytes = match window {
            [window] => {
                let base = 1_u64 << (10 + (window >> 3));
                base + base / 8 * u64::from(window & 7)
            }
            _ => text_bytes.unwrap_or_default(),
        };
        if window_bytes > HTTP_WINDOW_BYTES_MAX as u64 {
            return Err(CodingError::Window);
        }
        let has_checksum = descriptor & 0x04 != 0;
        let window_bytes = window_bytes as usize;
        Ok(Self { window_bytes, text_bytes, has_checksum, ..Self::default() })
    }
}

/// Bytes of the dictionary's number, by the descriptor's last two bits.
const DICTIONARY_BYTES: [usize; 4] = [0, 1, 2, 4];

/// Bytes of the header that begins with `part`, as far as can be told.
fn header_bytes(part: &[u8]) -> Result<usize, CodingError> {
    let Some((magic, rest)) = part.split_first_chunk() else { return Ok(FRAME_BYTES_MIN) };
    if is_skipped(part) {
        return Ok(SKIP_BYTES);
    }
    if u32::from_le_bytes(*magic) != MAGIC {
        let [one, two, three, four] = magic;
        let found = format!("{one:02x} {two:02x} {three:02x} {four:02x}");
        return Err(bad(format!("expected 28 b5 2f fd, found {found}")));
    }
    let Some(descriptor) = rest.first() else { return Ok(FRAME_BYTES_MIN) };
    let is_single = descriptor & 0x20 != 0;
    let text_bytes = match descriptor >> 6 {
        0 => usize::from(is_single),
        power => 1 << power,
    };
    let dictionary_bytes = DICTIONARY_BYTES[usize::from(descriptor & 3)];
    Ok(FRAME_BYTES_MIN + usize::from(!is_single) + dictionary_bytes + text_bytes)
}

/// Bytes of the block that begins with `part`, and of the checksum behind the last, as far as can
/// be told.
fn block_bytes(part: &[u8], has_checksum: bool) -> Result<usize, CodingError> {
    let &[one, two, three, ..] = part else { return Ok(BLOCK_HEADER_BYTES) };
    let header = u32::from_le_bytes([one, two, three, 0]);
    let size = (header >> 3) as usize;
    if size > BLOCK_BYTES_MAX {
        return Err(bad(format!("a block of {size} bytes (allowed: {BLOCK_BYTES_MAX})")));
    }
    let bytes = match header >> 1 & 3 {
        0 | 2 => size,
        1 => 1,
        _ => return Err(bad("a block of the reserved kind")),
    };
    let checksum = if header & 1 == 1 && has_checksum { CHECKSUM_BYTES } else { 0 };
    Ok(BLOCK_HEADER_BYTES + bytes + checksum)
}

fn is_skipped(part: &[u8]) -> bool {
    part.len() >= 4 && word(part) & !15 == MAGIC_SKIP
}

/// The first four bytes; 0 where there are not so many.
fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn bad(what: impl Into<String>) -> CodingError {
    damaged(Coding::Zstd, what)
}
