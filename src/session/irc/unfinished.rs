//! Commands that say more than a client may have waiting: into many channels, or about many. They
//! are done in steps of a few channels, each once the client has taken what the one before said;
//! its next command waits as long.

use std::collections::VecDeque;

use super::commands::Call;
use super::joining::{self, Parting};
use super::listing::{self, Listing, Naming};
use super::who::{self, Asking};
use crate::limits::IRC_CHANNELS_PER_STEP;

/// What there still is to do of a command.
#[derive(Debug)]
pub enum Unfinished {
    /// Channels to come into, each with its key, which may be empty.
    Join(VecDeque<(Vec<u8>, Vec<u8>)>),
    /// Channels to leave.
    Part(Parting),
    /// Channels whose members are to be named.
    Names(Naming),
    /// Channels that may be listed.
    List(Box<Listing>),
    /// Users that may be told of.
    Who(Box<Asking>),
}

/// Begins a command; what cannot be done at once is kept with its user. Something of that user's
/// that was kept before is done away with, so that none can be piled up.
pub fn begin(call: &mut Call<'_>, whole: Unfinished) {
    if let Some(user) = call.irc.user_mut(call.user) {
        user.unfinished = Some(whole);
    }
    go_on(call);
}

/// Takes the next step of what is kept with the user: whether there was something.
pub fn go_on(call: &mut Call<'_>) -> bool {
    let kept = call.irc.user_mut(call.user).and_then(|user| user.unfinished.take());
    let Some(mut rest) = kept else { return false };
    for _ in 0..IRC_CHANNELS_PER_STEP {
        let has_more = match &mut rest {
            Unfinished::Join(wanted) => joining::join_next(call, wanted),
            Unfinished::Part(parting) => joining::part_next(call, parting),
            Unfinished::Names(naming) => listing::name_next(call, naming),
            Unfinished::List(listing) => listing::list_next(call, listing),
            Unfinished::Who(asking) => who::who_next(call, asking),
        };
        if !has_more {
            return true;
        }
        if !call.irc.user(call.user).is_some_and(|user| user.keeps_up()) {
            break;
        }
    }
    if let Some(user) = call.irc.user_mut(call.user) {
        user.unfinished = Some(rest);
    }
    true
}
