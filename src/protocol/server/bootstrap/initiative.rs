//! Bootstraps that a server begins of its own accord, as LwM2M 1.0 allows: it just starts to write to
//! devices it has bootstrapped before.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustc_hash::FxHashSet;

use crate::base::{Instant, Rate};
use crate::protocol::server::behind;

/// When a Bootstrap-Server begins with whom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Initiative {
    /// How long after the first device was bootstrapped.
    pub after: Duration,
    /// So many a second, each device once, in the order of their first bootstrap.
    pub rate: Rate,
}

/// A device that is to be begun with.
pub(super) struct Candidate {
    pub address: SocketAddr,
    /// Which of the server's addresses it speaks to.
    pub local: IpAddr,
    pub endpoint: Box<str>,
}

/// Those whose turn has not come.
#[derive(Default)]
pub(super) struct Candidates {
    waiting: VecDeque<Candidate>,
    /// All there ever were: each has one turn.
    known: FxHashSet<SocketAddr>,
    begun: u64,
    /// When the first of them was bootstrapped.
    first: Option<Instant>,
}

impl Candidates {
    /// A device was bootstrapped. False if it is a new one beyond the `limit`.
    pub(super) fn add(&mut self, candidate: Candidate, limit: usize, now: Instant) -> bool {
        if self.known.contains(&candidate.address) {
            return true;
        }
        if self.known.len() >= limit {
            return false;
        }
        self.first.get_or_insert(now);
        self.known.insert(candidate.address);
        self.waiting.push_back(candidate);
        true
    }

    /// When the next one's turn comes.
    pub(super) fn next(&self, initiative: Initiative) -> Option<Instant> {
        let first = self.first.filter(|_| !self.waiting.is_empty())?;
        Some(first + initiative.after + behind(self.begun, initiative.rate.per_second()))
    }

    /// The next one, if its turn has come.
    pub(super) fn take(&mut self, initiative: Initiative, now: Instant) -> Option<Candidate> {
        self.next(initiative).filter(|due| *due <= now)?;
        self.begun += 1;
        self.waiting.pop_front()
    }
}
