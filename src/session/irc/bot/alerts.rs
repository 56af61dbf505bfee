//! `!alert`: a channel is told when more records than so many match within a time, and when it is
//! over.
//!
//! An alert is a feed that nobody hears: its cursor counts. Counts are kept in
//! [`IRC_ALERT_BUCKETS`] buckets of the window each, so that what is told is exact but for one of
//! them: never more records than there were within the window, and no fewer than within the window
//! without one bucket.

use std::collections::{BTreeMap, VecDeque};

use super::super::channel::ChannelId;
use super::super::commands::{Call, Outcome};
use super::super::feeds::{self, Listener};
use super::super::saying::{Place, Reply};
use super::super::server::{Irc, thousands};
use super::filters::{channel_for, enter, settle};
use super::{ask, first_word, say, usage};
use crate::clock::{Mono, SECOND, Wall};
use crate::limits::{
    IRC_ALERT_BUCKETS, IRC_ALERT_NAME_BYTES_MAX, IRC_ALERT_NS_MAX, IRC_ALERTS_MAX,
};
use crate::query::{TimeContext, number, parse_duration};
use crate::segment::{Segment, Store};
use crate::session::irc::asking::{Ask, in_double_quotes};
use crate::session::walk::Tools;

/// An alert as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What people call it.
    pub name: String,
    /// What is counted, in the language of QUERY.
    pub words: String,
    /// It is told when there are more than so many.
    pub more_than: u64,
    /// Within so many nanoseconds.
    pub window_ns: u64,
    /// The same as it was said.
    pub per: String,
    /// The name of the channel that is told.
    pub channel: Vec<u8>,
}

/// An alert.
#[derive(Debug)]
pub struct Alert {
    /// What was asked for.
    pub draft: Draft,
    channel: ChannelId,
    /// How many matched, by bucket: its number since the clock began, and the count.
    counts: VecDeque<(u64, u64)>,
    total: u64,
    /// There are too many, and that was told.
    is_on: bool,
}

/// All alerts, by number.
#[derive(Debug, Default)]
pub struct Alerts {
    all: BTreeMap<u32, Alert>,
}

impl Alert {
    fn bucket_ns(&self) -> u64 {
        (self.draft.window_ns / IRC_ALERT_BUCKETS).max(1)
    }

    /// Forgets what is older than the window: how many there were within it.
    fn total_at(&mut self, mono: Mono) -> u64 {
        let now = mono / self.bucket_ns();
        while let Some(&(bucket, count)) = self.counts.front()
            && bucket.saturating_add(IRC_ALERT_BUCKETS) <= now
        {
            self.total = self.total.saturating_sub(count);
            self.counts.pop_front();
        }
        self.total
    }

    fn add(&mut self, count: u64, mono: Mono) {
        let now = mono / self.bucket_ns();
        self.total = self.total.saturating_add(count);
        match self.counts.back_mut() {
            Some((bucket, counted)) if *bucket == now => *counted = counted.saturating_add(count),
            _ => self.counts.push_back((now, count)),
        }
    }

    /// When fewer are within the window than now.
    fn falls_at(&self) -> Mono {
        let first = self.counts.front().map_or(0, |(bucket, _)| *bucket);
        first.saturating_add(IRC_ALERT_BUCKETS).saturating_mul(self.bucket_ns())
    }
}

impl Alerts {
    /// Whether any are told in this channel.
    pub fn are_in(&self, id: ChannelId) -> bool {
        self.all.values().any(|alert| alert.channel == id)
    }

    /// All of them, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Alert)> {
        self.all.iter().map(|(number, alert)| (*number, alert))
    }

    /// When one may be over.
    pub fn deadline(&self) -> Option<Mono> {
        self.all.values().filter(|alert| alert.is_on).map(Alert::falls_at).min()
    }

    fn find(&self, name: &str) -> Option<u32> {
        let mut all = self.all.iter();
        all.find(|(_, one)| one.draft.name.eq_ignore_ascii_case(name)).map(|(number, _)| *number)
    }
}

