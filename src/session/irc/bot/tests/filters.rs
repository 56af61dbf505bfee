//! `!logstream` and `!logfilter`.

use super::*;
use crate::limits::IRC_FILTERS_MAX;
use crate::proto::irc::caps::Cap;

/// What was said behind the last ` :` of each line.
fn ends(got: &[String]) -> Vec<&str> {
    got.iter().map(|line| line.split_once(" :").map_or(&line[..], |(_, text)| text)).collect()
}

#[test]
fn a_stream_of_ones_own_begins_and_ends() {
    let mut table = Table::new(&["ann"]);
    table.ask("ann", "!colors off");
    table.check_ask(
        "ann",
        "!logstream error",
        &["you are sent lines of level>=error; !logstream off ends it"],
    );
    table.log(Level::Info, "fine");
    table.log(Level::Error, "bad");
    table.check(
        "ann",
        "PING x",
        &[
            &format!(":LogBot PRIVMSG ann :{}", line(0, "ERROR", "bad")),
            ":irc.test PONG irc.test :x",
        ],
    );
    table.check_ask(
        "ann",
        "!logstream all",
        &["you are sent every line, within a rate; !logstream off ends it"],
    );
    table.log(Level::Info, "fine");
    assert_eq!(table.got("ann").len(), 1);
    table.check_ask("ann", "logstream off", &["you are sent no lines any more"]);
    table.log(Level::Error, "bad");
    assert!(table.got("ann").is_empty());
    table.say("ann", &["LOGSTREAM full"]);
    let expected = ":LogBot NOTICE ann :you are sent all of it, however much it is; !logstream off \
                    ends it";
    assert_eq!(table.got("ann"), [expected]);
    table.log_many(Level::Error, "bad", 50);
    table.pass(10);
    assert_eq!(table.got("ann").len(), 50);
    assert!(table.ask("ann", "!logstream loud")[0].starts_with("ERROR: usage: !logstream "));
    table.say("ann", &["QUIT"]);
    assert_eq!(table.room.irc().feeds.len(), 5);
}

#[test]
fn a_stream_of_a_log_channel_is_narrowed_by_anybody() {
    let mut table = Table::new(&["ann", "bob"]);
    for name in ["ann", "bob"] {
        table.ask(name, "!colors off");
        table.say(name, &["JOIN #logs-all"]);
    }
    table.hush();
    table.say("bob", &["PRIVMSG #logs-all :!logstream error"]);
    let announced = "bob: here I say lines of level>=error";
    assert_eq!(ends(&table.got("ann"))[1], announced);
    assert_eq!(ends(&table.got("bob")), [announced]);
    table.log(Level::Info, "fine");
    table.log(Level::Error, "bad");
    assert_eq!(ends(&table.got("ann")), [line(0, "ERROR", "bad")]);
    table.say("bob", &["PRIVMSG #logs-all :!logstream off"]);
    table.hush();
    table.log(Level::Error, "bad");
    assert!(table.got("ann").is_empty());
    table.check(
        "ann",
        "LOGSTREAM #logs-all all",
        &[
            ":LogBot PRIVMSG #logs-all :ann: here I say every line, within a rate",
            ":LogBot NOTICE ann :#logs-all: here I say every line, within a rate",
        ],
    );
    table.log(Level::Info, "fine");
    assert_eq!(table.got("ann").len(), 1);
    // Who comes when nobody was there finds it as its name says.
    table.say("ann", &["PRIVMSG #logs-all :!logstream off", "PART #logs-all"]);
    table.say("bob", &["PART #logs-all", "JOIN #logs-all"]);
    table.hush();
    table.log(Level::Info, "fine");
    assert_eq!(table.got("bob").len(), 1);
}

