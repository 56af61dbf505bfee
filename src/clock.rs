//! The only place that asks what time it is. Everything else is told.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall time: nanoseconds since 1970-01-01 00:00:00 UTC.
pub type Wall = u64;
/// Monotonic time: nanoseconds since the clock was made. Never goes back.
pub type Mono = u64;

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// The machine's two clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts at zero now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// The wall clock; 0 where the machine believes to be before 1970, the last nanosecond of 2554
    /// where it believes to be after.
    pub fn wall(&self) -> Wall {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            Err(_) => 0,
        }
    }

    /// The monotonic clock.
    pub fn mono(&self) -> Mono {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
