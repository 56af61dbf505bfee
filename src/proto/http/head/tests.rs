//! Heads that are taken and heads that are refused.

use super::*;
use crate::proto::testing::every_split;

/// What becomes of `input` as soon as it can be told; the same however it is split.
#[track_caller]
fn read(input: &[u8]) -> Result<Option<(usize, Request)>, HttpError> {
    every_split(input, |pieces| {
        let mut inbox = Vec::new();
        for piece in [&[], pieces].concat() {
            inbox.extend_from_slice(piece);
            match read_head(&inbox)? {
                (0, HeadStep::NeedMore) => {}
                (used, HeadStep::NeedMore) => panic!("{used} bytes of no head used"),
                (used, HeadStep::Head(request)) => return Ok(Some((used, request))),
            }
        }
        Ok(None)
    })
}

/// The request in `head`, which is whole.
#[track_caller]
fn request(head: &str) -> Request {
    let (used, request) = read(head.as_bytes()).unwrap().expect("a whole head");
    assert_eq!(used, head.len());
    request
}

/// A request with these headers.
#[track_caller]
fn with(headers: &str) -> Request {
    request(&format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n"))
}

#[track_caller]
fn refused(head: &str) -> String {
    let error = read(head.as_bytes()).unwrap_err();
    format!("{} {error}", error.status().0)
}

#[track_caller]
fn check_target(target: &str, path: &str, query: &str) {
    let request = request(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let found = (request.path(), std::str::from_utf8(request.query()).unwrap());
    assert_eq!(found, (path, query), "{target}");
}

#[track_caller]
fn check_bad_target(target: &str, what: &str) {
    let error = refused(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(error, format!("400 bad target: {what}"), "{target}");
}

#[track_caller]
fn check_framing(headers: &str, expected: Result<BodyFraming, &str>) {
    let found = with(headers).framing().map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(str::to_owned), "{headers}");
}

#[test]
fn a_request_says_what_it_wants() {
    let head = "POST /insert/jsonline?_msg_field=log HTTP/1.1\r\nHost: logcaster:9090\r\n\
                Content-Length: 12\r\nX-Two: 1\r\nx-two:\t 2 \t\r\nEmpty:\r\n\r\n";
    let request = request(head);
    assert_eq!(request.method(), Method::Post);
    assert_eq!((request.path(), request.query()), ("/insert/jsonline", &b"_msg_field=log"[..]));
    assert_eq!(request.framing(), Ok(BodyFraming::Length(12)));
    assert_eq!(request.header("HOST"), Some(&b"logcaster:9090"[..]));
    assert_eq!(request.headers("x-TWO").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(request.header("empty"), Some(&b""[..]));
    assert_eq!(request.header("none"), None);
    assert_eq!(request.host(), b"logcaster:9090");
    assert!(!request.is_http_1_0() && request.keeps_alive());
}

#[test]
fn a_head_ends_at_the_empty_line() {
    let two = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    let (used, request) = read(two).unwrap().unwrap();
    assert_eq!((used, request.path()), (28, "/a"));
    assert_eq!(read(b"GET / HTTP/1.1\r\nHost: a\r\n\r"), Ok(None));
    assert_eq!(read(b""), Ok(None));
}

#[test]
fn a_few_empty_lines_before_a_request_are_skipped() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    request(&format!("{}{head}", "\r\n".repeat(HTTP_BLANK_LINES_MAX)));
    let error = refused(&format!("{}{head}", "\r\n".repeat(HTTP_BLANK_LINES_MAX + 1)));
    assert_eq!(error, "400 bad request line (allowed: METHOD TARGET HTTP/1.1)");
    assert_eq!(refused("\r\n\nGET"), "400 lone LF or CR in the head (lines end in CR LF)");
    assert_eq!(refused("\r\rGET"), "400 lone LF or CR in the head (lines end in CR LF)");
}

#[test]
fn methods_are_tokens() {
    let method = |name: &str| request(&format!("{name} / HTTP/1.1\r\nHost: a\r\n\r\n")).method();
    let known = [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("OPTIONS", Method::Options),
        ("DELETE", Method::Delete),
        ("get", Method::Other),
        ("M-SEARCH", Method::Other),
        ("!#$%&'*+-.^_`|~", Method::Other),
    ];
    for (name, expected) in known {
        assert_eq!(method(name), expected, "{name}");
    }
    assert_eq!(
        refused("G(T / HTTP/1.1\r\n"),
        "400 bad request line (allowed: METHOD TARGET HTTP/1.1)"
    );
    assert_eq!(refused("CONNECT a:1 HTTP/1.1\r\n\r\n"), "501 method CONNECT (no tunnels here)");
}

#[test]
fn what_is_no_http_is_refused_at_once() {
    assert_eq!(refused("\x16\x03\x01"), "400 no HTTP request begins with byte 0x16");
    assert_eq!(refused("{\"a\":1}"), "400 no HTTP request begins with byte 0x7b");
    assert_eq!(refused("<14>a"), "400 no HTTP request begins with byte 0x3c");
    assert_eq!(refused(" GET /"), "400 no HTTP request begins with byte 0x20");
    let line = "400 bad request line (allowed: METHOD TARGET HTTP/1.1)";
    for bad in ["a line of a log\r\n", "GET /\r\n", "GET  / HTTP/1.1\r\n", "GET / \r\n", "GET\r\n"]
    {
        assert!(refused(bad) == line || refused(bad).starts_with("505"), "{bad}: {}", refused(bad));
    }
    assert!(refused("GET / HTTP/1.1 \r\n").starts_with("400"));
    let version = "505 unknown HTTP version (allowed: 1.0, 1.1)";
    assert_eq!(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), version);
    assert_eq!(refused("GET / HTTP/1.2\r\n"), version);
    assert_eq!(refused("GET / http/1.1\r\n"), version);
}

#[test]
fn lines_end_in_cr_lf_only() {
    let line_end = "400 lone LF or CR in the head (lines end in CR LF)";
    assert_eq!(refused("GET / HTTP/1.1\nHost: a\n\n"), line_end);
    assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\n\r\n"), line_end);
    assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\n\n"), line_end);
    assert!(refused("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n").starts_with("400"));
    assert!(refused("GET / HTTP/1.1\r\rHost: a\r\n\r\n").starts_with("400"));
}

#[test]
fn a_header_that_two_could_read_in_two_ways_is_refused() {
    let bad = "400 bad header (allowed: name: value, on one line)";
    let lines = [
        "Content-Length : 3",
        "Content-Length\t: 3",
        " Content-Length: 3",
        ": 3",
        "Content-Length",
        "A: b\r\n c",
        "A: b\r\n\tc",
        "A: b\0c",
        "A: b\x01",
        "A: b\x7f",
        "A b: c",
        "A(: c",
        "\u{e9}: c",
    ];
    for line in lines {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
        assert_eq!(refused(&head), bad, "{line:?}");
        let head = format!("GET / HTTP/1.1\r\n{line}\r\nHost: a\r\n\r\n");
        assert_eq!(refused(&head), bad, "{line:?}, first");
    }
    assert_eq!(with("A: \u{e9}\r\n").header("a"), Some("\u{e9}".as_bytes()));
}

#[test]
fn a_head_over_64_kib_is_refused() {
    let head = |bytes: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nCookie: ";
        format!("{start}{}\r\n\r\n", "c".repeat(bytes - start.len() - 4)).into_bytes()
    };
    let whole = read_head(&head(HTTP_HEAD_BYTES_MAX));
    assert!(matches!(whole, Ok((HTTP_HEAD_BYTES_MAX, HeadStep::Head(_)))));
    let over = head(HTTP_HEAD_BYTES_MAX + 1);
    for end in [HTTP_HEAD_BYTES_MAX, over.len()] {
        let error = read_head(&over[..end]).unwrap_err();
        assert_eq!(
            (error.status().0, error.to_string().as_str()),
            (431, "head exceeds 65536 bytes")
        );
    }
    assert_eq!(read_head(&over[..HTTP_HEAD_BYTES_MAX - 1]), Ok((0, HeadStep::NeedMore)));
    let target = format!("GET /{}", "a".repeat(HTTP_HEAD_BYTES_MAX));
    let error = read_head(target.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "request line exceeds 65536 bytes");
    assert_eq!(error.status().0, 414);
}

