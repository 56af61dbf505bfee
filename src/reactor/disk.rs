//! The disk helper: two threads that do what may wait for a disk, so that the reactor never does.
//! One syncs; the other prepares what is needed next, so that a reader never waits for a sync to
//! end.
//!
//! They share nothing with the reactor but the file's descriptor, their pipe ends and a channel for
//! small files to be written. Orders come in as 32-byte messages, answers leave as such, and arrive
//! as events of the reactor's poll.
//!
//! An order to pre-write is worked off in steps, between which other orders are taken.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::unix::pipe;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::sys;
use crate::clock::Clock;
use crate::limits::{DISK_ORDERS_MAX, PREWRITE_STEP_BYTES};
use crate::segment::map::PAGE_BYTES;

/// What the helper can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Make everything written so far reach the disk (`fdatasync`).
    Sync,
    /// Write zeros over `from..to`, in steps that are each synced; answers come after each.
    Prewrite {
        /// The first byte.
        from: u64,
        /// The byte behind the last.
        to: u64,
    },
    /// Bring `from..to` of the file into memory.
    Fetch {
        /// The first byte.
        from: u64,
        /// The byte behind the last.
        to: u64,
    },
    /// Begin to write `from..to` of the file to the disk, so that the next sync has less to do.
    /// There is no answer.
    Flush {
        /// The first byte.
        from: u64,
        /// The byte behind the last.
        to: u64,
    },
    /// Write a small file beside the segment: see [`DiskHelper::write_file`].
    WriteFile(SmallFile),
}

/// A small file in the segment's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmallFile {
    /// Every metric, where it was asked for.
    Metrics,
    /// The filters and alerts of IRC.
    Irc,
}

impl SmallFile {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics.json",
            Self::Irc => "irc.json",
        }
    }

    /// Whether it is on the disk before it takes the place of the one before it.
    fn must_be_durable(self) -> bool {
        self == Self::Irc
    }
}

impl Order {
    /// Whether its end is told.
    fn is_answered(self) -> bool {
        !matches!(self, Self::Flush { .. })
    }
}

/// What the helper did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The order this answers. Of a `Prewrite`, the part that is done, from its first byte on.
    pub order: Order,
    /// 0, or the system's error number.
    pub errno: i32,
    /// Nanoseconds it took.
    pub took_ns: u64,
}

/// Bytes of a message in either pipe: kind, error number, from, to, time taken.
const MESSAGE_BYTES: usize = 32;
const _: () = assert!(DISK_ORDERS_MAX * MESSAGE_BYTES <= libc::PIPE_BUF * 16);

/// A file to be written: its path and all of its bytes.
type Written = (PathBuf, Vec<u8>);

/// The reactor's side of the helper.
#[derive(Debug)]
pub struct DiskHelper {
    syncs: pipe::Sender,
    preparations: pipe::Sender,
    answers: pipe::Receiver,
    /// What each [`Order::WriteFile`] is about, in order.
    files: Sender<Written>,
    /// Orders without their last answer.
    in_flight: usize,
    /// Orders that were not taken.
    pub refused: u64,
}

impl DiskHelper {
    /// Starts the helper for `syncing`. `preparing` is the same file, opened a second time: the
    /// kernel tells a failed write once to each opening, and a pre-write must not take from a sync
    /// what it should hear.
    ///
    /// # Errors
    /// The system's own: no descriptor or no thread to be had.
    pub fn start(syncing: File, preparing: File) -> io::Result<Self> {
        let (answers_out, answers) = pipe::new()?;
        answers_out.set_nonblocking(false)?;
        let answers_out = OwnedFd::from(answers_out);
        let (files, files_in) = channel();
        let syncs = spawn("sync", syncing, answers_out.try_clone()?, None)?;
        let preparations = spawn("prepare", preparing, answers_out, Some(files_in))?;
        Ok(Self { syncs, preparations, answers, files, in_flight: 0, refused: 0 })
    }

