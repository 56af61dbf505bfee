//! The file a segment lives in: where it is, who owns it, how it comes into being. `flock` on it is
//! held for the writer's life; a new file gets its final name only when it is whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise};
use nix::unistd::{Whence, lseek};

/// The segment's name in its directory.
const FILE_NAME: &str = "segment";
/// The name of one that is being made.
const NEW_NAME: &str = "segment.new";

/// What was found where a segment is to be.
#[derive(Debug)]
pub enum Found {
    /// A file with something in it. It is ours: locked.
    Existing(File),
    /// Nothing. A file of the wanted size stands under another name, locked; [`publish`] gives it
    /// the right one.
    New(File),
    /// Another process holds it.
    Locked,
}

/// The path of the segment in `dir`.
pub fn path(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// Finds or makes the segment of `dir`, and locks it. A new one has `bytes`, all of them allocated.
///
/// # Errors
/// What was tried on which path, and the system's reason. What was there is unchanged.
pub fn find_or_make(dir: &Path, bytes: u64) -> io::Result<Found> {
    make_dir(dir)?;
    let path = path(dir);
    loop {
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match make(dir, bytes)? {
                    Some(file) if !path.exists() => Ok(Found::New(file)),
                    // Somebody was faster; look again.
                    Some(_) => continue,
                    None => Ok(Found::Locked),
                };
            }
            Err(error) => return Err(named("open", &path, &error)),
        };
        if !try_lock(&file, &path)? {
            return Ok(Found::Locked);
        }
        // A resize puts a new file in the place of the one we have just opened.
        if is_still_there(&file, &path)? {
            return Ok(Found::Existing(file));
        }
    }
}

/// Locks the segment of `dir`, where there is one.
///
/// # Errors
/// As [`find_or_make`]; `WouldBlock` where another process holds it.
pub fn lock_existing(dir: &Path) -> io::Result<Option<File>> {
    let path = path(dir);
    match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) if try_lock(&file, &path)? => Ok(Some(file)),
        Ok(_) => {
            let reason = format!("lock {}: another process holds it", path.display());
            Err(io::Error::new(io::ErrorKind::WouldBlock, reason))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named("open", &path, &error)),
    }
}

/// Takes away what [`make`] made, where it did not become a segment.
pub fn discard(dir: &Path) {
    let _nothing_more_to_do = fs::remove_file(dir.join(NEW_NAME));
}

/// Makes a file of `bytes` beside the segment, locked; `None` where another process is at it.
///
/// # Errors
/// As [`find_or_make`]; a full disk leaves nothing behind.
pub fn make(dir: &Path, bytes: u64) -> io::Result<Option<File>> {
    make_by(dir, bytes, allocate)
}

/// As [`make`], for a copy that is to take no more room than what is written to it.
///
/// # Errors
/// As [`make`].
pub fn make_sparse(dir: &Path, bytes: u64) -> io::Result<Option<File>> {
    make_by(dir, bytes, File::set_len)
}

fn make_by(
    dir: &Path,
    bytes: u64,
    allocate: impl FnOnce(&File, u64) -> io::Result<()>,
) -> io::Result<Option<File>> {
    let path = dir.join(NEW_NAME);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(&path)
        .map_err(|error| named("create", &path, &error))?;
    // Whoever had it locked may have published it under its right name in the meantime.
    if !try_lock(&file, &path)? || !is_still_there(&file, &path)? {
        return Ok(None);
    }
    let made = file.set_len(0).and_then(|()| allocate(&file, bytes));
    if let Err(error) = made {
        let _nothing_more_to_do = fs::remove_file(&path);
        let error = named("allocate", &path, &error);
        return Err(io::Error::new(error.kind(), format!("{error} ({bytes} bytes are needed)")));
    }
    Ok(Some(file))
}

/// Gives the file that [`make`] made the segment's name, in the place of what had it. `file` must
/// be whole: it is synced first, and the directory after.
///
/// # Errors
/// As [`find_or_make`].
pub fn publish(dir: &Path, file: &File) -> io::Result<()> {
    let (from, to) = (dir.join(NEW_NAME), path(dir));
    file.sync_all().map_err(|error| named("sync", &from, &error))?;
    fs::rename(&from, &to).map_err(|error| named("rename", &from, &error))?;
    sync_dir(dir)
}

