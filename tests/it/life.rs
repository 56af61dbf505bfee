//! A server's life: how it starts, what signals do, and that nothing around it can stall it.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::json;
use crate::peer::Peer;
use crate::program;
use crate::support::{DEADLINE, Server, setup, start, start_in, temp_dir, wait_until};

#[test]
fn it_listens_soon_after_exec_whatever_the_size() {
    let dir = temp_dir();
    let start = || {
        let begun = Instant::now();
        let server = start_in(dir.path(), 256, &[]);
        let took = begun.elapsed();
        server.kill();
        took
    };
    // The bar of 20 ms is the bench's, on an optimised build; this guards against reading or
    // writing the segment before listening.
    let shortest = (0..5).map(|_| start()).min().unwrap();
    assert!(shortest < Duration::from_millis(150), "{shortest:?}");
}

#[test]
fn a_port_in_use_is_refused_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    for flag in ["-p", "-q"] {
        let refusal = setup(&[flag, &addr.port().to_string()]).refused();
        refusal.is_one_line_with(&["bind", &addr.to_string(), "in use"]);
    }
}

#[test]
fn a_start_that_is_refused_is_no_bug_where_nobody_can_be_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    for stderr in [Stdio::from(writer), Stdio::from(full)] {
        let mut command =
            program::logcaster(&["serve", "-p", &port, "-q", "0", "--http-port", "0"]);
        let mut server = command.stderr(stderr).spawn().unwrap();
        let status = wait_until("the end of a refused start", || server.try_wait().unwrap());
        assert_eq!(status.code(), Some(1));
    }
}

#[test]
fn what_has_arrived_is_taken_in_at_a_stop() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let dir = temp_dir();
        let server = start_in(dir.path(), 4, &[]);
        let mut peers: Vec<Peer> = (0..10).map(|_| server.log_peer()).collect();
        let lines: String = (0..200).map(|n| format!("arrived {n}\n")).collect();
        for peer in &mut peers {
            peer.write(&lines);
        }
        server.signal(signal);
        let exit = server.exit_within(DEADLINE).expect("it ends");
        assert_eq!(exit.code(), Some(0), "{}", server.stderr());
        let server = start_in(dir.path(), 4, &[]);
        assert_eq!(server.count(), 2_000, "what was written before {signal} is there");
    }
}

/// Sends lines until the server says its end, for which it looks before every write as relays do.
/// Returns how many it sent.
fn send_until_told(server: &Server) -> u64 {
    let mut peer = server.log_peer();
    let mut sent = 0;
    loop {
        peer.stream().set_nonblocking(true).unwrap();
        let told = matches!(peer.stream().peek(&mut [0]), Ok(0));
        peer.stream().set_nonblocking(false).unwrap();
        if told {
            return sent;
        }
        let lines: String = (0..100).map(|n| format!("{sent} and {n}\n")).collect();
        peer.write(&lines);
        sent += 100;
    }
}

#[test]
fn a_sender_that_sees_the_stop_loses_nothing() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 64, &[]);
    let sent: u64 = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..3).map(|_| scope.spawn(|| send_until_told(&server))).collect();
        wait_until("senders at work", || (server.count() >= 5_000).then_some(()));
        server.signal(Signal::SIGTERM);
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    let exit = server.exit_within(DEADLINE).expect("it ends");
    assert_eq!(exit.code(), Some(0), "{}", server.stderr());
    let server = start_in(dir.path(), 64, &[]);
    assert_eq!(server.count(), sent);
}

#[test]
fn sigterm_finishes_the_answers() {
    let server = start(&["-s", "8"]);
    let lines: String = (0..50_000).map(|n| format!("line {n:08}\n")).collect();
    server.send_until(&lines, 50_000);
    let mut peer = server.question_peer();
    peer.write("QUERY format=json\n");
    assert_eq!(peer.line().as_deref(), Some("FOUND: 50000 matches"));
    server.signal(Signal::SIGTERM);
    let rest = peer.finish();
    assert_eq!(rest.iter().filter(|&&byte| byte == b'\n').count(), 50_000);
    assert_eq!(server.exit_within(DEADLINE).and_then(|exit| exit.code()), Some(0));
}

/// A server with a reader that never reads the large answer it asked for.
fn with_a_stuck_reader(timeout: &str) -> (Server, Peer) {
    let server = start(&["-s", "16", "--shutdown-timeout", timeout]);
    let lines: String = (0..150_000).map(|n| format!("line {n:08}\n")).collect();
    server.send_until(&lines, 150_000);
    let mut peer = server.question_peer();
    peer.write("QUERY format=json\n");
    peer.line().expect("FOUND");
    (server, peer)
}

