//! Messages of OTLP in both encodings, read alike: fields by a table, values as JSON.
//!
//! In JSON (<https://protobuf.dev/programming-guides/json/>) names are camelCase, or as in the
//! schema; numbers of 64 bits may be texts; bytes are base64, but the ids of traces, which are hex.

use super::super::json_tree::parts::{Elements, Members, Text};
use super::super::protobuf::{Fields, Value};
use super::super::tree::{Names, within};
use crate::limits::{ENTRY_TEXT_BYTES_MAX, OTLP_DEPTH_MAX};
use crate::message::escape::escape;

/// Why a message cannot be read.
pub(super) type Broken = &'static str;

/// The value of a field, as it stands in the body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    /// A message, text or bytes in protobuf.
    Wire(&'a [u8]),
    /// A number in protobuf.
    Number(u64),
    /// Any value in JSON.
    Json(&'a [u8]),
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Name {
    pub number: u32,
    pub json: &'static [u8],
    /// As the schema calls it.
    pub proto: &'static [u8],
    /// Whether it is repeated: an array in JSON.
    pub is_list: bool,
}

/// A row of a table of fields.
pub(super) const fn one(number: u32, json: &'static str, proto: &'static str) -> Name {
    Name { number, json: json.as_bytes(), proto: proto.as_bytes(), is_list: false }
}

/// A row of a table, of a repeated field.
pub(super) const fn list(number: u32, json: &'static str) -> Name {
    Name { number, json: json.as_bytes(), proto: json.as_bytes(), is_list: true }
}

const WRONG_KIND: Broken = "a value of another kind than its field";

impl<'a> Node<'a> {
    /// Calls `take` with each field of this message that `names` has, and its place there.
    ///
    /// # Errors
    /// Where it is no message, and what `take` says.
    pub fn fields(
        self,
        names: &[Name],
        mut take: impl FnMut(usize, Node<'a>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        match self {
            Self::Number(_) => Err(WRONG_KIND),
            Self::Wire(message) => {
                for field in Fields::new(message) {
                    let field = field.map_err(|_| "no protobuf")?;
                    let found = names.iter().position(|name| name.number == field.number);
                    if let Some(index) = found {
                        take(
                            index,
                            match field.value {
                                Value::Bytes(bytes) => Node::Wire(bytes),
                                other => Node::Number(other.number().unwrap_or_default()),
                            },
                        )?;
                    }
                }
                Ok(())
            }
            Self::Json(object) => {
                for member in Members::new(object)? {
                    let (text, value) = member?;
                    let is_one = |name: &Name| text.is(name.json) || text.is(name.proto);
                    let Some(index) = names.iter().position(is_one) else { continue };
                    if value == b"null" {
                        continue;
                    }
                    if !names[index].is_list {
                        take(index, Node::Json(value))?;
                        continue;
                    }
                    for element in Elements::new(value)? {
                        take(index, Node::Json(element?))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The text; what has to be unescaped is written to `scratch`.
    pub fn text<'s>(self, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], Broken>
    where
        'a: 's,
    {
        match self {
            Self::Wire(text) => Ok(text),
            Self::Number(_) => Err(WRONG_KIND),
            Self::Json(value) => Text::of(value).ok_or(WRONG_KIND)?.read(scratch),
        }
    }

    /// A number without a sign; `None` where it is none.
    pub fn unsigned(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Wire(_) => None,
            Self::Json(value) => {
                let digits = Text::of(value).map_or(value, Text::inner);
                std::str::from_utf8(digits).ok()?.parse().ok()
            }
        }
    }

    /// The text of bytes that are an id: hex in small letters. In JSON they are written so.
    pub fn hex(self, out: &mut Vec<u8>) -> Result<(), Broken> {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
        match self {
            Self::Wire(bytes) => {
                let bytes = &bytes[..bytes.len().min(ID_BYTES_MAX)];
                out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
            }
            Self::Number(_) => return Err(WRONG_KIND),
            Self::Json(value) => {
                let text = Text::of(value).and_then(Text::plain).ok_or(WRONG_KIND)?;
                let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
                if text.len() > 2 * ID_BYTES_MAX || !text.iter().all(is_id) {
                    return Err("an id that is no hex");
                }
                let is_hex = text.iter().all(u8::is_ascii_hexdigit);
                out.extend(text.iter().map(|byte| match is_hex {
                    true => byte.to_ascii_lowercase(),
                    false => *byte,
                }));
            }
        }
        Ok(())
    }
}

/// The longest id in bytes: twice that of a trace.
const ID_BYTES_MAX: usize = 32;

/// The fields of an `AnyValue`, in the order of [`Kind`].
const ANY_VALUE: &[Name] = &[
    one(1, "stringValue", "string_value"),
    one(2, "boolValue", "bool_value"),
    one(3, "intValue", "int_value"),
    one(4, "doubleValue", "double_value"),
    one(5, "arrayValue", "array_value"),
    one(6, "kvlistValue", "kvlist_value"),
    one(7, "bytesValue", "bytes_value"),
];

/// The fields of an `ArrayValue` and of a `KeyValueList`.
const VALUES: &[Name] = &[list(1, "values")];

const KEY_VALUE: &[Name] = &[one(1, "key", "key"), one(2, "value", "value")];

/// What an `AnyValue` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    Int,
    Double,
    Array,
    Map,
    Bytes,
}

/// What the `AnyValue` holds; `None` where it holds nothing.
pub(super) fn any(value: Node<'_>) -> Result<Option<(Kind, Node<'_>)>, Broken> {
    const KINDS: [Kind; 7] =
        [Kind::Text, Kind::Bool, Kind::Int, Kind::Double, Kind::Array, Kind::Map, Kind::Bytes];
    let mut found = None;
    value.fields(ANY_VALUE, |index, value| {
        found = Some((KINDS[index], value));
        Ok(())
    })?;
    Ok(found)
}

/// Calls `take` with key and value of the `KeyValue` that `pair` is; a value that is missing is
/// `None`.
pub(super) fn pair<'a>(
    pair: Node<'a>,
    key_text: &mut Vec<u8>,
    take: impl FnOnce(&[u8], Option<Node<'a>>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let (mut key, mut value) = (None, None);
    pair.fields(KEY_VALUE, |index, node| {
        *if index == 0 { &mut key } else { &mut value } = Some(node);
        Ok(())
    })?;
    let key = match key {
        Some(key) => key.text(key_text)?,
        None => b"",
    };
    take(key, value)
}

/// Appends the member that a `KeyValue` is to the JSON object that is being written.
pub(super) fn write_pair(
    node: Node<'_>,
    depth: usize,
    names: &mut Names,
    out: &mut Vec<u8>,
) -> Result<(), Broken> {
    pair(node, &mut Vec::new(), |key, value| {
        if names.begin_member(key, out) {
            write_any(value, depth, names, out)?;
        }
        Ok(())
    })
}

/// Appends the members that the pairs of a map are.
pub(super) fn write_map(
    map: Node<'_>,
    depth: usize,
    names: &mut Names,
    out: &mut Vec<u8>,
) -> Result<(), Broken> {
    map.fields(VALUES, |_, pair| write_pair(pair, depth, names, out))
}

/// Appends the `AnyValue` as JSON; nothing is `null`. `depth` is how many values it is in.
pub(super) fn write_any(
    value: Option<Node<'_>>,
    depth: usize,
    names: &mut Names,
    out: &mut Vec<u8>,
) -> Result<(), Broken> {
    if depth > OTLP_DEPTH_MAX {
        return Err("values nested too deep");
    }
    match value.map(any).transpose()?.flatten() {
        Some((kind, value)) => write(kind, value, depth, names, out),
        None => {
            out.extend_from_slice(b"null");
            Ok(())
        }
    }
}

fn write(
    kind: Kind,
    value: Node<'_>,
    depth: usize,
    names: &mut Names,
    out: &mut Vec<u8>,
) -> Result<(), Broken> {
    if let (Kind::Map | Kind::Array, Node::Json(json)) = (kind, value)
        && !names.nest(json.len())
    {
        return Err("values nested too deep for their length");
    }
    match kind {
        Kind::Text => {
            out.push(b'"');
            escape(within(value.text(&mut Vec::new())?), out);
            out.push(b'"');
        }
        Kind::Map => {
            out.push(b'{');
            let outer = names.open();
            write_map(value, depth + 1, names, out)?;
            names.close(outer);
            out.push(b'}');
        }
        Kind::Array => {
            out.push(b'[');
            value.fields(VALUES, |_, element| {
                if out.len() > ENTRY_TEXT_BYTES_MAX {
                    return Ok(());
                }
                if !matches!(out.last(), Some(b'[')) {
                    out.push(b',');
                }
                write_any(Some(element), depth + 1, names, out)
            })?;
            out.push(b']');
        }
        Kind::Bytes => {
            out.push(b'"');
            write_bytes(value, out)?;
            out.push(b'"');
        }
        Kind::Bool | Kind::Int | Kind::Double => scalar(kind, value, out)?,
    }
    Ok(())
}

/// Appends bytes in base64: RFC 4648, section 4. In JSON they are written so.
pub(super) fn write_bytes(value: Node<'_>, out: &mut Vec<u8>) -> Result<(), Broken> {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let Node::Wire(bytes) = value else {
        escape(within(value.text(&mut Vec::new())?), out);
        return Ok(());
    };
    for three in within(bytes).chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let sign = SIGNS[(bits >> (18 - 6 * index) & 63) as usize];
            out.push(if index <= three.len() { sign } else { b'=' });
        }
    }
    Ok(())
}

/// Appends a number or a truth value.
fn scalar(kind: Kind, value: Node<'_>, out: &mut Vec<u8>) -> Result<(), Broken> {
    let written = match (kind, value) {
        (_, Node::Wire(_)) => return Err(WRONG_KIND),
        (Kind::Bool, Node::Number(number)) => {
            out.extend_from_slice(if number == 0 { b"false" } else { b"true" });
            return Ok(());
        }
        (Kind::Bool, Node::Json(b"true" | b"false")) => {
            if let Node::Json(word) = value {
                out.extend_from_slice(word);
            }
            return Ok(());
        }
        (Kind::Double, Node::Number(bits)) => match f64::from_bits(bits) {
            number if number.is_finite() => serde_json::to_writer(&mut *out, &number),
            number if number.is_nan() => serde_json::to_writer(&mut *out, "NaN"),
            number if number > 0.0 => serde_json::to_writer(&mut *out, "Infinity"),
            _ => serde_json::to_writer(&mut *out, "-Infinity"),
        },
        (_, Node::Number(number)) => serde_json::to_writer(&mut *out, &(number as i64)),
        (_, Node::Json(json)) => {
            let number = Text::of(json).map_or(json, Text::inner);
            let is_special = matches!(number, b"NaN" | b"Infinity" | b"-Infinity");
            if kind == Kind::Double && is_special {
                // In quotes or, as some write it, without: but JSON has no such word.
                out.push(b'"');
                out.extend_from_slice(number);
                out.push(b'"');
            } else if kind != Kind::Bool && is_number(number) {
                out.extend_from_slice(number);
            } else {
                return Err(WRONG_KIND);
            }
            return Ok(());
        }
    };
    written.map_err(|_| "a number that cannot be written")
}

/// Whether `text` is a number of JSON, without blanks around it.
fn is_number(text: &[u8]) -> bool {
    let is_bare = matches!(text, [b'-' | b'0'..=b'9', .., b'0'..=b'9'] | [b'0'..=b'9']);
    is_bare && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}
