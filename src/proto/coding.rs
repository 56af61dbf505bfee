//! Content codings (RFC 9110, section 8.4): bodies decoded piece by piece and within bounds, for a
//! few bytes may become gigabytes; and answers compressed.
//!
//! `identity`, `gzip` and `x-gzip` (RFC 1952), `deflate` (RFC 1950, or 1951 bare, as some send it),
//! `zstd` (RFC 8878) and `snappy` (the raw block of Loki and Prometheus).

mod deflate;
mod encoder;
mod fuzz;
mod snappy;
#[cfg(test)]
mod tests;
mod xxh64;
mod zstd;

use std::fmt;

pub use encoder::Encoder;
pub use fuzz::fuzz_coding;

use crate::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_DECODED_FREE_BYTES, HTTP_STEP_BYTES, HTTP_WINDOW_BYTES_MAX,
    INFLATE_RATIO_MAX,
};
use crate::proto::http::Status;
use crate::proto::inflate::{self, InflateError, Inflater};

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or 1951 bare.
    Deflate,
    /// RFC 8878.
    Zstd,
    /// A raw snappy block.
    Snappy,
}

impl Coding {
    /// The coding that `Content-Encoding` names, in any case; empty is [`Self::Identity`]. `None`
    /// where it is another, or several.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], Coding); 7] = [
            (b"", Coding::Identity),
            (b"identity", Coding::Identity),
            (b"gzip", Coding::Gzip),
            (b"x-gzip", Coding::Gzip),
            (b"deflate", Coding::Deflate),
            (b"zstd", Coding::Zstd),
            (b"snappy", Coding::Snappy),
        ];
        let name = name.trim_ascii();
        let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map(|&(_, coding)| coding)
    }

    /// Its name in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
        }
    }
}

/// Why a body cannot be decoded. Nothing more will come of it; what came before is good, but for a
/// wrong checksum, as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodingError {
    /// It is no such thing, or damaged.
    Damaged {
        /// Of which coding.
        coding: Coding,
        /// What was seen.
        what: String,
    },
    /// It decodes to more than [`HTTP_BODY_BYTES_MAX`].
    TooLarge,
    /// It decodes to more than [`INFLATE_RATIO_MAX`] times its size, and
    /// [`HTTP_DECODED_FREE_BYTES`].
    Ratio {
        /// Bytes in.
        bytes_in: u64,
        /// Bytes out, at least.
        bytes_out: u64,
    },
    /// It refers back further than [`HTTP_WINDOW_BYTES_MAX`].
    Window,
    /// It ends before it is whole.
    Truncated {
        /// Bytes in.
        bytes_in: u64,
    },
}

impl CodingError {
    /// The status that says so.
    pub fn status(&self) -> Status {
        match self {
            Self::Damaged { .. } | Self::Truncated { .. } => Status::BAD_REQUEST,
            Self::TooLarge | Self::Ratio { .. } | Self::Window => Status::CONTENT_TOO_LARGE,
        }
    }
}

impl fmt::Display for CodingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { coding, what } => write!(f, "damaged {} body: {what}", coding.name()),
            Self::TooLarge => write!(f, "body decodes to more than {HTTP_BODY_BYTES_MAX} bytes"),
            Self::Ratio { bytes_in, bytes_out } => write!(
                f,
                "body decodes from {bytes_in} to {bytes_out} bytes or more, over \
                 {INFLATE_RATIO_MAX}:1 and over {HTTP_DECODED_FREE_BYTES} bytes"
            ),
            Self::Window => {
                write!(f, "body refers back more than {HTTP_WINDOW_BYTES_MAX} bytes")
            }
            Self::Truncated { bytes_in } => {
                write!(f, "body ends within its compressed data ({bytes_in} bytes)")
            }
        }
    }
}

impl std::error::Error for CodingError {}

/// Where decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// All input was used, and more is to come.
    NeedMore,
    /// The room, or the work of one step, was used up: show the rest of the input again, even
    /// where there is none.
    Full,
    /// All input was used, and the body may end here.
    Ended,
}

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder {
    inner: Inner,
    account: Account,
    /// Whether the last step said [`Decoded::Ended`]; an identity may end anywhere.
    may_end: bool,
}

/// One decoder of each coding.
#[derive(Debug)]
enum Inner {
    Identity,
    Gzip(Box<Inflater>),
    Deflate(Box<deflate::Deflate>),
    Zstd(Box<zstd::Zstd>),
    Snappy(Box<snappy::Snappy>),
}

/// Bytes in and out, which keep a body within bounds.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    bytes_in: u64,
    bytes_out: u64,
}

