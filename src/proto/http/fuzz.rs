//! Arbitrary bytes as heads, bodies and forms.

use super::*;

/// Reads arbitrary bytes as the head of a request, in pieces of the size that the first byte says;
/// and asks it all there is to ask.
///
/// # Panics
/// When the reads make a difference, or a request is not what [`Request`] promises.
pub fn fuzz_http_head(data: &[u8]) {
    let [piece_bytes, input @ ..] = data else { return };
    let whole = read_head(input);
    let mut end = 0;
    let in_pieces = loop {
        let step = read_head(&input[..end]);
        let needs_more = matches!(step, Ok((0, HeadStep::NeedMore)));
        if !needs_more || end == input.len() {
            break step;
        }
        end = input.len().min(end + 1 + usize::from(*piece_bytes));
    };
    assert_eq!(in_pieces, whole, "the reads matter");
    let Ok((used, HeadStep::Head(request))) = whole else { return };
    assert!(used <= input.len() && used > 0);
    check_request(&request);
    let again = read_head(&input[..used]);
    assert_eq!(again, Ok((used, HeadStep::Head(request))), "what stands behind it matters");
    assert_eq!(read_head(&input[..used - 1]), Ok((0, HeadStep::NeedMore)));
}

fn check_request(request: &Request) {
    let path = request.path();
    assert!(path.starts_with('/') && !path.bytes().any(|byte| byte < b' ' || byte == 0x7f));
    assert!(!path.split('/').any(|segment| segment == "." || segment == ".."), "{path}");
    for (name, value) in pairs(request.query()) {
        assert!(name.len() + value.map_or(0, |value| value.len()) <= request.query().len());
    }
    for name in ["host", "content-length", "transfer-encoding", "accept", "accept-encoding"] {
        for value in request.headers(name) {
            assert_eq!(value.trim_ascii(), value);
            assert!(!value.contains(&b'\r') && !value.contains(&b'\n') && !value.contains(&0));
        }
    }
    assert!(request.headers("host").count() <= 1);
    assert!(request.is_http_1_0() || request.header("host").is_some());
    let _ = (request.keeps_alive(), request.expects_continue(), request.accepts_gzip());
    let offered = ["text/html", "text/plain; version=0.0.4", "application/json"];
    assert!(request.prefers(&offered).is_none_or(|one| offered.contains(&one)));
    if let Ok(framing) = request.framing() {
        let is_chunked = request.header("transfer-encoding").is_some();
        assert_eq!(framing == BodyFraming::Chunked, is_chunked);
        assert!(!is_chunked || request.header("content-length").is_none());
    }
}

/// Reads arbitrary bytes as a body: how much comes at a time, how much of each piece is given back,
/// and the framing (a length; from 200 on: chunks) come first.
///
/// # Panics
/// When the reads or what is given back make a difference.
pub fn fuzz_http_body(data: &[u8]) {
    let [piece_bytes, back, length, input @ ..] = data else { return };
    let framing = match *length {
        200.. => BodyFraming::Chunked,
        0 => BodyFraming::None,
        bytes => BodyFraming::Length(u64::from(bytes)),
    };
    let piece_bytes = 1 + usize::from(*piece_bytes);
    let whole = body_of(framing, &[input], 0);
    let pieces: Vec<&[u8]> = input.chunks(piece_bytes).collect();
    assert_eq!(body_of(framing, &pieces, usize::from(*back)), whole, "the reads matter");
    if let (BodyFraming::Length(bytes), Ok((body, end))) = (framing, &whole) {
        assert_eq!(body.len(), input.len().min(bytes as usize));
        assert_eq!(end.is_some(), input.len() >= bytes as usize);
    }
}

/// The body in `pieces`, and how many bytes it took, where it is whole. Of each step's data up to
/// `back` bytes are given back once.
pub(super) fn body_of(
    framing: BodyFraming,
    pieces: &[&[u8]],
    back: usize,
) -> Result<(Vec<u8>, Option<usize>), HttpError> {
    let (mut reader, mut body) = (BodyReader::new(framing), Vec::new());
    let (mut inbox, mut used_all, mut gives_back) = (Vec::new(), 0, false);
    for piece in [&[], pieces].concat() {
        inbox.extend_from_slice(piece);
        loop {
            let (mut used, step) = reader.step(&inbox)?;
            let (is_end, needs_more) = (step == BodyStep::End, step == BodyStep::NeedMore);
            if let BodyStep::Data(data) = step {
                assert!(!data.is_empty() && data.len() <= crate::limits::HTTP_STEP_BYTES);
                gives_back = !gives_back;
                let back = if gives_back { back.min(data.len()) } else { 0 };
                body.extend_from_slice(&data[..data.len() - back]);
                reader.give_back(back);
                used -= back;
            }
            inbox.drain(..used);
            used_all += used;
            if is_end {
                return Ok((body, Some(used_all)));
            }
            if needs_more {
                assert!(inbox.is_empty(), "bytes left unread");
                break;
            }
        }
    }
    match reader.is_whole() {
        true => Ok((body, Some(used_all))),
        false => Ok((body, None)),
    }
}
