//! Capabilities: which there are, sets of them, and the lists of CAP (IRCv3
//! capability-negotiation).

use super::Outgoing;

/// A capability that this server knows. There are no accounts, so `sasl` is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cap {
    /// Those who share a channel are told of AWAY.
    AwayNotify,
    /// Lines may come in batches.
    Batch,
    /// The client is told when capabilities come and go; 302 implies it.
    CapNotify,
    /// CHATHISTORY is answered.
    ChatHistory,
    /// A JOIN does not name who is there; the draft of [`Self::NoImplicitNames`].
    DraftNoImplicitNames,
    /// A client's own messages come back to it.
    EchoMessage,
    /// JOIN says the account and the real name too.
    ExtendedJoin,
    /// Those who may invite to a channel are told of INVITE.
    InviteNotify,
    /// What a command comes to carries the label that came with it.
    LabeledResponse,
    /// Lines may carry any tags, and TAGMSG is a command.
    MessageTags,
    /// NAMES and WHO show all that a member is.
    MultiPrefix,
    /// A JOIN does not name who is there.
    NoImplicitNames,
    /// Lines carry the tag `time`.
    ServerTime,
    /// The real name may change.
    SetName,
    /// NAMES shows `nick!user@host`.
    UserhostInNames,
}

impl Cap {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 15] = [
        Self::AwayNotify,
        Self::Batch,
        Self::CapNotify,
        Self::ChatHistory,
        Self::DraftNoImplicitNames,
        Self::EchoMessage,
        Self::ExtendedJoin,
        Self::InviteNotify,
        Self::LabeledResponse,
        Self::MessageTags,
        Self::MultiPrefix,
        Self::NoImplicitNames,
        Self::ServerTime,
        Self::SetName,
        Self::UserhostInNames,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwayNotify => "away-notify",
            Self::Batch => "batch",
            Self::CapNotify => "cap-notify",
            Self::ChatHistory => "draft/chathistory",
            Self::DraftNoImplicitNames => "draft/no-implicit-names",
            Self::EchoMessage => "echo-message",
            Self::ExtendedJoin => "extended-join",
            Self::InviteNotify => "invite-notify",
            Self::LabeledResponse => "labeled-response",
            Self::MessageTags => "message-tags",
            Self::MultiPrefix => "multi-prefix",
            Self::NoImplicitNames => "no-implicit-names",
            Self::ServerTime => "server-time",
            Self::SetName => "setname",
            Self::UserhostInNames => "userhost-in-names",
        }
    }

    /// The capability of this name; case matters.
    pub fn find(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|cap| cap.name().as_bytes() == name)
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSet(u32);

impl CapSet {
    /// All that there are.
    pub const ALL: Self = Self((1 << Cap::ALL.len()) - 1);

    /// Whether `cap` is in it.
    pub const fn has(self, cap: Cap) -> bool {
        self.0 & (1 << cap as u8) != 0
    }

    /// The set with `cap`.
    #[must_use]
    pub const fn with(self, cap: Cap) -> Self {
        Self(self.0 | 1 << cap as u8)
    }

    /// The set without `cap`.
    #[must_use]
    pub const fn without(self, cap: Cap) -> Self {
        Self(self.0 & !(1 << cap as u8))
    }

    /// Its members, in the order of their names.
    pub fn iter(self) -> impl Iterator<Item = Cap> {
        Cap::ALL.into_iter().filter(move |&cap| self.has(cap))
    }
}

/// What CAP REQ makes of `current`: `list` holds names, each with `-` before it where it is to go.
/// All of it is done or nothing: `None`, where a name is unknown or has a value, asks for NAK.
/// Names that are repeated or already so change nothing.
pub fn request(list: &[u8], current: CapSet) -> Option<CapSet> {
    let mut caps = current;
    for word in list.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
        let (name, is_on) = match word.strip_prefix(b"-") {
            Some(name) => (name, false),
            None => (word, true),
        };
        let cap = Cap::find(name)?;
        caps = if is_on { caps.with(cap) } else { caps.without(cap) };
    }
    Some(caps)
}

/// Writes the answer to `CAP LS` or `CAP LIST` (`subcommand`) for `client`, a nick or `*`. With
/// `is_302` a list too long for one line goes on, each but the last with `*` before it ("Multiline
/// replies to CAP LS and CAP LIST"); without, the list is cut at a name. An empty list is one line.
pub fn write_list(
    out: &mut Vec<u8>,
    server: &[u8],
    client: &[u8],
    subcommand: &str,
    caps: CapSet,
    is_302: bool,
) {
    let mut names = caps.iter().map(Cap::name);
    let mut next = names.next();
    loop {
        let mut line = Outgoing::begin(out, server, "CAP").param(client);
        line = line.param(subcommand.as_bytes());
        // " *", which all but the last have.
        let room = line.room().saturating_sub(2);
        let mut list = String::new();
        while let Some(name) = next.take_if(|name| list.len() + 1 + name.len() <= room) {
            if !list.is_empty() {
                list.push(' ');
            }
            list.push_str(name);
            next = names.next();
        }
        let goes_on = is_302 && next.is_some() && !list.is_empty();
        line = if goes_on { line.param(b"*") } else { line };
        line.trailing(list.as_bytes()).end();
        if !goes_on {
            return;
        }
    }
}