impl Account {
    /// # Errors
    /// [`CodingError::TooLarge`] and [`CodingError::Ratio`].
    fn check(&self) -> Result<(), CodingError> {
        let &Self { bytes_in, bytes_out } = self;
        if bytes_out > HTTP_BODY_BYTES_MAX {
            return Err(CodingError::TooLarge);
        }
        let earned = bytes_in.saturating_mul(INFLATE_RATIO_MAX);
        if bytes_out > HTTP_DECODED_FREE_BYTES.saturating_add(earned) {
            return Err(CodingError::Ratio { bytes_in, bytes_out });
        }
        Ok(())
    }
}

impl Decoder {
    /// A decoder at the beginning of a body.
    pub fn new(coding: Coding) -> Self {
        let inner = match coding {
            Coding::Identity => Inner::Identity,
            Coding::Gzip => Inner::Gzip(Box::new(Inflater::with_free(HTTP_DECODED_FREE_BYTES))),
            Coding::Deflate => Inner::Deflate(Box::default()),
            Coding::Zstd => Inner::Zstd(Box::default()),
            Coding::Snappy => Inner::Snappy(Box::default()),
        };
        Self { inner, account: Account::default(), may_end: coding == Coding::Identity }
    }

    /// The same for a caller that leaves in `out` all that is appended to it, from one step to the
    /// next: copies are made from there.
    pub fn keeping(coding: Coding) -> Self {
        match coding {
            Coding::Snappy => {
                Self { inner: Inner::Snappy(Box::new(snappy::Snappy::kept())), ..Self::new(coding) }
            }
            _ => Self::new(coding),
        }
    }

    /// Takes the next bytes of the body and appends what they decode to: at most `room` bytes, and
    /// no more than [`HTTP_STEP_BYTES`] a step (a zstd block is decoded whole: 128 KiB of work).
    /// Returns how much of `input` was used, and why no more.
    ///
    /// # Errors
    /// Any of [`CodingError`] but `Truncated`.
    pub fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<(usize, Decoded), CodingError> {
        let (before, room) = (out.len(), room.min(HTTP_STEP_BYTES));
        let shown = &input[..input.len().min(HTTP_STEP_BYTES)];
        let (used, mut decoded) = match &mut self.inner {
            Inner::Identity => identity(shown, out, room),
            Inner::Gzip(inflater) => gzip(inflater, shown, out, room)?,
            Inner::Deflate(deflate) => deflate.push(shown, out, room)?,
            Inner::Zstd(zstd) => zstd.push(shown, out, room)?,
            Inner::Snappy(snappy) => snappy.push(shown, out, room)?,
        };
        self.account.bytes_in += used as u64;
        self.account.bytes_out += (out.len() - before) as u64;
        self.account.check()?;
        if used < input.len() {
            decoded = Decoded::Full;
        }
        self.may_end = decoded == Decoded::Ended;
        Ok((used, decoded))
    }

    /// The body has come whole, and all of it was pushed. An empty one is an empty text, whatever
    /// its coding.
    ///
    /// # Errors
    /// [`CodingError::Truncated`], where it was cut off.
    pub fn finish(&mut self) -> Result<(), CodingError> {
        match self.may_end || self.account.bytes_in == 0 {
            true => Ok(()),
            false => Err(CodingError::Truncated { bytes_in: self.account.bytes_in }),
        }
    }

    /// Bytes of memory that it holds, about.
    pub fn held_bytes(&self) -> usize {
        match &self.inner {
            Inner::Identity => 0,
            Inner::Gzip(_) | Inner::Deflate(_) => Inflater::BYTES,
            Inner::Zstd(zstd) => zstd.held_bytes(),
            Inner::Snappy(snappy) => snappy.held_bytes(),
        }
    }

    /// Bytes that were decoded so far.
    pub fn decoded_bytes(&self) -> u64 {
        self.account.bytes_out
    }
}

fn identity(input: &[u8], out: &mut Vec<u8>, room: usize) -> (usize, Decoded) {
    let used = input.len().min(room);
    out.extend_from_slice(&input[..used]);
    (used, if used < input.len() { Decoded::Full } else { Decoded::Ended })
}

fn gzip(
    inflater: &mut Inflater,
    input: &[u8],
    out: &mut Vec<u8>,
    room: usize,
) -> Result<(usize, Decoded), CodingError> {
    match inflater.push(input, out, room) {
        Ok((used, inflate::Status::NeedMore)) => Ok((used, Decoded::NeedMore)),
        Ok((used, inflate::Status::Full)) => Ok((used, Decoded::Full)),
        Ok((used, inflate::Status::Ended)) => Ok((used, Decoded::Ended)),
        Err(InflateError::Ratio { bytes_in, bytes_out }) => {
            Err(CodingError::Ratio { bytes_in, bytes_out })
        }
        Err(error) => Err(damaged(Coding::Gzip, error.to_string())),
    }
}

fn damaged(coding: Coding, what: impl Into<String>) -> CodingError {
    CodingError::Damaged { coding, what: what.into() }
}
