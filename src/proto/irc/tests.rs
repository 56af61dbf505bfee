//! Lines and messages; beside it, what is in them and what is written.

mod outgoing;
mod words;

use super::fuzz::lines_of;
use super::*;
use crate::proto::testing::every_split;

/// Splits `input` however it comes; a line too long is `!`.
#[track_caller]
fn check_lines(input: &[u8], expected: &[&str]) {
    let lines = every_split(input, lines_of);
    let shown = |line: Option<Vec<u8>>| match line {
        Some(line) => line.escape_ascii().to_string(),
        None => "!".to_owned(),
    };
    let lines: Vec<String> = lines.into_iter().map(shown).collect();
    assert_eq!(lines, expected, "{}", input.escape_ascii());
}

/// Modern, "Message Format": CR LF ends a message, an empty one is ignored; RFC 1459 section 8.2
/// asks servers to take either sign alone.
#[test]
fn cr_lf_or_both_end_a_line_and_empty_ones_are_none() {
    for (input, expected) in [
        (b"a\r\nb\nc\rd\n".as_slice(), &["a", "b", "c", "d"] as &[&str]),
        (b"\r\n\r\n\n\ra\r\n\r\n\n", &["a"]),
        (b"a\n\rb\r\r\n", &["a", "b"]),
        (b" \r\n a\r\n", &[" ", " a"]),
        (b"a\0b\xff\r\n", &["a\\x00b\\xff"]),
        (b"a\r\nunended", &["a"]),
        (b"@a=b\r\n@\n@ \n@a b\n", &["@a=b", "@", "@ ", "@a b"]),
        (b"", &[]),
    ] {
        check_lines(input, expected);
    }
}

/// RFC 2812 section 2.3: 512 bytes with CR LF, so 510 without.
#[test]
fn a_line_too_long_is_told_once_and_skipped() {
    let line = |bytes: usize| "x".repeat(bytes);
    for end in ["\r\n", "\n", "\r"] {
        let input = format!("{}{end}next{end}", line(510));
        check_lines(input.as_bytes(), &[&line(510), "next"]);
        let input = format!("{}{end}next{end}", line(511));
        check_lines(input.as_bytes(), &["!", "next"]);
    }
    let input = format!("{}\r\nnext\r\n{}\n\n{}", line(2000), line(700), line(900));
    check_lines(input.as_bytes(), &["!", "next", "!", "!"]);
    let mut splitter = Splitter::new();
    assert_eq!(splitter.step(line(511).as_bytes()), (510, LineStep::TooLong));
    assert_eq!(splitter.step(b"x"), (1, LineStep::NeedMore));
    assert_eq!(splitter.step(b"x\nab"), (2, LineStep::NeedMore));
    assert_eq!(splitter.step(b"ab\n"), (3, LineStep::Line(b"ab")));
}

/// IRCv3 message-tags, "Size limit": 4094 bytes of tags, `@` and the space; then 512 more.
#[test]
fn tags_have_a_bound_of_their_own() {
    let line = |tags: usize, body: usize| {
        let (tags, body) = ("a".repeat(tags), "b".repeat(body));
        format!("@{tags} {body}")
    };
    let lines = |input: &str| lines_of(&[input.as_bytes()]);
    let whole = |line: String| Some(line.into_bytes());
    let next = || whole("next".to_owned());
    for (tags, body, fits) in
        [(4094, 510, true), (4095, 1, false), (4094, 511, false), (1, 510, true), (1, 511, false)]
    {
        let input = format!("{}\r\nnext\r\n", line(tags, body));
        let first = whole(line(tags, body)).filter(|_| fits);
        assert_eq!(lines(&input), [first, next()], "{tags} {body}");
        let pieces: Vec<&[u8]> = input.as_bytes().chunks(7).collect();
        assert_eq!(lines_of(&pieces), lines(&input), "{tags} {body}");
    }
    let unended = format!("@{}\r\nnext\r\n", "a".repeat(4095));
    assert_eq!(lines(&unended), [None, next()]);
    let bare = format!("@{}", "a".repeat(4094));
    assert_eq!(lines(&format!("{bare}\nnext\n")), [whole(bare), next()]);
    check_lines(format!("@a {}\nnext\n", "b".repeat(511)).as_bytes(), &["!", "next"]);
}

