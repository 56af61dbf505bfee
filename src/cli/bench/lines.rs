//! The lines that are sent: a ring of log lines that look real and are all of one length, so that
//! a number of bytes sent is a number of lines. They are plain, or syslog, or JSON ([`Shape`]).

/// Bytes of the longest single write taken from a ring.
pub const WRITE_BYTES_MAX: usize = 256 << 10;

/// How many bytes of different lines a ring holds: more than a core's private cache is fast for,
/// less than would make the generator slower than what it measures.
const RING_BYTES: usize = 4_000_000;

/// How many lines in a row are of one service: a connection brings the lines of one program, not
/// a shuffle of all there are.
const SERVICE_LINES: usize = 500;

/// What services write: what stands before a message, and the messages. `{t}` becomes a time,
/// `{L}` a level in capitals, `{l}` one in small letters, `{n}` a number, `{x}` a hexadecimal id,
/// `{w}` a word.
const SERVICES: &[(&str, &[&str])] = &[
    (
        "2026-11-20 {t},{n} {L} [http-nio-{n}] c.e.orders.OrderService - ",
        &[
            "order {x} accepted for customer {n} in {n} ms",
            "stock of {w} reserved, {n} left, order {x}",
            "retrying {w} for order {x}, attempt {n} of {n}",
        ],
    ),
    (
        "ts=2026-11-20T{t}.{n}Z caller=compact.go:{n} level={l} component={w} ",
        &["msg=\"write block\" ulid={x} took={n}ms", "msg=\"flush\" series={n} bytes={n} id={x}"],
    ),
    (
        "{\"time\":\"2026-11-20T{t}Z\",\"level\":\"{l}\",\"service\":\"{w}\",",
        &[
            "\"trace\":\"{x}\",\"status\":{n},\"bytes\":{n}}",
            "\"msg\":\"cache refreshed\",\"keys\":{n}}",
        ],
    ),
    (
        "10.0.{n}.{n} - - [20/Nov/2026:{t} +0000] \"GET /api/v1/{w}/{x} HTTP/1.1\" ",
        &[
            "200 {n} \"-\" \"curl/8.{n}\"",
            "304 0 \"-\" \"Mozilla/5.0\"",
            "404 {n} \"-\" \"Go-http\"",
        ],
    ),
    (
        "Nov 20 {t} web-{n} sshd[{n}]: ",
        &[
            "Accepted publickey for {w} from 10.{n}.{n}.{n} port {n} ssh2: {x}",
            "pam_unix(sshd:session): session opened for user {w} by (uid={n})",
        ],
    ),
    (
        "2026/11/20 {t} [{l}] {n}#{n}: *{n} ",
        &[
            "upstream {w} keepalive {x} closed after {n} requests",
            "client 10.{n}.{n}.{n} gone: {x}",
        ],
    ),
    (
        "2026-11-20 {t},{n} - billing.worker - {L} - ",
        &["invoice {x} of {w} sent in {n} ms", "queue {w} holds {n} jobs, oldest {n} s, run {x}"],
    ),
    (
        "I1120 {t}.{n}       1 reconciler.go:{n}] ",
        &[
            "\"Volume attached\" pod=\"{w}-{x}\" node=\"n{n}\"",
            "operation of {w} took {n} ms ({x})",
        ],
    ),
];

/// Levels as services use them: of a hundred lines, so many; the last is the severity of RFC 5424.
const LEVELS: &[(usize, &str, &str, u8)] = &[
    (80, "INFO", "info", 6),
    (10, "DEBUG", "debug", 7),
    (7, "WARN", "warn", 4),
    (3, "ERROR", "error", 3),
];

/// Words that fill `{w}`.
const WORDS: &[&str] = &[
    "billing",
    "catalog",
    "session",
    "inventory",
    "shipping",
    "search",
    "profile",
    "gateway",
    "ledger",
    "metrics",
    "Cleanup",
    "Reindex",
    "frontend",
    "mailer",
];

/// What relays forward: messages without what a header says.
const MESSAGES: &[&str] = &[
    "Accepted publickey for {w} from 10.{n}.{n}.{n} port {n} ssh2: {x}",
    "connection {x} to upstream {w} closed after {n} requests, {n} bytes",
    "slow query on {w}: {n} ms, {n} rows, trace {x}",
    "lease of 10.0.{n}.{n} renewed for {w}, {n} s left",
];

