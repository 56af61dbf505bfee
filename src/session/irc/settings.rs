//! What the IRC server was told to be.

use crate::proto::irc::Secret;

/// The settings that its sessions look at.
#[derive(Clone, Debug, Default)]
pub struct IrcSettings {
    /// What it calls itself: a host name, with a dot or without.
    pub name: String,
    /// What has to be said with `PASS`; `None` = nothing.
    pub password: Option<Secret>,
    /// Where everybody is put once registered.
    pub auto_join: Vec<Vec<u8>>,
    /// The message of the day, line by line; empty = there is none.
    pub motd: Vec<Vec<u8>>,
}
