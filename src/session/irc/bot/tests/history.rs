//! CHATHISTORY.

use super::*;
use crate::limits::IRC_HISTORY_MAX;

/// The number of the first record in a room.
const FIRST: u64 = 1_795_168_800_000_000;

/// A command whose ids are counted from the first record.
fn numbered(command: &str) -> String {
    let word = |word: &str| match word.strip_prefix("msgid=") {
        Some(id) => {
            let (number, piece) = id.split_at(id.find('-').unwrap_or(id.len()));
            format!("msgid={}{piece}", FIRST + number.parse::<u64>().unwrap())
        }
        None => word.to_owned(),
    };
    command.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Somebody with the capabilities, in `#logs-error`, and lines a tenth of a second apart, of which
/// every second is an error.
fn table(lines: usize) -> Table {
    let mut table = Table::new(&["ann", "bob"]);
    let caps = "CAP REQ :batch draft/chathistory message-tags server-time";
    table.ask("ann", "!colors off");
    table.say("ann", &[caps, "JOIN #logs-error"]);
    table.hush();
    for at in 0..lines {
        let level = if at % 2 == 0 { Level::Error } else { Level::Info };
        table.log(level, &format!("n {at}"));
    }
    table
}

/// The lines of a batch without its name; what is around it is checked.
#[track_caller]
fn batch(table: &mut Table, command: &str, kind: &str) -> Vec<String> {
    table.say("ann", &[command]);
    let got = table.got("ann");
    let got: Vec<_> = got.iter().map(|line| without_time(line)).collect();
    let begin = got.first().unwrap_or_else(|| panic!("nothing after {command}"));
    let rest = begin.strip_prefix(":irc.test BATCH +");
    let (id, about) = rest.and_then(|rest| rest.split_once(' ')).unwrap_or_else(|| {
        panic!("no batch after {command}: {got:?}");
    });
    assert_eq!(about, kind);
    assert_eq!(got.last().unwrap(), &format!(":irc.test BATCH -{id}"));
    let inside = &got[1..got.len() - 1];
    let head = format!("@batch={id};");
    let strip = |line: &String| line.strip_prefix(&head).unwrap_or_else(|| panic!("{line}")).into();
    inside.iter().map(strip).collect()
}

/// The server's own lines carry the time when they are said.
fn without_time(line: &str) -> String {
    match line.split_once(' ') {
        Some((tags, rest)) if tags.starts_with("@time=") && rest.contains(" BATCH ") => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    }
}

/// The numbers of the lines in a batch.
#[track_caller]
fn numbers(table: &mut Table, command: &str) -> Vec<usize> {
    let command = format!("CHATHISTORY {}", numbered(command));
    let lines = batch(table, &command, "chathistory #logs-error");
    lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn history_is_as_it_was_said() {
    let mut table = table(7);
    let said = table.got("ann");
    assert_eq!(said.len(), 4);
    let told = batch(&mut table, "CHATHISTORY LATEST #LOGS-ERROR * 50", "chathistory #logs-error");
    let said: Vec<_> = said.iter().map(|line| line.strip_prefix('@').unwrap().to_owned()).collect();
    assert_eq!(told, said);
    assert!(
        said[0].starts_with("time=2026-11-20T10:00:00.000Z;msgid=1795168800000000 "),
        "{}",
        said[0]
    );
}

#[test]
fn history_is_bounded_by_ids_and_times() {
    let mut table = table(21);
    table.got("ann");
    // Errors are 0, 2, … 20; record n came n tenths of a second behind the beginning.
    let time =
        |tenths: usize| format!("timestamp=2026-11-20T10:00:0{}.{}00Z", tenths / 10, tenths % 10);
    for (command, expected) in [
        ("LATEST #logs-error * 3".to_owned(), &[16, 18, 20][..]),
        ("LATEST #logs-error msgid=16 9".to_owned(), &[18, 20]),
        ("LATEST #logs-error msgid=6 2".to_owned(), &[18, 20]),
        (format!("LATEST #logs-error {} 9", time(16)), &[18, 20]),
        ("BEFORE #logs-error msgid=6 2".to_owned(), &[2, 4]),
        ("BEFORE #logs-error msgid=6-2 9".to_owned(), &[0, 2, 4]),
        ("BEFORE #logs-error msgid=0 9".to_owned(), &[]),
        (format!("BEFORE #logs-error {} 2", time(6)), &[2, 4]),
        ("AFTER #logs-error msgid=6 2".to_owned(), &[8, 10]),
        ("AFTER #logs-error msgid=20 2".to_owned(), &[]),
        ("AFTER #logs-error msgid=4711 2".to_owned(), &[]),
        (format!("AFTER #logs-error {} 2", time(6)), &[8, 10]),
        ("BETWEEN #logs-error msgid=4 msgid=12 9".to_owned(), &[6, 8, 10]),
        ("BETWEEN #logs-error msgid=4 msgid=12 2".to_owned(), &[6, 8]),
        ("BETWEEN #logs-error msgid=12 msgid=4 2".to_owned(), &[8, 10]),
        (format!("BETWEEN #logs-error {} {} 2", time(12), time(4)), &[8, 10]),
        ("AROUND #logs-error msgid=8 1".to_owned(), &[8]),
        ("AROUND #logs-error msgid=8 2".to_owned(), &[6, 8]),
        ("AROUND #logs-error msgid=8 3".to_owned(), &[6, 8, 10]),
        (format!("AROUND #logs-error {} 3", time(8)), &[6, 8, 10]),
        ("latest #logs-error * 1".to_owned(), &[20]),
    ] {
        assert_eq!(numbers(&mut table, &command), expected, "{command}");
    }
}

#[test]
fn history_gives_as_many_as_it_may() {
    let mut table = table(2 * IRC_HISTORY_MAX + 50);
    table.got("ann");
    assert_eq!(numbers(&mut table, "LATEST #logs-error * 5000").len(), IRC_HISTORY_MAX);
}

#[test]
fn history_of_several_filters_is_put_together() {
    let mut table = table(0);
    for word in ["red", "blue"] {
        table.say("ann", &[&format!("LOGFILTER add #color keyword {word}")]);
    }
    table.say("ann", &["JOIN #color"]);
    table.hush();
    for text in ["red 0", "blue 1", "red and blue 2", "green 3", "red 4"] {
        table.log(Level::Info, text);
    }
    table.got("ann");
    let texts = |lines: Vec<String>| -> Vec<String> {
        lines.iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
    };
    let all = batch(&mut table, "CHATHISTORY LATEST #color * 9", "chathistory #color");
    assert_eq!(texts(all), ["0", "1", "2", "4"]);
    let some = batch(&mut table, "CHATHISTORY LATEST #color * 3", "chathistory #color");
    assert_eq!(texts(some), ["1", "2", "4"]);
}

#[test]
fn channels_with_news_are_listed() {
    let mut table = table(21);
    table.say("ann", &["JOIN #logs-all", "JOIN #logs-nobody", "JOIN #team"]);
    table.log(Level::Info, "the last");
    table.hush();
    let window = "timestamp=2026-11-20T10:00:00.000Z timestamp=2026-11-20T11:00:00.000Z";
    let command = format!("CHATHISTORY TARGETS {window} 9");
    let got = batch(&mut table, &command, "draft/chathistory-targets");
    let targets: Vec<_> = got.iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(
        targets,
        [
            ":irc.test CHATHISTORY TARGETS #logs-error 2026-11-20T10:00:02.000Z",
            ":irc.test CHATHISTORY TARGETS #logs-all 2026-11-20T10:00:02.100Z",
        ]
    );
    let window = "timestamp=2026-11-20T10:00:02.050Z timestamp=2026-11-20T10:00:00.000Z";
    let got =
        batch(&mut table, &format!("CHATHISTORY TARGETS {window} 9"), "draft/chathistory-targets");
    assert_eq!(got.len(), 1);
}

#[test]
fn history_that_there_is_none_of_is_refused() {
    let mut table = table(1);
    table.say("ann", &["JOIN #team"]);
    table.say("bob", &["JOIN #other"]);
    table.hush();
    assert!(batch(&mut table, "CHATHISTORY LATEST #team * 5", "chathistory #team").is_empty());
    assert!(batch(&mut table, "CHATHISTORY LATEST bob * 5", "chathistory bob").is_empty());
    for (command, failure) in [
        ("LATEST #nowhere * 5", "INVALID_TARGET LATEST #nowhere :"),
        ("LATEST #other * 5", "INVALID_TARGET LATEST #other :"),
        ("LATEST nobody * 5", "INVALID_TARGET LATEST nobody :"),
        ("LATEST #team", "INVALID_PARAMS LATEST :"),
        ("LATEST #team * many", "INVALID_PARAMS LATEST many :"),
        ("LATEST #team * 0", "INVALID_PARAMS LATEST 0 :"),
        ("LATEST #team timestamp=yesterday 5", "INVALID_PARAMS LATEST timestamp=yesterday :"),
        ("LATEST #team msgid=m5-1 5", "INVALID_PARAMS LATEST msgid=m5-1 :"),
        ("BEFORE #team * 5", "INVALID_MSGREFTYPE BEFORE * :"),
        ("BETWEEN #team msgid=1 5", "INVALID_PARAMS BETWEEN :"),
        ("SOMETIMES #team * 5", "INVALID_PARAMS SOMETIMES :"),
        ("TARGETS msgid=1 msgid=2 5", "INVALID_PARAMS TARGETS msgid=1 :"),
    ] {
        table.say("ann", &[&format!("CHATHISTORY {command}")]);
        let got = table.got("ann");
        let expected = format!(":irc.test FAIL CHATHISTORY {failure}");
        assert!(got.len() == 1 && got[0].starts_with(&expected), "{command}: {got:?}");
    }
}

#[test]
fn without_batches_history_is_bare_lines() {
    let mut table = table(3);
    table.ask("bob", "!colors off");
    table.say("bob", &["JOIN #logs-error", "CHATHISTORY LATEST #logs-error * 5"]);
    let got = table.got("bob");
    let told: Vec<_> = got.iter().filter(|line| line.contains("PRIVMSG")).collect();
    assert_eq!(
        told,
        [
            &format!(":LogBot PRIVMSG #logs-error :{}", line(0, "ERROR", "n 0")),
            &format!(":LogBot PRIVMSG #logs-error :{}", line(0, "ERROR", "n 2")),
        ]
    );
}

#[test]
fn what_the_records_answer_carries_the_label_of_its_command() {
    let mut table = table(80);
    table.say("ann", &["CAP REQ labeled-response"]);
    table.hush();
    for (command, lines) in [
        ("CHATHISTORY LATEST #logs-error * 5", 5 + 2),
        // Told in several steps.
        ("CHATHISTORY LATEST #logs-error * 40", 40 + 2),
        ("CHATHISTORY LATEST #logs-error timestamp=2030-01-01T00:00:00.000Z 5", 2),
        ("LOGQUERY level>=error limit=3", 1 + 3 + 1 + 2),
    ] {
        table.say("ann", &[&format!("@label=L1 {command}")]);
        let got = table.got("ann");
        assert_eq!(got.len(), lines, "{command}: {got:#?}");
        assert!(got[0].starts_with("@label=L1") && got[0].contains(" BATCH +"), "{}", got[0]);
        let name = got[0].split(" BATCH +").nth(1).unwrap().split(' ').next().unwrap();
        assert!(got[lines - 1].ends_with(&format!(" BATCH -{name}")), "{}", got[lines - 1]);
        let tag = format!("@batch={name};");
        assert!(got[1..lines - 1].iter().all(|line| line.starts_with(&tag)), "{got:#?}");
    }
    // One line, and one that is no walk's.
    for (command, text) in [("LOGQUERY nothing", "0 matches"), ("LOGQUERY x=1=", "ERROR:")] {
        table.say("ann", &[&format!("@label=L2 {command}")]);
        let got = table.got("ann");
        assert!(got.len() == 1 && got[0].starts_with("@label=L2;"), "{got:?}");
        assert!(got[0].contains(text), "{got:?}");
    }
    // What LogBot answers is no answer of the server.
    table.say("ann", &["@label=L3 PRIVMSG LogBot :!count"]);
    let got = table.got("ann");
    assert_eq!(got[0], "@label=L3 :irc.test ACK");
    assert!(got.len() == 2 && !got[1].contains("label"), "{got:?}");
}
