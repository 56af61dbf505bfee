//! Arbitrary bytes as lines, messages, names and masks.

use super::*;
use crate::limits::{IRC_MODE_CHANGES_MAX, IRC_TAG_BYTES_MAX};

/// Reads arbitrary bytes as a client's, in pieces of the size that the first byte says, and takes
/// apart what comes out; then writes it again.
///
/// # Panics
/// When the reads make a difference; when a part is not what [`Message`] promises, or what is
/// written is not read as it was; when anything that was put into a line breaks it.
pub fn fuzz_irc_message(data: &[u8]) {
    let [piece_bytes, input @ ..] = data else { return };
    let pieces: Vec<&[u8]> = input.chunks(1 + usize::from(*piece_bytes)).collect();
    let lines = lines_of(&[input]);
    assert_eq!(lines_of(&pieces), lines, "the reads matter");
    for line in lines.iter().flatten() {
        assert!(!line.is_empty() && !line.contains(&b'\r') && !line.contains(&b'\n'));
        assert!(line.len() <= IRC_CLIENT_TAG_BYTES_MAX + BARE_BYTES_MAX);
        match Message::parse(line) {
            Ok(message) => check_message(&message),
            Err(ParseError::BadByte(byte)) => assert_eq!(byte, 0),
            Err(ParseError::NoCommand) => {}
        }
    }
    let _ = Message::parse(input);
    for word in input.split(|&byte| byte == b' ').take(64) {
        check_name(word);
    }
    let line = |out: &mut Vec<u8>| {
        Outgoing::begin(out, input, "PRIVMSG").param(input).trailing(input).end();
    };
    check_written(line);
}

/// The lines that come in `pieces`; `None` for each that is too long.
pub(super) fn lines_of(pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    let (mut splitter, mut inbox, mut lines) = (Splitter::new(), Vec::new(), Vec::new());
    for piece in pieces {
        inbox.extend_from_slice(piece);
        loop {
            let (used, step) = splitter.step(&inbox);
            let line = match step {
                LineStep::NeedMore => None,
                LineStep::Line(line) => Some(Some(line.to_vec())),
                LineStep::TooLong => Some(None),
            };
            inbox.drain(..used);
            let Some(line) = line else { break };
            assert!(used > 0, "a step without progress");
            lines.push(line);
        }
        assert!(inbox.len() < IRC_CLIENT_TAG_BYTES_MAX + IRC_LINE_BYTES_MAX, "the inbox grows");
    }
    lines
}

fn check_message(message: &Message<'_>) {
    let params = message.params();
    assert!(params.len() <= IRC_PARAMS_MAX && !message.command().contains(&b' '));
    for param in params.split_last().map_or(params, |(_, middle)| middle) {
        assert!(!matches!(param, [] | [b':', ..]) && !param.contains(&b' '));
    }
    for piece in message.client_tags() {
        let name = piece.split(|&byte| byte == b'=').next().unwrap_or_default();
        let name = str::from_utf8(name).expect("a name is ASCII");
        let value = message.tag(name).expect("it is there");
        let mut tags = Vec::new();
        Tags::begin(&mut tags).tag(name, &value).end();
        tags.extend_from_slice(b"X");
        let again = Message::parse(&tags).expect("tags that were written");
        assert_eq!(again.tag(name), Some(value));
    }
    let mut tags = Vec::new();
    message.client_tags().fold(Tags::begin(&mut tags), Tags::raw).end();
    assert!(tags.len() <= IRC_TAG_BYTES_MAX);
    check_rewritten(message);
    let changes: Vec<_> = modes::Changes::new(modes::Letters::CHANNEL, params).collect();
    assert!(changes.len() <= IRC_MODE_CHANGES_MAX);
    let mut made = modes::Made::new();
    for change in &changes {
        made.push(change.is_plus, change.letter, change.argument);
    }
    let mut out = Vec::new();
    made.write(&mut out, b"a!b@c", b"#d");
    assert!(out.split_inclusive(|&byte| byte == b'\n').all(|line| line.len() <= 512));
    assert_eq!(out.is_empty(), made.is_empty());
    if let Some(list) = params.last()
        && let Some(caps) = caps::request(list, caps::CapSet::default())
    {
        assert_eq!(caps::request(list, caps), Some(caps));
    }
}

/// Writes the message again, and reads what was written.
fn check_rewritten(message: &Message<'_>) {
    let is_plain = message.command().iter().all(u8::is_ascii_alphanumeric);
    if !is_plain || message.source() == Some(b"") {
        return;
    }
    let command = str::from_utf8(message.command()).expect("it is ASCII");
    let mut is_cut = false;
    let out = check_written(|out| {
        let mut line = Outgoing::begin(out, message.source().unwrap_or_default(), command);
        if let Some((last, middle)) = message.params().split_last() {
            line = middle.iter().copied().fold(line, Outgoing::param);
            is_cut = line.room() < last.len();
            line = line.trailing(last);
        }
        line.end();
    });
    // A `:` may make a line that was as long as it may be too long.
    if !is_cut {
        let again = Message::parse(&out[..out.len() - 2]).expect("what was written");
        assert_eq!(again.source(), message.source());
        assert_eq!(again.command(), message.command());
        assert_eq!(again.params(), message.params());
    }
}

/// What `write` writes must be one line.
fn check_written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    assert!(out.len() <= IRC_LINE_BYTES_MAX);
    let bare = out.strip_suffix(b"\r\n").expect("it ends");
    assert!(!bare.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    out
}

fn check_name(word: &[u8]) {
    let folded = names::fold(word);
    assert_eq!(names::fold(&folded), folded);
    assert!(names::same(word, &folded));
    // `~` stands in no nick, and `^`, its lower case, does.
    assert!(!names::is_nick(word) || names::is_nick(&folded));
    assert_eq!(names::is_channel(word), names::is_channel(&folded));
    let _ = (names::is_key(word), names::is_server_name(word));
    let user = names::user_name(word);
    assert_eq!(names::user_name(&user), user);
    // Enough for every kind of mask, and little enough for the product of both.
    let word = &word[..word.len().min(256)];
    let mask = mask::normalise(word);
    assert_eq!(mask::normalise(&mask), mask);
    let mut literal = Vec::new();
    for &byte in word {
        if matches!(byte, b'*' | b'?') {
            literal.push(b'\\');
        }
        literal.push(byte);
    }
    assert!(mask::matches(&literal, word) && mask::matches(b"*", word));
    let _ = mask::matches(word, &literal);
}
