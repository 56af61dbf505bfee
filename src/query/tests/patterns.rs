//! Regular expressions: what they match, and that none of them holds anyone up.

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::limits::QUERY_SLICE_NS;

fn is_match(pattern: &str, text: &[u8]) -> bool {
    let mut regex = Regex::new(pattern.as_bytes()).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    let whole = regex.step(text, &mut Budget::unbounded()).unwrap();
    let mut in_pieces = None;
    while in_pieces.is_none() {
        in_pieces = regex.step(text, &mut Budget::new(1));
    }
    assert_eq!(in_pieces, Some(whole), "{pattern} on {text:?} in pieces");
    whole
}

#[test]
fn patterns_match_as_they_say() {
    for (pattern, text, expected) in [
        ("abc", &b"xxabcxx"[..], true),
        ("abc", b"xxABCxx", false),
        ("(?i)abc", b"xxABCxx", true),
        ("(?i)ab(?-i)c", b"xxABCxx", false),
        (r"\Aabc\z", b"abc", true),
        (r"\Aabc\z", b"abcd", false),
        ("^b$", b"a\nb\nc", true),
        (r"\Ab\z", b"a\nb\nc", false),
        (".", b"\xff", true),
        (".", b"\n", false),
        (r"\w", "\u{e9}".as_bytes(), false),
        (r"(?u)\w", "\u{e9}".as_bytes(), true),
        ("(?i)\u{c9}", "\u{e9}".as_bytes(), true),
        (r"\xff\x00", b"a\xff\x00", true),
        (r"(?u)\bfoo\b", b"a foo b", true),
        (r"\bfoo\b", b"afoo b", false),
        ("", b"", true),
        ("$^", b"", true),
        (".*", b"", true),
        (".*foo.*", b"a foo b", true),
        ("a+b*", b"bbb", false),
        ("a{2,5}b", b"ab", false),
        ("x*$", b"abc", true),
        ("[^x]{0,900}q", b"xxxq", true),
        ("(a|b)*c|d", b"zzd", true),
        ("ERROR.*payment", b"ERROR: no payment", true),
        ("ERROR.*payment", b"payment ERROR", false),
        ("a\nb", b"a\nb", true),
    ] {
        assert_eq!(is_match(pattern, text), expected, "{pattern} on {text:?}");
    }
}

