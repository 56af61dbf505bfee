//! What is looked for in an object: the members that tell its time, its stream, its level and its
//! message, by their names. Members of objects inside are named `a.b.c`.

use std::ops::Range;

use super::object::{Member, Walk, Walker};
use super::time;
use crate::level::Level;
use crate::limits::{FIELDS_DEPTH_MAX, PAIR_BYTES_MAX};
use crate::message::escape::unescape;
use crate::message::fields::MESSAGE_NAMES;
use crate::message::json_time;
use crate::message::syslog::{EventTime, Times};
use crate::proto::entries::Pairs;

/// The names that are looked for.
#[derive(Clone, Debug, Default)]
pub(in crate::proto) struct Plan {
    names: Vec<(Box<[u8]>, Role)>,
    /// A bit for each place that the hash of a name has, so that most keys are no name by one look.
    places: u64,
    /// Whether some name is one of an object inside.
    has_inner: bool,
}

/// What a member of a name tells. Of several that tell the same the one of the lowest rank counts,
/// and of these the first in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto) enum Role {
    /// The time, whatever it looks like.
    Time(u8),
    /// The time, if it looks like one and nothing else tells it.
    MaybeTime,
    /// The message.
    Message(u8),
    /// The message, where nobody says what it is called.
    KnownMessage(u8),
    /// The value of label so and so.
    Label(usize, u8),
    /// The level, if it is the name of one.
    Level(u8),
}

/// What was found in one object.
#[derive(Clone, Debug, Default)]
pub(in crate::proto) struct Found {
    time: Option<(u8, EventTime)>,
    level: Option<(u8, Level)>,
    /// Where the values of the labels stand.
    pub labels: Vec<Option<(u8, Range<usize>)>>,
    /// Where the message stands, if it is one that is a text, a number or a word.
    pub message: Option<Message>,
    /// The lowest rank of a text that is a message by its name alone.
    pub known: Option<u8>,
    /// The name of a member inside another, while it is looked at.
    path: Vec<u8>,
}

/// The member that is the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Message {
    rank: u8,
    /// Its value as it is written.
    pub value: Range<usize>,
    /// Its rank among the names that are known to be messages; `None` for another name, for a
    /// member of an object inside, and for what is no text.
    pub known: Option<u8>,
}

impl Plan {
    /// Also looks for `name`.
    pub fn add(&mut self, name: &[u8], role: Role) {
        self.places |= place(name);
        self.has_inner |= name.contains(&b'.');
        self.names.push((name.into(), role));
    }

    /// Also looks for the levels and, if asked to, messages and times that loggers write.
    pub fn add_known(&mut self, has_message: bool, has_times: bool) {
        for name in json_time::KEYS.iter().filter(|_| has_times) {
            self.add(name, Role::MaybeTime);
        }
        self.add(b"level", Role::Level(0));
        self.add(b"severity", Role::Level(1));
        self.add(b"detected_level", Role::Level(2));
        for (name, rank) in MESSAGE_NAMES.iter().zip(0..).filter(|_| has_message) {
            self.add(name, Role::KnownMessage(rank));
        }
    }

    /// Takes a member of `object`.
    #[inline]
    pub fn take(&self, object: &[u8], member: &Member, found: &mut Found, times: &mut Times) {
        let key = &object[member.key.clone()];
        let is_inner = self.has_inner && object.get(member.value.start) == Some(&b'{');
        if is_inner || member.is_key_escaped {
            return self.take_odd(object, member, found, times);
        }
        if self.places & place(key) != 0 {
            self.look_up(object, key, member.value.clone(), true, found, times);
        }
    }

    /// A member whose key is written with escapes, or which is an object that is looked into.
    #[inline(never)]
    fn take_odd(&self, object: &[u8], member: &Member, found: &mut Found, times: &mut Times) {
        let mut path = std::mem::take(&mut found.path);
        path.clear();
        self.take_inner((object, 0), member, (&mut path, FIELDS_DEPTH_MAX), found, times);
        found.path = path;
    }

    /// Takes a member of the object that stands at `base` in `text`; `path` is the name of that
    /// object with a dot, and so deep members are looked for.
    fn take_inner(
        &self,
        (text, base): (&[u8], usize),
        member: &Member,
        (path, depth): (&mut Vec<u8>, usize),
        found: &mut Found,
        times: &mut Times,
    ) {
        let outer = path.len();
        let value = base + member.value.start..base + member.value.end;
        push_key(&text[base + member.key.start..base + member.key.end], member, path);
        if self.places & place(path) != 0 {
            self.look_up(text, path, value.clone(), outer == 0, found, times);
        }
        if text.get(value.start) == Some(&b'{') && depth > 1 {
            path.push(b'.');
            if self.names.iter().any(|(name, _)| name.starts_with(path)) {
                let mut walker = Walker::default();
                while let Walk::Member(member) = walker.walk(&text[value.clone()]) {
                    let inner = (&mut *path, depth - 1);
                    self.take_inner((text, value.start), &member, inner, found, times);
                }
            }
        }
        path.truncate(outer);
    }

