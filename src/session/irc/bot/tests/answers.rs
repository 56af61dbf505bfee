//! Questions.

use jiff::tz::TimeZone;

use super::*;
use crate::limits::{IRC_ANSWER_LINES, IRC_ANSWER_LINES_PRIVATE};
use crate::metrics::Metrics;
use crate::query::{LocalTime, TailMemo};
use crate::segment::{Geometry, MemStore, NewRecord, Options, Segment, StreamRef};
use crate::session::irc::asking::{Answer, Step};
use crate::session::irc::commands::Outcome;
use crate::session::irc::testing::Party;
use crate::session::walk::Tools;

/// Somebody who wants no colours, and `count` lines that say `word` and a number.
fn plain(count: usize, word: &str) -> Table {
    let mut table = Table::new(&["ann", "bob"]);
    for name in ["ann", "bob"] {
        table.check_ask(name, "!colors off", &["colours are off for you"]);
    }
    table.log_many(Level::Error, word, count);
    table
}

#[test]
fn a_question_is_answered_with_ten_lines() {
    let mut table = plain(1234, "timeout");
    table.log_many(Level::Info, "fine", 3);
    let mut expected = vec![String::from("1,234 matches, the newest 10:")];
    expected.extend((1224..1234).map(|at| line(0, "ERROR", &format!("timeout {at}"))));
    expected.push(String::from("!more sends you the 10 before these"));
    assert_eq!(table.ask("ann", "!query timeout level>=error"), expected);
    for (limit, lines) in [("50", IRC_ANSWER_LINES_PRIVATE), ("51", 50), ("3", 3)] {
        let got = table.ask("ann", &format!("query timeout limit={limit}"));
        assert_eq!(got[0], format!("1,234 matches, the newest {lines}:"));
        assert_eq!(got.len() as u64, lines + 2);
    }
    table.say("ann", &["JOIN #x"]);
    table.hush();
    table.say("ann", &["PRIVMSG #x :!query timeout limit=40"]);
    let got = table.got("ann");
    assert_eq!(got.len() as u64, IRC_ANSWER_LINES + 2);
    assert_eq!(got[0], ":LogBot PRIVMSG #x :1,234 matches, the newest 10:");
}

#[test]
fn few_matches_are_all_said() {
    let mut table = plain(1, "alone");
    table.check_ask("ann", "!query alone", &["1 match:", &line(0, "ERROR", "alone 0")]);
    table.check_ask("ann", "!query nobody", &["0 matches"]);
    table.check_ask("ann", "!query", &["1 record:", &line(0, "ERROR", "alone 0")]);
    table.check_ask("ann", "!more", &["there is no more: ask with !query first"]);
}

#[test]
fn more_goes_on_where_the_answer_ended() {
    let mut table = plain(25, "n");
    let numbers = |got: &[String]| -> Vec<usize> {
        let last = |line: &String| line.strip_prefix('[')?.rsplit(' ').next()?.parse().ok();
        got.iter().filter_map(last).collect()
    };
    let got = table.ask("ann", "!query n");
    assert_eq!(numbers(&got), (15..25).collect::<Vec<_>>());
    let got = table.ask("ann", "!more");
    assert_eq!(got[0], "15 more matches, the newest 10:");
    assert_eq!(got.last().unwrap(), "!more sends you the 5 before these");
    assert_eq!(numbers(&got), (5..15).collect::<Vec<_>>());
    // What came since is not before it.
    table.log_many(Level::Error, "n", 3);
    let got = table.ask("ann", "more");
    assert_eq!(got[0], "5 more matches:");
    assert_eq!(numbers(&got), (0..5).collect::<Vec<_>>());
    table.check_ask("ann", "!more", &["there is no more: ask with !query first"]);
    let got = table.ask("ann", "!query n order=asc limit=20");
    assert_eq!(got[0], "28 matches, the oldest 20:");
    assert_eq!(numbers(&table.ask("ann", "!more")), [20, 21, 22, 23, 24, 0, 1, 2]);
    let got = table.ask("ann", "!query n order=desc limit=2");
    assert_eq!(numbers(&got), [2, 1]);
    assert_eq!(numbers(&table.ask("ann", "!more")), [0, 24, 23, 22, 21, 20, 19, 18, 17, 16]);
    table.check_ask("bob", "!more", &["there is no more: ask with !query first"]);
}