#[test]
fn a_level_narrows_what_a_channel_asks_for() {
    let mut table = Table::new(&["ann"]);
    table.ask("ann", "!colors off");
    table.say("ann", &["JOIN #logs-db", "JOIN #logs-warning"]);
    table.say("ann", &["LOGSTREAM #logs-db error", "LOGSTREAM #logs-warning info"]);
    table.hush();
    table.log(Level::Info, "db is up");
    table.log(Level::Error, "db is down");
    let got = table.got("ann");
    let of = |channel: &str| got.iter().filter(|line| line.contains(channel)).count();
    assert_eq!((of("#logs-db"), of("#logs-warning")), (1, 2), "{got:?}");
    for (channel, word, said) in [
        ("#logs-db", "error", "lines of keyword=db level>=error"),
        ("#logs-db", "all", "what the channel is about: keyword=db"),
        ("#logs-warning", "full", "all of it, however much it is: level>=info"),
    ] {
        table.say("ann", &[&format!("PRIVMSG {channel} :!logstream {word}")]);
        assert_eq!(ends(&table.got("ann")), [format!("ann: here I say {said}")]);
    }
    table.check_ask(
        "ann",
        "!logstream #logs-error off",
        &["ERROR: only who is in a log channel may do that: JOIN it first"],
    );
    table.say("ann", &["JOIN #logs-host-Web1"]);
    let got = table.got("ann");
    assert!(got.iter().any(|line| line.ends_with(" 332 ann #logs-host-Web1 :host=Web1")));
}

#[test]
fn a_plain_channel_is_streamed_to_by_its_operators() {
    let mut table = Table::new(&["ann", "bob"]);
    table.ask("ann", "!colors off");
    table.say("ann", &["JOIN #team"]);
    table.say("bob", &["JOIN #team"]);
    table.hush();
    table.check(
        "bob",
        "PRIVMSG #team :!logstream error",
        &[":LogBot PRIVMSG #team :ERROR: only operators of the channel may do that"],
    );
    table.hush();
    table.say("ann", &["PRIVMSG #team :!logstream error"]);
    assert_eq!(
        table.got("ann"),
        [":LogBot JOIN #team", ":LogBot PRIVMSG #team :ann: here I say lines of level>=error",]
    );
    table.hush();
    table.log(Level::Error, "bad");
    assert_eq!(ends(&table.got("ann")), [line(0, "ERROR", "bad")]);
    table.say("ann", &["PRIVMSG #team :!logstream off"]);
    assert_eq!(
        table.got("ann"),
        [":LogBot PRIVMSG #team :ann: here I say nothing", ":LogBot PART #team",]
    );
    table.log(Level::Error, "bad");
    assert!(table.got("ann").is_empty());
    // A channel of people ends with the last of them, streamed to or not.
    table.say("ann", &["PRIVMSG #team :!logstream all", "PART #team"]);
    table.say("bob", &["PART #team"]);
    assert!(table.room.irc().find_channel(b"#team").is_none());
    assert_eq!(table.room.irc().feeds.len(), 5);
}

