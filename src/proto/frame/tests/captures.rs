//! What real senders put on the wire: `tests/data/captures`.

use std::path::Path;

use super::*;
use crate::limits::LINE_BYTES_DEFAULT;

/// What each capture holds: records in order, a letter and how many follow each other of the kind
/// (`P` plain, `S` syslog, `J` JSON, `Z` compressed; of what is something else its name).
/// Of datagrams: what each is, `*` and how many follow each other.
const EXPECTED: &[(&str, &str)] = &[
    ("bash/dev-tcp", "P2"),
    ("busybox/logger-default", "S1*1"),
    ("busybox/logger-stdin", "S1*3"),
    ("busybox/logger-tag-prio", "S1*1"),
    ("busybox/syslogd-remote", "S1*3"),
    ("curl/line-port-telnet", "P2"),
    ("curl/tls-clienthello", "Foreign(Tls)"),
    ("devlog/glibc-syslog-stream", "S2"),
    ("devlog/glibc-syslog", "S1*2"),
    ("devlog/util-linux-logger", "S1*1"),
    ("docker/fluentd", "Foreign(Fluentd)"),
    ("docker/gelf-tcp", "J6"),
    ("docker/gelf-udp-chunked", "J1*1 Foreign(GelfChunk)*15 J1*3"),
    ("docker/gelf-udp-gzip", "Gzip*6"),
    ("docker/gelf-udp-none", "J1*6"),
    ("docker/gelf-udp-zlib", "Foreign(Zlib)*6"),
    ("docker/syslog-tcp-big", "S6"),
    ("docker/syslog-tcp-default", "S6"),
    ("docker/syslog-tcp-rfc3164", "S6"),
    ("docker/syslog-tcp-rfc5424", "S6"),
    ("docker/syslog-tcp-rfc5424micro", "S6"),
    ("docker/syslog-tcp-tag", "S6"),
    ("docker/syslog-udp-default", "S1*6"),
    ("docker/syslog-udp-rfc3164", "S1*6"),
    ("docker/syslog-udp-rfc5424", "S1*6"),
    ("docker/syslog-udp-rfc5424micro", "S1*6"),
    ("docker/syslog-unix", "S6"),
    ("docker/syslog-unixgram", "S1*6"),
    ("fluent-bit/forward-ack", "Foreign(Fluentd)"),
    ("fluent-bit/forward-gzip", "Foreign(Fluentd)"),
    ("fluent-bit/forward", "Foreign(Fluentd)"),
    ("fluent-bit/gelf-tcp", "J4"),
    ("fluent-bit/gelf-udp-chunked", "Foreign(GelfChunk)*2"),
    ("fluent-bit/gelf-udp-plain", "J1*4"),
    ("fluent-bit/gelf-udp", "Gzip*4"),
    ("fluent-bit/otlp-logs-http2.c1", "Foreign(Http2)"),
    ("fluent-bit/syslog-defaults-tcp", "S3"),
    ("fluent-bit/syslog-maxsize-udp", "S1*1"),
    ("fluent-bit/syslog-rfc3164-tcp", "S3P1S1"),
    ("fluent-bit/syslog-rfc3164-udp", "S1*4"),
    ("fluent-bit/syslog-rfc5424-tcp", "S3P1S1"),
    ("fluent-bit/syslog-rfc5424-udp", "S1*4"),
    ("fluent-bit/tcp-json-lines", "J4"),
    ("fluent-bit/tcp-msgpack", "Foreign(Msgpack)"),
    ("fluent-bit/tcp-raw", "P4"),
    ("journalctl/pipe-cat", "P6"),
    ("journalctl/pipe-export", "P68"),
    ("journalctl/pipe-json-seq", "J5"),
    ("journalctl/pipe-json-sse", "P5"),
    ("journalctl/pipe-json", "J5"),
    ("journalctl/pipe-short-full", "P6"),
    ("journalctl/pipe-short-iso-precise", "P6"),
    ("journalctl/pipe-short", "P6"),
    ("journalctl/pipe-with-unit", "P6"),
    ("journald/native-protocol", "P3*1 P6*1"),
    ("logger/neither-tcp-nor-udp", "S1*1"),
    ("logger/tcp-default", "S1"),
    ("logger/tcp-long-size", "S1"),
    ("logger/tcp-long", "S3"),
    ("logger/tcp-prio-prefix", "S4"),
    ("logger/tcp-rfc3164-octet", "S1"),
    ("logger/tcp-rfc3164", "S1"),
    ("logger/tcp-rfc5424-bare", "S1"),
    ("logger/tcp-rfc5424-notq", "S1"),
    ("logger/tcp-rfc5424-octet", "S1"),
    ("logger/tcp-rfc5424-sd", "S1"),
    ("logger/tcp-rfc5424", "S1"),
    ("logger/tcp-stdin-skip-empty-octet", "S3"),
    ("logger/tcp-stdin", "S4"),
    ("logger/udp-default", "S1*1"),
    ("logger/udp-long", "S1*3"),
    ("logger/udp-rfc3164", "S1*1"),
    ("logger/udp-rfc5424-octet", "S1*1"),
    ("logger/udp-rfc5424", "S1*1"),
    ("logger/udp-stdin", "S1*4"),
    ("logger/unix-dgram-rfc5424", "S1*1"),
    ("logger/unix-dgram-stdin", "S1*4"),
    ("logger/unix-dgram", "S1*1"),
    ("logger/unix-socat", "S1"),
    ("logger/unix-stream-stdin", "S4"),
    ("logger/unix-stream", "S1"),
    ("nc/lines-crlf-tcp", "P2"),
    ("nc/lines-tcp", "P3"),
    ("nc/lines-udp", "P2*1"),
    ("python-logging/datagramhandler", "Foreign(Pickle)*7"),
    ("python-logging/sockethandler", "Foreign(Pickle)"),
    ("python-logging/sysloghandler-tcp-bare", "S1P4"),
    ("python-logging/sysloghandler-tcp-lf", "S4P1S3P3"),
    ("python-logging/sysloghandler-tcp", "S7"),
    ("python-logging/sysloghandler-udp-tag", "S1*7"),
    ("python-logging/sysloghandler-udp", "S1*7"),
    ("python-logging/sysloghandler-unix-dgram", "S1*7"),
    ("python-logging/sysloghandler-unix-stream", "S7"),
    ("rsyslog/imfile-tcp", "S4"),
    ("rsyslog/omfwd-tcp-default", "S6"),
    ("rsyslog/omfwd-tcp-forwardformat", "S6"),
    ("rsyslog/omfwd-tcp-json-template", "J6"),
    ("rsyslog/omfwd-tcp-long", "S1"),
    ("rsyslog/omfwd-tcp-nul", "S6"),
    ("rsyslog/omfwd-tcp-restart.c1", "S1"),
    ("rsyslog/omfwd-tcp-restart.c2", "S11"),
    ("rsyslog/omfwd-tcp-rfc5424-octet", "S6"),
    ("rsyslog/omfwd-tcp-rfc5424", "S6"),
    ("rsyslog/omfwd-tcp-stream-zlib-noflush", "Foreign(Zlib)"),
    ("rsyslog/omfwd-tcp-stream-zlib", "Foreign(Zlib)"),
    ("rsyslog/omfwd-tcp-traditional-octet", "S6"),
    ("rsyslog/omfwd-tcp-traditional", "S6"),
    ("rsyslog/omfwd-tcp-ziplevel-octet", "Z1S1Z1"),
    ("rsyslog/omfwd-tcp-ziplevel", "Z1S1Z1"),
    ("rsyslog/omfwd-udp-default", "S1*6"),
    ("rsyslog/omfwd-udp-rfc5424", "S1*6"),
    ("rsyslog/omfwd-udp-ziplevel", "Z1*1 S1*1 Z1*1"),
    ("rsyslog/omuxsock", "S1*6"),
    ("wget/gnu-get", "Foreign(Http)"),
];

