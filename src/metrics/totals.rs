//! The whole run: intervals of all shards in, snapshots and finished seconds out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::interval::Gauges;
use super::tally::Tally;
use super::{
    Doubt, Interval, Lag, LatencyHistogram, MeterState, Phase, Rates, Row, Second, Series, Snapshot, Stage,
};
use crate::base::Instant;

const SECOND: u64 = 1_000_000_000;

/// Rates are taken over this long.
const RATE_WINDOW: Duration = Duration::from_secs(3);

/// Merges the intervals of all shards. Lives on the collector's thread.
///
/// A second is finished when every shard has handed over an interval that was taken at its end or
/// later, or is [retired](Totals::retire). Its row is kept for the report (about 400 bytes a second);
/// its histograms wait only until they are [taken](Totals::take_finished) for the interval log.
#[derive(Debug)]
pub struct Totals {
    meters: u64,
    phase: Phase,
    kernel_drops: u64,
    tally: Tally,
    shards: Vec<Shard>,
    registered_peak: i64,
    registered_end: Option<i64>,
    recent: VecDeque<Point>,
    latest: Instant,
    /// Seconds that are not finished, by number.
    open: BTreeMap<u64, OpenSecond>,
    /// The number of the first second that is not finished.
    next: u64,
    finished: Vec<Second>,
    rows: Vec<Row>,
}

/// What is known of one shard.
#[derive(Clone, Copy, Debug, Default)]
struct Shard {
    /// By its latest interval.
    gauges: Gauges,
    passed: Instant,
    /// By its latest interval in a finished second.
    gauges_in_rows: Gauges,
}

#[derive(Debug, Default)]
struct OpenSecond {
    tally: Tally,
    /// By shard, at the end of its latest interval in this second.
    gauges: BTreeMap<u16, Gauges>,
}

/// Counts since the beginning at an instant, for rates.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    at: Instant,
    started: u64,
    onboarded: u64,
    sent: u64,
    received: u64,
    failures: u64,
}

