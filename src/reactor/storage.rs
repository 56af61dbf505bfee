//! The segment's life under the reactor: opening it in slices, syncing it through the disk helper,
//! having the blocks ready that are written or read next.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use mio::{Token, Waker};

use super::disk::{DiskHelper, Done, Order, SmallFile};
use crate::clock::{MS, Mono};
use crate::config::SyncMode;
use crate::segment::map::{self, MapStore};
use crate::segment::{
    BlockId, Full, Geometry, Opening, Options, Recovery, Segment, Seq, SyncTicket, SyncWish,
};

/// How long after a failed pre-write it is tried again.
const PREWRITE_RETRY_MS: u64 = 1000;

/// The segment and everything around it.
pub(super) struct Storage {
    pub state: State,
    pub disk: Option<DiskHelper>,
    /// The segment's file, open and locked as long as this lives.
    pub file: Option<File>,
    pub dir: PathBuf,
    /// Whether the map is locked in memory.
    pub must_lock: bool,
    /// Wakes the reactor when the segment has been resized.
    pub waker: Option<Arc<Waker>>,
    /// When a file that another process holds is tried again.
    pub next_try: Mono,
    pub mode: SyncMode,
    /// Why log sockets are not read, while they are not.
    pub paused: Option<Full>,
    /// The sync under way, and which one it is.
    pub ticket: Option<(SyncTicket, u64)>,
    /// When it was begun.
    pub sync_began: Mono,
    /// When the next one begins by itself.
    pub sync_due: Option<Mono>,
    /// Somebody waits for a sync that has not begun.
    pub is_sync_wanted: bool,
    /// Syncs begun.
    pub begun: u64,
    /// The last one that succeeded.
    pub synced: u64,
    pub has_failed: bool,
    /// Who waits for the segment to be open.
    pub opening_waiters: Vec<Token>,
    /// Who waits for which block.
    pub fetch_waiters: Vec<(BlockId, Token)>,
    /// What was fetched for the opening last: it is asked for once, then touched whatever came.
    pub opening_asked: Option<Range<u64>>,
    /// Blocks that were fetched and are still not in memory: they are touched all the same, and
    /// what cannot be read becomes a zero page.
    pub unreadable: Vec<BlockId>,
    /// A pre-write has failed: when it is tried again, and from which byte on.
    pub prewrite_again: Option<(Mono, u64)>,
    /// The oldest block, where `--max-age` reads its slots, and whether it is in memory.
    pub tail_block: Option<(BlockId, bool)>,
    /// The last block found in memory, so that it is not asked for again with every slice.
    pub resident: Option<BlockId>,
    /// The next block to be opened is on its way into memory.
    pub upcoming_fetch: Option<BlockId>,
    /// Blocks before this one are in memory, as far as they are to be opened soon.
    pub prepared: BlockId,
    /// Blocks are opened quickly after each other.
    pub is_fast: bool,
    /// The next block to be opened when it was last looked.
    pub upcoming_seen: BlockId,
    /// When the block before it was opened, as far as was seen.
    pub opened_at: Mono,
}

/// How far the segment is.
pub(super) enum State {
    /// Another process may have the file; it is tried again until `until`.
    Locked { wanted: Wanted, until: Mono },
    /// A thread copies the records into a file of another size.
    Resizing { job: Receiver<io::Result<File>>, wanted: Wanted },
    /// What is there is being looked through; `is_fetching`: its next step waits for the disk.
    Opening { opening: Box<Opening<MapStore>>, is_fetching: bool, is_done: bool },
    /// Lines go in, answers come out.
    Open(Box<Segment<MapStore>>),
    /// Between two of the others.
    Moving,
}

/// What the settings ask of a segment.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub geometry: Geometry,
    pub options: Options,
}

