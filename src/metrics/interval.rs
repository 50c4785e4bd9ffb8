//! What a shard's recorder hands over a few times a second.

use super::States;
use super::tally::Tally;
use crate::base::Instant;

/// Everything one shard recorded between two instants. Made by [`super::Recorder::take`], and given
/// to [`super::Totals::absorb`], usually on another thread.
#[derive(Clone, Debug)]
pub struct Interval {
    pub(super) shard: u16,
    pub(super) to: Instant,
    pub(super) gauges: Gauges,
    pub(super) tally: Tally,
}

impl Interval {
    /// The shard it comes from.
    pub fn shard(&self) -> u16 {
        self.shard
    }

    /// The shard's meters by state at the instant it was taken.
    pub fn states(&self) -> States {
        self.gauges.states
    }
}

/// What a shard knows at an instant, as opposed to what happened in an interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauges {
    pub states: States,
    /// Arrivals whose planned instant has passed.
    pub due: u64,
    /// The most meters that were registered at one time since the interval before.
    pub registered_peak: i64,
}
