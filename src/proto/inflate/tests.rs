//! Streams and bodies, whole, in pieces, damaged and excessive.

use proptest::prelude::*;

use super::*;

const TEXT: &[u8] = b"<14>one\n<14>two\n{\"a\":1}\n";

/// What came out, and how it ended; the same in pieces of any size.
#[track_caller]
fn inflate(input: &[u8]) -> Result<(Vec<u8>, Status), InflateError> {
    let whole = in_pieces(input, input.len().max(1), INFLATE_BYTES_MAX);
    for (read_bytes, out_bytes) in [(1, 1), (1, 1000), (7, 3), (input.len().max(1), 1)] {
        let pieces = in_pieces(input, read_bytes, out_bytes);
        assert_eq!(pieces.is_ok(), whole.is_ok(), "{pieces:?}");
        if let (Ok(pieces), Ok(whole)) = (pieces, &whole) {
            assert_eq!(&pieces, whole);
        }
    }
    whole
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(text.len() + 1000);
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), true);
    deflate.compress_vec(text, &mut body, flate2::FlushCompress::Finish).unwrap();
    body
}

#[test]
fn a_stream_of_members_is_inflated_piece_by_piece() {
    let two = [gzip(TEXT), gzip(b""), gzip(b"three\n"), vec![0; 5]].concat();
    let expected = [TEXT, b"three\n"].concat();
    assert_eq!(inflate(&two), Ok((expected, Status::Ended)));
    assert_eq!(inflate(b""), Ok((Vec::new(), Status::NeedMore)));
}

#[test]
fn every_part_of_a_header_is_read_over() {
    let member = gzip(TEXT);
    let optional: &[u8] = b"\x03\0abcname\0comment\0\x12\x34";
    let input = [&[0x1f, 0x8b, 8, 0x1f, 0, 0, 0, 0, 0, 3], optional, &member[10..]].concat();
    assert_eq!(inflate(&input), Ok((TEXT.to_vec(), Status::Ended)));
    let empty = [&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 0, 0], &member[10..]].concat();
    assert_eq!(inflate(&empty), Ok((TEXT.to_vec(), Status::Ended)));
}

#[test]
fn a_stream_that_is_cut_off_gives_what_it_has() {
    let member = gzip(TEXT);
    for end in 1..member.len() {
        let (out, status) = inflate(&member[..end]).unwrap();
        assert_eq!(status, Status::NeedMore);
        assert!(TEXT.starts_with(&out));
    }
}

#[test]
fn errors_say_what_was_seen() {
    let member = gzip(TEXT);
    let error = |input: &[u8]| inflate(input).unwrap_err().to_string();
    assert_eq!(
        error(b"\x1f\x8b\x09\0\0\0\0\0\0\0"),
        "no gzip member: expected 1f 8b 08, found 1f 8b 09"
    );
    assert_eq!(error(b"\x1f\x8b\x08\x80\0\0\0\0\0\0"), "reserved gzip flags: 0x80");
    let damaged = [&member[..10], &[0xff; 9]].concat();
    assert!(error(&damaged).starts_with("damaged deflate data behind byte "));
    let mut wrong = member.clone();
    let at = wrong.len() - 8;
    wrong[at] ^= 1;
    assert!(error(&wrong).starts_with("checksum of inflated text: expected "));
    let trailing = [member.as_slice(), b"\0\0plain text"].concat();
    assert!(error(&trailing).starts_with("no gzip member: "));
    let mut out = Vec::new();
    let cut_off = Inflater::new().whole(&member[..20], Format::Gzip, &mut out, 100);
    let said = "compressed data ends within its 20 bytes";
    assert_eq!(cut_off.unwrap_err().to_string(), said);
    assert_eq!(out, b"");
}

