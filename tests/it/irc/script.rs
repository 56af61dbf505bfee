//! The language of `tests/data/irc/*.txt`: what clients of IRC say, and what each must hear.
//!
//! ```text
//! == a name that says what is claimed
//! # the clause it comes from
//! set password s3cret         the server's setting of that name, before anybody comes
//! needs cap batch             the case counts only where this is offered (`needs token MONITOR`)
//! ann connects                a connection, nothing said
//! ann registers [cap ...]     a connection, registered as `ann`; what was said is forgotten
//! ann enters #chan            JOIN; what anybody heard of it is forgotten
//! ann > JOIN #chan            a line to the server; those that follow go out in one write
//! ann < :ann!* JOIN #chan     the next line that `ann` hears
//! ann <~ :S 353 ...           one of the next lines: those marked so may come in any order
//! ann < ...                   lines up to the one that follows, whatever they are
//! ann skips | all skip        what was heard so far is forgotten
//! ann leaves                  the client closes its connection
//! ann is closed               the server has closed it
//! log error some text         a record comes in
//! wait 130s                   time passes
//! ```
//!
//! Whatever a client hears must be expected before anybody speaks again. In a pattern `*` stands
//! for any bytes of a parameter, `\*` for a star, `$name` for the same bytes each time, `:{a b}`
//! for these words in any order, `...` at the end for more parameters, `:S` for the server as the
//! source, `451|421` for one of several commands. `@a=1;-b` before it asks for tags (`-b`: not
//! this one; `@-`: none at all). In all of them `\xHH` is a byte, `{x*500}` a byte many times.

use std::collections::BTreeMap;

/// What the servers of these tests call themselves.
pub const SERVER: &str = "irc.test";

/// One case of a table.
pub struct Case {
    /// What it claims.
    pub name: String,
    /// The file.
    pub file: String,
    /// What happens.
    pub steps: Vec<Step>,
}

/// A step, and the line that it stands in.
pub struct Step {
    pub line: usize,
    pub action: Action,
}

/// What happens in a step.
#[derive(Debug, PartialEq)]
pub enum Action {
    Set(String, String),
    NeedsCap(String),
    NeedsToken(String),
    Connects(String),
    Registers(String, Vec<String>),
    Enters(String, String),
    Says(String, String),
    Hears(String, Pattern),
    HearsSoon(String, Pattern),
    SkipsTo(String),
    Skips(String),
    AllSkip,
    Leaves(String),
    IsClosed(String),
    Log(String, String),
    Wait(u64),
}

impl Case {
    /// The settings it asks for.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        let settings = self.steps.iter().filter_map(|step| match &step.action {
            Action::Set(name, value) => Some((name.as_str(), value.as_str())),
            _ => None,
        });
        settings.collect()
    }

    /// Whether time has to pass in it.
    pub fn waits(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Wait(_)))
    }

    /// Whether records come in.
    pub fn logs(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Log(..)))
    }
}

/// Reads a table.
///
/// # Panics
/// When it is none: it says which line.
pub fn parse(file: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut has_clause = true;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if let Some(name) = line.strip_prefix("== ") {
            assert!(has_clause, "{file}:{number}: the case before it names no clause");
            has_clause = false;
            let (name, file) = (name.trim().to_owned(), file.to_owned());
            cases.push(Case { name, file, steps: Vec::new() });
        } else if line.starts_with('#') {
            has_clause = true;
        } else if !line.trim().is_empty() {
            let action =
                parse_step(line.trim()).unwrap_or_else(|| panic!("{file}:{number}: {line}"));
            let Some(case) = cases.last_mut() else { panic!("{file}:{number}: before any case") };
            case.steps.push(Step { line: number, action });
        }
    }
    assert!(has_clause, "{file}: the last case names no clause");
    cases
}

