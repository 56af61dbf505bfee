//! System calls that mio does not make: listening sockets with the options we want, datagrams in
//! batches (nix's own batch cannot be used twice: it does not give the kernel its lengths again, so
//! that the counts of drops would never come), signals by self-pipe, how much has arrived, limits
//! of the process.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd as _, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt as _;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use mio::net::TcpStream;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, getsockopt, listen,
    setsockopt, socket, sockopt,
};
use nix::unistd::{Pid, pipe2};

use crate::limits::{
    DATAGRAM_BUFFER_BYTES, DATAGRAM_BYTES_MAX, DATAGRAMS_PER_CALL, KEEPALIVE_IDLE_S,
    KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES, LISTEN_BACKLOG, SEND_BUFFER_BYTES,
};

/// The writing end of the signal pipe; -1 until there is one.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Listens on `address`, with an IPv6 address taking IPv6 only, so that both families can be bound
/// at one port.
///
/// # Errors
/// The system's own: the port is taken, or not ours to take, or there is no such address here.
pub fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let fd = internet_socket(address, SockType::Stream)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind_to(&fd, address)?;
    listen(&fd, Backlog::new(LISTEN_BACKLOG)?)?;
    Ok(TcpListener::from(fd))
}

/// Takes datagrams at `address`, each family by itself as [`listen_on`] does. The kernel tells with
/// each datagram how many it had to drop. Beside the socket: how many bytes the kernel keeps for
/// us, by its own count.
///
/// # Errors
/// As [`listen_on`].
pub fn datagrams_on(address: SocketAddr) -> io::Result<(UdpSocket, usize)> {
    let fd = internet_socket(address, SockType::Datagram)?;
    let given = expect_datagrams(&fd)?;
    bind_to(&fd, address)?;
    Ok((UdpSocket::from(fd), given))
}

/// Has the kernel keep many datagrams at `socket` and count those that it drops; returns how many
/// bytes it keeps, by its own count.
///
/// # Errors
/// The system's own.
pub fn expect_datagrams(socket: &impl AsFd) -> io::Result<usize> {
    setsockopt(socket, sockopt::RxqOvfl, &1)?;
    // Beyond the machine's limit only with CAP_NET_ADMIN; what is given is asked for last.
    if setsockopt(socket, sockopt::RcvBufForce, &DATAGRAM_BUFFER_BYTES).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &DATAGRAM_BUFFER_BYTES)?;
    }
    Ok(getsockopt(socket, sockopt::RcvBuf)?)
}

/// Takes over descriptor `number`, which whoever started this process left open for it; it is not
/// passed on. To be called once a number, before this process opens anything of its own.
///
/// # Errors
/// The system's own, where there is no such descriptor.
pub fn take_passed(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers only; one that is no descriptor is an error.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as the call has shown, and nobody else in this process owns it: it was
    // open before the process began, and the caller asks once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Takes `names` out of the environment, those that are there.
pub fn forget_environment(names: &[&str]) {
    for name in names.iter().filter(|name| std::env::var_os(name).is_some()) {
        // SAFETY: called at the start, before there is a second thread that could read it.
        unsafe { std::env::remove_var(name) };
    }
}

fn internet_socket(address: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    Ok(socket(family, kind, flags, None)?)
}

fn bind_to(fd: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(v4) => bind(fd.as_raw_fd(), &SockaddrIn::from(v4))?,
        SocketAddr::V6(v6) => {
            setsockopt(fd, sockopt::Ipv6V6Only, &true)?;
            bind(fd.as_raw_fd(), &SockaddrIn6::from(v6))?;
        }
    }
    Ok(())
}

/// Who is at the other end of a Unix socket: process id and user, 0 and the overflow user where
/// the kernel does not say.
pub fn peer_of(socket: &impl AsFd) -> (i32, u32) {
    const NOBODY: u32 = 65534;
    let found = getsockopt(socket, sockopt::PeerCredentials);
    found.map_or((0, NOBODY), |found| (found.pid(), found.uid()))
}

