//! Lines and tags that are written, and MODE and CAP among them.

use super::super::caps::{self, Cap, CapSet};
use super::super::modes::{Change, Changes, Kind, Letters, Made};
use super::super::numeric::*;
use super::super::outgoing::{Outgoing, Tags, cut_at_character, escape_tag_value};
use super::*;
use crate::limits::{IRC_MODE_CHANGES_MAX, IRC_TAG_BYTES_MAX};

/// What `write` writes, without CR LF.
#[track_caller]
fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"before\r\n".to_vec();
    write(&mut out);
    let text = String::from_utf8(out).unwrap();
    let text = text.strip_prefix("before\r\n").expect("what stood before stays");
    text.strip_suffix("\r\n").expect("a line's end").to_owned()
}

/// Modern, "Parameters": empty ones, those with spaces and those that begin with `:` come last.
#[test]
fn lines_are_built_of_their_parts() {
    let line = written(|out| Outgoing::begin(out, b"", "PING").trailing(b"x").end());
    assert_eq!(line, "PING :x");
    let line = written(|out| Outgoing::begin(out, b"a!b@c", "QUIT").end());
    assert_eq!(line, ":a!b@c QUIT");
    let line = written(|out| {
        let line = Outgoing::begin(out, b"a!b@c", "PRIVMSG").param(b"#d");
        line.trailing(b" :e  f ").end();
    });
    assert_eq!(line, ":a!b@c PRIVMSG #d : :e  f ");
    let line = written(|out| Outgoing::begin(out, b"a", "TOPIC").param(b"#d").trailing(b"").end());
    assert_eq!(line, ":a TOPIC #d :");
}

/// Modern, "Numeric Replies": three digits, and the client first.
#[test]
fn numerics_name_their_client() {
    let line = written(|out| {
        let line = Outgoing::numeric(out, b"irc.a", RPL_LUSERCHANNELS, b"bob");
        line.param(b"120").trailing(b"channels formed").end();
    });
    assert_eq!(line, ":irc.a 254 bob 120 :channels formed");
    let line = written(|out| {
        Outgoing::numeric(out, b"irc.a", ERR_NOTREGISTERED, b"").trailing(b"no").end();
    });
    assert_eq!(line, ":irc.a 451 * :no");
}

#[test]
fn nothing_that_is_put_in_ends_the_line_or_the_parameter() {
    let line = written(|out| {
        let line = Outgoing::begin(out, b"a\r\nb", "X").param(b"a b").param(b":c").param(b"");
        line.param(b"d\ne").param(b"f\0").param(b"g:").trailing(b"\r\nQUIT\n\0x").end();
    });
    assert_eq!(line, ":a  b X * * * * * g: :  QUIT  x");
}

/// RFC 2812 section 2.3: 512 bytes with CR LF.
#[test]
fn what_does_not_fit_is_cut_at_a_character() {
    let text = "\u{20ac}".repeat(200);
    for before in 0..4 {
        let source = "s".repeat(10 + before);
        let line = written(|out| {
            let line = Outgoing::begin(out, source.as_bytes(), "X").param(b"#a");
            let room = line.room();
            assert_eq!(room, 510 - (source.len() + 1) - " X #a :".len());
            line.trailing(text.as_bytes()).trailing(b"more").end();
        });
        assert!((508..=510).contains(&line.len()) && line.ends_with('\u{20ac}'), "{}", line.len());
    }
    let whole = "x".repeat(505);
    let line = written(|out| Outgoing::begin(out, b"", "ABC").trailing(whole.as_bytes()).end());
    assert_eq!(line, format!("ABC :{whole}"));
    let line = written(|out| {
        let line = Outgoing::begin(out, b"", "ABC").param("y".repeat(600).as_bytes());
        assert_eq!(line.room(), 0);
        line.param(b"z").trailing(b"z").end();
    });
    assert_eq!(line, format!("ABC {}", "y".repeat(506)));
    let line = written(|out| Outgoing::begin(out, "s".repeat(600).as_bytes(), "ABC").end());
    assert_eq!(line, format!(":{}", "s".repeat(509)));
}