/// How many devices a relay forwards for: each has a host and an application of its own.
const DEVICES: usize = 16;

/// Of so many JSON lines one has a status of 500 or more.
pub const JSON_LINES_PER_FAILURE: usize = 100;

/// The status of the other JSON lines.
const STATUSES: &[u16] = &[200, 200, 200, 201, 204, 301, 304, 400, 404, 429];

/// What the lines of a ring are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// What services write, ended by LF.
    Plain,
    /// RFC 5424, ended by LF.
    Rfc5424,
    /// RFC 5424 behind its octet count (RFC 6587, section 3.4.1), ended by nothing.
    Counted5424,
    /// RFC 3164, ended by LF.
    Rfc3164,
    /// One flat JSON object with one inside it, ended by LF.
    Json,
    /// One flat JSON object as shippers send them, with `_time` and `_msg`, ended by LF.
    Shipped,
    /// The same for Elasticsearch: `@timestamp` and `message`.
    Document,
}

impl Shape {
    /// A question that finds a line only where the server has understood this shape.
    pub fn proof(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Rfc5424 | Self::Counted5424 | Self::Rfc3164 => {
                Some("QUERY host=edge-07 app=gateway facility=local0 limit=1")
            }
            Self::Json => Some("QUERY field.user.name=ledger field.status=200 limit=1"),
            Self::Shipped => Some("QUERY service=ledger field.status=200 limit=1"),
            Self::Document => Some("QUERY index=logs field.status=200 limit=1"),
        }
    }
}

/// A ring of lines of equal length. Each connection has its own place in it.
pub struct Lines {
    /// The lines, then the ring's first [`WRITE_BYTES_MAX`] bytes once more, so that a write never
    /// has to be put together from two ends.
    bytes: Vec<u8>,
    /// Bytes of the ring proper: a multiple of `line_bytes`.
    ring_bytes: usize,
    line_bytes: usize,
}

impl Lines {
    /// Makes plain lines of `line_bytes` bytes each, the newline counted; at least 2 are needed
    /// for a line that is a record.
    pub fn new(line_bytes: usize) -> Self {
        Self::shaped(Shape::Plain, line_bytes)
    }

    /// Makes lines of `shape`, `line_bytes` bytes each with all that frames them. What a shape
    /// cannot do without makes 120 bytes of syslog, 300 of JSON, or 140 of a shipped object, the
    /// least that is whole.
    pub fn shaped(shape: Shape, line_bytes: usize) -> Self {
        let line_bytes = line_bytes.max(2);
        let count = (RING_BYTES / line_bytes).max(8);
        let ring_bytes = count * line_bytes;
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut bytes = Vec::with_capacity(ring_bytes + WRITE_BYTES_MAX);
        for line in 0..count {
            let end = bytes.len() + line_bytes;
            match shape {
                Shape::Plain => write_plain(line, end, &mut random, &mut bytes),
                Shape::Json => write_json(line, end, &mut random, &mut bytes),
                Shape::Shipped | Shape::Document => {
                    write_shipped(shape, line, end, &mut random, &mut bytes);
                }
                _ => write_syslog(shape, line, end, &mut random, &mut bytes),
            }
        }
        while bytes.len() < ring_bytes + WRITE_BYTES_MAX {
            let missing = ring_bytes + WRITE_BYTES_MAX - bytes.len();
            bytes.extend_from_within(..missing.min(ring_bytes));
        }
        Self { bytes, ring_bytes, line_bytes }
    }

    /// Bytes of a line, its newline counted.
    pub fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    /// The ring once, from its first line to its last.
    pub fn ring(&self) -> &[u8] {
        &self.bytes[..self.ring_bytes]
    }

    /// The `count` bytes (at most [`WRITE_BYTES_MAX`]) that follow after `sent` bytes.
    pub fn after(&self, sent: u64, count: usize) -> &[u8] {
        let start = usize::try_from(sent % self.ring_bytes as u64).unwrap_or(0);
        &self.bytes[start..start + count.min(WRITE_BYTES_MAX)]
    }

    /// The place of the `index`th of `of` evenly spread starting lines, in bytes.
    pub fn start(&self, index: usize, of: usize) -> u64 {
        let lines = self.ring_bytes / self.line_bytes;
        (lines * index / of.max(1) * self.line_bytes) as u64
    }
}