#[test]
fn more_than_100_headers_are_refused() {
    let head = |count| {
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count)).into_bytes()
    };
    assert!(matches!(read_head(&head(HTTP_HEADERS_MAX - 1)), Ok((_, HeadStep::Head(_)))));
    let error = read_head(&head(HTTP_HEADERS_MAX)).unwrap_err();
    assert_eq!((error.status().0, error.to_string().as_str()), (431, "more than 100 headers"));
}

#[test]
fn one_host_is_needed() {
    let host = |headers: &str| refused(&format!("GET / HTTP/1.1\r\n{headers}\r\n"));
    assert_eq!(host(""), "400 bad Host: missing");
    assert_eq!(host("Host: a\r\nhost: a\r\n"), "400 bad Host: sent twice");
    assert_eq!(host("Host: a b\r\n"), "400 bad Host: not a name and a port");
    assert_eq!(host("Host: a/b\r\n"), "400 bad Host: not a name and a port");
    assert_eq!(host("Host: a@b\r\n"), "400 bad Host: not a name and a port");
    assert_eq!(host("Host: a,b@\r\n"), "400 bad Host: not a name and a port");
    for good in ["", "[::1]:9090", "a_b.example:1", "127.0.0.1"] {
        let request = request(&format!("GET / HTTP/1.1\r\nHost: {good}\r\n\r\n"));
        assert_eq!(request.host(), good.as_bytes());
    }
    let old = request("GET / HTTP/1.0\r\n\r\n");
    assert!(old.is_http_1_0() && old.host().is_empty());
    let twice = refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n");
    assert_eq!(twice, "400 bad Host: sent twice");
}

