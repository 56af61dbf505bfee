//! Bodies, forms, and what real clients send; heads and answers have their tests beside them.

use super::fuzz::body_of;
use super::*;
use crate::limits::HTTP_STEP_BYTES;
use crate::proto::coding::{Coding, Decoded, Decoder};
use crate::proto::testing::every_split;

/// The body in `input`, and how many bytes it took; the same however it is split and given back.
#[track_caller]
fn body(framing: BodyFraming, input: &[u8]) -> Result<(Vec<u8>, Option<usize>), HttpError> {
    let whole = every_split(input, |pieces| body_of(framing, pieces, 0));
    assert_eq!(body_of(framing, &[input], 3), whole, "given back");
    whole
}

#[track_caller]
fn check_chunks(input: &[u8], expected: &[u8], used: usize) {
    assert_eq!(body(BodyFraming::Chunked, input), Ok((expected.to_vec(), Some(used))));
}

#[track_caller]
fn check_bad_chunk(input: &[u8], what: &'static str) {
    assert_eq!(body(BodyFraming::Chunked, input), Err(HttpError::Chunk(what)));
}

#[test]
fn a_body_of_known_length_ends_there() {
    assert_eq!(body(BodyFraming::None, b"GET"), Ok((vec![], Some(0))));
    assert_eq!(body(BodyFraming::Length(0), b"GET"), Ok((vec![], Some(0))));
    assert_eq!(body(BodyFraming::Length(5), b"helloGET"), Ok((b"hello".to_vec(), Some(5))));
    assert_eq!(body(BodyFraming::Length(5), b"hell"), Ok((b"hell".to_vec(), None)));
}

#[test]
fn chunks_are_put_together() {
    check_chunks(b"5\r\nhello\r\n0\r\n\r\nGET", b"hello", 15);
    check_chunks(b"0\r\n\r\n", b"", 5);
    check_chunks(
        b"1\r\na\r\n00A\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
        b"a\r\n\r\n\r\n\r\n\r\n",
        28,
    );
}

#[test]
fn chunk_extensions_are_bounded() {
    check_chunks(b"1;a=b\r\nx\r\n1 ;a=\"b;\xe9\"\r\ny\r\n0;z\r\n\r\n", b"xy", 32);
    let long =
        |bytes: usize| [b"1;".as_slice(), &vec![b'a'; bytes], b"\r\nx\r\n0\r\n\r\n"].concat();
    let fits = long(HTTP_CHUNK_EXTENSION_BYTES_MAX);
    assert!(body_of(BodyFraming::Chunked, &[&fits], 0).is_ok());
    let over = long(HTTP_CHUNK_EXTENSION_BYTES_MAX + 1);
    let error = body_of(BodyFraming::Chunked, &[&over], 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad chunk: extensions too long (allowed: 4096 bytes of extensions, 8192 of trailers)"
    );
    let many = b"1;aaaaaaa\r\nx\r\n".repeat(HTTP_CHUNK_EXTENSION_BYTES_MAX / 7 + 1);
    assert!(body_of(BodyFraming::Chunked, &[&many], 0).is_err(), "over all chunks");
    check_bad_chunk(b"1;a\0\r\n", "control character in an extension");
    check_bad_chunk(b"1;a\nx\r\n", "control character in an extension");
    check_bad_chunk(b"1;a\rx", "lone CR");
}

#[test]
fn a_chunk_without_a_plain_size_is_refused() {
    check_bad_chunk(b"\r\n", "no size");
    check_bad_chunk(b"+1\r\na\r\n", "no size");
    check_bad_chunk(b"-1\r\na\r\n", "no size");
    check_bad_chunk(b" 1\r\na\r\n", "no size");
    check_bad_chunk(b"g\r\n", "no size");
    check_bad_chunk(b"0x1\r\na\r\n", "size with more than digits");
    check_bad_chunk(b"1_0\r\n", "size with more than digits");
    check_bad_chunk(b"1 1\r\n", "size with more than digits");
    check_bad_chunk(b"1 \r\na\r\n", "size with more than digits");
    check_bad_chunk(b"1\na\r\n", "size with more than digits");
    check_bad_chunk(b"1\r\r\na", "lone CR");
    check_bad_chunk(b"1\r\nab\r\n", "no CR LF behind it");
    check_bad_chunk(b"1\r\na\n0\r\n\r\n", "no CR LF behind it");
    check_bad_chunk(b"00000000000000001\r\n", "size of more than 16 digits");
}

