//! Copies of a segment while lines pour into it, and the way back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::program;
use crate::support::{Server, contents, segment_file, start_in, temp_dir, wait_until};

/// Runs the binary, which must end with `code`; gives what it says, and where it fails what it
/// says of that.
#[track_caller]
fn run(args: &[&str], code: i32) -> String {
    let ran = program::run(args);
    assert_eq!(ran.code, Some(code), "{args:?}: {}{}", ran.stdout, ran.stderr);
    if code == 0 { ran.stdout } else { ran.stdout + &ran.stderr }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The number behind `name` in what a backup says.
#[track_caller]
fn said(report: &str, name: &str) -> u64 {
    let line = report.lines().find_map(|line| line.strip_prefix(name)).expect(report);
    line.trim_start_matches([':', ' ']).split([' ', ',']).next().unwrap().parse().expect(report)
}

/// Sends lines until `stop`; gives back how many.
fn pour(server: &Server, stop: &AtomicBool, most: u64) -> u64 {
    let mut peer = server.log_peer();
    let mut sent = 0;
    while sent < most && !stop.load(Ordering::Relaxed) {
        let lines: String = (sent..sent + 50)
            .map(|n| format!("line {n} {}\n", "x".repeat(n as usize % 97)))
            .collect();
        peer.write(lines);
        sent += 50;
    }
    peer.finish();
    sent
}

/// Makes backups of `dir` while lines pour into `server`.
fn backups_under_load(
    server: &Server,
    dir: &Path,
    place: &Path,
    most: u64,
) -> Vec<(PathBuf, String)> {
    struct AtTheEnd<'a>(&'a AtomicBool);
    impl Drop for AtTheEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // However this ends: the sender is waited for.
        let _stop = AtTheEnd(&stop);
        let sender = scope.spawn(|| pour(server, &stop, most));
        wait_until("the first lines", || (server.count() > 0).then_some(()));
        let made = (0..6).map(|number| {
            let out = place.join(format!("copy-{number}"));
            let said = run(&["backup", text(dir), text(&out)], 0);
            (out, said)
        });
        let made = made.collect();
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap();
        made
    })
}

#[test]
fn a_backup_under_load_holds_every_record_up_to_its_last() {
    let (dir, place) = (temp_dir(), temp_dir());
    let server = start_in(dir.path(), 64, &[]);
    let made = backups_under_load(&server, dir.path(), place.path(), 300_000);
    let all = server.raw();
    let mut before = 0;
    for (out, report) in &made {
        run(&["verify", text(out)], 0);
        let copied = run(&["export", text(out), "--format", "raw"], 0);
        assert!(all.starts_with(copied.as_bytes()), "{report}");
        assert_eq!(copied.lines().count() as u64, said(report, "records"), "{report}");
        assert_eq!(said(report, "overtaken by new lines while copying"), 0, "{report}");
        assert!(copied.len() >= before, "time goes on");
        before = copied.len();
        // The newest number is the one that the report names.
        let last = run(&["export", text(out), "--format", "csv"], 0);
        let last = last.lines().last().unwrap().split(',').next().unwrap().to_owned();
        assert!(report.contains(&format!(" to {last}\n")), "{last}: {report}");
        assert_eq!(said(report, "damaged"), 0);
    }
    server.stop();
    let (out, report) = made.last().unwrap();
    let server = start_in(out, 64, &[]);
    assert_eq!(server.count(), said(report, "records"));
    server.send_until("it goes on\n", said(report, "records") + 1);
    server.stop();
}

#[test]
fn a_ring_that_overtakes_the_copy_is_told_of_and_the_copy_is_whole() {
    let (dir, place) = (temp_dir(), temp_dir());
    let server = start_in(dir.path(), 4, &[]);
    let made = backups_under_load(&server, dir.path(), place.path(), u64::MAX);
    for (out, report) in &made {
        run(&["verify", text(out)], 0);
        let copied = run(&["export", text(out), "--format", "raw"], 0);
        let numbers: Vec<u64> =
            copied.lines().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{report}");
        let missing = numbers.windows(2).map(|two| two[1] - two[0] - 1).sum::<u64>();
        assert!(missing <= said(report, "overtaken by new lines while copying"), "{report}");
        assert_eq!(numbers.len() as u64, said(report, "records"), "{report}");
    }
    server.stop();
}

#[test]
fn a_backup_of_what_was_killed_opens_as_the_original_does() {
    let (dir, place) = (temp_dir(), temp_dir());
    let server = start_in(dir.path(), 4, &[]);
    server.send_until("one\ntwo\nthree\n", 3);
    server.kill();
    let out = place.path().join("deep/copy");
    let report = run(&["backup", text(dir.path()), text(&out)], 0);
    assert_eq!(said(&report, "records"), 3);
    run(&["verify", text(&out)], 0);
    let server = start_in(&out, 4, &[]);
    assert_eq!(server.raw(), b"one\ntwo\nthree\n");
    server.stop();
    // An empty one is a segment too.
    let empty = place.path().join("empty");
    start_in(&empty, 1, &[]).stop();
    let out = place.path().join("empty-copy");
    assert!(run(&["backup", text(&empty), text(&out)], 0).contains("numbers: none\n"));
    start_in(&out, 1, &[]).stop();
}

