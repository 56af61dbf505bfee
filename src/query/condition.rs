//! One condition on a label or a field: `app=api`, `field.status>=500`.
//!
//! Taking a field out of a text costs a microsecond, so that is done for few records only. Whatever
//! gives a text the field, the last part of its name stands in it, with the value right behind:
//! `"status": 503`, `status=503`, `status="503"`. A condition looks at these places first, and a
//! record of which none passes is no hit. What it cannot judge at a glance it lets pass: only the
//! field itself decides.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::needle::Needle;
use super::regex::{Budget, Regex};
use crate::limits::FIELD_PLACES_MAX;
use crate::message::fields::{self, METADATA};

/// How a value is compared with the one that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `~`: a regular expression matches somewhere in it.
    Matches,
    /// `!~`
    MatchesNot,
}

impl Comparison {
    /// Whether values in this order to the given one pass.
    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Matches | Self::MatchesNot => false,
        }
    }

    /// Whether it asks for what is not so; then what is absent passes.
    fn is_negative(self) -> bool {
        matches!(self, Self::NotEqual | Self::MatchesNot)
    }
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A label of the record's stream, or what the header of a syslog record says by that name.
    Label,
    /// A field of the text, or else a label.
    Field,
}

/// A condition on a label or a field.
#[derive(Debug)]
pub struct Condition {
    subject: Subject,
    name: Vec<u8>,
    test: Test,
    /// What a text with the field holds; absent where that cannot be said.
    sign: Option<Sign>,
    /// The value whose search was interrupted.
    pause: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Test {
    Compare(Comparison, Wanted),
    Match { regex: Regex, is_negative: bool },
}

/// The value that is given.
#[derive(Debug)]
struct Wanted {
    text: Vec<u8>,
    number: Option<Number>,
}

impl Condition {
    /// Compares the label or field `name` with `value`; not for the regular expressions.
    pub(super) fn compare(
        subject: Subject,
        name: &[u8],
        comparison: Comparison,
        value: &[u8],
    ) -> Self {
        let wanted = Wanted { text: value.to_vec(), number: Number::read(value) };
        Self::new(subject, name, Test::Compare(comparison, wanted))
    }

    /// Asks for records of which the label or field `name` matches `regex`, or does not.
    pub(super) fn matches(subject: Subject, name: &[u8], regex: Regex, is_negative: bool) -> Self {
        Self::new(subject, name, Test::Match { regex, is_negative })
    }

    /// Bytes that its pattern and the states of that hold.
    pub(super) fn regex_bytes(&self) -> usize {
        match &self.test {
            Test::Match { regex, .. } => regex.memory_bytes(),
            Test::Compare(..) => 0,
        }
    }

    fn new(subject: Subject, name: &[u8], test: Test) -> Self {
        let is_of_text = subject == Subject::Field && !METADATA.contains(&name);
        let sign = if is_of_text { Sign::new(name, &test) } else { None };
        Self { subject, name: name.to_vec(), test, sign, pause: None }
    }

    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn is_about_field(&self) -> bool {
        self.subject == Subject::Field
    }

    /// Whether the header of a syslog record can say it.
    pub fn is_about_metadata(&self) -> bool {
        METADATA.contains(&&self.name[..])
    }

    /// The literals of which a record that meets the condition holds one; none where that cannot
    /// be said, or where records without it can meet the condition.
    pub fn leads(&self) -> &[Needle] {
        match &self.sign {
            Some(sign) if !self.is_negative() => &sign.leads,
            _ => &[],
        }
    }

    /// Whether what leads is the name of the field.
    pub fn leads_by_key(&self) -> bool {
        self.sign.as_ref().is_some_and(|sign| sign.leads_by_key)
    }

    /// What the condition says of a record that does not have it.
    pub fn is_negative(&self) -> bool {
        match &self.test {
            Test::Compare(comparison, _) => comparison.is_negative(),
            Test::Match { is_negative, .. } => *is_negative,
        }
    }

