//! What is kept with `-P`: over stops, kills and other sizes; and that nothing of another's, of
//! another version or damaged is ever touched.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use crate::support::{
    Random, Refusal, Server, Setup, contents, segment_file, setup, start, start_in, temp_dir,
    wait_until,
};

/// A server on `dir` with the options that these tests share.
fn on(dir: &Path, mib: u32) -> Setup {
    setup(&[]).dir(dir, mib)
}

/// A directory that holds a segment of 1 MiB with ten records, closed cleanly.
fn with_ten_records() -> tempfile::TempDir {
    let dir = temp_dir();
    let server = start_in(dir.path(), 1, &[]);
    let lines: String = (0..10).map(|n| format!("line {n}\n")).collect();
    server.send_until(lines, 10);
    server.stop();
    dir
}

/// Starting on `dir` is refused in one line with `words`, and no byte below `dir` changes.
#[track_caller]
fn is_refused_and_untouched(dir: &Path, start: Setup, words: &[&str]) -> Refusal {
    let before = contents(dir);
    let refusal = start.refused();
    refusal.is_one_line_with(words);
    let after = contents(dir);
    let names = |files: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| {
        files.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&before), names(&after), "files came or went");
    for (path, bytes) in before {
        assert!(after[&path] == bytes, "{} was changed", path.display());
    }
    refusal
}

#[test]
fn a_stop_and_a_start_lose_nothing() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 1, &[]);
    server.send_until("ERROR one\ntwo é\nthree\n", 3);
    let (lines, raw) = (server.found("QUERY format=json"), server.raw());
    server.stop();
    let server = start_in(dir.path(), 1, &[]);
    assert_eq!(server.found("QUERY format=json"), lines, "numbers, times, levels and sources too");
    assert_eq!(server.raw(), raw);
    server.send_until("four\n", 4);
    let seqs = server.seqs();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
}

#[test]
fn the_classic_flags_keep_a_segment_in_the_directory() {
    let dir = temp_dir();
    let sub = dir.path().join("a/b");
    let server = start_in(&sub, 1, &[]);
    server.send_until("x\n", 1);
    let file = segment_file(&sub);
    assert_eq!(file.metadata().unwrap().len(), 1 << 20, "exactly the size that was asked for");
    let text = std::fs::read(&file).unwrap();
    assert!(text.windows(3).any(|window| window == b"\nx\n" || window == b"x\n\0"), "plain text");
}

/// One life of the crash loop: checks what the last one told, sends more, is killed.
struct CrashLoop<'a> {
    dir: &'a Path,
    random: Random,
    /// Every line that COUNT or SYNC told of, in order.
    told: Vec<String>,
    /// Sent after that: each may be there or not.
    untold: Vec<String>,
}

impl CrashLoop<'_> {
    fn live(&mut self, life: u64) {
        let server = on(self.dir, 16).env("LOGCASTER_SYNC", "interval:100").start();
        self.check(&server, life);
        let count = 1 + self.random.below(20);
        let told = self.lines(life, "told", count);
        server.send(told.concat());
        self.told.extend(told);
        if self.random.below(4) == 0 {
            assert!(server.ask("SYNC").starts_with("OK: durable through "));
        }
        assert_eq!(server.count(), self.told.len() as u64, "life {life}");
        let count = self.random.below(40);
        self.untold = self.lines(life, "untold", count);
        let mut peer = server.log_peer();
        peer.write(self.untold.concat());
        // Sometimes the server gets a chance to take them in first.
        if self.random.below(2) == 0 {
            server.ask("PING");
        }
        server.kill();
    }

    fn lines(&mut self, life: u64, kind: &str, count: u64) -> Vec<String> {
        let random = &mut self.random;
        let mut fill = || "x".repeat(usize::try_from(random.below(60)).unwrap());
        (0..count).map(|n| format!("life {life} {kind} {n} {}\n", fill())).collect()
    }

    /// Everything told is there byte for byte; of the rest, whole lines from its beginning on.
    fn check(&mut self, server: &Server, life: u64) {
        let raw = String::from_utf8(server.raw()).unwrap();
        let told = self.told.concat();
        let Some(rest) = raw.strip_prefix(&told) else {
            let lines = raw.split_inclusive('\n');
            let kept = self.told.iter().zip(lines).take_while(|(a, b)| *a == b).count();
            panic!("life {life}: of {} lines told of, the first {kept} are there", self.told.len());
        };
        let kept = rest.split_inclusive('\n').count();
        assert!(kept <= self.untold.len(), "life {life}: {rest:?}");
        assert_eq!(rest, self.untold[..kept].concat(), "life {life}");
        // From now on the client has seen them.
        self.told.extend(self.untold.drain(..kept));
        let seqs = server.seqs();
        assert!(seqs.is_sorted_by(|a, b| a < b), "life {life}: a number came twice: {seqs:?}");
        assert_eq!(server.count(), self.told.len() as u64, "life {life}");
    }
}

