//! MODE: letters and their arguments apart, and changes together in as few lines as they need
//! (RFC 2812 sections 3.1.5 and 3.2.3; Modern, "MODE message").

use super::Outgoing;
use crate::limits::{IRC_LINE_BYTES_MAX, IRC_MODE_CHANGES_MAX};

/// When a letter takes an argument (Modern, "CHANMODES Parameter").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Type A: adds to and removes from a list; without an argument it asks for the list.
    List,
    /// Type B, and what makes a member more than others: always.
    Always,
    /// Type C: where it is set.
    WhenSet,
    /// Type D: never.
    Never,
    /// The server does not know the letter; it takes none.
    Unknown,
}

/// The letters that a target knows, by their kind.
#[derive(Clone, Copy, Debug)]
pub struct Letters {
    list: &'static [u8],
    always: &'static [u8],
    when_set: &'static [u8],
    never: &'static [u8],
}

impl Letters {
    /// A channel's: `CHANMODES=b,k,l,imnst PREFIX=(ov)@+`.
    pub const CHANNEL: Self = Self { list: b"b", always: b"kov", when_set: b"l", never: b"imnst" };

    /// A user's: `B` for a bot, `i` for invisible, `w` for wallops, `o` for operators, which only
    /// goes away.
    pub const USER: Self = Self { list: b"", always: b"", when_set: b"", never: b"Biow" };

    /// The kind of `letter`.
    pub fn kind(&self, letter: u8) -> Kind {
        let kinds = [
            (self.list, Kind::List),
            (self.always, Kind::Always),
            (self.when_set, Kind::WhenSet),
            (self.never, Kind::Never),
        ];
        let found = kinds.iter().find(|(letters, _)| letters.contains(&letter));
        found.map_or(Kind::Unknown, |&(_, kind)| kind)
    }
}

/// One change that a MODE asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Whether it is to be set; without a sign it is.
    pub is_plus: bool,
    /// Which one.
    pub letter: u8,
    /// Its kind.
    pub kind: Kind,
    /// Its argument, where it takes one and one was left. A [`Kind::List`] without one asks for the
    /// list; what else needs one and has none is to be refused or ignored.
    pub argument: Option<&'a [u8]>,
}

/// The changes that a MODE asks for, at most [`IRC_MODE_CHANGES_MAX`]; the rest is left out. A list
/// is asked for once.
#[derive(Clone, Debug)]
pub struct Changes<'a> {
    letters: Letters,
    /// Letters and signs still to be read.
    modes: &'a [u8],
    /// Arguments that no letter has taken.
    arguments: &'a [&'a [u8]],
    is_plus: bool,
    /// Changes that may still come.
    left: usize,
    /// Whether a list was asked for.
    has_listed: bool,
}

impl<'a> Changes<'a> {
    /// Reads the parameters of a MODE that follow its target: letters first, then arguments; behind
    /// those, where one begins with a sign, letters again (RFC 1459 section 4.2.3.1 allows both).
    pub fn new(letters: Letters, params: &'a [&'a [u8]]) -> Self {
        let (modes, arguments) = match params {
            [modes, arguments @ ..] => (*modes, arguments),
            [] => (b"".as_slice(), params),
        };
        let left = IRC_MODE_CHANGES_MAX;
        Self { letters, modes, arguments, is_plus: true, left, has_listed: false }
    }

    fn next_letter(&mut self) -> Option<u8> {
        loop {
            match *self.modes {
                [sign @ (b'+' | b'-'), ref rest @ ..] => {
                    self.is_plus = sign == b'+';
                    self.modes = rest;
                }
                [letter, ref rest @ ..] => {
                    self.modes = rest;
                    return Some(letter);
                }
                [] => {
                    let (&modes, arguments) = self.arguments.split_first()?;
                    if !matches!(modes, [b'+' | b'-', ..]) {
                        return None;
                    }
                    (self.modes, self.arguments) = (modes, arguments);
                }
            }
        }
    }

    fn take_argument(&mut self) -> Option<&'a [u8]> {
        let (&first, rest) = self.arguments.split_first()?;
        self.arguments = rest;
        Some(first)
    }
}

impl<'a> Iterator for Changes<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Change<'a>> {
        while self.left > 0 {
            let letter = self.next_letter()?;
            let (kind, is_plus) = (self.letters.kind(letter), self.is_plus);
            let argument = match kind {
                Kind::List | Kind::Always => self.take_argument(),
                Kind::WhenSet if is_plus => self.take_argument(),
                _ => None,
            };
            let asks_list = kind == Kind::List && argument.is_none();
            if asks_list && std::mem::replace(&mut self.has_listed, true) {
                continue;
            }
            self.left -= 1;
            return Some(Change { is_plus, letter, kind, argument });
        }
        None
    }
}

/// Changes that were made, to be told: `+ov-b alice bob mask`.
#[derive(Clone, Debug, Default)]
pub struct Made {
    changes: Vec<(bool, u8, Option<Vec<u8>>)>,
}

impl Made {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds a change, with the argument that is to be shown.
    pub fn push(&mut self, is_plus: bool, letter: u8, argument: Option<&[u8]>) {
        self.changes.push((is_plus, letter, argument.map(<[u8]>::to_vec)));
    }

    /// Writes `MODE target` and the changes in their order, as many lines as they need; none where
    /// there is nothing to tell. Each line begins with a sign, which is repeated only where it
    /// changes.
    pub fn write(&self, out: &mut Vec<u8>, source: &[u8], target: &[u8]) {
        // ":source MODE target +" and CR LF.
        let bytes_fixed = source.len() + target.len() + b": MODE  \r\n".len();
        let bytes_max = IRC_LINE_BYTES_MAX.saturating_sub(bytes_fixed);
        let (mut from, mut bytes) = (0, 0);
        for (at, (_, _, argument)) in self.changes.iter().enumerate() {
            // A sign, the letter, and a space before the argument.
            let more = 2 + argument.as_ref().map_or(0, |argument| 1 + argument.len());
            if bytes + more > bytes_max && at > from {
                self.write_line(from..at, out, source, target);
                (from, bytes) = (at, 0);
            }
            bytes += more;
        }
        self.write_line(from..self.changes.len(), out, source, target);
    }

    fn write_line(
        &self,
        range: std::ops::Range<usize>,
        out: &mut Vec<u8>,
        source: &[u8],
        target: &[u8],
    ) {
        let changes = &self.changes[range];
        if changes.is_empty() {
            return;
        }
        let (mut letters, mut sign_before) = (Vec::with_capacity(changes.len() + 2), None);
        for &(is_plus, letter, _) in changes {
            if sign_before.replace(is_plus) != Some(is_plus) {
                letters.push(if is_plus { b'+' } else { b'-' });
            }
            letters.push(letter);
        }
        let line = Outgoing::begin(out, source, "MODE").param(target).param(&letters);
        let arguments = changes.iter().filter_map(|(_, _, argument)| argument.as_deref());
        arguments.fold(line, Outgoing::param).end();
    }
}
