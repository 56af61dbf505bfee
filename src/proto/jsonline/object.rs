//! One JSON object, read as it arrives: RFC 8259, checked whole, its members told as they end.
//!
//! ```text
//! {"time":"2026-11-20T18:23:44Z","user":{"name":"bob"}}
//!  ^^^^^^ ^^^^^^^^^^^^^^^^^^^^^^  ^^^^^^ ^^^^^^^^^^^^^^   two members; who wants those of `user`
//!                                                        walks that value in turn
//! ```
//!
//! A walk can stop behind any byte and go on when there are more, so that no byte is looked at
//! twice. Strings may hold bytes that are no UTF-8: such a line is kept as it is.

use std::ops::Range;

use crate::limits::JSON_DEPTH_MAX;

// A level of nesting is a bit of `kinds`.
const _: () = assert!(JSON_DEPTH_MAX == u128::BITS as usize);

/// A walk over the object with which a text begins.
#[derive(Clone, Debug, Default)]
pub(in crate::proto) struct Walker {
    /// How many bytes of the text have been read.
    at: usize,
    state: State,
    /// Objects and arrays that are open.
    depth: usize,
    /// Whether each of them is an object; the innermost has the lowest bit.
    kinds: u128,
    /// The key that was read last on the first level, without its quotes.
    key: Range<usize>,
    /// Whether it is written with a backslash.
    is_key_escaped: bool,
    /// Where the value behind it begins.
    value: usize,
    /// The first line end between two tokens.
    newline: Option<usize>,
    /// Whether such a line end is an error.
    is_one_line: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    FirstKey,
    Key,
    InKey,
    Colon,
    Value,
    FirstElement,
    InString,
    InNumber(Digits),
    Behind,
}

/// What was read last of a number: RFC 8259, section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

/// How far a walk has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) enum Walk {
    /// All of the text is read, and the object goes on.
    NeedMore,
    /// A member of the object has ended.
    Member(Member),
    /// The object has ended before this place.
    Done(usize),
    /// It is no JSON from here on.
    Broken(Broken),
}

/// A member, as places in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Member {
    /// The key without its quotes.
    pub key: Range<usize>,
    /// Whether the key is written with a backslash.
    pub is_key_escaped: bool,
    /// The value, with its quotes or brackets.
    pub value: Range<usize>,
}

/// Where an object is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Broken {
    /// The place of the byte that cannot stand there.
    pub at: usize,
    /// What should.
    pub expected: &'static str,
}

impl Walker {
    /// At the beginning of an object, which may have to end in its line.
    #[inline]
    pub fn new(is_one_line: bool) -> Self {
        Self { is_one_line, ..Self::default() }
    }

    /// How many bytes of the text have been read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The first line end between two tokens.
    pub fn newline(&self) -> Option<usize> {
        self.newline
    }

    /// Goes on to the end of the next member. `text` begins where it began before.
    #[inline]
    pub fn walk(&mut self, text: &[u8]) -> Walk {
        loop {
            let Some(&byte) = text.get(self.at) else { return Walk::NeedMore };
            match self.state {
                State::InKey => {
                    if let Some(stop) = self.string(text) {
                        return stop;
                    }
                    if self.depth == 1 {
                        self.key.end = self.at - 1;
                    }
                    self.state = State::Colon;
                    // Nearly always there is no blank between.
                    if text.get(self.at) == Some(&b':') {
                        (self.at, self.state) = (self.at + 1, State::Value);
                    }
                }
                State::InString => {
                    if let Some(stop) = self.string(text) {
                        return stop;
                    }
                    if let Some(member) = self.end_value() {
                        return member;
                    }
                }
                State::InNumber(digits) => {
                    if let Some(stop) = self.number(text, digits) {
                        return stop;
                    }
                    if let Some(member) = self.end_value() {
                        return member;
                    }
                }
                _ if byte <= b' ' => match byte {
                    b' ' | b'\t' => self.at += 1,
                    b'\n' | b'\r' if self.is_one_line => {
                        return self.broken("the rest of the object on one line");
                    }
                    b'\n' | b'\r' => {
                        self.newline = self.newline.or(Some(self.at));
                        self.at += 1;
                    }
                    _ => return self.broken("a blank or what follows"),
                },
                _ => {
                    if let Some(stop) = self.token(text, byte) {
                        return stop;
                    }
                }
            }
        }
    }

