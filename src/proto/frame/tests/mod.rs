//! Each framing alone, mixed, and cut everywhere.

mod captures;
mod datagrams;
mod mixed;

use super::*;
use crate::proto::testing::{every_split, pull};

/// What came out: the records, what was dropped, and the wrong counts met.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// One a record: its kind (`P`, `S`, `J`, `Z` for a compressed body), its text, `~` where a
    /// wrong count was met, `...` where it is cut.
    pub shown: Vec<String>,
    pub dropped: usize,
    pub resyncs: usize,
}

/// Feeds `pieces` to `codec`.
pub(super) fn split(mut codec: FrameCodec, pieces: &[&[u8]]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut foreign = None;
    pull(pieces, |inbox, is_closed| {
        if foreign.is_some() {
            // The rest is another's.
            return (!inbox.is_empty()).then_some(inbox.len());
        }
        let (used, step) = if is_closed { codec.finish(inbox) } else { codec.step(inbox) };
        match step {
            Step::NeedMore => return None,
            Step::Record(frame) => {
                outcome.resyncs += usize::from(frame.resync);
                outcome.shown.push(shown(&frame));
            }
            Step::Skip { dropped, resync } => {
                outcome.dropped += dropped;
                outcome.resyncs += usize::from(resync);
            }
            Step::Compressed { body } => outcome.shown.push(format!("Z {}", body.len())),
            Step::Gzip | Step::Foreign(_) => {
                foreign = Some(format!("{step:?}"));
                return Some(inbox.len()).filter(|&bytes| bytes > 0);
            }
        }
        Some(used)
    });
    outcome.shown.extend(foreign);
    outcome
}

fn shown(frame: &Frame<'_>) -> String {
    let kind = match frame.kind {
        Kind::Plain => "P",
        Kind::Syslog => "S",
        Kind::Json => "J",
    };
    let resync = if frame.resync { "~" } else { "" };
    let cut = if frame.cut { "..." } else { "" };
    format!("{kind}{resync} {}{cut}", frame.text.escape_ascii())
}

/// Checks what `framing` makes of `input`, however it is cut; and returns what was dropped, and the
/// wrong counts met.
#[track_caller]
fn check_as(
    framing: Framing,
    line_bytes_max: usize,
    input: &[u8],
    expected: &[&str],
) -> (usize, usize) {
    let codec = FrameCodec::new(framing, line_bytes_max);
    let outcome = every_split(input, |pieces| split(codec, pieces));
    assert_eq!(outcome.shown, expected, "{}", input.escape_ascii());
    (outcome.dropped, outcome.resyncs)
}

/// The same in the usual framing, where nothing is lost and no count is wrong.
#[track_caller]
fn check(input: &[u8], expected: &[&str]) {
    assert_eq!(check_as(Framing::Auto, 64, input, expected), (0, 0));
}

/// The same where this many counts are wrong.
#[track_caller]
fn check_wrong(input: &[u8], resyncs: usize, expected: &[&str]) {
    assert_eq!(check_as(Framing::Auto, 64, input, expected), (0, resyncs));
}

#[test]
fn syslog_ends_with_lf_crlf_or_nul() {
    check(b"<14>a\n<191>b\r\n<0>c\0", &["S <14>a", "S <191>b", "S <0>c"]);
    check(b"<14>a\n<14>last", &["S <14>a", "S <14>last"]);
    check(b"<192>a\n<>b\n<14 c\n<", &["P <192>a", "P <>b", "P <14 c", "P <"]);
}

#[test]
fn a_nul_and_another_message_let_messages_hold_lf() {
    check(b"<14>a\0<14>b\nc\0<14>\nd\n\0", &["S <14>a", "S <14>b\\nc", "S <14>\\nd"]);
    // rsyslog ends with both.
    check(b"<14>a\n\0<14>b\n\0\n<14>c\r\n\0", &["S <14>a", "S <14>b", "S <14>c"]);
    // The first message holds LF: what ends it is not known yet.
    check(b"<14>a\nb\0<14>c\nd\0", &["S <14>a", "P b", "S <14>c\\nd"]);
}

