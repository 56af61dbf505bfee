//! Whole sessions, cut everywhere.

use super::*;
use crate::proto::testing::every_split;

/// Checks the records that `input` becomes, and returns what was counted, however it is cut. In
/// what is `expected`, `HERE` are the labels of who says nothing of itself.
#[track_caller]
fn check(make: impl Fn() -> Sender, input: &[u8], expected: &[&str]) -> Metrics {
    let (records, metrics) = every_split(input, |pieces| {
        let mut sender = make();
        sender.reads(pieces);
        sender.tell_all();
        (sender.rig.records(), format!("{:?} {:?}", sender.refused, sender.metrics()))
    });
    let full = |text: &&str| {
        let text =
            text.replacen("USER", "facility=user", 1).replacen("HERE", "host=10.0.0.5 TCP", 1);
        text.replacen("TCP", "transport=tcp", 1)
    };
    assert_eq!(records, expected.iter().map(full).collect::<Vec<_>>());
    let mut sender = make();
    sender.reads(&[input]);
    sender.tell_all();
    assert_eq!(metrics, format!("{:?} {:?}", sender.refused, sender.metrics()));
    sender.rig.metrics
}

#[test]
fn a_session_of_everything_is_the_same_however_it_is_cut() {
    let inputs: [&[u8]; 14] = [
        b"plain\n2026-11-20 ERROR with crlf\r\n\n\r\n\0",
        b"<11>Nov 20 09:59:58 box sshd[1]: legacy\n",
        b"<14>1 2026-11-20T09:59:59.5Z web nginx 77 - [x a=\"b\"] modern\r\n",
        &counted(b"<12>Nov 20 09:59:57 db pg: in\ntwo\n"),
        &counted(b"<13>Nov 20 09:59:57 db pg: back to back"),
        b"40 <14>too short\n<14>seen\n",
        b"8 <14>too long by this\n",
        &compressed(b"<10>1 - zip app - - - squeezed\n"),
        b"{\"level\":\"warn\",\"a\":1}{\"b\":\"}{\"} {\"c\":2}\n",
        &[b'x'; LINE_BYTES_MAX + 7],
        b"\n<14>one\0<14>two\nlines\0",
        b"{\"level\":\"fatal\"}\0",
        b"<14>1 2026-13-45T99:99:99Z bad time - - - kept\0",
        b"debug: last piece",
    ];
    let cut = format!("unknown HERE: {}...", "x".repeat(LINE_BYTES_MAX));
    let expected = [
        "unknown HERE: plain",
        "error HERE: 2026-11-20 ERROR with crlf",
        "error app=sshd USER host=box TCP: <11>Nov 20 09:59:58 box sshd[1]: legacy",
        "info app=nginx USER host=web TCP: <14>1 2026-11-20T09:59:59.5Z web nginx 77 - \
         [x a=\\\"b\\\"] modern",
        r"warning app=pg USER host=db TCP: <12>Nov 20 09:59:57 db pg: in\ntwo",
        "notice app=pg USER host=db TCP: <13>Nov 20 09:59:57 db pg: back to back",
        "info USER HERE: <14>too short",
        "info USER HERE: <14>seen",
        "info USER HERE: <14>too ",
        "unknown HERE: long by this",
        "critical app=app USER host=zip TCP: <10>1 - zip app - - - squeezed",
        r#"warning HERE: {\"level\":\"warn\",\"a\":1}"#,
        r#"unknown HERE: {\"b\":\"}{\"}"#,
        r#"unknown HERE: {\"c\":2}"#,
        &cut,
        "info USER HERE: <14>one",
        r"info USER HERE: <14>two\nlines",
        r#"critical HERE: {\"level\":\"fatal\"}"#,
        "info app=time USER host=bad TCP: <14>1 2026-13-45T99:99:99Z bad time - - - kept",
        "debug HERE: debug: last piece",
    ];
    let metrics = check(Sender::new, &inputs.concat(), &expected);
    assert_eq!((metrics.lines, metrics.resyncs, metrics.times_bad), (20, 1, 1));
    assert_eq!((metrics.cut, metrics.cut_bytes), (1, 7));
}

#[test]
fn joined_lines_are_the_same_however_they_are_cut() {
    let input = [
        b" before\nA one\n at x\r\n at y\nA two\n".as_slice(),
        b"<14>no line\n at z\n",
        b"A three\n at w\n{\"a\":1}\nA four\n",
        &[b'y'; LINE_BYTES_MAX + 3],
        b"\n at v\nA last\n and its end",
    ]
    .concat();
    let cut = format!("unknown HERE: {}...", "y".repeat(LINE_BYTES_MAX));
    let expected = [
        "unknown HERE:  before",
        r"unknown HERE: A one\n at x\n at y",
        "unknown HERE: A two",
        "info USER HERE: <14>no line",
        "unknown HERE:  at z",
        r"unknown HERE: A three\n at w",
        r#"unknown HERE: {\"a\":1}"#,
        "unknown HERE: A four",
        &cut,
        "unknown HERE:  at v",
        r"unknown HERE: A last\n and its end",
    ];
    let metrics = check(|| Sender::joining("^A"), &input, &expected);
    assert_eq!((metrics.lines, metrics.joined), (11, 4));
}

