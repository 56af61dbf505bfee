//! Finds the level in a line's beginning.
//!
//! ```text
//! 1. The very first bytes, where they alone say it: <PRI>, `E0102 `, `E/Tag`, logcat's columns.
//! 2. Else, over the first WINDOW_BYTES bytes, marked places, leftmost first:
//!    UPPER   a word of three capitals or more:       ` ERROR `  `[WARN]`  `INFO:`  `|DEBUG|`
//!    end     an end mark behind a small letter:      `[error]`  `error: `  `<info>`  and the keys
//!            of a pair, whose value then counts:     `level=warn`  `"level":"info"`  `"level":30`
//!    The word there is looked up in WORDS; its surroundings must be those of a mark, so that
//!    running prose (`in error state 6`, `no error found`) says nothing.
//! ```
//!
//! Step 2 is on the path of every line: `candidates.rs` finds the few places worth a lookup.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::Level;
use super::candidates::{BLOCK_BYTES, candidates};
use super::words::{Word, look_up};
use crate::limits::JSON_LEVEL_BYTES_MAX;

/// How far into a line a level may begin, in bytes. Levels stand behind a time and a few names:
/// the farthest in the sample logs is BGL's, at byte 109. Behind that, words are prose far more
/// often than marks.
const WINDOW_BYTES: usize = 112;

/// The level that `line` says it has; [`Level::Unknown`] where it does not say.
///
/// Takes any bytes; looks at the first `WINDOW_BYTES` and the word that begins there.
#[inline]
pub fn detect(line: &[u8]) -> Level {
    // A year in four digits is what most lines begin with; logcat's month has two.
    if let [first, _, third, ..] = *line
        && (BEGINS[usize::from(first)] || third == b'-')
        && let Some(level) = at_beginning(line)
    {
        return level;
    }
    marked(line)
}

/// The level of a JSON object: the value of a key `"level"` near its beginning, where most write
/// it; else as [`detect`], and where that finds none, the value of the first key such as `"level"`
/// or `"severity"` within `JSON_LEVEL_BYTES_MAX` bytes. GELF writes it behind the message.
pub fn detect_json(object: &[u8]) -> Level {
    static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"level\":"));
    let window = &object[..object.len().min(WINDOW_BYTES)];
    if let Some(at) = KEY.find(window) {
        let level = value(object, at + b"\"level".len());
        if level != Level::Unknown {
            return level;
        }
    }
    match detect(object) {
        Level::Unknown => late_key(object),
        level => level,
    }
}

#[inline(never)]
fn late_key(object: &[u8]) -> Level {
    let window = &object[..object.len().min(JSON_LEVEL_BYTES_MAX)];
    let ends = memchr::memmem::find_iter(window, b"\":");
    ends.filter(|&end| end >= WINDOW_BYTES.min(window.len()))
        .filter(|&end| matches!(look_up(word_until(object, end).0), Some(Word::Key)))
        .map(|end| value(object, end))
        .find(|&level| level != Level::Unknown)
        .unwrap_or(Level::Unknown)
}

/// Looks at the marked places, leftmost first.
#[inline]
fn marked(line: &[u8]) -> Level {
    let Some(block) = line.first_chunk::<BLOCK_BYTES>() else { return marked_short(line) };
    let level = look(line, candidates(block), 0);
    if level != Level::Unknown {
        return level;
    }
    // The second block ends with the window or with the line, whichever comes first; what it
    // shares with the first is known.
    let window = &line[..line.len().min(WINDOW_BYTES)];
    let Some(block) = window.last_chunk::<BLOCK_BYTES>() else { return Level::Unknown };
    let start = window.len() - BLOCK_BYTES;
    let new = u64::MAX.checked_shl((BLOCK_BYTES - start) as u32).unwrap_or(0);
    look(line, candidates(block) & new, start)
}

/// [`marked`] for a line of less than a block.
#[inline(never)]
fn marked_short(line: &[u8]) -> Level {
    let mut block = [0; BLOCK_BYTES];
    let Some(part) = block.get_mut(..line.len()) else { return Level::Unknown };
    part.copy_from_slice(line);
    look(line, candidates(&block), 0)
}

/// Looks up the candidates of the block that begins at `start`, leftmost first.
#[inline]
fn look(line: &[u8], mut candidates: u64, start: usize) -> Level {
    while candidates != 0 {
        let at = start + candidates.trailing_zeros() as usize;
        let level = at_place(line, at);
        if level != Level::Unknown {
            return level;
        }
        candidates &= candidates - 1;
    }
    Level::Unknown
}