#[test]
fn five_hundred_kills_lose_nothing_that_was_told_and_evict_nothing() {
    let kills = 500;
    let (dir, seed) = (temp_dir(), 0x9E37_79B9_7F4A_7C15);
    let random = Random(seed);
    let mut crashes = CrashLoop { dir: dir.path(), random, told: Vec::new(), untold: Vec::new() };
    for life in 0..kills {
        crashes.live(life);
    }
    let server = on(dir.path(), 16).start();
    crashes.check(&server, kills);
    assert!(crashes.told.len() as u64 >= kills, "each life sends a line at least");
    server.stop();
}

#[test]
fn kills_under_full_load_keep_every_line_that_was_counted() {
    let dir = temp_dir();
    let mut random = Random(0x0005_DEEC_E66D);
    for life in 0..10 {
        let server = on(dir.path(), 8).start();
        server.ask("CLEAR");
        let peer = server.log_peer();
        let sent = std::thread::spawn(move || {
            use std::io::Write;
            for batch in 0.. {
                let lines: String = (0..100)
                    .map(|n| format!("load {:07} {}\n", batch * 100 + n, "y".repeat(70)))
                    .collect();
                if peer.stream().write_all(lines.as_bytes()).is_err() || batch == 400 {
                    return;
                }
            }
            peer.shut();
        });
        let wanted = 200 + random.below(20_000);
        let counted = wait_until(format!("{wanted} lines"), || {
            let count = server.count();
            (count >= wanted).then_some(count)
        });
        server.kill();
        sent.join().unwrap();
        let server = on(dir.path(), 8).start();
        let kept = server.messages("QUERY");
        assert!(
            kept.len() as u64 >= counted,
            "life {life}: {counted} counted, {} kept",
            kept.len()
        );
        for (n, line) in kept.iter().enumerate() {
            assert_eq!(*line, format!("load {n:07} {}", "y".repeat(70)), "life {life}");
        }
        server.kill();
    }
}

#[test]
fn clear_holds_over_a_stop_and_over_a_kill() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 1, &[]);
    server.send_until("a\nb\n", 2);
    assert_eq!(server.ask("CLEAR"), "OK: cleared 2 logs\n");
    server.kill();
    let server = start_in(dir.path(), 1, &[]);
    assert_eq!(server.count(), 0, "after a kill");
    server.send_until("c\n", 1);
    server.stop();
    let server = start_in(dir.path(), 1, &[]);
    assert_eq!(server.messages("QUERY"), ["c"], "after a stop");
}

#[test]
fn another_size_keeps_the_newest() {
    let dir = temp_dir();
    let line = |n: usize| format!("line {n:06} {}", "z".repeat(80));
    let server = start_in(dir.path(), 2, &[]);
    server.send((0..30_000).map(|n| line(n) + "\n").collect::<String>());
    server.stop();
    let steps = [(2, 8, "larger, other blocks"), (8, 1, "smaller"), (1, 2, "larger")];
    for (mib_before, mib, what) in steps {
        let before = start_in(dir.path(), mib_before, &[]);
        let (kept, seqs) = (before.messages("QUERY"), before.seqs());
        assert_eq!(kept.last(), Some(&line(29_999)));
        let files = contents(dir.path()).len();
        before.stop();
        let server = start_in(dir.path(), mib, &[]);
        let now = server.messages("QUERY");
        assert!(now.len() <= kept.len(), "{what}: {} of {}", now.len(), kept.len());
        assert_eq!(now, kept[kept.len() - now.len()..], "{what}: the newest, without a hole");
        assert_eq!(server.seqs(), seqs[seqs.len() - now.len()..], "{what}: with their numbers");
        let floor = if mib == 1 { (1 << 20) / 140 / 2 } else { kept.len() };
        assert!(now.len() >= floor, "{what}: {} of {}", now.len(), kept.len());
        assert_eq!(segment_file(dir.path()).metadata().unwrap().len(), u64::from(mib) << 20);
        assert_eq!(contents(dir.path()).len(), files, "{what}: nothing is left behind");
        server.stop();
    }
    let server = start_in(dir.path(), 2, &[]);
    server.send("one more\n");
    assert_eq!(server.messages("RECENT 2"), [line(29_999), "one more".to_owned()]);
}

