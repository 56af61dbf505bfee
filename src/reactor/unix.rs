//! Unix sockets that others find by a file: bound in the place of one that nobody listens at any
//! more, never in that of another file, and removed when we are done.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};

/// Who may use a socket: everybody on this machine, for logs as for `/dev/log`.
pub const MODE_EVERYBODY: u32 = 0o666;
/// Who may use a socket: its owner and its group, for questions, of which one is CLEAR.
pub const MODE_GROUP: u32 = 0o660;

/// The file of a socket that we have bound; removed when dropped, if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: another server may have put its own in the place of ours. `None` where
    /// somebody else has bound it, and removes it.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// The file, or name, of a socket that was bound by somebody else.
    pub fn lent(path: PathBuf) -> Self {
        Self { path, identity: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// `unix:PATH`
impl fmt::Display for SocketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:{}", self.path.display())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path).ok() == self.identity {
            // One that cannot be removed is found stale at the next start.
            let _stays = fs::remove_file(&self.path);
        }
    }
}

/// Listens for connections at `path`.
///
/// # Errors
/// As [`datagrams_at`].
pub fn listen_at(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let socket = claim(path, mode, |path| UnixListener::bind(path))?;
    socket.0.set_nonblocking(true)?;
    Ok(socket)
}

/// Takes datagrams at `path`.
///
/// # Errors
/// `AddrInUse` where somebody listens there, `AlreadyExists` where something else than a socket is
/// there, or the system's own.
pub fn datagrams_at(path: &Path, mode: u32) -> io::Result<(UnixDatagram, SocketFile)> {
    let socket = claim(path, mode, |path| UnixDatagram::bind(path))?;
    socket.0.set_nonblocking(true)?;
    Ok(socket)
}

/// Binds a socket at `path` whose file has the rights `mode` from its first moment.
fn claim<T>(
    path: &Path,
    mode: u32,
    bind: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<(T, SocketFile)> {
    make_way(path)?;
    let before = umask(Mode::from_bits_truncate(0o777 & !mode));
    let bound = bind(path);
    umask(before);
    let socket = bound?;
    let file = SocketFile { path: path.to_owned(), identity: Some(identity(path)?) };
    Ok((socket, file))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let about = fs::symlink_metadata(path)?;
    Ok((about.dev(), about.ino()))
}

/// Removes a socket that nobody listens at. Nothing else is ever removed.
fn make_way(path: &Path) -> io::Result<()> {
    let about = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(about) => about,
    };
    if !about.file_type().is_socket() {
        let reason = "there is a file that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
    }
    // A socket of the other kind, or one that we may not use, answers something else; only where
    // there is nobody it is refused.
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_socket_that_nobody_listens_at_is_replaced_and_one_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        drop(UnixDatagram::bind(&path).unwrap());
        assert!(path.exists(), "stale");
        let (socket, file) = datagrams_at(&path, MODE_EVERYBODY).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE_EVERYBODY);
        for refused in [
            datagrams_at(&path, MODE_EVERYBODY).map(drop).unwrap_err(),
            listen_at(&path, MODE_GROUP).map(drop).unwrap_err(),
        ] {
            assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        }
        drop((socket, file));
        assert!(!path.exists(), "removed");
        let (listener, file) = listen_at(&path, MODE_GROUP).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE_GROUP);
        assert!(datagrams_at(&path, MODE_EVERYBODY).is_err());
        drop((listener, file));
    }

    #[test]
    fn what_is_no_socket_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "precious").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for place in [&path, &link, &dir.path().to_owned()] {
            let refused = datagrams_at(place, MODE_EVERYBODY).map(drop).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{}", place.display());
        }
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_file_that_is_no_longer_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let (socket, file) = datagrams_at(&path, MODE_EVERYBODY).unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        fs::write(&path, "another's").unwrap();
        drop((socket, file));
        assert!(path.exists());
    }
}
