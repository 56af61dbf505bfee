//! What is done about senders: limits, folding, joining, proxies, compression, refusals.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::json;
use crate::support::{Server, start, start_in, temp_dir, wait_until};
use crate::web::gzip;

/// What a `suppressed N lines from SOURCE (POOL) in Ts` says.
fn suppressed(text: &str) -> (u64, String) {
    let (lines, rest) =
        text.strip_prefix("suppressed ").unwrap().split_once(" lines from ").unwrap();
    let (whose, seconds) = rest.rsplit_once(" in ").unwrap();
    assert!(seconds.strip_suffix('s').unwrap().parse::<u64>().unwrap() >= 1, "{text}");
    (lines.parse().unwrap(), whose.to_owned())
}

/// How many lines the records of logcaster's own say were held back, all of `whose`.
#[track_caller]
fn told(server: &Server, whose: &str) -> u64 {
    let reports = server.messages("SEARCH suppressed");
    let each = reports.iter().map(|text| {
        let (lines, from) = suppressed(text);
        assert_eq!(from, whose);
        lines
    });
    each.sum()
}

#[test]
fn a_flood_of_debug_leaves_errors_alone_and_is_told() {
    const SENT: u64 = 20_000;
    let server = start(&["--rate-limit", "100"]);
    let mut lines = String::new();
    for number in 0..SENT {
        lines.push_str(&format!("DEBUG flood {number}\n"));
        if number % 400 == 0 {
            lines.push_str(&format!("ERROR disk {number}\n"));
        }
    }
    assert_eq!(server.send(&lines), b"");
    let errors: Vec<String> = (0..SENT).step_by(400).map(|at| format!("ERROR disk {at}")).collect();
    assert_eq!(server.messages("SEARCH ERROR"), errors, "every one, in order");
    let began = Instant::now();
    let stored = server.messages("SEARCH DEBUG").len() as u64;
    assert!((100..SENT / 4).contains(&stored), "{stored} of {SENT}");
    let first = wait_until("a first report", || {
        let lines = told(&server, "127.0.0.1 (debug)");
        (lines > 0).then_some(lines)
    });
    assert!(began.elapsed() < Duration::from_secs(5), "told after {:?}", began.elapsed());
    println!("{stored} stored, {first} told first, after {:?}", began.elapsed());
    wait_until("all of it told", || {
        (told(&server, "127.0.0.1 (debug)") + stored == SENT).then_some(())
    });
    assert_eq!(server.stat("Suppressed") + stored, SENT);
    let report = server.found("QUERY keyword=suppressed format=json");
    let report = json::object(&report[0]);
    assert_eq!((&report["level"][..], &report["labels.app"][..]), ("warning", "logcaster"));
}

#[test]
fn other_senders_of_the_same_address_are_not_held_back() {
    let server = start(&["--rate-limit", "1:10", "--syslog", "udp://127.0.0.1:0"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.syslog("udp")).unwrap();
    for number in 0..50 {
        socket.send(format!("<14>Nov 20 09:59:58 box noisy: {number}").as_bytes()).unwrap();
        if number % 10 == 0 {
            socket.send(format!("<14>Nov 20 09:59:58 box calm: {number}").as_bytes()).unwrap();
        }
    }
    wait_until("all received", || (server.stat("Datagrams") == 55).then_some(()));
    assert_eq!(server.messages("QUERY app=calm").len(), 5);
    let noisy = server.messages("QUERY app=noisy").len() as u64;
    assert!((10..20).contains(&noisy), "{noisy}");
    wait_until("what was held back", || (told(&server, "box (info)") + noisy == 50).then_some(()));
}

#[test]
fn equal_lines_are_folded_until_another_comes_or_the_sender_goes() {
    let server = start(&["--dedupe"]);
    server.send(format!("{}y\n{}", "x\n".repeat(5), "z\n".repeat(3)));
    let expected = ["x", "last line repeated 4 times", "y", "z", "last line repeated 2 times"];
    assert_eq!(server.messages("QUERY"), expected);
    assert_eq!((server.stat("Folded"), server.stat("Lines")), (6, 5));
    // Of a message what it says is compared, for its time differs.
    let messages: String =
        (10..15).map(|at| format!("<14>Nov 20 09:59:{at} box app: same\n")).collect();
    server.send(messages);
    let found = server.messages("QUERY app=app");
    assert_eq!(found, ["<14>Nov 20 09:59:10 box app: same", "last line repeated 4 times"]);
}

#[test]
fn what_was_folded_is_told_at_the_end() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 4, &["--dedupe"]);
    let mut peer = server.log_peer();
    peer.write("x\n".repeat(5));
    wait_until("all of it", || (server.stat("Folded") == 4).then_some(()));
    assert_eq!(server.messages("QUERY"), ["x"]);
    server.stop();
    let server = start_in(dir.path(), 4, &[]);
    assert_eq!(server.messages("QUERY"), ["x", "last line repeated 4 times"]);
}

