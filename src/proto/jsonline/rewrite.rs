//! What is stored of an object that is not kept as it came: without some members, its message
//! under the one name that is known everywhere, values without a terminal's colors, on one line.

use std::ops::Range;

use super::object::{Member, Walk, Walker};
use super::plan::push_key;
use crate::limits::FIELDS_DEPTH_MAX;

/// What is changed in every object of a body.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits {
    /// Members that are left out.
    pub ignored: Vec<Pattern>,
    /// Texts that lose their colors.
    pub decolorized: Vec<Pattern>,
}

/// The name of a member, or with a `*` behind it the beginning of such names.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    name: Box<[u8]>,
    is_prefix: bool,
}

impl Pattern {
    pub fn new(text: &[u8]) -> Self {
        let prefix = text.strip_suffix(b"*");
        Self { name: prefix.unwrap_or(text).into(), is_prefix: prefix.is_some() }
    }

    fn matches(&self, path: &[u8]) -> bool {
        if self.is_prefix { path.starts_with(&self.name) } else { *self.name == *path }
    }

    /// Whether it may match members of the object with that name and a dot.
    fn reaches_into(&self, path: &[u8]) -> bool {
        self.name.starts_with(path) || self.matches(path)
    }
}

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.ignored.is_empty() && self.decolorized.is_empty()
    }
}

/// Writes an object anew.
pub(super) struct Rewriter<'a> {
    pub edits: &'a Edits,
    /// The whole object, one that was walked before.
    pub object: &'a [u8],
    /// Where the value stands that becomes the message, instead of one that is there.
    pub message: Option<Range<usize>>,
    /// The name of the object that is written, with a dot.
    pub path: Vec<u8>,
    /// Whether anything is other than it was.
    pub is_changed: bool,
}

impl Rewriter<'_> {
    /// Appends the object to `out`: whether it is another than it was.
    pub fn write(mut self, out: &mut Vec<u8>) -> bool {
        self.write_object(0..self.object.len(), FIELDS_DEPTH_MAX, out);
        self.is_changed
    }

    fn write_object(&mut self, place: Range<usize>, depth: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        let begun = out.len();
        if let Some(value) = self.message.clone().filter(|_| self.path.is_empty()) {
            self.is_changed = true;
            out.extend_from_slice(b"\"_msg\":");
            let value = &self.object[value];
            let is_text = value.first() == Some(&b'"');
            out.extend_from_slice(if is_text { b"" } else { b"\"" });
            out.extend_from_slice(value);
            out.extend_from_slice(if is_text { b"" } else { b"\"" });
        }
        let mut walker = Walker::default();
        while let Walk::Member(member) = walker.walk(&self.object[place.clone()]) {
            let outer = self.path.len();
            let shift = |range: &Range<usize>| place.start + range.start..place.start + range.end;
            let (key, value) = (shift(&member.key), shift(&member.value));
            let member = Member { key, value, ..member };
            push_key(&self.object[member.key.clone()], &member, &mut self.path);
            self.write_member(&member, begun, depth, out);
            self.path.truncate(outer);
        }
        out.push(b'}');
    }

    /// Appends a member, unless it is left out, to the object that has begun at `begun`.
    fn write_member(&mut self, member: &Member, begun: usize, depth: usize, out: &mut Vec<u8>) {
        let value = &self.object[member.value.clone()];
        let edits = self.edits;
        let is_ignored = edits.ignored.iter().any(|pattern| pattern.matches(&self.path))
            || self.message.as_ref() == Some(&member.value)
            || self.message.is_some() && self.path == b"_msg";
        if is_ignored {
            self.is_changed = true;
            return;
        }
        if out.len() > begun {
            out.push(b',');
        }
        // The key with its quotes.
        out.extend_from_slice(&self.object[member.key.start - 1..=member.key.end]);
        out.push(b':');
        if let [b'{', ..] = value
            && depth > 1
        {
            self.path.push(b'.');
            let reaches = |pattern: &Pattern| pattern.reaches_into(&self.path);
            let is_message = |message: &Range<usize>| {
                member.value.start < message.start && message.end < member.value.end
            };
            if edits.ignored.iter().any(reaches)
                || edits.decolorized.iter().any(reaches)
                || self.message.as_ref().is_some_and(is_message)
            {
                return self.write_object(member.value.clone(), depth - 1, out);
            }
        } else if let [b'"', ..] = value
            && edits.decolorized.iter().any(|pattern| pattern.matches(&self.path))
        {
            self.is_changed |= push_without_colors(value, out);
            return;
        }
        out.extend_from_slice(value);
    }
}

/// Appends a JSON string without the control sequences in it that set a terminal's colors and the
/// like, ECMA-48, section 5.4: whether there were any.
fn push_without_colors(string: &[u8], out: &mut Vec<u8>) -> bool {
    let (mut rest, mut is_changed) = (string, false);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match escape {
            [b'\\', b'u', b'0', b'0', b'1', b'b' | b'B', b'[', sequence @ ..] => {
                let parameters = |byte: &&u8| matches!(byte, b' '..=b'?') && **byte != b'"';
                let end = sequence.iter().take_while(parameters).count();
                match sequence.get(end) {
                    Some(b'@'..=b'~') if sequence[end] != b'\\' => {
                        is_changed = true;
                        &sequence[end + 1..]
                    }
                    _ => keep(escape, 6, out),
                }
            }
            _ => keep(escape, 2, out),
        };
    }
    out.extend_from_slice(rest);
    is_changed
}

/// Appends so many bytes of `text`: the rest.
fn keep<'a>(text: &'a [u8], bytes: usize, out: &mut Vec<u8>) -> &'a [u8] {
    let (kept, rest) = text.split_at(bytes.min(text.len()));
    out.extend_from_slice(kept);
    rest
}

/// Makes one line of an object that was written on several.
pub(super) fn join_lines(object: &mut [u8]) {
    // Strings hold no line end.
    for byte in object.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
}
