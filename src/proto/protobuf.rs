//! The wire format of protocol buffers, read in place: nothing is copied, no length is believed.
//!
//! ```text
//! message = field*            field = key value            key = varint: number << 3 | wire type
//! 0 varint   1 eight bytes, little-endian   2 length and so many bytes   5 four bytes
//! ```
//!
//! Wire types 3 and 4, the groups that proto2 once had, are refused: nobody who sends logs has
//! them, and to skip one takes a stack. See <https://protobuf.dev/programming-guides/encoding/>.
//!
//! **Invariant:** what a field holds lies within the message it was read from.

use std::fmt;

/// The highest number that a field may have.
const NUMBER_MAX: u64 = (1 << 29) - 1;

/// Why a message cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The message ends within a field.
    Truncated,
    /// A number has more than 64 bits.
    Varint,
    /// A field is said to be longer than what is left of the message.
    Length {
        /// Bytes that the field is said to have.
        said: u64,
        /// Bytes that are left.
        left: usize,
    },
    /// A group begins or ends.
    Group,
    /// A wire type that does not exist: 6 or 7.
    WireType(u8),
    /// A field's number is 0 or beyond 2^29 - 1.
    Number(u64),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("protobuf: the message ends within a field"),
            Self::Varint => f.write_str("protobuf: a number has more than 64 bits"),
            Self::Length { said, left } => {
                write!(f, "protobuf: a field of {said} bytes where {left} are left")
            }
            Self::Group => f.write_str("protobuf: a group (no message of this protocol has one)"),
            Self::WireType(wire_type) => {
                write!(f, "protobuf: wire type {wire_type} (allowed: 0, 1, 2, 5)")
            }
            Self::Number(number) => {
                write!(f, "protobuf: field number {number} (allowed: 1 to {NUMBER_MAX})")
            }
        }
    }
}

/// What a field holds, by its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number: of a signed type its two's complement, of a truth value 0 or 1.
    Varint(u64),
    /// Eight bytes: `fixed64`, `sfixed64`, or the bits of a `double`.
    Fixed64(u64),
    /// A text, bytes, or a message.
    Bytes(&'a [u8]),
    /// Four bytes: `fixed32`, `sfixed32`, or the bits of a `float`.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The number, whatever its width; `None` of bytes.
    #[inline]
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => Some(number),
            Self::Fixed32(number) => Some(u64::from(number)),
            Self::Bytes(_) => None,
        }
    }
}

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// 1 to 2^29 - 1.
    pub number: u32,
    /// What it holds.
    pub value: Value<'a>,
}

/// Gives the fields of a message in the order in which they stand; nothing follows an error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Of `message`, a whole one.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Bytes not read yet.
    #[inline]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reads a field.
    ///
    /// # Errors
    /// Each of [`WireError`]; where the rest of the message begins is not known then.
    #[inline]
    fn read(&mut self) -> Result<Field<'a>, WireError> {
        let key = self.varint()?;
        let number = key >> 3;
        if !(1..=NUMBER_MAX).contains(&number) {
            return Err(WireError::Number(number));
        }
        let value = match key as u8 & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let said = self.varint()?;
                let bytes = usize::try_from(said).ok();
                let split = bytes.and_then(|bytes| self.rest.split_at_checked(bytes));
                let left = self.rest.len();
                let (bytes, rest) = split.ok_or(WireError::Length { said, left })?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            3 | 4 => return Err(WireError::Group),
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            wire_type => return Err(WireError::WireType(wire_type)),
        };
        Ok(Field { number: number as u32, value })
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            // Of the tenth byte one bit is left.
            if index == 9 && byte > 1 {
                return Err(WireError::Varint);
            }
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(number);
            }
        }
        Err(WireError::Truncated)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.rest = b"";
        }
        Some(read)
    }
}

/// Appends a number as the value of the field `number`.
pub fn write_varint(number: u32, value: u64, out: &mut Vec<u8>) {
    varint(u64::from(number) << 3, out);
    varint(value, out);
}

