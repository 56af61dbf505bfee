//! Runs the codec over arbitrary bytes, and keeps the account of every one of them.

use super::mark::MARK_BYTES_MAX;
use super::{Datagram, Frame, FrameCodec, Framing, Kind, Step, datagram};

/// What became of an input.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// Text, whether it was cut, its kind, whether a wrong count was met.
    records: Vec<(Vec<u8>, bool, Kind, bool)>,
    /// Bodies of compressed frames.
    bodies: Vec<Vec<u8>>,
    dropped: usize,
    resyncs: usize,
    /// Counts, separators, terminators.
    framing: usize,
    /// Where the codec found that all from there on is something else, and what.
    foreign: Option<(usize, String)>,
}

/// Runs the codec over arbitrary bytes: the first says which framing, the second the limit, the
/// third where reads end; and takes the rest for a datagram too.
///
/// # Panics
/// When bytes get lost or appear: bytes in = bytes of records + bytes dropped + framing; when a
/// record breaks what [`Frame`] promises; or when the reads make a difference.
pub fn fuzz_frame(data: &[u8]) {
    let [how, limit, read_bytes, input @ ..] = data else { return };
    let limit = 1 + usize::from(*limit % 64);
    let read_bytes = 1 + usize::from(*read_bytes % 64);
    let codec = match how % 5 {
        0 => FrameCodec::of_text(limit),
        1 => FrameCodec::new(Framing::Lf, limit),
        2 => FrameCodec::new(Framing::Octet, limit),
        3 => FrameCodec::new(Framing::Nul, limit),
        _ => FrameCodec::new(Framing::Auto, limit),
    };
    let in_pieces = run(codec, limit, input, read_bytes, false);
    assert_eq!(in_pieces, run(codec, limit, input, input.len().max(1), false), "reads matter");
    run(codec, limit, input, read_bytes, true);
    match datagram(input) {
        Datagram::Syslog(text) => {
            assert!(text.first() == Some(&b'<') && text.len() <= input.len());
        }
        Datagram::Compressed(body) => assert!(body.first() == Some(&0x78)),
        Datagram::Gzip(body) => assert_eq!(body, input),
        Datagram::Frames | Datagram::Foreign(_) => {}
    }
}

/// `is_short`: there is no room to wait for the rest of a frame, nor time for what is undecided.
fn run(
    mut codec: FrameCodec,
    limit: usize,
    input: &[u8],
    read_bytes: usize,
    is_short: bool,
) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut start, mut filled, mut kept) = (0, 0, 0);
    loop {
        let is_closed = filled == input.len();
        let inbox = &input[start..filled];
        let (used, step) = if is_closed { codec.finish(inbox) } else { codec.step(inbox) };
        match step {
            Step::NeedMore if is_closed => break,
            Step::NeedMore => {
                assert_eq!(used, 0, "used bytes without a meaning");
                assert!(inbox.len() <= codec.held_bytes_max(), "{} bytes held", inbox.len());
                // Beyond the limit only what is compressed, or might be no text, is waited for.
                let is_long = inbox.len() > limit + 2 * MARK_BYTES_MAX;
                assert!(!is_long || codec.is_undecided(inbox) || codec.unfinished(inbox).is_none());
                filled = input.len().min(filled + read_bytes);
                if is_short && codec.is_undecided(inbox) {
                    codec.decide();
                } else if is_short && inbox.len() > limit / 2 {
                    let text = codec.unfinished(inbox).map_or(&inbox[..0], |frame| frame.text);
                    kept += text.len();
                    outcome.dropped += inbox.len() - text.len();
                    codec.skip_rest();
                    start += inbox.len();
                }
                continue;
            }
            Step::Record(frame) => {
                check_record(&frame, &inbox[..used], limit);
                kept += frame.text.len();
                outcome.framing += used - frame.text.len();
                outcome.resyncs += usize::from(frame.resync);
                let Frame { text, cut, kind, resync } = frame;
                outcome.records.push((text.to_vec(), cut, kind, resync));
            }
            Step::Skip { dropped, resync } => {
                check_skip(&inbox[..used], dropped);
                outcome.dropped += dropped;
                outcome.resyncs += usize::from(resync);
                outcome.framing += used - dropped;
            }
            Step::Compressed { body } => {
                assert_eq!(inbox[..used].strip_suffix(body).map(|rest| rest.last()), {
                    Some(Some(&b'z'))
                });
                kept += body.len();
                outcome.framing += used - body.len();
                outcome.bodies.push(body.to_vec());
            }
            Step::Gzip | Step::Foreign(_) => {
                assert_eq!((used, start), (0, 0), "only a connection's first bytes say so");
                outcome.foreign = Some((start, format!("{step:?}")));
                return outcome;
            }
        }
        assert!(used > 0, "a step without progress");
        start += used;
    }
    assert_eq!(start, input.len(), "bytes left unread");
    assert_eq!(kept + outcome.dropped + outcome.framing, input.len(), "bytes lost or invented");
    outcome
}

/// A record is its count or separator, its text, its end.
fn check_record(frame: &Frame<'_>, used: &[u8], limit: usize) {
    let Frame { text, cut, kind, .. } = *frame;
    assert!(!text.is_empty() && text.len() <= limit, "record of {}", text.len());
    match kind {
        Kind::Syslog => assert!(text[0] == b'<' && text[1].is_ascii_digit()),
        Kind::Json => assert_eq!(text[0], b'{'),
        Kind::Plain => {}
    }
    let before = text.as_ptr() as usize - used.as_ptr() as usize;
    let (prefix, suffix) = (&used[..before], &used[before + text.len()..]);
    assert!(is_count(prefix) || matches!(prefix, [] | [0x1e]), "{}", prefix.escape_ascii());
    if cut {
        let separator = usize::from(prefix == [0x1e]);
        assert!(text.len() + separator == limit, "cut at {} of {limit}", text.len());
        assert!(suffix.is_empty(), "{}", suffix.escape_ascii());
    }
    let is_end = matches!(suffix, [] | [b'\n'] | [b'\r', b'\n'] | [0] | [b'\n', 0])
        || suffix == b"\r\n\0"
        || kind == Kind::Json && suffix.iter().all(|byte| matches!(byte, b' ' | b'\t'));
    assert!(is_end, "{}", suffix.escape_ascii());
}

/// What is skipped is dropped content and its end, or empty lines, or a count.
fn check_skip(used: &[u8], dropped: usize) {
    let is_framing = |bytes: &[u8]| {
        let blank = bytes.iter().position(|&byte| byte == b' ').map_or(0, |at| at + 1);
        let (count, rest) = bytes.split_at(blank);
        (count.is_empty() || is_count(count))
            && rest.iter().all(|byte| matches!(byte, b'\n' | b'\r' | 0))
    };
    let is_end = dropped > 0 && matches!(used[dropped..], [] | [b'\n' | 0]);
    let framing = &used[..used.len() - dropped];
    assert!(is_end || is_framing(framing), "{dropped}: {}", used.escape_ascii());
}

fn is_count(prefix: &[u8]) -> bool {
    let Some((b' ', digits)) = prefix.split_last() else { return false };
    (1..=6).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}
