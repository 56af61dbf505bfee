//! What real clients write over HTTP, replayed byte for byte against the server: how each of their
//! requests is answered, and which records come out.
//!
//! `tests/data/captures/http/expected_server.tsv` holds what is expected: for each capture a row
//! with the statuses of its answers, then a row for each record, which begins with a tab: level,
//! the time that the line says, labels, message, and the text where it is another. Texts are
//! written as in JSON. What was seen is written beside it, into cargo's directory for tests.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Server;
use crate::web::{Web, start_web};

/// Records shown of a capture that has many: at the beginning, and the last.
const SHOWN: usize = 6;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures/http")
}

/// The captures by name, and the methods of their requests.
fn captures() -> BTreeMap<String, Vec<String>> {
    let mut captures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let rows = std::fs::read_to_string(folder().join("expected.tsv")).unwrap();
    for row in rows.lines().filter(|row| !row.starts_with('#')) {
        let mut cells = row.split('\t');
        let methods = captures.entry(cells.next().unwrap().to_owned()).or_default();
        methods.push(cells.next().unwrap().to_owned());
    }
    captures
}

/// Sends `bytes` in pieces of so many and reads the statuses of all answers until the end.
#[track_caller]
fn statuses(mut web: Web, bytes: &[u8], piece: usize, methods: &[String]) -> Vec<String> {
    for part in bytes.chunks(piece) {
        if std::io::Write::write_all(&mut web.stream(), part).is_err() {
            break;
        }
    }
    web.shut();
    let (mut statuses, mut methods) = (Vec::new(), methods.iter());
    let mut method = methods.next();
    while !web.is_at_end() {
        let answer = web.answer_to(method.map_or("GET", String::as_str));
        statuses.push(answer.status.to_string());
        if answer.status >= 200 {
            method = methods.next();
        }
    }
    statuses
}

/// A text as in JSON, without the quotes.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].replace("\\\"", "\"")
}

/// A row for the record.
fn row(record: &Value) -> String {
    let text = |name: &str| record[name].as_str().map(escaped);
    let labels = text("_stream").unwrap().replace(",transport=\"http\"", "");
    let (level, time) = (text("level").unwrap(), text("event_time"));
    let time = time.unwrap_or_else(|| "-".to_owned());
    let (message, raw) = (text("_msg").unwrap(), text("raw").unwrap_or_else(|| "=".to_owned()));
    format!("\t{level}\t{time}\t{labels}\t{message}\t{raw}\n")
}

/// What comes of a capture.
#[track_caller]
fn replay(server: &Server, web: Web, name: &str, piece: usize, methods: &[String]) -> String {
    let bytes = std::fs::read(folder().join(name)).unwrap();
    let statuses = statuses(web, &bytes, piece, methods);
    let mut seen = format!("{name}\t{}\n", statuses.join(" "));
    let records = server.get("/api/query").is(200).lines();
    for (index, record) in records.iter().enumerate() {
        if index < SHOWN || index + 1 == records.len() {
            seen.push_str(&row(record));
        } else if index == SHOWN {
            writeln!(seen, "\t{} more", records.len() - SHOWN - 1).unwrap();
        }
    }
    assert!(server.ask("CLEAR").starts_with("OK"));
    seen
}

#[test]
fn what_real_clients_send_over_http_is_answered_and_stored() {
    let server = start_web();
    let captures = captures();
    assert_eq!(captures.len(), 198);
    let (mut seen, mut findings) = (String::new(), Vec::new());
    for (name, methods) in &captures {
        let whole = replay(&server, server.web(), name, usize::MAX, methods);
        for piece in [1, 61, 1_460] {
            let cut = replay(&server, server.web(), name, piece, methods);
            if cut != whole {
                findings.push(format!("in pieces of {piece}:\n{cut}whole:\n{whole}"));
            }
        }
        seen.push_str(&whole);
    }
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("expected_server.tsv");
    std::fs::write(&beside, &seen).unwrap();
    let expected = std::fs::read_to_string(folder().join("expected_server.tsv")).unwrap();
    let comment = |row: &&str| !row.starts_with('#');
    let (expected, seen): (Vec<&str>, Vec<&str>) =
        (expected.lines().filter(comment).collect(), seen.lines().collect());
    for (index, row) in seen.iter().enumerate() {
        if expected.get(index) != Some(row) {
            let wanted = expected.get(index).unwrap_or(&"nothing");
            findings.push(format!("row {}: seen\n{row}\nexpected\n{wanted}", index + 1));
        }
    }
    if expected.len() > seen.len() {
        findings.push(format!("{} rows more are expected", expected.len() - seen.len()));
    }
    let shown = findings[..findings.len().min(10)].join("\n");
    assert!(findings.is_empty(), "{} differences:\n{shown}", findings.len());
}

#[test]
fn what_real_clients_send_to_the_log_port_over_http_is_stored() {
    let server = start_web();
    let captures = captures();
    let mut inserts = 0;
    for (name, methods) in captures {
        let is_insert = methods.iter().all(|method| method == "POST" || method == "PUT");
        if !is_insert {
            continue;
        }
        let at_its_port = replay(&server, server.web(), &name, usize::MAX, &methods);
        for piece in [usize::MAX, 61] {
            let web = Web::to(server.logs);
            let at_the_log_port = replay(&server, web, &name, piece, &methods);
            // What is a question there is none here.
            let mut statuses = at_its_port.lines().next().unwrap().split(['\t', ' ']).skip(1);
            let is_taken = statuses.any(|status| status.starts_with('2'));
            let same = at_the_log_port == at_its_port || !is_taken;
            assert!(same, "{at_the_log_port}expected:\n{at_its_port}");
        }
        inserts += 1;
    }
    assert!(inserts > 100, "{inserts}");
}
