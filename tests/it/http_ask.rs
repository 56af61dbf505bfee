//! Questions over HTTP while lines come in: pages without gap, tails that resume, limits that are
//! told, and what the server says of itself.

use serde_json::Value;

use crate::support::{Server, setup, wait_until};
use crate::web::{Web, request, start_web};

fn numbered(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("line {n:06}\n")).collect()
}

fn seq(line: &Value) -> u64 {
    line["seq"].as_u64().expect("a number")
}

#[test]
fn pages_have_no_gap_and_no_repeat_while_lines_come_in() {
    let server = start_web();
    let total = 20_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for from in (0..total).step_by(100) {
                server.send(numbered(from, from + 100));
            }
        });
        let (mut web, mut after, mut seen) = (server.web(), None, Vec::new());
        wait_until("every line", || {
            let after_it = after.map(|after| format!("&after={after}")).unwrap_or_default();
            let page = web.get(&format!("/api/query?limit=137{after_it}")).is(200).lines();
            assert!(page.len() <= 137);
            for line in &page {
                assert!(after.is_none_or(|after| seq(line) > after));
                after = Some(seq(line));
                seen.push(line["_msg"].as_str().unwrap().to_owned());
            }
            (seen.len() >= total).then_some(())
        });
        let expected = numbered(0, total);
        assert!(seen.iter().eq(expected.lines()), "{} lines", seen.len());
    });
    // The other way round.
    let (mut web, mut before, mut seen) = (server.web(), None::<u64>, Vec::new());
    loop {
        let before_it = before.map(|before| format!("&before={before}")).unwrap_or_default();
        let target = format!("/api/query?order=desc&limit=999{before_it}&q=line");
        let page = web.get(&target).is(200).lines();
        let Some(last) = page.last() else { break };
        before = Some(seq(last));
        seen.extend(page.iter().map(seq));
    }
    assert_eq!(seen.len(), total);
    assert!(seen.is_sorted_by(|a, b| a > b));
}

#[test]
fn questions_are_the_same_in_the_address_and_in_a_form() {
    let server = start_web();
    let lines = "ERROR refused a=1\nwarning: slow\nINFO refused b=2\nplain\n";
    server.post("/insert/raw?app=api", lines).is(204);
    let mut web = server.web();
    let cases = [
        ("q=refused", 2),
        ("q=refused+-b", 1),
        ("level%3E=warning", 2),
        ("level>=warning&keyword=slow", 1),
        ("app=api&limit=3", 3),
        ("app=other", 0),
        ("regex=%5Ep", 1),
        ("", 4),
        ("_=17", 4),
    ];
    for (question, count) in cases {
        let get = web.get(&format!("/api/query?{question}")).is(200);
        assert_eq!(get.lines().len(), count, "{question}");
        for kind in ["", "\nContent-Type: application/x-www-form-urlencoded; charset=utf-8"] {
            let head = format!("POST /api/query HTTP/1.1{kind}");
            assert_eq!(web.ask(&head, question.as_bytes()).is(200).body, get.body, "{question}");
        }
    }
    assert_eq!(web.post("/api/query?q=refused", "limit=1").is(200).lines().len(), 1);
    let hits = web.get("/api/hits?q=refused&buckets=10").is(200).json();
    assert_eq!(hits["total"], 2);
    let labels = web.get("/api/labels/app").is(200).json();
    assert_eq!(
        (&labels["values"][0]["value"], &labels["values"][0]["count"]),
        (&"api".into(), &4.into())
    );
    let levels = web.get("/api/stats?by=level").is(200).json();
    assert_eq!(levels["values"].as_array().unwrap().len(), 4);
}

#[test]
fn a_question_that_makes_no_sense_is_refused_with_what_is_allowed() {
    let server = start_web();
    let mut web = server.web();
    for (target, word) in [
        ("/api/query?limit=x", "limit"),
        ("/api/query?limit=0", "limit"),
        ("/api/query?limit=1000001", "1000000"),
        ("/api/query?keywrd=x", "keywrd"),
        ("/api/query?regex=(", "regex"),
        ("/api/query?since=tomorrowish", "tomorrowish"),
        ("/api/query?after=99999999999999999999", "after"),
        ("/api/query?after=18446744073709551615", "after"),
        ("/api/query?timeout=0", "timeout"),
        ("/api/query?format=xml", "format"),
        ("/api/query?q=a&q=b", "q"),
        ("/api/tail?format=csv", "format"),
        ("/api/hits?step=0s", "step"),
        ("/api/hits?buckets=1001", "1000"),
        ("/api/stats?by=colour", "level"),
        ("/api/labels?limit=1", "limit"),
    ] {
        let error = web.get(target).is(400).json();
        assert!(error["error"].as_str().unwrap().contains(word), "{target}: {error}");
    }
    let head = "GET /api/tail HTTP/1.1\nLast-Event-ID: x";
    assert!(web.ask(head, b"").is(400).text().contains("Last-Event-ID"));
    let head = "POST /api/query HTTP/1.1\nContent-Type: application/json";
    web.ask(head, b"{}").is(415);
    assert!(web.is_closed());
}

