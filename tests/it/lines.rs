//! Lines in: where a record begins and ends, what is kept of it, and what happens at each bound.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, TcpListener};
use std::path::Path;

use crate::json;
use crate::peer::Peer;
use crate::support::{Server, start, start_in, temp_dir, wait_until};

/// Sends `input` to a server of its own and compares every record it keeps.
#[track_caller]
fn check(input: &[u8], expected: &[&[u8]]) {
    let server = start(&[]);
    server.send_until(input, expected.len() as u64);
    let raw = server.raw();
    assert_eq!(raw.escape_ascii().to_string(), joined(expected).escape_ascii().to_string());
}

/// Each record with a newline behind it.
fn joined(records: &[&[u8]]) -> Vec<u8> {
    records.iter().flat_map(|record| [record, b"\n".as_slice()].concat()).collect()
}

/// The records that a file holds: its lines less the CR of CR LF, without the empty ones.
pub fn records_of(file: &[u8]) -> Vec<&[u8]> {
    let lines = file.split(|&byte| byte == b'\n');
    lines.map(|l| l.strip_suffix(b"\r").unwrap_or(l)).filter(|l| !l.is_empty()).collect()
}

/// The ten real logs in the tree, by name.
pub fn real_logs() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/loghub");
    let mut logs = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the real logs are in the tree") {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "log") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            logs.insert(name, std::fs::read(&path).unwrap());
        }
    }
    assert_eq!(logs.len(), 10);
    logs
}

#[test]
fn lf_crlf_and_nul_end_a_record() {
    check(b"a\nb\r\nc\0d\n", &[b"a", b"b", b"c", b"d"]);
}

#[test]
fn a_last_piece_without_a_newline_is_a_record() {
    check(b"a\nlast", &[b"a", b"last"]);
}

#[test]
fn empty_lines_are_no_records() {
    check(b"\n\r\n\0\n\0a\n\n\nb\r\n\r\n\n", &[b"a", b"b"]);
}

#[test]
fn only_the_cr_right_before_lf_goes() {
    check(b"a\rb\r\r\n\rc\n", &[b"a\rb\r", b"\rc"]);
}

#[test]
fn any_bytes_are_kept_as_they_are() {
    let all: Vec<u8> = (1..=255).filter(|&byte| byte != b'\n').collect();
    check(
        &[&all[..], b"\n\xff\xfe \t \x1b[31mred\n"].concat(),
        &[&all, b"\xff\xfe \t \x1b[31mred"],
    );
}

#[test]
fn a_line_in_two_writes_is_one_record() {
    let server = start(&[]);
    let mut peer = server.log_peer();
    peer.write("he");
    wait_until("the first half", || (server.stat("BytesIn") == 2).then_some(()));
    assert_eq!(server.count(), 0, "half a line is no record");
    peer.write("llo\r");
    wait_until("the second half", || (server.stat("BytesIn") == 6).then_some(()));
    peer.write("\nwor");
    server.wait_count(1);
    peer.write("ld");
    peer.finish();
    server.wait_count(2);
    assert_eq!(server.messages("RECENT 2"), ["hello", "world"]);
}

#[test]
fn a_line_over_the_limit_is_cut_and_the_next_is_whole() {
    let server = start(&["--max-line", "1024"]);
    let (fits, over, far_over) = ("f".repeat(1024), "o".repeat(1025), "v".repeat(300_000));
    let input = format!("{fits}\n{fits}\r\n{over}\nnext\n{over}\r\n{far_over}\n{fits}\n{over}");
    server.send_until(input, 8);
    let cut = |char: &str| char.repeat(1024) + "...";
    let expected = [&fits, &fits, &cut("o"), "next", &cut("o"), &cut("v"), &fits, &cut("o")];
    assert!(server.messages("RECENT 8") == expected, "{:?}", server.messages("RECENT 8"));
    assert_eq!(server.stat("Cut"), 4);
}

#[test]
fn a_line_of_64_kib_is_whole_by_default() {
    let server = start(&[]);
    let (fits, over) = ("f".repeat(64 << 10), "o".repeat((64 << 10) + 1));
    server.send_until(format!("{fits}\n{over}\nnext\n"), 3);
    let messages = server.messages("RECENT 3");
    let seen: Vec<_> = messages.iter().map(|text| (text.len(), &text[text.len() - 4..])).collect();
    assert_eq!(seen, [(64 << 10, "ffff"), ((64 << 10) + 3, "o..."), (4, "next")]);
}