#[test]
fn patterns_over_a_bound_are_refused() {
    let cases: [(Vec<u8>, &str); 9] = [
        (vec![b'a'; 1025], "regex of 1025 bytes exceeds 1024 bytes"),
        (b"a\xff".to_vec(), "regex is not UTF-8 at byte 2"),
        ([vec![b'('; 51], vec![b')'; 51]].concat(), "regex: exceed the maximum number of nested"),
        (b"(?:a{1000}){1000}".to_vec(), "regex is too big"),
        (br"(?u)\w{100}".to_vec(), "regex is too big"),
        ([&b"(?u)"[..], &br"\w".repeat(200)].concat(), "regex is too big: its Unicode classes"),
        (br"(?iu)[[^a]b]".to_vec(), "regex is too big: its Unicode classes"),
        (br"(?iu)[\w]".repeat(9), "regex is too big: its Unicode classes"),
        (b"(?:[a-z]{1000}|[0-9]{1000}){9}".to_vec(), "regex is too big"),
    ];
    for (pattern, expected) in cases {
        let error = Regex::new(&pattern).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(Regex::new(&[b'a'; 1024]).is_ok());
    assert!(Regex::new(&[vec![b'('; 49], b"a".to_vec(), vec![b')'; 49]].concat()).is_ok());
}

/// Patterns that make other engines slow, and texts that bring it out in them.
const SLOW: &[&str] = &[
    r"\w{100}",
    r"(?:a?){100}a{100}",
    r"[^x]{0,900}q",
    r"[^x]{500,900}q",
    r"[^x]{900}q[^y]",
    r"q.{400}z",
    r"(?:q|[a-f]).{300}z",
    r"(?i)(?:[a-z]+\d*)*@",
    r"(a|b|ab)*c",
    r"(?:x+x+)+y",
    r"(?:.*){50}!",
    r"(?s).{0,1000}\x00",
    r"(?:\w+\s+){30}\d{20}",
    r"(?:a|e|i|o|u).{100}(?:x|y|z).{100}q",
    r"[a-q][^u-z]{13}x",
    r"(?:0|1){250}[01]?(?:0|1){250}",
    r"(?u)[\w ]{5,40}é",
    r"(?iu)[^a]{3}[\w-]{3}ß",
    r"(?iu)[[^a]b][[^c]d][[^e]f]z",
    r"(?iu)[\w-]{3}[\w.]{3}[\s\w]z",
    r"(?u)\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w\w",
    r"[a-q].{3000}z",
    r"([ab].){1,1000}[^z]{800}#",
];

#[test]
fn slow_patterns() {
    let mut random = 88_172_645_463_325_252_u64;
    let mut noise = Vec::new();
    while noise.len() < 32 << 10 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        noise.push(b"abcdefghijklmnop qrstuvwyz0123456789"[(random % 36) as usize]);
    }
    let texts = [noise, vec![b'a'; 32 << 10], b"01".repeat(16 << 10), b"q bcd 12\n".repeat(3640)];
    // The build of the tests is several times slower than that of a release.
    let slack = if cfg!(debug_assertions) { 10 } else { 1 };
    for pattern in SLOW {
        // Where the machine is busy with other things, the best of some runs is what counts.
        let mut best = (u64::MAX, u64::MAX);
        for _ in 0..20 {
            let (compile_us, step_us) = slowest(pattern, &texts);
            best = (best.0.min(compile_us), best.1.min(step_us));
            if best.0 < 2_000 * slack && best.1 < 1_000 * slack {
                break;
            }
        }
        assert!(best.0 < 2_000 * slack, "{pattern}: compiling takes {} us", best.0);
        assert!(best.1 < 1_000 * slack, "{pattern}: a step takes {} us", best.1);
    }
}

/// How long compiling `pattern`, and the slowest step of matching it, take, in microseconds.
fn slowest(pattern: &str, texts: &[Vec<u8>]) -> (u64, u64) {
    let clock = Clock::new();
    let begin = clock.mono();
    let compiled = Regex::new(pattern.as_bytes());
    let compile_us = (clock.mono() - begin) / 1000;
    let Ok(mut regex) = compiled else { return (compile_us, 0) };
    let mut worst_us = 0;
    for text in texts {
        let mut is_done = false;
        while !is_done {
            let begin = clock.mono();
            is_done = regex.step(text, &mut Budget::new(QUERY_SLICE_NS)).is_some();
            worst_us = worst_us.max((clock.mono() - begin) / 1000);
        }
    }
    assert!(regex.memory_bytes() < 1 << 20, "{pattern}: {} bytes", regex.memory_bytes());
    (compile_us, worst_us)
}

proptest! {
    /// The `regex` crate, asked about the same record, says the same.
    #[test]
    fn patterns_match_what_the_regex_crate_matches(
        begin in r"(\^|\\b|\\A)?([ab]|\(a\|bc?\)|\[ab\]|\.|\\w|\\s|\(\?i\)b)([*+?]|\{0,2\})?",
        end in r"([abc]{0,3}|\\n|.)([*+?]|\{1,3\})?(\(a\|b\)[*+]?)?(\$|\\z|\\b)?",
        text in "[abAB c\\n\\x00]{0,12}",
    ) {
        let pattern = begin + &end;
        let mut builder = ::regex::bytes::RegexBuilder::new(&pattern);
        let built = builder.unicode(false).multi_line(true).build();
        if let (Ok(expected), true) = (built, pattern.is_ascii()) {
            let text = text.as_bytes();
            prop_assert_eq!(is_match(&pattern, text), expected.is_match(text));
        }
    }
}