#[test]
fn parameters_without_end_are_refused() {
    let server = start_web();
    for bytes in [(64 << 10) + 1, 4 << 20] {
        let mut web = server.web();
        web.post("/api/query", vec![b'q'; bytes]).is(413);
        assert!(web.is_closed());
    }
    wait_until("what was held is let go", || (server.stat("HeldBytes") == 0).then_some(()));
}

/// Lines of about 200 bytes each, in a ring that holds them.
fn with_lines(count: usize) -> Server {
    let server = setup(&["-s", "128"]).http().start();
    let filler = "x".repeat(180);
    let lines: String = (0..count).map(|n| format!("line {n:06} {filler}\n")).collect();
    server.send_until(lines, count as u64);
    server
}

#[test]
fn an_answer_that_takes_too_long_says_so() {
    let server = with_lines(200_000);
    let mut web = server.web();
    let slow = "/api/query?regex=(a%7Cb)*y%24&timeout=1";
    let error = web.get(slow).is(504).json();
    assert!(error["error"].as_str().unwrap().contains("longer than 1 ms"), "{error}");
    // The connection is as good as before.
    web.get("/health/live").is(200);
    // Of an answer that has begun the end is missing, and says why.
    let mut web = server.web();
    web.write(request("GET /api/query?limit=1000000&timeout=200ms HTTP/1.1", b""));
    assert_eq!(web.head().status, 200);
    wait_until("a client that takes nothing", || (server.stat("OutboxFull") > 0).then_some(()));
    // By the server's own clock, which began the answer before it sent the head.
    let uptime = || server.metrics()["logcaster_uptime_seconds"];
    let begun = uptime();
    wait_until("its time to be over", || (uptime() > begun + 0.25).then_some(()));
    let rest = String::from_utf8(web.rest()).unwrap();
    assert!(!rest.ends_with("\r\n0\r\n\r\n"), "it looks complete");
    let error = "{\"error\":\"the answer took longer than 200 ms\"}\n\r\n";
    assert!(rest.ends_with(error), "{:?}", &rest[rest.len() - 200..]);
    assert_eq!(server.metrics()["logcaster_cursors{kind=\"query\"}"], 0.0);
}

#[test]
fn a_query_ends_when_its_client_goes() {
    let server = with_lines(100_000);
    for _ in 0..20 {
        let mut web = server.web();
        web.write(request("GET /api/query?limit=1000000 HTTP/1.1", b""));
        assert_eq!(web.head().status, 200);
    }
    wait_until("their end", || {
        let now = server.metrics();
        let active = now["logcaster_connections_by_role{role=\"http\"}"];
        (now["logcaster_cursors{kind=\"query\"}"] == 0.0 && active == 1.0).then_some(())
    });
    assert_eq!(server.stat("OutboxBytes"), 0);
    // What is asked for is limited where nobody says how much.
    assert_eq!(server.get("/api/query").lines().len(), 1000);
}

#[test]
fn a_large_answer_needs_little_memory() {
    let server = with_lines(200_000);
    let before = server.stat("RssBytes");
    let mut webs: Vec<Web> = (0..8).map(|_| server.web()).collect();
    for web in &mut webs {
        web.write(request("GET /api/query?limit=1000000 HTTP/1.1", b""));
        assert_eq!(web.head().status, 200);
    }
    wait_until("full outboxes", || (server.stat("OutboxFull") >= 8).then_some(()));
    assert!(server.stat("OutboxBytes") < 1 << 20);
    assert!(server.stat("RssBytes") < before + (48 << 20), "the ring's pages, and little besides");
    for web in &mut webs {
        let mut lines = 0;
        loop {
            let chunk = web.chunk();
            if chunk.is_empty() {
                break;
            }
            lines += chunk.iter().filter(|&&byte| byte == b'\n').count();
        }
        assert_eq!(lines, 200_000);
    }
}

