//! HTTP as such: what one connection may say, how it is answered, and what is refused.

use std::io::Write;

use crate::support::setup;
use crate::web::{Web, chunked, request, start_web};

const RAW: &str = "POST /insert/raw HTTP/1.1";

#[test]
fn requests_follow_each_other_on_one_connection() {
    let server = start_web();
    let mut web = server.web();
    for round in 0..100 {
        let answer = web.post("/insert/raw", format!("line {round}\n")).is(204);
        assert_eq!(answer.header("x-logcaster-ack"), Some("memory"));
        assert_eq!(web.get("/api/stats").is(200).json()["records"], round + 1);
        web.get("/nosuch").is(404);
    }
    let answer = web.ask("GET /health/live HTTP/1.1\nConnection: close", b"");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(web.is_closed());
    assert_eq!(server.stat("Clients"), 0);
}

#[test]
fn pipelined_requests_are_answered_in_order_however_they_are_split() {
    let server = start_web();
    let all = [
        request("GET /health/live HTTP/1.1", b""),
        request(RAW, b"one\ntwo"),
        request("HEAD /ready HTTP/1.1", b""),
        chunked(RAW, b"three\nfour\n", 4),
        request("GET /nosuch HTTP/1.1", b""),
        request("POST /nosuch HTTP/1.1", b"a body that nobody wants"),
        request("GET /api/query?limit=9 HTTP/1.1", b""),
    ]
    .concat();
    let check = |web: &mut Web, lines: usize| {
        assert_eq!(web.answer().is(200).text(), "OK");
        web.answer().is(204);
        assert_eq!(web.answer_to("HEAD").is(200).header("content-length"), Some("6"));
        web.answer().is(204);
        web.answer().is(404);
        web.answer().is(404);
        let messages = web.answer().is(200).messages();
        assert_eq!(messages.len(), lines);
        assert_eq!(messages[..4], ["one", "two", "three", "four"]);
    };
    let mut web = server.web();
    web.write(&all);
    check(&mut web, 4);
    for byte in &all {
        web.write([*byte]);
    }
    check(&mut web, 8);
    // In two pieces, at every place, each on the connection of the one before.
    for at in (1..all.len()).step_by(7) {
        assert!(server.ask("CLEAR").starts_with("OK"));
        web.write(&all[..at]);
        web.write(&all[at..]);
        check(&mut web, 4);
    }
    // Many at once: more than one read takes.
    let round = request("GET /health/live HTTP/1.1", b"").repeat(5_000);
    let mut sender = web.stream().try_clone().unwrap();
    let sent = std::thread::spawn(move || sender.write_all(&round).unwrap());
    for _ in 0..5_000 {
        web.answer().is(200);
    }
    sent.join().unwrap();
}

#[test]
fn a_body_is_asked_for_where_it_is_wanted_and_only_there() {
    let server = start_web();
    let mut web = server.web();
    let expect = "\nHost: localhost\nContent-Length: 4\nExpect: 100-continue\n";
    let head = |line: &str| format!("{line}{expect}\n").replace('\n', "\r\n");
    web.write(head(RAW));
    assert_eq!(web.head().status, 100);
    web.write("abc\n");
    web.answer().is(204);
    web.write(head("GET /nosuch HTTP/1.1"));
    let answer = web.answer().is(404);
    // Whether the body comes is not known: nothing more can be read.
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(web.is_closed());
    let mut web = server.web();
    web.write(head(RAW).replace("100-continue", "a-present"));
    web.answer().is(417);
    assert!(web.is_closed());
    // An old client does not know what it says, and what comes whole needs no invitation.
    let mut web = server.web();
    web.write(head(RAW).replace("/1.1", "/1.0") + "def\n");
    web.answer().is(204);
    let mut web = server.web();
    web.write(head(RAW) + "ghi\n");
    assert_eq!(web.head().status, 100);
    web.answer().is(204);
    assert_eq!(server.messages("QUERY"), ["abc", "def", "ghi"]);
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let server = start_web();
    server.post("/insert/raw", "line\n".repeat(100)).is(204);
    let mut web = server.web();
    for target in ["/", "/health", "/ready", "/metrics", "/api/query", "/api/hits", "/api/stats"] {
        let get = web.get(target).is(200);
        let head = web.ask(&format!("HEAD {target} HTTP/1.1"), b"").is(200);
        let names = |answer: &crate::web::Answer| {
            answer.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&head), names(&get), "{target}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{target}");
    }
    web.ask("HEAD /no/such HTTP/1.1", b"").is(404);
    web.get("/health/live").is(200);
}

