//! Reading a segment without a server, or beside one: `query --dir`, `export` and `verify`.
//!
//! The file is only read, never mapped, locked or written; [`crate::segment::Offline`] does that,
//! this hands it the file and the person's words.

use crate::cli::args::{ExportArgs, QueryArgs, VerifyArgs};
use crate::cli::client::Failure;
use crate::cli::normalise::UsageError;
use crate::cli::output::Output;
use crate::cli::query;
use crate::clock::Clock;
use crate::proto::command::{self, Command};
use crate::query::{
    Census, Cursor, Format, LocalTime, Query, Slice, TimeContext, head, parse_parameters, render,
};
use crate::reactor::time_zone;
use crate::segment::{Offline, OfflineBlock, Options, ReadAt, Seq, VerifyReport, file};
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes that are gathered before they are written.
const PAGE_BYTES: usize = 64 << 10;

/// Opens the segment's file in `dir`.
pub(super) fn open(dir: &str) -> Result<(PathBuf, File, u64), Failure> {
    let path = file::path(Path::new(dir));
    let fail = |error| Failure::Open(path.display().to_string(), error);
    let file = File::open(&path).map_err(fail)?;
    let bytes = file.metadata().map_err(fail)?.len();
    Ok((path.clone(), file, bytes))
}

/// Sees which blocks of the segment in `file` are live.
pub(super) fn offline<R: ReadAt<Error = io::Error>>(
    path: &Path,
    reader: R,
    bytes: u64,
) -> Result<Offline<R>, Failure> {
    Offline::open(reader, bytes)
        .map_err(|error| Failure::Segment(path.display().to_string(), error.to_string()))
}

/// Ends a reading subcommand as grep does.
fn end(result: Result<bool, Failure>) -> ExitCode {
    match result {
        Ok(is_found) => ExitCode::from(u8::from(!is_found)),
        // Whoever read has seen something, and enough of it.
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => super::refuse(&failure),
    }
}

/// Answers `question` from the segment in `dir` as a server would.
pub fn query(args: &QueryArgs, dir: &str, question: &str) -> ExitCode {
    let zone = time_zone();
    let context = TimeContext::new(Clock::new().wall(), &zone);
    match command::parse(question.as_bytes(), &context) {
        Ok(command) => end(answer(dir, command, question, zone.clone(), args)),
        Err(error) => super::refuse(&error),
    }
}

fn answer(
    dir: &str,
    command: Command,
    question: &str,
    zone: TimeZone,
    args: &QueryArgs,
) -> Result<bool, Failure> {
    match command {
        Command::Query(_) | Command::Count | Command::Census(_) => {}
        Command::Help => {
            let mut text = Vec::new();
            command::help(&mut text);
            Output::new(false, false).write(&text)?;
            return Ok(true);
        }
        _ => {
            let word = args.question.first().cloned().unwrap_or_default();
            return Err(Failure::NotOffline(word));
        }
    };
    let (path, file, bytes) = open(dir)?;
    let mut offline = offline(&path, file::reader(&file), bytes)?;
    let read = |error| Failure::Read(path.display().to_string(), error);
    let segment = offline.load(Options::default()).map_err(read)?;
    let shape = query::shape(question);
    let mut out = Output::new(shape.is_raw, !shape.is_bare);
    match command {
        Command::Query(query) => {
            let query = Query { is_bare: shape.is_bare, ..*query };
            let mut cursor = Cursor::query(query, &segment);
            let mut time = LocalTime::new(zone);
            write_slices(&mut out, |page| cursor.slice(&segment, page, PAGE_BYTES, &mut time))?;
            Ok(cursor.found() > 0)
        }
        Command::Census(listing) => {
            let mut census = Census::new(listing, &segment);
            write_slices(&mut out, |page| census.slice(&segment, page, PAGE_BYTES))?;
            Ok(true)
        }
        _ => {
            out.write(format!("COUNT: {}\n", segment.records()).as_bytes())?;
            Ok(true)
        }
    }
}