fn parse_step(line: &str) -> Option<Action> {
    let (who, rest) = line.split_once(' ')?;
    let own = |text: &str| text.trim().to_owned();
    Some(match (who, rest.trim()) {
        ("set", rest) => {
            let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
            Action::Set(own(name), own(value))
        }
        ("needs", rest) => match rest.split_once(' ')? {
            ("cap", cap) => Action::NeedsCap(own(cap)),
            ("token", token) => Action::NeedsToken(own(token)),
            _ => return None,
        },
        ("log", rest) => {
            let (level, text) = rest.split_once(' ')?;
            Action::Log(own(level), own(text))
        }
        ("wait", rest) => Action::Wait(rest.strip_suffix('s')?.parse().ok()?),
        ("all", "skip") => Action::AllSkip,
        (_, "connects") => Action::Connects(own(who)),
        (_, "skips") => Action::Skips(own(who)),
        (_, "leaves") => Action::Leaves(own(who)),
        (_, "is closed") => Action::IsClosed(own(who)),
        (_, "< ...") => Action::SkipsTo(own(who)),
        (_, rest) => {
            // What is said may end in blanks, so the line's own end counts.
            let (verb, object) = rest.split_once(' ').unwrap_or((rest, ""));
            match verb {
                "registers" => {
                    let caps = object.split_whitespace().map(str::to_owned).collect();
                    Action::Registers(own(who), caps)
                }
                "enters" => Action::Enters(own(who), own(object)),
                ">" => Action::Says(own(who), object.to_owned()),
                "<" => Action::Hears(own(who), Pattern::parse(object)),
                "<~" => Action::HearsSoon(own(who), Pattern::parse(object)),
                _ => return None,
            }
        }
    })
}

/// What `$name`s stand for.
pub type Names = BTreeMap<String, Vec<u8>>;

/// The bytes that a line of a script stands for.
pub fn bytes_of(text: &str, names: &Names) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces_of(text, false) {
        match piece {
            Piece::Bytes(bytes) => out.extend_from_slice(&bytes),
            Piece::Name(name) => match names.get(&name) {
                Some(bytes) => out.extend_from_slice(bytes),
                None => panic!("${name} stands for nothing yet"),
            },
            Piece::Any => out.push(b'*'),
        }
    }
    out
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Bytes(Vec<u8>),
    Any,
    Name(String),
}

fn pieces_of(text: &str, has_stars: bool) -> Vec<Piece> {
    let (mut pieces, mut rest, mut bytes) = (Vec::new(), text, Vec::new());
    while let Some(char) = rest.chars().next() {
        let mut next = &rest[char.len_utf8()..];
        if let Some((byte, count, after)) = repeated(rest) {
            bytes.extend(std::iter::repeat_n(byte, count));
            next = after;
        } else if let Some(byte) = rest.strip_prefix("\\x").and_then(hex) {
            bytes.push(byte);
            next = &rest[4..];
        } else if has_stars && rest.starts_with("\\*") {
            bytes.push(b'*');
            next = &rest[2..];
        } else if has_stars && char == '*' {
            pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
            pieces.push(Piece::Any);
        } else if char == '$' && next.starts_with(|one: char| one.is_ascii_lowercase()) {
            let end = next.find(|one: char| !one.is_ascii_alphanumeric()).unwrap_or(next.len());
            pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
            pieces.push(Piece::Name(next[..end].to_owned()));
            next = &next[end..];
        } else {
            bytes.extend_from_slice(&rest.as_bytes()[..char.len_utf8()]);
        }
        rest = next;
    }
    pieces.push(Piece::Bytes(bytes));
    pieces.retain(|piece| *piece != Piece::Bytes(Vec::new()));
    pieces
}

/// `{x*500}` at the front: the byte, how often, what follows.
fn repeated(text: &str) -> Option<(u8, usize, &str)> {
    let (inner, after) = text.strip_prefix('{')?.split_once('}')?;
    let (byte, count) = inner.split_once('*')?;
    let byte = byte.bytes().next().filter(|_| byte.len() == 1)?;
    Some((byte, count.parse().ok()?, after))
}

