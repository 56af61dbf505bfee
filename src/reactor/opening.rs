//! From a directory to an open segment: finding or making the file, locking it, looking through
//! what a crash may have left, all without holding up the turn for long.

use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, sync_channel};

use mio::{Interest, Registry, Waker};

use super::disk::{DiskHelper, Order};
use super::storage::{State, Storage, Wanted};
use super::{DISK, RESIZED, Reactor, process};
use crate::clock::{MS, Mono, Wall};
use crate::config::{Settings, SyncMode};
use crate::limits::{DIRTY_BYTES_DEFAULT, LOCK_RETRY_MS, OPENING_NS_PER_TURN};
use crate::log::Severity;
use crate::segment::file::{self, Found};
use crate::segment::map::MapStore;
use crate::segment::{
    Durability, Geometry, Offline, OfflineError, Opening, Options, Recovery, Resizing, Segment,
};

impl Wanted {
    /// What the settings ask for.
    ///
    /// # Errors
    /// A size no ring can have.
    fn of(settings: &Settings) -> io::Result<Self> {
        let geometry = Geometry::for_size(settings.size_bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        let durability = match (settings.persist, settings.sync) {
            (false, _) => Durability::Volatile,
            (true, SyncMode::Never) => Durability::Never,
            (true, SyncMode::Interval(_) | SyncMode::Always) => Durability::Synced,
        };
        let options = Options {
            records_max: settings.max_logs,
            age_ns_max: settings
                .max_age
                .map(|age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)),
            dirty_bytes_max: settings.dirty_max.unwrap_or_else(|| {
                dirty_bytes_default(settings.size_bytes, process::memory_limit())
            }),
            durability,
            prewritten: if settings.persist { 0 } else { u32::MAX },
            wait_resident: settings.persist,
        };
        Ok(Self { geometry, options })
    }
}

impl Storage {
    /// Begins: in memory the segment is open at once, on disk it is found or made, and locked.
    ///
    /// # Errors
    /// What was tried on which path, and why it failed. Nothing was changed.
    pub fn start(
        settings: &Settings,
        registry: &Registry,
        now: Mono,
        wall: Wall,
    ) -> io::Result<Self> {
        let wanted = Wanted::of(settings)?;
        let mut storage = Self::new(settings.sync);
        if !settings.persist {
            let bytes = usize::try_from(wanted.geometry.file_bytes)
                .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
            let store = MapStore::anonymous(bytes)?;
            store.prefer_huge_pages();
            lock(&store, settings.mlock)?;
            let segment = Segment::create(store, wanted.geometry, wanted.options, random(), wall);
            storage.state = State::Open(Box::new(segment));
            return Ok(storage);
        }
        storage.dir = settings.dir.clone();
        storage.must_lock = settings.mlock;
        storage.waker = Some(Arc::new(Waker::new(registry, RESIZED)?));
        let wait = u64::try_from(settings.lock_wait.as_nanos()).unwrap_or(u64::MAX);
        storage.state = State::Locked { wanted, until: now.saturating_add(wait) };
        storage.find(registry, now, wall)?;
        Ok(storage)
    }

    /// Tries to get hold of the file.
    ///
    /// # Errors
    /// As [`Self::start`]; also that the time to wait for another process is over.
    fn find(&mut self, registry: &Registry, now: Mono, wall: Wall) -> io::Result<()> {
        let State::Locked { wanted, until } = self.state else { return Ok(()) };
        match file::find_or_make(&self.dir, wanted.geometry.file_bytes)? {
            Found::Locked if now >= until => {
                let path = file::path(&self.dir);
                let reason = format!("lock {}: another process holds it", path.display());
                Err(io::Error::new(io::ErrorKind::WouldBlock, reason))
            }
            Found::Locked => {
                self.next_try = now + LOCK_RETRY_MS * MS;
                Ok(())
            }
            Found::New(file) => self.create(registry, file, wanted, wall),
            Found::Existing(file) => self.examine(registry, file, wanted),
        }
    }

