//! One record of /dev/kmsg, as the kernel's `Documentation/ABI/testing/dev-kmsg` describes it.
//!
//! ```text
//! 6,339,5140900,-;NET: Registered protocol family 10\n
//! | |   |       |  text, in which control characters, bytes above 0x7e and `\` are `\xNN`
//! | |   |       flags, and behind more commas what later kernels add
//! | |   microseconds since the machine started
//! | number since then; it grows by one, so that a gap tells of lost records
//! facility * 8 + severity
//!  SUBSYSTEM=net\n
//! ^ a blank begins a line `KEY=value`, in the same spelling
//! ```

use crate::limits::KMSG_HEAD_BYTES_MAX;

/// A record of the kernel's log. The slices are as the kernel spelled them: see [`unescape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kmsg<'a> {
    /// 0 is the kernel; a process that writes to /dev/kmsg may give any other.
    pub facility: u8,
    /// 0 (emergency) to 7 (debug).
    pub severity: u8,
    /// Its number since the start of the machine.
    pub seq: u64,
    /// Microseconds since the start of the machine, by a clock that stands still in sleep.
    pub monotonic_us: u64,
    /// The message, still escaped.
    pub text: &'a [u8],
}

/// Reads what one `read` of /dev/kmsg returned; `None` where that is no record of the kernel's.
pub fn read(record: &[u8]) -> Option<Kmsg<'_>> {
    let head_bytes_max = record.len().min(KMSG_HEAD_BYTES_MAX);
    let (head, rest) = record.split_at(memchr::memchr(b';', &record[..head_bytes_max])?);
    let rest = &rest[1..];
    let mut parts = head.split(|byte| *byte == b',');
    let priority = decimal(parts.next()?)?;
    let seq = decimal(parts.next()?)?;
    let monotonic_us = decimal(parts.next()?)?;
    let text_bytes = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    Some(Kmsg {
        facility: u8::try_from(priority >> 3).ok()?,
        severity: (priority & 7) as u8,
        seq,
        monotonic_us,
        text: &rest[..text_bytes],
    })
}

/// Digits as a number; `None` where there are none, others or too many.
fn decimal(digits: &[u8]) -> Option<u64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let add = |number: u64, byte: &u8| number.checked_mul(10)?.checked_add(digit(*byte)?);
    digits.first()?;
    digits.iter().try_fold(0, add)
}

/// Appends `escaped` to `out`, each `\xNN` in it as the byte that it stands for. Other backslashes
/// stay. Never appends more bytes than `escaped` has.
pub fn unescape(escaped: &[u8], out: &mut Vec<u8>) {
    let mut rest = escaped;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let byte = match *rest {
            [_, b'x', high, low, ..] => hex(high).zip(hex(low)),
            _ => None,
        };
        match byte {
            Some((high, low)) => out.push(high << 4 | low),
            None => out.push(b'\\'),
        }
        rest = &rest[if byte.is_some() { 4 } else { 1 }..];
    }
    out.extend_from_slice(rest);
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// For fuzzing: reads `data` as a record, and checks what is promised of every record.
///
/// # Panics
/// Where a promise is broken.
pub fn fuzz_kmsg(data: &[u8]) {
    let mut out = Vec::new();
    unescape(data, &mut out);
    assert!(out.len() <= data.len());
    if memchr::memchr(b'\\', data).is_none() {
        assert_eq!(out, data);
    }
    let Some(found) = read(data) else { return };
    assert!(found.severity < 8);
    assert!(!found.text.contains(&b'\n'), "text is one line");
    let bounds = data.as_ptr_range();
    let text = found.text.as_ptr_range();
    assert!(bounds.start < text.start && text.end <= bounds.end, "a text from elsewhere");
    let head = format!("{},{},{}", found.facility, found.seq, found.monotonic_us);
    assert!(head.len() <= data.len() + 2, "numbers out of nothing");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(record: &[u8]) -> String {
        let mut out = Vec::new();
        unescape(read(record).unwrap().text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_is_read_without_the_lines_behind_it() {
        let record = b"7,160,424069,-;pci_root PNP0A03:00: host bridge window (ignored)\n \
                       SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n";
        let found = read(record).unwrap();
        assert_eq!((found.facility, found.severity), (0, 7));
        assert_eq!((found.seq, found.monotonic_us), (160, 424_069));
        assert_eq!(found.text, b"pci_root PNP0A03:00: host bridge window (ignored)");
    }

    #[test]
    fn processes_have_their_own_facility_and_later_kernels_more_numbers() {
        let found = read(b"30,7,99,c,caller=T1;systemd[1]: started").unwrap();
        assert_eq!((found.facility, found.severity), (3, 6));
        assert_eq!(found.text, b"systemd[1]: started");
        assert_eq!(read(b"2047,1,1,-;x\n").unwrap().facility, 255);
        assert_eq!(read(b"4,1,2;without flags\n").unwrap().text, b"without flags");
    }

    #[test]
    fn escapes_become_bytes_and_what_is_none_stays() {
        assert_eq!(text_of(b"6,1,2,-;gr\\xc3\\xbc\\xc3\\x9fe\\x0a\\x5c\n"), "gr\u{fc}\u{df}e\n\\");
        assert_eq!(text_of(b"6,1,2,-;a\\xZZ\\x4\\\\y\\"), "a\\xZZ\\x4\\\\y\\");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for record in ["", ";", "6;x", "6,1;x", "6,1,;x", "a,1,2,-;x", "6,1,2,-x", "2048,1,2,-;x"] {
            assert_eq!(read(record.as_bytes()), None, "{record}");
        }
        assert_eq!(read(b"6,99999999999999999999999,2,-;x"), None);
    }

    #[test]
    fn a_head_that_is_too_long_is_refused() {
        let mut record = b"6,1,2,-,".to_vec();
        record.resize(KMSG_HEAD_BYTES_MAX - 1, b'x');
        record.extend_from_slice(b";text");
        assert!(read(&record).is_some());
        record.insert(8, b'x');
        assert_eq!(read(&record), None);
    }
}
