//! The marks that begin a frame: `<PRI>`, and the count of RFC 6587, section 3.4.1.

use memchr::{memchr, memchr2, memchr2_iter};

/// The largest PRI: facility 23, severity 7 (RFC 5424, section 6.2.1).
const PRI_MAX: u16 = 191;

/// Digits of a count.
const COUNT_DIGITS_MAX: usize = 6;

/// The longest mark: `999999 <191>`.
pub(super) const MARK_BYTES_MAX: usize = COUNT_DIGITS_MAX + 1 + 5;

/// What bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<T> {
    /// This.
    Yes(T),
    /// Something else.
    No,
    /// More bytes are needed to tell.
    More,
}

/// A count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    /// Bytes of the count and the blank behind it.
    pub prefix: usize,
    /// How many bytes it announces, 1 to 999,999.
    pub bytes: usize,
    /// `z` and a zlib stream follow it.
    pub is_compressed: bool,
}

/// Whether `bytes` begin with `<PRI>`: one to three digits, at most 191; and its length.
pub(super) fn pri(bytes: &[u8]) -> Found<usize> {
    let Some((b'<', rest)) = bytes.split_first() else {
        return if bytes.is_empty() { Found::More } else { Found::No };
    };
    let mut value = 0_u16;
    for (at, &byte) in rest.iter().take(4).enumerate() {
        match byte {
            b'0'..=b'9' if at < 3 => value = value * 10 + u16::from(byte - b'0'),
            b'>' if at > 0 && value <= PRI_MAX => return Found::Yes(at + 2),
            _ => return Found::No,
        }
    }
    // The loop returns at the fourth byte, so there were fewer.
    Found::More
}

/// Whether `bytes` begin with a zlib header behind a `z`: 0x78 and a byte that fits it (RFC 1950,
/// section 2.2), without a preset dictionary.
pub(super) fn compressed(bytes: &[u8]) -> Found<()> {
    match *bytes {
        [] | [b'z'] | [b'z', 0x78] => Found::More,
        [b'z', 0x78, flags, ..] if flags & 0x20 == 0 && (0x7800 | u16::from(flags)) % 31 == 0 => {
            Found::Yes(())
        }
        _ => Found::No,
    }
}

/// Whether `bytes` begin with `[1-9][0-9]{0,5}` and a blank: the announced bytes and the length.
fn number(bytes: &[u8]) -> Found<(usize, usize)> {
    let mut value = 0_usize;
    for (at, &byte) in bytes.iter().take(COUNT_DIGITS_MAX + 1).enumerate() {
        match byte {
            b'0' if at == 0 => return Found::No,
            b'0'..=b'9' if at < COUNT_DIGITS_MAX => value = value * 10 + usize::from(byte - b'0'),
            b' ' if at > 0 => return Found::Yes((value, at + 1)),
            _ => return Found::No,
        }
    }
    Found::More
}

/// Whether `bytes` begin with a count of a message that begins with `<PRI>` or is compressed, and
/// that is at least as long as what was looked at.
pub(super) fn count(bytes: &[u8]) -> Found<Count> {
    let (announced, prefix) = match number(bytes) {
        Found::Yes(number) => number,
        Found::No => return Found::No,
        Found::More => return Found::More,
    };
    let rest = &bytes[prefix..];
    let found = |marks: usize, is_compressed: bool| match announced >= marks {
        true => Found::Yes(Count { prefix, bytes: announced, is_compressed }),
        false => Found::No,
    };
    match (pri(rest), compressed(rest)) {
        (Found::Yes(marks), _) => found(marks, false),
        (_, Found::Yes(())) => found(3, true),
        (Found::No, Found::No) => Found::No,
        _ => Found::More,
    }
}

