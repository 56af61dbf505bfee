//! What the values of settings look like as text: sizes, durations, ports, counts, addresses.
//!
//! Everything here is pure: text in, the meaning or [`Expected`] out. Environment, command line and
//! config file share it, so that a value means the same wherever it stands.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;
use core::time::Duration;

/// What would have been allowed where a value was refused; follows the word "expected".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected(pub String);

impl Expected {
    /// Wraps the words that follow "expected".
    pub fn new(text: impl Into<String>) -> Self {
        Expected(text.into())
    }
}

/// Bytes in the units that sizes end in.
const SIZE_UNITS: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

/// Durations' units and their milliseconds, the largest first.
const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a size in bytes. Units are 1024-based and one letter (`64M`); a number without a unit
/// counts in `unit` bytes.
///
/// # Errors
/// Where it is no such size (`64MB` with a hint), or outside `allowed` (bytes).
pub fn size(text: &str, unit: u64, allowed: RangeInclusive<u64>) -> Result<u64, Expected> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    let range =
        || format!("a size from {} to {}", show_size(*allowed.start()), show_size(*allowed.end()));
    let shift = match suffix.to_ascii_uppercase().as_str() {
        "" => None,
        "B" => Some(0),
        long if matches!(long.get(1..), Some("B" | "IB")) => {
            let letter = &long[..1];
            return Err(Expected(format!(
                "{} (units are 1024-based: write {number}{letter}, not {number}{suffix})",
                range()
            )));
        }
        short => {
            let unit = SIZE_UNITS.iter().find(|(letter, _)| short == letter.to_string());
            Some(unit.ok_or_else(|| Expected(format!("{}, as 64M", range())))?.1)
        }
    };
    let number: u64 = number.parse().map_err(|_| Expected(format!("{}, as 64M", range())))?;
    let bytes = match shift {
        Some(shift) => number.checked_mul(1 << shift),
        None => number.checked_mul(unit),
    };
    bytes.filter(|bytes| allowed.contains(bytes)).ok_or_else(|| Expected(range()))
}

/// Writes a size the way [`size`] reads it, in the largest unit that divides it.
pub fn show_size(bytes: u64) -> String {
    for (letter, shift) in SIZE_UNITS {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{letter}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

/// Reads a duration: a whole number and its unit, `500ms`, `10s`, `5m`, `12h`, `30d`. A bare `0`
/// and `off` are zero.
///
/// # Errors
/// Where it is no such duration, or outside `allowed` (milliseconds).
pub fn duration(text: &str, allowed: RangeInclusive<u64>) -> Result<Duration, Expected> {
    let text = text.trim();
    let expected = |hint: &str| {
        let (low, high) = (*allowed.start(), *allowed.end());
        let (low, high) = (Duration::from_millis(low), Duration::from_millis(high));
        let low = if low.is_zero() { "0".to_owned() } else { show_duration(low) };
        Expected(format!("a duration from {low} to {}{hint}", show_duration(high)))
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    let millis = match (number, suffix) {
        ("", "off") => 0,
        ("", _) => return Err(expected(", as 500ms, 10s, 5m, 12h or 30d")),
        (number, unit) => {
            let number: u64 = number.parse().map_err(|_| expected(""))?;
            let unit = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
            match unit {
                None if number == 0 && suffix.is_empty() => 0,
                None if suffix.is_empty() => {
                    return Err(expected(&format!(" (write {number}s for seconds)")));
                }
                None => return Err(expected(", as 500ms, 10s, 5m, 12h or 30d")),
                Some((_, factor)) => number.checked_mul(*factor).ok_or_else(|| expected(""))?,
            }
        }
    };
    if !allowed.contains(&millis) {
        return Err(expected(""));
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a duration the way [`duration`] reads it, in the largest unit that divides it.
pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = DURATION_UNITS.iter().find(|(_, factor)| millis % factor == 0);
    match unit {
        Some((name, factor)) if millis > 0 => format!("{}{name}", millis / factor),
        _ => "off".to_owned(),
    }
}

/// Reads a whole number within `allowed`.
///
/// # Errors
/// Where it is no number, or outside.
pub fn count(text: &str, allowed: RangeInclusive<u64>) -> Result<u64, Expected> {
    let number = text.trim().parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| {
        let (low, high) = (allowed.start(), allowed.end());
        Expected(match *high {
            u64::MAX => format!("a whole number of {low} or more"),
            _ => format!("a whole number from {low} to {high}"),
        })
    })
}

/// Reads a TCP port; 0 has the meaning that `zero` gives it.
///
/// # Errors
/// Where it is no number from 0 to 65535.
pub fn port(text: &str, zero: &str) -> Result<u16, Expected> {
    text.trim().parse().map_err(|_| Expected(format!("a port from 1 to 65535, or 0 for {zero}")))
}

/// Reads a yes or a no.
///
/// # Errors
/// Where it is neither.
pub fn boolean(text: &str) -> Result<bool, Expected> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Expected::new("true or false")),
    }
}

