//! Every coding, whole, in pieces, damaged and excessive.

use std::path::Path;

use proptest::prelude::*;

use super::fuzz::decode;
use super::*;

/// Some lines, as others logged them.
fn text() -> Vec<u8> {
    let mut text = data("loghub/OpenStack_2k.log");
    text.truncate(12_000);
    text
}

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// What `body` decodes to; the same in pieces of any size.
#[track_caller]
fn check(coding: Coding, body: &[u8]) -> Result<(Vec<u8>, bool), CodingError> {
    let whole = decode(coding, &[body], HTTP_STEP_BYTES);
    for (piece_bytes, room) in [(1, 1), (1, 9999), (7, 100), (1000, 13), (body.len().max(1), 1)] {
        let pieces: Vec<&[u8]> = body.chunks(piece_bytes).collect();
        assert_eq!(decode(coding, &pieces, room), whole, "in pieces of {piece_bytes}, {room} out");
    }
    whole
}

#[track_caller]
fn check_error(coding: Coding, body: &[u8]) -> String {
    check(coding, body).unwrap_err().to_string()
}

/// Cuts `body` everywhere: it must be found to be cut off, and what comes before is good.
#[track_caller]
fn check_truncated(coding: Coding, body: &[u8], text: &[u8]) {
    for end in 1..body.len() {
        let (found, is_whole) = decode(coding, &[&body[..end]], HTTP_STEP_BYTES).unwrap();
        assert!(!is_whole && text.starts_with(&found), "cut at {end}");
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(), Vec::new());
    encoder.push(text, &mut out);
    encoder.finish(&mut out);
    out
}

fn deflate(text: &[u8], has_header: bool) -> Vec<u8> {
    let mut body = Vec::with_capacity(text.len() + 1000);
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), has_header);
    deflate.compress_vec(text, &mut body, flate2::FlushCompress::Finish).unwrap();
    body
}

fn snappy(text: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(text).unwrap()
}

#[test]
fn codings_have_their_names() {
    for (name, coding) in [
        ("", Coding::Identity),
        ("Identity", Coding::Identity),
        ("gzip", Coding::Gzip),
        ("X-GZip", Coding::Gzip),
        (" deflate ", Coding::Deflate),
        ("zstd", Coding::Zstd),
        ("SNAPPY", Coding::Snappy),
    ] {
        assert_eq!(Coding::from_name(name.as_bytes()), Some(coding), "{name}");
        assert_eq!(Coding::from_name(coding.name().as_bytes()), Some(coding));
    }
    for name in ["br", "gzip, gzip", "gzip,", "compress", "x-snappy-framed"] {
        assert_eq!(Coding::from_name(name.as_bytes()), None, "{name}");
    }
}

#[test]
fn every_coding_gives_its_text_and_its_end() {
    let text = text();
    for (coding, body) in [
        (Coding::Gzip, gzip(&text)),
        (Coding::Deflate, deflate(&text, true)),
        (Coding::Deflate, deflate(&text, false)),
        (Coding::Snappy, snappy(&text)),
        (Coding::Zstd, data("zstd/level-1.zst")),
        (Coding::Zstd, data("zstd/level-19-checksum.zst")),
        (Coding::Zstd, data("zstd/stream-checksum.zst")),
    ] {
        assert!(body.len() < text.len() / 3, "compressed at all");
        assert_eq!(check(coding, &body), Ok((text.clone(), true)), "{coding:?}");
        check_truncated(coding, &body, &text);
    }
    assert_eq!(check(Coding::Identity, &text), Ok((text, true)));
}

#[test]
fn an_empty_body_is_an_empty_text_in_every_coding() {
    for coding in [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Zstd, Coding::Snappy] {
        assert_eq!(Decoder::new(coding).finish(), Ok(()));
        assert_eq!(check(coding, b""), Ok((vec![], true)));
    }
}

#[test]
fn a_body_that_ends_early_is_truncated() {
    let mut decoder = Decoder::new(Coding::Gzip);
    decoder.push(&gzip(b"text")[..15], &mut Vec::new(), 100).unwrap();
    let error = decoder.finish().unwrap_err();
    assert_eq!(error.to_string(), "body ends within its compressed data (15 bytes)");
    assert_eq!(error.status(), Status::BAD_REQUEST);
}

