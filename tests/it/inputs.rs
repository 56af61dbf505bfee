//! Where logs come in beside the log port: datagrams, Unix sockets, the kernel's log.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use nix::sys::signal::Signal;

use crate::peer::Peer;
use crate::program::{ok, run, run_with};
use crate::support::{
    DEADLINE, Server, listeners, segment_file, setup, start, start_in, temp_dir, wait_until,
};

/// A socket that sends to the server's UDP port.
fn udp(server: &Server) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.syslog("udp")).unwrap();
    socket
}

/// A socket that sends to the one at `path`.
fn unix(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(path).unwrap();
    socket
}

/// Sends `bytes` to a stream and waits until the server has closed it: all is stored then.
#[track_caller]
fn send_stream(mut stream: UnixStream, bytes: &[u8]) -> Vec<u8> {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    said
}

/// What this machine calls itself.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

/// Whether the segment in `dir` knows a stream whose labels hold this.
fn knows_labels(dir: &Path, labels: &str) -> bool {
    let bytes = std::fs::read(segment_file(dir)).unwrap();
    let labels = labels.replace(' ', "\0");
    bytes.windows(labels.len()).any(|window| window == labels.as_bytes())
}

/// A path of at most the bytes that a socket's may have, below `dir`.
fn socket_in(dir: &Path, name: &str) -> (std::path::PathBuf, String) {
    let path = dir.join(name);
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}

#[test]
fn every_way_in_is_stored_with_its_sender_and_transport() {
    let dir = temp_dir();
    let (datagrams, datagrams_text) = socket_in(dir.path(), "log");
    let (streams, streams_text) = socket_in(dir.path(), "stream");
    let args = ["--syslog", "127.0.0.1:0", "--unix", &datagrams_text, "--unix"];
    let streams_flag = format!("stream:{streams_text}");
    let ring = dir.path().join("ring");
    std::fs::create_dir(&ring).unwrap();
    let server = start_in(&ring, 4, &[&args[..], &[&streams_flag]].concat());
    udp(&server).send(b"by udp").unwrap();
    server.wait_count(1);
    unix(&datagrams).send(b"by a Unix datagram\n").unwrap();
    server.wait_count(2);
    assert!(send_stream(UnixStream::connect(&streams).unwrap(), b"by a Unix stream").is_empty());
    let mut peer = Peer::to(server.syslog("tcp"));
    peer.write("by syslog's tcp\n");
    assert!(peer.finish().is_empty());
    let here = host_name();
    let lines = ["by udp", "by a Unix datagram", "by a Unix stream", "by syslog's tcp"];
    assert_eq!(server.messages("QUERY"), lines);
    assert_eq!(server.messages("QUERY source=127.0.0.1"), [lines[0], lines[3]]);
    assert_eq!(server.messages(&format!("QUERY source={here}")), [lines[1], lines[2]]);
    for labels in [
        "host=127.0.0.1 transport=udp",
        "host=127.0.0.1 transport=tcp",
        &format!("host={here} transport=unix"),
    ] {
        assert!(knows_labels(&ring, labels), "{labels}");
    }
    assert_eq!(server.stat("Datagrams"), 2);
}

#[test]
fn one_port_is_opened_for_both_protocols_and_at_every_address() {
    let server = start(&["--syslog", "0", "--syslog", "udp://127.0.0.1:0"]);
    let places = listeners(&server.stderr(), "syslog");
    let port = server.syslog("tcp").port();
    assert_eq!(places.iter().filter(|place| place.port() != port).count(), 1, "{places:?}");
    assert_eq!(server.syslog("udp").port(), port);
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    if !places.contains(&v6) {
        return println!("no IPv6 on this machine");
    }
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.send_to(b"from v6", v6).unwrap();
    server.wait_count(1);
    assert_eq!(server.messages("QUERY source=::1"), ["from v6"]);
}

#[test]
fn every_listener_is_told_however_many_there_are() {
    let place = ["--syslog", "127.0.0.1:0"];
    let server = start(&place.repeat(12));
    assert_eq!(listeners(&server.stderr(), "syslog").len(), 24);
}

