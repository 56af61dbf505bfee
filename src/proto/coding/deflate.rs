//! `deflate`: a zlib stream (RFC 1950), or what is in one, bare (RFC 1951).

use flate2::{Decompress, FlushDecompress, Status};

use super::{Coding, CodingError, Decoded, damaged};

/// Inflates one body.
#[derive(Debug, Default)]
pub(super) struct Deflate {
    /// Made when the first two bytes, which say which of both it is, have come.
    inner: Option<Decompress>,
    /// The first byte, while the second has not come.
    first: Option<u8>,
    is_ended: bool,
}

impl Deflate {
    /// As [`super::Decoder::push`].
    pub(super) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<(usize, Decoded), CodingError> {
        if self.is_ended {
            return match input.is_empty() {
                true => Ok((0, Decoded::Ended)),
                false => Err(damaged(Coding::Deflate, "bytes behind its end")),
            };
        }
        if self.inner.is_none() {
            let (first, second) = match (self.first, input) {
                (None, []) | (Some(_), []) => return Ok((0, Decoded::NeedMore)),
                (None, &[first]) => {
                    self.first = Some(first);
                    return Ok((1, Decoded::NeedMore));
                }
                (None, &[first, second, ..]) => (first, second),
                (Some(first), &[second, ..]) => (first, second),
            };
            let inner = self.inner.insert(Decompress::new(is_zlib(first, second)));
            // One byte is always taken, and makes no output.
            if self.first.is_some() && inflate(inner, &[first], out, 1)? != (1, 0, false) {
                return Err(damaged(Coding::Deflate, "makes no sense behind byte 1"));
            }
        }
        let Some(inner) = &mut self.inner else { return Ok((0, Decoded::NeedMore)) };
        let (used, made, is_end) = inflate(inner, input, out, room)?;
        self.is_ended = is_end;
        match is_end {
            true if used < input.len() => Err(damaged(Coding::Deflate, "bytes behind its end")),
            true => Ok((used, Decoded::Ended)),
            false if made == room || used < input.len() => Ok((used, Decoded::Full)),
            false => Ok((used, Decoded::NeedMore)),
        }
    }
}

/// Whether a zlib header begins so (RFC 1950, section 2.2).
fn is_zlib(first: u8, second: u8) -> bool {
    let check = u16::from_be_bytes([first, second]);
    first & 15 == 8 && first >> 4 <= 7 && check.is_multiple_of(31)
}

/// How many bytes were taken and made, and whether that was all.
fn inflate(
    inner: &mut Decompress,
    input: &[u8],
    out: &mut Vec<u8>,
    room: usize,
) -> Result<(usize, usize, bool), CodingError> {
    let start = out.len();
    out.resize(start + room, 0);
    let (before_in, before_out) = (inner.total_in(), inner.total_out());
    let inflated = inner.decompress(input, &mut out[start..], FlushDecompress::None);
    let taken = (inner.total_in() - before_in) as usize;
    let made = (inner.total_out() - before_out) as usize;
    out.truncate(start + made);
    match inflated {
        Ok(status) => Ok((taken, made, status == Status::StreamEnd)),
        Err(_) => {
            let what = format!("makes no sense behind byte {}", inner.total_in());
            Err(damaged(Coding::Deflate, what))
        }
    }
}
