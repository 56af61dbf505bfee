//! The slowest of the recent commands.

use crate::clock::{SECOND, Wall};
use crate::limits::SLOW_COMMANDS_KEPT;

/// How long a slow command is remembered.
const KEPT_NS: u64 = 3600 * SECOND;

/// One command that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowCommand {
    /// When its answer was complete.
    pub ended: Wall,
    /// Nanoseconds from its line to the end of its answer, waiting included.
    pub took_ns: u64,
    /// Bytes of text it looked at.
    pub scanned_bytes: u64,
    /// Records it found.
    pub found: u64,
    /// Who asked.
    pub peer: String,
    /// What, shortened.
    pub command: String,
}

/// Remembers the slowest commands of the last hour, a bounded number.
#[derive(Debug, Default)]
pub struct SlowLog {
    entries: Vec<SlowCommand>,
}

impl SlowLog {
    /// Adds a command, at the cost of the fastest where all places are taken.
    pub fn add(&mut self, command: SlowCommand) {
        let oldest = command.ended.saturating_sub(KEPT_NS);
        self.entries.retain(|entry| entry.ended >= oldest);
        if self.entries.len() >= SLOW_COMMANDS_KEPT {
            let fastest =
                (0..self.entries.len()).min_by_key(|&at| self.entries[at].took_ns).unwrap_or(0);
            if self.entries[fastest].took_ns >= command.took_ns {
                return;
            }
            self.entries.swap_remove(fastest);
        }
        self.entries.push(command);
    }

    /// What is remembered, slowest first.
    pub fn slowest_first(&self) -> Vec<&SlowCommand> {
        let mut entries: Vec<&SlowCommand> = self.entries.iter().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.took_ns));
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(ended: Wall, took_ns: u64) -> SlowCommand {
        let (peer, command) = (String::from("::1"), String::from("COUNT"));
        SlowCommand { ended, took_ns, scanned_bytes: 0, found: 0, peer, command }
    }

    #[test]
    fn the_slow_log_keeps_the_slowest() {
        let mut log = SlowLog::default();
        for took in 0..100 {
            log.add(command(1, took * 7 % 100));
        }
        let kept: Vec<u64> = log.slowest_first().iter().map(|entry| entry.took_ns).collect();
        let expected: Vec<u64> = (0..100).rev().take(SLOW_COMMANDS_KEPT).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn an_hour_later_it_is_forgotten() {
        let mut log = SlowLog::default();
        log.add(command(1, 1_000_000));
        log.add(command(2 + KEPT_NS, 5));
        assert_eq!(log.slowest_first().len(), 1);
    }
}
