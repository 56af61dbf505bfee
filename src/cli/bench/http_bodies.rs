//! Bodies of requests that bring lines, as shippers write them.

use super::lines::Lines;
use crate::proto::coding::Encoder;
use crate::proto::protobuf::{write_bytes, write_varint};

/// Bytes of text in a body, about.
const BODY_BYTES: usize = 1 << 20;

/// Streams in a push to Loki.
const STREAMS: usize = 4;

/// When the first line of a push was written, in seconds since the epoch.
const PUSHED_S: u64 = 1_795_190_400;

/// The body of a request.
#[derive(Clone)]
pub struct Body {
    /// As it goes over the wire.
    pub bytes: Vec<u8>,
    /// Lines in it.
    pub lines: u64,
    /// Bytes of these lines, their newlines counted.
    pub text_bytes: u64,
}

/// The lines of a ring in pieces of about [`BODY_BYTES`]; the ring once.
fn pieces(lines: &Lines) -> impl Iterator<Item = &[u8]> {
    lines.ring().chunks(BODY_BYTES / lines.line_bytes() * lines.line_bytes())
}

fn body(lines: &Lines, piece: &[u8], bytes: Vec<u8>) -> Body {
    let count = piece.len() / lines.line_bytes();
    Body { bytes, lines: count as u64, text_bytes: piece.len() as u64 }
}

/// The lines as they are.
pub fn of_lines(lines: &Lines) -> Vec<Body> {
    pieces(lines).map(|piece| body(lines, piece, piece.to_vec())).collect()
}

/// The same bodies, gzipped.
pub fn gzipped(bodies: &[Body]) -> Vec<Body> {
    let gzip = |one: &Body| {
        let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
        encoder.push(&one.bytes, &mut bytes);
        encoder.finish(&mut bytes);
        Body { bytes, ..*one }
    };
    bodies.iter().map(gzip).collect()
}

/// Each line a document that is to be created in one index.
pub fn bulk(lines: &Lines) -> Vec<Body> {
    let write = |piece: &[u8]| {
        let mut bytes = Vec::with_capacity(2 * piece.len());
        for line in piece.chunks(lines.line_bytes()) {
            bytes.extend_from_slice(b"{\"create\":{\"_index\":\"logs\"}}\n");
            bytes.extend_from_slice(line);
        }
        bytes
    };
    pieces(lines).map(|piece| body(lines, piece, write(piece))).collect()
}

/// Pushes to Loki, of [`STREAMS`] streams each; with structured metadata beside each line, or not.
pub fn loki(lines: &Lines, has_metadata: bool) -> Vec<Body> {
    let write = |piece: &[u8]| snappy(&push_request(lines, piece, has_metadata));
    pieces(lines).map(|piece| body(lines, piece, write(piece))).collect()
}

/// A `PushRequest`: streams = 1 { labels = 1, entries = 2 { timestamp = 1 { seconds = 1,
/// nanos = 2 }, line = 2, structuredMetadata = 3 { name = 1, value = 2 } } }.
fn push_request(lines: &Lines, piece: &[u8], has_metadata: bool) -> Vec<u8> {
    let count = piece.len() / lines.line_bytes();
    let share = count.div_ceil(STREAMS).max(1) * lines.line_bytes();
    let mut push = Vec::new();
    for (index, share) in piece.chunks(share).enumerate() {
        let labels = format!(
            "{{app=\"stream-{index}\", env=\"production\", host=\"node-{index}\", job=\"bench\"}}"
        );
        let mut stream = Vec::new();
        write_bytes(1, labels.as_bytes(), &mut stream);
        for (line, text) in share.chunks(lines.line_bytes()).enumerate() {
            let (mut time, mut entry) = (Vec::new(), Vec::new());
            write_varint(1, PUSHED_S, &mut time);
            write_varint(2, line as u64 * 1_000, &mut time);
            write_bytes(1, &time, &mut entry);
            write_bytes(2, &text[..text.len() - 1], &mut entry);
            if has_metadata {
                let mut pair = Vec::new();
                write_bytes(1, b"trace_id", &mut pair);
                write_bytes(2, format!("{line:016x}").as_bytes(), &mut pair);
                write_bytes(3, &pair, &mut entry);
            }
            write_bytes(2, &entry, &mut stream);
        }
        write_bytes(1, &stream, &mut push);
    }
    push
}

