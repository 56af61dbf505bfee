//! Log lines over HTTP: how bodies are coded, what is stored, what is promised of it, and what is
//! refused as a whole.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{setup, start_in, temp_dir, wait_until};
use crate::web::{Web, chunked, deflate, gzip, request, snappy, start_web, zlib, zstd};

const RAW: &str = "POST /insert/raw HTTP/1.1";
const JSON_LINES: &str = "POST /insert/jsonline HTTP/1.1";

fn numbered(count: usize) -> String {
    (0..count).map(|n| format!("line {n:06}\n")).collect()
}

/// Coded as each coding that is taken, with its name.
fn coded(text: &[u8]) -> [(&'static str, Vec<u8>); 7] {
    [
        ("identity", text.to_vec()),
        ("gzip", gzip(text)),
        ("x-gzip", gzip(text)),
        ("deflate", zlib(text)),
        ("deflate", deflate(text)),
        ("zstd", zstd(text)),
        ("snappy", snappy(text)),
    ]
}

#[test]
fn a_body_is_taken_in_every_coding_and_framing() {
    let server = start_web();
    let mut web = server.web();
    let text = numbered(20_000);
    for (coding, body) in coded(text.as_bytes()) {
        let head = format!("{RAW}\nContent-Encoding: {coding}");
        for bytes in
            [request(&head, &body), chunked(&head, &body, 1 << 20), chunked(&head, &body, 4_093)]
        {
            assert!(server.ask("CLEAR").starts_with("OK"));
            web.write(bytes);
            web.answer().is(204);
            let expected: Vec<&str> = text.lines().collect();
            assert!(server.messages("QUERY") == expected, "{coding}");
        }
    }
    // Chunks of a byte each, with extensions and trailers that mean nothing.
    assert!(server.ask("CLEAR").starts_with("OK"));
    let body = chunked(RAW, &[b'x'; 300], 1);
    web.write(String::from_utf8(body).unwrap().replace("\n1\r", "\n1;a=\"b\"\r"));
    web.answer().is(204);
    let head = format!("{RAW}\nTransfer-Encoding: chunked\nTrailer: X-Sum");
    let head = String::from_utf8(request(&head, b"")).unwrap().replace("Content-Length: 0\r\n", "");
    web.write(format!("{head}2\r\ny\n\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n"));
    web.answer().is(204);
    assert_eq!(server.messages("QUERY"), ["x".repeat(300), "y".to_owned()]);
}

#[test]
fn a_coded_body_that_is_not_whole_or_not_true_is_refused() {
    let server = start_web();
    let text = numbered(20_000);
    for (coding, body) in &coded(text.as_bytes())[1..] {
        let head = format!("{RAW}\nContent-Encoding: {coding}");
        let refused = |body: &[u8]| {
            let mut web = server.web();
            let answer = web.ask(&head, body).is(400);
            assert!(answer.text().contains("content coding"), "{coding}: {}", answer.text());
            assert!(web.is_closed(), "what comes next is not certain");
        };
        refused(&body[..body.len() / 2]);
        refused(text.as_bytes());
    }
    for coding in ["br", "gzip, gzip", "compress", "x"] {
        let head = format!("{RAW}\nContent-Encoding: {coding}");
        let answer = server.web().ask(&head, b"x").is(415);
        assert!(answer.text().contains("gzip"), "{}", answer.text());
    }
    // 64 MiB of nothing, in 64 KiB.
    let bomb = gzip(&vec![b'\n'; 64 << 20]);
    let before = server.stat("RssBytes");
    let mut web = server.web();
    web.ask(&format!("{RAW}\nContent-Encoding: gzip"), &bomb).is(413);
    assert!(server.stat("RssBytes") < before + (16 << 20));
}

#[test]
fn raw_lines_have_the_labels_of_their_address() {
    let server = start_web();
    let lines = "one\r\n\r\n<11>Nov 21 10:00:00 edge api[7]: two\nthree";
    server.post("/insert/raw?app=shop+a&host=h%31&env=prod&x=", lines).is(204);
    let all = server.get("/api/query").is(200).lines();
    assert_eq!(all.len(), 3, "{all:?}");
    let (one, two) = (&all[0], &all[1]);
    let labels =
        ["_msg", "app", "host", "env", "transport"].map(|name| one[name].as_str().unwrap());
    assert_eq!(labels, ["one", "shop a", "h1", "prod", "http"]);
    assert_eq!((two["_msg"].as_str(), two["level"].as_str()), (Some("two"), Some("error")));
    assert_eq!(two["env"], "prod");
    assert_eq!(all[2]["_msg"], "three");
    // Whoever says nothing is an address.
    server.post("/insert/raw", "four\n").is(204);
    assert_eq!(server.get("/api/query?q=four").lines()[0]["host"], "127.0.0.1");
}

#[test]
fn too_many_lines_are_refused_before_any_is_stored() {
    let server = setup(&["--rate-limit", "10:100"]).http().start();
    // What is taken is taken as a whole, and paid back later.
    server.post("/insert/raw", numbered(300)).is(204);
    for target in ["/insert/raw", "/loki/api/v1/push", "/_bulk", "/v1/logs", "/insert/jsonline"] {
        let mut web = server.web();
        let answer = web.post(target, "x\n").is(429);
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3600).contains(&seconds), "{seconds}");
        assert!(!answer.body.is_empty(), "{target}");
        // The connection is as good as before.
        web.get("/health/live").is(200);
    }
    assert_eq!(server.count(), 300);
    assert_eq!(server.metrics()["logcaster_dropped_total{reason=\"throttled\"}"], 5.0);
}