    /// Makes an empty segment in a new file, and gives it its name when its superblock is on disk.
    fn create(
        &mut self,
        registry: &Registry,
        file: File,
        wanted: Wanted,
        wall: Wall,
    ) -> io::Result<()> {
        let store = self.map(&file, wanted.geometry.file_bytes)?;
        let mut segment = Segment::create(store, wanted.geometry, wanted.options, random(), wall);
        let ticket = segment.sync_begin();
        file::publish(&self.dir, &file)?;
        segment.sync_done(ticket);
        self.open(registry, file, segment)
    }

    /// Looks at what is there.
    fn examine(&mut self, registry: &Registry, file: File, wanted: Wanted) -> io::Result<()> {
        let path = file::path(&self.dir);
        let bytes = file.metadata().map_err(|error| file::named("stat", &path, &error))?.len();
        let store = self.map(&file, bytes)?;
        let opening = Opening::new(store, wanted.options, random()).map_err(|error| {
            let reason = format!("open {}: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, reason)
        })?;
        if *opening.geometry() != wanted.geometry {
            drop(opening);
            return self.resize(file, wanted);
        }
        self.start_helper(registry, &file)?;
        self.file = Some(file);
        self.state =
            State::Opening { opening: Box::new(opening), is_fetching: false, is_done: false };
        Ok(())
    }

    /// Has a thread copy the records into a file of the wanted size, which then takes the place of
    /// the old one.
    fn resize(&mut self, old: File, wanted: Wanted) -> io::Result<()> {
        let dir = self.dir.clone();
        let epoch = random();
        let waker = self.waker.clone();
        let (copied, job) = sync_channel(1);
        std::thread::Builder::new().name("resize".into()).spawn(move || {
            // The file comes before the call: a reactor that was woken and finds nothing would
            // wait for a second call that never comes.
            let _reactor_is_gone = copied.send(copy_resized(&dir, &old, wanted.geometry, epoch));
            if let Some(waker) = waker {
                let _reactor_is_gone = waker.wake();
            }
        })?;
        self.state = State::Resizing { job, wanted };
        Ok(())
    }

    fn map(&self, file: &File, bytes: u64) -> io::Result<MapStore> {
        file::expect_jumps(file);
        let path = file::path(&self.dir);
        let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let store =
            MapStore::file(file, bytes).map_err(|error| file::named("map", &path, &error))?;
        store.watch_bus_errors()?;
        lock(&store, self.must_lock)?;
        Ok(store)
    }

    fn start_helper(&mut self, registry: &Registry, file: &File) -> io::Result<()> {
        let copy = file.as_fd().try_clone_to_owned()?;
        let path = file::path(&self.dir);
        let again = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| file::named("open", &path, &error))?;
        file::expect_jumps(&again);
        let mut disk = DiskHelper::start(File::from(copy), again)?;
        registry.register(disk.answers(), DISK, Interest::READABLE)?;
        self.disk = Some(disk);
        Ok(())
    }

    /// The segment is whole: lines may come in as soon as blocks are written.
    fn open(
        &mut self,
        registry: &Registry,
        file: File,
        mut segment: Segment<MapStore>,
    ) -> io::Result<()> {
        if self.disk.is_none() {
            self.start_helper(registry, &file)?;
        }
        let geometry = *segment.geometry();
        // Blocks behind the newest were never used in the ring's first lap. Those that were written
        // before, by an earlier run, need not be written again.
        let used = segment.upcoming_block().min(u64::from(geometry.blocks)) as u32;
        let end = geometry.block_range(geometry.blocks - 1).end;
        let from = match used {
            used if used == geometry.blocks => end,
            used => file::first_unwritten(&file, geometry.block_range(used).start, end),
        };
        let whole = (from.saturating_sub(geometry.blocks_at)) / u64::from(geometry.block_bytes);
        segment.prewritten(u32::try_from(whole).unwrap_or(u32::MAX).min(geometry.blocks));
        let from = geometry.blocks_at + whole * u64::from(geometry.block_bytes);
        self.file = Some(file);
        self.state = State::Open(Box::new(segment));
        if from < end {
            self.order(Order::Prewrite { from, to: end });
        }
        Ok(())
    }
}

impl Reactor {
    /// Goes on with opening the segment, where it is not open yet.
    pub(super) fn work_on_storage(&mut self) {
        if let Err(error) = self.open_further() {
            self.life.fail(error.to_string());
        }
    }

