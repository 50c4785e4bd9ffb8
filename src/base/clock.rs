//! The one place that reads the machine's clocks.
#![expect(clippy::disallowed_methods, reason = "shell: this is the one clock everybody is given")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Instant;

/// Tells the time since the origin of a run. Copies share the origin, so the shards of one run agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
    origin_unix: Duration,
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Clock {
            origin: std::time::Instant::now(),
            origin_unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// Now, by the monotonic clock.
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// The monotonic instant that the standard library counts from, for timers of the operating system.
    pub fn origin(&self) -> std::time::Instant {
        self.origin
    }

    /// The origin in time since 1970-01-01 UTC.
    pub fn origin_unix(&self) -> Duration {
        self.origin_unix
    }

    /// Now in time since 1970-01-01 UTC, by the system's clock (which may jump; for kernel timestamps).
    pub fn unix_now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