#[test]
fn what_is_no_such_coding_is_refused() {
    let json = b"{\"streams\":[]}";
    let gzip = check_error(Coding::Gzip, json);
    assert_eq!(gzip, "damaged gzip body: no gzip member: expected 1f 8b 08, found 7b 22 73");
    let zstd = check_error(Coding::Zstd, json);
    assert_eq!(zstd, "damaged zstd body: expected 28 b5 2f fd, found 7b 22 73 74");
    let deflate = check_error(Coding::Deflate, b"\x78\x9c\xff\xff");
    assert!(deflate.starts_with("damaged deflate body: makes no sense behind byte "), "{deflate}");
    let snappy = check_error(Coding::Snappy, b"\x05\x01\x01");
    assert_eq!(snappy, "damaged snappy body: a copy from before its beginning");
}

#[test]
fn bytes_behind_the_end_are_refused() {
    for (coding, mut body) in [
        (Coding::Gzip, gzip(b"text")),
        (Coding::Deflate, deflate(b"text", true)),
        (Coding::Snappy, snappy(b"text")),
        (Coding::Zstd, data("zstd/level-1.zst")),
    ] {
        body.extend_from_slice(b"more of it");
        assert!(check_error(coding, &body).starts_with("damaged "));
    }
}

#[test]
fn gzip_members_and_zstd_frames_follow_each_other() {
    let text = text();
    let members = [gzip(&text), gzip(b""), gzip(b"more")].concat();
    let both = [text.as_slice(), b"more"].concat();
    assert_eq!(check(Coding::Gzip, &members), Ok((both, true)));
    let skipped = b"\x53\x2a\x4d\x18\x03\0\0\0abc";
    let empty = b"\x50\x2a\x4d\x18\0\0\0\0";
    let frame = data("zstd/stream-checksum.zst");
    let frames = [skipped.as_slice(), &frame, empty, &data("zstd/level-1.zst"), skipped].concat();
    assert_eq!(check(Coding::Zstd, &frames), Ok((text.repeat(2), true)));
}

#[test]
fn a_zstd_frame_that_is_not_what_it_says_is_refused() {
    let mut frame = data("zstd/level-19-checksum.zst");
    let last = frame.len() - 1;
    frame[last] ^= 1;
    let error = check_error(Coding::Zstd, &frame);
    assert_eq!(error, "damaged zstd body: a checksum of another text");
    // A raw block of one byte; its frame says two.
    let short = b"\x28\xb5\x2f\xfd\x20\x02\x09\0\0a";
    let error = check_error(Coding::Zstd, short);
    assert_eq!(error, "damaged zstd body: a text of another length than its header says");
    let with_dictionary = b"\x28\xb5\x2f\xfd\x21\x07\x01\x09\0\0a";
    let error = check_error(Coding::Zstd, with_dictionary);
    assert_eq!(error, "damaged zstd body: a dictionary, which is not known here");
    let reserved = b"\x28\xb5\x2f\xfd\x28\x01\x09\0\0a";
    assert_eq!(
        check_error(Coding::Zstd, reserved),
        "damaged zstd body: a reserved bit in its header"
    );
    let kind = b"\x28\xb5\x2f\xfd\x20\x01\x0f\0\0a";
    assert_eq!(check_error(Coding::Zstd, kind), "damaged zstd body: a block of the reserved kind");
    let large = b"\x28\xb5\x2f\xfd\x00\x58\x09\0\x10a";
    let error = check_error(Coding::Zstd, large);
    assert_eq!(error, "damaged zstd body: a block of 131073 bytes (allowed: 131072)");
}

#[test]
fn a_window_over_8_mib_is_refused() {
    let error = check(Coding::Zstd, &data("zstd/window-128-mib.zst")).unwrap_err();
    assert_eq!(error.to_string(), "body refers back more than 8388608 bytes");
    assert_eq!(error.status(), Status::CONTENT_TOO_LARGE);
    // A snappy copy from 8 MiB and a byte back.
    let mut decoder = Decoder::new(Coding::Snappy);
    let mut out = Vec::new();
    let block = snappy(&vec![b'a'; 10 << 20]);
    let length = 4;
    let mut rest = &block[length..];
    decoder.push(&block[..length], &mut out, HTTP_STEP_BYTES).unwrap();
    const MADE: u64 = (9 << 20) - 100;
    while decoder.decoded_bytes() < MADE {
        let room = (MADE - decoder.decoded_bytes()) as usize;
        let (used, _) = decoder.push(rest, &mut out, room).unwrap();
        rest = &rest[used..];
        out.clear();
    }
    // What is left of a copy comes first.
    while decoder.push(b"", &mut out, 64).unwrap().1 == Decoded::Full {}
    let far = decoder.push(b"\x03\x01\x00\x80\x00", &mut out, 10);
    assert_eq!(far, Err(CodingError::Window));
    assert!(decoder.held_bytes() < 17 << 20, "{} bytes held", decoder.held_bytes());
}

