//! Every bound that shows outside, reached: what happens there is defined, and it is counted.
//!
//! A server that is stopped by SIGSTOP and let go again finds everything at once that came in
//! between: so a single turn can be given more than it may do, without luck.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::peer::Peer;
use crate::support::{Server, start, start_in, temp_dir, wait_until};

/// Does `work` while the server stands still, so that it finds all of it in one turn.
fn while_it_stands_still<T>(server: &Server, work: impl FnOnce() -> T) -> T {
    server.signal(Signal::SIGSTOP);
    let result = work();
    server.signal(Signal::SIGCONT);
    result
}

/// A text of `count` lines of 100 bytes.
fn lines(count: usize) -> String {
    (0..count).map(|n| format!("line {n:08} {}\n", "x".repeat(85))).collect()
}

/// Writes `text` over and over until the server goes or `is_over`.
fn flood(server: &Server, text: String) -> std::sync::mpsc::Sender<()> {
    let (is_over, over) = std::sync::mpsc::channel();
    let peer = server.log_peer();
    std::thread::spawn(move || {
        let goes_on = || over.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty);
        while goes_on() && peer.stream().write_all(text.as_bytes()).is_ok() {}
    });
    is_over
}

#[test]
fn a_client_too_many_is_told_why() {
    let server = start(&["--max-clients", "2"]);
    let (first, mut second) = (server.log_peer(), server.log_peer());
    wait_until("two clients", || (server.stat("Clients") == 2).then_some(()));
    let refusal = String::from_utf8(server.log_peer().rest()).unwrap();
    assert_eq!(refusal.matches('\n').count(), 1, "one line: {refusal:?}");
    assert!(refusal.ends_with('\n') && refusal.contains('2'), "it names the limit: {refusal:?}");
    assert_eq!(server.ask("PING"), "PONG\n", "questions have places of their own");
    second.write("still here\n");
    server.wait_count(1);
    drop(first);
    wait_until("a free place", || (server.stat("Clients") == 1).then_some(()));
    assert_eq!(server.send("a place again\n"), b"");
    server.wait_count(2);
}

#[test]
fn many_clients_too_many_are_closed_too() {
    let server = start(&["--max-clients", "1"]);
    let _only = server.log_peer();
    wait_until("one client", || (server.stat("Clients") == 1).then_some(()));
    let refused: Vec<Peer> =
        while_it_stands_still(&server, || (0..100).map(|_| server.log_peer()).collect());
    let told = |mut peer: Peer| !peer.rest().is_empty();
    let told = refused.into_iter().map(told).filter(|&told| told).count();
    assert!(told >= 16, "{told} of 100 were told why");
    assert_eq!(server.stat("Refused"), 100);
}

#[test]
fn questions_have_places_of_their_own() {
    let server = start(&["--max-clients", "3"]);
    let _clients: Vec<Peer> = (0..3).map(|_| server.log_peer()).collect();
    wait_until("three clients", || (server.stat("Clients") == 3).then_some(()));
    let sessions: Vec<Peer> = (0..32).map(|_| server.session()).collect();
    // One more is told so, or waits for its answer until another ends; it is not forgotten.
    let mut another = server.question_peer();
    another.write("PING\n");
    drop(sessions);
    let answer = String::from_utf8(another.finish()).unwrap();
    assert!(answer == "PONG\n" || answer.starts_with("ERROR: "), "{answer:?}");
    wait_until("a free place", || (server.ask("PING") == "PONG\n").then_some(()));
}

#[test]
fn a_burst_of_connections_is_accepted() {
    let server = start(&[]);
    let mut burst: Vec<Peer> =
        while_it_stands_still(&server, || (0..300).map(|_| server.log_peer()).collect());
    for (n, peer) in burst.iter_mut().enumerate() {
        peer.write(format!("from {n}\n"));
    }
    server.wait_count(300);
    assert!(server.stat("AcceptsPutOff") > 0, "{:?}", server.stats());
}