/// The level marked at a candidate.
#[inline]
fn at_place(line: &[u8], at: usize) -> Level {
    match line.get(at) {
        Some(b'A'..=b'Z') => capitals(line, at),
        _ => before_end(line, at),
    }
}

/// The level of a word in capitals that begins at `at`.
#[inline]
fn capitals(line: &[u8], at: usize) -> Level {
    let raw = bytes_from(line, at);
    let others = !letters(raw, b'A') & HIGH_BITS;
    let (key, bytes) = match others {
        0 => long_word(line, at),
        _ => (first_letters(raw | SMALL_BITS, others), others.trailing_zeros() as usize / 8),
    };
    // Small letters may not follow, so that this is a word all in capitals.
    let may_end = match line.get(at + bytes) {
        Some(&byte) => MAY_FOLLOW[usize::from(byte)],
        None => true,
    };
    match look_up(key) {
        Some(Word::Level(level)) if may_end && may_begin(line, at) => level,
        _ => Level::Unknown,
    }
}

/// Whether a word in capitals may begin at `at`.
#[inline]
fn may_begin(line: &[u8], at: usize) -> bool {
    match line.get(at.wrapping_sub(1)) {
        Some(&byte) => MAY_PRECEDE[usize::from(byte)] || is_colored(line, at),
        None => true,
    }
}

/// The level of a word whose last letter stands before the end mark at `at`, or of the pair that
/// the word is the key of.
#[inline]
fn before_end(line: &[u8], at: usize) -> Level {
    let (key, bytes) = word_until(line, at);
    match look_up(key) {
        None => Level::Unknown,
        Some(word) => before_end_known(line, at, word, bytes),
    }
}

/// [`before_end`] where the word is one of those that count.
#[inline(never)]
fn before_end_known(line: &[u8], at: usize, word: Word, bytes: usize) -> Level {
    match word {
        Word::Level(level) if is_mark(line, at - bytes, at) => level,
        Word::Level(_) => Level::Unknown,
        Word::Key => value(line, at),
    }
}

/// Whether the small-letter word at `start..end` stands as a mark, not as prose.
fn is_mark(line: &[u8], start: usize, end: usize) -> bool {
    let Some(&before) = start.checked_sub(1).and_then(|i| line.get(i)) else {
        return line[end] == b':';
    };
    match line[end] {
        b']' if before == b'[' || before == b':' => true,
        b'>' => before == b'<',
        b']' | b':' if before == b' ' || before == b'\t' => {
            // In prose a word stands before it; behind a time, a name and a colon, a bracket, none.
            line[..start]
                .trim_ascii_end()
                .last()
                .is_none_or(|&b| !b.is_ascii_lowercase() && b != b',')
        }
        _ => false,
    }
}

/// The level that is the value of the pair whose key ends before `at`: `"level": "info"`,
/// `level=warn`, `"level":30`.
fn value(line: &[u8], at: usize) -> Level {
    let is_quoted = line[at] == b'"';
    let start = at
        + match line[at..] {
            [b'"', b':', b' ', b'"', ..] => 4,
            [b'"', b':', b'"' | b' ', ..] => 3,
            [b'"', b':', ..] | [b':' | b'=', b'"' | b' ', ..] => 2,
            [b':' | b'=', ..] => 1,
            _ => return Level::Unknown,
        };
    if line.get(start).is_some_and(u8::is_ascii_digit) {
        return number(&line[start..], is_quoted);
    }
    let (key, bytes) = word_from(line, start);
    match look_up(key) {
        Some(Word::Level(level))
            if line.get(start + bytes).is_none_or(|&b| !b.is_ascii_alphanumeric() && b != b'_') =>
        {
            level
        }
        _ => Level::Unknown,
    }
}

/// A level as a number: pino's and bunyan's tens, and for quoted keys the severities of GELF.
fn number(text: &[u8], is_quoted: bool) -> Level {
    match text {
        [_, b'0'..=b'9', b'0'..=b'9', ..] => Level::Unknown,
        [b'1', b'0', ..] => Level::Trace,
        [b'2', b'0', ..] => Level::Debug,
        [b'3', b'0', ..] => Level::Info,
        [b'4', b'0', ..] => Level::Warning,
        [b'5', b'0', ..] => Level::Error,
        [b'6', b'0', ..] => Level::Critical,
        [b'0'..=b'9', b'0'..=b'9', ..] => Level::Unknown,
        [severity @ b'0'..=b'7', ..] if is_quoted => Level::from_severity(severity - b'0'),
        _ => Level::Unknown,
    }
}

