//! `!alert`.

use proptest::prelude::*;

use super::*;
use crate::limits::IRC_ALERT_BUCKETS;

fn notices(table: &mut Table, name: &str) -> Vec<String> {
    let got = table.got(name);
    let text = |line: &String| line.strip_prefix(":LogBot NOTICE #ops :").map(str::to_owned);
    got.iter().filter_map(text).collect()
}

#[test]
fn an_alert_is_told_once_and_when_it_is_over() {
    let mut table = Table::new(&["ann"]);
    table.say("ann", &["JOIN #ops"]);
    table.hush();
    table.say("ann", &["PRIVMSG LogBot :!alert add db 'keyword=deadlock' > 5 per 5m #ops"]);
    assert_eq!(
        table.got("ann"),
        [
            ":LogBot JOIN #ops",
            ":LogBot PRIVMSG ann :alert db: #ops is told when more than 5 lines in 5m match \
         keyword=deadlock",
        ]
    );
    for _ in 0..5 {
        table.log(Level::Error, "a deadlock");
        table.log(Level::Error, "something else");
    }
    assert!(notices(&mut table, "ann").is_empty());
    table.log(Level::Error, "a deadlock");
    let told = "alert db: 6 lines in 5m (more than 5): keyword=deadlock";
    assert_eq!(notices(&mut table, "ann"), [told]);
    table.log(Level::Error, "a deadlock");
    table.pass(290_000);
    assert!(notices(&mut table, "ann").is_empty());
    table.pass(11_000);
    assert_eq!(notices(&mut table, "ann"), ["alert db is over"]);
    table.log_many(Level::Error, "deadlock", 1234);
    table.pass(10);
    // It is told at once, whatever there still is to count.
    let told = notices(&mut table, "ann");
    assert!(told.len() == 1 && told[0].starts_with("alert db: "), "{told:?}");
    table.check_ask("ann", "!alert list", &["db 'keyword=deadlock' > 5 per 5m #ops (on)"]);
    table.say("ann", &["PRIVMSG LogBot :!alert del DB"]);
    assert_eq!(table.got("ann"), [":LogBot PART #ops", ":LogBot PRIVMSG ann :alert DB is gone",]);
    table.check_ask("ann", "!alert list", &["there are no alerts"]);
    table.log_many(Level::Error, "deadlock", 10);
    table.pass(400_000);
    assert!(notices(&mut table, "ann").is_empty());
}

#[test]
fn alerts_that_cannot_be_are_refused() {
    let mut table = Table::new(&["ann", "bob"]);
    table.say("bob", &["JOIN #team"]);
    assert!(!table.ask("ann", "!alert add one x > 5 per 5m #ops")[0].starts_with("ERROR"));
    for (asked, answer) in [
        ("add", "ERROR: usage: !alert "),
        ("add a 'x > 5 per 5m #ops", "ERROR: usage: !alert "),
        ("add a 'x' 5 per 5m #ops", "ERROR: usage: !alert "),
        ("add a 'x' > many per 5m #ops", "ERROR: usage: !alert "),
        ("add a 'x' > 5 per 5m #ops more", "ERROR: usage: !alert "),
        ("add a 'x' > 5 per 5m", "ERROR: usage: !alert "),
        ("add a 'x' > 5 per 25h #ops", "ERROR: bad time \"25h\" (allowed: 1s to 24h"),
        ("add a 'x' > 5 per 1ms #ops", "ERROR: bad time \"1ms\""),
        ("add a! 'x' > 5 per 5m #ops", "ERROR: bad name of an alert"),
        ("add a 'level=loud' > 5 per 5m #ops", "ERROR: bad level \"loud\""),
        ("add a 'x limit=5' > 5 per 5m #ops", "ERROR: an alert has no limit="),
        ("add a 'x' > 5 per 5m ops", "ERROR: that is no channel's name"),
        ("add a 'x' > 5 per 5m #team", "ERROR: only operators of the channel"),
        ("add ONE 'x' > 5 per 5m #ops", "ERROR: there is an alert ONE already"),
        ("del two", "ERROR: there is no alert of that name"),
    ] {
        let got = table.ask("ann", &format!("!alert {asked}"));
        assert!(got[0].starts_with(answer), "{asked}: {got:?}");
    }
    let long = "a".repeat(crate::limits::IRC_ALERT_NAME_BYTES_MAX + 1);
    let got = table.ask("ann", &format!("!alert add {long} x > 5 per 5m #ops"));
    assert!(got[0].starts_with("ERROR: bad name of an alert"), "{got:?}");
}

#[test]
fn a_filter_stands_in_quotes_or_not() {
    for (asked, words) in [
        ("'level>=error \"a b\"'", "level>=error \"a b\""),
        ("\"it's\"", "it's"),
        ("level>=error", "level>=error"),
        ("deadlock level>=error", "deadlock level>=error"),
    ] {
        let mut table = Table::new(&["ann"]);
        table.ask("ann", &format!("!alert add a {asked} > 5 per 5m #ops"));
        let listed = format!("a '{words}' > 5 per 5m #ops");
        table.check_ask("ann", "!alert list", &[&listed]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Never on with fewer within the window than it says, never off with more within the window
    /// without one bucket.
    #[test]
    fn an_alert_is_exact_within_one_bucket(
        steps in prop::collection::vec((0u64..900, 0usize..4), 1..60),
        more_than in 0usize..6,
    ) {
        let mut table = Table::new(&["ann"]);
        table.say("ann", &["JOIN #ops"]);
        table.say("ann", &[&format!("PRIVMSG LogBot :!alert add a x > {more_than} per 6s #ops")]);
        table.hush();
        let bucket_ms = 6000 / IRC_ALERT_BUCKETS;
        let (mut now, mut is_on, mut came) = (0, false, Vec::new());
        for (ms, count) in steps {
            table.pass(ms);
            now += ms;
            table.log_many(Level::Info, "x", count);
            came.extend(std::iter::repeat_n(now, count));
            table.pass(0);
            for told in notices(&mut table, "ann") {
                is_on = !told.ends_with("is over");
            }
            let within = |window: u64| came.iter().filter(|at| *at + window > now).count();
            prop_assert!(!is_on || within(6000 + bucket_ms) > more_than, "on at {now}");
            prop_assert!(is_on || within(6000 - bucket_ms) <= more_than, "off at {now}");
        }
    }
}
