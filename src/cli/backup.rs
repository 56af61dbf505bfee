//! `logcaster backup` and `restore`: a copy of a segment, made while a server writes it, and the
//! way back. Both read by [`crate::segment::Copying`] and write a file that gets its name when it
//! is whole and on the disk.

use crate::cli::args::{BackupArgs, RestoreArgs};
use crate::cli::client::Failure;
use crate::cli::offline;
use crate::clock::{Clock, Wall};
use crate::query::LocalTime;
use crate::reactor::time_zone;
use crate::segment::{Copied, Copying, Piece, file};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::ExitCode;

/// What may lie in a directory that counts as empty: what `mkfs` leaves there, what a copy that was
/// broken off has left, and what a server keeps beside its segment.
const NOTHING: [&str; 7] = [
    "lost+found",
    "segment.new",
    "irc.json",
    "irc.json.bad",
    "irc.json.new",
    "metrics.json",
    "metrics.json.new",
];

/// Copies the segment of a directory into another one.
pub fn backup(args: BackupArgs) -> ExitCode {
    let (from, to) = (&args.dir, Path::new(&args.out));
    let done = refuse_full(to).and_then(|()| copy(from, to, file::make_sparse, 0));
    match done {
        Ok(done) => {
            let shown = super::show(&describe(&done, to));
            // A ring that turns faster than it is read leaves nothing of it.
            let is_gone = done.copied.report.records == 0 && done.copied.overtaken_blocks > 0;
            if done.copied.report.is_damaged() || is_gone { ExitCode::FAILURE } else { shown }
        }
        Err(failure) => super::refuse(&failure),
    }
}

/// Copies a backup into the directory of a server that does not run.
pub fn restore(args: RestoreArgs) -> ExitCode {
    match restore_checked(&args) {
        Ok(Some(done)) => super::show(&describe(&done, Path::new(&args.dir))),
        Ok(None) => ExitCode::FAILURE,
        Err(failure) => super::refuse(&failure),
    }
}

/// `None`: the backup is damaged, which is said, and nothing was done.
fn restore_checked(args: &RestoreArgs) -> Result<Option<Done>, Failure> {
    let to = Path::new(&args.dir);
    if !args.force {
        refuse_full(to)?;
        let report = offline::check(&args.backup)?;
        if report.is_damaged() {
            let (count, from) = (report.damaged, &args.backup);
            super::complain(&format_args!(
                "{from}: {count} damaged places; nothing was restored (--force takes the rest)"
            ));
            return Ok(None);
        }
    }
    // Held until the new file is in its place: no server starts in between.
    let _old = file::lock_existing(to).map_err(Failure::File)?;
    // Numbers that the server gave out after the backup are not given again: they begin as the
    // Unix time in microseconds, and no server gives more than one a microsecond for long.
    let head_min = Clock::new().wall() / 1000;
    copy(&args.backup, to, file::make, head_min).map(Some)
}

/// What was done.
struct Done {
    copied: Copied,
    /// Bytes of the file, and those of them that were written.
    bytes: u64,
    written: u64,
}

/// Where it may go: nothing is ever overwritten.
fn refuse_full(dir: &Path) -> Result<(), Failure> {
    let named = |error| Failure::File(file::named("read", dir, &error));
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(named)?,
    };
    for entry in entries {
        let name = entry.map_err(named)?.file_name();
        if !NOTHING.iter().any(|nothing| name == *nothing) {
            let reason = format!("{} is not empty: {}", dir.display(), name.display());
            return Err(Failure::Refused(reason));
        }
    }
    Ok(())
}

/// Copies what is in `from` to `to`, whose file `make` makes.
fn copy(
    from: &str,
    to: &Path,
    make: impl FnOnce(&Path, u64) -> io::Result<Option<File>>,
    head_min: u64,
) -> Result<Done, Failure> {
    let (path, source, source_bytes) = offline::open(from)?;
    let read = |error| Failure::Read(path.display().to_string(), error);
    let begin = |is_backwards| {
        let source = offline::offline(&path, file::reader(&source), source_bytes)?;
        Copying::new(source, is_backwards).map_err(read)
    };
    let mut copying = begin(false)?;
    let is_new_dir = !to.exists();
    let bytes = copying.file_bytes();
    let target = file::make_dir(to).and_then(|()| make(to, bytes)).map_err(Failure::File)?;
    let Some(target) = target else {
        let reason = format!("{}: another process makes a segment there", to.display());
        return Err(Failure::Refused(reason));
    };
    let mut written = 0;
    let filled = fill(&mut copying, &target, to, &mut written, read).and_then(|()| {
        if !copying.is_outrun() {
            return Ok(());
        }
        copying = begin(true)?;
        written = 0;
        fill(&mut copying, &target, to, &mut written, read)
    });
    let done = filled.and_then(|()| {
        let (pieces, copied) = copying.finish(random(), head_min);
        write(&target, to, &pieces, &mut written)?;
        file::publish(to, &target).map_err(Failure::File)?;
        Ok(Done { copied, bytes, written })
    });
    if done.is_err() {
        file::discard(to);
        if is_new_dir {
            let _somebody_else_uses_it = fs::remove_dir(to);
        }
    }
    done
}

/// Writes every block.
fn fill<R: crate::segment::ReadAt<Error = io::Error>>(
    copying: &mut Copying<R>,
    target: &File,
    to: &Path,
    written: &mut u64,
    read: impl Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    while let Some(pieces) = copying.step().map_err(&read)? {
        write(target, to, &pieces, written)?;
    }
    Ok(())
}

fn write(target: &File, to: &Path, pieces: &[Piece], written: &mut u64) -> Result<(), Failure> {
    for piece in pieces {
        target
            .write_all_at(&piece.bytes, piece.at)
            .map_err(|error| Failure::File(file::named("write", &file::path(to), &error)))?;
        *written += piece.bytes.len() as u64;
    }
    Ok(())
}

/// A number that no earlier life of a segment had.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// What is said at the end.
fn describe(done: &Done, to: &Path) -> String {
    let Done { copied, bytes, written } = done;
    let mut time = LocalTime::new(time_zone());
    let mut shown = |ns: Wall| String::from_utf8_lossy(time.text_of(ns)).into_owned();
    let numbers = match copied.numbers {
        Some((first, last)) => format!("{} to {}", first.0, last.0),
        None => String::from("none"),
    };
    let received = match copied.received_ns {
        Some((from, until)) => format!("{} to {}", shown(from), shown(until)),
        None => String::from("never"),
    };
    let report = &copied.report;
    let mut text = String::new();
    let lines = [
        format!("copied: {}, {written} bytes of {bytes}", file::path(to).display()),
        format!("records: {}, {} of them cleared", report.records, report.cleared),
        format!("numbers: {numbers}"),
        format!("received: {received}"),
        format!(
            "overtaken by new lines while copying: {} records in {} blocks",
            copied.overtaken, copied.overtaken_blocks
        ),
        format!("damaged: {}", report.damaged),
    ];
    for line in lines {
        let _infallible = writeln!(text, "{line}");
    }
    text
}