#[test]
fn text_is_cut_between_characters_and_other_bytes_anywhere() {
    for (text, bytes_max, expected) in [
        (b"abc".as_slice(), 3, b"abc".as_slice()),
        (b"abc", 2, b"ab"),
        (b"abc", 0, b""),
        (b"a\xc3\xa9", 2, b"a"),
        (b"a\xc3\xa9", 3, b"a\xc3\xa9"),
        (b"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 7, b"\xf0\x9f\x98\x80"),
        (b"\xf0\x9f\x98\x80", 3, b""),
        (b"\x80\x80\x80\x80\x80\x80", 5, b"\x80\x80\x80\x80\x80"),
        (b"\xff\xff\xff", 2, b"\xff\xff"),
    ] {
        assert_eq!(cut_at_character(text, bytes_max), expected, "{}", text.escape_ascii());
    }
}

/// IRCv3 message-tags, "Escaping values".
#[test]
fn tags_are_escaped_and_stand_before_the_line() {
    let line = written(|out| {
        let tags = Tags::begin(out).tag("msgid", b"17").tag("a", b"b\\;c d\r\ne\0").tag("f", b"");
        tags.raw(b"+g=h\\s").end();
        Outgoing::begin(out, b"i", "X").trailing(b"j").end();
    });
    assert_eq!(line, r"@msgid=17;a=b\\\:c\sd\r\ne\s;f;+g=h\s :i X :j");
    let line = written(|out| {
        Tags::begin(out).end();
        Outgoing::begin(out, b"i", "X").end();
    });
    assert_eq!(line, ":i X");
    for value in [b"".as_slice(), b"; \\\r\n", b"\\\\s\\:", b"plain", b"\xc3\xa9"] {
        let mut line = b"@a=".to_vec();
        escape_tag_value(value, &mut line);
        line.extend_from_slice(b" X");
        assert_eq!(Message::parse(&line).unwrap().tag("a").unwrap(), value);
    }
}

/// IRCv3 message-tags, "Size limit": 8191 bytes with `@` and the space.
#[test]
fn a_tag_that_does_not_fit_is_left_out() {
    let client = format!("+{}", "a".repeat(4093));
    // `m` fits, and then nothing more; one byte longer it does not, and `n` does.
    for (value_bytes, tags_bytes) in [(4092, 8191), (4093, "@+;n ".len() + 4093)] {
        let mut out = b"before".to_vec();
        let tags = Tags::begin(&mut out).raw(client.as_bytes());
        tags.tag("m", "v".repeat(value_bytes).as_bytes()).tag("n", b"").end();
        assert_eq!(out.len() - "before".len(), tags_bytes, "{value_bytes}");
        assert!(tags_bytes <= IRC_TAG_BYTES_MAX && out.ends_with(b" "));
    }
}

/// The changes of a channel's MODE: `+o a`, `-i`, a letter that is not known with `?`, one that
/// lacks its argument with `!`.
fn changes(params: &[&str]) -> String {
    let params: Vec<&[u8]> = params.iter().map(|param| param.as_bytes()).collect();
    let shown = |change: Change<'_>| {
        let sign = if change.is_plus { '+' } else { '-' };
        let argument = change.argument.map(|bytes| format!(" {}", bytes.escape_ascii()));
        let rest = match (change.kind, argument) {
            (Kind::Unknown, None) => "?".to_owned(),
            (Kind::List | Kind::Always, None) => "!".to_owned(),
            (Kind::WhenSet, None) if change.is_plus => "!".to_owned(),
            (_, argument) => argument.unwrap_or_default(),
        };
        format!("{sign}{}{rest}", char::from(change.letter))
    };
    let all: Vec<String> = Changes::new(Letters::CHANNEL, &params).map(shown).collect();
    all.join(",")
}

/// Modern, "MODE message", "Channel mode": the four types; RFC 2812 section 3.2.3.
#[test]
fn letters_take_their_arguments_in_order() {
    for (params, expected) in [
        (&["+o", "a"] as &[&str], "+o a"),
        (&["+ov-b", "a", "b", "m"], "+o a,+v b,-b m"),
        (&["im-n+st"], "+i,+m,-n,+s,+t"),
        (&["+l", "5"], "+l 5"),
        (&["-l", "5"], "-l"),
        (&["-lo", "a"], "-l,-o a"),
        (&["+k-k", "a", "b"], "+k a,-k b"),
        (&["-k"], "-k!"),
        (&["+l"], "+l!"),
        (&["b"], "+b!"),
        (&["+bb-b"], "+b!"),
        (&["+bb", "m"], "+b m,+b!"),
        (&["+xo", "a"], "+x?,+o a"),
        (&["+-"], ""),
        (&["+o", "a", "-v", "b"], "+o a,-v b"),
        (&["+i", "-s", "+l", "7"], "+i,-s,+l 7"),
        (&["+i", "stray", "-s"], "+i"),
        (&["+o", "-a"], "+o -a"),
        (&["+o", ""], "+o "),
        (&["+k", "a b"], "+k a b"),
        (&[""], ""),
        (&[], ""),
    ] {
        assert_eq!(changes(params), expected, "{params:?}");
    }
    let user: Vec<Kind> = b"iowx".iter().map(|&letter| Letters::USER.kind(letter)).collect();
    assert_eq!(user, [Kind::Never, Kind::Never, Kind::Never, Kind::Unknown]);
}

#[test]
fn changes_are_bounded() {
    let many = "+i-i".repeat(100);
    let params = [many.as_bytes()];
    let count = Changes::new(Letters::CHANNEL, &params).count();
    assert_eq!(count, IRC_MODE_CHANGES_MAX);
    let lists = "b".repeat(500);
    assert_eq!(Changes::new(Letters::CHANNEL, &[lists.as_bytes()]).count(), 1);
}