/// Reads a numeric address, with or without the brackets of `[::1]`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

/// Reads a comma list of numeric addresses to listen on; `all` is every address of both families.
///
/// # Errors
/// Where one of them is a name, or the list is empty.
pub fn addresses(text: &str) -> Result<Vec<IpAddr>, Expected> {
    let mut list = Vec::new();
    for part in text.split(',').map(str::trim) {
        let found = match part {
            "all" => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            _ => vec![address(part).ok_or_else(|| {
                Expected::new(
                    "numeric addresses, as 127.0.0.1 or 127.0.0.1,::1, or all \
                     (names are not looked up)",
                )
            })?],
        };
        for address in found {
            if !list.contains(&address) {
                list.push(address);
            }
        }
    }
    Ok(list)
}

/// A network in CIDR notation: the addresses whose first `prefix_bits` bits are those of `base`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    /// The network's lowest address; bits beyond the prefix are zero.
    base: IpAddr,
    /// Bits that count, 0 to 32 (IPv4) or 128 (IPv6).
    prefix_bits: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or a single address.
    ///
    /// # Errors
    /// Where it is no such network, or has bits set beyond its prefix (then most likely one of the
    /// two is a slip of the pen).
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let expected = || Expected::new("a network such as 10.0.0.0/8, fd00::/8 or 192.0.2.7");
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base = address(base.trim()).ok_or_else(expected)?;
        let bits_max = if base.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => bits_max,
            Some(prefix) => {
                prefix.parse().ok().filter(|bits| *bits <= bits_max).ok_or_else(|| {
                    Expected(format!("a network with a prefix of 0 to {bits_max} bits"))
                })?
            }
        };
        let lowest = masked(base, prefix_bits);
        if lowest != base {
            return Err(Expected(format!(
                "no bits beyond the prefix: {lowest}/{prefix_bits} or {base}/{bits_max}"
            )));
        }
        Ok(Cidr { base, prefix_bits })
    }

    /// Whether `address` lies in this network. An IPv4 address mapped into IPv6
    /// (`::ffff:10.0.0.5`, as dual-stack listeners report peers) counts as the IPv4 one.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && masked(address, self.prefix_bits) == self.base
    }
}

impl core::fmt::Display for Cidr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_bits)
    }
}

/// `address` with every bit after the first `prefix_bits` cleared.
fn masked(address: IpAddr, prefix_bits: u8) -> IpAddr {
    let shift = u32::from(prefix_bits);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(shift)).unwrap_or(0);
            Ipv4Addr::from(u32::from(v4) & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(shift)).unwrap_or(0);
            Ipv6Addr::from(u128::from(v6) & mask).into()
        }
    }
}

/// The known word nearest to `word`, where one is near enough to be a slip: two edits at most, and
/// fewer than half of its letters. "Did you mean" is offered from it.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let edits_max = 2.min(word.len() / 2);
    let scored = known.into_iter().map(|candidate| (edits(word, candidate), candidate));
    scored.filter(|(edits, _)| *edits <= edits_max).min().map(|(_, candidate)| candidate)
}

