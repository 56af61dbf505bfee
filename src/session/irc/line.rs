//! A record as what LogBot says: one message, or a few where it is long.
//!
//! ```text
//! [2026-11-20 12:00:00] ERROR edge1 api: payment timeout after 30 s, order 4711 of customer 17 is
//! not paid, it is tried again in 5 min
//! ```
//!
//! The level stands there where it is known, the host and the app where the labels say them and
//! they are short. The message is the one inside the record: of a syslog record what is behind the
//! header, of an object its `msg`.
//!
//! **Invariant:** what comes out is UTF-8, and has no control character but those that colour the
//! level.

use crate::level::Level;
use crate::limits::{IRC_PIECE_BYTES_MIN, IRC_PIECES_PER_RECORD_MAX, IRC_SENDER_BYTES_MAX};
use crate::message::fields;
use crate::query::{FramedRecord, LocalTime, label};

/// What stands at the end of a record that is not shown whole.
const ELLIPSIS: &str = "\u{2026}";

/// Ends all that control characters have set: mIRC's "plain".
const PLAIN: u8 = 0x0f;

/// How records are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of one message's text at most: what the line leaves for it, without CR and LF. Less
    /// than [`IRC_PIECE_BYTES_MIN`] counts as that.
    pub bytes_max: usize,
    /// Whether time and level are coloured.
    pub has_colors: bool,
}

/// Calls `put` with the text of each message that says `record`, of which there is one at least and
/// [`IRC_PIECES_PER_RECORD_MAX`] at most; where that is too little, the last ends with an ellipsis.
/// Together they are the whole text. `buffer` is overwritten.
pub fn each_piece(
    record: &FramedRecord<'_>,
    shape: Shape,
    time: &mut LocalTime,
    buffer: &mut Vec<u8>,
    put: impl FnMut(&[u8]),
) {
    let bytes_max = shape.bytes_max.max(IRC_PIECE_BYTES_MIN);
    buffer.clear();
    let level = level_word(record.level);
    // Colours stand around time and level, which a program that reads along finds side by side.
    if let Some((_, color)) = level.filter(|_| shape.has_colors) {
        buffer.extend_from_slice(color.as_bytes());
    }
    buffer.push(b'[');
    buffer.extend_from_slice(time.text_of(record.time));
    buffer.extend_from_slice(b"] ");
    if let Some((name, _)) = level {
        buffer.extend_from_slice(name.as_bytes());
        if shape.has_colors {
            buffer.push(PLAIN);
        }
        buffer.push(b' ');
    }
    sender(record.labels, buffer);
    let message = fields::message(record.text);
    harmless(message.trim_ascii_end(), bytes_max * IRC_PIECES_PER_RECORD_MAX, buffer);
    split(buffer, bytes_max, put);
}