impl Irc {
    /// So many records matched an alert.
    pub(in super::super) fn count_alert(
        &mut self,
        number: u32,
        count: u64,
        (mono, wall): (Mono, Wall),
    ) {
        let Some(alert) = self.bot.alerts.all.get_mut(&number) else { return };
        alert.add(count, mono);
        let total = alert.total_at(mono);
        if alert.is_on || total <= alert.draft.more_than {
            return;
        }
        alert.is_on = true;
        let Draft { name, words, more_than, per, .. } = &alert.draft;
        let (total, more_than) = (thousands(total), thousands(*more_than));
        let text = format!("alert {name}: {total} lines in {per} (more than {more_than}): {words}");
        let listener = Listener::Channel(alert.channel);
        self.say_as("NOTICE", listener, text.as_bytes(), wall);
    }

    /// Tells which alerts are over.
    pub(in super::super) fn check_alerts(&mut self, mono: Mono, wall: Wall) {
        if self.bot.alerts.deadline().is_none_or(|at| at > mono) {
            return;
        }
        let mut over = Vec::new();
        for alert in self.bot.alerts.all.values_mut().filter(|alert| alert.is_on) {
            if alert.total_at(mono) <= alert.draft.more_than {
                alert.is_on = false;
                over.push((alert.channel, format!("alert {} is over", alert.draft.name)));
            }
        }
        for (channel, text) in over {
            self.say_as("NOTICE", Listener::Channel(channel), text.as_bytes(), wall);
        }
    }

    /// Adds an alert that is told in this channel; whether there was room.
    pub(super) fn put_alert(&mut self, number: u32, draft: Draft, channel: ChannelId) -> bool {
        let key = (Listener::Alert(number), 0);
        if self.bot.alerts.all.len() >= IRC_ALERTS_MAX || !self.feeds.add(key, draft.words.clone())
        {
            return false;
        }
        let (counts, total, is_on) = (VecDeque::new(), 0, false);
        self.bot.alerts.all.insert(number, Alert { draft, channel, counts, total, is_on });
        true
    }
}

/// `!alert add NAME 'FILTER' > N per 5m #channel | list | del NAME`
pub(super) fn alert(call: &mut Call<'_>, reply: Reply, words: &[u8]) -> Outcome {
    let (first, rest) = first_word(words);
    match &first.to_ascii_lowercase()[..] {
        b"add" => match read(rest, call, reply) {
            Some(Ok(draft)) => ask(reply, Ask::Alert(draft), "alert", words),
            Some(Err(reason)) => say(call, reply, &format!("ERROR: {reason}")),
            None => usage(call, reply, "alert"),
        },
        b"list" => list(call, reply),
        b"del" => delete(call, reply, &String::from_utf8_lossy(rest)),
        _ => usage(call, reply, "alert"),
    }
}

/// Reads what stands behind `add`; `None` where it has not the form.
fn read(text: &[u8], call: &Call<'_>, reply: Reply) -> Option<Result<Draft, String>> {
    let text = std::str::from_utf8(text).ok()?;
    let (name, rest) = text.split_once(' ')?;
    let rest = rest.trim_start();
    let (words, rest) = match rest.as_bytes().first()? {
        quote @ (b'\'' | b'"') => {
            let mut quotes = rest.match_indices(char::from(*quote)).skip(1);
            let is_end = |at: usize| {
                let behind = rest.as_bytes().get(at + 1);
                behind.is_none_or(|byte| byte.is_ascii_whitespace() || *byte == b'>')
            };
            let (end, _) = quotes.find(|(at, _)| is_end(*at))?;
            (&rest[1..end], &rest[end + 1..])
        }
        _ => {
            let at = rest.rfind(" >")?;
            (&rest[..at], &rest[at..])
        }
    };
    let rest = rest.trim_start().strip_prefix('>')?;
    let mut rest = rest.split_ascii_whitespace();
    let more_than = number(rest.next()?.as_bytes(), 0)?;
    rest.next().filter(|word| word.eq_ignore_ascii_case("per"))?;
    let per = rest.next()?;
    let here = match reply.place {
        Place::Channel(id) => call.irc.channel(id).map(|channel| channel.name.clone()),
        Place::Private => None,
    };
    let channel = rest.next().map(|name| name.as_bytes().to_vec()).or(here)?;
    if rest.next().is_some() {
        return None;
    }
    let words = match in_double_quotes(words.as_bytes()) {
        Ok(words) => String::from_utf8_lossy(&words).into_owned(),
        Err(reason) => return Some(Err(reason)),
    };
    let draft = Draft {
        name: name.to_owned(),
        words,
        more_than,
        window_ns: parse_duration(per).unwrap_or(0),
        per: per.to_owned(),
        channel,
    };
    Some(draft.check().map(|()| draft))
}

