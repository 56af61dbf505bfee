//! System calls that mio does not make: listening sockets with the options we want, signals by
//! self-pipe, how much has arrived, limits of the process.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use mio::net::TcpStream;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, listen, setsockopt,
    socket, sockopt,
};
use nix::unistd::{Pid, pipe2};

use crate::limits::{
    KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES, LISTEN_BACKLOG, SEND_BUFFER_BYTES,
};

/// The writing end of the signal pipe; -1 until there is one.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Listens on `address`, with an IPv6 address taking IPv6 only, so that both families can be bound
/// at one port.
///
/// # Errors
/// The system's own: the port is taken, or not ours to take, or there is no such address here.
pub fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    match address {
        SocketAddr::V4(v4) => bind(fd.as_raw_fd(), &SockaddrIn::from(v4))?,
        SocketAddr::V6(v6) => {
            setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
            bind(fd.as_raw_fd(), &SockaddrIn6::from(v6))?;
        }
    }
    listen(&fd, Backlog::new(LISTEN_BACKLOG)?)?;
    Ok(TcpListener::from(fd))
}

/// Lets the kernel find out when a peer is gone without a word: probes after a minute of silence,
/// and a limit on how long sent data may stay unacknowledged. Sockets that answer (`answers`) send
/// at once, and the kernel holds a bounded part of what they send.
pub fn watch_peer(stream: &TcpStream, answers: bool) {
    let probes_ms = 1000 * (KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_PROBES);
    // A socket that refuses an option still works; it only notices a dead peer later.
    let _best_effort = setsockopt(stream, sockopt::KeepAlive, &true)
        .and_then(|()| setsockopt(stream, sockopt::TcpKeepIdle, &KEEPALIVE_IDLE_S))
        .and_then(|()| setsockopt(stream, sockopt::TcpKeepInterval, &KEEPALIVE_INTERVAL_S))
        .and_then(|()| setsockopt(stream, sockopt::TcpKeepCount, &KEEPALIVE_PROBES))
        .and_then(|()| setsockopt(stream, sockopt::TcpUserTimeout, &probes_ms));
    if answers {
        let _best_effort = stream.set_nodelay(true);
        let _best_effort = setsockopt(stream, sockopt::SndBuf, &SEND_BUFFER_BYTES);
    }
}

/// Whether the kernel ends the connection with a reset. A log connection is so while it lives and
/// not when it is closed: a sender that ends its side and reads a proper end then knows that all
/// was taken in, and that the server did not die between receiving and storing.
pub fn reset_at_close(stream: &TcpStream, is_on: bool) {
    let linger = libc::linger { l_onoff: i32::from(is_on), l_linger: 0 };
    // A socket that refuses only tells less.
    let _best_effort = setsockopt(stream, sockopt::Linger, &linger);
}

/// The peer's address as a stream names it: without the port, and IPv4 written as IPv4 even where
/// it came in over IPv6.
pub fn peer_name(address: SocketAddr) -> String {
    address.ip().to_canonical().to_string()
}

/// Whether `address` is this machine's own.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Bytes that have arrived at `fd` and were not read yet (FIONREAD).
pub fn bytes_arrived(fd: RawFd) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int to the pointer, which points at one.
    let result = unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut bytes) };
    if result == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Lets other threads go before this one where they want the same processor.
pub fn give_way() {
    // SAFETY: the call takes numbers only; 0 is the calling thread.
    let _only_a_wish = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, HELPER_NICE) };
}

/// How much a helper thread gives way, as `nice` counts it.
const HELPER_NICE: libc::c_int = 10;

/// Begins to write `from..to` of `file` to the disk, without waiting for it.
///
/// # Errors
/// The system's own; some file systems do not know it.
pub fn begin_writeback(file: &File, from: u64, to: u64) -> io::Result<()> {
    let (Ok(at), Ok(bytes)) = (i64::try_from(from), i64::try_from(to.saturating_sub(from))) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the descriptor is open as long as `file` is; the call takes no pointers.
    let result =
        unsafe { libc::sync_file_range(file.as_raw_fd(), at, bytes, libc::SYNC_FILE_RANGE_WRITE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Raises the soft limit on open files to the hard one, and returns it.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return hard;
    }
    soft
}

/// The most memory this process may use, in bytes, where its control group sets a limit.
pub fn memory_limit() -> Option<u64> {
    let text = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok()?;
    text.trim().parse().ok()
}

/// Runs this process on `cpu` only.
///
/// # Errors
/// The system's own, where there is no such processor or it is not ours to use.
pub fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Writes what standard error takes now, without waiting for it: nothing where it takes nothing.
/// At most PIPE_BUF bytes, which a pipe that polls writable takes whole.
pub fn write_stderr(bytes: &[u8]) -> usize {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1)) {
        return 0;
    }
    let takes = fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT));
    let part = &bytes[..bytes.len().min(libc::PIPE_BUF)];
    match nix::unistd::write(stderr.as_fd(), part) {
        Ok(written) => written,
        // Closed or broken: what we say has nowhere to go, so it is gone.
        Err(_) if !takes => bytes.len(),
        Err(nix::Error::EAGAIN | nix::Error::EINTR) => 0,
        Err(_) => bytes.len(),
    }
}