/// What `STATS` says about the segment.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub total: u64,
    pub dropped: u64,
    pub current: u64,
    pub evicted: u64,
    pub tail: u64,
    pub head: u64,
    pub durable: u64,
    pub dirty_bytes: u64,
    pub disk_bytes: u64,
    pub segment_bytes: u64,
    pub blocks: u64,
    pub bus_errors: u64,
}

impl Report {
    /// Its rows in `STATS`, but for the three that come first there.
    pub fn rows(&self) -> [(&'static str, u64); 9] {
        [
            ("Evicted", self.evicted),
            ("First", self.tail),
            ("Next", self.head),
            ("Durable", self.durable),
            ("DirtyBytes", self.dirty_bytes),
            ("DiskBytes", self.disk_bytes),
            ("SegmentBytes", self.segment_bytes),
            ("Blocks", self.blocks),
            ("BusErrors", self.bus_errors),
        ]
    }
}

impl Storage {
    /// No segment yet.
    pub fn new(mode: SyncMode) -> Self {
        Self {
            state: State::Moving,
            disk: None,
            file: None,
            dir: PathBuf::new(),
            must_lock: false,
            waker: None,
            next_try: 0,
            mode,
            paused: None,
            ticket: None,
            sync_began: 0,
            sync_due: None,
            is_sync_wanted: false,
            begun: 0,
            synced: 0,
            has_failed: false,
            opening_waiters: Vec::new(),
            fetch_waiters: Vec::new(),
            opening_asked: None,
            unreadable: Vec::new(),
            prewrite_again: None,
            tail_block: None,
            resident: None,
            upcoming_fetch: None,
            prepared: 0,
            is_fast: false,
            upcoming_seen: 0,
            opened_at: 0,
        }
    }

    /// One bounded step of looking through what is there. `false`: the rest is for later.
    pub fn opening_step(&mut self) -> bool {
        let State::Opening { opening, is_fetching, is_done } = &mut self.state else {
            return false;
        };
        let needs = opening.needs();
        let is_asked = self.opening_asked.as_ref() == Some(&needs);
        let disk = self.disk.as_mut().filter(|_| !is_asked);
        if !opening.store().is_resident(needs.start as usize..needs.end as usize)
            && disk
                .is_some_and(|disk| disk.order(Order::Fetch { from: needs.start, to: needs.end }))
        {
            *is_fetching = true;
            self.opening_asked = Some(needs);
            return false;
        }
        *is_done = opening.step();
        !*is_done
    }

    /// What was opened, once all of it was looked through.
    pub fn take_opened(&mut self) -> Option<(Segment<MapStore>, Recovery)> {
        match std::mem::replace(&mut self.state, State::Moving) {
            State::Opening { opening, is_done: true, .. } => Some(opening.finish()),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Who waited for the segment to be open.
    pub fn take_opening_waiters(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.opening_waiters)
    }

    /// Whether lines can be stored.
    pub fn takes_logs(&self) -> bool {
        self.paused.is_none() && matches!(self.state, State::Open(_))
    }

    /// Lines could not be stored, for this reason.
    pub fn pause(&mut self, reason: Full) {
        self.paused = Some(reason);
    }

    /// The records, once the segment is open.
    pub fn segment(&self) -> Option<&Segment<MapStore>> {
        match &self.state {
            State::Open(segment) => Some(segment),
            _ => None,
        }
    }

    /// The records, to be added to.
    pub fn segment_mut(&mut self) -> Option<&mut Segment<MapStore>> {
        match &mut self.state {
            State::Open(segment) => Some(segment),
            _ => None,
        }
    }

    /// The next number to be given.
    pub fn head(&self) -> Seq {
        self.segment().map_or(Seq(0), Segment::head)
    }

    /// Every record below is on disk. Where there is no disk, that is none of them.
    pub fn durable(&self) -> Seq {
        self.segment().map_or(Seq(0), Segment::durable)
    }

    /// Changes how much is visible (a reload).
    pub fn set_visible(&mut self, records_max: Option<u64>, age_ns_max: Option<u64>) {
        if let Some(segment) = self.segment_mut() {
            segment.set_visible(records_max, age_ns_max);
        }
    }

    /// Hides everything; returns how much that was.
    pub fn clear(&mut self) -> u64 {
        self.segment_mut().map_or(0, Segment::clear)
    }

    /// Whether a sync has failed: nothing of this run will be called durable any more.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Asks for a sync that covers everything so far. Returns which one that is.
    pub fn want_sync(&mut self) -> u64 {
        if self.disk.is_none() {
            return 0;
        }
        self.is_sync_wanted = true;
        self.begun + 1
    }

    /// The last sync that has succeeded, as [`Self::want_sync`] counts them.
    pub fn synced_generation(&self) -> u64 {
        self.synced
    }

    /// Why questions are not answered yet.
    pub fn not_ready(&self) -> Option<&'static str> {
        match self.state {
            State::Locked { .. } => Some("another process holds the segment"),
            State::Resizing { .. } => Some("the segment is being resized"),
            State::Opening { .. } | State::Moving => Some("the segment is being opened"),
            State::Open(_) => None,
        }
    }

