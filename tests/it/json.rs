//! A strict reader of JSON objects, so that the server's JSON is judged by other eyes.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// The members of the object that `text` is, strings without their quotes and escapes; those of an
/// object inside are named `outer.inner`, an array is its elements joined by commas.
#[track_caller]
pub fn object(text: &str) -> BTreeMap<String, String> {
    parse(text).unwrap_or_else(|why| panic!("not a JSON object ({why}): {text}"))
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut chars = text.chars().peekable();
    let mut members = BTreeMap::new();
    read_members(&mut chars, "", &mut members)?;
    match skip_space(&mut chars).next() {
        None => Ok(members),
        Some(char) => Err(format!("{char:?} after the object")),
    }
}

/// Reads an object, whose names get `prefix` in front.
fn read_members(
    chars: &mut Peekable<Chars<'_>>,
    prefix: &str,
    members: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    expect(chars, '{')?;
    if chars.next_if_eq(&'}').is_some() {
        return Ok(());
    }
    loop {
        let name = format!("{prefix}{}", string(chars)?);
        expect(chars, ':')?;
        if skip_space(chars).peek() == Some(&'{') {
            read_members(chars, &format!("{name}."), members)?;
        } else {
            let value = value(chars)?;
            if members.insert(name.clone(), value).is_some() {
                return Err(format!("{name:?} twice"));
            }
        }
        match skip_space(chars).next() {
            Some(',') => {}
            Some('}') => return Ok(()),
            other => return Err(format!("{other:?} after a member")),
        }
    }
}

fn skip_space<'a, 'b>(chars: &'a mut Peekable<Chars<'b>>) -> &'a mut Peekable<Chars<'b>> {
    while chars.next_if(|char| matches!(char, ' ' | '\t')).is_some() {}
    chars
}

fn expect(chars: &mut Peekable<Chars<'_>>, wanted: char) -> Result<(), String> {
    match skip_space(chars).next() {
        Some(char) if char == wanted => Ok(()),
        other => Err(format!("{other:?} instead of {wanted:?}")),
    }
}

fn value(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    if skip_space(chars).peek() == Some(&'"') {
        return string(chars);
    }
    if chars.next_if_eq(&'[').is_some() {
        return elements(chars);
    }
    let mut word = String::new();
    while let Some(char) =
        chars.next_if(|&char| char.is_ascii_alphanumeric() || "+-.".contains(char))
    {
        word.push(char);
    }
    let number = word.parse::<f64>().is_ok_and(f64::is_finite)
        && word.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match word.as_str() {
        "true" | "false" | "null" => Ok(word),
        _ if number => Ok(word),
        _ => Err(format!("{word:?} is no value")),
    }
}

/// What follows the bracket of an array.
fn elements(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut values = Vec::new();
    if skip_space(chars).next_if_eq(&']').is_some() {
        return Ok(String::new());
    }
    loop {
        values.push(value(chars)?);
        match skip_space(chars).next() {
            Some(',') => {}
            Some(']') => return Ok(values.join(",")),
            other => return Err(format!("{other:?} after an element")),
        }
    }
}

fn string(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    expect(chars, '"')?;
    let mut text = String::new();
    loop {
        match chars.next().ok_or("a string without an end")? {
            '"' => return Ok(text),
            '\\' => text.push(escape(chars)?),
            char if char < ' ' => return Err(format!("{char:?} not escaped")),
            char => text.push(char),
        }
    }
}

fn escape(chars: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    match chars.next() {
        Some(char @ ('"' | '\\' | '/')) => Ok(char),
        Some('b') => Ok('\u{8}'),
        Some('f') => Ok('\u{c}'),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('u') => {
            let digits: String = chars.by_ref().take(4).collect();
            let code = u32::from_str_radix(&digits, 16).map_err(|_| format!("\\u{digits}"))?;
            char::from_u32(code).ok_or(format!("\\u{digits} stands for no character alone"))
        }
        other => Err(format!("\\{other:?} is no escape")),
    }
}

#[test]
fn the_reader_takes_json_and_nothing_else() {
    let object = object(r#"{"seq":12, "msg":"a\"\u0001é\\","level":null,"x":-1.5e3}"#);
    assert_eq!(object["msg"], "a\"\u{1}é\\");
    assert_eq!(object["seq"], "12");
    let nested = parse(r#"{"a":{"b":{},"c":{"d":[1, "x",[]]}},"e":2}"#).unwrap();
    assert_eq!((nested["a.c.d"].as_str(), nested["e"].as_str(), nested.len()), ("1,x,", "2", 2));
    for bad in ["", "{", "{}x", r#"{"a":1,}"#, r#"{"a":x}"#, r#"{"a":"\x"}"#, "{\"a\":\"\u{1}\"}"] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}