#[test]
fn nothing_is_overwritten_by_a_backup() {
    let (dir, place) = (temp_dir(), temp_dir());
    start_in(dir.path(), 1, &[]).stop();
    fs::write(place.path().join("precious"), "yes").unwrap();
    let before = contents(place.path());
    let refusal = run(&["backup", text(dir.path()), text(place.path())], 2);
    assert!(refusal.contains("is not empty: precious"), "{refusal}");
    assert_eq!(contents(place.path()), before);
    let nowhere = place.path().join("copy");
    let refusal = run(&["backup", text(place.path()), text(&nowhere)], 2);
    assert!(refusal.contains("open ") && !nowhere.exists(), "{refusal}");
}

#[test]
fn what_is_restored_is_what_was_backed_up() {
    let (dir, place) = (temp_dir(), temp_dir());
    let server = start_in(dir.path(), 4, &[]);
    server.send_until("one\ntwo\n", 2);
    let out = place.path().join("copy");
    run(&["backup", text(dir.path()), text(&out)], 0);
    // What came after the backup had numbers too.
    server.send_until("three\n", 3);
    let newest = newest_number(&server);
    let refusal = run(&["restore", text(&out), text(dir.path())], 2);
    assert!(refusal.contains("is not empty: segment"), "{refusal}");
    let refusal = run(&["restore", "--force", text(&out), text(dir.path())], 2);
    assert!(refusal.contains("another process holds it"), "{refusal}");
    assert_eq!(server.count(), 3);
    server.stop();
    run(&["restore", "--force", text(&out), text(dir.path())], 0);
    let server = start_in(dir.path(), 4, &[]);
    assert_eq!(server.raw(), b"one\ntwo\n");
    server.send_until("after\n", 3);
    assert!(newest_number(&server) > newest, "no number is given twice");
    server.stop();
    let fresh = place.path().join("fresh");
    // What a server kept beside its segment is nothing to be asked about, and stays.
    fs::create_dir(&fresh).unwrap();
    fs::write(fresh.join("irc.json"), "kept").unwrap();
    let report = run(&["restore", text(&out), text(&fresh)], 0);
    assert_eq!(said(&report, "records"), 2);
    assert_eq!(fs::read_to_string(fresh.join("irc.json")).unwrap(), "kept");
    run(&["verify", text(&fresh)], 0);
}

#[track_caller]
fn newest_number(server: &Server) -> u64 {
    let answer = server.ask("QUERY format=csv order=desc limit=1");
    let line = answer.lines().last().unwrap();
    line.split(',').next().unwrap().parse().unwrap_or_else(|_| panic!("{answer}"))
}

#[test]
fn a_damaged_backup_is_restored_only_by_force() {
    let (dir, place) = (temp_dir(), temp_dir());
    let server = start_in(dir.path(), 4, &[]);
    server.send_until("first\nthe one that is hit\nlast\n", 3);
    server.stop();
    let out = place.path().join("copy");
    run(&["backup", text(dir.path()), text(&out)], 0);
    let file = segment_file(&out);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(7).position(|window| window == b"the one").unwrap();
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    let target = place.path().join("target");
    let refusal = run(&["restore", text(&out), text(&target)], 1);
    assert!(refusal.contains("1 damaged places; nothing was restored"), "{refusal}");
    assert!(!target.exists());
    run(&["restore", "--force", text(&out), text(&target)], 0);
    assert_eq!(run(&["export", text(&target), "--format", "raw"], 0), "first\nlast\n");
    // A backup of it says so, and takes the damage along.
    let again = place.path().join("again");
    assert!(run(&["backup", text(&out), text(&again)], 1).contains("damaged: 1\n"));
    let server = start_in(&again, 4, &[]);
    assert_eq!(server.count(), 3, "the damaged one keeps its place");
    server.stop();
}

#[test]
fn a_segment_of_a_newer_format_is_refused_with_its_version() {
    let (dir, place) = (temp_dir(), temp_dir());
    start_in(dir.path(), 1, &[]).stop();
    let file = segment_file(dir.path());
    let mut bytes = fs::read(&file).unwrap();
    for at in [0, 4096] {
        bytes[at + 4..at + 8].copy_from_slice(&2u32.to_le_bytes());
    }
    fs::write(&file, &bytes).unwrap();
    let words = ["format version 2 is newer than 1, the newest known"];
    crate::support::setup(&[]).dir(dir.path(), 1).refused().is_one_line_with(&words);
    let out = place.path().join("copy");
    for args in [&["verify", text(dir.path())][..], &["backup", text(dir.path()), text(&out)]] {
        assert!(run(args, 2).contains(words[0]), "{args:?}");
    }
    assert_eq!(fs::read(&file).unwrap(), bytes, "nothing was changed");
}