/// What this machine calls itself.
pub fn host_name() -> Vec<u8> {
    let name = nix::unistd::gethostname().unwrap_or_default().into_vec();
    if name.is_empty() { b"localhost".to_vec() } else { name }
}

/// Nanoseconds since this machine was booted, without those that it slept: the clock of the
/// kernel's messages.
pub fn since_boot() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to the pointer, which points at one.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    // Both are of 32 bits on some machines.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    if result == 0 { seconds.saturating_mul(1_000_000_000).saturating_add(nanos) } else { 0 }
}

/// How many datagrams the kernel has dropped at a socket since it was made (wrapping), which it
/// tells even where no further one comes. `None` where it does not know the question.
pub fn dropped_datagrams(socket: &impl AsFd) -> Option<u32> {
    const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;
    let mut words = [0u32; DROPS + 1];
    let mut bytes = size_of_val(&words) as libc::socklen_t;
    // SAFETY: the call writes at most `bytes` bytes to `words`, which has as many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    (result == 0 && bytes as usize == size_of_val(&words)).then_some(words[DROPS])
}

/// Room for datagrams that come with one system call.
///
/// Their places are 64 KiB apart and a little more, so that the first lines of all of them do not
/// fall into the same sets of the processor's caches. What no datagram reached was never touched
/// and costs no memory.
pub struct Batch {
    room: Box<[u8]>,
    envelopes: Box<[Envelope]>,
    headers: Box<[libc::mmsghdr]>,
    /// How many of them hold a datagram.
    count: usize,
}

/// What the kernel needs to know of a place, and writes about its datagram.
#[derive(Clone, Copy)]
struct Envelope {
    from: libc::sockaddr_storage,
    place: libc::iovec,
    /// A `cmsghdr` and one `u32`: how many were dropped before this one.
    control: [u64; CONTROL_WORDS],
}

/// Bytes from one place to the next.
const PLACE_BYTES: usize = DATAGRAM_BYTES_MAX + 320;
/// Words of 8 bytes for control messages: one number is all that we ask for.
const CONTROL_WORDS: usize = 4;

/// One datagram of a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// What it holds, or the first [`DATAGRAM_BYTES_MAX`] bytes of it.
    pub bytes: &'a [u8],
    /// The rest of it did not fit.
    pub is_cut: bool,
    /// Who sent it, where that has an address.
    pub from: Option<IpAddr>,
    /// How many the kernel had dropped at this socket before (wrapping), where it says so.
    pub dropped: Option<u32>,
}

impl Default for Batch {
    fn default() -> Self {
        // SAFETY: all of these are plain numbers and pointers, for which zero is a value.
        let (envelope, header) =
            unsafe { (std::mem::zeroed::<Envelope>(), std::mem::zeroed::<libc::mmsghdr>()) };
        Self {
            room: vec![0; DATAGRAMS_PER_CALL * PLACE_BYTES].into_boxed_slice(),
            envelopes: vec![envelope; DATAGRAMS_PER_CALL].into_boxed_slice(),
            headers: vec![header; DATAGRAMS_PER_CALL].into_boxed_slice(),
            count: 0,
        }
    }
}

