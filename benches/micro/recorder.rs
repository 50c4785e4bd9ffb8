//! What an event costs a shard, and what merging costs the collector.

use std::time::Duration;

use bootstorm::base::{Instant, Seed};
use bootstorm::metrics::{Event, Leg, Recorder, RequestFate, RequestKind, Stage, Totals};
use divan::{Bencher, black_box, counter::ItemsCount};

const EVENTS: u64 = 10_000;

/// One event of each kind that a meter causes many of.
fn event(kind: &str, n: u64) -> Event {
    match kind {
        "sent" => Event::Sent { leg: Leg::Register, bytes: 70 },
        "request" => Event::Request { kind: RequestKind::Register, fate: RequestFate::Answered },
        // Spread over three orders of magnitude, as latencies are.
        "stage" => {
            Event::Stage { stage: Stage::Onboarding, latency: Duration::from_micros(100 + n * 37 % 99_991) }
        }
        "handled" => Event::Handled { late: Duration::from_micros(20 + n % 50) },
        other => unreachable!("no event {other}"),
    }
}

#[divan::bench(args = ["sent", "request", "stage", "handled"])]
fn record(bencher: Bencher, kind: &str) {
    let mut recorder = Recorder::new(0, 1000, Seed(1));
    let events: Vec<_> = (0..EVENTS).map(|n| event(kind, n)).collect();
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for &event in &events {
            recorder.record_of(black_box(1), black_box(event));
        }
    });
}

/// An interval in which every stage has values: the most a quarter of a second can cost.
#[divan::bench]
fn take_and_absorb(bencher: Bencher) {
    let mut recorder = Recorder::new(0, 1000, Seed(1));
    let mut totals = Totals::new(1, 1000);
    let mut now = Instant::ZERO;
    bencher.bench_local(|| {
        for stage in Stage::ALL {
            recorder.record(Event::Stage { stage, latency: Duration::from_micros(1234) });
        }
        now += Duration::from_millis(250);
        totals.absorb(recorder.take(now));
        totals.take_finished()
    });
}

#[divan::bench]
fn snapshot(bencher: Bencher) {
    let mut recorder = Recorder::new(0, 1000, Seed(1));
    let mut totals = Totals::new(1, 1000);
    for n in 0..EVENTS {
        for stage in Stage::ALL {
            recorder.record(Event::Stage { stage, latency: Duration::from_micros(100 + n * 37 % 99_991) });
        }
    }
    totals.absorb(recorder.take(Instant::from_millis(250)));
    bencher.bench_local(|| totals.snapshot());
}
