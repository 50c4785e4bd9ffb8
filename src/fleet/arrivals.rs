//! When each meter is switched on: an open-loop schedule, fixed before the run begins.
//!
//! Nothing the servers do moves an arrival, and latency counts from the planned instant, so a slow
//! server cannot slow the load down and flatter itself. The same seed gives the same schedule whatever
//! the number of shards.

use std::time::Duration;

use crate::base::{Rate, Rng, Seed, Span};

/// How the meters arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArrivalsConfig {
    /// How fast.
    pub pace: Pace,
    /// How regular.
    pub process: Process,
}

/// How fast meters arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many in a second, for as long as it takes.
    Rate(Rate),
    /// All of them within this span; `0s` means all at once.
    Over(Span),
}

/// How regular arrivals are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// The same gap after each.
    Steady,
    /// A Poisson process: exponential gaps drawn from the seed. Within a span, exactly the whole fleet
    /// arrives, at instants independent of one another and uniform over the span.
    Poisson,
}

/// One meter and when it is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The meter's number, from 0.
    pub meter: u32,
    /// Planned instant, counted from the start of the arrivals.
    pub due: Duration,
}

/// The planned arrivals of a whole fleet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    config: ArrivalsConfig,
    meters: u32,
    seed: Seed,
}

impl Schedule {
    /// The arrivals of `meters` meters; Poisson gaps come from the child `arrivals` of `seed`.
    pub fn new(config: &ArrivalsConfig, meters: u32, seed: Seed) -> Self {
        Schedule { config: *config, meters, seed: seed.child("arrivals", 0) }
    }

    /// All arrivals, in order.
    pub fn iter(&self) -> Arrivals {
        self.for_shard(0, 1)
    }

    /// The arrivals of one of `shards` shards, in order: meter `i` belongs to shard `i % shards`.
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn for_shard(&self, shard: u32, shards: u32) -> Arrivals {
        assert!(shard < shards, "shard {shard} of {shards}");
        Arrivals {
            gaps: Gaps::new(self),
            next: shard,
            step: shards,
            meters: self.meters,
            left: share(self.meters, shard, shards),
        }
    }

    /// A counter of how many arrivals are due, for a display.
    pub fn counter(&self) -> DueCounter {
        let mut arrivals = self.iter();
        DueCounter { coming: arrivals.next(), arrivals, due: 0 }
    }

    /// Mean arrivals a second; `None` if all arrive at once.
    pub fn mean_rate(&self) -> Option<f64> {
        match self.config.pace {
            Pace::Rate(rate) => Some(rate.per_second()),
            Pace::Over(Span(span)) if span.is_zero() => None,
            Pace::Over(Span(span)) => Some(f64::from(self.meters) / span.as_secs_f64()),
        }
    }

    /// How long the arrivals take: exact for a span, the mean for a Poisson process of a given rate.
    pub fn nominal_span(&self) -> Duration {
        match self.config.pace {
            Pace::Rate(rate) => steady_at_rate(rate, self.meters),
            Pace::Over(Span(span)) => span,
        }
    }
}

/// How many meters of a fleet belong to a shard: those with `i % shards == shard`.
///
/// # Panics
/// If `shards` is zero.
pub fn share(meters: u32, shard: u32, shards: u32) -> u32 {
    meters / shards + u32::from(shard < meters % shards)
}

