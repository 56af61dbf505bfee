//! Questions: the exact shape of every answer, when a connection ends, what an error looks like.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::json;
use crate::peer::Peer;
use crate::support::{Server, holding, seq, setup, start, start_in, temp_dir, wait_until};

/// The answer is one line that begins with ERROR and holds `words`; the connection lives on.
#[track_caller]
fn is_refused(server: &Server, question: &str, words: &[&str]) {
    let answer = server.ask(&format!("{question}\nPING"));
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines.len(), 2, "to {question:?}: {answer}");
    assert!(lines[0].starts_with("ERROR: "), "to {question:?}: {answer}");
    for word in words {
        assert!(lines[0].contains(word), "{word:?} is not in the answer to {question:?}: {answer}");
    }
    assert_eq!(lines[1], "PONG", "the connection lives on after {question:?}");
}

#[test]
fn count_ping_and_stats_answer_in_one_line() {
    let server = holding(&["a", "b", "c"]);
    assert_eq!(server.ask("COUNT"), "COUNT: 3\n");
    assert_eq!(server.ask("PING"), "PONG\n");
    let stats = server.ask("STATS");
    assert!(stats.starts_with("STATS: Total=3, Dropped=0, Current=3, Clients=0, "), "{stats}");
    assert_eq!(stats.matches('\n').count(), 1, "{stats}");
    let json = server.ask("STATS json");
    let metrics: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&metrics["logcaster_logs_total"], json.matches('\n').count()), (&3.into(), 1));
    let queries = server.stat("Queries");
    server.ask("COUNT\nRECENT 1\nPING");
    assert_eq!(server.stat("Queries"), queries + 2, "COUNT and RECENT are");
    let _client = server.log_peer();
    wait_until("one client", || (server.stat("Clients") == 1).then_some(()));
}

#[test]
fn names_may_be_in_any_case_and_end_with_crlf() {
    let server = holding(&["a"]);
    assert_eq!(server.ask("count\r"), "COUNT: 1\n");
    assert_eq!(server.ask("Recent 1\r").lines().next(), Some("FOUND: 1 matches"));
}

#[test]
fn help_shows_every_command_with_an_example() {
    let help = start(&[]).ask("HELP");
    for name in [
        "COUNT", "STATS", "PING", "HELP", "RECENT", "SEARCH", "REGEX", "FILTER", "QUERY", "TAIL",
        "CLEAR", "SYNC", "CLIENTS", "SLOWLOG", "SESSION", "LABELS", "VALUES",
    ] {
        assert!(help.lines().any(|line| line.contains(name)), "{name} is not in:\n{help}");
    }
    assert!(help.contains("RECENT 50") && help.contains("e.g. FILTER "), "examples:\n{help}");
    assert!(help.to_lowercase().contains("overwritten"), "what CLEAR leaves in the file:\n{help}");
}

#[test]
fn recent_gives_the_newest_oldest_first() {
    let server = holding(&["a", "b", "c", "d"]);
    assert_eq!(server.messages("RECENT 2"), ["c", "d"]);
    assert_eq!(server.messages("RECENT 50"), ["a", "b", "c", "d"]);
    is_refused(&server, "RECENT x", &["x"]);
    is_refused(&server, "RECENT -1", &["-1"]);
}

#[test]
fn search_ignores_case_and_regex_does_not() {
    let server = holding(&["Payment timeout", "payment TIMEOUT", "other", "a.b", "axb"]);
    assert_eq!(server.messages("SEARCH TimeOut"), ["Payment timeout", "payment TIMEOUT"]);
    assert_eq!(server.messages("SEARCH payment t").len(), 2, "the text is the rest of the line");
    assert_eq!(server.messages("SEARCH a.b"), ["a.b"], "a text is no pattern");
    assert_eq!(server.messages("REGEX timeout$"), ["Payment timeout"]);
    assert_eq!(server.messages("REGEX (?i)TIMEOUT$").len(), 2);
    assert_eq!(server.messages("REGEX ^a.b$"), ["a.b", "axb"]);
    assert_eq!(server.ask("SEARCH nowhere"), "FOUND: 0 matches\n");
}

#[test]
fn a_hit_never_spans_two_records() {
    let server = holding(&["end of one", "start of two"]);
    assert_eq!(server.ask(r"REGEX one\nstart"), "FOUND: 0 matches\n");
    assert_eq!(server.ask(r"REGEX one\sstart"), "FOUND: 0 matches\n");
    assert_eq!(server.messages(r"REGEX \Astart"), ["start of two"]);
    assert_eq!(server.messages(r"REGEX one\z"), ["end of one"]);
}

