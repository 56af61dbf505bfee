//! Forms and query strings: `application/x-www-form-urlencoded`, as the WHATWG's URL standard
//! (section 5.1) reads it.

use std::borrow::Cow;

/// The names and values of a form, in order, decoded; a value is `None` where there is no `=`.
/// Made by [`pairs`].
#[derive(Clone, Debug)]
pub struct Form<'a> {
    rest: &'a [u8],
}

/// The names and values of a query string (what stands behind the `?`) or of a form. Nothing is
/// ever refused: a `%` without two digits behind it stands for itself, empty pairs are left out.
pub fn pairs(raw: &[u8]) -> Form<'_> {
    Form { rest: raw }
}

impl<'a> Iterator for Form<'a> {
    type Item = (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = memchr::memchr(b'&', self.rest).unwrap_or(self.rest.len());
            let (pair, rest) = self.rest.split_at(end);
            self.rest = rest.get(1..).unwrap_or_default();
            if pair.is_empty() {
                continue;
            }
            let Some(equals) = memchr::memchr(b'=', pair) else {
                return Some((decoded(pair), None));
            };
            return Some((decoded(&pair[..equals]), Some(decoded(&pair[equals + 1..]))));
        }
        None
    }
}

/// `raw` with `+` as a space and `%41` as `A`.
fn decoded(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr2(b'+', b'%', raw) else { return Cow::Borrowed(raw) };
    let mut text = Vec::with_capacity(raw.len());
    text.extend_from_slice(&raw[..first]);
    let mut rest = &raw[first..];
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match *byte {
            b'+' => text.push(b' '),
            b'%' => match escaped(behind) {
                Some(byte) => {
                    text.push(byte);
                    rest = &behind[2..];
                }
                None => text.push(b'%'),
            },
            byte => text.push(byte),
        }
    }
    Cow::Owned(text)
}

/// The byte that the two hexadecimal digits at the beginning of `digits` stand for.
pub(super) fn escaped(digits: &[u8]) -> Option<u8> {
    let &[high, low, ..] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
}
