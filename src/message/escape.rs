//! The inside of JSON strings: RFC 8259, section 7.

/// Appends `text` as the inside of a JSON string. What is not UTF-8 becomes U+FFFD.
pub fn escape(text: &[u8], out: &mut Vec<u8>) {
    // Nearly all lines are whole UTF-8, which this tells several times faster than chunk by chunk.
    if std::str::from_utf8(text).is_ok() {
        return escape_valid(text, out);
    }
    for chunk in text.utf8_chunks() {
        escape_valid(chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn escape_valid(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.chunks(32).position(needs_escape) {
        let (clean, piece) = rest.split_at(at * 32);
        out.extend_from_slice(clean);
        let (piece, after) = piece.split_at(piece.len().min(32));
        let mut clean = 0;
        for (at, byte) in piece.iter().enumerate() {
            if needs_escape(std::slice::from_ref(byte)) {
                out.extend_from_slice(&piece[clean..at]);
                escape_byte(*byte, out);
                clean = at + 1;
            }
        }
        out.extend_from_slice(&piece[clean..]);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Whether one of `piece` must be escaped; without an exit, so that it becomes vector code.
fn needs_escape(piece: &[u8]) -> bool {
    piece.iter().fold(false, |any, &byte| any | (byte < b' ') | (byte == b'"') | (byte == b'\\'))
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..b' ' => {
            let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte)]);
        }
        _ => out.push(byte),
    }
}

/// Appends what `inner`, the inside of a JSON string, stands for; once it is longer than
/// `bytes_max`, the rest is left out. Other bytes than RFC 8259 allows are taken as they are, and a
/// surrogate without its other half becomes U+FFFD.
///
/// `None` where a backslash begins nothing that RFC 8259 has; what was before it is appended.
pub fn unescape(inner: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Option<()> {
    let end = out.len().saturating_add(bytes_max);
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        if out.len() > end {
            return Some(());
        }
        let (&byte, behind) = escape[1..].split_first()?;
        rest = behind;
        match byte {
            b'"' | b'\\' | b'/' => out.push(byte),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (char, behind) = unicode(behind)?;
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                rest = behind;
            }
            _ => return None,
        }
    }
    out.extend_from_slice(rest);
    Some(())
}

/// The character that the digits behind `\u` say, and the text behind it.
fn unicode(digits: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = hex4(digits)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), rest));
    }
    match rest.strip_prefix(b"\\u").map(hex4) {
        Some(Some((second @ 0xdc00..0xe000, rest))) => {
            let char = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            Some((char::from_u32(char).unwrap_or(char::REPLACEMENT_CHARACTER), rest))
        }
        _ => Some((char::REPLACEMENT_CHARACTER, rest)),
    }
}

fn hex4(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let digit = |number, byte: &u8| Some(number << 4 | char::from(*byte).to_digit(16)?);
    Some((digits.iter().try_fold(0, digit)?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unescaped(inner: &str) -> Option<String> {
        let mut out = Vec::new();
        unescape(inner.as_bytes(), usize::MAX, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_escape_is_read() {
        let all = r#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z"#;
        assert_eq!(unescaped(all).unwrap(), "a\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1f600}z");
    }

    #[test]
    fn half_a_surrogate_is_a_replacement() {
        for (inner, expected) in [
            (r"\ud83d", "\u{fffd}"),
            (r"\ude00x", "\u{fffd}x"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ud83d\n", "\u{fffd}\n"),
        ] {
            assert_eq!(unescaped(inner).as_deref(), Some(expected), "{inner}");
        }
    }

    #[test]
    fn what_is_no_escape_is_refused() {
        for inner in [r"\", r"\x", r"\u", r"\u12", r"\u12g4", r"\u+123", r"\ud83d\u12"] {
            let is_half = inner.starts_with(r"\ud83d");
            assert_eq!(unescaped(inner), None, "{inner}, {is_half}");
        }
    }

    #[test]
    fn the_rest_of_a_long_text_is_left_out() {
        let mut out = Vec::new();
        unescape(&b"abc\\n".repeat(100), 10, &mut out).unwrap();
        assert!((11..20).contains(&out.len()), "{}", out.len());
    }

    proptest! {
        #[test]
        fn serde_json_agrees(text: String) {
            let quoted = serde_json::to_string(&text).unwrap();
            let mut out = Vec::new();
            unescape(&quoted.as_bytes()[1..quoted.len() - 1], usize::MAX, &mut out).unwrap();
            prop_assert_eq!(std::str::from_utf8(&out).unwrap(), &text);
            let mut quoted = vec![b'"'];
            escape(text.as_bytes(), &mut quoted);
            quoted.push(b'"');
            prop_assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
        }
    }
}
