//! `!stats` and `!logstats`: how the server is, for people.

use std::collections::VecDeque;

use super::super::feeds::Listener;
use super::super::saying::{Place, Reply};
use super::super::server::{Irc, thousands};
use crate::clock::{Mono, SECOND, Wall};
use crate::segment::{Segment, Seq, Store};
use crate::session::walk::Tools;

/// Seconds between two looks at how many records came.
const LOOK_NS: u64 = 10 * SECOND;

/// How many looks are kept: those of a minute.
const LOOKS: usize = 7;

/// How fast records come: the newest number at a few times of the last minute.
#[derive(Debug, Default)]
pub struct Pace {
    looks: VecDeque<(Mono, Seq)>,
}

impl Pace {
    /// Notes the number of the next record, now and then.
    pub fn note(&mut self, mono: Mono, head: Seq) {
        if self.looks.back().is_some_and(|(at, _)| mono < at.saturating_add(LOOK_NS)) {
            return;
        }
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((mono, head));
    }

    /// Records a second, in tenths, since the look that is a minute old; where there is none since
    /// the first.
    fn tenths(&self, mono: Mono, head: Seq) -> u64 {
        let minute_ago = mono.saturating_sub(60 * SECOND);
        let old = self.looks.iter().rev().find(|(at, _)| *at <= minute_ago);
        let Some((at, seq)) = old.or(self.looks.front()).copied() else { return 0 };
        let records = u128::from(head.0.saturating_sub(seq.0));
        let ns = u128::from(mono.saturating_sub(at).max(SECOND));
        u64::try_from(records * 10 * u128::from(SECOND) / ns).unwrap_or(u64::MAX)
    }
}

/// `!stats`, line by line.
pub fn lines<S: Store>(
    irc: &Irc,
    segment: &Segment<S>,
    tools: &mut Tools<'_>,
    (mono, wall): (Mono, Wall),
) -> Vec<String> {
    let (usage, metrics) = (segment.usage(), &*tools.metrics);
    let ever = segment.head().0.saturating_sub(segment.first_ever().0);
    let tenths = irc.bot.pace.tenths(mono, segment.head());
    let up = wall.saturating_sub(irc.created) / SECOND;
    let size = segment.geometry().file_bytes;
    vec![
        format!(
            "records: {} in {} of {}; {} came in all, {}.{} a second in the last minute",
            thousands(segment.records()),
            bytes(usage.bytes),
            bytes(size),
            thousands(ever),
            thousands(tenths / 10),
            tenths % 10,
        ),
        format!(
            "since the start {} ago: {} lines of {}; {} cut, {} held back, {} lost to readers, {} \
             damaged",
            duration(up),
            thousands(metrics.lines),
            bytes(metrics.bytes_in),
            thousands(metrics.cut),
            thousands(metrics.suppressed),
            thousands(metrics.lost),
            thousands(metrics.damaged),
        ),
        format!(
            "questions: {}, {} of them wrong; {} of text looked at",
            thousands(metrics.commands),
            thousands(metrics.command_errors),
            bytes(metrics.scanned_bytes),
        ),
        format!(
            "IRC: {} users, {} at most; {} channels, {} of {} feeds heard; {} lines said, {} left \
             out, {} messages left out for slow clients",
            irc.clients,
            irc.clients_most,
            irc.channels.len(),
            irc.feeds.live(),
            irc.feeds.len(),
            thousands(irc.feeds.said),
            thousands(irc.feeds.skipped),
            thousands(irc.skipped),
        ),
    ]
}

/// `!logstats`: the answer of the census, and what the channel is told.
pub fn levels(irc: &mut Irc, reply: Reply, census: &[u8], wall: Wall) {
    let text = String::from_utf8_lossy(census);
    // Behind its first line one for each level: its name and how many.
    let rows = text.lines().skip(1).filter_map(|line| line.rsplit_once(' '));
    let count = |count: &str| count.parse().map_or_else(|_| count.to_owned(), thousands);
    let rows: Vec<_> = rows.map(|(name, number)| format!("{name} {}", count(number))).collect();
    let rows = if rows.is_empty() { "none".to_owned() } else { rows.join(", ") };
    irc.answer(reply, &format!("records by level: {rows}"), wall);
    let Place::Channel(id) = reply.place else { return };
    let channel = irc.channel_name(id);
    let about = |(number, feed): (u32, &super::super::feeds::Feed)| {
        let question = super::super::feeds::shown(&channel, &feed.question());
        let question = if question.is_empty() { "every line" } else { &question };
        let name = if number == 0 { String::new() } else { format!("filter {number}, ") };
        let (off, full) = (flag(feed.is_off, ", off"), flag(feed.is_full, ", full"));
        let (said, skipped) = (thousands(feed.said), thousands(feed.left_out));
        let lines = if feed.said == 1 { "line" } else { "lines" };
        format!("{name}{question}{off}{full}: {said} {lines} said, {skipped} left out")
    };
    let feeds: Vec<_> = irc.feeds.of(Listener::Channel(id)).map(about).collect();
    for line in feeds {
        irc.answer(reply, &line, wall);
    }
}

fn flag(is_set: bool, text: &'static str) -> &'static str {
    if is_set { text } else { "" }
}

/// A size as people read it: `4.2 MiB`.
fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (0..units.len()).rev().find(|unit| bytes >> (10 * unit) > 0).unwrap_or(0);
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, units[unit]),
    }
}

/// A time as people read it, in its two largest units.
fn duration(seconds: u64) -> String {
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min")];
    let parts = parts.into_iter().chain([(seconds % 60, "s")]);
    let shown = parts.skip_while(|(count, _)| *count == 0).take(2);
    let shown: Vec<_> = shown.map(|(count, unit)| format!("{count} {unit}")).collect();
    if shown.is_empty() { String::from("0 s") } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_such_as_people_read() {
        for (size, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (4_404_019, "4.1 MiB")]
        {
            assert_eq!(bytes(size), shown);
        }
        for (seconds, shown) in [(0, "0 s"), (59, "59 s"), (3661, "1 h 1 min"), (86_400, "1 d 0 h")]
        {
            assert_eq!(duration(seconds), shown);
        }
    }

    #[test]
    fn the_pace_is_that_of_the_last_minute() {
        let mut pace = Pace::default();
        assert_eq!(pace.tenths(5, Seq(9)), 0);
        for second in 0..300 {
            pace.note(second * SECOND, Seq(second * 7));
        }
        assert_eq!(pace.tenths(299 * SECOND, Seq(299 * 7)), 70);
        assert!(pace.looks.len() <= LOOKS);
        // Nothing came for an hour.
        assert_eq!(pace.tenths(3899 * SECOND, Seq(299 * 7)), 0);
    }
}