/// Bytes that a copy of snappy has at least to be worth one, and at most.
const COPY_BYTES: (usize, usize) = (4, 64);

/// Bytes that a block is looked through at a time: so far back a copy of two bytes reaches.
const SNAPPY_BYTES: usize = 1 << 16;

/// A block of snappy, compressed about as well as the usual encoders do: copies are found by a hash
/// of four bytes.
fn snappy(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut left = text.len();
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
    for block in text.chunks(SNAPPY_BYTES) {
        let mut places = vec![0_usize; 1 << 14];
        let (mut at, mut literal) = (0, 0);
        while let Some(word) = block.get(at..at + COPY_BYTES.0).and_then(|b| b.first_chunk::<4>()) {
            let hash = u32::from_le_bytes(*word).wrapping_mul(0x1e35_a7bd) >> 18;
            // Places count from one; none is 0.
            let found = std::mem::replace(&mut places[hash as usize], at + 1);
            let same = match found.checked_sub(1) {
                Some(from) => block[from..].iter().zip(&block[at..]).take_while(|(a, b)| a == b),
                None => {
                    at += 1;
                    continue;
                }
            }
            .count();
            if same < COPY_BYTES.0 {
                at += 1;
                continue;
            }
            write_literal(&block[literal..at], &mut out);
            let bytes = same.min(COPY_BYTES.1);
            let offset = (at + 1 - found) as u16;
            out.push((bytes as u8 - 1) << 2 | 2);
            out.extend_from_slice(&offset.to_le_bytes());
            at += bytes;
            literal = at;
        }
        write_literal(&block[literal..], &mut out);
    }
    out
}

/// Appends at most [`SNAPPY_BYTES`] bytes as they are.
fn write_literal(text: &[u8], out: &mut Vec<u8>) {
    let Some(upper) = text.len().checked_sub(1) else { return };
    match upper {
        0..60 => out.push((upper as u8) << 2),
        60..256 => out.extend_from_slice(&[60 << 2, upper as u8]),
        _ => {
            out.push(61 << 2);
            out.extend_from_slice(&(upper as u16).to_le_bytes());
        }
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::coding::{Coding, Decoded, Decoder};
    use crate::proto::entries::Step;
    use crate::proto::loki::Loki;

    /// `bytes`, decoded as a server would.
    fn decoded(coding: Coding, mut bytes: &[u8]) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::new(coding), Vec::new());
        loop {
            let (used, decoded) = decoder.push(bytes, &mut out, 64 << 20).unwrap();
            bytes = &bytes[used..];
            if decoded == Decoded::Ended || (decoded == Decoded::NeedMore && bytes.is_empty()) {
                decoder.finish().unwrap();
                return out;
            }
        }
    }

    #[test]
    fn compressed_bodies_hold_what_was_compressed() {
        let lines = Lines::new(150);
        let bodies = of_lines(&lines);
        assert!(bodies.len() > 2 && bodies.iter().map(|body| body.lines).sum::<u64>() == 26_666);
        for (plain, gzip) in bodies.iter().zip(gzipped(&bodies)) {
            assert!(gzip.bytes.len() < plain.bytes.len() / 2);
            assert_eq!(decoded(Coding::Gzip, &gzip.bytes), plain.bytes);
            let block = snappy(&plain.bytes);
            assert!(block.len() < plain.bytes.len() * 3 / 4, "{}", block.len());
            assert_eq!(decoded(Coding::Snappy, &block), plain.bytes);
        }
        for text in [&b""[..], b"a", b"aaaaaaaaaaaaaaaaaaaa", b"abcdabcd"] {
            assert_eq!(decoded(Coding::Snappy, &snappy(text)), text);
        }
    }

    #[test]
    fn a_push_brings_every_line_of_its_piece() {
        let lines = Lines::new(150);
        for has_metadata in [false, true] {
            let body = &loki(&lines, has_metadata)[0];
            let push = decoded(Coding::Snappy, &body.bytes);
            let (mut parser, mut entries, mut streams) = (Loki::protobuf(), 0, Vec::new());
            loop {
                match parser.step(&push, true).1 {
                    Step::Entry(entry) => {
                        entries += 1;
                        if streams.last() != Some(entry.stream) {
                            streams.push(entry.stream.clone());
                        }
                        assert!(entry.is_json || !has_metadata);
                    }
                    Step::Again => {}
                    Step::End => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((entries, streams.len()), (body.lines, STREAMS));
        }
    }
}