/// Appends messages until `end`, where the last is cut.
fn write_messages(messages: &[&str], end: usize, random: &mut Random, out: &mut Vec<u8>) {
    while out.len() < end {
        write_shape(messages[random.below(messages.len())], random, out);
        out.push(b' ');
    }
    out.truncate(end);
}

/// Appends the line of that number as a service writes it.
fn write_plain(line: usize, end: usize, random: &mut Random, out: &mut Vec<u8>) {
    let (head, messages) = SERVICES[line / SERVICE_LINES % SERVICES.len()];
    write_shape(head, random, out);
    write_messages(messages, end - 1, random, out);
    out.push(b'\n');
}

/// Appends the message of that number as a relay forwards it: each is of another device, some
/// microseconds after the one before.
fn write_syslog(shape: Shape, line: usize, end: usize, random: &mut Random, out: &mut Vec<u8>) {
    let is_counted = shape == Shape::Counted5424;
    if is_counted {
        let bytes = end - out.len();
        let digits =
            (1..bytes).find(|digits| (bytes - digits - 1).ilog10() as usize + 1 == *digits);
        out.extend_from_slice(format!("{} ", bytes - digits.unwrap_or(1) - 1).as_bytes());
    }
    let device = random.below(DEVICES);
    let priority = 16 * 8 + level(random).3;
    let (host, app) = (format!("edge-{device:02}"), WORDS[device % WORDS.len()]);
    let (pid, us) = (1_000 + device, line * 37);
    let (minute, second, us) = (us / 60_000_000 % 60, us / 1_000_000 % 60, us % 1_000_000);
    let head = if shape == Shape::Rfc3164 {
        format!("<{priority}>Nov 20 16:{minute:02}:{second:02} {host} {app}[{pid}]: ")
    } else {
        format!(
            "<{priority}>1 2026-11-20T16:{minute:02}:{second:02}.{us:06}Z {host} {app} {pid} - - "
        )
    };
    out.extend_from_slice(head.as_bytes());
    write_messages(MESSAGES, if is_counted { end } else { end - 1 }, random, out);
    if !is_counted {
        out.push(b'\n');
    }
}

/// Appends the object of that number. Its other numbers are as often 500 or more as any.
fn write_json(line: usize, end: usize, random: &mut Random, out: &mut Vec<u8>) {
    let is_failure = line.is_multiple_of(JSON_LINES_PER_FAILURE);
    let (status, level) = if is_failure {
        (500 + random.below(5), "error")
    } else {
        (usize::from(STATUSES[random.below(STATUSES.len())]), level(random).2)
    };
    let shape = "{\"time\":\"2026-11-20T{t}.{n}Z\",\"level\":\"";
    write_shape(shape, random, out);
    out.extend_from_slice(level.as_bytes());
    write_shape(
        "\",\"service\":\"{w}\",\"method\":\"GET\",\"path\":\"/api/v1/{w}/{x}\",",
        random,
        out,
    );
    out.extend_from_slice(format!("\"status\":{status},").as_bytes());
    let rest = "\"duration_ms\":{n},\"bytes\":{n},\"user\":{\"id\":{n},\"name\":\"{w}\"},\
                \"trace\":\"{x}\",\"msg\":\"";
    write_shape(rest, random, out);
    write_messages(MESSAGES, end - 3, random, out);
    out.extend_from_slice(b"\"}\n");
}

/// Appends the object of that number as a shipper sends it: a service's lines in a row.
fn write_shipped(shape: Shape, line: usize, end: usize, random: &mut Random, out: &mut Vec<u8>) {
    let (time, message) = match shape {
        Shape::Document => ("@timestamp", "message"),
        _ => ("_time", "_msg"),
    };
    let service = WORDS[line / SERVICE_LINES % WORDS.len()];
    let (level, status) = (level(random).2, STATUSES[random.below(STATUSES.len())]);
    let (second, ms) = (line / 1_000 % 60, line % 1_000);
    let head = format!(
        "{{\"{time}\":\"2026-11-20T16:03:{second:02}.{ms:03}Z\",\"level\":\"{level}\",\
         \"service\":\"{service}\",\"status\":{status},\"{message}\":\""
    );
    out.extend_from_slice(head.as_bytes());
    write_messages(MESSAGES, end - 3, random, out);
    out.extend_from_slice(b"\"}\n");
}