#[test]
fn a_locked_segment_is_refused_and_its_owner_goes_on() {
    let dir = temp_dir();
    let owner = start_in(dir.path(), 1, &[]);
    owner.send_until("mine\n", 1);
    owner.ask("SYNC");
    let path = dir.path().to_str().unwrap();
    on(dir.path(), 1).refused().is_one_line_with(&[path, "lock"]);
    owner.send_until("still mine\n", 2);
    assert_eq!(owner.messages("RECENT 2"), ["mine", "still mine"]);
}

#[test]
fn a_waiting_server_takes_over_when_the_lock_is_free() {
    let dir = temp_dir();
    let owner = start_in(dir.path(), 1, &[]);
    owner.send_until("handed over\n", 1);
    let path = dir.path().to_path_buf();
    let heir = std::thread::spawn(move || {
        let heir = start_in(&path, 1, &["--lock-wait", "30s"]);
        wait_until("the segment", || (heir.count() == 1).then_some(()));
        heir.messages("RECENT 1")
    });
    // The heir is there and waits, or is on its way: either way it must not fail.
    assert_eq!(owner.ask("PING"), "PONG\n");
    owner.stop();
    assert_eq!(heir.join().unwrap(), ["handed over"]);
}

#[test]
fn lock_wait_ends() {
    let dir = temp_dir();
    let _owner = start_in(dir.path(), 1, &[]);
    let refusal = setup(&["--lock-wait", "200ms"]).dir(dir.path(), 1).refused();
    refusal.is_one_line_with(&["lock"]);
}

