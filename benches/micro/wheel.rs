//! The timer wheel with a million ids armed, as in a shard that holds a million meters.

use std::time::Duration;

use bootstorm::base::{Instant, Seed, Wheel};
use divan::Bencher;
use divan::counter::ItemsCount;

const METERS: u32 = 1_000_000;
const BATCH: u32 = 10_000;

/// Re-arms random meters for a CoAP timeout (2 to 3 s) from now, while time goes on.
#[divan::bench]
fn rearm_among_a_million(bencher: Bencher) {
    let mut fleet = Fleet::new(Duration::from_secs(2), Duration::from_secs(1));
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            fleet.rearm();
        }
    });
}

/// Expires timers as they come due and arms each again: a cascade or two and an expiry for each.
#[divan::bench]
fn expire_and_arm_among_a_million(bencher: Bencher) {
    let mut fleet = Fleet::new(Duration::from_secs(2), Duration::from_secs(1));
    let mut due = Vec::new();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let mut done = 0;
        while done < BATCH {
            fleet.now = fleet.wheel.next().expect("every meter is armed");
            fleet.wheel.expire(fleet.now, &mut due);
            done += due.len() as u32;
            for id in due.drain(..) {
                let when = fleet.deadline();
                fleet.wheel.arm(id, when);
            }
        }
    });
}

/// Asks for the next deadline with a million armed.
#[divan::bench]
fn next_among_a_million(bencher: Bencher) {
    let fleet = Fleet::new(Duration::from_secs(2), Duration::from_secs(1));
    bencher.bench_local(|| divan::black_box(&fleet.wheel).next());
}

struct Fleet {
    wheel: Wheel,
    now: Instant,
    shortest: Duration,
    spread: Duration,
    /// Drawn ahead: drawing costs more than what is measured.
    draws: Vec<u32>,
    at: usize,
}

impl Fleet {
    fn new(shortest: Duration, spread: Duration) -> Self {
        let mut rng = Seed(1).rng();
        let draws = (0..1 << 20).map(|_| (rng.next_u64() >> 32) as u32).collect();
        let now = Instant::from_secs(1);
        let mut fleet = Fleet { wheel: Wheel::new(now), now, shortest, spread, draws, at: 0 };
        for id in 0..METERS {
            let when = fleet.deadline();
            fleet.wheel.arm(id, when);
        }
        fleet
    }

    fn draw(&mut self) -> u32 {
        self.at = (self.at + 1) % self.draws.len();
        self.draws[self.at]
    }

    fn deadline(&mut self) -> Instant {
        let spread = self.spread.as_nanos() as u64;
        self.now + self.shortest + Duration::from_nanos((u64::from(self.draw()) * spread) >> 32)
    }

    fn rearm(&mut self) {
        let id = ((u64::from(self.draw()) * u64::from(METERS)) >> 32) as u32;
        let when = self.deadline();
        self.wheel.arm(id, when);
    }
}