#[test]
fn a_datagram_may_hold_several_lines_and_concerns_no_other() {
    let server = start(&["--syslog", "udp://127.0.0.1:0", "--max-line", "100"]);
    let socket = udp(&server);
    socket.send(b"").unwrap();
    socket.send(b"one\ntwo\r\nthree").unwrap();
    socket.send(&[b'x'; 300]).unwrap();
    socket.send(b"the next is whole").unwrap();
    server.wait_count(5);
    let messages = server.messages("QUERY");
    assert_eq!(messages[..3], ["one", "two", "three"]);
    assert_eq!(messages[3], format!("{}...", "x".repeat(100)));
    assert_eq!(messages[4], "the next is whole");
    assert_eq!((server.stat("Datagrams"), server.stat("Cut")), (4, 1));
}

#[test]
fn the_largest_datagram_is_stored_whole() {
    let server = start(&["--syslog", "udp://127.0.0.1:0"]);
    let text: Vec<u8> = (0..65_507u32).map(|at| b'a' + (at % 26) as u8).collect();
    let socket = udp(&server);
    for count in 1..=3 {
        socket.send(&text).unwrap();
        socket.send(b"small").unwrap();
        server.wait_count(2 * count);
    }
    let one = [&text[..], b"\nsmall\n"].concat();
    assert_eq!(server.raw(), [&one[..], &one, &one].concat());
    assert_eq!((server.stat("DatagramsCut"), server.stat("Cut")), (0, 0));
}

#[test]
fn a_datagram_over_the_limit_is_stored_as_cut_and_counted() {
    let dir = temp_dir();
    let (path, text) = socket_in(dir.path(), "log");
    let server = start(&["--unix", &text]);
    let socket = unix(&path);
    socket.send(&[&b"first\n"[..], &[b'y'; 100_000]].concat()).unwrap();
    socket.send(b"after it").unwrap();
    server.wait_count(3);
    let kept = (64 << 10) - b"first\n".len();
    let expected = format!("first\n{}...\nafter it\n", "y".repeat(kept));
    assert!(server.raw() == expected.as_bytes(), "{:?}", server.messages("COUNT"));
    assert_eq!((server.stat("DatagramsCut"), server.stat("Cut")), (1, 1));
}

#[test]
fn a_flood_of_datagrams_is_stored_or_counted() {
    const SENT: u64 = 20_000;
    let server = start(&["--syslog", "udp://127.0.0.1:0"]);
    let socket = udp(&server);
    let text = "x".repeat(140);
    for number in 0..SENT {
        socket.send(format!("{number} {text}").as_bytes()).unwrap();
        if number % 5_000 == 4_999 {
            // Questions are answered meanwhile, and a pause between bursts.
            assert!(server.ask("PING").starts_with("PONG"));
        }
    }
    let (lines, dropped) = wait_until("every datagram stored or counted", || {
        let stats = server.stats();
        let stat = |name: &str| stats[name].parse::<u64>().unwrap();
        assert_eq!(stat("Datagrams"), stat("Lines"));
        let both = (stat("Lines"), stat("DatagramsDropped"));
        assert!(both.0 + both.1 <= SENT, "{both:?}");
        (both.0 + both.1 == SENT).then_some(both)
    });
    println!("{lines} stored, {dropped} dropped by the kernel");
    if dropped > 0 {
        server.wait_stderr("datagrams_dropped");
    }
    let numbers: Vec<u64> = server
        .messages("QUERY")
        .iter()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "in the order of sending");
}

#[test]
fn datagrams_wait_for_a_slow_disk_and_none_that_was_received_is_lost() {
    const SENT: u64 = 3_000;
    let dir = temp_dir();
    let args = ["--syslog", "udp://127.0.0.1:0", "--dirty-max", "64K", "--sync", "interval:50"];
    let server = start_in(dir.path(), 8, &args);
    let socket = udp(&server);
    for number in 0..SENT {
        socket.send(format!("{number}\n{}", "z".repeat(500)).as_bytes()).unwrap();
    }
    wait_until("every datagram stored or counted", || {
        let stats = server.stats();
        let stat = |name: &str| stats[name].parse::<u64>().unwrap();
        (stat("Lines") / 2 + stat("DatagramsDropped") == SENT).then_some(())
    });
    assert!(server.stat("WaitsDirty") > 0);
    let messages = server.messages("QUERY");
    assert_eq!(messages.len() as u64, server.stat("Lines"));
    assert!(messages.chunks(2).all(|pair| pair[1].len() == 500), "records in pairs, as sent");
}