#[test]
fn the_page_is_sent_once_and_then_only_asked_about() {
    let server = start_web();
    let mut web = server.web();
    let browser = "GET / HTTP/1.1\nAccept: text/html,application/xhtml+xml,*/*;q=0.8";
    let page = web.ask(browser, b"").is(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let packed = web.ask(&format!("{browser}\nAccept-Encoding: gzip, br"), b"").is(200);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.body, page.body);
    let etag = page.header("etag").unwrap();
    let weak = format!("W/{}", etag.trim_start_matches("W/"));
    for known in [etag.to_owned(), format!("\"other\", {weak}"), "*".to_owned()] {
        let answer = web.ask(&format!("{browser}\nIf-None-Match: {known}"), b"").is(304);
        assert_eq!((answer.header("etag"), answer.header("content-length")), (Some(etag), None));
    }
    web.ask(&format!("{browser}\nIf-None-Match: \"other\""), b"").is(200);
    // Every file that it names is there, under the name that it is asked for.
    let links =
        page.text().split('"').filter(|part| part.ends_with(".css") || part.ends_with(".js"));
    let links: Vec<&str> = links.collect();
    assert!(!links.is_empty());
    for link in links {
        let file = web.get(&format!("/{}", link.trim_start_matches(['.', '/']))).is(200);
        let etag = file.header("etag").unwrap().to_owned();
        web.ask(&format!("GET /{link} HTTP/1.1\nIf-None-Match: {etag}"), b"").is(304);
    }
    // Who is no browser is a client of Elasticsearch.
    let answer = web.get("/").is(200);
    assert_eq!(answer.header("x-elastic-product"), Some("Elasticsearch"));
}

#[test]
fn an_answer_is_compressed_for_whoever_takes_that() {
    let server = start_web();
    server.post("/insert/raw", "the same line again\n".repeat(500)).is(204);
    let mut web = server.web();
    for target in ["/api/query", "/metrics", "/api/query?format=csv"] {
        let ask = |web: &mut Web, taken: &str| {
            web.ask(&format!("GET {target} HTTP/1.1\nAccept-Encoding: {taken}"), b"").is(200)
        };
        for taken in ["gzip", "br, x-gzip;q=0.1", "*", "deflate, gzip;q=1.0"] {
            let answer = ask(&mut web, taken);
            assert_eq!(answer.header("content-encoding"), Some("gzip"), "{target} {taken}");
            let is_varied = answer.headers.iter().any(|(name, _)| name == "Vary");
            assert!(is_varied, "{target}");
            assert!(answer.text().lines().count() >= 100);
        }
        for taken in ["gzip;q=0", "br", "identity", ""] {
            assert_eq!(ask(&mut web, taken).header("content-encoding"), None, "{target} {taken}");
        }
    }
    // What is short is not worth it.
    let head = "GET /health/live HTTP/1.1\nAccept-Encoding: gzip";
    assert_eq!(web.ask(head, b"").header("content-encoding"), None);
}

#[test]
fn everything_lies_below_the_prefix() {
    let server = setup(&["--http-prefix", "/logs/here/"]).http().start();
    let mut web = server.web();
    web.post("/logs/here/insert/raw", "a\n").is(204);
    assert_eq!(web.get("/logs/here/api/query").is(200).messages(), ["a"]);
    let moved = web.get("/logs/here").is(301);
    assert_eq!(moved.header("location"), Some("/logs/here/"));
    for target in ["/logs/here/", "/logs/here/metrics", "/logs/./x/../here/ready"] {
        web.get(target).is(200);
    }
    for target in ["/", "/metrics", "/logs", "/logs/hereafter", "/logs/here/../ready"] {
        web.get(target).is(404);
    }
    web.post("/insert/raw", "b\n").is(404);
    assert_eq!(server.count(), 1);
}

#[test]
fn what_is_not_there_is_told_and_what_is_allowed() {
    let server = start_web();
    let mut web = server.web();
    let cases = [
        ("DELETE /health", 405, Some("GET, HEAD, OPTIONS")),
        ("POST /metrics", 405, Some("GET, HEAD, OPTIONS")),
        ("GET /insert/raw", 405, Some("POST, PUT, OPTIONS")),
        ("GET /loki/api/v1/push", 405, Some("POST, PUT, OPTIONS")),
        ("PUT /api/query", 405, Some("GET, HEAD, POST, OPTIONS")),
        ("BREW /health", 405, Some("GET, HEAD, OPTIONS")),
        ("GET /nosuch", 404, None),
        ("GET /api", 404, None),
        ("GET /api/query/x", 404, None),
        ("POST /index.html", 404, None),
        ("OPTIONS *", 204, Some("GET, HEAD, POST, PUT, OPTIONS")),
        ("GET /a/../../etc/passwd", 404, None),
        ("PUT /insert/raw", 204, None),
    ];
    for (line, status, allowed) in cases {
        let answer = web.ask(&format!("{line} HTTP/1.1"), b"x").is(status);
        assert_eq!(answer.header("allow"), allowed, "{line}");
        if status >= 400 {
            assert!(answer.json()["error"].is_string(), "{line}");
        }
    }
    assert_eq!(server.count(), 1);
}