/// Writes an answer that comes in slices.
fn write_slices(
    out: &mut Output,
    mut next: impl FnMut(&mut Vec<u8>) -> Slice,
) -> Result<(), Failure> {
    let mut page = Vec::new();
    loop {
        let slice = next(&mut page);
        if page.len() >= PAGE_BYTES || slice == Slice::Done {
            out.write(&page)?;
            page.clear();
        }
        if slice == Slice::Done {
            return out.finish();
        }
    }
}

/// Writes the records of a segment to standard output, a block at a time.
pub fn export(args: ExportArgs) -> ExitCode {
    let zone = time_zone();
    let context = TimeContext::new(Clock::new().wall(), &zone);
    match export_query(&args, &context) {
        Ok(query) => end(export_records(&args.dir, query, zone.clone())),
        Err(error) => super::refuse(&error),
    }
}

/// The flags of `export` as the query that they are, each refused under its own name.
fn export_query(args: &ExportArgs, context: &TimeContext<'_>) -> Result<Query, UsageError> {
    let flags = [
        ("--since", "since", &args.since),
        ("--until", "until", &args.until),
        ("--format", "format", &args.format),
    ];
    let mut parameters = String::new();
    for (flag, name, value) in flags {
        let Some(value) = value else { continue };
        let refuse = |reason: String| UsageError::Value {
            name: flag,
            value: value.clone(),
            expected: reason,
        };
        if value.contains(['"', '\\', '\n']) || value.is_empty() {
            return Err(refuse("a value without quotes".to_owned()));
        }
        let parameter = format!("{name}=\"{value}\" ");
        if let Err(error) = parse_parameters(parameter.as_bytes(), false, context) {
            let reason = error.to_string();
            // What was seen is said already.
            let allowed =
                reason.split_once("(allowed: ").and_then(|(_, rest)| rest.strip_suffix(')'));
            return Err(refuse(allowed.map_or(reason.clone(), str::to_owned)));
        }
        parameters.push_str(&parameter);
    }
    parse_parameters(parameters.as_bytes(), false, context).map_err(|error| UsageError::Arguments {
        command: "export".to_owned(),
        reason: error.to_string(),
    })
}

fn export_records(dir: &str, mut query: Query, zone: TimeZone) -> Result<bool, Failure> {
    let (path, file, bytes) = open(dir)?;
    let mut offline = offline(&path, file::reader(&file), bytes)?;
    let mut out = Output::new(query.format == Format::Raw, query.format == Format::Text);
    out.write(head(query.format))?;
    let mut time = LocalTime::new(zone);
    let (mut is_found, mut damaged) = (false, 0);
    let mut page = Vec::new();
    for id in offline.block_ids() {
        let block = offline
            .read_block(id)
            .map_err(|error| Failure::Read(path.display().to_string(), error))?;
        let Some(block) = block else { continue };
        damaged += export_block(&block, offline.cleared(), &mut query, &mut time, &mut page);
        is_found |= !page.is_empty();
        out.write(&page)?;
        page.clear();
    }
    out.finish()?;
    if damaged > 0 {
        let place = path.display();
        super::complain(&format_args!("{place}: {damaged} damaged records left out; see verify"));
    }
    Ok(is_found)
}

/// Appends the records of one block that `query` asks for; returns how many are damaged.
fn export_block(
    offline: &OfflineBlock,
    cleared: Seq,
    query: &mut Query,
    time: &mut LocalTime,
    page: &mut Vec<u8>,
) -> u64 {
    let block = offline.block();
    let mut damaged = 0;
    for index in 0..block.count {
        let seq = Seq(block.first.0 + u64::from(index));
        if seq < cleared || block.is_gap(index) {
            continue;
        }
        match block.record(index) {
            Ok(record) => {
                let at = query.stamp.of(record.received_ns, record.event_ns);
                if query.filter.matches(record.text, record.level, at, record.labels) {
                    render(query.format, query.stamp, &record, time, page);
                }
            }
            // What an unclean end tore was never promised.
            Err(_) => damaged += u64::from(seq < offline.durable),
        }
    }
    damaged
}

