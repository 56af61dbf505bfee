//! Somebody who speaks IRC: RFC 1459 and 2812 as modern clients know them, with IRCv3.
//!
//! ```text
//! bytes -> Splitter -> Message -> commands::dispatch -> Irc (users, channels) -> everybody's `out`
//!                                        |
//!                                        +-> a question: walks the ring, answers in lines
//! records -> feeds (a cursor a log channel) -> the channel's members
//! ```
//!
//! Commands of one connection are done in order; while one walks the ring for its answer the next
//! waits. A client that sends more than [`IRC_LINES_PER_SECOND`] is read more slowly, never closed
//! for it.

pub mod asking;
pub mod bot;
pub mod channel;
pub mod commands;
pub mod feeds;
pub mod help;
pub mod history;
pub mod info;
pub mod isupport;
pub mod joining;
pub mod labels;
pub mod line;
pub mod listing;
pub mod modes;
pub mod monitor;
pub mod places;
pub mod post;
pub mod registration;
pub mod room;
pub mod saying;
pub mod server;
pub mod settings;
pub mod talking;
#[cfg(test)]
pub mod testing;
pub mod unfinished;
pub mod user;
pub mod who;
pub mod whois;

pub use server::Irc;
pub use settings::IrcSettings;
pub use user::UserId;

use super::walk::{Running, Tools};
use crate::clock::{MS, Mono, Wall};
use crate::limits::{
    IRC_INBOX_BYTES_MAX, IRC_LINE_BYTES_MAX, IRC_LINES_AT_ONCE, IRC_LINES_PER_SECOND, IRC_PING_MS,
    IRC_PONG_MS, IRC_REGISTRATION_MS,
};
use crate::proto::irc::numeric::ERR_INPUTTOOLONG;
use crate::proto::irc::outgoing::Outgoing;
use crate::proto::irc::{LineStep, Message, Splitter};
use crate::segment::{Segment, Store};
use asking::Answer;
use commands::{Call, Outcome};

/// One connection of IRC.
#[derive(Debug)]
pub struct IrcSession {
    /// Its user.
    user: UserId,
    /// Received and not worked off.
    inbox: Vec<u8>,
    splitter: Splitter,
    /// The client has sent its last byte.
    is_input_over: bool,
    /// The question under way, and how it is answered.
    answer: Option<Box<Answer>>,
    /// Lines that it may send at once, in nanoseconds of the time that they are worth; when that
    /// was counted last.
    allowance: u64,
    counted: Mono,
    /// The next line waits for that, and for nothing else.
    is_slowed: bool,
    /// When it was accepted, and when something came from it last.
    opened: Mono,
    heard: Mono,
    /// A `PING` of ours is not answered yet; since when.
    pinged: Option<Mono>,
}

/// What a session needs for a step.
pub struct Context<'a, S: Store> {
    /// Everybody.
    pub irc: &'a mut Irc,
    /// The records; `None` until the segment is open.
    pub segment: Option<&'a Segment<S>>,
    /// The turn's time.
    pub mono: Mono,
    /// The turn's time on the wall.
    pub wall: Wall,
    /// What walks need.
    pub tools: Tools<'a>,
}

/// What a step came to.
#[derive(Debug)]
pub enum Next {
    /// No whole line is left.
    NeedInput,
    /// There is more to do at once.
    Again,
    /// It has said enough for now: go on at its deadline.
    Slowed,
    /// Too much waits for the client: go on when it has taken some.
    Blocked,
    /// The segment is not open yet; the question waits.
    NotOpen,
    /// A question has been answered; for the slow log.
    Finished(Box<Running>),
    /// The connection ends once everything is sent.
    Close,
}

/// What one line costs of the allowance.
const LINE_NS: u64 = 1000 * MS / IRC_LINES_PER_SECOND;

impl IrcSession {
    /// The session of `user`, who has said nothing yet.
    pub fn new(user: UserId, mono: Mono) -> Self {
        Self {
            user,
            inbox: Vec::new(),
            splitter: Splitter::default(),
            is_input_over: false,
            answer: None,
            allowance: IRC_LINES_AT_ONCE * LINE_NS,
            counted: mono,
            is_slowed: false,
            opened: mono,
            heard: mono,
            pinged: None,
        }
    }

