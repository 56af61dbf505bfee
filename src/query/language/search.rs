//! A line as a person types it into a search box: the same language, in which a word without a name
//! is one to look for.
//!
//! ```text
//! refused "connection reset" -healthz /upstream \d+/ level>=warning host!=web1
//! ```
//!
//! All must be met. A phrase in quotes is one keyword; `-word` and `!word` are not to be in the
//! line, and `-name=value` turns a condition around; `/pattern/` is a regular expression, in which
//! `\/` is a slash. A path is no pattern: `/var/log` does not end with a slash.

use super::parameters::Parameters;
use super::{Spelling, parameter_bytes, word};
use crate::limits::KEYWORDS_MAX;
use crate::query::condition::Comparison;
use crate::query::error::QueryError;

impl Parameters<'_> {
    /// Takes in a line of words, names with values, phrases and patterns.
    ///
    /// # Errors
    /// The first mistake found; see [`QueryError`].
    pub fn search(&mut self, line: &[u8]) -> Result<(), QueryError> {
        let mut rest = line.trim_ascii();
        while !rest.is_empty() {
            rest = self.item(rest)?.trim_ascii_start();
        }
        Ok(())
    }

    /// Takes in what `text` begins with, and gives what follows.
    fn item<'t>(&mut self, text: &'t [u8]) -> Result<&'t [u8], QueryError> {
        if let Some((pattern, rest)) = pattern(text) {
            self.named(b"regex=", pattern)?;
            return Ok(rest);
        }
        if let [b'-' | b'!', wanted @ ..] = text
            && wanted.first().is_some_and(|byte| !byte.is_ascii_whitespace() && *byte != b'-')
            && !text.starts_with(b"!keyword=")
        {
            return self.exclude(wanted, text);
        }
        if parameter_bytes(text).is_some() {
            let spelling = Spelling::read(text)?;
            let (value, rest) = word(spelling.rest, text)?;
            self.put(&spelling, value)?;
            return Ok(rest);
        }
        let (value, rest) = word(text, text)?;
        self.bare_words += 1;
        if self.bare_words > KEYWORDS_MAX {
            let allowed = const { "16 words and phrases at most" };
            return Err(QueryError::Value { name: "q", seen: text.to_vec(), allowed });
        }
        if value.is_empty() {
            return Err(QueryError::Missing { name: "\"\"", allowed: "a text in the quotes" });
        }
        self.bare_word(&value);
        Ok(rest)
    }

    /// Takes in what is not to be, which `text` begins with; `whole` is what an error shows.
    fn exclude<'t>(&mut self, text: &'t [u8], whole: &[u8]) -> Result<&'t [u8], QueryError> {
        if pattern(text).is_some() {
            let allowed = "-word, -\"a phrase\", -name=value";
            return Err(QueryError::Value { name: "q", seen: whole.to_vec(), allowed });
        }
        if parameter_bytes(text).is_some() {
            let mut spelling = Spelling::read(text)?;
            let is_keyword = |name: &[u8]| name.eq_ignore_ascii_case(b"keyword");
            if spelling.comparison == Comparison::Equal && spelling.bare()?.is_some_and(is_keyword)
            {
                let (value, rest) = word(spelling.rest, text)?;
                self.named(b"!keyword=", &value)?;
                return Ok(rest);
            }
            (spelling.comparison, spelling.shown) = match spelling.comparison {
                Comparison::Equal => (Comparison::NotEqual, "!="),
                Comparison::NotEqual => (Comparison::Equal, "="),
                Comparison::Matches => (Comparison::MatchesNot, "!~"),
                Comparison::MatchesNot => (Comparison::Matches, "~"),
                // What is absent is neither above nor below.
                _ => return self.exclude_word(text),
            };
            if self.knows(&spelling) {
                let (value, rest) = word(spelling.rest, text)?;
                self.put(&spelling, value)?;
                return Ok(rest);
            }
        }
        self.exclude_word(text)
    }

    fn exclude_word<'t>(&mut self, text: &'t [u8]) -> Result<&'t [u8], QueryError> {
        let (value, rest) = word(text, text)?;
        self.named(b"!keyword=", &value)?;
        Ok(rest)
    }

    /// Takes in a parameter that was not written as one.
    fn named(&mut self, name: &[u8], value: &[u8]) -> Result<(), QueryError> {
        self.put(&Spelling::read(name)?, value.to_vec())
    }
}

/// The inside of the `/pattern/` that `text` begins with, and what follows. One that holds blanks
/// holds no bare slash, for two paths are no pattern.
fn pattern(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"/")?;
    let mut at = 0;
    let mut has_slash = false;
    let mut has_blank = false;
    loop {
        match *inside.get(at)? {
            b'\\' => at += 1,
            b'/' => {
                let rest = &inside[at + 1..];
                let is_end = rest.first().is_none_or(u8::is_ascii_whitespace);
                if is_end && at > 0 {
                    return Some((&inside[..at], rest));
                }
                if has_blank {
                    return None;
                }
                has_slash = true;
            }
            byte if byte.is_ascii_whitespace() => {
                if has_slash {
                    return None;
                }
                has_blank = true;
            }
            _ => {}
        }
        at += 1;
    }
}

/// Quotes `value` where it could not stand bare, so that the language reads it back.
pub fn quote(value: &[u8], out: &mut Vec<u8>) {
    let is_bare = !value.is_empty()
        && value[0] != b'"'
        && !value.iter().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control());
    if is_bare {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