/// The same where everything is counted: what follows the blank may be any text.
pub(super) fn any_count(bytes: &[u8]) -> Found<Count> {
    let (announced, prefix) = match number(bytes) {
        Found::Yes(number) => number,
        Found::No => return Found::No,
        Found::More => return Found::More,
    };
    let plain = Count { prefix, bytes: announced, is_compressed: false };
    match compressed(&bytes[prefix..]) {
        Found::Yes(()) if announced >= 3 => Found::Yes(Count { is_compressed: true, ..plain }),
        Found::More if announced >= 3 => Found::More,
        _ => Found::Yes(plain),
    }
}

/// Whether a frame's own mark stands at the front of `bytes`.
fn mark(bytes: &[u8]) -> Found<()> {
    match bytes.first() {
        None => Found::More,
        Some(b'<') => match pri(bytes) {
            Found::Yes(_) => Found::Yes(()),
            Found::No => Found::No,
            Found::More => Found::More,
        },
        Some(_) => match count(bytes) {
            Found::Yes(_) => Found::Yes(()),
            Found::No => Found::No,
            Found::More => Found::More,
        },
    }
}

/// What stands inside a counted frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// At this place an LF, and behind it the mark of another frame: the count is wrong.
    Wrong(usize),
    /// Nothing of the kind before this place; from there on more bytes are needed to tell.
    Clean(usize),
}

/// Looks from `from` on for an LF that the mark of another frame follows, all of it within
/// `frame`; the LF at `lf_max` at most. `is_whole`: the frame ends where `frame` does, so that a
/// `<`, alone or with digits, behind its last LF is a mark that the count cuts through.
pub(super) fn other_mark(frame: &[u8], from: usize, lf_max: usize, is_whole: bool) -> Inside {
    let mut at = from.min(frame.len());
    while let Some(ahead) = memchr(b'\n', &frame[at..]) {
        at += ahead;
        if at > lf_max {
            return Inside::Clean(frame.len());
        }
        let rest = &frame[at + 1..];
        match mark(rest) {
            Found::Yes(()) => return Inside::Wrong(at),
            Found::More if !is_whole => return Inside::Clean(at),
            Found::More if rest.first() == Some(&b'<') => return Inside::Wrong(at),
            Found::More | Found::No => at += 1,
        }
    }
    Inside::Clean(frame.len())
}

/// Where an LF stands in `text` that a whole `<PRI>` follows.
pub(super) fn lf_pri(text: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(text, b"\n<")
        .find(|&at| matches!(pri(&text[at + 1..]), Found::Yes(_)))
}

/// How text ends that nothing announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StrayEnd {
    /// With the LF or NUL at this place.
    Terminator(usize),
    /// Before the count at this place.
    Count(usize),
}

/// The first end of stray text: an LF, a NUL or the next plausible count, at `from` or later.
pub(super) fn stray_end(bytes: &[u8], from: usize) -> Option<StrayEnd> {
    let terminator = memchr2(b'\n', 0, bytes);
    // No count reaches over an LF or NUL, so all that begin before it stand whole before it.
    let line = &bytes[..terminator.unwrap_or(bytes.len())];
    let marks = memchr2_iter(b'<', b'z', line);
    let mut counts = marks.filter_map(|at| count_before(line, at));
    let count = counts.find(|&at| at >= from);
    count.map(StrayEnd::Count).or(terminator.map(StrayEnd::Terminator))
}

