//! What adds up: the counters, histograms and failures of one interval, one second, or one run.

use super::handshake::HandshakeCounts;
use super::samples::Sample;
use super::{
    FailureCount, FailureKind, Lag, LatencyHistogram, LatencySummary, Leg, LegTraffic, ManagementKind,
    NoiseKind, NotificationCounts, RequestFate, RequestKind, Series, ServedCounts, Stage,
};
use crate::base::Seed;

/// Datagrams, as the generator saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams sent, retransmissions included.
    pub sent: u64,
    /// Bytes of UDP payload sent.
    pub sent_bytes: u64,
    /// Datagrams received, duplicates and noise included.
    pub received: u64,
    /// Bytes of UDP payload received.
    pub received_bytes: u64,
    /// Messages sent again.
    pub retransmitted: u64,
    /// Messages received again.
    pub duplicates: u64,
    /// Messages forgotten while they might still have been received again.
    pub forgotten: u64,
}

/// How many requests of one kind met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts([u64; RequestFate::COUNT]);

impl RequestCounts {
    /// Requests that met this fate.
    pub fn of(&self, fate: RequestFate) -> u64 {
        self.0[fate.index()]
    }
}

/// Plain counts that only grow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub started: u64,
    pub legs: [LegTraffic; Leg::COUNT],
    pub retransmitted: u64,
    pub duplicates: u64,
    pub forgotten: u64,
    pub handshakes: HandshakeCounts,
    pub requests: [RequestCounts; RequestKind::COUNT],
    pub notifications: NotificationCounts,
    pub management: [ServedCounts; ManagementKind::COUNT],
    pub noise: [u64; NoiseKind::COUNT],
}

impl Counters {
    pub(super) fn count_request(&mut self, kind: RequestKind, fate: RequestFate) {
        self.requests[kind.index()].0[fate.index()] += 1;
    }

    /// The datagrams of all legs together.
    pub(super) fn traffic(&self) -> Traffic {
        let mut all = LegTraffic::default();
        self.legs.iter().for_each(|leg| all.merge(leg));
        let LegTraffic { sent, sent_bytes, received, received_bytes } = all;
        let Counters { retransmitted, duplicates, forgotten, .. } = *self;
        Traffic { sent, sent_bytes, received, received_bytes, retransmitted, duplicates, forgotten }
    }

    fn merge(&mut self, other: &Counters) {
        self.started += other.started;
        self.legs.iter_mut().zip(&other.legs).for_each(|(mine, theirs)| mine.merge(theirs));
        self.retransmitted += other.retransmitted;
        self.duplicates += other.duplicates;
        self.forgotten += other.forgotten;
        self.handshakes.merge(&other.handshakes);
        for (mine, theirs) in self.requests.iter_mut().zip(&other.requests) {
            mine.0.iter_mut().zip(theirs.0).for_each(|(mine, theirs)| *mine += theirs);
        }
        self.notifications.merge(&other.notifications);
        self.management.iter_mut().zip(other.management).for_each(|(mine, theirs)| mine.merge(theirs));
        self.noise.iter_mut().zip(other.noise).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// One histogram for each series that has values. A histogram takes 184 KiB, so none is made for a
/// series that stays empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies([Option<Box<LatencyHistogram>>; Series::COUNT]);

impl Latencies {
    pub(super) fn get(&self, series: Series) -> Option<&LatencyHistogram> {
        self.0[series.index()].as_deref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, series: Series) -> &mut LatencyHistogram {
        self.0[series.index()].get_or_insert_with(Box::default)
    }

    pub(super) fn summary(&self, series: Series) -> LatencySummary {
        self.get(series).map(LatencyHistogram::summary).unwrap_or_default()
    }

    /// The series that have values, in the order of [`Series::all`].
    pub(super) fn iter(&self) -> impl Iterator<Item = (Series, &LatencyHistogram)> {
        Series::all().filter_map(|series| Some((series, self.get(series)?)))
    }

    fn merge(&mut self, other: &Latencies) {
        for (series, histogram) in other.iter() {
            self.get_mut(series).merge(histogram);
        }
    }

    fn absorb(&mut self, other: Latencies) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            match (&mut *mine, theirs) {
                (Some(mine), Some(theirs)) => mine.merge(&theirs),
                (None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
    }
}

/// Failures by kind: a short list, since a run meets few kinds.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures(Vec<(FailureKind, u64, Sample)>);

impl Failures {
    /// Counts a failure, of a meter if one is to blame.
    pub(super) fn count(&mut self, kind: FailureKind, meter: Option<(Seed, u32)>) {
        let (count, sample) = self.entry(kind);
        *count += 1;
        if let Some((seed, meter)) = meter {
            sample.offer(seed, kind, meter);
        }
    }

    /// Failures of all kinds.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|(_, count, _)| count).sum()
    }

    /// The kinds that occurred, the most frequent first.
    pub(super) fn by_count(&self) -> Vec<FailureCount> {
        let entries = self.0.iter().map(|&(kind, count, ref sample)| FailureCount {
            kind,
            count,
            meters: sample.meters(),
        });
        let mut list: Vec<_> = entries.collect();
        list.sort_by_key(|entry| (std::cmp::Reverse(entry.count), entry.kind));
        list
    }

    fn merge(&mut self, other: &Failures) {
        for (kind, count, sample) in &other.0 {
            let (my_count, my_sample) = self.entry(*kind);
            *my_count += count;
            my_sample.merge(sample);
        }
    }

    fn entry(&mut self, kind: FailureKind) -> (&mut u64, &mut Sample) {
        let place = self.0.iter().position(|(k, _, _)| *k == kind).unwrap_or_else(|| {
            self.0.push((kind, 0, Sample::default()));
            self.0.len() - 1
        });
        let (_, count, sample) = &mut self.0[place];
        (count, sample)
    }
}

/// Everything that adds up.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub counters: Counters,
    pub latencies: Latencies,
    pub failures: Failures,
}

impl Tally {
    /// Adds another tally.
    pub(super) fn merge(&mut self, other: &Tally) {
        self.counters.merge(&other.counters);
        self.latencies.merge(&other.latencies);
        self.failures.merge(&other.failures);
    }

    /// Adds another tally and takes over its histograms where there are none yet.
    pub(super) fn absorb(&mut self, other: Tally) {
        self.counters.merge(&other.counters);
        self.latencies.absorb(other.latencies);
        self.failures.merge(&other.failures);
    }

    /// Meters that got their first 2.01.
    pub(super) fn onboarded(&self) -> u64 {
        self.latencies.get(Series::Stage(Stage::Onboarding)).map_or(0, LatencyHistogram::count)
    }

    /// Summaries of all stages.
    pub(super) fn stages(&self) -> [LatencySummary; Stage::COUNT] {
        Stage::ALL.map(|stage| self.latencies.summary(Series::Stage(stage)))
    }

    /// Summaries of the generator's lags.
    pub(super) fn lags(&self) -> [LatencySummary; Lag::COUNT] {
        Lag::ALL.map(|lag| self.latencies.summary(Series::Lag(lag)))
    }
}