/// One connection or datagram socket: name, transport, and what was written at a time.
struct Capture {
    name: String,
    is_stream: bool,
    writes: Vec<Vec<u8>>,
}

fn captures() -> Vec<Capture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    let index = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
    let capture = |row: &str| {
        let [name, transport, lengths] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("a row of three: {row}");
        };
        let bytes = std::fs::read(folder.join(format!("{name}.req"))).unwrap();
        let mut rest = bytes.as_slice();
        let writes = lengths.split(',').map(|length| {
            let (write, more) = rest.split_at(length.parse().unwrap());
            rest = more;
            write.to_vec()
        });
        let writes = writes.collect();
        assert_eq!(rest, b"", "{name}: the index does not cover it");
        let is_stream = matches!(transport, "tcp" | "unix");
        Capture { name: name.to_owned(), is_stream, writes }
    };
    index.lines().map(capture).collect()
}

/// As `S3P1`: how many records of a kind follow each other.
fn kinds(shown: &[String]) -> String {
    let letters = shown.iter().map(|record| match record.split_once(' ') {
        Some((kind, _)) => kind,
        None => record,
    });
    let letters: Vec<&str> = letters.collect();
    letters
        .chunk_by(|left, right| left == right)
        .map(|chunk| match chunk {
            [name] if name.len() > 2 => (*name).to_owned(),
            _ => format!("{}{}", chunk[0], chunk.len()),
        })
        .collect()
}