/// Checks every checksum of the segment in `dir`.
pub(super) fn check(dir: &str) -> Result<VerifyReport, Failure> {
    let (path, file, bytes) = open(dir)?;
    let mut offline = offline(&path, file::reader(&file), bytes)?;
    offline.verify().map_err(|error| Failure::Read(path.display().to_string(), error))
}

/// Checks every checksum of a segment and says what was found.
pub fn verify(args: VerifyArgs) -> ExitCode {
    match check(&args.dir) {
        Ok(report) => {
            let shown = super::show(&describe(&report));
            if report.is_damaged() { ExitCode::FAILURE } else { shown }
        }
        Err(failure) => super::refuse(&failure),
    }
}

/// What `verify` prints: the numbers, then the places that cannot be used.
fn describe(report: &VerifyReport) -> String {
    let mut text = String::new();
    let closed = if report.clean { "closed cleanly" } else { "in use, or ended uncleanly" };
    let lines = [
        format!("segment: {closed}, {} blocks", report.blocks),
        format!("records: {}, {} of them cleared", report.records, report.cleared),
        format!("numbers without a record: {}", report.gaps),
        format!("bytes skipped: {}", report.bytes_skipped),
        format!("lost with an unclean end: {}", report.torn),
        format!("damaged: {}", report.damaged),
    ];
    for line in lines {
        let _infallible = writeln!(text, "{line}");
    }
    for skipped in &report.skipped {
        let seq = skipped.seq.map_or(String::new(), |seq| format!(" seq={}", seq.0));
        let (block, bytes, why) = (skipped.block, skipped.bytes, skipped.why);
        let _infallible = writeln!(text, "skipped block={block}{seq} bytes={bytes}: {why}");
    }
    let (listed, all) = (report.skipped.len() as u64, report.torn + report.damaged);
    if listed < all {
        let _infallible = writeln!(text, "and {} more", all - listed);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Skipped, Why};

    #[test]
    fn the_report_names_each_place_and_why() {
        let skipped = Skipped { block: 3, seq: Some(Seq(17)), bytes: 42, why: Why::Record };
        let report = VerifyReport {
            blocks: 4,
            records: 10,
            cleared: 2,
            bytes_skipped: 42,
            damaged: 2,
            skipped: vec![skipped],
            ..VerifyReport::default()
        };
        let expected = "segment: in use, or ended uncleanly, 4 blocks\n\
                        records: 10, 2 of them cleared\n\
                        numbers without a record: 0\n\
                        bytes skipped: 42\n\
                        lost with an unclean end: 0\n\
                        damaged: 2\n\
                        skipped block=3 seq=17 bytes=42: record fails its checksum\n\
                        and 1 more\n";
        assert_eq!(describe(&report), expected);
    }

    #[test]
    fn flags_of_export_are_refused_under_their_own_names() {
        let zone = TimeZone::UTC;
        let context = TimeContext::new(1_795_168_800_000_000_000, &zone);
        let check = |since: Option<&str>, format: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let dir = String::new();
            let args = ExportArgs { since: own(since), until: None, format: own(format), dir };
            export_query(&args, &context).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(check(Some("2026-11-20 10:00:00"), Some("json")), Ok(()));
        assert_eq!(check(Some("-5m"), None), Ok(()));
        let error = check(None, Some("xml")).expect_err("xml");
        assert_eq!(error, "--format \"xml\": expected text, json, logfmt, csv, raw");
        let error = check(Some("yesterdayish"), None).expect_err("no time");
        assert!(error.starts_with("--since \"yesterdayish\": expected "), "{error}");
        assert!(check(Some("\" regex=\"x"), None).is_err());
    }
}