/// Appends `text` without what could do harm in a terminal or end a line: a tab becomes a space, LF
/// and CR become `\n` and `\r`, any other control character `\x1b`, what turns the direction of
/// writing `\u202e`, and what is not UTF-8 U+FFFD. Of a text that is longer than `bytes_max`, what
/// is beyond may be left out, or a part of it.
pub fn harmless(text: &[u8], bytes_max: usize, out: &mut Vec<u8>) {
    // What is shown of a text is never shorter than it, and half a character is beyond the end.
    let text = &text[..text.len().min(bytes_max.saturating_add(4))];
    let end = out.len().saturating_add(bytes_max);
    for chunk in text.utf8_chunks() {
        harmless_valid(chunk.valid(), end, out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
        if out.len() > end {
            return;
        }
    }
}

/// What a client says of itself or of a channel, as all others may be shown it: control characters
/// that do not format text (bold, colours and their like) become spaces, what is not UTF-8 U+FFFD.
pub fn presentable(text: &[u8]) -> Vec<u8> {
    let is_format =
        |char| matches!(char, '\x02'..='\x04' | '\x0f' | '\x11' | '\x16' | '\x1d'..='\x1f');
    let text = String::from_utf8_lossy(text);
    let shown = |char: char| if char.is_control() && !is_format(char) { ' ' } else { char };
    text.chars().map(shown).collect::<String>().into_bytes()
}

fn harmless_valid(text: &str, end: usize, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(may_do_harm) {
        let (clean, suspect) = rest.split_at(at);
        out.extend_from_slice(clean.as_bytes());
        let mut chars = suspect.chars();
        if let Some(char) = chars.next() {
            put_harmless(char, out);
        }
        rest = chars.as_str();
        if out.len() > end {
            return;
        }
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Whether a character that must not be shown may begin with `byte`.
fn may_do_harm(byte: u8) -> bool {
    byte < b' ' || matches!(byte, 0x7f | 0xc2 | 0xe2)
}

fn put_harmless(char: char, out: &mut Vec<u8>) {
    let code = u32::from(char);
    let hex = |shift: u32| b"0123456789abcdef"[(code >> shift & 15) as usize];
    match char {
        '\t' => out.push(b' '),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\0'..' ' | '\u{7f}'..'\u{a0}' => out.extend_from_slice(&[b'\\', b'x', hex(4), hex(0)]),
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            out.extend_from_slice(&[b'\\', b'u', hex(12), hex(8), hex(4), hex(0)]);
        }
        _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Calls `put` with pieces of `text`, each of at most `bytes_max` bytes (less than
/// [`IRC_PIECE_BYTES_MIN`] counts as that): cut behind a space where one is near, else between
/// characters. What is beyond [`IRC_PIECES_PER_RECORD_MAX`] pieces becomes an ellipsis. `text` is
/// UTF-8, and may be changed.
pub fn split(text: &mut Vec<u8>, bytes_max: usize, mut put: impl FnMut(&[u8])) {
    let bytes_max = bytes_max.max(IRC_PIECE_BYTES_MIN);
    let mut from = 0;
    for _ in 1..IRC_PIECES_PER_RECORD_MAX {
        let rest = text.get(from..).unwrap_or_default();
        if rest.len() <= bytes_max {
            return put(rest);
        }
        let piece = piece(rest, bytes_max);
        put(piece);
        from += piece.len();
    }
    let rest = text.get(from..).unwrap_or_default();
    if rest.len() > bytes_max {
        let kept = piece(rest, bytes_max - ELLIPSIS.len()).trim_ascii_end().len();
        text.truncate(from + kept);
        text.extend_from_slice(ELLIPSIS.as_bytes());
    }
    put(text.get(from..).unwrap_or_default());
}

/// The first piece of `rest`, which is longer than `bytes_max`.
fn piece(rest: &[u8], bytes_max: usize) -> &[u8] {
    let is_inside = |at: &usize| rest.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    // A character has four bytes at most.
    let end = (bytes_max - 3..=bytes_max).rev().find(|at| !is_inside(at)).unwrap_or(bytes_max);
    let whole = rest.get(..end).unwrap_or(rest);
    let near = whole.len() / 3 * 2;
    match memchr::memrchr(b' ', &whole[near..]) {
        Some(at) => &whole[..=near + at],
        None => whole,
    }
}

/// Appends who sent it, as `host app: `; what would be too long is left out, the host first.
fn sender(labels: &[u8], out: &mut Vec<u8>) {
    let said = |name: &[u8]| label(labels, name).unwrap_or_default().trim_ascii();
    let start = out.len();
    let mut room = IRC_SENDER_BYTES_MAX;
    let [host, app] = [said(b"host"), said(b"app")];
    let has_host = !host.is_empty() && host.len() + app.len() < room;
    for word in [host, app].into_iter().skip(usize::from(!has_host)) {
        if word.is_empty() || word.len() > room {
            continue;
        }
        if out.len() > start {
            out.push(b' ');
        }
        harmless(word, room, out);
        room -= word.len();
    }
    if out.len() > start {
        out.extend_from_slice(b": ");
    }
}

/// What stands for the level, and what colours it: mIRC's numbers, of two digits so that no digit
/// of a text can become part of one. `None` where the record does not say.
fn level_word(level: Level) -> Option<(&'static str, &'static str)> {
    Some(match level {
        Level::Unknown => return None,
        Level::Trace => ("TRACE", "\x0314"),
        Level::Debug => ("DEBUG", "\x0314"),
        Level::Info => ("INFO", "\x0303"),
        Level::Notice => ("NOTICE", "\x0310"),
        Level::Warning => ("WARNING", "\x0307"),
        Level::Error => ("ERROR", "\x0304"),
        Level::Critical => ("CRITICAL", "\x0313"),
        Level::Alert => ("ALERT", "\x0313"),
        Level::Emergency => ("EMERGENCY", "\x0313"),
    })
}

/// Says any bytes, of which the first three say how, and how many of the others are labels: no
/// piece is too long, none has a control character, and together they are the whole text.
pub fn fuzz_irc_line(data: &[u8]) {
    let (&[how, labels_bytes, bytes], rest) =
        data.split_first_chunk::<3>().unwrap_or((&[0, 0, 0], data));
    let (labels, text) = rest.split_at(rest.len().min(labels_bytes.into()));
    let bytes_max = IRC_PIECE_BYTES_MIN + usize::from(bytes);
    let level = Level::from_byte(how % 16).unwrap_or_default();
    let record = FramedRecord {
        seq: crate::segment::Seq(1),
        time: 1_795_168_800_000_000_000,
        received_ns: 0,
        event_ns: 0,
        level,
        labels,
        text,
    };
    let shape = Shape { bytes_max, has_colors: how & 16 != 0 };
    let mut time = LocalTime::new(jiff::tz::TimeZone::UTC);
    let (mut buffer, mut pieces) = (Vec::new(), Vec::new());
    each_piece(&record, shape, &mut time, &mut buffer, |piece| pieces.push(piece.to_vec()));
    assert!((1..=IRC_PIECES_PER_RECORD_MAX).contains(&pieces.len()));
    let mut whole = String::new();
    for piece in &pieces {
        assert!((1..=bytes_max).contains(&piece.len()), "a piece of {} bytes", piece.len());
        whole.push_str(std::str::from_utf8(piece).expect("a piece is UTF-8"));
    }
    let mut head = String::from("[2026-11-20 10:00:00] ");
    if let Some((name, color)) = level_word(level) {
        head = match shape.has_colors {
            true => format!("{color}{head}{name}\x0f "),
            false => format!("{head}{name} "),
        };
    }
    let rest = whole.strip_prefix(&head).expect("time and level come first");
    assert!(!rest.contains(char::is_control), "{rest:?}");
    let mut expected = Vec::new();
    sender(labels, &mut expected);
    harmless(fields::message(text).trim_ascii_end(), usize::MAX, &mut expected);
    match rest.strip_suffix(ELLIPSIS).filter(|_| rest.as_bytes() != expected) {
        Some(shown) => assert!(expected.starts_with(shown.as_bytes()) && pieces.len() > 1),
        None => assert_eq!(rest.as_bytes(), expected),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::segment::Seq;

    /// What a record of 2026-11-20 10:00:00 UTC is said as.
    fn said(zone: &str, shape: Shape, level: Level, labels: &str, text: &[u8]) -> Vec<String> {
        let record = FramedRecord {
            seq: Seq(1),
            time: 1_795_168_800_999_999_999,
            received_ns: 5,
            event_ns: 0,
            level,
            labels: labels.as_bytes(),
            text,
        };
        let mut time = LocalTime::new(TimeZone::get(zone).unwrap());
        let mut pieces = Vec::new();
        // What the buffer held before is not said.
        let mut buffer = b"before".to_vec();
        each_piece(&record, shape, &mut time, &mut buffer, |piece| {
            pieces.push(String::from_utf8(piece.to_vec()).unwrap());
        });
        pieces
    }

    const PLAIN_SHAPE: Shape = Shape { bytes_max: 400, has_colors: false };

    #[track_caller]
    fn check(level: Level, labels: &str, text: &[u8], expected: &str) {
        let seen = said("UTC", PLAIN_SHAPE, level, labels, text);
        assert_eq!(seen, [format!("[2026-11-20 10:00:00] {expected}")]);
    }

    #[test]
    fn a_record_is_said_with_its_time_its_level_and_its_sender() {
        let labels = "app=api\0host=edge1";
        check(Level::Error, labels, b"late", "ERROR edge1 api: late");
        check(Level::Unknown, labels, b"late", "edge1 api: late");
        check(Level::Warning, "host=10.0.0.5\0transport=tcp", b"late", "WARNING 10.0.0.5: late");
        check(Level::Info, "app=api", b"late\n", "INFO api: late");
        check(Level::Emergency, "", b"", "EMERGENCY ");
        check(Level::Unknown, "", b"late", "late");
        let berlin = said("Europe/Berlin", PLAIN_SHAPE, Level::Debug, "", b"x");
        assert_eq!(berlin, ["[2026-11-20 11:00:00] DEBUG x"]);
    }

    #[test]
    fn the_message_is_the_one_inside_the_record() {
        for (text, expected) in [
            (
                &b"<11>1 2026-11-20T10:00:00Z edge1 api 17 - [a b=\"c\"] out of memory"[..],
                "out of memory",
            ),
            (b"<11>Nov 20 10:00:00 edge1 api[17]: out of memory", "out of memory"),
            (b"{\"level\":\"error\",\"msg\":\"out of \\\"memory\\\"\"}", "out of \"memory\""),
            (b"level=error msg=\"out of memory\" n=1", "out of memory"),
            (b"{\"a\":1}", "{\"a\":1}"),
        ] {
            check(Level::Error, "host=edge1", text, &format!("ERROR edge1: {expected}"));
        }
    }

    #[test]
    fn a_sender_too_long_is_left_out() {
        let long = "x".repeat(IRC_SENDER_BYTES_MAX);
        check(Level::Info, &format!("app=api\0host={long}"), b"a", "INFO api: a");
        check(Level::Info, &format!("app={long}x\0host=h"), b"a", "INFO a");
        check(Level::Info, &format!("app={long}\0host=h"), b"a", &format!("INFO {long}: a"));
        check(Level::Info, "app=a\x02b\0host= \t", b"a", "INFO a\\x02b: a");
    }

    #[test]
    fn control_characters_are_made_harmless() {
        let text = b"a\tb\r\nc\0\x01\x02\x03\x0404,05\x0f\x11\x16\x1d\x1e\x1f\x1b[31m\x7f\x07|";
        let expected = "a b\\r\\nc\\x00\\x01\\x02\\x03\\x0404,05\\x0f\\x11\\x16\\x1d\\x1e\\x1f\
                        \\x1b[31m\\x7f\\x07|";
        check(Level::Info, "", text, &format!("INFO {expected}"));
        let text = "\u{80}\u{9b}31m\u{a0}\u{2028}\u{202e}\u{2026}\u{2066}\u{e9}\u{1f600}";
        let expected = "\\x80\\x9b31m\u{a0}\\u2028\\u202e\u{2026}\\u2066\u{e9}\u{1f600}";
        check(Level::Info, "", text.as_bytes(), &format!("INFO {expected}"));
        check(Level::Info, "", b"\xff\xfea\xe2\x82", "INFO \u{fffd}\u{fffd}a\u{fffd}");
    }

    #[test]
    fn colours_stand_around_time_and_level_only() {
        let shape = Shape { has_colors: true, ..PLAIN_SHAPE };
        for level in Level::ALL {
            let plain = said("UTC", PLAIN_SHAPE, level, "app=a", b"4 of 5").concat();
            let coloured = said("UTC", shape, level, "app=a", b"4 of 5").concat();
            let (word, color) = level_word(level).unwrap_or_default();
            let expected = match word {
                "" => plain.clone(),
                word => format!("{color}{}", plain.replacen(word, &format!("{word}\x0f"), 1)),
            };
            assert_eq!(coloured, expected);
            assert!(coloured.ends_with(" a: 4 of 5"));
            assert!(!plain.contains(char::is_control));
            assert_eq!(word.to_ascii_lowercase(), if word.is_empty() { "" } else { level.name() });
        }
    }

    #[test]
    fn a_long_record_is_split_at_spaces_and_ends_with_an_ellipsis() {
        let shape = Shape { bytes_max: 100, has_colors: false };
        let words = "word ".repeat(30);
        let pieces = said("UTC", shape, Level::Info, "", words.as_bytes());
        assert_eq!(pieces.concat(), format!("[2026-11-20 10:00:00] INFO {}", words.trim_end()));
        assert_eq!(pieces.len(), 2);
        assert!(pieces[0].ends_with("word "), "{pieces:?}");
        // Without a space near it is cut between characters.
        let pieces = said("UTC", shape, Level::Info, "", "\u{20ac}".repeat(50).as_bytes());
        assert_eq!(pieces.iter().map(String::len).collect::<Vec<_>>(), [99, 78]);
        for text in ["word ".repeat(5000), "\u{1f600}".repeat(16_000), "\0".repeat(64_000)] {
            let pieces = said("UTC", shape, Level::Info, "", text.as_bytes());
            assert_eq!(pieces.len(), IRC_PIECES_PER_RECORD_MAX);
            let last = pieces.last().unwrap();
            assert!(last.ends_with('\u{2026}') && last.len() <= 100 && last.len() > 66, "{last}");
        }
        // What is too little for the head counts as enough for it.
        let shape = Shape { bytes_max: 0, has_colors: true };
        let pieces = said("UTC", shape, Level::Emergency, "app=api\0host=edge1", b"late");
        assert_eq!(pieces, ["\x0313[2026-11-20 10:00:00] EMERGENCY\x0f edge1 api: late"]);
    }

    #[test]
    fn the_buffer_stays_small_whatever_the_record() {
        let mut buffer = Vec::new();
        let mut count = 0;
        for text in [vec![0; 64 << 10], vec![b'x'; 64 << 10], vec![0xff; 64 << 10]] {
            let record = FramedRecord {
                seq: Seq(1),
                time: 0,
                received_ns: 0,
                event_ns: 0,
                level: Level::Info,
                labels: b"",
                text: &text,
            };
            let mut time = LocalTime::new(TimeZone::UTC);
            each_piece(&record, PLAIN_SHAPE, &mut time, &mut buffer, |_| count += 1);
        }
        assert_eq!(count, 3 * IRC_PIECES_PER_RECORD_MAX);
        assert!(buffer.capacity() < 4 * 400 * IRC_PIECES_PER_RECORD_MAX, "{}", buffer.capacity());
    }

    proptest! {
        #[test]
        fn pieces_are_short_harmless_and_together_the_whole(
            text in prop_oneof![
                "\\PC{0,900}".prop_map(String::into_bytes),
                any::<String>().prop_map(String::into_bytes),
                "[a-z \u{e9}\u{1f600}\t\n\\x00-\\x1f]{0,2000}".prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 0..900),
                " {0,900}".prop_map(String::into_bytes),
            ],
            how: u8,
            bytes in 0..=255u8,
            labels in "(app=[a-z\u{e9} ]{0,30})?(\\x00host=[a-z.0-9]{1,40})?",
        ) {
            let head = [how, labels.len() as u8, bytes];
            fuzz_irc_line(&[&head[..], labels.as_bytes(), &text].concat());
        }

        #[test]
        fn any_text_is_split_into_what_it_was(
            text in "[a-z \u{e9}\u{20ac}\u{1f600}]{0,400}", bytes_max in 0..200usize,
        ) {
            let mut pieces = Vec::new();
            split(&mut text.clone().into_bytes(), bytes_max, |piece| {
                pieces.push(String::from_utf8(piece.to_vec()).unwrap());
            });
            let bound = bytes_max.max(IRC_PIECE_BYTES_MIN);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= bound));
            let whole = pieces.concat();
            if whole != text {
                prop_assert_eq!(pieces.len(), IRC_PIECES_PER_RECORD_MAX);
                prop_assert!(text.starts_with(whole.strip_suffix(ELLIPSIS).unwrap()));
            }
        }
    }
}