/// The edit distance of two words: insertions, deletions, replacements, and swaps of neighbours.
fn edits(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: RangeInclusive<u64> = 0..=u64::MAX;

    #[test]
    fn sizes_are_1024_based() {
        let cases: [(&str, u64); 9] = [
            ("64", 64 << 20),
            ("64M", 64 << 20),
            ("64m", 64 << 20),
            ("64K", 64 << 10),
            ("1G", 1 << 30),
            ("2T", 2 << 40),
            ("512B", 512),
            ("0", 0),
            (" 8M ", 8 << 20),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text, 1 << 20, ANY), Ok(bytes), "{text}");
            assert_eq!(size(&show_size(bytes), 1, ANY), Ok(bytes), "{text} written and read");
        }
    }

    #[test]
    fn a_bad_size_says_what_is_allowed() {
        let check = |text: &str, expected: &str| {
            let refused = size(text, 1, (1 << 20)..=(1 << 40)).expect_err(text);
            assert_eq!(refused.0, expected, "{text}");
        };
        let range = "a size from 1M to 1T";
        for unit in ["MB", "MiB", "mb"] {
            let hint = format!("{range} (units are 1024-based: write 64M, not 64{unit})");
            check(&format!("64{unit}"), &hint);
        }
        for text in ["", "M", "lots", "-1", "1.5G", "64X", "64é", "99999999999999999999"] {
            check(text, &format!("{range}, as 64M"));
        }
        for text in ["1K", "0", "2T", "18446744073709551615T"] {
            check(text, range);
        }
    }

    #[test]
    fn durations_have_a_unit() {
        let cases = [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("12h", 43_200_000)];
        for (text, millis) in cases.into_iter().chain([("30d", 2_592_000_000), ("0", 0)]) {
            let found = duration(text, ANY).expect(text);
            assert_eq!(found, Duration::from_millis(millis), "{text}");
            assert_eq!(duration(&show_duration(found), ANY), Ok(found), "{text}");
        }
        assert_eq!(duration("off", ANY), Ok(Duration::ZERO));
        let check = |text: &str, expected: &str| {
            let refused = duration(text, 100..=3_600_000).expect_err(text);
            assert_eq!(refused.0, format!("a duration from 100ms to 1h{expected}"), "{text}");
        };
        check("10", " (write 10s for seconds)");
        check("10x", ", as 500ms, 10s, 5m, 12h or 30d");
        check("soon", ", as 500ms, 10s, 5m, 12h or 30d");
        check("", ", as 500ms, 10s, 5m, 12h or 30d");
        check("50ms", "");
        check("0", "");
        check("18446744073709551615d", "");
    }

    #[test]
    fn networks_hold_their_addresses() {
        let cases = [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "::1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("fd00::/8", "fdab::1", true),
            ("fd00::/8", "fe80::1", false),
            ("[::1]", "::1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7/32", "192.0.2.8", false),
            ("192.0.2.128/25", "192.0.2.129", true),
        ];
        for (network, address, inside) in cases {
            let cidr = Cidr::parse(network).expect(network);
            let address = address.parse().expect("an address");
            assert_eq!(cidr.contains(address), inside, "{network} {address}");
        }
    }

    #[test]
    fn a_bad_network_says_what_is_allowed() {
        let words = "a network such as 10.0.0.0/8, fd00::/8 or 192.0.2.7";
        let cases = [
            ("localhost", words),
            ("", words),
            ("10.0.0/8", words),
            ("10.0.0.0/33", "a network with a prefix of 0 to 32 bits"),
            ("10.0.0.0/", "a network with a prefix of 0 to 32 bits"),
            ("::/129", "a network with a prefix of 0 to 128 bits"),
            ("10.1.2.3/8", "no bits beyond the prefix: 10.0.0.0/8 or 10.1.2.3/32"),
        ];
        for (text, expected) in cases {
            assert_eq!(Cidr::parse(text).expect_err(text).0, expected, "{text}");
        }
    }

    #[test]
    fn addresses_are_numeric() {
        let show = |text| addresses(text).map(|list| format!("{list:?}"));
        assert_eq!(show("127.0.0.1, [::1]"), Ok("[127.0.0.1, ::1]".to_owned()));
        assert_eq!(show("all"), Ok("[0.0.0.0, ::]".to_owned()));
        assert_eq!(show("::1,::1"), Ok("[::1]".to_owned()));
        for text in ["localhost", "", "127.0.0.1,", "0.0.0.0:9999", "[::1"] {
            assert!(addresses(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nearest_offers_slips_only() {
        let known = ["query", "tail", "send", "serve"];
        let cases = [("qurey", Some("query")), ("quer", Some("query")), ("tial", Some("tail"))];
        for (word, expected) in cases.into_iter().chain([("x", None), ("banana", None)]) {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