/// Whether the word at `at` follows a terminal's color sequence, as in `ESC [ 3 2 m`.
#[cold]
fn is_colored(line: &[u8], at: usize) -> bool {
    let Some(before) = line[..at].strip_suffix(b"m") else { return false };
    let parameters = before.iter().rev().take_while(|&&b| b.is_ascii_digit() || b == b';').count();
    before[..before.len() - parameters].ends_with(b"\x1b[")
}

/// The level that `name`, being one word, is the name of.
pub(super) fn whole_word(name: &[u8]) -> Option<Level> {
    let (key, bytes) = word_from(name, 0);
    match look_up(key) {
        Some(Word::Level(level)) if bytes == name.len() => Some(level),
        _ => None,
    }
}

/// The high bit of each of eight bytes.
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
/// What makes each of eight letters a small one.
const SMALL_BITS: u64 = u64::from_le_bytes([0x20; 8]);

/// The high bit of each byte of `bytes` that is one of the 26 letters from `first` on.
#[inline]
fn letters(bytes: u64, first: u8) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let low7 = bytes & !HIGH_BITS;
    let from_first = low7 + ONES * u64::from(0x80 - first);
    let above_last = low7 + ONES * u64::from(0x80 - first - 26);
    from_first & !above_last & !bytes & HIGH_BITS
}

/// The bytes of `lowered` below the first that `others` says to be no letter; there is one.
#[inline]
fn first_letters(lowered: u64, others: u64) -> u64 {
    let below = (others & others.wrapping_neg()) - 1;
    lowered & (below >> 7)
}

/// The eight bytes from `at` on, zeros where the line has ended.
#[inline]
fn bytes_from(line: &[u8], at: usize) -> u64 {
    match line[at..].first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => last_bytes(&line[at..]),
    }
}

/// The word that begins at `at`: its first eight letters in small letters, and how many they are.
#[inline]
fn word_from(line: &[u8], at: usize) -> (u64, usize) {
    let lowered = bytes_from(line, at) | SMALL_BITS;
    let others = !letters(lowered, b'a') & HIGH_BITS;
    if others == 0 {
        return long_word(line, at);
    }
    (first_letters(lowered, others), others.trailing_zeros() as usize / 8)
}

/// Less than eight bytes, zeros behind them.
#[cold]
fn last_bytes(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |bytes, &byte| bytes << 8 | u64::from(byte))
}

/// A word of eight letters or more: cut to eight where it goes on as a known word does.
#[cold]
fn long_word(line: &[u8], at: usize) -> (u64, usize) {
    let lowered = bytes_from(line, at) | SMALL_BITS;
    let rest = &line[at + 8..];
    let more = rest.iter().take(8).take_while(|b| b.is_ascii_alphabetic()).count();
    let known: &[&[u8]] = match &lowered.to_le_bytes() {
        b"emergenc" => &[b"y"],
        b"informat" => &[b"ion", b"ional"],
        b"levelnam" => &[b"e"],
        _ => &[b""],
    };
    if known.iter().any(|ending| ending.eq_ignore_ascii_case(&rest[..more])) {
        (lowered, 8 + more)
    } else {
        (0, 8)
    }
}

/// The word whose last letter stands before `end`, as [`word_from`] has it.
#[inline]
fn word_until(line: &[u8], end: usize) -> (u64, usize) {
    let raw = match (line[..end].last_chunk::<8>(), line.first_chunk::<8>()) {
        (Some(bytes), _) => u64::from_le_bytes(*bytes),
        (None, Some(bytes)) if end > 0 => u64::from_le_bytes(*bytes) << (64 - 8 * end),
        _ => return short_until(line, end),
    };
    let lowered = raw | SMALL_BITS;
    let others = !letters(lowered, b'a') & HIGH_BITS;
    if others == 0 {
        return long_until(line, end);
    }
    let bytes = others.leading_zeros() as usize / 8;
    if bytes == 0 {
        return (0, 0);
    }
    (lowered >> (64 - 8 * bytes), bytes)
}

#[cold]
fn short_until(line: &[u8], end: usize) -> (u64, usize) {
    let bytes = line[..end].iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
    (word_from(&line[..end], end - bytes).0, bytes)
}

#[cold]
fn long_until(line: &[u8], end: usize) -> (u64, usize) {
    let bytes = line[..end].iter().rev().take(14).take_while(|b| b.is_ascii_alphabetic()).count();
    (word_from(&line[..end], end - bytes).0, bytes)
}

