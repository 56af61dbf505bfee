//! What the measurement ran on and what disturbed it: read from `/proc`, and the pinning of
//! threads to cores.

use std::fs;
use std::process::Command;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::clock::{Clock, Mono};

/// The core that the server, and every baseline, runs on.
pub const SERVER_CORE: usize = 0;

/// The core that the generator runs on.
pub const GENERATOR_CORE: usize = 1;

/// Steal time above this share of the machine, in percent, makes a figure noisy.
const STEAL_PERCENT_MAX: f64 = 0.5;

/// Other programs that use more than this share of one core, in percent, make a figure noisy.
const OTHERS_PERCENT_MAX: f64 = 5.0;

/// More involuntary switches a second than this, in the server or the generator, make a figure
/// noisy: something else wanted the same core.
const SWITCHES_PER_SECOND_MAX: f64 = 50.0;

/// Pins the calling thread to one core. A machine without that core is left as it is.
pub fn pin(core: usize) {
    let mut set = CpuSet::new();
    if cores() > core && set.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}

/// Lets the calling thread, and the children it starts from now on, run anywhere.
pub fn unpin() {
    let mut set = CpuSet::new();
    for core in 0..cores() {
        let _ = set.set(core);
    }
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
}

/// The cores of this machine, whatever this thread is pinned to.
pub fn cores() -> usize {
    read("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count().max(1)
}

/// Raises the open-file limit to what is allowed and says what that is.
pub fn raise_file_limit() -> u64 {
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    // On a machine of 32 bits the limit has as many.
    #[allow(clippy::useless_conversion)]
    hard.into()
}

/// A description of the machine and of what was measured, as names and values.
pub fn describe(clock: &Clock) -> Vec<(&'static str, String)> {
    let seconds = i64::try_from(clock.wall() / 1_000_000_000).unwrap_or(0);
    let date = jiff::Timestamp::from_second(seconds).map(|t| t.to_string()).unwrap_or_default();
    vec![
        ("date", date),
        ("cpu", field(&read("/proc/cpuinfo"), "model name").unwrap_or("unknown").to_owned()),
        ("cores", cores().to_string()),
        ("memory", field(&read("/proc/meminfo"), "MemTotal").unwrap_or("unknown").to_owned()),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("commit", commit()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ]
}

/// The commit of the tree we stand in, marked where it has changes, else `LOGCASTER_COMMIT`.
fn commit() -> String {
    let described =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    match described {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => std::env::var("LOGCASTER_COMMIT").unwrap_or_else(|_| "unknown".to_owned()),
    }
}

/// What disturbed a measurement, taken between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    /// Share of all cores' time that the hypervisor gave to others, in percent.
    pub steal_percent: f64,
    /// CPU time that went to neither the server nor the generator, in percent of one core.
    pub others_percent: f64,
    /// Times a second that the server was taken off its core while it had work.
    pub server_switches: f64,
    /// The same for the generator.
    pub generator_switches: f64,
    /// Whether the generator's switches matter: where it waits for the server anyway they do not.
    pub is_timed: bool,
}

impl Noise {
    /// Whether a figure taken under this noise is to be doubted.
    pub fn is_noisy(&self) -> bool {
        self.steal_percent > STEAL_PERCENT_MAX
            || self.others_percent > OTHERS_PERCENT_MAX
            || self.server_switches > SWITCHES_PER_SECOND_MAX
            || (self.is_timed && self.generator_switches > SWITCHES_PER_SECOND_MAX)
    }

    /// The louder of two.
    pub fn max(self, other: Self) -> Self {
        Self {
            steal_percent: self.steal_percent.max(other.steal_percent),
            others_percent: self.others_percent.max(other.others_percent),
            server_switches: self.server_switches.max(other.server_switches),
            generator_switches: self.generator_switches.max(other.generator_switches),
            is_timed: self.is_timed || other.is_timed,
        }
    }

    /// The same for a measurement in which the generator keeps to a schedule.
    pub fn timed(self) -> Self {
        Self { is_timed: true, ..self }
    }
}

/// Begins to listen for [`Noise`].
pub struct NoiseMeter {
    /// The server whose switches count, if there is one, and others that we started.
    servers: Vec<u32>,
    began: Mono,
    ticks: Ticks,
    /// CPU time of the servers and of ourselves, in ns.
    own_ns: u64,
    server_switches: u64,
    generator_switches: u64,
}

impl NoiseMeter {
    /// Starts now. `servers` are the processes that are ours; the switches of the first count.
    pub fn start(clock: &Clock, servers: &[u32]) -> Self {
        Self {
            servers: servers.to_vec(),
            began: clock.mono(),
            ticks: Ticks::read(),
            own_ns: own_ns(servers),
            server_switches: servers.first().copied().map_or(0, switches),
            generator_switches: own_switches(),
        }
    }

    /// What happened since the start.
    pub fn stop(&self, clock: &Clock) -> Noise {
        let seconds = (clock.mono() - self.began).max(1) as f64 / 1e9;
        let ticks = Ticks::read();
        let since = |now: u64, then: u64| now.saturating_sub(then) as f64;
        let all = since(ticks.all, self.ticks.all).max(1.0);
        let own_s = since(own_ns(&self.servers), self.own_ns) / 1e9;
        let busy_s = since(ticks.busy, self.ticks.busy) / 100.0;
        let server_switches = self.servers.first().copied().map_or(0, switches);
        Noise {
            steal_percent: 100.0 * since(ticks.stolen, self.ticks.stolen) / all,
            others_percent: (100.0 * (busy_s - own_s) / seconds).max(0.0),
            server_switches: since(server_switches, self.server_switches) / seconds,
            generator_switches: since(own_switches(), self.generator_switches) / seconds,
            is_timed: false,
        }
    }
}

/// CPU time of these processes and of our own, in ns.
fn own_ns(servers: &[u32]) -> u64 {
    let ours = ticks_of(std::process::id(), 4) * 10_000_000;
    servers.iter().copied().map(cpu_ns).sum::<u64>() + ours
}

/// Ticks of the machine, of 10 ms, since it started.
struct Ticks {
    stolen: u64,
    /// Given to processes and interrupts.
    busy: u64,
    all: u64,
}

impl Ticks {
    fn read() -> Self {
        let stat = read("/proc/stat");
        let line = stat.lines().next().unwrap_or_default();
        let words = line.split_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = words.filter_map(|tick| tick.parse().ok()).collect();
        // user, nice, system, idle, waiting for the disk, interrupts, soft interrupts, stolen
        let sum = |places: &[usize]| places.iter().filter_map(|place| ticks.get(*place)).sum();
        Self { stolen: sum(&[7]), busy: sum(&[0, 1, 2, 5, 6]), all: ticks.iter().sum() }
    }
}

/// Involuntary switches of the main thread of a process.
fn switches(pid: u32) -> u64 {
    status_number(&read(&format!("/proc/{pid}/status")), "nonvoluntary_ctxt_switches")
}

/// Involuntary switches of the calling thread.
fn own_switches() -> u64 {
    status_number(&read("/proc/thread-self/status"), "nonvoluntary_ctxt_switches")
}

/// Resident memory of a process, in bytes.
pub fn rss_bytes(pid: u32) -> u64 {
    status_number(&read(&format!("/proc/{pid}/status")), "VmRSS") << 10
}

/// CPU time of a process, user and system, in nanoseconds. It is kept in ticks of 10 ms.
pub fn cpu_ns(pid: u32) -> u64 {
    ticks_of(pid, 2) * 10_000_000
}

/// The first `count` of a process's counts of ticks: user, system, and the same of the children
/// that it has waited for.
fn ticks_of(pid: u32, count: usize) -> u64 {
    let stat = read(&format!("/proc/{pid}/stat"));
    // The command stands in parentheses and may hold anything, spaces too.
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(11).take(count).filter_map(|t| t.parse::<u64>().ok()).sum()
}

/// CPU time of all threads of a process, in nanoseconds, without the grain of ticks. Threads that
/// have ended are left out.
pub fn run_ns(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let paths = tasks.filter_map(|task| task.ok()).map(|task| task.path().join("schedstat"));
    paths.map(|path| first_number(&fs::read_to_string(path).unwrap_or_default())).sum()
}

/// CPU time of one thread of ours, in nanoseconds.
pub fn thread_run_ns(thread: u64) -> u64 {
    first_number(&read(&format!("/proc/self/task/{thread}/schedstat")))
}

/// The calling thread's number, for [`thread_run_ns`].
pub fn thread_number() -> u64 {
    u64::try_from(nix::unistd::gettid().as_raw()).unwrap_or(0)
}

/// The number that a text begins with; 0 where it begins with none.
fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Bytes that a process caused to be written to storage, as the kernel accounts them.
pub fn written_bytes(pid: u32) -> Option<u64> {
    let io = read(&format!("/proc/{pid}/io"));
    field(&io, "write_bytes").and_then(|value| value.parse().ok())
}

/// The number behind `name:` in a status file, without its unit; 0 where there is none.
fn status_number(status: &str, name: &str) -> u64 {
    field(status, name)
        .and_then(|value| value.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// The value behind `name:` in a file of such lines.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// A file of `/proc`, empty where it cannot be read: every reader has a value for that.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_name() {
        let status = "Name:\tx\nVmRSS:\t    1234 kB\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(status_number(status, "VmRSS"), 1234);
        assert_eq!(status_number(status, "nonvoluntary_ctxt_switches"), 7);
        assert_eq!(status_number(status, "absent"), 0);
    }

    #[test]
    fn this_process_can_be_measured() {
        let pid = std::process::id();
        assert!(rss_bytes(pid) > 0);
        assert!(cores() >= 1);
        let clock = Clock::new();
        let noise = NoiseMeter::start(&clock, &[pid]).stop(&clock);
        assert!(noise.steal_percent >= 0.0);
    }
}
