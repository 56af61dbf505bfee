//! Why a case could not be measured.

use std::{fmt, io};

/// A case ends with this instead of rows; the others go on.
#[derive(Debug)]
pub enum BenchError {
    /// A system call failed while doing what is named.
    Io(&'static str, io::Error),
    /// The server did not start, ended, or did not say what was waited for.
    Server(String),
    /// The server's answer to a question was not one.
    Answer {
        /// What was asked.
        question: String,
        /// What came.
        answer: String,
    },
    /// This machine has not what the case needs.
    Unavailable(String),
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, error) => write!(f, "{doing}: {error}"),
            Self::Server(what) => write!(f, "server: {what}"),
            Self::Answer { question, answer } => {
                write!(f, "unexpected answer to {question:?}: {answer:?}")
            }
            Self::Unavailable(what) => write!(f, "not measurable here: {what}"),
        }
    }
}

/// What the functions of this module return.
pub type Result<T> = std::result::Result<T, BenchError>;

/// Names what was being done when an I/O error came.
pub trait Doing<T> {
    /// Turns the error into a [`BenchError`] that says so.
    fn doing(self, what: &'static str) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: &'static str) -> Result<T> {
        self.map_err(|error| BenchError::Io(what, error))
    }
}

impl<T> Doing<T> for nix::Result<T> {
    fn doing(self, what: &'static str) -> Result<T> {
        self.map_err(|errno| BenchError::Io(what, errno.into()))
    }
}