#[test]
fn a_filter_makes_a_channel() {
    let mut table = Table::new(&["ann", "bob"]);
    table.ask("bob", "!colors off");
    let added = ["#db: filter 1 says keyword=deadlock here"];
    table.check_ask("ann", "!logfilter add #db keyword deadlock", &added);
    let added = ["#db: filter 2 says regex=\"took \\\\d{4,} ms\" here"];
    table.check_ask("ann", "!logfilter add #DB regex took \\d{4,} ms", &added);
    table.say("bob", &["JOIN #db"]);
    let got = table.got("bob");
    let topic = "332 bob #db :1: keyword=deadlock | 2: regex=\"took \\\\d{4,} ms\"";
    assert!(got.iter().any(|line| line.ends_with(topic)), "{got:?}");
    assert!(got.iter().any(|line| line.contains("353 bob = #db :") && line.contains("@LogBot")));
    for text in ["a deadlock", "it took 12345 ms", "it took 12 ms"] {
        table.log(Level::Info, text);
    }
    let expected = ["a deadlock", "it took 12345 ms"].map(|text| line(0, "INFO", text));
    assert_eq!(ends(&table.got("bob")), expected);
    table.check_ask(
        "ann",
        "!logfilter list",
        &["1 #db keyword=deadlock", "2 #db regex=\"took \\\\d{4,} ms\""],
    );
    // Who came first is its operator.
    let refused = "ERROR: only operators of the channel may do that";
    for asked in ["off #db", "del 1", "add #db keyword x"] {
        table.check_ask("ann", &format!("!logfilter {asked}"), &[refused]);
    }
    table.say("bob", &["PRIVMSG #db :!logfilter off"]);
    assert_eq!(ends(&table.got("bob")).pop(), Some("bob: 2 filters are off"));
    table.log(Level::Info, "a deadlock");
    assert!(table.got("bob").is_empty());
    assert_eq!(table.ask("ann", "!logfilter list")[0], "1 #db keyword=deadlock (off)");
    // A stream is none of the filters' business.
    table.say("bob", &["PRIVMSG #db :!logstream error", "PRIVMSG #db :!logstream off"]);
    assert_eq!(table.ask("ann", "!logfilter list")[0], "1 #db keyword=deadlock (off)");
    table.say("bob", &["PRIVMSG #db :!logfilter on"]);
    assert_eq!(ends(&table.got("bob")).pop(), Some("bob: 2 filters are on"));
    table.say("bob", &["PRIVMSG #db :!logstream off"]);
    table.hush();
    table.log(Level::Info, "a deadlock");
    assert_eq!(table.got("bob").len(), 1);
    table.say("bob", &["PRIVMSG #db :!logfilter del 1", "PRIVMSG #db :!logfilter off"]);
    assert_eq!(ends(&table.got("bob")).pop(), Some("bob: 1 filter is off"));
    table.log(Level::Info, "a deadlock");
    assert!(table.got("bob").is_empty());
    // The last filter holds the channel, and then its members do.
    table.say("bob", &["PRIVMSG #db :!logfilter del 2"]);
    assert!(table.room.irc().find_channel(b"#db").is_some());
    table.say("bob", &["PART #db"]);
    assert!(table.room.irc().find_channel(b"#db").is_none());
    table.check_ask("ann", "!logfilter list", &["there are no filters"]);
    // No number is given twice.
    let added = ["#db: filter 3 says keyword=x here"];
    table.check_ask("ann", "!logfilter add #db keyword x", &added);
}

#[test]
fn what_cannot_be_filtered_is_said() {
    let mut table = Table::new(&["ann", "bob"]);
    table.say("bob", &["JOIN #team"]);
    for (asked, answer) in [
        ("add #db regex (", "ERROR: "),
        ("add #db keyword", "ERROR: keyword needs a value"),
        ("add #db colour blue", "ERROR: usage: !logfilter "),
        ("add db keyword x", "ERROR: that is no channel's name"),
        ("add #team keyword x", "ERROR: only operators of the channel may do that"),
        ("del 7", "ERROR: there is no filter of that number"),
        ("off #nowhere", "ERROR: there is no such channel"),
        ("", "ERROR: usage: !logfilter "),
    ] {
        let got = table.ask("ann", &format!("!logfilter {asked}"));
        assert!(got[0].starts_with(answer), "{asked}: {got:?}");
    }
    assert!(table.room.irc().find_channel(b"#db").is_none());
    assert!(!table.room.irc().bot.is_changed);
}

#[test]
fn filters_and_alerts_are_bounded() {
    let mut table = Table::new(&["ann"]);
    for at in 0..IRC_FILTERS_MAX {
        let got = table.ask("ann", &format!("!logfilter add #db{} keyword x{at}", at % 3));
        assert!(!got[0].starts_with("ERROR"), "{got:?}");
    }
    let full = "ERROR: there are 64 filters already, none may be added";
    table.check_ask("ann", "!logfilter add #db keyword x", &[full]);
    assert_eq!(table.ask("ann", "!logfilter list").len(), IRC_FILTERS_MAX);
    table.say("ann", &["JOIN #db0"]);
    table.hush();
    table.say("ann", &["PRIVMSG #db0 :!logfilter list"]);
    let got = table.got("ann");
    assert_eq!((got.len(), ends(&got)[10]), (11, "… and 54 more: /msg LogBot logfilter list"));
    let alerts = crate::limits::IRC_ALERTS_MAX;
    for at in 0..alerts {
        let got = table.ask("ann", &format!("!alert add a{at} x > 5 per 5m #db0"));
        assert!(!got[0].starts_with("ERROR"), "{got:?}");
    }
    let got = table.ask("ann", "!alert add more x > 5 per 5m #db0");
    assert!(got[0].starts_with("ERROR: there are 32 alerts at most"), "{got:?}");
}

