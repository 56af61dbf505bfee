//! The members of a JSON object: RFC 8259, read as far as it is one, so that a record which was cut
//! has the fields before the cut.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use serde::de::{Deserializer, IgnoredAny, Visitor};

use super::Value;
use crate::limits::FIELDS_DEPTH_MAX;

/// Whether `text` begins as an object does.
pub(super) fn begins(text: &[u8]) -> bool {
    let Some(inner) = text.strip_prefix(b"{") else { return false };
    matches!(without_blanks(inner), [b'"' | b'}', ..])
}

/// `text` without the whitespace before it: RFC 8259, section 2.
fn without_blanks(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    &text[text.iter().take_while(is_blank).count()..]
}

/// The first member of `object` of that name, which for one of an object inside is `a.b`.
pub(super) fn find<'a>(object: &'a [u8], name: &[u8]) -> Option<Value<'a>> {
    let mut whole = None;
    let found = find_within(&mut Reader { rest: object }, name, FIELDS_DEPTH_MAX, &mut whole);
    found.unwrap_or(None).or(whole)
}

/// Reads the object that `reader` stands before, up to the member `name`, which is the result, or
/// to its end. Err where it cannot be read on. An object of that name goes to `whole`: it counts as
/// its members, and only where nothing else is called so as itself.
fn find_within<'a>(
    reader: &mut Reader<'a>,
    name: &[u8],
    depth: usize,
    whole: &mut Option<Value<'a>>,
) -> Result<Option<Value<'a>>, Broken> {
    let mut has_more = reader.open()?;
    while has_more {
        let key = reader.key()?;
        let has_members = depth > 1 && reader.has_members();
        match name.strip_prefix(&key[..]) {
            Some([]) if has_members => {
                let object = value(reader.value()?);
                *whole = whole.take().or(object);
            }
            Some([]) => {
                if let Some(value) = value(reader.value()?) {
                    return Ok(Some(value));
                }
            }
            Some([b'.', inner @ ..]) if has_members => {
                if let Some(value) = find_within(reader, inner, depth - 1, whole)? {
                    return Ok(Some(value));
                }
            }
            _ => {
                reader.value()?;
            }
        }
        has_more = reader.end_member()?;
    }
    Ok(None)
}

/// The first of `names` that a member of `object` has, if the first such member is a text.
pub(super) fn first_text<'a>(object: &'a [u8], names: &[&[u8]]) -> Option<Cow<'a, [u8]>> {
    let mut found = None;
    // What cannot be read is left out.
    let _ = first_text_within(&mut Reader { rest: object }, names, &mut found);
    found.map(|(_, text)| text)
}

/// Puts the text and the place of its name in `names` to `found`.
fn first_text_within<'a>(
    reader: &mut Reader<'a>,
    names: &[&[u8]],
    found: &mut Option<(usize, Cow<'a, [u8]>)>,
) -> Result<(), Broken> {
    // Names whose first member was no text, or whose text was found.
    let mut met = 0_u32;
    let mut has_more = reader.open()?;
    while has_more {
        let key = reader.key()?;
        let ranks = found.as_ref().map_or(names.len(), |(rank, _)| *rank);
        let rank = names[..ranks].iter().position(|name| *name == &key[..]);
        let has_members = reader.has_members();
        let raw = reader.value()?;
        if let Some(rank) = rank.filter(|rank| met & 1 << rank == 0 && !has_members)
            && let Some(value) = value(raw)
        {
            met |= 1 << rank;
            if let Value::Text(text) = value {
                *found = Some((rank, text));
            }
            if rank == 0 && found.as_ref().is_some_and(|(rank, _)| *rank == 0) {
                return Ok(());
            }
        }
        has_more = reader.end_member()?;
    }
    Ok(())
}

/// Gives all members of `object` to `take`, those of objects inside by their long names, until it
/// says no.
pub(super) fn each(object: &[u8], take: &mut dyn FnMut(&[u8], Value<'_>) -> bool) {
    // What cannot be read is left out.
    let _ = each_within(&mut Reader { rest: object }, &mut Vec::new(), FIELDS_DEPTH_MAX, take);
}

fn each_within(
    reader: &mut Reader<'_>,
    name: &mut Vec<u8>,
    depth: usize,
    take: &mut dyn FnMut(&[u8], Value<'_>) -> bool,
) -> Result<(), Broken> {
    let prefix = name.len();
    let mut has_more = reader.open()?;
    while has_more {
        name.truncate(prefix);
        if depth < FIELDS_DEPTH_MAX {
            name.push(b'.');
        }
        name.extend_from_slice(&reader.key()?);
        if depth > 1 && reader.has_members() {
            each_within(reader, name, depth - 1, take)?;
        } else if let Some(value) = value(reader.value()?)
            && !take(name, value)
        {
            return Err(Broken);
        }
        has_more = reader.end_member()?;
    }
    Ok(())
}

/// The value that `raw` spells; `None` where it is none, or cut.
fn value(raw: &[u8]) -> Option<Value<'_>> {
    Some(match raw {
        [b'"', .., b'"'] => Value::Text(unquote(raw)?),
        b"true" => Value::Bool(true),
        b"false" => Value::Bool(false),
        b"null" => Value::Null,
        [b'{', .., b'}'] | [b'[', .., b']'] => Value::Raw(raw),
        [b'-' | b'0'..=b'9', ..] => Value::Number(raw),
        _ => return None,
    })
}

/// The text that a JSON string with its quotes stands for.
pub(super) fn unquote(quoted: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr(b'\\', inner).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let mut reader = serde_json::Deserializer::from_slice(quoted);
    reader.deserialize_byte_buf(Bytes).ok().map(Cow::Owned)
}

/// The bytes of a string, which may be no UTF-8.
struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

/// Nothing more is read of a text: it is no JSON from here on, or nobody asks for more.
struct Broken;

/// Reads an object bit by bit.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Goes into the object that begins here: whether it has members.
    fn open(&mut self) -> Result<bool, Broken> {
        self.skip(b'{')?;
        self.rest = without_blanks(self.rest);
        if !self.rest.starts_with(b"}") {
            return Ok(true);
        }
        self.rest = &self.rest[1..];
        Ok(false)
    }

    /// The key of the next member.
    fn key(&mut self) -> Result<Cow<'a, [u8]>, Broken> {
        self.rest = without_blanks(self.rest);
        let key = unquote(self.value()?).ok_or(Broken)?;
        self.skip(b':')?;
        self.rest = without_blanks(self.rest);
        Ok(key)
    }

    /// Whether the value that begins here is an object, and not an empty one.
    fn has_members(&self) -> bool {
        let inner = self.rest.strip_prefix(b"{").map(without_blanks);
        inner.is_some_and(|inner| !inner.starts_with(b"}"))
    }

    /// The value that begins here, as it is written.
    fn value(&mut self) -> Result<&'a [u8], Broken> {
        let text = self.rest;
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
        let Some(Ok(_)) = values.next() else { return Err(Broken) };
        let (value, rest) = text.split_at_checked(values.byte_offset()).ok_or(Broken)?;
        self.rest = rest;
        Ok(value)
    }

    /// Goes behind a member: whether another one follows.
    fn end_member(&mut self) -> Result<bool, Broken> {
        self.rest = without_blanks(self.rest);
        if self.rest.starts_with(b",") {
            self.rest = &self.rest[1..];
            return Ok(true);
        }
        self.skip(b'}').map(|()| false)
    }

    fn skip(&mut self, byte: u8) -> Result<(), Broken> {
        self.rest = without_blanks(self.rest);
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(Broken),
        }
    }
}