/// A live tail, read event by event.
struct Tail {
    web: Web,
    text: String,
}

impl Tail {
    #[track_caller]
    fn of(server: &Server, target: &str, last: Option<u64>) -> Self {
        let mut web = server.web();
        let last = last.map(|last| format!("\nLast-Event-ID: {last}")).unwrap_or_default();
        let head = format!("GET {target} HTTP/1.1\nAccept: text/event-stream{last}");
        web.write(request(&head, b""));
        let head = web.head();
        assert_eq!(head.status, 200);
        assert!(
            head.headers.contains(&("Content-Type".to_owned(), "text/event-stream".to_owned()))
        );
        Self { web, text: String::new() }
    }

    /// The next event: its kind, its id, its data.
    #[track_caller]
    fn event(&mut self) -> (String, Option<u64>, Value) {
        while !self.text.contains("\n\n") {
            let chunk = self.web.chunk();
            assert!(!chunk.is_empty(), "a tail does not end");
            self.text.push_str(str::from_utf8(&chunk).unwrap());
        }
        let (event, rest) = self.text.split_once("\n\n").unwrap();
        let (mut kind, mut id, mut data) = (String::new(), None, Value::Null);
        for line in event.lines() {
            match line.split_once(": ").unwrap() {
                ("event", value) => kind = value.to_owned(),
                ("id", value) => id = Some(value.parse().unwrap()),
                ("data", value) => data = serde_json::from_str(value).unwrap(),
                _ => panic!("{line:?}"),
            }
        }
        self.text = rest.to_owned();
        (kind, id, data)
    }

    /// The next record: its number and its message.
    #[track_caller]
    fn record(&mut self) -> (u64, String) {
        let (kind, id, data) = self.event();
        assert_eq!((kind.as_str(), id), ("", Some(seq(&data))));
        (seq(&data), data["_msg"].as_str().unwrap().to_owned())
    }
}

#[test]
fn a_tail_shows_the_last_lines_and_what_comes() {
    let server = start_web();
    server.send_until("old 1\nother\nold 2\n", 3);
    let mut tail = Tail::of(&server, "/api/tail?n=1&q=old", None);
    assert_eq!(tail.record().1, "old 2");
    server.post("/insert/raw", "old 3\nother\n").is(204);
    server.send("old 4\n");
    assert_eq!([tail.record().1, tail.record().1], ["old 3", "old 4"]);
    assert_eq!(server.metrics()["logcaster_cursors{kind=\"tail\"}"], 1.0);
    drop(tail);
    wait_until("its end", || {
        (server.metrics()["logcaster_cursors{kind=\"tail\"}"] == 0.0).then_some(())
    });
    // An old client has it without chunks.
    let mut web = server.web();
    web.write("GET /api/tail?n=1 HTTP/1.0\r\n\r\n");
    assert_eq!(web.head().status, 200);
    server.send("last\n");
    wait_until("it is shown", || (server.stat("OutboxBytes") == 0).then_some(()));
    web.shut();
    let rest = String::from_utf8(web.rest()).unwrap();
    assert!(rest.starts_with("id: ") && rest.contains("\"_msg\":\"last\""), "{rest}");
}

#[test]
fn a_tail_that_comes_again_has_no_gap_and_no_repeat() {
    let server = start_web();
    let (total, mut last, mut seen) = (5_000, None, Vec::new());
    let mut tail = Tail::of(&server, "/api/tail", None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for from in (0..total).step_by(50) {
                server.send(numbered(from, from + 50));
            }
        });
        while seen.len() < total {
            // The connection is lost in the middle of things.
            if seen.len() % 700 == 600 {
                tail = Tail::of(&server, "/api/tail", last);
            }
            let (seq, message) = tail.record();
            last = Some(seq);
            seen.push(message);
        }
    });
    assert!(seen.iter().eq(numbered(0, total).lines()));
}