impl Batch {
    /// Receives what waits at `socket`, at most `most` and [`DATAGRAMS_PER_CALL`]; what the batch
    /// held before is gone. Fewer than that: nothing more waits.
    ///
    /// # Errors
    /// The system's own; `WouldBlock` where nothing waits.
    pub fn receive(&mut self, socket: &impl AsFd, most: usize) -> io::Result<usize> {
        self.count = 0;
        let most = most.min(DATAGRAMS_PER_CALL);
        let places = self.room.chunks_exact_mut(PLACE_BYTES);
        let all = self.headers.iter_mut().zip(self.envelopes.iter_mut()).zip(places);
        for ((header, envelope), place) in all {
            // The kernel shortened these at the last call.
            envelope.place =
                libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: DATAGRAM_BYTES_MAX };
            header.msg_hdr.msg_name = (&raw mut envelope.from).cast();
            header.msg_hdr.msg_namelen = size_of_val(&envelope.from) as libc::socklen_t;
            header.msg_hdr.msg_iov = &raw mut envelope.place;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = (&raw mut envelope.control).cast();
            header.msg_hdr.msg_controllen = size_of_val(&envelope.control) as _;
        }
        // SAFETY: each header names places inside `room` and its own envelope, with their true
        // sizes; all of them live, unmoved and unused by anybody else, until the call is over.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.headers.as_mut_ptr(),
                most as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        self.count = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        Ok(self.count)
    }

    /// Bytes of all datagrams that came last.
    pub fn bytes(&self) -> usize {
        self.headers[..self.count].iter().map(|header| header.msg_len as usize).sum()
    }

    /// Datagram `at` of those that came last.
    #[inline]
    pub fn get(&self, at: usize) -> Option<Received<'_>> {
        if at >= self.count {
            return None;
        }
        let (header, envelope) = (&self.headers[at], &self.envelopes[at]);
        let bytes = (header.msg_len as usize).min(DATAGRAM_BYTES_MAX);
        let place = at * PLACE_BYTES;
        Some(Received {
            bytes: &self.room[place..place + bytes],
            is_cut: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            from: internet_address(&envelope.from, header.msg_hdr.msg_namelen),
            dropped: if header.msg_hdr.msg_controllen == 0 {
                None
            } else {
                dropped_before(&header.msg_hdr)
            },
        })
    }
}

/// The address in `from`, of which `bytes` bytes were written.
#[inline]
fn internet_address(from: &libc::sockaddr_storage, bytes: libc::socklen_t) -> Option<IpAddr> {
    let bytes = bytes as usize;
    match libc::c_int::from(from.ss_family) {
        libc::AF_INET if bytes >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: a `sockaddr_storage` is large and aligned enough for every address, and its
            // family says that the kernel has written this one.
            let address = unsafe { &*(&raw const *from).cast::<libc::sockaddr_in>() };
            Some(IpAddr::from(address.sin_addr.s_addr.to_ne_bytes()))
        }
        libc::AF_INET6 if bytes >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above.
            let address = unsafe { &*(&raw const *from).cast::<libc::sockaddr_in6>() };
            Some(IpAddr::from(address.sin6_addr.s6_addr).to_canonical())
        }
        _ => None,
    }
}

/// The number that SO_RXQ_OVFL has the kernel add to a datagram.
#[cold]
fn dropped_before(header: &libc::msghdr) -> Option<u32> {
    // SAFETY: the header is one that the kernel has filled, and its control buffer is still there;
    // the macros stay within the length that the kernel has written.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header).as_ref()?;
        let is_it = first.cmsg_level == libc::SOL_SOCKET
            && first.cmsg_type == libc::SO_RXQ_OVFL
            && first.cmsg_len as usize >= libc::CMSG_LEN(size_of::<u32>() as u32) as usize;
        is_it.then(|| libc::CMSG_DATA(first).cast::<u32>().read_unaligned())
    }
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
        bound_send_buffer(stream);
    }
}

/// Undoes the limit of [`watch_peer`] on how long sent data may stay unacknowledged, which holds
/// for a peer that reads nothing as well. Probes, and the kernel's own patience with what it sends,
/// find out those who are gone.
pub fn bear_with_slow_peer(stream: &TcpStream) {
    let _best_effort = setsockopt(stream, sockopt::TcpUserTimeout, &0);
}

/// Has the kernel hold a bounded part of what is sent.
pub fn bound_send_buffer(socket: &impl AsFd) {
    // A socket that refuses only holds more.
    let _best_effort = setsockopt(socket, sockopt::SndBuf, &SEND_BUFFER_BYTES);
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
pub fn raise_open_files() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    let is_raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    usize::try_from(if is_raised { hard } else { soft }).unwrap_or(usize::MAX)
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
