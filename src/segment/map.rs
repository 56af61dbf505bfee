//! What a segment needs of the machine, and so all that is `unsafe` in it: the memory behind it, an
//! anonymous map or a file mapped shared, and the instruction that computes its checksums.
//!
//! A file's pages can vanish under the map: a bad sector, or a file cut short by somebody else. The
//! kernel then sends SIGBUS. `watch_bus_errors` puts a zero page there instead, so that the
//! records on it fail their checksum and the rest of the ring lives on; [`bus_errors`] counts such
//! pages.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use memmap2::{MmapMut, MmapOptions};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::Store;
#[cfg(target_arch = "x86_64")]
use super::crc::record_by_instruction;
use super::crc::{Checked, record_portable};

/// Bytes in a page of memory, the unit of `mincore` and of a bus error.
pub const PAGE_BYTES: usize = 4096;

/// Where the watched map begins; 0 while none is watched.
static WATCHED_BASE: AtomicUsize = AtomicUsize::new(0);
/// How many bytes of it are watched.
static WATCHED_BYTES: AtomicUsize = AtomicUsize::new(0);
/// Pages replaced after a bus error.
static BUS_ERRORS: AtomicU64 = AtomicU64::new(0);

/// Mapped bytes, anonymous or of a file.
#[derive(Debug)]
pub struct MapStore {
    /// The bytes. Dropping it unmaps them.
    map: MmapMut,
    /// Whether they are a file's, and so may leave the page cache.
    is_file: bool,
}

impl MapStore {
    /// `bytes` of memory, zeroed, taken from the system as they are first touched.
    ///
    /// # Errors
    /// The system's own, where it has no such range to give.
    pub fn anonymous(bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(bytes).map_anon()?;
        Ok(Self { map, is_file: false })
    }

    /// The first `bytes` of `file`, shared, so that what is stored survives this process.
    ///
    /// # Errors
    /// The system's own; `InvalidInput` where the file is shorter than `bytes`.
    pub fn file(file: &File, bytes: usize) -> io::Result<Self> {
        if file.metadata()?.len() < bytes as u64 {
            let reason = format!("the file is shorter than {bytes} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        // SAFETY: the caller holds the segment's flock for as long as the store lives, which keeps
        // cooperating processes from truncating the file; its length was checked above. `map` is
        // the only owner of the range and lends it through `&self` and `&mut self`, so there is no
        // second `&mut`. flock is only advisory: what a process that ignores it can do is cut the
        // file short (SIGBUS, handled below) or change bytes, which checksums catch.
        let map = unsafe { MmapOptions::new().len(bytes).map_mut(file)? };
        map.advise(memmap2::Advice::Random)?;
        Ok(Self { map, is_file: true })
    }

    /// Whether every page of `range` is in memory, so that touching it cannot wait for a disk.
    /// Anonymous maps always are. A range outside the map is not.
    pub fn is_resident(&self, range: Range<usize>) -> bool {
        if !self.is_file || range.is_empty() {
            return true;
        }
        if range.end > self.map.len() {
            return false;
        }
        let first = range.start / PAGE_BYTES * PAGE_BYTES;
        let mut pages = [0u8; 256];
        let mut at = first;
        while at < range.end {
            let bytes = (range.end - at).min(pages.len() * PAGE_BYTES);
            // SAFETY: `at` is page-aligned, as the map's base is, and `at + bytes` lies within the
            // map, checked above; `pages` has one byte for each page of `bytes`. mincore only
            // writes to `pages`.
            let result = unsafe {
                let start = self.map.as_ptr().add(at) as *mut libc::c_void;
                libc::mincore(start, bytes, pages.as_mut_ptr())
            };
            let count = bytes.div_ceil(PAGE_BYTES);
            if result != 0 || pages[..count].iter().any(|page| page & 1 == 0) {
                return false;
            }
            at += count * PAGE_BYTES;
        }
        true
    }

    /// Asks the kernel for large pages where it has them: fewer misses in the address cache when
    /// the whole ring is scanned. A refusal costs nothing but speed.
    pub fn prefer_huge_pages(&self) {
        let _unsupported_is_fine = self.map.advise(memmap2::Advice::HugePage);
    }

    /// Keeps every page in memory for good (`--mlock`).
    ///
    /// # Errors
    /// The system's own, usually that the limit on locked memory is lower.
    pub fn lock(&self) -> io::Result<()> {
        self.map.lock()
    }

    /// Replaces pages of this map that turn out unreadable by zero pages, from now on. Only one map
    /// of a process is watched; it must live until the process ends.
    ///
    /// # Errors
    /// The system's own, where the handler cannot be set.
    pub fn watch_bus_errors(&self) -> io::Result<()> {
        WATCHED_BYTES.store(self.map.len(), Ordering::Release);
        WATCHED_BASE.store(self.map.as_ptr() as usize, Ordering::Release);
        let handler = SigHandler::SigAction(on_bus_error);
        let action = SigAction::new(handler, SaFlags::SA_SIGINFO, SigSet::empty());
        // SAFETY: the handler does only what is safe in one: atomics, mmap, write and _exit.
        unsafe { sigaction(Signal::SIGBUS, &action) }.map_err(io::Error::from)?;
        Ok(())
    }
}

impl Drop for MapStore {
    fn drop(&mut self) {
        let base = self.map.as_ptr() as usize;
        let _not_ours = WATCHED_BASE.compare_exchange(base, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

impl Store for MapStore {
    fn bytes(&self) -> &[u8] {
        &self.map
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map
    }
}

/// The checksum of a record in a block with this salt (`crc.rs` computes it): by the processor's
/// instruction where it has one.
#[inline]
pub fn record_checksum(salt: u32, record: &Checked<'_>) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor was just asked, once for the process, and has the instruction.
        return unsafe { record_by_instruction(salt, record) };
    }
    record_portable(salt, record)
}

/// How many pages were replaced by zeros because they could not be read.
pub fn bus_errors() -> u64 {
    BUS_ERRORS.load(Ordering::Relaxed)
}

/// Puts a zero page where a watched page could not be read; ends the process for any other fault.
extern "C" fn on_bus_error(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel hands a valid siginfo to a handler set with SA_SIGINFO, and si_addr is set
    // for SIGBUS.
    let address = unsafe { (*info).si_addr() } as usize;
    let base = WATCHED_BASE.load(Ordering::Acquire);
    let bytes = WATCHED_BYTES.load(Ordering::Acquire);
    if base == 0 || address < base || address - base >= bytes {
        // SAFETY: _exit may be called from a handler; nothing of ours runs after it.
        unsafe { libc::_exit(135) };
    }
    let page = address / PAGE_BYTES * PAGE_BYTES;
    // SAFETY: the page lies in a map that `MapStore` owns and never unmaps while it is watched;
    // MAP_FIXED replaces exactly that page by anonymous zeros with the same protection.
    let replaced = unsafe {
        libc::mmap(
            page as *mut libc::c_void,
            PAGE_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    if replaced == libc::MAP_FAILED {
        // SAFETY: as above.
        unsafe { libc::_exit(135) };
    }
    BUS_ERRORS.fetch_add(1, Ordering::Relaxed);
}