#[test]
fn lines_held_back_and_folded_are_the_same_however_they_are_cut() {
    let make = || {
        let mut sender = Sender::new();
        sender.rig.intake.limit_rate(Some((3, 3)));
        sender.rig.intake.fold(true);
        sender
    };
    let mut input = b"INFO again\n<15>Nov 20 09:59:58 box app: debug\n".repeat(3);
    input.extend_from_slice(b"ERROR x\nERROR x\nINFO 1\nINFO 2\nINFO 3\nINFO 4\n");
    let expected = [
        "info HERE: INFO again",
        "debug app=app USER host=box TCP: <15>Nov 20 09:59:58 box app: debug",
        "info HERE: last line repeated 2 times",
        "error HERE: ERROR x",
        "error HERE: last line repeated 1 times",
        "info HERE: INFO 1",
        "info HERE: INFO 2",
        "debug app=app USER host=box TCP: last line repeated 2 times",
        "warning app=logcaster host=box transport=own: suppressed 2 lines from 10.0.0.5 (info) \
         in 1s",
    ];
    let metrics = check(make, &input, &expected);
    assert_eq!((metrics.folded, metrics.suppressed), (5, 2));
}

#[test]
fn a_compressed_stream_is_the_same_however_it_is_cut() {
    let text = b"<14>one\n<11>1 - web app - - - two\nthree\n18 <14>counted\nframe\nlast piece";
    let input = [gzip(&text[..30]), gzip(b""), gzip(&text[30..])].concat();
    let expected = [
        "info USER HERE: <14>one",
        "error app=app USER host=web TCP: <11>1 - web app - - - two",
        "unknown HERE: three",
        r"info USER HERE: <14>counted\nframe",
        "unknown HERE: last piece",
    ];
    check(Sender::new, &input, &expected);
    check(|| Sender::joining("^t"), &input, &expected);
}

#[test]
fn a_proxy_and_what_is_behind_it_are_the_same_however_they_are_cut() {
    let make = || {
        let mut sender = Sender::new();
        sender.session.expect_proxy();
        sender
    };
    let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 9999\r\n";
    let lines = b"plain\n<14>Nov 20 09:59:58 box app: said\n";
    let proxied = "unknown host=192.0.2.7 TCP: plain";
    let named = "info app=app USER host=box TCP: <14>Nov 20 09:59:58 box app: said";
    check(make, &[&header[..], lines].concat(), &[proxied, named]);
    check(make, &[&header[..], &gzip(lines)].concat(), &[proxied, named]);
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\x0a\0\0\x01\xdc\x04\x02\x02";
    check(make, &[&header[..], lines].concat(), &["unknown host=192.0.2.9 TCP: plain", named]);
}

#[test]
fn every_framing_is_the_same_however_it_is_cut() {
    let input = b"<14>a\nb\x005 <1>x\n\x1f\x8b\x08GET / HTTP/1.1\r\n\0last";
    let lf = [
        "info USER HERE: <14>a",
        "unknown HERE: b",
        "unknown HERE: 5 <1>x",
        r"unknown HERE: \x1f\x8b\x08GET / HTTP/1.1",
        "unknown HERE: last",
    ];
    let octet = [
        "info USER HERE: <14>a",
        "unknown HERE: b",
        "alert facility=kern HERE: <1>x",
        r"unknown HERE: \x1f\x8b\x08GET / HTTP/1.1",
        "unknown HERE: last",
    ];
    let nul = [
        r"info USER HERE: <14>a\nb",
        r"unknown HERE: 5 <1>x\n\x1f\x8b\x08GET / HTTP/1.1",
        "unknown HERE: last",
    ];
    for (framing, expected) in
        [(Framing::Lf, &lf[..]), (Framing::Octet, &octet), (Framing::Nul, &nul)]
    {
        check(|| Sender::at(Rig::new(), framing), input, expected);
    }
}

#[test]
fn a_first_line_may_have_a_header_of_its_own() {
    let input =
        b"<11>Nov 20 10:00:00 web app: boom\n\tat x\n\tat y\n{\n\"level\": 50\n}\n<14>by itself\n";
    let expected = [
        r"error app=app USER host=web TCP: <11>Nov 20 10:00:00 web app: boom\n\tat x\n\tat y",
        r#"error HERE: {\n\"level\": 50\n}"#,
        "info USER HERE: <14>by itself",
    ];
    check(|| Sender::joining(r"^<11>|^\{"), input, &expected);
}
