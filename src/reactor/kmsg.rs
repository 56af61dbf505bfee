//! `/dev/kmsg`: the kernel's messages, one record a read.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

use mio::Interest;
use mio::unix::SourceFd;

use super::logs::Go;
use super::{KMSG, Reactor, sys};
use crate::clock::Wall;
use crate::limits::{KMSG_PER_GO, READ_BYTES_PER_GO};
use crate::log::{Log, Severity};
use crate::segment::map::MapStore;
use crate::segment::{Full, Segment};
use crate::session::Sink;
use crate::session::kmsg::KmsgSession;

const PATH: &str = "/dev/kmsg";

/// The kernel's log, which is read from the boot on.
pub(super) struct Kmsg {
    file: File,
    /// Known once the segment is open: it says what an earlier run has stored.
    session: Option<KmsgSession>,
    /// A record that was read and could not be stored yet.
    held: Vec<u8>,
    /// mio reports edges: more may wait until a read says otherwise.
    is_readable: bool,
    /// It stands in the ready list.
    is_queued: bool,
}

impl Kmsg {
    /// Whether what the kernel had said when the server was told to stop is still to be read.
    pub fn is_owed(&self) -> bool {
        self.is_readable || self.is_queued
    }

    /// One read: false where nothing waits.
    ///
    /// # Errors
    /// The system's own.
    fn read(&mut self, room: &mut [u8]) -> io::Result<bool> {
        loop {
            match self.file.read(room) {
                Ok(bytes) => {
                    self.held.extend_from_slice(&room[..bytes]);
                    return Ok(bytes > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // Records were overwritten before they were read: the numbers tell how many.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Reactor {
    /// Opens the kernel's log, where it is wanted.
    ///
    /// # Errors
    /// `open /dev/kmsg: reason`.
    pub(super) fn open_kmsg(&mut self) -> io::Result<()> {
        if !self.settings.kmsg {
            return Ok(());
        }
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(PATH)
            .map_err(|error| io::Error::new(error.kind(), format!("open {PATH}: {error}")))?;
        let fd = file.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), KMSG, Interest::READABLE)?;
        self.kmsg = Some(Kmsg {
            file,
            session: None,
            held: Vec::new(),
            is_readable: false,
            is_queued: false,
        });
        self.note_kmsg();
        Ok(())
    }

    /// The kernel has said something.
    pub(super) fn note_kmsg(&mut self) {
        let Some(kmsg) = &mut self.kmsg else { return };
        kmsg.is_readable = true;
        if !std::mem::replace(&mut kmsg.is_queued, true) {
            self.ready_logs.push_back(KMSG);
        }
    }

    /// Finds out what an earlier run has stored; to be called before this one stores anything.
    pub(super) fn begin_kmsg(&mut self) {
        let Some(kmsg) = self.kmsg.as_mut().filter(|kmsg| kmsg.session.is_none()) else { return };
        let Some(segment) = self.storage.segment() else { return };
        let boot = self.wall.saturating_sub(sys::since_boot());
        // A newest record from the future says nothing.
        let newest = Some(newest_received(segment)).filter(|newest| *newest <= self.wall);
        let (max_line, host) = (self.settings.max_line, &self.host_name);
        kmsg.session = Some(KmsgSession::new(max_line, host, boot, newest.unwrap_or(0)));
    }

    /// The kernel's go.
    pub(super) fn read_kmsg(&mut self) -> Go {
        let Some(kmsg) = &mut self.kmsg else { return Go::Dry };
        let Some(segment) = self.storage.segment_mut() else { return Go::Stalled };
        for _ in 0..KMSG_PER_GO {
            if kmsg.held.is_empty() {
                match kmsg.read(&mut self.scratch[..READ_BYTES_PER_GO]) {
                    Ok(true) => {}
                    Ok(false) => {
                        (kmsg.is_readable, kmsg.is_queued) = (false, false);
                        return Go::Dry;
                    }
                    Err(error) => {
                        self.fail("kmsg", &error);
                        self.end_kmsg();
                        return Go::Dry;
                    }
                }
                self.metrics.bytes_in += kmsg.held.len() as u64;
            }
            let (intake, metrics) = (&mut self.intake, &mut self.metrics);
            let (received_ns, now) = (self.wall, self.now);
            let mut sink = Sink { segment: &mut *segment, intake, metrics, received_ns, now };
            if let Some(full) = store(kmsg, &mut sink, &mut self.log) {
                self.stall(full);
                return Go::Stalled;
            }
        }
        self.metrics.reads_cut_short += 1;
        Go::More
    }

    /// Closes the kernel's log.
    pub(super) fn end_kmsg(&mut self) {
        let Some(kmsg) = self.kmsg.take() else { return };
        let fd = kmsg.file.as_raw_fd();
        let _closed_anyway = self.poll.registry().deregister(&mut SourceFd(&fd));
        self.ready_logs.retain(|token| *token != KMSG);
    }
}

/// Stores the record that is held.
fn store(kmsg: &mut Kmsg, sink: &mut Sink<'_, MapStore>, log: &mut Log) -> Option<Full> {
    let session = kmsg.session.as_mut()?;
    let taken = session.take(&kmsg.held, sink);
    let lost = std::mem::take(&mut session.lost);
    if lost > 0 {
        sink.metrics.kmsg_lost += lost;
        log.event(sink.received_ns, Severity::Warn, "kmsg_lost", &[("count", &lost)]);
    }
    if taken.full.is_none() {
        kmsg.held.clear();
    }
    taken.full
}

/// When the newest record was received; 0 where there is none.
fn newest_received(segment: &Segment<MapStore>) -> Wall {
    let mut block = segment.newest_block();
    while let Some(id) = block {
        match segment.summary(id) {
            Some(summary) if summary.received_max_ns > 0 => return summary.received_max_ns,
            _ => block = segment.previous_block(id),
        }
    }
    0
}