const fn set(bytes: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut i = 0;
    while i < bytes.len() {
        set[bytes[i] as usize] = true;
        i += 1;
    }
    set
}

/// What may stand before a word in capitals that is a mark.
static MAY_PRECEDE: [bool; 256] = set(b" \t[](<>{|\"'=:*,;#!");
/// What may stand behind it.
static MAY_FOLLOW: [bool; 256] = set(b" \t[]()<>}|\"':*,;!/\x1b\r");
/// First bytes of lines that may say their level right there.
static BEGINS: [bool; 256] = set(b"<[EWIDFVTC");

/// The level where the first bytes alone say it.
fn at_beginning(line: &[u8]) -> Option<Level> {
    match *line {
        [b'<', b'0'..=b'9', ..] => priority(line),
        [b'0'..=b'9', b'0'..=b'9', b'-', _, _, b' ', ..] => logcat(line),
        [letter, b'/', ..] => letter_level(letter),
        [letter, b'0'..=b'9', ..] => klog(line, letter),
        [b'[', letter, b' ', b'0'..=b'9', ..] => letter_level(letter),
        [b'[', letter, b']', ..] => letter_level(letter),
        _ => None,
    }
}

/// `<PRI>` of RFC 5424, section 6.2.1: at most 191, severity in the low three bits.
fn priority(line: &[u8]) -> Option<Level> {
    let digits = line[1..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    if digits > 3 || line.get(1 + digits) != Some(&b'>') {
        return None;
    }
    let value = line[1..=digits].iter().fold(0_u16, |sum, &b| sum * 10 + u16::from(b - b'0'));
    (value <= 191).then(|| Level::from_severity((value & 7) as u8))
}

/// The level letter of glog and logcat.
fn letter_level(letter: u8) -> Option<Level> {
    Some(match letter {
        b'V' | b'T' => Level::Trace,
        b'D' => Level::Debug,
        b'I' => Level::Info,
        b'W' => Level::Warning,
        b'E' => Level::Error,
        b'F' | b'C' => Level::Critical,
        _ => return None,
    })
}

/// `E0102 12:00:00.1` and `E20260102 12:00:00.1`: a letter, a date without signs, a time.
fn klog(line: &[u8], letter: u8) -> Option<Level> {
    let date = line[1..].iter().take(9).take_while(|b| b.is_ascii_digit()).count();
    let is_time = matches!(line[1 + date..], [b' ', b'0'..=b'9', b'0'..=b'9', b':', ..]);
    if (date == 4 || date == 8) && is_time { letter_level(letter) } else { None }
}

/// `03-17 16:13:38.811  1702  2395 D Tag: ` and `03-17 16:13:38.811 D/Tag( 1702): `.
fn logcat(line: &[u8]) -> Option<Level> {
    // Both numbers are usually padded to five places.
    if let Some([b' ', letter, b' ']) = line.get(30..33)
        && line[18] == b' '
        && line[24] == b' '
    {
        return letter_level(*letter);
    }
    let mut rest = line.get(18..)?;
    for _ in 0..3 {
        let spaces = rest.iter().take(8).take_while(|&&b| b == b' ').count();
        rest = &rest[spaces..];
        if let [letter, b' ' | b'/', ..] = *rest
            && letter.is_ascii_uppercase()
        {
            return letter_level(letter);
        }
        let digits = rest.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
        if spaces == 0 || digits == 0 {
            return None;
        }
        rest = &rest[digits..];
    }
    None
}

/// Looks for a level in arbitrary bytes.
///
/// # Panics
/// When the bit maps find another level than a look at every place in turn.
pub fn fuzz_level(data: &[u8]) {
    let _ = detect(data);
    assert_eq!(marked(data), marked_naive(data), "{}", data.escape_ascii());
}

/// [`marked`] by the plainest means.
fn marked_naive(line: &[u8]) -> Level {
    let is_upper = |at: usize| line.get(at).is_some_and(u8::is_ascii_uppercase);
    (0..line.len().min(WINDOW_BYTES))
        .filter(|&at| match line[at] {
            b':'..=b'>' | b'"' | b']' => at > 0 && matches!(line[at - 1], 0x60..0x80),
            _ => is_upper(at) && is_upper(at + 1) && is_upper(at + 2),
        })
        .map(|at| at_place(line, at))
        .find(|&level| level != Level::Unknown)
        .unwrap_or(Level::Unknown)
}
