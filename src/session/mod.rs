//! What a connection is: a sender of log lines, or somebody who asks. State machines: bytes and a
//! time in, bytes and wishes out. Nothing here knows a socket.

pub mod dedupe;
pub mod fair;
pub mod intake;
pub mod kmsg;
pub mod labels;
pub mod logs;
pub mod multiline;
pub mod questions;
pub mod slowlog;
pub mod sources;
#[cfg(test)]
mod testing;

pub use intake::{Intake, Sink};
pub use logs::LogSession;
pub use questions::QuestionSession;

/// What is spoken on a connection.
#[derive(Debug)]
pub enum Session {
    /// Lines come in (the log port).
    Logs(LogSession),
    /// Commands come in, answers go out (the question port).
    Questions(Box<QuestionSession>),
    /// It was told why it is not served, and is about to be closed.
    Refused,
}

impl Session {
    /// The role's name in `CLIENTS` and in our log.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Logs(_) => "logs",
            Self::Questions(_) => "questions",
            Self::Refused => "refused",
        }
    }
}
