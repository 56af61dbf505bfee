//! The words that say a level, or that a level follows.

use super::Level;

/// What a word in a line's beginning means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The level itself.
    Level(Level),
    /// The name of a pair whose value is the level.
    Key,
}

/// Every word that counts, in small letters; of longer words the first eight letters.
const WORDS: &[(&[u8], Word)] = &[
    (b"trace", Word::Level(Level::Trace)),
    (b"trc", Word::Level(Level::Trace)),
    (b"trce", Word::Level(Level::Trace)),
    (b"verbose", Word::Level(Level::Trace)),
    (b"vrb", Word::Level(Level::Trace)),
    (b"finer", Word::Level(Level::Trace)),
    (b"finest", Word::Level(Level::Trace)),
    (b"debug", Word::Level(Level::Debug)),
    (b"dbg", Word::Level(Level::Debug)),
    (b"dbug", Word::Level(Level::Debug)),
    (b"fine", Word::Level(Level::Debug)),
    (b"info", Word::Level(Level::Info)),
    (b"inf", Word::Level(Level::Info)),
    (b"informat", Word::Level(Level::Info)),
    (b"notice", Word::Level(Level::Notice)),
    (b"note", Word::Level(Level::Notice)),
    (b"warning", Word::Level(Level::Warning)),
    (b"warn", Word::Level(Level::Warning)),
    (b"wrn", Word::Level(Level::Warning)),
    (b"error", Word::Level(Level::Error)),
    (b"err", Word::Level(Level::Error)),
    (b"fail", Word::Level(Level::Error)),
    (b"severe", Word::Level(Level::Error)),
    (b"critical", Word::Level(Level::Critical)),
    (b"crit", Word::Level(Level::Critical)),
    (b"fatal", Word::Level(Level::Critical)),
    (b"ftl", Word::Level(Level::Critical)),
    (b"alert", Word::Level(Level::Alert)),
    (b"emergenc", Word::Level(Level::Emergency)),
    (b"emerg", Word::Level(Level::Emergency)),
    (b"panic", Word::Level(Level::Emergency)),
    (b"level", Word::Key),
    (b"lvl", Word::Key),
    (b"severity", Word::Key),
    (b"loglevel", Word::Key),
    (b"levelnam", Word::Key),
];

/// Multiplier of the hash under which no two of [`WORDS`] share a place.
const MULTIPLIER: u64 = find_multiplier();
const TABLE_BITS: u32 = 7;
const TABLE_PLACES: usize = 1 << TABLE_BITS;

/// A place without a word: its key is one that no word has.
const NONE: (u64, Option<Word>) = (0, None);

static TABLE: [(u64, Option<Word>); TABLE_PLACES] = {
    let mut table = [NONE; TABLE_PLACES];
    let mut i = 0;
    while i < WORDS.len() {
        let key = key(WORDS[i].0);
        table[place(key, MULTIPLIER)] = (key, Some(WORDS[i].1));
        i += 1;
    }
    table
};

/// What the word means; `key` is up to eight small letters, the first in the lowest byte.
#[inline]
pub(super) fn look_up(key: u64) -> Option<Word> {
    let (found, word) = TABLE[place(key, MULTIPLIER)];
    if found == key { word } else { None }
}

#[inline]
const fn place(key: u64, multiplier: u64) -> usize {
    (key.wrapping_mul(multiplier) >> (64 - TABLE_BITS)) as usize
}

const fn key(word: &[u8]) -> u64 {
    let mut key = 0;
    let mut i = word.len();
    while i > 0 {
        i -= 1;
        key = key << 8 | word[i] as u64;
    }
    key
}

/// Tries odd numbers from a fixed start on until one gives each word its own place.
const fn find_multiplier() -> u64 {
    let mut multiplier: u64 = 0x9e37_79b9_7f4a_7c15;
    loop {
        let mut used = 0_u128;
        let mut i = 0;
        while i < WORDS.len() {
            let bit = 1 << place(key(WORDS[i].0), multiplier);
            if used & bit != 0 {
                break;
            }
            used |= bit;
            i += 1;
        }
        if i == WORDS.len() {
            return multiplier;
        }
        multiplier = multiplier.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(2);
    }
}
