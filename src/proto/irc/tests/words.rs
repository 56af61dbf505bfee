//! Names and masks.

use proptest::prelude::*;

use super::super::mask::{Parts, is_mask, matches, normalise, parts};
use super::super::names::*;

#[track_caller]
fn check(is: impl Fn(&[u8]) -> bool, yes: &[&str], no: &[&str]) {
    for name in yes {
        assert!(is(name.as_bytes()), "{name:?}");
    }
    for name in no {
        assert!(!is(name.as_bytes()), "{name:?}");
    }
}

/// RFC 2812 section 2.2, Modern "CASEMAPPING Parameter": `{}|^` are the lower case of `[]\~`.
#[test]
fn names_are_folded_as_rfc_1459_has_it() {
    assert_eq!(fold(b"AZaz[]\\~{}|^_-`09#\xc3\x89"), b"azaz{}|^{}|^_-`09#\xc3\x89");
    for (one, other, is_same) in [
        ("Dan", "dAN", true),
        ("a[b]c\\d~", "A{B}C|D^", true),
        ("a", "ab", false),
        ("", "", true),
        ("_", "-", false),
        ("@", "`", false),
        ("#\u{c9}", "#\u{e9}", false),
    ] {
        assert_eq!(same(one.as_bytes(), other.as_bytes()), is_same, "{one} {other}");
        assert_eq!(fold(one.as_bytes()) == fold(other.as_bytes()), is_same, "{one} {other}");
    }
}

/// RFC 2812 section 2.3.1, `nickname`.
#[test]
fn nicks_are_letters_digits_and_a_few_signs() {
    let (longest, too_long) = ("a".repeat(30), "a".repeat(31));
    check(
        is_nick,
        &["a", "Bob", "_bob-17", "[a]", "`a", "^a", "{|}", "\\o", "a-", &longest],
        &[
            "", "1a", "-a", "a b", "a!b", "a@b", "a.b", "a:b", ":a", "#a", "a~", "*", "a?", "a\0",
            "a\u{e9}", "a,b", "a+", "$a", "a\r", &too_long,
        ],
    );
}

/// RFC 2812 section 2.3.1, `channel`; Modern, "Channels".
#[test]
fn channels_begin_with_a_sign_and_hold_no_blanks() {
    let (longest, too_long) = (format!("#{}", "a".repeat(63)), format!("#{}", "a".repeat(64)));
    check(
        is_channel,
        &["#", "##", "#a", "#logs-error", "#logs-host-a.b", "#Gr\u{fc}\u{df}e", "#a@b*?", &longest],
        &[
            "",
            "a",
            "&a",
            "+a",
            "!a",
            "#a b",
            "#a,b",
            "#a:b",
            "#a\x07",
            "#a\0",
            "#a\r",
            "#a\x1f",
            "#a\x7f",
            "#a\u{85}",
            "#a\u{a0}b",
            "#a\u{3000}",
            "#a\u{feff}",
            &too_long,
        ],
    );
    assert!(!is_channel(b"#\xff") && !is_channel(b"#\xc3"));
}

/// RFC 2812 section 2.3.1, `key`.
#[test]
fn keys_are_visible_and_short() {
    let (longest, too_long) = ("k".repeat(23), "k".repeat(24));
    let bad = ["", "a b", "a,b", ":a", "a\x01", "a\t", "a\x7f", "\u{e9}", &too_long];
    check(is_key, &["a", "a:b", "*", "-", "+", "p@ss{w0rd}", &longest], &bad);
}

/// RFC 2812 section 2.3.1, `user`; Modern, "USER message".
#[test]
fn user_names_are_made_harmless() {
    let (longest, too_long) = ("u".repeat(18), "u".repeat(19));
    for (sent, expected) in [
        ("bob", "bob"),
        ("~b@o!b *", "bob"),
        ("\u{e9}t\u{e9}\x02", "t"),
        ("*", ""),
        ("", ""),
        (&too_long, &longest),
    ] {
        assert_eq!(user_name(sent.as_bytes()), expected.as_bytes(), "{sent:?}");
    }
}

/// RFC 2812 section 2.3.1, `servername`, `hostname`, `shortname`.
#[test]
fn a_server_name_is_a_host() {
    let longest = format!("{}.b", "a".repeat(61));
    let too_long = format!("{}.b", "a".repeat(62));
    check(
        is_server_name,
        &[
            "irc.example.com",
            "a.b",
            "IRC.x-y.z",
            "17.net",
            "xn--bcher-kva.ch",
            "10.0.0.1",
            "irc",
            "web-1",
            &longest,
        ],
        &[
            "", "LogBot", "logbot", ".", "a.", ".a", "a..b", "-a.b", "a-.b", "a.-b", "a.b-",
            "_a.b", "a b.c", "a.b!c", "a.b:1", "\u{e9}.a", &too_long,
        ],
    );
}