impl Draft {
    /// Whether its parts are such as there may be.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let name = &self.name;
        if name.is_empty() || name.len() > IRC_ALERT_NAME_BYTES_MAX || !name.bytes().all(is_name) {
            return Err(format!(
                "bad name of an alert (allowed: {IRC_ALERT_NAME_BYTES_MAX} letters, digits, -, _ \
                 and . at most)"
            ));
        }
        if !(SECOND..=IRC_ALERT_NS_MAX).contains(&self.window_ns) {
            let per = self.per.escape_default();
            return Err(format!("bad time \"{per}\" (allowed: 1s to 24h, as 5m or 1h30m)"));
        }
        Ok(())
    }
}

/// Adds an alert, once the segment is there to say which labels there are.
pub(in super::super) fn add<S: Store>(
    irc: &mut Irc,
    reply: Reply,
    draft: Draft,
    segment: &Segment<S>,
    tools: &mut Tools<'_>,
    wall: Wall,
) {
    let text = match try_add(irc, reply, draft, segment, tools, wall) {
        Ok(text) => text,
        Err(reason) => {
            tools.metrics.command_errors += 1;
            reason
        }
    };
    irc.answer(reply, &text, wall);
}

fn try_add<S: Store>(
    irc: &mut Irc,
    reply: Reply,
    draft: Draft,
    segment: &Segment<S>,
    tools: &Tools<'_>,
    wall: Wall,
) -> Result<String, String> {
    let has_label = |name: &[u8]| segment.has_label(name);
    let times = TimeContext { has_label: &has_label, ..TimeContext::new(wall, tools.time.zone()) };
    let query = feeds::parse(&draft.words, &times).map_err(|error| format!("ERROR: {error}"))?;
    if query.limit.is_some() || query.after.is_some() || query.backlog > 0 {
        return Err(String::from("ERROR: an alert has no limit=, after= or n="));
    }
    if irc.bot.alerts.find(&draft.name).is_some() {
        return Err(format!("ERROR: there is an alert {} already", draft.name));
    }
    let full =
        format!("ERROR: there are {IRC_ALERTS_MAX} alerts at most, and as many feeds as may be");
    if irc.bot.alerts.all.len() >= IRC_ALERTS_MAX {
        return Err(full);
    }
    let id = channel_for(irc, reply.asker, &draft.channel, wall)?;
    let number = irc.next_number();
    let text = format!(
        "alert {}: {} is told when more than {} lines in {} match {}",
        draft.name,
        String::from_utf8_lossy(&draft.channel),
        thousands(draft.more_than),
        draft.per,
        draft.words
    );
    let is_added = irc.put_alert(number, draft, id);
    if is_added {
        enter(irc, id, wall);
        irc.bot.is_changed = true;
    }
    settle(irc, id, wall);
    if is_added { Ok(text) } else { Err(full) }
}

fn list(call: &mut Call<'_>, reply: Reply) -> Outcome {
    let about = |(_, alert): (u32, &Alert)| {
        let Draft { name, words, more_than, per, channel, .. } = &alert.draft;
        let state = if alert.is_on { " (on)" } else { "" };
        let channel = String::from_utf8_lossy(channel);
        format!("{name} '{words}' > {more_than} per {per} {channel}{state}")
    };
    let lines: Vec<_> = call.irc.bot.alerts.iter().map(about).collect();
    if lines.is_empty() {
        return say(call, reply, "there are no alerts");
    }
    for line in lines {
        say(call, reply, &line);
    }
    Outcome::Done
}

fn delete(call: &mut Call<'_>, reply: Reply, name: &str) -> Outcome {
    let alerts = &mut call.irc.bot.alerts;
    let found = alerts.find(name.trim());
    let Some((number, id)) = found.and_then(|at| Some((at, alerts.all.get(&at)?.channel))) else {
        return say(call, reply, "ERROR: there is no alert of that name: !alert list");
    };
    if let Err(reason) = call.irc.check_manager(call.user, id) {
        return say(call, reply, reason);
    }
    call.irc.bot.alerts.all.remove(&number);
    call.irc.feeds.remove((Listener::Alert(number), 0));
    call.irc.bot.is_changed = true;
    settle(call.irc, id, call.wall);
    say(call, reply, &format!("alert {} is gone", name.trim()))
}