const TRACE: &str = "2026-11-20 ERROR x\n  at a.b(C.java:1)\n\tat d.e(F.java:2)\n";
const TRACE_SHOWN: &str = r"2026-11-20 ERROR x\n  at a.b(C.java:1)\n\tat d.e(F.java:2)";

#[test]
fn a_stack_trace_is_one_record() {
    let server = start(&["--multiline", r"^\d"]);
    server.send(format!("{TRACE}2026-11-20 INFO y\n{TRACE}"));
    let shown = server.messages("QUERY");
    assert_eq!(shown.len(), 3);
    assert_eq!(shown[0].replace('\t', "\\t"), TRACE_SHOWN);
    assert_eq!(shown[1], "2026-11-20 INFO y");
    assert_eq!(shown[2], shown[0], "the last is whole at the close");
    assert_eq!(server.raw(), format!("{TRACE}2026-11-20 INFO y\n{TRACE}").as_bytes());
    assert_eq!(server.messages("SEARCH F.java").len(), 2, "found by any of its lines");
    assert_eq!(server.stat("Joined"), 4);
}

#[test]
fn a_record_of_several_lines_is_whole_a_second_after_its_last() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 4, &["--multiline", r"^\d", "--idle-timeout", "60s"]);
    let mut peer = server.log_peer();
    peer.write(TRACE);
    let began = Instant::now();
    server.wait_count(1);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // What comes later stands for itself; what is pending at a stop is stored.
    peer.write("  at g.h(I.java:3)\n2026-11-20 INFO y\n  at last");
    server.wait_count(2);
    server.stop();
    let server = start_in(dir.path(), 4, &[]);
    let expected = format!("{TRACE}  at g.h(I.java:3)\n2026-11-20 INFO y\n  at last\n");
    assert_eq!(String::from_utf8(server.raw()).unwrap(), expected);
    assert_eq!(server.count(), 3);
}

#[test]
fn who_is_behind_a_proxy_is_the_source() {
    let server = start(&["--proxy-from", "127.0.0.0/8"]);
    server.send("PROXY TCP4 192.0.2.7 10.0.0.1 56324 9999\r\nfrom v1\n");
    let v2 =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\x0a\0\0\x01\xdc\x04\x02\x02from v2\n";
    server.send(v2);
    server.send("PROXY UNKNOWN\r\nfrom the proxy itself\n");
    assert_eq!(server.messages("QUERY source=192.0.2.7"), ["from v1"]);
    assert_eq!(server.messages("QUERY host=192.0.2.9"), ["from v2"]);
    assert_eq!(server.messages("QUERY source=127.0.0.1"), ["from the proxy itself"]);
    let said = String::from_utf8(server.send("no header\n")).unwrap();
    assert!(said.starts_with("ERROR: no PROXY header"), "{said:?}");
    let said = String::from_utf8(server.send("PROXY TCP4 what\r\nx\n")).unwrap();
    assert!(said.starts_with("ERROR: proxy header"), "{said:?}");
    assert_eq!(server.send(""), b"", "a balancer's look");
    assert_eq!((server.count(), server.stat("ProxyErrors")), (3, 2));
}