#[test]
fn an_absolute_target_says_whom_it_is_for() {
    let head = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = request(&head("HTTP://other.example:80/health?a=b"));
    assert_eq!((request.path(), request.query()), ("/health", &b"a=b"[..]));
    assert_eq!(
        (request.host(), request.header("host")),
        (&b"other.example:80"[..], Some(&b"a"[..]))
    );
    check_target("https://b", "/", "");
    check_target("http://b?x", "/", "x");
    check_bad_target("http://", "an absolute one without a name and a port");
    check_bad_target("http:///a", "an absolute one without a name and a port");
    check_bad_target("http://user@b/", "an absolute one without a name and a port");
    check_bad_target("ftp://b/", "neither a path nor an absolute one");
    check_bad_target("b:80", "neither a path nor an absolute one");
    check_bad_target("*", "* (only for OPTIONS)");
    check_bad_target("/a#b", "a fragment");
    let server = self::request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((server.method(), server.path()), (Method::Options, "/"));
}

#[test]
fn a_path_is_decoded_once_and_resolved() {
    check_target("/", "/", "");
    check_target("/a%20b/%41?x=%20#".trim_end_matches('#'), "/a b/A", "x=%20");
    check_target("/%2541", "/%41", "");
    check_target("/gr%c3%bc%C3%9Fe", "/gr\u{fc}\u{df}e", "");
    check_target("/gr\u{fc}n", "/gr\u{fc}n", "");
    check_target("/a+b", "/a+b", "");
    check_target("/?a?b", "/", "a?b");
    check_target("/a/../../etc/passwd?x=%00%2e%2e", "/etc/passwd", "x=%00%2e%2e");
    check_target("/a/%2e%2E/b/.%2e/c", "/c", "");
    check_target("/a%2f..%2fb", "/b", "");
    check_target("/..", "/", "");
    check_target("/../", "/", "");
    check_target("/a/..", "/", "");
    check_target("/a/b/..", "/a/", "");
    check_target("/a/.", "/a/", "");
    check_target("/./a/./b", "/a/b", "");
    check_target("/a/...", "/a/...", "");
    check_target("//a//b/", "//a//b/", "");
    check_target("//..//../a", "/a", "");
    for bad in ["/%00", "/a%0d%0ab", "/%1f", "/%7F", "/a/%09"] {
        check_bad_target(bad, "a control character in the path");
    }
    for bad in ["/%", "/%4", "/%zz", "/%+1", "/a%%20"] {
        check_bad_target(bad, "% without two digits");
    }
    check_bad_target("/%ff", "a path that is not UTF-8");
    check_bad_target("/%c3%28", "a path that is not UTF-8");
}