    /// Somebody waits for the segment to be open.
    pub fn wait_for_open(&mut self, token: Token) {
        if !self.opening_waiters.contains(&token) {
            self.opening_waiters.push(token);
        }
    }

    /// A connection is gone, and waits for nothing.
    pub fn forget(&mut self, token: Token) {
        self.opening_waiters.retain(|one| *one != token);
        self.fetch_waiters.retain(|(_, one)| *one != token);
    }

    /// Orders that the disk helper had no room for.
    pub fn orders_refused(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.refused)
    }

    /// Whether the next turn has something to do here without an event.
    pub fn has_work(&self) -> bool {
        match &self.state {
            State::Opening { is_fetching, .. } => !is_fetching,
            State::Resizing { .. } | State::Locked { .. } | State::Open(_) | State::Moving => false,
        }
    }

    /// When something is due here.
    pub fn next_deadline(&self) -> Option<Mono> {
        match &self.state {
            State::Locked { .. } => Some(self.next_try),
            _ => {
                let prewrite = self.prewrite_again.map(|(at, _)| at);
                [self.sync_due, prewrite].into_iter().flatten().min()
            }
        }
    }

    /// What `STATS` says.
    pub fn report(&self) -> Report {
        let Some(segment) = self.segment() else { return Report::default() };
        let counters = segment.counters();
        let dropped =
            counters.evicted_records + counters.expired_records + counters.cleared_records;
        Report {
            total: segment.records() + dropped,
            dropped,
            current: segment.records(),
            evicted: counters.evicted_records,
            tail: segment.tail().0,
            head: segment.head().0,
            durable: segment.durable().0,
            dirty_bytes: segment.dirty_bytes(),
            disk_bytes: counters.disk_bytes,
            segment_bytes: segment.geometry().file_bytes,
            blocks: u64::from(segment.geometry().blocks),
            bus_errors: map::bus_errors(),
        }
    }

    /// Begins a sync where one is due, and sees to it that the next block can be opened.
    pub fn manage(&mut self, now: Mono) {
        self.resident = None;
        self.prewrite_failed_part(now);
        self.prepare_upcoming(now);
        let interval = match self.mode {
            SyncMode::Interval(ms) => ms.saturating_mul(MS),
            SyncMode::Never | SyncMode::Always => 0,
        };
        let is_under_way = self.ticket.is_some();
        let has_failed = self.has_failed;
        let Some(segment) = self.segment_mut() else { return };
        let wish = segment.wants_sync();
        let is_due = match wish {
            SyncWish::Now => true,
            SyncWish::Later => {
                let due = *self.sync_due.get_or_insert(now.saturating_add(interval));
                due <= now
            }
            SyncWish::Nothing => {
                self.sync_due = None;
                false
            }
        };
        if is_under_way || has_failed || !(is_due || self.is_sync_wanted) {
            // Until the one under way has ended there is nothing to wake up for.
            if is_under_way {
                self.sync_due = None;
            }
            return;
        }
        self.sync_began = now;
        self.begin_sync();
    }

