//! What a connection is: a sender of log lines, or somebody who asks. State machines: bytes and a
//! time in, bytes and wishes out. Nothing here knows a socket.

pub mod dedupe;
pub mod fair;
pub mod http;
pub mod intake;
pub mod irc;
pub mod kmsg;
pub mod labels;
pub mod logs;
pub mod multiline;
pub mod named;
pub mod questions;
pub mod slowlog;
pub mod sources;
#[cfg(test)]
mod testing;
pub mod walk;

pub use http::HttpSession;
pub use intake::{Intake, Sink};
pub use irc::IrcSession;
pub use logs::LogSession;
pub use questions::QuestionSession;
use walk::Running;

/// What is spoken on a connection.
#[derive(Debug)]
pub enum Session {
    /// Lines come in (the log port).
    Logs(LogSession),
    /// Commands come in, answers go out (the question port).
    Questions(Box<QuestionSession>),
    /// Requests come in (the HTTP port, or found at the log port).
    Http(Box<HttpSession>),
    /// A client of the IRC server.
    Irc(Box<IrcSession>),
    /// It was told why it is not served, and is about to be closed.
    Refused,
}

impl Session {
    /// The role's name in `CLIENTS` and in our log.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Logs(_) => "logs",
            Self::Questions(_) => "questions",
            Self::Http(_) => "http",
            Self::Irc(_) => "irc",
            Self::Refused => "refused",
        }
    }

    /// The walk over the ring that is under way for it.
    pub fn running(&self) -> Option<&Running> {
        match self {
            Self::Questions(session) => session.running(),
            Self::Http(session) => session.running(),
            Self::Irc(session) => session.running(),
            Self::Logs(_) | Self::Refused => None,
        }
    }

    /// The same, to take its next step.
    pub fn running_mut(&mut self) -> Option<&mut Running> {
        match self {
            Self::Questions(session) => session.running_mut(),
            Self::Http(session) => session.running_mut(),
            Self::Irc(session) => session.running_mut(),
            Self::Logs(_) | Self::Refused => None,
        }
    }
}