#[test]
fn filter_takes_every_kind_of_time() {
    let server = holding(&["now"]);
    for words in [
        "-5m",
        "-2h now",
        "1700000000 4000000000",
        "2026-01-01T00:00:00Z 2100-01-01T00:00:00+02:00",
        "2026-01-01 00:00:00 2100-01-01 00:00:00",
    ] {
        assert_eq!(server.messages(&format!("FILTER {words}")), ["now"], "{words}");
    }
    assert_eq!(server.ask("FILTER 2001-01-01 00:00:00 2001-01-02 00:00:00"), "FOUND: 0 matches\n");
    is_refused(&server, "FILTER 2026-11-20 11:00:00 2026-11-20 10:00:00", &["2026-11-20"]);
    is_refused(&server, "FILTER yesterdayish", &["yesterdayish"]);
    is_refused(&server, "FILTER 2026-13-40 10:00:00 now", &["2026-13-40"]);
}

#[test]
fn times_are_told_and_read_in_the_servers_zone() {
    let server = setup(&[]).env("TZ", "Asia/Tokyo").start();
    server.send_until("x\n", 1);
    let line = server.found("RECENT 1").remove(0);
    let told: jiff::civil::DateTime = line[1..20].parse().unwrap();
    let told = told.to_zoned(jiff::tz::TimeZone::get("Asia/Tokyo").unwrap()).unwrap();
    let off = told.timestamp().duration_until(jiff::Timestamp::now()).as_secs();
    assert!((-5..120).contains(&off), "{line} is {off} s ago in Tokyo");
    let minute = Duration::from_secs(60);
    let around = [told.datetime() - minute, told.datetime() + minute];
    let words = around.map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()).join(" ");
    assert_eq!(server.messages(&format!("FILTER {words}")), ["x"]);
    let utc = around.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).join(" ");
    assert_eq!(server.ask(&format!("FILTER {utc}")), "FOUND: 0 matches\n", "these say UTC");
}