impl Totals {
    /// The totals of a run of `meters` meters on `shards` shards.
    pub fn new(shards: u16, meters: u64) -> Self {
        Totals {
            meters,
            phase: Phase::Starting,
            kernel_drops: 0,
            tally: Tally::default(),
            shards: vec![Shard::default(); usize::from(shards)],
            registered_peak: 0,
            registered_end: None,
            recent: VecDeque::from([Point::default()]),
            latest: Instant::ZERO,
            open: BTreeMap::new(),
            next: 0,
            finished: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Adds what a shard recorded. The intervals of one shard come in their order.
    pub fn absorb(&mut self, interval: Interval) {
        let Interval { shard, to, gauges, tally } = interval;
        self.tally.merge(&tally);
        self.latest = self.latest.max(to);
        let known = self.shard_mut(shard);
        known.gauges = gauges;
        known.passed = known.passed.max(to);
        let peak = self.shards.iter().map(|shard| shard.gauges.registered_peak).sum();
        self.registered_peak = self.registered_peak.max(peak);

        // The instant that ends a second belongs to it. What comes too late for its second, which no
        // shard in its right mind does, counts in the first one still open rather than nowhere.
        let number = (to.as_nanos().saturating_sub(1) / SECOND).max(self.next);
        let open = self.open.entry(number).or_default();
        open.tally.absorb(tally);
        open.gauges.insert(shard, gauges);

        self.note_point();
        self.finish_passed();
    }

    /// Up to when every shard has been heard: what happened later is not in the figures yet, and before
    /// the first interval of a shard nothing of it is.
    pub fn heard_up_to(&self) -> Instant {
        self.shards.iter().map(|shard| shard.passed).min().unwrap_or(Instant::FAR)
    }

    /// Says that a shard has handed over its last interval.
    pub fn retire(&mut self, shard: u16) {
        let known = self.shard_mut(shard);
        known.passed = Instant::FAR;
        known.gauges.registered_peak = known.gauges.states[MeterState::Registered];
        self.finish_passed();
    }

    /// Says how far the run has come. When it begins to drain, the registered meters are counted for
    /// the report: let every shard hand over an interval first.
    pub fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
        if phase == Phase::Draining && self.registered_end.is_none() {
            self.registered_end = Some(self.gauges().states[MeterState::Registered]);
        }
        if phase == Phase::Finished {
            self.shards.iter_mut().for_each(|shard| shard.passed = Instant::FAR);
            self.finish_passed();
        }
    }

    /// Says how many datagrams the kernel has dropped since the beginning of the run.
    pub fn set_kernel_drops(&mut self, datagrams: u64) {
        self.kernel_drops = datagrams;
    }

    /// The run as figures, as far as its intervals were absorbed.
    pub fn snapshot(&self) -> Snapshot {
        let gauges = self.gauges();
        let stages = self.tally.stages();
        let lags = self.tally.lags();
        let [start, receipt] = [Lag::Start, Lag::Receipt].map(|lag| lags[lag.index()]);
        Snapshot {
            phase: self.phase,
            elapsed: self.latest.since_origin(),
            meters: self.meters,
            due: gauges.due,
            started: self.tally.counters.started,
            states: gauges.states,
            registered_peak: count(self.registered_peak),
            registered_end: count(self.registered_end.unwrap_or(gauges.states[MeterState::Registered])),
            rates: self.rates(),
            stages,
            lags,
            failures: self.tally.failures.by_count(),
            requests: self.tally.counters.requests,
            notifications: self.tally.counters.notifications,
            management: self.tally.counters.management,
            noise: self.tally.counters.noise,
            traffic: self.tally.counters.traffic(),
            legs: self.tally.counters.legs,
            handshakes: self.tally.counters.handshakes,
            kernel_drops: self.kernel_drops,
            doubts: Doubt::all(start, receipt, stages[Stage::Onboarding.index()], self.kernel_drops),
        }
    }

    /// All latencies of one series since the beginning, if there are any.
    pub fn histogram(&self, series: Series) -> Option<&LatencyHistogram> {
        self.tally.latencies.get(series)
    }

    /// The rows of all finished seconds.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The seconds finished since this was last asked, in order and without gaps.
    pub fn take_finished(&mut self) -> Vec<Second> {
        std::mem::take(&mut self.finished)
    }

    fn shard_mut(&mut self, shard: u16) -> &mut Shard {
        let index = usize::from(shard);
        if index >= self.shards.len() {
            self.shards.resize(index + 1, Shard::default());
        }
        &mut self.shards[index]
    }

    fn gauges(&self) -> Gauges {
        sum(self.shards.iter().map(|shard| shard.gauges))
    }

    fn note_point(&mut self) {
        let Tally { counters, failures, .. } = &self.tally;
        let traffic = counters.traffic();
        let point = Point {
            at: self.latest,
            started: counters.started,
            onboarded: self.tally.onboarded(),
            sent: traffic.sent,
            received: traffic.received,
            failures: failures.total(),
        };
        match self.recent.back_mut() {
            Some(last) if last.at == point.at => *last = point,
            _ => self.recent.push_back(point),
        }
        // The oldest point kept is the last one at or before the beginning of the window.
        let begin = self.latest - RATE_WINDOW;
        while self.recent.get(1).is_some_and(|second| second.at <= begin) {
            self.recent.pop_front();
        }
    }

    fn rates(&self) -> Rates {
        let (Some(first), Some(last)) = (self.recent.front(), self.recent.back()) else {
            return Rates::default();
        };
        let span = (last.at - first.at).as_secs_f64();
        let rate = |count: fn(&Point) -> u64| {
            if span > 0.0 { (count(last) - count(first)) as f64 / span } else { 0.0 }
        };
        Rates {
            started: rate(|point| point.started),
            onboarded: rate(|point| point.onboarded),
            sent: rate(|point| point.sent),
            received: rate(|point| point.received),
            failures: rate(|point| point.failures),
        }
    }

    /// Finishes the seconds that every shard has passed.
    fn finish_passed(&mut self) {
        let passed = self.shards.iter().map(|shard| shard.passed).min().unwrap_or(Instant::ZERO);
        let all_retired = passed == Instant::FAR;
        let end =
            if all_retired { self.latest.as_nanos().div_ceil(SECOND) } else { passed.as_nanos() / SECOND };
        while self.next < end {
            self.finish_next();
        }
    }

    fn finish_next(&mut self) {
        let number = self.next;
        let open = self.open.remove(&number).unwrap_or_default();
        for (shard, gauges) in open.gauges {
            self.shard_mut(shard).gauges_in_rows = gauges;
        }
        let before = self.rows.last().map_or(0, |row| row.started);
        let second = Second::new(
            Duration::from_secs(number),
            Duration::from_secs(number + 1).min(self.latest.since_origin()),
            sum(self.shards.iter().map(|shard| shard.gauges_in_rows)),
            before + open.tally.counters.started,
            open.tally,
        );
        self.rows.push(second.row);
        self.finished.push(second);
        self.next = number + 1;
    }
}

fn sum(gauges: impl Iterator<Item = Gauges>) -> Gauges {
    gauges.fold(Gauges::default(), |mut sum, gauges| {
        sum.states += gauges.states;
        sum.due += gauges.due;
        sum.registered_peak += gauges.registered_peak;
        sum
    })
}

/// A gauge as a count. A negative one is a fault that the balance of states reports.
fn count(gauge: i64) -> u64 {
    u64::try_from(gauge).unwrap_or(0)
}

#[cfg(test)]
#[path = "totals_tests.rs"]
mod tests;