#[test]
fn what_was_said_to_be_on_disk_is_there_after_a_kill() {
    let dir = temp_dir();
    let mut stored = 0;
    for life in 0..10 {
        let server = setup(&["--sync", "always"]).dir(dir.path(), 4).http().start();
        assert_eq!(server.count(), stored, "life {life}");
        // Several at once wait for one sync.
        let mut peers: Vec<Web> = (0..4).map(|_| server.web()).collect();
        for web in &mut peers {
            web.write(request(RAW, numbered(50).as_bytes()));
        }
        for web in &mut peers {
            assert_eq!(web.answer().is(204).header("x-logcaster-ack"), Some("disk"));
        }
        server.kill();
        stored += 200;
    }
    let server = setup(&["--sync", "always"]).dir(dir.path(), 4).http().start();
    assert_eq!(server.count(), stored);
    // Without anything to wait for nothing is promised.
    let nothing = server.post("/insert/raw", "").is(204);
    assert_eq!(nothing.header("x-logcaster-ack"), Some("memory"));
    drop(server);
    let server = setup(&["--sync", "interval"]).dir(dir.path(), 4).http().start();
    let answer = server.post("/insert/raw", "x\n").is(204);
    assert_eq!(answer.header("x-logcaster-ack"), Some("memory"));
}

#[test]
fn a_slow_disk_makes_uploads_wait_and_loses_nothing() {
    let dir = temp_dir();
    let server = setup(&["--dirty-max", "256K"]).dir(dir.path(), 4).http().start();
    let text = numbered(30_000);
    let mut peers: Vec<Web> = (0..3).map(|_| server.web()).collect();
    std::thread::scope(|scope| {
        for web in &mut peers {
            scope.spawn(|| web.ask(RAW, text.as_bytes()).is(204));
        }
    });
    assert_eq!(server.stat("Total"), 90_000);
    assert!(server.stat("WaitsDirty") > 0, "{:?}", server.stats());
}

