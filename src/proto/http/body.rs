//! The body of a request: a length, or chunks (RFC 9112, sections 6 and 7).

use super::HttpError;
use crate::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_CHUNK_EXTENSION_BYTES_MAX, HTTP_STEP_BYTES, HTTP_TRAILER_BYTES_MAX,
};

/// How the end of a request's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Each chunk says its size; one of none is the last.
    Chunked,
}

/// Takes the framing off a body.
#[derive(Debug)]
pub struct BodyReader {
    stage: Stage,
    /// Bytes of the body or the chunk that have not come; while a size is read, what it is so far.
    left: u64,
    /// Bytes of the body that were given, over all chunks.
    given: u64,
    /// Bytes of chunk extensions so far, over all chunks.
    extension_bytes: usize,
    /// Bytes of trailers so far.
    trailer_bytes: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// So many bytes as are left, of a body of known length.
    Length,
    /// A chunk's size, of which so many digits have come.
    Size(u8),
    /// Blanks behind a size; only an extension may follow.
    Blank,
    /// An extension.
    Extension,
    /// The LF behind a size or an extension.
    SizeLf,
    /// So many bytes as are left, of a chunk.
    Data,
    /// The CR, then the LF, behind a chunk.
    DataCr,
    DataLf,
    /// The beginning of a trailer line, within one, its LF, the last LF.
    Trailer,
    TrailerLine,
    TrailerLf,
    LastLf,
    End,
}

/// What a step over the body found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyStep<'a> {
    /// All was used; more is to come.
    NeedMore,
    /// The next bytes of the body; the end of what was used.
    Data(&'a [u8]),
    /// The body is whole; what follows is the next request.
    End,
}

impl BodyReader {
    /// A reader at the beginning of a body.
    pub fn new(framing: BodyFraming) -> Self {
        let (stage, left) = match framing {
            BodyFraming::None => (Stage::End, 0),
            BodyFraming::Length(0) => (Stage::End, 0),
            BodyFraming::Length(bytes) => (Stage::Length, bytes),
            BodyFraming::Chunked => (Stage::Size(0), 0),
        };
        Self { stage, left, given: 0, extension_bytes: 0, trailer_bytes: 0 }
    }

    /// Takes the next step over `inbox`: how many bytes it used, and what they are. `Data` is at
    /// most [`HTTP_STEP_BYTES`] long. Extensions and trailers are dropped.
    ///
    /// # Errors
    /// [`HttpError::Chunk`] and [`HttpError::BodyTooLarge`]; the connection is then of no use.
    pub fn step<'a>(&mut self, inbox: &'a [u8]) -> Result<(usize, BodyStep<'a>), HttpError> {
        let mut used = 0;
        while let Some(&byte) = inbox.get(used) {
            match self.stage {
                Stage::End => break,
                Stage::Length | Stage::Data => {
                    let step = self.data(&inbox[used..])?;
                    return Ok((used + step.len(), BodyStep::Data(step)));
                }
                _ => {
                    self.frame(byte)?;
                    used += 1;
                }
            }
        }
        let step = if self.stage == Stage::End { BodyStep::End } else { BodyStep::NeedMore };
        Ok((used, step))
    }

    /// Takes back the last `bytes` bytes of the `Data` that the last step gave; the caller shows
    /// them again.
    ///
    /// # Panics
    /// When more is given back than was given.
    pub fn give_back(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let bytes = bytes as u64;
        assert!(bytes <= self.given, "{bytes} bytes given back of {}", self.given);
        self.given -= bytes;
        self.left += bytes;
        self.stage = match self.stage {
            Stage::Length | Stage::End => Stage::Length,
            Stage::Data | Stage::DataCr => Stage::Data,
            stage => unreachable!("given back behind {stage:?}, where no data is"),
        };
    }

    /// Whether the body is whole.
    pub fn is_whole(&self) -> bool {
        self.stage == Stage::End
    }

    /// The bytes of the body at the beginning of `rest`.
    fn data<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], HttpError> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let data = &rest[..rest.len().min(left).min(HTTP_STEP_BYTES)];
        self.left -= data.len() as u64;
        self.given += data.len() as u64;
        if self.left == 0 {
            self.stage = if self.stage == Stage::Data { Stage::DataCr } else { Stage::End };
        }
        Ok(data)
    }

    /// Reads one byte of what stands around chunks.
    fn frame(&mut self, byte: u8) -> Result<(), HttpError> {
        let bad = |what| Err(HttpError::Chunk(what));
        self.stage = match (self.stage, byte) {
            (Stage::Size(digits), byte) if byte.is_ascii_hexdigit() => {
                if digits == 16 {
                    return bad("size of more than 16 digits");
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.left = self.left << 4 | u64::from(digit);
                Stage::Size(digits + 1)
            }
            (Stage::Size(0), _) => return bad("no size"),
            (Stage::Size(_), b'\r') => Stage::SizeLf,
            (Stage::Size(_) | Stage::Blank, b' ' | b'\t') => {
                self.extension()?;
                Stage::Blank
            }
            (Stage::Size(_) | Stage::Blank, b';') => Stage::Extension,
            (Stage::Size(_) | Stage::Blank, _) => return bad("size with more than digits"),
            (Stage::Extension, b'\r') => Stage::SizeLf,
            (Stage::Extension, byte) if is_text(byte) => {
                self.extension()?;
                Stage::Extension
            }
            (Stage::Extension, _) => return bad("control character in an extension"),
            (Stage::SizeLf, b'\n') => self.sized()?,
            (Stage::DataCr, b'\r') => Stage::DataLf,
            (Stage::DataLf, b'\n') => Stage::Size(0),
            (Stage::DataCr | Stage::DataLf, _) => return bad("no CR LF behind it"),
            (Stage::Trailer, b'\r') => Stage::LastLf,
            (Stage::TrailerLine, b'\r') => Stage::TrailerLf,
            (Stage::Trailer | Stage::TrailerLine, byte) if is_text(byte) => {
                self.trailer_bytes += 1;
                if self.trailer_bytes > HTTP_TRAILER_BYTES_MAX {
                    return bad("trailers too long");
                }
                Stage::TrailerLine
            }
            (Stage::Trailer | Stage::TrailerLine, _) => {
                return bad("control character in a trailer");
            }
            (Stage::TrailerLf, b'\n') => Stage::Trailer,
            (Stage::LastLf, b'\n') => Stage::End,
            (Stage::SizeLf | Stage::TrailerLf | Stage::LastLf, _) => return bad("lone CR"),
            (stage @ (Stage::Length | Stage::Data | Stage::End), _) => stage,
        };
        Ok(())
    }

    /// Counts a byte that says nothing.
    fn extension(&mut self) -> Result<(), HttpError> {
        self.extension_bytes += 1;
        if self.extension_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX {
            return Err(HttpError::Chunk("extensions too long"));
        }
        Ok(())
    }

    /// The line of a chunk's size has ended.
    fn sized(&mut self) -> Result<Stage, HttpError> {
        if self.left == 0 {
            return Ok(Stage::Trailer);
        }
        if self.left > HTTP_BODY_BYTES_MAX.saturating_sub(self.given) {
            return Err(HttpError::BodyTooLarge);
        }
        Ok(Stage::Data)
    }
}

/// Whether a byte may stand in an extension or a trailer.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
