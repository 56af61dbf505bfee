//! The checksum of a zstd frame: the low half of xxHash64 with seed 0 (its specification:
//! `doc/xxhash_spec.md` of Cyan4973/xxHash).

const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME_5: u64 = 0x27d4_eb2f_1656_67c5;

/// Bytes of a stripe: one word for each of four lanes.
const STRIPE_BYTES: usize = 32;

/// The hash of a text that comes in pieces.
#[derive(Debug)]
pub(super) struct Hash {
    lanes: [u64; 4],
    /// Bytes that fill no stripe yet.
    part: [u8; STRIPE_BYTES],
    part_bytes: usize,
    bytes: u64,
}

impl Default for Hash {
    fn default() -> Self {
        Self {
            lanes: [PRIME_1.wrapping_add(PRIME_2), PRIME_2, 0, 0_u64.wrapping_sub(PRIME_1)],
            part: [0; STRIPE_BYTES],
            part_bytes: 0,
            bytes: 0,
        }
    }
}

impl Hash {
    pub(super) fn update(&mut self, text: &[u8]) {
        self.bytes = self.bytes.wrapping_add(text.len() as u64);
        let mut text = text;
        if self.part_bytes > 0 {
            let (taken, rest) = text.split_at(text.len().min(STRIPE_BYTES - self.part_bytes));
            self.part[self.part_bytes..self.part_bytes + taken.len()].copy_from_slice(taken);
            self.part_bytes += taken.len();
            text = rest;
            if self.part_bytes < STRIPE_BYTES {
                return;
            }
            let part = self.part;
            self.stripe(&part);
            self.part_bytes = 0;
        }
        let (stripes, rest) = text.as_chunks();
        for stripe in stripes {
            self.stripe(stripe);
        }
        self.part[..rest.len()].copy_from_slice(rest);
        self.part_bytes = rest.len();
    }

    /// The low 32 bits of the hash of all that came.
    pub(super) fn sum(&self) -> u32 {
        let [one, two, three, four] = self.lanes;
        let mut hash = if self.bytes >= STRIPE_BYTES as u64 {
            let mut hash = one
                .rotate_left(1)
                .wrapping_add(two.rotate_left(7))
                .wrapping_add(three.rotate_left(12))
                .wrapping_add(four.rotate_left(18));
            for lane in self.lanes {
                hash = (hash ^ round(0, lane)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
            }
            hash
        } else {
            PRIME_5
        };
        hash = hash.wrapping_add(self.bytes);
        let (words, rest) = self.part[..self.part_bytes].as_chunks();
        for word in words {
            hash ^= round(0, u64::from_le_bytes(*word));
            hash = hash.rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
        }
        let (halves, rest) = rest.as_chunks();
        for half in halves {
            hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(PRIME_1);
            hash = hash.rotate_left(23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3);
        }
        for &byte in rest {
            hash ^= u64::from(byte).wrapping_mul(PRIME_5);
            hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
        }
        hash = (hash ^ hash >> 33).wrapping_mul(PRIME_2);
        hash = (hash ^ hash >> 29).wrapping_mul(PRIME_3);
        (hash ^ hash >> 32) as u32
    }

    fn stripe(&mut self, stripe: &[u8; STRIPE_BYTES]) {
        let (words, _) = stripe.as_chunks();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            *lane = round(*lane, u64::from_le_bytes(*word));
        }
    }
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIME_2)).rotate_left(31).wrapping_mul(PRIME_1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_specification() {
        let sum = |text: &[u8]| {
            let mut hash = Hash::default();
            for piece in text.chunks(7) {
                hash.update(piece);
            }
            hash.sum()
        };
        assert_eq!(sum(b""), 0x51d8_e999);
        assert_eq!(sum(b"abc"), 0xad77_0999);
        assert_eq!(sum(b"Nobody inspects the spammish repetition"), 0x8a37_8bf1);
    }
}