/// RFC 2812 section 2.5, Modern "Wildcard Expressions".
#[test]
fn masks_cover_what_they_say() {
    for (mask, yes, no) in [
        ("a?c", &["abc", "a?c", "a*c", "A\u{7f}C"] as &[&str], &["ac", "abbc", "abcd"] as &[&str]),
        ("a*c", &["ac", "abc", "abcbc", "a*c"], &["a", "acb", "bac"]),
        ("*", &["", "a", "*"], &[]),
        ("", &[""], &["a"]),
        ("?", &["a", "?"], &["", "ab"]),
        ("?*", &["a", "ab"], &[""]),
        ("**a**", &["a", "bab"], &["", "b"]),
        ("*@10.0.0.1", &["a!b@10.0.0.1"], &["a!b@10.0.0.11", "a!b@10x0x0.1x"]),
        ("bob!*@*", &["bob!a@b", "BOB!@"], &["bobby!a@b", "xbob!a@b"]),
        ("b[o]b!*@*", &["b[o]b!a@b", "B{O}B!a@b"], &["bob!a@b", "b!a@b"]),
        ("*a*a*b", &["aab", "xaxaxb", "aaab"], &["ab", "aba", "aa"]),
        ("*abab", &["ababab", "abaabab"], &["ababa"]),
        ("a\\*c", &["a*c"], &["abc", "a\\*c", "ac"]),
        ("a\\?", &["a?"], &["ab", "a\\?"]),
        ("a\\b", &["a\\b", "a|b", "A\\B"], &["ab"]),
        ("a\\", &["a\\", "a|"], &["a"]),
        ("a\\\\*", &["a\\*", "a|*"], &["a\\", "a\\b"]),
        ("~*", &["~a", "^a"], &["a"]),
    ] {
        check(|text| matches(mask.as_bytes(), text), yes, no);
    }
}

/// The plainest matcher there is, without escapes.
fn matches_naive(mask: &[u8], text: &[u8]) -> bool {
    match (mask, text) {
        ([], []) => true,
        ([b'*', mask_rest @ ..], _) => {
            (0..=text.len()).any(|at| matches_naive(mask_rest, &text[at..]))
        }
        ([b'?', mask_rest @ ..], [_, text_rest @ ..]) => matches_naive(mask_rest, text_rest),
        ([byte, mask_rest @ ..], [other, text_rest @ ..]) if byte == other => {
            matches_naive(mask_rest, text_rest)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn masks_cover_what_the_plainest_matcher_says(mask in "[ab*?]{0,9}", text in "[ab]{0,12}") {
        let (mask, text) = (mask.as_bytes(), text.as_bytes());
        prop_assert_eq!(matches(mask, text), matches_naive(mask, text));
    }
}

/// A matcher that tries all would not end.
#[test]
fn a_mask_of_many_stars_ends() {
    let (mask, text) = ("*a".repeat(80), "a".repeat(159));
    assert!(matches(mask.as_bytes(), text.as_bytes()));
    let mask = mask + "b";
    assert!(!matches(mask.as_bytes(), "a".repeat(100_000).as_bytes()));
}

/// Modern, "Source".
#[test]
fn sources_are_taken_apart() {
    for (source, nick, user, host) in [
        ("bob!b@10.0.0.1", "bob", "b", "10.0.0.1"),
        ("bob!~b@a", "bob", "~b", "a"),
        ("bob@a", "bob", "", "a"),
        ("bob!b", "bob", "b", ""),
        ("bob", "bob", "", ""),
        ("irc.a.b", "irc.a.b", "", ""),
        ("a!b!c@d@e", "a", "b!c@d", "e"),
        ("a@b!c", "a", "", "b!c"),
        ("a!b@n\x035w\x02.c", "a", "b", "n\x035w\x02.c"),
        ("!@", "", "", ""),
        ("", "", "", ""),
    ] {
        let (nick, user, host) = (nick.as_bytes(), user.as_bytes(), host.as_bytes());
        assert_eq!(parts(source.as_bytes()), Parts { nick, user, host }, "{source}");
    }
}

#[test]
fn masks_are_written_in_one_form() {
    for (mask, expected) in [
        ("bob", "bob!*@*"),
        ("bob!b", "bob!b@*"),
        ("b@a", "*!b@a"),
        ("@a", "*!*@a"),
        ("bob!", "bob!*@*"),
        ("bob!@a", "bob!*@a"),
        ("bob!b@a", "bob!b@a"),
        ("!b@", "*!b@*"),
        ("*", "*!*@*"),
        ("", "*!*@*"),
        ("*.example.com", "*!*@*.example.com"),
        ("10.0.0.*", "*!*@10.0.0.*"),
        ("2001:db8::*", "*!*@2001:db8::*"),
        ("***!**@a**b*", "*!*@a*b*"),
        ("a\\**", "a\\**!*@*"),
        ("a b\x03\r\n", "ab!*@*"),
        ("a?*?*", "a?*?*!*@*"),
    ] {
        assert_eq!(normalise(mask.as_bytes()).escape_ascii().to_string(), {
            expected.as_bytes().escape_ascii().to_string()
        });
        assert_eq!(normalise(expected.as_bytes()), expected.as_bytes(), "{expected}");
    }
    let longest = "m".repeat(160);
    check(is_mask, &["a!*@*", &longest], &["", ":a!*@*", &"m".repeat(161)]);
}
