//! A latency histogram with documented bounds that loses nothing outside them.

use std::time::Duration;

use hdrhistogram::{AdditionError, Histogram};

/// The shortest latency told apart, in microseconds.
pub const LOWEST_US: u64 = 1;
/// The longest latency told apart, in microseconds: one hour.
pub const HIGHEST_US: u64 = 3_600_000_000;
/// Significant decimal digits kept of every value: figures are right to 0.1 %.
pub const DIGITS: u8 = 3;

/// Latencies between [`LOWEST_US`] and [`HIGHEST_US`], in whole microseconds (rounded down).
///
/// A value outside the bounds is recorded *at* the bound, so that it weighs in every quantile, and
/// counted in [`OutOfRange`], which also keeps the largest.
#[derive(Clone, Debug)]
pub struct LatencyHistogram {
    hdr: Histogram<u64>,
    out_of_range: OutOfRange,
}

/// How many values fell outside the bounds of a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutOfRange {
    /// Values below [`LOWEST_US`].
    pub below: u64,
    /// Values above [`HIGHEST_US`].
    pub above: u64,
    /// The largest of the values above, in microseconds; zero if there is none.
    pub largest_us: u64,
}

impl OutOfRange {
    /// True if no value was outside the bounds.
    pub fn is_empty(&self) -> bool {
        self.below == 0 && self.above == 0
    }

    /// Adds what another histogram counted.
    pub fn merge(&mut self, other: OutOfRange) {
        self.below += other.below;
        self.above += other.above;
        self.largest_us = self.largest_us.max(other.largest_us);
    }
}

/// The figures of a histogram, in microseconds. All zero if nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LatencySummary {
    /// Recorded values, those outside the bounds included.
    pub count: u64,
    /// Shortest.
    pub min_us: u64,
    /// Arithmetic mean.
    pub mean_us: f64,
    /// Median.
    pub p50_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// 99.9th percentile.
    pub p999_us: u64,
    /// Longest; exact if it is above the bounds.
    pub max_us: u64,
    /// Values outside the bounds.
    pub out_of_range: OutOfRange,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        let hdr = Histogram::new_with_bounds(LOWEST_US, HIGHEST_US, DIGITS)
            .expect("the bounds are constants that make a histogram");
        LatencyHistogram { hdr, out_of_range: OutOfRange::default() }
    }
}

impl LatencyHistogram {
    /// Records one latency.
    #[inline]
    pub fn record(&mut self, latency: Duration) {
        let us =
            latency.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(latency.subsec_micros()));
        if (LOWEST_US..=HIGHEST_US).contains(&us) {
            self.hdr.saturating_record(us);
        } else {
            self.record_out_of_range(us);
        }
    }

    #[cold]
    fn record_out_of_range(&mut self, us: u64) {
        if us < LOWEST_US {
            self.out_of_range.below += 1;
        } else {
            self.out_of_range.above += 1;
            self.out_of_range.largest_us = self.out_of_range.largest_us.max(us);
        }
        self.hdr.saturating_record(us.clamp(LOWEST_US, HIGHEST_US));
    }

    /// Adds everything another histogram recorded.
    pub fn merge(&mut self, other: &LatencyHistogram) {
        self.hdr.add(&other.hdr).expect("both histograms have the same bounds");
        self.out_of_range.merge(other.out_of_range);
    }

    /// Adds a histogram read from a log.
    ///
    /// # Errors
    /// If it holds values beyond this one's bounds.
    pub fn merge_raw(&mut self, other: &Histogram<u64>) -> Result<(), AdditionError> {
        self.hdr.add(other)
    }

    /// Adds counts of values outside the bounds that a log holds beside its histograms.
    pub fn merge_out_of_range(&mut self, other: OutOfRange) {
        self.out_of_range.merge(other);
    }

    /// The underlying histogram, in microseconds, values outside the bounds at the bounds.
    pub fn raw(&self) -> &Histogram<u64> {
        &self.hdr
    }

    /// Values outside the bounds.
    pub fn out_of_range(&self) -> OutOfRange {
        self.out_of_range
    }

    /// Recorded values.
    pub fn count(&self) -> u64 {
        self.hdr.len()
    }

    /// The value in microseconds that the share `quantile` (0 to 1) of the values does not exceed;
    /// zero if nothing was recorded.
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        self.hdr.value_at_quantile(quantile)
    }

    /// The figures a report prints.
    pub fn summary(&self) -> LatencySummary {
        if self.count() == 0 {
            return LatencySummary::default();
        }
        LatencySummary {
            count: self.count(),
            min_us: self.hdr.min(),
            mean_us: self.hdr.mean(),
            p50_us: self.quantile_us(0.5),
            p90_us: self.quantile_us(0.9),
            p99_us: self.quantile_us(0.99),
            p999_us: self.quantile_us(0.999),
            max_us: self.hdr.max().max(self.out_of_range.largest_us),
            out_of_range: self.out_of_range,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(latencies: impl IntoIterator<Item = Duration>) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::default();
        latencies.into_iter().for_each(|latency| histogram.record(latency));
        histogram
    }

    #[test]
    fn figures_are_right_to_three_digits() {
        let figures = of((1..=10_000).map(|n| Duration::from_micros(n * 37))).summary();
        for (got, want) in [
            (figures.p50_us, 185_000.0),
            (figures.p90_us, 333_000.0),
            (figures.p99_us, 366_300.0),
            (figures.p999_us, 369_630.0),
            (figures.max_us, 370_000.0),
        ] {
            assert!((got as f64 / want - 1.0).abs() < 0.001, "{got} {want}");
        }
        assert_eq!((figures.count, figures.min_us), (10_000, 37));
        assert!((figures.mean_us / 185_018.5 - 1.0).abs() < 0.001);
    }

    #[test]
    fn values_outside_the_bounds_are_counted_and_weigh_in_the_quantiles() {
        let hours = |h: u64| Duration::from_secs(h * 3600);
        let histogram = of([Duration::from_nanos(999), Duration::ZERO, hours(2), hours(3), hours(30)]);
        let figures = histogram.summary();
        assert_eq!(
            histogram.out_of_range(),
            OutOfRange { below: 2, above: 3, largest_us: 30 * 3_600_000_000 }
        );
        assert_eq!((figures.count, figures.min_us, figures.max_us), (5, 1, 30 * 3_600_000_000));
        // Three of five took over an hour: leaving them out would have said 1 µs.
        assert!(figures.p50_us >= HIGHEST_US);
    }

    #[test]
    fn the_bounds_themselves_are_inside() {
        let histogram = of([Duration::from_micros(LOWEST_US), Duration::from_micros(HIGHEST_US)]);
        assert!(histogram.out_of_range().is_empty());
    }

    #[test]
    fn the_longest_duration_there_is_does_not_overflow() {
        assert_eq!(of([Duration::MAX]).out_of_range().largest_us, u64::MAX);
    }

    #[test]
    fn merging_is_recording_in_one() {
        let parts =
            [Duration::from_micros(5), Duration::from_secs(9000), Duration::ZERO, Duration::from_millis(7)];
        let mut merged = of(parts[..2].iter().copied());
        merged.merge(&of(parts[2..].iter().copied()));
        assert_eq!(merged.summary(), of(parts).summary());
    }

    #[test]
    fn nothing_recorded_gives_zeroes() {
        assert_eq!(LatencyHistogram::default().summary(), LatencySummary::default());
    }
}