#[test]
fn query_joins_its_parameters() {
    let server = holding(&[
        "ERROR disk full on db1",
        "ERROR two words here",
        "INFO disk fine on db1",
        "INFO Disk fine on web1",
    ]);
    let found = |words: &str| server.messages(&format!("QUERY {words}")).len();
    assert_eq!(found(""), 4);
    assert_eq!(found("keyword=disk"), 3);
    assert_eq!(found("keywords=disk,db1"), 2, "AND unless it says otherwise");
    assert_eq!(found("keywords=disk,db1 operator=AND"), 2);
    assert_eq!(found("keywords=full,web1 operator=OR"), 2);
    assert_eq!(found(r#"keyword="two words""#), 1);
    assert_eq!(found("keyword=disk level=error"), 1);
    assert_eq!(found("regex=^INFO.*db"), 1);
    assert_eq!(found("keyword=disk regex=fine level=info source=127.0.0.1 since=-5m until=now"), 2);
    assert_eq!(found(r#"time_from="2026-01-01 00:00:00" time_to="2100-01-01 00:00:00""#), 4);
    assert_eq!(found("time_from=2001-01-01T00:00:00Z time_to=2002-01-01T00:00:00Z"), 0);
}

#[test]
fn limit_and_order_say_which_and_how() {
    let server = holding(&["a", "b", "c", "d"]);
    assert_eq!(server.messages("QUERY limit=2"), ["a", "b"]);
    assert_eq!(server.messages("QUERY limit=2 order=desc"), ["d", "c"]);
    assert_eq!(server.messages("QUERY order=desc"), ["d", "c", "b", "a"]);
    let seqs = server.seqs();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    assert_eq!(server.messages(&format!("QUERY after={}", seqs[1])), ["c", "d"]);
    assert_eq!(server.messages(&format!("QUERY after={}", seqs[3])).len(), 0);
}

#[test]
fn json_is_one_valid_object_a_line() {
    let server = start(&[]);
    server.send(b"quote \" back \\ tab \t esc \x1b del \x7f\ninvalid \xff\xfe end\n\xe2\x9c\x93\n");
    server.wait_count(3);
    let lines = server.found("QUERY format=json");
    let objects: Vec<_> = lines.iter().map(|line| json::object(line)).collect();
    assert_eq!(objects[0]["msg"], "quote \" back \\ tab \t esc \x1b del \x7f");
    assert_eq!(objects[1]["msg"], "invalid \u{fffd}\u{fffd} end");
    assert_eq!(objects[2]["msg"], "✓");
    for object in &objects {
        assert_eq!((object["level"].as_str(), object["source"].as_str()), ("unknown", "127.0.0.1"));
        let time = object.values().find(|v| v.len() > 20 && v.as_bytes()[10] == b'T');
        let time: jiff::Timestamp = time.expect("a time").parse().expect("RFC 3339");
        assert!(time.as_second() > 1_700_000_000);
    }
}

#[test]
fn mistakes_are_told_and_the_connection_lives_on() {
    let server = holding(&["a"]);
    is_refused(&server, "GTE", &["GTE"]);
    is_refused(&server, "QUERY colour=red", &["colour"]);
    is_refused(&server, "QUERY limit=1 limit=2", &["limit"]);
    is_refused(&server, "QUERY keywords=a,b operator=XOR", &["XOR", "AND", "OR"]);
    is_refused(&server, "QUERY level=loud", &["loud"]);
    is_refused(&server, "QUERY order=sideways", &["sideways"]);
    is_refused(&server, "QUERY format=xml", &["xml"]);
    is_refused(&server, "QUERY limit=many", &["many"]);
    is_refused(&server, "QUERY since=soonish", &["soonish"]);
    is_refused(&server, "QUERY time_from=4000000000 time_to=1700000000", &[]);
    is_refused(&server, "QUERY keyword=\"no end", &[]);
    is_refused(&server, "REGEX a(b", &["group", "2"]);
    is_refused(&server, "REGEX", &[]);
    is_refused(&server, "SEARCH", &[]);
    is_refused(&server, "\x07\x1b[31m", &[]);
    let answer = server.ask("\x1b[31mEVIL");
    assert!(!answer.contains('\x1b'), "what was seen is shown, not obeyed: {answer:?}");
}

#[test]
fn a_command_too_long_is_refused_and_the_next_is_answered() {
    let server = holding(&["a"]);
    is_refused(&server, &format!("SEARCH {}", "x".repeat(200_000)), &[]);
    is_refused(&server, &format!("REGEX {}", "x".repeat(2_000)), &[]);
}

#[test]
fn a_command_may_come_in_pieces() {
    let server = holding(&["a"]);
    let mut peer = server.question_peer();
    for piece in ["C", "OU", "NT", "\r", "\nPI", "NG\n"] {
        peer.write(piece);
        // Another question in between: the server has seen the piece alone by then.
        assert_eq!(server.ask("PING"), "PONG\n");
    }
    assert_eq!(peer.rest(), b"COUNT: 1\nPONG\n");
}

#[test]
fn many_commands_in_one_write_are_answered_in_order() {
    let server = holding(&["a needle", "b"]);
    let round = "PING\nCOUNT\nSEARCH needle\nRECENT 1\nGTE\n";
    let mut peer = server.question_peer();
    peer.write(round.repeat(200));
    let answer = String::from_utf8(peer.finish()).unwrap();
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines.len(), 200 * 7);
    for seven in lines.chunks(7) {
        assert_eq!(seven[..3], ["PONG", "COUNT: 2", "FOUND: 1 matches"]);
        assert!(seven[3].ends_with("] a needle") && seven[5].ends_with("] b"), "{seven:?}");
        assert!(seven[4] == "FOUND: 1 matches" && seven[6].starts_with("ERROR: "), "{seven:?}");
    }
}

#[test]
fn the_connection_ends_after_the_last_answer() {
    let server = holding(&["a"]);
    let mut shortest = Duration::MAX;
    for _ in 0..10 {
        let mut peer = server.question_peer();
        let begun = Instant::now();
        peer.write("COUNT\n");
        assert_eq!(peer.rest(), b"COUNT: 1\n");
        assert!(begun.elapsed() >= Duration::from_millis(15), "{:?}", begun.elapsed());
        shortest = shortest.min(begun.elapsed());
    }
    assert!(shortest < Duration::from_millis(200), "{shortest:?}");
}

#[test]
fn after_a_fin_the_answer_ends_at_once() {
    let server = holding(&["a"]);
    let ask = || {
        let begun = Instant::now();
        assert_eq!(server.ask("COUNT"), "COUNT: 1\n");
        begun.elapsed()
    };
    let shortest = (0..20).map(|_| ask()).min().unwrap();
    assert!(shortest < Duration::from_millis(15), "it waits for more after a FIN: {shortest:?}");
}

#[test]
fn a_fin_never_ends_an_answer() {
    let server = start(&["-s", "4"]);
    let lines: String = (0..20_000).map(|n| format!("line {n:08}\n")).collect();
    server.send_until(&lines, 20_000);
    let answer = server.ask("QUERY format=json");
    assert_eq!(answer.lines().next(), Some("FOUND: 20000 matches"));
    assert_eq!(answer.lines().count(), 20_001);
}

#[test]
fn a_session_stays_open_until_the_client_ends_it() {
    let server = holding(&["a"]);
    let mut peer = server.session();
    assert!(peer.is_quiet_for(Duration::from_millis(300)), "the session was ended");
    peer.write("COUNT\n");
    assert_eq!(peer.line().as_deref(), Some("COUNT: 1"));
    peer.write("GTE\n");
    assert!(peer.line().unwrap().starts_with("ERROR: "));
    assert_eq!(peer.finish(), b"");
}

#[test]
fn a_tail_shows_what_comes() {
    let server = holding(&["before", "sentinel"]);
    let mut tail = server.question_peer();
    tail.write("TAIL n=1\n");
    let read = |tail: &mut Peer| {
        let line = tail.line().expect("a tail does not end");
        crate::support::message(&line).to_owned()
    };
    assert_eq!(read(&mut tail), "sentinel");
    server.send("one\ntwo\n");
    assert_eq!([read(&mut tail), read(&mut tail)], ["one", "two"]);
    tail.shut();
    assert!(tail.is_quiet_for(Duration::from_millis(200)), "a FIN does not end a tail");
    server.send("three\n");
    assert_eq!(read(&mut tail), "three");
}

#[test]
fn a_tail_shows_the_last_n_that_match_and_then_what_matches() {
    let server = holding(&["keep 1", "skip", "keep 2", "skip", "keep 3", "skip"]);
    let mut tail = server.question_peer();
    tail.write("TAIL n=2 keyword=keep format=json\n");
    let mut read = || json::object(&tail.line().expect("a tail does not end"))["msg"].clone();
    assert_eq!([read(), read()], ["keep 2", "keep 3"]);
    server.send("skip\nkeep 4\nskip\nkeep 5\n");
    assert_eq!([read(), read()], ["keep 4", "keep 5"]);
}

#[test]
fn a_tail_resumes_without_gap_or_duplicate() {
    let server = start(&[]);
    let mut seen: Vec<String> = Vec::new();
    let mut last = None;
    for round in 0..10 {
        let lines: String = (0..50).map(|n| format!("line {}\n", round * 50 + n)).collect();
        let (before, during) = lines.split_at(lines.len() / 2);
        server.send(before);
        let mut tail = server.question_peer();
        let after = last.unwrap_or_else(|| server.seqs()[0] - 1);
        tail.write(format!("TAIL after={after} format=json\n"));
        server.send(during);
        while seen.len() < round * 50 + 45 {
            let line = tail.line().expect("a tail does not end");
            last = Some(seq(&line));
            seen.push(json::object(&line)["msg"].clone());
        }
    }
    // The cut falls into a line: its halves, sent on two connections, are two records.
    let sent = server.messages("QUERY");
    assert_eq!(seen, sent[..seen.len()]);
}

#[test]
fn a_tail_before_the_ring_is_told_what_it_lost() {
    let server = start(&["-s", "1"]);
    server.send_until("first\n", 1);
    let first = server.seqs()[0];
    let lines: String = (0..30_000).map(|n| format!("line {n:06} {}\n", "x".repeat(80))).collect();
    server.send(&lines);
    let oldest = server.seqs()[0];
    let mut tail = server.question_peer();
    tail.write(format!("TAIL after={first} format=json\n"));
    assert_eq!(tail.line(), Some(format!("# lost {} lines", oldest - first - 1)));
    assert_eq!(tail.line().map(|line| seq(&line)), Some(oldest));

    let lost = oldest - first - 1;
    let answer = server.ask(&format!("QUERY after={first} limit=1 format=json"));
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(
        lines[..2],
        [format!("FOUND: {} matches", lost + 1), format!("# lost {lost} lines")]
    );
    assert_eq!((seq(lines[2]), lines.len()), (oldest, 3));
}

#[test]
fn a_number_that_no_record_has_yet_is_refused() {
    let server = holding(&["a", "b"]);
    let newest = server.seqs()[1];
    let far = u64::MAX;
    for command in ["QUERY", "TAIL"] {
        let answer = server.ask(&format!("{command} after={far}\nPING"));
        let expected = format!("ERROR: bad after \"{far}\" (allowed: up to {newest})\nPONG\n");
        assert_eq!(answer, expected, "{command}");
    }
}

/// A second address of this machine that is not a loopback one, if it has any.
fn outer_address() -> Option<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: this asks the routing table which address would be used.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().filter(|addr| !addr.ip().is_loopback())
}

#[test]
fn clear_hides_everything_at_once() {
    let server = holding(&["a", "b"]);
    assert_eq!(server.ask("CLEAR"), "OK: cleared 2 logs\n");
    assert_eq!(server.ask("COUNT\nRECENT 5"), "COUNT: 0\nFOUND: 0 matches\n");
    assert_eq!(server.ask("CLEAR\nPING"), "OK: cleared 0 logs\nPONG\n");
    server.send_until("c\n", 1);
    assert_eq!(server.messages("SEARCH c"), ["c"]);
}

#[test]
fn clear_is_taken_from_loopback_and_as_the_first_line_only() {
    let server = setup(&["--bind", "0.0.0.0"]).start();
    server.send_until("a\nb\n", 2);
    let answer = server.ask("PING\nCLEAR\nPING");
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!((lines[0], lines[2]), ("PONG", "PONG"), "{answer}");
    assert!(lines[1].starts_with("ERROR: "), "{answer}");
    if let Some(outer) = outer_address() {
        let mut peer = Peer::to(SocketAddr::new(outer.ip(), server.questions.port()));
        peer.write("CLEAR\n");
        let answer = String::from_utf8(peer.finish()).unwrap();
        assert!(answer.starts_with("ERROR: "), "from {outer}: {answer}");
    }
    assert_eq!(server.count(), 2);
}

#[test]
fn a_web_page_cannot_speak_to_the_question_port() {
    let server = holding(&["a"]);
    for request in [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: localhost:9998\r\nContent-Length: 7\r\n\r\nCLEAR\r\nCOUNT\r\n",
        "OPTIONS * HTTP/1.0\r\n\r\nCOUNT\r\n",
        "Host: localhost\r\nCOUNT\r\n",
        "host: localhost\r\nCOUNT\r\n",
    ] {
        let mut peer = server.question_peer();
        peer.write(request);
        let answer = String::from_utf8(peer.rest()).unwrap();
        assert!(!answer.contains("COUNT: ") && !answer.contains("OK: "), "{request:?}: {answer}");
        assert!(answer.is_empty() || answer.starts_with("ERROR: "), "{request:?}: {answer}");
    }
    assert_eq!(server.count(), 1);
}

#[test]
fn sync_tells_how_far_the_disk_is() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 1, &[]);
    for round in 1..=5 {
        server.send_until(format!("line {round}\n"), round);
        let answer = server.ask("SYNC");
        let through =
            answer.strip_prefix("OK: durable through ").and_then(|t| t.trim().parse().ok());
        let through: u64 = through.unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(through, *server.seqs().last().unwrap());
    }
}

