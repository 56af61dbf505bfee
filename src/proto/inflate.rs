//! Inflating what senders compress: gzip streams (RFC 1952) piece by piece, zlib bodies (RFC 1950)
//! and gzip members whole; all of it within bounds, for a few bytes may become gigabytes.

#[cfg(test)]
mod tests;

use std::fmt;

use flate2::{Crc, Decompress, FlushDecompress, Status as Inflated};

use crate::limits::{INFLATE_BYTES_MAX, INFLATE_FREE_BYTES, INFLATE_RATIO_MAX};

/// Bytes inflated before the bounds are looked at again.
const CHUNK_BYTES: usize = 32 << 10;

/// Bytes of a gzip member's fixed header.
const HEADER_BYTES: usize = 10;

/// Bytes of a gzip member's trailer: checksum and length.
const TRAILER_BYTES: usize = 8;

/// Inflates one gzip stream after the other, or one body after the other.
#[derive(Debug)]
pub struct Inflater {
    inner: Decompress,
    stage: Stage,
    /// The beginning of a fixed part (header, length, trailer) that has not come whole.
    part: [u8; HEADER_BYTES],
    part_bytes: usize,
    /// Parts of the header that still follow: the flags of RFC 1952, section 2.3.1.
    flags: u8,
    /// Of this member's text.
    crc: Crc,
    /// Of the stream, all members.
    bytes_in: u64,
    bytes_out: u64,
    /// Bytes that may come out at any ratio.
    free_bytes: u64,
}

/// What comes next in a gzip stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The fixed header.
    Header,
    /// The next optional part of the header, or the text.
    Optional,
    /// So many bytes of the extra field.
    Extra(u16),
    /// The rest of a name or comment, up to its NUL.
    Text,
    /// The deflated text.
    Body,
    Trailer,
    /// Another member, zeros, or nothing.
    Between,
    /// Zeros, as tapes leave them, or nothing.
    Padding,
}

/// Where inflating stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All input was used, and more is to come.
    NeedMore,
    /// As much came out as was asked for: show the rest of the input again.
    Full,
    /// All input was used, and the stream may end here; another member may follow.
    Ended,
}

/// How a whole body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 1950.
    Zlib,
    /// RFC 1952.
    Gzip,
}

/// Why something cannot be inflated. The stream is over: nothing behind the place can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// No gzip member begins here.
    Magic {
        /// What stands there.
        found: [u8; 3],
    },
    /// A flag that RFC 1952 reserves.
    Flags(u8),
    /// The deflated data makes no sense.
    Data {
        /// How many bytes were used before.
        after: u64,
    },
    /// The text is not what was compressed.
    Checksum {
        /// Of what came out.
        found: u32,
        /// What the trailer says.
        expected: u32,
    },
    /// More came out than went in in earnest.
    Ratio {
        /// Bytes in.
        bytes_in: u64,
        /// Bytes out.
        bytes_out: u64,
    },
    /// A body ends before its stream does.
    Truncated {
        /// Its bytes.
        bytes: usize,
    },
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Magic { found: [one, two, three] } => {
                write!(
                    f,
                    "no gzip member: expected 1f 8b 08, found {one:02x} {two:02x} {three:02x}"
                )
            }
            Self::Flags(flags) => write!(f, "reserved gzip flags: {flags:#04x}"),
            Self::Data { after } => write!(f, "damaged deflate data behind byte {after}"),
            Self::Checksum { found, expected } => {
                write!(f, "checksum of inflated text: expected {expected:08x}, found {found:08x}")
            }
            Self::Ratio { bytes_in, bytes_out } => {
                write!(f, "{bytes_in} bytes inflate to {bytes_out}, over {INFLATE_RATIO_MAX}:1")
            }
            Self::Truncated { bytes } => write!(f, "compressed data ends within its {bytes} bytes"),
        }
    }
}

impl std::error::Error for InflateError {}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}

impl Inflater {
    /// Bytes of memory that one holds, about.
    pub const BYTES: usize = 48 << 10;

    /// An inflater at the beginning of a gzip stream.
    pub fn new() -> Self {
        Self {
            inner: Decompress::new(false),
            stage: Stage::Header,
            part: [0; HEADER_BYTES],
            part_bytes: 0,
            flags: 0,
            crc: Crc::new(),
            bytes_in: 0,
            bytes_out: 0,
            free_bytes: INFLATE_FREE_BYTES,
        }
    }