#[test]
fn filters_and_alerts_come_back_after_a_restart() {
    let mut table = Table::new(&["ann"]);
    table.ask("ann", "!logfilter add #db keyword \"a deadlock\"");
    let inside = "ERROR: only who is in a log channel may do that: JOIN it first";
    for name in ["#logs-all", "#logs-web"] {
        table.check_ask("ann", &format!("!logfilter add {name} keyword x"), &[inside]);
        table.say("ann", &[&format!("JOIN {name}")]);
    }
    table.say("ann", &["PRIVMSG LogBot :!logfilter add #logs-all regex ^x"]);
    table.say("ann", &["PRIVMSG LogBot :!logfilter add #logs-web keyword 'y z'"]);
    table.ask("ann", "!logfilter off #db");
    table.ask("ann", "!alert add many 'level>=error' > 5 per 1h30m #ops");
    let kept = table.room.irc().take_changed().unwrap();
    assert!(table.room.irc().take_changed().is_none());
    let mut after = Table::new(&["ann", "bob"]);
    assert_eq!(after.room.irc().restore(&kept, 5), Ok(4));
    assert!(after.room.irc().take_changed().is_none());
    after.room.assert_invariants();
    for list in ["!logfilter list", "!alert list"] {
        assert_eq!(after.ask("ann", list), table.ask("ann", list));
    }
    assert_eq!(after.room.irc().feeds.len(), 5 + 3 + 1 + 1);
    let added = after.ask("ann", "!logfilter add #db keyword z");
    assert_eq!(added, ["#db: filter 5 says keyword=z here"]);
    for list in ["!logfilter list", "!alert list"] {
        assert_ne!(after.ask("ann", list), ["there are no filters"]);
    }
    // People's own channel is that of who comes first.
    after.say("bob", &["JOIN #ops"]);
    after.say("ann", &["JOIN #ops"]);
    after.hush();
    after.say("ann", &["PRIVMSG #ops :!alert del many"]);
    assert_eq!(ends(&after.got("ann")), ["ERROR: only operators of the channel may do that"]);
    after.say("bob", &["PRIVMSG #ops :!alert del many"]);
    after.check_ask("ann", "!alert list", &["there are no alerts"]);
    for bad in ["", "[]", "{\"version\":1}", "{\"version\":1,\"filters\":[],\"alerts\":[{}]}"] {
        let mut irc = Table::new(&[]);
        assert!(irc.room.irc().restore(bad.as_bytes(), 5).is_err(), "{bad}");
    }
}

#[test]
fn nothing_is_added_before_what_was_kept_is_back() {
    let mut table = Table::new(&["ann"]);
    table.ask("ann", "!logfilter add #db keyword deadlock");
    let kept = table.room.irc().take_changed().unwrap();
    let mut after = Table::new(&["ann"]);
    after.room.irc().await_restore();
    let refused = after.ask("ann", "!logfilter add #new keyword timeout").concat();
    assert!(refused.contains("ERROR: the segment is not open yet"), "{refused}");
    assert_eq!(after.room.irc().restore(&kept, 5), Ok(1));
    after.room.irc().end_restore();
    let added = after.ask("ann", "!logfilter add #new keyword timeout").concat();
    assert!(added.contains("filter 2 says"), "{added}");
}

#[test]
fn any_bytes_are_read_as_what_was_kept() {
    let mut table = Table::new(&["ann"]);
    table.ask("ann", "!logfilter add #db keyword x");
    table.ask("ann", "!alert add many x > 5 per 5m #db");
    let kept = table.room.irc().take_changed().unwrap();
    for at in 0..kept.len() {
        for byte in [b'"', b'0', b'}', 0xff] {
            let mut broken = kept.clone();
            broken[at] = byte;
            crate::session::irc::bot::saved::fuzz_irc_saved(&broken);
            crate::session::irc::bot::saved::fuzz_irc_saved(&broken[..at]);
        }
    }
    assert!(Cap::ALL.len() > 1);
}