#[test]
fn clients_and_slowlog_tell_who_and_what() {
    let server = holding(&["a"]);
    let mut log = server.log_peer();
    log.write("0123456789\n");
    server.wait_count(2);
    let clients = server.ask("CLIENTS");
    let own = log.stream().local_addr().unwrap().to_string();
    assert!(clients.contains(&own), "{own} is not in:\n{clients}");
    let line = clients.lines().find(|line| line.contains(&own)).unwrap();
    assert!(line.contains("11") && line.contains("log"), "role and bytes in: {line}");
    server.ask("SEARCH some needle");
    let slow = server.ask("SLOWLOG");
    assert!(slow.contains("SEARCH some needle"), "{slow}");
}

/// Reads an answer to its end: what FOUND said, how many lines came, how many were told as lost.
fn tally(answer: &str) -> (u64, u64, u64) {
    let mut lines = answer.lines();
    let first = lines.next().unwrap();
    let found = first.strip_prefix("FOUND: ").and_then(|rest| rest.strip_suffix(" matches"));
    let found = found.unwrap_or_else(|| panic!("{first}")).parse().unwrap();
    let (mut printed, mut lost) = (0, 0);
    for line in lines {
        match line.strip_prefix("# lost ").and_then(|rest| rest.strip_suffix(" lines")) {
            Some(count) => lost += count.parse::<u64>().unwrap(),
            None => printed += 1,
        }
    }
    (found, printed, lost)
}

