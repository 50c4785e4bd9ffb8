//! One second of a run: a row of the time series, and the histograms it was made from.

use std::time::Duration;

use super::interval::Gauges;
use super::tally::{Latencies, Tally};
use super::{LatencyHistogram, Series, Stage, States, Traffic};

/// The latencies of one stage within one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StagePoint {
    /// Times the stage ended within the second.
    pub count: u64,
    /// Their median in microseconds; zero if there are none.
    pub p50_us: u64,
    /// Their 99th percentile in microseconds; zero if there are none.
    pub p99_us: u64,
}

/// One second of a run as figures.
///
/// An interval belongs to the second in which it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// From the origin of the run to the end of this second (of the run, in the last row).
    pub elapsed: Duration,
    /// Arrivals whose planned instant had passed at the end of the second.
    pub due: u64,
    /// Arrivals started until the end of the second.
    pub started: u64,
    /// Meters by state at the end of the second.
    pub states: States,
    /// Latencies of the second, by [`Stage::index`].
    pub stages: [StagePoint; Stage::COUNT],
    /// Datagrams of the second.
    pub traffic: Traffic,
    /// Failures of the second.
    pub failures: u64,
}

/// A second that is over: its row, and its histograms for the interval log.
#[derive(Clone, Debug)]
pub struct Second {
    /// The figures.
    pub row: Row,
    /// From the origin of the run to the beginning of the second.
    pub start: Duration,
    latencies: Latencies,
}

impl Second {
    /// The series that have values in this second, with their histograms.
    pub fn histograms(&self) -> impl Iterator<Item = (Series, &LatencyHistogram)> {
        self.latencies.iter()
    }

    pub(super) fn new(start: Duration, end: Duration, gauges: Gauges, started: u64, tally: Tally) -> Self {
        let row = Row {
            elapsed: end,
            due: gauges.due,
            started,
            states: gauges.states,
            stages: Stage::ALL.map(|stage| point(tally.latencies.get(Series::Stage(stage)))),
            traffic: tally.counters.traffic(),
            failures: tally.failures.total(),
        };
        Second { row, start, latencies: tally.latencies }
    }
}

fn point(histogram: Option<&LatencyHistogram>) -> StagePoint {
    histogram.map_or_else(StagePoint::default, |histogram| StagePoint {
        count: histogram.count(),
        p50_us: histogram.quantile_us(0.5),
        p99_us: histogram.quantile_us(0.99),
    })
}