#[test]
fn a_body_that_grows_beyond_measure_is_refused() {
    let blank = vec![b' '; 8 << 20];
    // A megabyte of one byte is what a batch of usual size may be at any ratio.
    assert_eq!(
        check(Coding::Gzip, &gzip(&blank[..1 << 20])),
        Ok((blank[..1 << 20].to_vec(), true))
    );
    // Blocks of 128 KiB of one byte each.
    let zstd = |blocks: usize| {
        let mut body = b"\x28\xb5\x2f\xfd\x00\x38".to_vec();
        body.extend_from_slice(&b"\x02\0\x10a".repeat(blocks));
        body.extend_from_slice(b"\x03\0\0b");
        body
    };
    assert_eq!(check(Coding::Zstd, &zstd(8)), Ok((vec![b'a'; 1 << 20], true)));
    for (coding, body) in [
        (Coding::Gzip, gzip(&blank)),
        (Coding::Deflate, deflate(&blank, true)),
        (Coding::Zstd, zstd(64)),
    ] {
        let error = decode(coding, &[&body], HTTP_STEP_BYTES).unwrap_err();
        assert!(matches!(error, CodingError::Ratio { .. }), "{error:?}");
        assert!(error.to_string().ends_with(" bytes or more, over 100:1 and over 1048576 bytes"));
        assert_eq!(error.status(), Status::CONTENT_TOO_LARGE);
    }
}

#[test]
fn a_body_that_decodes_to_over_32_mib_is_refused() {
    let bytes = HTTP_BODY_BYTES_MAX as usize;
    let piece = vec![b'a'; HTTP_STEP_BYTES];
    let pieces = vec![piece.as_slice(); bytes / HTTP_STEP_BYTES];
    assert!(decode(Coding::Identity, &pieces, HTTP_STEP_BYTES).is_ok());
    let more = [pieces.as_slice(), &[b"b"]].concat();
    let too_large = Err(CodingError::TooLarge);
    assert_eq!(decode(Coding::Identity, &more, HTTP_STEP_BYTES), too_large);
    // These say so in the beginning.
    assert_eq!(decode(Coding::Snappy, &[b"\x81\x80\x80\x10"], 1), too_large);
    let frame = b"\x28\xb5\x2f\xfd\xa0\x01\0\0\x02";
    assert_eq!(decode(Coding::Zstd, &[frame], 1), too_large);
    let error = CodingError::TooLarge;
    assert_eq!(error.to_string(), "body decodes to more than 33554432 bytes");
    assert_eq!(error.status(), Status::CONTENT_TOO_LARGE);
}

#[test]
fn a_snappy_block_that_is_not_what_it_says_is_refused() {
    let error = |body: &[u8]| check_error(Coding::Snappy, body);
    assert_eq!(error(b"\xff\xff\xff\xff\xff"), "damaged snappy body: length over 32 bits");
    assert_eq!(error(b"\x80\x80\x80\x80\x80\x00"), "damaged snappy body: length over 32 bits");
    let more = "damaged snappy body: more text than it says";
    assert_eq!(error(b"\x01\x04ab"), more);
    assert_eq!(error(b"\x05\x04ab\x05\x02"), more);
    assert_eq!(error(b"\x05\xfc\xff\xff\xff\xffa"), more);
    let before = "damaged snappy body: a copy from before its beginning";
    assert_eq!(error(b"\x09\x00a\x01\x00"), before);
    assert_eq!(error(b"\x09\x00a\x01\x02"), before);
    assert_eq!(error(b"\x01\x00ab"), "damaged snappy body: bytes behind its end");
    assert_eq!(check(Coding::Snappy, b"\0"), Ok((vec![], true)));
}

