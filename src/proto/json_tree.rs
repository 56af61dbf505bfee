//! A tree of entries in JSON (RFC 8259), walked in place and in steps: see [`super::tree`].
//!
//! Where a value ends is found by its brackets and quotes alone, so that one giant array is passed
//! over in as many steps as it takes. What is inside is read by whom it concerns
//! ([`mod@parts`]), which tells a wrong entry from a wrong body.
//!
//! **Invariant:** no recursion: levels are as many as the tree's shape has, and values that are
//! passed over as deep as [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX).

pub mod parts;
mod skip;

use super::entries::{BadReason, BodyFailure};
use super::tree::{Budget, Context, Found, LEVELS_MAX, Level, Odd, context, leaf};
use crate::limits::JSON_KEY_BYTES_MAX;
use skip::{Skip, Skipped};

/// What may stand where the walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// The object that the tree is.
    Root,
    /// Behind an opening bracket: a member or element, or the closing one.
    FirstOrEnd,
    /// Behind a member or element: a comma, or the closing bracket.
    CommaOrEnd,
    /// Behind a comma: a member or element.
    Next,
    /// Behind a member's name: a colon.
    Colon(Key),
    /// Behind the colon: the member's value.
    Member(Key),
    /// Behind the tree: blanks.
    Nothing,
}

/// What the name of a member tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Context,
    Items,
    Other,
}

/// An object that is being walked.
#[derive(Clone, Copy, Debug, Default)]
struct Object {
    /// Behind its opening bracket.
    start: usize,
    /// Whether its context was found, or is known to be missing: its items are come to now.
    has_context: bool,
    /// Whether the walk is in the array of its items.
    in_items: bool,
}

/// Walks a tree in JSON.
#[derive(Debug)]
pub struct JsonTree {
    levels: &'static [Level],
    objects: [Object; LEVELS_MAX],
    /// How many of `objects` are open.
    depth: usize,
    at: usize,
    expect: Expect,
    /// A value that begins where the first part says is being passed over.
    skip: Option<(usize, Key, Skip)>,
    /// Items of the first level that were come to.
    count: u64,
}

impl JsonTree {
    /// Of that shape, with at most [`LEVELS_MAX`] levels.
    pub fn new(levels: &'static [Level]) -> Self {
        Self {
            levels,
            objects: [Object::default(); LEVELS_MAX],
            depth: 0,
            at: 0,
            expect: Expect::Root,
            skip: None,
            count: 0,
        }
    }

    /// How many items of the first level there were until now.
    pub fn objects(&self) -> u64 {
        self.count
    }

    /// Goes on in `body`, which is whole and the same each time, until something is found.
    pub fn next(&mut self, body: &[u8], budget: &mut Budget) -> Found {
        loop {
            if budget.is_spent() {
                return Found::Again;
            }
            if let Some((start, key, skip)) = self.skip.take() {
                if let Some(found) = self.go_on(start, key, skip, body, budget) {
                    return found;
                }
                continue;
            }
            let rest = body.get(self.at..).unwrap_or_default();
            let window = &rest[..rest.len().min(budget.left())];
            let blanks = parts::blanks(window);
            self.at += blanks;
            budget.spend(blanks + 1);
            match window.get(blanks) {
                Some(&byte) => {
                    if let Some(found) = self.token(byte, body, budget) {
                        return found;
                    }
                }
                None if window.len() < rest.len() => {}
                None if self.expect == Expect::Nothing => return Found::End,
                None => return fail(self.at, "the body ends within its JSON"),
            }
        }
    }

    /// Takes the token that begins with `byte`.
    fn token(&mut self, byte: u8, body: &[u8], budget: &mut Budget) -> Option<Found> {
        let Some(level) = self.depth.checked_sub(1) else {
            if self.expect != Expect::Root || byte != b'{' {
                let what = match self.expect {
                    Expect::Root => "no JSON object (the body should be one)",
                    _ => "more than one JSON object",
                };
                return Some(fail(self.at, what));
            }
            self.open();
            return None;
        };
        let in_items = self.objects[level].in_items;
        match (self.expect, byte) {
            (Expect::CommaOrEnd, b',') => {
                self.at += 1;
                self.expect = Expect::Next;
                None
            }
            (Expect::FirstOrEnd | Expect::CommaOrEnd, b']') if in_items => {
                self.at += 1;
                self.objects[level].in_items = false;
                self.expect = Expect::CommaOrEnd;
                None
            }
            (Expect::FirstOrEnd | Expect::CommaOrEnd, b'}') if !in_items => self.close(level),
            (Expect::FirstOrEnd | Expect::Next, _) if in_items => self.item(byte, level),
            (Expect::FirstOrEnd | Expect::Next, b'"') => self.key(level, body, budget),
            (Expect::Colon(key), b':') => {
                self.at += 1;
                self.expect = Expect::Member(key);
                None
            }
            (Expect::Member(key), _) => self.member(byte, level, key),
            (expect, byte) => {
                let wanted = match expect {
                    Expect::Colon(_) => "a colon",
                    Expect::CommaOrEnd => "a comma or a closing bracket",
                    _ => "a member's name",
                };
                let byte = byte.escape_ascii();
                Some(fail(self.at, format_args!("`{byte}` where {wanted} should be")))
            }
        }
    }

