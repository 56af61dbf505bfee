//! What the system says of this process, asked for in a way that cannot wait: no list of
//! descriptors where there are many, nothing that another process could hold up.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::clock::Wall;
use crate::limits::LISTED_DESCRIPTORS_MAX;
use crate::log::Severity;
use crate::segment::map::PAGE_BYTES;

use super::Reactor;

/// What is remembered between one question and the next.
#[derive(Debug)]
pub(super) struct Process {
    /// When it was started, as far as we know.
    pub started: Wall,
    /// Descriptors that are no connections, as they were last counted.
    others: Option<u64>,
}

/// The answers. What the system does not say is absent.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Processor time of all threads, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory it holds, and address space it has, in bytes.
    pub resident_bytes: Option<u64>,
    pub virtual_bytes: Option<u64>,
    pub threads: Option<u64>,
    pub open_files: Option<u64>,
    pub open_files_max: Option<u64>,
    pub virtual_bytes_max: Option<u64>,
}

impl Process {
    /// A process that was started at `started`.
    pub fn new(started: Wall) -> Self {
        Self { started, others: None }
    }

    /// Asks the system. `connections` are that many of the descriptors.
    pub fn facts(&mut self, connections: u64) -> Facts {
        // On a machine of 32 bits a limit has as many.
        #[allow(clippy::useless_conversion)]
        let soft = |resource| getrlimit(resource).ok().map(|(soft, _)| soft.into());
        let mut facts = Facts {
            cpu_ns: cpu_ns(),
            open_files: self.open_files(connections),
            open_files_max: soft(Resource::RLIMIT_NOFILE),
            virtual_bytes_max: soft(Resource::RLIMIT_AS),
            ..Facts::default()
        };
        let mut text = [0; 1024];
        let read = File::open("/proc/self/stat").and_then(|mut file| file.read(&mut text));
        if let Some(stat) = read.ok().and_then(|bytes| read_stat(&text[..bytes])) {
            facts.threads = Some(stat.threads);
            facts.virtual_bytes = Some(stat.virtual_bytes);
            facts.resident_bytes = Some(stat.resident_pages.saturating_mul(PAGE_BYTES as u64));
        }
        facts
    }

    /// How many descriptors are open.
    fn open_files(&mut self, connections: u64) -> Option<u64> {
        // Linux 6.2 and later say it as the directory's size.
        let said = std::fs::metadata("/proc/self/fd").ok().map(|about| about.len());
        if let Some(count) = said.filter(|count| *count > 0) {
            return Some(count);
        }
        // Listing a descriptor takes a microsecond or two, so only few are.
        if connections < LISTED_DESCRIPTORS_MAX
            && let Ok(list) = std::fs::read_dir("/proc/self/fd")
        {
            // One of them is the list itself.
            let count = list.take(4 * LISTED_DESCRIPTORS_MAX as usize).count() as u64;
            self.others = Some(count.saturating_sub(connections + 1));
        }
        self.others.map(|others| others + connections)
    }
}

impl Reactor {
    /// Says so where the ring takes more than half the memory that this process may use: what is
    /// left for the page cache of others, connections and answers then is little.
    pub(super) fn warn_of_memory(&mut self) {
        let ring_bytes = self.settings.size_bytes;
        let Some(limit) = memory_limit().filter(|limit| ring_bytes > limit / 2) else { return };
        let fields: [(&str, &dyn std::fmt::Display); 3] = [
            ("ring_bytes", &ring_bytes),
            ("memory_limit_bytes", &limit),
            ("message", &"the ring is more than half the memory limit"),
        ];
        self.log.event(self.wall, Severity::Warn, "memory_tight", &fields);
    }
}

/// The most memory this process may use, in bytes, where its control group or one above it sets a
/// limit. See cgroups(7); both versions are looked at, for a machine may have both.
pub(super) fn memory_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    tightest_limit(&groups, |path| std::fs::read_to_string(path).ok())
}

