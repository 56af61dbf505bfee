//! Which places of a line may be a mark, for many bytes at once: three classes of bytes become bit
//! maps, and shifts of those leave few places that are worth a look.

use wide::i8x16;

/// Bytes of a block: as many as a word has bits.
pub(super) const BLOCK_BYTES: usize = 64;

/// Bytes classified at once: the width of the vectors that every 64-bit machine has.
const CHUNK_BYTES: usize = 16;

/// The bytes of three classes in a block; bit i is place i.
#[derive(Default)]
struct Classes {
    /// `A` to `Z`.
    upper: u64,
    /// `a` to `z`, the one before and the few behind them.
    lower: u64,
    /// What may end a word that is a mark: `:` to `>`, `"` and `]`.
    end: u64,
}

/// The places of a block that are worth a lookup: the first of three capitals or more, and end
/// marks behind a small letter. What lies behind the block is taken as if it fitted.
#[inline]
pub(super) fn candidates(block: &[u8; BLOCK_BYTES]) -> u64 {
    let Classes { upper, lower, end } = classes(block);
    let second = upper >> 1 | 1 << 63;
    let third = second >> 1 | 1 << 63;
    (upper & second & third & !(upper << 1)) | (end & (lower << 1))
}

#[inline]
fn classes(block: &[u8; BLOCK_BYTES]) -> Classes {
    let mut classes = Classes::default();
    for (k, chunk) in block.as_chunks::<CHUNK_BYTES>().0.iter().enumerate() {
        let bytes = i8x16::new(chunk.map(u8::cast_signed));
        let is_upper = is_among(bytes, b'A', b'Z');
        let is_lower = bytes.simd_gt(i8x16::splat(0x5f));
        let is_end = is_among(bytes, b':', b'>') | is(bytes, b'"') | is(bytes, b']');
        let place = CHUNK_BYTES * k;
        classes.upper |= u64::from(is_upper.to_bitmask()) << place;
        classes.lower |= u64::from(is_lower.to_bitmask()) << place;
        classes.end |= u64::from(is_end.to_bitmask()) << place;
    }
    classes
}

/// Which of `bytes` are `first..=last`: turned so far that `last` becomes the largest number there
/// is, a range is one comparison.
#[inline]
fn is_among(bytes: i8x16, first: u8, last: u8) -> i8x16 {
    let turned = bytes + i8x16::splat(0x7f - last.cast_signed());
    turned.simd_gt(i8x16::splat(0x7e - (last - first).cast_signed()))
}

#[inline]
fn is(bytes: i8x16, byte: u8) -> i8x16 {
    bytes.simd_eq(i8x16::splat(byte.cast_signed()))
}
