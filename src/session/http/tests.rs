//! A client that speaks HTTP, as the reactor has it: what it is answered and what is stored depends
//! neither on how its bytes are cut, nor on when the segment is full.

mod patience;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::limits::{HTTP_FORM_BYTES_MAX, HTTP_LINE_BYTES_MAX};
use crate::proto::testing::every_split;
use crate::query::{LocalTime, TailMemo};
use crate::session::testing::{NOW, Rig};

/// One connection from 10.0.0.5, served as the reactor serves it.
struct Client {
    rig: Rig,
    session: HttpSession,
    time: LocalTime,
    tails: TailMemo,
    policy: Policy,
    held: Vec<u8>,
    out: Vec<u8>,
    out_bytes_max: usize,
    waits_for_disk: bool,
    memory_left: usize,
    /// The most that the session held between two steps.
    held_bytes_most: usize,
    /// Tails of others.
    tails_open: usize,
    is_closed: bool,
    /// Room that the segment has after each time it was full, in bytes; then it has enough.
    rooms: Vec<u64>,
    waits: usize,
}

impl Client {
    fn new() -> Self {
        Self::at(Rig::new())
    }

    fn at(rig: Rig) -> Self {
        Self {
            rig,
            session: HttpSession::new("10.0.0.5", false, 0),
            time: LocalTime::new(jiff::tz::TimeZone::UTC),
            tails: TailMemo::default(),
            policy: Policy::default(),
            held: Vec::new(),
            out: Vec::new(),
            out_bytes_max: 64 << 10,
            waits_for_disk: false,
            memory_left: 1 << 20,
            held_bytes_most: 0,
            tails_open: 0,
            is_closed: false,
            rooms: Vec::new(),
            waits: 0,
        }
    }

    /// Takes bytes in and works on them until more are needed.
    fn hear(&mut self, bytes: &[u8]) {
        self.session.heard(0, self.held.is_empty());
        self.held.extend_from_slice(bytes);
        while !self.is_closed {
            let input = std::mem::take(&mut self.held);
            let (used, next) = self.step(&input);
            self.held = input[used..].to_vec();
            self.held_bytes_most = self.held_bytes_most.max(self.session.held_bytes());
            match next {
                Next::NeedInput | Next::Following => return,
                Next::Again | Next::Blocked | Next::Finished(_) => {}
                Next::Full(_) => {
                    self.waits += 1;
                    let room = self.rooms.pop().unwrap_or(1 << 20);
                    self.rig.make_room(room);
                }
                Next::Ask(_) => {
                    let answer = HostAnswer { status: Status::OK, content_type: TEXT, body: b"OK" };
                    self.session.answer(&answer, NOW, &mut self.out);
                }
                Next::Disk => self.session.on_disk(true, (self.rig.now, NOW), &mut self.out),
                Next::Close => self.is_closed = true,
            }
        }
    }

    fn step(&mut self, input: &[u8]) -> (usize, Next) {
        let mut context = Context {
            segment: Some(&mut self.rig.segment),
            intake: &mut self.rig.intake,
            tools: Tools {
                time: &mut self.time,
                tails: &mut self.tails,
                metrics: &mut self.rig.metrics,
            },
            policy: &self.policy,
            mono: self.rig.now,
            wall: NOW,
            out_bytes_max: self.out.len() + self.out_bytes_max,
            line_bytes_max: 100,
            memory_left: self.memory_left,
            memory_all: 1 << 20,
            waits_for_disk: self.waits_for_disk,
            tails: self.tails_open,
            is_peer_done: false,
            is_ending: false,
        };
        self.session.step(input, &mut context, &mut self.out)
    }

    /// What it was answered, without what every answer has, and what is stored.
    fn outcome(&self) -> (Vec<String>, Vec<String>, bool) {
        (answers(&self.out), self.rig.records(), self.is_closed)
    }
}