/// Where the count begins whose message would begin at `at`.
fn count_before(line: &[u8], at: usize) -> Option<usize> {
    let digits_end = at.checked_sub(1).filter(|&blank| line[blank] == b' ')?;
    let digits = line[..digits_end].iter().rev().take(COUNT_DIGITS_MAX);
    let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
    let start = digits_end - digits;
    let zeros = line[start..digits_end].iter().take_while(|&&byte| byte == b'0').count();
    let start = start + zeros;
    matches!(count(&line[start..]), Found::Yes(_)).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `find` says of each beginning of `bytes`, and lastly of all of it, as one letter each.
    fn each<T>(find: fn(&[u8]) -> Found<T>, bytes: &[u8]) -> String {
        let letter = |found| match found {
            Found::Yes(_) => 'y',
            Found::No => 'n',
            Found::More => '.',
        };
        (0..=bytes.len()).map(|end| letter(find(&bytes[..end]))).collect()
    }

    #[test]
    fn a_pri_is_one_to_three_digits_up_to_191() {
        assert_eq!(each(pri, b"<0>x"), "...yy");
        assert_eq!(each(pri, b"<191>x"), ".....yy");
        assert_eq!(pri(b"<191>"), Found::Yes(5));
        assert_eq!(pri(b"<013>"), Found::Yes(5));
        for wrong in ["<>", "<192>", "<999>", "<1911>", "<-1>", "<1 >", "14>", "<a>", " <1>"] {
            assert_eq!(pri(wrong.as_bytes()), Found::No, "{wrong}");
        }
    }

    #[test]
    fn a_count_is_one_to_six_digits_a_blank_and_a_mark() {
        assert_eq!(each(count, b"123 <14>x"), "........yy");
        assert_eq!(count(b"3 <14>"), Found::No, "its PRI alone is longer");
        assert_eq!(
            count(b"999999 zx\x9c"),
            Found::Yes(Count { prefix: 7, bytes: 999_999, is_compressed: true })
        );
        let lines = [
            "2026-11-20 <14>",
            "12 monkeys",
            "404 <b>",
            "0 <14>x",
            "012 <14>xxxxx",
            "1234567 <1>",
            "12  <14>xxxxxx",
            "12\t<14>xxxxxx",
            "12 <192>xxxxx",
            "3 <14>",
            "48 zx81",
            "48 zx spectrum",
            "2 zx\u{1}",
            "12345678",
            " 12 <14>",
            "7:30 <14>",
        ];
        for line in lines {
            assert_eq!(count(line.as_bytes()), Found::No, "{line}");
        }
    }

    #[test]
    fn all_four_usual_zlib_headers_are_known() {
        for flags in [0x01, 0x5e, 0x9c, 0xda] {
            assert_eq!(compressed(&[b'z', 0x78, flags]), Found::Yes(()));
        }
        for flags in [0x00, b'8', b' ', 0x20, 0xbb] {
            assert_eq!(compressed(&[b'z', 0x78, flags]), Found::No, "{flags:#x}");
        }
    }

    #[test]
    fn a_mark_behind_an_lf_says_that_the_count_is_wrong() {
        let at = |frame: &[u8], is_whole| other_mark(frame, 0, usize::MAX, is_whole);
        assert_eq!(at(b"<14>a\n<14>b", true), Inside::Wrong(5));
        assert_eq!(at(b"<14>a\n7 <14>bcd", true), Inside::Wrong(5));
        assert_eq!(at(b"<14>a\nb <14>c\n <14>\n9 lives\n", true), Inside::Clean(28));
        assert_eq!(at(b"<14>a\n<1", true), Inside::Wrong(5));
        assert_eq!(at(b"<14>a\n<1", false), Inside::Clean(5));
        assert_eq!(at(b"<14>a\n12", true), Inside::Clean(8));
        assert_eq!(at(b"<14>a\n12", false), Inside::Clean(5));
        assert_eq!(at(b"<14>a\n", false), Inside::Clean(5));
        assert_eq!(other_mark(b"<14>a\n<14>b", 0, 4, true), Inside::Clean(11));
    }

    #[test]
    fn stray_text_ends_at_a_terminator_or_at_the_next_count() {
        assert_eq!(stray_end(b"abc", 1), None);
        assert_eq!(stray_end(b"abc\n9 <14>xxxx", 1), Some(StrayEnd::Terminator(3)));
        assert_eq!(stray_end(b"abc9 <14>xxxx\n", 1), Some(StrayEnd::Count(3)));
        assert_eq!(stray_end(b"a0099 zx\x9cyy", 1), Some(StrayEnd::Count(3)));
        assert_eq!(stray_end(b"1234567 <14>x", 1), Some(StrayEnd::Count(1)));
        assert_eq!(stray_end(b"a < 9 <b> zx 9 <14", 1), None);
    }
}
