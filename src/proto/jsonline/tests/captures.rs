//! What real senders sent: `tests/data/captures/http`.

use super::*;
use crate::proto::http::pairs;
use crate::proto::testing::captured;

/// The bodies of a capture, each as it is read with the options of its request.
fn bodies(name: &str) -> Vec<Vec<String>> {
    let requests = captured(name);
    let inserts = requests.iter().filter(|(request, _)| request.path() == "/insert/jsonline");
    let shown = |(request, body): &(crate::proto::http::Request, Vec<u8>)| {
        let mut options = Options::from_pairs(pairs(request.query())).unwrap();
        for header in Options::HEADERS {
            if let Some(value) = request.header(header) {
                options.header(header, value).unwrap();
            }
        }
        // Every cut of a long body takes long.
        match body.len() {
            0..=1000 => every_split(body, |pieces| read(&options, pieces)),
            _ => read(&options, &body.chunks(100).collect::<Vec<_>>()),
        }
    };
    inserts.map(shown).collect()
}

#[test]
fn no_line_of_a_real_sender_is_lost() {
    for (name, counts) in [
        ("curl/http2-upgrade-post", &[2][..]),
        ("curl/next-keepalive", &[2]),
        ("curl/post-binary", &[2]),
        ("curl/post-chunked-header", &[120]),
        ("curl/post-chunked-no-expect", &[2]),
        ("curl/post-chunked-stdin", &[2]),
        ("curl/post-data-strips-lf", &[2]),
        ("curl/post-expect-417", &[120]),
        ("curl/post-expect-forced", &[120]),
        ("curl/post-expect-ignored", &[120]),
        ("curl/post-gzip", &[2]),
        ("fluent-bit/http-json-array", &[4]),
        ("fluent-bit/http-json-lines", &[4]),
        ("fluent-bit/http-json-lines-double.c1", &[5]),
        ("fluent-bit/http-json-lines-double.c2", &[3]),
        ("fluent-bit/http-json-lines-gzip", &[4]),
        ("fluent-bit/http-json-lines-snappy", &[4]),
        ("fluent-bit/http-json-lines-zstd", &[4]),
        ("fluent-bit/http-json-stream", &[4]),
        ("go-http/gzip", &[3]),
        ("go-http/keepalive", &[1, 1, 1]),
        ("go-http/pipe", &[3]),
        ("python-requests/post-chunked-generator", &[3]),
        ("python-requests/post-gzip", &[2]),
        ("python-requests/post-jsonline", &[2]),
        ("wget/gnu-post", &[2]),
    ] {
        let read = bodies(name);
        let seen: Vec<usize> = read.iter().map(Vec::len).collect();
        assert_eq!(seen, counts, "{name}: {read:?}");
        let bad = read.concat().into_iter().find(|shown| shown.starts_with('!'));
        assert_eq!(bad, None, "{name}");
    }
}

#[test]
fn what_fluent_bit_sends_has_its_times_and_messages() {
    let lines = bodies("fluent-bit/http-json-lines").concat();
    assert_eq!(
        lines[0],
        "{\"date\":\"2026-09-21T14:13:20.000000Z\",\"level\":\"info\",\
         \"log\":\"request 1 served in 7 ms\",\"status\":200} @1790000000000000000 info level=info"
    );
    let lines = bodies("fluent-bit/http-json-array").concat();
    assert!(lines[1].contains(" @1790000001250000000 error"), "{}", lines[1]);
    let lines = bodies("fluent-bit/http-json-lines-double.c1").concat();
    assert_eq!(
        lines[0],
        "{\"date\":1795197783.138599,\"log\":\"plain line one\"} @1795197783138599000 job=edge"
    );
    let lines = bodies("fluent-bit/http-json-lines-zstd").concat();
    assert!(lines.iter().all(|line| line.contains(" @179000000")), "{lines:?}");
}

#[test]
fn bad_lines_are_told_as_victorialogs_would_not_store_them() {
    assert_eq!(
        bodies("victorialogs/insert-bad-line").concat(),
        [
            "{\"_msg\":\"good\",\"_time\":\"0\"}",
            "!not_an_object: line 2: expected a JSON object, found `not json`",
        ]
    );
    assert_eq!(
        bodies("victorialogs/insert-all-bad").concat(),
        [
            "!not_an_object: line 1: expected a JSON object, found `not json`",
            "!json: line 2: expected a key in quotes, or `}` at byte 1, found `b`",
        ]
    );
}