    /// Its user.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Bytes of input it would take now.
    pub fn wants_bytes(&self) -> usize {
        IRC_INBOX_BYTES_MAX.saturating_sub(self.inbox.len())
    }

    /// Takes input in, at most [`Self::wants_bytes`].
    pub fn hear(&mut self, input: &[u8], mono: Mono) {
        self.inbox.extend_from_slice(input);
        self.heard = mono;
        self.pinged = None;
    }

    /// The client has sent its last byte.
    pub fn input_is_over(&mut self) {
        self.is_input_over = true;
    }

    /// The walk under way for its question.
    pub fn running(&self) -> Option<&Running> {
        self.answer.as_ref().map(|answer| answer.running())
    }

    /// The same, to take its next step.
    pub fn running_mut(&mut self) -> Option<&mut Running> {
        self.answer.as_mut().map(|answer| answer.running_mut())
    }

    /// Takes one bounded step: answers go to the `out` of whom they concern.
    pub fn step<S: Store>(&mut self, context: &mut Context<'_, S>) -> Next {
        self.is_slowed = false;
        let Some(user) = context.irc.user(self.user) else { return Next::Close };
        if user.is_gone {
            return Next::Close;
        }
        let keeps_up = user.keeps_up();
        if user.is_overrun() {
            context.irc.overrun += 1;
            return self.end(b"Too much waits for you: you read too slowly", context);
        }
        context.irc.own_up(self.user, context.wall);
        if self.answer.is_some() {
            return self.slice(context);
        }
        if !keeps_up {
            return Next::Blocked;
        }
        let (user, mono, wall) = (self.user, context.mono, context.wall);
        let start = labels::waiting(context.irc, user);
        if unfinished::go_on(&mut Call { irc: context.irc, user, mono, wall }) {
            labels::go_on(context.irc, user, start);
            Self::begin_feeds(context);
            return Next::Again;
        }
        self.next_line(context)
    }

    fn slice<S: Store>(&mut self, context: &mut Context<'_, S>) -> Next {
        let Some(answer) = &mut self.answer else { return Next::Again };
        let Some(segment) = context.segment else { return Next::NotOpen };
        let step = answer.step(context.irc, segment, &mut context.tools, context.wall);
        match step {
            asking::Step::More => Next::Again,
            asking::Step::Blocked => Next::Blocked,
            asking::Step::Done => match self.answer.take() {
                Some(answer) => Next::Finished(answer.into_running()),
                None => Next::Again,
            },
        }
    }

    /// Finds the next whole line and does what it says.
    fn next_line<S: Store>(&mut self, context: &mut Context<'_, S>) -> Next {
        self.earn(context.mono);
        let mut splitter = self.splitter.clone();
        let (used, step) = splitter.step(&self.inbox);
        // Only a line is waited for: what comes before it, or is none yet, costs nothing.
        if self.allowance < LINE_NS && !matches!(step, LineStep::NeedMore) {
            self.is_slowed = true;
            return Next::Slowed;
        }
        self.splitter = splitter;
        let outcome = match step {
            LineStep::NeedMore => {
                self.inbox.drain(..used);
                self.pay(used);
                if self.inbox.is_empty() {
                    self.inbox = Vec::new();
                }
                if self.is_input_over {
                    return self.end(b"Connection closed", context);
                }
                return Next::NeedInput;
            }
            LineStep::TooLong => {
                let text = Some(&b"Input line was too long"[..]);
                context.irc.reply(self.user, ERR_INPUTTOOLONG, &[], text);
                Outcome::Done
            }
            LineStep::Line(line) => match Message::parse(line) {
                Ok(message) => {
                    let (user, mono, wall) = (self.user, context.mono, context.wall);
                    let mut call = Call { irc: context.irc, user, mono, wall };
                    commands::dispatch(&mut call, &message)
                }
                // What has no command in it is nothing.
                Err(_) => Outcome::Done,
            },
        };
        self.inbox.drain(..used);
        self.pay(used.max(IRC_LINE_BYTES_MAX));
        context.tools.metrics.irc_lines += 1;
        Self::begin_feeds(context);
        match outcome {
            Outcome::Done => Next::Again,
            Outcome::Quit => Next::Close,
            Outcome::Ask(question) => self.begin(*question, context),
        }
    }