#[test]
fn an_answer_in_order_of_time_counts_all() {
    let mut table = plain(30, "n");
    let got = table.ask("ann", "!query n order=time limit=2");
    let [first, second] = [28, 29].map(|at| line(0, "ERROR", &format!("n {at}")));
    assert_eq!(got, ["30 matches, the newest 2:", &first, &second]);
}

#[test]
fn records_are_counted() {
    let mut table = plain(12, "timeout");
    table.log_many(Level::Info, "fine", 1500);
    table.check_ask("ann", "!count", &["COUNT: 1,512"]);
    table.check_ask("ann", "!count timeout", &["COUNT: 12"]);
    table.check_ask("ann", "count level=info !timeout", &["COUNT: 1,500"]);
    table.check_ask("ann", "!count nobody", &["COUNT: 0"]);
}

#[test]
fn single_quotes_mean_what_double_quotes_do() {
    let mut table = plain(2, "authentication failure");
    table.log_many(Level::Error, "I don't say \"so\" again", 3);
    for (words, count) in [
        ("'authentication failure'", 2),
        ("keyword='authentication failure' level>=error", 2),
        ("level='error' -'authentication failure'", 3),
        ("I don't say", 3),
        ("'I don't say \"so\" again'", 3),
        ("'don\\'t say'", 3),
        ("\"say 'so\"", 0),
        ("/n't s.y/", 3),
        ("regex='fail\\w+ \\d'", 2),
    ] {
        let answer = format!("COUNT: {count}");
        table.check_ask("ann", &format!("!count {words}"), &[&answer]);
    }
    for words in ["'authentication failure", "keyword='a b", "'a'b"] {
        for command in ["!query", "!count", "!alert add a level>=error"] {
            let got = table.ask("ann", &format!("{command} {words} > 5 per 5m #ops"));
            assert!(got[0].starts_with("ERROR: no closing quote"), "{command} {words}: {got:?}");
        }
    }
    table.ask("ann", "!alert add a \"'a b' c\" > 5 per 5m #ops");
    table.check_ask("ann", "!alert list", &["a '\"a b\" c' > 5 per 5m #ops"]);
}

#[test]
fn a_command_may_stand_behind_the_name() {
    let mut table = plain(1, "n");
    table.check_ask("ann", "logbot, !count n", &["COUNT: 1"]);
    let unknown = "there is no command bogus; !help lists them";
    table.check_ask("ann", "!help bogus", &[unknown]);
    table.check_ask("ann", "LogBot: help bogus", &[unknown]);
}

#[test]
fn the_newest_records_are_shown() {
    let mut table = plain(30, "n");
    let got = table.ask("ann", "!recent 2");
    let [first, second] = [28, 29].map(|at| line(0, "ERROR", &format!("n {at}")));
    assert_eq!(got[..3], [String::from("30 records, the newest 2:"), first, second]);
    assert_eq!(table.ask("ann", "!recent").len(), 12);
    assert_eq!(table.ask("ann", "!recent 4711").len(), 31);
    table.check_ask("ann", "!recent x", &["ERROR: usage: !recent [N]"]);
}

#[test]
fn what_is_wrong_is_said_as_in_the_text_protocol() {
    let mut table = plain(1, "n");
    for (asked, answer) in [
        ("!query level=loud", "ERROR: bad level \"loud\" (allowed: unknown, "),
        ("!count limit=0", "ERROR: bad limit \"0\" (allowed: 1 or more)"),
        ("!query colour=blue", "ERROR: unknown parameter \"colour\""),
        ("!query regex=(", "ERROR: "),
        ("!query after=9999999999999999", "ERROR: bad after \"9999999999999999\" (allowed: up to "),
    ] {
        let got = table.ask("ann", asked);
        assert!(got.len() == 1 && got[0].starts_with(answer), "{asked}: {got:?}");
    }
}