/// Tells the kernel that reads jump about, so that it brings in the pages that are asked for and no
/// more, each by itself: pages that lie in the cache together become dirty together.
pub fn expect_jumps(file: &File) {
    let _only_advice = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM);
}

/// Reads parts of a segment file for [`super::Offline`], without mapping or locking it.
pub fn reader(file: &File) -> impl FnMut(Range<u64>) -> io::Result<Vec<u8>> + use<'_> {
    move |range: Range<u64>| {
        let bytes = usize::try_from(range.end.saturating_sub(range.start))
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut part = vec![0; bytes];
        let mut filled = 0;
        while filled < bytes {
            match file.read_at(&mut part[filled..], range.start + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        part.truncate(filled);
        Ok(part)
    }
}

/// The first byte at or after `from` that no disk block was written for, as far as the file system
/// tells; `end` where all were.
pub fn first_unwritten(file: &File, from: u64, end: u64) -> u64 {
    let Ok(from_signed) = libc::off_t::try_from(from) else { return from };
    match lseek(file, from_signed, Whence::SeekHole) {
        Ok(at) => u64::try_from(at).unwrap_or(from).clamp(from, end.max(from)),
        Err(_) => from,
    }
}

/// Reserves `bytes` for `file` without writing them; on file systems that cannot, it is only made
/// that long, and the pre-writing that follows finds out whether there is room.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    let length = libc::off_t::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(()),
        Err(nix::Error::EOPNOTSUPP | nix::Error::ENOSYS) => file.set_len(bytes),
        Err(error) => Err(error.into()),
    }
}

/// Makes `dir`, where it is not there.
///
/// # Errors
/// As [`find_or_make`].
pub fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(|error| named("create", dir, &error))?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| named("sync", dir, &error))
}

fn try_lock(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(named("lock", path, &error)),
    }
}

fn is_still_there(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata().map_err(|error| named("stat", path, &error))?;
    match fs::metadata(path) {
        Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(named("stat", path, &error)),
    }
}

/// `open ./logs/segment: Permission denied (os error 13)`
pub fn named(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_found_once_it_is_published_and_belongs_to_one() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("deep/logs");
        let Found::New(file) = find_or_make(&dir, 1 << 20).unwrap() else { panic!("not new") };
        assert_eq!(file.metadata().unwrap().len(), 1 << 20);
        assert!(matches!(find_or_make(&dir, 1 << 20).unwrap(), Found::Locked));
        publish(&dir, &file).unwrap();
        assert!(matches!(find_or_make(&dir, 1 << 20).unwrap(), Found::Locked));
        drop(file);
        assert!(matches!(find_or_make(&dir, 1 << 20).unwrap(), Found::Existing(_)));
    }

    #[test]
    fn a_file_that_was_replaced_is_not_taken_for_the_segment() {
        let dir = tempfile::tempdir().unwrap();
        let Found::New(old) = find_or_make(dir.path(), 4096).unwrap() else { panic!("not new") };
        publish(dir.path(), &old).unwrap();
        let new = make(dir.path(), 8192).unwrap().unwrap();
        publish(dir.path(), &new).unwrap();
        assert!(!is_still_there(&old, &path(dir.path())).unwrap());
        assert!(is_still_there(&new, &path(dir.path())).unwrap());
    }

    #[test]
    fn no_room_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let error = find_or_make(dir.path(), 1 << 60).unwrap_err().to_string();
        assert!(error.starts_with("allocate "), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn written_bytes_are_told_from_reserved_ones() {
        let file = tempfile::tempfile().unwrap();
        allocate(&file, 1 << 20).unwrap();
        assert_eq!(first_unwritten(&file, 0, 1 << 20), 0);
        file.write_all_at(&[0; 65536], 0).unwrap();
        file.sync_data().unwrap();
        assert_eq!(first_unwritten(&file, 0, 1 << 20), 65536);
    }
}