#[test]
fn a_line_without_an_end_is_not_kept() {
    let mut splitter = Splitter::new();
    let endless = vec![b'x'; 100_000];
    assert_eq!(splitter.step(&endless), (510, LineStep::TooLong));
    for _ in 0..3 {
        assert_eq!(splitter.step(&endless), (100_000, LineStep::NeedMore));
    }
    assert_eq!(splitter.step(b"\r\na\r\n"), (4, LineStep::Line(b"a")));
}

#[test]
fn what_was_searched_is_not_searched_again() {
    let mut splitter = Splitter::new();
    assert_eq!(splitter.step(b"@abc"), (0, LineStep::NeedMore));
    assert_eq!((splitter.searched, splitter.body), (4, 0));
    assert_eq!(splitter.step(b"@abc def"), (0, LineStep::NeedMore));
    assert_eq!((splitter.searched, splitter.body), (8, 5));
    // A caller that came back with fewer bytes would be told at most a wrong split.
    assert_eq!(splitter.step(b"@a"), (0, LineStep::NeedMore));
    assert_eq!(splitter.step(b"@abc def\n"), (9, LineStep::Line(b"@abc def")));
    assert_eq!(size_of::<Splitter>(), 6, "a connection pays so much");
}

/// A message as text: `tags|source|command|param|param`, `-` for no source.
fn shown(line: &[u8]) -> String {
    let message = match Message::parse(line) {
        Ok(message) => message,
        Err(error) => return error.to_string(),
    };
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let source = message.source().map_or("-".to_owned(), text);
    let mut shown = [text(message.tags()), source, text(message.command())].join("|");
    for param in message.params() {
        shown = shown + "|" + &text(param);
    }
    shown
}

/// RFC 1459 section 2.3.1, RFC 2812 section 2.3.1, Modern "Message Format" and "Parameters".
#[test]
fn messages_are_taken_apart() {
    for (line, expected) in [
        ("PING", "|-|PING"),
        ("ping a b c", "|-|ping|a|b|c"),
        ("PRIVMSG #a :b c", "|-|PRIVMSG|#a|b c"),
        ("JOIN :", "|-|JOIN|"),
        ("JOIN : ", "|-|JOIN| "),
        ("JOIN ", "|-|JOIN"),
        ("TOPIC #a ::-)", "|-|TOPIC|#a|:-)"),
        ("TOPIC #a :x :y ", "|-|TOPIC|#a|x :y "),
        ("TOPIC #a x:y", "|-|TOPIC|#a|x:y"),
        ("MODE  #a   +o  b  ", "|-|MODE|#a|+o|b"),
        ("MODE #a +oo b :c", "|-|MODE|#a|+oo|b|c"),
        ("  NICK   a", "|-|NICK|a"),
        (":a!b@c NICK :d", "|a!b@c|NICK|d"),
        (":a   AWAY ", "|a|AWAY"),
        (": NICK a", "||NICK|a"),
        (":a\tb NICK c\td", "|a\\tb|NICK|c\\td"),
        (":irc.example.com 001 a :b", "|irc.example.com|001|a|b"),
        ("@id=7;rose NICK a", "id=7;rose|-|NICK|a"),
        ("@+a=b;c   :d NICK e", "+a=b;c|d|NICK|e"),
        ("@ NICK a", "|-|NICK|a"),
        (" @a NICK b", "|-|@a|NICK|b"),
        ("USER a 0 * :caf\u{e9}", "|-|USER|a|0|*|caf\\xc3\\xa9"),
        // Fourteen parameters, then all the rest.
        ("X 1 2 3 4 5 6 7 8 9 10 11 12 13 14", "|-|X|1|2|3|4|5|6|7|8|9|10|11|12|13|14"),
        (
            "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15  16 :17 ",
            "|-|X|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15  16 :17 ",
        ),
        (
            "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 :15 16",
            "|-|X|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15 16",
        ),
        (
            "X 1 2 3 4 5 6 7 8 9 10 11 12 13 :14 15 16",
            "|-|X|1|2|3|4|5|6|7|8|9|10|11|12|13|14 15 16",
        ),
        ("", "message without a command"),
        ("   ", "message without a command"),
        (":", "message without a command"),
        (":a", "message without a command"),
        ("@a=b", "message without a command"),
        ("@a=b :c ", "message without a command"),
        ("PING a\0b", "message holds byte 0x00 (not allowed: NUL, CR, LF)"),
        ("PING a\nb", "message holds byte 0x0a (not allowed: NUL, CR, LF)"),
    ] {
        assert_eq!(shown(line.as_bytes()), expected, "{line:?}");
    }
}

