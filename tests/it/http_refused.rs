//! What is no request, or one that could be read in two ways: one answer, then the end, and nothing
//! behind it is looked at.

use std::io::Write;

use crate::support::Server;
use crate::web::{Web, request, start_web};

/// What must never be executed.
fn smuggled() -> Vec<u8> {
    request("POST /insert/raw HTTP/1.1", b"smuggled\n")
}

/// `bytes` are answered with one `status`, the connection ends, and nothing is stored.
#[track_caller]
fn is_refused(server: &Server, bytes: &[u8], status: u16) {
    let shown = bytes[..bytes.len().min(120)].escape_ascii().to_string();
    let mut web = server.web();
    web.write([bytes, &smuggled(), &smuggled()].concat());
    let answer = web.answer();
    assert_eq!(answer.status, status, "{shown}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("connection"), Some("close"), "{shown}");
    assert!(web.is_closed(), "{shown}");
    assert_eq!(server.count(), 0, "{shown}");
}

#[test]
fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let server = start_web();
    let post = |headers: &str, body: &str| {
        let head = format!("POST /insert/raw HTTP/1.1\nHost: localhost\n{headers}\n\n");
        [head.replace('\n', "\r\n").as_bytes(), body.as_bytes()].concat()
    };
    let chunks = "0\r\n\r\n";
    let heads = [
        ("Content-Length: 5\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\nContent-Length: 5", 400),
        ("Content-Length: 0\nTransfer-Encoding: chunked", 400),
        ("Content-Length: 5\nContent-Length: 6", 400),
        ("Content-Length: 5, 5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -1", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length: ", 400),
        ("Content-Length: 5 5", 400),
        ("Content-Length: 99999999999999999999999", 413),
        ("Content-Length : 5", 400),
        ("Content-Length\t: 5", 400),
        ("Transfer-Encoding: chunked\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\nTransfer-Encoding: identity", 400),
        ("Transfer-Encoding: chunked, identity", 501),
        ("Transfer-Encoding: identity, chunked", 501),
        ("Transfer-Encoding: identity", 501),
        ("Transfer-Encoding: xchunked", 501),
        ("Transfer-Encoding: \"chunked\"", 501),
        ("Transfer-Encoding: \x0bchunked", 400),
        ("Transfer-Encoding:\n chunked", 400),
        ("X: a\n Content-Length: 5", 400),
        ("Host: localhost", 400),
        ("X: a\0b", 400),
        ("X: a\rb", 400),
        (": x", 400),
        ("X", 400),
        ("X Y: z", 400),
    ];
    for (headers, status) in heads {
        is_refused(&server, &post(headers, chunks), status);
    }
    let bodies = [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n",
        "g\r\nhello\r\n",
        ";x\r\nhello\r\n",
        "5;a\nb\r\nhello\r\n",
    ];
    for body in bodies {
        is_refused(&server, &post("Transfer-Encoding: chunked", body), 400);
    }
    // In HTTP/1.0 there are no chunks.
    let old = post("Transfer-Encoding: chunked", chunks);
    let old = String::from_utf8(old).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    is_refused(&server, old.as_bytes(), 400);
}

#[test]
fn what_is_no_request_is_refused() {
    let server = start_web();
    let host = "Host: localhost\r\n\r\n";
    let heads: &[(&str, u16)] = &[
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: localhost\n\n", 400),
        ("GET / HTTP/2.0\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET / HTTP/1.1 \r\n", 400),
        ("GET  / HTTP/1.1\r\n", 400),
        ("GET /\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET nosuch HTTP/1.1\r\n", 400),
        ("GET /%00 HTTP/1.1\r\n", 400),
        ("GET /%zz HTTP/1.1\r\n", 400),
        ("GET /%0d%0aX:y HTTP/1.1\r\n", 400),
        ("GET ftp://localhost/ HTTP/1.1\r\n", 400),
        ("CONNECT localhost:9090 HTTP/1.1\r\n", 501),
        ("GET * HTTP/1.1\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{2}", 400),
        ("{\"_msg\":\"a line\"}\n", 400),
        ("<13>a line of syslog\n", 400),
        ("just words\n", 400),
    ];
    for (head, status) in heads {
        let is_whole = head.ends_with("\r\n\r\n") || !head.ends_with("\r\n");
        let head = if is_whole { (*head).to_owned() } else { format!("{head}{host}") };
        is_refused(&server, head.as_bytes(), *status);
    }
    is_refused(&server, format!("GET /{} HTTP/1.1\r\n", "x".repeat(70_000)).as_bytes(), 414);
    let many: String = (0..101).map(|n| format!("X-{n}: y\r\n")).collect();
    is_refused(&server, format!("GET / HTTP/1.1\r\n{many}{host}").as_bytes(), 431);
    let long = format!("GET / HTTP/1.1\r\nCookie: {}\r\n{host}", "x".repeat(70_000));
    is_refused(&server, long.as_bytes(), 431);
    assert_eq!(server.web().get("/health/live").is(200).text(), "OK");
}

#[test]
fn what_is_too_large_is_told_while_it_is_still_being_sent() {
    let server = start_web();
    let mut web = server.web();
    web.write(b"POST /insert/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n\r\n");
    let mut sender = web.stream().try_clone().unwrap();
    let sent = std::thread::spawn(move || {
        // All of it, whether it is read or not; or until the server is gone.
        let line = [b'x'; 1000];
        (0..4000).take_while(|_| sender.write_all(&line).is_ok()).count()
    });
    assert_eq!(web.answer().is(413).header("connection"), Some("close"));
    assert!(sent.join().unwrap() > 0);
    assert_eq!(server.count(), 0);
}

#[test]
fn a_body_that_ends_too_early_is_no_success() {
    let server = start_web();
    for body in ["Content-Length: 100\r\n\r\na\nb", "Transfer-Encoding: chunked\r\n\r\n3\r\na\nb"] {
        let mut web = server.web();
        web.write(format!("POST /insert/raw HTTP/1.1\r\nHost: x\r\n{body}"));
        web.shut();
        let rest = String::from_utf8(web.rest()).unwrap();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{rest}");
    }
    // Whole lines are there: the client sends them again.
    assert_eq!(server.messages("QUERY"), ["a", "a"]);
}

#[test]
fn whoever_says_nothing_holds_nothing_up() {
    let server = start_web();
    let silent: Vec<Web> = (0..200).map(|_| server.web()).collect();
    let mut half: Vec<Web> = (0..200).map(|_| server.web()).collect();
    for web in &mut half {
        web.write("POST /insert/raw HTTP/1.1\r\nHost: x\r\nContent-Le");
    }
    server.post("/insert/raw", "line\n").is(204);
    for web in &mut half {
        web.write("ngth: 2\r\n\r\nx\n");
    }
    for web in &mut half {
        web.answer().is(204);
    }
    drop(silent);
    assert_eq!(server.count(), 201);
}
