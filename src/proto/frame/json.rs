//! Objects on one line: `{…}{…}` are two records. What is looked at is strings, escapes and braces;
//! whether it is JSON beyond that is asked when its fields are.

use memchr::{memchr_iter, memchr2, memchr3};

/// What a line that begins with `{` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Objects {
    /// One object, or what looks like one.
    One,
    /// Several that follow each other, and nothing else.
    Several,
    /// A second object seems to follow, but the braces do not tell where.
    Unclear,
}

/// How many bytes at the front of `text`, a line, are objects that are records of their own: all of
/// it where it is whole, and of a cut one those before the last. 0 where it is one record; `None`
/// where the braces do not tell.
pub(super) fn several(text: &[u8], cut: bool) -> Option<usize> {
    if cut {
        return Some(followed(text));
    }
    match objects(text) {
        Objects::One => Some(0),
        Objects::Several => Some(text.len()),
        Objects::Unclear => None,
    }
}

/// What `line`, a whole one, holds.
fn objects(line: &[u8]) -> Objects {
    if !may_hold_several(line) {
        return Objects::One;
    }
    let (mut at, mut count) = (0, 0);
    while at < line.len() {
        let Some(end) = object_end(&line[at..]) else { return Objects::Unclear };
        at += end + blanks(&line[at + end..]);
        count += 1;
    }
    if count > 1 { Objects::Several } else { Objects::One }
}

/// How many bytes at the front of `text` are objects behind each of which another begins.
fn followed(text: &[u8]) -> usize {
    if !may_hold_several(text) {
        return 0;
    }
    let mut at = 0;
    while let Some(end) = object_end(&text[at..]) {
        let next = at + end + blanks(&text[at + end..]);
        if text.get(next) != Some(&b'{') {
            break;
        }
        at = next;
    }
    at
}

/// Whether `}{` or `} {` occurs, which costs one pass over a line without inner objects.
pub(super) fn may_hold_several(line: &[u8]) -> bool {
    memchr_iter(b'{', line).any(|at| matches!(line[..at], [.., b'}'] | [.., b'}', b' ']))
}

/// Where the object ends with which `text` begins: behind its last brace. `None` where it does not,
/// or does not begin with one.
pub(super) fn object_end(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    if text.first() != Some(&b'{') {
        return None;
    }
    loop {
        at += memchr3(b'{', b'}', b'"', &text[at..])?;
        match text[at] {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => at = string_end(text, at)?,
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Where the string ends that begins at `start`: its closing quote.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// How many blanks `text` begins with.
pub(super) fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_behind_each_other_are_several() {
        for several in ["{}{}", r#"{"a":1} {"b":{}}"#, r#"{"a":"}"}  {"b":"\\"}{} "#] {
            assert_eq!(objects(several.as_bytes()), Objects::Several, "{several}");
        }
    }

    #[test]
    fn braces_in_strings_and_inner_objects_are_one() {
        let ones = [
            "{",
            "{}",
            "{} ",
            r#"{"a":{"b":{}}}"#,
            r#"{"a":"}{"}"#,
            r#"{"a":"\"}{"}"#,
            "{a} b",
            r#"{"a":[{},{}]}"#,
            "{}  ",
        ];
        for one in ones {
            assert_eq!(objects(one.as_bytes()), Objects::One, "{one}");
        }
    }

    #[test]
    fn braces_that_do_not_balance_are_unclear() {
        for unclear in ["{}{", "{}{} x", "{}{}}", r#"{"a}{"b":1}"#, "{{}{}", r#"{"a":"}{\"#] {
            assert_eq!(objects(unclear.as_bytes()), Objects::Unclear, "{unclear}");
        }
    }

    #[test]
    fn only_objects_with_another_behind_them_are_sure() {
        assert_eq!(followed(b"{}{}{\"a\":1"), 4);
        assert_eq!(followed(b"{} {}"), 3);
        assert_eq!(followed(b"{}"), 0);
        assert_eq!(followed(b"{\"a\":\"}{"), 0);
    }
}
