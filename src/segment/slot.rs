//! What a block knows of one record, and of one stream. `format.rs` draws the bytes.

use super::crc::Checked;
use super::format::{FLAG_GAP, SLOT_BYTES, STREAM_HEAD_BYTES, i64_at, put, u16_at, u32_at, u64_at};
use super::map::record_checksum;

/// What a block knows of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Salted checksum over the text and over the rest of the slot.
    pub crc: u32,
    /// Where the text begins, as an offset in the block.
    pub text_offset: u32,
    /// Bytes of the text, without the newline.
    pub text_bytes: u32,
    /// Place of the stream entry in the block in units of 8 bytes; 0 = none.
    pub stream: u16,
    /// The level as a number.
    pub level: u8,
    /// `FLAG_CUT`, `FLAG_GAP`.
    pub flags: u8,
    /// When it was received, wall nanoseconds.
    pub received_ns: u64,
    /// When it happened, as far as the line says so, wall nanoseconds; 0 = unknown.
    pub event_ns: i64,
}

impl Slot {
    /// The 32 bytes of this slot; its `crc` is taken as it is.
    #[inline]
    pub fn encode(&self) -> [u8; SLOT_BYTES] {
        let [second, third, fourth] = self.later_words();
        let first = u64::from(self.crc) | u64::from(self.text_offset) << 32;
        let mut bytes = [0; SLOT_BYTES];
        for (to, word) in
            bytes.as_chunks_mut::<8>().0.iter_mut().zip([first, second, third, fourth])
        {
            *to = word.to_le_bytes();
        }
        bytes
    }

    /// The words behind the first.
    #[inline]
    fn later_words(&self) -> [u64; 3] {
        let second = u64::from(self.text_bytes)
            | u64::from(self.stream) << 32
            | u64::from(self.level) << 48
            | u64::from(self.flags) << 56;
        [second, self.received_ns, self.event_ns as u64]
    }

    /// The checksum that belongs to it where it stands for `text`, which may be in two parts.
    #[inline]
    pub fn checksum(&self, text: [&[u8]; 2], salt: u32) -> u32 {
        let record = Checked { text, first: self.text_offset, rest: self.later_words() };
        record_checksum(salt, &record)
    }

    /// The slot that `bytes` spell, without looking at its checksum.
    #[inline]
    pub fn decode(bytes: &[u8; SLOT_BYTES]) -> Self {
        Self {
            crc: u32_at(bytes, 0),
            text_offset: u32_at(bytes, 4),
            text_bytes: u32_at(bytes, 8),
            stream: u16_at(bytes, 12),
            level: bytes[14],
            flags: bytes[15],
            received_ns: u64_at(bytes, 16),
            event_ns: i64_at(bytes, 24),
        }
    }

    /// The bytes of a slot that names no record, with its checksum. `text_offset` is the end of
    /// the text before it, so that offsets only grow from slot to slot.
    pub fn gap(text_offset: u32, salt: u32) -> [u8; SLOT_BYTES] {
        let mut slot = Self { text_offset, flags: FLAG_GAP, ..Self::default() };
        slot.crc = slot.checksum([b"", b""], salt);
        slot.encode()
    }

    /// Whether its number names no record.
    #[inline]
    pub fn is_gap(&self) -> bool {
        self.flags & FLAG_GAP != 0
    }
}

/// Bytes that a stream entry for `labels_bytes` bytes of labels takes.
pub fn stream_entry_bytes(labels_bytes: usize) -> usize {
    STREAM_HEAD_BYTES + labels_bytes + 1
}

/// Writes the entry for `labels` to the beginning of `to`, which has room for it.
pub fn stream_entry_encode(to: &mut [u8], labels: &[u8], salt: u32) {
    put(to, 4, &(labels.len() as u16).to_le_bytes());
    put(to, STREAM_HEAD_BYTES, labels);
    let end = STREAM_HEAD_BYTES + labels.len();
    let crc = crc32c::crc32c_append(salt, &to[4..end]);
    put(to, 0, &crc.to_le_bytes());
    to[end] = b'\n';
}

/// The labels of the entry at the beginning of `from`; `None` where it is damaged.
pub fn stream_entry_decode(from: &[u8], salt: u32) -> Option<&[u8]> {
    let head: &[u8; STREAM_HEAD_BYTES] = from.first_chunk()?;
    let end = STREAM_HEAD_BYTES + usize::from(u16_at(head, 4));
    let checked = from.get(4..end)?;
    let intact = crc32c::crc32c_append(salt, checked) == u32_at(head, 0);
    intact.then_some(&checked[2..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_reads_back_as_it_was_written() {
        let slot = Slot {
            crc: 1,
            text_offset: 2,
            text_bytes: 3,
            stream: 4,
            level: 5,
            flags: 6,
            received_ns: u64::MAX,
            event_ns: -8,
        };
        assert_eq!(Slot::decode(&slot.encode()), slot);
    }

    #[test]
    fn a_stream_entry_reads_back_only_under_its_salt() {
        let mut bytes = [0; 64];
        stream_entry_encode(&mut bytes, b"host=10.0.0.5", 42);
        assert_eq!(stream_entry_decode(&bytes, 42), Some(&b"host=10.0.0.5"[..]));
        assert_eq!(stream_entry_decode(&bytes, 43), None);
        assert_eq!(stream_entry_decode(&bytes[..10], 42), None);
    }
}