#[test]
fn a_file_cut_short_is_refused_and_untouched() {
    for length in [0_u64, 100, 4096, 300_000, (1 << 20) - 1] {
        let dir = with_ten_records();
        let file = segment_file(dir.path());
        let open = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        open.set_len(length).unwrap();
        drop(open);
        is_refused_and_untouched(dir.path(), on(dir.path(), 1), &[file.to_str().unwrap()]);
    }
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_untouched() {
    let dir = with_ten_records();
    let file = segment_file(dir.path());
    for bytes in [b"precious notes, no segment\n".repeat(1000), vec![0; 1 << 20], vec![7; 1 << 20]]
    {
        std::fs::write(&file, &bytes).unwrap();
        is_refused_and_untouched(dir.path(), on(dir.path(), 1), &[file.to_str().unwrap()]);
    }
}

/// Writes `version` into both copies of the superblock, with a checksum that fits.
fn set_version(file: &Path, version: u32) {
    let mut bytes = std::fs::read(file).unwrap();
    for copy in [0, 4096] {
        let superblock = &mut bytes[copy..copy + 512];
        if superblock.starts_with(b"LCST") {
            superblock[4..8].copy_from_slice(&version.to_le_bytes());
            let crc = crc32c::crc32c(&superblock[..508]);
            superblock[508..].copy_from_slice(&crc.to_le_bytes());
        }
    }
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn another_version_is_refused_and_untouched() {
    let dir = with_ten_records();
    let file = segment_file(dir.path());
    set_version(&file, 1);
    assert_eq!(on(dir.path(), 1).start().count(), 10, "the test writes the version's place");
    for version in [2, 77] {
        set_version(&file, version);
        let words = ["version", &version.to_string()];
        is_refused_and_untouched(dir.path(), on(dir.path(), 1), &words);
    }
}

#[test]
fn both_superblocks_damaged_is_refused_and_one_is_not() {
    let dir = with_ten_records();
    let file = segment_file(dir.path());
    let whole = std::fs::read(&file).unwrap();
    let spoiled = |places: &[usize]| {
        let mut bytes = whole.clone();
        places.iter().for_each(|&place| bytes[place + 40] ^= 0xff);
        std::fs::write(&file, bytes).unwrap();
    };
    spoiled(&[0, 4096]);
    is_refused_and_untouched(dir.path(), on(dir.path(), 1), &[file.to_str().unwrap()]);
    for place in [0, 4096] {
        spoiled(&[place]);
        assert_eq!(on(dir.path(), 1).start().count(), 10, "without the copy at {place}");
    }
}

#[test]
fn a_damaged_record_is_told_in_its_place() {
    let dir = with_ten_records();
    let file = segment_file(dir.path());
    let mut bytes = std::fs::read(&file).unwrap();
    let at =
        bytes.windows(7).position(|window| window == b"line 4\n").expect("the text as it came");
    bytes[at] = b'L';
    std::fs::write(&file, bytes).unwrap();
    let server = on(dir.path(), 1).start();
    let answer = server.ask("QUERY format=raw");
    assert!(answer.contains("\nline 3\n# damaged seq="), "{answer}");
    assert!(answer.contains("\nline 5\n") && !answer.contains("ine 4"), "{answer}");
}

/// A server with 5,000 lines in memory's copy of its file, which is then cut to `length` bytes.
fn cut_short_under_way(dir: &Path, length: u64) -> (Server, Vec<String>) {
    let server = setup(&["--sync", "never"]).http().dir(dir, 4).start();
    let line = |n: usize| format!("line {n:06} {}", "x".repeat(85));
    let lines: Vec<String> = (0..5_000).map(line).collect();
    server.send_until(lines.join("\n"), 5_000);
    let file = std::fs::OpenOptions::new().write(true).open(segment_file(dir)).unwrap();
    file.set_len(length).unwrap();
    (server, lines)
}

#[test]
fn a_file_cut_short_under_a_running_server_costs_what_stood_there_and_no_more() {
    // In the middle of the text, right behind the superblocks, and everything.
    for length in [300_000, 12_288, 0] {
        let dir = temp_dir();
        let (server, lines) = cut_short_under_way(dir.path(), length);
        let answer = server.ask("QUERY format=raw");
        let mut seen = answer.lines();
        assert_eq!(seen.next(), Some("FOUND: 5000 matches"), "{length}");
        let (damaged, whole): (Vec<&str>, Vec<&str>) =
            seen.partition(|line| line.starts_with("# damaged seq="));
        assert_eq!(damaged.len() + whole.len(), 5_000, "each is shown or said to be damaged");
        assert!(!damaged.is_empty() && whole.iter().all(|&line| lines.iter().any(|l| l == line)));
        assert_eq!(whole.is_empty(), length < 300_000, "{length}: {} whole", whole.len());
        assert!(server.stat("BusErrors") > 0);
        let health = server.get("/health").json();
        assert_eq!(health["components"]["disk"]["status"], "DEGRADED", "{health}");
        // It goes on, and promises nothing that will not be there.
        server.send("still here\n");
        assert_eq!(server.messages("RECENT 1"), ["still here"]);
        assert!(server.ask("SYNC").starts_with("ERROR: "), "{length}");
        server.signal(nix::sys::signal::Signal::SIGTERM);
        let exit = server.exit_within(crate::support::DEADLINE).expect("it ends");
        assert_eq!(exit.code(), Some(1), "{}", server.stderr());
    }
}

#[test]
fn a_sync_of_a_file_that_was_cut_short_is_no_success() {
    let dir = temp_dir();
    // Nobody has touched what is gone: nothing but its length tells.
    let (server, _) = cut_short_under_way(dir.path(), 300_000);
    assert!(server.ask("SYNC").starts_with("ERROR: not durable"));
    assert!(server.ask("PING ready").starts_with("ERROR: not ready"));
    assert_eq!(server.ask("COUNT"), "COUNT: 5000\n");
}

#[test]
fn a_directory_without_permission_is_refused_and_untouched() {
    use std::os::unix::process::CommandExt;
    let dir = temp_dir();
    // Root may write anywhere: then the server runs as nobody, from a place nobody may read.
    let binary = dir.path().join("logcaster");
    std::fs::copy(crate::support::BINARY, &binary).unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&logs, Permissions::from_mode(0o555)).unwrap();
    let mut command = std::process::Command::new(&binary);
    command.args(["serve", "-p", "0", "-q", "0", "--http-port", "0", "-P", "-s", "1", "-d"]);
    command.arg(&logs).env("TZ", "UTC");
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let output = crate::support::finish(command.stderr(std::process::Stdio::piped()));
    let refusal = Refusal { code: output.0.code(), stderr: output.1 };
    refusal.is_one_line_with(&[logs.to_str().unwrap(), "ermission denied"]);
    assert!(contents(&logs).is_empty());
}

#[test]
fn a_disk_without_room_is_refused_and_untouched() {
    // A file larger than the shell's limit is refused by the system as a full disk would be.
    let small_disk = "trap '' XFSZ; ulimit -f 512";
    let dir = temp_dir();
    is_refused_and_untouched(
        dir.path(),
        on(dir.path(), 4).before(small_disk),
        &[dir.path().to_str().unwrap()],
    );
    assert!(contents(dir.path()).is_empty(), "nothing half made is left");
}

#[test]
fn a_disk_without_room_for_another_size_leaves_the_segment_as_it_is() {
    let dir = with_ten_records();
    let small_disk = "trap '' XFSZ; ulimit -f 4096";
    is_refused_and_untouched(
        dir.path(),
        on(dir.path(), 8).before(small_disk),
        &[dir.path().to_str().unwrap()],
    );
    assert_eq!(on(dir.path(), 1).start().count(), 10);
}

#[test]
fn a_full_file_system_is_refused_and_left_empty() {
    let mount = "mount -t tmpfs -o size=2m tmpfs \"$LOGS\"";
    let may_mount = std::process::Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", mount])
        .env("LOGS", temp_dir().path())
        .output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        return; // No right to mount here: the limit of the tests above stands in.
    }
    let dir = temp_dir();
    let logs = dir.path().to_str().unwrap();
    // The mount is seen by this shell and what it becomes only, and goes with it.
    let script = format!("{mount} && \"$@\"; code=$?; find \"$LOGS\" -type f >&2; exit $code");
    let mut command = std::process::Command::new("unshare");
    // A process namespace of its own: whatever runs in it goes with its first process.
    command.args(["--mount", "--map-root-user", "--pid", "--fork", "--kill-child"]);
    command.args(["sh", "-c", &script, "sh", crate::support::BINARY]);
    command.args(["serve", "-p", "0", "-q", "0", "--http-port", "0", "-P", "-s", "4", "-d", logs]);
    command.env("LOGS", logs).stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::piped());
    let (exit, stderr) = crate::support::finish(&mut command);
    Refusal { code: exit.code(), stderr }.is_one_line_with(&[logs, "No space left on device"]);
}

