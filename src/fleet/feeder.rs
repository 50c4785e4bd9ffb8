//! Which meter of a shard is switched on next, and when.

use super::arrivals::{Arrival, Arrivals};
use super::shared::{Feed, ShardConfig};
use crate::base::Instant;

/// The arrivals of one shard, one after the other.
pub(super) struct Feeder {
    kind: Kind,
    /// Meters switched on so far.
    started: u64,
    /// How many were due when nobody else was to be switched on any more.
    due_when_stopped: Option<u64>,
}

enum Kind {
    Open { arrivals: Arrivals, next: Option<Arrival>, start: Instant, shards: u32 },
    Closed { in_flight: u64, left: u64, slots: u32, next: u32 },
}

impl Feeder {
    pub(super) fn new(config: &ShardConfig) -> Self {
        let kind = match config.feed.clone() {
            Feed::Open(mut arrivals) => {
                let next = arrivals.next();
                Kind::Open { arrivals, next, start: config.start, shards: config.shards }
            }
            Feed::Closed { in_flight, left } => {
                Kind::Closed { in_flight: in_flight.into(), left, slots: config.meters, next: 0 }
            }
        };
        Feeder { kind, started: 0, due_when_stopped: None }
    }

    /// The slot to be switched on now, if one is, and the instant it was planned for. `onboarded` is how
    /// many have got their first 2.01.
    pub(super) fn next(&mut self, onboarded: u64, now: Instant) -> Option<(u32, Instant)> {
        let fed = match &mut self.kind {
            Kind::Open { arrivals, next, start, shards } => {
                let arrival = next.filter(|next| *start + next.due <= now)?;
                *next = arrivals.next();
                (arrival.meter / *shards, *start + arrival.due)
            }
            Kind::Closed { in_flight, left, slots, next } => {
                if *left == 0 || *slots == 0 || self.started.saturating_sub(onboarded) >= *in_flight {
                    return None;
                }
                *left -= 1;
                let slot = *next;
                *next = (*next + 1) % *slots;
                (slot, now)
            }
        };
        self.started += 1;
        Some(fed)
    }

    /// When the next one is due, where that is known.
    pub(super) fn next_at(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Open { next, start, .. } => next.map(|next| *start + next.due),
            Kind::Closed { .. } => None,
        }
    }

    /// How many are due by `now`; those the shard has not come to yet are due all the same.
    pub(super) fn due(&self, now: Instant) -> u64 {
        if let Some(due) = self.due_when_stopped {
            return due;
        }
        let behind = match &self.kind {
            Kind::Open { arrivals, next, start, .. } => {
                let coming = next.iter().copied().chain(arrivals.clone());
                coming.take_while(|arrival| *start + arrival.due <= now).count() as u64
            }
            Kind::Closed { .. } => 0,
        };
        self.started + behind
    }

    /// Nobody else is switched on, or due, from now on.
    pub(super) fn stop(&mut self, now: Instant) {
        self.due_when_stopped = Some(self.due(now));
        match &mut self.kind {
            Kind::Open { next, .. } => *next = None,
            Kind::Closed { left, .. } => *left = 0,
        }
    }
}
