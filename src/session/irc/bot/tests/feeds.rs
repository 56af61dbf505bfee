//! What log channels say, and how much of it.

use super::*;
use crate::limits::{IRC_FEED_LINES_PER_SECOND, IRC_FEEDS_MAX};
use crate::session::irc::feeds::Listener;

/// The texts of the lines that LogBot said to a channel.
fn texts(got: &[String]) -> Vec<String> {
    let text = |line: &String| line.strip_prefix(":LogBot PRIVMSG ")?.split_once(" :").map(own);
    got.iter().filter_map(text).collect()
}

fn own((_, text): (&str, &str)) -> String {
    text.to_owned()
}

fn joined(names: &[&str], channel: &str) -> Table {
    let mut table = Table::new(names);
    for name in names {
        table.ask(name, "!colors off");
        table.say(name, &[&format!("JOIN {channel}")]);
    }
    table.hush();
    table
}

#[test]
fn a_log_channel_says_what_its_name_asks_for() {
    for (channel, level, text, is_said) in [
        ("#logs-all", Level::Debug, "x", true),
        ("#logs-error", Level::Error, "x", true),
        ("#logs-error", Level::Warning, "x", false),
        ("#logs-warning", Level::Warning, "x", true),
        ("#logs-warning", Level::Error, "x", false),
        ("#logs-info", Level::Notice, "x", true),
        ("#logs-debug", Level::Info, "x", false),
        ("#logs-database", Level::Info, "the DATABASE is up", true),
        ("#logs-database", Level::Info, "x", false),
        ("#logs-host-edge1", Level::Info, "x", true),
        ("#logs-HOST-Edge1", Level::Info, "x", true),
        ("#logs-host-edge", Level::Info, "x", false),
        ("#logs-host-edge2", Level::Info, "x", false),
        ("#logs-app-api", Level::Info, "x", false),
        ("#logs-warn", Level::Warning, "x", true),
        ("#logs-Err", Level::Critical, "x", true),
        ("#logs-fatal", Level::Error, "fatal", false),
    ] {
        let mut table = joined(&["ann"], channel);
        table.log(level, text);
        assert_eq!(!table.got("ann").is_empty(), is_said, "{channel} {level:?} {text}");
    }
}

#[test]
fn a_feed_above_its_rate_is_told_as_a_number() {
    let mut table = joined(&["ann"], "#logs-all");
    table.log_many(Level::Info, "n", 12_365);
    table.pass(10);
    let got = texts(&table.got("ann"));
    let expected: Vec<_> = (0..20).map(|at| line(0, "INFO", &format!("n {at}"))).collect();
    assert_eq!(got, expected);
    table.pass(980);
    assert!(table.got("ann").is_empty());
    table.pass(30);
    assert_eq!(texts(&table.got("ann")), ["… 12,345 lines skipped"]);
    // And as many again.
    table.log_many(Level::Info, "m", 25);
    table.pass(10);
    assert_eq!(table.got("ann").len(), 20);
    table.pass(1000);
    assert_eq!(texts(&table.got("ann")), ["… 5 lines skipped"]);
    table.pass(5000);
    assert!(table.got("ann").is_empty());
}

#[test]
fn each_second_has_its_own_quota() {
    let mut table = joined(&["ann"], "#logs-all");
    for second in 0..5 {
        table.log_many(Level::Info, "n", IRC_FEED_LINES_PER_SECOND as usize);
        table.pass(1000);
        let got = texts(&table.got("ann"));
        assert_eq!(got.len() as u64, IRC_FEED_LINES_PER_SECOND, "second {second}");
    }
}

#[test]
fn no_line_is_missed_behind_a_join() {
    let mut table = Table::new(&["ann"]);
    table.log_many(Level::Info, "before", 3);
    let client = table.client("ann");
    table.room.send(client, b"JOIN #logs-all\r\n");
    // Before the feeds had a turn since.
    table.log_many(Level::Info, "behind", 3);
    table.pass(10);
    assert_eq!(texts(&table.got("ann")).len(), 3);
}