/// The status line and the body of each answer, and the headers that matter here.
fn answers(mut out: &[u8]) -> Vec<String> {
    let mut answers = Vec::new();
    while let Some(end) = memchr::memmem::find(out, b"\r\n\r\n") {
        let head = std::str::from_utf8(&out[..end]).unwrap();
        out = &out[end + 4..];
        let header =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let mut body = Vec::new();
        if header("Transfer-Encoding").is_some() {
            loop {
                let line = memchr::memchr(b'\n', out).unwrap();
                let size = std::str::from_utf8(&out[..line - 1]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                body.extend_from_slice(&out[line + 1..line + 1 + size]);
                out = &out[line + 1 + size + 2..];
                if size == 0 {
                    break;
                }
            }
        } else {
            let bytes = header("Content-Length").map_or(0, |bytes| bytes.parse().unwrap());
            body.extend_from_slice(&out[..bytes]);
            out = &out[bytes..];
        }
        let status = head.lines().next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
        let mut said = vec![status.to_owned()];
        said.extend(header("Retry-After").map(|after| format!("retry {after}")));
        said.extend(header("X-Logcaster-Ack").map(|ack| format!("ack {ack}")));
        said.extend(header("Connection").filter(|one| *one == "close").map(str::to_owned));
        said.push(String::from_utf8_lossy(&body).trim_end().to_owned());
        answers.push(said.join(" | "));
    }
    assert_eq!(out, b"", "answers end where they say");
    answers
}

/// Everything that comes of `requests`, however they are cut.
#[track_caller]
fn outcome(requests: &[u8]) -> (Vec<String>, Vec<String>, bool) {
    every_split(requests, |pieces| {
        let mut client = Client::new();
        pieces.iter().for_each(|piece| client.hear(piece));
        client.session.input_is_over();
        client.hear(b"");
        client.outcome()
    })
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let bytes = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {bytes}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

#[test]
fn requests_that_follow_each_other_are_answered_in_order() {
    let body = "INFO one\r\n\r\n<11>Nov 20 10:00:00 edge1 sshd[7]: bad\nlast";
    let loki = br#"{"streams":[{"stream":{"app":"x"},"values":[["0","ERROR two\nlines"]]}]}"#;
    let requests = [
        post("/insert/raw?app=api", "", body.as_bytes()),
        post("/insert/raw", "Content-Encoding: gzip\r\n", &gzip(b"packed")),
        post("/loki/api/v1/push", "Content-Type: application/json\r\n", loki),
        b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        post("/nothing", "", b"dropped"),
        post("/api/stats", "Content-Type: application/x-www-form-urlencoded\r\n", b"by=level"),
    ];
    let (answers, records, is_closed) = outcome(&requests.concat());
    let expected = [
        "204 No Content | ack memory | ",
        "204 No Content | ack memory | ",
        "204 No Content | ack memory | ",
        "200 OK | OK",
        r#"404 Not Found | {"error":"there is nothing at \"/nothing\""}"#,
        r#"200 OK | {"by":"level","values":[{"value":"error","count":2},"#,
    ];
    assert!(is_closed);
    assert_eq!(answers.len(), expected.len());
    for (answer, expected) in answers.iter().zip(expected) {
        assert!(answer.starts_with(expected), "{answer}");
    }
    let expected = [
        "info app=api host=10.0.0.5 transport=http: INFO one",
        "error app=api facility=user host=edge1 transport=http: \
         <11>Nov 20 10:00:00 edge1 sshd[7]: bad",
        "unknown app=api host=10.0.0.5 transport=http: last",
        "unknown host=10.0.0.5 transport=http: packed",
        r"error app=x host=10.0.0.5 transport=http: ERROR two\nlines",
    ];
    assert_eq!(records, expected);
}

#[test]
fn a_chunked_body_is_stored_however_it_is_cut() {
    let request =
        b"PUT /insert/raw?app=a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\none\r\n4;x=y\r\n\ntwo\r\n1\r\n\n\r\n5\r\nthree\r\n0\r\nTrailer: x\r\n\r\n";
    let (answers, records, _) = outcome(request);
    assert_eq!(answers, ["204 No Content | ack memory | "]);
    let texts: Vec<_> = records.iter().map(|one| one.rsplit(": ").next().unwrap()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
}

#[test]
fn a_segment_that_is_full_delays_an_upload_and_doubles_nothing() {
    let lines: String = (0..300).map(|number| format!("line {number}\n")).collect();
    let entries: Vec<_> = (0..300).map(|number| format!("[\"0\",\"line {number}\"]")).collect();
    let loki = format!(r#"{{"streams":[{{"stream":{{}},"values":[{}]}}]}}"#, entries.join(","));
    let bodies = [
        post("/insert/raw", "", lines.as_bytes()),
        post("/insert/raw", "Content-Encoding: gzip\r\n", &gzip(lines.as_bytes())),
        post("/loki/api/v1/push", "Content-Type: application/json\r\n", loki.as_bytes()),
    ];
    for body in bodies {
        let mut client = Client::at(Rig::synced());
        client.rig.make_room(0);
        client.rooms = (1..30).map(|room| room * 31 % 700).collect();
        client.hear(&body);
        assert!(client.waits > 5, "{}", client.waits);
        assert_eq!(answers(&client.out), ["204 No Content | ack memory | "]);
        let numbers: Vec<_> = client.rig.records().iter().map(|one| number(one)).collect();
        assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    }
}

/// The number at the end of a record.
fn number(record: &str) -> u32 {
    record.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn an_upload_that_the_disk_does_not_take_is_refused_as_a_whole() {
    let mut client = Client::at(Rig::synced());
    client.rig.make_room(0);
    client.held = post("/insert/raw", "", b"one\ntwo\n");
    let input = std::mem::take(&mut client.held);
    let (used, next) = client.step(&input);
    assert!(matches!(next, Next::Again));
    let (_, next) = client.step(&input[used..]);
    assert!(matches!(next, Next::Full(_)), "{next:?}");
    assert!(client.session.give_up_waiting(NOW, &mut client.out));
    let answers = answers(&client.out);
    assert_eq!(answers, ["429 Too Many Requests | retry 1 | close | the disk does not keep up"]);
    assert!(client.rig.records().is_empty());
}

#[test]
fn an_upload_is_answered_when_it_is_on_disk() {
    let mut client = Client::new();
    client.waits_for_disk = true;
    client.hear(&post("/insert/raw", "", b"one"));
    assert_eq!(answers(&client.out), ["204 No Content | ack disk | "]);
    client.out.clear();
    client.hear(&post("/insert/raw", "", b""));
    assert_eq!(
        answers(&client.out),
        ["204 No Content | ack memory | "],
        "there is nothing to sync"
    );
}

#[test]
fn a_sender_over_its_rate_is_told_so_before_anything_is_stored() {
    let mut client = Client::new();
    client.rig.intake.limit_rate(Some((10, 10)));
    let lines = "line\n".repeat(40);
    client.hear(&post("/insert/raw", "", lines.as_bytes()));
    client.hear(&post("/insert/raw", "", b"one more"));
    let expected = "429 Too Many Requests | retry 4 | more lines than --rate-limit allows";
    assert_eq!(answers(&client.out), ["204 No Content | ack memory | ", expected]);
    assert_eq!(client.rig.records().len(), 40);
    client.rig.now = 5 * crate::clock::SECOND;
    client.hear(&post("/insert/raw", "", b"one more"));
    assert_eq!(client.rig.records().len(), 41);
}

#[test]
fn a_line_without_end_is_refused() {
    let mut client = Client::new();
    let body = vec![b'x'; HTTP_LINE_BYTES_MAX + 4096];
    client.hear(&post("/insert/raw", "", b"before"));
    client.hear(&post("/loki/api/v1/push", "Content-Type: application/json\r\n", &body));
    let answers = answers(&client.out);
    assert!(answers[1].starts_with("413 "), "{}", answers[1]);
    assert_eq!(client.rig.records().len(), 1);
}

#[test]
fn an_answer_is_written_as_the_client_takes_it() {
    let mut client = Client::new();
    let lines: String = (0..500).map(|number| format!("line {number}\n")).collect();
    client.hear(&post("/insert/raw", "", lines.as_bytes()));
    client.out.clear();
    client.out_bytes_max = 1000;
    client.hear(b"GET /api/query?q=line HTTP/1.1\r\nHost: h\r\n\r\n");
    let answers = answers(&client.out);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].lines().count(), 500);
    assert!(answers[0].starts_with("200 OK | {\"seq\":"), "{}", answers[0]);
}

#[test]
fn an_answer_that_takes_too_long_says_so() {
    let mut client = Client::new();
    client.hear(&post("/insert/raw", "", b"one"));
    client.out.clear();
    client.held = b"GET /api/query?timeout=1ms HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
    let input = std::mem::take(&mut client.held);
    let (_, next) = client.step(&input);
    assert!(matches!(next, Next::Again));
    client.rig.now += crate::clock::SECOND;
    client.hear(b"");
    let expected = r#"504 Gateway Timeout | {"error":"the answer took longer than 1 ms"}"#;
    assert_eq!(answers(&client.out), [expected]);
}

#[test]
fn a_malformed_request_is_answered_once_and_ends_the_connection() {
    for request in [
        "GET / HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /insert/raw HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /insert/raw HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ] {
        let (answers, records, is_closed) = outcome(request.as_bytes());
        assert_eq!((answers.len(), is_closed), (1, true), "{answers:?}");
        assert!(answers[0].starts_with("400 Bad Request | close | "), "{}", answers[0]);
        assert!(records.is_empty());
    }
}

#[test]
fn parameters_without_end_are_refused() {
    let mut client = Client::new();
    let body = vec![b'x'; HTTP_FORM_BYTES_MAX];
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    client.hear(&post("/api/query", kind, &body));
    let answers = answers(&client.out);
    assert!(answers[0].starts_with("413 Content Too Large | close | "), "{}", answers[0]);
}

#[test]
fn labels_are_those_of_the_stream_whatever_else_is_bad() {
    let loki = br#"{"streams":[
        {"stream":{"app":"a"},"values":[["0","one"]]},
        {"stream":{"app":"b"},"values":[["soon","bad"],["0",""],["0","two"]]}]}"#;
    let request = post("/loki/api/v1/push", "Content-Type: application/json\r\n", loki);
    let (answers, records, _) = outcome(&request);
    assert!(answers[0].starts_with("400 Bad Request | "), "{}", answers[0]);
    assert!(answers[0].ends_with("(2 stored)"), "{}", answers[0]);
    let expected = [
        "unknown app=a host=10.0.0.5 transport=http: one",
        "unknown app=b host=10.0.0.5 transport=http: two",
    ];
    assert_eq!(records, expected);
}

#[test]
fn each_document_of_a_bulk_has_its_item() {
    let body = "{\"create\":{\"_index\":\"logs\"}}\n{\"message\":\"one\"}\n\
                {\"index\":{}}\nno document\n{\"update\":{\"_id\":\"1\"}}\n\
                {\"doc\":{\"message\":\"two\"}}\n";
    let (answers, records, _) = outcome(&post("/_bulk", "", body.as_bytes()));
    let body = answers[0].strip_prefix("200 OK | ack memory | ").unwrap();
    assert!(body.starts_with("{\"took\":0,\"errors\":true,\"items\":[{\"create\":"), "{body}");
    let parsed: serde_json::Value = serde_json::from_str(body).unwrap();
    let statuses: Vec<_> = parsed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_object().unwrap().values().next().unwrap()["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [201, 400, 200]);
    assert_eq!(records.len(), 2);
}

#[test]
fn a_compressed_body_is_stored_as_it_comes_and_never_held_as_a_whole() {
    let lines: String = (0..40_000).map(|number| format!("line {number:090}\n")).collect();
    let objects: String =
        (0..40_000).map(|number| format!("{{\"_msg\":\"line {number:080}\"}}\n")).collect();
    for (path, body) in [("/insert/raw", lines), ("/insert/jsonline", objects)] {
        let mut client = Client::at(Rig::of_mib(16));
        let request = post(path, "Content-Encoding: gzip\r\n", &gzip(body.as_bytes()));
        request.chunks(60_000).for_each(|piece| client.hear(piece));
        assert!(answers(&client.out)[0].starts_with("20"), "{path}");
        assert_eq!(client.rig.segment.records(), 40_000, "{path}");
        assert!(client.held_bytes_most < 400 << 10, "{path}: {}", client.held_bytes_most);
    }
}

#[test]
fn an_upload_whose_body_finds_the_segment_full_waits_so_long_and_no_longer() {
    let mut client = Client::new();
    client.hear(b"POST /insert/raw HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(client.session.full_until(), None);
    client.session.wait_full(7 * MS);
    client.session.wait_full(9 * MS);
    let until = client.session.full_until();
    assert_eq!(until, Some((7 + crate::limits::HTTP_FULL_WAIT_MS) * MS));
    client.hear(b"one");
    assert_eq!(client.session.full_until(), None);
}

#[test]
fn nobody_is_told_anything_who_did_not_ask() {
    let mut client = Client::new();
    client.memory_left = 0;
    client.hear(b"");
    client.hear(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n");
    client.hear(b"");
    assert_eq!(answers(&client.out), ["200 OK | OK"]);
    client.hear(b"GET /hea");
    assert!(answers(&client.out)[1].starts_with("503 "));
}

#[test]
fn what_follows_a_question_is_read_though_the_client_may_be_gone() {
    let mut client = Client::new();
    let question = b"GET /api/query HTTP/1.1\r\nHost: h\r\n\r\n";
    client.hear(&[&question[..], &post("/insert/raw", "", b"one")[..20]].concat());
    client.hear(&post("/insert/raw", "", b"one")[20..]);
    let answers = answers(&client.out);
    assert_eq!((answers.len(), client.rig.records().len()), (2, 1), "{answers:?}");
}

#[test]
fn a_packed_file_is_unpacked_though_nobody_says_so() {
    let (answers, records, _) = outcome(&post("/insert/raw?level=warn", "", &gzip(b"one\ntwo\n")));
    assert_eq!(answers, ["204 No Content | ack memory | "]);
    let expected = ["one", "two"]
        .map(|text| format!("warning host=10.0.0.5 level=warn transport=http: {text}"));
    assert_eq!(records, expected);
}
