//! The parts of a JSON value that is there as a whole: members, elements, texts. Nothing is copied.

use super::skip::{Skip, Skipped};
use crate::limits::ENTRY_TEXT_BYTES_MAX;
use crate::message::escape::unescape;

/// Why a value has no such parts.
pub type Broken = &'static str;

/// How many bytes of whitespace `text` begins with: RFC 8259, section 2.
#[inline]
pub fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// Behind which byte the string ends with whose quote `text` begins; `None` where it does not.
#[inline]
pub fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// A JSON string.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    inner: &'a [u8],
}

impl<'a> Text<'a> {
    /// Of `quoted`, with its quotes.
    pub fn new(quoted: &'a [u8]) -> Self {
        let inner = quoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        Self { inner: inner.unwrap_or_default() }
    }

    /// Of `value`, which may be another value, as JSON has it.
    pub fn of(value: &'a [u8]) -> Option<Self> {
        let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        Some(Self { inner })
    }

    /// What stands between the quotes.
    pub fn inner(self) -> &'a [u8] {
        self.inner
    }

    /// The text, where it stands there as it is.
    #[inline]
    pub fn plain(self) -> Option<&'a [u8]> {
        memchr::memchr(b'\\', self.inner).is_none().then_some(self.inner)
    }

    /// Appends the text; once it is longer than `bytes_max`, its rest is left out.
    ///
    /// # Errors
    /// Where it holds an escape that JSON has not.
    pub fn append(self, bytes_max: usize, out: &mut Vec<u8>) -> Result<(), Broken> {
        unescape(self.inner, bytes_max, out).ok_or("an escape that JSON has not")
    }

    /// The text; what has to be unescaped is written to `scratch`, which is cleared first, and no
    /// further than a record goes.
    ///
    /// # Errors
    /// As of [`Self::append`].
    #[inline]
    pub fn read<'s>(self, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], Broken>
    where
        'a: 's,
    {
        if let Some(plain) = self.plain() {
            return Ok(plain);
        }
        scratch.clear();
        self.append(ENTRY_TEXT_BYTES_MAX, scratch)?;
        Ok(scratch)
    }

    /// Whether it is `name`.
    #[inline]
    pub fn is(self, name: &[u8]) -> bool {
        self.inner == name || self.plain().is_none() && self.is_escaped(name)
    }

    #[cold]
    fn is_escaped(self, name: &[u8]) -> bool {
        let mut text = Vec::new();
        self.inner.len() <= 6 * name.len()
            && self.append(usize::MAX, &mut text).is_ok()
            && text == name
    }
}

/// The elements of an array, or what an object's members consist of, one by one.
#[derive(Clone, Debug)]
struct Parts<'a> {
    rest: &'a [u8],
    close: u8,
    is_first: bool,
    has_ended: bool,
}

impl<'a> Parts<'a> {
    fn new(value: &'a [u8], open: u8, close: u8) -> Result<Self, Broken> {
        match value.split_first() {
            Some((first, rest)) if *first == open => {
                Ok(Self { rest, close, is_first: true, has_ended: false })
            }
            _ => Err("a value of another kind"),
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = &self.rest[blanks(self.rest)..];
    }

    /// Goes to the next part: whether there is one.
    #[inline]
    fn advance(&mut self) -> Result<bool, Broken> {
        self.skip_blanks();
        let is_first = std::mem::replace(&mut self.is_first, false);
        match self.rest.split_first() {
            Some((first, _)) if *first == self.close => {
                self.has_ended = true;
                Ok(false)
            }
            Some(_) if is_first => Ok(true),
            Some((b',', rest)) => {
                self.rest = rest;
                self.skip_blanks();
                Ok(true)
            }
            _ => Err("no comma where one should be"),
        }
    }

    /// The value that begins here.
    #[inline]
    fn value(&mut self) -> Result<&'a [u8], Broken> {
        let end = match self.rest.first() {
            Some(b'"') => string_end(self.rest).ok_or("a string without an end")?,
            _ => {
                let mut end = 0;
                match Skip::default().run(self.rest, &mut end, usize::MAX) {
                    Skipped::Ended => end,
                    Skipped::More => return Err("a value without an end"),
                    Skipped::Broken(what) => return Err(what),
                }
            }
        };
        let (value, rest) = self.rest.split_at_checked(end).ok_or("a value without an end")?;
        self.rest = rest;
        Ok(value)
    }

    fn element(&mut self) -> Result<Option<&'a [u8]>, Broken> {
        if self.has_ended || !self.advance()? { Ok(None) } else { self.value().map(Some) }
    }

    fn member(&mut self) -> Result<Option<(Text<'a>, &'a [u8])>, Broken> {
        if self.has_ended || !self.advance()? {
            return Ok(None);
        }
        if self.rest.first() != Some(&b'"') {
            return Err("no name where a member's should be");
        }
        let name = Text::new(self.value()?);
        self.skip_blanks();
        self.rest = self.rest.strip_prefix(b":").ok_or("no colon behind a member's name")?;
        self.skip_blanks();
        Ok(Some((name, self.value()?)))
    }
}

/// The elements of an array, as they are written. Nothing follows an error.
#[derive(Clone, Debug)]
pub struct Elements<'a>(Parts<'a>);

impl<'a> Elements<'a> {
    /// # Errors
    /// Where `value` is no array.
    pub fn new(value: &'a [u8]) -> Result<Self, Broken> {
        Parts::new(value, b'[', b']').map(Self)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], Broken>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let element = self.0.element();
        self.0.has_ended |= element.is_err();
        element.transpose()
    }
}

/// The members of an object: their names and their values as they are written. Nothing follows an
/// error.
#[derive(Clone, Debug)]
pub struct Members<'a>(Parts<'a>);

impl<'a> Members<'a> {
    /// # Errors
    /// Where `value` is no object.
    pub fn new(value: &'a [u8]) -> Result<Self, Broken> {
        Parts::new(value, b'{', b'}').map(Self)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(Text<'a>, &'a [u8]), Broken>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let member = self.0.member();
        self.0.has_ended |= member.is_err();
        member.transpose()
    }
}