    /// As [`Self::new`], but `free_bytes` bytes may come out at any ratio.
    pub fn with_free(free_bytes: u64) -> Self {
        Self { free_bytes, ..Self::new() }
    }

    /// Takes the next bytes of a gzip stream and appends what they inflate to: at most
    /// `out_bytes_max` bytes, and never more than [`INFLATE_BYTES_MAX`]. Returns how much of
    /// `input` was used, and why no more. Each call uses or brings something, or says `NeedMore` or
    /// `Ended` (or `Full`, where `out_bytes_max` is 0).
    ///
    /// At the peer's close, `NeedMore` means that the stream was cut off; what came out of it is
    /// good as far as it goes.
    ///
    /// # Errors
    /// Any of [`InflateError`] but `Truncated`; what was appended before is good, but for a
    /// `Checksum`. Nothing more will come of the stream.
    pub fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        out_bytes_max: usize,
    ) -> Result<(usize, Status), InflateError> {
        let out_end = out.len().saturating_add(out_bytes_max.min(INFLATE_BYTES_MAX));
        let mut used = 0;
        loop {
            let rest = &input[used..];
            if self.stage == Stage::Body {
                let room = out_end - out.len();
                if room == 0 {
                    return Ok((used, Status::Full));
                }
                let (taken, made, is_end) = self.chunk(rest, out, room)?;
                used += taken;
                self.crc.update(&out[out.len() - made..]);
                if is_end {
                    self.stage = Stage::Trailer;
                } else if taken == 0 && made == 0 {
                    return Ok((used, Status::NeedMore));
                }
                continue;
            }
            if rest.is_empty() && self.stage != Stage::Optional {
                let is_end = matches!(self.stage, Stage::Between | Stage::Padding);
                return Ok((used, if is_end { Status::Ended } else { Status::NeedMore }));
            }
            match self.frame(rest)? {
                Some(taken) => {
                    self.bytes_in += taken as u64;
                    used += taken;
                }
                None => return Ok((input.len(), Status::NeedMore)),
            }
        }
    }

    /// Inflates one whole body, whatever was inflated before, and appends its first `bytes_max`
    /// bytes ([`INFLATE_BYTES_MAX`] at most) to `out`. Returns whether that is all of it. Bytes
    /// behind a zlib stream's end are ignored.
    ///
    /// # Errors
    /// Any of [`InflateError`]; `out` is then as before.
    pub fn whole(
        &mut self,
        body: &[u8],
        format: Format,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<bool, InflateError> {
        self.restart(format == Format::Zlib);
        let start = out.len();
        let bytes_max = bytes_max.min(INFLATE_BYTES_MAX - 1);
        // One byte more tells whether that was all.
        let inflated = match format {
            Format::Zlib => self.zlib(body, out, bytes_max + 1),
            Format::Gzip => self.push(body, out, bytes_max + 1).map(|(_, status)| status),
        };
        let result = match inflated {
            Ok(_) if out.len() - start > bytes_max => {
                out.truncate(start + bytes_max);
                Ok(false)
            }
            Ok(Status::NeedMore) => Err(InflateError::Truncated { bytes: body.len() }),
            Ok(_) => Ok(true),
            Err(error) => Err(error),
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// Back to the beginning of a stream.
    fn restart(&mut self, is_zlib: bool) {
        self.inner.reset(is_zlib);
        self.stage = Stage::Header;
        self.part_bytes = 0;
        self.crc.reset();
        self.bytes_in = 0;
        self.bytes_out = 0;
    }

    fn zlib(
        &mut self,
        body: &[u8],
        out: &mut Vec<u8>,
        out_bytes_max: usize,
    ) -> Result<Status, InflateError> {
        let (mut used, mut made_all) = (0, 0);
        while made_all < out_bytes_max {
            let (taken, made, is_end) = self.chunk(&body[used..], out, out_bytes_max - made_all)?;
            used += taken;
            made_all += made;
            if is_end {
                return Ok(Status::Ended);
            }
            if taken == 0 && made == 0 {
                return Ok(Status::NeedMore);
            }
        }
        Ok(Status::Full)
    }

    /// Inflates up to `room` bytes, or a chunk: how many bytes were taken and made, and whether the
    /// deflated data ended.
    fn chunk(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<(usize, usize, bool), InflateError> {
        let start = out.len();
        out.resize(start + room.min(CHUNK_BYTES), 0);
        let (before_in, before_out) = (self.inner.total_in(), self.inner.total_out());
        let inflated = self.inner.decompress(input, &mut out[start..], FlushDecompress::None);
        let taken = (self.inner.total_in() - before_in) as usize;
        let made = (self.inner.total_out() - before_out) as usize;
        out.truncate(start + made);
        self.bytes_in += taken as u64;
        self.bytes_out += made as u64;
        let Ok(inflated) = inflated else {
            return Err(InflateError::Data { after: self.bytes_in });
        };
        let free = self.free_bytes.saturating_add(self.bytes_in.saturating_mul(INFLATE_RATIO_MAX));
        if self.bytes_out > free {
            let (bytes_in, bytes_out) = (self.bytes_in, self.bytes_out);
            return Err(InflateError::Ratio { bytes_in, bytes_out });
        }
        Ok((taken, made, inflated == Inflated::StreamEnd))
    }

    /// Reads what is around the deflated data; `None` where all of `rest` was used without coming
    /// to the end of a part.
    fn frame(&mut self, rest: &[u8]) -> Result<Option<usize>, InflateError> {
        let used = match self.stage {
            Stage::Header => match self.gather(rest, HEADER_BYTES) {
                Some(used) => {
                    self.header()?;
                    used
                }
                None => return self.none(rest),
            },
            Stage::Optional => match self.optional(rest) {
                Some(used) => used,
                None => return self.none(rest),
            },
            Stage::Extra(bytes) => {
                let used = rest.len().min(usize::from(bytes));
                let left = bytes - used as u16;
                self.stage = if left == 0 { Stage::Optional } else { Stage::Extra(left) };
                used
            }
            Stage::Text => match memchr::memchr(0, rest) {
                Some(end) => {
                    self.stage = Stage::Optional;
                    end + 1
                }
                None => rest.len(),
            },
            Stage::Trailer => match self.gather(rest, TRAILER_BYTES) {
                Some(used) => {
                    self.trailer()?;
                    used
                }
                None => return self.none(rest),
            },
            Stage::Between if rest[0] != 0 => {
                self.stage = Stage::Header;
                0
            }
            Stage::Between | Stage::Padding => {
                self.stage = Stage::Padding;
                let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
                if zeros < rest.len() {
                    let mut found = [0; 3];
                    for (to, from) in found.iter_mut().zip(&rest[zeros..]) {
                        *to = *from;
                    }
                    return Err(InflateError::Magic { found });
                }
                zeros
            }
            // Inflated by the caller.
            Stage::Body => 0,
        };
        Ok(Some(used))
    }

    /// All of `rest` went into a part.
    fn none(&mut self, rest: &[u8]) -> Result<Option<usize>, InflateError> {
        self.bytes_in += rest.len() as u64;
        Ok(None)
    }

    /// Gathers a part of `bytes` bytes: how many of `rest` it took to be whole.
    fn gather(&mut self, rest: &[u8], bytes: usize) -> Option<usize> {
        let taken = rest.len().min(bytes - self.part_bytes);
        self.part[self.part_bytes..self.part_bytes + taken].copy_from_slice(&rest[..taken]);
        self.part_bytes += taken;
        if self.part_bytes < bytes {
            return None;
        }
        self.part_bytes = 0;
        Some(taken)
    }

    /// A fixed header has come.
    fn header(&mut self) -> Result<(), InflateError> {
        let [one, two, method, flags, ..] = self.part;
        if [one, two, method] != [0x1f, 0x8b, 0x08] {
            return Err(InflateError::Magic { found: [one, two, method] });
        }
        if flags & 0xe0 != 0 {
            return Err(InflateError::Flags(flags));
        }
        self.flags = flags;
        self.stage = Stage::Optional;
        Ok(())
    }

    /// Begins the next optional part: extra field, name, comment, checksum of the header; or the
    /// text, where none is left.
    fn optional(&mut self, rest: &[u8]) -> Option<usize> {
        const EXTRA: u8 = 4;
        const NAME: u8 = 8;
        const COMMENT: u8 = 16;
        const CHECKSUM: u8 = 2;
        if self.flags & EXTRA != 0 {
            let used = self.gather(rest, 2)?;
            self.flags &= !EXTRA;
            self.stage = Stage::Extra(u16::from_le_bytes([self.part[0], self.part[1]]));
            return Some(used);
        }
        for text in [NAME, COMMENT] {
            if self.flags & text != 0 {
                self.flags &= !text;
                self.stage = Stage::Text;
                return Some(0);
            }
        }
        if self.flags & CHECKSUM != 0 {
            let used = self.gather(rest, 2)?;
            self.flags &= !CHECKSUM;
            return Some(used);
        }
        self.inner.reset(false);
        self.crc.reset();
        self.stage = Stage::Body;
        Some(0)
    }

    /// A trailer has come.
    fn trailer(&mut self) -> Result<(), InflateError> {
        let word = |at: usize| {
            u32::from_le_bytes([
                self.part[at],
                self.part[at + 1],
                self.part[at + 2],
                self.part[at + 3],
            ])
        };
        let (expected, found) = (word(0), self.crc.sum());
        // The length says nothing more: it is the one that the checksum is of.
        if expected != found || word(4) != self.crc.amount() {
            return Err(InflateError::Checksum { found, expected });
        }
        self.stage = Stage::Between;
        Ok(())
    }
}

/// Inflates arbitrary bytes, as a stream in pieces and as bodies; and the same bytes, compressed.
///
/// # Panics
/// When more comes out than was asked for, what comes out is not what went in, or the reads make a
/// difference.
pub fn fuzz_inflate(data: &[u8]) {
    let [read_bytes, out_bytes, input @ ..] = data else { return };
    let (read_bytes, out_bytes) = (1 + usize::from(*read_bytes), 1 + usize::from(*out_bytes));
    let in_pieces = in_pieces(input, read_bytes, out_bytes);
    let whole = self::in_pieces(input, input.len().max(1), INFLATE_BYTES_MAX);
    match (&in_pieces, &whole) {
        (Ok(one), Ok(other)) => assert_eq!(one, other, "the reads matter"),
        // How far ahead of its output a stream was read is all that this depends on.
        (Err(InflateError::Ratio { .. }), _) | (_, Err(InflateError::Ratio { .. })) => {}
        _ => assert!(in_pieces.is_err() && whole.is_err(), "{in_pieces:?}, {whole:?}"),
    }
    let (mut inflater, mut out) = (Inflater::new(), b"before".to_vec());
    for format in [Format::Zlib, Format::Gzip] {
        let result = inflater.whole(input, format, &mut out, out_bytes);
        let bytes = out.len() - 6;
        assert!(bytes <= out_bytes && (result.is_ok() || bytes == 0), "{result:?}: {bytes}");
        out.truncate(6);
    }
    let compressed = gzip(input);
    let (out, status) =
        self::in_pieces(&compressed, read_bytes, out_bytes).expect("a whole stream");
    assert_eq!((out.as_slice(), status), (input, Status::Ended));
}

/// All that `input` inflates to, read and inflated in pieces.
fn in_pieces(
    input: &[u8],
    read_bytes: usize,
    out_bytes: usize,
) -> Result<(Vec<u8>, Status), InflateError> {
    let (mut inflater, mut out) = (Inflater::new(), Vec::new());
    let mut status = Status::NeedMore;
    for mut piece in input.chunks(read_bytes) {
        loop {
            let before = out.len();
            let (used, stopped) = inflater.push(piece, &mut out, out_bytes)?;
            assert!(out.len() - before <= out_bytes, "{} came out", out.len() - before);
            piece = &piece[used..];
            status = stopped;
            if stopped != Status::Full {
                assert!(piece.is_empty(), "bytes left unread");
                break;
            }
            assert!(out.len() > before, "a step without progress");
        }
    }
    Ok((out, status))
}

/// `text` as a gzip member.
fn gzip(text: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(text.len() + text.len() / 1000 + 64);
    let mut deflate = flate2::Compress::new(flate2::Compression::fast(), false);
    let ended = deflate.compress_vec(text, &mut deflated, flate2::FlushCompress::Finish);
    assert!(matches!(ended, Ok(Inflated::StreamEnd)), "there was room: {ended:?}");
    let mut crc = Crc::new();
    crc.update(text);
    let header = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff];
    [&header, deflated.as_slice(), &crc.sum().to_le_bytes(), &crc.amount().to_le_bytes()].concat()
}
