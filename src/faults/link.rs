//! A link that loses, delays, doubles and reorders datagrams.

use std::time::Duration;

use smallvec::SmallVec;

use crate::base::{Instant, Rng};

/// How bad a link is. The default is a perfect one.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct LinkFaults {
    /// Share of datagrams that never arrive, 0 to 1.
    pub loss: f64,
    /// Share of datagrams that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Share of datagrams held back by `reorder_by`, so that later ones overtake them, 0 to 1.
    pub reorder: f64,
    /// How long a reordered datagram is held back.
    pub reorder_by: Duration,
    /// How long every datagram takes.
    pub delay: Duration,
    /// Up to how much longer it takes, evenly spread.
    pub jitter: Duration,
}

/// When the copies of one datagram arrive: none, one or two instants.
pub type Arrivals = SmallVec<[Instant; 2]>;

/// One direction of a link, with its own generator: the same seed spoils the same datagrams.
#[derive(Clone, Debug)]
pub struct Link {
    faults: LinkFaults,
    rng: Rng,
    lost: u64,
}

impl Link {
    /// A link with these faults.
    pub fn new(faults: LinkFaults, rng: Rng) -> Self {
        Link { faults, rng, lost: 0 }
    }

    /// Has the link behave like this from now on.
    pub fn set_faults(&mut self, faults: LinkFaults) {
        self.faults = faults;
    }

    /// Puts a datagram on the link at `now`.
    pub fn pass(&mut self, now: Instant) -> Arrivals {
        let mut arrivals = Arrivals::new();
        if self.faults.loss > 0.0 && self.rng.chance(self.faults.loss) {
            self.lost += 1;
            return arrivals;
        }
        arrivals.push(self.arrival(now));
        if self.faults.duplicate > 0.0 && self.rng.chance(self.faults.duplicate) {
            arrivals.push(self.arrival(now));
        }
        arrivals
    }

    /// Datagrams lost so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn arrival(&mut self, now: Instant) -> Instant {
        let mut at = now + self.faults.delay;
        if !self.faults.jitter.is_zero() {
            at += self.faults.jitter.mul_f64(self.rng.unit());
        }
        if self.faults.reorder > 0.0 && self.rng.chance(self.faults.reorder) {
            at += self.faults.reorder_by;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Seed;

    fn arrivals_of(faults: LinkFaults, count: usize) -> Vec<Arrivals> {
        let mut link = Link::new(faults, Seed(5).rng());
        (0..count).map(|_| link.pass(Instant::ZERO)).collect()
    }

    #[test]
    fn a_perfect_link_delivers_each_once_and_at_once() {
        assert!(arrivals_of(LinkFaults::default(), 100).iter().all(|a| a.as_slice() == [Instant::ZERO]));
    }

    #[test]
    fn loses_and_doubles_the_share_it_is_told() {
        let faults = LinkFaults { loss: 0.3, duplicate: 0.5, ..LinkFaults::default() };
        let passed = arrivals_of(faults, 10_000);
        let lost = passed.iter().filter(|a| a.is_empty()).count();
        let doubled = passed.iter().filter(|a| a.len() == 2).count();
        assert!((2_800..3_200).contains(&lost), "{lost}");
        assert!((3_300..3_700).contains(&doubled), "{doubled}");
    }

    #[test]
    fn holds_some_back_behind_later_ones() {
        let faults = LinkFaults {
            reorder: 0.5,
            reorder_by: Duration::from_millis(50),
            delay: Duration::from_millis(10),
            jitter: Duration::from_millis(5),
            ..LinkFaults::default()
        };
        let millis = |a: &Arrivals| a[0].since_origin().as_secs_f64() * 1e3;
        let passed: Vec<f64> = arrivals_of(faults, 100).iter().map(millis).collect();
        assert!(passed.iter().all(|ms| (10.0..=65.0).contains(ms)));
        assert!(passed.iter().any(|ms| *ms < 16.0) && passed.iter().any(|ms| *ms >= 60.0));
    }

    #[test]
    fn the_same_seed_spoils_the_same_datagrams() {
        let faults = LinkFaults { loss: 0.5, duplicate: 0.5, ..LinkFaults::default() };
        assert_eq!(arrivals_of(faults, 200), arrivals_of(faults, 200));
    }
}