/// Appends `shape` with its places filled.
fn write_shape(shape: &str, random: &mut Random, out: &mut Vec<u8>) {
    let mut rest = shape;
    while let Some(open) = rest.find('{') {
        out.extend_from_slice(&rest.as_bytes()[..open]);
        let place = &rest[open..];
        let Some(value) = place.get(..3).and_then(|place| fill(place, random)) else {
            out.push(b'{');
            rest = &place[1..];
            continue;
        };
        out.extend_from_slice(value.as_bytes());
        rest = &place[3..];
    }
    out.extend_from_slice(rest.as_bytes());
}

/// A value for a place of a shape; `None` for a brace that is none.
fn fill(place: &str, random: &mut Random) -> Option<String> {
    let value = match place {
        "{n}" => random.below(1_000).to_string(),
        "{x}" => format!("{:012x}", random.next() >> 16),
        "{w}" => WORDS[random.below(WORDS.len())].to_owned(),
        "{t}" => format!("16:{:02}:{:02}", random.below(60), random.below(60)),
        "{L}" => level(random).1.to_owned(),
        "{l}" => level(random).2.to_owned(),
        _ => return None,
    };
    Some(value)
}

/// One of [`LEVELS`], as often as it is said there.
fn level(random: &mut Random) -> (usize, &'static str, &'static str, u8) {
    let mut left = random.below(100);
    for level in LEVELS {
        match left.checked_sub(level.0) {
            Some(rest) => left = rest,
            None => return *level,
        }
    }
    LEVELS[0]
}

/// A small generator (xorshift64*): the same lines on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_as_long_as_asked() {
        let lines = Lines::new(100);
        assert_eq!(lines.ring().len() % 100, 0);
        assert!(lines.ring().chunks(100).all(|line| {
            line.last() == Some(&b'\n') && !line[..99].contains(&b'\n') && line.is_ascii()
        }));
    }

    #[test]
    fn every_shape_is_whole() {
        let lines = |shape, bytes| {
            let lines = Lines::shaped(shape, bytes);
            assert_eq!(lines.ring().len() % bytes, 0);
            let line = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
            lines.ring().chunks(bytes).map(line).collect::<Vec<_>>()
        };
        for line in lines(Shape::Rfc5424, 150) {
            assert!(line.starts_with("<13") && line.contains(">1 2026-11-20T16:"), "{line}");
            assert!(line.find('\n') == Some(149) && line.contains(" - - "), "{line}");
        }
        for line in lines(Shape::Counted5424, 150) {
            assert!(line.starts_with("146 <13") && !line.contains('\n'), "{line}");
        }
        for line in lines(Shape::Rfc3164, 150) {
            assert!(line.contains(">Nov 20 16:") && line.find('\n') == Some(149), "{line}");
        }
        for shape in [Shape::Rfc5424, Shape::Counted5424, Shape::Rfc3164] {
            let is_proof = |line: &String| line.contains(" edge-07 gateway");
            assert!(
                lines(shape, 150).iter().any(is_proof),
                "{shape:?} has what its proof asks for"
            );
        }
        let json = lines(Shape::Json, 300);
        let is_proof = |line: &&String| line.contains("ledger") && line.contains(":200,");
        assert!(json.iter().find(is_proof).is_some());
        assert!(json.iter().all(|line| line.starts_with('{') && line.ends_with("\"}\n")));
        let failures = json.iter().filter(|line| line.contains("\"status\":50")).count();
        assert_eq!(failures, json.len().div_ceil(JSON_LINES_PER_FAILURE));
    }

    #[test]
    fn a_write_goes_on_over_the_end_of_the_ring() {
        let lines = Lines::new(100);
        let ring = lines.ring().len() as u64;
        let piece = lines.after(ring - 50, 200);
        assert_eq!(&piece[..50], &lines.ring()[lines.ring().len() - 50..]);
        assert_eq!(&piece[50..], &lines.ring()[..150]);
    }

    #[test]
    fn lines_longer_than_the_ring_still_make_one() {
        let lines = Lines::new(3_000_000);
        assert_eq!(lines.after(0, 10).len(), 10);
        assert_eq!(Lines::new(0).line_bytes(), 2);
    }

    #[test]
    fn connections_start_at_lines() {
        let lines = Lines::new(100);
        for index in 0..50 {
            assert_eq!(lines.start(index, 50) % 100, 0);
        }
    }
}