/// The smallest limit of the groups in `groups`, the text of `/proc/self/cgroup`, and of those
/// above them. A container sees its own group as the topmost, whatever that text says.
fn tightest_limit(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let unified = ("/sys/fs/cgroup", "memory.max");
    let legacy = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes");
    let mut files: Vec<PathBuf> =
        [unified, legacy].iter().map(|(root, name)| Path::new(root).join(name)).collect();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => unified,
            controllers if controllers.split(',').any(|one| one == "memory") => legacy,
            _ => continue,
        };
        let within = Path::new(path.trim_start_matches('/')).ancestors();
        files.extend(within.map(|group| Path::new(root).join(group).join(name)));
    }
    let limits = files.iter().filter_map(|file| read(file)?.trim().parse().ok());
    // Without a limit version 2 says `max`, version 1 the largest number of whole pages.
    limits.min().filter(|limit: &u64| *limit < i64::MAX as u64 - PAGE_BYTES as u64)
}

fn cpu_ns() -> u64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return 0 };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    u64::try_from(micros).unwrap_or(0).saturating_mul(1000)
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    threads: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

/// Reads `/proc/self/stat`: `pid (name) state …`; the name may hold anything. See proc(5), whose
/// fields are counted from 1.
fn read_stat(text: &[u8]) -> Option<Stat> {
    let behind_name = memchr::memrchr(b')', text)? + 1;
    let rest = std::str::from_utf8(&text[behind_name..]).ok()?;
    let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse().ok();
    Some(Stat { threads: field(20)?, virtual_bytes: field(23)?, resident_pages: field(24)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_whatever_the_name() {
        let text = b"17 (a) b (c) S 1 17 17 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 3 0 99 4096000 250 \
                     18446744073709551615 1 1 0\n";
        let stat = Stat { threads: 3, virtual_bytes: 4_096_000, resident_pages: 250 };
        assert_eq!(read_stat(text), Some(stat));
        for bad in [&b""[..], b"17 (a", b"17 (a) S 1 2", b"17 (a) S \xff"] {
            assert_eq!(read_stat(bad), None);
        }
    }

    /// The limit where the files in `files` are all there is.
    fn limit(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        tightest_limit(groups, |path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_memory_limit_is_the_tightest_of_all_groups_above() {
        let service = "0::/system.slice/logcaster.service\n";
        let own = "/sys/fs/cgroup/system.slice/logcaster.service/memory.max";
        let slice = "/sys/fs/cgroup/system.slice/memory.max";
        assert_eq!(limit(service, &[(own, "67108864\n")]), Some(67_108_864));
        assert_eq!(limit(service, &[(own, "67108864\n"), (slice, "4096\n")]), Some(4096));
        assert_eq!(limit(service, &[(own, "max\n"), (slice, "4096\n")]), Some(4096));
        assert_eq!(limit(service, &[(own, "max\n"), (slice, "max\n")]), None);
        // A container, whose own group is the root that it sees.
        assert_eq!(limit("0::/\n", &[("/sys/fs/cgroup/memory.max", "32\n")]), Some(32));
        assert_eq!(limit("", &[("/sys/fs/cgroup/memory.max", "32\n")]), Some(32));
    }

    #[test]
    fn the_memory_limit_of_cgroups_version_1_is_found() {
        let groups = "9:name=systemd:/\n4:cpu,memory:/docker/c0ffee\n0::/\n";
        let seen_from_inside = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        let seen_from_outside = "/sys/fs/cgroup/memory/docker/c0ffee/memory.limit_in_bytes";
        assert_eq!(limit(groups, &[(seen_from_inside, "33554432\n")]), Some(33_554_432));
        let none = "9223372036854771712\n";
        let both = [(seen_from_inside, none), (seen_from_outside, "33554432\n")];
        assert_eq!(limit(groups, &both), Some(33_554_432));
        assert_eq!(limit(groups, &[(seen_from_inside, none)]), None);
        for odd in ["", "memory", "1:memory", ":::", "\u{0}:memory:../.."] {
            assert_eq!(limit(odd, &[]), None);
        }
    }

    #[test]
    fn this_process_is_known() {
        let mut process = Process::new(0);
        let facts = process.facts(0);
        assert!(facts.open_files > Some(2) && facts.open_files_max >= facts.open_files);
        assert!(facts.resident_bytes > Some(100_000) && facts.threads > Some(0), "{facts:?}");
        assert!(facts.virtual_bytes >= facts.resident_bytes);
    }
}
