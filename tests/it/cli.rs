//! The binary as people and scripts call it: command lines, exit codes, pipes, signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program::{Ran, logcaster, ok, run, run_with};
use crate::support::{listener, segment_file, setup, start, start_in, temp_dir, wait_until};

#[test]
fn what_is_not_understood_is_one_line_and_exit_code_2() {
    let cases: &[(&[&str], &str)] = &[
        (&["qurey"], "unknown command \"qurey\" (did you mean query?)"),
        (&["--log-prot", "1"], "serve: unknown flag --log-prot (did you mean --log-port?)"),
        (&["-p"], "--log-port: expected a value (PORT)"),
        (
            &["-p", "abc"],
            "--log-port \"abc\": expected a port from 1 to 65535, or 0 for any free one",
        ),
        (&["--persist=1"], "--persist: takes no value"),
        (&["extra"], "unknown command \"extra\" (logcaster --help lists them)"),
        (&["serve", "extra"], "serve: unexpected argument \"extra\""),
        (&["verify"], "verify: expected DIR"),
        (&["completion", "tcsh"], "SHELL \"tcsh\": expected bash, zsh or fish"),
        (
            &["ping", "--addr", "a b"],
            "--addr \"a b\": expected HOST:PORT, as 127.0.0.1:9998 or [::1]:9998, or unix:PATH",
        ),
        (&["tail", "-n", "x"], "--lines \"x\": expected a whole number of lines"),
        (&["query"], "QUESTION \"\": expected a question, as 'SEARCH timeout'; 'HELP' lists them"),
        (
            &["export", "x", "--format", "xml"],
            "--format \"xml\": expected text, json, logfmt, csv, raw",
        ),
    ];
    for (args, expected) in cases {
        let ran = run(args);
        assert_eq!(ran.stderr, format!("logcaster: {expected}\n"), "{args:?}");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
    }
}

#[test]
fn help_version_completion_and_manual_go_to_stdout() {
    let version = format!("logcaster {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(ok(run(&["--version"])), version);
    assert!(ok(run(&["-h"])).contains("-p, --log-port PORT"));
    assert!(ok(run(&["help", "tail"])).contains("-f, --follow"));
    assert!(ok(run(&["completion", "bash"])).contains("complete -F _logcaster logcaster"));
    assert!(ok(run(&["man"])).starts_with(".TH LOGCASTER 1"));
}

#[test]
fn the_classic_command_line_starts_the_server() {
    let mut child = logcaster(&["-t", "-p0", "-q", "0", "-s", "4"]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while listener(&said, "questions").is_none() {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let questions = listener(&said, "questions").unwrap().to_string();
    assert_eq!(ok(run(&["ping", "--addr", &questions])), "PONG\n");
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert!(said.contains("role=http addr=127.0.0.1:9090"), "{said}");
}

#[test]
fn config_tells_where_each_setting_comes_from() {
    let mut command = logcaster(&["config", "-s8"]);
    let ran: Ran =
        command.env("LOG_LEVEL", "debug").env("LOGCASTER_HTTP_PORT", "0").output().unwrap().into();
    let lines: Vec<String> =
        ok(ran).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "size = \"8M\" # flag --size",
        "log-level = \"debug\" # environment LOG_LEVEL",
        "http-port = 0 # environment LOGCASTER_HTTP_PORT",
        "log-port = 9999 # default",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is not in {lines:?}");
    }
}

#[test]
fn query_exits_like_grep() {
    let server = start(&[]);
    server.send_until("one\nERROR two\n", 2);
    let addr = server.questions.to_string();
    let query = |question: &str| run(&["query", "--addr", &addr, question]);
    let found = query("SEARCH two");
    assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""));
    assert!(found.stdout.starts_with("FOUND: 1 matches\n[") && found.stdout.ends_with("two\n"));
    let nothing = query("SEARCH three");
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(1), "FOUND: 0 matches\n"));
    let error = query("BANANA");
    assert_eq!((error.code, error.stdout.as_str()), (Some(2), ""));
    assert!(error.stderr.starts_with("logcaster: unknown command \"BANANA\""), "{}", error.stderr);
    assert_eq!(ok(query("COUNT")), "COUNT: 2\n");
}