/// Waits until standard error takes more, `limit` at most; for the last words of a process.
pub fn wait_stderr(limit: Duration) {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    let _whatever_it_says = poll(&mut fds, timeout);
}

/// Makes SIGINT, SIGTERM, SIGHUP and SIGUSR1 arrive as one byte each, the signal's number, at the
/// descriptor that is returned, which does not block.
///
/// # Errors
/// The system's own, where there is no descriptor left.
pub fn signals_by_pipe() -> io::Result<OwnedFd> {
    let (reader, writer) = pipe2(nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_CLOEXEC)?;
    SIGNAL_PIPE.store(writer.into_raw_fd(), Ordering::Release);
    let handler = SigHandler::Handler(on_signal);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1] {
        // SAFETY: the handler only loads an atomic and calls write, both allowed in one.
        unsafe { sigaction(signal, &action) }.map_err(io::Error::from)?;
    }
    Ok(reader)
}

/// Passes a signal's number on to the pipe. A full pipe already says enough.
extern "C" fn on_signal(number: libc::c_int) {
    let fd = SIGNAL_PIPE.load(Ordering::Acquire);
    let byte = number as u8;
    // SAFETY: `fd` is the pipe's writing end, never closed; `byte` is one readable byte; errno is
    // put back, for the code that was interrupted may be about to read it.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(fd, (&raw const byte).cast(), 1);
        *libc::__errno_location() = errno;
    }
}

/// Where this program was loaded, and its linker's build id in hexadecimal: what is needed to find
/// the source line of an address later.
#[derive(Debug, Default)]
pub struct ProgramImage {
    /// What the loader added to every address.
    pub base: usize,
    /// Empty where the linker wrote none.
    pub build_id: String,
}

/// Asks the loader about this program.
pub fn program_image() -> ProgramImage {
    let mut image = ProgramImage::default();
    // SAFETY: the callback runs before this returns, and gets the pointer to `image` back, which
    // nothing else uses in the meantime.
    unsafe { libc::dl_iterate_phdr(Some(on_image), (&raw mut image).cast()) };
    image
}

/// The first image the loader tells of is the program itself; 1 ends the iteration.
unsafe extern "C" fn on_image(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    image: *mut libc::c_void,
) -> libc::c_int {
    const PT_NOTE: u32 = 4;
    // SAFETY: the loader hands a valid `info`, whose program headers and the notes they name stay
    // mapped for the life of the process; `image` is what `program_image` passed.
    unsafe {
        let image = &mut *image.cast::<ProgramImage>();
        let info = &*info;
        image.base = info.dlpi_addr as usize;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
        for header in headers.iter().filter(|header| header.p_type == PT_NOTE) {
            let at = (image.base + header.p_vaddr as usize) as *const u8;
            let notes = std::slice::from_raw_parts(at, header.p_memsz as usize);
            if let Some(id) = build_id(notes) {
                image.build_id = id.iter().map(|byte| format!("{byte:02x}")).collect();
            }
        }
    }
    1
}

/// The build id among the notes of a program: name bytes, content bytes, type 3, `GNU\0`, content.
fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    loop {
        let (head, rest) = notes.split_at_checked(12)?;
        let word = |at: usize| {
            u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
        };
        let (name_bytes, id_bytes, kind) = (word(0), word(4), word(8));
        let (name, rest) = rest.split_at_checked(name_bytes.next_multiple_of(4))?;
        let (content, rest) = rest.split_at_checked(id_bytes.next_multiple_of(4))?;
        if kind == 3 && name == b"GNU\0" {
            return content.get(..id_bytes);
        }
        notes = rest;
    }
}
