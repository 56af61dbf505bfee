//! Looking for one literal in a window: as it stands, or folding ASCII case.
//!
//! The folding search compares two bytes of the needle, the two that are rarest in logs, at 64
//! places at once in a loop that compilers turn into vector code; only a place where both fit is
//! compared as a whole. Searching for one rare byte with `memchr2` is faster where that byte really
//! is rare, and three times slower where it is not; this costs the same for every needle.

use memchr::memmem;

/// How many places are compared at once.
const LANES: usize = 64;

/// One literal to look for.
#[derive(Debug, Clone)]
pub struct Needle {
    /// The bytes; lower case where the case is folded.
    bytes: Vec<u8>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Byte for byte.
    Exact(Box<memmem::Finder<'static>>),
    /// ASCII letters in either case, found by the two rarest bytes.
    Fold { first: Probe, second: Probe },
}

/// One byte of the needle to compare at a place.
#[derive(Debug, Clone, Copy)]
struct Probe {
    /// Where in the needle it stands.
    at: usize,
    /// 0x20 for a letter, so that both cases become the lower one; 0 for any other byte.
    mask: u8,
    byte: u8,
}

impl Needle {
    /// A needle that matches byte for byte.
    pub fn exact(bytes: &[u8]) -> Self {
        let finder = memmem::Finder::new(bytes).into_owned();
        Self { bytes: bytes.to_vec(), kind: Kind::Exact(Box::new(finder)) }
    }

    /// A needle whose ASCII letters match in either case.
    pub fn fold(bytes: &[u8]) -> Self {
        let bytes = bytes.to_ascii_lowercase();
        if !bytes.iter().any(u8::is_ascii_alphabetic) {
            return Self::exact(&bytes);
        }
        let first = rarest(&bytes, None);
        let second = rarest(&bytes, Some(first.at));
        Self { bytes, kind: Kind::Fold { first, second } }
    }

    /// The needle's length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the needle is empty, and so is found everywhere.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How often the needle is expected in logs: the smaller, the better it is as the one that
    /// leads a search. Only the order means something.
    pub fn frequency(&self) -> u32 {
        let first = rarest(&self.bytes, None);
        let second = rarest(&self.bytes, Some(first.at));
        let alone = if self.bytes.len() < 2 { 255 } else { frequency(second.byte) };
        u32::from(frequency(first.byte)) + u32::from(alone)
    }

    /// Where the needle begins in `text`, if anywhere.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        match &self.kind {
            Kind::Exact(finder) => finder.find(text),
            Kind::Fold { first, second } => self.find_fold(text, *first, *second),
        }
    }

    fn find_fold(&self, text: &[u8], first: Probe, second: Probe) -> Option<usize> {
        // The number of places where the needle could begin.
        let places = text.len().checked_sub(self.bytes.len())? + 1;
        let mut at = 0;
        while at + LANES <= places {
            if let Some(found) = self.find_in_lanes(text, at, first, second) {
                return Some(found);
            }
            at += LANES;
        }
        if at < places && places >= LANES {
            // The last lanes overlap those before them, which hold no match.
            return self.find_in_lanes(text, places - LANES, first, second);
        }
        (at..places).find(|&place| self.is_at(text, place))
    }

    /// Looks at the places `at..at + LANES`, all of which leave room for the whole needle.
    #[inline]
    fn find_in_lanes(&self, text: &[u8], at: usize, a: Probe, b: Probe) -> Option<usize> {
        let left: &[u8; LANES] = text.get(at + a.at..)?.first_chunk()?;
        let right: &[u8; LANES] = text.get(at + b.at..)?.first_chunk()?;
        let fits = |lane: usize| {
            u8::from(left[lane] | a.mask == a.byte) & u8::from(right[lane] | b.mask == b.byte)
        };
        // No exit inside the loop, or it would not be vector code.
        let mut any = 0;
        for lane in 0..LANES {
            any |= fits(lane);
        }
        if any == 0 {
            return None;
        }
        (0..LANES).find(|&lane| fits(lane) != 0 && self.is_at(text, at + lane)).map(|l| at + l)
    }

    fn is_at(&self, text: &[u8], place: usize) -> bool {
        text.get(place..place + self.bytes.len())
            .is_some_and(|piece| piece.eq_ignore_ascii_case(&self.bytes))
    }
}

/// The rarest byte of `bytes`, other than the one at `except`.
fn rarest(bytes: &[u8], except: Option<usize>) -> Probe {
    let at = (0..bytes.len())
        .filter(|&at| except.is_none_or(|other| at != other && bytes[at] != bytes[other]))
        .min_by_key(|&at| frequency(bytes[at]))
        .or(except)
        .unwrap_or(0);
    let byte = bytes.get(at).copied().unwrap_or(0).to_ascii_lowercase();
    Probe { at, mask: if byte.is_ascii_alphabetic() { 0x20 } else { 0 }, byte }
}

/// How frequent `byte` is in logs: 16 a doubling, 255 the most frequent.
fn frequency(byte: u8) -> u8 {
    FREQUENCIES[usize::from(byte.to_ascii_lowercase())]
}

/// Counted over the lower-cased lines of ten kinds of real logs.
#[rustfmt::skip]
const FREQUENCIES: [u8; 256] = [
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0, 195,   0,   0, 195,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    255,  70, 145,  66, 147,  14,   1,  75, 169, 169, 127,  60, 184, 226, 227, 195,
    244, 243, 232, 222, 222, 225, 216, 218, 217, 216, 226, 136,  83, 190,  84,  14,
    148,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0, 189,  11, 189,   0, 189,
      0, 236, 208, 228, 227, 243, 211, 199, 201, 228, 176, 199, 217, 215, 232, 235,
    210, 162, 235, 230, 231, 214, 197, 190, 176, 182, 152,  81,  51,  81,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(text: &[u8], needle: &[u8], fold: bool) -> Option<usize> {
        if needle.is_empty() {
            return Some(0);
        }
        text.windows(needle.len()).position(|piece| {
            if fold { piece.eq_ignore_ascii_case(needle) } else { piece == needle }
        })
    }

    #[test]
    fn letters_fold_and_nothing_else_does() {
        for (text, needle, expected) in [
            (&b"Connection TIMEOUT"[..], &b"timeout"[..], Some(11)),
            (b"Connection TIMEOUT", b"TimeOut", Some(11)),
            (b"a@b", b"a`b", None),
            (b"[x]", b"{x}", None),
            ("STRASSE \u{c4}".as_bytes(), "\u{e4}".as_bytes(), None),
            (b"short", b"longer than the text", None),
            (b"", b"a", None),
            (b"a", b"A", Some(0)),
        ] {
            assert_eq!(Needle::fold(needle).find(text), expected, "{text:?} {needle:?}");
        }
    }

    fn some_bytes(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::sample::select(&b"abAB@ `\x00\xe4"[..]), count)
    }

    proptest! {
        #[test]
        fn finds_what_a_naive_search_finds(
            text in some_bytes(0..300),
            needle in some_bytes(1..6),
        ) {
            prop_assert_eq!(Needle::fold(&needle).find(&text), naive(&text, &needle, true));
            prop_assert_eq!(Needle::exact(&needle).find(&text), naive(&text, &needle, false));
        }
    }
}