/// What a datagram is, as [`kinds`] has it.
fn datagram_kinds(bytes: &[u8]) -> String {
    match datagram(bytes) {
        Datagram::Syslog(_) => "S1".to_owned(),
        Datagram::Compressed(_) => "Z1".to_owned(),
        Datagram::Gzip(_) => "Gzip".to_owned(),
        Datagram::Foreign(foreign) => format!("Foreign({foreign:?})"),
        Datagram::Frames => kinds(&split(FrameCodec::of_text(LINE_BYTES_DEFAULT), &[bytes]).shown),
    }
}

/// What all of a capture is, as [`EXPECTED`] has it.
fn read(capture: &Capture) -> String {
    if !capture.is_stream {
        let each: Vec<String> = capture.writes.iter().map(|one| datagram_kinds(one)).collect();
        let runs = each.chunk_by(|left, right| left == right);
        let shown: Vec<String> = runs.map(|run| format!("{}*{}", run[0], run.len())).collect();
        return shown.join(" ");
    }
    let codec = FrameCodec::new(Framing::Auto, LINE_BYTES_DEFAULT);
    let writes: Vec<&[u8]> = capture.writes.iter().map(Vec::as_slice).collect();
    let outcome = split(codec, &writes);
    let whole = capture.writes.concat();
    assert_eq!(outcome, split(codec, &[&whole]), "{}: whole", capture.name);
    let bytes: Vec<&[u8]> = whole.chunks(1).collect();
    assert_eq!(outcome, split(codec, &bytes), "{}: byte by byte", capture.name);
    assert_eq!((outcome.dropped, outcome.resyncs), (0, 0), "{}", capture.name);
    kinds(&outcome.shown)
}

#[test]
fn every_capture_holds_what_its_sender_sent() {
    let read: Vec<(String, String)> =
        captures().iter().map(|capture| (capture.name.clone(), read(capture))).collect();
    let read: Vec<(&str, &str)> =
        read.iter().map(|(name, kinds)| (name.as_str(), kinds.as_str())).collect();
    assert_eq!(read, EXPECTED);
}

/// Nothing stands between these messages but the next `<PRI>`, which text may hold as well.
#[test]
fn messages_with_nothing_between_them_stay_one_record() {
    let bare = "python-logging/sysloghandler-tcp-bare";
    let capture = captures().into_iter().find(|capture| capture.name == bare).unwrap();
    let writes: Vec<&[u8]> = capture.writes.iter().map(Vec::as_slice).collect();
    let outcome = split(FrameCodec::new(Framing::Auto, LINE_BYTES_DEFAULT), &writes);
    let first = "S <15>debug line<14>request 1 served in 7 ms<11>payment timeout user=42";
    assert_eq!(outcome.shown[0], format!("{first}<12>stack trace:"));
}