#[test]
fn the_answer_goes_where_it_was_asked() {
    let mut table = plain(1, "n");
    for name in ["ann", "bob"] {
        table.say(name, &["JOIN #x"]);
    }
    table.hush();
    let shown = format!(":LogBot PRIVMSG #x :{}", line(0, "ERROR", "n 0"));
    let answer = [":LogBot PRIVMSG #x :1 match:", &shown];
    table.check("ann", "PRIVMSG #x :!query n", &answer);
    let asked = ":ann!ann@127.0.0.1 PRIVMSG #x :!query n";
    assert_eq!(table.got("bob")[0].replace("~", ""), asked);
    // Others' bots are left alone, and so is talk.
    for text in ["!seen bob", "query n", "!"] {
        table.check("ann", &format!("PRIVMSG #x :{text}"), &[]);
    }
    table.got("bob");
    table.check_ask("ann", "!seen bob", &["ERROR: unknown command \"seen\": !help names them"]);
    table.check("ann", "PRIVMSG LogBot :\x01VERSION\x01", &[]);
    let shown = format!(":LogBot NOTICE ann :{}", line(0, "ERROR", "n 0"));
    table.check("ann", "LOGQUERY n level>=error", &[":LogBot NOTICE ann :1 match:", &shown]);
    assert!(table.got("bob").is_empty());
    // `!more` of what was asked in a channel goes to the asker alone.
    table.log_many(Level::Error, "n", 30);
    table.say("ann", &["PRIVMSG #x :!query n"]);
    table.hush();
    table.say("ann", &["PRIVMSG #x :!more"]);
    assert!(table.got("ann").iter().all(|line| line.starts_with(":LogBot PRIVMSG ann :")));
    assert_eq!(table.got("bob").len(), 1);
}

#[test]
fn colours_are_as_each_reader_wants_them() {
    let mut table = plain(1, "n");
    for name in ["ann", "bob"] {
        table.say(name, &["JOIN #x"]);
    }
    table.check_ask("bob", "!colors on", &["colours are on for you"]);
    table.check_ask("bob", "!colors", &["ERROR: usage: !colors on|off"]);
    table.hush();
    table.say("ann", &["PRIVMSG #x :!recent 1"]);
    assert!(!table.got("ann")[1].contains('\x03'));
    let got = table.got("bob");
    assert_eq!(got[2], ":LogBot PRIVMSG #x :\x0304[2026-11-20 10:00:00] ERROR\x0f edge1: n 0");
    assert_eq!(got.len(), 3);
}

#[test]
fn help_names_every_command() {
    let mut table = plain(0, "");
    let all = table.ask("ann", "!help");
    for row in crate::session::irc::bot::COMMANDS {
        let name = format!("!{}", row.name);
        assert!(all.iter().any(|line| line.starts_with(&name)), "{name}");
        let one = table.ask("ann", &format!("help {name}"));
        assert!(!one.is_empty() && one[0].starts_with(&name), "{one:?}");
    }
    table.say("ann", &["JOIN #x"]);
    table.hush();
    table.say("ann", &["PRIVMSG #x :!help"]);
    let got = table.got("ann");
    assert!(got.len() <= 2 && got[0].contains("!query !count !recent"), "{got:?}");
}

