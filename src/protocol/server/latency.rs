//! Latencies in a fixed amount of memory: what is cheap enough to be kept for each campaign of a server.

use std::time::Duration;

/// One bucket for each power of two of microseconds, the last (from 2^38 µs, three days) open above.
const BUCKETS: usize = 40;

/// How long something took, each time: count, sum, maximum, and a histogram by powers of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// How many there were.
    pub count: u64,
    /// All of them together.
    pub sum: Duration,
    /// The longest.
    pub max: Duration,
    /// Bucket 0: below 1 µs; bucket `n`: from 2^(n-1) to below 2^n µs.
    buckets: [u64; BUCKETS],
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies { count: 0, sum: Duration::ZERO, max: Duration::ZERO, buckets: [0; BUCKETS] }
    }
}

impl Latencies {
    /// Takes one.
    pub fn record(&mut self, latency: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(latency);
        self.max = self.max.max(latency);
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - micros.leading_zeros()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
    }

    /// Adds another worker's.
    pub fn add(&mut self, other: &Latencies) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
        for (bucket, others) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += others;
        }
    }

    /// The mean; zero if there were none.
    pub fn mean(&self) -> Duration {
        let nanos = self.sum.as_nanos().checked_div(self.count.into()).unwrap_or(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// What the share `quantile`, 0.0 to 1.0, of them did not exceed: the upper end of its bucket, so at
    /// most twice too long, and never above the maximum. Zero if there were none.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let wanted = (quantile.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let end = if bucket + 1 == BUCKETS { self.max } else { Duration::from_micros(1 << bucket) };
                return end.min(self.max);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_at_most_twice_too_long() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.quantile(0.5), latencies.mean()), (Duration::ZERO, Duration::ZERO));
        for millis in 1..=100 {
            latencies.record(Duration::from_millis(millis));
        }
        for (quantile, exact) in [(0.0, 1), (0.5, 50), (0.9, 90), (0.99, 99), (1.0, 100)] {
            let said = latencies.quantile(quantile);
            let exact = Duration::from_millis(exact);
            assert!(said >= exact && said <= exact * 2, "{quantile}: {said:?}");
        }
        assert_eq!(latencies.mean(), Duration::from_micros(50_500));
    }

    #[test]
    fn what_is_out_of_every_bound_is_kept_in_the_last_bucket() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::MAX);
        latencies.record(Duration::ZERO);
        let mut twice = latencies.clone();
        twice.add(&latencies);
        assert_eq!((twice.count, twice.max), (4, Duration::MAX));
        assert_eq!(twice.quantile(1.0), Duration::MAX);
        assert_eq!(twice.quantile(0.5), Duration::from_micros(1));
    }
}