#[test]
fn json_and_raw_answers_are_lines_only() {
    let server = start(&[]);
    server.send_until("one\n\x1b[31mtwo\n", 2);
    let addr = server.questions.to_string();
    let query = |question: &str| ok(run(&["query", "--addr", &addr, question]));
    let json = query("QUERY format=json");
    assert_eq!(json.lines().count(), 2);
    assert!(json.lines().all(|line| line.starts_with('{')), "{json}");
    assert_eq!(query("QUERY format=raw"), "one\n\x1b[31mtwo\n");
    assert!(query("QUERY format=logfmt").starts_with("seq="));
    assert!(query("QUERY format=csv order=time").starts_with("seq,time,"));
    let newest_last = ok(run(&["tail", "--addr", &addr, "format=csv"]));
    let lines: Vec<&str> = newest_last.lines().collect();
    assert!(lines[0].starts_with("seq,time,") && lines[1].ends_with(",one,{}"), "{newest_last}");
    let nothing = run(&["query", "--addr", &addr, "QUERY keyword=three format=json"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(1), ""));
}

#[test]
fn nobody_there_is_an_error() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let refused = format!("logcaster: connect to {unused}: Connection refused (os error 111)\n");
    let cases: [(&[&str], i32); 5] =
        [(&["query", "COUNT"], 2), (&["tail"], 2), (&["stats"], 2), (&["ping"], 1), (&["send"], 1)];
    for (args, code) in cases {
        let args = [args, &["--addr", &unused]].concat();
        let ran = run(&args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(code), refused.as_str()), "{args:?}");
    }
}

/// A server that answers one question with `answer` and closes.
fn answering(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut asked = String::new();
        reader.read_line(&mut asked).unwrap();
        if asked == "SESSION\n" {
            stream.write_all(b"OK: open until you close\n").unwrap();
            reader.read_line(&mut asked).unwrap();
        } else {
            reader.read_to_end(&mut Vec::new()).unwrap();
        }
        stream.write_all(answer).unwrap();
    });
    addr
}

#[test]
fn an_answer_that_breaks_off_is_an_error() {
    let cases: [(&[u8], &str); 3] = [
        (b"", "closed without an answer"),
        (b"FOUND: 3 matches\n[2026-11-20 10:00:00] a\n", "closed after 1 of 3 lines"),
        (
            b"FOUND: 3 matches\n[2026-11-20 10:00:00] a\n# lost 1 lines\n",
            "closed after 2 of 3 lines",
        ),
    ];
    for (answer, expected) in cases {
        let addr = answering(answer).to_string();
        let ran = run(&["query", "--addr", &addr, "RECENT 3"]);
        assert_eq!(ran.stderr, format!("logcaster: {addr}: {expected}\n"));
        assert_eq!(ran.code, Some(2));
    }
    let cut = answering(b"FOUND: 3 matches\na\nb\n").to_string();
    let ran = run(&["query", "--addr", &cut, "QUERY format=raw"]);
    assert_eq!(ran.stderr, format!("logcaster: {cut}: closed after 2 of 3 lines\n"));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), "a\nb\n"));
    let whole = b"FOUND: 3 matches\n[2026-11-20 10:00:00] a\n# lost 2 lines\n";
    let addr = answering(whole).to_string();
    assert_eq!(ok(run(&["query", "--addr", &addr, "RECENT 3"])).as_bytes(), whole);
}

