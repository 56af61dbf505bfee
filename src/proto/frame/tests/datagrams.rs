//! Datagrams stand for themselves.

use super::*;

#[test]
fn a_syslog_datagram_is_one_record_without_its_end() {
    let datagrams: [(&[u8], &[u8]); 7] = [
        (b"<14>a\nb", b"<14>a\nb"),
        (b"<14>a\n", b"<14>a"),
        (b"<14>a\r\n", b"<14>a"),
        (b"<14>a\0", b"<14>a"),
        (b"<14>a\n\0", b"<14>a"),
        (b"<14>a\r", b"<14>a\r"),
        (b"<14>\0", b"<14>"),
    ];
    for (bytes, text) in datagrams {
        assert_eq!(datagram(bytes), Datagram::Syslog(text), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_count_goes_where_it_fits_the_datagram() {
    assert_eq!(datagram(b"5 <14>a"), Datagram::Syslog(b"<14>a"));
    assert_eq!(datagram(b"5 <14>a\n"), Datagram::Syslog(b"<14>a"));
    assert_eq!(datagram(b"6 <14>a\n"), Datagram::Syslog(b"<14>a"));
    for other in [b"4 <14>ab".as_slice(), b"500 <14>a", b"12 monkeys", b"7"] {
        assert_eq!(datagram(other), Datagram::Frames, "{}", other.escape_ascii());
    }
}

#[test]
fn compressed_datagrams_are_known() {
    assert_eq!(datagram(b"zx\x9cab"), Datagram::Compressed(b"x\x9cab"));
    assert_eq!(datagram(b"5 zx\x9cab"), Datagram::Compressed(b"x\x9cab"));
    assert_eq!(datagram(b"\x1f\x8b\x08ab"), Datagram::Gzip(b"\x1f\x8b\x08ab"));
    assert_eq!(datagram(b"zx81 and others"), Datagram::Frames);
}

#[test]
fn what_is_no_text_is_refused() {
    assert_eq!(datagram(b"\x1e\x0fabcdefgh\0\x02"), Datagram::Foreign(Foreign::GelfChunk));
    assert_eq!(datagram(b"x\x9cabc"), Datagram::Foreign(Foreign::Zlib));
    assert_eq!(datagram(b"\0\0\x01\xd1}q\0"), Datagram::Foreign(Foreign::Pickle));
    assert_eq!(datagram(b"\x93\xa3app\x93\x92"), Datagram::Foreign(Foreign::Fluentd));
}

#[test]
fn anything_else_is_lines() {
    for bytes in ["a\nb\n", "{\"a\":1}", "", "x^2", "M-SEARCH * HTTP/1.1\r\n", "<999>a"] {
        assert_eq!(datagram(bytes.as_bytes()), Datagram::Frames, "{bytes}");
    }
    let outcome = split(FrameCodec::of_text(64), &[b"one\n<14>two\n{}{}"]);
    assert_eq!(outcome.shown, ["P one", "S <14>two", "J {}", "J {}"]);
}