    /// Goes into the object that begins here.
    fn open(&mut self) {
        self.at += 1;
        let has_context = self.levels[self.depth].context.is_empty();
        self.objects[self.depth] = Object { start: self.at, has_context, in_items: false };
        self.depth += 1;
        self.expect = Expect::FirstOrEnd;
    }

    /// Takes the closing bracket of the object of `level`.
    fn close(&mut self, level: usize) -> Option<Found> {
        if !self.objects[level].has_context {
            return Some(self.come_to_items(level, Found::Context(level, Context::None)));
        }
        self.at += 1;
        self.depth = level;
        self.expect = if level == 0 { Expect::Nothing } else { Expect::CommaOrEnd };
        None
    }

    /// The members of the object of `level` are come to again, for its items.
    fn come_to_items(&mut self, level: usize, found: Found) -> Found {
        self.objects[level].has_context = true;
        self.at = self.objects[level].start;
        self.expect = Expect::FirstOrEnd;
        found
    }

    /// Takes an item of the object of `level`, which begins with `byte`.
    fn item(&mut self, byte: u8, level: usize) -> Option<Found> {
        self.count += u64::from(level == 0);
        let is_leaf = level + 1 == self.levels.len();
        if byte == b'{' && !is_leaf {
            self.open();
            return None;
        }
        let key = if is_leaf { Key::Items } else { Key::Other };
        self.skip = Some((self.at, key, Skip::default()));
        (!is_leaf).then_some(Found::Bad(BadReason::NotAnObject, Odd::NoObject))
    }

    /// Takes the name of a member, whose quote stands here.
    fn key(&mut self, level: usize, body: &[u8], budget: &mut Budget) -> Option<Found> {
        let rest = &body[self.at..];
        let window = &rest[..rest.len().min(JSON_KEY_BYTES_MAX)];
        let Some(end) = parts::string_end(window) else {
            let is_cut = window.len() == rest.len();
            let what = if is_cut { "the body ends within its JSON" } else { "a name too long" };
            return Some(fail(self.at, what));
        };
        let name = parts::Text::new(&window[..end]);
        let (object, shape) = (&self.objects[level], &self.levels[level]);
        let is_one_of = |names: &[&[u8]]| names.iter().any(|one| name.is(one));
        let key = match object.has_context {
            false if is_one_of(shape.context) => Key::Context,
            true if is_one_of(shape.items) => Key::Items,
            _ => Key::Other,
        };
        self.at += end;
        budget.spend(end);
        self.expect = Expect::Colon(key);
        None
    }

    /// Takes the value of a member, which begins with `byte`.
    fn member(&mut self, byte: u8, level: usize, key: Key) -> Option<Found> {
        if key == Key::Items && byte == b'[' {
            self.at += 1;
            self.objects[level].in_items = true;
            self.expect = Expect::FirstOrEnd;
            return None;
        }
        let passed = if key == Key::Context { Key::Context } else { Key::Other };
        self.skip = Some((self.at, passed, Skip::default()));
        let is_odd = key == Key::Items && byte != b'n';
        is_odd.then_some(Found::Bad(BadReason::NotAnObject, Odd::NoArray))
    }

    /// Passes over the value that begins at `start`; what it is, where it ends and matters.
    fn go_on(
        &mut self,
        start: usize,
        key: Key,
        mut skip: Skip,
        body: &[u8],
        budget: &mut Budget,
    ) -> Option<Found> {
        let from = self.at;
        let skipped = skip.run(body, &mut self.at, budget.left());
        budget.spend(self.at - from);
        match skipped {
            Skipped::More => {
                self.skip = Some((start, key, skip));
                return None;
            }
            Skipped::Broken(what) => return Some(fail(self.at, what)),
            Skipped::Ended => {}
        }
        self.expect = Expect::CommaOrEnd;
        let level = self.depth.saturating_sub(1);
        match key {
            Key::Other => None,
            Key::Items => Some(leaf(start..self.at)),
            Key::Context => Some(self.come_to_items(level, context(level, start..self.at))),
        }
    }
}

fn fail(at: usize, what: impl std::fmt::Display) -> Found {
    Found::Fail(BodyFailure::new(format_args!("byte {at}: {what}")))
}

#[cfg(test)]
mod tests;
