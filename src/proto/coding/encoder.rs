//! Gzip for answers (RFC 1952), in pieces that a client can show as they come.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Room that the compressor is given at a time, in bytes.
const ROOM_BYTES: usize = 4 << 10;

/// Compresses one answer.
#[derive(Debug)]
pub struct Encoder {
    inner: Compress,
    crc: Crc,
    is_begun: bool,
}

impl Encoder {
    /// Bytes of memory that one holds, about.
    pub const BYTES: usize = 320 << 10;

    /// An encoder at the beginning of an answer; fast rather than small.
    pub fn new() -> Self {
        Self { inner: Compress::new(Compression::fast(), false), crc: Crc::new(), is_begun: false }
    }

    /// Compresses `text`; what comes of it is appended to `out` now or later.
    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        self.crc.update(text);
        self.run(text, FlushCompress::None, out);
    }

    /// Appends all that is still inside, so that the client can read everything pushed so far: at
    /// the end of a slice, when nothing follows at once.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.run(b"", FlushCompress::Sync, out);
    }

    /// Ends the answer.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.run(b"", FlushCompress::Finish, out);
        out.extend_from_slice(&self.crc.sum().to_le_bytes());
        out.extend_from_slice(&self.crc.amount().to_le_bytes());
    }

    fn run(&mut self, mut text: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        if !self.is_begun {
            self.is_begun = true;
            out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff]);
        }
        loop {
            let start = out.len();
            out.resize(start + ROOM_BYTES, 0);
            let (before_in, before_out) = (self.inner.total_in(), self.inner.total_out());
            let status = self.inner.compress(text, &mut out[start..], flush);
            let taken = (self.inner.total_in() - before_in) as usize;
            let made = (self.inner.total_out() - before_out) as usize;
            out.truncate(start + made);
            text = &text[taken..];
            match status {
                Ok(Status::Ok) if made == ROOM_BYTES || !text.is_empty() => {}
                Ok(Status::Ok) if flush == FlushCompress::Finish && made > 0 => {}
                Ok(Status::Ok | Status::StreamEnd | Status::BufError) => return,
                Err(error) => unreachable!("compressing has no bad input: {error}"),
            }
        }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}