#[test]
fn half_sent_uploads_stay_within_the_memory_budget() {
    let server = setup(&["--memory", "1M"]).http().start();
    let before = server.stat("RssBytes");
    let part = |place: usize| format!("{{\"_msg\":\"<{place:03}>{}", "x".repeat(60 << 10));
    let mut peers: Vec<Web> = (0..100).map(|_| server.web()).collect();
    for (place, web) in peers.iter_mut().enumerate() {
        let target = ["/insert/raw", "/insert/jsonline", "/loki/api/v1/push"][place % 3];
        let kind = "Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
        web.write(format!("POST {target} HTTP/1.1\r\n{kind}\r\n\r\n"));
        let part = part(place);
        web.write(format!("{:x}\r\n{part}\r\n", part.len()));
    }
    // But for what the last of them brings at once.
    let held_max = (1 << 20) + (128 << 10);
    wait_until("some that find no room", || {
        assert!(server.stat("HeldBytes") <= held_max, "{:?}", server.stats());
        let received = server.metrics()["logcaster_http_received_bytes_total"];
        (received >= f64::from(100 * (60 << 10))).then_some(())
    });
    let rss = server.stat("RssBytes");
    assert!(rss < before + (8 << 20), "{before} before, {rss} now");
    assert!(server.stat("HeldBytes") <= held_max, "{:?}", server.stats());
    for web in &mut peers {
        web.write("3\r\n\"}\n\r\n0\r\n\r\n");
    }
    // None of them was too large: it may come again.
    let statuses: Vec<u16> = peers.iter_mut().map(|web| web.answer().status).collect();
    assert!(!statuses.contains(&413), "{statuses:?}");
    drop(peers);
    wait_until("what was held is let go", || (server.stat("HeldBytes") == 0).then_some(()));
    server.post("/insert/raw", "and on\n").is(204);
}

#[test]
fn an_object_without_end_is_refused() {
    let server = start_web();
    let endless = format!("{{\"_msg\":\"{}", numbered(200_000).replace('\n', " "));
    for (coding, body) in coded(endless.as_bytes()) {
        let head = format!("{JSON_LINES}\nContent-Encoding: {coding}");
        // As any line that is bad: the others are stored, and memory holds no more of it.
        let answer = server.web().ask(&head, &body).is(400);
        assert!(answer.text().contains("exceeds"), "{coding}: {}", answer.text());
    }
    server.post("/insert/jsonline", format!("{endless}\n{{\"_msg\":\"next\"}}")).is(200);
    assert_eq!(server.messages("SEARCH next").len(), 1);
    assert_eq!(server.count(), 1);
    // A plain line is cut, as everywhere.
    server.post("/insert/raw", vec![b'x'; 3 << 20]).is(204);
    assert_eq!(server.count(), 2);
}

#[test]
fn an_upload_under_way_is_finished_when_the_server_stops() {
    let dir = temp_dir();
    let server = setup(&["--sync", "always"]).dir(dir.path(), 4).http().start();
    let mut web = server.web();
    let text = numbered(1_000);
    let (head, tail) = text.split_at(text.len() / 2);
    web.write(format!("{RAW}\r\nHost: x\r\nContent-Length: {}\r\n\r\n{head}", text.len()));
    let mut idle = server.web();
    idle.get("/health/live").is(200);
    let mut endless = server.web();
    endless.write(format!("{RAW}\r\nHost: x\r\nContent-Length: 100\r\n\r\na line\nhalf a li"));
    wait_until("half of it", || (server.stat("Total") > 400).then_some(()));
    server.signal(Signal::SIGTERM);
    server.wait_stderr("stopping");
    assert!(idle.is_closed(), "it has nothing to wait for");
    web.write(tail);
    assert_eq!(web.answer().is(204).header("x-logcaster-ack"), Some("disk"));
    assert!(web.is_closed(), "it is not kept for another request");
    let exit = server.exit_within(Duration::from_secs(20)).expect("it ends");
    assert_eq!(exit.code(), Some(0), "{}", server.stderr());
    let server = start_in(dir.path(), 4, &[]);
    assert_eq!(server.messages("QUERY regex=^line").len(), 1_000);
    assert_eq!(server.messages("SEARCH a line"), ["a line"]);
    assert_eq!(server.count(), 1_001, "half a line is none");
}