fn hex(text: &str) -> Option<u8> {
    u8::from_str_radix(text.get(..2)?, 16).ok()
}

fn matches(pieces: &[Piece], text: &[u8], names: &mut Names) -> bool {
    let Some((piece, rest)) = pieces.split_first() else { return text.is_empty() };
    let known = match piece {
        Piece::Bytes(bytes) => Some(bytes.clone()),
        Piece::Any => None,
        Piece::Name(name) => names.get(name).cloned(),
    };
    if let Some(known) = known {
        return text.strip_prefix(&known[..]).is_some_and(|text| matches(rest, text, names));
    }
    // The longest first, so that a name that ends a pattern takes all.
    for end in (0..=text.len()).rev() {
        let mut tried = names.clone();
        if let Piece::Name(name) = piece {
            tried.insert(name.clone(), text[..end].to_vec());
        }
        if matches(rest, &text[end..], &mut tried) {
            *names = tried;
            return true;
        }
    }
    false
}

/// What a line must look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    words: String,
    tags: Option<String>,
    source: Option<String>,
    command: String,
    params: Vec<String>,
    is_open: bool,
}

impl Pattern {
    /// Reads a pattern; everything is one.
    pub fn parse(words: &str) -> Self {
        let mut rest = words;
        let (mut tags, mut source) = (None, None);
        if let Some((first, after)) = rest.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
            (tags, rest) = (Some(first.to_owned()), after);
        }
        if let Some((first, after)) = rest.strip_prefix(':').and_then(|rest| rest.split_once(' ')) {
            let first = if first == "S" { SERVER } else { first };
            (source, rest) = (Some(first.to_owned()), after);
        }
        let (command, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut params: Vec<String> = Vec::new();
        let mut left = rest;
        while !left.is_empty() {
            if let Some(trailing) = left.strip_prefix(':') {
                params.push(trailing.to_owned());
                break;
            }
            let (param, after) = left.split_once(' ').unwrap_or((left, ""));
            params.push(param.to_owned());
            left = after;
        }
        let is_open = params.last().is_some_and(|last| last == "...");
        if is_open {
            params.pop();
        }
        let (words, command) = (words.to_owned(), command.to_owned());
        Self { words, tags, source, command, params, is_open }
    }

    /// As it was written.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Whether `line`, without its end, looks so; `names` learns what names stand for.
    pub fn is_like(&self, line: &[u8], names: &mut Names) -> bool {
        let heard = Heard::parse(line);
        let mut tried = names.clone();
        let is_like = self.tags.as_ref().is_none_or(|tags| tags_match(tags, &heard, &mut tried))
            && self
                .source
                .as_ref()
                .is_none_or(|source| matches(&pieces_of(source, true), &heard.source, &mut tried))
            && self.command.split('|').any(|one| one.as_bytes() == heard.command)
            && (self.params.len() == heard.params.len()
                || self.is_open && self.params.len() < heard.params.len())
            && self
                .params
                .iter()
                .zip(&heard.params)
                .all(|(one, param)| param_matches(one, param, &mut tried));
        if is_like {
            *names = tried;
        }
        is_like
    }
}

fn param_matches(pattern: &str, param: &[u8], names: &mut Names) -> bool {
    let words = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(words) = words.filter(|_| repeated(pattern).is_none()) else {
        return matches(&pieces_of(pattern, true), param, names);
    };
    let mut heard: Vec<&[u8]> = param.split(|byte| *byte == b' ').collect();
    let found = words.split_whitespace().all(|word| {
        let pieces = pieces_of(word, true);
        let at = heard.iter().position(|one| matches(&pieces, one, names));
        at.map(|at| heard.swap_remove(at)).is_some()
    });
    found && heard.is_empty()
}

