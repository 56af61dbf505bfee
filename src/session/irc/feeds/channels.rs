//! The names of log channels, and what they ask for.

use core::net::Ipv6Addr;

use crate::proto::irc::names::fold;
use crate::query::quote;

/// What the name of a log channel begins with.
const LOG_CHANNEL: &[u8] = b"#logs-";

/// The log channels that are there from the start, and what they ask for.
pub(super) const STANDING: [(&str, &str); 5] = [
    ("#logs-all", ""),
    ("#logs-error", "level>=error"),
    ("#logs-warning", "level=warning"),
    ("#logs-info", "level>=info level<=notice"),
    ("#logs-debug", "level>=trace level<=debug"),
];

/// Other names of levels that people look for, and what their log channels ask for.
const NAMES: [(&str, &str); 10] = [
    ("warn", "level=warning"),
    ("warnings", "level=warning"),
    ("err", "level>=error"),
    ("errors", "level>=error"),
    ("critical", "level>=critical"),
    ("crit", "level>=critical"),
    ("fatal", "level>=critical"),
    ("notice", "level=notice"),
    ("notices", "level=notice"),
    ("trace", "level=trace"),
];

/// What stands behind `#logs-`, in a name that only a log channel may have.
pub fn log_word(name: &[u8]) -> Option<&[u8]> {
    let (begin, word) = name.split_at_checked(LOG_CHANNEL.len())?;
    begin.eq_ignore_ascii_case(LOG_CHANNEL).then_some(word)
}

/// What a log channel of this name asks for; `None` where it is no log channel's name.
pub fn question_of(name: &[u8]) -> Option<String> {
    let word = log_word(name).filter(|word| !word.is_empty())?;
    let standing = STANDING.iter().find(|(known, _)| fold(known.as_bytes()) == fold(name));
    if let Some((_, words)) = standing {
        return Some((*words).to_owned());
    }
    // Names that differ in case name one channel, which has to ask for one thing.
    let word = fold(word);
    if let Some((_, words)) = NAMES.iter().find(|(known, _)| known.as_bytes() == word) {
        return Some((*words).to_owned());
    }
    let (label, value) = match (word.strip_prefix(b"host-"), word.strip_prefix(b"app-")) {
        (Some(host), _) if !host.is_empty() => (Some("host"), host),
        (_, Some(app)) if !app.is_empty() => (Some("app"), app),
        _ => (None, &word[..]),
    };
    let has_folded = value.iter().any(|byte| b"{}|^".contains(byte));
    let has_letter = value.iter().any(u8::is_ascii_alphabetic);
    let (parameter, value) = match label {
        Some("host") if ipv6_of(value).is_some() => {
            let pattern = in_any_case(value, "^", "$");
            let pattern = String::from_utf8_lossy(&pattern).replace('-', "[-:]");
            ("host~".to_owned(), pattern.into_bytes())
        }
        // That folds letters by itself.
        None if !has_folded => ("keyword=".to_owned(), value.to_vec()),
        None => ("regex=".to_owned(), in_any_case(value, "", "")),
        Some(label) if !has_folded && !has_letter => (format!("{label}="), value.to_vec()),
        Some(label) => (format!("{label}~"), in_any_case(value, "^", "$")),
    };
    let mut words = parameter.into_bytes();
    quote(&value, &mut words);
    String::from_utf8(words).ok()
}

/// A question as people read it: what the name of a log channel says of a host or an application
/// in place of the pattern that finds it in any case.
pub fn shown(channel: &[u8], question: &str) -> String {
    let Some(own) = question_of(channel).filter(|own| own.contains('~')) else {
        return question.to_owned();
    };
    let Some(rest) = question.strip_prefix(&own[..]) else { return question.to_owned() };
    let word = String::from_utf8_lossy(log_word(channel).unwrap_or_default());
    let Some((label, value)) = word.split_once('-') else { return question.to_owned() };
    let label = label.to_ascii_lowercase();
    let is_address = label == "host" && ipv6_of(value.as_bytes()).is_some();
    let value = if is_address { value.replace('-', ":") } else { value.to_owned() };
    format!("{label}={value}{rest}")
}

/// The address that a name may mean which has `-` in place of `:`, as no channel's name may hold
/// that. The same name may be a host's own.
fn ipv6_of(name: &[u8]) -> Option<Ipv6Addr> {
    str::from_utf8(name).ok()?.replace('-', ":").parse().ok()
}

/// A pattern for a folded name, however it was written, between `begin` and `end`.
fn in_any_case(name: &[u8], begin: &str, end: &str) -> Vec<u8> {
    let mut pattern = [b"(?i)", begin.as_bytes()].concat();
    for byte in name {
        match byte {
            b'{' => pattern.extend_from_slice(b"[\\[{]"),
            b'}' => pattern.extend_from_slice(b"[\\]}]"),
            b'|' => pattern.extend_from_slice(b"[\\\\|]"),
            b'^' => pattern.extend_from_slice(b"[~^]"),
            b'.' | b'+' | b'*' | b'?' | b'(' | b')' | b'$' => pattern.extend([b'\\', *byte]),
            _ => pattern.push(*byte),
        }
    }
    pattern.extend_from_slice(end.as_bytes());
    pattern
}

/// Whether the log channel of this name is there from the start.
pub fn is_standing(name: &[u8]) -> bool {
    STANDING.iter().any(|(known, _)| fold(known.as_bytes()) == fold(name))
}