#[test]
fn a_parameter_that_is_not_there_is_none() {
    let message = Message::parse(b"JOIN :").unwrap();
    assert_eq!((message.param(0), message.param(1)), (Some(b"".as_slice()), None));
    assert_eq!((message.param(15), message.param(usize::MAX)), (None, None));
}

/// IRCv3 message-tags, "Format" and "Escaping values".
#[test]
fn values_of_tags_are_unescaped_and_the_last_counts() {
    for (tags, name, expected) in [
        ("a=b;c=32;d", "a", Some("b")),
        ("a=b;c=32;d", "d", Some("")),
        ("a=b;c=32;d", "e", None),
        ("a=b;;=x", "", Some("x")),
        ("a=", "a", Some("")),
        ("a=b=c", "a", Some("b=c")),
        ("a=1;b=2;a=3", "a", Some("3")),
        ("a=1;b/a=2;+a=3", "a", Some("1")),
        ("a=1;b/a=2;+a=3", "b/a", Some("2")),
        ("a=1;b/a=2;+a=3", "+a", Some("3")),
        ("a=1", "A", None),
        (r"a=b\\c\nd\:e\sf\rg", "a", Some("b\\c\nd;e f\rg")),
        (r"a=\\n\\\\s", "a", Some("\\n\\\\s")),
        (r"a=\b\1", "a", Some("b1")),
        (r"a=b\", "a", Some("b")),
        (r"a=\", "a", Some("")),
        ("a=\u{e9}", "a", Some("\u{e9}")),
    ] {
        let line = format!("@{tags} X");
        let message = Message::parse(line.as_bytes()).unwrap();
        let value = message.tag(name).map(|value| String::from_utf8(value.into_owned()).unwrap());
        assert_eq!(value.as_deref(), expected, "{tags} {name}");
    }
    assert_eq!(Message::parse(b"X").unwrap().tag("a"), None);
}

/// IRCv3 message-tags, "Client-only tags": what a server passes on, as it came.
#[test]
fn client_only_tags_are_those_with_a_plus_and_a_name() {
    for (tags, expected) in [
        ("+a=b;c=d;+e", "+a=b +e"),
        (r"+a=\:x\;+draft/reply=17", r"+a=\:x\ +draft/reply=17"),
        ("+example.com/a-b=c", "+example.com/a-b=c"),
        ("+;+=a;++a;+a_b;+/a;+a/;+a/b/c;+\u{e9}", ""),
        ("a;;", ""),
    ] {
        let line = format!("@{tags} X");
        let message = Message::parse(line.as_bytes()).unwrap();
        let found: Vec<_> = message.client_tags().map(|tag| str::from_utf8(tag).unwrap()).collect();
        assert_eq!(found.join(" "), expected, "{tags}");
    }
    let message = Message::parse(b"@+a=\xff;+b=\xc3\xa9 X").unwrap();
    assert_eq!(message.client_tags().collect::<Vec<_>>(), [b"+b=\xc3\xa9"]);
}

/// What irssi sends, line by line (a capture of 1.4.3).
#[test]
fn what_irssi_sends_is_read_however_it_comes() {
    let input = b"CAP LS 302\r\nJOIN :\r\nCAP REQ :multi-prefix server-time\r\nCAP END\r\n\
        NICK edgeuser\r\nUSER irssi irssi logcaster :irssi test\r\nMODE edgeuser +i\r\n\
        PRIVMSG #logs-error :!query count\r\nQUIT :bye\r\n";
    let messages = every_split(input, |pieces| {
        let lines = lines_of(pieces).into_iter().flatten();
        lines.map(|line| shown(&line)).collect::<Vec<_>>()
    });
    let expected = [
        "|-|CAP|LS|302",
        "|-|JOIN|",
        "|-|CAP|REQ|multi-prefix server-time",
        "|-|CAP|END",
        "|-|NICK|edgeuser",
        "|-|USER|irssi|irssi|logcaster|irssi test",
        "|-|MODE|edgeuser|+i",
        "|-|PRIVMSG|#logs-error|!query count",
        "|-|QUIT|bye",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn lines_of_all_kinds_are_read_and_written_again() {
    fuzz_irc_message(b"\x02@+a=b\\s;c :d!e@f MODE #g +b-o h :i j\r\n\0\r\nCAP REQ :-sasl batch\n");
    fuzz_irc_message(b"\x00");
    fuzz_irc_message(b"");
}