#[test]
fn datagrams_that_have_arrived_are_taken_in_at_a_stop() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 4, &["--syslog", "udp://127.0.0.1:0"]);
    let socket = udp(&server);
    for number in 0..500 {
        socket.send(format!("arrived {number}").as_bytes()).unwrap();
    }
    server.stop();
    let server = start_in(dir.path(), 4, &[]);
    assert_eq!(server.count(), 500);
}

#[test]
fn only_whom_the_rules_let_in_is_stored() {
    let dir = temp_dir();
    let file = dir.path().join("logcaster.toml");
    std::fs::write(&file, "allow = [\"log=10.0.0.0/8\"]\n").unwrap();
    let server = start(&["--syslog", "127.0.0.1:0", "--config", file.to_str().unwrap()]);
    let socket = udp(&server);
    socket.send(b"not from here").unwrap();
    wait_until("a datagram that is refused", || {
        (server.stat("DatagramsRefused") == 1).then_some(())
    });
    let mut stream = TcpStream::connect(server.syslog("tcp")).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "closed");
    std::fs::write(&file, "allow = [\"log=127.0.0.0/8\"]\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_stderr("reloaded");
    socket.send(b"from here").unwrap();
    server.wait_count(1);
    assert_eq!(server.messages("QUERY"), ["from here"]);
    assert_eq!(server.stat("DatagramsRefused"), 1);
}

#[test]
fn a_stale_socket_is_replaced_and_our_own_removed_at_the_end() {
    let dir = temp_dir();
    let (path, text) = socket_in(dir.path(), "log");
    let (questions, questions_text) = socket_in(dir.path(), "questions");
    let args = ["--unix", &text, "--query-socket", &questions_text];
    start(&args).kill();
    assert!(path.exists() && questions.exists(), "a killed server leaves its sockets");
    let server = start(&args);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&questions)), (0o666, 0o660));
    unix(&path).send(b"taken").unwrap();
    server.wait_count(1);
    server.stop();
    assert!(!path.exists() && !questions.exists());
}