#[test]
fn notes_do_not_go_into_a_pipe() {
    let answer = b"# lost 7 lines\nFOUND: 3 matches\na\n# damaged seq=9\n# lost 1 lines\n";
    for format in ["json", "raw"] {
        let addr = answering(answer).to_string();
        let ran = run(&["query", "--addr", &addr, &format!("QUERY after=1 format={format}")]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "a\n"));
        assert_eq!(ran.stderr, "# lost 7 lines\n# damaged seq=9\n# lost 1 lines\n");
    }
    let addr = answering(answer).to_string();
    assert_eq!(ok(run(&["query", "--addr", &addr, "QUERY after=1"])).as_bytes(), answer);
}

#[test]
fn a_server_that_goes_is_told_to_who_follows() {
    let lines = b"[2026-11-20 10:00:00] a\n";
    for args in [&["tail", "-f"][..], &["query", "TAIL n=1"]] {
        let addr = answering(lines).to_string();
        let ran = run(&[args, &["--addr", &addr]].concat());
        assert_eq!((ran.code, ran.stdout.as_bytes()), (Some(2), &lines[..]), "{args:?}");
        assert_eq!(ran.stderr, format!("logcaster: {addr}: closed the connection\n"));
    }
    let addr = answering(lines).to_string();
    assert_eq!(ok(run(&["tail", "-f", "limit=1", "--addr", &addr])).as_bytes(), lines);
}

#[test]
fn a_tail_that_goes_is_noticed_though_nothing_is_found() {
    let server = start(&[]);
    let addr = server.questions.to_string();
    let mut child = logcaster(&["tail", "-f", "level=error", "--addr", &addr]).spawn().unwrap();
    wait_until("the tail follows", || (server.stat("Tails") == 1).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the tail is gone", || (server.stat("Tails") == 0).then_some(()));
}

#[test]
fn tail_of_no_lines_shows_none() {
    let ran = run(&["tail", "-n", "0", "--addr", "127.0.0.1:1"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(1), "", ""));
}

#[test]
fn ping_says_what_is_wrong() {
    let not_ready = answering(b"ERROR: not ready: the segment is being opened\n").to_string();
    let ran = run(&["ping", "--ready", "--addr", &not_ready]);
    let expected = format!("logcaster: {not_ready}: not ready: the segment is being opened\n");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), expected.as_str()));
    let server = start(&[]);
    let addr = server.questions.to_string();
    assert_eq!(ok(run(&["ping", "--addr", &addr])), "PONG\n");
    assert_eq!(ok(run(&["ping", "--ready", "--addr", &addr])), "PONG ready\n");
}