#[test]
fn what_inflates_beyond_measure_is_refused() {
    let free = vec![b' '; INFLATE_FREE_BYTES as usize];
    let (out, _) = in_pieces(&gzip(&free), 1000, INFLATE_BYTES_MAX).unwrap();
    assert_eq!(out, free);
    let bomb = gzip(&vec![b' '; 4 << 20]);
    let error = in_pieces(&bomb, 1000, INFLATE_BYTES_MAX).unwrap_err();
    let InflateError::Ratio { bytes_in, bytes_out } = error else { panic!("{error}") };
    assert!(bytes_out > bytes_in * INFLATE_RATIO_MAX && bytes_out < 1 << 20, "{error}");
    assert!(error.to_string().ends_with(", over 100:1"), "{error}");
    // Many small members are one stream.
    let members = gzip(&vec![b' '; 60 << 10]).repeat(40);
    assert!(matches!(
        in_pieces(&members, 1000, INFLATE_BYTES_MAX),
        Err(InflateError::Ratio { .. })
    ));
    let mut out = Vec::new();
    let body = zlib(&vec![b' '; 4 << 20]);
    let refused = Inflater::new().whole(&body, Format::Zlib, &mut out, INFLATE_BYTES_MAX);
    assert!(matches!(refused, Err(InflateError::Ratio { .. })));
    assert_eq!(out, b"");
}

#[test]
fn no_more_comes_out_at_a_time_than_was_asked_for() {
    // Enough of a pattern to stay below the ratio.
    let mut state = 1_u32;
    let text: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdef"[(state >> 28) as usize]
    })
    .take(INFLATE_BYTES_MAX + 100)
    .collect();
    let input = gzip(&text);
    let (mut inflater, mut out) = (Inflater::new(), Vec::new());
    let (used, status) = inflater.push(&input, &mut out, usize::MAX).unwrap();
    assert_eq!((out.len(), status), (INFLATE_BYTES_MAX, Status::Full));
    out.clear();
    let (more, status) = inflater.push(&input[used..], &mut out, usize::MAX).unwrap();
    assert_eq!((used + more, out.len(), status), (input.len(), 100, Status::Ended));
}

#[test]
fn a_body_is_inflated_whole_or_to_its_limit() {
    let (mut inflater, mut out) = (Inflater::new(), b"x".to_vec());
    for (format, body) in [(Format::Zlib, zlib(TEXT)), (Format::Gzip, gzip(TEXT))] {
        for (bytes_max, is_all) in [(TEXT.len(), true), (TEXT.len() - 1, false), (0, false)] {
            assert_eq!(inflater.whole(&body, format, &mut out, bytes_max), Ok(is_all));
            assert_eq!(&out[1..], &TEXT[..bytes_max]);
            out.truncate(1);
        }
        for end in 0..body.len() {
            let cut_off = inflater.whole(&body[..end], format, &mut out, 100);
            assert_eq!(cut_off, Err(InflateError::Truncated { bytes: end }));
        }
    }
}

#[test]
fn what_real_senders_compress_is_inflated() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (mut inflater, mut out) = (Inflater::new(), Vec::new());
    let rsyslog = read("rsyslog/omfwd-udp-ziplevel.req");
    assert_eq!(inflater.whole(&rsyslog[1..1108], Format::Zlib, &mut out, 10_000), Ok(true));
    assert!(out.starts_with(b"<14>1 2026-09-21T14:13:20+00:00 edge1 api 4242"));
    out.clear();
    let gelf = read("fluent-bit/gelf-udp.req");
    assert_eq!(inflater.whole(&gelf[..118], Format::Gzip, &mut out, 10_000), Ok(true));
    assert!(out.starts_with(b"{\"version\":\"1.1\"") && out.ends_with(b"}"));
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back(
        text in proptest::collection::vec(any::<u8>(), 0..2000),
        read_bytes in 1_usize..300,
        out_bytes in 1_usize..300,
    ) {
        let inflated = in_pieces(&gzip(&text), read_bytes, out_bytes);
        prop_assert_eq!(inflated, Ok((text, Status::Ended)));
    }

    #[test]
    fn garbage_is_refused_or_inflated(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_inflate(&data);
        let with_header = [&[9, 9, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &data[..]].concat();
        fuzz_inflate(&with_header);
    }
}