    fn begin_sync(&mut self) {
        if self.disk.is_none() {
            return;
        }
        let Some(segment) = self.segment_mut() else { return };
        let ticket = segment.sync_begin();
        self.begun += 1;
        self.ticket = Some((ticket, self.begun));
        self.is_sync_wanted = false;
        self.sync_due = None;
        self.order(Order::Sync);
    }

    /// Begins the sync that says "closed cleanly". `false` where not everything is durable.
    pub fn begin_close(&mut self) -> bool {
        let Some(segment) = self.segment_mut() else { return false };
        let Some(ticket) = segment.close_begin() else { return false };
        self.begun += 1;
        self.ticket = Some((ticket, self.begun));
        self.order(Order::Sync)
    }

    /// Whether a sync is under way.
    pub fn is_syncing(&self) -> bool {
        self.ticket.is_some()
    }

    /// Whether there is a disk behind it.
    pub fn is_on_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// The next answer of the disk helper.
    pub fn next_answer(&mut self) -> Option<io::Result<Done>> {
        match self.disk.as_mut()?.next_answer() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            other => Some(other),
        }
    }

    /// A sync has ended. `Some` is the error that it failed with.
    pub fn on_synced(&mut self, done: &Done) -> Option<io::Error> {
        let (ticket, generation) = self.ticket.take()?;
        let segment = self.segment_mut()?;
        // What is stored on a page that was replaced never reaches the file.
        let errno = if map::bus_errors() > 0 { done.errno.max(libc::EIO) } else { done.errno };
        if errno == 0 {
            segment.sync_done(ticket);
            self.synced = generation;
            self.unpause();
            return None;
        }
        segment.sync_failed();
        self.has_failed = true;
        self.unpause();
        Some(io::Error::from_raw_os_error(errno))
    }

    /// Blocks up to byte `to` of the file are written.
    pub fn on_prewritten(&mut self, to: u64) {
        let Some(segment) = self.segment_mut() else { return };
        let geometry = *segment.geometry();
        let first = geometry.block_range(0).start;
        let blocks = to.saturating_sub(first) / u64::from(geometry.block_bytes);
        segment.prewritten(u32::try_from(blocks).unwrap_or(u32::MAX).min(geometry.blocks));
        self.unpause();
    }

    /// Byte `from` and what follows could not be written: a full disk, or a bad one. It is tried
    /// again a little later; until then the ring does not grow.
    pub fn on_prewrite_failed(&mut self, from: u64, now: Mono) {
        self.prewrite_again = Some((now + PREWRITE_RETRY_MS * MS, from));
    }

    fn prewrite_failed_part(&mut self, now: Mono) {
        let Some((at, from)) = self.prewrite_again.filter(|(at, _)| *at <= now) else { return };
        let State::Open(segment) = &self.state else { return };
        let geometry = segment.geometry();
        let to = geometry.block_range(geometry.blocks - 1).end;
        let is_taken = self.order(Order::Prewrite { from, to });
        self.prewrite_again = (!is_taken).then_some((at + PREWRITE_RETRY_MS * MS, from));
    }

    /// The segment is tried again: the reason to pause may be gone.
    pub fn unpause(&mut self) {
        self.paused = None;
    }

    /// Has the helper put `bytes` into the file `name` of the segment's directory; `false` where it
    /// cannot be asked now.
    pub fn write_file(&mut self, file: SmallFile, bytes: Vec<u8>) -> bool {
        self.disk.as_mut().is_some_and(|disk| disk.write_file(&self.dir, file, bytes))
    }

    /// Hands an order to the helper.
    pub fn order(&mut self, order: Order) -> bool {
        self.disk.as_mut().is_some_and(|disk| disk.order(order))
    }
}