#[test]
fn stats_are_for_people_or_for_programs() {
    let server = start(&[]);
    server.send_until("ERROR one\ntwo\n", 2);
    let addr = server.questions.to_string();
    let text = ok(run(&["stats", "--addr", &addr]));
    for words in
        ["logcaster ", ", OK\n", "  stored        2\n", "unknown 1, error 1\n", "memory only"]
    {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
    let json = ok(run(&["stats", "--json", "--addr", &addr]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["logcaster_logs_by_level_total"]["error"], 1);
    let old = answering(b"ERROR: bad STATS \"json\" (allowed: STATS)\n").to_string();
    let ran = run(&["stats", "--addr", &old]);
    let expected = format!("logcaster: {old}: bad STATS \\\"json\\\" (allowed: STATS)\n");
    assert_eq!((ran.code, ran.stderr), (Some(2), expected));
}

#[test]
fn stats_watched_come_again_with_rates() {
    let server = start(&[]);
    let addr = server.questions.to_string();
    let mut child = logcaster(&["stats", "--watch", "--addr", &addr]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let stored: Vec<String> = lines
        .by_ref()
        .map(|line| line.unwrap())
        .filter(|line| line.starts_with("  stored "))
        .take(2)
        .collect();
    assert!(stored[0].ends_with(" 0") && stored[1].ends_with("+0/s"), "{stored:?}");
    drop(lines);
    // Nobody reads any more: it ends by itself.
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let server = start(&[]);
    server.send_until("a line to be read by nobody\n".repeat(50_000), 50_000);
    let addr = server.questions.to_string();
    for args in [&["query", "RECENT 50000"][..], &["tail", "-f", "-n", "50000"]] {
        let mut child = logcaster(&[args, &["--addr", &addr]].concat()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.ends_with('\n'));
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn tail_shows_the_newest_lines_in_order() {
    let server = start(&[]);
    let lines: String = (1..=30).map(|number| format!("line {number} \n")).collect();
    server.send_until(lines, 30);
    let addr = server.questions.to_string();
    let tail = |args: &[&str]| {
        let shown = ok(run(&[&["tail", "--addr", &addr], args].concat()));
        shown.lines().map(|line| line[22..].trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tail(&["-n", "3"]), ["line 28", "line 29", "line 30"]);
    assert_eq!(tail(&["-2", "line 1"]), ["line 18", "line 19"]);
    assert_eq!(tail(&[]).len(), 10);
    let nothing = run(&["tail", "--addr", &addr, "absent"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(1), ""));
}

#[test]
fn tail_follows_until_it_is_interrupted() {
    let server = start(&[]);
    server.send_until("before\n", 1);
    let addr = server.questions.to_string();
    let mut child = logcaster(&["tail", "-f", "--addr", &addr]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    };
    assert!(next().ends_with("before\n"));
    server.send("after\n");
    assert!(next().ends_with("after\n"));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(next(), "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn send_takes_a_file_or_standard_input() {
    let dir = temp_dir();
    let path = dir.path().join("app.log");
    let text: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    std::fs::write(&path, &text).unwrap();
    for args in [&["send"][..], &["send", "--retry"]] {
        let server = start(&[]);
        let addr = server.logs.to_string();
        let args = [args, &["--addr", &addr]].concat();
        ok(run(&[&args[..], &[path.to_str().unwrap()]].concat()));
        ok(run_with(&args, b"from standard input\nno end"));
        ok(run_with(&[&args[..], &["-"]].concat(), b"dash\n"));
        let expected = format!("{text}from standard input\nno end\ndash\n");
        assert_eq!(String::from_utf8(server.raw()).unwrap(), expected);
    }
    let ran = run(&["send", "/nowhere.log"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("logcaster: read /nowhere.log: No such file"), "{}", ran.stderr);
}

/// A sender with `--retry` that is fed through its standard input.
fn retrying(addr: SocketAddr) -> Child {
    let addr = addr.to_string();
    logcaster(&["send", "--retry", "--addr", &addr]).stdin(Stdio::piped()).spawn().unwrap()
}

#[test]
fn send_with_retry_waits_for_a_server_that_is_not_there() {
    let server = start(&[]);
    let (logs, questions) = (server.logs, server.questions);
    server.kill();
    let mut sender = retrying(logs);
    sender.stdin.take().unwrap().write_all(b"kept\n").unwrap();
    let mut stderr = BufReader::new(sender.stderr.take().unwrap());
    let mut said = String::new();
    stderr.read_line(&mut said).unwrap();
    assert!(said.contains("Connection refused") && said.ends_with("; trying again\n"), "{said}");
    let (log_port, question_port) = (logs.port().to_string(), questions.port().to_string());
    let again = setup(&["-p", &log_port, "-q", &question_port]).start();
    assert_eq!(sender.wait().unwrap().code(), Some(0));
    assert_eq!(again.raw(), b"kept\n");
}

/// Everything of the segment in `dir`, read without a server.
fn offline(dir: &Path, question: &str) -> Ran {
    run(&["query", "--dir", dir.to_str().unwrap(), question])
}

#[test]
fn a_segment_is_read_without_a_server_and_beside_one() {
    let dir = temp_dir();
    let path = dir.path().to_str().unwrap();
    let server = start_in(dir.path(), 4, &[]);
    let text: String = (0..5_000).map(|number| format!("line {number}\n")).collect();
    server.send_until(&text, 5_000);
    server.ask("SYNC");
    let check = || {
        assert_eq!(ok(offline(dir.path(), "COUNT")), "COUNT: 5000\n");
        assert_eq!(ok(offline(dir.path(), "QUERY format=raw")), text);
        assert_eq!(ok(run(&["export", path, "--format", "raw"])), text);
        let csv = ok(run(&["export", path, "--format", "csv"]));
        assert!(csv.starts_with("seq,time,") && csv.lines().count() == 5_001);
        assert_eq!(ok(offline(dir.path(), "QUERY format=csv")), csv);
        assert_eq!(
            ok(offline(dir.path(), "VALUES host")),
            "VALUES host: 1 values\n127.0.0.1 5000\n"
        );
        assert!(ok(run(&["verify", path])).contains("\nrecords: 5000, "));
    };
    check();
    let online = server.ask("RECENT 20");
    assert_eq!(ok(offline(dir.path(), "RECENT 20")), online);
    server.stop();
    check();
    assert_eq!(offline(dir.path(), "SEARCH absent").code, Some(1));
    assert_eq!(run(&["export", path, "--until", "2020-01-01"]).code, Some(1));
    assert_eq!(ok(run(&["export", path, "--since", "-1h"])).lines().count(), 5_000);
    let asked = offline(dir.path(), "STATS");
    assert_eq!(asked.code, Some(2));
    assert!(asked.stderr.starts_with("logcaster: STATS asks a server"), "{}", asked.stderr);
}

#[test]
fn verify_finds_damage() {
    let dir = temp_dir();
    let path = dir.path().to_str().unwrap();
    let server = start_in(dir.path(), 4, &[]);
    server.send_until("first\nthe one that is hit\nlast\n", 3);
    server.stop();
    let file = segment_file(dir.path());
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(7).position(|window| window == b"the one").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let ran = run(&["verify", path]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("\nrecords: 2, ") && ran.stdout.contains("\ndamaged: 1\n"));
    assert!(ran.stdout.contains(": record fails its checksum\n"), "{}", ran.stdout);
    let export = run(&["export", path, "--format", "raw"]);
    assert_eq!((export.code, export.stdout.as_str()), (Some(0), "first\nlast\n"));
    assert!(export.stderr.contains("1 damaged records left out"), "{}", export.stderr);
}

#[test]
fn no_segment_is_an_error() {
    let dir = temp_dir();
    let path = dir.path().to_str().unwrap();
    for args in [&["verify", path][..], &["export", path], &["query", "--dir", path, "COUNT"]] {
        let ran = run(args);
        let expected = format!("logcaster: open {path}/segment: No such file");
        assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
        assert_eq!((ran.code, ran.stderr.lines().count()), (Some(2), 1), "{args:?}");
    }
    std::fs::write(dir.path().join("segment"), vec![b'x'; 2 << 20]).unwrap();
    let ran = run(&["verify", path]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(2), 1), "{}", ran.stderr);
}

#[test]
fn send_with_retry_loses_nothing_to_kills() {
    let dir = temp_dir();
    let mut server = start_in(dir.path(), 16, &[]);
    let (logs, questions) = (server.logs.port().to_string(), server.questions.port().to_string());
    let ports = ["-p", &logs, "-q", &questions];
    let mut sender = retrying(server.logs);
    let mut input = sender.stdin.take().unwrap();
    let feeder = thread::spawn(move || {
        for round in 0..60 {
            let lines: String =
                (0..2_000).map(|n| format!("line {}\n", round * 2_000 + n)).collect();
            input.write_all(lines.as_bytes()).unwrap();
        }
    });
    for _ in 0..5 {
        let before = server.count();
        wait_until("more lines, or the last of them", || {
            (server.count() != before || feeder.is_finished()).then_some(())
        });
        server.kill();
        server = setup(&ports).dir(dir.path(), 16).start();
    }
    feeder.join().unwrap();
    assert_eq!(sender.wait().unwrap().code(), Some(0));
    let text = String::from_utf8(server.raw()).unwrap();
    let mut seen: Vec<u32> =
        text.lines().filter_map(|line| line.strip_prefix("line ")?.parse().ok()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..120_000).collect::<Vec<u32>>());
}