/// Appends a text, bytes or a message as the value of the field `number`.
pub fn write_bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | 2, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// For fuzzing: reads `data` as a message, and each text in it as another.
///
/// # Panics
/// When a field lies outside its message, or what was written is not read back.
pub fn fuzz_protobuf(data: &[u8]) {
    fn read(message: &[u8], depth: usize) {
        let mut fields = Fields::new(message);
        let mut left = fields.left();
        while let Some(field) = fields.next() {
            let Ok(field) = field else {
                assert!(fields.next().is_none(), "a field behind an error");
                return;
            };
            assert!(fields.left() < left, "a field of no bytes");
            left = fields.left();
            if let Value::Bytes(bytes) = field.value {
                assert!(message.as_ptr_range().start <= bytes.as_ptr_range().start);
                assert!(bytes.as_ptr_range().end <= message.as_ptr_range().end);
                if depth < 8 {
                    read(bytes, depth + 1);
                }
            }
        }
        assert_eq!(left, 0);
    }
    read(data, 0);
    let number = u32::from(data.first().copied().unwrap_or(0)) + 1;
    let mut out = Vec::new();
    write_bytes(number, data, &mut out);
    write_varint(number, data.len() as u64, &mut out);
    let back: Vec<_> = Fields::new(&out).collect();
    let bytes = Ok(Field { number, value: Value::Bytes(data) });
    assert_eq!(back, [bytes, Ok(Field { number, value: Value::Varint(data.len() as u64) })]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn read(message: &[u8]) -> Result<Vec<Field<'_>>, WireError> {
        Fields::new(message).collect()
    }

    #[track_caller]
    fn check(message: &[u8], expected: WireError) {
        assert_eq!(read(message), Err(expected), "{}", message.escape_ascii());
    }

    #[test]
    fn every_wire_type_is_read() {
        let message = b"\x08\x96\x01\x12\x07testing\x19\x01\0\0\0\0\0\0\0\x25\xff\0\0\0";
        let expected = [
            Field { number: 1, value: Value::Varint(150) },
            Field { number: 2, value: Value::Bytes(b"testing") },
            Field { number: 3, value: Value::Fixed64(1) },
            Field { number: 4, value: Value::Fixed32(255) },
        ];
        assert_eq!(read(message).unwrap(), expected);
        assert_eq!(read(b"").unwrap(), []);
    }

    #[test]
    fn groups_and_wire_types_that_do_not_exist_are_refused() {
        check(b"\x0b\x0c", WireError::Group);
        check(b"\x0c", WireError::Group);
        check(b"\x0e", WireError::WireType(6));
        check(b"\x0f", WireError::WireType(7));
    }

    #[test]
    fn a_field_number_is_from_1_to_its_limit() {
        check(b"\x00\x00", WireError::Number(0));
        check(b"\x80\x80\x80\x80\x10\x00", WireError::Number(1 << 29));
        let highest = [Field { number: NUMBER_MAX as u32, value: Value::Varint(0) }];
        assert_eq!(read(b"\xf8\xff\xff\xff\x0f\x00").unwrap(), highest);
    }

    #[test]
    fn a_length_beyond_the_message_is_refused_however_large() {
        check(b"\x0a\x01", WireError::Length { said: 1, left: 0 });
        check(b"\x0a\x05abc", WireError::Length { said: 5, left: 3 });
        let said = u64::MAX;
        check(
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x",
            WireError::Length { said, left: 1 },
        );
        let said = i64::MAX as u64;
        check(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", WireError::Length { said, left: 0 });
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        let all = [Field { number: 1, value: Value::Varint(u64::MAX) }];
        assert_eq!(read(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").unwrap(), all);
        check(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", WireError::Varint);
        check(b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", WireError::Varint);
    }

    #[test]
    fn a_message_cut_anywhere_is_truncated_or_ends_with_a_field() {
        let message = b"\x08\x96\x01\x12\x07testing\x19\x01\0\0\0\0\0\0\0\x25\xff\0\0\0";
        let whole = [0, 3, 12, 21, 26];
        for cut in 0..=message.len() {
            let fields = read(&message[..cut]);
            assert_eq!(fields.is_ok(), whole.contains(&cut), "cut at {cut}: {fields:?}");
        }
    }

    /// All that the wire format has, for the oracle.
    #[derive(Clone, PartialEq, Message)]
    struct Model {
        #[prost(int64, tag = "1")]
        int: i64,
        #[prost(fixed64, tag = "2")]
        fixed64: u64,
        #[prost(bytes = "vec", repeated, tag = "3")]
        bytes: Vec<Vec<u8>>,
        #[prost(fixed32, tag = "4")]
        fixed32: u32,
        #[prost(message, optional, boxed, tag = "536870911")]
        inner: Option<Box<Model>>,
    }

    fn model(message: &[u8]) -> Result<Model, WireError> {
        let mut read = Model::default();
        for field in Fields::new(message) {
            let Field { number, value } = field?;
            match (number, value) {
                (1, Value::Varint(number)) => read.int = number as i64,
                (2, Value::Fixed64(number)) => read.fixed64 = number,
                (3, Value::Bytes(bytes)) => read.bytes.push(bytes.to_vec()),
                (4, Value::Fixed32(number)) => read.fixed32 = number,
                (536_870_911, Value::Bytes(inner)) => read.inner = Some(Box::new(model(inner)?)),
                _ => panic!("a field {number} that was not written"),
            }
        }
        Ok(read)
    }

    proptest! {
        #[test]
        fn what_prost_writes_is_read(
            int: i64, fixed64: u64, fixed32: u32, bytes: Vec<Vec<u8>>, inner: Option<i64>,
        ) {
            let inner = inner.map(|int| Box::new(Model { int, ..Model::default() }));
            let written = Model { int, fixed64, bytes, fixed32, inner };
            prop_assert_eq!(model(&written.encode_to_vec()), Ok(written));
        }

        #[test]
        fn what_is_written_prost_reads(int: u64, bytes: Vec<Vec<u8>>) {
            let mut out = Vec::new();
            write_varint(1, int, &mut out);
            bytes.iter().for_each(|bytes| write_bytes(3, bytes, &mut out));
            let read = Model::decode(&out[..]).unwrap();
            prop_assert_eq!((read.int as u64, read.bytes), (int, bytes));
        }

        #[test]
        fn any_bytes_are_read_or_refused(data: Vec<u8>) {
            fuzz_protobuf(&data);
        }
    }
}
