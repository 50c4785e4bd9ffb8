//! A few meters to look at for each kind of failure: the first ones, and some drawn at random.

use smallvec::SmallVec;

use super::FailureKind;
use crate::base::Seed;

/// How many of the first failing meters are kept.
const FIRST: usize = 3;
/// How many meters drawn at random are kept.
const DRAWN: usize = 5;

/// Up to eight distinct meters that failed in one way.
///
/// The random ones are those with the smallest hash of seed, failure and meter. That is a fair
/// draw among the meters that failed, and merging is keeping the smallest of both: the outcome does
/// not depend on how meters are spread over shards, nor on the order of merging.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    first: SmallVec<[u32; FIRST]>,
    /// Hash and meter, smallest first.
    drawn: SmallVec<[(u64, u32); DRAWN]>,
}

impl Sample {
    /// Offers a meter that failed.
    pub(super) fn offer(&mut self, seed: Seed, kind: FailureKind, meter: u32) {
        let (stem, code) = kind.parts();
        let hash = seed.child(stem, u64::from(meter) | u64::from(code.unwrap_or(0)) << 32).0;
        self.keep_first(meter);
        self.keep_drawn((hash, meter));
    }

    /// Adds the meters another sample kept.
    pub(super) fn merge(&mut self, other: &Sample) {
        other.first.iter().for_each(|&meter| self.keep_first(meter));
        other.drawn.iter().for_each(|&entry| self.keep_drawn(entry));
    }

    /// The meters kept: the first ones in order, then the ones drawn, none twice.
    pub(super) fn meters(&self) -> Vec<u32> {
        let drawn = self.drawn.iter().map(|&(_, meter)| meter).filter(|meter| !self.first.contains(meter));
        self.first.iter().copied().chain(drawn).collect()
    }

    fn keep_first(&mut self, meter: u32) {
        if self.first.len() < FIRST && !self.first.contains(&meter) {
            self.first.push(meter);
        }
    }

    fn keep_drawn(&mut self, entry: (u64, u32)) {
        let Err(place) = self.drawn.binary_search(&entry) else { return };
        if place < DRAWN {
            self.drawn.truncate(DRAWN - 1);
            self.drawn.insert(place, entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: FailureKind = FailureKind::RegistrationRefused(0xa3);

    fn of(seed: u64, meters: impl IntoIterator<Item = u32>) -> Sample {
        let mut sample = Sample::default();
        meters.into_iter().for_each(|meter| sample.offer(Seed(seed), KIND, meter));
        sample
    }

    #[test]
    fn a_sample_is_bounded_distinct_and_begins_with_the_first() {
        let meters = of(1, (0..10_000).chain(0..10_000)).meters();
        assert_eq!(meters[..FIRST], [0, 1, 2]);
        assert!((FIRST + 1..=FIRST + DRAWN).contains(&meters.len()), "{meters:?}");
        let mut unique = meters.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), meters.len());
    }

    #[test]
    fn one_meter_that_fails_for_ever_is_listed_once() {
        assert_eq!(of(1, std::iter::repeat_n(7, 100)).meters(), [7]);
    }

    #[test]
    fn the_draw_depends_on_the_seed_and_not_on_the_shards() {
        let whole = of(1, 0..1000);
        let mut merged = of(1, (0..1000).filter(|m| m % 2 == 0));
        merged.merge(&of(1, (0..1000).filter(|m| m % 2 == 1)));
        assert_eq!(whole.drawn, merged.drawn);
        assert_ne!(whole.drawn, of(2, 0..1000).drawn);
    }

    #[test]
    fn every_meter_is_as_likely_to_be_drawn() {
        // 400 draws of 5 out of 100: each half of the fleet gets about half of them.
        let low: usize =
            (0..400).map(|seed| of(seed, 0..100).drawn.iter().filter(|(_, m)| *m < 50).count()).sum();
        assert!((900..=1100).contains(&low), "{low}");
    }
}
