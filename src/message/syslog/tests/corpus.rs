//! The table of samples in tests/data/syslog/corpus.txt, which says how it is written.

use jiff::tz::TimeZone;

use crate::clock::Wall;
use crate::message::syslog::*;

/// 2026-11-20T18:30:00Z.
const NOW: Wall = 1_795_199_400_000_000_000;

/// Samples of which not all is read, with the reason: what a person sees in them, a reader without
/// a list of names does not.
const MISSED: &[(&str, &str)] = &[
    ("synology-file", "a tag without a colon is a word like any other"),
    ("cisco-acs", "a tag without a colon is a word like any other"),
];

const TABLE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/syslog/corpus.txt"));

/// A sample and what is to be read in it.
#[derive(Debug)]
struct Sample {
    name: &'static str,
    record: Vec<u8>,
    priority: String,
    time: EventTime,
    /// Host, application, process, message id, structured data, text.
    parts: [Vec<u8>; 6],
}

/// Reads `\n`, `\t`, `\\` and `\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let (mut out, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("an escape {other:?} in {text}"),
        });
    }
    out
}

fn sample(paragraph: &'static str) -> Sample {
    let mut lines = paragraph.lines();
    let (name, source) = lines.next().unwrap().split_once(" :: ").expect(paragraph);
    assert!(!source.is_empty(), "{name}: where is its shape documented?");
    let record = unescape(lines.next().unwrap());
    let mut words = lines.next().unwrap().split(' ');
    let priority = words.next().unwrap().to_owned();
    let time = match words.next().unwrap() {
        "-" => EventTime::Missing,
        "bad" => EventTime::Bad,
        time => {
            let at = time.parse::<jiff::Timestamp>().expect(name).as_nanosecond();
            EventTime::At(i64::try_from(at).unwrap())
        }
    };
    let mut parts: [Vec<u8>; 6] = Default::default();
    for word in words {
        let (key, value) = word.split_once('=').expect(name);
        let index = ["host", "app", "proc", "msg"].iter().position(|known| *known == key);
        parts[index.expect(name)] = unescape(value);
    }
    for line in lines {
        match line.split_once(' ').expect(name) {
            ("sd", data) => parts[4] = unescape(data),
            ("text", text) => parts[5] = unescape(text),
            _ => panic!("{name}: {line}"),
        }
    }
    Sample { name, record, priority, time, parts }
}

fn samples() -> Vec<Sample> {
    let is_sample = |paragraph: &&str| !paragraph.is_empty() && !paragraph.starts_with('#');
    TABLE
        .split("\n\n")
        .map(|paragraph| paragraph.trim_matches('\n'))
        .filter(is_sample)
        .map(sample)
        .collect()
}

/// What differs from what is to be read.
fn differences(sample: &Sample, found: &Syslog<'_>) -> Vec<String> {
    let mut differences = Vec::new();
    let priority = format!("{}.{}", facility_name(found.facility), found.severity);
    if priority != sample.priority {
        differences.push(format!("priority {priority}, not {}", sample.priority));
    }
    if found.time != sample.time {
        differences.push(format!("time {:?}, not {:?}", found.time, sample.time));
    }
    let names = ["host", "app", "proc", "msg", "sd", "text"];
    let parts = [found.host, found.app, found.proc_id, found.msg_id, found.data, found.text];
    for ((name, part), expected) in names.iter().zip(parts).zip(&sample.parts) {
        if part != expected {
            let (part, expected) = (part.escape_ascii(), expected.escape_ascii());
            differences.push(format!("{name} \"{part}\", not \"{expected}\""));
        }
    }
    differences
}

#[test]
fn the_corpus_is_read() {
    let samples = samples();
    assert!(samples.len() >= 120, "only {} samples", samples.len());
    let (mut missed, mut said) = (Vec::new(), String::new());
    let mut times = Times::new(TimeZone::UTC);
    for sample in &samples {
        let found = read(&sample.record, NOW, &mut times).expect(sample.name);
        let differences = differences(sample, &found);
        if !differences.is_empty() {
            missed.push(sample.name);
            said += &format!("{}: {}\n", sample.name, differences.join("; "));
        }
        fuzz_syslog(&sample.record);
    }
    let expected: Vec<_> = MISSED.iter().map(|(name, _)| *name).collect();
    assert_eq!(missed, expected, "\n{said}");
    let whole = samples.len() - missed.len();
    assert!(whole * 100 >= samples.len() * 95, "{whole} of {} are read whole", samples.len());
}

#[test]
fn samples_have_names_of_their_own() {
    let mut names: Vec<_> = samples().iter().map(|sample| sample.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for (name, reason) in MISSED {
        assert!(names.contains(name) && !reason.is_empty(), "{name}");
    }
}
