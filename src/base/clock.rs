//! The one place that reads the machine's clocks.
#![expect(clippy::disallowed_methods, reason = "shell: this is the one clock everybody is given")]

use std::sync::OnceLock;
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

/// The standard library's instant for one of ours: for engines that take no other. Which one stands for our
/// origin is nobody's business, as only differences matter; it is the same for as long as the process lives.
pub fn to_std(at: Instant) -> std::time::Instant {
    // Beyond a hundred years (`Instant::FAR`) the standard library may have no instant.
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);
    anchor() + at.since_origin().min(LONGEST)
}

/// Our instant for one of the standard library's that [`to_std`] is the base of.
pub fn from_std(at: std::time::Instant) -> Instant {
    Instant::ZERO + at.saturating_duration_since(anchor())
}

fn anchor() -> std::time::Instant {
    static ANCHOR: OnceLock<std::time::Instant> = OnceLock::new();
    *ANCHOR.get_or_init(std::time::Instant::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_the_way_to_the_standard_library_and_back() {
        for at in [Instant::ZERO, Instant::from_nanos(1), Instant::from_secs(86_400)] {
            assert_eq!(from_std(to_std(at)), at);
        }
        assert!(from_std(to_std(Instant::FAR)) > Instant::from_secs(86_400 * 365));
    }
}
