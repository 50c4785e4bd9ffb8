//! One shard's recorder: plain counters and histograms, no locks, a few nanoseconds an event.

use super::interval::Gauges;
use super::tally::Tally;
use super::{Event, FailureKind, Interval, Lag, MeterState, Series, States};
use crate::base::{Instant, Seed};

/// Records the events of one shard until they are [taken](Recorder::take).
#[derive(Debug)]
pub struct Recorder {
    shard: u16,
    seed: Seed,
    gauges: Gauges,
    tally: Tally,
}

impl Recorder {
    /// The recorder of the shard `shard` (counted from zero), all of whose `meters` are
    /// [`MeterState::Planned`]. The seed draws which failing meters are kept as samples: all shards
    /// of a run get the same.
    pub fn new(shard: u16, meters: u32, seed: Seed) -> Self {
        let gauges = Gauges { states: States::all_planned(meters), ..Gauges::default() };
        Recorder { shard, seed: seed.child("failure-samples", 0), gauges, tally: Tally::default() }
    }

    /// Records an event of the meter `meter` (its index in the fleet). Of the event's kinds only a
    /// failure is told by whom it was: the meter may be kept as a sample.
    #[inline]
    pub fn record_of(&mut self, meter: u32, event: Event) {
        if let Event::Failure(kind) = event {
            self.count_failure(kind, Some(meter));
        } else {
            self.record(event);
        }
    }

    /// Records an event.
    #[inline]
    pub fn record(&mut self, event: Event) {
        let Tally { counters, latencies, .. } = &mut self.tally;
        match event {
            Event::State { from, to } => {
                let states = &mut self.gauges.states;
                states.transition(from, to);
                self.gauges.registered_peak = self.gauges.registered_peak.max(states[MeterState::Registered]);
            }
            Event::Stage { stage, latency } => latencies.get_mut(Series::Stage(stage)).record(latency),
            Event::Request { kind, fate } => counters.count_request(kind, fate),
            Event::Notification(fate) => counters.notifications.count(fate),
            Event::Served { kind, success } => counters.management[kind.index()].count(success),
            Event::Failure(kind) => self.count_failure(kind, None),
            Event::Noise(kind) => counters.noise[kind.index()] += 1,
            Event::Sent { leg, bytes } => {
                let leg = &mut counters.legs[leg.index()];
                leg.sent += 1;
                leg.sent_bytes += u64::from(bytes);
            }
            Event::Received { leg, bytes } => {
                let leg = &mut counters.legs[leg.index()];
                leg.received += 1;
                leg.received_bytes += u64::from(bytes);
            }
            Event::HandshakeBegun => counters.handshakes.begun += 1,
            Event::HandshakeFailed => counters.handshakes.failed += 1,
            Event::HandshakeAbandoned => counters.handshakes.abandoned += 1,
            Event::Handshake { flights, retransmissions, bytes } => {
                let handshakes = &mut counters.handshakes;
                handshakes.completed += 1;
                handshakes.flights += u64::from(flights);
                handshakes.retransmissions += u64::from(retransmissions);
                handshakes.bytes += u64::from(bytes);
            }
            Event::FlightRetransmitted => counters.handshakes.flights_again += 1,
            Event::Retransmitted => counters.retransmitted += 1,
            Event::Duplicate => counters.duplicates += 1,
            Event::DuplicateForgotten => counters.forgotten += 1,
            Event::Started { late } => {
                counters.started += 1;
                latencies.get_mut(Series::Lag(Lag::Start)).record(late);
            }
            Event::Handled { late } => latencies.get_mut(Series::Lag(Lag::Receipt)).record(late),
        }
    }

    /// Says how many of the shard's arrivals have had their planned instant, whether or not the
    /// generator managed to start them. To be said before each [`Recorder::take`].
    pub fn set_due(&mut self, due: u64) {
        self.gauges.due = due;
    }

    /// The shard's meters by state.
    pub fn states(&self) -> States {
        self.gauges.states
    }

    /// Everything since the last take. Called about four times a second, on multiples of a quarter
    /// of a second, so that no interval spans two rows of the time series.
    ///
    /// The histograms move out; the next event of each series makes a new one.
    pub fn take(&mut self, now: Instant) -> Interval {
        let interval = Interval {
            shard: self.shard,
            to: now,
            gauges: self.gauges,
            tally: std::mem::take(&mut self.tally),
        };
        self.gauges.registered_peak = self.gauges.states[MeterState::Registered];
        interval
    }