#[test]
fn a_tail_is_told_what_it_lost() {
    let server = setup(&["-s", "1"]).http().start();
    server.send_until("first\n", 1);
    let first = server.seqs()[0];
    let lines: String = (0..30_000).map(|n| format!("line {n:06} {}\n", "x".repeat(80))).collect();
    server.send(&lines);
    let oldest = server.seqs()[0];
    let mut tail = Tail::of(&server, "/api/tail", Some(first));
    let (kind, _, data) = tail.event();
    assert_eq!((kind.as_str(), data["lost"].as_u64()), ("lost", Some(oldest - first - 1)));
    assert_eq!(tail.record().0, oldest);
    let page = server.get(&format!("/api/query?after={first}&limit=1")).is(200).lines();
    assert!(page.iter().any(|line| line["lost"].as_u64() == Some(oldest - first - 1)), "{page:?}");
    // A number of another life, which no record has: what there is from now on.
    let mut tail = Tail::of(&server, "/api/tail", Some(oldest + (1 << 40)));
    server.send("after that\n");
    assert_eq!(tail.event().0, "lost");
    assert_eq!(tail.record().1, "after that");
}

#[test]
fn fifty_tails_at_once_see_every_line() {
    let server = start_web();
    let mut tails: Vec<Tail> = (0..50)
        .map(|n| Tail::of(&server, if n % 2 == 0 { "/api/tail" } else { "/api/tail?q=7" }, None))
        .collect();
    let text = numbered(0, 3_000);
    let all: Vec<&str> = text.lines().collect();
    let some: Vec<&str> = text.lines().filter(|line| line.contains('7')).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for from in (0..3_000).step_by(100) {
                server.send(numbered(from, from + 100));
            }
        });
        for (place, tail) in tails.iter_mut().enumerate() {
            let expected = if place % 2 == 0 { &all } else { &some };
            for line in expected {
                assert_eq!(tail.record().1, *line, "tail {place}");
            }
        }
    });
    assert_eq!(server.metrics()["logcaster_http_tails_total"], 50.0);
}

#[test]
fn health_is_told_in_every_way_that_is_asked() {
    let server = start_web();
    let mut web = server.web();
    let health = web.get("/health").is(200).json();
    assert_eq!(health["status"], "OK");
    for part in ["segment", "disk", "memory", "listeners", "last_sync"] {
        assert_eq!(health["components"][part]["status"], "OK", "{part}");
    }
    assert!(health["components"]["forwarders"].is_array());
    let text = web.ask("GET /health HTTP/1.1\nAccept: text/plain", b"").is(200);
    assert_eq!(text.text(), "OK");
    assert_eq!(web.get("/health/live").is(200).text(), "OK");
    for target in ["/health/ready", "/ready", "/insert/loki/ready"] {
        assert_eq!(web.get(target).is(200).text(), "ready\n");
    }
    web.get("/insert/ready").is(200);
}

#[test]
fn metrics_agree_with_what_is_counted() {
    let server = start_web();
    server.send("INFO one\nERROR two\n");
    server.post("/insert/raw", "ERROR three\nfour\n").is(204);
    server.post("/insert/raw", "").is(204);
    server.get("/api/query").is(200);
    server.get("/nosuch").is(404);
    let now = server.metrics();
    let is = |name: &str, value: f64| assert_eq!(now.get(name), Some(&value), "{name}");
    is("logcaster_logs_total", server.count() as f64);
    is("logcaster_records", 4.0);
    is("logcaster_logs_by_transport_total{transport=\"tcp\"}", 2.0);
    is("logcaster_logs_by_transport_total{transport=\"http\"}", 2.0);
    is("logcaster_logs_by_level_total{level=\"error\"}", 2.0);
    is("logcaster_http_requests_total{route=\"insert_raw\",code=\"2xx\"}", 2.0);
    is("logcaster_http_requests_total{route=\"query\",code=\"2xx\"}", 1.0);
    is("logcaster_http_requests_total{route=\"other\",code=\"4xx\"}", 1.0);
    is("logcaster_http_entries_total", 2.0);
    is("logcaster_query_duration_seconds_count", now["logcaster_queries_total"]);
    is("logcaster_connections_by_role{role=\"http\"}", 1.0);
    let levels = now.iter().filter(|(name, _)| name.starts_with("logcaster_logs_by_level_total"));
    assert_eq!(levels.map(|(_, value)| value).sum::<f64>(), 4.0);
    let plain = server.get("/metrics").is(200);
    assert!(plain.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let head =
        "GET /metrics HTTP/1.1\nAccept: application/openmetrics-text;version=1.0.0,*/*;q=0.1";
    let open = server.web().ask(head, b"").is(200);
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(open.text().ends_with("\n# EOF\n"));
    assert!(!plain.text().contains("# EOF"));
}