/// Waits until nobody can connect any more: the first signal has been heard by then.
fn wait_deaf(server: &Server) {
    wait_until("no listener", || {
        TcpStream::connect(server.logs)
            .is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
            .then_some(())
    });
}

#[test]
fn a_second_signal_ends_at_once() {
    let (server, _stuck) = with_a_stuck_reader("10m");
    server.signal(Signal::SIGTERM);
    wait_deaf(&server);
    assert!(server.is_running(), "an answer is still under way");
    let begun = Instant::now();
    server.signal(Signal::SIGTERM);
    assert!(server.exit_within(DEADLINE).is_some());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn shutdown_timeout_ends_a_reader_that_does_not_read() {
    let (server, _stuck) = with_a_stuck_reader("300ms");
    server.signal(Signal::SIGTERM);
    let exit = server.exit_within(Duration::from_secs(20)).expect("the timeout ends it");
    assert_eq!(exit.code(), Some(0), "{}", server.stderr());
}

#[test]
fn a_tail_does_not_hold_up_the_end() {
    let server = start(&["--shutdown-timeout", "10m"]);
    server.send_until("sentinel\n", 1);
    let mut tail = server.question_peer();
    tail.write("TAIL n=1\n");
    tail.line().expect("the sentinel");
    server.signal(Signal::SIGTERM);
    assert_eq!(tail.rest(), b"");
    assert_eq!(server.exit_within(DEADLINE).and_then(|exit| exit.code()), Some(0));
}

#[test]
fn sighup_reloads_what_can_be_changed_and_names_the_rest() {
    let dir = temp_dir();
    let path = dir.path().join("logcaster.toml");
    std::fs::write(&path, "max-clients = 5\n").unwrap();
    let server = start(&["--config", path.to_str().unwrap()]);
    let _first = server.log_peer();
    wait_until("one client", || (server.stat("Clients") == 1).then_some(()));
    std::fs::write(&path, "max-clients = 1\nsize = \"128M\"\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_stderr("max-clients");
    server.wait_stderr("size");
    let refusal = server.log_peer().rest();
    assert!(!refusal.is_empty(), "one client is there: a second is one too many now");
    std::fs::write(&path, "max-clients = \"many\"\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_stderr("many");
    assert!(!server.log_peer().rest().is_empty(), "a bad file changes nothing");
    assert_eq!(server.ask("PING"), "PONG\n");
}

#[test]
fn sighup_without_a_file_changes_nothing() {
    let server = start(&[]);
    server.signal(Signal::SIGHUP);
    server.wait_stderr("reloaded changed=\"\" needs_restart=\"\"");
    server.send_until("x\n", 1);
}

#[test]
fn sigusr1_writes_the_metrics_beside_the_segment_and_in_memory_to_the_log_only() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 1, &[]);
    server.send_until("x\n", 1);
    server.signal(Signal::SIGUSR1);
    server.wait_stderr("metrics_written");
    let text = std::fs::read_to_string(dir.path().join("metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(metrics["logcaster_logs_total"], 1);
    assert_eq!(metrics["logcaster_persistence_enabled"], 1);
    assert!(server.stderr().contains("Total=1"), "{}", server.stderr());
    // A place that cannot be written to is told, and costs nothing.
    std::fs::remove_file(dir.path().join("metrics.json")).unwrap();
    std::fs::create_dir(dir.path().join("metrics.json")).unwrap();
    server.signal(Signal::SIGUSR1);
    server.wait_stderr("metrics_not_written");
    assert_eq!(server.count(), 1);
    let server = start(&[]);
    server.signal(Signal::SIGUSR1);
    server.wait_stderr("file=\"none: records are kept in memory only\"");
}

#[test]
fn running_out_of_descriptors_only_delays_accepting() {
    // The shell sets the hard limit as well, which the server cannot raise.
    let server = setup(&[]).before("ulimit -n 64").start();
    let mut first = server.log_peer();
    wait_until("one client", || (server.stat("Clients") == 1).then_some(()));
    // The kernel takes all of these; the server has no descriptor for some.
    let many: Vec<Peer> = (0..100).map(|_| server.question_peer()).collect();
    first.write("from one that is in\n");
    let mut patient = server.question_peer();
    patient.write("STATS\n");
    // In this time a loop that spins would turn many thousand times.
    assert!(first.is_quiet_for(Duration::from_millis(500)), "who is in stays in");
    drop(many);
    let answer = String::from_utf8(patient.finish()).unwrap();
    assert!(answer.starts_with("STATS: "), "answered once descriptors are free: {answer:?}");
    server.wait_count(1);
    assert!(server.stat("Turns") < 3_000, "it spun: {:?}", server.stats());
    assert_eq!(server.send("and again\n"), b"");
    server.wait_count(2);
}

#[test]
fn senders_leave_descriptors_for_questions() {
    let server = setup(&[]).before("ulimit -n 64").start();
    let mut many: Vec<Peer> = (0..100).map(|_| server.log_peer()).collect();
    many.iter_mut().for_each(|sender| sender.write("from one of many\n"));
    wait_until("some wait", || (server.stat("AcceptsWithoutDescriptor") > 0).then_some(()));
    let clients = server.stat("Clients");
    assert!((1..48).contains(&clients), "a quarter of 64 stays free: {clients}");
    many.into_iter().for_each(drop);
    // Who had to wait was accepted by the kernel, and comes to its turn.
    server.wait_count(100);
}

#[test]
fn idle_means_idle() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 1, &[]);
    server.send_until("x\n", 1);
    server.ask("SYNC");
    let _log = server.log_peer();
    let mut session = server.session();
    let mut turns = || {
        session.write("STATS\n");
        let line = session.line().unwrap();
        let (_, rest) = line.split_once("Turns=").unwrap_or_else(|| panic!("no Turns: {line}"));
        rest.split(',').next().unwrap().parse::<u64>().unwrap()
    };
    // The sync of the line, the last answers and their timers run out first.
    let (mut quiet, mut idle) = (server.session(), u64::MAX);
    for _ in 0..5 {
        let before = turns();
        assert!(quiet.is_quiet_for(Duration::from_millis(1_500)));
        idle = idle.min(turns() - before);
    }
    assert!(idle <= 3, "{idle} turns in 1.5 s, one of which is the question's");
}

#[test]
fn a_full_stderr_stalls_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    let fill_path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    // A description of its own: the server's must not become non-blocking by this test's doing.
    let non_blocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut fill =
        OpenOptions::new().write(true).custom_flags(non_blocking).open(fill_path).unwrap();
    // Nobody reads the log, so the ports are chosen here: free a moment ago.
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [logs, questions] = ports.map(|listener| listener.local_addr().unwrap());
    while fill.write(&[b'-'; 4096]).is_ok() {}
    while fill.write(b"-").is_ok() {}
    let (logs_text, questions_text) = (logs.port().to_string(), questions.port().to_string());
    let args = ["--log-level", "debug", "-p", &logs_text, "-q", &questions_text];
    let server = setup(&args).stderr(Stdio::from(writer)).start_at(logs, questions);
    for _ in 0..50 {
        server.send("x\n");
    }
    server.wait_count(50);
    assert_eq!(server.ask("PING"), "PONG\n");
    drop(reader);
    server.send("y\n");
    server.wait_count(51);
    server.stop();
}