    #[cold]
    fn count_failure(&mut self, kind: FailureKind, meter: Option<u32>) {
        self.tally.failures.count(kind, meter.map(|meter| (self.seed, meter)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Leg, ManagementKind, NoiseKind, NotificationFate, RequestFate, RequestKind, Stage};
    use std::time::Duration;

    fn recorder() -> Recorder {
        Recorder::new(0, 10, Seed(1))
    }

    fn transition(from: MeterState, to: MeterState) -> Event {
        Event::State { from, to }
    }

    #[test]
    fn every_event_lands_in_its_place() {
        let mut recorder = recorder();
        let late = Duration::from_micros(40);
        for event in [
            transition(MeterState::Planned, MeterState::Bootstrapping),
            Event::Stage { stage: Stage::Update, latency: Duration::from_millis(3) },
            Event::Request { kind: RequestKind::Register, fate: RequestFate::TimedOut },
            Event::Notification(NotificationFate::Superseded),
            Event::Served { kind: ManagementKind::Execute, success: false },
            Event::Noise(NoiseKind::Ping),
            Event::Sent { leg: Leg::Bootstrap, bytes: 70 },
            Event::Received { leg: Leg::Register, bytes: 30 },
            Event::Retransmitted,
            Event::Duplicate,
            Event::Started { late },
            Event::Handled { late },
            Event::Failure(FailureKind::SendError),
        ] {
            recorder.record(event);
        }
        let Interval { gauges, tally, .. } = recorder.take(Instant::from_millis(250));
        assert_eq!(gauges.states[MeterState::Bootstrapping], 1);
        assert_eq!(gauges.states.total(), 10);
        assert_eq!(tally.latencies.summary(Series::Stage(Stage::Update)).count, 1);
        assert_eq!(tally.counters.requests[RequestKind::Register.index()].of(RequestFate::TimedOut), 1);
        assert_eq!(tally.counters.notifications.of(NotificationFate::Superseded), 1);
        let executed = tally.counters.management[ManagementKind::Execute.index()];
        assert_eq!((executed.ok, executed.error), (0, 1));
        assert_eq!(tally.counters.noise[NoiseKind::Ping.index()], 1);
        let legs = tally.counters.legs;
        assert_eq!(
            (legs[Leg::Bootstrap.index()].sent_bytes, legs[Leg::Register.index()].received_bytes),
            (70, 30)
        );
        let traffic = tally.counters.traffic();
        assert_eq!(
            (traffic.sent, traffic.sent_bytes, traffic.received, traffic.received_bytes),
            (1, 70, 1, 30)
        );
        assert_eq!((traffic.retransmitted, traffic.duplicates, tally.counters.started), (1, 1, 1));
        assert_eq!(tally.lags().map(|lag| lag.p50_us), [40, 40]);
        assert_eq!(tally.failures.total(), 1);
    }

    #[test]
    fn taking_empties_the_counts_and_keeps_the_gauges() {
        let mut recorder = recorder();
        recorder.record(transition(MeterState::Planned, MeterState::Registered));
        recorder.record(Event::Retransmitted);
        recorder.set_due(4);
        recorder.take(Instant::from_millis(250));
        let second = recorder.take(Instant::from_millis(500));
        assert_eq!(second.tally.counters.retransmitted, 0);
        assert_eq!((second.states()[MeterState::Registered], second.gauges.due), (1, 4));
    }

    #[test]
    fn a_peak_inside_an_interval_is_seen_and_then_forgotten() {
        let mut recorder = recorder();
        recorder.record(transition(MeterState::Planned, MeterState::Registered));
        recorder.record(transition(MeterState::Registered, MeterState::Deregistering));
        assert_eq!(recorder.take(Instant::from_millis(250)).gauges.registered_peak, 1);
        assert_eq!(recorder.take(Instant::from_millis(500)).gauges.registered_peak, 0);
    }

    #[test]
    fn a_failure_names_its_meter() {
        let mut recorder = recorder();
        recorder.record_of(7, Event::Failure(FailureKind::UpdateTimeout));
        recorder.record_of(7, Event::Duplicate);
        let failures = recorder.take(Instant::ZERO).tally.failures.by_count();
        assert_eq!(failures.len(), 1);
        assert_eq!((failures[0].count, failures[0].meters.as_slice()), (1, &[7][..]));
    }
}
