//! Streams and frames that are compressed: bounded work, nothing lost, no bombs.

use super::*;
use crate::proto::inflate::InflateError;

/// As many lines as are asked for, which shrink to a tenth.
fn lines(count: usize) -> Vec<u8> {
    let line = |at| format!("line {at:07} {}\n", (at * 7919) % 65_537).into_bytes();
    (0..count).flat_map(line).collect()
}

/// Lines of 30 bytes each that shrink as much as is allowed, nearly.
fn dense_lines(count: usize) -> Vec<u8> {
    let line = |at| format!("the same line again {:08}\n\n", at / 32).into_bytes();
    (0..count).flat_map(line).collect()
}

fn sender() -> Sender {
    Sender::at(Rig::of_mib(32), Framing::Auto)
}

#[track_caller]
fn has_lines(sender: &Sender, text: &[u8]) {
    let texts = sender.texts();
    let lines = std::str::from_utf8(text).unwrap().lines();
    let expected: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    assert_eq!(texts.len(), expected.len());
    assert!(texts == expected, "lines differ");
}

#[test]
fn a_gzip_stream_is_stored_in_steps() {
    let text = [dense_lines(200_000), lines(100_000)].concat();
    let (one, two) = text.split_at(text.len() / 2 + 3);
    let input = [gzip(one), gzip(two)].concat();
    let mut sender = sender();
    let pieces: Vec<&[u8]> = input.chunks(64 << 10).collect();
    sender.reads(&pieces);
    assert_eq!(sender.refused, None);
    has_lines(&sender, &text);
    let most = (INFLATED_BYTES_PER_GO + INFLATED_BYTES_PER_STEP) as u64;
    assert!(sender.most_bytes <= most, "{} bytes in one go", sender.most_bytes);
    assert!(sender.unfinished > 0, "no go had to leave anything");
}

#[test]
fn what_a_sender_has_flushed_is_stored_at_once() {
    // So few bytes become so many that they are all read long before all has come out.
    let text = dense_lines(200_000);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut sender = sender();
    for (at, chunk) in text.chunks(450_000).enumerate() {
        encoder.write_all(chunk).unwrap();
        encoder.flush().unwrap();
        let sent = std::mem::take(encoder.get_mut());
        for piece in sent.chunks(sent.len() / 3 + 1) {
            sender.read(piece);
        }
        assert_eq!(sender.refused, None);
        let due = (at * 450_000 + chunk.len()) / 30;
        assert_eq!(sender.metrics().lines, due as u64);
    }
}

#[test]
fn a_stream_that_is_cut_off_gives_what_it_has() {
    let text = dense_lines(40_000);
    let whole = gzip(&text);
    for cut in [9, 30, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let mut inflater = Inflater::new();
        let mut expected = Vec::new();
        while inflater.push(b"", &mut expected, 1 << 20).unwrap().1 == Status::Full {}
        let (mut used, mut status) = inflater.push(&whole[..cut], &mut expected, 1 << 20).unwrap();
        while status == Status::Full {
            let (more, next) = inflater.push(&whole[used..cut], &mut expected, 1 << 20).unwrap();
            (used, status) = (used + more, next);
        }
        let mut sender = sender();
        sender.reads(&[&whole[..cut]]);
        assert_eq!(sender.refused, None);
        has_lines(&sender, &expected);
    }
}

#[test]
fn what_came_before_a_broken_place_is_stored() {
    let text = lines(20_000);
    let text = &text[..text.len() - 5];
    for pattern in ["^line", "0 \\d*$"] {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.flush().unwrap();
        // A kind of block that does not exist.
        encoder.get_mut().extend_from_slice(&[0xff; 20]);
        let mut sender = sender();
        sender.join(pattern);
        sender.reads(&[encoder.get_ref()]);
        let refused = sender.refused;
        assert!(matches!(refused, Some(Refused::Inflate(InflateError::Data { .. }))));
        let stored = sender.texts().join("\n").replace("\\n", "\n");
        assert!(stored.as_bytes() == text, "{} of {}", stored.len(), text.len());
    }
}

#[test]
fn a_broken_stream_is_refused_after_what_it_held_even_where_the_segment_is_full() {
    let text = lines(5_000);
    let input = [gzip(&text), b"no gzip at all".to_vec()].concat();
    let mut sender = Sender::at(Rig::synced(), Framing::Auto);
    sender.rooms = (0..200).map(|at| at * 37 % 2000).collect();
    sender.reads(&[&input]);
    let magic = InflateError::Magic { found: *b"no " };
    assert_eq!(sender.refused, Some(Refused::Inflate(magic)));
    has_lines(&sender, &text);
    assert!(sender.waits > 100, "{}", sender.waits);
}

#[test]
fn a_full_segment_does_not_make_a_stream_inflate_ahead() {
    let input = gzip(&dense_lines(100_000));
    let mut sender = Sender::at(Rig::synced(), Framing::Auto);
    let (mut used, mut most) = (0, 0);
    for _ in 0..50 {
        let taken = sender.session.take(&input[used..], false, &mut sender.rig.sink());
        used += taken.used;
        assert!(taken.full.is_some());
        most = most.max(sender.session.held_bytes());
    }
    assert!(most <= Inflater::BYTES + INFLATED_BYTES_PER_STEP + LINE_BYTES_MAX, "{most}");
}

#[test]
fn a_bomb_is_refused() {
    let mut sender = sender();
    let bomb = gzip(&vec![b' '; 20 << 20]);
    sender.read(&bomb);
    let refused = sender.refused;
    assert!(matches!(refused, Some(Refused::Inflate(InflateError::Ratio { .. }))), "{refused:?}");
    assert!(sender.most_bytes <= 2 * LINE_BYTES_MAX as u64, "one line, cut");
    // As a frame by itself it is no more than a record.
    let mut sender = Sender::new();
    let bomb = compressed(&[b'<', b'1', b'>', b' '].repeat(1 << 20)[..1 << 20]);
    sender.reads(&[&bomb, b"<14>next\n"]);
    assert_eq!(sender.texts().last().unwrap(), "<14>next");
    assert_eq!(sender.refused, None);
}

#[test]
fn compressed_frames_are_bounded_work_too() {
    let frame = compressed(&[b"<14>".as_slice(), &[b' '; 60_000]].concat());
    let mut sender = sender();
    sender.session = LogSession::new(64 << 10, b"10.0.0.5", Transport::Tcp, Framing::Auto);
    let input = frame.repeat(200);
    sender.reads(&[&input]);
    assert_eq!(sender.metrics().lines, 200);
    let most = (INFLATED_BYTES_PER_GO + INFLATED_BYTES_PER_STEP) as u64;
    assert!(sender.most_bytes <= most, "{} bytes in one go", sender.most_bytes);
}