#[test]
fn what_is_written_is_at_most_14_tenths_of_what_was_accepted() {
    let dir = temp_dir();
    let server = start_in(dir.path(), 64, &[]);
    let before = server.stats();
    let number = |stats: &std::collections::BTreeMap<String, String>, key: &str| {
        stats[key].parse::<f64>().unwrap_or_else(|_| panic!("{key}: {}", stats[key]))
    };
    let lines: String = (0..40_000).map(|n| format!("line {n:06} {}\n", "w".repeat(87))).collect();
    for _ in 0..4 {
        server.send(&lines);
    }
    server.ask("SYNC");
    let after = server.stats();
    let written = number(&after, "DiskBytes") - number(&before, "DiskBytes");
    let accepted = number(&after, "BytesIn") - number(&before, "BytesIn");
    assert!(accepted >= 16e6, "{accepted}");
    assert!(written / accepted <= 1.4, "{written} written for {accepted} accepted");
    assert!(written / accepted >= 1.0, "{written} written for {accepted} accepted: not counted?");
}

#[test]
fn nothing_is_written_without_persist() {
    let dir = temp_dir();
    let server = start(&["-d", dir.path().to_str().unwrap()]);
    server.send_until("x\n", 1);
    assert!(server.exit_within(Duration::ZERO).is_none());
    server.stop();
    assert!(contents(dir.path()).is_empty());
}