    /// Whether a value meets the condition; `None` where the budget was spent first: the next call
    /// must be [`Self::step_on`].
    pub fn step(&mut self, value: Option<Cow<'_, [u8]>>, budget: &mut Budget) -> Option<bool> {
        let Some(value) = value else { return Some(self.is_negative()) };
        match &mut self.test {
            Test::Compare(comparison, wanted) => Some(wanted.passes(*comparison, &value)),
            Test::Match { regex, is_negative } => match regex.step(&value, budget) {
                Some(matches) => Some(matches != *is_negative),
                None => {
                    self.pause = Some(value.into_owned());
                    None
                }
            },
        }
    }

    /// Whether a search was interrupted.
    pub fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// Goes on with the value whose search was interrupted.
    pub fn step_on(&mut self, budget: &mut Budget) -> Option<bool> {
        let value = self.pause.take();
        self.step(value.map(Cow::Owned), budget)
    }

    /// Gives up a search that was interrupted.
    pub fn reset(&mut self) {
        self.pause = None;
        if let Test::Match { regex, .. } = &mut self.test {
            regex.reset();
        }
    }

    /// Whether the field is certainly not in `text`, or not with a value that passes.
    pub fn rules_out(&self, text: &[u8], budget: &mut Budget) -> bool {
        let Some(sign) = &self.sign else { return false };
        let passes = |value: &[u8]| match &self.test {
            Test::Compare(comparison, wanted) if !comparison.is_negative() => {
                wanted.passes(*comparison, value)
            }
            Test::Match { regex, is_negative: false } => regex.hint().find(value).is_some(),
            _ => true,
        };
        !sign.is_in(text, passes, budget)
    }

    /// Asserts that no short cut passes over `text`, which has the field as it is asked for.
    pub(super) fn assert_lets_through(&self, text: &[u8]) {
        let shown = || format!("{} in {}", self.name.escape_ascii(), text.escape_ascii());
        assert!(!self.rules_out(text, &mut Budget::unbounded()), "ruled out: {}", shown());
        let leads = self.leads();
        let is_led = leads.is_empty() || leads.iter().any(|lead| lead.find(text).is_some());
        assert!(is_led, "not led to: {}", shown());
    }

    /// Whether the name of the field is certainly no key in `text`.
    pub fn has_no_key(&self, text: &[u8], budget: &mut Budget) -> bool {
        self.is_negative() && self.rules_out(text, budget)
    }

    /// Takes the field out of `text`.
    pub fn field<'a>(&self, text: &'a [u8], budget: &mut Budget) -> Option<Cow<'a, [u8]>> {
        budget.spend(FIELD_COST_NS + text.len() * FIELD_COST_NS_PER_BYTE);
        fields::field(text, &self.name).map(fields::Value::into_text)
    }

    /// Takes what the header of a syslog record says out of `text`.
    pub fn metadata<'a>(&self, text: &'a [u8], budget: &mut Budget) -> Option<Cow<'a, [u8]>> {
        budget.spend(FIELD_COST_NS);
        fields::metadata(text, &self.name).map(fields::Value::into_text)
    }
}

/// Estimated nanoseconds to take a field out of a text.
const FIELD_COST_NS: usize = 200;
const FIELD_COST_NS_PER_BYTE: usize = 2;

impl Wanted {
    fn passes(&self, comparison: Comparison, value: &[u8]) -> bool {
        let order = match (comparison, self.number) {
            (Comparison::Equal | Comparison::NotEqual, _) if value == self.text => Ordering::Equal,
            (Comparison::Equal | Comparison::NotEqual, wanted) => {
                let order = wanted.and_then(|wanted| Number::read(value)?.order(wanted));
                order.unwrap_or(Ordering::Less)
            }
            (_, Some(wanted)) => {
                let order = Number::read(value).and_then(|number| number.order(wanted));
                let Some(order) = order else { return false };
                order
            }
            (_, None) => value.cmp(&self.text),
        };
        comparison.accepts(order)
    }
}

/// A number in a text.
#[derive(Debug, Clone, Copy)]
enum Number {
    /// `high` times 10^38 and `low`, both of the number's sign: exact.
    Whole { high: i128, low: i128 },
    /// With a fraction or an exponent.
    Real(f64),
}

/// Texts longer than this are no numbers; twice [`LOW_DIGITS`] are more.
const NUMBER_BYTES_MAX: usize = 64;

