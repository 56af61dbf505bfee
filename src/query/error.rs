//! Why a question is refused.

use std::fmt;

use super::regex::RegexError;
use super::time::TIME_ALLOWED;
use crate::limits::{CONDITION_BYTES_MAX, CONDITION_PATTERNS_MAX, CONDITIONS_MAX};

/// Bytes of what was sent that an error repeats.
const ECHO_BYTES_MAX: usize = 64;

/// Why a question is refused: what was seen, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// A word that is not `name=value`.
    NotAParameter(Vec<u8>),
    /// A parameter that there is not.
    UnknownParameter {
        /// As it was sent.
        seen: Vec<u8>,
        /// The names there are.
        allowed: String,
    },
    /// The same parameter twice, by one name or by two.
    Repeated(&'static str),
    /// A comparison that the parameter does not have.
    Comparison {
        /// The parameter.
        name: &'static str,
        /// As it was sent.
        seen: &'static str,
        /// The comparisons it has.
        allowed: &'static str,
    },
    /// A value that the parameter cannot have.
    Value {
        /// The parameter or command.
        name: &'static str,
        /// As it was sent.
        seen: Vec<u8>,
        /// What it can be.
        allowed: &'static str,
    },
    /// A value, or a command's argument, that is missing.
    Missing {
        /// The parameter or command.
        name: &'static str,
        /// What it wants.
        allowed: &'static str,
    },
    /// `operator=`, which says how `keywords=` go together, without them.
    OperatorAlone,
    /// A quote that is not closed, or text right behind a closing one.
    Quote(Vec<u8>),
    /// A time that is none.
    Time(Vec<u8>),
    /// A range that ends before it begins.
    FromAfterTo {
        /// Its beginning, as it was sent.
        from: Vec<u8>,
        /// Its end, as it was sent.
        to: Vec<u8>,
    },
    /// Two parameters that exclude each other.
    Exclusive(&'static str, &'static str),
    /// `field.` without a name.
    Nameless,
    /// A condition on a label without a value, or a pattern that is empty.
    Valueless {
        /// The label or field.
        name: Vec<u8>,
    },
    /// A name or a value of a condition that exceeds [`CONDITION_BYTES_MAX`].
    LongCondition {
        /// Its length.
        bytes: usize,
    },
    /// More than [`CONDITIONS_MAX`] conditions on labels and fields.
    Conditions,
    /// More than [`CONDITION_PATTERNS_MAX`] of them with `~` or `!~`.
    Patterns,
    /// A pattern that cannot be used.
    Regex(RegexError),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAParameter(seen) => {
                write!(f, "{} is not name=value (put a value with spaces in quotes)", Echo(seen))
            }
            Self::UnknownParameter { seen, allowed } => {
                write!(
                    f,
                    "unknown parameter {} (allowed: {allowed}; a field of the line is asked for \
                     as field.NAME=)",
                    Echo(seen)
                )
            }
            Self::Repeated(name) => {
                write!(f, "{name}= is given more than once (allowed: once, by one of its names)")
            }
            Self::Comparison { name, seen, allowed } => {
                write!(f, "{name}{seen} is not a comparison of {name} (allowed: {allowed})")
            }
            Self::Value { name, seen, allowed } => {
                write!(f, "bad {name} {} (allowed: {allowed})", Echo(seen))
            }
            Self::Missing { name, allowed } => {
                write!(f, "{name} needs a value (allowed: {allowed})")
            }
            Self::OperatorAlone => {
                write!(f, "operator= needs keywords= (allowed: keywords=a,b operator=OR)")
            }
            Self::Quote(seen) => write!(
                f,
                "bad quotes in {} (allowed: \"...\" with \\\" and \\\\ inside, then a space)",
                Echo(seen)
            ),
            Self::Time(seen) => write!(f, "bad time {} (allowed: {TIME_ALLOWED})", Echo(seen)),
            Self::FromAfterTo { from, to } => {
                write!(f, "from {} is after to {} (allowed: from <= to)", Echo(from), Echo(to))
            }
            Self::Exclusive(one, other) => {
                write!(f, "{one} and {other} exclude each other (allowed: one of them)")
            }
            Self::Nameless => write!(f, "field. needs a name (allowed: field.NAME=VALUE)"),
            Self::Valueless { name } => {
                write!(f, "{} needs a value (allowed: any text)", Echo(name))
            }
            Self::LongCondition { bytes } => {
                write!(f, "name or value of {bytes} bytes exceeds {CONDITION_BYTES_MAX} bytes")
            }
            Self::Conditions => write!(
                f,
                "more than {CONDITIONS_MAX} conditions on labels and fields (allowed: \
                 {CONDITIONS_MAX})"
            ),
            Self::Patterns => write!(
                f,
                "more than {CONDITION_PATTERNS_MAX} conditions with ~ or !~ (allowed: \
                 {CONDITION_PATTERNS_MAX})"
            ),
            Self::Regex(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for QueryError {}

impl From<RegexError> for QueryError {
    fn from(error: RegexError) -> Self {
        Self::Regex(error)
    }
}

/// Repeats what a peer sent: in quotes, printable, cut to [`ECHO_BYTES_MAX`].
pub(crate) struct Echo<'a>(pub &'a [u8]);

impl fmt::Display for Echo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_cut = self.0.len() > ECHO_BYTES_MAX;
        let shown = &self.0[..self.0.len().min(ECHO_BYTES_MAX)];
        let end = if is_cut { "..." } else { "" };
        write!(f, "\"{}{end}\"", shown.escape_ascii())
    }
}