/// Arrivals in order; see [`Schedule::for_shard`].
#[derive(Clone, Debug)]
pub struct Arrivals {
    gaps: Gaps,
    next: u32,
    step: u32,
    meters: u32,
    left: u32,
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if self.left == 0 {
            return None;
        }
        let meter = self.next;
        self.left -= 1;
        self.next = self.next.saturating_add(self.step);
        Some(Arrival { meter, due: self.gaps.due(meter, self.meters) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Arrivals {}

/// Counts the arrivals due so far; time must not go backwards between two questions.
#[derive(Clone, Debug)]
pub struct DueCounter {
    arrivals: Arrivals,
    coming: Option<Arrival>,
    due: u32,
}

impl DueCounter {
    /// How many arrivals are planned at or before `now`, counted from the start of the arrivals.
    pub fn due_by(&mut self, now: Duration) -> u32 {
        while self.coming.is_some_and(|arrival| arrival.due <= now) {
            self.due += 1;
            self.coming = self.arrivals.next();
        }
        self.due
    }
}

/// Where each due instant comes from.
#[derive(Clone, Debug)]
enum Gaps {
    SteadyRate(Rate),
    SteadyOver(Duration),
    /// Exponential gaps, summed in units of the mean gap.
    PoissonRate {
        rate: Rate,
        rng: Rng,
        drawn: u32,
        sum: f64,
    },
    /// Order statistics of uniform instants, drawn in order: after `k` of `n`, the smallest of the
    /// remaining `n - k` leaves the share `u^(1/(n-k))` of what was left. `left` is that share's logarithm.
    PoissonOver {
        span: Duration,
        rng: Rng,
        drawn: u32,
        left: f64,
    },
}

impl Gaps {
    fn new(schedule: &Schedule) -> Self {
        let rng = schedule.seed.rng();
        match (schedule.config.process, schedule.config.pace) {
            (Process::Steady, Pace::Rate(rate)) => Gaps::SteadyRate(rate),
            (Process::Steady, Pace::Over(Span(span))) => Gaps::SteadyOver(span),
            (Process::Poisson, Pace::Rate(rate)) => Gaps::PoissonRate { rate, rng, drawn: 0, sum: 0.0 },
            (Process::Poisson, Pace::Over(Span(span))) => {
                Gaps::PoissonOver { span, rng, drawn: 0, left: 0.0 }
            }
        }
    }

    /// When `meter` of `meters` is due; asked in rising order of meters.
    fn due(&mut self, meter: u32, meters: u32) -> Duration {
        match self {
            Gaps::SteadyRate(rate) => steady_at_rate(*rate, meter),
            Gaps::SteadyOver(span) => nanos(span.as_nanos() * u128::from(meter) / u128::from(meters)),
            Gaps::PoissonRate { rate, rng, drawn, sum } => {
                while *drawn <= meter {
                    *sum += exponential(rng);
                    *drawn += 1;
                }
                seconds(*sum / rate.per_second())
            }
            Gaps::PoissonOver { span, rng, drawn, left } => {
                while *drawn <= meter {
                    *left -= exponential(rng) / f64::from(meters - *drawn);
                    *drawn += 1;
                }
                seconds(-left.exp_m1() * span.as_secs_f64()).min(*span)
            }
        }
    }
}

/// A draw of the exponential distribution with mean 1. `ln` comes from the platform's mathematics
/// library, so another platform may differ in the last bit, which is far below a nanosecond.
fn exponential(rng: &mut Rng) -> f64 {
    // 1 - unit() lies in (0, 1]: the logarithm is finite.
    -(1.0 - rng.unit()).ln()
}

/// `index / rate`, rounded down to the nanosecond, without drift: the rate is taken apart into
/// `mantissa * 2^exponent` and the division is one of integers.
fn steady_at_rate(rate: Rate, index: u32) -> Duration {
    let bits = rate.per_second().to_bits();
    let (biased, fraction) = ((bits >> 52) as i32, u128::from(bits & ((1 << 52) - 1)));
    // IEEE 754: subnormal numbers have no hidden bit and the exponent of the smallest normal one.
    let (mantissa, exponent) =
        if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    let dividend = u128::from(index) * 1_000_000_000;
    let quotient = if exponent < 0 {
        // A dividend beyond 2^128 over a divisor below 2^53 is beyond what a u64 of nanoseconds holds.
        shift(dividend, exponent.unsigned_abs()).map_or(u128::MAX, |dividend| dividend / mantissa)
    } else {
        // A divisor beyond 2^128 is greater than any dividend here.
        shift(mantissa, exponent.unsigned_abs()).map_or(0, |divisor| dividend / divisor)
    };
    nanos(quotient)
}

/// `value * 2^by`, unless that is beyond 128 bits.
fn shift(value: u128, by: u32) -> Option<u128> {
    match value {
        0 => Some(0),
        _ if by <= value.leading_zeros() => Some(value << by),
        _ => None,
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Rounded down to the nanosecond, and never more than what [`crate::base::Instant`] can count.
fn seconds(seconds: f64) -> Duration {
    // A cast from float saturates and is zero for NaN.
    Duration::from_nanos((seconds * 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(text: &str) -> Pace {
        Pace::Rate(text.parse().expect(text))
    }

    fn over(text: &str) -> Pace {
        Pace::Over(text.parse().expect(text))
    }

    fn schedule(pace: Pace, process: Process, meters: u32) -> Schedule {
        Schedule::new(&ArrivalsConfig { pace, process }, meters, Seed(7))
    }

    fn due(schedule: &Schedule, meter: usize) -> Duration {
        schedule.iter().nth(meter).expect("the meter is in the fleet").due
    }

    #[test]
    fn steady_arrivals_do_not_drift() {
        let thirds = schedule(rate("3/s"), Process::Steady, 16_000_000);
        assert_eq!(due(&thirds, 1), Duration::from_nanos(333_333_333));
        assert_eq!(due(&thirds, 3_000_000), Duration::from_secs(1_000_000));
        assert_eq!(due(&schedule(rate("2.5/s"), Process::Steady, 10), 5), Duration::from_secs(2));
        let spread = schedule(over("20s"), Process::Steady, 16_000_000);
        assert_eq!(due(&spread, 0), Duration::ZERO);
        assert_eq!(due(&spread, 8_000_000), Duration::from_secs(10));
    }

    #[test]
    fn extreme_rates_saturate() {
        let slow = format!("0.{}1/s", "0".repeat(300));
        assert_eq!(due(&schedule(rate(&slow), Process::Steady, 2), 1), Duration::from_nanos(u64::MAX));
        assert_eq!(due(&schedule(rate(&slow), Process::Poisson, 2), 1), Duration::from_nanos(u64::MAX));
        let fast = format!("1{}/s", "0".repeat(300));
        assert_eq!(due(&schedule(rate(&fast), Process::Steady, 16_000_000), 15_999_999), Duration::ZERO);
    }

    #[test]
    fn all_at_once_is_all_at_once() {
        for process in [Process::Steady, Process::Poisson] {
            let herd = schedule(over("0s"), process, 50);
            assert!(herd.iter().all(|arrival| arrival.due.is_zero()));
            assert_eq!(herd.mean_rate(), None);
        }
    }

    #[test]
    fn poisson_gaps_have_the_right_mean_and_spread() {
        let arrivals: Vec<_> = schedule(rate("100/s"), Process::Poisson, 20_000).iter().collect();
        let last = arrivals.last().expect("not empty").due.as_secs_f64();
        assert!((last - 200.0).abs() < 5.0, "20,000 at 100/s took {last} s");
        // An exponential distribution's deviation equals its mean; a steady one's would be zero.
        let gaps: Vec<_> =
            arrivals.windows(2).map(|pair| (pair[1].due - pair[0].due).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((deviation / mean - 1.0).abs() < 0.05, "{deviation} / {mean}");
    }

    #[test]
    fn poisson_over_a_span_is_uniform_over_it() {
        let arrivals: Vec<_> = schedule(over("40s"), Process::Poisson, 20_000).iter().collect();
        for quarter in 1..4 {
            let until = Duration::from_secs(10 * quarter);
            let count = arrivals.iter().filter(|arrival| arrival.due < until).count();
            assert!(count.abs_diff(5_000 * quarter as usize) < 300, "{count} before {until:?}");
        }
    }

    #[test]
    fn the_counter_counts_what_is_due() {
        let mut counter = schedule(rate("10/s"), Process::Steady, 25).counter();
        assert_eq!(counter.due_by(Duration::ZERO), 1);
        assert_eq!(counter.due_by(Duration::from_millis(99)), 1);
        assert_eq!(counter.due_by(Duration::from_secs(1)), 11);
        assert_eq!(counter.due_by(Duration::from_secs(100)), 25);
    }

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        let pace = prop_oneof![
            (1..5_000_u32).prop_map(|tenths| rate(&format!("{}/s", f64::from(tenths) / 10.0))),
            (0..60_000_u64).prop_map(|millis| Pace::Over(Span(Duration::from_millis(millis)))),
        ];
        let process = prop_oneof![Just(Process::Steady), Just(Process::Poisson)];
        (pace, process, 0..500_u32, any::<u64>()).prop_map(|(pace, process, meters, seed)| {
            Schedule::new(&ArrivalsConfig { pace, process }, meters, Seed(seed))
        })
    }

    proptest! {
        #[test]
        fn every_meter_arrives_once_in_order_and_in_time(schedule in any_schedule()) {
            let arrivals: Vec<_> = schedule.iter().collect();
            prop_assert_eq!(arrivals.iter().map(|a| a.meter).collect::<Vec<_>>(), (0..schedule.meters).collect::<Vec<_>>());
            prop_assert!(arrivals.windows(2).all(|pair| pair[0].due <= pair[1].due));
            if let Pace::Over(Span(span)) = schedule.config.pace {
                prop_assert!(arrivals.iter().all(|arrival| arrival.due <= span));
            }
        }

        #[test]
        fn the_shards_together_are_the_whole(schedule in any_schedule(), shards in 1..9_u32) {
            let mut union = Vec::new();
            for shard in 0..shards {
                let own = schedule.for_shard(shard, shards);
                prop_assert_eq!(own.len(), share(schedule.meters, shard, shards) as usize);
                union.extend(own.inspect(|arrival| assert_eq!(arrival.meter % shards, shard)));
            }
            union.sort_by_key(|arrival| arrival.meter);
            prop_assert_eq!(union, schedule.iter().collect::<Vec<_>>());
        }
    }
}
