//! STRUCTURED-DATA: RFC 5424, section 6.3.

use std::borrow::Cow;

use memchr::memchr;

use crate::message::quoted_bytes;

/// The parameters of structured data with the SD-IDs they stand under, in order, as far as it can
/// be read.
pub(super) struct Params<'a> {
    id: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Params<'a> {
    /// `data` is a run of elements, each in its brackets.
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { id: b"", rest: data }
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a [u8], &'a [u8], Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.rest.trim_ascii_start() {
                [b'[', inner @ ..] => {
                    let is_end = |byte: &u8| matches!(byte, b' ' | b']');
                    let end = inner.iter().position(is_end)?;
                    (self.id, self.rest) = inner.split_at(end);
                }
                [b']', rest @ ..] => self.rest = rest,
                inner => {
                    let equals = memchr(b'=', inner)?;
                    let (name, rest) = inner.split_at(equals);
                    let (value, rest) = quoted(&rest[1..])?;
                    self.rest = rest;
                    return Some((self.id, name, value));
                }
            }
        }
    }
}

/// The parameter whose SD-ID and name with a dot between them are `name`.
pub(super) fn find<'a>(data: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let is_it = |id: &[u8], param: &[u8]| {
        name.strip_prefix(id).and_then(|rest| rest.strip_prefix(b".")) == Some(param)
    };
    Params::new(data).find(|(id, param, _)| is_it(id, param)).map(|(_, _, value)| value)
}

/// The first parameter that is called `name`, under any SD-ID.
pub(super) fn find_param<'a>(data: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    Params::new(data).find(|(_, param, _)| *param == name).map(|(_, _, value)| value)
}

/// A PARAM-VALUE in its quotes, in which `\` stands before a quote, a backslash or a bracket; and
/// what follows it.
fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let end = quoted_bytes(inner)?;
    let (value, rest) = (&inner[..end], &inner[end + 1..]);
    if memchr(b'\\', value).is_none() {
        return Some((Cow::Borrowed(value), rest));
    }
    Some((Cow::Owned(super::logfmt::unescape(value, b"\"\\]")), rest))
}