#[test]
fn printed_and_lost_are_what_was_found_while_lines_come_in() {
    let server = start(&["-s", "1"]);
    let mut writer = server.log_peer();
    let lines: String = (0..2_000).map(|n| format!("line {n:06} {}\n", "x".repeat(80))).collect();
    let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = is_over.clone();
    let ingest = std::thread::spawn(move || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            writer.write(&lines);
        }
        writer.finish();
    });
    wait_until("a full ring", || (server.stat("Dropped") > 0).then_some(()));
    for question in ["QUERY", "SEARCH line", "REGEX 00[0-4]", "QUERY order=desc", "RECENT 100"] {
        for _ in 0..5 {
            let (found, printed, lost) = tally(&server.ask(question));
            assert_eq!(found, printed + lost, "{question}");
            assert!(found > 0, "{question}");
        }
    }
    is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    ingest.join().unwrap();
}

#[test]
fn a_reader_that_the_ring_overtakes_is_told_how_many_it_lost() {
    // An answer of 12 MB: the sockets between hold 4 MiB of it, or little more.
    let server = start(&["-s", "8"]);
    let lap: String = (0..80_000).map(|n| format!("line {n:08} {}\n", "x".repeat(60))).collect();
    server.send(&lap);
    let mut slow = server.question_peer();
    slow.write("QUERY format=json\nPING\n");
    let first = slow.line().expect("FOUND");
    // Two laps of the ring: what the slow reader has not been sent is gone by then.
    server.send(&lap);
    server.send(&lap);
    let rest = String::from_utf8(slow.finish()).unwrap();
    let answer = rest.strip_suffix("PONG\n").expect("the answer ends, and the next one follows");
    let (found, printed, lost) = tally(&format!("{first}\n{answer}"));
    assert_eq!(found, printed + lost);
    assert!(lost > 0, "all {printed} lines fitted into the sockets: make the answer larger");
}

