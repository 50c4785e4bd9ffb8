use super::*;
use crate::base::Seed;
use crate::metrics::{Event, FailureKind, Leg, Recorder, States};

const REGISTER: Event = Event::State { from: MeterState::Planned, to: MeterState::Registered };
const LEAVE: Event = Event::State { from: MeterState::Registered, to: MeterState::Deregistered };

fn onboarding(millis: u64) -> Event {
    Event::Stage { stage: Stage::Onboarding, latency: Duration::from_millis(millis) }
}

fn shards(meters: u32) -> [Recorder; 2] {
    [0, 1].map(|shard| Recorder::new(shard, meters, Seed(1)))
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

#[test]
fn a_second_is_finished_once_every_shard_has_passed_it() {
    let [mut a, mut b] = shards(10);
    let mut totals = Totals::new(2, 20);
    a.record(onboarding(5));
    totals.absorb(a.take(at(1000)));
    a.record(onboarding(6));
    totals.absorb(a.take(at(1250)));
    assert!(totals.take_finished().is_empty(), "the other shard is still in the first second");
    assert_eq!(totals.heard_up_to(), Instant::ZERO, "the other shard was not heard at all");

    b.record(onboarding(7));
    b.record(REGISTER);
    totals.absorb(b.take(at(1000)));
    assert_eq!(totals.heard_up_to(), at(1000));
    let finished = totals.take_finished();
    assert_eq!(finished.len(), 1);
    let row = finished[0].row;
    assert_eq!(row.elapsed, Duration::from_secs(1));
    assert_eq!(
        row.stages[Stage::Onboarding.index()].count,
        2,
        "what came at 1.25 s is not in the first second"
    );
    assert_eq!((row.states[MeterState::Registered], row.states.total()), (1, 20));
    assert_eq!(totals.rows(), [row]);
}

#[test]
fn the_end_of_the_run_finishes_what_is_open() {
    let [mut a, mut b] = shards(10);
    let mut totals = Totals::new(2, 20);
    totals.absorb(b.take(at(250)));
    a.record(onboarding(5));
    totals.absorb(a.take(at(2400)));
    totals.set_phase(Phase::Finished);
    let ends: Vec<_> = totals.rows().iter().map(|row| row.elapsed.as_millis()).collect();
    assert_eq!(ends, [1000, 2000, 2400], "no gap, and the last row ends with the run");
    assert_eq!(totals.rows()[2].stages[Stage::Onboarding.index()].count, 1);
    assert_eq!(totals.rows()[2].states.total(), 20, "a silent shard keeps its meters");
}

#[test]
fn a_retired_shard_does_not_hold_up_the_others() {
    let [mut a, mut b] = shards(10);
    let mut totals = Totals::new(2, 20);
    totals.absorb(b.take(at(500)));
    totals.retire(1);
    totals.absorb(a.take(at(5000)));
    assert_eq!(totals.rows().len(), 5);
}

#[test]
fn rows_add_up_to_the_totals() {
    let mut recorders = shards(1000);
    let mut totals = Totals::new(2, 2000);
    for quarter in 1..=15_u64 {
        for (index, recorder) in recorders.iter_mut().enumerate() {
            for n in 0..quarter {
                recorder.record(onboarding(n));
                recorder.record(Event::Sent { leg: Leg::Other, bytes: 10 });
                recorder.record(Event::Started { late: Duration::ZERO });
                recorder.record_of(n as u32, Event::Failure(FailureKind::UpdateTimeout));
            }
            recorder.set_due(quarter * (index as u64 + 1));
            totals.absorb(recorder.take(at(quarter * 250)));
        }
    }
    totals.set_phase(Phase::Finished);
    let snapshot = totals.snapshot();
    let rows = totals.rows();
    let sum = |figure: fn(&Row) -> u64| rows.iter().map(figure).sum::<u64>();
    assert_eq!(snapshot.traffic.sent, 240);
    assert_eq!(sum(|row| row.traffic.sent), 240);
    assert_eq!(sum(|row| row.failures), 240);
    assert_eq!(sum(|row| row.stages[Stage::Onboarding.index()].count), 240);
    assert_eq!((snapshot.started, rows[3].started), (240, 240));
    assert_eq!((snapshot.due, rows[3].due, rows[0].due), (45, 45, 12));
    let mut merged = LatencyHistogram::default();
    for second in totals.take_finished() {
        second
            .histograms()
            .filter(|(series, _)| *series == Series::Stage(Stage::Onboarding))
            .for_each(|(_, histogram)| merged.merge(histogram));
    }
    assert_eq!(merged.summary(), snapshot.stage(Stage::Onboarding));
}

#[test]
fn the_peak_is_of_the_fleet_and_the_end_is_before_the_drain() {
    let mut recorders = shards(3);
    let mut totals = Totals::new(2, 6);
    let mut everybody = |totals: &mut Totals, events: &[Event], millis| {
        for recorder in &mut recorders {
            events.iter().for_each(|&event| recorder.record(event));
            totals.absorb(recorder.take(at(millis)));
        }
    };
    everybody(&mut totals, &[REGISTER; 3], 250);
    assert_eq!(totals.snapshot().registered_end, 6);
    everybody(&mut totals, &[LEAVE], 500);
    totals.set_phase(Phase::Draining);
    everybody(&mut totals, &[LEAVE; 2], 750);
    totals.set_phase(Phase::Finished);
    let snapshot = totals.snapshot();
    assert_eq!((snapshot.registered_peak, snapshot.registered_end), (6, 4));
    assert_eq!((snapshot.states[MeterState::Registered], snapshot.states[MeterState::Deregistered]), (0, 6));
}

#[test]
fn rates_are_of_the_last_three_seconds() {
    let mut recorder = Recorder::new(0, 10, Seed(1));
    let mut totals = Totals::new(1, 10);
    assert_eq!(totals.snapshot().rates, Rates::default());
    for second in 1..=10_u64 {
        let datagrams = if second <= 7 { 1000 } else { 10 };
        (0..datagrams).for_each(|_| recorder.record(Event::Sent { leg: Leg::Other, bytes: 1 }));
        totals.absorb(recorder.take(Instant::from_secs(second)));
    }
    assert_eq!(totals.snapshot().rates.sent, 10.0);
}

#[test]
fn failures_are_listed_by_frequency_with_meters_of_all_shards() {
    let mut recorders = shards(10);
    let mut totals = Totals::new(2, 20);
    recorders[0].record_of(3, Event::Failure(FailureKind::UpdateReset));
    for (recorder, meter) in recorders.iter_mut().zip([4, 14]) {
        recorder.record_of(meter, Event::Failure(FailureKind::RegistrationRefused(0xa3)));
        totals.absorb(recorder.take(at(250)));
    }
    let failures = totals.snapshot().failures;
    let kinds: Vec<_> = failures.iter().map(|failure| (failure.kind.name(), failure.count)).collect();
    assert_eq!(kinds, [("registration-refused-5.03".to_owned(), 2), ("update-reset".to_owned(), 1)]);
    assert_eq!(failures[0].meters, [4, 14]);
}

#[test]
fn a_late_generator_is_doubted_while_it_runs() {
    let mut recorder = Recorder::new(0, 10, Seed(1));
    let mut totals = Totals::new(1, 10);
    recorder.record(Event::Started { late: Duration::from_millis(30) });
    totals.absorb(recorder.take(at(250)));
    assert_eq!(totals.snapshot().doubts.len(), 1);
    // With onboarding at a second, 30 ms do not matter any more.
    recorder.record(onboarding(1000));
    totals.absorb(recorder.take(at(500)));
    assert!(totals.snapshot().doubts.is_empty());
    totals.set_kernel_drops(2);
    assert_eq!(totals.snapshot().doubts, [Doubt::KernelDrops { datagrams: 2 }]);
}

#[test]
fn an_interval_that_comes_too_late_still_counts() {
    let mut totals = Totals::new(1, 10);
    let mut recorder = Recorder::new(0, 10, Seed(1));
    totals.absorb(recorder.take(at(3000)));
    recorder.record(Event::Retransmitted);
    totals.absorb(recorder.take(at(1000)));
    totals.absorb(recorder.take(at(4000)));
    assert_eq!(totals.rows().iter().map(|row| row.traffic.retransmitted).sum::<u64>(), 1);
}

#[test]
fn a_shard_that_was_not_announced_is_counted() {
    let mut totals = Totals::new(1, 20);
    for mut recorder in shards(10) {
        totals.absorb(recorder.take(at(250)));
    }
    let mut planned = States::default();
    planned[MeterState::Planned] = 20;
    assert_eq!(totals.snapshot().states, planned);
}