#[test]
fn a_gzip_file_is_stored_line_by_line() {
    let server = start(&["-s", "64"]);
    let line = |at: u32| format!("line {at} {}\n", at.wrapping_mul(2_654_435_761) >> 8);
    let text: String = (0..100_000).map(line).collect();
    let (one, two) = text.as_bytes().split_at(text.len() / 3);
    assert_eq!(server.send([gzip(one), gzip(two)].concat()), b"");
    assert!(server.raw() == text.as_bytes(), "{} records", server.count());
    // What came before a broken place is there, and the sender is told.
    server.ask("CLEAR");
    let said = server.send([gzip(b"good\nlast piece"), b"no gzip any more".to_vec()].concat());
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("ERROR: gzip: no gzip member"), "{said:?}");
    assert_eq!(server.messages("QUERY"), ["good", "last piece"]);
    let said = String::from_utf8(server.send(gzip(&vec![b' '; 8 << 20]))).unwrap();
    assert!(said.starts_with("ERROR: gzip: ") && said.contains("100:1"), "{said:?}");
    assert_eq!(server.stat("InflateErrors"), 2);
}

#[test]
fn what_is_no_text_gets_one_line_and_is_counted() {
    let server = start(&[]);
    let kinds: [(&[u8], &str); 7] = [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "an HTTP request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
        (b"\x00\x00\x00\x10\x80\x04\x95\x05\n", "a Python pickle"),
        (b"x\x9c\x03\x00\n", "a zlib stream"),
        (b"\x82\xa3tag\xa1x\xa4time\xce\x00\x00\x00\x01\n", "MessagePack"),
        (b"\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06\x00\n\x00\x00\x00\x00", "binary data"),
    ];
    for (bytes, name) in kinds {
        let said = String::from_utf8(server.send(bytes)).unwrap();
        let head = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n";
        let said = said.strip_prefix(if name.ends_with("request") { head } else { "" });
        let expected = format!("ERROR: this is {name} (allowed: log lines)\n");
        assert_eq!(said, Some(&expected[..]));
    }
    assert_eq!(server.count(), 0);
    assert_eq!(server.stat("Foreign"), kinds.len() as u64);
    wait_until("nobody connected", || (server.stat("Clients") == 0).then_some(()));
    assert_eq!(server.stat("HeldBytes"), 0);
    // What only resembles it is a line.
    server.send("GET /x 200 5 ms\n");
    assert_eq!(server.messages("QUERY"), ["GET /x 200 5 ms"]);
}

#[test]
fn a_refused_sender_does_not_disturb_others() {
    let server = start(&[]);
    let mut other = server.log_peer();
    other.write("be");
    let mut foreign = server.log_peer();
    foreign.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    // It goes on sending; it still reads why it is refused, and then that all is over.
    foreign.write(vec![b'x'; 100_000]);
    assert_eq!(foreign.line().unwrap(), "ERROR: this is TLS (allowed: log lines)");
    let mut rest = Vec::new();
    let _reset_is_fine = foreign.stream().read_to_end(&mut rest);
    assert_eq!(rest, b"");
    other.write("gun\n");
    server.wait_count(1);
    assert_eq!(server.messages("QUERY"), ["begun"]);
}

#[test]
fn framing_is_what_was_asked_for() {
    let input: &[u8] = b"<14>a\nb\x0022 <14>counted\nand whole 5 <1>xy\n\0end";
    let cases: [(&str, &[&str]); 4] = [
        ("lf", &["<14>a", "b", "22 <14>counted", "and whole 5 <1>xy", "end"]),
        ("octet", &["<14>a", "b", r"<14>counted\nand whole ", "<1>xy", "end"]),
        ("nul", &[r"<14>a\nb", r"22 <14>counted\nand whole 5 <1>xy", "end"]),
        ("auto", &["<14>a", "b", r"<14>counted\nand whole ", "<1>xy", "end"]),
    ];
    for (framing, expected) in cases {
        let server = start(&["--framing", framing]);
        server.send(input);
        assert_eq!(server.messages("QUERY"), expected, "{framing}");
    }
    // The port's framing is not that of listeners for syslog, which have their own.
    let server = start(&["--framing", "lf", "--syslog", "127.0.0.1:0,framing=nul"]);
    let mut peer = crate::peer::Peer::to(server.syslog("tcp"));
    peer.write(b"one\ntwo\0");
    peer.finish();
    assert_eq!(server.messages("QUERY"), [r"one\ntwo"]);
}