#[test]
fn recent_never_scans() {
    let server = start(&["-s", "4"]);
    let lines: String = (0..30_000).map(|n| format!("line {n:06} {}\n", "x".repeat(80))).collect();
    server.send(&lines);
    let scanned = |question: &str| {
        let before = server.stat("ScannedBytes");
        server.ask(question);
        server.stat("ScannedBytes") - before
    };
    let whole = scanned("SEARCH nowhere");
    assert!(whole > 2 << 20, "a search scans the ring, and the counter sees it: {whole}");
    let recent = scanned("RECENT 50");
    // At most two blocks of 64 KiB more than the lines lie in.
    assert!(recent <= 3 * (64 << 10), "RECENT 50 scanned {recent} bytes");
}

#[test]
fn slow_patterns_are_refused_or_answered_and_never_stall() {
    let server = start(&["-s", "4"]);
    let lines: String = (0..20_000).map(|n| format!("line {n:06} {}\n", "a".repeat(90))).collect();
    server.send(&lines);
    for pattern in
        [r"\w{100}", "(?:a?){100}a{100}", "[^x]{0,900}q", "(a*)*b", "(?:(?:x{50}){50}){50}"]
    {
        let mut asking = server.question_peer();
        asking.write(format!("REGEX {pattern}\n"));
        assert_eq!(server.ask("PING"), "PONG\n");
        let answer = String::from_utf8(asking.finish()).unwrap();
        assert!(
            answer.starts_with("FOUND: ") || answer.starts_with("ERROR: "),
            "{pattern}: {answer}"
        );
    }
    // With every feature on, no turn was longer than a good part of a second, unoptimised.
    assert!(server.stat("TurnMaxUs") < 300_000, "{:?}", server.stats());
}

#[test]
fn a_reader_that_goes_away_in_the_middle_costs_nothing() {
    let server = start(&["-s", "4"]);
    let lines: String = (0..30_000).map(|n| format!("line {n:06}\n")).collect();
    server.send(&lines);
    for _ in 0..20 {
        let mut peer = server.question_peer();
        peer.stream().write_all(b"QUERY format=json\n").unwrap();
        peer.line();
    }
    assert_eq!(server.count(), 30_000);
}
