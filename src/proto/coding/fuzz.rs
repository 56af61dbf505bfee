//! Arbitrary bytes for every coding, whole and in pieces.

use super::*;

/// Decodes arbitrary bytes: which coding, how much is shown and how much comes out at a time are
/// the first three. Then the bytes as a text, compressed as an answer and decoded again.
///
/// # Panics
/// When more comes out than was asked for, a step does nothing, the reads make a difference, or a
/// text is not what it was.
pub fn fuzz_coding(data: &[u8]) {
    let [coding, piece_bytes, room, input @ ..] = data else { return };
    let codings = [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Zstd, Coding::Snappy];
    let coding = codings[usize::from(*coding) % codings.len()];
    let (piece_bytes, room) = (1 + usize::from(*piece_bytes), 1 + usize::from(*room) * 16);
    let pieces: Vec<&[u8]> = input.chunks(piece_bytes).collect();
    let (whole, in_pieces) =
        (decode(coding, &[input], HTTP_STEP_BYTES), decode(coding, &pieces, room));
    match (&in_pieces, &whole) {
        // How far ahead of its output a body was read is all that this depends on.
        (Err(CodingError::Ratio { .. }), _) | (_, Err(CodingError::Ratio { .. })) => {}
        (Err(_), Err(_)) => {}
        (in_pieces, whole) => assert_eq!(in_pieces, whole, "the reads matter"),
    }
    let mut answer = Vec::new();
    let mut encoder = Encoder::new();
    for (index, piece) in pieces.iter().enumerate() {
        encoder.push(piece, &mut answer);
        if index % 3 == 2 && index < 12 {
            encoder.flush(&mut answer);
            let shown = decode(Coding::Gzip, &[answer.as_slice()], HTTP_STEP_BYTES);
            let pushed = pieces[..=index].concat();
            assert_eq!(shown, Ok((pushed, false)), "flushed, and not all there");
        }
    }
    encoder.finish(&mut answer);
    let text = decode(Coding::Gzip, &[answer.as_slice()], HTTP_STEP_BYTES);
    assert_eq!(text, Ok((input.to_vec(), true)));
}

/// What `pieces` decode to, `room` bytes at a time, and whether the body is whole.
pub(super) fn decode(
    coding: Coding,
    pieces: &[&[u8]],
    room: usize,
) -> Result<(Vec<u8>, bool), CodingError> {
    let (mut decoder, mut text, mut out) = (Decoder::new(coding), Vec::new(), Vec::new());
    // Another whose output stays where it is: it must do the same.
    let (mut keeping, mut kept) = (Decoder::keeping(coding), Vec::new());
    let mut idle = 0;
    for mut piece in pieces.iter().copied() {
        loop {
            // As a caller does that uses up what it got.
            out.clear();
            let pushed = decoder.push(piece, &mut out, room);
            let same = keeping.push(piece, &mut kept, room);
            assert_eq!(pushed, same, "what is kept makes a difference");
            let (used, decoded) = pushed?;
            assert!(out.len() <= room, "{} bytes came out of {room}", out.len());
            idle = if used == 0 && out.is_empty() { idle + 1 } else { 0 };
            assert!(idle < 4, "steps that do nothing");
            text.extend_from_slice(&out);
            assert!(kept.ends_with(&out), "what is kept is another text");
            piece = &piece[used..];
            if decoded != Decoded::Full {
                assert!(piece.is_empty(), "bytes left unread");
                break;
            }
        }
    }
    assert_eq!((decoder.decoded_bytes(), kept.len()), (text.len() as u64, text.len()));
    assert!(decoder.held_bytes() <= 32 << 20, "{} bytes held", decoder.held_bytes());
    Ok((text, decoder.finish().is_ok()))
}