    /// What it has joined begins with the next record.
    fn begin_feeds<S: Store>(context: &mut Context<'_, S>) {
        if let Some(segment) = context.segment {
            context.irc.begin_feeds(segment, &context.tools, context.wall);
        }
    }

    /// Begins to answer a question.
    fn begin<S: Store>(
        &mut self,
        question: asking::Question,
        context: &mut Context<'_, S>,
    ) -> Next {
        let Some(segment) = context.segment else {
            let start = labels::waiting(context.irc, self.user);
            context.irc.notice(self.user, "the segment is not open yet: ask again in a moment");
            labels::answered(context.irc, self.user, start, true);
            return Next::Again;
        };
        let (mono, wall) = (context.mono, context.wall);
        self.answer = question.begin(context.irc, segment, &mut context.tools, (mono, wall));
        Next::Again
    }

    /// Says why it ends, to the client and to those who know it.
    pub fn end<S: Store>(&mut self, reason: &[u8], context: &mut Context<'_, S>) -> Next {
        farewell(context.irc, self.user, reason, context.wall);
        self.answer = None;
        Next::Close
    }

    /// Takes what so many bytes of input cost: whatever they are, a line's worth costs a line.
    fn pay(&mut self, bytes: usize) {
        let lines = (bytes / IRC_LINE_BYTES_MAX) as u64;
        self.allowance = self.allowance.saturating_sub(lines * LINE_NS);
    }

    /// Adds what the time since the last look is worth.
    fn earn(&mut self, mono: Mono) {
        let earned = mono.saturating_sub(std::mem::replace(&mut self.counted, mono));
        self.allowance = self.allowance.saturating_add(earned).min(IRC_LINES_AT_ONCE * LINE_NS);
    }

    /// When it wants to be looked at though nothing comes.
    pub fn deadline(&self, irc: &Irc) -> Mono {
        let is_registered = irc.user(self.user).is_some_and(|user| user.is_registered);
        let silence = match self.pinged {
            Some(pinged) => pinged + IRC_PONG_MS * MS,
            None if !is_registered => self.opened + IRC_REGISTRATION_MS * MS,
            None => self.heard + IRC_PING_MS * MS,
        };
        if self.is_slowed {
            silence.min(self.counted + LINE_NS.saturating_sub(self.allowance))
        } else {
            silence
        }
    }

    /// Its deadline has come: asks whether it is still there, or ends it.
    pub fn on_deadline<S: Store>(&mut self, context: &mut Context<'_, S>) -> Next {
        let mono = context.mono;
        self.earn(mono);
        let Some(user) = context.irc.user(self.user) else { return Next::Close };
        let is_registered = user.is_registered;
        if !user.keeps_up() && (self.pinged.is_some() || is_registered) {
            // It could not have read our question: the silence is ours.
            self.heard = mono;
            self.pinged = None;
            return Next::Again;
        }
        match self.pinged {
            Some(pinged) if mono >= pinged + IRC_PONG_MS * MS => {
                let seconds = (mono - self.heard) / (1000 * MS);
                self.end(format!("Ping timeout: {seconds} seconds").as_bytes(), context)
            }
            None if !is_registered && mono >= self.opened + IRC_REGISTRATION_MS * MS => {
                self.end(b"Registration timed out", context)
            }
            None if is_registered && mono >= self.heard + IRC_PING_MS * MS => {
                self.pinged = Some(mono);
                let name = context.irc.settings.name.clone();
                if let Some(out) = context.irc.out(self.user) {
                    Outgoing::begin(out, b"", "PING").trailing(name.as_bytes()).end();
                }
                Next::Again
            }
            _ => Next::Again,
        }
    }
}

/// Takes a user out of everything, with a last word to itself.
pub fn farewell(irc: &mut Irc, user: UserId, reason: &[u8], wall: Wall) {
    if irc.user(user).is_some_and(|one| !one.is_gone) {
        irc.close_link(user, reason);
        irc.say_goodbye(user, reason, wall);
    }
}
