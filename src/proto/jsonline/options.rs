//! What a request says of the lines in its body: VictoriaLogs, `insertutil/common_params.go`.

use std::fmt;

use super::plan::{Plan, Role};
use super::rewrite::{Edits, Pattern};
use crate::limits::JSON_NAMES_MAX;

/// How the objects of one body are to be read. The default is that of a request that says nothing:
/// the time in `_time`, else where loggers write it, and the message as everywhere.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the lines are only read and reported, and not to be stored.
    pub debug: bool,
    /// Values by the place of their names in [`NAMES`]; `None` where nothing was said.
    said: [Option<Vec<u8>>; NAMES.len()],
}

/// The names of parameters and of headers that mean the same.
const NAMES: [(&str, &str); 7] = [
    ("_time_field", "VL-Time-Field"),
    ("_msg_field", "VL-Msg-Field"),
    ("_stream_fields", "VL-Stream-Fields"),
    ("ignore_fields", "VL-Ignore-Fields"),
    ("extra_fields", "VL-Extra-Fields"),
    ("decolorize_fields", "VL-Decolorize-Fields"),
    ("debug", "VL-Debug"),
];

/// The name and the value of a label that all lines have.
type Extra = (Box<[u8]>, Box<[u8]>);

/// What a parser makes of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    pub plan: Plan,
    /// The names of labels whose values are members.
    pub labels: Vec<Box<[u8]>>,
    /// Labels that all lines have.
    pub extra: Vec<Extra>,
    pub edits: Edits,
}

/// What is wrong with the parameters of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionsError {
    /// More names than [`JSON_NAMES_MAX`].
    TooManyNames(usize),
    /// An extra field without a `=`.
    NoValue(String),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyNames(count) => {
                write!(f, "{count} field names in one request (allowed: {JSON_NAMES_MAX} or less)")
            }
            Self::NoValue(field) => {
                write!(f, "bad extra field {field:?} (expected name=value,name=value)")
            }
        }
    }
}

impl Options {
    /// The headers that are to be given to [`Self::header`].
    pub const HEADERS: [&'static str; NAMES.len()] = {
        let mut headers = [""; NAMES.len()];
        let mut at = 0;
        while at < headers.len() {
            headers[at] = NAMES[at].1;
            at += 1;
        }
        headers
    };

    /// The options in the parameters of a request, decoded; others are left alone.
    ///
    /// # Errors
    /// See [`OptionsError`]; nothing of the request should be stored.
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        pairs: impl IntoIterator<Item = (N, Option<V>)>,
    ) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        for (name, value) in pairs {
            let value = value.as_ref().map_or(&b""[..], AsRef::as_ref);
            let is_name = |(query, _): &(&str, &str)| query.as_bytes() == name.as_ref();
            options.take(NAMES.iter().position(is_name), value)?;
        }
        Ok(options)
    }

    /// Takes a header, unless a parameter said the same; others are left alone.
    ///
    /// # Errors
    /// See [`OptionsError`]; nothing of the request should be stored.
    pub fn header(&mut self, name: &str, value: &[u8]) -> Result<(), OptionsError> {
        let is_name = |(_, header): &(&str, &str)| header.eq_ignore_ascii_case(name);
        self.take(NAMES.iter().position(is_name), value)
    }

    /// Takes the value of the parameter in that place of [`NAMES`], if none was said before.
    fn take(&mut self, place: Option<usize>, value: &[u8]) -> Result<(), OptionsError> {
        let Some(said) = place.and_then(|place| self.said.get_mut(place)) else { return Ok(()) };
        if value.is_empty() || said.is_some() {
            return Ok(());
        }
        *said = Some(value.to_vec());
        self.debug = matches!(self.value(6), b"1" | b"t" | b"T" | b"true" | b"True" | b"TRUE");
        let count = (0..6).map(|place| names(self.value(place)).count()).sum();
        if count > JSON_NAMES_MAX {
            return Err(OptionsError::TooManyNames(count));
        }
        match names(self.value(4)).find(|field| !field.contains(&b'=')) {
            Some(field) => {
                Err(OptionsError::NoValue(field.escape_ascii().take(80).map(char::from).collect()))
            }
            None => Ok(()),
        }
    }

    fn value(&self, place: usize) -> &[u8] {
        self.said.get(place).and_then(Option::as_deref).unwrap_or_default()
    }

    /// What a parser needs of it.
    pub(super) fn read(&self) -> Read {
        let mut read = Read::default();
        let times = self.value(0);
        let times = if times.is_empty() { b"_time" } else { times };
        for (name, rank) in names(times).zip(0..) {
            read.plan.add(name, Role::Time(rank));
        }
        let has_message = !self.value(1).is_empty();
        for (name, rank) in names(self.value(1)).zip(0..) {
            read.plan.add(name, Role::Message(rank));
        }
        for field in names(self.value(4)) {
            let at = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
            let value = field.get(at + 1..).unwrap_or_default();
            read.extra.push((field[..at].trim_ascii().into(), value.into()));
        }
        for name in names(self.value(2)) {
            let is_extra = read.extra.iter().any(|(extra, _)| **extra == *name);
            if !is_extra && !read.labels.iter().any(|label| **label == *name) {
                read.plan.add(name, Role::Label(read.labels.len(), 0));
                read.labels.push(name.into());
            }
        }
        read.plan.add_known(has_message, self.value(0).is_empty());
        read.edits.ignored = names(self.value(3)).map(Pattern::new).collect();
        read.edits.decolorized = names(self.value(5)).map(Pattern::new).collect();
        read
    }
}

/// The names in a list with commas.
fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(query: &[(&str, &str)]) -> Result<Options, OptionsError> {
        Options::from_pairs(query.iter().map(|(name, value)| (*name, Some(*value))))
    }

    #[test]
    fn parameters_count_before_headers() {
        let mut options = from(&[("_stream_fields", "a, b,"), ("x", "y"), ("debug", "1")]).unwrap();
        options.header("vl-stream-fields", b"c").unwrap();
        options.header("VL-Extra-Fields", b"job=edge, zone=a=b").unwrap();
        options.header("Accept", b"*/*").unwrap();
        assert!(options.debug);
        let read = options.read();
        assert_eq!(read.labels, [b"a".to_vec().into_boxed_slice(), b"b".to_vec().into()]);
        let extra: Vec<(&[u8], &[u8])> =
            read.extra.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(extra, [(&b"job"[..], &b"edge"[..]), (b"zone", b"a=b")]);
    }

    #[test]
    fn options_that_cannot_be_read_are_refused() {
        let many = vec!["x"; JSON_NAMES_MAX + 1].join(",");
        let error = from(&[("_stream_fields", &many)]).unwrap_err();
        assert_eq!(error, OptionsError::TooManyNames(JSON_NAMES_MAX + 1));
        let error = from(&[("extra_fields", "a=b,job")]).unwrap_err();
        assert_eq!(error.to_string(), "bad extra field \"job\" (expected name=value,name=value)");
        assert!(!from(&[("debug", "0")]).unwrap().debug);
        let none = Options::from_pairs([("_msg_field", None::<&str>)]).unwrap();
        assert!(none.read().labels.is_empty());
    }
}