#[test]
fn changes_that_were_made_are_told_in_few_lines() {
    let mut made = Made::new();
    let mut out = Vec::new();
    made.write(&mut out, b"a", b"#b");
    assert!(out.is_empty() && made.is_empty());
    for (is_plus, letter, argument) in [
        (true, b'o', Some(b"a".as_slice())),
        (true, b'v', Some(b"b")),
        (false, b'b', Some(b"m!*@*")),
        (false, b'i', None),
        (true, b't', None),
    ] {
        made.push(is_plus, letter, argument);
    }
    assert!(!made.is_empty());
    let line = written(|out| made.write(out, b"x!y@z", b"#c"));
    assert_eq!(line, ":x!y@z MODE #c +ov-bi+t a b m!*@*");

    let mut made = Made::new();
    let mask = |at: usize| format!("{at:02}{}!*@*", "m".repeat(150));
    for at in 0..7 {
        made.push(at % 2 == 0, b'b', Some(mask(at).as_bytes()));
    }
    let text = written(|out| made.write(out, b"x!y@z", b"#c"));
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines.iter().all(|line| line.len() <= 510));
    let told = lines.iter().flat_map(|line| {
        let message = Message::parse(line.as_bytes()).unwrap();
        let changes: Vec<_> = Changes::new(Letters::CHANNEL, &message.params()[1..])
            .map(|change| (change.is_plus, change.argument.unwrap().to_vec()))
            .collect();
        changes
    });
    let expected = (0..7).map(|at| (at % 2 == 0, mask(at).into_bytes()));
    assert!(told.eq(expected), "{text}");
}

/// IRCv3 capability-negotiation, "The CAP REQ subcommand": all or nothing.
#[test]
fn capabilities_are_granted_together_or_not_at_all() {
    let one = CapSet::default().with(Cap::Batch);
    let both = one.with(Cap::ServerTime);
    for (list, expected) in [
        ("server-time", Some(both)),
        (" server-time  batch ", Some(both)),
        ("server-time -batch", Some(CapSet::default().with(Cap::ServerTime))),
        ("-server-time", Some(one)),
        ("batch -batch", Some(CapSet::default())),
        ("-batch batch", Some(one)),
        ("", Some(one)),
        ("server-time sasl", None),
        ("server-time unknown", None),
        ("-unknown", None),
        ("Server-Time", None),
        ("server-time=x", None),
        ("--batch", None),
        ("-", None),
    ] {
        assert_eq!(caps::request(list.as_bytes(), one), expected, "{list:?}");
    }
}

#[test]
fn capabilities_have_names_of_their_own() {
    for cap in Cap::ALL {
        assert_eq!(Cap::find(cap.name().as_bytes()), Some(cap));
        assert!(CapSet::ALL.has(cap) && !CapSet::default().has(cap));
        assert!(!CapSet::ALL.without(cap).has(cap) && CapSet::default().with(cap).has(cap));
    }
    let names: Vec<&str> = Cap::ALL.iter().map(|cap| cap.name()).collect();
    let indexes: Vec<u8> = Cap::ALL.iter().map(|&cap| cap as u8).collect();
    assert!(names.is_sorted() && indexes.is_sorted());
    assert_eq!(CapSet::ALL.iter().count(), Cap::ALL.len());
}

/// IRCv3 capability-negotiation, "Multiline replies to CAP LS and CAP LIST".
#[test]
fn lists_of_capabilities_fit_their_lines() {
    let caps = CapSet::default().with(Cap::ServerTime).with(Cap::Batch);
    for (subcommand, is_302, expected) in [
        ("LS", true, ":irc.a CAP * LS :batch server-time"),
        ("LS", false, ":irc.a CAP * LS :batch server-time"),
        ("LIST", true, ":irc.a CAP * LIST :batch server-time"),
    ] {
        let line = written(|out| caps::write_list(out, b"irc.a", b"*", subcommand, caps, is_302));
        assert_eq!(line, expected);
    }
    let none =
        written(|out| caps::write_list(out, b"irc.a", b"*", "LIST", CapSet::default(), false));
    assert_eq!(none, ":irc.a CAP * LIST :");
    // No server has such a name; only so are there more lines than one.
    let server = "s".repeat(420);
    let text = written(|out| {
        caps::write_list(out, server.as_bytes(), b"bob", "LS", CapSet::ALL, true);
    });
    let lines: Vec<&str> = text.split("\r\n").collect();
    let (last, others) = lines.split_last().unwrap();
    assert!(!others.is_empty() && lines.iter().all(|line| line.len() <= 510));
    assert!(others.iter().all(|line| line.contains(" CAP bob LS * :")) && !last.contains("LS *"));
    let names: Vec<&str> = lines.iter().flat_map(|line| line.rsplit(':').next()).collect();
    let names: Vec<&str> = names.iter().flat_map(|names| names.split(' ')).collect();
    assert_eq!(names.len(), Cap::ALL.len());
    let one = written(|out| {
        caps::write_list(out, server.as_bytes(), b"bob", "LS", CapSet::ALL, false);
    });
    assert!(!one.contains("\r\n") && !one.contains("LS *"), "{one}");
}
