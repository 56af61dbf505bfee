//! Datagrams: whole messages, lines, compressed bodies, and what is none of these.

use super::*;

/// Sends `datagrams` from 192.0.2.1, as the reactor stores a batch.
fn send(rig: Rig, datagrams: &[&[u8]], rooms: &[u64]) -> Sender {
    let mut sender = Sender::at(rig, Framing::Auto);
    sender.session = LogSession::of_listener(LINE_BYTES_MAX, b"", Transport::Udp);
    sender.rooms = rooms.to_vec();
    for datagram in datagrams {
        sender.datagram(datagram, false);
    }
    sender
}

impl Sender {
    pub(super) fn datagram(&mut self, datagram: &[u8], is_cut: bool) {
        let mut used = 0;
        loop {
            let sink = &mut self.rig.sink();
            let taken = self.session.take_datagram(datagram, used, is_cut, b"192.0.2.1", sink);
            self.refused = taken.refused;
            used = taken.used;
            if taken.full.is_none() {
                assert_eq!(used, datagram.len());
                return;
            }
            self.waits += 1;
            self.rig.make_room(self.rooms.pop().unwrap_or(u64::MAX));
        }
    }
}

#[track_caller]
fn check(datagram: &[u8], expected: &[&str]) -> Metrics {
    let sender = send(Rig::new(), &[datagram, b"after"], &[]);
    let texts = sender.texts();
    assert_eq!(texts, [expected, &["after"]].concat());
    sender.rig.metrics
}

#[test]
fn a_syslog_message_is_one_record_with_the_lines_in_it() {
    check(b"<14>Nov 20 09:59:58 box app: one\ntwo\n", &["<14>Nov 20 09:59:58 box app: one\\ntwo"]);
    check(b"<14>a\n<14>b\0", &["<14>a\\n<14>b"]);
    check(b"7 <14>a\nb", &["<14>a\\nb"]);
    check(b"", &[]);
    check(b"\n\0\r\n", &[]);
}

#[test]
fn lines_and_objects_are_split() {
    check(b"one\r\ntwo\0three", &["one", "two", "three"]);
    check(b"{\"a\":1}{\"b\":2}\n{\"c\":3}", &["{\\\"a\\\":1}", "{\\\"b\\\":2}", "{\\\"c\\\":3}"]);
    check(b"one\n<14>two\n<14>three\n", &["one", "<14>two", "<14>three"]);
}

#[test]
fn compressed_datagrams_are_records() {
    check(&[b"z", &zlib(b"<14>a\nb\n")[..]].concat(), &["<14>a\\nb"]);
    check(&gzip(b"{\"short_message\":\"x\"}"), &["{\\\"short_message\\\":\\\"x\\\"}"]);
    let metrics = check(&[&gzip(b"abc")[..8], b"broken"].concat(), &[]);
    assert_eq!(metrics.inflate_errors, 1);
}

#[test]
fn a_record_beyond_the_limit_is_cut_and_counted() {
    let long = "x".repeat(150);
    let cut = format!("<14>{}...", &long[..LINE_BYTES_MAX - 4]);
    let metrics = check(format!("<14>{long}").as_bytes(), &[&cut]);
    assert_eq!((metrics.cut, metrics.cut_bytes), (1, 54));
    let cut = format!("{}...", &long[..LINE_BYTES_MAX]);
    let metrics = check(format!("{long}\nshort").as_bytes(), &[&cut, "short"]);
    assert_eq!((metrics.cut, metrics.cut_bytes), (1, 50));
    let cut = format!("<14>{}...", &long[..LINE_BYTES_MAX - 4]);
    let metrics = check(&gzip(format!("<14>{long}").as_bytes()), &[&cut]);
    assert_eq!(metrics.cut, 1);
}

#[test]
fn of_a_datagram_whose_end_is_missing_the_last_record_is_cut() {
    let mut sender = send(Rig::new(), &[], &[]);
    sender.datagram(b"one\ntwo", true);
    sender.datagram(b"<14>three\nfour", true);
    assert_eq!(sender.texts(), ["one", "two...", "<14>three\\nfour..."]);
}

#[test]
fn what_is_no_text_concerns_no_other_datagram() {
    let sender = send(Rig::new(), &[b"\x1e\x0f123456789012", b"next"], &[]);
    assert_eq!(sender.texts(), ["next"]);
    let mut sender = send(Rig::new(), &[], &[]);
    sender.datagram(b"\x1e\x0f123456789012", false);
    assert_eq!(sender.refused, Some(Refused::Foreign(Foreign::GelfChunk)));
}

#[test]
fn senders_are_told_apart() {
    let mut sender = send(Rig::new(), &[b"plain"], &[]);
    let sink = &mut sender.rig.sink();
    sender.session.take_datagram(b"<14>Nov 20 09:59:58 app: x", 0, false, b"192.0.2.2", sink);
    let expected = [
        "unknown host=192.0.2.1 transport=udp: plain",
        "info app=app facility=user host=192.0.2.2 transport=udp: <14>Nov 20 09:59:58 app: x",
    ];
    assert_eq!(sender.rig.records(), expected);
}

#[test]
fn a_datagram_that_is_resumed_is_what_it_was() {
    let long = [b'y'; 150];
    let datagrams: [&[u8]; 6] = [
        b"one\n<14>two\n<14>three\n<14>four\n",
        b"one\nx\x9cfour\n\x1e\x0fsix\n",
        b"one\n\x1f\x8b\x08 two\n<13>Nov 99 99:99:99 bad\n<13>Nov 99 99:99:99 bad\n",
        b"{\"a\":1}{\"b\":2}{\"c\":3}\n9 <1>ab\n<2>9 <1>abcd9 <1>abcd stray\nline",
        &[&long[..], b"\n", &long, b"\n<14>", &long, b"\n<14>end"].concat(),
        &[b"<14>".as_slice(), &long].concat(),
    ];
    for datagram in datagrams {
        let alone = send(Rig::new(), &[datagram], &[]);
        for room in (0..700).step_by(13) {
            let resumed = send(Rig::synced(), &[datagram], &[300, 0, room, 0, room]);
            assert_eq!(resumed.rig.records(), alone.rig.records(), "{room}");
            assert_eq!(format!("{:?}", resumed.metrics()), format!("{:?}", alone.metrics()));
        }
    }
}
