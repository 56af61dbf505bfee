//! What real senders put on the wire, replayed byte for byte: which records come out of it, and
//! what is refused. `tests/data/captures/README.md` tells where the bytes are from and how what is
//! expected of them is written.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs::read_to_string;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};

use crate::json;
use crate::support::{DEADLINE, Server, listener, start, temp_dir, wait_until};

/// What the last datagram says: when it is there, so is all before it.
const LAST: &str = "the last datagram";

/// What one sender wrote on one connection or from one datagram socket.
struct Capture {
    name: String,
    transport: String,
    /// One for each of its writes or datagrams.
    writes: Vec<Vec<u8>>,
    records: Vec<Wanted>,
    /// What it is called in our own log, where it is refused.
    refused: Option<String>,
}

/// A record as it must come out.
struct Wanted {
    level: String,
    host: String,
    app: Option<String>,
    facility: Option<String>,
    time: EventTime,
    message: Text,
    text: Text,
}

enum EventTime {
    None,
    At(jiff::Timestamp),
    /// Of some year: what stands behind the year.
    InSomeYear(String),
}

/// A text, of which some in the middle may be left out.
struct Text {
    head: String,
    omitted: Option<usize>,
    tail: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures")
}

/// The captures that came by one of `transports`.
fn captures(transports: &[&str]) -> Vec<Capture> {
    let index = read_to_string(folder().join("index.tsv")).unwrap();
    let mut captures: Vec<Capture> = index.lines().map(Capture::read).collect();
    let wanted = read_to_string(folder().join("expected.tsv")).unwrap();
    let mut at = 0;
    for row in wanted.lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        at += captures[at..].iter().position(|one| one.name == cells[0]).expect("index's order");
        match cells[..] {
            [_, "refused", kind] => captures[at].refused = Some(kind.to_owned()),
            _ => captures[at].records.push(Wanted::read(&cells)),
        }
    }
    captures.retain(|one| transports.contains(&one.transport.as_str()));
    captures
}

impl Capture {
    /// Reads a row of the index and the file it names.
    fn read(row: &str) -> Self {
        let [name, transport, lengths] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row:?}")
        };
        let bytes = std::fs::read(folder().join(format!("{name}.req"))).unwrap();
        let (mut writes, mut rest) = (Vec::new(), &bytes[..]);
        for length in lengths.split(',') {
            let (write, after) = rest.split_at(length.parse().unwrap());
            writes.push(write.to_vec());
            rest = after;
        }
        assert!(rest.is_empty(), "{name}: {} bytes that no write has", rest.len());
        let (name, transport) = (name.to_owned(), transport.to_owned());
        Self { name, transport, writes, records: Vec::new(), refused: None }
    }
}

impl Wanted {
    fn read(cells: &[&str]) -> Self {
        let [_, level, host, app, facility, time, message, text] = *cells else {
            panic!("{cells:?}")
        };
        let said = |cell: &str| (cell != "-").then(|| cell.to_owned());
        let message = if message == "=" { text } else { message };
        Self {
            level: level.to_owned(),
            host: host.to_owned(),
            app: said(app),
            facility: said(facility),
            time: EventTime::read(time),
            message: Text::read(message),
            text: Text::read(text),
        }
    }

    /// What is wrong with `seen`, a record in JSON.
    fn differences(&self, seen: &BTreeMap<String, String>, hosts: &Hosts) -> Vec<String> {
        let mut found = Vec::new();
        let member = |name: &str| seen.get(name).map(String::as_str);
        let mut check = |what: &str, holds: bool, wanted: &dyn Display| {
            if !holds {
                let seen = member(what).map_or("nothing".to_owned(), |text| format!("{text:?}"));
                found.push(format!("{what}: expected {wanted}, seen {seen}"));
            }
        };
        let text = |name| member(name).unwrap_or_default();
        check("msg", self.text.is(text("msg")), &self.text);
        check("_msg", self.message.is(text("_msg")), &self.message);
        check("level", text("level") == self.level, &self.level);
        check("event_time", self.time.is(member("event_time")), &self.time);
        let host = match self.host.as_str() {
            "PEER" => "127.0.0.1",
            "HOSTNAME" => &hosts.own,
            name => name,
        };
        let transport = Some(hosts.transport);
        let (app, facility) = (self.app.as_deref(), self.facility.as_deref());
        let names = ["labels.host", "labels.app", "labels.facility", "labels.transport"];
        for (name, wanted) in names.into_iter().zip([Some(host), app, facility, transport]) {
            check(name, member(name) == wanted, &wanted.unwrap_or("nothing"));
        }
        found
    }
}

impl EventTime {
    fn read(cell: &str) -> Self {
        match cell.strip_prefix("--") {
            _ if cell == "-" => Self::None,
            Some(rest) => Self::InSomeYear(format!("-{rest}")),
            None => Self::At(cell.parse().unwrap()),
        }
    }