    fn open_further(&mut self) -> io::Result<()> {
        let registry = self.poll.registry();
        match &mut self.storage.state {
            State::Open(_) | State::Moving => return Ok(()),
            State::Locked { .. } => {
                if self.now >= self.storage.next_try {
                    self.storage.find(registry, self.now, self.wall)?;
                }
            }
            State::Resizing { job, .. } => {
                let copied = match job.try_recv() {
                    Ok(copied) => copied,
                    Err(TryRecvError::Empty) => return Ok(()),
                    Err(TryRecvError::Disconnected) => Err(io::Error::other("the resize ended")),
                };
                let state = std::mem::replace(&mut self.storage.state, State::Moving);
                let State::Resizing { wanted, .. } = state else { return Ok(()) };
                let file = copied?;
                let bytes = wanted.geometry.file_bytes;
                self.log.event(self.wall, Severity::Info, "resized", &[("bytes", &bytes)]);
                self.storage.examine(registry, file, wanted)?;
            }
            State::Opening { is_fetching: true, .. } => return Ok(()),
            State::Opening { .. } => {
                let deadline = self.now + OPENING_NS_PER_TURN;
                while self.storage.opening_step() && self.clock.mono() < deadline {}
                let Some((segment, recovery)) = self.storage.take_opened() else { return Ok(()) };
                let Some(file) = self.storage.file.take() else { return Ok(()) };
                self.storage.open(registry, file, segment)?;
                self.note_recovery(&recovery);
            }
        }
        if self.storage.segment().is_some() {
            self.open_feeds();
            for token in self.storage.take_opening_waiters() {
                self.enqueue(token);
            }
        }
        Ok(())
    }

    fn note_recovery(&mut self, recovery: &Recovery) {
        self.metrics.opened_damaged += recovery.damaged;
        let level = if recovery.damaged > 0 { Severity::Warn } else { Severity::Info };
        let fields: [(&str, &dyn std::fmt::Display); 6] = [
            ("clean", &recovery.clean),
            ("records", &recovery.records),
            ("walked_blocks", &recovery.walked),
            ("lost_blocks", &recovery.lost_blocks),
            ("torn", &recovery.torn),
            ("damaged", &recovery.damaged),
        ];
        self.log.event(self.wall, level, "segment_opened", &fields);
    }
}

/// Makes a file of another size with the newest records of `old` that fit, and puts it in the place
/// of `old`.
fn copy_resized(dir: &Path, old: &File, geometry: Geometry, epoch: u64) -> io::Result<File> {
    let path = file::path(dir);
    let unreadable = |error: OfflineError<io::Error>| {
        io::Error::other(format!("resize {}: {error}", path.display()))
    };
    let source = Offline::open(file::reader(old), old.metadata()?.len()).map_err(unreadable)?;
    let Some(new) = file::make(dir, geometry.file_bytes)? else {
        return Err(io::Error::other(format!("resize {}: somebody else is at it", path.display())));
    };
    let bytes = usize::try_from(geometry.file_bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut resizing = Resizing::new(source, MapStore::file(&new, bytes)?, geometry, epoch);
    while !resizing.step()? {}
    drop(resizing.finish());
    file::publish(dir, &new)?;
    Ok(new)
}

/// Keeps the ring in memory for good, where the settings say so.
fn lock(store: &MapStore, must: bool) -> io::Result<()> {
    if !must {
        return Ok(());
    }
    store.lock().map_err(|error| io::Error::new(error.kind(), format!("--mlock: {error}")))
}

/// How much may wait for the disk where `--dirty-max` does not say: what a slow disk writes within
/// a second, a quarter of the ring, an eighth of the memory we are allowed.
fn dirty_bytes_default(ring_bytes: u64, memory_limit: Option<u64>) -> u64 {
    let by_memory = memory_limit.map_or(u64::MAX, |limit| limit / 8);
    DIRTY_BYTES_DEFAULT.min(ring_bytes / 4).min(by_memory)
}

/// A number that no earlier opening had: from the keys that the system gives to hash tables.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