#[test]
fn a_body_whose_end_is_not_certain_is_refused() {
    check_framing("", Ok(BodyFraming::None));
    check_framing("Content-Length: 0\r\n", Ok(BodyFraming::None));
    check_framing("Content-Length: 007\r\n", Ok(BodyFraming::Length(7)));
    check_framing("Content-Length: 7\r\nContent-Length: 7\r\n", Ok(BodyFraming::Length(7)));
    check_framing("Transfer-Encoding: Chunked\r\n", Ok(BodyFraming::Chunked));
    let differ = "bad Content-Length: two that differ";
    check_framing("Content-Length: 7\r\nContent-Length: 8\r\n", Err(differ));
    for bad in ["+7", "-7", "7,7", "7, 7", "7 7", "0x7", "7.0", "", "\"7\"", "\u{660}"] {
        let header = format!("Content-Length: {bad}\r\n");
        check_framing(&header, Err("bad Content-Length: not a number"));
    }
    for large in ["33554433", "18446744073709551616", "99999999999999999999999999"] {
        check_framing(&format!("Content-Length: {large}\r\n"), Err("body exceeds 33554432 bytes"));
    }
    let both = "bad Transfer-Encoding: sent beside Content-Length";
    check_framing("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Err(both));
    check_framing("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Err(both));
    let twice = "bad Transfer-Encoding: sent twice";
    check_framing("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(twice));
    check_framing("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err(twice));
    let unknown = "unknown Transfer-Encoding (allowed: chunked)";
    for bad in [
        "gzip, chunked",
        "chunked, chunked",
        "xchunked",
        "identity",
        "",
        "chunked;q=1",
        "\"chunked\"",
    ] {
        check_framing(&format!("Transfer-Encoding: {bad}\r\n"), Err(unknown));
    }
    let old = request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").framing();
    assert_eq!(old, Err(HttpError::Transfer("sent with HTTP/1.0")));
    let unknown = with("Transfer-Encoding: br\r\n").framing().unwrap_err();
    assert_eq!(unknown.status(), crate::proto::http::Status::NOT_IMPLEMENTED);
}

#[test]
fn a_connection_is_kept_as_its_version_says() {
    let keeps = |version: &str, headers: &str| {
        request(&format!("GET / HTTP/{version}\r\nHost: a\r\n{headers}\r\n")).keeps_alive()
    };
    assert!(keeps("1.1", ""));
    assert!(keeps("1.1", "Connection: keep-alive\r\n"));
    assert!(!keeps("1.1", "Connection: Close\r\n"));
    assert!(!keeps("1.1", "Connection: Upgrade, close\r\n"));
    assert!(!keeps("1.1", "Connection: te\r\nConnection: close\r\n"));
    assert!(keeps("1.1", "Connection: closed\r\n"));
    assert!(!keeps("1.0", ""));
    assert!(keeps("1.0", "Connection: Keep-Alive\r\n"));
    assert!(!keeps("1.0", "Connection: keep-alive, close\r\n"));
}

#[test]
fn only_100_continue_may_be_expected() {
    assert!(with("Expect: 100-Continue\r\n").expects_continue());
    assert!(!with("").expects_continue());
    assert!(!request("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue());
    let other = refused("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n");
    assert_eq!(other, "417 unknown expectation (allowed: 100-continue)");
}

#[test]
fn gzip_is_sent_to_those_who_want_it() {
    let accepts = |value: &str| with(&format!("Accept-Encoding: {value}\r\n")).accepts_gzip();
    assert!(!with("").accepts_gzip());
    for yes in ["gzip", "deflate, gzip, br, zstd", "X-GZIP", "*", "gzip;q=0.001", "GZIP ; Q=1.000"]
    {
        assert!(accepts(yes), "{yes}");
    }
    assert!(accepts("br;q=0, *;q=0.5"));
    assert!(accepts("identity;q=0.5, gzip;q=0.5"));
    for no in ["", "br", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=0, *", "gzip;q=2", "gzip;q=x"]
    {
        assert!(!accepts(no), "{no}");
    }
    assert!(!accepts("identity, gzip;q=0.5"));
    assert!(with("Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n").accepts_gzip());
}

#[test]
fn the_media_type_liked_best_is_chosen() {
    let prefers = |value: &str, offered: &[&'static str]| {
        with(&format!("Accept: {value}\r\n")).prefers(offered)
    };
    let metrics = ["text/plain", "application/openmetrics-text"];
    assert_eq!(with("").prefers(&metrics), Some("text/plain"));
    assert_eq!(with("").prefers(&[]), None);
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                      version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(prefers(prometheus, &metrics), Some("application/openmetrics-text"));
    let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    assert_eq!(prefers(chromium, &metrics), Some("text/plain"));
    assert_eq!(prefers(chromium, &["application/json", "text/html"]), Some("text/html"));
    assert_eq!(prefers("*/*", &["application/json", "text/html"]), Some("application/json"));
    assert_eq!(prefers("text/*;q=0.5, text/plain;q=0", &metrics[..1]), None);
    assert_eq!(prefers("TEXT/*", &["application/json", "text/html"]), Some("text/html"));
    assert_eq!(prefers("image/png", &metrics), None);
    assert_eq!(prefers("", &metrics), Some("text/plain"));
    let versions = ["a/b; version=2", "a/b; version=1"];
    assert_eq!(prefers("a/b;version=1", &versions), Some("a/b; version=1"));
    assert_eq!(prefers("a/b;version=\"1\";q=0.9, a/b;q=0.1", &versions), Some("a/b; version=1"));
    assert_eq!(prefers("a/b;version=3", &versions), None);
}