#[test]
fn only_pages_that_are_allowed_may_read_and_send() {
    let server = setup(&["--cors", "https://grafana.example:3000"]).http().start();
    let mut web = server.web();
    let with = |web: &mut Web, line: &str, headers: &str| {
        web.ask(&format!("{line} HTTP/1.1\n{headers}"), b"line\n")
    };
    let (friend, foe) = ("Origin: https://grafana.example:3000", "Origin: http://evil.example");
    let answer = with(&mut web, "GET /api/query", friend).is(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://grafana.example:3000"));
    let answer = with(&mut web, "GET /api/query", foe).is(200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let ask = format!("{friend}\nAccess-Control-Request-Headers: x-scope-orgid");
    let answer = with(&mut web, "OPTIONS /insert/raw", &ask).is(204);
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-scope-orgid"));
    let answer = with(&mut web, "OPTIONS /insert/raw", foe).is(204);
    assert_eq!(answer.header("access-control-allow-methods"), None);
    assert_eq!(server.count(), 0);
    with(&mut web, "POST /insert/raw", friend).is(204);
    with(&mut web, "POST /insert/raw", "Origin: http://localhost").is(204);
    for headers in [foe, "Origin: null", "Sec-Fetch-Site: cross-site", "Origin: http://localhost:1"]
    {
        let answer = with(&mut web, "POST /insert/raw", headers).is(403);
        assert!(answer.text().contains("--cors"), "{}", answer.text());
    }
    // A name that somebody else points here.
    for line in ["GET /api/query", "POST /insert/raw", "GET /metrics", "GET /"] {
        let answer = with(&mut web, line, "Host: evil.example:9090").is(403);
        assert!(answer.text().contains("evil.example"), "{}", answer.text());
    }
    // An absolute target counts instead of it.
    with(&mut web, "GET http://evil.example/api/query", "Host: localhost").is(403);
    assert_eq!(server.count(), 2);
    // Whoever can be reached from elsewhere has names that it does not know.
    let server = setup(&["--bind", "0.0.0.0"]).http().start();
    server.web().ask("GET /ready HTTP/1.1\nHost: logs.example", b"").is(200);
}

#[test]
fn an_old_client_is_answered_until_the_connection_ends() {
    let server = start_web();
    for (text, is_half_closed) in [("one", true), ("two", false)] {
        let mut web = server.web();
        let length = text.len();
        web.write(format!("POST /insert/raw HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{text}"));
        if is_half_closed {
            web.shut();
        }
        web.answer().is(204);
        assert!(web.is_closed());
        let mut web = server.web();
        web.write("GET /api/query HTTP/1.0\r\n\r\n");
        if is_half_closed {
            web.shut();
        }
        let answer = web.answer().is(200);
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(answer.messages().last().map(String::as_str), Some(text));
    }
    let mut web = server.web();
    for _ in 0..3 {
        web.write("GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(web.answer().is(200).header("connection"), Some("keep-alive"));
    }
    // As `nc -N` asks: everything is sent and the side closed before anything is answered.
    let mut web = server.web();
    web.write(request("GET /api/stats HTTP/1.1", b"").repeat(3));
    web.shut();
    for _ in 0..3 {
        web.answer().is(200);
    }
    assert!(web.is_closed());
}

#[test]
fn the_log_port_takes_lines_over_http_and_nothing_else() {
    let server = start_web();
    let mut web = Web::to(server.logs);
    web.post("/insert/raw?app=api", "one\ntwo\n").is(204);
    web.post("/insert/raw?app=api", "three\n").is(204);
    assert_eq!(web.get("/health/live").is(200).text(), "OK");
    for target in ["/api/query", "/metrics", "/", "/api/tail", "/health"] {
        web.get(target).is(403);
    }
    let mut split = Web::to(server.logs);
    for byte in request("POST /insert/raw HTTP/1.1", b"four\n") {
        split.write([byte]);
    }
    split.answer().is(204);
    // What only looks like it is a line.
    server.send("GET /x HTTP/1.1 200 12ms\nPOST it\nGET / HTTP\n");
    let expected =
        ["one", "two", "three", "four", "GET /x HTTP/1.1 200 12ms", "POST it", "GET / HTTP"];
    assert_eq!(server.messages("QUERY"), expected);
    assert_eq!(server.messages("QUERY app=api").len(), 3);
}

#[test]
fn a_body_that_nobody_wants_does_not_end_the_connection() {
    let server = start_web();
    let mut web = server.web();
    for bytes in [0, 1, 1 << 10, 64 << 10] {
        web.post("/nosuch", vec![b'x'; bytes]).is(404);
        web.write(request("DELETE /health HTTP/1.1\nContent-Length: 3", b""));
        web.write("abc");
        web.answer().is(405);
    }
    // One that is longer does.
    let answer = web.post("/nosuch", vec![b'x'; (64 << 10) + 1]).is(404);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(web.is_closed());
    let mut web = server.web();
    web.write(chunked("POST /nosuch HTTP/1.1", b"abc", 3));
    assert_eq!(web.answer().is(404).header("connection"), Some("close"));
}