#[test]
fn a_limit_beyond_a_quarter_of_a_block_is_refused_with_the_largest() {
    let dir = temp_dir();
    let refusal = crate::support::setup(&["--max-line", "1M"]).dir(dir.path(), 64).refused();
    assert_eq!(refusal.code, Some(2), "{refusal:?}");
    assert_eq!(refusal.stderr.lines().count(), 1, "{refusal:?}");
    assert!(refusal.stderr.contains("--max-line \"1M\": expected"), "{refusal:?}");
    assert!(refusal.stderr.contains(" to 64K"), "{refusal:?}");
}

#[test]
fn the_level_is_found_and_told() {
    let server = start(&[]);
    let lines = [
        ("2026-11-20 10:00:00 ERROR no such file", "error"),
        ("[error] client denied", "error"),
        ("level=warn msg=slow", "warning"),
        (r#"{"level":"info","msg":"up"}"#, "info"),
        ("<11>Nov 20 10:00:00 host app: x", "error"),
        ("FATAL out of memory", "critical"),
        ("DEBUG x=1", "debug"),
        ("a line that does not say", "unknown"),
    ];
    let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    server.send_until(text, lines.len() as u64);
    for (line, (text, level)) in server.found("QUERY format=json").iter().zip(lines) {
        let object = json::object(line);
        assert_eq!((object["msg"].as_str(), object["level"].as_str()), (text, level));
    }
    assert_eq!(server.messages("QUERY level=error").len(), 3);
    assert_eq!(server.messages("QUERY level=warning"), ["level=warn msg=slow"]);
    assert_eq!(server.messages("QUERY level=WARN"), ["level=warn msg=slow"]);
}

#[test]
fn the_source_is_the_peer_without_its_port() {
    let server = start(&[]);
    server.send_until("from v4\n", 1);
    let object = json::object(&server.found("QUERY format=json")[0]);
    assert_eq!(object["source"], "127.0.0.1");
    assert_eq!(server.messages("QUERY source=127.0.0.1"), ["from v4"]);
    assert!(server.messages("QUERY source=10.9.8.7").is_empty());
}

#[test]
fn both_loopback_addresses_take_lines_and_questions() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // This machine has no IPv6.
    }
    let server = start(&[]);
    let six = |role: &str| {
        wait_until(format!("{role} on [::1]"), || {
            let all = crate::support::listeners(&server.stderr(), role);
            all.into_iter().find(|addr| addr.is_ipv6())
        })
    };
    let mut peer = Peer::to(six("logs"));
    peer.write("from v6\n");
    peer.finish();
    server.wait_count(1);
    let mut peer = Peer::to(six("questions"));
    peer.write("QUERY source=::1 format=json\n");
    let answer = String::from_utf8(peer.finish()).unwrap();
    let line = answer.strip_prefix("FOUND: 1 matches\n").unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(json::object(line.trim_end())["source"], "::1");
}

#[test]
fn a_full_ring_keeps_the_newest() {
    let server = start(&["-s", "1"]);
    let mut sent: Vec<String> = Vec::new();
    for _ in 0..3 {
        let lap = sent.len()..sent.len() + 10_000;
        let lines: Vec<String> = lap.map(|n| format!("line {n:06} {}", "x".repeat(80))).collect();
        server.send(lines.join("\n"));
        sent.extend(lines);
        let kept = server.messages("QUERY");
        assert_eq!(kept, sent[sent.len() - kept.len()..], "the newest, in order, without a hole");
        let bytes = kept.len() * 92;
        assert!((400_000..1 << 20).contains(&bytes), "{bytes} bytes of text in 1 MiB");
    }
    let stats = server.stats();
    let number = |key: &str| stats[key].parse::<u64>().unwrap();
    assert_eq!(number("Total"), 30_000);
    assert_eq!(number("Current") + number("Dropped"), 30_000, "{stats:?}");
    assert_eq!(server.count(), number("Current"));
}