    /// Takes the value of a member of that name, if it is looked for.
    fn look_up(
        &self,
        text: &[u8],
        name: &[u8],
        value: Range<usize>,
        is_outer: bool,
        found: &mut Found,
        times: &mut Times,
    ) {
        for (_, role) in self.names.iter().filter(|(other, _)| **other == *name) {
            found.take(*role, name, (text, value.clone()), is_outer, times);
        }
    }
}

impl Found {
    /// Nothing is found of so many labels.
    #[inline]
    pub fn clear(&mut self, labels: usize) {
        (self.time, self.level, self.message, self.known) = (None, None, None, None);
        self.labels.clear();
        self.labels.resize(labels, None);
    }

    /// When it happened.
    #[inline]
    pub fn time(&self) -> EventTime {
        self.time.map_or(EventTime::Missing, |(_, time)| time)
    }

    /// How severe it is.
    #[inline]
    pub fn level(&self) -> Option<Level> {
        self.level.map(|(_, level)| level)
    }

    /// Adds the value of a label, if there is one, to `pairs` under that name.
    pub fn push_label(&self, label: usize, object: &[u8], name: &[u8], pairs: &mut Pairs) {
        let Some((_, value)) = self.labels.get(label).and_then(Option::as_ref) else { return };
        match &object[value.clone()] {
            [b'"', text @ .., b'"'] if text.contains(&b'\\') => {
                let mut plain = Vec::new();
                // Nothing but escapes that are known gets here.
                let _ = unescape(text, PAIR_BYTES_MAX, &mut plain);
                pairs.push(name, &plain);
            }
            value => pairs.push(name, time::inside(value)),
        }
    }

    fn take(
        &mut self,
        role: Role,
        name: &[u8],
        (text, range): (&[u8], Range<usize>),
        is_outer: bool,
        times: &mut Times,
    ) {
        let value = &text[range.clone()];
        match role {
            Role::Time(rank) if self.time.is_none_or(|(other, _)| rank < other) => {
                if let Some(time) = time::of_member(value, times) {
                    self.time = Some((rank, time));
                }
            }
            Role::MaybeTime if self.time.is_none() => {
                let time = json_time::of_text(time::inside(value), times);
                self.time = time.map(|time| (u8::MAX, time));
            }
            Role::Level(rank) if self.level.is_none_or(|(other, _)| rank < other) => {
                if let [b'"', word @ .., b'"'] = value
                    && let Some(level) = Level::from_name(word)
                {
                    self.level = Some((rank, level));
                }
            }
            Role::Label(label, rank) => {
                if let Some(place) = self.labels.get_mut(label)
                    && place.as_ref().is_none_or(|(other, _)| rank < *other)
                    && !matches!(value, b"null" | b"\"\"" | [b'{', ..])
                {
                    *place = Some((rank, range));
                }
            }
            Role::Message(rank) => {
                let is_lower = self.message.as_ref().is_none_or(|other| rank < other.rank);
                if is_lower && !matches!(value, b"null" | b"\"\"" | [b'{' | b'[', ..]) {
                    let is_known = is_outer && value[0] == b'"';
                    let known = MESSAGE_NAMES.iter().zip(0..).find(|(other, _)| **other == name);
                    let known = known.filter(|_| is_known).map(|(_, rank)| rank);
                    self.message = Some(Message { rank, value: range, known });
                }
            }
            Role::KnownMessage(rank) if is_outer && value.first() == Some(&b'"') => {
                self.known = Some(self.known.map_or(rank, |other| other.min(rank)));
            }
            _ => {}
        }
    }
}

/// Appends the name that a key stands for.
pub(in crate::proto) fn push_key(key: &[u8], member: &Member, path: &mut Vec<u8>) {
    if !member.is_key_escaped || unescape(key, PAIR_BYTES_MAX, path).is_none() {
        path.extend_from_slice(key);
    }
}

/// The bit that a name's length and its first and last letters give.
#[inline]
fn place(name: &[u8]) -> u64 {
    let (first, last) = match name {
        [only] => (only, only),
        [first, .., last] => (first, last),
        [] => return 1,
    };
    let hash = name.len() as u32 * 7 + u32::from(*first) * 5 + u32::from(*last) * 11;
    1 << (hash % 64)
}