#[test]
fn every_snappy_element_is_read() {
    // Literals with their length in 0, 1, 2, 3 and 4 bytes; copies with offsets of 11, 16 and 32
    // bits, some of which overlap what they make.
    let mut body = vec![0x80, 0x08];
    body.extend_from_slice(
        b"\x08abc\xf0\x02def\xf4\x00\x00g\xf8\x01\x00\x00hi\xfc\x00\x00\x00\x00j",
    );
    body.extend_from_slice(b"\x01\x0a\x1d\x01\x0e\x02\x00\x0f\x0a\x00\x00\x00");
    let mut expected = b"abcdefghij".to_vec();
    for (offset, bytes) in [(10, 4), (1, 11), (2, 4), (10, 4)] {
        for _ in 0..bytes {
            expected.push(expected[expected.len() - offset]);
        }
    }
    body[0] = expected.len() as u8;
    body.remove(1);
    assert_eq!(check(Coding::Snappy, &body), Ok((expected.clone(), true)));
    assert_eq!(snap::raw::Decoder::new().decompress_vec(&body).unwrap(), expected);
}

#[test]
fn a_snappy_copy_reaches_what_earlier_steps_gave() {
    let lines: Vec<u8> = text().iter().copied().cycle().take(300_000).collect();
    let body = snappy(&lines);
    assert_eq!(decode(Coding::Snappy, &[&body], 1000), Ok((lines, true)));
    // From 70,000 bytes back, which no block of 64 KiB needs but the format allows.
    let noise: Vec<u8> = (0..70_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let mut far = vec![0xbe, 0xa3, 0x04, 0xf8, 0x6f, 0x11, 0x01];
    far.extend_from_slice(&noise);
    far.extend_from_slice(&[63 << 2 | 3, 0x70, 0x11, 0x01, 0, 15 << 2 | 3, 1, 0, 0, 0]);
    let mut expected = [noise.as_slice(), &noise[..64]].concat();
    expected.extend_from_slice(&[noise[63]; 14]);
    let length = expected.len();
    far[..3].copy_from_slice(&[
        length as u8 | 0x80,
        (length >> 7) as u8 | 0x80,
        (length >> 14) as u8,
    ]);
    *far.iter_mut().rev().nth(4).unwrap() = 13 << 2 | 3;
    assert_eq!(decode(Coding::Snappy, &[&far], 5000), Ok((expected, true)));
}

#[test]
fn an_answer_can_be_read_up_to_each_flush() {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    encoder.flush(&mut out);
    for index in 1..20 {
        encoder.push(&text(), &mut out);
        encoder.flush(&mut out);
        let shown = decode(Coding::Gzip, &[&out], HTTP_STEP_BYTES);
        assert_eq!(shown, Ok((text().repeat(index), false)));
    }
    encoder.finish(&mut out);
    assert_eq!(decode(Coding::Gzip, &[&out], HTTP_STEP_BYTES), Ok((text().repeat(19), true)));
    assert!(out.len() < 19 * 12_000 / 4, "{} bytes", out.len());
}

proptest! {
    #[test]
    fn snappy_is_what_others_make_of_it(
        text in prop::collection::vec(prop::sample::select(b"abc \n".to_vec()), 0..5000),
        piece_bytes in 1..200_usize,
        room in 1..3000_usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = snappy(&text);
        let pieces: Vec<&[u8]> = body.chunks(piece_bytes).collect();
        prop_assert_eq!(decode(Coding::Snappy, &pieces, room), Ok((text, true)));
        let at = at.index(body.len());
        body[at] = byte;
        let expected = snap::raw::Decoder::new().decompress_vec(&body);
        let found = decode(Coding::Snappy, &[&body], HTTP_STEP_BYTES);
        match expected {
            Ok(text) => prop_assert_eq!(found, Ok((text, true))),
            Err(_) => prop_assert!(!found.is_ok_and(|(_, is_whole)| is_whole)),
        }
    }

    #[test]
    fn zstd_is_what_was_compressed(
        text in prop::collection::vec(prop::sample::select(b"abc \n".to_vec()), 0..5000),
        piece_bytes in 1..200_usize,
        room in 1..3000_usize,
    ) {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let body = ruzstd::encoding::compress_to_vec(text.as_slice(), level);
        let pieces: Vec<&[u8]> = body.chunks(piece_bytes).collect();
        prop_assert_eq!(decode(Coding::Zstd, &pieces, room), Ok((text, true)));
    }
}