#[test]
fn a_size_that_overflows_is_refused() {
    for size in ["ffffffffffffffff", "8000000000000001", "2000001"] {
        let chunk = format!("1\r\na\r\n{size}\r\n");
        assert_eq!(body(BodyFraming::Chunked, chunk.as_bytes()), Err(HttpError::BodyTooLarge));
    }
}

#[test]
fn a_body_over_32_mib_is_refused() {
    let mut reader = BodyReader::new(BodyFraming::Chunked);
    let piece = vec![b'a'; HTTP_STEP_BYTES];
    let mut chunk = format!("{HTTP_STEP_BYTES:x}\r\n").into_bytes();
    chunk.extend_from_slice(&piece);
    chunk.extend_from_slice(b"\r\n");
    let mut bytes = 0;
    let error = loop {
        let mut used = 0;
        let step = loop {
            match reader.step(&chunk[used..]) {
                Ok((_, BodyStep::NeedMore)) => break Ok(()),
                Ok((more, BodyStep::Data(data))) => {
                    used += more;
                    bytes += data.len() as u64;
                }
                Ok((_, BodyStep::End)) => unreachable!("no last chunk"),
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = step {
            break error;
        }
    };
    assert_eq!((error, bytes), (HttpError::BodyTooLarge, HTTP_BODY_BYTES_MAX));
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", bytes + 1);
    let Ok((_, HeadStep::Head(request))) = read_head(head.as_bytes()) else { panic!("a head") };
    let error = request.framing().unwrap_err();
    assert_eq!(error.to_string(), "body exceeds 33554432 bytes");
    assert_eq!(error.status(), Status::CONTENT_TOO_LARGE);
}

#[test]
fn trailers_are_dropped_and_bounded() {
    check_chunks(b"1\r\na\r\n0\r\nA: b\r\nContent-Length: 7\r\n\r\nGET", b"a", 36);
    let long = |bytes: usize| [b"0\r\n".as_slice(), &vec![b'a'; bytes], b"\r\n\r\n"].concat();
    assert!(body_of(BodyFraming::Chunked, &[&long(HTTP_TRAILER_BYTES_MAX)], 0).is_ok());
    let over = body_of(BodyFraming::Chunked, &[&long(HTTP_TRAILER_BYTES_MAX + 1)], 0);
    assert_eq!(over, Err(HttpError::Chunk("trailers too long")));
    check_bad_chunk(b"0\r\nA: b\n\r\n", "control character in a trailer");
    check_bad_chunk(b"0\r\n\n", "control character in a trailer");
    check_bad_chunk(b"0\r\n\rG", "lone CR");
    check_bad_chunk(b"0\r\nA: b\r\r\n", "lone CR");
}

#[test]
fn a_step_over_a_body_is_bounded() {
    let input = vec![b'a'; 3 * HTTP_STEP_BYTES];
    let mut reader = BodyReader::new(BodyFraming::Length(input.len() as u64));
    let (used, step) = reader.step(&input).unwrap();
    assert_eq!((used, step), (HTTP_STEP_BYTES, BodyStep::Data(&input[..HTTP_STEP_BYTES])));
}

#[test]
fn what_is_given_back_comes_again() {
    let input = b"3\r\nabc\r\n0\r\n\r\n";
    let mut reader = BodyReader::new(BodyFraming::Chunked);
    assert_eq!(reader.step(input), Ok((6, BodyStep::Data(b"abc"))));
    reader.give_back(2);
    assert_eq!(reader.step(&input[4..]), Ok((2, BodyStep::Data(b"bc"))));
    reader.give_back(0);
    assert_eq!(reader.step(&input[6..]), Ok((7, BodyStep::End)));
    assert!(reader.is_whole());
}

#[track_caller]
fn check_pairs(raw: &[u8], expected: &[(&[u8], Option<&[u8]>)]) {
    let found: Vec<_> = pairs(raw).collect();
    let found: Vec<_> = found.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
    assert_eq!(found, expected, "{}", raw.escape_ascii());
}

#[test]
fn a_form_gives_its_names_and_values() {
    check_pairs(b"", &[]);
    check_pairs(b"&&", &[]);
    check_pairs(
        b"a=1&b=&c&=d",
        &[(b"a", Some(b"1")), (b"b", Some(b"")), (b"c", None), (b"", Some(b"d"))],
    );
    check_pairs(
        b"level%3E=warning&q=a+b%2Bc&x==y",
        &[(b"level>", Some(b"warning")), (b"q", Some(b"a b+c")), (b"x", Some(b"=y"))],
    );
    check_pairs(
        b"%=%4&%zz=%41%%42&%00=%ff",
        &[(b"%", Some(b"%4")), (b"%zz", Some(b"A%B")), (b"\0", Some(b"\xff"))],
    );
}

/// A request as `expected.tsv` describes it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    path: String,
    body: String,
    decoded: String,
}

/// All requests of a connection; of a body that was held back, nothing is expected.
fn requests_of(input: &[u8], expected: &[Seen]) -> Vec<Seen> {
    let (mut rest, mut seen) = (input, Vec::new());
    while !rest.is_empty() {
        let (used, request) = match read_head(rest) {
            Ok((used, HeadStep::Head(request))) => (used, request),
            Ok((_, HeadStep::NeedMore)) => panic!("a head is cut off: {}", rest.escape_ascii()),
            Err(error) => {
                let [method, body, decoded] = ["refused", "-", "-"].map(str::to_owned);
                seen.push(Seen { method, path: error.status().0.to_string(), body, decoded });
                return seen;
            }
        };
        rest = &rest[used..];
        let method = String::from_utf8_lossy(&input[input.len() - rest.len() - used..]);
        let method = method.split(' ').next().unwrap().to_owned();
        let path = request.path().to_owned();
        if request.header("upgrade") == Some(b"websocket") {
            let [body, decoded] = ["upgraded"; 2].map(str::to_owned);
            seen.push(Seen { method, path, body, decoded });
            return seen;
        }
        if expected.get(seen.len()).is_some_and(|wanted| wanted.body == "-") {
            assert!(request.expects_continue(), "held back, and nobody asked");
            let [body, decoded] = ["-"; 2].map(str::to_owned);
            seen.push(Seen { method, path, body, decoded });
            continue;
        }
        let (body, used) = body_of(request.framing().unwrap(), &[rest], 5).unwrap();
        rest = &rest[used.expect("a whole body")..];
        let coding = Coding::from_name(request.header("content-encoding").unwrap_or_default());
        let decoded = decoded_bytes(coding.expect("a known coding"), &body);
        let (body, decoded) = (body.len().to_string(), decoded.to_string());
        seen.push(Seen { method, path, body, decoded });
    }
    seen
}

fn decoded_bytes(coding: Coding, mut body: &[u8]) -> usize {
    let (mut decoder, mut text) = (Decoder::new(coding), Vec::new());
    loop {
        let (used, decoded) = decoder.push(body, &mut text, 100).unwrap();
        body = &body[used..];
        if decoded != Decoded::Full {
            break;
        }
    }
    decoder.finish().unwrap();
    text.len()
}

#[test]
fn what_real_clients_send_is_read() {
    let top = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/captures/http");
    let table = std::fs::read_to_string(format!("{top}/expected.tsv")).unwrap();
    let mut captures: Vec<(&str, Vec<Seen>)> = Vec::new();
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [name, rest @ ..] = columns.as_slice() else { panic!("{row}") };
        let [method, path, body, decoded] = [0, 1, 2, 3].map(|at| rest[at].to_owned());
        if captures.last().is_none_or(|(last, _)| last != name) {
            captures.push((*name, Vec::new()));
        }
        captures.last_mut().unwrap().1.push(Seen { method, path, body, decoded });
    }
    assert!(captures.len() > 150, "{} captures", captures.len());
    for (name, expected) in captures {
        let input = std::fs::read(format!("{top}/{name}")).unwrap();
        assert_eq!(requests_of(&input, &expected), expected, "{name}");
    }
}
