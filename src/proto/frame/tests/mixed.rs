//! Frames of every kind in any order come out as they went in; and garbage keeps its bytes.

use proptest::prelude::*;

use super::*;

/// One frame: what is sent, and what is to come out.
#[derive(Clone, Debug)]
struct Sent {
    bytes: Vec<u8>,
    shown: Vec<String>,
}

fn sent(bytes: String, shown: &[String]) -> Sent {
    Sent { bytes: bytes.into_bytes(), shown: shown.to_vec() }
}

fn end() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("\n"), Just("\r\n")]
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 <>{}\\[\\]:.-]{0,20}"
}

fn frame() -> impl Strategy<Value = Sent> {
    let pri = 0..=191_u8;
    prop_oneof![
        // A line that no mark begins, and no count, nor an object.
        ("[a-zA-Z\\[(.:-]", text(), end()).prop_map(|(first, rest, end)| {
            let line = format!("{first}{rest}");
            sent(format!("{line}{end}"), &[format!("P {line}")])
        }),
        (pri.clone(), text(), end()).prop_map(|(pri, text, end)| {
            sent(format!("<{pri}>{text}{end}"), &[format!("S <{pri}>{text}")])
        }),
        // Counted, with LF in it, an LF at its end, or behind it.
        (pri, text(), text(), 0..3_u8).prop_map(|(pri, one, two, end)| {
            let text = format!("<{pri}>{one}\n.{two}");
            let shown = format!("S {}", text.escape_debug());
            let sent_text = match end {
                0 => format!("{} {text}", text.len()),
                1 => format!("{} {text}\n", text.len() + 1),
                _ => format!("{} {text}\n", text.len()),
            };
            sent(sent_text, &[shown])
        }),
        // Objects on a line.
        (1..4_usize, "[a-z{}]{0,8}", end()).prop_map(|(count, text, end)| {
            let object = format!("{{\"a\":\"{text}\"}}");
            let shown = vec![format!("J {}", object.as_bytes().escape_ascii()); count];
            sent(format!("{}{end}", object.repeat(count)), &shown)
        }),
    ]
}

/// Bytes that frames are made of, more often than by chance.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"\n",
        b"\r\n",
        b"\0",
        b"<14>",
        b"<1",
        b"5 ",
        b"12 ",
        b"40 <14>",
        b"7 <1>",
        b"999 <1>x",
        b"9 zx\x9c",
        b"{",
        b"}",
        b"}{",
        b"\"",
        b"\\",
        b"\x1e",
        b" ",
        b"a",
        b"text",
        b"0",
        b"7",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn frames_of_every_kind_come_out_as_they_went_in(
        frames in proptest::collection::vec(frame(), 0..6),
    ) {
        let input: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes.clone()).collect();
        let expected: Vec<String> = frames.into_iter().flat_map(|frame| frame.shown).collect();
        let codec = FrameCodec::of_text(64);
        let outcome = every_split(&input, |pieces| split(codec, pieces));
        prop_assert_eq!(outcome, Outcome { shown: expected, dropped: 0, resyncs: 0 });
    }

    #[test]
    fn reads_make_no_difference(
        input in pieces(),
        line_bytes_max in 1_usize..24,
        framing in prop_oneof![
            Just(Framing::Auto), Just(Framing::Auto), Just(Framing::Octet), Just(Framing::Nul),
        ],
    ) {
        let codec = FrameCodec::new(framing, line_bytes_max);
        every_split(&input, |pieces| split(codec, pieces));
    }

    #[test]
    fn no_byte_is_lost_or_invented(
        head in any::<[u8; 3]>(),
        input in pieces(),
    ) {
        fuzz_frame(&[head.as_slice(), &input].concat());
    }

    #[test]
    fn lines_without_marks_are_split_as_lines_are(
        input in proptest::collection::vec(
            prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), Just(b' '), 0x80..=0xff_u8], 0..60,
        ),
        line_bytes_max in 1_usize..12,
    ) {
        let as_lines = split(FrameCodec::new(Framing::Lf, line_bytes_max), &[&input]);
        prop_assert_eq!(split(FrameCodec::of_text(line_bytes_max), &[&input]), as_lines);
    }
}