    fn is(&self, seen: Option<&str>) -> bool {
        match self {
            Self::None => seen.is_none(),
            Self::At(time) => seen
                .is_some_and(|seen| seen.parse().is_ok_and(|seen: jiff::Timestamp| seen == *time)),
            Self::InSomeYear(rest) => {
                seen.is_some_and(|seen| seen.get(4..).is_some_and(|seen| seen.starts_with(rest)))
            }
        }
    }
}

impl Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nothing"),
            Self::At(time) => time.fmt(f),
            Self::InSomeYear(rest) => write!(f, "YEAR{rest}"),
        }
    }
}

impl Text {
    /// Reads a cell, in which `\t`, `\n`, `\r`, `\\` and `\xHH` stand for bytes and `\{NUMBER}` for
    /// as many that are left out. What is not UTF-8 then becomes what JSON makes of it.
    fn read(cell: &str) -> Self {
        let (mut head, mut omitted, mut text) = (Vec::new(), None, Vec::new());
        let mut rest = cell.bytes();
        while let Some(byte) = rest.next() {
            let escaped = if byte == b'\\' { rest.next() } else { None };
            match escaped {
                None => text.push(byte),
                Some(b't') => text.push(b'\t'),
                Some(b'n') => text.push(b'\n'),
                Some(b'r') => text.push(b'\r'),
                Some(b'\\') => text.push(b'\\'),
                Some(b'x') => {
                    let digits: Vec<u8> = rest.by_ref().take(2).collect();
                    text.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
                }
                Some(b'{') => {
                    let digits: Vec<u8> = rest.by_ref().take_while(|&byte| byte != b'}').collect();
                    omitted = Some(str::from_utf8(&digits).unwrap().parse().unwrap());
                    head = std::mem::take(&mut text);
                }
                Some(other) => panic!("\\{} in {cell:?}", other.escape_ascii()),
            }
        }
        let [head, tail] = [head, text].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Self { head, omitted, tail }
    }

    fn is(&self, seen: &str) -> bool {
        match self.omitted {
            None => seen == self.tail,
            Some(bytes) => {
                seen.len() == self.head.len() + bytes + self.tail.len()
                    && seen.starts_with(&self.head)
                    && seen.ends_with(&self.tail)
            }
        }
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.omitted {
            None => write!(f, "{:?}", self.tail),
            Some(bytes) => write!(f, "{:?}, {bytes} bytes, {:?}", self.head, self.tail),
        }
    }
}

/// A server that takes logs in every way there is.
struct Replayed {
    server: Server,
    syslog: SocketAddr,
    folder: tempfile::TempDir,
}

/// What a stream's label says where the sender names no host, and how its bytes came.
struct Hosts<'a> {
    own: String,
    transport: &'a str,
}

/// A connection, of whatever kind.
trait Stream: Read + Write {
    /// Says that nothing more comes.
    fn shut(&self);
}