impl Number {
    /// Reads a decimal number: a sign, digits, a fraction, an exponent.
    fn read(text: &[u8]) -> Option<Self> {
        let (sign, digits) = match text {
            [b'-', digits @ ..] => (-1, digits),
            [b'+', digits @ ..] => (1, digits),
            digits => (1, digits),
        };
        if !matches!(digits, [b'0'..=b'9' | b'.', ..]) || text.len() > NUMBER_BYTES_MAX {
            return None;
        }
        if !digits.iter().all(u8::is_ascii_digit) {
            return Self::real(text);
        }
        let (high, low) = digits.split_at(digits.len().saturating_sub(LOW_DIGITS));
        Some(Self::Whole { high: sign * whole(high), low: sign * whole(low) })
    }

    fn real(text: &[u8]) -> Option<Self> {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        if !text.iter().all(is_part) {
            return None;
        }
        let real: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        real.is_finite().then_some(Self::Real(real))
    }

    fn order(self, other: Self) -> Option<Ordering> {
        let real = |number| match number {
            Self::Whole { high, low } => high as f64 * 1e38 + low as f64,
            Self::Real(real) => real,
        };
        match (self, other) {
            (Self::Whole { high, low }, Self::Whole { high: other_high, low: other_low }) => {
                Some((high, low).cmp(&(other_high, other_low)))
            }
            _ => real(self).partial_cmp(&real(other)),
        }
    }
}

/// Decimal digits of which every number fits into 127 bits.
const LOW_DIGITS: usize = 38;

/// The number that up to [`LOW_DIGITS`] digits make.
fn whole(digits: &[u8]) -> i128 {
    // Nearly all numbers are short, for which the machine has its own arithmetic.
    let (head, tail) = digits.split_at(digits.len().min(18));
    let head = head.iter().fold(0, |whole, digit| whole * 10 + i64::from(digit - b'0'));
    tail.iter().fold(i128::from(head), |whole, digit| whole * 10 + i128::from(digit - b'0'))
}

/// What a text with a field holds.
#[derive(Debug)]
struct Sign {
    /// The last part of the field's name.
    key: Needle,
    /// There are parts before it.
    has_parts: bool,
    /// What an escape in JSON begins with that can stand for a byte of the name.
    escape: Needle,
    /// The name is ASCII.
    is_ascii: bool,
    /// What is looked for in windows: the key or the value, and the escape.
    leads: Vec<Needle>,
    leads_by_key: bool,
}

/// What stands behind a key.
enum Behind<'a> {
    /// A value that is told at a glance.
    Value(&'a [u8]),
    /// Something that only the whole text tells.
    Unclear,
    /// Nothing: the place is no key.
    Nothing,
}

impl Sign {
    fn new(name: &[u8], test: &Test) -> Option<Self> {
        let key = name.rsplit(|byte| *byte == b'.').next().filter(|key| is_plain(key))?;
        let escape = |text: &[u8]| {
            Needle::exact(if text.is_ascii() { br"\u00".as_slice() } else { br"\u".as_slice() })
        };
        let value = match test {
            Test::Compare(Comparison::Equal, wanted)
                if wanted.number.is_none()
                    && wanted.text.len() > 1
                    && wanted.text != b"true"
                    && is_plain(&wanted.text) =>
            {
                Some(&wanted.text[..])
            }
            _ => None,
        };
        let lead = value.unwrap_or(key);
        Some(Self {
            key: Needle::exact(key),
            has_parts: key.len() < name.len(),
            escape: escape(key),
            is_ascii: key.is_ascii(),
            leads: vec![Needle::exact(lead), escape(lead)],
            leads_by_key: value.is_none(),
        })
    }