#[test]
fn an_accepted_socket_has_keepalive() {
    let server = start(&[]);
    let peer = server.log_peer();
    wait_until("one client", || (server.stat("Clients") == 1).then_some(()));
    let own = peer.stream().local_addr().unwrap().port();
    let ends = [format!(":{:04X}", server.logs.port()), format!(":{own:04X}")];
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let is_it = |row: &Vec<&str>| row[1].ends_with(&ends[0]) && row[2].ends_with(&ends[1]);
    let row = rows.skip(1).find(is_it).expect("the server's end of the connection");
    // Kind 2 is the keepalive timer; the time until it fires is in hundredths of a second.
    let (kind, left) = row[5].split_once(':').unwrap();
    let left = u64::from_str_radix(left, 16).unwrap();
    assert!(kind == "02" && (2_000..=6_000).contains(&left), "timer {}", row[5]);
}

#[test]
fn one_fast_sender_does_not_starve_the_others() {
    let server = start(&[]);
    let (mut fast, mut small) = (server.log_peer(), server.log_peer());
    wait_until("two clients", || (server.stat("Clients") == 2).then_some(()));
    while_it_stands_still(&server, || {
        // As much as the two sockets hold between them.
        fast.stream().set_nonblocking(true).unwrap();
        let text = lines(1_000);
        let error = loop {
            if let Err(error) = fast.stream().write_all(text.as_bytes()) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        small.write("small\n");
    });
    fast.stream().set_nonblocking(false).unwrap();
    fast.write("\nlast\n");
    let all = wait_until("the last line", || {
        let all = server.messages("QUERY");
        all.last().is_some_and(|line| line == "last").then_some(all)
    });
    let place = all.iter().position(|line| line == "small").expect("the small one");
    assert!(place < all.len() / 2, "{place} of {} lines came first", all.len());
    assert!(server.stat("ReadsCutShort") > 0);
}

#[test]
fn questions_are_answered_while_logs_pour_in() {
    let server = start(&["-s", "4"]);
    let floods = [flood(&server, lines(5_000)), flood(&server, lines(5_000))];
    wait_until("a full ring", || (server.stat("Dropped") > 0).then_some(()));
    let ping = || {
        let begun = Instant::now();
        assert_eq!(server.ask("PING"), "PONG\n");
        begun.elapsed()
    };
    let mut times: Vec<Duration> = (0..50).map(|_| ping()).collect();
    times.sort();
    assert!(times[25] < Duration::from_millis(300), "{times:?}");
    wait_until("a turn out of time", || (server.stat("TurnsOutOfTime") > 0).then_some(()));
    drop(floods);
}

#[test]
fn questions_are_answered_while_a_full_scan_runs() {
    let server = start(&["-s", "32"]);
    server.send(lines(200_000));
    let mut scans: Vec<Peer> = (0..4).map(|_| server.question_peer()).collect();
    for scan in &mut scans {
        scan.write("REGEX [xy]z[xy]\n".repeat(3));
    }
    for _ in 0..5 {
        let begun = Instant::now();
        assert_eq!(server.ask("PING"), "PONG\n");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    for scan in scans {
        assert_eq!(scan.finish(), b"FOUND: 0 matches\n".repeat(3));
    }
    assert!(server.stat("TurnsOutOfTime") > 0, "{:?}", server.stats());
}

/// Connections that ask for more than the sockets between hold, and read nothing of it: the server
/// has met a full outbox as often as there are of them.
fn readers_that_do_not_read(server: &Server, count: usize) -> Vec<Peer> {
    let mut peers: Vec<Peer> = (0..count).map(|_| server.question_peer()).collect();
    for peer in &mut peers {
        peer.write("QUERY format=json\n");
    }
    wait_until("full outboxes", || (server.stat("OutboxFull") >= count as u64).then_some(()));
    peers
}

#[test]
fn a_client_that_does_not_read_costs_bounded_memory() {
    let server = start(&["-s", "16"]);
    server.send(lines(100_000));
    let before = server.stat("RssBytes");
    let stuck = readers_that_do_not_read(&server, 20);
    let stats = server.stats();
    let number = |key: &str| stats[key].parse::<u64>().unwrap();
    assert!(number("OutboxBytes") <= 20 * (256 << 10), "{stats:?}");
    assert!(number("RssBytes") <= before + (24 << 20), "{before} before, {stats:?}");
    drop(stuck);
    assert_eq!(server.ask("PING"), "PONG\n");
}

#[test]
fn a_ninth_query_waits_and_is_answered() {
    let server = start(&["-s", "16"]);
    server.send(lines(100_000));
    let mut asking: Vec<Peer> = (0..20).map(|_| server.question_peer()).collect();
    while_it_stands_still(&server, || {
        for peer in &mut asking {
            peer.write("REGEX [xy]z[xy]\n");
        }
    });
    for peer in asking {
        assert_eq!(peer.finish(), b"FOUND: 0 matches\n");
    }
    assert!(server.stat("QueriesQueued") > 0, "{:?}", server.stats());
}

#[test]
fn readers_that_do_not_read_hold_up_no_other_query() {
    let server = start(&["-s", "16"]);
    server.send(lines(100_000));
    let _stuck = readers_that_do_not_read(&server, 10);
    assert_eq!(server.messages("SEARCH 00077777").len(), 1);
}

#[test]
fn a_client_that_never_closes_is_closed() {
    let server = start(&[]);
    let mut peer = server.question_peer();
    peer.write("COUNT\n");
    assert_eq!(peer.rest(), b"COUNT: 0\n");
    // This side stays open; the server's end of it does not stay for ever.
    wait_until("the end", || (server.stat("DrainsCutShort") == 1).then_some(()));
    drop(peer);
}

#[test]
fn a_question_that_never_comes_is_closed() {
    let server = start(&["--idle-timeout", "200ms"]);
    let said = String::from_utf8(server.question_peer().rest()).unwrap();
    assert!(said.starts_with("ERROR: no command"), "{said:?}");
    let mut half = server.question_peer();
    half.write("COU");
    assert!(half.rest().starts_with(b"ERROR: no command"));
    assert_eq!(server.stat("IdleClosed"), 2);
}

#[test]
fn partial_lines_stay_within_the_memory_budget() {
    let server = start(&["--memory", "1M"]);
    let mut peers: Vec<Peer> = (0..60).map(|_| server.log_peer()).collect();
    let text = |place: usize| format!("<{place}>").repeat((60 << 10) / format!("<{place}>").len());
    // Peers that the server does not read for now hold their bytes in the socket.
    for (place, peer) in peers.iter_mut().enumerate() {
        peer.write(text(place));
    }
    wait_until("a line that finds no room", || (server.stat("CutForMemory") > 0).then_some(()));
    assert!(server.stat("HeldBytes") <= 1 << 20, "{:?}", server.stats());
    for peer in &mut peers {
        peer.write("\nnext\n");
    }
    for peer in peers {
        peer.finish();
    }
    server.wait_count(120);
    let kept = server.messages("QUERY regex=^<");
    assert_eq!(kept.len(), 60);
    for line in kept {
        let place = line[1..line.find('>').unwrap()].parse().unwrap();
        let whole = text(place);
        let is_head = line.strip_suffix("...").is_some_and(|head| whole.starts_with(head));
        assert!(line == whole || is_head, "peer {place}: {} bytes", line.len());
    }
}

#[test]
fn a_slow_disk_makes_senders_wait_and_loses_nothing() {
    let dir = temp_dir();
    // With next to nothing allowed to be on its way to it, any disk is slow.
    let server = start_in(dir.path(), 4, &["--dirty-max", "256K"]);
    let text = lines(50_000);
    server.send(&text);
    assert_eq!(server.stat("Total"), 50_000);
    let kept = server.messages("QUERY");
    let sent: Vec<&str> = text.lines().collect();
    assert_eq!(kept, sent[sent.len() - kept.len()..]);
    assert!(server.stat("WaitsDirty") > 0, "{:?}", server.stats());
}

#[test]
fn deaf_clients_share_the_memory_budget() {
    let server = start(&["-s", "32", "--memory", "1M", "--max-clients", "100"]);
    server.send(lines(100_000));
    let deaf = readers_that_do_not_read(&server, 60);
    let held = server.stat("OutboxBytes");
    assert!(held < 2 << 20, "{held} bytes of answers wait, of a budget of a mebibyte");
    for peer in deaf {
        assert_eq!(peer.finish().iter().filter(|&&byte| byte == b'\n').count(), 100_001);
    }
}
