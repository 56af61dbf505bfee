//! Where a JSON value ends, found in steps.

use memchr::memchr2;

use crate::limits::JSON_DEPTH_MAX;

/// How far a value was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// Not to its end.
    More,
    /// Behind its last byte.
    Ended,
    /// It cannot be a value.
    Broken(&'static str),
}

/// A value of which some is passed over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Skip {
    /// For each open bracket a bit, the last one opened lowest: 1 for `[`.
    kinds: u128,
    depth: usize,
    in_string: bool,
    /// Whether a number or a word has begun, outside of any bracket.
    in_scalar: bool,
}

const _: () = assert!(JSON_DEPTH_MAX <= u128::BITS as usize);

impl Skip {
    /// Goes on at `at` over `bytes_max` bytes of `body`, or one more that a backslash takes along.
    pub(super) fn run(&mut self, body: &[u8], at: &mut usize, bytes_max: usize) -> Skipped {
        let end = body.len().min(at.saturating_add(bytes_max));
        while *at < end {
            if self.in_string {
                let Some(found) = memchr2(b'"', b'\\', &body[*at..end]) else {
                    *at = end;
                    break;
                };
                *at += found;
                if body[*at] == b'\\' {
                    *at = (*at + 2).min(body.len());
                    continue;
                }
                self.in_string = false;
                *at += 1;
                if self.depth == 0 {
                    return Skipped::Ended;
                }
                continue;
            }
            let byte = body[*at];
            if self.depth == 0
                && let Some(ended) = self.outside(byte)
            {
                return ended;
            }
            *at += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' if self.depth == JSON_DEPTH_MAX => {
                    return Skipped::Broken("a value nested too deep");
                }
                b'{' | b'[' => {
                    self.kinds = self.kinds << 1 | u128::from(byte == b'[');
                    self.depth += 1;
                }
                b'}' | b']' => {
                    if (self.kinds & 1 == 1) != (byte == b']') {
                        return Skipped::Broken("a bracket that closes another kind");
                    }
                    self.kinds >>= 1;
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Skipped::Ended;
                    }
                }
                _ => {}
            }
        }
        match *at < body.len() {
            true => Skipped::More,
            false => Skipped::Broken("the body ends within its JSON"),
        }
    }

    /// What a byte outside of any bracket means, where it is not the next of the value.
    fn outside(&mut self, byte: u8) -> Option<Skipped> {
        let is_part = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        match (self.in_scalar, is_part) {
            (true, false) => Some(Skipped::Ended),
            (true, true) => None,
            (false, true) => {
                self.in_scalar = true;
                None
            }
            (false, false) if matches!(byte, b'"' | b'{' | b'[') => None,
            (false, false) => Some(Skipped::Broken("no value where one should be")),
        }
    }
}