#[test]
fn a_place_that_is_taken_is_refused_in_one_line() {
    let dir = temp_dir();
    let (path, text) = socket_in(dir.path(), "file");
    std::fs::write(&path, "precious").unwrap();
    let (used, used_text) = socket_in(dir.path(), "used");
    let _listener = UnixListener::bind(&used).unwrap();
    let before = std::fs::read(&path).unwrap();
    for form in ["", "stream:"] {
        for (text, reason) in [(&text, "no socket"), (&used_text, "another process listens")] {
            let place = format!("{form}{text}");
            let refusal = setup(&["--unix", &place]).refused();
            refusal.is_one_line_with(&[&format!("bind unix:{text}: "), reason]);
        }
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let nowhere = dir.path().join("absent/log");
    let refusal = setup(&["--unix", nowhere.to_str().unwrap()]).refused();
    refusal.is_one_line_with(&["bind unix:", "No such file"]);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = UdpSocket::bind(taken).unwrap();
    let refusal = setup(&["--syslog", &format!("udp://{taken}")]).refused();
    refusal.is_one_line_with(&["bind", &taken.to_string(), "in use"]);
    drop(holder);
    assert!(used.exists(), "what is in use stays");
}

#[test]
fn syslog_connections_count_as_log_clients() {
    let dir = temp_dir();
    let (path, text) = socket_in(dir.path(), "stream");
    let place = format!("unix:stream:{text}");
    let server = start(&["--syslog", &place, "--syslog", "127.0.0.1:0", "--max-clients", "2"]);
    let mut first = UnixStream::connect(&path).unwrap();
    first.write_all(b"over the socket\n").unwrap();
    let mut second = Peer::to(server.syslog("tcp"));
    second.write("over tcp\n");
    server.wait_count(2);
    let clients = server.ask("CLIENTS");
    let uid = path.metadata().unwrap().uid();
    let own = format!("peer=unix:pid:{},uid:{} role=logs", std::process::id(), uid);
    assert!(clients.contains(&own), "{own} is not in:\n{clients}");
    assert_eq!(clients.matches("role=logs").count(), 2, "{clients}");
    for told in [
        send_stream(UnixStream::connect(&path).unwrap(), b""),
        Peer::to(server.syslog("tcp")).finish(),
        Peer::to(server.logs).finish(),
    ] {
        let told = String::from_utf8(told).unwrap();
        assert!(told.starts_with("ERROR: too many clients"), "{told:?}");
    }
}

#[test]
fn clients_reach_a_unix_socket() {
    let dir = temp_dir();
    let (_, logs) = socket_in(dir.path(), "stream");
    let (_, questions) = socket_in(dir.path(), "questions");
    let place = format!("stream:{logs}");
    let server = start(&["--unix", &place, "--query-socket", &questions, "--allow", "query=::1"]);
    let (logs, questions) = (format!("unix:{logs}"), format!("unix:{questions}"));
    let lines: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
    for args in [&["send", "--addr", &logs][..], &["send", "--retry", "--addr", &logs]] {
        assert_eq!(ok(run_with(args, lines.as_bytes())), "");
    }
    assert_eq!(ok(run(&["ping", "--ready", "--addr", &questions])), "PONG ready\n");
    assert_eq!(ok(run(&["query", "--addr", &questions, "COUNT"])), "COUNT: 100000\n");
    let tail = ok(run(&["tail", "-n", "2", "--addr", &questions]));
    assert!(tail.lines().count() == 2 && tail.ends_with("line 49999\n"), "{tail}");
    // Whoever may open the socket may do everything.
    let cleared = ok(run(&["query", "--addr", &questions, "CLEAR"]));
    assert_eq!(cleared, "OK: cleared 100000 logs\n");
    server.stop();
    let gone = run(&["query", "--addr", &questions, "COUNT"]);
    let why =
        format!("logcaster: connect to {questions}: No such file or directory (os error 2)\n");
    assert_eq!((gone.code, gone.stderr), (Some(2), why));
}

#[test]
fn a_socket_of_datagrams_is_named_to_who_wants_a_connection() {
    let dir = temp_dir();
    let (_, text) = socket_in(dir.path(), "log");
    let _server = start(&["--unix", &text]);
    let refused = run_with(&["send", "--addr", &format!("unix:{text}")], b"x\n");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("a socket for datagrams"), "{}", refused.stderr);
}

#[test]
fn the_kernel_log_is_read() {
    let mut first = [0; 8192];
    let readable = std::fs::File::open("/dev/kmsg").and_then(|mut kmsg| kmsg.read(&mut first));
    let Ok(bytes) = readable else {
        return println!("skipped: /dev/kmsg is not readable here: {readable:?}");
    };
    let first = String::from_utf8_lossy(&first[..bytes]).into_owned();
    let text = first.split_once(';').unwrap().1.lines().next().unwrap().to_owned();
    let dir = temp_dir();
    let server = start_in(dir.path(), 4, &["--kmsg"]);
    let seen = wait_until("the first message", || {
        let found = server.messages("QUERY limit=1");
        found.first().cloned()
    });
    assert_eq!(seen, text);
    assert!(knows_labels(dir.path(), &format!("host={} transport=kmsg", host_name())));
    // All that the kernel had said is read before the end.
    server.stop();
    let before = start_in(dir.path(), 4, &[]).count();
    // The same messages are not stored twice; the kernel may have said a few more.
    let server = start_in(dir.path(), 4, &["--kmsg"]);
    server.send("a line\n");
    let after = server.count();
    assert!(after > before && after < before + 100, "{before} before, {after} after");
    assert_eq!(server.messages("QUERY limit=1"), [text]);
}