    /// Reads one byte of punctuation, a word, or the first byte of what is longer.
    #[inline]
    fn token(&mut self, text: &[u8], byte: u8) -> Option<Walk> {
        match (self.state, byte) {
            (State::FirstKey | State::Key, b'"') => {
                self.begin_key();
                None
            }
            (State::Colon, b':') => {
                (self.at, self.state) = (self.at + 1, State::Value);
                None
            }
            (State::Behind, b',') => {
                let is_object = self.kinds & 1 == 1;
                self.state = if is_object { State::Key } else { State::Value };
                self.at += 1;
                if is_object && text.get(self.at) == Some(&b'"') {
                    self.begin_key();
                }
                None
            }
            (State::Behind | State::FirstKey, b'}') if self.kinds & 1 == 1 => self.close(),
            (State::Behind | State::FirstElement, b']') if self.kinds & 1 == 0 => self.close(),
            (State::Open, b'{') => self.open(State::FirstKey),
            (State::Value | State::FirstElement, _) => self.value(text, byte),
            (State::Open, _) => Some(self.broken("an object")),
            (State::Key, _) => Some(self.broken("a key in quotes")),
            (State::FirstKey, _) => Some(self.broken("a key in quotes, or `}`")),
            (State::Colon, _) => Some(self.broken("`:`")),
            _ if self.kinds & 1 == 1 => Some(self.broken("`,` or `}`")),
            _ => Some(self.broken("`,` or `]`")),
        }
    }

    /// Begins a key, whose quote stands here.
    #[inline]
    fn begin_key(&mut self) {
        self.at += 1;
        self.state = State::InKey;
        if self.depth == 1 {
            self.key.start = self.at;
            self.is_key_escaped = false;
        }
    }

    /// Reads on in a number, of which `digits` was read last; `Some` where its end is not in sight,
    /// or it is none.
    #[inline]
    fn number(&mut self, text: &[u8], mut digits: Digits) -> Option<Walk> {
        while let Some(&byte) = text.get(self.at) {
            match digits.followed_by(byte) {
                Some(next) => digits = next,
                None if digits.may_end() => return None,
                None => return Some(self.broken("a digit")),
            }
            self.at += 1;
        }
        self.state = State::InNumber(digits);
        Some(Walk::NeedMore)
    }

    /// Begins a value.
    #[inline]
    fn value(&mut self, text: &[u8], byte: u8) -> Option<Walk> {
        if self.depth == 1 {
            self.value = self.at;
        }
        let word: &[u8] = match byte {
            b'"' => {
                (self.at, self.state) = (self.at + 1, State::InString);
                return None;
            }
            b'{' => return self.open(State::FirstKey),
            b'[' => return self.open(State::FirstElement),
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => {
                let Some(digits) = Digits::first(byte) else {
                    return Some(self.broken("a value"));
                };
                (self.at, self.state) = (self.at + 1, State::InNumber(digits));
                return None;
            }
        };
        let rest = &text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return self.end_value();
        }
        // A word that is cut waits for its rest.
        Some(if word.starts_with(rest) { Walk::NeedMore } else { self.broken("a value") })
    }

    #[inline]
    fn open(&mut self, state: State) -> Option<Walk> {
        if self.depth == JSON_DEPTH_MAX {
            return Some(self.broken("at most 128 levels of nesting"));
        }
        self.depth += 1;
        self.kinds = self.kinds << 1 | u128::from(state == State::FirstKey);
        (self.at, self.state) = (self.at + 1, state);
        None
    }

    #[inline]
    fn close(&mut self) -> Option<Walk> {
        self.depth -= 1;
        self.kinds >>= 1;
        self.at += 1;
        match self.depth {
            0 => Some(Walk::Done(self.at)),
            _ => self.end_value(),
        }
    }

    /// A value has ended; on the first level that is a member.
    #[inline]
    fn end_value(&mut self) -> Option<Walk> {
        self.state = State::Behind;
        (self.depth == 1).then(|| {
            Walk::Member(Member {
                key: self.key.clone(),
                is_key_escaped: self.is_key_escaped,
                value: self.value..self.at,
            })
        })
    }

    /// Reads on in a string, up to behind its closing quote; `Some` where that is not in sight.
    #[inline]
    fn string(&mut self, text: &[u8]) -> Option<Walk> {
        loop {
            self.at = plain_end(text, self.at);
            match text.get(self.at..) {
                Some([b'"', ..]) => {
                    self.at += 1;
                    return None;
                }
                Some([b'\\', rest @ ..]) => {
                    if let Some(stop) = self.escape(rest) {
                        return Some(stop);
                    }
                }
                None | Some([]) => return Some(Walk::NeedMore),
                Some(_) => return Some(self.broken("no control character in a string")),
            }
        }
    }

    /// Reads an escape, of which `rest` is behind the backslash: RFC 8259, section 7.
    fn escape(&mut self, rest: &[u8]) -> Option<Walk> {
        if self.state == State::InKey && self.depth == 1 {
            self.is_key_escaped = true;
        }
        let digits = match rest {
            [] => return Some(Walk::NeedMore),
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => {
                self.at += 2;
                return None;
            }
            [b'u', digits @ ..] => &digits[..digits.len().min(4)],
            _ => {
                self.at += 1;
                return Some(self.broken("one of `\"\\/bfnrtu` behind a backslash"));
            }
        };
        if let Some(other) = digits.iter().position(|byte| !byte.is_ascii_hexdigit()) {
            self.at += 2 + other;
            return Some(self.broken("four hexadecimal digits"));
        }
        if digits.len() < 4 {
            return Some(Walk::NeedMore);
        }
        self.at += 6;
        None
    }

    #[cold]
    fn broken(&self, expected: &'static str) -> Walk {
        Walk::Broken(Broken { at: self.at, expected })
    }
}