#[test]
fn other_lines_still_end_with_lf_where_nul_ends_messages() {
    let input = b"<14>a\0<14>b\nc\0plain\n{\"a\":1}\n4 <1>c<14>d\ne\0";
    let expected = ["S <14>a", "S <14>b\\nc", "P plain", r#"J {\"a\":1}"#, "S <1>c", "S <14>d\\ne"];
    check(input, &expected);
}

#[test]
fn a_stray_nul_changes_nothing() {
    check(b"<14>a\0b\n<14>c\n<14>d\n", &["S <14>a", "P b", "S <14>c", "S <14>d"]);
    check(b"a\0b\n{}\0<14>c\n<14>d\n", &["P a", "P b", "J {}", "S <14>c", "S <14>d"]);
}

#[test]
fn a_nul_that_was_an_accident_costs_nothing() {
    let end = &["S <14>a", "S~ <14>b", "S <14>c", "S <14>d"];
    check_wrong(b"<14>a\0<14>b\n<14>c\n<14>d\n", 1, end);
    let input = b"<14>a\0<14>b\n<14>c\n<14>d\n<14>e\n";
    let outcome = check_as(
        Framing::Auto,
        12,
        input,
        &["S <14>a", "S~ <14>b", "S <14>c", "S <14>d", "S <14>e"],
    );
    assert_eq!(outcome, (0, 1));
    let outcome = check_as(
        Framing::Auto,
        8,
        b"<14>a\0<14>b\nplain\nlines\n",
        &["S <14>a", "S~ <14>b", "P plain", "P lines"],
    );
    assert_eq!(outcome, (0, 1));
}

#[test]
fn a_message_over_the_limit_is_cut_and_dropped_up_to_its_nul() {
    let input = b"<14>a\0<14>bcdefghijk\0<14>l\0";
    let outcome = check_as(Framing::Auto, 8, input, &["S <14>a", "S <14>bcde...", "S <14>l"]);
    assert_eq!(outcome, (6, 0));
}

#[test]
fn counted_frames_need_nothing_between_them() {
    check(b"5 <14>a6 <14>bc7 <14>d\nf", &["S <14>a", "S <14>bc", "S <14>d\\nf"]);
    check(
        b"6 <14>a\n7 <14>b\r\n\n5 <14>c\r\n<14>d\n",
        &["S <14>a", "S <14>b", "S <14>c", "S <14>d"],
    );
}

#[test]
fn what_only_looks_like_a_count_is_a_line() {
    let lines = [
        "2026-11-20 ERROR one",
        "12 monkeys",
        "404 <b>",
        "3 <14>",
        "0 <14>abc",
        "007 <14>abcdefg",
        "1234567 <14>",
        "12  <14>abcdefghij",
        "99 <192>",
        "48 zx81",
        "7",
        "42 ",
        "42 <",
        "42 z",
    ];
    for line in lines {
        check(line.as_bytes(), &[&format!("P {line}")]);
        check(format!("{line}\n<14>b\n").as_bytes(), &[&format!("P {line}"), "S <14>b"]);
    }
}

#[test]
fn a_wrong_count_ends_at_the_next_mark() {
    check_wrong(b"40 <14>a\n<14>b\nc\n", 1, &["S~ <14>a", "S <14>b", "P c"]);
    check_wrong(b"40 <14>a\r\n5 <14>bc\n", 1, &["S~ <14>a", "S <14>b", "P c"]);
}

#[test]
fn a_count_too_large_keeps_both_sides() {
    check_wrong(b"7 <14>a\n<14>b\n", 1, &["S~ <14>a", "S <14>b"]);
    check_wrong(b"8 <14>a8 <14>b8 <14>c", 2, &["S <14>a8 <", "P~ 14>b", "S~ <14>c"]);
}

#[test]
fn a_message_that_quotes_another_does_not_swallow_the_next() {
    let expected = ["S~ <14>a", "S~ <6>usb", "S <14>b", "S <14>c"];
    check_wrong(b"12 <14>a\n<6>usb5 <14>b5 <14>c", 2, &expected);
    check_wrong(
        b"12 <14>a\n<6>usb\n5 <14>b<14>c\n",
        1,
        &["S~ <14>a", "S <6>usb", "S <14>b", "S <14>c"],
    );
}

#[test]
fn a_count_too_small_keeps_both_sides() {
    check_wrong(b"5 <14>abc6 <14>de7 <14>f\n", 2, &["S <14>a", "P~ bc", "S <14>de", "S~ <14>f"]);
    check_wrong(
        b"5 <14>abc\n<14>d\n5 <14>x<14>y\n",
        0,
        &["S <14>a", "P bc", "S <14>d", "S <14>x", "S <14>y"],
    );
    check_wrong(b"5 <14>abc\0", 0, &["S <14>a", "P bc"]);
    check_wrong(b"5 <14>abc", 0, &["S <14>a", "P bc"]);
}

#[test]
fn a_count_that_the_close_leaves_unfulfilled_keeps_what_came() {
    check_wrong(b"50 <14>a", 1, &["S~ <14>a"]);
    check_wrong(b"50 <14>a\nb\n", 1, &["S~ <14>a\\nb"]);
    check_wrong(b"500 <14>a\n<14>b\n", 1, &["S~ <14>a", "S <14>b"]);
    let short = check_as(Framing::Auto, 6, b"500 <14>abcdefghi", &["S <14>ab..."]);
    assert_eq!(short, (7, 0));
}

#[test]
fn counted_frames_over_the_limit_are_cut_and_the_rest_is_dropped() {
    let cut = |input: &[u8], expected: &[&str]| check_as(Framing::Auto, 6, input, expected);
    assert_eq!(cut(b"6 <14>ab5 <14>c", &["S <14>ab", "S <14>c"]), (0, 0));
    assert_eq!(cut(b"7 <14>ab\n5 <14>c", &["S <14>ab", "S <14>c"]), (0, 0));
    assert_eq!(cut(b"7 <14>abc5 <14>d", &["S <14>ab...", "S <14>d"]), (1, 0));
    assert_eq!(cut(b"8 <14>abc\n5 <14>d", &["S <14>ab...", "S <14>d"]), (2, 0));
    let long = [b"999 ".as_slice(), b"<14>ab", &[b'x'; 993], b"5 <14>c"].concat();
    assert_eq!(cut(&long, &["S <14>ab...", "S <14>c"]), (993, 0));
}

#[test]
fn a_wrong_count_is_noticed_in_what_is_dropped_too() {
    let cut = |input: &[u8], expected: &[&str]| check_as(Framing::Auto, 6, input, expected);
    let input = b"900 <14>abcdefghij\n<14>k\nl\n";
    assert_eq!(cut(input, &["S <14>ab...", "S <14>k", "P l"]), (8, 1));
    let input = b"900 <14>abcdefghij\nk\n<\n1\n<1\n9 <1>k\n";
    assert_eq!(cut(input, &["S <14>ab...", "S~ <1>k"]), (17, 2));
    // At the very border of what is kept.
    for text in ["a", "ab", "abc", "abcd"] {
        let input = format!("900 <14>{text}\n<14>k\n");
        let (kept, cut_mark) = (&text[..text.len().min(2)], ["", "..."][text.len() / 3]);
        let first = if text.len() > 2 { "S " } else { "S~ " };
        let first = format!("{first}<14>{kept}{cut_mark}");
        let outcome = cut(input.as_bytes(), &[&first, "S <14>k"]);
        assert_eq!(outcome, (text.len().saturating_sub(2), 1));
    }
}

#[test]
fn compressed_frames_are_handed_out_whole() {
    // rsyslog: no LF behind a compressed one, one behind the others.
    let input = b"8 zx\x9c\n<1>y<30>1 a\n7 zx\xda\0\n\0b\n5 <14>c";
    check(input, &["Z 7", "S <30>1 a", "Z 6", "S <14>c"]);
}

#[test]
fn a_compressed_frame_over_the_limit_is_dropped() {
    let body = [b"zx\x9c".as_slice(), &[0xaa; COMPRESSED_FRAME_BYTES_MAX]].concat();
    let input = [b"65539 ", body.as_slice(), b"5 <14>a"].concat();
    let codec = FrameCodec::new(Framing::Auto, 64);
    for pieces in [1, 1000, input.len()] {
        let pieces: Vec<&[u8]> = input.chunks(pieces).collect();
        let outcome = split(codec, &pieces);
        assert_eq!((outcome.shown, outcome.dropped), (vec!["S <14>a".to_owned()], 65_539));
    }
    check_as(Framing::Auto, 64, b"80 zx\x9cabc", &[]);
}

#[test]
fn objects_on_one_line_are_records_of_their_own() {
    check(
        b"{\"a\":1}{\"b\":{}}\n{} {}\r\n{}{}\0{}",
        &[r#"J {\"a\":1}"#, r#"J {\"b\":{}}"#, "J {}", "J {}", "J {}", "J {}", "J {}"],
    );
    check(
        b"{\"a\":\"}{\"}\n{\"a\":\"\\\"}{\"}\n",
        &[r#"J {\"a\":\"}{\"}"#, r#"J {\"a\":\"\\\"}{\"}"#],
    );
}

#[test]
fn objects_that_do_not_balance_are_one_plain_line() {
    check(b"{}{} x\n{}{\n{} {\"a}\n{\n", &["P {}{} x", "P {}{", "P {} {\\\"a}", "J {"]);
}

#[test]
fn objects_beyond_the_limit_of_a_line_are_found_one_by_one() {
    let objects = |count: usize| b"{\"a\":1}".repeat(count);
    let expected = [r#"J {\"a\":1}"#; 20];
    assert_eq!(check_as(Framing::Auto, 16, &objects(20), &expected), (0, 0));
    let input = [objects(2), b"{\"a\":\"0123456789\"}{}\n{}\n".to_vec()].concat();
    let expected = [expected[0], expected[1], r#"J {\"a\":\"0123456789..."#, "J {}"];
    assert_eq!(check_as(Framing::Auto, 16, &input, &expected), (4, 0));
}

#[test]
fn a_record_separator_before_json_goes() {
    check(
        b"\x1e{\"a\":1}\n\x1e{}{}\n\x1eb\n\x1e",
        &[r#"J {\"a\":1}"#, "J {}", "J {}", "P \\x1eb", "P \\x1e"],
    );
    check(b"\x1e", &["P \\x1e"]);
}

#[test]
fn a_connection_that_is_no_text_is_refused_whole() {
    check(b"\x1f\x8b\x08\0\0", &["Gzip"]);
    check(b"GET / HTTP/1.1\r\nHost: a\r\n", &["Foreign(Http)"]);
    check(b"\0\0\x01\xd1}q\0(X", &["Foreign(Pickle)"]);
    check(b"\x16\x03\x01\x02\0\x01", &["Foreign(Tls)"]);
    // Only its first bytes say so.
    check(b"a\nGET / HTTP/1.1\r\nx\x9c\n", &["P a", "P GET / HTTP/1.1", "P x\\x9c"]);
    check(b"GET /x 200 5 ms\nGET / HT", &["P GET /x 200 5 ms", "P GET / HT"]);
    check(b"\x1f\x8b", &["P \\x1f\\x8b"]);
}

#[test]
fn an_undecided_beginning_becomes_a_plain_line() {
    for (beginning, rest) in [("GET / HT", "TP/1.1"), ("12", " <14>abcdefgh"), ("<1", "4>a")] {
        let mut codec = FrameCodec::new(Framing::Auto, 64);
        assert_eq!(codec.step(beginning.as_bytes()), (0, Step::NeedMore));
        assert!(codec.is_undecided(beginning.as_bytes()), "{beginning}");
        codec.decide();
        let line = format!("{beginning}{rest}");
        let outcome = split(codec, &[format!("{line}\n{line}\n").as_bytes()]);
        assert_eq!(outcome.shown[0], format!("P {line}"));
    }
    let mut codec = FrameCodec::new(Framing::Auto, 64);
    assert_eq!(codec.step(b"an unfinished line"), (0, Step::NeedMore));
    assert!(!codec.is_undecided(b"an unfinished line"));
    assert!(!FrameCodec::new(Framing::Lf, 64).is_undecided(b"GET"));
}

#[test]
fn lf_framing_guesses_nothing() {
    let input = b"x\x9c\n5 <14>abc\n<14>d\0\n<14>e\r\n{}{}\n\x1e{}\n";
    let expected = ["P x\\x9c", "P 5 <14>abc", "S <14>d", "S <14>e", "J {}{}", "P \\x1e{}"];
    assert_eq!(check_as(Framing::Lf, 64, input, &expected), (0, 0));
}

#[test]
fn octet_framing_takes_any_counted_text() {
    let input = b"5 hello6 a\nb\nc\n2 {}\n5 <14>x8 zx\x9cabcde";
    let expected = ["P hello", "P a\\nb\\nc", "J {}", "S <14>x", "Z 7"];
    assert_eq!(check_as(Framing::Octet, 64, input, &expected), (0, 0));
}

#[test]
fn octet_framing_finds_the_next_count_behind_garbage() {
    let input = b"garbage5 <14>xmore 7 <14>abc\nand more\n1 y";
    let expected = ["P~ garbage", "S <14>x", "P~ more ", "S <14>abc", "P~ and more", "P y"];
    assert_eq!(check_as(Framing::Octet, 64, input, &expected), (0, 3));
    let input = b"garbage too long5 <14>x\nabcdefghijklmnopqrstuvwxyz\n5 <14>y";
    let expected = ["P~ garbage...", "S <14>x", "P~ abcdefg...", "S <14>y"];
    assert_eq!(check_as(Framing::Octet, 7, input, &expected), (28, 2));
}

#[test]
fn nul_framing_ends_all_with_nul() {
    let input = b"a\nb\0<14>c\n\0\n{}{}\0\0d\r\n\0last\n";
    let expected = ["P a\\nb", "S <14>c", "J {}{}", "P d", "P last"];
    assert_eq!(check_as(Framing::Nul, 64, input, &expected), (0, 0));
    let expected = ["P abcdefg...", "P h"];
    assert_eq!(check_as(Framing::Nul, 7, b"abcdefg\nijk\0h\0", &expected), (4, 0));
    assert_eq!(check_as(Framing::Nul, 4, b"abcd\r\n\0abcd\n\0", &["P abcd"; 2]), (0, 0));
}

#[test]
fn what_is_unfinished_can_be_stored_as_it_is() {
    let cases: [(&[u8], Option<&str>, &[u8]); 6] = [
        (b"a line", Some("P a line..."), b" and its rest\n"),
        (b"40 <14>abc", Some("S <14>abc..."), b"defghijklmnopqrstuvwxyz0123456789"),
        (b"<14>a\0<14>b\nc", Some("S <14>b\\nc..."), b"\nd\n\0"),
        (b"5 <14>astray", Some("P stray..."), b" text"),
        (b"40 zx\x9c", None, &[0xaa; 37]),
        (b"{\"a\":1", Some(r#"J {\"a\":1..."#), b"}\n"),
    ];
    for (beginning, expected, rest) in cases {
        let mut codec = FrameCodec::new(Framing::Auto, 64);
        let mut at = 0;
        while let (used @ 1.., _) = codec.step(&beginning[at..]) {
            at += used;
        }
        let unfinished = codec.unfinished(&beginning[at..]).map(|frame| shown(&frame));
        assert_eq!(unfinished.as_deref(), expected);
        codec.skip_rest();
        let rest = [rest, b"5 <14>z"].concat();
        let outcome = split(codec, &rest.chunks(1).collect::<Vec<_>>());
        assert_eq!(outcome.shown, ["S <14>z"], "{}", beginning.escape_ascii());
    }
}

#[test]
fn a_connection_pays_28_bytes() {
    assert_eq!(size_of::<FrameCodec>(), 28);
}