#[test]
fn limits_are_reloaded() {
    let dir = temp_dir();
    let file = dir.path().join("logcaster.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("");
    let server = start(&["--config", file.to_str().unwrap()]);
    let reloads = |count: usize| {
        server.signal(Signal::SIGHUP);
        wait_until(format!("reload {count}"), || {
            (server.stderr().matches("reloaded").count() == count).then_some(())
        });
    };
    let lines = "INFO a\n".repeat(50);
    server.send(&lines);
    assert_eq!(server.count(), 50);
    write("rate-limit = \"1:10\"\ndedupe = true\n");
    reloads(1);
    server.send((0..50).map(|at| format!("INFO b {at}\n")).collect::<String>());
    let stored = server.messages("SEARCH INFO").len();
    assert!((60..70).contains(&stored), "{stored}");
    server.send("ERROR c\n".repeat(4));
    write("multiline = \"^D\"\n");
    reloads(2);
    server.send(&lines);
    server.send("D one\ntwo\n");
    let messages = server.messages("QUERY");
    let last = messages.iter().rposition(|text| text.starts_with("ERROR")).unwrap();
    assert_eq!(messages[last + 1], "last line repeated 3 times");
    assert_eq!(messages.iter().filter(|text| *text == "INFO a").count(), 100);
    assert_eq!(messages.last().unwrap(), r"D one\ntwo");
}

#[test]
fn levels_and_transports_add_up_to_all_lines() {
    let dir = temp_dir();
    let path = dir.path().join("log");
    let unix = format!("stream:{}", path.to_str().unwrap());
    let args = ["--syslog", "udp://127.0.0.1:0", "--unix", &unix, "--dedupe"];
    let server = start(&args);
    server.send("ERROR a\nERROR b\nINFO c\nplain\n<11>Nov 20 09:59:58 box app: d\n");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.syslog("udp")).unwrap();
    for text in ["<8>emergency", "WARN two\nDEBUG three", "CRITICAL"] {
        socket.send(text.as_bytes()).unwrap();
    }
    server.wait_count(9);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(b"NOTICE x\nNOTICE x\n").unwrap();
    drop(stream);
    server.wait_count(11);
    let stats = server.stats();
    let stat = |name: &str| stats[name].parse::<u64>().unwrap();
    let sum = |prefix: &str| -> u64 {
        stats.keys().filter(|key| key.starts_with(prefix)).map(|key| stat(key)).sum()
    };
    assert_eq!((stat("Lines"), sum("Level."), sum("Transport.")), (11, 11, 11));
    let levels =
        ["error", "info", "unknown", "emergency", "warning", "debug", "critical", "notice"]
            .map(|level| stat(&format!("Level.{level}")));
    assert_eq!(levels, [3, 1, 1, 1, 1, 1, 1, 2]);
    let transports = ["tcp", "udp", "unix", "own"].map(|name| stat(&format!("Transport.{name}")));
    assert_eq!(transports, [5, 4, 2, 0], "what is told of a stream came as the stream did");
}

#[test]
fn compressed_senders_and_floods_leave_questions_alone() {
    let server = start(&["-s", "64"]);
    let line = |at: u32| format!("line {at} {}\n", at.wrapping_mul(2_654_435_761) >> 8);
    let file = gzip((0..300_000).map(line).collect::<String>().as_bytes());
    let mut peers: Vec<_> = (0..4).map(|_| server.log_peer()).collect();
    for chunk in file.chunks(256 << 10) {
        for peer in &mut peers {
            peer.write(chunk);
        }
        assert!(server.ask("PING").starts_with("PONG"));
    }
    for peer in peers {
        assert_eq!(peer.finish(), b"");
    }
    assert_eq!(server.stat("Lines"), 4 * 300_000);
}