impl Digits {
    /// What a number may begin with.
    #[inline]
    fn first(byte: u8) -> Option<Self> {
        match byte {
            b'1'..=b'9' => Some(Self::Whole),
            b'0' => Some(Self::Zero),
            b'-' => Some(Self::Minus),
            _ => None,
        }
    }

    /// What is read with `byte`; `None` where the number does not go on so.
    #[inline]
    fn followed_by(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Whole, b'0'..=b'9') => Some(Self::Whole),
            (Self::Minus, _) => Self::first(byte).filter(|digits| *digits != Self::Minus),
            (Self::Zero | Self::Whole, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::Sign),
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }

    #[inline]
    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }
}

/// The first place from `at` on where a quote, a backslash or a control character stands; the
/// text's end where none does.
#[inline]
fn plain_end(text: &[u8], mut at: usize) -> usize {
    while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let found = special(u64::from_le_bytes(*eight));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// The high bit of the first of eight bytes that is a quote, a backslash or a control character,
/// and maybe of some behind it.
#[inline]
fn special(bytes: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let quotes = bytes ^ (ONES * b'"' as u64);
    let slashes = bytes ^ (ONES * b'\\' as u64);
    let found = quotes.wrapping_sub(ONES) & !quotes
        | slashes.wrapping_sub(ONES) & !slashes
        | bytes.wrapping_sub(ONES * 0x20) & !bytes;
    found & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What all of `text` is, however it comes: its members and its end, or where it breaks.
    fn walk(text: &[u8], pieces: &[usize]) -> (Vec<Member>, Walk) {
        let (mut walker, mut members) = (Walker::default(), Vec::new());
        for end in pieces.iter().copied().chain([text.len()]) {
            loop {
                match walker.walk(&text[..end]) {
                    Walk::Member(member) => members.push(member),
                    Walk::NeedMore => break,
                    end => return (members, end),
                }
            }
        }
        (members, Walk::NeedMore)
    }

    #[track_caller]
    fn check(text: &[u8]) -> (Vec<Member>, Walk) {
        let whole = walk(text, &[]);
        let bytes: Vec<usize> = (0..text.len()).collect();
        assert_eq!(whole, walk(text, &bytes), "byte by byte: {}", text.escape_ascii());
        for cut in 0..text.len() {
            assert_eq!(whole, walk(text, &[cut]), "cut at {cut}: {}", text.escape_ascii());
        }
        // Another reader of JSON says the same.
        let mut values =
            serde_json::Deserializer::from_slice(text).into_iter::<serde::de::IgnoredAny>();
        let is_value = matches!(values.next(), Some(Ok(_)));
        let is_object = is_value && text.trim_ascii_start().starts_with(b"{");
        match whole.1 {
            Walk::Done(end) => {
                assert!(is_object, "{}", text.escape_ascii());
                assert_eq!(end, values.byte_offset());
            }
            _ => assert!(!is_object, "{}", text.escape_ascii()),
        }
        whole
    }

    #[test]
    fn members_of_the_first_level_are_told() {
        let text = br#" {"a":1 , "b\u0041":{"c":[1,{"d":2}]},"e" :"x\"y", "f":[], "g":-0.5e+3} x"#;
        let (members, end) = check(text);
        let told: Vec<(&[u8], &[u8])> = members
            .iter()
            .map(|member| (&text[member.key.clone()], &text[member.value.clone()]))
            .collect();
        let expected: [(&[u8], &[u8]); 5] = [
            (b"a", b"1"),
            (br"b\u0041", br#"{"c":[1,{"d":2}]}"#),
            (b"e", br#""x\"y""#),
            (b"f", b"[]"),
            (b"g", b"-0.5e+3"),
        ];
        assert_eq!(told, expected);
        assert!(members[1].is_key_escaped && !members[2].is_key_escaped);
        assert_eq!(end, Walk::Done(text.len() - 2));
    }

    #[test]
    fn what_is_an_object_and_what_is_none() {
        for text in [
            "{}",
            "{ }",
            "{\n}",
            r#"{"":""}"#,
            r#"{"a":0}"#,
            r#"{"a":-0}"#,
            r#"{"a":1E9}"#,
            r#"{"a":[[],{},[{}]]}"#,
            r#"{"a":"\u00e9\ud800"}"#,
            r#"{"a":true,"b":null}"#,
        ] {
            assert_eq!(check(text.as_bytes()).1, Walk::Done(text.len()), "{text}");
        }
        check(b"{\"a\":\"\xff\"}");
        for text in [
            "",
            "{",
            "x",
            "[1]",
            "{a}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":01}"#,
            r#"{"a":+1}"#,
            r#"{"a":1.}"#,
            r#"{"a":.5}"#,
            r#"{"a":1e}"#,
            r#"{"a":-}"#,
            r#"{"a":tru}"#,
            r#"{"a":truex}"#,
            r#"{"a":nul"#,
            r#"{"a":"x}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            "{\"a\":\"\n\"}",
            "{\"a\":\"\t\"}",
            "{\u{b}}",
            r#"{"a":[1,]}"#,
            r#"{"a":[1}"#,
            r#"{"a":{]}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":1]"#,
            r#"{'a':1}"#,
            r#"{"a":"\u12"#,
            r#"{"a":NaN}"#,
            "\u{feff}{}",
            "{}}",
        ] {
            let end = check(text.as_bytes()).1;
            assert!(text == "{}}" || !matches!(end, Walk::Done(_)), "{text}");
        }
    }

    #[test]
    fn nesting_beyond_the_bound_is_no_json() {
        let nested = |depth: usize| {
            format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth)).into_bytes()
        };
        let whole = nested(JSON_DEPTH_MAX);
        assert_eq!(walk(&whole, &[]).1, Walk::Done(whole.len()));
        assert!(matches!(walk(&nested(JSON_DEPTH_MAX + 1), &[]).1, Walk::Broken(_)));
    }

    #[test]
    fn a_special_byte_is_found_wherever_it_stands() {
        for byte in 0..=255_u8 {
            let is_special = matches!(byte, b'"' | b'\\' | 0..0x20);
            for at in 0..20 {
                for fill in [b'x', 0x7f, 0x80, 0xff, b'!', b'#', b' '] {
                    let mut text = [fill; 20];
                    text[at] = byte;
                    assert_eq!(plain_end(&text, 0), if is_special { at } else { 20 }, "{text:?}");
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn walks_agree_with_serde_json(text in "[ \\n{}\\[\\]\":,a-b01.eE+\\-tfn\\\\u]{0,24}") {
            check(text.as_bytes());
            check(format!("{{\"a\":{text}").as_bytes());
            check(format!("{{\"a\":{text}}}").as_bytes());
        }
    }
}
