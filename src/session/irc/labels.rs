//! Labels: what a command comes to carries the label that the client gave it. IRCv3
//! labeled-response.
//!
//! ```text
//! nothing      @label=x :server ACK
//! one line     @label=x :server PONG server :a
//! more         @label=x :server BATCH +r1 labeled-response
//!              @batch=r1 :server 352 …
//!              :server BATCH -r1
//! ```
//!
//! What a command has to say stands at the end of what its user is to be sent, so it is labelled
//! there once the command is done. A command that is done in steps keeps its batch open; so does an
//! answer out of the records, but CHATHISTORY's, which is a batch itself.

use super::commands::{Call, Outcome};
use super::server::Irc;
use super::user::UserId;
use crate::limits::IRC_LABEL_BYTES_MAX;
use crate::proto::irc::Message;
use crate::proto::irc::caps::Cap;
use crate::proto::irc::outgoing::{Outgoing, escape_tag_value};

/// Does a command, and labels what it says to its user.
pub(super) fn labelled(
    call: &mut Call<'_>,
    message: &Message<'_>,
    act: impl FnOnce(&mut Call<'_>) -> Outcome,
) -> Outcome {
    let Some(label) = label_of(call, message) else { return act(call) };
    let start = waiting(call.irc, call.user);
    call.irc.response_end = None;
    let outcome = act(call);
    match &outcome {
        // The records are its answer. What is said to LogBot is answered by LogBot, not by this.
        Outcome::Ask(question) if question.reply.is_notice => {
            if let Some(user) = call.irc.user_mut(call.user) {
                user.label = Some(label);
            }
        }
        _ => finish(call.irc, call.user, &label, start),
    }
    outcome
}

/// Puts what the step of a command said into its batch, and ends that with the command. `start`
/// is how much had waited before the step.
pub(super) fn go_on(irc: &mut Irc, id: UserId, start: usize) {
    let server = irc.settings.name.clone();
    let Some(user) = irc.user_mut(id) else { return };
    let Some(batch) = user.label_batch.take() else { return };
    let said = user.out.split_off(start.min(user.out.len()));
    in_batch(&mut user.out, &batch, &said);
    if user.unfinished.is_some() {
        user.label_batch = Some(batch);
    } else {
        end_batch(&mut user.out, &server, &batch);
    }
}

/// How much waits for a user.
pub(super) fn waiting(irc: &Irc, id: UserId) -> usize {
    irc.user(id).map_or(0, |user| user.out.len())
}

/// The label as it is written, `label=x`.
fn label_of(call: &Call<'_>, message: &Message<'_>) -> Option<Vec<u8>> {
    let user = call.irc.user(call.user).filter(|user| user.caps.has(Cap::LabeledResponse))?;
    let label = message.tag("label")?;
    let fits = !label.is_empty() && label.len() <= IRC_LABEL_BYTES_MAX;
    // Without batches more than one line could not be kept together.
    let is_good = fits && str::from_utf8(&label).is_ok() && user.caps.has(Cap::Batch);
    is_good.then(|| {
        let mut tag = b"label=".to_vec();
        escape_tag_value(&label, &mut tag);
        tag
    })
}

fn finish(irc: &mut Irc, id: UserId, label: &[u8], start: usize) {
    let end = irc.response_end.take();
    let Some(out) = irc.out(id) else { return };
    let mut said = out.split_off(start.min(out.len()));
    // What has come to the user as to anybody else is not an answer.
    let apart = said.split_off(end.map_or(said.len(), |end| said.len().min(end - start)));
    let goes_on = irc.user(id).is_some_and(|user| user.unfinished.is_some());
    respond(irc, id, label, &said, goes_on);
    if let Some(user) = irc.user_mut(id) {
        user.out.extend_from_slice(&apart);
    }
}

/// Appends the beginning of an answer with its label.
fn respond(irc: &mut Irc, id: UserId, label: &[u8], said: &[u8], goes_on: bool) {
    let server = irc.settings.name.clone();
    let batch = irc.next_batch();
    let lines = said.split_inclusive(|&byte| byte == b'\n').count();
    let Some(user) = irc.user_mut(id) else { return };
    let out = &mut user.out;
    match lines {
        0 if !goes_on => {
            tagged(out, label, b"");
            Outgoing::begin(out, server.as_bytes(), "ACK").end();
        }
        1 if !goes_on => tagged(out, label, said),
        _ if !goes_on && is_batch(said) => tagged(out, label, said),
        _ => {
            tagged(out, label, b"");
            let line = Outgoing::begin(out, server.as_bytes(), "BATCH");
            line.param(&[b"+", &batch[..]].concat()).param(b"labeled-response").end();
            in_batch(out, &batch, said);
            if goes_on {
                user.label_batch = Some(batch);
            } else {
                end_batch(out, &server, &batch);
            }
        }
    }
}

/// Puts what a step of an answer out of the records said under the label of its command, where it
/// has one. `start` is how much had waited before the step.
pub(super) fn answered(irc: &mut Irc, id: UserId, start: usize, is_over: bool) {
    let server = irc.settings.name.clone();
    let Some(user) = irc.user_mut(id) else { return };
    let mut said = user.out.split_off(start.min(user.out.len()));
    if let Some(batch) = user.label_batch.take() {
        in_batch(&mut user.out, &batch, &said);
        if is_over {
            end_batch(&mut user.out, &server, &batch);
        } else {
            user.label_batch = Some(batch);
        }
    } else if said.is_empty() && !is_over {
        // Nothing to put it on yet.
    } else if let Some(label) = user.label.take() {
        match batch_of(&said, b'+') {
            // A batch of its own: what follows is in it.
            Some(_) if !is_over => tagged(&mut user.out, &label, &said),
            _ => respond(irc, id, &label, &said, !is_over),
        }
    } else {
        user.out.append(&mut said);
    }
}

/// Writes a line with one tag more before those that it has.
fn tagged(out: &mut Vec<u8>, tag: &[u8], line: &[u8]) {
    out.push(b'@');
    out.extend_from_slice(tag);
    match line.strip_prefix(b"@") {
        Some(rest) => {
            out.push(b';');
            out.extend_from_slice(rest);
        }
        None => {
            out.push(b' ');
            out.extend_from_slice(line);
        }
    }
}

/// Writes lines as those of a batch; what is in a batch already stays in that.
fn in_batch(out: &mut Vec<u8>, batch: &[u8], lines: &[u8]) {
    let tag = [b"batch=", batch].concat();
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b"@batch=") {
            out.extend_from_slice(line);
        } else {
            tagged(out, &tag, line);
        }
    }
}

fn end_batch(out: &mut Vec<u8>, server: &str, batch: &[u8]) {
    let line = Outgoing::begin(out, server.as_bytes(), "BATCH");
    line.param(&[b"-", batch].concat()).end();
}

/// Whether lines are one batch already: it begins with the first and ends with the last.
fn is_batch(lines: &[u8]) -> bool {
    let last = lines.split_inclusive(|&byte| byte == b'\n').next_back().unwrap_or_default();
    let opened = batch_of(lines, b'+');
    opened.is_some() && opened == batch_of(last, b'-')
}

/// The name of the batch that the first of the lines begins (`+`) or ends (`-`).
fn batch_of(lines: &[u8], sign: u8) -> Option<&[u8]> {
    let line = lines.split(|&byte| byte == b'\n').next()?;
    let message = Message::parse(line.trim_ascii_end()).ok()?;
    let name = message.param(0).filter(|_| message.command() == b"BATCH")?;
    name.strip_prefix(&[sign])
}

#[cfg(test)]
mod tests;