fn tags_match(wanted: &str, heard: &Heard, names: &mut Names) -> bool {
    if wanted == "-" {
        return heard.tags.is_empty();
    }
    wanted.split(';').all(|one| {
        if let Some(absent) = one.strip_prefix('-') {
            return !heard.tags.contains_key(absent.as_bytes());
        }
        let (name, value) = one.split_once('=').unwrap_or((one, ""));
        let pieces = pieces_of(value, true);
        heard.tags.get(name.as_bytes()).is_some_and(|heard| matches(&pieces, heard, names))
    })
}

/// A line of the server's, taken apart by these tests' own reading of the RFC.
#[derive(Debug, Default)]
pub struct Heard {
    /// As they are on the wire: values are not unescaped.
    pub tags: BTreeMap<Vec<u8>, Vec<u8>>,
    pub source: Vec<u8>,
    pub command: Vec<u8>,
    pub params: Vec<Vec<u8>>,
}

impl Heard {
    pub fn parse(line: &[u8]) -> Self {
        let (mut heard, mut rest) = (Self::default(), line);
        if let Some(tagged) = rest.strip_prefix(b"@") {
            let (tags, after) = word(tagged);
            rest = after;
            for tag in tags.split(|byte| *byte == b';') {
                let at = tag.iter().position(|byte| *byte == b'=').unwrap_or(tag.len());
                let value = tag.get(at + 1..).unwrap_or_default();
                heard.tags.insert(tag[..at].to_vec(), value.to_vec());
            }
        }
        if let Some(sourced) = rest.strip_prefix(b":") {
            let (source, after) = word(sourced);
            (heard.source, rest) = (source.to_vec(), after);
        }
        let (command, mut rest) = word(rest);
        heard.command = command.to_vec();
        while !rest.is_empty() {
            if let Some(trailing) = rest.strip_prefix(b":") {
                heard.params.push(trailing.to_vec());
                break;
            }
            let (param, after) = word(rest);
            heard.params.push(param.to_vec());
            rest = after;
        }
        heard
    }
}

/// Up to the blank, and behind it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    (&text[..end], text.get(end + 1..).unwrap_or_default())
}

#[test]
fn a_pattern_is_like_the_lines_that_it_describes() {
    let is_like = |pattern: &str, line: &str| {
        Pattern::parse(pattern).is_like(line.as_bytes(), &mut Names::new())
    };
    assert!(is_like(":S 353 ann = #a :{@ann bob}", ":irc.test 353 ann = #a :bob @ann"));
    assert!(!is_like(":S 353 ann = #a :{@ann bob}", ":irc.test 353 ann = #a :bob @ann eve"));
    assert!(!is_like(":S 353 ann = #a :{@ann bob}", ":irc.test 353 ann = #a :bob @ann "));
    assert!(is_like("366 ann #a :*", ":irc.test 366 ann #a :End of names"));
    assert!(!is_like("366 ann #a", ":irc.test 366 ann #a :End of names"));
    assert!(is_like("366 ann ...", ":irc.test 366 ann #a :End of names"));
    assert!(is_like("451|421 \\* :*", ":irc.test 451 * :Not registered"));
    assert!(!is_like("451 \\* :*", ":irc.test 451 ann :Not registered"));
    assert!(is_like("@a=1;-b PING :x", "@a=1;c=2 PING x"));
    assert!(!is_like("@a=1;-b PING :x", "@a=1;b PING x"));
    assert!(is_like("@- PING :x", "PING x"));
    assert!(is_like("PONG irc.test :{x*3}y", ":irc.test PONG irc.test xxxy"));
    assert!(is_like("PRIVMSG a :$one-$one", "PRIVMSG a :12-12"));
    assert!(!is_like("PRIVMSG a :$one-$one", "PRIVMSG a :12-13"));
    assert!(is_like("CAP \\* LIST :", ":irc.test CAP * LIST :"));
    assert_eq!(bytes_of("a\\x01{b*3}*", &Names::new()), b"a\x01bbb*");
}