#[test]
fn stats_say_how_the_server_is() {
    let mut table = plain(1200, "n");
    table.log_many(Level::Info, "fine", 3);
    let got = table.ask("ann", "!stats");
    assert!(got[0].starts_with("records: 1,203 in "), "{got:?}");
    assert!(got[0].contains("; 1,203 came in all, "), "{got:?}");
    assert!(got.iter().any(|line| line.starts_with("IRC: 2 users, 2 at most")), "{got:?}");
    let levels = "records by level: error 1,200, info 3";
    table.check_ask("ann", "!logstats", &[levels]);
    table.check("ann", "LOGSTATS", &[&format!(":LogBot NOTICE ann :{levels}")]);
    table.say("ann", &["JOIN #logs-error"]);
    table.log(Level::Error, "one");
    table.hush();
    table.say("ann", &["PRIVMSG #logs-error :!logstats"]);
    let expected = ":LogBot PRIVMSG #logs-error :level>=error: 1 line said, 0 left out";
    assert_eq!(table.got("ann")[1], expected);
}

/// One answer, step by step.
struct Steps {
    party: Party,
    segment: Segment<MemStore>,
    time: LocalTime,
    tails: TailMemo,
    metrics: Metrics,
    answer: Box<Answer>,
}

impl Steps {
    /// Ann and bob in `#x`, where ann asks for the newest ten of many.
    fn new() -> Self {
        let mut party = Party::new(&["ann", "bob"]);
        party.quietly("ann", &["JOIN #x"]);
        party.quietly("bob", &["JOIN #x"]);
        let geometry = Geometry::for_size(1 << 20).unwrap();
        let store = MemStore::zeroed(1 << 20);
        let mut segment = Segment::create(store, geometry, Options::default(), 7, 1);
        for _ in 0..500 {
            let text = b"timeout";
            let level = Level::Error;
            let record = NewRecord { text, cut: false, level, received_ns: 1, event_ns: 0 };
            segment.append(&record, b"host=a", &mut StreamRef::default()).unwrap();
        }
        let Outcome::Ask(question) = party.send("ann", b"PRIVMSG #x :!query timeout") else {
            panic!("a question");
        };
        party.hush();
        let (mut time, mut tails) = (LocalTime::new(TimeZone::UTC), TailMemo::default());
        let mut metrics = Metrics::default();
        let mut tools = Tools { time: &mut time, tails: &mut tails, metrics: &mut metrics };
        let now = (party.mono, party.wall);
        let answer = question.begin(&mut party.irc, &segment, &mut tools, now).unwrap();
        Self { party, segment, time, tails, metrics, answer }
    }

    fn step(&mut self) -> Step {
        let mut tools =
            Tools { time: &mut self.time, tails: &mut self.tails, metrics: &mut self.metrics };
        self.answer.step(&mut self.party.irc, &self.segment, &mut tools, self.party.wall)
    }

    /// Takes steps to the end; how many.
    fn finish(&mut self) -> usize {
        (1..1000).find(|_| self.step() == Step::Done).expect("an end")
    }
}

#[test]
fn an_asker_who_leaves_gets_no_more() {
    let mut steps = Steps::new();
    assert!(steps.finish() > 2);
    assert_eq!(steps.party.take("bob").len(), 12);
    for line in ["PART #x", "QUIT"] {
        let mut steps = Steps::new();
        assert_eq!(steps.step(), Step::More);
        steps.party.quietly("ann", &[line]);
        assert_eq!(steps.step(), Step::Done);
        assert!(steps.party.take("bob").is_empty());
    }
    // Another channel of the same place is not the one it asked in.
    let mut steps = Steps::new();
    steps.party.quietly("ann", &["PART #x"]);
    steps.party.quietly("bob", &["PART #x"]);
    steps.party.quietly("ann", &["JOIN #y"]);
    assert_eq!(steps.step(), Step::Done);
}

#[test]
fn an_asker_who_does_not_keep_up_is_waited_for() {
    let mut steps = Steps::new();
    steps.party.user("ann").backlog = crate::limits::IRC_OUT_BYTES_SOFT;
    for _ in 0..10 {
        assert_eq!(steps.step(), Step::Blocked);
    }
    steps.party.user("ann").backlog = 0;
    steps.finish();
    assert_eq!(steps.party.take("ann").len(), 12);
    assert!(steps.answer.running().found() == 500 && steps.answer.running().scanned_bytes() > 0);
}