impl Stream for TcpStream {
    fn shut(&self) {
        let _closed_by_the_server_already = self.shutdown(Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn shut(&self) {
        let _closed_by_the_server_already = self.shutdown(Shutdown::Write);
    }
}

impl Replayed {
    fn start() -> Self {
        let folder = temp_dir();
        let path = |name| folder.path().join(name).to_str().unwrap().to_owned();
        let [datagrams, stream] = [path("datagrams"), format!("stream:{}", path("stream"))];
        let server = start(&["--syslog", "127.0.0.1:0", "--unix", &datagrams, "--unix", &stream]);
        let syslog = wait_until("the syslog port", || listener(&server.stderr(), "syslog"));
        Self { server, syslog, folder }
    }

    fn connect(&self, to: &str) -> Box<dyn Stream> {
        let tcp = |addr| {
            let stream = TcpStream::connect(addr).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            Box::new(stream)
        };
        match to {
            "log port" => tcp(self.server.logs),
            "syslog port" => tcp(self.syslog),
            _ => {
                let stream = UnixStream::connect(self.folder.path().join("stream")).unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                Box::new(stream)
            }
        }
    }

    /// Writes all of a capture to a connection and waits until the server closes it, which it does
    /// when all of it is stored. With `by_writes`, each write is seen by itself.
    fn stream(&self, capture: &Capture, to: &str, by_writes: bool) {
        let mut stream = self.connect(to);
        if capture.refused.is_some() {
            // The server may close before it has everything.
            let _ = capture.writes.iter().try_for_each(|write| stream.write_all(write));
        } else if by_writes {
            let mut bytes = self.server.stat("BytesIn");
            for write in &capture.writes {
                stream.write_all(write).unwrap();
                bytes += write.len() as u64;
                wait_until(format!("a write of {}", capture.name), || {
                    (self.server.stat("BytesIn") >= bytes).then_some(())
                });
            }
        } else {
            stream.write_all(&capture.writes.concat()).unwrap();
        }
        stream.shut();
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(capture.refused.is_some() || ended.is_ok(), "{}: {ended:?}", capture.name);
    }

    /// Sends the datagrams of a capture, and one more that tells when all of them are stored.
    fn datagrams(&self, capture: &Capture) {
        let last = format!("<14>{LAST}").into_bytes();
        let all = capture.writes.iter().chain([&last]);
        if capture.transport == "udp" {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            all.for_each(|bytes| {
                assert_eq!(socket.send_to(bytes, self.syslog).unwrap(), bytes.len())
            });
        } else {
            let socket = UnixDatagram::unbound().unwrap();
            socket.connect(self.folder.path().join("datagrams")).unwrap();
            all.for_each(|bytes| assert_eq!(socket.send(bytes).unwrap(), bytes.len()));
        }
        wait_until(format!("the last datagram of {}", capture.name), || {
            (self.server.found(&format!("SEARCH {LAST}")).len() == 1).then_some(())
        });
    }

    /// What is wrong with the records that are there, which are then removed.
    fn check(&self, capture: &Capture, how: &str) -> Vec<String> {
        let answer = self.server.found("QUERY format=json");
        let mut seen: Vec<_> = answer.iter().map(|line| json::object(line)).collect();
        if matches!(&*capture.transport, "udp" | "unixgram") {
            seen.retain(|record| !record["msg"].ends_with(LAST));
        }
        assert!(self.server.ask("CLEAR").starts_with("OK"));
        let own = read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
        let transport = capture.transport.trim_end_matches("gram");
        let hosts = Hosts { own, transport };
        let (name, mut found) = (&capture.name, Vec::new());
        for (index, wanted) in capture.records.iter().enumerate() {
            let differences = seen.get(index).map(|seen| wanted.differences(seen, &hosts));
            let missing = || vec![format!("expected {}, seen nothing", wanted.text)];
            let differences = differences.unwrap_or_else(missing);
            let at = format!("{name} ({how}), record {}", index + 1);
            found.extend(differences.into_iter().map(|difference| format!("{at}: {difference}")));
        }
        for (index, seen) in seen.iter().enumerate().skip(capture.records.len()) {
            let at = format!("{name} ({how}), record {}", index + 1);
            found.push(format!("{at}: expected nothing, seen {:?}", seen["msg"]));
        }
        found
    }

    /// Replays a capture in every way it can have come, and tells what is wrong after each.
    fn replay(&self, capture: &Capture) -> Vec<String> {
        let ways: &[(&str, bool)] = match &*capture.transport {
            "tcp" => &[("log port", true), ("log port", false), ("syslog port", true)],
            "unix" => &[("socket", true), ("socket", false)],
            _ => {
                self.datagrams(capture);
                return self.check(capture, "datagrams");
            }
        };
        let way = |&(to, by_writes): &(&str, bool)| {
            self.stream(capture, to, by_writes);
            self.check(capture, &format!("{to}, {}", if by_writes { "by writes" } else { "whole" }))
        };
        ways.iter().flat_map(way).collect()
    }
}

/// Every capture that came by one of `transports` gives its records and nothing else.
#[track_caller]
fn all_come_out(transports: &[&str], count: usize) {
    let captures = captures(transports);
    assert_eq!(captures.len(), count);
    let replayed = Replayed::start();
    let taken = captures.iter().filter(|one| one.refused.is_none());
    none(taken.flat_map(|one| replayed.replay(one)).collect());
}

#[track_caller]
fn none(found: Vec<String>) {
    let shown = &found[..found.len().min(40)];
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), shown.join("\n"));
}

#[test]
fn what_real_senders_write_to_tcp_comes_out_record_by_record() {
    all_come_out(&["tcp"], 68);
}

#[test]
fn what_real_senders_write_to_a_unix_socket_comes_out_record_by_record() {
    all_come_out(&["unix"], 5);
}

#[test]
fn what_real_senders_send_as_datagrams_comes_out_record_by_record() {
    all_come_out(&["udp", "unixgram"], 41);
}

#[test]
fn what_is_no_log_is_not_stored_and_our_own_log_says_what_it_was() {
    let captures = captures(&["tcp", "unix", "udp", "unixgram"]);
    let refused: Vec<&Capture> = captures.iter().filter(|one| one.refused.is_some()).collect();
    assert_eq!(refused.len(), 15);
    for capture in refused {
        // A server for each: a notice may be given once only.
        let replayed = Replayed::start();
        none(replayed.replay(capture));
        let kind = capture.refused.as_deref().unwrap();
        wait_until(format!("a notice that {} is {kind}", capture.name), || {
            let log = replayed.server.stderr();
            log.lines().any(|line| !line.contains("listening") && line.contains(kind)).then_some(())
        });
    }
}
