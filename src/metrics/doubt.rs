//! When a run's figures may be the generator's own, and not the servers'.

use std::fmt;
use std::time::Duration;

use super::LatencySummary;
use crate::base::text::counted;

/// A lag the generator may always have, in microseconds.
const TOLERATED_LAG_US: u64 = 1_000;
/// A lag may be one part in this many of the median onboarding: 5 %.
const TOLERATED_PART: u64 = 20;

/// A reason not to trust a run's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Meters were started late: the p99 of the lag at start exceeds the limit.
    LateStarts {
        /// 99th percentile of planned instant to start.
        p99: Duration,
        /// The larger of 1 ms and 5 % of the median onboarding.
        limit: Duration,
    },
    /// Datagrams were handled late: the p99 of the lag at receipt exceeds the limit.
    LateReceipts {
        /// 99th percentile of kernel timestamp to handling.
        p99: Duration,
        /// The larger of 1 ms and 5 % of the median onboarding.
        limit: Duration,
    },
    /// The kernel dropped datagrams because a receive buffer was full.
    KernelDrops {
        /// How many.
        datagrams: u64,
    },
}

impl Doubt {
    /// The stable key in result files.
    pub const fn name(self) -> &'static str {
        match self {
            Doubt::LateStarts { .. } => "late-starts",
            Doubt::LateReceipts { .. } => "late-receipts",
            Doubt::KernelDrops { .. } => "kernel-drops",
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Doubt::LateStarts { .. } => {
                "Lower the arrival rate, give the generator more cores, or run the servers on another machine."
            }
            Doubt::LateReceipts { .. } => {
                "Stop other programs on this machine, lower the arrival rate, or run the servers on another machine."
            }
            Doubt::KernelDrops { .. } => {
                "Allow larger receive buffers (sysctl net.core.rmem_max), or lower the arrival rate."
            }
        }
    }

    /// Every reason there is to doubt these figures.
    ///
    /// A lag is too large if its p99 exceeds both 1 ms and 5 % of the median onboarding; as long as
    /// no meter is onboarded, the limit is 1 ms.
    pub(super) fn all(
        start: LatencySummary,
        receipt: LatencySummary,
        onboarding: LatencySummary,
        drops: u64,
    ) -> Vec<Doubt> {
        let limit_us = TOLERATED_LAG_US.max(onboarding.p50_us / TOLERATED_PART);
        let limit = Duration::from_micros(limit_us);
        let over = |lag: LatencySummary| (lag.p99_us > limit_us).then(|| Duration::from_micros(lag.p99_us));
        let starts = over(start).map(|p99| Doubt::LateStarts { p99, limit });
        let receipts = over(receipt).map(|p99| Doubt::LateReceipts { p99, limit });
        let drops = (drops > 0).then_some(Doubt::KernelDrops { datagrams: drops });
        [starts, receipts, drops].into_iter().flatten().collect()
    }
}

/// One sentence that says what is wrong, with its figures.
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |span: &Duration| span.as_secs_f64() * 1e3;
        match self {
            Doubt::LateStarts { p99, limit } => write!(
                f,
                "1 % of the meters were started {:.1} ms or more after their planned instant; up to {:.1} ms \
                 would not matter here.",
                millis(p99),
                millis(limit)
            ),
            Doubt::LateReceipts { p99, limit } => write!(
                f,
                "1 % of the datagrams waited {:.1} ms or more in the generator before they were handled; up to \
                 {:.1} ms would not matter here.",
                millis(p99),
                millis(limit)
            ),
            Doubt::KernelDrops { datagrams } => {
                let dropped = counted(*datagrams, "datagram");
                write!(f, "The kernel dropped {dropped} because a receive buffer was full.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(p99_us: u64) -> LatencySummary {
        LatencySummary { count: 100, p99_us, ..LatencySummary::default() }
    }

    fn onboarding(p50_us: u64) -> LatencySummary {
        LatencySummary { count: 100, p50_us, ..LatencySummary::default() }
    }

    fn names(doubts: &[Doubt]) -> Vec<&'static str> {
        doubts.iter().map(|doubt| doubt.name()).collect()
    }

    #[test]
    fn one_millisecond_is_tolerated_and_not_a_microsecond_more() {
        assert!(Doubt::all(lag(1_000), lag(1_000), onboarding(500), 0).is_empty());
        assert_eq!(names(&Doubt::all(lag(1_001), lag(0), onboarding(500), 0)), ["late-starts"]);
        assert_eq!(names(&Doubt::all(lag(0), lag(1_001), onboarding(500), 0)), ["late-receipts"]);
    }

    #[test]
    fn slow_servers_make_five_percent_the_limit() {
        assert!(Doubt::all(lag(5_000), lag(5_000), onboarding(100_000), 0).is_empty());
        let limit = Duration::from_millis(5);
        assert_eq!(
            Doubt::all(lag(5_001), lag(0), onboarding(100_000), 0),
            [Doubt::LateStarts { p99: Duration::from_micros(5_001), limit }]
        );
    }

    #[test]
    fn a_single_drop_is_a_doubt() {
        assert_eq!(Doubt::all(lag(0), lag(0), onboarding(1), 1), [Doubt::KernelDrops { datagrams: 1 }]);
    }

    #[test]
    fn nothing_measured_is_nothing_doubted() {
        let none = LatencySummary::default();
        assert!(Doubt::all(none, none, none, 0).is_empty());
    }
}