    /// Puts `bytes` into a file in the directory `dir`, whole or not at all. Metrics do not wait
    /// for the disk: after a power cut they may be missing. `false` where too many orders are under
    /// way.
    pub fn write_file(&mut self, dir: &Path, file: SmallFile, bytes: Vec<u8>) -> bool {
        // The helper that was told waits for the file, which comes at once.
        let order = Order::WriteFile(file);
        self.order(order) && self.files.send((dir.join(file.name()), bytes)).is_ok()
    }

    /// Where answers arrive, to be registered with the poll.
    pub fn answers(&mut self) -> &mut pipe::Receiver {
        &mut self.answers
    }

    /// Hands an order over; `false` where too many are under way, and the caller asks again later.
    pub fn order(&mut self, order: Order) -> bool {
        // There is at most one sync, it has its own pipe, and it does not wait for readers.
        if self.in_flight >= DISK_ORDERS_MAX && order != Order::Sync {
            self.refused += 1;
            return false;
        }
        let message = encode(&Done { order, errno: 0, took_ns: 0 });
        let orders = match order {
            Order::Sync => &mut self.syncs,
            _ => &mut self.preparations,
        };
        // A message is far smaller than PIPE_BUF, so it is written whole or, where the pipe is full
        // or the helper died, not at all.
        let taken = matches!(orders.write(&message), Ok(MESSAGE_BYTES));
        self.in_flight += usize::from(taken && order.is_answered());
        taken
    }

