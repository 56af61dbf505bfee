//! What a client would rather have: `Accept` and `Accept-Encoding` (RFC 9110, section 12.5).

use super::Request;

/// The highest quality, in thousandths.
const BEST: u16 = 1000;

impl Request {
    /// Whether a gzip answer is welcome: named (or `*`) with a quality above 0, and not below what
    /// `identity` is named with.
    pub fn accepts_gzip(&self) -> bool {
        let (mut gzip, mut any, mut identity) = (None, None, None);
        for element in self.elements("accept-encoding") {
            let (coding, parameters) = name_of(element);
            let Some(quality) = quality(parameters) else { continue };
            let place = match coding.to_ascii_lowercase().as_slice() {
                b"gzip" | b"x-gzip" => &mut gzip,
                b"*" => &mut any,
                b"identity" => &mut identity,
                _ => continue,
            };
            *place = Some(quality.max(place.unwrap_or(0)));
        }
        let gzip = gzip.or(any).unwrap_or(0);
        gzip > 0 && gzip >= identity.unwrap_or(0)
    }

    /// The media type of `offered` that the client likes best; of equal ones the first. `None`
    /// where it wants none of them. Without `Accept`, the first. A parameter that an offered type
    /// names (`version=1.0.0`) must be the one asked for; others do not count.
    pub fn prefers(&self, offered: &[&'static str]) -> Option<&'static str> {
        if self.elements("accept").next().is_none() {
            return offered.first().copied();
        }
        let mut best = None;
        for &media_type in offered {
            let quality = self.quality_of(media_type);
            if quality > best.map_or(0, |(quality, _)| quality) {
                best = Some((quality, media_type));
            }
        }
        best.map(|(_, media_type)| media_type)
    }

    /// How much the client likes `media_type`: the quality of the closest range, of equally close
    /// ones the highest.
    fn quality_of(&self, media_type: &str) -> u16 {
        let mut closest = (0, 0);
        for range in self.elements("accept") {
            let (name, parameters) = name_of(range);
            let Some(closeness) = closeness(name, parameters, media_type.as_bytes()) else {
                continue;
            };
            if let Some(quality) = quality(parameters) {
                closest = closest.max((closeness, quality));
            }
        }
        closest.1
    }
}

/// An element's name, and the parameters behind it.
fn name_of(element: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b';', element).unwrap_or(element.len());
    let (name, parameters) = element.split_at(end);
    (name.trim_ascii(), parameters.get(1..).unwrap_or_default())
}

/// Names and values of parameters.
fn parameters(parameters: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    parameters.split(|&byte| byte == b';').filter_map(|parameter| {
        let equals = memchr::memchr(b'=', parameter)?;
        let value = parameter[equals + 1..].trim_ascii();
        let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        Some((parameter[..equals].trim_ascii(), unquoted.unwrap_or(value)))
    })
}

/// The quality in `all`, in thousandths; `None` where it is none.
fn quality(all: &[u8]) -> Option<u16> {
    let value = parameters(all).find(|(name, _)| name.eq_ignore_ascii_case(b"q"));
    let Some((_, value)) = value else { return Some(BEST) };
    let (whole, fraction) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut quality = match whole {
        b'0' => 0,
        b'1' => BEST,
        _ => return None,
    };
    let mut weight = 100;
    for digit in fraction {
        if !digit.is_ascii_digit() {
            return None;
        }
        quality += u16::from(digit - b'0') * weight;
        weight /= 10;
    }
    (quality <= BEST).then_some(quality)
}

/// How closely the range `name` describes `media_type`; `None` where it does not.
fn closeness(name: &[u8], wanted: &[u8], media_type: &[u8]) -> Option<usize> {
    let (offered, offered_parameters) = name_of(media_type);
    let kind = |name: &[u8]| memchr::memchr(b'/', name).unwrap_or(name.len());
    if name == b"*/*" || name == b"*" {
        return Some(1);
    }
    if name.eq_ignore_ascii_case(offered) {
        let mut closeness = 3;
        for (parameter, value) in parameters(wanted) {
            let same = |(name, _): &(&[u8], &[u8])| name.eq_ignore_ascii_case(parameter);
            if let Some((_, offered)) = parameters(offered_parameters).find(same) {
                if !offered.eq_ignore_ascii_case(value) {
                    return None;
                }
                closeness += 1;
            }
        }
        return Some(closeness);
    }
    let (wanted_kind, offered_kind) = (kind(name), kind(offered));
    let is_kind = name[..wanted_kind].eq_ignore_ascii_case(&offered[..offered_kind]);
    (is_kind && &name[wanted_kind..] == b"/*").then_some(2)
}