#[test]
fn a_stderr_that_is_gone_does_not_kill() {
    let server = setup(&["--log-level", "debug"]).lost_stderr().start();
    for _ in 0..20 {
        server.send("x\n");
    }
    server.wait_count(20);
    assert!(server.is_running());
}

#[test]
fn the_own_log_has_no_line_per_record() {
    let server = start(&["--log-level", "debug"]);
    let lines: String = (0..5_000).map(|n| format!("needle {n}\n")).collect();
    server.send_until(lines, 5_000);
    assert!(!server.stderr().contains("needle"), "{}", server.stderr());
    assert!(server.stderr().lines().count() < 100, "{}", server.stderr());
}

#[test]
fn the_own_log_limits_lines_that_repeat() {
    let server = start(&["--log-level", "debug"]);
    let begun = Instant::now();
    for _ in 0..500 {
        server.send("");
    }
    let seconds = begun.elapsed().as_secs() + 1;
    let mut kinds = std::collections::BTreeMap::new();
    for line in server.stderr().lines() {
        // The level and the event, wherever in the line a time may stand.
        let words = line.split(' ').filter(|word| !word.contains(['=', ':']));
        *kinds.entry(words.take(2).collect::<Vec<_>>().join(" ")).or_insert(0) += 1;
    }
    let most: u64 = kinds.values().copied().max().unwrap_or(0);
    assert!(most <= 10 * (seconds + 1), "in {seconds} s: {kinds:?}");
}

#[test]
fn the_own_log_as_json_is_one_object_a_line() {
    let server = start(&["--log-format", "json", "--log-level", "debug"]);
    server.send("x\n");
    server.ask("GTE");
    let stderr = server.stderr();
    assert!(stderr.lines().count() >= 2);
    for line in stderr.lines() {
        json::object(line);
    }
}

#[test]
fn memory_stays_small() {
    let server = start(&["-s", "4"]);
    let lines: String = (0..10_000).map(|n| format!("line {n:06} {}\n", "x".repeat(88))).collect();
    server.send_until(lines, 10_000);
    let rss = server.stat("RssBytes");
    // The bar of 10 MiB is the bench's, on an optimised build.
    assert!(rss > 1 << 20 && rss < 24 << 20, "{rss}");
}