    /// The next answer that has arrived.
    ///
    /// # Errors
    /// `WouldBlock` where there is none yet; `UnexpectedEof` where the helper is gone.
    pub fn next_answer(&mut self) -> io::Result<Done> {
        let mut message = [0; MESSAGE_BYTES];
        self.answers.read_exact(&mut message)?;
        let done = decode(&message);
        let is_part = matches!(done.order, Order::Prewrite { to, .. } if to & PART != 0);
        if !is_part {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        Ok(Done { order: without_part(done.order), ..done })
    }
}

/// Bytes read at once to bring them into memory.
const FETCH_PART_BYTES: usize = 256 << 10;

/// Marks, in the `to` of a pre-write's answer, that more of the same order follows.
const PART: u64 = 1 << 63;

fn without_part(order: Order) -> Order {
    match order {
        Order::Prewrite { from, to } => Order::Prewrite { from, to: to & !PART },
        other => other,
    }
}

fn encode(done: &Done) -> [u8; MESSAGE_BYTES] {
    let (kind, from, to): (u32, u64, u64) = match done.order {
        Order::Sync => (0, 0, 0),
        Order::Prewrite { from, to } => (1, from, to),
        Order::Fetch { from, to } => (2, from, to),
        Order::Flush { from, to } => (3, from, to),
        Order::WriteFile(file) => (4, file as u64, 0),
    };
    let mut message = [0; MESSAGE_BYTES];
    message[0..4].copy_from_slice(&kind.to_le_bytes());
    message[4..8].copy_from_slice(&done.errno.to_le_bytes());
    message[8..16].copy_from_slice(&from.to_le_bytes());
    message[16..24].copy_from_slice(&to.to_le_bytes());
    message[24..32].copy_from_slice(&done.took_ns.to_le_bytes());
    message
}

fn decode(message: &[u8; MESSAGE_BYTES]) -> Done {
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&message[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let (kind, errno) = (word(0) as u32, (word(0) >> 32) as u32 as i32);
    let (from, to) = (word(8), word(16));
    let order = match kind {
        0 => Order::Sync,
        1 => Order::Prewrite { from, to },
        2 => Order::Fetch { from, to },
        3 => Order::Flush { from, to },
        _ if from == SmallFile::Irc as u64 => Order::WriteFile(SmallFile::Irc),
        _ => Order::WriteFile(SmallFile::Metrics),
    };
    Done { order, errno, took_ns: word(24) }
}

/// Starts one of the threads. Returns where its orders go.
fn spawn(
    name: &str,
    file: File,
    answers: OwnedFd,
    files: Option<Receiver<Written>>,
) -> io::Result<pipe::Sender> {
    let (orders, orders_in) = pipe::new()?;
    orders_in.set_nonblocking(false)?;
    let answers = File::from(answers);
    let file_bytes = file.metadata()?.len();
    std::thread::Builder::new().name(name.into()).stack_size(256 << 10).spawn(move || {
        sys::give_way();
        let prewrites = VecDeque::new();
        Worker { file, file_bytes, orders: orders_in, answers, files, prewrites }.work();
    })?;
    Ok(orders)
}

/// A thread's side.
struct Worker {
    file: File,
    /// Its length at the start.
    file_bytes: u64,
    orders: pipe::Receiver,
    answers: File,
    /// Of the one that writes them: the files to be written.
    files: Option<Receiver<Written>>,
    /// Pre-writes under way, the first being worked on.
    prewrites: VecDeque<(u64, u64)>,
}

impl Worker {
    /// Takes orders until the reactor closes its end.
    fn work(mut self) {
        let clock = Clock::new();
        let mut scratch = vec![0u8; FETCH_PART_BYTES];
        loop {
            if self.prewrites.is_empty() || self.has_order() {
                let mut message = [0; MESSAGE_BYTES];
                if self.orders.read_exact(&mut message).is_err() {
                    return;
                }
                let order = decode(&message).order;
                let begin = clock.mono();
                let result = match order {
                    Order::Sync => self.sync(),
                    Order::Fetch { from, to } => fetch(&self.file, from, to, &mut scratch),
                    Order::Flush { from, to } => sys::begin_writeback(&self.file, from, to),
                    Order::WriteFile(file) => self.write_next_file(file),
                    Order::Prewrite { from, to } => {
                        // It is worked off in steps, and each is answered.
                        self.prewrites.push_back((from, to));
                        continue;
                    }
                };
                if order.is_answered() && !self.answer(order, &result, clock.mono() - begin) {
                    return;
                }
            } else if !self.prewrite_step(&clock) {
                return;
            }
        }
    }

    /// Syncs the file. Where it is shorter than it was, what stood behind its new end is gone, and
    /// no sync says so.
    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        match self.file.metadata()?.len() {
            bytes if bytes < self.file_bytes => Err(io::Error::from_raw_os_error(libc::EIO)),
            _ => Ok(()),
        }
    }

    fn write_next_file(&self, file: SmallFile) -> io::Result<()> {
        let next = self.files.as_ref().and_then(|files| files.recv().ok());
        let Some((path, bytes)) = next else { return Err(io::ErrorKind::NotFound.into()) };
        write_whole(&path, &bytes, file.must_be_durable())
    }

    fn has_order(&self) -> bool {
        let mut fds = [PollFd::new(self.orders.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1))
    }

    /// Writes and syncs the next step of the first pre-write.
    fn prewrite_step(&mut self, clock: &Clock) -> bool {
        let Some((from, to)) = self.prewrites.pop_front() else { return true };
        let end = to.min(from.saturating_add(PREWRITE_STEP_BYTES as u64));
        let begin = clock.mono();
        let result = write_zeros(&self.file, from, end).and_then(|()| self.file.sync_data());
        let goes_on = result.is_ok() && end < to;
        if goes_on {
            self.prewrites.push_front((end, to));
        }
        let order = Order::Prewrite { from, to: if goes_on { end | PART } else { end } };
        self.answer(order, &result, clock.mono() - begin)
    }

    fn answer(&mut self, order: Order, result: &io::Result<()>, took_ns: u64) -> bool {
        let errno = match result {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
        };
        self.answers.write_all(&encode(&Done { order, errno, took_ns })).is_ok()
    }
}

/// Writes a file under another name first, so that whoever reads it finds all of it or what was
/// there before; where it is to be durable, even after a power cut.
fn write_whole(path: &Path, bytes: &[u8], is_durable: bool) -> io::Result<()> {
    let mut unnamed = path.as_os_str().to_owned();
    unnamed.push(".new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o640);
    let mut file = options.open(&unnamed)?;
    file.write_all(bytes)?;
    if is_durable {
        file.sync_all()?;
    }
    std::fs::rename(&unnamed, path)
}

/// Writes zeros, a page a call: what is written at once lies in the cache as one large folio, and
/// to store into one of its pages then makes all of them dirty.
fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    let page = [0; PAGE_BYTES];
    let mut at = from;
    while at < to {
        let bytes = (to - at).min(PAGE_BYTES as u64 - at % PAGE_BYTES as u64);
        file.write_all_at(&page[..bytes as usize], at)?;
        at += bytes;
    }
    Ok(())
}

/// Reads `from..to`, so that its pages are in the cache.
fn fetch(file: &File, from: u64, to: u64, scratch: &mut [u8]) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let bytes = (to - at).min(scratch.len() as u64) as usize;
        match file.read_at(&mut scratch[..bytes], at) {
            Ok(0) => return Ok(()),
            Ok(read) => at += read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_its_encoding() {
        for order in [
            Order::Sync,
            Order::Prewrite { from: 7, to: 1 << 40 },
            Order::Fetch { from: 1, to: 2 },
            Order::Flush { from: 3, to: 4 },
            Order::WriteFile(SmallFile::Metrics),
            Order::WriteFile(SmallFile::Irc),
        ] {
            let done = Done { order, errno: 28, took_ns: 123_456_789 };
            assert_eq!(decode(&encode(&done)), done);
        }
    }

    fn wait(helper: &mut DiskHelper) -> Done {
        loop {
            match helper.next_answer() {
                Ok(done) => return done,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(helper.answers.as_fd(), PollFlags::POLLIN)];
                    poll(&mut fds, PollTimeout::from(5000u16)).unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_prewrite_comes_in_steps_and_a_sync_between_them() {
        let file = tempfile::tempfile().unwrap();
        let to = 3 * PREWRITE_STEP_BYTES as u64 + 5;
        let mut helper =
            DiskHelper::start(file.try_clone().unwrap(), file.try_clone().unwrap()).unwrap();
        assert!(helper.order(Order::Prewrite { from: 0, to }));
        assert!(helper.order(Order::Sync));
        let (mut reached, mut synced) = (0, false);
        while reached < to || !synced {
            let done = wait(&mut helper);
            assert_eq!(done.errno, 0);
            match done.order {
                Order::Prewrite { from, to } => {
                    assert_eq!(from, reached);
                    reached = to;
                }
                Order::Sync => synced = true,
                other => panic!("nobody asked for {other:?}"),
            }
        }
        assert_eq!(file.metadata().unwrap().len(), to);
        assert_eq!(helper.in_flight, 0);
    }

    #[test]
    fn a_file_that_was_cut_short_is_a_sync_that_failed() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        let again = file.try_clone().unwrap();
        let mut helper = DiskHelper::start(again, file.try_clone().unwrap()).unwrap();
        for (bytes, errno) in [(8192, 0), (16_384, 0), (8191, libc::EIO), (8192, 0)] {
            file.set_len(bytes).unwrap();
            assert!(helper.order(Order::Sync));
            assert_eq!(wait(&mut helper).errno, errno, "{bytes} bytes");
        }
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let file = tempfile::tempfile().unwrap();
        let mut helper = DiskHelper::start(file.try_clone().unwrap(), file).unwrap();
        for one in [SmallFile::Metrics, SmallFile::Irc] {
            let path = dir.path().join(one.name());
            for text in ["{\"a\":1}\n", "{}\n"] {
                assert!(helper.write_file(dir.path(), one, text.into()));
                let done = wait(&mut helper);
                assert_eq!((done.order, done.errno), (Order::WriteFile(one), 0));
                assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            }
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        let nowhere = dir.path().join("no/such/place");
        assert!(helper.write_file(&nowhere, SmallFile::Irc, Vec::new()));
        assert_eq!(wait(&mut helper).errno, libc::ENOENT);
        assert_eq!(helper.in_flight, 0);
    }

    #[test]
    fn an_order_too_many_is_not_taken() {
        let file = tempfile::tempfile().unwrap();
        let mut helper = DiskHelper::start(file.try_clone().unwrap(), file).unwrap();
        let taken = (0..DISK_ORDERS_MAX + 1)
            .filter(|_| helper.order(Order::Fetch { from: 0, to: 0 }))
            .count();
        assert_eq!(taken, DISK_ORDERS_MAX);
        for _ in 0..DISK_ORDERS_MAX {
            wait(&mut helper);
        }
        assert!(helper.order(Order::Sync));
    }
}