    /// Whether the field can be in `text` with a value that `passes`.
    fn is_in(&self, text: &[u8], passes: impl Fn(&[u8]) -> bool, budget: &mut Budget) -> bool {
        budget.spend(PLACE_COST_NS + text.len() / PLACE_BYTES_PER_NS);
        let mut from = 0;
        for _ in 0..FIELD_PLACES_MAX {
            let Some(found) = self.key.find(&text[from..]) else {
                return self.has_escape(text);
            };
            let place = from + found;
            from = place + self.key.len();
            let before = place.checked_sub(1).map(|before| text[before]);
            if before.is_some_and(|byte| self.is_within_key(byte)) {
                continue;
            }
            budget.spend(PLACE_COST_NS);
            // Objects and structured data give the last part of a name by itself, others do not.
            let is_part = self.has_parts && before != Some(b'.');
            match behind(text, from, is_part) {
                Behind::Nothing => {}
                Behind::Value(value) if !passes(value) => {}
                Behind::Value(_) | Behind::Unclear => return true,
            }
        }
        true
    }

    /// Whether a key that has `byte` before the place of the needle is another one.
    fn is_within_key(&self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'_' || (byte == b'.' && !self.has_parts)
    }

    /// Whether an escape in `text` can be a byte of the name.
    fn has_escape(&self, text: &[u8]) -> bool {
        let mut from = 0;
        while let Some(found) = self.escape.find(&text[from..]) {
            from += found + self.escape.len();
            if !self.is_ascii || matches!(text.get(from), Some(b'2'..=b'7')) {
                return true;
            }
        }
        false
    }
}

/// Estimated nanoseconds to look at a place, and how much text is searched in one.
const PLACE_COST_NS: usize = 15;
const PLACE_BYTES_PER_NS: usize = 8;

/// Values longer than this are not told at a glance.
const GLANCE_BYTES_MAX: usize = 256;

/// Whether `text` has only one spelling in JSON, but for `\u` escapes, and in structured data.
fn is_plain(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| *byte >= b' ' && !matches!(byte, b'"' | b'\\' | b'/' | b']' | 0x7f);
    !text.is_empty() && text.iter().all(is_plain)
}

/// What stands behind a key that ends before `end`; `is_part` says that the other parts of its name
/// do not stand before it.
fn behind(text: &[u8], end: usize, is_part: bool) -> Behind<'_> {
    let rest = &text[end..];
    match rest {
        [b'"', rest @ ..] => match rest.trim_ascii_start() {
            [b':', rest @ ..] => json_value(rest.trim_ascii_start()),
            _ => Behind::Nothing,
        },
        [b'=', b'"', rest @ ..] => string(rest),
        _ if is_part => Behind::Nothing,
        [b'=', rest @ ..] => {
            let piece = &rest[..rest.len().min(GLANCE_BYTES_MAX)];
            match piece.iter().position(u8::is_ascii_whitespace) {
                Some(bytes) => bare_value(&piece[..bytes]),
                None if piece.len() == rest.len() && piece.last().is_none_or(|end| *end > b' ') => {
                    bare_value(piece)
                }
                None => Behind::Unclear,
            }
        }
        // A bare word of logfmt.
        [] | [..=b' ', ..] => Behind::Value(b"true"),
        _ => Behind::Nothing,
    }
}

/// A value without quotes, whose end depends on whether it stands in prose.
fn bare_value(word: &[u8]) -> Behind<'_> {
    let value = fields::without_punctuation(word, false);
    match fields::without_punctuation(word, true) {
        prose if prose.len() == value.len() => Behind::Value(value),
        _ => Behind::Unclear,
    }
}

fn json_value(text: &[u8]) -> Behind<'_> {
    match text {
        [b'"', rest @ ..] => string(rest),
        [b'-' | b'0'..=b'9' | b'a'..=b'z', ..] => {
            let is_part =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
            let piece = &text[..text.len().min(GLANCE_BYTES_MAX)];
            let bytes = piece.iter().take_while(|byte| is_part(byte)).count();
            match text.get(bytes) {
                Some(b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n') => Behind::Value(&text[..bytes]),
                _ => Behind::Unclear,
            }
        }
        _ => Behind::Unclear,
    }
}

/// The text up to the closing quote.
fn string(text: &[u8]) -> Behind<'_> {
    let piece = &text[..text.len().min(GLANCE_BYTES_MAX)];
    match memchr::memchr2(b'"', b'\\', piece) {
        Some(bytes) if piece[bytes] == b'"' => Behind::Value(&piece[..bytes]),
        _ => Behind::Unclear,
    }
}