#[test]
fn at_max_logs_the_oldest_stop_being_visible() {
    let server = start(&["--max-logs", "10"]);
    let lines: String = (0..25).map(|n| format!("line {n}\n")).collect();
    server.send_until(&lines[..lines.len() / 2], 10);
    server.send(&lines[lines.len() / 2..]);
    wait_until("all lines", || (server.stat("Total") >= 25).then_some(()));
    let newest = server.messages("RECENT 100");
    assert_eq!(newest.len(), 10);
    assert_eq!(newest[9], "line 24");
    assert_eq!(newest[0..9], lines.lines().collect::<Vec<_>>()[15..24]);
    assert_eq!(server.count(), 10);
    let stats = server.stats();
    assert_eq!(stats["Current"], "10");
    assert_eq!(server.messages("SEARCH line"), newest);
}

#[test]
fn at_max_age_the_oldest_stop_being_visible() {
    let server = start(&["--max-age", "500ms"]);
    server.send("old\n");
    wait_until("the old one to go", || (server.count() == 0).then_some(()));
    server.send("new\n");
    assert_eq!(server.messages("RECENT 5"), ["new"]);
    wait_until("the new one to go", || (server.count() == 0).then_some(()));
    assert!(server.messages("SEARCH n").is_empty());
}

#[test]
fn an_idle_client_is_closed_where_that_is_asked_for() {
    let server = start(&["--idle-timeout", "300ms"]);
    let mut idle = server.log_peer();
    idle.write("half a li");
    idle.rest();
    server.wait_count(1);
    assert_eq!(server.messages("RECENT 1"), ["half a li"], "its last piece is a record");
}

#[test]
fn lines_of_many_connections_never_mix() {
    let server = start(&[]);
    let mut peers: Vec<Peer> = (0..50).map(|_| server.log_peer()).collect();
    for round in 0..20 {
        for (place, peer) in peers.iter_mut().enumerate() {
            // The cut between two writes falls into the middle of a line.
            peer.write(format!(
                "{} tail\npeer {place} round {round}",
                if round > 0 { "" } else { "-" }
            ));
        }
    }
    for mut peer in peers {
        peer.write(" tail");
        peer.finish();
    }
    server.wait_count(50 * 21);
    let all = server.messages("SEARCH tail");
    for place in 0..50 {
        let head = format!("peer {place} round ");
        let rounds: Vec<_> = all.iter().filter_map(|line| line.strip_prefix(&head)).collect();
        let expected: Vec<_> = (0..20).map(|round| format!("{round} tail")).collect();
        assert_eq!(rounds, expected, "peer {place}");
    }
}

/// The bytes of each real log go in and come out, in pieces that are not aligned to lines.
#[track_caller]
fn round_trip(server: &Server, name: &str, log: &[u8]) {
    let records = records_of(log);
    assert_eq!(server.ask("CLEAR").split(' ').next(), Some("OK:"));
    let mut peer = server.log_peer();
    for piece in log.chunks(6_400) {
        peer.write(piece);
    }
    peer.finish();
    server.wait_count(records.len() as u64);
    assert!(server.raw() == joined(&records), "{name} came out otherwise than it went in");
    let newest = server.ask_bytes("RECENT 1");
    assert!(newest.ends_with(&joined(&records[records.len() - 1..])), "{name}");
}

#[test]
fn the_real_logs_come_out_as_they_went_in() {
    let server = start(&[]);
    for (name, log) in real_logs() {
        round_trip(&server, &name, &log);
    }
}

#[test]
fn the_real_logs_come_out_as_they_went_in_after_a_restart() {
    let dir = temp_dir();
    let mut expected = Vec::new();
    let server = start_in(dir.path(), 8, &[]);
    for log in real_logs().values() {
        server.send(log);
        expected.extend(joined(&records_of(log)));
    }
    assert!(server.raw() == expected, "before the restart");
    server.stop();
    let server = start_in(dir.path(), 8, &[]);
    assert!(server.raw() == expected, "after the restart");
}

#[test]
fn a_peer_that_vanishes_costs_nobody_a_line() {
    let server = start(&[]);
    for round in 0..20 {
        let mut peer = server.log_peer();
        peer.write(format!("whole {round}\nhalf"));
        // Both directions end at once; the server may see it as a reset.
        let _ = peer.stream().shutdown(std::net::Shutdown::Both);
    }
    wait_until("twenty whole lines", || {
        (server.messages("SEARCH whole").len() == 20).then_some(())
    });
    wait_until("no client", || (server.stat("Clients") == 0).then_some(()));
}