#[test]
fn a_channel_that_nobody_is_in_costs_nothing() {
    let mut table = joined(&["ann", "bob"], "#logs-all");
    assert_eq!(table.room.irc().feeds.live(), 1);
    table.say("ann", &["PART #logs-all"]);
    assert_eq!(table.room.irc().feeds.live(), 1);
    table.say("bob", &["QUIT"]);
    assert_eq!(table.room.irc().feeds.live(), 0);
    table.log_many(Level::Info, "nobody", 3);
    table.say("ann", &["JOIN #logs-all"]);
    table.hush();
    table.log(Level::Info, "somebody");
    assert_eq!(texts(&table.got("ann")), [line(0, "INFO", "somebody")]);
}

#[test]
fn a_feed_that_the_ring_overtakes_says_how_much_it_missed() {
    let mut table = joined(&["ann"], "#logs-all");
    // More than the ring holds.
    table.log_many(Level::Info, &"x".repeat(1000), 5000);
    table.pass(10);
    // Each in three messages.
    assert_eq!(texts(&table.got("ann")).len(), 3 * 20);
    table.pass(1000);
    assert_eq!(texts(&table.got("ann")), ["… 4,980 lines skipped"]);
}

#[test]
fn a_full_stream_leaves_nothing_out() {
    let mut table = joined(&["ann"], "#logs-all");
    table.say("ann", &["PRIVMSG #logs-all :!logstream full"]);
    table.hush();
    table.log_many(Level::Info, "n", 300);
    table.pass(10);
    let expected: Vec<_> = (0..300).map(|at| line(0, "INFO", &format!("n {at}"))).collect();
    assert_eq!(texts(&table.got("ann")), expected);
    // And back.
    table.say("ann", &["PRIVMSG #logs-all :!logstream all"]);
    table.hush();
    table.log_many(Level::Info, "n", 300);
    table.pass(10);
    assert_eq!(texts(&table.got("ann")).len(), 20);
}

#[test]
fn feeds_are_bounded() {
    let mut table = Table::new(&["ann"]);
    let user = table.user("ann");
    let feeds = &mut table.room.irc().feeds;
    let mut number = 0;
    while feeds.add((Listener::User(user), number), String::new()) {
        number += 1;
    }
    assert_eq!(feeds.len(), IRC_FEEDS_MAX);
    table.check(
        "ann",
        "PRIVMSG LogBot :!logfilter add #new keyword x",
        &[":LogBot PRIVMSG ann :ERROR: there are too many channels, filters and streams"],
    );
    table.say("ann", &["JOIN #logs-new"]);
    let got = table.got("ann");
    assert!(got[0].starts_with(":irc.test 437"), "no channel without its feed: {got:?}");
    table.say("ann", &["QUIT"]);
    assert_eq!(table.room.irc().feeds.len(), 5);
}

#[test]
fn plain_and_coloured_readers_get_the_same_lines() {
    let mut table = joined(&["ann", "bob"], "#logs-all");
    table.ask("bob", "!colors on");
    table.log(Level::Error, "x");
    let plain = texts(&table.got("ann"));
    let coloured = texts(&table.got("bob"));
    assert_eq!(plain, [line(0, "ERROR", "x")]);
    assert_eq!(coloured, ["\x0304[2026-11-20 10:00:00] ERROR\x0f edge1: x"]);
}

#[test]
fn a_record_that_several_filters_match_is_said_once() {
    let mut table = joined(&["ann"], "#logs-all");
    for word in ["timeout", "late"] {
        table.ask("ann", &format!("!logfilter add #db keyword {word}"));
    }
    table.say("ann", &["PART #logs-all", "JOIN #db"]);
    table.hush();
    for text in ["timeout", "a late timeout", "late", "neither"] {
        table.log(Level::Error, text);
    }
    let expected = ["timeout", "a late timeout", "late"].map(|text| line(0, "ERROR", text));
    assert_eq!(texts(&table.got("ann")), expected);
    // The same where both are full and look at all of them at once.
    table.say("ann", &["PRIVMSG #db :!logstream full"]);
    table.hush();
    table.log_many(Level::Error, "late timeout", 200);
    table.pass(10);
    assert_eq!(texts(&table.got("ann")).len(), 200);
}
