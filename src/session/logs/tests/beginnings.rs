//! First bytes: PROXY headers, what is no text, what is not decided yet.

use super::*;
use crate::proto::inflate::InflateError;

fn proxied() -> Sender {
    let mut sender = Sender::new();
    sender.session.expect_proxy();
    sender
}

#[test]
fn a_proxy_names_the_sender() {
    let v1 = b"PROXY TCP6 2001:db8::7 ::1 56324 9999\r\n";
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\x0a\0\0\x01\xdc\x04\x02\x02";
    let unknown = b"PROXY UNKNOWN\r\n";
    for (header, host) in [(&v1[..], "2001:db8::7"), (v2, "192.0.2.9"), (unknown, "10.0.0.5")] {
        let mut sender = proxied();
        sender.reads(&[header, b"plain\n<14>Nov 20 09:59:58 tag: said\nPROXY UNKNOWN\r\n"]);
        assert_eq!(sender.refused, None);
        let expected = [
            format!("unknown host={host} transport=tcp: plain"),
            format!(
                "info app=tag facility=user host={host} transport=tcp: <14>Nov 20 09:59:58 tag: \
                 said"
            ),
            format!("unknown host={host} transport=tcp: PROXY UNKNOWN"),
        ];
        assert_eq!(sender.rig.records(), expected);
    }
}

#[test]
fn a_sender_without_its_proxys_header_is_refused() {
    let mut sender = proxied();
    sender.read(b"PROX");
    assert_eq!(sender.refused, None);
    sender.read(b"imity alert\n");
    assert_eq!(sender.refused, Some(Refused::NoProxy));
    let mut sender = proxied();
    sender.read(b"PROXY TCP4 what\r\n");
    assert_eq!(sender.refused, Some(Refused::Proxy(BadHeader::Line)));
    let mut sender = proxied();
    sender.reads(&[b"PROXY TCP4 10.0"]);
    assert_eq!(sender.refused, Some(Refused::NoProxy), "it ended within its header");
    let mut sender = proxied();
    sender.close();
    assert_eq!(sender.refused, None, "a balancer looks whether somebody is there");
    assert_eq!(sender.rig.records(), [""; 0]);
}

#[test]
fn nobody_else_is_believed_to_be_a_proxy() {
    let mut sender = Sender::new();
    sender.reads(&[b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 9999\r\n"]);
    let expected = "unknown host=10.0.0.5 transport=tcp: PROXY TCP4 192.0.2.7 10.0.0.1 56324 9999";
    assert_eq!(sender.rig.records(), [expected]);
}

#[test]
fn what_is_no_text_is_refused_and_nothing_of_it_stored() {
    let foreign: [(&[u8], Foreign); 5] = [
        (b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", Foreign::Http),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Foreign::Http2),
        (b"\x16\x03\x01\x02\0\x01\0\n", Foreign::Tls),
        (b"\0\0\x02\x4c}q\0(X\n", Foreign::Pickle),
        (b"x\x9cabc\n", Foreign::Zlib),
    ];
    for (bytes, expected) in foreign {
        let mut sender = Sender::new();
        sender.reads(&[&bytes[..1], &bytes[1..]]);
        assert_eq!(sender.refused, Some(Refused::Foreign(expected)));
        assert_eq!(sender.rig.records(), [""; 0]);
    }
    let mut sender = Sender::new();
    sender.reads(&[b"\x1f\x8b\x08\xff0123456789"]);
    assert_eq!(sender.refused, Some(Refused::Inflate(InflateError::Flags(0xff))));
}

/// Sends `bytes` one by one, so many milliseconds apart.
fn slowly(bytes: &[u8], ms: u64) -> Sender {
    let mut sender = Sender::new();
    for byte in bytes.chunks(1) {
        sender.read(byte);
        sender.rig.now += ms * MS;
    }
    sender.close();
    sender
}

#[test]
fn a_beginning_is_undecided_for_a_second_since_it_came() {
    let request = b"GET /x HTTP/1.1\r\n";
    let quick = slowly(request, 999 / request.len() as u64);
    assert_eq!(quick.refused, Some(Refused::Foreign(Foreign::Http)));
    let slow = slowly(request, 400);
    assert_eq!((slow.refused, slow.texts()), (None, vec!["GET /x HTTP/1.1".to_owned()]));
    // A byte that could begin a count, and what could follow it, a second later.
    let mut sender = Sender::new();
    sender.read(b"7");
    sender.rig.now += FRAME_UNDECIDED_MS * MS;
    sender.read(b" <14>abc\n<14>d\n");
    assert_eq!(sender.texts(), ["7 <14>abc", "<14>d"]);
}
