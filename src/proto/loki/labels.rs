//! The labels of a stream: as a text, `{app="api", host="edge1"}`, or as a JSON object.
//!
//! The text is what Prometheus has: values in quotes with the escapes of Go, or in backticks
//! without any. Taken as well: names of any characters but `{}=,!~`, quotes and blanks, names in
//! quotes, a comma behind the last pair, no braces around nothing.

use super::super::entries::Pairs;
use super::super::json_tree::parts::{Members, Text};

/// Reads `text`, and adds its pairs to `pairs` as they are said.
///
/// # Errors
/// What is wrong with it; pairs before that are added.
pub(super) fn parse(text: &[u8], pairs: &mut Pairs) -> Result<(), &'static str> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Ok(());
    }
    let inner = text.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    let mut rest = inner.ok_or("no braces around them")?.trim_ascii_start();
    let mut scratch = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let (name, behind) = name(rest, &mut scratch.0)?;
        rest = behind.trim_ascii_start().strip_prefix(b"=").ok_or("no = behind a name")?;
        rest = rest.trim_ascii_start();
        let (value, behind) = quoted(rest, &mut scratch.1)?;
        pairs.push(name, value);
        rest = behind.trim_ascii_start();
        match rest.split_first() {
            Some((b',', behind)) => rest = behind.trim_ascii_start(),
            None => {}
            Some(_) => return Err("no comma behind a value"),
        }
    }
    Ok(())
}

/// Adds the members of a JSON object, or the pairs of a text, to `pairs`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read_json(value: &[u8], pairs: &mut Pairs) -> Result<(), &'static str> {
    if value == b"null" {
        return Ok(());
    }
    let mut scratch = (Vec::new(), Vec::new());
    if let Some(text) = Text::of(value) {
        return parse(text.read(&mut scratch.0)?, pairs);
    }
    for member in Members::new(value).map_err(|_| "no object and no text")? {
        let (name, value) = member?;
        let value = Text::of(value).ok_or("a value that is no text")?;
        pairs.push(name.read(&mut scratch.0)?, value.read(&mut scratch.1)?);
    }
    Ok(())
}

/// A name, and what stands behind it.
fn name<'s, 'a: 's>(
    text: &'a [u8],
    scratch: &'s mut Vec<u8>,
) -> Result<(&'s [u8], &'a [u8]), &'static str> {
    if text.starts_with(b"\"") {
        return quoted(text, scratch);
    }
    let is_part = |byte: &&u8| {
        !matches!(byte, b'{' | b'}' | b'=' | b',' | b'"' | b'`' | b'!' | b'~')
            && **byte > b' '
            && **byte != 0x7f
    };
    let bytes = text.iter().take_while(is_part).count();
    if bytes == 0 { Err("no name before a value") } else { Ok(text.split_at(bytes)) }
}

/// What stands in quotes or backticks, and what stands behind them.
fn quoted<'s, 'a: 's>(
    text: &'a [u8],
    scratch: &'s mut Vec<u8>,
) -> Result<(&'s [u8], &'a [u8]), &'static str> {
    const NO_END: &str = "a quote without its other";
    match text.split_first() {
        Some((b'`', inner)) => {
            let end = memchr::memchr(b'`', inner).ok_or(NO_END)?;
            Ok((&inner[..end], &inner[end + 1..]))
        }
        Some((b'"', inner)) => {
            let end = crate::proto::json_tree::parts::string_end(text).ok_or(NO_END)?;
            let (inner, behind) = (&inner[..end - 2], &text[end..]);
            if memchr::memchr(b'\\', inner).is_none() {
                return Ok((inner, behind));
            }
            scratch.clear();
            unquote(inner, scratch).ok_or("an escape that Go has not")?;
            Ok((scratch, behind))
        }
        _ => Err("no quote before a value"),
    }
}

/// Appends what `inner`, between quotes, stands for in Go: The Go Programming Language
/// Specification, String literals.
fn unquote(inner: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (&byte, behind) = rest[at + 1..].split_first()?;
        rest = behind;
        let plain = match byte {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' | b'\'' | b'"' => byte,
            b'0'..=b'7' => {
                let (number, behind) = digits(&inner[inner.len() - rest.len() - 1..], 3, 8)?;
                rest = behind;
                u8::try_from(number).ok()?
            }
            b'x' => {
                let (number, behind) = digits(rest, 2, 16)?;
                rest = behind;
                u8::try_from(number).ok()?
            }
            b'u' | b'U' => {
                let (number, behind) = digits(rest, if byte == b'u' { 4 } else { 8 }, 16)?;
                rest = behind;
                let char = char::from_u32(number)?;
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        };
        out.push(plain);
    }
    out.extend_from_slice(rest);
    Some(())
}

/// The number that the next `count` digits are, and what stands behind them.
fn digits(text: &[u8], count: usize, radix: u32) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    let digit = |number: u32, byte: &u8| {
        number.checked_mul(radix)?.checked_add(char::from(*byte).to_digit(radix)?)
    };
    Some((digits.iter().try_fold(0, digit)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, &'static str> {
        let mut pairs = Pairs::new();
        parse(text.as_bytes(), &mut pairs)?;
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        Ok(pairs.iter().map(|(name, value)| (text(name), text(value))).collect())
    }

    #[test]
    fn label_texts_are_read() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("{}", &[]),
            (" { } ", &[]),
            (r#"{app="api"}"#, &[("app", "api")]),
            (r#"{app="api", host="edge1"}"#, &[("app", "api"), ("host", "edge1")]),
            (r#"{level="info",app="api"}"#, &[("level", "info"), ("app", "api")]),
            (r#"{ a = "b" , c = `d\n"` , }"#, &[("a", "b"), ("c", r#"d\\n\""#)]),
            (r#"{a="",b="="}"#, &[("a", ""), ("b", "=")]),
            (r#"{a="x}y,z{"}"#, &[("a", "x}y,z{")]),
            (r#"{a-b="x",c.d="y"}"#, &[("a-b", "x"), ("c.d", "y")]),
            (r#"{"a b"="x"}"#, &[("a b", "x")]),
            (r#"{a="\"\\\n\t"}"#, &[("a", r#"\"\\\n\t"#)]),
            (r#"{a="\x41\101\u0041\U00000041"}"#, &[("a", "AAAA")]),
            (r#"{a="\u00e9\xff"}"#, &[("a", r"\xc3\xa9\xff")]),
        ];
        for (text, expected) in table {
            let pairs = read(text).unwrap_or_else(|what| panic!("{text}: {what}"));
            let pairs: Vec<_> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assert_eq!(pairs, *expected, "{text}");
        }
    }

    #[test]
    fn what_are_no_labels_is_refused() {
        for text in [
            "{",
            "}",
            "app",
            r#"app="x""#,
            "{app}",
            "{app=}",
            "{app=x}",
            r#"{app="x}"#,
            "{a=`x}",
            r#"{="x"}"#,
            r#"{a!="x"}"#,
            r#"{a=~"x"}"#,
            r#"{a="x" b="y"}"#,
            r#"{a="x"}}"#,
            r#"{,}"#,
            r#"{a="\q"}"#,
            r#"{a="\x4"}"#,
            r#"{a="\777"}"#,
            r#"{a="\ud800"}"#,
            r#"{a="\U00110000"}"#,
            r#"{a="x\"}"#,
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
    }
}
